// SPDX-License-Identifier: MIT
#include "base/text.h"

#include "unit.h"

#include <errno.h>

static void gives_rfc_4648_vectors_both_ways(void **state)
{
    (void)state;
    static const char *const vectors[][3] = {
        // section 10, and the same without padding
        {"", "", ""},
        {"f", "Zg==", "Zg"},
        {"fo", "Zm8=", "Zm8"},
        {"foo", "Zm9v", "Zm9v"},
        {"foob", "Zm9vYg==", "Zm9vYg"},
        {"fooba", "Zm9vYmE=", "Zm9vYmE"},
        {"foobar", "Zm9vYmFy", "Zm9vYmFy"},
        // section 9's three bytes, which are all that differs between the alphabets
        {"\x14\xfb\x9c\x03\xd9\x7e", "FPucA9l+", "FPucA9l-"},
        {"\xff\xff\xff", "////", "____"},
    };
    for (size_t i = 0; i < sizeof(vectors) / sizeof(*vectors); i++) {
        const struct wend_bytes plain = wend_bytes_of_text(vectors[i][0]);
        char text[16];
        uint8_t back[8];
        assert_string_equal(wend_base64_encode(plain, text), vectors[i][1]);
        assert_int_equal(strlen(text) + 1, WEND_BASE64_SIZE(plain.len));
        assert_int_equal(wend_base64_decode(wend_bytes_of_text(text), back, 8), plain.len);
        assert_memory_equal(back, plain.at, plain.len);
        assert_string_equal(wend_base64url_encode(plain, text), vectors[i][2]);
        assert_int_equal(strlen(text) + 1, WEND_BASE64URL_SIZE(plain.len));
        assert_int_equal(wend_base64url_decode(wend_bytes_of_text(text), back, 8), plain.len);
        assert_memory_equal(back, plain.at, plain.len);
    }
}

static ssize_t decode(const char *text)
{
    uint8_t out[16];
    return wend_base64_decode(wend_bytes_of_text(text), out, sizeof(out));
}

static ssize_t decode_url(const char *text)
{
    uint8_t out[16];
    return wend_base64url_decode(wend_bytes_of_text(text), out, sizeof(out));
}

static void refuses_everything_else(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "Zg",   "Zg=",  "Zg===", "Zg====", "Z===",       "====",     "=",        "Zm8",
        "Zh==", "Zm9=", "Zm9v ", " Zm9v",  "Zm9v\n",     "Zm9v====", "Zg==Zg==", "Z=g=",
        "Zm-v", "Zm_v", "Zm9v=", "Zm!v",   "Zm\xc3\xa9", "Zm9vZ",    "\x80mm9",  "@AAA",
        "[AAA", "`AAA", "{AAA",  ":AAA",   "Zm9vYg=A",
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        assert_int_equal(decode(bad[i]), -EINVAL);
    static const char *const bad_url[] = {
        "Z", "Zh", "Zm9", "Zg==", "Zm8=", "Zm+v", "Zm/v", "Zm9vZ"};
    for (size_t i = 0; i < sizeof(bad_url) / sizeof(*bad_url); i++)
        assert_int_equal(decode_url(bad_url[i]), -EINVAL);
    assert_int_equal(
        wend_base64_decode((struct wend_bytes){(const uint8_t *)"Zm9\0", 4}, (uint8_t[3]){0}, 3),
        -EINVAL);
}

static void a_full_output_is_refused(void **state)
{
    (void)state;
    uint8_t out[3] = {1, 2, 3};
    assert_int_equal(wend_base64_decode(wend_bytes_of_text("Zm9v"), out, 2), -ENOSPC);
    assert_int_equal(out[0], 1);
    assert_int_equal(wend_base64_decode(wend_bytes_of_text("Zm8="), out, 2), 2);
    assert_int_equal(out[2], 3);
    assert_int_equal(wend_base64_decode(wend_bytes_of_text("Zm!v"), out, 3), -EINVAL);
    assert_int_equal(out[0] | out[1] | out[2], 0);
}

// Every pair of letters either is the text of a byte, and then of one alone, or is refused.
static void one_value_has_one_text(void **state)
{
    (void)state;
    unsigned accepted = 0;
    for (unsigned pair = 0; pair < 65536; pair++) {
        const uint8_t text[2] = {(uint8_t)(pair >> 8), (uint8_t)pair};
        uint8_t value;
        if (wend_base64url_decode(WEND_BYTES(text), &value, 1) < 0)
            continue;
        char again[3];
        wend_base64url_encode((struct wend_bytes){&value, 1}, again);
        assert_memory_equal(again, text, 2);
        accepted++;
    }
    assert_int_equal(accepted, 256);
}

static bool name(const char *text)
{
    return wend_name_is_valid(wend_bytes_of_text(text));
}

static void names_are_labels(void **state)
{
    (void)state;
    char longest[65];
    memset(longest, 'a', 64);
    longest[64] = 0;
    assert_false(name(longest));
    longest[63] = 0;
    assert_true(name(longest));
    assert_true(name("a") && name("0") && name("laptop") && name("my-phone-2") && name("3com"));
    assert_true(name("xn--bcher-kva") && name("a--b"));
    assert_false(name("") || name("-") || name("-a") || name("a-") || name("A") || name("a_b"));
    assert_false(name("a.b") || name("a b") || name("b\xc3\xbc") || name("a\n") || name("{"));
    assert_false(wend_name_is_valid((struct wend_bytes){(const uint8_t *)"a\0b", 3}));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gives_rfc_4648_vectors_both_ways),
        cmocka_unit_test(refuses_everything_else),
        cmocka_unit_test(a_full_output_is_refused),
        cmocka_unit_test(one_value_has_one_text),
        cmocka_unit_test(names_are_labels),
    };
    return cmocka_run_group_tests_name("text", tests, NULL, NULL);
}
