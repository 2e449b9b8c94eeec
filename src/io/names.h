// SPDX-License-Identifier: MIT
// Names of members for the programs of this machine.
//
// A DNS server (resolver.h) answers on the interface's own addresses. Where systemd-resolved runs,
// it is told to ask that server for NETWORK.wend (resolvectl, each call limited to 3 s); where it
// does not, or refuses, or nothing could be bound, the names go to /etc/hosts (hosts.h). Closing
// takes back what was set.
//
// Names never keep a device from coming up: what fails is logged. In the loop's thread.
#ifndef WEND_IO_NAMES_H
#define WEND_IO_NAMES_H

#include "io/resolver.h"

struct wend_names;

struct wend_names_config {
    const char *interface;
    const char *network;            // its name
    const char *hosts;              // "/etc/hosts"
    struct wend_address ipv4, ipv6; // of the interface; ports are ignored
};

// Copies what it needs of `config`. Returns 0 or -ENOMEM.
int wend_names_open(uv_loop_t *loop, const struct wend_names_config *config,
                    struct wend_names **ret);
// The names from now on, copied; may be called as often as members change. Returns 0 or -ENOMEM.
int wend_names_update(struct wend_names *n, const struct wend_name *names, size_t count);
// Reverts (waits for resolvectl at most 3 s). The loop must run once more for libuv to let go.
// NULL: nothing.
void wend_names_close(struct wend_names *n);

#endif
