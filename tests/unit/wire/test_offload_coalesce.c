// SPDX-License-Identifier: MIT
// Coalescing batches of packets, and that splitting undoes it.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "offload_packets.h"

static uint8_t super[WEND_PACKET_MAX + 1];
static uint8_t slots[WEND_COALESCE_MAX][2048];
static size_t slot_len[WEND_COALESCE_MAX];
static struct wend_coalesce coalesce;
static struct wend_bytes pieces[WEND_COALESCE_MAX];

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

static size_t gather(uint8_t *to, size_t count)
{
    size_t len = 0;
    for (size_t i = 0; i < count; i++) {
        memcpy(to + len, pieces[i].at, pieces[i].len);
        len += pieces[i].len;
    }
    return len;
}

static void assert_same_vnet(const struct wend_vnet *a, const struct wend_vnet *b)
{
    assert_int_equal(a->flags, b->flags);
    assert_int_equal(a->gso_type, b->gso_type);
    assert_int_equal(a->gso_size, b->gso_size);
    assert_int_equal(a->csum_start, b->csum_start);
    assert_int_equal(a->csum_offset, b->csum_offset);
}

// ---- Coalesce ----

static void add(const struct recipe *r, size_t slot)
{
    slot_len[slot] = make(slots[slot], r);
    assert_true(wend_coalesce_add(&coalesce, slots[slot], slot_len[slot]));
}

static size_t expect(size_t count)
{
    struct wend_vnet vnet;
    const size_t got = wend_coalesce_next(&coalesce, &vnet, pieces);
    assert_int_equal(got, count);
    if (got > 0)
        assert_int_equal(vnet.gso_type == WEND_GSO_NONE, got == 1);
    return gather(super, got);
}

static void round_trip(const struct recipe *r, uint16_t gso_size)
{
    static uint8_t joined[WEND_PACKET_MAX + 1];
    struct wend_vnet vnet, again;
    const size_t len = make_super(super, r, gso_size, &vnet);
    const size_t count = split_all(&vnet, len);
    wend_coalesce_init(&coalesce, true);
    for (size_t i = 0; i < count; i++)
        assert_true(wend_coalesce_add(&coalesce, slots[i], slot_len[i]));
    assert_int_equal(wend_coalesce_next(&coalesce, &again, pieces), count);
    if (count > 1) {
        assert_same_vnet(&vnet, &again);
        assert_int_equal(gather(joined, count), len);
        assert_memory_equal(joined, super, len);
    }
    assert_int_equal(wend_coalesce_next(&coalesce, &again, pieces), 0);
}

static void test_round_trip(void **state)
{
    (void)state;
    for (int version = 4; version <= 6; version += 2) {
        struct recipe r = tcp4(0xffffff00u, 61000);
        r.version = version;
        r.flags = ACK | PSH;
        r.may_fragment = version == 4;
        round_trip(&r, 1348);
        r.payload_len = 1348 * 45;
        r.flags = ACK;
        round_trip(&r, 1348);
        r.payload_len = 256 * 7;
        round_trip(&r, 7);
        r = (struct recipe){.version = version, .protocol = 17, .payload_len = 64 * 1000 - 1};
        round_trip(&r, 1000);
    }
}

static void test_coalesce_keeps_flows_apart(void **state)
{
    (void)state;
    wend_coalesce_init(&coalesce, true);
    for (uint32_t i = 0; i < 6; i++) {
        struct recipe r = tcp4(100 * (i / 2), 100);
        r.source_port = (uint16_t)(7000 + i % 2);
        add(&r, i);
    }
    assert_int_equal(expect(3), 52 + 300);
    assert_int_equal(super[21], 7000 & 0xff);
    assert_int_equal(expect(3), 52 + 300);
    assert_int_equal(super[21], 7001 & 0xff);
    expect(0);
}

// Runs two neighbours through and says whether they joined.
static bool joins(const struct recipe *a, const struct recipe *b, void (*damage)(uint8_t *second))
{
    uint8_t before[2][2048];
    wend_coalesce_init(&coalesce, true);
    slot_len[0] = make(slots[0], a);
    slot_len[1] = make(slots[1], b);
    if (damage != NULL)
        damage(slots[1]);
    memcpy(before, slots, sizeof before);
    assert_true(wend_coalesce_add(&coalesce, slots[0], slot_len[0]));
    assert_true(wend_coalesce_add(&coalesce, slots[1], slot_len[1]));
    struct wend_vnet vnet;
    if (wend_coalesce_next(&coalesce, &vnet, pieces) == 2) {
        assert_int_equal(wend_coalesce_next(&coalesce, &vnet, pieces), 0);
        return true;
    }
    for (size_t i = 0; i < 2; i++) { // apart: in order and untouched
        assert_ptr_equal(pieces[0].at, slots[i]);
        assert_int_equal(pieces[0].len, slot_len[i]);
        assert_memory_equal(slots[i], before[i], slot_len[i]);
        assert_int_equal(vnet.flags | vnet.gso_type, 0);
        assert_int_equal(wend_coalesce_next(&coalesce, &vnet, pieces), i == 0 ? 1 : 0);
    }
    return false;
}

static void damage_payload(uint8_t *p)
{
    p[60] ^= 1;
}
static void damage_ip_checksum(uint8_t *p)
{
    p[10] ^= 1;
}
static void change_ttl(uint8_t *p)
{
    p[8]--;
    put16(p + 10, ((size_t)p[10] << 8 | p[11]) + 0x100);
}
static void truncate_total(uint8_t *p)
{
    p[3]--;
}
static void pad_options(uint8_t *p)
{
    p[0] = 0x46;
}

static void test_coalesce_rules(void **state)
{
    (void)state;
    const struct recipe a = tcp4(1000, 100);
    struct recipe b = tcp4(1100, 100);
    assert_true(joins(&a, &b, NULL));
    assert_false(joins(&a, &b, damage_payload));
    assert_false(joins(&a, &b, damage_ip_checksum));
    assert_false(joins(&a, &b, change_ttl));
    assert_false(joins(&a, &b, truncate_total));
    assert_false(joins(&a, &b, pad_options));
    b.seq = 1101; // a gap
    assert_false(joins(&a, &b, NULL));
    b = tcp4(1100, 101); // longer than the first
    assert_false(joins(&a, &b, NULL));
    b.payload_len = 99;
    assert_true(joins(&a, &b, NULL));
    b.payload_len = 0; // a bare acknowledgement
    assert_false(joins(&a, &b, NULL));
    const uint8_t odd[] = {0,         PSH,        ACK | FIN,  ACK | SYN,
                           ACK | CWR, ACK | 0x04, ACK | 0x20, ACK | 0x40};
    for (size_t i = 0; i < sizeof odd; i++) {
        b = tcp4(1100, 100);
        b.flags = odd[i];
        assert_false(joins(&a, &b, NULL));
    }
    b = tcp4(1100, 100);
    b.options_len = 8;
    assert_false(joins(&a, &b, NULL));
    b = tcp4(1100, 100);
    b.flags = ACK | PSH;
    assert_true(joins(&a, &b, NULL));
    assert_false(joins(&b, &a, NULL)); // after PSH nothing follows
}

static void test_coalesce_identification(void **state)
{
    (void)state;
    struct recipe a = tcp4(1000, 100), b = tcp4(1100, 100);
    b.id = 77; // never fragmented: means nothing
    assert_true(joins(&a, &b, NULL));
    a.may_fragment = b.may_fragment = true;
    assert_false(joins(&a, &b, NULL));
    b.id = (uint16_t)(a.id + 1);
    assert_true(joins(&a, &b, NULL));
    a.may_fragment = false;
    assert_false(joins(&a, &b, NULL));
}

static void test_coalesce_first_damaged(void **state)
{
    (void)state;
    wend_coalesce_init(&coalesce, false);
    for (uint32_t i = 0; i < 3; i++) {
        const struct recipe r = tcp4(100 * i, 100);
        slot_len[i] = make(slots[i], &r);
    }
    slots[0][100] ^= 4;
    for (size_t i = 0; i < 3; i++)
        assert_true(wend_coalesce_add(&coalesce, slots[i], slot_len[i]));
    expect(1);
    assert_int_not_equal(reference_transport_sum(super, 152), 0xffff);
    assert_int_equal(expect(2), 252);
    expect(0);
}

static void test_coalesce_order_within_flow(void **state)
{
    (void)state;
    wend_coalesce_init(&coalesce, false);
    const uint32_t seqs[] = {0, 100, 500, 200, 300};
    for (uint32_t i = 0; i < 5; i++) {
        const struct recipe r = tcp4(seqs[i], 100);
        add(&r, i);
    }
    const uint32_t starts[] = {0, 500, 200};
    const size_t counts[] = {2, 1, 2};
    for (size_t i = 0; i < 3; i++) {
        expect(counts[i]);
        assert_int_equal((uint32_t)super[26] << 8 | super[27], starts[i]);
    }
    expect(0);
}

// A fragment may belong to any flow of its two addresses, and so ends what is open.
static void test_coalesce_fragment_between(void **state)
{
    (void)state;
    wend_coalesce_init(&coalesce, false);
    struct recipe r = tcp4(0, 100);
    add(&r, 0);
    slot_len[1] = make(slots[1], &r);
    slots[1][6] = 0x20;
    assert_true(wend_coalesce_add(&coalesce, slots[1], slot_len[1]));
    r.seq = 100;
    add(&r, 2);
    for (size_t i = 0; i < 3; i++) {
        expect(1);
        assert_ptr_equal(pieces[0].at, slots[i]);
    }
    expect(0);
}

static void test_coalesce_udp(void **state)
{
    (void)state;
    const struct recipe r = {.version = 6, .protocol = 17, .source_port = 9, .payload_len = 500};
    wend_coalesce_init(&coalesce, false); // the interface cannot
    for (size_t i = 0; i < 3; i++)
        add(&r, i);
    for (size_t i = 0; i < 3; i++)
        expect(1);
    expect(0);
    wend_coalesce_init(&coalesce, true); // 64 datagrams at most
    for (size_t i = 0; i < 100; i++)
        add(&r, i);
    expect(64);
    expect(36);
    expect(0);
}

static void test_coalesce_limits(void **state)
{
    (void)state;
    wend_coalesce_init(&coalesce, false);
    for (uint32_t i = 0; i < WEND_COALESCE_MAX; i++) {
        const struct recipe r = tcp4(i * 1348, 1348);
        add(&r, i);
    }
    assert_false(wend_coalesce_add(&coalesce, slots[0], slot_len[0]));
    size_t count = WEND_COALESCE_MAX;
    for (; count > 48; count -= 48)
        assert_int_equal(expect(48), 52 + 48 * 1348);
    expect(count);
    expect(0);
    assert_true(wend_coalesce_add(&coalesce, slots[0], slot_len[0]));
}

static void test_coalesce_takes_anything(void **state)
{
    (void)state;
    wend_coalesce_init(&coalesce, true);
    uint8_t junk[60] = {0x45};
    for (size_t len = 0; len <= sizeof junk; len++)
        assert_true(wend_coalesce_add(&coalesce, junk, len));
    for (size_t len = 0; len <= sizeof junk; len++)
        assert_int_equal(expect(1), len);
    expect(0);
}

// ---- Both, by a fixed seed ----

static uint64_t random_next(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static struct recipe random_recipe(uint64_t *seed, uint32_t next_seq[4])
{
    const uint64_t v = random_next(seed);
    const size_t flow = v & 3;
    struct recipe r = tcp4(next_seq[flow], v % 10 == 0 ? v >> 32 & 1023 : 600);
    r.version = flow & 1 ? 4 : 6;
    r.protocol = flow & 2 ? 6 : 17;
    r.source_port = (uint16_t)(1 + flow);
    r.flags = (v >> 8 & 31) == 0 ? ACK | FIN : (v >> 13 & 7) == 0 ? ACK | PSH : ACK;
    if ((v >> 16 & 15) == 0)
        r.seq += 1000;
    next_seq[flow] = r.seq + (uint32_t)r.payload_len;
    return r;
}

// Splits what left the batch and compares it with what went in, flow by flow.
static void compare_flow(const uint8_t *packet, size_t len, size_t cursor[4], size_t count,
                         uint8_t (*original)[2048])
{
    const size_t ip_len = packet[0] >> 4 == 4 ? 20 : 40;
    const size_t flow = packet[ip_len + 1] - 1u;
    for (;; cursor[flow]++) {
        assert_true(cursor[flow] < count);
        const uint8_t *o = original[cursor[flow]];
        if (o[o[0] >> 4 == 4 ? 21 : 41] == flow + 1)
            break;
    }
    uint8_t *o = original[cursor[flow]++];
    if (ip_len == 20) { // all equal in the original, counted up by the split
        memcpy(o + 4, packet + 4, 2);
        memcpy(o + 10, packet + 10, 2);
    }
    assert_checksums(packet, len);
    assert_memory_equal(packet, o, len);
}

static void random_batch(uint64_t *seed)
{
    static uint8_t original[WEND_COALESCE_MAX][2048];
    uint8_t piece[2048];
    uint32_t next_seq[4] = {0};
    size_t cursor[4] = {0}, left = 0;
    const size_t count = 1 + random_next(seed) % WEND_COALESCE_MAX;
    wend_coalesce_init(&coalesce, true);
    for (size_t i = 0; i < count; i++) {
        const struct recipe r = random_recipe(seed, next_seq);
        add(&r, i);
        memcpy(original[i], slots[i], slot_len[i]);
    }
    struct wend_vnet vnet;
    for (size_t n; (n = wend_coalesce_next(&coalesce, &vnet, pieces)) > 0;) {
        struct wend_split s;
        const size_t len = gather(super, n);
        assert_int_equal(wend_split_init(&s, &vnet, (struct wend_bytes){super, len}, 2048), 0);
        assert_int_equal(wend_split_count(&s), n);
        for (size_t got; (got = wend_split_next(&s, piece)) > 0; left++)
            compare_flow(piece, got, cursor, count, original);
    }
    assert_int_equal(left, count);
}

static void test_random_batches(void **state)
{
    (void)state;
    uint64_t seed = 20260101;
    for (size_t i = 0; i < 300; i++)
        random_batch(&seed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_coalesce_keeps_flows_apart),
        cmocka_unit_test(test_coalesce_rules),
        cmocka_unit_test(test_coalesce_identification),
        cmocka_unit_test(test_coalesce_first_damaged),
        cmocka_unit_test(test_coalesce_order_within_flow),
        cmocka_unit_test(test_coalesce_fragment_between),
        cmocka_unit_test(test_coalesce_udp),
        cmocka_unit_test(test_coalesce_limits),
        cmocka_unit_test(test_coalesce_takes_anything),
        cmocka_unit_test(test_random_batches),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
