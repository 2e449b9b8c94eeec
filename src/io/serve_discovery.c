// SPDX-License-Identifier: MIT
// The sockets of discovery (RFC 5780 section 6): each of a few ports on each address that we listen
// on and on the second one. What listens on any address serves the second one, too. They serve all
// that the first port does; claims and records name the first alone.
#include <errno.h>
#include <string.h>

#include "io/log.h"
#include "io/serve_state.h"

static const uint8_t families[2] = {WEND_FAMILY_IPV4, WEND_FAMILY_IPV6};

static bool is_any(const struct wend_address *a)
{
    const uint8_t zero[16] = {0};
    return memcmp(a->ip, zero, sizeof zero) == 0;
}

static bool is_open(const struct wend_serve *s, const struct wend_address *wanted)
{
    for (size_t i = 0; i < s->socket_count; i++) {
        const struct wend_address *bound = &s->sockets[i].udp.local;
        if (bound->family == wanted->family && bound->port == wanted->port &&
            (is_any(bound) || wend_address_same_ip(bound, wanted)))
            return true;
    }
    return false;
}

static int open_at(struct wend_serve *s, const struct wend_address *ip, uint16_t port,
                   struct wend_address *ret_failed)
{
    struct wend_address a = *ip;
    a.port = port;
    if (is_open(s, &a))
        return 0;
    *ret_failed = a;
    return wend_serve_open_udp(s, &a);
}

// One port on all addresses of the family.
static int open_port(struct wend_serve *s, uint8_t family, uint16_t port,
                     struct wend_address *ret_failed)
{
    int error = 0;
    for (size_t i = 0; i < s->listening && error == 0; i++)
        if (s->sockets[i].udp.local.family == family)
            error = open_at(s, &s->sockets[i].udp.local, port, ret_failed);
    const struct wend_address *second = &s->config->alternate[wend_discovery_ports_family(family)];
    if (error == 0 && second->family == family)
        error = open_at(s, second, port, ret_failed);
    return error;
}

// The port of our own choice may be another program's: then we do without it. What we opened of it
// before we knew stays open, and is a plain STUN server.
static int open_preset(struct wend_serve *s, uint8_t family, struct wend_discovery_ports *d,
                       struct wend_address *ret_failed)
{
    const uint16_t first = d->ports[0];
    const uint16_t port = first < UINT16_MAX ? (uint16_t)(first + 1) : (uint16_t)(first - 1);
    const int error = open_port(s, family, port, ret_failed);
    if (error == 0) {
        (void)wend_discovery_ports_add(d, port);
        return 0;
    }
    char text[WEND_ADDRESS_TEXT_LEN];
    wend_log(WEND_LOG_INFO, "discovery-port-refused",
             WEND_T("address", wend_address_format(ret_failed, text)),
             WEND_T("error", strerror(-error)));
    return error == -ENOMEM ? error : 0;
}

static int open_family(struct wend_serve *s, uint8_t family, struct wend_address *ret_failed)
{
    struct wend_discovery_ports *d = &s->discovery[wend_discovery_ports_family(family)];
    const struct wend_address *second = &s->config->alternate[wend_discovery_ports_family(family)];
    *d = (struct wend_discovery_ports){.port_count = 0};
    for (size_t i = 0; i < s->listening && d->port_count == 0; i++)
        if (s->sockets[i].udp.local.family == family)
            (void)wend_discovery_ports_add(d, s->sockets[i].udp.local.port);
    if (second->family == family && second->port != 0)
        (void)wend_discovery_ports_add(d, second->port);
    if (d->port_count == 0)
        return 0;
    for (size_t i = 0; i < s->config->port_count; i++)
        (void)wend_discovery_ports_add(d, s->config->ports[i]);
    int error = 0;
    for (size_t i = 0; i < d->port_count && error == 0; i++)
        error = open_port(s, family, d->ports[i], ret_failed);
    if (error == 0 && d->port_count == 1 && !s->config->ports_told)
        error = open_preset(s, family, d, ret_failed);
    d->second = *second;
    d->second.port = 0;
    return error;
}

int wend_serve_open_discovery(struct wend_serve *s, struct wend_address *ret_failed)
{
    int error = 0;
    s->listening = s->socket_count;
    for (size_t i = 0; i < 2 && error == 0; i++)
        error = open_family(s, families[i], ret_failed);
    return error;
}
