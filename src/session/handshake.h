// SPDX-License-Identifier: MIT
// The handshake: Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s, one round trip, both sides authenticated.
//
//   initiator                                     responder
//   wend_initiation_create  --- type 1 or 5 --->  wend_initiation_open_static   (who is it?)
//                                                 wend_initiation_open_payload  (what is said?)
//   wend_response_open      <-- type 2 or 6 ----  wend_response_create
//
// Pure functions: nothing here remembers a peer, a clock or a retry; session.h does. Opening an
// initiation is cut in two so that the owner looks up the sender, and judges what it says, before
// anything is accepted.
//
// The kinds differ in the prologue and in the message types only (docs/protocol.md section 2.2): a
// message made under one prologue does not open under another. What WireGuard calls identifier is
// Noise's prologue (noise.md section 6), and its timestamp the first message's payload, so one code
// serves both.
//
// mac1 and mac2 are cookie.h's to check; the create functions write them.
#ifndef WEND_SESSION_HANDSHAKE_H
#define WEND_SESSION_HANDSHAKE_H

#include "base/bytes.h"
#include "base/drop.h"
#include "base/time.h"
#include "wire/session.h"

#define WEND_SESSION_KEY_LEN    32
#define WEND_SESSION_HASH_LEN   32
#define WEND_SESSION_COOKIE_LEN 16
#define WEND_LABEL_LEN          12 // TAI64N

// Longest messages: with a payload of WEND_MESSAGE_PAYLOAD_MAX bytes, label included.
#define WEND_INITIATION_MAX     (WEND_MESSAGE_INITIATION_BASE + WEND_MESSAGE_PAYLOAD_MAX)
#define WEND_RESPONSE_MAX       (WEND_MESSAGE_RESPONSE_BASE + WEND_MESSAGE_PAYLOAD_MAX)
#define WEND_ATTRIBUTES_LEN_MAX (WEND_MESSAGE_PAYLOAD_MAX - WEND_LABEL_LEN) // of a type 5

enum wend_session_kind {
    WEND_SESSION_NONE = 0,
    WEND_SESSION_WIREGUARD, // types 1 and 2, with a stock WireGuard device; no attributes
    WEND_SESSION_PEER,      // types 5 and 6, between members of one network
    WEND_SESSION_SERVER,    // types 5 and 6, client to server
};

// One device's own key pair and what is computed from it once. 128 bytes, secret.
struct wend_identity {
    uint8_t private_key[WEND_SESSION_KEY_LEN];
    uint8_t public_key[WEND_SESSION_KEY_LEN];
    uint8_t mac1_key[WEND_SESSION_KEY_LEN];   // for messages to us
    uint8_t cookie_key[WEND_SESSION_KEY_LEN]; // for cookie replies by us
};

// `private_key`: any 32 random bytes; clamping is X25519's own business. Wipe it at the end.
void wend_identity_init(struct wend_identity *ret, const uint8_t private_key[static 32]);

// The other side, known by its public key. 160 bytes, secret.
struct wend_remote {
    uint8_t public_key[WEND_SESSION_KEY_LEN];
    uint8_t preshared[WEND_SESSION_KEY_LEN];     // zero unless set
    uint8_t static_shared[WEND_SESSION_KEY_LEN]; // DH of both static keys
    uint8_t mac1_key[WEND_SESSION_KEY_LEN];      // for messages to it
    uint8_t cookie_key[WEND_SESSION_KEY_LEN];    // for cookie replies from it
};

// Without a pre-shared key; the owner may fill `preshared` in afterwards. Costs one DH. Returns 0,
// or -EBADMSG for a public key of small order.
int wend_remote_init(struct wend_remote *ret, const struct wend_identity *self,
                     const uint8_t public_key[static 32]);

// Kind and identifier, hashed once. Shared by all sessions of one purpose. 68 bytes.
struct wend_prologue {
    enum wend_session_kind kind;
    uint8_t chaining_key[WEND_SESSION_HASH_LEN];
    uint8_t hash[WEND_SESSION_HASH_LEN];
};

void wend_prologue_wireguard(struct wend_prologue *ret);
void wend_prologue_server(struct wend_prologue *ret);
void wend_prologue_peer(struct wend_prologue *ret, const uint8_t network_key[static 32]);
// The general form under the three above.
void wend_prologue_init(struct wend_prologue *ret, enum wend_session_kind kind,
                        struct wend_bytes identifier);

// TAI64N: later labels are greater as bytes. `unix_ns` counts from 1970, without leap seconds.
struct wend_label {
    uint8_t bytes[WEND_LABEL_LEN];
};

struct wend_label wend_label_of(uint64_t unix_ns);
bool wend_label_is_later(const struct wend_label *a, const struct wend_label *than);

// What both sides have after a handshake: pairs of keys for two directions, data (type 4) and
// control (type 9). Secret: wipe it once the keys are where they are used.
struct wend_keys {
    uint32_t local_index;  // in messages to us
    uint32_t remote_index; // in messages to the other side
    bool initiator;        // we began
    wend_instant created;
    uint8_t send_key[WEND_SESSION_KEY_LEN];
    uint8_t receive_key[WEND_SESSION_KEY_LEN];
    uint8_t control_send_key[WEND_SESSION_KEY_LEN];
    uint8_t control_receive_key[WEND_SESSION_KEY_LEN];
    uint8_t handshake_hash[WEND_SESSION_HASH_LEN]; // the same on both sides, for channel binding
};

// Who speaks to whom, for the create and open functions. Borrowed pointers.
struct wend_parties {
    const struct wend_prologue *prologue;
    const struct wend_identity *self;
    const struct wend_remote *remote; // NULL where the header says so
};

// What goes into one handshake message.
struct wend_handshake_input {
    uint32_t local_index;
    uint8_t ephemeral[WEND_SESSION_KEY_LEN]; // fresh random private key, used once; wipe it
    struct wend_label label;                 // initiation only
    struct wend_bytes attributes;            // WIREGUARD: empty
    const uint8_t *cookie;                   // 16 bytes, or NULL: mac2 stays zero
    uint8_t *out;                            // where the message goes
    size_t out_max;
};

// The initiator between its message and the answer. 100 bytes, secret, no pointers inside.
struct wend_handshake {
    uint32_t local_index; // 0: no handshake is under way
    uint8_t ephemeral[WEND_SESSION_KEY_LEN];
    uint8_t chaining_key[WEND_SESSION_HASH_LEN];
    uint8_t hash[WEND_SESSION_HASH_LEN];
};

// Writes an initiation to `parties->remote` (WEND_INITIATION_MAX bytes always suffice).
// Returns its length (over 0) and `ret`; or, with `ret` untouched, -ENOBUFS when `out_max` or
// WEND_ATTRIBUTES_LEN_MAX does not hold it, -EBADMSG when the DH yields zero.
int wend_initiation_create(const struct wend_parties *parties,
                           const struct wend_handshake_input *input, struct wend_handshake *ret);

// An initiation being opened. Secret; no pointers outside itself, so it may be kept while somebody
// thinks. About 1.3 KiB: on the stack, or one per thread.
struct wend_initiation {
    uint32_t remote_index;
    uint8_t remote_static[WEND_SESSION_KEY_LEN]; // after open_static
    uint8_t digest[WEND_SESSION_HASH_LEN];       // of the message up to mac1: names it for a cache
    struct wend_label label;                     // after open_payload, as is what follows
    uint8_t static_shared[WEND_SESSION_KEY_LEN];
    uint8_t remote_ephemeral[WEND_SESSION_KEY_LEN];
    uint8_t chaining_key[WEND_SESSION_HASH_LEN];
    uint8_t hash[WEND_SESSION_HASH_LEN];
    uint16_t sealed_len;
    uint16_t attributes_len;
    uint8_t buffer[WEND_MESSAGE_PAYLOAD_MAX + WEND_MESSAGE_TAG_LEN];
};

// First step: one DH, and the sender's public key in `ret->remote_static`, which is a claim until
// the second step proves it. `parties->remote` is not used. Drop reason: NONE; MALFORMED (not an
// initiation of this kind), DECRYPT_FAILED (not for us, not this prologue).
enum wend_drop wend_initiation_open_static(const struct wend_parties *parties, struct wend_bytes in,
                                           struct wend_initiation *ret);

// Second step: the label and the attributes. With `parties->remote` (for remote_static) its
// static_shared is used, without (NULL) it is computed, one DH. Call it once. Afterwards the sender
// is proved to have made this message at some time, not yet that it is here now.
// Drop reason: NONE; MALFORMED, DECRYPT_FAILED.
enum wend_drop wend_initiation_open_payload(const struct wend_parties *parties,
                                            struct wend_initiation *i);

// View into `i`, of what followed the label.
struct wend_bytes wend_initiation_attributes(const struct wend_initiation *i);

// A remote from an opened initiation, sparing the DH of wend_remote_init.
void wend_remote_from_initiation(struct wend_remote *ret, const struct wend_initiation *i);

// Answers an opened initiation: writes a response to `parties->remote` (WEND_RESPONSE_MAX bytes
// always suffice) and fills `ret` but for `created`. Three DHs. Returns the response's length;
// -ENOBUFS or -EBADMSG as wend_initiation_create.
int wend_response_create(const struct wend_parties *parties, const struct wend_initiation *i,
                         const struct wend_handshake_input *input, struct wend_keys *ret);

// The attributes of an opened response.
struct wend_response {
    uint16_t attributes_len;
    uint8_t attributes[WEND_MESSAGE_PAYLOAD_MAX + WEND_MESSAGE_TAG_LEN];
};

// Opens the response to `h` and fills `ret_keys` but for `created`. `h` stays as it was: a forged
// response must not end the handshake. Drop reason: NONE; MALFORMED, NO_SESSION (another index),
// DECRYPT_FAILED; then both outputs are untouched or wiped.
enum wend_drop wend_response_open(const struct wend_parties *parties,
                                  const struct wend_handshake *h, struct wend_bytes in,
                                  struct wend_response *ret, struct wend_keys *ret_keys);

#endif
