// SPDX-License-Identifier: MIT
// How soon packets go straight, where both NATs map alike for all destinations: 50 ms there and
// back between the devices, jitter on both accesses, up to 1 % of loss.
#include "proof.h"

#define SEEDS      500
#define ROUND_TRIP WEND_MS(50)
#define START      WEND_S(3)
#define PATIENCE   WEND_S(10)

static struct sim_samples times;

static void make(struct sim_proof *p, uint64_t seed, wend_duration relay_round_trip)
{
    struct sim_draw d = {seed * 101 + 3};
    struct sim_scenario *s = &p->scenario;

    sim_proof_cones(p, seed, (enum wend_sim_dependence)sim_draw_below(&d, 3));
    // Straight: up + core + down. By the relay: the core to the server, twice.
    s->core = 0;
    s->core = (ROUND_TRIP - sim_proof_round_trip(s, false)) / 2;
    s->relay = -s->core;
    s->relay += (relay_round_trip - sim_proof_round_trip(s, true)) / 4;
    for (uint16_t i = 0; i < 2; i++) {
        struct wend_link_config *links[] = {&s->places[i].up.link, &s->places[i].down.link};
        for (size_t j = 0; j < 2; j++) {
            links[j]->jitter = sim_draw_between(&d, 0, WEND_MS(3));
            links[j]->loss_ppm = sim_draw_below(&d, 5000); // two of them on a way
        }
    }
    s->faultless = false;
    sim_proof_talk(p, WEND_MS(2), START, WEND_S(100));
}

// From the first packet until the sealing half of its sender takes the direct way.
static wend_duration measure(struct sim_proof *p)
{
    const struct sim_ledger_way *way = &p->ledger.ways[0];
    wend_instant at = START;

    while (way->to_direct == 0 && at < START + PATIENCE && sim_proof_run(p, at))
        at += WEND_MS(2);
    return way->to_direct == 0 ? WEND_NEVER : p->world->now - SIM_BEGIN - START;
}

static void play(struct sim_proof *p, wend_duration relay_round_trip, const char *where)
{
    const wend_duration bound = 2 * relay_round_trip + WEND_MS(50);
    char what[120], goal[80];

    sim_samples_clear(&times);
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        if (!sim_proof_wants(p, seed))
            continue;
        make(p, seed, relay_round_trip);
        sim_proof_begin(p);
        sim_samples_add(&times, measure(p), seed);
        sim_proof_end(p);
    }
    sim_samples_sort(&times);
    const wend_duration median = sim_samples_part(&times, 0.5),
                        p99 = sim_samples_part(&times, 0.99);
    snprintf(what, sizeof what,
             "packets go straight, cone NATs, 50 ms RTT straight, %.0f ms by the relay (%s)",
             sim_ms(relay_round_trip), where);
    snprintf(goal, sizeof goal, "median at most %.0f ms (2 relay RTT + 50 ms), p99 500 ms",
             sim_ms(bound));
    sim_proof_row(
        p, median <= bound && p99 <= WEND_MS(500), (const char *[]){what, goal},
        "median %.0f ms, p99 %.0f, worst %.0f (seed %llu) of %u seeds; 2 direct RTT + 50 are %.0f",
        sim_ms(median), sim_ms(p99), sim_ms(sim_samples_part(&times, 1)),
        (unsigned long long)times.seed, times.count + times.missing,
        sim_ms(2 * ROUND_TRIP + WEND_MS(50)));
}

void sim_proof_direct(struct sim_proof *p)
{
    play(p, WEND_MS(50), "in the middle");
    play(p, WEND_MS(80), "off the way");
}
