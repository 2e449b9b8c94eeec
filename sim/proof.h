// SPDX-License-Identifier: MIT
// What wend promises about paths, measured in virtual time: families of scenarios, a row each.
//
// `wend-sim-fast --proof` plays all of them and prints a JSON object a line:
//   {"what": "...", "goal": "at most 332 ms", "measured": "320 ms (p99 321)", "met": true}
//
//   proof.c         rows, samples, what families share
//   proof_first.c   the first packet and its answer; none of the first 10,000 lost; after sleep
//   proof_direct.c  how soon packets go straight
//   proof_switch.c  10,000 changes of way in each direction
//   proof_fail.c    the direct path dies, or loses
//   proof_move.c    addresses change
//   proof_idle.c    what is said when nobody talks
//   proof_narrow.c  paths that carry less than the interface
//   proof_cost.c    memory and speed
//
// Instants and delays are exact: links have no jitter unless a family says so.
#ifndef WEND_SIM_PROOF_H
#define WEND_SIM_PROOF_H

#include "run.h"
#include "scenario_parts.h"

#define SIM_SAMPLES_MAX 4096
#define SIM_EVERY_SEED  UINT64_MAX

// Exact durations, for exact quantiles.
struct sim_samples {
    uint32_t count;
    uint32_t missing; // never happened
    uint64_t seed;    // of the greatest:
    wend_duration greatest;
    wend_duration at[SIM_SAMPLES_MAX];
};

struct sim_proof {
    struct sim_world *world;
    FILE *out;
    const char *only;  // family; NULL: all
    uint64_t seed;     // only this one, or SIM_EVERY_SEED
    FILE *print;       // trace; NULL: none
    bool missed;       // a row
    const char *label; // of the family that is played
    uint32_t red;      // worlds of this family that failed
    char failure[280]; // of the first one
    struct sim_scenario scenario;
    struct sim_ledger ledger;
};

// Plays all. Returns whether every row was met; false also if `only` names none.
bool sim_proof_play(struct sim_proof *p);
// The names of the families, in one line.
void sim_proof_list(FILE *out);
// The rows of what runs cost: how many worlds a second (of which `goal` are wanted), and bytes.
bool sim_proof_rate(struct sim_proof *p, double goal);

// --- proof.c, for the families ---

// Prints a row. Red worlds of the family so far make it missed, and are told in it.
__attribute__((format(printf, 4, 5))) void
sim_proof_row(struct sim_proof *p, bool met, const char *texts[static 2], const char *format, ...);
// Whether this seed is to be played.
bool sim_proof_wants(const struct sim_proof *p, uint64_t seed);
// Begins a world of p->scenario, filled in by the caller.
void sim_proof_begin(struct sim_proof *p);
// Until that long after the beginning. Returns false when it has failed.
bool sim_proof_run(struct sim_proof *p, wend_duration until);
// Ends it; every world that was begun. A failure is counted.
void sim_proof_end(struct sim_proof *p);

void sim_samples_clear(struct sim_samples *s);
void sim_samples_add(struct sim_samples *s, wend_duration d, uint64_t seed);
void sim_samples_sort(struct sim_samples *s);
// Sorted; part 1: the greatest. WEND_NEVER where so many are missing.
wend_duration sim_samples_part(const struct sim_samples *s, double part);
double sim_ms(wend_duration d);

// What the network takes from one device to the other, without jitter.
wend_duration sim_proof_one_way(const struct sim_scenario *s, uint16_t from, uint16_t to,
                                bool relay);
static inline wend_duration sim_proof_round_trip(const struct sim_scenario *s, bool relay)
{
    return sim_proof_one_way(s, 0, 1, relay) + sim_proof_one_way(s, 1, 0, relay);
}

// Two devices behind NATs with endpoint-independent mappings, delays from the seed, no flow yet.
// `filtering` of both.
void sim_proof_cones(struct sim_proof *p, uint64_t seed, enum wend_sim_dependence filtering);
// Access delays of both places drawn; nothing is lost.
void sim_proof_draw_access(struct sim_scenario *s, struct sim_draw *d);
// A flow each way, packets of `len` (both bounds) every `interval` from `start` to `stop`.
void sim_proof_talk(struct sim_proof *p, wend_duration interval, wend_instant start,
                    wend_instant stop);
// The first packet of flow sent at `since` or later that was delivered, by the relay if `relay`;
// NULL: none.
const struct sim_ledger_packet *sim_proof_delivered(const struct sim_proof *p, uint32_t flow,
                                                    wend_instant since, bool relay);
// Whether the last delivered packets of flows 0 and 1 went straight.
bool sim_proof_is_direct(const struct sim_proof *p);

// --- families ---

void sim_proof_first(struct sim_proof *p);
void sim_proof_after_idle(struct sim_proof *p);
void sim_proof_burst(struct sim_proof *p);
void sim_proof_wake(struct sim_proof *p);
void sim_proof_direct(struct sim_proof *p);
void sim_proof_switch(struct sim_proof *p);
void sim_proof_fail(struct sim_proof *p);
void sim_proof_move(struct sim_proof *p);
void sim_proof_idle(struct sim_proof *p);
void sim_proof_narrow(struct sim_proof *p);
void sim_proof_memory(struct sim_proof *p);

#endif
