// SPDX-License-Identifier: MIT
#include "wire/frame.h"

#include <errno.h>
#include <string.h>

#include "base/assert.h"

int wend_frame_read(struct wend_bytes in, struct wend_frame *ret)
{
    if (in.len <= WEND_FRAME_HEADER_LEN || in.at[0] != WEND_FRAME_TYPE || in.at[1] != 0)
        return -EBADMSG;
    *ret = (struct wend_frame){
        .reserved = wend_get_u16(in.at + 2),
        .channel = wend_get_u32(in.at + 4),
        .datagram = {in.at + WEND_FRAME_HEADER_LEN, in.len - WEND_FRAME_HEADER_LEN},
    };
    return 0;
}

static bool is_hint_kind(uint8_t kind)
{
    return kind >= WEND_HINT_UNKNOWN_SESSION && kind <= WEND_HINT_UNKNOWN_SOURCE;
}

int wend_hint_read(struct wend_bytes in, struct wend_hint *ret)
{
    struct wend_reader r = wend_reader_of(in);
    struct wend_hint hint = {0};
    const uint8_t type = wend_read_u8(&r);
    hint.kind = wend_read_u8(&r);
    const uint16_t zero = wend_read_u16(&r);
    wend_read_copy(&r, hint.echo, sizeof hint.echo);
    if (r.failed || r.left != 0 || type != WEND_HINT_TYPE || zero != 0 || !is_hint_kind(hint.kind))
        return -EBADMSG;
    *ret = hint;
    return 0;
}

void wend_hint_write(uint8_t at[static WEND_HINT_LEN], const struct wend_hint *hint)
{
    wend_assert(is_hint_kind(hint->kind));
    at[0] = WEND_HINT_TYPE;
    at[1] = hint->kind;
    wend_put_u16(at + 2, 0);
    memcpy(at + 4, hint->echo, sizeof hint->echo);
}

void wend_stream_init(struct wend_stream *s, uint8_t buffer[static WEND_DATAGRAM_MAX])
{
    *s = (struct wend_stream){.buffer = buffer};
}

static size_t take(struct wend_bytes *in, uint8_t *to, size_t len)
{
    const size_t taken = len < in->len ? len : in->len;
    if (taken == 0) // an empty view may have no address to add to
        return 0;
    memcpy(to, in->at, taken);
    in->at += taken;
    in->len -= taken;
    return taken;
}

static void read_length(struct wend_stream *s, struct wend_bytes *in)
{
    s->have += take(in, s->length + s->have, sizeof s->length - s->have);
    if (s->have < sizeof s->length)
        return;
    s->have = 0;
    s->want = wend_get_u16(s->length);
    s->ended = s->want == 0 || s->want > WEND_DATAGRAM_MAX;
}

static bool read_body(struct wend_stream *s, struct wend_bytes *in, struct wend_bytes *ret)
{
    if (s->have == 0 && in->len >= s->want) {
        *ret = (struct wend_bytes){in->at, s->want};
        in->at += s->want;
        in->len -= s->want;
    } else {
        s->have += take(in, s->buffer + s->have, s->want - s->have);
        if (s->have < s->want)
            return false;
        *ret = (struct wend_bytes){s->buffer, s->want};
    }
    s->have = 0;
    s->want = 0;
    return true;
}

int wend_stream_push(struct wend_stream *s, struct wend_bytes *in, struct wend_bytes *ret)
{
    if (!s->ended && s->want == 0)
        read_length(s, in);
    if (s->ended)
        return -EPROTO;
    return s->want > 0 && read_body(s, in, ret) ? 1 : 0;
}

void wend_stream_write_header(uint8_t at[static WEND_STREAM_HEADER_LEN], size_t len)
{
    wend_assert(len > 0 && len <= WEND_DATAGRAM_MAX);
    wend_put_u16(at, (uint16_t)len);
}
