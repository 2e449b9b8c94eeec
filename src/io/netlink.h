// SPDX-License-Identifier: MIT
// Links, addresses and routes of this network namespace, through rtnetlink.
//
// Two objects: a `wend_netlink` asks and orders, and waits for the kernel's answer (microseconds;
// never the network's); a `wend_monitor` hears what anybody changed. Neither is thread-safe.
#ifndef WEND_IO_NETLINK_H
#define WEND_IO_NETLINK_H

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/address.h"

struct mnl_socket;

struct wend_netlink {
    struct mnl_socket *socket; // NULL: closed
    uint32_t sequence;
};

struct wend_link {
    int index;
    uint32_t flags; // IFF_UP, IFF_RUNNING, IFF_LOOPBACK … of netdevice(7)
    uint32_t mtu;
    char name[IF_NAMESIZE];
};

// An address of an interface. `prefix.ip` is the address itself, with its host bits.
struct wend_link_address {
    struct wend_prefix prefix;
    struct wend_link link;
    uint32_t flags; // IFA_F_TEMPORARY, IFA_F_DEPRECATED, IFA_F_TENTATIVE … of linux/if_addr.h
    uint8_t scope;  // RT_SCOPE_UNIVERSE, _LINK, _HOST
};

struct wend_route {
    struct wend_prefix destination; // 0 bits: the default route
    struct wend_address gateway;    // family NONE: the destination is on the link itself
    int index;                      // of the interface
    uint32_t metric;                // 0: the family's preset
    uint32_t table;                 // 0: main (254)
};

// Returns 0, or -errno of socket(2): no netlink here.
int wend_netlink_open(struct wend_netlink *n);
void wend_netlink_close(struct wend_netlink *n); // also of a closed one

// Every function below returns 0, or -errno as the kernel said it; besides what is named:
//   -EPERM     CAP_NET_ADMIN is missing
//   -ENODEV    there is no such interface
//   -EINVAL    the kernel finds the values wrong (or the address has no family)
//   -ENETDOWN  the interface is down

// Finds an interface by its name.
int wend_netlink_link_find(struct wend_netlink *n, const char *name, struct wend_link *ret);
int wend_netlink_link_get(struct wend_netlink *n, int index, struct wend_link *ret);

// Sets the interface up or down, and its MTU (0: as it is). IPv6 needs an MTU of 1,280.
int wend_netlink_link_set(struct wend_netlink *n, int index, bool up, uint32_t mtu);

// Adds an address, IPv6 without duplicate address detection. -EEXIST: it is there already. The
// kernel begins to deliver to an IPv6 address some milliseconds later: see wend_netlink_is_local.
// Removes it; -EADDRNOTAVAIL: it is not there.
int wend_netlink_address_add(struct wend_netlink *n, int index, const struct wend_prefix *p);
int wend_netlink_address_remove(struct wend_netlink *n, int index, const struct wend_prefix *p);

// Says whether packets to this address are delivered on this machine; false also on any error.
bool wend_netlink_is_local(struct wend_netlink *n, const struct wend_address *a);

// Adds a route; -EEXIST: one to this destination with this metric is there already. Removes it,
// exactly this one; -ESRCH: it is not there.
int wend_netlink_route_add(struct wend_netlink *n, const struct wend_route *r);
int wend_netlink_route_remove(struct wend_netlink *n, const struct wend_route *r);

// Lists the addresses of all interfaces that are up. `ret_count` is how many were written; -ENOSPC:
// there are more than `max`, and the first `max` were written.
int wend_netlink_addresses(struct wend_netlink *n, struct wend_link_address *ret, size_t max,
                           size_t *ret_count);

// Lists the unicast routes of all tables but `local`, both families, without cache entries. As
// above.
int wend_netlink_routes(struct wend_netlink *n, struct wend_route *ret, size_t max,
                        size_t *ret_count);

// ---- Changes ----

enum wend_link_event_kind {
    WEND_LINK_NOTHING = 0,
    WEND_LINK_ADDRESS_ADDED,
    WEND_LINK_ADDRESS_REMOVED,
    WEND_LINK_ROUTE_ADDED,
    WEND_LINK_ROUTE_REMOVED,
    WEND_LINK_CHANGED, // new, up, down, carrier, MTU, name
    WEND_LINK_REMOVED,
    WEND_LINK_LOST, // events were lost: list everything anew
};

struct wend_link_event {
    enum wend_link_event_kind kind;
    int index;                 // of the interface; 0: the route has several
    uint32_t flags;            // of the link, as in wend_link; of others 0
    struct wend_prefix prefix; // the address, or the route's destination
    uint32_t table;            // of the route
};

#define WEND_LINK_EVENTS_MAX 64 // full: all are dropped for one WEND_LINK_LOST

struct wend_monitor {
    struct mnl_socket *socket; // NULL: closed
    size_t count, next;
    struct wend_link_event events[WEND_LINK_EVENTS_MAX];
};

// Listens to links, addresses and routes. Returns 0 or -errno.
int wend_monitor_open(struct wend_monitor *m);
void wend_monitor_close(struct wend_monitor *m);   // also of a closed one
int wend_monitor_fd(const struct wend_monitor *m); // poll it for reading

// Drains what waits and merges it: of several events about one address, route or link only the last
// stays, in its place in order. Our own changes are heard too. Returns false when all are told.
bool wend_monitor_next(struct wend_monitor *m, struct wend_link_event *ret);

#endif
