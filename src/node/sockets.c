// SPDX-License-Identifier: MIT
#include "node/sockets.h"

#include "node/node_state.h"

static struct wend_socket *find(struct wend_node *n, uint16_t number)
{
    return number >= 1 && number <= WEND_SOCKETS_MAX ? &n->sockets.at[number - 1] : NULL;
}

const struct wend_socket *wend_sockets_get(const struct wend_node *n, uint16_t number)
{
    static const struct wend_socket none;
    return number >= 1 && number <= WEND_SOCKETS_MAX ? &n->sockets.at[number - 1] : &none;
}

static void set_state(struct wend_node *n, struct wend_socket *s, enum wend_socket_state state)
{
    n->sockets.used += state != WEND_SOCKET_FREE;
    n->sockets.used -= s->state != WEND_SOCKET_FREE;
    n->sockets.adopted += state == WEND_SOCKET_ADOPTED;
    n->sockets.adopted -= s->state == WEND_SOCKET_ADOPTED;
    s->state = (uint8_t)state;
    if (state != WEND_SOCKET_OPEN && state != WEND_SOCKET_ADOPTED)
        s->port = 0;
}

// One event for each stretch of numbers in a row.
static void tell(struct wend_node *n, const struct wend_node_event *event, const uint16_t *numbers,
                 size_t count)
{
    struct wend_node_event e = *event;
    for (size_t i = 0; i < count; i += e.count) {
        e.socket = numbers[i];
        for (e.count = 1; i + e.count < count && numbers[i + e.count] == e.socket + e.count;)
            e.count++;
        wend_node_raise(n, &e);
    }
}

size_t wend_sockets_open(struct wend_node *n, uint8_t family, uint16_t port, size_t count,
                         uint16_t *ret)
{
    struct wend_sockets *all = &n->sockets;
    size_t found = 0;
    while (found < count && all->used < WEND_SOCKETS_MAX) {
        struct wend_socket *s = &all->at[all->cursor];
        all->cursor = (all->cursor + 1) % WEND_SOCKETS_MAX;
        if (s->state != WEND_SOCKET_FREE)
            continue;
        s->family = family;
        set_state(n, s, WEND_SOCKET_ASKED);
        ret[found++] = (uint16_t)(s - all->at + 1);
    }
    const struct wend_node_event e = {.kind = WEND_NODE_OPEN_SOCKETS,
                                      .address = {.family = family, .port = port}};
    tell(n, &e, ret, found);
    return found;
}

void wend_sockets_close(struct wend_node *n, const uint16_t *numbers, size_t count)
{
    const struct wend_node_event e = {.kind = WEND_NODE_CLOSE_SOCKETS};
    size_t from = 0;
    for (size_t i = 0; i < count; i++) {
        struct wend_socket *s = find(n, numbers[i]);
        const uint8_t state = s != NULL ? s->state : (uint8_t)WEND_SOCKET_FREE;
        if (state != WEND_SOCKET_FREE)
            set_state(n, s, WEND_SOCKET_FREE);
        if (state != WEND_SOCKET_FREE && state != WEND_SOCKET_REFUSED)
            continue;
        tell(n, &e, numbers + from, i - from); // all up to the one that the owner does not have
        from = i + 1;
    }
    tell(n, &e, numbers + from, count - from);
}

bool wend_sockets_adopt(struct wend_node *n, uint16_t number)
{
    struct wend_socket *s = find(n, number);
    if (s == NULL || s->state != WEND_SOCKET_OPEN || n->sockets.adopted == WEND_PLANE_SOCKETS_MAX)
        return false;
    set_state(n, s, WEND_SOCKET_ADOPTED);
    wend_node_raise(
        n, &(struct wend_node_event){.kind = WEND_NODE_ADOPT_SOCKET, .socket = number, .count = 1});
    return true;
}

void wend_node_socket_opened(struct wend_node *n, uint16_t socket, uint16_t port, wend_instant now)
{
    struct wend_socket *s = find(n, socket);
    wend_node_turn(n, now);
    if (s == NULL || s->state == WEND_SOCKET_FREE) // closed before the owner came to it
        return;
    if (port == 0) {
        set_state(n, s, WEND_SOCKET_REFUSED);
    } else if (s->state == WEND_SOCKET_ASKED || s->state == WEND_SOCKET_OPEN) {
        s->port = port;
        set_state(n, s, WEND_SOCKET_OPEN);
    }
    wend_nat_socket_opened(n, socket, port);
    wend_volleys_socket_opened(n, socket, port);
}

void wend_sockets_check(const struct wend_sockets *s)
{
    uint32_t used = 0, adopted = 0;
    for (size_t i = 0; i < WEND_SOCKETS_MAX; i++) {
        const uint8_t state = s->at[i].state;
        used += state != WEND_SOCKET_FREE;
        adopted += state == WEND_SOCKET_ADOPTED;
        wend_assert((state == WEND_SOCKET_OPEN || state == WEND_SOCKET_ADOPTED) ==
                    (s->at[i].port != 0));
    }
    wend_assert(used == s->used && adopted == s->adopted);
    wend_assert(adopted <= WEND_PLANE_SOCKETS_MAX && s->cursor < WEND_SOCKETS_MAX);
}
