// SPDX-License-Identifier: MIT
#include "node/open.h"

#include <errno.h>

#include "packets.h"
#include "session/data.h"
#include "wire/frame.h"

enum { DATAGRAM_LEN = 2048 };

static struct wend_plane_stats stats[WEND_SLOTS_MAX];
static uint8_t datagrams[WEND_OPEN_BATCH_MAX + 8][DATAGRAM_LEN];

struct fixture {
    void *memory;
    struct wend_open *open;
    size_t used; // datagrams made
};

static int set_up(void **state)
{
    static struct fixture f;
    const struct wend_open_config config = {.ipv4 = packets_ipv4(PACKETS_US),
                                            .ipv6 = packets_ipv6(PACKETS_US),
                                            .udp_offload = true,
                                            .hash_key = {9, 8, 7},
                                            .stats = stats};
    memset(stats, 0, sizeof stats);
    f = (struct fixture){.memory = packets_memory(wend_open_size())};
    f.open = wend_open_init(f.memory, &config);
    *state = &f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    wend_open_check(f->open);
    wend_open_close(f->open);
    free(f->memory);
    return 0;
}

static void tell(struct fixture *f, struct wend_command c)
{
    static const uint8_t zeros[sizeof c.key];
    assert_int_equal(wend_open_command(f->open, &c), 0);
    assert_memory_equal(c.key, zeros, sizeof zeros);
    wend_open_check(f->open);
}

static void tell_relay(struct fixture *f, enum wend_transport transport, uint32_t stream)
{
    tell(f,
         (struct wend_command){
             .kind = WEND_COMMAND_RELAY,
             .path = {.transport = transport, .stream = stream, .remote = packets_outside(200)}});
}

// Peer `slot` has inside number 10 + slot and seals for our index 0xa000 + slot.
static void add_peer(struct fixture *f, uint32_t slot, struct wend_sender *ret)
{
    const struct wend_command keys = packets_keys(slot, 0xa000 + slot, 1);
    tell(f, packets_peer(slot, (uint8_t)(10 + slot)));
    tell(f, keys);
    if (ret != NULL)
        assert_int_equal(wend_sender_init(ret, keys.key, keys.local_index), 0);
}

static const struct wend_datagram *from(uint8_t outside)
{
    static struct wend_datagram way;
    way =
        (struct wend_datagram){.transport = WEND_TRANSPORT_UDP, .remote = packets_outside(outside)};
    return &way;
}

// Seals the packet that was written 24 bytes into a datagram. Returns where the message begins.
static uint8_t *seal(uint8_t *datagram, struct wend_sender *s, size_t len, size_t *ret_len)
{
    *ret_len = wend_data_seal(s, datagram + 24, len, PACKETS_MTU);
    return datagram + 8;
}

static enum wend_open_verdict give_to(struct fixture *f, struct wend_sender *s, uint8_t source,
                                      uint8_t destination, size_t len)
{
    uint8_t *const d = datagrams[f->used++];
    size_t sealed;
    packets_udp4(d + 24, source, destination, len);
    uint8_t *const message = seal(d, s, len, &sealed);
    return wend_open_datagram(f->open, from(50), message, sealed, 700);
}

static enum wend_open_verdict give(struct fixture *f, struct wend_sender *s, uint8_t source,
                                   size_t len)
{
    return give_to(f, s, source, PACKETS_US, len);
}

static enum wend_open_verdict give_framed(struct fixture *f, struct wend_sender *s,
                                          const struct wend_datagram *way)
{
    uint8_t *const d = datagrams[f->used++];
    size_t sealed;
    packets_udp4(d + 24, 13, PACKETS_US, 100);
    (void)seal(d, s, 100, &sealed);
    wend_frame_write_header(d, 4711);
    return wend_open_datagram(f->open, way, d, 8 + sealed, 700);
}

static size_t drain(struct fixture *f, size_t *ret_pieces)
{
    struct wend_vnet vnet;
    struct wend_bytes pieces[WEND_COALESCE_MAX];
    size_t packets = 0, count;
    *ret_pieces = 0;
    while ((count = wend_open_next_packet(f->open, &vnet, pieces)) > 0) {
        packets++;
        *ret_pieces += count;
    }
    f->used = 0;
    return packets;
}

static uint64_t dropped(const struct fixture *f, enum wend_drop reason)
{
    return wend_open_drops(f->open)->count[reason];
}

// ---- Opening ----

static void opens_and_confirms_once(void **state)
{
    struct fixture *f = *state;
    struct wend_sender s;
    struct wend_notice n;
    struct wend_vnet vnet;
    struct wend_bytes pieces[WEND_COALESCE_MAX];
    uint8_t packet[100];
    add_peer(f, 3, &s);
    assert_false(wend_open_next_notice(f->open, &n));
    assert_int_equal(give(f, &s, 13, 100), WEND_OPEN_PACKET);
    assert_int_equal(wend_open_next_packet(f->open, &vnet, pieces), 1);
    assert_int_equal(pieces[0].len, 100); // without the padding
    assert_memory_equal(pieces[0].at, packets_udp4(packet, 13, PACKETS_US, 100), 100);
    assert_int_equal(wend_open_next_packet(f->open, &vnet, pieces), 0);
    assert_true(wend_open_next_notice(f->open, &n));
    assert_int_equal(n.kind, WEND_NOTICE_CONFIRMED);
    assert_int_equal(n.slot, 3);
    assert_int_equal(n.local_index, 0xa003);
    assert_int_equal(give(f, &s, 13, 101), WEND_OPEN_PACKET);
    assert_false(wend_open_next_notice(f->open, &n));
    assert_int_equal(stats[3].received_packets, 2);
    assert_int_equal(stats[3].received_bytes, 201);
    assert_int_equal(stats[3].received_direct, 2);
    assert_int_equal(stats[3].received_relay, 0);
    assert_int_equal(stats[3].last_received, 700);
    wend_sender_close(&s);
}

static void opens_ipv6(void **state)
{
    struct fixture *f = *state;
    struct wend_sender s;
    size_t len, pieces;
    add_peer(f, 3, &s);
    packets_udp6(datagrams[0] + 24, 13, PACKETS_US, 61);
    uint8_t *const message = seal(datagrams[0], &s, 61, &len);
    assert_int_equal(wend_open_datagram(f->open, from(1), message, len, 5), WEND_OPEN_PACKET);
    assert_int_equal(drain(f, &pieces), 1);
    wend_sender_close(&s);
}

static void a_keepalive_counts_as_life(void **state)
{
    struct fixture *f = *state;
    struct wend_sender s;
    struct wend_notice n;
    size_t len, pieces;
    add_peer(f, 3, &s);
    uint8_t *const message = seal(datagrams[0], &s, 0, &len);
    assert_int_equal(wend_open_datagram(f->open, from(1), message, len, 5), WEND_OPEN_KEEPALIVE);
    assert_true(wend_open_next_notice(f->open, &n));
    assert_int_equal(stats[3].last_any_received, 5);
    assert_int_equal(stats[3].last_received, 0);
    assert_int_equal(stats[3].received_packets, 0);
    assert_int_equal(drain(f, &pieces), 0);
    wend_sender_close(&s);
}

// ---- Cryptokey routing ----

static void the_inner_addresses_must_fit_the_key(void **state)
{
    struct fixture *f = *state;
    struct wend_sender s;
    size_t pieces;
    add_peer(f, 3, &s);
    add_peer(f, 4, NULL);
    assert_int_equal(give(f, &s, 14, 100), WEND_OPEN_DROPPED); // another peer's address
    assert_int_equal(give(f, &s, PACKETS_US, 100), WEND_OPEN_DROPPED);
    assert_int_equal(dropped(f, WEND_DROP_WRONG_SOURCE), 2);
    assert_int_equal(give_to(f, &s, 13, 14, 100), WEND_OPEN_DROPPED); // not for us
    assert_int_equal(dropped(f, WEND_DROP_NOT_ALLOWED), 1);
    assert_int_equal(drain(f, &pieces), 0);
    assert_int_equal(stats[3].received_packets, 0);
    tell(f, packets_peer(3, 15)); // its address changes
    assert_int_equal(give(f, &s, 13, 100), WEND_OPEN_DROPPED);
    assert_int_equal(give(f, &s, 15, 100), WEND_OPEN_PACKET);
    wend_sender_close(&s);
}

static void what_is_inside_must_be_ip(void **state)
{
    struct fixture *f = *state;
    struct wend_sender s;
    size_t len;
    add_peer(f, 3, &s);
    memset(datagrams[0], 0, DATAGRAM_LEN);
    uint8_t *message = seal(datagrams[0], &s, 40, &len);
    assert_int_equal(wend_open_datagram(f->open, from(1), message, len, 5), WEND_OPEN_DROPPED);
    packets_udp4(datagrams[0] + 24, 13, PACKETS_US, 100);
    wend_put_u16(datagrams[0] + 26, 200); // says that it is longer than it is
    message = seal(datagrams[0], &s, 100, &len);
    assert_int_equal(wend_open_datagram(f->open, from(1), message, len, 5), WEND_OPEN_DROPPED);
    assert_int_equal(dropped(f, WEND_DROP_MALFORMED), 2);
    wend_sender_close(&s);
}

// ---- Relay ----

static void frames_are_taken_from_the_server_alone(void **state)
{
    struct fixture *f = *state;
    struct wend_sender s;
    add_peer(f, 3, &s);
    assert_int_equal(give_framed(f, &s, from(200)), WEND_OPEN_DROPPED); // not yet known
    tell_relay(f, WEND_TRANSPORT_UDP, 0);
    s.counter = 0; // nothing is missing before it
    assert_int_equal(give_framed(f, &s, from(200)), WEND_OPEN_PACKET);
    assert_int_equal(give_framed(f, &s, from(201)), WEND_OPEN_DROPPED);
    assert_int_equal(dropped(f, WEND_DROP_WRONG_SOURCE), 2);
    assert_int_equal(stats[3].received_relay, 1);
    assert_int_equal(stats[3].received_direct, 0);
    tell_relay(f, WEND_TRANSPORT_TCP, 8);
    struct wend_datagram way = {.transport = WEND_TRANSPORT_TCP, .stream = 8};
    assert_int_equal(give_framed(f, &s, from(200)), WEND_OPEN_DROPPED);
    s.counter = 1;
    assert_int_equal(give_framed(f, &s, &way), WEND_OPEN_PACKET);
    way.stream = 9;
    assert_int_equal(give_framed(f, &s, &way), WEND_OPEN_DROPPED);
    wend_sender_close(&s);
}

// ---- What is the node's ----

static void the_rest_is_the_nodes_and_unchanged(void **state)
{
    struct fixture *f = *state;
    static const uint8_t first[] = {0, 1, 2, 3, 5, 6, 7, 8, 9, 22, 70, 255};
    uint8_t d[200], before[200];
    add_peer(f, 3, NULL);
    for (size_t i = 0; i < sizeof first; i++)
        for (size_t len = 0; len <= sizeof d; len += 8) {
            memset(d, 0, sizeof d);
            d[0] = first[i];
            wend_put_u32le(d + 4, 0xa003);
            memcpy(before, d, sizeof d);
            assert_int_equal(wend_open_datagram(f->open, from(1), d, len, 5), WEND_OPEN_NODE);
            assert_memory_equal(d, before, sizeof d);
        }
}

static void an_unknown_index_is_the_nodes(void **state)
{
    struct fixture *f = *state;
    struct wend_sender s;
    add_peer(f, 3, &s);
    s.remote_index++;
    assert_int_equal(give(f, &s, 13, 100), WEND_OPEN_NODE);
    s.remote_index--;
    s.counter = 0;
    assert_int_equal(give(f, &s, 13, 100), WEND_OPEN_PACKET);
    tell(f,
         (struct wend_command){.kind = WEND_COMMAND_KEYS_GONE, .slot = 3, .local_index = 0xa003});
    assert_int_equal(give(f, &s, 13, 100), WEND_OPEN_NODE);
    wend_sender_close(&s);
}

// ---- What does not open ----

static void replayed_forged_and_short_ones_are_dropped(void **state)
{
    struct fixture *f = *state;
    struct wend_sender s;
    size_t len, pieces;
    uint8_t copy[DATAGRAM_LEN], *message;
    add_peer(f, 3, &s);
    packets_udp4(datagrams[0] + 24, 13, PACKETS_US, 100);
    message = seal(datagrams[0], &s, 100, &len);
    memcpy(copy, message, len);
    copy[20] ^= 1;
    assert_int_equal(wend_open_datagram(f->open, from(1), copy, len, 5), WEND_OPEN_DROPPED);
    assert_int_equal(dropped(f, WEND_DROP_DECRYPT_FAILED), 1);
    struct wend_notice n;
    assert_false(wend_open_next_notice(f->open, &n)); // a forgery confirms nothing
    memcpy(copy, message, len);
    assert_int_equal(wend_open_datagram(f->open, from(1), message, len, 5), WEND_OPEN_PACKET);
    assert_int_equal(wend_open_datagram(f->open, from(1), copy, len, 5), WEND_OPEN_DROPPED);
    assert_int_equal(dropped(f, WEND_DROP_REPLAYED), 1);
    assert_int_equal(drain(f, &pieces), 1);
    for (size_t cut = 0; cut < 144; cut++) {
        packets_udp4(datagrams[0] + 24, 13, PACKETS_US, 100);
        message = seal(datagrams[0], &s, 100, &len);
        assert_int_not_equal(wend_open_datagram(f->open, from(1), message, cut, 5),
                             WEND_OPEN_PACKET);
    }
    wend_sender_close(&s);
}

// ---- The batch ----

static void a_full_batch_changes_nothing(void **state)
{
    struct fixture *f = *state;
    struct wend_sender s;
    size_t len, pieces;
    add_peer(f, 3, &s);
    for (size_t i = 0; i < WEND_OPEN_BATCH_MAX; i++) {
        assert_int_equal(wend_open_room(f->open), WEND_OPEN_BATCH_MAX - i);
        assert_int_equal(give(f, &s, 13, 100), WEND_OPEN_PACKET);
    }
    uint8_t *const d = datagrams[f->used];
    packets_udp4(d + 24, 13, PACKETS_US, 100);
    uint8_t *const message = seal(d, &s, 100, &len);
    assert_int_equal(wend_open_datagram(f->open, from(1), message, len, 5), WEND_OPEN_FULL);
    drain(f, &pieces);
    assert_int_equal(pieces, WEND_OPEN_BATCH_MAX);
    assert_int_equal(wend_open_datagram(f->open, from(1), message, len, 5), WEND_OPEN_PACKET);
    wend_sender_close(&s);
}

static void segments_of_a_stream_are_joined(void **state)
{
    struct fixture *f = *state;
    struct wend_sender s;
    struct wend_split split;
    static uint8_t super[WEND_PACKET_MAX];
    struct wend_vnet vnet = packets_tcp4(super, 13, 40 * 1360, 1360);
    const size_t super_len = 40 + 40 * 1360;
    memcpy(super + 12, packets_ipv4(13).ip, 4); // from the peer to us
    memcpy(super + 16, packets_ipv4(PACKETS_US).ip, 4);
    const uint64_t sum =
        wend_checksum_add_u16(wend_checksum_pseudo(super, 6), (uint16_t)(super_len - 20));
    wend_put_u16(super + 36, wend_checksum_fold(sum));
    add_peer(f, 3, &s);
    const struct wend_bytes in = {super, super_len};
    assert_int_equal(wend_split_init(&split, &vnet, in, PACKETS_MTU), 0);
    for (size_t i = 0, len; i < 40; i++) {
        const size_t piece = wend_split_next(&split, datagrams[i] + 24);
        uint8_t *const message = seal(datagrams[i], &s, piece, &len);
        assert_int_equal(wend_open_datagram(f->open, from(1), message, len, 5), WEND_OPEN_PACKET);
    }
    struct wend_bytes pieces[WEND_COALESCE_MAX];
    assert_int_equal(wend_open_next_packet(f->open, &vnet, pieces), 40);
    assert_int_equal(vnet.gso_size, 1360);
    assert_int_equal(wend_open_next_packet(f->open, &vnet, pieces), 0);
    wend_sender_close(&s);
}

// ---- Commands ----

static void a_peer_gone_takes_its_keys_along(void **state)
{
    struct fixture *f = *state;
    struct wend_sender s;
    struct wend_notice n;
    add_peer(f, 3, &s);
    assert_int_equal(give(f, &s, 13, 100), WEND_OPEN_PACKET);
    tell(f, (struct wend_command){.kind = WEND_COMMAND_PEER_GONE, .slot = 3});
    assert_false(wend_open_next_notice(f->open, &n));
    assert_int_equal(give(f, &s, 13, 100), WEND_OPEN_NODE);
    tell(f, packets_keys(3, 0xa003, 1)); // keys for nobody
    assert_int_equal(give(f, &s, 13, 100), WEND_OPEN_NODE);
    tell(f, packets_peer(3, 13));
    tell(f, packets_keys(3, 0xa003, 1));
    s.counter = 0;
    assert_int_equal(give(f, &s, 13, 100), WEND_OPEN_PACKET); // a new window
    assert_true(wend_open_next_notice(f->open, &n));
    assert_false(wend_open_next_notice(f->open, &n));
    wend_sender_close(&s);
}

static void receivers_are_bounded(void **state)
{
    struct fixture *f = *state;
    tell(f, packets_peer(3, 13));
    for (uint32_t i = 0; i < WEND_OPEN_RECEIVERS_MAX; i++) {
        struct wend_command c = packets_keys(3, i, 1);
        assert_int_equal(wend_open_command(f->open, &c), 0);
    }
    struct wend_command c = packets_keys(3, WEND_OPEN_RECEIVERS_MAX, 1);
    assert_int_equal(wend_open_command(f->open, &c), -ENOSPC);
    tell(f, packets_keys(3, 17, 1)); // takes the place of the old one
    tell(f, (struct wend_command){.kind = WEND_COMMAND_KEYS_GONE, .slot = 3, .local_index = 5});
    tell(f, packets_keys(3, WEND_OPEN_RECEIVERS_MAX, 1));
    c = packets_keys(WEND_SLOTS_MAX, 1, 1);
    assert_int_equal(wend_open_command(f->open, &c), 0);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(opens_and_confirms_once),
        TEST(opens_ipv6),
        TEST(a_keepalive_counts_as_life),
        TEST(the_inner_addresses_must_fit_the_key),
        TEST(what_is_inside_must_be_ip),
        TEST(frames_are_taken_from_the_server_alone),
        TEST(the_rest_is_the_nodes_and_unchanged),
        TEST(an_unknown_index_is_the_nodes),
        TEST(replayed_forged_and_short_ones_are_dropped),
        TEST(a_full_batch_changes_nothing),
        TEST(segments_of_a_stream_are_joined),
        TEST(a_peer_gone_takes_its_keys_along),
        TEST(receivers_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
