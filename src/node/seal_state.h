// SPDX-License-Identifier: MIT
// What the files of the sealing half share; nobody else includes this.
//
//   seal.c         init, close, commands, notices, invariants
//   seal_queue.c   packets that wait: cells from one pool, a list a slot
//   seal_packet.c  the packet path: find, split, seal, append to runs; flush
#ifndef WEND_NODE_SEAL_STATE_H
#define WEND_NODE_SEAL_STATE_H

#include "base/map.h"
#include "node/seal.h"
#include "session/data.h"

#define WEND_SEAL_CELL_LEN 2048
#define WEND_SEAL_MAP_SIZE 8192 // entries, for WEND_SLOTS_MAX addresses
#define WEND_SEAL_NO_CELL  UINT32_MAX

struct wend_seal_cell {
    uint32_t next; // of the queue, or of the free list
    uint16_t len;
    uint8_t bytes[WEND_SEAL_CELL_LEN - 6];
};

enum { // notices that a slot has raised and nobody took yet, and lists it stands on
    WEND_SEAL_SAY_WANT = 1,
    WEND_SEAL_SAY_NO_KEYS = 2,
    WEND_SEAL_SAY_EXHAUSTED = 4,
};

struct wend_seal_slot {
    bool used;
    bool keyed;
    bool wanted;    // WANT or NO_KEYS was raised since the queue was served
    bool worn_told; // EXHAUSTED was raised for this key
    bool keepalive; // one is to go out
    bool in_flush, in_notices;
    uint8_t say;
    uint32_t local_index;
    uint32_t first, last, count; // queue
    struct wend_address ipv4, ipv6;
    struct wend_plane_path path;
    struct wend_sender sender;
};

// A queue of slots, each at most once.
struct wend_seal_list {
    uint32_t head, count;
    uint16_t slots[WEND_SLOTS_MAX];
};

struct wend_seal {
    struct wend_seal_config config;
    uint32_t serial;                 // counts what makes runs differ: keys and paths
    uint32_t cells_used, cells_free; // never used ones begin at cells_used; list of freed ones
    struct wend_drops drops;
    struct wend_map by_ipv4, by_ipv6;
    struct wend_seal_list flush, notices;
    struct wend_map_entry entries_ipv4[WEND_SEAL_MAP_SIZE], entries_ipv6[WEND_SEAL_MAP_SIZE];
    struct wend_seal_slot slots[WEND_SLOTS_MAX];
    struct wend_seal_cell cells[WEND_SEAL_CELLS];
};

// seal.c
void wend_seal_list_add(struct wend_seal_list *l, uint32_t slot, bool *member);
uint32_t wend_seal_list_first(const struct wend_seal_list *l);
void wend_seal_list_remove_first(struct wend_seal_list *l);
void wend_seal_say(struct wend_seal *s, uint32_t slot, uint8_t say);
void wend_seal_want(struct wend_seal *s, struct wend_seal_slot *p);
void wend_seal_lose_keys(struct wend_seal *s, struct wend_seal_slot *p);
struct wend_seal_slot *wend_seal_find(struct wend_seal *s, uint8_t family, const uint8_t *ip);
static inline uint32_t wend_seal_number(const struct wend_seal *s, const struct wend_seal_slot *p)
{
    return (uint32_t)(p - s->slots);
}
static inline bool wend_seal_is_ready(const struct wend_seal_slot *p)
{
    return p->keyed && p->path.transport != WEND_TRANSPORT_NONE;
}

// seal_queue.c
// A cell at the end of the slot's queue, perhaps its oldest used anew; NULL when the pool is empty.
struct wend_seal_cell *wend_seal_queue_push(struct wend_seal *s, struct wend_seal_slot *p);
void wend_seal_queue_pop(struct wend_seal *s, struct wend_seal_slot *p);
void wend_seal_queue_drop(struct wend_seal *s, struct wend_seal_slot *p); // all, counted

#endif
