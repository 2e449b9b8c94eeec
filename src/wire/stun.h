// SPDX-License-Identifier: MIT
// STUN messages, RFC 8489, with the attributes of NAT behaviour discovery, RFC 5780.
//
// Place:  traverse builds requests and reads answers, the server's discovery service does the
//         reverse. This is the codec alone: no transactions, no retransmission, no keys.
// Wire:   a 20-byte header, then attributes of type, length, value, padded to four bytes.
// Keys:   the two integrity attributes need an HMAC, which this room cannot compute. The reader
//         says which bytes each one covers, the writer where its value goes.
//
// Views point into the datagram and live as long as it does. Text is not checked to be UTF-8.
#ifndef WEND_WIRE_STUN_H
#define WEND_WIRE_STUN_H

#include "base/address.h"
#include "base/bytes.h"

#define WEND_STUN_COOKIE          0x2112A442u
#define WEND_STUN_HEADER_LEN      20
#define WEND_STUN_TRANSACTION_LEN 12
#define WEND_STUN_BODY_MAX        65532 // the largest multiple of four that the length field holds
#define WEND_STUN_TEXT_MAX        763   // bytes, RFC 8489 sections 14.3, 14.8 to 14.10, 14.14
#define WEND_STUN_UNKNOWN_MAX     16    // unknown attributes that we name; more are not listed

#define WEND_STUN_METHOD_BINDING 0x001

// The values on the wire, so the empty case is a request.
enum wend_stun_class {
    WEND_STUN_REQUEST = 0,
    WEND_STUN_INDICATION = 1,
    WEND_STUN_SUCCESS = 2,
    WEND_STUN_ERROR = 3,
};

// Types below 0x8000 must be understood by the receiver, the others may be skipped.
enum wend_stun_type {
    WEND_STUN_MAPPED_ADDRESS = 0x0001,
    WEND_STUN_CHANGE_REQUEST = 0x0003,
    WEND_STUN_USERNAME = 0x0006,
    WEND_STUN_MESSAGE_INTEGRITY = 0x0008,
    WEND_STUN_ERROR_CODE = 0x0009,
    WEND_STUN_UNKNOWN_ATTRIBUTES = 0x000A,
    WEND_STUN_REALM = 0x0014,
    WEND_STUN_NONCE = 0x0015,
    WEND_STUN_MESSAGE_INTEGRITY_SHA256 = 0x001C,
    WEND_STUN_XOR_MAPPED_ADDRESS = 0x0020,
    WEND_STUN_PADDING = 0x0026,
    WEND_STUN_RESPONSE_PORT = 0x0027,
    WEND_STUN_SOFTWARE = 0x8022,
    WEND_STUN_ALTERNATE_SERVER = 0x8023,
    WEND_STUN_FINGERPRINT = 0x8028,
    WEND_STUN_RESPONSE_ORIGIN = 0x802B,
    WEND_STUN_OTHER_ADDRESS = 0x802C,
};

// What an integrity attribute covers: the HMAC runs over `header`, then `rest`. The header is a
// copy, its length field made to end at this attribute (RFC 8489 sections 14.5, 14.6).
struct wend_stun_integrity {
    uint8_t header[WEND_STUN_HEADER_LEN];
    struct wend_bytes rest;
    struct wend_bytes value; // 20 bytes; SHA-256: 16 to 32, in steps of four
};

// A message, as read. A field whose attribute was absent is zero; where zero could also be a value,
// ask wend_stun_has. Of attributes that come more than once the first counts; what follows an
// integrity attribute is ignored, but for a further integrity attribute and the fingerprint.
struct wend_stun {
    uint8_t transaction[WEND_STUN_TRANSACTION_LEN];
    uint16_t method;
    uint8_t class;    // enum wend_stun_class
    uint64_t present; // use wend_stun_has
    bool change_ip;
    bool change_port;
    uint16_t response_port;
    uint16_t padding_len; // bytes
    uint16_t error_code;  // 300 to 699
    uint8_t unknown_count;
    uint16_t unknown[WEND_STUN_UNKNOWN_MAX]; // must be understood, and we do not
    struct wend_address mapped;
    struct wend_address xor_mapped; // in the clear again
    struct wend_address alternate_server;
    struct wend_address response_origin;
    struct wend_address other;
    struct wend_bytes username;
    struct wend_bytes realm;
    struct wend_bytes nonce;
    struct wend_bytes software;
    struct wend_bytes error_reason;
    struct wend_bytes unknown_attributes; // the other side's list, two bytes each
    struct wend_stun_integrity integrity;
    struct wend_stun_integrity integrity_sha256;
};

// Reads a whole message; `in` holds it and nothing after it.
//
// A fingerprint, if there is one, is checked here: a wrong one makes the message malformed.
// Integrity is not checked here. A request with `unknown_count` > 0 must be refused with error 420.
// Returns 0, or -EBADMSG and `ret` is untouched.
int wend_stun_read(struct wend_bytes in, struct wend_stun *ret);

// Whether an attribute of a type from the enum above was in the message and counted.
bool wend_stun_has(const struct wend_stun *m, enum wend_stun_type type);

// Joins the bytes that an integrity attribute covers, for an HMAC that wants them in one piece.
// Returns their length, or 0 if `capacity` is too small.
size_t wend_stun_join_covered(const struct wend_stun_integrity *i, uint8_t *ret, size_t capacity);

// One attribute as it stands, for types that struct wend_stun has no field for.
struct wend_stun_attribute {
    uint16_t type;
    struct wend_bytes value; // without padding
};

// Walks attributes: start with a reader over what follows the header. Returns false at the end, and
// also when the next attribute does not fit; then `r->failed` is set.
bool wend_stun_next(struct wend_reader *r, struct wend_stun_attribute *ret);

// Building a message: begin, put attributes in the order they shall have, finish.
//
// The length field is right after every step. Running out of room latches; finish tells.
struct wend_stun_writer {
    struct wend_writer out;
    uint8_t *message;
};

struct wend_stun_header {
    uint16_t method;
    uint8_t class; // enum wend_stun_class
    uint8_t transaction[WEND_STUN_TRANSACTION_LEN];
};

void wend_stun_begin(struct wend_stun_writer *w, uint8_t *at, size_t capacity,
                     const struct wend_stun_header *header);
// Any attribute, as bytes; padding is added, of zeros.
void wend_stun_put(struct wend_stun_writer *w, uint16_t type, struct wend_bytes value);
// MAPPED-ADDRESS and all that share its shape. The address must be IPv4 or IPv6.
void wend_stun_put_address(struct wend_stun_writer *w, uint16_t type, const struct wend_address *a);
// The same, hidden behind the cookie and the transaction: XOR-MAPPED-ADDRESS.
void wend_stun_put_xor_address(struct wend_stun_writer *w, uint16_t type,
                               const struct wend_address *a);
void wend_stun_put_change_request(struct wend_stun_writer *w, bool change_ip, bool change_port);
void wend_stun_put_response_port(struct wend_stun_writer *w, uint16_t port);
void wend_stun_put_padding(struct wend_stun_writer *w, size_t len); // `len` zeros
// Last of a request that shall be as long as its answer: SOFTWARE, which everybody skips, up to the
// writer's capacity. PADDING asks for an answer as long as the MTU (RFC 5780 section 6.1).
void wend_stun_fill(struct wend_stun_writer *w);
// `code` must be within 300 to 699.
void wend_stun_put_error(struct wend_stun_writer *w, uint16_t code, struct wend_bytes reason);
void wend_stun_put_unknown(struct wend_stun_writer *w, const uint16_t *types, size_t count);

// Room for an integrity attribute: MESSAGE-INTEGRITY with 20 bytes, or MESSAGE-INTEGRITY-SHA256
// with 16 to 32 in steps of four. The HMAC over `*ret_covered` goes to the
// returned place before anything else is put, because the next attribute changes the length field.
// Returns NULL, and latches, if there is no room.
uint8_t *wend_stun_put_integrity(struct wend_stun_writer *w, enum wend_stun_type type, size_t len,
                                 struct wend_bytes *ret_covered);
// Computed here. Nothing may be put after it.
void wend_stun_put_fingerprint(struct wend_stun_writer *w);
// Returns the message's length in bytes, or 0 if it did not fit.
size_t wend_stun_finish(const struct wend_stun_writer *w);

#endif
