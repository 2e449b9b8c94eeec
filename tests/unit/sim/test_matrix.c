// SPDX-License-Identifier: MIT
// The bed of the matrix: which cells there are and what they are to reach, worlds that are what a
// cell says, intervals, and that what is counted is what was sent.
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "matrix.h"

static struct sim_world world;
static struct sim_matrix_cell cells[SIM_MATRIX_CELLS_MAX];
static struct sim_scenario scenario;
static struct sim_tally tally;

static const struct sim_matrix_cell *cell_of(const char *name)
{
    assert_true(sim_matrix_list(name, cells) >= 1);
    return &cells[0];
}

static void the_product_is_whole(void **state)
{
    const uint32_t rows = sim_matrix_list("rows", cells);

    (void)state;
    assert_int_equal(rows, sim_matrix_row_count() * SIM_MATRIX_VARIANTS);
    assert_int_equal(sim_matrix_list("cells", cells),
                     SIM_MATRIX_SIDES * (SIM_MATRIX_SIDES + 1) / 2);
    const uint32_t all = sim_matrix_list(NULL, cells);
    assert_int_equal(all, rows + SIM_MATRIX_SIDES * (SIM_MATRIX_SIDES + 1) / 2);
    for (uint32_t i = 0; i < all; i++)
        for (uint32_t j = i + 1; j < all; j++)
            assert_string_not_equal(cells[i].name, cells[j].name);
    assert_int_equal(sim_matrix_list("EIM | EIM", cells), SIM_MATRIX_VARIANTS);
    assert_int_equal(sim_matrix_list("EIM | EIM @wan", cells), 1);
    assert_int_equal(sim_matrix_list("EIM", cells), 0);
    assert_int_equal(sim_matrix_list("APDM/APDF/random | EIM/ADF/block", cells), 1);
    assert_string_equal(cells[0].name, "EIM/ADF/block | APDM/APDF/random");
}

static void expect(const char *name, enum sim_matrix_want want, double success, uint32_t datagrams,
                   wend_duration time)
{
    const struct sim_matrix_goal *g = &cell_of(name)->goal;

    assert_int_equal(g->want, want);
    assert_true(fabs(g->success - success) < 1e-9);
    assert_int_equal(g->datagrams, datagrams);
    assert_int_equal(g->time, time);
}

static void goals_of_the_product_follow_the_rows(void **state)
{
    (void)state;
    expect("EIM/EIF/random | APDM/APDF/random", SIM_MATRIX_CONNECT, 1, 4, WEND_MS(50));
    expect("EIM/ADF/random | EIM/APDF/block", SIM_MATRIX_CONNECT, 1, 6, WEND_MS(100));
    expect("EIM/ADF/block | ADM/APDF/random", SIM_MATRIX_CONNECT, 1, 4, WEND_MS(100));
    expect("EIM/APDF/block | APDM/ADF/sequential", SIM_MATRIX_CONNECT, 0.999, 12, WEND_MS(150));
    expect("EIM/APDF/block | APDM/APDF/block", SIM_MATRIX_CONNECT, 0.999, 380, WEND_S(2));
    expect("EIM/APDF/block | APDM/APDF/random", SIM_MATRIX_CONNECT, 0.98, 1010, WEND_MS(2600));
    expect("ADM/ADF/random | ADM/ADF/random", SIM_MATRIX_CONNECT, 0.98, 1010, WEND_MS(2600));
    expect("ADM/ADF/random | APDM/APDF/random", SIM_MATRIX_CONNECT, 0.98, 1010, WEND_MS(5200));
    expect("APDM/APDF/sequential | APDM/APDF/sequential", SIM_MATRIX_CONNECT, 0.99, 400, WEND_S(1));
    expect("ADM/APDF/random | ADM/APDF/random", SIM_MATRIX_RECOGNISE, 1, 20, WEND_MS(100));
    expect("APDM/ADF/random | APDM/APDF/sequential", SIM_MATRIX_RECOGNISE, 1, 20, WEND_MS(100));
    expect("APDM/ADF/random | APDM/ADF/random", SIM_MATRIX_NO_GOAL, 0, 0, 0);
    expect("EIM | EIM @wan", SIM_MATRIX_CONNECT, 0.99, 12, WEND_MS(200));
    expect("EIM/APDF | random @wan", SIM_MATRIX_CONNECT, 0.97, 1111, WEND_MS(2860));
    expect("EIM/APDF | random @access", SIM_MATRIX_NO_GOAL, 0, 0, 0);
}

static void intervals_are_wilsons(void **state)
{
    double low, high;

    (void)state;
    sim_matrix_interval(50, 100, SIM_MATRIX_Z_95, &low, &high); // 0.4038, 0.5962
    assert_true(fabs(low - 0.40383) < 1e-4 && fabs(high - 0.59617) < 1e-4);
    sim_matrix_interval(10, 10, SIM_MATRIX_Z_95, &low, &high); // 0.7225
    assert_true(fabs(low - 0.72247) < 1e-4 && high == 1);
    sim_matrix_interval(0, 300, SIM_MATRIX_Z_95, &low, &high); // 0.01264
    assert_true(low == 0 && fabs(high - 0.01264) < 1e-4);
    sim_matrix_interval(9, 10, SIM_MATRIX_Z_9999, &low, &high); // 0.32415, 0.99411
    assert_true(high > 0.9941 && high < 0.9942 && low > 0.324 && low < 0.325);
    sim_matrix_interval(2999, 3000, SIM_MATRIX_Z_95, &low, &high);
    assert_true(high < 1 && high > 0.9999);
}

static void play(const struct sim_matrix_cell *cell, uint32_t trial)
{
    const struct sim_options options = {.tally = &tally};

    sim_matrix_make(cell, trial, &scenario);
    sim_world_begin(&world, &scenario, &options);
    sim_world_run(&world, SIM_BEGIN + scenario.flows[0].start);
    assert_int_equal(sim_tally_start(&tally), WEND_NEVER);
    sim_world_run(&world, SIM_BEGIN + scenario.flows[0].start + WEND_S(2));
    sim_world_end(&world);
    assert_string_equal(world.failure, "");
}

static void a_round_trip_takes_50_ms_either_way(void **state)
{
    (void)state;
    sim_matrix_make(cell_of("EIM | EIM"), 0, &scenario);
    const struct sim_place *a = &scenario.places[0], *b = &scenario.places[1];
    const wend_duration access =
        a->access_up.link.delay + a->up.link.delay + b->down.link.delay + b->access_down.link.delay;
    assert_int_equal(2 * (access + scenario.core), SIM_MATRIX_RTT);
    assert_int_equal(2 * (access + 2 * (scenario.core + scenario.relay)), SIM_MATRIX_RTT);
    assert_int_equal(a->up.link.loss_ppm + a->access_up.link.loss_ppm, 0);
    sim_matrix_make(cell_of("EIM | EIM @wan"), 0, &scenario);
    assert_int_equal(a->up.link.loss_ppm + b->down.link.loss_ppm, 20000);
    assert_int_equal(a->up.link.jitter + b->down.link.jitter, WEND_MS(20));
    assert_int_equal(a->access_up.link.loss_ppm, 0);
    sim_matrix_make(cell_of("EIM | EIM @access"), 0, &scenario);
    assert_int_equal(a->up.link.loss_ppm, 0);
    assert_int_equal(a->access_up.link.loss_ppm + b->access_down.link.loss_ppm, 20000);
    sim_matrix_make(cell_of("EIM | EIM @holes"), 0, &scenario);
    assert_int_equal(a->box.udp_unanswered, WEND_S(15));
}

static void a_trial_counts_from_the_model_to_the_answers(void **state)
{
    (void)state;
    for (uint32_t trial = 0; trial < 20; trial++) {
        play(cell_of("EIM | EIM"), trial);
        assert_true(sim_tally_is_done(&tally));
        assert_true(sim_tally_start(&tally) <= SIM_BEGIN + scenario.flows[0].start + WEND_MS(100));
        const uint32_t both = tally.sent[0].peer + tally.sent[1].peer;
        assert_in_range(both, 2, 40);
        assert_true(tally.answered[0] > tally.model[0] && tally.answered[1] > tally.model[1]);
        assert_true(tally.sent[0].relay + tally.sent[1].relay > 0);
        assert_true(tally.sent[0].user + tally.sent[1].user > 0);
    }
}

static void who_cannot_meet_holds_no_answer(void **state)
{
    (void)state;
    for (uint32_t trial = 0; trial < 10; trial++) {
        play(cell_of("APDM/APDF/random | APDM/APDF/random"), trial);
        assert_int_equal(tally.answered[0], 0);
        assert_int_equal(tally.answered[1], 0);
        assert_true(sim_tally_start(&tally) != WEND_NEVER);
        assert_true(world.flows[0].delivered > 20 && world.flows[1].delivered > 20);
    }
}

static void the_same_trial_is_the_same_world(void **state)
{
    uint64_t hashes[2];

    (void)state;
    for (int i = 0; i < 2; i++) {
        play(cell_of("EIM/APDF | sequential @wan"), 7);
        hashes[i] = world.trace.hash;
    }
    assert_int_equal(hashes[0], hashes[1]);
    play(cell_of("EIM/APDF | sequential @wan"), 8);
    assert_int_not_equal(hashes[0], world.trace.hash);
}

static void rows_and_json(void **state)
{
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    struct sim_matrix m = {.world = &world,
                           .out = out,
                           .json = true,
                           .only = "rows",
                           .row_trials = 2,
                           .seed = UINT64_MAX,
                           .jobs = 2};

    (void)state;
    assert_non_null(out);
    (void)sim_matrix_play(&m);
    fclose(out);
    uint32_t lines = 0;
    for (const char *at = text; (at = strchr(at, '\n')) != NULL; at++)
        lines++;
    assert_int_equal(lines, sim_matrix_row_count() * SIM_MATRIX_VARIANTS);
    assert_non_null(strstr(text, "{\"what\": \"EIM | EIM\", \"goal\": \"100.0 %, 6 in 100 ms\""));
    assert_null(strstr(text, "broken"));
    free(text);
    m.only = "no such row";
    assert_false(sim_matrix_play(&m));
}

static int close_world(void **state)
{
    (void)state;
    sim_world_close(&world);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_product_is_whole),
        cmocka_unit_test(goals_of_the_product_follow_the_rows),
        cmocka_unit_test(intervals_are_wilsons),
        cmocka_unit_test(a_round_trip_takes_50_ms_either_way),
        cmocka_unit_test(a_trial_counts_from_the_model_to_the_answers),
        cmocka_unit_test(who_cannot_meet_holds_no_answer),
        cmocka_unit_test(the_same_trial_is_the_same_world),
        cmocka_unit_test(rows_and_json),
    };
    return cmocka_run_group_tests(tests, NULL, close_world);
}
