// SPDX-License-Identifier: MIT
// Addresses that change under a conversation: how long it takes until packets pass both ways again,
// and that nothing but packets is lost.
#include "moves.h"
#include "node/contact.h"

#define STEP      WEND_MS(5)
#define FIRST     10
#define RTT       (2 * TO_SERVER) // to the server
#define RELAY_RTT (4 * TO_SERVER) // to the peer through it

struct log {
    wend_instant sent[PLANE_NUMBERS];
    uint32_t next, begun;
    wend_instant began;
};

static struct log past;

static uint32_t got(uint32_t number)
{
    return (number % 2 == 0 ? world.hosts[1] : world.hosts[0]).plane.got[number];
}

// Even numbers go from 0 to 1, odd ones back, one each every 5 ms.
static void converse(wend_duration duration)
{
    for (wend_duration t = 0; t < duration; t += STEP) {
        past.sent[past.next] = past.sent[past.next + 1] = world.now;
        say(0, 1, past.next++);
        say(1, 0, past.next++);
        run(STEP);
    }
}

static void begin(void)
{
    memset(&past, 0, sizeof past);
    past.next = FIRST;
    all_up();
    converse(WEND_MS(1500));
    assert_int_equal(way(0, 1), WEND_PATH_DIRECT);
    assert_int_equal(way(1, 0), WEND_PATH_DIRECT);
    past.began = world.now;
    past.begun = past.next;
}

// From the move until both have received something that was sent after it, by turns of 5 ms.
static wend_duration until_both_hear(void)
{
    bool heard[2] = {false, false};

    while (!(heard[0] && heard[1]) && world.now - past.began < WEND_S(3)) {
        converse(STEP);
        for (uint32_t i = past.begun; i < past.next; i++)
            heard[i % 2] = heard[i % 2] || got(i) > 0;
    }
    return world.now - past.began;
}

// When the last one that got lost was sent, counted from the move; all arrived at most once.
static wend_duration lossy(uint32_t side)
{
    wend_duration last = 0;

    run(WEND_MS(200));
    for (uint32_t i = FIRST; i < past.next; i++) {
        assert_true(got(i) <= 1);
        if (i >= past.begun && i % 2 == side && got(i) == 0)
            last = past.sent[i] - past.began + STEP;
    }
    return last;
}

static void test_one_moves(void **state)
{
    (void)state;
    begin();
    host_move(0, 0xcb007163);
    const wend_duration both = until_both_hear();
    assert_true(both <= RELAY_RTT + WEND_MS(50));
    converse(WEND_MS(500));
    assert_int_equal(way(0, 1), WEND_PATH_DIRECT);
    assert_int_equal(way(1, 0), WEND_PATH_DIRECT);
    // Of what the moved one sends nothing is lost; of the other's, what went straight to its old
    // address until it was told through the relay.
    const wend_duration out = lossy(0), back = lossy(1);
    assert_int_equal(out, 0);
    assert_true(back <= 2 * TO_SERVER + STEP);
    print_message("one moves: both ways after %lld ms, lost %lld ms and %lld ms\n",
                  (long long)both / 1000000, (long long)out / 1000000, (long long)back / 1000000);
}

static void test_one_moves_behind_nat(void **state)
{
    (void)state;
    world.hosts[0].nat = world.hosts[1].nat = true;
    begin();
    host_move(0, 0xcb007163);
    assert_true(until_both_hear() <= RELAY_RTT + WEND_MS(50));
    converse(WEND_MS(500));
    assert_int_equal(way(0, 1), WEND_PATH_DIRECT);
    assert_int_equal(way(1, 0), WEND_PATH_DIRECT);
    assert_int_equal(lossy(0), 0);
    assert_true(lossy(1) <= 2 * TO_SERVER + STEP);
}

static void test_both_move(void **state)
{
    (void)state;
    world.hosts[0].nat = world.hosts[1].nat = true;
    begin();
    host_move(0, 0xcb007163);
    host_move(1, 0xcb007164);
    const wend_duration both = until_both_hear();
    assert_true(both <= 2 * RTT + WEND_MS(100));
    // Straight again, with what the server saw of either: told when the Resume was answered.
    while (way(0, 1) != WEND_PATH_DIRECT || way(1, 0) != WEND_PATH_DIRECT)
        converse(STEP);
    const wend_duration direct = world.now - past.began;
    assert_true(direct <= 2 * RTT + WEND_MS(100));
    const wend_duration out = lossy(0), back = lossy(1);
    print_message("both move: both ways after %lld, straight after %lld, lost %lld and %lld ms\n",
                  (long long)both / 1000000, (long long)direct / 1000000, (long long)out / 1000000,
                  (long long)back / 1000000);
}

// The Resume of one is lost, then that of both: repeated, and nothing waits for more than that.
static void test_moves_with_lost_resumes(void **state)
{
    (void)state;
    world.hosts[0].nat = world.hosts[1].nat = true;
    begin();
    host_move(0, 0xcb007163);
    host_move(1, 0xcb007164);
    drain(&world.hosts[0]);
    drain(&world.hosts[1]);
    world.flight_count = 0;
    assert_true(until_both_hear() <= WEND_MS(250) + 2 * RTT + WEND_MS(100));
    converse(WEND_MS(500));
    assert_int_equal(way(0, 1), WEND_PATH_DIRECT);
}

// Ten moves, one every 300 ms, of both sides by turns.
static void test_many_moves(void **state)
{
    (void)state;
    begin();
    for (uint32_t i = 0; i < 10; i++) {
        host_move(i % 2, 0xcb007170 + i);
        converse(WEND_MS(300));
    }
    past.begun = past.next;
    past.began = world.now;
    converse(WEND_MS(500));
    assert_int_equal(lossy(0) + lossy(1), 0);
    assert_int_equal(way(0, 1), WEND_PATH_DIRECT);
    assert_int_equal(world.hosts[0].plane.key_commands, 1); // the session stayed
}

// --- no address at all ---

static void test_down_and_up(void **state)
{
    (void)state;
    begin();
    host_cut_off(0);
    const uint32_t sent = world.hosts[0].sent;
    const uint32_t channel = world.hosts[0].node->contacts[0].channel;
    const uint32_t held = past.next;
    for (uint32_t i = 0; i < 20; i++)
        say(0, 1, past.next++);
    run(WEND_S(30));
    assert_int_equal(world.hosts[0].sent, sent); // nothing is sent into the void
    past.began = world.now;
    past.begun = past.next += past.next % 2;
    host_move(0, 0xcb007163);
    run(RTT + 1);
    for (uint32_t i = held; i < held + 20; i++)
        assert_int_equal(world.hosts[1].plane.got[i], 1);
    assert_int_equal(world.hosts[0].node->contacts[0].channel, channel);
    assert_true(until_both_hear() <= RELAY_RTT + WEND_MS(50));
    converse(WEND_MS(500));
    assert_int_equal(way(0, 1), WEND_PATH_DIRECT);
}

// Down for so long that the session with the peer ended; the packets of the last moment are there.
static void test_down_for_minutes(void **state)
{
    (void)state;
    begin();
    host_cut_off(0);
    run(WEND_S(400));
    say(0, 1, 4000);
    run(WEND_S(20));
    assert_int_equal(world.hosts[1].plane.got[4000], 0);
    host_move(0, 0xcb007163);
    run(WEND_MS(121));
    assert_int_equal(world.hosts[1].plane.got[4000], 1);
    assert_int_equal(world.hosts[0].count[WEND_NODE_SERVER_LOST], 0);
}

static void test_starts_without_an_address(void **state)
{
    (void)state;
    host_up(0, 1);
    host_cut_off(0);
    run(WEND_S(200));
    assert_int_equal(world.hosts[0].count[WEND_NODE_SERVER_LOST], 0);
    host_up(1, 1);
    host_move(0, 0xcb007163);
    run(WEND_S(1));
    assert_int_equal(world.hosts[0].count[WEND_NODE_READY], 1);
    say(0, 1, 1);
    run(WEND_MS(121));
    assert_int_equal(world.hosts[1].plane.got[1], 1);
}

// --- one more ---

// A second address breaks nothing, and is told.
static void test_gained(void **state)
{
    (void)state;
    begin();
    const uint32_t generation = world.hosts[0].node->generation;
    const struct wend_address both[] = {world.hosts[0].address, wend_address_ipv4(0x0a000007, 0)};
    wend_node_set_interfaces(world.hosts[0].node, both, 2, world.now);
    converse(WEND_MS(500));
    assert_int_equal(way(0, 1), WEND_PATH_DIRECT);
    assert_int_equal(lossy(0) + lossy(1), 0);
    assert_int_equal(world.hosts[0].node->generation, generation + 1);
    assert_int_equal(world.hosts[0].node->contacts[0].told_generation, generation + 1);
    wend_node_set_interfaces(world.hosts[0].node, both, 1, world.now); // and goes again
    past.begun = past.next;
    past.began = world.now;
    converse(WEND_MS(500));
    assert_int_equal(lossy(0) + lossy(1), 0); // by the relay for a moment
    assert_int_equal(way(0, 1), WEND_PATH_DIRECT);
}

// A port that a gateway maps is told to peers, and when it goes nothing that works is disturbed.
static void test_mapped(void **state)
{
    (void)state;
    begin();
    struct wend_node *node = world.hosts[0].node;
    const uint32_t generation = node->generation;
    const struct wend_address mapped = wend_address_ipv4(0xcb0071fe, 41641);
    wend_node_mapped(node, &mapped, world.now);
    converse(WEND_MS(500));
    assert_int_equal(node->generation, generation + 1);
    assert_int_equal(node->contacts[0].told_generation, generation + 1);
    assert_int_equal(node->ours.at[1].kind, WEND_CANDIDATE_MAPPED);
    wend_node_mapped(node, &mapped, world.now); // nothing new
    assert_int_equal(node->generation, generation + 1);
    wend_node_mapped(node, NULL, world.now);
    converse(WEND_MS(500));
    assert_int_equal(node->contacts[0].told_generation, generation + 2);
    assert_int_equal(lossy(0) + lossy(1), 0);
    assert_int_equal(way(0, 1), WEND_PATH_DIRECT);
}

// One leg is a stream: its address goes, a new stream comes, packets wait for it.
static void test_stream_moves(void **state)
{
    (void)state;
    memset(&past, 0, sizeof past);
    past.next = FIRST;
    world.hosts[0].udp_blocked = world.direct_cut = true;
    all_up();
    converse(WEND_MS(1000));
    assert_int_equal(way(0, 1), WEND_PATH_RELAY);
    past.began = world.now;
    past.begun = past.next;
    const uint32_t handshakes = world.hosts[0].node->leg.initiations;
    const uint32_t stream = world.hosts[0].stream;
    host_move(0, 0xcb007163);
    assert_true(until_both_hear() <= RELAY_RTT + WEND_MS(50));
    assert_int_not_equal(world.hosts[0].stream, stream);
    converse(WEND_MS(500));
    assert_int_equal(world.hosts[0].node->leg.initiations, handshakes); // the session came along
    assert_int_equal(lossy(0), 0);
}

int main(void)
{
#define WITH(f) cmocka_unit_test_setup_teardown(f, world_open, world_close)
    const struct CMUnitTest tests[] = {
        WITH(test_one_moves),        WITH(test_one_moves_behind_nat),
        WITH(test_both_move),        WITH(test_moves_with_lost_resumes),
        WITH(test_many_moves),       WITH(test_down_and_up),
        WITH(test_down_for_minutes), WITH(test_starts_without_an_address),
        WITH(test_gained),           WITH(test_mapped),
        WITH(test_stream_moves),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
