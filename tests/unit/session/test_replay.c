// SPDX-License-Identifier: MIT
// The window against a model that remembers every counter, at three sizes.
#include "unit.h"

#include "session/replay.h"

static void test_edges(void **state)
{
    (void)state;
    uint64_t words[WEND_REPLAY_WORDS(WEND_REPLAY_BITS)];
    const uint64_t window = WEND_REPLAY_BITS - 64;
    struct wend_replay w;
    wend_replay_init(&w, words, WEND_REPLAY_WORDS(WEND_REPLAY_BITS));

    assert_true(wend_replay_accept(&w, 0));
    assert_false(wend_replay_accept(&w, 0));
    assert_true(wend_replay_accept(&w, 1));
    assert_true(wend_replay_accept(&w, 9));
    assert_true(wend_replay_accept(&w, 8));
    assert_true(wend_replay_accept(&w, 7));
    assert_false(wend_replay_accept(&w, 7));
    assert_false(wend_replay_accept(&w, 8));

    assert_true(wend_replay_accept(&w, window)); // 1 to window are inside now
    assert_false(wend_replay_accept(&w, 0));
    assert_true(wend_replay_accept(&w, 2));
    assert_true(wend_replay_accept(&w, window + 16));
    assert_true(wend_replay_accept(&w, 17));
    assert_false(wend_replay_accept(&w, 16)); // too old, though never seen
    assert_false(wend_replay_would_accept(&w, 16));

    assert_true(wend_replay_accept(&w, window * 1000));
    assert_false(wend_replay_accept(&w, window + 17));
    assert_true(wend_replay_accept(&w, window * 999 + 1));
    assert_false(wend_replay_accept(&w, window * 999));
    assert_true(wend_replay_accept(&w, UINT64_MAX - 1));
    assert_false(wend_replay_accept(&w, UINT64_MAX - 1));
    assert_false(wend_replay_accept(&w, UINT64_MAX)); // would wrap round
    assert_true(wend_replay_accept(&w, UINT64_MAX - window));
    assert_false(wend_replay_accept(&w, UINT64_MAX - window - 1));
}

#define MODEL_MAX 40000

struct model {
    bool seen[MODEL_MAX];
    uint64_t limit, window;
};

static bool model_accept(struct model *m, uint64_t counter)
{
    if (m->seen[counter] || counter + m->window < m->limit)
        return false;
    m->seen[counter] = true;
    if (counter >= m->limit)
        m->limit = counter + 1;
    return true;
}

static void against_model(uint64_t *words, size_t word_count, uint64_t seed)
{
    static struct model m;
    struct wend_replay w;
    m = (struct model){.window = (word_count - 1) * 64};
    wend_replay_init(&w, words, word_count);
    for (size_t i = 0; i < 100000; i++) {
        const uint64_t r = unit_random(&seed);
        uint64_t counter = m.limit; // mostly near the newest, some far back, few far ahead
        if (r % 4 == 0)
            counter += r / 8 % (r % 64 ? 3 : 300);
        else if (r % 4 != 1)
            counter -= r / 8 % (m.window + 200) % (counter + 1);
        if (counter >= MODEL_MAX)
            break;
        assert_int_equal(wend_replay_would_accept(&w, counter),
                         !m.seen[counter] && counter + m.window >= m.limit);
        assert_int_equal(wend_replay_accept(&w, counter), model_accept(&m, counter));
    }
    assert_true(m.limit > 2 * m.window || word_count > 1000);
}

static void test_against_model(void **state)
{
    (void)state;
    static uint64_t words[WEND_REPLAY_WORDS(WEND_REPLAY_BITS_LARGE)];
    against_model(words, WEND_REPLAY_WORDS(WEND_REPLAY_BITS_SMALL), 1);
    against_model(words, WEND_REPLAY_WORDS(WEND_REPLAY_BITS), 2);
    against_model(words, WEND_REPLAY_WORDS(WEND_REPLAY_BITS_LARGE), 3);
    against_model(words, 2, 4);
}

static void test_move_keeps_what_was_seen(void **state)
{
    (void)state;
    static uint64_t small[WEND_REPLAY_WORDS(WEND_REPLAY_BITS)];
    static uint64_t large[WEND_REPLAY_WORDS(WEND_REPLAY_BITS_LARGE)];
    struct wend_replay w;
    for (uint64_t top = 0; top < 60000; top += 997) {
        wend_replay_init(&w, small, WEND_REPLAY_WORDS(WEND_REPLAY_BITS));
        for (uint64_t c = 0; c <= top; c += 3) // every third, in order
            assert_true(wend_replay_accept(&w, c));
        const uint64_t limit = w.limit;
        wend_replay_move(&w, large, WEND_REPLAY_WORDS(WEND_REPLAY_BITS_LARGE));
        assert_int_equal(w.limit, limit);
        for (uint64_t c = 0; c < limit; c++) {
            const bool inside = limit - 1 - c < WEND_REPLAY_BITS - 64;
            if (c % 3 == 0) // nothing is accepted twice, however old
                assert_false(wend_replay_would_accept(&w, c));
            else if (inside)
                assert_true(wend_replay_would_accept(&w, c));
        }
        assert_true(wend_replay_accept(&w, limit + 50000)); // and it works on at its new size
        if (limit > 1)
            assert_int_equal(wend_replay_accept(&w, limit - 2), (limit - 2) % 3 != 0);

        wend_replay_move(&w, small, WEND_REPLAY_WORDS(WEND_REPLAY_BITS));
        assert_false(wend_replay_accept(&w, limit + 50000));
        assert_true(wend_replay_accept(&w, limit + 49999));
        assert_false(wend_replay_accept(&w, limit)); // too old now
    }
}

static void test_move_of_an_empty_window(void **state)
{
    (void)state;
    uint64_t a[2], b[16];
    struct wend_replay w;
    wend_replay_init(&w, a, 2);
    wend_replay_move(&w, b, 16);
    for (uint64_t c = 0; c < 100; c++)
        assert_true(wend_replay_accept(&w, 99 - c));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_edges),
        cmocka_unit_test(test_against_model),
        cmocka_unit_test(test_move_keeps_what_was_seen),
        cmocka_unit_test(test_move_of_an_empty_window),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
