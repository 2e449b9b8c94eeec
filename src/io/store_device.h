// SPDX-License-Identifier: MIT
// What a device keeps in its state directory: STATE/wend.db (SQLite, WAL), mode 0600.
//
// Identity key, port, network record, own chain, revocation list, pins, the floor of handshake
// labels; for administrators also the records of their networks. STATE is made with mode 0750 if it
// is not there. Writes are durable when the call returns. Single-threaded.
#ifndef WEND_IO_STORE_DEVICE_H
#define WEND_IO_STORE_DEVICE_H

#include <stdbool.h>

#include "base/bytes.h"
#include "session/pins.h"

struct wend_store;

// Opens, and makes what is missing. With `exclusive`, one process at a time (STATE/wend.lock).
//
// Returns 0;
//   -EBUSY    exclusive, and another process holds it
//   -EACCES, -ENOENT, -ENOSPC … from the file system
//   -EPROTONOSUPPORT  made by a newer version
//   -EIO      not a database, or damaged
int wend_store_open(const char *state, bool exclusive, struct wend_store **ret);
void wend_store_close(struct wend_store *s); // NULL: nothing

// The device's private key; drawn and kept at the first call. Returns 0 or -EIO, -ENOSPC.
int wend_store_identity(struct wend_store *s, uint8_t ret_private_key[static 32]);

// Values by name; see the list below. get returns the length (0: absent) or -EMSGSIZE, -EIO; `ret`
// is written when the value fits. put with an empty value removes. Returns 0, -EIO, -ENOSPC.
int wend_store_get(struct wend_store *s, const char *name, uint8_t *ret, size_t ret_len);
int wend_store_put(struct wend_store *s, const char *name, struct wend_bytes value);

#define WEND_STORE_NETWORK     "network"    // signed network record
#define WEND_STORE_DELEGATION  "delegation" // own chain
#define WEND_STORE_MEMBERSHIP  "membership"
#define WEND_STORE_RECEIPT     "receipt"
#define WEND_STORE_REVOCATIONS "revocations" // newest signed list

// Small numbers by name: absent reads as 0.
int wend_store_get_number(struct wend_store *s, const char *name, uint64_t *ret);
int wend_store_put_number(struct wend_store *s, const char *name, uint64_t value);

#define WEND_STORE_LABEL_FLOOR "label-floor" // unix ns
#define WEND_STORE_PORT        "port"

// All of several values or none (a join keeps its chain). begin, put…, commit.
int wend_store_begin(struct wend_store *s);
int wend_store_commit(struct wend_store *s);
void wend_store_rollback(struct wend_store *s);

// Pins, by key, invite and slot.
int wend_store_put_pin(struct wend_store *s, const struct wend_pin *pin);
int wend_store_drop_pin(struct wend_store *s, const struct wend_pin *pin);
// Calls `each` for every pin. Returns 0 or -EIO.
int wend_store_each_pin(struct wend_store *s, void (*each)(void *context, const struct wend_pin *),
                        void *context);

// STATE + "/" + name, checked for room. Returns 0 or -ENAMETOOLONG.
int wend_state_path(const char *state, const char *name, char *ret, size_t ret_len);
// Makes the directory (0750) and its parents. Returns 0 or -errno.
int wend_state_make(const char *state);

#endif
