// SPDX-License-Identifier: MIT
#include "node/seal.h"

#include <string.h>

#include "base/assert.h"
#include "node/seal_state.h"
#include "wire/frame.h"
#include "wire/ip.h"

// ---- The out buffer ----

static size_t frame_len(const struct wend_seal_slot *p)
{
    return p->path.channel != 0 ? WEND_FRAME_HEADER_LEN : 0;
}

static bool has_room(const struct wend_seal_out *out, size_t pieces, size_t longest)
{
    return out->count < WEND_SEAL_RUNS_MAX &&
           pieces * (longest + WEND_SEAL_GROWTH) <= out->capacity - out->len;
}

// Where the next inner packet is to be written.
static uint8_t *place(const struct wend_seal_slot *p, const struct wend_seal_out *out)
{
    return out->at + out->len + frame_len(p) + WEND_DATA_HEADROOM;
}

static bool continues(const struct wend_seal_run *run, const struct wend_seal *s, uint32_t slot,
                      size_t len)
{
    return run->slot == slot && run->serial == s->serial && !run->closed && len <= run->segment_len;
}

static void append(struct wend_seal *s, const struct wend_seal_slot *p, struct wend_seal_out *out,
                   size_t len)
{
    const uint32_t slot = wend_seal_number(s, p);
    struct wend_seal_run *run = out->count > 0 ? &out->runs[out->count - 1] : NULL;
    if (run == NULL || !continues(run, s, slot, len)) {
        run = &out->runs[out->count++];
        *run = (struct wend_seal_run){.path = p->path,
                                      .offset = out->len,
                                      .slot = slot,
                                      .serial = s->serial,
                                      .segment_len = (uint16_t)len};
    }
    run->closed = len < run->segment_len;
    run->len += len;
    run->count++;
    out->len += len;
}

// The counter is used up: the key is of no more use, and what follows waits for the next.
static void exhausted(struct wend_seal *s, struct wend_seal_slot *p)
{
    wend_seal_lose_keys(s, p);
    wend_drops_add(&s->drops, WEND_DROP_EXPIRED);
}

static void mind_wear(struct wend_seal *s, struct wend_seal_slot *p)
{
    if (p->worn_told || !wend_sender_is_worn(&p->sender))
        return;
    p->worn_told = true;
    wend_seal_say(s, wend_seal_number(s, p), WEND_SEAL_SAY_EXHAUSTED);
}

// Seals the packet that was written to its place; 0 bytes make a keepalive.
static bool seal_placed(struct wend_seal *s, struct wend_seal_slot *p, size_t len,
                        struct wend_seal_out *out)
{
    uint8_t *const inner = place(p, out);
    const size_t message_len = wend_data_seal(&p->sender, inner, len, s->config.mtu);
    mind_wear(s, p);
    if (message_len == 0) {
        exhausted(s, p);
        return false;
    }
    if (p->path.channel != 0)
        wend_frame_write_header(out->at + out->len, p->path.channel);
    append(s, p, out, frame_len(p) + message_len);
    p->keepalive = false;
    return true;
}

static void add(_Atomic uint64_t *counter, uint64_t n) // the only writer
{
    const uint64_t old = atomic_load_explicit(counter, memory_order_relaxed);
    atomic_store_explicit(counter, old + n, memory_order_relaxed);
}

struct tally {
    uint64_t packets, bytes;
};

static void count_sent(struct wend_seal *s, const struct wend_seal_slot *p, struct tally sent,
                       wend_instant now)
{
    struct wend_plane_stats *stats = &s->config.stats[wend_seal_number(s, p)];
    if (sent.packets == 0)
        return;
    add(&stats->sent_packets, sent.packets);
    add(&stats->sent_bytes, sent.bytes);
    atomic_store_explicit(&stats->last_sent, now, memory_order_relaxed);
}

// ---- What waited ----

// Seals the queue. Returns false when the out buffer is full before the queue is empty.
static bool flush_queue(struct wend_seal *s, struct wend_seal_slot *p, wend_instant now,
                        struct wend_seal_out *out)
{
    struct tally sent = {0};
    while (p->count > 0 && wend_seal_is_ready(p)) {
        const struct wend_seal_cell *cell = &s->cells[p->first];
        if (!has_room(out, 1, cell->len))
            break;
        memcpy(place(p, out), cell->bytes, cell->len);
        if (seal_placed(s, p, cell->len, out)) {
            sent.packets++;
            sent.bytes += cell->len;
        }
        wend_seal_queue_pop(s, p);
    }
    count_sent(s, p, sent, now);
    if (p->count == 0)
        p->wanted = false;
    return p->count == 0 || !wend_seal_is_ready(p);
}

static bool flush_slot(struct wend_seal *s, struct wend_seal_slot *p, wend_instant now,
                       struct wend_seal_out *out)
{
    if (!wend_seal_is_ready(p))
        return true; // it was, and comes back on the list when it is again
    if (!flush_queue(s, p, now, out))
        return false;
    if (p->keepalive && wend_seal_is_ready(p)) {
        if (!has_room(out, 1, 0))
            return false;
        (void)seal_placed(s, p, 0, out);
    }
    return true;
}

bool wend_seal_flush(struct wend_seal *s, wend_instant now, struct wend_seal_out *out)
{
    while (s->flush.count > 0) {
        struct wend_seal_slot *p = &s->slots[wend_seal_list_first(&s->flush)];
        if (!flush_slot(s, p, now, out))
            return false;
        p->in_flush = false;
        wend_seal_list_remove_first(&s->flush);
    }
    return true;
}

// ---- Packets of the host ----

static enum wend_seal_verdict drop(struct wend_seal *s, enum wend_drop reason)
{
    wend_drops_add(&s->drops, reason);
    return reason == WEND_DROP_NO_ROUTE ? WEND_SEAL_UNREACHABLE : WEND_SEAL_DROPPED;
}

static bool is_ours(const struct wend_seal *s, const struct wend_ip *ip)
{
    const struct wend_address *a = ip->version == 4 ? &s->config.ipv4 : &s->config.ipv6;
    return a->family != WEND_FAMILY_NONE && memcmp(a->ip, ip->source, ip->address_len) == 0;
}

static enum wend_seal_verdict queue(struct wend_seal *s, struct wend_seal_slot *p,
                                    struct wend_split *split)
{
    const size_t pieces = wend_split_count(split);
    wend_seal_want(s, p);
    for (size_t i = 0; i < pieces; i++) {
        struct wend_seal_cell *cell = wend_seal_queue_push(s, p);
        if (cell == NULL)
            return WEND_SEAL_DROPPED;
        cell->len = (uint16_t)wend_split_next(split, cell->bytes);
    }
    return WEND_SEAL_QUEUED;
}

static size_t longest_piece(const struct wend_split *split)
{
    const size_t payload = split->len - split->header_len;
    return split->header_len + (payload < split->segment ? payload : split->segment);
}

static enum wend_seal_verdict seal_pieces(struct wend_seal *s, struct wend_seal_slot *p,
                                          struct wend_split *split, struct wend_seal_out *out,
                                          struct tally *sent)
{
    const size_t pieces = wend_split_count(split), longest = longest_piece(split);
    if (pieces * (longest + WEND_SEAL_GROWTH) > out->capacity)
        return drop(s, WEND_DROP_MALFORMED); // thousands of tiny segments: nobody's traffic
    if (!has_room(out, pieces, longest))
        return WEND_SEAL_FULL;
    for (size_t i = 0; i < pieces; i++) {
        const size_t len = wend_split_next(split, place(p, out));
        if (!seal_placed(s, p, len, out))
            return WEND_SEAL_DROPPED;
        sent->packets++;
        sent->bytes += len;
    }
    return WEND_SEAL_SENT;
}

enum wend_seal_verdict wend_seal_packet(struct wend_seal *s, const struct wend_vnet *vnet,
                                        struct wend_bytes packet, wend_instant now,
                                        struct wend_seal_out *out)
{
    struct wend_ip ip;
    struct wend_split split;
    struct tally sent = {0};
    if (!wend_ip_read(packet, &ip))
        return drop(s, WEND_DROP_MALFORMED);
    if (!is_ours(s, &ip))
        return drop(s, WEND_DROP_WRONG_SOURCE);
    struct wend_seal_slot *p = wend_seal_find(s, ip.version, ip.destination);
    if (p == NULL)
        return drop(s, WEND_DROP_NO_ROUTE);
    if (wend_split_init(&split, vnet, packet, s->config.mtu) != 0)
        return drop(s, WEND_DROP_MALFORMED);
    if (p->count > 0 && wend_seal_is_ready(p) && !flush_queue(s, p, now, out))
        return WEND_SEAL_FULL;
    if (!wend_seal_is_ready(p))
        return queue(s, p, &split);
    const enum wend_seal_verdict verdict = seal_pieces(s, p, &split, out, &sent);
    count_sent(s, p, sent, now);
    return verdict;
}
