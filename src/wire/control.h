// SPDX-License-Identifier: MIT
// Control messages: requests and responses between client and server, and between peers.
//
// Wire:  u16 type, u16 length of the attributes, u32 id, attributes (attribute.h), then zeros that
//        pad. docs/protocol.md section 3. Always sealed: in a session's type 4 with a server, in
//        type 9 between peers.
// Types: 0x8000 says that it may be skipped when unknown, 0x4000 that it is a response. A message
//        with an unknown type decodes; whoever receives it answers 405, or skips it.
#ifndef WEND_WIRE_CONTROL_H
#define WEND_WIRE_CONTROL_H

#include "base/bytes.h"
#include "wire/attribute.h"

#define WEND_CONTROL_HEADER_LEN 8
#define WEND_CONTROL_RESPONSE   0x4000

enum wend_control_type {
    WEND_CONTROL_NONE = 0,
    WEND_CONTROL_CONFIGURATION = 0x0001,
    WEND_CONTROL_RESUME = 0x0002,
    WEND_CONTROL_RELEASE = 0x0003,
    WEND_CONTROL_KEEPALIVE = 0x0004,
    WEND_CONTROL_PEER_SERVICE = 0x0005,
    WEND_CONTROL_SUBSCRIBE = 0x0006,
    WEND_CONTROL_PUBLISH = 0x0007,
    WEND_CONTROL_NOTIFY = 0x0008,
    WEND_CONTROL_FETCH = 0x0009,
    WEND_CONTROL_JOIN = 0x0010,
    WEND_CONTROL_JOIN_COMMIT = 0x0011,
    WEND_CONTROL_CLAIM = 0x0020,
    WEND_CONTROL_SHOW = 0x0021,
    WEND_CONTROL_PROBE = 0x0101,
    WEND_CONTROL_CANDIDATES = 0x0102,
    WEND_CONTROL_GOODBYE = 0x0103,
    WEND_CONTROL_REPORT = 0x8104,
    WEND_CONTROL_SWITCHED = 0x8105,
    WEND_CONTROL_EARLY = 0x8106,
    WEND_CONTROL_VOLLEY = 0x8107,
    WEND_CONTROL_PUNCH = 0x8108,
};

enum wend_error {
    WEND_ERROR_NONE = 0,
    WEND_ERROR_MALFORMED = 400,
    WEND_ERROR_NOT_REGISTERED = 401,
    WEND_ERROR_NOT_ALLOWED = 403,
    WEND_ERROR_UNKNOWN_PEER = 404, // or network
    WEND_ERROR_UNKNOWN_MESSAGE = 405,
    WEND_ERROR_NO_ANSWER = 408,
    WEND_ERROR_TAKEN = 409, // name, slot or address
    WEND_ERROR_EXPIRED = 410,
    WEND_ERROR_NOT_YET_VALID = 411,
    WEND_ERROR_EXHAUSTED = 412,
    WEND_ERROR_POOL_FULL = 413,
    WEND_ERROR_REVOKED = 414,
    WEND_ERROR_UNKNOWN_ATTRIBUTE = 420,
    WEND_ERROR_TOO_MANY = 429,
    WEND_ERROR_FORGED = 440,
    WEND_ERROR_FOREIGN = 441,
    WEND_ERROR_BACKDATED = 442,
    WEND_ERROR_REPLAYED = 443,
    WEND_ERROR_STALE = 444,
    WEND_ERROR_UNLISTED = 445, // a server that the network record does not name
    WEND_ERROR_TOO_LONG = 446, // a lifetime beyond what the invite grants
    WEND_ERROR_OUTSIDE = 447,  // an address that the signing server may not lease
    WEND_ERROR_LIMIT = 503,
};

struct wend_control {
    uint16_t type; // enum wend_control_type or unknown; without the response bit
    bool response;
    uint32_t id;
    struct wend_bytes attributes; // borrowed; for wend_attributes_parse
};

// Returns 0, or -EBADMSG: shorter than it says, or something other than zeros after its end.
int wend_control_decode(struct wend_bytes in, struct wend_control *ret);

bool wend_control_is_optional(const struct wend_control *c); // may be skipped when unknown
const char *wend_control_name(uint16_t type);                // "Join"; "unknown message"

// One line of English without a full stop, for people: "expired". Unknown codes: "unknown error".
const char *wend_error_name(uint16_t code);

// A message: begin, put attributes, end with what begin returned. `type` with WEND_CONTROL_RESPONSE
// for a response. If `failed` is set in the writer afterwards, it did not fit.
size_t wend_control_begin(struct wend_writer *w, uint16_t type, uint32_t id);
void wend_control_end(struct wend_writer *w, size_t begun);

// A message around attributes that are already encoded.
void wend_control_write(struct wend_writer *w, uint16_t type, uint32_t id,
                        struct wend_bytes attributes);
// The failed response to a request of `type`; the text says which value (NULL: none).
void wend_control_write_failure(struct wend_writer *w, const struct wend_control *request,
                                enum wend_error code, const char *text);

#endif
