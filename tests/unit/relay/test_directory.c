// SPDX-License-Identifier: MIT
// Subscribe and Notify: who hears of which change, once, in order, and again when it was lost.
#include "world.h"

#define CROWD 40

static struct wend_position position_of(const struct client *c)
{
    struct wend_position p = {0};
    (void)wend_attribute_position(c->a.position, &p);
    return p;
}

static unsigned count_entries(const struct client *c, unsigned *ret_chains)
{
    struct wend_bytes rest = c->a.all, entry;
    struct wend_attributes a;
    unsigned count = 0;
    while (wend_attribute_next(&rest, WEND_ATTRIBUTE_ENTRY, &entry)) {
        assert_int_equal(wend_attributes_parse(entry, &a), 0);
        assert_non_null(a.peer.at);
        count++;
        if (ret_chains != NULL)
            *ret_chains += a.membership.at != NULL;
    }
    return count;
}

// Subscribes until there is no more; returns how many entries were told.
static unsigned subscribe_all(struct client *c, struct wend_position *at, unsigned *ret_chains)
{
    unsigned count = 0;
    for (int pages = 0; pages < 1000; pages++) {
        assert_int_equal(client_subscribe(c, *at), 0);
        count += count_entries(c, ret_chains);
        *at = position_of(c);
        if (!c->a.more)
            return count;
    }
    fail();
    return 0;
}

static void up_many(struct client *clients, uint32_t count, struct world *w, const struct net *n)
{
    char name[16];
    for (uint32_t i = 0; i < count; i++) {
        client_init(&clients[i], w, 1 + i);
        snprintf(name, sizeof name, "d%u", i);
        client_up(&clients[i], n, name);
    }
}

static void a_crowd_is_told_in_pages(void **state)
{
    static struct client clients[CROWD];
    struct world w;
    struct net home;
    struct wend_position at = {0};
    unsigned chains = 0;
    (void)state;
    world_open(&w, NULL);
    net_load(&home, &w, 1);
    up_many(clients, CROWD, &w, &home);
    assert_int_equal(subscribe_all(&clients[0], &at, &chains), CROWD);
    assert_int_equal(chains, CROWD);
    chains = 0;
    at = (struct wend_position){0}; // the last answer was lost: all of it again
    assert_int_equal(subscribe_all(&clients[0], &at, &chains), CROWD);
    assert_int_equal(chains, CROWD);
    assert_int_equal(subscribe_all(&clients[0], &at, &chains), 0);
    // Only what changed is told again, and without the chain that is known.
    assert_int_equal(client_ask(&clients[7], WEND_CONTROL_RELEASE, (struct wend_bytes){0}), 0);
    chains = 0;
    assert_int_equal(subscribe_all(&clients[0], &at, &chains), 1);
    assert_int_equal(chains, 0);
    // Another epoch means: from the start.
    struct wend_position foreign = {.epoch = at.epoch + 1, .serial = at.serial};
    assert_int_equal(subscribe_all(&clients[0], &foreign, &chains), CROWD);
    assert_int_equal(foreign.serial, at.serial);
    world_close(&w);
}

// A member that moves to the end while a newcomer reads is told with its chain all the same.
static void a_change_between_pages_hides_nobody(void **state)
{
    static struct client clients[CROWD];
    static uint8_t proven[CROWD];
    struct world w;
    struct net home;
    struct wend_position at = {0};
    (void)state;
    memset(proven, 0, sizeof proven);
    world_open(&w, NULL);
    net_load(&home, &w, 1);
    up_many(clients, CROWD, &w, &home);
    for (uint32_t page = 0; page < 1000; page++) {
        struct wend_bytes rest, entry;
        struct wend_attributes a;
        assert_int_equal(client_subscribe(&clients[0], at), 0);
        rest = clients[0].a.all;
        while (wend_attribute_next(&rest, WEND_ATTRIBUTE_ENTRY, &entry)) {
            assert_int_equal(wend_attributes_parse(entry, &a), 0);
            for (uint32_t i = 0; i < CROWD; i++)
                if (memcmp(a.peer.at, clients[i].identity.public_key, 32) == 0)
                    proven[i] |= a.membership.at != NULL;
        }
        at = position_of(&clients[0]);
        if (!clients[0].a.more)
            break;
        if (page < 20) { // somebody at the far end, somebody told already
            clients[CROWD - 1 - page].epoch++;
            assert_int_equal(client_register(&clients[CROWD - 1 - page], &home), 0);
            clients[1].epoch++;
            assert_int_equal(client_register(&clients[1], &home), 0);
        }
        world_wait(&w, WEND_MS(50));
    }
    for (uint32_t i = 0; i < CROWD; i++)
        assert_int_equal(proven[i], 1);
    world_close(&w);
}

static void a_change_is_notified_until_it_is_answered(void **state)
{
    struct world w;
    struct client a, b;
    struct net home;
    struct wend_position at = {0}, from, to;
    unsigned heard = 0;
    uint8_t memory[32];
    (void)state;
    world_open(&w, NULL);
    net_load(&home, &w, 1);
    client_init(&a, &w, 1);
    client_up(&a, &home, "a");
    (void)subscribe_all(&a, &at, NULL);
    client_init(&b, &w, 2);
    client_up(&b, &home, "b");
    world_wait(&w, WEND_S(5));
    while (client_hear(&a)) {
        assert_int_equal(a.message.type, WEND_CONTROL_NOTIFY);
        heard++;
    }
    assert_int_equal(heard, 8);
    assert_true(wend_attribute_position(a.a.position, &from));
    assert_true(wend_attribute_position(a.a.position_to, &to));
    assert_int_equal(from.serial, at.serial);
    assert_int_equal(from.epoch, at.epoch);
    assert_int_equal(count_entries(&a, NULL), 1);
    assert_int_equal(client_ask(&a, WEND_CONTROL_KEEPALIVE, (struct wend_bytes){0}), 0);
    assert_int_equal(position_of(&a).serial, to.serial); // then Keepalive tells
    (void)subscribe_all(&a, &at, NULL);
    // An answered one is not repeated.
    assert_int_equal(client_ask(&b, WEND_CONTROL_RELEASE, (struct wend_bytes){0}), 0);
    world_wait(&w, WEND_MS(150));
    assert_true(client_hear(&a));
    assert_true(wend_attribute_position(a.a.position_to, &to));
    struct wend_writer out = wend_writer_of(memory, sizeof memory);
    wend_attribute_put_position(&out, to);
    const struct wend_control request = a.message;
    client_respond(&a, &request, (struct wend_bytes){memory, out.len});
    world_wait(&w, WEND_S(5));
    assert_false(client_hear(&a));
    world_close(&w);
}

static void nobody_is_told_of_itself(void **state)
{
    struct world w;
    struct client a;
    struct net home;
    struct wend_position at = {0};
    (void)state;
    world_open(&w, NULL);
    net_load(&home, &w, 1);
    client_init(&a, &w, 1);
    client_up(&a, &home, "a");
    (void)subscribe_all(&a, &at, NULL);
    a.epoch++;
    assert_int_equal(client_register(&a, &home), 0);
    world_wait(&w, WEND_S(3));
    assert_false(client_hear(&a));
    world_close(&w);
}

static void networks_are_apart(void **state)
{
    struct world w;
    struct client a, b;
    struct net home, work;
    struct wend_position at = {0};
    (void)state;
    world_open(&w, NULL);
    net_load(&home, &w, 1);
    net_load(&work, &w, 2);
    client_init(&a, &w, 1);
    client_up(&a, &home, "a");
    client_init(&b, &w, 2);
    client_up(&b, &work, "a"); // the same name is free there
    assert_int_equal(subscribe_all(&a, &at, NULL), 1);
    world_wait(&w, WEND_S(3));
    assert_false(client_hear(&a));
    assert_int_equal(client_register(&b, &home), WEND_ERROR_FOREIGN);
    world_close(&w);
}

static void silence_means_offline(void **state)
{
    struct world w;
    struct client a, b;
    struct net home;
    struct wend_position at = {0};
    struct wend_bytes rest, entry;
    struct wend_attributes e;
    (void)state;
    world_open(&w, NULL);
    net_load(&home, &w, 1);
    client_init(&a, &w, 1);
    client_up(&a, &home, "a");
    client_init(&b, &w, 2);
    b.way.transport = WEND_TRANSPORT_TCP;
    b.way.stream = 9;
    client_up(&b, &home, "b");
    (void)subscribe_all(&b, &at, NULL);
    world_wait(&w, WEND_S(101));
    assert_int_equal(world_counts(&w).online, 1);
    assert_true(client_hear(&b));
    rest = b.a.all;
    assert_true(wend_attribute_next(&rest, WEND_ATTRIBUTE_ENTRY, &entry));
    assert_int_equal(wend_attributes_parse(entry, &e), 0);
    assert_memory_equal(e.peer.at, a.identity.public_key, 32);
    assert_int_equal(wend_attribute_u8(e.status), WEND_STATUS_OFFLINE);
    // Heard again, it is online.
    assert_int_equal(client_ask(&a, WEND_CONTROL_KEEPALIVE, (struct wend_bytes){0}), 0);
    assert_int_equal(world_counts(&w).online, 2);
    // A stream that closes is enough.
    assert_true(wend_relay_stream_is_registered(w.relay, 9));
    wend_relay_stream_closed(w.relay, 9, w.now);
    assert_int_equal(world_counts(&w).online, 1);
    assert_false(wend_relay_stream_is_registered(w.relay, 9));
    world_wait(&w, WEND_S(24 * 3600));
    assert_int_equal(world_counts(&w).clients, 0);
    world_close(&w);
}

static void a_new_place_is_taken_by_resume_alone(void **state)
{
    struct world w;
    struct client a;
    struct net home;
    struct kept k;
    struct wend_hint hint;
    struct wend_address seen;
    (void)state;
    world_open(&w, NULL);
    net_load(&home, &w, 1);
    client_init(&a, &w, 1);
    client_up(&a, &home, "a");
    const struct wend_datagram before = a.way;
    a.way.remote = wend_address_ipv4(0x0a090909, 4001);
    assert_int_equal(client_ask(&a, WEND_CONTROL_KEEPALIVE, (struct wend_bytes){0}), 0);
    assert_true(world_take(&w, &a.way, &k));
    assert_int_equal(wend_hint_read(k.d.bytes, &hint), 0);
    assert_int_equal(hint.kind, WEND_HINT_UNKNOWN_SOURCE);
    assert_int_equal(client_ask(&a, WEND_CONTROL_RESUME, (struct wend_bytes){0}), 0);
    assert_true(wend_attribute_address(a.a.address, &seen));
    assert_true(wend_address_equal(&seen, &a.way.remote));
    assert_int_equal(client_ask(&a, WEND_CONTROL_KEEPALIVE, (struct wend_bytes){0}), 0);
    assert_false(world_take(&w, &a.way, &k));
    assert_false(world_take(&w, &before, &k));
    world_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_crowd_is_told_in_pages),
        cmocka_unit_test(a_change_between_pages_hides_nobody),
        cmocka_unit_test(a_change_is_notified_until_it_is_answered),
        cmocka_unit_test(nobody_is_told_of_itself),
        cmocka_unit_test(networks_are_apart),
        cmocka_unit_test(silence_means_offline),
        cmocka_unit_test(a_new_place_is_taken_by_resume_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
