// SPDX-License-Identifier: MIT
#include "wire/switch.h"

#include <errno.h>

#define SWITCH_TYPE 1

void wend_switch_write(uint8_t ret[static WEND_SWITCH_LEN], const struct wend_switch *s)
{
    ret[0] = SWITCH_TYPE;
    ret[1] = (uint8_t)s->kind;
    ret[2] = ret[3] = 0;
    wend_put_u32(ret + 4, (uint32_t)(s->first >> 32));
    wend_put_u32(ret + 8, (uint32_t)s->first);
}

int wend_switch_read(struct wend_bytes in, struct wend_switch *ret)
{
    if (in.len < WEND_SWITCH_LEN || in.at[0] != SWITCH_TYPE || in.at[2] != 0 || in.at[3] != 0)
        return -EBADMSG;
    if (in.at[1] < WEND_SWITCH_LEAVE || in.at[1] > WEND_SWITCH_BOTH)
        return -EBADMSG;
    for (size_t i = WEND_SWITCH_LEN; i < in.len; i++)
        if (in.at[i] != 0)
            return -EBADMSG;
    ret->kind = (enum wend_switch_kind)in.at[1];
    ret->first = (uint64_t)wend_get_u32(in.at + 4) << 32 | wend_get_u32(in.at + 8);
    return 0;
}
