// SPDX-License-Identifier: MIT
// Join: a device that holds an invite becomes a member. Runs over a leg, once.
//
//   Join (delegation, name) --> server: a free slot of the invite and a free address
//   Join Commit (membership signed with the invite's key) --> server: its receipt
//
// State: IDLE --start--> ASKING --slot, address--> COMMITTING --receipt--> DONE; FAILED from any.
// Wire:  docs/protocol.md sections 3, 5 and 6.
//
// The owner feeds it the leg's events and, when DONE, keeps the chain. The server is not trusted:
// the chain is judged as any peer would, and the receipt must be fresh by our own clock. Repeating
// a join with the same key and invite yields the same slot.
#ifndef WEND_NODE_JOIN_H
#define WEND_NODE_JOIN_H

#include "node/leg.h"
#include "session/trust.h"

enum wend_join_state {
    WEND_JOIN_IDLE = 0,
    WEND_JOIN_ASKING,
    WEND_JOIN_COMMITTING,
    WEND_JOIN_DONE,
    WEND_JOIN_FAILED,
};

struct wend_join {
    enum wend_join_state state;
    uint16_t error;            // FAILED: enum wend_error
    bool by_server;            // FAILED: the server said so; else we refuse what it said
    char why[128];             // FAILED: the server's words, printable, or ours
    uint32_t request;          // id awaited
    struct wend_invite invite; // secret
    struct wend_network_record network;
    struct wend_delegation delegation;
    uint8_t device_key[WEND_RECORD_KEY_LEN];
    char name[WEND_NAME_LEN_MAX + 1];
    struct wend_member member; // DONE: what we are
    uint8_t membership[WEND_MEMBERSHIP_LEN_MAX];
    size_t membership_len;
    uint8_t receipt[WEND_RECEIPT_LEN];
};

// Checks the invite by itself. Returns 0, or a positive enum wend_error (EXPIRED, NOT_YET_VALID,
// FORGED, FOREIGN, MALFORMED), or -EINVAL for a name that is no name.
int wend_join_init(struct wend_join *join, const struct wend_invite *invite, const char *name,
                   const uint8_t device_key[static 32], uint64_t unix_seconds);
void wend_join_close(struct wend_join *join); // wipes the invite

// Queues the Join request on the leg. Returns 0 or what wend_leg_request returned.
int wend_join_start(struct wend_join *join, struct wend_leg *leg, uint64_t unix_seconds);
// Takes an event of the leg; others than ours are ignored.
void wend_join_event(struct wend_join *join, struct wend_leg *leg,
                     const struct wend_leg_event *event, uint64_t unix_seconds);

// DONE: the chain, views into `join`.
struct wend_chain wend_join_chain(const struct wend_join *join);

#endif
