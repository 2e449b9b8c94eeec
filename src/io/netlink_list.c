// SPDX-License-Identifier: MIT
// Reading the kernel's tables.
#include <errno.h>
#include <linux/rtnetlink.h>
#include <string.h>

#include "io/netlink_internal.h"

enum { REQUEST_LEN = 128, TRIES_MAX = 5 };

// ---- Reading messages ----

static uint8_t family_of(uint8_t af)
{
    if (af == AF_INET)
        return WEND_FAMILY_IPV4;
    return af == AF_INET6 ? WEND_FAMILY_IPV6 : WEND_FAMILY_NONE;
}

// The attribute at `at`, or NULL where the message ends.
static const struct nlattr *attribute(const struct nlmsghdr *h, const void *at)
{
    const uint8_t *end = mnl_nlmsg_get_payload_tail(h);
    return mnl_attr_ok(at, (int)(end - (const uint8_t *)at)) ? at : NULL;
}

static const struct nlattr *first_attribute(const struct nlmsghdr *h, size_t header_len)
{
    return attribute(h, mnl_nlmsg_get_payload_offset(h, header_len));
}

static const struct nlattr *next_attribute(const struct nlmsghdr *h, const struct nlattr *a)
{
    return attribute(h, mnl_attr_next(a));
}

static bool read_ip(const struct nlattr *a, uint8_t family, uint8_t ip[static 16])
{
    const uint16_t len = family == WEND_FAMILY_IPV4 ? 4 : 16;
    if (mnl_attr_get_payload_len(a) != len)
        return false;
    memset(ip, 0, 16);
    memcpy(ip, mnl_attr_get_payload(a), len);
    return true;
}

static bool read_u32(const struct nlattr *a, uint32_t *ret)
{
    if (mnl_attr_get_payload_len(a) != sizeof *ret)
        return false;
    *ret = mnl_attr_get_u32(a);
    return true;
}

bool wend_netlink_read_link(const struct nlmsghdr *h, struct wend_link *ret)
{
    if (mnl_nlmsg_get_payload_len(h) < sizeof(struct ifinfomsg))
        return false;
    const struct ifinfomsg *info = mnl_nlmsg_get_payload(h);
    *ret = (struct wend_link){.index = info->ifi_index, .flags = info->ifi_flags};
    const struct nlattr *a = first_attribute(h, sizeof *info);
    for (; a != NULL; a = next_attribute(h, a)) {
        const uint16_t type = mnl_attr_get_type(a);
        if (type == IFLA_MTU && !read_u32(a, &ret->mtu))
            return false;
        if (type == IFLA_IFNAME && mnl_attr_get_payload_len(a) <= sizeof ret->name)
            memcpy(ret->name, mnl_attr_get_payload(a), mnl_attr_get_payload_len(a));
    }
    ret->name[sizeof ret->name - 1] = 0;
    return info->ifi_family == AF_UNSPEC;
}

// IFA_LOCAL is our end where a link has two; IPv6 gives it only then.
bool wend_netlink_read_address(const struct nlmsghdr *h, struct wend_link_address *ret)
{
    if (mnl_nlmsg_get_payload_len(h) < sizeof(struct ifaddrmsg))
        return false;
    const struct ifaddrmsg *info = mnl_nlmsg_get_payload(h);
    *ret = (struct wend_link_address){.flags = info->ifa_flags, .scope = info->ifa_scope};
    ret->prefix.family = family_of(info->ifa_family);
    ret->prefix.bits = info->ifa_prefixlen;
    ret->link.index = (int)info->ifa_index;
    if (ret->prefix.family == WEND_FAMILY_NONE)
        return false;
    bool local = false, any = false;
    const struct nlattr *a = first_attribute(h, sizeof *info);
    for (; a != NULL; a = next_attribute(h, a)) {
        const uint16_t type = mnl_attr_get_type(a);
        if (type == IFA_FLAGS && !read_u32(a, &ret->flags))
            return false;
        if (type == IFA_LOCAL || (type == IFA_ADDRESS && !local)) {
            if (!read_ip(a, ret->prefix.family, ret->prefix.ip))
                return false;
            any = true;
            local = local || type == IFA_LOCAL;
        }
    }
    return any;
}

static bool read_route_attribute(const struct nlattr *a, struct wend_route *ret)
{
    uint32_t index;
    switch (mnl_attr_get_type(a)) {
    case RTA_DST: return read_ip(a, ret->destination.family, ret->destination.ip);
    case RTA_GATEWAY:
        ret->gateway.family = ret->destination.family;
        return read_ip(a, ret->gateway.family, ret->gateway.ip);
    case RTA_OIF:
        if (!read_u32(a, &index))
            return false;
        ret->index = (int)index;
        return true;
    case RTA_PRIORITY: return read_u32(a, &ret->metric);
    case RTA_TABLE: return read_u32(a, &ret->table);
    default: return true;
    }
}

bool wend_netlink_read_route(const struct nlmsghdr *h, struct wend_route *ret)
{
    if (mnl_nlmsg_get_payload_len(h) < sizeof(struct rtmsg))
        return false;
    const struct rtmsg *info = mnl_nlmsg_get_payload(h);
    *ret = (struct wend_route){.table = info->rtm_table};
    ret->destination.family = family_of(info->rtm_family);
    ret->destination.bits = info->rtm_dst_len;
    if (ret->destination.family == WEND_FAMILY_NONE || info->rtm_type != RTN_UNICAST ||
        (info->rtm_flags & RTM_F_CLONED) != 0)
        return false;
    const struct nlattr *a = first_attribute(h, sizeof *info);
    for (; a != NULL; a = next_attribute(h, a)) {
        if (!read_route_attribute(a, ret))
            return false;
    }
    return ret->table != RT_TABLE_LOCAL;
}

// ---- Lists ----

struct list {
    void *to;
    size_t max, count;
    bool more;
};

static int dump(struct wend_netlink *n, uint16_t type, mnl_cb_t each, struct list *list)
{
    int error = -EINTR;
    for (int tries = 0; error == -EINTR && tries < TRIES_MAX; tries++) {
        _Alignas(struct nlmsghdr) uint8_t bytes[REQUEST_LEN];
        struct nlmsghdr *h = mnl_nlmsg_put_header(bytes);
        h->nlmsg_type = type;
        h->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
        mnl_nlmsg_put_extra_header(h, type == RTM_GETADDR ? sizeof(struct ifaddrmsg)
                                                          : sizeof(struct rtmsg));
        list->count = 0;
        list->more = false;
        error = wend_netlink_exchange(n, h, each, list);
    }
    return error;
}

static int list_address(const struct nlmsghdr *h, void *context)
{
    struct list *list = context;
    struct wend_link_address a;
    if (!wend_netlink_read_address(h, &a))
        return MNL_CB_OK;
    if (list->count < list->max)
        ((struct wend_link_address *)list->to)[list->count++] = a;
    else
        list->more = true;
    return MNL_CB_OK;
}

static int list_route(const struct nlmsghdr *h, void *context)
{
    struct list *list = context;
    struct wend_route r;
    if (!wend_netlink_read_route(h, &r))
        return MNL_CB_OK;
    if (list->count < list->max)
        ((struct wend_route *)list->to)[list->count++] = r;
    else
        list->more = true;
    return MNL_CB_OK;
}

// Adds to each address its link, and drops those whose link is down or went meanwhile.
static size_t keep_up(struct wend_netlink *n, struct wend_link_address *a, size_t count)
{
    struct wend_link link = {0};
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        const int index = a[i].link.index;
        if (link.index != index && wend_netlink_link_get(n, index, &link) != 0)
            continue;
        a[kept] = a[i];
        a[kept].link = link;
        kept += (link.flags & IFF_UP) != 0;
    }
    return kept;
}

int wend_netlink_addresses(struct wend_netlink *n, struct wend_link_address *ret, size_t max,
                           size_t *ret_count)
{
    struct list list = {.to = ret, .max = max};
    const int error = dump(n, RTM_GETADDR, list_address, &list);
    if (error != 0)
        return error;
    *ret_count = keep_up(n, ret, list.count);
    return list.more ? -ENOSPC : 0;
}

int wend_netlink_routes(struct wend_netlink *n, struct wend_route *ret, size_t max,
                        size_t *ret_count)
{
    struct list list = {.to = ret, .max = max};
    const int error = dump(n, RTM_GETROUTE, list_route, &list);
    if (error != 0)
        return error;
    *ret_count = list.count;
    return list.more ? -ENOSPC : 0;
}
