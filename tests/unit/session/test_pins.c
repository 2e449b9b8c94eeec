// SPDX-License-Identifier: MIT
// Pins: the first key seen with a slot, a name or an address keeps it.
#include "../base/unit.h"

#include <errno.h>
#include <stdio.h>

#include "session/pins.h"

#define NOW UINT64_C(1700000000)

static struct wend_pin memory[4];

static struct wend_member member(uint8_t key, uint32_t slot, const char *name, uint32_t ipv4)
{
    struct wend_member m = {
        .slot = slot, .ipv4 = ipv4, .receipt_time = NOW - 10, .expires = NOW + 1000};
    memset(m.key, key, sizeof(m.key));
    memset(m.invite_id, 1, sizeof(m.invite_id));
    snprintf(m.name, sizeof(m.name), "%s", name);
    return m;
}

static struct wend_pins pinned(const struct wend_member *m)
{
    struct wend_pins p;
    wend_pins_init(&p, memory, 4);
    assert_int_equal(wend_pins_add(&p, m, NOW, NULL, NULL), WEND_ERROR_NONE);
    return p;
}

static void test_first_and_again(void **state)
{
    (void)state;
    struct wend_pins p;
    const struct wend_pin *pin = NULL;
    const struct wend_member m = member(1, 0, "laptop", 10);
    wend_pins_init(&p, memory, 4);
    assert_int_equal(wend_pins_add(&p, &m, NOW, &pin, NULL), WEND_ERROR_NONE);
    assert_ptr_equal(pin, &memory[0]);
    assert_memory_equal(pin->key, m.key, 32);
    assert_string_equal(pin->name, "laptop");
    assert_true(pin->slot == 0 && pin->ipv4 == 10);
    assert_true(pin->receipt_time == m.receipt_time && pin->expires == m.expires);
    assert_int_equal(wend_pins_add(&p, &m, NOW, &pin, NULL), WEND_ERROR_NONE);
    assert_null(pin);
    assert_int_equal(p.count, 1);
}

static void test_conflicts(void **state)
{
    (void)state;
    static const struct {
        uint32_t slot, ipv4;
        const char *name;
        enum wend_pin_conflict conflict;
        const char *called;
    } rows[] = {
        {0, 11, "phone", WEND_PIN_CONFLICT_SLOT, "slot"},
        {1, 11, "laptop", WEND_PIN_CONFLICT_NAME, "name"},
        {1, 10, "phone", WEND_PIN_CONFLICT_IPV4, "address"},
    };
    const struct wend_member first = member(1, 0, "laptop", 10);
    struct wend_pins p = pinned(&first);
    for (size_t i = 0; i < 3; i++) {
        const struct wend_member other = member(2, rows[i].slot, rows[i].name, rows[i].ipv4);
        enum wend_pin_conflict conflict = WEND_PIN_CONFLICT_NONE;
        assert_int_equal(wend_pins_add(&p, &other, NOW, NULL, &conflict), WEND_ERROR_TAKEN);
        assert_int_equal(conflict, rows[i].conflict);
        assert_string_equal(wend_pin_conflict_name(conflict), rows[i].called);
        assert_int_equal(wend_pins_check(&p, &other, NOW, NULL), WEND_ERROR_TAKEN);
        assert_int_equal(p.count, 1);
    }
    struct wend_member same_number = member(2, 0, "phone", 11);
    memset(same_number.invite_id, 2, sizeof(same_number.invite_id)); // slot 0 of another invite
    assert_int_equal(wend_pins_add(&p, &same_number, NOW, NULL, NULL), WEND_ERROR_NONE);
}

static void test_expired_speaks_no_more(void **state)
{
    (void)state;
    const struct wend_member first = member(1, 0, "laptop", 10);
    const struct wend_member other = member(2, 0, "laptop", 10);
    struct wend_pins p = pinned(&first);
    assert_int_equal(wend_pins_check(&p, &other, first.expires - 1, NULL), WEND_ERROR_TAKEN);
    assert_int_equal(wend_pins_check(&p, &other, first.expires, NULL), WEND_ERROR_NONE);
}

// A membership for somebody else's key frees nothing of what that key had.
static void test_renewal_frees_nothing(void **state)
{
    (void)state;
    const struct wend_member first = member(1, 0, "laptop", 10);
    struct wend_pins p = pinned(&first);
    struct wend_member renamed = member(1, 0, "old-laptop", 11);
    renamed.receipt_time += 1;
    assert_int_equal(wend_pins_add(&p, &renamed, NOW, NULL, NULL), WEND_ERROR_NONE);
    assert_int_equal(p.count, 2);
    const struct wend_member thief = member(2, 1, "laptop", 12);
    assert_int_equal(wend_pins_check(&p, &thief, NOW, NULL), WEND_ERROR_TAKEN);
    const struct wend_member other = member(2, 1, "phone", 11);
    assert_int_equal(wend_pins_check(&p, &other, NOW, NULL), WEND_ERROR_TAKEN);
    assert_int_equal(wend_pins_check(&p, &first, NOW, NULL), WEND_ERROR_REPLAYED);
}

static void test_renewal_in_place(void **state)
{
    (void)state;
    const struct wend_pin *pin = NULL;
    const struct wend_member first = member(1, 0, "laptop", 10);
    struct wend_pins p = pinned(&first);
    struct wend_member longer = first;
    longer.receipt_time += 5, longer.expires += 500;
    assert_int_equal(wend_pins_add(&p, &longer, NOW, &pin, NULL), WEND_ERROR_NONE);
    assert_ptr_equal(pin, &memory[0]);
    assert_true(pin->expires == longer.expires);
    assert_int_equal(p.count, 1);
    assert_int_equal(wend_pins_add(&p, &first, NOW, NULL, NULL), WEND_ERROR_REPLAYED);
}

static void test_full(void **state)
{
    (void)state;
    struct wend_pins p;
    wend_pins_init(&p, memory, 4);
    for (uint8_t i = 0; i < 4; i++) {
        char name[8];
        snprintf(name, sizeof(name), "n%u", i);
        struct wend_member m = member(i, i, name, i);
        m.expires = NOW + 100u * (i + 1u);
        assert_int_equal(wend_pins_add(&p, &m, NOW, NULL, NULL), WEND_ERROR_NONE);
    }
    const struct wend_member fifth = member(9, 9, "fifth", 9);
    assert_int_equal(wend_pins_add(&p, &fifth, NOW, NULL, NULL), WEND_ERROR_LIMIT);
    assert_int_equal(wend_pins_restore(&p, &memory[0]), -ENOSPC);
    assert_int_equal(wend_pins_add(&p, &fifth, NOW + 100, NULL, NULL), WEND_ERROR_NONE);
    assert_int_equal(p.count, 4);
}

static void test_dropped(void **state)
{
    (void)state;
    uint8_t entries[128];
    struct wend_pins p;
    struct wend_pin gone;
    struct wend_revocation_list l = {.serial = 1};
    wend_pins_init(&p, memory, 4);
    for (uint8_t i = 0; i < 4; i++) {
        char name[8];
        snprintf(name, sizeof(name), "n%u", i);
        struct wend_member m = member(i, i, name, i);
        memset(m.invite_id, i, sizeof(m.invite_id));
        m.expires = NOW + (i == 0 ? 1 : 1000);
        assert_int_equal(wend_pins_add(&p, &m, NOW, NULL, NULL), WEND_ERROR_NONE);
    }
    assert_false(wend_pins_next_dropped(&p, NULL, NOW, &gone));
    const struct wend_bytes device = {memory[1].key, 32}, invite = {memory[2].invite_id, 8};
    assert_int_equal(wend_revocation_add(&l, entries, sizeof(entries), device), 0);
    assert_int_equal(wend_revocation_add(&l, entries, sizeof(entries), invite), 0);
    unsigned seen = 0;
    while (wend_pins_next_dropped(&p, &l, NOW + 1, &gone))
        seen |= 1u << gone.slot;
    assert_int_equal(seen, 7);
    assert_int_equal(p.count, 1);
    assert_int_equal(memory[0].slot, 3);
}

static void test_restore(void **state)
{
    (void)state;
    const struct wend_member first = member(1, 0, "laptop", 10);
    const struct wend_pins p = pinned(&first);
    struct wend_pin other_memory[1];
    struct wend_pins again;
    wend_pins_init(&again, other_memory, 1);
    assert_int_equal(wend_pins_restore(&again, &p.at[0]), 0);
    const struct wend_member other = member(2, 0, "phone", 11);
    assert_int_equal(wend_pins_check(&again, &first, NOW, NULL), WEND_ERROR_NONE);
    assert_int_equal(wend_pins_check(&again, &other, NOW, NULL), WEND_ERROR_TAKEN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_first_and_again),
        cmocka_unit_test(test_conflicts),
        cmocka_unit_test(test_expired_speaks_no_more),
        cmocka_unit_test(test_renewal_frees_nothing),
        cmocka_unit_test(test_renewal_in_place),
        cmocka_unit_test(test_full),
        cmocka_unit_test(test_dropped),
        cmocka_unit_test(test_restore),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
