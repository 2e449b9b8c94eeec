// SPDX-License-Identifier: MIT
// An answer judged: does it come from where it may, and can it be true?
#include "traverse/discovery_state.h"

static bool is_private_ipv4(const uint8_t *ip)
{
    return ip[0] == 10 || (ip[0] == 172 && (ip[1] & 0xf0) == 16) || // RFC 1918
           (ip[0] == 192 && ip[1] == 168) || (ip[0] == 169 && ip[1] == 254) ||
           (ip[0] == 100 && (ip[1] & 0xc0) == 64); // RFC 6598
}

static bool is_private(const struct wend_address *a)
{
    if (a->family == WEND_FAMILY_IPV4)
        return is_private_ipv4(a->ip);
    return (a->ip[0] & 0xfe) == 0xfc; // RFC 4193
}

// A server on a private network may see private addresses, one on the internet does not.
static bool is_credible(const struct wend_address *server, const struct wend_address *outside)
{
    if (!wend_address_is_usable(outside) || outside->family != server->family)
        return false;
    return !wend_address_same_ip(server, outside) && (is_private(server) || !is_private(outside));
}

static void distrust(struct wend_discovery *d, const struct wend_discovery_transaction *t)
{
    *(wend_address_same_ip(&t->to, &d->server) ? &d->server_lied : &d->other_lied) = true;
}

// What reached the socket that only ever contacted one address and port.
static void note_source(struct wend_discovery *d, const struct wend_address *source)
{
    if (!wend_address_same_ip(source, &d->server))
        d->from_other_address = true;
    else if (source->port != d->server.port)
        d->from_other_port = true;
}

static enum wend_drop take_change(struct wend_discovery *d, struct wend_discovery_transaction *t,
                                  const struct wend_stun *m, const struct wend_address *source)
{
    const bool from_same = wend_address_equal(source, &t->to);

    if (m->class == WEND_STUN_ERROR && !from_same)
        return WEND_DROP_WRONG_SOURCE;
    t->over = true;
    if (m->class == WEND_STUN_ERROR || from_same) {
        t->refused = !t->answered;
        return WEND_DROP_NONE;
    }
    t->answered = true;
    note_source(d, source);
    return WEND_DROP_NONE;
}

static enum wend_drop take_plain(struct wend_discovery *d, struct wend_discovery_transaction *t,
                                 const struct wend_stun *m, const struct wend_address *source)
{
    if (!wend_address_equal(source, &t->to))
        return WEND_DROP_WRONG_SOURCE;
    if (m->class == WEND_STUN_ERROR) {
        t->over = t->refused = true;
        return WEND_DROP_NONE;
    }
    if (!wend_stun_has(m, WEND_STUN_XOR_MAPPED_ADDRESS))
        return WEND_DROP_UNKNOWN_TYPE;
    t->over = true;
    if (!is_credible(&t->to, &m->xor_mapped) ||
        (t->answered && !wend_address_equal(&t->outside, &m->xor_mapped))) {
        distrust(d, t);
        return WEND_DROP_NOT_ALLOWED;
    }
    if (t->answered)
        return WEND_DROP_REPLAYED;
    t->answered = true;
    t->heard_try = t->tries;
    t->outside = m->xor_mapped;
    t->told_other = wend_stun_has(m, WEND_STUN_OTHER_ADDRESS) &&
                    !wend_address_same_ip(&m->other, &t->to) && m->other.port != t->to.port;
    return WEND_DROP_NONE;
}

enum wend_drop wend_discovery_answer(struct wend_discovery *d, struct wend_discovery_transaction *t,
                                     const struct wend_stun *m, const struct wend_address *source)
{
    const bool hairpin = t->ask == WEND_DISCOVERY_HAIRPIN;

    if (hairpin != (m->class == WEND_STUN_REQUEST) || m->class == WEND_STUN_INDICATION)
        return WEND_DROP_UNKNOWN_TYPE;
    switch ((enum wend_discovery_ask)t->ask) {
    case WEND_DISCOVERY_PLAIN: return take_plain(d, t, m, source);
    case WEND_DISCOVERY_CHANGE_BOTH:
    case WEND_DISCOVERY_CHANGE_PORT: return take_change(d, t, m, source);
    case WEND_DISCOVERY_HAIRPIN: break;
    }
    t->over = t->answered = true;
    return WEND_DROP_NONE;
}
