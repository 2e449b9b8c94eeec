// SPDX-License-Identifier: MIT
// What `wend netcheck` does: asks STUN servers what the NATs in front of this host are like.
//
// Flow:   servers --look--> who answers over UDP and TCP, second addresses (netcheck_look.h)
//         --discover--> model and samples (traverse/discovery.h), on seven sockets of its own
//         --ask_gateway--> whether the gateway grants a port, which is given back at once
//         --measure_lifetime--> how long a silent mapping lives (netcheck_lifetime.h)
// Needs neither root nor a daemon. Each step blocks for as long as it says; single-threaded.
#ifndef WEND_IO_NETCHECK_H
#define WEND_IO_NETCHECK_H

#include "crypto/random.h"
#include "io/netcheck_lifetime.h"
#include "io/netcheck_look.h"
#include "io/udp.h"
#include "traverse/discovery.h"

#define WEND_NETCHECK_TCP_PATIENCE     WEND_S(3)
#define WEND_NETCHECK_GATEWAY_PATIENCE WEND_S(3)

struct wend_netcheck_tcp {
    int fd;              // -1: closed
    int error;           // errno of connect(2); 0: none
    wend_duration delay; // until it was accepted; 0: it was not
};

struct wend_netcheck {
    // Results; the addresses of `look` are the servers.
    struct wend_look look;
    struct wend_netcheck_tcp tcp[WEND_LOOK_SERVERS_MAX];
    struct wend_address looked_from; // the socket of the look, as it leaves
    struct wend_discovery discovery;
    struct wend_lifetime lifetime;
    bool lifetime_asked;
    bool gateway_asked;
    const char *port_mapping;   // protocol, or "none"
    struct wend_address mapped; // what the gateway granted; family NONE: nothing
    unsigned gateways;          // in a row, at least so many, by their own word; 0: unknown

    // Its own.
    struct wend_random random;
    wend_instant tcp_started;
    struct wend_udp sockets[WEND_LIFETIME_SOCKETS];
    struct wend_udp_batch *batch;
};

// Returns 0 or -ENOMEM. Close it in any case.
int wend_netcheck_open(struct wend_netcheck *n);
void wend_netcheck_close(struct wend_netcheck *n);

// Asks all servers over UDP and TCP, 3 s at most. Returns 0, or -errno of socket(2).
int wend_netcheck_look(struct wend_netcheck *n, const struct wend_address *servers, size_t count);
// After look; 2.5 s at most. Returns 0, -errno of socket(2), or -ENETUNREACH: no way to the server.
int wend_netcheck_discover(struct wend_netcheck *n);
// After discover: the gateway is asked for the port of discovery's main socket. 3.5 s at most.
void wend_netcheck_ask_gateway(struct wend_netcheck *n);

// After discover; WEND_LIFETIME_TIME at most. `told` hears of each round of holds as it
// begins. Returns 0, -errno of socket(2), or -ENOENT: no server answered.
typedef void wend_netcheck_told(void *context, const struct wend_lifetime *l);
int wend_netcheck_measure_lifetime(struct wend_netcheck *n, wend_duration longest,
                                   wend_netcheck_told *told, void *context);

// Whether any server could be reached by this transport.
bool wend_netcheck_has_udp(const struct wend_netcheck *n);
bool wend_netcheck_has_tcp(const struct wend_netcheck *n);
// Whether discovery had to throw away answers that cannot be true, and knows nothing for that.
bool wend_netcheck_is_lied_to(const struct wend_netcheck *n);

// Internal to netcheck*.c: the address of this host from which datagrams to `to` leave.
struct wend_address wend_netcheck_local(const struct wend_address *to, uint16_t port);

#endif
