// SPDX-License-Identifier: MIT
// UDP sockets, read and written in batches.
//
// Place:  the edge of the network. A socket carries one address family; all that wend sends and
//         receives by UDP passes here, many datagrams a system call: recvmmsg with UDP_GRO, which
//         merges a burst from one source, and sendmmsg with UDP_SEGMENT (GSO), which cuts a run of
//         equal datagrams in the kernel.
// Limits: the kernel takes 64 segments and 65,507 bytes a message (65,527 by IPv6); longer runs
//         are cut here.
//
// Everything is non-blocking. A socket may be used by one thread at a time; a batch of receive
// buffers belongs to one thread and serves all its sockets in turn.
#ifndef WEND_IO_UDP_H
#define WEND_IO_UDP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/address.h"
#include "base/bytes.h"
#include "base/datagram.h"

#define WEND_UDP_BATCH_MAX 64 // messages a system call, and buffers a batch

enum wend_udp_fragmentation {
    WEND_UDP_FRAGMENT = 0, // may be fragmented on the way, no DF (IP_PMTUDISC_DONT)
    WEND_UDP_PROBE, // DF is set and the kernel's path MTU ignored (IP_PMTUDISC_PROBE): RFC 8899
};

struct wend_udp_config {
    struct wend_address local; // the family counts; address zero: any, port 0: the kernel chooses
    const char *device;        // SO_BINDTODEVICE; NULL: none
    uint32_t mark;             // SO_MARK, for policy routing; 0: none
    int buffer_bytes;          // of the kernel's queues each way; 0: 4 MiB
    enum wend_udp_fragmentation fragmentation;
    bool reuse_port; // SO_REUSEPORT: several sockets on one port
    bool light; // for a few datagrams: neither GRO nor GSO, the kernel's own queues; a third of
                // the calls. See wend_udp_widen
};

struct wend_udp_counts {
    uint64_t received; // datagrams, segments of a merged one counted each
    uint64_t truncated;
    uint64_t sent;
    uint64_t too_big;     // EMSGSIZE: longer than the path or the device takes
    uint64_t failed;      // no route, no such source address, a local filter, no memory …
    uint64_t gso_refused; // runs that had to be sent one by one
};

// A destination that does not take segmented sends of this size, and how many to try plainly
// before it is asked again (its route may have changed).
struct wend_udp_refusal {
    struct wend_address to;
    uint16_t segment_len;
    uint16_t left;
};

#define WEND_UDP_REFUSALS_MAX 16 // full: the oldest is forgotten, and found again at some cost

struct wend_udp {
    int fd;                    // -1: closed
    struct wend_address local; // as bound: port always known, address zero for any
    bool gso;
    bool connected;
    uint8_t refusal_next;
    struct wend_udp_refusal refusals[WEND_UDP_REFUSALS_MAX];
    struct wend_udp_counts counts;
};

// Opens and binds. The kernel's queues are made as long as it allows. On failure `u` is closed.
//
// Returns 0;
//   -EAFNOSUPPORT   the machine has no such family, or the local address none
//   -EADDRINUSE     the port is taken
//   -EADDRNOTAVAIL  the address is not this machine's
//   -EACCES, -EPERM a low port, mark or device needs a capability that is missing
//   or what else socket(2), bind(2) or setsockopt(2) says
int wend_udp_open(struct wend_udp *u, const struct wend_udp_config *config);
void wend_udp_close(struct wend_udp *u); // also of a closed one
// Makes a light socket like the others.
void wend_udp_widen(struct wend_udp *u);

// Fixes the peer: the kernel then delivers that peer's datagrams to this socket among several on
// the port, and sends without a route lookup. Returns 0 or -errno of connect(2).
int wend_udp_connect(struct wend_udp *u, const struct wend_address *peer);

// For a probe of the path's MTU among ordinary traffic. Returns 0 or -errno.
int wend_udp_set_fragmentation(struct wend_udp *u, enum wend_udp_fragmentation f);

// The same, of a socket that another thread owns.
int wend_udp_set_fragmentation_of(int fd, uint8_t family, enum wend_udp_fragmentation f);

// ---- Receive ----

struct wend_udp_packet {
    struct wend_address from, local; // `local` is where it was sent to: a source for the answer
    uint8_t *data;                   // in the batch; the owner of the batch may write there
    size_t len;
    uint16_t segment_len; // 0: one datagram; else datagrams of this length, the last may be shorter
    uint8_t ecn;          // the two bits of RFC 3168
};

struct wend_udp_batch;

// Makes `count` (1 to WEND_UDP_BATCH_MAX) buffers, each for a merged datagram of 64 KiB. Memory
// that is never written costs nothing. Returns NULL when there is none.
struct wend_udp_batch *wend_udp_batch_new(size_t count);
void wend_udp_batch_free(struct wend_udp_batch *b); // NULL: nothing

// Receives what waits, at most the batch. The packets stay valid until the batch is used again or
// freed.
//
// Returns how many there are (which may be 0 if all that waited was unusable), `ret` pointing to
// them;
//   -EAGAIN   nothing waits
//   or -errno of recvmmsg(2): the socket is of no more use. Errors that ICMP reports are swallowed.
int wend_udp_receive(struct wend_udp *u, struct wend_udp_batch *b,
                     const struct wend_udp_packet **ret);

// ---- Send ----

struct wend_udp_send {
    struct wend_address to;   // ignored on a connected socket
    struct wend_address from; // the source address; family NONE: the kernel chooses. Port ignored
    const uint8_t *data;
    size_t len;
    uint16_t segment_len; // as in a received packet
    uint8_t ecn;
    int error; // result: 0, or -errno of the last of its datagrams that could not leave
};

// Sends the items in order; an empty one is skipped. An item whose datagrams left, or cannot leave
// (counted, and noted in its `error`), is done and otherwise unchanged. When the queue is full
// in the midst of an item, its `data` and `len` are moved on to what remains, so that
// calling again with the rest, once writable, loses and doubles nothing.
//
// Returns how many items are done, from the front; -EAGAIN if none and the queue is full.
int wend_udp_send(struct wend_udp *u, struct wend_udp_send *items, size_t count);

// Sends one datagram from any thread, beside the one that owns the socket: uses its number alone.
// `out->local` as `from` in wend_udp_send. What cannot leave now is lost, as on a network; whoever
// sends control messages repeats them. With dont_fragment it carries DF, and is lost when it is
// longer than the device takes; what other threads send in that instant carries DF too. With a TTL
// it may die on the way: no socket of ours hears of the ICMP error.
void wend_udp_send_one(int fd, const struct wend_datagram *out);

#endif
