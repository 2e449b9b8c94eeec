// SPDX-License-Identifier: MIT
// Resequencer: keeps a peer's packets in order while they come by more than one way.
//
// Place:  open_packet.c opens a message -> wend_hold_accept -> DELIVER: into the batch at once
//                                                           -> TAKEN: a copy lies in a cell here
//         wend_hold_next: copies that are due, in order -> batch -> wend_hold_return when drained
//
// State:  NONE --ENTER, or another way, with counters missing--> TRANSIT --all have come, LEAVE,
//                                                                 time, limits--> NONE
//         NONE, TRANSIT --BOTH--> SEQUENCE --ENTER and LEAVE, end reached, time--> NONE
//         NONE --fresh pair whose first message is not its counter 0--> SEQUENCE (short)
//   NONE      everything is delivered as it comes.
//   TRANSIT   counters below `first` took the way that is left: delivered as they come. The others
//             wait, in counter order, until all below have come or nothing more will come.
//   SEQUENCE  every message waits for all below it, each at most the hold time; not for what is
//             below a BOTH when the way in use has been silent for so long already.
// A second switch during a transit makes a SEQUENCE of it.
//
// Wire:   decides by counters, by ways, and by Switch messages (wire/switch.h) alone.
//         docs/protocol.md section 7.5. Key pairs are numbered in the order in which their keys
//         came: messages of a newer one are newer.
// Timing: hold time 50 ms until the node says better, at most 200 ms; 5 ms below a fresh pair's
//         first message; a SEQUENCE without news ends after a second.
// Limits: WEND_HOLD_PEER_MAX cells a peer, WEND_HOLD_CELLS in all. Who reaches one: everything the
//         peer has here is released in order. Nothing is dropped.
//
// Pure, no allocation, not thread-safe. Each packet is decided in constant time, but for its place
// among the held ones, which is looked for from the nearer end.
#ifndef WEND_NODE_HOLD_H
#define WEND_NODE_HOLD_H

#include <stdbool.h>
#include <string.h>

#include "base/address.h"
#include "base/bytes.h"
#include "base/heap.h"
#include "wire/switch.h"

#define WEND_HOLD_CELL_LEN 2048
#define WEND_HOLD_CELLS    16384 // 32 MiB
#define WEND_HOLD_PEER_MAX 2048  // 4 MiB
#define WEND_HOLD_PEERS    4096

#define WEND_HOLD_TIME     WEND_MS(50)
#define WEND_HOLD_TIME_MAX WEND_MS(200)
#define WEND_HOLD_FRESH    WEND_MS(5)
#define WEND_HOLD_BOTH     WEND_S(1) // a suspect path's double lasts half of that

#define WEND_HOLD_NO_CELL UINT32_MAX

// How a message came. `kind` 0: none has come. Compares as bytes: 32, so that it is done in four
// steps; for every packet.
struct wend_hold_way {
    struct wend_address remote;
    uint32_t stream;
    uint32_t kind; // 1 + enum of plane.h: WEND_WAY_DIRECT, WEND_WAY_RELAY
    uint32_t zero;
};

static inline bool wend_hold_same_way(const struct wend_hold_way *a, const struct wend_hold_way *b)
{
    uint64_t x[4], y[4];
    _Static_assert(sizeof *a == sizeof x, "all of it");
    memcpy(x, a, sizeof x);
    memcpy(y, b, sizeof y);
    return ((x[0] ^ y[0]) | (x[1] ^ y[1]) | (x[2] ^ y[2]) | (x[3] ^ y[3])) == 0;
}

// A message that proved genuine and new. `packet` is empty for keepalives and Switch messages.
struct wend_hold_message {
    uint32_t slot;
    uint32_t pair; // from 1 on
    uint64_t counter;
    struct wend_hold_way way;
    struct wend_switch mark;  // kind NONE: no Switch message
    struct wend_bytes packet; // at most WEND_HOLD_CELL_LEN
};

// A place in the order of all of a peer's messages. pair 0: before all.
struct wend_hold_place {
    uint32_t pair;
    uint64_t next; // counter
};

enum wend_hold_mode { WEND_HOLD_NONE = 0, WEND_HOLD_TRANSIT, WEND_HOLD_SEQUENCE };

// One peer. Zeroed: nothing was heard. 312 bytes.
struct wend_hold {
    enum wend_hold_mode mode;
    struct wend_heap_node timer;
    struct wend_hold_place at;     // behind the newest that was delivered
    struct wend_hold_way way;      // how that one came
    wend_instant heard_at;         // in mode NONE
    uint32_t oldest, last, count;  // cells in order, if count is not 0
    wend_duration time;            // 0: preset
    wend_duration relay_time;      // of a change to the relay; 0: as any
    struct wend_hold_place waived; // below it something was waited for in vain
    struct wend_hold_place left;   // the newest LEAVE's first counter, and how it came
    struct wend_hold_way left_way;

    // Not in NONE.
    wend_duration wait;         // hold time of this mode
    struct wend_hold_place top; // behind the greatest that is held, and how that came
    struct wend_hold_way top_way;
    struct wend_hold_place first; // TRANSIT: held from here on; SEQUENCE: older marks say nothing
    struct wend_hold_way new_way; // TRANSIT: of the message that began it; SEQUENCE: of ENTER
    uint64_t base, missing;       // TRANSIT: of the counters from base to first.next, still to come
    struct wend_hold_place end;   // SEQUENCE: it ends here; pair 0: not known
    bool entered, is_left;        // marks of this change that have come; is_left: SEQUENCE alone
    wend_instant until;           // SEQUENCE
};

struct wend_hold_cell {
    uint64_t counter;
    wend_instant since; // held; never later than that of the next one in order
    uint32_t pair, slot;
    uint32_t next, previous;
    uint16_t len;
};

// A chain of cells by their numbers.
struct wend_hold_list {
    uint32_t first, last;
};

// All peers' cells and timers. Zeroed and initialised once; pages never used are not touched.
struct wend_hold_pool {
    struct wend_hold_list ready;    // due, in order
    struct wend_hold_list borrowed; // handed out by next
    uint32_t free;                  // chain of cells given back
    uint32_t used_before;           // cells from here on were never used
    uint32_t taken;                 // not free
    struct wend_heap timers;
    struct wend_heap_entry entries[WEND_HOLD_PEERS];
    struct wend_hold_cell cells[WEND_HOLD_CELLS];
    _Alignas(64) uint8_t bytes[WEND_HOLD_CELLS][WEND_HOLD_CELL_LEN];
};

void wend_hold_pool_init(struct wend_hold_pool *p);

// Whether accept may be called. False only while cells are ready or borrowed: drain and return.
static inline bool wend_hold_has_room(const struct wend_hold_pool *p)
{
    return p->taken < WEND_HOLD_CELLS;
}

enum wend_hold_verdict {
    WEND_HOLD_NOTHING = 0,
    WEND_HOLD_DELIVER, // now, before what became ready
    WEND_HOLD_LATE,    // now; its successors were delivered before it
    WEND_HOLD_TAKEN,   // copied; comes back by wend_hold_next
};

// The ordinary case: a message without a mark that came by the way in use (h->way). True: it is the
// next one and to be delivered. False: nothing was changed, ask accept.
static inline bool wend_hold_pass(struct wend_hold *h, uint32_t pair, uint64_t counter,
                                  wend_instant now)
{
    if (counter != h->at.next || pair != h->at.pair || h->mode != WEND_HOLD_NONE)
        return false;
    h->at.next++;
    h->heard_at = now;
    return true;
}

// Takes every message, in order of arrival; requires wend_hold_has_room. What became due is ready.
enum wend_hold_verdict wend_hold_accept(struct wend_hold_pool *p, struct wend_hold *h,
                                        const struct wend_hold_message *m, wend_instant now);

// How long to wait from the next change on, and in one under way if it is longer; cut to
// WEND_HOLD_TIME_MAX.
void wend_hold_set_time(struct wend_hold_pool *p, struct wend_hold *h, wend_duration time);
// The same for changes to the relay from now on. A direct path that died brings nothing more, and
// one that lives was seldom the slower way: this is often short. 0: as any other change.
void wend_hold_set_relay_time(struct wend_hold *h, wend_duration time);

// What has waited long enough, of all peers, becomes ready.
void wend_hold_expire(struct wend_hold_pool *p, wend_instant now);
static inline wend_instant wend_hold_deadline(const struct wend_hold_pool *p)
{
    return wend_heap_deadline(&p->timers);
}

// Forgets a peer; what waits is dropped, but not what next has handed out.
void wend_hold_close(struct wend_hold_pool *p, struct wend_hold *h, uint32_t slot);

static inline bool wend_hold_has_ready(const struct wend_hold_pool *p)
{
    return p->ready.first != WEND_HOLD_NO_CELL;
}

// The next packet that is due: NULL if none. Its bytes (WEND_HOLD_CELL_LEN, writable) stay until
// wend_hold_return, which takes back all that were handed out.
uint8_t *wend_hold_next(struct wend_hold_pool *p, uint32_t *ret_slot, size_t *ret_len);
void wend_hold_return(struct wend_hold_pool *p);

void wend_hold_check(const struct wend_hold_pool *p, const struct wend_hold *h); // invariants
void wend_hold_pool_check(const struct wend_hold_pool *p);

// ---- hold_cells.c, for hold.c alone ----

// A copy of the message, at its place among those of the peer.
void wend_hold_insert(struct wend_hold_pool *p, struct wend_hold *h,
                      const struct wend_hold_message *m, wend_instant now);
void wend_hold_release_oldest(struct wend_hold_pool *p, struct wend_hold *h); // becomes ready

static inline bool wend_hold_is_before(struct wend_hold_place a, struct wend_hold_place b)
{
    return a.pair != b.pair ? a.pair < b.pair : a.next < b.next;
}

#endif
