// SPDX-License-Identifier: MIT
#include "pieces.h"

#include <stddef.h>
#include <string.h>

#include "wire/checksum.h"

#define HEADER_LEN 20 // the simulated hosts use no options

void sim_pieces_forget(struct sim_pieces *p)
{
    p->next = 0;
    for (size_t i = 0; i < SIM_PIECES_MAX; i++)
        p->at[i].used = false;
}

static struct sim_piece *find(struct sim_pieces *p, uint16_t device, struct wend_bytes packet)
{
    const uint16_t id = wend_get_u16(packet.at + 4);
    const uint32_t source = wend_get_u32(packet.at + 12);

    for (size_t i = 0; i < SIM_PIECES_MAX; i++)
        if (p->at[i].used && p->at[i].device == device && p->at[i].id == id &&
            p->at[i].source == source)
            return &p->at[i];
    struct sim_piece *fresh = &p->at[p->next++ % SIM_PIECES_MAX];
    memset(fresh, 0, offsetof(struct sim_piece, bytes));
    fresh->used = true;
    fresh->device = device;
    fresh->id = id;
    fresh->source = source;
    return fresh;
}

// The header of the whole, from that of any piece.
static void write_header(struct sim_piece *w)
{
    wend_put_u16(w->bytes + 2, (uint16_t)(HEADER_LEN + w->len));
    wend_put_u16(w->bytes + 6, 0);
    wend_put_u16(w->bytes + 10, 0);
    const uint64_t sum = wend_checksum_add(0, w->bytes, HEADER_LEN);
    wend_put_u16(w->bytes + 10, (uint16_t)~wend_checksum_fold(sum));
}

struct wend_bytes sim_pieces_take(struct sim_pieces *p, uint16_t device, struct wend_bytes packet)
{
    if (packet.len < HEADER_LEN || packet.at[0] != 0x45)
        return packet;
    const uint16_t field = wend_get_u16(packet.at + 6);
    const size_t offset = 8 * (size_t)(field & 0x1fff), len = packet.len - HEADER_LEN;
    const bool more = (field & 0x2000) != 0;

    if (offset == 0 && !more)
        return packet;
    if (offset + len > SIM_PACKET_LEN_MAX || (more && len % 8 != 0))
        return (struct wend_bytes){0};
    struct sim_piece *w = find(p, device, packet);
    uint8_t *const seen = &w->seen[offset / 8];
    if (*seen == 0)
        w->have += len;
    *seen = 1;
    if (offset == 0)
        memcpy(w->bytes, packet.at, HEADER_LEN);
    memcpy(w->bytes + HEADER_LEN + offset, packet.at + HEADER_LEN, len);
    if (!more)
        w->len = offset + len;
    if (w->len == 0 || w->have < w->len)
        return (struct wend_bytes){0};
    w->used = false;
    write_header(w);
    return (struct wend_bytes){.at = w->bytes, .len = HEADER_LEN + w->len};
}
