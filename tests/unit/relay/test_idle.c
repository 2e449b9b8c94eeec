// SPDX-License-Identifier: MIT
// Keepalives that ask for news only, and how long a silent client counts as there.
#include "relay/relay_state.h"
#include "world.h"

struct pair {
    struct world w;
    struct net n;
    struct client a, b;
};

static void pair_open(struct pair *p)
{
    const struct wend_relay_config small = {
        .clients_max = 8, .networks_max = 2, .members_max = 8, .channels_max = 8};
    world_open(&p->w, &small);
    net_load(&p->n, &p->w, 1);
    client_init(&p->a, &p->w, 1);
    client_init(&p->b, &p->w, 2);
    client_up(&p->a, &p->n, "laptop");
    client_up(&p->b, &p->n, "phone");
}

// What a Keepalive says beside NEWS_ONLY; zero: left out.
struct said {
    bool address, position, serials, plain;
    uint32_t interval;
    int off; // 1: another address, 2: another position, 3: serials
};

static uint16_t keep_alive(struct client *c, const struct said *said)
{
    const struct wend_relay *r = c->world->relay;
    const struct wend_relay_network *n = wend_relay_network_at(r, 1);
    struct wend_position position = wend_relay_position(n);
    struct wend_address address = c->way.remote;
    uint8_t memory[128];
    struct wend_writer w = wend_writer_of(memory, sizeof memory);

    address.port = (uint16_t)(address.port + (said->off == 1));
    position.serial -= said->off == 2;
    if (said->address)
        wend_attribute_put_address(&w, &address);
    if (said->position)
        wend_attribute_put_position(&w, position);
    if (said->serials) {
        wend_attribute_put_u64(&w, WEND_ATTRIBUTE_REVOCATION_SERIAL, n->revocations.serial);
        wend_attribute_put_u64(&w, WEND_ATTRIBUTE_NETWORK_SERIAL,
                               n->record.serial - (said->off == 3));
    }
    if (said->interval != 0)
        wend_attribute_put_u32(&w, WEND_ATTRIBUTE_LIFETIME, said->interval);
    if (!said->plain)
        wend_attribute_put_flag(&w, WEND_ATTRIBUTE_NEWS_ONLY);
    return client_ask(c, WEND_CONTROL_KEEPALIVE, (struct wend_bytes){memory, w.len});
}

static void only_news_is_answered(void **state)
{
    (void)state;
    static struct pair p;
    pair_open(&p);
    const struct said all = {.address = true, .position = true, .serials = true};
    assert_int_equal(keep_alive(&p.a, &all), 0xffff);
    assert_int_equal(world_counts(&p.w).quiet_keepalives, 1);
    struct said s = all;
    s.plain = true;
    assert_int_equal(keep_alive(&p.a, &s), 0);
    for (int off = 1; off <= 3; off++) {
        s = all;
        s.off = off;
        assert_int_equal(keep_alive(&p.a, &s), 0);
        assert_non_null(p.a.a.position.at);
    }
    const struct said parts[] = {
        {.position = true, .serials = true},
        {.address = true, .serials = true},
        {.address = true, .position = true},
        {.address = false},
    };
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(keep_alive(&p.a, &parts[i]), 0);
    assert_int_equal(keep_alive(&p.a, &all), 0xffff);
    client_ask(&p.b, WEND_CONTROL_RELEASE, (struct wend_bytes){0}); // that is news
    s = all;
    s.off = 2;
    assert_int_equal(keep_alive(&p.a, &s), 0);
    world_close(&p.w);
}

// Who speaks from elsewhere is told so, whatever it asks for.
static void another_source_is_news(void **state)
{
    (void)state;
    static struct pair p;
    pair_open(&p);
    const struct said all = {.address = true, .position = true, .serials = true};
    p.a.way.remote.port++;
    assert_int_equal(keep_alive(&p.a, &all), 0);
    struct kept k;
    assert_true(world_take(&p.w, &p.a.way, &k)); // and the hint that asks for a Resume
    assert_int_equal(k.bytes[0], 7);
    assert_int_equal(k.bytes[1], WEND_HINT_UNKNOWN_SOURCE);
    world_close(&p.w);
}

static void who_is_not_registered_hears_so(void **state)
{
    (void)state;
    static struct pair p;
    pair_open(&p);
    const struct said all = {.address = true, .position = true, .serials = true};
    assert_int_equal(client_ask(&p.a, WEND_CONTROL_RELEASE, (struct wend_bytes){0}), 0);
    assert_int_equal(keep_alive(&p.a, &all), WEND_ERROR_NOT_REGISTERED);
    world_close(&p.w);
}

// The client is offline after exactly so long.
static void offline_after(struct pair *p, wend_duration silence)
{
    assert_int_equal(world_counts(&p->w).online, 2);
    world_wait(&p->w, silence - WEND_MS(1));
    assert_true(wend_relay_client_at(p->w.relay,
                                     wend_relay_client_find(p->w.relay, p->a.identity.public_key))
                    ->online);
    world_wait(&p->w, WEND_MS(1));
    assert_false(wend_relay_client_at(p->w.relay,
                                      wend_relay_client_find(p->w.relay, p->a.identity.public_key))
                     ->online);
    const struct said plain = {.plain = true};
    assert_int_equal(keep_alive(&p->a, &plain), 0); // back
    assert_int_equal(keep_alive(&p->b, &plain), 0);
    assert_int_equal(world_counts(&p->w).online, 2);
}

static void silence_goes_by_the_interval_told(void **state)
{
    static const struct {
        uint32_t interval;
        wend_duration silence;
    } rows[] = {
        {0, WEND_S(100)},                                                 // nothing told
        {25, WEND_MS(72500)},                                             // 2.5 times and 10 s
        {110, WEND_S(285)},         {900, WEND_S(2260)}, {4, WEND_S(30)}, // at least
        {3600, WEND_S(3600)},                                             // at most
        {UINT32_MAX, WEND_S(3600)},
    };
    (void)state;
    static struct pair p;
    pair_open(&p);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct said s = {.plain = true, .interval = rows[i].interval};
        const struct said quiet = {.plain = true, .interval = 3600};
        assert_int_equal(keep_alive(&p.b, &quiet), 0);
        assert_int_equal(keep_alive(&p.a, &s), 0);
        offline_after(&p, rows[i].silence);
    }
    world_close(&p.w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_news_is_answered),
        cmocka_unit_test(another_source_is_news),
        cmocka_unit_test(who_is_not_registered_hears_so),
        cmocka_unit_test(silence_goes_by_the_interval_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
