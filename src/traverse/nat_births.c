// SPDX-License-Identifier: MIT
#include "traverse/nat_births.h"

#include <string.h>

static bool is_answered(const struct wend_nat_sample *s)
{
    return s->outside.family != WEND_FAMILY_NONE;
}

// What comparing the answers to two destinations of one socket has shown, over all sockets.
struct comparison {
    bool port_same, port_differs; // destinations that differ in their port alone
    bool address_same, address_differs;
};

static void compare(struct comparison *c, const struct wend_nat_sample *a,
                    const struct wend_nat_sample *b)
{
    const bool same = wend_address_equal(&a->outside, &b->outside);

    if (wend_address_equal(&a->to, &b->to))
        return;
    if (wend_address_same_ip(&a->to, &b->to)) {
        c->port_same |= same;
        c->port_differs |= !same;
    } else {
        c->address_same |= same;
        c->address_differs |= !same;
    }
}

// One difference shows a dependence; equal answers may be chance where ports are few, so they
// count only where no difference was seen.
static enum wend_nat_dependence conclude(const struct comparison *c)
{
    if (c->port_differs) {
        const bool odd = c->address_same && !c->address_differs;
        return odd ? WEND_NAT_UNKNOWN : WEND_NAT_ADDRESS_AND_PORT_DEPENDENT;
    }
    if (c->address_differs)
        return c->port_same ? WEND_NAT_ADDRESS_DEPENDENT : WEND_NAT_UNKNOWN;
    return c->address_same ? WEND_NAT_ENDPOINT_INDEPENDENT : WEND_NAT_UNKNOWN;
}

enum wend_nat_dependence wend_nat_mapping_of(const struct wend_nat_samples *s, wend_instant since)
{
    struct comparison c = {0};

    for (uint32_t i = 0; i < s->count; i++) {
        if (s->at[i].sent < since || !is_answered(&s->at[i]))
            continue;
        for (uint32_t j = 0; j < i; j++)
            if (s->at[j].sent >= since && s->at[j].socket == s->at[i].socket &&
                is_answered(&s->at[j]))
                compare(&c, &s->at[j], &s->at[i]);
    }
    return conclude(&c);
}

// Does the mapping that `a` asked for serve `b` as well, both of one socket?
static bool is_shared(const struct wend_nat_sample *a, const struct wend_nat_sample *b,
                      enum wend_nat_dependence mapping)
{
    if (is_answered(a) && is_answered(b))
        return wend_address_equal(&a->outside, &b->outside);
    switch (mapping) {
    case WEND_NAT_NONE:
    case WEND_NAT_ENDPOINT_INDEPENDENT: return true;
    case WEND_NAT_ADDRESS_DEPENDENT: return wend_address_same_ip(&a->to, &b->to);
    case WEND_NAT_UNKNOWN:
    case WEND_NAT_ADDRESS_AND_PORT_DEPENDENT: break;
    }
    return wend_address_equal(&a->to, &b->to);
}

static void add(struct wend_nat_births *b, const struct wend_nat_sample *s, bool first)
{
    b->at[b->count++] = (struct wend_nat_birth){
        .inside = s->inside.port,
        .outside = is_answered(s) ? s->outside.port : 0,
        .socket = s->socket,
        .first = first,
        .sure = s->tries <= 1 && is_answered(s),
        .sent = s->sent,
    };
}

void wend_nat_births_of(const struct wend_nat_samples *s, wend_instant since,
                        enum wend_nat_dependence mapping, struct wend_nat_births *ret)
{
    memset(ret, 0, sizeof *ret);
    for (uint32_t i = 0; i < s->count; i++) {
        const struct wend_nat_sample *one = &s->at[i];
        bool first = true;
        bool shared = false;

        if (one->sent < since || one->old)
            continue;
        for (uint32_t j = 0; j < i; j++) {
            if (s->at[j].socket != one->socket)
                continue;
            first = false;
            shared |= is_shared(&s->at[j], one, mapping);
        }
        if (!shared)
            add(ret, one, first);
    }
}
