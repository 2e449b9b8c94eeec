// SPDX-License-Identifier: MIT
#include "pieces.h"

#include <string.h>

#include "wire/checksum.h"
#include "wire/ip.h"

#define HEADER 20 // packets of the simulator have no options

void sim_pieces_init(struct sim_pieces *p)
{
    p->turn = 0;
    for (size_t i = 0; i < SIM_PIECES_MAX; i++) {
        p->cells[i].device = 0;
        p->cells[i].turn = 0;
    }
}

static void key_of(struct wend_bytes in, uint8_t key[static 12])
{
    memcpy(key, in.at + 12, 8);
    memcpy(key + 8, in.at + 4, 2);
    key[10] = in.at[9];
    key[11] = 0;
}

static struct sim_pieces_cell *find(struct sim_pieces *p, uint16_t device, struct wend_bytes in)
{
    struct sim_pieces_cell *oldest = &p->cells[0];
    uint8_t key[12];

    key_of(in, key);
    for (size_t i = 0; i < SIM_PIECES_MAX; i++) {
        struct sim_pieces_cell *c = &p->cells[i];
        if (c->device == device + 1 && memcmp(c->key, key, sizeof key) == 0)
            return c;
        if (c->turn < oldest->turn)
            oldest = c;
    }
    memset(oldest, 0, sizeof *oldest);
    oldest->device = (uint16_t)(device + 1);
    oldest->turn = ++p->turn;
    memcpy(oldest->key, key, sizeof key);
    memcpy(oldest->bytes, in.at, HEADER);
    return oldest;
}

static bool is_whole(const struct sim_pieces_cell *c)
{
    for (size_t unit = 0; unit < (c->len + 7) / 8; unit++)
        if ((c->have[unit / 64] >> (unit % 64) & 1) == 0)
            return false;
    return c->len > 0;
}

static struct wend_bytes finish(struct sim_pieces_cell *c)
{
    uint8_t *const ip = c->bytes;

    wend_put_u16(ip + 2, (uint16_t)(HEADER + c->len));
    wend_put_u16(ip + 6, 0);
    wend_put_u16(ip + 10, 0);
    wend_put_u16(ip + 10, (uint16_t)~wend_checksum_fold(wend_checksum_add(0, ip, HEADER)));
    c->device = 0;
    c->turn = 0;
    return (struct wend_bytes){.at = ip, .len = HEADER + c->len};
}

struct wend_bytes sim_pieces_add(struct sim_pieces *p, uint16_t device, struct wend_bytes in)
{
    const struct wend_bytes none = {0};
    struct wend_ip ip;

    if (!wend_ip_read(in, &ip) || ip.version != 4)
        return in;
    const uint16_t field = wend_get_u16(in.at + 6);
    const size_t offset = (size_t)(field & 0x1fff) * 8, len = ip.len - ip.header_len;
    const bool more = (field & 0x2000) != 0;
    if (!more && offset == 0)
        return in;
    if (ip.header_len != HEADER || offset + len > SIM_PACKET_LEN_MAX || (more && len % 8 != 0) ||
        wend_checksum_fold(wend_checksum_add(0, in.at, HEADER)) != 0xffff)
        return none;
    struct sim_pieces_cell *c = find(p, device, in);
    memcpy(c->bytes + HEADER + offset, in.at + HEADER, len);
    for (size_t unit = offset / 8; unit < (offset + len + 7) / 8; unit++)
        c->have[unit / 64] |= UINT64_C(1) << (unit % 64);
    if (!more)
        c->len = offset + len;
    return is_whole(c) ? finish(c) : none;
}
