// SPDX-License-Identifier: MIT
#include "reassembly.h"

#include <string.h>

#include "wire/checksum.h"
#include "wire/ip.h"

#define PATIENCE WEND_S(2)
#define HEADER   WEND_IPV4_HEADER_LEN // user packets have no options

enum { MORE = 0x2000, OFFSET = 0x1fff };

void sim_reassembly_init(struct sim_reassembly *r)
{
    for (size_t i = 0; i < SIM_REASSEMBLY_MAX; i++)
        r->puzzles[i].used = false;
}

static bool is_sound_fragment(const struct wend_ip *ip, struct wend_bytes packet)
{
    if (ip->version != 4 || ip->header_len != HEADER || ip->len != packet.len)
        return false;
    const uint16_t field = wend_get_u16(packet.at + 6);
    const size_t payload = ip->len - HEADER;
    return (field & (MORE | OFFSET)) != 0 && payload > 0 &&
           ((field & MORE) == 0 || payload % 8 == 0) &&
           HEADER + (size_t)(field & OFFSET) * 8 + payload <= SIM_REASSEMBLY_LEN &&
           wend_checksum_fold(wend_checksum_add(0, packet.at, HEADER)) == UINT16_MAX;
}

static bool is_of(const struct sim_puzzle *p, uint16_t host, const uint8_t *ip)
{
    return p->used && p->host == host && p->id == wend_get_u16(ip + 4) && p->key[0] == ip[9] &&
           memcmp(p->key + 1, ip + 12, 8) == 0;
}

static struct sim_puzzle *find(struct sim_reassembly *r, uint16_t host, const uint8_t *ip,
                               wend_instant now)
{
    struct sim_puzzle *place = &r->puzzles[0];

    for (size_t i = 0; i < SIM_REASSEMBLY_MAX; i++) {
        struct sim_puzzle *p = &r->puzzles[i];
        if (p->used && now - p->since > PATIENCE)
            p->used = false;
        if (is_of(p, host, ip))
            return p;
        if (place->used && (!p->used || p->since < place->since))
            place = p;
    }
    *place =
        (struct sim_puzzle){.used = true, .host = host, .id = wend_get_u16(ip + 4), .since = now};
    place->key[0] = ip[9];
    memcpy(place->key + 1, ip + 12, 8);
    return place;
}

static void put_piece(struct sim_puzzle *p, struct wend_bytes piece)
{
    const uint16_t field = wend_get_u16(piece.at + 6);
    const size_t at = (size_t)(field & OFFSET) * 8, payload = piece.len - HEADER;

    if (p->have[at / 8])
        return;
    p->have[at / 8] = true;
    memcpy(p->bytes + HEADER + at, piece.at + HEADER, payload);
    p->sum = (uint16_t)(p->sum + payload);
    if ((field & MORE) == 0)
        p->end = (uint16_t)(at + payload);
    if (at == 0)
        memcpy(p->bytes, piece.at, HEADER);
}

static struct wend_bytes finish(struct sim_puzzle *p)
{
    const size_t len = HEADER + (size_t)p->end;

    p->used = false;
    wend_put_u16(p->bytes + 2, (uint16_t)len);
    wend_put_u16(p->bytes + 6, 0);
    wend_put_u16(p->bytes + 10, 0);
    wend_put_u16(p->bytes + 10,
                 (uint16_t)~wend_checksum_fold(wend_checksum_add(0, p->bytes, HEADER)));
    return (struct wend_bytes){p->bytes, len};
}

struct wend_bytes sim_reassembly_take(struct sim_reassembly *r, uint16_t host,
                                      struct wend_bytes packet, wend_instant now)
{
    struct wend_ip ip;

    if (!wend_ip_read(packet, &ip) || !is_sound_fragment(&ip, packet))
        return packet;
    struct sim_puzzle *p = find(r, host, packet.at, now);
    put_piece(p, packet);
    if (p->end == 0 || p->sum != p->end)
        return (struct wend_bytes){0};
    return finish(p);
}
