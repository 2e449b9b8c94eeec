// SPDX-License-Identifier: MIT
// A made-up gateway that speaks PCP and NAT-PMP with the codec, and a small world around it: a
// clock, a mapping machine, one gateway a layer.
#ifndef WEND_TESTS_UNIT_TRAVERSE_GATEWAY_H
#define WEND_TESTS_UNIT_TRAVERSE_GATEWAY_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "traverse/mapping.h"

struct gateway {
    struct wend_address at;
    bool pcp, natpmp;    // what it speaks; neither: silent
    bool drops_versions; // a NAT-PMP gateway that says nothing to version 2
    struct wend_address outside;
    uint16_t port;       // granted instead of the one asked for; 0: what was asked
    uint32_t lifetime_s; // granted; 0: what was asked
    uint8_t result;      // PCP's or NAT-PMP's own code
    bool zero_lifetime, wrong_nonce;
    wend_instant born;
    unsigned lose; // so many requests are lost first
    // What it saw.
    unsigned pcp_maps, pcp_announces, natpmp_addresses, natpmp_maps, deletions;
    struct wend_pcp last_pcp;
    struct wend_natpmp last_natpmp;
};

struct scene {
    struct wend_mapping m;
    struct gateway g[WEND_MAPPING_LAYERS];
    size_t gateways;
    struct wend_address inside;
    wend_instant now;
    unsigned sent;
};

static inline void scene_init(struct scene *s)
{
    memset(s, 0, sizeof *s);
    const uint8_t key[WEND_HASH_KEY_LEN] = "made-up key";
    wend_mapping_init(&s->m, key);
    s->now = WEND_S(1000);
    s->inside = wend_address_ipv4(0xc0a8010a, 54321); // 192.168.1.10
    s->gateways = 1;
    s->g[0] = (struct gateway){.at = wend_address_ipv4(0xc0a80101, WEND_PCP_SERVER_PORT),
                               .outside = wend_address_ipv4(0xcb007109, 0)}; // 203.0.113.9
}

// The first gateway speaks one of the two protocols. Returns it.
static inline struct gateway *scene_init_by(struct scene *s, bool natpmp)
{
    scene_init(s);
    s->g[0].pcp = !natpmp;
    s->g[0].natpmp = natpmp;
    return &s->g[0];
}

static inline uint32_t gateway_epoch(const struct gateway *g, wend_instant now)
{
    return (uint32_t)((now - g->born) / WEND_S(1));
}

static inline void scene_hand(struct scene *s, const struct wend_address *from, uint16_t port,
                              struct wend_bytes bytes)
{
    const struct wend_datagram in = {.transport = WEND_TRANSPORT_UDP,
                                     .remote = *from,
                                     .local = {.family = from->family, .port = port},
                                     .bytes = bytes};
    (void)wend_mapping_receive(&s->m, &in, s->now);
    wend_mapping_check(&s->m);
}

static inline void gateway_answer_pcp(struct scene *s, struct gateway *g, struct wend_pcp *q)
{
    uint8_t out[WEND_PCP_LEN_MAX];
    g->last_pcp = *q;
    g->pcp_maps += q->opcode == WEND_PCP_MAP && q->lifetime_s != 0;
    g->pcp_announces += q->opcode == WEND_PCP_ANNOUNCE;
    g->deletions += q->opcode == WEND_PCP_MAP && q->lifetime_s == 0;
    q->is_response = true;
    q->epoch_s = gateway_epoch(g, s->now);
    if (q->opcode == WEND_PCP_MAP) {
        q->result = g->result;
        if (q->lifetime_s != 0 && g->result == 0) {
            const uint16_t port = g->port != 0 ? g->port : q->external.port;
            q->external = g->outside;
            q->external.port = port;
        }
        if (g->lifetime_s != 0 && q->lifetime_s != 0)
            q->lifetime_s = g->lifetime_s;
        if (g->zero_lifetime)
            q->lifetime_s = 0;
        q->nonce[0] ^= g->wrong_nonce;
    }
    const size_t len = wend_pcp_write(q, out, sizeof out);
    scene_hand(s, &g->at, 40000, (struct wend_bytes){out, len});
}

static inline void gateway_answer_natpmp(struct scene *s, struct gateway *g, struct wend_natpmp *q)
{
    uint8_t out[WEND_NATPMP_LEN_MAX];
    g->last_natpmp = *q;
    g->natpmp_addresses += q->opcode == WEND_NATPMP_ADDRESS;
    g->natpmp_maps += q->opcode != WEND_NATPMP_ADDRESS && q->lifetime_s != 0;
    g->deletions += q->opcode != WEND_NATPMP_ADDRESS && q->lifetime_s == 0;
    q->is_response = true;
    q->result = g->result;
    q->epoch_s = gateway_epoch(g, s->now);
    q->external = g->outside;
    if (q->lifetime_s != 0 && g->port != 0)
        q->external_port = g->port;
    if (q->lifetime_s != 0 && g->lifetime_s != 0)
        q->lifetime_s = g->lifetime_s;
    if (g->zero_lifetime)
        q->lifetime_s = 0;
    const size_t len = wend_natpmp_write(q, out, sizeof out);
    scene_hand(s, &g->at, 40000, (struct wend_bytes){out, len});
}

static inline void gateway_take(struct scene *s, struct gateway *g, struct wend_bytes in)
{
    struct wend_pcp pcp;
    struct wend_natpmp natpmp;
    if (g->lose > 0) {
        g->lose--;
        return;
    }
    if (wend_pcp_read(in, &pcp) == 0) {
        assert_int_equal(pcp.fault, WEND_PCP_SUCCESS);
        const uint8_t version[] = {0, 0, 0, 1, 0, 0, 0, 9}; // RFC 6886 section 3.5
        if (g->pcp)
            gateway_answer_pcp(s, g, &pcp);
        else if (g->natpmp && !g->drops_versions)
            scene_hand(s, &g->at, 40000, WEND_BYTES(version));
    } else {
        assert_int_equal(wend_natpmp_read(in, &natpmp), 0);
        if (g->natpmp)
            gateway_answer_natpmp(s, g, &natpmp);
    }
}

// Carries what is due, until nothing more is.
static inline void scene_carry(struct scene *s)
{
    struct wend_datagram out;
    uint8_t bytes[WEND_LEASE_REQUEST_LEN];
    wend_mapping_expire(&s->m, s->now);
    while (wend_mapping_next_datagram(&s->m, &out)) {
        s->sent++;
        memcpy(bytes, out.bytes.at, out.bytes.len);
        assert_int_equal(out.remote.port, WEND_PCP_SERVER_PORT);
        for (size_t i = 0; i < s->gateways; i++)
            if (wend_address_equal(&s->g[i].at, &out.remote))
                gateway_take(s, &s->g[i], (struct wend_bytes){bytes, out.bytes.len});
        wend_mapping_check(&s->m);
    }
}

// Lets time pass, stopping wherever the machine wants.
static inline void scene_pass(struct scene *s, wend_duration d)
{
    const wend_instant end = s->now + d;
    scene_carry(s);
    for (wend_instant at; (at = wend_mapping_deadline(&s->m)) <= end;) {
        s->now = at > s->now ? at : s->now + 1;
        scene_carry(s);
    }
    s->now = end;
}

static inline void scene_start(struct scene *s)
{
    wend_mapping_start(&s->m, &s->g[0].at, &s->inside, s->now);
    scene_carry(s);
}

static inline void gateway_restart(struct scene *s, struct gateway *g)
{
    g->born = s->now;
}

static inline void gateway_announce(struct scene *s, struct gateway *g, bool pcp)
{
    uint8_t out[WEND_PCP_LEN_MAX];
    const struct wend_pcp p = {.is_response = true, .epoch_s = gateway_epoch(g, s->now)};
    const struct wend_natpmp n = {
        .is_response = true, .epoch_s = gateway_epoch(g, s->now), .external = g->outside};
    const size_t len =
        pcp ? wend_pcp_write(&p, out, sizeof out) : wend_natpmp_write(&n, out, sizeof out);
    scene_hand(s, &g->at, WEND_PCP_CLIENT_PORT, (struct wend_bytes){out, len});
}

static inline struct wend_mapping_event scene_event(struct scene *s,
                                                    enum wend_mapping_event_kind kind)
{
    struct wend_mapping_event e;
    assert_true(wend_mapping_next_event(&s->m, &e));
    assert_int_equal(e.kind, kind);
    return e;
}

static inline void scene_quiet(struct scene *s)
{
    struct wend_mapping_event e;
    assert_false(wend_mapping_next_event(&s->m, &e));
}

static inline void scene_mapped(struct scene *s, uint32_t ip, uint16_t port)
{
    const struct wend_mapping_event e = scene_event(s, WEND_MAPPING_MAPPED);
    const struct wend_address want = wend_address_ipv4(ip, port);
    assert_true(wend_address_equal(&e.external, &want));
    assert_non_null(wend_mapping_find(&s->m));
}

static inline void scene_failed(struct scene *s, enum wend_mapping_reason reason)
{
    assert_int_equal(scene_event(s, WEND_MAPPING_FAILED).reason, reason);
    assert_null(wend_mapping_find(&s->m));
}

#endif
