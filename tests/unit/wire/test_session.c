// SPDX-License-Identifier: MIT
// Layouts of session messages: offsets as the documents give them, and lengths on either side of
// each limit. The messages are filled with their own offsets, so a field shows where it was taken.
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "wire/session.h"

#define MESSAGE_MAX (136 + 1024)

static uint8_t message[MESSAGE_MAX + 16];

static struct wend_bytes message_of(uint8_t type, size_t len)
{
    for (size_t i = 0; i < sizeof message; i++)
        message[i] = (uint8_t)i;
    memcpy(message, (const uint8_t[4]){type, 0, 0, 0}, 4);
    return (struct wend_bytes){message, len};
}

static void assert_covers(struct wend_bytes covered, size_t len)
{
    assert_ptr_equal(covered.at, message);
    assert_int_equal(covered.len, len);
}

static void assert_initiation(uint8_t type, size_t sealed_len)
{
    struct wend_message_handshake m;
    const size_t mac1_at = 88 + sealed_len;
    assert_int_equal(wend_message_read_handshake(message_of(type, mac1_at + 32), &m), 0);
    assert_int_equal(m.type, type);
    assert_int_equal(m.sender, 0x07060504);
    assert_int_equal(m.receiver, 0);
    assert_ptr_equal(m.ephemeral, message + 8);
    assert_ptr_equal(m.sealed_static, message + 40);
    assert_ptr_equal(m.sealed.at, message + 88);
    assert_int_equal(m.sealed.len, sealed_len);
    assert_ptr_equal(m.mac1, message + mac1_at);
    assert_ptr_equal(m.mac2, message + mac1_at + 16);
    assert_covers(m.mac1_covers, mac1_at);
    assert_covers(m.mac2_covers, mac1_at + 16);
}

static void assert_response(uint8_t type, size_t sealed_len)
{
    struct wend_message_handshake m;
    const size_t mac1_at = 44 + sealed_len;
    assert_int_equal(wend_message_read_handshake(message_of(type, mac1_at + 32), &m), 0);
    assert_int_equal(m.type, type);
    assert_int_equal(m.sender, 0x07060504);
    assert_int_equal(m.receiver, 0x0b0a0908);
    assert_ptr_equal(m.ephemeral, message + 12);
    assert_null(m.sealed_static);
    assert_ptr_equal(m.sealed.at, message + 44);
    assert_int_equal(m.sealed.len, sealed_len);
    assert_ptr_equal(m.mac1, message + mac1_at);
    assert_ptr_equal(m.mac2, message + mac1_at + 16);
    assert_covers(m.mac1_covers, mac1_at);
    assert_covers(m.mac2_covers, mac1_at + 16);
}

static void reads_handshakes(void **state)
{
    (void)state;
    assert_initiation(1, 28); // 148 bytes in all
    assert_initiation(5, 16);
    assert_initiation(5, 1040);
    assert_response(2, 16); // 92 bytes in all
    assert_response(6, 16);
    assert_response(6, 1040);
}

// Every type with every length, against the list of what is a message.
static void accepts_exactly_the_right_lengths(void **state)
{
    (void)state;
    for (unsigned type = 0; type < 256; type++) {
        for (size_t len = 0; len <= MESSAGE_MAX + 8; len++) {
            const bool right = (type == 1 && len == 148) || (type == 2 && len == 92) ||
                               (type == 5 && len >= 136 && len <= 136 + 1024) ||
                               (type == 6 && len >= 92 && len <= 92 + 1024);
            const struct wend_bytes in = message_of((uint8_t)type, len);
            struct wend_message_handshake m;
            assert_int_equal(wend_message_read_handshake(in, &m), right ? 0 : -EBADMSG);
        }
    }
}

static void refuses_bytes_that_must_be_zero(void **state)
{
    (void)state;
    struct wend_message_handshake handshake;
    struct wend_message_cookie cookie;
    struct wend_message_data data;
    for (size_t at = 1; at < 4; at++) {
        (void)message_of(1, 148);
        message[at] = 1;
        assert_int_equal(wend_message_read_handshake((struct wend_bytes){message, 148}, &handshake),
                         -EBADMSG);
        message[0] = 3;
        assert_int_equal(wend_message_read_cookie((struct wend_bytes){message, 64}, &cookie),
                         -EBADMSG);
        message[0] = 4;
        assert_int_equal(wend_message_read_data((struct wend_bytes){message, 64}, &data), -EBADMSG);
    }
}

static void reads_and_writes_cookies(void **state)
{
    (void)state;
    struct wend_message_cookie m;
    uint8_t again[WEND_MESSAGE_COOKIE_LEN];
    for (size_t len = 0; len <= 80; len++)
        assert_int_equal(wend_message_read_cookie(message_of(3, len), &m),
                         len == 64 ? 0 : -EBADMSG);
    assert_int_equal(wend_message_read_cookie(message_of(4, 64), &m), -EBADMSG);
    assert_int_equal(wend_message_read_cookie(message_of(3, 64), &m), 0);
    assert_int_equal(m.receiver, 0x07060504);
    assert_ptr_equal(m.nonce, message + 8);
    assert_ptr_equal(m.sealed_cookie, message + 32);
    wend_message_write_cookie(again, &m);
    assert_memory_equal(again, message, sizeof again);
}

static void reads_and_writes_data(void **state)
{
    (void)state;
    for (uint8_t type = 0; type < 12; type++) {
        for (size_t len = 0; len <= 64; len++) {
            struct wend_message_data m;
            const bool right = (type == 4 || type == 9) && len >= 32;
            assert_int_equal(wend_message_read_data(message_of(type, len), &m),
                             right ? 0 : -EBADMSG);
            if (!right)
                continue;
            uint8_t header[WEND_MESSAGE_DATA_HEADER_LEN];
            assert_int_equal(m.receiver, 0x07060504);
            assert_true(m.counter == 0x0f0e0d0c0b0a0908);
            assert_ptr_equal(m.sealed.at, message + 16);
            assert_int_equal(m.sealed.len, len - 16);
            const enum wend_message_type kind =
                m.type == 4 ? WEND_MESSAGE_DATA : WEND_MESSAGE_CONTROL;
            wend_message_write_data_header(header, kind, m.receiver, m.counter);
            assert_memory_equal(header, message, sizeof header);
        }
    }
}

static void assert_writes(const struct wend_message_plan *plan, size_t want_len)
{
    struct wend_message_slots slots;
    struct wend_message_handshake m;
    assert_int_equal(wend_message_write_handshake(message, want_len - 1, plan, &slots), 0);
    memset(message, 0xee, sizeof message);
    const size_t len = wend_message_write_handshake(message, want_len, plan, &slots);
    assert_int_equal(len, want_len);
    assert_int_equal(message[len], 0xee);
    assert_int_equal(wend_message_read_handshake((struct wend_bytes){message, len}, &m), 0);
    assert_int_equal(m.type, plan->type);
    assert_int_equal(m.sender, plan->sender);
    assert_int_equal(m.receiver, plan->receiver);
    assert_ptr_equal(m.ephemeral, slots.ephemeral);
    assert_ptr_equal(m.sealed_static, slots.sealed_static);
    assert_ptr_equal(m.sealed.at, slots.sealed);
    assert_int_equal(m.sealed.len, slots.sealed_len);
    assert_ptr_equal(m.mac1, slots.mac1);
    assert_ptr_equal(m.mac2, slots.mac2);
    for (const uint8_t *at = m.ephemeral; at < message + len; at++)
        assert_int_equal(*at, 0);
}

static void writes_handshakes(void **state)
{
    (void)state;
    const struct wend_message_plan plans[] = {
        {WEND_MESSAGE_WG_INITIATION, 0x01020304, 0, 12},
        {WEND_MESSAGE_WG_RESPONSE, 0x01020304, 0xfffefdfc, 0},
        {WEND_MESSAGE_INITIATION, 1, 0, 0},
        {WEND_MESSAGE_INITIATION, 1, 0, 1024},
        {WEND_MESSAGE_RESPONSE, 1, 2, 0},
        {WEND_MESSAGE_RESPONSE, 1, 2, 1024},
    };
    const size_t lens[] = {148, 92, 136, 136 + 1024, 92, 92 + 1024};
    for (size_t i = 0; i < sizeof plans / sizeof plans[0]; i++)
        assert_writes(&plans[i], lens[i]);
    assert_memory_equal(message + 4, ((const uint8_t[8]){1, 0, 0, 0, 2, 0, 0, 0}), 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_handshakes),
        cmocka_unit_test(accepts_exactly_the_right_lengths),
        cmocka_unit_test(refuses_bytes_that_must_be_zero),
        cmocka_unit_test(reads_and_writes_cookies),
        cmocka_unit_test(reads_and_writes_data),
        cmocka_unit_test(writes_handshakes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
