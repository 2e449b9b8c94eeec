// SPDX-License-Identifier: MIT
// Texts of invites and claims: vectors both ways, and what a user does to them by mistake.
#include "record_world.h"

#include <stdlib.h>

#include "crypto/invite_text.h"
#include "crypto/record.h"

typedef int decode_fn(struct wend_bytes text);

static int decode_invite(struct wend_bytes text)
{
    struct wend_invite invite;
    return wend_invite_decode(text, &invite);
}

static int decode_claim(struct wend_bytes text)
{
    struct wend_claim claim;
    return wend_claim_decode(text, &claim);
}

static void test_invite(void **state)
{
    (void)state;
    struct wend_invite invite;
    char text[WEND_INVITE_TEXT_SIZE];
    assert_int_equal(wend_invite_decode(wend_bytes_of_text(vector_invite_text), &invite), 0);
    assert_memory_equal(invite.seed, world_key(WORLD_INVITE_SEED).at, 32);
    assert_int_equal(invite.network_record_len, sizeof(vector_network_record));
    assert_memory_equal(invite.network_record, vector_network_record,
                        sizeof(vector_network_record));
    assert_memory_equal(invite.delegation, vector_delegation, sizeof(vector_delegation));
    assert_int_equal(wend_invite_encode(&invite, text), 0);
    assert_string_equal(text, vector_invite_text);
}

static void test_claim(void **state)
{
    (void)state;
    struct wend_claim claim;
    char text[WEND_CLAIM_TEXT_SIZE];
    const struct wend_server_record server = world_server();
    assert_int_equal(wend_claim_decode(wend_bytes_of_text(vector_claim_text), &claim), 0);
    assert_memory_equal(claim.session_key, world_key(4).at, 32);
    assert_memory_equal(claim.signature_key, vector_server_key, 32);
    assert_memory_equal(claim.secret, world_key(6).at, 16);
    assert_int_equal(claim.address_count, 3);
    assert_memory_equal(claim.addresses, server.addresses, 3 * sizeof(server.addresses[0]));
    assert_int_equal(wend_claim_encode(&claim, text), 0);
    assert_string_equal(text, vector_claim_text);
}

static void check_every_cut(const char *text, decode_fn *decode)
{
    const size_t len = strlen(text);
    for (size_t cut = 0; cut < len; cut++)
        assert_int_equal(decode((struct wend_bytes){(const uint8_t *)text, cut}), -ENODATA);
    assert_int_equal(decode((struct wend_bytes){(const uint8_t *)text, len}), 0);
}

static void test_truncated(void **state)
{
    (void)state;
    check_every_cut(vector_invite_text, decode_invite);
    check_every_cut(vector_claim_text, decode_claim);
}

// What decoding leads to with one character of the text replaced.
static int decode_with(const char *text, size_t at, char replacement, decode_fn *decode)
{
    char copy[WEND_INVITE_TEXT_SIZE + WEND_CLAIM_TEXT_SIZE];
    snprintf(copy, sizeof(copy), "%s", text);
    copy[at] = replacement;
    return decode(wend_bytes_of_text(copy));
}

// Every character replaced by one outside the alphabet and by one inside. A few say how long the
// text is, and so a wrong one may make it look cut short; none may pass.
static void check_every_typo(const char *text, decode_fn *decode)
{
    size_t looks_cut = 0;
    for (size_t i = 3; text[i] != 0; i++) {
        assert_int_equal(decode_with(text, i, '!', decode), -EBADMSG);
        const int error = decode_with(text, i, text[i] == 'A' ? 'B' : 'A', decode);
        assert_true(error == -EBADMSG || error == -ENODATA);
        looks_cut += error == -ENODATA;
    }
    assert_true(looks_cut < 20);
}

static void test_mistyped(void **state)
{
    (void)state;
    check_every_typo(vector_invite_text, decode_invite);
    check_every_typo(vector_claim_text, decode_claim);
}

static void check_added(const char *text, decode_fn *decode)
{
    char copy[WEND_INVITE_TEXT_SIZE + WEND_CLAIM_TEXT_SIZE];
    static const char *const added[] = {"A", "AA", "AAA", "AAAA", "=", "."};
    for (size_t i = 0; i < sizeof(added) / sizeof(added[0]); i++) {
        snprintf(copy, sizeof(copy), "%s%s", text, added[i]);
        assert_int_equal(decode(wend_bytes_of_text(copy)), -EBADMSG);
    }
    snprintf(copy, sizeof(copy), " \t%s\r\n", text);
    assert_int_equal(decode(wend_bytes_of_text(copy)), 0);
}

static void test_added(void **state)
{
    (void)state;
    check_added(vector_invite_text, decode_invite);
    check_added(vector_claim_text, decode_claim);
}

static void test_prefix(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int invite, claim;
    } rows[] = {
        {"", -ENODATA, -ENODATA},
        {"  ", -ENODATA, -ENODATA},
        {"w", -ENODATA, -ENODATA},
        {"wi", -ENODATA, -EPROTOTYPE},
        {"wc1", -EPROTOTYPE, -ENODATA},
        {"wi2abc", -EPROTONOSUPPORT, -EPROTOTYPE},
        {"wc9", -EPROTOTYPE, -EPROTONOSUPPORT},
        {"wi0abc", -EBADMSG, -EPROTOTYPE},
        {"wx1abc", -EBADMSG, -EBADMSG},
        {"xi1abc", -EBADMSG, -EBADMSG},
        {"Wi1abc", -EBADMSG, -EBADMSG},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_int_equal(decode_invite(wend_bytes_of_text(rows[i].text)), rows[i].invite);
        assert_int_equal(decode_claim(wend_bytes_of_text(rows[i].text)), rows[i].claim);
    }
    assert_int_equal(decode_claim(wend_bytes_of_text(vector_invite_text)), -EPROTOTYPE);
    assert_int_equal(decode_invite(wend_bytes_of_text(vector_claim_text)), -EPROTOTYPE);
}

// A text with this body and a checksum that holds.
static const char *text_of(const char *prefix, const uint8_t *body, size_t len)
{
    static char text[WEND_INVITE_TEXT_SIZE];
    uint8_t whole[WEND_INVITE_BODY_MAX], hash[32];
    const struct wend_bytes view = {body, len};
    wend_blake2s(&view, 1, hash);
    memcpy(whole, body, len);
    memcpy(whole + len, hash, 4);
    memcpy(text, prefix, 3);
    wend_base64url_encode((struct wend_bytes){whole, len + 4}, text + 3);
    return text;
}

static void test_body_version(void **state)
{
    (void)state;
    uint8_t body[60] = {2};
    assert_int_equal(decode_invite(wend_bytes_of_text(text_of("wi1", body, sizeof(body)))),
                     -EPROTONOSUPPORT);
    assert_int_equal(decode_claim(wend_bytes_of_text(text_of("wc1", body, sizeof(body)))),
                     -EPROTONOSUPPORT);
    body[0] = 0;
    assert_int_equal(decode_invite(wend_bytes_of_text(text_of("wi1", body, sizeof(body)))),
                     -EBADMSG);
    body[0] = 2;
    char *text = strdup(text_of("wi1", body, sizeof(body)));
    assert_non_null(text);
    text[20] = 'B'; // a version made after us, and mistyped
    assert_int_equal(decode_invite(wend_bytes_of_text(text)), -EBADMSG);
    free(text);
}

// The checksum holds, but what it covers is no invite or claim.
static void test_unsound_body(void **state)
{
    (void)state;
    uint8_t body[1 + 32 + 2 + 10 + WEND_DELEGATION_LEN] = {1};
    body[34] = 10;
    assert_int_equal(decode_invite(wend_bytes_of_text(text_of("wi1", body, sizeof(body)))),
                     -EBADMSG);
    body[33] = 255; // a network record longer than any
    assert_int_equal(decode_invite(wend_bytes_of_text(text_of("wi1", body, sizeof(body)))),
                     -EBADMSG);
    uint8_t claim[1 + 32 + 32 + 16 + 1 + 7] = {1};
    claim[81] = 1, claim[82] = 4, claim[84] = 80;
    assert_int_equal(decode_claim(wend_bytes_of_text(text_of("wc1", claim, sizeof(claim)))), 0);
    claim[84] = 0; // port 0
    assert_int_equal(decode_claim(wend_bytes_of_text(text_of("wc1", claim, sizeof(claim)))),
                     -EBADMSG);
    claim[82] = 5; // no such kind of address
    assert_int_equal(decode_claim(wend_bytes_of_text(text_of("wc1", claim, sizeof(claim)))),
                     -EBADMSG);
    claim[81] = 0;
    assert_int_equal(decode_claim(wend_bytes_of_text(text_of("wc1", claim, sizeof(claim)))),
                     -EBADMSG);
    claim[81] = 5;
    assert_int_equal(decode_claim(wend_bytes_of_text(text_of("wc1", claim, sizeof(claim)))),
                     -EBADMSG);
}

static void test_encode_refused(void **state)
{
    (void)state;
    static struct wend_invite invite;
    static struct wend_claim claim;
    char text[WEND_INVITE_TEXT_SIZE + WEND_CLAIM_TEXT_SIZE] = "as it was";
    assert_int_equal(wend_invite_encode(&invite, text), -EINVAL);
    invite.network_record_len = WEND_NETWORK_RECORD_MAX + 1;
    assert_int_equal(wend_invite_encode(&invite, text), -EINVAL);
    assert_int_equal(wend_claim_encode(&claim, text), -EINVAL);
    claim.address_count = WEND_RECORD_ADDRESSES_MAX + 1;
    assert_int_equal(wend_claim_encode(&claim, text), -EINVAL);
    claim.address_count = WEND_RECORD_ADDRESSES_MAX;
    for (size_t i = 0; i < WEND_RECORD_ADDRESSES_MAX; i++)
        memset(claim.addresses[i].host, 'x', sizeof(claim.addresses[i].host));
    assert_int_equal(wend_claim_encode(&claim, text), -EINVAL);
    assert_string_equal(text, "as it was");
}

// The longest texts fit their sizes.
static void test_longest(void **state)
{
    (void)state;
    static struct wend_claim claim = {.address_count = WEND_RECORD_ADDRESSES_MAX};
    char text[WEND_CLAIM_TEXT_SIZE];
    struct wend_claim again;
    for (size_t i = 0; i < WEND_RECORD_ADDRESSES_MAX; i++) {
        claim.addresses[i].address.port = 443;
        memset(claim.addresses[i].host, 'x', WEND_HOST_LEN_MAX);
        for (size_t k = 63; k < WEND_HOST_LEN_MAX; k += 64)
            claim.addresses[i].host[k] = '.';
    }
    assert_int_equal(wend_claim_encode(&claim, text), 0);
    assert_int_equal(strlen(text) + 1, sizeof(text));
    assert_int_equal(wend_claim_decode(wend_bytes_of_text(text), &again), 0);
    assert_memory_equal(again.addresses, claim.addresses, sizeof(claim.addresses));
    check_every_cut(text, decode_claim);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_invite),         cmocka_unit_test(test_claim),
        cmocka_unit_test(test_truncated),      cmocka_unit_test(test_mistyped),
        cmocka_unit_test(test_added),          cmocka_unit_test(test_prefix),
        cmocka_unit_test(test_body_version),   cmocka_unit_test(test_unsound_body),
        cmocka_unit_test(test_encode_refused), cmocka_unit_test(test_longest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
