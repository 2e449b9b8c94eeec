// SPDX-License-Identifier: MIT
// Binding requests, RFC 8489 and RFC 5780. docs/protocol.md section 4.4.
//
// A bare request gets its address and nothing else. RESPONSE-ORIGIN and OTHER-ADDRESS go along when
// the request is as long as that answer, so that spoofed requests gain nothing. CHANGE-REQUEST is
// served where a second address makes it possible; RESPONSE-PORT never, it would aim answers at
// third parties.
#include "relay/relay_state.h"

#include <string.h>

#include "wire/stun.h"

#define ANSWER_MAX 160

static const struct wend_address *of_family(const struct wend_address pair[2], uint8_t family)
{
    return &pair[family == WEND_FAMILY_IPV6];
}

// Which of our two addresses the request came to; NULL: only one is known.
static const struct wend_address *other_address(const struct wend_relay *r,
                                                const struct wend_datagram *in)
{
    const uint8_t family = in->remote.family;
    const struct wend_address *alternate = of_family(r->config.alternate, family);
    const struct wend_address *primary = of_family(r->config.primary, family);
    if (alternate->family == WEND_FAMILY_NONE || in->transport != WEND_TRANSPORT_UDP)
        return NULL;
    if (!wend_address_equal(&in->local, alternate))
        return alternate;
    return primary->family != WEND_FAMILY_NONE ? primary : NULL;
}

// Where the answer is to leave from. False: we cannot do what is asked.
static bool choose_origin(const struct wend_stun *m, const struct wend_datagram *in,
                          const struct wend_address *other, struct wend_address *ret)
{
    *ret = in->local;
    if (!m->change_ip && !m->change_port)
        return true;
    if (other == NULL || !m->change_ip)
        return false;
    if (m->change_port != (other->port != in->local.port))
        return false;
    *ret = *other;
    return true;
}

static size_t write_success(const struct wend_stun *m, const struct wend_datagram *in,
                            const struct wend_address *origin, const struct wend_address *other,
                            uint8_t *ret)
{
    struct wend_stun_header header = {.method = WEND_STUN_METHOD_BINDING,
                                      .class = WEND_STUN_SUCCESS};
    memcpy(header.transaction, m->transaction, sizeof header.transaction);
    struct wend_stun_writer w;
    wend_stun_begin(&w, ret, ANSWER_MAX, &header);
    wend_stun_put_xor_address(&w, WEND_STUN_XOR_MAPPED_ADDRESS, &in->remote);
    if (other != NULL) {
        wend_stun_put_address(&w, WEND_STUN_RESPONSE_ORIGIN, origin);
        wend_stun_put_address(&w, WEND_STUN_OTHER_ADDRESS, other);
    }
    if (wend_stun_has(m, WEND_STUN_FINGERPRINT))
        wend_stun_put_fingerprint(&w);
    return wend_stun_finish(&w);
}

// 420 with the types that stand in the way.
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
    wend_stun_put_error(&w, 420, (struct wend_bytes){0});
    wend_stun_put_unknown(&w, types, count);
    if (wend_stun_has(m, WEND_STUN_FINGERPRINT))
        wend_stun_put_fingerprint(&w);
    return wend_stun_finish(&w);
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
    const struct wend_address *other = other_address(r, in);
    struct wend_address origin;
    size_t len;
    if (m.unknown_count > 0 || wend_stun_has(&m, WEND_STUN_RESPONSE_PORT) ||
        !choose_origin(&m, in, other, &origin)) {
        len = write_refusal(&m, answer);
    } else {
        len = write_success(&m, in, &origin, other, answer);
        if (other != NULL && len > in->bytes.len)
            len = write_success(&m, in, &origin, NULL, answer);
        to.local = origin;
    }
    if (len == 0)
        return wend_relay_drop(r, WEND_DROP_MALFORMED);
    r->counts.stun++;
    wend_relay_send(r, &to, (struct wend_bytes){answer, len});
    return WEND_DROP_NONE;
}
