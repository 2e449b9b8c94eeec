// SPDX-License-Identifier: MIT
// Users: what they send, and whether what arrives is what was sent, to whom, how often, in what
// order.
#include <string.h>

#include "node/hold.h"
#include "wire/ip.h"
#include "world.h"

static void note(struct sim_world *w, const struct sim_flow *f, uint32_t number,
                 enum sim_packet_what what)
{
    const bool arrived = what == SIM_PACKET_DELIVERED;

    sim_world_note(w, (struct sim_record){.kind = SIM_TRACE_PACKET,
                                          .who = arrived ? f->plan.to : f->plan.from,
                                          .a = f->actor.index,
                                          .b = number,
                                          .c = what});
}

void sim_flow_begin(struct sim_world *w, uint32_t index, const struct sim_flow_plan *plan)
{
    struct sim_flow *f = &w->flows[index];
    const size_t used = f->sent / 64 + 1; // by the world before

    memset(f->seen, 0, used * sizeof f->seen[0]);
    memset(f, 0, offsetof(struct sim_flow, seen));
    f->actor = (struct sim_actor){.kind = SIM_ACTOR_FLOW, .index = index};
    f->plan = *plan;
    f->next = plan->interval > 0 ? SIM_BEGIN + plan->start : WEND_NEVER;
    f->len_max = plan->len_max;
    sim_flow_arm(w, f);
}

void sim_flow_forget(struct sim_world *w, const struct sim_device *d)
{
    for (uint32_t i = 0; i < w->flow_count && d->boots > 1; i++) {
        struct sim_flow *f = &w->flows[i];
        if (f->plan.to != d->index)
            continue;
        memset(f->seen, 0, (f->sent / 64 + 1) * sizeof f->seen[0]);
        f->highest = 0;
    }
}

void sim_flow_arm(struct sim_world *w, struct sim_flow *f)
{
    sim_world_arm(w, &f->actor, f->next);
}

// --- sending ---

// What a host learns from an ICMP message: a length that passes. 0: nothing.
static uint32_t mtu_of(struct wend_bytes icmp)
{
    struct wend_ip ip;

    if (!wend_ip_read(icmp, &ip) || ip.len < (size_t)ip.header_len + 8)
        return 0;
    const uint8_t *at = icmp.at + ip.header_len;
    if (ip.version == 4)
        return ip.protocol == 1 && at[0] == 3 && at[1] == 4 ? wend_get_u16(at + 6) : 0;
    return ip.protocol == 58 && at[0] == 2 ? wend_get_u32(at + 4) : 0;
}

static void too_big(struct sim_world *w, struct sim_flow *f, const struct sim_device *d)
{
    const uint32_t mtu = mtu_of(wend_seal_answer(d->seal));

    w->stats.too_big++;
    if (mtu >= SIM_PACKET_LEN_MIN && mtu < f->len_max)
        f->len_max = mtu;
}

// The packet that the message quotes says by its port whose it was (packet.h).
void sim_flow_refused(struct sim_world *w, const struct sim_device *d)
{
    const struct wend_bytes icmp = wend_seal_answer(d->seal);
    struct wend_ip ip;

    if (!wend_ip_read(icmp, &ip) || ip.len < 2 * (size_t)ip.header_len + 10)
        return;
    const uint32_t index = wend_get_u16(icmp.at + 2 * ip.header_len + 8) - SIM_PACKET_PORT;
    if (index >= w->flow_count)
        return;
    struct sim_flow *f = &w->flows[index];
    too_big(w, f, d);
    f->refused++;
    w->stats.refused++;
}

static void hand_over(struct sim_world *w, struct sim_flow *f, struct wend_bytes packet)
{
    struct sim_device *d = &w->devices[f->plan.from];
    const struct wend_vnet plain = {0};
    enum sim_packet_what what = SIM_PACKET_REFUSED;
    enum wend_seal_verdict verdict;

    while ((verdict = wend_seal_packet(d->seal, &plain, packet, w->now, &w->out)) ==
               WEND_SEAL_FULL &&
           wend_seal_answer(d->seal).len > 0)
        sim_flow_refused(w, d); // what waited before it
    switch (verdict) {
    case WEND_SEAL_SENT: what = SIM_PACKET_SEALED; break;
    case WEND_SEAL_QUEUED: what = SIM_PACKET_QUEUED; break;
    case WEND_SEAL_TOO_BIG: too_big(w, f, d); break;
    case WEND_SEAL_FULL: sim_world_fail(w, "device %u: an empty buffer is full", d->index); break;
    case WEND_SEAL_DROPPED:
    case WEND_SEAL_UNREACHABLE:
    case WEND_SEAL_NONE: break;
    }
    if (what == SIM_PACKET_REFUSED) {
        f->refused++;
        w->stats.refused++;
    }
    note(w, f, f->sent - 1, what);
    if (w->options.ledger != NULL)
        sim_ledger_sent(w->options.ledger, f->actor.index, packet.len, what != SIM_PACKET_REFUSED,
                        w->now, &w->out);
    sim_device_send_runs(w, d, &w->out);
}

static size_t length_of(struct sim_world *w, const struct sim_flow *f)
{
    const uint32_t least = f->plan.len_min < f->len_max ? f->plan.len_min : f->len_max;

    return least + sim_draw_below(&w->draw, f->len_max - least + 1);
}

void sim_flow_send(struct sim_world *w, struct sim_flow *f)
{
    uint8_t bytes[SIM_PACKET_LEN_MAX];
    struct sim_device *d = &w->devices[f->plan.from];
    const struct sim_member *from = &w->office->members[f->plan.from];
    const struct sim_member *to = &w->office->members[f->plan.to];
    const struct sim_packet p = {.flow = f->actor.index,
                                 .number = f->sent,
                                 .id = (uint16_t)w->stats.sent,
                                 .sent = w->now,
                                 .dont_fragment = f->plan.dont_fragment,
                                 .from = f->plan.ipv6 ? from->ipv6 : from->ipv4,
                                 .to = f->plan.ipv6 ? to->ipv6 : to->ipv4};
    const size_t len = length_of(w, f);

    if (!sim_device_awake(d) || f->sent == SIM_FLOW_NUMBERS)
        return;
    if (f->first_sent == 0)
        f->first_sent = w->now;
    if (w->first_sent == 0) {
        w->first_sent = w->now;
        w->first_from = f->plan.from;
    }
    sim_packet_write(&p, bytes, len);
    f->sent++;
    w->stats.sent++;
    hand_over(w, f, (struct wend_bytes){bytes, len});
}

void sim_flow_expire(struct sim_world *w, struct sim_flow *f)
{
    const struct sim_flow_plan *p = &f->plan;
    const wend_instant since = w->now - SIM_BEGIN;
    const bool silent = since >= p->pause_from && since < p->pause_to;

    for (uint16_t i = 0; i < p->burst && !silent; i++)
        sim_flow_send(w, f);
    f->next = p->interval > 0 ? w->now + p->interval : WEND_NEVER;
    if (silent)
        f->next = SIM_BEGIN + p->pause_to;
    if (f->next >= SIM_BEGIN + p->stop)
        f->next = WEND_NEVER;
    sim_flow_arm(w, f);
    if (sim_device_awake(&w->devices[p->from]))
        sim_device_drain(w, &w->devices[p->from]);
}

// --- arriving ---

static bool is_expected(struct sim_world *w, const struct sim_device *d, const struct sim_packet *p)
{
    if (p->flow >= w->flow_count) {
        sim_world_fail(w, "device %u got a packet of no flow", d->index);
        return false;
    }
    const struct sim_flow *f = &w->flows[p->flow];
    const struct sim_member *from = &w->office->members[f->plan.from];
    if (f->plan.to != d->index ||
        !wend_address_same_ip(&p->from, f->plan.ipv6 ? &from->ipv6 : &from->ipv4))
        sim_world_fail(w, "device %u got a packet of flow %u, from %u to %u", d->index, p->flow,
                       f->plan.from, f->plan.to);
    else if (p->number >= f->sent)
        sim_world_fail(w, "device %u got packet %u of flow %u, which has sent %u", d->index,
                       p->number, p->flow, f->sent);
    else
        return true;
    return false;
}

// Beyond that nobody waits for what is missing. What a detour adds for lines to carry the packets,
// queues included, is guessed.
#define LINE_TIME WEND_MS(5)

static bool must_keep_order(const struct sim_world *w, const struct sim_flow *f)
{
    const struct sim_scenario *s = w->scenario;

    return s->orderly && w->options.order >= (s->faultless ? 1u : 2u) &&
           sim_scenario_detour(s, f->plan.from, f->plan.to) + LINE_TIME < WEND_HOLD_TIME_MAX;
}

static bool book_number(struct sim_world *w, struct sim_flow *f, uint32_t number)
{
    uint64_t *word = &f->seen[number / 64];
    const uint64_t bit = UINT64_C(1) << (number % 64);

    if ((*word & bit) != 0) {
        w->stats.duplicated++;
        sim_world_fail(w, "packet %u of flow %u was delivered twice", number, f->actor.index);
        return false;
    }
    *word |= bit;
    if (number + 1 > f->highest) {
        f->highest = number + 1;
        return true;
    }
    w->stats.reordered++;
    if (must_keep_order(w, f))
        sim_world_fail(w, "packet %u of flow %u was delivered after %u", number, f->actor.index,
                       f->highest - 1);
    return true;
}

// Which way it came: the counter of that way has grown since this flow's last packet.
static void book_way(struct sim_world *w, struct sim_flow *f, const struct sim_device *d)
{
    const int32_t slot = d->slots[f->plan.from];

    if (slot < 0)
        return;
    const struct wend_plane_stats *s = &d->stats[slot];
    const uint64_t direct = atomic_load_explicit(&s->received_direct, memory_order_relaxed);
    const uint64_t relay = atomic_load_explicit(&s->received_relay, memory_order_relaxed);
    f->by_direct = direct != f->seen_direct && (relay == f->seen_relay || f->by_direct);
    w->stats.direct += f->by_direct;
    w->stats.relayed += !f->by_direct;
    f->seen_direct = direct;
    f->seen_relay = relay;
    if (f->by_direct && w->stats.direct_after < 0)
        w->stats.direct_after = w->now - w->first_sent;
}

static void book_switches(struct sim_world *w, const struct sim_flow *f, wend_duration delay,
                          bool behind)
{
    struct sim_stats *s = &w->stats;

    for (uint32_t i = 0; i < s->switch_count && i < SIM_SWITCHES_MAX; i++) {
        struct sim_switch *change = &s->switches[i];
        if (change->device != f->plan.from || w->now - change->at > WEND_S(1))
            continue;
        change->reordered += behind;
        if (delay > change->worst)
            change->worst = delay;
    }
}

static void book_delay(struct sim_world *w, struct sim_flow *f, wend_duration delay)
{
    struct sim_stats *s = &w->stats;

    sim_delays_add(&s->delays, delay);
    if (f->first_delivered == 0) {
        f->first_delivered = w->now;
        if (f->plan.interval > 0) // answers are never the first
            sim_delays_add(&s->first_deliveries, w->now - f->first_sent);
    }
    if (s->first_delivery < 0)
        s->first_delivery = w->now - w->first_sent;
    else if (s->first_answer < 0 && f->plan.to == w->first_from)
        s->first_answer = w->now - w->first_sent;
    if (f->quickest_at == 0 || delay <= f->quickest || w->now - f->quickest_at > WEND_S(1)) {
        f->quickest = delay;
        f->quickest_at = w->now;
    }
    sim_delays_add(&s->added, delay - f->quickest);
}

// The answer leaves when what goes on at this instant is done.
static void answer(struct sim_world *w, const struct sim_flow *f)
{
    if (!f->plan.answered)
        return;
    struct sim_flow *back = &w->flows[f->plan.answer];
    back->next = w->now;
    sim_flow_arm(w, back);
}

void sim_world_delivered(struct sim_world *w, struct sim_device *d, struct wend_bytes packet)
{
    struct sim_packet p;

    packet = sim_reassembly_take(&w->reassembly, d->index, packet, w->now);
    if (packet.len == 0)
        return; // more is to come
    if (!sim_packet_read(packet, &p)) {
        sim_world_fail(w, "device %u got %zu bytes that are no packet of a user", d->index,
                       packet.len);
        return;
    }
    if (!is_expected(w, d, &p))
        return;
    struct sim_flow *f = &w->flows[p.flow];
    note(w, f, p.number, SIM_PACKET_DELIVERED);
    const bool behind = p.number + 1 < f->highest;
    if (!book_number(w, f, p.number))
        return;
    f->delivered++;
    w->stats.delivered++;
    f->fresh = f->fresh || p.number >= f->since;
    book_way(w, f, d);
    if (w->options.ledger != NULL)
        sim_ledger_delivered(w->options.ledger, p.flow, p.number, d->index, f->by_direct, w->now);
    book_delay(w, f, w->now - p.sent);
    book_switches(w, f, w->now - p.sent, behind);
    answer(w, f);
}
