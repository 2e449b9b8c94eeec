// SPDX-License-Identifier: MIT
// Node: one endpoint of a network, everything but packets of users.
//
// Composes a leg (session with the server), the directory of members with their certificates and
// pins, and for each peer in use a contact: session (session/session.h), paths and their prober
// (path/), candidates (traverse/). It tells the data plane by commands (plane.h) which keys and
// which path each peer has. The same machine runs in `wend up`, in the simulator and in the fuzzer.
//
// Owns no socket, clock or memory of its own: the owner gives the memory at init. Not thread-safe.
#ifndef WEND_NODE_NODE_H
#define WEND_NODE_NODE_H

#include "base/datagram.h"
#include "base/drop.h"
#include "base/time.h"
#include "crypto/crypto.h"
#include "node/leg.h"
#include "node/plane.h"
#include "path/paths.h"
#include "session/trust.h"

#define WEND_CONTACTS_MAX   1024 // peers in use at once; the longest unused gives way
#define WEND_SOCKETS_MAX    2048 // further UDP sockets at once (node/sockets.h); a volley has 1,024
#define WEND_INTERFACES_MAX 32   // addresses of this host that may become candidates

struct wend_node_config {
    const struct wend_identity *identity;
    struct wend_bytes network_record; // signed, as received
    struct wend_chain chain;          // our own delegation, membership, receipt
    struct wend_bytes revocations;    // the newest signed list we have, or empty
    uint64_t epoch;                   // random, new at each start
    uint8_t seed[32];                 // all randomness of this node
    uint16_t port;                    // UDP port of our sockets, for host candidates
    uint64_t timestamp_floor;         // unix ns; handshake labels stay above (reservation on disk)
    wend_duration mapping_lifetime;   // see wend_node_set_mapping_lifetime
};

enum wend_node_event_kind {
    WEND_NODE_NONE = 0,
    WEND_NODE_READY,       // registered with the server; `address` is where it sees us
    WEND_NODE_REFUSED,     // the server refuses us for good: error, text (revoked, expired, …)
    WEND_NODE_SERVER_LOST, // no server reachable (trying on)
    WEND_NODE_OPEN_STREAM, // connect `stream` to `address` (TCP), then wend_node_stream_opened
    WEND_NODE_CLOSE_STREAM,
    WEND_NODE_STORE_NETWORK,     // a newer network record was accepted: bytes
    WEND_NODE_STORE_REVOCATIONS, // a newer revocation list was accepted: bytes
    WEND_NODE_STORE_PIN,         // slot's member was pinned: key, name, ipv4, invite, invite slot
    WEND_NODE_DROP_PIN,
    WEND_NODE_MEMBER, // slot's member appeared, changed its name or status, or went: log, names
    WEND_NODE_PEER,   // slot's state or path changed: log
    WEND_NODE_MEMBER_REFUSED,    // the server told of a member that fails the rules: error, key in
                                 // bytes
    WEND_NODE_RESERVE_TIMESTAMP, // keep `unix_ns` as the new floor on disk
    WEND_NODE_PACKET,   // early data of slot: bytes is one IP packet, to be given to the host
    WEND_NODE_UNOPENED, // a data message that came before its keys were known to the opening half:
                        // give it there (way, bytes) after the commands that are due
    WEND_NODE_OPEN_SOCKETS, // UDP sockets `socket` to `socket + count - 1` of address.family, local
                            // port address.port (0: any), then wend_node_socket_opened for each
    WEND_NODE_CLOSE_SOCKETS, // those, after the commands that are due
    WEND_NODE_ADOPT_SOCKET,  // the data plane's halves receive from and send through `socket`, too,
                             // before commands that come after this
};

struct wend_node_event {
    enum wend_node_event_kind kind;
    uint32_t slot;
    uint32_t stream;
    uint16_t socket, count;
    uint16_t error;
    uint64_t unix_ns;
    struct wend_address address;
    struct wend_datagram way; // UNOPENED: how it came
    struct wend_bytes bytes;  // borrowed until the next call
    char text[128];           // for people
};

struct wend_node;

// Bytes of memory a node needs (page-aligned by the owner, zeroed; pages never touched cost
// nothing).
size_t wend_node_size(void);
// Returns 0 and the node inside `memory`, or -EBADMSG when a record or the own chain is unsound.
int wend_node_init(void *memory, const struct wend_node_config *config, uint64_t unix_ns,
                   struct wend_node **ret);
void wend_node_close(struct wend_node *node); // wipes keys; says Goodbye and Release first: drain

void wend_node_start(struct wend_node *node, wend_instant now);
// Resolved addresses of server `index` of the network record (DNS is the owner's business).
void wend_node_set_server(struct wend_node *node, size_t index, const struct wend_address *at,
                          size_t count);
// All addresses of real interfaces, overlay excluded by the node itself. Call at start and on
// change.
void wend_node_set_interfaces(struct wend_node *node, const struct wend_address *at, size_t count,
                              wend_instant now);
// Where a gateway lets everybody reach our port, by a port mapping protocol: becomes a candidate.
// NULL: nowhere, or no longer. Packets that come by it are received like any other.
void wend_node_mapped(struct wend_node *node, const struct wend_address *at, wend_instant now);
// How long the NAT before us certainly keeps a UDP mapping that nothing passes through: the pause
// between Keepalives to the server. 0: not known.
void wend_node_set_mapping_lifetime(struct wend_node *node, wend_duration lifetime);
void wend_node_restore_pin(struct wend_node *node, const struct wend_pin *pin);

// What the opening half did not consume: handshakes, control, hints, the server's messages.
int wend_node_receive(struct wend_node *node, const struct wend_datagram *in, wend_instant now);
void wend_node_notice(struct wend_node *node, const struct wend_notice *notice, wend_instant now);
void wend_node_stream_opened(struct wend_node *node, uint32_t stream, wend_instant now);
void wend_node_stream_closed(struct wend_node *node, uint32_t stream, wend_instant now);
// `port` is the local one; 0: the socket could not be opened, or is gone. Its datagrams come by
// wend_node_receive with its number, until it is adopted.
void wend_node_socket_opened(struct wend_node *node, uint16_t socket, uint16_t port,
                             wend_instant now);
// Wall clock, told at every turn (steps are tolerated).
void wend_node_set_clock(struct wend_node *node, uint64_t unix_ns);
// The counters of all slots, owned by the owner, read by the node on its own ticks.
void wend_node_set_stats(struct wend_node *node, struct wend_plane_stats *stats);

void wend_node_expire(struct wend_node *node, wend_instant now);
wend_instant wend_node_deadline(const struct wend_node *node);
// A Resume that is due, ahead of the commands: after it the server takes relay frames from where we
// are now. Drain these first, then the opening half's commands, datagrams, the sealing half's.
bool wend_node_next_resume(struct wend_node *node, struct wend_datagram *ret);
bool wend_node_next_datagram(struct wend_node *node, struct wend_datagram *ret);
bool wend_node_next_event(struct wend_node *node, struct wend_node_event *ret);
bool wend_node_next_seal_command(struct wend_node *node, struct wend_command *ret);
bool wend_node_next_open_command(struct wend_node *node, struct wend_command *ret);

// Which kind of path packets to the member in `slot` shall take while it works (path/paths.h);
// kept until the node ends. A slot without a member: nothing.
void wend_node_prefer(struct wend_node *node, uint32_t slot, enum wend_paths_preference what,
                      wend_instant now);

// Where STUN may be asked, for discovery: of the server in use what it told
// (wire/discovery_ports.h), its own address first; then one address a family of each other server
// of the network record. IPv4 before IPv6. Returns how many.
#define WEND_NODE_DISCOVERY_MAX 32
size_t wend_node_discovery(const struct wend_node *node,
                           struct wend_address ret[static WEND_NODE_DISCOVERY_MAX]);

// For status: read-only views, see node/view.h.

void wend_node_check(const struct wend_node *node); // invariants; for tests and the simulator

#endif
