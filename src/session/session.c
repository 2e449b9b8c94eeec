// SPDX-License-Identifier: MIT
// The handshakes of one remote, begun and answered. Key pairs are in pairs.c, time is in timers.c.
#include "session/session.h"

#include <errno.h>
#include <string.h>

#include "base/assert.h"
#include "crypto/crypto.h"
#include "session/machine.h"

static struct wend_parties parties_of(const struct wend_session *s)
{
    return (struct wend_parties){s->config->prologue, s->config->self, &s->remote};
}

static enum wend_session_kind kind_of(const struct wend_session *s)
{
    return s->config->prologue->kind;
}

void wend_session_init(struct wend_session *s, const struct wend_session_config *config,
                       const struct wend_session_buffers *buffers, const struct wend_remote *remote)
{
    *s = (struct wend_session){
        .config = config,
        .timing = config->timing ? config->timing : wend_session_timing(config->prologue->kind),
        .buffers = *buffers,
        .remote = *remote,
        .accepted = WEND_NEVER,
        .asked = WEND_NEVER,
        .keepalive_at = WEND_NEVER,
        .silence_at = WEND_NEVER,
    };
}

void wend_session_close(struct wend_session *s)
{
    if (s->buffers.initiation)
        wend_wipe(s->buffers.initiation, s->buffers.initiation_max);
    if (s->buffers.response)
        wend_wipe(s->buffers.response, s->buffers.response_max);
    wend_wipe(s, sizeof *s);
}

void wend_session_set_floor(struct wend_session *s, const struct wend_label *label)
{
    if (wend_label_is_later(label, &s->greatest_label))
        s->greatest_label = *label;
}

void wend_session_raise(struct wend_session *s, enum wend_session_event_kind kind,
                        uint32_t local_index, bool send)
{
    wend_assert(s->event_count < WEND_SESSION_EVENTS_MAX); // the owner drains after every call
    const size_t at = (s->event_first + s->event_count++) % WEND_SESSION_EVENTS_MAX;
    s->events[at].kind = (uint8_t)kind;
    s->events[at].local_index = local_index;
    s->events[at].send = send;
}

bool wend_session_next_event(struct wend_session *s, struct wend_session_event *ret)
{
    if (s->event_count == 0) {
        if (s->keys.local_index != 0) // asked at every turn: seldom there is something to wipe
            wend_wipe(&s->keys, sizeof s->keys);
        return false;
    }
    const size_t at = s->event_first;
    s->event_first = (uint8_t)((at + 1) % WEND_SESSION_EVENTS_MAX);
    s->event_count--;
    *ret = (struct wend_session_event){
        .kind = (enum wend_session_event_kind)s->events[at].kind,
        .send = s->events[at].send,
        .local_index = s->events[at].local_index,
    };
    if (ret->kind == WEND_SESSION_EVENT_KEYS) {
        wend_assert(s->keys.local_index == ret->local_index);
        ret->keys = &s->keys;
    }
    return true;
}

bool wend_session_next_datagram(struct wend_session *s, struct wend_bytes *ret)
{
    if (s->response_due) {
        s->response_due = false;
        *ret = (struct wend_bytes){s->buffers.response, s->response_len};
        return true;
    }
    if (s->initiation_due) {
        s->initiation_due = false;
        *ret = (struct wend_bytes){s->buffers.initiation, s->initiation_len};
        return true;
    }
    return false;
}

bool wend_session_is_starting(const struct wend_session *s)
{
    return s->handshake.local_index != 0;
}

uint32_t wend_session_starting_index(const struct wend_session *s)
{
    return s->handshake.local_index;
}

void wend_session_stop(struct wend_session *s)
{
    wend_wipe(&s->handshake, sizeof s->handshake);
    s->initiation_due = false;
    s->initiation_len = 0;
    s->waiting = false;
    s->jar.has_mac1 = false;
}

bool wend_session_is_idle(const struct wend_session *s)
{
    return s->handshake.local_index == 0 && s->previous.local_index == 0 &&
           s->current.local_index == 0 && s->next.local_index == 0;
}

// Writes a fresh initiation into the buffer. On failure the handshake is as it was.
static int write_initiation(struct wend_session *s, const struct wend_session_start *start,
                            wend_instant now)
{
    const struct wend_parties parties = parties_of(s);
    struct wend_handshake_input input = {
        .local_index = start->local_index,
        .label = wend_label_of(wend_label_clock_next(s->config->labels, start->unix_ns)),
        .attributes = start->attributes,
        .cookie = wend_cookie_current(&s->jar, now),
        .out = s->buffers.initiation,
        .out_max = s->buffers.initiation_max,
    };
    wend_random_bytes(s->config->random, input.ephemeral, sizeof input.ephemeral);
    const int len = wend_initiation_create(&parties, &input, &s->handshake);
    wend_wipe(input.ephemeral, sizeof input.ephemeral);
    if (len < 0)
        return len;
    s->initiation_len = (uint16_t)len;
    s->initiation_due = true;
    wend_cookie_sent(&s->jar, (struct wend_bytes){s->buffers.initiation, s->initiation_len});
    return 0;
}

static void arm_retry(struct wend_session *s, wend_instant now)
{
    s->retry_at = now + s->retry_after;
    if (s->timing->retry_jitter > 0) {
        const uint32_t us = (uint32_t)(s->timing->retry_jitter / 1000) + 1;
        s->retry_at += WEND_US(wend_random_below(s->config->random, us));
    }
}

int wend_session_start(struct wend_session *s, const struct wend_session_start *start,
                       wend_instant now)
{
    wend_assert(start->local_index != 0 && s->buffers.initiation && s->config->labels);
    s->wanted = now;
    if (wend_session_is_starting(s))
        return -EALREADY;
    if (wend_session_yields(s) && s->next.local_index != 0 &&
        now - s->next.created < WEND_SESSION_PATIENCE) {
        s->waiting = true;
        return -EALREADY;
    }
    const int error = write_initiation(s, start, now);
    if (error)
        return error;
    if (wend_session_yields(s))
        wend_session_give_up_next(s);
    s->next.crossed = false; // what crossed an earlier handshake does not cross this one
    s->waiting = false;
    s->begun = now;
    s->begun_unix_ns = start->unix_ns;
    s->retry_after = s->timing->retry_first;
    arm_retry(s, now);
    return 0;
}

// The same bytes once more, but for mac2, which follows the cookie of the day.
static void remake_macs(struct wend_session *s, wend_instant now)
{
    uint8_t *const end = s->buffers.initiation + s->initiation_len;
    const struct wend_message_slots slots = {
        .mac1 = end - 2 * WEND_MESSAGE_MAC_LEN,
        .mac2 = end - WEND_MESSAGE_MAC_LEN,
    };
    wend_mac_write(s->buffers.initiation, &slots, s->remote.mac1_key,
                   wend_cookie_current(&s->jar, now));
    wend_cookie_sent(&s->jar, (struct wend_bytes){s->buffers.initiation, s->initiation_len});
    s->initiation_due = true;
}

void wend_session_repeat(struct wend_session *s, wend_instant now)
{
    if (kind_of(s) == WEND_SESSION_WIREGUARD) {
        const struct wend_session_start start = {
            .local_index = s->handshake.local_index,
            .unix_ns = s->begun_unix_ns + (uint64_t)(now - s->begun),
        };
        const int error = write_initiation(s, &start, now);
        wend_assert(!error); // it fitted, and the remote's key was sound, at the first try
    } else {
        remake_macs(s, now);
    }
    s->retry_after *= 2;
    if (s->retry_after > s->timing->retry_max)
        s->retry_after = s->timing->retry_max;
    arm_retry(s, now);
}

// A first cookie leads to a repetition at once; more of them, which somebody on the path could
// forge without end, wait for the retry.
static enum wend_drop receive_cookie(struct wend_session *s, struct wend_bytes in, wend_instant now)
{
    const bool had = wend_cookie_current(&s->jar, now) != NULL;
    const enum wend_drop drop = wend_cookie_consume(&s->jar, &s->remote, in, now);
    if (drop == WEND_DROP_NONE && !had && kind_of(s) != WEND_SESSION_WIREGUARD)
        remake_macs(s, now);
    return drop;
}

enum wend_drop wend_session_receive(struct wend_session *s, struct wend_bytes in, wend_instant now,
                                    struct wend_response *ret)
{
    struct wend_message_cookie cookie;
    ret->attributes_len = 0;
    if (!wend_message_read_cookie(in, &cookie)) {
        if (!wend_session_is_starting(s) || cookie.receiver != s->handshake.local_index)
            return WEND_DROP_NO_SESSION;
        return receive_cookie(s, in, now);
    }
    const struct wend_parties parties = parties_of(s);
    struct wend_keys keys;
    const enum wend_drop drop = wend_response_open(&parties, &s->handshake, in, ret, &keys);
    if (drop != WEND_DROP_NONE)
        return drop;
    keys.created = now;
    wend_session_stop(s);
    wend_session_install(s, &keys, false);
    wend_wipe(&keys, sizeof keys);
    s->silence_at = WEND_NEVER;
    if (s->timing->keepalive)
        wend_session_raise(s, WEND_SESSION_EVENT_KEEPALIVE, 0, false);
    return WEND_DROP_NONE;
}

enum wend_drop wend_session_receive_initiation(struct wend_session *s, struct wend_initiation *i,
                                               wend_instant now, bool *ret_new)
{
    wend_assert(memcmp(i->remote_static, s->remote.public_key, WEND_SESSION_KEY_LEN) == 0);
    if (s->response_len > 0 && wend_equal(i->digest, s->response_to, sizeof i->digest)) {
        s->response_due = true;
        *ret_new = false;
        return WEND_DROP_NONE;
    }
    if (s->accepted != WEND_NEVER && now - s->accepted < WEND_SESSION_FLOOD)
        return WEND_DROP_RATE_LIMITED;
    if (i->sealed_len > 0) { // not opened yet
        const struct wend_parties parties = parties_of(s);
        const enum wend_drop drop = wend_initiation_open_payload(&parties, i);
        if (drop != WEND_DROP_NONE)
            return drop;
    }
    if (!wend_label_is_later(&i->label, &s->greatest_label))
        return WEND_DROP_STALE_TIMESTAMP;
    *ret_new = true;
    return WEND_DROP_NONE;
}

int wend_session_accept(struct wend_session *s, const struct wend_initiation *i,
                        const struct wend_session_accept *accept, wend_instant now)
{
    const struct wend_parties parties = parties_of(s);
    struct wend_handshake_input input = {
        .local_index = accept->local_index,
        .attributes = accept->attributes,
        .out = s->buffers.response,
        .out_max = s->buffers.response_max,
    };
    struct wend_keys keys;
    wend_random_bytes(s->config->random, input.ephemeral, sizeof input.ephemeral);
    s->response_len = 0; // the buffer is written anew, whatever comes of it
    s->response_index = 0;
    const int len = wend_response_create(&parties, i, &input, &keys);
    wend_wipe(input.ephemeral, sizeof input.ephemeral);
    if (len < 0)
        return len;
    keys.created = now;
    if (wend_session_yields(s))
        wend_session_stop(s);
    wend_session_install(s, &keys, accept->eager);
    wend_wipe(&keys, sizeof keys);
    s->greatest_label = i->label;
    s->accepted = now;
    memcpy(s->response_to, i->digest, sizeof s->response_to);
    s->response_index = accept->local_index;
    s->response_len = (uint16_t)len;
    s->response_due = true;
    return 0;
}

static void check_pair(const struct wend_session *s, const struct wend_session_pair *pair)
{
    if (pair->local_index == 0)
        return;
    const struct wend_session_pair *const slots[] = {&s->previous, &s->current, &s->next};
    for (size_t i = 0; i < 3; i++)
        wend_assert(slots[i] == pair || slots[i]->local_index != pair->local_index);
    wend_assert(pair->serial != 0 && pair->serial <= s->serial);
    wend_assert(pair->local_index != s->handshake.local_index);
}

void wend_session_check(const struct wend_session *s)
{
    check_pair(s, &s->previous);
    check_pair(s, &s->current);
    check_pair(s, &s->next);
    wend_assert(!s->next.initiator && !s->current.eager && !s->previous.eager);
    wend_assert(s->outdated <= s->serial);
    wend_assert(!s->waiting || (s->next.local_index != 0 && s->handshake.local_index == 0));
    wend_assert((s->response_len == 0) == (s->response_index == 0));
    wend_assert(s->response_index == 0 || s->response_index == s->next.local_index ||
                s->response_index == s->current.local_index ||
                s->response_index == s->previous.local_index);
    wend_assert(!s->response_due || s->response_len > 0);
    wend_assert(!s->initiation_due || s->handshake.local_index != 0);
    wend_assert(s->event_count <= WEND_SESSION_EVENTS_MAX);
}
