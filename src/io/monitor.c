// SPDX-License-Identifier: MIT
// Hearing of changes, from whomever they come.
#include <errno.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>

#include "io/netlink_internal.h"

enum { BUFFER_LEN = 32768, READS_MAX = 4096, QUEUE_BYTES = 1 << 20 };

int wend_monitor_open(struct wend_monitor *m)
{
    const unsigned groups = RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR |
                            RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE;
    *m = (struct wend_monitor){.socket =
                                   mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC | SOCK_NONBLOCK)};
    if (m->socket == NULL)
        return -errno;
    const int bytes = QUEUE_BYTES;
    (void)setsockopt(mnl_socket_get_fd(m->socket), SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
    if (mnl_socket_bind(m->socket, groups, MNL_SOCKET_AUTOPID) != 0) {
        const int error = -errno;
        wend_monitor_close(m);
        return error;
    }
    return 0;
}

void wend_monitor_close(struct wend_monitor *m)
{
    if (m->socket != NULL)
        mnl_socket_close(m->socket);
    m->socket = NULL;
    m->count = m->next = 0;
}

int wend_monitor_fd(const struct wend_monitor *m)
{
    return mnl_socket_get_fd(m->socket);
}

// ---- From message to event ----

static struct wend_link_event event_of_link(const struct nlmsghdr *h,
                                            enum wend_link_event_kind kind)
{
    struct wend_link link;
    if (!wend_netlink_read_link(h, &link))
        return (struct wend_link_event){0};
    return (struct wend_link_event){.kind = kind, .index = link.index, .flags = link.flags};
}

static struct wend_link_event event_of_address(const struct nlmsghdr *h,
                                               enum wend_link_event_kind kind)
{
    struct wend_link_address a;
    if (!wend_netlink_read_address(h, &a))
        return (struct wend_link_event){0};
    return (struct wend_link_event){.kind = kind, .index = a.link.index, .prefix = a.prefix};
}

static struct wend_link_event event_of_route(const struct nlmsghdr *h,
                                             enum wend_link_event_kind kind)
{
    struct wend_route r;
    if (!wend_netlink_read_route(h, &r))
        return (struct wend_link_event){0};
    return (struct wend_link_event){
        .kind = kind, .index = r.index, .prefix = r.destination, .table = r.table};
}

static struct wend_link_event event_of(const struct nlmsghdr *h)
{
    switch (h->nlmsg_type) {
    case RTM_NEWLINK: return event_of_link(h, WEND_LINK_CHANGED);
    case RTM_DELLINK: return event_of_link(h, WEND_LINK_REMOVED);
    case RTM_NEWADDR: return event_of_address(h, WEND_LINK_ADDRESS_ADDED);
    case RTM_DELADDR: return event_of_address(h, WEND_LINK_ADDRESS_REMOVED);
    case RTM_NEWROUTE: return event_of_route(h, WEND_LINK_ROUTE_ADDED);
    case RTM_DELROUTE: return event_of_route(h, WEND_LINK_ROUTE_REMOVED);
    default: return (struct wend_link_event){0};
    }
}

// ---- Merging ----

static int thing_of(enum wend_link_event_kind kind)
{
    switch (kind) {
    case WEND_LINK_ADDRESS_ADDED:
    case WEND_LINK_ADDRESS_REMOVED: return 1;
    case WEND_LINK_ROUTE_ADDED:
    case WEND_LINK_ROUTE_REMOVED: return 2;
    case WEND_LINK_CHANGED:
    case WEND_LINK_REMOVED: return 3;
    case WEND_LINK_NOTHING:
    case WEND_LINK_LOST: return 0;
    }
    return 0;
}

static bool same_thing(const struct wend_link_event *a, const struct wend_link_event *b)
{
    return thing_of(a->kind) == thing_of(b->kind) && a->index == b->index && a->table == b->table &&
           a->prefix.family == b->prefix.family && a->prefix.bits == b->prefix.bits &&
           memcmp(a->prefix.ip, b->prefix.ip, sizeof a->prefix.ip) == 0;
}

static void lose(struct wend_monitor *m)
{
    m->events[0] = (struct wend_link_event){.kind = WEND_LINK_LOST};
    m->count = 1;
}

// The newer event takes the older's place away and stands last.
static void note(struct wend_monitor *m, const struct wend_link_event *e)
{
    if (m->count > 0 && m->events[0].kind == WEND_LINK_LOST)
        return; // everything is listed anew after that
    for (size_t i = 0; i < m->count; i++) {
        if (same_thing(&m->events[i], e)) {
            m->count--;
            memmove(&m->events[i], &m->events[i + 1], (m->count - i) * sizeof *e);
            break;
        }
    }
    if (m->count == WEND_LINK_EVENTS_MAX)
        lose(m);
    else
        m->events[m->count++] = *e;
}

static int hear(const struct nlmsghdr *h, void *context)
{
    const struct wend_link_event e = event_of(h);
    if (e.kind != WEND_LINK_NOTHING)
        note(context, &e);
    return MNL_CB_OK;
}

static void drain(struct wend_monitor *m)
{
    _Alignas(struct nlmsghdr) uint8_t buffer[BUFFER_LEN];
    m->count = m->next = 0;
    for (int reads = 0; reads < READS_MAX; reads++) {
        const ssize_t got = mnl_socket_recvfrom(m->socket, buffer, sizeof buffer);
        if (got < 0 && errno == ENOBUFS) {
            lose(m);
            continue;
        }
        if (got <= 0)
            return;
        mnl_cb_run(buffer, (size_t)got, 0, 0, hear, m);
    }
}

bool wend_monitor_next(struct wend_monitor *m, struct wend_link_event *ret)
{
    if (m->next == m->count)
        drain(m);
    if (m->next == m->count)
        return false;
    *ret = m->events[m->next++];
    return true;
}
