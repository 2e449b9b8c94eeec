// SPDX-License-Identifier: MIT
#include "base/bytes.h"

#include "base/assert.h"

#include <string.h>

bool wend_bytes_equal(struct wend_bytes a, struct wend_bytes b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.at, b.at, a.len) == 0);
}

struct wend_reader wend_reader_of(struct wend_bytes in)
{
    return (struct wend_reader){.at = in.at, .left = in.len};
}

struct wend_bytes wend_read_view(struct wend_reader *r, size_t len)
{
    if (r->failed || len > r->left) {
        r->failed = true;
        return (struct wend_bytes){0};
    }
    const struct wend_bytes view = {.at = r->at, .len = len};
    if (len > 0) // an empty view may have no address to add to
        r->at += len;
    r->left -= len;
    return view;
}

void wend_read_copy(struct wend_reader *r, uint8_t *ret, size_t len)
{
    const struct wend_bytes view = wend_read_view(r, len);
    if (len == 0)
        return;
    if (view.at != NULL)
        memcpy(ret, view.at, len);
    else
        memset(ret, 0, len);
}

uint8_t wend_read_u8(struct wend_reader *r)
{
    const struct wend_bytes view = wend_read_view(r, 1);
    return view.at == NULL ? 0 : view.at[0];
}

uint16_t wend_read_u16(struct wend_reader *r)
{
    const struct wend_bytes view = wend_read_view(r, 2);
    return view.at == NULL ? 0 : wend_get_u16(view.at);
}

uint32_t wend_read_u32(struct wend_reader *r)
{
    const struct wend_bytes view = wend_read_view(r, 4);
    return view.at == NULL ? 0 : wend_get_u32(view.at);
}

uint64_t wend_read_u64(struct wend_reader *r)
{
    const struct wend_bytes view = wend_read_view(r, 8);
    return view.at == NULL ? 0 : (uint64_t)wend_get_u32(view.at) << 32 | wend_get_u32(view.at + 4);
}

uint32_t wend_read_u32le(struct wend_reader *r)
{
    const struct wend_bytes view = wend_read_view(r, 4);
    return view.at == NULL ? 0 : wend_get_u32le(view.at);
}

uint64_t wend_read_u64le(struct wend_reader *r)
{
    const struct wend_bytes view = wend_read_view(r, 8);
    return view.at == NULL ? 0 : wend_get_u64le(view.at);
}

struct wend_writer wend_writer_of(uint8_t *at, size_t len)
{
    return (struct wend_writer){.at = at, .left = len};
}

// Hands out the next `len` bytes to be filled; NULL when there is no room, or nothing to fill.
static uint8_t *claim(struct wend_writer *w, size_t len)
{
    if (w->failed || len > w->left) {
        w->failed = true;
        return NULL;
    }
    if (len == 0)
        return NULL;
    uint8_t *at = w->at;
    w->at += len;
    w->left -= len;
    w->len += len;
    return at;
}

void wend_write_u8(struct wend_writer *w, uint8_t v)
{
    uint8_t *at = claim(w, 1);
    if (at != NULL)
        at[0] = v;
}

void wend_write_u16(struct wend_writer *w, uint16_t v)
{
    uint8_t *at = claim(w, 2);
    if (at != NULL)
        wend_put_u16(at, v);
}

void wend_write_u32(struct wend_writer *w, uint32_t v)
{
    uint8_t *at = claim(w, 4);
    if (at != NULL)
        wend_put_u32(at, v);
}

void wend_write_u64(struct wend_writer *w, uint64_t v)
{
    uint8_t *at = claim(w, 8);
    if (at == NULL)
        return;
    wend_put_u32(at, (uint32_t)(v >> 32));
    wend_put_u32(at + 4, (uint32_t)v);
}

void wend_write_u32le(struct wend_writer *w, uint32_t v)
{
    uint8_t *at = claim(w, 4);
    if (at != NULL)
        wend_put_u32le(at, v);
}

void wend_write_u64le(struct wend_writer *w, uint64_t v)
{
    uint8_t *at = claim(w, 8);
    if (at != NULL)
        wend_put_u64le(at, v);
}

void wend_write_bytes(struct wend_writer *w, struct wend_bytes in)
{
    uint8_t *at = claim(w, in.len);
    if (at == NULL)
        return;
    wend_assert(in.at != NULL);
    memcpy(at, in.at, in.len);
}

void wend_write_zeros(struct wend_writer *w, size_t len)
{
    uint8_t *at = claim(w, len);
    if (at != NULL)
        memset(at, 0, len);
}
