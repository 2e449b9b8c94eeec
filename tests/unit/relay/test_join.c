// SPDX-License-Identifier: MIT
// Claims and joins: who is let in, who is refused with which code, what is stored before it is
// said.
#include "world.h"

static const uint8_t secret[WEND_CLAIM_SECRET_LEN] = {7, 7, 7};

static uint16_t claim(struct client *c, const struct net *n, const uint8_t *code)
{
    uint8_t memory[1200];
    struct wend_writer w = wend_writer_of(memory, sizeof memory);
    wend_attribute_put(&w, WEND_ATTRIBUTE_SECRET, (struct wend_bytes){code, 16});
    wend_attribute_put(&w, WEND_ATTRIBUTE_NETWORK_RECORD,
                       (struct wend_bytes){n->record, n->record_len});
    return client_ask(c, WEND_CONTROL_CLAIM, (struct wend_bytes){memory, w.len});
}

static void a_claim_works_once(void **state)
{
    struct world w;
    struct client c;
    struct net home, other;
    (void)state;
    world_open(&w, NULL);
    net_init(&home, &w, 1);
    net_init(&other, &w, 2);
    wend_relay_load_claim(w.relay, secret, NULL);
    client_init(&c, &w, 1);
    client_connect(&c);
    assert_int_equal(claim(&c, &home, secret), 0);
    assert_int_equal(world_count_events(&w, WEND_RELAY_STORE_NETWORK), 1);
    assert_int_equal(world_count_events(&w, WEND_RELAY_STORE_CLAIM_USED), 1);
    assert_int_equal(claim(&c, &home, secret), 0); // a lost answer is asked for again
    assert_int_equal(world_count_events(&w, WEND_RELAY_STORE_NETWORK), 1);
    assert_int_equal(claim(&c, &other, secret), WEND_ERROR_NOT_ALLOWED);
    assert_int_equal(world_counts(&w).networks, 1);
    world_close(&w);
}

static void an_unknown_claim_is_looked_up_once(void **state)
{
    struct world w;
    struct client c;
    struct net home;
    (void)state;
    world_open(&w, NULL);
    net_init(&home, &w, 1);
    client_init(&c, &w, 1);
    client_connect(&c);
    assert_int_equal(claim(&c, &home, secret), 0xffff); // no answer yet
    assert_int_equal(world_count_events(&w, WEND_RELAY_RELOAD_CLAIMS), 1);
    c.id--; // the same request again
    assert_int_equal(claim(&c, &home, secret), WEND_ERROR_NOT_ALLOWED);
    assert_int_equal(claim(&c, &home, secret), 0xffff);
    wend_relay_load_claim(w.relay, secret, NULL);
    c.id--;
    assert_int_equal(claim(&c, &home, secret), 0);
    world_close(&w);
}

static void a_record_must_name_this_server(void **state)
{
    struct world w;
    struct client c;
    struct net home;
    (void)state;
    world_open(&w, NULL);
    wend_relay_load_claim(w.relay, secret, NULL);
    net_init(&home, &w, 1);
    home.decoded.servers[0].signature_key[0] ^= 1;
    net_sign_record(&home);
    client_init(&c, &w, 1);
    client_connect(&c);
    assert_int_equal(claim(&c, &home, secret), WEND_ERROR_UNLISTED);
    home.record[home.record_len - 1] ^= 1;
    assert_int_equal(claim(&c, &home, secret), WEND_ERROR_FORGED);
    assert_int_equal(world_counts(&w).networks, 0);
    world_close(&w);
}

static void a_device_joins(void **state)
{
    struct world w;
    struct client c;
    struct net home;
    (void)state;
    world_open(&w, NULL);
    net_load(&home, &w, 1);
    client_init(&c, &w, 1);
    client_become_member(&c, &home, "laptop");
    assert_int_equal(c.slot, 0);
    assert_in_range(c.ipv4, 0x64400002, 0x64400ffe);
    assert_int_equal(world_count_events(&w, WEND_RELAY_STORE_MEMBER), 1);
    const struct wend_trust trust = {.network = &home.decoded};
    const struct wend_chain chain = {
        WEND_BYTES(home.delegation), {c.membership, c.membership_len}, WEND_BYTES(c.receipt)};
    struct wend_member m;
    assert_int_equal(wend_trust_check_member(&trust, &chain, w.unix_seconds, &m), 0);
    // Again: the same slot, address and receipt, and nothing more is stored.
    uint8_t receipt[WEND_RECEIPT_LEN];
    memcpy(receipt, c.receipt, sizeof receipt);
    const uint32_t ipv4 = c.ipv4;
    world_wait(&w, WEND_S(3));
    assert_int_equal(client_join(&c, &home, "laptop"), 0);
    assert_int_equal(c.ipv4, ipv4);
    assert_int_equal(c.slot, 0);
    assert_int_equal(client_commit(&c, &home), 0);
    assert_memory_equal(receipt, c.receipt, sizeof receipt);
    assert_int_equal(world_count_events(&w, WEND_RELAY_STORE_MEMBER), 1);
    assert_int_equal(client_register(&c, &home), 0);
    assert_int_equal(world_counts(&w).online, 1);
    world_close(&w);
}

static void an_invite_is_used_up(void **state)
{
    struct world w;
    struct client a, b;
    struct net home;
    (void)state;
    world_open(&w, NULL);
    net_load(&home, &w, 1);
    net_invite(&home, 9, 1, 3600);
    client_init(&a, &w, 1);
    client_init(&b, &w, 2);
    client_become_member(&a, &home, "a");
    client_connect(&b);
    assert_int_equal(client_join(&b, &home, "b"), WEND_ERROR_EXHAUSTED);
    // It stays so when the membership is over, and after a restart (see the store's test).
    world_wait(&w, WEND_S(4000));
    client_connect(&b);
    assert_int_equal(client_join(&b, &home, "b"), WEND_ERROR_EXHAUSTED);
    world_close(&w);
}

static void an_offer_lasts_a_minute(void **state)
{
    struct world w;
    struct client a, b;
    struct net home;
    (void)state;
    world_open(&w, NULL);
    net_load(&home, &w, 1);
    net_invite(&home, 9, 1, 3600);
    client_init(&a, &w, 1);
    client_init(&b, &w, 2);
    client_connect(&a);
    client_connect(&b);
    assert_int_equal(client_join(&a, &home, "same"), 0);
    assert_int_equal(client_join(&b, &home, "same"), WEND_ERROR_TAKEN);
    assert_int_equal(client_join(&b, &home, "other"), WEND_ERROR_EXHAUSTED);
    world_wait(&w, WEND_S(61));
    assert_int_equal(world_counts(&w).members, 0);
    assert_int_equal(client_join(&b, &home, "same"), 0);
    client_sign(&b, &home, "same");
    assert_int_equal(client_commit(&b, &home), 0);
    client_sign(&a, &home, "late"); // an offer that is over, and somebody else's now
    assert_int_equal(client_commit(&a, &home), WEND_ERROR_TAKEN);
    world_close(&w);
}

static void names_and_addresses_belong_to_one_key(void **state)
{
    struct world w;
    struct client a, b;
    struct net home;
    (void)state;
    world_open(&w, NULL);
    net_load(&home, &w, 1);
    client_init(&a, &w, 1);
    client_init(&b, &w, 2);
    client_become_member(&a, &home, "laptop");
    client_connect(&b);
    assert_int_equal(client_join(&b, &home, "laptop"), WEND_ERROR_TAKEN);
    assert_int_equal(client_join(&b, &home, "Not A Name"), WEND_ERROR_MALFORMED);
    assert_int_equal(client_join(&b, &home, "phone"), 0);
    const uint32_t own = b.ipv4;
    b.ipv4 = a.ipv4;
    client_sign(&b, &home, "phone");
    assert_int_equal(client_commit(&b, &home), WEND_ERROR_TAKEN);
    b.ipv4 = own;
    b.slot = a.slot;
    client_sign(&b, &home, "phone");
    assert_int_equal(client_commit(&b, &home), WEND_ERROR_TAKEN);
    b.slot = 4096;
    client_sign(&b, &home, "phone");
    assert_int_equal(client_commit(&b, &home), WEND_ERROR_EXHAUSTED);
    b.slot = 1;
    b.ipv4 = 0x64400001;
    client_sign(&b, &home, "phone");
    assert_int_equal(client_commit(&b, &home), WEND_ERROR_OUTSIDE);
    b.ipv4 = own;
    client_sign(&b, &home, "laptop");
    assert_int_equal(client_commit(&b, &home), WEND_ERROR_TAKEN);
    client_sign(&b, &home, "phone");
    assert_int_equal(client_commit(&b, &home), 0);
    world_close(&w);
}

static void bad_proofs_have_their_own_codes(void **state)
{
    struct world w;
    struct client a, b;
    struct net home, other;
    (void)state;
    world_open(&w, NULL);
    net_load(&home, &w, 1);
    net_load(&other, &w, 2);
    client_init(&a, &w, 1);
    client_init(&b, &w, 2);
    client_connect(&a);
    assert_int_equal(client_join(&a, &home, "a"), 0);
    client_sign(&a, &home, "a");
    client_connect(&b);
    memcpy(b.membership, a.membership, a.membership_len);
    b.membership_len = a.membership_len;
    assert_int_equal(client_commit(&b, &home), WEND_ERROR_NOT_ALLOWED); // another device's
    uint8_t delegation[WEND_DELEGATION_LEN];
    memcpy(delegation, home.delegation, sizeof delegation);
    memcpy(home.delegation, other.delegation, sizeof delegation);
    assert_int_equal(client_commit(&a, &home), WEND_ERROR_FOREIGN);
    assert_int_equal(client_join(&a, &home, "a"), WEND_ERROR_FOREIGN);
    memcpy(home.delegation, delegation, sizeof delegation);
    home.delegation[150] ^= 1;
    assert_int_equal(client_join(&a, &home, "a"), WEND_ERROR_FORGED);
    memcpy(home.delegation, delegation, sizeof delegation);
    a.membership[a.membership_len - 1] ^= 1;
    assert_int_equal(client_commit(&a, &home), WEND_ERROR_FORGED);
    w.unix_seconds -= 700; // the server's clock is behind the device's
    client_sign(&a, &home, "a");
    w.unix_seconds += 700;
    assert_int_equal(client_commit(&a, &home), WEND_ERROR_BACKDATED);
    struct net unknown;
    net_init(&unknown, &w, 3);
    assert_int_equal(client_join(&a, &unknown, "a"), WEND_ERROR_UNKNOWN_PEER);
    w.unix_seconds += 2 * 86400;
    assert_int_equal(client_join(&a, &home, "a"), WEND_ERROR_EXPIRED);
    world_close(&w);
}

static void a_small_pool_fills(void **state)
{
    struct world w;
    struct client c;
    struct net home;
    char name[8];
    (void)state;
    world_open(&w, NULL);
    net_init(&home, &w, 1);
    home.decoded.pool.bits = home.decoded.servers[0].pool.bits = 28; // 16, less three
    net_sign_record(&home);
    assert_int_equal(
        wend_relay_load_network(w.relay, (struct wend_bytes){home.record, home.record_len}), 0);
    for (uint32_t i = 0; i < 13; i++) {
        client_init(&c, &w, 1 + i);
        snprintf(name, sizeof name, "d%u", i);
        client_become_member(&c, &home, name);
    }
    client_init(&c, &w, 99);
    client_connect(&c);
    assert_int_equal(client_join(&c, &home, "more"), WEND_ERROR_POOL_FULL);
    world_close(&w);
}

static void nothing_is_promised_that_cannot_be_stored(void **state)
{
    struct world w;
    struct client c;
    struct net home;
    struct wend_datagram d;
    (void)state;
    world_open(&w, NULL);
    net_load(&home, &w, 1);
    client_init(&c, &w, 1);
    client_connect(&c);
    assert_int_equal(client_join(&c, &home, "a"), 0);
    client_sign(&c, &home, "a");
    // The commit is handled, but its owner fails to store it: the answer is thrown away.
    uint8_t memory[1024], sealed[1200];
    struct wend_writer body = wend_writer_of(memory, sizeof memory);
    const size_t begun = wend_control_begin(&body, WEND_CONTROL_JOIN_COMMIT, ++c.id);
    wend_attribute_put(&body, WEND_ATTRIBUTE_MEMBERSHIP,
                       (struct wend_bytes){c.membership, c.membership_len});
    wend_attribute_put(&body, WEND_ATTRIBUTE_DELEGATION, WEND_BYTES(home.delegation));
    wend_control_end(&body, begun);
    struct wend_writer out = wend_writer_of(sealed, sizeof sealed);
    assert_int_equal(wend_box_seal(&c.box, (struct wend_bytes){memory, body.len}, &out), 0);
    d = c.way;
    d.bytes = (struct wend_bytes){sealed, out.len};
    assert_int_equal(wend_relay_receive(w.relay, &d, w.now, w.unix_seconds), WEND_DROP_NONE);
    wend_relay_discard(w.relay);
    world_drain(&w);
    assert_int_equal(w.kept_count, 0);
    assert_int_equal(world_count_events(&w, WEND_RELAY_STORE_MEMBER), 1);
    struct client b;
    client_init(&b, &w, 2);
    client_connect(&b);
    assert_int_equal(client_join(&b, &home, "b"), WEND_ERROR_LIMIT);
    assert_int_equal(client_commit(&c, &home), WEND_ERROR_LIMIT);
    wend_relay_set_writable(w.relay, true);
    assert_int_equal(client_commit(&c, &home), 0); // what was said before, stored by now
    assert_int_equal(client_join(&b, &home, "b"), 0);
    world_close(&w);
}

// What STORE_MEMBER told is enough to go on after a crash.
static void a_restart_knows_its_members(void **state)
{
    struct world w, again;
    struct client a, b, c;
    struct net home;
    (void)state;
    world_open(&w, NULL);
    net_load(&home, &w, 1);
    net_invite(&home, 9, 2, 3600);
    client_init(&a, &w, 1);
    client_become_member(&a, &home, "a");
    client_init(&b, &w, 2);
    client_become_member(&b, &home, "b");
    world_open(&again, NULL);
    assert_int_equal(
        wend_relay_load_network(again.relay, (struct wend_bytes){home.record, home.record_len}), 0);
    const struct client *members[] = {&a, &b};
    for (size_t i = 0; i < 2; i++) {
        const struct wend_chain chain = {WEND_BYTES(home.delegation),
                                         {members[i]->membership, members[i]->membership_len},
                                         WEND_BYTES(members[i]->receipt)};
        assert_int_equal(wend_relay_load_member(again.relay, &chain), 0);
    }
    world_drain(&again);
    assert_int_equal(world_count_events(&again, WEND_RELAY_STORE_MEMBER), 0);
    client_init(&c, &again, 3);
    client_connect(&c);
    assert_int_equal(client_join(&c, &home, "a"), WEND_ERROR_TAKEN);
    assert_int_equal(client_join(&c, &home, "c"), WEND_ERROR_EXHAUSTED);
    a.world = &again;
    client_connect(&a);
    assert_int_equal(client_register(&a, &home), 0);
    world_close(&again);
    world_close(&w);
}

static void slots_are_forgotten_when_all_is_past(void **state)
{
    struct world w;
    struct client a;
    struct net home;
    (void)state;
    world_open(&w, NULL);
    net_load(&home, &w, 1);
    net_invite(&home, 9, 1, 3600);
    client_init(&a, &w, 1);
    client_become_member(&a, &home, "a");
    world_wait(&w, WEND_S(3700));
    assert_int_equal(world_count_events(&w, WEND_RELAY_FORGET_MEMBER), 0);
    world_wait(&w, WEND_S(86400));
    assert_int_equal(world_count_events(&w, WEND_RELAY_FORGET_MEMBER), 1);
    world_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_claim_works_once),
        cmocka_unit_test(an_unknown_claim_is_looked_up_once),
        cmocka_unit_test(a_record_must_name_this_server),
        cmocka_unit_test(a_device_joins),
        cmocka_unit_test(an_invite_is_used_up),
        cmocka_unit_test(an_offer_lasts_a_minute),
        cmocka_unit_test(names_and_addresses_belong_to_one_key),
        cmocka_unit_test(bad_proofs_have_their_own_codes),
        cmocka_unit_test(a_small_pool_fills),
        cmocka_unit_test(nothing_is_promised_that_cannot_be_stored),
        cmocka_unit_test(a_restart_knows_its_members),
        cmocka_unit_test(slots_are_forgotten_when_all_is_past),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
