// SPDX-License-Identifier: MIT
// Outgoing streams to servers: TCP through libuv, framed as docs/protocol.md section 1 says.
//
// A machine (leg, node) asks for a stream by number; this connects it, hands up the datagrams it
// carries and takes datagrams to send. One loop, one thread. What waits to be written is bounded:
// beyond it a datagram is dropped and counted, as a full UDP queue would.
#ifndef WEND_IO_DIAL_H
#define WEND_IO_DIAL_H

#include <uv.h>

#include "base/datagram.h"

#define WEND_DIALS_MAX      4           // streams at once; more: the oldest is closed
#define WEND_DIAL_QUEUE_MAX (256 << 10) // bytes waiting to be written on one stream

struct wend_dials;

struct wend_dial_handler {
    void *context;
    void (*opened)(void *context, uint32_t stream);
    // Not called for streams that wend_dial_close closed.
    void (*closed)(void *context, uint32_t stream);
    // `in` lives until the handler returns.
    void (*datagram)(void *context, const struct wend_datagram *in);
};

// Returns NULL without memory.
struct wend_dials *wend_dials_new(uv_loop_t *loop, const struct wend_dial_handler *handler);
// Closes all streams; the loop must run once more for libuv to let go of them.
void wend_dials_free(struct wend_dials *d);

// Begins to connect; `opened` or `closed` is called later, from the loop.
void wend_dial_open(struct wend_dials *d, uint32_t stream, const struct wend_address *to);
void wend_dial_close(struct wend_dials *d, uint32_t stream);
// Returns 0, -ENOTCONN (no such stream, or not open yet), -EMSGSIZE, -ENOBUFS (full: dropped).
int wend_dial_send(struct wend_dials *d, uint32_t stream, struct wend_bytes datagram);
uint64_t wend_dials_dropped(const struct wend_dials *d);

#endif
