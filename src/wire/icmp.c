// SPDX-License-Identifier: MIT
#include "wire/icmp.h"

#include <string.h>

#include "wire/checksum.h"
#include "wire/ip.h"

enum { PROTOCOL_ICMP = 1, PROTOCOL_ICMPV6 = 58, HEADER_LEN = 8, HOP_LIMIT = 64 };
enum { V4_UNREACHABLE = 3, V4_NET = 0, V4_FRAGMENTATION_NEEDED = 4, V4_LEN_MAX = 576 };
enum { V6_UNREACHABLE = 1, V6_NO_ROUTE = 0, V6_TOO_BIG = 2 };
enum { V4_DONT_FRAGMENT = 0x4000, V4_OFFSET = 0x1fff };
enum { V4_PRECEDENCE = 0xc0 }; // internetwork control, RFC 1812 section 4.3.2.5

// ---- Whether one is due ----

// RFC 1122 section 3.2.2.1 to 3.2.2.6: errors and redirects; the rest asks or answers.
static bool is_error_v4(uint8_t type)
{
    return type == 3 || type == 4 || type == 5 || type == 11 || type == 12;
}

static bool is_due_v4(struct wend_bytes packet, const struct wend_ip *ip)
{
    const uint8_t *from = ip->source, *to = ip->destination;
    if ((wend_get_u16(packet.at + 6) & V4_OFFSET) != 0)
        return false;
    if (from[0] == 0 || from[0] == 127 || from[0] >= 224 || to[0] >= 224)
        return false;
    if (ip->protocol != PROTOCOL_ICMP)
        return true;
    return ip->len > ip->header_len && !is_error_v4(packet.at[ip->header_len]);
}

// Extension headers are not walked: an error behind one is not seen as such, and the caller's rate
// is what bounds the answers.
static bool is_due_v6(struct wend_bytes packet, const struct wend_ip *ip)
{
    static const uint8_t unspecified[16];
    if (ip->source[0] == 0xff || memcmp(ip->source, unspecified, 16) == 0 ||
        ip->destination[0] == 0xff)
        return false;
    if (ip->protocol != PROTOCOL_ICMPV6)
        return true;
    return ip->len > ip->header_len && packet.at[ip->header_len] >= 128; // no error
}

bool wend_icmp_is_too_big(struct wend_bytes packet, size_t len, uint16_t mtu)
{
    if (packet.at[0] >> 4 == 6)
        return len > mtu && len > WEND_ICMP_MTU_IPV6;
    return len > mtu && len > WEND_ICMP_MTU_IPV4 &&
           (wend_get_u16(packet.at + 6) & V4_DONT_FRAGMENT) != 0;
}

// ---- Writing ----

static uint16_t checksum(uint64_t sum, const uint8_t *at, size_t len)
{
    return (uint16_t)~wend_checksum_fold(wend_checksum_add(sum, at, len));
}

static size_t quote(struct wend_bytes packet, size_t room, uint8_t *to)
{
    const size_t len = packet.len < room ? packet.len : room;
    memcpy(to, packet.at, len);
    return len;
}

static size_t answer_v4(struct wend_bytes packet, const struct wend_ip *ip,
                        enum wend_icmp_kind kind, uint16_t mtu, uint8_t *to)
{
    uint8_t *const icmp = to + WEND_IPV4_HEADER_LEN;
    memset(to, 0, WEND_IPV4_HEADER_LEN + HEADER_LEN);
    const size_t quoted =
        quote(packet, V4_LEN_MAX - WEND_IPV4_HEADER_LEN - HEADER_LEN, icmp + HEADER_LEN);
    const size_t len = WEND_IPV4_HEADER_LEN + HEADER_LEN + quoted;
    to[0] = 0x45;
    to[1] = V4_PRECEDENCE;
    wend_put_u16(to + 2, (uint16_t)len);
    to[8] = HOP_LIMIT;
    to[9] = PROTOCOL_ICMP;
    memcpy(to + 12, ip->destination, 4);
    memcpy(to + 16, ip->source, 4);
    wend_put_u16(to + 10, checksum(0, to, WEND_IPV4_HEADER_LEN));
    icmp[0] = V4_UNREACHABLE;
    icmp[1] = kind == WEND_ICMP_TOO_BIG ? V4_FRAGMENTATION_NEEDED : V4_NET;
    if (kind == WEND_ICMP_TOO_BIG)
        wend_put_u16(icmp + 6, mtu < WEND_ICMP_MTU_IPV4 ? WEND_ICMP_MTU_IPV4 : mtu);
    wend_put_u16(icmp + 2, checksum(0, icmp, HEADER_LEN + quoted));
    return len;
}

static size_t answer_v6(struct wend_bytes packet, const struct wend_ip *ip,
                        enum wend_icmp_kind kind, uint16_t mtu, uint8_t *to)
{
    uint8_t *const icmp = to + WEND_IPV6_HEADER_LEN;
    memset(to, 0, WEND_IPV6_HEADER_LEN + HEADER_LEN);
    const size_t quoted =
        quote(packet, WEND_ICMP_MAX - WEND_IPV6_HEADER_LEN - HEADER_LEN, icmp + HEADER_LEN);
    to[0] = 0x60;
    wend_put_u16(to + 4, (uint16_t)(HEADER_LEN + quoted));
    to[6] = PROTOCOL_ICMPV6;
    to[7] = HOP_LIMIT;
    memcpy(to + 8, ip->destination, 16);
    memcpy(to + 24, ip->source, 16);
    icmp[0] = kind == WEND_ICMP_TOO_BIG ? V6_TOO_BIG : V6_UNREACHABLE;
    icmp[1] = kind == WEND_ICMP_TOO_BIG ? 0 : V6_NO_ROUTE;
    if (kind == WEND_ICMP_TOO_BIG)
        wend_put_u32(icmp + 4, mtu < WEND_ICMP_MTU_IPV6 ? WEND_ICMP_MTU_IPV6 : mtu);
    uint64_t sum = wend_checksum_pseudo(to, PROTOCOL_ICMPV6);
    sum = wend_checksum_add_u16(sum, (uint16_t)(HEADER_LEN + quoted));
    wend_put_u16(icmp + 2, checksum(sum, icmp, HEADER_LEN + quoted));
    return WEND_IPV6_HEADER_LEN + HEADER_LEN + quoted;
}

size_t wend_icmp_answer(struct wend_bytes packet, enum wend_icmp_kind kind, uint16_t mtu,
                        uint8_t to[static WEND_ICMP_MAX])
{
    struct wend_ip ip;
    if (kind == WEND_ICMP_NONE || !wend_ip_read(packet, &ip))
        return 0;
    packet.len = ip.len;
    if (ip.version == 4)
        return is_due_v4(packet, &ip) ? answer_v4(packet, &ip, kind, mtu, to) : 0;
    return is_due_v6(packet, &ip) ? answer_v6(packet, &ip, kind, mtu, to) : 0;
}
