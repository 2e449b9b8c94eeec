// SPDX-License-Identifier: MIT
// What two nodes measure of the ways between them and tell their data planes: path MTU, how long
// to hold, whether a Switch was seen; and reports that lie.
#include "node/contact.h"
#include "world.h"

static uint32_t ip_max; // what the direct way lets pass whole
static size_t longest;  // of datagrams that must not be cut
static bool cutting;    // what is not to stay whole passes in pieces

static wend_duration fate(size_t from, size_t to, const struct wend_datagram *d)
{
    (void)from;
    (void)to;
    if (d->dont_fragment && d->bytes.len > longest)
        longest = d->bytes.len;
    return d->bytes.len + 28 > ip_max && (d->dont_fragment || !cutting) ? -1 : TO_PEER;
}

static int open_narrow_world(void **state)
{
    ip_max = 1500;
    longest = 0;
    cutting = true;
    world_open(state);
    world.fate = fate;
    return 0;
}

// The only one there is between hosts 0 and 1.
static struct wend_contact *contact(size_t i)
{
    struct wend_contact *c = &world.hosts[i].node->contacts[0];

    assert_true(c->used);
    return c;
}

static const struct wend_plane_path *told(size_t i)
{
    return &world.hosts[i].plane.slots[contact(i)->slot].path;
}

static uint32_t relay_mtu(void)
{
    struct wend_peer_view v;

    assert_true(view(0, 1, &v));
    for (size_t i = 0; i < v.path_count; i++)
        if (v.paths[i].kind == WEND_PATH_RELAY)
            return v.paths[i].mtu;
    return 0;
}

static void meet(void)
{
    uint32_t number = 10;

    all_up();
    talk(0, 1, WEND_S(2), WEND_MS(50), &number);
    assert_int_equal(way(0, 1), WEND_PATH_DIRECT);
}

static const struct wend_contact_pair *pair_in_use(void)
{
    for (size_t i = 0; i < WEND_CONTACT_PAIRS; i++)
        if (contact(0)->pairs[i].local_index == contact(0)->sending)
            return &contact(0)->pairs[i];
    return contact(0)->pairs;
}

static void test_full_mtu(void **state)
{
    struct wend_peer_view v;

    (void)state;
    all_up();
    say(0, 1, 1);
    run(WEND_MS(90));
    assert_int_equal(way(0, 1), WEND_PATH_RELAY);
    assert_int_equal(told(0)->mtu_bytes, 0); // not known yet
    run(WEND_MS(200));
    assert_int_equal(way(0, 1), WEND_PATH_DIRECT);
    assert_int_equal(told(0)->mtu_bytes, 1400);
    // As long as a data message with 1,400 bytes inside: header 16, tag 16, no padding beyond.
    assert_int_equal(longest, 1432);
    run(WEND_S(1));
    assert_true(view(0, 1, &v));
    assert_int_equal(v.paths[v.path_used].mtu, 1460);
    assert_int_equal(relay_mtu(), 1468);
}

static void test_narrow_path(void **state)
{
    uint32_t number = 10;

    (void)state;
    ip_max = 1400;
    meet();
    assert_int_equal(told(0)->mtu_bytes, 1328); // (1400 - 60) in steps of 16
    assert_int_equal(told(1)->mtu_bytes, 1328);
    const uint32_t moves = contact(0)->switches;
    ip_max = 1280; // it shrinks
    talk(0, 1, WEND_S(8), WEND_MS(50), &number);
    assert_int_equal(told(0)->mtu_bytes, 1216);
    assert_int_equal(contact(0)->switches, moves); // no matter of the path's health
    assert_int_equal(world.hosts[0].node->drops.count[WEND_DROP_RATE_LIMITED], 0);
}

static void test_hold_follows_the_ways(void **state)
{
    (void)state;
    meet();
    // Relay 80 ms there and back, and four times what that may vary by, which one probe cannot
    // tell.
    assert_int_equal(world.hosts[0].plane.hold, WEND_MS(200));
    assert_int_equal(world.hosts[1].plane.hold, WEND_MS(200));
    struct wend_prober *relay = &contact(0)->paths.path[WEND_PATHS_RELAY].prober;
    assert_int_equal(relay->rtt, WEND_MS(80));
    relay->variation = WEND_MS(5);
    wend_contact_tell_hold(world.hosts[0].node, contact(0));
    drain(&world.hosts[0]);
    assert_int_equal(world.hosts[0].plane.hold, WEND_MS(105));
    relay->variation = WEND_MS(4); // not worth a word
    wend_contact_tell_hold(world.hosts[0].node, contact(0));
    drain(&world.hosts[0]);
    assert_int_equal(world.hosts[0].plane.hold, WEND_MS(105));
}

static void notice(size_t i, enum wend_notice_kind kind, uint32_t index, uint64_t counter)
{
    const struct wend_notice n = {
        .kind = kind, .slot = contact(i)->slot, .local_index = index, .counter = counter};

    wend_node_notice(world.hosts[i].node, &n, world.now);
    drain(&world.hosts[i]);
}

// Nobody acknowledges: 1.5 round trips and 50 ms, doubling, five times.
static void test_switch_is_repeated(void **state)
{
    const struct plane *p = &world.hosts[0].plane;

    (void)state;
    meet();
    notice(0, WEND_NOTICE_SWITCHED, contact(0)->sending, 100);
    run(WEND_MS(79));
    assert_int_equal(p->switches_again, 0);
    run(WEND_MS(2));
    assert_int_equal(p->switches_again, 1);
    run(WEND_MS(160));
    assert_int_equal(p->switches_again, 2);
    run(WEND_S(20));
    assert_int_equal(p->switches_again, 5);
}

static void test_switch_is_acknowledged(void **state)
{
    (void)state;
    meet();
    const struct wend_contact_pair *pair = pair_in_use();
    notice(0, WEND_NOTICE_SWITCHED, pair->local_index, 100);
    run(WEND_MS(10));
    notice(1, WEND_NOTICE_SWITCH_SEEN, pair->box.remote_index, 99); // an older one
    run(WEND_MS(90));
    assert_int_equal(world.hosts[0].plane.switches_again, 1);
    notice(1, WEND_NOTICE_SWITCH_SEEN, pair->box.remote_index, 100);
    run(WEND_S(20));
    assert_int_equal(world.hosts[0].plane.switches_again, 1);
    notice(1, WEND_NOTICE_SWITCH_SEEN, 4711, 1); // of no pair: nothing
}

static void lie(const struct wend_way_counters *ways)
{
    uint8_t body[64];
    struct wend_writer w = wend_writer_of(body, sizeof body);

    wend_attribute_put_ways(&w, ways);
    wend_contact_request(world.hosts[1].node, contact(1), WEND_CONTROL_REPORT,
                         (struct wend_bytes){body, w.len});
    drain(&world.hosts[1]);
    run(WEND_MS(50));
}

static void test_liars_are_counted(void **state)
{
    uint32_t number = 300;

    (void)state;
    meet();
    const uint64_t *refused = &world.hosts[0].node->drops.count[WEND_DROP_NOT_ALLOWED];
    const uint32_t index = pair_in_use()->box.remote_index;
    const uint64_t before = *refused;
    lie(&(struct wend_way_counters){.index = index, .direct_highest = 1000000, .direct_count = 1});
    assert_int_equal(*refused, before + 1);
    lie(&(struct wend_way_counters){.index = index}); // back to nothing
    assert_int_equal(*refused, before + 2);
    lie(&(struct wend_way_counters){.index = index + 1, .direct_highest = 1000000});
    assert_int_equal(*refused, before + 2);
    wend_contact_request(world.hosts[1].node, contact(1), WEND_CONTROL_REPORT,
                         (struct wend_bytes){0});
    wend_contact_request(world.hosts[1].node, contact(1), WEND_CONTROL_SWITCHED,
                         (struct wend_bytes){0});
    drain(&world.hosts[1]);
    talk(0, 1, WEND_S(2), WEND_MS(50), &number);
    assert_int_equal(world.hosts[0].node->drops.count[WEND_DROP_MALFORMED],
                     3); // Switched comes by both ways
    assert_int_equal(way(0, 1), WEND_PATH_DIRECT);
    assert_false(contact(0)->health.suspect);
}

int main(void)
{
#define WITH(f) cmocka_unit_test_setup_teardown(f, open_narrow_world, world_close)
    const struct CMUnitTest tests[] = {
        WITH(test_full_mtu),
        WITH(test_narrow_path),
        WITH(test_hold_follows_the_ways),
        WITH(test_switch_is_repeated),
        WITH(test_switch_is_acknowledged),
        WITH(test_liars_are_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
