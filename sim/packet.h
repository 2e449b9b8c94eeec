// SPDX-License-Identifier: MIT
// The packets of users: IPv4 or IPv6 UDP with all checksums right, and inside who sent the
// how-manieth of which flow when, then bytes that follow from those.
#ifndef WEND_SIM_PACKET_H
#define WEND_SIM_PACKET_H

#include "base/address.h"
#include "base/bytes.h"
#include "base/time.h"

#define SIM_PACKET_BODY    20   // flow, number, time, flags
#define SIM_PACKET_PORT    4000 // and the flow: the source port
#define SIM_PACKET_LEN_MIN (40 + 8 + SIM_PACKET_BODY)
#define SIM_PACKET_LEN_MAX 2000

struct sim_packet {
    uint32_t flow, number;
    uint16_t id; // IPv4: tells its fragments from those of others
    wend_instant sent;
    bool dont_fragment;
    struct wend_address from, to; // inside; same family
};

// Writes a packet of `len` bytes in all (SIM_PACKET_LEN_MIN to SIM_PACKET_LEN_MAX).
void sim_packet_write(const struct sim_packet *p, uint8_t *to, size_t len);
// Reads one; false: not one of ours, or damaged anywhere.
bool sim_packet_read(struct wend_bytes in, struct sim_packet *ret);

#endif
