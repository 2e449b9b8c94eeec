// SPDX-License-Identifier: MIT
// Sending: items are laid out as messages of one system call each time round, from the place (item
// and offset) that everything before has left. What the kernel took moves the place on; what it
// refused is either tried again plainly (a segmented send that the route cannot do) or given up and
// counted. So there is one place, one loop, and no message is planned twice after it left.
#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <string.h>
#include <sys/socket.h>

#include "base/bytes.h"
#include "io/sockaddr.h"
#include "io/udp.h"

enum {
    SEGMENTS_MAX = 64,     // UDP_MAX_SEGMENTS of every kernel that has GSO
    MESSAGE_MAX = 65507,   // 65,535 less IPv4 and UDP header; by IPv6 20 more would fit
    CONTROL_LEN = 96,      // packet info, traffic class and segment length of either family
    REFUSAL_SENDS = 4096,  // plain sends until segmentation is tried again
    PENDING_ERRORS_MAX = 4 // of ICMP, cleared in one call before they count as ours
};

struct place {
    size_t item;
    size_t offset;
};

struct plan {
    size_t count;
    struct mmsghdr messages[WEND_UDP_BATCH_MAX];
    struct iovec views[WEND_UDP_BATCH_MAX];
    struct sockaddr_storage names[WEND_UDP_BATCH_MAX];
    _Alignas(struct cmsghdr) uint8_t control[WEND_UDP_BATCH_MAX][CONTROL_LEN];
    uint16_t segment_len[WEND_UDP_BATCH_MAX]; // 0: a plain datagram
};

// ---- What a route refused ----

static struct wend_udp_refusal *find_refusal(struct wend_udp *u, const struct wend_address *to)
{
    for (size_t i = 0; i < WEND_UDP_REFUSALS_MAX; i++)
        if (u->refusals[i].left > 0 && wend_address_same_ip(&u->refusals[i].to, to))
            return &u->refusals[i];
    return NULL;
}

static bool may_segment(struct wend_udp *u, const struct wend_udp_send *item)
{
    if (!u->gso)
        return false;
    struct wend_udp_refusal *r = find_refusal(u, &item->to);
    if (r == NULL || item->segment_len < r->segment_len)
        return true;
    r->left--;
    return false;
}

// Too long for the device's MTU says nothing about shorter segments; anything else says no to all.
static void remember_refusal(struct wend_udp *u, const struct wend_udp_send *item, int error)
{
    struct wend_udp_refusal *r = find_refusal(u, &item->to);
    if (r == NULL)
        r = &u->refusals[u->refusal_next++ % WEND_UDP_REFUSALS_MAX];
    *r = (struct wend_udp_refusal){.to = item->to,
                                   .segment_len = error == EMSGSIZE ? item->segment_len : 1,
                                   .left = REFUSAL_SENDS};
    u->counts.gso_refused++;
}

// ---- Laying out messages ----

static void add_control(struct msghdr *m, int level, int type, const void *value, size_t len)
{
    struct cmsghdr c = {.cmsg_level = level, .cmsg_type = type, .cmsg_len = CMSG_LEN(len)};
    uint8_t *at = (uint8_t *)m->msg_control + m->msg_controllen;
    memcpy(at, &c, sizeof c);
    memcpy(at + CMSG_LEN(0), value, len);
    m->msg_controllen += CMSG_SPACE(len);
}

static void add_source(struct msghdr *m, const struct wend_address *from)
{
    if (from->family == WEND_FAMILY_IPV4) {
        struct in_pktinfo info = {0};
        memcpy(&info.ipi_spec_dst, from->ip, sizeof info.ipi_spec_dst);
        add_control(m, IPPROTO_IP, IP_PKTINFO, &info, sizeof info);
    } else if (from->family == WEND_FAMILY_IPV6) {
        struct in6_pktinfo info = {0};
        memcpy(&info.ipi6_addr, from->ip, sizeof info.ipi6_addr);
        add_control(m, IPPROTO_IPV6, IPV6_PKTINFO, &info, sizeof info);
    }
}

static void plan_message(const struct wend_udp *u, struct plan *p, const struct wend_udp_send *item,
                         struct wend_bytes view)
{
    const size_t i = p->count++;
    struct msghdr *m = &p->messages[i].msg_hdr;
    p->views[i] = (struct iovec){.iov_base = (void *)(uintptr_t)view.at, .iov_len = view.len};
    *m = (struct msghdr){.msg_iov = &p->views[i], .msg_iovlen = 1, .msg_control = p->control[i]};
    memset(p->control[i], 0, CONTROL_LEN);
    if (!u->connected) {
        m->msg_namelen = wend_sockaddr_from(&item->to, &p->names[i]);
        m->msg_name = &p->names[i];
    }
    add_source(m, &item->from);
    const int ecn = item->ecn & 3;
    if (ecn != 0 && u->local.family == WEND_FAMILY_IPV4)
        add_control(m, IPPROTO_IP, IP_TOS, &ecn, sizeof ecn);
    else if (ecn != 0)
        add_control(m, IPPROTO_IPV6, IPV6_TCLASS, &ecn, sizeof ecn);
    p->segment_len[i] = 0;
    if (item->segment_len != 0 && view.len > item->segment_len) {
        p->segment_len[i] = item->segment_len;
        add_control(m, IPPROTO_UDP, UDP_SEGMENT, &item->segment_len, sizeof item->segment_len);
    }
    if (m->msg_controllen == 0)
        m->msg_control = NULL;
}

// How much of an item goes into the next message.
static size_t message_len(struct wend_udp *u, const struct wend_udp_send *item, size_t left)
{
    if (item->segment_len == 0 || left <= item->segment_len)
        return left;
    size_t segments = MESSAGE_MAX / item->segment_len;
    if (segments > SEGMENTS_MAX)
        segments = SEGMENTS_MAX;
    if (segments < 2 || !may_segment(u, item))
        segments = 1;
    const size_t len = segments * item->segment_len;
    return len < left ? len : left;
}

static void fill_plan(struct wend_udp *u, struct plan *p, const struct wend_udp_send *items,
                      size_t count, struct place at)
{
    p->count = 0;
    while (at.item < count && p->count < WEND_UDP_BATCH_MAX) {
        const struct wend_udp_send *item = &items[at.item];
        if (at.offset >= item->len) {
            at = (struct place){.item = at.item + 1};
            continue;
        }
        const size_t len = message_len(u, item, item->len - at.offset);
        plan_message(u, p, item, (struct wend_bytes){item->data + at.offset, len});
        at.offset += len;
    }
}

// ---- What became of them ----

static void skip_done(const struct wend_udp_send *items, size_t count, struct place *at)
{
    while (at->item < count && at->offset >= items[at->item].len)
        *at = (struct place){.item = at->item + 1};
}

// Moves on past message `i`, the next from `at`; returns how many datagrams it was.
static size_t pass(const struct plan *p, size_t i, const struct wend_udp_send *items, size_t count,
                   struct place *at)
{
    const size_t len = p->views[i].iov_len;
    const size_t segment = p->segment_len[i] != 0 ? p->segment_len[i] : len;
    at->offset += len;
    skip_done(items, count, at);
    return (len + segment - 1) / segment;
}

static bool refuses_segments(int error)
{
    return error == EINVAL || error == EMSGSIZE || error == EIO || error == EOPNOTSUPP;
}

// The first message of the plan was refused.
static void refused(struct wend_udp *u, const struct plan *p, struct wend_udp_send *items,
                    size_t count, struct place *at, int error)
{
    struct wend_udp_send *item = &items[at->item];
    if (p->segment_len[0] != 0 && refuses_segments(error)) {
        remember_refusal(u, item, error);
        return;
    }
    item->error = -error;
    const size_t datagrams = pass(p, 0, items, count, at);
    if (error == EMSGSIZE)
        u->counts.too_big += datagrams;
    else
        u->counts.failed += datagrams;
}

static int finish(struct wend_udp_send *items, size_t count, struct place at)
{
    if (at.item < count && at.offset > 0) {
        items[at.item].data += at.offset;
        items[at.item].len -= at.offset;
    }
    return at.item == 0 && count > 0 ? -EAGAIN : (int)at.item;
}

int wend_udp_send(struct wend_udp *u, struct wend_udp_send *items, size_t count)
{
    struct plan p;
    struct place at = {0};
    int pending = 0;
    for (size_t i = 0; i < count; i++)
        items[i].error = 0;
    for (skip_done(items, count, &at); at.item < count;) {
        fill_plan(u, &p, items, count, at);
        const int sent = sendmmsg(u->fd, p.messages, (unsigned)p.count, MSG_DONTWAIT);
        const int error = errno;
        for (int i = 0; i < sent; i++)
            u->counts.sent += pass(&p, (size_t)i, items, count, &at);
        if (sent >= 0 || error == EINTR)
            continue;
        if (error == EAGAIN)
            break;
        if (error == ECONNREFUSED && pending++ < PENDING_ERRORS_MAX)
            continue; // an answer to something sent earlier; this message was not looked at
        refused(u, &p, items, count, &at, error);
    }
    return finish(items, count, at);
}

static void add_ttl(struct msghdr *m, uint8_t family, uint8_t ttl)
{
    const int value = ttl;
    if (ttl != 0 && family == WEND_FAMILY_IPV4)
        add_control(m, IPPROTO_IP, IP_TTL, &value, sizeof value);
    else if (ttl != 0)
        add_control(m, IPPROTO_IPV6, IPV6_HOPLIMIT, &value, sizeof value);
}

static void send_now(int fd, const struct msghdr *m)
{
    int pending = 0;
    while (sendmsg(fd, m, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 &&
           (errno == EINTR || (errno == ECONNREFUSED && pending++ < PENDING_ERRORS_MAX)))
        ;
}

void wend_udp_send_one(int fd, const struct wend_datagram *out)
{
    struct sockaddr_storage name;
    _Alignas(struct cmsghdr) uint8_t control[CONTROL_LEN] = {0};
    struct iovec piece = {.iov_base = (void *)(uintptr_t)out->bytes.at, .iov_len = out->bytes.len};
    struct msghdr m = {.msg_name = &name,
                       .msg_namelen = wend_sockaddr_from(&out->remote, &name),
                       .msg_iov = &piece,
                       .msg_iovlen = 1,
                       .msg_control = control};
    if (out->local.family == out->remote.family)
        add_source(&m, &out->local);
    add_ttl(&m, out->remote.family, out->ttl);
    if (m.msg_controllen == 0)
        m.msg_control = NULL;
    const bool whole = out->dont_fragment;
    if (!whole || wend_udp_set_fragmentation_of(fd, out->remote.family, WEND_UDP_PROBE) == 0)
        send_now(fd, &m);
    if (whole)
        (void)wend_udp_set_fragmentation_of(fd, out->remote.family, WEND_UDP_FRAGMENT);
}
