// SPDX-License-Identifier: MIT
#include "node/leg_state.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

#define RESTART_FIRST WEND_S(1)
#define RESTART_MAX   WEND_S(30)

void wend_leg_raise(struct wend_leg *leg, const struct wend_leg_event *event)
{
    // Room is for all that one call can raise; an owner that does not drain loses the newest.
    if (leg->event_count == WEND_LEG_EVENTS_MAX)
        return;
    leg->events[(leg->event_first + leg->event_count) % WEND_LEG_EVENTS_MAX] = *event;
    leg->event_count++;
}

bool wend_leg_has_event(const struct wend_leg *leg)
{
    return leg->event_count != 0;
}

bool wend_leg_next_event(struct wend_leg *leg, struct wend_leg_event *ret)
{
    if (leg->event_count == 0)
        return false;
    *ret = leg->events[leg->event_first];
    leg->event_first = (leg->event_first + 1) % WEND_LEG_EVENTS_MAX;
    leg->event_count--;
    return true;
}

void wend_leg_set_addresses(struct wend_leg *leg, const struct wend_address *at, size_t count)
{
    struct wend_leg_search *search = &leg->search;
    if (count == 0)
        return; // better those of before than none
    search->address_count = 0;
    for (size_t i = 0; i < count && search->address_count < WEND_LEG_ADDRESSES_MAX; i++)
        search->addresses[search->address_count++] = at[i];
}

int wend_leg_init(struct wend_leg *leg, const struct wend_leg_config *config,
                  struct wend_random *random)
{
    memset(leg, 0, offsetof(struct wend_leg, slots)); // with slot_high: none was used
    struct wend_remote remote;
    if (config->address_count == 0 ||
        wend_remote_init(&remote, config->identity, config->server_key) != 0)
        return -EINVAL;
    leg->config = *config;
    leg->random = random;
    wend_prologue_server(&leg->prologue);
    leg->session_config = (struct wend_session_config){
        .prologue = &leg->prologue,
        .self = config->identity,
        .random = random,
        .labels = config->labels,
    };
    const struct wend_session_buffers buffers = {
        .initiation = leg->initiation,
        .initiation_max = sizeof leg->initiation,
        .response = leg->response,
        .response_max = sizeof leg->response,
    };
    wend_session_init(&leg->session, &leg->session_config, &buffers, &remote);
    wend_wipe(&remote, sizeof remote);
    wend_leg_set_addresses(leg, config->addresses, config->address_count);
    leg->keepalive_at = leg->restart_at = WEND_NEVER;
    leg->resumed_at = -WEND_S(1);
    leg->search.stream_at = leg->search.stun_at = WEND_NEVER;
    leg->restart_after = RESTART_FIRST;
    leg->last_id = wend_random_u32(random) >> 2;
    return 0;
}

void wend_leg_start(struct wend_leg *leg, wend_instant now, uint64_t unix_ns)
{
    leg->clock_offset = (int64_t)unix_ns - now;
    if (leg->started)
        return;
    leg->started = true;
    wend_leg_connect(leg, now);
}

void wend_leg_close(struct wend_leg *leg)
{
    wend_session_close(&leg->session);
    wend_box_close(&leg->box);
    wend_box_close(&leg->previous);
    wend_wipe(leg, offsetof(struct wend_leg, slots) + leg->slot_high * sizeof leg->slots[0]);
}

void wend_leg_connect(struct wend_leg *leg, wend_instant now)
{
    // A second start would put off giving up, and so LOST, for ever.
    if (wend_session_is_starting(&leg->session))
        return;
    uint8_t memory[64];
    struct wend_writer w = wend_writer_of(memory, sizeof memory);
    wend_attribute_put_u32(&w, WEND_ATTRIBUTE_CAPABILITIES, 0);
    wend_attribute_put_u64(&w, WEND_ATTRIBUTE_EPOCH, leg->config.epoch);
    struct wend_session_start start = {
        .unix_ns = (uint64_t)(now + leg->clock_offset),
        .attributes = {.at = memory, .len = w.len},
    };
    while (start.local_index == 0 || start.local_index == leg->box.local_index ||
           start.local_index == leg->previous.local_index)
        start.local_index = wend_random_u32(leg->random);
    leg->restart_at = WEND_NEVER;
    if (wend_session_start(&leg->session, &start, now) != 0)
        return;
    leg->connecting_since = now;
    leg->initiations = 0;
    wend_leg_search_begin(leg, now);
}

static void take_keys(struct wend_leg *leg, const struct wend_keys *keys, wend_instant now)
{
    wend_box_close(&leg->previous);
    if (leg->have_session) {
        leg->previous = leg->box;
        wend_wipe(&leg->box, sizeof leg->box);
    }
    wend_box_init(&leg->box, keys, WEND_MESSAGE_DATA);
    memcpy(leg->handshake_hash, keys->handshake_hash, sizeof leg->handshake_hash);
    leg->have_session = true;
    leg->restart_after = RESTART_FIRST;
    leg->last_received = now;
}

static void expired(struct wend_leg *leg, uint32_t local_index, wend_instant now)
{
    if (local_index == leg->previous.local_index)
        wend_box_close(&leg->previous);
    if (local_index != leg->box.local_index)
        return;
    wend_box_close(&leg->box);
    leg->have_session = false;
    wend_leg_connect(leg, now);
}

static void gave_up(struct wend_leg *leg, wend_instant now)
{
    leg->restart_at = now + leg->restart_after;
    leg->restart_after =
        leg->restart_after * 2 < RESTART_MAX ? leg->restart_after * 2 : RESTART_MAX;
    wend_leg_raise(leg, &(struct wend_leg_event){.kind = WEND_LEG_LOST});
}

void wend_leg_take_session_events(struct wend_leg *leg, wend_instant now)
{
    struct wend_session_event event;
    while (wend_session_next_event(&leg->session, &event)) {
        switch (event.kind) {
        case WEND_SESSION_EVENT_KEYS: take_keys(leg, event.keys, now); break;
        case WEND_SESSION_EVENT_EXPIRED: expired(leg, event.local_index, now); break;
        case WEND_SESSION_EVENT_REKEY: wend_leg_connect(leg, now); break;
        case WEND_SESSION_EVENT_GAVE_UP: gave_up(leg, now); break;
        case WEND_SESSION_EVENT_NONE:
        case WEND_SESSION_EVENT_CONFIRMED:
        case WEND_SESSION_EVENT_KEEPALIVE: break; // the first request confirms
        }
    }
}

void wend_leg_measured(struct wend_leg *leg, wend_duration rtt)
{
    // RFC 6298 section 2.3: alpha is 1/8.
    if (leg->rtt_least == 0 || rtt < leg->rtt_least)
        leg->rtt_least = rtt;
    leg->rtt = leg->rtt == 0 ? rtt : leg->rtt + (rtt - leg->rtt) / 8;
}

void wend_leg_saw(struct wend_leg *leg, struct wend_bytes address_value)
{
    struct wend_address seen;
    if (!wend_attribute_address(address_value, &seen) || wend_address_equal(&seen, &leg->observed))
        return;
    leg->observed = seen;
    wend_leg_raise(leg, &(struct wend_leg_event){.kind = WEND_LEG_MOVED, .address = seen});
}

bool wend_leg_is_up(const struct wend_leg *leg)
{
    return leg->have_session && leg->search.routed;
}

const struct wend_datagram *wend_leg_route(const struct wend_leg *leg)
{
    return wend_leg_is_up(leg) ? &leg->search.route : NULL;
}

wend_duration wend_leg_rtt(const struct wend_leg *leg)
{
    return leg->rtt;
}

struct wend_address wend_leg_observed(const struct wend_leg *leg)
{
    return leg->observed;
}

wend_duration wend_leg_rtt_least(const struct wend_leg *leg)
{
    return leg->rtt_least;
}

const uint8_t *wend_leg_handshake_hash(const struct wend_leg *leg)
{
    return leg->handshake_hash;
}

void wend_leg_expire(struct wend_leg *leg, wend_instant now, uint64_t unix_ns)
{
    leg->clock_offset = (int64_t)unix_ns - now;
    if (!leg->started)
        return;
    wend_session_expire(&leg->session, now);
    wend_leg_take_session_events(leg, now);
    if (leg->restart_at <= now)
        wend_leg_connect(leg, now);
    wend_leg_search_expire(leg, now);
    wend_leg_requests_expire(leg, now);
}

wend_instant wend_leg_deadline(const struct wend_leg *leg)
{
    if (!leg->started)
        return WEND_NEVER;
    wend_instant least = wend_session_deadline(&leg->session);
    least = wend_instant_min(least, leg->restart_at);
    least = wend_instant_min(least, wend_leg_search_deadline(leg));
    return wend_instant_min(least, wend_leg_requests_deadline(leg));
}

bool wend_leg_next_datagram(struct wend_leg *leg, struct wend_datagram *ret)
{
    struct wend_bytes initiation;
    if (wend_session_next_datagram(&leg->session, &initiation)) {
        leg->initiation_len = initiation.len;
        leg->initiations++;
        wend_leg_search_repeat(leg);
    }
    return wend_leg_search_next_datagram(leg, ret) || wend_leg_requests_next_datagram(leg, ret);
}
