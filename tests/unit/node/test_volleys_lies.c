// SPDX-License-Identifier: MIT
// Models and servers that lie, before a volley and during one: nothing goes to who is named by
// them, and it is said why.
#include "volleying.h"

#include "traverse/nat_exchange.h"
#include "wire/stun.h"

// --- models and servers that lie ---

// The peer's model names somebody else: not one datagram goes there, and it is said why.
static void test_a_model_that_names_a_victim(void **state)
{
    (void)state;
    all_up();
    know(0);
    struct wend_nat_model lie = model_of(1);
    lie.public = wend_address_ipv4(VICTIM, PORT);
    tell_model(1, &lie);
    world.hosts[1].node->leg.observed = lie.public; // it would notice itself
    say(0, 1, 1);
    run(WEND_S(10));
    assert_int_equal(benches[0].stray + benches[1].stray, 0);
    assert_null(seat_of(0, 1));
    assert_int_equal(contact(0, 1)->volley_end, WEND_VOLLEY_END_NONE);
    assert_int_equal(drops(0, WEND_DROP_NOT_ALLOWED), 1);
    assert_true(was_said(0, "volley=over reason=\"the server sees the peer elsewhere"));
    assert_clean(0, 0);
}

static void offer_by_hand(size_t from, size_t to, const struct wend_nat_model *m)
{
    uint8_t bytes[WEND_NAT_MODEL_LEN_MAX];
    const size_t len = wend_nat_model_write(bytes, m, world.now);
    struct wend_node *n = world.hosts[to].node;

    wend_volleys_answered(n, contact(to, from), (struct wend_bytes){bytes, len}, 99, false);
    drain(&world.hosts[to]);
}

// The server attests nothing with this call, whatever it said with one before.
static void test_nothing_is_attested(void **state)
{
    (void)state;
    all_up();
    say(0, 1, 1);
    run(WEND_S(1));
    know(0);
    struct wend_contact *c = contact(0, 1);
    c->attested = 0xcb007102;
    wend_volleys_attested(c, &(struct wend_address){0});
    assert_int_equal(c->attested, 0);
    struct wend_nat_model m = model_of(1);
    m.serial = 5;
    offer_by_hand(1, 0, &m);
    assert_null(seat_of(0, 1));
    assert_int_equal(drops(0, WEND_DROP_NOT_ALLOWED), 1);
    assert_int_equal(benches[0].punches, 0);
}

// Models that no NAT has: nothing is sent on their word, and that is said.
static void test_models_that_cannot_be(void **state)
{
    static const uint8_t junk[3] = {1, 2, 3};

    (void)state;
    world.direct_cut = true;
    all_up();
    say(0, 1, 1);
    run(WEND_S(1));
    know(0);
    struct wend_nat_model m = model_of(1);
    m.serial = 5;
    m.allocation = WEND_NAT_BLOCK; // without bounds
    offer_by_hand(1, 0, &m);
    assert_int_equal(times_said(0, "volley=none reason=\"a NAT model contradicts itself"), 1);
    struct wend_contact *c = contact(0, 1);
    const uint64_t before = drops(0, WEND_DROP_MALFORMED);
    wend_volleys_answered(world.hosts[0].node, c, (struct wend_bytes){junk, sizeof junk}, 99,
                          false);
    c->model_told = wend_nat_model(world.hosts[0].node)->serial;
    wend_volleys_accepted(world.hosts[0].node, c, (struct wend_bytes){junk, sizeof junk}, 99);
    assert_int_equal(drops(0, WEND_DROP_MALFORMED), before + 2);
    assert_clean(0, 0);
    assert_int_equal(benches[0].punches, 0);
}

// Every byte of a model with every value: whatever a plan makes of it, nothing leaves for anybody
// but the peer, and nothing stays.
static void test_models_with_any_byte_changed(void **state)
{
    uint8_t bytes[WEND_NAT_MODEL_LEN_MAX];

    (void)state;
    world.unchecked = true;
    all_up();
    say(0, 1, 1);
    run(WEND_S(1));
    know(0);
    struct wend_node *n = world.hosts[0].node;
    struct wend_contact *c = contact(0, 1);
    struct wend_nat_model m = model_of(1);
    m.serial = 5;
    m.low = (struct wend_nat_estimate){NAT_LOW, NAT_LOW, NAT_LOW};
    m.high = (struct wend_nat_estimate){NAT_HIGH, NAT_HIGH, NAT_HIGH};
    m.mapped = m.public;
    m.newest_port = 7;
    const size_t len = wend_nat_model_write(bytes, &m, world.now);
    for (size_t i = 0; i < len * 256; i++) {
        const uint8_t kept = bytes[i / 256];
        bytes[i / 256] = (uint8_t)i;
        wend_volleys_answered(n, c, (struct wend_bytes){bytes, len}, (uint32_t)i, false);
        drain(&world.hosts[0]);
        bytes[i / 256] = kept;
        if (seat_of(0, 1) != NULL) {
            wend_volley_check(volley(0, 1));
            wend_volleys_moved(n, c);
            drain(&world.hosts[0]);
        }
        world.flight_count = 0;
        assert_clean(0, 0);
    }
}

// --- answers of discovery servers to the volley's own questions ---

static size_t asked_by;

static wend_duration in_vain(size_t from, size_t to, const struct wend_datagram *d)
{
    (void)from;
    (void)to;
    (void)d;
    return -1;
}

static void answer_question(const struct wend_address *from, uint16_t socket,
                            const struct wend_address *mapped, const uint8_t id[12])
{
    uint8_t bytes[64];
    struct wend_stun_header header = {.method = WEND_STUN_METHOD_BINDING,
                                      .class = WEND_STUN_SUCCESS};
    struct wend_stun_writer w;

    memcpy(header.transaction, id, sizeof header.transaction);
    wend_stun_begin(&w, bytes, sizeof bytes, &header);
    wend_stun_put_xor_address(&w, WEND_STUN_XOR_MAPPED_ADDRESS, mapped);
    const struct wend_datagram in = {.transport = WEND_TRANSPORT_UDP,
                                     .remote = *from,
                                     .socket = socket,
                                     .bytes = {bytes, wend_stun_finish(&w)}};
    (void)wend_node_receive(world.hosts[asked_by].node, &in, world.now);
    drain(&world.hosts[asked_by]);
}

static void test_forged_answers_of_servers(void **state)
{
    const size_t b = smaller_key();

    (void)state;
    asked_by = b;
    world.fate = in_vain;
    all_up();
    struct wend_nat_model m = model_of(b);
    m.mapping = WEND_NAT_ADDRESS_AND_PORT_DEPENDENT;
    m.allocation = WEND_NAT_SEQUENTIAL;
    m.delta = 1;
    struct wend_discovery *d = &world.hosts[b].node->nat.discovery;
    d->server = world.server;
    d->other_server = world.server;
    d->other_server.port = 3479;
    tell_model(b, &m);
    know(1 - b);
    say(1 - b, b, 1);
    until_both_run();
    run(WEND_MS(2));
    const struct wend_volley_seat *seat = seat_of(b, 1 - b);
    const struct wend_volley *v = volley(b, 1 - b);
    const uint16_t socket = seat->numbers[v->socket_first];
    assert_int_equal(benches[b].questions, 2);
    assert_true(socket != 0 && v->acted);
    uint8_t id[12];
    memcpy(id, benches[b].question[0] + 8, sizeof id);
    const struct wend_address good = {
        .family = WEND_FAMILY_IPV4, .ip = {203, 0, 113, (uint8_t)(1 + b)}, .port = 5000};
    const struct wend_address victim = wend_address_ipv4(VICTIM, 3478);
    const uint64_t wrong = drops(b, WEND_DROP_WRONG_SOURCE);
    answer_question(&victim, socket, &good, id); // not from the server
    id[0] ^= 1;
    answer_question(&world.server, socket, &good, id); // to no question of ours
    id[0] ^= 1;
    id[10] = 1;
    answer_question(&world.server, socket, &good, id); // to the other server's
    id[10] = 9;
    answer_question(&world.server, socket, &good, id);
    id[10] = 0;
    assert_int_equal(drops(b, WEND_DROP_WRONG_SOURCE), wrong + 4);
    assert_still_runs(b);
    assert_false(v->offer.made);
    assert_int_equal(v->sampled[0] + v->sampled[1], 0);
    // The true server's word for another address than the model's ends it, on both sides.
    answer_question(&world.server, socket, &victim, id);
    assert_null(seat_of(b, 1 - b));
    assert_true(was_said(b, "volley=over reason=\"our own public address is no longer"));
    settle_flights();
    assert_true(was_said(1 - b, "volley=over reason=\"the peer stopped: our own public address"));
    run(WEND_S(10)); // it may have been tried once more
    assert_clean(0, 0);
    assert_clean(1, 0);
}

// Two questions of a scan lie apart, and nothing of ours between them: taken for those of a
// bracket, what others did meanwhile would have been done at once.
static void test_samples_of_a_scan_keep_their_times(void **state)
{
    const size_t b = smaller_key();
    const struct wend_address first = {
        .family = WEND_FAMILY_IPV4, .ip = {203, 0, 113, (uint8_t)(1 + b)}, .port = 5000};
    struct wend_address second = first, other = world.server;

    (void)state;
    asked_by = b;
    world.fate = in_vain;
    all_up();
    other.port = 3479;
    second.port = 5004;
    for (size_t i = 0; i < 2; i++) {
        struct wend_nat_model m = model_of(i);
        m.mapping = WEND_NAT_ADDRESS_AND_PORT_DEPENDENT;
        m.allocation = WEND_NAT_SEQUENTIAL;
        m.delta = 1;
        world.hosts[i].node->nat.discovery.server = world.server;
        world.hosts[i].node->nat.discovery.other_server = other;
        tell_model(i, &m);
    }
    say(1 - b, b, 1);
    until_both_run();
    const struct wend_volley *v = volley(b, 1 - b);
    assert_int_equal(v->plan.stages[0].method, WEND_METHOD_SCAN);
    for (int i = 0; i < 200 && benches[b].questions < 2; i++)
        run(WEND_MS(1));
    assert_int_equal(benches[b].questions, 2);
    const struct wend_node *n = world.hosts[b].node;
    const uint16_t socket =
        n->volleys.seats[contact(b, 1 - b)->volley - 1].numbers[v->socket_first];
    const struct wend_nat_samples *seen = &world.hosts[b].node->nat.discovery.samples;
    const uint32_t before = seen->count;
    const wend_duration apart = v->again_at - v->act_at;
    assert_true(apart >= WEND_MS(5));
    answer_question(&world.server, socket, &first, benches[b].question[0] + 8);
    answer_question(&other, socket, &second, benches[b].question[1] + 8);
    wend_node_expire(world.hosts[b].node, world.now);
    assert_int_equal(seen->count, before + 2); // and no opener, for there was none
    const struct wend_nat_sample *s = &seen->at[seen->count - 2];
    assert_int_equal(s[0].outside.port, 5000);
    assert_int_equal(s[1].outside.port, 5004);
    assert_int_equal(s[1].sent - s[0].sent, apart);
    wend_volley_refuse(volley(b, 1 - b), "enough", world.now);
    wend_contact_settle(world.hosts[b].node, contact(b, 1 - b));
    drain(&world.hosts[b]);
    run(WEND_S(1));
}

int main(void)
{
#define WITH(f) cmocka_unit_test_setup_teardown(f, volleying_open, volleying_close)
    const struct CMUnitTest tests[] = {
        WITH(test_a_model_that_names_a_victim), WITH(test_nothing_is_attested),
        WITH(test_models_that_cannot_be),       WITH(test_models_with_any_byte_changed),
        WITH(test_forged_answers_of_servers),   WITH(test_samples_of_a_scan_keep_their_times),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
