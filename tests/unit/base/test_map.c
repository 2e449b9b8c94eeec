// SPDX-License-Identifier: MIT
#include "base/map.h"

#include "unit.h"

#include <errno.h>

static bool has(const struct wend_map *m, uint64_t hash, uint32_t slot)
{
    struct wend_map_cursor c = wend_map_find(m, hash);
    uint32_t found;
    while (wend_map_next(m, &c, &found))
        if (found == slot)
            return true;
    return false;
}

static void finds_what_was_inserted(void **state)
{
    (void)state;
    struct wend_map_entry entries[16];
    struct wend_map m;
    wend_map_init(&m, entries, 16);
    assert_false(has(&m, 0, 0));
    assert_int_equal(wend_map_insert(&m, 0, 0), 0);
    assert_int_equal(wend_map_insert(&m, UINT64_MAX, UINT32_MAX), 0);
    assert_true(has(&m, 0, 0));
    assert_true(has(&m, UINT64_MAX, UINT32_MAX));
    assert_false(has(&m, 0, 1));
    assert_int_equal(wend_map_remove(&m, 0, 1), -ENOENT);
    assert_int_equal(wend_map_remove(&m, 16, 0), -ENOENT); // same home, other hash
    assert_int_equal(wend_map_remove(&m, 0, 0), 0);
    assert_false(has(&m, 0, 0));
    wend_map_check(&m);
}

static void yields_every_candidate_of_a_hash_once(void **state)
{
    (void)state;
    struct wend_map_entry entries[16];
    struct wend_map m;
    wend_map_init(&m, entries, 16);
    for (uint32_t slot = 0; slot < 5; slot++)
        assert_int_equal(wend_map_insert(&m, slot == 2 ? 30 : 14, slot), 0); // one home, wraps
    struct wend_map_cursor c = wend_map_find(&m, 14);
    uint32_t slot, seen = 0;
    while (wend_map_next(&m, &c, &slot)) {
        assert_false(seen & 1u << slot);
        seen |= 1u << slot;
    }
    assert_int_equal(seen, 0x1b);
    assert_false(wend_map_next(&m, &c, &slot)); // stays at its end
}

static void full_changes_nothing(void **state)
{
    (void)state;
    static const uint32_t capacities[] = {2, 4, 8, 16, 64};
    struct wend_map_entry entries[64];
    for (size_t i = 0; i < 5; i++) {
        const uint32_t capacity = capacities[i];
        struct wend_map m;
        wend_map_init(&m, entries, capacity);
        uint32_t n = 0;
        while (wend_map_insert(&m, 3 * n, n) == 0)
            n++;
        assert_int_equal(n, wend_map_limit(capacity));
        assert_true(n > 0 && n < capacity);
        assert_int_equal(wend_map_insert(&m, 99, 99), -ENOSPC);
        wend_map_check(&m);
        assert_false(has(&m, 99, 99));
        assert_int_equal(wend_map_remove(&m, 0, 0), 0);
        assert_int_equal(wend_map_insert(&m, 99, 99), 0);
    }
}

// Against a plain table: few hashes in few homes, so that runs collide, wrap and close gaps.
static void behaves_like_a_plain_table(void **state)
{
    (void)state;
    enum { HASHES = 24, SLOTS = 4 };
    struct wend_map_entry entries[32];
    struct wend_map m;
    wend_map_init(&m, entries, 32);
    bool model[HASHES][SLOTS] = {{false}};
    uint64_t seed = 7;
    for (int step = 0; step < 20000; step++) {
        const uint64_t roll = unit_random(&seed);
        const uint64_t hash = roll % HASHES * 29;
        const uint32_t slot = (uint32_t)(roll >> 32) % SLOTS;
        bool *there = &model[roll % HASHES][slot];
        if (*there)
            assert_int_equal(wend_map_remove(&m, hash, slot), 0);
        else if (wend_map_insert(&m, hash, slot) != 0)
            continue;
        *there = !*there;
        wend_map_check(&m);
        for (uint32_t h = 0; h < HASHES; h++)
            for (uint32_t s = 0; s < SLOTS; s++)
                assert_int_equal(has(&m, h * UINT64_C(29), s), model[h][s]);
    }
}

static void check_spread(uint32_t around, uint64_t *seed)
{
    enum { CAPACITY = 1024, COUNT = 896 };
    static struct wend_map_entry entries[CAPACITY];
    uint64_t hashes[COUNT];
    struct wend_map m;
    wend_map_init(&m, entries, CAPACITY);
    assert_true(m.mask < CAPACITY / 8);
    for (uint32_t slot = 0; slot < COUNT; slot++) {
        const uint64_t roll = unit_random(seed);
        const uint32_t mask = m.mask;
        hashes[slot] = (roll & 0x3ff00) + around + (roll >> 40) % 8; // few homes, in the first half
        assert_int_equal(wend_map_insert(&m, hashes[slot], slot), 0);
        if (slot % 3 == 2) {
            assert_int_equal(wend_map_remove(&m, hashes[slot - 1], slot - 1), 0);
            assert_int_equal(wend_map_insert(&m, hashes[slot - 1], slot - 1), 0);
        }
        if (slot % 16 == 0 || m.mask != mask)
            wend_map_check(&m);
    }
    assert_int_equal(wend_map_insert(&m, 1, COUNT), -ENOSPC);
    for (uint32_t slot = 0; slot < COUNT; slot++)
        assert_true(has(&m, hashes[slot], slot));
    for (uint32_t slot = 0; slot < COUNT; slot++)
        assert_int_equal(wend_map_remove(&m, hashes[slot], slot), 0);
    for (uint32_t i = 0; i < CAPACITY; i++)
        assert_false(entries[i].used);
}

// Runs at the front, in the middle and over the end of what is in use.
static void spreads_as_it_fills(void **state)
{
    (void)state;
    uint64_t seed = 11;
    for (uint32_t round = 0; round < 8; round++)
        for (uint32_t around = 0; around < 64; around += 4)
            check_spread(around, &seed);
}

// Room for many is not touched for a few.
static void few_take_little_room(void **state)
{
    (void)state;
    static struct wend_map_entry entries[4096];
    struct wend_map m;
    uint64_t seed = 5;
    wend_map_init_zeroed(&m, entries, 4096);
    for (uint32_t slot = 0; slot < 20; slot++)
        assert_int_equal(wend_map_insert(&m, unit_random(&seed), slot), 0);
    for (uint32_t i = 64; i < 4096; i++)
        assert_false(entries[i].used);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_what_was_inserted),
        cmocka_unit_test(yields_every_candidate_of_a_hash_once),
        cmocka_unit_test(full_changes_nothing),
        cmocka_unit_test(behaves_like_a_plain_table),
        cmocka_unit_test(spreads_as_it_fills),
        cmocka_unit_test(few_take_little_room),
    };
    return cmocka_run_group_tests_name("map", tests, NULL, NULL);
}
