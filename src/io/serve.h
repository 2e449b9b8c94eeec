// SPDX-License-Identifier: MIT
// `wend serve`: the relay machine with sockets, disk, clock and signals around it.
//
//   serve.c         start, loop, timer, signals, counters
//   serve_store.c   events of the machine: to the disk, to the log
//   serve_udp.c     datagrams in batches; runs that are relayed leave as they came
//   serve_stream.c  TCP: framing, bounded queues
//   serve_claim.c   which addresses a claim code names
//   serve_discovery.c  the second address and further ports, for STUN
//
// One thread, one libuv loop. Each turn: receive a batch, make durable what must be, send.
#ifndef WEND_IO_SERVE_H
#define WEND_IO_SERVE_H

#include "io/store_server.h"
#include "wire/discovery_ports.h"

#define WEND_SERVE_LISTENS_MAX 8
#define WEND_SERVE_PORT        3478
#define WEND_SERVE_PORTS_MAX   (WEND_DISCOVERY_PORTS_MAX - 2) // beside those of both addresses

struct wend_serve_config {
    const char *state;
    struct wend_address listen[WEND_SERVE_LISTENS_MAX]; // none: any address, both families
    size_t listen_count;
    struct wend_address alternate[2]; // the second address: IPv4, IPv6; family NONE: none
    // Ports beside the one listened on, each on all addresses. Not told: one, the next after it, if
    // it is free.
    bool ports_told;
    uint16_t ports[WEND_SERVE_PORTS_MAX];
    size_t port_count;
    struct wend_server_address
        public_one; // what a claim names instead; host and family empty: none
};

// What failed, for one line on standard error.
struct wend_serve_failure {
    const char *what;
    char value[160];
    const char *fix;
};

// Serves until SIGTERM or SIGINT. Prints `ready …` and `claim …` on standard output.
// Returns 0, or -errno with `ret` filled in.
int wend_serve_run(const struct wend_serve_config *config, struct wend_serve_failure *ret);

// The text of a claim code of this state: keys, addresses and `secret`. Returns 0, -ENOENT when no
// server has run with this state, or -EIO.
int wend_serve_claim_text(struct wend_server_store *s,
                          const uint8_t secret[static WEND_CLAIM_SECRET_LEN],
                          char ret[static WEND_CLAIM_TEXT_SIZE]);

#endif
