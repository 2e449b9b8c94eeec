// SPDX-License-Identifier: MIT
// Transport addresses: an IP address and a port, in the form every room shares. Conversions to and
// from the kernel's sockaddr live in src/io.
#ifndef WEND_BASE_ADDRESS_H
#define WEND_BASE_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum wend_family {
    WEND_FAMILY_NONE = 0,
    WEND_FAMILY_IPV4 = 4,
    WEND_FAMILY_IPV6 = 6,
};

// Unused bytes are zero, so addresses compare and hash as bytes. 20 bytes.
struct wend_address {
    uint8_t family; // enum wend_family
    uint8_t zero;
    uint16_t port;  // host order
    uint8_t ip[16]; // network order; IPv4 uses the first four
};

#define WEND_ADDRESS_TEXT_LEN 64 // "[ipv6]:port" and its zero byte fit

bool wend_address_equal(const struct wend_address *a, const struct wend_address *b);
bool wend_address_same_ip(const struct wend_address *a, const struct wend_address *b);
struct wend_address wend_address_ipv4(uint32_t ip, uint16_t port); // ip in host order

// A peer must never send us to one of these (DESIGN: probes): unspecified, loopback, multicast,
// broadcast, and port 0. Link-local IPv6 is refused too, it needs a scope we do not carry; an
// IPv4-mapped IPv6 address is judged by the IPv4 address inside.
bool wend_address_is_usable(const struct wend_address *a);

// Writes "1.2.3.4:5" or "[::1]:5"; always ends with a zero byte; returns `ret`.
char *wend_address_format(const struct wend_address *a, char ret[static WEND_ADDRESS_TEXT_LEN]);
// The same without port and brackets: "1.2.3.4", "::1".
char *wend_address_format_ip(const struct wend_address *a, char ret[static WEND_ADDRESS_TEXT_LEN]);
// Reads what format writes; also without a port, then `default_port`. IPv6 without a port may come
// without brackets. Returns 0, or -EINVAL and `ret` is untouched.
int wend_address_parse(const char *text, uint16_t default_port, struct wend_address *ret);

// A range of addresses, for pools and overlay networks.
struct wend_prefix {
    uint8_t family;
    uint8_t bits;
    uint8_t ip[16];
};

bool wend_prefix_contains(const struct wend_prefix *p, const struct wend_address *a);
// Reads "100.64.0.0/20"; bits beyond the length must be zero. Returns 0 or -EINVAL.
int wend_prefix_parse(const char *text, struct wend_prefix *ret);
char *wend_prefix_format(const struct wend_prefix *p, char ret[static WEND_ADDRESS_TEXT_LEN]);

#endif
