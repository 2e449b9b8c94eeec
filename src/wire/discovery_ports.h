// SPDX-License-Identifier: MIT
// Where a server answers discovery: the value of the attribute DISCOVERY in its answer to a
// Configuration, docs/protocol.md section 4.4.
//
// Wire:  for each family, IPv4 first: u8 family (4 or 6), u8 n (1 to WEND_DISCOVERY_PORTS_MAX),
//        n x u16 port, 4 or 16 bytes of the second address, zero if there is none.
// The ports are those of the server's own address, as its clients know it, and of the second one.
#ifndef WEND_WIRE_DISCOVERY_PORTS_H
#define WEND_WIRE_DISCOVERY_PORTS_H

#include "base/address.h"
#include "base/bytes.h"

#define WEND_DISCOVERY_PORTS_MAX     6
#define WEND_DISCOVERY_PORTS_LEN_MAX (2 * 2 + 2 * 2 * WEND_DISCOVERY_PORTS_MAX + 4 + 16)

// Of one family. Zero: no discovery by it.
struct wend_discovery_ports {
    uint8_t port_count;
    uint16_t ports[WEND_DISCOVERY_PORTS_MAX]; // the one that sessions use first; none twice
    struct wend_address second;               // port 0; family NONE: there is none
};

static inline size_t wend_discovery_ports_family(uint8_t family) // the index below
{
    return family == WEND_FAMILY_IPV6;
}

// Reads a whole value: IPv4, IPv6. Returns false, and `ret` is untouched, for anything but the one
// form: a port that is 0 or there twice, a family twice or out of order, bytes left over.
bool wend_discovery_ports_read(struct wend_bytes in, struct wend_discovery_ports ret[static 2]);
// Nothing is written for a family without ports.
void wend_discovery_ports_write(struct wend_writer *w,
                                const struct wend_discovery_ports d[static 2]);
bool wend_discovery_ports_has(const struct wend_discovery_ports *d, uint16_t port);
// Appends a port that is not there yet. Returns false when there is no room.
bool wend_discovery_ports_add(struct wend_discovery_ports *d, uint16_t port);

#endif
