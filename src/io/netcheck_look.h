// SPDX-License-Identifier: MIT
// First look at STUN servers: which of them answer over UDP, after how long, what they see of one
// socket, and which second address they name (OTHER-ADDRESS, RFC 5780 section 7.4).
//
// Flow:   servers --Binding request to each--> answers --wend_look_targets--> discovery.h, which
//         needs the other addresses and ports of a server as servers of their own
// Asks:   each server three times at most, 500 ms apart, all of them side by side; each time under
//         a transaction of its own, so that a delay is always that of the request answered.
//
// Pure; owns no socket or clock. Embeddable, no destructor.
#ifndef WEND_IO_NETCHECK_LOOK_H
#define WEND_IO_NETCHECK_LOOK_H

#include "base/datagram.h"
#include "base/time.h"

#define WEND_LOOK_SERVERS_MAX 8
#define WEND_LOOK_TRIES       3
#define WEND_LOOK_PATIENCE    WEND_MS(500)
#define WEND_LOOK_RANDOM_LEN  12
#define WEND_LOOK_REQUEST_LEN 104 // servers may answer no longer than they are asked

struct wend_look_server {
    struct wend_address address;
    struct wend_address mapped; // what it sees; family NONE: it did not answer
    struct wend_address other;  // OTHER-ADDRESS, if it is another address and port
    wend_duration delay;        // of the first answer
    uint8_t tries;
    bool due, over;
    bool refused; // answered by an error, or without an address
    wend_instant next, sent[WEND_LOOK_TRIES];
};

struct wend_look {
    uint8_t count;
    struct wend_look_server servers[WEND_LOOK_SERVERS_MAX];
    uint8_t random[WEND_LOOK_RANDOM_LEN];
    uint8_t request[WEND_LOOK_REQUEST_LEN];
};

// Begins. At most WEND_LOOK_SERVERS_MAX servers are taken; `random` must be unpredictable.
void wend_look_init(struct wend_look *l, const struct wend_address *servers, size_t count,
                    const uint8_t random[static WEND_LOOK_RANDOM_LEN]);

// Returns 0; -EBADMSG malformed; -ESTALE no answer to a request of ours from where it was sent.
int wend_look_receive(struct wend_look *l, const struct wend_datagram *in, wend_instant now);
void wend_look_expire(struct wend_look *l, wend_instant now);
wend_instant wend_look_deadline(const struct wend_look *l); // WEND_NEVER: all is known
// `bytes` are valid until the next call.
bool wend_look_next_datagram(struct wend_look *l, struct wend_datagram *ret);

// Whether any server answered, be it by an error.
bool wend_look_is_answered(const struct wend_look *l);

// Where discovery shall ask: addresses of one family, that of the first server which answered (or
// the first of all). Servers with a second address come first, each as the four places that RFC
// 5780 promises; then the others that answered; if none answered, all. Returns how many.
size_t wend_look_targets(const struct wend_look *l,
                         struct wend_address ret[static WEND_LOOK_SERVERS_MAX]);

#endif
