// SPDX-License-Identifier: MIT
#include "wire/discovery_ports.h"

#include <string.h>

bool wend_discovery_ports_has(const struct wend_discovery_ports *d, uint16_t port)
{
    for (size_t i = 0; i < d->port_count; i++)
        if (d->ports[i] == port)
            return true;
    return false;
}

bool wend_discovery_ports_add(struct wend_discovery_ports *d, uint16_t port)
{
    if (wend_discovery_ports_has(d, port))
        return true;
    if (d->port_count == WEND_DISCOVERY_PORTS_MAX)
        return false;
    d->ports[d->port_count++] = port;
    return true;
}

static bool is_zero(const struct wend_address *a)
{
    static const uint8_t zero[sizeof a->ip];
    return memcmp(a->ip, zero, sizeof zero) == 0;
}

static bool read_family(struct wend_reader *r, uint8_t family, struct wend_discovery_ports *d)
{
    const uint8_t count = wend_read_u8(r);
    for (uint8_t i = 0; i < count && !r->failed; i++) {
        const uint16_t port = wend_read_u16(r);
        if (port == 0 || wend_discovery_ports_has(d, port) || !wend_discovery_ports_add(d, port))
            return false;
    }
    d->second.family = family;
    wend_read_copy(r, d->second.ip, family == WEND_FAMILY_IPV4 ? 4 : 16);
    if (is_zero(&d->second))
        d->second.family = WEND_FAMILY_NONE;
    return !r->failed && count > 0;
}

bool wend_discovery_ports_read(struct wend_bytes in, struct wend_discovery_ports ret[static 2])
{
    struct wend_reader r = wend_reader_of(in);
    struct wend_discovery_ports d[2] = {{.port_count = 0}};
    uint8_t before = WEND_FAMILY_NONE;
    while (r.left > 0) {
        const uint8_t family = wend_read_u8(&r);
        if ((family != WEND_FAMILY_IPV4 && family != WEND_FAMILY_IPV6) || family <= before ||
            !read_family(&r, family, &d[wend_discovery_ports_family(family)]))
            return false;
        before = family;
    }
    if (before == WEND_FAMILY_NONE)
        return false;
    memcpy(ret, d, sizeof d);
    return true;
}

void wend_discovery_ports_write(struct wend_writer *w,
                                const struct wend_discovery_ports d[static 2])
{
    for (size_t i = 0; i < 2; i++) {
        if (d[i].port_count == 0)
            continue;
        wend_write_u8(w, i == 0 ? WEND_FAMILY_IPV4 : WEND_FAMILY_IPV6);
        wend_write_u8(w, d[i].port_count);
        for (size_t j = 0; j < d[i].port_count; j++)
            wend_write_u16(w, d[i].ports[j]);
        const struct wend_bytes ip = {.at = d[i].second.ip, .len = i == 0 ? 4 : 16};
        wend_write_bytes(w, ip);
    }
}
