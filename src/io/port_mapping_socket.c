// SPDX-License-Identifier: MIT
#include "io/port_mapping_socket.h"

#include <errno.h>
#include <linux/errqueue.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "io/sockaddr.h"
#include "wire/pcp.h"

#define ROUTES_MAX 1024
#define MAIN_TABLE 254

static bool is_better(const struct wend_route *a, const struct wend_route *b)
{
    return b->gateway.family == WEND_FAMILY_NONE || a->metric < b->metric;
}

// Which of our addresses the kernel sends from: a connected UDP socket knows.
static bool find_inside(const struct wend_address *gateway, struct wend_address *ret)
{
    struct wend_address to = *gateway;
    struct sockaddr_storage address;
    socklen_t len = sizeof address;
    bool found = false;

    to.port = WEND_PCP_SERVER_PORT;
    const socklen_t to_len = wend_sockaddr_from(&to, &address);
    const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (const struct sockaddr *)&address, to_len) == 0 &&
        getsockname(fd, (struct sockaddr *)&address, &len) == 0) {
        *ret = wend_sockaddr_to(&address, len);
        ret->port = 0;
        found = ret->family == WEND_FAMILY_IPV4;
    }
    if (fd >= 0)
        close(fd);
    return found;
}

bool wend_gateway_find(struct wend_netlink *n, int skip_index, struct wend_address *ret_gateway,
                       struct wend_address *ret_inside)
{
    static struct wend_route routes[ROUTES_MAX];
    struct wend_route best = {0};
    size_t count = 0;
    const int error = wend_netlink_routes(n, routes, ROUTES_MAX, &count);

    if (error != 0 && error != -ENOSPC)
        return false;
    for (size_t i = 0; i < count; i++) {
        const struct wend_route *r = &routes[i];
        if (r->destination.bits == 0 && r->gateway.family == WEND_FAMILY_IPV4 &&
            r->table == MAIN_TABLE && r->index != skip_index && is_better(r, &best))
            best = *r;
    }
    if (best.gateway.family == WEND_FAMILY_NONE || !find_inside(&best.gateway, ret_inside))
        return false;
    *ret_gateway = best.gateway;
    return true;
}

// --- sockets ---

static int bind_to(int fd, const struct wend_address *at)
{
    struct sockaddr_storage address;
    const socklen_t len = wend_sockaddr_from(at, &address);

    if (bind(fd, (const struct sockaddr *)&address, len) == 0)
        return fd;
    const int error = -errno;
    close(fd);
    return error;
}

static int open_udp(void)
{
    const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0)
        return -errno;
    return fd;
}

int wend_gateway_open(const struct wend_address *inside)
{
    const int yes = 1;
    const int fd = open_udp();

    if (fd < 0)
        return fd;
    (void)setsockopt(fd, IPPROTO_IP, IP_RECVERR, &yes, sizeof yes);
    return bind_to(fd, inside);
}

int wend_gateway_open_announcements(void)
{
    const struct wend_address all = wend_address_ipv4(INADDR_ALLHOSTS_GROUP, WEND_PCP_CLIENT_PORT);
    const int yes = 1;
    const int fd = open_udp();

    if (fd < 0)
        return fd;
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &yes, sizeof yes);
    return bind_to(fd, &all);
}

bool wend_gateway_send(int fd, const struct wend_datagram *out)
{
    struct sockaddr_storage to;
    const socklen_t len = wend_sockaddr_from(&out->remote, &to);

    return sendto(fd, out->bytes.at, out->bytes.len, 0, (const struct sockaddr *)&to, len) >= 0;
}

void wend_gateway_send_hops(int fd, const struct wend_address *to, int hops)
{
    static const uint8_t nothing[1];
    const int preset = 64;
    const struct wend_datagram out = {.remote = *to, .bytes = {nothing, sizeof nothing}};

    (void)setsockopt(fd, IPPROTO_IP, IP_TTL, &hops, sizeof hops);
    (void)wend_gateway_send(fd, &out);
    (void)setsockopt(fd, IPPROTO_IP, IP_TTL, &preset, sizeof preset);
}

bool wend_gateway_receive(int fd, uint16_t local_port, uint8_t *buffer, size_t size,
                          struct wend_datagram *ret)
{
    struct sockaddr_storage from;
    socklen_t len = sizeof from;
    ssize_t got;

    do {
        got = recvfrom(fd, buffer, size, 0, (struct sockaddr *)&from, &len);
    } while (got < 0 && errno == EINTR);
    // An ICMP error waiting is reported here once, too; its details are in the other queue.
    if (got < 0)
        return false;
    *ret = (struct wend_datagram){.transport = WEND_TRANSPORT_UDP,
                                  .remote = wend_sockaddr_to(&from, len),
                                  .local = {.family = WEND_FAMILY_IPV4, .port = local_port},
                                  .bytes = {buffer, (size_t)got}};
    return true;
}

// --- errors ---

static struct wend_address to_address(const struct sockaddr_in *s)
{
    struct sockaddr_storage storage = {0};

    memcpy(&storage, s, sizeof *s);
    return wend_sockaddr_to(&storage, sizeof *s);
}

static enum wend_gateway_complaint judge(struct sock_extended_err *e,
                                         const struct sockaddr_in *target, struct wend_address *ret)
{
    if (e->ee_origin != SO_EE_ORIGIN_ICMP)
        return WEND_GATEWAY_SILENT;
    if (e->ee_type == ICMP_DEST_UNREACH && e->ee_code == ICMP_PORT_UNREACH) {
        *ret = to_address(target);
        return WEND_GATEWAY_NO_PORT;
    }
    if (e->ee_type != ICMP_TIME_EXCEEDED)
        return WEND_GATEWAY_SILENT;
    struct sockaddr_in offender;
    memcpy(&offender, SO_EE_OFFENDER(e), sizeof offender);
    *ret = to_address(&offender);
    return ret->family != WEND_FAMILY_NONE ? WEND_GATEWAY_HOPS : WEND_GATEWAY_SILENT;
}

bool wend_gateway_next_error(int fd, enum wend_gateway_complaint *ret_kind,
                             struct wend_address *ret)
{
    struct sockaddr_in target = {0};
    _Alignas(struct cmsghdr) uint8_t control[512];
    uint8_t bytes[64];
    struct iovec io = {.iov_base = bytes, .iov_len = sizeof bytes};
    struct msghdr m = {.msg_name = &target,
                       .msg_namelen = sizeof target,
                       .msg_iov = &io,
                       .msg_iovlen = 1,
                       .msg_control = control,
                       .msg_controllen = sizeof control};

    if (recvmsg(fd, &m, MSG_ERRQUEUE | MSG_DONTWAIT) < 0)
        return false;
    *ret_kind = WEND_GATEWAY_SILENT;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c != NULL; c = CMSG_NXTHDR(&m, c)) {
        struct {
            struct sock_extended_err error;
            struct sockaddr_in offender;
        } e = {0};
        if (c->cmsg_level != IPPROTO_IP || c->cmsg_type != IP_RECVERR)
            continue;
        const size_t len = c->cmsg_len - CMSG_LEN(0);
        memcpy(&e, CMSG_DATA(c), len < sizeof e ? len : sizeof e);
        *ret_kind = judge(&e.error, &target, ret);
    }
    return true;
}
