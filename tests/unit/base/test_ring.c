// SPDX-License-Identifier: MIT
#include "base/ring.h"

#include "unit.h"

#include <pthread.h>
#include <sched.h>

static _Alignas(8) uint8_t memory[1 << 18];

static bool push(struct wend_ring *r, uint8_t fill, size_t len)
{
    uint8_t *at = wend_ring_reserve(r, len);
    if (at == NULL)
        return false;
    memset(at, fill, len);
    wend_ring_commit(r, len);
    return true;
}

static void expect(struct wend_ring *r, uint8_t fill, size_t len)
{
    size_t got;
    const uint8_t *at = wend_ring_peek(r, &got);
    assert_non_null(at);
    assert_int_equal(got, len);
    assert_int_equal((uintptr_t)at % 8, 0);
    for (size_t i = 0; i < len; i++)
        assert_int_equal(at[i], fill);
    wend_ring_release(r);
}

static void gives_records_in_order(void **state)
{
    (void)state;
    struct wend_ring r;
    size_t len;
    wend_ring_init(&r, memory, 256);
    assert_null(wend_ring_peek(&r, &len));
    assert_true(push(&r, 1, 5) && push(&r, 2, 0) && push(&r, 3, 40));
    expect(&r, 1, 5);
    expect(&r, 2, 0);
    expect(&r, 3, 40);
    assert_null(wend_ring_peek(&r, &len));
}

static void peek_repeats_until_release(void **state)
{
    (void)state;
    struct wend_ring r;
    size_t len = 0;
    wend_ring_init(&r, memory, 64);
    assert_true(push(&r, 1, 3));
    const uint8_t *first = wend_ring_peek(&r, &len);
    assert_ptr_equal(wend_ring_peek(&r, &len), first);
    assert_int_equal(len, 3);
}

static void commits_less_than_reserved_or_not_at_all(void **state)
{
    (void)state;
    struct wend_ring r;
    size_t len;
    wend_ring_init(&r, memory, 128);
    assert_non_null(wend_ring_reserve(&r, 50)); // given up
    assert_null(wend_ring_peek(&r, &len));
    uint8_t *at = wend_ring_reserve(&r, 50);
    at[0] = 7;
    wend_ring_commit(&r, 1);
    assert_true(push(&r, 8, 50)); // the rest of the reservation is free again
    expect(&r, 7, 1);
    expect(&r, 8, 50);
}

static void full_drops_the_new_and_counts(void **state)
{
    (void)state;
    struct wend_ring r;
    wend_ring_init(&r, memory, 64);
    assert_true(push(&r, 1, 24)); // 32 with its header
    assert_true(push(&r, 2, 24));
    assert_false(push(&r, 3, 0));
    assert_int_equal(wend_ring_dropped(&r), 1);
    expect(&r, 1, 24);
    assert_true(push(&r, 4, 24));
    expect(&r, 2, 24);
    expect(&r, 4, 24);
    assert_int_equal(wend_ring_dropped(&r), 1);
}

// Wherever the ring stands, an empty one takes the longest record.
static void the_longest_record_always_fits_an_empty_ring(void **state)
{
    (void)state;
    struct wend_ring r;
    for (size_t offset = 0; offset < 256; offset += 8) {
        wend_ring_init(&r, memory, 256);
        for (size_t i = 0; i < offset; i += 8) {
            assert_true(push(&r, 0, 0));
            expect(&r, 0, 0);
        }
        assert_true(push(&r, 9, wend_ring_record_max(&r)));
        expect(&r, 9, wend_ring_record_max(&r));
    }
    wend_ring_init(&r, memory, sizeof(memory));
    assert_true(wend_ring_record_max(&r) >= 65600);
}

static void behaves_like_a_queue(void **state)
{
    (void)state;
    struct wend_ring r;
    wend_ring_init(&r, memory, 1024);
    uint64_t seed = 3, pushed = 0, popped = 0;
    size_t lens[1024];
    for (int step = 0; step < 100000; step++) {
        const uint64_t roll = unit_random(&seed);
        const size_t len = (size_t)(roll >> 8) % (wend_ring_record_max(&r) + 1);
        if (roll & 1 && push(&r, (uint8_t)pushed, len))
            lens[pushed++ % 1024] = len;
        else if (popped < pushed && !(roll & 1)) {
            expect(&r, (uint8_t)popped, lens[popped % 1024]);
            popped++;
        }
    }
    assert_true(popped > 10000 && wend_ring_dropped(&r) > 1000);
}

enum { RECORDS = 200000 };

static size_t len_of(uint64_t number)
{
    return 8 + (size_t)(number * 2654435761 % 1500);
}

static void *produce(void *arg)
{
    struct wend_ring *r = arg;
    for (uint64_t i = 0; i < RECORDS; i++) {
        uint8_t *at;
        while ((at = wend_ring_reserve(r, len_of(i))) == NULL)
            sched_yield();
        memset(at, (uint8_t)i, len_of(i));
        memcpy(at, &i, sizeof(i));
        wend_ring_commit(r, len_of(i));
    }
    return NULL;
}

static void passes_records_between_threads(void **state)
{
    (void)state;
    static struct wend_ring r;
    wend_ring_init(&r, memory, 16384);
    pthread_t producer;
    assert_int_equal(pthread_create(&producer, NULL, produce, &r), 0);
    for (uint64_t i = 0; i < RECORDS; i++) {
        const uint8_t *at;
        size_t len;
        while ((at = wend_ring_peek(&r, &len)) == NULL)
            sched_yield();
        uint64_t number;
        memcpy(&number, at, sizeof(number));
        const bool right = number == i && len == len_of(i) &&
                           (len == 8 || (at[8] == (uint8_t)i && at[len - 1] == (uint8_t)i));
        wend_ring_release(&r);
        assert_true(right);
    }
    assert_int_equal(pthread_join(producer, NULL), 0);
    size_t len;
    assert_null(wend_ring_peek(&r, &len));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gives_records_in_order),
        cmocka_unit_test(peek_repeats_until_release),
        cmocka_unit_test(commits_less_than_reserved_or_not_at_all),
        cmocka_unit_test(full_drops_the_new_and_counts),
        cmocka_unit_test(the_longest_record_always_fits_an_empty_ring),
        cmocka_unit_test(behaves_like_a_queue),
        cmocka_unit_test(passes_records_between_threads),
    };
    return cmocka_run_group_tests_name("ring", tests, NULL, NULL);
}
