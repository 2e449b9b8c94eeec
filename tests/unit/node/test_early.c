// SPDX-License-Identifier: MIT
// Early data between peers: the first packet goes with the handshake, the first answer with the
// answer, and whatever happens on the way nothing arrives twice.
#include "early.h"

// --- the point of it ---

static void first_exchange(void)
{
    const wend_instant began = world.now;

    world.hosts[1].answers = true;
    say(0, 1, 1);
    run(ONE_WAY - 1);
    assert_int_equal(world.hosts[1].plane.count, 0);
    run(WEND_S(1));
    assert_int_equal(world.hosts[1].plane.at[1], began + ONE_WAY);
    assert_int_equal(world.hosts[0].plane.at[1 + ANSWERS], began + 2 * ONE_WAY);
    assert_int_equal(world.hosts[1].plane.early, 1);
    assert_int_equal(world.hosts[0].plane.early_done, 1);
    assert_int_equal(world.hosts[0].plane.early_refused, 0);
    each_once(1, 1, 1);
    each_once(0, 1 + ANSWERS, 1);
    assert_int_equal(way(0, 1), WEND_PATH_DIRECT);
    assert_int_equal(way(1, 0), WEND_PATH_DIRECT);
}

static void test_first_packet_and_answer(void **state)
{
    (void)state;
    all_up();
    assert_null(contact(1, 0));
    first_exchange();
}

static void test_behind_nats(void **state)
{
    (void)state;
    world.hosts[0].nat = world.hosts[1].nat = true;
    all_up();
    first_exchange();
}

// More waits than fits: what rides comes first, the rest with the keys, all of it in order.
static void test_more_than_fits(void **state)
{
    (void)state;
    all_up();
    const wend_instant began = world.now;
    struct host *h = &world.hosts[0];
    struct wend_peer_view v;
    assert_true(view(0, 1, &v));
    for (uint32_t k = 1; k < 40; k++)
        h->plane.slots[v.slot].queue[h->plane.slots[v.slot].queued++] = k;
    say(0, 1, 40);
    run(WEND_S(1));
    each_once(1, 1, 40);
    const uint32_t rode = world.hosts[1].plane.early;
    assert_int_equal(rode, WEND_EARLY_MAX / PLANE_PACKET);
    for (uint32_t k = 1; k <= 40; k++)
        assert_int_equal(world.hosts[1].plane.at[k], began + (k <= rode ? ONE_WAY : 3 * ONE_WAY));
    assert_int_equal(h->plane.early_done, rode);
}

// --- the answer is lost ---

static wend_instant blind_until;

static bool answers_are_lost(const struct flight *f)
{
    return f->to == 0 && world.now < blind_until && f->bytes[0] != WEND_FRAME_TYPE;
}

// The answer is lost, the initiation repeated: it is answered again and delivers nothing anew. What
// the other side says meanwhile waits for the keys.
static void test_retry(void **state)
{
    (void)state;
    world.direct_cut = true;
    all_up();
    const wend_instant began = world.now;
    world.hosts[1].answers = true;
    blind_until = world.now + WEND_MS(200);
    world.loses = answers_are_lost;
    say(0, 1, 1);
    const struct message first = initiation(0, 1);
    run(WEND_MS(100));
    say(1, 0, 7);
    run(WEND_MS(900));
    const struct message last = initiation(0, 1);
    assert_int_equal(first.len, last.len);
    assert_memory_equal(first.bytes, last.bytes, first.len);
    each_once(1, 1, 1);
    each_once(0, 1 + ANSWERS, 1);
    each_once(0, 7, 1);
    assert_int_equal(world.hosts[1].plane.early, 1);
    assert_int_equal(world.hosts[0].count[WEND_NODE_UNOPENED], 2);
    assert_true(world.hosts[0].plane.at[1 + ANSWERS] >= began + WEND_MS(250));
    assert_true(world.hosts[0].plane.at[1 + ANSWERS] <= began + WEND_MS(400));
}

// What waits for keys is bounded.
static void test_kept_is_bounded(void **state)
{
    (void)state;
    world.direct_cut = true;
    all_up();
    blind_until = world.now + WEND_MS(200);
    world.loses = answers_are_lost;
    say(0, 1, 1);
    run(WEND_MS(50));
    for (uint32_t k = 100; k < 130; k++)
        say(1, 0, k);
    run(WEND_MS(950));
    each_once(0, 100, WEND_NODE_KEPT_PACKETS);
    for (uint32_t k = 100 + WEND_NODE_KEPT_PACKETS; k < 130; k++)
        assert_int_equal(world.hosts[0].plane.got[k], 0);
    assert_int_equal(drops(0, WEND_DROP_QUEUE_FULL), 30 - WEND_NODE_KEPT_PACKETS);
    assert_int_equal(world.hosts[0].node->kept_count, 0);
}

// --- runs and clocks ---

// The initiator knows a run of the peer that is over: refused, and sent again once, under the keys.
static void test_wrong_epoch(void **state)
{
    (void)state;
    all_up();
    const wend_instant began = world.now;
    seat(0, 1)->epoch = 4711;
    say(0, 1, 1);
    run(WEND_S(1));
    each_once(1, 1, 1);
    assert_int_equal(world.hosts[1].plane.early, 0);
    assert_int_equal(world.hosts[0].plane.early_refused, 1);
    assert_int_equal(world.hosts[1].plane.at[1], began + 3 * ONE_WAY);
}

static void test_unknown_epoch(void **state)
{
    (void)state;
    all_up();
    seat(0, 1)->epoch = 0;
    say(0, 1, 1);
    run(WEND_S(1));
    each_once(1, 1, 1);
    assert_int_equal(world.hosts[1].plane.early, 0);
}

// The run that it was offered to may have taken it, for all that the next one knows: not sent
// again.
static void test_responder_restarts(void **state)
{
    (void)state;
    all_up();
    say(0, 1, 1);
    run(TO_SERVER);
    host_down(1);
    host_up(1, 2);
    run(WEND_S(3));
    assert_int_equal(world.hosts[1].plane.got[1], 0);
    assert_int_equal(world.hosts[0].plane.early_refused, 0);
    say(0, 1, 2);
    run(WEND_S(1));
    each_once(1, 2, 1);
}

static void test_initiator_restarts(void **state)
{
    (void)state;
    all_up();
    world.hosts[1].answers = true;
    say(0, 1, 1);
    run(TO_SERVER);
    host_down(0);
    run(WEND_MS(100));
    host_up(0, 2);
    run(WEND_MS(500));
    say(0, 1, 2);
    run(WEND_S(3));
    each_once(1, 1, 2);
    each_once(0, 2 + ANSWERS, 1);
}

// Nobody confirms the pair that is sent with: that ends after two seconds, and what waits then
// brings both together again.
static void test_belief_ends(void **state)
{
    (void)state;
    all_up();
    say(0, 1, 1);
    run(TO_SERVER);
    host_down(0);
    run(WEND_MS(100));
    assert_int_not_equal(contact(1, 0)->sending, 0);
    say(1, 0, 5); // into the void
    run(WEND_SESSION_BELIEF);
    assert_int_equal(contact(1, 0)->sending, 0);
    say(1, 0, 6);
    say(1, 0, 7);
    run(WEND_S(1));
    assert_int_not_equal(contact(1, 0)->starting, 0);
    host_up(0, 2);
    run(WEND_S(6));
    each_once(0, 7, 1);
    assert_int_equal(world.hosts[0].plane.got[5], 0);
    assert_int_equal(world.hosts[0].plane.got[6], 0); // offered to a run that was over
}

static void step_clock(size_t i, int64_t by)
{
    world.hosts[i].clock += by;
    run(WEND_MS(1));
}

// Clocks jump on both sides: labels go on rising, so nothing is refused and nothing comes twice.
static void test_clocks_step(void **state)
{
    static const int64_t steps[] = {WEND_S(-3600), WEND_S(7200), WEND_S(-86400), WEND_S(40)};
    uint32_t number = 1;

    (void)state;
    all_up();
    for (size_t k = 0; k < 8; k++) {
        step_clock(k % 2, steps[k / 2]);
        const wend_instant began = world.now;
        say(0, 1, number);
        run(WEND_S(1));
        each_once(1, number, 1);
        assert_int_equal(world.hosts[1].plane.at[number], began + ONE_WAY);
        number++;
        run(WEND_S(400)); // until nothing is left of the session
        assert_null(contact(0, 1));
    }
    assert_int_equal(world.hosts[1].plane.early, 8);
}

// The clock goes back and the device starts anew: its labels stay above what it kept on disk.
static void test_clock_back_across_a_restart(void **state)
{
    (void)state;
    all_up();
    say(0, 1, 1);
    run(WEND_S(1));
    host_down(0);
    world.hosts[0].clock = WEND_S(-300);
    host_up(0, 2);
    run(WEND_S(2));
    const wend_instant began = world.now;
    say(0, 1, 2);
    run(WEND_S(1));
    each_once(1, 1, 2);
    assert_true(world.hosts[1].plane.at[2] <= began + ONE_WAY);
}

// --- both at once ---

static void test_both_begin(void **state)
{
    (void)state;
    all_up();
    say(0, 1, 1);
    say(1, 0, 2);
    const wend_instant began = world.now;
    run(WEND_S(2));
    each_once(1, 1, 1);
    each_once(0, 2, 1);
    assert_int_equal(world.hosts[1].plane.at[1], began + ONE_WAY);
    assert_int_equal(world.hosts[0].plane.at[2], began + ONE_WAY);
    assert_int_equal(world.hosts[0].plane.early + world.hosts[1].plane.early, 2);
    assert_int_equal(contact(0, 1)->early.count + contact(1, 0)->early.count, 0);
}

// The yielding side's initiation comes late: its bundle went out otherwise, and is void.
static void test_voided(void **state)
{
    (void)state;
    all_up();
    const size_t low =
        memcmp(world.hosts[0].identity.public_key, world.hosts[1].identity.public_key, 32) < 0 ? 0
                                                                                               : 1;
    const size_t high = 1 - low;
    say(high, low, 2);
    const struct message late = initiation(high, low);
    contact(high, low)->calling = false; // its request is lost
    world.flight_count = 0;
    say(low, high, 1);
    run(WEND_MS(200));
    hand_over(high, low, &late);
    run(WEND_S(2));
    each_once(high, 1, 1);
    each_once(low, 2, 1);
    assert_int_equal(world.hosts[low].plane.early, 0);
    assert_int_equal(world.hosts[high].plane.early_refused, 1);
}

// The answer is lost, and the other side comes to begin a handshake of its own, which says what it
// took before: the yielding side does not send it again.
static void test_accepted_told_later(void **state)
{
    (void)state;
    world.direct_cut = true;
    all_up();
    const size_t low =
        memcmp(world.hosts[0].identity.public_key, world.hosts[1].identity.public_key, 32) < 0 ? 0
                                                                                               : 1;
    const size_t high = 1 - low;
    say(high, low, 2);
    const struct message first = initiation(high, low);
    contact(high, low)->calling = false;
    world.flight_count = 0;
    hand_over(high, low, &first);
    each_once(low, 2, 1);
    world.flight_count = 0; // with the answer
    wend_contact_start(world.hosts[low].node, contact(low, high));
    wend_contact_settle(world.hosts[low].node, contact(low, high));
    const struct message second = initiation(low, high);
    hand_over(low, high, &second);
    assert_int_equal(world.hosts[high].plane.early_done, 1);
    run(WEND_S(2));
    each_once(low, 2, 1);
    assert_int_equal(world.hosts[high].plane.early_refused, 0);
}

// --- what is not to be had ---

static bool all_is_lost(const struct flight *f)
{
    return f->to == 1 || world.hosts[1].address.port != PORT;
}

static void test_gave_up(void **state)
{
    (void)state;
    all_up();
    world.loses = all_is_lost;
    say(0, 1, 1);
    run(WEND_S(100));
    const struct wend_contact *c = contact(0, 1);
    assert_true(c == NULL || (c->early.count == 0 && c->starting == 0));
    assert_int_equal(world.hosts[0].plane.dropped, 1);
    world.loses = NULL;
    run(WEND_S(60));
    say(0, 1, 2);
    run(WEND_S(3));
    assert_true(world.hosts[1].plane.got[1] <= 1); // its request may outlive our patience
    each_once(1, 2, 1);
}

// Offline at first: the packet waits, and goes with a handshake for the run that comes.
static void test_peer_comes_online(void **state)
{
    (void)state;
    all_up();
    wend_node_close(world.hosts[1].node);
    drain(&world.hosts[1]);
    host_down(1);
    run(WEND_S(1));
    say(0, 1, 1);
    run(WEND_S(5));
    host_up(1, 2);
    run(WEND_S(3));
    each_once(1, 1, 1);
    assert_int_equal(world.hosts[1].plane.early, 1);
    assert_int_equal(world.hosts[0].plane.early_refused, 0);
}

// With a pre-shared key nothing rides in front of it.
static void test_preshared(void **state)
{
    (void)state;
    all_up();
    for (size_t i = 0; i < 2; i++) {
        struct wend_node *n = world.hosts[i].node;
        struct wend_contact *c =
            wend_contact_open(n, wend_directory_slot(n, seat(i, 1 - i)), false);
        memset(c->session.remote.preshared, 0x77, 32);
    }
    say(0, 1, 1);
    run(WEND_S(1));
    each_once(1, 1, 1);
    assert_int_equal(world.hosts[1].plane.early, 0);
}

int main(void)
{
#define WITH(f) cmocka_unit_test_setup_teardown(f, world_open, world_close)
    const struct CMUnitTest tests[] = {
        WITH(test_first_packet_and_answer),
        WITH(test_behind_nats),
        WITH(test_more_than_fits),
        WITH(test_retry),
        WITH(test_kept_is_bounded),
        WITH(test_wrong_epoch),
        WITH(test_unknown_epoch),
        WITH(test_responder_restarts),
        WITH(test_initiator_restarts),
        WITH(test_belief_ends),
        WITH(test_clocks_step),
        WITH(test_clock_back_across_a_restart),
        WITH(test_both_begin),
        WITH(test_voided),
        WITH(test_accepted_told_later),
        WITH(test_gave_up),
        WITH(test_peer_comes_online),
        WITH(test_preshared),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
