// SPDX-License-Identifier: MIT
// Binding requests, RFC 8489 and RFC 5780. docs/protocol.md section 4.4.
//
// A bare request gets its address and nothing else. What else RFC 5780 wants in the answer goes
// along as far as the request is as long as that answer, so that spoofed requests gain nothing:
// RESPONSE-ORIGIN with OTHER-ADDRESS, then MAPPED-ADDRESS, then PADDING. CHANGE-REQUEST is served
// where there are two addresses with two ports.
// RESPONSE-PORT aims an answer at another port of the asking address, so that a client finds out
// how long a silent mapping lives. Who can write a false source needs no such attribute; what it
// adds is that hosts behind one address could have us send to each other. So it goes by UDP alone,
// to no port of a service (below 1024), from the socket that was asked, never longer than the
// request, and counts against the same rate.
#include "relay/relay_state.h"

#include <string.h>

#include "wire/stun.h"

#define ANSWER_MAX  WEND_DATAGRAM_MAX
#define ASIDE_LEAST 1024 // RESPONSE-PORT

// Of a request: which socket it came to, and which others may answer it. In the words of RFC 5780
// section 6.1: Da:Dp and Ca:Cp.
struct sockets {
    struct wend_address here, other; // other: family NONE without a second address and port
};

// Our address that this one is not; family NONE: there is none.
static struct wend_address other_address(const struct wend_relay *r,
                                         const struct wend_address *here)
{
    const size_t family = wend_discovery_ports_family(here->family);
    const struct wend_address *second = &r->config.discovery[family].second;
    if (second->family == WEND_FAMILY_NONE || !wend_address_same_ip(here, second))
        return *second;
    return r->config.primary[family];
}

static struct sockets find_sockets(const struct wend_relay *r, const struct wend_datagram *in)
{
    struct sockets s = {.here = in->local};
    const struct wend_discovery_ports *d =
        &r->config.discovery[wend_discovery_ports_family(in->remote.family)];
    if (in->transport != WEND_TRANSPORT_UDP || d->port_count < 2 ||
        !wend_discovery_ports_has(d, in->local.port))
        return s;
    s.other = other_address(r, &in->local);
    s.other.port = in->local.port == d->ports[0] ? d->ports[1] : d->ports[0];
    return s;
}

// Where the answer is to leave from, RFC 5780 table 1. False: we cannot do what is asked.
static bool choose_origin(const struct wend_stun *m, const struct sockets *s,
                          struct wend_address *ret)
{
    *ret = s->here;
    if (!wend_stun_has(m, WEND_STUN_CHANGE_REQUEST))
        return true;
    if (s->other.family == WEND_FAMILY_NONE)
        return false;
    if (m->change_ip)
        *ret = s->other;
    ret->port = m->change_port ? s->other.port : s->here.port;
    return true;
}

static size_t address_len(const struct wend_address *a)
{
    return 8 + (a->family == WEND_FAMILY_IPV6 ? 16 : 4);
}

// What makes the answer no longer than `room` bytes.
static void put_more(struct wend_stun_writer *w, const struct wend_stun *m,
                     const struct wend_datagram *in, const struct sockets *s,
                     const struct wend_address *origin, size_t room)
{
    const size_t one = address_len(&in->remote);
    const bool has_other = s->other.family != WEND_FAMILY_NONE;
    if (in->local.family != in->remote.family || w->out.len + (has_other ? 2 : 1) * one > room)
        return;
    wend_stun_put_address(w, WEND_STUN_RESPONSE_ORIGIN, origin);
    if (has_other)
        wend_stun_put_address(w, WEND_STUN_OTHER_ADDRESS, &s->other);
    if (w->out.len + one > room)
        return;
    wend_stun_put_address(w, WEND_STUN_MAPPED_ADDRESS, &in->remote);
    if (wend_stun_has(m, WEND_STUN_PADDING) && w->out.len + 4 <= room)
        wend_stun_put_padding(w, room - w->out.len - 4);
}

static size_t write_success(const struct wend_stun *m, const struct wend_datagram *in,
                            const struct sockets *s, const struct wend_address *origin,
                            uint8_t *ret)
{
    struct wend_stun_header header = {.method = WEND_STUN_METHOD_BINDING,
                                      .class = WEND_STUN_SUCCESS};
    memcpy(header.transaction, m->transaction, sizeof header.transaction);
    struct wend_stun_writer w;
    const size_t end = wend_stun_has(m, WEND_STUN_FINGERPRINT) ? 8 : 0;
    wend_stun_begin(&w, ret, ANSWER_MAX, &header);
    wend_stun_put_xor_address(&w, WEND_STUN_XOR_MAPPED_ADDRESS, &in->remote);
    put_more(&w, m, in, s, origin, in->bytes.len - end);
    if (end > 0)
        wend_stun_put_fingerprint(&w);
    return wend_stun_finish(&w);
}

static bool may_answer_aside(const struct wend_stun *m, const struct wend_datagram *in)
{
    return in->transport == WEND_TRANSPORT_UDP && m->response_port >= ASIDE_LEAST &&
           !wend_stun_has(m, WEND_STUN_CHANGE_REQUEST);
}

// 420 with the types that stand in the way; or 400, "If the Request also contains the RESPONSE-PORT
// attribute the server MUST return an error response of type 400" (RFC 5780 section 6.1, of
// PADDING).
static size_t write_refusal(const struct wend_stun *m, uint8_t *ret)
{
    struct wend_stun_header header = {.method = WEND_STUN_METHOD_BINDING, .class = WEND_STUN_ERROR};
    memcpy(header.transaction, m->transaction, sizeof header.transaction);
    uint16_t types[WEND_STUN_UNKNOWN_MAX + 2];
    size_t count = 0;
    if (wend_stun_has(m, WEND_STUN_RESPONSE_PORT))
        types[count++] = WEND_STUN_RESPONSE_PORT;
    if (wend_stun_has(m, WEND_STUN_CHANGE_REQUEST))
        types[count++] = WEND_STUN_CHANGE_REQUEST;
    for (size_t i = 0; i < m->unknown_count; i++)
        types[count++] = m->unknown[i];
    struct wend_stun_writer w;
    wend_stun_begin(&w, ret, ANSWER_MAX, &header);
    const bool both =
        wend_stun_has(m, WEND_STUN_RESPONSE_PORT) && wend_stun_has(m, WEND_STUN_PADDING);
    wend_stun_put_error(&w, both ? 400 : 420, (struct wend_bytes){0});
    if (!both)
        wend_stun_put_unknown(&w, types, count);
    if (wend_stun_has(m, WEND_STUN_FINGERPRINT))
        wend_stun_put_fingerprint(&w);
    return wend_stun_finish(&w);
}

// `to`: where the request came from; changed where the answer goes elsewhere, or leaves from there.
static size_t write_answer(const struct wend_relay *r, const struct wend_stun *m,
                           const struct wend_datagram *in, struct wend_relay_source *to,
                           uint8_t *ret)
{
    const struct sockets sockets = find_sockets(r, in);
    const bool aside = wend_stun_has(m, WEND_STUN_RESPONSE_PORT);
    struct wend_address origin;
    if (m->unknown_count > 0 || !choose_origin(m, &sockets, &origin))
        return write_refusal(m, ret);
    if (aside && (!may_answer_aside(m, in) || wend_stun_has(m, WEND_STUN_PADDING)))
        return write_refusal(m, ret);
    const size_t len = write_success(m, in, &sockets, &origin, ret);
    if (aside && len > in->bytes.len)
        return write_refusal(m, ret);
    to->local = origin;
    if (aside)
        to->remote.port = m->response_port;
    return len;
}

enum wend_drop wend_relay_stun(struct wend_relay *r, const struct wend_datagram *in)
{
    struct wend_stun m;
    if (wend_stun_read(in->bytes, &m) != 0)
        return wend_relay_drop(r, WEND_DROP_MALFORMED);
    if (m.method != WEND_STUN_METHOD_BINDING || m.class != WEND_STUN_REQUEST)
        return wend_relay_drop(r, WEND_DROP_UNKNOWN_TYPE);
    if (!wend_limits_take(r->limits, WEND_LIMIT_STUN, &in->remote, r->now))
        return wend_relay_drop(r, WEND_DROP_RATE_LIMITED);
    uint8_t answer[ANSWER_MAX];
    struct wend_relay_source to = wend_relay_source_of(in);
    const size_t len = write_answer(r, &m, in, &to, answer);
    if (len == 0)
        return wend_relay_drop(r, WEND_DROP_MALFORMED);
    r->counts.stun++;
    wend_relay_send(r, &to, (struct wend_bytes){answer, len});
    return WEND_DROP_NONE;
}
