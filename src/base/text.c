// SPDX-License-Identifier: MIT
#include "base/text.h"

#include <errno.h>

// What an alphabet has for 62 and 63; the other 62 characters are the same in both.
struct alphabet {
    int c62, c63;
    bool padded;
};

static const struct alphabet STANDARD = {'+', '/', true};
static const struct alphabet URL = {'-', '_', false};

// All ones when a <= v <= b, else zero; the values are small.
static int mask_between(int v, int a, int b)
{
    return ~((v - a) >> 31 | (b - v) >> 31);
}

static char letter_of(const struct alphabet *a, unsigned value)
{
    const int v = (int)(value & 63);
    int c = mask_between(v, 0, 25) & (v + 'A');
    c |= mask_between(v, 26, 51) & (v - 26 + 'a');
    c |= mask_between(v, 52, 61) & (v - 52 + '0');
    c |= mask_between(v, 62, 62) & a->c62;
    c |= mask_between(v, 63, 63) & a->c63;
    return (char)c;
}

// The value of a letter, or a negative number.
static int value_of(const struct alphabet *a, uint8_t letter)
{
    const int c = letter;
    int v = -1;
    v += mask_between(c, 'A', 'Z') & (c - 'A' + 1);
    v += mask_between(c, 'a', 'z') & (c - 'a' + 27);
    v += mask_between(c, '0', '9') & (c - '0' + 53);
    v += mask_between(c, a->c62, a->c62) & 63;
    v += mask_between(c, a->c63, a->c63) & 64;
    return v;
}

static char *encode(const struct alphabet *a, struct wend_bytes in, char *ret)
{
    char *out = ret;
    for (size_t i = 0; i < in.len; i += 3) {
        const size_t n = in.len - i < 3 ? in.len - i : 3;
        unsigned group = (unsigned)in.at[i] << 16;
        group |= n > 1 ? (unsigned)in.at[i + 1] << 8 : 0;
        group |= n > 2 ? in.at[i + 2] : 0;
        for (size_t k = 0; k <= n; k++)
            *out++ = letter_of(a, group >> (18 - 6 * k));
        for (size_t k = n + 1; a->padded && k < 4; k++)
            *out++ = '=';
    }
    *out = 0;
    return ret;
}

char *wend_base64_encode(struct wend_bytes in, char *ret)
{
    return encode(&STANDARD, in, ret);
}

char *wend_base64url_encode(struct wend_bytes in, char *ret)
{
    return encode(&URL, in, ret);
}

// Takes the padding off. False when it is not what the length demands.
static bool strip_padding(const struct alphabet *a, struct wend_bytes *text)
{
    if (a->padded) {
        if (text->len % 4 != 0)
            return false;
        for (int i = 0; i < 2 && text->len > 0 && text->at[text->len - 1] == '='; i++)
            text->len--;
    }
    return text->len % 4 != 1;
}

// Writes the bytes of 2 to 4 letters. Returns a negative number if they are not canonical.
static int decode_group(const struct alphabet *a, const uint8_t *letters, size_t n, uint8_t *ret)
{
    unsigned group = 0;
    int bad = 0;
    for (size_t k = 0; k < n; k++) {
        const int v = value_of(a, letters[k]);
        bad |= v;
        group |= ((unsigned)v & 63) << (18 - 6 * k);
    }
    for (size_t k = 0; k + 1 < n; k++) {
        ret[k] = (uint8_t)(group >> 16);
        group = group << 8 & 0xffffff;
    }
    return bad | (group != 0 ? -1 : 0);
}

static ssize_t decode(const struct alphabet *a, struct wend_bytes text, uint8_t *ret,
                      size_t capacity)
{
    if (!strip_padding(a, &text))
        return -EINVAL;
    const size_t len = text.len / 4 * 3 + (text.len % 4 == 0 ? 0 : text.len % 4 - 1);
    if (len > capacity)
        return -ENOSPC;
    int bad = 0;
    for (size_t i = 0, at = 0; i < text.len; i += 4, at += 3) {
        const size_t n = text.len - i < 4 ? text.len - i : 4;
        bad |= decode_group(a, text.at + i, n, ret + at);
    }
    if (bad < 0 && len > 0)
        memset(ret, 0, len);
    return bad < 0 ? -EINVAL : (ssize_t)len;
}

ssize_t wend_base64_decode(struct wend_bytes text, uint8_t *ret, size_t capacity)
{
    return decode(&STANDARD, text, ret, capacity);
}

ssize_t wend_base64url_decode(struct wend_bytes text, uint8_t *ret, size_t capacity)
{
    return decode(&URL, text, ret, capacity);
}

static bool is_name_letter(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
}

bool wend_name_is_valid(struct wend_bytes name)
{
    if (name.len < 1 || name.len > WEND_NAME_LEN_MAX)
        return false;
    for (size_t i = 0; i < name.len; i++)
        if (!is_name_letter(name.at[i]))
            return false;
    return name.at[0] != '-' && name.at[name.len - 1] != '-';
}
