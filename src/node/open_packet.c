// SPDX-License-Identifier: MIT
// A message's way through the opening half: find the key, open, count, judge, and then either into
// the batch at once or into the resequencer, whose packets follow as they become due. Theirs lie in
// cells that the batch borrows until it is drained. While any wait for room the batch is full, so
// nothing overtakes them.
#include <string.h>

#include "base/assert.h"
#include "node/open_state.h"
#include "wire/frame.h"
#include "wire/ip.h"

// A message that is being taken.
struct arrival {
    struct wend_open_receiver *r;
    uint64_t counter;
    wend_instant now;
    struct wend_hold_way way;
    bool moved; // it is not the way in use
};

static enum wend_open_verdict drop(struct wend_open *o, enum wend_drop reason)
{
    wend_drops_add(&o->drops, reason);
    return WEND_OPEN_DROPPED;
}

// A stream is known by its number, which is never used twice.
static bool is_from_server(const struct wend_open *o, const struct wend_datagram *way)
{
    const struct wend_plane_path *s = &o->server;
    if (s->transport == WEND_TRANSPORT_NONE || way->transport != s->transport)
        return false;
    if (way->stream != 0 || s->stream != 0)
        return way->stream == s->stream;
    return wend_address_equal(&way->remote, &s->remote);
}

static bool is_data(const uint8_t *at, size_t len)
{
    return len >= WEND_DATA_OVERHEAD && wend_get_u32le(at) == WEND_MESSAGE_DATA;
}

static bool same_ip(const struct wend_address *a, const uint8_t *ip, uint8_t len)
{
    return a->family == (len == 4 ? WEND_FAMILY_IPV4 : WEND_FAMILY_IPV6) &&
           memcmp(a->ip, ip, len) == 0;
}

static enum wend_drop judge(const struct wend_open *o, uint32_t slot, struct wend_bytes inner,
                            struct wend_ip *ret)
{
    const struct wend_open_peer *peer = &o->peers[slot];
    if (!wend_ip_read(inner, ret))
        return WEND_DROP_MALFORMED;
    const bool v4 = ret->version == 4;
    if (!same_ip(v4 ? &peer->ipv4 : &peer->ipv6, ret->source, ret->address_len))
        return WEND_DROP_WRONG_SOURCE;
    if (!same_ip(v4 ? &o->config.ipv4 : &o->config.ipv6, ret->destination, ret->address_len))
        return WEND_DROP_NOT_ALLOWED;
    return WEND_DROP_NONE;
}

// ---- Counters: this half is their only writer ----

static void add(_Atomic uint64_t *counter, uint64_t n)
{
    const uint64_t old = atomic_load_explicit(counter, memory_order_relaxed);
    atomic_store_explicit(counter, old + n, memory_order_relaxed);
}

static void set(_Atomic uint64_t *counter, uint64_t value)
{
    atomic_store_explicit(counter, value, memory_order_relaxed);
}

// The index is zero while the ways start anew, so that a reader who sees one index before and after
// has seen that pair's ways.
static void restart_ways(struct wend_plane_stats *stats, uint32_t local_index)
{
    atomic_store_explicit(&stats->way_index, 0, memory_order_relaxed);
    atomic_thread_fence(memory_order_release);
    for (int i = 0; i < WEND_WAYS; i++) {
        set(&stats->ways[i].count, 0);
        set(&stats->ways[i].highest, 0);
    }
    atomic_store_explicit(&stats->way_index, local_index, memory_order_release);
}

static void hear(struct wend_open *o, struct wend_open_receiver *r)
{
    struct wend_open_peer *peer = &o->peers[r->slot];
    r->heard = true;
    if (r->pair > peer->newest) {
        peer->newest = r->pair;
        restart_ways(&o->config.stats[r->slot], r->keys.local_index);
    }
    r->say_confirmed = true;
    wend_open_say_receiver(o, r);
}

static void count_way(struct wend_plane_stats *stats, const struct arrival *a)
{
    struct wend_plane_way *way = &stats->ways[a->way.kind - 1];
    add(&way->count, 1);
    if (a->counter >= atomic_load_explicit(&way->highest, memory_order_relaxed))
        set(&way->highest, a->counter + 1);
}

static void count_opened(struct wend_plane_stats *stats, const struct arrival *a)
{
    const bool relayed = a->way.kind == 1 + WEND_WAY_RELAY;
    add(relayed ? &stats->received_relay : &stats->received_direct, 1);
    atomic_store_explicit(&stats->last_any_received, a->now, memory_order_relaxed);
}

static void count_delivered(struct wend_plane_stats *stats, size_t len, wend_instant now)
{
    add(&stats->received_packets, 1);
    add(&stats->received_bytes, len);
    atomic_store_explicit(&stats->last_received, now, memory_order_relaxed);
}

// ---- Packets ----

// What the resequencer has due goes into the batch, as far as there is room.
static void fill_batch(struct wend_open *o, wend_instant now)
{
    uint32_t slot;
    size_t len;
    uint8_t *at;
    if (!wend_hold_has_ready(&o->pool))
        return;
    o->filled_at = now;
    while (o->batch.packet_count < WEND_COALESCE_MAX &&
           (at = wend_hold_next(&o->pool, &slot, &len)) != NULL) {
        count_delivered(&o->config.stats[slot], len, now);
        wend_assert(wend_coalesce_add(&o->batch, at, len));
    }
}

static enum wend_hold_verdict ask_hold(struct wend_open *o, const struct arrival *a,
                                       struct wend_switch mark, struct wend_bytes packet)
{
    const struct wend_hold_message m = {.slot = a->r->slot,
                                        .pair = a->r->pair,
                                        .counter = a->counter,
                                        .way = a->way,
                                        .mark = mark,
                                        .packet = packet};
    return wend_hold_accept(&o->pool, &o->peers[m.slot].hold, &m, a->now);
}

// One too long for a cell goes out at once, and its place in the order is kept without it.
static enum wend_hold_verdict order(struct wend_open *o, const struct arrival *a,
                                    struct wend_bytes packet)
{
    const struct wend_switch none = {0};
    struct wend_hold *h = &o->peers[a->r->slot].hold;
    if (!a->moved && wend_hold_pass(h, a->r->pair, a->counter, a->now))
        return WEND_HOLD_DELIVER;
    if (packet.len <= WEND_HOLD_CELL_LEN)
        return ask_hold(o, a, none, packet);
    (void)ask_hold(o, a, none, (struct wend_bytes){0});
    return WEND_HOLD_DELIVER;
}

// Messages without a packet have their place in the order too.
static void take_empty(struct wend_open *o, const struct arrival *a, struct wend_switch mark)
{
    (void)ask_hold(o, a, mark, (struct wend_bytes){0});
    fill_batch(o, a->now);
}

static void take_switch(struct wend_open *o, const struct arrival *a, struct wend_switch mark)
{
    take_empty(o, a, mark);
    if (mark.kind == WEND_SWITCH_LEAVE)
        return;
    a->r->switch_seen = mark.first;
    a->r->say_switch_seen = true;
    wend_open_say_receiver(o, a->r);
}

static enum wend_open_verdict take_packet(struct wend_open *o, const struct arrival *a, uint8_t *at,
                                          size_t len)
{
    const uint32_t slot = a->r->slot;
    struct wend_plane_stats *stats = &o->config.stats[slot];
    if (o->peers[slot].watched)
        wend_open_say_traffic(o, slot);
    const enum wend_hold_verdict verdict = order(o, a, (struct wend_bytes){at, len});
    if (verdict == WEND_HOLD_TAKEN) {
        add(&stats->held, 1);
        fill_batch(o, a->now);
        return WEND_OPEN_HELD;
    }
    if (verdict == WEND_HOLD_LATE)
        add(&stats->late, 1);
    count_delivered(stats, len, a->now);
    wend_assert(wend_coalesce_add(&o->batch, at, len));
    fill_batch(o, a->now);
    return WEND_OPEN_PACKET;
}

// ---- Messages ----

// How far its way has come is news all the same.
static enum wend_open_verdict drop_seen(struct wend_open *o, const struct arrival *a)
{
    const struct wend_hold_message m = {
        .slot = a->r->slot, .pair = a->r->pair, .counter = a->counter, .way = a->way};
    if (!wend_replay_is_too_old(&a->r->keys.replay, a->counter)) {
        add(&o->config.stats[m.slot].duplicated, 1);
        wend_hold_seen(&o->pool, &o->peers[m.slot].hold, &m, a->now);
        fill_batch(o, a->now);
    }
    return drop(o, WEND_DROP_REPLAYED);
}

// `at` is where `inner` lies, writable.
static enum wend_open_verdict take_inner(struct wend_open *o, const struct arrival *a, uint8_t *at,
                                         struct wend_bytes inner)
{
    struct wend_ip ip;
    struct wend_switch mark = {0};
    const enum wend_drop reason = judge(o, a->r->slot, inner, &ip);
    if (reason == WEND_DROP_NONE)
        return take_packet(o, a, at, ip.len);
    if (inner.len > 0 && wend_switch_read(inner, &mark) == 0) {
        take_switch(o, a, mark);
        return WEND_OPEN_KEEPALIVE;
    }
    take_empty(o, a, mark);
    return inner.len == 0 ? WEND_OPEN_KEEPALIVE : drop(o, reason);
}

static enum wend_open_verdict open_message(struct wend_open *o, struct arrival *a, uint8_t *message,
                                           size_t len)
{
    struct wend_bytes inner;
    struct wend_open_receiver *const r = a->r;
    struct wend_plane_stats *stats = &o->config.stats[r->slot];
    const struct wend_open_peer *peer = &o->peers[r->slot];
    const enum wend_drop reason = wend_data_unseal(&r->keys, message, len, &a->counter, &inner);
    if (reason != WEND_DROP_NONE)
        return drop(o, reason);
    if (!r->heard)
        hear(o, r);
    if (r->pair == peer->newest)
        count_way(stats, a);
    a->moved = !wend_hold_same_way(&a->way, &peer->hold.way);
    if (a->moved && peer->hold.at.pair != 0)
        wend_open_grow_window(o, r);
    if (!wend_replay_accept(&r->keys.replay, a->counter))
        return drop_seen(o, a);
    count_opened(stats, a);
    return take_inner(o, a, message + WEND_DATA_HEADROOM, inner);
}

enum wend_open_verdict wend_open_datagram(struct wend_open *o, const struct wend_datagram *way,
                                          uint8_t *at, size_t len, wend_instant now)
{
    const bool framed = len > WEND_FRAME_HEADER_LEN && at[0] == WEND_FRAME_TYPE && at[1] == 0;
    uint8_t *const message = framed ? at + WEND_FRAME_HEADER_LEN : at;
    const size_t message_len = framed ? len - WEND_FRAME_HEADER_LEN : len;
    if (!is_data(message, message_len))
        return WEND_OPEN_NODE;
    struct wend_open_receiver *r = wend_open_find(o, wend_get_u32le(message + 4));
    if (r == NULL)
        return WEND_OPEN_NODE;
    if (framed && !is_from_server(o, way))
        return drop(o, WEND_DROP_WRONG_SOURCE);
    if (wend_open_room(o) == 0)
        return WEND_OPEN_FULL;
    struct arrival a = {.r = r,
                        .now = now,
                        .way = {.remote = way->remote,
                                .stream = way->stream,
                                .kind = 1 + (framed ? WEND_WAY_RELAY : WEND_WAY_DIRECT)}};
    return open_message(o, &a, message, message_len);
}

// ---- The batch ----

size_t wend_open_room(const struct wend_open *o)
{
    return wend_hold_has_room(&o->pool) ? WEND_COALESCE_MAX - (size_t)o->batch.packet_count : 0;
}

size_t wend_open_next_packet(struct wend_open *o, struct wend_vnet *ret_vnet,
                             struct wend_bytes ret_pieces[static WEND_COALESCE_MAX])
{
    const size_t count = wend_coalesce_next(&o->batch, ret_vnet, ret_pieces);
    if (count > 0)
        return count;
    wend_hold_return(&o->pool);
    if (!wend_hold_has_ready(&o->pool))
        return 0;
    fill_batch(o, o->filled_at);
    return wend_coalesce_next(&o->batch, ret_vnet, ret_pieces);
}

void wend_open_expire(struct wend_open *o, wend_instant now)
{
    wend_hold_expire(&o->pool, now);
    fill_batch(o, now);
}

wend_instant wend_open_deadline(const struct wend_open *o)
{
    return wend_hold_deadline(&o->pool);
}
