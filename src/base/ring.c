// SPDX-License-Identifier: MIT
// Head and tail count bytes for ever (they wrap with size_t); masked, they are places. A record is
// an 8-byte header (its length, or SKIP when the rest of the memory is unused) and its bytes,
// rounded up to 8, so that headers stay aligned and a SKIP always fits before the end.
//
// Ordering: the producer fills the record, then stores head with release; the consumer loads head
// with acquire, reads, then stores tail with release, which the producer loads with acquire before
// it writes there again. Each side keeps what it last saw of the other and looks again only when
// that is not enough, so that the two cache lines seldom travel.
#include "base/ring.h"

#include "base/assert.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>

#define SKIP UINT32_MAX

static size_t round_up(size_t len)
{
    return (len + 7) & ~(size_t)7;
}

static uint32_t header_at(const struct wend_ring *r, size_t index)
{
    uint32_t header;
    memcpy(&header, r->memory + (index & (r->capacity - 1)), sizeof(header));
    return header;
}

static void set_header(struct wend_ring *r, size_t index, uint32_t header)
{
    memcpy(r->memory + (index & (r->capacity - 1)), &header, sizeof(header));
}

void wend_ring_init(struct wend_ring *r, void *memory, size_t capacity)
{
    wend_assert(capacity >= 64 && capacity <= (size_t)1 << 31);
    wend_assert((capacity & (capacity - 1)) == 0 && (uintptr_t)memory % 8 == 0);
    *r = (struct wend_ring){.memory = memory, .capacity = capacity};
}

// True when `bytes` from `head` on are free; looks at the consumer's index only if it must.
static bool has_room(struct wend_ring *r, size_t head, size_t bytes)
{
    if (head + bytes - r->tail_seen <= r->capacity)
        return true;
    r->tail_seen = atomic_load_explicit(&r->tail, memory_order_acquire);
    return head + bytes - r->tail_seen <= r->capacity;
}

uint8_t *wend_ring_reserve(struct wend_ring *r, size_t len)
{
    wend_assert(len <= wend_ring_record_max(r));
    const size_t head = atomic_load_explicit(&r->head, memory_order_relaxed);
    const size_t place = head & (r->capacity - 1);
    const size_t bytes = WEND_RING_HEADER_LEN + round_up(len);
    const size_t skip = r->capacity - place < bytes ? r->capacity - place : 0;
    r->reserved = 0;
    if (!has_room(r, head, skip + bytes)) {
        atomic_fetch_add_explicit(&r->dropped, 1, memory_order_relaxed);
        return NULL;
    }
    r->reserved = bytes;
    r->skip = skip;
    return r->memory + ((head + skip) & (r->capacity - 1)) + WEND_RING_HEADER_LEN;
}

void wend_ring_commit(struct wend_ring *r, size_t len)
{
    const size_t bytes = WEND_RING_HEADER_LEN + round_up(len);
    wend_assert(r->reserved != 0 && bytes <= r->reserved);
    const size_t head = atomic_load_explicit(&r->head, memory_order_relaxed);
    if (r->skip > 0)
        set_header(r, head, SKIP);
    set_header(r, head + r->skip, (uint32_t)len);
    atomic_store_explicit(&r->head, head + r->skip + bytes, memory_order_release);
    r->reserved = 0;
}

static bool is_empty(struct wend_ring *r, size_t tail)
{
    if (tail != r->head_seen)
        return false;
    r->head_seen = atomic_load_explicit(&r->head, memory_order_acquire);
    return tail == r->head_seen;
}

uint8_t *wend_ring_peek(struct wend_ring *r, size_t *ret_len)
{
    const size_t tail = atomic_load_explicit(&r->tail, memory_order_relaxed);
    if (is_empty(r, tail))
        return NULL;
    size_t skip = 0;
    if (header_at(r, tail) == SKIP) // a record follows: both were published at once
        skip = r->capacity - (tail & (r->capacity - 1));
    const size_t len = header_at(r, tail + skip);
    r->peeked = skip + WEND_RING_HEADER_LEN + round_up(len);
    *ret_len = len;
    return r->memory + ((tail + skip) & (r->capacity - 1)) + WEND_RING_HEADER_LEN;
}

void wend_ring_release(struct wend_ring *r)
{
    wend_assert(r->peeked != 0);
    const size_t tail = atomic_load_explicit(&r->tail, memory_order_relaxed);
    atomic_store_explicit(&r->tail, tail + r->peeked, memory_order_release);
    r->peeked = 0;
}

uint64_t wend_ring_dropped(const struct wend_ring *r)
{
    return atomic_load_explicit(&r->dropped, memory_order_relaxed);
}
