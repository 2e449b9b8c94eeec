// SPDX-License-Identifier: MIT
#include "wire/session.h"

#include <errno.h>
#include <string.h>

#include "base/assert.h"

// Everything that differs between the four handshake messages.
struct shape {
    size_t base_len; // without the payload
    size_t payload_min;
    size_t payload_max;
    bool initiation;
};

static bool find_shape(uint32_t type, struct shape *ret)
{
    static const struct shape shapes[] = {
        [WEND_MESSAGE_WG_INITIATION] = {WEND_MESSAGE_INITIATION_BASE, WEND_MESSAGE_TIMESTAMP_LEN,
                                        WEND_MESSAGE_TIMESTAMP_LEN, true},
        [WEND_MESSAGE_WG_RESPONSE] = {WEND_MESSAGE_RESPONSE_BASE, 0, 0, false},
        [WEND_MESSAGE_INITIATION] = {WEND_MESSAGE_INITIATION_BASE, 0, WEND_MESSAGE_PAYLOAD_MAX,
                                     true},
        [WEND_MESSAGE_RESPONSE] = {WEND_MESSAGE_RESPONSE_BASE, 0, WEND_MESSAGE_PAYLOAD_MAX, false},
    };
    if (type >= sizeof shapes / sizeof shapes[0] || shapes[type].base_len == 0)
        return false;
    *ret = shapes[type];
    return true;
}

static bool allows(const struct shape *shape, size_t payload_len)
{
    return payload_len >= shape->payload_min && payload_len <= shape->payload_max;
}

int wend_message_read_handshake(struct wend_bytes in, struct wend_message_handshake *ret)
{
    struct wend_reader r = wend_reader_of(in);
    struct wend_message_handshake m = {0};
    struct shape shape;
    const uint32_t type = wend_read_u32le(&r); // with the three zero bytes
    if (r.failed || !find_shape(type, &shape) || in.len < shape.base_len)
        return -EBADMSG;
    const size_t payload_len = in.len - shape.base_len;
    if (!allows(&shape, payload_len))
        return -EBADMSG;

    m.type = (uint8_t)type;
    m.sender = wend_read_u32le(&r);
    if (!shape.initiation)
        m.receiver = wend_read_u32le(&r);
    m.ephemeral = wend_read_view(&r, WEND_MESSAGE_KEY_LEN).at;
    if (shape.initiation)
        m.sealed_static = wend_read_view(&r, WEND_MESSAGE_SEALED_STATIC_LEN).at;
    m.sealed = wend_read_view(&r, payload_len + WEND_MESSAGE_TAG_LEN);
    m.mac1 = wend_read_view(&r, WEND_MESSAGE_MAC_LEN).at;
    m.mac2 = wend_read_view(&r, WEND_MESSAGE_MAC_LEN).at;
    m.mac1_covers = (struct wend_bytes){in.at, in.len - 2 * WEND_MESSAGE_MAC_LEN};
    m.mac2_covers = (struct wend_bytes){in.at, in.len - WEND_MESSAGE_MAC_LEN};
    wend_assert(!r.failed && r.left == 0); // the shapes' lengths are the sums of their fields
    *ret = m;
    return 0;
}

int wend_message_read_cookie(struct wend_bytes in, struct wend_message_cookie *ret)
{
    struct wend_reader r = wend_reader_of(in);
    struct wend_message_cookie m = {0};
    const uint32_t type = wend_read_u32le(&r);
    m.receiver = wend_read_u32le(&r);
    m.nonce = wend_read_view(&r, WEND_MESSAGE_NONCE_LEN).at;
    m.sealed_cookie = wend_read_view(&r, WEND_MESSAGE_SEALED_COOKIE_LEN).at;
    if (r.failed || r.left != 0 || type != WEND_MESSAGE_COOKIE)
        return -EBADMSG;
    *ret = m;
    return 0;
}

int wend_message_read_data(struct wend_bytes in, struct wend_message_data *ret)
{
    if (in.len < WEND_MESSAGE_DATA_HEADER_LEN + WEND_MESSAGE_TAG_LEN)
        return -EBADMSG;
    const uint32_t type = wend_get_u32le(in.at);
    if (type != WEND_MESSAGE_DATA && type != WEND_MESSAGE_CONTROL)
        return -EBADMSG;
    *ret = (struct wend_message_data){
        .type = (uint8_t)type,
        .receiver = wend_get_u32le(in.at + 4),
        .counter = wend_get_u64le(in.at + 8),
        .sealed = {in.at + WEND_MESSAGE_DATA_HEADER_LEN, in.len - WEND_MESSAGE_DATA_HEADER_LEN},
    };
    return 0;
}

static uint8_t *take(uint8_t **at, size_t len)
{
    uint8_t *const field = *at;
    *at += len;
    return field;
}

size_t wend_message_write_handshake(uint8_t *at, size_t capacity,
                                    const struct wend_message_plan *plan,
                                    struct wend_message_slots *ret)
{
    struct shape shape = {0};
    const bool known = find_shape((uint32_t)plan->type, &shape);
    wend_assert(known && allows(&shape, plan->payload_len));
    const size_t len = shape.base_len + plan->payload_len;
    if (capacity < len)
        return 0;

    memset(at, 0, len);
    wend_put_u32le(take(&at, 4), (uint32_t)plan->type);
    wend_put_u32le(take(&at, 4), plan->sender);
    if (!shape.initiation)
        wend_put_u32le(take(&at, 4), plan->receiver);
    struct wend_message_slots slots = {.sealed_len = plan->payload_len + WEND_MESSAGE_TAG_LEN};
    slots.ephemeral = take(&at, WEND_MESSAGE_KEY_LEN);
    if (shape.initiation)
        slots.sealed_static = take(&at, WEND_MESSAGE_SEALED_STATIC_LEN);
    slots.sealed = take(&at, slots.sealed_len);
    slots.mac1 = take(&at, WEND_MESSAGE_MAC_LEN);
    slots.mac2 = take(&at, WEND_MESSAGE_MAC_LEN);
    *ret = slots;
    return len;
}

void wend_message_write_cookie(uint8_t at[static WEND_MESSAGE_COOKIE_LEN],
                               const struct wend_message_cookie *cookie)
{
    wend_put_u32le(at, WEND_MESSAGE_COOKIE);
    wend_put_u32le(at + 4, cookie->receiver);
    memcpy(at + 8, cookie->nonce, WEND_MESSAGE_NONCE_LEN);
    memcpy(at + 32, cookie->sealed_cookie, WEND_MESSAGE_SEALED_COOKIE_LEN);
}
