// SPDX-License-Identifier: MIT
// A data plane in the small, for tests of the node: obeys the commands, seals and opens numbered
// packets one at a time, tells what waits as early data, keeps the counters. No threads, no
// offload.
#ifndef WEND_TESTS_UNIT_NODE_PLANE_H
#define WEND_TESTS_UNIT_NODE_PLANE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "node/node_state.h"
#include "node/view.h"
#include "wire/frame.h"

#define PLANE_SLOTS   8
#define PLANE_KEYS    64
#define PLANE_WORDS   128
#define PLANE_QUEUE   64
#define PLANE_PACKET  32
#define PLANE_NUMBERS 4096
#define PLANE_NUMBER  20 // where a packet bears its number: after the IPv4 header

struct plane_slot {
    bool peer, keyed, wanted, keepalive;
    bool watch_seal, watch_open; // TRAFFIC is to be said
    struct wend_address ipv4;
    struct wend_sender sender;
    struct wend_plane_path path, also;
    uint32_t queue[PLANE_QUEUE];
    size_t queued;
    size_t told; // of them, from the front, as early data
};

struct plane_key {
    bool used, heard;
    uint32_t slot;
    struct wend_receiver receiver;
    uint64_t words[PLANE_WORDS];
};

struct plane {
    struct wend_address ipv4; // ours, inside
    struct plane_slot slots[PLANE_SLOTS];
    struct plane_key keys[PLANE_KEYS];
    struct wend_plane_path relay;
    struct wend_plane_stats *stats;
    uint8_t got[PLANE_NUMBERS];     // how often each numbered packet arrived
    wend_instant at[PLANE_NUMBERS]; // when first
    uint32_t count, direct, relayed, early, keepalives, dropped;
    uint32_t early_done, early_refused; // packets
    uint32_t key_commands;
    uint32_t arrived[PLANE_QUEUE]; // numbers, for a host that answers
    size_t arrived_count;
    uint32_t path_commands, switches_again;
    wend_duration hold; // last told
};

struct plane_out {
    struct wend_datagram way, also; // the same bytes; transport NONE: no copy
    uint8_t bytes[128];
    size_t len;
};

static inline void plane_early_done(struct plane *p, struct plane_slot *s, uint32_t count)
{
    const size_t gone = count < s->told ? count : s->told;

    p->early_done += (uint32_t)gone;
    s->told -= gone;
    s->queued -= gone;
    memmove(s->queue, s->queue + gone, s->queued * sizeof s->queue[0]);
}

static inline void plane_seal_command(struct plane *p, const struct wend_command *c)
{
    assert_true(c->slot < PLANE_SLOTS);
    struct plane_slot *s = &p->slots[c->slot];
    switch (c->kind) {
    case WEND_COMMAND_PEER:
        s->peer = true;
        s->ipv4 = c->ipv4;
        break;
    case WEND_COMMAND_PEER_GONE:
        wend_sender_close(&s->sender);
        memset(s, 0, sizeof *s);
        break;
    case WEND_COMMAND_KEYS:
        wend_sender_close(&s->sender);
        assert_int_equal(wend_sender_init(&s->sender, c->key, c->remote_index), 0);
        s->keyed = true;
        s->wanted = s->queued > 0;
        p->stats[c->slot].next_counter = 0;
        p->key_commands++;
        break;
    case WEND_COMMAND_KEYS_GONE:
        wend_sender_close(&s->sender);
        s->keyed = false;
        break;
    case WEND_COMMAND_PATH:
        s->path = c->path;
        s->also = c->also;
        p->path_commands++;
        break;
    case WEND_COMMAND_FLUSH_DROP:
        p->dropped += (uint32_t)s->queued;
        s->queued = s->told = 0;
        s->wanted = false;
        break;
    case WEND_COMMAND_KEEPALIVE: s->keepalive = true; break;
    case WEND_COMMAND_SWITCH: p->switches_again++; break;
    case WEND_COMMAND_EARLY_DONE: plane_early_done(p, s, c->count); break;
    case WEND_COMMAND_EARLY_REFUSED:
        p->early_refused += (uint32_t)s->told;
        s->told = 0;
        break;
    case WEND_COMMAND_WATCH: s->watch_seal = true; break;
    case WEND_COMMAND_HOLD:
    case WEND_COMMAND_RELAY:
    case WEND_COMMAND_SOCKET:
    case WEND_COMMAND_SOCKET_GONE:
    case WEND_COMMAND_NONE: fail_msg("not for the sealing half"); break;
    }
}

static inline struct plane_key *plane_find_key(struct plane *p, uint32_t index)
{
    for (size_t i = 0; i < PLANE_KEYS; i++)
        if (p->keys[i].used && p->keys[i].receiver.local_index == index)
            return &p->keys[i];
    return NULL;
}

static inline void plane_forget(struct plane_key *k)
{
    wend_receiver_close(&k->receiver);
    memset(k, 0, sizeof *k);
}

static inline void plane_open_keys(struct plane *p, const struct wend_command *c)
{
    assert_null(plane_find_key(p, c->local_index));
    for (size_t i = 0; i < PLANE_KEYS; i++) {
        struct plane_key *k = &p->keys[i];
        if (k->used)
            continue;
        k->used = true;
        k->slot = c->slot;
        assert_int_equal(
            wend_receiver_init(&k->receiver, c->key, c->local_index, k->words, PLANE_WORDS), 0);
        return;
    }
    fail_msg("too many keys");
}

static inline void plane_open_command(struct plane *p, const struct wend_command *c)
{
    switch (c->kind) {
    case WEND_COMMAND_KEYS: plane_open_keys(p, c); break;
    case WEND_COMMAND_KEYS_GONE:
        assert_non_null(plane_find_key(p, c->local_index));
        plane_forget(plane_find_key(p, c->local_index));
        break;
    case WEND_COMMAND_PEER_GONE:
        for (size_t i = 0; i < PLANE_KEYS; i++)
            if (p->keys[i].used && p->keys[i].slot == c->slot)
                plane_forget(&p->keys[i]);
        break;
    case WEND_COMMAND_RELAY: p->relay = c->path; break;
    case WEND_COMMAND_HOLD: p->hold = c->hold; break;
    case WEND_COMMAND_WATCH: p->slots[c->slot].watch_open = true; break;
    case WEND_COMMAND_PEER: break;
    case WEND_COMMAND_SWITCH:
    case WEND_COMMAND_EARLY_DONE:
    case WEND_COMMAND_EARLY_REFUSED:
    case WEND_COMMAND_PATH:
    case WEND_COMMAND_KEEPALIVE:
    case WEND_COMMAND_FLUSH_DROP:
    case WEND_COMMAND_SOCKET:
    case WEND_COMMAND_SOCKET_GONE:
    case WEND_COMMAND_NONE: fail_msg("not for the opening half"); break;
    }
}

static inline void plane_write(const struct plane *p, uint32_t slot, uint32_t number, uint8_t *to)
{
    memset(to, 0, PLANE_PACKET);
    to[0] = 0x45;
    wend_put_u16(to + 2, PLANE_PACKET);
    memcpy(to + 12, p->ipv4.ip, 4);
    memcpy(to + 16, p->slots[slot].ipv4.ip, 4);
    wend_put_u32(to + PLANE_NUMBER, number);
}

static inline bool plane_can_send(const struct plane_slot *s)
{
    return s->keyed && s->path.transport != WEND_TRANSPORT_NONE;
}

// The message at `at`, to be sent by `path`; there is room for a relay frame header before it.
static inline struct wend_datagram plane_by(struct plane *p, uint32_t slot,
                                            const struct wend_plane_path *path,
                                            struct wend_bytes message)
{
    struct wend_datagram d = {.transport = path->transport,
                              .stream = path->stream,
                              .remote = path->remote,
                              .socket = path->socket};

    if (path->transport != WEND_TRANSPORT_NONE)
        p->stats[slot].sent_ways[path->channel != 0 ? WEND_WAY_RELAY : WEND_WAY_DIRECT]++;
    d.bytes = message;
    if (path->channel != 0) {
        uint8_t *frame = (uint8_t *)(uintptr_t)message.at - WEND_FRAME_HEADER_LEN;
        wend_frame_write_header(frame, path->channel);
        d.bytes = (struct wend_bytes){.at = frame, .len = message.len + WEND_FRAME_HEADER_LEN};
    }
    return d;
}

// What waits for `slot`, told once: it stays in the queue until the node says what became of it.
static inline struct wend_notice plane_want(struct plane *p, uint32_t slot)
{
    struct plane_slot *s = &p->slots[slot];
    struct wend_notice notice = {.kind = WEND_NOTICE_WANT, .slot = slot};

    if (s->told > 0)
        return notice;
    while (s->told < s->queued && notice.early_len + PLANE_PACKET <= WEND_EARLY_MAX) {
        plane_write(p, slot, s->queue[s->told++], notice.early + notice.early_len);
        notice.early_len = (uint16_t)(notice.early_len + PLANE_PACKET);
    }
    notice.early_count = (uint16_t)s->told;
    return notice;
}

// Seals what is in `ret` from `inner` on.
static inline void plane_seal_bytes(struct plane *p, uint32_t slot, size_t inner_len,
                                    struct plane_out *ret)
{
    struct plane_slot *s = &p->slots[slot];
    uint8_t *inner = ret->bytes + WEND_FRAME_HEADER_LEN + WEND_DATA_HEADROOM;
    const size_t len = wend_data_seal(&s->sender, inner, inner_len, 1400);

    assert_true(len > 0);
    const struct wend_bytes message = {.at = inner - WEND_DATA_HEADROOM, .len = len};
    ret->way = plane_by(p, slot, &s->path, message);
    ret->also = plane_by(p, slot, &s->also, message);
}

// Seals one numbered packet to `slot`; false: no keys or no way, or an older one's fate is not
// known.
static inline bool plane_seal(struct plane *p, uint32_t slot, uint32_t number, wend_instant now,
                              struct plane_out *ret)
{
    struct plane_slot *s = &p->slots[slot];

    if (!plane_can_send(s) || s->told > 0)
        return false;
    plane_write(p, slot, number, ret->bytes + WEND_FRAME_HEADER_LEN + WEND_DATA_HEADROOM);
    plane_seal_bytes(p, slot, PLANE_PACKET, ret);
    p->stats[slot].sent_packets++;
    p->stats[slot].last_sent = now;
    p->stats[slot].next_counter = s->sender.counter;
    return true;
}

// The empty message that a command asked for.
static inline bool plane_seal_keepalive(struct plane *p, uint32_t slot, struct plane_out *ret)
{
    struct plane_slot *s = &p->slots[slot];

    if (!s->keepalive || !plane_can_send(s))
        return false;
    s->keepalive = false;
    p->keepalives++;
    plane_seal_bytes(p, slot, 0, ret);
    return true;
}

// A packet reached the host. Returns its number.
static inline uint32_t plane_arrived(struct plane *p, struct wend_bytes inner, wend_instant now)
{
    assert_true(inner.len >= PLANE_PACKET && inner.at[0] == 0x45);
    const uint32_t number = wend_get_u32(inner.at + PLANE_NUMBER);
    assert_true(number < PLANE_NUMBERS);
    if (p->got[number]++ == 0)
        p->at[number] = now;
    p->count++;
    if (p->arrived_count < PLANE_QUEUE)
        p->arrived[p->arrived_count++] = number;
    return number;
}

// Counts what came by which way, copies too.
static inline void plane_count(struct plane *p, const struct plane_key *k, bool framed,
                               uint64_t counter)
{
    struct wend_plane_stats *s = &p->stats[k->slot];
    struct wend_plane_way *way = &s->ways[framed ? WEND_WAY_RELAY : WEND_WAY_DIRECT];

    if (!k->heard) {
        s->way_index = k->receiver.local_index;
        memset(s->ways, 0, sizeof s->ways);
    }
    if (s->way_index != k->receiver.local_index)
        return;
    way->count++;
    if (counter >= way->highest)
        way->highest = counter + 1;
}

// Opens data; returns false when it is not ours: for the node. `ret_notice` may get CONFIRMED.
static inline bool plane_open(struct plane *p, const struct wend_datagram *in, wend_instant now,
                              struct wend_notice *ret_notice)
{
    struct wend_bytes bytes = in->bytes;
    const bool framed = bytes.len > WEND_FRAME_HEADER_LEN && bytes.at[0] == WEND_FRAME_TYPE;
    uint8_t copy[WEND_DATAGRAM_MAX];
    struct wend_bytes inner;

    if (framed) {
        bytes.at += WEND_FRAME_HEADER_LEN;
        bytes.len -= WEND_FRAME_HEADER_LEN;
    }
    if (bytes.len < 32 || bytes.at[0] != WEND_MESSAGE_DATA)
        return false;
    struct plane_key *k = plane_find_key(p, wend_get_u32le(bytes.at + 4));
    if (k == NULL)
        return false;
    memcpy(copy, bytes.at, bytes.len);
    const enum wend_drop drop = wend_data_open(&k->receiver, copy, bytes.len, &inner);
    if (drop == WEND_DROP_REPLAYED)
        p->stats[k->slot].duplicated++;
    if (drop == WEND_DROP_NONE || drop == WEND_DROP_REPLAYED)
        plane_count(p, k, framed, wend_get_u64le(bytes.at + 8));
    if (drop != WEND_DROP_NONE)
        return true;
    if (!k->heard)
        *ret_notice = (struct wend_notice){
            .kind = WEND_NOTICE_CONFIRMED, .slot = k->slot, .local_index = k->receiver.local_index};
    k->heard = true;
    p->stats[k->slot].last_any_received = now;
    if (inner.len == 0)
        return true;
    p->stats[k->slot].received_packets++;
    p->stats[k->slot].last_received = now;
    (void)plane_arrived(p, inner, now);
    if (framed)
        p->relayed++;
    else
        p->direct++;
    return true;
}

// Says TRAFFIC, where it was asked for, for what passed just now. False: nothing to say.
static inline bool plane_traffic(struct plane *p, wend_instant now, struct wend_notice *ret)
{
    for (uint32_t slot = 0; slot < PLANE_SLOTS; slot++) {
        struct plane_slot *s = &p->slots[slot];
        const bool sent = s->watch_seal && p->stats[slot].last_sent == now;
        const bool received = s->watch_open && p->stats[slot].last_received == now;
        if (!sent && !received)
            continue;
        s->watch_seal = s->watch_seal && !sent;
        s->watch_open = s->watch_open && !received;
        *ret = (struct wend_notice){.kind = WEND_NOTICE_TRAFFIC, .slot = slot};
        return true;
    }
    return false;
}

static inline void plane_close(struct plane *p)
{
    for (size_t i = 0; i < PLANE_SLOTS; i++)
        wend_sender_close(&p->slots[i].sender);
    for (size_t i = 0; i < PLANE_KEYS; i++)
        if (p->keys[i].used)
            plane_forget(&p->keys[i]);
}

#endif
