// SPDX-License-Identifier: MIT
// A network in virtual time, packet by packet: hosts with interfaces, sites behind NATs and
// firewalls, links, faults.
//
//   internet (site 0) --core delay-- site --box-- [site --box--] interface of a host
//
// Path:   out of an interface, up through the boxes until a site knows the destination, maybe
//         across the core (one delay for each pair of sites that hang on the internet), and down.
//         Every crossing happens at its own instant, so boxes see packets in the order in which
//         they come, and an address that is gone is gone for what flies too.
// Order:  links and the core keep it unless a link is told otherwise, or a delay is changed.
// Random: from the seed alone; the same calls at the same instants do the same, bit for bit.
// Flow:   send … ; deadline() says when something happens next; next(now) hands out, one after the
//         other, what has come to a host by then. No callbacks. Time starts at 0, never goes back.
//
// Owns no memory: one block, brought by the caller, not zeroed, used again for the next world; no
// more of it is touched than is in use. Not thread-safe. Mistakes of the caller (an index that does
// not exist, more sites than the limits say) are asserted.
#ifndef WEND_SIM_NET_H
#define WEND_SIM_NET_H

#include "base/datagram.h"
#include "net_config.h"

#define WEND_SIM_INTERNET       0            // the site that is always there
#define WEND_SIM_LISTENS_MAX    4            // TCP ports of a host
#define WEND_SIM_STREAM_TIMEOUT WEND_S(15)   // a stream whose message is not through by then breaks
#define WEND_SIM_STREAM_RETRY   WEND_MS(200) // first retransmission, doubling up to 3.2 s

struct wend_sim_net;

// 0 means the preset in brackets.
struct wend_sim_limits {
    uint32_t sites;      // without the internet [16]
    uint32_t hosts;      // [8]
    uint32_t interfaces; // [16]
    uint32_t cells;      // datagrams in flight [1024]; full: the new one is dropped, counted
    uint32_t mappings;   // of all boxes [1024]; full: refused, counted
    uint32_t sessions;   // filter entries of all boxes [2048]
    uint32_t streams;    // [16]
    uint32_t pooled;     // public addresses of boxes beyond the first of each [16]
};

size_t wend_sim_net_size(const struct wend_sim_limits *limits);
// `memory` is aligned to 64 and wend_sim_net_size() long. The net lies at its beginning.
struct wend_sim_net *wend_sim_net_init(void *memory, const struct wend_sim_limits *limits,
                                       uint64_t seed);

// --- building; also while it runs ---

// Each returns the index, counted from 0 (sites from 1).
uint32_t wend_sim_net_add_site(struct wend_sim_net *n, const struct wend_sim_site *site);
uint32_t wend_sim_net_add_host(struct wend_sim_net *n);
// Interfaces are counted over all hosts. A host sends from its first one that is up and has the
// family, unless the sender names a local address.
uint32_t wend_sim_net_add_interface(struct wend_sim_net *n, uint32_t host,
                                    const struct wend_sim_interface *interface);
// Delay between two sites that hang on the internet, both ways; preset 0. An interface on the
// internet itself counts as site 0.
void wend_sim_net_set_core(struct wend_sim_net *n, uint32_t a, uint32_t b, wend_duration delay);
// The delay of all pairs for which nothing else is or was said.
void wend_sim_net_set_core_preset(struct wend_sim_net *n, wend_duration delay);
// Whether TCP connections to `port` of the host are accepted.
void wend_sim_net_listen(struct wend_sim_net *n, uint32_t host, uint16_t port, bool on);

// --- datagrams ---

// A datagram with a TTL dies at the so-manieth router: the box of each site that it leaves or
// enters is one, and the core another. A box at which it dies makes no mapping of it, and nobody is
// told.
//
// Sends over UDP from `out->local` (port needed; family NONE: by route) to `out->remote`. What
// happens later to the datagram is not told.
//
// Returns 0; -EADDRNOTAVAIL the local address is none of the host's interfaces that are up;
//   -ENETUNREACH no interface that is up has that family; -EMSGSIZE longer than WEND_DATAGRAM_MAX,
//   or dont_fragment and longer than the own interface takes; -ENETDOWN the host is down;
//   -ENOBUFS no free cell
int wend_sim_net_send(struct wend_sim_net *n, uint32_t host, const struct wend_datagram *out,
                      wend_instant now);

// --- streams: reliable, ordered messages over a TCP-like connection ---
//
// An end is known by its host and a number: the opener chooses its own; the accepting end's is
// drawn by the net, never 0 and never twice. Loss costs time (retransmission), not messages. A
// stream breaks (CLOSED) when the address of an end goes away, when a NAT on the way has lost its
// mapping, when the other end is gone, or when a message is not through after
// WEND_SIM_STREAM_TIMEOUT.

// Answered by OPENED or CLOSED. Returns 0, or as wend_sim_net_send; -ENOBUFS also: no free stream.
int wend_sim_net_open_stream(struct wend_sim_net *n, uint32_t host, uint32_t stream,
                             const struct wend_address *to, wend_instant now);
// Returns 0; -ENOTCONN not open; -EMSGSIZE; -ENOBUFS
int wend_sim_net_send_stream(struct wend_sim_net *n, uint32_t host, uint32_t stream,
                             struct wend_bytes message, wend_instant now);
// Messages sent before still arrive, then the other end is told. Unknown: does nothing.
void wend_sim_net_close_stream(struct wend_sim_net *n, uint32_t host, uint32_t stream,
                               wend_instant now);
// The process on the host has died: its ends are gone, the others learn of it by a reset.
void wend_sim_net_reset_streams(struct wend_sim_net *n, uint32_t host, wend_instant now);

// --- what comes out ---

enum wend_sim_delivery_kind {
    WEND_SIM_NOTHING = 0,
    WEND_SIM_DATAGRAM,        // way: transport UDP, local as addressed, remote as seen, bytes
    WEND_SIM_TOO_BIG,         // a datagram of ours (local, remote) met a link with mtu_report
    WEND_SIM_STREAM_OPENED,   // way.stream: ours; way.remote: whom we called
    WEND_SIM_STREAM_ACCEPTED, // way.stream: the new number of our end; way.local, way.remote as
                              // seen
    WEND_SIM_STREAM_MESSAGE,  // way: transport TCP, stream, local, remote, bytes
    WEND_SIM_STREAM_CLOSED,   // way.stream: that end is gone
    WEND_SIM_UNREACHABLE,     // a datagram of ours (local, remote): ICMP port unreachable
};

struct wend_sim_delivery {
    enum wend_sim_delivery_kind kind;
    uint32_t host;
    uint32_t interface;
    uint32_t mtu_bytes;       // TOO_BIG: IP packets of this length pass there
    wend_instant sent_at;     // when its sender gave it to the net
    struct wend_datagram way; // bytes: borrowed until the next call
};

// When something happens next in the net (not always a delivery); WEND_NEVER: nothing.
wend_instant wend_sim_net_deadline(const struct wend_sim_net *n);
// Lets everything happen that is due at `now`, up to the next delivery. False: nothing (more).
bool wend_sim_net_next(struct wend_sim_net *n, wend_instant now, struct wend_sim_delivery *ret);

// --- faults ---

// What goes from one site to another across the core is lost; one way.
void wend_sim_net_cut(struct wend_sim_net *n, uint32_t from_site, uint32_t to_site, bool cut);
// Silently loses what goes out of the host, or comes in; its interfaces look up.
void wend_sim_net_partition(struct wend_sim_net *n, uint32_t host, bool out, bool in);
// A host that is down sends and receives nothing; its streams are gone without a word. (A process
// that dies: wend_sim_net_reset_streams, wend_sim_net_listen off.)
void wend_sim_net_set_host_down(struct wend_sim_net *n, uint32_t host, bool down);
void wend_sim_net_set_interface_down(struct wend_sim_net *n, uint32_t interface, bool down);
// Attaches the interface to a site (the same or another) with these addresses; NULL: none of that
// family. Old addresses are unreachable at once; streams bound to them break.
void wend_sim_net_move(struct wend_sim_net *n, uint32_t interface, uint32_t site,
                       const struct wend_address *ipv4, const struct wend_address *ipv6,
                       wend_instant now);
// The box forgets everything; with another public address unless NULL (a pool moves with it).
void wend_sim_net_reboot(struct wend_sim_net *n, uint32_t site, const struct wend_address *public);
// Changes a link while it runs; NULL (for one that was given) makes it perfect. A link that was
// NULL when it was added stays so: asserted.
void wend_sim_net_set_site_link(struct wend_sim_net *n, uint32_t site, bool up,
                                const struct wend_sim_link *link);
void wend_sim_net_set_interface_link(struct wend_sim_net *n, uint32_t interface, bool up,
                                     const struct wend_sim_link *link);
// Changes the box's behaviour; what is mapped stays. Its kind and the size of its pool do too.
void wend_sim_net_set_box(struct wend_sim_net *n, uint32_t site, const struct wend_sim_box *box);

// --- gateways of kind IGD ---

// A host asks the gateway of its site to map a UDP port; its answer is here at once, what is
// between is the caller's to imitate.
struct wend_sim_port_ask {
    uint32_t site;
    struct wend_address inside; // and port
    uint16_t wished;            // outside; taken: another one is granted
    uint32_t lifetime_s;        // 0: deletes
};

// Returns 0 and the outside address and port; -EHOSTUNREACH no gateway of that kind answers there;
//   -EACCES refused; -ENOSPC no room; -EBADMSG the answer means nothing
int wend_sim_net_map_port(struct wend_sim_net *n, const struct wend_sim_port_ask *ask,
                          wend_instant now, struct wend_address *ret);

// --- what a NAT is, for who has to compare ---

// First and last port that an inside address can get from a box that allocates at random: of its
// block, or of all.
void wend_sim_net_ports(const struct wend_sim_net *n, uint32_t site,
                        const struct wend_address *inside, uint16_t ret[static 2]);

// --- what happened ---

enum wend_sim_drop {
    WEND_SIM_DROP_NONE = 0,
    WEND_SIM_DROP_NO_ROUTE,  // nobody has that address there
    WEND_SIM_DROP_HOST,      // interface or host down
    WEND_SIM_DROP_PARTITION, // of a host
    WEND_SIM_DROP_CUT,       // between sites
    WEND_SIM_DROP_LOST,      // by a link: loss, burst, down
    WEND_SIM_DROP_QUEUE,     // of a link, full
    WEND_SIM_DROP_MTU,       // too long, dont_fragment
    WEND_SIM_DROP_FRAGMENT,  // one of its pieces was lost
    WEND_SIM_DROP_BLOCKED,   // by rule: no UDP, only TCP 443
    WEND_SIM_DROP_UNMAPPED,  // from outside to a port or address without mapping
    WEND_SIM_DROP_FILTERED,  // from outside, mapped, but not from there
    WEND_SIM_DROP_FULL,      // no port or no mapping left
    WEND_SIM_DROP_HAIRPIN,   // the box has none
    WEND_SIM_DROP_TTL,       // its TTL was used up
    WEND_SIM_DROP_CELLS,     // no free cell; it was never sent
    WEND_SIM_DROP_COUNT,
};

// Every datagram sent, and every second copy, is delivered, dropped or in flight. Messages of
// streams count with every retransmission.
struct wend_sim_counts {
    uint64_t sent, delivered, duplicated, in_flight;
    uint64_t sent_bytes, delivered_bytes; // payload
    uint64_t fragmented;                  // datagrams cut into pieces
    uint64_t mappings;                    // made
    uint64_t reordered;                   // by links, where they were told to
    uint64_t dropped[WEND_SIM_DROP_COUNT];
};

void wend_sim_net_counts(const struct wend_sim_net *n, struct wend_sim_counts *ret);
const char *wend_sim_drop_name(enum wend_sim_drop drop);

// Everything that was decided so far: instants, lengths, hosts, ports, drops; never bytes.
uint64_t wend_sim_net_hash(const struct wend_sim_net *n);

enum wend_sim_record_kind {
    WEND_SIM_RECORD_NONE = 0,
    WEND_SIM_RECORD_SENT,
    WEND_SIM_RECORD_DELIVERED,
    WEND_SIM_RECORD_DROPPED,
    WEND_SIM_RECORD_MAPPED, // from: inside, to: outside address of the new mapping
    WEND_SIM_RECORD_FAULT,  // a verb of the faults above was called
};

struct wend_sim_record {
    wend_instant at;
    enum wend_sim_record_kind kind;
    enum wend_sim_drop drop;
    uint32_t host; // that sent or gets it; WEND_SIM_NOBODY where a box speaks
    uint32_t site; // where it happened
    uint32_t len;
    bool is_stream;
    struct wend_address from, to;
};

#define WEND_SIM_NOBODY UINT32_MAX

// Records go to a ring of `count` (a power of two), the oldest overwritten; NULL (preset): nowhere.
void wend_sim_net_set_records(struct wend_sim_net *n, struct wend_sim_record *ring, uint32_t count);
// Drains them, oldest first.
bool wend_sim_net_next_record(struct wend_sim_net *n, struct wend_sim_record *ret);

// Asserts the invariants; walks everything.
void wend_sim_net_check(const struct wend_sim_net *n);

#endif
