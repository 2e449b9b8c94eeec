// SPDX-License-Identifier: MIT
// Both sides' planners and volleys against two NATs, row by row of what direct paths through hard
// NATs have to cost: success, datagrams, time. Prints the table. The number of trials a row is the
// environment variable WEND_VOLLEY_TRIALS, 200 if there is none; WEND_VOLLEY_ROW picks the rows
// whose name holds it.
#include <stdio.h>
#include <stdlib.h>

#include "volley_world.h"

#define EIM  WEND_NAT_ENDPOINT_INDEPENDENT
#define EIF  WEND_NAT_ENDPOINT_INDEPENDENT
#define ADM  WEND_NAT_ADDRESS_DEPENDENT
#define ADF  WEND_NAT_ADDRESS_DEPENDENT
#define APDM WEND_NAT_ADDRESS_AND_PORT_DEPENDENT
#define APDF WEND_NAT_ADDRESS_AND_PORT_DEPENDENT
#define KEEP WEND_NAT_PRESERVING
#define SEQ  WEND_NAT_SEQUENTIAL
#define BLK  WEND_NAT_BLOCK
#define RND  WEND_NAT_RANDOM

struct row {
    const char *name;
    struct world_nat a, b;
    double success;
    uint32_t datagrams; // 0: no path, none may be sent
    wend_duration time;
    bool with_discovery; // its requests count as datagrams
    bool recognised;     // success is to say at once that there is no way
    bool impaired;       // 2 % loss, 20 ms jitter
};

#define RTT(n) ((n)*2 * WORLD_ONE_WAY)
#define NAT(m, f, how, ...)                                                                        \
    {                                                                                              \
        .mapping = (m), .filtering = (f), .allocation = (how), .fallback = RND, __VA_ARGS__        \
    }

#define ROW(what, one, two, share, most, longest, ...)                                             \
    {                                                                                              \
        .name = (what), .a = one, .b = two, .success = (share), .datagrams = (most),               \
        .time = (longest), __VA_ARGS__                                                             \
    }

static const struct row rows[] = {
    ROW("EIM/APDF - mapped", NAT(EIM, APDF, SEQ, .delta = 1), NAT(APDM, APDF, RND, .mapped = true),
        1, 4, RTT(1)),
    ROW("symmetric random - EIM/EIF", NAT(APDM, APDF, RND), NAT(EIM, EIF, RND), 1, 4,
        3 * RTT(1) / 2),
    ROW("symmetric random - no NAT", NAT(APDM, APDF, RND), NAT(WEND_NAT_NONE, WEND_NAT_NONE, KEEP),
        1, 4, 3 * RTT(1) / 2),
    ROW("EIM/APDF - EIM/APDF", NAT(EIM, APDF, RND), NAT(EIM, APDF, SEQ, .delta = 1), 1, 6, RTT(2)),
    ROW("EIM/ADF - EIM/APDF", NAT(EIM, ADF, RND), NAT(EIM, APDF, SEQ, .delta = 2), 1, 6, RTT(2)),
    ROW("EIM/ADF - symmetric random", NAT(EIM, ADF, RND), NAT(APDM, APDF, RND), 1, 4, RTT(2)),
    ROW("EIM/ADF - symmetric sequential", NAT(EIM, ADF, KEEP),
        NAT(APDM, APDF, SEQ, .delta = -3, .rate = 300), 1, 4, RTT(2)),
    ROW("EIM/APDF - symmetric preserving", NAT(EIM, APDF, RND),
        NAT(APDM, APDF, KEEP, .taken_percent = 1), 0.99, 4, RTT(2)),
    ROW("EIM/APDF - second priority", NAT(EIM, APDF, KEEP, .thief = true),
        NAT(APDM, APDF, WEND_NAT_SECOND_PRIORITY, .taken_percent = 1), 0.99, 4, RTT(2)),
    ROW("EIM/APDF - sequential +1, 360/s", NAT(EIM, APDF, RND),
        NAT(APDM, APDF, SEQ, .delta = 1, .rate = 360), 0.999, 12, RTT(3), .with_discovery = true),
    ROW("EIM/APDF - sequential -7, 100/s", NAT(EIM, APDF, KEEP, .thief = true),
        NAT(APDM, APDF, SEQ, .delta = -7, .rate = 100), 0.999, 12, RTT(3), .with_discovery = true),
    ROW("EIM/APDF - sequential swapped", NAT(EIM, APDF, RND),
        NAT(ADM, APDF, SEQ, .delta = 1, .byte_swapped = true, .rate = 50), 0.999, 12, RTT(3),
        .with_discovery = true),
    ROW("EIM/APDF - sequential, one server", NAT(EIM, APDF, RND),
        NAT(APDM, APDF, SEQ, .delta = 1, .rate = 360, .one_server = true), 0.999, 24, RTT(4),
        .with_discovery = true),
    ROW("EIM/APDF - not studied, sequential", NAT(EIM, APDF, RND),
        NAT(APDM, APDF, SEQ, .delta = 1, .not_studied = true), 1, 200, WEND_S(1)),
    ROW("EIM/APDF - block 4096 known", NAT(EIM, APDF, RND),
        NAT(APDM, APDF, BLK, .low = 20480, .high = 24575, .bounds_known = true), 0.999, 330,
        WEND_S(2)),
    ROW("EIM/APDF - block 4096 estimated", NAT(EIM, APDF, RND),
        NAT(APDM, APDF, BLK, .low = 20480, .high = 24575), 0.999, 380, WEND_S(2)),
    ROW("EIM/APDF - block 512 known", NAT(EIM, APDF, RND),
        NAT(APDM, APDF, BLK, .low = 20480, .high = 20991, .bounds_known = true), 0.999, 330,
        WEND_S(2)),
    ROW("EIM/APDF - random, 98 %", NAT(EIM, APDF, SEQ, .delta = 1), NAT(APDM, APDF, RND), 0.98,
        1010, WEND_MS(2600)),
    ROW("EIM/APDF - random, 99.9 %", NAT(EIM, APDF, SEQ, .delta = 1), NAT(APDM, APDF, RND), 0.999,
        1340, WEND_MS(3400)),
    ROW("EIM/APDF (Linux) - random, 98 %", NAT(EIM, APDF, KEEP, .thief = true),
        NAT(APDM, APDF, RND), 0.98, 1010, WEND_MS(2600)),
    ROW("ADM/ADF - ADM/ADF random, 98 %", NAT(ADM, ADF, RND), NAT(ADM, ADF, RND), 0.98, 1010,
        WEND_MS(2600)),
    ROW("ADM/ADF - ADM/ADF random, 99.9 %", NAT(ADM, ADF, RND), NAT(ADM, ADF, RND), 0.999, 1340,
        WEND_MS(3400)),
    ROW("ADM/ADF - APDM/APDF random", NAT(ADM, ADF, RND), NAT(APDM, APDF, RND), 0.98, 1010,
        WEND_MS(5200)),
    ROW("APDM/ADF - APDM/ADF random", NAT(APDM, ADF, RND), NAT(APDM, ADF, RND), 0.98, 1010,
        WEND_MS(2600)),
    ROW("sequential - sequential, 35/s", NAT(APDM, APDF, SEQ, .delta = 1, .rate = 35),
        NAT(APDM, APDF, SEQ, .delta = 2, .rate = 35), 0.99, 400, WEND_S(1)),
    ROW("sequential - sequential, 100/s", NAT(APDM, APDF, SEQ, .delta = 1, .rate = 100),
        NAT(APDM, APDF, SEQ, .delta = -1, .rate = 100), 0.99, 400, WEND_S(1)),
    ROW("preserving - preserving", NAT(APDM, APDF, KEEP), NAT(APDM, APDF, KEEP), 1, 6, RTT(3)),
    ROW("preserving - sequential, 100/s", NAT(APDM, APDF, KEEP),
        NAT(APDM, APDF, SEQ, .delta = 1, .rate = 100), 0.99, 12, RTT(5), .with_discovery = true),
    ROW("ADM sequential - sequential, 100/s", NAT(ADM, APDF, SEQ, .delta = 1, .rate = 100),
        NAT(APDM, APDF, SEQ, .delta = 1, .rate = 100), 0.99, 24, RTT(5), .with_discovery = true),
    ROW("random/APDF - random/APDF", NAT(APDM, APDF, RND), NAT(APDM, APDF, RND), 1, 20, RTT(2),
        .recognised = true),
    ROW("random/APDF - sequential/APDF", NAT(APDM, APDF, RND), NAT(APDM, APDF, SEQ, .delta = 1), 1,
        20, RTT(2), .recognised = true),
    ROW("Linux masquerade - the same", NAT(EIM, APDF, KEEP, .thief = true),
        NAT(EIM, APDF, KEEP, .thief = true), 1, 8, RTT(3)),
    ROW("Linux masquerade, early packet", NAT(EIM, APDF, KEEP, .thief = true, .robbed = true),
        NAT(EIM, APDF, KEEP, .thief = true), 1, 8, RTT(3)),
    ROW("Linux masquerade, early packets", NAT(EIM, APDF, KEEP, .thief = true, .robbed = true),
        NAT(EIM, APDF, KEEP, .thief = true, .robbed = true), 1, 8, RTT(3)),
    ROW("firewall - firewall, no NAT", NAT(WEND_NAT_NONE, APDF, KEEP),
        NAT(WEND_NAT_NONE, APDF, KEEP), 1, 6, RTT(2)),
    ROW("same NAT, no hairpin", NAT(APDM, APDF, RND, .same_nat = true),
        NAT(APDM, APDF, RND, .same_nat = true), 1, 6, RTT(2)),
    ROW("UDP blocked - EIM/EIF", NAT(EIM, EIF, RND, .udp_blocked = true), NAT(EIM, EIF, RND), 1, 0,
        0, .recognised = true),
    ROW("arbitrary pooling - EIM/APDF", NAT(APDM, APDF, RND, .pooled = true), NAT(EIM, APDF, RND),
        1, 20, RTT(2), .recognised = true),
    ROW("impaired: EIM/APDF - EIM/APDF", NAT(EIM, APDF, RND), NAT(EIM, APDF, SEQ, .delta = 1), 0.99,
        12, RTT(4), .impaired = true),
    ROW("impaired: EIM/ADF - random", NAT(EIM, ADF, RND), NAT(APDM, APDF, RND), 0.99, 8, RTT(4),
        .impaired = true),
    ROW("impaired: EIM/APDF - seq., 360/s", NAT(EIM, APDF, RND),
        NAT(APDM, APDF, SEQ, .delta = 1, .rate = 360), 0.989, 24, RTT(6), .with_discovery = true,
        .impaired = true),
    ROW("impaired: EIM/APDF - random", NAT(EIM, APDF, RND), NAT(APDM, APDF, RND), 0.97, 1111,
        WEND_MS(2860), .impaired = true),
    ROW("impaired: EIM/APDF - block 4096", NAT(EIM, APDF, RND),
        NAT(APDM, APDF, BLK, .low = 20480, .high = 24575, .bounds_known = true), 0.989, 363,
        WEND_MS(2200), .impaired = true),
    ROW("impaired: seq. - seq., 100/s", NAT(APDM, APDF, SEQ, .delta = 1, .rate = 100),
        NAT(APDM, APDF, SEQ, .delta = -1, .rate = 100), 0.98, 440, WEND_MS(1100), .impaired = true),
};

struct tally {
    uint32_t trials, good, through, broken;
    uint32_t most_in_1s, most_in_50ms;
    double datagrams, time, relayed;
    uint32_t most_datagrams;
    wend_duration longest;
};

static struct world world;

static void run_trial(const struct row *row, uint64_t seed, struct tally *t)
{
    world.loss_percent = row->impaired ? 2 : 0;
    world.jitter = row->impaired ? WEND_MS(20) : 0;
    world_begin(&world, &row->a, &row->b, seed);
    const struct world_result r = world_run(&world);
    const uint32_t counted = r.datagrams + (row->with_discovery ? r.asked : 0);
    const bool within = counted <= row->datagrams && r.time <= row->time;

    t->trials++;
    t->through += r.success;
    t->broken += r.success && !r.path_works;
    t->good += within && r.success != row->recognised;
    t->relayed += r.messages;
    for (int i = 0; i < 2; i++) {
        const struct world_side *s = &world.sides[i];
        t->most_in_1s = s->most_in_1s > t->most_in_1s ? s->most_in_1s : t->most_in_1s;
        t->most_in_50ms = s->most_in_50ms > t->most_in_50ms ? s->most_in_50ms : t->most_in_50ms;
    }
    if (!r.success && !row->recognised)
        return;
    t->datagrams += counted;
    t->time += (double)r.time / 1e6;
    t->most_datagrams = counted > t->most_datagrams ? counted : t->most_datagrams;
    t->longest = r.time > t->longest ? r.time : t->longest;
}

// Wilson's score interval, 95 %; z^2 = 3.8416.
static double upper_end(uint32_t good, uint32_t trials)
{
    const double n = trials, p = good / n, z2 = 3.8416;
    const double inside = p * (1 - p) / n + z2 / (4 * n * n);
    double root = inside > 0 ? 1 : 0;

    for (int i = 0; i < 60 && inside > 0; i++)
        root = (root + inside / root) / 2;
    return (p + z2 / (2 * n) + 1.96 * root) / (1 + z2 / n);
}

static bool print_row(const struct row *row, const struct tally *t)
{
    const double share = (double)t->good / t->trials;
    const double top = upper_end(t->good, t->trials);
    const double shown = row->recognised ? t->trials : t->through > 0 ? t->through : 1;
    const bool met = row->success >= 1 ? t->good == t->trials : top >= row->success;

    printf("%-36s %6.2f %% of %5.1f %% | %7.1f max %4u of %4u | %7.1f max %6.1f of %6.1f ms | "
           "%4.1f relayed | %3u/s %3u/50ms | %s%s\n",
           row->name, share * 100, row->success * 100, t->datagrams / shown, t->most_datagrams,
           row->datagrams, t->time / shown, (double)t->longest / 1e6, (double)row->time / 1e6,
           t->relayed / t->trials, t->most_in_1s, t->most_in_50ms, met ? "ok" : "MISSED",
           t->broken > 0 ? ", A PATH THAT DOES NOT CARRY" : "");
    return met && t->broken == 0 && t->most_in_1s <= 400 && t->most_in_50ms <= 200;
}

static void every_row_reaches_its_goal(void **state)
{
    const char *wanted = getenv("WEND_VOLLEY_TRIALS");
    const char *only = getenv("WEND_VOLLEY_ROW");
    const uint32_t trials = wanted != NULL ? (uint32_t)strtoul(wanted, NULL, 10) : 200;
    uint32_t missed = 0;

    (void)state;
    assert_true(trials > 0);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct tally t = {0};
        if (only != NULL && strstr(rows[i].name, only) == NULL)
            continue;
        for (uint32_t k = 0; k < trials; k++)
            run_trial(&rows[i], 0x5eed0000 + i * 1000003 + k, &t);
        missed += !print_row(&rows[i], &t);
    }
    assert_int_equal(missed, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_row_reaches_its_goal)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
