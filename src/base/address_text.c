// SPDX-License-Identifier: MIT
// Addresses as text: RFC 4291 section 2.2 in, RFC 5952 out. Strict where programs disagree: a
// number of an IPv4 address has no leading zeros (some read them as octal), no zone, no names.
#include "base/address.h"

#include "base/bytes.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

struct slice {
    const char *at;
    size_t left;
};

static bool take(struct slice *s, char c)
{
    if (s->left == 0 || *s->at != c)
        return false;
    s->at++;
    s->left--;
    return true;
}

// Takes a decimal number up to `max` without leading zeros.
static bool take_number(struct slice *s, unsigned max, unsigned *ret)
{
    const struct slice start = *s;
    unsigned value = 0;
    while (s->left > 0 && *s->at >= '0' && *s->at <= '9') {
        value = value * 10 + (unsigned)(*s->at - '0');
        if (value > max)
            return false;
        s->at++;
        s->left--;
    }
    const size_t digits = start.left - s->left;
    *ret = value;
    return digits == 1 || (digits > 1 && *start.at != '0');
}

static bool read_ipv4(struct slice s, uint8_t ret[static 4])
{
    for (int i = 0; i < 4; i++) {
        unsigned number;
        if ((i > 0 && !take(&s, '.')) || !take_number(&s, 255, &number))
            return false;
        ret[i] = (uint8_t)number;
    }
    return s.left == 0;
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

// Takes one to four hexadecimal digits.
static bool take_group(struct slice *s, uint8_t ret[static 2])
{
    unsigned value = 0;
    size_t digits = 0;
    for (; s->left > 0 && hex_value(*s->at) >= 0; digits++, s->at++, s->left--) {
        if (digits == 4)
            return false;
        value = value << 4 | (unsigned)hex_value(*s->at);
    }
    wend_put_u16(ret, (uint16_t)value);
    return digits > 0;
}

// An IPv6 address being read: the bytes so far, and where "::" stood.
struct ipv6_text {
    uint8_t ip[16];
    size_t len;
    size_t gap;
    bool has_gap;
};

// Takes what follows a group: the end, ":" and another group, or "::".
static bool take_separator(struct slice *s, struct ipv6_text *t)
{
    if (s->left == 0)
        return true;
    if (!take(s, ':') || s->left == 0)
        return false;
    if (!take(s, ':'))
        return true;
    const bool first = !t->has_gap;
    t->has_gap = true;
    t->gap = t->len;
    return first;
}

static bool read_ipv6_parts(struct slice s, struct ipv6_text *t)
{
    if (s.left >= 2 && s.at[0] == ':' && s.at[1] == ':') {
        s = (struct slice){s.at + 2, s.left - 2};
        t->has_gap = true;
    }
    while (s.left > 0) {
        if (t->len <= 12 && read_ipv4(s, t->ip + t->len)) {
            t->len += 4;
            return true;
        }
        if (t->len == 16 || !take_group(&s, t->ip + t->len))
            return false;
        t->len += 2;
        if (!take_separator(&s, t))
            return false;
    }
    return true;
}

static bool read_ipv6(struct slice s, uint8_t ret[static 16])
{
    struct ipv6_text t = {.len = 0};
    if (!read_ipv6_parts(s, &t))
        return false;
    if (t.has_gap ? t.len == 16 : t.len != 16) // "::" stands for at least one group
        return false;
    memset(ret, 0, 16);
    memcpy(ret, t.ip, t.gap);
    memcpy(ret + 16 - (t.len - t.gap), t.ip + t.gap, t.len - t.gap);
    return true;
}

static int read_port(struct slice s, uint16_t default_port, uint16_t *ret)
{
    unsigned port = default_port;
    if (s.left > 0 && (!take(&s, ':') || !take_number(&s, 65535, &port) || s.left > 0))
        return -EINVAL;
    *ret = (uint16_t)port;
    return 0;
}

static size_t find_char(struct slice s, char c)
{
    const char *at = memchr(s.at, c, s.left);
    return at == NULL ? s.left : (size_t)(at - s.at);
}

int wend_address_parse(const char *text, uint16_t default_port, struct wend_address *ret)
{
    struct slice rest = {text, strlen(text)};
    struct wend_address a = {.family = WEND_FAMILY_IPV6};
    bool ok;
    if (read_ipv6(rest, a.ip)) {
        rest = (struct slice){text, 0};
        ok = true;
    } else if (take(&rest, '[')) {
        const size_t end = find_char(rest, ']');
        ok = end < rest.left && read_ipv6((struct slice){rest.at, end}, a.ip);
        rest = ok ? (struct slice){rest.at + end + 1, rest.left - end - 1} : rest;
    } else {
        const size_t end = find_char(rest, ':');
        a = (struct wend_address){.family = WEND_FAMILY_IPV4};
        ok = read_ipv4((struct slice){rest.at, end}, a.ip);
        rest = (struct slice){rest.at + end, rest.left - end};
    }
    if (!ok || read_port(rest, default_port, &a.port) != 0)
        return -EINVAL;
    *ret = a;
    return 0;
}

static size_t family_bits(uint8_t family)
{
    return family == WEND_FAMILY_IPV4 ? 32 : 128;
}

static bool host_bits_are_zero(const struct wend_prefix *p)
{
    for (size_t bit = p->bits; bit < family_bits(p->family); bit++)
        if (p->ip[bit / 8] >> (7 - bit % 8) & 1)
            return false;
    return true;
}

int wend_prefix_parse(const char *text, struct wend_prefix *ret)
{
    struct slice rest = {text, strlen(text)};
    const struct slice ip = {text, find_char(rest, '/')};
    struct wend_prefix p = {.family = WEND_FAMILY_IPV4};
    if (!read_ipv4(ip, p.ip)) {
        p = (struct wend_prefix){.family = WEND_FAMILY_IPV6};
        if (!read_ipv6(ip, p.ip))
            return -EINVAL;
    }
    rest = (struct slice){rest.at + ip.left, rest.left - ip.left};
    unsigned bits;
    if (!take(&rest, '/') || !take_number(&rest, (unsigned)family_bits(p.family), &bits) ||
        rest.left > 0)
        return -EINVAL;
    p.bits = (uint8_t)bits;
    if (!host_bits_are_zero(&p))
        return -EINVAL;
    *ret = p;
    return 0;
}

// The longest run of at least two zero groups, the first of equals (RFC 5952 section 4.2).
static void find_zero_run(const uint8_t ip[static 16], size_t *ret_first, size_t *ret_count)
{
    *ret_first = 0;
    *ret_count = 0;
    for (size_t i = 0; i < 8; i++) {
        size_t n = 0;
        while (i + n < 8 && wend_get_u16(ip + 2 * (i + n)) == 0)
            n++;
        if (n >= 2 && n > *ret_count) {
            *ret_first = i;
            *ret_count = n;
        }
    }
}

// Writes the address alone and returns its length.
static size_t write_ip(uint8_t family, const uint8_t ip[static 16], char *ret, size_t size)
{
    if (family == WEND_FAMILY_IPV4)
        return (size_t)snprintf(ret, size, "%d.%d.%d.%d", ip[0], ip[1], ip[2], ip[3]);
    size_t first, count, len = 0;
    find_zero_run(ip, &first, &count);
    const bool mapped = first == 0 && count == 5 && wend_get_u16(ip + 10) == 0xffff;
    if (mapped) // section 5: a well-known prefix shows the IPv4 address inside
        return (size_t)snprintf(ret, size, "::ffff:%d.%d.%d.%d", ip[12], ip[13], ip[14], ip[15]);
    for (size_t i = 0; i < 8; i++) {
        if (count > 0 && i == first) {
            len += (size_t)snprintf(ret + len, size - len, "::");
            i += count - 1;
            continue;
        }
        const char *colon = i == 0 || (count > 0 && i == first + count) ? "" : ":";
        len += (size_t)snprintf(ret + len, size - len, "%s%x", colon, wend_get_u16(ip + 2 * i));
    }
    return len;
}

char *wend_address_format(const struct wend_address *a, char ret[static WEND_ADDRESS_TEXT_LEN])
{
    char ip[WEND_ADDRESS_TEXT_LEN] = "none";
    if (a->family != WEND_FAMILY_NONE)
        write_ip(a->family, a->ip, ip, sizeof(ip));
    const bool brackets = a->family == WEND_FAMILY_IPV6;
    snprintf(ret, WEND_ADDRESS_TEXT_LEN, "%s%.45s%s:%u", brackets ? "[" : "", ip,
             brackets ? "]" : "", (unsigned)a->port);
    return ret;
}

char *wend_address_format_ip(const struct wend_address *a, char ret[static WEND_ADDRESS_TEXT_LEN])
{
    snprintf(ret, WEND_ADDRESS_TEXT_LEN, "none");
    if (a->family != WEND_FAMILY_NONE)
        write_ip(a->family, a->ip, ret, WEND_ADDRESS_TEXT_LEN);
    return ret;
}

char *wend_prefix_format(const struct wend_prefix *p, char ret[static WEND_ADDRESS_TEXT_LEN])
{
    char ip[WEND_ADDRESS_TEXT_LEN] = "none";
    if (p->family != WEND_FAMILY_NONE)
        write_ip(p->family, p->ip, ip, sizeof(ip));
    snprintf(ret, WEND_ADDRESS_TEXT_LEN, "%.45s/%u", ip, (unsigned)p->bits);
    return ret;
}
