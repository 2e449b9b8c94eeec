// SPDX-License-Identifier: MIT
// What the host's own stack makes of the plane's ICMP errors: a plane whose peer is a socket that
// nobody reads, in a namespace with 100.64.0.1 and fd00::1 on wend0.
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "io/interface.h"
#include "io/plane.h"
#include "io/sockaddr.h"
#include "netns.h"

enum { MTU = 1400, NARROW = 1300, STALL_MS = 10000, SLOT = 5, PEER = 2, NOBODY = 99 };

static bool have_namespaces;
static struct wend_tun tun = {.fd = -1};
static struct wend_udp udp = {.fd = -1};
static struct wend_plane *plane;
static int sock = -1;

static struct wend_address inside(int family, uint8_t number)
{
    if (family == AF_INET)
        return wend_address_ipv4(0x64400000u + number, 0);
    return (struct wend_address){.family = WEND_FAMILY_IPV6, .ip = {0xfd, [15] = number}};
}

static struct wend_prefix prefix_of(struct wend_address a, uint8_t bits)
{
    struct wend_prefix p = {.family = a.family, .bits = bits};
    memcpy(p.ip, a.ip, sizeof p.ip);
    return p;
}

static void open_inside(void)
{
    struct wend_netlink n;
    size_t restored;
    const struct wend_tun_config c = {.name = "wend0"};
    assert_int_equal(wend_tun_open(&tun, &c), 0);
    assert_int_equal(wend_netlink_open(&n), 0);
    const struct wend_interface i = {
        .index = tun.index,
        .mtu = MTU,
        .address_count = 2,
        .addresses = {prefix_of(inside(AF_INET, 1), 20), prefix_of(inside(AF_INET6, 1), 64)}};
    assert_int_equal(wend_interface_apply(&i, &n, &restored), 0);
    wend_netlink_close(&n);
}

static void command(struct wend_command c)
{
    c.slot = SLOT;
    wend_plane_command_seal(plane, &c);
}

static int setup(void **state)
{
    (void)state;
    if (!have_namespaces)
        return 0;
    const struct wend_udp_config c = {.local = wend_address_ipv4(0x7f000001, 0)};
    assert_true(netns_enter());
    assert_int_equal(wend_udp_open(&udp, &c), 0);
    open_inside();
    const struct wend_plane_config p = {.tun = &tun,
                                        .udp4 = &udp,
                                        .ipv4 = inside(AF_INET, 1),
                                        .ipv6 = inside(AF_INET6, 1),
                                        .mtu = MTU,
                                        .hash_key = {4, 2}};
    assert_int_equal(wend_plane_start(&p, &plane), 0);
    command((struct wend_command){
        .kind = WEND_COMMAND_PEER, .ipv4 = inside(AF_INET, PEER), .ipv6 = inside(AF_INET6, PEER)});
    command((struct wend_command){.kind = WEND_COMMAND_KEYS, .local_index = 1, .remote_index = 2});
    command((struct wend_command){
        .kind = WEND_COMMAND_PATH,
        .path = {.transport = WEND_TRANSPORT_UDP, .remote = udp.local, .mtu_bytes = NARROW}});
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    wend_plane_stop(plane);
    plane = NULL;
    wend_tun_close(&tun);
    wend_udp_close(&udp);
    if (sock >= 0)
        close(sock);
    sock = -1;
    return 0;
}

static int connect_to(int family, int type, uint8_t number)
{
    struct sockaddr_storage s;
    struct wend_address a = inside(family, number);
    a.port = 5001;
    const socklen_t len = wend_sockaddr_from(&a, &s);
    sock = socket(family, type | SOCK_NONBLOCK, 0);
    assert_true(sock >= 0);
    return connect(sock, (const struct sockaddr *)&s, len);
}

static void expect_error(int want)
{
    struct pollfd p = {.fd = sock, .events = POLLIN};
    int error = 0;
    socklen_t len = sizeof error;
    assert_int_equal(poll(&p, 1, STALL_MS), 1);
    assert_int_equal(getsockopt(sock, SOL_SOCKET, SO_ERROR, &error, &len), 0);
    assert_int_equal(error, want);
}

static void learns_the_mtu(int family)
{
    static const uint8_t bytes[MTU];
    const bool v4 = family == AF_INET;
    const int level = v4 ? IPPROTO_IP : IPPROTO_IPV6;
    const int always = v4 ? IP_PMTUDISC_DO : IPV6_PMTUDISC_DO;
    const size_t headers = v4 ? 28 : 48;
    int mtu = 0;
    socklen_t len = sizeof mtu;
    if (!have_namespaces)
        skip();
    assert_int_equal(connect_to(family, SOCK_DGRAM, PEER), 0);
    assert_int_equal(
        setsockopt(sock, level, v4 ? IP_MTU_DISCOVER : IPV6_MTU_DISCOVER, &always, sizeof always),
        0);
    // The plane's thread may have looked for commands just before: then the first finds no peer.
    struct pollfd p = {.fd = sock, .events = POLLIN};
    for (int tries = 0; tries < 100; tries++) {
        assert_int_equal(send(sock, bytes, NARROW + 1 - headers, 0), NARROW + 1 - headers);
        if (poll(&p, 1, STALL_MS / 100) == 1)
            break;
    }
    expect_error(EMSGSIZE);
    assert_int_equal(getsockopt(sock, level, v4 ? IP_MTU : IPV6_MTU, &mtu, &len), 0);
    assert_int_equal(mtu, NARROW);
    assert_int_equal(send(sock, bytes, NARROW - headers, 0), NARROW - headers);
}

static void learns_the_mtu_of_ipv4(void **state)
{
    (void)state;
    learns_the_mtu(AF_INET);
}

static void learns_the_mtu_of_ipv6(void **state)
{
    (void)state;
    learns_the_mtu(AF_INET6);
}

static void a_connect_to_nobody_fails_at_once(void **state)
{
    (void)state;
    static const int families[] = {AF_INET, AF_INET6};
    if (!have_namespaces)
        skip();
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(connect_to(families[i], SOCK_STREAM, NOBODY), -1);
        assert_int_equal(errno, EINPROGRESS);
        expect_error(ENETUNREACH);
        close(sock);
    }
    sock = -1;
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(learns_the_mtu_of_ipv4),
        TEST(learns_the_mtu_of_ipv6),
        TEST(a_connect_to_nobody_fails_at_once),
    };
    have_namespaces = netns_enter_with_tun();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
