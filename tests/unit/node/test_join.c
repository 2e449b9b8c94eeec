// SPDX-License-Identifier: MIT
// Joining: against the real server, and against one that lies.
#include <errno.h>

#include "node/join.h"
#include "ride.h"

// --- against the server's machine ---

static void hear(struct ride *r, const struct wend_leg_event *e)
{
    wend_join_event(r->context, &r->leg, e, r->w.unix_seconds);
}

static struct ride *open_with(struct wend_join *join, const char *name)
{
    struct ride *r = ride_open();
    const struct wend_invite invite = ride_invite(r);
    assert_int_equal(wend_join_init(join, &invite, name, r->identity.public_key, r->w.unix_seconds),
                     0);
    r->hear = hear;
    r->context = join;
    return r;
}

static void run(struct ride *r, struct wend_join *join)
{
    assert_int_equal(wend_join_start(join, &r->leg, r->w.unix_seconds), 0);
    ride_wait(r, WEND_S(25));
}

static void becomes_a_member(void **state)
{
    (void)state;
    struct wend_join join;
    struct ride *r = open_with(&join, "laptop");
    ride_begin(r, NULL);
    run(r, &join);
    assert_int_equal(join.state, WEND_JOIN_DONE);
    assert_string_equal(join.member.name, "laptop");
    assert_memory_equal(join.member.key, r->identity.public_key, 32);
    const struct wend_address inside = wend_address_ipv4(join.member.ipv4, 0);
    assert_true(wend_prefix_contains(&r->n.decoded.pool, &inside));
    // What it keeps is what a peer accepts.
    const struct wend_trust trust = {.network = &r->n.decoded};
    const struct wend_chain chain = wend_join_chain(&join);
    struct wend_member m;
    assert_int_equal(wend_trust_check_member(&trust, &chain, r->w.unix_seconds, &m), 0);
    assert_int_equal(m.slot, join.member.slot);
    assert_int_equal(world_count_events(&r->w, WEND_RELAY_JOINED), 1);
    wend_join_close(&join);
    const struct wend_join zero = {0};
    assert_memory_equal(&join, &zero, sizeof zero);
    ride_close(r);
}

static void answers_that_get_lost_cost_no_second_slot(void **state)
{
    (void)state;
    struct wend_join join;
    struct ride *r = open_with(&join, "laptop");
    ride_begin(r, NULL);
    assert_true(ride_until(r, &r->connected, WEND_S(1)));
    r->lose_down = 1;
    assert_int_equal(wend_join_start(&join, &r->leg, r->w.unix_seconds), 0);
    ride_wait(r, WEND_MS(260));
    r->lose_down = 1;
    ride_wait(r, WEND_S(5));
    assert_int_equal(join.state, WEND_JOIN_DONE);
    assert_int_equal(join.member.slot, 0);
    assert_int_equal(world_counts(&r->w).members, 1);
    ride_close(r);
}

static void joining_again_yields_the_same_slot(void **state)
{
    (void)state;
    struct wend_join join, again;
    struct ride *r = open_with(&join, "laptop");
    ride_begin(r, NULL);
    run(r, &join);
    const struct wend_invite invite = ride_invite(r);
    assert_int_equal(
        wend_join_init(&again, &invite, "laptop", r->identity.public_key, r->w.unix_seconds), 0);
    r->context = &again;
    run(r, &again);
    assert_int_equal(again.state, WEND_JOIN_DONE);
    assert_int_equal(again.member.slot, join.member.slot);
    assert_int_equal(again.member.ipv4, join.member.ipv4);
    ride_close(r);
}

static void the_servers_reasons_are_told(void **state)
{
    (void)state;
    struct wend_join join;
    struct ride *r = open_with(&join, "laptop");
    struct client other;
    client_init(&other, &r->w, 5);
    client_become_member(&other, &r->n, "laptop"); // has the name already
    ride_begin(r, NULL);
    run(r, &join);
    assert_int_equal(join.state, WEND_JOIN_FAILED);
    assert_int_equal(join.error, WEND_ERROR_TAKEN);
    assert_true(join.by_server);
    assert_true(strlen(join.why) > 0);
    ride_close(r);
}

static void a_spent_invite_is_exhausted(void **state)
{
    (void)state;
    struct wend_join join;
    struct ride *r = ride_open();
    net_invite(&r->n, 300, 1, 86400);
    struct client other;
    client_init(&other, &r->w, 5);
    client_become_member(&other, &r->n, "phone");
    const struct wend_invite invite = ride_invite(r);
    assert_int_equal(
        wend_join_init(&join, &invite, "laptop", r->identity.public_key, r->w.unix_seconds), 0);
    r->hear = hear;
    r->context = &join;
    ride_begin(r, NULL);
    run(r, &join);
    assert_int_equal(join.state, WEND_JOIN_FAILED);
    assert_int_equal(join.error, WEND_ERROR_EXHAUSTED);
    ride_close(r);
}

static void a_clock_that_is_off_is_said_so(void **state)
{
    (void)state;
    struct wend_join join;
    struct ride *r = open_with(&join, "laptop");
    ride_begin(r, NULL);
    r->hear = NULL;
    assert_int_equal(wend_join_start(&join, &r->leg, r->w.unix_seconds + 700), 0);
    struct wend_leg_event e = {.kind = WEND_LEG_RESPONSE, .id = join.request};
    uint8_t memory[64];
    struct wend_writer w = wend_writer_of(memory, sizeof memory);
    wend_attribute_put_u32(&w, WEND_ATTRIBUTE_SLOT, 0);
    wend_attribute_put_u32(&w, WEND_ATTRIBUTE_IPV4, 0x64400005);
    wend_attribute_put_u64(&w, WEND_ATTRIBUTE_TIME, r->w.unix_seconds);
    e.attributes = (struct wend_bytes){memory, w.len};
    wend_join_event(&join, &r->leg, &e, r->w.unix_seconds + 700);
    assert_int_equal(join.state, WEND_JOIN_FAILED);
    assert_int_equal(join.error, WEND_ERROR_BACKDATED);
    assert_non_null(strstr(join.why, "clock"));
    ride_close(r);
}

static void a_dead_server_is_no_answer(void **state)
{
    (void)state;
    struct wend_join join;
    struct ride *r = open_with(&join, "laptop");
    r->udp_up_dead = true;
    r->tcp = RIDE_TCP_REFUSED;
    ride_begin(r, NULL);
    run(r, &join);
    assert_int_equal(join.state, WEND_JOIN_FAILED);
    assert_int_equal(join.error, WEND_ERROR_NO_ANSWER);
    assert_false(join.by_server);
    ride_close(r);
}

// --- invites that do not even get that far ---

static int init(const struct ride *r, const struct wend_invite *invite, const char *name,
                uint64_t now)
{
    struct wend_join join;
    return wend_join_init(&join, invite, name, r->identity.public_key, now);
}

static void bad_invites_are_refused_at_once(void **state)
{
    (void)state;
    struct ride *r = ride_open();
    ride_begin(r, NULL);
    struct wend_invite invite = ride_invite(r);
    assert_int_equal(init(r, &invite, "laptop", WORLD_UNIX), 0);
    assert_int_equal(init(r, &invite, "", WORLD_UNIX), -EINVAL);
    assert_int_equal(init(r, &invite, "Laptop", WORLD_UNIX), -EINVAL);
    assert_int_equal(init(r, &invite, "lap top", WORLD_UNIX), -EINVAL);
    assert_int_equal(init(r, &invite, "laptop", WORLD_UNIX + 86401), WEND_ERROR_EXPIRED);
    assert_int_equal(init(r, &invite, "laptop", WORLD_UNIX - 1000), WEND_ERROR_NOT_YET_VALID);

    invite.delegation[WEND_DELEGATION_LEN - 1] ^= 1;
    assert_int_equal(init(r, &invite, "laptop", WORLD_UNIX), WEND_ERROR_FORGED);
    invite = ride_invite(r);
    invite.network_record[45] ^= 1; // in its date
    assert_int_equal(init(r, &invite, "laptop", WORLD_UNIX), WEND_ERROR_FORGED);
    invite = ride_invite(r);
    invite.seed[0] ^= 1; // another key than the delegation names
    assert_int_equal(init(r, &invite, "laptop", WORLD_UNIX), WEND_ERROR_FORGED);
    invite = ride_invite(r);
    invite.network_record_len--;
    assert_int_equal(init(r, &invite, "laptop", WORLD_UNIX), WEND_ERROR_MALFORMED);

    struct net other;
    net_init(&other, &r->w, 2);
    invite = ride_invite(r);
    memcpy(invite.network_record, other.record, other.record_len);
    invite.network_record_len = other.record_len;
    assert_int_equal(init(r, &invite, "laptop", WORLD_UNIX), WEND_ERROR_FOREIGN);
    ride_close(r);
}

// --- a server that lies: its answers are made by hand ---

struct offer {
    uint32_t slot, ipv4;
    uint64_t time;
};

struct receipt {
    uint32_t slot;
    uint64_t time;
    bool other_membership, other_server, unsigned_one;
};

static void answer(struct ride *r, struct wend_join *join, const struct wend_writer *w,
                   const uint8_t *memory)
{
    const struct wend_leg_event e = {
        .kind = WEND_LEG_RESPONSE, .id = join->request, .attributes = {memory, w->len}};
    wend_join_event(join, &r->leg, &e, WORLD_UNIX);
}

static void make_offer(struct ride *r, struct wend_join *join, const struct offer *o)
{
    uint8_t memory[64];
    struct wend_writer w = wend_writer_of(memory, sizeof memory);
    wend_attribute_put_u32(&w, WEND_ATTRIBUTE_SLOT, o->slot);
    wend_attribute_put_u32(&w, WEND_ATTRIBUTE_IPV4, o->ipv4);
    wend_attribute_put_u64(&w, WEND_ATTRIBUTE_TIME, o->time);
    assert_int_equal(wend_join_start(join, &r->leg, WORLD_UNIX), 0);
    answer(r, join, &w, memory);
}

static void make_receipt(struct ride *r, struct wend_join *join, const struct receipt *wish)
{
    struct wend_receipt receipt = {.slot = wish->slot, .time = wish->time};
    uint8_t seed[32], bytes[WEND_RECEIPT_LEN], memory[256];
    memcpy(seed, r->w.config.seed, sizeof seed);
    seed[0] ^= wish->other_server;
    wend_ed25519_public(seed, receipt.server);
    wend_membership_hash((struct wend_bytes){join->membership, join->membership_len},
                         receipt.membership_hash);
    receipt.membership_hash[0] ^= wish->other_membership;
    struct wend_writer w = wend_writer_of(bytes, sizeof bytes);
    assert_int_equal(wend_receipt_sign(&receipt, seed, &w), 0);
    bytes[WEND_RECEIPT_LEN - 1] ^= wish->unsigned_one;
    w = wend_writer_of(memory, sizeof memory);
    wend_attribute_put(&w, WEND_ATTRIBUTE_RECEIPT, WEND_BYTES(bytes));
    answer(r, join, &w, memory);
}

static const struct offer good_offer = {.slot = 3, .ipv4 = 0x64400005, .time = WORLD_UNIX};

static void what_a_server_may_not_offer(void **state)
{
    (void)state;
    static const struct {
        struct offer offer;
        uint16_t error; // 0: taken
    } rows[] = {
        {{.slot = 3, .ipv4 = 0x64400005, .time = WORLD_UNIX}, 0},
        {{.slot = 4096, .ipv4 = 0x64400005, .time = WORLD_UNIX}, WEND_ERROR_EXHAUSTED},
        {{.slot = 3, .ipv4 = 0x64400005, .time = WORLD_UNIX - 601}, WEND_ERROR_BACKDATED},
        {{.slot = 3, .ipv4 = 0x64400005, .time = WORLD_UNIX + 601}, WEND_ERROR_BACKDATED},
        {{.slot = 3, .ipv4 = 0x64400005, .time = UINT64_MAX}, WEND_ERROR_BACKDATED},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct wend_join join;
        struct ride *r = open_with(&join, "laptop");
        ride_begin(r, NULL);
        make_offer(r, &join, &rows[i].offer);
        assert_int_equal(join.state, rows[i].error ? WEND_JOIN_FAILED : WEND_JOIN_COMMITTING);
        assert_int_equal(join.error, rows[i].error);
        assert_false(join.by_server);
        ride_close(r);
    }
}

static void what_a_receipt_may_not_say(void **state)
{
    (void)state;
    static const struct {
        struct receipt receipt;
        uint16_t error;
    } rows[] = {
        {{.slot = 3, .time = WORLD_UNIX}, 0},
        {{.slot = 3, .time = WORLD_UNIX + 500}, 0},
        {{.slot = 4, .time = WORLD_UNIX}, WEND_ERROR_FORGED},
        {{.slot = 3, .time = WORLD_UNIX, .other_membership = true}, WEND_ERROR_FORGED},
        {{.slot = 3, .time = WORLD_UNIX, .unsigned_one = true}, WEND_ERROR_FORGED},
        {{.slot = 3, .time = WORLD_UNIX, .other_server = true}, WEND_ERROR_UNLISTED},
        {{.slot = 3, .time = WORLD_UNIX - 601}, WEND_ERROR_BACKDATED},
        {{.slot = 3, .time = WORLD_UNIX + 601}, WEND_ERROR_BACKDATED},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct wend_join join;
        struct ride *r = open_with(&join, "laptop");
        ride_begin(r, NULL);
        make_offer(r, &join, &good_offer);
        make_receipt(r, &join, &rows[i].receipt);
        assert_int_equal(join.state, rows[i].error ? WEND_JOIN_FAILED : WEND_JOIN_DONE);
        assert_int_equal(join.error, rows[i].error);
        ride_close(r);
    }
}

static void an_address_that_is_not_the_servers_to_give(void **state)
{
    (void)state;
    struct wend_join join;
    struct ride *r = open_with(&join, "laptop");
    ride_begin(r, NULL);
    make_offer(r, &join, &(struct offer){.slot = 3, .ipv4 = 0x0a000001, .time = WORLD_UNIX});
    make_receipt(r, &join, &(struct receipt){.slot = 3, .time = WORLD_UNIX});
    assert_int_equal(join.state, WEND_JOIN_FAILED);
    assert_int_equal(join.error, WEND_ERROR_OUTSIDE);
    assert_non_null(strstr(join.why, wend_error_name(WEND_ERROR_OUTSIDE)));
    ride_close(r);
}

static void answers_that_are_no_answers(void **state)
{
    (void)state;
    static const uint8_t cut[] = {0, 0x14, 0, 4, 0, 0};
    struct wend_join join;
    struct ride *r = open_with(&join, "laptop");
    ride_begin(r, NULL);
    assert_int_equal(wend_join_start(&join, &r->leg, WORLD_UNIX), 0);
    struct wend_leg_event e = {.kind = WEND_LEG_RESPONSE, .id = join.request + 1};
    wend_join_event(&join, &r->leg, &e, WORLD_UNIX); // somebody else's
    assert_int_equal(join.state, WEND_JOIN_ASKING);
    e.id = join.request;
    e.kind = WEND_LEG_CONNECTED;
    wend_join_event(&join, &r->leg, &e, WORLD_UNIX);
    assert_int_equal(join.state, WEND_JOIN_ASKING);
    e.kind = WEND_LEG_RESPONSE;
    e.attributes = WEND_BYTES(cut);
    wend_join_event(&join, &r->leg, &e, WORLD_UNIX);
    assert_int_equal(join.state, WEND_JOIN_FAILED);
    assert_int_equal(join.error, WEND_ERROR_MALFORMED);

    const struct wend_invite invite = ride_invite(r);
    assert_int_equal(wend_join_init(&join, &invite, "laptop", r->identity.public_key, WORLD_UNIX),
                     0);
    make_offer(r, &join, &good_offer);
    e = (struct wend_leg_event){.kind = WEND_LEG_RESPONSE, .id = join.request};
    wend_join_event(&join, &r->leg, &e, WORLD_UNIX); // no receipt
    assert_int_equal(join.error, WEND_ERROR_MALFORMED);
    ride_close(r);
}

static void the_servers_words_are_made_printable(void **state)
{
    (void)state;
    static const uint8_t words[] = "no\x1b[2Jway\n\xff";
    struct wend_join join;
    struct ride *r = open_with(&join, "laptop");
    ride_begin(r, NULL);
    assert_int_equal(wend_join_start(&join, &r->leg, WORLD_UNIX), 0);
    const struct wend_leg_event e = {.kind = WEND_LEG_RESPONSE,
                                     .id = join.request,
                                     .error = 499,
                                     .error_text = {words, sizeof words - 1}};
    wend_join_event(&join, &r->leg, &e, WORLD_UNIX);
    assert_int_equal(join.error, 499);
    assert_string_equal(join.why, "no?[2Jway??");
    ride_close(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(becomes_a_member),
        cmocka_unit_test(answers_that_get_lost_cost_no_second_slot),
        cmocka_unit_test(joining_again_yields_the_same_slot),
        cmocka_unit_test(the_servers_reasons_are_told),
        cmocka_unit_test(a_spent_invite_is_exhausted),
        cmocka_unit_test(a_clock_that_is_off_is_said_so),
        cmocka_unit_test(a_dead_server_is_no_answer),
        cmocka_unit_test(bad_invites_are_refused_at_once),
        cmocka_unit_test(what_a_server_may_not_offer),
        cmocka_unit_test(what_a_receipt_may_not_say),
        cmocka_unit_test(an_address_that_is_not_the_servers_to_give),
        cmocka_unit_test(answers_that_are_no_answers),
        cmocka_unit_test(the_servers_words_are_made_printable),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
