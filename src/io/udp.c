// SPDX-License-Identifier: MIT
// Opening and setting up; udp_receive.c and udp_send.c hold the traffic.
#include "io/udp.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "io/sockaddr.h"

enum { BUFFER_BYTES = 4 << 20 };

static int set_int(int fd, int level, int option, int value)
{
    return setsockopt(fd, level, option, &value, sizeof value) == 0 ? 0 : -errno;
}

// Beyond the system's limit where we may, else up to it; too small a queue is no error.
static void set_buffers(int fd, int bytes)
{
    if (set_int(fd, SOL_SOCKET, SO_RCVBUFFORCE, bytes) != 0)
        set_int(fd, SOL_SOCKET, SO_RCVBUF, bytes);
    if (set_int(fd, SOL_SOCKET, SO_SNDBUFFORCE, bytes) != 0)
        set_int(fd, SOL_SOCKET, SO_SNDBUF, bytes);
}

static int set_required(int fd, const struct wend_udp_config *c)
{
    int error = 0;
    if (c->local.family == WEND_FAMILY_IPV6) {
        error = set_int(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
        if (error == 0)
            error = set_int(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1);
    } else {
        error = set_int(fd, IPPROTO_IP, IP_PKTINFO, 1);
    }
    if (error == 0 && c->reuse_port)
        error = set_int(fd, SOL_SOCKET, SO_REUSEPORT, 1);
    if (error == 0 && c->mark != 0)
        error = set_int(fd, SOL_SOCKET, SO_MARK, (int)c->mark);
    if (error == 0 && c->device != NULL &&
        setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, c->device, (socklen_t)strlen(c->device)) != 0)
        error = -errno;
    return error;
}

// What older kernels lack and we do without.
static void set_wanted(struct wend_udp *u, int buffer_bytes)
{
    if (u->local.family == WEND_FAMILY_IPV6)
        set_int(u->fd, IPPROTO_IPV6, IPV6_RECVTCLASS, 1);
    else
        set_int(u->fd, IPPROTO_IP, IP_RECVTOS, 1);
    set_int(u->fd, IPPROTO_UDP, UDP_GRO, 1);
    int segment = 0;
    socklen_t len = sizeof segment;
    u->gso = getsockopt(u->fd, IPPROTO_UDP, UDP_SEGMENT, &segment, &len) == 0;
    set_buffers(u->fd, buffer_bytes > 0 ? buffer_bytes : BUFFER_BYTES);
}

void wend_udp_widen(struct wend_udp *u)
{
    set_wanted(u, 0);
}

static int bind_local(struct wend_udp *u, const struct wend_address *local)
{
    struct sockaddr_storage s;
    socklen_t len = wend_sockaddr_from(local, &s);
    if (bind(u->fd, (const struct sockaddr *)&s, len) != 0)
        return -errno;
    len = sizeof s;
    if (getsockname(u->fd, (struct sockaddr *)&s, &len) != 0)
        return -errno;
    u->local = wend_sockaddr_to(&s, len);
    return 0;
}

int wend_udp_open(struct wend_udp *u, const struct wend_udp_config *config)
{
    *u = (struct wend_udp){.fd = -1};
    const int family = wend_sockaddr_family(config->local.family);
    if (family == AF_UNSPEC)
        return -EAFNOSUPPORT;
    u->fd = socket(family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (u->fd < 0)
        return -errno;
    u->local.family = config->local.family;
    int error = set_required(u->fd, config);
    if (error == 0)
        error = wend_udp_set_fragmentation(u, config->fragmentation);
    if (error == 0)
        error = bind_local(u, &config->local);
    if (error != 0) {
        wend_udp_close(u);
        return error;
    }
    if (!config->light)
        set_wanted(u, config->buffer_bytes);
    return 0;
}

void wend_udp_close(struct wend_udp *u)
{
    if (u->fd >= 0)
        close(u->fd);
    u->fd = -1;
}

int wend_udp_connect(struct wend_udp *u, const struct wend_address *peer)
{
    struct sockaddr_storage s;
    const socklen_t len = wend_sockaddr_from(peer, &s);
    if (connect(u->fd, (const struct sockaddr *)&s, len) != 0)
        return -errno;
    u->connected = true;
    return 0;
}

int wend_udp_set_fragmentation_of(int fd, uint8_t family, enum wend_udp_fragmentation f)
{
    const bool probe = f == WEND_UDP_PROBE;
    if (family == WEND_FAMILY_IPV4)
        return set_int(fd, IPPROTO_IP, IP_MTU_DISCOVER,
                       probe ? IP_PMTUDISC_PROBE : IP_PMTUDISC_DONT);
    const int error = set_int(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER,
                              probe ? IPV6_PMTUDISC_PROBE : IPV6_PMTUDISC_DONT);
    return error != 0 ? error : set_int(fd, IPPROTO_IPV6, IPV6_DONTFRAG, probe);
}

int wend_udp_set_fragmentation(struct wend_udp *u, enum wend_udp_fragmentation f)
{
    return wend_udp_set_fragmentation_of(u->fd, u->local.family, f);
}
