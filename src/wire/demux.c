// SPDX-License-Identifier: MIT
#include "wire/demux.h"

#include "wire/stun.h"

static bool has_three_zeros(struct wend_bytes in)
{
    return in.len >= 4 && (in.at[1] | in.at[2] | in.at[3]) == 0;
}

static bool is_stun(struct wend_bytes in)
{
    if (in.len < WEND_STUN_HEADER_LEN || wend_get_u32(in.at + 4) != WEND_STUN_COOKIE)
        return false;
    const size_t len = wend_get_u16(in.at + 2);
    return len % 4 == 0 && len == in.len - WEND_STUN_HEADER_LEN;
}

enum wend_kind wend_demux(struct wend_bytes in)
{
    if (in.len == 0)
        return WEND_KIND_UNKNOWN;
    const uint8_t first = in.at[0];
    if (first >= 1 && first <= 6 && has_three_zeros(in))
        return WEND_KIND_SESSION;
    if (first <= 3 && is_stun(in))
        return WEND_KIND_STUN;
    if (first == 7)
        return WEND_KIND_HINT;
    if (first == 8)
        return WEND_KIND_FRAME;
    if (first == 9 && has_three_zeros(in))
        return WEND_KIND_CONTROL;
    if (first >= 20 && first <= 63)
        return WEND_KIND_DTLS;
    if (first >= 64 && first <= 79)
        return WEND_KIND_TURN_CHANNEL;
    return WEND_KIND_UNKNOWN;
}
