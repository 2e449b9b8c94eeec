// SPDX-License-Identifier: MIT
#include <errno.h>
#include <string.h>

#include "base/assert.h"
#include "crypto/crypto.h"
#include "session/data.h"

_Static_assert(sizeof(struct wend_box) <= 224, "a server holds up to three a client");

void wend_box_init(struct wend_box *b, const struct wend_keys *keys, enum wend_message_type type)
{
    wend_assert(type == WEND_MESSAGE_DATA || type == WEND_MESSAGE_CONTROL);
    const bool data = type == WEND_MESSAGE_DATA;
    *b = (struct wend_box){
        .local_index = keys->local_index,
        .remote_index = keys->remote_index,
        .type = (uint8_t)type,
    };
    memcpy(b->send_key, data ? keys->send_key : keys->control_send_key, sizeof b->send_key);
    memcpy(b->receive_key, data ? keys->receive_key : keys->control_receive_key,
           sizeof b->receive_key);
}

void wend_box_close(struct wend_box *b)
{
    wend_wipe(b, sizeof *b);
}

static int seal(struct wend_box *b, struct wend_bytes body, size_t padding, struct wend_writer *out)
{
    wend_assert(b->type != 0);
    const size_t sealed_len = body.len + padding + WEND_MESSAGE_TAG_LEN;
    if (b->counter >= WEND_REJECT_AFTER_MESSAGES)
        return -EKEYEXPIRED;
    if (out->failed || out->left < WEND_MESSAGE_DATA_HEADER_LEN + sealed_len)
        return -ENOBUFS;
    uint8_t *const at = out->at;
    wend_write_zeros(out, WEND_MESSAGE_DATA_HEADER_LEN);
    wend_message_write_data_header(at, b->type, b->remote_index, b->counter);
    uint8_t *const sealed = out->at;
    wend_write_bytes(out, body);
    wend_write_zeros(out, padding + WEND_MESSAGE_TAG_LEN);
    wend_assert(!out->failed);
    wend_aead_seal(b->send_key, b->counter++, (struct wend_bytes){0},
                   (struct wend_bytes){sealed, body.len + padding}, sealed);
    return 0;
}

int wend_box_seal(struct wend_box *b, struct wend_bytes body, struct wend_writer *out)
{
    return seal(b, body, (16 - body.len % 16) % 16, out);
}

int wend_box_seal_bare(struct wend_box *b, struct wend_bytes body, struct wend_writer *out)
{
    return seal(b, body, 0, out);
}

enum wend_drop wend_box_open(struct wend_box *b, struct wend_bytes in, uint8_t *ret,
                             size_t *ret_len)
{
    struct wend_message_data m;
    if (wend_message_read_data(in, &m) || m.type != b->type)
        return WEND_DROP_MALFORMED;
    if (m.receiver != b->local_index)
        return WEND_DROP_NO_SESSION;
    if (m.counter >= WEND_REJECT_AFTER_MESSAGES)
        return WEND_DROP_EXPIRED;
    if (wend_aead_open(b->receive_key, m.counter, (struct wend_bytes){0}, m.sealed, ret))
        return WEND_DROP_DECRYPT_FAILED;

    struct wend_replay window = {
        .words = b->words,
        .mask = sizeof b->words / sizeof b->words[0] - 1,
        .limit = b->limit,
    };
    if (!wend_replay_accept(&window, m.counter))
        return WEND_DROP_REPLAYED;
    b->limit = window.limit;
    *ret_len = m.sealed.len - WEND_MESSAGE_TAG_LEN;
    return WEND_DROP_NONE;
}
