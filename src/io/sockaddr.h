// SPDX-License-Identifier: MIT
// Addresses between our form and the kernel's.
#ifndef WEND_IO_SOCKADDR_H
#define WEND_IO_SOCKADDR_H

#include <sys/socket.h>

#include "base/address.h"

// Fills `ret` and returns its length; 0 (and AF_UNSPEC) for an address of no family.
socklen_t wend_sockaddr_from(const struct wend_address *a, struct sockaddr_storage *ret);

// The address in `s`; an IPv4-mapped IPv6 address becomes the IPv4 address that it is. Family NONE
// if `s` is of another family or shorter than its family needs. A scope is lost.
struct wend_address wend_sockaddr_to(const struct sockaddr_storage *s, socklen_t len);

// AF_INET, AF_INET6 or AF_UNSPEC, from our family.
int wend_sockaddr_family(uint8_t family);

#endif
