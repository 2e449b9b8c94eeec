// SPDX-License-Identifier: MIT
// Streams of the simulated network.
#include "net_world.h"

#define OURS 77 // the opener's number

static const struct wend_sim_box home = {.kind = WEND_SIM_BOX_NAT,
                                         .filtering = WEND_SIM_ADDRESS_AND_PORT_DEPENDENT,
                                         .allocation = WEND_SIM_PORT_RANDOM};

static void expect(enum wend_sim_delivery_kind kind, uint32_t host)
{
    assert_true(hear_within(WEND_S(20)));
    assert_int_equal(world.got.kind, kind);
    assert_int_equal(world.got.host, host);
    assert_int_equal(world.got.way.transport, WEND_TRANSPORT_TCP);
}

// Opens OURS from device 0 to the server; returns the server's number.
static uint32_t dial(uint16_t port)
{
    const struct wend_address to = server_at(port);
    wend_sim_net_listen(world.net, SERVER, port, true);
    assert_int_equal(wend_sim_net_open_stream(world.net, 0, OURS, &to, world.now), 0);
    expect(WEND_SIM_STREAM_ACCEPTED, SERVER);
    const uint32_t theirs = world.got.way.stream;
    assert_int_not_equal(theirs, 0);
    assert_address(&world.got.way.local, to);
    expect(WEND_SIM_STREAM_OPENED, 0);
    assert_int_equal(world.got.way.stream, OURS);
    assert_address(&world.got.way.remote, to);
    return theirs;
}

static int write_number(uint32_t host, uint32_t stream, uint32_t number)
{
    const struct wend_bytes message = {(const uint8_t *)&number, sizeof number};
    return wend_sim_net_send_stream(world.net, host, stream, message, world.now);
}

static void expect_number(uint32_t host, uint32_t stream, uint32_t number)
{
    uint32_t got;
    expect(WEND_SIM_STREAM_MESSAGE, host);
    assert_int_equal(world.got.way.stream, stream);
    assert_int_equal(world.got.way.bytes.len, sizeof got);
    memcpy(&got, world.got.way.bytes.at, sizeof got);
    assert_int_equal(got, number);
}

static void test_open_talk_close(void **state)
{
    (void)state;
    const struct wend_sim_link access = {.link = {.delay = WEND_MS(10)}};
    world_open_linked(&home, &access);
    const uint32_t theirs = dial(443);
    assert_int_equal(world.now, WEND_MS(20));
    for (uint32_t i = 0; i < 10; i++)
        assert_int_equal(write_number(0, OURS, i), 0);
    for (uint32_t i = 0; i < 10; i++)
        expect_number(SERVER, theirs, i);
    assert_int_equal(write_number(SERVER, theirs, 99), 0);
    expect_number(0, OURS, 99);
    assert_int_equal(write_number(0, OURS, 7), 0);
    wend_sim_net_close_stream(world.net, 0, OURS, world.now);
    assert_int_equal(write_number(0, OURS, 8), -ENOTCONN);
    expect_number(SERVER, theirs, 7);
    expect(WEND_SIM_STREAM_CLOSED, SERVER);
    assert_int_equal(world.got.way.stream, theirs);
    assert_int_equal(write_number(SERVER, theirs, 8), -ENOTCONN);
    pass(WEND_S(60));
    assert_int_equal(wend_sim_net_deadline(world.net), WEND_NEVER);
}

static void test_loss_costs_time_not_messages(void **state)
{
    (void)state;
    const struct wend_sim_link lossy = {.link = {.delay = WEND_MS(10),
                                                 .jitter = WEND_MS(5),
                                                 .loss_ppm = 200000,
                                                 .duplicate_ppm = 100000,
                                                 .mtu_bytes = 500},
                                        .overtake = true};
    world_open_linked(&home, &lossy);
    const uint32_t theirs = dial(443);
    for (uint32_t i = 0; i < 200; i++) {
        assert_int_equal(write_number(0, OURS, i), 0);
        assert_int_equal(write_number(SERVER, theirs, i), 0);
    }
    uint32_t next[2] = {0, 0};
    while (hear_within(WEND_S(5))) {
        uint32_t number;
        assert_int_equal(world.got.kind, WEND_SIM_STREAM_MESSAGE);
        memcpy(&number, world.got.way.bytes.at, sizeof number);
        assert_int_equal(number, next[world.got.host == SERVER]++);
    }
    assert_int_equal(next[0], 200);
    assert_int_equal(next[1], 200);
}

static void test_nobody_listens_or_answers(void **state)
{
    (void)state;
    world_open(&home);
    const struct wend_address to = server_at(443), nowhere = ip(9, 9, 9, 9, 9);
    assert_int_equal(wend_sim_net_open_stream(world.net, 0, OURS, &to, world.now), 0);
    expect(WEND_SIM_STREAM_CLOSED, 0);
    assert_int_equal(world.now, 0);
    assert_int_equal(wend_sim_net_open_stream(world.net, 0, OURS + 1, &nowhere, world.now), 0);
    assert_int_equal(write_number(0, OURS + 1, 1), -ENOTCONN);
    expect(WEND_SIM_STREAM_CLOSED, 0);
    assert_int_equal(world.got.way.stream, OURS + 1);
    assert_in_range(world.now, WEND_S(10), WEND_S(15));
}

static void test_only_tcp_443_passes(void **state)
{
    (void)state;
    struct wend_sim_box box = home;
    box.only_tcp443 = true;
    world_open(&box);
    const uint32_t theirs = dial(443);
    assert_int_equal(write_number(SERVER, theirs, 5), 0);
    expect_number(0, OURS, 5);
    const struct wend_address to = server_at(3478);
    wend_sim_net_listen(world.net, SERVER, 3478, true);
    assert_int_equal(wend_sim_net_open_stream(world.net, 0, OURS + 1, &to, world.now), 0);
    expect(WEND_SIM_STREAM_CLOSED, 0);
    assert_true(dropped(WEND_SIM_DROP_BLOCKED) > 1);
}

static void test_nat_reboot_resets_what_is_sent(void **state)
{
    (void)state;
    world_open(&home);
    const uint32_t theirs = dial(443);
    wend_sim_net_reboot(world.net, 1, NULL);
    pass(WEND_S(30)); // nobody notices while nobody talks
    assert_int_equal(write_number(0, OURS, 1), 0);
    expect(WEND_SIM_STREAM_CLOSED, 0);
    // The server finds out when it talks, after a while.
    assert_int_equal(write_number(SERVER, theirs, 2), 0);
    const wend_instant before = world.now;
    expect(WEND_SIM_STREAM_CLOSED, SERVER);
    assert_in_range(world.now - before, WEND_S(10), WEND_S(15));
}

static void test_idle_mapping_times_out(void **state)
{
    (void)state;
    struct wend_sim_box box = home;
    box.tcp_timeout = WEND_S(300);
    world_open(&box);
    const uint32_t theirs = dial(443);
    pass(WEND_S(299));
    assert_int_equal(write_number(0, OURS, 1), 0);
    expect_number(SERVER, theirs, 1);
    pass(WEND_S(300));
    assert_int_equal(write_number(0, OURS, 2), 0);
    expect(WEND_SIM_STREAM_CLOSED, 0);
}

static void test_address_change_breaks_our_end(void **state)
{
    (void)state;
    world_open(&home);
    const uint32_t theirs = dial(443);
    const struct wend_address moved = ip(192, 168, 1, 33, 0);
    wend_sim_net_move(world.net, 0, 1, &moved, NULL, world.now);
    expect(WEND_SIM_STREAM_CLOSED, 0);
    assert_int_equal(write_number(0, OURS, 1), -ENOTCONN);
    assert_int_equal(write_number(SERVER, theirs, 2), 0);
    expect(WEND_SIM_STREAM_CLOSED, SERVER);
}

static void test_a_cut_is_survived_if_short(void **state)
{
    (void)state;
    for (int is_long = 0; is_long < 2; is_long++) {
        world_open(&home);
        const uint32_t theirs = dial(443);
        wend_sim_net_cut(world.net, 1, WEND_SIM_INTERNET, true);
        assert_int_equal(write_number(0, OURS, 1), 0);
        if (is_long) {
            expect(WEND_SIM_STREAM_CLOSED, 0);
            assert_in_range(world.now, WEND_S(10), WEND_S(15));
            continue;
        }
        pass(WEND_S(5));
        assert_int_equal(write_number(0, OURS, 2), 0);
        wend_sim_net_cut(world.net, 1, WEND_SIM_INTERNET, false);
        assert_int_equal(write_number(0, OURS, 3), 0);
        for (uint32_t i = 1; i <= 3; i++)
            expect_number(SERVER, theirs, i);
    }
}

static void test_a_process_dies_with_and_a_host_without_a_word(void **state)
{
    (void)state;
    world_open(&home);
    uint32_t theirs = dial(443);
    wend_sim_net_reset_streams(world.net, SERVER, world.now);
    expect(WEND_SIM_STREAM_CLOSED, 0);
    assert_int_equal(write_number(SERVER, theirs, 1), -ENOTCONN);
    theirs = dial(443);
    wend_sim_net_set_host_down(world.net, SERVER, true);
    pass(WEND_S(30));
    wend_sim_net_set_host_down(world.net, SERVER, false);
    assert_int_equal(write_number(0, OURS, 1), 0); // the new server does not know it
    expect(WEND_SIM_STREAM_CLOSED, 0);
    // The same number may be used again, and streams do not run out.
    for (int i = 0; i < 100; i++) {
        theirs = dial(443);
        wend_sim_net_set_host_down(world.net, 0, true); // leaves the server's end behind
        wend_sim_net_set_host_down(world.net, 0, false);
    }
    assert_int_equal(write_number(SERVER, theirs, 1), 0);
    expect(WEND_SIM_STREAM_CLOSED, SERVER);
    (void)dial(443);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_open_talk_close),
        cmocka_unit_test(test_loss_costs_time_not_messages),
        cmocka_unit_test(test_nobody_listens_or_answers),
        cmocka_unit_test(test_only_tcp_443_passes),
        cmocka_unit_test(test_nat_reboot_resets_what_is_sent),
        cmocka_unit_test(test_idle_mapping_times_out),
        cmocka_unit_test(test_address_change_breaks_our_end),
        cmocka_unit_test(test_a_cut_is_survived_if_short),
        cmocka_unit_test(test_a_process_dies_with_and_a_host_without_a_word),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
