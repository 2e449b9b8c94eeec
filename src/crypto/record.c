// SPDX-License-Identifier: MIT
#include "crypto/record.h"

#include <errno.h>
#include <string.h>

#define LABEL_MAX   19 // "wend revocation v1" and its zero byte
#define MESSAGE_MAX (LABEL_MAX + WEND_REVOCATION_LIST_MAX)

static struct wend_bytes view(const void *at, size_t len)
{
    return (struct wend_bytes){.at = at, .len = len};
}

static const char *label_of(enum wend_record_kind kind)
{
    switch (kind) {
    case WEND_RECORD_NONE: break;
    case WEND_RECORD_NETWORK: return "wend network v1";
    case WEND_RECORD_DELEGATION: return "wend delegation v1";
    case WEND_RECORD_MEMBERSHIP: return "wend membership v1";
    case WEND_RECORD_RECEIPT: return "wend receipt v1";
    case WEND_RECORD_REVOCATION: return "wend revocation v1";
    }
    return NULL;
}

// What is signed, in one piece as Ed25519 wants it; empty when it is longer than any record.
static struct wend_bytes write_message(const struct wend_record_parts *parts,
                                       uint8_t room[static MESSAGE_MAX])
{
    const char *label = label_of(parts->kind);
    struct wend_writer w = wend_writer_of(room, MESSAGE_MAX);
    wend_write_bytes(&w, view(label, strlen(label) + 1));
    wend_write_bytes(&w, parts->body);
    return view(room, w.failed ? 0 : w.len);
}

int wend_record_verify(struct wend_bytes record, const uint8_t key[static WEND_ED25519_LEN])
{
    uint8_t room[MESSAGE_MAX];
    struct wend_record_parts parts;
    if (wend_record_split(record, &parts) != 0)
        return -EBADMSG;
    const struct wend_bytes message = write_message(&parts, room);
    if (message.len == 0)
        return -EBADMSG;
    return wend_ed25519_verify(key, message, parts.signature);
}

// The record that a writer has grown by since it had `begun` bytes.
static struct wend_bytes written_since(const struct wend_writer *w, size_t begun)
{
    return view(w->at - (w->len - begun), w->len - begun);
}

static void take_back(struct wend_writer *w, size_t begun)
{
    const size_t len = w->len - begun;
    w->at -= len;
    w->left += len;
    w->len -= len;
}

// Signs what was written since `begun` and ends with room for a signature. `sound` is what decoding
// it led to. Returns 0, -EINVAL or -ENOSPC.
static int finish(struct wend_writer *w, size_t begun, int sound,
                  const uint8_t seed[static WEND_ED25519_LEN])
{
    uint8_t room[MESSAGE_MAX];
    struct wend_record_parts parts;
    if (w->failed || sound != 0) {
        take_back(w, begun);
        return w->failed ? -ENOSPC : -EINVAL;
    }
    wend_record_split(written_since(w, begun), &parts);
    const struct wend_bytes message = write_message(&parts, room);
    wend_ed25519_sign(seed, message, w->at - WEND_RECORD_SIGNATURE_LEN);
    return 0;
}

int wend_network_record_sign(const struct wend_network_record *r,
                             const uint8_t seed[static WEND_ED25519_LEN], struct wend_writer *ret)
{
    struct wend_network_record check;
    const size_t begun = ret->len;
    wend_network_record_write(ret, r);
    wend_write_zeros(ret, WEND_RECORD_SIGNATURE_LEN);
    return finish(ret, begun, wend_network_record_decode(written_since(ret, begun), &check), seed);
}

int wend_delegation_sign(const struct wend_delegation *d,
                         const uint8_t seed[static WEND_ED25519_LEN], struct wend_writer *ret)
{
    struct wend_delegation check;
    const size_t begun = ret->len;
    wend_delegation_write(ret, d);
    wend_write_zeros(ret, WEND_RECORD_SIGNATURE_LEN);
    return finish(ret, begun, wend_delegation_decode(written_since(ret, begun), &check), seed);
}

int wend_membership_sign(const struct wend_membership *m,
                         const uint8_t seed[static WEND_ED25519_LEN], struct wend_writer *ret)
{
    struct wend_membership check;
    const size_t begun = ret->len;
    wend_membership_write(ret, m);
    wend_write_zeros(ret, WEND_RECORD_SIGNATURE_LEN);
    return finish(ret, begun, wend_membership_decode(written_since(ret, begun), &check), seed);
}

int wend_receipt_sign(const struct wend_receipt *r, const uint8_t seed[static WEND_ED25519_LEN],
                      struct wend_writer *ret)
{
    struct wend_receipt check;
    const size_t begun = ret->len;
    wend_receipt_write(ret, r);
    wend_write_zeros(ret, WEND_RECORD_SIGNATURE_LEN);
    return finish(ret, begun, wend_receipt_decode(written_since(ret, begun), &check), seed);
}

int wend_revocation_list_sign(const struct wend_revocation_list *l,
                              const uint8_t seed[static WEND_ED25519_LEN], struct wend_writer *ret)
{
    struct wend_revocation_list check;
    const size_t begun = ret->len;
    wend_revocation_list_write(ret, l);
    wend_write_zeros(ret, WEND_RECORD_SIGNATURE_LEN);
    return finish(ret, begun, wend_revocation_list_decode(written_since(ret, begun), &check), seed);
}

#define SHOW_LABEL       "wend show v1"
#define SHOW_MESSAGE_LEN (sizeof(SHOW_LABEL) + 32 + 8)

static void write_show(const uint8_t handshake_hash[static 32], uint64_t unix_seconds,
                       uint8_t ret[static SHOW_MESSAGE_LEN])
{
    struct wend_writer w = wend_writer_of(ret, SHOW_MESSAGE_LEN);
    wend_write_bytes(&w, view(SHOW_LABEL, sizeof(SHOW_LABEL)));
    wend_write_bytes(&w, view(handshake_hash, 32));
    wend_write_u64(&w, unix_seconds);
}

void wend_show_sign(const uint8_t seed[static WEND_ED25519_LEN],
                    const uint8_t handshake_hash[static 32], uint64_t unix_seconds,
                    uint8_t ret_signature[static WEND_SIGNATURE_LEN])
{
    uint8_t message[SHOW_MESSAGE_LEN];
    write_show(handshake_hash, unix_seconds, message);
    wend_ed25519_sign(seed, view(message, sizeof(message)), ret_signature);
}

int wend_show_verify(const uint8_t key[static WEND_ED25519_LEN],
                     const uint8_t handshake_hash[static 32], uint64_t unix_seconds,
                     const uint8_t signature[static WEND_SIGNATURE_LEN])
{
    uint8_t message[SHOW_MESSAGE_LEN];
    write_show(handshake_hash, unix_seconds, message);
    return wend_ed25519_verify(key, view(message, sizeof(message)), signature);
}

// H(label ‖ key), of which names and addresses take the first bytes.
static void hash_labelled(const char *label, const uint8_t key[static 32],
                          uint8_t ret[static WEND_BLAKE2S_LEN])
{
    const struct wend_bytes parts[] = {view(label, strlen(label)), view(key, 32)};
    wend_blake2s(parts, 2, ret);
}

void wend_membership_hash(struct wend_bytes membership, uint8_t ret[static WEND_BLAKE2S_LEN])
{
    wend_blake2s(&membership, 1, ret);
}

void wend_invite_id(const uint8_t invite_key[static WEND_ED25519_LEN],
                    uint8_t ret[static WEND_INVITE_ID_LEN])
{
    uint8_t hash[WEND_BLAKE2S_LEN];
    hash_labelled("wend invite", invite_key, hash);
    memcpy(ret, hash, WEND_INVITE_ID_LEN);
}

struct wend_prefix wend_inside_prefix(const uint8_t network_key[static WEND_ED25519_LEN])
{
    uint8_t hash[WEND_BLAKE2S_LEN];
    struct wend_prefix p = {.family = WEND_FAMILY_IPV6, .bits = 64, .ip = {0xfd}};
    hash_labelled("wend prefix", network_key, hash);
    memcpy(p.ip + 1, hash, 5); // a global ID of 40 bits, RFC 4193 section 3.1; subnet 0
    return p;
}

struct wend_address wend_inside_address(const uint8_t network_key[static WEND_ED25519_LEN],
                                        const uint8_t device_key[static WEND_X25519_LEN])
{
    uint8_t hash[WEND_BLAKE2S_LEN];
    const struct wend_prefix p = wend_inside_prefix(network_key);
    struct wend_address a = {.family = WEND_FAMILY_IPV6};
    hash_labelled("wend address", device_key, hash);
    memcpy(a.ip, p.ip, 8);
    memcpy(a.ip + 8, hash, 8);
    return a;
}

struct wend_prefix wend_preset_pool(const uint8_t network_key[static WEND_ED25519_LEN])
{
    uint8_t hash[WEND_BLAKE2S_LEN];
    struct wend_prefix p = {.family = WEND_FAMILY_IPV4, .bits = 20};
    hash_labelled("wend pool", network_key, hash);
    const uint32_t number = (uint32_t)hash[0] << 2 | hash[1] >> 6;
    wend_put_u32(p.ip, UINT32_C(0x64400000) | number << 12); // 100.64.0.0/10, RFC 6598
    return p;
}
