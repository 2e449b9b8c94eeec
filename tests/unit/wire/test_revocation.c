// SPDX-License-Identifier: MIT
// The revocation list: vector, order, search, and lists in the making.
#include "../crypto/record_world.h"

#define BODY_START 52 // before the first entry

static void test_vector(void **state)
{
    (void)state;
    struct wend_revocation_list l;
    uint8_t buffer[sizeof(vector_revocation)];
    struct wend_writer w = wend_writer_of(buffer, sizeof(buffer));
    assert_int_equal(wend_revocation_list_decode(WORLD_VIEW(vector_revocation), &l), 0);
    assert_memory_equal(l.network, vector_network_key, 32);
    assert_true(l.serial == 3 && l.issued == WORLD_ISSUED + 200);
    assert_true(wend_revocation_has_device(&l, world_key(7).at));
    assert_true(wend_revocation_has_device(&l, world_key(8).at));
    assert_false(wend_revocation_has_device(&l, world_key(9).at));
    assert_true(wend_revocation_has_invite(&l, world_key(9).at));
    assert_false(wend_revocation_has_invite(&l, world_key(7).at));
    assert_false(wend_revocation_has_device(NULL, world_key(7).at));
    assert_false(wend_revocation_has_invite(NULL, world_key(9).at));
    wend_revocation_list_write(&w, &l);
    assert_false(w.failed);
    assert_int_equal(w.len, sizeof(vector_revocation) - 64);
    assert_memory_equal(buffer, vector_revocation, w.len);
}

// A list of these entries, each a kind and one byte repeated, with a count of its own.
static int decode_entries(const char *entries, uint16_t count)
{
    uint8_t buffer[1024];
    struct wend_revocation_list l;
    struct wend_writer w = wend_writer_of(buffer, sizeof(buffer));
    wend_write_bytes(&w, (struct wend_bytes){vector_revocation, BODY_START - 2});
    wend_write_u16(&w, count);
    for (const char *e = entries; *e != 0; e += 2) {
        const struct world_key value = world_key((uint8_t)e[1]);
        wend_write_u8(&w, (uint8_t)(e[0] - '0'));
        wend_write_bytes(&w, (struct wend_bytes){value.at, e[0] == '2' ? 8 : 32});
    }
    wend_write_zeros(&w, WEND_RECORD_SIGNATURE_LEN);
    assert_false(w.failed);
    return wend_revocation_list_decode((struct wend_bytes){buffer, w.len}, &l);
}

static void test_order(void **state)
{
    (void)state;
    assert_int_equal(decode_entries("", 0), 0);
    assert_int_equal(decode_entries("1a", 1), 0);
    assert_int_equal(decode_entries("2a", 1), 0);
    assert_int_equal(decode_entries("1a1b2a2b", 4), 0);
    assert_int_equal(decode_entries("1b1a", 2), -EBADMSG);
    assert_int_equal(decode_entries("2b2a", 2), -EBADMSG);
    assert_int_equal(decode_entries("1a1a", 2), -EBADMSG);
    assert_int_equal(decode_entries("2a2a", 2), -EBADMSG);
    assert_int_equal(decode_entries("2a1b", 2), -EBADMSG);
    assert_int_equal(decode_entries("3a", 1), -EBADMSG);
    assert_int_equal(decode_entries("0a", 1), -EBADMSG);
    assert_int_equal(decode_entries("1a", 2), -EBADMSG);
    assert_int_equal(decode_entries("1a1b", 1), -EBADMSG);
    assert_int_equal(decode_entries("", 1), -EBADMSG);
    assert_int_equal(decode_entries("1a", 1025), -EBADMSG);
}

static void test_serial_zero(void **state)
{
    (void)state;
    uint8_t copy[sizeof(vector_revocation)];
    struct wend_revocation_list l;
    memcpy(copy, vector_revocation, sizeof(copy));
    memset(copy + 34, 0, 8);
    assert_int_equal(wend_revocation_list_decode(WORLD_VIEW(copy), &l), -EBADMSG);
}

// Adds values in an order of chance until the list is full; every step is searchable, the end
// decodes.
static void test_add_until_full(void **state)
{
    (void)state;
    static uint8_t entries[WEND_REVOCATION_LIST_MAX], buffer[WEND_REVOCATION_LIST_MAX];
    struct wend_revocation_list l = {.serial = 1}, again;
    uint64_t random = 42;
    uint8_t value[32];
    for (size_t i = 0; i < WEND_REVOCATIONS_MAX; i++) {
        for (size_t k = 0; k < sizeof(value); k += 8) {
            const uint64_t word = unit_random(&random);
            memcpy(value + k, &word, 8);
        }
        const struct wend_bytes view = {value, i % 3 == 0 ? 8 : 32};
        assert_int_equal(wend_revocation_add(&l, entries, sizeof(entries), view), 0);
        assert_int_equal(wend_revocation_add(&l, entries, sizeof(entries), view), -EEXIST);
        if (view.len == 8)
            assert_true(wend_revocation_has_invite(&l, value));
        else
            assert_true(wend_revocation_has_device(&l, value));
    }
    value[0] ^= 1;
    assert_int_equal(wend_revocation_add(&l, entries, sizeof(entries), WORLD_VIEW(value)), -ENOSPC);
    struct wend_writer w = wend_writer_of(buffer, sizeof(buffer));
    wend_revocation_list_write(&w, &l);
    wend_write_zeros(&w, WEND_RECORD_SIGNATURE_LEN);
    assert_false(w.failed);
    assert_int_equal(wend_revocation_list_decode((struct wend_bytes){buffer, w.len}, &again), 0);
    assert_true(wend_bytes_equal(l.devices, again.devices));
    assert_true(wend_bytes_equal(l.invites, again.invites));
}

// A decoded list borrows; adding to it copies it first.
static void test_add_to_decoded(void **state)
{
    (void)state;
    uint8_t entries[33 * 2 + 9 + 33];
    struct wend_revocation_list l;
    assert_int_equal(wend_revocation_list_decode(WORLD_VIEW(vector_revocation), &l), 0);
    const struct world_key device = world_key(6);
    const struct wend_bytes view = {device.at, 32};
    assert_int_equal(wend_revocation_add(&l, entries, sizeof(entries) - 1, view), -ENOSPC);
    assert_int_equal(wend_revocation_add(&l, entries, 5, view), -ENOSPC);
    assert_ptr_equal(l.devices.at, vector_revocation + BODY_START);
    assert_int_equal(wend_revocation_add(&l, entries, sizeof(entries), view), 0);
    assert_ptr_equal(l.devices.at, entries);
    for (uint8_t byte = 6; byte <= 8; byte++)
        assert_true(wend_revocation_has_device(&l, world_key(byte).at));
    assert_true(wend_revocation_has_invite(&l, world_key(9).at));
    assert_int_equal(
        wend_revocation_add(&l, entries, sizeof(entries), (struct wend_bytes){device.at, 9}),
        -EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vector),         cmocka_unit_test(test_order),
        cmocka_unit_test(test_serial_zero),    cmocka_unit_test(test_add_until_full),
        cmocka_unit_test(test_add_to_decoded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
