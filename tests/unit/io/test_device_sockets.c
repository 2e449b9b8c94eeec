// SPDX-License-Identifier: MIT
// The daemon's further sockets, over the loopback. The node, the plane and the daemon's turn are
// this test's own.
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

#include "io/clock.h"
#include "io/device_state.h"

static struct wend_device device;
static uint16_t ports[WEND_SOCKETS_MAX + 1];
static uint32_t answers, refusals, heard, turns, sends;
static struct wend_datagram last;
static uint8_t last_bytes[64];
static uint16_t adopted, released;
static int adopt_error;
static uint16_t close_on_hearing; // a socket that goes when something is heard

void wend_node_socket_opened(struct wend_node *n, uint16_t socket, uint16_t port, wend_instant now)
{
    (void)n;
    (void)now;
    ports[socket] = port;
    answers++;
    refusals += port == 0;
}

int wend_node_receive(struct wend_node *n, const struct wend_datagram *in, wend_instant now)
{
    (void)n;
    (void)now;
    last = *in;
    assert_true(in->bytes.len <= sizeof last_bytes);
    memcpy(last_bytes, in->bytes.at, in->bytes.len);
    heard++;
    return 0;
}

void wend_device_drain(struct wend_device *d)
{
    if (close_on_hearing != 0)
        wend_device_close_extra(d,
                                &(struct wend_node_event){.socket = close_on_hearing, .count = 1});
    close_on_hearing = 0;
}

void wend_device_send(struct wend_device *d)
{
    (void)d;
    sends++;
}

void wend_device_turn(struct wend_device *d)
{
    (void)d;
    turns++;
}

int wend_plane_adopt(struct wend_plane *p, uint16_t number, const struct wend_udp *udp)
{
    (void)p;
    assert_true(udp->fd >= 0);
    adopted = number;
    return adopt_error;
}

void wend_plane_release(struct wend_plane *p, uint16_t number)
{
    (void)p;
    released = number;
}

static size_t descriptors(void)
{
    size_t count = 0;
    for (int fd = 0; fd < 4096; fd++)
        count += fcntl(fd, F_GETFD) >= 0;
    return count;
}

static int setup(void **state)
{
    (void)state;
    device = (struct wend_device){.extra = {.epoll = -1}};
    memset(ports, 0, sizeof ports);
    answers = refusals = heard = turns = sends = 0;
    adopted = released = close_on_hearing = 0;
    adopt_error = 0;
    return uv_loop_init(&device.loop);
}

static void close_handle(uv_handle_t *handle, void *context)
{
    (void)context;
    uv_close(handle, NULL);
}

static int teardown(void **state)
{
    (void)state;
    uv_walk(&device.loop, close_handle, NULL);
    uv_run(&device.loop, UV_RUN_DEFAULT);
    wend_device_close_sockets(&device);
    return uv_loop_close(&device.loop);
}

static void ask(uint16_t first, uint16_t count, uint16_t port)
{
    const struct wend_node_event e = {
        .socket = first, .count = count, .address = {.family = WEND_FAMILY_IPV4, .port = port}};
    wend_device_open_extra(&device, &e);
}

static void finish(uint16_t first, uint16_t count)
{
    wend_device_close_extra(&device, &(struct wend_node_event){.socket = first, .count = count});
}

// From one of the sockets to another.
static void send_between(uint16_t from, uint16_t to, const char *text)
{
    const struct wend_datagram d = {.transport = WEND_TRANSPORT_UDP,
                                    .socket = from,
                                    .remote = wend_address_ipv4(0x7f000001, ports[to]),
                                    .bytes = {(const uint8_t *)text, strlen(text)}};
    const int fd = wend_device_extra_fd(&device, &d);
    assert_true(fd >= 0);
    wend_udp_send_one(fd, &d);
}

static void turn_until_heard(uint32_t count)
{
    const wend_instant end = wend_clock_now() + WEND_S(10);
    while (heard < count && wend_clock_now() < end)
        uv_run(&device.loop, UV_RUN_ONCE);
    assert_int_equal(heard, count);
}

static void a_volley_of_sockets(void **state)
{
    (void)state;
    struct rlimit before;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    wend_device_raise_limits();
    struct rlimit after;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &after), 0);
    assert_true(after.rlim_cur == before.rlim_max);
    if (after.rlim_cur < 1300)
        skip();
    const size_t open = descriptors();
    const wend_instant begin = wend_clock_now();
    ask(1, 1024, 0);
    print_message("1,024 sockets: %.1f ms", (double)(wend_clock_now() - begin) / 1e6);
    assert_int_equal(answers, 1024);
    assert_int_equal(refusals, 0);
    for (uint16_t i = 2; i <= 1024; i++)
        send_between(1, i, "hello");
    turn_until_heard(1023);
    const wend_instant ending = wend_clock_now();
    finish(1, 1024);
    print_message(", closed in %.1f ms\n", (double)(wend_clock_now() - ending) / 1e6);
    assert_true(sends > 0);                    // what was due went out before
    assert_int_equal(descriptors(), open + 1); // the epoll
}

static void datagrams_name_their_socket(void **state)
{
    (void)state;
    ask(5, 2, 0);
    send_between(5, 6, "one");
    turn_until_heard(1);
    assert_int_equal(last.socket, 6);
    assert_int_equal(last.remote.port, ports[5]);
    assert_int_equal(last.local.port, ports[6]);
    assert_memory_equal(last_bytes, "one", 3);
    assert_true(turns > 0);
    struct wend_datagram other = {.socket = 5, .remote = {.family = WEND_FAMILY_IPV6}};
    assert_int_equal(wend_device_extra_fd(&device, &other), -1);
    other.socket = 7; // never opened
    other.remote.family = WEND_FAMILY_IPV4;
    assert_int_equal(wend_device_extra_fd(&device, &other), -1);
    other.socket = UINT16_MAX;
    assert_int_equal(wend_device_extra_fd(&device, &other), -1);
}

static void what_cannot_be_opened_is_said(void **state)
{
    (void)state;
    ask(1, 1, 0);
    ask(2, 1, ports[1]); // taken
    assert_int_equal(refusals, 1);
    finish(1, 1);
    ask(2, 1, ports[1]);
    assert_int_equal(ports[2], ports[1]);
    struct rlimit files, few;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &files), 0);
    few = files;
    few.rlim_cur = 128;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    ask(10, 500, 0);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &files), 0);
    assert_int_equal(answers, 503);
    assert_in_range(refusals, 400, 499);
    assert_true(ports[10] != 0 && ports[509] == 0);
    assert_true(descriptors() < 80); // the last ones are for others
    finish(10, 500);
}

static void an_adopted_one_is_left_to_the_plane(void **state)
{
    (void)state;
    ask(1, 3, 0);
    wend_device_adopt_extra(&device, &(struct wend_node_event){.socket = 2, .count = 1});
    assert_int_equal(adopted, 2);
    send_between(1, 2, "for the plane");
    send_between(2, 3, "from the node");
    turn_until_heard(1);
    assert_int_equal(last.socket, 3);
    for (int i = 0; i < 5; i++)
        uv_run(&device.loop, UV_RUN_NOWAIT);
    assert_int_equal(heard, 1);
    finish(2, 1);
    assert_int_equal(released, 2);
    adopt_error = -EMFILE; // then it is lost, and the node hears so
    wend_device_adopt_extra(&device, &(struct wend_node_event){.socket = 3, .count = 1});
    assert_int_equal(ports[3], 0);
    wend_device_adopt_extra(&device, &(struct wend_node_event){.socket = 3, .count = 1});
    assert_int_equal(released, 2);
}

static void one_may_go_while_it_is_read(void **state)
{
    (void)state;
    ask(1, 3, 0);
    send_between(1, 2, "a");
    send_between(1, 2, "b");
    send_between(1, 3, "c");
    send_between(1, 3, "d");
    close_on_hearing = 3;
    turn_until_heard(2);
    for (int i = 0; i < 5; i++)
        uv_run(&device.loop, UV_RUN_NOWAIT);
    assert_in_range(heard, 2, 4); // of the closed one perhaps what was read already
    finish(1, 3);
}

// An ICMP error comes back: the socket goes on as if nothing were.
static void an_icmp_error_disturbs_nobody(void **state)
{
    (void)state;
    ask(1, 3, 0);
    const uint16_t gone = ports[3];
    finish(3, 1);
    ports[3] = gone;
    for (int i = 0; i < 10; i++)
        send_between(1, 3, "to nobody");
    send_between(2, 1, "in");
    send_between(1, 2, "out");
    turn_until_heard(2);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_volley_of_sockets),           TEST(datagrams_name_their_socket),
        TEST(what_cannot_be_opened_is_said), TEST(an_adopted_one_is_left_to_the_plane),
        TEST(one_may_go_while_it_is_read),   TEST(an_icmp_error_disturbs_nobody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
