// SPDX-License-Identifier: MIT
#include "traverse/plan.h"

#include "../base/unit.h"

#define MAPPINGS    5 // of enum wend_nat_dependence, unknown included
#define ALLOCATIONS 6

static struct wend_nat_model model_of(uint32_t mapping, uint32_t filtering, uint32_t allocation,
                                      uint32_t number)
{
    struct wend_nat_model m = {
        .serial = 1 + number,
        .mapping = (enum wend_nat_dependence)mapping,
        .filtering = (enum wend_nat_dependence)filtering,
        .allocation = (enum wend_nat_allocation)allocation,
        .fallback = number % 2 == 0 ? WEND_NAT_RANDOM : WEND_NAT_SEQUENTIAL,
        .udp = WEND_NAT_YES,
        .paired = WEND_NAT_YES,
        .delta = 1,
        .low = {1024, 1024, 1024},
        .high = {65535, 65535, 65535},
        .public = wend_address_ipv4(0xcb007101 + number * 256, (uint16_t)(4000 + number)),
    };
    if (m.allocation == WEND_NAT_BLOCK) {
        m.low = (struct wend_nat_estimate){20000, 20100, 20100};
        m.high = (struct wend_nat_estimate){22000, 22000, 22100};
    }
    return m;
}

static struct wend_nat_model cell(uint32_t index, uint32_t number)
{
    return model_of(index / ALLOCATIONS / MAPPINGS, index / ALLOCATIONS % MAPPINGS,
                    index % ALLOCATIONS, number);
}

static void make(struct wend_plan *ret, const struct wend_nat_model *own,
                 const struct wend_nat_model *peer, bool own_first, bool calling)
{
    const struct wend_plan_input in = {
        .own = own, .peer = peer, .own_first = own_first, .calling = calling, .call = 7};

    wend_plan_make(ret, &in);
}

static bool is_steady(const struct wend_nat_model *m)
{
    return m->mapping == WEND_NAT_NONE || m->mapping == WEND_NAT_ENDPOINT_INDEPENDENT;
}

static bool is_strict(const struct wend_nat_model *m)
{
    return m->filtering == WEND_NAT_UNKNOWN || m->filtering == WEND_NAT_ADDRESS_AND_PORT_DEPENDENT;
}

// The rule of reach, written down again in its own words.
static bool is_out_of_reach(const struct wend_nat_model *a, const struct wend_nat_model *b)
{
    const bool random = a->allocation >= WEND_NAT_BLOCK || b->allocation >= WEND_NAT_BLOCK;
    const bool a_helps = a->mapping == WEND_NAT_ADDRESS_DEPENDENT && !is_strict(a);
    const bool b_helps = b->mapping == WEND_NAT_ADDRESS_DEPENDENT && !is_strict(b);

    if (!random || is_steady(a) || is_steady(b))
        return false;
    return (is_strict(a) && !b_helps) || (is_strict(b) && !a_helps);
}

static void check_caps(const struct wend_plan *p)
{
    for (uint8_t i = 0; i < p->stage_count; i++) {
        const struct wend_plan_stage *s = &p->stages[i];
        assert_true(s->rounds >= 1 && s->rounds <= 3 && s->length > 0 && s->length < WEND_S(6));
        for (int k = 0; k < 2; k++) {
            const struct wend_plan_part *part = &s->parts[k];
            assert_true(part->sockets <= WEND_PLAN_SOCKETS_MAX);
            assert_true(part->count <= WEND_PLAN_PROBES_MAX);
            if (part->role == WEND_ROLE_RAIN || part->role == WEND_ROLE_WINDOW)
                assert_true(part->pace >= WEND_MS(5));
            if (part->role == WEND_ROLE_SCAN)
                assert_true(part->count <= 200 && part->pace >= WEND_US(250));
            if (part->role == WEND_ROLE_RAIN)
                assert_true(part->low > 0 && part->low <= part->high);
        }
        assert_true(s->parts[0].role != WEND_ROLE_LISTEN || s->parts[1].role != WEND_ROLE_LISTEN);
    }
}

static void check_mirror(const struct wend_plan *p, const struct wend_plan *mirror)
{
    struct wend_plan turned = *mirror;

    assert_int_equal(p->own + mirror->own, 1);
    turned.own = p->own;
    assert_memory_equal(p, &turned, sizeof turned);
}

static bool has_unknown(const struct wend_nat_model *m)
{
    return m->mapping == WEND_NAT_UNKNOWN ||
           (!is_steady(m) && m->allocation == WEND_NAT_ALLOCATION_UNKNOWN);
}

static void check_pair(const struct wend_nat_model *a, const struct wend_nat_model *b)
{
    for (int turn = 0; turn < 4; turn++) {
        struct wend_plan plan, mirror;
        make(&plan, a, b, turn & 1, turn & 2);
        make(&mirror, b, a, !(turn & 1), !(turn & 2));
        check_mirror(&plan, &mirror);
        check_caps(&plan);
        assert_non_null(plan.reason);
        const bool open = wend_plan_is_open(a) || wend_plan_is_open(b);
        if (!open && !has_unknown(a) && !has_unknown(b))
            assert_int_equal(plan.outcome == WEND_PLAN_OUT_OF_REACH, is_out_of_reach(a, b));
        assert_true((plan.outcome == WEND_PLAN_TRY) == (plan.stage_count > 0));
        assert_true(plan.outcome == WEND_PLAN_TRY || plan.outcome == WEND_PLAN_OUT_OF_REACH);
    }
}

// mapping x filtering x allocation of both sides, both orders of keys, both callers.
static void every_cell_has_a_plan_and_its_mirror(void **state)
{
    const uint32_t cells = MAPPINGS * MAPPINGS * ALLOCATIONS;

    (void)state;
    for (uint32_t i = 0; i < cells; i++)
        for (uint32_t k = 0; k < cells; k++) {
            const struct wend_nat_model a = cell(i, 0), b = cell(k, 1);
            check_pair(&a, &b);
        }
}

static enum wend_plan_method method(const struct wend_nat_model *a, const struct wend_nat_model *b)
{
    struct wend_plan p;

    make(&p, a, b, true, true);
    return p.stage_count > 0 ? p.stages[0].method : WEND_METHOD_NONE;
}

static void rows_have_their_methods(void **state)
{
    const uint32_t eim = WEND_NAT_ENDPOINT_INDEPENDENT, by_port = 4, by_address = 3;
    struct wend_nat_model cone = model_of(eim, by_port, WEND_NAT_RANDOM, 0);
    const struct wend_nat_model wide = model_of(eim, by_address, WEND_NAT_RANDOM, 0);
    const struct wend_nat_model open = model_of(eim, eim, WEND_NAT_RANDOM, 0);
    struct wend_nat_model steps = model_of(by_port, by_port, WEND_NAT_SEQUENTIAL, 1);
    const struct wend_nat_model hidden = model_of(by_port, by_port, WEND_NAT_RANDOM, 1);
    const struct wend_nat_model keeps = model_of(by_port, by_port, WEND_NAT_PRESERVING, 1);
    struct wend_nat_model nothing = {0};

    (void)state;
    assert_int_equal(method(&open, &hidden), WEND_METHOD_DIRECT);
    const struct wend_nat_model second = model_of(eim, by_port, WEND_NAT_RANDOM, 1);
    assert_int_equal(method(&wide, &second), WEND_METHOD_SIMULTANEOUS);
    assert_int_equal(method(&wide, &hidden), WEND_METHOD_REVERSAL);
    assert_int_equal(method(&cone, &keeps), WEND_METHOD_GUESS);
    assert_int_equal(method(&cone, &steps), WEND_METHOD_BRACKET);
    assert_int_equal(method(&cone, &hidden), WEND_METHOD_SPREAD);
    assert_int_equal(method(&cone, &nothing), WEND_METHOD_WINDOW);
    const struct wend_nat_model other = model_of(by_port, by_port, WEND_NAT_SEQUENTIAL, 0);
    assert_int_equal(method(&other, &steps), WEND_METHOD_SCAN);
    assert_int_equal(method(&other, &hidden), WEND_METHOD_NONE);
    steps.public = cone.public;
    assert_int_equal(method(&cone, &steps), WEND_METHOD_SAME_NAT);
    cone.mapped = cone.public;
    cone.mapped.port = 443;
    assert_int_equal(method(&cone, &hidden), WEND_METHOD_DIRECT);
    assert_int_equal(wend_plan_address(&cone).port, 443);
}

static void counts_are_those_of_the_birthday(void **state)
{
    (void)state;
    assert_in_range(wend_plan_equal_split(64512, 20000, 668), 495, 503);
    assert_in_range(wend_plan_equal_split(64512, 1000, 668), 655, 668);
    assert_in_range(wend_plan_equal_split(4096, 1000, 668), 160, 166);
    assert_int_equal(wend_plan_equal_split(1, 1000, 668), 1);
    assert_int_equal(wend_plan_equal_split(65535, 1, 100), 100);
    assert_int_equal(wend_plan_probes_for(10, 10, 1000, 668), 1);
    assert_int_equal(wend_plan_probes_for(65535, 1, 1000, 668), 668);
}

// Of a small block never more than a quarter, and the peer probes the more.
static void a_quarter_of_a_block_at_most(void **state)
{
    (void)state;
    for (uint32_t size = 4; size <= 8192; size += 4) {
        const struct wend_nat_model a = model_of(2, 4, WEND_NAT_RANDOM, 0);
        struct wend_nat_model b = model_of(4, 4, WEND_NAT_BLOCK, 1);
        struct wend_plan p;
        b.low = (struct wend_nat_estimate){20000, 20000, 20000};
        b.high = (struct wend_nat_estimate){20000 + size - 1, 20000 + size - 1, 20000 + size - 1};
        make(&p, &a, &b, true, false);
        assert_int_equal(p.stages[0].method, WEND_METHOD_SPREAD);
        assert_true(p.stages[0].parts[1].sockets <= size / 4);
        assert_true(p.stages[0].parts[1].sockets >= 1);
    }
}

// Probes go where ports were seen; what the bounds may be beyond makes them more, not wider.
static void aims_between_ports_that_were_seen(void **state)
{
    const struct wend_nat_model a = model_of(2, 4, WEND_NAT_RANDOM, 0);
    struct wend_nat_model b = model_of(4, 4, WEND_NAT_BLOCK, 1);
    struct wend_plan p;

    (void)state;
    b.low = (struct wend_nat_estimate){18000, 19500, 20000};
    b.high = (struct wend_nat_estimate){23000, 23500, 25000};
    make(&p, &a, &b, true, false);
    const struct wend_plan_part *rain = &p.stages[0].parts[0], *fan = &p.stages[0].parts[1];
    assert_int_equal(rain->low, 20000);
    assert_int_equal(rain->high, 23000);
    assert_true(fan->sockets + rain->count <= 366); // with what is under way, within 380
    assert_true(fan->sockets >= 165 && rain->count >= 165);
    b.high.least = 20050; // too few of them: all that may be
    make(&p, &a, &b, true, false);
    assert_int_equal(rain->low, 18000);
    assert_int_equal(rain->high, 25000);
    assert_true(fan->sockets <= 51 / 4);
    assert_int_equal(rain->count, WEND_PLAN_PROBES_MAX);
}

// All ports: a first step that costs no more than 98 % of cases have to.
static void the_full_range_in_two_steps(void **state)
{
    const struct wend_nat_model hidden = model_of(4, 4, WEND_NAT_RANDOM, 1);
    struct wend_nat_model a = model_of(2, 4, WEND_NAT_RANDOM, 0);
    struct wend_plan p;

    (void)state;
    for (int stolen = 0; stolen < 2; stolen++) {
        a.allocation = stolen ? WEND_NAT_PRESERVING : WEND_NAT_RANDOM;
        make(&p, &a, &hidden, true, false);
        const struct wend_plan_part *rain = &p.stages[0].parts[0], *fan = &p.stages[0].parts[1];
        assert_int_equal(fan->low_ttl, stolen);
        assert_true(fan->first + rain->first <= 1006);
        assert_true(wend_plan_probes_for(64512, fan->first, 20000, 668) <= rain->first);
        assert_true(fan->sockets + rain->count <= 1336);
        assert_true(wend_plan_probes_for(64512, fan->sockets, 1000, 668) <= rain->count);
        assert_true(fan->pause >= rain->first * rain->pace);
    }
}

static void sequences_both_ways(void **state)
{
    struct wend_nat_model m = {.delta = 3};

    (void)state;
    assert_int_equal(wend_plan_port_after(&m, 65534, 1), 1025);
    assert_int_equal(wend_plan_port_after(&m, 1000, -334), 65534);
    m.low = (struct wend_nat_estimate){1024, 1024, 1024};
    m.high = (struct wend_nat_estimate){65535, 65535, 65535};
    assert_int_equal(wend_plan_port_after(&m, 65534, 1), 1025);
    assert_int_equal(wend_plan_port_after(&m, 1025, -1), 65534);
    assert_int_equal(wend_plan_steps_between(&m, 2000, 2009, 8), 3);
    assert_int_equal(wend_plan_steps_between(&m, 2000, 2010, 8), 0);
    m.byte_swapped = true;
    m.delta = 1;
    assert_int_equal(wend_plan_port_after(&m, 0xfe12, 1), 0xff12);
    assert_int_equal(wend_plan_port_after(&m, 0xff12, 1), 0x0013); // the carry
    assert_int_equal(wend_plan_steps_between(&m, 0xff12, 0x0013, 4), 1);
}

static void lies_are_refused(void **state)
{
    const struct wend_nat_model good = model_of(4, 4, WEND_NAT_SEQUENTIAL, 0);
    const struct wend_nat_model peer = model_of(2, 4, WEND_NAT_RANDOM, 1);
    struct wend_nat_model bad[9];
    struct wend_plan p;

    (void)state;
    assert_true(wend_plan_is_sound(&good));
    for (size_t i = 0; i < 9; i++)
        bad[i] = good;
    bad[0].rate = (struct wend_nat_estimate){0, 0, UINT32_MAX};
    bad[1].low = (struct wend_nat_estimate){50000, 50000, 50000};
    bad[1].high = (struct wend_nat_estimate){40000, 40000, 40000};
    bad[2].high.most = 70000;
    bad[3].delta = 0;
    bad[4].delta = 100000;
    bad[5].mapping = (enum wend_nat_dependence)77;
    bad[6].public = wend_address_ipv4(0x7f000001, 80);
    bad[7].rate = (struct wend_nat_estimate){5, 4, 3};
    bad[8].mapped = wend_address_ipv4(0xe0000001, 80);
    for (size_t i = 0; i < 9; i++) {
        assert_false(wend_plan_is_sound(&bad[i]));
        make(&p, &peer, &bad[i], true, true);
        assert_int_equal(p.outcome, WEND_PLAN_NOT_SOUND);
        assert_int_equal(p.stage_count, 0);
    }
}

static void what_cannot_be_is_said(void **state)
{
    struct wend_nat_model a = model_of(4, 4, WEND_NAT_RANDOM, 0);
    const struct wend_nat_model b = model_of(2, 4, WEND_NAT_RANDOM, 1);
    struct wend_plan p;

    (void)state;
    a.paired = WEND_NAT_NO;
    make(&p, &a, &b, true, true);
    assert_int_equal(p.outcome, WEND_PLAN_POOLING);
    a.udp = WEND_NAT_NO;
    make(&p, &a, &b, true, true);
    assert_int_equal(p.outcome, WEND_PLAN_UDP_BLOCKED);
    assert_int_equal(p.datagrams_max, 0);
    a = (struct wend_nat_model){0};
    make(&p, &a, &a, true, true);
    assert_int_equal(p.outcome, WEND_PLAN_NOT_SOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_cell_has_a_plan_and_its_mirror),
        cmocka_unit_test(rows_have_their_methods),
        cmocka_unit_test(counts_are_those_of_the_birthday),
        cmocka_unit_test(a_quarter_of_a_block_at_most),
        cmocka_unit_test(aims_between_ports_that_were_seen),
        cmocka_unit_test(the_full_range_in_two_steps),
        cmocka_unit_test(sequences_both_ways),
        cmocka_unit_test(lies_are_refused),
        cmocka_unit_test(what_cannot_be_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
