// SPDX-License-Identifier: MIT
#include "session/data.h"

#include <string.h>

#include "base/assert.h"
#include "crypto/crypto.h"

int wend_sender_init(struct wend_sender *s, const uint8_t key[static 32], uint32_t remote_index)
{
    *s = (struct wend_sender){.remote_index = remote_index};
    return wend_aead_init(&s->aead, key);
}

void wend_sender_close(struct wend_sender *s)
{
    wend_aead_close(&s->aead);
    *s = (struct wend_sender){0};
}

bool wend_sender_is_worn(const struct wend_sender *s)
{
    return s->counter >= WEND_REKEY_AFTER_MESSAGES;
}

// To a multiple of 16, but never past the MTU: a full packet must not grow. A packet longer than
// the MTU (it was not ours to send) is padded to 16 all the same.
static size_t padded_len(size_t len, size_t mtu)
{
    const size_t rounded = (len + 15) & ~(size_t)15;
    return len <= mtu && rounded > mtu ? mtu : rounded;
}

size_t wend_data_seal(struct wend_sender *s, uint8_t *inner, size_t len, size_t mtu)
{
    if (s->counter >= WEND_REJECT_AFTER_MESSAGES)
        return 0;
    const size_t padded = padded_len(len, mtu);
    memset(inner + len, 0, padded - len);
    const uint64_t counter = s->counter++;
    wend_message_write_data_header(inner - WEND_DATA_HEADROOM, WEND_MESSAGE_DATA, s->remote_index,
                                   counter);
    wend_aead_seal_packet(&s->aead, counter, (struct wend_bytes){inner, padded}, inner);
    return padded + WEND_DATA_OVERHEAD;
}

size_t wend_data_seal_batch(struct wend_sender *s, struct wend_data_item *items, size_t count,
                            size_t mtu)
{
    for (size_t i = 0; i < count; i++) {
        items[i].message_len = wend_data_seal(s, items[i].inner, items[i].len, mtu);
        if (items[i].message_len == 0)
            return i;
    }
    return count;
}

int wend_receiver_init(struct wend_receiver *r, const uint8_t key[static 32], uint32_t local_index,
                       uint64_t *words, size_t word_count)
{
    *r = (struct wend_receiver){.local_index = local_index};
    wend_replay_init(&r->replay, words, word_count);
    return wend_aead_init(&r->aead, key);
}

void wend_receiver_close(struct wend_receiver *r)
{
    wend_aead_close(&r->aead);
    *r = (struct wend_receiver){0};
}

enum wend_drop wend_data_unseal(struct wend_receiver *r, uint8_t *message, size_t len,
                                uint64_t *ret_counter, struct wend_bytes *ret)
{
    struct wend_message_data m;
    if (wend_message_read_data((struct wend_bytes){message, len}, &m) ||
        m.type != WEND_MESSAGE_DATA)
        return WEND_DROP_MALFORMED;
    if (m.receiver != r->local_index)
        return WEND_DROP_NO_SESSION;
    if (m.counter >= WEND_REJECT_AFTER_MESSAGES)
        return WEND_DROP_EXPIRED;
    uint8_t *const inner = message + WEND_DATA_HEADROOM;
    if (wend_aead_open_packet(&r->aead, m.counter, m.sealed, inner))
        return WEND_DROP_DECRYPT_FAILED;
    *ret_counter = m.counter;
    *ret = (struct wend_bytes){inner, m.sealed.len - WEND_MESSAGE_TAG_LEN};
    return WEND_DROP_NONE;
}

enum wend_drop wend_data_open(struct wend_receiver *r, uint8_t *message, size_t len,
                              struct wend_bytes *ret)
{
    uint64_t counter;
    struct wend_bytes inner;
    const enum wend_drop reason = wend_data_unseal(r, message, len, &counter, &inner);
    if (reason != WEND_DROP_NONE)
        return reason;
    if (!wend_replay_accept(&r->replay, counter))
        return WEND_DROP_REPLAYED;
    *ret = inner;
    return WEND_DROP_NONE;
}
