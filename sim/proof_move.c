// SPDX-License-Identifier: MIT
// Addresses change while packets flow: how long until they flow both ways again.
#include "proof.h"

#define SEEDS  300
#define SETTLE WEND_MS(5) // so long the daemon waits for more changes before it tells the node

static struct sim_samples times; // beyond the bound

static void add_move(struct sim_scenario *s, uint16_t device, wend_instant at)
{
    const bool nat = s->places[device].box.kind == WEND_SIM_BOX_NAT;
    struct sim_fault f = {.kind = SIM_FAULT_MOVE_SITE, .device = device, .at = at};

    if (nat)
        sim_scenario_add_fault(s, &f);
    f.kind = SIM_FAULT_MOVE;
    sim_scenario_add_fault(s, &f);
}

// Until one packet sent after it came, in each direction.
static wend_duration measure(const struct sim_proof *p, wend_instant moved)
{
    wend_duration longest = 0;

    for (uint32_t flow = 0; flow < 2; flow++) {
        const struct sim_ledger_packet *k = sim_proof_delivered(p, flow, moved, false);
        if (k == NULL)
            return WEND_NEVER;
        if (k->delivered - moved > longest)
            longest = k->delivered - moved;
    }
    return longest;
}

static wend_duration bound_of(const struct sim_scenario *s, bool both)
{
    const wend_duration round_trip = sim_proof_round_trip(s, true);
    wend_duration server = 0; // of the farther one

    if (!both)
        return round_trip + WEND_MS(50);
    for (uint16_t i = 0; i < 2; i++) {
        const struct sim_place *p = &s->places[i];
        const wend_duration own =
            p->up.link.delay + p->down.link.delay + 2 * (s->core + s->relay + p->far);
        server = own > server ? own : server;
    }
    return 2 * server + WEND_MS(100);
}

static void play(struct sim_proof *p, bool both, const char *texts[static 2])
{
    sim_samples_clear(&times);
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        if (!sim_proof_wants(p, seed))
            continue;
        struct sim_draw d = {seed * 17 + both};
        const wend_instant at = sim_draw_between(&d, WEND_S(8), WEND_S(9));
        sim_proof_cones(p, seed, WEND_SIM_ADDRESS_AND_PORT_DEPENDENT);
        if (!both && sim_draw_chance(&d, 300))
            p->scenario.places[0].box = (struct wend_sim_box){0};
        sim_proof_talk(p, WEND_MS(5), WEND_S(2), WEND_S(100));
        add_move(&p->scenario, 0, at);
        if (both)
            add_move(&p->scenario, 1, at + sim_draw_between(&d, 0, WEND_US(999)));
        sim_proof_begin(p);
        (void)sim_proof_run(p, at);
        (void)sim_proof_run(p, at + WEND_S(3));
        const wend_duration took = measure(p, SIM_BEGIN + at + (both ? WEND_MS(1) : 0));
        sim_samples_add(&times, took == WEND_NEVER ? took : took - bound_of(&p->scenario, both),
                        seed);
        sim_proof_end(p);
    }
    sim_samples_sort(&times);
    sim_proof_row(p, sim_samples_part(&times, 1) <= 0, texts,
                  "worst %+.1f ms against it (seed %llu), p99 %+.1f, median %+.1f, of %u seeds; "
                  "%.0f ms of it "
                  "the daemon waits for more changes",
                  sim_ms(sim_samples_part(&times, 1)), (unsigned long long)times.seed,
                  sim_ms(sim_samples_part(&times, 0.99)), sim_ms(sim_samples_part(&times, 0.5)),
                  times.count + times.missing, sim_ms(SETTLE));
}

void sim_proof_move(struct sim_proof *p)
{
    play(p, false,
         (const char *[]){"one end's address changes, until packets flow both ways",
                          "1 relay RTT + 50 ms"});
    play(p, true,
         (const char *[]){"both ends' in the same millisecond, port-restricted NATs",
                          "2 RTT to the server + 100 ms"});
}
