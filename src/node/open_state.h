// SPDX-License-Identifier: MIT
// What the files of the opening half share; nobody else includes this.
//
//   open.c         init, close, commands, receivers, invariants
//   open_notice.c  what the node is to learn
//   open_window.c  replay windows: a large one while two ways live
//   open_packet.c  the packet path: open, count, judge, hold or deliver; the batch
//   hold.h         the order of packets that come by more than one way
#ifndef WEND_NODE_OPEN_STATE_H
#define WEND_NODE_OPEN_STATE_H

#include "base/map.h"
#include "node/hold.h"
#include "node/open.h"
#include "session/data.h"

#define WEND_OPEN_MAP_SIZE    8192
#define WEND_OPEN_WORDS       WEND_REPLAY_WORDS(WEND_REPLAY_BITS)
#define WEND_OPEN_WORDS_LARGE WEND_REPLAY_WORDS(WEND_REPLAY_BITS_LARGE)
#define WEND_OPEN_WINDOWS     64 // large ones; full: the one unused longest is taken
#define WEND_OPEN_NOTICES     8192
_Static_assert(WEND_OPEN_NOTICES >= WEND_OPEN_RECEIVERS_MAX + WEND_SLOTS_MAX, "each at most once");

struct wend_open_receiver {
    bool used;
    bool in_notices; // the node is to learn something:
    bool say_confirmed, say_switch_seen;
    uint8_t window; // large one, + 1; 0: `words`
    uint32_t slot;
    bool heard;
    uint32_t pair; // in the order in which keys came for the slot: the peer sends with the newest
    uint64_t switch_seen; // first counter
    struct wend_receiver keys;
    uint64_t words[WEND_OPEN_WORDS];
};

struct wend_open_peer {
    bool used;
    bool watched; // TRAFFIC is to be said at the next user packet
    bool in_notices, say_traffic;
    uint32_t pairs;  // that there were keys for
    uint32_t newest; // that was heard, which `ways` counts for
    struct wend_address ipv4, ipv6;
    struct wend_hold hold;
};

struct wend_open_window {
    uint32_t receiver; // + 1; 0: free
    uint64_t used;     // when, in turns
};

struct wend_open {
    struct wend_open_config config;
    struct wend_plane_path server;
    struct wend_drops drops;
    struct wend_coalesce batch;
    struct wend_map by_index;
    uint32_t last;                        // receiver found last
    uint32_t receiver_count, used_before; // in use; all free ones from used_before on
    uint32_t peers_before;                // from here on none was ever used
    uint32_t notice_head, notice_count;
    uint16_t notices[WEND_OPEN_NOTICES]; // receivers; from WEND_OPEN_RECEIVERS_MAX on slots
    wend_instant filled_at;              // when packets became due last
    uint64_t window_turn;
    struct wend_open_window windows[WEND_OPEN_WINDOWS];
    struct wend_map_entry entries[WEND_OPEN_MAP_SIZE];
    struct wend_open_peer peers[WEND_SLOTS_MAX];
    struct wend_open_receiver receivers[WEND_OPEN_RECEIVERS_MAX];
    uint64_t window_words[WEND_OPEN_WINDOWS][WEND_OPEN_WORDS_LARGE];
    struct wend_hold_pool pool;
};

// open.c
struct wend_open_receiver *wend_open_find(struct wend_open *o, uint32_t index);

// open_notice.c
void wend_open_say_receiver(struct wend_open *o, struct wend_open_receiver *r);
void wend_open_say_traffic(struct wend_open *o, uint32_t slot);

// open_window.c
void wend_open_grow_window(struct wend_open *o, struct wend_open_receiver *r);
void wend_open_free_window(struct wend_open *o, struct wend_open_receiver *r);

#endif
