// SPDX-License-Identifier: MIT
// What the files of `wend serve` share; nobody else includes this.
#ifndef WEND_IO_SERVE_STATE_H
#define WEND_IO_SERVE_STATE_H

#include <uv.h>

#include "base/map.h"
#include "io/serve.h"
#include "io/udp.h"
#include "relay/relay.h"
#include "wire/frame.h"

#define WEND_SERVE_SOCKETS_MAX  ((WEND_SERVE_LISTENS_MAX + 2) * WEND_DISCOVERY_PORTS_MAX)
#define WEND_SERVE_BATCH        32 // messages a receive call
#define WEND_SERVE_ROUNDS       8  // receive calls on one socket before others get their turn
#define WEND_SERVE_SENDS        64
#define WEND_SERVE_UNSAID_MAX   256 // datagrams taken in before answers leave
#define WEND_SERVE_STREAMS_MAX  16384
#define WEND_SERVE_STREAMS_IP   64
#define WEND_SERVE_STREAM_TRIAL WEND_S(10) // for a stream without a registered client
#define WEND_SERVE_QUEUE_MAX    (256u << 10)
#define WEND_SERVE_QUEUE_AGE    WEND_MS(50)
#define WEND_SERVE_UNSENT_MAX   (64 << 10) // bytes that the kernel may hold back unsent on a stream
#define WEND_SERVE_MAP_SIZE     32768

struct wend_serve;

struct wend_serve_socket {
    struct wend_serve *serve;
    struct wend_udp udp;
    uv_poll_t poll;
    struct wend_udp_send sends[WEND_SERVE_SENDS];
    size_t send_count;
    uint8_t (*copies)[WEND_DATAGRAM_MAX]; // WEND_SERVE_SENDS of them
};

struct wend_serve_listener {
    struct wend_serve *serve;
    uv_tcp_t tcp;
};

struct wend_serve_chunk {
    struct wend_serve_chunk *next;
    wend_instant at;
    size_t len;
    uint8_t bytes[];
};

// 2.5 KiB, and what waits to be written.
struct wend_serve_stream {
    struct wend_serve *serve; // NULL: being closed
    uint32_t number;
    uint32_t slot;
    struct wend_address local, remote;
    wend_instant opened;
    bool writing;
    size_t queued; // bytes in chunks that are not being written
    struct wend_serve_chunk *first, **end;
    uv_tcp_t tcp;
    struct wend_stream framing;
    uint8_t buffer[WEND_DATAGRAM_MAX];
};

// An event that could not be stored yet.
struct wend_serve_pending {
    struct wend_serve_pending *next;
    struct wend_relay_event event;
    uint8_t bytes[];
};

struct wend_serve_counts {
    uint64_t udp_refused; // datagrams that the kernel's queue had no room for
    uint64_t streams_opened, streams_refused, streams_ended, streams_unused;
    uint64_t stream_dropped; // datagrams, because a stream's queue was full or late
    uint64_t store_failures;
};

struct wend_serve {
    const struct wend_serve_config *config;
    struct wend_server_store *store;
    struct wend_relay *relay;
    size_t relay_size;
    uv_loop_t loop;
    uv_timer_t timer, tick; // what the machine waits for; once a second
    uv_signal_t signals[3];
    wend_instant now;
    uint64_t unix_seconds;
    wend_instant counted_at;
    unsigned unsaid;  // datagrams given to the machine since it was drained
    uint64_t counted; // sum of all counters when they were logged last

    struct wend_serve_socket sockets[WEND_SERVE_SOCKETS_MAX];
    size_t socket_count;
    size_t listening; // the first of them: those that clients use
    struct wend_discovery_ports discovery[2];
    struct wend_udp_batch *batch;

    struct wend_serve_listener listeners[WEND_SERVE_LISTENS_MAX];
    size_t listener_count;
    struct wend_serve_stream **streams; // by slot
    uint32_t stream_high, stream_count, stream_number;
    uint8_t hash_key[16];
    struct wend_map streams_by_number, streams_by_ip;
    uint8_t *stream_input;  // 64 KiB: libuv reads here
    uint8_t *stream_output; // a framed run

    struct wend_serve_pending *pending; // oldest first
    struct wend_serve_counts counts;
};

// serve.c: reads the clock, at the begin of a turn; stores, sends, sets the timer, at its end.
void wend_serve_begin_turn(struct wend_serve *s);
void wend_serve_end_turn(struct wend_serve *s);
void wend_serve_say(struct wend_serve *s); // stores and sends, within a turn

// serve_store.c
void wend_serve_events(struct wend_serve *s);
void wend_serve_retry_store(struct wend_serve *s);
void wend_serve_log_counters(struct wend_serve *s, bool always);

// serve_udp.c
int wend_serve_open_udp(struct wend_serve *s, const struct wend_address *local);
void wend_serve_send_udp(struct wend_serve *s, const struct wend_relay_run *run, bool copy);
void wend_serve_flush_udp(struct wend_serve *s);
// Sends a run where it belongs; the bytes must live until the end of the turn, or are copied.
void wend_serve_send(struct wend_serve *s, const struct wend_relay_run *run, bool copy);

// serve_discovery.c: after all others. Returns 0, or as wend_udp_open for `ret_failed`.
int wend_serve_open_discovery(struct wend_serve *s, struct wend_address *ret_failed);

// serve_stream.c
int wend_serve_open_streams(struct wend_serve *s); // memory
int wend_serve_listen(struct wend_serve *s, const struct wend_address *local);
void wend_serve_send_stream(struct wend_serve *s, const struct wend_relay_run *run);
void wend_serve_sweep_streams(struct wend_serve *s);
void wend_serve_close_streams(struct wend_serve *s);

// serve_claim.c: finds, keeps, and tells the relay, where clients reach us.
int wend_serve_keep_addresses(struct wend_serve *s, struct wend_relay_config *config);
size_t wend_serve_own_addresses(uint8_t family, uint16_t port, struct wend_address *ret,
                                size_t max);

#endif
