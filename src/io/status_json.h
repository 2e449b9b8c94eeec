// SPDX-License-Identifier: MIT
// `wend status --json`: views of the node as JSON, shaped as the command line promises it.
//
// Durations in milliseconds, sizes in bytes; what is not known is null. Every function returns a
// new reference, NULL only without memory. In the thread of the node.
#ifndef WEND_IO_STATUS_JSON_H
#define WEND_IO_STATUS_JSON_H

#include <jansson.h>

#include "io/plane.h"
#include "node/plane.h"
#include "node/view.h"

// What the node does not know.
struct wend_status_about {
    const char *interface;
    const char *port_mapping; // that holds a port (wend_port_mapping_source); NULL: nobody asked
    unsigned gateways;        // in a row, at least so many (wend_port_mapping_gateways); 0: unknown
};

// The whole answer. `stats` is indexed by slot; NULL: all zero.
json_t *wend_status_json(const struct wend_node *node, const struct wend_plane_stats *stats,
                         const struct wend_status_about *about, wend_instant now);

// The peer of this name (any case), "name.network.wend", address inside, or key in base64; or
// {"error": …}. Beside what a peer has in the status: "rx_direct" and "rx_relay", datagrams opened
// by the way they came.
json_t *wend_status_peer_json(const struct wend_node *node, const struct wend_plane_stats *stats,
                              const char *name, wend_instant now);

// What was dropped since the start, where and why: {"sealing": {…}, "opening": {…}} by the names of
// base/drop.h, without those that are 0; and "udp_failed", "tun_refused".
json_t *wend_status_drops(const struct wend_plane_counts *counts);

// Whether `name` means this peer, as above.
bool wend_status_is_called(const struct wend_peer_view *peer, const char *network,
                           const char *name);

// The parts, from views alone.
json_t *wend_status_self(const struct wend_self_view *self, const struct wend_status_about *about);
json_t *wend_status_nat(const struct wend_nat_model *m, const struct wend_address *public_address,
                        const struct wend_status_about *about);
json_t *wend_status_server(const struct wend_self_view *self);
json_t *wend_status_peer(const struct wend_peer_view *peer, const struct wend_plane_stats *stats,
                         wend_instant now);

#endif
