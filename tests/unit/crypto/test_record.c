// SPDX-License-Identifier: MIT
// Signatures of records and the hashes behind names, against vectors made by another
// implementation.
#include "record_world.h"

#include "crypto/record.h"

static void assert_signed(const struct wend_writer *w, const uint8_t *buffer,
                          struct wend_bytes expected)
{
    assert_false(w->failed);
    assert_int_equal(w->len, expected.len);
    assert_memory_equal(buffer, expected.at, expected.len);
}

static void test_sign(void **state)
{
    (void)state;
    static uint8_t buffer[WEND_REVOCATION_LIST_MAX];
    const struct world_key network = world_key(WORLD_NETWORK_SEED);
    const struct wend_network_record n = world_network();
    const struct wend_delegation d = world_delegation();
    const struct wend_membership m = world_membership();
    const struct wend_receipt r = world_receipt();
    struct wend_revocation_list l;
    struct wend_writer w = wend_writer_of(buffer, WEND_NETWORK_RECORD_MAX);
    assert_int_equal(wend_network_record_sign(&n, network.at, &w), 0);
    assert_signed(&w, buffer, WORLD_VIEW(vector_network_record));
    w = wend_writer_of(buffer, WEND_DELEGATION_LEN);
    assert_int_equal(wend_delegation_sign(&d, network.at, &w), 0);
    assert_signed(&w, buffer, WORLD_VIEW(vector_delegation));
    w = wend_writer_of(buffer, WEND_MEMBERSHIP_LEN_MAX);
    assert_int_equal(wend_membership_sign(&m, world_key(WORLD_INVITE_SEED).at, &w), 0);
    assert_signed(&w, buffer, WORLD_VIEW(vector_membership));
    w = wend_writer_of(buffer, WEND_RECEIPT_LEN);
    assert_int_equal(wend_receipt_sign(&r, world_key(WORLD_SERVER_SEED).at, &w), 0);
    assert_signed(&w, buffer, WORLD_VIEW(vector_receipt));
    assert_int_equal(wend_revocation_list_decode(WORLD_VIEW(vector_revocation), &l), 0);
    w = wend_writer_of(buffer, sizeof(buffer));
    assert_int_equal(wend_revocation_list_sign(&l, network.at, &w), 0);
    assert_signed(&w, buffer, WORLD_VIEW(vector_revocation));
}

// A refusal leaves the writer where it was.
static void test_sign_refused(void **state)
{
    (void)state;
    uint8_t buffer[WEND_MEMBERSHIP_LEN_MAX + 2];
    const struct world_key seed = world_key(WORLD_INVITE_SEED);
    struct wend_membership m = world_membership();
    struct wend_writer w = wend_writer_of(buffer, sizeof(buffer));
    wend_write_u16(&w, 0xabcd);
    m.lifetime = 0;
    assert_int_equal(wend_membership_sign(&m, seed.at, &w), -EINVAL);
    assert_false(w.failed);
    assert_int_equal(w.len, 2);
    m = world_membership();
    m.name[0] = 'A';
    assert_int_equal(wend_membership_sign(&m, seed.at, &w), -EINVAL);
    m = world_membership();
    assert_int_equal(wend_membership_sign(&m, seed.at, &w), 0);
    assert_int_equal(w.len, 2 + sizeof(vector_membership));
    assert_memory_equal(buffer + 2, vector_membership, sizeof(vector_membership));
    w = wend_writer_of(buffer, sizeof(vector_membership) - 1);
    assert_int_equal(wend_membership_sign(&m, seed.at, &w), -ENOSPC);
    assert_true(w.failed);
    assert_int_equal(w.len, 0);
}

static const struct {
    const uint8_t *at;
    size_t len;
    const uint8_t *key;
} all[] = {
    {vector_network_record, sizeof(vector_network_record), vector_network_key},
    {vector_delegation, sizeof(vector_delegation), vector_network_key},
    {vector_membership, sizeof(vector_membership), vector_invite_key},
    {vector_receipt, sizeof(vector_receipt), vector_server_key},
    {vector_revocation, sizeof(vector_revocation), vector_network_key},
};

static void test_verify(void **state)
{
    (void)state;
    uint8_t copy[WEND_NETWORK_RECORD_MAX];
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        const struct wend_bytes record = {copy, all[i].len};
        memcpy(copy, all[i].at, all[i].len);
        assert_int_equal(wend_record_verify(record, all[i].key), 0);
        assert_int_equal(wend_record_verify(record, vector_membership_hash), -EBADMSG);
        for (size_t k = 0; k < all[i].len; k++) { // every byte counts
            copy[k] ^= 0x10;
            assert_int_equal(wend_record_verify(record, all[i].key), -EBADMSG);
            copy[k] ^= 0x10;
        }
    }
    assert_int_equal(wend_record_verify((struct wend_bytes){0}, vector_network_key), -EBADMSG);
}

static void test_verify_too_long(void **state)
{
    (void)state;
    static uint8_t large[WEND_REVOCATION_LIST_MAX + 200] = {5, 1};
    assert_int_equal(wend_record_verify(WORLD_VIEW(large), vector_network_key), -EBADMSG);
}

static void test_hashes(void **state)
{
    (void)state;
    uint8_t hash[32], id[8];
    wend_membership_hash(WORLD_VIEW(vector_membership), hash);
    assert_memory_equal(hash, vector_membership_hash, 32);
    wend_invite_id(vector_invite_key, id);
    assert_memory_equal(id, vector_invite_id, 8);
}

static void test_inside_addresses(void **state)
{
    (void)state;
    const struct wend_prefix prefix = wend_inside_prefix(vector_network_key);
    assert_int_equal(prefix.family, WEND_FAMILY_IPV6);
    assert_int_equal(prefix.bits, 64);
    assert_memory_equal(prefix.ip, vector_inside_prefix, 8);
    const struct wend_address a = wend_inside_address(vector_network_key, world_key(5).at);
    assert_int_equal(a.family, WEND_FAMILY_IPV6);
    assert_int_equal(a.port, 0);
    assert_memory_equal(a.ip, vector_inside_address, 16);
    assert_true(wend_prefix_contains(&prefix, &a));
    const struct wend_prefix pool = wend_preset_pool(vector_network_key);
    const struct wend_prefix shared = world_prefix("100.64.0.0/10");
    const struct wend_address first = wend_address_ipv4(wend_get_u32(pool.ip), 0);
    assert_int_equal(pool.bits, 20);
    assert_memory_equal(pool.ip, vector_preset_pool, 4);
    assert_true(wend_prefix_contains(&shared, &first));
}

static void test_show(void **state)
{
    (void)state;
    uint8_t signature[64];
    struct world_key hash = world_key(0x0a);
    wend_show_sign(world_key(WORLD_NETWORK_SEED).at, hash.at, WORLD_ISSUED, signature);
    assert_memory_equal(signature, vector_show_signature, 64);
    assert_int_equal(wend_show_verify(vector_network_key, hash.at, WORLD_ISSUED, signature), 0);
    assert_int_equal(wend_show_verify(vector_network_key, hash.at, WORLD_ISSUED + 1, signature),
                     -EBADMSG);
    assert_int_equal(wend_show_verify(vector_invite_key, hash.at, WORLD_ISSUED, signature),
                     -EBADMSG);
    hash.at[31] ^= 1;
    assert_int_equal(wend_show_verify(vector_network_key, hash.at, WORLD_ISSUED, signature),
                     -EBADMSG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sign),   cmocka_unit_test(test_sign_refused),
        cmocka_unit_test(test_verify), cmocka_unit_test(test_verify_too_long),
        cmocka_unit_test(test_hashes), cmocka_unit_test(test_inside_addresses),
        cmocka_unit_test(test_show),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
