// SPDX-License-Identifier: MIT
// Joining the packets of a batch, in the manner of Linux's GRO.
//
// The batch is a list of groups in the order in which their first packets came. Each flow
// (addresses, protocol, ports) has at most one open group. A packet of the flow either joins it as
// the next in sequence, or closes it for good and starts another further down the list; so the
// packets of a flow leave in the order in which they came. A packet whose ports cannot be seen (a
// fragment, an extension header) might belong to any flow of its two addresses and closes them all.
//
// Joining copies nothing. The first packet's headers are rewritten for the whole when the group
// leaves, and the others contribute views of their payload. Checksums are verified when a second
// packet wants to join, so a packet that stays alone costs no pass over its bytes.
#include <string.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "wire/checksum.h"
#include "wire/offload.h"

#define TCP_ACK 0x10
#define TCP_PSH 0x08

enum { IPV4_LEN = 20, IPV6_LEN = 40, TCP_LEN = 20, UDP_LEN = 8 };
enum { TCP_CHECK = 16, UDP_CHECK = 6, PROTOCOL_TCP = 6, PROTOCOL_UDP = 17 };
enum { UDP_SEGMENTS_MAX = 64 }; // the kernel's UDP_MAX_SEGMENTS before Linux 6.9

enum visible {
    SEES_NOTHING = 0, // not IP
    SEES_ADDRESSES,   // IP, but no ports
    SEES_FLOW,        // TCP or UDP, nothing to join
    SEES_JOINABLE,
};

struct shape {
    enum visible visible;
    uint8_t protocol;
    uint16_t transport;
    uint16_t header_len;
};

static bool is_ipv4(const uint8_t *ip)
{
    return ip[0] >> 4 == 4;
}

static uint8_t protocol_of(const uint8_t *ip)
{
    return is_ipv4(ip) ? ip[9] : ip[6];
}

// ---- What a packet is ----

static struct shape shape_of_tcp(const uint8_t *tcp, struct shape s, size_t len)
{
    if (len < TCP_LEN)
        return s;
    s.visible = SEES_FLOW;
    const size_t header_len = (size_t)(tcp[12] >> 4) * 4;
    const bool plain = (tcp[12] & 15) == 0 && (tcp[13] & ~TCP_PSH) == TCP_ACK;
    if (header_len < TCP_LEN || header_len >= len || !plain)
        return s;
    s.header_len = (uint16_t)(s.transport + header_len);
    s.visible = SEES_JOINABLE;
    return s;
}

static struct shape shape_of_udp(const uint8_t *udp, struct shape s, size_t len)
{
    if (len < UDP_LEN)
        return s;
    s.visible = SEES_FLOW;
    s.header_len = (uint16_t)(s.transport + UDP_LEN);
    if (len > UDP_LEN && wend_get_u16(udp + 4) == len && wend_get_u16(udp + 6) != 0)
        s.visible = SEES_JOINABLE;
    return s;
}

// Nothing to join in IPv4 with options or in fragments, nor in IPv6 with extension headers.
static bool ip_is_plain(const uint8_t *ip, size_t len)
{
    if (is_ipv4(ip)) // length, header length, reserved flag, more fragments, offset
        return wend_get_u16(ip + 2) == len && ip[0] == 0x45 && (wend_get_u16(ip + 6) & 0xbfff) == 0;
    return wend_get_u16(ip + 4) + (size_t)IPV6_LEN == len;
}

static struct shape shape_of(const uint8_t *ip, size_t len)
{
    struct shape s = {.visible = SEES_NOTHING};
    if (len < IPV4_LEN || len > WEND_PACKET_MAX)
        return s;
    const uint8_t version = ip[0] >> 4;
    if (version != 4 && (version != 6 || len < IPV6_LEN))
        return s;
    s.visible = SEES_ADDRESSES;
    s.transport = version == 4 ? IPV4_LEN : IPV6_LEN;
    if (!ip_is_plain(ip, len))
        return s;
    s.protocol = protocol_of(ip);
    if (s.protocol == PROTOCOL_TCP)
        return shape_of_tcp(ip + s.transport, s, len - s.transport);
    if (s.protocol == PROTOCOL_UDP)
        return shape_of_udp(ip + s.transport, s, len - s.transport);
    return s;
}

// ---- Which packets belong together ----

static bool same_addresses(const uint8_t *a, const uint8_t *b)
{
    if (a[0] >> 4 != b[0] >> 4)
        return false;
    return is_ipv4(a) ? memcmp(a + 12, b + 12, 8) == 0 : memcmp(a + 8, b + 8, 32) == 0;
}

// Both are open groups or joinable, so neither has options or extension headers.
static bool same_flow(const uint8_t *a, const uint8_t *b, size_t transport)
{
    return same_addresses(a, b) && protocol_of(a) == protocol_of(b) &&
           memcmp(a + transport, b + transport, 4) == 0;
}

// Finds a group faster, decides nothing: a collision costs one comparison more.
static uint32_t flow_hash(const uint8_t *ip, const struct shape *s)
{
    uint64_t h = s->protocol;
    const size_t addresses = is_ipv4(ip) ? 12 : 8;
    for (size_t at = addresses; at < (size_t)s->transport + 4; at += 4)
        h = (h ^ wend_get_u32(ip + at)) * 0x9e3779b97f4a7c15u;
    return (uint32_t)(h >> 32);
}

static uint8_t *first_of(const struct wend_coalesce *c, const struct wend_coalesce_group *g)
{
    return c->packets[g->first].at;
}

static struct wend_coalesce_group *find_open(struct wend_coalesce *c, const uint8_t *ip,
                                             const struct shape *s, uint32_t hash)
{
    for (size_t i = c->group_count; i-- > 0;) {
        struct wend_coalesce_group *g = &c->groups[i];
        if (g->open && g->hash == hash && same_flow(first_of(c, g), ip, s->transport))
            return g;
    }
    return NULL;
}

static void close_between(struct wend_coalesce *c, const uint8_t *ip)
{
    for (size_t i = 0; i < c->group_count; i++)
        if (c->groups[i].open && same_addresses(first_of(c, &c->groups[i]), ip))
            c->groups[i].open = false;
}

// ---- May it join? ----

static bool ip_follows(const uint8_t *first, const uint8_t *ip, uint16_t index)
{
    if (!is_ipv4(ip)) // class and flow label; next header and hop limit
        return memcmp(first, ip, 4) == 0 && memcmp(first + 6, ip + 6, 2) == 0;
    // Version and service; flags, time to live and protocol. An identification means something only
    // where the packet may be fragmented (RFC 6864 section 4.1), and there it must count up.
    if (memcmp(first, ip, 2) != 0 || memcmp(first + 6, ip + 6, 4) != 0)
        return false;
    const bool may_fragment = (ip[6] & 0x40) == 0;
    return !may_fragment || wend_get_u16(ip + 4) == (uint16_t)(wend_get_u16(first + 4) + index);
}

// Acknowledgement, header length and flags, window, urgent pointer and options are equal.
static bool tcp_follows(const uint8_t *first, const uint8_t *tcp, uint32_t next_seq)
{
    const size_t options_len = (size_t)(tcp[12] >> 4) * 4 - TCP_LEN;
    return wend_get_u32(tcp + 4) == next_seq && memcmp(first + 8, tcp + 8, 5) == 0 &&
           memcmp(first + 14, tcp + 14, 2) == 0 && memcmp(first + 18, tcp + 18, 2) == 0 &&
           memcmp(first + TCP_LEN, tcp + TCP_LEN, options_len) == 0;
}

static bool checksums_hold(const struct wend_coalesce_packet *p, const struct shape *s)
{
    if (is_ipv4(p->at) && wend_checksum_fold(wend_checksum_add(0, p->at, IPV4_LEN)) != UINT16_MAX)
        return false;
    const uint16_t len = (uint16_t)(p->len - s->transport);
    const uint64_t sum = wend_checksum_add_u16(wend_checksum_pseudo(p->at, s->protocol), len);
    return wend_checksum_fold(wend_checksum_add(sum, p->at + s->transport, len)) == UINT16_MAX;
}

static bool may_join(const struct wend_coalesce *c, struct wend_coalesce_group *g,
                     const struct wend_coalesce_packet *p, const struct shape *s)
{
    const struct wend_coalesce_packet *head = &c->packets[g->first];
    const uint32_t payload = (uint32_t)p->len - p->header_len;
    if (payload > g->segment || g->total_len + payload > WEND_PACKET_MAX)
        return false;
    if (!ip_follows(head->at, p->at, g->count))
        return false;
    const uint8_t *transport = p->at + s->transport;
    if (s->protocol == PROTOCOL_TCP ? !tcp_follows(head->at + s->transport, transport, g->next_seq)
                                    : g->count == UDP_SEGMENTS_MAX)
        return false;
    if (!g->verified)
        g->verified = checksums_hold(head, s);
    return g->verified && checksums_hold(p, s);
}

// ---- The batch ----

static void group_take(struct wend_coalesce_group *g, const struct wend_coalesce_packet *p,
                       const struct shape *s)
{
    const uint16_t payload = (uint16_t)(p->len - p->header_len);
    g->count++;
    g->total_len += payload;
    if (s->protocol == PROTOCOL_TCP) {
        g->next_seq = wend_get_u32(p->at + s->transport + 4) + payload;
        g->push = (p->at[s->transport + 13] & TCP_PSH) != 0;
    }
    if (g->push || payload < g->segment)
        g->open = false;
}

static void group_start(struct wend_coalesce *c, uint16_t index, const struct shape *s,
                        uint32_t hash)
{
    const struct wend_coalesce_packet *p = &c->packets[index];
    struct wend_coalesce_group *g = &c->groups[c->group_count++];
    *g = (struct wend_coalesce_group){.hash = hash, .first = index, .last = index};
    if (s->visible != SEES_JOINABLE || (s->protocol == PROTOCOL_UDP && !c->udp)) {
        g->count = 1;
        return;
    }
    g->open = true;
    g->transport = s->transport;
    g->total_len = p->header_len;
    g->segment = (uint16_t)(p->len - p->header_len);
    group_take(g, p, s);
}

void wend_coalesce_init(struct wend_coalesce *c, bool udp)
{
    c->udp = udp;
    c->draining = false;
    c->packet_count = c->group_count = c->emitted = 0;
}

bool wend_coalesce_add(struct wend_coalesce *c, uint8_t *packet, size_t len)
{
    wend_assert(!c->draining && len <= WEND_PACKET_MAX);
    if (c->packet_count == WEND_COALESCE_MAX)
        return false;
    const struct shape s = shape_of(packet, len);
    const uint16_t index = c->packet_count++;
    struct wend_coalesce_packet *p = &c->packets[index];
    *p = (struct wend_coalesce_packet){
        .at = packet, .len = (uint16_t)len, .header_len = s.header_len};
    uint32_t hash = 0;
    if (s.visible == SEES_ADDRESSES) {
        close_between(c, packet);
    } else if (s.visible != SEES_NOTHING) {
        hash = flow_hash(packet, &s);
        struct wend_coalesce_group *g = find_open(c, packet, &s, hash);
        if (g != NULL && s.visible == SEES_JOINABLE && may_join(c, g, p, &s)) {
            c->packets[g->last].next = index;
            g->last = index;
            group_take(g, p, &s);
            return true;
        }
        if (g != NULL)
            g->open = false;
    }
    group_start(c, index, &s, hash);
    return true;
}

// ---- What leaves ----

static void finish_ip(uint8_t *ip, uint32_t total_len)
{
    if (!is_ipv4(ip)) {
        wend_put_u16(ip + 4, (uint16_t)(total_len - IPV6_LEN));
        return;
    }
    wend_put_u16(ip + 2, (uint16_t)total_len);
    wend_put_u16(ip + 10, 0);
    wend_put_u16(ip + 10, (uint16_t)~wend_checksum_fold(wend_checksum_add(0, ip, IPV4_LEN)));
}

// Rewrites the first packet's headers for the whole group; the checksum field gets the sum of the
// pseudo-header, from which the kernel goes on.
static struct wend_vnet finish_group(const struct wend_coalesce_group *g,
                                     const struct wend_coalesce_packet *head)
{
    const bool tcp = protocol_of(head->at) == PROTOCOL_TCP;
    const uint16_t transport_len = (uint16_t)(g->total_len - g->transport);
    uint8_t *transport = head->at + g->transport;
    struct wend_vnet vnet = {.flags = WEND_VNET_NEEDS_CSUM,
                             .gso_type = WEND_GSO_UDP,
                             .hdr_len = head->header_len,
                             .gso_size = g->segment,
                             .csum_start = g->transport,
                             .csum_offset = tcp ? TCP_CHECK : UDP_CHECK};
    finish_ip(head->at, g->total_len);
    if (tcp) {
        vnet.gso_type = is_ipv4(head->at) ? WEND_GSO_TCP4 : WEND_GSO_TCP6;
        if (g->push)
            transport[13] |= TCP_PSH;
    } else {
        wend_put_u16(transport + 4, transport_len);
    }
    const uint64_t pseudo = wend_checksum_pseudo(head->at, protocol_of(head->at));
    wend_put_u16(transport + vnet.csum_offset,
                 wend_checksum_fold(wend_checksum_add_u16(pseudo, transport_len)));
    return vnet;
}

size_t wend_coalesce_next(struct wend_coalesce *c, struct wend_vnet *ret_vnet,
                          struct wend_bytes ret_pieces[static WEND_COALESCE_MAX])
{
    if (c->emitted == c->group_count) {
        wend_coalesce_init(c, c->udp);
        return 0;
    }
    c->draining = true;
    const struct wend_coalesce_group *g = &c->groups[c->emitted++];
    const struct wend_coalesce_packet *head = &c->packets[g->first];
    *ret_vnet = g->count > 1 ? finish_group(g, head) : (struct wend_vnet){0};
    ret_pieces[0] = (struct wend_bytes){head->at, head->len};
    uint16_t at = g->first;
    for (size_t i = 1; i < g->count; i++) {
        at = c->packets[at].next;
        const struct wend_coalesce_packet *p = &c->packets[at];
        ret_pieces[i] = (struct wend_bytes){p->at + p->header_len, (size_t)p->len - p->header_len};
    }
    return g->count;
}
