// SPDX-License-Identifier: MIT
// What scenarios are put together from.
#ifndef WEND_SIM_SCENARIO_PARTS_H
#define WEND_SIM_SCENARIO_PARTS_H

#include "draw.h"
#include "scenario.h"

// Two devices, one server, 10 ms straight and 20 ms to the server, 20 s, no flow, no fault.
void sim_scenario_clear(struct sim_scenario *s, const char *name, uint64_t seed);

struct sim_place sim_place_public_host(void);
struct sim_place sim_place_nat(enum wend_sim_dependence mapping, enum wend_sim_dependence filtering,
                               enum wend_sim_allocation allocation);

// From the second second on, 80 to 200 bytes every `interval`.
struct sim_flow_plan sim_flow_steady(uint16_t from, uint16_t to, wend_duration interval);
// Returns its index.
uint32_t sim_scenario_add_flow(struct sim_scenario *s, const struct sim_flow_plan *plan);
// Keeps them in order; the scenario is not faultless any more.
void sim_scenario_add_fault(struct sim_scenario *s, const struct sim_fault *fault);
// A steady flow each way.
void sim_scenario_talk(struct sim_scenario *s, uint16_t a, uint16_t b, wend_duration interval);

// scenario_draw.c: everything from the seed.
void sim_scenario_draw(struct sim_scenario *s, const struct sim_scale *scale);
// scenario_hard.c: NATs that are hard to pass, each kind by itself, from the seed.
void sim_scenario_draw_hard(struct sim_scenario *s);
// scenario_hostile.c: the same, and what NATs, servers and gateways do wrong about it.
void sim_scenario_draw_hostile(struct sim_scenario *s);

#endif
