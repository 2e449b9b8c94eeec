// SPDX-License-Identifier: MIT
// What the node finds out about the NATs in front of it: runs discovery (traverse/discovery.h) on
// sockets of its own (sockets.h), over IPv4.
//
//   registered, and the server told where to ask --> a run; again after 10 min if a peer is wanted
//   our addresses changed --> what was found is thrown away, and found out anew
//   what is seen contradicts the model --> another run, 30 s after the last one began or later
//   a port mapping came, changed or went --> the model says so, under another serial
//
// Nothing waits for it. It sends 25 datagrams or so within 2 s, then nothing.
#ifndef WEND_NODE_NAT_H
#define WEND_NODE_NAT_H

#include "traverse/discovery.h"
#include "traverse/nat_lifetime.h"

struct wend_node;

#define WEND_NAT_PENDING_MAX 16

struct wend_nat {
    bool begun;                        // since the network is this one
    wend_instant again_at;             // WEND_NEVER: no run is planned
    wend_instant begun_at;             // the last one
    bool doubted;                      // the model is contradicted: wanted or not
    wend_duration doubt_after;         // the next run for its sake keeps so far from the last one
    struct wend_nat_lifetime lifetime; // of the main socket's mapping
    uint32_t group;                    // given out last, see wend_nat_group
    uint8_t pending_count;             // samples for a time at which no peer is being told
    struct wend_nat_sample pending[WEND_NAT_PENDING_MAX];
    uint16_t sockets[WEND_DISCOVERY_SOCKETS]; // our numbers of its sockets; 0: none
    struct wend_discovery discovery;
};

void wend_nat_init(struct wend_node *n);
void wend_nat_close(struct wend_node *n);
// We are registered, and know where discovery may ask.
void wend_nat_registered(struct wend_node *n);
// Our addresses are others now.
void wend_nat_moved(struct wend_node *n);
// n->mapped, what a gateway maps for us, is another one now, or none.
void wend_nat_mapped(struct wend_node *n);
// What peers should know of us: discovery's newest model, and in it the mapped IPv4 address as it
// stands. Serial 0: there is nothing to tell (yet). Another serial after each change, none twice.
// Valid until the node's next turn.
const struct wend_nat_model *wend_nat_model(const struct wend_node *n);
// A socket was opened (or not: `port` 0).
void wend_nat_socket_opened(struct wend_node *n, uint16_t number, uint16_t port);
// Takes a Binding answer. Returns false if it is no answer to a question of ours.
bool wend_nat_receive(struct wend_node *n, const struct wend_datagram *in);
// Our address as the server sees it is another one.
void wend_nat_seen(struct wend_node *n);
// What was seen contradicts the model: it is found out anew, 30 s after the last time at the
// soonest; and while it stays contradicted (a server of those that are asked may lie), after twice
// as long each time, up to 10 min.
void wend_nat_doubt(struct wend_node *n);
// The server sees us where the model says.
void wend_nat_trust(struct wend_node *n);
void wend_nat_expire(struct wend_node *n);

// --- what traffic shows ---

// A datagram leaves, or came.
void wend_nat_sent(struct wend_node *n, const struct wend_datagram *out);
void wend_nat_came(struct wend_node *n, const struct wend_datagram *in);
// The leg may have a proof of where the server sees us.
void wend_nat_proved(struct wend_node *n);
// A number for the samples of up to WEND_NAT_GROUP sockets between which no others of ours were
// used: this and those that follow it.
uint32_t wend_nat_group(struct wend_node *n);
// A mapping of one of our sockets, `inside` without the address. Into the model as soon as no
// handshake is under way that bears it: both sides have to plan with the same one.
void wend_nat_learn(struct wend_node *n, struct wend_nat_sample sample);

wend_instant wend_nat_deadline(const struct wend_node *n);

#endif
