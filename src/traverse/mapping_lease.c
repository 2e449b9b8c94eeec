// SPDX-License-Identifier: MIT
// The lease's states and timers, and what is written when they are due. What a gateway answers is
// judged in mapping_answer.c.
#include "traverse/mapping_lease.h"

#include <string.h>

// RFC 6887 section 8.1.1: "IRT: Initial retransmission time, SHOULD be 3 seconds", "MRT: Maximum
// retransmission time, SHOULD be 1024 seconds".
#define PCP_FIRST WEND_S(3)
#define PCP_MOST  WEND_S(1024)
// RFC 6886 section 3.1: "waits 250 ms for a response … the interval between attempts doubling each
// time. If, after sending its ninth attempt (and then waiting for 64 seconds)".
#define NATPMP_FIRST WEND_MS(250)
#define NATPMP_TRIES 9
#define RENEW_APART  WEND_S(4) // RFC 6887 section 11.2.1
#define LIFETIME_MAX 86400     // "a more sane value (e.g., 24 hours)", RFC 6887 section 15
#define REST_LONG    WEND_S(1800)
#define REST_SHORT   WEND_S(30)
#define DELETE_AGAIN WEND_MS(100)
#define DELETE_OVER  WEND_MS(250)

uint64_t wend_lease_draw(struct wend_lease_random *r)
{
    r->count++;
    return wend_hash(r->key, &r->count, sizeof r->count);
}

// Uniform in 0 to `most`.
static wend_duration draw_up_to(struct wend_lease_random *r, wend_duration most)
{
    return most <= 0 ? 0 : (wend_duration)(wend_lease_draw(r) % (uint64_t)(most + 1));
}

// "(1 + RAND) * …", RAND "with a uniform distribution between -0.1 and +0.1"
static wend_duration jitter(struct wend_lease_random *r, wend_duration d)
{
    return d - d / 10 + draw_up_to(r, d / 5);
}

// --- tries ---

void wend_lease_try_start(struct wend_lease_try *t, wend_instant at)
{
    *t = (struct wend_lease_try){.next = at};
}

void wend_lease_try_stop(struct wend_lease_try *t)
{
    *t = (struct wend_lease_try){.next = WEND_NEVER};
}

// --- beginning, ending ---

// "The client MUST use a different mapping nonce for each PCP server it communicates with" (RFC
// 6887 section 11.2). It is the same again after a restart with the same key, though the RFC
// recommends a new one: else the mapping that a crash left behind would refuse us until it ends.
static void make_nonce(struct wend_lease *l, const struct wend_lease_random *random)
{
    struct {
        struct wend_address gateway, inside;
        uint64_t part;
    } of = {l->gateway, l->inside, 0};
    uint64_t parts[2];

    parts[0] = wend_hash(random->key, &of, sizeof of);
    of.part = 1;
    parts[1] = wend_hash(random->key, &of, sizeof of);
    memcpy(l->nonce, parts, sizeof l->nonce);
}

static void set_asking(struct wend_lease *l, wend_instant at)
{
    l->state = WEND_LEASE_ASKING;
    l->address_known = false;
    l->check_due = false;
    l->until = l->check_at = l->over = WEND_NEVER;
    wend_lease_try_stop(&l->pcp);
    wend_lease_try_stop(&l->natpmp);
    wend_lease_try_start(l->protocol == WEND_LEASE_NATPMP ? &l->natpmp : &l->pcp, at);
}

void wend_lease_begin(struct wend_lease *l, const struct wend_address *gateway,
                      const struct wend_address *inside, struct wend_lease_random *random,
                      wend_instant now)
{
    *l = (struct wend_lease){.gateway = *gateway, .inside = *inside};
    l->gateway.port = WEND_PCP_SERVER_PORT;
    make_nonce(l, random);
    set_asking(l, now);
}

void wend_lease_again(struct wend_lease *l, enum wend_mapping_reason reason, wend_duration within,
                      struct wend_lease_random *random, wend_instant now)
{
    l->reason = reason;
    l->result = 0;
    set_asking(l, now + draw_up_to(random, within));
}

void wend_lease_end(struct wend_lease *l, wend_instant now)
{
    if (l->state != WEND_LEASE_HELD) {
        // An answer that is still on its way is met by silence, and its mapping ends by itself.
        l->state = l->state == WEND_LEASE_CLOSING ? l->state : WEND_LEASE_NONE;
        return;
    }
    l->state = WEND_LEASE_CLOSING;
    l->check_due = false;
    l->check_at = l->until = WEND_NEVER;
    l->over = now + DELETE_OVER;
    wend_lease_try_stop(&l->pcp);
    wend_lease_try_stop(&l->natpmp);
    wend_lease_try_start(l->protocol == WEND_LEASE_NATPMP ? &l->natpmp : &l->pcp, now);
}

void wend_lease_rest(struct wend_lease *l, enum wend_mapping_reason reason, wend_duration pause,
                     wend_instant now)
{
    if (pause < REST_SHORT)
        pause = REST_SHORT;
    if (pause > WEND_S(LIFETIME_MAX))
        pause = WEND_S(LIFETIME_MAX);
    l->state = WEND_LEASE_RESTING;
    l->reason = reason;
    l->check_due = false;
    l->check_at = l->until = WEND_NEVER;
    l->over = now + pause;
    wend_lease_try_stop(&l->pcp);
    wend_lease_try_stop(&l->natpmp);
}

void wend_lease_check(struct wend_lease *l, struct wend_lease_random *random, wend_instant now)
{
    switch (l->state) {
    case WEND_LEASE_HELD:
        l->check_due = true;
        l->check_at = now + WEND_LEASE_CHECK;
        break;
    case WEND_LEASE_ASKING:
    case WEND_LEASE_RESTING:
        l->protocol = WEND_LEASE_UNDECIDED;
        wend_lease_again(l, WEND_MAPPING_NO_REASON, 0, random, now);
        break;
    case WEND_LEASE_NONE:
    case WEND_LEASE_CLOSING: break;
    }
}

void wend_lease_unreachable(struct wend_lease *l, wend_instant now)
{
    if (l->state == WEND_LEASE_CLOSING)
        l->state = WEND_LEASE_NONE;
    // A gateway that has answered before is only just starting again.
    if (l->state == WEND_LEASE_ASKING)
        wend_lease_rest(l, WEND_MAPPING_NO_SERVICE, l->epoch.known ? REST_SHORT : REST_LONG, now);
}

// --- holding ---

// "at a time chosen with uniform random distribution in the range 1/2 to 5/8 of expiration time …
// 3/4 to 3/4 + 1/16 … 7/8 to 7/8 + 1/32 to expiration, and so on, subject to the constraint that
// renewal requests MUST NOT be sent less than four seconds apart" (RFC 6887 section 11.2.1)
static wend_instant renewal(const struct wend_lease *l, unsigned number,
                            struct wend_lease_random *random, wend_instant now)
{
    const wend_duration whole = l->until - l->granted;
    const unsigned shift = number < 30 ? number : 30;
    const wend_instant at = l->until - (whole >> shift) + draw_up_to(random, whole >> (shift + 2));

    return at > now + RENEW_APART ? at : now + RENEW_APART;
}

void wend_lease_grant(struct wend_lease *l, const struct wend_address *external,
                      uint32_t lifetime_s, struct wend_lease_random *random, wend_instant now)
{
    l->lifetime_s = lifetime_s < LIFETIME_MAX ? lifetime_s : LIFETIME_MAX;
    l->state = WEND_LEASE_HELD;
    l->reason = WEND_MAPPING_NO_REASON;
    l->result = 0;
    l->external = *external;
    l->granted = now;
    l->until = now + WEND_S(l->lifetime_s);
    l->over = WEND_NEVER;
    l->address_known = false;
    l->check_due = false;
    l->check_at = now + WEND_LEASE_CHECK;
    wend_lease_try_stop(&l->pcp);
    wend_lease_try_stop(&l->natpmp);
    wend_lease_try_start(l->protocol == WEND_LEASE_NATPMP ? &l->natpmp : &l->pcp,
                         renewal(l, 1, random, now));
}

// --- time ---

static void count(struct wend_lease_try *t)
{
    t->due = true;
    if (t->count < UINT8_MAX)
        t->count++;
}

static void expire_pcp(struct wend_lease *l, struct wend_lease_random *random, wend_instant now)
{
    struct wend_lease_try *t = &l->pcp;

    count(t);
    switch (l->state) {
    case WEND_LEASE_ASKING:
        // "RT = (1 + RAND) * MIN (2 * RTprev, MRT)"
        t->wait = jitter(random, t->wait == 0             ? PCP_FIRST
                                 : 2 * t->wait < PCP_MOST ? 2 * t->wait
                                                          : PCP_MOST);
        t->next = now + t->wait;
        if (t->count == 2)
            wend_lease_try_start(&l->natpmp, now);
        break;
    case WEND_LEASE_HELD: t->next = renewal(l, t->count + 1u, random, now); break;
    case WEND_LEASE_CLOSING: t->next = t->count < 2 ? now + DELETE_AGAIN : WEND_NEVER; break;
    case WEND_LEASE_NONE:
    case WEND_LEASE_RESTING: wend_lease_try_stop(t); break;
    }
}

// The last of nine attempts was in vain. PCP goes on, if that may still be what the gateway speaks:
// "If both MRC and MRD are zero, the client continues to transmit the message".
static void give_up_natpmp(struct wend_lease *l, wend_instant now)
{
    if (l->state == WEND_LEASE_ASKING && l->pcp.next == WEND_NEVER)
        wend_lease_rest(l, WEND_MAPPING_NO_ANSWER, REST_LONG, now);
    else if (l->state == WEND_LEASE_ASKING)
        l->reason = WEND_MAPPING_NO_ANSWER;
    wend_lease_try_stop(&l->natpmp);
}

static void expire_natpmp(struct wend_lease *l, wend_instant now)
{
    struct wend_lease_try *t = &l->natpmp;

    if (t->count >= NATPMP_TRIES) {
        give_up_natpmp(l, now);
        return;
    }
    count(t);
    if (l->state == WEND_LEASE_CLOSING) {
        t->next = t->count < 2 ? now + DELETE_AGAIN : WEND_NEVER;
        return;
    }
    t->wait = t->wait == 0 ? NATPMP_FIRST : 2 * t->wait;
    t->next = now + t->wait;
}

static void expire_state(struct wend_lease *l, struct wend_lease_random *random, wend_instant now)
{
    switch (l->state) {
    case WEND_LEASE_HELD:
        if (now >= l->until)
            wend_lease_again(l, WEND_MAPPING_EXPIRED, 0, random, now);
        break;
    case WEND_LEASE_RESTING:
        if (now >= l->over) {
            l->protocol = WEND_LEASE_UNDECIDED;
            wend_lease_again(l, l->reason, 0, random, now);
        }
        break;
    case WEND_LEASE_CLOSING:
        if (now >= l->over)
            l->state = WEND_LEASE_NONE;
        break;
    case WEND_LEASE_NONE:
    case WEND_LEASE_ASKING: break;
    }
}

void wend_lease_expire(struct wend_lease *l, struct wend_lease_random *random, wend_instant now)
{
    expire_state(l, random, now);
    if (l->state == WEND_LEASE_NONE || l->state == WEND_LEASE_RESTING)
        return;
    if (now >= l->pcp.next)
        expire_pcp(l, random, now);
    if (now >= l->natpmp.next)
        expire_natpmp(l, now);
    if (l->state == WEND_LEASE_HELD && now >= l->check_at)
        wend_lease_check(l, random, now);
}

wend_instant wend_lease_deadline(const struct wend_lease *l)
{
    switch (l->state) {
    case WEND_LEASE_NONE: break;
    case WEND_LEASE_RESTING: return l->over;
    case WEND_LEASE_ASKING:
    case WEND_LEASE_HELD:
    case WEND_LEASE_CLOSING:
        return wend_instant_min(
            wend_instant_min(wend_instant_min(l->pcp.next, l->natpmp.next), l->over),
            wend_instant_min(l->until, l->check_at));
    }
    return WEND_NEVER;
}

// --- writing ---

// "If the PCP client does not know the external address … it MUST use the address-family-specific
// all-zeros address"; a deletion has zeros in both (RFC 6887 sections 11.1, 15.1).
static size_t write_pcp(const struct wend_lease *l, uint8_t *to, bool announce)
{
    struct wend_pcp m = {.opcode = announce ? WEND_PCP_ANNOUNCE : WEND_PCP_MAP,
                         .client = l->inside,
                         .protocol = WEND_PCP_PROTOCOL_UDP,
                         .internal_port = l->inside.port};

    m.external.family = l->inside.family;
    if (l->state != WEND_LEASE_CLOSING && !announce) {
        m.lifetime_s = WEND_LEASE_LIFETIME_S;
        if (l->external.family == l->inside.family)
            m.external = l->external;
        else
            m.external.port = l->inside.port;
    }
    memcpy(m.nonce, l->nonce, sizeof m.nonce);
    return wend_pcp_write(&m, to, WEND_LEASE_REQUEST_LEN);
}

// "The Suggested External Port MUST be set to zero by the client on sending" a deletion; "for
// renewals the client sets the Suggested External Port field to the port the gateway actually
// assigned" (RFC 6886 sections 3.4, 3.3).
static size_t write_natpmp(const struct wend_lease *l, uint8_t *to, bool address)
{
    struct wend_natpmp m = {.opcode = address ? WEND_NATPMP_ADDRESS : WEND_NATPMP_MAP_UDP,
                            .internal_port = l->inside.port};

    if (l->state != WEND_LEASE_CLOSING) {
        m.lifetime_s = WEND_LEASE_LIFETIME_S;
        m.external_port = l->external.port != 0 ? l->external.port : l->inside.port;
    }
    return wend_natpmp_write(&m, to, WEND_LEASE_REQUEST_LEN);
}

size_t wend_lease_next(struct wend_lease *l, uint8_t ret[static WEND_LEASE_REQUEST_LEN])
{
    if (l->state == WEND_LEASE_NONE || l->state == WEND_LEASE_RESTING)
        return 0;
    if (l->pcp.due) {
        l->pcp.due = false;
        return write_pcp(l, ret, false);
    }
    if (l->natpmp.due) {
        l->natpmp.due = false;
        return write_natpmp(l, ret, !l->address_known && l->state != WEND_LEASE_CLOSING);
    }
    if (!l->check_due)
        return 0;
    l->check_due = false;
    return l->protocol == WEND_LEASE_NATPMP ? write_natpmp(l, ret, true) : write_pcp(l, ret, true);
}
