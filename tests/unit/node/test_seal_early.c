// SPDX-License-Identifier: MIT
// Early data: what the node is told of the queue's head, and what becomes of it. And TRAFFIC.
#include "sealing.h"

enum { SLOT = 4, PEER = 14 };

static struct wend_notice take_notice(struct fixture *f, enum wend_notice_kind kind)
{
    struct wend_notice n;
    assert_true(wend_seal_next_notice(f->seal, &n));
    assert_int_equal(n.kind, kind);
    assert_int_equal(n.slot, SLOT);
    return n;
}

// Packets of the lengths given wait, and the node is told. Returns its notice.
static struct wend_notice start(struct fixture *f, const size_t *lens, size_t count)
{
    tell(f, packets_peer(SLOT, PEER));
    for (size_t i = 0; i < count; i++)
        assert_int_equal(give(f, PEER, lens[i]), WEND_SEAL_QUEUED);
    return take_notice(f, WEND_NOTICE_WANT);
}

static void verdict(struct fixture *f, enum wend_command_kind kind, uint32_t count)
{
    tell(f, (struct wend_command){.kind = kind, .slot = SLOT, .count = count});
}

static void become_ready(struct fixture *f)
{
    tell(f, packets_keys(SLOT, 1, 0xa000 + SLOT));
    tell(f, packets_path(SLOT, 24, 0));
}

static void flush_all(struct fixture *f)
{
    while (!flush(f))
        wend_seal_out_clear(&f->out);
}

// What goes out now has these lengths, in this order.
static void expect_out(struct fixture *f, const size_t *lens, size_t count)
{
    struct end e = {0};
    size_t seen = 0;
    open_end(&e, SLOT);
    bool done;
    do {
        done = flush(f);
        for (size_t r = 0; r < f->out.count; r++)
            for (size_t i = 0; i < f->out.runs[r].count; i++, seen++) {
                assert_true(seen < count);
                assert_int_equal(wend_get_u16(open_one(f, &e, r, i).at + 2), lens[seen]);
            }
        wend_seal_out_clear(&f->out);
    } while (!done);
    assert_int_equal(seen, count);
    wend_seal_out_clear(&f->out);
    wend_receiver_close(&e.r);
}
#define LENS(...)                                                                                  \
    (const size_t[]){__VA_ARGS__}, sizeof((const size_t[]){__VA_ARGS__}) / sizeof(size_t)

static void the_notice_brings_what_fits(void **state)
{
    struct fixture *f = *state;
    uint8_t want[WEND_EARLY_MAX];
    const struct wend_notice n = start(f, LENS(200, 211, 101, 150, 60));
    assert_int_equal(n.early_count, 3); // exactly 512
    assert_int_equal(n.early_len, 512);
    packets_udp4(want, PACKETS_US, PEER, 200);
    packets_udp4(want + 200, PACKETS_US, PEER, 211);
    packets_udp4(want + 411, PACKETS_US, PEER, 101);
    assert_memory_equal(n.early, want, sizeof want);
    assert_int_equal(stats[SLOT].sent_packets, 0);
}

static void a_long_one_ends_it(void **state)
{
    struct fixture *f = *state;
    struct wend_notice n = start(f, LENS(100, 413, 30));
    assert_int_equal(n.early_count, 1);
    assert_int_equal(n.early_len, 100);
    tell_kind(f, WEND_COMMAND_FLUSH_DROP, SLOT);
    assert_int_equal(stats[SLOT].queue_dropped, 3);
    n = start(f, LENS(513, 30));
    assert_int_equal(n.early_count, 0);
    assert_int_equal(n.early_len, 0);
}

static void what_arrived_is_not_sent_again(void **state)
{
    struct fixture *f = *state;
    start(f, LENS(100, 101, 102, 500));
    give(f, PEER, 103); // after the node was told
    verdict(f, WEND_COMMAND_EARLY_DONE, 3);
    assert_int_equal(stats[SLOT].sent_packets, 3);
    assert_int_equal(stats[SLOT].sent_bytes, 303);
    become_ready(f);
    expect_out(f, LENS(500, 103));
    assert_int_equal(stats[SLOT].sent_packets, 5);
    assert_int_equal(stats[SLOT].queue_dropped, 0);
}

// The node may take fewer than it was told.
static void only_those_that_arrived_go(void **state)
{
    struct fixture *f = *state;
    start(f, LENS(100, 101, 102));
    verdict(f, WEND_COMMAND_EARLY_DONE, 1);
    become_ready(f);
    expect_out(f, LENS(101, 102));
}

static void all_may_have_arrived(void **state)
{
    struct fixture *f = *state;
    start(f, LENS(100));
    verdict(f, WEND_COMMAND_EARLY_DONE, 1);
    become_ready(f);
    assert_true(flush(f));
    assert_int_equal(f->out.count, 0);
    assert_int_equal(give(f, PEER, 60), WEND_SEAL_SENT);
    expect_no_notice(f);
}

static void what_was_refused_goes_in_order(void **state)
{
    struct fixture *f = *state;
    start(f, LENS(100, 101, 102));
    verdict(f, WEND_COMMAND_EARLY_REFUSED, 0);
    become_ready(f);
    assert_int_equal(give(f, PEER, 103), WEND_SEAL_SENT);
    expect_out(f, LENS(100, 101, 102, 103));
    verdict(f, WEND_COMMAND_EARLY_DONE, 3); // nothing is outstanding
    assert_int_equal(stats[SLOT].sent_packets, 4);
}

// They may arrive by the handshake that bears them: under other keys they would come twice.
static void keys_before_the_verdict_send_nothing(void **state)
{
    struct fixture *f = *state;
    start(f, LENS(100, 101, 102));
    become_ready(f);
    assert_true(flush(f));
    assert_int_equal(f->out.count, 0);
    assert_int_equal(give(f, PEER, 103), WEND_SEAL_QUEUED);
    verdict(f, WEND_COMMAND_EARLY_DONE, 2);
    assert_int_equal(stats[SLOT].sent_packets, 2);
    assert_int_equal(give(f, PEER, 104), WEND_SEAL_SENT);
    expect_out(f, LENS(102, 103, 104));
    assert_int_equal(stats[SLOT].sent_packets, 5);
    assert_int_equal(stats[SLOT].sent_bytes, 510);
}

static void none_is_told_twice(void **state)
{
    struct fixture *f = *state;
    start(f, LENS(100, 101));
    become_ready(f);
    tell_kind(f, WEND_COMMAND_KEYS_GONE, SLOT);
    assert_int_equal(take_notice(f, WEND_NOTICE_NO_KEYS).early_count, 0);
    verdict(f, WEND_COMMAND_EARLY_REFUSED, 0);
    tell(f, packets_keys(SLOT, 1, 2));
    tell_kind(f, WEND_COMMAND_KEYS_GONE, SLOT);
    assert_int_equal(take_notice(f, WEND_NOTICE_NO_KEYS).early_count, 2);
    tell_kind(f, WEND_COMMAND_FLUSH_DROP, SLOT);
    verdict(f, WEND_COMMAND_EARLY_DONE, 2);
    assert_int_equal(stats[SLOT].sent_packets, 0);
    assert_int_equal(stats[SLOT].queue_dropped, 2);
    give(f, PEER, 70);
    assert_int_equal(take_notice(f, WEND_NOTICE_NO_KEYS).early_count, 1);
}

static void a_full_queue_keeps_what_the_node_has(void **state)
{
    struct fixture *f = *state;
    start(f, LENS(100, 101, 102));
    for (size_t i = 0; i < WEND_SEAL_QUEUE_MAX + 7; i++)
        assert_int_equal(give(f, PEER, 200 + i), WEND_SEAL_QUEUED);
    wend_seal_check(f->seal);
    assert_int_equal(stats[SLOT].queue_dropped, 10);
    verdict(f, WEND_COMMAND_EARLY_DONE, 3);
    assert_int_equal(stats[SLOT].sent_packets, 3);
    assert_int_equal(stats[SLOT].sent_bytes, 303);
    become_ready(f);
    size_t lens[WEND_SEAL_QUEUE_MAX - 3];
    for (size_t i = 0; i < WEND_SEAL_QUEUE_MAX - 3; i++)
        lens[i] = 210 + i;
    expect_out(f, lens, WEND_SEAL_QUEUE_MAX - 3);
}

// All cells are taken, and all of this queue's are with the node: the new packet is lost.
static void a_full_pool_keeps_what_the_node_has(void **state)
{
    struct fixture *f = *state;
    start(f, LENS(100, 101));
    uint32_t left = WEND_SEAL_CELLS - 2;
    for (uint32_t s = SLOT + 1; left > 0; s++) {
        tell(f, packets_peer(s, (uint8_t)(PEER + s)));
        for (uint32_t i = 0; i < WEND_SEAL_QUEUE_MAX && left > 0; i++, left--)
            give(f, (uint8_t)(PEER + s), 60);
    }
    assert_int_equal(give(f, PEER, 102), WEND_SEAL_DROPPED);
    assert_int_equal(stats[SLOT].queue_dropped, 1);
    verdict(f, WEND_COMMAND_EARLY_REFUSED, 0);
    assert_int_equal(give(f, PEER, 103), WEND_SEAL_QUEUED); // now the oldest gives way
    become_ready(f);
    expect_out(f, LENS(101, 103));
}

// Random pushes, verdicts, flushes against a plain array.
static void a_model_agrees(void **state)
{
    struct fixture *f = *state;
    uint64_t seed = 11, delivered = 0, given = 0;
    size_t told = 0, early = 0, count = 0;
    bool ready = false;
    tell(f, packets_peer(SLOT, PEER));
    for (int step = 0; step < 20000; step++) {
        const uint64_t r = unit_random(&seed);
        struct wend_notice n;
        if (r % 8 < 5) {
            given++;
            give(f, PEER, 60 + r / 64 % 200);
            if (ready) {
                delivered += count + 1;
                count = told = early = 0;
            } else if (++count > WEND_SEAL_QUEUE_MAX) {
                count--;
            }
        } else if (r % 8 == 5 && !ready) {
            verdict(f, WEND_COMMAND_EARLY_DONE, (uint32_t)(r / 8 % 8));
            const size_t gone = r / 8 % 8 < early ? r / 8 % 8 : early;
            delivered += gone;
            count -= gone;
            told = early = 0;
        } else if (r % 8 == 6 && r % 64 == 6) {
            if (ready)
                tell_kind(f, WEND_COMMAND_KEYS_GONE, SLOT);
            else
                become_ready(f);
            ready = !ready;
            if (ready) {
                flush_all(f);
                assert_int_equal(stats[SLOT].sent_packets,
                                 early > 0 ? delivered : delivered + count);
                verdict(f, WEND_COMMAND_EARLY_REFUSED, 0);
                flush_all(f);
                delivered += count;
                count = early = 0;
                told = 0;
            }
        }
        while (wend_seal_next_notice(f->seal, &n))
            if (n.early_count > 0) {
                assert_int_equal(told, 0);
                told = early = n.early_count;
            }
        wend_seal_out_clear(&f->out);
        assert_int_equal(stats[SLOT].sent_packets, delivered);
        assert_int_equal(stats[SLOT].queue_dropped, given - delivered - count);
        wend_seal_check(f->seal);
    }
}

// ---- TRAFFIC ----

static void watch_tells_the_next_packet_once(void **state)
{
    struct fixture *f = *state;
    add_peer(f, SLOT, 0);
    tell_kind(f, WEND_COMMAND_WATCH, SLOT);
    tell_kind(f, WEND_COMMAND_KEEPALIVE, SLOT);
    assert_true(flush(f));
    expect_no_notice(f);
    assert_int_equal(give(f, PEER, 100), WEND_SEAL_SENT);
    expect_notice(f, WEND_NOTICE_TRAFFIC, SLOT);
    give(f, PEER, 100);
    expect_no_notice(f);
    tell_kind(f, WEND_COMMAND_WATCH, SLOT);
    tell_kind(f, WEND_COMMAND_KEYS_GONE, SLOT);
    assert_int_equal(give(f, PEER, 100), WEND_SEAL_QUEUED);
    expect_notice(f, WEND_NOTICE_NO_KEYS, SLOT);
    expect_notice(f, WEND_NOTICE_TRAFFIC, SLOT);
    expect_no_notice(f);
    tell_kind(f, WEND_COMMAND_WATCH, SLOT);
    tell_kind(f, WEND_COMMAND_PEER_GONE, SLOT);
    tell(f, packets_peer(SLOT, PEER));
    give(f, PEER, 100);
    expect_notice(f, WEND_NOTICE_WANT, SLOT);
    expect_no_notice(f);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(the_notice_brings_what_fits),
        TEST(a_long_one_ends_it),
        TEST(what_arrived_is_not_sent_again),
        TEST(only_those_that_arrived_go),
        TEST(all_may_have_arrived),
        TEST(what_was_refused_goes_in_order),
        TEST(keys_before_the_verdict_send_nothing),
        TEST(none_is_told_twice),
        TEST(a_full_queue_keeps_what_the_node_has),
        TEST(a_full_pool_keeps_what_the_node_has),
        TEST(a_model_agrees),
        TEST(watch_tells_the_next_packet_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
