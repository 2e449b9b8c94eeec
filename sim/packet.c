// SPDX-License-Identifier: MIT
#include "packet.h"

#include <string.h>

#include "base/assert.h"
#include "wire/checksum.h"
#include "wire/ip.h"

#define UDP_LEN  8
#define PROTOCOL 17
#define MAGIC    UINT32_C(0x73696d21)

static size_t write_ipv4(const struct sim_packet *p, uint8_t *to, size_t len)
{
    memset(to, 0, 20);
    to[0] = 0x45;
    wend_put_u16(to + 2, (uint16_t)len);
    wend_put_u16(to + 4, p->id);
    if (p->dont_fragment)
        to[6] = 0x40;
    to[8] = 64;
    to[9] = PROTOCOL;
    memcpy(to + 12, p->from.ip, 4);
    memcpy(to + 16, p->to.ip, 4);
    wend_put_u16(to + 10, (uint16_t)~wend_checksum_fold(wend_checksum_add(0, to, 20)));
    return 20;
}

static size_t write_ipv6(const struct sim_packet *p, uint8_t *to, size_t len)
{
    memset(to, 0, 40);
    to[0] = 0x60;
    wend_put_u16(to + 4, (uint16_t)(len - 40));
    to[6] = PROTOCOL;
    to[7] = 64;
    memcpy(to + 8, p->from.ip, 16);
    memcpy(to + 24, p->to.ip, 16);
    return 40;
}

// The byte that stands all over the rest.
static uint8_t filling(const struct sim_packet *p)
{
    return (uint8_t)(p->flow * 31 + p->number * 7 + 1);
}

static uint64_t sum_udp(const uint8_t *ip, size_t header, size_t len)
{
    const uint64_t sum = wend_checksum_pseudo(ip, PROTOCOL);

    return wend_checksum_add(wend_checksum_add_u16(sum, (uint16_t)(len - header)), ip + header,
                             len - header);
}

void sim_packet_write(const struct sim_packet *p, uint8_t *to, size_t len)
{
    wend_assert(len >= SIM_PACKET_LEN_MIN && len <= SIM_PACKET_LEN_MAX);
    const size_t header =
        p->from.family == WEND_FAMILY_IPV6 ? write_ipv6(p, to, len) : write_ipv4(p, to, len);
    uint8_t *udp = to + header, *body = udp + UDP_LEN;

    wend_put_u16(udp, (uint16_t)(SIM_PACKET_PORT + p->flow));
    wend_put_u16(udp + 2, 5000);
    wend_put_u16(udp + 4, (uint16_t)(len - header));
    wend_put_u16(udp + 6, 0);
    wend_put_u32(body, MAGIC);
    wend_put_u32(body + 4, p->flow);
    wend_put_u32(body + 8, p->number);
    wend_put_u32(body + 12, (uint32_t)((uint64_t)p->sent >> 32));
    wend_put_u32(body + 16, (uint32_t)p->sent);
    memset(body + SIM_PACKET_BODY, filling(p), len - header - UDP_LEN - SIM_PACKET_BODY);
    const uint16_t sum = (uint16_t)~wend_checksum_fold(sum_udp(to, header, len));
    wend_put_u16(udp + 6, sum != 0 ? sum : 0xffff);
}

// Each byte equals the one before it, and the first is right.
static bool is_filled(const uint8_t *at, size_t len, uint8_t with)
{
    return len == 0 || (at[0] == with && memcmp(at, at + 1, len - 1) == 0);
}

bool sim_packet_read(struct wend_bytes in, struct sim_packet *ret)
{
    struct wend_ip ip;

    if (!wend_ip_read(in, &ip) || ip.protocol != PROTOCOL || ip.len != in.len ||
        ip.len < (size_t)ip.header_len + UDP_LEN + SIM_PACKET_BODY)
        return false;
    if (ip.version == 4 && wend_checksum_fold(wend_checksum_add(0, in.at, 20)) != 0xffff)
        return false;
    if (wend_checksum_fold(sum_udp(in.at, ip.header_len, ip.len)) != 0xffff)
        return false;
    const uint8_t *body = in.at + ip.header_len + UDP_LEN;
    if (wend_get_u32(body) != MAGIC)
        return false;
    *ret = (struct sim_packet){
        .flow = wend_get_u32(body + 4),
        .number = wend_get_u32(body + 8),
        .sent = (wend_instant)((uint64_t)wend_get_u32(body + 12) << 32 | wend_get_u32(body + 16)),
        .dont_fragment = ip.version == 4 && (in.at[6] & 0x40) != 0,
        .from = wend_ip_source(&ip),
        .to = wend_ip_destination(&ip)};
    const size_t rest = ip.len - ip.header_len - UDP_LEN - SIM_PACKET_BODY;
    return is_filled(body + SIM_PACKET_BODY, rest, filling(ret));
}
