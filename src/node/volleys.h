// SPDX-License-Identifier: MIT
// Direct paths through hard NATs, for contacts: models told, volleys (traverse/volley.h) begun, run
// and ended. docs/protocol.md section 7.8.
//
//   volleys.c      what becomes of them, when the next one is due
//   volleys_call.c handshakes that bear models, and what they begin
//   volleys_run.c  its datagrams, messages and sockets
//
// Begins: a handshake bears the model of each side in turn, type 5 the caller's, type 6 the
//         other's: to tell it says "now, if you too". The server that passes the call on attests to
//         each side from where it sees the other, and nothing is sent to any other address. So such
//         a handshake always goes by a Peer Service Request.
// While:  server-reflexive candidates are left alone: the plan has its own idea of them.
// Refuse: where the relay is preferred none is begun, and what the peer begins is refused at once:
//         it stops and says so.
// Ends:   won: the path is up (wend_paths_found), its socket adopted; else the relay stays. What
//         failed is tried again after 30 s, doubling to 300 s; what is out of reach, and what the
//         peer does not join in, when a model changes.
#ifndef WEND_NODE_VOLLEYS_H
#define WEND_NODE_VOLLEYS_H

#include "traverse/volley.h"

struct wend_node;
struct wend_contact;
struct wend_origin;
struct wend_control;
struct wend_candidate;
struct wend_datagram;

enum wend_volley_end {
    WEND_VOLLEY_END_NONE = 0, // none yet, or it did not come to one
    WEND_VOLLEY_END_WON,
    WEND_VOLLEY_END_FAILED,
    WEND_VOLLEY_END_NO_WAY, // there is none: nothing was sent
};

struct wend_volley_seat {
    uint32_t contact; // 1 + index; 0: free
    bool told;        // that it has begun
    struct wend_volley volley;
    uint32_t group; // of samples, of what was asked at `asked_at`
    wend_instant asked_at;
    uint16_t numbers[WEND_VOLLEY_SOCKETS]; // of the node's sockets, by the volley's; 0: none
};

// Zeroed, then limits initialised.
struct wend_volleys {
    struct wend_volley_limits limits;
    struct wend_volley_seat seats[WEND_VOLLEYS_MAX];
    uint32_t model; // serial of our model's classes, as contacts were told of it last
};

// --- handshakes ---

// Into a type 5. Returns the serial of the model put there, or 0: none.
uint32_t wend_volleys_offer(struct wend_node *n, struct wend_contact *c, struct wend_writer *w);
// Into the type 6 that answers a type 5 with the peer's model. Returns whether it was put there:
// then wend_volleys_answered follows.
bool wend_volleys_answer(struct wend_node *n, struct wend_contact *c, struct wend_bytes model,
                         struct wend_writer *w);
// The type 6 is made; `call` is the initiator's index. Candidates are learnt already. `parked`: our
// own handshake is under way and shall count, unless the peer never got it and takes this one.
void wend_volleys_answered(struct wend_node *n, struct wend_contact *c, struct wend_bytes model,
                           uint32_t call, bool parked);
// The type 6 goes once more.
void wend_volleys_answered_again(struct wend_node *n, struct wend_contact *c);
// A type 6 has come to our type 5.
void wend_volleys_accepted(struct wend_node *n, struct wend_contact *c, struct wend_bytes model,
                           uint32_t call);

// --- contacts ---

// Over the relay, there and back, as far as it is known.
wend_duration wend_volleys_rtt(const struct wend_node *n, const struct wend_contact *c);

// Where the server sees the peer, by its own word, with the call that is being dealt with. Family
// NONE: it said nothing, and what it said before counts no longer.
void wend_volleys_attested(struct wend_contact *c, const struct wend_address *seen);
// Whether plain probes shall not go to this candidate.
bool wend_volleys_keep_off(const struct wend_node *n, const struct wend_contact *c,
                           const struct wend_candidate *candidate);
// Begins a handshake when one is due.
void wend_volleys_mind(struct wend_node *n, struct wend_contact *c);
wend_instant wend_volleys_deadline(const struct wend_node *n, const struct wend_contact *c);
void wend_volleys_settle(struct wend_node *n, struct wend_contact *c);
// Our addresses are others now.
void wend_volleys_moved(struct wend_node *n, struct wend_contact *c);
// The server may see us at another address than before: what runs from the former one ends.
void wend_volleys_seen_elsewhere(struct wend_node *n, struct wend_contact *c);
// What is preferred for it is told anew: a volley to who shall go by the relay is refused.
void wend_volleys_preferred(struct wend_node *n, struct wend_contact *c);
// The contact goes.
void wend_volleys_close(struct wend_node *n, struct wend_contact *c);
// A socket is gone that may be a path's.
void wend_volleys_socket_lost(struct wend_node *n, uint16_t number);
// Looks whether our model is another one.
void wend_volleys_follow_model(struct wend_node *n);

// --- volleys_run.c ---

void wend_volleys_message(struct wend_node *n, struct wend_contact *c,
                          const struct wend_control *in);
void wend_volleys_punched(struct wend_node *n, struct wend_contact *c,
                          const struct wend_origin *origin, const struct wend_control *in);
void wend_volleys_socket_opened(struct wend_node *n, uint16_t number, uint16_t port);
// A Binding answer to one of the sockets. False: it is no answer to a question of ours.
bool wend_volleys_receive(struct wend_node *n, const struct wend_datagram *in);
void wend_volleys_drain(struct wend_node *n, struct wend_contact *c);
// Every socket of the seat but the contact's own is closed.
void wend_volleys_close_sockets(struct wend_node *n, struct wend_contact *c,
                                struct wend_volley_seat *seat);
struct wend_volley_seat *wend_volleys_seat(struct wend_node *n, const struct wend_contact *c);

#endif
