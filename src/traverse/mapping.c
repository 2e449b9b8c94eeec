// SPDX-License-Identifier: MIT
// The layers, and what is told of them. After everything that happens `settle` looks at the layers
// from the inside out: it starts and ends those behind, finds the one word for how things stand,
// and raises an event where that word is another than before.
#include "traverse/mapping.h"

#include <string.h>

void wend_mapping_init(struct wend_mapping *m, const uint8_t key[static WEND_HASH_KEY_LEN])
{
    memcpy(m->random.key, key, WEND_HASH_KEY_LEN);
}

bool wend_mapping_is_public(const struct wend_address *a)
{
    static const struct wend_prefix inside[] = {
        {.family = WEND_FAMILY_IPV4, .bits = 8, .ip = {0}},
        {.family = WEND_FAMILY_IPV4, .bits = 8, .ip = {10}},
        {.family = WEND_FAMILY_IPV4, .bits = 10, .ip = {100, 64}}, // RFC 6598
        {.family = WEND_FAMILY_IPV4, .bits = 16, .ip = {169, 254}},
        {.family = WEND_FAMILY_IPV4, .bits = 12, .ip = {172, 16}},
        {.family = WEND_FAMILY_IPV4, .bits = 29, .ip = {192, 0, 0, 0}}, // RFC 7335, DS-Lite
        {.family = WEND_FAMILY_IPV4, .bits = 16, .ip = {192, 168}},
        {.family = WEND_FAMILY_IPV6, .bits = 7, .ip = {0xfc}},
    };
    if (!wend_address_is_usable(a))
        return false;
    for (size_t i = 0; i < sizeof inside / sizeof inside[0]; i++)
        if (wend_prefix_contains(&inside[i], a))
            return false;
    return true;
}

// --- events ---

static void raise_event(struct wend_mapping *m, const struct wend_mapping_event *e)
{
    if (m->event_count == WEND_MAPPING_EVENTS) {
        m->event_first = (m->event_first + 1) % WEND_MAPPING_EVENTS;
        m->event_count--;
    }
    m->events[(m->event_first + m->event_count++) % WEND_MAPPING_EVENTS] = *e;
}

bool wend_mapping_next_event(struct wend_mapping *m, struct wend_mapping_event *ret)
{
    if (m->event_count == 0)
        return false;
    *ret = m->events[m->event_first];
    m->event_first = (m->event_first + 1) % WEND_MAPPING_EVENTS;
    m->event_count--;
    return true;
}

// The outermost layer that is wanted: the last one that is not NONE, or the first.
static size_t last_layer(const struct wend_mapping *m)
{
    size_t last = WEND_MAPPING_LAYERS - 1;

    while (last > 0 && m->layers[last].state == WEND_LEASE_NONE)
        last--;
    return last;
}

static bool needs_outer(const struct wend_lease *l)
{
    return l->state == WEND_LEASE_HELD && !wend_mapping_is_public(&l->external);
}

static struct wend_mapping_event failure(const struct wend_lease *l, size_t layer)
{
    const bool nested = needs_outer(l);

    return (struct wend_mapping_event){
        .kind = WEND_MAPPING_FAILED,
        .reason = nested ? WEND_MAPPING_NESTED : l->reason,
        .result = nested ? 0 : l->result,
        .layer = (uint8_t)layer,
        .external = nested ? l->external : (struct wend_address){0},
    };
}

// How things stand, in one event; NOTHING while an answer is still to be hoped for.
static struct wend_mapping_event stand(const struct wend_mapping *m)
{
    const size_t layer = last_layer(m);
    const struct wend_lease *l = &m->layers[layer];
    struct wend_mapping_event e = {0};

    switch (l->state) {
    case WEND_LEASE_NONE:
    case WEND_LEASE_CLOSING: return e;
    case WEND_LEASE_ASKING: return l->reason == WEND_MAPPING_NO_ANSWER ? failure(l, layer) : e;
    case WEND_LEASE_RESTING: return failure(l, layer);
    case WEND_LEASE_HELD: break;
    }
    if (needs_outer(l) && (m->no_outer || layer + 1 == WEND_MAPPING_LAYERS))
        return failure(l, layer);
    e.kind = needs_outer(l) ? WEND_MAPPING_OUTER_WANTED : WEND_MAPPING_MAPPED;
    e.external = l->external;
    e.lifetime_s = l->lifetime_s;
    e.protocol = l->protocol;
    e.layer = (uint8_t)layer;
    return e;
}

static bool is_same(const struct wend_mapping_event *a, const struct wend_mapping_event *b)
{
    return a->kind == b->kind && a->reason == b->reason && a->layer == b->layer &&
           wend_address_equal(&a->external, &b->external);
}

static enum wend_mapping_reason why_lost(const struct wend_mapping *m)
{
    for (size_t i = 0; i < WEND_MAPPING_LAYERS; i++)
        if (m->layers[i].reason != WEND_MAPPING_NO_REASON)
            return m->layers[i].reason;
    return WEND_MAPPING_NO_REASON;
}

static void tell(struct wend_mapping *m)
{
    const struct wend_mapping_event e = stand(m);

    if (is_same(&e, &m->told))
        return;
    if (m->told.kind == WEND_MAPPING_MAPPED && e.kind != WEND_MAPPING_MAPPED)
        raise_event(m, &(struct wend_mapping_event){.kind = WEND_MAPPING_LOST,
                                                    .external = m->told.external,
                                                    .protocol = m->told.protocol,
                                                    .reason = why_lost(m)});
    // A layer that asks again after a failure has not told anything new.
    if (e.kind == WEND_MAPPING_NOTHING && m->told.kind == WEND_MAPPING_FAILED)
        return;
    m->told = e;
    if (e.kind != WEND_MAPPING_NOTHING)
        raise_event(m, &e);
}

// --- layers ---

static void settle(struct wend_mapping *m)
{
    for (size_t i = 0; i + 1 < WEND_MAPPING_LAYERS; i++) {
        struct wend_lease *next = &m->layers[i + 1];
        const bool keeps =
            needs_outer(&m->layers[i]) && wend_address_equal(&next->inside, &m->layers[i].external);
        const bool closes = next->state == WEND_LEASE_CLOSING;
        if (next->state != WEND_LEASE_NONE && !keeps && !closes) {
            // It maps to an address that is not ours any more.
            *next = (struct wend_lease){0};
            m->no_outer = false;
        }
    }
    if (!needs_outer(&m->layers[last_layer(m)]))
        m->no_outer = false;
    tell(m);
}

void wend_mapping_start(struct wend_mapping *m, const struct wend_address *gateway,
                        const struct wend_address *inside, wend_instant now)
{
    struct wend_lease *first = &m->layers[0];
    const bool same = first->state != WEND_LEASE_NONE && first->state != WEND_LEASE_CLOSING &&
                      wend_address_same_ip(&first->gateway, gateway) &&
                      wend_address_equal(&first->inside, inside);

    m->no_outer = false;
    if (same) {
        for (size_t i = 0; i < WEND_MAPPING_LAYERS; i++)
            wend_lease_check(&m->layers[i], &m->random, now);
    } else {
        memset(m->layers, 0, sizeof m->layers);
        settle(m);
        m->told = (struct wend_mapping_event){0};
        if (gateway->family != WEND_FAMILY_NONE)
            wend_lease_begin(first, gateway, inside, &m->random, now);
        else
            raise_event(m, &(struct wend_mapping_event){.kind = WEND_MAPPING_FAILED,
                                                        .reason = WEND_MAPPING_NO_GATEWAY});
    }
    wend_mapping_expire(m, now);
}

void wend_mapping_outer(struct wend_mapping *m, const struct wend_address *gateway,
                        wend_instant now)
{
    const size_t last = last_layer(m);

    if (!needs_outer(&m->layers[last]) || last + 1 == WEND_MAPPING_LAYERS)
        return;
    bool known = gateway->family == m->layers[last].external.family;
    for (size_t i = 0; i <= last; i++) // a layer is not behind itself
        known = known && !wend_address_same_ip(gateway, &m->layers[i].gateway);
    m->no_outer = !known;
    if (known)
        wend_lease_begin(&m->layers[last + 1], gateway, &m->layers[last].external, &m->random, now);
    wend_mapping_expire(m, now);
}

void wend_mapping_stop(struct wend_mapping *m, wend_instant now)
{
    for (size_t i = 0; i < WEND_MAPPING_LAYERS; i++)
        wend_lease_end(&m->layers[i], now);
    m->told = (struct wend_mapping_event){0};
    wend_mapping_expire(m, now);
}

bool wend_mapping_is_idle(const struct wend_mapping *m)
{
    for (size_t i = 0; i < WEND_MAPPING_LAYERS; i++)
        if (m->layers[i].state != WEND_LEASE_NONE)
            return false;
    return true;
}

static struct wend_lease *find_layer(struct wend_mapping *m, const struct wend_address *gateway)
{
    for (size_t i = 0; i < WEND_MAPPING_LAYERS; i++)
        if (m->layers[i].state != WEND_LEASE_NONE &&
            wend_address_same_ip(&m->layers[i].gateway, gateway))
            return &m->layers[i];
    return NULL;
}

void wend_mapping_unreachable(struct wend_mapping *m, const struct wend_address *gateway,
                              wend_instant now)
{
    struct wend_lease *l = find_layer(m, gateway);

    if (l != NULL)
        wend_lease_unreachable(l, now);
    wend_mapping_expire(m, now);
}

enum wend_drop wend_mapping_receive(struct wend_mapping *m, const struct wend_datagram *in,
                                    wend_instant now)
{
    const bool announced = in->local.port == WEND_PCP_CLIENT_PORT;
    struct wend_lease *l = find_layer(m, &in->remote);
    // "verifies that the source IP address and port belong to the PCP server of a previously sent
    // PCP request. If not, the response is silently dropped" (RFC 6887 section 8.3).
    const enum wend_drop drop = l == NULL || in->remote.port != WEND_PCP_SERVER_PORT
                                    ? WEND_DROP_WRONG_SOURCE
                                    : wend_lease_receive(l, in->bytes, announced, &m->random, now);

    wend_mapping_expire(m, now);
    return wend_drops_add(&m->drops, drop);
}

void wend_mapping_expire(struct wend_mapping *m, wend_instant now)
{
    for (size_t i = 0; i < WEND_MAPPING_LAYERS; i++)
        wend_lease_expire(&m->layers[i], &m->random, now);
    settle(m);
}

wend_instant wend_mapping_deadline(const struct wend_mapping *m)
{
    wend_instant at = WEND_NEVER;

    for (size_t i = 0; i < WEND_MAPPING_LAYERS; i++)
        at = wend_instant_min(at, wend_lease_deadline(&m->layers[i]));
    return at;
}

// The outermost first: a deletion there still passes through the inner ones.
bool wend_mapping_next_datagram(struct wend_mapping *m, struct wend_datagram *ret)
{
    for (size_t i = WEND_MAPPING_LAYERS; i-- > 0;) {
        struct wend_lease *l = &m->layers[i];
        const size_t len = wend_lease_next(l, m->out);
        if (len == 0)
            continue;
        *ret = (struct wend_datagram){.transport = WEND_TRANSPORT_UDP,
                                      .local = m->layers[0].inside,
                                      .remote = l->gateway,
                                      .bytes = {m->out, len}};
        ret->local.port = 0; // a socket of its own, not the one that is mapped
        return true;
    }
    return false;
}

const struct wend_lease *wend_mapping_find(const struct wend_mapping *m)
{
    return m->told.kind == WEND_MAPPING_MAPPED ? &m->layers[last_layer(m)] : NULL;
}

// --- names ---

const char *wend_mapping_reason_name(enum wend_mapping_reason reason)
{
    static const char *const names[WEND_MAPPING_REASON_COUNT] = {
        "none",        "no-answer", "no-service", "refused", "no-resources", "nonsense",
        "unsupported", "hidden",    "nested",     "expired", "restarted",    "no-gateway",
    };
    return names[reason];
}

const char *wend_mapping_protocol_name(enum wend_lease_protocol protocol)
{
    switch (protocol) {
    case WEND_LEASE_PCP: return "pcp";
    case WEND_LEASE_NATPMP: return "nat-pmp";
    case WEND_LEASE_UNDECIDED: break;
    }
    return "none";
}

void wend_mapping_check(const struct wend_mapping *m)
{
    wend_assert(m->event_count <= WEND_MAPPING_EVENTS);
    for (size_t i = 0; i < WEND_MAPPING_LAYERS; i++) {
        const struct wend_lease *l = &m->layers[i];
        if (l->state == WEND_LEASE_NONE)
            continue;
        wend_assert(l->gateway.port == WEND_PCP_SERVER_PORT && l->inside.port != 0);
        wend_assert(l->state != WEND_LEASE_HELD || wend_address_is_usable(&l->external));
        wend_assert(l->state != WEND_LEASE_HELD || l->lifetime_s > 0);
        wend_assert(l->state != WEND_LEASE_RESTING || l->reason != WEND_MAPPING_NO_REASON);
        wend_assert(i == 0 || l->state == WEND_LEASE_CLOSING ||
                    wend_address_equal(&l->inside, &m->layers[i - 1].external));
        // Nobody waits for ever: there is always something planned.
        wend_assert(wend_lease_deadline(l) != WEND_NEVER);
    }
}
