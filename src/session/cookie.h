// SPDX-License-Identifier: MIT
// mac1, mac2 and cookies: what a responder checks before it spends a DH on a stranger.
//
// mac1 proves that the sender knows whom it talks to; anyone who knows our public key can make it.
// Under load a message must also carry mac2, keyed with a cookie that we gave to its very source
// address, so that the source can be rate-limited. As in WireGuard: a cookie is a MAC of the source
// under a secret that lives 120 s and is not stored for each client; a cookie reply is sealed with
// XChaCha20-Poly1305 and bound to the mac1 of the message that it answers.
//
// Deviation: none in bytes. The source is hashed as family, address and port in our own form, which
// nobody else ever sees.
#ifndef WEND_SESSION_COOKIE_H
#define WEND_SESSION_COOKIE_H

#include "base/datagram.h"
#include "crypto/random.h"
#include "session/handshake.h"

#define WEND_COOKIE_LIFE    WEND_S(120)
#define WEND_COOKIE_LATENCY WEND_S(5) // an initiator stops using a cookie this long before its end

// Writes mac1 and, if `cookie` is not NULL, mac2 of a handshake message whose fields are `slots`.
void wend_mac_write(const uint8_t *message, const struct wend_message_slots *slots,
                    const uint8_t mac1_key[static 32], const uint8_t *cookie);

// The responder's side. One per identity. 48 bytes, secret.
struct wend_cookie_checker {
    struct wend_random *random; // borrowed
    wend_instant made;          // when the secret was drawn
    uint8_t secret[WEND_SESSION_KEY_LEN];
};

void wend_cookie_checker_init(struct wend_cookie_checker *c, struct wend_random *random,
                              wend_instant now);

enum wend_cookie_verdict {
    WEND_COOKIE_NONE = 0, // not a handshake message, or mac1 is wrong: drop
    WEND_COOKIE_MAC1, // mac1 is right, mac2 absent or not ours: under load, answer with a cookie
    WEND_COOKIE_MAC2, // both are right: the source is real
};

// Judges a message of types 1, 2, 5 or 6 to `self` that came from `source`.
enum wend_cookie_verdict wend_cookie_check(struct wend_cookie_checker *c,
                                           const struct wend_identity *self,
                                           const struct wend_datagram *in, wend_instant now);

// Writes the reply to a message that wend_cookie_check called MAC1.
void wend_cookie_reply(struct wend_cookie_checker *c, const struct wend_identity *self,
                       const struct wend_datagram *in, wend_instant now,
                       uint8_t ret[static WEND_MESSAGE_COOKIE_LEN]);

// The initiator's side: the last cookie that a remote gave us, and what it may answer. 48 bytes.
struct wend_cookie_jar {
    bool has_cookie, has_mac1;
    wend_instant received;
    uint8_t cookie[WEND_SESSION_COOKIE_LEN];
    uint8_t mac1[WEND_SESSION_COOKIE_LEN]; // of the last message sent
};

// Remembers which message a cookie reply may answer.
void wend_cookie_sent(struct wend_cookie_jar *jar, struct wend_bytes message);

// Takes a cookie reply (type 3). Drop reason: NONE; MALFORMED, DECRYPT_FAILED, NO_SESSION (nothing
// sent).
enum wend_drop wend_cookie_consume(struct wend_cookie_jar *jar, const struct wend_remote *remote,
                                   struct wend_bytes in, wend_instant now);

// 16 bytes to make mac2 with, or NULL: none, or too old.
const uint8_t *wend_cookie_current(const struct wend_cookie_jar *jar, wend_instant now);

#endif
