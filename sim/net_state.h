// SPDX-License-Identifier: MIT
// The inside of the simulated network, shared by the net*.c files and nobody else.
//
//   net.c         memory, building, faults, what the caller drains
//   net_place.c   who has which address in which realm; the ways up and down the tree of sites
//   net_travel.c  one datagram from step to step: links, pieces, the core
//   net_box.c     NATs and firewalls: mappings and filter entries
//   net_port.c    which external port a new mapping gets
//   net_gateway.c who asks a NAT for one: PCP, NAT-PMP
//   net_stream.c  TCP-like streams
//   net_note.c    the hash, the counters and the records of what was decided
//
// Everything lies in arrays inside the caller's block; indexes in chains are 1 + index, 0 ends
// them. Cells, mappings and filter entries are taken from a free list, else from the untouched end.
#ifndef WEND_SIM_NET_STATE_H
#define WEND_SIM_NET_STATE_H

#include <string.h>

#include "base/assert.h"
#include "base/heap.h"
#include "net.h"

#define CELL_STRIDE (WEND_DATAGRAM_MAX + 64) // an odd number of cache lines: payloads spread

#define CORE_CUT    1u
#define CORE_PRESET (UINT64_MAX >> 1)

enum proto {
    PROTO_UDP = 17,
    PROTO_TCP = 6,
};

enum cell_kind {
    CELL_FREE = 0,
    CELL_DATAGRAM,
    CELL_TOO_BIG,     // on its way back to the sender
    CELL_UNREACHABLE, // the same
    CELL_SYN,
    CELL_SYN_ACK,
    CELL_DATA,
    CELL_FIN,
    CELL_RESET, // routed, not sent again when lost
    CELL_BREAK, // a stream's end learns that it is gone; not routed
};

// What is done with a cell when its time has come.
enum cell_step {
    STEP_ROUTE = 0, // at site `where`
    STEP_ENTER,     // at the outer side of the box of site `where`
    STEP_ARRIVE,    // at interface `where`
    STEP_HAND_OVER, // to the sender's host itself: errors, CELL_BREAK
    STEP_RETRY,     // from the start: a message of a stream that was lost
};

struct cell {
    struct wend_heap_node timer;
    uint32_t next; // free, or held by a stream
    enum cell_kind kind;
    enum cell_step step;
    uint32_t where;
    uint32_t came_from;       // the site through which it came to the internet
    uint32_t host, interface; // of the sender
    bool dont_fragment, crossed, downward;
    uint8_t ttl; // routers that it may still meet, the last of which drops it; 0: any number
    uint8_t tries;
    uint16_t len;
    uint16_t piece_len;                       // of its largest fragment, an IP packet; 0: whole
    uint16_t mtu_bytes;                       // TOO_BIG
    uint32_t stream, stream_serial, sequence; // stream: its index
    uint8_t end;                              // that it goes to
    wend_instant sent_at, tried_at;
    struct wend_address from, to;            // as they stand here
    struct wend_address source, destination; // as they were sent
};

struct net_link {
    struct wend_link link;
    bool drop_fragments;
};

struct site {
    uint32_t parent, depth;
    uint32_t realm;    // of its IPv4 addresses: the site whose NAT they are behind, or 0
    uint32_t top;      // the site on the internet that it is or is behind
    uint32_t up, down; // 1 + link; 0: none
    struct wend_sim_box box;
    struct wend_address public, inside;
    wend_instant born;        // its gateway's epoch begins
    uint32_t mappings;        // made and not freed
    uint32_t overrides;       // of them, made for one peer because its tuple was taken
    uint32_t next_port;       // sequential
    uint64_t others;          // ports that others have taken so far
    wend_duration phase;      // of the others
    wend_instant others_next; // by chance: when the next one comes; 0: not drawn yet
};

struct host {
    bool down, cut_out, cut_in;
    uint32_t listens;
    uint16_t listen[WEND_SIM_LISTENS_MAX];
};

struct interface {
    uint32_t host, site;
    bool down;
    uint32_t up_link, down_link;      // 1 + link; 0: none
    struct wend_address addresses[2]; // IPv4, IPv6; port 0
};

enum place_kind {
    PLACE_INTERFACE = 1,
    PLACE_BOX,
};

// Who has an address: an interface, or the outer side of a site's box.
struct place {
    struct wend_address address; // port 0
    uint32_t realm;
    uint32_t site; // where it hangs
    uint32_t index;
    enum place_kind kind;
    uint32_t next;
};

struct mapping {
    uint16_t next_inside, next_outside; // next_inside: also of the free ones
    uint32_t site;                      // 0: free
    uint32_t serial;
    uint8_t proto;
    bool answered, override;
    bool untouched;       // made by the gateway, and nothing was sent out that would have made it
    wend_instant granted; // by the gateway, until then; 0: not
    uint64_t nonce;       // of who asked
    wend_instant last;    // packet that refreshed it
    struct wend_address inside, outside;
    struct wend_address peer; // as far as the mapping depends on it, else zero
};

struct session {
    uint16_t next;
    uint32_t site;                    // 0: free
    uint32_t mapping, mapping_serial; // mapping 0: the tuple was taken from outside
    uint8_t proto;
    bool answered;
    wend_instant last;
    struct wend_address outside;
    struct wend_address peer; // as far as the filter depends on it
};

enum end_state {
    END_NONE = 0,
    END_OPEN,
    END_FINISHING, // closed by its user; what was sent before is still under way
    END_GONE,
};

struct stream_end {
    enum end_state state;
    bool unbound; // its address is gone, it is about to be told
    uint32_t host, interface, number;
    struct wend_address local, remote;
    uint32_t next_sent, next_expected;
    uint32_t held; // cells that came too early
};

struct stream {
    uint32_t serial; // 0: free
    bool connected;
    struct stream_end ends[2]; // the opener's, the acceptor's
};

struct pool {
    uint32_t free; // 1 + index
    uint32_t used; // high-water mark
    uint32_t max;
};

struct wend_sim_net {
    struct wend_sim_limits limits;
    wend_instant now;
    uint64_t seed, random, hash;
    struct wend_sim_counts counts;

    struct wend_heap flights;
    struct cell *cells;
    uint8_t *payloads;
    struct pool cell_pool;
    uint32_t cells_taken;
    uint32_t lent; // 1 + cell whose bytes the caller may look at

    struct site *sites;
    struct host *hosts;
    struct interface *interfaces;
    struct net_link *links;
    uint32_t site_count, host_count, interface_count, link_count;
    uint64_t *core; // [from * sites + to]: delay * 2 + cut
    wend_duration core_preset;

    struct place *places;
    uint16_t *place_heads;
    uint32_t place_count, place_mask;

    struct mapping *mappings;
    struct session *sessions;
    uint16_t *inside_heads, *outside_heads, *session_heads;
    uint32_t mapping_mask, session_mask, mapping_serial;
    struct pool mapping_pool, session_pool;

    struct stream *streams;
    uint32_t stream_used, stream_serial;

    struct wend_sim_record *records;
    uint32_t record_mask;
    uint64_t record_head, record_tail;
};

// --- small things ---

static inline uint64_t mix(uint64_t h, uint64_t word)
{
    h = (h ^ word) * 0x9e3779b97f4a7c15u;
    return h ^ (h >> 32);
}

static inline uint64_t draw(struct wend_sim_net *n)
{
    n->random += 0x9e3779b97f4a7c15u;
    uint64_t z = n->random;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

// Below `count`, which is not 0.
static inline uint32_t draw_below(struct wend_sim_net *n, uint32_t count)
{
    return (uint32_t)(((draw(n) >> 32) * count) >> 32);
}

// Family, port and an IPv4 address are the first eight bytes; the rest of IPv4 is zero. Loads that
// reach over what was just stored in two parts are slow, so the rest is looked at only for IPv6.
static inline uint64_t address_head(const struct wend_address *a)
{
    uint64_t head;
    memcpy(&head, a, sizeof head);
    return head;
}

static inline bool same_address(const struct wend_address *a, const struct wend_address *b)
{
    return address_head(a) == address_head(b) &&
           (a->family != WEND_FAMILY_IPV6 || memcmp(&a->ip[4], &b->ip[4], 12) == 0);
}

static inline bool same_ip(const struct wend_address *a, const struct wend_address *b)
{
    return a->family == b->family && memcmp(a->ip, b->ip, 4) == 0 &&
           (a->family != WEND_FAMILY_IPV6 || memcmp(&a->ip[4], &b->ip[4], 12) == 0);
}

static inline uint64_t mix_rest(uint64_t h, const struct wend_address *a)
{
    uint32_t rest[3];
    if (a->family != WEND_FAMILY_IPV6)
        return h;
    memcpy(rest, &a->ip[4], sizeof rest);
    return mix(mix(h, (uint64_t)rest[0] << 32 | rest[1]), rest[2]);
}

static inline uint64_t mix_address(uint64_t h, const struct wend_address *a)
{
    return mix_rest(mix(h, address_head(a)), a);
}

static inline uint64_t mix_ip(uint64_t h, const struct wend_address *a)
{
    uint32_t first;
    memcpy(&first, a->ip, sizeof first);
    return mix_rest(mix(h, first), a);
}

static inline struct wend_address without_port(const struct wend_address *a)
{
    struct wend_address bare = *a;
    bare.port = 0;
    return bare;
}

static inline bool is_of_stream(const struct cell *c)
{
    return c->kind >= CELL_SYN;
}

static inline uint32_t cell_index(const struct wend_sim_net *n, const struct cell *c)
{
    return (uint32_t)(c - n->cells);
}

static inline uint8_t *payload(const struct wend_sim_net *n, const struct cell *c)
{
    return n->payloads + (size_t)cell_index(n, c) * CELL_STRIDE;
}

// --- net.c ---

struct cell *wend_sim_cell_take(struct wend_sim_net *n); // NULL: none
void wend_sim_cell_give_back(struct wend_sim_net *n, struct cell *c);
void wend_sim_cell_schedule(struct wend_sim_net *n, struct cell *c, wend_instant at);

bool wend_sim_net_has_room(const struct wend_sim_net *n); // for cells beyond the reserve
// It is `now`, not earlier than before.
void wend_sim_net_turn(struct wend_sim_net *n, wend_instant now);
// Which interface a host sends from to that destination, and with which address, unless `local`
// names one. Returns 0 or as wend_sim_net_send does; `local` gets the address, its port stays.
int wend_sim_net_source(const struct wend_sim_net *n, uint32_t host, const struct wend_address *to,
                        struct wend_address *local, uint32_t *ret_interface);

// --- net_place.c ---

// Nobody else in its realm has the address: asserted.
void wend_sim_place_add_interface(struct wend_sim_net *n, uint32_t index);
void wend_sim_place_add_box(struct wend_sim_net *n, uint32_t index);
// After an address has changed: all places anew.
void wend_sim_places_rebuild(struct wend_sim_net *n);
// Who has `address` (its port does not matter) in `realm`; NULL: nobody.
const struct place *wend_sim_place_find(const struct wend_sim_net *n, uint32_t realm,
                                        const struct wend_address *address);
// The site below `above` on the way to `site`; 0: `site` is not below it.
uint32_t wend_sim_site_below(const struct wend_sim_net *n, uint32_t above, uint32_t site);

// --- net_box.c ---

// Whether it is one of the public addresses of the site's box.
bool wend_sim_box_is_public(const struct site *s, const struct wend_address *a);
struct wend_address wend_sim_box_public(const struct site *s, uint32_t number); // port 0
// A cell leaves the site, or comes to it from outside: what the box does with it. Addresses are
// translated. DROP_NONE: it passes.
enum wend_sim_drop wend_sim_box_out(struct wend_sim_net *n, uint32_t site, struct cell *c);
enum wend_sim_drop wend_sim_box_in(struct wend_sim_net *n, uint32_t site, struct cell *c);
void wend_sim_box_forget(struct wend_sim_net *n, uint32_t site);
void wend_sim_box_check(const struct wend_sim_net *n);

// --- net_port.c ---

// Who wants an outside endpoint.
struct port_wish {
    uint32_t site;
    uint8_t proto;
    struct wend_address inside;
    struct wend_address peer; // to whom it sends
};

// Draws or finds the public address for a new mapping of wish->inside, and a free port there: by
// the box's rule, or (`any`) just any. Returns false when there is none.
bool wend_sim_port_choose(struct wend_sim_net *n, const struct port_wish *wish, bool any,
                          struct wend_address *ret);

// That very port, for the gateway, at the public address that is tried first. False: it cannot be
// had.
bool wend_sim_port_ask(struct wend_sim_net *n, const struct port_wish *wish, uint16_t port,
                       struct wend_address *ret);

// --- net_gateway.c ---

// Whether the cell has come, at a site, to the gateway of its box.
bool wend_sim_gateway_is(const struct wend_sim_net *n, uint32_t site, const struct cell *c);
// Does what the cell asks for. True: the cell is now the answer, on its way back.
bool wend_sim_gateway_take(struct wend_sim_net *n, uint32_t site, struct cell *c);

// --- net_travel.c ---

// Starts a cell at the interface that it leaves from: from, to, source, destination are set.
void wend_sim_travel_start(struct wend_sim_net *n, struct cell *c);
// Moves a cell on until it waits, is gone, or comes to a host. True: it came, see `ret`.
bool wend_sim_travel_on(struct wend_sim_net *n, struct cell *c, struct wend_sim_delivery *ret);

// --- net_stream.c ---

// A cell of a stream has come to its interface, or back to its sender (HAND_OVER, RETRY). True: the
// host is told something. The cell is given back, lent, kept or sent on.
bool wend_sim_stream_arrive(struct wend_sim_net *n, struct cell *c, struct wend_sim_delivery *ret);
bool wend_sim_stream_hand_over(struct wend_sim_net *n, struct cell *c,
                               struct wend_sim_delivery *ret);
void wend_sim_stream_retry(struct wend_sim_net *n, struct cell *c);
// The net has lost a cell of a stream for this reason.
void wend_sim_stream_lost(struct wend_sim_net *n, struct cell *c, enum wend_sim_drop why);
// The interface has no longer this address.
void wend_sim_stream_unbind(struct wend_sim_net *n, uint32_t interface,
                            const struct wend_address *address);
void wend_sim_stream_forget_host(struct wend_sim_net *n, uint32_t host);

// --- net_note.c ---

void wend_sim_note_sent(struct wend_sim_net *n, const struct cell *c);
void wend_sim_note_delivered(struct wend_sim_net *n, const struct cell *c, uint32_t interface);
void wend_sim_note_dropped(struct wend_sim_net *n, const struct cell *c, enum wend_sim_drop why);
// A gateway takes a cell, or sends one.
void wend_sim_note_asked(struct wend_sim_net *n, const struct cell *c, uint32_t site);
void wend_sim_note_answered(struct wend_sim_net *n, const struct cell *c, uint32_t site);
void wend_sim_note_mapped(struct wend_sim_net *n, const struct mapping *m);
enum fault {
    FAULT_CUT = 1,
    FAULT_PARTITION,
    FAULT_HOST,
    FAULT_INTERFACE,
    FAULT_MOVE,
    FAULT_REBOOT,
    FAULT_LINK,
    FAULT_BOX,
    FAULT_CORE,
};
void wend_sim_note_fault(struct wend_sim_net *n, enum fault what, uint64_t value);

#endif
