// SPDX-License-Identifier: MIT
// The sealing half of the data plane: IP packets of the host in, runs of sealed datagrams out.
//
// Flow:   TUN -> wend_seal_packet -> out (runs) -> UDP with GSO, or a stream
//         commands of the node -> wend_seal_command;  wend_seal_next_notice -> node
// Finds the peer by the inner destination, splits super-packets straight into the out buffer, pads
// and seals where the pieces lie. Equal datagrams for one path lie side by side: a run, which one
// segmented send takes out. Wire: type 4, docs/protocol.md section 2.3; through a relay each
// datagram has the frame header of section 4.3 before it.
//
// A peer without keys or path has a queue: WEND_SEAL_QUEUE_MAX packets (section 7.1), from a pool
// of WEND_SEAL_CELLS for all peers. Full: the peer's oldest is dropped and counted. The first
// packet raises WANT (NO_KEYS if there is a path), once until the queue was served or given up. The
// queue goes out, in order, before any newer packet.
//
// A changed path or key is said to the peer (Switch, section 7.5) before the next message, so that
// it can keep the packets of two ways in order: see seal_switch.c. A path with `also`: every sealed
// message goes there too, identical, as far as WEND_PLANE_ALSO_* allow.
//
// WANT and NO_KEYS give the node a copy of the queue's head as early data. The packets stay; until
// the node's verdict none is told again, a full queue drops others first, and keys or a path that
// come meanwhile send nothing: the copies may arrive.
//
// A path that carries less than the interface: a router's work. What is too long and may be cut
// (IPv4 without DF) goes out in pieces (wire/fragment.h); what may not is refused with an answer to
// the host, but for what has to pass everywhere (WEND_ICMP_MTU_*): that goes whole. A TCP SYN's
// segment size is lowered. The queue is judged by the same rules when it goes out.
//
// Pure, but for wend_sender_init, which lets libcrypto allocate when keys come. Not thread-safe.
#ifndef WEND_NODE_SEAL_H
#define WEND_NODE_SEAL_H

#include "base/bytes.h"
#include "base/drop.h"
#include "node/plane.h"
#include "wire/offload.h"

#define WEND_SEAL_MTU_MAX   2000 // inner packets; a datagram then has at most 2,040 bytes
#define WEND_SEAL_QUEUE_MAX 512  // packets a peer: at MTU 1,400 less than 1 MiB
#define WEND_SEAL_CELLS     8192 // packets queued for all peers, 16 MiB
#define WEND_SEAL_RUNS_MAX  80   // a super-packet of which every segment is cut makes 67
// So much a sealed packet may grow: relay frame header, data header, padding, tag.
#define WEND_SEAL_GROWTH (8 + 16 + 15 + 16)

struct wend_seal_config {
    struct wend_address ipv4, ipv6; // ours, inside: what packets must come from; may be NONE
    size_t mtu;                     // at most WEND_SEAL_MTU_MAX
    uint8_t hash_key[16];
    struct wend_plane_stats *stats; // WEND_SLOTS_MAX of them, the sent_* half is ours
};

// Datagrams for one path, side by side, all of segment_len bytes but the last, which may be
// shorter.
struct wend_seal_run {
    struct wend_plane_path path;
    size_t offset, len; // in the out buffer
    uint32_t slot;
    uint32_t serial; // of the machine's state that sealed it
    uint32_t count;
    uint16_t segment_len;
    bool closed; // ends with a shorter one: nothing may follow
};

// What came of packets since the caller emptied it (wend_seal_out_clear).
struct wend_seal_out {
    uint8_t *at; // the caller's memory: 512 bytes and more; a super-packet of ordinary segments
                 // takes 70 KiB, and twice that with `also`, else not all of it is doubled
    size_t capacity, len;
    size_t count;
    struct wend_seal_run runs[WEND_SEAL_RUNS_MAX];
};

static inline void wend_seal_out_clear(struct wend_seal_out *out)
{
    out->len = 0;
    out->count = 0;
}

enum wend_seal_verdict {
    WEND_SEAL_NONE = 0,
    WEND_SEAL_SENT,        // sealed into the out buffer
    WEND_SEAL_QUEUED,      // waits for keys or a path
    WEND_SEAL_FULL,        // no room in the out buffer, or an answer to what waited is due: see
                           // wend_seal_answer, send, clear, give the packet again
    WEND_SEAL_DROPPED,     // counted in the drops
    WEND_SEAL_UNREACHABLE, // counted; nobody has this destination: see wend_seal_answer
    WEND_SEAL_TOO_BIG,     // counted; longer than the path carries: see wend_seal_answer
};

struct wend_seal;

size_t wend_seal_size(void);
// `memory` of wend_seal_size() zeroed bytes, aligned to a page. Pages never used are not touched.
struct wend_seal *wend_seal_init(void *memory, const struct wend_seal_config *config);
void wend_seal_close(struct wend_seal *s); // wipes the keys; once

// Carries out one command; its key is wiped. Those of the other half are ignored. What it sets
// free goes out by wend_seal_flush. Out-of-range slots are ignored. Returns 0, or -ENOMEM: KEYS
// could not be taken, the slot has none.
int wend_seal_command(struct wend_seal *s, struct wend_command *command);

// Takes one packet of the host, as the interface gave it, with what stood beside it.
enum wend_seal_verdict wend_seal_packet(struct wend_seal *s, const struct wend_vnet *vnet,
                                        struct wend_bytes packet, wend_instant now,
                                        struct wend_seal_out *out);

// After UNREACHABLE, TOO_BIG, FULL or a flush: the ICMP or ICMPv6 packet for the host
// (wire/icmp.h), valid until the next call. Empty: none is due, or 100 were given within a second.
struct wend_bytes wend_seal_answer(const struct wend_seal *s);

// Appends queued packets of peers that can be reached now, and keepalives. Returns true when all
// are out; false when there is no room, or an answer is due: see wend_seal_answer, send, clear,
// call again.
bool wend_seal_flush(struct wend_seal *s, wend_instant now, struct wend_seal_out *out);
bool wend_seal_is_flushed(const struct wend_seal *s);

bool wend_seal_next_notice(struct wend_seal *s, struct wend_notice *ret);

const struct wend_drops *wend_seal_drops(const struct wend_seal *s);
void wend_seal_check(const struct wend_seal *s); // invariants, for tests

#endif
