// SPDX-License-Identifier: MIT
// Two devices behind NATs of the kinds that are hard to pass, each with numbers of its own;
// sometimes one of them changes its behaviour half-way. Kept apart from scenario_draw.c, whose
// seeds go on to mean what they meant.
#include "base/assert.h"
#include "scenario_parts.h"

// What is particular about one NAT.
enum twist {
    TWIST_NONE = 0,
    TWIST_SECOND_PRIORITY,
    TWIST_DELTA,
    TWIST_BYTE_SWAPPED,
    TWIST_PARITY,
    TWIST_OVERLOAD,
    TWIST_TAKEN,
    TWIST_PAIRED,
    TWIST_ARBITRARY,
    TWIST_SMALL_BLOCK,
    TWIST_FULL,
    TWIST_EGRESS,
    TWIST_SHORT_HOLES,
    TWIST_ICMP,
    TWIST_MASQUERADE,
    TWIST_COUNT,
};

static void set_sequence(struct wend_sim_box *b, struct sim_draw *d)
{
    b->allocation = WEND_SIM_PORT_SEQUENTIAL;
    b->port_step = (int32_t)(1 + sim_draw_below(d, 16)) * (sim_draw_chance(d, 500) ? 1 : -1);
    b->others_per_second = sim_draw_below(d, 361);
    b->others_by_chance = sim_draw_chance(d, 500);
}

static void set_taken(struct wend_sim_box *b, struct sim_draw *d)
{
    b->allocation = WEND_SIM_PORT_PRESERVING;
    b->fallback = sim_draw_chance(d, 500) ? WEND_SIM_PORT_SEQUENTIAL : WEND_SIM_PORT_RANDOM;
    b->taken_ppm = 10000 + sim_draw_below(d, 500000);
}

static void set_pool(struct wend_sim_box *b, struct sim_draw *d, enum wend_sim_pooling pooling)
{
    b->pool = (uint8_t)(2 + sim_draw_below(d, WEND_SIM_POOL_MAX - 1));
    b->pooling = pooling;
}

static void set_limit(struct wend_sim_box *b, struct sim_draw *d)
{
    b->oldest_gives_way = sim_draw_chance(d, 500);
    b->host_limit = 24 + sim_draw_below(d, 200);
}

static void set_masquerade(struct wend_sim_box *b)
{
    b->allocation = WEND_SIM_PORT_PRESERVING;
    b->mapping = WEND_SIM_ENDPOINT_INDEPENDENT;
    b->filtering = WEND_SIM_ADDRESS_AND_PORT_DEPENDENT;
    b->overload = b->early_takes_tuple = true;
    b->udp_unanswered = WEND_S(30);
}

// The server is at port 443, devices send from 41641.
static void apply(struct wend_sim_box *b, struct sim_draw *d, enum twist twist)
{
    switch (twist) {
    case TWIST_SECOND_PRIORITY: b->allocation = WEND_SIM_PORT_SECOND_PRIORITY; break;
    case TWIST_DELTA: set_sequence(b, d); break;
    case TWIST_BYTE_SWAPPED:
        set_sequence(b, d);
        b->byte_swapped = true;
        break;
    case TWIST_PARITY: b->parity = true; break;
    case TWIST_OVERLOAD:
        b->allocation = WEND_SIM_PORT_PRESERVING;
        b->overload = true;
        break;
    case TWIST_TAKEN: set_taken(b, d); break;
    case TWIST_PAIRED: set_pool(b, d, WEND_SIM_POOLING_PAIRED); break;
    case TWIST_ARBITRARY: set_pool(b, d, WEND_SIM_POOLING_ARBITRARY); break;
    case TWIST_SMALL_BLOCK:
        b->allocation = WEND_SIM_PORT_RANDOM_BLOCK;
        b->block_ports = (uint16_t)(64u << sim_draw_below(d, 7));
        break;
    case TWIST_FULL: set_limit(b, d); break;
    case TWIST_EGRESS:
        b->egress_to[0] = 443;
        b->egress_to[1] = sim_draw_chance(d, 500) ? 3478 : 0;
        break;
    case TWIST_SHORT_HOLES: b->udp_unanswered = WEND_S(15); break;
    case TWIST_ICMP: b->icmp_errors = true; break;
    case TWIST_MASQUERADE: set_masquerade(b); break;
    case TWIST_NONE:
    case TWIST_COUNT: break;
    }
}

static struct wend_sim_box draw_hard_box(struct sim_draw *d)
{
    struct wend_sim_box b = {
        .kind = WEND_SIM_BOX_NAT,
        .mapping = (enum wend_sim_dependence)sim_draw_below(d, 3),
        .filtering = (enum wend_sim_dependence)sim_draw_below(d, 3),
        .allocation = (enum wend_sim_allocation)sim_draw_below(d, 5),
        .port_min = (uint16_t)(10000 + 1000 * sim_draw_below(d, 40)),
        .hairpin = sim_draw_chance(d, 500),
    };

    apply(&b, d, (enum twist)sim_draw_below(d, TWIST_COUNT));
    if (sim_draw_chance(d, 300)) // two at once
        apply(&b, d, (enum twist)sim_draw_below(d, TWIST_COUNT));
    return b;
}

static void draw_impairment(struct sim_draw *d, struct sim_scenario *s, struct wend_sim_link *l)
{
    if (sim_draw_chance(d, 700))
        return;
    l->link.jitter = sim_draw_between(d, 0, WEND_MS(20));
    l->link.loss_ppm = sim_draw_below(d, 40000);
    l->link.seed = sim_draw_u64(d);
    s->faultless = false;
}

static void draw_place(struct sim_draw *d, struct sim_scenario *s, uint16_t device)
{
    struct sim_place *p = &s->places[device];

    *p = sim_place_public_host();
    p->box = draw_hard_box(d);
    p->up.link.delay = p->down.link.delay = sim_draw_between(d, WEND_US(100), WEND_MS(20));
    p->later = draw_hard_box(d);
    p->later.pool = p->box.pool;
    if (sim_draw_chance(d, 200)) {
        p->two_layers = true;
        p->outer = draw_hard_box(d);
        p->outer.pool = 0;
        p->box.pool = p->later.pool = 0;
    }
    struct wend_sim_link *links[] = {&p->up, &p->down, &p->access_up, &p->access_down};
    for (size_t i = 0; i < 4; i++)
        draw_impairment(d, s, links[i]);
    if (p->box.host_limit + p->outer.host_limit != 0 || p->box.oldest_gives_way)
        s->faultless = false;
}

void sim_scenario_draw_hard(struct sim_scenario *s)
{
    struct sim_draw d = {s->seed ^ 0x68617264};

    s->crowded = s->discovery = true;
    s->core = sim_draw_between(&d, WEND_MS(1), WEND_MS(40));
    s->relay = sim_draw_between(&d, 0, WEND_MS(30));
    s->length = sim_draw_between(&d, WEND_S(8), WEND_S(20));
    for (uint16_t i = 0; i < 2; i++)
        draw_place(&d, s, i);
    sim_scenario_talk(s, 0, 1, WEND_MS(100));
    if (sim_draw_chance(&d, 300))
        sim_scenario_add_fault(s, &(struct sim_fault){
                                      .kind = SIM_FAULT_NAT_CHANGES,
                                      .device = (uint16_t)sim_draw_below(&d, 2),
                                      .at = sim_draw_between(&d, WEND_S(3), s->length),
                                  });
}
