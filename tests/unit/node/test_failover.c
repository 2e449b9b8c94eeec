// SPDX-License-Identifier: MIT
// A direct path that dies or loses packets while user packets flow: how soon the relay carries.
#include "node/contact.h"
#include "world.h"

#define STEP      WEND_MS(10) // 100 packets a second
#define RELAY_RTT WEND_MS(80)
#define IN_TIME   (WEND_MS(300) + RELAY_RTT)
#define SOON      (WEND_MS(130) + RELAY_RTT) // of a steady stream
#define LOSSES    200

static uint64_t dice;

static uint32_t roll(uint32_t below)
{
    dice = dice * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(dice >> 33) % below;
}

static bool dead[HOSTS][HOSTS];
static uint32_t percent_lost;
static wend_duration jitter;

static wend_duration fate(size_t from, size_t to, const struct wend_datagram *d)
{
    (void)d;
    if (dead[from][to] || roll(100) < percent_lost)
        return -1;
    return TO_PEER + (jitter > 0 ? (wend_duration)roll((uint32_t)jitter) : 0);
}

static int open_quiet_world(void **state)
{
    memset(dead, 0, sizeof dead);
    percent_lost = 0;
    jitter = 0;
    dice = 1;
    world_open(state);
    world.fate = fate;
    world.unchecked = true; // the first test checks invariants at every step
    return 0;
}

// Numbers repeat; the tests count arrivals instead.
static void chat(bool back, wend_duration duration)
{
    static uint32_t number;

    for (wend_duration t = 0; t < duration; t += STEP) {
        say(0, 1, number % 4000);
        if (back)
            say(1, 0, (number + 1) % 4000);
        number += 2;
        run(STEP);
    }
}

static void warm_up(bool back)
{
    all_up();
    chat(back, WEND_S(2));
    assert_int_equal(way(0, 1), WEND_PATH_DIRECT);
}

// What came to host 1 over the relay, copies of what came straight included.
static uint64_t relayed(void)
{
    struct wend_peer_view v;

    assert_true(view(1, 0, &v));
    return world.hosts[1].plane.stats[v.slot].ways[WEND_WAY_RELAY].count;
}

// How long until packets arrive at host 1 over the relay.
static wend_duration until_relayed(bool back)
{
    const wend_instant began = world.now;
    const uint64_t before = relayed();

    while (relayed() == before && world.now - began < WEND_S(10))
        chat(back, STEP);
    return world.now - began;
}

static void test_dead_both_ways(void **state)
{
    (void)state;
    world.unchecked = false;
    warm_up(true);
    dead[0][1] = dead[1][0] = true;
    const wend_duration there = until_relayed(true);
    print_message("dead both ways, traffic both ways: %lld ms\n", (long long)(there / 1000000));
    assert_true(there <= SOON);
    chat(true, WEND_MS(600));
    assert_int_equal(way(0, 1), WEND_PATH_RELAY);
    assert_int_equal(way(1, 0), WEND_PATH_RELAY);
    const uint32_t count = world.hosts[0].plane.count + world.hosts[1].plane.count;
    chat(true, WEND_S(1));
    assert_int_equal(world.hosts[0].plane.count + world.hosts[1].plane.count - count, 200);
}

static void test_dead_one_way(void **state)
{
    (void)state;
    warm_up(true);
    dead[0][1] = true;
    const wend_duration there = until_relayed(true);
    print_message("dead one way, traffic both ways: %lld ms\n", (long long)(there / 1000000));
    assert_true(there <= SOON);
}

static void test_dead_under_one_sided_traffic(void **state)
{
    (void)state;
    warm_up(false);
    dead[0][1] = dead[1][0] = true;
    const wend_duration there = until_relayed(false);
    print_message("dead both ways, traffic one way: %lld ms\n", (long long)(there / 1000000));
    assert_true(there <= SOON);
    chat(false, WEND_S(1));
    const uint32_t count = world.hosts[1].plane.count;
    chat(false, WEND_S(5));
    assert_int_equal(world.hosts[1].plane.count - count, 500);
}

// The reports' way is dead, the data's is not: nothing is lost, whatever is suspected.
static void test_dead_way_back(void **state)
{
    (void)state;
    warm_up(false);
    dead[1][0] = true;
    const uint32_t count = world.hosts[1].plane.count;
    chat(false, WEND_S(5));
    run(WEND_MS(100));
    assert_true(world.hosts[1].plane.count - count >= 499);
}

// The direct way is whole again, and nothing is held against it.
static void heal(void)
{
    percent_lost = 0;
    run(WEND_MS(200));
    for (size_t i = 0; i < 2; i++)
        wend_paths_restart(&world.hosts[i].node->contacts[0].paths, world.now);
    chat(true, WEND_S(2));
    assert_int_equal(way(0, 1), WEND_PATH_DIRECT);
    assert_int_equal(way(1, 0), WEND_PATH_DIRECT);
}

static void test_lossy(void **state)
{
    wend_duration worst = 0;
    size_t in_time = 0;

    (void)state;
    warm_up(true);
    for (uint64_t seed = 1; seed <= LOSSES; seed++) {
        dice = seed * 7919;
        heal();
        percent_lost = 30;
        const wend_duration there = until_relayed(true);
        in_time += there <= IN_TIME;
        worst = there > worst ? there : worst;
    }
    print_message("30 %% lost: %zu of %d in time, the slowest after %lld ms\n", in_time, LOSSES,
                  (long long)(worst / 1000000));
    assert_true(in_time * 100 >= 99 * LOSSES);
}

// It is left, stays left while it loses packets, and comes back when it does not any more.
static void test_lossy_is_left_and_comes_back(void **state)
{
    (void)state;
    warm_up(true);
    percent_lost = 30;
    chat(true, WEND_S(3));
    assert_int_equal(way(0, 1), WEND_PATH_RELAY);
    chat(true, WEND_S(20));
    assert_int_equal(way(0, 1), WEND_PATH_RELAY);
    assert_int_equal(way(1, 0), WEND_PATH_RELAY);
    percent_lost = 0;
    chat(true, WEND_S(60));
    assert_int_equal(way(0, 1), WEND_PATH_DIRECT);
    assert_int_equal(way(1, 0), WEND_PATH_DIRECT);
}

static void test_noise_is_borne(void **state)
{
    struct wend_peer_view v;

    (void)state;
    percent_lost = 2;
    jitter = WEND_MS(20);
    warm_up(true);
    assert_true(view(0, 1, &v));
    const uint32_t before = v.switches;
    chat(true, WEND_S(60));
    assert_true(view(0, 1, &v));
    print_message("2 %% lost, 20 ms jitter, 60 s: %u moves, %u path commands\n",
                  v.switches - before, world.hosts[0].plane.path_commands);
    assert_int_equal(v.switches, before);
    assert_int_equal(way(0, 1), WEND_PATH_DIRECT);
}

int main(void)
{
#define WITH(f) cmocka_unit_test_setup_teardown(f, open_quiet_world, world_close)
    const struct CMUnitTest tests[] = {
        WITH(test_dead_both_ways),
        WITH(test_dead_one_way),
        WITH(test_dead_under_one_sided_traffic),
        WITH(test_dead_way_back),
        WITH(test_lossy_is_left_and_comes_back),
        WITH(test_noise_is_borne),
        WITH(test_lossy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
