// SPDX-License-Identifier: MIT
// Trust: one sound chain, and every way to spoil it with the code that it must be refused with.
#include "scene.h"

// ---- The sound chain ----

static void test_member(void **state)
{
    (void)state;
    const struct wend_network_record network = world_network();
    const struct wend_trust trust = {.network = &network};
    const struct wend_chain chain = {WORLD_VIEW(vector_delegation), WORLD_VIEW(vector_membership),
                                     WORLD_VIEW(vector_receipt)};
    struct wend_member m;
    assert_int_equal(wend_trust_check_member(&trust, &chain, NOW, &m), WEND_ERROR_NONE);
    assert_memory_equal(m.key, world_key(5).at, 32);
    assert_memory_equal(m.invite_id, vector_invite_id, 8);
    assert_memory_equal(m.membership_hash, vector_membership_hash, 32);
    assert_memory_equal(m.server, vector_server_key, 32);
    assert_string_equal(m.name, "laptop");
    assert_int_equal(m.slot, 1);
    assert_int_equal(m.ipv4, 0x64400809);
    assert_true(m.receipt_time == WORLD_ISSUED + 105);
    assert_true(m.expires == WORLD_ISSUED + 105 + 180 * WORLD_DAY);
}

// ---- Not decodable, not of this network, not signed ----

static void test_truncated(void **state)
{
    (void)state;
    const struct wend_network_record network = world_network();
    const struct wend_trust trust = {.network = &network};
    const struct wend_chain whole = {WORLD_VIEW(vector_delegation), WORLD_VIEW(vector_membership),
                                     WORLD_VIEW(vector_receipt)};
    struct wend_member m;
    for (size_t part = 0; part < 3; part++) {
        struct wend_chain chain = whole;
        struct wend_bytes *cut = part == 0   ? &chain.delegation
                                 : part == 1 ? &chain.membership
                                             : &chain.receipt;
        while (cut->len-- > 0)
            assert_int_equal(wend_trust_check_member(&trust, &chain, NOW, &m),
                             WEND_ERROR_MALFORMED);
    }
    const struct wend_chain none = {0};
    assert_int_equal(wend_trust_check_member(&trust, &none, NOW, &m), WEND_ERROR_MALFORMED);
}

static void test_foreign(void **state)
{
    (void)state;
    struct scene s = sound();
    s.network.key[0] ^= 1;
    assert_int_equal(judge(&s), WEND_ERROR_FOREIGN);
    s = sound();
    s.delegation.network[0] ^= 1;
    assert_int_equal(judge(&s), WEND_ERROR_FOREIGN);
    s = sound();
    s.membership.network[0] ^= 1;
    assert_int_equal(judge(&s), WEND_ERROR_FOREIGN);
}

static void test_forged(void **state)
{
    (void)state;
    struct scene s = sound();
    s.network_seed = WORLD_INVITE_SEED;
    assert_int_equal(judge(&s), WEND_ERROR_FORGED);
    s = sound();
    s.invite_seed = WORLD_SERVER_SEED;
    assert_int_equal(judge(&s), WEND_ERROR_FORGED);
    s = sound();
    s.server_seed = WORLD_INVITE_SEED;
    assert_int_equal(judge(&s), WEND_ERROR_FORGED);
}

// Sound records that do not belong together.
static void test_mismatched(void **state)
{
    (void)state;
    struct scene s = sound();
    s.membership.invite_id[0] ^= 1;
    assert_int_equal(judge(&s), WEND_ERROR_FORGED);
    s = sound();
    s.other_hash = true;
    assert_int_equal(judge(&s), WEND_ERROR_FORGED);
    s = sound();
    s.receipt.slot = 0;
    assert_int_equal(judge(&s), WEND_ERROR_FORGED);
}

// Each bit of each record flipped: never a member.
static void test_every_bit(void **state)
{
    (void)state;
    struct scene s = sound();
    const struct wend_trust trust = {.network = &s.network};
    struct wend_member m;
    build(&s);
    const size_t len[3] = {s.chain.delegation.len, s.chain.membership.len, s.chain.receipt.len};
    for (size_t part = 0; part < 3; part++)
        for (size_t i = 0; i < len[part]; i++) {
            s.bytes[part][i] ^= (uint8_t)(1u << i % 8);
            assert_int_not_equal(wend_trust_check_member(&trust, &s.chain, NOW, &m),
                                 WEND_ERROR_NONE);
            s.bytes[part][i] ^= (uint8_t)(1u << i % 8);
        }
    assert_int_equal(wend_trust_check_member(&trust, &s.chain, NOW, &m), WEND_ERROR_NONE);
}

// ---- Signed, but against the rules ----

static void test_unlisted(void **state)
{
    (void)state;
    struct scene s = sound();
    s.server_seed = 9;
    wend_ed25519_public(world_key(9).at, s.receipt.server);
    assert_int_equal(judge(&s), WEND_ERROR_UNLISTED);
    assert_int_equal(judge_commit(&s), WEND_ERROR_UNLISTED);
}

static void test_revoked(void **state)
{
    (void)state;
    struct scene s = sound();
    revoke(&s, world_key(6).at, 32); // somebody else
    assert_int_equal(judge(&s), WEND_ERROR_NONE);
    revoke(&s, s.membership.device, 32);
    assert_int_equal(judge(&s), WEND_ERROR_REVOKED);
    assert_int_equal(judge_commit(&s), WEND_ERROR_REVOKED);
    s = sound();
    revoke(&s, vector_invite_id, 8);
    assert_int_equal(judge(&s), WEND_ERROR_REVOKED);
    assert_int_equal(judge_commit(&s), WEND_ERROR_REVOKED);
}

static void test_is_revoked(void **state)
{
    (void)state;
    struct scene s = sound();
    struct wend_trust trust = {.network = &s.network};
    struct wend_member m;
    build(&s);
    assert_int_equal(wend_trust_check_member(&trust, &s.chain, NOW, &m), WEND_ERROR_NONE);
    assert_false(wend_trust_is_revoked(&trust, &m));
    trust.revoked = &s.revoked;
    assert_false(wend_trust_is_revoked(&trust, &m));
    revoke(&s, vector_invite_id, 8);
    assert_true(wend_trust_is_revoked(&trust, &m));
    s.revoked = (struct wend_revocation_list){.serial = 2};
    revoke(&s, m.key, 32);
    assert_true(wend_trust_is_revoked(&trust, &m));
}

static void test_exhausted(void **state)
{
    (void)state;
    struct scene s = sound();
    s.membership.slot = s.receipt.slot = 2;
    assert_int_equal(judge(&s), WEND_ERROR_EXHAUSTED);
    assert_int_equal(judge_commit(&s), WEND_ERROR_EXHAUSTED);
    s.membership.slot = s.receipt.slot = 0;
    assert_int_equal(judge(&s), WEND_ERROR_NONE);
}

static void test_too_long(void **state)
{
    (void)state;
    struct scene s = sound();
    s.membership.lifetime++;
    assert_int_equal(judge(&s), WEND_ERROR_TOO_LONG);
    assert_int_equal(judge_commit(&s), WEND_ERROR_TOO_LONG);
}

static void test_outside(void **state)
{
    (void)state;
    static const struct {
        const char *pool; // of the server
        uint32_t ipv4;
        enum wend_error error;
    } rows[] = {
        {"100.64.8.0/21", 0x64400800, WEND_ERROR_NONE},
        {"100.64.8.0/21", 0x64400ffe, WEND_ERROR_NONE},
        {"100.64.8.0/21", 0x64400fff, WEND_ERROR_OUTSIDE}, // the network's last
        {"100.64.8.0/21", 0x644007ff, WEND_ERROR_OUTSIDE},
        {"100.64.8.0/21", 0x64401000, WEND_ERROR_OUTSIDE},
        {"100.64.8.0/21", 0x7f000001, WEND_ERROR_OUTSIDE},
        {"100.64.0.0/21", 0x64400000, WEND_ERROR_OUTSIDE}, // the network's first
        {"100.64.0.0/21", 0x64400001, WEND_ERROR_OUTSIDE},
        {"100.64.0.0/21", 0x64400002, WEND_ERROR_NONE},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct scene s = sound();
        s.network.servers[0].pool = world_prefix(rows[i].pool);
        s.membership.ipv4 = rows[i].ipv4;
        assert_int_equal(judge(&s), rows[i].error);
        s.now = s.receipt.time;
        assert_int_equal(judge_commit(&s), rows[i].error);
    }
}

static void test_backdated(void **state)
{
    (void)state;
    struct scene s = sound();
    s.receipt.time = s.membership.made + 600;
    assert_int_equal(judge(&s), WEND_ERROR_NONE);
    s.receipt.time++;
    assert_int_equal(judge(&s), WEND_ERROR_BACKDATED);
    s = sound();
    s.membership.made = WORLD_ISSUED + 700;
    s.receipt.time = s.membership.made - 600;
    assert_int_equal(judge(&s), WEND_ERROR_NONE);
    s.receipt.time--;
    assert_int_equal(judge(&s), WEND_ERROR_BACKDATED);
    s = sound();
    s.membership.made = s.receipt.time = WORLD_ISSUED - 600; // before there was an invite
    assert_int_equal(judge(&s), WEND_ERROR_NONE);
    s.receipt.time--;
    assert_int_equal(judge(&s), WEND_ERROR_BACKDATED);
}

static void test_expired(void **state)
{
    (void)state;
    struct scene s = sound();
    s.membership.made = s.receipt.time = s.delegation.join_before;
    s.now = s.receipt.time + 1;
    assert_int_equal(judge(&s), WEND_ERROR_NONE);
    s.receipt.time++;
    assert_int_equal(judge(&s), WEND_ERROR_EXPIRED);
    s = sound();
    s.now = s.receipt.time + s.membership.lifetime - 1;
    assert_int_equal(judge(&s), WEND_ERROR_NONE);
    s.now++;
    assert_int_equal(judge(&s), WEND_ERROR_EXPIRED);
}

static void test_not_yet_valid(void **state)
{
    (void)state;
    struct scene s = sound();
    s.now = s.receipt.time - 600;
    assert_int_equal(judge(&s), WEND_ERROR_NONE);
    s.now--;
    assert_int_equal(judge(&s), WEND_ERROR_NOT_YET_VALID);
}

// Sums that pass the end of 64 bits mean for ever, not the beginning of time.
static void test_no_overflow(void **state)
{
    (void)state;
    struct scene s = sound();
    s.membership.lifetime = s.delegation.member_for = UINT64_MAX;
    assert_int_equal(judge(&s), WEND_ERROR_NONE);
    s.now = UINT64_MAX;
    assert_int_equal(judge(&s), WEND_ERROR_EXPIRED);
    s = sound();
    s.delegation.issued = s.delegation.join_before = UINT64_MAX;
    s.membership.made = s.receipt.time = UINT64_MAX;
    assert_int_equal(judge(&s), WEND_ERROR_NOT_YET_VALID);
}

// ---- Pins, with chains that are sound by themselves ----

// A second device that both the invite's holder and the server signed for.
static enum wend_error judge_second(uint32_t slot, const char *name, uint32_t ipv4,
                                    enum wend_pin_conflict *ret_conflict)
{
    struct wend_pin memory[4];
    struct wend_pins pins;
    struct wend_member m;
    struct scene s = sound();
    const struct wend_trust trust = {.network = &s.network};
    wend_pins_init(&pins, memory, 4);
    build(&s);
    assert_int_equal(wend_trust_check_member(&trust, &s.chain, NOW, &m), WEND_ERROR_NONE);
    assert_int_equal(wend_pins_add(&pins, &m, NOW, NULL, NULL), WEND_ERROR_NONE);
    memset(s.membership.device, 0x55, sizeof(s.membership.device));
    memset(s.membership.name, 0, sizeof(s.membership.name));
    memcpy(s.membership.name, name, strlen(name));
    s.membership.slot = s.receipt.slot = slot;
    s.membership.ipv4 = ipv4;
    build(&s);
    assert_int_equal(wend_trust_check_member(&trust, &s.chain, NOW, &m), WEND_ERROR_NONE);
    return wend_pins_add(&pins, &m, NOW, NULL, ret_conflict);
}

static void test_replayed(void **state)
{
    (void)state;
    enum wend_pin_conflict conflict;
    assert_int_equal(judge_second(0, "phone", 0x6440080a, &conflict), WEND_ERROR_NONE);
    assert_int_equal(judge_second(1, "phone", 0x6440080a, &conflict), WEND_ERROR_TAKEN);
    assert_int_equal(conflict, WEND_PIN_CONFLICT_SLOT);
    assert_int_equal(judge_second(0, "laptop", 0x6440080a, &conflict), WEND_ERROR_TAKEN);
    assert_int_equal(conflict, WEND_PIN_CONFLICT_NAME);
    assert_int_equal(judge_second(0, "phone", 0x64400809, &conflict), WEND_ERROR_TAKEN);
    assert_int_equal(conflict, WEND_PIN_CONFLICT_IPV4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_member),        cmocka_unit_test(test_truncated),
        cmocka_unit_test(test_foreign),       cmocka_unit_test(test_forged),
        cmocka_unit_test(test_mismatched),    cmocka_unit_test(test_every_bit),
        cmocka_unit_test(test_unlisted),      cmocka_unit_test(test_revoked),
        cmocka_unit_test(test_is_revoked),    cmocka_unit_test(test_exhausted),
        cmocka_unit_test(test_too_long),      cmocka_unit_test(test_outside),
        cmocka_unit_test(test_backdated),     cmocka_unit_test(test_expired),
        cmocka_unit_test(test_not_yet_valid), cmocka_unit_test(test_no_overflow),
        cmocka_unit_test(test_replayed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
