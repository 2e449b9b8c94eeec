// SPDX-License-Identifier: MIT
// Just enough of an inner IP packet to route it: version, length, addresses, next protocol.
//
// The data path asks this of every packet, twice, so the reader is inline and copies nothing. It
// checks that the headers it reads are there and that the packet is not longer than its bytes; it
// checks no checksum and walks no extension header.
#ifndef WEND_WIRE_IP_H
#define WEND_WIRE_IP_H

#include "base/address.h"
#include "base/bytes.h"

#define WEND_IPV4_HEADER_LEN 20 // without options
#define WEND_IPV6_HEADER_LEN 40

struct wend_ip {
    uint8_t version;            // 4 or 6
    uint8_t protocol;           // IPv6: of the first header after the fixed one
    uint8_t header_len;         // bytes, with IPv4 options
    uint8_t address_len;        // bytes: 4 or 16
    size_t len;                 // bytes of the packet; what lies after them is padding
    const uint8_t *source;      // into the packet
    const uint8_t *destination; // into the packet
};

static inline bool wend_ip_read_ipv4(struct wend_bytes in, struct wend_ip *ret)
{
    if (in.len < WEND_IPV4_HEADER_LEN)
        return false;
    const size_t header_len = (size_t)(in.at[0] & 15) * 4;
    const size_t len = wend_get_u16(in.at + 2);
    if (header_len < WEND_IPV4_HEADER_LEN || len < header_len || len > in.len)
        return false;
    *ret = (struct wend_ip){.version = 4,
                            .protocol = in.at[9],
                            .header_len = (uint8_t)header_len,
                            .address_len = 4,
                            .len = len,
                            .source = in.at + 12,
                            .destination = in.at + 16};
    return true;
}

static inline bool wend_ip_read_ipv6(struct wend_bytes in, struct wend_ip *ret)
{
    if (in.len < WEND_IPV6_HEADER_LEN)
        return false;
    const size_t len = WEND_IPV6_HEADER_LEN + (size_t)wend_get_u16(in.at + 4);
    if (len > in.len)
        return false;
    *ret = (struct wend_ip){.version = 6,
                            .protocol = in.at[6],
                            .header_len = WEND_IPV6_HEADER_LEN,
                            .address_len = 16,
                            .len = len,
                            .source = in.at + 8,
                            .destination = in.at + 24};
    return true;
}

// Returns false if this is no IPv4 or IPv6 packet, or one cut short; then `ret` is untouched.
static inline bool wend_ip_read(struct wend_bytes in, struct wend_ip *ret)
{
    if (in.len == 0)
        return false;
    switch (in.at[0] >> 4) {
    case 4: return wend_ip_read_ipv4(in, ret);
    case 6: return wend_ip_read_ipv6(in, ret);
    default: return false;
    }
}

// The packet's addresses in the form of the other rooms; port 0.
struct wend_address wend_ip_source(const struct wend_ip *ip);
struct wend_address wend_ip_destination(const struct wend_ip *ip);

#endif
