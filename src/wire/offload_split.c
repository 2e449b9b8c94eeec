// SPDX-License-Identifier: MIT
// Splitting a super-packet. The kernel left the sum of the pseudo-header, with the length of the
// whole, in the checksum field. Taking that length out and a piece's length in gives each
// piece its start, also where an IPv6 routing header makes the final destination another one than
// the header names.
#include <errno.h>
#include <string.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "wire/checksum.h"
#include "wire/offload.h"

#define TCP_FIN 0x01
#define TCP_PSH 0x08
#define TCP_CWR 0x80

enum { IPV4_LEN = 20, IPV6_LEN = 40, TCP_LEN = 20, UDP_LEN = 8 };
enum { TCP_CHECK = 16, UDP_CHECK = 6, PROTOCOL_TCP = 6, PROTOCOL_UDP = 17 };

static bool is_ip(struct wend_bytes packet)
{
    if (packet.len == 0)
        return false;
    const uint8_t version = packet.at[0] >> 4;
    return (version == 4 && packet.len >= IPV4_LEN) || (version == 6 && packet.len >= IPV6_LEN);
}

// A packet that stays whole: perhaps a checksum to complete.
static int init_whole(struct wend_split *s, const struct wend_vnet *vnet)
{
    s->header_len = s->len;
    if ((vnet->flags & WEND_VNET_NEEDS_CSUM) == 0)
        return 0;
    if ((size_t)vnet->csum_start + vnet->csum_offset + 2 > s->len || vnet->csum_start < IPV4_LEN)
        return -EBADMSG;
    s->transport = vnet->csum_start;
    s->check = (uint16_t)(vnet->csum_start + vnet->csum_offset);
    return 0;
}

static bool ip_header_fits(const uint8_t *ip, uint8_t protocol, size_t transport)
{
    if (ip[0] >> 4 == 6)
        return transport == IPV6_LEN ? ip[6] == protocol : transport > IPV6_LEN;
    const bool fragment = (wend_get_u16(ip + 6) & 0x3fff) != 0; // more fragments, or an offset
    return transport >= IPV4_LEN && transport == (ip[0] & 15u) * 4u && ip[9] == protocol &&
           !fragment;
}

static int init_tcp(struct wend_split *s, const struct wend_vnet *vnet)
{
    const uint8_t version = s->gso == WEND_GSO_TCP4 ? 4 : 6;
    if (s->packet[0] >> 4 != version || vnet->csum_offset != TCP_CHECK)
        return -EBADMSG;
    if ((uint32_t)s->transport + TCP_LEN >= s->len)
        return -EBADMSG;
    const uint32_t tcp_len = (uint32_t)(s->packet[s->transport + 12] >> 4) * 4;
    if (tcp_len < TCP_LEN)
        return -EBADMSG;
    s->header_len = s->transport + tcp_len;
    return ip_header_fits(s->packet, PROTOCOL_TCP, s->transport) ? 0 : -EBADMSG;
}

static int init_udp(struct wend_split *s, const struct wend_vnet *vnet)
{
    if (vnet->csum_offset != UDP_CHECK)
        return -EBADMSG;
    s->header_len = s->transport + UDP_LEN;
    return ip_header_fits(s->packet, PROTOCOL_UDP, s->transport) ? 0 : -EBADMSG;
}

static int init_super(struct wend_split *s, const struct wend_vnet *vnet)
{
    if ((vnet->flags & WEND_VNET_NEEDS_CSUM) == 0 || vnet->gso_size == 0)
        return -EBADMSG;
    s->transport = vnet->csum_start;
    s->segment = vnet->gso_size;
    const int error = s->gso == WEND_GSO_UDP ? init_udp(s, vnet) : init_tcp(s, vnet);
    if (error != 0)
        return error;
    if (s->header_len >= s->len)
        return -EBADMSG;
    s->check = (uint16_t)(vnet->csum_start + vnet->csum_offset);
    s->at = s->header_len;
    s->pseudo = wend_checksum_remove_u16(wend_checksum_add(0, s->packet + s->check, 2),
                                         (uint16_t)(s->len - s->transport));
    return 0;
}

static size_t longest_piece(const struct wend_split *s)
{
    const uint32_t payload = s->len - s->header_len;
    return s->header_len + (payload < s->segment ? payload : s->segment);
}

int wend_split_init(struct wend_split *s, const struct wend_vnet *vnet, struct wend_bytes packet,
                    size_t piece_max)
{
    if (packet.len > WEND_PACKET_MAX)
        return -EMSGSIZE;
    if (!is_ip(packet))
        return -EBADMSG;
    *s = (struct wend_split){.packet = packet.at, .len = (uint32_t)packet.len};
    s->gso = (uint8_t)(vnet->gso_type & ~WEND_GSO_ECN);
    int error = -EBADMSG;
    if (vnet->gso_type == WEND_GSO_NONE)
        error = init_whole(s, vnet);
    else if (s->gso == WEND_GSO_TCP4 || s->gso == WEND_GSO_TCP6 || vnet->gso_type == WEND_GSO_UDP)
        error = init_super(s, vnet);
    if (error != 0)
        return error;
    return longest_piece(s) > piece_max ? -EMSGSIZE : 0;
}

size_t wend_split_count(const struct wend_split *s)
{
    if (s->gso == WEND_GSO_NONE)
        return 1;
    return (s->len - s->header_len + s->segment - 1) / s->segment;
}

// A computed UDP checksum of zero is sent as all ones (RFC 768); in TCP the two are the same.
static void put_check(uint8_t *at, uint64_t sum, bool udp)
{
    const uint16_t check = (uint16_t)~wend_checksum_fold(sum);
    wend_put_u16(at, check == 0 && udp ? UINT16_MAX : check);
}

static size_t next_whole(struct wend_split *s, uint8_t *to)
{
    s->done = true;
    memcpy(to, s->packet, s->len);
    if (s->check != 0)
        put_check(to + s->check, wend_checksum_add(0, to + s->transport, s->len - s->transport),
                  s->check - s->transport == UDP_CHECK);
    return s->len;
}

static void finish_ip(const struct wend_split *s, uint8_t *ip, size_t len)
{
    if (ip[0] >> 4 == 6) {
        wend_put_u16(ip + 4, (uint16_t)(len - IPV6_LEN));
        return;
    }
    wend_put_u16(ip + 2, (uint16_t)len);
    wend_put_u16(ip + 4, (uint16_t)(wend_get_u16(ip + 4) + s->index));
    wend_put_u16(ip + 10, 0);
    put_check(ip + 10, wend_checksum_add(0, ip, s->transport), false);
}

static void finish_tcp(const struct wend_split *s, uint8_t *tcp)
{
    wend_put_u32(tcp + 4, wend_get_u32(tcp + 4) + (s->at - s->header_len));
    uint8_t cleared = s->index == 0 ? 0 : TCP_CWR;
    if (s->at + s->segment < s->len)
        cleared |= TCP_FIN | TCP_PSH;
    tcp[13] &= (uint8_t)~cleared;
}

size_t wend_split_next(struct wend_split *s, uint8_t *to)
{
    if (s->done)
        return 0;
    if (s->gso == WEND_GSO_NONE)
        return next_whole(s, to);
    const uint32_t left = s->len - s->at;
    const uint32_t payload = left < s->segment ? left : s->segment;
    const size_t len = s->header_len + payload;
    uint8_t *transport = to + s->transport;
    memcpy(to, s->packet, s->header_len);
    memcpy(to + s->header_len, s->packet + s->at, payload);
    finish_ip(s, to, len);
    if (s->gso == WEND_GSO_UDP)
        wend_put_u16(transport + 4, (uint16_t)(len - s->transport));
    else
        finish_tcp(s, transport);
    const uint16_t transport_len = (uint16_t)(len - s->transport);
    wend_put_u16(to + s->check, 0);
    const uint64_t sum = wend_checksum_add_u16(s->pseudo, transport_len);
    put_check(to + s->check, wend_checksum_add(sum, transport, transport_len),
              s->gso == WEND_GSO_UDP);
    s->at += payload;
    s->index++;
    s->done = s->at == s->len;
    return len;
}
