// SPDX-License-Identifier: MIT
// Streams of `wend serve`: datagrams behind two bytes of length. docs/protocol.md sections 1 and 8.
//
// Writing: straight to the kernel while it takes all. What it does not take is handed to libuv, one
// write at a time; meanwhile datagrams wait here, where the oldest can be dropped: when more than
// 256 KiB wait, or when one waited for 50 ms. The kernel is kept from hoarding (TCP_NOTSENT_LOWAT).
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/hash.h"
#include "io/clock.h"
#include "io/serve_state.h"
#include "io/sockaddr.h"
#include "wire/demux.h"

#define INPUT_LEN  65536
#define OUTPUT_LEN (65536 + 2 * 64 * WEND_STREAM_HEADER_LEN)
#define BACKLOG    1024
#define GATHER_MAX 32 // datagrams in one write of what waited

// --- which stream ---

static uint64_t hash_number(const struct wend_serve *s, uint32_t number)
{
    return wend_hash(s->hash_key, &number, sizeof number);
}

static uint64_t hash_ip(const struct wend_serve *s, const struct wend_address *a)
{
    return wend_hash(s->hash_key, a->ip, sizeof a->ip);
}

static struct wend_serve_stream *find(const struct wend_serve *s, uint32_t number)
{
    struct wend_map_cursor c = wend_map_find(&s->streams_by_number, hash_number(s, number));
    uint32_t slot;
    while (wend_map_next(&s->streams_by_number, &c, &slot))
        if (s->streams[slot]->number == number)
            return s->streams[slot];
    return NULL;
}

static bool is_crowded(const struct wend_serve *s, const struct wend_address *a)
{
    struct wend_map_cursor c = wend_map_find(&s->streams_by_ip, hash_ip(s, a));
    uint32_t slot;
    unsigned count = 0;
    while (wend_map_next(&s->streams_by_ip, &c, &slot))
        count += wend_address_same_ip(&s->streams[slot]->remote, a);
    return count >= WEND_SERVE_STREAMS_IP;
}

static void add(struct wend_serve *s, struct wend_serve_stream *stream)
{
    uint32_t slot = 0;
    while (slot < s->stream_high && s->streams[slot] != NULL)
        slot++;
    if (slot == s->stream_high)
        s->stream_high++;
    if (++s->stream_number == 0)
        s->stream_number = 1;
    stream->number = s->stream_number;
    stream->slot = slot;
    s->streams[slot] = stream;
    s->stream_count++;
    int error = wend_map_insert(&s->streams_by_number, hash_number(s, stream->number), slot);
    wend_assert(error == 0);
    error = wend_map_insert(&s->streams_by_ip, hash_ip(s, &stream->remote), slot);
    wend_assert(error == 0);
}

static void take_out(struct wend_serve *s, const struct wend_serve_stream *stream)
{
    (void)wend_map_remove(&s->streams_by_number, hash_number(s, stream->number), stream->slot);
    (void)wend_map_remove(&s->streams_by_ip, hash_ip(s, &stream->remote), stream->slot);
    s->streams[stream->slot] = NULL;
    s->stream_count--;
}

// --- closing ---

static void drop_first(struct wend_serve_stream *stream)
{
    struct wend_serve_chunk *chunk = stream->first;
    stream->first = chunk->next;
    if (stream->first == NULL)
        stream->end = &stream->first;
    stream->queued -= chunk->len;
    free(chunk);
}

static void on_closed(uv_handle_t *handle)
{
    struct wend_serve_stream *stream = handle->data;
    while (stream->first != NULL)
        drop_first(stream);
    free(stream);
}

static void close_stream(struct wend_serve_stream *stream)
{
    struct wend_serve *s = stream->serve;
    if (s == NULL)
        return;
    stream->serve = NULL;
    take_out(s, stream);
    wend_relay_stream_closed(s->relay, stream->number, s->now);
    uv_close((uv_handle_t *)&stream->tcp, on_closed);
}

// --- out ---

struct write {
    uv_write_t request;
    struct wend_serve_stream *stream;
    size_t len;
    uint8_t bytes[];
};

static void write_next(struct wend_serve_stream *stream);

static void on_written(uv_write_t *request, int status)
{
    struct write *w = request->data;
    struct wend_serve_stream *stream = w->stream;
    free(w);
    stream->writing = false;
    if (stream->serve == NULL)
        return;
    if (status != 0) {
        wend_serve_begin_turn(stream->serve);
        struct wend_serve *s = stream->serve;
        close_stream(stream);
        wend_serve_end_turn(s);
        return;
    }
    write_next(stream);
}

static bool begin_write(struct wend_serve_stream *stream, struct write *w)
{
    const uv_buf_t buf = uv_buf_init((char *)w->bytes, (unsigned)w->len);
    w->stream = stream;
    w->request.data = w;
    stream->writing = true;
    if (uv_write(&w->request, (uv_stream_t *)&stream->tcp, &buf, 1, on_written) == 0)
        return true;
    stream->writing = false;
    free(w);
    return false;
}

// Datagrams that waited too long, and the oldest of too many.
static void drop_late(struct wend_serve *s, struct wend_serve_stream *stream, wend_instant now)
{
    while (stream->first != NULL && (stream->queued > WEND_SERVE_QUEUE_MAX ||
                                     now - stream->first->at > WEND_SERVE_QUEUE_AGE)) {
        drop_first(stream);
        s->counts.stream_dropped++;
    }
}

// The kernel has taken what was being written: now what waited.
static void write_next(struct wend_serve_stream *stream)
{
    size_t len = 0, count = 0;
    drop_late(stream->serve, stream, wend_clock_now());
    for (const struct wend_serve_chunk *c = stream->first; c != NULL && count < GATHER_MAX;
         c = c->next, count++)
        len += c->len;
    struct write *w = count > 0 ? malloc(sizeof *w + len) : NULL;
    if (w == NULL)
        return; // nothing waits; or no memory, and what waits grows old
    w->len = 0;
    for (; count > 0; count--) {
        memcpy(w->bytes + w->len, stream->first->bytes, stream->first->len);
        w->len += stream->first->len;
        drop_first(stream);
    }
    (void)begin_write(stream, w);
}

static void enqueue(struct wend_serve *s, struct wend_serve_stream *stream, struct wend_bytes in)
{
    struct wend_serve_chunk *c = malloc(sizeof *c + WEND_STREAM_HEADER_LEN + in.len);
    if (c == NULL) {
        s->counts.stream_dropped++;
        return;
    }
    c->next = NULL;
    c->at = s->now;
    c->len = WEND_STREAM_HEADER_LEN + in.len;
    wend_stream_write_header(c->bytes, in.len);
    memcpy(c->bytes + WEND_STREAM_HEADER_LEN, in.at, in.len);
    *stream->end = c;
    stream->end = &c->next;
    stream->queued += c->len;
    drop_late(s, stream, s->now);
}

// All of a framed run at once; what the kernel does not take follows by itself.
static void write_now(struct wend_serve *s, struct wend_serve_stream *stream, size_t len)
{
    const uv_buf_t buf = uv_buf_init((char *)s->stream_output, (unsigned)len);
    const int n = uv_try_write((uv_stream_t *)&stream->tcp, &buf, 1);
    if (n < 0 && n != UV_EAGAIN) {
        close_stream(stream);
        return;
    }
    const size_t done = n > 0 ? (size_t)n : 0;
    if (done == len)
        return;
    struct write *w = malloc(sizeof *w + len - done);
    if (w == NULL) { // half a datagram may be out: the framing is lost
        close_stream(stream);
        return;
    }
    w->len = len - done;
    memcpy(w->bytes, s->stream_output + done, w->len);
    if (!begin_write(stream, w))
        close_stream(stream);
}

void wend_serve_send_stream(struct wend_serve *s, const struct wend_relay_run *run)
{
    struct wend_serve_stream *stream = find(s, run->stream);
    const size_t step = run->segment_len != 0 ? run->segment_len : run->len;
    size_t framed = 0;
    if (stream == NULL || step > WEND_DATAGRAM_MAX)
        return;
    for (size_t at = 0; at < run->len; at += step) {
        const size_t len = run->len - at < step ? run->len - at : step;
        if (stream->writing) {
            enqueue(s, stream, (struct wend_bytes){run->at + at, len});
            continue;
        }
        if (framed + WEND_STREAM_HEADER_LEN + len > OUTPUT_LEN)
            break; // more segments than GRO merges
        wend_stream_write_header(s->stream_output + framed, len);
        memcpy(s->stream_output + framed + WEND_STREAM_HEADER_LEN, run->at + at, len);
        framed += WEND_STREAM_HEADER_LEN + len;
    }
    if (framed > 0)
        write_now(s, stream, framed);
}

// --- in ---

static void give_memory(uv_handle_t *handle, size_t suggested, uv_buf_t *ret)
{
    const struct wend_serve_stream *stream = handle->data;
    (void)suggested;
    *ret = stream->serve != NULL ? uv_buf_init((char *)stream->serve->stream_input, INPUT_LEN)
                                 : uv_buf_init(NULL, 0);
}

// Returns false when the stream is to be closed: this is none of our datagrams.
static bool receive(struct wend_serve_stream *stream, struct wend_bytes in)
{
    struct wend_serve *s = stream->serve;
    switch (wend_demux(in)) {
    case WEND_KIND_UNKNOWN:
    case WEND_KIND_DTLS:
    case WEND_KIND_TURN_CHANNEL: return false;
    case WEND_KIND_SESSION:
    case WEND_KIND_STUN:
    case WEND_KIND_HINT:
    case WEND_KIND_FRAME:
    case WEND_KIND_CONTROL: break;
    }
    if (!wend_relay_is_frame(in.at, in.len)) {
        const struct wend_datagram d = {.transport = WEND_TRANSPORT_TCP,
                                        .stream = stream->number,
                                        .local = stream->local,
                                        .remote = stream->remote,
                                        .bytes = in};
        (void)wend_relay_receive(s->relay, &d, s->now, s->unix_seconds);
        return true;
    }
    struct wend_relay_run run = {.transport = WEND_TRANSPORT_TCP,
                                 .stream = stream->number,
                                 .local = stream->local,
                                 .remote = stream->remote,
                                 .at = (uint8_t *)(uintptr_t)in.at,
                                 .len = in.len};
    struct wend_relay_run out;
    const bool is_mine = in.at == stream->buffer; // will be written over by what comes next
    if (wend_relay_forward(s->relay, &run, s->now, &out))
        wend_serve_send(s, &out, is_mine);
    return true;
}

static bool receive_all(struct wend_serve_stream *stream, struct wend_bytes in)
{
    struct wend_bytes datagram;
    int got = 0;
    // A relayed datagram may close any stream, this one too.
    while (stream->serve != NULL && (got = wend_stream_push(&stream->framing, &in, &datagram)) > 0)
        if (!receive(stream, datagram))
            return false;
    return got == 0;
}

static void on_read(uv_stream_t *tcp, ssize_t n, const uv_buf_t *buf)
{
    struct wend_serve_stream *stream = tcp->data;
    struct wend_serve *s = stream->serve;
    if (s == NULL || n == 0)
        return;
    wend_serve_begin_turn(s);
    const struct wend_bytes in = {(const uint8_t *)buf->base, n > 0 ? (size_t)n : 0};
    if (n < 0 || !receive_all(stream, in)) {
        if (n >= 0)
            s->counts.streams_ended++;
        close_stream(stream);
    }
    wend_serve_end_turn(s);
}

// --- accepting ---

static struct wend_address name_of(const uv_tcp_t *tcp,
                                   int (*get)(const uv_tcp_t *, struct sockaddr *, int *))
{
    struct sockaddr_storage storage = {0};
    int len = sizeof storage;
    if (get(tcp, (struct sockaddr *)&storage, &len) != 0)
        return (struct wend_address){0};
    return wend_sockaddr_to(&storage, (socklen_t)len);
}

static void set_options(uv_tcp_t *tcp)
{
    const int unsent = WEND_SERVE_UNSENT_MAX;
    uv_os_fd_t fd;
    (void)uv_tcp_nodelay(tcp, 1);
    (void)uv_tcp_keepalive(tcp, 1, 60);
    if (uv_fileno((uv_handle_t *)tcp, &fd) == 0)
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent, sizeof unsent);
}

static void free_refused(uv_handle_t *handle)
{
    free(handle->data);
}

static void refuse(struct wend_serve *s, struct wend_serve_stream *stream)
{
    s->counts.streams_refused++;
    stream->serve = NULL;
    uv_close((uv_handle_t *)&stream->tcp, free_refused);
}

static void on_connection(uv_stream_t *server, int status)
{
    const struct wend_serve_listener *listener = server->data;
    struct wend_serve *s = listener->serve;
    struct wend_serve_stream *stream = status == 0 ? calloc(1, sizeof *stream) : NULL;
    if (stream == NULL || uv_tcp_init(&s->loop, &stream->tcp) != 0) {
        free(stream);
        return;
    }
    stream->tcp.data = stream;
    stream->serve = s;
    stream->end = &stream->first;
    stream->opened = wend_clock_now();
    wend_stream_init(&stream->framing, stream->buffer);
    if (uv_accept(server, (uv_stream_t *)&stream->tcp) != 0) {
        refuse(s, stream);
        return;
    }
    stream->remote = name_of(&stream->tcp, uv_tcp_getpeername);
    stream->local = name_of(&stream->tcp, uv_tcp_getsockname);
    if (stream->remote.family == WEND_FAMILY_NONE || s->stream_count >= WEND_SERVE_STREAMS_MAX ||
        is_crowded(s, &stream->remote) ||
        uv_read_start((uv_stream_t *)&stream->tcp, give_memory, on_read) != 0) {
        refuse(s, stream);
        return;
    }
    set_options(&stream->tcp);
    add(s, stream);
    s->counts.streams_opened++;
}

int wend_serve_open_streams(struct wend_serve *s)
{
    struct wend_map_entry *by_number = calloc(WEND_SERVE_MAP_SIZE, sizeof *by_number);
    struct wend_map_entry *by_ip = calloc(WEND_SERVE_MAP_SIZE, sizeof *by_ip);
    s->streams = calloc(WEND_SERVE_STREAMS_MAX, sizeof(struct wend_serve_stream *));
    s->stream_input = malloc(INPUT_LEN);
    s->stream_output = malloc(OUTPUT_LEN);
    // Zeroed by calloc, whose pages wend_map_init would touch.
    s->streams_by_number = (struct wend_map){.entries = by_number, .mask = WEND_SERVE_MAP_SIZE - 1};
    s->streams_by_ip = (struct wend_map){.entries = by_ip, .mask = WEND_SERVE_MAP_SIZE - 1};
    return by_number != NULL && by_ip != NULL && s->streams != NULL && s->stream_input != NULL &&
                   s->stream_output != NULL
               ? 0
               : -ENOMEM;
}

int wend_serve_listen(struct wend_serve *s, const struct wend_address *local)
{
    struct wend_serve_listener *listener = &s->listeners[s->listener_count];
    struct sockaddr_storage address;
    (void)wend_sockaddr_from(local, &address);
    int error = uv_tcp_init(&s->loop, &listener->tcp);
    if (error != 0)
        return error;
    listener->serve = s;
    listener->tcp.data = listener;
    s->listener_count++;
    const unsigned flags = local->family == WEND_FAMILY_IPV6 ? UV_TCP_IPV6ONLY : 0;
    error = uv_tcp_bind(&listener->tcp, (const struct sockaddr *)&address, flags);
    return error != 0 ? error : uv_listen((uv_stream_t *)&listener->tcp, BACKLOG, on_connection);
}

// Streams that nobody registered by, after their time.
void wend_serve_sweep_streams(struct wend_serve *s)
{
    for (uint32_t i = 0; i < s->stream_high; i++) {
        struct wend_serve_stream *stream = s->streams[i];
        if (stream == NULL || s->now - stream->opened < WEND_SERVE_STREAM_TRIAL ||
            wend_relay_stream_is_registered(s->relay, stream->number))
            continue;
        s->counts.streams_unused++;
        close_stream(stream);
    }
}

void wend_serve_close_streams(struct wend_serve *s)
{
    for (uint32_t i = 0; i < s->stream_high; i++)
        if (s->streams[i] != NULL)
            close_stream(s->streams[i]);
    for (size_t i = 0; i < s->listener_count; i++)
        uv_close((uv_handle_t *)&s->listeners[i].tcp, NULL);
}
