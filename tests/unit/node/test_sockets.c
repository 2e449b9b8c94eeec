// SPDX-License-Identifier: MIT
// Further UDP sockets of a node: asked for, opened or refused, adopted, closed.
#include "node/sockets.h"
#include "world.h"

static struct wend_node *node_up(void)
{
    host_up(0, 1);
    drain(&world.hosts[0]);
    return world.hosts[0].node;
}

static void expect_event(struct wend_node *n, enum wend_node_event_kind kind, uint16_t first,
                         uint16_t count)
{
    struct wend_node_event e;
    assert_true(wend_node_next_event(n, &e));
    assert_int_equal(e.kind, kind);
    assert_int_equal(e.socket, first);
    assert_int_equal(e.count, count);
    if (kind == WEND_NODE_OPEN_SOCKETS)
        assert_int_equal(e.address.family, WEND_FAMILY_IPV4);
}

static void expect_no_event(struct wend_node *n)
{
    struct wend_node_event e;
    assert_false(wend_node_next_event(n, &e));
    wend_node_check(n);
}

static void test_opened_and_refused(void **state)
{
    struct wend_node *n = node_up();
    uint16_t numbers[3];

    (void)state;
    assert_int_equal(wend_sockets_open(n, WEND_FAMILY_IPV4, 5000, 3, numbers), 3);
    expect_event(n, WEND_NODE_OPEN_SOCKETS, 1, 3);
    expect_no_event(n);
    wend_node_socket_opened(n, 1, 5000, world.now);
    wend_node_socket_opened(n, 2, 0, world.now);
    assert_int_equal(wend_sockets_get(n, 1)->state, WEND_SOCKET_OPEN);
    assert_int_equal(wend_sockets_get(n, 1)->port, 5000);
    assert_int_equal(wend_sockets_get(n, 2)->state, WEND_SOCKET_REFUSED);
    assert_int_equal(wend_sockets_get(n, 3)->state, WEND_SOCKET_ASKED);
    assert_int_equal(wend_sockets_get(n, 0)->state, WEND_SOCKET_FREE);
    assert_int_equal(wend_sockets_get(n, UINT16_MAX)->state, WEND_SOCKET_FREE);
    wend_sockets_close(n, numbers, 3); // the owner does not have the second
    expect_event(n, WEND_NODE_CLOSE_SOCKETS, 1, 1);
    expect_event(n, WEND_NODE_CLOSE_SOCKETS, 3, 1);
    expect_no_event(n);
    wend_node_socket_opened(n, 3, 5001, world.now); // too late
    wend_node_socket_opened(n, 0, 5001, world.now);
    wend_node_socket_opened(n, UINT16_MAX, 5001, world.now);
    assert_int_equal(wend_sockets_get(n, 3)->state, WEND_SOCKET_FREE);
    wend_sockets_close(n, numbers, 3);
    expect_no_event(n);
}

static void test_numbers_come_round_again_last(void **state)
{
    static uint16_t numbers[WEND_SOCKETS_MAX], more[WEND_SOCKETS_MAX];
    struct wend_node *n = node_up();

    (void)state;
    assert_int_equal(wend_sockets_open(n, WEND_FAMILY_IPV4, 0, 1024, numbers), 1024);
    expect_event(n, WEND_NODE_OPEN_SOCKETS, 1, 1024);
    wend_sockets_close(n, numbers, 1024);
    expect_event(n, WEND_NODE_CLOSE_SOCKETS, 1, 1024);
    assert_int_equal(wend_sockets_open(n, WEND_FAMILY_IPV4, 0, 1500, numbers), 1500);
    expect_event(n, WEND_NODE_OPEN_SOCKETS, 1025, 1024);
    expect_event(n, WEND_NODE_OPEN_SOCKETS, 1, 476);
    assert_int_equal(wend_sockets_open(n, WEND_FAMILY_IPV4, 0, 1500, more), 548); // full
    expect_event(n, WEND_NODE_OPEN_SOCKETS, 477, 548);
    assert_int_equal(wend_sockets_open(n, WEND_FAMILY_IPV4, 0, 1, more), 0);
    expect_no_event(n);
}

static void test_adopted_once_and_not_too_many(void **state)
{
    uint16_t numbers[WEND_PLANE_SOCKETS_MAX + 1];
    const size_t count = WEND_PLANE_SOCKETS_MAX + 1;
    struct wend_node *n = node_up();

    (void)state;
    assert_int_equal(wend_sockets_open(n, WEND_FAMILY_IPV4, 0, count, numbers), count);
    expect_event(n, WEND_NODE_OPEN_SOCKETS, 1, (uint16_t)count);
    assert_false(wend_sockets_adopt(n, 1)); // not open yet
    for (uint16_t i = 1; i <= count; i++)
        wend_node_socket_opened(n, i, (uint16_t)(4000 + i), world.now);
    for (uint16_t i = 1; i < count; i++) {
        assert_true(wend_sockets_adopt(n, i));
        assert_false(wend_sockets_adopt(n, i));
        expect_event(n, WEND_NODE_ADOPT_SOCKET, i, 1);
    }
    assert_false(wend_sockets_adopt(n, (uint16_t)count));
    wend_node_socket_opened(n, 7, 0, world.now); // the owner could not keep it
    assert_int_equal(wend_sockets_get(n, 7)->state, WEND_SOCKET_REFUSED);
    assert_true(wend_sockets_adopt(n, (uint16_t)count));
    expect_event(n, WEND_NODE_ADOPT_SOCKET, (uint16_t)count, 1);
    wend_sockets_close(n, numbers, count);
    expect_event(n, WEND_NODE_CLOSE_SOCKETS, 1, 6);
    expect_event(n, WEND_NODE_CLOSE_SOCKETS, 8, (uint16_t)(count - 7));
    expect_no_event(n);
}

// What comes to a socket is answered from there: here the hint for a stranger's message.
static void test_an_answer_leaves_by_the_same_socket(void **state)
{
    struct wend_node *n = node_up();
    uint8_t bytes[64] = {WEND_MESSAGE_CONTROL, [4] = 9};
    struct wend_datagram out, in = {.transport = WEND_TRANSPORT_UDP,
                                    .remote = wend_address_ipv4(0xcb007199, 5),
                                    .socket = 77,
                                    .bytes = {bytes, sizeof bytes}};
    bool hinted = false;

    (void)state;
    (void)wend_node_receive(n, &in, world.now);
    while (wend_node_next_datagram(n, &out))
        if (wend_address_equal(&out.remote, &in.remote)) {
            assert_int_equal(out.socket, 77);
            assert_int_equal(out.ttl, 0);
            hinted = true;
        }
    assert_true(hinted);
}

int main(void)
{
#define WITH(f) cmocka_unit_test_setup_teardown(f, world_open, world_close)
    const struct CMUnitTest tests[] = {
        WITH(test_opened_and_refused),
        WITH(test_numbers_come_round_again_last),
        WITH(test_adopted_once_and_not_too_many),
        WITH(test_an_answer_leaves_by_the_same_socket),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
