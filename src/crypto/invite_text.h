// SPDX-License-Identifier: MIT
// The two texts that people carry from one machine to another: an invite (wi1…), which lets devices
// into a network, and a claim (wc1…), which lets a network onto a server. Both are secrets.
//
// Text:  "wi1" or "wc1", then base64url of a body with 4 bytes of checksum; docs/protocol.md
//        section 5. White space around the text is skipped, as a shell or a mail adds it.
// Trust: the form alone is judged here. Whether the invite's signatures hold is
//        wend_trust_check_invite's to say (session/trust.h).
#ifndef WEND_CRYPTO_INVITE_TEXT_H
#define WEND_CRYPTO_INVITE_TEXT_H

#include "base/text.h"
#include "crypto/crypto.h"
#include "wire/record.h"

#define WEND_CLAIM_SECRET_LEN 16
#define WEND_TEXT_PREFIX_LEN  3
#define WEND_TEXT_CHECK_LEN   4

#define WEND_INVITE_BODY_MAX                                                                       \
    (1 + WEND_ED25519_LEN + 2 + WEND_NETWORK_RECORD_MAX + WEND_DELEGATION_LEN + WEND_TEXT_CHECK_LEN)
#define WEND_CLAIM_BODY_MAX                                                                        \
    (1 + 2 * 32 + WEND_CLAIM_SECRET_LEN + 1 +                                                      \
     WEND_RECORD_ADDRESSES_MAX * (4 + WEND_HOST_LEN_MAX) + WEND_TEXT_CHECK_LEN)

// Longest texts, with the zero byte.
#define WEND_INVITE_TEXT_SIZE (WEND_TEXT_PREFIX_LEN + WEND_BASE64URL_SIZE(WEND_INVITE_BODY_MAX))
#define WEND_CLAIM_TEXT_SIZE  (WEND_TEXT_PREFIX_LEN + WEND_BASE64URL_SIZE(WEND_CLAIM_BODY_MAX))

struct wend_invite {
    uint8_t seed[WEND_ED25519_LEN]; // of the invite's key; secret
    uint8_t network_record[WEND_NETWORK_RECORD_MAX];
    size_t network_record_len;
    uint8_t delegation[WEND_DELEGATION_LEN];
};

struct wend_claim {
    uint8_t session_key[WEND_X25519_LEN];
    uint8_t signature_key[WEND_ED25519_LEN];
    uint8_t secret[WEND_CLAIM_SECRET_LEN];
    uint8_t address_count;
    struct wend_server_address addresses[WEND_RECORD_ADDRESSES_MAX];
};

// Write text and zero byte. Return 0, or -EINVAL when a count, a length or an address is out of
// range.
int wend_invite_encode(const struct wend_invite *invite, char ret[static WEND_INVITE_TEXT_SIZE]);
int wend_claim_encode(const struct wend_claim *claim, char ret[static WEND_CLAIM_TEXT_SIZE]);

// Read a text. `ret` is written on success only; no secret stays behind elsewhere.
//
// Return 0;
//   -ENODATA          cut short: all that is there fits the beginning of such a text
//   -EBADMSG          mistyped: a character, the length or the checksum is wrong
//   -EPROTONOSUPPORT  made by a newer version of wend
//   -EPROTOTYPE       a claim where an invite is wanted, or the other way round
int wend_invite_decode(struct wend_bytes text, struct wend_invite *ret);
int wend_claim_decode(struct wend_bytes text, struct wend_claim *ret);

#endif
