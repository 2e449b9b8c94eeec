// SPDX-License-Identifier: MIT
// Contact: a peer in use. Its session, the ways to it, and what they are told about each other.
//
//   contact.c            opened and closed, settled after every change, ticked
//   contact_all.c        what concerns all of them
//   contact_handshake.c  types 5 and 6
//   contact_keys.c       keys to the data plane
//   contact_early.c      user packets in a type 5 (early.h)
//   contact_unopened.c   data before its keys (early.h)
//   contact_way.c        how bytes travel: direct, relay channel, Peer Service Request
//   contact_control.c    type 9: sealed, opened; candidates, Fetch between peers, Goodbye
//   contact_probe.c      probes and their answers
//   contact_report.c     what came, told to the peer
//   contact_health.c     what the peer tells of what we sent, and what follows from it
//
// Life:   a packet, or the peer's handshake, opens it; it closes when nothing of its session is
// left
//         and no user packet passed for 120 s, or when its place is needed.
// Ticks:  every 50 ms while user packets pass. After a second without, both halves are asked to say
//         TRAFFIC, and nothing ticks any more: what is due by time is due by the deadline.
// Settle: each verb that changes a contact ends in wend_contact_settle, which drains session and
//         paths until nothing is left and tells the data plane what has become of it.
#ifndef WEND_NODE_CONTACT_H
#define WEND_NODE_CONTACT_H

#include "node/node_state.h"
#include "wire/control.h"

// --- contact.c ---

// The contact of a slot, or NULL.
struct wend_contact *wend_contact_of(struct wend_node *n, uint32_t slot);
struct wend_seat *wend_contact_seat(struct wend_node *n, const struct wend_contact *c);
// Finds or makes it. `evict`: the longest unused one may give way, and if it must, has to.
// Returns NULL when there is no room, or the peer's key is unsound.
struct wend_contact *wend_contact_open(struct wend_node *n, uint32_t slot, bool evict);
// Keys, paths and queue of the peer are gone after this.
void wend_contact_close(struct wend_node *n, struct wend_contact *c);
void wend_contact_settle(struct wend_node *n, struct wend_contact *c);

// User packets wait for keys, or the sealing half's counter is nearly used up.
void wend_contact_want(struct wend_node *n, uint32_t slot);
// A half has seen a user packet, as WATCH asked.
void wend_contact_traffic(struct wend_node *n, uint32_t slot);
bool wend_contact_is_wanted(const struct wend_node *n, const struct wend_contact *c);
void wend_contacts_expire(struct wend_node *n);

// The peer was started anew, under another boot epoch than our session with it.
void wend_contact_peer_restarted(struct wend_node *n, struct wend_contact *c);
// The server says that the peer is there now, or has been started anew.
void wend_contact_peer_appeared(struct wend_node *n, struct wend_contact *c);

// --- contact_all.c ---

void wend_contact_all_channels_void(struct wend_node *n);
void wend_contact_all_reachable(struct wend_node *n); // we are registered (again), or shall be
void wend_contact_all_resumed(struct wend_node *n);   // the server knows where we are now
void wend_contact_all_route_changed(struct wend_node *n);
// Our candidates may be others now. `lost`: an address of ours went, so no direct path is proven.
void wend_contact_all_candidates_changed(struct wend_node *n, bool lost);

// --- contact_handshake.c ---

void wend_contact_start(struct wend_node *n, struct wend_contact *c);
// Makes the handshake under way anew if it names a run of the peer's that is over.
bool wend_contact_start_anew(struct wend_node *n, struct wend_contact *c);
// A type 5, 6 or 3 from wherever. Counts what it drops.
void wend_contact_initiation(struct wend_node *n, struct wend_origin *origin, struct wend_bytes in);
void wend_contact_response(struct wend_node *n, struct wend_bytes in);
void wend_contact_confirmed(struct wend_node *n, uint32_t local_index);
struct wend_contact *wend_contact_by_index(struct wend_node *n, uint32_t local_index);
struct wend_contact_pair *wend_contact_pair(struct wend_contact *c, uint32_t local_index);
void wend_contact_forget_index(struct wend_node *n, const struct wend_contact *c, uint32_t index);

// --- contact_keys.c ---

// Hands the session's events to the data plane, its datagrams to the ways. `reply`: where an answer
// goes, or NULL.
void wend_contact_take_events(struct wend_node *n, struct wend_contact *c);
void wend_contact_take_datagrams(struct wend_node *n, struct wend_contact *c,
                                 struct wend_origin *reply);

// --- contact_way.c ---

// Sends bytes where `origin` says.
void wend_contact_send(struct wend_node *n, const struct wend_origin *origin, struct wend_bytes in);
// The initiation last made, on every way that leads to the peer.
void wend_contact_send_initiation(struct wend_node *n, struct wend_contact *c);
// A response to `origin`; answers the Peer Service Request if it came in one.
void wend_contact_send_response(struct wend_node *n, struct wend_contact *c,
                                struct wend_origin *origin, struct wend_bytes in);
void wend_contact_use_channel(struct wend_node *n, struct wend_contact *c, uint32_t channel);
void wend_contact_void_channel(struct wend_contact *c);
// The server's answer to a Peer Service Request; a request of its own; "unknown channel".
void wend_contact_called(struct wend_node *n, uint32_t slot, struct wend_bytes attributes,
                         uint16_t error);
void wend_contact_requested(struct wend_node *n, const struct wend_leg_event *event,
                            const struct wend_attributes *a);
void wend_contact_channel_unknown(struct wend_node *n, uint32_t channel);
// Tells the sealing half which way packets take, if that has changed.
void wend_contact_tell_way(struct wend_node *n, struct wend_contact *c);

// --- contact_control.c ---

// A sealed type 9 from wherever. Counts what it drops.
void wend_contact_control(struct wend_node *n, const struct wend_origin *origin,
                          struct wend_bytes in);
// Where messages go that belong to no path in particular: the relay if there is a channel, for it
// does not depend on anybody's addresses.
struct wend_origin wend_contact_relay_way(const struct wend_contact *c);
// The way that user packets take.
struct wend_origin wend_contact_way_in_use(const struct wend_contact *c);
void wend_contact_send_control(struct wend_node *n, struct wend_contact *c,
                               const struct wend_origin *way, const struct wend_control *head);
// The peer's candidates become paths.
void wend_contact_try_candidates(struct wend_node *n, struct wend_contact *c);
// Once, by the called side, whose keys the caller has not confirmed yet: our response goes straight
// to where the caller's NAT is, so that ours lets its first probe in (docs/protocol.md 7.2).
void wend_contact_open_nat(struct wend_node *n, struct wend_contact *c);
void wend_contact_tell_candidates(struct wend_node *n, struct wend_contact *c);
// A request without retries of its own, by the way in use; Candidates, Switched and Goodbye also
// through the relay.
void wend_contact_request(struct wend_node *n, struct wend_contact *c, uint16_t type,
                          struct wend_bytes attributes);
void wend_contact_goodbye(struct wend_node *n, struct wend_contact *c);

// --- contact_probe.c ---

void wend_contact_send_probes(struct wend_node *n, struct wend_contact *c);
void wend_contact_probed(struct wend_node *n, struct wend_contact *c,
                         const struct wend_origin *origin, const struct wend_control *in);
void wend_contact_probe_answered(struct wend_node *n, struct wend_contact *c,
                                 const struct wend_origin *origin, const struct wend_control *in);

// --- contact_report.c ---

void wend_contact_report_init(struct wend_contact *c);
// Looks at the halves' counters: reports to the peer, judges the way in use. To be called every 50
// ms while user packets flow, at the deadline, and now and then otherwise. The caller settles.
void wend_contact_report_tick(struct wend_node *n, struct wend_contact *c);
// The least instant of this file's and contact_health.c's.
wend_instant wend_contact_report_deadline(const struct wend_contact *c);

// --- contact_health.c ---

// What was sent is held against what the peer said; repeats a Switch. Part of the tick.
void wend_contact_judge(struct wend_node *n, struct wend_contact *c);
// Data messages take another way from now on.
void wend_contact_health_restart(struct wend_node *n, struct wend_contact *c);
// Report and Switched of the peer.
void wend_contact_reported(struct wend_node *n, struct wend_contact *c,
                           const struct wend_origin *origin, const struct wend_control *in);
void wend_contact_switched(struct wend_node *n, struct wend_contact *c,
                           const struct wend_control *in);
// Notices of the halves.
void wend_contact_notice_switched(struct wend_node *n, const struct wend_notice *notice);
void wend_contact_notice_switch_seen(struct wend_node *n, const struct wend_notice *notice);
// Tells the opening half how long to hold, if that has changed.
void wend_contact_tell_hold(struct wend_node *n, struct wend_contact *c);

#endif
