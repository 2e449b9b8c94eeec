// SPDX-License-Identifier: MIT
// Streams to a server over loopback; the server's side is a plain socket in this same thread.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "io/clock.h"
#include "io/dial.h"
#include "io/sockaddr.h"

struct side {
    uv_loop_t loop;
    struct wend_dials *dials;
    int listening, server; // sockets
    struct wend_address at;
    unsigned opened, closed, received;
    uint32_t last_stream;
    uint8_t last[WEND_DATAGRAM_MAX];
    size_t last_len;
    bool close_in_handler;
};

static void on_opened(void *context, uint32_t stream)
{
    struct side *s = context;
    s->opened++;
    s->last_stream = stream;
}

static void on_closed(void *context, uint32_t stream)
{
    struct side *s = context;
    s->closed++;
    s->last_stream = stream;
}

static void on_datagram(void *context, const struct wend_datagram *in)
{
    struct side *s = context;
    s->received++;
    assert_int_equal(in->transport, WEND_TRANSPORT_TCP);
    assert_true(wend_address_equal(&in->remote, &s->at));
    s->last_stream = in->stream;
    memcpy(s->last, in->bytes.at, in->bytes.len);
    s->last_len = in->bytes.len;
    if (s->close_in_handler)
        wend_dial_close(s->dials, in->stream);
}

static int open_side(void **state)
{
    struct side *s = calloc(1, sizeof *s);
    struct sockaddr_storage a = {.ss_family = AF_INET};
    socklen_t len = sizeof(struct sockaddr_in);
    const struct wend_address any = wend_address_ipv4(0x7f000001, 0);
    (void)wend_sockaddr_from(&any, &a);
    s->server = -1;
    s->listening = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(s->listening, (struct sockaddr *)&a, len) != 0 || listen(s->listening, 4) != 0 ||
        getsockname(s->listening, (struct sockaddr *)&a, &len) != 0) {
        close(s->listening);
        free(s);
        return -1;
    }
    s->at = wend_sockaddr_to(&a, len);
    uv_loop_init(&s->loop);
    const struct wend_dial_handler handler = {
        .context = s, .opened = on_opened, .closed = on_closed, .datagram = on_datagram};
    s->dials = wend_dials_new(&s->loop, &handler);
    *state = s;
    return 0;
}

static int close_side(void **state)
{
    struct side *s = *state;
    wend_dials_free(s->dials);
    uv_run(&s->loop, UV_RUN_DEFAULT);
    const int left = uv_loop_close(&s->loop);
    close(s->listening);
    if (s->server >= 0)
        close(s->server);
    free(s);
    return left; // a handle that was left open
}

// Runs the loop until the count is reached; fails after five seconds.
static void run_until(struct side *s, const unsigned *count, unsigned wanted)
{
    const wend_instant end = wend_clock_now() + WEND_S(5);
    while (*count < wanted && wend_clock_now() < end)
        uv_run(&s->loop, UV_RUN_NOWAIT);
    assert_int_equal(*count, wanted);
}

static void connect_one(struct side *s, uint32_t stream)
{
    wend_dial_open(s->dials, stream, &s->at);
    run_until(s, &s->opened, s->opened + 1);
    assert_int_equal(s->last_stream, stream);
    s->server = accept(s->listening, NULL, NULL);
    assert_true(s->server >= 0);
}

// Reads so much at the server's side while the loop goes on; fails after five seconds.
static void read_exactly(struct side *s, uint8_t *ret, size_t len)
{
    const wend_instant end = wend_clock_now() + WEND_S(5);
    size_t have = 0;
    while (have < len) {
        const ssize_t n = recv(s->server, ret + have, len - have, MSG_DONTWAIT);
        assert_true(n > 0 || (n < 0 && errno == EAGAIN));
        have += n > 0 ? (size_t)n : 0;
        uv_run(&s->loop, UV_RUN_NOWAIT);
        assert_true(wend_clock_now() < end);
    }
}

static void carries_datagrams_both_ways(void **state)
{
    struct side *s = *state;
    uint8_t got[8];
    connect_one(s, 5);
    assert_int_equal(wend_dial_send(s->dials, 5, (struct wend_bytes){(const uint8_t *)"abc", 3}),
                     0);
    read_exactly(s, got, 5);
    assert_memory_equal(got, "\0\3abc", 5);
    // Two datagrams, cut in three pieces.
    assert_int_equal(send(s->server, "\0", 1, 0), 1);
    uv_run(&s->loop, UV_RUN_NOWAIT);
    assert_int_equal(send(s->server, "\4wend\0\2x", 8, 0), 8);
    run_until(s, &s->received, 1);
    assert_int_equal(send(s->server, "y", 1, 0), 1);
    run_until(s, &s->received, 2);
    assert_int_equal(s->last_len, 2);
    assert_memory_equal(s->last, "xy", 2);
    assert_int_equal(s->last_stream, 5);
}

static void says_when_the_other_side_closes(void **state)
{
    struct side *s = *state;
    connect_one(s, 5);
    close(s->server);
    s->server = -1;
    run_until(s, &s->closed, 1);
    assert_int_equal(wend_dial_send(s->dials, 5, (struct wend_bytes){(const uint8_t *)"a", 1}),
                     -ENOTCONN);
}

static void a_stream_without_framing_is_closed(void **state)
{
    struct side *s = *state;
    connect_one(s, 5);
    assert_int_equal(send(s->server, "HTTP/1.1 400", 12, 0), 12); // "HT": longer than any datagram
    run_until(s, &s->closed, 1);
    assert_int_equal(s->received, 0);
}

static void a_refused_connection_is_closed(void **state)
{
    struct side *s = *state;
    struct wend_address nobody = s->at;
    close(s->listening);
    s->listening = -1;
    wend_dial_open(s->dials, 7, &nobody);
    run_until(s, &s->closed, 1);
    assert_int_equal(s->last_stream, 7);
    nobody.family = WEND_FAMILY_NONE; // to nowhere at all
    wend_dial_open(s->dials, 8, &nobody);
    run_until(s, &s->closed, 2);
}

static void what_we_close_is_not_told(void **state)
{
    struct side *s = *state;
    connect_one(s, 5);
    wend_dial_close(s->dials, 5);
    wend_dial_close(s->dials, 5);
    uint8_t byte;
    for (int i = 0; i < 3; i++)
        uv_run(&s->loop, UV_RUN_NOWAIT);
    assert_int_equal(recv(s->server, &byte, 1, 0), 0);
    assert_int_equal(s->closed, 0);
}

static void may_be_closed_by_its_own_handler(void **state)
{
    struct side *s = *state;
    connect_one(s, 5);
    s->close_in_handler = true;
    assert_int_equal(send(s->server, "\0\1a\0\1b\0\1c", 9, 0), 9);
    run_until(s, &s->received, 1);
    for (int i = 0; i < 3; i++)
        uv_run(&s->loop, UV_RUN_NOWAIT);
    assert_int_equal(s->received, 1);
    assert_int_equal(s->closed, 0);
}

static void the_oldest_gives_way(void **state)
{
    struct side *s = *state;
    for (uint32_t i = 1; i <= WEND_DIALS_MAX + 1; i++)
        wend_dial_open(s->dials, i, &s->at);
    run_until(s, &s->opened, WEND_DIALS_MAX);
    assert_int_equal(s->closed, 1);
    assert_int_equal(wend_dial_send(s->dials, 1, (struct wend_bytes){(const uint8_t *)"a", 1}),
                     -ENOTCONN);
}

// A receiver that does not read: what waits is bounded, and what comes out is whole datagrams.
static void a_slow_receiver_costs_whole_datagrams(void **state)
{
    struct side *s = *state;
    static uint8_t datagram[2000], got[2000];
    connect_one(s, 5);
    assert_int_equal(wend_dial_send(s->dials, 5, (struct wend_bytes){datagram, 0}), -EMSGSIZE);
    unsigned sent = 0;
    for (unsigned i = 0; i < 20000 && wend_dials_dropped(s->dials) < 10; i++) {
        wend_put_u32(datagram, sent);
        const int error = wend_dial_send(s->dials, 5, WEND_BYTES(datagram));
        assert_true(error == 0 || error == -ENOBUFS);
        sent += error == 0;
    }
    assert_int_equal(wend_dials_dropped(s->dials), 10);
    for (unsigned i = 0; i < sent; i++) {
        uint8_t header[2];
        read_exactly(s, header, 2);
        assert_int_equal(wend_get_u16(header), sizeof datagram);
        read_exactly(s, got, sizeof got);
        assert_int_equal(wend_get_u32(got), i);
    }
    assert_int_equal(s->closed, 0);
}

#define WITH_SIDE(test) cmocka_unit_test_setup_teardown(test, open_side, close_side)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_SIDE(carries_datagrams_both_ways),
        WITH_SIDE(says_when_the_other_side_closes),
        WITH_SIDE(a_stream_without_framing_is_closed),
        WITH_SIDE(a_refused_connection_is_closed),
        WITH_SIDE(what_we_close_is_not_told),
        WITH_SIDE(may_be_closed_by_its_own_handler),
        WITH_SIDE(the_oldest_gives_way),
        WITH_SIDE(a_slow_receiver_costs_whole_datagrams),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
