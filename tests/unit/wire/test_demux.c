// SPDX-License-Identifier: MIT
// The demultiplexer: every first byte, the conditions behind it, and the one place where two
// protocols could be taken for each other.
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "stun_vectors.h"
#include "wire/demux.h"
#include "wire/session.h"
#include "wire/stun.h"

static enum wend_kind kind_by_first_byte(unsigned first)
{
    if (first >= 1 && first <= 6)
        return WEND_KIND_SESSION;
    if (first == 7)
        return WEND_KIND_HINT;
    if (first == 8)
        return WEND_KIND_FRAME;
    if (first == 9)
        return WEND_KIND_CONTROL;
    if (first >= 20 && first <= 63)
        return WEND_KIND_DTLS;
    if (first >= 64 && first <= 79)
        return WEND_KIND_TURN_CHANNEL;
    return WEND_KIND_UNKNOWN;
}

static void sorts_by_first_byte(void **state)
{
    (void)state;
    for (unsigned first = 0; first < 256; first++) {
        const uint8_t zeros_follow[4] = {(uint8_t)first};
        const struct wend_bytes in = {zeros_follow, 4};
        assert_int_equal(wend_demux(in), kind_by_first_byte(first));
    }
    assert_int_equal(wend_demux((struct wend_bytes){0}), WEND_KIND_UNKNOWN);
}

static void wants_three_zeros_where_it_says_so(void **state)
{
    (void)state;
    for (unsigned first = 0; first < 256; first++) {
        const enum wend_kind kind = kind_by_first_byte(first);
        const bool strict = kind == WEND_KIND_SESSION || kind == WEND_KIND_CONTROL;
        for (size_t at = 1; at < 4; at++) {
            uint8_t bytes[32] = {(uint8_t)first};
            bytes[at] = 0x80;
            const struct wend_bytes in = {bytes, sizeof bytes};
            assert_int_equal(wend_demux(in), strict ? WEND_KIND_UNKNOWN : kind);
            const struct wend_bytes cut = {bytes, at}; // not even four bytes
            assert_int_equal(wend_demux(cut), strict ? WEND_KIND_UNKNOWN : kind);
        }
    }
}

static void knows_stun(void **state)
{
    (void)state;
    const struct wend_bytes request = {rfc5769_request, sizeof rfc5769_request};
    const struct wend_bytes response = {rfc5769_ipv4_response, sizeof rfc5769_ipv4_response};
    assert_int_equal(wend_demux(request), WEND_KIND_STUN);
    assert_int_equal(wend_demux(response), WEND_KIND_STUN);
    for (size_t len = 1; len < request.len; len++)
        assert_int_equal(wend_demux((struct wend_bytes){request.at, len}), WEND_KIND_UNKNOWN);

    uint8_t bytes[sizeof rfc5769_request];
    for (size_t at = 2; at < 8; at++) { // length and cookie
        memcpy(bytes, rfc5769_request, sizeof bytes);
        bytes[at] ^= 4;
        assert_int_equal(wend_demux((struct wend_bytes){bytes, sizeof bytes}), WEND_KIND_UNKNOWN);
    }
    const uint8_t odd[22] = {0, 1, 0, 2, 0x21, 0x12, 0xa4, 0x42}; // fits, but no multiple of four
    assert_int_equal(wend_demux((struct wend_bytes){odd, sizeof odd}), WEND_KIND_UNKNOWN);
}

static bool is_session_message(struct wend_bytes in)
{
    struct wend_message_handshake handshake;
    struct wend_message_cookie cookie;
    struct wend_message_data data;
    return wend_message_read_handshake(in, &handshake) == 0 ||
           wend_message_read_cookie(in, &cookie) == 0 || wend_message_read_data(in, &data) == 0;
}

// The argument of the header, by trial: no length makes one datagram both a session message and
// STUN, although the sender drew the cookie as its index.
static void no_datagram_is_both_session_and_stun(void **state)
{
    (void)state;
    uint8_t bytes[WEND_MESSAGE_INITIATION_BASE + WEND_MESSAGE_PAYLOAD_MAX + 4] = {0};
    memcpy(bytes + 4, (const uint8_t[4]){0x21, 0x12, 0xa4, 0x42}, 4);
    for (uint8_t first = 0; first < 10; first++) {
        bytes[0] = first;
        for (size_t len = 0; len <= sizeof bytes; len++) {
            const struct wend_bytes in = {bytes, len};
            struct wend_stun stun;
            const bool session = is_session_message(in);
            assert_false(session && wend_stun_read(in, &stun) == 0);
            if (session)
                assert_int_equal(wend_demux(in),
                                 first == 9 ? WEND_KIND_CONTROL : WEND_KIND_SESSION);
        }
    }
}

// The other direction: what our STUN writer makes, of any method in use, is seen as STUN.
static void stun_of_any_method_in_use_is_stun(void **state)
{
    (void)state;
    for (uint16_t method = 1; method < 0x80; method++) {
        for (uint8_t class = 0; class < 4; class ++) {
            const struct wend_stun_header header = {.method = method, .class = class};
            uint8_t bytes[64];
            struct wend_stun_writer w;
            wend_stun_begin(&w, bytes, sizeof bytes, &header);
            assert_int_equal(wend_demux((struct wend_bytes){bytes, 20}), WEND_KIND_STUN);
            wend_stun_put_fingerprint(&w);
            assert_int_equal(wend_demux((struct wend_bytes){bytes, 28}), WEND_KIND_STUN);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sorts_by_first_byte),
        cmocka_unit_test(wants_three_zeros_where_it_says_so),
        cmocka_unit_test(knows_stun),
        cmocka_unit_test(no_datagram_is_both_session_and_stun),
        cmocka_unit_test(stun_of_any_method_in_use_is_stun),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
