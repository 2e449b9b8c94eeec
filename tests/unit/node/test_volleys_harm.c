// SPDX-License-Identifier: MIT
// What must not move a volley: messages and datagrams that are malformed, repeated, foreign or
// forged. Each is counted.
#include "volleying.h"

// --- malformed ---

static void test_malformed_messages(void **state)
{
    static const uint8_t junk[][12] = {
        {0}, {7, 0, 0, 0, 1, 2, 3, 4}, {3}, {3, 0, 0, 9, 0, 0, 0, 0, 1, 2, 3, 4}, {255, 255, 255}};

    (void)state;
    begin_in_vain();
    const struct wend_volley *v = volley(0, 1);
    for (size_t i = 0; i < 5; i++)
        send_volley_bytes(1, 0, (struct wend_bytes){junk[i], sizeof junk[i]});
    send_volley_bytes(1, 0, (struct wend_bytes){junk[0], 0});
    settle_flights();
    assert_int_equal(v->drops.count[WEND_DROP_MALFORMED], 6);
    send_sealed(1, 0, WEND_CONTROL_VOLLEY, (struct wend_bytes){0}); // no attribute
    send_sealed(1, 0, WEND_CONTROL_PUNCH, (struct wend_bytes){0});
    settle_flights();
    assert_int_equal(drops(0, WEND_DROP_MALFORMED), 8);
    assert_still_runs(0);
}

static void test_malformed_punches(void **state)
{
    (void)state;
    begin_in_vain();
    const struct wend_address from = world.hosts[1].address;
    for (int kind = 0; kind < 256; kind++) {
        if (kind >= WEND_VOLLEY_OPENER && kind <= WEND_VOLLEY_CONFIRM)
            continue;
        punch(1, 0, &from, 0, &(struct wend_punch){.kind = (uint8_t)kind, .token = 5});
    }
    assert_int_equal(drops(0, WEND_DROP_MALFORMED), 252);
    assert_still_runs(0);
    assert_int_equal(volley(0, 1)->answers, 0);
}

// --- without a volley, of another contact ---

static void test_nothing_runs(void **state)
{
    (void)state;
    all_up();
    say(0, 1, 1);
    run(WEND_S(1));
    const struct wend_address from = world.hosts[1].address;
    const uint64_t before = drops(0, WEND_DROP_NO_SESSION);
    send_message(1, 0, &(struct wend_volley_message){.kind = WEND_VOLLEY_STILL, .serial = 1});
    settle_flights();
    assert_int_equal(drops(0, WEND_DROP_NO_SESSION), before + 1);
    for (uint8_t kind = WEND_VOLLEY_OPENER; kind <= WEND_VOLLEY_CONFIRM; kind++)
        punch(1, 0, &from, 0, &(struct wend_punch){.kind = kind, .token = 1, .echo = 2});
    assert_int_equal(drops(0, WEND_DROP_NO_SESSION), before + 5);
    assert_clean(0, 0);
    assert_int_equal(benches[0].punches, 0);
}

// Cleo has a session with anna, and knows everything about anna's volley with bert.
static void test_another_contact(void **state)
{
    (void)state;
    world.direct_cut = true;
    all_up();
    say(2, 0, 1);
    run(WEND_S(1));
    know(0);
    know(1);
    say(0, 1, 1);
    until_both_run();
    const struct wend_volley *v = volley(0, 1);
    const uint64_t token = volley_token(v, false, 0, PORT), before = drops(0, WEND_DROP_NO_SESSION);
    send_message(2, 0,
                 &(struct wend_volley_message){
                     .kind = WEND_VOLLEY_HIT, .serial = v->plan.serial, .token = token});
    send_message(2, 0,
                 &(struct wend_volley_message){
                     .kind = WEND_VOLLEY_STOP, .serial = v->plan.serial, .text = "stop it"});
    settle_flights();
    punch(2, 0, &world.hosts[1].address, 0,
          &(struct wend_punch){.kind = WEND_VOLLEY_ANSWER, .token = 1, .echo = token});
    assert_int_equal(drops(0, WEND_DROP_NO_SESSION), before + 3);
    assert_still_runs(0);
}

// --- repeated, and of a former call ---

static void test_repeated_datagrams(void **state)
{
    (void)state;
    call();
    run(WEND_S(3)); // won; the newest datagram is kept
    assert_int_equal(way(0, 1), WEND_PATH_DIRECT);
    struct wend_datagram again = benches[0].caught_way;
    again.bytes.at = benches[0].caught;
    assert_true(again.bytes.len == 64);
    const uint64_t before = drops(0, WEND_DROP_REPLAYED);
    for (int i = 0; i < 100; i++)
        (void)wend_node_receive(world.hosts[0].node, &again, world.now);
    drain(&world.hosts[0]);
    assert_int_equal(drops(0, WEND_DROP_REPLAYED), before + 100);
    assert_clean(0, 0);
}

static void test_a_former_call(void **state)
{
    (void)state;
    begin_in_vain();
    const uint32_t former_serial = volley(0, 1)->plan.serial;
    const uint64_t former_token = volley_token(volley(0, 1), false, 0, PORT);
    wend_volley_refuse(volley(0, 1), "once more", world.now);
    wend_contact_settle(world.hosts[0].node, contact(0, 1));
    drain(&world.hosts[0]);
    run(WEND_S(1));
    assert_null(seat_of(0, 1));
    know(0); // another serial: at once
    until_both_run();
    const struct wend_volley *v = volley(0, 1);
    assert_int_not_equal(v->plan.serial, former_serial);
    send_message(1, 0,
                 &(struct wend_volley_message){
                     .kind = WEND_VOLLEY_HIT, .serial = former_serial, .token = former_token});
    send_message(1, 0,
                 &(struct wend_volley_message){
                     .kind = WEND_VOLLEY_STOP, .serial = former_serial, .text = "former"});
    settle_flights();
    assert_int_equal(v->drops.count[WEND_DROP_NO_SESSION], 2);
    punch(1, 0, &world.hosts[1].address, 0,
          &(struct wend_punch){.kind = WEND_VOLLEY_CONFIRM, .echo = former_token});
    assert_int_equal(v->drops.count[WEND_DROP_BAD_MAC], 1);
    assert_still_runs(0);
}

// --- forged success ---

static void test_forged_success(void **state)
{
    (void)state;
    begin_in_vain();
    const struct wend_volley *v = volley(0, 1);
    const struct wend_address from = world.hosts[1].address;
    const uint64_t true_token = volley_token(v, false, 0, PORT);
    for (unsigned bit = 0; bit < 64; bit += 9) {
        const uint64_t token = true_token ^ (uint64_t)1 << bit;
        send_message(1, 0,
                     &(struct wend_volley_message){
                         .kind = WEND_VOLLEY_HIT, .serial = v->plan.serial, .token = token});
        punch(1, 0, &from, 0,
              &(struct wend_punch){.kind = WEND_VOLLEY_ANSWER, .token = 1, .echo = token});
        punch(1, 0, &from, 0, &(struct wend_punch){.kind = WEND_VOLLEY_CONFIRM, .echo = token});
    }
    settle_flights();
    assert_int_equal(v->drops.count[WEND_DROP_BAD_MAC], 8 * 3);
    assert_still_runs(0);
    assert_null(wend_paths_direct(&contact(0, 1)->paths));
    assert_int_equal(times_said(0, "volley=won"), 0);
}

// A socket that the volley never had, though the token's check would be right.
static void test_a_token_of_no_socket(void **state)
{
    (void)state;
    begin_in_vain();
    const struct wend_volley *v = volley(0, 1);
    const uint64_t token = volley_token(v, false, v->socket_next, PORT);
    punch(1, 0, &world.hosts[1].address, 0,
          &(struct wend_punch){.kind = WEND_VOLLEY_ANSWER, .token = 1, .echo = token});
    assert_int_equal(v->drops.count[WEND_DROP_BAD_MAC], 1);
    assert_still_runs(0);
}

// Sealed by the peer, but from where it is not; and over the relay.
static void test_datagrams_from_elsewhere(void **state)
{
    const struct wend_address elsewhere = wend_address_ipv4(VICTIM, 4000);

    (void)state;
    begin_in_vain();
    const struct wend_volley *v = volley(0, 1);
    for (uint8_t kind = WEND_VOLLEY_OPENER; kind <= WEND_VOLLEY_CONFIRM; kind++)
        punch(1, 0, &elsewhere, 0,
              &(struct wend_punch){
                  .kind = kind, .token = 1, .echo = volley_token(v, false, 0, PORT)});
    assert_int_equal(v->drops.count[WEND_DROP_WRONG_SOURCE], 4);
    uint8_t body[64];
    struct wend_writer w = wend_writer_of(body, sizeof body);
    wend_attribute_put_punch(&w, &(struct wend_punch){.kind = WEND_VOLLEY_PROBE, .token = 1});
    const uint64_t before = drops(0, WEND_DROP_NO_SESSION);
    send_sealed(1, 0, WEND_CONTROL_PUNCH, (struct wend_bytes){body, w.len});
    settle_flights();
    assert_int_equal(drops(0, WEND_DROP_NO_SESSION), before + 1);
    assert_still_runs(0);
    assert_int_equal(benches[0].stray, 0);
}

static wend_duration to_anna_alone(size_t from, size_t to, const struct wend_datagram *d)
{
    (void)from;
    (void)d;
    return to == 0 ? TO_PEER : -1;
}

// A datagram of the true peer with any one byte changed, by somebody without keys.
static void test_forged_datagrams(void **state)
{
    uint8_t bytes[64];

    (void)state;
    world.fate = to_anna_alone;
    call();
    until_both_run();
    for (int i = 0; i < 300 && benches[0].caught_way.bytes.len == 0; i++)
        run(WEND_MS(1));
    assert_int_equal(benches[0].caught_way.bytes.len, sizeof bytes);
    assert_still_runs(0);
    const uint16_t answers = volley(0, 1)->answers;
    uint64_t before = 0, after = 0;
    for (int k = 1; k < WEND_DROP_COUNT; k++)
        before += drops(0, (enum wend_drop)k);
    for (size_t i = 0; i < sizeof bytes; i++) {
        memcpy(bytes, benches[0].caught, sizeof bytes);
        bytes[i] ^= 0x10;
        struct wend_datagram d = benches[0].caught_way;
        d.bytes = (struct wend_bytes){bytes, sizeof bytes};
        (void)wend_node_receive(world.hosts[0].node, &d, world.now);
    }
    for (int k = 1; k < WEND_DROP_COUNT; k++)
        after += drops(0, (enum wend_drop)k);
    assert_int_equal(after - before, sizeof bytes);
    assert_int_equal(volley(0, 1)->answers, answers);
    assert_still_runs(0);
}

static void send_answer(uint32_t name, wend_instant sent)
{
    uint8_t body[64];
    struct wend_writer w = wend_writer_of(body, sizeof body);
    struct wend_contact *c = contact(1, 0);
    const struct wend_origin way = {
        .kind = WEND_ORIGIN_DIRECT,
        .way = {.transport = WEND_TRANSPORT_UDP, .remote = world.hosts[0].address}};
    struct wend_datagram d;

    wend_attribute_put_u32(&w, WEND_ATTRIBUTE_PATH, name);
    wend_attribute_put_u64(&w, WEND_ATTRIBUTE_TIME, (uint64_t)sent);
    const struct wend_control head = {.type = WEND_CONTROL_PROBE,
                                      .response = true,
                                      .id = 1,
                                      .attributes = {.at = body, .len = w.len}};
    wend_contact_send_control(world.hosts[1].node, c, &way, &head);
    assert_true(wend_node_next_datagram(world.hosts[1].node, &d));
    d.remote = wend_address_ipv4(VICTIM, 4000);
    (void)wend_node_receive(world.hosts[0].node, &d, world.now);
    drain(&world.hosts[0]);
}

// Answers to probes that were never sent, or were sent elsewhere, from a victim's address: no path.
static void test_forged_probe_answers(void **state)
{
    (void)state;
    world.direct_cut = true;
    all_up();
    say(0, 1, 1);
    run(WEND_MS(300));
    const struct wend_paths *paths = &contact(0, 1)->paths;
    const uint64_t before = drops(0, WEND_DROP_NO_SESSION);
    uint32_t count = 0;
    assert_true(paths->names > 0);
    for (uint32_t name = 0; name <= paths->names + 1; name++) {
        for (wend_instant sent = world.now - WEND_MS(300); sent <= world.now; sent += WEND_MS(10)) {
            send_answer(name, sent);
            count++;
        }
    }
    assert_int_equal(drops(0, WEND_DROP_NO_SESSION), before + count);
    assert_null(wend_paths_direct(paths));
    assert_int_equal(way(0, 1), WEND_PATH_RELAY);
    assert_int_equal(benches[0].stray, 0);
}

// --- floods ---

static void test_floods(void **state)
{
    (void)state;
    begin_in_vain();
    struct wend_volley *v = volley(0, 1);
    const struct wend_volley_message still = {.kind = WEND_VOLLEY_STILL, .serial = v->plan.serial};
    for (int i = 0; i < 1000; i++)
        send_message(1, 0, &still);
    settle_flights();
    assert_in_range(v->drops.count[WEND_DROP_RATE_LIMITED], 1000 - 64, 1000);
    assert_still_runs(0);
    for (int i = 0; i < 1000; i++)
        punch(1, 0, &world.hosts[1].address, 0,
              &(struct wend_punch){.kind = WEND_VOLLEY_PROBE, .token = (uint64_t)i + 1});
    assert_true(volley(0, 1)->answers <= WEND_VOLLEY_ANSWERS);
    run(WEND_S(20));
    assert_clean(0, 0);
    assert_true(was_said(0, "volley=over reason="));
    assert_in_range(benches[0].punches, 1, 40 + WEND_VOLLEY_ANSWERS);
}

int main(void)
{
#define WITH(f) cmocka_unit_test_setup_teardown(f, volleying_open, volleying_close)
    const struct CMUnitTest tests[] = {
        WITH(test_malformed_messages),
        WITH(test_malformed_punches),
        WITH(test_nothing_runs),
        WITH(test_another_contact),
        WITH(test_repeated_datagrams),
        WITH(test_a_former_call),
        WITH(test_forged_success),
        WITH(test_a_token_of_no_socket),
        WITH(test_datagrams_from_elsewhere),
        WITH(test_forged_datagrams),
        WITH(test_forged_probe_answers),
        WITH(test_floods),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
