// SPDX-License-Identifier: MIT
// What stays of a volley: the winning socket as the path, and none of the others.
#include "volleying.h"

static void test_the_winning_socket_is_the_path(void **state)
{
    (void)state;
    begin_hidden();
    run(WEND_S(5));
    const struct wend_contact *c = contact(hidden, open);
    assert_int_equal(way(hidden, open), WEND_PATH_DIRECT);
    assert_int_equal(way(open, hidden), WEND_PATH_DIRECT);
    assert_int_not_equal(c->socket, 0);
    assert_int_equal(wend_sockets_get(world.hosts[hidden].node, c->socket)->state,
                     WEND_SOCKET_ADOPTED);
    assert_int_equal(wend_paths_direct(&c->paths)->socket, c->socket);
    assert_clean(hidden, 1);
    assert_clean(open, 0);
    const uint32_t direct = world.hosts[open].plane.direct;
    uint32_t number = 10;
    talk(0, 1, WEND_S(2), WEND_MS(100), &number);
    assert_true(world.hosts[open].plane.direct >= direct + 19);
    wend_contact_close(world.hosts[hidden].node, contact(hidden, open));
    drain(&world.hosts[hidden]);
    assert_clean(hidden, 0);
    assert_int_equal(benches[hidden].opened, benches[hidden].closed);
}

// What the smaller key has won by an answer replaces what the other side said.
static void test_the_second_win_replaces_the_first(void **state)
{
    (void)state;
    world.direct_cut = true;
    begin_hidden();
    run(WEND_MS(5));
    const struct wend_volley_seat *seat = seat_of(hidden, open);
    const struct wend_volley *v = volley(hidden, open);
    const struct wend_contact *c = contact(hidden, open);
    const uint16_t one = seat->numbers[v->socket_first], two = seat->numbers[v->socket_first + 1];
    const uint64_t second = volley_token(v, false, v->socket_first + 1, PORT);
    struct wend_volley_message hit = {.kind = WEND_VOLLEY_HIT,
                                      .serial = v->plan.serial,
                                      .token = volley_token(v, false, v->socket_first, PORT)};
    assert_true(one != 0 && two != 0);
    send_message(open, hidden, &hit);
    run(WEND_MS(50));
    assert_int_equal(c->socket, one);
    punch(open, hidden, &world.hosts[open].address, two,
          &(struct wend_punch){.kind = WEND_VOLLEY_ANSWER, .token = 1, .echo = second});
    assert_int_equal(c->socket, two);
    assert_int_equal(wend_paths_direct(&c->paths)->socket, two);
    assert_int_equal(benches[hidden].adopted, 2);
    send_message(open, hidden, &hit); // too late
    run(WEND_MS(50));
    assert_int_equal(c->socket, two);
    run(WEND_S(1));
    assert_clean(hidden, 1); // the first winner is closed with the others
    assert_int_not_equal(benches[hidden].ports[two], 0);
}

// From some socket on there are no descriptors left.
static void test_sockets_that_cannot_be_opened(void **state)
{
    (void)state;
    benches[0].opened_max = benches[1].opened_max = 20;
    begin_hidden();
    run(WEND_S(10));
    assert_true(benches[hidden].refused > 0);
    assert_in_range(benches[hidden].opened, 1, 20);
    const bool won = contact(hidden, open)->volley_end == WEND_VOLLEY_END_WON;
    assert_true(won || was_said(hidden, "volley=over reason=\"everything planned was tried"));
    assert_int_equal(way(hidden, open), won ? WEND_PATH_DIRECT : WEND_PATH_RELAY);
    assert_clean(hidden, won ? 1 : 0);
    assert_clean(open, 0);
}

static void test_no_numbers_are_left(void **state)
{
    static uint16_t numbers[WEND_SOCKETS_MAX];

    (void)state;
    hide();
    all_up();
    struct wend_node *n = world.hosts[hidden].node;
    assert_int_equal(wend_sockets_open(n, WEND_FAMILY_IPV4, 0, WEND_SOCKETS_MAX - 3, numbers),
                     WEND_SOCKETS_MAX - 3);
    drain(&world.hosts[hidden]);
    know(0);
    know(1);
    say(open, hidden, 1);
    until_both_run();
    run(WEND_S(10));
    assert_int_equal(n->volleys.limits.sockets, 0);
    assert_true(contact(hidden, open)->volley_end != WEND_VOLLEY_END_NONE);
    wend_sockets_close(n, numbers, WEND_SOCKETS_MAX - 3);
    drain(&world.hosts[hidden]);
    assert_clean(hidden, contact(hidden, open)->socket != 0 ? 1 : 0);
}

// The data plane takes no more sockets: the relay stays, it is said, and tried again.
static void test_a_winner_that_cannot_be_kept(void **state)
{
    uint16_t numbers[WEND_PLANE_SOCKETS_MAX];

    (void)state;
    hide();
    all_up();
    struct wend_node *n = world.hosts[hidden].node;
    assert_int_equal(wend_sockets_open(n, WEND_FAMILY_IPV4, 0, WEND_PLANE_SOCKETS_MAX, numbers),
                     WEND_PLANE_SOCKETS_MAX);
    drain(&world.hosts[hidden]);
    for (size_t i = 0; i < WEND_PLANE_SOCKETS_MAX; i++)
        assert_true(wend_sockets_adopt(n, numbers[i]));
    know(0);
    know(1);
    say(open, hidden, 1);
    until_both_run();
    run(WEND_S(5));
    const struct wend_contact *c = contact(hidden, open);
    assert_int_equal(way(hidden, open), WEND_PATH_RELAY);
    assert_int_equal(c->socket, 0);
    assert_in_range(drops(hidden, WEND_DROP_UNDER_LOAD), 1, 2);
    assert_int_equal(c->volley_end, WEND_VOLLEY_END_FAILED);
    assert_true(was_said(hidden, "volley=over reason=\"a path was found, and there is no"));
    assert_clean(hidden, WEND_PLANE_SOCKETS_MAX);
    wend_sockets_close(n, numbers, WEND_PLANE_SOCKETS_MAX);
    uint32_t number = 10;
    talk(0, 1, WEND_S(60), WEND_S(1), &number);
    assert_int_equal(way(hidden, open), WEND_PATH_DIRECT);
    assert_clean(hidden, 1);
}

// Its number may be another's then.
static void test_the_winning_socket_is_lost(void **state)
{
    (void)state;
    begin_hidden();
    for (int i = 0; i < 5000 && contact(hidden, open)->socket == 0; i++)
        run(WEND_MS(1));
    struct wend_node *n = world.hosts[hidden].node;
    const uint16_t number = contact(hidden, open)->socket;
    assert_int_not_equal(number, 0);
    wend_node_socket_opened(n, number, 0, world.now);
    benches[hidden].ports[number] = 0;
    benches[hidden].open_now--;
    drain(&world.hosts[hidden]);
    run(WEND_MS(800)); // it is tried again after a second
    assert_int_equal(contact(hidden, open)->socket, 0);
    assert_clean(hidden, 0);
    uint32_t packet = 10;
    talk(hidden, open, WEND_S(20), WEND_MS(200), &packet);
    assert_int_equal(world.hosts[open].plane.got[packet - 10], 1);
}

int main(void)
{
#define WITH(f) cmocka_unit_test_setup_teardown(f, volleying_open, volleying_close)
    const struct CMUnitTest tests[] = {
        WITH(test_the_winning_socket_is_the_path), WITH(test_the_second_win_replaces_the_first),
        WITH(test_sockets_that_cannot_be_opened),  WITH(test_no_numbers_are_left),
        WITH(test_a_winner_that_cannot_be_kept),   WITH(test_the_winning_socket_is_lost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
