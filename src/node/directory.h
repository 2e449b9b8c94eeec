// SPDX-License-Identifier: MIT
// Directory: the members of the network as this node believes them, and how the server's word
// becomes belief. docs/protocol.md sections 4.2 and 6.
//
// The server tells entries (Subscribe, Notify, or beside a call from a peer). An entry with a proof
// is checked by trust and against the pins before its member gets a slot; one without a proof can
// only change what a proven member's status is. So a server may withhold members, and can add none.
#ifndef WEND_NODE_DIRECTORY_H
#define WEND_NODE_DIRECTORY_H

#include "node/node_state.h"

void wend_directory_init(struct wend_node *n);

struct wend_seat *wend_directory_find(struct wend_node *n, const uint8_t key[static 32]);
uint32_t wend_directory_slot(const struct wend_node *n, const struct wend_seat *seat);

// Takes the value of one ENTRY from the server. What fails the rules raises MEMBER_REFUSED.
void wend_directory_apply(struct wend_node *n, struct wend_bytes entry);
// Takes a member out at once: contact, data plane, slot.
void wend_directory_remove(struct wend_node *n, struct wend_seat *seat, const char *why);
// Members that have expired or are revoked now, and pins that have.
void wend_directory_purge(struct wend_node *n);

// --- directory_sync.c ---

// The server has changes beyond what we know, or another epoch: asks unless it is being asked.
void wend_directory_told(struct wend_node *n, struct wend_position position);
void wend_directory_sync(struct wend_node *n);
void wend_directory_subscribed(struct wend_node *n, struct wend_bytes attributes, uint16_t error);
// A Notify; answers it.
void wend_directory_notified(struct wend_node *n, const struct wend_leg_event *event,
                             const struct wend_attributes *a);

#endif
