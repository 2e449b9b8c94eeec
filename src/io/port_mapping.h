// SPDX-License-Identifier: MIT
// Port mapping on this host: finds the gateway, asks it by PCP, NAT-PMP (traverse/mapping.h) and
// UPnP (io/igd.h) side by side, and yields one mapped address.
//
// Flow:   start, network change --look--> default route, our address towards it --> both machines
//         whichever maps first is what counts, as long as it holds; UPnP stops where the others
//         succeed, for a gateway that speaks several keeps one table, and a second protocol would
//         overwrite the first one's entry
// Sockets: one for requests, bound to our address towards the gateway, with a port of its own; one
//         for announcements, 224.0.0.1:5350, shared with whoever listens there too.
// Nested: who is behind a gateway whose outside is private is asked with a datagram that lives for
//         one hop more: the router that drops it says so (ICMP time exceeded) from its own address.
// IPv4 alone: an IPv6 firewall that speaks PCP is not asked.
//
// Lives on one loop and is used in its thread only. Never blocks, but for close.
#ifndef WEND_IO_PORT_MAPPING_H
#define WEND_IO_PORT_MAPPING_H

#include <uv.h>

#include "io/netlink.h"
#include "traverse/mapping.h"

#define WEND_PORT_MAPPING_CLOSE WEND_MS(300) // the longest that close takes

struct wend_port_mapping_config {
    uint8_t key[WEND_HASH_KEY_LEN]; // secret, the same after a restart
    uint16_t port;                  // to be mapped
    int skip_index;                 // of the interface that is our own, which has no gateway; 0
    void *context;
    // The mapped address is another one, or there is none any more.
    void (*changed)(void *context, const struct wend_address *mapped);
};

struct wend_port_mapping;

// Returns 0 or -errno. A port for announcements that cannot be had is logged and done without.
int wend_port_mapping_open(uv_loop_t *loop, const struct wend_port_mapping_config *config,
                           struct wend_port_mapping **ret);
// At start and whenever routes or addresses changed.
void wend_port_mapping_look(struct wend_port_mapping *p, struct wend_netlink *n);
// An address on the internet, towards which outer gateways are looked for (nothing arrives there).
void wend_port_mapping_set_beacon(struct wend_port_mapping *p, const struct wend_address *beacon);

// Which protocol holds the mapping: "pcp", "nat-pmp", "igd", or "none". NULL: "none".
const char *wend_port_mapping_source(const struct wend_port_mapping *p);

// How many gateways are in a row, as far as those asked have said: at least so many. One that
// grants an address which the internet does not route has another one behind it. 0: nobody has
// said.
unsigned wend_port_mapping_gateways(const struct wend_port_mapping *p);

// Deletes what is mapped, for WEND_PORT_MAPPING_CLOSE at most, and lets go. The loop must run once
// more. NULL: nothing.
void wend_port_mapping_close(struct wend_port_mapping *p);

#endif
