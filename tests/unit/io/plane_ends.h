// SPDX-License-Identifier: MIT
// Two planes in one process, and the test as the node of both:
//
//     namespace 1                  outside                    namespace 2
//     [100.64.0.1] wend0 -- plane 0 -- lo 127.0.0.1 -- plane 1 -- wend0 [100.64.0.2]
//
// Devices and sockets keep the namespace they were made in. Waits have a deadline, no sleeps.
#ifndef WEND_TESTS_UNIT_IO_PLANE_ENDS_H
#define WEND_TESTS_UNIT_IO_PLANE_ENDS_H

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "io/clock.h"
#include "io/interface.h"
#include "io/plane_state.h"
#include "io/sockaddr.h"
#include "netns.h"

#include <linux/if_tun.h>

enum { MTU = 1400, STALL_MS = 10000, BLOCK_LEN = 1 << 16, INDEX = 0x7700, CHANNEL = 4711 };

struct end {
    struct wend_tun tun;
    struct wend_udp udp;
    struct wend_plane *plane;
    struct wend_address inside;
    int socket; // inside
};

static bool have_namespaces;
static struct end ends[2];
static int outside = -1; // namespace

static inline struct wend_prefix prefix_of(const struct wend_address *a, uint8_t bits)
{
    struct wend_prefix p = {.family = a->family, .bits = bits};
    memcpy(p.ip, a->ip, sizeof p.ip);
    return p;
}

static inline void open_inside(struct end *e, uint8_t number)
{
    struct wend_netlink n;
    size_t restored;
    const struct wend_tun_config c = {.name = "wend0"};
    assert_true(netns_unshare());
    e->inside = wend_address_ipv4(0x64400000u + number, 0);
    assert_int_equal(wend_tun_open(&e->tun, &c), 0);
    assert_int_equal(wend_netlink_open(&n), 0);
    const struct wend_interface i = {.index = e->tun.index,
                                     .mtu = MTU,
                                     .address_count = 1,
                                     .addresses = {prefix_of(&e->inside, 20)}};
    assert_int_equal(wend_interface_apply(&i, &n, &restored), 0);
    wend_netlink_close(&n);
}

static inline void open_inner_socket(struct end *e, int type)
{
    struct sockaddr_storage s;
    struct wend_address a = e->inside;
    a.port = 5001;
    e->socket = socket(AF_INET, type | SOCK_NONBLOCK, 0);
    assert_true(e->socket >= 0);
    const socklen_t len = wend_sockaddr_from(&a, &s);
    assert_int_equal(bind(e->socket, (const struct sockaddr *)&s, len), 0);
}

static inline void start_plane(struct end *e)
{
    const struct wend_plane_config c = {
        .tun = &e->tun, .udp4 = &e->udp, .ipv4 = e->inside, .mtu = MTU, .hash_key = {4, 2}};
    assert_int_equal(wend_plane_start(&c, &e->plane), 0);
}

// `type`: of the sockets inside.
static inline void start(int type)
{
    const struct wend_udp_config c = {.local = wend_address_ipv4(0x7f000001, 0)};
    assert_true(netns_enter());
    outside = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    assert_true(outside >= 0);
    for (int i = 0; i < 2; i++)
        assert_int_equal(wend_udp_open(&ends[i].udp, &c), 0);
    for (int i = 0; i < 2; i++) {
        open_inside(&ends[i], (uint8_t)(i + 1));
        open_inner_socket(&ends[i], type);
        start_plane(&ends[i]);
    }
}

static inline int setup(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++)
        ends[i] = (struct end){.tun = {.fd = -1}, .udp = {.fd = -1}, .socket = -1};
    return 0;
}

static inline int teardown(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        wend_plane_stop(ends[i].plane);
        wend_tun_close(&ends[i].tun);
        wend_udp_close(&ends[i].udp);
        if (ends[i].socket >= 0)
            close(ends[i].socket);
    }
    if (outside >= 0)
        close(outside);
    outside = -1;
    return 0;
}

static inline void need_namespaces(void)
{
    if (!have_namespaces)
        skip();
}

static inline bool readable(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    return poll(&p, 1, STALL_MS) == 1;
}

// Packets do not wait for commands: one that comes before the last of them is judged without it.
static inline void let_commands_through(struct wend_plane *p)
{
    const struct wend_ring *rings[] = {&p->seal_commands, &p->open_commands};
    for (size_t i = 0; i < 2; i++)
        while (atomic_load(&rings[i]->head) != atomic_load(&rings[i]->tail))
            sched_yield();
}

// ---- What a node would do ----

// The other end is slot 5 of each.
enum { SLOT = 5 };

static inline void add_peer(int i)
{
    const struct wend_command c = {
        .kind = WEND_COMMAND_PEER, .slot = SLOT, .ipv4 = ends[1 - i].inside};
    wend_plane_command_open(ends[i].plane, &c);
    wend_plane_command_seal(ends[i].plane, &c);
}

static inline void set_path(int i, const struct wend_plane_path *path)
{
    const struct wend_command c = {.kind = WEND_COMMAND_PATH, .slot = SLOT, .path = *path};
    wend_plane_command_seal(ends[i].plane, &c);
}

static inline void set_direct_path(int i)
{
    const struct wend_plane_path path = {.transport = WEND_TRANSPORT_UDP,
                                         .remote = ends[1 - i].udp.local};
    set_path(i, &path);
}

// End `i` seals with one key and opens with the other.
static inline void add_keys(int i)
{
    struct wend_command c = {.kind = WEND_COMMAND_KEYS, .slot = SLOT};
    c.local_index = INDEX + (uint32_t)i;
    c.remote_index = INDEX + 1 - (uint32_t)i;
    memset(c.key, 1 - i, sizeof c.key);
    wend_plane_command_open(ends[i].plane, &c);
    memset(c.key, i, sizeof c.key);
    wend_plane_command_seal(ends[i].plane, &c);
}

static inline void connect_ends(void)
{
    for (int i = 0; i < 2; i++) {
        add_peer(i);
        add_keys(i);
        set_direct_path(i);
    }
}

static inline void expect_notice(int i, enum wend_notice_kind kind)
{
    struct wend_notice n;
    while (!wend_plane_next_notice(ends[i].plane, &n))
        if (wend_plane_rest(ends[i].plane))
            assert_true(readable(wend_plane_fd(ends[i].plane)));
    assert_int_equal(n.kind, kind);
    assert_int_equal(n.slot, SLOT);
}

static inline bool next_datagram(int i, bool stream, struct wend_datagram *ret)
{
    return stream ? wend_plane_next_stream_out(ends[i].plane, ret)
                  : wend_plane_next_datagram(ends[i].plane, ret);
}

static inline struct wend_datagram expect_datagram(int i, bool stream)
{
    struct wend_datagram d;
    while (!next_datagram(i, stream, &d))
        if (wend_plane_rest(ends[i].plane))
            assert_true(readable(wend_plane_fd(ends[i].plane)));
    return d;
}

// ---- Inside ----

static inline void send_inner(int i, const char *text)
{
    struct sockaddr_storage s;
    struct wend_address a = ends[1 - i].inside;
    a.port = 5001;
    const socklen_t len = wend_sockaddr_from(&a, &s);
    const size_t size = strlen(text);
    for (int end = 0; end < 2; end++)
        if (ends[end].plane != NULL)
            let_commands_through(ends[end].plane);
    assert_int_equal(sendto(ends[i].socket, text, size, 0, (const struct sockaddr *)&s, len),
                     (ssize_t)size);
}

static inline void expect_inner(int i, const char *text)
{
    char got[64] = {0};
    assert_true(readable(ends[i].socket));
    assert_int_equal(recv(ends[i].socket, got, sizeof got - 1, 0), (ssize_t)strlen(text));
    assert_string_equal(got, text);
}

#endif
