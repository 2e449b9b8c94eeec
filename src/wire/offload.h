// SPDX-License-Identifier: MIT
// Segmentation and coalescing of inner packets: what a network card does for the kernel, done here
// for the virtual interface.
//
// Place:  TUN read -> split -> seal, and open -> coalesce -> TUN write. The kernel hands over TCP
//         and UDP super-packets of up to 64 KiB with a virtio_net_hdr beside each; one system call
//         and one trip through its stack then pay for some 45 packets.
// Wire:   struct virtio_net_hdr of the virtio specification 1.2, section 5.1.6, in the form that
//         Linux's tun uses; IPv4 RFC 791, IPv6 RFC 8200, TCP RFC 9293, UDP RFC 768.
//
// Owns no memory: both sides work in the caller's buffers and copy a payload at most once. Not
// thread-safe; one object a thread.
#ifndef WEND_WIRE_OFFLOAD_H
#define WEND_WIRE_OFFLOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"

#define WEND_PACKET_MAX 65535 // the longest IP packet, and so the longest super-packet

enum wend_gso { // values of virtio_net_hdr.gso_type
    WEND_GSO_NONE = 0,
    WEND_GSO_TCP4 = 1,
    WEND_GSO_TCP6 = 4,
    WEND_GSO_UDP = 5, // "UDP_L4": datagrams of one size, not IP fragments
};
#define WEND_GSO_ECN         0x80 // flag beside the TCP types: the first segment carries CWR
#define WEND_VNET_NEEDS_CSUM 1    // the checksum at csum_start + csum_offset is unfinished

// What stands beside a packet at the interface; all numbers in host order. All zero: an ordinary
// packet whose checksums are complete.
struct wend_vnet {
    uint8_t flags;
    uint8_t gso_type;
    uint16_t hdr_len; // advice only, never trusted
    uint16_t gso_size;
    uint16_t csum_start;
    uint16_t csum_offset;
};

// ---- Split: one super-packet into ordinary packets ----

// An iterator over one packet from the interface; reads it, never writes to it. 64 bytes.
struct wend_split {
    const uint8_t *packet;
    uint64_t pseudo; // sum of the pseudo-header without the length
    uint32_t len;
    uint32_t at;         // the payload byte that comes next
    uint32_t header_len; // IP and transport header; all of the packet if it is not split
    uint32_t segment;    // payload bytes a piece
    uint16_t transport;  // offset of the TCP or UDP header
    uint16_t check;      // offset of the checksum field, 0 if there is nothing to complete
    uint16_t index;
    uint8_t gso; // enum wend_gso
    bool done;
};

// Begins with one packet as the interface gave it. No piece will be longer than `piece_max`.
//
// Returns 0;
//   -EBADMSG   neither IPv4 nor IPv6, or the header beside the packet does not describe it
//   -EMSGSIZE  a piece would be longer than `piece_max`, or `packet` is longer than any IP packet
int wend_split_init(struct wend_split *s, const struct wend_vnet *vnet, struct wend_bytes packet,
                    size_t piece_max);

// How many pieces there are in all; at least 1.
size_t wend_split_count(const struct wend_split *s);

// Writes the next piece to `to`, which must hold `piece_max` bytes: a whole IP packet with every
// checksum complete. IPv4 identification and TCP sequence number count up, FIN and PSH stay for
// the last piece, CWR for the first. Returns its length, or 0 after the last.
size_t wend_split_next(struct wend_split *s, uint8_t *to);

// ---- Coalesce: a batch of ordinary packets into fewer, larger ones ----

#define WEND_COALESCE_MAX 256 // packets a batch, and so pieces a super-packet; full: drain first

struct wend_coalesce_packet {
    uint8_t *at;
    uint16_t len;
    uint16_t header_len;
    uint16_t next; // of the same group, by index
};

struct wend_coalesce_group {
    uint32_t hash;
    uint32_t total_len;
    uint32_t next_seq;
    uint16_t first, last, count;
    uint16_t segment;
    uint16_t transport;
    bool open;     // may still grow
    bool verified; // the checksums of `first` are right
    bool push;
};

struct wend_coalesce {
    bool udp;
    bool draining;
    uint16_t packet_count, group_count, emitted;
    struct wend_coalesce_packet packets[WEND_COALESCE_MAX];
    struct wend_coalesce_group groups[WEND_COALESCE_MAX];
};

// `udp`: the interface takes UDP super-packets (Linux 6.2 and later).
void wend_coalesce_init(struct wend_coalesce *c, bool udp);

// Takes one packet, without padding after its end. It must stay where it is, writable, until the
// batch is drained. Joined are, as in Linux's GRO, TCP segments of one flow that follow one another
// with equal headers, carry ACK and at most PSH, and are of one size but for the last; and UDP
// datagrams likewise. A packet is joined only after its checksums proved right, so that a damaged
// one is never blessed. Everything else passes as it came, and the packets of a flow keep
// their order. Returns false, having taken nothing, when the batch is full.
bool wend_coalesce_add(struct wend_coalesce *c, uint8_t *packet, size_t len);

// Gives the next packet for the interface: `ret_vnet` and the views that make it up, to be
// written in one gathering write. Returns the number of views, or 0 when the batch is drained; then
// the object is empty again. Between the first call and that, nothing may be added.
size_t wend_coalesce_next(struct wend_coalesce *c, struct wend_vnet *ret_vnet,
                          struct wend_bytes ret_pieces[static WEND_COALESCE_MAX]);

#endif
