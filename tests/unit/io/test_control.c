// SPDX-License-Identifier: MIT
// The control socket: requests and answers, permissions, limits, what a dead daemon left behind.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/control_socket.h"

#define TURNS_MAX 100000

struct world {
    uv_loop_t loop;
    char state[256];
    struct wend_control_server *server;
    unsigned asked;
    size_t answer_len; // of the text in the answer to "big"
};

static json_t *answer(void *context, const json_t *request)
{
    struct world *w = context;
    const char *what = json_string_value(json_object_get(request, "do"));
    w->asked++;
    if (strcmp(what, "status") == 0)
        return json_pack("{s:i}", "asked", (int)w->asked);
    if (strcmp(what, "big") != 0)
        return NULL;
    char *text = malloc(w->answer_len + 1);
    assert_non_null(text);
    memset(text, 'x', w->answer_len);
    text[w->answer_len] = 0;
    json_t *big = json_pack("{s:s}", "text", text);
    free(text);
    return big;
}

static void start(struct world *w, unsigned patience_ms)
{
    const struct wend_control_handler handler = {
        .context = w, .answer = answer, .patience_ms = patience_ms};
    *w = (struct world){.state = "/tmp/wend-control-XXXXXX"};
    assert_int_equal(uv_loop_init(&w->loop), 0);
    assert_non_null(mkdtemp(w->state));
    assert_int_equal(wend_control_open(&w->loop, w->state, &handler, &w->server), 0);
}

static void stop(struct world *w)
{
    wend_control_close(w->server);
    uv_run(&w->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&w->loop), 0);
    assert_int_equal(rmdir(w->state), 0); // empty: the socket is gone
}

static int dial(struct world *w)
{
    const int fd = wend_control_connect(w->state);
    assert_true(fd >= 0);
    return fd;
}

static void say(int fd, const char *text)
{
    const ssize_t len = (ssize_t)strlen(text);
    assert_int_equal(send(fd, text, (size_t)len, MSG_NOSIGNAL), len);
}

// Lets the loop turn until bytes come. Returns how many, 0 at the end, -1 on reset.
static ssize_t hear_some(struct world *w, int fd, char *ret, size_t max)
{
    for (int i = 0; i < TURNS_MAX; i++) {
        uv_run(&w->loop, UV_RUN_NOWAIT);
        const ssize_t n = recv(fd, ret, max, MSG_DONTWAIT);
        if (n >= 0 || errno != EAGAIN)
            return n;
    }
    fail_msg("nothing came");
    return -1;
}

static void expect_line(struct world *w, int fd, const char *want)
{
    char line[512];
    size_t len = 0;
    do {
        assert_true(len + 1 < sizeof line);
        assert_int_equal(hear_some(w, fd, line + len, 1), 1);
    } while (line[len++] != '\n');
    line[len - 1] = 0;
    assert_string_equal(line, want);
}

static void expect_end(struct world *w, int fd)
{
    char byte;
    assert_true(hear_some(w, fd, &byte, 1) <= 0);
    close(fd);
}

static void test_answers(void **state)
{
    (void)state;
    struct world w;
    start(&w, 0);
    const int fd = dial(&w);
    say(fd, "{\"do\":\"status\"}\n");
    expect_line(&w, fd, "{\"asked\":1}");
    say(fd, "{\"do\":\"sta");
    uv_run(&w.loop, UV_RUN_NOWAIT);
    say(fd, "tus\"}\n{\"do\":\"status\"}\n");
    expect_line(&w, fd, "{\"asked\":2}");
    expect_line(&w, fd, "{\"asked\":3}");
    close(fd);
    stop(&w);
}

static void test_answers_a_client_that_has_finished(void **state)
{
    (void)state;
    struct world w;
    start(&w, 0);
    const int fd = dial(&w);
    say(fd, "{\"do\":\"status\"}\n");
    assert_int_equal(shutdown(fd, SHUT_WR), 0);
    expect_line(&w, fd, "{\"asked\":1}");
    expect_end(&w, fd);
    stop(&w);
}

static void test_nonsense(void **state)
{
    (void)state;
    struct world w;
    start(&w, 0);
    const int fd = dial(&w);
    say(fd, "hello\n");
    expect_line(&w, fd, "{\"error\":\"the request is not JSON\"}");
    say(fd, "\n");
    expect_line(&w, fd, "{\"error\":\"the request is not JSON\"}");
    say(fd, "[1]\n{\"do\":1}\n");
    expect_line(&w, fd, "{\"error\":\"the request says not what to do\"}");
    expect_line(&w, fd, "{\"error\":\"the request says not what to do\"}");
    say(fd, "{\"do\":\"fly\"}\n");
    expect_line(&w, fd, "{\"error\":\"unknown request\"}");
    assert_int_equal(w.asked, 1);
    close(fd);
    stop(&w);
}

static void test_a_request_has_a_limit(void **state)
{
    (void)state;
    struct world w;
    char text[WEND_CONTROL_REQUEST_MAX + 1];
    start(&w, 0);
    int fd = dial(&w);
    memset(text, ' ', sizeof text);
    text[WEND_CONTROL_REQUEST_MAX] = 0;
    memcpy(text, "{\"do\":\"status\"}", 15);
    text[WEND_CONTROL_REQUEST_MAX - 1] = '\n';
    say(fd, text); // just fits
    expect_line(&w, fd, "{\"asked\":1}");
    text[WEND_CONTROL_REQUEST_MAX - 1] = ' ';
    say(fd, text);
    expect_end(&w, fd);
    stop(&w);
}

static void test_too_many_clients(void **state)
{
    (void)state;
    struct world w;
    int fds[WEND_CONTROL_CLIENTS_MAX];
    start(&w, 0);
    for (size_t i = 0; i < WEND_CONTROL_CLIENTS_MAX; i++) {
        fds[i] = dial(&w);
        uv_run(&w.loop, UV_RUN_NOWAIT);
    }
    expect_end(&w, dial(&w));
    close(fds[3]);
    for (int i = 0; i < 3; i++)
        uv_run(&w.loop, UV_RUN_NOWAIT);
    fds[3] = dial(&w);
    for (size_t i = 0; i < WEND_CONTROL_CLIENTS_MAX; i++) {
        char want[32];
        snprintf(want, sizeof want, "{\"asked\":%zu}", i + 1);
        say(fds[i], "{\"do\":\"status\"}\n");
        expect_line(&w, fds[i], want);
    }
    for (size_t i = 1; i < WEND_CONTROL_CLIENTS_MAX; i++)
        close(fds[i]);
    stop(&w); // with one still there
    close(fds[0]);
}

static void test_a_long_answer_is_whole(void **state)
{
    (void)state;
    struct world w;
    char part[1 << 16];
    size_t len = 0, xs = 0;
    start(&w, 0);
    w.answer_len = 5u << 20;
    const int fd = dial(&w);
    say(fd, "{\"do\":\"big\"}\n{\"do\":\"status\"}\n");
    do {
        const ssize_t n = hear_some(&w, fd, part, sizeof part);
        assert_true(n > 0);
        for (ssize_t i = 0; i < n; i++)
            xs += part[i] == 'x' && len + (size_t)i >= 9; // behind {"text":"
        len += (size_t)n;
    } while (memchr(part, '2', sizeof part) == NULL);
    assert_int_equal(xs, w.answer_len);
    close(fd);
    stop(&w);
}

static void count_handle(uv_handle_t *handle, void *context)
{
    (void)handle;
    ++*(size_t *)context;
}

static size_t handle_count(uv_loop_t *loop)
{
    size_t count = 0;
    uv_walk(loop, count_handle, &count);
    return count;
}

static void test_slow_clients_are_closed(void **state)
{
    (void)state;
    struct world w;
    char part[1 << 16];
    size_t len = 0;
    ssize_t n;
    start(&w, 200); // the request is read sooner
    w.answer_len = 5u << 20;
    const int silent = dial(&w), deaf = dial(&w);
    say(deaf, "{\"do\":\"big\"}\n");
    uv_run(&w.loop, UV_RUN_ONCE);
    assert_int_equal(handle_count(&w.loop), 1 + 2 * 2);
    while (handle_count(&w.loop) > 1) // until only the listener is left
        uv_run(&w.loop, UV_RUN_ONCE);
    expect_end(&w, silent);
    while ((n = recv(deaf, part, sizeof part, MSG_DONTWAIT)) > 0)
        len += (size_t)n;
    assert_true(n == 0 || errno == ECONNRESET);
    assert_in_range(len, 1, w.answer_len);
    close(deaf);
    stop(&w);
}

static void test_permissions(void **state)
{
    (void)state;
    struct world w;
    char path[512];
    struct stat of_socket, of_state;
    start(&w, 0);
    snprintf(path, sizeof path, "%s/wend.sock", w.state);
    assert_int_equal(stat(path, &of_socket), 0);
    assert_int_equal(stat(w.state, &of_state), 0);
    assert_true(S_ISSOCK(of_socket.st_mode));
    assert_int_equal(of_socket.st_mode & 07777, 0660);
    assert_int_equal(of_socket.st_gid, of_state.st_gid);
    stop(&w);
}

static void test_group_of_the_directory(void **state)
{
    (void)state;
    if (geteuid() != 0)
        skip();
    struct world w;
    struct stat of_socket;
    char path[512];
    start(&w, 0);
    wend_control_close(w.server);
    uv_run(&w.loop, UV_RUN_DEFAULT);
    assert_int_equal(chown(w.state, 0, 12345), 0);
    const struct wend_control_handler handler = {.context = &w, .answer = answer};
    assert_int_equal(wend_control_open(&w.loop, w.state, &handler, &w.server), 0);
    snprintf(path, sizeof path, "%s/wend.sock", w.state);
    assert_int_equal(stat(path, &of_socket), 0);
    assert_int_equal(of_socket.st_gid, 12345);
    stop(&w);
}

static void test_one_daemon_at_a_time(void **state)
{
    (void)state;
    struct world w;
    struct wend_control_server *second = NULL;
    const struct wend_control_handler handler = {.answer = answer};
    start(&w, 0);
    assert_int_equal(wend_control_open(&w.loop, w.state, &handler, &second), -EADDRINUSE);
    assert_null(second);
    const int fd = dial(&w); // the first is unharmed
    say(fd, "{\"do\":\"status\"}\n");
    expect_line(&w, fd, "{\"asked\":1}");
    close(fd);
    stop(&w);
}

static void test_a_dead_socket_is_replaced(void **state)
{
    (void)state;
    struct world w;
    start(&w, 0);
    wend_control_close(w.server);
    uv_run(&w.loop, UV_RUN_DEFAULT);
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    assert_true(snprintf(at.sun_path, sizeof at.sun_path, "%.80s/wend.sock", w.state) > 0);
    const int dead = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(dead, (const struct sockaddr *)&at, sizeof at), 0);
    close(dead);
    assert_int_equal(wend_control_connect(w.state), -ECONNREFUSED);
    const struct wend_control_handler handler = {.context = &w, .answer = answer};
    assert_int_equal(wend_control_open(&w.loop, w.state, &handler, &w.server), 0);
    const int fd = dial(&w);
    say(fd, "{\"do\":\"status\"}\n");
    expect_line(&w, fd, "{\"asked\":1}");
    close(fd);
    stop(&w);
    assert_int_equal(wend_control_connect(w.state), -ENOENT);
}

static void test_a_long_path(void **state)
{
    (void)state;
    struct world w;
    char long_state[512];
    start(&w, 0);
    wend_control_close(w.server);
    uv_run(&w.loop, UV_RUN_DEFAULT);
    char short_state[256];
    memcpy(short_state, w.state, sizeof short_state);
    snprintf(long_state, sizeof long_state, "%s/%0120d", short_state, 7);
    assert_int_equal(mkdir(long_state, 0750), 0);
    memcpy(w.state, long_state, sizeof w.state);
    const struct wend_control_handler handler = {.context = &w, .answer = answer};
    assert_int_equal(wend_control_open(&w.loop, w.state, &handler, &w.server), 0);
    const int fd = dial(&w);
    say(fd, "{\"do\":\"status\"}\n");
    expect_line(&w, fd, "{\"asked\":1}");
    close(fd);
    stop(&w);
    assert_int_equal(rmdir(short_state), 0);
}

static void test_no_directory(void **state)
{
    (void)state;
    uv_loop_t loop;
    struct wend_control_server *server = NULL;
    const struct wend_control_handler handler = {.answer = answer};
    assert_int_equal(uv_loop_init(&loop), 0);
    assert_int_equal(wend_control_open(&loop, "/tmp/wend-not-there", &handler, &server), -ENOENT);
    assert_int_equal(wend_control_connect("/tmp/wend-not-there"), -ENOENT);
    wend_control_close(NULL);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answers),
        cmocka_unit_test(test_answers_a_client_that_has_finished),
        cmocka_unit_test(test_nonsense),
        cmocka_unit_test(test_a_request_has_a_limit),
        cmocka_unit_test(test_too_many_clients),
        cmocka_unit_test(test_a_long_answer_is_whole),
        cmocka_unit_test(test_slow_clients_are_closed),
        cmocka_unit_test(test_permissions),
        cmocka_unit_test(test_group_of_the_directory),
        cmocka_unit_test(test_one_daemon_at_a_time),
        cmocka_unit_test(test_a_dead_socket_is_replaced),
        cmocka_unit_test(test_a_long_path),
        cmocka_unit_test(test_no_directory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
