// SPDX-License-Identifier: MIT
// What the files of the sealing half share; nobody else includes this.
//
//   seal.c         init, close, lists, addresses, notices, invariants
//   seal_command.c what the node tells
//   seal_queue.c   packets that wait: cells from one pool, a list a slot; early data
//   seal_out.c     the out buffer: seal a message where it lies, append it to a run, double it
//   seal_switch.c  the peer is told when messages take another way
//   seal_answer.c  ICMP errors for the host
//   seal_packet.c  the packet path: find, split, judge, seal; flush
#ifndef WEND_NODE_SEAL_STATE_H
#define WEND_NODE_SEAL_STATE_H

#include "base/bucket.h"
#include "base/map.h"
#include "node/seal.h"
#include "session/data.h"
#include "wire/icmp.h"
#include "wire/switch.h"

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
    WEND_SEAL_SAY_SWITCHED = 8,
    WEND_SEAL_SAY_TRAFFIC = 16,
};

// The ways that the newest messages took, and what the peer was told of them; seal_switch.c.
struct wend_seal_course {
    struct wend_plane_path path, also;
    bool broken;        // `path` was taken away before there was another: no LEAVE
    bool spoken;        // user packets took these ways, the last at `spoke`
    bool repeat;        // the node wants the last Switch once more
    bool has_former;    // the keys before these; until a message was sealed under these
    uint8_t said;       // enum wend_switch_kind, the last under these keys
    uint64_t first;     // its counter
    wend_instant spoke; // valid if spoken
    struct wend_sender former;
};

struct wend_seal_slot {
    bool used;
    bool keyed;
    bool wanted;    // WANT or NO_KEYS was raised since the queue was served
    bool worn_told; // EXHAUSTED was raised for this key
    bool keepalive; // one is to go out
    bool watched;   // TRAFFIC is to be raised
    bool unsettled; // `course` is to be compared with path, also and keys before the next message
    bool narrow;    // the path carries less than the interface
    bool in_flush, in_notices;
    uint8_t say;
    uint8_t early_told; // packets that the node has as early data
    uint8_t early;      // of them, those still at the head of the queue
    uint32_t local_index;
    uint32_t first, last, count; // queue
    struct wend_sender sender;
    struct wend_plane_path path;
    struct wend_plane_path also;
    struct wend_bucket also_allowance; // bytes
    struct wend_address ipv4, ipv6;
    struct wend_seal_course course;
};

// A queue of slots, each at most once.
struct wend_seal_list {
    uint32_t head, count;
    uint16_t slots[WEND_SLOTS_MAX];
};

struct wend_seal {
    struct wend_seal_config config;
    uint32_t serial;                 // counts what makes runs differ: keys and paths
    uint32_t keyed_before;           // slots from here on never had keys
    uint32_t cells_used, cells_free; // never used ones begin at cells_used; list of freed ones
    struct wend_drops drops;
    struct wend_bucket answers; // how many ICMP errors more
    size_t answer_len;
    uint8_t answer[WEND_ICMP_MAX];
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
struct wend_seal_slot *wend_seal_find(struct wend_seal *s, uint8_t family, const uint8_t *ip);
void wend_seal_give_address(struct wend_seal *s, struct wend_seal_slot *p,
                            const struct wend_address *a, uint8_t family); // NONE: takes it away
static inline uint32_t wend_seal_number(const struct wend_seal *s, const struct wend_seal_slot *p)
{
    return (uint32_t)(p - s->slots);
}
static inline bool wend_seal_is_ready(const struct wend_seal_slot *p)
{
    return p->keyed && p->path.transport != WEND_TRANSPORT_NONE;
}
// What rides as early data may arrive: until the verdict it goes out by no other way, whatever keys
// or path come meanwhile, and what is behind it keeps its place.
static inline bool wend_seal_may_flow(const struct wend_seal_slot *p)
{
    return wend_seal_is_ready(p) && p->early == 0;
}
static inline bool wend_seal_is_doubled(const struct wend_seal_slot *p)
{
    return p->also.transport != WEND_TRANSPORT_NONE;
}

// seal_command.c
void wend_seal_lose_keys(struct wend_seal *s, struct wend_seal_slot *p);

// seal_queue.c
// A cell at the end of the slot's queue, perhaps its oldest used anew; NULL when the pool is empty.
struct wend_seal_cell *wend_seal_queue_push(struct wend_seal *s, struct wend_seal_slot *p);
void wend_seal_queue_pop(struct wend_seal *s, struct wend_seal_slot *p);
void wend_seal_queue_drop(struct wend_seal *s, struct wend_seal_slot *p); // all, counted
// Copies the head of the queue for the node, unless it has some of it already.
void wend_seal_tell_early(struct wend_seal *s, struct wend_seal_slot *p, struct wend_notice *ret);
// `count` of the packets told have arrived: what is still here of them counts as sent.
void wend_seal_early_done(struct wend_seal *s, struct wend_seal_slot *p, uint32_t count);

// seal_out.c
extern const struct wend_bucket_limit wend_seal_also_limit;
struct wend_seal_need { // at most
    size_t runs, bytes;
};
bool wend_seal_has_room(const struct wend_seal_out *out, struct wend_seal_need need);
// The same, twice where the slot is doubled. An empty buffer is room enough for what fits once:
// then the copies that do not are left out.
bool wend_seal_has_room_for(const struct wend_seal_slot *p, const struct wend_seal_out *out,
                            struct wend_seal_need need);
// Where the next inner packet for `way` is to be written.
uint8_t *wend_seal_place(const struct wend_plane_path *way, const struct wend_seal_out *out);
// Seals what was written to its place, under the slot's keys; 0 bytes make a keepalive. Returns the
// length of the datagram, or 0: the counter is used up, the slot has no keys any more.
size_t wend_seal_put(struct wend_seal *s, struct wend_seal_slot *p,
                     const struct wend_plane_path *way, size_t len, struct wend_seal_out *out);
// The same under other keys (those before). Returns 0 when their counter is used up: nothing is
// lost.
size_t wend_seal_put_with(struct wend_seal *s, const struct wend_seal_slot *p,
                          struct wend_sender *sender, const struct wend_plane_path *way, size_t len,
                          struct wend_seal_out *out);
// `messages` were put or copied for `way`: for the node's eyes, once for many.
void wend_seal_count(struct wend_seal *s, const struct wend_seal_slot *p,
                     const struct wend_plane_path *way, uint64_t messages);
// Appends a copy of the datagram of `len` bytes at `at`, which is for `from`, for `to`.
void wend_seal_copy(struct wend_seal *s, const struct wend_seal_slot *p, size_t at, size_t len,
                    const struct wend_plane_path *from, const struct wend_plane_path *to,
                    struct wend_seal_out *out);
// What is put from now on stands in runs of its own, the first of which has this number.
size_t wend_seal_mark(struct wend_seal *s, const struct wend_seal_out *out);
// What was put since the mark goes to `also` as well, as much as its allowance and the buffer take.
void wend_seal_double(struct wend_seal *s, struct wend_seal_slot *p, size_t mark, wend_instant now,
                      struct wend_seal_out *out);
static inline void wend_seal_add(_Atomic uint64_t *counter, uint64_t n) // the only writer
{
    const uint64_t old = atomic_load_explicit(counter, memory_order_relaxed);
    atomic_store_explicit(counter, old + n, memory_order_relaxed);
}

// seal_answer.c
void wend_seal_init_answers(struct wend_seal *s);
// Drops the packet, counts it, and leaves an answer to the host if one is due.
enum wend_seal_verdict wend_seal_unreachable(struct wend_seal *s, struct wend_bytes packet,
                                             wend_instant now);
enum wend_seal_verdict wend_seal_too_big(struct wend_seal *s, const struct wend_seal_slot *p,
                                         struct wend_bytes packet, wend_instant now);

// seal_switch.c
// Says what is due before the next message. Returns false when there is no room. The slot may have
// lost its keys after it.
bool wend_seal_settle(struct wend_seal *s, struct wend_seal_slot *p, wend_instant now,
                      struct wend_seal_out *out);
bool wend_seal_same_way(const struct wend_plane_path *a, const struct wend_plane_path *b);
// New keys: those before may still be needed for a LEAVE. All keys gone: nothing is said any more.
void wend_seal_course_rekey(struct wend_seal_slot *p);
void wend_seal_course_end(struct wend_seal_slot *p);

#endif
