// SPDX-License-Identifier: MIT
// The server as one machine: sessions with clients, networks and their members, directory, peer
// service, channels, STUN. docs/protocol.md sections 2.2 to 2.4, 3, 4, 6 and 8.
//
//   datagram --demux--> STUN: answered from the address alone
//                       type 5: cookie, limits, handshake --> a client with a session
//                       type 4: opened --> request --> handler --> sealed answer
//                       relay frame: wend_relay_forward, the fast path
//
// Writes ahead: what must survive a crash comes out as STORE_* events. The owner makes all of them
// durable before it drains the datagrams of the same calls; if it cannot, it calls
// wend_relay_discard instead, and asks nobody to believe what was not written.
//
// All memory is the caller's, zeroed, and touched only as far as it is used. Owns no socket, clock
// or disk. Not thread-safe.
#ifndef WEND_RELAY_RELAY_H
#define WEND_RELAY_RELAY_H

#include "base/datagram.h"
#include "base/drop.h"
#include "base/time.h"
#include "session/trust.h"
#include "wire/discovery_ports.h"

// Limits of section 8; a config may ask for less.
#define WEND_RELAY_CLIENTS_MAX         65536
#define WEND_RELAY_NETWORKS_MAX        1024
#define WEND_RELAY_NETWORK_MEMBERS_MAX 4096
#define WEND_RELAY_MEMBERS_MAX         131072 // of all networks; more: 503
#define WEND_RELAY_CHANNELS_MAX        524288 // of all clients; the caller's oldest gives way
#define WEND_RELAY_CLIENT_CHANNELS_MAX 256
#define WEND_RELAY_PAIR_CHANNELS_MAX   4    // between the same two clients; the oldest gives way
#define WEND_RELAY_STRANGERS_MAX       8192 // sessions without registration; the oldest gives way
#define WEND_RELAY_CLAIMS_MAX          64   // not used yet; the newest count

struct wend_relay_config {
    uint8_t private_key[WEND_X25519_LEN]; // of the sessions
    uint8_t seed[WEND_ED25519_LEN];       // of receipts
    uint8_t random[32];                   // fresh at each start; all randomness of the machine
    uint32_t clients_max, networks_max, members_max, channels_max; // 0: the limit above
    // For STUN, IPv4 and IPv6: our address that clients use first (family 0: none), and which
    // sockets are open: each of the ports on that address and on the second one. A lone port or no
    // second address: a plain STUN server, RFC 5780 section 6.
    struct wend_address primary[2];
    struct wend_discovery_ports discovery[2];
};

enum wend_relay_event_kind {
    WEND_RELAY_NONE = 0,
    // To be made durable.
    WEND_RELAY_STORE_NETWORK,     // record in bytes
    WEND_RELAY_STORE_REVOCATIONS, // list in bytes
    WEND_RELAY_STORE_MEMBER,      // chain; one row for each invite and slot
    WEND_RELAY_FORGET_MEMBER,     // the row of invite_id and slot
    WEND_RELAY_STORE_CLAIM_USED,  // secret in bytes, by the network
    // To be done at once.
    WEND_RELAY_RELOAD_CLAIMS, // load all claims that are stored: somebody has one we do not know
    // To be logged.
    WEND_RELAY_CLAIMED,
    WEND_RELAY_JOINED,  // name, device
    WEND_RELAY_ONLINE,  // name, device, address
    WEND_RELAY_OFFLINE, // name, device
    WEND_RELAY_REVOKED, // name, device
};

// Views live until the next call of wend_relay_next_event.
struct wend_relay_event {
    enum wend_relay_event_kind kind;
    uint8_t network[32];
    uint8_t device[32];
    uint8_t invite_id[WEND_INVITE_ID_LEN];
    uint32_t slot;
    char name[WEND_NAME_LEN_MAX + 1];
    struct wend_address address;
    struct wend_bytes bytes;
    struct wend_chain chain;
};

struct wend_relay_counts {
    struct wend_drops drops;
    uint64_t handshakes, handshake_repeats, cookies, hints, requests, refused, stun;
    uint64_t forwarded, forwarded_bytes; // datagrams in relay frames
    uint64_t notifies, channels_opened;
    uint64_t quiet_keepalives; // that needed no answer
    uint32_t clients, registered, online, channels, members, networks;
};

struct wend_relay;

size_t wend_relay_size(const struct wend_relay_config *config);
// `memory` is zeroed, aligned to 64 and wend_relay_size(config) bytes long; the relay lies at its
// beginning. The config is copied.
struct wend_relay *wend_relay_init(void *memory, const struct wend_relay_config *config,
                                   wend_instant now, uint64_t unix_seconds);
void wend_relay_close(struct wend_relay *r); // wipes keys

// Our public keys, 32 bytes each.
const uint8_t *wend_relay_session_key(const struct wend_relay *r);
const uint8_t *wend_relay_signature_key(const struct wend_relay *r);

// --- what was stored, before anything else and in this order ---

// Return 0; -EBADMSG for what is malformed or badly signed, -ENOENT for an unknown network, -ENOSPC
// when a limit is reached. Nothing has changed then.
int wend_relay_load_network(struct wend_relay *r, struct wend_bytes record);
int wend_relay_load_revocations(struct wend_relay *r, struct wend_bytes list);
// Any number for one device: the one with the latest receipt is its membership, each holds a slot.
int wend_relay_load_member(struct wend_relay *r, const struct wend_chain *chain);
// At any time. `used_by` is the network's key, NULL: not used yet.
void wend_relay_load_claim(struct wend_relay *r, const uint8_t secret[static WEND_CLAIM_SECRET_LEN],
                           const uint8_t *used_by);

// --- traffic ---

// Takes one datagram that is no relay frame (a relay frame is dropped). Returns why it was dropped,
// if it was; it is counted already.
enum wend_drop wend_relay_receive(struct wend_relay *r, const struct wend_datagram *in,
                                  wend_instant now, uint64_t unix_seconds);
// A stream is gone: whoever was registered by it is offline.
void wend_relay_stream_closed(struct wend_relay *r, uint32_t stream, wend_instant now);
// Whether a client is registered by this stream. (Others are closed after 10 s.)
bool wend_relay_stream_is_registered(const struct wend_relay *r, uint32_t stream);

// One or more datagrams with one source and destination: as received with GRO, or to be sent with
// GSO.
struct wend_relay_run {
    enum wend_transport transport;
    uint32_t stream;
    struct wend_address local, remote;
    uint8_t *at;
    size_t len;
    uint16_t segment_len; // 0: one datagram
};

static inline bool wend_relay_is_frame(const uint8_t *at, size_t len)
{
    return len > 0 && at[0] == 8;
}

// Forwards from the front of `*in`, whose first datagram is a relay frame, as many datagrams as
// have the same eight bytes of header; `*in` is moved on past them. Bytes are not changed and not
// copied. O(1) and a comparison for each datagram.
//
// Returns true when `ret` is to be sent; false when they were dropped (counted, maybe a hint to be
// drained).
bool wend_relay_forward(struct wend_relay *r, struct wend_relay_run *in, wend_instant now,
                        struct wend_relay_run *ret);

void wend_relay_expire(struct wend_relay *r, wend_instant now, uint64_t unix_seconds);
wend_instant wend_relay_deadline(const struct wend_relay *r);
// Drain events first, then datagrams. `bytes` lives until the next call.
bool wend_relay_next_event(struct wend_relay *r, struct wend_relay_event *ret);
bool wend_relay_next_datagram(struct wend_relay *r, struct wend_datagram *ret);

// Storing failed: throws all datagrams away that were not drained, and refuses with 503 what would
// have to be stored, until wend_relay_set_writable says that storing works again. The owner keeps
// the events that it could not store.
void wend_relay_discard(struct wend_relay *r);
void wend_relay_set_writable(struct wend_relay *r, bool writable);

void wend_relay_counts(const struct wend_relay *r, struct wend_relay_counts *ret);
bool wend_relay_has_networks(const struct wend_relay *r);
void wend_relay_check(const struct wend_relay *r); // invariants; for tests, walks everything

#endif
