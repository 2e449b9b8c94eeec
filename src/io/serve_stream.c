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
        stream->last = NULL;
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

static void drop_late(struct wend_serve_stream *stream, wind_placeholder)
