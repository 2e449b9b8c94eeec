// SPDX-License-Identifier: MIT
// An errand at a server: opens sockets, runs a leg until somebody is content or time is over.
//
// For commands that say one thing and end: join, claim, show, revoke. Blocks; single-threaded; own
// libuv loop. The daemon has its own (device.h).
#ifndef WEND_IO_CLIENT_H
#define WEND_IO_CLIENT_H

#include "node/leg_state.h"
#include "wire/record.h"

struct wend_client_config {
    const struct wend_identity *identity;        // NULL: a key drawn for this errand
    const uint8_t *server_key;                   // X25519, 32 bytes
    const struct wend_server_address *addresses; // names are resolved here
    size_t address_count;
    wend_duration patience; // for everything together
};

struct wend_client;

// Opens sockets and resolves names. Returns 0;
//   -ENOENT  no address of the server can be found
//   -EINVAL  its key is unsound
//   -ENOMEM, or -errno of socket(2)
int wend_client_open(const struct wend_client_config *config, struct wend_client **ret);
void wend_client_close(struct wend_client *c); // NULL: nothing

struct wend_leg *wend_client_leg(struct wend_client *c);

// Says what to do about an event of the leg. Returns true when the errand is over.
typedef bool wend_client_handler(void *context, struct wend_leg *leg,
                                 const struct wend_leg_event *event);

// Runs until the handler is content. May be called again for the next errand.
// Returns 0, or -ETIMEDOUT.
int wend_client_run(struct wend_client *c, wend_client_handler *handler, void *context);

// 32 bytes from the kernel; the one place where randomness enters. Never fails: aborts.
void wend_entropy(uint8_t ret[static 32]);

// Resolves names among `in` (blocking). Returns how many addresses there are in `ret`.
size_t wend_resolve(const struct wend_server_address *in, size_t count, struct wend_address *ret,
                    size_t max);

#endif
