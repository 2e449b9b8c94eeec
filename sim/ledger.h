// SPDX-License-Identifier: MIT
// What became of every single user packet of a world: when it was sent, when its datagram reached
// the other host, when it was delivered; and what devices and servers sent to whom.
//
// A packet is found again by the counter of the message that carries it. One that waited in the
// sealing half's queue, or rode in a handshake, has none here: `came` stays 0.
#ifndef WEND_SIM_LEDGER_H
#define WEND_SIM_LEDGER_H

#include "node/seal.h"
#include "scenario.h"

#define SIM_LEDGER_FLOWS    6 // the first ones of a world
#define SIM_LEDGER_NUMBERS  16384
#define SIM_LEDGER_DEVICES  2
#define SIM_LEDGER_MESSAGES 65536 // of a device, the last ones

struct sim_ledger_packet {
    wend_instant sent;      // 0: never
    wend_instant came;      // first copy, at the host; 0: not, or unknown
    wend_instant relayed;   // the first copy that came through a relay
    wend_instant delivered; // 0: not
    uint64_t counter;       // of its message
    uint32_t index;
    uint16_t len;
    bool accepted; // by the sealing half
    bool carried;  // at once, in the message (index, counter)
    bool by_direct;
};

struct sim_ledger_message {
    uint64_t counter;
    uint32_t index;
    uint32_t world; // which one; 0: none
    wend_instant came, relayed;
};

// Where the sealing half of a device was told to send packets to the other one.
struct sim_ledger_way {
    struct wend_plane_path now;
    struct wend_plane_path relay, direct; // the last ones
    uint32_t to_direct, to_relay, across; // changes: from relay, from direct, between direct ones
    uint32_t doubled;                     // how often a second way was given beside one
};

struct sim_ledger {
    uint32_t world;
    struct sim_ledger_packet packets[SIM_LEDGER_FLOWS][SIM_LEDGER_NUMBERS];
    uint32_t counts[SIM_LEDGER_FLOWS];
    struct sim_ledger_message messages[SIM_LEDGER_DEVICES][SIM_LEDGER_MESSAGES];
    struct sim_ledger_way ways[SIM_LEDGER_DEVICES];
    // Datagrams: to a server, from one, to other devices.
    uint32_t up[SIM_LEDGER_DEVICES], down[SIM_LEDGER_DEVICES], across[SIM_LEDGER_DEVICES];
};

void sim_ledger_begin(struct sim_ledger *l);
// Packet `number` of `flow` was given to the sealing half; `out` is what came of it.
void sim_ledger_sent(struct sim_ledger *l, uint32_t flow, size_t len, bool accepted,
                     wend_instant now, const struct wend_seal_out *out);
// A datagram is at device's host.
void sim_ledger_came(struct sim_ledger *l, uint16_t device, struct wend_bytes in, wend_instant now);
void sim_ledger_delivered(struct sim_ledger *l, uint32_t flow, uint32_t number, uint16_t device,
                          bool by_direct, wend_instant now);
// What came to the flow's other end, `device`, when nobody looked: the datagrams of packets that
// were not delivered, and later copies.
void sim_ledger_settle(struct sim_ledger *l, uint32_t flow, uint16_t device);
void sim_ledger_command(struct sim_ledger *l, uint16_t device, const struct wend_command *c);
void sim_ledger_datagram(struct sim_ledger *l, uint16_t device, bool to_server);
void sim_ledger_from_server(struct sim_ledger *l, uint16_t device);

#endif
