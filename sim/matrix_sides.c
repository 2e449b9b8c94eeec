// SPDX-License-Identifier: MIT
// Mapping x filtering x allocation of both sides, and what is to be reached there.
//
// Within reach: a mapping that does not depend on the endpoint can be told to the peer. Without one
// on either side, an outside port that is drawn at random is out of reach as soon as one side
// filters by address and port, unless the other keeps one port for all of an address (and filters
// by no more than that), which openers can then be spread over.
#include "matrix.h"

#define ALLOCATIONS 5

static bool keeps(const struct sim_side *s)
{
    return s->mapping == WEND_SIM_ENDPOINT_INDEPENDENT;
}

static bool is_open(const struct sim_side *s)
{
    return keeps(s) && s->filtering == WEND_SIM_ENDPOINT_INDEPENDENT;
}

static bool is_strict(const struct sim_side *s)
{
    return s->filtering == WEND_SIM_ADDRESS_AND_PORT_DEPENDENT;
}

static bool is_drawn(const struct sim_side *s)
{
    return s->allocation == WEND_SIM_PORT_RANDOM || s->allocation == WEND_SIM_PORT_RANDOM_BLOCK;
}

// One port for all of an address, and nobody at that address is kept out.
static bool is_by_address(const struct sim_side *s)
{
    return s->mapping == WEND_SIM_ADDRESS_DEPENDENT && !is_strict(s);
}

struct sim_side sim_matrix_side(uint32_t number)
{
    return (struct sim_side){
        .mapping = (enum wend_sim_dependence)(number / (3 * ALLOCATIONS)),
        .filtering = (enum wend_sim_dependence)(number / ALLOCATIONS % 3),
        .allocation = (enum wend_sim_allocation)(number % ALLOCATIONS),
    };
}

void sim_matrix_side_name(const struct sim_side *side, char ret[static 32])
{
    static const char *const parts[] = {"EI", "AD", "APD"};
    static const char *const allocations[] = {"preserving", "sequential", "random", "block",
                                              "second-priority"};

    snprintf(ret, 32, "%sM/%sF/%s", parts[side->mapping], parts[side->filtering],
             allocations[side->allocation]);
}

struct wend_sim_box sim_matrix_side_box(const struct sim_side *side, struct sim_draw *d)
{
    struct wend_sim_box b = {
        .kind = WEND_SIM_BOX_NAT,
        .mapping = side->mapping,
        .filtering = side->filtering,
        .allocation = side->allocation,
    };

    switch (side->allocation) {
    case WEND_SIM_PORT_PRESERVING:
    case WEND_SIM_PORT_SECOND_PRIORITY:
        b.taken_ppm = 10000;
        b.fallback = WEND_SIM_PORT_RANDOM;
        break;
    case WEND_SIM_PORT_SEQUENTIAL:
        b.port_step = (int32_t)(1 + sim_draw_below(d, 16)) * (sim_draw_chance(d, 500) ? 1 : -1);
        b.others_per_second = sim_draw_below(d, 361);
        b.others_by_chance = true;
        break;
    case WEND_SIM_PORT_RANDOM_BLOCK:
        b.block_ports = (uint16_t)(512u << sim_draw_below(d, 4));
        break;
    case WEND_SIM_PORT_RANDOM: break;
    }
    return b;
}

static struct sim_matrix_goal reach(double success, uint32_t datagrams, wend_duration time)
{
    return (struct sim_matrix_goal){SIM_MATRIX_CONNECT, success, datagrams, time};
}

static struct sim_matrix_goal goal_of_unlike(const struct sim_side *cone, const struct sim_side *s)
{
    if (!is_strict(cone))
        return reach(1, 4, 2 * SIM_MATRIX_RTT);
    switch (s->allocation) {
    case WEND_SIM_PORT_PRESERVING:
    case WEND_SIM_PORT_SECOND_PRIORITY: return reach(0.99, 4, 2 * SIM_MATRIX_RTT);
    case WEND_SIM_PORT_SEQUENTIAL: return reach(0.999, 12, 3 * SIM_MATRIX_RTT);
    case WEND_SIM_PORT_RANDOM_BLOCK: return reach(0.999, 380, WEND_S(2));
    case WEND_SIM_PORT_RANDOM: break;
    }
    return reach(0.98, 1010, WEND_MS(2600));
}

static struct sim_matrix_goal goal_of_symmetric(const struct sim_side *a, const struct sim_side *b)
{
    const bool in_reach =
        (!is_strict(a) || is_by_address(b)) && (!is_strict(b) || is_by_address(a));
    const bool sequential =
        a->allocation == WEND_SIM_PORT_SEQUENTIAL && b->allocation == WEND_SIM_PORT_SEQUENTIAL;
    const bool random =
        a->allocation == WEND_SIM_PORT_RANDOM && b->allocation == WEND_SIM_PORT_RANDOM;

    if ((is_drawn(a) || is_drawn(b)) && !in_reach)
        return (struct sim_matrix_goal){SIM_MATRIX_RECOGNISE, 1, 20, 2 * SIM_MATRIX_RTT};
    if (sequential)
        return reach(0.99, 400, WEND_S(1));
    if (random && is_by_address(a) && is_by_address(b))
        return reach(0.98, 1010, WEND_MS(2600));
    if (random && (is_by_address(a) || is_by_address(b)))
        return reach(0.98, 1010, WEND_MS(5200));
    return (struct sim_matrix_goal){0};
}

struct sim_matrix_goal sim_matrix_side_goal(const struct sim_side *a, const struct sim_side *b)
{
    if (is_open(a) || is_open(b))
        return reach(1, 4, SIM_MATRIX_RTT);
    if (keeps(a) && keeps(b))
        return reach(1, 6, 2 * SIM_MATRIX_RTT);
    if (keeps(a))
        return goal_of_unlike(a, b);
    if (keeps(b))
        return goal_of_unlike(b, a);
    return goal_of_symmetric(a, b);
}
