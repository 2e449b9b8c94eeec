// SPDX-License-Identifier: MIT
// What a gateway says: grants, refusals, announcements, nonsense. Nothing is believed that does not
// match a request in all that the protocols give: the gateway's address (checked by the parent),
// opcode, nonce, protocol and port.
#include <errno.h>
#include <string.h>

#include "traverse/mapping_lease.h"

#define RECREATE_WITHIN WEND_S(5) // "between 0 and 5 seconds" (RFC 6887 section 14.1.3)
#define REST_LONG       WEND_S(1800)
#define REST_SHORT      WEND_S(30)

// What nobody can be reached at. A private address is none of these: it may be an inner layer's.
static bool is_grantable(const struct wend_address *a, uint8_t family)
{
    return a->family == family && wend_address_is_usable(a);
}

// "Clients respond to such state loss hints by promptly renewing their mappings" (RFC 6887 section
// 8.5); an announcement also ends the rest after a failure (RFC 6886 section 3.1).
static void judge_epoch(struct wend_lease *l, bool kept, struct wend_lease_random *random,
                        wend_instant now)
{
    if (l->state == WEND_LEASE_HELD && !kept)
        wend_lease_again(l, WEND_MAPPING_RESTARTED, RECREATE_WITHIN, random, now);
}

static void wake(struct wend_lease *l, struct wend_lease_random *random, wend_instant now)
{
    if (l->state != WEND_LEASE_RESTING)
        return;
    l->protocol = WEND_LEASE_UNDECIDED;
    wend_lease_again(l, l->reason, RECREATE_WITHIN, random, now);
}

// --- PCP ---

static enum wend_mapping_reason reason_of_pcp(uint8_t result)
{
    switch (result) {
    case WEND_PCP_NETWORK_FAILURE:
    case WEND_PCP_NO_RESOURCES:
    case WEND_PCP_USER_EX_QUOTA:
    case WEND_PCP_CANNOT_PROVIDE_EXTERNAL: return WEND_MAPPING_NO_RESOURCES;
    case WEND_PCP_ADDRESS_MISMATCH: return WEND_MAPPING_HIDDEN;
    case WEND_PCP_UNSUPP_VERSION: return WEND_MAPPING_UNSUPPORTED;
    default: return WEND_MAPPING_REFUSED;
    }
}

// "On an error response, the client SHOULD NOT repeat the same request to the same PCP server
// within the lifetime returned in the response." (RFC 6887 section 11.4). A mapping that is held
// outlives what is the gateway's passing trouble.
static void take_pcp_error(struct wend_lease *l, const struct wend_pcp *m, wend_instant now)
{
    const enum wend_mapping_reason reason = reason_of_pcp(m->result);

    if (l->state == WEND_LEASE_HELD && reason == WEND_MAPPING_NO_RESOURCES)
        return;
    wend_lease_rest(l, reason, WEND_S(m->lifetime_s), now);
    l->result = m->result;
}

static enum wend_drop take_pcp_map(struct wend_lease *l, const struct wend_pcp *m,
                                   struct wend_lease_random *random, wend_instant now)
{
    // "the response is further matched with a previously sent MAP request by comparing the internal
    // IP address …, the protocol, the internal port, and the mapping nonce" (section 11.4)
    if (memcmp(m->nonce, l->nonce, sizeof l->nonce) != 0 || m->protocol != WEND_PCP_PROTOCOL_UDP ||
        m->internal_port != l->inside.port)
        return WEND_DROP_NO_SESSION;
    (void)wend_epoch_take_pcp(&l->epoch, m->epoch_s, now); // this answer is the state
    switch (l->state) {
    case WEND_LEASE_CLOSING: l->state = WEND_LEASE_NONE; return WEND_DROP_NONE;
    case WEND_LEASE_ASKING:
    case WEND_LEASE_HELD: break;
    case WEND_LEASE_NONE:
    case WEND_LEASE_RESTING: return WEND_DROP_NO_SESSION;
    }
    if (l->protocol == WEND_LEASE_NATPMP)
        return WEND_DROP_NO_SESSION;
    l->protocol = WEND_LEASE_PCP;
    if (m->result != WEND_PCP_SUCCESS)
        take_pcp_error(l, m, now);
    else if (m->lifetime_s == 0 || !is_grantable(&m->external, l->inside.family))
        wend_lease_rest(l, WEND_MAPPING_NONSENSE, REST_LONG, now);
    else
        wend_lease_grant(l, &m->external, m->lifetime_s, random, now);
    return WEND_DROP_NONE;
}

static enum wend_drop take_pcp(struct wend_lease *l, const struct wend_pcp *m,
                               struct wend_lease_random *random, wend_instant now)
{
    if (!m->is_response)
        return WEND_DROP_UNKNOWN_TYPE;
    switch (m->opcode) {
    case WEND_PCP_MAP: return take_pcp_map(l, m, random, now);
    case WEND_PCP_ANNOUNCE:
        if (m->result != WEND_PCP_SUCCESS || l->protocol == WEND_LEASE_NATPMP)
            return WEND_DROP_NO_SESSION;
        judge_epoch(l, wend_epoch_take_pcp(&l->epoch, m->epoch_s, now), random, now);
        wake(l, random, now);
        return WEND_DROP_NONE;
    default: return WEND_DROP_UNKNOWN_TYPE;
    }
}

// "If the version number in the UNSUPP_VERSION response is zero then that means this is a NAT-PMP
// server"; any other that we do not speak: "the client SHOULD set a timer to retry its request in
// 30 minutes" (RFC 6887 section 9).
static enum wend_drop take_version(struct wend_lease *l, uint8_t version, wend_instant now)
{
    if (version != 0) {
        wend_lease_rest(l, WEND_MAPPING_UNSUPPORTED, REST_LONG, now);
        l->result = WEND_PCP_UNSUPP_VERSION;
        return WEND_DROP_NONE;
    }
    wend_lease_try_stop(&l->pcp);
    if (l->natpmp.next == WEND_NEVER)
        wend_lease_try_start(&l->natpmp, now);
    return WEND_DROP_NONE;
}

// --- NAT-PMP ---

static void take_natpmp_error(struct wend_lease *l, uint16_t result, wend_instant now)
{
    const bool passing =
        result == WEND_NATPMP_NETWORK_FAILURE || result == WEND_NATPMP_OUT_OF_RESOURCES;

    if (l->state == WEND_LEASE_HELD && passing)
        return;
    wend_lease_rest(l, passing ? WEND_MAPPING_NO_RESOURCES : WEND_MAPPING_REFUSED,
                    passing ? REST_SHORT : REST_LONG, now);
    l->result = result <= UINT8_MAX ? (uint8_t)result : UINT8_MAX;
}

static bool waits_for_address(const struct wend_lease *l)
{
    return (l->state == WEND_LEASE_ASKING || l->state == WEND_LEASE_HELD) && l->natpmp.count > 0 &&
           !l->address_known;
}

// An address that we asked for to make or renew a mapping. What follows it is the port.
static void take_asked_address(struct wend_lease *l, const struct wend_natpmp *m, wend_instant now)
{
    l->protocol = WEND_LEASE_NATPMP;
    wend_lease_try_stop(&l->pcp);
    if (m->result != WEND_NATPMP_SUCCESS) {
        take_natpmp_error(l, m->result, now);
        return;
    }
    l->address = m->external;
    l->address_known = true;
    wend_lease_try_start(&l->natpmp, now);
}

static enum wend_drop take_address(struct wend_lease *l, const struct wend_natpmp *m,
                                   struct wend_lease_random *random, wend_instant now)
{
    if (l->protocol == WEND_LEASE_PCP) // it announces by both; the PCP one is ours
        return WEND_DROP_NO_SESSION;
    const bool kept = wend_epoch_take_natpmp(&l->epoch, m->epoch_s, now);
    const bool moved = l->state == WEND_LEASE_HELD && m->result == WEND_NATPMP_SUCCESS &&
                       !wend_address_same_ip(&m->external, &l->external);

    if (waits_for_address(l)) {
        take_asked_address(l, m, now);
        return WEND_DROP_NONE;
    }
    judge_epoch(l, kept && !moved, random, now);
    wake(l, random, now);
    return WEND_DROP_NONE;
}

static enum wend_drop take_natpmp_map(struct wend_lease *l, const struct wend_natpmp *m,
                                      struct wend_lease_random *random, wend_instant now)
{
    if (l->protocol != WEND_LEASE_NATPMP || m->internal_port != l->inside.port)
        return WEND_DROP_NO_SESSION;
    (void)wend_epoch_take_natpmp(&l->epoch, m->epoch_s, now);
    if (l->state == WEND_LEASE_CLOSING) {
        l->state = WEND_LEASE_NONE;
        return WEND_DROP_NONE;
    }
    if ((l->state != WEND_LEASE_ASKING && l->state != WEND_LEASE_HELD) || !l->address_known)
        return WEND_DROP_NO_SESSION;
    struct wend_address external = l->address;
    external.port = m->external_port;
    if (m->result != WEND_NATPMP_SUCCESS)
        take_natpmp_error(l, m->result, now);
    else if (m->lifetime_s == 0 || !is_grantable(&external, l->inside.family))
        wend_lease_rest(l, WEND_MAPPING_NONSENSE, REST_LONG, now);
    else
        wend_lease_grant(l, &external, m->lifetime_s, random, now);
    return WEND_DROP_NONE;
}

static enum wend_drop take_natpmp(struct wend_lease *l, const struct wend_natpmp *m,
                                  struct wend_lease_random *random, wend_instant now)
{
    if (!m->is_response)
        return WEND_DROP_UNKNOWN_TYPE;
    switch ((enum wend_natpmp_opcode)m->opcode) {
    case WEND_NATPMP_ADDRESS: return take_address(l, m, random, now);
    case WEND_NATPMP_MAP_UDP: return take_natpmp_map(l, m, random, now);
    case WEND_NATPMP_MAP_TCP: break;
    }
    return WEND_DROP_UNKNOWN_TYPE;
}

// --- which of them ---

enum wend_drop wend_lease_receive(struct wend_lease *l, struct wend_bytes in, bool announced,
                                  struct wend_lease_random *random, wend_instant now)
{
    struct wend_pcp pcp;
    struct wend_natpmp natpmp;
    uint8_t version;
    const int error = wend_pcp_read(in, &pcp);

    if (l->state == WEND_LEASE_NONE)
        return WEND_DROP_NO_SESSION;
    if (error == 0)
        return announced && pcp.opcode != WEND_PCP_ANNOUNCE ? WEND_DROP_UNKNOWN_TYPE
                                                            : take_pcp(l, &pcp, random, now);
    // Only while a request of ours is unanswered, for this answer repeats nothing that a stranger
    // could not know.
    if (error == -EPROTONOSUPPORT && !announced && l->state == WEND_LEASE_ASKING &&
        l->pcp.count > 0 && wend_pcp_read_version(in, &version))
        return take_version(l, version, now);
    if (wend_natpmp_read(in, &natpmp) != 0)
        return WEND_DROP_MALFORMED;
    return announced && natpmp.opcode != WEND_NATPMP_ADDRESS ? WEND_DROP_UNKNOWN_TYPE
                                                             : take_natpmp(l, &natpmp, random, now);
}
