// SPDX-License-Identifier: MIT
// What the administrator's commands share: a network's key on disk, its record, errands at its
// server. Nothing here needs root.
#ifndef WEND_APPS_ADMIN_H
#define WEND_APPS_ADMIN_H

#include "cli.h"
#include "io/client.h"
#include "io/store_device.h"
#include "session/trust.h"

#define WEND_ADMIN_INVITE_EXPIRES_S  (24 * 3600u)
#define WEND_ADMIN_MEMBER_FOR_S      (180 * 86400u)
#define WEND_ADMIN_FIRST_INVITE_USES 16u // of the invite that `wend network new` prints

// A network as its administrator holds it. Secret: wend_wipe it.
struct wend_admin {
    const char *command; // for errors
    const char *state;
    const char *name;
    char key_path[4096];
    uint8_t seed[WEND_ED25519_LEN];
    uint8_t public_key[WEND_ED25519_LEN];
    uint8_t record[WEND_NETWORK_RECORD_MAX]; // signed; record_len 0: none yet
    size_t record_len;
    struct wend_network_record network;
    bool claimed; // a server has taken the network
    struct wend_store *store;
};

// Opens the state and reads key and record of network `name`. With `create`, a missing key is drawn
// and kept (0600, durable), and that there is no record or that no server has taken the network yet
// is no error. Every failure has printed its line.
// Returns an exit status.
int wend_admin_open(struct wend_admin *a, const char *key_file, bool create);
void wend_admin_close(struct wend_admin *a); // wipes

// Keeps a signed record as the network's; that a server has taken it. Exit status.
int wend_admin_keep_record(struct wend_admin *a, struct wend_bytes record);
int wend_admin_keep_claimed(struct wend_admin *a);

struct wend_admin_invite {
    uint64_t expires_s, member_for_s;
    uint32_t uses;
};

// Makes an invite, keeps what is not secret of it, and prints its text on standard output. Exit
// status.
int wend_admin_print_invite(struct wend_admin *a, const struct wend_admin_invite *wish);

// The delegations of this network's invites that were made here and may still be used; the server
// does not know those that nobody has used. Calls `each` for every one.
void wend_admin_each_invite(struct wend_admin *a,
                            void (*each)(void *context, struct wend_bytes delegation),
                            void *context);

// One request to the server of the network's record (or of `claim`), and its answer.
struct wend_admin_errand {
    uint16_t type;
    struct wend_bytes attributes;
    uint8_t answer[WEND_LEG_BODY_MAX]; // its attributes
    size_t answer_len;
    uint16_t error; // what the server refused with; 0: done
    char error_text[128];
};

// Connects to the network's server. NULL when that failed (its line is printed).
struct wend_client *wend_admin_connect(const struct wend_admin *a);
struct wend_client *wend_admin_connect_claim(const struct wend_admin *a,
                                             const struct wend_claim *claim);
// Returns 0 with the answer or the refusal in `e`, or -ETIMEDOUT.
int wend_admin_ask(struct wend_client *c, struct wend_admin_errand *e);
// The exit status of an errand: prints the line of a refusal or time-out.
int wend_admin_judge(const struct wend_admin *a, const struct wend_admin_errand *e, int error);

// One line for an error code of the protocol: what it means for somebody who administers.
const char *wend_admin_advice(uint16_t error);

#endif
