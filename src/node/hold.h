// SPDX-License-Identifier: MIT
// Resequencer: keeps a peer's packets in order while they come by more than one way.
//
// Place:  open_packet.c opens a message -> wend_hold_accept -> DELIVER: into the batch at once
//                                                           -> TAKEN: a copy lies in a cell here
//         wend_hold_next: copies that are due, in order -> batch -> wend_hold_return when drained
//
// Rule:   each way keeps its own order, as networks mostly do. So a missing counter may still come
//         by a way that has brought nothing newer, and by no other. What is behind a gap waits
//           - for each way that is known, was not left, and is not past the gap (a track),
//           - for a way that is not known yet but must exist, because a mark or a way that was left
//             and is in use again says that the counters in between went elsewhere (a debt),
//         until all have come, or those ways are past it, or have said LEAVE, or the hold time is
//         over. With one way in use nothing ever waits.
//           ENTER     counters below its first came by others; the one just below was its LEAVE,
//                     and no packet
//           LEAVE     by this way nothing more comes
//           BOTH      another way is about to bring the same; a way silent for 150 ms is dead
//           a pair whose first message is not its counter 0: what is below went round by the node
//
// Wire:   decides by counters, by ways, and by Switch messages (wire/switch.h) alone.
//         docs/protocol.md section 7.5. Key pairs are numbered in the order in which their keys
//         came: messages of a newer one are newer.
// Timing: hold time 200 ms until the node says better, and at most; 5 ms below a fresh pair's
//         first message.
// Limits: WEND_HOLD_PEER_MAX cells a peer, WEND_HOLD_CELLS in all. Who reaches one: everything the
//         peer has here is released in order. Nothing is dropped.
//
//         Ways and debts beyond those that have a place: the oldest is forgotten.
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
#define WEND_HOLD_TRACKS   4
#define WEND_HOLD_DEBTS    6

#define WEND_HOLD_TIME     WEND_MS(200)
#define WEND_HOLD_TIME_MAX WEND_MS(200)
#define WEND_HOLD_FRESH    WEND_MS(5)
#define WEND_HOLD_DEAD     WEND_MS(150)

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

// A way and how far it has come.
struct wend_hold_track {
    struct wend_hold_way way;
    struct wend_hold_place from; // the first that came since it is in use
    struct wend_hold_place next; // behind the newest that came by it
    struct wend_hold_place end;  // it was left there, until it is heard again; else far away
    struct wend_hold_place left; // the end that its newest LEAVE named
    wend_instant heard;
    wend_instant behind_since; // valid if behind: another has brought newer ones
    uint32_t turn;             // when it was heard, among tracks; wraps
    bool behind;
    bool behind_relay; // and it is a direct path: seldom far behind
};

// Counters from `from` to `to` did not come by the track `by`: another way brings them.
struct wend_hold_debt {
    struct wend_hold_place from, to; // to.pair 0: none
    wend_instant since;
    uint8_t by;     // or NO_TRACK
    bool is_marked; // an ENTER said so: the last one before `to` is its LEAVE
    bool is_brief;  // they come by way of the node, which does not take long
};

#define WEND_HOLD_NO_TRACK UINT8_MAX
#define WEND_HOLD_FAR      ((struct wend_hold_place){UINT32_MAX, UINT64_MAX})

// One peer. Zeroed: nothing was heard. 960 bytes, of which the first 130 or so are for all packets,
// the others for those that do not simply follow the one before.
struct wend_hold {
    struct wend_hold_place at; // behind the newest that was delivered
    struct wend_hold_way way;  // of the newest message; kind 0: none, or it was left
    wend_instant heard_at;     // by that way
    uint32_t count;            // cells in order; if it is not 0:
    uint32_t oldest, last;     //
    struct wend_heap_node timer;
    wend_duration wait;            // how long they wait
    wend_duration time;            // hold time as told; 0: preset
    wend_duration relay_time;      // for a direct path, behind the relay; 0: as any
    struct wend_hold_place waived; // below it something was waited for in vain

    struct wend_hold_place noted;          // `at`, when tracks were true
    struct wend_hold_place both, both_end; // of the newest BOTH; pair 0: none, or of no interest
    wend_instant both_since;
    struct wend_hold_place entered; // first of the newest ENTER
    uint32_t turn;
    uint8_t both_by; // tracks that brought what lies between both and both_end, by bits
    uint8_t current; // track of `way`
    struct wend_hold_track tracks[WEND_HOLD_TRACKS];
    struct wend_hold_debt debts[WEND_HOLD_DEBTS];
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
    if (counter != h->at.next || pair != h->at.pair || h->count != 0)
        return false;
    h->at.next++;
    h->heard_at = now;
    return true;
}

// Takes every message, in order of arrival; requires wend_hold_has_room. What became due is ready.
enum wend_hold_verdict wend_hold_accept(struct wend_hold_pool *p, struct wend_hold *h,
                                        const struct wend_hold_message *m, wend_instant now);

// A message that had come before, by another way or again: its way is so far, at least.
void wend_hold_seen(struct wend_hold_pool *p, struct wend_hold *h,
                    const struct wend_hold_message *m, wend_instant now);

// How long to wait from the next gap on, and for those that wait already if it is longer; cut to
// WEND_HOLD_TIME_MAX.
void wend_hold_set_time(struct wend_hold_pool *p, struct wend_hold *h, wend_duration time);

// The same for a direct path that is behind the relay. One that died brings nothing more, and one
// that lives was seldom the slower way: this is often short. 0: as any other.
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

// ---- hold_ways.c, for hold.c alone ----

#define WEND_HOLD_NOBODY INT64_MIN

// Whether what has come before is news of its way: a known one, or the second of a double.
bool wend_hold_knows(const struct wend_hold *h, const struct wend_hold_way *way, wend_instant now);
// Takes note of what a message says of its way and of the others.
void wend_hold_hear(struct wend_hold *h, const struct wend_hold_message *m, wend_instant now);
// Until when what came at `since` is to wait for counters from `at` to `to`; NOBODY: nobody can
// bring them any more.
wend_instant wend_hold_awaits(const struct wend_hold *h, struct wend_hold_place to,
                              wend_instant since);
// Where a mark alone is missing at `at`, it is passed over; not beyond `to`.
void wend_hold_pass_marks(struct wend_hold *h, struct wend_hold_place to);

static inline bool wend_hold_is_before(struct wend_hold_place a, struct wend_hold_place b)
{
    return a.pair != b.pair ? a.pair < b.pair : a.next < b.next;
}
static inline bool wend_hold_is_at(struct wend_hold_place a, struct wend_hold_place b)
{
    return a.pair == b.pair && a.next == b.next;
}
static inline struct wend_hold_place wend_hold_place_of(const struct wend_hold_message *m)
{
    return (struct wend_hold_place){m->pair, m->counter};
}
static inline wend_duration wend_hold_time(const struct wend_hold *h)
{
    return h->time != 0 ? h->time : WEND_HOLD_TIME;
}

#endif
