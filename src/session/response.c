// SPDX-License-Identifier: MIT
// The second message, in the order of the pattern IKpsk2: e, ee, se, psk, payload; then the split.
#include <errno.h>
#include <string.h>

#include "base/assert.h"
#include "crypto/crypto.h"
#include "session/cookie.h"
#include "session/handshake.h"
#include "session/symmetric.h"

static enum wend_message_type type_of(enum wend_session_kind kind)
{
    return kind == WEND_SESSION_WIREGUARD ? WEND_MESSAGE_WG_RESPONSE : WEND_MESSAGE_RESPONSE;
}

static int write_keys(struct wend_symmetric *s, const struct wend_parties *parties,
                      const struct wend_initiation *i, const struct wend_handshake_input *input,
                      uint8_t *ret_ephemeral)
{
    memcpy(s->chaining_key, i->chaining_key, sizeof s->chaining_key);
    memcpy(s->hash, i->hash, sizeof s->hash);
    wend_x25519_public(input->ephemeral, ret_ephemeral);
    wend_symmetric_mix_ephemeral(s, ret_ephemeral);
    int error = wend_symmetric_mix_dh(s, input->ephemeral, i->remote_ephemeral);
    if (!error)
        error = wend_symmetric_mix_dh(s, input->ephemeral, i->remote_static);
    wend_symmetric_mix_psk(s, parties->remote->preshared);
    return error;
}

int wend_response_create(const struct wend_parties *parties, const struct wend_initiation *i,
                         const struct wend_handshake_input *input, struct wend_keys *ret)
{
    wend_assert(i->sealed_len == 0); // its payload was opened
    wend_assert(input->local_index != 0);
    if (input->attributes.len > WEND_MESSAGE_PAYLOAD_MAX)
        return -ENOBUFS;
    const struct wend_message_plan plan = {
        .type = type_of(parties->prologue->kind),
        .sender = input->local_index,
        .receiver = i->remote_index,
        .payload_len = input->attributes.len,
    };
    struct wend_message_slots slots;
    const size_t len = wend_message_write_handshake(input->out, input->out_max, &plan, &slots);
    if (len == 0)
        return -ENOBUFS;

    struct wend_symmetric s;
    const int error = write_keys(&s, parties, i, input, slots.ephemeral);
    if (!error) {
        if (input->attributes.len > 0)
            memcpy(slots.sealed, input->attributes.at, input->attributes.len);
        wend_symmetric_seal(&s, slots.sealed, input->attributes.len);
        wend_mac_write(input->out, &slots, parties->remote->mac1_key, input->cookie);
        *ret =
            (struct wend_keys){.local_index = input->local_index, .remote_index = i->remote_index};
        wend_symmetric_split(&s, ret);
    }
    wend_wipe(&s, sizeof s);
    return error ? error : (int)len;
}

static int read_keys(struct wend_symmetric *s, const struct wend_parties *parties,
                     const struct wend_handshake *h, const uint8_t *ephemeral)
{
    memcpy(s->chaining_key, h->chaining_key, sizeof s->chaining_key);
    memcpy(s->hash, h->hash, sizeof s->hash);
    wend_symmetric_mix_ephemeral(s, ephemeral);
    int error = wend_symmetric_mix_dh(s, h->ephemeral, ephemeral);
    if (!error)
        error = wend_symmetric_mix_dh(s, parties->self->private_key, ephemeral);
    wend_symmetric_mix_psk(s, parties->remote->preshared);
    return error;
}

enum wend_drop wend_response_open(const struct wend_parties *parties,
                                  const struct wend_handshake *h, struct wend_bytes in,
                                  struct wend_response *ret, struct wend_keys *ret_keys)
{
    struct wend_message_handshake m;
    if (wend_message_read_handshake(in, &m) || m.type != type_of(parties->prologue->kind))
        return WEND_DROP_MALFORMED;
    if (h->local_index == 0 || m.receiver != h->local_index)
        return WEND_DROP_NO_SESSION;

    struct wend_symmetric s;
    int error = read_keys(&s, parties, h, m.ephemeral);
    if (!error)
        error = wend_symmetric_open(&s, m.sealed, ret->attributes);
    if (!error) {
        ret->attributes_len = (uint16_t)(m.sealed.len - WEND_MESSAGE_TAG_LEN);
        *ret_keys = (struct wend_keys){
            .local_index = h->local_index, .remote_index = m.sender, .initiator = true};
        wend_symmetric_split(&s, ret_keys);
    }
    wend_wipe(&s, sizeof s);
    return error ? WEND_DROP_DECRYPT_FAILED : WEND_DROP_NONE;
}
