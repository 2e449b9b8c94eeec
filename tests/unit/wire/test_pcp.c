// SPDX-License-Identifier: MIT
// PCP's messages as RFC 6887 draws them, both ways, and every way for a request to be at fault.
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "wire/pcp.h"

#define CLIENT          0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 168, 1, 10
#define NONCE           1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12
#define PUBLIC          0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 203, 0, 113, 9
#define ANY             0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0, 0, 0
#define IPV6            0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1
#define REQUEST(opcode) 2, (opcode), 0, 0, 0, 0, 0x1c, 0x20, CLIENT
#define MAP             NONCE, 17, 0, 0, 0, 0xd4, 0x31, 0xd4, 0x31, ANY
#define ROOM            1200

static const uint8_t map_request[] = {REQUEST(1), MAP};
static const uint8_t map_response[] = {
    2, 0x81, 0, 0, 0, 0, 0x0e, 0x10,  0,  0, 0x12, 0x67, 0,    0,    0,    0,    0,
    0, 0,    0, 0, 0, 0, 0,    NONCE, 17, 0, 0,    0,    0xd4, 0x31, 0xd4, 0x32, PUBLIC};
static const uint8_t peer_request[] = {REQUEST(2), MAP, 0x0d, 0x96, 0, 0, IPV6};

static void writes_again(const struct wend_pcp *m, struct wend_bytes bytes)
{
    uint8_t again[ROOM];
    assert_int_equal(wend_pcp_write(m, again, sizeof again), bytes.len);
    assert_memory_equal(again, bytes.at, bytes.len);
    assert_int_equal(wend_pcp_write(m, again, bytes.len - 1), 0);
}

static void asks_for_a_mapping(void **state)
{
    (void)state;
    struct wend_pcp m;
    const struct wend_address client = wend_address_ipv4(0xc0a8010a, 0);
    const struct wend_address any = wend_address_ipv4(0, 54321);
    assert_int_equal(wend_pcp_read(WEND_BYTES(map_request), &m), 0);
    assert_false(m.is_response);
    assert_int_equal(m.opcode, WEND_PCP_MAP);
    assert_int_equal(m.fault, WEND_PCP_SUCCESS);
    assert_int_equal(m.lifetime_s, 7200);
    assert_true(wend_address_equal(&m.client, &client));
    assert_memory_equal(m.nonce, ((const uint8_t[]){NONCE}), WEND_PCP_NONCE_LEN);
    assert_int_equal(m.protocol, WEND_PCP_PROTOCOL_UDP);
    assert_int_equal(m.internal_port, 54321);
    assert_true(wend_address_equal(&m.external, &any));
    writes_again(&m, WEND_BYTES(map_request));
}

static void is_granted_a_mapping(void **state)
{
    (void)state;
    struct wend_pcp m;
    const struct wend_address external = wend_address_ipv4(0xcb007109, 54322);
    assert_int_equal(wend_pcp_read(WEND_BYTES(map_response), &m), 0);
    assert_true(m.is_response);
    assert_int_equal(m.result, WEND_PCP_SUCCESS);
    assert_int_equal(m.lifetime_s, 3600);
    assert_int_equal(m.epoch_s, 0x1267);
    assert_int_equal(m.internal_port, 54321);
    assert_true(wend_address_equal(&m.external, &external));
    writes_again(&m, WEND_BYTES(map_response));
}

static void announces(void **state)
{
    (void)state;
    const uint8_t request[] = {2, 0, 0, 0, 0, 0, 0, 0, CLIENT};
    const uint8_t response[] = {2, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7,
                                0, 0,    0, 0, 0, 0, 0, 0, 0, 0, 0, 0};
    struct wend_pcp m;
    assert_int_equal(wend_pcp_read(WEND_BYTES(request), &m), 0);
    assert_int_equal(m.opcode, WEND_PCP_ANNOUNCE);
    writes_again(&m, WEND_BYTES(request));
    assert_int_equal(wend_pcp_read(WEND_BYTES(response), &m), 0);
    assert_int_equal(m.epoch_s, 7);
    writes_again(&m, WEND_BYTES(response));
}

static void asks_for_a_peer(void **state)
{
    (void)state;
    struct wend_pcp m;
    assert_int_equal(wend_pcp_read(WEND_BYTES(peer_request), &m), 0);
    assert_int_equal(m.fault, WEND_PCP_SUCCESS);
    assert_int_equal(m.remote.family, WEND_FAMILY_IPV6);
    assert_int_equal(m.remote.port, 3478);
    writes_again(&m, WEND_BYTES(peer_request));
    uint8_t response[sizeof peer_request];
    memcpy(response, peer_request, sizeof response);
    response[1] |= 0x80;
    memset(response + 8, 0, 16);
    assert_int_equal(wend_pcp_read(WEND_BYTES(response), &m), 0);
    writes_again(&m, WEND_BYTES(response));
}

// A request with `options` behind what the opcode needs.
static struct wend_pcp with_options(struct wend_bytes head, struct wend_bytes options)
{
    uint8_t bytes[ROOM];
    struct wend_pcp m;
    memcpy(bytes, head.at, head.len);
    memcpy(bytes + head.len, options.at, options.len);
    assert_int_equal(wend_pcp_read((struct wend_bytes){bytes, head.len + options.len}, &m), 0);
    return m;
}

static int fault_of(struct wend_bytes head, struct wend_bytes options)
{
    return (int)with_options(head, options).fault;
}

static void reads_and_writes_options(void **state)
{
    (void)state;
    const uint8_t bytes[] = {
        REQUEST(1), MAP, 1, 0,  0,  16,  IPV6, 2,  0,      0,
        0,          3,   0, 0,  20, 0,   0,    0,  0,      IPV6, // clears
        3,          0,   0, 20, 0,  120, 0,    80, PUBLIC,       // 203.0.113.9/24, port 80
        3,          0,   0, 20, 0,  64,  0,    0,  IPV6};
    struct wend_pcp m;
    assert_int_equal(wend_pcp_read(WEND_BYTES(bytes), &m), 0);
    assert_int_equal(m.fault, WEND_PCP_SUCCESS);
    assert_int_equal(m.third_party.family, WEND_FAMILY_IPV6);
    assert_true(m.prefer_failure);
    assert_int_equal(m.filter_count, 3);
    assert_true(m.filters[0].clear);
    assert_int_equal(m.filters[1].remote.family, WEND_FAMILY_IPV4);
    assert_int_equal(m.filters[1].remote.bits, 24);
    assert_int_equal(m.filters[1].port, 80);
    assert_int_equal(m.filters[2].remote.bits, 64);
    writes_again(&m, WEND_BYTES(bytes));
}

static void judges_unknown_options_by_the_first_bit(void **state)
{
    (void)state;
    const uint8_t optional[] = {0x84, 0, 0, 1, 'a', 0, 0, 0, 2, 0, 0, 0};
    const uint8_t mandatory[] = {0x20, 0, 0, 2, 'a', 'b', 0, 0, 0x21, 0, 0, 0};
    struct wend_pcp m = with_options(WEND_BYTES(map_request), WEND_BYTES(optional));
    assert_int_equal(m.fault, WEND_PCP_SUCCESS);
    assert_int_equal(m.unknown_count, 0);
    assert_true(m.prefer_failure); // what follows it is read
    m = with_options(WEND_BYTES(map_request), WEND_BYTES(mandatory));
    assert_int_equal(m.fault, WEND_PCP_UNSUPP_OPTION);
    assert_int_equal(m.unknown_count, 2);
    assert_int_equal(m.unknown_option, 0x20);
    // A response may hold them.
    m = with_options(WEND_BYTES(map_response), WEND_BYTES(mandatory));
    assert_int_equal(m.result, WEND_PCP_SUCCESS);
    assert_int_equal(m.unknown_count, 2);
}

static void finds_malformed_options(void **state)
{
    (void)state;
    static const struct {
        const char *what;
        uint8_t bytes[48];
        size_t len;
    } cases[] = {
        {"third party, short", {1, 0, 0, 12, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}, 16},
        {"third party, twice", {1, 0, 0, 16, IPV6, 1, 0, 0, 16, IPV6}, 40},
        {"prefer failure, twice", {2, 0, 0, 0, 2, 0, 0, 0}, 8},
        {"prefer failure, long", {2, 0, 0, 4, 0, 0, 0, 0}, 8},
        {"filter, short", {3, 0, 0, 16, IPV6}, 20},
        {"filter, 129 bits", {3, 0, 0, 20, 0, 129, 0, 0, IPV6}, 24},
        {"filter, IPv4 with 95 bits", {3, 0, 0, 20, 0, 95, 0, 0, PUBLIC}, 24},
        {"longer than the datagram", {3, 0, 0xff, 0xff}, 4},
        {"padding cut off is no multiple of four, so its value is", {0x84, 0, 0, 5, 1, 2, 3, 4}, 8},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct wend_bytes options = {cases[i].bytes, cases[i].len};
        if (fault_of(WEND_BYTES(map_request), options) != WEND_PCP_MALFORMED_OPTION)
            fail_msg("%s", cases[i].what);
    }
}

static void knows_which_option_goes_with_which_opcode(void **state)
{
    (void)state;
    const uint8_t announce[] = {2, 0, 0, 0, 0, 0, 0, 0, CLIENT};
    const uint8_t third[] = {1, 0, 0, 16, IPV6};
    const uint8_t only[] = {2, 0, 0, 0};
    const uint8_t filter[] = {3, 0, 0, 20, 0, 120, 0, 0, PUBLIC};
    const struct wend_bytes a = WEND_BYTES(announce), p = WEND_BYTES(peer_request);
    assert_int_equal(fault_of(a, WEND_BYTES(third)), WEND_PCP_MALFORMED_OPTION);
    assert_int_equal(fault_of(a, WEND_BYTES(only)), WEND_PCP_MALFORMED_OPTION);
    assert_int_equal(fault_of(a, WEND_BYTES(filter)), WEND_PCP_MALFORMED_OPTION);
    assert_int_equal(fault_of(p, WEND_BYTES(third)), WEND_PCP_SUCCESS);
    assert_int_equal(fault_of(p, WEND_BYTES(only)), WEND_PCP_MALFORMED_REQUEST);
    assert_int_equal(fault_of(p, WEND_BYTES(filter)), WEND_PCP_MALFORMED_OPTION);
    // None that changes what is made goes with a deletion, and no failure with no wish.
    uint8_t request[sizeof map_request];
    memcpy(request, map_request, sizeof request);
    memset(request + 42, 0, 2); // suggested port
    assert_int_equal(fault_of(WEND_BYTES(request), WEND_BYTES(only)), WEND_PCP_MALFORMED_OPTION);
    assert_int_equal(fault_of(WEND_BYTES(request), WEND_BYTES(filter)), WEND_PCP_SUCCESS);
    memcpy(request, map_request, sizeof request);
    memset(request + 4, 0, 4);
    assert_int_equal(fault_of(WEND_BYTES(request), WEND_BYTES(only)), WEND_PCP_MALFORMED_OPTION);
    assert_int_equal(fault_of(WEND_BYTES(request), WEND_BYTES(filter)), WEND_PCP_MALFORMED_OPTION);
    assert_int_equal(fault_of(WEND_BYTES(request), WEND_BYTES(third)), WEND_PCP_SUCCESS);
}

static void finds_malformed_requests(void **state)
{
    (void)state;
    uint8_t bytes[ROOM] = {0};
    struct wend_pcp m;
    memcpy(bytes, map_request, sizeof map_request);
    // Shorter than the header: no answer at all. Shorter than the opcode needs, or not a multiple
    // of four: malformed.
    for (size_t len = 0; len <= sizeof map_request; len++) {
        const int result = wend_pcp_read((struct wend_bytes){bytes, len}, &m);
        assert_int_equal(result, len < 24 ? -EBADMSG : 0);
        if (len >= 24)
            assert_int_equal(m.fault, len == sizeof map_request ? WEND_PCP_SUCCESS
                                                                : WEND_PCP_MALFORMED_REQUEST);
    }
    assert_int_equal(wend_pcp_read((struct wend_bytes){bytes, 1104}, &m), 0);
    assert_int_equal(m.fault, WEND_PCP_MALFORMED_REQUEST);
    bytes[36] = 0; // all protocols, but one port
    assert_int_equal(wend_pcp_read((struct wend_bytes){bytes, sizeof map_request}, &m), 0);
    assert_int_equal(m.fault, WEND_PCP_MALFORMED_REQUEST);
    memcpy(bytes, peer_request, sizeof peer_request);
    memset(bytes + 60, 0, 2); // no remote port
    assert_int_equal(wend_pcp_read((struct wend_bytes){bytes, sizeof peer_request}, &m), 0);
    assert_int_equal(m.fault, WEND_PCP_MALFORMED_REQUEST);
}

static void knows_its_opcodes(void **state)
{
    (void)state;
    uint8_t bytes[sizeof map_request];
    struct wend_pcp m;
    memcpy(bytes, map_request, sizeof bytes);
    for (unsigned opcode = 3; opcode < 128; opcode++) {
        bytes[1] = (uint8_t)opcode;
        assert_int_equal(wend_pcp_read(WEND_BYTES(bytes), &m), 0);
        assert_int_equal(m.fault, WEND_PCP_UNSUPP_OPCODE);
        assert_int_equal(m.opcode, opcode);
        bytes[1] |= 0x80;
        bytes[3] = WEND_PCP_SUCCESS;
        assert_int_equal(wend_pcp_read(WEND_BYTES(bytes), &m), -EBADMSG);
        bytes[3] = 0;
    }
}

static void ignores_malformed_responses(void **state)
{
    (void)state;
    uint8_t bytes[sizeof map_response + 8] = {0};
    struct wend_pcp m;
    memcpy(bytes, map_response, sizeof map_response);
    for (size_t len = 0; len < sizeof map_response; len++)
        assert_int_equal(wend_pcp_read((struct wend_bytes){bytes, len}, &m), -EBADMSG);
    bytes[sizeof map_response] = WEND_PCP_FILTER; // without its value
    assert_int_equal(wend_pcp_read((struct wend_bytes){bytes, sizeof map_response + 4}, &m),
                     -EBADMSG);
    // An error returns the request with its faults.
    bytes[3] = WEND_PCP_MALFORMED_OPTION;
    assert_int_equal(wend_pcp_read((struct wend_bytes){bytes, sizeof map_response + 4}, &m), 0);
    assert_int_equal(m.result, WEND_PCP_MALFORMED_OPTION);
    assert_int_equal(m.fault, WEND_PCP_SUCCESS);
}

static void reads_every_result(void **state)
{
    (void)state;
    uint8_t bytes[sizeof map_response];
    struct wend_pcp m;
    memcpy(bytes, map_response, sizeof bytes);
    for (unsigned result = 0; result < 256; result++) {
        bytes[3] = (uint8_t)result;
        assert_int_equal(wend_pcp_read(WEND_BYTES(bytes), &m), 0);
        assert_int_equal(m.result, result);
    }
    assert_string_equal(wend_pcp_result_name(WEND_PCP_SUCCESS), "success");
    assert_string_equal(wend_pcp_result_name(WEND_PCP_EXCESSIVE_REMOTE_PEERS),
                        "excessive-remote-peers");
    assert_string_equal(wend_pcp_result_name(14), "unknown");
}

static void negotiates_versions(void **state)
{
    (void)state;
    const uint8_t natpmp[] = {0, 0, 0, 1, 0, 0, 0x12, 0x34};
    const uint8_t natpmp_bit[] = {0, 0x81, 0, 1, 0, 0, 0x12, 0x34};
    const uint8_t newer[] = {3, 0x81, 0, 1, 0, 0, 0, 0};
    const uint8_t request[] = {3, 0x01, 0, 1, 0, 0, 0, 0};
    const uint8_t other_error[] = {0, 0x81, 0, 2, 0, 0, 0, 0};
    uint8_t version = 99;
    struct wend_pcp m;
    assert_int_equal(wend_pcp_read(WEND_BYTES(natpmp), &m), -EPROTONOSUPPORT);
    assert_true(wend_pcp_read_version(WEND_BYTES(natpmp), &version));
    assert_int_equal(version, 0);
    version = 99;
    assert_true(wend_pcp_read_version(WEND_BYTES(natpmp_bit), &version));
    assert_int_equal(version, 0);
    assert_true(wend_pcp_read_version(WEND_BYTES(newer), &version));
    assert_int_equal(version, 3);
    assert_false(wend_pcp_read_version(WEND_BYTES(request), &version));
    assert_false(wend_pcp_read_version(WEND_BYTES(other_error), &version));
    assert_false(wend_pcp_read_version(WEND_BYTES(map_response), &version));
    assert_false(wend_pcp_read_version((struct wend_bytes){natpmp, 3}, &version));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(asks_for_a_mapping),
        cmocka_unit_test(is_granted_a_mapping),
        cmocka_unit_test(announces),
        cmocka_unit_test(asks_for_a_peer),
        cmocka_unit_test(reads_and_writes_options),
        cmocka_unit_test(judges_unknown_options_by_the_first_bit),
        cmocka_unit_test(finds_malformed_options),
        cmocka_unit_test(knows_which_option_goes_with_which_opcode),
        cmocka_unit_test(finds_malformed_requests),
        cmocka_unit_test(knows_its_opcodes),
        cmocka_unit_test(ignores_malformed_responses),
        cmocka_unit_test(reads_every_result),
        cmocka_unit_test(negotiates_versions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
