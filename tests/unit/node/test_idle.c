// SPDX-License-Identifier: MIT
// Silence: what a node says when nobody has anything to say, and how it wakes.
#include "moves.h"
#include "node/contact.h"
#include "relay/relay_state.h"

static struct wend_contact *contact(size_t i, size_t of)
{
    struct wend_peer_view v;

    assert_true(view(i, of, &v));
    return wend_contact_of(world.hosts[i].node, v.slot);
}

// A packet of host `i` to host `to` arrives; says after how long.
static wend_duration first_packet(size_t i, size_t to, uint32_t number)
{
    const wend_instant from = world.now;

    say(i, to, number);
    while (world.hosts[to].plane.got[number] == 0 && world.now - from < WEND_S(5))
        run(WEND_MS(1));
    assert_int_equal(world.hosts[to].plane.got[number], 1);
    return world.now - from;
}

static void test_ticks_end_and_begin(void **state)
{
    uint32_t number = 10;

    (void)state;
    all_up();
    talk(0, 1, WEND_S(2), WEND_MS(20), &number);
    assert_true(contact(0, 1)->tick_at <= world.now + WEND_MS(50));
    run(WEND_MS(990));
    assert_int_not_equal(contact(0, 1)->tick_at, WEND_NEVER);
    run(WEND_MS(120));
    assert_int_equal(contact(0, 1)->tick_at, WEND_NEVER);
    assert_int_equal(contact(1, 0)->tick_at, WEND_NEVER);
    run(WEND_S(5));
    say(0, 1, number); // wakes both: the one that sends, the one that receives
    assert_int_equal(contact(0, 1)->tick_at, world.now + WEND_MS(50));
    run(WEND_MS(10));
    assert_int_equal(contact(1, 0)->wanted_at, world.now);
    assert_int_not_equal(contact(1, 0)->tick_at, WEND_NEVER);
}

// A packet that passes before WATCH has reached the half is seen by the last look.
static void test_watch_that_came_too_late(void **state)
{
    uint32_t number = 10;

    (void)state;
    all_up();
    talk(0, 1, WEND_S(1), WEND_MS(20), &number);
    struct wend_contact *c = contact(0, 1);
    while (!c->watched)
        run(WEND_MS(1));
    world.hosts[0].plane.slots[c->slot].watch_seal = false;
    say(0, 1, number);
    run(WEND_MS(60));
    assert_true(world.now - c->wanted_at <= WEND_MS(60));
    assert_false(c->watched);
}

static void count_hour(wend_duration lifetime, uint32_t ret_sent[2], uint32_t *ret_direct)
{
    uint32_t number = 10;

    all_up();
    if (lifetime != 0)
        for (size_t i = 0; i < 2; i++)
            wend_node_set_mapping_lifetime(world.hosts[i].node, lifetime);
    talk(0, 1, WEND_S(2), WEND_MS(50), &number);
    assert_int_equal(way(0, 1), WEND_PATH_DIRECT);
    run(WEND_S(400));
    const uint32_t before[2] = {world.hosts[0].sent, world.hosts[1].sent};
    world.direct_probes = 0;
    run(WEND_S(3600));
    for (size_t i = 0; i < 2; i++)
        ret_sent[i] = world.hosts[i].sent - before[i];
    *ret_direct = world.direct_probes;
    assert_int_equal(world.hosts[0].node->contact_count, 0);
}

static void test_hour_behind_nats(void **state)
{
    uint32_t sent[2], direct;

    (void)state;
    world.hosts[0].nat = world.hosts[1].nat = true;
    count_hour(0, sent, &direct);
    assert_int_equal(direct, 0);
    assert_in_range(sent[0], 3600 / 25 - 1, 3600 / 25);
    assert_in_range(sent[1], 3600 / 25 - 1, 3600 / 25);
    // Nobody was called offline, and the first packet takes one way.
    struct wend_peer_view v;
    assert_true(view(0, 1, &v) && v.online);
    assert_int_equal(first_packet(0, 1, 4000), WEND_MS(40));
}

static void test_hour_with_a_known_lifetime(void **state)
{
    uint32_t sent[2], direct;

    (void)state;
    world.hosts[0].nat = world.hosts[1].nat = true;
    count_hour(WEND_S(170), sent, &direct);
    assert_int_equal(direct, 0);
    assert_in_range(sent[0], 3600 / 170 - 1, 3600 / 170 + 1);
    struct wend_peer_view v;
    assert_true(view(0, 1, &v) && v.online);
}

static void test_hour_in_the_open(void **state)
{
    uint32_t sent[2], direct;

    (void)state;
    count_hour(0, sent, &direct);
    assert_int_equal(direct, 0);
    assert_in_range(sent[0], 3600 / 110 - 1, 3600 / 110 + 1);
    struct wend_peer_view v;
    assert_true(view(0, 1, &v) && v.online);
}

// Idle, but the session lives: NATs have forgotten the direct path, the relay has not.
static void test_waking_costs_no_round_trip(void **state)
{
    uint32_t number = 10;

    (void)state;
    world.hosts[0].nat = world.hosts[1].nat = true;
    all_up();
    talk(0, 1, WEND_S(60), WEND_MS(100), &number);
    // A new pair shall outlive the 120 s.
    while (world.hosts[0].plane.key_commands + world.hosts[1].plane.key_commands < 4)
        talk(0, 1, WEND_MS(500), WEND_MS(100), &number);
    run(WEND_S(150));
    assert_int_not_equal(contact(0, 1)->sending, 0);
    for (size_t i = 0; i < 2;
         i++) { // the mappings to each other are gone, that to the server lives
        world.hosts[i].permitted_count = 0;
        permit(&world.hosts[i], &world.server);
    }
    assert_int_equal(first_packet(0, 1, number), 2 * TO_SERVER);
    assert_int_equal(first_packet(1, 0, number + 1), 2 * TO_SERVER);
    run(WEND_MS(200));
    assert_int_equal(way(0, 1), WEND_PATH_DIRECT);
}

// --- sleep ---

// After the sleep the first packet takes as long as ever: Resume and Peer Service leave together.
static void test_sleep(void **state)
{
    uint32_t number = 10;

    (void)state;
    world.hosts[0].nat = world.hosts[1].nat = true;
    all_up();
    talk(0, 1, WEND_S(2), WEND_MS(50), &number);
    sleep_all(WEND_S(3 * 3600));
    expire_all();
    assert_int_equal(first_packet(0, 1, 4000), WEND_MS(40));
    run(WEND_MS(300));
    assert_int_equal(way(0, 1), WEND_PATH_DIRECT);
}

// Only one sleeps, elsewhere than it wakes; the server has called it offline. The packet is there
// before any timer.
static void test_sleeper_wakes_elsewhere(void **state)
{
    struct wend_peer_view v;

    (void)state;
    all_up();
    world.hosts[0].up = false;
    run(WEND_S(3 * 3600));
    assert_true(view(1, 0, &v) && !v.online);
    world.hosts[0].up = true;
    world.hosts[0].address = wend_address_ipv4(0xcb007163, PORT);
    wend_node_set_clock(world.hosts[0].node, unix_ns());
    assert_int_equal(first_packet(0, 1, 4000), WEND_MS(40));
    assert_true(view(1, 0, &v) && v.online);
}

// The server kept the session but not the registration: one round trip more, not two.
static void test_sleep_and_registration_is_gone(void **state)
{
    (void)state;
    all_up();
    run(WEND_S(10));
    sleep_all(WEND_S(60)); // longer, and it would have forgotten the session too
    const uint32_t ref = wend_relay_client_find(world.relay, world.hosts[0].identity.public_key);
    world.relay->now = world.now;
    wend_relay_client_deregister(world.relay, ref);
    run(0);
    assert_int_equal(first_packet(0, 1, 4000), WEND_MS(80));
}

// The server was started anew: a hint, a handshake, then registration and request together.
static void test_sleep_and_server_restarts(void **state)
{
    (void)state;
    all_up();
    run(WEND_S(10));
    for (size_t i = 0; i < HOSTS; i++)
        world.hosts[i].up = i != 0;
    world.relay_down = true;
    run(WEND_S(60));
    server_up(78);
    run(WEND_S(600)); // the others are back
    world.hosts[0].up = true;
    wend_node_set_clock(world.hosts[0].node, unix_ns());
    assert_int_equal(first_packet(0, 1, 4000), WEND_MS(120));
}

// A server that registers and forgets, again and again: no storm of registrations.
static void test_server_that_forgets(void **state)
{
    (void)state;
    all_up();
    run(WEND_S(10));
    const uint32_t ref = wend_relay_client_find(world.relay, world.hosts[0].identity.public_key);
    const uint32_t from = world.hosts[0].sent;
    say(0, 1, 4000);
    for (uint32_t i = 0; i < 2000; i++) {
        world.relay->now = world.now;
        wend_relay_client_deregister(world.relay, ref);
        run(WEND_MS(5));
    }
    assert_true(world.hosts[0].sent - from < 40);
    run(WEND_S(10)); // and when it comes to its senses
    assert_int_equal(world.hosts[1].plane.got[4000], 1);
}

// Longer than a session with a server lives.
static void test_sleep_for_two_days(void **state)
{
    (void)state;
    all_up();
    sleep_all(WEND_S(48 * 3600));
    expire_all();
    run(WEND_S(3));
    assert_true(first_packet(0, 1, 4000) <= WEND_MS(200));
    assert_int_equal(world.hosts[0].count[WEND_NODE_REFUSED], 0);
}

// Being called late by a little is not sleep.
static void test_late_turns_are_not_sleep(void **state)
{
    uint32_t number = 10;

    (void)state;
    all_up();
    talk(0, 1, WEND_S(2), WEND_MS(50), &number);
    const uint32_t sent = world.hosts[0].node->leg.last_id;
    sleep_all(WEND_S(3));
    run(WEND_S(1));
    assert_int_equal(world.hosts[0].node->leg.last_id, sent);
    assert_int_equal(way(0, 1), WEND_PATH_DIRECT);
}

// --- size ---

static void test_sizes(void **state)
{
    (void)state;
    assert_true(sizeof(struct wend_seat) <= 2048);
    assert_true(sizeof(struct wend_contact) <= 24576);
    print_message("seat %zu, contact %zu, leg %zu, node %zu bytes\n", sizeof(struct wend_seat),
                  sizeof(struct wend_contact), sizeof(struct wend_leg), sizeof(struct wend_node));
}

int main(void)
{
#define WITH(f) cmocka_unit_test_setup_teardown(f, world_open, world_close)
    const struct CMUnitTest tests[] = {
        WITH(test_ticks_end_and_begin),
        WITH(test_watch_that_came_too_late),
        WITH(test_hour_behind_nats),
        WITH(test_hour_with_a_known_lifetime),
        WITH(test_hour_in_the_open),
        WITH(test_waking_costs_no_round_trip),
        WITH(test_sleep),
        WITH(test_sleeper_wakes_elsewhere),
        WITH(test_sleep_and_registration_is_gone),
        WITH(test_sleep_and_server_restarts),
        WITH(test_server_that_forgets),
        WITH(test_sleep_for_two_days),
        WITH(test_late_turns_are_not_sleep),
        cmocka_unit_test(test_sizes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
