// SPDX-License-Identifier: MIT
// What a leg is made of; for those who embed one (node, join, tests). Only leg*.c touches fields.
//
// leg.c          the session: start, keys, rekeys, giving up; the clock
// leg_request.c  requests of ours with their retries, answers to the server's
// leg_keepalive.c  when the server hears from us though there is nothing to say
// leg_route.c    transports: which address and stream the server is spoken to on
// leg_receive.c  what comes from the server
#ifndef WEND_NODE_LEG_STATE_H
#define WEND_NODE_LEG_STATE_H

#include "crypto/crypto.h"
#include "node/leg.h"
#include "session/data.h"

#define WEND_LEG_ANSWERS_MAX 16 // to the server's requests, until drained; more: the server repeats
#define WEND_LEG_EVENTS_MAX  64

// One request in flight. id 0: free.
struct wend_leg_slot {
    uint32_t id;
    uint16_t type;
    uint16_t len;
    uint8_t tries; // in this session
    bool fresh;    // its clock starts with the next expire: a request is not told the time
    bool due;      // to be sent by the next drain
    bool once;     // not repeated, and nobody minds when there is no answer
    bool repeated; // sent before tries began anew: its answer measures nothing
    wend_instant sent, retry_at, give_up_at;
    wend_duration interval, patience;
    uint8_t body[WEND_LEG_BODY_MAX];
};

struct wend_leg_answer {
    uint32_t id;
    uint16_t type; // with the response bit
    uint16_t len;
    uint8_t body[WEND_LEG_BODY_MAX];
};

// The way to the server, and the search for one.
struct wend_leg_search {
    struct wend_address addresses[WEND_LEG_ADDRESSES_MAX];
    size_t address_count;
    bool routed;                // `route` is good
    struct wend_datagram route; // transport, stream, remote
    uint32_t targets;   // bits: UDP addresses that the initiation still goes to in this round
    bool stream_target; // and the open stream
    uint32_t stream;    // opened or being opened; 0: none
    bool stream_open;
    uint32_t stream_serial;        // numbers streams
    struct wend_address stream_to; // where the stream goes
    size_t stream_address;         // which of the addresses the next stream goes to
    wend_instant stream_at;        // when to open one, or to give up opening it; WEND_NEVER: not
    uint32_t stun_targets;         // bits: addresses that a Binding request still goes to
    uint8_t stun_id[12];           // of the Binding under way
    wend_instant stun_at;          // next Binding, while on a stream
    struct wend_address resume_to; // UDP address that the next Resume goes to, family 0: the route
    uint32_t resume_id;            // of that Resume
    bool replacing;                // a stream is opened for one that was given up; then a Resume
    wend_duration stun_after;      // to the next Binding, doubling
};

struct wend_leg {
    struct wend_leg_config config;
    struct wend_random *random;
    struct wend_prologue prologue;
    struct wend_session_config session_config;
    struct wend_session session;
    uint8_t initiation[WEND_INITIATION_MAX];
    size_t initiation_len;
    uint8_t response[1]; // a client answers no initiations from its server

    bool started;
    bool have_session; // box is good
    struct wend_box box, previous;
    uint8_t handshake_hash[WEND_SESSION_HASH_LEN];
    uint64_t server_epoch;
    int64_t clock_offset; // unix ns - instant
    wend_instant connecting_since;
    uint32_t initiations;    // drained since then
    wend_instant restart_at; // after GAVE_UP
    wend_duration restart_after;

    struct wend_leg_search search;
    size_t slot_high; // slots at and above this were never used
    uint32_t last_id;
    struct wend_leg_answer answers[WEND_LEG_ANSWERS_MAX];
    size_t answer_first, answer_count;
    struct wend_leg_upkeep upkeep;
    struct wend_nat_proof proof; // of the newest answer; sent 0: there is none
    wend_instant keepalive_at;
    wend_duration interval_asked, interval_told; // told with the last Keepalive; known to be heard
    uint8_t quiet;                               // Keepalives in a row that asked for news only
    wend_instant last_received;
    wend_instant resumed_at; // last Resume by a hint
    wend_duration rtt, rtt_least;
    struct wend_address observed;

    struct wend_leg_event events[WEND_LEG_EVENTS_MAX];
    size_t event_first, event_count;
    uint8_t out[WEND_DATAGRAM_MAX];
    uint8_t in[WEND_DATAGRAM_MAX];
    struct wend_response handshake_response;
    struct wend_leg_slot slots[WEND_LEG_REQUESTS_MAX]; // last, for most are never touched
};

// --- between the leg's files ---

void wend_leg_raise(struct wend_leg *leg, const struct wend_leg_event *event);
void wend_leg_connect(struct wend_leg *leg, wend_instant now); // a new handshake, if none is on
void wend_leg_take_session_events(struct wend_leg *leg, wend_instant now);
void wend_leg_measured(struct wend_leg *leg, wend_duration rtt);
void wend_leg_saw(struct wend_leg *leg, struct wend_bytes address_value); // ADDRESS of an answer

// Search.
bool wend_leg_is_from_server(const struct wend_leg *leg, const struct wend_datagram *in);
void wend_leg_search_begin(struct wend_leg *leg, wend_instant now);
void wend_leg_search_doubt(struct wend_leg *leg, wend_instant now); // the way seems to be dead
void wend_leg_search_repeat(struct wend_leg *leg); // the initiation is due once more
void wend_leg_search_chosen(struct wend_leg *leg, const struct wend_datagram *by, wend_instant now);
// A Resume was answered by this way.
void wend_leg_search_resumed(struct wend_leg *leg, const struct wend_datagram *by,
                             wend_instant now);
void wend_leg_search_expire(struct wend_leg *leg, wend_instant now);
wend_instant wend_leg_search_deadline(const struct wend_leg *leg);
bool wend_leg_search_next_datagram(struct wend_leg *leg, struct wend_datagram *ret);
bool wend_leg_search_owns(const struct wend_leg *leg, const struct wend_datagram *in);
int wend_leg_search_stun(struct wend_leg *leg, const struct wend_datagram *in, wend_instant now);

// Keepalive.
void wend_leg_keepalive_begin(struct wend_leg *leg, wend_instant now); // the way is another
// `sure`: to be answered in any case.
void wend_leg_keep_alive(struct wend_leg *leg, bool sure, wend_instant now);
// A request that told where the server sees us was answered; before that is noted.
void wend_leg_keepalive_proves(struct wend_leg *leg, const struct wend_leg_slot *slot,
                               struct wend_bytes address_value);
void wend_leg_keepalive_answered(struct wend_leg *leg, wend_instant sent);

// Requests.
struct wend_leg_slot *wend_leg_find_slot(struct wend_leg *leg, uint32_t id);
// Sends a Resume to this UDP address, or NULL: by the route.
void wend_leg_resume(struct wend_leg *leg, const struct wend_address *to, wend_instant now);
void wend_leg_requests_hasten(struct wend_leg *leg, wend_instant now); // behind a Resume
void wend_leg_requests_again(struct wend_leg *leg, wend_instant now);  // in a new session
void wend_leg_requests_expire(struct wend_leg *leg, wend_instant now);
wend_instant wend_leg_requests_deadline(const struct wend_leg *leg);
bool wend_leg_requests_next_datagram(struct wend_leg *leg, struct wend_datagram *ret);
void wend_leg_answered(struct wend_leg *leg, const struct wend_control *response,
                       const struct wend_datagram *in, wend_instant now);

#endif
