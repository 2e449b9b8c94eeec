// SPDX-License-Identifier: MIT
// The data plane's threads between two hosts; plane_ends.h has the drawing.
#include "plane_ends.h"

static void first_packets_wait_for_keys(void **state)
{
    (void)state;
    need_namespaces();
    start(SOCK_DGRAM);
    add_peer(0);
    send_inner(0, "one");
    expect_notice(0, WEND_NOTICE_WANT);
    struct wend_command refused = {.kind = WEND_COMMAND_EARLY_REFUSED, .slot = SLOT};
    wend_plane_command_seal(ends[0].plane, &refused); // as a node that took nothing of it
    send_inner(0, "two");
    add_peer(1);
    add_keys(1);
    add_keys(0);
    set_direct_path(0);
    expect_inner(1, "one");
    expect_inner(1, "two");
    expect_notice(1, WEND_NOTICE_CONFIRMED);
    send_inner(1, "back"); // has keys, but no path yet
    expect_notice(1, WEND_NOTICE_WANT);
    refused = (struct wend_command){.kind = WEND_COMMAND_EARLY_REFUSED, .slot = SLOT};
    wend_plane_command_seal(ends[1].plane, &refused);
    set_direct_path(1);
    expect_inner(0, "back");
    const struct wend_plane_stats *s = &wend_plane_stats(ends[1].plane)[SLOT];
    assert_int_equal(s->received_packets, 2);
    assert_int_equal(s->received_direct, 2);
    assert_int_equal(s->received_bytes, 2 * (28 + 3));
    assert_true(s->last_received > 0 && s->last_received <= wend_clock_now());
    assert_int_equal(wend_plane_failure(ends[0].plane), 0);
}

static void the_rest_goes_to_the_node(void **state)
{
    (void)state;
    need_namespaces();
    static const uint8_t hello[] = "\x05\0\0\0 a handshake message";
    start(SOCK_DGRAM);
    struct wend_udp_send item = {.to = ends[1].udp.local, .data = hello, .len = sizeof hello};
    assert_int_equal(wend_udp_send(&ends[0].udp, &item, 1), 1); // beside the plane's own sends
    const struct wend_datagram d = expect_datagram(1, false);
    assert_int_equal(d.transport, WEND_TRANSPORT_UDP);
    assert_true(wend_address_equal(&d.remote, &ends[0].udp.local));
    assert_int_equal(d.local.port, ends[1].udp.local.port);
    assert_int_equal(d.bytes.len, sizeof hello);
    assert_memory_equal(d.bytes.at, hello, sizeof hello);
    assert_true(wend_plane_rest(ends[1].plane));
    assert_false(
        poll(&(struct pollfd){.fd = wend_plane_fd(ends[1].plane), .events = POLLIN}, 1, 0));
}

static void a_stream_path_leads_through_the_node(void **state)
{
    (void)state;
    need_namespaces();
    const struct wend_plane_path path = {
        .transport = WEND_TRANSPORT_TCP, .stream = 3, .channel = CHANNEL};
    const struct wend_command relay = {.kind = WEND_COMMAND_RELAY,
                                       .path = {.transport = WEND_TRANSPORT_TCP, .stream = 9}};
    start(SOCK_DGRAM);
    connect_ends();
    set_path(0, &path);
    wend_plane_command_open(ends[1].plane, &relay);
    for (int i = 0; i < 100; i++) {
        send_inner(0, "by stream");
        struct wend_datagram d = expect_datagram(0, true);
        assert_int_equal(d.stream, 3);
        assert_int_equal(d.transport, WEND_TRANSPORT_TCP);
        d.stream = 9; // of the other end
        assert_true(wend_plane_stream_in(ends[1].plane, &d));
        expect_inner(1, "by stream");
    }
    assert_int_equal(wend_plane_stats(ends[1].plane)[SLOT].received_relay, 100);
    static const uint8_t hello[] = "\x05\0\0\0 a handshake message";
    const struct wend_datagram in = {
        .transport = WEND_TRANSPORT_TCP, .stream = 9, .bytes = {hello, sizeof hello}};
    assert_true(wend_plane_stream_in(ends[1].plane, &in));
    const struct wend_datagram d = expect_datagram(1, false);
    assert_int_equal(d.stream, 9);
    assert_memory_equal(d.bytes.at, hello, sizeof hello);
    const struct wend_datagram empty = {.transport = WEND_TRANSPORT_TCP, .stream = 9};
    assert_false(wend_plane_stream_in(ends[1].plane, &empty));
}

static void commands_never_get_lost(void **state)
{
    (void)state;
    need_namespaces();
    start(SOCK_DGRAM);
    for (uint32_t i = 0; i < 20000; i++) { // more than the ring holds
        const struct wend_command c = {.kind = WEND_COMMAND_PEER,
                                       .slot = i % WEND_SLOTS_MAX,
                                       .ipv4 = wend_address_ipv4(0x0a000000u + i, 0)};
        wend_plane_command_seal(ends[0].plane, &c);
        wend_plane_command_open(ends[0].plane, &c);
    }
    connect_ends();
    send_inner(0, "still there");
    expect_inner(1, "still there");
}

// ---- Much ----

static uint8_t byte_at(size_t place)
{
    return (uint8_t)((place * 0x9e3779b97f4a7c15u) >> 56);
}

static size_t produce(int fd, size_t sent, size_t total)
{
    static uint8_t block[BLOCK_LEN];
    size_t len = total - sent;
    if (len > sizeof block)
        len = sizeof block;
    for (size_t i = 0; i < len; i++)
        block[i] = byte_at(sent + i);
    const ssize_t n = send(fd, block, len, MSG_NOSIGNAL);
    if (n >= 0)
        return sent + (size_t)n;
    assert_int_equal(errno, EAGAIN);
    return sent;
}

static size_t consume(int fd, size_t received)
{
    static uint8_t block[BLOCK_LEN];
    const ssize_t n = recv(fd, block, sizeof block, 0);
    if (n < 0) {
        assert_int_equal(errno, EAGAIN);
        return received;
    }
    bool equal = n > 0;
    for (size_t i = 0; i < (size_t)n; i++)
        equal = equal && block[i] == byte_at(received + i);
    assert_true(equal);
    return received + (size_t)n;
}

static int connect_inner(void)
{
    struct sockaddr_storage s;
    struct wend_address a = ends[1].inside;
    a.port = 5001;
    const socklen_t len = wend_sockaddr_from(&a, &s);
    assert_int_equal(listen(ends[1].socket, 1), 0);
    assert_int_equal(connect(ends[0].socket, (const struct sockaddr *)&s, len), -1);
    assert_int_equal(errno, EINPROGRESS);
    assert_true(readable(ends[1].socket));
    const int fd = accept4(ends[1].socket, NULL, NULL, SOCK_NONBLOCK);
    assert_true(fd >= 0);
    return fd;
}

static void a_tcp_stream_goes_in_long_runs(void **state)
{
    (void)state;
    need_namespaces();
    const size_t total = 32 << 20;
    size_t sent = 0, received = 0;
    struct wend_plane_counts counts[2];
    start(SOCK_STREAM);
    connect_ends();
    const int fd = connect_inner();
    while (received < total) {
        struct pollfd p[2] = {{.fd = fd, .events = POLLIN},
                              {.fd = sent < total ? ends[0].socket : -1, .events = POLLOUT}};
        assert_true(poll(p, 2, STALL_MS) > 0);
        if (p[1].revents != 0)
            sent = produce(ends[0].socket, sent, total);
        if (p[0].revents != 0)
            received = consume(fd, received);
    }
    close(fd);
    for (int i = 0; i < 2; i++)
        wend_plane_read_counts(ends[i].plane, &counts[i]);
    const struct wend_plane_counts *there = &counts[0], *here = &counts[1];
    print_message("runs %llu of %llu datagrams, %llu messages of %llu, %llu host writes\n",
                  (unsigned long long)there->runs_sent, (unsigned long long)there->datagrams_sent,
                  (unsigned long long)here->messages_received,
                  (unsigned long long)here->datagrams_received,
                  (unsigned long long)here->tun_writes);
    if (!ends[0].tun.tcp_offload || !ends[0].udp.gso)
        return;
    assert_true(there->datagrams_sent > 8 * there->runs_sent);
    assert_true(here->datagrams_received > 8 * here->messages_received);
    assert_true(here->datagrams_received > 4 * here->tun_writes);
    assert_int_equal(there->gso_refused, 0);
}

// ---- When the network does not take it ----

// A neighbour that never answers: the kernel holds back what is for it, and charges the socket.
static void open_tap(void)
{
    struct ifreq request = {.ifr_name = "tap0", .ifr_flags = IFF_TAP | IFF_NO_PI};
    struct wend_netlink n;
    struct wend_link link;
    const struct wend_prefix p = {.family = WEND_FAMILY_IPV4, .bits = 24, .ip = {10, 9, 0, 1}};
    assert_true(netns_enter());
    const int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(ioctl(fd, TUNSETIFF, &request), 0);
    assert_int_equal(wend_netlink_open(&n), 0);
    assert_int_equal(wend_netlink_link_find(&n, "tap0", &link), 0);
    assert_int_equal(wend_netlink_link_set(&n, link.index, true, 1500), 0);
    assert_int_equal(wend_netlink_address_add(&n, link.index, &p), 0);
    wend_netlink_close(&n);
    ends[1].tun.fd = fd; // closed at the end
}

// Sends until the thread has stopped reading: many more packets than it took are waiting.
static void fill_up(void)
{
    struct wend_plane_counts c;
    uint64_t sent = 0;
    const wend_instant deadline = wend_clock_now() + WEND_S(10);
    do {
        assert_true(wend_clock_now() < deadline);
        send_inner(0, "more and more");
        wend_plane_read_counts(ends[0].plane, &c);
    } while (++sent < c.tun_reads + 400);
}

static void a_full_socket_stops_the_host_not_the_commands(void **state)
{
    (void)state;
    need_namespaces();
    const struct wend_udp_config c = {.local = wend_address_ipv4(0, 0), .buffer_bytes = 4608};
    const struct wend_plane_path path = {.transport = WEND_TRANSPORT_UDP,
                                         .remote = wend_address_ipv4(0x0a090002, 7)};
    open_tap();
    assert_int_equal(wend_udp_open(&ends[0].udp, &c), 0);
    open_inside(&ends[0], 1);
    ends[1].inside = wend_address_ipv4(0x64400002, 0);
    open_inner_socket(&ends[0], SOCK_DGRAM);
    start_plane(&ends[0]);
    add_peer(0);
    add_keys(0);
    set_path(0, &path);
    fill_up();
    for (int i = 0; i < 20000; i++)
        set_path(0, &path); // would wait for ever if nobody took them
}

static void starts_and_stops(void **state)
{
    (void)state;
    need_namespaces();
    wend_plane_stop(NULL);
    start(SOCK_DGRAM);
    for (int i = 0; i < 50; i++) {
        wend_plane_stop(ends[0].plane);
        ends[0].plane = NULL;
        start_plane(&ends[0]);
    }
    connect_ends();
    send_inner(0, "after all");
    expect_inner(1, "after all");
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(first_packets_wait_for_keys),
        TEST(the_rest_goes_to_the_node),
        TEST(a_stream_path_leads_through_the_node),
        TEST(commands_never_get_lost),
        TEST(a_tcp_stream_goes_in_long_runs),
        TEST(a_full_socket_stops_the_host_not_the_commands),
        TEST(starts_and_stops),
    };
    have_namespaces = netns_enter_with_tun();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
