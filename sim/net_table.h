// SPDX-License-Identifier: MIT
// The tables of all boxes: mappings, found by their inside key and by their outside endpoint, and
// sessions (filter entries). Shared by net_box.c and net_table.c.
//
// find returns only what is alive at n->now, and frees what is not when it meets it. add needs a
// key that is not there. What find and add return is valid until the next add or free.
#ifndef WEND_SIM_NET_TABLE_H
#define WEND_SIM_NET_TABLE_H

#include "net_state.h"

struct mapping_key {
    uint32_t site;
    uint8_t proto;
    struct wend_address inside;
    struct wend_address peer; // as far as the mapping depends on it
};

struct session_key {
    uint32_t site;
    uint8_t proto;
    struct wend_address outside;
    struct wend_address peer; // as far as the filter depends on it
};

// Whether the site may have one more mapping: its port_limit, and the memory for all sites.
bool wend_sim_table_has_room(struct wend_sim_net *n, uint32_t site);

struct mapping *wend_sim_mapping_find(struct wend_sim_net *n, const struct mapping_key *key);
struct mapping *wend_sim_mapping_find_outside(struct wend_sim_net *n, uint32_t site, uint8_t proto,
                                              const struct wend_address *outside);
// Requires wend_sim_table_has_room.
struct mapping *wend_sim_mapping_add(struct wend_sim_net *n, const struct mapping_key *key,
                                     const struct wend_address *outside);
void wend_sim_mapping_free(struct wend_sim_net *n, struct mapping *m);
uint32_t wend_sim_mapping_number(const struct wend_sim_net *n, const struct mapping *m); // from 1

struct session *wend_sim_session_find(struct wend_sim_net *n, const struct session_key *key);
// NULL: full. The new one is a tuple taken from outside (mapping 0) as of now.
struct session *wend_sim_session_add(struct wend_sim_net *n, const struct session_key *key);

#endif
