// SPDX-License-Identifier: MIT
#include "io/sockaddr.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

int wend_sockaddr_family(uint8_t family)
{
    if (family == WEND_FAMILY_IPV4)
        return AF_INET;
    return family == WEND_FAMILY_IPV6 ? AF_INET6 : AF_UNSPEC;
}

socklen_t wend_sockaddr_from(const struct wend_address *a, struct sockaddr_storage *ret)
{
    *ret = (struct sockaddr_storage){.ss_family = AF_UNSPEC};
    if (a->family == WEND_FAMILY_IPV4) {
        struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(a->port)};
        memcpy(&in.sin_addr, a->ip, sizeof in.sin_addr);
        memcpy(ret, &in, sizeof in);
        return sizeof in;
    }
    if (a->family == WEND_FAMILY_IPV6) {
        struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(a->port)};
        memcpy(&in6.sin6_addr, a->ip, sizeof in6.sin6_addr);
        memcpy(ret, &in6, sizeof in6);
        return sizeof in6;
    }
    return 0;
}

static struct wend_address from_in6(const struct sockaddr_in6 *in6)
{
    struct wend_address a = {.family = WEND_FAMILY_IPV6, .port = ntohs(in6->sin6_port)};
    const uint8_t *ip = in6->sin6_addr.s6_addr;
    if (IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr)) {
        a.family = WEND_FAMILY_IPV4;
        memcpy(a.ip, ip + 12, 4);
    } else {
        memcpy(a.ip, ip, sizeof a.ip);
    }
    return a;
}

struct wend_address wend_sockaddr_to(const struct sockaddr_storage *s, socklen_t len)
{
    struct wend_address a = {.family = WEND_FAMILY_NONE};
    if (s->ss_family == AF_INET && len >= sizeof(struct sockaddr_in)) {
        struct sockaddr_in in;
        memcpy(&in, s, sizeof in);
        a.family = WEND_FAMILY_IPV4;
        a.port = ntohs(in.sin_port);
        memcpy(a.ip, &in.sin_addr, sizeof in.sin_addr);
    } else if (s->ss_family == AF_INET6 && len >= sizeof(struct sockaddr_in6)) {
        struct sockaddr_in6 in6;
        memcpy(&in6, s, sizeof in6);
        a = from_in6(&in6);
    }
    return a;
}
