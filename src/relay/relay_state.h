// SPDX-License-Identifier: MIT
// What a relay is made of; for src/relay and its tests alone. A message's life through the files:
//
// relay.c      memory, what comes in is told apart, the clock, what goes out
// handshake.c  type 5: cookies, limits, a session
// request.c    type 4: opened, dispatched to its handler, answered
// clients.c    who has a session, who is registered by which source
// register.c   Configuration, Resume, Release, Keepalive
// networks.c   records, revocation lists: kept, published, fetched
// members.c    devices, invites and slots; leases.c  what joins hold and take
// join.c       Join, Join Commit
// claim.c      Claim; show.c  Show
// directory.c  changes in order, Subscribe, Notify
// director.c   Peer Service
// channels.c   channels; forward.c  the fast path of relay frames
// stun.c       Binding requests
//
// Objects live in pools and are named by a reference: 1 + index, 0 is nobody.
#ifndef WEND_RELAY_RELAY_STATE_H
#define WEND_RELAY_RELAY_STATE_H

#include "base/bucket.h"
#include "base/hash.h"
#include "base/heap.h"
#include "base/map.h"
#include "base/ring.h"
#include "crypto/crypto.h"
#include "relay/limits.h"
#include "relay/relay.h"
#include "session/cookie.h"
#include "session/data.h"
#include "wire/control.h"

#define WEND_RELAY_RESPONSE_MAX 128 // bytes of our type 6: 92 and two attributes
#define WEND_RELAY_BODY_MAX     1400
// Bytes of entries in one message: sealed it passes links of 1,124 bytes whole.
#define WEND_RELAY_PAGE_MAX      1000
#define WEND_RELAY_PART_MAX      1024
#define WEND_RELAY_SEALED_MAX    1400       // longest message that we make longer by choice
#define WEND_RELAY_OUT_LEN       (2u << 20) // goes round: all of it is touched
#define WEND_RELAY_EVENTS_LEN    (1u << 20)
#define WEND_RELAY_STORE_ROOM    (64u << 10) // for the events of one request
#define WEND_RELAY_UPLOADS       4 // lists being published in parts at once; the oldest gives way
#define WEND_RELAY_GONE_MAX      1024 // kept in a network's directory; more: all begin anew
#define WEND_RELAY_OFFER_LIFE    WEND_S(60)
#define WEND_RELAY_OFFLINE_UDP   WEND_S(100)
#define WEND_RELAY_OFFLINE_TCP   WEND_S(200)
#define WEND_RELAY_OFFLINE_MIN   WEND_S(30)
#define WEND_RELAY_OFFLINE_MAX   WEND_S(3600)
#define WEND_RELAY_OFFLINE_EXTRA WEND_S(10)
#define WEND_RELAY_SESSION_LIFE  WEND_S(24 * 3600)
#define WEND_RELAY_STRANGER_LIFE WEND_S(90)
#define WEND_RELAY_CALL_LIFE     WEND_S(20) // a Peer Service Request without an answer
#define WEND_RELAY_NOTIFY_AGAIN  WEND_MS(250)
#define WEND_RELAY_NOTIFY_TRIES  8
#define WEND_RELAY_NOTIFY_APART  WEND_MS(100) // changes gather for so long after a Notify

#define WEND_RELAY_HANDSHAKES_LIMIT ((struct wend_bucket_limit){.per_second = 500, .burst = 500})
#define WEND_RELAY_HINTS_LIMIT      ((struct wend_bucket_limit){.per_second = 1000, .burst = 1000})

struct wend_relay_pool {
    uint8_t *at;
    size_t stride;
    uint32_t capacity, high, free, count;
};

// A map that grows: with capacity C it lies at memory + C, so doubling moves it to memory that was
// never touched. Entries spread over all of a map; one sized for the most that there may ever be
// would be as large from the first client on.
struct wend_relay_index {
    struct wend_map map;
    struct wend_map_entry *memory; // 2 × capacity_max
    uint32_t capacity_max;
};

// Where a client is reached. transport NONE: nowhere.
struct wend_relay_source {
    uint8_t transport; // enum wend_transport
    uint32_t stream;
    struct wend_address local, remote;
};

struct wend_relay_session {
    struct wend_box box; // type 0: none
    wend_instant created;
    bool pending; // made by the other side's initiation, nothing heard in it yet
    uint8_t handshake_hash[WEND_SESSION_HASH_LEN];
};

// One that has shaken hands. Registered: member is not 0.
struct wend_relay_client {
    uint32_t next_free;
    bool used;
    bool online;
    uint8_t current; // of sessions; the other one is older, or pending
    uint8_t key[32];
    uint32_t network, member;
    uint64_t epoch;
    struct wend_relay_source source;
    wend_instant heard_at;
    uint32_t interval; // seconds between its Keepalives, as it told; 0: it did not
    struct wend_heap_node timer;
    struct wend_bucket requests;
    uint32_t before, after; // among strangers, or among the network's clients

    struct wend_label label; // greatest accepted
    uint8_t response_to[WEND_SESSION_HASH_LEN];
    uint8_t response_len;
    uint8_t response[WEND_RELAY_RESPONSE_MAX];
    struct wend_relay_session sessions[2];

    uint32_t first_channel, last_channel; // reference << 1 | side
    uint32_t channel_count;

    bool subscribed;
    bool serials_due;     // it has not confirmed the serials of record and list
    uint8_t notify_tries; // of the Notify in flight
    uint32_t notify_id;   // 0: none in flight
    uint32_t page_member; // the last one told, to go on from there
    uint64_t known;       // the serial up to which it knows all
    uint64_t told;        // the serial that the Notify in flight leads to
    uint64_t whole_told;  // a serial at which it was told that there is no more
    uint64_t whole;       // confirmed: it has every chain that was new up to here
    wend_instant notify_at, notified_at;
};

enum wend_relay_member_state {
    WEND_RELAY_MEMBER_FREE = 0,
    WEND_RELAY_MEMBER_OFFERED, // name and address are held for a join under way
    WEND_RELAY_MEMBER_ACTIVE,
    WEND_RELAY_MEMBER_GONE, // revoked or expired: what is left is what the directory tells
};

struct wend_relay_member {
    uint32_t next_free; // of the pool
    uint8_t state;
    bool online;
    uint16_t membership_len;
    uint32_t network, invite, client;
    uint8_t key[32];
    uint32_t slot, ipv4;
    uint64_t made, receipt_time, expires;
    uint64_t epoch;
    uint64_t serial, chain_serial; // of its last change; of when its chain was new
    uint32_t before, after;        // in the directory
    uint32_t offer;                // slot of an invite held for it
    wend_instant offer_until;
    uint32_t offer_before, offer_after;
    char name[WEND_NAME_LEN_MAX + 1];
    uint8_t membership[WEND_MEMBERSHIP_LEN_MAX];
    uint8_t receipt[WEND_RECEIPT_LEN];
};

struct wend_relay_invite {
    uint32_t next_free;
    bool used;
    uint32_t network, next; // among the network's
    uint32_t first_slot, taken, next_slot;
    uint32_t uses;
    uint64_t join_before;
    uint8_t id[WEND_INVITE_ID_LEN];
    uint8_t delegation[WEND_DELEGATION_LEN];
};

// A slot of an invite that a device has, or is offered.
struct wend_relay_slot {
    uint32_t next_free;
    uint32_t invite; // 0: free
    uint32_t number, next;
    bool committed;
    uint64_t expires;
    uint8_t key[32];
};

struct wend_relay_network {
    uint32_t next_free;
    uint8_t key[32];
    size_t record_len, revocations_len;
    struct wend_network_record record;
    struct wend_revocation_list revocations; // serial 0: none
    struct wend_trust trust;
    uint64_t epoch, serial;
    uint32_t first, last; // directory, in the order of change
    uint32_t member_count, gone_count;
    uint32_t first_invite;
    uint32_t first_client;
    uint8_t record_bytes[WEND_NETWORK_RECORD_MAX];
    uint8_t revocation_bytes[WEND_REVOCATION_LIST_MAX];
};

enum wend_relay_channel_state {
    WEND_RELAY_CHANNEL_FREE = 0,
    WEND_RELAY_CHANNEL_ASKED, // passed on to the called side
    WEND_RELAY_CHANNEL_OPEN,
};

// Between the caller (side 0) and the called one (side 1).
struct wend_relay_channel {
    uint32_t next_free;
    uint32_t number;
    uint32_t ends[2];
    uint32_t before[2], after[2]; // in each client's list
    uint32_t request_id;          // of the caller
    wend_instant asked_at;
    uint8_t state;
};

struct wend_relay_claim {
    bool used; // this entry
    bool spent;
    uint64_t order;
    uint8_t secret[WEND_CLAIM_SECRET_LEN];
    uint8_t network[32];
};

struct wend_relay_upload {
    uint32_t client; // 0: free
    uint32_t network;
    uint32_t size, have;
    wend_instant at;
    uint8_t bytes[WEND_REVOCATION_LIST_MAX];
};

struct wend_relay {
    struct wend_relay_config config;
    struct wend_identity identity;
    uint8_t signature_key[WEND_ED25519_LEN];
    struct wend_prologue prologue;
    struct wend_random random;
    struct wend_cookie_checker cookies;
    uint8_t hash_key[WEND_HASH_KEY_LEN];
    uint64_t epoch;
    wend_instant now; // of the call that is running
    uint64_t unix_seconds;
    bool writable;
    bool loading;           // what comes in was stored already
    uint32_t serial_source; // for ids of Notify

    struct wend_relay_counts counts;
    struct wend_bucket handshakes, hints;
    uint32_t first_stranger, last_stranger, stranger_count;
    uint32_t first_offer, last_offer;
    struct wend_relay_claim claims[WEND_RELAY_CLAIMS_MAX];
    uint64_t claim_order;
    uint32_t claim_asked_client, claim_asked_id;
    wend_instant tidy_at;

    struct wend_relay_pool clients, networks, members, invites, slots, channels;
    struct wend_relay_index clients_by_key, clients_by_stream, networks_by_key, members_by_key;
    struct wend_relay_index members_by_name, members_by_ipv4, invites_by_id, slots_by_number;
    struct wend_relay_index channels_by_number;
    struct wend_heap timers;
    struct wend_ring out, events;
    bool out_peeked, event_peeked;
    struct wend_limits *limits;
    struct wend_relay_upload *uploads;
    uint8_t plain[WEND_DATAGRAM_MAX];
    uint8_t body[WEND_DATAGRAM_MAX];
};

// One request under way.
struct wend_relay_request {
    uint32_t client_ref;
    struct wend_relay_client *client;
    const struct wend_relay_session *session; // that it came in
    const struct wend_datagram *in;
    const struct wend_control *message;
    struct wend_attributes a;
    const char *text; // says more about an error; NULL: nothing
    bool silent;      // no answer now
};

// Handlers write the attributes of a successful answer.
typedef enum wend_error wend_relay_handler(struct wend_relay *r, struct wend_relay_request *q,
                                           struct wend_writer *w);

wend_relay_handler wend_relay_configuration, wend_relay_resume, wend_relay_release;
wend_relay_handler wend_relay_keepalive, wend_relay_peer_service, wend_relay_subscribe;
wend_relay_handler wend_relay_publish, wend_relay_fetch, wend_relay_join, wend_relay_join_commit;
wend_relay_handler wend_relay_claim_network, wend_relay_show;

// --- pools and maps (relay.c) ---

static inline void *wend_relay_at(const struct wend_relay_pool *p, uint32_t ref)
{
    return p->at + (size_t)(ref - 1) * p->stride;
}

// 0: full. What is taken is zeroed.
uint32_t wend_relay_take(struct wend_relay_pool *p);
void wend_relay_give(struct wend_relay_pool *p, uint32_t ref);

#define WEND_RELAY_ACCESSOR(name, type, pool)                                                      \
    static inline struct type *wend_relay_##name##_at(const struct wend_relay *r, uint32_t ref)    \
    {                                                                                              \
        return wend_relay_at(&r->pool, ref);                                                       \
    }
WEND_RELAY_ACCESSOR(client, wend_relay_client, clients)
WEND_RELAY_ACCESSOR(network, wend_relay_network, networks)
WEND_RELAY_ACCESSOR(member, wend_relay_member, members)
WEND_RELAY_ACCESSOR(invite, wend_relay_invite, invites)
WEND_RELAY_ACCESSOR(slot, wend_relay_slot, slots)
WEND_RELAY_ACCESSOR(channel, wend_relay_channel, channels)

// Returns 0, or -ENOSPC when it holds as many as it was sized for.
int wend_relay_index_insert(struct wend_relay_index *x, uint64_t hash, uint32_t ref);

// Under which a thing is looked up: what `of` it is (a reference, or 0), and bytes (at most 64).
uint64_t wend_relay_hash(const struct wend_relay *r, uint32_t of, const void *at, size_t len);

// --- out (out.c) ---

static inline enum wend_drop wend_relay_drop(struct wend_relay *r, enum wend_drop reason)
{
    return wend_drops_add(&r->counts.drops, reason);
}

// Queues a plain datagram.
void wend_relay_send(struct wend_relay *r, const struct wend_relay_source *to,
                     struct wend_bytes bytes);
// Seals `body` in the session and queues it.
void wend_relay_seal(struct wend_relay *r, struct wend_relay_session *s,
                     const struct wend_relay_source *to, struct wend_bytes body);
// To a registered client, where it is registered. False: it is nowhere.
bool wend_relay_tell(struct wend_relay *r, struct wend_relay_client *c, struct wend_bytes body);
void wend_relay_hint(struct wend_relay *r, const struct wend_relay_source *to, uint8_t kind,
                     const uint8_t echo[static 4]);
void wend_relay_raise(struct wend_relay *r, const struct wend_relay_event *event);
// Whether what must be stored can be told to the owner now, and the owner can store it.
bool wend_relay_can_store(struct wend_relay *r);
void wend_relay_raise_member(struct wend_relay *r, enum wend_relay_event_kind kind,
                             const struct wend_relay_member *m);
struct wend_relay_source wend_relay_source_of(const struct wend_datagram *in);
bool wend_relay_same_source(const struct wend_relay_source *a, const struct wend_relay_source *b);

// --- clients.c ---

uint32_t wend_relay_client_find(const struct wend_relay *r, const uint8_t key[static 32]);
// A new one, a stranger. Full: the oldest stranger gives way; 0 when there is none.
uint32_t wend_relay_client_new(struct wend_relay *r, const uint8_t key[static 32]);
// Forgets it: its session, registration, channels.
void wend_relay_client_drop(struct wend_relay *r, uint32_t ref);
void wend_relay_client_register(struct wend_relay *r, uint32_t ref, uint32_t member);
void wend_relay_client_deregister(struct wend_relay *r, uint32_t ref);
void wend_relay_client_set_source(struct wend_relay *r, uint32_t ref,
                                  const struct wend_relay_source *source);
void wend_relay_client_set_online(struct wend_relay *r, uint32_t ref, bool online);
void wend_relay_client_arm(struct wend_relay *r, uint32_t ref);
void wend_relay_client_expire(struct wend_relay *r, uint32_t ref);

// --- handshake.c, request.c, stun.c ---

enum wend_drop wend_relay_handshake(struct wend_relay *r, const struct wend_datagram *in);
enum wend_drop wend_relay_sealed(struct wend_relay *r, const struct wend_datagram *in);
enum wend_drop wend_relay_stun(struct wend_relay *r, const struct wend_datagram *in);

// --- networks.c ---

uint32_t wend_relay_network_find(const struct wend_relay *r, struct wend_bytes key);
// Takes a record whose signature holds. `error` text may be NULL. 0 with ENOSPC: full.
uint32_t wend_relay_network_put(struct wend_relay *r, struct wend_bytes record);
void wend_relay_put_serials(const struct wend_relay_network *n, struct wend_writer *w);
void wend_relay_upload_forget(struct wend_relay *r, uint32_t client);

// --- members.c ---

uint32_t wend_relay_member_find(const struct wend_relay *r, uint32_t network,
                                const uint8_t key[static 32]);
uint32_t wend_relay_member_by_name(const struct wend_relay *r, uint32_t network, const char *name);
uint32_t wend_relay_member_by_ipv4(const struct wend_relay *r, uint32_t network, uint32_t ipv4);
uint32_t wend_relay_invite_find(const struct wend_relay *r, uint32_t network,
                                const uint8_t id[static WEND_INVITE_ID_LEN]);
// The invite of a verified delegation, made if it is new. 0: no room.
uint32_t wend_relay_invite_get(struct wend_relay *r, uint32_t network, struct wend_bytes in);
uint32_t wend_relay_slot_find(const struct wend_relay *r, uint32_t invite, uint32_t number);
uint32_t wend_relay_slot_of(const struct wend_relay *r, uint32_t invite,
                            const uint8_t key[static 32]);
uint32_t wend_relay_slot_take(struct wend_relay *r, uint32_t invite, uint32_t number,
                              const uint8_t key[static 32]);
void wend_relay_slot_give(struct wend_relay *r, uint32_t ref);
// A member of this network with its name and address; 0: no room.
uint32_t wend_relay_member_new(struct wend_relay *r, uint32_t network,
                               const uint8_t key[static 32]);
void wend_relay_member_name(struct wend_relay *r, uint32_t ref, const char *name, uint32_t ipv4);
void wend_relay_member_unname(struct wend_relay *r, uint32_t ref);
void wend_relay_member_free(struct wend_relay *r, uint32_t ref);

// --- leases.c ---

void wend_relay_offer(struct wend_relay *r, uint32_t member, uint32_t slot);
void wend_relay_offer_end(struct wend_relay *r, uint32_t member);
void wend_relay_offers_expire(struct wend_relay *r);
wend_instant wend_relay_offers_deadline(const struct wend_relay *r);

// A chain that trust has accepted as `m`: TAKEN, REPLAYED or LIMIT by what we hold, or NONE and it
// is the device's membership. `*ret_member` is who it is; `*ret_new` whether that was news.
enum wend_error wend_relay_admit(struct wend_relay *r, uint32_t network,
                                 const struct wend_chain *chain, const struct wend_member *m,
                                 uint32_t *ret_member, bool *ret_new);
// Out of the network: by revocation or expiry. Its slot stays taken.
void wend_relay_member_end(struct wend_relay *r, uint32_t ref); // members.c
// What has expired and may be forgotten.
void wend_relay_members_tidy(struct wend_relay *r);

// --- directory.c ---

void wend_relay_directory_changed(struct wend_relay *r, uint32_t member);
void wend_relay_directory_forget(struct wend_relay *r, uint32_t member);
void wend_relay_directory_serials(struct wend_relay *r, uint32_t network);
// An ENTRY of this member; with its chain if `chain`.
void wend_relay_put_entry(const struct wend_relay *r, const struct wend_relay_member *m, bool chain,
                          struct wend_writer *w);
void wend_relay_notify(struct wend_relay *r, uint32_t ref); // what is due, is sent
void wend_relay_notified(struct wend_relay *r, uint32_t ref, const struct wend_control *message);
struct wend_position wend_relay_position(const struct wend_relay_network *n);

// --- channels.c, director.c ---

uint32_t wend_relay_channel_find(const struct wend_relay *r, uint32_t number);
uint32_t wend_relay_channel_new(struct wend_relay *r, uint32_t caller, uint32_t called);
void wend_relay_channel_close(struct wend_relay *r, uint32_t ref);
void wend_relay_channels_close(struct wend_relay *r, uint32_t client);
void wend_relay_answered_call(struct wend_relay *r, uint32_t client, const struct wend_datagram *in,
                              const struct wend_control *message);

#endif
