// SPDX-License-Identifier: MIT
// Paths that carry less than the interface, and lose pieces of what is cut: packets as long as a
// TCP segment, which may not be cut.
#include "proof.h"

#define SEEDS  100
#define NARROW 1124 // bytes of an IP packet
#define FULL   1400 // the interface's
#define START  WEND_S(3)
#define WITHIN WEND_S(2)
#define HOLE   WEND_S(2)

static struct sim_samples times;

static void narrow_site(struct sim_proof *p, uint16_t device)
{
    struct wend_sim_link up = p->scenario.places[device].up;
    struct wend_sim_link down = p->scenario.places[device].down;
    const uint32_t site = p->world->devices[device].site;

    up.link.mtu_bytes = down.link.mtu_bytes = NARROW;
    up.drop_fragments = down.drop_fragments = true;
    wend_sim_net_set_site_link(p->world->net, site, true, &up);
    wend_sim_net_set_site_link(p->world->net, site, false, &down);
}

static void make(struct sim_proof *p, uint64_t seed)
{
    sim_proof_cones(p, seed, (enum wend_sim_dependence)(seed % 3));
    sim_proof_talk(p, WEND_MS(20), START, WEND_S(100));
    for (uint32_t flow = 0; flow < 2; flow++) {
        struct sim_flow_plan *plan = &p->scenario.flows[flow];
        plan->len_min = plan->len_max = FULL;
        plan->dont_fragment = true;
    }
}

struct losses {
    uint32_t sent, lost;
    uint16_t longest; // delivered
};

// Of packets sent from `since` to `until` that the sealing half took.
static void count(const struct sim_proof *p, wend_instant since, wend_instant until,
                  struct losses *ret)
{
    for (uint32_t flow = 0; flow < 2; flow++) {
        for (uint32_t i = 0; i < p->ledger.counts[flow]; i++) {
            const struct sim_ledger_packet *k = &p->ledger.packets[flow][i];
            if (k->sent < since || k->sent > until || !k->accepted)
                continue;
            ret->sent++;
            ret->lost += k->delivered == 0;
            if (k->delivered != 0 && k->len > ret->longest)
                ret->longest = k->len;
        }
    }
}

static void narrow_from_the_start(struct sim_proof *p)
{
    struct losses all = {0};

    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        if (!sim_proof_wants(p, seed))
            continue;
        make(p, seed);
        sim_proof_begin(p);
        (void)sim_proof_run(p, START - WEND_MS(1)); // when they know of each other
        for (uint16_t i = 0; i < 2; i++)
            narrow_site(p, i);
        (void)sim_proof_run(p, START + WEND_S(12));
        count(p, SIM_BEGIN + START + WITHIN, SIM_BEGIN + START + WEND_S(11), &all);
        sim_proof_end(p);
    }
    sim_proof_row(
        p, all.lost == 0 && all.sent > 0,
        (const char *[]){"links of 1,124 bytes, long packets, from 2 s after the first", "0 lost"},
        "of %u lost %u; up to %u bytes inside", all.sent, all.lost, all.longest);
}

// From then until the first packet behind the last one lost.
static wend_duration flows_again(const struct sim_proof *p, uint32_t flow, wend_instant since)
{
    wend_instant again = WEND_NEVER;

    for (uint32_t i = p->ledger.counts[flow]; i > 0; i--) {
        const struct sim_ledger_packet *k = &p->ledger.packets[flow][i - 1];
        if (k->sent > p->world->now - WEND_S(1) || !k->accepted)
            continue; // still under way
        if (k->sent < since || k->delivered == 0)
            break;
        again = k->delivered - since;
    }
    return again;
}

static void hole_in_the_middle(struct sim_proof *p)
{
    const wend_instant at = START + WEND_S(6);

    sim_samples_clear(&times);
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        if (!sim_proof_wants(p, seed))
            continue;
        make(p, seed);
        sim_proof_begin(p);
        (void)sim_proof_run(p, at);
        narrow_site(p, 0);
        (void)sim_proof_run(p, at + WEND_S(15));
        for (uint32_t flow = 0; flow < 2; flow++)
            sim_samples_add(&times, flows_again(p, flow, SIM_BEGIN + at), seed);
        sim_proof_end(p);
    }
    sim_samples_sort(&times);
    sim_proof_row(p, sim_samples_part(&times, 1) <= HOLE,
                  (const char *[]){"a link becomes narrow in the middle of a flow, without a word",
                                   "flows again within 2 s"},
                  "worst %.0f ms (seed %llu), median %.0f, of %u flows; %u never within 14 s",
                  sim_ms(sim_samples_part(&times, 1)), (unsigned long long)times.seed,
                  sim_ms(sim_samples_part(&times, 0.5)), times.count + times.missing,
                  times.missing);
}

void sim_proof_narrow(struct sim_proof *p)
{
    narrow_from_the_start(p);
    hole_in_the_middle(p);
}
