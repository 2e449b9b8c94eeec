// SPDX-License-Identifier: MIT
// What proofs are measured with: exact quantiles, every packet's fate, rows; and that a broken
// promise is told.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proof.h"

static struct sim_world world;
static struct sim_samples samples;
static struct sim_proof proof = {.world = &world, .seed = SIM_EVERY_SEED, .label = "test"};

static void quantiles_are_exact(void **state)
{
    (void)state;
    sim_samples_clear(&samples);
    for (wend_duration i = 1000; i > 0; i--)
        sim_samples_add(&samples, i, (uint64_t)i + 7);
    sim_samples_sort(&samples);
    assert_int_equal(sim_samples_part(&samples, 0.5), 500);
    assert_int_equal(sim_samples_part(&samples, 0.99), 990);
    assert_int_equal(sim_samples_part(&samples, 1), 1000);
    assert_int_equal(samples.seed, 1007);
    sim_samples_add(&samples, WEND_NEVER, 3);
    assert_int_equal(sim_samples_part(&samples, 1), WEND_NEVER);
    assert_int_equal(sim_samples_part(&samples, 0.999), 1000);
    assert_int_equal(samples.seed, 3);
}

static void make(wend_duration stop)
{
    sim_proof_cones(&proof, 5, WEND_SIM_ADDRESS_AND_PORT_DEPENDENT);
    sim_proof_talk(&proof, WEND_MS(10), WEND_S(2), stop);
    sim_proof_begin(&proof);
}

static void every_packet_is_in_the_ledger(void **state)
{
    const wend_duration straight =
        (make(WEND_S(6)), sim_proof_one_way(&proof.scenario, 0, 1, false));
    const wend_duration relay = sim_proof_one_way(&proof.scenario, 0, 1, true);

    (void)state;
    assert_true(sim_proof_run(&proof, WEND_S(8)));
    assert_true(sim_proof_is_direct(&proof));
    assert_int_equal(proof.ledger.counts[0], 400);
    assert_int_equal(proof.ledger.ways[0].to_direct, 1);
    const struct sim_ledger_packet *first = &proof.ledger.packets[0][0];
    assert_int_equal(first->delivered - first->sent, relay); // in the handshake
    assert_false(first->carried);
    const struct sim_ledger_packet *last = &proof.ledger.packets[0][399];
    assert_true(last->carried && last->by_direct);
    assert_int_equal(last->came - last->sent, straight);
    assert_int_equal(last->delivered, last->came);
    sim_proof_end(&proof);
    assert_int_equal(proof.red, 0);
}

static void what_the_network_loses_never_came(void **state)
{
    (void)state;
    make(WEND_S(6));
    assert_true(sim_proof_run(&proof, WEND_S(5)));
    wend_sim_net_cut(world.net, world.devices[0].top, world.devices[1].top, true);
    assert_true(sim_proof_run(&proof, WEND_S(5) + WEND_MS(60)));
    sim_ledger_settle(&proof.ledger, 0, 1);
    const struct sim_ledger_packet *p = &proof.ledger.packets[0][304];
    assert_true(p->carried);
    assert_int_equal(p->came, 0);
    assert_int_equal(p->delivered, 0);
    sim_proof_end(&proof);
}

static void rows_are_json_and_a_failed_world_spoils_its_row(void **state)
{
    char *text;
    size_t len;
    const char *texts[] = {"what", "goal"};

    (void)state;
    proof.out = open_memstream(&text, &len);
    sim_proof_row(&proof, true, texts, "%d ms", 3);
    assert_false(proof.missed);
    make(WEND_S(3));
    sim_world_fail(&world, "a canary");
    sim_proof_end(&proof);
    sim_proof_row(&proof, true, texts, "%d ms", 4);
    assert_true(proof.missed);
    fclose(proof.out);
    assert_string_equal(
        text, "{\"what\": \"what\", \"goal\": \"goal\", \"measured\": \"3 ms\", \"met\": true}\n"
              "{\"what\": \"what\", \"goal\": \"goal\", \"measured\": \"4 ms; 1 worlds failed, as "
              "test seed 5: 1000.000000 s: a canary\", \"met\": false}\n");
    free(text);
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
        cmocka_unit_test(quantiles_are_exact),
        cmocka_unit_test(every_packet_is_in_the_ledger),
        cmocka_unit_test(what_the_network_loses_never_came),
        cmocka_unit_test(rows_are_json_and_a_failed_world_spoils_its_row),
    };
    return cmocka_run_group_tests(tests, NULL, close_world);
}
