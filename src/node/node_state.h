// SPDX-License-Identifier: MIT
// What a node is made of; for node's own files and its tests. The packet's life through them:
//
// node.c               init, what comes in is told apart, clock, close
// node_out.c           what goes out: datagrams, events, commands to the data plane
// server.c             the leg's events: registration, requests in flight
// directory.c          members by slot and key, their proofs, pins
// directory_sync.c     Subscribe and Notify
// records.c            newer network records and revocation lists: fetched, verified, applied
// where_to_ask.c       what addresses discovery may ask
// whereabouts.c        addresses that come and go; sleep
// contact.c            peers in use: opened, closed, their timers
// contact_all.c        what concerns all of them: the server, our addresses
// contact_handshake.c  types 5 and 6: made, judged, answered
// contact_keys.c       keys to the data plane
// contact_early.c      user packets inside a type 5
// contact_unopened.c   data that comes before its keys
// contact_way.c        how sealed bytes travel: direct, channel, Peer Service
// contact_control.c    type 9: candidates, Fetch, Goodbye
// contact_probe.c      type 9: probes
// contact_report.c     type 9: reports, to the peer
// contact_health.c     type 9: reports, of the peer; which way in use is left, and how
// nat.c                what the NATs in front of us do
// volleys.c            direct paths through hard NATs: what becomes of them
// volleys_call.c       the same: told, begun
// volleys_run.c        the same: carried out
// sockets.c            UDP sockets beside the usual one
// view.c               for `wend status`
//
// Every call ends with the outputs queued; nothing here calls back.
#ifndef WEND_NODE_NODE_STATE_H
#define WEND_NODE_NODE_STATE_H

#include "base/bucket.h"
#include "base/heap.h"
#include "base/map.h"
#include "base/ring.h"
#include "node/leg_state.h"
#include "node/nat.h"
#include "node/node.h"
#include "node/sockets.h"
#include "node/volleys.h"
#include "path/health.h"
#include "path/paths.h"
#include "session/data.h"
#include "traverse/budget.h"
#include "traverse/candidates.h"
#include "wire/discovery_ports.h"

#define WEND_NODE_MEMBERS      WEND_SLOTS_MAX
#define WEND_NODE_PINS         (2 * WEND_SLOTS_MAX)
#define WEND_NODE_CALLS        WEND_LEG_REQUESTS_MAX
#define WEND_NODE_INDEXES      8192 // at most five a contact
#define WEND_NODE_COMMANDS_LEN (4U << 20)
#define WEND_NODE_EVENTS_LEN   (4U << 20)
#define WEND_NODE_OUT_LEN      (2U << 20)
#define WEND_NODE_HINTS        256
#define WEND_CONTACT_PAIRS     4
#define WEND_NODE_KEPT         128 // data messages before their keys, of all peers
#define WEND_NODE_KEPT_PACKETS 16  // of one; more are dropped, counted
#define WEND_NODE_KEPT_BYTES   24576

// A member of the network, at its slot. Zeroed: free.
struct wend_seat {
    bool used;
    bool told;        // the data plane knows the slot
    bool withheld;    // the server calls it removed; goes when its contact does
    uint8_t status;   // enum wend_status
    uint8_t prefer;   // enum wend_paths_preference
    uint32_t contact; // 1 + index; 0: not in use
    uint32_t mark;    // of the last whole subscription that named it
    uint64_t epoch;
    struct wend_label label;       // greatest accepted; outlives the contact
    struct wend_label early_taken; // the initiation whose early data was taken last
    struct wend_label early_void;  // that of initiations up to this one is not to be taken
    struct wend_member member;
    struct wend_address ipv4, ipv6;
};

struct wend_directory {
    struct wend_seat seats[WEND_NODE_MEMBERS];
    uint32_t count;
    uint32_t high; // seats at and above this were never used
    struct wend_map by_key;
    struct wend_map_entry by_key_entries[2 * WEND_NODE_MEMBERS];
    struct wend_pins pins;
    struct wend_pin pin_memory[WEND_NODE_PINS];
    struct wend_position position; // epoch 0: nothing known
    bool syncing, behind;          // a Subscribe is under way; another shall follow
    bool whole;                    // it began at the start
    uint32_t mark;
    wend_instant sync_at;        // when to try again; WEND_NEVER
    struct wend_label forgotten; // greatest label of a member that is no more
};

// One key pair with a peer.
struct wend_contact_pair {
    uint32_t local_index; // 0: free
    bool heard;           // something under it was opened here
    bool has_key;         // send_key was not handed to the sealing half yet
    uint16_t returned;    // messages given back to the opening half
    uint8_t send_key[32];
    struct wend_box box;
};

// Copies of packets that wait in the sealing half, to ride in a type 5. See early.h.
struct wend_contact_early {
    uint16_t count, len;         // as told; 0: none
    uint16_t fit_count, fit_len; // what rides
    bool offered;
    bool rides;              // in the initiation being made
    bool replaced;           // the sealing half has told of others since
    struct wend_label label; // of the initiation that bears it
    uint64_t epoch;          // of the run of the peer's that it is for
    wend_instant offered_at;
    wend_instant ask_at; // 0: there were no keys yet
    wend_duration ask_after;
    uint8_t bytes[WEND_EARLY_MAX];
};

// A data message whose keys are not there yet.
struct wend_kept {
    uint32_t index; // 0: free
    uint32_t serial;
    struct wend_datagram way; // its bytes: stale
    uint32_t channel;         // of a control message through the relay; 0: straight, or data
    uint16_t len;
    uint8_t bytes[WEND_DATAGRAM_MAX];
};

#define WEND_REPORT_LOOKS 8

// What came from a peer, and what of it was told.
struct wend_contact_report {
    wend_instant at;         // when to look again; WEND_NEVER: nothing flows
    wend_instant sent_at;    // last report
    uint32_t index;          // local index of the pair that `seen` is about
    uint64_t told;           // messages in the last report
    bool gap;                // something is missing, and that was not told yet
    bool again;              // the last report is to be repeated
    wend_instant gaps_until; // looks are close together
    uint8_t latest;          // the way that messages came by last
    struct wend_contact_arrival {
        uint64_t count, highest; // at the last look
        wend_instant at;         // of the last message, as far as looks tell
        uint8_t silences;        // reports of its silence
        wend_duration soonest;   // silence of so long is told; 0: none is
    } ways[WEND_WAYS];
    struct {
        wend_instant at;
        uint64_t count[WEND_WAYS];
    } looks[WEND_REPORT_LOOKS];
    uint8_t look; // newest
};

// A Switch of ours that the peer has not acknowledged.
struct wend_contact_switch {
    wend_instant at; // when it is said again; WEND_NEVER: none
    wend_duration after;
    uint32_t index; // of the pair, in the peer's words
    uint64_t first;
    uint8_t tries;
};

// A peer in use.
struct wend_contact {
    bool used;
    uint32_t slot;
    struct wend_heap_node timer;

    struct wend_session session;
    uint8_t initiation[WEND_INITIATION_MAX];
    uint8_t response[WEND_RESPONSE_MAX];
    uint16_t sent_len;  // of the initiation last drained, in sent_initiation
    uint32_t starting;  // index of the handshake under way, 0: none
    wend_instant began; // this handshake
    uint8_t sent_initiation[WEND_INITIATION_MAX];
    struct wend_contact_pair pairs[WEND_CONTACT_PAIRS];
    uint32_t sending; // local index of the pair the sealing half has; 0: none

    struct wend_contact_early early;
    struct wend_label early_voided; // ours up to this one is not to be taken by the peer
    bool early_owed;                // the peer is to be told what was taken of its
    bool early_arrived;             // some of ours was taken
    uint64_t named_epoch;           // of the peer, in the handshake under way

    uint32_t channel;    // 0: none
    uint32_t attested;   // IPv4 address of the peer, as the server said at the last call; 0: none
    uint32_t model_told; // serial of our NAT model in the handshake under way; 0: none
    bool calling;        // a Peer Service Request is under way
    uint8_t volley;      // 1 + index; 0: none
    uint8_t volley_end;  // enum wend_volley_end
    uint8_t volley_tries;
    uint8_t volley_outcome; // enum wend_plan_outcome of the last plan
    uint8_t volley_method;  // enum wend_plan_method: that won, else of the plan's first stage
    uint8_t volley_code;    // enum wend_volley_code: why the last one ended
    bool volley_due;        // a handshake is to be made for its sake
    bool keepalive;         // to be sent once the sealing half knows keys and way
    bool way_told;
    uint16_t attested_port;
    uint16_t socket;        // adopted, of the path that a volley found; 0: none
    wend_instant volley_at; // not before; WEND_NEVER: until a model changes
    const char *volley_why; // the plan's reason, or NULL
    struct wend_paths paths;
    struct wend_plane_path told, told_also; // to the sealing half
    wend_duration relay_rtt;                // as it was taken last; 0: there was none
    wend_duration told_hold;                // to the opening half; 0: nothing yet
    wend_duration told_hold_relay;

    struct wend_contact_report report;
    struct wend_health health;
    uint32_t judged;          // pair whose counter the sealing half shows
    wend_instant judged_from; // since when that is sure
    struct wend_contact_switch switching;

    struct wend_candidates theirs;
    uint32_t their_generation;
    wend_duration their_server_rtt;
    wend_instant hold_until;     // probes to reflexive candidates wait, on the called side
    wend_instant open_at;        // when our NAT is opened for the caller's; WEND_NEVER: done
    uint32_t offered_generation; // of our candidates, in the handshake under way
    uint32_t told_generation;    // as the peer confirmed
    wend_instant tell_at;
    wend_duration tell_after;
    uint32_t last_id;

    wend_instant wanted_at;       // last user packet, either way, or wish for one
    bool watched;                 // both halves were asked to say TRAFFIC
    wend_instant tick_at, ask_at; // tick_at WEND_NEVER: nothing passes
    wend_instant seen_sent, seen_received, seen_any;
    uint64_t their_revocations; // serial told in the handshake

    wend_instant started; // for status
    wend_duration first_packet, direct_after;
    uint32_t switches;
    bool direct; // the way told last
};

// Where bytes came from, and where an answer to them goes.
enum wend_origin_kind {
    WEND_ORIGIN_NONE = 0,
    WEND_ORIGIN_DIRECT,  // `way`
    WEND_ORIGIN_CHANNEL, // `channel`
    WEND_ORIGIN_REQUEST, // inside a Peer Service Request of the server's
};

struct wend_origin {
    enum wend_origin_kind kind;
    struct wend_datagram way;
    uint32_t channel;
    const struct wend_leg_event *request;
    struct wend_address attested; // REQUEST: where the server sees the caller
    bool answered;                // the request was
};

enum wend_call_kind {
    WEND_CALL_NONE = 0,
    WEND_CALL_CONFIGURATION,
    WEND_CALL_SUBSCRIBE,
    WEND_CALL_PEER,
    WEND_CALL_FETCH,
    WEND_CALL_RELEASE,
};

// A request of ours that the leg carries.
struct wend_call {
    enum wend_call_kind kind;
    uint32_t id;
    uint32_t slot; // PEER: whose
};

// A record that is being fetched, part by part.
struct wend_fetch {
    enum wend_object object; // NONE: nothing under way
    uint32_t slot;           // the peer it comes from
    bool from_peer;
    uint32_t offset, size;
    uint8_t tries;
    wend_instant retry_at;
    uint8_t buffer[WEND_REVOCATION_LIST_MAX];
};

struct wend_records {
    uint8_t network_bytes[WEND_NETWORK_RECORD_MAX];
    size_t network_len;
    struct wend_network_record network;
    uint8_t revocation_bytes[WEND_REVOCATION_LIST_MAX];
    size_t revocation_len;
    struct wend_revocation_list revocations; // serial 0: none
    struct wend_trust trust;
    uint64_t server_network, server_revocations; // serials the server told
    wend_instant not_before;                     // after a fetch that led nowhere
    struct wend_fetch fetch;
};

struct wend_node {
    struct wend_node_config config;
    uint8_t chain_bytes[WEND_DELEGATION_LEN + WEND_MEMBERSHIP_LEN_MAX + WEND_RECEIPT_LEN];
    struct wend_member own;
    struct wend_overlay overlay;
    struct wend_random random;
    uint8_t hash_key[WEND_HASH_KEY_LEN];
    struct wend_prologue prologue;
    struct wend_session_config session_config;
    struct wend_label_clock labels;
    uint64_t labels_reserved;
    struct wend_cookie_checker cookies;
    struct wend_bucket handshakes, hints;
    struct {
        struct wend_address from;
        wend_instant at;
    } hinted[WEND_NODE_HINTS];
    uint64_t unix_ns;
    wend_instant now; // of the call that is running
    wend_instant started_at;
    bool started, closing, refused;

    struct wend_leg leg;
    bool leg_made;
    size_t server; // index in the network record
    struct wend_address servers[WEND_RECORD_SERVERS_MAX][WEND_LEG_ADDRESSES_MAX];
    size_t server_addresses[WEND_RECORD_SERVERS_MAX];
    bool registered, ready;
    bool registering; // Configuration is under way
    uint32_t configuration_id;
    wend_instant register_at, registered_at; // WEND_NEVER: not due; when it was sent last
    struct wend_datagram route;
    struct wend_sockets sockets;
    struct wend_nat nat;
    struct wend_volleys volleys;
    struct wend_discovery_ports discovery[2]; // as the server in use told; zero: nothing
    struct wend_call calls[WEND_NODE_CALLS];

    struct wend_address interfaces[WEND_INTERFACES_MAX];
    size_t interface_count;
    struct wend_address mapped; // by a port mapping protocol; family NONE: none
    bool isolated; // there were interfaces, and there are none: nothing is sent or counted
    struct wend_candidates ours;
    uint32_t generation; // of `ours`; 1 at first
    struct wend_budget budget;

    struct wend_directory directory;
    struct wend_records records;
    wend_instant minute_at;

    struct wend_contact contacts[WEND_CONTACTS_MAX];
    uint32_t contact_count;
    uint32_t contact_high; // contacts at and above this were never used
    struct wend_map by_index;
    struct wend_map_entry by_index_entries[WEND_NODE_INDEXES];
    struct wend_heap timers;
    struct wend_heap_entry timer_entries[WEND_CONTACTS_MAX];
    struct wend_plane_stats *stats; // of all slots; may be NULL
    struct wend_drops drops;
    struct wend_kept kept[WEND_NODE_KEPT];
    uint32_t kept_count, kept_serial;

    struct wend_ring out, events, seal_commands, open_commands;
    bool out_peeked, event_peeked;
    _Alignas(8) uint8_t out_memory[WEND_NODE_OUT_LEN];
    _Alignas(8) uint8_t event_memory[WEND_NODE_EVENTS_LEN];
    _Alignas(8) uint8_t seal_memory[WEND_NODE_COMMANDS_LEN];
    _Alignas(8) uint8_t open_memory[WEND_NODE_COMMANDS_LEN];
};

// --- node_out.c ---

void wend_node_queues_init(struct wend_node *n);
// Queues a datagram; full: dropped and counted.
void wend_node_send(struct wend_node *n, const struct wend_datagram *way, struct wend_bytes bytes);
// Queues an event with a copy of its bytes.
void wend_node_raise(struct wend_node *n, const struct wend_node_event *event);
// `seal`, `open`: to which half. The owner drains after each call: there is always room.
void wend_node_command_seal(struct wend_node *n, const struct wend_command *command);
void wend_node_command_open(struct wend_node *n, const struct wend_command *command);
void wend_node_command_both(struct wend_node *n, const struct wend_command *command);
static inline void wend_node_drop(struct wend_node *n, enum wend_drop reason)
{
    (void)wend_drops_add(&n->drops, reason);
}

// --- node.c ---

static inline uint64_t wend_node_unix_seconds(const struct wend_node *n)
{
    return n->unix_ns / 1000000000;
}
// Every call begins with it: `now`, and what follows if the host slept (whereabouts.c).
void wend_node_turn(struct wend_node *n, wend_instant now);
// A hint to whoever sent us something for an index that we do not know, within limits.
void wend_node_hint(struct wend_node *n, const struct wend_origin *origin, uint32_t index);
// Emits RESERVE_TIMESTAMP ahead of labels that come near the floor.
void wend_node_reserve_labels(struct wend_node *n);

#endif
