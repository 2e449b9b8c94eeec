// SPDX-License-Identifier: MIT
// A resequencer under test: messages of three ways in, what is delivered as a line of counters.
#ifndef WEND_TESTS_UNIT_NODE_HOLDING_H
#define WEND_TESTS_UNIT_NODE_HOLDING_H

#include "node/hold.h"

#include <stdio.h>
#include <stdlib.h>

#include "packets.h"

enum { A = 1, B = 2, C = 3, SLOT = 7 };

static const struct wend_hold_way ways[] = {
    [A] = {.kind = 1}, [B] = {.kind = 2, .stream = 5}, [C] = {.kind = 2, .stream = 6}};

struct fixture {
    struct wend_hold_pool *pool;
    struct wend_hold hold;
    char said[256]; // counters in order of delivery
};

static inline int set_up(void **state)
{
    static struct fixture f;
    memset(&f, 0, sizeof f);
    f.pool = packets_memory(sizeof *f.pool);
    wend_hold_pool_init(f.pool);
    *state = &f;
    return 0;
}

static inline int tear_down(void **state)
{
    struct fixture *f = *state;
    wend_hold_check(f->pool, &f->hold);
    wend_hold_close(f->pool, &f->hold, SLOT);
    wend_hold_return(f->pool);
    assert_int_equal(f->pool->taken, 0);
    wend_hold_pool_check(f->pool);
    free(f->pool);
    return 0;
}

static inline void say(struct fixture *f, const char *mark, uint32_t number)
{
    const size_t len = strlen(f->said);
    (void)snprintf(f->said + len, sizeof f->said - len, "%s%s%u", len > 0 ? " " : "", mark, number);
}

static inline void take_ready(struct fixture *f)
{
    uint32_t slot;
    size_t len;
    const uint8_t *at;
    while ((at = wend_hold_next(f->pool, &slot, &len)) != NULL) {
        assert_int_equal(slot, SLOT);
        assert_int_equal(len, 4);
        say(f, "", wend_get_u32(at));
    }
    wend_hold_return(f->pool);
}

// Gives one message; what is delivered is said, late ones with an L. Pair 2's numbers are 100 more.
static inline void give(struct fixture *f, uint32_t pair, uint64_t counter, int way,
                        struct wend_switch mark, wend_instant ms)
{
    uint8_t packet[4];
    const uint32_t number = (uint32_t)counter + (pair - 1) * 100;
    struct wend_hold_message m = {
        .slot = SLOT, .pair = pair, .counter = counter, .way = ways[way], .mark = mark};
    wend_put_u32(packet, number);
    if (mark.kind == WEND_SWITCH_NONE)
        m.packet = WEND_BYTES(packet);
    const bool plain = m.packet.len > 0 && wend_hold_same_way(&m.way, &f->hold.way);
    const enum wend_hold_verdict v = plain && wend_hold_pass(&f->hold, pair, counter, WEND_MS(ms))
                                         ? WEND_HOLD_DELIVER
                                         : wend_hold_accept(f->pool, &f->hold, &m, WEND_MS(ms));
    assert_true(v != WEND_HOLD_NOTHING);
    if (v != WEND_HOLD_TAKEN && mark.kind == WEND_SWITCH_NONE)
        say(f, v == WEND_HOLD_LATE ? "L" : "", number);
    wend_hold_check(f->pool, &f->hold);
    wend_hold_pool_check(f->pool);
    take_ready(f);
}

static inline void packet(struct fixture *f, uint64_t counter, int way, wend_instant ms)
{
    give(f, 1, counter, way, (struct wend_switch){0}, ms);
}

static inline void packet2(struct fixture *f, uint64_t counter, int way, wend_instant ms)
{
    give(f, 2, counter, way, (struct wend_switch){0}, ms);
}

static inline void mark(struct fixture *f, enum wend_switch_kind kind, uint64_t counter,
                        uint64_t first, int way, wend_instant ms)
{
    give(f, 1, counter, way, (struct wend_switch){kind, first}, ms);
}

static inline void expire(struct fixture *f, wend_instant ms)
{
    wend_hold_expire(f->pool, WEND_MS(ms));
    wend_hold_check(f->pool, &f->hold);
    take_ready(f);
}

static inline void expect(struct fixture *f, const char *said)
{
    assert_string_equal(f->said, said);
    f->said[0] = 0;
}

// Counters 0 and 1 by A.
static inline void begin(struct fixture *f)
{
    if (f->hold.time == 0)
        wend_hold_set_time(f->pool, &f->hold, WEND_MS(50));
    packet(f, 0, A, 0);
    packet(f, 1, A, 0);
    expect(f, "0 1");
}

static inline wend_instant deadline(const struct fixture *f)
{
    return wend_hold_deadline(f->pool);
}

#endif
