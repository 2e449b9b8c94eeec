// SPDX-License-Identifier: MIT
// Sums 64 bytes at a time in 64-bit lanes, each as two 32-bit halves, so that no carry has to be
// caught: a lane grows by less than 2^33 a step. Two lanes are what every 64-bit machine's vectors
// hold; four totals keep its adders busy.
#include "wire/checksum.h"

#include <string.h>

#include "base/bytes.h"

typedef uint64_t checksum_lanes __attribute__((vector_size(16)));

#define BLOCK_LEN (4 * sizeof(checksum_lanes))

static inline checksum_lanes halves(const uint8_t *at)
{
    const checksum_lanes low = {UINT32_MAX, UINT32_MAX};
    checksum_lanes v;
    memcpy(&v, at, sizeof v);
    return (v & low) + (v >> 32);
}

static uint64_t add_blocks(const uint8_t *at, size_t blocks)
{
    checksum_lanes a = {0, 0}, b = a, c = a, d = a;
    for (; blocks > 0; blocks--, at += BLOCK_LEN) {
        a += halves(at);
        b += halves(at + 16);
        c += halves(at + 32);
        d += halves(at + 48);
    }
    a += b + c + d;
    return a[0] + a[1];
}

static uint64_t add_tail(uint64_t sum, const uint8_t *at, size_t len)
{
    for (; len >= 4; at += 4, len -= 4) {
        uint32_t v;
        memcpy(&v, at, sizeof v);
        sum += v;
    }
    uint8_t last[4] = {0}; // whole words of zero change nothing
    memcpy(last, at, len);
    uint32_t v;
    memcpy(&v, last, sizeof v);
    return sum + v;
}

uint64_t wend_checksum_add(uint64_t sum, const uint8_t *at, size_t len)
{
    const size_t blocks = len / BLOCK_LEN;
    sum += add_blocks(at, blocks);
    return add_tail(sum, at + blocks * BLOCK_LEN, len % BLOCK_LEN);
}

static uint16_t in_memory_order(uint16_t v)
{
    uint8_t bytes[2];
    wend_put_u16(bytes, v);
    memcpy(&v, bytes, sizeof v);
    return v;
}

uint64_t wend_checksum_add_u16(uint64_t sum, uint16_t v)
{
    return sum + in_memory_order(v);
}

uint64_t wend_checksum_remove_u16(uint64_t sum, uint16_t v)
{
    return sum + in_memory_order((uint16_t)~v);
}

uint16_t wend_checksum_fold(uint64_t sum)
{
    sum = (sum >> 32) + (sum & UINT32_MAX);
    sum = (sum >> 32) + (sum & UINT32_MAX);
    sum = (sum >> 16) + (sum & UINT16_MAX);
    sum = (sum >> 16) + (sum & UINT16_MAX);
    sum = (sum >> 16) + (sum & UINT16_MAX);
    const uint16_t folded = (uint16_t)sum;
    uint8_t bytes[2];
    memcpy(bytes, &folded, sizeof bytes);
    return wend_get_u16(bytes);
}

uint64_t wend_checksum_pseudo(const uint8_t *ip, uint8_t protocol)
{
    const uint64_t sum = wend_checksum_add_u16(0, protocol);
    return ip[0] >> 4 == 4 ? wend_checksum_add(sum, ip + 12, 8)
                           : wend_checksum_add(sum, ip + 8, 32);
}
