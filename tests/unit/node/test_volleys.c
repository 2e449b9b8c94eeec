// SPDX-License-Identifier: MIT
// Volleys between two nodes: how they begin, what stays of them, and every way in which they end.
#include "volleying.h"

// Anna and bert, by the order of their keys: the first one's NAT hides its ports.
static size_t hidden, open;

static void hide(void)
{
    hidden = smaller_key();
    open = 1 - hidden;
    benches[hidden].nat.per_destination = benches[hidden].nat.random = true;
}

static void begin_hidden(void)
{
    hide();
    all_up();
    know(0);
    know(1);
    say(open, hidden, 1);
    until_both_run();
}

// Both have a volley, and nothing gets through.
static void begin_in_vain(void)
{
    world.direct_cut = true;
    call();
    until_both_run();
}

static void assert_both_clean(void)
{
    assert_clean(0, 0);
    assert_clean(1, 0);
}

// No datagram of a volley leaves for so long.
static void assert_silent(wend_duration duration)
{
    const uint32_t before = benches[0].punches + benches[1].punches;

    run(duration);
    assert_int_equal(benches[0].punches + benches[1].punches, before);
}

// --- beginnings ---

static void test_both_known(void **state)
{
    (void)state;
    call();
    run(WEND_S(3));
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(way(i, 1 - i), WEND_PATH_DIRECT);
        assert_int_equal(contact(i, 1 - i)->volley_end, WEND_VOLLEY_END_WON);
        assert_int_equal(times_said(i, "volley=begun"), 1);
        assert_int_equal(times_said(i, "volley=won"), 1);
        assert_clean(i, 0);
    }
}

// The later one's first message is on its way when the other's comes: two handshakes with a model
// each, and one volley.
static void cross(size_t first, wend_duration later)
{
    all_up();
    know(0);
    know(1);
    say(first, 1 - first, 1);
    run(later);
    say(1 - first, first, 2);
    assert_int_not_equal(contact(0, 1)->model_told, 0);
    assert_int_not_equal(contact(1, 0)->model_told, 0);
    until_both_run();
    assert_int_not_equal(volley(0, 1)->plan.caller == volley(0, 1)->plan.own,
                         volley(1, 0)->plan.caller == volley(1, 0)->plan.own);
    run(WEND_S(3));
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(way(i, 1 - i), WEND_PATH_DIRECT);
        assert_int_equal(times_said(i, "volley=won"), 1);
        assert_int_equal(times_said(i, "volley=over"), 0);
        assert_clean(i, 0);
    }
}

static void test_handshakes_cross(void **state)
{
    for (int i = 0; i < 16; i++) {
        cross((size_t)i % 2, i / 2 * WEND_MS(5));
        volleying_close(state);
        volleying_open(state);
    }
}

// Another handshake would take them from the peer before it has them.
static void test_keys_are_fresh(void **state)
{
    (void)state;
    world.direct_cut = true;
    all_up();
    know(1);
    say(0, 1, 1);
    for (int i = 0; i < 300 && contact(0, 1)->sending == 0; i++)
        run(WEND_MS(1));
    wend_contact_pair(contact(0, 1), contact(0, 1)->sending)->heard = false;
    know(0);
    assert_true(contact(0, 1)->volley_due);
    assert_int_equal(contact(0, 1)->starting, 0);
    run(WEND_S(1)); // the peer has shown by then that it has them
    assert_true(was_said(0, "volley=begun"));
}

// All places are taken: the relay carries, and the volley comes when there is a place again.
static void test_all_places_taken(void **state)
{
    (void)state;
    all_up();
    know(0);
    know(1);
    struct wend_volleys *all = &world.hosts[0].node->volleys;
    for (uint32_t i = 0; i < WEND_VOLLEYS_MAX; i++) {
        all->seats[i].contact = UINT32_MAX;
        assert_true(wend_volley_limits_enter(&all->limits));
    }
    world.direct_cut = true; // plain probes shall not do it
    say(0, 1, 1);
    run(WEND_S(20));
    assert_int_equal(times_said(0, "volley="), 0);
    assert_int_equal(way(0, 1), WEND_PATH_RELAY);
    for (uint32_t i = 0; i < WEND_VOLLEYS_MAX; i++) {
        all->seats[i].contact = 0;
        wend_volley_limits_leave(&all->limits, 0);
    }
    world.direct_cut = false;
    run(WEND_S(5));
    assert_int_equal(times_said(0, "volley=won"), 1);
    assert_int_equal(way(0, 1), WEND_PATH_DIRECT);
    assert_both_clean();
}

// Found without a volley, and lost again: now it is time for one.
static void test_a_plain_path_is_lost(void **state)
{
    uint32_t number = 10;

    (void)state;
    benches[0].nat.lets_all = benches[1].nat.lets_all = true;
    all_up();
    say(0, 1, 1);
    run(WEND_S(2));
    assert_int_equal(way(0, 1), WEND_PATH_DIRECT);
    know(0);
    know(1);
    contact(0, 1)->volley_due = contact(1, 0)->volley_due = false; // nothing was wanted of it
    world.direct_cut = true;
    talk(0, 1, WEND_S(20), WEND_MS(100), &number);
    assert_int_equal(way(0, 1), WEND_PATH_RELAY);
    assert_true(was_said(0, "volley=begun"));
    world.direct_cut = false;
    talk(0, 1, WEND_S(60), WEND_MS(100), &number);
    assert_int_equal(way(0, 1), WEND_PATH_DIRECT);
    assert_both_clean();
}

// --- ends without a path ---

static void test_a_refusal_stops_both(void **state)
{
    (void)state;
    begin_in_vain();
    wend_volley_refuse(volley(0, 1), "not wanted here", world.now);
    wend_contact_settle(world.hosts[0].node, contact(0, 1));
    drain(&world.hosts[0]);
    assert_true(was_said(0, "volley=over reason=\"not wanted here\""));
    run(WEND_MS(100));
    assert_true(was_said(1, "volley=over reason=\"the peer refused: not wanted here\""));
    assert_both_clean();
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(contact(i, 1 - i)->volley_end, WEND_VOLLEY_END_FAILED);
        assert_in_range(contact(i, 1 - i)->volley_at - world.now, WEND_S(29), WEND_S(30));
        assert_int_equal(way(i, 1 - i), WEND_PATH_RELAY);
    }
    assert_silent(WEND_S(20));
}

// Offers its model each time, and leaves at once: seldom and ever more seldom tried.
static void test_a_peer_that_never_takes_part(void **state)
{
    wend_instant begun[16] = {0};
    size_t count = 0;

    (void)state;
    world.unchecked = true;
    begin_in_vain();
    begun[count++] = world.now;
    for (wend_duration t = 0; t < WEND_S(400); t += WEND_MS(50)) {
        if (seat_of(1, 0) != NULL)
            wend_volleys_close(world.hosts[1].node, contact(1, 0));
        if (t % WEND_S(20) == 0)
            say(0, 1, 2);
        run(WEND_MS(50));
        if (times_said(0, "volley=begun") > count)
            begun[count++] = world.now;
    }
    assert_int_equal(times_said(0, "volley=over reason=\"the peer no longer confirms over"), count);
    assert_int_equal(count, 4);
    for (size_t i = 1; i < count; i++)
        assert_in_range(begun[i] - begun[i - 1], WEND_S(30) << (i - 1), (WEND_S(32) << (i - 1)));
    assert_in_range(benches[0].punches, 1, 4 * 40);
    assert_clean(0, 0);
}

static void test_the_contact_is_closed(void **state)
{
    (void)state;
    begin_hidden();
    run(WEND_MS(5));
    assert_true(benches[hidden].open_now > 0);
    wend_contact_close(world.hosts[hidden].node, contact(hidden, open));
    drain(&world.hosts[hidden]);
    assert_clean(hidden, 0);
    run(WEND_S(1));
    assert_clean(open, 0);
    assert_true(was_said(open, "volley=over reason=\"the peer no longer confirms"));
}

static void test_the_network_changes(void **state)
{
    (void)state;
    begin_hidden();
    run(WEND_MS(5));
    former = world.hosts[hidden].address;
    host_move(hidden, 0xcb007109);
    run(WEND_MS(1));
    assert_clean(hidden, 0);
    assert_int_equal(contact(hidden, open)->volley_end, WEND_VOLLEY_END_NONE);
    assert_true(was_said(hidden, "volley=over reason=\"the network changed"));
    run(WEND_S(1));
    assert_clean(open, 0);
    assert_true(was_said(open, "volley=over reason=\"the peer"));
    assert_int_equal(way(open, hidden), WEND_PATH_RELAY);
    know(hidden); // there
    say(hidden, open, 3);
    run(WEND_S(10));
    assert_int_equal(way(hidden, open), WEND_PATH_DIRECT);
    assert_clean(hidden, 1);
}

// The NAT alone moves: the server sees it, and the volley that leads to the former address stops.
static void test_the_nat_moves(void **state)
{
    (void)state;
    begin_hidden();
    run(WEND_MS(5));
    former = world.hosts[hidden].address;
    world.hosts[hidden].address = wend_address_ipv4(0xcb007109, PORT);
    benches[hidden].nat.count = 0;
    run(WEND_MS(50)); // the server hears a message of the volley from there, and asks
    run(WEND_MS(100));
    assert_clean(hidden, 0);
    assert_true(was_said(hidden, "volley=over reason=\"the network changed"));
    run(WEND_MS(30));
    assert_clean(open, 0);
    assert_true(was_said(open, "volley=over reason=\"the peer refused: the network changed"));
}

static void test_no_address_is_left(void **state)
{
    (void)state;
    begin_hidden();
    run(WEND_MS(5));
    former = world.hosts[hidden].address;
    host_cut_off(hidden);
    assert_clean(hidden, 0);
    assert_true(was_said(hidden, "volley=over reason=\"no address is left"));
    const uint32_t sent = world.hosts[hidden].sent;
    run(WEND_S(5));
    assert_int_equal(world.hosts[hidden].sent, sent);
    assert_clean(open, 0);
    assert_true(was_said(open, "volley=over"));
}

static size_t mute;

static wend_duration unheard(size_t from, size_t to, const struct wend_datagram *d)
{
    (void)to;
    (void)d;
    return from == mute ? -1 : TO_PEER;
}

// It hears the peer straight, and takes that for a way; but nothing of its own gets out. No packet
// is lost by that, and it is tried ever more seldom.
static void test_a_way_that_leads_in_alone(void **state)
{
    uint32_t number = 10;

    (void)state;
    for (mute = 0; mute < 2; mute++) {
        world.fate = unheard;
        world.unchecked = true;
        benches[mute].nat.lets_all = true;
        all_up();
        know(0);
        know(1);
        say(0, 1, 1);
        number = 10;
        talk(0, 1, WEND_S(100), WEND_MS(100), &number);
        run(WEND_S(1));
        assert_int_equal(way(mute, 1 - mute), WEND_PATH_RELAY);
        assert_in_range(times_said(mute, "volley=begun"), 1, 8);
        for (uint32_t i = 10; i < number; i++)
            assert_int_equal(world.hosts[i % 2 == 0 ? 1 : 0].plane.got[i], 1);
        volleying_close(state);
        volleying_open(state);
    }
}

// --- sockets ---

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
        WITH(test_both_known),
        WITH(test_handshakes_cross),
        WITH(test_keys_are_fresh),
        WITH(test_all_places_taken),
        WITH(test_a_plain_path_is_lost),
        WITH(test_a_refusal_stops_both),
        WITH(test_a_peer_that_never_takes_part),
        WITH(test_the_contact_is_closed),
        WITH(test_the_network_changes),
        WITH(test_the_nat_moves),
        WITH(test_no_address_is_left),
        WITH(test_a_way_that_leads_in_alone),
        WITH(test_the_winning_socket_is_the_path),
        WITH(test_the_second_win_replaces_the_first),
        WITH(test_sockets_that_cannot_be_opened),
        WITH(test_no_numbers_are_left),
        WITH(test_a_winner_that_cannot_be_kept),
        WITH(test_the_winning_socket_is_lost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
