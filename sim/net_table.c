// SPDX-License-Identifier: MIT
#include "net_table.h"

static wend_duration timeout_of(const struct wend_sim_box *b, uint8_t proto, bool answered)
{
    if (proto == PROTO_TCP)
        return b->tcp_timeout != 0 ? b->tcp_timeout : WEND_SIM_TCP_TIMEOUT;
    if (!answered && b->udp_unanswered != 0)
        return b->udp_unanswered;
    return b->udp_timeout != 0 ? b->udp_timeout : WEND_SIM_UDP_TIMEOUT;
}

static bool mapping_lives(const struct wend_sim_net *n, const struct mapping *m)
{
    if (m->granted > n->now)
        return true;
    if (m->untouched)
        return false;
    return n->now - m->last < timeout_of(&n->sites[m->site].box, m->proto, m->answered);
}

static bool session_lives(const struct wend_sim_net *n, const struct session *x)
{
    if (x->mapping == 0)
        return n->now - x->last < WEND_SIM_TUPLE_TIMEOUT;
    const struct mapping *m = &n->mappings[x->mapping - 1];
    return m->site != 0 && m->serial == x->mapping_serial &&
           n->now - x->last < timeout_of(&n->sites[x->site].box, x->proto, x->answered);
}

static uint16_t *inside_head(struct wend_sim_net *n, const struct mapping_key *key)
{
    const uint64_t h =
        mix_address(mix_address(key->site << 8 | key->proto, &key->inside), &key->peer);
    return &n->inside_heads[(h >> 7) & n->mapping_mask];
}

static uint16_t *outside_head(struct wend_sim_net *n, uint32_t site, uint8_t proto,
                              const struct wend_address *outside)
{
    return &n->outside_heads[(mix_address(site << 8 | proto, outside) >> 7) & n->mapping_mask];
}

static uint16_t *session_head(struct wend_sim_net *n, const struct session_key *key)
{
    const uint64_t h =
        mix_address(mix_address(key->site << 8 | key->proto, &key->outside), &key->peer);
    return &n->session_heads[(h >> 7) & n->session_mask];
}

// Index of a free place of the pool, or UINT32_MAX. The caller pops the free list's head itself.
static uint32_t take(struct pool *p, uint32_t next_free)
{
    if (p->free != 0) {
        const uint32_t index = p->free - 1;
        p->free = next_free;
        return index;
    }
    return p->used < p->max ? p->used++ : UINT32_MAX;
}

static bool pool_is_full(const struct pool *p)
{
    return p->free == 0 && p->used == p->max;
}

// --- mappings ---

uint32_t wend_sim_mapping_number(const struct wend_sim_net *n, const struct mapping *m)
{
    return (uint32_t)(m - n->mappings) + 1;
}

static struct mapping_key key_of(const struct mapping *m)
{
    return (struct mapping_key){m->site, m->proto, m->inside, m->peer};
}

void wend_sim_mapping_free(struct wend_sim_net *n, struct mapping *m)
{
    const uint16_t number = (uint16_t)wend_sim_mapping_number(n, m);
    const struct mapping_key key = key_of(m);
    uint16_t *at = inside_head(n, &key);
    while (*at != number)
        at = &n->mappings[*at - 1].next_inside;
    *at = m->next_inside;
    at = outside_head(n, m->site, m->proto, &m->outside);
    while (*at != number)
        at = &n->mappings[*at - 1].next_outside;
    *at = m->next_outside;
    n->sites[m->site].mappings--;
    n->sites[m->site].overrides -= m->override;
    m->site = 0;
    m->next_inside = (uint16_t)n->mapping_pool.free;
    n->mapping_pool.free = number;
}

// Frees what has expired, of one site or (0) of all.
static void sweep_mappings(struct wend_sim_net *n, uint32_t site)
{
    for (uint32_t i = 0; i < n->mapping_pool.used; i++) {
        struct mapping *m = &n->mappings[i];
        if (m->site != 0 && (site == 0 || m->site == site) && !mapping_lives(n, m))
            wend_sim_mapping_free(n, m);
    }
}

static uint32_t count_of_host(const struct wend_sim_net *n, uint32_t site,
                              const struct wend_address *inside)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < n->mapping_pool.used; i++) {
        const struct mapping *m = &n->mappings[i];
        count += m->site == site && same_ip(&m->inside, inside) && mapping_lives(n, m);
    }
    return count;
}

enum table_room wend_sim_table_room(struct wend_sim_net *n, uint32_t site,
                                    const struct wend_address *inside)
{
    const struct site *s = &n->sites[site];
    const uint32_t limit = s->box.port_limit, own = s->box.host_limit;
    if (limit != 0 && s->mappings >= limit)
        sweep_mappings(n, site);
    if (pool_is_full(&n->mapping_pool))
        sweep_mappings(n, 0);
    if (pool_is_full(&n->mapping_pool))
        return FULL_FOR_ALL;
    if (limit != 0 && s->mappings >= limit)
        return FULL_FOR_BOX;
    return own != 0 && count_of_host(n, site, inside) >= own ? FULL_FOR_HOST : ROOM;
}

bool wend_sim_table_throw_out(struct wend_sim_net *n, uint32_t site,
                              const struct wend_address *inside)
{
    struct mapping *oldest = NULL;
    for (uint32_t i = 0; i < n->mapping_pool.used; i++) {
        struct mapping *m = &n->mappings[i];
        if (m->site != site || (inside != NULL && !same_ip(&m->inside, inside)) ||
            m->granted > n->now)
            continue;
        if (oldest == NULL || m->last < oldest->last ||
            (m->last == oldest->last && m->serial < oldest->serial))
            oldest = m;
    }
    if (oldest != NULL)
        wend_sim_mapping_free(n, oldest);
    return oldest != NULL;
}

bool wend_sim_table_maps(struct wend_sim_net *n, uint32_t site, uint8_t proto,
                         const struct wend_address *inside)
{
    for (uint32_t i = 0; i < n->mapping_pool.used; i++) {
        const struct mapping *m = &n->mappings[i];
        if (m->site == site && m->proto == proto && same_address(&m->inside, inside) &&
            mapping_lives(n, m))
            return true;
    }
    return false;
}

struct mapping *wend_sim_mapping_add(struct wend_sim_net *n, const struct mapping_key *key,
                                     const struct wend_address *outside)
{
    const uint32_t free = n->mapping_pool.free;
    const uint32_t next_free = free == 0 ? 0 : n->mappings[free - 1].next_inside;
    const uint32_t index = take(&n->mapping_pool, next_free);
    wend_assert(index != UINT32_MAX);
    uint16_t *inside_at = inside_head(n, key);
    uint16_t *outside_at = outside_head(n, key->site, key->proto, outside);
    n->mappings[index] = (struct mapping){
        .next_inside = *inside_at,
        .next_outside = *outside_at,
        .site = key->site,
        .serial = ++n->mapping_serial,
        .proto = key->proto,
        .last = n->now,
        .inside = key->inside,
        .outside = *outside,
        .peer = key->peer,
    };
    *inside_at = *outside_at = (uint16_t)(index + 1);
    n->sites[key->site].mappings++;
    return &n->mappings[index];
}

struct mapping *wend_sim_mapping_find(struct wend_sim_net *n, const struct mapping_key *key)
{
    uint32_t at = *inside_head(n, key);
    while (at != 0) {
        struct mapping *m = &n->mappings[at - 1];
        at = m->next_inside;
        if (m->site != key->site || m->proto != key->proto ||
            !same_address(&m->inside, &key->inside) || !same_address(&m->peer, &key->peer))
            continue;
        if (mapping_lives(n, m))
            return m;
        wend_sim_mapping_free(n, m);
        return NULL;
    }
    return NULL;
}

struct mapping *wend_sim_mapping_find_outside(struct wend_sim_net *n, uint32_t site, uint8_t proto,
                                              const struct wend_address *outside)
{
    uint32_t at = *outside_head(n, site, proto, outside);
    while (at != 0) {
        struct mapping *m = &n->mappings[at - 1];
        at = m->next_outside;
        if (m->site != site || m->proto != proto || !same_address(&m->outside, outside))
            continue;
        if (mapping_lives(n, m))
            return m;
        wend_sim_mapping_free(n, m);
        return NULL;
    }
    return NULL;
}

struct mapping *wend_sim_mapping_find_granted(struct wend_sim_net *n, uint32_t site, uint8_t proto,
                                              const struct wend_address *outside)
{
    if (n->sites[site].box.gateway == WEND_SIM_GATEWAY_NONE ||
        n->sites[site].box.gateway_harm == WEND_SIM_GATEWAY_FORGETS)
        return NULL;
    for (uint32_t at = *outside_head(n, site, proto, outside); at != 0;) {
        struct mapping *m = &n->mappings[at - 1];
        at = m->next_outside;
        if (m->site == site && m->proto == proto && m->granted > n->now &&
            same_address(&m->outside, outside))
            return m;
    }
    return NULL;
}

// --- sessions ---

static void session_free(struct wend_sim_net *n, struct session *x)
{
    const uint16_t number = (uint16_t)(x - n->sessions + 1);
    const struct session_key key = {x->site, x->proto, x->outside, x->peer};
    uint16_t *at = session_head(n, &key);
    while (*at != number)
        at = &n->sessions[*at - 1].next;
    *at = x->next;
    x->site = 0;
    x->next = (uint16_t)n->session_pool.free;
    n->session_pool.free = number;
}

static void sweep_sessions(struct wend_sim_net *n)
{
    for (uint32_t i = 0; i < n->session_pool.used; i++) {
        struct session *x = &n->sessions[i];
        if (x->site != 0 && !session_lives(n, x))
            session_free(n, x);
    }
}

struct session *wend_sim_session_find(struct wend_sim_net *n, const struct session_key *key)
{
    uint32_t at = *session_head(n, key);
    while (at != 0) {
        struct session *x = &n->sessions[at - 1];
        at = x->next;
        if (x->site != key->site || x->proto != key->proto ||
            !same_address(&x->outside, &key->outside) || !same_address(&x->peer, &key->peer))
            continue;
        if (session_lives(n, x))
            return x;
        session_free(n, x);
        return NULL;
    }
    return NULL;
}

struct session *wend_sim_session_add(struct wend_sim_net *n, const struct session_key *key)
{
    if (pool_is_full(&n->session_pool))
        sweep_sessions(n);
    const uint32_t free = n->session_pool.free;
    const uint32_t index = take(&n->session_pool, free == 0 ? 0 : n->sessions[free - 1].next);
    if (index == UINT32_MAX)
        return NULL;
    uint16_t *head = session_head(n, key);
    n->sessions[index] = (struct session){
        .next = *head,
        .site = key->site,
        .proto = key->proto,
        .last = n->now,
        .outside = key->outside,
        .peer = key->peer,
    };
    *head = (uint16_t)(index + 1);
    return &n->sessions[index];
}

// Where the filter depends on nothing, it still has to be known who talks with whom.
struct session_key wend_sim_session_key(const struct site *s, uint32_t site, uint8_t proto,
                                        const struct wend_address *outside,
                                        const struct wend_address *peer)
{
    struct session_key key = {site, proto, *outside, *peer};
    if (s->box.filtering == WEND_SIM_ADDRESS_DEPENDENT)
        key.peer = without_port(peer);
    return key;
}

bool wend_sim_table_talks(struct wend_sim_net *n, uint32_t site, uint8_t proto,
                          const struct wend_address *outside, const struct wend_address *peer)
{
    const struct session_key key =
        wend_sim_session_key(&n->sites[site], site, proto, outside, peer);
    return wend_sim_session_find(n, &key) != NULL;
}

// --- all of a site ---

void wend_sim_box_forget(struct wend_sim_net *n, uint32_t site)
{
    for (uint32_t i = 0; i < n->mapping_pool.used; i++)
        if (n->mappings[i].site == site)
            wend_sim_mapping_free(n, &n->mappings[i]);
    for (uint32_t i = 0; i < n->session_pool.used; i++)
        if (n->sessions[i].site == site)
            session_free(n, &n->sessions[i]);
}

void wend_sim_box_check(const struct wend_sim_net *n)
{
    uint32_t in_use = 0, of_sites = 0, chained = 0;
    for (uint32_t i = 0; i < n->mapping_pool.used; i++)
        in_use += n->mappings[i].site != 0;
    for (uint32_t i = 1; i < n->site_count; i++)
        of_sites += n->sites[i].mappings;
    for (uint32_t i = 0; i <= n->mapping_mask; i++)
        for (uint32_t at = n->outside_heads[i]; at != 0; at = n->mappings[at - 1].next_outside)
            chained++;
    wend_assert(in_use == of_sites && in_use == chained);
    uint32_t sessions = 0, chained_sessions = 0;
    for (uint32_t i = 0; i < n->session_pool.used; i++)
        sessions += n->sessions[i].site != 0;
    for (uint32_t i = 0; i <= n->session_mask; i++)
        for (uint32_t at = n->session_heads[i]; at != 0; at = n->sessions[at - 1].next)
            chained_sessions++;
    wend_assert(sessions == chained_sessions);
}
