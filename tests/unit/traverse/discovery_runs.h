// SPDX-License-Identifier: MIT
// One run of discovery behind a NAT of a usual kind, with servers that may lie.
#ifndef WEND_TESTS_UNIT_TRAVERSE_DISCOVERY_RUNS_H
#define WEND_TESTS_UNIT_TRAVERSE_DISCOVERY_RUNS_H

#include "discovery_world.h"

static struct world world;

static const struct emulator_kind cone = {.mapping = WEND_NAT_ENDPOINT_INDEPENDENT,
                                          .filtering = WEND_NAT_ADDRESS_AND_PORT_DEPENDENT,
                                          .allocation = COUNT,
                                          .delta = 1,
                                          .low = 1024,
                                          .high = 65535};
static const struct emulator_kind symmetric = {.mapping = WEND_NAT_ADDRESS_AND_PORT_DEPENDENT,
                                               .filtering = WEND_NAT_ADDRESS_AND_PORT_DEPENDENT,
                                               .allocation = COUNT,
                                               .delta = 1,
                                               .low = 1024,
                                               .high = 65535};
static const struct emulator_kind block = {.mapping = WEND_NAT_ADDRESS_AND_PORT_DEPENDENT,
                                           .filtering = WEND_NAT_ADDRESS_DEPENDENT,
                                           .allocation = DRAW,
                                           .low = 40000,
                                           .high = 44095};

static inline const struct wend_nat_model *run(const struct emulator_kind *kind, uint64_t seed,
                                               enum world_lie first, enum world_lie second)
{
    world_init(&world, kind, seed);
    world.lies[0] = first;
    world.lies[1] = second;
    world_run(&world);
    assert_true(world.now - world.discovery.started <= WEND_S(2));
    return wend_discovery_model(&world.discovery);
}

#endif
