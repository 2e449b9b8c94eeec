// SPDX-License-Identifier: MIT
#include "node/seal.h"

#include <string.h>

#include "node/seal_state.h"
#include "wire/ip.h"
#include "wire/mss.h"

// ---- Messages ----

// A packet that was written to its place goes by `path`. Returns the length of the datagram, or 0:
// the keys are gone.
static size_t seal_placed(struct wend_seal *s, struct wend_seal_slot *p, size_t len,
                          struct wend_seal_out *out)
{
    if (p->narrow)
        (void)wend_mss_clamp(wend_seal_place(&p->path, out), len, p->path.mtu_bytes);
    p->keepalive = false;
    return wend_seal_put(s, p, &p->path, len, out);
}

// The same for one alone, doubled where the slot is.
static bool seal_one(struct wend_seal *s, struct wend_seal_slot *p, size_t len, wend_instant now,
                     struct wend_seal_out *out)
{
    const size_t at = out->len;
    const size_t sealed = seal_placed(s, p, len, out);
    if (sealed > 0 && wend_seal_is_doubled(p))
        wend_seal_double(s, p, at, sealed, now, out);
    return sealed > 0;
}

struct tally {
    uint64_t packets, bytes;
};

static void count_sent(struct wend_seal *s, struct wend_seal_slot *p, struct tally sent,
                       wend_instant now)
{
    struct wend_plane_stats *stats = &s->config.stats[wend_seal_number(s, p)];
    if (sent.packets == 0)
        return;
    wend_seal_count(s, p, &p->path, sent.packets);
    wend_seal_add(&stats->sent_packets, sent.packets);
    wend_seal_add(&stats->sent_bytes, sent.bytes);
    atomic_store_explicit(&stats->last_sent, now, memory_order_relaxed);
    p->course.spoke = now;
    p->course.spoken = true;
}

// ---- What waited ----

// Seals the queue. Returns false when the out buffer is full before the queue is empty.
static bool flush_queue(struct wend_seal *s, struct wend_seal_slot *p, wend_instant now,
                        struct wend_seal_out *out)
{
    struct tally sent = {0};
    while (p->count > 0 && wend_seal_may_flow(p)) {
        const struct wend_seal_cell *cell = &s->cells[p->first];
        if (!wend_seal_has_room_for(p, out, 1, cell->len))
            break;
        memcpy(wend_seal_place(&p->path, out), cell->bytes, cell->len);
        if (seal_one(s, p, cell->len, now, out)) {
            sent.packets++;
            sent.bytes += cell->len;
        }
        wend_seal_queue_pop(s, p);
    }
    count_sent(s, p, sent, now);
    if (p->count == 0)
        p->wanted = false;
    return p->count == 0 || !wend_seal_may_flow(p);
}

static bool flush_slot(struct wend_seal *s, struct wend_seal_slot *p, wend_instant now,
                       struct wend_seal_out *out)
{
    if (!wend_seal_is_ready(p))
        return true; // it was, and comes back on the list when it is again
    if (p->unsettled && !wend_seal_settle(s, p, now, out))
        return false;
    if (!flush_queue(s, p, now, out))
        return false;
    if (p->keepalive && wend_seal_is_ready(p)) {
        if (!wend_seal_has_room_for(p, out, 1, 0))
            return false;
        if (seal_one(s, p, 0, now, out))
            wend_seal_count(s, p, &p->path, 1);
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
    return WEND_SEAL_DROPPED;
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
                                          struct wend_split *split, wend_instant now,
                                          struct wend_seal_out *out)
{
    const size_t pieces = wend_split_count(split), longest = longest_piece(split), at = out->len;
    struct tally sent = {0};
    size_t segment = 0; // of the first, and so of all but the last
    if (pieces * (longest + WEND_SEAL_GROWTH) > out->capacity)
        return drop(s, WEND_DROP_MALFORMED); // thousands of tiny segments: nobody's traffic
    if (!wend_seal_has_room_for(p, out, pieces, longest))
        return WEND_SEAL_FULL;
    while (sent.packets < pieces) {
        const size_t len = wend_split_next(split, wend_seal_place(&p->path, out));
        const size_t sealed = seal_placed(s, p, len, out);
        if (sealed == 0)
            break;
        if (segment == 0)
            segment = sealed;
        sent.packets++;
        sent.bytes += len;
    }
    if (segment > 0 && wend_seal_is_doubled(p))
        wend_seal_double(s, p, at, segment, now, out);
    count_sent(s, p, sent, now);
    return sent.packets == pieces ? WEND_SEAL_SENT : WEND_SEAL_DROPPED;
}

static void tell_traffic(struct wend_seal *s, struct wend_seal_slot *p)
{
    p->watched = false;
    wend_seal_say(s, wend_seal_number(s, p), WEND_SEAL_SAY_TRAFFIC);
}

// What must be out before a new packet. Returns false when there is no room for it.
static bool clear_the_way(struct wend_seal *s, struct wend_seal_slot *p, wend_instant now,
                          struct wend_seal_out *out)
{
    if (!wend_seal_is_ready(p))
        return true;
    if (p->unsettled && !wend_seal_settle(s, p, now, out))
        return false;
    return p->count == 0 || flush_queue(s, p, now, out);
}

enum wend_seal_verdict wend_seal_packet(struct wend_seal *s, const struct wend_vnet *vnet,
                                        struct wend_bytes packet, wend_instant now,
                                        struct wend_seal_out *out)
{
    struct wend_ip ip;
    struct wend_split split;
    if (!wend_ip_read(packet, &ip))
        return drop(s, WEND_DROP_MALFORMED);
    if (!is_ours(s, &ip))
        return drop(s, WEND_DROP_WRONG_SOURCE);
    struct wend_seal_slot *p = wend_seal_find(s, ip.version, ip.destination);
    if (p == NULL)
        return wend_seal_unreachable(s, packet, now);
    if (wend_split_init(&split, vnet, packet, s->config.mtu) != 0)
        return drop(s, WEND_DROP_MALFORMED);
    if (p->watched)
        tell_traffic(s, p);
    if (p->narrow && wend_icmp_is_too_big(packet, longest_piece(&split), p->path.mtu_bytes))
        return wend_seal_too_big(s, p, &split, now);
    if (!clear_the_way(s, p, now, out))
        return WEND_SEAL_FULL;
    if (!wend_seal_may_flow(p))
        return queue(s, p, &split);
    return seal_pieces(s, p, &split, now, out);
}
