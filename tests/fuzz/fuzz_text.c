// SPDX-License-Identifier: MIT
// Text that people type: addresses, prefixes, base64, names. What is accepted is written again and
// read again to the same value; for base64 it must even be the same text.
#include <errno.h>

#include "base/address.h"
#include "base/text.h"
#include "fuzz.h"

#define TEXT_MAX 512

static void check_address(const char *text, uint16_t default_port)
{
    char again[WEND_ADDRESS_TEXT_LEN];
    struct wend_address a;
    struct wend_address b;
    const int result = wend_address_parse(text, default_port, &a);
    wend_assert(result == 0 || result == -EINVAL);
    if (result != 0)
        return;
    wend_assert(a.family == WEND_FAMILY_IPV4 || a.family == WEND_FAMILY_IPV6);
    wend_assert(wend_address_parse(wend_address_format(&a, again), 0, &b) == 0);
    wend_assert(wend_address_equal(&a, &b) && wend_address_same_ip(&a, &b));
    if (wend_address_is_usable(&a))
        wend_assert(a.port != 0);
}

static void check_prefix(const char *text)
{
    char again[WEND_ADDRESS_TEXT_LEN];
    struct wend_prefix p;
    struct wend_prefix q;
    const int result = wend_prefix_parse(text, &p);
    wend_assert(result == 0 || result == -EINVAL);
    if (result != 0)
        return;
    wend_assert(wend_prefix_parse(wend_prefix_format(&p, again), &q) == 0);
    wend_assert(p.family == q.family && p.bits == q.bits && memcmp(p.ip, q.ip, 16) == 0);
    struct wend_address base = {.family = p.family};
    memcpy(base.ip, p.ip, sizeof base.ip);
    wend_assert(wend_prefix_contains(&p, &base));
}

static void check_base64(struct wend_bytes text)
{
    uint8_t value[TEXT_MAX];
    char again[TEXT_MAX + 8];
    const ssize_t len = wend_base64_decode(text, value, sizeof value);
    if (len >= 0) {
        wend_base64_encode((struct wend_bytes){value, (size_t)len}, again);
        wend_assert(wend_bytes_equal(wend_bytes_of_text(again), text));
    }
    const ssize_t url_len = wend_base64url_decode(text, value, sizeof value);
    if (url_len >= 0) {
        wend_base64url_encode((struct wend_bytes){value, (size_t)url_len}, again);
        wend_assert(wend_bytes_equal(wend_bytes_of_text(again), text));
    }
}

// Any value survives being written and read; the room for it is just enough, and one less is not.
static void check_any_value(struct wend_bytes value)
{
    char text[WEND_BASE64_SIZE(TEXT_MAX)];
    uint8_t again[TEXT_MAX];
    const struct wend_bytes padded = wend_bytes_of_text(wend_base64_encode(value, text));
    wend_assert(wend_base64_decode(padded, again, value.len) == (ssize_t)value.len);
    wend_assert(wend_bytes_equal((struct wend_bytes){again, value.len}, value));
    if (value.len > 0)
        wend_assert(wend_base64_decode(padded, again, value.len - 1) == -ENOSPC);
    const struct wend_bytes bare = wend_bytes_of_text(wend_base64url_encode(value, text));
    wend_assert(wend_base64url_decode(bare, again, value.len) == (ssize_t)value.len);
    wend_assert(wend_bytes_equal((struct wend_bytes){again, value.len}, value));
}

static void check_name(struct wend_bytes text)
{
    if (!wend_name_is_valid(text))
        return;
    wend_assert(text.len >= 1 && text.len <= WEND_NAME_LEN_MAX);
    wend_assert(text.at[0] != '-' && text.at[text.len - 1] != '-');
    wend_assert(memchr(text.at, '.', text.len) == NULL && memchr(text.at, 0, text.len) == NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > TEXT_MAX)
        return 0;
    const struct wend_bytes in = {data, size};
    char text[TEXT_MAX + 1] = {0};
    if (size > 0)
        memcpy(text, data, size);
    check_address(text, 0);
    check_address(text, 3478);
    check_prefix(text);
    check_base64(in);
    check_any_value(in);
    check_name(in);
    return 0;
}
