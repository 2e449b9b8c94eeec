// SPDX-License-Identifier: MIT
// Session: the machine for one remote. Who shakes hands when, which keys are in use, when they end.
//
// It makes and answers handshakes (handshake.h), repeats and gives up, turns key pairs over and
// tells the owner by events which keys to install, to send with, and to forget. Packets do not pass
// through it: the owner hands the keys to data.h and reports here, as coarsely as it likes, that
// something was sent or received.
//
// Handshake: IDLE --start--> WAITING --type 2, 6--> IDLE, KEYS
//            WAITING --retry_first, doubling to retry_max--> WAITING, the initiation is due again
//            WAITING --give_up--> IDLE, GAVE_UP
// Key pairs: three slots as in WireGuard. Ours (we initiated) goes straight to `current`, and what
//            was there to `previous`. Theirs (we answered) is `next`, receiving only, until its
//            first genuine message (CONFIRMED) moves it to `current`. When both sides begin at the
//            same time, the device with the higher public key yields, so that both agree (pairs.c;
//            WireGuard lets both fail and try again).
// Eager:     while nothing else may be sent with, an answered pair whose initiation the owner knows
//            to be of now is sent with before its first message came, for WEND_SESSION_BELIEF. No
//            event tells when that is over: ask wend_session_sending after each call.
// Retry:     of types 5, 6: the same bytes (but for mac2), which the responder answers from its
//            cache. Of type 1: a new initiation each time, as stock devices demand.
// Timing:    struct wend_session_timing; docs/protocol.md sections 2.2 and 2.3.
//
// Answering: wend_cookie_check, wend_initiation_open_static, find the session of remote_static,
//            wend_session_receive_initiation, judge the attributes, wend_session_accept.
//            At first contact: wend_initiation_open_payload without remote, judge, make the session
//            with wend_remote_from_initiation, then receive_initiation and accept as above.
//
// Drain datagrams and events after every call: room is for one call's. Borrows what init is given.
// No allocation. Not thread-safe. WEND_SESSION_SIZE_MAX bytes and the two buffers: a server's
// session with one client, which only answers, takes that and a response of 160 bytes.
#ifndef WEND_SESSION_SESSION_H
#define WEND_SESSION_SESSION_H

#include "base/bytes.h"
#include "base/drop.h"
#include "base/time.h"
#include "crypto/random.h"
#include "session/cookie.h"
#include "session/handshake.h"

// Labels of one device never go back, whatever its clock does: max(clock, last + 1), over all its
// sessions. Set `last_ns` from disk at start; write it to disk, ahead, as it rises.
struct wend_label_clock {
    uint64_t last_ns;
};

uint64_t wend_label_clock_next(struct wend_label_clock *c, uint64_t unix_ns);

// Zero switches a rule off where it says so.
struct wend_session_timing {
    wend_duration retry_first;  // before the first repetition, then doubling
    wend_duration retry_max;    // to this
    wend_duration retry_jitter; // up to this on top; 0: none
    wend_duration give_up;      // since the last start
    wend_duration rekey_after;  // initiator, on sending under a pair this old
    wend_duration rekey_late;   // initiator, on receiving under a pair this old; 0: never
    wend_duration send_for;     // a pair this old is not sent with any more: what flies still opens
    wend_duration reject_after; // a pair ends and is wiped (WireGuard wipes it later, at 540 s)
    wend_duration keepalive;    // after receiving data and sending nothing; 0: never
    wend_duration silence;      // after sending data and receiving nothing: rekey; 0: never
};

// The preset of a kind (not NONE).
const struct wend_session_timing *wend_session_timing(enum wend_session_kind kind);

// What all sessions of one purpose share.
struct wend_session_config {
    const struct wend_prologue *prologue;
    const struct wend_identity *self;
    const struct wend_session_timing *timing; // NULL: the kind's preset
    struct wend_random *random;               // ephemeral keys, jitter
    struct wend_label_clock *labels;          // NULL if these sessions never initiate
};

// Memory for the messages kept for repeating, for the life of the session. An initiation takes up
// to WEND_INITIATION_MAX, a response up to WEND_RESPONSE_MAX; a side that never initiates needs
// none.
struct wend_session_buffers {
    uint8_t *initiation;
    size_t initiation_max;
    uint8_t *response;
    size_t response_max;
};

enum wend_session_event_kind {
    WEND_SESSION_EVENT_NONE = 0,
    WEND_SESSION_EVENT_KEYS,      // install `keys` for receiving; also for sending if `send`
    WEND_SESSION_EVENT_CONFIRMED, // the pair is known to the other side; send with it if `send`
    WEND_SESSION_EVENT_EXPIRED,   // forget the pair
    WEND_SESSION_EVENT_REKEY,     // call wend_session_start, with a fresh index and payload
    WEND_SESSION_EVENT_KEEPALIVE, // send an empty data message under the sending pair
    WEND_SESSION_EVENT_GAVE_UP,   // no answer in time; pairs that live go on
};

struct wend_session_event {
    enum wend_session_event_kind kind;
    bool send;
    uint32_t local_index;         // names the pair; 0 in REKEY, KEEPALIVE, GAVE_UP
    const struct wend_keys *keys; // KEYS only; valid, and to be wiped by us, until the next call
};

#define WEND_SESSION_EVENTS_MAX                                                                    \
    8 // more are never raised by one call; full: the owner did not drain

// One pair as the machine remembers it; its keys are the owner's. 24 bytes.
struct wend_session_pair {
    uint32_t local_index; // 0: empty slot
    uint32_t remote_index;
    wend_instant created;
    uint32_t serial; // rises by one for each new pair
    bool initiator;
    bool crossed; // answered while a handshake of ours was under way
    bool eager;   // `next` only: may be sent with before it is confirmed
    bool ending;  // older than send_for
};

// The fields are the machine's own; read them in tests only.
struct wend_session {
    const struct wend_session_config *config;
    const struct wend_session_timing *timing;
    struct wend_session_buffers buffers;
    struct wend_remote remote;

    struct wend_handshake handshake;
    struct wend_cookie_jar jar;
    uint16_t initiation_len;
    bool initiation_due, response_due; // datagrams to drain
    wend_instant begun;                // this handshake's first message
    uint64_t begun_unix_ns;            // the same on the wall
    wend_instant wanted, retry_at;     // last start; next repetition
    wend_duration retry_after;

    struct wend_label greatest_label;
    wend_instant accepted; // the last initiation, WEND_NEVER: none yet
    uint16_t response_len; // 0: nothing cached
    uint32_t response_index;
    uint8_t response_to[WEND_SESSION_HASH_LEN];

    struct wend_session_pair previous, current, next;
    uint32_t serial;
    uint32_t outdated;     // pairs up to this serial are not sent with
    bool waiting;          // to start, if `next` stays unconfirmed
    struct wend_keys keys; // of the KEYS event to be drained
    wend_instant asked;    // REKEY was raised last, WEND_NEVER: never
    wend_instant keepalive_at, silence_at;

    uint8_t event_first, event_count;
    struct {
        uint8_t kind;
        bool send;
        uint32_t local_index;
    } events[WEND_SESSION_EVENTS_MAX];
};

#define WEND_SESSION_SIZE_MAX 840 // bytes
_Static_assert(sizeof(struct wend_session) <= WEND_SESSION_SIZE_MAX, "a server holds many");

// `remote` is copied.
void wend_session_init(struct wend_session *s, const struct wend_session_config *config,
                       const struct wend_session_buffers *buffers,
                       const struct wend_remote *remote);
// Wipes it. Events are not raised: the owner forgets all pairs of this session by itself.
void wend_session_close(struct wend_session *s);

// Labels up to this one are stale; for an owner that kept it. Never lowers the mark.
void wend_session_set_floor(struct wend_session *s, const struct wend_label *label);

// --- initiating ---

struct wend_session_start {
    uint32_t local_index; // not 0, and not in use by any session of the owner
    uint64_t unix_ns;
    struct wend_bytes attributes; // copied; WIREGUARD: empty
};

// Begins a handshake. Returns 0: drain the initiation, and send it again whenever it comes again;
//   -EALREADY  one is under way, and will not give up before give_up from now; or we answered one a
//              moment ago: its first message comes within a second, else REKEY is raised
//   -ENOBUFS   the attributes do not fit the buffer (nothing changed)
//   -EBADMSG   a DH yielded zero: the remote's key is unsound (nothing changed)
int wend_session_start(struct wend_session *s, const struct wend_session_start *start,
                       wend_instant now);
bool wend_session_is_starting(const struct wend_session *s);
// Whether we, not the remote, give way when both begin at once.
bool wend_session_yields(const struct wend_session *s);
// The index that the answer will bear, 0 if no handshake is under way.
uint32_t wend_session_starting_index(const struct wend_session *s);
// Ends the handshake under way, if any; pairs live on.
void wend_session_stop(struct wend_session *s);

// Takes a response (type 2, 6) or cookie reply (3) whose receiver index is starting_index. A
// response raises KEYS, and KEEPALIVE where the other side waits for a first message; its
// attributes are in `ret`. Drop reason: NONE; MALFORMED, NO_SESSION, DECRYPT_FAILED with nothing
// changed.
enum wend_drop wend_session_receive(struct wend_session *s, struct wend_bytes in, wend_instant now,
                                    struct wend_response *ret);

// --- answering ---

// Takes an initiation after wend_initiation_open_static, from this session's remote. Drop reason:
//   NONE, *ret_new true   genuine and new, label and attributes are in `i`: judge, then accept
//   NONE, *ret_new false  repeats the one accepted last: the same answer is there to drain
//   DECRYPT_FAILED, MALFORMED, STALE_TIMESTAMP (an old one again), RATE_LIMITED (20 ms apart)
// Nothing is changed before accept.
enum wend_drop wend_session_receive_initiation(struct wend_session *s, struct wend_initiation *i,
                                               wend_instant now, bool *ret_new);

struct wend_session_accept {
    uint32_t local_index;         // as in start
    struct wend_bytes attributes; // WIREGUARD: empty
    bool eager;                   // `i` was made for this run of ours: no replay of an earlier one
};

// How long a pair is sent with that the other side did not confirm: five tries of an initiator.
#define WEND_SESSION_BELIEF WEND_S(2)

// Answers `i`: drain the response and send it where `i` came from; raises KEYS. Returns 0, -ENOBUFS
// or -EBADMSG as start, with nothing changed but that the cached answer is gone.
int wend_session_accept(struct wend_session *s, const struct wend_initiation *i,
                        const struct wend_session_accept *accept, wend_instant now);

// --- what the owner reports ---

// The first message under this pair opened (reporting later ones does no harm).
void wend_session_confirmed(struct wend_session *s, uint32_t local_index, wend_instant now);
// Something was sent or received under the session; `data`: more than a keepalive or a control
// message. Reports may be late and coarse (every 250 ms, say): `at` is when it happened, and
// reports come in the order of `at`.
void wend_session_sent(struct wend_session *s, bool data, wend_instant at);
void wend_session_received(struct wend_session *s, bool data, wend_instant at);
// The remote was started anew and knows none of the pairs that are there now: they open what is
// under way, and are not sent with any more.
void wend_session_outdate(struct wend_session *s);
// A hint (docs/protocol.md section 2.4, kind 1) named this receiver index: raises REKEY if it is
// the remote index of a pair that is sent with, at most once a second.
void wend_session_hinted(struct wend_session *s, uint32_t remote_index, wend_instant now);

// --- asking, and the clock ---

// The pair to send with now: its local index, or 0: none lives, so start.
uint32_t wend_session_sending(const struct wend_session *s, wend_instant now);
// No pair, no handshake and no cached answer left: it may be closed.
bool wend_session_is_idle(const struct wend_session *s);

void wend_session_expire(struct wend_session *s, wend_instant now);
wend_instant wend_session_deadline(const struct wend_session *s);
bool wend_session_next_datagram(struct wend_session *s, struct wend_bytes *ret);
bool wend_session_next_event(struct wend_session *s, struct wend_session_event *ret);

void wend_session_check(const struct wend_session *s); // invariants; for tests and the simulator

#endif
