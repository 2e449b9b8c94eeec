// SPDX-License-Identifier: MIT
// The opening half while a peer's messages come by more than one way.
#include "node/open.h"

#include <stdlib.h>

#include "node/hold.h"
#include "packets.h"
#include "session/data.h"
#include "wire/frame.h"
#include "wire/switch.h"

enum { SLOT = 3, INDEX = 0xa003, SERVER = 200, DIRECT = 50, RELAY = SERVER, LEN = 100 };

static struct wend_plane_stats stats[WEND_SLOTS_MAX];

struct sealed {
    uint8_t bytes[256]; // the frame header's room, then the message
    size_t len;
};

struct fixture {
    void *memory;
    struct wend_open *open;
    struct wend_sender sender;
    struct wend_plane_stats *stats;
    uint32_t next;         // number of the next packet
    uint32_t numbers[512]; // of what came out
    size_t count;
};

static void tell(struct fixture *f, struct wend_command c)
{
    assert_int_equal(wend_open_command(f->open, &c), 0);
    wend_open_check(f->open);
}

static void new_keys(struct fixture *f, uint32_t index)
{
    const struct wend_command keys = packets_keys(SLOT, index, 1);
    tell(f, keys);
    wend_sender_close(&f->sender);
    assert_int_equal(wend_sender_init(&f->sender, keys.key, index), 0);
}

static int set_up(void **state)
{
    static struct fixture f;
    const struct wend_open_config config = {.ipv4 = packets_ipv4(PACKETS_US), .stats = stats};
    memset(stats, 0, sizeof stats);
    f = (struct fixture){.memory = packets_memory(wend_open_size()), .stats = &stats[SLOT]};
    f.open = wend_open_init(f.memory, &config);
    tell(&f, packets_peer(SLOT, 13));
    new_keys(&f, INDEX);
    tell(&f, (struct wend_command){
                 .kind = WEND_COMMAND_RELAY,
                 .path = {.transport = WEND_TRANSPORT_UDP, .remote = packets_outside(SERVER)}});
    *state = &f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    wend_open_check(f->open);
    wend_open_close(f->open);
    wend_sender_close(&f->sender);
    free(f->memory);
    return 0;
}

static struct sealed seal_bytes(struct fixture *f, size_t len, struct sealed s)
{
    s.len = wend_data_seal(&f->sender, s.bytes + 24, len, PACKETS_MTU);
    return s;
}

// A packet that carries its number.
static struct sealed seal(struct fixture *f)
{
    struct sealed s;
    packets_udp4(s.bytes + 24, 13, PACKETS_US, LEN);
    wend_put_u32(s.bytes + 24 + 28, f->next++);
    return seal_bytes(f, LEN, s);
}

static struct sealed seal_switch(struct fixture *f, enum wend_switch_kind kind, uint64_t first)
{
    const struct wend_switch mark = {kind, first};
    struct sealed s;
    wend_switch_write(s.bytes + 24, &mark);
    return seal_bytes(f, WEND_SWITCH_LEN, s);
}

static enum wend_open_verdict give(struct fixture *f, const struct sealed *s, uint8_t from,
                                   wend_instant ms)
{
    static struct sealed copies[WEND_OPEN_BATCH_MAX + 1];
    static size_t at;
    const struct wend_datagram way = {.transport = WEND_TRANSPORT_UDP,
                                      .remote = packets_outside(from)};
    struct sealed *copy = &copies[at++ % (WEND_OPEN_BATCH_MAX + 1)];
    *copy = *s;
    if (from != RELAY)
        return wend_open_datagram(f->open, &way, copy->bytes + 8, s->len, WEND_MS(ms));
    wend_frame_write_header(copy->bytes, 4711);
    return wend_open_datagram(f->open, &way, copy->bytes, s->len + 8, WEND_MS(ms));
}

static void drain(struct fixture *f)
{
    struct wend_vnet vnet;
    struct wend_bytes pieces[WEND_COALESCE_MAX];
    size_t count;
    f->count = 0;
    while ((count = wend_open_next_packet(f->open, &vnet, pieces)) > 0) {
        assert_int_equal(count, 1);
        assert_int_equal(pieces[0].len, LEN);
        assert_true(f->count < sizeof f->numbers / sizeof f->numbers[0]);
        f->numbers[f->count++] = wend_get_u32(pieces[0].at + 28);
    }
    wend_open_check(f->open);
}

static void expect(struct fixture *f, size_t count, const uint32_t *numbers)
{
    drain(f);
    assert_int_equal(f->count, count);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(f->numbers[i], numbers[i]);
}

#define EXPECT(f, ...)                                                                             \
    expect(f, sizeof((uint32_t[]){__VA_ARGS__}) / sizeof(uint32_t), (uint32_t[]){__VA_ARGS__})

// The next notice that is no CONFIRMED; kind NONE if there is none.
static struct wend_notice notice(struct fixture *f)
{
    struct wend_notice n;
    while (wend_open_next_notice(f->open, &n))
        if (n.kind != WEND_NOTICE_CONFIRMED)
            return n;
    return (struct wend_notice){0};
}

// ---- Order ----

static void a_switch_is_seamless(void **state)
{
    struct fixture *f = *state;
    const struct sealed a = seal(f), b = seal(f), c = seal(f);
    const struct sealed leave = seal_switch(f, WEND_SWITCH_LEAVE, 4);
    const struct sealed enter = seal_switch(f, WEND_SWITCH_ENTER, 4);
    const struct sealed d = seal(f);
    assert_int_equal(give(f, &a, RELAY, 1), WEND_OPEN_PACKET);
    assert_int_equal(give(f, &enter, DIRECT, 2), WEND_OPEN_KEEPALIVE);
    assert_int_equal(give(f, &d, DIRECT, 3), WEND_OPEN_HELD);
    EXPECT(f, 0);
    assert_true(wend_open_deadline(f->open) == WEND_MS(202));
    assert_int_equal(f->stats->last_received, WEND_MS(1));
    assert_int_equal(f->stats->last_any_received, WEND_MS(3));
    assert_int_equal(give(f, &b, RELAY, 20), WEND_OPEN_PACKET);
    assert_int_equal(give(f, &c, RELAY, 21), WEND_OPEN_PACKET);
    assert_int_equal(give(f, &leave, RELAY, 22), WEND_OPEN_KEEPALIVE);
    EXPECT(f, 1, 2, 3);
    assert_int_equal(f->stats->last_received, WEND_MS(21)); // only LEAVE was missing
    assert_int_equal(f->stats->received_packets, 4);        // Switches are none
    assert_int_equal(f->stats->received_bytes, 4 * LEN);
    assert_int_equal(f->stats->held, 1);
    assert_int_equal(f->stats->late, 0);
    assert_int_equal(wend_open_drops(f->open)->count[WEND_DROP_MALFORMED], 0);
    assert_true(wend_open_deadline(f->open) == WEND_NEVER);
}

static void the_time_that_the_node_says_is_kept(void **state)
{
    struct fixture *f = *state;
    const struct sealed a = seal(f), b = seal(f), c = seal(f), d = seal(f);
    tell(f, (struct wend_command){.kind = WEND_COMMAND_HOLD, .slot = SLOT, .hold = WEND_MS(7)});
    (void)give(f, &a, RELAY, 1);
    assert_int_equal(give(f, &c, DIRECT, 2), WEND_OPEN_HELD);
    wend_open_expire(f->open, WEND_MS(8));
    EXPECT(f, 0);
    assert_true(wend_open_deadline(f->open) == WEND_MS(9));
    wend_open_expire(f->open, WEND_MS(9));
    assert_int_equal(give(f, &b, RELAY, 10), WEND_OPEN_PACKET);
    assert_int_equal(give(f, &d, DIRECT, 10), WEND_OPEN_PACKET);
    EXPECT(f, 2, 1, 3);
    assert_int_equal(f->stats->late, 1);
}

static void what_is_no_packet_leaves_no_gap(void **state)
{
    struct fixture *f = *state;
    struct sealed junk = {.bytes = {0}};
    const struct sealed a = seal(f);
    junk.bytes[24] = 1; // nearly a Switch
    junk.bytes[25] = 9;
    junk = seal_bytes(f, 40, junk);
    const struct sealed empty = seal_bytes(f, 0, (struct sealed){.len = 0}), b = seal(f);
    (void)give(f, &a, RELAY, 1);
    assert_int_equal(give(f, &junk, RELAY, 2), WEND_OPEN_DROPPED);
    assert_int_equal(give(f, &empty, RELAY, 2), WEND_OPEN_KEEPALIVE);
    assert_int_equal(give(f, &b, DIRECT, 2), WEND_OPEN_PACKET);
    assert_int_equal(wend_open_drops(f->open)->count[WEND_DROP_MALFORMED], 1);
    EXPECT(f, 0, 1);
}

static void more_than_a_batch_comes_out_in_order(void **state)
{
    struct fixture *f = *state;
    enum { MANY = WEND_OPEN_BATCH_MAX + 100 };
    const struct sealed a = seal(f), b = seal(f);
    (void)give(f, &a, RELAY, 1);
    EXPECT(f, 0);
    for (int i = 0; i < MANY; i++) {
        const struct sealed s = seal(f);
        assert_int_equal(give(f, &s, DIRECT, 2), WEND_OPEN_HELD);
    }
    const struct sealed last = seal(f);
    assert_int_equal(give(f, &b, RELAY, 3), WEND_OPEN_PACKET);
    assert_int_equal(wend_open_room(f->open), 0);
    assert_int_equal(give(f, &last, DIRECT, 3), WEND_OPEN_FULL);
    drain(f);
    assert_int_equal(f->count, 1 + MANY);
    for (uint32_t i = 0; i < f->count; i++)
        assert_int_equal(f->numbers[i], 1 + i);
    assert_int_equal(wend_open_room(f->open), WEND_OPEN_BATCH_MAX);
    assert_int_equal(give(f, &last, DIRECT, 3), WEND_OPEN_PACKET);
    EXPECT(f, 2 + MANY);
}

static void a_peer_gone_takes_what_is_held_along(void **state)
{
    struct fixture *f = *state;
    const struct sealed a = seal(f), b = seal(f), c = seal(f);
    (void)b;
    (void)give(f, &a, RELAY, 1);
    assert_int_equal(give(f, &c, DIRECT, 2), WEND_OPEN_HELD);
    tell(f, (struct wend_command){.kind = WEND_COMMAND_PEER_GONE, .slot = SLOT});
    assert_true(wend_open_deadline(f->open) == WEND_NEVER);
    EXPECT(f, 0);
}

// ---- What is counted ----

static void ways_are_counted_apart(void **state)
{
    struct fixture *f = *state;
    const struct sealed a = seal(f), b = seal(f), c = seal(f);
    const struct wend_plane_way *direct = &f->stats->ways[WEND_WAY_DIRECT];
    const struct wend_plane_way *relay = &f->stats->ways[WEND_WAY_RELAY];
    (void)give(f, &a, RELAY, 1);
    (void)give(f, &b, RELAY, 1);
    (void)give(f, &b, DIRECT, 1);
    (void)give(f, &c, DIRECT, 1);
    assert_int_equal(f->stats->way_index, INDEX);
    assert_int_equal(relay->count, 2);
    assert_int_equal(relay->highest, 2);
    assert_int_equal(direct->count, 2);
    assert_int_equal(direct->highest, 3);
    assert_int_equal(f->stats->duplicated, 1);
    assert_int_equal(f->stats->received_direct, 1);
    EXPECT(f, 0, 1, 2);
    struct sealed forged = a;
    forged.bytes[60] ^= 1;
    assert_int_equal(give(f, &forged, DIRECT, 2), WEND_OPEN_DROPPED);
    assert_int_equal(direct->count, 2);
    assert_int_equal(f->stats->duplicated, 1);
}

static void ways_start_anew_with_a_pair(void **state)
{
    struct fixture *f = *state;
    const struct wend_plane_way *relay = &f->stats->ways[WEND_WAY_RELAY];
    const struct sealed a = seal(f), b = seal(f);
    (void)give(f, &a, RELAY, 1);
    new_keys(f, INDEX + 1);
    assert_int_equal(f->stats->way_index, INDEX);
    const struct sealed c = seal(f);
    (void)give(f, &c, RELAY, 1);
    assert_int_equal(f->stats->way_index, INDEX + 1);
    assert_int_equal(relay->count, 1);
    (void)give(f, &b, RELAY, 1); // of the old pair
    assert_int_equal(relay->count, 1);
    EXPECT(f, 0, 2, 1);
}

// ---- Notices ----

static void the_node_learns_of_switches(void **state)
{
    struct fixture *f = *state;
    const struct sealed a = seal(f), leave = seal_switch(f, WEND_SWITCH_LEAVE, 2);
    const struct sealed enter = seal_switch(f, WEND_SWITCH_ENTER, 2);
    const struct sealed again = seal_switch(f, WEND_SWITCH_ENTER, 2);
    const struct sealed both = seal_switch(f, WEND_SWITCH_BOTH, 4);
    (void)give(f, &a, RELAY, 1);
    (void)give(f, &leave, RELAY, 1);
    assert_int_equal(notice(f).kind, WEND_NOTICE_NONE);
    const struct sealed *const marks[] = {&enter, &again, &both};
    for (int i = 0; i < 3; i++) {
        (void)give(f, marks[i], DIRECT, 1);
        const struct wend_notice n = notice(f);
        assert_int_equal(n.kind, WEND_NOTICE_SWITCH_SEEN);
        assert_int_equal(n.slot, SLOT);
        assert_int_equal(n.local_index, INDEX);
        assert_int_equal(n.counter, i < 2 ? 2 : 4);
    }
    assert_int_equal(give(f, &both, RELAY, 2), WEND_OPEN_DROPPED); // the same bytes
    assert_int_equal(notice(f).kind, WEND_NOTICE_NONE);
}

static void the_first_of_both_notices_is_confirmed(void **state)
{
    struct fixture *f = *state;
    struct wend_notice n;
    const struct sealed enter = seal_switch(f, WEND_SWITCH_ENTER, 0);
    (void)give(f, &enter, DIRECT, 1);
    assert_true(wend_open_next_notice(f->open, &n));
    assert_int_equal(n.kind, WEND_NOTICE_CONFIRMED);
    assert_true(wend_open_next_notice(f->open, &n));
    assert_int_equal(n.kind, WEND_NOTICE_SWITCH_SEEN);
    assert_false(wend_open_next_notice(f->open, &n));
}

static void traffic_is_told_once_if_asked(void **state)
{
    struct fixture *f = *state;
    const struct sealed a = seal(f), b = seal(f), c = seal(f);
    const struct sealed empty = seal_bytes(f, 0, (struct sealed){.len = 0}), d = seal(f);
    const struct wend_command watch = {.kind = WEND_COMMAND_WATCH, .slot = SLOT};
    (void)give(f, &a, RELAY, 1);
    assert_int_equal(notice(f).kind, WEND_NOTICE_NONE);
    tell(f, watch);
    (void)give(f, &b, RELAY, 1);
    (void)give(f, &c, RELAY, 1);
    const struct wend_notice n = notice(f);
    assert_int_equal(n.kind, WEND_NOTICE_TRAFFIC);
    assert_int_equal(n.slot, SLOT);
    assert_int_equal(notice(f).kind, WEND_NOTICE_NONE);
    tell(f, watch);
    (void)give(f, &empty, RELAY, 1);
    assert_int_equal(notice(f).kind, WEND_NOTICE_NONE);
    (void)give(f, &d, RELAY, 1);
    tell(f, (struct wend_command){.kind = WEND_COMMAND_PEER_GONE, .slot = SLOT});
    tell(f, packets_peer(SLOT, 13));
    assert_int_equal(notice(f).kind, WEND_NOTICE_NONE); // it was about the one before
}

// ---- Replay window ----

static void the_window_is_large_while_two_ways_live(void **state)
{
    struct fixture *f = *state;
    const struct sealed a = seal(f), b = seal(f);
    f->sender.counter = 20000; // as many are on their way by the relay
    const struct sealed enter = seal_switch(f, WEND_SWITCH_ENTER, 20000), c = seal(f);
    (void)give(f, &a, RELAY, 1);
    (void)give(f, &enter, DIRECT, 2);
    assert_int_equal(give(f, &c, DIRECT, 2), WEND_OPEN_HELD);
    assert_int_equal(give(f, &b, RELAY, 3), WEND_OPEN_PACKET);
    assert_int_equal(give(f, &b, DIRECT, 3), WEND_OPEN_DROPPED); // seen
    assert_int_equal(f->stats->duplicated, 1);
    wend_open_expire(f->open, WEND_S(1));
    EXPECT(f, 0, 1, 2);
}

// The 65th large window takes the one unused
// longest, which then knows what it knew.
static void large_windows_are_bounded(void **state)
{
    struct fixture *f = *state;
    const struct sealed a = seal(f);
    f->sender.counter = 20000;
    const struct sealed b = seal(f), c = seal(f);
    (void)give(f, &a, RELAY, 1);
    (void)give(f, &b, DIRECT, 1);
    wend_open_expire(f->open, WEND_S(1));
    drain(f);
    const struct wend_sender first = f->sender;
    f->sender = (struct wend_sender){0};
    for (uint32_t i = 0; i < 64; i++) {
        new_keys(f, INDEX + 1 + i);
        const struct sealed x = seal(f), y = seal(f);
        (void)give(f, &x, RELAY, 2000 + i);
        (void)give(f, &y, DIRECT, 2000 + i);
        drain(f);
    }
    assert_int_equal(give(f, &b, DIRECT, 5000), WEND_OPEN_DROPPED);
    assert_int_equal(give(f, &a, DIRECT, 5000), WEND_OPEN_DROPPED);
    assert_int_equal(give(f, &c, DIRECT, 5000), WEND_OPEN_PACKET);
    wend_sender_close(&f->sender);
    f->sender = first;
    drain(f);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_switch_is_seamless),
        TEST(the_time_that_the_node_says_is_kept),
        TEST(what_is_no_packet_leaves_no_gap),
        TEST(more_than_a_batch_comes_out_in_order),
        TEST(a_peer_gone_takes_what_is_held_along),
        TEST(ways_are_counted_apart),
        TEST(ways_start_anew_with_a_pair),
        TEST(the_node_learns_of_switches),
        TEST(the_first_of_both_notices_is_confirmed),
        TEST(traffic_is_told_once_if_asked),
        TEST(the_window_is_large_while_two_ways_live),
        TEST(large_windows_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
