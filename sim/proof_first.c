// SPDX-License-Identifier: MIT
// The first packet: of all, after idle, after sleep; its answer; and the thousands that follow.
#include "proof.h"

#define SEEDS       1000
#define BURST_SEEDS 12
#define WAKE_SEEDS  200
#define START       WEND_S(15) // both are registered by then, also those that may only use TCP
#define SLACK       WEND_MS(2)

static struct sim_samples first, answers;

// Everything from the seed, but that nothing is lost and nothing goes wrong.
static void draw_good(struct sim_proof *p, uint64_t seed)
{
    const struct sim_scale as_it_is = {0};
    struct sim_scenario *s = &p->scenario;

    wend_assert(sim_scenario_make(s, "random", seed, &as_it_is));
    s->name = p->label;
    s->flow_count = s->fault_count = 0;
    s->faultless = s->orderly = true;
    for (uint16_t i = 0; i < s->device_count; i++) {
        struct wend_sim_link *links[] = {&s->places[i].up, &s->places[i].down};
        for (size_t j = 0; j < 2; j++)
            links[j]->link = (struct wend_link_config){.delay = links[j]->link.delay,
                                                       .seed = links[j]->link.seed};
    }
}

// One packet of device 0, answered at once. Returns its flow; the answers' is the next.
static uint32_t add_question(struct sim_scenario *s, wend_instant at)
{
    struct sim_flow_plan there = sim_flow_steady(0, 1, WEND_S(100000));
    struct sim_flow_plan back = sim_flow_steady(1, 0, 0);

    there.start = at;
    there.answered = true;
    there.answer = s->flow_count + 1;
    (void)sim_scenario_add_flow(s, &back);
    (void)sim_scenario_add_flow(s, &back);
    s->flows[s->flow_count - 2] = there;
    return s->flow_count - 2;
}

static void take(struct sim_proof *p, uint32_t flow)
{
    const struct sim_scenario *s = &p->scenario;
    const struct sim_ledger_packet *q = &p->ledger.packets[flow][0];
    const struct sim_ledger_packet *a = &p->ledger.packets[flow + 1][0];
    const wend_duration there = sim_proof_one_way(s, 0, 1, true);

    sim_samples_add(&first, q->delivered != 0 ? q->delivered - q->sent - there : WEND_NEVER,
                    s->seed);
    sim_samples_add(&answers,
                    a->delivered != 0 ? a->delivered - q->sent - sim_proof_round_trip(s, true)
                                      : WEND_NEVER,
                    s->seed);
}

static void clear(void)
{
    sim_samples_clear(&first);
    sim_samples_clear(&answers);
}

static void tell(struct sim_proof *p, struct sim_samples *s, wend_duration bound,
                 const char *texts[static 2])
{
    const wend_duration worst = (sim_samples_sort(s), sim_samples_part(s, 1));

    sim_proof_row(p, worst <= bound, texts,
                  "worst %+.3f ms (seed %llu), p99 %+.3f, median %+.3f, of %u seeds, never %u",
                  sim_ms(worst), (unsigned long long)s->seed, sim_ms(sim_samples_part(s, 0.99)),
                  sim_ms(sim_samples_part(s, 0.5)), s->count + s->missing, s->missing);
}

void sim_proof_first(struct sim_proof *p)
{
    clear();
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        if (!sim_proof_wants(p, seed))
            continue;
        draw_good(p, seed);
        const uint32_t flow = add_question(&p->scenario, START);
        sim_proof_begin(p);
        (void)sim_proof_run(p, START + WEND_S(5));
        take(p, flow);
        sim_proof_end(p);
    }
    tell(p, &first, SLACK,
         (const char *[]){"first packet to a peer never talked to, every kind of NAT",
                          "one way through the relay + 2 ms"});
    tell(p, &answers, 2 * SLACK,
         (const char *[]){"its answer", "round trip through the relay + 4 ms"});
}

// Idle from 5 s to an hour, evenly in its logarithm.
static wend_duration draw_idle(struct sim_draw *d)
{
    wend_duration idle = WEND_S(5);

    for (uint32_t doublings = sim_draw_below(d, 10); doublings > 0; doublings--)
        idle *= 2;
    return sim_draw_between(d, idle, idle + idle * 2 / 5);
}

void sim_proof_after_idle(struct sim_proof *p)
{
    const wend_instant stop = START + WEND_S(4);

    clear();
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        if (!sim_proof_wants(p, seed))
            continue;
        struct sim_draw d = {seed * 77 + 1};
        draw_good(p, seed);
        sim_proof_talk(p, WEND_MS(100), START, stop);
        const wend_instant at = stop + draw_idle(&d);
        const uint32_t flow = add_question(&p->scenario, at);
        sim_proof_begin(p);
        (void)sim_proof_run(p, at + WEND_S(5));
        take(p, flow);
        sim_proof_end(p);
    }
    tell(p, &first, SLACK,
         (const char *[]){"first packet after idle (5 s to 1 h), every kind of NAT",
                          "one way through the relay + 2 ms"});
    tell(p, &answers, 2 * SLACK,
         (const char *[]){"its answer", "round trip through the relay + 4 ms"});
}

// --- the first 10,000 ---

static uint32_t count_lost(const struct sim_proof *p, uint32_t flow)
{
    uint32_t lost = 0;

    for (uint32_t i = 0; i < p->ledger.counts[flow]; i++)
        lost += p->ledger.packets[flow][i].delivered == 0;
    return lost;
}

// Sent and lost, with that round trip through the relay, straight as long.
static void play_burst(struct sim_proof *p, wend_duration round_trip, uint32_t ret[static 3])
{
    ret[0] = ret[1] = ret[2] = 0;
    for (uint64_t seed = 0; seed < BURST_SEEDS; seed++) {
        if (!sim_proof_wants(p, seed))
            continue;
        sim_proof_cones(p, seed, (enum wend_sim_dependence)(seed % 3));
        struct sim_scenario *s = &p->scenario;
        s->relay = 0;
        s->core = (round_trip - sim_proof_round_trip(s, true)) / 4 + s->core;
        sim_proof_talk(p, WEND_MS(1), WEND_S(2), WEND_S(12));
        sim_proof_begin(p);
        (void)sim_proof_run(p, WEND_S(14));
        for (uint32_t flow = 0; flow < 2; flow++) {
            ret[0] += p->ledger.counts[flow];
            ret[1] += count_lost(p, flow);
        }
        ret[2] += p->world->stats.reordered;
        sim_proof_end(p);
    }
}

void sim_proof_burst(struct sim_proof *p)
{
    uint32_t near[3], far[3];

    play_burst(p, WEND_MS(50), near);
    play_burst(p, WEND_MS(120), far);
    sim_proof_row(
        p, near[1] + far[1] == 0,
        (const char *[]){"first 10,000 packets each way, 1,000 a second, then straight", "0 lost"},
        "of %u lost %u, out of order %u (relay RTT 50 ms); of %u lost %u, out of order "
        "%u (120 ms)",
        near[0], near[1], near[2], far[0], far[1], far[2]);
}

// --- after sleep ---

void sim_proof_wake(struct sim_proof *p)
{
    const wend_instant asleep = WEND_S(20), awake = asleep + WEND_S(2 * 3600);

    clear();
    for (uint64_t seed = 0; seed < WAKE_SEEDS; seed++) {
        if (!sim_proof_wants(p, seed))
            continue;
        struct sim_draw d = {seed * 13 + 7};
        sim_proof_cones(p, seed, (enum wend_sim_dependence)sim_draw_below(&d, 3));
        sim_proof_talk(p, WEND_MS(100), WEND_S(5), WEND_S(18));
        const struct sim_fault sleep = {
            .at = asleep, .kind = SIM_FAULT_SLEEP, .duration = awake - asleep};
        sim_scenario_add_fault(&p->scenario, &sleep);
        const uint32_t flow =
            add_question(&p->scenario, awake + sim_draw_between(&d, 0, WEND_MS(100)));
        sim_proof_begin(p);
        (void)sim_proof_run(p, awake + WEND_S(8));
        take(p, flow);
        sim_proof_end(p);
    }
    tell(p, &first, SLACK,
         (const char *[]){"first packet after 2 h of sleep, up to 100 ms after waking",
                          "one way through the relay + 2 ms"});
}
