// SPDX-License-Identifier: MIT
// Why things are as they are, in plain words: the path to a peer, and the NATs before this device.
//
// Pure functions. One line, without a line's end; what is named is named as in plan.h.
#ifndef WEND_IO_STATUS_WORDS_H
#define WEND_IO_STATUS_WORDS_H

#include "node/view.h"

#define WEND_WHY_LEN 200 // with its zero byte

// Why packets to the peer take the path that they take, beginning with its kind. NULL: they take
// none.
const char *wend_status_why(const struct wend_peer_view *peer, char ret[static WEND_WHY_LEN]);

// "none", "running", "won", "failed" or "no-way".
const char *wend_status_volley_state(const struct wend_volley_view *v);

// Several NATs one behind the other, as far as the gateways' own words tell: at least so many.
// `in_a_row`: those that the port mapping client knows of. 0: nothing is known about that.
unsigned wend_status_gateways(const struct wend_nat_model *m, unsigned in_a_row);

#endif
