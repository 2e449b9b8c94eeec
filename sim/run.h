// SPDX-License-Identifier: MIT
// Seeds one after the other, added up.
#ifndef WEND_SIM_RUN_H
#define WEND_SIM_RUN_H

#include "world.h"

#define SIM_REDS_MAX 16

struct sim_run_config {
    const char *scenario; // of the table; "all": each of them
    uint64_t from, count; // seeds
    struct sim_scale scale;
    struct sim_options options;
    uint32_t step, first; // of `count` seeds only first, first + step, …
    bool twice;           // each one, and compare; else every hundredth, and red ones
    uint64_t check_every; // seeds, whose machines check themselves at the end; 0: none
    bool hashes;          // print each one's
};

struct sim_red {
    uint64_t seed;
    char scenario[24];
    char failure[240];
};

// One row of the table. No pointers: it goes through a pipe.
struct sim_sum {
    char scenario[24];
    uint64_t seeds, red, datagrams;
    uint64_t sent, delivered, refused, missing, reordered, duplicated, direct;
    uint64_t switches, pairs, pairs_direct, steps;
    double seconds; // of a processor
    double virtual_seconds;
    uint32_t datagrams_most;
    struct sim_delays first_deliveries, delays, added, direct_after, healed_after, best_after;
};

struct sim_result {
    uint32_t sum_count, red_count;
    uint64_t red_all;
    struct sim_sum sums[40];
    struct sim_red reds[SIM_REDS_MAX];
};

// Plays one seed; the world is begun and ended. Returns whether all held, and the trace's hash.
bool sim_run_one(struct sim_world *w, const struct sim_run_config *c, const char *scenario,
                 uint64_t seed, uint64_t *ret_hash);
// Plays them all. Returns false when a scenario's name is unknown.
bool sim_run(struct sim_world *w, const struct sim_run_config *c, struct sim_result *ret);
void sim_result_join(struct sim_result *to, const struct sim_result *from);
void sim_result_print(const struct sim_result *r, FILE *out);
// The line that replays a seed.
void sim_red_print(const struct sim_red *r, const struct sim_run_config *c, FILE *out);

#endif
