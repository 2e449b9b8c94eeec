// SPDX-License-Identifier: MIT
// Layouts of the end-to-end session's messages: where each field stands, and nothing about keys.
//
// Types 1 to 4 are WireGuard's, byte for byte. Types 5 and 6 are the handshake of two wends: the
// same fields with a payload of variable length, which takes the place of the timestamp in an
// initiation and of the empty one in a response. Type 9 is a control message laid out as data.
// Integers are little-endian. Every message begins with its type and three zero bytes.
//
//   1, 5  sender 4 | ephemeral 32 | sealed static 48 | sealed payload n + 16 | mac1 16 | mac2 16
//   2, 6  sender 4 | receiver 4 | ephemeral 32 | sealed payload n + 16 | mac1 16 | mac2 16
//   3     receiver 4 | nonce 24 | sealed cookie 32
//   4, 9  receiver 4 | counter 8 | sealed body n + 16
//
// with n = 12 in type 1, n = 0 in type 2, 0 to 1,024 in types 5 and 6.
//
// Pointers and views that a reader hands out point into the datagram and live as long as it does.
#ifndef WEND_WIRE_SESSION_H
#define WEND_WIRE_SESSION_H

#include "base/bytes.h"

enum wend_message_type {
    WEND_MESSAGE_NONE = 0,
    WEND_MESSAGE_WG_INITIATION = 1,
    WEND_MESSAGE_WG_RESPONSE = 2,
    WEND_MESSAGE_COOKIE = 3,
    WEND_MESSAGE_DATA = 4,
    WEND_MESSAGE_INITIATION = 5,
    WEND_MESSAGE_RESPONSE = 6,
    WEND_MESSAGE_CONTROL = 9,
};

#define WEND_MESSAGE_KEY_LEN           32 // an ephemeral public key
#define WEND_MESSAGE_TAG_LEN           16 // what sealing adds
#define WEND_MESSAGE_MAC_LEN           16 // mac1, mac2
#define WEND_MESSAGE_NONCE_LEN         24 // of a cookie reply
#define WEND_MESSAGE_TIMESTAMP_LEN     12 // payload of type 1
#define WEND_MESSAGE_PAYLOAD_MAX       1024
#define WEND_MESSAGE_COOKIE_LEN        64
#define WEND_MESSAGE_DATA_HEADER_LEN   16
#define WEND_MESSAGE_INITIATION_BASE   136 // type 5 without its payload; type 1 is 12 longer
#define WEND_MESSAGE_RESPONSE_BASE     92  // type 6 without its payload, and type 2
#define WEND_MESSAGE_SEALED_STATIC_LEN 48
#define WEND_MESSAGE_SEALED_COOKIE_LEN 32

// A handshake message of types 1, 2, 5 or 6.
struct wend_message_handshake {
    uint8_t type;                  // enum wend_message_type
    uint32_t sender;               // index that the sender chose for its side
    uint32_t receiver;             // types 2 and 6; else 0
    const uint8_t *ephemeral;      // 32 bytes
    const uint8_t *sealed_static;  // 48 bytes, types 1 and 5; else NULL
    struct wend_bytes sealed;      // payload and tag
    const uint8_t *mac1;           // 16 bytes
    const uint8_t *mac2;           // 16 bytes
    struct wend_bytes mac1_covers; // the message up to mac1
    struct wend_bytes mac2_covers; // the message up to mac2, with mac1
};

// Reads a message of types 1, 2, 5 and 6. Returns 0, or -EBADMSG (also for another type) and `ret`
// is untouched.
int wend_message_read_handshake(struct wend_bytes in, struct wend_message_handshake *ret);

struct wend_message_cookie {
    uint32_t receiver;
    const uint8_t *nonce;         // 24 bytes
    const uint8_t *sealed_cookie; // 32 bytes
};

// Type 3. Returns 0, or -EBADMSG and `ret` is untouched.
int wend_message_read_cookie(struct wend_bytes in, struct wend_message_cookie *ret);

struct wend_message_data {
    uint8_t type; // WEND_MESSAGE_DATA or WEND_MESSAGE_CONTROL
    uint32_t receiver;
    uint64_t counter;
    struct wend_bytes sealed; // body and tag: at least 16 bytes
};

// Types 4 and 9. Returns 0, or -EBADMSG and `ret` is untouched.
int wend_message_read_data(struct wend_bytes in, struct wend_message_data *ret);

// What a handshake message is to be written from.
struct wend_message_plan {
    enum wend_message_type type; // 1, 2, 5 or 6
    uint32_t sender;
    uint32_t receiver;  // types 2 and 6
    size_t payload_len; // as the type allows, without the tag
};

// Where the fields go that a caller computes, in the order in which it does.
struct wend_message_slots {
    uint8_t *ephemeral;
    uint8_t *sealed_static; // NULL in a response
    uint8_t *sealed;
    size_t sealed_len; // payload_len + 16
    uint8_t *mac1;
    uint8_t *mac2; // zero until a cookie is known
};

// Writes type and indexes of a handshake message, zeros for all else, and says where the rest goes.
// Returns the message's length in bytes, or 0 if `capacity` is too small; then nothing is written.
size_t wend_message_write_handshake(uint8_t *at, size_t capacity,
                                    const struct wend_message_plan *plan,
                                    struct wend_message_slots *ret);

// Writes all of a cookie reply. `nonce` has 24 bytes, `sealed_cookie` 32.
void wend_message_write_cookie(uint8_t at[static WEND_MESSAGE_COOKIE_LEN],
                               const struct wend_message_cookie *cookie);

// Writes the 16 bytes before a sealed body. `type` is WEND_MESSAGE_DATA or WEND_MESSAGE_CONTROL.
static inline void wend_message_write_data_header(uint8_t at[static WEND_MESSAGE_DATA_HEADER_LEN],
                                                  enum wend_message_type type, uint32_t receiver,
                                                  uint64_t counter)
{
    wend_put_u32le(at, (uint32_t)type);
    wend_put_u32le(at + 4, receiver);
    wend_put_u64le(at + 8, counter);
}

#endif
