// SPDX-License-Identifier: MIT
// wend-wire's parts: its settings (wire_args.c), the TAP devices at its ends (wire_tap.c), and the
// frames in flight with the loop that moves them (wire_main.c).
#ifndef WEND_SIM_WIRE_H
#define WEND_SIM_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "link.h"

#define WIRE_VNET_LEN 10u

enum wire_direction {
    WIRE_AB = 0,
    WIRE_BA,
    WIRE_DIRECTION_COUNT,
};

// "ab" and "ba".
const char *wire_direction_name(enum wire_direction d);

struct wire_config {
    struct wend_link_config direction[WIRE_DIRECTION_COUNT];
    bool gso; // at start only
};

// What holds before any setting.
void wire_config_init(struct wire_config *ret);

// Sets one value, in both directions or, with `key` "ab-…" or "ba-…", in one. The seed of ba is one
// more than that of ab unless set alone. Returns 0; -ENOENT for an unknown key; -EINVAL for a value
// that does not parse, and `config` is unchanged.
int wire_config_set(struct wire_config *config, const char *key, const char *value);

// Lists the keys for --help.
void wire_config_help(FILE *out);

// Makes a TAP device from "NETNS:IF", brings it up, and returns its non-blocking descriptor. NETNS
// is a name under /run/netns, a path that contains a slash, or "." for the current one. With `gso`
// its frames have WIRE_VNET_LEN bytes of virtio_net_hdr in front, and the kernel hands over what it
// has joined in one piece, as a veth pair does.
//
// Returns the descriptor, or -errno after one line on standard error. The thread is back in its
// namespace either way.
int wire_tap_open(const char *where, bool gso);

#endif
