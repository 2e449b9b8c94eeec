// SPDX-License-Identifier: MIT
#include "wire/mss.h"

#include "base/bytes.h"
#include "wire/checksum.h"
#include "wire/ip.h"

enum { PROTOCOL_TCP = 6, TCP_LEN = 20, TCP_CHECK = 16, TCP_SYN = 0x02 };
enum { V4_FRAGMENT = 0x3fff }; // more fragments, or an offset
enum { OPTION_END = 0, OPTION_NOP = 1, OPTION_MSS = 2, OPTION_MSS_LEN = 4 };

// Where the MSS option's value stands among the options, or 0.
static size_t find_mss(const uint8_t *tcp, size_t header_len)
{
    size_t at = TCP_LEN;
    while (at < header_len && tcp[at] != OPTION_END) {
        if (tcp[at] == OPTION_NOP) {
            at++;
            continue;
        }
        if (header_len - at < 2 || tcp[at + 1] < 2 || tcp[at + 1] > header_len - at)
            return 0;
        if (tcp[at] == OPTION_MSS)
            return tcp[at + 1] == OPTION_MSS_LEN ? at + 2 : 0;
        at += tcp[at + 1];
    }
    return 0;
}

static uint16_t swapped(uint16_t v)
{
    return (uint16_t)((unsigned)v << 8 | (unsigned)v >> 8);
}

// RFC 1624 section 3, equation 3: HC' = ~(~HC + ~m + m'). A number at an odd offset counts with its
// bytes swapped (RFC 1071 section 2(B)).
static void replace(uint8_t *tcp, size_t at, uint16_t new)
{
    const uint16_t old = wend_get_u16(tcp + at);
    const bool odd = at % 2 != 0;
    uint64_t sum = wend_checksum_add_u16(0, (uint16_t)~wend_get_u16(tcp + TCP_CHECK));
    sum = wend_checksum_remove_u16(sum, odd ? swapped(old) : old);
    sum = wend_checksum_add_u16(sum, odd ? swapped(new) : new);
    wend_put_u16(tcp + TCP_CHECK, (uint16_t)~wend_checksum_fold(sum));
    wend_put_u16(tcp + at, new);
}

bool wend_mss_clamp(uint8_t *packet, size_t len, uint16_t mtu)
{
    struct wend_ip ip;
    if (!wend_ip_read((struct wend_bytes){packet, len}, &ip) || ip.protocol != PROTOCOL_TCP)
        return false;
    if (ip.version == 4 && (wend_get_u16(packet + 6) & V4_FRAGMENT) != 0)
        return false;
    uint8_t *const tcp = packet + ip.header_len;
    const size_t left = ip.len - ip.header_len;
    if (left < TCP_LEN || (tcp[13] & TCP_SYN) == 0)
        return false;
    const size_t header_len = (size_t)(tcp[12] >> 4) * 4;
    const uint16_t headers =
        (uint16_t)(TCP_LEN + (ip.version == 4 ? WEND_IPV4_HEADER_LEN : WEND_IPV6_HEADER_LEN));
    if (header_len < TCP_LEN || header_len > left || mtu <= headers)
        return false;
    const size_t at = find_mss(tcp, header_len);
    if (at == 0 || wend_get_u16(tcp + at) <= mtu - headers)
        return false;
    replace(tcp, at, (uint16_t)(mtu - headers));
    return true;
}
