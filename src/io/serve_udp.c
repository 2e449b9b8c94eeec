// SPDX-License-Identifier: MIT
// Datagrams of `wend serve`. What is relayed is not copied: it leaves from the buffers of the batch
// that it came in, before the next batch is received.
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "io/serve_state.h"

// --- out ---

static void flush(struct wend_serve_socket *socket)
{
    struct wend_serve *s = socket->serve;
    size_t done = 0;
    while (done < socket->send_count) {
        const int n = wend_udp_send(&socket->udp, socket->sends + done, socket->send_count - done);
        if (n < 0) { // the kernel's queue is full: a relay that waited would stop for everybody
            s->counts.udp_refused += socket->send_count - done;
            break;
        }
        done += (size_t)n;
    }
    socket->send_count = 0;
}

void wend_serve_flush_udp(struct wend_serve *s)
{
    for (size_t i = 0; i < s->socket_count; i++)
        if (s->sockets[i].send_count > 0)
            flush(&s->sockets[i]);
}

static bool is_any(const struct wend_address *a)
{
    const uint8_t zero[16] = {0};
    return memcmp(a->ip, zero, sizeof zero) == 0;
}

// The socket that sends from `local`: the one bound to it, else one bound to any address.
static struct wend_serve_socket *find_socket(struct wend_serve *s, const struct wend_address *local,
                                             uint8_t family)
{
    struct wend_serve_socket *found = NULL;
    for (size_t i = 0; i < s->socket_count; i++) {
        struct wend_serve_socket *socket = &s->sockets[i];
        const struct wend_address *bound = &socket->udp.local;
        if (bound->family != family)
            continue;
        if (wend_address_equal(bound, local))
            return socket;
        if (found == NULL || (is_any(bound) && bound->port == local->port))
            found = socket;
    }
    return found;
}

void wend_serve_send_udp(struct wend_serve *s, const struct wend_relay_run *run, bool copy)
{
    struct wend_serve_socket *socket = find_socket(s, &run->local, run->remote.family);
    if (socket == NULL)
        return;
    if (socket->send_count == WEND_SERVE_SENDS)
        flush(socket);
    const uint8_t *at = run->at;
    if (copy) {
        memcpy(socket->copies[socket->send_count], run->at, run->len);
        at = socket->copies[socket->send_count];
    }
    socket->sends[socket->send_count++] = (struct wend_udp_send){
        .to = run->remote,
        .from = is_any(&socket->udp.local) ? run->local : (struct wend_address){0},
        .data = at,
        .len = run->len,
        .segment_len = run->segment_len,
    };
}

void wend_serve_send(struct wend_serve *s, const struct wend_relay_run *run, bool copy)
{
    if (run->transport == WEND_TRANSPORT_UDP)
        wend_serve_send_udp(s, run, copy);
    else
        wend_serve_send_stream(s, run);
}

// --- in ---

static void receive_one(struct wend_serve *s, const struct wend_relay_run *run, size_t len)
{
    const struct wend_datagram in = {.transport = WEND_TRANSPORT_UDP,
                                     .local = run->local,
                                     .remote = run->remote,
                                     .bytes = {run->at, len}};
    (void)wend_relay_receive(s->relay, &in, s->now, s->unix_seconds);
    // What the machine says waits in rings that hold the words of so many.
    if (++s->unsaid == WEND_SERVE_UNSAID_MAX)
        wend_serve_say(s);
}

// A packet, or several merged by GRO, which merges by addresses and not by what is inside.
static void receive_packet(struct wend_serve *s, const struct wend_udp_packet *p)
{
    struct wend_relay_run run = {.transport = WEND_TRANSPORT_UDP,
                                 .local = p->local,
                                 .remote = p->from,
                                 .at = p->data,
                                 .len = p->len,
                                 .segment_len = p->segment_len};
    struct wend_relay_run out;
    while (run.len > 0) {
        if (wend_relay_is_frame(run.at, run.len)) {
            if (wend_relay_forward(s->relay, &run, s->now, &out))
                wend_serve_send(s, &out, false);
            continue;
        }
        const size_t step = run.segment_len != 0 ? run.segment_len : run.len;
        const size_t len = run.len < step ? run.len : step;
        receive_one(s, &run, len);
        run.at += len;
        run.len -= len;
    }
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    struct wend_serve_socket *socket = poll->data;
    struct wend_serve *s = socket->serve;
    (void)events;
    if (status != 0)
        return;
    for (int round = 0; round < WEND_SERVE_ROUNDS; round++) {
        const struct wend_udp_packet *packets;
        const int count = wend_udp_receive(&socket->udp, s->batch, &packets);
        if (count < 0)
            return;
        wend_serve_begin_turn(s);
        for (int i = 0; i < count; i++)
            receive_packet(s, &packets[i]);
        wend_serve_end_turn(s);
        if (count < WEND_SERVE_BATCH)
            return;
    }
}

int wend_serve_open_udp(struct wend_serve *s, const struct wend_address *local)
{
    struct wend_serve_socket *socket = &s->sockets[s->socket_count];
    const struct wend_udp_config config = {.local = *local};
    const int error = wend_udp_open(&socket->udp, &config);
    if (error != 0)
        return error;
    socket->serve = s;
    socket->copies = malloc(WEND_SERVE_SENDS * sizeof *socket->copies);
    s->socket_count++;
    if (socket->copies == NULL)
        return -ENOMEM;
    const int failed = uv_poll_init(&s->loop, &socket->poll, socket->udp.fd);
    if (failed != 0)
        return failed;
    socket->poll.data = socket;
    return uv_poll_start(&socket->poll, UV_READABLE, on_readable);
}
