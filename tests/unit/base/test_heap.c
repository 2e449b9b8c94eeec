// SPDX-License-Identifier: MIT
#include "base/heap.h"

#include "unit.h"

#include <errno.h>

struct object {
    int number;
    struct wend_heap_node timer;
};

static int number_of(struct wend_heap_node *node)
{
    return node == NULL ? -1 : WEND_HEAP_OWNER(node, struct object, timer)->number;
}

static void comes_out_in_order_of_deadline(void **state)
{
    (void)state;
    struct wend_heap_entry entries[8];
    struct wend_heap h;
    wend_heap_init(&h, entries, 8);
    assert_true(wend_heap_deadline(&h) == WEND_NEVER);
    assert_null(wend_heap_pop(&h, WEND_NEVER));
    struct object o[4] = {{0, {0}}, {1, {0}}, {2, {0}}, {3, {0}}};
    static const wend_instant at[4] = {40, -5, 30, 20};
    for (int i = 0; i < 4; i++)
        assert_int_equal(wend_heap_set(&h, &o[i].timer, at[i]), 0);
    assert_true(wend_heap_deadline(&h) == -5);
    assert_int_equal(number_of(wend_heap_pop(&h, 30)), 1);
    assert_false(wend_heap_has(&o[1].timer));
    assert_int_equal(number_of(wend_heap_pop(&h, 30)), 3);
    assert_int_equal(number_of(wend_heap_pop(&h, 30)), 2);
    assert_null(wend_heap_pop(&h, 39));
    assert_true(wend_heap_has(&o[0].timer));
    assert_int_equal(number_of(wend_heap_pop(&h, 40)), 0);
}

static void ties_come_out_as_they_were_set(void **state)
{
    (void)state;
    struct wend_heap_entry entries[32];
    struct wend_heap h;
    wend_heap_init(&h, entries, 32);
    struct object o[32];
    for (int i = 0; i < 32; i++) {
        o[i] = (struct object){.number = i};
        wend_heap_set(&h, &o[i].timer, 100);
    }
    wend_heap_set(&h, &o[5].timer, 100); // set again: now the last
    for (int i = 0; i < 32; i++)
        if (i != 5)
            assert_int_equal(number_of(wend_heap_pop(&h, 100)), i);
    assert_int_equal(number_of(wend_heap_pop(&h, 100)), 5);
}

static void moves_and_unsets(void **state)
{
    (void)state;
    struct wend_heap_entry entries[3];
    struct wend_heap h;
    wend_heap_init(&h, entries, 3);
    struct object o[4] = {{0, {0}}, {1, {0}}, {2, {0}}, {3, {0}}};
    for (int i = 0; i < 3; i++)
        assert_int_equal(wend_heap_set(&h, &o[i].timer, 10 * i), 0);
    assert_int_equal(wend_heap_set(&h, &o[3].timer, 1), -ENOSPC);
    assert_false(wend_heap_has(&o[3].timer));
    assert_int_equal(wend_heap_set(&h, &o[0].timer, 50), 0); // a full heap still moves
    assert_true(wend_heap_deadline(&h) == 10);
    assert_int_equal(wend_heap_set(&h, &o[1].timer, WEND_NEVER), 0);
    wend_heap_remove(&h, &o[1].timer); // again: nothing
    assert_int_equal(wend_heap_set(&h, &o[3].timer, 1), 0);
    assert_int_equal(number_of(wend_heap_pop(&h, 100)), 3);
    assert_int_equal(number_of(wend_heap_pop(&h, 100)), 2);
    assert_int_equal(number_of(wend_heap_pop(&h, 100)), 0);
    assert_null(wend_heap_pop(&h, 100));
}

enum { OBJECTS = 200 };

// The earliest deadline of a plain array of them.
static wend_instant least_of(const wend_instant model[static OBJECTS])
{
    wend_instant least = WEND_NEVER;
    for (int i = 0; i < OBJECTS; i++)
        least = wend_instant_min(least, model[i]);
    return least;
}

static void behaves_like_a_plain_array(void **state)
{
    (void)state;
    struct wend_heap_entry entries[OBJECTS];
    struct wend_heap h;
    wend_heap_init(&h, entries, OBJECTS);
    struct object o[OBJECTS];
    wend_instant model[OBJECTS];
    for (int i = 0; i < OBJECTS; i++) {
        o[i] = (struct object){.number = i};
        model[i] = WEND_NEVER;
    }
    uint64_t seed = 1;
    for (int step = 0; step < 20000; step++) {
        const uint64_t roll = unit_random(&seed);
        const int i = (int)(roll % OBJECTS);
        model[i] = roll >> 62 == 0 ? WEND_NEVER : (wend_instant)(roll >> 40 & 0xff);
        assert_int_equal(wend_heap_set(&h, &o[i].timer, model[i]), 0);
        assert_true(wend_heap_deadline(&h) == least_of(model));
        if (roll >> 60 == 15) {
            const int popped = number_of(wend_heap_pop(&h, WEND_NEVER));
            assert_true(popped >= 0 && model[popped] == least_of(model));
            model[popped] = WEND_NEVER;
        }
        wend_heap_check(&h);
    }
}

// What is due stays set until its owner has dealt with it, and longer if it was set again.
static void begins_and_ends(void **state)
{
    (void)state;
    struct wend_heap_entry entries[OBJECTS];
    struct wend_heap h;
    struct wend_heap_due due;
    struct object o[3] = {{.number = 0}, {.number = 1}, {.number = 2}};
    wend_heap_init(&h, entries, OBJECTS);
    assert_false(wend_heap_begin(&h, WEND_NEVER, &due));
    for (int i = 0; i < 3; i++)
        assert_int_equal(wend_heap_set(&h, &o[i].timer, 10), 0);
    assert_false(wend_heap_begin(&h, 9, &due));

    assert_true(wend_heap_begin(&h, 10, &due));
    assert_ptr_equal(due.node, &o[0].timer);
    assert_int_equal(wend_heap_set(&h, &o[0].timer, 10), 0); // again at once: behind the others
    wend_heap_end(&h, &due);
    assert_true(wend_heap_has(&o[0].timer));

    assert_true(wend_heap_begin(&h, 10, &due));
    assert_ptr_equal(due.node, &o[1].timer);
    wend_heap_end(&h, &due);
    assert_false(wend_heap_has(&o[1].timer));

    assert_true(wend_heap_begin(&h, 10, &due));
    assert_ptr_equal(due.node, &o[2].timer);
    wend_heap_remove(&h, &o[2].timer);
    wend_heap_end(&h, &due);
    assert_false(wend_heap_has(&o[2].timer));

    assert_true(wend_heap_begin(&h, 10, &due));
    assert_ptr_equal(due.node, &o[0].timer);
    wend_heap_end(&h, &due);
    assert_int_equal(h.count, 0);
    wend_heap_check(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(comes_out_in_order_of_deadline),
        cmocka_unit_test(ties_come_out_as_they_were_set),
        cmocka_unit_test(moves_and_unsets),
        cmocka_unit_test(behaves_like_a_plain_array),
        cmocka_unit_test(begins_and_ends),
    };
    return cmocka_run_group_tests_name("heap", tests, NULL, NULL);
}
