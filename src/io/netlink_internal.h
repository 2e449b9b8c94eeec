// SPDX-License-Identifier: MIT
// What the three files of netlink share: one exchange with the kernel, and reading its three kinds
// of message.
#ifndef WEND_IO_NETLINK_INTERNAL_H
#define WEND_IO_NETLINK_INTERNAL_H

#include <libmnl/libmnl.h>

#include "io/netlink.h"

// Sends the request, whose sequence number is filled in, and gives every message of the answer to
// `each` (NULL: only the acknowledgement counts). Returns 0 or -errno as the kernel said it;
// -EINTR: the tables changed while they were listed, so that the list may be wrong.
int wend_netlink_exchange(struct wend_netlink *n, struct nlmsghdr *request, mnl_cb_t each,
                          void *context);

// Each reads one message of its kind. Returns false if it is malformed, or of a family or type that
// is none of ours; then `ret` is undefined.
bool wend_netlink_read_link(const struct nlmsghdr *h, struct wend_link *ret);
bool wend_netlink_read_address(const struct nlmsghdr *h, struct wend_link_address *ret);
bool wend_netlink_read_route(const struct nlmsghdr *h, struct wend_route *ret);

#endif
