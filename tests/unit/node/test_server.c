// SPDX-License-Identifier: MIT
// The node and its server: restarts, streams, refusals, revocations and newer records.
#include "node/server.h"
#include "world.h"

static void expect_all(uint32_t from, uint32_t to)
{
    for (uint32_t i = from; i < to; i++)
        if (world.hosts[0].plane.got[i] + world.hosts[1].plane.got[i] != 1)
            fail_msg("packet %u arrived %d times", i,
                     world.hosts[0].plane.got[i] + world.hosts[1].plane.got[i]);
}

// The direct path does not notice; when it fails afterwards, there is a relay to go to.
static void test_server_restart_under_direct_path(void **state)
{
    uint32_t number = 10;

    (void)state;
    all_up();
    talk(0, 1, WEND_S(2), WEND_MS(50), &number);
    assert_int_equal(way(0, 1), WEND_PATH_DIRECT);
    world.relay_down = true;
    uint32_t from = number;
    talk(0, 1, WEND_S(3), WEND_MS(50), &number);
    server_up(78);
    talk(0, 1, WEND_S(60), WEND_MS(250), &number);
    run(WEND_MS(100));
    expect_all(from, number);
    assert_int_equal(way(0, 1), WEND_PATH_DIRECT);
    world.direct_cut = true;
    talk(0, 1, WEND_S(3), WEND_MS(50), &number);
    from = number;
    talk(0, 1, WEND_S(1), WEND_MS(50), &number);
    run(WEND_MS(100));
    expect_all(from, number);
    assert_int_equal(way(0, 1), WEND_PATH_RELAY);
}

// On the relay, a restart is noticed by a hint: a second or two.
static void test_server_restart_on_relay(void **state)
{
    uint32_t number = 10;

    (void)state;
    world.direct_cut = true;
    all_up();
    talk(0, 1, WEND_S(2), WEND_MS(50), &number);
    assert_int_equal(way(0, 1), WEND_PATH_RELAY);
    world.relay_down = true;
    talk(0, 1, WEND_MS(500), WEND_MS(50), &number);
    server_up(78);
    talk(0, 1, WEND_S(4), WEND_MS(50), &number);
    const uint32_t from = number;
    talk(0, 1, WEND_S(1), WEND_MS(50), &number);
    run(WEND_MS(200));
    expect_all(from, number);
}

static void test_stream_leg(void **state)
{
    struct wend_self_view self;
    uint32_t number = 10;

    (void)state;
    world.hosts[0].udp_blocked = true;
    world.direct_cut = true;
    all_up();
    wend_node_self(world.hosts[0].node, &self);
    assert_int_equal(self.server_transport, WEND_TRANSPORT_TCP);
    talk(0, 1, WEND_S(2), WEND_MS(50), &number);
    run(WEND_MS(200));
    expect_all(10, number);
    assert_int_equal(way(0, 1), WEND_PATH_RELAY);
    assert_int_equal(world.hosts[1].plane.direct, 0);
    // UDP works again: the leg moves over, and packets with it.
    world.hosts[0].udp_blocked = false;
    talk(0, 1, WEND_S(40), WEND_MS(100), &number);
    wend_node_self(world.hosts[0].node, &self);
    assert_int_equal(self.server_transport, WEND_TRANSPORT_UDP);
    const uint32_t from = number;
    talk(0, 1, WEND_S(1), WEND_MS(50), &number);
    run(WEND_MS(200));
    expect_all(from, number);
}

// Packets for somebody who is not there wait; who appears is called at once.
static void test_offline_peer_appears(void **state)
{
    (void)state;
    all_up();
    wend_node_close(world.hosts[1].node);
    drain(&world.hosts[1]);
    host_down(1);
    run(WEND_MS(200));
    say(0, 1, 1);
    run(WEND_S(10));
    assert_int_equal(world.hosts[1].plane.count, 0);
    host_up(1, 2);
    run(WEND_MS(600));
    assert_int_equal(world.hosts[1].plane.got[1], 1);
}

static void publish(size_t by, const uint8_t *list, size_t len)
{
    uint8_t body[WEND_LEG_BODY_MAX];
    struct wend_writer w = wend_writer_of(body, sizeof body);
    uint32_t id;

    wend_attribute_put(&w, WEND_ATTRIBUTE_REVOCATION_LIST, (struct wend_bytes){list, len});
    assert_int_equal(wend_leg_request(&world.hosts[by].node->leg, WEND_CONTROL_PUBLISH,
                                      (struct wend_bytes){body, w.len}, WEND_S(5), &id),
                     0);
}

static void test_revoked_by_way_of_the_server(void **state)
{
    uint8_t list[512];
    struct wend_peer_view v;
    uint32_t number = 10;

    (void)state;
    all_up();
    talk(0, 1, WEND_S(1), WEND_MS(50), &number);
    assert_int_equal(way(0, 1), WEND_PATH_DIRECT);
    const size_t len =
        office_revoke(&world.office, 5, world.hosts[1].identity.public_key, list, sizeof list);
    publish(2, list, len);
    run(WEND_S(1));
    assert_false(view(0, 1, &v));
    assert_int_equal(world.hosts[0].node->contact_count, 0);
    assert_int_equal(world.hosts[0].count[WEND_NODE_STORE_REVOCATIONS], 1);
    assert_int_equal(world.hosts[0].count[WEND_NODE_DROP_PIN], 1);
    assert_int_equal(world.hosts[0].stored_len, len);
    for (size_t i = 0; i < PLANE_KEYS; i++)
        assert_false(world.hosts[0].plane.keys[i].used);
    // What it still sends finds nobody.
    const uint32_t before = world.hosts[0].plane.count;
    say(1, 0, 4000);
    run(WEND_S(60));
    assert_int_equal(world.hosts[0].plane.count, before);
    assert_int_equal(world.hosts[0].node->contact_count, 0);
}

// The server keeps the list to itself; a peer that has it tells of it in its handshake.
static void test_revocations_spread_between_peers(void **state)
{
    uint8_t list[512];
    struct wend_peer_view v;

    (void)state;
    const size_t len =
        office_revoke(&world.office, 5, world.hosts[2].identity.public_key, list, sizeof list);
    world.hosts[1].revocations = (struct wend_bytes){list, len};
    all_up();
    assert_int_equal(world.hosts[0].count[WEND_NODE_STORE_REVOCATIONS], 0);
    say(0, 1, 1);
    run(WEND_S(1));
    assert_int_equal(world.hosts[0].count[WEND_NODE_STORE_REVOCATIONS], 1);
    assert_int_equal(world.hosts[0].stored_len, len);
    assert_false(view(0, 2, &v));
    struct wend_self_view self;
    wend_node_self(world.hosts[0].node, &self);
    assert_int_equal(self.revocation_serial, 5);
}

static void test_refused_for_good(void **state)
{
    const struct member_wish wish = {.key = world.hosts[0].identity.public_key,
                                     .slot = 0,
                                     .ipv4 = 0x64401002,
                                     .name = "anna",
                                     .lifetime = 50}; // over before it began

    (void)state;
    office_admit(&world.office, &wish, &world.hosts[0].paper);
    host_up(0, 1);
    run(WEND_S(60));
    assert_int_equal(world.hosts[0].count[WEND_NODE_REFUSED], 1);
    assert_int_equal(world.hosts[0].refused_error, WEND_ERROR_EXPIRED);
    assert_int_equal(world.hosts[0].count[WEND_NODE_READY], 0);
}

static void test_own_revocation_at_start(void **state)
{
    uint8_t list[512];

    (void)state;
    const size_t len =
        office_revoke(&world.office, 5, world.hosts[0].identity.public_key, list, sizeof list);
    world.hosts[0].revocations = (struct wend_bytes){list, len};
    host_up(0, 1);
    drain(&world.hosts[0]);
    assert_int_equal(world.hosts[0].count[WEND_NODE_REFUSED], 1);
    assert_int_equal(world.hosts[0].refused_error, WEND_ERROR_REVOKED);
    run(WEND_S(10));
    assert_int_equal(world.hosts[0].count[WEND_NODE_READY], 0);
}

static void test_newer_network_record(void **state)
{
    struct wend_self_view self;

    (void)state;
    all_up();
    world.relay_down = true;
    office_write_network(&world.office, 2, &world.server);
    server_up(78);
    run(WEND_S(120));
    for (size_t i = 0; i < HOSTS; i++) {
        assert_int_equal(world.hosts[i].count[WEND_NODE_STORE_NETWORK], 1);
        wend_node_self(world.hosts[i].node, &self);
        assert_int_equal(self.network_serial, 2);
        assert_true(self.server_up);
    }
}

// A server of before says nothing; one that does is heard, and forgotten when it is another's turn.
static void test_discovery_addresses(void **state)
{
    struct wend_address at[WEND_NODE_DISCOVERY_MAX];
    struct wend_address want[4] = {world.server, world.server, world.server, world.server};

    (void)state;
    host_up(0, 1);
    assert_int_equal(wend_node_discovery(world.hosts[0].node, at), 1);
    run(WEND_S(2));
    assert_int_equal(world.hosts[0].count[WEND_NODE_READY], 1);
    assert_int_equal(wend_node_discovery(world.hosts[0].node, at), 1);
    assert_true(wend_address_equal(&at[0], &world.server));
    world.discovery[0] = (struct wend_discovery_ports){
        .port_count = 2, .ports = {3478, 3479}, .second = wend_address_ipv4(0xc6336402, 0)};
    server_up(78);
    run(WEND_S(120));
    assert_int_equal(wend_node_discovery(world.hosts[0].node, at), 4);
    want[1].port = want[3].port = 3479;
    want[2].ip[3] = want[3].ip[3] = 2;
    for (size_t i = 0; i < 4; i++)
        assert_true(wend_address_equal(&at[i], &want[i]));
    world.discovery[0] = (struct wend_discovery_ports){
        .port_count = 1, .ports = {3478}, .second = wend_address_ipv4(0x7f000001, 0)};
    server_up(79);
    run(WEND_S(120));
    assert_int_equal(wend_node_discovery(world.hosts[0].node, at), 1); // loopback never counts
}

// Labels stay above what is on disk, and what is on disk stays above the labels.
static void test_timestamps_are_reserved(void **state)
{
    (void)state;
    host_up(0, 1);
    drain(&world.hosts[0]);
    const uint64_t floor = world.hosts[0].floor;
    assert_true(floor > unix_ns());
    run(WEND_S(2));
    host_down(0);
    host_up(0, 2);
    run(WEND_S(2));
    assert_true(world.hosts[0].node->labels.last_ns > floor);
    assert_true(world.hosts[0].floor > world.hosts[0].node->labels.last_ns);
    assert_int_equal(world.hosts[0].count[WEND_NODE_READY], 2);
}

// Nothing that the server's address sends without its keys changes anything.
static void test_forged_hints(void **state)
{
    uint32_t number = 10;
    uint8_t bytes[WEND_HINT_LEN];

    (void)state;
    world.direct_cut = true;
    all_up();
    talk(0, 1, WEND_S(1), WEND_MS(50), &number);
    const uint32_t from = number;
    for (uint32_t i = 0; i < 200; i++) {
        struct wend_hint hint = {.kind = (uint8_t)(1 + i % 3)};
        wend_put_u32(hint.echo, i % 5 == 0 ? world.hosts[0].node->contacts[0].channel : i);
        wend_hint_write(bytes, &hint);
        const struct wend_datagram d = {.transport = WEND_TRANSPORT_UDP,
                                        .remote = world.server,
                                        .bytes = {bytes, sizeof bytes}};
        fly(0, WEND_MS(i), &d);
    }
    talk(0, 1, WEND_S(2), WEND_MS(50), &number);
    run(WEND_S(2));
    expect_all(from, number);
}

int main(void)
{
#define WITH(f) cmocka_unit_test_setup_teardown(f, world_open, world_close)
    const struct CMUnitTest tests[] = {
        WITH(test_server_restart_under_direct_path),
        WITH(test_server_restart_on_relay),
        WITH(test_stream_leg),
        WITH(test_offline_peer_appears),
        WITH(test_revoked_by_way_of_the_server),
        WITH(test_revocations_spread_between_peers),
        WITH(test_refused_for_good),
        WITH(test_own_revocation_at_start),
        WITH(test_newer_network_record),
        WITH(test_discovery_addresses),
        WITH(test_timestamps_are_reserved),
        WITH(test_forged_hints),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
