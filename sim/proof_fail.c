// SPDX-License-Identifier: MIT
// The direct path dies without a word, or begins to lose: how long until the relay carries.
#include "proof.h"

#define SEEDS    300
#define INTERVAL WEND_MS(10) // 100 packets a second each way
#define WITHIN   WEND_MS(300)
#define LOSS     300000 // ppm

enum trouble { BOTH_WAYS, FORTH, BACK, LOSES };

static struct sim_samples times; // beyond the bound

// The relay over IPv4, behind NATs that let nothing straight; the direct path over IPv6, apart.
static void make_apart(struct sim_proof *p)
{
    for (uint16_t i = 0; i < 2; i++) {
        struct sim_place *place = &p->scenario.places[i];
        place->box.mapping = WEND_SIM_ADDRESS_AND_PORT_DEPENDENT;
        place->box.allocation = WEND_SIM_PORT_RANDOM;
        place->apart = place->ipv6 = true;
        place->apart_up = place->up;
        place->apart_down = place->down;
    }
}

static void lose(struct sim_proof *p)
{
    for (uint16_t i = 0; i < 2; i++) {
        const struct sim_place *place = &p->scenario.places[i];
        const uint32_t site = p->world->devices[i].apart;
        struct wend_sim_link up = place->apart_up;
        up.link.loss_ppm = LOSS;
        wend_sim_net_set_site_link(p->world->net, site, true, &up);
    }
}

static void begin_trouble(struct sim_proof *p, enum trouble trouble)
{
    const uint32_t a = p->world->devices[0].top, b = p->world->devices[1].top;

    if (trouble == LOSES)
        lose(p);
    if (trouble == BOTH_WAYS || trouble == FORTH)
        wend_sim_net_cut(p->world->net, a, b, true);
    if (trouble == BOTH_WAYS || trouble == BACK)
        wend_sim_net_cut(p->world->net, b, a, true);
}

// When the first packet was delivered that came by the relay too, if not by it alone: from then on
// nothing depends on the direct path any more.
static wend_instant carried(const struct sim_proof *p, uint32_t flow, wend_instant since)
{
    wend_instant least = WEND_NEVER;

    for (uint32_t i = 0; i < p->ledger.counts[flow]; i++) {
        const struct sim_ledger_packet *k = &p->ledger.packets[flow][i];
        if (k->sent < since || k->delivered == 0 || k->relayed == 0)
            continue;
        least = wend_instant_min(least, k->delivered > k->relayed ? k->delivered : k->relayed);
    }
    return least;
}

// The later of the directions concerned.
static wend_duration measure(struct sim_proof *p, enum trouble trouble, wend_instant since)
{
    wend_duration longest = 0;

    for (uint32_t flow = 0; flow < 2; flow++) {
        if (trouble == (flow == 0 ? BACK : FORTH))
            continue;
        sim_ledger_settle(&p->ledger, flow, p->scenario.flows[flow].to);
        const wend_instant at = carried(p, flow, since);
        if (at == WEND_NEVER)
            return WEND_NEVER;
        if (at - since > longest)
            longest = at - since;
    }
    return longest;
}

static void play_one(struct sim_proof *p, uint64_t seed, enum trouble trouble)
{
    struct sim_draw d = {seed * 59 + trouble};
    const wend_instant at = sim_draw_between(&d, WEND_S(8), WEND_S(9));

    sim_proof_cones(p, seed, WEND_SIM_ADDRESS_AND_PORT_DEPENDENT);
    if (trouble == LOSES)
        make_apart(p);
    sim_proof_talk(p, INTERVAL, WEND_S(2), WEND_S(100));
    sim_proof_begin(p);
    (void)sim_proof_run(p, at);
    if (!sim_proof_is_direct(p) && !sim_world_failed(p->world))
        sim_world_fail(p->world, "no direct path to spoil");
    begin_trouble(p, trouble);
    (void)sim_proof_run(p, at + WEND_S(4));
    const wend_duration took = measure(p, trouble, SIM_BEGIN + at);
    const wend_duration bound = WITHIN + sim_proof_round_trip(&p->scenario, true);
    sim_samples_add(&times, took == WEND_NEVER ? took : took - bound, seed);
    sim_proof_end(p);
}

static void play(struct sim_proof *p, enum trouble trouble, const char *what)
{
    sim_samples_clear(&times);
    for (uint64_t seed = 0; seed < SEEDS; seed++)
        if (sim_proof_wants(p, seed))
            play_one(p, seed, trouble);
    sim_samples_sort(&times);
    sim_proof_row(p, sim_samples_part(&times, 0.99) <= 0,
                  (const char *[]){what, "300 ms + 1 relay RTT until the relay carries, p99"},
                  "p99 %+.0f ms against it, worst %+.0f (seed %llu), median %+.0f, of %u seeds; %u "
                  "not in 4 s",
                  sim_ms(sim_samples_part(&times, 0.99)), sim_ms(sim_samples_part(&times, 1)),
                  (unsigned long long)times.seed, sim_ms(sim_samples_part(&times, 0.5)),
                  times.count + times.missing, times.missing);
}

void sim_proof_fail(struct sim_proof *p)
{
    play(p, BOTH_WAYS, "direct path dies both ways, 100 packets/s");
    play(p, FORTH, "direct path dies one way, forth");
    play(p, BACK, "direct path dies one way, back");
    play(p, LOSES, "direct path begins to lose 30 %");
}
