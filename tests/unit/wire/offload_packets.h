// SPDX-License-Identifier: MIT
// Packets for the tests of offload: a maker of correct TCP and UDP packets, and a second, simple
// opinion on their checksums. Include after cmocka.
#ifndef WEND_TEST_OFFLOAD_PACKETS_H
#define WEND_TEST_OFFLOAD_PACKETS_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "wire/offload.h"

#define FIN 0x01
#define SYN 0x02
#define PSH 0x08
#define ACK 0x10
#define CWR 0x80

// ---- A second opinion on checksums: sixteen bits at a time, as RFC 1071 writes it ----

static inline uint32_t reference_sum(const uint8_t *at, size_t len)
{
    uint32_t sum = 0;
    for (size_t i = 0; i < len; i++)
        sum += i % 2 == 0 ? (uint32_t)at[i] << 8 : at[i];
    while (sum > 0xffff)
        sum = (sum >> 16) + (sum & 0xffff);
    return sum;
}

static inline uint32_t reference_transport_sum(const uint8_t *ip, size_t len)
{
    uint8_t buffer[40 + WEND_PACKET_MAX];
    const bool v4 = ip[0] >> 4 == 4;
    const size_t ip_len = v4 ? (ip[0] & 15u) * 4u : 40;
    const uint32_t rest = (uint32_t)(len - ip_len);
    const uint8_t tail[8] = {
        (uint8_t)(rest >> 24), (uint8_t)(rest >> 16), (uint8_t)(rest >> 8), (uint8_t)rest, 0, 0, 0,
        v4 ? ip[9] : ip[6]};
    const size_t addresses = v4 ? 8 : 32;
    memcpy(buffer, ip + (v4 ? 12 : 8), addresses);
    memcpy(buffer + addresses, tail, sizeof tail);
    memcpy(buffer + addresses + sizeof tail, ip + ip_len, rest);
    return reference_sum(buffer, addresses + sizeof tail + rest);
}

static inline void assert_checksums(const uint8_t *ip, size_t len)
{
    if (ip[0] >> 4 == 4)
        assert_int_equal(reference_sum(ip, (ip[0] & 15u) * 4u), 0xffff);
    assert_int_equal(reference_transport_sum(ip, len), 0xffff);
}

// ---- A small maker of packets ----

struct recipe {
    int version;
    uint8_t protocol;
    uint8_t flags;
    uint8_t options_len; // TCP
    uint16_t id;
    uint16_t source_port;
    uint32_t seq;
    size_t payload_len;
    bool may_fragment;
};

static inline void put16(uint8_t *at, size_t v)
{
    at[0] = (uint8_t)(v >> 8);
    at[1] = (uint8_t)v;
}

static inline uint8_t pattern(uint32_t position)
{
    return (uint8_t)(position * 2654435761u >> 24);
}

static inline size_t ip_len_of(const struct recipe *r)
{
    return r->version == 4 ? 20 : 40;
}

static inline void make_ip(uint8_t *to, const struct recipe *r, size_t len)
{
    if (r->version == 4) {
        const uint8_t header[20] = {0x45, 0x02, 0,           0,  0, 0,   r->may_fragment ? 0 : 0x40,
                                    0,    61,   r->protocol, 0,  0, 100, 64,
                                    0,    1,    100,         64, 0, 2};
        memcpy(to, header, sizeof header);
        put16(to + 2, len);
        put16(to + 4, r->id);
        put16(to + 10, ~reference_sum(to, 20));
        return;
    }
    const uint8_t header[40] = {0x60, 0x20, 0x12, 0x34,     0,           0, r->protocol,
                                61,   0xfd, 1,    [23] = 1, [24] = 0xfd, 2, [39] = 2};
    memcpy(to, header, sizeof header);
    put16(to + 4, len - 40);
}

// Writes a correct packet; the payload depends on `seq` alone, so that neighbours continue it.
static inline size_t make(uint8_t *to, const struct recipe *r)
{
    const size_t ip_len = ip_len_of(r);
    uint8_t *transport = to + ip_len;
    const size_t header_len = r->protocol == 6 ? 20u + r->options_len : 8;
    const size_t len = ip_len + header_len + r->payload_len;
    make_ip(to, r, len);
    memset(transport, 0, header_len);
    put16(transport, r->source_port);
    put16(transport + 2, 443);
    for (size_t i = 0; i < r->payload_len; i++)
        transport[header_len + i] = pattern(r->seq + (uint32_t)i);
    if (r->protocol == 6) {
        put16(transport + 4, r->seq >> 16);
        put16(transport + 6, r->seq & 0xffff);
        put16(transport + 10, 77);
        transport[12] = (uint8_t)(header_len / 4 << 4);
        transport[13] = r->flags;
        put16(transport + 14, 500);
        memset(transport + 20, 1, r->options_len); // no operation
        put16(transport + 16, ~reference_transport_sum(to, len));
    } else {
        put16(transport + 4, len - ip_len);
        put16(transport + 6, ~reference_transport_sum(to, len));
    }
    return len;
}

// A super-packet as the kernel hands it over: the checksum field holds the pseudo-header's sum.
static inline size_t make_super(uint8_t *to, const struct recipe *r, uint16_t gso_size,
                                struct wend_vnet *ret_vnet)
{
    const size_t len = make(to, r);
    const size_t ip_len = ip_len_of(r);
    const size_t check = ip_len + (r->protocol == 6 ? 16 : 6);
    put16(to + check, 0);
    const uint32_t rest = reference_sum(to + ip_len, len - ip_len);
    uint32_t pseudo = reference_transport_sum(to, len) + (uint16_t)~rest;
    pseudo = (pseudo >> 16) + (pseudo & 0xffff);
    put16(to + check, pseudo);
    *ret_vnet = (struct wend_vnet){.flags = WEND_VNET_NEEDS_CSUM,
                                   .gso_type = r->protocol == 17 ? WEND_GSO_UDP
                                               : r->version == 4 ? WEND_GSO_TCP4
                                                                 : WEND_GSO_TCP6,
                                   .gso_size = gso_size,
                                   .csum_start = (uint16_t)ip_len,
                                   .csum_offset = (uint16_t)(check - ip_len)};
    return len;
}

static inline struct recipe tcp4(uint32_t seq, size_t payload_len)
{
    return (struct recipe){.version = 4,
                           .protocol = 6,
                           .flags = ACK,
                           .options_len = 12,
                           .id = 9,
                           .source_port = 5000,
                           .seq = seq,
                           .payload_len = payload_len};
}

#endif
