// SPDX-License-Identifier: MIT
// Early data that is replayed, forged, malformed, or of a member that is none any more.
#include "early.h"

// --- replayed ---
// The initiation again, later: from the cache while that lives, stale after that. Nothing arrives.
static void test_replayed(void **state)
{
    (void)state;
    all_up();
    say(0, 1, 1);
    const struct message old = initiation(0, 1);
    run(WEND_S(1));
    hand_over(0, 1, &old);
    run(WEND_S(1));
    hand_over(0, 1, &old);
    say(0, 1, 2);
    run(WEND_S(400));
    hand_over(0, 1, &old);
    assert_int_equal(drops(1, WEND_DROP_STALE_TIMESTAMP), 1);
    run(WEND_S(1));
    each_once(1, 1, 2);
    assert_int_equal(world.hosts[1].plane.early, 1);
}

// A recorded initiation, given to the next run of the device: it is answered, but nothing is
// delivered, and nothing is sent under its keys.
static void test_replayed_to_a_later_run(void **state)
{
    (void)state;
    all_up();
    say(0, 1, 1);
    const struct message old = initiation(0, 1);
    run(WEND_S(1));
    host_down(0);
    host_down(1);
    host_up(1, 2);
    run(WEND_S(2));
    hand_over(0, 1, &old);
    run(WEND_MS(100));
    assert_int_equal(world.hosts[1].plane.early, 0);
    assert_int_equal(world.hosts[1].plane.key_commands, 0);
    assert_true(drops(1, WEND_DROP_NOT_ALLOWED) > 0);
}

// The server takes a member away and brings it back: what it recorded is worth nothing.
static void test_replayed_after_a_removal(void **state)
{
    (void)state;
    all_up();
    say(0, 1, 1);
    const struct message old = initiation(0, 1);
    run(WEND_S(1));
    struct wend_node *n = world.hosts[1].node;
    wend_directory_remove(n, seat(1, 0), "removed");
    drain(&world.hosts[1]);
    n->directory.position = (struct wend_position){0};
    wend_directory_sync(n);
    run(WEND_S(2));
    assert_non_null(seat(1, 0));
    hand_over(0, 1, &old);
    run(WEND_MS(100));
    assert_int_equal(world.hosts[1].plane.early, 1);
    each_once(1, 1, 1);
}

// --- revoked ---

static void revoke(size_t i, struct wend_bytes list)
{
    struct wend_node *n = world.hosts[i].node;
    uint8_t body[700];
    struct wend_writer w = wend_writer_of(body, sizeof body);

    wend_attribute_put_u8(&w, WEND_ATTRIBUTE_OBJECT, WEND_OBJECT_REVOCATION_LIST);
    wend_attribute_put_u32(&w, WEND_ATTRIBUTE_OFFSET, 0);
    wend_attribute_put_u32(&w, WEND_ATTRIBUTE_SIZE, (uint32_t)list.len);
    wend_attribute_put(&w, WEND_ATTRIBUTE_PART, list);
    n->now = world.now;
    n->records.fetch.object = WEND_OBJECT_REVOCATION_LIST;
    wend_records_fetched(n, (struct wend_bytes){body, w.len}, 0);
    drain(&world.hosts[i]);
}

static void test_revoked_meanwhile(void **state)
{
    uint8_t list[512];

    (void)state;
    all_up();
    say(0, 1, 1);
    run(TO_SERVER);
    const size_t len =
        office_revoke(&world.office, 1, world.hosts[0].identity.public_key, list, sizeof list);
    revoke(1, (struct wend_bytes){list, len});
    assert_null(seat(1, 0));
    run(WEND_S(1));
    assert_int_equal(world.hosts[1].plane.got[1], 0);
    assert_int_equal(world.hosts[1].plane.early, 0);
}

// --- forged and malformed ---

// A member's own initiation, with any early data.
static struct message forge(size_t from, size_t to, struct wend_bytes early)
{
    struct wend_node *n = world.hosts[from].node;
    struct wend_remote remote;
    uint8_t body[WEND_ATTRIBUTES_LEN_MAX];
    struct wend_writer w = wend_writer_of(body, sizeof body);
    struct wend_handshake handshake;
    struct message m;

    assert_int_equal(
        wend_remote_init(&remote, &world.hosts[from].identity, world.hosts[to].identity.public_key),
        0);
    wend_attribute_put(&w, WEND_ATTRIBUTE_CERTIFICATE_HASH,
                       (struct wend_bytes){n->own.membership_hash, 32});
    wend_attribute_put_u64(&w, WEND_ATTRIBUTE_EPOCH, n->config.epoch);
    wend_attribute_put_u64(&w, WEND_ATTRIBUTE_RESPONDER_EPOCH, world.hosts[to].node->config.epoch);
    wend_attribute_put(&w, WEND_ATTRIBUTE_EARLY_DATA, early);
    const struct wend_parties parties = {&n->prologue, &world.hosts[from].identity, &remote};
    const struct wend_handshake_input input = {
        .local_index = 77,
        .ephemeral = {9, 9, 9},
        .label = wend_label_of(wend_label_clock_next(&n->labels, unix_ns())),
        .attributes = {body, w.len},
        .out = m.bytes,
        .out_max = sizeof m.bytes};
    const int len = wend_initiation_create(&parties, &input, &handshake);
    assert_true(len > 0);
    m.len = (size_t)len;
    return m;
}

static bool nothing_back(const struct flight *f)
{
    return f->to == 0;
}

static void test_malformed(void **state)
{
    uint8_t good[4 * PLANE_PACKET], spoilt[4 * PLANE_PACKET + 1];
    uint32_t taken = 0;

    (void)state;
    all_up();
    world.loses = nothing_back; // the forger answers nothing
    for (uint32_t k = 0; k < 4; k++)
        plane_write(&world.hosts[0].plane, slot_of(0, 1), k, good + k * PLANE_PACKET);
    const struct {
        size_t place, len;
        uint8_t value;
        enum wend_drop drop;
        uint32_t arrive;
    } cases[] = {
        {0, sizeof good, 0x45, WEND_DROP_NONE, 4},
        {0, sizeof good - 1, 0x45, WEND_DROP_MALFORMED, 3},               // the last cut short
        {sizeof good, sizeof good + 1, 0x45, WEND_DROP_MALFORMED, 4},     // garbage after
        {0, sizeof good, 0x00, WEND_DROP_MALFORMED, 0},                   // no IP packet
        {PLANE_PACKET + 3, sizeof good, 19, WEND_DROP_MALFORMED, 1},      // shorter than its header
        {PLANE_PACKET + 3, sizeof good, 255, WEND_DROP_MALFORMED, 1},     // longer than all
        {PLANE_PACKET + 15, sizeof good, 9, WEND_DROP_WRONG_SOURCE, 3},   // from somebody else
        {2 * PLANE_PACKET + 19, sizeof good, 9, WEND_DROP_NO_ROUTE, 3},   // for somebody else
        {3 * PLANE_PACKET + 16, sizeof good, 224, WEND_DROP_NO_ROUTE, 3}, // multicast
    };
    for (size_t k = 0; k < sizeof cases / sizeof cases[0]; k++) {
        memcpy(spoilt, good, sizeof good);
        spoilt[cases[k].place] = cases[k].value;
        const uint64_t before = drops(1, cases[k].drop);
        const uint32_t responses = world.hosts[1].sent;
        const struct message m = forge(0, 1, (struct wend_bytes){spoilt, cases[k].len});
        hand_over(0, 1, &m);
        taken += cases[k].arrive;
        assert_int_equal(world.hosts[1].plane.early, taken);
        if (cases[k].drop != WEND_DROP_NONE)
            assert_int_equal(drops(1, cases[k].drop), before + 1);
        assert_true(world.hosts[1].sent > responses); // the handshake goes on
        wend_contact_close(world.hosts[1].node, contact(1, 0));
        run(WEND_MS(50));
    }
}

// More than a bundle may be, and a bundle of nothing: not taken, and not said to be.
static void test_wrong_sizes(void **state)
{
    uint8_t many[WEND_EARLY_MAX + PLANE_PACKET];

    (void)state;
    all_up();
    for (uint32_t k = 0; k < sizeof many / PLANE_PACKET; k++)
        plane_write(&world.hosts[0].plane, slot_of(0, 1), k, many + k * PLANE_PACKET);
    const struct message large = forge(0, 1, (struct wend_bytes){many, sizeof many});
    hand_over(0, 1, &large);
    run(WEND_MS(50));
    const struct message empty = forge(0, 1, (struct wend_bytes){many, 0});
    hand_over(0, 1, &empty);
    assert_int_equal(world.hosts[1].plane.early, 0);
    assert_int_equal(drops(1, WEND_DROP_NOT_ALLOWED), 2);
}

int main(void)
{
#define WITH(f) cmocka_unit_test_setup_teardown(f, world_open, world_close)
    const struct CMUnitTest tests[] = {
        WITH(test_replayed),
        WITH(test_replayed_to_a_later_run),
        WITH(test_replayed_after_a_removal),
        WITH(test_revoked_meanwhile),
        WITH(test_malformed),
        WITH(test_wrong_sizes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
