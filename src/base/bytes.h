// SPDX-License-Identifier: MIT
// Views of bytes and the two latching cursors every codec uses.
//
// A reader or writer that runs out latches `failed`: later reads return zero and later writes do
// nothing, so a parser reads straight through and checks once. Multi-byte integers are big-endian
// (network order) unless the name ends in `le` (WireGuard's messages are little-endian).
#ifndef WEND_BASE_BYTES_H
#define WEND_BASE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Borrowed, read-only. An empty view may have a NULL `at`.
struct wend_bytes {
    const uint8_t *at;
    size_t len;
};

struct wend_reader {
    const uint8_t *at;
    size_t left;
    bool failed;
};

struct wend_writer {
    uint8_t *at;
    size_t left;
    size_t len; // bytes written so far
    bool failed;
};

bool wend_bytes_equal(struct wend_bytes a, struct wend_bytes b); // not constant-time

struct wend_reader wend_reader_of(struct wend_bytes in);
uint8_t wend_read_u8(struct wend_reader *r);
uint16_t wend_read_u16(struct wend_reader *r);
uint32_t wend_read_u32(struct wend_reader *r);
uint64_t wend_read_u64(struct wend_reader *r);
uint32_t wend_read_u32le(struct wend_reader *r);
uint64_t wend_read_u64le(struct wend_reader *r);
// Copies `len` bytes to `ret`, or zeroes `ret` and latches.
void wend_read_copy(struct wend_reader *r, uint8_t *ret, size_t len);
// A view of the next `len` bytes, empty and latched if there are fewer.
struct wend_bytes wend_read_view(struct wend_reader *r, size_t len);

struct wend_writer wend_writer_of(uint8_t *at, size_t len);
void wend_write_u8(struct wend_writer *w, uint8_t v);
void wend_write_u16(struct wend_writer *w, uint16_t v);
void wend_write_u32(struct wend_writer *w, uint32_t v);
void wend_write_u64(struct wend_writer *w, uint64_t v);
void wend_write_u32le(struct wend_writer *w, uint32_t v);
void wend_write_u64le(struct wend_writer *w, uint64_t v);
void wend_write_bytes(struct wend_writer *w, struct wend_bytes in);
void wend_write_zeros(struct wend_writer *w, size_t len);

// A view of a whole array (not of a pointer).
#define WEND_BYTES(array) ((struct wend_bytes){.at = (array), .len = sizeof(array)})

// Unaligned access for packet paths that already checked the length.
static inline uint16_t wend_get_u16(const uint8_t *at)
{
    return (uint16_t)(at[0] << 8 | at[1]);
}

static inline uint32_t wend_get_u32(const uint8_t *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static inline uint32_t wend_get_u32le(const uint8_t *at)
{
    return (uint32_t)at[3] << 24 | (uint32_t)at[2] << 16 | (uint32_t)at[1] << 8 | at[0];
}

static inline uint64_t wend_get_u64le(const uint8_t *at)
{
    return (uint64_t)wend_get_u32le(at + 4) << 32 | wend_get_u32le(at);
}

static inline void wend_put_u16(uint8_t *at, uint16_t v)
{
    at[0] = (uint8_t)(v >> 8);
    at[1] = (uint8_t)v;
}

static inline void wend_put_u32(uint8_t *at, uint32_t v)
{
    wend_put_u16(at, (uint16_t)(v >> 16));
    wend_put_u16(at + 2, (uint16_t)v);
}

static inline void wend_put_u32le(uint8_t *at, uint32_t v)
{
    at[0] = (uint8_t)v;
    at[1] = (uint8_t)(v >> 8);
    at[2] = (uint8_t)(v >> 16);
    at[3] = (uint8_t)(v >> 24);
}

static inline void wend_put_u64le(uint8_t *at, uint64_t v)
{
    wend_put_u32le(at, (uint32_t)v);
    wend_put_u32le(at + 4, (uint32_t)(v >> 32));
}

#endif
