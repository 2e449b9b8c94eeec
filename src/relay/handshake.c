// SPDX-License-Identifier: MIT
// Type 5 to type 6: what a stranger must pay before it has a session. docs/protocol.md section 2.2.
//
// Cheap checks come first: mac1 (a hash), then the rate of its source and of all together, then the
// key exchange. A source over its rate, or any when all together are, gets a cookie; with that
// cookie it counts by itself, so that nobody can spoof it out of its share.
#include "relay/relay_state.h"

#include <string.h>

// --- who may go on ---

static enum wend_drop answer_with_cookie(struct wend_relay *r, const struct wend_datagram *in)
{
    uint8_t reply[WEND_MESSAGE_COOKIE_LEN];
    const struct wend_relay_source to = wend_relay_source_of(in);
    wend_cookie_reply(&r->cookies, &r->identity, in, r->now, reply);
    wend_relay_send(r, &to, WEND_BYTES(reply));
    r->counts.cookies++;
    return wend_relay_drop(r, WEND_DROP_UNDER_LOAD);
}

static enum wend_drop admit(struct wend_relay *r, const struct wend_datagram *in)
{
    const enum wend_cookie_verdict verdict =
        wend_cookie_check(&r->cookies, &r->identity, in, r->now);
    if (verdict == WEND_COOKIE_NONE)
        return wend_relay_drop(r, WEND_DROP_BAD_MAC);
    const bool calm = wend_bucket_take(&r->handshakes, &WEND_RELAY_HANDSHAKES_LIMIT, 1, r->now);
    // A stream has shown its source by the three-way handshake below it.
    if (verdict == WEND_COOKIE_MAC2 || in->stream != 0)
        return wend_limits_take(r->limits, WEND_LIMIT_HANDSHAKE_PROVEN, &in->remote, r->now)
                   ? WEND_DROP_NONE
                   : wend_relay_drop(r, WEND_DROP_RATE_LIMITED);
    if (calm && wend_limits_take(r->limits, WEND_LIMIT_HANDSHAKE, &in->remote, r->now))
        return WEND_DROP_NONE;
    return answer_with_cookie(r, in);
}

// --- the session ---

// The side of the client that the new keys go to: never the one in use.
static uint8_t free_side(const struct wend_relay_client *c)
{
    return c->sessions[c->current].box.type == 0 ? c->current : (uint8_t)(c->current ^ 1);
}

// 15 random bits, the side, 16 bits of place: found again without a search.
static uint32_t make_index(struct wend_relay *r, uint32_t ref, uint8_t side)
{
    const uint32_t random = 1 + wend_random_below(&r->random, 0x7fff);
    return random << 17 | (uint32_t)side << 16 | (ref - 1);
}

// Writes the response into the client's cache. Returns whether it could be made.
static bool respond(struct wend_relay *r, struct wend_relay_client *c,
                    const struct wend_initiation *i, uint32_t index, struct wend_keys *ret)
{
    uint8_t memory[32];
    struct wend_writer w = wend_writer_of(memory, sizeof memory);
    wend_attribute_put_u32(&w, WEND_ATTRIBUTE_CAPABILITIES, 0);
    wend_attribute_put_u64(&w, WEND_ATTRIBUTE_EPOCH, r->epoch);
    struct wend_remote remote;
    wend_remote_from_initiation(&remote, i);
    const struct wend_parties parties = {
        .prologue = &r->prologue, .self = &r->identity, .remote = &remote};
    struct wend_handshake_input input = {
        .local_index = index,
        .attributes = {memory, w.len},
        .out = c->response,
        .out_max = sizeof c->response,
    };
    wend_random_bytes(&r->random, input.ephemeral, sizeof input.ephemeral);
    const int len = wend_response_create(&parties, i, &input, ret);
    wend_wipe(&input, sizeof input);
    wend_wipe(&remote, sizeof remote);
    c->response_len = len > 0 ? (uint8_t)len : 0;
    return len > 0;
}

static void take_keys(struct wend_relay *r, struct wend_relay_client *c, uint8_t side,
                      const struct wend_keys *keys)
{
    struct wend_relay_session *s = &c->sessions[side];
    wend_box_close(&s->box);
    wend_box_init(&s->box, keys, WEND_MESSAGE_DATA);
    memcpy(s->handshake_hash, keys->handshake_hash, sizeof s->handshake_hash);
    s->created = r->now;
    s->pending = true;
}

static enum wend_drop accept(struct wend_relay *r, uint32_t ref, const struct wend_initiation *i,
                             const struct wend_relay_source *to)
{
    struct wend_relay_client *c = wend_relay_client_at(r, ref);
    const uint8_t side = free_side(c);
    struct wend_keys keys;
    if (!respond(r, c, i, make_index(r, ref, side), &keys))
        return wend_relay_drop(r, WEND_DROP_MALFORMED);
    take_keys(r, c, side, &keys);
    wend_wipe(&keys, sizeof keys);
    c->label = i->label;
    memcpy(c->response_to, i->digest, sizeof c->response_to);
    c->heard_at = r->now;
    r->counts.handshakes++;
    wend_relay_send(r, to, (struct wend_bytes){c->response, c->response_len});
    return WEND_DROP_NONE;
}

// The same message again (lost answer, or by another transport) has the same answer.
static bool repeat(struct wend_relay *r, uint32_t ref, const struct wend_initiation *i,
                   const struct wend_relay_source *to)
{
    const struct wend_relay_client *c = ref != 0 ? wend_relay_client_at(r, ref) : NULL;
    if (c == NULL || c->response_len == 0 ||
        memcmp(c->response_to, i->digest, sizeof c->response_to) != 0)
        return false;
    r->counts.handshake_repeats++;
    wend_relay_send(r, to, (struct wend_bytes){c->response, c->response_len});
    return true;
}

static enum wend_drop judge(struct wend_relay *r, struct wend_initiation *i,
                            const struct wend_relay_source *to)
{
    const struct wend_parties parties = {.prologue = &r->prologue, .self = &r->identity};
    uint32_t ref = wend_relay_client_find(r, i->remote_static);
    if (repeat(r, ref, i, to))
        return WEND_DROP_NONE;
    const enum wend_drop drop = wend_initiation_open_payload(&parties, i);
    if (drop != WEND_DROP_NONE)
        return wend_relay_drop(r, drop);
    struct wend_attributes a;
    if (wend_attributes_parse(wend_initiation_attributes(i), &a) != 0)
        return wend_relay_drop(r, WEND_DROP_MALFORMED);
    if (ref != 0 && !wend_label_is_later(&i->label, &wend_relay_client_at(r, ref)->label))
        return wend_relay_drop(r, WEND_DROP_STALE_TIMESTAMP);
    if (ref == 0)
        ref = wend_relay_client_new(r, i->remote_static);
    if (ref == 0)
        return wend_relay_drop(r, WEND_DROP_QUEUE_FULL);
    return accept(r, ref, i, to);
}

enum wend_drop wend_relay_handshake(struct wend_relay *r, const struct wend_datagram *in)
{
    const enum wend_drop refused = admit(r, in);
    if (refused != WEND_DROP_NONE)
        return refused;
    const struct wend_parties parties = {.prologue = &r->prologue, .self = &r->identity};
    const struct wend_relay_source to = wend_relay_source_of(in);
    struct wend_initiation i;
    enum wend_drop drop = wend_initiation_open_static(&parties, in->bytes, &i);
    if (drop != WEND_DROP_NONE)
        return wend_relay_drop(r, drop);
    drop = judge(r, &i, &to);
    wend_wipe(&i, sizeof i);
    return drop;
}
