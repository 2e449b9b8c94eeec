// SPDX-License-Identifier: MIT
// A full send queue: nothing is lost or doubled when a send is cut short in the midst of a run.
//
//     socket [10.9.0.1] -- kernel -- TAP -- this test, which plays 10.9.0.2
//
// While the neighbour's address is unknown, the kernel holds its datagrams back and charges them to
// the socket; so the queue fills. Answering the ARP request sets everything free.
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>

#include <cmocka.h>

#include <linux/if_tun.h>

#include "base/bytes.h"
#include "io/udp.h"
#include "netns.h"

enum { ETHERNET_LEN = 14, HEADERS_LEN = ETHERNET_LEN + 28, SEGMENT = 1000, TOTAL = 200 * SEGMENT };

static bool own_namespace;
static struct wend_udp u;
static int tap;
static uint8_t data[TOTAL];
static size_t arrived;
static bool answered;

static int open_tap(void)
{
    struct ifreq request = {.ifr_name = "tap0", .ifr_flags = IFF_TAP | IFF_NO_PI};
    const int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(ioctl(fd, TUNSETIFF, &request), 0);
    return fd;
}

static void configure(void)
{
    struct wend_netlink n;
    struct wend_link link;
    const struct wend_prefix p = {.family = WEND_FAMILY_IPV4, .bits = 24, .ip = {10, 9, 0, 1}};
    assert_int_equal(wend_netlink_open(&n), 0);
    assert_int_equal(wend_netlink_link_find(&n, "tap0", &link), 0);
    assert_int_equal(wend_netlink_link_set(&n, link.index, true, 1500), 0);
    assert_int_equal(wend_netlink_address_add(&n, link.index, &p), 0);
    wend_netlink_close(&n);
}

// Turns the request around: 10.9.0.2 is at 02:00:00:00:00:02.
static void answer_arp(const uint8_t *request)
{
    const uint8_t mac[6] = {2, 0, 0, 0, 0, 2};
    uint8_t reply[42];
    memcpy(reply, request, sizeof reply);
    memcpy(reply, request + 6, 6);
    memcpy(reply + 6, mac, 6);
    wend_put_u16(reply + 20, 2);
    memcpy(reply + 22, mac, 6);
    memcpy(reply + 28, request + 38, 4);
    memcpy(reply + 32, request + 22, 10);
    assert_int_equal(write(tap, reply, sizeof reply), sizeof reply);
    answered = true;
}

// Takes frames off the wire; our datagrams must come whole and in order.
static void take_frames(void)
{
    uint8_t frame[2048];
    ssize_t len;
    while ((len = read(tap, frame, sizeof frame)) > 0) {
        const uint16_t type = wend_get_u16(frame + 12);
        if (type == 0x0806 && wend_get_u16(frame + 20) == 1 && frame[41] == 2)
            answer_arp(frame);
        if (type != 0x0800 || frame[ETHERNET_LEN + 9] != 17)
            continue;
        assert_int_equal(len, HEADERS_LEN + SEGMENT);
        assert_true(arrived + SEGMENT <= TOTAL);
        assert_memory_equal(frame + HEADERS_LEN, data + arrived, SEGMENT);
        arrived += SEGMENT;
    }
    assert_int_equal(errno, EAGAIN);
}

static void wait_for(int fd, short events)
{
    struct pollfd p = {.fd = fd, .events = events};
    assert_int_equal(poll(&p, 1, 3000), 1);
}

static void send_all(void)
{
    struct wend_udp_send items[2] = {
        {.data = data, .len = TOTAL / 2, .segment_len = SEGMENT},
        {.data = data + TOTAL / 2, .len = TOTAL / 2, .segment_len = SEGMENT}};
    assert_int_equal(wend_address_parse("10.9.0.2:7", 0, &items[0].to), 0);
    items[1].to = items[0].to;
    size_t at = 0, stalls = 0;
    while (at < 2) {
        const int done = wend_udp_send(&u, items + at, 2 - at);
        assert_true(done > 0 || done == -EAGAIN);
        at += done > 0 ? (size_t)done : 0;
        stalls += done == -EAGAIN;
        if (done == -EAGAIN && !answered)
            wait_for(tap, POLLIN);
        else if (done == -EAGAIN)
            wait_for(u.fd, POLLOUT);
        take_frames();
    }
    assert_true(stalls > 0);
    while (arrived < TOTAL) {
        wait_for(tap, POLLIN);
        take_frames();
    }
}

static void run(bool gso)
{
    if (!own_namespace)
        skip();
    struct wend_udp_config c = {.buffer_bytes = 16000};
    assert_int_equal(wend_address_parse("10.9.0.1:9", 0, &c.local), 0);
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (uint8_t)(i / SEGMENT + i);
    tap = open_tap();
    configure();
    assert_int_equal(wend_udp_open(&u, &c), 0);
    u.gso = u.gso && gso;
    answered = false;
    arrived = 0;
    send_all();
    assert_int_equal(arrived, TOTAL);
    assert_int_equal(u.counts.sent, TOTAL / SEGMENT);
    assert_int_equal(u.counts.failed + u.counts.too_big + u.counts.gso_refused, 0);
    take_frames();
    wend_udp_close(&u);
    close(tap);
}

static void test_full_with_segmentation(void **state)
{
    (void)state;
    run(true);
}

static void test_full_without(void **state)
{
    (void)state;
    run(false);
}

int main(void)
{
    own_namespace = netns_enter_with_tun();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_full_with_segmentation),
        cmocka_unit_test(test_full_without),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
