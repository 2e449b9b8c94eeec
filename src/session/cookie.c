// SPDX-License-Identifier: MIT
#include "session/cookie.h"

#include <string.h>

#include "crypto/aead.h"
#include "crypto/crypto.h"

static void mac(const uint8_t *key, size_t key_len, struct wend_bytes in,
                uint8_t ret[static WEND_MESSAGE_MAC_LEN])
{
    wend_blake2s_mac((struct wend_bytes){key, key_len}, in, ret);
}

void wend_mac_write(const uint8_t *message, const struct wend_message_slots *slots,
                    const uint8_t mac1_key[static 32], const uint8_t *cookie)
{
    mac(mac1_key, WEND_SESSION_KEY_LEN,
        (struct wend_bytes){message, (size_t)(slots->mac1 - message)}, slots->mac1);
    if (cookie)
        mac(cookie, WEND_SESSION_COOKIE_LEN,
            (struct wend_bytes){message, (size_t)(slots->mac2 - message)}, slots->mac2);
    else
        memset(slots->mac2, 0, WEND_MESSAGE_MAC_LEN);
}

void wend_cookie_checker_init(struct wend_cookie_checker *c, struct wend_random *random,
                              wend_instant now)
{
    c->random = random;
    c->made = now;
    wend_random_bytes(random, c->secret, sizeof c->secret);
}

static void make_cookie(struct wend_cookie_checker *c, const struct wend_address *source,
                        wend_instant now, uint8_t ret[static WEND_SESSION_COOKIE_LEN])
{
    if (now - c->made >= WEND_COOKIE_LIFE)
        wend_cookie_checker_init(c, c->random, now);
    uint8_t bytes[1 + 2 + sizeof source->ip];
    bytes[0] = source->family;
    wend_put_u16(bytes + 1, source->port);
    memcpy(bytes + 3, source->ip, sizeof source->ip);
    mac(c->secret, sizeof c->secret, (struct wend_bytes){bytes, sizeof bytes}, ret);
}

enum wend_cookie_verdict wend_cookie_check(struct wend_cookie_checker *c,
                                           const struct wend_identity *self,
                                           const struct wend_datagram *in, wend_instant now)
{
    struct wend_message_handshake m;
    uint8_t expected[WEND_MESSAGE_MAC_LEN];
    if (wend_message_read_handshake(in->bytes, &m))
        return WEND_COOKIE_NONE;
    mac(self->mac1_key, sizeof self->mac1_key, m.mac1_covers, expected);
    if (!wend_equal(expected, m.mac1, sizeof expected))
        return WEND_COOKIE_NONE;

    uint8_t cookie[WEND_SESSION_COOKIE_LEN];
    make_cookie(c, &in->remote, now, cookie);
    mac(cookie, sizeof cookie, m.mac2_covers, expected);
    const bool real = wend_equal(expected, m.mac2, sizeof expected);
    wend_wipe(cookie, sizeof cookie);
    return real ? WEND_COOKIE_MAC2 : WEND_COOKIE_MAC1;
}

void wend_cookie_reply(struct wend_cookie_checker *c, const struct wend_identity *self,
                       const struct wend_datagram *in, wend_instant now,
                       uint8_t ret[static WEND_MESSAGE_COOKIE_LEN])
{
    struct wend_message_handshake m = {0};
    const int error = wend_message_read_handshake(in->bytes, &m);
    wend_assert(!error); // wend_cookie_check read it before
    uint8_t nonce[WEND_XAEAD_NONCE_LEN];
    uint8_t cookie[WEND_SESSION_COOKIE_LEN];
    uint8_t sealed[WEND_MESSAGE_SEALED_COOKIE_LEN];
    wend_random_bytes(c->random, nonce, sizeof nonce);
    make_cookie(c, &in->remote, now, cookie);
    wend_xaead_seal(self->cookie_key, nonce, (struct wend_bytes){m.mac1, WEND_MESSAGE_MAC_LEN},
                    (struct wend_bytes){cookie, sizeof cookie}, sealed);
    wend_wipe(cookie, sizeof cookie);
    wend_message_write_cookie(ret, &(struct wend_message_cookie){.receiver = m.sender,
                                                                 .nonce = nonce,
                                                                 .sealed_cookie = sealed});
}

void wend_cookie_sent(struct wend_cookie_jar *jar, struct wend_bytes message)
{
    struct wend_message_handshake m = {0};
    const int error = wend_message_read_handshake(message, &m);
    wend_assert(!error); // we made it
    memcpy(jar->mac1, m.mac1, sizeof jar->mac1);
    jar->has_mac1 = true;
}

enum wend_drop wend_cookie_consume(struct wend_cookie_jar *jar, const struct wend_remote *remote,
                                   struct wend_bytes in, wend_instant now)
{
    struct wend_message_cookie m;
    if (wend_message_read_cookie(in, &m))
        return WEND_DROP_MALFORMED;
    if (!jar->has_mac1)
        return WEND_DROP_NO_SESSION;
    uint8_t cookie[WEND_SESSION_COOKIE_LEN];
    const struct wend_bytes sealed = {m.sealed_cookie, WEND_MESSAGE_SEALED_COOKIE_LEN};
    if (wend_xaead_open(remote->cookie_key, m.nonce,
                        (struct wend_bytes){jar->mac1, sizeof jar->mac1}, sealed, cookie))
        return WEND_DROP_DECRYPT_FAILED;
    memcpy(jar->cookie, cookie, sizeof jar->cookie);
    wend_wipe(cookie, sizeof cookie);
    jar->has_cookie = true;
    jar->has_mac1 = false; // one reply a message
    jar->received = now;
    return WEND_DROP_NONE;
}

const uint8_t *wend_cookie_current(const struct wend_cookie_jar *jar, wend_instant now)
{
    if (!jar->has_cookie || now - jar->received >= WEND_COOKIE_LIFE - WEND_COOKIE_LATENCY)
        return NULL;
    return jar->cookie;
}
