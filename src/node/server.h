// SPDX-License-Identifier: MIT
// The server as the node uses it: one leg at a time, registration over it, requests in flight.
// docs/protocol.md sections 4.1 and 4.2.
//
// State:  connecting --CONNECTED--> registering --Configuration--> registered --whole directory-->
//         ready; any refusal for good (revoked, expired, not allowed) ends it. The servers of the
//         network record are tried in their order; the next one when a leg is lost.
#ifndef WEND_NODE_SERVER_H
#define WEND_NODE_SERVER_H

#include "node/node_state.h"

// Takes the addresses that the network record itself holds.
void wend_server_init(struct wend_node *n);
// Makes a leg to the server in turn if there is none; without an address of any: nothing yet.
void wend_server_begin(struct wend_node *n);
// Sends a request with the attributes in `w`; its answer comes back to whom `kind` says.
// Returns 0, -EMSGSIZE when `w` has failed, or -ENOBUFS.
int wend_server_call(struct wend_node *n, enum wend_call_kind kind, uint32_t slot,
                     const struct wend_writer *w, wend_duration patience);
// Handles all that the leg has to tell; after every call to it.
void wend_server_drain(struct wend_node *n);
// This stream is closed.
void wend_server_stream_gone(struct wend_node *n, uint32_t stream);
// The directory is as the server has it.
void wend_server_synced(struct wend_node *n);
// A newer record is held: its servers count.
void wend_server_network_changed(struct wend_node *n);
// The end: no more attempts. Raises REFUSED.
void wend_server_refused(struct wend_node *n, enum wend_error error, const char *text);

void wend_server_expire(struct wend_node *n);
// Has something been asked for since, or is anything due? Else expire would do nothing.
bool wend_server_is_due(const struct wend_node *n);
wend_instant wend_server_deadline(const struct wend_node *n);

#endif
