// SPDX-License-Identifier: MIT
// Volley: carries out a plan (plan.h) for one peer, together with the peer's own volley.
//
// Flow:   both models known to both --start--> stages in turn --a datagram comes through--> WON
//                                                             --plan through, refused--> OVER
// State:  IDLE --start--> RUNNING --answer--> WON --0.5 s--> SETTLED; RUNNING --stop--> OVER
// Wire:   messages to the peer over the relay, wire/volley.h; the datagrams' bytes are the caller's
//         (sealed probes with `token` and `echo` inside; Binding requests for BRACKET).
// Stages: the called side conducts: it alone moves to the next round or stage, and says so; the
//         caller follows. So both are always at the same place, within half a relayed round trip.
//         Nor does it move before the caller has joined, whose models may have come late.
// Hits:   whatever of the peer arrives (OPENER, PROBE) is ANSWERed from the socket it came to,
//         towards where it came from, and names the token of what it answers. An ANSWER proves that
//         the answered datagram's socket and destination work: those become the path, not the
//         source of the answer, which differs where replies leave from a new port. It is CONFIRMed
//         the same way, and by HIT over the relay. When both sides win on different pairs the
//         smaller key's counts; therefore sockets stay open for 0.5 s after the first win.
//         In DIRECT and REVERSAL, and in SIMULTANEOUS where the called side opened before, a side
//         with one port for everybody needs no answer to a datagram of its own; nor does, in GUESS,
//         a fresh socket that hears from where it opened to. An OPENER or PROBE that names the plan
//         is made by who has what we said over the relay, and what we send goes back the way it
//         came. It is answered, and the pair taken at once.
// Safety: sends to the IP address that the server attests for the peer's session and nowhere else
//         (or to the inside address given at start, with the same NAT); while messages of the peer
//         keep coming, at least each 500 ms; a token that we did not make is no hit.
//
// Owns no socket, clock, memory or key. Not thread-safe. About 4 KiB, embeddable, no destructor but
// wend_volley_close, which gives back what it holds of the shared limits.
#ifndef WEND_TRAVERSE_VOLLEY_H
#define WEND_TRAVERSE_VOLLEY_H

#include "base/drop.h"
#include "base/hash.h"
#include "traverse/plan.h"
#include "traverse/volley_limits.h"
#include "wire/volley.h"

#define WEND_VOLLEY_SOCKETS    720 // of one volley, over all its stages; number 0 is the main one
#define WEND_VOLLEY_QUEUE      32
#define WEND_VOLLEY_HEARD      4 // pairs on which the peer came through, not yet confirmed
#define WEND_VOLLEY_ANSWERS    16
#define WEND_VOLLEY_REASON_MAX 96
#define WEND_VOLLEY_SILENCE    WEND_MS(500)
#define WEND_VOLLEY_LINGER     WEND_MS(500)
#define WEND_VOLLEY_SAMPLE_AGE WEND_MS(300)

enum wend_volley_datagram_kind {
    WEND_VOLLEY_OPENER = 1, // makes a mapping; may be lost on the way
    WEND_VOLLEY_PROBE,
    WEND_VOLLEY_ANSWER,  // to OPENER or PROBE
    WEND_VOLLEY_CONFIRM, // to ANSWER
    WEND_VOLLEY_BRACKET, // a Binding request to discovery server `server`
};

struct wend_volley_datagram {
    enum wend_volley_datagram_kind kind;
    uint16_t socket;            // 0: the main one
    uint8_t ttl;                // 0: the usual
    uint8_t server;             // BRACKET: 0 or 1; `remote` is empty
    struct wend_address remote; // everything else
    uint64_t token;             // to be echoed by who gets it
    uint64_t echo;              // ANSWER, CONFIRM: the token of what is answered; else the serial
};

enum wend_volley_event_kind {
    WEND_VOLLEY_EVENT_NONE = 0,
    WEND_VOLLEY_OPEN_SOCKETS,  // `count` from number `socket` on; `port`: wished, 0: any
    WEND_VOLLEY_WON,           // {socket, remote}; a second one replaces the first
    WEND_VOLLEY_CLOSE_SOCKETS, // all but `socket` (0: all) and the main one
    WEND_VOLLEY_OVER,          // `reason`
};

struct wend_volley_event {
    enum wend_volley_event_kind kind;
    uint16_t socket, count, port;
    struct wend_address remote;
    const char *reason; // valid until the machine starts anew
};

enum wend_volley_state {
    WEND_VOLLEY_IDLE = 0,
    WEND_VOLLEY_RUNNING,
    WEND_VOLLEY_STATE_WON,
    WEND_VOLLEY_SETTLED,
    WEND_VOLLEY_STATE_OVER,
};

struct wend_volley_setup {
    const struct wend_plan *plan;
    const struct wend_nat_model *own, *peer;
    struct wend_address attested;   // from where the server sees the peer's session
    struct wend_address inside;     // of the peer, for the same NAT; family NONE: not known
    wend_duration rtt;              // over the relay, there and back
    uint8_t ttl;                    // of openers that must not reach the peer's NAT
    uint8_t key[WEND_HASH_KEY_LEN]; // random: tokens, and where a rain begins
    bool parked;                    // does nothing until the first message of the peer
};

// An authenticated datagram of the peer.
struct wend_volley_hit {
    enum wend_volley_datagram_kind kind;
    uint16_t socket;            // on which it came
    struct wend_address remote; // from where
    uint64_t token, echo;       // as the peer wrote them
};

// How a run of datagrams goes out: the k-th of `count` at `next_at`, then `pace` later.
enum wend_volley_aim {
    WEND_AIM_NONE = 0,
    WEND_AIM_LIST,   // `len` ports from `base` on in the peer's sequence, again and again
    WEND_AIM_STEP,   // `base` + k x step in the peer's sequence
    WEND_AIM_FAN,    // one port, each from another socket
    WEND_AIM_RANGE,  // distinct ports of low..high
    WEND_AIM_WINDOW, // ports around `base`
};

struct wend_volley_run {
    enum wend_volley_aim aim;
    bool inside;
    uint8_t ttl;
    uint16_t socket, base, len, low, high, count, sent;
    int32_t step;
    wend_duration pace, gap; // gap: between two passes over a list
    wend_instant next_at;
};

struct wend_volley_heard {
    uint16_t socket, answers; // answers: 0: free
    struct wend_address remote;
    uint64_t token;
    wend_instant next_at;
};

struct wend_volley_offer {
    bool made;
    uint16_t first, last;
    wend_instant at; // of the sample
};

struct wend_volley {
    enum wend_volley_state state;
    struct wend_plan plan;
    struct wend_nat_model own, peer;
    struct wend_address attested, inside;
    wend_duration rtt;
    uint8_t ttl;
    uint8_t key[WEND_HASH_KEY_LEN];
    struct wend_volley_limits *limits;

    uint8_t stage, round;
    bool acted, opened, opened_spare, has_go;
    bool parked;
    bool heard_peer; // a message of this volley
    wend_instant begun, begin_at, round_end, act_at, again_at, wait_until;
    struct wend_volley_offer offer, peer_offer;
    struct wend_volley_offer peer_before; // SCAN: the one that peer_offer replaced
    uint16_t sampled[2];                  // mapped ports, by server
    struct wend_volley_run run;

    uint16_t socket_first, socket_count, socket_next; // of this round; next free number
    uint16_t ports[WEND_VOLLEY_SOCKETS];              // local ones; 0: not open (yet)
    uint16_t wished;                                  // the called side's wish for ours
    uint32_t sockets_held;

    wend_instant heard_at, repeat_at, settle_at;
    uint8_t hit_repeats, early, messages; // early: quick repetitions left; bits of what to say
    uint16_t taken;                       // messages of this second
    wend_instant taken_since;
    uint16_t aim_port; // AIM: what we want of the caller
    uint16_t stop_code;
    uint64_t hit_token; // the peer's, that HIT names

    struct wend_volley_datagram queue[WEND_VOLLEY_QUEUE];
    uint8_t queue_head, queue_len;
    struct wend_volley_heard heard[WEND_VOLLEY_HEARD];
    uint16_t answers;

    uint8_t events; // bits
    uint16_t won_socket;
    struct wend_address won_remote;
    bool won_by_first; // the pair is the smaller key's
    char reason[WEND_VOLLEY_REASON_MAX];

    uint32_t sent; // towards the peer
    struct wend_drops drops;
};

// Begins, or says at once (OVER) why nothing is tried. `v` is zeroed or closed.
//
// Returns 0, whatever becomes of it;
//   -EPERM  the peer's model or candidate names a public address other than the attested one, or
//           none is attested: nothing is sent, the state stays IDLE
//   -EBUSY  too many volleys run: the state stays IDLE
int wend_volley_start(struct wend_volley *v, const struct wend_volley_setup *setup,
                      struct wend_volley_limits *limits, wend_instant now);
// The called side, right after start: asks the caller to use this port; 0 is none.
void wend_volley_ask_port(struct wend_volley *v, uint16_t port);
// The message that begins the peer's volley was repeated: it may have missed the first.
void wend_volley_await(struct wend_volley *v, wend_instant now);
// We do not want this direct path: both sides stop. `reason`: at most 40 printable characters.
void wend_volley_refuse(struct wend_volley *v, const char *reason, wend_instant now);
// Forgets everything; what was held of the limits is given back. Sockets are the caller's to close.
void wend_volley_close(struct wend_volley *v);

// A socket asked for is open at this local port. Returns 0, or -ENOENT: nobody asked for it.
int wend_volley_socket_ready(struct wend_volley *v, uint16_t number, uint16_t port,
                             wend_instant now);
// Discovery server `server` saw our request from `socket` come from `mapped`. Returns 0;
//   -ESTALE  not of this round, or twice; what follows from another public address is OVER
int wend_volley_sampled(struct wend_volley *v, uint8_t server, uint16_t socket,
                        const struct wend_address *mapped, wend_instant now);
// A message of the peer, opened. Returns 0, or what it was dropped as (counted).
enum wend_drop wend_volley_receive(struct wend_volley *v, struct wend_bytes in, wend_instant now);
enum wend_drop wend_volley_hit(struct wend_volley *v, const struct wend_volley_hit *hit,
                               wend_instant now);

void wend_volley_expire(struct wend_volley *v, wend_instant now);
wend_instant wend_volley_deadline(const struct wend_volley *v);
bool wend_volley_next_datagram(struct wend_volley *v, struct wend_volley_datagram *ret);
// Writes the next message for the peer to `ret`, WEND_VOLLEY_MESSAGE_MAX bytes; 0: none.
size_t wend_volley_next_message(struct wend_volley *v, uint8_t *ret, wend_instant now);
bool wend_volley_next_event(struct wend_volley *v, struct wend_volley_event *ret);
void wend_volley_check(const struct wend_volley *v);

#endif
