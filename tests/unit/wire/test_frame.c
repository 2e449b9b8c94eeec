// SPDX-License-Identifier: MIT
// Relay frames, hints, and a stream cut at every place it can be cut.
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "wire/frame.h"

#define VIEW(array) ((struct wend_bytes){(array), sizeof(array)})

static void reads_and_writes_frames(void **state)
{
    (void)state;
    const uint8_t bytes[] = {8, 0, 0x12, 0x34, 0xca, 0xfe, 0xba, 0xbe, 'd'};
    struct wend_frame f;
    assert_int_equal(wend_frame_read(VIEW(bytes), &f), 0);
    assert_int_equal(f.reserved, 0x1234);
    assert_int_equal(f.channel, 0xcafebabe);
    assert_ptr_equal(f.datagram.at, bytes + 8);
    assert_int_equal(f.datagram.len, 1);

    uint8_t header[WEND_FRAME_HEADER_LEN];
    wend_frame_write_header(header, 0xcafebabe);
    assert_memory_equal(header, ((const uint8_t[8]){8, 0, 0, 0, 0xca, 0xfe, 0xba, 0xbe}), 8);
}

static void refuses_broken_frames(void **state)
{
    (void)state;
    uint8_t bytes[9] = {8};
    struct wend_frame f;
    for (size_t len = 0; len <= 8; len++) // an empty datagram is none
        assert_int_equal(wend_frame_read((struct wend_bytes){bytes, len}, &f), -EBADMSG);
    assert_int_equal(wend_frame_read(VIEW(bytes), &f), 0);
    bytes[1] = 1;
    assert_int_equal(wend_frame_read(VIEW(bytes), &f), -EBADMSG);
    bytes[1] = 0;
    bytes[0] = 7;
    assert_int_equal(wend_frame_read(VIEW(bytes), &f), -EBADMSG);
}

static void reads_and_writes_hints(void **state)
{
    (void)state;
    for (unsigned kind = 0; kind < 256; kind++) {
        const uint8_t bytes[8] = {7, (uint8_t)kind, 0, 0, 0xde, 0xad, 0xbe, 0xef};
        const bool known = kind >= 1 && kind <= 3;
        struct wend_hint hint;
        assert_int_equal(wend_hint_read(VIEW(bytes), &hint), known ? 0 : -EBADMSG);
        if (!known)
            continue;
        uint8_t again[WEND_HINT_LEN];
        assert_int_equal(hint.kind, kind);
        assert_memory_equal(hint.echo, bytes + 4, 4);
        wend_hint_write(again, &hint);
        assert_memory_equal(again, bytes, sizeof again);
    }
}

static void refuses_broken_hints(void **state)
{
    (void)state;
    uint8_t bytes[9] = {7, 1};
    struct wend_hint hint;
    for (size_t len = 0; len <= 9; len++)
        assert_int_equal(wend_hint_read((struct wend_bytes){bytes, len}, &hint),
                         len == 8 ? 0 : -EBADMSG);
    for (size_t at = 2; at < 4; at++) {
        bytes[at] = 1;
        assert_int_equal(wend_hint_read((struct wend_bytes){bytes, 8}, &hint), -EBADMSG);
        bytes[at] = 0;
    }
    bytes[0] = 8;
    assert_int_equal(wend_hint_read((struct wend_bytes){bytes, 8}, &hint), -EBADMSG);
}

static void writes_stream_headers(void **state)
{
    (void)state;
    uint8_t header[WEND_STREAM_HEADER_LEN];
    wend_stream_write_header(header, 1);
    assert_memory_equal(header, ((const uint8_t[2]){0, 1}), 2);
    wend_stream_write_header(header, WEND_DATAGRAM_MAX);
    assert_memory_equal(header, ((const uint8_t[2]){8, 0}), 2);
}

// ---- The stream ----

struct cutter {
    struct wend_stream stream;
    uint8_t buffer[WEND_DATAGRAM_MAX];
    uint8_t out[64]; // all datagrams, with their headers put before them again
    size_t out_len;
};

static int feed(struct cutter *c, struct wend_bytes in)
{
    struct wend_bytes datagram;
    int result;
    while ((result = wend_stream_push(&c->stream, &in, &datagram)) == 1) {
        wend_stream_write_header(c->out + c->out_len, datagram.len);
        memcpy(c->out + c->out_len + 2, datagram.at, datagram.len);
        c->out_len += 2 + datagram.len;
    }
    if (result == 0)
        assert_int_equal(in.len, 0);
    return result;
}

static const uint8_t three_datagrams[] = {0, 1, 'a', 0, 5, 'h', 'e', 'l', 'l', 'o', 0, 2, 'o', 'k'};

static void cuts_at_every_pair_of_places(void **state)
{
    (void)state;
    const size_t len = sizeof three_datagrams;
    for (size_t first = 0; first <= len; first++) {
        for (size_t second = first; second <= len; second++) {
            struct cutter c = {0};
            wend_stream_init(&c.stream, c.buffer);
            const uint8_t *at = three_datagrams;
            assert_int_equal(feed(&c, (struct wend_bytes){at, first}), 0);
            assert_int_equal(feed(&c, (struct wend_bytes){at + first, second - first}), 0);
            assert_int_equal(feed(&c, (struct wend_bytes){at + second, len - second}), 0);
            assert_int_equal(c.out_len, len);
            assert_memory_equal(c.out, three_datagrams, len);
        }
    }
}

static void takes_single_bytes_and_nothing(void **state)
{
    (void)state;
    struct cutter c = {0};
    wend_stream_init(&c.stream, c.buffer);
    for (size_t i = 0; i < sizeof three_datagrams; i++) {
        assert_int_equal(feed(&c, (struct wend_bytes){0}), 0);
        assert_int_equal(feed(&c, (struct wend_bytes){three_datagrams + i, 1}), 0);
    }
    assert_memory_equal(c.out, three_datagrams, sizeof three_datagrams);
}

static void does_not_copy_what_lies_whole(void **state)
{
    (void)state;
    struct cutter c = {0};
    struct wend_bytes in = VIEW(three_datagrams);
    struct wend_bytes datagram;
    wend_stream_init(&c.stream, c.buffer);
    assert_int_equal(wend_stream_push(&c.stream, &in, &datagram), 1);
    assert_ptr_equal(datagram.at, three_datagrams + 2);
    assert_int_equal(wend_stream_push(&c.stream, &in, &datagram), 1);
    assert_ptr_equal(datagram.at, three_datagrams + 5);
    assert_int_equal(in.len, 4);
}

static void takes_the_largest_and_ends_beyond(void **state)
{
    (void)state;
    static uint8_t big[2 + WEND_DATAGRAM_MAX + 1] = {8, 0};
    struct cutter c = {0};
    struct wend_bytes datagram;
    for (size_t cut = 0; cut <= 3; cut++) {
        struct wend_bytes head = {big, cut};
        struct wend_bytes tail = {big + cut, 2 + WEND_DATAGRAM_MAX - cut};
        wend_stream_init(&c.stream, c.buffer);
        assert_int_equal(wend_stream_push(&c.stream, &head, &datagram), 0);
        assert_int_equal(wend_stream_push(&c.stream, &tail, &datagram), 1);
        assert_int_equal(datagram.len, WEND_DATAGRAM_MAX);
        assert_int_equal(tail.len, 0);
    }
    const uint8_t bad[][2] = {{0, 0}, {8, 1}, {0xff, 0xff}};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        wend_stream_init(&c.stream, c.buffer);
        assert_int_equal(feed(&c, (struct wend_bytes){bad[i], 1}), 0);
        assert_int_equal(feed(&c, (struct wend_bytes){bad[i] + 1, 1}), -EPROTO);
        assert_int_equal(feed(&c, VIEW(three_datagrams)), -EPROTO); // and stays ended
        assert_int_equal(c.out_len, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_and_writes_frames),
        cmocka_unit_test(refuses_broken_frames),
        cmocka_unit_test(reads_and_writes_hints),
        cmocka_unit_test(refuses_broken_hints),
        cmocka_unit_test(writes_stream_headers),
        cmocka_unit_test(cuts_at_every_pair_of_places),
        cmocka_unit_test(takes_single_bytes_and_nothing),
        cmocka_unit_test(does_not_copy_what_lies_whole),
        cmocka_unit_test(takes_the_largest_and_ends_beyond),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
