// SPDX-License-Identifier: MIT
#include "node/seal.h"

#include <string.h>

#include "node/seal_state.h"
#include "wire/fragment.h"
#include "wire/ip.h"
#include "wire/mss.h"

// ---- Messages ----

struct tally { // pieces count as packets
    uint64_t packets, bytes;
};

// Returns false when the keys are gone.
static bool put(struct wend_seal *s, struct wend_seal_slot *p, size_t len, struct tally *sent,
                struct wend_seal_out *out)
{
    if (wend_seal_put(s, p, &p->path, len, out) == 0)
        return false;
    sent->packets++;
    sent->bytes += len;
    return true;
}

// A packet that was written to its place and is longer than its path carries. What nobody may cut
// and yet has to pass (WEND_ICMP_MTU_*) goes whole.
static bool put_cut(struct wend_seal *s, struct wend_seal_slot *p, size_t len, struct tally *sent,
                    struct wend_seal_out *out)
{
    uint8_t bytes[WEND_SEAL_MTU_MAX];
    const struct wend_bytes packet = {bytes, len};
    const size_t mtu = p->path.mtu_bytes;
    struct wend_fragment f;
    memcpy(bytes, wend_seal_place(&p->path, out), len);
    if (wend_fragment_count(packet, len, mtu) == 1 || wend_fragment_init(&f, packet, mtu) != 0)
        return put(s, p, len, sent, out);
    while ((len = wend_fragment_next(&f, wend_seal_place(&p->path, out))) > 0)
        if (!put(s, p, len, sent, out))
            return false;
    return true;
}

// A packet that was written to its place goes by `path`. Returns false when the keys are gone.
static bool seal_placed(struct wend_seal *s, struct wend_seal_slot *p, size_t len,
                        struct tally *sent, struct wend_seal_out *out)
{
    p->keepalive = false;
    if (p->narrow)
        (void)wend_mss_clamp(wend_seal_place(&p->path, out), len, p->path.mtu_bytes);
    if (p->narrow && len > p->path.mtu_bytes)
        return put_cut(s, p, len, sent, out);
    return put(s, p, len, sent, out);
}

// The same for one alone, doubled where the slot is.
static bool seal_one(struct wend_seal *s, struct wend_seal_slot *p, size_t len, wend_instant now,
                     struct tally *sent, struct wend_seal_out *out)
{
    const size_t mark = wend_seal_is_doubled(p) ? wend_seal_mark(s, out) : 0;
    const bool sealed = seal_placed(s, p, len, sent, out);
    if (wend_seal_is_doubled(p))
        wend_seal_double(s, p, mark, now, out);
    return sealed;
}

// For `count` packets with such a header, the longest of `longest` bytes. Where they are cut, the
// pieces of each make a run; two if options make the first longer than those in the middle.
static struct wend_seal_need need_of(const struct wend_seal_slot *p, struct wend_bytes header,
                                     size_t count, size_t longest)
{
    size_t pieces = 1;
    if (p->narrow)
        pieces = wend_fragment_count(header, longest, p->path.mtu_bytes);
    if (pieces == 1)
        return (struct wend_seal_need){1, count * (longest + WEND_SEAL_GROWTH)};
    const size_t runs = pieces > 2 && (header.at[0] & 15) > 5 ? 2 : 1;
    const size_t headers = (pieces - 1) * WEND_FRAGMENT_HEADER_MAX;
    const size_t bytes = longest + headers + pieces * WEND_SEAL_GROWTH;
    return (struct wend_seal_need){count * runs, count * bytes};
}

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

static bool is_too_big(const struct wend_seal_slot *p, struct wend_bytes packet, size_t len)
{
    return p->narrow && wend_icmp_is_too_big(packet, len, p->path.mtu_bytes);
}

// The first of the queue is sealed, or refused. Returns false when the out buffer has no room.
static bool flush_one(struct wend_seal *s, struct wend_seal_slot *p, wend_instant now,
                      struct tally *sent, struct wend_seal_out *out)
{
    const struct wend_seal_cell *cell = &s->cells[p->first];
    const struct wend_bytes packet = {cell->bytes, cell->len};
    if (is_too_big(p, packet, packet.len)) {
        (void)wend_seal_too_big(s, p, packet, now);
    } else {
        if (!wend_seal_has_room_for(p, out, need_of(p, packet, 1, packet.len)))
            return false;
        memcpy(wend_seal_place(&p->path, out), packet.at, packet.len);
        (void)seal_one(s, p, packet.len, now, sent, out);
    }
    wend_seal_queue_pop(s, p);
    return true;
}

// Seals the queue. Returns false when the out buffer is full before the queue is empty, or an
// answer to the host is due.
static bool flush_queue(struct wend_seal *s, struct wend_seal_slot *p, wend_instant now,
                        struct wend_seal_out *out)
{
    struct tally sent = {0};
    while (p->count > 0 && wend_seal_may_flow(p) && s->answer_len == 0)
        if (!flush_one(s, p, now, &sent, out))
            break;
    count_sent(s, p, sent, now);
    if (p->count == 0)
        p->wanted = false;
    return s->answer_len == 0 && (p->count == 0 || !wend_seal_may_flow(p));
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
        static const struct wend_bytes nothing;
        struct tally unused = {0}; // no packet of a user
        if (!wend_seal_has_room_for(p, out, need_of(p, nothing, 1, 0)))
            return false;
        if (seal_one(s, p, 0, now, &unused, out))
            wend_seal_count(s, p, &p->path, 1);
    }
    return true;
}

bool wend_seal_flush(struct wend_seal *s, wend_instant now, struct wend_seal_out *out)
{
    s->answer_len = 0;
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
    const struct wend_bytes header = {split->packet, split->header_len};
    const size_t pieces = wend_split_count(split);
    const struct wend_seal_need need = need_of(p, header, pieces, longest_piece(split));
    struct tally sent = {0};
    size_t done = 0;
    if (need.bytes > out->capacity || need.runs > WEND_SEAL_RUNS_MAX)
        return drop(s, WEND_DROP_MALFORMED); // thousands of tiny segments: nobody's traffic
    if (!wend_seal_has_room_for(p, out, need))
        return WEND_SEAL_FULL;
    const size_t mark = wend_seal_is_doubled(p) ? wend_seal_mark(s, out) : 0;
    while (done < pieces &&
           seal_placed(s, p, wend_split_next(split, wend_seal_place(&p->path, out)), &sent, out))
        done++;
    if (wend_seal_is_doubled(p))
        wend_seal_double(s, p, mark, now, out);
    count_sent(s, p, sent, now);
    return done == pieces ? WEND_SEAL_SENT : WEND_SEAL_DROPPED;
}

// Of a super-packet the answer quotes the first piece: that is what the host would have sent.
static enum wend_seal_verdict refuse(struct wend_seal *s, const struct wend_seal_slot *p,
                                     struct wend_split *split, wend_instant now)
{
    uint8_t piece[WEND_SEAL_MTU_MAX];
    const struct wend_bytes quoted = {piece, wend_split_next(split, piece)};
    return wend_seal_too_big(s, p, quoted, now);
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
    s->answer_len = 0;
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
    if (is_too_big(p, packet, longest_piece(&split)))
        return refuse(s, p, &split, now);
    if (!clear_the_way(s, p, now, out))
        return WEND_SEAL_FULL;
    if (!wend_seal_may_flow(p))
        return queue(s, p, &split);
    return seal_pieces(s, p, &split, now, out);
}
