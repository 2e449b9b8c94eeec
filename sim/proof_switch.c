// SPDX-License-Identifier: MIT
// Packets flow, and their senders change the way in the middle of it, again and again: what the
// network did not lose must arrive, once and in order, and wait no longer than the ways differ.
//
// The nodes are told to prefer the other kind of path. A slow flow each way opens the paths; from
// then on two fast ones each way, one of short packets and one of long ones, and each device
// changes its way on its own.
#include <inttypes.h>

#include "node/contact.h"
#include "proof.h"

#define WANTED 10000 // of each kind
#define FAST   WEND_S(6)
#define LASTS  WEND_S(8)
#define SLACK  WEND_MS(1)

struct tally {
    uint64_t to_direct, to_relay, across, packets;
    uint64_t lost, reordered, doubled, late;
    wend_duration worst[2]; // wait beyond the difference: where nothing is lost, and where it is
};

static wend_duration jitter_of(const struct sim_scenario *s)
{
    wend_duration most = 0;

    for (uint16_t i = 0; i < 2; i++) {
        const struct sim_place *p = &s->places[i];
        const wend_duration own = p->up.link.jitter + p->apart_up.link.jitter;
        most = own > most ? own : most;
    }
    return 2 * most; // up here, down there
}

static wend_duration apart_one_way(const struct sim_scenario *s)
{
    return s->places[0].apart_up.link.delay + s->core + s->places[1].apart_down.link.delay;
}

// Between the slowest and the quickest of the ways that were taken.
static wend_duration difference_of(const struct sim_proof *p)
{
    const struct sim_scenario *s = &p->scenario;
    const struct sim_ledger_way *ways = p->ledger.ways;
    const wend_duration straight = sim_proof_one_way(s, 0, 1, false);
    const wend_duration relay = sim_proof_one_way(s, 0, 1, true);
    wend_duration least = straight, most = straight;

    if (s->places[0].apart) {
        least = wend_instant_min(least, apart_one_way(s));
        most = straight + apart_one_way(s) - least;
    }
    if (ways[0].to_relay + ways[1].to_relay + ways[0].doubled + ways[1].doubled > 0) {
        least = relay < least ? relay : least;
        most = relay > most ? relay : most;
    }
    return most - least + jitter_of(s);
}

// --- the world ---

static void draw_links(struct sim_scenario *s, struct sim_draw *d, bool loses)
{
    const wend_duration jitter =
        sim_draw_chance(d, 500) ? sim_draw_between(d, WEND_US(10), WEND_MS(4)) : 0;

    s->faultless = !loses;
    for (uint16_t i = 0; i < 2; i++) {
        struct sim_place *p = &s->places[i];
        struct wend_link_config *links[] = {&p->up.link, &p->down.link};
        for (size_t j = 0; j < 2; j++) {
            links[j]->jitter = jitter;
            links[j]->loss_ppm = loses ? sim_draw_below(d, 10000) : 0; // two of them on a way
        }
    }
}

static void set_apart(struct sim_scenario *s, struct sim_draw *d)
{
    const wend_duration delay = sim_draw_between(d, WEND_US(100), WEND_MS(15));

    for (uint16_t i = 0; i < 2; i++) {
        struct sim_place *p = &s->places[i];
        p->box = (struct wend_sim_box){0};
        p->apart = p->ipv6 = true;
        p->apart_up = p->up;
        p->apart_down = p->down;
        p->apart_up.link.delay = p->apart_down.link.delay = delay;
        p->apart_up.link.seed ^= 0x5555;
        p->apart_down.link.seed ^= 0x5555;
    }
}

// Of one direction, all packets together: 100 to 2,000 a second, evenly in the logarithm.
static wend_duration draw_interval(struct sim_draw *d)
{
    const wend_duration octave = WEND_US(500) << sim_draw_below(d, 4);

    return sim_draw_between(d, octave, octave * 5 / 4 * 2);
}

static void add_fast(struct sim_scenario *s, struct sim_draw *d)
{
    for (uint16_t from = 0; from < 2; from++) {
        struct sim_flow_plan f = sim_flow_steady(from, 1 - from, 2 * draw_interval(d));
        f.start = FAST + sim_draw_between(d, 0, f.interval);
        f.stop = FAST + LASTS;
        (void)sim_scenario_add_flow(s, &f);
        f.len_min = 400;
        f.len_max = 1400;
        f.start = FAST + sim_draw_between(d, 0, f.interval);
        (void)sim_scenario_add_flow(s, &f);
    }
}

static void make(struct sim_proof *p, uint64_t seed, bool across)
{
    struct sim_scenario *s = &p->scenario;
    struct sim_draw d = {seed * 1009 + across};

    sim_proof_cones(p, seed, (enum wend_sim_dependence)sim_draw_below(&d, 3));
    s->core = sim_draw_between(&d, WEND_MS(1), WEND_MS(40));
    s->relay = sim_draw_between(&d, WEND_MS(1), WEND_MS(30)) - s->core; // it may be the faster one
    draw_links(s, &d, seed % 2 == 1);
    if (across) {
        s->relay = WEND_MS(20); // their nodes leave it alone
        set_apart(s, &d);
    }
    sim_proof_talk(p, WEND_MS(50), WEND_S(2), FAST + LASTS);
    add_fast(s, &d);
}

// --- the changes ---

// A node chooses among direct paths by their delay alone. Here its choice is made for it, and kept:
// all that follows from it is its own.
static void take_other_family(struct sim_proof *p, struct sim_device *d)
{
    struct wend_contact *c = wend_contact_of(d->node, (uint32_t)d->slots[1 - d->index]);

    if (c == NULL || c->paths.chosen >= c->paths.used)
        return;
    const enum wend_family family = c->paths.path[c->paths.chosen].remote.family;
    uint32_t other = 0;
    while (other < c->paths.used && (c->paths.path[other].remote.family == family ||
                                     !wend_prober_is_up(&c->paths.path[other].prober)))
        other++;
    if (other == c->paths.used)
        return;
    d->node->now = p->world->now;
    c->paths.chosen = other;
    c->paths.chosen_at = p->world->now;
    c->paths.direct_taste.until = p->world->now + LASTS;
    c->paths.doubted = false;
    c->paths.generation++;
    wend_contact_settle(d->node, c);
}

static void change(struct sim_proof *p, uint16_t device)
{
    struct sim_device *d = &p->world->devices[device];
    const bool relay = p->ledger.ways[device].now.channel != 0;

    if (p->scenario.places[0].apart)
        take_other_family(p, d);
    else
        wend_node_prefer(d->node, (uint32_t)d->slots[1 - device],
                         relay ? WEND_PATHS_PREFER_DIRECT : WEND_PATHS_PREFER_RELAY, p->world->now);
    sim_device_drain(p->world, d);
}

static void change_often(struct sim_proof *p, struct sim_draw *d)
{
    const wend_instant until = FAST + LASTS;
    wend_instant at[2];

    for (size_t i = 0; i < 2; i++)
        at[i] = FAST + sim_draw_between(d, WEND_MS(100), WEND_MS(300));
    for (;;) {
        const uint16_t device = at[1] < at[0];
        if (at[device] >= until || !sim_proof_run(p, at[device]))
            break;
        change(p, device);
        at[device] += sim_draw_between(d, WEND_MS(20), WEND_MS(230));
    }
    (void)sim_proof_run(p, until + WEND_S(1));
}

// --- what came of it ---

static uint64_t other_drops(const struct sim_proof *p)
{
    struct wend_sim_counts c;
    uint64_t drops = p->world->stats.lost[SIM_LOST_SERVER];

    wend_sim_net_counts(p->world->net, &c);
    for (size_t i = 0; i < WEND_SIM_DROP_COUNT; i++)
        drops += i == WEND_SIM_DROP_LOST ? 0 : c.dropped[i];
    return drops;
}

static void count_flow(struct sim_proof *p, uint32_t flow, struct tally *t)
{
    const bool loses = !p->scenario.faultless;
    const wend_duration bound = difference_of(p);

    sim_ledger_settle(&p->ledger, flow, p->scenario.flows[flow].to);
    for (uint32_t i = 0; i < p->ledger.counts[flow]; i++) {
        const struct sim_ledger_packet *k = &p->ledger.packets[flow][i];
        t->packets++;
        if (k->delivered == 0)
            t->lost += k->came != 0 || !k->carried || !loses;
        if (k->delivered == 0 || k->came == 0)
            continue;
        const wend_duration beyond = k->delivered - k->came - bound;
        if (beyond > t->worst[loses])
            t->worst[loses] = beyond;
        t->late += beyond > SLACK;
    }
}

static void play(struct sim_proof *p, uint64_t seed, bool across, struct tally *t)
{
    struct sim_draw d = {seed * 733 + 11};

    make(p, seed, across);
    sim_proof_begin(p);
    (void)sim_proof_run(p, FAST);
    const uint64_t before = other_drops(p);
    const struct sim_ledger_way *ways = p->ledger.ways;
    change_often(p, &d);
    for (uint16_t i = 0; i < 2; i++) {
        t->to_direct += ways[i].to_direct;
        t->to_relay += ways[i].to_relay;
        t->across += ways[i].across;
    }
    for (uint32_t flow = 2; flow < 6; flow++)
        count_flow(p, flow, t);
    t->lost += other_drops(p) - before;
    t->reordered += p->world->stats.reordered;
    t->doubled += p->world->stats.duplicated;
    sim_proof_end(p);
}

static void row(struct sim_proof *p, const struct tally *t, const char *what, uint64_t least)
{
    const bool met = t->lost + t->reordered + t->doubled + t->late == 0 &&
                     (least >= WANTED || p->seed != SIM_EVERY_SEED);

    sim_proof_row(p, met,
                  (const char *[]){what, "0 lost, doubled, out of order; no wait beyond the ways' "
                                         "difference (with jitter) + 1 ms"},
                  "%" PRIu64 " changes, %" PRIu64 " packets: lost %" PRIu64 ", doubled %" PRIu64
                  ", out of order %" PRIu64 ", waited longer %" PRIu64
                  "; longest beyond the difference %+.3f ms, with loss %+.3f ms",
                  least, t->packets, t->lost, t->doubled, t->reordered, t->late,
                  sim_ms(t->worst[0]), sim_ms(t->worst[1]));
}

static uint64_t least_of(const struct tally *t, bool across)
{
    if (across)
        return t->across;
    return t->to_direct < t->to_relay ? t->to_direct : t->to_relay;
}

static void play_kind(struct sim_proof *p, bool across, const char *what)
{
    struct tally t = {.worst = {-WEND_S(1), -WEND_S(1)}};

    for (uint64_t seed = 0; least_of(&t, across) < WANTED && seed < 1000; seed++)
        if (sim_proof_wants(p, seed))
            play(p, seed, across, &t);
    row(p, &t, what, least_of(&t, across));
}

void sim_proof_switch(struct sim_proof *p)
{
    play_kind(p, false, "changes relay to direct, and as many back, in the middle of flows");
    play_kind(p, true, "changes from one direct path to another");
}
