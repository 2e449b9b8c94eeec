// SPDX-License-Identifier: MIT
// A NAT model as bytes: what peers tell each other, sealed, about the NATs before them.
//
// Wire (big-endian; the value of one attribute):
//   u32 serial, not 0
//   u8  mapping << 4 | filtering        0 to 4 each, as in traverse/nat_model.h
//   u8  allocation << 4 | fallback      0 to 5 each; fallback is no preserving kind
//   u8  udp << 6 | hairpin << 4 | parity << 2 | paired      0 unknown, 1 no, 2 yes
//   u8  translates << 6 | byte-swapped << 5 | kind of public << 2 | kind of mapped
//           kind: 0 none, 1 IPv4, 2 IPv6, 3 (mapped only) the IP address of public; bit 4 zero
//   i16 delta                           not 0 if, and only if, one of the kinds is sequential
//   u16 newest port, u32 its age in ms  both 0: none
//   u8  estimates that follow: 1 rate, 2 low, 4 high, 8 lifetime, 16 hole; others zero
//   public: IP address, u16 port        mapped: IP address unless of kind 3, u16 port
//   rate: 3 u32; the others: 3 u16 each, least <= likely <= most
// 17 to 89 bytes; 35 for an IPv4 device behind a NAT that draws from a block. A later version puts
// more behind it: what follows is skipped.
#ifndef WEND_WIRE_NAT_MODEL_H
#define WEND_WIRE_NAT_MODEL_H

#include "base/address.h"
#include "base/bytes.h"

#define WEND_NAT_MODEL_LEN_MIN 17
#define WEND_NAT_MODEL_LEN_MAX 89

enum wend_nat_told_estimate {
    WEND_NAT_TOLD_RATE = 0, // hundredths a second
    WEND_NAT_TOLD_LOW,      // ports
    WEND_NAT_TOLD_HIGH,
    WEND_NAT_TOLD_LIFETIME, // seconds
    WEND_NAT_TOLD_HOLE,
    WEND_NAT_TOLD_ESTIMATES,
};

struct wend_nat_told_range {
    uint32_t least, likely, most; // all 0: not known; above 65,535 only of the rate
};

// A model in the wire's terms; traverse/nat_exchange.h turns it into one of ours.
struct wend_nat_told {
    uint32_t serial;
    uint8_t mapping, filtering, allocation, fallback;
    uint8_t udp, hairpin, parity, paired, translates;
    bool byte_swapped;
    int16_t delta;
    uint16_t newest_port;
    uint32_t newest_age_ms;
    struct wend_address public, mapped; // family NONE: not known
    struct wend_nat_told_range estimates[WEND_NAT_TOLD_ESTIMATES];
};

// Writes a sound model. Returns its length.
size_t wend_nat_told_write(uint8_t ret[static WEND_NAT_MODEL_LEN_MAX],
                           const struct wend_nat_told *m);
// Returns 0, or -EBADMSG and `ret` is untouched: too short, a value out of its range, bits that
// must be zero, an address that no peer can have.
int wend_nat_told_read(struct wend_bytes in, struct wend_nat_told *ret);

#endif
