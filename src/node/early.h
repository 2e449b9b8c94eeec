// SPDX-License-Identifier: MIT
// Early data: user packets that ride in a type 5, and data messages that come before their keys.
// docs/protocol.md section 7.1.
//
// Ours:   NONE --WANT brings copies of queued packets--> WAITING --type 5--> OFFERED
//         OFFERED --the peer says that it took that label--> NONE, EARLY_DONE
//         OFFERED --type 6 without it, or our handshake ended otherwise--> NONE, EARLY_REFUSED
//         WAITING --keys came otherwise--> NONE, EARLY_REFUSED
//         However a bundle ends, the sealing half is told, once, before it can send: keys from
//         elsewhere wait for the peer's word, 1 s at most.
// Theirs: taken once a label, and only when the initiation is of now: it names our boot epoch, its
//         label is new and not voided, and no handshake of ours is under way that will win.
// Voided: an answer to a crossing handshake names our own one, if it bears a bundle: whoever
//         completes the answered handshake will not take that bundle any more.
//
// Part of the contact; for contact*.c and node.c alone.
#ifndef WEND_NODE_EARLY_H
#define WEND_NODE_EARLY_H

#include "node/contact.h"

// --- ours ---

// Keeps what a notice of the sealing half brought, before the contact is wanted; and afterwards
// gives it back if nothing is under way that it might ride in.
void wend_early_keep(struct wend_node *n, const struct wend_notice *notice);
void wend_early_mind(struct wend_node *n, uint32_t slot);
// Appends EARLY-STATE and, of what waits, as much as fits to the attributes of a type 5.
void wend_early_offer(struct wend_node *n, struct wend_contact *c, struct wend_writer *w);
// The type 5 with it has been made.
void wend_early_offered(struct wend_node *n, struct wend_contact *c);
// The bundle's end; none: nothing.
void wend_early_over(struct wend_node *n, struct wend_contact *c, bool arrived);
// The peer's EARLY-STATE. `answer`: in a type 6, after which no more is to be hoped for.
void wend_early_heard(struct wend_node *n, struct wend_contact *c, const struct wend_attributes *a,
                      bool answer);

// --- theirs ---

// Whether a new initiation was made for this run of ours and not given up since: nobody can have
// kept it from a time before. `i` is opened.
bool wend_early_is_fresh(const struct wend_node *n, const struct wend_contact *c,
                         const struct wend_initiation *i, const struct wend_attributes *a);
// Whether the early data of a fresh one is to be taken.
bool wend_early_is_welcome(const struct wend_contact *c, const struct wend_attributes *a);
// Appends EARLY-STATE to the attributes of a type 6. `taken`: what `i` brings is taken.
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
// The opening half has been told the keys of `index`: what was kept for it goes there, in order.
void wend_early_give_back(struct wend_node *n, struct wend_contact_pair *pair);
// Nobody will have keys for `index`.
void wend_early_forget(struct wend_node *n, uint32_t index);

#endif
