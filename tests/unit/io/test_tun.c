// SPDX-License-Identifier: MIT
// The virtual interface against the kernel: what is written arrives at a socket, what a socket
// sends is read, in super-packets where the kernel has them.
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "../wire/offload_packets.h"
#include "io/clock.h"
#include "io/interface.h"
#include "io/sockaddr.h"
#include "io/tun.h"
#include "io/udp.h"
#include "netns.h"

// The addresses of offload_packets.h: packets come from ::1 and go to ::2, port 443.
#define FAR  (version == 4 ? "100.64.0.1:443" : "[fd01::1]:443")
#define NEAR (version == 4 ? "100.64.0.2:443" : "[fd02::2]:443")

static bool own_namespace;
static struct wend_netlink net;
static struct wend_tun tun;
static struct wend_udp socket_;
static struct wend_udp_batch *batch;
static uint8_t buffer[WEND_PACKET_MAX + 1], slots[WEND_COALESCE_MAX][2048];

static struct wend_address address(const char *text)
{
    struct wend_address a;
    assert_int_equal(wend_address_parse(text, 0, &a), 0);
    return a;
}

static struct wend_prefix prefix(const char *text, uint8_t bits)
{
    const struct wend_address a = address(text);
    struct wend_prefix p = {.family = a.family, .bits = bits};
    memcpy(p.ip, a.ip, sizeof p.ip);
    return p;
}

static int setup(void **state)
{
    (void)state;
    tun.fd = socket_.fd = -1;
    if (!own_namespace)
        return 0;
    batch = wend_udp_batch_new(32);
    const struct wend_tun_config c = {.name = "wend0"};
    if (wend_netlink_open(&net) != 0 || wend_tun_open(&tun, &c) != 0)
        return -1;
    const struct wend_interface i = {.index = tun.index,
                                     .mtu = 1400,
                                     .address_count = 2,
                                     .addresses = {prefix("100.64.0.2", 20), prefix("fd02::2", 64)},
                                     .route_count = 1,
                                     .routes = {{.destination = prefix("fd01::", 64)}}};
    size_t restored;
    return wend_interface_apply(&i, &net, &restored);
}

static int teardown(void **state)
{
    (void)state;
    wend_udp_close(&socket_);
    wend_tun_close(&tun);
    wend_netlink_close(&net);
    wend_udp_batch_free(batch);
    batch = NULL;
    return 0;
}

static void need_namespace(void)
{
    if (!own_namespace)
        skip();
}

static bool readable(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    return poll(&p, 1, 2000) == 1;
}

// The kernel finishes an IPv6 address in a worker of its own.
static void wait_until_local(const struct wend_address *a)
{
    const wend_instant deadline = wend_clock_now() + WEND_S(2);
    while (!wend_netlink_is_local(&net, a))
        assert_true(wend_clock_now() < deadline);
}

static void open_socket(int version)
{
    const struct wend_udp_config c = {.local = address(NEAR)};
    wait_until_local(&c.local);
    assert_int_equal(wend_udp_open(&socket_, &c), 0);
}

static int queue_length(int change_to)
{
    struct ifreq request = {.ifr_name = "wend0", .ifr_qlen = change_to};
    const int fd = socket(AF_INET, SOCK_DGRAM, 0);
    assert_true(fd >= 0);
    assert_int_equal(ioctl(fd, change_to > 0 ? SIOCSIFTXQLEN : SIOCGIFTXQLEN, &request), 0);
    close(fd);
    return request.ifr_qlen;
}

// What is sent while nobody reads waits; the device has no other word for 'full' than to drop.
static void test_queue(void **state)
{
    (void)state;
    need_namespace();
    struct sockaddr_storage to;
    const int version = 4, fd = socket(AF_INET, SOCK_DGRAM, 0);
    const struct wend_address far = address("100.64.0.1:443"), near = address(NEAR);
    const socklen_t len = wend_sockaddr_from(&far, &to);
    struct wend_vnet vnet;
    int count = 0, udp = 0;
    assert_int_equal(queue_length(0), WEND_TUN_QUEUE);
    wait_until_local(&near);
    for (int i = 0; i < 1900; i++) // a few more are the kernel's own
        assert_int_equal(sendto(fd, "x", 1, 0, (const struct sockaddr *)&to, len), 1);
    while ((count = wend_tun_read(&tun, buffer, sizeof buffer, &vnet)) > 0)
        udp += count == 29;
    assert_int_equal(udp, 1900);
    close(fd);
}

static void test_queue_of_somebody_else(void **state)
{
    (void)state;
    need_namespace();
    wend_tun_close(&tun);
    const int device = open("/dev/net/tun", O_RDWR);
    struct ifreq request = {.ifr_name = "wend0", .ifr_flags = IFF_TUN | IFF_NO_PI | IFF_VNET_HDR};
    assert_int_equal(ioctl(device, TUNSETIFF, &request), 0);
    assert_int_equal(ioctl(device, TUNSETPERSIST, 1), 0);
    close(device);
    (void)queue_length(700);
    const struct wend_tun_config c = {.name = "wend0", .attach = true};
    assert_int_equal(wend_tun_open(&tun, &c), 0);
    assert_int_equal(queue_length(0), 700);
    assert_int_equal(ioctl(tun.fd, TUNSETPERSIST, 0), 0);
}

static void test_open(void **state)
{
    (void)state;
    need_namespace();
    struct wend_link link;
    assert_string_equal(tun.name, "wend0");
    assert_int_equal(wend_netlink_link_find(&net, "wend0", &link), 0);
    assert_int_equal(link.index, tun.index);
    assert_true(tun.tcp_offload);
    struct wend_tun other;
    struct wend_tun_config c = {.name = "wend0"};
    assert_int_equal(wend_tun_open(&other, &c), -EEXIST);
    assert_int_equal(other.fd, -1);
    c.name = "lo"; // taken by what is no TUN device
    assert_int_equal(wend_tun_open(&other, &c), -EEXIST);
    c = (struct wend_tun_config){.name = "wend0", .attach = true};
    assert_int_equal(wend_tun_open(&other, &c), -EBUSY);
    c = (struct wend_tun_config){.name = ""};
    assert_int_equal(wend_tun_open(&other, &c), -EINVAL);
    c.name = "sixteen-letters-";
    assert_int_equal(wend_tun_open(&other, &c), -EINVAL);
    c.name = "no/slash";
    assert_int_equal(wend_tun_open(&other, &c), -EINVAL);
    c = (struct wend_tun_config){.name = "wend%d", .no_offload = true};
    assert_int_equal(wend_tun_open(&other, &c), 0);
    assert_string_equal(other.name, "wend1");
    assert_false(other.tcp_offload || other.udp_offload);
    wend_tun_close(&other);
    assert_int_equal(wend_netlink_link_find(&net, "wend1", &link), -ENODEV);
}

static void test_down_and_gone(void **state)
{
    (void)state;
    need_namespace();
    const struct recipe r = tcp4(1, 10);
    const struct wend_vnet none = {0};
    const struct wend_bytes packet = {buffer, make(buffer, &r)};
    assert_int_equal(wend_tun_write(&tun, &none, &packet, 1), 0);
    const struct wend_bytes junk = {(const uint8_t *)"\x35junk", 5};
    assert_int_equal(wend_tun_write(&tun, &none, &junk, 1), -EINVAL);
    assert_int_equal(wend_netlink_link_set(&net, tun.index, false, 0), 0);
    assert_int_equal(wend_tun_write(&tun, &none, &packet, 1), -EIO);
}

// Collects datagrams of a socket and compares them with what `make` put into them.
static void expect_payload(size_t total, size_t each)
{
    for (size_t len = 0; len < total;) {
        const struct wend_udp_packet *p;
        assert_true(readable(socket_.fd));
        const int count = wend_udp_receive(&socket_, batch, &p);
        assert_true(count > 0);
        for (int i = 0; i < count; i++) {
            assert_int_equal(p[i].segment_len != 0 ? p[i].segment_len : p[i].len, each);
            for (size_t k = 0; k < p[i].len; k++)
                assert_int_equal(p[i].data[k], pattern((uint32_t)(len + k)));
            len += p[i].len;
        }
    }
}

static void write_datagrams(int version)
{
    open_socket(version);
    static struct wend_coalesce c;
    static struct wend_bytes pieces[WEND_COALESCE_MAX];
    wend_coalesce_init(&c, tun.udp_offload);
    for (uint32_t i = 0; i < 20; i++) {
        const struct recipe r = {.version = version,
                                 .protocol = 17,
                                 .source_port = 9,
                                 .seq = 900 * i,
                                 .payload_len = 900};
        assert_true(wend_coalesce_add(&c, slots[i], make(slots[i], &r)));
    }
    struct wend_vnet vnet;
    size_t writes = 0;
    for (size_t n; (n = wend_coalesce_next(&c, &vnet, pieces)) > 0; writes++)
        assert_int_equal(wend_tun_write(&tun, &vnet, pieces, n), 0);
    assert_int_equal(writes, tun.udp_offload ? 1 : 20);
    expect_payload(20 * 900, 900);
}

static void test_write_ipv4(void **state)
{
    (void)state;
    need_namespace();
    write_datagrams(4);
}

static void test_write_ipv6(void **state)
{
    (void)state;
    need_namespace();
    write_datagrams(6);
}

// Reads until a datagram to the far end shows up; the kernel has things of its own to say.
static int read_datagram(int version, size_t cap, struct wend_vnet *ret_vnet)
{
    const struct wend_address far = address(FAR);
    const size_t destination = version == 4 ? 16 : 24, ip_len = version == 4 ? 4 : 16;
    for (;;) {
        const int len = wend_tun_read(&tun, buffer, cap, ret_vnet);
        if (len == -EAGAIN)
            assert_true(readable(tun.fd));
        else if (len < 0)
            return len;
        else if (buffer[0] >> 4 == version && memcmp(buffer + destination, far.ip, ip_len) == 0)
            return len;
    }
}

static void read_datagrams(int version)
{
    open_socket(version);
    static uint8_t data[30 * 1000 + 7];
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = pattern((uint32_t)i);
    struct wend_udp_send item = {
        .to = address(FAR), .data = data, .len = sizeof data, .segment_len = 1000};
    assert_int_equal(wend_udp_send(&socket_, &item, 1), 1);
    const size_t header = version == 4 ? 28 : 48;
    size_t len = 0, reads = 0;
    while (len < sizeof data) {
        struct wend_vnet vnet;
        struct wend_split s;
        const int got = read_datagram(version, WEND_PACKET_MAX, &vnet);
        assert_true(got > 0);
        reads++;
        assert_int_equal(wend_split_init(&s, &vnet, (struct wend_bytes){buffer, (size_t)got}, 1400),
                         0);
        for (size_t n; (n = wend_split_next(&s, slots[0])) > 0; len += n - header) {
            assert_checksums(slots[0], n);
            assert_memory_equal(slots[0] + header, data + len, n - header);
        }
    }
    assert_int_equal(len, sizeof data);
    assert_int_equal(reads, tun.udp_offload ? 1 : 31);
}

static void test_read_ipv4(void **state)
{
    (void)state;
    need_namespace();
    read_datagrams(4);
}

static void test_read_ipv6(void **state)
{
    (void)state;
    need_namespace();
    read_datagrams(6);
}

static void test_read_too_long(void **state)
{
    (void)state;
    need_namespace();
    const int version = 4;
    open_socket(version);
    struct wend_udp_send item = {.to = address(FAR), .data = slots[0], .len = 1000};
    struct wend_vnet vnet;
    for (size_t cap = 1027; cap <= 1028; cap++) {
        assert_int_equal(wend_udp_send(&socket_, &item, 1), 1);
        int len;
        do {
            len = read_datagram(version, cap, &vnet);
        } while (len > 0 && len < 1000);
        assert_int_equal(len, cap == 1028 ? 1028 : -EMSGSIZE);
    }
}

int main(void)
{
    own_namespace = netns_enter_with_tun();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_open, setup, teardown),
        cmocka_unit_test_setup_teardown(test_queue, setup, teardown),
        cmocka_unit_test_setup_teardown(test_queue_of_somebody_else, setup, teardown),
        cmocka_unit_test_setup_teardown(test_down_and_gone, setup, teardown),
        cmocka_unit_test_setup_teardown(test_write_ipv4, setup, teardown),
        cmocka_unit_test_setup_teardown(test_write_ipv6, setup, teardown),
        cmocka_unit_test_setup_teardown(test_read_ipv4, setup, teardown),
        cmocka_unit_test_setup_teardown(test_read_ipv6, setup, teardown),
        cmocka_unit_test_setup_teardown(test_read_too_long, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
