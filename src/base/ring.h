// SPDX-License-Identifier: MIT
// Records from one thread to one other, over the caller's memory, without a lock.
//
// One producer thread calls reserve and commit, one consumer thread calls peek and release; nobody
// else calls anything but the counter. In one thread (the simulator) it works the same. A record
// lies in one piece: one that does not fit before the end of the memory starts at its beginning.
//
//     producer                                         consumer
//     at = wend_ring_reserve(&r, 1500);                while ((at = wend_ring_peek(&r, &len))) {
//     if (at != NULL) {                                    use(at, len);
//         len = fill(at);                                  wend_ring_release(&r);
//         wend_ring_commit(&r, len);                   }
//     }
//
// Full: reserve returns NULL, the new record is dropped and counted; what is queued stays. Waking
// the other thread is the caller's affair.
#ifndef WEND_BASE_RING_H
#define WEND_BASE_RING_H

#include <stddef.h>
#include <stdint.h>

#define WEND_RING_CACHE_LINE 64
#define WEND_RING_HEADER_LEN 8

struct wend_ring {
    // Never change after init.
    uint8_t *memory;
    size_t capacity;

    // The producer's line: what it published, what it knows of the consumer.
    _Alignas(WEND_RING_CACHE_LINE) _Atomic size_t head;
    size_t tail_seen;
    size_t reserved; // bytes promised by the last reserve; 0: none
    size_t skip;     // bytes to leave unused before that record
    _Atomic uint64_t dropped;

    // The consumer's line.
    _Alignas(WEND_RING_CACHE_LINE) _Atomic size_t tail;
    size_t head_seen;
    size_t peeked; // bytes the record handed out by peek takes; 0: none
};

// `memory` is aligned to 8; `capacity` is a power of two from 64 bytes to 2 GiB.
void wend_ring_init(struct wend_ring *r, void *memory, size_t capacity);

// The longest record that always fits into an empty ring: a little less than half of it. A ring
// for 65,600-byte records takes 256 KiB.
static inline size_t wend_ring_record_max(const struct wend_ring *r)
{
    return r->capacity / 2 - WEND_RING_HEADER_LEN;
}

// Room for one record of at most `len` bytes (up to wend_ring_record_max), aligned to 8, or NULL
// when the ring is full. A second reserve replaces one that was not committed.
uint8_t *wend_ring_reserve(struct wend_ring *r, size_t len);
// Passes the record on, with `len` bytes of what was reserved.
void wend_ring_commit(struct wend_ring *r, size_t len);

// The oldest record, or NULL when there is none. The consumer may change it in place. Until it is
// released, the same one is returned again.
uint8_t *wend_ring_peek(struct wend_ring *r, size_t *ret_len);
void wend_ring_release(struct wend_ring *r);

// Records that found the ring full so far. Any thread may ask.
uint64_t wend_ring_dropped(const struct wend_ring *r);

#endif
