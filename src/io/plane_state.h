// SPDX-License-Identifier: MIT
// What the files of the plane share; nobody else includes this.
//
//   plane.c       start, stop, and what the node's thread calls
//   plane_seal.c  the seal thread
//   plane_open.c  the open thread
//   plane_sockets.c  further sockets: how they come to both threads, and go
//
// Waking: a thread that finds nothing to do says so in `asleep`, looks once more, and polls its
// eventfd. Whoever put something into one of its rings looks at `asleep` after that, with a full
// fence between on both sides, so that at least one of the two sees the other.
#ifndef WEND_IO_PLANE_STATE_H
#define WEND_IO_PLANE_STATE_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/ring.h"
#include "io/plane.h"
#include "node/open.h"
#include "node/seal.h"

#define WEND_PLANE_LANES          (2 + WEND_PLANE_SOCKETS_MAX)
#define WEND_PLANE_COMMANDS_BYTES (1u << 20) // 7,000 commands; full: the node's thread waits
#define WEND_PLANE_NOTICES_BYTES  (1u << 18) // 5,000, or 450 with early data; full: they wait
#define WEND_PLANE_STREAM_BYTES   (1u << 18) // each way; full: the newest is dropped, counted
#define WEND_PLANE_NODE_BYTES     (1u << 18) // datagrams for the node; likewise
#define WEND_PLANE_OUT_BYTES      (1u << 17) // sealed at a time
#define WEND_PLANE_TUN_READS      64         // packets of the host a turn
#define WEND_PLANE_UDP_MESSAGES   8          // merged datagrams a turn and socket, 64 KiB each
#define WEND_PLANE_STREAM_READS   64         // datagrams from streams a turn

struct wend_plane_wake {
    _Atomic bool asleep;
    int fd; // eventfd
};

// After something was put into a ring of the sleeper.
void wend_plane_wake(struct wend_plane_wake *w);
// The sleeper's side. After `fall_asleep` it must look into its rings again before it polls.
void wend_plane_fall_asleep(struct wend_plane_wake *w);
void wend_plane_awake(struct wend_plane_wake *w, bool signalled); // takes what the eventfd holds

enum wend_plane_number { // see struct wend_plane_counts
    WEND_PLANE_TUN = 0,  // reads or writes
    WEND_PLANE_RUNS,     // sent, or messages received
    WEND_PLANE_DATAGRAMS,
    WEND_PLANE_BATCHES,
    WEND_PLANE_FAILED,
    WEND_PLANE_TOO_BIG,
    WEND_PLANE_GSO_REFUSED,
    WEND_PLANE_TUN_REFUSED,
    WEND_PLANE_NUMBERS,
};

// What a thread tells of itself at the end of a turn.
struct wend_plane_tally {
    uint64_t numbers[WEND_PLANE_NUMBERS]; // the thread's own
    struct wend_drops drops;              // of the thread, beside those of its machine
    _Atomic uint64_t published_numbers[WEND_PLANE_NUMBERS];
    _Atomic uint64_t published_drops[WEND_DROP_COUNT];
};

void wend_plane_publish(struct wend_plane_tally *t, const struct wend_drops *machine);

// A socket as the seal thread uses it, and what is to go out there: items from `at` on.
struct wend_plane_lane {
    struct wend_udp udp;
    bool pending; // stands in the sealer's list
    size_t at, count;
    struct wend_udp_send items[WEND_SEAL_RUNS_MAX];
};

// A socket as the open thread uses it.
struct wend_plane_ear {
    struct wend_udp udp;
    uint16_t socket; // of an adopted one its number; 0 there: free
};

struct wend_plane_sealer {
    struct wend_plane *plane;
    struct wend_plane_wake wake;
    struct wend_seal *seal;
    struct wend_tun tun;
    // IPv4, IPv6, then adopted sockets; lane 2 + i has number extras[i], 0: free.
    struct wend_plane_lane lanes[WEND_PLANE_LANES];
    uint16_t extras[WEND_PLANE_SOCKETS_MAX];
    size_t extra_high;
    uint8_t pending[WEND_PLANE_LANES]; // lanes that have something to send
    size_t pending_count;
    struct wend_udp_counts gone; // of lanes that are no more
    struct wend_seal_out out;
    struct wend_vnet vnet;
    size_t held; // bytes in `packet` that found no room in `out`
    bool tun_gone;
    bool tun_empty;          // at the last look
    uint64_t without_socket; // datagrams of a family that has none
    struct wend_plane_tally tally;
    _Alignas(64) uint8_t packet[WEND_PACKET_MAX + 1];
    _Alignas(64) uint8_t out_bytes[WEND_PLANE_OUT_BYTES];
};

struct wend_plane_opener {
    struct wend_plane *plane;
    struct wend_plane_wake wake;
    struct wend_open *open;
    struct wend_tun tun;
    bool tun_gone;
    struct wend_plane_ear ears[WEND_PLANE_LANES]; // IPv4, IPv6, then adopted ones
    size_t extra_count;
    int extra_fd; // epoll over the adopted ones
    struct wend_udp_batch *batch;
    struct wend_plane_tally tally;
    uint8_t stream_bytes[WEND_PLANE_STREAM_READS][WEND_DATAGRAM_MAX];
};

struct wend_plane {
    // Shared by threads.
    _Atomic bool stop;
    _Atomic int failure;
    struct wend_plane_wake node_wake;
    struct wend_ring seal_commands, open_commands;          // struct wend_command
    struct wend_ring seal_notices, open_notices;            // struct wend_notice
    struct wend_ring stream_in, stream_out, node_datagrams; // struct wend_datagram, then its bytes

    // The node's thread alone.
    size_t size; // of the memory
    bool running[2];
    pthread_t threads[2];
    bool datagram_peeked, stream_peeked;
    uint16_t adopted[WEND_PLANE_SOCKETS_MAX]; // 0: free

    struct wend_plane_sealer sealer;
    struct wend_plane_opener opener;
    _Alignas(64) uint8_t seal_commands_memory[WEND_PLANE_COMMANDS_BYTES];
    uint8_t open_commands_memory[WEND_PLANE_COMMANDS_BYTES];
    uint8_t seal_notices_memory[WEND_PLANE_NOTICES_BYTES];
    uint8_t open_notices_memory[WEND_PLANE_NOTICES_BYTES];
    uint8_t stream_in_memory[WEND_PLANE_STREAM_BYTES];
    uint8_t stream_out_memory[WEND_PLANE_STREAM_BYTES];
    uint8_t node_datagrams_memory[WEND_PLANE_NODE_BYTES];
    struct wend_plane_stats stats[WEND_SLOTS_MAX];
};

// Copies a datagram and its bytes into a ring. Returns false when it is full.
bool wend_plane_push(struct wend_ring *ring, const struct wend_datagram *way,
                     struct wend_bytes bytes);
// What of a notice goes through a ring: all up to the end of its early data.
static inline size_t wend_plane_notice_len(const struct wend_notice *n)
{
    return offsetof(struct wend_notice, early) + n->early_len;
}
// plane_sockets.c: the part of commands that the threads carry out themselves. False: it is another
// command.
bool wend_plane_seal_socket(struct wend_plane_sealer *t, const struct wend_command *c);
bool wend_plane_open_socket(struct wend_plane_opener *t, const struct wend_command *c);
// After the threads have ended: closes all, also what they did not come to.
void wend_plane_close_sockets(struct wend_plane *p);
// A thread can work no more; the node is woken.
void wend_plane_fail(struct wend_plane *p, int error);

void *wend_plane_seal_thread(void *sealer);
void *wend_plane_open_thread(void *opener);

#endif
