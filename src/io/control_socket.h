// SPDX-License-Identifier: MIT
// How other commands ask the daemon: a UNIX stream socket, STATE/wend.sock, mode 0660, of the group
// that owns STATE.
//
// Wire:   one JSON object a line each way, in order: {"do": "status"}, {"do": "down"},
//         {"do": "peer", "name": "phone"}, {"do": "prefer", "name": "phone", "path": "relay"}; what
//         cannot be answered gets {"error": "why"}.
// Limits: 16 clients (a further one is closed at once), 4 KiB a request line, 5 s without a whole
//         request or with an answer that is not taken: closed.
//
// Lives on one loop and is used in its thread only.
#ifndef WEND_IO_CONTROL_SOCKET_H
#define WEND_IO_CONTROL_SOCKET_H

#include <jansson.h>
#include <sys/un.h>
#include <uv.h>

#define WEND_CONTROL_CLIENTS_MAX 16
#define WEND_CONTROL_REQUEST_MAX 4096 // bytes with the newline
#define WEND_CONTROL_PATIENCE_MS 5000
#define WEND_CONTROL_NAME        "wend.sock"

struct wend_control_server;

struct wend_control_handler {
    void *context;
    unsigned patience_ms; // with a client; 0: WEND_CONTROL_PATIENCE_MS
    // `request` is an object with a string "do". Returns a new reference, written as the answer;
    // NULL: the request is unknown. It must not close the server; what it decides to do beyond the
    // answer (end the daemon) happens in a later turn of the loop.
    json_t *(*answer)(void *context, const json_t *request);
};

// Listens. A socket that a dead daemon left behind is replaced.
//
// Returns 0;
//   -EADDRINUSE    somebody answers on it
//   -ENAMETOOLONG, -EACCES, -ENOENT … from the file system; -ENOMEM
int wend_control_open(uv_loop_t *loop, const char *state,
                      const struct wend_control_handler *handler, struct wend_control_server **ret);

// Unlinks the socket, closes the clients once what they wait for is handed to the kernel as far as
// it takes it. The loop must run once more for libuv to let go of it. NULL: nothing.
void wend_control_close(struct wend_control_server *s);

// The other end: connects (blocking, close-on-exec). Returns the socket, or
//   -ENOENT, -ECONNREFUSED  nobody runs with this state
//   -EACCES                 not root and not of the group
//   or another -errno
int wend_control_connect(const char *state);

#endif
