// SPDX-License-Identifier: MIT
// Early data: user packets that ride in a type 5, and data messages that come before their keys.
// docs/protocol.md section 7.1.
//
// Ours:   NONE --WANT brings copies of queued packets--> WAITING --type 5--> OFFERED
//         OFFERED --the peer says that it took that label--> NONE, EARLY_DONE
//         OFFERED --type 6 of that handshake or a later one without it--> NONE, EARLY_REFUSED
//         OFFERED --the peer says that it has not and will not take it--> NONE, EARLY_REFUSED
//         OFFERED --a run of the peer's says so that began after the offer--> NONE, EARLY_DONE: the
//                   run before it may have taken it; lost, as all that was sent to that one
//         WAITING --keys came otherwise--> NONE, EARLY_REFUSED
//         Only the peer's word decides about what was offered; until it comes, the sealing half
//         sends nothing of the queue, whatever keys it has. A bundle rides in one initiation, and
//         in none to a peer that is offline.
// Theirs: taken once a label, and only when the initiation is of now: it names our boot epoch, its
//         label is new and not voided. Also while a handshake of our own is under way.
// Doubt:  our handshake ended without its answer (we yielded, or the one that we answered across it
//         was confirmed). Our type 6 has said that the bundle is void. Who hears that for the first
//         time says at once, by Early, what it took before; with keys and no word within 250 ms we
//         ask by Early, at 250 ms doubling to 4 s. Wire: docs/protocol.md section 7.1.
//
// Part of the contact; for contact*.c and node.c alone.
#ifndef WEND_NODE_EARLY_H
#define WEND_NODE_EARLY_H

#include "node/contact.h"
#include "wire/control.h"

// --- ours ---

// Keeps what a notice of the sealing half brought, before the contact is wanted.
void wend_early_keep(struct wend_node *n, const struct wend_notice *notice);
// After any change: gives back what waits though there are keys, says what the peer shall be told,
// asks when it is time.
void wend_early_settle(struct wend_node *n, struct wend_contact *c);
wend_instant wend_early_deadline(const struct wend_contact *c);
// Appends EARLY-STATE and, of what waits, as much as fits to the attributes of a type 5.
void wend_early_offer(struct wend_node *n, struct wend_contact *c, struct wend_writer *w);
// The type 5 with it has been made.
void wend_early_offered(struct wend_node *n, struct wend_contact *c);
// The handshake under way ended without its answer.
void wend_early_doubt(struct wend_contact *c);
// The bundle's end, refused; none: nothing. The peer has not got it and will not take it, or there
// are no keys and the queue is dropped next.
void wend_early_refused(struct wend_node *n, struct wend_contact *c);
// The peer's EARLY-STATE. `answer`: in a type 6, after which no more is to be hoped for.
void wend_early_heard(struct wend_node *n, struct wend_contact *c, const struct wend_attributes *a,
                      bool answer);
// Early: its question, or its word.
void wend_early_control(struct wend_node *n, struct wend_contact *c, const struct wend_control *in);

// --- theirs ---

// Whether a new initiation was made for this run of ours and not given up since: nobody can have
// kept it from a time before. `i` is opened.
bool wend_early_is_fresh(const struct wend_node *n, const struct wend_contact *c,
                         const struct wend_initiation *i, const struct wend_attributes *a);
// Whether the early data of a fresh one is to be taken.
bool wend_early_is_welcome(const struct wend_contact *c, const struct wend_attributes *a);
// Appends EARLY-STATE and AGE to the attributes of a type 6. `taken`: what `i` brings is taken.
void wend_early_answer(const struct wend_node *n, const struct wend_contact *c,
                       const struct wend_initiation *taken, struct wend_writer *w);
// Gives the host what is taken, each packet by an event; what is not from the peer, not for us or
// not whole is counted instead.
void wend_early_take(struct wend_node *n, struct wend_contact *c, const struct wend_initiation *i,
                     const struct wend_attributes *a);

// --- data before its keys ---

// A data message that the opening half did not know. Of a handshake under way: kept, within
// WEND_NODE_KEPT_*; of a pair whose keys are on their way there: given back; else hinted at.
void wend_early_unopened(struct wend_node *n, const struct wend_origin *origin,
                         struct wend_bytes in);
// A sealed control message that came straight or by the channel, for the handshake under way, which
// bears our NAT model. `in` was read as one. False: not kept.
bool wend_early_keep_control(struct wend_node *n, const struct wend_contact *c,
                             const struct wend_origin *origin, struct wend_bytes in);
// Its keys are there: what was kept is taken as if it came now.
void wend_early_open_controls(struct wend_node *n, uint32_t index);
// The opening half has been told the keys of `index`: what was kept for it goes there, in order.
void wend_early_give_back(struct wend_node *n, struct wend_contact_pair *pair);
// Nobody will have keys for `index`.
void wend_early_forget(struct wend_node *n, uint32_t index);

#endif
