// SPDX-License-Identifier: MIT
// What a sealing half said to one peer, datagram by datagram, for tests of its changes of way.
#ifndef WEND_TESTS_UNIT_NODE_SWITCHING_H
#define WEND_TESTS_UNIT_NODE_SWITCHING_H

#include "sealing.h"
#include "wire/ip.h"
#include "wire/switch.h"

enum { SLOT = 3, PEER = 13, A = 41, B = 42, C = 43, RELAY_CHANNEL = 77, K1 = 0xa1, K2 = 0xa2 };
enum kind { DATA = 0, LEAVE = 1, ENTER = 2, BOTH = 3, KEEPALIVE = 9 };

// One datagram as it left. B lies behind a relay.
struct sent {
    uint8_t way;
    uint32_t key; // receiver index
    uint64_t counter;
    enum kind kind;
    uint64_t first; // of a Switch; of data, the packet's length
};

static struct sent sent[4096];
static size_t sent_count;

static inline struct sent decode(const struct wend_seal_run *run, uint8_t *at, size_t len)
{
    const struct wend_command c = packets_keys(SLOT, 0, 0);
    struct wend_aead aead = {0};
    struct wend_switch w;
    struct wend_ip ip = {0};
    if (run->path.channel != 0) {
        assert_int_equal(wend_get_u32(at + 4), run->path.channel);
        at += WEND_FRAME_HEADER_LEN;
        len -= WEND_FRAME_HEADER_LEN;
    }
    struct sent s = {.way = run->path.remote.ip[3],
                     .key = wend_get_u32le(at + 4),
                     .counter = wend_get_u64le(at + 8)};
    uint8_t inner[2048];
    assert_int_equal(wend_aead_init(&aead, c.key), 0);
    assert_int_equal(
        wend_aead_open_packet(&aead, s.counter, (struct wend_bytes){at + 16, len - 16}, inner), 0);
    wend_aead_close(&aead);
    const struct wend_bytes body = {inner, len - 32};
    if (body.len == 0) {
        s.kind = KEEPALIVE;
    } else if (wend_switch_read(body, &w) == 0) {
        s.kind = (enum kind)w.kind;
        s.first = w.first;
    } else {
        assert_true(wend_ip_read(body, &ip));
        s.first = ip.len;
    }
    return s;
}

// Takes all that lies in the out buffer, as the caller would send it.
static inline void drain(struct fixture *f)
{
    for (size_t i = 0; i < f->out.count; i++) {
        const struct wend_seal_run *run = &f->out.runs[i];
        size_t n = 0;
        for (size_t at = 0; at < run->len; at += run->segment_len, n++) {
            const size_t left = run->len - at;
            assert_true(sent_count < sizeof sent / sizeof sent[0]);
            sent[sent_count++] = decode(run, f->out.at + run->offset + at,
                                        left < run->segment_len ? left : run->segment_len);
        }
        assert_int_equal(n, run->count);
    }
    wend_seal_out_clear(&f->out);
    wend_seal_check(f->seal);
}

static inline void expect(struct fixture *f, const struct sent *want, size_t count)
{
    drain(f);
    for (size_t i = 0; i < count && i < sent_count; i++) {
        assert_int_equal(sent[i].way, want[i].way);
        assert_int_equal(sent[i].key, want[i].key);
        assert_int_equal(sent[i].counter, want[i].counter);
        assert_int_equal(sent[i].kind, want[i].kind);
        assert_int_equal(sent[i].first, want[i].first);
    }
    assert_int_equal(sent_count, count);
    sent_count = 0;
}
#define EXPECT(f, ...)                                                                             \
    do {                                                                                           \
        const struct sent want[] = {__VA_ARGS__};                                                  \
        expect(f, want, sizeof want / sizeof want[0]);                                             \
    } while (0)
#define EXPECT_NOTHING(f) expect(f, NULL, 0)

static inline struct wend_plane_path way(uint8_t n)
{
    return packets_path(SLOT, n, n == B ? RELAY_CHANNEL : 0).path;
}

// 0: none.
static inline void take_ways(struct fixture *f, uint8_t path, uint8_t also)
{
    struct wend_command c = {.kind = WEND_COMMAND_PATH, .slot = SLOT};
    if (path != 0)
        c.path = way(path);
    if (also != 0)
        c.also = way(also);
    tell(f, c);
}

static inline void take_keys(struct fixture *f, uint32_t key)
{
    tell(f, packets_keys(SLOT, 0x1000 + key, key));
}

static inline void send_one(struct fixture *f, wend_instant now)
{
    assert_int_equal(give_at(f, PEER, 100, now), WEND_SEAL_SENT);
}

static inline void flush_at(struct fixture *f, wend_instant now)
{
    assert_true(wend_seal_flush(f->seal, now, &f->out));
}

static inline void expect_switched(struct fixture *f, uint32_t key, uint64_t first)
{
    struct wend_notice n;
    assert_true(wend_seal_next_notice(f->seal, &n));
    assert_int_equal(n.kind, WEND_NOTICE_SWITCHED);
    assert_int_equal(n.slot, SLOT);
    assert_int_equal(n.local_index, 0x1000 + key);
    assert_int_equal(n.counter, first);
    expect_no_notice(f);
}

// Two packets went by A, counters 0 and 1.
static inline void start(struct fixture *f)
{
    sent_count = 0;
    tell(f, packets_peer(SLOT, PEER));
    take_keys(f, K1);
    take_ways(f, A, 0);
    send_one(f, 0);
    send_one(f, 0);
    EXPECT(f, {A, K1, 0, DATA, 100}, {A, K1, 1, DATA, 100});
}

#endif
