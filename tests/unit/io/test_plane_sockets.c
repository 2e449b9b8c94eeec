// SPDX-License-Identifier: MIT
// Adopted sockets of the data plane; plane_ends.h has the drawing.
#include "plane_ends.h"

#include <unistd.h>

enum { EXTRA = 9 };

static struct wend_udp open_extra(void)
{
    const struct wend_udp_config c = {.local = wend_address_ipv4(0x7f000001, 0), .light = true};
    struct wend_udp udp;
    assert_int_equal(setns(outside, CLONE_NEWNET), 0);
    assert_int_equal(wend_udp_open(&udp, &c), 0);
    wend_udp_widen(&udp);
    return udp;
}

static void set_extra_path(int i, const struct wend_address *to, uint16_t socket)
{
    const struct wend_plane_path path = {
        .transport = WEND_TRANSPORT_UDP, .remote = *to, .socket = socket};
    set_path(i, &path);
}

static void count_descriptors(size_t *ret)
{
    *ret = 0;
    for (int fd = 0; fd < 1024; fd++)
        *ret += fcntl(fd, F_GETFD) >= 0;
}

static void packets_take_an_adopted_socket(void **state)
{
    (void)state;
    need_namespaces();
    static const uint8_t hello[] = "\x05\0\0\0 a handshake message";
    start(SOCK_DGRAM);
    struct wend_udp stranger = open_extra(), extra = open_extra();
    connect_ends();
    assert_int_equal(wend_plane_adopt(ends[1].plane, EXTRA, &extra), 0);
    assert_int_equal(wend_plane_adopt(ends[1].plane, EXTRA, &extra), -EEXIST);
    assert_int_equal(wend_plane_adopt(ends[1].plane, 0, &extra), -EEXIST);
    set_extra_path(0, &extra.local, 0);
    set_extra_path(1, &ends[0].udp.local, EXTRA);
    send_inner(0, "to the extra socket");
    expect_inner(1, "to the extra socket");
    send_inner(1, "from it");
    expect_inner(0, "from it");
    expect_notice(1, WEND_NOTICE_CONFIRMED);
    // The node hears which socket something came to, and sends by its own descriptor.
    wend_udp_send_one(stranger.fd,
                      &(struct wend_datagram){.remote = extra.local, .bytes = WEND_BYTES(hello)});
    const struct wend_datagram d = expect_datagram(1, false);
    assert_int_equal(d.socket, EXTRA);
    assert_true(wend_address_equal(&d.remote, &stranger.local));
    // The threads' descriptors are theirs.
    wend_udp_close(&extra);
    send_inner(1, "still");
    expect_inner(0, "still");
    wend_udp_close(&stranger);
}

static void a_released_socket_is_gone(void **state)
{
    (void)state;
    need_namespaces();
    start(SOCK_DGRAM);
    struct wend_udp extra = open_extra();
    connect_ends();
    assert_int_equal(wend_plane_adopt(ends[1].plane, EXTRA, &extra), 0);
    set_extra_path(1, &ends[0].udp.local, EXTRA);
    send_inner(1, "by it");
    expect_inner(0, "by it");
    wend_plane_release(ends[1].plane, EXTRA);
    wend_plane_release(ends[1].plane, EXTRA); // once is enough
    send_inner(1, "lost");
    struct wend_plane_counts counts = {0};
    const wend_instant end = wend_clock_now() + WEND_S(10);
    while (counts.udp_failed == 0 && wend_clock_now() < end) {
        set_extra_path(1, &ends[0].udp.local, EXTRA); // wakes the thread
        wend_plane_read_counts(ends[1].plane, &counts);
    }
    assert_true(counts.udp_failed >= 1);
    set_direct_path(1);
    send_inner(1, "by the usual one");
    expect_inner(0, "by the usual one");
    wend_udp_close(&extra);
}

static void no_descriptor_is_left(void **state)
{
    (void)state;
    need_namespaces();
    size_t before, after;
    start(SOCK_DGRAM);
    struct wend_udp extra = open_extra();
    count_descriptors(&before);
    for (int round = 0; round < 3; round++) {
        for (uint16_t i = 1; i <= WEND_PLANE_SOCKETS_MAX; i++)
            assert_int_equal(wend_plane_adopt(ends[0].plane, i, &extra), 0);
        assert_int_equal(wend_plane_adopt(ends[0].plane, 1000, &extra), -ENOSPC);
        for (uint16_t i = 1; round < 2 && i <= WEND_PLANE_SOCKETS_MAX; i++)
            wend_plane_release(ends[0].plane, i);
    }
    wend_plane_stop(ends[0].plane); // some of it was perhaps never looked at
    ends[0].plane = NULL;
    count_descriptors(&after);
    assert_int_equal(after + 4, before); // the plane's own: three eventfds and the epoll
    wend_udp_close(&extra);
}

// A thousand times on and off while packets pass by the usual socket.
static void coming_and_going_disturbs_nobody(void **state)
{
    (void)state;
    need_namespaces();
    start(SOCK_DGRAM);
    struct wend_udp extra = open_extra();
    connect_ends();
    for (uint16_t i = 1; i <= 1000; i++) {
        assert_int_equal(wend_plane_adopt(ends[0].plane, i, &extra), 0);
        if (i % 100 == 0) {
            send_inner(1, "all is well");
            expect_inner(0, "all is well");
        }
        wend_plane_release(ends[0].plane, i);
    }
    assert_int_equal(wend_plane_failure(ends[0].plane), 0);
    wend_udp_close(&extra);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(packets_take_an_adopted_socket),
        TEST(a_released_socket_is_gone),
        TEST(no_descriptor_is_left),
        TEST(coming_and_going_disturbs_nobody),
    };
    have_namespaces = netns_enter_with_tun();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
