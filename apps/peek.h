// SPDX-License-Identifier: MIT
// Asking the daemon of a state directory (src/io/control_socket.h), blocking, at most 5 s.
#ifndef WEND_APPS_PEEK_H
#define WEND_APPS_PEEK_H

#include <jansson.h>

#include "cli.h"

// One request on a connected socket, and its answer. `request` is taken over.
// Returns 0 and a new reference; -ETIMEDOUT, -ECONNRESET (closed), -EBADMSG (no JSON object),
// -ENOMEM or another -errno.
int wend_peek_ask(int fd, json_t *request, json_t **ret);

// Connects, asks, closes. As above, and as wend_control_connect.
int wend_peek(const char *state, json_t *request, json_t **ret);

// The line for an error of the two; the exit status.
int wend_peek_fail(const char *command, const char *state, int error);

// The text or number at a key, or the preset where it is absent or null.
const char *wend_peek_text(const json_t *object, const char *key, const char *preset);
double wend_peek_number(const json_t *object, const char *key, double preset);

#endif
