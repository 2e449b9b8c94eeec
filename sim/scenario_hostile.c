// SPDX-License-Identifier: MIT
// Worlds of scenario_hard.c in which what devices rely on to get through fails them: discovery
// servers lie, disagree or fall silent; a NAT changes, fills up, reboots or complains by ICMP while
// a volley is on its way; gateways grant, refuse, drop and talk nonsense.
#include "scenario_parts.h"

#define TALK_BEGINS WEND_S(2)
#define VOLLEY_OVER WEND_MS(4500) // the longest one that begins then

static wend_duration draw_during(struct sim_draw *d)
{
    return sim_draw_between(d, TALK_BEGINS, VOLLEY_OVER);
}

static void draw_lies(struct sim_scenario *s, struct sim_draw *d)
{
    const uint32_t who = 1 + sim_draw_below(d, 3);
    const uint32_t what = 1 + sim_draw_below(d, SIM_LIES_COUNT - 1);
    const bool from_the_start = sim_draw_chance(d, 500);

    sim_scenario_add_fault(
        s, &(struct sim_fault){.kind = SIM_FAULT_SERVER_LIES,
                               .other = SIM_LIES(who, what),
                               .at = from_the_start ? 0 : sim_draw_between(d, 0, VOLLEY_OVER)});
    if (sim_draw_chance(d, 300)) // and otherwise later
        sim_scenario_add_fault(
            s, &(struct sim_fault){.kind = SIM_FAULT_SERVER_LIES,
                                   .other = SIM_LIES(3, sim_draw_below(d, SIM_LIES_COUNT)),
                                   .at = sim_draw_between(d, 0, s->length)});
}

static void draw_nat_fault(struct sim_scenario *s, struct sim_draw *d)
{
    static const enum sim_fault_kind kinds[] = {SIM_FAULT_NAT_CHANGES, SIM_FAULT_NAT_FULL,
                                                SIM_FAULT_REBOOT, SIM_FAULT_MOVE_SITE};
    const struct sim_fault f = {.kind = kinds[sim_draw_below(d, 4)],
                                .device = (uint16_t)sim_draw_below(d, 2),
                                .other = 1,
                                .at = draw_during(d)};

    sim_scenario_add_fault(s, &f);
    if (f.kind != SIM_FAULT_NAT_FULL || sim_draw_chance(d, 500))
        return;
    const struct sim_fault room = {.kind = f.kind, .device = f.device, .at = f.at + WEND_S(2)};
    sim_scenario_add_fault(s, &room);
}

static void draw_gateway(struct sim_scenario *s, struct sim_draw *d, uint16_t device)
{
    struct wend_sim_box *b = &s->places[device].box;
    const struct sim_fault f = {.kind = SIM_FAULT_GATEWAY,
                                .device = device,
                                .other = sim_draw_below(d, WEND_SIM_GATEWAY_HARMS),
                                .at = sim_draw_between(d, 0, s->length)};

    if (sim_draw_chance(d, 400))
        return;
    s->port_mapping = true;
    b->gateway = (enum wend_sim_gateway)(1 + sim_draw_below(d, WEND_SIM_GATEWAY_KINDS - 1));
    b->gateway_lifetime_s = sim_draw_chance(d, 300) ? 120 : 0;
    if (sim_draw_chance(d, 300))
        b->taken_port = 41641; // another one is granted
    s->places[device].later.gateway = b->gateway;
    if (sim_draw_chance(d, 300))
        b->gateway_harm = (enum wend_sim_gateway_harm)sim_draw_below(d, WEND_SIM_GATEWAY_HARMS);
    else if (sim_draw_chance(d, 500))
        sim_scenario_add_fault(s, &f);
}

void sim_scenario_draw_hostile(struct sim_scenario *s)
{
    struct sim_draw d = {s->seed ^ 0x686f7374696c65};

    sim_scenario_draw_hard(s);
    s->faultless = false;
    for (uint16_t i = 0; i < 2; i++) {
        s->places[i].box.icmp_errors = s->places[i].box.icmp_errors || sim_draw_chance(&d, 300);
        draw_gateway(s, &d, i);
    }
    if (sim_draw_chance(&d, 500))
        draw_lies(s, &d);
    if (sim_draw_chance(&d, 500))
        draw_nat_fault(s, &d);
}
