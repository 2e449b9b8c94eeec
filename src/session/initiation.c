// SPDX-License-Identifier: MIT
// The first message, in the order of the pattern IKpsk2: e, es, s, ss, payload.
#include <errno.h>
#include <string.h>

#include "base/assert.h"
#include "crypto/crypto.h"
#include "session/cookie.h"
#include "session/handshake.h"
#include "session/symmetric.h"

static enum wend_message_type type_of(enum wend_session_kind kind)
{
    return kind == WEND_SESSION_WIREGUARD ? WEND_MESSAGE_WG_INITIATION : WEND_MESSAGE_INITIATION;
}

// Up to and with the static key; what follows depends on the payload.
static int write_static(struct wend_symmetric *s, const struct wend_parties *parties,
                        const uint8_t ephemeral[static 32], const struct wend_message_slots *slots)
{
    wend_symmetric_start(s, parties->prologue, parties->remote->public_key);
    wend_x25519_public(ephemeral, slots->ephemeral);
    wend_symmetric_mix_ephemeral(s, slots->ephemeral);
    const int error = wend_symmetric_mix_dh(s, ephemeral, parties->remote->public_key);
    if (error)
        return error;
    memcpy(slots->sealed_static, parties->self->public_key, WEND_SESSION_KEY_LEN);
    wend_symmetric_seal(s, slots->sealed_static, WEND_SESSION_KEY_LEN);
    return 0;
}

static void write_payload(struct wend_symmetric *s, const struct wend_remote *remote,
                          const struct wend_handshake_input *input, uint8_t *at)
{
    wend_symmetric_mix_key(s, remote->static_shared);
    memcpy(at, input->label.bytes, WEND_LABEL_LEN);
    if (input->attributes.len > 0)
        memcpy(at + WEND_LABEL_LEN, input->attributes.at, input->attributes.len);
    wend_symmetric_seal(s, at, WEND_LABEL_LEN + input->attributes.len);
}

int wend_initiation_create(const struct wend_parties *parties,
                           const struct wend_handshake_input *input, struct wend_handshake *ret)
{
    const enum wend_session_kind kind = parties->prologue->kind;
    wend_assert(kind != WEND_SESSION_WIREGUARD || input->attributes.len == 0);
    wend_assert(input->local_index != 0);
    if (input->attributes.len > WEND_ATTRIBUTES_LEN_MAX)
        return -ENOBUFS;
    const struct wend_message_plan plan = {
        .type = type_of(kind),
        .sender = input->local_index,
        .payload_len = WEND_LABEL_LEN + input->attributes.len,
    };
    struct wend_message_slots slots;
    const size_t len = wend_message_write_handshake(input->out, input->out_max, &plan, &slots);
    if (len == 0)
        return -ENOBUFS;

    struct wend_symmetric s;
    const int error = write_static(&s, parties, input->ephemeral, &slots);
    if (!error) {
        write_payload(&s, parties->remote, input, slots.sealed);
        wend_mac_write(input->out, &slots, parties->remote->mac1_key, input->cookie);
        ret->local_index = input->local_index;
        memcpy(ret->ephemeral, input->ephemeral, sizeof ret->ephemeral);
        memcpy(ret->chaining_key, s.chaining_key, sizeof ret->chaining_key);
        memcpy(ret->hash, s.hash, sizeof ret->hash);
    }
    wend_wipe(&s, sizeof s);
    return error ? error : (int)len;
}

static void keep(struct wend_initiation *i, const struct wend_symmetric *s)
{
    memcpy(i->chaining_key, s->chaining_key, sizeof i->chaining_key);
    memcpy(i->hash, s->hash, sizeof i->hash);
}

enum wend_drop wend_initiation_open_static(const struct wend_parties *parties, struct wend_bytes in,
                                           struct wend_initiation *ret)
{
    struct wend_message_handshake m;
    if (wend_message_read_handshake(in, &m) || m.type != type_of(parties->prologue->kind))
        return WEND_DROP_MALFORMED;
    if (m.sealed.len < WEND_LABEL_LEN + WEND_MESSAGE_TAG_LEN)
        return WEND_DROP_MALFORMED;

    const struct wend_identity *self = parties->self;
    struct wend_symmetric s;
    wend_symmetric_start(&s, parties->prologue, self->public_key);
    wend_symmetric_mix_ephemeral(&s, m.ephemeral);
    const struct wend_bytes sealed = {m.sealed_static, WEND_MESSAGE_SEALED_STATIC_LEN};
    uint8_t remote_static[WEND_SESSION_KEY_LEN];
    if (wend_symmetric_mix_dh(&s, self->private_key, m.ephemeral) ||
        wend_symmetric_open(&s, sealed, remote_static)) {
        wend_wipe(&s, sizeof s);
        return WEND_DROP_DECRYPT_FAILED;
    }
    *ret = (struct wend_initiation){
        .remote_index = m.sender,
        .sealed_len = (uint16_t)m.sealed.len,
    };
    memcpy(ret->remote_static, remote_static, sizeof remote_static);
    memcpy(ret->remote_ephemeral, m.ephemeral, sizeof ret->remote_ephemeral);
    memcpy(ret->buffer, m.sealed.at, m.sealed.len);
    wend_blake2s(&m.mac1_covers, 1, ret->digest);
    keep(ret, &s);
    wend_wipe(&s, sizeof s);
    return WEND_DROP_NONE;
}

enum wend_drop wend_initiation_open_payload(const struct wend_parties *parties,
                                            struct wend_initiation *i)
{
    wend_assert(i->sealed_len >= WEND_LABEL_LEN + WEND_MESSAGE_TAG_LEN);
    if (parties->remote)
        memcpy(i->static_shared, parties->remote->static_shared, sizeof i->static_shared);
    else if (wend_x25519(parties->self->private_key, i->remote_static, i->static_shared))
        return WEND_DROP_DECRYPT_FAILED;

    struct wend_symmetric s;
    memcpy(s.chaining_key, i->chaining_key, sizeof s.chaining_key);
    memcpy(s.hash, i->hash, sizeof s.hash);
    wend_symmetric_mix_key(&s, i->static_shared);
    const int error =
        wend_symmetric_open(&s, (struct wend_bytes){i->buffer, i->sealed_len}, i->buffer);
    if (!error) {
        memcpy(i->label.bytes, i->buffer, WEND_LABEL_LEN);
        i->attributes_len = (uint16_t)(i->sealed_len - WEND_MESSAGE_TAG_LEN - WEND_LABEL_LEN);
        i->sealed_len = 0; // opened
        keep(i, &s);
    }
    wend_wipe(&s, sizeof s);
    return error ? WEND_DROP_DECRYPT_FAILED : WEND_DROP_NONE;
}

struct wend_bytes wend_initiation_attributes(const struct wend_initiation *i)
{
    return (struct wend_bytes){i->buffer + WEND_LABEL_LEN, i->attributes_len};
}
