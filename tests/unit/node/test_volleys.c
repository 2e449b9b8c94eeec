// SPDX-License-Identifier: MIT
// Volleys between two nodes: how they begin, and every way in which they end without a path.
#include "volleying.h"

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

static void prefer(size_t i, enum wend_paths_preference what)
{
    wend_node_prefer(world.hosts[i].node, contact(i, 1 - i)->slot, what, world.now);
    drain(&world.hosts[i]);
}

// Who wants the relay says so to who calls; no datagram of either goes straight.
static void test_the_relay_is_preferred(void **state)
{
    (void)state;
    world.direct_cut = true; // for plain probes
    all_up();
    say(1, 0, 1);
    run(WEND_S(3));
    prefer(1, WEND_PATHS_PREFER_RELAY);
    know(1);
    know(0);
    say(0, 1, 2);
    run(WEND_S(1));
    assert_true(
        was_said(0, "volley=over reason=\"the peer refused: the relay is preferred here\""));
    assert_true(was_said(1, "volley=over reason=\"the relay is preferred here\""));
    assert_both_clean();
    assert_int_equal(contact(0, 1)->volley_code, WEND_VOLLEY_REFUSED);
    assert_silent(WEND_S(20));
    world.direct_cut = false;
    prefer(1, WEND_PATHS_PREFER_BEST);
    run(WEND_S(3));
    assert_int_equal(way(0, 1), WEND_PATH_DIRECT);
    assert_int_equal(way(1, 0), WEND_PATH_DIRECT);
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
        WITH(test_the_relay_is_preferred),
        WITH(test_a_peer_that_never_takes_part),
        WITH(test_the_contact_is_closed),
        WITH(test_the_network_changes),
        WITH(test_the_nat_moves),
        WITH(test_no_address_is_left),
        WITH(test_a_way_that_leads_in_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
