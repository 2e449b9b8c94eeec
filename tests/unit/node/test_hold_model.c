// SPDX-License-Identifier: MIT
// The resequencer against a model. A sender numbers its packets, moves between two ways, doubles,
// changes keys; each way keeps its order, delays, and loses. Whatever happens, each packet that
// came is delivered once, at most the hold time after it came, and behind no newer one, unless it
// is said to be late: then the hold time was over before it came.
#include "node/hold.h"

#include <stdio.h>
#include <stdlib.h>

#include "packets.h"

enum { WAYS = 2, MESSAGES = 500, ARRIVALS = 4 * MESSAGES, RUNS = 3000, SLOT = 7, PAIRS = 16 };

static const struct wend_hold_way ways[WAYS] = {{.kind = 1}, {.kind = 2}};

struct message {
    uint32_t number; // of the packet, from 1 on; 0: a mark
    uint32_t pair;
    uint64_t counter;
    struct wend_switch mark;
};

struct arrival {
    wend_instant at;
    size_t sequence; // in which they were sent, breaks ties
    int way;
    struct message message;
};

struct model {
    uint64_t random;
    uint32_t loss, mark_loss; // per mille
    bool close_switches;
    wend_duration delay[WAYS], jitter[WAYS], hold;

    // The sender.
    wend_instant now;
    int way;
    bool both;
    uint32_t pair, number;
    uint64_t counter;
    wend_instant free_at[WAYS]; // a way keeps its order
    wend_instant changed_at;
    size_t arrivals;
    struct arrival arrival[ARRIVALS];

    // The receiver.
    struct wend_hold_pool *pool;
    struct wend_hold hold_machine;
    bool seen[PAIRS][MESSAGES * 2];
    wend_instant came[MESSAGES * 2], delivered[MESSAGES * 2];
    uint32_t newest, late, held;
};

static uint32_t below(struct model *m, uint32_t n)
{
    return (uint32_t)(unit_random(&m->random) % n);
}

// ---- The sender and the ways ----

static void send_by(struct model *m, int way, const struct message *message, uint32_t loss)
{
    const wend_duration jitter = (wend_duration)below(m, (uint32_t)m->jitter[way] + 1);
    wend_instant at = m->now + m->delay[way] + jitter;
    if (below(m, 1000) < loss)
        return;
    if (at < m->free_at[way])
        at = m->free_at[way];
    m->free_at[way] = at;
    assert_true(m->arrivals < ARRIVALS);
    m->arrival[m->arrivals] = (struct arrival){at, m->arrivals, way, *message};
    m->arrivals++;
}

static struct message next_message(struct model *m, enum wend_switch_kind kind, uint64_t first)
{
    const struct message message = {
        .pair = m->pair, .counter = m->counter++, .mark = {kind, first}};
    return message;
}

static void send_packet(struct model *m)
{
    struct message message = next_message(m, WEND_SWITCH_NONE, 0);
    message.number = ++m->number;
    send_by(m, m->way, &message, m->loss);
    if (m->both)
        send_by(m, 1 - m->way, &message, m->loss);
}

static void leave_and_enter(struct model *m, int left, int taken)
{
    const uint64_t first = m->counter + 1;
    const struct message leave = next_message(m, WEND_SWITCH_LEAVE, first);
    send_by(m, left, &leave, m->mark_loss);
    send_by(m, left, &leave, m->mark_loss);
    const struct message enter = next_message(m, WEND_SWITCH_ENTER, first);
    send_by(m, taken, &enter, m->mark_loss);
    m->way = taken;
    m->both = false;
    m->changed_at = m->now;
}

static void start_both(struct model *m)
{
    const struct message both = next_message(m, WEND_SWITCH_BOTH, m->counter);
    send_by(m, 0, &both, 0); // where nobody hears of it, nothing can be promised
    send_by(m, 1, &both, 0);
    m->both = true;
    m->changed_at = m->now;
}

// Without close switches, the next one happens when the last is over for certain.
static void maybe_change(struct model *m)
{
    const bool quiet = m->now - m->changed_at > WEND_MS(400);
    if (m->both && m->now - m->changed_at > WEND_MS(100) && below(m, 50) == 0)
        leave_and_enter(m, m->way, 1 - m->way);
    else if (m->both && m->now - m->changed_at > WEND_MS(100) && below(m, 50) == 0)
        leave_and_enter(m, 1 - m->way, m->way);
    else if (m->both || (!quiet && !m->close_switches))
        return;
    else if (below(m, 40) == 0)
        leave_and_enter(m, m->way, 1 - m->way);
    else if (below(m, 80) == 0 && quiet)
        start_both(m);
    else if (below(m, 80) == 0 && quiet && m->pair < PAIRS - 1) {
        m->pair++;
        m->counter = 0;
    }
}

static int compare(const void *a, const void *b)
{
    const struct arrival *x = a, *y = b;
    if (x->at != y->at)
        return x->at < y->at ? -1 : 1;
    return x->sequence < y->sequence ? -1 : 1;
}

static void send_all(struct model *m)
{
    const wend_duration step = WEND_US(500) * (1 + below(m, 8));
    m->pair = 1;
    m->changed_at = WEND_S(1); // the first pair of all knows of no way before
    for (m->now = WEND_S(1); m->number < MESSAGES / 2; m->now += step) {
        send_packet(m);
        maybe_change(m);
    }
    qsort(m->arrival, m->arrivals, sizeof m->arrival[0], compare);
}

// ---- The receiver ----

static void deliver(struct model *m, uint32_t number, bool late)
{
    assert_true(number > 0 && number < sizeof m->delivered / sizeof m->delivered[0]);
    assert_true(m->delivered[number] == 0); // never twice
    m->delivered[number] = m->now;
    assert_true(m->now - m->came[number] <= m->hold);
    assert_true(number > m->newest || late);
    if (number > m->newest)
        m->newest = number;
    m->late += late;
}

static void take_ready(struct model *m)
{
    uint32_t slot;
    size_t len;
    const uint8_t *at;
    while ((at = wend_hold_next(m->pool, &slot, &len)) != NULL)
        deliver(m, wend_get_u32(at), false);
    wend_hold_return(m->pool);
}

static void receive(struct model *m, const struct arrival *a)
{
    const struct message *message = &a->message;
    uint8_t packet[4];
    struct wend_hold_message in = {
        .slot = SLOT, .pair = message->pair, .counter = message->counter, .way = ways[a->way]};
    if (m->seen[message->pair][message->counter]) {
        wend_hold_seen(m->pool, &m->hold_machine, &in, m->now);
        wend_hold_check(m->pool, &m->hold_machine);
        take_ready(m);
        return;
    }
    m->seen[message->pair][message->counter] = true;
    in.mark = message->mark;
    if (message->number != 0) {
        m->came[message->number] = m->now;
        wend_put_u32(packet, message->number);
        in.packet = WEND_BYTES(packet);
    }
    const enum wend_hold_verdict v = wend_hold_accept(m->pool, &m->hold_machine, &in, m->now);
    wend_hold_check(m->pool, &m->hold_machine);
    if (message->number != 0 && v != WEND_HOLD_TAKEN)
        deliver(m, message->number, v == WEND_HOLD_LATE);
    m->held += message->number != 0 && v == WEND_HOLD_TAKEN;
    take_ready(m);
}

static void expire_until(struct model *m, wend_instant until)
{
    while (wend_hold_deadline(m->pool) <= until) {
        m->now = wend_hold_deadline(m->pool);
        wend_hold_expire(m->pool, m->now);
        take_ready(m);
    }
    m->now = until;
}

static void run(struct model *m)
{
    send_all(m);
    wend_hold_set_time(m->pool, &m->hold_machine, m->hold);
    m->now = 0;
    for (size_t i = 0; i < m->arrivals; i++) {
        expire_until(m, m->arrival[i].at);
        receive(m, &m->arrival[i]);
    }
    expire_until(m, m->now + WEND_S(10));
    assert_true(wend_hold_deadline(m->pool) == WEND_NEVER && m->pool->taken == 0);
    for (uint32_t n = 1; n <= m->number; n++)
        assert_true((m->came[n] != 0) == (m->delivered[n] != 0)); // nothing is lost
}

// ---- The kinds of runs ----

struct kind {
    const char *name;
    uint32_t loss, mark_loss;
    bool close_switches;
    bool enough_time; // the hold time is longer than any difference of the ways
};

static void play(struct wend_hold_pool *pool, uint64_t seed, const struct kind *kind,
                 struct model *m)
{
    *m = (struct model){.random = seed, .pool = pool, .close_switches = kind->close_switches};
    m->loss = kind->loss > 0 ? below(m, kind->loss) : 0;
    m->mark_loss = kind->mark_loss;
    for (int i = 0; i < WAYS; i++) {
        m->delay[i] = WEND_US(500) * (1 + below(m, 120));
        m->jitter[i] = WEND_US(100) * below(m, 50);
    }
    m->hold = kind->enough_time ? WEND_MS(80) : WEND_MS(1 + below(m, 60));
    run(m);
}

static void play_all(const struct kind *kind)
{
    static struct model m;
    struct wend_hold_pool *pool = packets_memory(sizeof *pool);
    uint64_t held = 0, late = 0;
    wend_hold_pool_init(pool);
    for (uint64_t seed = 1; seed <= RUNS; seed++) {
        play(pool, seed, kind, &m);
        assert_true(m.late == 0 || !kind->enough_time);
        held += m.held;
        late += m.late;
    }
    assert_true(held > RUNS && (late > RUNS / 10 || kind->enough_time));
    wend_hold_pool_check(pool);
    free(pool);
}

static void without_loss_and_with_time_all_is_in_order(void **state)
{
    (void)state;
    play_all(&(struct kind){.enough_time = true});
}

static void with_losses_all_is_in_order(void **state)
{
    (void)state;
    play_all(&(struct kind){.loss = 300, .enough_time = true});
}

static void with_lost_marks_all_is_in_order(void **state)
{
    (void)state;
    play_all(&(struct kind){.loss = 300, .mark_loss = 500, .enough_time = true});
}

static void without_marks_all_is_in_order(void **state)
{
    (void)state;
    play_all(&(struct kind){.loss = 200, .mark_loss = 1000, .enough_time = true});
}

static void close_switches_are_in_order(void **state)
{
    (void)state;
    play_all(&(struct kind){.loss = 200, .close_switches = true, .enough_time = true});
}

static void with_little_time_it_says_what_is_late(void **state)
{
    (void)state;
    play_all(&(struct kind){.loss = 200, .mark_loss = 200});
}

// ---- The pool ----

static void the_pool_is_bounded(void **state)
{
    (void)state;
    struct wend_hold_pool *pool = packets_memory(sizeof *pool);
    static struct wend_hold holds[WEND_HOLD_CELLS / (WEND_HOLD_PEER_MAX - 1) + 1];
    uint8_t bytes[4] = {0};
    uint32_t slot, taken = 0, out = 0;
    size_t len;
    memset(holds, 0, sizeof holds);
    wend_hold_pool_init(pool);
    for (uint32_t i = 0; wend_hold_has_room(pool); i++)
        for (uint64_t c = 0; c < WEND_HOLD_PEER_MAX && wend_hold_has_room(pool); c++, taken++) {
            const struct wend_hold_message m = {.slot = i,
                                                .pair = 1,
                                                .counter = c == 0 ? 0 : c + 1,
                                                .way = ways[c != 0],
                                                .packet = WEND_BYTES(bytes)};
            assert_int_equal(wend_hold_accept(pool, &holds[i], &m, 5),
                             c == 0 ? WEND_HOLD_DELIVER : WEND_HOLD_TAKEN);
            taken -= c == 0;
        }
    assert_int_equal(taken, WEND_HOLD_CELLS);
    assert_true(wend_hold_has_ready(pool)); // of whom took the last one
    while (wend_hold_next(pool, &slot, &len) != NULL)
        out++;
    wend_hold_return(pool);
    assert_true(wend_hold_has_room(pool));
    assert_int_equal(pool->taken, WEND_HOLD_CELLS - out);
    wend_hold_expire(pool, WEND_S(1));
    while (wend_hold_next(pool, &slot, &len) != NULL)
        out++;
    wend_hold_return(pool);
    assert_int_equal(out, WEND_HOLD_CELLS);
    free(pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_loss_and_with_time_all_is_in_order),
        cmocka_unit_test(with_losses_all_is_in_order),
        cmocka_unit_test(with_lost_marks_all_is_in_order),
        cmocka_unit_test(without_marks_all_is_in_order),
        cmocka_unit_test(close_switches_are_in_order),
        cmocka_unit_test(with_little_time_it_says_what_is_late),
        cmocka_unit_test(the_pool_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
