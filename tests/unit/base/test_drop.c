// SPDX-License-Identifier: MIT
#include "base/drop.h"

#include "unit.h"

static void every_reason_has_a_name_of_its_own(void **state)
{
    (void)state;
    for (unsigned i = 0; i < WEND_DROP_COUNT; i++) {
        const char *name = wend_drop_name((enum wend_drop)i);
        assert_true(strlen(name) > 0);
        assert_int_equal(strspn(name, "abcdefghijklmnopqrstuvwxyz-"), strlen(name));
        for (unsigned k = 0; k < i; k++)
            assert_string_not_equal(name, wend_drop_name((enum wend_drop)k));
    }
    assert_string_equal(wend_drop_name(WEND_DROP_RATE_LIMITED), "rate-limited");
    assert_string_equal(wend_drop_name(WEND_DROP_NONE), "none");
}

static void counts_everything_but_none(void **state)
{
    (void)state;
    struct wend_drops d = {{0}};
    assert_int_equal(wend_drops_add(&d, WEND_DROP_REPLAYED), WEND_DROP_REPLAYED);
    wend_drops_add(&d, WEND_DROP_REPLAYED);
    wend_drops_add(&d, WEND_DROP_EXPIRED);
    wend_drops_add(&d, WEND_DROP_NONE);
    assert_int_equal(d.count[WEND_DROP_REPLAYED], 2);
    assert_int_equal(d.count[WEND_DROP_EXPIRED], 1);
    assert_int_equal(d.count[WEND_DROP_NONE], 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_reason_has_a_name_of_its_own),
        cmocka_unit_test(counts_everything_but_none),
    };
    return cmocka_run_group_tests_name("drop", tests, NULL, NULL);
}
