// SPDX-License-Identifier: MIT
// What the files of the session machine share: session.c (handshakes), pairs.c (key pairs),
// timers.c (time and reports). Nobody else includes this.
#ifndef WEND_SESSION_MACHINE_H
#define WEND_SESSION_MACHINE_H

#include "session/session.h"

#define WEND_SESSION_ASK_AGAIN WEND_S(1)   // REKEY at most this often
#define WEND_SESSION_PATIENCE  WEND_S(1)   // with an answered pair, for its first message
#define WEND_SESSION_FLOOD     WEND_MS(20) // WireGuard: 50 initiations a second from one peer

void wend_session_raise(struct wend_session *s, enum wend_session_event_kind kind,
                        uint32_t local_index, bool send);
// Raises REKEY unless a handshake is under way or it was raised within the last second.
void wend_session_ask(struct wend_session *s, wend_instant now);
// Makes the initiation due again: the same bytes, or for WIREGUARD a new message.
void wend_session_repeat(struct wend_session *s, wend_instant now);

// Takes the pair of `keys` into its slot, raises EXPIRED for what it displaces, then KEYS. `eager`:
// the owner would send with it at once; not while a handshake of ours goes on beside it.
void wend_session_install(struct wend_session *s, const struct wend_keys *keys, bool eager);
// Drops the pair that was answered and never heard of, if any.
void wend_session_give_up_next(struct wend_session *s);
void wend_session_expire_pairs(struct wend_session *s, wend_instant now);
wend_instant wend_session_pairs_deadline(const struct wend_session *s);

#endif
