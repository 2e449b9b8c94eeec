// SPDX-License-Identifier: MIT
// The sockets of port mapping; shared by port_mapping*.c alone. Numbers of file descriptors, -1 or
// -errno where there is none.
#ifndef WEND_IO_PORT_MAPPING_SOCKET_H
#define WEND_IO_PORT_MAPPING_SOCKET_H

#include "base/datagram.h"
#include "io/netlink.h"

// The IPv4 default route with the least metric, not through interface `skip_index`. Returns whether
// there is one: its gateway, and our address towards it (port 0).
bool wend_gateway_find(struct wend_netlink *n, int skip_index, struct wend_address *ret_gateway,
                       struct wend_address *ret_inside);

// For requests: bound to our address, hears ICMP errors.
int wend_gateway_open(const struct wend_address *inside);
// For announcements: "Clients should therefore bind specifically to 224.0.0.1:5350, not to
// 0.0.0.0:5350 … set the SO_REUSEPORT option or equivalent" (RFC 6886 section 3.2.1).
int wend_gateway_open_announcements(void);

bool wend_gateway_send(int fd, const struct wend_datagram *out);
// A datagram that lives for `hops` hops.
void wend_gateway_send_hops(int fd, const struct wend_address *to, int hops);
// Returns false when nothing waits. `local_port` is what `ret` says of its own end.
bool wend_gateway_receive(int fd, uint16_t local_port, uint8_t *buffer, size_t size,
                          struct wend_datagram *ret);

enum wend_gateway_complaint {
    WEND_GATEWAY_SILENT = 0, // nothing that counts
    WEND_GATEWAY_NO_PORT,    // `ret`: the host that has nobody listening
    WEND_GATEWAY_HOPS,       // `ret`: the router that dropped it
};

// Takes one ICMP error from the socket's queue. Returns false when there is none.
bool wend_gateway_next_error(int fd, enum wend_gateway_complaint *ret_kind,
                             struct wend_address *ret);

#endif
