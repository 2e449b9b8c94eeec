// SPDX-License-Identifier: MIT
// The rows that have a goal of their own: who is on both sides, how often it has to succeed, with
// how many datagrams, how soon.
//
// Which of the two devices calls is drawn, so "A | B" stands for both orders.
#include "base/assert.h"
#include "matrix.h"

#define EI  WEND_SIM_ENDPOINT_INDEPENDENT
#define AD  WEND_SIM_ADDRESS_DEPENDENT
#define APD WEND_SIM_ADDRESS_AND_PORT_DEPENDENT

#define PRESERVING WEND_SIM_PORT_PRESERVING
#define SEQUENTIAL WEND_SIM_PORT_SEQUENTIAL
#define RANDOM     WEND_SIM_PORT_RANDOM
#define BLOCK      WEND_SIM_PORT_RANDOM_BLOCK

#define DEVICE_PORT 41641 // both devices' sockets
#define RTT         SIM_MATRIX_RTT

// A draw of one of them; order as in the enums.
#define ANY 15

struct part {
    int mapping, filtering, allocation; // ANY: drawn
};

static enum wend_sim_dependence draw_part(struct sim_draw *d, int from, int to)
{
    return (enum wend_sim_dependence)(from + (int)sim_draw_below(d, (uint32_t)(to - from + 1)));
}

static struct sim_place drawn(struct sim_draw *d, struct part p)
{
    const struct sim_side side = {
        p.mapping == ANY ? draw_part(d, EI, APD) : (enum wend_sim_dependence)p.mapping,
        p.filtering == ANY ? draw_part(d, EI, APD) : (enum wend_sim_dependence)p.filtering,
        p.allocation == ANY ? (enum wend_sim_allocation)sim_draw_below(d, 5)
                            : (enum wend_sim_allocation)p.allocation};
    struct sim_place place = sim_place_public_host();

    place.box = sim_matrix_side_box(&side, d);
    return place;
}

static struct sim_place anyone(struct sim_draw *d)
{
    return drawn(d, (struct part){ANY, ANY, ANY});
}

static struct sim_place cone(struct sim_draw *d, int filtering)
{
    return drawn(d, (struct part){EI, filtering, ANY});
}

static struct sim_place symmetric(struct sim_draw *d, int filtering, int allocation)
{
    return drawn(d, (struct part){(int)draw_part(d, AD, APD), filtering, allocation});
}

// Hard to reach, but for its gateway.
static struct sim_place mapped(struct sim_draw *d)
{
    struct sim_place p = symmetric(d, ANY, ANY);

    p.box.gateway = (enum wend_sim_gateway)(1 + sim_draw_below(d, WEND_SIM_GATEWAY_KINDS - 1));
    return p;
}

typedef void make_sides(struct sim_place at[static 2], struct sim_draw *d);

static void open_any(struct sim_place at[static 2], struct sim_draw *d)
{
    at[0] = anyone(d);
    if (sim_draw_chance(d, 500))
        at[1] = mapped(d);
    else
        at[1] = sim_draw_chance(d, 500) ? sim_place_public_host() : cone(d, EI);
}

static void cones(struct sim_place at[static 2], struct sim_draw *d)
{
    at[0] = cone(d, ANY);
    at[1] = cone(d, ANY);
}

static void by_address(struct sim_place at[static 2], struct sim_draw *d)
{
    at[0] = cone(d, AD);
    at[1] = symmetric(d, ANY, ANY);
}

static void strict_and(struct sim_place at[static 2], struct sim_draw *d, int allocation)
{
    at[0] = cone(d, APD);
    at[1] = symmetric(d, ANY, allocation);
}

static void strict_preserving(struct sim_place at[static 2], struct sim_draw *d)
{
    strict_and(at, d, sim_draw_chance(d, 500) ? PRESERVING : WEND_SIM_PORT_SECOND_PRIORITY);
}

static void strict_sequential(struct sim_place at[static 2], struct sim_draw *d)
{
    strict_and(at, d, SEQUENTIAL);
    at[1].box.byte_swapped = sim_draw_chance(d, 200);
}

static void strict_block(struct sim_place at[static 2], struct sim_draw *d)
{
    strict_and(at, d, BLOCK);
}

static void strict_random(struct sim_place at[static 2], struct sim_draw *d)
{
    strict_and(at, d, RANDOM);
}

static void random_by_address(struct sim_place at[static 2], struct sim_draw *d)
{
    at[0] = at[1] = drawn(d, (struct part){AD, AD, RANDOM});
}

static void random_one_strict(struct sim_place at[static 2], struct sim_draw *d)
{
    at[0] = drawn(d, (struct part){AD, AD, RANDOM});
    at[1] = drawn(d, (struct part){APD, APD, RANDOM});
}

static void sequences(struct sim_place at[static 2], struct sim_draw *d, uint32_t others)
{
    for (int i = 0; i < 2; i++) {
        at[i] = symmetric(d, ANY, SEQUENTIAL);
        at[i].box.others_per_second = others;
    }
}

static void sequences_35(struct sim_place at[static 2], struct sim_draw *d)
{
    sequences(at, d, 35);
}

static void sequences_100(struct sim_place at[static 2], struct sim_draw *d)
{
    sequences(at, d, 100);
}

static void out_of_reach(struct sim_place at[static 2], struct sim_draw *d)
{
    static const int others[] = {RANDOM, BLOCK, SEQUENTIAL};

    at[0] = symmetric(d, APD, RANDOM);
    at[1] = symmetric(d, APD, others[sim_draw_below(d, 3)]);
}

static void same_nat(struct sim_place at[static 2], struct sim_draw *d)
{
    at[0] = anyone(d);
    at[0].box.hairpin = sim_draw_chance(d, 500);
    at[1] = at[0];
    at[1].neighbour_of = 0;
}

// Together: as the outer NAT maps, and as both filter.
static void add_outer(struct sim_place *p, struct sim_draw *d, struct part outer)
{
    p->two_layers = true;
    p->outer = drawn(d, outer).box;
    p->outer.taken_ppm = p->box.taken_ppm = 0;
}

static void cone_in_sequence(struct sim_place at[static 2], struct sim_draw *d)
{
    at[0] = cone(d, ANY);
    add_outer(&at[0], d, (struct part){APD, APD, SEQUENTIAL});
    at[1] = cone(d, APD);
}

static void cone_in_symmetric(struct sim_place at[static 2], struct sim_draw *d)
{
    at[0] = cone(d, ANY);
    add_outer(&at[0], d, (struct part){APD, APD, ANY});
    at[1] = cone(d, AD);
}

static void sequence_in_cone(struct sim_place at[static 2], struct sim_draw *d)
{
    at[0] = drawn(d, (struct part){APD, APD, SEQUENTIAL});
    add_outer(&at[0], d, (struct part){EI, ANY, PRESERVING});
    at[1] = cone(d, APD);
}

static void symmetric_in_cone(struct sim_place at[static 2], struct sim_draw *d)
{
    at[0] = drawn(d, (struct part){APD, APD, ANY});
    add_outer(&at[0], d, (struct part){EI, ANY, PRESERVING});
    at[1] = cone(d, AD);
}

static void masquerades(struct sim_place at[static 2])
{
    at[0] = sim_place_public_host();
    at[0].box = (struct wend_sim_box){
        .kind = WEND_SIM_BOX_NAT,
        .filtering = APD,
        .overload = true,
        .udp_unanswered = WEND_S(30),
    };
    at[1] = at[0];
}

static void masquerade_early(struct sim_place at[static 2], struct sim_draw *d)
{
    (void)d;
    masquerades(at);
    at[0].box.early_takes_tuple = at[1].box.early_takes_tuple = true;
}

static void masquerade_taken(struct sim_place at[static 2], struct sim_draw *d)
{
    masquerades(at);
    at[sim_draw_below(d, 2)].box.taken_port = DEVICE_PORT;
}

static void firewalls(struct sim_place at[static 2], struct sim_draw *d)
{
    (void)d;
    at[0] = (struct sim_place){.neighbour_of = -1, .customer_with = -1, .ipv6 = true};
    at[0].box = (struct wend_sim_box){.kind = WEND_SIM_BOX_FIREWALL, .filtering = APD};
    at[1] = at[0];
}

// The one port beside the servers' that it may send to is where the peer is.
static void egress(struct sim_place at[static 2], struct sim_draw *d)
{
    at[0] = anyone(d);
    at[0].box.egress_to[0] = 443;
    at[0].box.egress_to[1] = 3478;
    at[0].box.egress_to[2] = DEVICE_PORT;
    at[1] = sim_place_public_host();
}

static void no_udp(struct sim_place at[static 2], struct sim_draw *d)
{
    at[0] = anyone(d);
    at[0].box.block_udp = true;
    at[1] = anyone(d);
}

// A peer that keeps no port of an address out would be met by luck, in one of four cases.
static void pooling(struct sim_place at[static 2], struct sim_draw *d)
{
    at[0] = symmetric(d, APD, RANDOM);
    at[0].box.pool = 4;
    at[0].box.pooling = WEND_SIM_POOLING_ARBITRARY;
    at[1] = drawn(d, (struct part){ANY, APD, ANY});
}

struct row {
    const char *name;
    make_sides *make;
    struct sim_matrix_goal goal;
};

static const struct row rows[] = {
    {"any | open", open_any, {SIM_MATRIX_CONNECT, 1, 4, RTT}},
    {"EIM | EIM", cones, {SIM_MATRIX_CONNECT, 1, 6, 2 * RTT}},
    {"EIM/ADF | symmetric", by_address, {SIM_MATRIX_CONNECT, 1, 4, 2 * RTT}},
    {"EIM/APDF | preserving", strict_preserving, {SIM_MATRIX_CONNECT, 0.99, 4, 2 * RTT}},
    {"EIM/APDF | sequential", strict_sequential, {SIM_MATRIX_CONNECT, 0.999, 12, 3 * RTT}},
    {"EIM/APDF | block", strict_block, {SIM_MATRIX_CONNECT, 0.999, 380, WEND_S(2)}},
    {"EIM/APDF | random", strict_random, {SIM_MATRIX_CONNECT, 0.98, 1010, WEND_MS(2600)}},
    {"EIM/APDF | random, longer", strict_random, {SIM_MATRIX_CONNECT, 0.999, 1340, WEND_MS(3400)}},
    {"ADM/ADF random | ADM/ADF random",
     random_by_address,
     {SIM_MATRIX_CONNECT, 0.98, 1010, WEND_MS(2600)}},
    {"ADM/ADF random | ADM/ADF random, longer",
     random_by_address,
     {SIM_MATRIX_CONNECT, 0.999, 1340, WEND_MS(3400)}},
    {"ADM/ADF random | APDM/APDF random",
     random_one_strict,
     {SIM_MATRIX_CONNECT, 0.98, 1010, WEND_MS(5200)}},
    {"sequential | sequential, 35/s", sequences_35, {SIM_MATRIX_CONNECT, 0.99, 400, WEND_S(1)}},
    {"sequential | sequential, 100/s", sequences_100, {SIM_MATRIX_CONNECT, 0.99, 400, WEND_S(1)}},
    {"random/APDF | symmetric/APDF", out_of_reach, {SIM_MATRIX_RECOGNISE, 1, 20, 2 * RTT}},
    {"same NAT", same_nat, {SIM_MATRIX_CONNECT, 1, 6, 2 * RTT}},
    {"cone in sequential | EIM/APDF", cone_in_sequence, {SIM_MATRIX_CONNECT, 0.999, 12, 3 * RTT}},
    {"cone in symmetric | EIM/ADF", cone_in_symmetric, {SIM_MATRIX_CONNECT, 1, 4, 2 * RTT}},
    {"sequential in cone | EIM/APDF", sequence_in_cone, {SIM_MATRIX_CONNECT, 0.999, 12, 3 * RTT}},
    {"symmetric in cone | EIM/ADF", symmetric_in_cone, {SIM_MATRIX_CONNECT, 1, 4, 2 * RTT}},
    {"masquerade | masquerade, early", masquerade_early, {SIM_MATRIX_CONNECT, 1, 8, 3 * RTT}},
    {"masquerade | masquerade, taken", masquerade_taken, {SIM_MATRIX_CONNECT, 1, 8, 3 * RTT}},
    {"IPv6 firewall | IPv6 firewall", firewalls, {SIM_MATRIX_CONNECT, 1, 6, 2 * RTT}},
    {"chosen ports | open there", egress, {SIM_MATRIX_CONNECT, 1, 4, 2 * RTT}},
    {"no UDP | any", no_udp, {SIM_MATRIX_RECOGNISE, 1, 0, 0}},
    {"arbitrary pooling | APDF", pooling, {SIM_MATRIX_RECOGNISE, 1, 20, 2 * RTT}},
};

#define COUNT (uint32_t)(sizeof rows / sizeof rows[0])

uint32_t sim_matrix_row_count(void)
{
    return COUNT;
}

const char *sim_matrix_row_name(uint32_t row)
{
    wend_assert(row < COUNT);
    return rows[row].name;
}

struct sim_matrix_goal sim_matrix_row_goal(uint32_t row)
{
    wend_assert(row < COUNT);
    return rows[row].goal;
}

void sim_matrix_row_make(uint32_t row, struct sim_scenario *s, struct sim_draw *d)
{
    wend_assert(row < COUNT);
    rows[row].make(s->places, d);
}
