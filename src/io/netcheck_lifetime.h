// SPDX-License-Identifier: MIT
// How long a UDP mapping lives after its last packet: RFC 5780 section 4.6, many sockets at once.
//
// State:  TRYING --a way that works--> WIDE --between two holds--> NARROW --> OVER
// Round:  each fresh socket makes a mapping by one answered request, is silent for a time of its
//         own, then it is found out whether the mapping still lives. WIDE holds for 2 s to 300 s;
//         NARROW cuts what lies between the longest that lived and the shortest that did not into
//         eight parts, or parts of one second. A round ends as soon as one mapping is dead.
// Ways:   RESPONSE_PORT  socket 0 asks the server to answer to the mapped port (RFC 5780)
//         HAIRPIN        socket 0 sends to the mapped port itself, if the NAT turns packets round
//         ASK_AGAIN      the socket asks again: another port means that the mapping was gone. Only
//                        where new mappings do not get the old one's port
//         The first two are tried on a mapping that must live. Where none works the lifetime cannot
//         be known from here.
// Time:   both rounds may last as long as the longest hold: WEND_LIFETIME_TIME in all.
//
// Pure; owns no socket or clock. Embeddable, no destructor.
#ifndef WEND_IO_NETCHECK_LIFETIME_H
#define WEND_IO_NETCHECK_LIFETIME_H

#include "base/datagram.h"
#include "base/time.h"

#define WEND_LIFETIME_SOCKETS    13 // 0 asks for the others
#define WEND_LIFETIME_LONGEST    WEND_S(300)
#define WEND_LIFETIME_TIME       WEND_S(620)
#define WEND_LIFETIME_TRIES      3
#define WEND_LIFETIME_PATIENCE   WEND_MS(400)
#define WEND_LIFETIME_RANDOM_LEN 12

enum wend_lifetime_way {
    WEND_LIFETIME_UNKNOWN = 0, // none works
    WEND_LIFETIME_RESPONSE_PORT,
    WEND_LIFETIME_HAIRPIN,
    WEND_LIFETIME_ASK_AGAIN,
};

enum wend_lifetime_state {
    WEND_LIFETIME_TRYING = 0,
    WEND_LIFETIME_WIDE,
    WEND_LIFETIME_NARROW,
    WEND_LIFETIME_OVER,
};

enum wend_lifetime_mapping {
    WEND_LIFETIME_NOT_USED = 0,
    WEND_LIFETIME_OPENING, // waits for what the server sees
    WEND_LIFETIME_HOLDING,
    WEND_LIFETIME_ASKING,
    WEND_LIFETIME_ALIVE,
    WEND_LIFETIME_DEAD,
    WEND_LIFETIME_SILENT, // the server does not answer: proves nothing
};

struct wend_lifetime_socket {
    enum wend_lifetime_mapping is;
    uint8_t tries;
    bool due;
    wend_instant next;
    wend_duration hold;
    struct wend_address mapped;
};

struct wend_lifetime_config {
    struct wend_address server;
    wend_duration longest; // hold; 0: WEND_LIFETIME_LONGEST
    bool ports_change;     // a new mapping gets another port than the one before it
    bool no_hairpin;       // the outside address is this host's own
    uint8_t random[WEND_LIFETIME_RANDOM_LEN];
};

struct wend_lifetime {
    struct wend_lifetime_config config;
    enum wend_lifetime_state state;
    enum wend_lifetime_way way;
    uint8_t round;
    bool sockets_due;          // the owner is to open fresh ones and to call begin
    wend_duration lived, died; // the longest, the shortest; died 0: none did
    struct wend_lifetime_socket sockets[WEND_LIFETIME_SOCKETS];
    uint8_t request[64];
};

void wend_lifetime_init(struct wend_lifetime *l, const struct wend_lifetime_config *config);

// A round begins: how many fresh sockets it needs (0: none is due), and that they are there.
size_t wend_lifetime_wants(const struct wend_lifetime *l);
void wend_lifetime_begin(struct wend_lifetime *l, wend_instant now);

// Returns 0; -EBADMSG malformed; -ESTALE nothing that was asked for.
int wend_lifetime_receive(struct wend_lifetime *l, const struct wend_datagram *in,
                          wend_instant now);
void wend_lifetime_expire(struct wend_lifetime *l, wend_instant now);
wend_instant wend_lifetime_deadline(const struct wend_lifetime *l);
// `socket` of the datagram says from which; `bytes` are valid until the next call.
bool wend_lifetime_next_datagram(struct wend_lifetime *l, struct wend_datagram *ret);

// Over: way UNKNOWN: it cannot be known; else more than `lived`, at most `died` unless that is 0.
static inline bool wend_lifetime_is_over(const struct wend_lifetime *l)
{
    return l->state == WEND_LIFETIME_OVER;
}

#endif
