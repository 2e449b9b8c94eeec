// SPDX-License-Identifier: MIT
// Who can reach whom: every NAT against every NAT, measured in virtual time.
//
//   matrix_rows.c   the rows that have a goal, and how each is made
//   matrix_sides.c  mapping x filtering x allocation of both sides, and what is to be reached there
//   matrix.c        trials, cells, processes
//   matrix_print.c  a table, or JSON lines
//
// Trial: two devices and a server with two addresses, all registered for three seconds; then both
//        devices' users speak, over the relay. The clock starts when both hold the other's model
//        (tally.h). It ends when both hold an authenticated answer over a direct path.
// Delay: 50 ms there and back, straight and over the relay alike; jitter and loss only where said.
// Seed:  of a cell's name and the trial's number; one world is played again by
//        wend-sim-fast --matrix=NAME --replay NUMBER --trace
#ifndef WEND_SIM_MATRIX_H
#define WEND_SIM_MATRIX_H

#include "run.h"
#include "scenario_parts.h"

#define SIM_MATRIX_RTT        WEND_MS(50)
#define SIM_MATRIX_Z_95       1.959963984540054
#define SIM_MATRIX_Z_9999     3.890591886413097
#define SIM_MATRIX_TRIALS_MAX 4000 // of a cell
#define SIM_MATRIX_CELLS_MAX  2048
#define SIM_MATRIX_NAME_LEN   80

// One side of a cell of the product.
struct sim_side {
    enum wend_sim_dependence mapping, filtering;
    enum wend_sim_allocation allocation;
};

enum sim_matrix_want {
    SIM_MATRIX_NO_GOAL = 0, // measured and printed
    SIM_MATRIX_CONNECT,     // within both budgets
    SIM_MATRIX_RECOGNISE,   // no way: few datagrams, none of them later than `time`, the relay goes
                            // on
};

struct sim_matrix_goal {
    enum sim_matrix_want want;
    double success;     // share of trials
    uint32_t datagrams; // towards the peer, both sides together
    wend_duration time;
};

// What is wrong with the links, or particular about the NATs, in all cells of a kind.
enum sim_matrix_variant {
    SIM_MATRIX_CLEAN = 0,
    SIM_MATRIX_HOLES,  // an unanswered hole lives 15 s
    SIM_MATRIX_WAN,    // 2 % loss and 20 ms jitter on each way between the boxes
    SIM_MATRIX_ACCESS, // the same between devices and boxes: printed without a goal
    SIM_MATRIX_VARIANTS,
};

struct sim_matrix_cell {
    char name[SIM_MATRIX_NAME_LEN]; // with its variant
    bool is_row;
    uint32_t row; // of matrix_rows.c
    struct sim_side a, b;
    enum sim_matrix_variant variant;
    struct sim_matrix_goal goal;
};

// No pointers: it goes through a pipe.
struct sim_matrix_result {
    uint32_t cell;
    uint32_t trials, good; // good: as the goal wants it; without goal: connected
    uint32_t connected;    // at all
    uint32_t red;          // something that must always hold did not
    uint64_t red_seed, bad_seed;
    double low, high; // of good / trials
    // Of those that connected; else, where they shall not, of all.
    uint32_t datagrams[3]; // median, 99 %, most
    wend_duration time[3];
    double relay, discovery, user; // datagrams a trial
    double seconds;                // of a processor
    bool met, below;               // below: the upper end is under the goal
    char failure[160];
};

struct sim_matrix {
    struct sim_world *world;
    const char *only;     // "rows", "cells", a name with or without its variant; NULL: all
    uint32_t row_trials;  // 0: 3,000
    uint32_t cell_trials; // 0: 300
    uint64_t jobs;
    uint64_t seed; // only this trial, or UINT64_MAX
    FILE *print;   // trace; NULL: none
    FILE *out;
    bool json;
    bool sure; // below is what lies under the goal with its 99.99 % interval, not its 95 % one
};

// Plays and prints. Returns whether no cell is below its goal and nothing broke; false also when
// `only` names none.
bool sim_matrix_play(struct sim_matrix *m);

// The cells, in their order, as far as `only` names them. Returns how many.
uint32_t sim_matrix_list(const char *only, struct sim_matrix_cell list[SIM_MATRIX_CELLS_MAX]);
// The world of one trial, into `s`.
void sim_matrix_make(const struct sim_matrix_cell *cell, uint32_t trial, struct sim_scenario *s);
// The interval of a share (Wilson) that holds it with the certainty of `z` standard deviations.
void sim_matrix_interval(uint32_t good, uint32_t trials, double z, double *ret_low,
                         double *ret_high);

// --- matrix_rows.c ---

uint32_t sim_matrix_row_count(void);
const char *sim_matrix_row_name(uint32_t row);
struct sim_matrix_goal sim_matrix_row_goal(uint32_t row);
void sim_matrix_row_make(uint32_t row, struct sim_scenario *s, struct sim_draw *d);

// --- matrix_sides.c ---

#define SIM_MATRIX_SIDES 45
struct sim_side sim_matrix_side(uint32_t number);
// As "APDM/ADF/random".
void sim_matrix_side_name(const struct sim_side *side, char ret[static 32]);
// Its numbers drawn: step, others, block.
struct wend_sim_box sim_matrix_side_box(const struct sim_side *side, struct sim_draw *d);
struct sim_matrix_goal sim_matrix_side_goal(const struct sim_side *a, const struct sim_side *b);

// --- matrix_print.c ---

void sim_matrix_print_head(const struct sim_matrix *m);
void sim_matrix_print_cell(const struct sim_matrix *m, const struct sim_matrix_cell *cell,
                           const struct sim_matrix_result *r);
void sim_matrix_print_sum(const struct sim_matrix *m, const struct sim_matrix_cell *cells,
                          const struct sim_matrix_result *results, uint32_t count);

#endif
