// SPDX-License-Identifier: MIT
// The first look at STUN servers: repetition, delays, answers judged, and where discovery then
// asks.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "io/netcheck_look.h"
#include "wire/stun.h"

static const uint8_t random_bytes[WEND_LOOK_RANDOM_LEN] = {9, 8, 7, 6, 5, 4, 3, 2, 1, 0, 200, 100};

static struct wend_address parse(const char *text)
{
    struct wend_address a;
    assert_int_equal(wend_address_parse(text, 0, &a), 0);
    return a;
}

static struct wend_look look_at(const char *one, const char *two)
{
    struct wend_address servers[2] = {parse(one)};
    struct wend_look l;
    if (two != NULL)
        servers[1] = parse(two);
    wend_look_init(&l, servers, two != NULL ? 2 : 1, random_bytes);
    return l;
}

// The request for `to` that is due now; copies its transaction.
static void expect_request(struct wend_look *l, const char *to, uint8_t ret_id[static 12])
{
    const struct wend_address want = parse(to);
    struct wend_datagram d;
    struct wend_stun m;
    assert_true(wend_look_next_datagram(l, &d));
    assert_true(wend_address_equal(&d.remote, &want));
    assert_int_equal(d.bytes.len, WEND_LOOK_REQUEST_LEN);
    assert_int_equal(wend_stun_read(d.bytes, &m), 0);
    assert_int_equal(m.class, WEND_STUN_REQUEST);
    assert_int_equal(m.unknown_count, 0);
    memcpy(ret_id, m.transaction, 12);
}

struct answer {
    const char *from, *mapped, *other; // NULL: without
    uint8_t class;
    bool old; // MAPPED-ADDRESS
};

static int give(struct wend_look *l, const uint8_t id[static 12], const struct answer *a,
                wend_instant now)
{
    struct wend_stun_header header = {.method = WEND_STUN_METHOD_BINDING, .class = a->class};
    uint8_t bytes[128];
    struct wend_stun_writer w;
    memcpy(header.transaction, id, 12);
    wend_stun_begin(&w, bytes, sizeof bytes, &header);
    if (a->mapped != NULL) {
        const struct wend_address mapped = parse(a->mapped);
        if (a->old)
            wend_stun_put_address(&w, WEND_STUN_MAPPED_ADDRESS, &mapped);
        else
            wend_stun_put_xor_address(&w, WEND_STUN_XOR_MAPPED_ADDRESS, &mapped);
    }
    if (a->other != NULL) {
        const struct wend_address other = parse(a->other);
        wend_stun_put_address(&w, WEND_STUN_OTHER_ADDRESS, &other);
    }
    if (a->class == WEND_STUN_ERROR)
        wend_stun_put_error(&w, 420, (struct wend_bytes){0});
    const struct wend_datagram in = {.transport = WEND_TRANSPORT_UDP,
                                     .remote = parse(a->from),
                                     .bytes = {bytes, wend_stun_finish(&w)}};
    return wend_look_receive(l, &in, now);
}

#define ONE "198.51.100.1:3478"
#define TWO "192.0.2.7:3478"
#define US  "203.0.113.9:40000"

static const struct answer full = {ONE, US, "192.0.2.1:3479", WEND_STUN_SUCCESS, false};
static const struct answer plain = {ONE, US, NULL, WEND_STUN_SUCCESS, false};

static void test_repeats_then_ends(void **state)
{
    (void)state;
    struct wend_look l = look_at(ONE, NULL);
    uint8_t id[12];
    struct wend_datagram none;
    for (int i = 0; i < 3; i++) {
        assert_int_equal(wend_look_deadline(&l), i * WEND_MS(500));
        wend_look_expire(&l, i * WEND_MS(500));
        expect_request(&l, ONE, id);
        assert_false(wend_look_next_datagram(&l, &none));
    }
    wend_look_expire(&l, WEND_MS(1500));
    assert_false(wend_look_next_datagram(&l, &none));
    assert_int_equal(wend_look_deadline(&l), WEND_NEVER);
    assert_false(wend_look_is_answered(&l));
}

static void test_delay_is_of_the_request_answered(void **state)
{
    (void)state;
    struct wend_look l = look_at(ONE, NULL);
    uint8_t first[12], second[12];
    wend_look_expire(&l, 0);
    expect_request(&l, ONE, first);
    wend_look_expire(&l, WEND_MS(500));
    expect_request(&l, ONE, second);
    assert_memory_not_equal(first, second, 12);
    assert_int_equal(give(&l, first, &full, WEND_MS(520)), 0);
    assert_int_equal(l.servers[0].delay, WEND_MS(520));
    assert_int_equal(give(&l, second, &full, WEND_MS(530)), 0); // changes nothing
    assert_int_equal(l.servers[0].delay, WEND_MS(520));
    assert_int_equal(wend_look_deadline(&l), WEND_NEVER);
}

static void test_four_places_of_a_full_server(void **state)
{
    (void)state;
    struct wend_look l = look_at(TWO, ONE);
    struct wend_address targets[WEND_LOOK_SERVERS_MAX];
    uint8_t one[12], two[12];
    static const char *const want[] = {ONE, "198.51.100.1:3479", "192.0.2.1:3478", "192.0.2.1:3479",
                                       TWO};
    wend_look_expire(&l, 0);
    expect_request(&l, TWO, two);
    expect_request(&l, ONE, one);
    assert_int_equal(
        give(&l, two, &(struct answer){TWO, US, NULL, WEND_STUN_SUCCESS, true}, WEND_MS(5)), 0);
    assert_int_equal(give(&l, one, &full, WEND_MS(7)), 0);
    assert_int_equal(wend_look_targets(&l, targets), 5);
    for (size_t i = 0; i < 5; i++) {
        const struct wend_address a = parse(want[i]);
        assert_true(wend_address_equal(&targets[i], &a));
    }
}

static void test_targets_of_those_that_answer(void **state)
{
    (void)state;
    struct wend_look l = look_at(TWO, ONE);
    struct wend_address targets[WEND_LOOK_SERVERS_MAX];
    uint8_t one[12], two[12];
    assert_int_equal(wend_look_targets(&l, targets), 2); // nobody has answered: all
    wend_look_expire(&l, 0);
    expect_request(&l, TWO, two);
    expect_request(&l, ONE, one);
    assert_int_equal(give(&l, one, &plain, WEND_MS(7)), 0);
    assert_int_equal(wend_look_targets(&l, targets), 1);
    assert_true(wend_address_equal(&targets[0], &l.servers[1].address));
}

static void test_one_family(void **state)
{
    (void)state;
    struct wend_look l = look_at("[2001:db8::1]:3478", ONE);
    struct wend_address targets[WEND_LOOK_SERVERS_MAX];
    uint8_t id[12];
    wend_look_expire(&l, 0);
    expect_request(&l, "[2001:db8::1]:3478", id);
    expect_request(&l, ONE, id);
    assert_int_equal(wend_look_targets(&l, targets), 1);
    assert_int_equal(targets[0].family, WEND_FAMILY_IPV6);
    assert_int_equal(give(&l, id, &plain, WEND_MS(1)), 0);
    assert_int_equal(wend_look_targets(&l, targets), 1);
    assert_int_equal(targets[0].family, WEND_FAMILY_IPV4);
}

static void test_other_address_that_is_none(void **state)
{
    (void)state;
    // The same address, the same port, another family, nobody's address.
    static const char *const others[] = {"198.51.100.1:3479", "192.0.2.1:3478",
                                         "[2001:db8::2]:3479", "127.0.0.1:3479", "192.0.2.1:0"};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        struct wend_look l = look_at(ONE, NULL);
        struct answer a = full;
        uint8_t id[12];
        a.other = others[i];
        wend_look_expire(&l, 0);
        expect_request(&l, ONE, id);
        assert_int_equal(give(&l, id, &a, 1), 0);
        assert_int_equal(l.servers[0].other.family, WEND_FAMILY_NONE);
        assert_int_equal(l.servers[0].mapped.port, 40000);
    }
}

static void test_nonsense(void **state)
{
    (void)state;
    struct wend_look l = look_at(ONE, NULL);
    struct answer a = full;
    uint8_t id[12], wrong[12];
    const struct wend_datagram empty = {.remote = parse(ONE), .bytes = {id, 0}};
    wend_look_expire(&l, 0);
    expect_request(&l, ONE, id);
    assert_int_equal(wend_look_receive(&l, &empty, 1), -EBADMSG);
    for (size_t i = 0; i < 12; i++) {
        memcpy(wrong, id, 12);
        wrong[i] ^= 0x11;
        assert_int_equal(give(&l, wrong, &full, 1), -ESTALE);
    }
    a.from = TWO;
    assert_int_equal(give(&l, id, &a, 1), -ESTALE);
    a = full;
    a.class = WEND_STUN_REQUEST;
    assert_int_equal(give(&l, id, &a, 1), -ESTALE);
    assert_false(wend_look_is_answered(&l));
}

static void test_refusal_is_an_answer(void **state)
{
    (void)state;
    static const struct answer answers[] = {{ONE, NULL, NULL, WEND_STUN_ERROR, false},
                                            {ONE, NULL, NULL, WEND_STUN_SUCCESS, false}};
    for (size_t i = 0; i < 2; i++) {
        struct wend_look l = look_at(ONE, NULL);
        uint8_t id[12];
        wend_look_expire(&l, 0);
        expect_request(&l, ONE, id);
        assert_int_equal(give(&l, id, &answers[i], WEND_MS(3)), 0);
        assert_true(l.servers[0].refused);
        assert_true(wend_look_is_answered(&l));
        assert_int_equal(wend_look_deadline(&l), WEND_NEVER);
    }
}

static void test_too_many(void **state)
{
    (void)state;
    struct wend_address servers[WEND_LOOK_SERVERS_MAX + 3];
    struct wend_address targets[WEND_LOOK_SERVERS_MAX];
    struct wend_look l;
    for (size_t i = 0; i < WEND_LOOK_SERVERS_MAX + 3; i++)
        servers[i] = wend_address_ipv4(0xC6336401u + (uint32_t)i, 3478);
    wend_look_init(&l, servers, WEND_LOOK_SERVERS_MAX + 3, random_bytes);
    assert_int_equal(l.count, WEND_LOOK_SERVERS_MAX);
    assert_int_equal(wend_look_targets(&l, targets), WEND_LOOK_SERVERS_MAX);
    wend_look_init(&l, servers, 0, random_bytes);
    assert_int_equal(wend_look_targets(&l, targets), 0);
    assert_int_equal(wend_look_deadline(&l), WEND_NEVER);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_repeats_then_ends),
        cmocka_unit_test(test_delay_is_of_the_request_answered),
        cmocka_unit_test(test_four_places_of_a_full_server),
        cmocka_unit_test(test_targets_of_those_that_answer),
        cmocka_unit_test(test_one_family),
        cmocka_unit_test(test_other_address_that_is_none),
        cmocka_unit_test(test_nonsense),
        cmocka_unit_test(test_refusal_is_an_answer),
        cmocka_unit_test(test_too_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
