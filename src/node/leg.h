// SPDX-License-Identifier: MIT
// Leg: a client's session with one server. Handshake, choice of transport, requests with retries,
// keepalive, recovery. Everything a client says to a server goes through a leg: registration and
// peer service (node.h), joining (join.h), claims and other errands of an administrator.
//
// State: IDLE --start--> CONNECTING --type 6--> UP --silence, hint--> CONNECTING (old keys still
//        answer) --90 s--> LOST --1 s, doubling to 30 s--> CONNECTING
// Wire:  docs/protocol.md sections 2, 3 and 4.1.
//
// UDP is tried at once at every address of the server; TCP is added 300 ms later while nothing
// answered. The first answer chooses; on TCP a STUN Binding over UDP is tried every 30 s and on
// wend_leg_moved(), and once it is answered a Resume brings the session over to UDP. Owns no
// socket: it asks for streams by events. Not thread-safe. No destructor beyond wend_leg_close,
// which wipes keys.
#ifndef WEND_NODE_LEG_H
#define WEND_NODE_LEG_H

#include "base/datagram.h"
#include "base/time.h"
#include "session/session.h"
#include "traverse/nat_lifetime.h"
#include "wire/control.h"

#define WEND_LEG_ADDRESSES_MAX 8
#define WEND_LEG_REQUESTS_MAX  32   // in flight; more: -ENOBUFS
#define WEND_LEG_BODY_MAX      1300 // bytes of attributes in one request

struct wend_leg_config {
    const struct wend_identity *identity; // outlives the leg
    uint8_t server_key[32];
    struct wend_address addresses[WEND_LEG_ADDRESSES_MAX]; // already resolved; UDP and TCP alike
    size_t address_count;
    uint64_t epoch;                  // this device's boot epoch, told in the handshake
    bool keepalive;                  // false for errands that end soon
    struct wend_label_clock *labels; // of this device; outlives the leg
};

enum wend_leg_event_kind {
    WEND_LEG_NONE = 0,
    WEND_LEG_CONNECTED,    // the session is up (again): register (again), channels may be gone
    WEND_LEG_RESPONSE,     // to a request of ours: id, type, attributes; error if it failed
    WEND_LEG_TIMED_OUT,    // a request got no answer within its time: id
    WEND_LEG_REQUEST,      // from the server (Notify, Peer Service): answer with wend_leg_respond
    WEND_LEG_MOVED,        // the server sees us at another address now: address
    WEND_LEG_LOST,         // no answer for 90 s; goes on trying
    WEND_LEG_OPEN_STREAM,  // the owner shall connect `stream` to `address` and report
    WEND_LEG_CLOSE_STREAM, // the owner shall close `stream`
};

// What Keepalives go by. The owner tells it whenever it may have changed; zero: nothing is known.
struct wend_leg_upkeep {
    wend_duration mapping_lifetime; // how long a NAT certainly keeps a UDP mapping that is not used
    bool is_open;                   // no NAT: the server sees us at an address of our own
    struct wend_position position;  // of the directory, as we have it
    uint64_t network_serial, revocation_serial; // of the records that we have
};

// Views point into the leg and live until the next call to it.
struct wend_leg_event {
    enum wend_leg_event_kind kind;
    uint32_t id;
    uint16_t type;  // enum wend_control_type, without the response bit
    uint16_t error; // enum wend_error; 0: success
    struct wend_bytes attributes;
    struct wend_bytes error_text;
    uint32_t stream;
    bool restarted; // CONNECTED: the server has another epoch than before, its channels are gone
    struct wend_address address;
};

struct wend_leg; // defined in node/leg_state.h, embeddable

// `random` outlives the leg. Returns 0, or -EINVAL for an unsound server key or no address.
int wend_leg_init(struct wend_leg *leg, const struct wend_leg_config *config,
                  struct wend_random *random);
// New addresses for the server (DNS was asked again); used from the next datagram on. None at all:
// those of before stay.
void wend_leg_set_addresses(struct wend_leg *leg, const struct wend_address *at, size_t count);
void wend_leg_set_upkeep(struct wend_leg *leg, const struct wend_leg_upkeep *upkeep);
void wend_leg_start(struct wend_leg *leg, wend_instant now, uint64_t unix_ns);
void wend_leg_close(struct wend_leg *leg);

// Queues a request; sent at once if UP, else when the session is. `attributes` is copied (at most
// WEND_LEG_BODY_MAX bytes, else -EMSGSIZE). `patience` is how long to retry before TIMED_OUT.
// Returns 0 and the id, or -ENOBUFS.
int wend_leg_request(struct wend_leg *leg, uint16_t type, struct wend_bytes attributes,
                     wend_duration patience, uint32_t *ret_id);
// Answers a request from the server; `error` 0 for success, else attributes is ignored.
int wend_leg_respond(struct wend_leg *leg, const struct wend_leg_event *request, uint16_t error,
                     struct wend_bytes attributes);

// A datagram that belongs to this leg (wend_leg_owns says so): handshake answer, cookie, data in
// its session, hint from the server, answer to our Binding. Returns 0 if it was ours, -EBADMSG,
// -ESTALE (replayed) or -ENOENT (not ours, or nothing for a leg: a hint about a channel).
int wend_leg_receive(struct wend_leg *leg, const struct wend_datagram *in, wend_instant now);
bool wend_leg_owns(const struct wend_leg *leg, const struct wend_datagram *in);

void wend_leg_stream_opened(struct wend_leg *leg, uint32_t stream, wend_instant now);
void wend_leg_stream_closed(struct wend_leg *leg, uint32_t stream, wend_instant now);
// Our own addresses changed: a Resume at once, and a handshake by every way if it is not answered
// within 1.5 round trips; on a stream a Binding over UDP too.
void wend_leg_moved(struct wend_leg *leg, wend_instant now);
// An address went, or the host slept: what the server saw of us says nothing any more, and a stream
// is replaced at once. Else as wend_leg_moved.
void wend_leg_uprooted(struct wend_leg *leg, wend_instant now);

// Where relay frames to this server go now: transport, stream, remote. NULL while not UP.
const struct wend_datagram *wend_leg_route(const struct wend_leg *leg);
bool wend_leg_is_up(const struct wend_leg *leg);
wend_duration wend_leg_rtt(const struct wend_leg *leg); // 0: not measured
// The shortest one since the way to the server last changed: without what computing and queues add.
wend_duration wend_leg_rtt_least(const struct wend_leg *leg);
struct wend_address wend_leg_observed(const struct wend_leg *leg); // family 0: not known
// The newest answer by UDP that shows where the server sees us; each is given once.
bool wend_leg_take_proof(struct wend_leg *leg, struct wend_nat_proof *ret);
// The pause between Keepalives that the server may count on now; for LIFETIME in Configuration.
wend_duration wend_leg_interval(const struct wend_leg *leg);
const uint8_t *wend_leg_handshake_hash(const struct wend_leg *leg); // 32 bytes, for Show

void wend_leg_expire(struct wend_leg *leg, wend_instant now, uint64_t unix_ns);
wend_instant wend_leg_deadline(const struct wend_leg *leg);
bool wend_leg_next_datagram(struct wend_leg *leg, struct wend_datagram *ret);
// Only a Resume that is due: it must be out before any relay frame from a new address.
bool wend_leg_next_resume(struct wend_leg *leg, struct wend_datagram *ret);
bool wend_leg_next_event(struct wend_leg *leg, struct wend_leg_event *ret);
bool wend_leg_has_event(const struct wend_leg *leg);

#endif
