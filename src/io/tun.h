// SPDX-License-Identifier: MIT
// The virtual interface: a Linux TUN device with segmentation offload.
//
// Place:  between the host's IP stack and the data path. Each read gives one packet of the host, or
// one
//         super-packet of up to 64 KiB with what wire/offload.h needs to split it; each write takes
//         one packet or super-packet, in pieces, as coalescing made it.
// Needs:  CAP_NET_ADMIN in the user namespace that owns the network namespace. The device goes when
// it is
//         closed, and its addresses and routes with it. Bringing it up is io/netlink.h's.
//
// Non-blocking. One thread may read while others write: the kernel takes each packet whole.
#ifndef WEND_IO_TUN_H
#define WEND_IO_TUN_H

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "wire/offload.h"

// Packets of the host that wait to be read: 100 ms at 20,000 a second, 23 ms at 1 Gbit/s.
#define WEND_TUN_QUEUE 2000

struct wend_tun_config {
    const char *name; // such as "wend0"; the kernel numbers "wend%d"
    bool attach;      // also take a device of that name that was made to persist for us
    bool no_offload;  // ordinary packets only
};

struct wend_tun {
    int fd; // -1: closed
    int index;
    char name[IF_NAMESIZE];
    bool tcp_offload; // reads may give TCP super-packets
    bool udp_offload; // and UDP; also the argument of wend_coalesce_init
};

// Makes the device, down and without address, with room for WEND_TUN_QUEUE packets. Offload that
// the kernel lacks is left out and shows in the flags. On failure `t` is closed.
//
// Returns 0;
//   -EINVAL   the name is empty, too long or no interface name
//   -EEXIST   an interface of that name is there already
//   -EBUSY    with `attach`: another program holds the device
//   -EPERM    CAP_NET_ADMIN is missing
//   -ENODEV   the kernel has no TUN driver, or /dev/net/tun is not there
//   or what else open(2) or TUNSETIFF says
int wend_tun_open(struct wend_tun *t, const struct wend_tun_config *config);
void wend_tun_close(struct wend_tun *t); // also of a closed one

// Reads one packet of the host. `cap` of WEND_PACKET_MAX takes every packet.
//
// Returns its length, 1 or more, with `ret_vnet` set;
//   -EAGAIN    nothing waits
//   -EMSGSIZE  a packet longer than `cap` was lost; go on reading
//   -EBADFD    the device was removed; a new one must be made
int wend_tun_read(struct wend_tun *t, uint8_t *to, size_t cap, struct wend_vnet *ret_vnet);

// Hands one packet to the host, `count` pieces in a row (at most WEND_COALESCE_MAX).
//
// Returns 0;
//   -EAGAIN   the queue is full
//   -EINVAL   the kernel does not take the packet for IP, or `vnet` does not fit it
//   -EIO      the interface is down
//   -EBADFD   the device was removed
int wend_tun_write(struct wend_tun *t, const struct wend_vnet *vnet,
                   const struct wend_bytes *pieces, size_t count);

#endif
