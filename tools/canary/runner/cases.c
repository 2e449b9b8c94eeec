// SPDX-License-Identifier: MIT
// One case that passes, one that fails, one skipped with a reason and one without.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void passes(void **state)
{
    (void)state;
    assert_int_equal(1, 1);
}

static void fails(void **state)
{
    (void)state;
    assert_int_equal(1, 2);
}

static void is_skipped(void **state)
{
    (void)state;
    print_message("skipped: it is a canary\n");
    skip();
}

static void is_skipped_in_silence(void **state)
{
    (void)state;
    skip();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(passes),
        cmocka_unit_test(fails),
        cmocka_unit_test(is_skipped),
        cmocka_unit_test(is_skipped_in_silence),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
