// SPDX-License-Identifier: MIT
// Form of the signed records, against vectors made by another implementation.
#include "../crypto/record_world.h"

static struct wend_bytes body_of(const uint8_t *at, size_t len)
{
    return (struct wend_bytes){at, len - WEND_RECORD_SIGNATURE_LEN};
}

static void assert_written(const struct wend_writer *w, const uint8_t *buffer,
                           struct wend_bytes expected)
{
    assert_false(w->failed);
    assert_int_equal(w->len, expected.len);
    assert_memory_equal(buffer, expected.at, expected.len);
}

static bool is_prefix(const struct wend_prefix *p, const char *text)
{
    char seen[WEND_ADDRESS_TEXT_LEN];
    return strcmp(wend_prefix_format(p, seen), text) == 0;
}

static void assert_server(const struct wend_server_record *s,
                          const struct wend_server_record *expected)
{
    assert_memory_equal(s->session_key, expected->session_key, 32);
    assert_memory_equal(s->signature_key, expected->signature_key, 32);
    assert_true(is_prefix(&s->pool, "100.64.8.0/21"));
    assert_int_equal(s->address_count, expected->address_count);
    for (size_t i = 0; i < s->address_count; i++) {
        const struct wend_server_address *a = &s->addresses[i], *b = &expected->addresses[i];
        assert_true(wend_address_equal(&a->address, &b->address));
        assert_string_equal(a->host, b->host);
    }
}

// ---- Vectors both ways ----

static void test_network(void **state)
{
    (void)state;
    const struct wend_network_record expected = world_network();
    struct wend_network_record n;
    uint8_t buffer[WEND_NETWORK_RECORD_MAX];
    struct wend_writer w = wend_writer_of(buffer, sizeof(buffer));
    assert_int_equal(wend_network_record_decode(WORLD_VIEW(vector_network_record), &n), 0);
    assert_memory_equal(n.key, expected.key, 32);
    assert_true(n.serial == 7 && n.issued == WORLD_ISSUED);
    assert_string_equal(n.name, "home");
    assert_true(is_prefix(&n.pool, "100.64.0.0/20"));
    assert_int_equal(n.server_count, 1);
    assert_server(&n.servers[0], &expected.servers[0]);
    wend_network_record_write(&w, &n);
    assert_written(&w, buffer, body_of(vector_network_record, sizeof(vector_network_record)));
    assert_ptr_equal(wend_network_record_find_server(&n, vector_server_key), &n.servers[0]);
    assert_null(wend_network_record_find_server(&n, vector_network_key));
}

static void test_delegation(void **state)
{
    (void)state;
    const struct wend_delegation expected = world_delegation();
    struct wend_delegation d = {0};
    uint8_t buffer[WEND_DELEGATION_LEN];
    struct wend_writer w = wend_writer_of(buffer, sizeof(buffer));
    assert_int_equal(sizeof(vector_delegation), WEND_DELEGATION_LEN);
    assert_int_equal(wend_delegation_decode(WORLD_VIEW(vector_delegation), &d), 0);
    assert_memory_equal(d.network, expected.network, 32);
    assert_memory_equal(d.invite_key, expected.invite_key, 32);
    assert_true(d.issued == expected.issued && d.join_before == expected.join_before);
    assert_true(d.uses == expected.uses && d.member_for == expected.member_for);
    wend_delegation_write(&w, &expected);
    assert_written(&w, buffer, body_of(vector_delegation, sizeof(vector_delegation)));
}

static void test_membership(void **state)
{
    (void)state;
    const struct wend_membership expected = world_membership();
    struct wend_membership m;
    uint8_t buffer[WEND_MEMBERSHIP_LEN_MAX];
    struct wend_writer w = wend_writer_of(buffer, sizeof(buffer));
    assert_int_equal(wend_membership_decode(WORLD_VIEW(vector_membership), &m), 0);
    assert_memory_equal(m.network, expected.network, 32);
    assert_memory_equal(m.invite_id, expected.invite_id, 8);
    assert_memory_equal(m.device, expected.device, 32);
    assert_true(m.slot == 1 && m.ipv4 == 0x64400809);
    assert_true(m.made == expected.made && m.lifetime == expected.lifetime);
    assert_string_equal(m.name, "laptop");
    wend_membership_write(&w, &m);
    assert_written(&w, buffer, body_of(vector_membership, sizeof(vector_membership)));
}

static void test_receipt(void **state)
{
    (void)state;
    const struct wend_receipt expected = world_receipt();
    struct wend_receipt r;
    uint8_t buffer[WEND_RECEIPT_LEN];
    struct wend_writer w = wend_writer_of(buffer, sizeof(buffer));
    assert_int_equal(sizeof(vector_receipt), WEND_RECEIPT_LEN);
    assert_int_equal(wend_receipt_decode(WORLD_VIEW(vector_receipt), &r), 0);
    assert_memory_equal(r.membership_hash, expected.membership_hash, 32);
    assert_memory_equal(r.server, expected.server, 32);
    assert_true(r.slot == expected.slot && r.time == expected.time);
    wend_receipt_write(&w, &expected);
    assert_written(&w, buffer, body_of(vector_receipt, sizeof(vector_receipt)));
}

static void test_split(void **state)
{
    (void)state;
    struct wend_record_parts parts;
    assert_int_equal(wend_record_split(WORLD_VIEW(vector_receipt), &parts), 0);
    assert_int_equal(parts.kind, WEND_RECORD_RECEIPT);
    assert_int_equal(parts.body.len, WEND_RECEIPT_LEN - 64);
    assert_ptr_equal(parts.signature, vector_receipt + WEND_RECEIPT_LEN - 64);
    uint8_t unknown[100] = {6, 1};
    assert_int_equal(wend_record_split(WORLD_VIEW(unknown), &parts), -EBADMSG);
    unknown[0] = 0;
    assert_int_equal(wend_record_split(WORLD_VIEW(unknown), &parts), -EBADMSG);
}

// ---- What must not decode ----

// Decodes as what the first byte of the original says.
static int decode_any(uint8_t kind, struct wend_bytes in)
{
    static struct wend_network_record n;
    struct wend_delegation d;
    struct wend_membership m;
    struct wend_receipt r;
    struct wend_revocation_list l;
    switch (kind) {
    case WEND_RECORD_NETWORK: return wend_network_record_decode(in, &n);
    case WEND_RECORD_DELEGATION: return wend_delegation_decode(in, &d);
    case WEND_RECORD_MEMBERSHIP: return wend_membership_decode(in, &m);
    case WEND_RECORD_RECEIPT: return wend_receipt_decode(in, &r);
    default: return wend_revocation_list_decode(in, &l);
    }
}

static const struct {
    const uint8_t *at;
    size_t len;
} all[] = {
    {vector_network_record, sizeof(vector_network_record)},
    {vector_delegation, sizeof(vector_delegation)},
    {vector_membership, sizeof(vector_membership)},
    {vector_receipt, sizeof(vector_receipt)},
    {vector_revocation, sizeof(vector_revocation)},
};

static void test_truncated_and_extended(void **state)
{
    (void)state;
    uint8_t copy[WEND_NETWORK_RECORD_MAX + 1] = {0};
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        const uint8_t kind = all[i].at[0];
        memset(copy, 0, sizeof(copy));
        memcpy(copy, all[i].at, all[i].len);
        assert_int_equal(decode_any(kind, (struct wend_bytes){copy, all[i].len}), 0);
        for (size_t len = 0; len < all[i].len; len++)
            assert_int_equal(decode_any(kind, (struct wend_bytes){copy, len}), -EBADMSG);
        assert_int_equal(decode_any(kind, (struct wend_bytes){copy, all[i].len + 1}), -EBADMSG);
        for (uint8_t other = 1; other <= 5; other++)
            if (other != kind)
                assert_int_equal(decode_any(other, (struct wend_bytes){copy, all[i].len}),
                                 -EBADMSG);
    }
}

static void test_versions(void **state)
{
    (void)state;
    uint8_t copy[WEND_NETWORK_RECORD_MAX];
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        memcpy(copy, all[i].at, all[i].len);
        copy[1] = 2;
        assert_int_equal(decode_any(copy[0], (struct wend_bytes){copy, all[i].len}),
                         -EPROTONOSUPPORT);
        copy[1] = 0;
        assert_int_equal(decode_any(copy[0], (struct wend_bytes){copy, all[i].len}), -EBADMSG);
    }
}

// Whether a network like this has a form; if so, what is read is written to the same bytes again.
static bool is_sound(const struct wend_network_record *n)
{
    uint8_t buffer[4096];
    struct wend_network_record seen;
    struct wend_writer w = wend_writer_of(buffer, sizeof(buffer));
    wend_network_record_write(&w, n);
    wend_write_zeros(&w, WEND_RECORD_SIGNATURE_LEN);
    assert_false(w.failed);
    const int error = wend_network_record_decode((struct wend_bytes){buffer, w.len}, &seen);
    if (error == 0) {
        uint8_t again[4096];
        struct wend_writer copy = wend_writer_of(again, sizeof(again));
        wend_network_record_write(&copy, &seen);
        assert_written(&copy, again, body_of(buffer, w.len));
    } else {
        assert_int_equal(error, -EBADMSG);
    }
    return error == 0;
}

static void test_names(void **state)
{
    (void)state;
    static const char *const bad[] = {"",      "Home",  "-home",      "home-",
                                      "ho me", "ho.me", "h\xc3\xb6me"};
    struct wend_network_record n = world_network();
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        memset(n.name, 0, sizeof(n.name));
        memcpy(n.name, bad[i], strlen(bad[i]));
        assert_false(is_sound(&n));
    }
    memset(n.name, 'a', sizeof(n.name)); // 64 letters and no end
    assert_false(is_sound(&n));
    n.name[WEND_NAME_LEN_MAX] = 0;
    assert_true(is_sound(&n));
}

static void test_pools(void **state)
{
    (void)state;
    static const struct {
        const char *pool, *sub;
        bool sound;
    } rows[] = {
        {"100.64.0.0/20", "100.64.0.0/20", true},  {"10.0.0.0/8", "10.255.255.252/30", true},
        {"100.64.0.0/20", "100.64.0.0/19", false}, {"100.64.0.0/20", "100.64.16.0/24", false},
        {"100.64.0.0/20", "100.64.0.0/31", false}, {"10.0.0.0/7", "10.0.0.0/8", false},
        {"127.0.0.0/8", "127.0.0.0/8", false},     {"224.0.0.0/8", "224.0.0.0/8", false},
        {"0.0.0.0/8", "0.0.0.0/8", false},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct wend_network_record n = world_network();
        n.pool = world_prefix(rows[i].pool);
        n.servers[0].pool = world_prefix(rows[i].sub);
        assert_int_equal(is_sound(&n), rows[i].sound);
    }
    struct wend_network_record n = world_network();
    n.pool.ip[3] = 1; // beyond the prefix length
    assert_false(is_sound(&n));
    n = world_network();
    n.serial = 0;
    assert_false(is_sound(&n));
}

static void test_servers(void **state)
{
    (void)state;
    struct wend_network_record n = world_network();
    for (uint8_t i = 1; i < WEND_RECORD_SERVERS_MAX; i++) {
        n.servers[i] = world_server();
        n.servers[i].signature_key[0] = i;
    }
    for (uint8_t count = 1; count <= WEND_RECORD_SERVERS_MAX; count++) {
        struct wend_network_record some = world_network();
        some.server_count = count;
        memcpy(some.servers, n.servers, count * sizeof(n.servers[0]));
        assert_true(is_sound(&some));
    }
    n.server_count = 0;
    assert_false(is_sound(&n));
    n.server_count = WEND_RECORD_SERVERS_MAX + 1;
    assert_false(is_sound(&n));
    n.server_count = 2;
    n.servers[1] = n.servers[0]; // one key, two servers
    assert_false(is_sound(&n));
}

static bool address_is_sound(const struct wend_server_address *a)
{
    struct wend_network_record n = world_network();
    n.servers[0].addresses[0] = *a;
    return is_sound(&n);
}

static void test_server_addresses(void **state)
{
    (void)state;
    static const char *const bad[] = {"", ".", "a..b", ".a", "a.", "a b", "a/b", "[::1]"};
    struct wend_network_record n = world_network();
    n.servers[0].address_count = 0;
    assert_false(is_sound(&n));
    n.servers[0].address_count = WEND_RECORD_ADDRESSES_MAX + 1;
    assert_false(is_sound(&n));
    struct wend_server_address a = {.address.port = 0, .host = "example.org"};
    assert_false(address_is_sound(&a));
    a.address.port = 1;
    assert_true(address_is_sound(&a));
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        memset(a.host, 0, sizeof(a.host));
        memcpy(a.host, bad[i], strlen(bad[i]));
        assert_false(address_is_sound(&a));
    }
    memset(a.host, 'x', sizeof(a.host));
    assert_false(address_is_sound(&a));
    for (size_t i = 63; i < WEND_HOST_LEN_MAX; i += 64)
        a.host[i] = '.';
    a.host[WEND_HOST_LEN_MAX] = 0;
    assert_true(address_is_sound(&a));
    a.host[63] = 'x'; // a label of 127
    assert_false(address_is_sound(&a));
}

// Four servers with four names of 253 letters have a form, but not one of 1,000 bytes.
static void test_network_too_long(void **state)
{
    (void)state;
    struct wend_network_record n = world_network();
    for (size_t i = 0; i < 3; i++) {
        n.servers[0].addresses[i] = (struct wend_server_address){.address.port = 1};
        memset(n.servers[0].addresses[i].host, 'x', WEND_HOST_LEN_MAX);
        for (size_t k = 63; k < WEND_HOST_LEN_MAX; k += 64)
            n.servers[0].addresses[i].host[k] = '.';
    }
    assert_true(is_sound(&n));
    n.servers[0].address_count = 4;
    n.servers[0].addresses[3] = n.servers[0].addresses[0];
    assert_false(is_sound(&n));
}

static void test_zeros(void **state)
{
    (void)state;
    uint8_t copy[WEND_NETWORK_RECORD_MAX];
    struct wend_delegation d;
    struct wend_membership m;
    memcpy(copy, vector_delegation, sizeof(vector_delegation));
    memset(copy + 82, 0, 4); // uses
    assert_int_equal(wend_delegation_decode((struct wend_bytes){copy, WEND_DELEGATION_LEN}, &d),
                     -EBADMSG);
    memcpy(copy, vector_delegation, sizeof(vector_delegation));
    memset(copy + 86, 0, 8); // member-for
    assert_int_equal(wend_delegation_decode((struct wend_bytes){copy, WEND_DELEGATION_LEN}, &d),
                     -EBADMSG);
    memcpy(copy, vector_membership, sizeof(vector_membership));
    memset(copy + 90, 0, 8); // lifetime
    assert_int_equal(
        wend_membership_decode((struct wend_bytes){copy, sizeof(vector_membership)}, &m), -EBADMSG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_network),
        cmocka_unit_test(test_delegation),
        cmocka_unit_test(test_membership),
        cmocka_unit_test(test_receipt),
        cmocka_unit_test(test_split),
        cmocka_unit_test(test_truncated_and_extended),
        cmocka_unit_test(test_versions),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_pools),
        cmocka_unit_test(test_servers),
        cmocka_unit_test(test_server_addresses),
        cmocka_unit_test(test_network_too_long),
        cmocka_unit_test(test_zeros),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
