// SPDX-License-Identifier: MIT
// Sessions with the server: handshakes, cookies, hints, and what a stranger may cost.
#include "world.h"

static struct wend_bytes initiation_of(const struct client *c)
{
    return (struct wend_bytes){c->initiation, c->initiation_len};
}

static void a_repeated_initiation_has_the_same_answer(void **state)
{
    struct world w;
    struct client c;
    struct kept first, second;
    (void)state;
    world_open(&w, NULL);
    client_init(&c, &w, 1);
    client_make_initiation(&c, NULL);
    assert_int_equal(client_send(&c, initiation_of(&c)), WEND_DROP_NONE);
    assert_true(world_take(&w, &c.way, &first));
    c.way.transport = WEND_TRANSPORT_TCP; // the same bytes by another transport
    c.way.stream = 5;
    assert_int_equal(client_send(&c, initiation_of(&c)), WEND_DROP_NONE);
    assert_true(world_take(&w, &c.way, &second));
    assert_true(wend_bytes_equal(first.d.bytes, second.d.bytes));
    assert_int_equal(world_counts(&w).handshakes, 1);
    assert_int_equal(world_counts(&w).handshake_repeats, 1);
    world_close(&w);
}

static void an_older_label_is_stale(void **state)
{
    struct world w;
    struct client c;
    (void)state;
    world_open(&w, NULL);
    client_init(&c, &w, 1);
    client_make_initiation(&c, NULL);
    uint8_t old[WEND_INITIATION_MAX];
    const size_t old_len = c.initiation_len;
    memcpy(old, c.initiation, old_len);
    client_connect(&c);
    assert_int_equal(client_send(&c, (struct wend_bytes){old, old_len}), WEND_DROP_STALE_TIMESTAMP);
    assert_int_equal(client_ask(&c, WEND_CONTROL_KEEPALIVE, (struct wend_bytes){0}),
                     WEND_ERROR_NOT_REGISTERED);
    world_close(&w);
}

static void forged_bytes_are_dropped_and_counted(void **state)
{
    struct world w;
    struct client c;
    (void)state;
    world_open(&w, NULL);
    client_init(&c, &w, 1);
    client_make_initiation(&c, NULL);
    c.initiation[c.initiation_len - 40] ^= 1; // sealed payload: mac1 no longer fits
    assert_int_equal(client_send(&c, initiation_of(&c)), WEND_DROP_BAD_MAC);
    const uint8_t cookie_reply[64] = {3};
    assert_int_equal(client_send(&c, WEND_BYTES(cookie_reply)), WEND_DROP_UNKNOWN_TYPE);
    const uint8_t frame[16] = {8};
    assert_int_equal(client_send(&c, WEND_BYTES(frame)), WEND_DROP_UNKNOWN_TYPE);
    assert_int_equal(w.kept_count, 0);
    assert_int_equal(world_counts(&w).drops.count[WEND_DROP_BAD_MAC], 1);
    world_close(&w);
}

static void a_source_over_its_rate_needs_a_cookie(void **state)
{
    struct world w;
    struct client c;
    struct kept k;
    struct wend_cookie_jar jar = {.has_mac1 = false};
    (void)state;
    world_open(&w, NULL);
    for (uint32_t i = 0; i < 100; i++) {
        client_init(&c, &w, 1000 + i);
        c.way.remote = wend_address_ipv4(0x0a000000 + i, 4000); // one /24
        client_connect(&c);
    }
    client_init(&c, &w, 1);
    c.way.remote = wend_address_ipv4(0x0a0000ff, 4000);
    client_make_initiation(&c, NULL);
    assert_int_equal(client_send(&c, initiation_of(&c)), WEND_DROP_UNDER_LOAD);
    assert_true(world_take(&w, &c.way, &k));
    assert_int_equal(k.d.bytes.len, WEND_MESSAGE_COOKIE_LEN);
    assert_true(k.d.bytes.len < c.initiation_len);
    wend_cookie_sent(&jar, initiation_of(&c));
    assert_int_equal(wend_cookie_consume(&jar, &c.server, k.d.bytes, w.now), WEND_DROP_NONE);
    client_make_initiation(&c, wend_cookie_current(&jar, w.now));
    assert_int_equal(client_send(&c, initiation_of(&c)), WEND_DROP_NONE);
    assert_true(client_take_response(&c));
    // The cookie is good for its source alone.
    client_make_initiation(&c, wend_cookie_current(&jar, w.now));
    c.way.remote = wend_address_ipv4(0x0a0000fe, 4000);
    assert_int_equal(client_send(&c, initiation_of(&c)), WEND_DROP_UNDER_LOAD);
    world_close(&w);
}

static void all_sources_together_need_cookies_above_500(void **state)
{
    struct world w;
    struct client c;
    unsigned cookies = 0;
    (void)state;
    world_open(&w, NULL);
    for (uint32_t i = 0; i < 510; i++) {
        client_init(&c, &w, 1 + i); // each in a /24 of its own
        client_make_initiation(&c, NULL);
        cookies += client_send(&c, initiation_of(&c)) == WEND_DROP_UNDER_LOAD;
    }
    assert_int_equal(cookies, 10);
    assert_int_equal(world_counts(&w).cookies, 10);
    world_close(&w);
}

static void an_unknown_session_draws_a_hint(void **state)
{
    struct world w;
    struct client c;
    struct kept k;
    struct wend_hint hint;
    (void)state;
    world_open(&w, NULL);
    client_init(&c, &w, 1);
    uint8_t data[32] = {4, 0, 0, 0, 0xaa, 0xbb, 0xcc, 0xdd};
    assert_int_equal(client_send(&c, WEND_BYTES(data)), WEND_DROP_NO_SESSION);
    assert_true(world_take(&w, &c.way, &k));
    assert_int_equal(wend_hint_read(k.d.bytes, &hint), 0);
    assert_int_equal(hint.kind, WEND_HINT_UNKNOWN_SESSION);
    assert_memory_equal(hint.echo, data + 4, 4);
    for (int i = 0; i < 50; i++)
        client_send(&c, WEND_BYTES(data));
    assert_int_equal(w.kept_count, 9); // ten a second to one address
    for (uint32_t i = 0; i < 2000; i++) {
        c.way.remote = wend_address_ipv4(0x0b000000 + i, 1);
        client_send(&c, WEND_BYTES(data));
    }
    assert_int_equal(world_counts(&w).hints, 1000); // a thousand in all
    world_close(&w);
}

static void requests_that_make_no_sense_are_told_so(void **state)
{
    struct world w;
    struct client c;
    (void)state;
    world_open(&w, NULL);
    client_init(&c, &w, 1);
    client_connect(&c);
    assert_int_equal(client_ask(&c, 0x0777, (struct wend_bytes){0}), WEND_ERROR_UNKNOWN_MESSAGE);
    assert_int_equal(client_ask(&c, 0x8777, (struct wend_bytes){0}), 0xffff); // may be skipped
    const uint8_t unknown[4] = {0x07, 0x77, 0, 0}, broken[4] = {0, 1, 0, 9};
    assert_int_equal(client_ask(&c, WEND_CONTROL_JOIN, WEND_BYTES(unknown)),
                     WEND_ERROR_UNKNOWN_ATTRIBUTE);
    assert_int_equal(client_ask(&c, WEND_CONTROL_JOIN, WEND_BYTES(broken)), WEND_ERROR_MALFORMED);
    assert_int_equal(client_ask(&c, WEND_CONTROL_JOIN, (struct wend_bytes){0}),
                     WEND_ERROR_MALFORMED);
    assert_int_equal(client_ask(&c, WEND_CONTROL_SUBSCRIBE, (struct wend_bytes){0}),
                     WEND_ERROR_NOT_REGISTERED);
    world_close(&w);
}

static void a_client_has_two_hundred_requests_at_once(void **state)
{
    struct world w;
    struct client c;
    unsigned refused = 0;
    (void)state;
    world_open(&w, NULL);
    client_init(&c, &w, 1);
    client_connect(&c);
    for (int i = 0; i < 250; i++)
        refused +=
            client_ask(&c, WEND_CONTROL_RELEASE, (struct wend_bytes){0}) == WEND_ERROR_TOO_MANY;
    assert_int_equal(refused, 50);
    world_wait(&w, WEND_S(1));
    for (int i = 0; i < 60; i++)
        refused +=
            client_ask(&c, WEND_CONTROL_RELEASE, (struct wend_bytes){0}) == WEND_ERROR_TOO_MANY;
    assert_int_equal(refused, 60);
    world_close(&w);
}

// New keys take over when the client uses them, and until then and a little longer the old ones
// work.
static void keys_turn_over(void **state)
{
    struct world w;
    struct client c;
    (void)state;
    world_open(&w, NULL);
    client_init(&c, &w, 1);
    client_connect(&c);
    assert_int_equal(client_ask(&c, WEND_CONTROL_RELEASE, (struct wend_bytes){0}), 0);
    const struct wend_box old = c.box;
    client_connect(&c);
    struct wend_box fresh = c.box;
    c.box = old;
    assert_int_equal(client_ask(&c, WEND_CONTROL_RELEASE, (struct wend_bytes){0}), 0);
    struct wend_box used = c.box;
    c.box = fresh;
    assert_int_equal(client_ask(&c, WEND_CONTROL_RELEASE, (struct wend_bytes){0}), 0);
    fresh = c.box;
    c.box = used;
    assert_int_equal(client_ask(&c, WEND_CONTROL_RELEASE, (struct wend_bytes){0}), 0);
    c.box = fresh;
    client_connect(&c); // the third pair displaces the oldest
    assert_int_equal(client_ask(&c, WEND_CONTROL_RELEASE, (struct wend_bytes){0}), 0);
    assert_int_equal(world_counts(&w).clients, 1);
    world_close(&w);
}

static void a_replayed_message_changes_nothing(void **state)
{
    struct world w;
    struct client c;
    uint8_t memory[256];
    (void)state;
    world_open(&w, NULL);
    client_init(&c, &w, 1);
    client_connect(&c);
    struct wend_writer out = wend_writer_of(memory, sizeof memory);
    assert_int_equal(wend_box_seal(&c.box, (struct wend_bytes){0}, &out), 0);
    assert_int_equal(client_send(&c, (struct wend_bytes){memory, out.len}), WEND_DROP_NONE);
    assert_int_equal(client_send(&c, (struct wend_bytes){memory, out.len}), WEND_DROP_REPLAYED);
    memory[20] ^= 1;
    memory[8] = 77;
    assert_int_equal(client_send(&c, (struct wend_bytes){memory, out.len}),
                     WEND_DROP_DECRYPT_FAILED);
    world_close(&w);
}

static void strangers_are_forgotten(void **state)
{
    struct world w;
    struct client c;
    const struct wend_relay_config small = {.clients_max = 8, .members_max = 64};
    (void)state;
    world_open(&w, &small);
    for (uint32_t i = 1; i <= 20; i++) { // more than there is room for: the oldest give way
        client_init(&c, &w, i);
        client_connect(&c);
    }
    assert_int_equal(world_counts(&w).clients, 8);
    assert_int_equal(client_ask(&c, WEND_CONTROL_RELEASE, (struct wend_bytes){0}), 0);
    world_wait(&w, WEND_S(91));
    assert_int_equal(world_counts(&w).clients, 0);
    world_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_repeated_initiation_has_the_same_answer),
        cmocka_unit_test(an_older_label_is_stale),
        cmocka_unit_test(forged_bytes_are_dropped_and_counted),
        cmocka_unit_test(a_source_over_its_rate_needs_a_cookie),
        cmocka_unit_test(all_sources_together_need_cookies_above_500),
        cmocka_unit_test(an_unknown_session_draws_a_hint),
        cmocka_unit_test(requests_that_make_no_sense_are_told_so),
        cmocka_unit_test(a_client_has_two_hundred_requests_at_once),
        cmocka_unit_test(keys_turn_over),
        cmocka_unit_test(a_replayed_message_changes_nothing),
        cmocka_unit_test(strangers_are_forgotten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
