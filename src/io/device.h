// SPDX-License-Identifier: MIT
// The daemon of a device: what `wend up` runs. One libuv thread with the node, timers, streams,
// netlink, names and the control socket; the plane's two threads move packets (plane.h).
//
//   device.c         open, run, the turn of the loop, close
//   device_link.c    interface, addresses, routes, candidates
//   device_events.c  what the node says: log, state on disk, names
//   device_sockets.c further UDP sockets that the node asks for
//   device_join.c    from an invite to a membership
#ifndef WEND_IO_DEVICE_H
#define WEND_IO_DEVICE_H

#include "base/address.h"
#include "io/store_device.h"
#include "node/join.h"

#define WEND_DEVICE_MTU 1400 // docs/protocol.md section 8: fits 1,496 bytes outside

struct wend_device_config {
    const char *state;
    const char *interface;
    const char *hosts;         // "/etc/hosts"
    uint16_t port;             // UDP; 0: the one of last time, or any
    bool no_port_mapping;      // never asks a gateway for a port
    const char *const *server; // ADDR[:PORT]… instead of the record's addresses; NULL: none
};

struct wend_device;

// Why a device could not be opened, for one line on standard error.
struct wend_device_error {
    const char *what;
    char value[160];
    const char *fix;
};

// Becomes a member with an invite, over the network. `store` gets record and chain, all or none.
// `join` tells who we are now. Returns 0, -EEXIST (member of a network already), or -1 with `why`.
int wend_device_join(struct wend_store *store, const struct wend_invite *invite, const char *name,
                     struct wend_device_error *why);
// Whether the store holds a membership, and until when. Returns true and the chain's member.
bool wend_device_member(struct wend_store *store, struct wend_network_record *ret_network,
                        struct wend_member *ret);

// Makes interface, sockets, threads. The store (opened exclusively) stays the caller's. Returns 0,
// or -1 with `why` and nothing left behind.
int wend_device_open(const struct wend_device_config *config, struct wend_store *store,
                     struct wend_device **ret, struct wend_device_error *why);
// Runs until SIGINT, SIGTERM or `wend down`; 0. Or until the server refuses us for good: -EPERM.
int wend_device_run(struct wend_device *d);
// Takes out what open and run put in. NULL: nothing.
void wend_device_close(struct wend_device *d);

#endif
