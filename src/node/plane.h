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
#define WEND_EARLY_MAX 512  // bytes of early data

#define WEND_PLANE_SOCKETS_MAX 128 // adopted ones; see node/sockets.h

// A suspect path's double: bits a second, and bytes at once. The node ends it by another PATH.
#define WEND_PLANE_ALSO_BPS   10000000
#define WEND_PLANE_ALSO_BURST 65536

// Where a peer's sealed datagrams go. channel 0: straight to `remote`; else behind a relay frame
// header with that channel, `remote` being the server and `stream` its stream if not UDP.
struct wend_plane_path {
    enum wend_transport transport;
    uint32_t stream;
    uint32_t channel;
    struct wend_address local; // zero: the kernel chooses
    struct wend_address remote;
    uint16_t socket;    // UDP: 0, the usual one of the family, or one that was adopted
    uint16_t mtu_bytes; // longest inner packet that it is known to carry; 0: as the interface
};

enum wend_command_kind {
    WEND_COMMAND_NONE = 0,
    WEND_COMMAND_PEER,          // slot stands for ipv4/ipv6 from now on (both halves)
    WEND_COMMAND_PEER_GONE,     // forget slot with keys, path and queue (both)
    WEND_COMMAND_KEYS,          // seal: send with key and remote_index from counter 0 on;
                                // open: local_index opens with key and belongs to slot
    WEND_COMMAND_KEYS_GONE,     // seal: slot may not send any more; open: forget local_index
    WEND_COMMAND_PATH,          // seal: use path; transport NONE: no way at the moment, queue.
                                // `also` not NONE: the same bytes go there too (suspect path),
                                // within WEND_PLANE_ALSO_*
    WEND_COMMAND_SWITCH,        // seal: say the last Switch once more, nobody acknowledged it
    WEND_COMMAND_EARLY_DONE,    // seal: the first `count` packets told as early data have arrived;
                                // the others told, if any, as if refused
    WEND_COMMAND_EARLY_REFUSED, // seal: they have not: they go out with the rest of the queue
    WEND_COMMAND_WATCH,         // both: say TRAFFIC at slot's next user packet, once
    WEND_COMMAND_HOLD,       // open: after a change of way, packets of slot that came too soon are
                             // held for `hold` at most
    WEND_COMMAND_KEEPALIVE,  // seal: send one empty data message
    WEND_COMMAND_FLUSH_DROP, // seal: give up what is queued for slot, counted
    WEND_COMMAND_RELAY,      // open: relay frames are taken from path.remote (a server) only
    // Between the owner and its threads alone (io/plane.h):
    WEND_COMMAND_SOCKET,      // both: path.socket is a socket from now on
    WEND_COMMAND_SOCKET_GONE, // both: it is none any more
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
    struct wend_plane_path also;
    wend_duration hold;
    wend_duration hold_relay; // where the change is to the relay
    uint32_t count;
};

enum wend_notice_kind {
    WEND_NOTICE_NONE = 0,
    WEND_NOTICE_WANT,        // a packet for slot waits for keys or a path (once until served)
    WEND_NOTICE_CONFIRMED,   // first message opened under local_index
    WEND_NOTICE_EXHAUSTED,   // slot's counter nears REJECT-AFTER-MESSAGES
    WEND_NOTICE_NO_KEYS,     // slot has a path but its keys are gone; packets are queued
    WEND_NOTICE_SWITCHED,    // seal: from `counter` on, messages of local_index take the new way
    WEND_NOTICE_SWITCH_SEEN, // open: the peer's Switch with first counter `counter` arrived
    WEND_NOTICE_TRAFFIC,     // a user packet for or from slot, as WATCH asked
};

// WANT and NO_KEYS bring copies of the packets at the head of the queue, whole ones, one after the
// other, that may ride in a handshake (docs/protocol.md section 7.1). They stay in the queue,
// nothing of which goes out or is told again, until EARLY_DONE, EARLY_REFUSED or FLUSH_DROP.
struct wend_notice {
    enum wend_notice_kind kind;
    uint32_t slot;
    uint32_t local_index;
    uint64_t counter;
    uint16_t early_len;
    uint16_t early_count;
    uint8_t early[WEND_EARLY_MAX];
};

// What the open half saw of one way (direct, or through a relay) under the pair `local_index`:
// data messages that proved genuine, copies that had come by another way before included.
struct wend_plane_way {
    _Atomic uint64_t count;
    _Atomic uint64_t highest; // greatest counter + 1; 0: none
};

enum { WEND_WAY_DIRECT = 0, WEND_WAY_RELAY, WEND_WAYS };

// One a slot. The seal half writes the first part, the open half the second, each on cache lines of
// its own; times are wend_instant. 256 bytes, aligned to 64.
struct wend_plane_stats {
    _Alignas(64) _Atomic uint64_t sent_packets; // inner packets
    _Atomic uint64_t sent_bytes;                // and their bytes
    _Atomic int64_t last_sent;                  // user packets
    _Atomic uint64_t queue_dropped;
    _Atomic uint64_t next_counter;         // of the pair that is sent with
    _Atomic uint64_t sent_ways[WEND_WAYS]; // data messages, copies for a second way too
    _Alignas(64) _Atomic uint64_t received_packets;
    _Atomic uint64_t received_bytes;
    _Atomic uint64_t received_direct, received_relay; // datagrams opened, by the way they came
    _Atomic int64_t last_received;                    // user packets
    _Atomic int64_t last_any_received;                // keepalives too
    _Atomic uint64_t duplicated;                      // had come before, by another way or again
    _Atomic uint64_t held, late; // waited for packets before them; were waited for in vain
    _Atomic uint32_t way_index;  // local_index of the pair that `ways` counts for
    struct wend_plane_way ways[WEND_WAYS];
};

#endif
