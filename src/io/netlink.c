// SPDX-License-Identifier: MIT
// Requests and orders: one message to the kernel, one answer.
#include "io/netlink.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>
#include <string.h>

#include "io/netlink_internal.h"
#include "io/sockaddr.h"

enum { REQUEST_LEN = 512, ANSWER_LEN = 32768 };

struct request {
    _Alignas(struct nlmsghdr) uint8_t bytes[REQUEST_LEN];
};

int wend_netlink_open(struct wend_netlink *n)
{
    *n = (struct wend_netlink){.socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC)};
    if (n->socket == NULL)
        return -errno;
    if (mnl_socket_bind(n->socket, 0, MNL_SOCKET_AUTOPID) != 0) {
        const int error = -errno;
        wend_netlink_close(n);
        return error;
    }
    return 0;
}

void wend_netlink_close(struct wend_netlink *n)
{
    if (n->socket != NULL)
        mnl_socket_close(n->socket);
    n->socket = NULL;
}

// libmnl stops reading a part of a list that the kernel marked as interrupted; the end of the whole
// may stand in it.
static bool holds_end(const uint8_t *answer, size_t len)
{
    int left = (int)len;
    const struct nlmsghdr *h = (const struct nlmsghdr *)(const void *)answer;
    for (; mnl_nlmsg_ok(h, left); h = mnl_nlmsg_next(h, &left))
        if (h->nlmsg_type == NLMSG_DONE || h->nlmsg_type == NLMSG_ERROR)
            return true;
    return false;
}

int wend_netlink_exchange(struct wend_netlink *n, struct nlmsghdr *request, mnl_cb_t each,
                          void *context)
{
    _Alignas(struct nlmsghdr) uint8_t answer[ANSWER_LEN];
    request->nlmsg_seq = ++n->sequence;
    if (mnl_socket_sendto(n->socket, request, request->nlmsg_len) < 0)
        return -errno;
    const unsigned port = mnl_socket_get_portid(n->socket);
    bool interrupted = false;
    for (;;) {
        const ssize_t got = mnl_socket_recvfrom(n->socket, answer, sizeof answer);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -errno;
        int more = mnl_cb_run(answer, (size_t)got, n->sequence, port, each, context);
        if (more < 0 && errno == EINTR) {
            interrupted = true;
            more = holds_end(answer, (size_t)got) ? MNL_CB_STOP : MNL_CB_OK;
        }
        if (more < 0)
            return -errno;
        if (more == MNL_CB_STOP)
            return interrupted ? -EINTR : 0;
    }
}

static void *begin(struct request *r, uint16_t type, uint16_t flags, size_t header_len)
{
    struct nlmsghdr *h = mnl_nlmsg_put_header(r->bytes);
    h->nlmsg_type = type;
    h->nlmsg_flags = (uint16_t)(NLM_F_REQUEST | NLM_F_ACK | flags);
    return mnl_nlmsg_put_extra_header(h, header_len);
}

static struct nlmsghdr *message(struct request *r)
{
    return (struct nlmsghdr *)(void *)r->bytes;
}

// ---- Links ----

static int take_link(const struct nlmsghdr *h, void *context)
{
    struct wend_link link;
    if (wend_netlink_read_link(h, &link))
        *(struct wend_link *)context = link;
    return MNL_CB_OK;
}

static int get_link(struct wend_netlink *n, struct request *r, struct wend_link *ret)
{
    struct wend_link link = {0};
    const int error = wend_netlink_exchange(n, message(r), take_link, &link);
    if (error != 0)
        return error;
    if (link.index == 0)
        return -ENODEV;
    *ret = link;
    return 0;
}

int wend_netlink_link_find(struct wend_netlink *n, const char *name, struct wend_link *ret)
{
    if (strlen(name) == 0 || strlen(name) >= IF_NAMESIZE)
        return -ENODEV;
    struct request r;
    begin(&r, RTM_GETLINK, 0, sizeof(struct ifinfomsg));
    mnl_attr_put_strz(message(&r), IFLA_IFNAME, name);
    return get_link(n, &r, ret);
}

int wend_netlink_link_get(struct wend_netlink *n, int index, struct wend_link *ret)
{
    struct request r;
    struct ifinfomsg *info = begin(&r, RTM_GETLINK, 0, sizeof *info);
    info->ifi_index = index;
    return get_link(n, &r, ret);
}

int wend_netlink_link_set(struct wend_netlink *n, int index, bool up, uint32_t mtu)
{
    struct request r;
    struct ifinfomsg *info = begin(&r, RTM_NEWLINK, 0, sizeof *info);
    info->ifi_index = index;
    info->ifi_change = IFF_UP;
    info->ifi_flags = up ? IFF_UP : 0;
    if (mtu != 0)
        mnl_attr_put_u32(message(&r), IFLA_MTU, mtu);
    return wend_netlink_exchange(n, message(&r), NULL, NULL);
}

// ---- Addresses ----

static size_t ip_len(uint8_t family)
{
    return family == WEND_FAMILY_IPV4 ? 4 : 16;
}

static bool prefix_is_sound(const struct wend_prefix *p)
{
    return (p->family == WEND_FAMILY_IPV4 && p->bits <= 32) ||
           (p->family == WEND_FAMILY_IPV6 && p->bits <= 128);
}

static int order_address(struct wend_netlink *n, struct request *r, int index,
                         const struct wend_prefix *p)
{
    struct ifaddrmsg *info = mnl_nlmsg_get_payload(message(r));
    info->ifa_family = (uint8_t)wend_sockaddr_family(p->family);
    info->ifa_prefixlen = p->bits;
    info->ifa_flags = p->family == WEND_FAMILY_IPV6 ? IFA_F_NODAD : 0;
    info->ifa_index = (uint32_t)index;
    mnl_attr_put(message(r), IFA_LOCAL, ip_len(p->family), p->ip);
    mnl_attr_put(message(r), IFA_ADDRESS, ip_len(p->family), p->ip);
    return wend_netlink_exchange(n, message(r), NULL, NULL);
}

int wend_netlink_address_add(struct wend_netlink *n, int index, const struct wend_prefix *p)
{
    if (!prefix_is_sound(p))
        return -EINVAL;
    struct request r;
    begin(&r, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, sizeof(struct ifaddrmsg));
    return order_address(n, &r, index, p);
}

int wend_netlink_address_remove(struct wend_netlink *n, int index, const struct wend_prefix *p)
{
    if (!prefix_is_sound(p))
        return -EINVAL;
    struct request r;
    begin(&r, RTM_DELADDR, 0, sizeof(struct ifaddrmsg));
    return order_address(n, &r, index, p);
}

static int take_route_type(const struct nlmsghdr *h, void *context)
{
    const struct rtmsg *info = mnl_nlmsg_get_payload(h);
    if (mnl_nlmsg_get_payload_len(h) >= sizeof *info)
        *(uint8_t *)context = info->rtm_type;
    return MNL_CB_OK;
}

bool wend_netlink_is_local(struct wend_netlink *n, const struct wend_address *a)
{
    if (a->family == WEND_FAMILY_NONE)
        return false;
    struct request r;
    uint8_t type = RTN_UNSPEC;
    struct rtmsg *info = begin(&r, RTM_GETROUTE, 0, sizeof *info);
    info->rtm_family = (uint8_t)wend_sockaddr_family(a->family);
    info->rtm_dst_len = (uint8_t)(8 * ip_len(a->family));
    mnl_attr_put(message(&r), RTA_DST, ip_len(a->family), a->ip);
    return wend_netlink_exchange(n, message(&r), take_route_type, &type) == 0 && type == RTN_LOCAL;
}

// ---- Routes ----

static int order_route(struct wend_netlink *n, struct request *r, const struct wend_route *route)
{
    struct nlmsghdr *h = message(r);
    struct rtmsg *info = mnl_nlmsg_get_payload(h);
    const bool via = route->gateway.family != WEND_FAMILY_NONE;
    const bool adds = h->nlmsg_type == RTM_NEWROUTE;
    info->rtm_family = (uint8_t)wend_sockaddr_family(route->destination.family);
    info->rtm_dst_len = route->destination.bits;
    info->rtm_protocol = adds ? RTPROT_STATIC : RTPROT_UNSPEC;
    info->rtm_scope = via ? RT_SCOPE_UNIVERSE : RT_SCOPE_LINK;
    if (!adds)
        info->rtm_scope = RT_SCOPE_NOWHERE; // whichever
    info->rtm_type = RTN_UNICAST;
    mnl_attr_put_u32(h, RTA_TABLE, route->table != 0 ? route->table : RT_TABLE_MAIN);
    mnl_attr_put(h, RTA_DST, ip_len(route->destination.family), route->destination.ip);
    if (via)
        mnl_attr_put(h, RTA_GATEWAY, ip_len(route->gateway.family), route->gateway.ip);
    if (route->index != 0)
        mnl_attr_put_u32(h, RTA_OIF, (uint32_t)route->index);
    if (route->metric != 0)
        mnl_attr_put_u32(h, RTA_PRIORITY, route->metric);
    return wend_netlink_exchange(n, h, NULL, NULL);
}

static bool route_is_sound(const struct wend_route *r)
{
    return prefix_is_sound(&r->destination) &&
           (r->gateway.family == WEND_FAMILY_NONE || r->gateway.family == r->destination.family);
}

int wend_netlink_route_add(struct wend_netlink *n, const struct wend_route *r)
{
    if (!route_is_sound(r))
        return -EINVAL;
    struct request request;
    begin(&request, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, sizeof(struct rtmsg));
    return order_route(n, &request, r);
}

int wend_netlink_route_remove(struct wend_netlink *n, const struct wend_route *r)
{
    if (!route_is_sound(r))
        return -EINVAL;
    struct request request;
    begin(&request, RTM_DELROUTE, 0, sizeof(struct rtmsg));
    return order_route(n, &request, r);
}
