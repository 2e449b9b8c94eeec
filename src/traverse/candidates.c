// SPDX-License-Identifier: MIT
#include "traverse/candidates.h"

#include <string.h>

bool wend_candidate_is_usable(const struct wend_address *a, const struct wend_overlay *overlay)
{
    if (!wend_address_is_usable(a))
        return false;
    if (a->family == WEND_FAMILY_IPV4 && a->ip[0] == 169 && a->ip[1] == 254)
        return false; // RFC 3927: meaningful on one link only
    return !wend_prefix_contains(&overlay->ipv4, a) && !wend_prefix_contains(&overlay->ipv6, a);
}

static void add(struct wend_candidates *c, uint8_t kind, const struct wend_address *a,
                const struct wend_overlay *overlay)
{
    if (c->count == WEND_CANDIDATES_MAX || !wend_candidate_is_usable(a, overlay))
        return;
    for (size_t i = 0; i < c->count; i++)
        if (wend_address_equal(&c->at[i].address, a))
            return;
    c->at[c->count++] = (struct wend_candidate){.kind = kind, .address = *a};
}

// How likely a host address leads anywhere: lower is likelier.
static unsigned rank(const struct wend_address *a)
{
    if (a->family == WEND_FAMILY_IPV4)
        return 0;
    return (a->ip[0] & 0xfe) == 0xfc ? 2 : 1; // RFC 4193
}

void wend_candidates_gather(struct wend_candidates *ret, const struct wend_whereabouts *where)
{
    memset(ret, 0, sizeof *ret);
    // A host address that the server saw is a host candidate: listed once, as what it is.
    for (size_t i = 0; i < where->interface_count; i++)
        if (wend_address_same_ip(&where->interfaces[i], &where->observed) &&
            where->observed.port == where->port)
            add(ret, WEND_CANDIDATE_HOST, &where->observed, where->overlay);
    if (where->observed.family != WEND_FAMILY_NONE)
        add(ret, WEND_CANDIDATE_SERVER_REFLEXIVE, &where->observed, where->overlay);
    // Where both are one the mapping is the very one that the server saw: listed once.
    if (where->mapped.family != WEND_FAMILY_NONE)
        add(ret, WEND_CANDIDATE_MAPPED, &where->mapped, where->overlay);
    for (unsigned wanted = 0; wanted <= 2; wanted++) {
        for (size_t i = 0; i < where->interface_count; i++) {
            struct wend_address a = where->interfaces[i];
            a.port = where->port;
            if (rank(&a) == wanted)
                add(ret, WEND_CANDIDATE_HOST, &a, where->overlay);
        }
    }
}

void wend_candidates_read(struct wend_candidates *ret, struct wend_bytes value,
                          const struct wend_overlay *overlay)
{
    struct wend_candidate told[WEND_CANDIDATES_MAX];
    const size_t count = wend_attribute_candidates(value, told);

    memset(ret, 0, sizeof *ret);
    for (size_t i = 0; i < count; i++)
        add(ret, told[i].kind, &told[i].address, overlay);
}

bool wend_candidates_equal(const struct wend_candidates *a, const struct wend_candidates *b)
{
    if (a->count != b->count)
        return false;
    for (size_t i = 0; i < a->count; i++)
        if (a->at[i].kind != b->at[i].kind ||
            !wend_address_equal(&a->at[i].address, &b->at[i].address))
            return false;
    return true;
}
