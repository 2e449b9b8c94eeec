// SPDX-License-Identifier: MIT
#include "peek.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "io/clock.h"
#include "io/control_socket.h"

#define ANSWER_MAX (16u << 20) // 4,096 members with all their paths take a fraction of it

static int wait_for(int fd, short events, wend_instant until)
{
    for (;;) {
        const wend_duration left = until - wend_clock_now();
        if (left <= 0)
            return -ETIMEDOUT;
        struct pollfd p = {.fd = fd, .events = events};
        const int n = poll(&p, 1, (int)(left / 1000000) + 1);
        if (n > 0)
            return 0;
        if (n < 0 && errno != EINTR)
            return -errno;
    }
}

static int send_all(int fd, const char *text, size_t len, wend_instant until)
{
    while (len > 0) {
        const ssize_t n = send(fd, text, len, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n > 0) {
            text += n;
            len -= (size_t)n;
            continue;
        }
        if (errno != EAGAIN && errno != EINTR)
            return -errno;
        const int error = wait_for(fd, POLLOUT, until);
        if (error != 0)
            return error;
    }
    return 0;
}

static int send_request(int fd, const json_t *request, wend_instant until)
{
    char *text = json_dumps(request, JSON_COMPACT);
    if (text == NULL)
        return -ENOMEM;
    int error = send_all(fd, text, strlen(text), until);
    if (error == 0)
        error = send_all(fd, "\n", 1, until);
    free(text);
    return error;
}

// A line read so far.
struct line {
    char *text;
    size_t len, room;
};

static int make_room(struct line *l)
{
    if (l->len < l->room)
        return 0;
    if (l->room >= ANSWER_MAX)
        return -EMSGSIZE;
    const size_t room = l->room == 0 ? 16384 : 2 * l->room;
    char *text = realloc(l->text, room);
    if (text == NULL)
        return -ENOMEM;
    l->text = text;
    l->room = room;
    return 0;
}

static int read_line(int fd, struct line *l, wend_instant until)
{
    for (;;) {
        int error = make_room(l);
        if (error == 0)
            error = wait_for(fd, POLLIN, until);
        if (error != 0)
            return error;
        const ssize_t n = recv(fd, l->text + l->len, l->room - l->len, MSG_DONTWAIT);
        if (n == 0)
            return -ECONNRESET;
        if (n < 0 && errno != EAGAIN && errno != EINTR)
            return -errno;
        if (n < 0)
            continue;
        l->len += (size_t)n;
        if (l->text[l->len - 1] == '\n')
            return 0;
    }
}

int wend_peek_ask(int fd, json_t *request, json_t **ret)
{
    const wend_instant until = wend_clock_now() + WEND_MS(WEND_CONTROL_PATIENCE_MS);
    struct line l = {0};
    int error = request != NULL ? send_request(fd, request, until) : -ENOMEM;
    json_decref(request);
    if (error == 0)
        error = read_line(fd, &l, until);
    json_error_t why;
    json_t *answer = error == 0 ? json_loadb(l.text, l.len, 0, &why) : NULL;
    free(l.text);
    if (error == 0 && !json_is_object(answer)) {
        json_decref(answer);
        error = -EBADMSG;
    }
    if (error == 0)
        *ret = answer;
    return error;
}

int wend_peek(const char *state, json_t *request, json_t **ret)
{
    const int fd = wend_control_connect(state);
    if (fd < 0) {
        json_decref(request);
        return fd;
    }
    const int error = wend_peek_ask(fd, request, ret);
    close(fd);
    return error;
}

int wend_peek_fail(const char *command, const char *state, int error)
{
    switch (error) {
    case -ENOENT:
    case -ECONNREFUSED:
    case -ENOTDIR:
        return wend_cli_fail(WEND_EXIT_FAILED, command, "wend is not up with this state directory",
                             state, "start it with `wend up`, or give its --state");
    case -EACCES:
    case -EPERM:
        return wend_cli_fail(WEND_EXIT_FAILED, command, "no permission to ask the daemon", state,
                             "run as root, or as a member of the group that owns the directory");
    case -ETIMEDOUT:
        return wend_cli_fail(WEND_EXIT_FAILED, command, "the daemon does not answer", state,
                             "see its log");
    default:
        return wend_cli_fail(WEND_EXIT_FAILED, command, "cannot ask the daemon", state,
                             strerror(-error));
    }
}

const char *wend_peek_text(const json_t *object, const char *key, const char *preset)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text != NULL ? text : preset;
}

double wend_peek_number(const json_t *object, const char *key, double preset)
{
    const json_t *value = json_object_get(object, key);
    return json_is_number(value) ? json_number_value(value) : preset;
}
