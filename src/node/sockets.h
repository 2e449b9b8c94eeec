// SPDX-License-Identifier: MIT
// UDP sockets beside the usual one: fresh mappings in a NAT, for discovery and volleys.
//
//   asked --opened--> open --adopt--> adopted     any --close--> free
//     \--refused--> refused, until it is closed
//
// The owner opens and closes them by events; a datagram names its socket (base/datagram.h). What
// comes to one is the node's, until it is adopted as a path's socket: then the data plane has it,
// and a path names it (struct wend_plane_path). Numbers of closed ones come round again last.
#ifndef WEND_NODE_SOCKETS_H
#define WEND_NODE_SOCKETS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "node/node.h"

enum wend_socket_state {
    WEND_SOCKET_FREE = 0,
    WEND_SOCKET_ASKED,
    WEND_SOCKET_OPEN,
    WEND_SOCKET_REFUSED,
    WEND_SOCKET_ADOPTED,
};

struct wend_socket {
    uint8_t state;  // enum wend_socket_state
    uint8_t family; // enum wend_family
    uint16_t port;  // local; 0: not open
};

// Zeroed: none.
struct wend_sockets {
    struct wend_socket at[WEND_SOCKETS_MAX]; // number - 1
    uint32_t cursor;                         // where the search for free ones goes on
    uint32_t used, adopted;
};

// Asks for `count` sockets; `port` as their local port, 0: any. Returns how many numbers are in
// `ret`: fewer when the table is full.
size_t wend_sockets_open(struct wend_node *n, uint8_t family, uint16_t port, size_t count,
                         uint16_t *ret);
// Of numbers that are free already: nothing. No datagram leaves from them after this.
void wend_sockets_close(struct wend_node *n, const uint16_t *numbers, size_t count);
// Whether the open socket is the data plane's from now on; false: it is not open, or there are
// WEND_PLANE_SOCKETS_MAX.
bool wend_sockets_adopt(struct wend_node *n, uint16_t number);
// Never NULL; free for a number that is none.
const struct wend_socket *wend_sockets_get(const struct wend_node *n, uint16_t number);
void wend_sockets_check(const struct wend_sockets *s); // invariants

#endif
