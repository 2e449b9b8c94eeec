// SPDX-License-Identifier: MIT
// Further UDP sockets that the node asks for: opened, read until the plane adopts them, closed. All
// hang on one epoll descriptor, so that a thousand of them cost the loop one handle. They are
// quiet: what comes is read here in small batches and goes to the node one by one.
//
// No socket asks for IP_RECVERR: an opener that dies on its way (TTL) leaves no error behind.
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

#include "io/clock.h"
#include "io/device_state.h"
#include "io/log.h"

enum {
    BATCH = 16,            // datagrams a call
    READY_A_TURN = 64,     // sockets before others get their turn
    DESCRIPTORS_KEPT = 64, // of those that we may have, for streams, files and threads
};

void wend_device_raise_limits(void)
{
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) != 0 || files.rlim_cur >= files.rlim_max)
        return;
    files.rlim_cur = files.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &files);
}

static void close_socket(struct wend_device *d, struct wend_device_socket *s)
{
    // Other descriptors of the same socket may live on in the plane's threads, and so would this
    // registration.
    if (!s->adopted)
        (void)epoll_ctl(d->extra.epoll, EPOLL_CTL_DEL, s->udp.fd, NULL);
    else
        wend_plane_release(d->plane, (uint16_t)(s - d->extra.at + 1));
    wend_udp_close(&s->udp);
    s->adopted = false;
}

// ---- What comes in ----

static void give(struct wend_device *d, uint16_t number, const struct wend_udp_packet *packets,
                 int count)
{
    const wend_instant now = wend_clock_now();
    for (int i = 0; i < count; i++) {
        const struct wend_datagram in = {.transport = WEND_TRANSPORT_UDP,
                                         .local = packets[i].local,
                                         .remote = packets[i].from,
                                         .socket = number,
                                         .bytes = {packets[i].data, packets[i].len}};
        (void)wend_node_receive(d->node, &in, now);
        wend_device_drain(d);
    }
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    struct wend_device *d = poll->data;
    struct epoll_event ready[READY_A_TURN];
    (void)status;
    (void)events;
    const int count = epoll_wait(d->extra.epoll, ready, READY_A_TURN, 0);
    for (int i = 0; i < count && !d->stopping; i++) {
        const uint16_t number = (uint16_t)ready[i].data.u32;
        struct wend_device_socket *s = &d->extra.at[number - 1];
        const struct wend_udp_packet *packets;
        if (s->udp.fd < 0 || s->adopted) // since we asked
            continue;
        const int got = wend_udp_receive(&s->udp, d->extra.batch, &packets);
        if (got > 0)
            give(d, number, packets, got);
    }
    wend_device_turn(d);
}

// ---- Opening ----

static bool set_up(struct wend_device *d)
{
    struct wend_device_sockets *x = &d->extra;
    if (x->at != NULL)
        return true;
    x->epoll = epoll_create1(EPOLL_CLOEXEC);
    x->batch = wend_udp_batch_new(BATCH);
    x->at = calloc(WEND_SOCKETS_MAX, sizeof *x->at);
    if (x->epoll < 0 || x->batch == NULL || x->at == NULL ||
        uv_poll_init(&d->loop, &x->poll, x->epoll) != 0) {
        wend_device_close_sockets(d);
        return false;
    }
    for (size_t i = 0; i < WEND_SOCKETS_MAX; i++)
        x->at[i].udp.fd = -1;
    x->poll.data = d;
    return uv_poll_start(&x->poll, UV_READABLE, on_readable) == 0;
}

static int open_one(struct wend_device *d, uint16_t number, const struct wend_address *local)
{
    struct wend_device_socket *s = &d->extra.at[number - 1];
    const struct wend_udp_config config = {.local = {.family = local->family, .port = local->port},
                                           .light = true};
    struct epoll_event e = {.events = EPOLLIN, .data.u32 = number};
    if (s->udp.fd >= 0)
        close_socket(d, s);
    const int error = wend_udp_open(&s->udp, &config);
    if (error != 0)
        return error;
    // The last descriptors are for what we cannot do without.
    struct rlimit files;
    const bool scarce = getrlimit(RLIMIT_NOFILE, &files) == 0 &&
                        (rlim_t)s->udp.fd + DESCRIPTORS_KEPT >= files.rlim_cur;
    if (scarce || epoll_ctl(d->extra.epoll, EPOLL_CTL_ADD, s->udp.fd, &e) != 0) {
        const int why = scarce ? -EMFILE : -errno;
        wend_udp_close(&s->udp);
        return why;
    }
    return 0;
}

void wend_device_open_extra(struct wend_device *d, const struct wend_node_event *e)
{
    int failed = 0;
    const bool ready = set_up(d);
    for (uint32_t i = 0; i < e->count; i++) {
        const uint16_t number = (uint16_t)(e->socket + i);
        const int error = ready ? open_one(d, number, &e->address) : -ENOMEM;
        failed = error != 0 ? error : failed;
        wend_node_socket_opened(d->node, number,
                                error == 0 ? d->extra.at[number - 1].udp.local.port : 0,
                                wend_clock_now());
    }
    if (failed != 0)
        wend_log(WEND_LOG_DEBUG, "socket-refused", WEND_T("error", strerror(-failed)));
}

void wend_device_close_extra(struct wend_device *d, const struct wend_node_event *e)
{
    wend_device_send(d); // what is due goes out first
    for (uint32_t i = 0; i < e->count && d->extra.at != NULL; i++) {
        struct wend_device_socket *s = &d->extra.at[e->socket - 1 + i];
        if (s->udp.fd >= 0)
            close_socket(d, s);
    }
}

void wend_device_adopt_extra(struct wend_device *d, const struct wend_node_event *e)
{
    struct wend_device_socket *s = &d->extra.at[e->socket - 1];
    if (d->extra.at == NULL || s->udp.fd < 0)
        return;
    wend_udp_widen(&s->udp);
    const int error = wend_plane_adopt(d->plane, e->socket, &s->udp);
    if (error == 0) {
        (void)epoll_ctl(d->extra.epoll, EPOLL_CTL_DEL, s->udp.fd, NULL);
        s->adopted = true;
        return;
    }
    wend_log(WEND_LOG_INFO, "socket-not-adopted", WEND_T("error", strerror(-error)));
    close_socket(d, s);
    wend_node_socket_opened(d->node, e->socket, 0, wend_clock_now());
}

int wend_device_extra_fd(const struct wend_device *d, const struct wend_datagram *out)
{
    if (d->extra.at == NULL || out->socket > WEND_SOCKETS_MAX)
        return -1;
    const struct wend_udp *udp = &d->extra.at[out->socket - 1].udp;
    return udp->local.family == out->remote.family ? udp->fd : -1;
}

void wend_device_close_sockets(struct wend_device *d)
{
    struct wend_device_sockets *x = &d->extra;
    for (size_t i = 0; x->at != NULL && i < WEND_SOCKETS_MAX; i++)
        if (x->at[i].udp.fd >= 0)
            wend_udp_close(&x->at[i].udp);
    if (x->epoll >= 0)
        (void)close(x->epoll);
    x->epoll = -1;
    wend_udp_batch_free(x->batch);
    free(x->at);
    x->batch = NULL;
    x->at = NULL;
}
