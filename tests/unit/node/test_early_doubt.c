// SPDX-License-Identifier: MIT
// Early data whose handshake ended without its answer, and keys that come before the verdict: the
// peer is asked, and until it says what it took nothing of the queue goes out.
#include "early.h"

static size_t low, high; // by key: the higher one yields

static void find_roles(void)
{
    low = memcmp(world.hosts[0].identity.public_key, world.hosts[1].identity.public_key, 32) < 0
              ? 0
              : 1;
    high = 1 - low;
}

// Both are up, and only the server's way is there.
static int prepare(void **state)
{
    (void)world_open(state);
    world.direct_cut = true;
    all_up();
    find_roles();
    return 0;
}

// What `from` has just made is handed over by the test, and by nobody else.
static struct message intercept(size_t from, size_t to)
{
    const struct message m = initiation(from, to);

    contact(from, to)->calling = false;
    world.flight_count = 0;
    return m;
}

static size_t told(size_t i, size_t of)
{
    return world.hosts[i].plane.slots[slot_of(i, of)].told;
}

// The lower one answers, and before that is confirmed begins itself, with a packet. Keys come with
// the confirmation, the verdict later. (Simulator, seed 819.)
static void test_keys_before_the_verdict(void **state)
{
    (void)state;
    seat(high, low)->epoch = 4711; // so the lower one may not send before it is confirmed
    say(high, low, 1);
    const struct message call = intercept(high, low);
    hand_over(high, low, &call);
    say(low, high, 2);
    const struct message own = initiation(low, high);
    assert_int_equal(told(low, high), 1);
    run(WEND_MS(1));
    wend_contact_confirmed(world.hosts[low].node, contact(low, high)->pairs[0].local_index);
    drain(&world.hosts[low]);
    assert_int_not_equal(contact(low, high)->sending, 0);
    assert_true(contact(low, high)->early.offered);
    assert_int_equal(told(low, high), 1);
    say(low, high, 3);
    assert_int_equal(world.hosts[low].plane.slots[slot_of(low, high)].queued, 2);
    hand_over(low, high, &own);
    each_once(high, 2, 1);
    run(WEND_S(2));
    each_once(high, 2, 2);
    each_once(low, 1, 1);
    assert_int_equal(world.hosts[low].plane.early_done, 1);
    assert_int_equal(told(low, high), 0);
}

static wend_instant deaf_until;

static bool control_is_lost(const struct flight *f)
{
    return f->to == high && world.now < deaf_until && f->bytes[0] == WEND_FRAME_TYPE;
}

// The higher one's bundle was taken, the answer is lost; the initiation that makes it yield was
// made before and knows nothing of that.
static void yield_in_doubt(void)
{
    say(low, high, 1);
    const struct message early = intercept(low, high);
    say(high, low, 2);
    const struct message bundle = intercept(high, low);
    hand_over(high, low, &bundle);
    each_once(low, 2, 1);
    world.flight_count = 0;
    hand_over(low, high, &early);
    each_once(high, 1, 1);
    assert_true(contact(high, low)->early.offered);
    assert_int_equal(contact(high, low)->starting, 0);
    assert_int_not_equal(contact(high, low)->sending, 0);
}

static void nothing_in_doubt(void)
{
    each_once(low, 2, 1);
    assert_int_equal(contact(high, low)->early.count, 0);
    assert_int_equal(world.hosts[high].plane.early_done, 1);
    assert_int_equal(world.hosts[high].plane.early_refused, 0);
    say(high, low, 3);
    run(WEND_S(1));
    each_once(low, 3, 1);
}

static void test_word_comes_unasked(void **state)
{
    (void)state;
    yield_in_doubt();
    run(WEND_S(2));
    nothing_in_doubt();
}

static void test_word_is_lost(void **state)
{
    (void)state;
    world.loses = control_is_lost;
    deaf_until = world.now + WEND_S(3);
    yield_in_doubt();
    run(WEND_S(2));
    assert_true(contact(high, low)->early.offered);
    run(WEND_S(8));
    nothing_in_doubt();
}

// It was not taken, and says so; a copy that comes later is void.
static void test_not_taken(void **state)
{
    (void)state;
    say(low, high, 1);
    const struct message early = intercept(low, high);
    say(high, low, 2);
    const struct message bundle = intercept(high, low);
    world.direct_cut = false;
    hand_over(low, high, &early);
    run(WEND_MS(100));
    each_once(low, 2, 1);
    assert_int_equal(world.hosts[high].plane.early_refused, 1);
    hand_over(high, low, &bundle);
    run(WEND_S(1));
    each_once(low, 2, 1);
    assert_int_equal(world.hosts[low].plane.early, 0);
}

int main(void)
{
#define WITH(f) cmocka_unit_test_setup_teardown(f, prepare, world_close)
    const struct CMUnitTest tests[] = {
        WITH(test_keys_before_the_verdict),
        WITH(test_word_comes_unasked),
        WITH(test_word_is_lost),
        WITH(test_not_taken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
