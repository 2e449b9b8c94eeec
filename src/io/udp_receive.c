// SPDX-License-Identifier: MIT
#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "base/assert.h"
#include "io/sockaddr.h"
#include "io/udp.h"

enum {
    BUFFER_LEN = 65536,
    CONTROL_LEN = 128,  // packet info, traffic class and segment length of either family
    ICMP_ERRORS_MAX = 8 // swallowed in one call; more wait for the next
};

struct wend_udp_batch {
    size_t count;
    uint8_t *buffers;
    struct mmsghdr messages[WEND_UDP_BATCH_MAX];
    struct iovec views[WEND_UDP_BATCH_MAX];
    struct sockaddr_storage names[WEND_UDP_BATCH_MAX];
    _Alignas(struct cmsghdr) uint8_t control[WEND_UDP_BATCH_MAX][CONTROL_LEN];
    struct wend_udp_packet packets[WEND_UDP_BATCH_MAX];
};

struct wend_udp_batch *wend_udp_batch_new(size_t count)
{
    wend_assert(count >= 1 && count <= WEND_UDP_BATCH_MAX);
    struct wend_udp_batch *b = calloc(1, sizeof *b);
    if (b == NULL)
        return NULL;
    void *buffers = mmap(NULL, count * BUFFER_LEN, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (buffers == MAP_FAILED) {
        free(b);
        return NULL;
    }
    b->count = count;
    b->buffers = buffers;
    for (size_t i = 0; i < count; i++)
        b->views[i] = (struct iovec){b->buffers + i * BUFFER_LEN, BUFFER_LEN};
    return b;
}

void wend_udp_batch_free(struct wend_udp_batch *b)
{
    if (b == NULL)
        return;
    munmap(b->buffers, b->count * BUFFER_LEN);
    free(b);
}

static void prepare(struct wend_udp_batch *b)
{
    for (size_t i = 0; i < b->count; i++) {
        b->messages[i].msg_hdr = (struct msghdr){.msg_name = &b->names[i],
                                                 .msg_namelen = sizeof b->names[i],
                                                 .msg_iov = &b->views[i],
                                                 .msg_iovlen = 1,
                                                 .msg_control = b->control[i],
                                                 .msg_controllen = CONTROL_LEN};
    }
}

static void read_ipv4_control(const struct cmsghdr *c, struct wend_udp_packet *ret)
{
    if (c->cmsg_type == IP_PKTINFO) {
        struct in_pktinfo info;
        memcpy(&info, CMSG_DATA(c), sizeof info);
        memcpy(ret->local.ip, &info.ipi_spec_dst, sizeof info.ipi_spec_dst);
    } else if (c->cmsg_type == IP_TOS) {
        ret->ecn = *CMSG_DATA(c) & 3;
    }
}

static void read_ipv6_control(const struct cmsghdr *c, struct wend_udp_packet *ret)
{
    if (c->cmsg_type == IPV6_PKTINFO) {
        struct in6_pktinfo info;
        memcpy(&info, CMSG_DATA(c), sizeof info);
        memcpy(ret->local.ip, &info.ipi6_addr, sizeof info.ipi6_addr);
    } else if (c->cmsg_type == IPV6_TCLASS) {
        int class;
        memcpy(&class, CMSG_DATA(c), sizeof class);
        ret->ecn = class & 3;
    }
}

static void read_segment(const struct cmsghdr *c, struct wend_udp_packet *ret)
{
    int segment;
    memcpy(&segment, CMSG_DATA(c), sizeof segment);
    if (segment > 0 && (size_t)segment < ret->len)
        ret->segment_len = (uint16_t)segment;
}

static struct wend_udp_packet read_packet(const struct wend_udp *u, struct wend_udp_batch *b,
                                          size_t i)
{
    struct msghdr *m = &b->messages[i].msg_hdr;
    struct wend_udp_packet p = {.from = wend_sockaddr_to(&b->names[i], m->msg_namelen),
                                .local = u->local,
                                .data = b->views[i].iov_base,
                                .len = b->messages[i].msg_len};
    for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c != NULL; c = CMSG_NXTHDR(m, c)) {
        if (c->cmsg_level == IPPROTO_IP)
            read_ipv4_control(c, &p);
        else if (c->cmsg_level == IPPROTO_IPV6)
            read_ipv6_control(c, &p);
        else if (c->cmsg_level == IPPROTO_UDP && c->cmsg_type == UDP_GRO)
            read_segment(c, &p);
    }
    return p;
}

// Errors that some datagram sent earlier met on its way; reading them clears them.
static bool reported_by_icmp(int error)
{
    return error == ECONNREFUSED || error == EHOSTUNREACH || error == ENETUNREACH ||
           error == EHOSTDOWN || error == ENOPROTOOPT || error == EPROTO || error == EMSGSIZE ||
           error == EACCES || error == EOPNOTSUPP || error == ENONET || error == EINTR;
}

static int receive_messages(struct wend_udp *u, struct wend_udp_batch *b)
{
    for (int tries = 0; tries < ICMP_ERRORS_MAX; tries++) {
        prepare(b);
        const int got = recvmmsg(u->fd, b->messages, (unsigned)b->count, MSG_DONTWAIT, NULL);
        if (got >= 0)
            return got;
        if (!reported_by_icmp(errno))
            return -errno;
    }
    return 0;
}

int wend_udp_receive(struct wend_udp *u, struct wend_udp_batch *b,
                     const struct wend_udp_packet **ret)
{
    const int got = receive_messages(u, b);
    if (got < 0)
        return got;
    int count = 0;
    for (size_t i = 0; i < (size_t)got; i++) {
        if ((b->messages[i].msg_hdr.msg_flags & MSG_TRUNC) != 0) {
            u->counts.truncated++;
            continue;
        }
        const struct wend_udp_packet p = read_packet(u, b, i);
        u->counts.received += p.segment_len == 0 ? 1 : (p.len + p.segment_len - 1) / p.segment_len;
        b->packets[count++] = p;
    }
    *ret = b->packets;
    return count;
}
