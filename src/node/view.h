// SPDX-License-Identifier: MIT
// Views for `wend status`: what its JSON shows, as plain structs. Copies; what they point
// to is constant text.
#ifndef WEND_NODE_VIEW_H
#define WEND_NODE_VIEW_H

#include "node/node.h"
#include "node/volleys.h"
#include "path/paths.h"

enum wend_path_kind {
    WEND_PATH_NONE = 0,
    WEND_PATH_DIRECT,
    WEND_PATH_RELAY,
};

struct wend_path_view {
    enum wend_path_kind kind;
    enum wend_path_state state;
    enum wend_transport transport;
    struct wend_address local, remote;
    wend_duration rtt; // 0: not measured
    double loss;       // of the last probes, 0 to 1
    uint32_t mtu;      // longest IP packet that is known to pass; 0: not known
};

// What is done, or was last, for a direct path through hard NATs (volleys.h).
struct wend_volley_view {
    bool nat_known; // there is a model of ours
    bool running;
    enum wend_volley_end end;
    enum wend_plan_outcome outcome; // of the last plan; NONE: there was none
    enum wend_plan_method method;   // that won; else of the plan's first stage
    enum wend_volley_code code;     // FAILED: why
    const char *reason;             // the plan's, or NULL
};

#define WEND_VIEW_PATHS_MAX (WEND_PATHS_MAX + 1)

struct wend_peer_view {
    uint32_t slot;
    char name[64];
    uint8_t key[32];
    struct wend_address ipv4, ipv6;
    bool online; // by the server's word
    enum { WEND_PEER_IDLE = 0, WEND_PEER_CONNECTING, WEND_PEER_UP } state;
    size_t path_used; // index in paths, or path_count when none
    size_t path_count;
    struct wend_path_view paths[WEND_VIEW_PATHS_MAX];
    wend_instant contact_started;             // first packet of this contact; WEND_NEVER: none
    wend_duration first_packet, direct_after; // since contact_started; -1: not yet
    uint32_t switches;
    bool early_data;
    bool relay_preferred; // by the user
    struct wend_volley_view volley;
};

struct wend_self_view {
    char name[64];
    char network[64];
    uint8_t key[32], network_key[32];
    struct wend_address ipv4, ipv6, public_address; // as the server sees us
    bool server_up;
    enum wend_transport server_transport;
    struct wend_address server_address;
    wend_duration server_rtt;
    uint64_t network_serial, revocation_serial;
    struct wend_nat_model nat; // serial 0: not found out (yet)
    const char *nat_reason;    // why it is not known; NULL: it is, or nobody has looked yet
};

void wend_node_self(const struct wend_node *node, struct wend_self_view *ret);
size_t wend_node_member_count(const struct wend_node *node);
// Slots rise; returns false at the end. Start with *cursor 0.
bool wend_node_next_peer(const struct wend_node *node, uint32_t *cursor,
                         struct wend_peer_view *ret);
const struct wend_drops *wend_node_drops(const struct wend_node *node);

#endif
