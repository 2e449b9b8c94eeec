// SPDX-License-Identifier: MIT
// What a world is to be like: who is where, what users send, what goes wrong when. Plain data,
// drawn from a seed (scenario_draw.c) or from a table of named ones (scenario_fixed.c).
#ifndef WEND_SIM_SCENARIO_H
#define WEND_SIM_SCENARIO_H

#include <stdio.h>

#include "net.h"
#include "office.h"

#define SIM_FLOWS_MAX  512
#define SIM_FAULTS_MAX 64

// How a device is attached. Site and interface are made from it.
struct sim_place {
    struct wend_sim_box box;   // of its own site
    bool two_layers;           // that site hangs behind another NAT, the carrier's
    struct wend_sim_box outer; // then: that NAT
    int32_t neighbour_of;      // same site as that device, an earlier one; -1: of its own
    int32_t customer_with;     // two_layers: same carrier's NAT as that earlier one; -1: of its own
    bool ipv4, ipv6;
    struct wend_sim_link up, down; // between its site and the internet: beyond its box
    struct wend_sim_link access_up, access_down; // between the device and its box
    struct wend_sim_box later;                   // its site's, after SIM_FAULT_NAT_CHANGES
    wend_duration far; // core delay to every server; to other sites: see scenario
    bool apart;        // IPv6 by a second interface, in a site of its own without a box,
    struct wend_sim_link apart_up, apart_down; // and no server is reached over it
};

struct sim_flow_plan {
    uint16_t from, to;
    bool ipv6, dont_fragment;
    bool answered; // each packet delivered is answered at once by one of the flow `answer`
    uint32_t answer;
    uint16_t len_min, len_max;
    uint16_t burst; // packets at a time
    wend_instant start, stop;
    wend_duration interval;
    wend_instant pause_from, pause_to; // says nothing in between
};

enum sim_fault_kind {
    SIM_FAULT_NONE = 0,
    SIM_FAULT_MOVE,         // device gets other addresses
    SIM_FAULT_MOVE_SITE,    // the public address of its NAT is another, mappings are gone
    SIM_FAULT_DOWN,         // its interface
    SIM_FAULT_UP,           //
    SIM_FAULT_REBOOT,       // its NAT, same address
    SIM_FAULT_CUT,          // between the sites of device and device `other`: both ways
    SIM_FAULT_CUT_ONE_WAY,  // from device to `other`
    SIM_FAULT_MEND,         // both ways
    SIM_FAULT_PARTITION,    // of device: bit 0 of `other` out, bit 1 in
    SIM_FAULT_CLOCK,        // wall clock of device is stepped by `duration`
    SIM_FAULT_SLEEP,        // device is suspended for `duration`
    SIM_FAULT_CRASH,        // device's process dies, and starts again after `duration`
    SIM_FAULT_SERVER_CRASH, // device: which server; started again after `duration`
    SIM_FAULT_SERVER_BLANK, // the same, and its members are forgotten
    SIM_FAULT_SERVER_DEAF,  // the server's host is cut off for `duration`
    SIM_FAULT_LOSS,         // links of device lose `other` ppm from now on
    SIM_FAULT_BLOCK_UDP,    // device's site: `other` 1 from now on, 0 not any more
    SIM_FAULT_NAT_CHANGES,  // device's site gets the box `later`; what is mapped stays
    SIM_FAULT_NAT_FULL,     // device's NAT: `other` 1 maps nothing more, 0 does again
    SIM_FAULT_GATEWAY,      // device's gateway: `other` is what is wrong with it from now on
    SIM_FAULT_SERVER_LIES,  // device: which server; `other`: SIM_LIES(who, what) from now on
    SIM_FAULT_KINDS,
};

// What is wrong with a server's answers to STUN requests.
enum sim_lie {
    SIM_LIE_NONE = 0,
    SIM_LIE_ADDRESS,  // another public address
    SIM_LIE_PORT,     // another port, always the same one for one
    SIM_LIE_DRIFTING, // another one each time
    SIM_LIE_NOWHERE,  // 0.0.0.0 and port 0
    SIM_LIE_SILENT,   // there is none
    SIM_LIE_GARBLED,  // it does not parse
    SIM_LIES_COUNT,
};

// `who`: bit 0: at its first address, bit 1: at its second.
#define SIM_LIES(who, what) ((uint32_t)(what) << 2 | (who))

#define SIM_FAULTS_DRAWN                                                                           \
    SIM_FAULT_NAT_CHANGES // "random" draws those before: its seeds keep their
                          // meaning

struct sim_fault {
    wend_instant at; // since the world's beginning
    enum sim_fault_kind kind;
    uint16_t device;
    uint32_t other;
    wend_duration duration;
};

enum sim_best { SIM_BEST_ANY = 0, SIM_BEST_DIRECT, SIM_BEST_RELAY };

struct sim_scenario {
    const char *name;
    uint64_t seed;
    uint16_t device_count, server_count;
    bool orderly;        // no link lets packets overtake or come twice
    bool faultless;      // nothing is lost and nothing goes wrong
    bool crowded;        // NATs have room for thousands of mappings
    bool discovery;      // servers have a second IPv4 address
    bool port_mapping;   // devices ask their gateways for their ports
    wend_duration core;  // between sites, and to servers
    wend_duration relay; // and more than that to servers
    wend_duration length;
    wend_duration direct_within; // after the first packet some have to go straight; 0: not demanded
    struct sim_place places[SIM_DEVICES_MAX];
    uint32_t flow_count, fault_count;
    struct sim_flow_plan flows[SIM_FLOWS_MAX];
    struct sim_fault faults[SIM_FAULTS_MAX]; // in order of `at`
};

struct sim_scale { // 0: as the scenario has it
    uint16_t devices, servers;
};

// Fills in `ret`. Returns false when there is no scenario of that name. "random" draws everything.
bool sim_scenario_make(struct sim_scenario *ret, const char *name, uint64_t seed,
                       const struct sim_scale *scale);
// Names, one after the other, NULL at the end; the first is "random".
const char *sim_scenario_name(size_t index);
const char *sim_scenario_text(size_t index);

// In words.
void sim_scenario_print(const struct sim_scenario *s, FILE *out);
const char *sim_fault_name(enum sim_fault_kind kind);

// By how much the relay's one-way time is longer than the direct one's, at most.
wend_duration sim_scenario_detour(const struct sim_scenario *s, uint16_t a, uint16_t b);

// The way two devices of a scenario should end up with when nothing is wrong (any more).
enum sim_best sim_scenario_best(const struct sim_scenario *s, uint16_t a, uint16_t b);

#endif
