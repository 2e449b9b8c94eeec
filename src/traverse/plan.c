// SPDX-License-Identifier: MIT
// The rows of the table in plan.h, from the best to the last. Everything is computed over the two
// sides in key order, so that both devices walk the same way; `own` is noted at the end.
#include "traverse/plan.h"

#include "base/assert.h"
#include "traverse/plan_state.h"

#include <stddef.h>
#include <string.h>

#define ANSWERS 4 // datagrams that end a stage which succeeded

// --- choosing ---

static bool is_out_of_reach(const struct plan_pair *x)
{
    const struct wend_nat_model *a = &x->m[0], *b = &x->m[1];

    if (plan_reach_of(a) != PLAN_HIDDEN && plan_reach_of(b) != PLAN_HIDDEN)
        return false;
    if (plan_is_steady(a) || plan_is_steady(b))
        return false;
    return (!plan_by_address_only(a) && !plan_answers_from_same_port(b)) ||
           (!plan_by_address_only(b) && !plan_answers_from_same_port(a));
}

// One side's reported port serves everybody; the other one is `other`.
static void choose_known(struct wend_plan *p, const struct plan_pair *x, int known)
{
    const int other = 1 - known;

    switch (plan_reach_of(&x->m[other])) {
    case PLAN_OPEN:
    case PLAN_KNOWN: plan_simultaneous(p, x); return;
    case PLAN_FRESH:
    case PLAN_PREDICTABLE:
    case PLAN_HIDDEN:
    case PLAN_UNKNOWN: break;
    }
    if (plan_by_address_only(&x->m[known])) {
        plan_reversal(p, known);
        return;
    }
    switch (plan_reach_of(&x->m[other])) {
    case PLAN_FRESH: plan_guess(p, x, other, false); return;
    case PLAN_PREDICTABLE: plan_bracket(p, x, other); return;
    case PLAN_HIDDEN: plan_spread(p, x, other); return;
    case PLAN_OPEN:
    case PLAN_KNOWN:
    case PLAN_UNKNOWN: break;
    }
    plan_window(p, x);
}

// A side of the wanted reach at which the other's packets can arrive from any port and whose answer
// then gets back; -1: none.
static int find_welcoming(const struct plan_pair *x, enum plan_reach wanted)
{
    for (int i = 0; i < 2; i++) {
        const struct wend_nat_model *m = &x->m[i], *peer = &x->m[1 - i];
        if (plan_reach_of(m) == wanted && (plan_answers_from_same_port(m) ||
                                           (plan_by_address_only(m) && plan_by_address_only(peer))))
            return i;
    }
    return -1;
}

static void choose_hidden(struct wend_plan *p, const struct plan_pair *x)
{
    const int one = find_welcoming(x, PLAN_HIDDEN);

    wend_assert(one >= 0); // or is_out_of_reach
    if (plan_by_address_only(&x->m[0]) && plan_by_address_only(&x->m[1]) &&
        plan_reach_of(&x->m[0]) == PLAN_HIDDEN && plan_reach_of(&x->m[1]) == PLAN_HIDDEN)
        plan_mingle(p, x);
    else
        plan_spread(p, x, one);
}

// Neither side is known, both can be foretold.
static void choose_foretold(struct wend_plan *p, const struct plan_pair *x)
{
    const enum plan_reach a = plan_reach_of(&x->m[0]), b = plan_reach_of(&x->m[1]);

    if (a == PLAN_FRESH && b == PLAN_FRESH)
        plan_guess(p, x, x->caller, true);
    else if (a == PLAN_FRESH || b == PLAN_FRESH)
        plan_bracket_after(p, x, a == PLAN_FRESH ? 0 : 1, WEND_ROLE_GUESS);
    else if (x->m[0].mapping == WEND_NAT_ADDRESS_DEPENDENT)
        plan_bracket_after(p, x, 0, WEND_ROLE_BRACKET);
    else if (x->m[1].mapping == WEND_NAT_ADDRESS_DEPENDENT)
        plan_bracket_after(p, x, 1, WEND_ROLE_BRACKET);
    else
        plan_scan(p);
}

static void choose_unknown_ports(struct wend_plan *p, const struct plan_pair *x)
{
    const enum plan_reach a = plan_reach_of(&x->m[0]), b = plan_reach_of(&x->m[1]);
    const int fresh = find_welcoming(x, PLAN_FRESH), next = find_welcoming(x, PLAN_PREDICTABLE);

    if (a == PLAN_UNKNOWN || b == PLAN_UNKNOWN)
        plan_window(p, x);
    else if (fresh >= 0 && (a != PLAN_FRESH || b != PLAN_FRESH))
        plan_guess(p, x, fresh, false);
    else if (next >= 0)
        plan_bracket(p, x, next);
    else if (a == PLAN_HIDDEN || b == PLAN_HIDDEN)
        choose_hidden(p, x);
    else
        choose_foretold(p, x);
}

static void choose(struct wend_plan *p, const struct plan_pair *x)
{
    const enum plan_reach a = plan_reach_of(&x->m[0]), b = plan_reach_of(&x->m[1]);

    if (a == PLAN_OPEN || b == PLAN_OPEN)
        plan_direct(p, x);
    else if (a == PLAN_KNOWN || b == PLAN_KNOWN)
        choose_known(p, x, a == PLAN_KNOWN ? 0 : 1);
    else if (!is_out_of_reach(x))
        choose_unknown_ports(p, x);
}

// Where a preserving NAT did not keep the port; an unknown fallback counts as random.
static bool replace_by_fallback(struct plan_pair *x)
{
    bool any = false;

    for (int i = 0; i < 2; i++) {
        struct wend_nat_model *m = &x->m[i];
        if (plan_reach_of(m) != PLAN_FRESH)
            continue;
        m->allocation = m->fallback == WEND_NAT_SEQUENTIAL || m->fallback == WEND_NAT_BLOCK
                            ? m->fallback
                            : WEND_NAT_RANDOM;
        any = true;
    }
    return any;
}

static void choose_stages(struct wend_plan *p, struct plan_pair *x)
{
    const bool translated = x->m[0].mapping != WEND_NAT_NONE && x->m[1].mapping != WEND_NAT_NONE;
    const bool same = x->m[0].serial != 0 && x->m[1].serial != 0 && translated &&
                      wend_address_same_ip(&x->m[0].public, &x->m[1].public);

    if (same)
        plan_same_nat(p);
    if (same && (x->m[0].hairpin == WEND_NAT_NO || x->m[1].hairpin == WEND_NAT_NO))
        return;
    choose(p, x);
    if (p->stage_count > 0 && p->stages[p->stage_count - 1].method != WEND_METHOD_DIRECT &&
        replace_by_fallback(x))
        choose(p, x);
    if (p->stage_count > 0)
        plan_reported(p);
}

// --- why nothing is tried ---

static bool has_arbitrary_addresses(const struct wend_nat_model *m)
{
    return m->serial != 0 && m->paired == WEND_NAT_NO && !plan_is_steady(m);
}

static enum wend_plan_outcome find_obstacle(const struct plan_pair *x, const char **ret_reason)
{
    const struct wend_nat_model *a = &x->m[0], *b = &x->m[1];
    const bool open = wend_plan_is_open(a) || wend_plan_is_open(b);

    if (!wend_plan_is_sound(a) || !wend_plan_is_sound(b)) {
        *ret_reason = "a NAT model contradicts itself: nothing is sent on its word";
        return WEND_PLAN_NOT_SOUND;
    }
    if (a->serial == 0 && b->serial == 0) {
        *ret_reason = "nothing is known about either NAT";
        return WEND_PLAN_NOT_SOUND;
    }
    if ((a->serial != 0 && a->udp == WEND_NAT_NO) || (b->serial != 0 && b->udp == WEND_NAT_NO)) {
        *ret_reason = "UDP is blocked on one side: only the relay is left";
        return WEND_PLAN_UDP_BLOCKED;
    }
    if (!open && (has_arbitrary_addresses(a) || has_arbitrary_addresses(b))) {
        *ret_reason = "a NAT sends each mapping from another address: no port can be foretold";
        return WEND_PLAN_POOLING;
    }
    return WEND_PLAN_TRY;
}

static uint32_t budget_of(const struct wend_plan *p)
{
    uint32_t sum = 0;

    for (uint8_t i = 0; i < p->stage_count; i++)
        for (int k = 0; k < 2; k++)
            sum += (p->stages[i].parts[k].count + ANSWERS) * (uint32_t)p->stages[i].rounds;
    return sum;
}

static uint32_t mix(uint32_t a, uint32_t b, uint32_t call)
{
    uint64_t z = ((uint64_t)a << 32 | b) + 0x9e3779b97f4a7c15 * ((uint64_t)call + 1);

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return (uint32_t)(z >> 32);
}

void wend_plan_make(struct wend_plan *ret, const struct wend_plan_input *in)
{
    const uint8_t own = in->own_first ? 0 : 1;
    struct plan_pair x = {.caller = in->calling ? own : 1 - own};

    x.m[own] = *in->own;
    x.m[1 - own] = *in->peer;
    memset(ret, 0, sizeof *ret);
    ret->own = own;
    ret->caller = x.caller;
    ret->serial = mix(x.m[0].serial, x.m[1].serial, in->call);
    ret->outcome = find_obstacle(&x, &ret->reason);
    if (ret->outcome != WEND_PLAN_TRY)
        return;
    choose_stages(ret, &x);
    ret->datagrams_max = budget_of(ret);
    if (ret->stage_count > 0)
        return;
    ret->outcome = WEND_PLAN_OUT_OF_REACH;
    ret->reason = "random ports on one side and filtering by port: no answer finds its way back";
}

const char *wend_plan_method_name(enum wend_plan_method method)
{
    switch (method) {
    case WEND_METHOD_NONE: break;
    case WEND_METHOD_SAME_NAT: return "same NAT";
    case WEND_METHOD_DIRECT: return "direct";
    case WEND_METHOD_SIMULTANEOUS: return "simultaneous";
    case WEND_METHOD_REVERSAL: return "reversal";
    case WEND_METHOD_GUESS: return "guess";
    case WEND_METHOD_BRACKET: return "bracket";
    case WEND_METHOD_SCAN: return "scan";
    case WEND_METHOD_SPREAD: return "spread";
    case WEND_METHOD_WINDOW: return "window";
    case WEND_METHOD_REPORTED: return "reported port";
    }
    return "none";
}
