// SPDX-License-Identifier: MIT
// UDP batches over the loopback, in a namespace of our own where we may have one.
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

#include "io/sockaddr.h"
#include "io/udp.h"
#include "netns.h"

#define DATA_LEN (200 * 1024)

static bool own_namespace;
static struct wend_udp a, b;
static struct wend_udp_batch *batch;
static uint8_t data[DATA_LEN], got[DATA_LEN];

static struct wend_address parse(const char *text)
{
    struct wend_address ret;
    assert_int_equal(wend_address_parse(text, 0, &ret), 0);
    return ret;
}

static int setup(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (uint8_t)(i * 2654435761u >> 23);
    a.fd = b.fd = -1;
    batch = wend_udp_batch_new(32);
    return batch == NULL;
}

static int teardown(void **state)
{
    (void)state;
    wend_udp_close(&a);
    wend_udp_close(&b);
    wend_udp_batch_free(batch);
    return 0;
}

static void open_both(const char *text, enum wend_udp_fragmentation f)
{
    const struct wend_udp_config c = {.local = parse(text), .fragmentation = f};
    const int error = wend_udp_open(&a, &c);
    if (error == -EADDRNOTAVAIL || error == -EAFNOSUPPORT) {
        print_message("no %s here\n", text);
        skip();
    }
    assert_int_equal(error, 0);
    assert_int_equal(wend_udp_open(&b, &c), 0);
    assert_int_not_equal(a.local.port, 0);
    assert_int_not_equal(a.local.port, b.local.port);
}

static bool readable(const struct wend_udp *u)
{
    struct pollfd p = {.fd = u->fd, .events = POLLIN};
    return poll(&p, 1, 2000) == 1;
}

static int receive(struct wend_udp *u, const struct wend_udp_packet **ret)
{
    assert_true(readable(u));
    return wend_udp_receive(u, batch, ret);
}

// Collects `total` bytes; every datagram but an item's last must have `segment` bytes.
static void collect(struct wend_udp *u, size_t total, size_t segment)
{
    size_t len = 0;
    while (len < total) {
        const struct wend_udp_packet *p;
        const int count = receive(u, &p);
        assert_true(count > 0);
        for (int i = 0; i < count; i++) {
            const size_t each = p[i].segment_len != 0 ? p[i].segment_len : p[i].len;
            assert_true(each == segment || len + p[i].len == total);
            assert_true(len + p[i].len <= sizeof got);
            memcpy(got + len, p[i].data, p[i].len);
            len += p[i].len;
        }
    }
    assert_int_equal(len, total);
    assert_memory_equal(got, data, total);
    assert_int_equal(u->counts.received, (total + segment - 1) / segment);
}

static struct wend_udp_send item_of(size_t len, uint16_t segment_len)
{
    return (struct wend_udp_send){
        .to = b.local, .data = data, .len = len, .segment_len = segment_len};
}

static void exchange(const char *address)
{
    open_both(address, WEND_UDP_FRAGMENT);
    struct wend_udp_send items[3] = {item_of(100, 0), item_of(0, 0), item_of(1, 0)};
    items[0].ecn = 1;
    items[0].from = a.local;
    assert_int_equal(wend_udp_send(&a, items, 3), 3);
    assert_int_equal(a.counts.sent, 2);
    const struct wend_udp_packet *p;
    assert_int_equal(receive(&b, &p), 2);
    assert_int_equal(p[0].len, 100);
    assert_memory_equal(p[0].data, data, 100);
    assert_int_equal(p[0].segment_len, 0);
    assert_int_equal(p[0].ecn, 1);
    assert_true(wend_address_equal(&p[0].from, &a.local));
    assert_true(wend_address_equal(&p[0].local, &b.local));
    assert_int_equal(p[1].len, 1);
    assert_int_equal(p[1].ecn, 0);
    assert_int_equal(wend_udp_receive(&b, batch, &p), -EAGAIN);
}

static void test_exchange_ipv4(void **state)
{
    (void)state;
    exchange("127.0.0.1:0");
}

static void test_exchange_ipv6(void **state)
{
    (void)state;
    exchange("[::1]:0");
}

static void runs(const char *address)
{
    open_both(address, WEND_UDP_PROBE);
    struct wend_udp_send item = item_of(60 * 1348 + 17, 1348); // one kernel message is not enough
    assert_int_equal(wend_udp_send(&a, &item, 1), 1);
    assert_int_equal(item.error, 0);
    assert_int_equal(item.len, 60 * 1348 + 17);
    assert_int_equal(a.counts.sent, 61);
    collect(&b, item.len, 1348);
}

static void test_runs_ipv4(void **state)
{
    (void)state;
    runs("127.0.0.1:0");
}

static void test_runs_ipv6(void **state)
{
    (void)state;
    runs("[::1]:0");
}

static void test_more_segments_than_the_kernel_takes(void **state)
{
    (void)state;
    open_both("127.0.0.1:0", WEND_UDP_FRAGMENT);
    struct wend_udp_send item = item_of(300 * 90, 90);
    assert_int_equal(wend_udp_send(&a, &item, 1), 1);
    assert_int_equal(a.counts.gso_refused, 0);
    collect(&b, item.len, 90);
}

static void test_many_items(void **state)
{
    (void)state;
    open_both("127.0.0.1:0", WEND_UDP_FRAGMENT);
    static struct wend_udp_send items[150];
    for (size_t i = 0; i < 150; i++) {
        items[i] = item_of(700, 0);
        items[i].data = data + 700 * i;
    }
    assert_int_equal(wend_udp_send(&a, items, 150), 150);
    collect(&b, 700 * 150, 700);
}

// A socket on any address answers from the address that was asked.
static void test_source_address(void **state)
{
    (void)state;
    open_both("0.0.0.0:0", WEND_UDP_FRAGMENT);
    struct wend_udp_send item = item_of(10, 0);
    item.from = parse("127.0.0.2:0");
    item.to = parse("127.0.0.3:0");
    item.to.port = b.local.port;
    assert_int_equal(wend_udp_send(&a, &item, 1), 1);
    const struct wend_udp_packet *p;
    assert_int_equal(receive(&b, &p), 1);
    assert_true(wend_address_same_ip(&p[0].from, &item.from));
    assert_true(wend_address_equal(&p[0].local, &item.to));
}

static void test_no_route(void **state)
{
    (void)state;
    if (!own_namespace)
        skip();
    open_both("0.0.0.0:0", WEND_UDP_FRAGMENT);
    struct wend_udp_send items[3] = {item_of(10, 0), item_of(3000, 1000), item_of(20, 0)};
    items[0].to = items[1].to = parse("192.0.2.1:9");
    items[2].to = parse("127.0.0.1:0");
    items[2].to.port = b.local.port;
    assert_int_equal(wend_udp_send(&a, items, 3), 3);
    assert_int_equal(items[0].error, -ENETUNREACH);
    assert_int_equal(items[1].error, -ENETUNREACH);
    assert_int_equal(items[2].error, 0);
    assert_int_equal(a.counts.failed, 4);
    assert_int_equal(a.counts.sent, 1);
    const struct wend_udp_packet *p;
    assert_int_equal(receive(&b, &p), 1);
}

static void test_closed_port_is_swallowed(void **state)
{
    (void)state;
    open_both("127.0.0.1:0", WEND_UDP_FRAGMENT);
    assert_int_equal(wend_udp_connect(&a, &b.local), 0);
    wend_udp_close(&b);
    const struct wend_udp_packet *p;
    for (int i = 0; i < 5; i++) {
        struct wend_udp_send items[2] = {item_of(10, 0), item_of(10, 0)};
        assert_int_equal(wend_udp_send(&a, items, 2), 2);
        assert_int_equal(items[0].error, 0);
        if (i % 2 == 0)
            assert_int_equal(wend_udp_receive(&a, batch, &p), -EAGAIN);
    }
    assert_int_equal(a.counts.sent, 10);
}

static void set_loopback_mtu(uint32_t mtu)
{
    struct wend_netlink n;
    struct wend_link lo;
    assert_int_equal(wend_netlink_open(&n), 0);
    assert_int_equal(wend_netlink_link_find(&n, "lo", &lo), 0);
    assert_int_equal(wend_netlink_link_set(&n, lo.index, true, mtu), 0);
    wend_netlink_close(&n);
}

static void too_long(const char *address)
{
    open_both(address, WEND_UDP_PROBE);
    struct wend_udp_send items[3] = {item_of(1600, 0), item_of(3000, 1600), item_of(100, 0)};
    assert_int_equal(wend_udp_send(&a, items, 3), 3);
    assert_int_equal(items[0].error, -EMSGSIZE);
    assert_int_equal(items[1].error, -EMSGSIZE);
    assert_int_equal(items[2].error, 0);
    assert_int_equal(a.counts.too_big, 2); // 1,600 twice; the 1,400 that remained could leave
    assert_int_equal(a.counts.sent, 2);
    // Where fragments are allowed, they all arrive.
    assert_int_equal(wend_udp_set_fragmentation(&a, WEND_UDP_FRAGMENT), 0);
    const struct wend_udp_packet *p;
    assert_int_equal(receive(&b, &p), 2);
    b.counts.received = 0;
    // One that must stay whole is lost, and leaves the socket as it was.
    struct wend_udp_send whole = item_of(1600, 0);
    wend_udp_send_one(a.fd, &(struct wend_datagram){.remote = whole.to,
                                                    .bytes = {whole.data, whole.len},
                                                    .dont_fragment = true});
    assert_int_equal(wend_udp_receive(&b, batch, &p), -EAGAIN);
    for (int i = 0; i < 2; i++) {
        struct wend_udp_send item = item_of(16000, 1600);
        assert_int_equal(wend_udp_send(&a, &item, 1), 1);
        assert_int_equal(item.error, 0);
        collect(&b, 16000, 1600);
        b.counts.received = 0;
    }
    assert_int_equal(a.counts.gso_refused, 1); // remembered
    struct wend_udp_send item = item_of(12000, 1200);
    assert_int_equal(wend_udp_send(&a, &item, 1), 1); // shorter segments go as before
    collect(&b, 12000, 1200);
    assert_int_equal(a.counts.gso_refused, 1);
}

static void test_too_long(void **state)
{
    (void)state;
    if (!own_namespace)
        skip();
    set_loopback_mtu(1500);
    too_long("127.0.0.1:0");
    teardown(NULL);
    setup(NULL);
    too_long("[::1]:0");
    set_loopback_mtu(65536);
}

static void test_open_errors(void **state)
{
    (void)state;
    struct wend_udp_config c = {.local = {0}};
    assert_int_equal(wend_udp_open(&a, &c), -EAFNOSUPPORT);
    c.local = parse("192.0.2.77:0");
    assert_int_equal(wend_udp_open(&a, &c), -EADDRNOTAVAIL);
    assert_int_equal(a.fd, -1);
    c.local = parse("127.0.0.1:0");
    assert_int_equal(wend_udp_open(&a, &c), 0);
    c.local = a.local;
    assert_int_equal(wend_udp_open(&b, &c), -EADDRINUSE);
    wend_udp_close(&a);
    c.reuse_port = true;
    assert_int_equal(wend_udp_open(&a, &c), 0);
    assert_int_equal(wend_udp_open(&b, &c), 0);
    assert_int_equal(a.local.port, b.local.port);
}

// ---- Single datagrams ----

static int ttl_of_next(struct wend_udp *u)
{
    _Alignas(struct cmsghdr) uint8_t control[256];
    uint8_t byte[8];
    int ttl = -1;
    struct iovec view = {.iov_base = byte, .iov_len = sizeof byte};
    struct msghdr m = {.msg_iov = &view,
                       .msg_iovlen = 1,
                       .msg_control = control,
                       .msg_controllen = sizeof control};
    struct pollfd p = {.fd = u->fd, .events = POLLIN};
    assert_int_equal(poll(&p, 1, 5000), 1);
    assert_true(recvmsg(u->fd, &m, 0) > 0);
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c != NULL; c = CMSG_NXTHDR(&m, c))
        if ((c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_TTL) ||
            (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_HOPLIMIT))
            memcpy(&ttl, CMSG_DATA(c), sizeof ttl);
    return ttl;
}

static void check_ttl(const char *local, int level, int option)
{
    const int on = 1;
    open_both(local, WEND_UDP_FRAGMENT);
    assert_int_equal(setsockopt(b.fd, level, option, &on, sizeof on), 0);
    struct wend_datagram d = {.remote = b.local, .local = a.local, .bytes = {data, 3}};
    static const uint8_t ttls[] = {1, 3, 64, 255};
    for (size_t i = 0; i < sizeof ttls; i++) {
        d.ttl = ttls[i];
        wend_udp_send_one(a.fd, &d);
        assert_int_equal(ttl_of_next(&b), ttls[i]);
    }
    d.ttl = 0; // the socket's own is as it was
    wend_udp_send_one(a.fd, &d);
    assert_int_equal(ttl_of_next(&b), 64);
}

static void test_ttl_ipv4(void **state)
{
    (void)state;
    check_ttl("127.0.0.1:0", IPPROTO_IP, IP_RECVTTL);
}

static void test_ttl_ipv6(void **state)
{
    (void)state;
    check_ttl("[::1]:0", IPPROTO_IPV6, IPV6_RECVHOPLIMIT);
}

static uint16_t sum_of(const uint8_t *at, size_t len)
{
    uint32_t sum = 0;
    for (size_t i = 0; i < len; i += 2)
        sum += (uint32_t)at[i] << 8 | at[i + 1];
    sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t) ~(sum + (sum >> 16));
}

// What a router says of a datagram from `a` to `b` whose TTL ended there.
static void say_time_exceeded(int raw)
{
    uint8_t m[8 + 20 + 8] = {11, 0};
    uint8_t *const ip = m + 8, *const udp = m + 28;
    ip[0] = 0x45;
    wend_put_u16(ip + 2, 20 + 8 + 3);
    ip[8] = 1;
    ip[9] = IPPROTO_UDP;
    memcpy(ip + 12, a.local.ip, 4);
    memcpy(ip + 16, b.local.ip, 4);
    wend_put_u16(ip + 10, sum_of(ip, 20));
    wend_put_u16(udp, a.local.port);
    wend_put_u16(udp + 2, b.local.port);
    wend_put_u16(udp + 4, 8 + 3);
    wend_put_u16(m + 2, sum_of(m, sizeof m));
    struct sockaddr_storage to;
    const socklen_t len = wend_sockaddr_from(&a.local, &to);
    assert_int_equal(sendto(raw, m, sizeof m, 0, (const struct sockaddr *)&to, len), sizeof m);
}

static void test_a_ttl_that_ended_disturbs_nobody(void **state)
{
    (void)state;
    const int raw = own_namespace ? socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_ICMP) : -1;
    if (raw < 0)
        skip();
    open_both("127.0.0.1:0", WEND_UDP_FRAGMENT);
    struct wend_datagram d = {.remote = b.local, .bytes = {data, 3}, .ttl = 1};
    const struct wend_udp_packet *p;
    for (int i = 0; i < 20; i++) {
        int error = -1;
        socklen_t len = sizeof error;
        say_time_exceeded(raw);
        assert_int_equal(wend_udp_receive(&a, batch, &p), -EAGAIN);
        assert_int_equal(getsockopt(a.fd, SOL_SOCKET, SO_ERROR, &error, &len), 0);
        assert_int_equal(error, 0);
        wend_udp_send_one(a.fd, &d);
        assert_int_equal(receive(&b, &p), 1);
    }
    // Who asks hears of it: so it did come.
    const int on = 1;
    int error = 0;
    socklen_t len = sizeof error;
    assert_int_equal(setsockopt(a.fd, IPPROTO_IP, IP_RECVERR, &on, sizeof on), 0);
    say_time_exceeded(raw);
    assert_int_equal(getsockopt(a.fd, SOL_SOCKET, SO_ERROR, &error, &len), 0);
    assert_int_equal(error, EHOSTUNREACH);
    close(raw);
}

static void test_light(void **state)
{
    (void)state;
    const struct wend_udp_config c = {.local = parse("127.0.0.1:0"), .light = true};
    assert_int_equal(wend_udp_open(&a, &c), 0);
    assert_int_equal(wend_udp_open(&b, &c), 0);
    assert_false(a.gso);
    wend_udp_send_one(a.fd, &(struct wend_datagram){.remote = b.local, .bytes = {data, 100}});
    const struct wend_udp_packet *p;
    assert_int_equal(receive(&b, &p), 1);
    assert_true(wend_address_equal(&p[0].from, &a.local));
    wend_udp_widen(&a);
    wend_udp_widen(&b);
    struct wend_udp_send item = item_of(12000, 1200);
    b.counts.received = 0;
    assert_int_equal(wend_udp_send(&a, &item, 1), 1);
    collect(&b, 12000, 1200);
}

int main(void)
{
    own_namespace = netns_enter();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_exchange_ipv4, setup, teardown),
        cmocka_unit_test_setup_teardown(test_exchange_ipv6, setup, teardown),
        cmocka_unit_test_setup_teardown(test_runs_ipv4, setup, teardown),
        cmocka_unit_test_setup_teardown(test_runs_ipv6, setup, teardown),
        cmocka_unit_test_setup_teardown(test_more_segments_than_the_kernel_takes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_many_items, setup, teardown),
        cmocka_unit_test_setup_teardown(test_source_address, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_route, setup, teardown),
        cmocka_unit_test_setup_teardown(test_closed_port_is_swallowed, setup, teardown),
        cmocka_unit_test_setup_teardown(test_too_long, setup, teardown),
        cmocka_unit_test_setup_teardown(test_open_errors, setup, teardown),
        cmocka_unit_test_setup_teardown(test_ttl_ipv4, setup, teardown),
        cmocka_unit_test_setup_teardown(test_ttl_ipv6, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_ttl_that_ended_disturbs_nobody, setup, teardown),
        cmocka_unit_test_setup_teardown(test_light, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
