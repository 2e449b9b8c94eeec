// SPDX-License-Identifier: MIT
// Splitting super-packets, and the checksum below it.
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "offload_packets.h"
#include "wire/checksum.h"

static uint8_t super[WEND_PACKET_MAX + 1];
static uint8_t slots[WEND_COALESCE_MAX][2048];
static size_t slot_len[WEND_COALESCE_MAX];

static size_t split_all(const struct wend_vnet *vnet, size_t len)
{
    struct wend_split s;
    assert_int_equal(wend_split_init(&s, vnet, (struct wend_bytes){super, len}, 2048), 0);
    const size_t count = wend_split_count(&s);
    assert_true(count <= WEND_COALESCE_MAX);
    for (size_t i = 0; i < count; i++) {
        slot_len[i] = wend_split_next(&s, slots[i]);
        assert_int_not_equal(slot_len[i], 0);
    }
    assert_int_equal(wend_split_next(&s, slots[0]), 0);
    return count;
}

// ---- Checksum ----

// The example of RFC 1071 section 3: 00 01 f2 03 f4 f5 f6 f7 sums to ddf2.
static void test_checksum_example(void **state)
{
    (void)state;
    const uint8_t example[] = {0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7};
    assert_int_equal(wend_checksum_fold(wend_checksum_add(0, example, sizeof example)), 0xddf2);
    assert_int_equal(wend_checksum_fold(wend_checksum_add_u16(0, 0xabcd)), 0xabcd);
    const uint64_t sum = wend_checksum_add_u16(wend_checksum_add_u16(0, 0x1234), 0x00ff);
    assert_int_equal(wend_checksum_fold(wend_checksum_remove_u16(sum, 0x00ff)), 0x1234);
}

static void test_checksum_every_length(void **state)
{
    (void)state;
    uint8_t data[300 + 8];
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (uint8_t)(0xff - (i % 7 == 0 ? i : 0));
    for (size_t offset = 0; offset < 8; offset++)
        for (size_t len = 0; len <= 300; len++)
            assert_int_equal(wend_checksum_fold(wend_checksum_add(0, data + offset, len)),
                             reference_sum(data + offset, len));
}

// ---- Split ----

static void check_tcp_pieces(const struct recipe *r, size_t count, uint16_t gso_size)
{
    const size_t header = ip_len_of(r) + 20u + r->options_len;
    const size_t tcp = ip_len_of(r);
    for (size_t i = 0; i < count; i++) {
        const uint8_t *p = slots[i];
        const bool last = i + 1 == count;
        const size_t payload = last ? r->payload_len - i * gso_size : gso_size;
        assert_int_equal(slot_len[i], header + payload);
        assert_checksums(p, slot_len[i]);
        struct recipe expected = *r;
        expected.payload_len = payload;
        expected.id = (uint16_t)(r->id + i);
        expected.seq = r->seq + (uint32_t)(i * gso_size);
        if (!last)
            expected.flags &= (uint8_t) ~(FIN | PSH);
        if (i > 0)
            expected.flags &= (uint8_t)~CWR;
        uint8_t want[2048];
        assert_int_equal(make(want, &expected), slot_len[i]);
        assert_int_equal(p[tcp + 13], expected.flags);
        assert_memory_equal(p, want, slot_len[i]);
    }
}

static void test_split_tcp(void **state)
{
    (void)state;
    const size_t lengths[] = {1, 1347, 1348, 1349, 2 * 1348, 40001};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        for (int version = 4; version <= 6; version += 2) {
            struct recipe r = tcp4(0xfffffff0u, lengths[i]);
            r.version = version;
            r.flags = FIN | PSH | ACK | CWR;
            r.id = 0xfffe; // identification and sequence number wrap
            struct wend_vnet vnet;
            const size_t len = make_super(super, &r, 1348, &vnet);
            vnet.gso_type |= WEND_GSO_ECN;
            const size_t count = split_all(&vnet, len);
            assert_int_equal(count, (lengths[i] + 1347) / 1348);
            check_tcp_pieces(&r, count, 1348);
        }
    }
}

static void test_split_udp(void **state)
{
    (void)state;
    for (int version = 4; version <= 6; version += 2) {
        struct recipe r = {
            .version = version, .protocol = 17, .source_port = 53, .payload_len = 5001};
        struct wend_vnet vnet;
        const size_t count = split_all(&vnet, make_super(super, &r, 1200, &vnet));
        assert_int_equal(count, 5);
        for (size_t i = 0; i < count; i++) {
            struct recipe expected = r;
            expected.id = (uint16_t)i;
            expected.seq = (uint32_t)(1200 * i);
            expected.payload_len = i < 4 ? 1200 : 201;
            uint8_t want[2048];
            assert_int_equal(make(want, &expected), slot_len[i]);
            assert_memory_equal(slots[i], want, slot_len[i]);
        }
    }
}

static void test_split_completes_checksum(void **state)
{
    (void)state;
    for (int version = 4; version <= 6; version += 2) {
        for (int protocol = 6; protocol <= 17; protocol += 11) {
            struct recipe r = tcp4(5, 333);
            r.version = version;
            r.protocol = (uint8_t)protocol;
            uint8_t want[2048];
            const size_t len = make(want, &r);
            struct wend_vnet vnet;
            assert_int_equal(make_super(super, &r, 0, &vnet), len);
            vnet.gso_type = WEND_GSO_NONE;
            assert_int_equal(split_all(&vnet, len), 1);
            assert_memory_equal(slots[0], want, len);
        }
    }
}

static void test_split_leaves_finished_packet(void **state)
{
    (void)state;
    const struct recipe r = tcp4(5, 10);
    const size_t len = make(super, &r);
    super[30] ^= 0xff; // not ours to judge
    const struct wend_vnet none = {0};
    assert_int_equal(split_all(&none, len), 1);
    assert_memory_equal(slots[0], super, len);
}

// A UDP datagram whose sum comes out as zero is sent with all ones.
static void test_split_udp_zero_checksum(void **state)
{
    (void)state;
    struct recipe r = {.version = 4, .protocol = 17, .source_port = 0, .payload_len = 2};
    size_t len = make(super, &r);
    const uint32_t check = (uint32_t)super[26] << 8 | super[27];
    r.source_port = (uint16_t)check; // what was missing to all ones
    struct wend_vnet vnet;
    len = make_super(super, &r, 0, &vnet);
    vnet.gso_type = WEND_GSO_NONE;
    split_all(&vnet, len);
    assert_int_equal(slots[0][26], 0xff);
    assert_int_equal(slots[0][27], 0xff);
    assert_checksums(slots[0], len);
}

static int try_split(const struct wend_vnet *vnet, size_t len)
{
    struct wend_split s;
    return wend_split_init(&s, vnet, (struct wend_bytes){super, len}, 1500);
}

static void test_split_refuses(void **state)
{
    (void)state;
    const struct recipe r = tcp4(1, 3000);
    struct wend_vnet good;
    const size_t len = make_super(super, &r, 1000, &good);
    assert_int_equal(try_split(&good, len), 0);
    assert_int_equal(try_split(&good, 0), -EBADMSG);
    assert_int_equal(try_split(&good, 19), -EBADMSG);
    assert_int_equal(try_split(&good, 52), -EBADMSG); // headers and no payload
    assert_int_equal(try_split(&good, WEND_PACKET_MAX + 1), -EMSGSIZE);
    struct wend_vnet bad = good;
    bad.gso_size = 1449;
    assert_int_equal(try_split(&bad, len), -EMSGSIZE);
    bad.gso_size = 0;
    assert_int_equal(try_split(&bad, len), -EBADMSG);
    bad = good;
    bad.flags = 0;
    assert_int_equal(try_split(&bad, len), -EBADMSG);
    bad = good;
    bad.gso_type = WEND_GSO_TCP6;
    assert_int_equal(try_split(&bad, len), -EBADMSG);
    bad.gso_type = 3; // UDP fragmentation, which is never asked for
    assert_int_equal(try_split(&bad, len), -EBADMSG);
    bad = good;
    bad.csum_start = 24;
    assert_int_equal(try_split(&bad, len), -EBADMSG);
    bad.csum_start = UINT16_MAX;
    assert_int_equal(try_split(&bad, len), -EBADMSG);
    bad = good;
    bad.csum_offset = 6;
    assert_int_equal(try_split(&bad, len), -EBADMSG);
    super[6] |= 0x20; // more fragments
    assert_int_equal(try_split(&good, len), -EBADMSG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_checksum_example),
        cmocka_unit_test(test_checksum_every_length),
        cmocka_unit_test(test_split_tcp),
        cmocka_unit_test(test_split_udp),
        cmocka_unit_test(test_split_completes_checksum),
        cmocka_unit_test(test_split_leaves_finished_packet),
        cmocka_unit_test(test_split_udp_zero_checksum),
        cmocka_unit_test(test_split_refuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
