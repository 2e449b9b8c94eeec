// SPDX-License-Identifier: MIT
#include "io/control_socket.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define BACKLOG 16

// A client reads or is answered, never both: while its answer waits for the kernel, nothing is read
// from it, so one answer is all that it can make us hold.
struct client {
    struct wend_control_server *server;
    uv_pipe_t pipe;
    uv_timer_t patience;
    unsigned handles; // open; the last one that closes frees
    bool closing;
    uv_write_t write;
    char *answer; // NULL: none is being written
    size_t have;
    char request[WEND_CONTROL_REQUEST_MAX];
};

struct wend_control_server {
    uv_loop_t *loop;
    struct wend_control_handler handler;
    uv_pipe_t listener;
    int directory; // -1: not open
    struct stat bound;
    struct client *clients[WEND_CONTROL_CLIENTS_MAX];
};

// --- where ---

// The socket's address, by way of the open directory when the path is too long for one.
static int address_of(const char *state, int directory, struct sockaddr_un *ret)
{
    *ret = (struct sockaddr_un){.sun_family = AF_UNIX};
    const size_t size = sizeof ret->sun_path;
    int n = snprintf(ret->sun_path, size, "%s/%s", state, WEND_CONTROL_NAME);
    if (n >= (int)size)
        n = snprintf(ret->sun_path, size, "/proc/self/fd/%d/%s", directory, WEND_CONTROL_NAME);
    return n > 0 && n < (int)size ? 0 : -ENAMETOOLONG;
}

static int connect_in(const char *state, int directory)
{
    struct sockaddr_un at;
    const int error = address_of(state, directory, &at);
    if (error != 0)
        return error;
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    if (connect(fd, (const struct sockaddr *)&at, sizeof at) == 0)
        return fd;
    const int refused = -errno;
    close(fd);
    return refused;
}

int wend_control_connect(const char *state)
{
    const int directory = open(state, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (directory < 0)
        return -errno;
    const int fd = connect_in(state, directory);
    close(directory);
    return fd;
}

static int bind_in(int fd, const char *state, int directory)
{
    struct sockaddr_un at;
    const int error = address_of(state, directory, &at);
    if (error != 0)
        return error;
    if (bind(fd, (const struct sockaddr *)&at, sizeof at) == 0)
        return 0;
    if (errno != EADDRINUSE)
        return -errno;
    const int other = connect_in(state, directory);
    if (other >= 0)
        close(other);
    if (other != -ECONNREFUSED)
        return -EADDRINUSE;
    if (unlinkat(directory, WEND_CONTROL_NAME, 0) != 0)
        return -errno;
    return bind(fd, (const struct sockaddr *)&at, sizeof at) == 0 ? 0 : -errno;
}

// The group of the directory may ask; nobody else, at no moment.
static int open_to_group(int directory)
{
    struct stat of_directory;
    if (fstat(directory, &of_directory) != 0)
        return -errno;
    if (fchownat(directory, WEND_CONTROL_NAME, (uid_t)-1, of_directory.st_gid,
                 AT_SYMLINK_NOFOLLOW) != 0)
        return errno == EPERM ? 0 : -errno; // not ours to give: it stays the user's own
    return fchmodat(directory, WEND_CONTROL_NAME, 0660, 0) == 0 ? 0 : -errno;
}

// --- one client ---

static void on_handle_closed(uv_handle_t *handle)
{
    struct client *c = handle->data;
    if (--c->handles > 0)
        return;
    free(c->answer);
    free(c);
}

static void client_close(struct client *c)
{
    if (c->closing)
        return;
    c->closing = true;
    for (size_t i = 0; c->server != NULL && i < WEND_CONTROL_CLIENTS_MAX; i++)
        if (c->server->clients[i] == c)
            c->server->clients[i] = NULL;
    c->server = NULL;
    uv_close((uv_handle_t *)&c->pipe, on_handle_closed);
    uv_close((uv_handle_t *)&c->patience, on_handle_closed);
}

static void on_patience(uv_timer_t *timer)
{
    client_close(timer->data);
}

static void client_be_patient(struct client *c)
{
    uv_timer_start(&c->patience, on_patience, c->server->handler.patience_ms, 0);
}

static json_t *answer_line(const struct wend_control_server *s, const char *line, size_t len)
{
    json_error_t why;
    json_t *request = json_loadb(line, len, JSON_REJECT_DUPLICATES, &why);
    json_t *answer = NULL;
    if (request == NULL)
        answer = json_pack("{s:s}", "error", "the request is not JSON");
    else if (!json_is_string(json_object_get(request, "do")))
        answer = json_pack("{s:s}", "error", "the request says not what to do");
    else
        answer = s->handler.answer(s->handler.context, request);
    json_decref(request);
    return answer != NULL ? answer : json_pack("{s:s}", "error", "unknown request");
}

static void client_go_on(struct client *c);

static void on_written(uv_write_t *write, int status)
{
    struct client *c = write->data;
    if (c->closing)
        return; // freed with the client
    free(c->answer);
    c->answer = NULL;
    if (status != 0) {
        client_close(c);
        return;
    }
    client_be_patient(c);
    client_go_on(c);
}

// The answer with its newline, as one piece that lives until it is written.
static char *text_of(const json_t *answer)
{
    const size_t len = json_dumpb(answer, NULL, 0, JSON_COMPACT);
    char *text = len > 0 ? malloc(len + 2) : NULL;
    if (text == NULL || json_dumpb(answer, text, len, JSON_COMPACT) != len) {
        free(text);
        return NULL;
    }
    text[len] = '\n';
    text[len + 1] = 0;
    return text;
}

// Takes over `answer`.
static void client_write(struct client *c, json_t *answer)
{
    c->answer = text_of(answer);
    json_decref(answer);
    if (c->answer == NULL) {
        client_close(c);
        return;
    }
    const uv_buf_t text = uv_buf_init(c->answer, (unsigned)strlen(c->answer));
    uv_read_stop((uv_stream_t *)&c->pipe);
    c->write.data = c;
    if (uv_write(&c->write, (uv_stream_t *)&c->pipe, &text, 1, on_written) != 0)
        client_close(c);
}

static void on_allocate(uv_handle_t *handle, size_t suggested, uv_buf_t *ret)
{
    struct client *c = handle->data;
    (void)suggested;
    *ret = uv_buf_init(c->request + c->have, (unsigned)(sizeof c->request - c->have));
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buffer)
{
    struct client *c = stream->data;
    (void)buffer;
    if (n < 0) {
        client_close(c);
        return;
    }
    c->have += (size_t)n;
    client_go_on(c);
}

// Answers the first whole line, or waits for one.
static void client_go_on(struct client *c)
{
    const char *end = memchr(c->request, '\n', c->have);
    if (end == NULL) {
        const int error = c->have < sizeof c->request
                              ? uv_read_start((uv_stream_t *)&c->pipe, on_allocate, on_read)
                              : UV_EMSGSIZE;
        if (error != 0 && error != UV_EALREADY)
            client_close(c);
        return;
    }
    const size_t len = (size_t)(end - c->request);
    json_t *answer = answer_line(c->server, c->request, len);
    c->have -= len + 1;
    memmove(c->request, c->request + len + 1, c->have);
    client_be_patient(c);
    client_write(c, answer);
}

// --- the server ---

static struct client *client_new(struct wend_control_server *s)
{
    struct client *c = calloc(1, sizeof *c);
    if (c == NULL)
        return NULL;
    c->server = s;
    uv_pipe_init(s->loop, &c->pipe, 0);
    uv_timer_init(s->loop, &c->patience);
    c->pipe.data = c->patience.data = c;
    c->handles = 2;
    return c;
}

static void on_connection(uv_stream_t *listener, int status)
{
    struct wend_control_server *s = listener->data;
    struct client *c = status == 0 ? client_new(s) : NULL;
    if (c == NULL)
        return;
    size_t place = 0;
    while (place < WEND_CONTROL_CLIENTS_MAX && s->clients[place] != NULL)
        place++;
    if (uv_accept(listener, (uv_stream_t *)&c->pipe) != 0 || place == WEND_CONTROL_CLIENTS_MAX) {
        client_close(c);
        return;
    }
    s->clients[place] = c;
    client_be_patient(c);
    client_go_on(c);
}

static void on_listener_closed(uv_handle_t *handle)
{
    free(handle->data);
}

void wend_control_close(struct wend_control_server *s)
{
    struct stat now;
    if (s == NULL)
        return;
    for (size_t i = 0; i < WEND_CONTROL_CLIENTS_MAX; i++)
        if (s->clients[i] != NULL)
            client_close(s->clients[i]);
    // Only the socket that we bound: somebody may have put another there.
    if (s->directory >= 0 &&
        fstatat(s->directory, WEND_CONTROL_NAME, &now, AT_SYMLINK_NOFOLLOW) == 0 &&
        now.st_ino == s->bound.st_ino && now.st_dev == s->bound.st_dev)
        unlinkat(s->directory, WEND_CONTROL_NAME, 0);
    if (s->directory >= 0)
        close(s->directory);
    s->directory = -1;
    uv_close((uv_handle_t *)&s->listener, on_listener_closed);
}

static int listen_on(struct wend_control_server *s, const char *state)
{
    s->directory = open(state, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (s->directory < 0)
        return -errno;
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -errno;
    // A socket's mode before bind is that of its file.
    int error = fchmod(fd, 0600) == 0 ? 0 : -errno;
    if (error == 0)
        error = bind_in(fd, state, s->directory);
    if (error == 0 && fstatat(s->directory, WEND_CONTROL_NAME, &s->bound, AT_SYMLINK_NOFOLLOW) != 0)
        error = -errno;
    if (error == 0)
        error = open_to_group(s->directory);
    if (error == 0)
        error = uv_pipe_open(&s->listener, fd);
    if (error != 0) {
        close(fd);
        return error;
    }
    return uv_listen((uv_stream_t *)&s->listener, BACKLOG, on_connection);
}

int wend_control_open(uv_loop_t *loop, const char *state,
                      const struct wend_control_handler *handler, struct wend_control_server **ret)
{
    struct wend_control_server *s = calloc(1, sizeof *s);
    if (s == NULL)
        return -ENOMEM;
    s->loop = loop;
    s->handler = *handler;
    if (s->handler.patience_ms == 0)
        s->handler.patience_ms = WEND_CONTROL_PATIENCE_MS;
    s->directory = -1;
    uv_pipe_init(loop, &s->listener, 0);
    s->listener.data = s;
    const int error = listen_on(s, state);
    if (error != 0) {
        wend_control_close(s);
        return error;
    }
    *ret = s;
    return 0;
}
