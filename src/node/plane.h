// SPDX-License-Identifier: MIT
// The data plane's vocabulary: what the node tells the two halves that move packets, and what they
// tell back.
//
// The node (control) runs in one thread. The sealing half (seal.h: IP packets in, datagrams out)
// and the opening half (open.h: datagrams in, IP packets out) run in a thread each, or in turn in
// the simulator. They share no state: each owns its tables, learns of changes by commands that
// arrive in order through a ring (base/ring.h), and says what the node must know by notices through
// another. A peer is known by its slot, a small number that the node gives out. Counters are per
// slot, written by one half with relaxed atomics and read by the node.
#ifndef WEND_NODE_PLANE_H
#define WEND_NODE_PLANE_H

#include <stdatomic.h>

#include "base/datagram.h"
#include "base/time.h"

#define WEND_SLOTS_MAX 4096 // members of a network, docs/protocol.md section 8

// Where a peer's sealed datagrams go. channel 0: straight to `remote`; else behind a relay frame
// header with that channel, `remote` being the server and `stream` its stream if not UDP.
struct wend_plane_path {
    enum wend_transport transport;
    uint32_t stream;
    uint32_t channel;
    struct wend_address local; // zero: the kernel chooses
    struct wend_address remote;
};

enum wend_command_kind {
    WEND_COMMAND_NONE = 0,
    WEND_COMMAND_PEER,       // slot stands for ipv4/ipv6 from now on (both halves)
    WEND_COMMAND_PEER_GONE,  // forget slot with keys, path and queue (both)
    WEND_COMMAND_KEYS,       // seal: send with key and remote_index from counter 0 on;
                             // open: local_index opens with key and belongs to slot
    WEND_COMMAND_KEYS_GONE,  // seal: slot may not send any more; open: forget local_index
    WEND_COMMAND_PATH,       // seal: use path; transport NONE: no way at the moment, queue
    WEND_COMMAND_KEEPALIVE,  // seal: send one empty data message
    WEND_COMMAND_FLUSH_DROP, // seal: give up what is queued for slot, counted
    WEND_COMMAND_RELAY,      // open: relay frames are taken from path.remote (a server) only
};

struct wend_command {
    enum wend_command_kind kind;
    uint32_t slot;
    uint32_t local_index;
    uint32_t remote_index;
    uint8_t key[32]; // wiped by the receiver after use
    struct wend_address ipv4;
    struct wend_address ipv6;
    struct wend_plane_path path;
};

enum wend_notice_kind {
    WEND_NOTICE_NONE = 0,
    WEND_NOTICE_WANT,      // a packet for slot waits for keys or a path (once until served)
    WEND_NOTICE_CONFIRMED, // first message opened under local_index
    WEND_NOTICE_EXHAUSTED, // slot's counter nears REJECT-AFTER-MESSAGES
    WEND_NOTICE_NO_KEYS,   // slot has a path but its keys are gone; packets are queued
};

struct wend_notice {
    enum wend_notice_kind kind;
    uint32_t slot;
    uint32_t local_index;
};

// One a slot. The seal half writes sent_* and queue_dropped, the open half received_*, each on a
// cache line of its own; times are wend_instant. 128 bytes, aligned to 64.
struct wend_plane_stats {
    _Alignas(64) _Atomic uint64_t sent_packets; // inner packets
    _Atomic uint64_t sent_bytes;                // and their bytes
    _Atomic int64_t last_sent;                  // user packets
    _Atomic uint64_t queue_dropped;
    _Alignas(64) _Atomic uint64_t received_packets;
    _Atomic uint64_t received_bytes;
    _Atomic uint64_t received_direct, received_relay; // datagrams opened, by the way they came
    _Atomic int64_t last_received;                    // user packets
    _Atomic int64_t last_any_received;                // keepalives too
};

#endif
