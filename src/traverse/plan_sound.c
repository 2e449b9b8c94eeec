// SPDX-License-Identifier: MIT
// What a model must not say, and the questions that the planner asks of it.
#include "traverse/plan_state.h"

static bool is_estimate(const struct wend_nat_estimate *e, uint32_t most)
{
    return e->least <= e->likely && e->likely <= e->most && e->most <= most;
}

static bool are_enums_sound(const struct wend_nat_model *m)
{
    return (unsigned)m->mapping <= WEND_NAT_ADDRESS_AND_PORT_DEPENDENT &&
           (unsigned)m->filtering <= WEND_NAT_ADDRESS_AND_PORT_DEPENDENT &&
           (unsigned)m->allocation <= WEND_NAT_RANDOM && (unsigned)m->fallback <= WEND_NAT_RANDOM &&
           (unsigned)m->udp <= WEND_NAT_YES && (unsigned)m->hairpin <= WEND_NAT_YES &&
           (unsigned)m->parity <= WEND_NAT_YES && (unsigned)m->paired <= WEND_NAT_YES &&
           (unsigned)m->translates <= WEND_NAT_YES;
}

static bool are_bounds_sound(const struct wend_nat_model *m)
{
    return is_estimate(&m->low, UINT16_MAX) && is_estimate(&m->high, UINT16_MAX) &&
           (m->low.most == 0) == (m->high.most == 0) && m->low.likely <= m->high.likely &&
           m->low.least <= m->high.least && m->low.most <= m->high.most;
}

bool wend_plan_is_sound(const struct wend_nat_model *m)
{
    const bool sequential =
        m->allocation == WEND_NAT_SEQUENTIAL || m->fallback == WEND_NAT_SEQUENTIAL;

    if (m->serial == 0)
        return true;
    if (!are_enums_sound(m) || !are_bounds_sound(m) || !is_estimate(&m->rate, WEND_NAT_RATE_MAX))
        return false;
    if (m->allocation == WEND_NAT_BLOCK && m->high.most == 0)
        return false;
    if (m->delta < INT16_MIN || m->delta > INT16_MAX || (sequential && m->delta == 0))
        return false;
    if (m->mapped.family != WEND_FAMILY_NONE && !wend_address_is_usable(&m->mapped))
        return false;
    return m->udp == WEND_NAT_NO || wend_address_is_usable(&m->public);
}

bool plan_is_steady(const struct wend_nat_model *m)
{
    return m->mapping == WEND_NAT_NONE || m->mapping == WEND_NAT_ENDPOINT_INDEPENDENT;
}

bool plan_by_address_only(const struct wend_nat_model *m) // or not at all
{
    return m->filtering == WEND_NAT_NONE || m->filtering == WEND_NAT_ENDPOINT_INDEPENDENT ||
           m->filtering == WEND_NAT_ADDRESS_DEPENDENT;
}

// Mapping by address with filtering by address at most: what comes in is answered from the port it
// came to.
bool plan_answers_from_same_port(const struct wend_nat_model *m)
{
    return plan_by_address_only(m) &&
           (plan_is_steady(m) || m->mapping == WEND_NAT_ADDRESS_DEPENDENT);
}

// Linux: a packet of the peer that comes before our own takes the mapping's place.
bool plan_may_be_stolen(const struct wend_nat_model *m)
{
    return m->allocation == WEND_NAT_PRESERVING && m->mapping != WEND_NAT_NONE &&
           !plan_by_address_only(m);
}

enum plan_reach plan_reach_of(const struct wend_nat_model *m)
{
    if (wend_plan_is_open(m))
        return PLAN_OPEN;
    if (m->serial == 0 || m->mapping == WEND_NAT_UNKNOWN)
        return PLAN_UNKNOWN;
    if (plan_is_steady(m))
        return PLAN_KNOWN;
    switch (m->allocation) {
    case WEND_NAT_PRESERVING:
    case WEND_NAT_SECOND_PRIORITY: return PLAN_FRESH;
    case WEND_NAT_SEQUENTIAL: return PLAN_PREDICTABLE;
    case WEND_NAT_BLOCK:
    case WEND_NAT_RANDOM: return PLAN_HIDDEN;
    case WEND_NAT_ALLOCATION_UNKNOWN: return PLAN_UNKNOWN;
    }
    return PLAN_UNKNOWN;
}

static bool is_unfiltered(const struct wend_nat_model *m)
{
    return m->filtering == WEND_NAT_NONE || m->filtering == WEND_NAT_ENDPOINT_INDEPENDENT;
}

// A gateway within another one grants a port of an address that nobody outside reaches.
static bool is_mapped(const struct wend_nat_model *m)
{
    return m->mapped.family != WEND_FAMILY_NONE && wend_address_same_ip(&m->mapped, &m->public);
}

bool wend_plan_is_open(const struct wend_nat_model *m)
{
    return m->serial != 0 && (is_mapped(m) || (plan_is_steady(m) && is_unfiltered(m)));
}

struct wend_address wend_plan_address(const struct wend_nat_model *m)
{
    return is_mapped(m) ? m->mapped : m->public;
}
