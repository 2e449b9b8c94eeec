// SPDX-License-Identifier: MIT
#include "echo.h"

#include <errno.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "io/client.h"
#include "io/sockaddr.h"
#include "wire/checksum.h"

#define HEADER_LEN  8 // type, code, checksum, identifier, sequence number
#define PAYLOAD_LEN 56
#define MESSAGE_LEN (HEADER_LEN + PAYLOAD_LEN)
#define FILTER_IPV4 1 // ICMP_FILTER of linux/icmp.h, which cannot stand beside netinet's

static int64_t wall_clock(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

// A raw socket sees all ICMP of its peer: let the kernel keep what is no echo reply.
static void set_filter(const struct wend_echo *e)
{
    if (e->ipv6) {
        struct icmp6_filter filter;
        ICMP6_FILTER_SETBLOCKALL(&filter);
        ICMP6_FILTER_SETPASS(ICMP6_ECHO_REPLY, &filter);
        (void)setsockopt(e->fd, IPPROTO_ICMPV6, ICMP6_FILTER, &filter, sizeof filter);
        return;
    }
    const uint32_t blocked = ~(1u << ICMP_ECHOREPLY);
    (void)setsockopt(e->fd, SOL_RAW, FILTER_IPV4, &blocked, sizeof blocked);
}

int wend_echo_open(struct wend_echo *e, const struct wend_address *to)
{
    uint8_t random[32];
    struct sockaddr_storage at;
    const socklen_t len = wend_sockaddr_from(to, &at);
    const int family = wend_sockaddr_family(to->family);
    const int on = 1;
    *e = (struct wend_echo){.ipv6 = to->family == WEND_FAMILY_IPV6};
    const int protocol = e->ipv6 ? (int)IPPROTO_ICMPV6 : (int)IPPROTO_ICMP;
    wend_entropy(random);
    memcpy(e->cookie, random, sizeof e->cookie);
    e->id = wend_get_u16(random + sizeof e->cookie);
    e->fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, protocol);
    if (e->fd < 0) {
        e->raw = true;
        e->fd = socket(family, SOCK_RAW | SOCK_CLOEXEC, protocol);
    }
    if (e->fd < 0)
        return -errno;
    if (e->raw)
        set_filter(e);
    (void)setsockopt(e->fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on);
    if (connect(e->fd, (const struct sockaddr *)&at, len) == 0)
        return 0;
    const int error = -errno;
    wend_echo_close(e);
    return error;
}

void wend_echo_close(struct wend_echo *e)
{
    if (e->fd >= 0)
        close(e->fd);
    e->fd = -1;
}

int wend_echo_send(struct wend_echo *e, uint16_t sequence)
{
    uint8_t message[MESSAGE_LEN] = {e->ipv6 ? ICMP6_ECHO_REQUEST : ICMP_ECHO};
    wend_put_u16(message + 4, e->id);
    wend_put_u16(message + 6, sequence);
    memcpy(message + HEADER_LEN, e->cookie, sizeof e->cookie);
    wend_put_u64le(message + HEADER_LEN + 8, (uint64_t)wall_clock());
    if (!e->ipv6) { // ICMPv6 sums over a pseudo-header too: the kernel does it
        const uint16_t sum = wend_checksum_fold(wend_checksum_add(0, message, sizeof message));
        wend_put_u16(message + 2, (uint16_t)~sum);
    }
    return send(e->fd, message, sizeof message, MSG_DONTWAIT) >= 0 ? 0 : -errno;
}

// The kernel's time of arrival, or now where it tells none.
static int64_t arrival(struct msghdr *m)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c != NULL; c = CMSG_NXTHDR(m, c)) {
        struct timespec t;
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SO_TIMESTAMPNS)
            continue;
        memcpy(&t, CMSG_DATA(c), sizeof t);
        return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
    }
    return wall_clock();
}

static bool read_answer(const struct wend_echo *e, struct wend_bytes in, int64_t arrived,
                        struct wend_echo_answer *ret)
{
    struct wend_reader r = wend_reader_of(in);
    if (e->raw && !e->ipv6) // with its IPv4 header
        (void)wend_read_view(&r, in.len > 0 ? (in.at[0] & 15u) * 4u : 0);
    const uint8_t type = wend_read_u8(&r);
    const uint8_t code = wend_read_u8(&r);
    (void)wend_read_u16(&r);
    const uint16_t id = wend_read_u16(&r);
    const uint16_t sequence = wend_read_u16(&r);
    const struct wend_bytes cookie = wend_read_view(&r, sizeof e->cookie);
    const int64_t sent = (int64_t)wend_read_u64le(&r);
    if (r.failed || type != (e->ipv6 ? ICMP6_ECHO_REPLY : ICMP_ECHOREPLY) || code != 0 ||
        (e->raw && id != e->id) || memcmp(cookie.at, e->cookie, sizeof e->cookie) != 0)
        return false;
    // The wall clock may have been set in between.
    *ret =
        (struct wend_echo_answer){.sequence = sequence, .rtt = arrived > sent ? arrived - sent : 0};
    return true;
}

int wend_echo_receive(struct wend_echo *e, struct wend_echo_answer *ret)
{
    uint8_t data[2048];
    union {
        struct cmsghdr align;
        uint8_t bytes[256];
    } control;
    for (;;) {
        struct iovec part = {.iov_base = data, .iov_len = sizeof data};
        struct msghdr m = {.msg_iov = &part,
                           .msg_iovlen = 1,
                           .msg_control = control.bytes,
                           .msg_controllen = sizeof control.bytes};
        const ssize_t n = recvmsg(e->fd, &m, MSG_DONTWAIT);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        if (read_answer(e, (struct wend_bytes){data, (size_t)n}, arrival(&m), ret))
            return 0;
    }
}
