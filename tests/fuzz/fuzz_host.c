// SPDX-License-Identifier: MIT
// What the sealing half does with single packets of the host: ICMP errors that answer them, the
// segment size of a SYN, fragments. The first three bytes choose kind and MTU, the rest is the
// packet.
#include "fuzz.h"
#include "wire/checksum.h"
#include "wire/fragment.h"
#include "wire/icmp.h"
#include "wire/ip.h"
#include "wire/mss.h"
#include "wire/switch.h"

enum { LEN_MAX = 2048, SUM_GOOD = 0xffff };

static void check_answer(const uint8_t *answer, size_t len, struct wend_bytes packet)
{
    static uint8_t again[WEND_ICMP_MAX];
    struct wend_ip ip, asked;
    wend_assert(wend_ip_read((struct wend_bytes){answer, len}, &ip) && ip.len == len);
    wend_assert(wend_ip_read(packet, &asked));
    wend_assert(memcmp(ip.source, asked.destination, ip.address_len) == 0);
    wend_assert(memcmp(ip.destination, asked.source, ip.address_len) == 0);
    const size_t quoted = len - ip.header_len - 8;
    wend_assert(memcmp(answer + ip.header_len + 8, packet.at, quoted) == 0);
    uint64_t sum = 0;
    if (ip.version == 6) {
        sum = wend_checksum_pseudo(answer, ip.protocol);
        sum = wend_checksum_add_u16(sum, (uint16_t)(len - ip.header_len));
    }
    sum = wend_checksum_add(sum, answer + ip.header_len, len - ip.header_len);
    wend_assert(wend_checksum_fold(sum) == SUM_GOOD);
    // An error is never answered.
    wend_assert(wend_icmp_answer((struct wend_bytes){answer, len}, WEND_ICMP_NO_ROUTE, 0, again) ==
                0);
}

// The sum of the TCP segment, for what is whole.
static uint16_t tcp_sum(const uint8_t *packet, const struct wend_ip *ip)
{
    const size_t len = ip->len - ip->header_len;
    const uint64_t sum = wend_checksum_add_u16(wend_checksum_pseudo(packet, 6), (uint16_t)len);
    return wend_checksum_fold(wend_checksum_add(sum, packet + ip->header_len, len));
}

static void clamp(struct wend_bytes packet, uint16_t mtu)
{
    uint8_t copy[LEN_MAX];
    struct wend_ip ip;
    memcpy(copy, packet.at, packet.len);
    const bool clamped = wend_mss_clamp(copy, packet.len, mtu);
    wend_assert(clamped || memcmp(copy, packet.at, packet.len) == 0);
    if (!clamped)
        return;
    wend_assert(wend_ip_read(packet, &ip));
    // What was right stays right, what was wrong stays as wrong: 0 and 0xffff are the same sum.
    wend_assert(tcp_sum(packet.at, &ip) % SUM_GOOD == tcp_sum(copy, &ip) % SUM_GOOD);
    wend_assert(!wend_mss_clamp(copy, packet.len, mtu));
}

// The pieces are sound, fit, grow no longer, and carry the packet's bytes in order.
static void cut(struct wend_bytes packet, size_t mtu)
{
    uint8_t piece[LEN_MAX];
    struct wend_fragment f;
    struct wend_ip whole, ip = {0};
    size_t len, longest = packet.len, count = 0;
    const size_t expected = wend_fragment_count(packet, packet.len, mtu);
    if (expected == 1 || wend_fragment_init(&f, packet, mtu) != 0)
        return;
    wend_assert(wend_ip_read(packet, &whole));
    const size_t room = mtu > WEND_FRAGMENT_MTU_MIN ? mtu : WEND_FRAGMENT_MTU_MIN;
    size_t at = whole.header_len;
    while ((len = wend_fragment_next(&f, piece)) > 0) {
        wend_assert(len <= longest && len <= room);
        wend_assert(wend_ip_read((struct wend_bytes){piece, len}, &ip) && ip.len == len);
        const uint64_t sum = wend_checksum_add(0, piece, ip.header_len);
        wend_assert(wend_checksum_fold(sum) == SUM_GOOD);
        const size_t payload = len - ip.header_len;
        wend_assert(payload > 0 && payload <= whole.len - at);
        wend_assert(memcmp(piece + ip.header_len, packet.at + at, payload) == 0);
        at += payload;
        longest = len;
        count++;
    }
    wend_assert(at == whole.len && count <= expected);
}

static void read_switch(struct wend_bytes packet)
{
    struct wend_switch w;
    uint8_t bytes[WEND_SWITCH_LEN];
    if (wend_switch_read(packet, &w) != 0)
        return;
    wend_switch_write(bytes, &w);
    wend_assert(memcmp(bytes, packet.at, sizeof bytes) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t answer[WEND_ICMP_MAX];
    struct wend_reader r = wend_reader_of((struct wend_bytes){data, size});
    const enum wend_icmp_kind kind = (enum wend_icmp_kind)(wend_read_u8(&r) % 3);
    const uint16_t mtu = wend_read_u16(&r);
    const struct wend_bytes packet = {r.at, r.left};
    if (r.failed || packet.len == 0 || packet.len > LEN_MAX)
        return 0;
    const size_t len = wend_icmp_answer(packet, kind, mtu, answer);
    wend_assert(len <= sizeof answer);
    if (len > 0)
        check_answer(answer, len, packet);
    clamp(packet, mtu);
    cut(packet, mtu);
    read_switch(packet);
    return 0;
}
