// SPDX-License-Identifier: MIT
// Trust: one sound chain, and every way to spoil it with the code that it must be refused with.
#include "../crypto/record_world.h"

#include "session/trust.h"

#define NOW (WORLD_ISSUED + 1000)

// All that goes into a judgement. Tests spoil the structs; build() signs them with the seeds.
struct scene {
    struct wend_network_record network;
    struct wend_delegation delegation;
    struct wend_membership membership;
    struct wend_receipt receipt;
    uint8_t network_seed, invite_seed, server_seed; // who signs
    bool other_hash;                                // the receipt is for another membership
    struct wend_revocation_list revoked;
    uint8_t entries[256];
    uint64_t now;
    uint8_t bytes[3][WEND_MEMBERSHIP_LEN_MAX];
    struct wend_chain chain;
};

static struct scene sound(void)
{
    return (struct scene){
        .network = world_network(),
        .delegation = world_delegation(),
        .membership = world_membership(),
        .receipt = world_receipt(),
        .network_seed = WORLD_NETWORK_SEED,
        .invite_seed = WORLD_INVITE_SEED,
        .server_seed = WORLD_SERVER_SEED,
        .revoked = {.serial = 1},
        .now = NOW,
    };
}

static void build(struct scene *s)
{
    struct wend_writer w[3];
    for (size_t i = 0; i < 3; i++)
        w[i] = wend_writer_of(s->bytes[i], sizeof(s->bytes[i]));
    assert_int_equal(wend_delegation_sign(&s->delegation, world_key(s->network_seed).at, &w[0]), 0);
    assert_int_equal(wend_membership_sign(&s->membership, world_key(s->invite_seed).at, &w[1]), 0);
    s->chain.delegation = (struct wend_bytes){s->bytes[0], w[0].len};
    s->chain.membership = (struct wend_bytes){s->bytes[1], w[1].len};
    wend_membership_hash(s->chain.membership, s->receipt.membership_hash);
    s->receipt.membership_hash[0] ^= s->other_hash;
    assert_int_equal(wend_receipt_sign(&s->receipt, world_key(s->server_seed).at, &w[2]), 0);
    s->chain.receipt = (struct wend_bytes){s->bytes[2], w[2].len};
}

static enum wend_error judge(struct scene *s)
{
    struct wend_member member;
    const struct wend_trust trust = {.network = &s->network, .revoked = &s->revoked};
    build(s);
    return wend_trust_check_member(&trust, &s->chain, s->now, &member);
}

static enum wend_error judge_commit(struct scene *s)
{
    struct wend_member member;
    const struct wend_trust trust = {.network = &s->network, .revoked = &s->revoked};
    build(s);
    return wend_trust_check_commit(&trust, &s->chain, s->receipt.server, s->now, &member);
}

static void revoke(struct scene *s, const uint8_t *value, size_t len)
{
    assert_int_equal(wend_revocation_add(&s->revoked, s->entries, sizeof(s->entries),
                                         (struct wend_bytes){value, len}),
                     0);
}

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

// ---- The server's questions ----

static enum wend_error join(const struct scene *s)
{
    uint8_t buffer[WEND_DELEGATION_LEN];
    struct wend_delegation d;
    const struct wend_trust trust = {.network = &s->network, .revoked = &s->revoked};
    struct wend_writer w = wend_writer_of(buffer, sizeof(buffer));
    assert_int_equal(wend_delegation_sign(&s->delegation, world_key(s->network_seed).at, &w), 0);
    return wend_trust_check_delegation(&trust, WORLD_VIEW(buffer), s->now, &d);
}

static void test_join(void **state)
{
    (void)state;
    struct scene s = sound();
    assert_int_equal(join(&s), WEND_ERROR_NONE);
    s.now = s.delegation.join_before;
    assert_int_equal(join(&s), WEND_ERROR_NONE);
    s.now++;
    assert_int_equal(join(&s), WEND_ERROR_EXPIRED);
    s.now = s.delegation.issued - 600;
    assert_int_equal(join(&s), WEND_ERROR_NONE);
    s.now--;
    assert_int_equal(join(&s), WEND_ERROR_NOT_YET_VALID);
    s = sound();
    s.network_seed = WORLD_SERVER_SEED;
    assert_int_equal(join(&s), WEND_ERROR_FORGED);
    s = sound();
    s.delegation.network[5] ^= 1;
    assert_int_equal(join(&s), WEND_ERROR_FOREIGN);
    s = sound();
    revoke(&s, vector_invite_id, 8);
    assert_int_equal(join(&s), WEND_ERROR_REVOKED);
    const struct wend_trust trust = {.network = &s.network};
    struct wend_delegation d;
    for (size_t len = 0; len < WEND_DELEGATION_LEN; len++)
        assert_int_equal(wend_trust_check_delegation(
                             &trust, (struct wend_bytes){vector_delegation, len}, NOW, &d),
                         WEND_ERROR_MALFORMED);
}

static void test_commit(void **state)
{
    (void)state;
    struct scene s = sound();
    struct wend_member m;
    const struct wend_trust trust = {.network = &s.network};
    build(&s);
    s.chain.receipt = (struct wend_bytes){0};
    assert_int_equal(
        wend_trust_check_commit(&trust, &s.chain, vector_server_key, WORLD_ISSUED + 105, &m),
        WEND_ERROR_NONE);
    assert_true(m.receipt_time == WORLD_ISSUED + 105);
    assert_memory_equal(m.membership_hash, vector_membership_hash, 32);
    s.now = s.membership.made + 601;
    assert_int_equal(judge_commit(&s), WEND_ERROR_BACKDATED);
    s.now = s.membership.made - 601;
    s.delegation.issued = 0;
    assert_int_equal(judge_commit(&s), WEND_ERROR_BACKDATED);
    s = sound();
    s.now = s.delegation.join_before + 1;
    assert_int_equal(judge_commit(&s), WEND_ERROR_EXPIRED);
    s = sound();
    s.invite_seed = WORLD_SERVER_SEED;
    assert_int_equal(judge_commit(&s), WEND_ERROR_FORGED);
    s = sound();
    s.membership.network[0] ^= 1;
    assert_int_equal(judge_commit(&s), WEND_ERROR_FOREIGN);
    s = sound();
    build(&s);
    s.chain.membership.len--;
    assert_int_equal(wend_trust_check_commit(&trust, &s.chain, vector_server_key, NOW, &m),
                     WEND_ERROR_MALFORMED);
}

// ---- The device's questions ----

static void test_receipt_fresh(void **state)
{
    (void)state;
    const struct wend_member m = {.receipt_time = NOW};
    assert_int_equal(wend_trust_check_receipt_fresh(&m, NOW), WEND_ERROR_NONE);
    assert_int_equal(wend_trust_check_receipt_fresh(&m, NOW + 600), WEND_ERROR_NONE);
    assert_int_equal(wend_trust_check_receipt_fresh(&m, NOW + 601), WEND_ERROR_BACKDATED);
    assert_int_equal(wend_trust_check_receipt_fresh(&m, NOW - 600), WEND_ERROR_NONE);
    assert_int_equal(wend_trust_check_receipt_fresh(&m, NOW - 601), WEND_ERROR_NOT_YET_VALID);
}

static void test_invite(void **state)
{
    (void)state;
    struct wend_invite invite;
    struct wend_network_record n;
    struct wend_delegation d;
    assert_int_equal(wend_invite_decode(wend_bytes_of_text(vector_invite_text), &invite), 0);
    assert_int_equal(wend_trust_check_invite(&invite, NOW, &n, &d), WEND_ERROR_NONE);
    assert_string_equal(n.name, "home");
    assert_int_equal(d.uses, 2);
    assert_int_equal(wend_trust_check_invite(&invite, NOW + WORLD_DAY, &n, &d), WEND_ERROR_EXPIRED);
    assert_int_equal(wend_trust_check_invite(&invite, NOW - WORLD_DAY, &n, &d),
                     WEND_ERROR_NOT_YET_VALID);
    invite.seed[0] ^= 1; // not the delegation's key
    assert_int_equal(wend_trust_check_invite(&invite, NOW, &n, &d), WEND_ERROR_FORGED);
    invite.seed[0] ^= 1;
    invite.network_record[invite.network_record_len - 1] ^= 1;
    assert_int_equal(wend_trust_check_invite(&invite, NOW, &n, &d), WEND_ERROR_FORGED);
    invite.network_record[invite.network_record_len - 1] ^= 1;
    invite.delegation[WEND_DELEGATION_LEN - 1] ^= 1;
    assert_int_equal(wend_trust_check_invite(&invite, NOW, &n, &d), WEND_ERROR_FORGED);
    invite.delegation[2] ^= 1;
    assert_int_equal(wend_trust_check_invite(&invite, NOW, &n, &d), WEND_ERROR_FOREIGN);
    invite.network_record_len--;
    assert_int_equal(wend_trust_check_invite(&invite, NOW, &n, &d), WEND_ERROR_MALFORMED);
}

// ---- Replacing records ----

static void test_newer_network(void **state)
{
    (void)state;
    struct wend_network_record held = world_network(), n;
    uint8_t copy[sizeof(vector_network_record)];
    const struct wend_bytes in = WORLD_VIEW(copy);
    memcpy(copy, vector_network_record, sizeof(copy));
    assert_int_equal(wend_trust_newer_network(NULL, in, &n), WEND_ERROR_NONE);
    assert_true(n.serial == 7);
    held.serial = 6;
    assert_int_equal(wend_trust_newer_network(&held, in, &n), WEND_ERROR_NONE);
    for (held.serial = 7; held.serial < 9; held.serial++)
        assert_int_equal(wend_trust_newer_network(&held, in, &n), WEND_ERROR_STALE);
    held.serial = 6;
    held.key[0] ^= 1;
    assert_int_equal(wend_trust_newer_network(&held, in, &n), WEND_ERROR_FOREIGN);
    held.key[0] ^= 1;
    copy[sizeof(copy) - 64] ^= 1;
    assert_int_equal(wend_trust_newer_network(&held, in, &n), WEND_ERROR_FORGED);
    assert_int_equal(wend_trust_newer_network(NULL, in, &n), WEND_ERROR_FORGED);
    for (size_t len = 0; len < sizeof(copy); len++)
        assert_int_equal(wend_trust_newer_network(&held, (struct wend_bytes){copy, len}, &n),
                         WEND_ERROR_MALFORMED);
}

static void test_newer_revocations(void **state)
{
    (void)state;
    struct wend_network_record network = world_network();
    struct wend_revocation_list held = {.serial = 2}, l;
    uint8_t copy[sizeof(vector_revocation)];
    const struct wend_bytes in = WORLD_VIEW(copy);
    memcpy(copy, vector_revocation, sizeof(copy));
    assert_int_equal(wend_trust_newer_revocations(&network, NULL, in, &l), WEND_ERROR_NONE);
    assert_int_equal(wend_trust_newer_revocations(&network, &held, in, &l), WEND_ERROR_NONE);
    assert_true(wend_revocation_has_device(&l, world_key(7).at));
    held.serial = 3;
    assert_int_equal(wend_trust_newer_revocations(&network, &held, in, &l), WEND_ERROR_STALE);
    held.serial = 2;
    network.key[0] ^= 1;
    assert_int_equal(wend_trust_newer_revocations(&network, &held, in, &l), WEND_ERROR_FOREIGN);
    network.key[0] ^= 1;
    copy[sizeof(copy) - 64] ^= 1;
    assert_int_equal(wend_trust_newer_revocations(&network, &held, in, &l), WEND_ERROR_FORGED);
    for (size_t len = 0; len < sizeof(copy); len++)
        assert_int_equal(
            wend_trust_newer_revocations(&network, NULL, (struct wend_bytes){copy, len}, &l),
            WEND_ERROR_MALFORMED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_member),
        cmocka_unit_test(test_truncated),
        cmocka_unit_test(test_foreign),
        cmocka_unit_test(test_forged),
        cmocka_unit_test(test_mismatched),
        cmocka_unit_test(test_every_bit),
        cmocka_unit_test(test_unlisted),
        cmocka_unit_test(test_revoked),
        cmocka_unit_test(test_is_revoked),
        cmocka_unit_test(test_exhausted),
        cmocka_unit_test(test_too_long),
        cmocka_unit_test(test_outside),
        cmocka_unit_test(test_backdated),
        cmocka_unit_test(test_expired),
        cmocka_unit_test(test_not_yet_valid),
        cmocka_unit_test(test_no_overflow),
        cmocka_unit_test(test_replayed),
        cmocka_unit_test(test_join),
        cmocka_unit_test(test_commit),
        cmocka_unit_test(test_receipt_fresh),
        cmocka_unit_test(test_invite),
        cmocka_unit_test(test_newer_network),
        cmocka_unit_test(test_newer_revocations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
