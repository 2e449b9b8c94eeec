// SPDX-License-Identifier: MIT
// Every order in which the messages of a first contact can arrive, as far as a run has time: both
// devices have packets at the same moment, and the network hands over whatever it likes first.
// Whatever the order: no packet arrives twice, none is lost, both sides agree on a pair.
//
// Each run is a child of one prepared world. It is led by a list of choices; the parent counts the
// lists up. After those come runs at random, with losses and copies, in which packets may be lost
// on the way but never come twice, and in the end both sides talk. WEND_ORDERS_DEPTH (landings to
// choose at) and WEND_ORDERS_SEEDS make it longer.
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "early.h"

#define STEPS_MAX 64
#define PACKETS   3 // of each side
#define SEEDS     100

// Shared with the children.
static struct {
    uint32_t choice[STEPS_MAX], options[STEPS_MAX], steps;
    bool done;
} * shared;

static struct wend_random chance;
static uint32_t depth; // of choosing; later the first one goes

static bool is_probe(const struct flight *f)
{
    return f->bytes[0] == WEND_FRAME_TYPE && f->way.bytes.len > WEND_FRAME_HEADER_LEN &&
           f->bytes[WEND_FRAME_HEADER_LEN] == WEND_MESSAGE_CONTROL;
}

// The flights to choose from; probes go when nothing else does.
static uint32_t list_flights(size_t ret[FLIGHTS])
{
    uint32_t count = 0;

    for (size_t i = 0; i < world.flight_count; i++)
        if (!is_probe(&world.flights[i]))
            ret[count++] = i;
    if (count == 0 && world.flight_count > 0)
        ret[count++] = 0;
    return count;
}

static void land_and_follow(size_t flight)
{
    world.now += 1000;
    land(flight);
    expire_all();
}

static void led(void)
{
    static size_t flights[FLIGHTS];

    for (shared->steps = 0; shared->steps < STEPS_MAX; shared->steps++) {
        const uint32_t options = list_flights(flights);
        if (options == 0)
            return;
        const uint32_t choice = shared->choice[shared->steps];
        assert_true(choice < options); // else runs are not alike
        shared->options[shared->steps] = shared->steps < depth ? options : 1;
        land_and_follow(flights[choice]);
    }
}

// --- what must hold ---

static void no_packet_twice(void)
{
    for (size_t i = 0; i < 2; i++)
        for (uint32_t k = 0; k < PLANE_NUMBERS; k++)
            assert_true(world.hosts[i].plane.got[k] <= 1);
}

static void all_packets_came(void)
{
    for (uint32_t k = 0; k < PACKETS; k++) {
        assert_int_equal(world.hosts[0].plane.got[200 + k], 1);
        assert_int_equal(world.hosts[1].plane.got[100 + k], 1);
    }
}

static void nothing_waits(size_t i)
{
    const struct wend_contact *c = contact(i, 1 - i);
    struct wend_peer_view v;

    assert_true(view(i, 1 - i, &v));
    assert_int_equal(world.hosts[i].plane.slots[v.slot].queued, 0);
    assert_int_equal(world.hosts[i].plane.slots[v.slot].told, 0);
    assert_true(c != NULL && c->early.count == 0 && c->starting == 0);
    assert_int_equal(world.hosts[i].node->kept_count, 0);
    wend_node_check(world.hosts[i].node);
}

// Each sends with a pair that the other one has.
static void both_agree(void)
{
    for (size_t i = 0; i < 2; i++) {
        struct wend_contact *c = contact(i, 1 - i), *other = contact(1 - i, i);
        const struct wend_contact_pair *pair = wend_contact_pair(c, c->sending);
        assert_non_null(pair);
        assert_non_null(wend_contact_pair(other, pair->box.remote_index));
    }
}

static void both_talk(void)
{
    say(0, 1, 300);
    say(1, 0, 301);
    run(WEND_MS(500));
    each_once(1, 300, 1);
    each_once(0, 301, 1);
}

// --- scenarios ---

static void both_have_packets(void)
{
    for (uint32_t k = 0; k < PACKETS; k++) {
        say(0, 1, 100 + k);
        say(1, 0, 200 + k);
    }
}

static void one_has_packets(void)
{
    world.hosts[1].answers = true;
    for (uint32_t k = 0; k < PACKETS; k++)
        say(0, 1, 100 + k);
}

// The second comes to have packets when the first one's request is with the server.
static void second_follows(void)
{
    for (uint32_t k = 0; k < PACKETS; k++)
        say(0, 1, 100 + k);
    land_and_follow(0);
    for (uint32_t k = 0; k < PACKETS; k++)
        say(1, 0, 200 + k);
}

// One of them knows a run of the other's that is over, so its initiation is not believed.
static void one_errs(void)
{
    seat(1, 0)->epoch = 4711;
    both_have_packets();
}

static void other_errs(void)
{
    seat(0, 1)->epoch = 4711;
    both_have_packets();
}

// --- leading ---

static void in_child(void (*begin)(void), void (*go)(void), void (*judge)(void))
{
    int status;

    shared->done = false;
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        (void)setenv("CMOCKA_TEST_ABORT", "1", 1);
        begin();
        go();
        judge();
        shared->done = true;
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
}

static void say_choices(uint32_t run)
{
    char text[STEPS_MAX * 4] = "";

    for (uint32_t i = 0; i < shared->steps; i++)
        snprintf(text + strlen(text), sizeof text - strlen(text), "%u ", shared->choice[i]);
    fail_msg("run %u, choices %s", run, text);
}

// The next list of choices; false: there is none.
static bool count_up(void)
{
    uint32_t at = shared->steps;

    while (at > 0 && shared->choice[at - 1] + 1 >= shared->options[at - 1])
        at--;
    if (at == 0)
        return false;
    shared->choice[at - 1]++;
    memset(shared->choice + at, 0, (STEPS_MAX - at) * sizeof shared->choice[0]);
    return true;
}

static uint32_t from_environment(const char *name, uint32_t preset)
{
    const char *text = getenv(name);

    return text != NULL ? (uint32_t)strtoul(text, NULL, 10) : preset;
}

// All lists of choices for the first `steps` landings.
static void explore(uint32_t steps, void (*begin)(void), void (*judge)(void))
{
    uint32_t run = 0;

    depth = from_environment("WEND_ORDERS_DEPTH", steps);
    memset(shared, 0, sizeof *shared);
    do {
        in_child(begin, led, judge);
        if (!shared->done)
            say_choices(run);
        run++;
    } while (count_up());
    print_message("%u orders\n", run);
}

static void judge_both(void)
{
    run(WEND_S(3));
    no_packet_twice();
    all_packets_came();
    nothing_waits(0);
    nothing_waits(1);
    both_agree();
    both_talk();
}

static void judge_one(void)
{
    run(WEND_S(3));
    no_packet_twice();
    for (uint32_t k = 0; k < PACKETS; k++) {
        assert_int_equal(world.hosts[1].plane.got[100 + k], 1);
        assert_int_equal(world.hosts[0].plane.got[100 + k + ANSWERS], 1);
    }
    nothing_waits(0);
    nothing_waits(1);
    both_agree();
    both_talk();
}

static void test_orders_of_one(void **state)
{
    (void)state;
    explore(7, one_has_packets, judge_one);
}

static void test_orders_of_both(void **state)
{
    (void)state;
    explore(5, both_have_packets, judge_both);
    explore(5, second_follows, judge_both);
    explore(5, one_errs, judge_both);
    explore(5, other_errs, judge_both);
}

// --- at random ---

static void wild(void)
{
    static struct flight copy;

    for (int i = 0; i < 400 && world.now < WEND_S(1100); i++) {
        const uint32_t draw = wend_random_below(&chance, 100);
        if (world.flight_count == 0 || draw < 20) {
            run(WEND_MS(wend_random_below(&chance, 120)));
            continue;
        }
        const size_t flight = wend_random_below(&chance, (uint32_t)world.flight_count);
        if (draw < 35) { // lost
            memmove(&world.flights[flight], &world.flights[flight + 1],
                    (--world.flight_count - flight) * sizeof world.flights[0]);
        } else {
            copy = world.flights[flight];
            land_and_follow(flight);
            if (draw < 50 && world.flight_count < FLIGHTS / 2) {
                copy.at = world.now + WEND_MS(wend_random_below(&chance, 900));
                world.flights[world.flight_count++] = copy;
            }
        }
        if (draw == 99)
            say(0, 1, 400 + (uint32_t)i);
        if (draw == 98)
            say(1, 0, 900 + (uint32_t)i);
    }
}

static void judge_wild(void)
{
    run(WEND_S(20));
    no_packet_twice();
    both_talk();
    nothing_waits(0);
    nothing_waits(1);
    both_agree();
}

static void test_wild_networks(void **state)
{
    const uint32_t seeds = from_environment("WEND_ORDERS_SEEDS", SEEDS);

    void (*const begins[])(void) = {one_has_packets, both_have_packets, one_errs, other_errs};

    (void)state;
    for (uint32_t i = 0; i < seeds; i++) {
        const uint8_t seed[32] = {(uint8_t)i, (uint8_t)(i >> 8), (uint8_t)(i >> 16), 7};
        wend_random_init(&chance, seed);
        in_child(begins[i % 4], wild, judge_wild);
        if (!shared->done)
            fail_msg("seed %u", i);
    }
}

static int prepare(void **state)
{
    (void)world_open(state);
    world.direct_cut = true;
    world.unchecked = true;
    all_up();
    while (world.flight_count > 0)
        run(WEND_MS(1));
    return 0;
}

int main(void)
{
#define WITH(f) cmocka_unit_test_setup_teardown(f, prepare, world_close)
    const struct CMUnitTest tests[] = {
        WITH(test_orders_of_one),
        WITH(test_orders_of_both),
        WITH(test_wild_networks),
    };
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
