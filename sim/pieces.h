// SPDX-License-Identifier: MIT
// A host that puts the pieces of IPv4 packets together again, RFC 791 section 3.2. Of all devices
// of a world; a device's packets are told apart by their number.
#ifndef WEND_SIM_PIECES_H
#define WEND_SIM_PIECES_H

#include "base/bytes.h"
#include "packet.h"

#define SIM_PIECES_MAX 32 // packets that are not whole; full: the oldest is forgotten

struct sim_pieces_cell {
    uint16_t device; // + 1; 0: free
    uint64_t turn;
    uint8_t key[12];  // addresses, identification, protocol
    size_t len;       // of the whole payload; 0: the last piece has not come
    uint64_t have[4]; // payload, in units of 8 bytes
    uint8_t bytes[SIM_PACKET_LEN_MAX + 64];
};

struct sim_pieces {
    uint64_t turn;
    struct sim_pieces_cell cells[SIM_PIECES_MAX];
};

void sim_pieces_init(struct sim_pieces *p);
// What `device` got. Returns the packet: `in` if it is whole, or what `in` made whole, valid until
// the next call; empty: there is more to come, or it is nonsense.
struct wend_bytes sim_pieces_add(struct sim_pieces *p, uint16_t device, struct wend_bytes in);

#endif
