// SPDX-License-Identifier: MIT
// A sealing half for tests, and the other end that opens what it sealed.
#ifndef WEND_TESTS_UNIT_NODE_SEALING_H
#define WEND_TESTS_UNIT_NODE_SEALING_H

#include "node/seal.h"
#include "packets.h"
#include "session/data.h"
#include "wire/frame.h"

static struct wend_plane_stats stats[WEND_SLOTS_MAX];
static uint8_t out_bytes[1 << 17];
static uint8_t packet[WEND_PACKET_MAX];
static const struct wend_vnet plain;

struct fixture {
    void *memory;
    struct wend_seal *seal;
    struct wend_seal_out out;
};

static inline int set_up(void **state)
{
    static struct fixture f;
    const struct wend_seal_config config = {.ipv4 = packets_ipv4(PACKETS_US),
                                            .ipv6 = packets_ipv6(PACKETS_US),
                                            .mtu = PACKETS_MTU,
                                            .hash_key = {1, 2, 3},
                                            .stats = stats};
    memset(stats, 0, sizeof stats);
    memset(out_bytes, 0xee, sizeof out_bytes);
    f.memory = packets_memory(wend_seal_size());
    f.seal = wend_seal_init(f.memory, &config);
    f.out = (struct wend_seal_out){.at = out_bytes, .capacity = sizeof out_bytes};
    *state = &f;
    return 0;
}

static inline int tear_down(void **state)
{
    struct fixture *f = *state;
    wend_seal_check(f->seal);
    wend_seal_close(f->seal);
    free(f->memory);
    return 0;
}

static inline void tell(struct fixture *f, struct wend_command c)
{
    static const uint8_t zeros[sizeof c.key];
    assert_int_equal(wend_seal_command(f->seal, &c), 0);
    assert_memory_equal(c.key, zeros, sizeof zeros);
    wend_seal_check(f->seal);
}

static inline void tell_kind(struct fixture *f, enum wend_command_kind kind, uint32_t slot)
{
    tell(f, (struct wend_command){.kind = kind, .slot = slot});
}

// Peer `slot` has inside number 10 + slot and outside number 20 + slot.
static inline void add_peer(struct fixture *f, uint32_t slot, uint32_t channel)
{
    tell(f, packets_peer(slot, (uint8_t)(10 + slot)));
    tell(f, packets_keys(slot, 0x1000 + slot, 0xa000 + slot));
    tell(f, packets_path(slot, (uint8_t)(20 + slot), channel));
}

static inline enum wend_seal_verdict give_at(struct fixture *f, uint8_t for_whom, size_t len,
                                             wend_instant now)
{
    packets_udp4(packet, PACKETS_US, for_whom, len);
    return wend_seal_packet(f->seal, &plain, (struct wend_bytes){packet, len}, now, &f->out);
}

static inline enum wend_seal_verdict give(struct fixture *f, uint8_t for_whom, size_t len)
{
    return give_at(f, for_whom, len, 1000);
}

static inline bool flush(struct fixture *f)
{
    return wend_seal_flush(f->seal, 2000, &f->out);
}

static inline void expect_notice(struct fixture *f, enum wend_notice_kind kind, uint32_t slot)
{
    struct wend_notice n;
    assert_true(wend_seal_next_notice(f->seal, &n));
    assert_int_equal(n.kind, kind);
    assert_int_equal(n.slot, slot);
}

static inline void expect_no_notice(struct fixture *f)
{
    struct wend_notice n;
    assert_false(wend_seal_next_notice(f->seal, &n));
}

// The other end of a slot.
struct end {
    struct wend_receiver r;
    uint64_t words[WEND_REPLAY_WORDS(WEND_REPLAY_BITS)];
};

static inline void open_end(struct end *e, uint32_t slot)
{
    const struct wend_command c = packets_keys(slot, 0, 0xa000 + slot);
    assert_int_equal(wend_receiver_init(&e->r, c.key, c.remote_index, e->words,
                                        WEND_REPLAY_WORDS(WEND_REPLAY_BITS)),
                     0);
}

// Opens datagram `i` of a run, which must have relay frame header `channel` if that is not 0.
static inline struct wend_bytes open_one(struct fixture *f, struct end *e, size_t run, size_t i)
{
    const struct wend_seal_run *r = &f->out.runs[run];
    const size_t at = i * r->segment_len, left = r->len - at;
    size_t len = left < r->segment_len ? left : r->segment_len;
    uint8_t *datagram = f->out.at + r->offset + at;
    struct wend_bytes inner;
    if (r->path.channel != 0) {
        struct wend_frame frame;
        assert_int_equal(wend_frame_read((struct wend_bytes){datagram, len}, &frame), 0);
        assert_int_equal(frame.channel, r->path.channel);
        datagram += WEND_FRAME_HEADER_LEN;
        len -= WEND_FRAME_HEADER_LEN;
    }
    assert_int_equal(wend_data_open(&e->r, datagram, len, &inner), WEND_DROP_NONE);
    return inner;
}

#endif
