// SPDX-License-Identifier: MIT
// What it costs: bytes a peer, and worlds a second.
#include <malloc.h>
#include <stdlib.h>
#include <time.h>

#include "node/node_state.h"
#include "node/open_state.h"
#include "node/seal_state.h"
#include "proof.h"

#define CONTEXTS     256
#define PAIRS        3 // of keys at once: before, now, next
#define IDLE_BYTES   2048
#define ACTIVE_BYTES 32768
#define WORLDS       400

// What libcrypto allocates for a sender, or a receiver: taken from the heap's own account.
static double context_bytes(void)
{
    static struct wend_sender senders[CONTEXTS];
    const uint8_t key[32] = {1};
    const struct mallinfo2 before = mallinfo2();

    for (uint32_t i = 0; i < CONTEXTS; i++)
        wend_assert(wend_sender_init(&senders[i], key, i) == 0);
    const struct mallinfo2 after = mallinfo2();
    for (uint32_t i = 0; i < CONTEXTS; i++)
        wend_sender_close(&senders[i]);
    return (double)(after.uordblks + after.hblkhd - before.uordblks - before.hblkhd) / CONTEXTS;
}

static size_t idle_bytes(void)
{
    return sizeof(struct wend_seat) + 2 * sizeof(struct wend_map_entry) + sizeof(struct wend_pin) +
           sizeof(struct wend_seal_slot) + sizeof(struct wend_open_peer) +
           sizeof(struct wend_plane_stats);
}

static size_t active_bytes(void)
{
    return idle_bytes() + sizeof(struct wend_contact) + PAIRS * sizeof(struct wend_open_receiver);
}

void sim_proof_memory(struct sim_proof *p)
{
    // A sender now and the one before it, a receiver for each pair.
    const double contexts = (2 + PAIRS) * context_bytes();
    const double active = (double)active_bytes() + contexts;

    if (contexts <= 0) // the cheap cryptography allocates nothing: no answer from this program
        return;
    sim_proof_row(p, idle_bytes() <= IDLE_BYTES,
                  (const char *[]){"memory of a known peer that nobody talks to", "2,048 bytes"},
                  "%zu bytes: seat %zu, pin %zu, sealing half %zu, opening half %zu, counters %zu",
                  idle_bytes(), sizeof(struct wend_seat) + 2 * sizeof(struct wend_map_entry),
                  sizeof(struct wend_pin), sizeof(struct wend_seal_slot),
                  sizeof(struct wend_open_peer), sizeof(struct wend_plane_stats));
    sim_proof_row(
        p, active <= ACTIVE_BYTES,
        (const char *[]){"memory of a peer in use, without what is queued or held", "32,768 bytes"},
        "%.0f bytes: contact %zu, %d receivers %zu, %.0f for %d cipher contexts, %zu as above; "
        "while "
        "it changes ways a window of %zu more, for %d peers at most",
        active, sizeof(struct wend_contact), PAIRS, PAIRS * sizeof(struct wend_open_receiver),
        contexts, 2 + PAIRS, idle_bytes(), sizeof(uint64_t) * WEND_OPEN_WORDS_LARGE,
        WEND_OPEN_WINDOWS);
}

// --- speed ---

static double seconds_of(clockid_t clock)
{
    struct timespec t;

    wend_assert(clock_gettime(clock, &t) == 0);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

bool sim_proof_rate(struct sim_proof *p, double goal)
{
    static const struct sim_run_config random = {
        .scenario = "random",
        .options = {.bound = WEND_S(30), .best_bound = WEND_S(310)},
    };
    char text[60];
    uint64_t hash;

    const double cpu = seconds_of(CLOCK_PROCESS_CPUTIME_ID), wall = seconds_of(CLOCK_MONOTONIC);
    for (uint64_t seed = 0; seed < WORLDS; seed++)
        (void)sim_run_one(p->world, &random, "random", seed, &hash);
    const double cpu_took = seconds_of(CLOCK_PROCESS_CPUTIME_ID) - cpu;
    const double wall_took = seconds_of(CLOCK_MONOTONIC) - wall;
    snprintf(text, sizeof text, "%.0f", goal);
    sim_proof_row(p, WORLDS / cpu_took >= goal,
                  (const char *[]){goal > 500
                                       ? "random worlds a second, one core, cheap cryptography"
                                       : "random worlds a second, one core, real cryptography",
                                   text},
                  "%.0f a second of processor time, %.0f by the clock on the wall",
                  WORLDS / cpu_took, WORLDS / wall_took);
    return !p->missed;
}
