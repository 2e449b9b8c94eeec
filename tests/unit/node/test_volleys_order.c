// SPDX-License-Identifier: MIT
// Volleys where the relay does not keep the order of what it passes on.
#include "volleying.h"

// What the called side says goes by the channel, its answer by the request that the server deals
// with: where the answer is a moment later, what came before it is kept for the keys that it
// brings.
static void test_messages_overtake_the_answer(void **state)
{
    uint32_t frames = 0, answers = 0, kept = 0;

    (void)state;
    call();
    const struct wend_node *n = world.hosts[0].node;
    for (int i = 0; i < 500 && frames == 0; i++) {
        run(WEND_MS(1));
        for (size_t k = 0; k < world.flight_count; k++)
            frames += world.flights[k].to == 0 && world.flights[k].bytes[0] == WEND_FRAME_TYPE;
    }
    for (size_t k = 0; k < world.flight_count; k++) {
        struct flight *f = &world.flights[k];
        if (f->to != 0 || f->bytes[0] == WEND_FRAME_TYPE)
            continue;
        f->at += WEND_MS(4);
        answers++;
    }
    assert_true(frames >= 2 && answers >= 1);
    const uint64_t lost = wend_node_drops(n)->count[WEND_DROP_NO_SESSION];
    while (seat_of(0, 1) == NULL) {
        kept = n->kept_count;
        run(WEND_MS(1));
    }
    assert_int_equal(kept, frames);
    assert_int_equal(n->kept_count, 0);
    assert_int_equal(wend_node_drops(n)->count[WEND_DROP_NO_SESSION], lost);
    assert_true(volley(0, 1)->taken >= 1); // one was the peer's volley's
    run(WEND_S(3));
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(way(i, 1 - i), WEND_PATH_DIRECT);
        assert_clean(i, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_messages_overtake_the_answer, volleying_open,
                                        volleying_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
