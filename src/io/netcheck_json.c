// SPDX-License-Identifier: MIT
#include "io/netcheck_json.h"

#include <string.h>

#include "io/netcheck_words.h"
#include "io/status_json.h"
#include "traverse/nat_lifetime.h"

static json_t *address_or_null(const struct wend_address *a)
{
    char text[WEND_ADDRESS_TEXT_LEN];

    return a->family != WEND_FAMILY_NONE ? json_string(wend_address_format(a, text)) : json_null();
}

static json_t *answer_or_null(enum wend_nat_answer a)
{
    return a == WEND_NAT_ANSWER_UNKNOWN ? json_null() : json_boolean(a == WEND_NAT_YES);
}

static json_t *milliseconds(wend_duration d)
{
    const wend_duration microseconds = d / 1000;

    return json_real((double)microseconds / 1000.0);
}

struct wend_nat_model wend_netcheck_model(const struct wend_netcheck *n)
{
    const struct wend_nat_model nothing = {.serial = 0};
    struct wend_nat_model m = *wend_discovery_model(&n->discovery);

    if (m.public.family == WEND_FAMILY_NONE && (m.udp != WEND_NAT_NO || wend_netcheck_has_udp(n)))
        m = nothing;
    m.mapped = n->mapped;
    if (n->lifetime_asked && n->lifetime.way != WEND_LIFETIME_UNKNOWN)
        m.lifetime_s = wend_nat_lifetime_between(n->lifetime.lived, n->lifetime.died);
    return m;
}

// --- nat ---

static json_t *estimate(const struct wend_nat_estimate *e)
{
    return json_pack("{s:i, s:i, s:i}", "least", (int)e->least, "likely", (int)e->likely, "most",
                     (int)e->most);
}

static json_t *block(const struct wend_nat_model *m)
{
    if (m->high.most == 0)
        return json_null();
    return json_pack("{s:o, s:o}", "low", estimate(&m->low), "high", estimate(&m->high));
}

static json_t *rate(const struct wend_nat_model *m)
{
    if (m->rate.most == 0)
        return json_null();
    return json_pack("{s:f, s:f, s:f}", "least", m->rate.least / 100.0, "likely",
                     m->rate.likely / 100.0, "most", m->rate.most / 100.0);
}

static const char *way_name(enum wend_lifetime_way way)
{
    switch (way) {
    case WEND_LIFETIME_UNKNOWN: return "unknown";
    case WEND_LIFETIME_RESPONSE_PORT: return "response-port";
    case WEND_LIFETIME_HAIRPIN: return "hairpin";
    case WEND_LIFETIME_ASK_AGAIN: return "ask-again";
    }
    return "unknown";
}

static json_t *lifetime(const struct wend_netcheck *n)
{
    const struct wend_lifetime *l = &n->lifetime;
    const bool known = l->way != WEND_LIFETIME_UNKNOWN;

    if (!n->lifetime_asked)
        return json_null();
    return json_pack("{s:s, s:o, s:o}", "method", way_name(l->way), "least_ms",
                     known ? milliseconds(l->lived) : json_null(), "most_ms",
                     known && l->died > 0 ? milliseconds(l->died) : json_null());
}

static json_t *sample(const struct wend_address *server, const struct wend_address *local,
                      const struct wend_address *mapped)
{
    return json_pack("{s:o, s:o, s:o}", "server", address_or_null(server), "local",
                     address_or_null(local), "mapped", address_or_null(mapped));
}

static json_t *samples(const struct wend_netcheck *n)
{
    const struct wend_nat_samples *seen = &n->discovery.samples;
    json_t *all = json_array();

    for (size_t i = 0; i < n->look.count; i++) {
        const struct wend_look_server *s = &n->look.servers[i];
        const struct wend_address none = {0};
        const bool same = s->address.family == n->looked_from.family;
        json_array_append_new(all, sample(&s->address, same ? &n->looked_from : &none, &s->mapped));
    }
    for (uint32_t i = 0; i < seen->count; i++)
        json_array_append_new(all,
                              sample(&seen->at[i].to, &seen->at[i].inside, &seen->at[i].outside));
    return all;
}

static json_t *nat(const struct wend_netcheck *n)
{
    const struct wend_nat_model model = wend_netcheck_model(n);
    const struct wend_nat_model *m = &model;
    const struct wend_status_about about = {
        .port_mapping = n->gateway_asked ? n->port_mapping : NULL,
        .gateways = n->gateways,
    };
    json_t *all = wend_status_nat(m, &m->public, &about);

    json_object_set_new(all, "mapped", address_or_null(&n->mapped));
    json_object_set_new(all, "udp", answer_or_null(m->udp));
    json_object_set_new(all, "hairpin", answer_or_null(m->hairpin));
    json_object_set_new(all, "block", block(m));
    json_object_set_new(all, "rate_per_s", rate(m));
    json_object_set_new(all, "lifetime", lifetime(n));
    json_object_set_new(all, "samples", samples(n));
    return all;
}

// --- servers ---

static json_t *transport(bool reachable, wend_duration delay, const char *error)
{
    return json_pack("{s:b, s:o, s:s?}", "reachable", (int)reachable, "rtt_ms",
                     reachable ? milliseconds(delay) : json_null(), "error", error);
}

static json_t *server(const struct wend_netcheck *n, size_t i)
{
    const struct wend_look_server *s = &n->look.servers[i];
    const struct wend_netcheck_tcp *t = &n->tcp[i];
    const bool udp = s->refused || s->mapped.family != WEND_FAMILY_NONE;
    const char *udp_error = s->refused ? "refuses to tell" : udp ? NULL : "no answer";

    return json_pack("{s:o, s:o, s:o, s:o}", "address", address_or_null(&s->address),
                     "other_address", address_or_null(&s->other), "udp",
                     transport(udp, s->delay, udp_error), "tcp",
                     transport(t->delay > 0, t->delay, t->error != 0 ? strerror(t->error) : NULL));
}

static json_t *servers(const struct wend_netcheck *n)
{
    json_t *all = json_array();

    for (size_t i = 0; i < n->look.count; i++)
        json_array_append_new(all, server(n, i));
    return all;
}

// --- what follows from it ---

struct wend_words_outlook wend_netcheck_outlook(const struct wend_netcheck *n)
{
    const struct wend_discovery *d = &n->discovery;
    bool second = false;

    for (uint8_t i = 1; i < d->server_count; i++)
        second |= !wend_address_same_ip(&d->servers[i], &d->servers[0]);
    return (struct wend_words_outlook){
        .port_mapped = n->mapped.family != WEND_FAMILY_NONE,
        .mapping_asked = n->gateway_asked,
        .tcp_works = wend_netcheck_has_tcp(n),
        .contradiction = d->contradictions > 0,
        .lies = wend_netcheck_is_lied_to(n),
        .second_address = second,
    };
}

static json_t *reach(const struct wend_nat_model *m)
{
    json_t *all = json_array();

    for (size_t i = 0; i < WEND_TYPICAL_PEERS; i++) {
        const struct wend_words_peer p = wend_words_peer(m, i);
        json_array_append_new(all, json_pack("{s:s, s:s, s:s}", "peer", p.peer, "reach",
                                             wend_words_reach(p.reach), "reason", p.reason));
    }
    return all;
}

json_t *wend_netcheck_json(const struct wend_netcheck *n)
{
    const struct wend_nat_model m = wend_netcheck_model(n);
    const struct wend_words_outlook outlook = wend_netcheck_outlook(n);
    const char *advice[WEND_ADVICE_MAX];
    const size_t count = wend_words_advice(&m, &outlook, advice);
    json_t *advices = json_array();

    for (size_t i = 0; i < count; i++)
        json_array_append_new(advices, json_string(advice[i]));
    return json_pack("{s:i, s:o, s:o, s:o, s:o}", "version", 1, "nat", nat(n), "servers",
                     servers(n), "reach", reach(&m), "advice", advices);
}
