// SPDX-License-Identifier: MIT
// What the node finds out about the NATs in front of it: runs discovery (traverse/discovery.h) on
// sockets of its own (sockets.h), over IPv4.
//
//   registered, and the server told where to ask --> a run; again after 10 min if a peer is wanted
//   our addresses changed --> what was found is thrown away, and found out anew
//   a port mapping came, changed or went --> the model says so, under another serial
//
// Nothing waits for it. It sends 25 datagrams or so within 2 s, then nothing.
#ifndef WEND_NODE_NAT_H
#define WEND_NODE_NAT_H

#include "traverse/discovery.h"

struct wend_node;

struct wend_nat {
    bool begun;                               // since the network is this one
    bool doubted;                             // the next run is for a doubt's sake
    wend_instant asked_at;                    // the newest run's beginning
    wend_duration doubt_after;                // the next doubt's run keeps so far from that
    wend_instant again_at;                    // WEND_NEVER: no run is planned
    uint16_t sockets[WEND_DISCOVERY_SOCKETS]; // our numbers of its sockets; 0: none
    struct wend_discovery discovery;
};

void wend_nat_init(struct wend_node *n);
void wend_nat_close(struct wend_node *n);
// We are registered, and know where discovery may ask.
void wend_nat_registered(struct wend_node *n);
// Our addresses are others now.
void wend_nat_moved(struct wend_node *n);
// The server sees us elsewhere than the model says: found out anew, at once; and if that stays so
// (a server of those that are asked may lie), after 10 s, doubling to 10 min.
void wend_nat_doubt(struct wend_node *n);
// It sees us where the model says.
void wend_nat_trust(struct wend_node *n);
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
void wend_nat_expire(struct wend_node *n);
wend_instant wend_nat_deadline(const struct wend_node *n);

#endif
