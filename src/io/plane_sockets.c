// SPDX-License-Identifier: MIT
// Adopted sockets. Each thread has descriptors of its own (dup), which come and go by commands, in
// order with those that name them: so no thread ever sends on a descriptor that another has closed.
#include <errno.h>
#include <fcntl.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "io/plane_state.h"

static struct wend_udp socket_of(const struct wend_command *c)
{
    return (struct wend_udp){
        .fd = (int)c->count, .local = c->path.local, .gso = c->local_index != 0};
}

// ---- The seal thread ----

static size_t find_extra(const struct wend_plane_sealer *t, uint16_t number)
{
    size_t i = 0;
    while (i < t->extra_high && t->extras[i] != number)
        i++;
    return i;
}

static void add_counts(struct wend_udp_counts *to, const struct wend_udp_counts *from)
{
    to->too_big += from->too_big;
    to->gso_refused += from->gso_refused;
    to->failed += from->failed;
}

// What still waits there is lost.
static void silence(struct wend_plane_sealer *t, size_t extra)
{
    struct wend_plane_lane *lane = &t->lanes[2 + extra];
    for (size_t i = 0; i < t->pending_count; i++)
        if (t->pending[i] == 2 + extra)
            t->pending[i--] = t->pending[--t->pending_count];
    t->without_socket += lane->count - lane->at;
    lane->at = lane->count = 0;
    lane->pending = false;
    add_counts(&t->gone, &lane->udp.counts);
    wend_udp_close(&lane->udp);
    lane->udp.counts = (struct wend_udp_counts){0};
    t->extras[extra] = 0;
}

bool wend_plane_seal_socket(struct wend_plane_sealer *t, const struct wend_command *c)
{
    if (c->kind != WEND_COMMAND_SOCKET && c->kind != WEND_COMMAND_SOCKET_GONE)
        return false;
    const size_t at = find_extra(t, c->kind == WEND_COMMAND_SOCKET ? 0 : c->path.socket);
    if (c->kind == WEND_COMMAND_SOCKET_GONE) {
        if (at < t->extra_high)
            silence(t, at);
        return true;
    }
    wend_assert(at < WEND_PLANE_SOCKETS_MAX);
    if (at == t->extra_high)
        t->extra_high++;
    t->extras[at] = c->path.socket;
    t->lanes[2 + at].udp = socket_of(c);
    return true;
}

// ---- The open thread ----

static struct wend_plane_ear *find_ear(struct wend_plane_opener *t, uint16_t number)
{
    for (size_t i = 2; i < WEND_PLANE_LANES; i++)
        if (t->ears[i].socket == number)
            return &t->ears[i];
    return NULL;
}

bool wend_plane_open_socket(struct wend_plane_opener *t, const struct wend_command *c)
{
    if (c->kind != WEND_COMMAND_SOCKET && c->kind != WEND_COMMAND_SOCKET_GONE)
        return false;
    struct wend_plane_ear *ear = find_ear(t, c->kind == WEND_COMMAND_SOCKET ? 0 : c->path.socket);
    if (c->kind == WEND_COMMAND_SOCKET_GONE) {
        if (ear == NULL)
            return true;
        // The socket lives on in other descriptors, and would in the epoll.
        (void)epoll_ctl(t->extra_fd, EPOLL_CTL_DEL, ear->udp.fd, NULL);
        wend_udp_close(&ear->udp);
        ear->socket = 0;
        t->extra_count--;
        return true;
    }
    wend_assert(ear != NULL);
    struct epoll_event e = {.events = EPOLLIN, .data.u32 = (uint32_t)(ear - t->ears)};
    *ear = (struct wend_plane_ear){.udp = socket_of(c), .socket = c->path.socket};
    (void)epoll_ctl(t->extra_fd, EPOLL_CTL_ADD, ear->udp.fd, &e);
    t->extra_count++;
    return true;
}

// ---- The node's thread ----

static uint16_t *find_adopted(struct wend_plane *p, uint16_t number)
{
    for (size_t i = 0; i < WEND_PLANE_SOCKETS_MAX; i++)
        if (p->adopted[i] == number)
            return &p->adopted[i];
    return NULL;
}

int wend_plane_adopt(struct wend_plane *p, uint16_t number, const struct wend_udp *udp)
{
    uint16_t *const place = find_adopted(p, 0);
    int fds[2];
    if (number == 0 || find_adopted(p, number) != NULL)
        return -EEXIST;
    if (place == NULL)
        return -ENOSPC;
    for (int i = 0; i < 2; i++) {
        fds[i] = fcntl(udp->fd, F_DUPFD_CLOEXEC, 0);
        if (fds[i] >= 0)
            continue;
        const int error = -errno;
        if (i > 0)
            (void)close(fds[0]);
        return error;
    }
    *place = number;
    struct wend_command c = {.kind = WEND_COMMAND_SOCKET,
                             .path = {.socket = number, .local = udp->local},
                             .local_index = udp->gso};
    c.count = (uint32_t)fds[0];
    wend_plane_command_open(p, &c);
    c.count = (uint32_t)fds[1];
    wend_plane_command_seal(p, &c);
    return 0;
}

void wend_plane_release(struct wend_plane *p, uint16_t number)
{
    uint16_t *const place = find_adopted(p, number);
    if (number == 0 || place == NULL)
        return;
    *place = 0;
    const struct wend_command c = {.kind = WEND_COMMAND_SOCKET_GONE, .path = {.socket = number}};
    wend_plane_command_seal(p, &c);
    wend_plane_command_open(p, &c);
}

// ---- The end ----

static void close_commanded(struct wend_ring *ring)
{
    size_t len;
    uint8_t *at;
    while ((at = wend_ring_peek(ring, &len)) != NULL) {
        const struct wend_command *c = (const struct wend_command *)(const void *)at;
        if (c->kind == WEND_COMMAND_SOCKET)
            (void)close((int)c->count);
        wend_ring_release(ring);
    }
}

void wend_plane_close_sockets(struct wend_plane *p)
{
    close_commanded(&p->seal_commands);
    close_commanded(&p->open_commands);
    for (size_t i = 0; i < p->sealer.extra_high; i++)
        if (p->sealer.extras[i] != 0)
            wend_udp_close(&p->sealer.lanes[2 + i].udp);
    for (size_t i = 2; i < WEND_PLANE_LANES; i++)
        if (p->opener.ears[i].socket != 0)
            wend_udp_close(&p->opener.ears[i].udp);
}
