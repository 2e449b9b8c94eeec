// SPDX-License-Identifier: MIT
// Records: the network record and the revocation list that this node holds, and how it comes by
// newer ones. docs/protocol.md sections 3 (Fetch), 5 and 6.
//
// The server and every peer tell the serial they know. One that is higher than ours leads to a
// Fetch, part by part, from whoever told it: so a server that withholds a list cannot keep it from
// spreading between peers. What was fetched counts only with the network key's signature.
#ifndef WEND_NODE_RECORDS_H
#define WEND_NODE_RECORDS_H

#include "node/node_state.h"

// Takes the records the node starts with. Returns 0, or -EBADMSG: one of them is unsound.
int wend_records_init(struct wend_node *n, const struct wend_node_config *config);

// REVOCATION-SERIAL and NETWORK-SERIAL from the server.
void wend_records_told(struct wend_node *n, const struct wend_attributes *a);
// REVOCATION-SERIAL from a peer's handshake or probe.
void wend_records_told_by_peer(struct wend_node *n, uint32_t slot, uint64_t revocation_serial);

// The answer to a Fetch of ours, by the server (slot ignored) or a peer.
void wend_records_fetched(struct wend_node *n, struct wend_bytes attributes, uint16_t error);
void wend_records_fetched_from_peer(struct wend_node *n, uint32_t slot,
                                    const struct wend_control *response);
// Answers a peer's Fetch: appends the attributes of the response, or returns an error code.
enum wend_error wend_records_serve(const struct wend_node *n, const struct wend_attributes *a,
                                   struct wend_writer *w);

// A contact ends: a fetch from it does, too.
void wend_records_peer_gone(struct wend_node *n, uint32_t slot);
void wend_records_expire(struct wend_node *n);
wend_instant wend_records_deadline(const struct wend_node *n);

#endif
