// SPDX-License-Identifier: MIT
// The overlay's interface as it should be: addresses, routes and MTU, kept although other programs
// take them away.
//
// Flow:   fill in what is wanted -> apply -> for each event of the monitor that concerns it: apply
//         again. When apply says -ENODEV, the device itself is gone: make another and begin anew.
#ifndef WEND_IO_INTERFACE_H
#define WEND_IO_INTERFACE_H

#include "io/netlink.h"

#define WEND_INTERFACE_ADDRESSES_MAX 4
#define WEND_INTERFACE_ROUTES_MAX    16

struct wend_interface {
    int index;
    uint32_t mtu;
    size_t address_count, route_count;
    struct wend_prefix addresses[WEND_INTERFACE_ADDRESSES_MAX]; // with host bits
    struct wend_route routes[WEND_INTERFACE_ROUTES_MAX];        // `index` is set by apply
};

// Adds what is missing, brings the interface up and sets its MTU. What is there already is left
// alone, so calling it again does nothing. `ret_restored`: how many things had to be done.
//
// Returns 0; -ENODEV: the interface is gone; or -errno of the first order that the kernel refused,
// with the rest attempted all the same.
int wend_interface_apply(const struct wend_interface *i, struct wend_netlink *n,
                         size_t *ret_restored);

// True if the event may mean that something wanted is missing: one of our addresses or routes
// removed, the interface changed or removed, or events lost.
bool wend_interface_concerns(const struct wend_interface *i, const struct wend_link_event *e);

#endif
