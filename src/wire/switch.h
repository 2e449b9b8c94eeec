// SPDX-License-Identifier: MIT
// Switch: what a sender says inside its own stream of data messages when it moves to another way.
//
// Wire: the body of a type 4 message, whose first byte 1 is no IP version; docs/protocol.md section
// 7.5. It takes a counter of its own, so the receiver knows its place among the packets:
//   LEAVE  the last message on the way that is left
//   ENTER  the first message on the way that is taken
//   BOTH   from here on, every message goes by both ways
// `first` is the counter of the first message that takes the new way (of ENTER itself); repeated
// ones keep it under new counters of their own.
#ifndef WEND_WIRE_SWITCH_H
#define WEND_WIRE_SWITCH_H

#include "base/bytes.h"

#define WEND_SWITCH_LEN 12

enum wend_switch_kind {
    WEND_SWITCH_NONE = 0,
    WEND_SWITCH_LEAVE = 1,
    WEND_SWITCH_ENTER = 2,
    WEND_SWITCH_BOTH = 3,
};

struct wend_switch {
    enum wend_switch_kind kind;
    uint64_t first;
};

void wend_switch_write(uint8_t ret[static WEND_SWITCH_LEN], const struct wend_switch *s);
// `in` is what a data message held, with its padding. Returns 0, or -EBADMSG: something else.
int wend_switch_read(struct wend_bytes in, struct wend_switch *ret);

#endif
