// SPDX-License-Identifier: MIT
// A world: devices and servers made of the machines that ship, a simulated network between them,
// users who talk, faults, all in virtual time and from one seed.
//
//   device: node (node/node.h), sealing and opening half (node/seal.h, node/open.h), a disk
//   server: relay (relay/relay.h), a disk
//   network: net.h
//
// A step: time moves to whatever is due next; deliveries first, then timers in order. Who was
// touched is drained until nothing is left to do, in the order in which the daemon does it: events,
// commands to the opening half, datagrams, commands to the sealing half.
//
//   world.c          beginning, steps, end     world_net.c    the network built and drained
//   world_device.c   a device's machines       world_flow.c   users' packets, sent and checked
//   world_drain.c    and what comes of them    world_fault.c  what goes wrong, and healing
//   world_server.c   a server                  watch*.c       what must always hold
//   world_mapping.c  a device asks its gateway for a port
#ifndef WEND_SIM_WORLD_H
#define WEND_SIM_WORLD_H

#include "arena.h"
#include "base/heap.h"
#include "draw.h"
#include "ledger.h"
#include "node/node.h"
#include "node/open.h"
#include "node/seal.h"
#include "packet.h"
#include "reassembly.h"
#include "relay/relay.h"
#include "scenario.h"
#include "stats.h"
#include "tally.h"
#include "trace.h"
#include "traverse/mapping.h"

#define SIM_BEGIN        WEND_S(1000) // instants begin here
#define SIM_FLOW_NUMBERS 16384        // packets of a flow
#define SIM_STREAMS_MAX  8            // of a device at once
#define SIM_PINS_MAX     256
#define SIM_WATCHED      512 // addresses that a device may have sent probes to
#define SIM_PROBES_MAX   20  // a minute to one address without an answer, docs/protocol.md 7.2
#define SIM_NET_RECORDS  4096
#define SIM_MAPPING_PORT 49000 // local, of the socket that asks the gateway
#define SIM_OUT_LEN      ((size_t)80 << 10)

// What went to one IP address that may never have asked for it.
struct sim_watched {
    uint64_t mark; // of the node that sent it
    struct wend_address ip;
    bool answered;
    uint32_t next;
    wend_instant sent[SIM_PROBES_MAX];
};

enum sim_actor_kind {
    SIM_ACTOR_NONE = 0,
    SIM_ACTOR_DEVICE,
    SIM_ACTOR_SERVER,
    SIM_ACTOR_FLOW,
};

// Something with a deadline.
struct sim_actor {
    struct wend_heap_node timer;
    enum sim_actor_kind kind;
    uint32_t index;
};

// Beside the usual one; number n is at n - 1.
struct sim_sockets {
    uint16_t port[WEND_SOCKETS_MAX]; // 0: closed
    uint32_t count, next;
};

// UPnP, asked beside.
struct sim_igd {
    wend_instant at; // the next question's answer; WEND_NEVER: none is due
    uint32_t failures;
    struct wend_address external;    // held; family NONE: nothing
    enum wend_mapping_reason reason; // why not
};

// What asks the gateway for our port.
struct sim_mapping {
    bool on, looked;
    bool from_igd; // `mapped` is
    struct sim_igd igd;
    struct wend_mapping machine;
    wend_instant checked;
    struct wend_address inside, mapped;
    enum wend_mapping_reason reason; // why there is none
};

struct sim_device {
    struct sim_actor actor;
    uint16_t index;
    bool running;
    wend_instant wakes;    // suspended until then; 0: not
    wend_instant restarts; // WEND_NEVER: not due
    wend_instant tells;    // its node learns of changed interfaces; WEND_NEVER: nothing changed
    uint32_t host, interface;
    uint32_t site, top;  // the site it is in, and that one's which hangs on the internet
    uint32_t apart;      // the site of its IPv6 addresses, if that is another
    uint32_t generation; // of its addresses
    uint32_t site_moves; // of its NAT's
    bool interface_down;
    int64_t clock_offset;
    uint32_t boots;
    uint32_t udp_port;
    struct sim_sockets sockets;
    struct sim_mapping mapping;

    struct sim_arena node_arena, seal_arena, open_arena, stats_arena;
    struct wend_node *node;
    struct wend_seal *seal;
    struct wend_open *open;
    struct wend_plane_stats *stats;
    bool dirty; // must be drained

    // On disk.
    uint64_t floor;
    uint32_t pin_count;
    struct wend_pin pins[SIM_PINS_MAX];

    uint32_t streams[SIM_STREAMS_MAX]; // open or being opened; 0: free
    uint32_t broken;                   // one that turned out to be gone; 0: none
    int32_t slots[SIM_DEVICES_MAX];    // of the others; -1: not known
    uint16_t peers[WEND_SLOTS_MAX];    // and back
    uint8_t ways[SIM_DEVICES_MAX];     // user packets to it last took: 0 none, 1 relay, 2 direct

    // Bounds.
    uint64_t mark; // of the node that runs: it knows nothing of one before
    wend_instant second;
    uint32_t in_second, punches, questions;
    wend_instant asking_since;
    struct wend_address seen, seen_before; // where the server sees it; since when not before
    wend_instant seen_since;
    struct sim_watched watched[SIM_WATCHED];
};

struct sim_server {
    struct sim_actor actor;
    uint16_t index;
    bool running;
    bool blank;            // starts without members next time
    wend_instant restarts; // WEND_NEVER: not due
    wend_instant mends;    // its host is cut off until then; WEND_NEVER: not
    uint8_t lies[2];       // enum sim_lie, by address
    uint32_t host, interface;
    uint32_t boots;
    struct sim_arena arena;
    struct wend_relay *relay;
};

struct sim_flow {
    struct sim_actor actor;
    struct sim_flow_plan plan;
    wend_instant next;
    uint32_t sent, delivered, refused;
    uint32_t highest;                 // greatest number delivered + 1
    uint32_t since;                   // numbers from here on belong to the last phase
    bool fresh;                       // one of those has arrived
    bool asked;                       // it speaks in the last phase
    uint32_t len_max;                 // what its path is known to carry
    wend_instant first_sent;          // 0: none yet
    wend_instant first_delivered;     // 0: none yet
    uint64_t seen_direct, seen_relay; // counters when its last packet came
    bool by_direct;                   // that one's way
    wend_duration quickest;           // of the last second
    wend_instant quickest_at;
    uint64_t seen[SIM_FLOW_NUMBERS / 64];
};

#define SIM_ORDER_USUAL 1

struct sim_options {
    FILE *print;               // trace; NULL: none
    struct sim_ledger *ledger; // of every packet; NULL: none
    struct sim_tally *tally;   // of the attempt to go straight; NULL: none
    uint32_t check_every;      // steps between the machines' own checks; 0: at the end only
    bool check_end;
    uint32_t order; // packets of a flow keep theirs: 1 where nothing is lost, 2 where links do; 0:
                    // may not
    wend_duration bound;      // to talk again after healing
    wend_duration best_bound; // and then to find the best way: the longest pause between tries
};

struct sim_world {
    wend_instant now;
    uint64_t marks; // given out to nodes, of this world and those before
    struct sim_options options;
    const struct sim_scenario *scenario;
    const struct sim_office *office;
    struct sim_draw draw;
    struct sim_trace trace;
    struct sim_stats stats;
    struct wend_sim_net *net;
    void *net_memory;
    size_t net_memory_len;
    struct wend_sim_record net_records[SIM_NET_RECORDS]; // while a trace is printed
    struct wend_heap timers;
    struct wend_heap_entry timer_entries[SIM_DEVICES_MAX + SIM_SERVERS_MAX + SIM_FLOWS_MAX + 8];
    uint32_t fault_next;
    uint64_t complaints; // ICMP: port unreachable, to devices
    uint32_t still;      // steps since time moved
    bool healed;
    wend_instant first_sent; // 0: no user packet yet
    uint16_t first_from;     // who sent it
    struct sim_device devices[SIM_DEVICES_MAX];
    struct sim_server servers[SIM_SERVERS_MAX];
    struct sim_flow flows[SIM_FLOWS_MAX];
    struct sim_reassembly reassembly;
    uint32_t flow_count;
    uint8_t out_bytes[SIM_OUT_LEN];
    struct wend_seal_out out; // empty between calls
    char failure[240];        // empty: none
};

// --- world.c ---

// Builds and starts everything. The world may have been used before, or is zeroed.
void sim_world_begin(struct sim_world *w, const struct sim_scenario *s,
                     const struct sim_options *options);
// Until `until`, or until something fails.
void sim_world_run(struct sim_world *w, wend_instant until);
// Both phases. Returns whether all held; if not, `failure` says what.
bool sim_world_play(struct sim_world *w);
void sim_world_end(struct sim_world *w);
void sim_world_close(struct sim_world *w); // gives memory back
// Notes the first failure; the run ends.
__attribute__((format(printf, 2, 3))) void sim_world_fail(struct sim_world *w, const char *format,
                                                          ...);
void sim_world_note(struct sim_world *w, struct sim_record r); // to the trace, with the time
void sim_world_arm(struct sim_world *w, struct sim_actor *a, wend_instant deadline);
static inline bool sim_world_failed(const struct sim_world *w)
{
    return w->failure[0] != 0;
}

// --- world_device.c ---
//
// Hosts of the network are the devices, then the servers, in their order.

void sim_device_begin(struct sim_world *w, uint16_t index);
void sim_device_start(struct sim_world *w, struct sim_device *d);
void sim_device_crash(struct sim_world *w, struct sim_device *d);
void sim_device_expire(struct sim_world *w, struct sim_device *d);
void sim_device_arm(struct sim_world *w, struct sim_device *d);
// From the network.
void sim_device_receive(struct sim_world *w, struct sim_device *d, const struct wend_datagram *in);
void sim_device_stream(struct sim_world *w, struct sim_device *d,
                       const struct wend_sim_delivery *e);
void sim_device_tell_interfaces(struct sim_world *w, struct sim_device *d);
uint64_t sim_device_unix_ns(const struct sim_world *w, const struct sim_device *d);
static inline bool sim_device_awake(const struct sim_device *d)
{
    return d->running && d->wakes == 0;
}

// --- world_drain.c ---

void sim_device_drain(struct sim_world *w, struct sim_device *d); // awake ones only
// One datagram to the opening half; returns false when it is the node's.
bool sim_device_open(struct sim_world *w, struct sim_device *d, const struct wend_datagram *in);
// world_sockets.c
void sim_sockets_open(struct sim_world *w, struct sim_device *d, const struct wend_node_event *e);
void sim_sockets_close(struct sim_device *d, const struct wend_node_event *e);
void sim_sockets_forget(struct sim_device *d); // the process is gone
// The local port that it leaves from; 0: there is no such socket.
uint16_t sim_sockets_port(const struct sim_device *d, const struct wend_datagram *out);
// Whose port it is; false: nobody's.
bool sim_sockets_find(const struct sim_device *d, uint16_t port, uint16_t *ret_socket);

// world_mapping.c
void sim_mapping_begin(struct sim_world *w, struct sim_device *d); // its process starts
void sim_mapping_look(struct sim_world *w, struct sim_device *d);  // addresses changed
// Returns false when it is not for this machine.
bool sim_mapping_receive(struct sim_world *w, struct sim_device *d, const struct wend_datagram *in);
void sim_mapping_drain(struct sim_world *w, struct sim_device *d);
void sim_mapping_expire(struct sim_world *w, struct sim_device *d);
wend_instant sim_mapping_deadline(const struct sim_device *d);

void sim_device_take_packets(struct sim_world *w, struct sim_device *d);
// What is in the out buffer to the network.
void sim_device_send_runs(struct sim_world *w, struct sim_device *d, struct wend_seal_out *out);

// --- world_server.c ---

void sim_server_begin(struct sim_world *w, uint16_t index);
void sim_server_start(struct sim_world *w, struct sim_server *s);
void sim_server_crash(struct sim_world *w, struct sim_server *s);
void sim_server_expire(struct sim_world *w, struct sim_server *s);
void sim_server_arm(struct sim_world *w, struct sim_server *s);
void sim_server_receive(struct sim_world *w, struct sim_server *s, const struct wend_datagram *in);
void sim_server_stream_closed(struct sim_world *w, struct sim_server *s, uint32_t stream);

// --- world_net.c ---

void sim_world_build_net(struct sim_world *w);
// Hands out what is due now. Returns whether there was anything.
bool sim_world_deliver(struct sim_world *w);
void sim_world_take_records(struct sim_world *w);
struct wend_address sim_device_address(const struct sim_world *w, const struct sim_device *d,
                                       enum wend_family family);
struct wend_address sim_place_gateway(bool carrier);           // towards its customers
struct wend_address sim_server_second_address(uint16_t index); // where scenario->discovery
// The (first) public address of a device's NAT after so many changes of it, or its own.
struct wend_address sim_place_public(const struct sim_place *p, uint16_t device,
                                     uint32_t generation);

// --- world_flow.c ---

void sim_flow_begin(struct sim_world *w, uint32_t index, const struct sim_flow_plan *plan);
void sim_flow_expire(struct sim_world *w, struct sim_flow *f);
// The device has been started anew: what it got before is another's.
void sim_flow_forget(struct sim_world *w, const struct sim_device *d);
void sim_flow_send(struct sim_world *w, struct sim_flow *f);
void sim_flow_arm(struct sim_world *w, struct sim_flow *f);
// The half of `d` that seals refused what had waited there: its sender learns of it.
void sim_flow_refused(struct sim_world *w, const struct sim_device *d);
// An IP packet that device `d` gives to its host.
void sim_world_delivered(struct sim_world *w, struct sim_device *d, struct wend_bytes packet);

// --- world_fault.c ---

wend_instant sim_fault_deadline(const struct sim_world *w);
void sim_fault_expire(struct sim_world *w);
void sim_world_heal(struct sim_world *w);

// --- watch.c ---

// `user`: a sealed packet of a user's.
void sim_watch_sent(struct sim_world *w, struct sim_device *d, const struct wend_datagram *out,
                    bool user);
void sim_watch_heard(struct sim_device *d, const struct wend_address *from);
void sim_watch_machines(struct sim_world *w);

// --- watch_volleys.c ---

// Part of sim_watch_machines.
void sim_watch_volleys(struct sim_world *w, const struct sim_device *d);
// Part of sim_watch_sent.
void sim_watch_question(struct sim_world *w, struct sim_device *d, const struct wend_datagram *out);
// In the end, of two that talk by the relay.
void sim_watch_reasons(struct sim_world *w, uint16_t a, uint16_t b);

#endif
