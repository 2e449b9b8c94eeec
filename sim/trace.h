// SPDX-License-Identifier: MIT
// What happened in a world, as a hash and as the last records.
//
// Each decision (a datagram sent, delivered or lost, a command, a notice, an event, a fault) is one
// record of numbers: time, kind, whose, sizes, addresses. All of them go into a 64-bit hash, so two
// runs that decide alike have equal hashes. Ciphertext, keys and what is hashed from keys never
// enter: real and fake cryptography must agree. The last WEND_SIM_TRACE_KEPT records stay, to be
// printed when a seed fails.
//
// One a process is enough: a world takes it over by sim_trace_begin. Not thread-safe.
#ifndef WEND_SIM_TRACE_H
#define WEND_SIM_TRACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/address.h"
#include "base/time.h"

#define WEND_SIM_TRACE_KEPT 10000

enum sim_trace_kind {
    SIM_TRACE_NONE = 0,
    SIM_TRACE_SEND,    // who hands a datagram to its network: a first byte, len, address to
    SIM_TRACE_ARRIVE,  // a datagram reached who: a first byte, len, address from
    SIM_TRACE_LOST,    // not taken by who: a why (enum sim_lost), len
    SIM_TRACE_NET,     // a decision of the network: a what, b reason
    SIM_TRACE_COMMAND, // to a half: a kind, b slot, c half (0 seal, 1 open)
    SIM_TRACE_NOTICE,  // from a half: a kind, b slot
    SIM_TRACE_EVENT,   // of a node: a kind, b slot, c error
    SIM_TRACE_RELAY,   // event of a server: a kind
    SIM_TRACE_STREAM,  // a what (enum sim_stream_what), b stream
    SIM_TRACE_PACKET,  // user packet: a flow, b number, c what (enum sim_packet_what)
    SIM_TRACE_FAULT,   // of the scenario: a kind, b argument
    SIM_TRACE_PHASE,   // a number
    SIM_TRACE_KINDS,
};

enum sim_packet_what {
    SIM_PACKET_NONE = 0,
    SIM_PACKET_SENT,
    SIM_PACKET_SEALED,
    SIM_PACKET_QUEUED,
    SIM_PACKET_REFUSED, // by the sealing half
    SIM_PACKET_DELIVERED,
};

enum sim_lost {
    SIM_LOST_NONE = 0,
    SIM_LOST_DOWN,     // machine is not running
    SIM_LOST_ASLEEP,   // host is suspended
    SIM_LOST_UNOPENED, // a message given back by the node, and still without keys
    SIM_LOST_NO_STREAM,
    SIM_LOST_OPENER,    // dropped and counted by the opening half
    SIM_LOST_SERVER,    // dropped and counted by the server
    SIM_LOST_NO_SOCKET, // came to a port that nobody has open
    SIM_LOST_KINDS,
};

enum sim_stream_what {
    SIM_STREAM_NONE = 0,
    SIM_STREAM_ASKED,
    SIM_STREAM_OPENED,
    SIM_STREAM_REFUSED,
    SIM_STREAM_ACCEPTED,
    SIM_STREAM_CLOSED,
};

struct sim_record {
    wend_instant at;
    uint8_t kind; // enum sim_trace_kind
    uint8_t way;  // 0 UDP, 1 stream
    uint16_t who; // device, or SIM_WHO_SERVER + server
    uint32_t len;
    uint32_t a, b, c;
    struct wend_address address; // family 0: none
};

#define SIM_WHO_SERVER 1000
#define SIM_WHO_NET    2000
#define SIM_WHO_NOBODY 3000

struct sim_trace {
    uint64_t hash;
    uint64_t count;
    FILE *print; // each record as it comes; NULL: none
    struct sim_record kept[WEND_SIM_TRACE_KEPT];
};

// Empties it; `seed` is the hash's beginning.
void sim_trace_begin(struct sim_trace *t, uint64_t seed, FILE *print);
void sim_trace_add(struct sim_trace *t, const struct sim_record *r);
// The kept records, oldest first.
void sim_trace_print(const struct sim_trace *t, FILE *out);

#endif
