// SPDX-License-Identifier: MIT
// What a lying server may tell, and what becomes of it: the server's word against proofs and pins.
#include "node/directory.h"
#include "world.h"

static struct office stranger; // another network

static int directory_open(void **state)
{
    (void)world_open(state);
    office_open(&stranger, 60, &world.server);
    world.relay_down = true;
    host_up(0, 1);
    drain(&world.hosts[0]);
    return 0;
}

static struct wend_node *node(void)
{
    return world.hosts[0].node;
}

struct lie {
    const uint8_t *key;
    uint8_t status;
    uint64_t epoch;
    const struct wend_chain *chain;
};

// Tells an entry as the server would; returns the error of MEMBER_REFUSED, 0: none.
static uint16_t tell(const struct lie *lie)
{
    uint8_t body[1200];
    struct wend_writer w = wend_writer_of(body, sizeof body);
    struct host *h = &world.hosts[0];

    wend_attribute_put(&w, WEND_ATTRIBUTE_PEER, (struct wend_bytes){lie->key, 32});
    wend_attribute_put_u8(&w, WEND_ATTRIBUTE_STATUS, lie->status);
    if (lie->epoch != 0)
        wend_attribute_put_u64(&w, WEND_ATTRIBUTE_EPOCH, lie->epoch);
    if (lie->chain != NULL) {
        wend_attribute_put(&w, WEND_ATTRIBUTE_MEMBERSHIP, lie->chain->membership);
        wend_attribute_put(&w, WEND_ATTRIBUTE_DELEGATION, lie->chain->delegation);
        wend_attribute_put(&w, WEND_ATTRIBUTE_RECEIPT, lie->chain->receipt);
    }
    assert_false(w.failed);
    h->member_error = 0;
    wend_directory_apply(node(), (struct wend_bytes){body, w.len});
    drain(h);
    return h->member_error;
}

static uint16_t tell_paper(const struct office *o, const struct member_paper *paper)
{
    const struct wend_chain chain = office_chain(o, paper);
    return tell(&(struct lie){paper->key, WEND_STATUS_ONLINE, 7, &chain});
}

static uint16_t tell_wish(const struct member_wish *wish)
{
    struct member_paper paper;
    office_admit(&world.office, wish, &paper);
    return tell_paper(&world.office, &paper);
}

static size_t members(void)
{
    return wend_node_member_count(node());
}

static void test_honest_entry(void **state)
{
    struct wend_peer_view v;

    (void)state;
    assert_int_equal(tell_paper(&world.office, &world.hosts[1].paper), 0);
    assert_true(view(0, 1, &v));
    assert_string_equal(v.name, "bert");
    assert_true(v.online);
    assert_int_equal(members(), 1);
    assert_true(world.hosts[0].plane.slots[v.slot].peer);
    const struct wend_address a = wend_address_ipv4(0x64401003, 0);
    assert_true(wend_address_equal(&world.hosts[0].plane.slots[v.slot].ipv4, &a));
    assert_int_equal(tell_paper(&world.office, &world.hosts[1].paper), 0); // again: nothing new
    assert_int_equal(members(), 1);
    assert_int_equal(world.hosts[0].count[WEND_NODE_STORE_PIN], 1);
}

static void test_another_key_on_a_true_paper(void **state)
{
    struct member_paper paper = world.hosts[1].paper;

    (void)state;
    memcpy(paper.key, world.hosts[2].identity.public_key, 32);
    assert_int_equal(tell_paper(&world.office, &paper), WEND_ERROR_FORGED);
    assert_int_equal(members(), 0);
}

static void test_broken_signatures(void **state)
{
    (void)state;
    for (int which = 0; which < 2; which++) {
        struct member_paper paper = world.hosts[1].paper;
        if (which == 0)
            paper.membership[paper.membership_len - 1] ^= 1;
        else
            paper.receipt[sizeof paper.receipt - 1] ^= 1;
        assert_int_equal(tell_paper(&world.office, &paper), WEND_ERROR_FORGED);
    }
    assert_int_equal(members(), 0);
}

static void test_member_of_another_network(void **state)
{
    struct member_paper paper;
    const struct member_wish wish = {
        .key = world.hosts[1].identity.public_key, .slot = 1, .ipv4 = 0x64401003, .name = "bert"};

    (void)state;
    office_admit(&stranger, &wish, &paper);
    assert_int_equal(tell_paper(&stranger, &paper), WEND_ERROR_FOREIGN);
    assert_int_equal(members(), 0);
}

// What is pinned stays with its key, whatever signatures the server brings.
static void test_conflicts_with_pins(void **state)
{
    const uint8_t *cleo = world.hosts[2].identity.public_key;
    const struct member_wish wishes[] = {
        {.key = cleo, .slot = 1, .ipv4 = 0x64401009, .name = "cleo"}, // bert's slot
        {.key = cleo, .slot = 9, .ipv4 = 0x64401003, .name = "cleo"}, // bert's address
        {.key = cleo, .slot = 9, .ipv4 = 0x64401009, .name = "bert"}, // bert's name
        {.key = cleo, .slot = 9, .ipv4 = 0x64401002, .name = "cleo"}, // our address
        {.key = cleo, .slot = 9, .ipv4 = 0x64401009, .name = "anna"}, // our name
    };

    (void)state;
    assert_int_equal(tell_paper(&world.office, &world.hosts[1].paper), 0);
    for (size_t i = 0; i < sizeof wishes / sizeof wishes[0]; i++)
        assert_int_equal(tell_wish(&wishes[i]), WEND_ERROR_TAKEN);
    assert_int_equal(members(), 1);
    assert_int_equal(tell_paper(&world.office, &world.hosts[2].paper), 0);
}

static void test_restored_pins_count(void **state)
{
    struct wend_pin pin = {.slot = 50, .ipv4 = 0x64401003, .expires = UNIX_S + 10000000};

    (void)state;
    memset(pin.key, 0x77, 32);
    strcpy(pin.name, "dora");
    wend_node_restore_pin(node(), &pin);
    assert_int_equal(tell_paper(&world.office, &world.hosts[1].paper), WEND_ERROR_TAKEN);
    assert_int_equal(members(), 0);
}

static void test_wrong_addresses_and_lifetimes(void **state)
{
    const uint8_t *bert = world.hosts[1].identity.public_key;
    const struct member_wish outside = {.key = bert, .slot = 1, .ipv4 = 0x0a000001, .name = "bert"};
    const struct member_wish exhausted = {
        .key = bert, .slot = 100, .ipv4 = 0x64401003, .name = "bert"};
    const struct member_wish expired = {
        .key = bert, .slot = 1, .ipv4 = 0x64401003, .name = "bert", .lifetime = 50};
    const struct member_wish too_long = {
        .key = bert, .slot = 1, .ipv4 = 0x64401003, .name = "bert", .lifetime = 181 * 86400};

    (void)state;
    assert_int_equal(tell_wish(&outside), WEND_ERROR_OUTSIDE);
    assert_int_equal(tell_wish(&exhausted), WEND_ERROR_EXHAUSTED);
    assert_int_equal(tell_wish(&expired), WEND_ERROR_EXPIRED);
    assert_int_equal(tell_wish(&too_long), WEND_ERROR_TOO_LONG);
    assert_int_equal(members(), 0);
}

static void test_no_proof_no_member(void **state)
{
    (void)state;
    assert_int_equal(
        tell(&(struct lie){world.hosts[1].identity.public_key, WEND_STATUS_ONLINE, 7, NULL}), 0);
    assert_int_equal(members(), 0);
    assert_int_equal(
        tell(&(struct lie){world.hosts[1].identity.public_key, WEND_STATUS_REMOVED, 0, NULL}), 0);
    assert_int_equal(members(), 0);
}

// Removed by word alone: an unused member goes, one that is being talked to stays until then.
static void test_removal(void **state)
{
    struct wend_peer_view v;
    const struct lie gone = {world.hosts[1].identity.public_key, WEND_STATUS_REMOVED, 0, NULL};

    (void)state;
    assert_int_equal(tell_paper(&world.office, &world.hosts[1].paper), 0);
    (void)tell(&gone);
    assert_int_equal(members(), 0);
    assert_int_equal(tell_paper(&world.office, &world.hosts[1].paper), 0);
    assert_true(view(0, 1, &v));
    const struct wend_notice want = {.kind = WEND_NOTICE_WANT, .slot = v.slot};
    wend_node_notice(node(), &want, world.now);
    (void)tell(&gone);
    assert_true(view(0, 1, &v));
    assert_false(v.online);
    run(WEND_S(700));
    assert_int_equal(members(), 0);
}

static void test_expiry_takes_members_out(void **state)
{
    const struct member_wish wish = {.key = world.hosts[1].identity.public_key,
                                     .slot = 1,
                                     .ipv4 = 0x64401003,
                                     .name = "bert",
                                     .lifetime = 2000};

    (void)state;
    assert_int_equal(tell_wish(&wish), 0);
    assert_int_equal(members(), 1);
    run(WEND_S(1000)); // the clock began at 1,000 s, the receipt is 100 s older
    assert_int_equal(members(), 0);
    assert_int_equal(world.hosts[0].count[WEND_NODE_DROP_PIN], 1);
}

static void test_renewed_membership(void **state)
{
    struct wend_peer_view v;
    struct member_paper paper;
    const struct member_wish wish = {.key = world.hosts[1].identity.public_key,
                                     .slot = 1,
                                     .ipv4 = 0x64401003,
                                     .name = "bert",
                                     .lifetime = 5000};

    (void)state;
    assert_int_equal(tell_paper(&world.office, &world.hosts[1].paper), 0);
    office_admit(&world.office, &wish, &paper); // as old as the one we know: that one stays
    (void)tell_paper(&world.office, &paper);
    assert_true(view(0, 1, &v));
    assert_int_equal(node()->directory.seats[v.slot].member.expires, UNIX_S - 100 + 180 * 86400);
    assert_int_equal(members(), 1);
}

static void test_bytes_cut_short(void **state)
{
    uint8_t body[1200];
    struct wend_writer w = wend_writer_of(body, sizeof body);
    const struct wend_chain chain = office_chain(&world.office, &world.hosts[1].paper);

    (void)state;
    wend_attribute_put(&w, WEND_ATTRIBUTE_PEER, (struct wend_bytes){world.hosts[1].paper.key, 32});
    wend_attribute_put_u8(&w, WEND_ATTRIBUTE_STATUS, WEND_STATUS_ONLINE);
    wend_attribute_put(&w, WEND_ATTRIBUTE_MEMBERSHIP, chain.membership);
    wend_attribute_put(&w, WEND_ATTRIBUTE_DELEGATION, chain.delegation);
    wend_attribute_put(&w, WEND_ATTRIBUTE_RECEIPT, chain.receipt);
    for (size_t len = 0; len < w.len; len++) {
        wend_directory_apply(node(), (struct wend_bytes){body, len});
        drain(&world.hosts[0]);
        assert_int_equal(members(), 0);
    }
    wend_directory_apply(node(), (struct wend_bytes){body, w.len});
    assert_int_equal(members(), 1);
}

int main(void)
{
#define WITH(f) cmocka_unit_test_setup_teardown(f, directory_open, world_close)
    const struct CMUnitTest tests[] = {
        WITH(test_honest_entry),
        WITH(test_another_key_on_a_true_paper),
        WITH(test_broken_signatures),
        WITH(test_member_of_another_network),
        WITH(test_conflicts_with_pins),
        WITH(test_restored_pins_count),
        WITH(test_wrong_addresses_and_lifetimes),
        WITH(test_no_proof_no_member),
        WITH(test_removal),
        WITH(test_expiry_takes_members_out),
        WITH(test_renewed_membership),
        WITH(test_bytes_cut_short),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
