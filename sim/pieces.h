// SPDX-License-Identifier: MIT
// Puts pieces of IPv4 packets together, as a host does (RFC 791 section 3.2), for packets of at
// most SIM_PACKET_LEN_MAX bytes. Few at a time: the oldest gives way, as it does after a timeout.
#ifndef WEND_SIM_PIECES_H
#define WEND_SIM_PIECES_H

#include "packet.h"

#define SIM_PIECES_MAX 16

struct sim_pieces {
    uint32_t next; // the one that gives way
    struct sim_piece {
        bool used;
        uint16_t device, id;
        uint32_t source;
        size_t have, len; // bytes behind the header that came; all of them, 0: not known yet
        uint8_t seen[SIM_PACKET_LEN_MAX / 8 + 1]; // by eights of bytes
        uint8_t bytes[SIM_PACKET_LEN_MAX + 20];
    } at[SIM_PIECES_MAX];
};

void sim_pieces_forget(struct sim_pieces *p); // all; at first, too
// A packet that reached `device`. Returns it if it is whole, or the whole one if this was the last
// piece (valid until the next call); else nothing.
struct wend_bytes sim_pieces_take(struct sim_pieces *p, uint16_t device, struct wend_bytes packet);

#endif
