// SPDX-License-Identifier: MIT
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "path/health.h"

#define T0    WEND_S(100)
#define INDEX 7
#define RTT   WEND_MS(40)

// A stream over a way that loses and shuffles: what a receiver counts, and what it reports.
struct stream {
    struct wend_health health;
    wend_instant now;
    uint64_t dice;
    uint32_t lost_permille, jitter_ms; // of the way in use
    uint64_t sent;
    uint64_t arrived_highest, arrived, reported_count, reported_highest;
    struct {
        wend_instant at;
        uint64_t counter;
    } flying[512];
    size_t flights;
    uint32_t id;
    uint32_t suspicions, dead, lossy, recovered;
    wend_instant copies_until; // statistics: how long a second way was used
    wend_instant suspect_since;
    wend_duration copied;
};

static uint32_t roll(struct stream *s, uint32_t below)
{
    s->dice = s->dice * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(s->dice >> 33) % below;
}

static void begin(struct stream *s)
{
    memset(s, 0, sizeof *s);
    s->now = T0;
    s->dice = 42;
    wend_health_use(&s->health, 0, T0);
    wend_health_expect(&s->health, RTT, 0);
    wend_health_sent(&s->health, INDEX, 0, T0);
}

static void take(struct stream *s)
{
    switch (wend_health_take_event(&s->health)) {
    case WEND_HEALTH_SUSPECT:
        s->suspicions++;
        s->suspect_since = s->now;
        return;
    case WEND_HEALTH_RECOVERED: s->recovered++; break;
    case WEND_HEALTH_DEAD: s->dead++; break;
    case WEND_HEALTH_LOSSY: s->lossy++; break;
    case WEND_HEALTH_NONE: return;
    }
    s->copied += s->now - s->suspect_since;
}

static int report(struct stream *s, uint32_t id, uint64_t highest, uint64_t count)
{
    const struct wend_health_report r = {
        .id = id, .index = INDEX, .ways = {[0] = {.highest = highest, .count = count}}};
    const int error = wend_health_report(&s->health, &r, s->now);

    take(s);
    return error;
}

static void launch(struct stream *s)
{
    const uint64_t counter = s->sent++;

    if (roll(s, 1000) < s->lost_permille || s->flights == 512)
        return;
    const uint32_t late = s->jitter_ms > 0 ? roll(s, 1000 * s->jitter_ms) : 0;
    s->flying[s->flights].at = s->now + RTT / 2 + WEND_US(late);
    s->flying[s->flights++].counter = counter;
}

static void land(struct stream *s)
{
    for (size_t i = 0; i < s->flights;) {
        if (s->flying[i].at > s->now) {
            i++;
            continue;
        }
        s->arrived++;
        if (s->flying[i].counter >= s->arrived_highest)
            s->arrived_highest = s->flying[i].counter + 1;
        s->flying[i] = s->flying[--s->flights];
    }
}

// 100 messages a second; looks and reports 50 ms apart, as a gap makes them. Reports take no time.
static void flow(struct stream *s, wend_duration duration)
{
    for (wend_instant end = s->now + duration; s->now < end; s->now += WEND_MS(10)) {
        launch(s);
        land(s);
        if (s->now % WEND_MS(50) != 0)
            continue;
        wend_health_sent(&s->health, INDEX, s->sent, s->now);
        take(s);
        const bool gap = s->arrived_highest - s->reported_highest > s->arrived - s->reported_count;
        if (s->arrived != s->reported_count && (gap || s->now % WEND_MS(100) == 0)) {
            assert_int_equal(report(s, ++s->id, s->arrived_highest, s->arrived), 0);
            s->reported_count = s->arrived;
            s->reported_highest = s->arrived_highest;
        }
        wend_health_expire(&s->health, s->now);
        take(s);
    }
}

static void test_good_way_is_never_suspected(void **state)
{
    struct stream s;

    (void)state;
    begin(&s);
    flow(&s, WEND_S(600));
    assert_int_equal(s.suspicions, 0);
    assert_int_equal(wend_health_deadline(&s.health), WEND_NEVER);
}

// Less than one leave an hour, over ten hours; and copies only for a small part of the time.
static void test_two_percent_and_jitter(void **state)
{
    struct stream s;

    (void)state;
    begin(&s);
    s.lost_permille = 20;
    s.jitter_ms = 20;
    flow(&s, WEND_S(36000));
    print_message("2 %% lost, 20 ms jitter, ten hours: %u suspicions, %u leaves, copies %.2f %%\n",
                  s.suspicions, s.dead + s.lossy, (double)s.copied / (double)WEND_S(36000) * 100);
    assert_true(s.dead + s.lossy < 10);
    assert_true(s.copied < WEND_S(36000) / 10);
}

// What a network loses every day costs few copies, and no change of way.
static void test_small_losses(void **state)
{
    static const uint32_t permille[] = {1, 2, 3, 4, 5, 7, 10, 15, 20};

    (void)state;
    for (size_t i = 0; i < sizeof permille / sizeof permille[0]; i++) {
        struct stream s;
        begin(&s);
        s.lost_permille = permille[i];
        s.jitter_ms = 5;
        flow(&s, WEND_S(3600));
        const double copies = (double)s.copied / (double)WEND_S(3600);
        print_message("%u permille lost for an hour: %u suspicions, copies %.2f %%\n", permille[i],
                      s.suspicions, copies * 100);
        assert_int_equal(s.dead + s.lossy, 0);
        assert_true(copies < 0.05);
    }
}

static void test_loss_is_left(void **state)
{
    struct stream s;

    (void)state;
    begin(&s);
    flow(&s, WEND_S(5));
    s.lost_permille = 300;
    flow(&s, WEND_MS(400));
    assert_true(s.suspicions > 0);
    flow(&s, WEND_S(2));
    assert_true(s.lossy > 0);
    assert_int_equal(s.dead, 0);
}

// The other way is known to lose as much: nothing is won.
static void test_loss_of_both_ways(void **state)
{
    struct stream s;

    (void)state;
    begin(&s);
    s.lost_permille = 150;
    wend_health_expect(&s.health, RTT, 400);
    flow(&s, WEND_S(60));
    assert_int_equal(s.suspicions, 0);
}

static void test_death_is_noticed(void **state)
{
    struct stream s;

    (void)state;
    begin(&s);
    flow(&s, WEND_S(5));
    s.lost_permille = 1000; // and no reports come any more
    flow(&s, WEND_MS(450));
    assert_int_equal(s.suspicions, 1);
    flow(&s, WEND_MS(600));
    assert_int_equal(s.dead, 1);
    assert_int_equal(s.lossy, 0);
}

static void test_stuck_reports(void **state)
{
    struct stream s;

    (void)state;
    begin(&s);
    flow(&s, WEND_S(5));
    s.lost_permille = 1000;
    flow(&s, WEND_MS(230));
    assert_int_equal(s.suspicions, 0);
    assert_int_equal(report(&s, ++s.id, s.arrived_highest, s.arrived), 0);
    assert_int_equal(report(&s, ++s.id, s.arrived_highest, s.arrived), 0);
    assert_int_equal(s.suspicions, 1);
}

static void test_stall_recovers(void **state)
{
    struct stream s;

    (void)state;
    begin(&s);
    flow(&s, WEND_S(5));
    s.lost_permille = 1000;
    flow(&s, WEND_MS(450));
    assert_int_equal(s.suspicions, 1);
    s.lost_permille = 0;
    flow(&s, WEND_MS(450));
    assert_int_equal(s.recovered, 1);
    assert_int_equal(s.dead + s.lossy, 0);
}

// The last message of a burst is lost: that proves nothing.
static void test_lost_tail(void **state)
{
    struct stream s;

    (void)state;
    begin(&s);
    flow(&s, WEND_S(5));
    s.now += WEND_MS(30);
    land(&s);
    s.sent += 2; // lost
    wend_health_sent(&s.health, INDEX, s.sent, s.now);
    for (int i = 0; i < 10; i++) {
        s.now += WEND_MS(100);
        assert_int_equal(report(&s, ++s.id, s.arrived_highest, s.arrived), 0);
        wend_health_sent(&s.health, INDEX, s.sent, s.now);
        wend_health_expire(&s.health, s.now);
        take(&s);
    }
    assert_int_equal(s.suspicions, 0);
}

static void test_liars(void **state)
{
    struct stream s;

    (void)state;
    begin(&s);
    flow(&s, WEND_S(1));
    const struct wend_health before = s.health;
    assert_int_equal(report(&s, s.id, 50, 50), -ESTALE);
    assert_int_equal(report(&s, s.id + 1, s.reported_highest - 1, s.reported_count), -EPROTO);
    assert_int_equal(report(&s, s.id + 1, s.reported_highest, s.reported_count - 1), -EPROTO);
    assert_int_equal(report(&s, s.id + 1, s.sent + 1, s.reported_count), -EPROTO);
    assert_int_equal(report(&s, s.id + 1, s.reported_highest, UINT64_MAX), -EPROTO);
    const struct wend_health_report other = {.id = s.id + 1, .index = INDEX + 1};
    assert_int_equal(wend_health_report(&s.health, &other, s.now), -ENOENT);
    assert_memory_equal(&before, &s.health, sizeof before);
    assert_int_equal(report(&s, s.id + 1, s.reported_highest, s.reported_count), 0);
}

// Another way or another pair: counters of before say nothing.
static void test_changes_begin_anew(void **state)
{
    struct stream s;

    (void)state;
    begin(&s);
    flow(&s, WEND_S(5));
    wend_health_use(&s.health, 1, s.now);
    // Its first report jumps over all that went the other way.
    struct wend_health_report r = {
        .id = s.id + 1, .index = INDEX, .ways = {{s.arrived_highest, s.arrived}, {s.sent + 5, 5}}};
    s.now += WEND_MS(100);
    wend_health_sent(&s.health, INDEX, s.sent + 10, s.now);
    assert_int_equal(wend_health_report(&s.health, &r, s.now), 0);
    take(&s);
    wend_health_sent(&s.health, INDEX + 1, 3, s.now);
    r = (struct wend_health_report){.id = 1, .index = INDEX + 1, .ways = {{0, 0}, {2, 2}}};
    assert_int_equal(wend_health_report(&s.health, &r, s.now), 0);
    take(&s);
    assert_int_equal(s.suspicions, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good_way_is_never_suspected),
        cmocka_unit_test(test_two_percent_and_jitter),
        cmocka_unit_test(test_small_losses),
        cmocka_unit_test(test_loss_is_left),
        cmocka_unit_test(test_loss_of_both_ways),
        cmocka_unit_test(test_death_is_noticed),
        cmocka_unit_test(test_stuck_reports),
        cmocka_unit_test(test_stall_recovers),
        cmocka_unit_test(test_lost_tail),
        cmocka_unit_test(test_liars),
        cmocka_unit_test(test_changes_begin_anew),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
