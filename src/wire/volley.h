// SPDX-License-Identifier: MIT
// Volley messages: what two peers tell each other over the relay while they open a direct path
// through hard NATs (src/traverse/volley.h). Sealed end to end by the caller of this codec.
//
// Wire:  the value of one attribute, at most 64 bytes:
//          u8 kind, u8 stage, u8 round, u8 zero, u32 plan serial, then by kind
//          OFFER  u32 age of the sample in us, u8 family, u8 zero, u16 first port, 4 or 16 bytes of
//                 address, u16 last port: from here my packets come, or will
//          GO     u32 us until my part is done, counted from half a relayed round trip on
//          STILL  nothing: the sender still wants this stage
//          HIT    u64 token of the receiver's datagram that the sender got an answer with
//          AIM    u16 port: the called side asks the caller to use this one
//          STOP   u16 code, text of at most 40 printable ASCII characters
//        Stage and round say which part of the plan is meant; HIT, AIM and STOP carry them too and
//        mean the whole plan.
#ifndef WEND_WIRE_VOLLEY_H
#define WEND_WIRE_VOLLEY_H

#include "base/address.h"
#include "base/bytes.h"

#define WEND_VOLLEY_MESSAGE_MAX 64 // bytes
#define WEND_VOLLEY_TEXT_MAX    40

enum wend_volley_kind {
    WEND_VOLLEY_NONE = 0,
    WEND_VOLLEY_OFFER = 1,
    WEND_VOLLEY_GO = 2,
    WEND_VOLLEY_STILL = 3,
    WEND_VOLLEY_HIT = 4,
    WEND_VOLLEY_AIM = 5,
    WEND_VOLLEY_STOP = 6,
};

// Why a side stops; those that we do not know count as WEND_VOLLEY_GAVE_UP.
enum wend_volley_code {
    WEND_VOLLEY_GAVE_UP = 0, // the plan is through, nothing came
    WEND_VOLLEY_REFUSED = 1, // the receiver of the call does not want a direct path
    WEND_VOLLEY_NO_PLAN = 2, // out of reach, or models that contradict themselves
    WEND_VOLLEY_BUSY = 3,    // too many at once
    WEND_VOLLEY_CHANGED = 4, // the network or a NAT is no longer what the model says
};

struct wend_volley_message {
    enum wend_volley_kind kind;
    uint8_t stage, round;
    uint32_t serial;
    uint32_t microseconds;       // OFFER: age; GO: delay
    struct wend_address address; // OFFER; its port is the first one
    uint16_t last_port;          // OFFER
    uint16_t port;               // AIM
    uint16_t code;               // STOP
    uint64_t token;              // HIT
    char text[WEND_VOLLEY_TEXT_MAX + 1];
};

// Returns 0, or -EBADMSG and `ret` is untouched: wrong length, unknown kind, an address that nobody
// can have, port 0, text that is not printable, bytes beyond the end.
int wend_volley_message_read(struct wend_bytes in, struct wend_volley_message *ret);

// Latches the writer when the message cannot be said (no kind, no family, port 0, text that read
// would refuse).
void wend_volley_message_write(struct wend_writer *w, const struct wend_volley_message *m);

#endif
