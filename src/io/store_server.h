// SPDX-License-Identifier: MIT
// What `wend serve` keeps in its state directory: STATE/server.db (SQLite, WAL), mode 0600.
//
// The server's keys, networks with their revocation lists, memberships (one row for each slot of an
// invite that was ever taken, until both are past), claim codes, and the addresses it is reached
// at. A commit is durable when it returns (synchronous=FULL). Several processes may have it open:
// `wend claim` adds a row beside a running server.
#ifndef WEND_IO_STORE_SERVER_H
#define WEND_IO_STORE_SERVER_H

#include <stdbool.h>

#include "relay/relay.h"

struct wend_server_store;

// Opens, and makes directory (0750) and database if `create`.
// Returns 0; -ENOENT (not there, without `create`), -EACCES …, -EPROTONOSUPPORT (made by a newer
// version), -EIO (not a database, or damaged).
int wend_server_store_open(const char *state, bool create, struct wend_server_store **ret);
void wend_server_store_close(struct wend_server_store *s); // NULL: nothing

// Values by name. get returns the length (0: absent), -EMSGSIZE or -EIO; put 0, -ENOSPC or -EIO.
int wend_server_store_get(struct wend_server_store *s, const char *name, uint8_t *ret, size_t max);
int wend_server_store_put(struct wend_server_store *s, const char *name, struct wend_bytes value);

#define WEND_SERVER_SESSION_KEY "session-key" // private, 32 bytes
#define WEND_SERVER_SEED        "seed"        // Ed25519, 32 bytes
#define WEND_SERVER_ADDRESSES   "addresses"   // as in a claim text: count, then each

// Loads networks, revocation lists, memberships and claims. What does not load is counted in
// `ret_bad` and left alone. Returns 0 or -EIO.
int wend_server_store_load(struct wend_server_store *s, struct wend_relay *r, size_t *ret_bad);
int wend_server_store_load_claims(struct wend_server_store *s, struct wend_relay *r);

// A new claim code that is not used yet; durable. Returns 0, -ENOSPC or -EIO.
int wend_server_store_new_claim(struct wend_server_store *s, uint64_t unix_seconds,
                                const uint8_t secret[static WEND_CLAIM_SECRET_LEN]);
// The newest unused one. Returns 0, -ENOENT or -EIO.
int wend_server_store_unused_claim(struct wend_server_store *s,
                                   uint8_t ret_secret[static WEND_CLAIM_SECRET_LEN]);

// STORE_* and FORGET_* events between begin and commit; others are ignored. All or nothing.
// Return 0, -ENOSPC (disk full) or -EIO; then roll back.
int wend_server_store_begin(struct wend_server_store *s);
int wend_server_store_apply(struct wend_server_store *s, const struct wend_relay_event *e);
int wend_server_store_commit(struct wend_server_store *s);
void wend_server_store_rollback(struct wend_server_store *s);

#endif
