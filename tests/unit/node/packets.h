// SPDX-License-Identifier: MIT
// Inner packets and commands for the tests of the data plane. Peer `n` of a test has the inside
// address 100.64.0.n and fd00::n; we are number 1.
#ifndef WEND_TESTS_UNIT_NODE_PACKETS_H
#define WEND_TESTS_UNIT_NODE_PACKETS_H

#include "../base/unit.h"

#include <stdlib.h>

#include "base/bytes.h"
#include "node/plane.h"
#include "wire/checksum.h"
#include "wire/offload.h"

enum { PACKETS_US = 1, PACKETS_MTU = 1400 };

static inline struct wend_address packets_ipv4(uint8_t n)
{
    return wend_address_ipv4(0x64400000u + n, 0);
}

static inline struct wend_address packets_ipv6(uint8_t n)
{
    struct wend_address a = {.family = WEND_FAMILY_IPV6};
    a.ip[0] = 0xfd;
    a.ip[15] = n;
    return a;
}

// An IPv4 UDP packet without checksums, filled with `mark`; `len` bytes in all. Returns `to`.
static inline uint8_t *packets_udp4(uint8_t *to, uint8_t from, uint8_t for_whom, size_t len)
{
    memset(to, 0, len);
    to[0] = 0x45;
    to[8] = 64;
    to[9] = 17;
    wend_put_u16(to + 2, (uint16_t)len);
    memcpy(to + 12, packets_ipv4(from).ip, 4);
    memcpy(to + 16, packets_ipv4(for_whom).ip, 4);
    wend_put_u16(to + 10, (uint16_t)~wend_checksum_fold(wend_checksum_add(0, to, 20)));
    wend_put_u16(to + 20, 4000);
    wend_put_u16(to + 22, 5000);
    wend_put_u16(to + 24, (uint16_t)(len - 20));
    return to;
}

static inline uint8_t *packets_udp6(uint8_t *to, uint8_t from, uint8_t for_whom, size_t len)
{
    memset(to, 0, len);
    to[0] = 0x60;
    to[6] = 59;
    wend_put_u16(to + 4, (uint16_t)(len - 40));
    memcpy(to + 8, packets_ipv6(from).ip, 16);
    memcpy(to + 24, packets_ipv6(for_whom).ip, 16);
    return to;
}

// A TCP super-packet as the kernel gives it; payload bytes count up.
static inline struct wend_vnet packets_tcp4(uint8_t *to, uint8_t for_whom, size_t payload,
                                            uint16_t segment)
{
    packets_udp4(to, PACKETS_US, for_whom, 40 + payload);
    to[9] = 6;
    memset(to + 20, 0, 20);
    wend_put_u16(to + 20, 4000);
    wend_put_u16(to + 22, 5000);
    to[32] = 0x50;
    to[33] = 0x18; // ACK, PSH
    for (size_t i = 0; i < payload; i++)
        to[40 + i] = (uint8_t)(i * 7);
    const uint64_t sum =
        wend_checksum_add_u16(wend_checksum_pseudo(to, 6), (uint16_t)(20 + payload));
    wend_put_u16(to + 36, wend_checksum_fold(sum));
    return (struct wend_vnet){.flags = WEND_VNET_NEEDS_CSUM,
                              .gso_type = WEND_GSO_TCP4,
                              .hdr_len = 40,
                              .gso_size = segment,
                              .csum_start = 20,
                              .csum_offset = 16};
}

static inline struct wend_command packets_peer(uint32_t slot, uint8_t n)
{
    return (struct wend_command){
        .kind = WEND_COMMAND_PEER, .slot = slot, .ipv4 = packets_ipv4(n), .ipv6 = packets_ipv6(n)};
}

static inline struct wend_command packets_keys(uint32_t slot, uint32_t local, uint32_t remote)
{
    struct wend_command c = {
        .kind = WEND_COMMAND_KEYS, .slot = slot, .local_index = local, .remote_index = remote};
    memset(c.key, 0x5a, sizeof c.key);
    c.key[0] = (uint8_t)slot;
    return c;
}

static inline struct wend_address packets_outside(uint8_t n)
{
    return wend_address_ipv4(0xc6336400u + n, 51820); // 198.51.100.n
}

static inline struct wend_command packets_path(uint32_t slot, uint8_t n, uint32_t channel)
{
    return (struct wend_command){.kind = WEND_COMMAND_PATH,
                                 .slot = slot,
                                 .path = {.transport = WEND_TRANSPORT_UDP,
                                          .channel = channel,
                                          .remote = packets_outside(n)}};
}

static inline void *packets_memory(size_t size)
{
    void *memory = aligned_alloc(4096, (size + 4095) / 4096 * 4096);
    assert_non_null(memory);
    memset(memory, 0, size);
    return memory;
}

#endif
