// SPDX-License-Identifier: MIT
// A NAT model in plain words: what the NAT does, who can be reached through it, what would help.
//
// Pure functions. Sentences without a line's end; text that is returned is constant.
#ifndef WEND_IO_NETCHECK_WORDS_H
#define WEND_IO_NETCHECK_WORDS_H

#include "io/netcheck_lifetime.h"
#include "traverse/nat_model.h"

#define WEND_WORDS_LEN     200 // of a sentence, with its zero byte
#define WEND_ADVICE_MAX    4
#define WEND_TYPICAL_PEERS 4

// How outside ports come about: mapping and allocation.
char *wend_words_mapping(const struct wend_nat_model *m, char ret[static WEND_WORDS_LEN]);
const char *wend_words_filtering(const struct wend_nat_model *m);
// NULL: not known, or nothing to say.
const char *wend_words_hairpin(const struct wend_nat_model *m);
char *wend_words_lifetime(const struct wend_lifetime *l, char ret[static WEND_WORDS_LEN]);

// Whether a peer behind a typical NAT can be reached directly.
enum wend_words_reach {
    WEND_WORDS_RELAY = 0,
    WEND_WORDS_MAYBE,  // by guessing
    WEND_WORDS_MOSTLY, // by a volley of datagrams
    WEND_WORDS_DIRECT,
};

struct wend_words_peer {
    const char *peer; // what is in front of it
    enum wend_words_reach reach;
    const char *reason; // one line
};

// What the planner (traverse/plan.h) would do with the `index`th typical peer.
struct wend_words_peer wend_words_peer(const struct wend_nat_model *m, size_t index);
const char *wend_words_reach(enum wend_words_reach reach);

struct wend_words_outlook {
    bool port_mapped;    // the gateway grants ports
    bool mapping_asked;  // whether it does was found out
    bool tcp_works;      // to any server
    bool contradiction;  // servers contradict each other
    bool lies;           // their answers cannot be true
    bool second_address; // two servers, or one with a second address
};

// What the user can do, most helpful first. Returns how many.
size_t wend_words_advice(const struct wend_nat_model *m, const struct wend_words_outlook *o,
                         const char *ret[static WEND_ADVICE_MAX]);

#endif
