// SPDX-License-Identifier: MIT
// The data plane's threads, as the thread of the node sees them.
//
//   seal thread   TUN -> split -> seal -> UDP       (node/seal.h)
//   open thread   UDP -> open -> coalesce -> TUN    (node/open.h)
//
// Both run whole batches to completion, without lock, allocation or system call a packet. The
// node's thread commands them and drains what they have for it; each pair of threads talks through
// rings (base/ring.h), and wakes the other only when that one sleeps.
//
//     node --commands--> seal, open       seal, open --notices--> node
//     node --stream_in--> open            open --datagrams--> node    seal --stream_out--> node
//
// The node's thread watches wend_plane_fd and, when it is readable, drains:
//
//     do {
//         while (wend_plane_next_notice(p, &notice)) …
//         while (wend_plane_next_datagram(p, &datagram)) …
//         while (wend_plane_next_stream_out(p, &datagram)) …
//     } while (!wend_plane_rest(p));
//
// It may stop in the midst of that: without wend_plane_rest the descriptor stays readable.
//
// All functions are for the node's thread alone.
#ifndef WEND_IO_PLANE_H
#define WEND_IO_PLANE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/datagram.h"
#include "base/drop.h"
#include "io/tun.h"
#include "io/udp.h"
#include "node/plane.h"

struct wend_plane;

// Descriptors stay the caller's and must stay open until stop. The threads work with copies of the
// structs: the caller may go on sending (not receiving) on the same sockets with its own.
struct wend_plane_config {
    const struct wend_tun *tun;
    const struct wend_udp *udp4, *udp6; // NULL or closed: no such family; one is needed
    struct wend_address ipv4, ipv6;     // our addresses inside; either may be NONE
    size_t mtu;                         // of the interface, at most WEND_SEAL_MTU_MAX
    uint8_t hash_key[16];               // random
};

// Starts both threads, which block all signals. Returns 0, or -errno of mmap(2), eventfd(2) or
// pthread_create(3), and nothing is left behind.
int wend_plane_start(const struct wend_plane_config *config, struct wend_plane **ret);
// Ends and joins both threads, wipes the keys, frees all. What waits is lost. NULL: nothing.
void wend_plane_stop(struct wend_plane *p);

// Hands on a command; they are carried out in order, each before any packet or stream datagram
// that is handed on after it. Waits for room in the rare case that the ring is full. The copy on
// its way is wiped; the caller wipes its own.
void wend_plane_command_seal(struct wend_plane *p, const struct wend_command *command);
void wend_plane_command_open(struct wend_plane *p, const struct wend_command *command);

// Readable while something waits for the node. The caller only polls it.
int wend_plane_fd(const struct wend_plane *p);

// From now on the threads receive from this socket, too, and send through it what commands after
// this one say by their path's `socket`. They work with descriptors of their own: the caller may
// close its own at any time, and goes on sending with it, not receiving. Datagrams for the node
// come by wend_plane_next_datagram with the number.
//
// Returns 0; -ENOSPC when there are WEND_PLANE_SOCKETS_MAX; -EEXIST for a number that is in use; or
// -errno of dup(2).
int wend_plane_adopt(struct wend_plane *p, uint16_t number, const struct wend_udp *udp);
// The opposite. What is sealed for that socket is dropped from now on, and counted.
void wend_plane_release(struct wend_plane *p, uint16_t number);
// Says that everything is drained. Returns true when the descriptor will tell of what comes next;
// false when something has come meanwhile: drain again.
bool wend_plane_rest(struct wend_plane *p);

bool wend_plane_next_notice(struct wend_plane *p, struct wend_notice *ret);
// A datagram that is the node's: all but data messages under an index that it gave out. Came from
// UDP, or from wend_plane_stream_in. The bytes live until the next call of this function.
bool wend_plane_next_datagram(struct wend_plane *p, struct wend_datagram *ret);
// A sealed datagram for the stream that its path names: to be written there, or dropped if it is no
// more. The bytes live until the next call of this function.
bool wend_plane_next_stream_out(struct wend_plane *p, struct wend_datagram *ret);

// Hands on a datagram that was read from a stream, or a data message that the node gives back
// (WEND_NODE_UNOPENED). Give all of a stream's: what is the node's comes back, in order, by
// wend_plane_next_datagram. Returns false (dropped, counted) when the open
// thread is behind.
bool wend_plane_stream_in(struct wend_plane *p, const struct wend_datagram *in);

// The counters of all slots, WEND_SLOTS_MAX of them; for wend_node_set_stats.
struct wend_plane_stats *wend_plane_stats(struct wend_plane *p);

// Totals since start. Reads what the threads published after their last turn.
struct wend_plane_counts {
    struct wend_drops sealing, opening;
    uint64_t tun_reads, tun_writes;     // packets and super-packets
    uint64_t runs_sent, datagrams_sent; // a run is one segmented send, or several if long
    uint64_t batches_received, messages_received, datagrams_received;
    uint64_t udp_failed, udp_too_big; // datagrams that could not leave
    uint64_t gso_refused;
    uint64_t tun_refused; // packets that the interface did not take
};
void wend_plane_read_counts(const struct wend_plane *p, struct wend_plane_counts *ret);

// 0, or why one of the threads can work no more: -EBADFD when the interface was removed, else what
// recvmmsg(2) said. The descriptor becomes readable then. Commands are still taken; stop it.
int wend_plane_failure(const struct wend_plane *p);

#endif
