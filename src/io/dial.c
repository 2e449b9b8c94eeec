// SPDX-License-Identifier: MIT
#include "io/dial.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "io/sockaddr.h"
#include "wire/frame.h"

#define READ_BYTES (64 << 10)

// Lives until libuv has closed its handle, which may be after `dials` is gone.
struct dial {
    uv_tcp_t tcp;
    uv_connect_t connect;
    struct wend_dials *dials; // NULL: nobody listens any more
    struct wend_address remote;
    uint32_t stream;
    bool open;
    size_t queued; // bytes
    struct wend_stream framing;
    uint8_t buffer[WEND_DATAGRAM_MAX];
    uint8_t read[READ_BYTES];
};

struct wend_dials {
    uv_loop_t *loop;
    struct wend_dial_handler handler;
    struct dial *at[WEND_DIALS_MAX];
    uint64_t dropped;
};

struct write {
    uv_write_t request;
    struct dial *dial;
    size_t len;
    uint8_t bytes[];
};

struct wend_dials *wend_dials_new(uv_loop_t *loop, const struct wend_dial_handler *handler)
{
    struct wend_dials *d = calloc(1, sizeof *d);
    if (d == NULL)
        return NULL;
    d->loop = loop;
    d->handler = *handler;
    return d;
}

static void free_dial(uv_handle_t *handle)
{
    free(handle->data);
}

// Takes the dial out of its list and lets libuv close it.
static void detach(struct dial *dial)
{
    struct wend_dials *d = dial->dials;
    if (d == NULL)
        return;
    for (size_t i = 0; i < WEND_DIALS_MAX; i++)
        if (d->at[i] == dial)
            d->at[i] = NULL;
    dial->dials = NULL;
    uv_close((uv_handle_t *)&dial->tcp, free_dial);
}

static void fail(struct dial *dial)
{
    struct wend_dials *d = dial->dials;
    if (d == NULL)
        return;
    const uint32_t stream = dial->stream;
    detach(dial);
    d->handler.closed(d->handler.context, stream);
}

void wend_dials_free(struct wend_dials *d)
{
    if (d == NULL)
        return;
    for (size_t i = 0; i < WEND_DIALS_MAX; i++)
        if (d->at[i] != NULL)
            detach(d->at[i]);
    free(d);
}

static struct dial *find(const struct wend_dials *d, uint32_t stream)
{
    for (size_t i = 0; i < WEND_DIALS_MAX; i++)
        if (d->at[i] != NULL && d->at[i]->stream == stream)
            return d->at[i];
    return NULL;
}

static void give_memory(uv_handle_t *handle, size_t suggested, uv_buf_t *ret)
{
    struct dial *dial = handle->data;
    (void)suggested;
    *ret = uv_buf_init((char *)dial->read, sizeof dial->read);
}

static void on_read(uv_stream_t *tcp, ssize_t n, const uv_buf_t *buf)
{
    struct dial *dial = tcp->data;
    if (n == 0)
        return;
    if (n < 0) {
        fail(dial);
        return;
    }
    struct wend_bytes in = {.at = (const uint8_t *)buf->base, .len = (size_t)n};
    struct wend_datagram datagram = {
        .transport = WEND_TRANSPORT_TCP, .stream = dial->stream, .remote = dial->remote};
    int got;
    // The handler may close the stream under us.
    while (dial->dials != NULL &&
           (got = wend_stream_push(&dial->framing, &in, &datagram.bytes)) != 0) {
        if (got < 0) {
            fail(dial);
            return;
        }
        dial->dials->handler.datagram(dial->dials->handler.context, &datagram);
    }
}

static void on_connect(uv_connect_t *request, int status)
{
    struct dial *dial = request->handle->data;
    if (dial->dials == NULL)
        return;
    if (status != 0 || uv_read_start((uv_stream_t *)&dial->tcp, give_memory, on_read) != 0) {
        fail(dial);
        return;
    }
    uv_tcp_nodelay(&dial->tcp, 1);
    dial->open = true;
    dial->dials->handler.opened(dial->dials->handler.context, dial->stream);
}

// A place in the list; the lowest stream number gives way when all are taken.
static struct dial **find_place(struct wend_dials *d)
{
    struct dial **oldest = &d->at[0];
    for (size_t i = 0; i < WEND_DIALS_MAX; i++) {
        if (d->at[i] == NULL)
            return &d->at[i];
        if (d->at[i]->stream < (*oldest)->stream)
            oldest = &d->at[i];
    }
    fail(*oldest);
    return oldest;
}

void wend_dial_open(struct wend_dials *d, uint32_t stream, const struct wend_address *to)
{
    struct dial *dial = calloc(1, sizeof *dial);
    if (dial == NULL || uv_tcp_init(d->loop, &dial->tcp) != 0) {
        free(dial);
        d->handler.closed(d->handler.context, stream);
        return;
    }
    dial->tcp.data = dial;
    dial->dials = d;
    dial->stream = stream;
    dial->remote = *to;
    wend_stream_init(&dial->framing, dial->buffer);
    *find_place(d) = dial;
    struct sockaddr_storage address;
    if (wend_sockaddr_from(to, &address) == 0 ||
        uv_tcp_connect(&dial->connect, &dial->tcp, (const struct sockaddr *)&address, on_connect) !=
            0)
        fail(dial);
}

void wend_dial_close(struct wend_dials *d, uint32_t stream)
{
    struct dial *dial = find(d, stream);
    if (dial != NULL)
        detach(dial);
}

static void on_written(uv_write_t *request, int status)
{
    struct write *w = (struct write *)(void *)request;
    w->dial->queued -= w->len;
    if (status != 0 && w->dial->dials != NULL && status != UV_ECANCELED)
        fail(w->dial);
    free(w);
}

int wend_dial_send(struct wend_dials *d, uint32_t stream, struct wend_bytes datagram)
{
    struct dial *dial = find(d, stream);
    if (dial == NULL || !dial->open)
        return -ENOTCONN;
    if (datagram.len == 0 || datagram.len > WEND_DATAGRAM_MAX)
        return -EMSGSIZE;
    uint8_t framed[WEND_STREAM_HEADER_LEN + WEND_DATAGRAM_MAX];
    const size_t len = WEND_STREAM_HEADER_LEN + datagram.len;
    wend_stream_write_header(framed, datagram.len);
    memcpy(framed + WEND_STREAM_HEADER_LEN, datagram.at, datagram.len);
    size_t done = 0;
    if (dial->queued == 0) {
        const uv_buf_t buf = uv_buf_init((char *)framed, (unsigned)len);
        const int n = uv_try_write((uv_stream_t *)&dial->tcp, &buf, 1);
        if (n > 0)
            done = (size_t)n;
        if (done == len)
            return 0;
    }
    struct write *w = dial->queued > WEND_DIAL_QUEUE_MAX ? NULL : malloc(sizeof *w + len - done);
    if (w == NULL) {
        // Only whole datagrams may be dropped; what is half out goes on (queued was 0 then).
        if (done > 0)
            fail(dial);
        d->dropped++;
        return -ENOBUFS;
    }
    w->dial = dial;
    w->len = len - done;
    memcpy(w->bytes, framed + done, w->len);
    dial->queued += w->len;
    const uv_buf_t rest = uv_buf_init((char *)w->bytes, (unsigned)w->len);
    if (uv_write(&w->request, (uv_stream_t *)&dial->tcp, &rest, 1, on_written) != 0) {
        dial->queued -= w->len;
        free(w);
        fail(dial);
        return -ENOTCONN;
    }
    return 0;
}

uint64_t wend_dials_dropped(const struct wend_dials *d)
{
    return d->dropped;
}
