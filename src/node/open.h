// SPDX-License-Identifier: MIT
// The opening half of the data plane: datagrams in, IP packets for the host out.
//
// Flow:   UDP with GRO, or a stream -> wend_open_datagram -> batch -> wend_open_next_packet -> TUN
//         commands of the node -> wend_open_command;  wend_open_next_notice -> node
// Takes data messages (type 4, docs/protocol.md section 2.3) under an index that the node gave it,
// also behind a relay frame header (section 4.3) if it comes from our server. All else is the
// node's. A message is opened where it lies. The packet inside must come from an address of the
// peer that owns the key, and be for us (cryptokey routing). Where the datagram came from is not
// asked: the key proves the sender. It does decide about order: while a peer's packets come by more
// than one way, those that came too soon wait for the others (hold.h).
//
// Pure, but for wend_receiver_init, which lets libcrypto allocate when keys come. Not thread-safe.
#ifndef WEND_NODE_OPEN_H
#define WEND_NODE_OPEN_H

#include "base/bytes.h"
#include "base/drop.h"
#include "node/plane.h"
#include "wire/offload.h"

// Indexes at a time: three key pairs for each contact of a node. Full: the new one is refused.
#define WEND_OPEN_RECEIVERS_MAX 4096
#define WEND_OPEN_BATCH_MAX     WEND_COALESCE_MAX // packets a batch

struct wend_open_config {
    struct wend_address ipv4, ipv6; // ours, inside: what packets must be for; either may be NONE
    bool udp_offload;               // the interface takes UDP super-packets
    uint8_t hash_key[16];
    struct wend_plane_stats *stats; // WEND_SLOTS_MAX of them, the received_* half is ours
};

enum wend_open_verdict {
    WEND_OPEN_NONE = 0,
    WEND_OPEN_PACKET,    // in the batch: the bytes must stay until the batch is drained
    WEND_OPEN_HELD,      // copied: goes out behind packets that are still to come
    WEND_OPEN_KEEPALIVE, // no packet inside, perhaps a Switch
    WEND_OPEN_NODE,      // not ours, unchanged: hand it to the node
    WEND_OPEN_FULL,      // the batch is full, nothing was changed: drain it, give it again
    WEND_OPEN_DROPPED,   // counted
};

struct wend_open;

size_t wend_open_size(void);
// `memory` of wend_open_size() zeroed bytes, aligned to a page. Pages never used are not touched.
struct wend_open *wend_open_init(void *memory, const struct wend_open_config *config);
void wend_open_close(struct wend_open *o); // wipes the keys; once

// Carries out one command; its key is wiped. Those of the other half are ignored, and out-of-range
// slots. Returns 0; -ENOSPC or -ENOMEM: KEYS could not be taken, the index stays unknown.
int wend_open_command(struct wend_open *o, struct wend_command *command);

// Takes one datagram; `way` says where it came from (its bytes are not looked at).
enum wend_open_verdict wend_open_datagram(struct wend_open *o, const struct wend_datagram *way,
                                          uint8_t *at, size_t len, wend_instant now);

// Room in the batch: that many datagrams will not meet FULL, if none sets free what was held.
size_t wend_open_room(const struct wend_open *o);

// Drains the batch: the next packet or super-packet for the interface, as wend_coalesce_next. What
// was held and is due but found no room goes into the batch anew, until 0 is returned.
size_t wend_open_next_packet(struct wend_open *o, struct wend_vnet *ret_vnet,
                             struct wend_bytes ret_pieces[static WEND_COALESCE_MAX]);

bool wend_open_next_notice(struct wend_open *o, struct wend_notice *ret);

// Packets that waited long enough for those before them go into the batch, or will when it is
// drained: drain after it.
void wend_open_expire(struct wend_open *o, wend_instant now);
wend_instant wend_open_deadline(const struct wend_open *o); // WEND_NEVER: nothing is held

const struct wend_drops *wend_open_drops(const struct wend_open *o);
void wend_open_check(const struct wend_open *o); // invariants, for tests

#endif
