// SPDX-License-Identifier: MIT
// A device's further UDP sockets: local ports by number. Fresh ones rise from the first dynamic
// port, as far as nobody has them; a port that was asked for is refused when somebody does.
#include <string.h>

#include "world.h"

#define FIRST_PORT 49152u

static uint16_t number_of(const struct sim_sockets *s, uint16_t port)
{
    for (size_t i = 0; s->count > 0 && i < WEND_SOCKETS_MAX; i++)
        if (s->port[i] == port)
            return (uint16_t)(i + 1);
    return 0;
}

static bool is_free(const struct sim_device *d, uint16_t port)
{
    return port != d->udp_port && number_of(&d->sockets, port) == 0;
}

static uint16_t choose_port(struct sim_device *d)
{
    struct sim_sockets *s = &d->sockets;
    for (uint32_t tries = 0; tries <= WEND_SOCKETS_MAX; tries++) {
        const uint16_t port = (uint16_t)(FIRST_PORT + s->next++ % (65536 - FIRST_PORT));
        if (is_free(d, port))
            return port;
    }
    return 0;
}

void sim_sockets_open(struct sim_world *w, struct sim_device *d, const struct wend_node_event *e)
{
    for (uint32_t i = 0; i < e->count; i++) {
        const uint16_t number = (uint16_t)(e->socket + i);
        uint16_t port = e->address.port != 0 ? e->address.port : choose_port(d);
        if (!is_free(d, port))
            port = 0;
        wend_assert(d->sockets.port[number - 1] == 0);
        d->sockets.port[number - 1] = port;
        d->sockets.count += port != 0;
        wend_node_socket_opened(d->node, number, port, w->now);
    }
    d->dirty = true;
}

void sim_sockets_close(struct sim_device *d, const struct wend_node_event *e)
{
    for (uint32_t i = 0; i < e->count; i++) {
        d->sockets.count -= d->sockets.port[e->socket + i - 1] != 0;
        d->sockets.port[e->socket + i - 1] = 0;
    }
}

void sim_sockets_forget(struct sim_device *d)
{
    if (d->sockets.count > 0)
        memset(d->sockets.port, 0, sizeof d->sockets.port);
    d->sockets.count = 0;
}

uint16_t sim_sockets_port(const struct sim_device *d, const struct wend_datagram *out)
{
    if (out->socket == 0)
        return (uint16_t)d->udp_port;
    return out->socket <= WEND_SOCKETS_MAX ? d->sockets.port[out->socket - 1] : 0;
}

bool sim_sockets_find(const struct sim_device *d, uint16_t port, uint16_t *ret_socket)
{
    *ret_socket = port == d->udp_port ? 0 : number_of(&d->sockets, port);
    return port == d->udp_port || *ret_socket != 0;
}
