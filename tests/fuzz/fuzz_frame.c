// SPDX-License-Identifier: MIT
// Relay frames, hints and streams. For the stream the bytes are chunks, each behind a byte that
// says how long it is: the cutter that sees the chunks must yield what one sees that gets it all.
#include <errno.h>

#include "fuzz.h"
#include "wire/frame.h"

struct run {
    struct wend_stream stream;
    uint8_t buffer[WEND_DATAGRAM_MAX];
    uint64_t digest;
    size_t count;
    int result;
};

static void begin(struct run *run)
{
    wend_stream_init(&run->stream, run->buffer);
    run->digest = 0;
    run->count = 0;
    run->result = 0;
}

static void feed(struct run *run, struct wend_bytes in)
{
    struct wend_bytes datagram;
    int result;
    while ((result = wend_stream_push(&run->stream, &in, &datagram)) == 1) {
        wend_assert(datagram.len > 0 && datagram.len <= WEND_DATAGRAM_MAX);
        run->digest = fuzz_digest(run->digest, datagram);
        run->count++;
    }
    wend_assert(result == -EPROTO || (result == 0 && in.len == 0));
    wend_assert(run->result == 0 || result == run->result); // an ended stream stays ended
    run->result = result;
}

static void compare_chunked_with_whole(struct wend_bytes in)
{
    static struct run chunked;
    static struct run whole;
    static uint8_t joined[65536];
    struct wend_writer w = wend_writer_of(joined, sizeof joined);
    struct wend_reader r = wend_reader_of(in);
    begin(&chunked);
    begin(&whole);
    while (r.left > 0) {
        const size_t wanted = wend_read_u8(&r);
        const struct wend_bytes chunk = wend_read_view(&r, wanted < r.left ? wanted : r.left);
        wend_write_bytes(&w, chunk);
        if (w.failed)
            return;
        feed(&chunked, chunk);
    }
    feed(&whole, (struct wend_bytes){joined, w.len});
    wend_assert(chunked.count == whole.count && chunked.digest == whole.digest);
    wend_assert(chunked.result == whole.result);
}

static void check_frame(struct wend_bytes in)
{
    struct wend_frame f;
    if (wend_frame_read(in, &f) != 0)
        return;
    uint8_t header[WEND_FRAME_HEADER_LEN];
    wend_frame_write_header(header, f.channel);
    wend_put_u16(header + 2, f.reserved);
    wend_assert(memcmp(header, in.at, sizeof header) == 0);
    wend_assert(f.datagram.len > 0 && f.datagram.at == in.at + sizeof header);
    wend_assert(f.datagram.len + sizeof header == in.len);
}

static void check_hint(struct wend_bytes in)
{
    struct wend_hint hint;
    if (wend_hint_read(in, &hint) != 0)
        return;
    uint8_t again[WEND_HINT_LEN];
    wend_hint_write(again, &hint);
    wend_assert(wend_bytes_equal((struct wend_bytes){again, sizeof again}, in));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct wend_bytes in = {data, size};
    check_frame(in);
    check_hint(in);
    compare_chunked_with_whole(in);
    return 0;
}
