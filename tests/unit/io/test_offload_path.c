// SPDX-License-Identifier: MIT
// A TCP stream of the kernel's through splitting and coalescing:
//
//     namespace 1                                                  namespace 2
//     server [100.64.0.1] -- TUN -- split, coalesce, write -- TUN -- [100.64.0.2] client
//
// One thread moves packets and bytes; sockets and devices keep the namespace they were made in.
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "io/interface.h"
#include "io/sockaddr.h"
#include "io/tun.h"
#include "netns.h"
#include "wire/offload.h"

enum { MTU = 1400, SLOT_LEN = 1408, STALL_MS = 5000, BLOCK_LEN = 1 << 16 };

struct end {
    struct wend_tun tun;
    int socket;
};

struct shuttle {
    struct wend_coalesce coalesce;
    size_t used;
    size_t reads, pieces, writes, joined;
    uint8_t slots[WEND_COALESCE_MAX][SLOT_LEN];
};

struct stream {
    size_t total, sent, received;
};

static bool own_namespace;
static struct end server, client;
static struct shuttle there, back;

static struct wend_address address(const char *text, uint16_t port)
{
    struct wend_address a;
    assert_int_equal(wend_address_parse(text, port, &a), 0);
    return a;
}

static struct wend_prefix prefix(const char *text, uint8_t bits)
{
    const struct wend_address a = address(text, 0);
    struct wend_prefix p = {.family = a.family, .bits = bits};
    memcpy(p.ip, a.ip, sizeof p.ip);
    return p;
}

static void open_tun(struct end *e, const char *ipv4, const char *ipv6)
{
    struct wend_netlink n;
    size_t restored;
    const struct wend_tun_config c = {.name = "wend0"};
    assert_int_equal(wend_tun_open(&e->tun, &c), 0);
    assert_int_equal(wend_netlink_open(&n), 0);
    const struct wend_interface i = {.index = e->tun.index,
                                     .mtu = MTU,
                                     .address_count = 2,
                                     .addresses = {prefix(ipv4, 20), prefix(ipv6, 64)}};
    assert_int_equal(wend_interface_apply(&i, &n, &restored), 0);
    wend_netlink_close(&n);
}

static int open_socket(const struct wend_address *a)
{
    const int fd = socket(wend_sockaddr_family(a->family), SOCK_STREAM | SOCK_NONBLOCK, 0);
    assert_true(fd >= 0);
    return fd;
}

static void start(const char *listen_at)
{
    const struct wend_address a = address(listen_at, 5001);
    struct sockaddr_storage s;
    const socklen_t len = wend_sockaddr_from(&a, &s);
    assert_true(netns_unshare());
    open_tun(&server, "100.64.0.1", "fd12::1");
    server.socket = open_socket(&a);
    assert_int_equal(bind(server.socket, (const struct sockaddr *)&s, len), 0);
    assert_int_equal(listen(server.socket, 1), 0);
    assert_true(netns_unshare());
    open_tun(&client, "100.64.0.2", "fd12::2");
    client.socket = open_socket(&a);
    assert_int_equal(connect(client.socket, (const struct sockaddr *)&s, len), -1);
    assert_int_equal(errno, EINPROGRESS);
}

// ---- Moving packets ----

static void flush(struct shuttle *s, struct wend_tun *to)
{
    static struct wend_bytes pieces[WEND_COALESCE_MAX];
    struct wend_vnet vnet;
    for (size_t n; (n = wend_coalesce_next(&s->coalesce, &vnet, pieces)) > 0;) {
        assert_int_equal(wend_tun_write(to, &vnet, pieces, n), 0);
        s->writes++;
        s->joined += n > 1;
    }
    s->used = 0;
}

static void take(struct shuttle *s, struct wend_split *split, struct wend_tun *to)
{
    if (s->used + wend_split_count(split) > WEND_COALESCE_MAX)
        flush(s, to);
    for (size_t len; (len = wend_split_next(split, s->slots[s->used])) > 0; s->used++) {
        assert_true(wend_coalesce_add(&s->coalesce, s->slots[s->used], len));
        s->pieces++;
    }
}

static void move(struct shuttle *s, struct wend_tun *from, struct wend_tun *to)
{
    static uint8_t packet[WEND_PACKET_MAX + 1];
    struct wend_vnet vnet;
    for (int i = 0; i < 64; i++) {
        const int len = wend_tun_read(from, packet, sizeof packet, &vnet);
        if (len == -EAGAIN)
            break;
        assert_true(len > 0);
        struct wend_split split;
        const struct wend_bytes view = {packet, (size_t)len};
        assert_int_equal(wend_split_init(&split, &vnet, view, SLOT_LEN), 0);
        s->reads++;
        take(s, &split, to);
    }
    flush(s, to);
}

// ---- Moving bytes ----

// Every byte of the stream follows from its place.
static uint8_t byte_at(size_t place)
{
    return (uint8_t)((place * 0x9e3779b97f4a7c15u) >> 56);
}

static void produce(int fd, struct stream *s)
{
    static uint8_t block[BLOCK_LEN];
    while (s->sent < s->total) {
        const size_t left = s->total - s->sent;
        const size_t len = left < sizeof block ? left : sizeof block;
        for (size_t i = 0; i < len; i++)
            block[i] = byte_at(s->sent + i);
        const ssize_t n = send(fd, block, len, MSG_NOSIGNAL);
        if (n < 0) {
            assert_int_equal(errno, EAGAIN);
            return;
        }
        s->sent += (size_t)n;
    }
    shutdown(fd, SHUT_WR);
}

static void consume(int fd, struct stream *s)
{
    static uint8_t block[BLOCK_LEN];
    ssize_t n;
    while ((n = recv(fd, block, sizeof block, 0)) > 0) {
        bool equal = true;
        for (size_t i = 0; i < (size_t)n; i++)
            equal = equal && block[i] == byte_at(s->received + i);
        assert_true(equal);
        s->received += (size_t)n;
    }
    if (n < 0)
        assert_int_equal(errno, EAGAIN);
}

static void turn(void)
{
    struct pollfd p[4] = {{.fd = server.tun.fd, .events = POLLIN},
                          {.fd = client.tun.fd, .events = POLLIN},
                          {.fd = server.socket, .events = POLLIN},
                          {.fd = client.socket, .events = POLLIN}};
    assert_true(poll(p, 4, STALL_MS) > 0);
    move(&back, &server.tun, &client.tun);
    move(&there, &client.tun, &server.tun);
}

static void accept_client(void)
{
    int fd;
    while ((fd = accept4(server.socket, NULL, NULL, SOCK_NONBLOCK)) < 0) {
        assert_int_equal(errno, EAGAIN);
        turn();
    }
    close(server.socket);
    server.socket = fd;
}

static void transfer(const char *listen_at, size_t total)
{
    if (!own_namespace)
        skip();
    struct stream s = {.total = total};
    there.used = back.used = 0;
    there.pieces = there.reads = there.joined = 0;
    wend_coalesce_init(&there.coalesce, true);
    wend_coalesce_init(&back.coalesce, true);
    start(listen_at);
    accept_client();
    while (s.received < s.total) {
        produce(client.socket, &s);
        turn();
        consume(server.socket, &s);
    }
    assert_int_equal(s.received, total);
    assert_true(there.pieces > 4 * there.reads); // it was split …
    assert_true(there.joined > 0);               // … and joined
    assert_true(there.writes < there.pieces);
    close(server.socket);
    close(client.socket);
    wend_tun_close(&server.tun);
    wend_tun_close(&client.tun);
}

static void test_stream_ipv4(void **state)
{
    (void)state;
    transfer("100.64.0.1", 50000000);
}

static void test_stream_ipv6(void **state)
{
    (void)state;
    transfer("fd12::1", 50000000);
}

int main(void)
{
    own_namespace = netns_enter_with_tun();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stream_ipv4),
        cmocka_unit_test(test_stream_ipv6),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
