// SPDX-License-Identifier: MIT
// What a simulated network is made of: links, boxes (NAT, firewall), sites, interfaces. Zero is the
// plain case everywhere: no link (no delay, nothing lost), no box.
#ifndef WEND_SIM_NET_CONFIG_H
#define WEND_SIM_NET_CONFIG_H

#include "base/address.h"
#include "link.h"

// One direction of an access. Lengths are those of IP packets: payload + 8 + 20 or 40.
struct wend_sim_link {
    struct wend_link_config link; // keep_order is set by the net, the seed is mixed with the net's
    bool overtake;                // jitter lets packets overtake each other
    bool drop_fragments;          // a black hole for datagrams in pieces
};

enum wend_sim_box_kind {
    WEND_SIM_BOX_NONE = 0, // everything passes
    WEND_SIM_BOX_FIREWALL, // stateful, addresses stay, IPv4 and IPv6
    WEND_SIM_BOX_NAT,      // IPv4 is translated; IPv6 is filtered as by a firewall
};

// Mapping and filtering behaviours, RFC 4787 sections 4.1 and 5.
enum wend_sim_dependence {
    WEND_SIM_ENDPOINT_INDEPENDENT = 0,
    WEND_SIM_ADDRESS_DEPENDENT,
    WEND_SIM_ADDRESS_AND_PORT_DEPENDENT,
};

// How a NAT finds the external port of a new mapping, RFC 4787 section 4.2. No port ever serves two
// inside endpoints at once (REQ-3), unless the box overloads.
enum wend_sim_allocation {
    WEND_SIM_PORT_PRESERVING = 0, // the inside port; taken: see `fallback`
    WEND_SIM_PORT_SEQUENTIAL,     // the last one + port_step, others in between (others_per_second)
    WEND_SIM_PORT_RANDOM,         // anywhere from port_min to port_max
    WEND_SIM_PORT_RANDOM_BLOCK,   // anywhere in the block of its inside address, as RFC 7422
    WEND_SIM_PORT_SECOND_PRIORITY, // the inside port for an endpoint that has no other mapping,
                                   // else see `fallback`
};

// "IP address pooling", RFC 4787 section 4.1: which of several public addresses a mapping gets.
enum wend_sim_pooling {
    WEND_SIM_POOLING_PAIRED = 0, // the same one for all of an inside address (REQ-2)
    WEND_SIM_POOLING_ARBITRARY,  // any one for each mapping
};

// What a NAT's gateway speaks on UDP port 5351 of its inside address. Ports are mapped for who asks
// (net_gateway.c); what comes to a mapped port passes, whoever sent it.
enum wend_sim_gateway {
    WEND_SIM_GATEWAY_NONE = 0, // nothing: nobody answers
    WEND_SIM_GATEWAY_PCP,      // RFC 6887, and nothing else
    WEND_SIM_GATEWAY_NATPMP,   // RFC 6886; PCP is told which version it speaks
    WEND_SIM_GATEWAY_IGD,      // UPnP IGD: asked by wend_sim_net_map_port, silent at port 5351
    WEND_SIM_GATEWAY_KINDS,
};

// What is wrong with its answers.
enum wend_sim_gateway_harm {
    WEND_SIM_GATEWAY_SOUND = 0,
    WEND_SIM_GATEWAY_REFUSES,     // not authorised
    WEND_SIM_GATEWAY_FULL,        // out of resources
    WEND_SIM_GATEWAY_NO_LIFETIME, // grants 0 s
    WEND_SIM_GATEWAY_NOWHERE,     // grants 0.0.0.0 and port 0
    WEND_SIM_GATEWAY_CONFUSED,    // answers something that was not asked: nonce, port, opcode
    WEND_SIM_GATEWAY_GARBLED,     // random bytes, of random length
    WEND_SIM_GATEWAY_ELSEWHERE,   // answers from another address than was asked
    WEND_SIM_GATEWAY_FORGETS,     // grants what was asked, and maps nothing; drops what it mapped
    WEND_SIM_GATEWAY_HARMS,
};

#define WEND_SIM_POOL_MAX      8 // public addresses of a box
#define WEND_SIM_EGRESS_MAX    4 // ports in a list
#define WEND_SIM_PORT_MIN      1024
#define WEND_SIM_PORT_MAX      65535
#define WEND_SIM_BLOCK_PORTS   1024
#define WEND_SIM_UDP_TIMEOUT   WEND_S(120)  // RFC 4787 REQ-5: not less than two minutes
#define WEND_SIM_TCP_TIMEOUT   WEND_S(7440) // RFC 5382 REQ-5: 2 hours 4 minutes
#define WEND_SIM_TUPLE_TIMEOUT WEND_S(30)   // of a tuple taken from outside, as Linux has it

struct wend_sim_box {
    enum wend_sim_box_kind kind;
    enum wend_sim_dependence mapping; // of a NAT
    enum wend_sim_dependence filtering;
    enum wend_sim_allocation allocation;

    uint16_t port_min, port_max; // 0: WEND_SIM_PORT_*
    int32_t port_step;           // sequential, either way; 0: 1
    uint16_t block_ports;        // random in block; 0: WEND_SIM_BLOCK_PORTS
    uint32_t port_limit; // mappings at once, of all hosts; beyond it new ones are refused; 0: none
    uint32_t host_limit; // the same, of one inside address
    uint32_t others_per_second; // ports taken by users that are not simulated (sequential)
    bool others_by_chance;      // at random instants (Poisson), not at an even pace

    // Of the two that preserve, where the port is taken. PRESERVING (0) stands for random.
    enum wend_sim_allocation fallback;
    // The counter's two bytes change places on the wire: nftables' numgen is host-endian. +1 is
    // seen as +256 with end-around carry, modulo 65,536; port_min and port_max bound the counter.
    bool byte_swapped;
    bool parity;         // an even port is mapped to an even one (RFC 4787 section 4.2.2)
    bool overload;       // a port is taken only for who it already talks to ("port overloading")
    uint32_t taken_ppm;  // this share of all ports belongs to users that are not simulated,
    uint16_t taken_port; // and this one. 0: none
    // Where no port, or no mapping, is left, the one that was silent for the longest time is thrown
    // out: of the same inside address, or of all if it is the box that is full. Else the new one is
    // refused.
    bool oldest_gives_way;

    uint8_t pool; // so many public addresses, from `public` of its site upwards; 0: 1
    enum wend_sim_pooling pooling;

    // Nothing goes out but to, and from, these ports. All 0: any. A list ends at 0.
    uint16_t egress_to[WEND_SIM_EGRESS_MAX], egress_from[WEND_SIM_EGRESS_MAX];

    wend_duration udp_timeout;    // since the last packet going out; 0: WEND_SIM_UDP_TIMEOUT
    wend_duration udp_unanswered; // as long as nothing came back; 0: the same
    wend_duration tcp_timeout;    // 0: WEND_SIM_TCP_TIMEOUT
    bool inbound_refresh;         // packets coming in count too (RFC 4787 REQ-6a)

    enum wend_sim_gateway gateway; // of a NAT whose site has an inside address
    enum wend_sim_gateway_harm gateway_harm;
    uint32_t gateway_lifetime_s; // granted at most; 0: what was asked

    bool hairpin; // with external source, REQ-9
    // A packet from outside that no mapping lets in takes the tuple (external port, its source) for
    // WEND_SIM_TUPLE_TIMEOUT, as Linux masquerade does when its INPUT chain drops nothing. Who then
    // sends from inside to that source gets another, random port for it.
    bool early_takes_tuple;
    // What no mapping lets in is answered by ICMP: port unreachable.
    bool icmp_errors;

    bool ipv6_open;   // IPv6 passes unfiltered
    bool block_udp;   // no UDP, either way
    bool only_tcp443; // nothing goes out but TCP to port 443
};

// A site is a network behind a box: a home, an office, a carrier. Site 0 is the internet.
struct wend_sim_site {
    uint32_t parent; // another site; 0: the internet
    struct wend_sim_box box;
    struct wend_address public;            // of a NAT: its IPv4 address in the realm of the parent
    struct wend_address inside;            // of a NAT: its own one in its site; family NONE: none
    const struct wend_sim_link *up, *down; // between box and parent; NULL: no link
};

// An interface of a host. Every address is one of the realm it is attached to: behind a NAT, IPv4
// addresses are private to it and may be used again elsewhere. IPv6 addresses are global.
struct wend_sim_interface {
    uint32_t site;
    struct wend_address ipv4, ipv6;        // family NONE: has none; ports are ignored
    const struct wend_sim_link *up, *down; // between host and site; NULL: no link
};

#endif
