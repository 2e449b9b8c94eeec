// SPDX-License-Identifier: MIT
#include "session/handshake.h"

#include <string.h>

#include "base/assert.h"
#include "crypto/crypto.h"

static struct wend_bytes text(const char *at)
{
    return (struct wend_bytes){(const uint8_t *)at, strlen(at)};
}

static void labelled_hash(const char *label, const uint8_t public_key[static 32],
                          uint8_t ret[static 32])
{
    const struct wend_bytes parts[] = {text(label), {public_key, WEND_SESSION_KEY_LEN}};
    wend_blake2s(parts, 2, ret);
}

static void mac_keys(const uint8_t public_key[static 32], uint8_t ret_mac1[static 32],
                     uint8_t ret_cookie[static 32])
{
    labelled_hash("mac1----", public_key, ret_mac1);
    labelled_hash("cookie--", public_key, ret_cookie);
}

void wend_identity_init(struct wend_identity *ret, const uint8_t private_key[static 32])
{
    memcpy(ret->private_key, private_key, sizeof ret->private_key);
    wend_x25519_public(private_key, ret->public_key);
    mac_keys(ret->public_key, ret->mac1_key, ret->cookie_key);
}

static void fill_remote(struct wend_remote *ret, const uint8_t public_key[static 32])
{
    memcpy(ret->public_key, public_key, sizeof ret->public_key);
    memset(ret->preshared, 0, sizeof ret->preshared);
    mac_keys(public_key, ret->mac1_key, ret->cookie_key);
}

int wend_remote_init(struct wend_remote *ret, const struct wend_identity *self,
                     const uint8_t public_key[static 32])
{
    const int error = wend_x25519(self->private_key, public_key, ret->static_shared);
    if (error)
        return error;
    fill_remote(ret, public_key);
    return 0;
}

void wend_remote_from_initiation(struct wend_remote *ret, const struct wend_initiation *i)
{
    memcpy(ret->static_shared, i->static_shared, sizeof ret->static_shared);
    fill_remote(ret, i->remote_static);
}

// Noise hashes a protocol name longer than a hash (noise.md section 5.2), then the prologue.
void wend_prologue_init(struct wend_prologue *ret, enum wend_session_kind kind,
                        struct wend_bytes identifier)
{
    wend_assert(kind != WEND_SESSION_NONE);
    const struct wend_bytes name = text("Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s");
    ret->kind = kind;
    wend_blake2s(&name, 1, ret->chaining_key);
    const struct wend_bytes parts[] = {{ret->chaining_key, sizeof ret->chaining_key}, identifier};
    wend_blake2s(parts, 2, ret->hash);
}

void wend_prologue_wireguard(struct wend_prologue *ret)
{
    wend_prologue_init(ret, WEND_SESSION_WIREGUARD, text("WireGuard v1 zx2c4 Jason@zx2c4.com"));
}

void wend_prologue_server(struct wend_prologue *ret)
{
    wend_prologue_init(ret, WEND_SESSION_SERVER, text("wend v1 server"));
}

void wend_prologue_peer(struct wend_prologue *ret, const uint8_t network_key[static 32])
{
    static const char purpose[] = "wend v1 peer";
    uint8_t identifier[sizeof purpose - 1 + 32];
    memcpy(identifier, purpose, sizeof purpose - 1);
    memcpy(identifier + sizeof purpose - 1, network_key, 32);
    wend_prologue_init(ret, WEND_SESSION_PEER, (struct wend_bytes){identifier, sizeof identifier});
}

// TAI64N as WireGuard writes it: seconds since 1970 over 2^62 + 10, then nanoseconds.
struct wend_label wend_label_of(uint64_t unix_ns)
{
    const uint64_t second = UINT64_C(1000000000);
    const uint64_t seconds = UINT64_C(0x400000000000000a) + unix_ns / second;
    struct wend_label label;
    wend_put_u32(label.bytes, (uint32_t)(seconds >> 32));
    wend_put_u32(label.bytes + 4, (uint32_t)seconds);
    wend_put_u32(label.bytes + 8, (uint32_t)(unix_ns % second));
    return label;
}

bool wend_label_is_later(const struct wend_label *a, const struct wend_label *than)
{
    return memcmp(a->bytes, than->bytes, WEND_LABEL_LEN) > 0;
}
