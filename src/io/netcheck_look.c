// SPDX-License-Identifier: MIT
#include "io/netcheck_look.h"

#include <errno.h>
#include <string.h>

#include "wire/stun.h"

void wend_look_init(struct wend_look *l, const struct wend_address *servers, size_t count,
                    const uint8_t random[static WEND_LOOK_RANDOM_LEN])
{
    memset(l, 0, sizeof *l);
    memcpy(l->random, random, sizeof l->random);
    for (size_t i = 0; i < count && l->count < WEND_LOOK_SERVERS_MAX; i++)
        l->servers[l->count++].address = servers[i];
}

static void make_id(const struct wend_look *l, size_t server, size_t try,
                    uint8_t ret[static WEND_STUN_TRANSACTION_LEN])
{
    memcpy(ret, l->random, WEND_STUN_TRANSACTION_LEN);
    ret[10] ^= (uint8_t)server;
    ret[11] ^= (uint8_t)try;
}

static size_t write_request(struct wend_look *l, size_t server)
{
    struct wend_stun_header header = {.method = WEND_STUN_METHOD_BINDING,
                                      .class = WEND_STUN_REQUEST};
    struct wend_stun_writer w;

    make_id(l, server, l->servers[server].tries, header.transaction);
    wend_stun_begin(&w, l->request, sizeof l->request, &header);
    wend_stun_fill(&w);
    return wend_stun_finish(&w);
}

static void take(struct wend_look_server *s, const struct wend_stun *m, wend_duration delay)
{
    s->over = true;
    s->due = false;
    if (s->mapped.family != WEND_FAMILY_NONE)
        return; // a later try's answer
    s->delay = delay;
    s->refused = m->class != WEND_STUN_SUCCESS;
    if (s->refused)
        return;
    s->mapped = wend_stun_has(m, WEND_STUN_XOR_MAPPED_ADDRESS) ? m->xor_mapped : m->mapped;
    s->refused = s->mapped.family == WEND_FAMILY_NONE;
    if (wend_address_is_usable(&m->other) && m->other.family == s->address.family &&
        !wend_address_same_ip(&m->other, &s->address) && m->other.port != s->address.port)
        s->other = m->other;
}

int wend_look_receive(struct wend_look *l, const struct wend_datagram *in, wend_instant now)
{
    uint8_t id[WEND_STUN_TRANSACTION_LEN];
    struct wend_stun m;

    if (wend_stun_read(in->bytes, &m) != 0)
        return -EBADMSG;
    if (m.method != WEND_STUN_METHOD_BINDING ||
        (m.class != WEND_STUN_SUCCESS && m.class != WEND_STUN_ERROR))
        return -ESTALE;
    const size_t server = m.transaction[10] ^ l->random[10];
    const size_t try = m.transaction[11] ^ l->random[11];
    if (server >= l->count || try == 0 || try > l->servers[server].tries)
        return -ESTALE;
    make_id(l, server, try, id);
    if (memcmp(id, m.transaction, sizeof id) != 0 ||
        !wend_address_equal(&in->remote, &l->servers[server].address))
        return -ESTALE;
    take(&l->servers[server], &m, now - l->servers[server].sent[try - 1]);
    return 0;
}

void wend_look_expire(struct wend_look *l, wend_instant now)
{
    for (uint8_t i = 0; i < l->count; i++) {
        struct wend_look_server *s = &l->servers[i];
        if (s->over || s->next > now)
            continue;
        if (s->tries == WEND_LOOK_TRIES) {
            s->over = true;
            continue;
        }
        s->sent[s->tries++] = now;
        s->due = true;
        s->next = now + WEND_LOOK_PATIENCE;
    }
}

wend_instant wend_look_deadline(const struct wend_look *l)
{
    wend_instant at = WEND_NEVER;

    for (uint8_t i = 0; i < l->count; i++)
        if (!l->servers[i].over)
            at = wend_instant_min(at, l->servers[i].next);
    return at;
}

bool wend_look_next_datagram(struct wend_look *l, struct wend_datagram *ret)
{
    for (uint8_t i = 0; i < l->count; i++) {
        if (!l->servers[i].due)
            continue;
        l->servers[i].due = false;
        *ret = (struct wend_datagram){.transport = WEND_TRANSPORT_UDP,
                                      .remote = l->servers[i].address,
                                      .bytes = {l->request, write_request(l, i)}};
        return true;
    }
    return false;
}

static bool has_answered(const struct wend_look_server *s)
{
    return s->mapped.family != WEND_FAMILY_NONE || s->refused;
}

bool wend_look_is_answered(const struct wend_look *l)
{
    for (uint8_t i = 0; i < l->count; i++)
        if (has_answered(&l->servers[i]))
            return true;
    return false;
}

// Targets as they are collected.
struct targets {
    struct wend_address *at;
    size_t count;
    uint8_t family;
};

static void add(struct targets *t, const struct wend_address *ip, uint16_t port)
{
    struct wend_address one = *ip;

    one.port = port;
    if (one.family != t->family || t->count == WEND_LOOK_SERVERS_MAX)
        return;
    for (size_t i = 0; i < t->count; i++)
        if (wend_address_equal(&t->at[i], &one))
            return;
    t->at[t->count++] = one;
}

static uint8_t family_of(const struct wend_look *l)
{
    for (uint8_t i = 0; i < l->count; i++)
        if (has_answered(&l->servers[i]))
            return l->servers[i].address.family;
    return l->count > 0 ? l->servers[0].address.family : WEND_FAMILY_NONE;
}

size_t wend_look_targets(const struct wend_look *l,
                         struct wend_address ret[static WEND_LOOK_SERVERS_MAX])
{
    struct targets t = {.at = ret, .family = family_of(l)};
    const bool answered = wend_look_is_answered(l);

    for (uint8_t i = 0; i < l->count; i++) {
        const struct wend_look_server *s = &l->servers[i];
        if (s->other.family == WEND_FAMILY_NONE)
            continue;
        add(&t, &s->address, s->address.port);
        add(&t, &s->address, s->other.port);
        add(&t, &s->other, s->address.port);
        add(&t, &s->other, s->other.port);
    }
    for (uint8_t i = 0; i < l->count; i++)
        if (!answered || l->servers[i].mapped.family != WEND_FAMILY_NONE)
            add(&t, &l->servers[i].address, l->servers[i].address.port);
    return t.count;
}
