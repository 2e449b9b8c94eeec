// SPDX-License-Identifier: MIT
// What a server asks before it signs, what a device asks before it joins, and which records replace
// which.
#include "scene.h"

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
        cmocka_unit_test(test_join),          cmocka_unit_test(test_commit),
        cmocka_unit_test(test_receipt_fresh), cmocka_unit_test(test_invite),
        cmocka_unit_test(test_newer_network), cmocka_unit_test(test_newer_revocations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
