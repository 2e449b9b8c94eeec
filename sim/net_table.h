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

enum table_room {
    ROOM = 0,
    FULL_FOR_HOST, // its inside address has as many mappings as it may
    FULL_FOR_BOX,
    FULL_FOR_ALL, // the memory for all sites
};

// Whether the site may have one more mapping for this inside address.
enum table_room wend_sim_table_room(struct wend_sim_net *n, uint32_t site,
                                    const struct wend_address *inside);
// Frees the mapping of the site that was silent for the longest time: of the same IP address as
// `inside`, or (NULL) of all. Returns false when there is none.
bool wend_sim_table_throw_out(struct wend_sim_net *n, uint32_t site,
                              const struct wend_address *inside);
// Whether any mapping of this inside endpoint lives.
bool wend_sim_table_maps(struct wend_sim_net *n, uint32_t site, uint8_t proto,
                         const struct wend_address *inside);
// Whether somebody talks through this outside endpoint with the peer, or one that the filter cannot
// tell from it.
bool wend_sim_table_talks(struct wend_sim_net *n, uint32_t site, uint8_t proto,
                          const struct wend_address *outside, const struct wend_address *peer);

// Who a filter entry of the site is known by.
struct session_key wend_sim_session_key(const struct site *s, uint32_t site, uint8_t proto,
                                        const struct wend_address *outside,
                                        const struct wend_address *peer);

struct mapping *wend_sim_mapping_find(struct wend_sim_net *n, const struct mapping_key *key);
struct mapping *wend_sim_mapping_find_outside(struct wend_sim_net *n, uint32_t site, uint8_t proto,
                                              const struct wend_address *outside);
// The one that a gateway gave away; NULL: none.
struct mapping *wend_sim_mapping_find_granted(struct wend_sim_net *n, uint32_t site, uint8_t proto,
                                              const struct wend_address *outside);
// Requires ROOM.
struct mapping *wend_sim_mapping_add(struct wend_sim_net *n, const struct mapping_key *key,
                                     const struct wend_address *outside);
void wend_sim_mapping_free(struct wend_sim_net *n, struct mapping *m);
uint32_t wend_sim_mapping_number(const struct wend_sim_net *n, const struct mapping *m); // from 1

struct session *wend_sim_session_find(struct wend_sim_net *n, const struct session_key *key);
// NULL: full. The new one is a tuple taken from outside (mapping 0) as of now.
struct session *wend_sim_session_add(struct wend_sim_net *n, const struct session_key *key);

#endif
