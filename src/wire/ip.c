// SPDX-License-Identifier: MIT
#include "wire/ip.h"

#include <string.h>

static struct wend_address to_address(const struct wend_ip *ip, const uint8_t *at)
{
    struct wend_address a = {.family = ip->version}; // the enum's values are the versions
    memcpy(a.ip, at, ip->address_len);
    return a;
}

struct wend_address wend_ip_source(const struct wend_ip *ip)
{
    return to_address(ip, ip->source);
}

struct wend_address wend_ip_destination(const struct wend_ip *ip)
{
    return to_address(ip, ip->destination);
}
