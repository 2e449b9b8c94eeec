// SPDX-License-Identifier: MIT
#include "wire/switch.h"

#include <errno.h>

#include "../base/unit.h"

static void has_the_bytes_of_the_document(void **state)
{
    (void)state;
    static const uint8_t want[WEND_SWITCH_LEN] = {1, 2, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8};
    const struct wend_switch w = {.kind = WEND_SWITCH_ENTER, .first = 0x0102030405060708};
    uint8_t bytes[WEND_SWITCH_LEN];
    wend_switch_write(bytes, &w);
    assert_memory_equal(bytes, want, sizeof want);
}

static void reads_what_it_wrote(void **state)
{
    (void)state;
    static const uint64_t firsts[] = {0, 1, UINT32_MAX, (uint64_t)UINT32_MAX + 1, UINT64_MAX};
    for (int kind = WEND_SWITCH_LEAVE; kind <= WEND_SWITCH_BOTH; kind++)
        for (size_t i = 0; i < sizeof firsts / sizeof firsts[0]; i++) {
            const struct wend_switch w = {.kind = (enum wend_switch_kind)kind, .first = firsts[i]};
            uint8_t padded[16] = {0};
            struct wend_switch got = {0};
            wend_switch_write(padded, &w);
            assert_int_equal(wend_switch_read(WEND_BYTES(padded), &got), 0);
            assert_int_equal(got.kind, w.kind);
            assert_int_equal(got.first, w.first);
            assert_int_equal(wend_switch_read((struct wend_bytes){padded, 12}, &got), 0);
        }
}

// Every length, and every byte that has only one meaning set to every other value.
static void refuses_everything_else(void **state)
{
    (void)state;
    const struct wend_switch w = {.kind = WEND_SWITCH_LEAVE, .first = 77};
    uint8_t bytes[16] = {0};
    struct wend_switch got = {.kind = WEND_SWITCH_NONE, .first = 5};
    wend_switch_write(bytes, &w);
    for (size_t len = 0; len < WEND_SWITCH_LEN; len++)
        assert_int_equal(wend_switch_read((struct wend_bytes){bytes, len}, &got), -EBADMSG);
    for (size_t at = 0; at < sizeof bytes; at++)
        for (unsigned v = 0; v < 256; v++) {
            const uint8_t right = bytes[at];
            const bool known = v == right || (at == 1 && (v == 2 || v == 3));
            if ((at >= 4 && at < WEND_SWITCH_LEN) || known)
                continue;
            bytes[at] = (uint8_t)v;
            assert_int_equal(wend_switch_read(WEND_BYTES(bytes), &got), -EBADMSG);
            bytes[at] = right;
        }
    assert_int_equal(got.kind, WEND_SWITCH_NONE);
    assert_int_equal(got.first, 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(has_the_bytes_of_the_document),
        cmocka_unit_test(reads_what_it_wrote),
        cmocka_unit_test(refuses_everything_else),
    };
    return cmocka_run_group_tests_name("switch", tests, NULL, NULL);
}
