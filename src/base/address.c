// SPDX-License-Identifier: MIT
#include "base/address.h"

#include "base/bytes.h"

#include <stddef.h>
#include <string.h>

static size_t ip_len(uint8_t family)
{
    return family == WEND_FAMILY_IPV4 ? 4 : family == WEND_FAMILY_IPV6 ? 16 : 0;
}

// Copies of an address are stored as 16 and 4 bytes. A load that reaches over both parts of what
// was just stored waits until they are in the cache, so an IP address is compared in pieces that do
// not.
_Static_assert(offsetof(struct wend_address, ip) == 4,
               "the second piece begins at 8, the last at 16");

static bool same_bytes(const uint8_t a[static 16], const uint8_t b[static 16])
{
    uint32_t first[2], last[2];
    uint64_t middle[2];

    memcpy(&first[0], a, 4);
    memcpy(&first[1], b, 4);
    memcpy(&middle[0], a + 4, 8);
    memcpy(&middle[1], b + 4, 8);
    memcpy(&last[0], a + 12, 4);
    memcpy(&last[1], b + 12, 4);
    return first[0] == first[1] && middle[0] == middle[1] && last[0] == last[1];
}

bool wend_address_same_ip(const struct wend_address *a, const struct wend_address *b)
{
    return a->family == b->family && same_bytes(a->ip, b->ip);
}

bool wend_address_equal(const struct wend_address *a, const struct wend_address *b)
{
    return a->family == b->family && a->port == b->port && same_bytes(a->ip, b->ip);
}

struct wend_address wend_address_ipv4(uint32_t ip, uint16_t port)
{
    struct wend_address a = {.family = WEND_FAMILY_IPV4, .port = port};
    wend_put_u32(a.ip, ip);
    return a;
}

static bool ipv4_is_usable(const uint8_t ip[static 4])
{
    if (ip[0] == 0 || ip[0] == 127) // "this" network, RFC 1122 section 3.2.1.3; loopback
        return false;
    if (ip[0] >= 224 && ip[0] <= 239) // multicast
        return false;
    return wend_get_u32(ip) != 0xffffffff; // limited broadcast
}

static bool ipv6_is_usable(const uint8_t ip[static 16])
{
    static const uint8_t zeros[15];
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    if (memcmp(ip, mapped, sizeof(mapped)) == 0)
        return ipv4_is_usable(ip + 12);
    if (memcmp(ip, zeros, sizeof(zeros)) == 0 && ip[15] <= 1) // :: and ::1
        return false;
    if (ip[0] == 0xff) // multicast
        return false;
    return !(ip[0] == 0xfe && (ip[1] & 0xc0) == 0x80); // link-local
}

bool wend_address_is_usable(const struct wend_address *a)
{
    if (a->port == 0)
        return false;
    if (a->family == WEND_FAMILY_IPV4)
        return ipv4_is_usable(a->ip);
    return a->family == WEND_FAMILY_IPV6 && ipv6_is_usable(a->ip);
}

bool wend_prefix_contains(const struct wend_prefix *p, const struct wend_address *a)
{
    if (p->family != a->family || ip_len(p->family) == 0 || p->bits > 8 * ip_len(p->family))
        return false;
    const size_t whole = p->bits / 8;
    const unsigned rest = p->bits % 8;
    if (memcmp(p->ip, a->ip, whole) != 0)
        return false;
    return rest == 0 || ((p->ip[whole] ^ a->ip[whole]) >> (8 - rest)) == 0;
}
