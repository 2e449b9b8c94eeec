// SPDX-License-Identifier: MIT
// A NAT's gateway: hosts inside ask it to let everybody reach a port of theirs, by PCP (RFC 6887)
// or NAT-PMP (RFC 6886), at port 5351 of its address in their site, or by a call that stands for
// UPnP.
//
// What is granted is a mapping like any other one, marked as such. Where mappings depend on the
// peer it stands beside those that traffic makes, as RFC 6887 section 16.1 has it: "On arrival of a
// packet (inbound from the Internet or outbound from an internal host), first attempt to use a
// dynamic outbound mapping to process that packet. If none match, attempt to use an inbound mapping
// to process that packet."
#include <errno.h>

#include "net_table.h"
#include "wire/natpmp.h"
#include "wire/pcp.h"

#define ERROR_LIFETIME_S 60 // of a refusal

struct ask {
    uint32_t site;
    struct wend_address inside;
    uint16_t wished; // outside port
    uint32_t lifetime_s;
    uint64_t nonce;
};

enum verdict {
    GRANTED = 0, // or deleted
    NOT_ALLOWED,
    NO_ROOM,
};

bool wend_sim_gateway_is(const struct wend_sim_net *n, uint32_t site, const struct cell *c)
{
    const struct site *s = &n->sites[site];

    return s->box.gateway != WEND_SIM_GATEWAY_NONE && c->kind == CELL_DATAGRAM &&
           s->inside.family != WEND_FAMILY_NONE && same_ip(&s->inside, &c->to);
}

// --- the table ---

static struct mapping *add(struct wend_sim_net *n, const struct mapping_key *key, uint16_t wished)
{
    const struct port_wish wish = {key->site, key->proto, key->inside, {0}};
    struct wend_address outside;

    if (wend_sim_table_room(n, key->site, &key->inside) != ROOM)
        return NULL;
    if (!wend_sim_port_ask(n, &wish, wished, &outside) &&
        !wend_sim_port_choose(n, &wish, true, &outside))
        return NULL;
    struct mapping *m = wend_sim_mapping_add(n, key, &outside);
    m->untouched = true;
    wend_sim_note_mapped(n, m);
    return m;
}

// "the mapping nonce does not match, the request MUST be rejected with a NOT_AUTHORIZED error" (RFC
// 6887 section 11.3).
static enum verdict decide(struct wend_sim_net *n, const struct ask *a,
                           struct wend_address *ret_outside)
{
    const struct mapping_key key = {a->site, PROTO_UDP, a->inside, {0}};
    struct mapping *m = wend_sim_mapping_find(n, &key);

    if (m != NULL && m->granted > n->now && m->nonce != a->nonce)
        return NOT_ALLOWED;
    if (a->lifetime_s == 0) {
        if (m != NULL)
            m->granted = 0;
        return GRANTED;
    }
    if (m == NULL)
        m = add(n, &key, a->wished);
    if (m == NULL)
        return NO_ROOM;
    m->granted = n->now + WEND_S(a->lifetime_s);
    m->nonce = a->nonce;
    *ret_outside = m->outside;
    return GRANTED;
}

static uint32_t epoch_of(const struct wend_sim_net *n, const struct site *s)
{
    return (uint32_t)((n->now - s->born) / WEND_S(1));
}

static uint32_t lifetime_of(const struct wend_sim_box *b, uint32_t asked)
{
    return b->gateway_lifetime_s != 0 && asked > b->gateway_lifetime_s ? b->gateway_lifetime_s
                                                                       : asked;
}

// What it says instead of doing anything.
static enum verdict verdict_of_harm(const struct wend_sim_box *b)
{
    switch (b->gateway_harm) {
    case WEND_SIM_GATEWAY_REFUSES: return NOT_ALLOWED;
    case WEND_SIM_GATEWAY_FULL: return NO_ROOM;
    case WEND_SIM_GATEWAY_SOUND:
    case WEND_SIM_GATEWAY_NO_LIFETIME:
    case WEND_SIM_GATEWAY_NOWHERE:
    case WEND_SIM_GATEWAY_CONFUSED:
    case WEND_SIM_GATEWAY_GARBLED:
    case WEND_SIM_GATEWAY_ELSEWHERE:
    case WEND_SIM_GATEWAY_FORGETS:
    case WEND_SIM_GATEWAY_HARMS: break;
    }
    return GRANTED;
}

// What becomes of a request that is in order; `ret_outside` bears the wished port.
static enum verdict serve(struct wend_sim_net *n, const struct ask *a,
                          struct wend_address *ret_outside)
{
    const struct site *s = &n->sites[a->site];

    if (s->box.gateway_harm == WEND_SIM_GATEWAY_SOUND)
        return decide(n, a, ret_outside);
    if (s->box.gateway_harm == WEND_SIM_GATEWAY_FORGETS) {
        *ret_outside = wend_sim_box_public(s, 0);
        ret_outside->port = a->wished;
    }
    return verdict_of_harm(&s->box);
}

// --- PCP ---

static uint64_t nonce_of(const struct wend_pcp *q)
{
    uint64_t parts[2] = {0};

    memcpy(parts, q->nonce, sizeof q->nonce);
    return mix(parts[0], parts[1]);
}

static void spoil_pcp(const struct wend_sim_box *b, struct wend_pcp *q)
{
    if (b->gateway_harm == WEND_SIM_GATEWAY_NO_LIFETIME)
        q->lifetime_s = 0;
    if (b->gateway_harm == WEND_SIM_GATEWAY_NOWHERE)
        q->external = (struct wend_address){.family = WEND_FAMILY_IPV4};
    if (b->gateway_harm == WEND_SIM_GATEWAY_CONFUSED)
        q->nonce[0] ^= 1;
}

static void map_by_pcp(struct wend_sim_net *n, uint32_t site, const struct cell *c,
                       struct wend_pcp *q)
{
    static const enum wend_pcp_result results[] = {WEND_PCP_SUCCESS, WEND_PCP_NOT_AUTHORIZED,
                                                   WEND_PCP_NO_RESOURCES};
    const struct wend_sim_box *b = &n->sites[site].box;
    struct ask a = {site, without_port(&c->from), q->external.port, lifetime_of(b, q->lifetime_s),
                    nonce_of(q)};

    a.inside.port = q->internal_port;
    if (q->protocol != WEND_PCP_PROTOCOL_UDP || q->internal_port == 0) {
        q->result = WEND_PCP_UNSUPP_PROTOCOL;
        return;
    }
    const enum verdict v = serve(n, &a, &q->external);
    q->result = (uint8_t)results[v];
    q->lifetime_s = v == GRANTED ? a.lifetime_s : ERROR_LIFETIME_S;
    spoil_pcp(b, q);
}

// What is wrong with a request before it is looked at.
static enum wend_pcp_result fault_of(const struct wend_pcp *q, const struct cell *c)
{
    if (q->fault != WEND_PCP_SUCCESS)
        return q->fault;
    if (!same_ip(&q->client, &c->from))
        return WEND_PCP_ADDRESS_MISMATCH;
    if (q->filter_count > 0 || q->prefer_failure || q->third_party.family != WEND_FAMILY_NONE)
        return WEND_PCP_UNSUPP_OPTION;
    return q->opcode <= WEND_PCP_MAP ? WEND_PCP_SUCCESS : WEND_PCP_UNSUPP_OPCODE;
}

// The request itself, with another header (RFC 6887 section 8.2).
static size_t refuse(struct wend_bytes in, enum wend_pcp_result why, uint32_t epoch_s, uint8_t *out)
{
    struct wend_writer w = wend_writer_of(out, WEND_PCP_LEN_MAX);

    if (in.len < WEND_PCP_HEADER_LEN)
        return 0;
    wend_write_u8(&w, WEND_PCP_VERSION);
    wend_write_u8(&w, in.at[1] | 0x80);
    wend_write_u16(&w, (uint16_t)why);
    wend_write_u32(&w, ERROR_LIFETIME_S);
    wend_write_u32(&w, epoch_s);
    wend_write_zeros(&w, 12);
    in.at += WEND_PCP_HEADER_LEN;
    in.len -= WEND_PCP_HEADER_LEN;
    wend_write_bytes(&w, in);
    return w.failed ? 0 : w.len;
}

static size_t answer_pcp(struct wend_sim_net *n, uint32_t site, const struct cell *c,
                         struct wend_pcp *q, uint8_t *out)
{
    const enum wend_pcp_result fault = fault_of(q, c);
    const uint32_t epoch_s = epoch_of(n, &n->sites[site]);

    if (q->is_response)
        return 0;
    if (fault != WEND_PCP_SUCCESS)
        return refuse((struct wend_bytes){payload(n, c), c->len}, fault, epoch_s, out);
    q->is_response = true;
    q->epoch_s = epoch_s;
    if (q->opcode == WEND_PCP_MAP)
        map_by_pcp(n, site, c, q);
    return wend_pcp_write(q, out, WEND_PCP_LEN_MAX);
}

// --- NAT-PMP ---

static void map_by_natpmp(struct wend_sim_net *n, uint32_t site, const struct cell *c,
                          struct wend_natpmp *q)
{
    static const enum wend_natpmp_result results[] = {
        WEND_NATPMP_SUCCESS, WEND_NATPMP_NOT_AUTHORIZED, WEND_NATPMP_OUT_OF_RESOURCES};
    const struct wend_sim_box *b = &n->sites[site].box;
    const uint16_t wished = q->external_port;
    struct ask a = {site, without_port(&c->from), wished, lifetime_of(b, q->lifetime_s), 0};
    struct wend_address outside = {.port = q->external_port};

    a.inside.port = q->internal_port;
    const enum verdict v = serve(n, &a, &outside);
    q->result = (uint16_t)results[v];
    q->external_port = outside.port;
    q->lifetime_s = v == GRANTED ? a.lifetime_s : 0;
    if (b->gateway_harm == WEND_SIM_GATEWAY_NO_LIFETIME)
        q->lifetime_s = 0;
    if (b->gateway_harm == WEND_SIM_GATEWAY_NOWHERE)
        q->external_port = 0;
    q->internal_port ^= b->gateway_harm == WEND_SIM_GATEWAY_CONFUSED;
}

static size_t answer_natpmp(struct wend_sim_net *n, uint32_t site, const struct cell *c,
                            struct wend_natpmp *q, uint8_t *out)
{
    const struct site *s = &n->sites[site];

    if (q->is_response)
        return 0;
    q->is_response = true;
    q->epoch_s = epoch_of(n, s);
    if (q->opcode == WEND_NATPMP_MAP_UDP && q->internal_port != 0)
        map_by_natpmp(n, site, c, q);
    else if (q->opcode != WEND_NATPMP_ADDRESS)
        q->result = WEND_NATPMP_UNSUPPORTED_OPCODE;
    else if (s->box.gateway_harm == WEND_SIM_GATEWAY_NOWHERE)
        q->external = (struct wend_address){.family = WEND_FAMILY_IPV4};
    else
        q->external = wend_sim_box_public(s, 0);
    return wend_natpmp_write(q, out, WEND_NATPMP_LEN_MAX);
}

// RFC 6886 section 3.5: version 0, operation 0, result 1, epoch.
static size_t refuse_version(const struct wend_sim_net *n, uint32_t site, uint8_t *out)
{
    struct wend_writer w = wend_writer_of(out, 8);

    wend_write_u16(&w, 0);
    wend_write_u16(&w, WEND_NATPMP_UNSUPPORTED_VERSION);
    wend_write_u32(&w, epoch_of(n, &n->sites[site]));
    return w.len;
}

// --- IGD ---

int wend_sim_net_map_port(struct wend_sim_net *n, const struct wend_sim_port_ask *ask,
                          wend_instant now, struct wend_address *ret)
{
    const struct site *s = &n->sites[ask->site];
    const enum wend_sim_gateway_harm harm = s->box.gateway_harm;
    const struct ask a = {ask->site, ask->inside, ask->wished, ask->lifetime_s, 0};
    struct wend_address outside = {.port = ask->wished};

    if (s->box.gateway != WEND_SIM_GATEWAY_IGD || s->inside.family == WEND_FAMILY_NONE ||
        harm == WEND_SIM_GATEWAY_ELSEWHERE)
        return -EHOSTUNREACH;
    if (harm == WEND_SIM_GATEWAY_NO_LIFETIME || harm == WEND_SIM_GATEWAY_NOWHERE ||
        harm == WEND_SIM_GATEWAY_CONFUSED || harm == WEND_SIM_GATEWAY_GARBLED)
        return -EBADMSG;
    n->now = now;
    const enum verdict v = serve(n, &a, &outside);
    if (v != GRANTED)
        return v == NO_ROOM ? -ENOSPC : -EACCES;
    *ret = outside;
    return 0;
}

// --- either ---

static size_t garble(struct wend_sim_net *n, uint8_t *out)
{
    const size_t len = 1 + draw_below(n, 64);

    for (size_t i = 0; i < len; i++)
        out[i] = (uint8_t)draw_below(n, 256);
    return len;
}

static size_t answer(struct wend_sim_net *n, uint32_t site, const struct cell *c, uint8_t *out)
{
    const struct wend_sim_box *b = &n->sites[site].box;
    const struct wend_bytes in = {payload(n, c), c->len};
    const bool natpmp = b->gateway == WEND_SIM_GATEWAY_NATPMP;
    struct wend_natpmp old;
    struct wend_pcp q;

    if (c->to.port != WEND_PCP_SERVER_PORT || b->gateway == WEND_SIM_GATEWAY_IGD)
        return 0;
    if (b->gateway_harm == WEND_SIM_GATEWAY_GARBLED)
        return garble(n, out);
    if (natpmp && wend_natpmp_read(in, &old) == 0)
        return answer_natpmp(n, site, c, &old, out);
    if (wend_pcp_read(in, &q) != 0)
        return 0;
    return natpmp ? refuse_version(n, site, out) : answer_pcp(n, site, c, &q, out);
}

bool wend_sim_gateway_take(struct wend_sim_net *n, uint32_t site, struct cell *c)
{
    uint8_t out[WEND_PCP_LEN_MAX];

    wend_sim_note_asked(n, c, site);
    const size_t len = answer(n, site, c, out);
    if (len == 0)
        return false;
    const struct wend_address asker = c->from;
    c->from = c->source = c->to;
    if (n->sites[site].box.gateway_harm == WEND_SIM_GATEWAY_ELSEWHERE)
        c->from.ip[3] = c->source.ip[3] = (uint8_t)(c->to.ip[3] + 100);
    c->to = c->destination = asker;
    c->downward = true;
    c->ttl = 0;
    c->piece_len = 0;
    c->sent_at = n->now;
    c->len = (uint16_t)len;
    memcpy(payload(n, c), out, len);
    wend_sim_note_answered(n, c, site);
    return true;
}
