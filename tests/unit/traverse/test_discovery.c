// SPDX-License-Identifier: MIT
// The machine's manners, and what lies, silence and nonsense do to it.
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "discovery_runs.h"

static void test_idle(void **state)
{
    struct wend_discovery_event event;
    struct wend_discovery_datagram datagram;

    (void)state;
    world_init(&world, &cone, 1);
    assert_int_equal(wend_discovery_deadline(&world.discovery), WEND_NEVER);
    wend_discovery_expire(&world.discovery, WORLD_T0);
    assert_false(wend_discovery_next_event(&world.discovery, &event));
    assert_false(wend_discovery_next_datagram(&world.discovery, &datagram));
    assert_int_equal(wend_discovery_model(&world.discovery)->serial, 0);
}

static void open_all(struct wend_discovery *d, wend_instant now)
{
    struct wend_discovery_event event;

    for (uint8_t i = 1; i < WEND_DISCOVERY_SOCKETS; i++) {
        const struct wend_address a = wend_address_ipv4(EMULATOR_LOCAL, (uint16_t)(50000 + i));
        assert_true(wend_discovery_next_event(d, &event));
        assert_int_equal(event.kind, WEND_DISCOVERY_OPEN_SOCKET);
        assert_int_equal(event.socket, i);
        wend_discovery_opened(d, i, &a, now);
    }
    assert_false(wend_discovery_next_event(d, &event));
}

struct expected_request {
    uint8_t socket, server;
    bool change_ip, change_port;
};

// Byte for byte the same when repeated, and as long as any answer.
static void test_requests(void **state)
{
    static const struct expected_request expected[] = {{0, 0, 0, 0}, {1, 0, 0, 0}, {2, 0, 0, 0},
                                                       {3, 0, 0, 0}, {4, 0, 0, 0}, {1, 2, 0, 0},
                                                       {1, 1, 0, 0}, {4, 0, 1, 1}, {4, 0, 0, 1}};
    uint8_t random[WEND_DISCOVERY_RANDOM_LEN];
    uint8_t first[9][WEND_DISCOVERY_REQUEST_LEN];
    struct wend_discovery *d = &world.discovery;
    struct wend_discovery_datagram out;
    struct wend_stun m;

    (void)state;
    world_init(&world, &cone, 1);
    for (size_t i = 0; i < sizeof random; i++)
        random[i] = (uint8_t)i;
    wend_discovery_restart(d, random, &world.local[0], WORLD_T0);
    assert_false(wend_discovery_next_datagram(d, &out)); // not before the sockets are there
    open_all(d, WORLD_T0);
    for (int tries = 0; tries < 2; tries++) {
        for (uint32_t i = 0; i < 9; i++) {
            assert_true(wend_discovery_next_datagram(d, &out));
            assert_int_equal(out.socket, expected[i].socket);
            assert_true(wend_address_equal(&out.to, &world.servers[expected[i].server]));
            assert_int_equal(out.bytes.len, WEND_DISCOVERY_REQUEST_LEN);
            assert_int_equal(wend_stun_read(out.bytes, &m), 0);
            assert_memory_equal(m.transaction, random + 12 * i, 12);
            assert_int_equal(m.change_ip, expected[i].change_ip);
            assert_int_equal(m.change_port, expected[i].change_port);
            assert_int_equal(m.unknown_count, 0);
            assert_false(wend_stun_has(&m, WEND_STUN_PADDING));
            if (tries == 0)
                memcpy(first[i], out.bytes.at, sizeof first[i]);
            assert_memory_equal(first[i], out.bytes.at, sizeof first[i]);
        }
        assert_false(wend_discovery_next_datagram(d, &out));
        assert_int_equal(wend_discovery_deadline(d), WORLD_T0 + WEND_MS(300) * (tries + 1));
        wend_discovery_expire(d, WORLD_T0 + WEND_MS(300) - 1);
        assert_false(wend_discovery_next_datagram(d, &out) && tries == 0);
        wend_discovery_expire(d, WORLD_T0 + WEND_MS(300) * (tries + 1));
    }
}

static void test_silence(void **state)
{
    const struct wend_nat_model *m = run(&cone, 1, LIE_SILENT, LIE_SILENT);

    (void)state;
    assert_int_equal(m->udp, WEND_NAT_NO);
    assert_int_equal(m->mapping, WEND_NAT_UNKNOWN);
    assert_int_equal(m->filtering, WEND_NAT_UNKNOWN);
    assert_int_equal(m->allocation, WEND_NAT_ALLOCATION_UNKNOWN);
    assert_int_equal(m->hairpin, WEND_NAT_ANSWER_UNKNOWN);
    assert_int_equal(m->translates, WEND_NAT_ANSWER_UNKNOWN);
    assert_int_equal(m->public.family, WEND_FAMILY_NONE);
    assert_int_not_equal(m->serial, 0);
    assert_true(world.sent <= 36);
}

// The other one knows less, and what it knows is right; the next run begins with it.
static void test_first_server_silent(void **state)
{
    const struct wend_nat_model *m = run(&cone, 1, LIE_SILENT, LIE_NONE);

    (void)state;
    assert_int_equal(m->udp, WEND_NAT_YES);
    assert_int_equal(m->public.family, WEND_FAMILY_IPV4);
    assert_int_equal(m->mapping, WEND_NAT_UNKNOWN);
    const uint32_t serial = m->serial;
    world_run(&world);
    assert_int_equal(m->allocation, WEND_NAT_SEQUENTIAL);
    assert_int_equal(m->delta, 1);
    assert_int_not_equal(m->serial, serial);
}

static bool is_true_or_unknown(const struct emulator_kind *k, const struct wend_nat_model *m)
{
    return (m->mapping == k->mapping || m->mapping == WEND_NAT_UNKNOWN) &&
           (m->filtering == k->filtering || m->filtering == WEND_NAT_UNKNOWN) &&
           (m->allocation == WEND_NAT_SEQUENTIAL || m->allocation == WEND_NAT_ALLOCATION_UNKNOWN) &&
           (m->allocation != WEND_NAT_SEQUENTIAL || m->delta == k->delta) &&
           m->hairpin != WEND_NAT_YES && m->translates != WEND_NAT_NO && m->paired != WEND_NAT_NO;
}

// One of two servers lies, or is a lesser server: unknown, never wrong. (A server that makes up
// ports cannot be told from a NAT that does; that it tells another one to the same question can.)
static void test_lies(void **state)
{
    static const enum world_lie lies[] = {LIE_PRIVATE, LIE_LOOPBACK,  LIE_ADDRESS,
                                          LIE_TWICE,   LIE_SILENT,    LIE_SOURCE,
                                          LIE_REFUSES, LIE_NO_CHANGE, LIE_DEAF};

    (void)state;
    for (uint32_t i = 0; i < 4 * sizeof lies / sizeof lies[0]; i++) {
        const struct emulator_kind *k = i % 2 ? &cone : &symmetric;
        const enum world_lie lie = lies[i / 4];
        for (uint64_t seed = 1; seed <= 100; seed++) {
            const bool first = (i / 2) % 2 != 0;
            const struct wend_nat_model *m =
                run(k, seed, first ? lie : LIE_NONE, first ? LIE_NONE : lie);
            if (!is_true_or_unknown(k, m))
                fail_msg("lie %d of server %d, %s, seed %d: mapping %d filtering %d allocation %d",
                         lie, first ? 1 : 2, i % 2 ? "cone" : "symmetric", (int)seed, m->mapping,
                         m->filtering, m->allocation);
        }
    }
}

static void test_lies_are_counted(void **state)
{
    const uint64_t *count = world.discovery.drops.count;

    (void)state;
    assert_int_equal(run(&cone, 1, LIE_PRIVATE, LIE_PRIVATE)->mapping, WEND_NAT_UNKNOWN);
    assert_true(count[WEND_DROP_NOT_ALLOWED] >= 7);
    assert_int_equal(wend_discovery_model(&world.discovery)->public.family, WEND_FAMILY_NONE);
    assert_int_equal(wend_discovery_model(&world.discovery)->udp, WEND_NAT_ANSWER_UNKNOWN);
    assert_non_null(strstr(wend_discovery_reason(&world.discovery), "cannot be true"));
    struct emulator_kind open = cone;
    open.filtering = WEND_NAT_ENDPOINT_INDEPENDENT;
    assert_int_not_equal(run(&open, 1, LIE_SOURCE, LIE_SOURCE)->udp, WEND_NAT_NO);
    assert_true(count[WEND_DROP_WRONG_SOURCE] >= 1 || count[WEND_DROP_NO_SESSION] == 0);
    assert_int_equal(wend_discovery_model(&world.discovery)->mapping, WEND_NAT_UNKNOWN);
    assert_int_equal(run(&cone, 1, LIE_NONE, LIE_ADDRESS)->mapping, WEND_NAT_UNKNOWN);
    assert_non_null(strstr(wend_discovery_reason(&world.discovery), "contradict"));
    assert_int_equal(world.discovery.contradictions, 1);
    assert_int_equal(run(&cone, 1, LIE_TWICE, LIE_NONE)->allocation, WEND_NAT_ALLOCATION_UNKNOWN);
    assert_true(count[WEND_DROP_NOT_ALLOWED] >= 1);
}

// Without CHANGE-REQUEST nothing is said of filtering, all else is.
static void test_plain_servers(void **state)
{
    static const enum world_lie lesser[] = {LIE_NO_CHANGE, LIE_DEAF};

    (void)state;
    for (int i = 0; i < 2; i++) {
        const struct wend_nat_model *m = run(&cone, 5, lesser[i], lesser[i]);
        assert_int_equal(m->filtering, WEND_NAT_UNKNOWN);
        assert_int_equal(m->mapping, WEND_NAT_ENDPOINT_INDEPENDENT);
        assert_int_equal(m->allocation, WEND_NAT_SEQUENTIAL);
        assert_int_equal(m->hairpin, WEND_NAT_NO);
    }
}

// Two foreign servers of one port each: endpoint-independent is seen, of the dependent kinds that
// it is one of them.
static void test_two_ports_in_all(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        world_init(&world, i ? &symmetric : &cone, 3);
        const struct wend_address two[] = {world.servers[0], world.servers[2]};
        wend_discovery_init(&world.discovery, two, 2);
        world_run(&world);
        const struct wend_nat_model *m = wend_discovery_model(&world.discovery);
        assert_int_equal(m->mapping, i ? WEND_NAT_UNKNOWN : WEND_NAT_ENDPOINT_INDEPENDENT);
        assert_int_equal(m->allocation, WEND_NAT_SEQUENTIAL);
        assert_int_equal(m->delta, 1);
    }
}

static void test_one_or_no_server(void **state)
{
    (void)state;
    world_init(&world, &cone, 3);
    wend_discovery_init(&world.discovery, world.servers, 1);
    world_run(&world);
    const struct wend_nat_model *m = wend_discovery_model(&world.discovery);
    assert_int_equal(m->mapping, WEND_NAT_UNKNOWN);
    assert_int_equal(m->udp, WEND_NAT_YES);
    world_init(&world, &cone, 3);
    wend_discovery_init(&world.discovery, world.servers, 0);
    world_run(&world);
    assert_int_equal(m->udp, WEND_NAT_ANSWER_UNKNOWN);
    assert_int_equal(world.sent, 0);
}

// Fresh sockets that cannot be had: the main one alone still learns its address.
static void test_no_sockets(void **state)
{
    static const uint8_t random[WEND_DISCOVERY_RANDOM_LEN] = {1};
    const struct wend_address none = {0};
    struct wend_discovery *d = &world.discovery;
    struct wend_discovery_event event;

    (void)state;
    world_init(&world, &cone, 3);
    wend_discovery_restart(d, random, &world.local[0], WORLD_T0);
    while (wend_discovery_next_event(d, &event))
        wend_discovery_opened(d, event.socket, &none, WORLD_T0);
    world_drain(&world);
    while (!world.done)
        world_step(&world);
    assert_int_equal(d->model.public.family, WEND_FAMILY_IPV4);
    assert_int_equal(d->model.udp, WEND_NAT_YES);
    assert_int_equal(d->model.allocation, WEND_NAT_ALLOCATION_UNKNOWN);
    assert_true(world.sent <= 6);
}

static void test_nonsense(void **state)
{
    struct wend_discovery *d = &world.discovery;
    uint8_t random[WEND_DISCOVERY_RANDOM_LEN];
    struct sim_draw draw = {7};
    uint8_t bytes[128];

    (void)state;
    for (size_t i = 0; i < sizeof random; i++)
        random[i] = (uint8_t)sim_draw_u64(&draw);
    world_init(&world, &cone, 3);
    wend_discovery_restart(d, random, &world.local[0], WORLD_T0);
    world_drain(&world);
    const uint32_t stale = (uint32_t)d->drops.count[WEND_DROP_NO_SESSION];
    for (int i = 0; i < 20000; i++) {
        struct world_packet p = {0};
        const struct world_packet *next = world_next(&world);
        if (next != NULL)
            p = *next;
        memcpy(bytes, p.bytes, sizeof bytes);
        bytes[sim_draw_below(&draw, sizeof bytes)] ^= (uint8_t)sim_draw_u64(&draw);
        const struct wend_datagram in = {.remote =
                                             wend_address_ipv4((uint32_t)sim_draw_u64(&draw), 9),
                                         .bytes = {bytes, sim_draw_below(&draw, sizeof bytes + 1)}};
        const int result = wend_discovery_receive(d, (uint8_t)(i % 7), &in, world.now);
        assert_true(result == -EBADMSG || result == -ESTALE || result == 0);
    }
    assert_true(d->drops.count[WEND_DROP_MALFORMED] > 1000);
    assert_true(d->drops.count[WEND_DROP_NO_SESSION] >= stale);
    while (!world.done)
        world_step(&world);
    assert_int_equal(d->model.mapping, WEND_NAT_ENDPOINT_INDEPENDENT);
    assert_int_equal(d->model.allocation, WEND_NAT_SEQUENTIAL);
}

static void test_freshness(void **state)
{
    struct wend_discovery_event event;
    struct wend_discovery *d = &world.discovery;
    const struct wend_nat_model *m = run(&cone, 3, LIE_NONE, LIE_NONE);
    const uint32_t serial = m->serial;
    const wend_instant done = world.now;

    (void)state;
    assert_int_equal(wend_discovery_deadline(d), done + WEND_DISCOVERY_FRESH);
    wend_discovery_expire(d, done + WEND_DISCOVERY_FRESH - 1);
    assert_false(wend_discovery_next_event(d, &event));
    world.now = done + WEND_DISCOVERY_FRESH;
    wend_discovery_expire(d, world.now);
    assert_true(wend_discovery_next_event(d, &event));
    assert_int_equal(event.kind, WEND_DISCOVERY_IS_STALE);
    assert_int_equal(wend_discovery_deadline(d), WEND_NEVER);
    assert_int_equal(m->serial, serial); // still the best there is
    world_run(&world);
    assert_int_equal(m->mapping, WEND_NAT_ENDPOINT_INDEPENDENT);
    assert_true(m->serial > serial); // there is a newer mapping
    wend_discovery_forget(d);
    assert_int_equal(m->serial, 0);
    assert_int_equal(d->samples.count, 0);
    assert_int_equal(wend_discovery_deadline(d), WEND_NEVER);
    world.nat.kind = block;
    world_run(&world);
    assert_int_equal(m->mapping, WEND_NAT_ADDRESS_AND_PORT_DEPENDENT);
    assert_true(m->serial > serial + 1); // serials of one device do not come again
}

static uint32_t count_events(struct wend_discovery *d, enum wend_discovery_event_kind kind)
{
    struct wend_discovery_event event;
    uint32_t count = 0;

    while (wend_discovery_next_event(d, &event))
        count += event.kind == kind;
    return count;
}

// In the middle of a run: its sockets are closed, its answers are nobody's.
static void test_broken_off(void **state)
{
    static const uint8_t random[WEND_DISCOVERY_RANDOM_LEN] = {9};
    struct wend_discovery *d = &world.discovery;
    struct wend_discovery_datagram out;

    (void)state;
    world_init(&world, &cone, 3);
    wend_discovery_restart(d, random, &world.local[0], WORLD_T0);
    wend_discovery_forget(d);
    assert_int_equal(count_events(d, WEND_DISCOVERY_CLOSE_SOCKET), 0); // none was opened
    wend_discovery_restart(d, random, &world.local[0], WORLD_T0);
    open_all(d, WORLD_T0);
    assert_true(wend_discovery_next_datagram(d, &out));
    wend_discovery_forget(d);
    assert_false(wend_discovery_next_datagram(d, &out));
    assert_int_equal(count_events(d, WEND_DISCOVERY_CLOSE_SOCKET), 6);
    wend_discovery_restart(d, random, &world.local[0], WORLD_T0);
    open_all(d, WORLD_T0);
    wend_discovery_restart(d, random, &world.local[0], WORLD_T0 + 1);
    assert_false(wend_discovery_next_datagram(d, &out));
    assert_int_equal(count_events(d, WEND_DISCOVERY_CLOSE_SOCKET), 6);
}

// Addresses drawn from a pool for each mapping: never called paired, mostly called arbitrary.
static void test_pools(void **state)
{
    uint32_t arbitrary[2] = {0};

    (void)state;
    for (uint64_t seed = 1; seed <= 2000; seed++) {
        struct emulator_kind k = seed % 2 ? symmetric : cone;
        k.pool = seed % 4 < 2 ? 2 : 4;
        const struct wend_nat_model *m = run(&k, seed, LIE_NONE, LIE_NONE);
        assert_int_not_equal(m->paired, WEND_NAT_YES);
        arbitrary[k.pool == 4] += m->paired == WEND_NAT_NO;
    }
    print_message("arbitrary pooling seen: %u of 1000 with 2 addresses, %u with 4\n", arbitrary[0],
                  arbitrary[1]);
    assert_true(arbitrary[0] >= 960);
    assert_true(arbitrary[1] >= 995);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_idle),
        cmocka_unit_test(test_requests),
        cmocka_unit_test(test_silence),
        cmocka_unit_test(test_first_server_silent),
        cmocka_unit_test(test_lies),
        cmocka_unit_test(test_lies_are_counted),
        cmocka_unit_test(test_plain_servers),
        cmocka_unit_test(test_two_ports_in_all),
        cmocka_unit_test(test_one_or_no_server),
        cmocka_unit_test(test_no_sockets),
        cmocka_unit_test(test_nonsense),
        cmocka_unit_test(test_freshness),
        cmocka_unit_test(test_broken_off),
        cmocka_unit_test(test_pools),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
