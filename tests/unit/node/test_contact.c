// SPDX-License-Identifier: MIT
// Two devices and how they come together: relay first, direct then.
#include "moves.h"
#include "node/contact.h"

static void test_ready_and_directory(void **state)
{
    struct wend_peer_view v;
    struct wend_self_view self;

    (void)state;
    all_up();
    for (size_t i = 0; i < HOSTS; i++) {
        assert_int_equal(wend_node_member_count(world.hosts[i].node), HOSTS - 1);
        assert_int_equal(world.hosts[i].count[WEND_NODE_STORE_PIN], HOSTS - 1);
        for (size_t j = 0; j < HOSTS; j++)
            assert_true(i == j || (view(i, j, &v) && v.online));
    }
    wend_node_self(world.hosts[0].node, &self);
    assert_string_equal(self.name, "anna");
    assert_true(self.server_up);
    assert_true(wend_address_equal(&self.public_address, &world.hosts[0].address));
}

// The first packet goes with the handshake, the exchange over the relay takes no time of its own;
// the direct path opens behind it.
static void test_relay_then_direct(void **state)
{
    struct wend_peer_view v;

    (void)state;
    all_up();
    say(0, 1, 1);
    run(WEND_MS(39)); // to the server, and on
    assert_int_equal(world.hosts[1].plane.count, 0);
    run(WEND_MS(1));
    assert_int_equal(world.hosts[1].plane.count, 1);
    run(WEND_MS(40));
    assert_true(view(0, 1, &v) && v.early_data);
    assert_int_equal(v.first_packet, 0);
    run(WEND_MS(140));
    assert_int_equal(way(0, 1), WEND_PATH_DIRECT);
    assert_int_equal(way(1, 0), WEND_PATH_DIRECT);
    say(1, 0, 2);
    say(0, 1, 3);
    run(WEND_MS(11));
    assert_int_equal(world.hosts[0].plane.direct, 1);
    assert_int_equal(world.hosts[1].plane.direct, 1);
    assert_true(view(0, 1, &v) && v.state == WEND_PEER_UP);
    assert_true(v.direct_after > 0 && v.direct_after < WEND_MS(200));
    assert_int_equal(v.paths[v.path_used].rtt, WEND_MS(20));
}

static void test_both_behind_nats(void **state)
{
    (void)state;
    world.hosts[0].nat = world.hosts[1].nat = true;
    all_up();
    say(0, 1, 1);
    run(WEND_MS(600));
    assert_int_equal(world.hosts[1].plane.got[1], 1);
    assert_int_equal(way(0, 1), WEND_PATH_DIRECT);
    assert_int_equal(way(1, 0), WEND_PATH_DIRECT);
}

static void test_both_initiate_at_once(void **state)
{
    uint32_t number = 10;

    (void)state;
    all_up();
    say(0, 1, 1);
    say(1, 0, 2);
    run(WEND_MS(300));
    assert_int_equal(world.hosts[1].plane.got[1], 1);
    assert_int_equal(world.hosts[0].plane.got[2], 1);
    talk(0, 1, WEND_S(3), WEND_MS(50), &number);
    run(WEND_MS(100));
    for (uint32_t i = 10; i < number; i++)
        assert_int_equal(world.hosts[0].plane.got[i] + world.hosts[1].plane.got[i], 1);
    assert_int_equal(way(0, 1), WEND_PATH_DIRECT);
}

// Cut: five silent probes, then the relay. Healed: direct again after the first retry.
static void test_direct_cut_and_healed(void **state)
{
    uint32_t number = 10;

    (void)state;
    all_up();
    talk(0, 1, WEND_S(5), WEND_MS(50), &number);
    assert_int_equal(way(0, 1), WEND_PATH_DIRECT);
    world.direct_cut = true;
    talk(0, 1, WEND_MS(1100), WEND_MS(50), &number);
    assert_int_equal(way(0, 1), WEND_PATH_RELAY);
    assert_int_equal(way(1, 0), WEND_PATH_RELAY);
    const uint32_t from = number;
    talk(0, 1, WEND_S(1), WEND_MS(50), &number);
    run(WEND_MS(100));
    for (uint32_t i = from; i < number; i++)
        assert_int_equal(world.hosts[0].plane.got[i] + world.hosts[1].plane.got[i], 1);
    world.direct_cut = false;
    talk(0, 1, WEND_S(6), WEND_MS(50), &number);
    assert_int_equal(way(0, 1), WEND_PATH_DIRECT);
    assert_int_equal(way(1, 0), WEND_PATH_DIRECT);
}

static void test_rekey_loses_nothing(void **state)
{
    uint32_t number = 10;

    (void)state;
    all_up();
    talk(0, 1, WEND_S(400), WEND_MS(250), &number);
    run(WEND_MS(100));
    for (uint32_t i = 10; i < number; i++)
        assert_int_equal(world.hosts[0].plane.got[i] + world.hosts[1].plane.got[i], 1);
    assert_true(world.hosts[0].plane.key_commands >= 4);
    assert_int_equal(way(0, 1), WEND_PATH_DIRECT);
}

// Nobody talks: after 120 s no more probes, after the session's life nothing is left.
static void test_idle_falls_silent(void **state)
{
    struct wend_peer_view v;

    (void)state;
    all_up();
    say(0, 1, 1);
    run(WEND_S(130));
    world.direct_probes = 0;
    run(WEND_S(40));
    assert_int_equal(world.direct_probes, 0);
    run(WEND_S(800));
    assert_true(view(0, 1, &v) && v.state == WEND_PEER_IDLE);
    assert_int_equal(world.hosts[0].node->contact_count, 0);
    assert_int_equal(world.hosts[1].node->contact_count, 0);
    say(0, 1, 2);
    run(WEND_MS(300));
    assert_int_equal(world.hosts[1].plane.got[2], 1);
}

static void test_address_change(void **state)
{
    uint32_t number = 10;

    (void)state;
    all_up();
    talk(0, 1, WEND_S(2), WEND_MS(50), &number);
    assert_int_equal(way(0, 1), WEND_PATH_DIRECT);
    host_move(0, 0xcb007163);
    talk(0, 1, WEND_MS(400), WEND_MS(50), &number);
    const uint32_t from = number;
    talk(0, 1, WEND_S(1), WEND_MS(50), &number);
    run(WEND_MS(100));
    for (uint32_t i = from; i < number; i++)
        assert_int_equal(world.hosts[0].plane.got[i] + world.hosts[1].plane.got[i], 1);
    assert_int_equal(way(0, 1), WEND_PATH_DIRECT);
    assert_int_equal(way(1, 0), WEND_PATH_DIRECT);
}

static void test_both_move_at_once(void **state)
{
    uint32_t number = 10;

    (void)state;
    world.hosts[0].nat = world.hosts[1].nat = true;
    all_up();
    talk(0, 1, WEND_S(2), WEND_MS(50), &number);
    host_move(0, 0xcb007163);
    host_move(1, 0xcb007164);
    talk(0, 1, WEND_S(2), WEND_MS(50), &number);
    const uint32_t from = number;
    talk(0, 1, WEND_S(1), WEND_MS(50), &number);
    run(WEND_MS(100));
    for (uint32_t i = from; i < number; i++)
        assert_int_equal(world.hosts[0].plane.got[i] + world.hosts[1].plane.got[i], 1);
    assert_int_equal(way(0, 1), WEND_PATH_DIRECT);
    assert_int_equal(way(1, 0), WEND_PATH_DIRECT);
}

// The peer crashed and came back: it does not know our index, says so, and we shake hands again.
static void test_peer_restarts(void **state)
{
    uint32_t number = 10;

    (void)state;
    all_up();
    talk(0, 1, WEND_S(2), WEND_MS(50), &number);
    host_down(1);
    host_up(1, 2);
    run(WEND_MS(500));
    const uint32_t from = number;
    talk(0, 1, WEND_S(1), WEND_MS(50), &number);
    run(WEND_S(1));
    uint32_t arrived = 0;
    for (uint32_t i = from; i < number; i++)
        arrived += world.hosts[0].plane.got[i] + world.hosts[1].plane.got[i];
    assert_int_equal(arrived, number - from);
    assert_int_equal(way(0, 1), WEND_PATH_DIRECT);
}

static void hint_from(const struct wend_address *from)
{
    uint8_t bytes[WEND_HINT_LEN];
    struct wend_hint hint = {.kind = WEND_HINT_UNKNOWN_SESSION};
    struct wend_contact *c = &world.hosts[0].node->contacts[0];

    wend_put_u32le(hint.echo, wend_contact_pair(c, c->sending)->box.remote_index);
    wend_hint_write(bytes, &hint);
    const struct wend_datagram d = {
        .transport = WEND_TRANSPORT_UDP, .remote = *from, .bytes = {bytes, sizeof bytes}};
    (void)wend_node_receive(world.hosts[0].node, &d, world.now);
}

// A hint counts only from where our messages go.
static void test_hints_of_strangers(void **state)
{
    const struct wend_address stranger = wend_address_ipv4(0xcb007150, PORT);
    uint32_t number = 10;

    (void)state;
    all_up();
    talk(0, 1, WEND_S(2), WEND_MS(50), &number);
    hint_from(&stranger);
    hint_from(&world.server);
    run(WEND_MS(500));
    assert_int_equal(world.hosts[0].plane.key_commands, 1);
    hint_from(&world.hosts[1].address);
    run(WEND_MS(500));
    assert_int_equal(world.hosts[0].plane.key_commands, 2);
}

// Both have the same address behind their NATs: nobody probes itself.
static void test_same_inside_address(void **state)
{
    uint32_t number = 10;

    (void)state;
    world.hosts[0].nat = world.hosts[1].nat = true;
    all_up();
    talk(0, 1, WEND_S(2), WEND_MS(50), &number);
    struct wend_peer_view v;
    assert_true(view(0, 1, &v));
    for (size_t i = 0; i < v.path_count; i++)
        assert_false(v.paths[i].kind == WEND_PATH_DIRECT && v.paths[i].remote.ip[0] == 192);
}

// When each of two hosts first sent something to the other's NAT.
static wend_instant opened[HOSTS];

static wend_duration note_opening(size_t from, size_t to, const struct wend_datagram *d)
{
    (void)to;
    (void)d;
    if (opened[from] == 0)
        opened[from] = world.now;
    return TO_PEER;
}

// A packet that comes in before our own went out takes our port away from us at a plain masquerade.
static void assert_both_open_in_time(void)
{
    assert_true(opened[0] != 0 && opened[1] != 0);
    assert_true(opened[0] < opened[1] + TO_PEER);
    assert_true(opened[1] < opened[0] + TO_PEER);
}

static void test_nats_open_at_one_instant(void **state)
{
    (void)state;
    memset(opened, 0, sizeof opened);
    world.hosts[0].nat = world.hosts[1].nat = true;
    world.fate = note_opening;
    all_up();
    say(0, 1, 1);
    run(WEND_MS(300));
    assert_both_open_in_time();
}

static void nats_open_when_handshakes_cross(size_t first)
{
    memset(opened, 0, sizeof opened);
    world.hosts[0].nat = world.hosts[1].nat = true;
    world.fate = note_opening;
    all_up();
    say(first, 1 - first, 1);
    run(WEND_MS(25)); // longer than the direct way takes, and nothing has arrived yet
    say(1 - first, first, 2);
    run(WEND_MS(300));
    assert_both_open_in_time();
    assert_int_equal(world.hosts[1 - first].plane.got[1], 1);
    assert_int_equal(world.hosts[first].plane.got[2], 1);
}

static void test_nats_open_when_handshakes_cross(void **state)
{
    (void)state;
    nats_open_when_handshakes_cross(0);
}

static void test_nats_open_when_they_cross_otherwise(void **state)
{
    (void)state;
    nats_open_when_handshakes_cross(1);
}

static void test_goodbye(void **state)
{
    struct wend_peer_view v;
    uint32_t number = 10;

    (void)state;
    all_up();
    talk(0, 1, WEND_S(1), WEND_MS(50), &number);
    wend_node_close(world.hosts[1].node);
    drain(&world.hosts[1]);
    host_down(1);
    run(WEND_MS(200));
    assert_true(view(0, 1, &v));
    assert_int_equal(v.state, WEND_PEER_IDLE);
    assert_false(v.online);
    assert_int_equal(world.hosts[0].node->contact_count, 0);
}

int main(void)
{
#define WITH(f) cmocka_unit_test_setup_teardown(f, world_open, world_close)
    const struct CMUnitTest tests[] = {
        WITH(test_ready_and_directory),
        WITH(test_relay_then_direct),
        WITH(test_both_behind_nats),
        WITH(test_both_initiate_at_once),
        WITH(test_direct_cut_and_healed),
        WITH(test_rekey_loses_nothing),
        WITH(test_idle_falls_silent),
        WITH(test_address_change),
        WITH(test_both_move_at_once),
        WITH(test_peer_restarts),
        WITH(test_hints_of_strangers),
        WITH(test_same_inside_address),
        WITH(test_nats_open_at_one_instant),
        WITH(test_nats_open_when_handshakes_cross),
        WITH(test_nats_open_when_they_cross_otherwise),
        WITH(test_goodbye),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
