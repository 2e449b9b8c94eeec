// SPDX-License-Identifier: MIT
#include "io/status_words.h"

#include "base/print.h"

// What became of an attempt that failed.
static const char *failure(enum wend_volley_code code)
{
    switch (code) {
    case WEND_VOLLEY_GAVE_UP: return "nothing came through";
    case WEND_VOLLEY_REFUSED: return "the other side refused";
    case WEND_VOLLEY_NO_PLAN: return "the other side saw no way";
    case WEND_VOLLEY_BUSY: return "too many were under way";
    case WEND_VOLLEY_CHANGED: return "then a network or a NAT changed";
    }
    return "nothing came through";
}

static void say_direct(const struct wend_volley_view *v, char *ret)
{
    if (v->end == WEND_VOLLEY_END_WON && v->reason != NULL)
        wend_print(ret, WEND_WHY_LEN, "direct (%s): %s", wend_plan_method_name(v->method),
                   v->reason);
    else
        wend_print(ret, WEND_WHY_LEN, "direct (probes): it answers at an address that it told");
}

// Nothing was tried.
static void say_no_plan(const struct wend_volley_view *v, char *ret)
{
    const bool reach = v->outcome == WEND_PLAN_OUT_OF_REACH;

    wend_print(ret, WEND_WHY_LEN, "relay: %s%s", reach ? "out of reach: " : "", v->reason);
}

static void say_relay(const struct wend_volley_view *v, char *ret)
{
    const char *method = wend_plan_method_name(v->method);

    if (v->reason != NULL && v->outcome != WEND_PLAN_TRY)
        say_no_plan(v, ret);
    else if (v->running)
        wend_print(ret, WEND_WHY_LEN, "relay (%s is tried): %s", method, v->reason);
    else if (v->end == WEND_VOLLEY_END_FAILED)
        wend_print(ret, WEND_WHY_LEN, "relay (%s was tried, %s; again later): %s", method,
                   failure(v->code), v->reason);
    else if (v->end == WEND_VOLLEY_END_WON)
        wend_print(ret, WEND_WHY_LEN, "relay: the direct path that %s found is not in use", method);
    else
        wend_print(ret, WEND_WHY_LEN, "relay: %s",
                   v->nat_known ? "no direct path has answered yet"
                                : "the NAT here is not found out, no direct path has answered");
}

const char *wend_status_why(const struct wend_peer_view *peer, char ret[static WEND_WHY_LEN])
{
    if (peer->path_used >= peer->path_count)
        return NULL;
    switch (peer->paths[peer->path_used].kind) {
    case WEND_PATH_NONE: return NULL;
    case WEND_PATH_DIRECT: say_direct(&peer->volley, ret); return ret;
    case WEND_PATH_RELAY: break;
    }
    if (peer->relay_preferred)
        wend_print(ret, WEND_WHY_LEN, "relay: as wend prefer asked for");
    else
        say_relay(&peer->volley, ret);
    return ret;
}

const char *wend_status_volley_state(const struct wend_volley_view *v)
{
    if (v->running)
        return "running";
    switch (v->end) {
    case WEND_VOLLEY_END_NONE: return "none";
    case WEND_VOLLEY_END_WON: return "won";
    case WEND_VOLLEY_END_FAILED: return "failed";
    case WEND_VOLLEY_END_NO_WAY: return "no-way";
    }
    return "none";
}

unsigned wend_status_gateways(const struct wend_nat_model *m, unsigned in_a_row)
{
    const bool elsewhere = m->mapped.family != WEND_FAMILY_NONE &&
                           m->public.family == m->mapped.family &&
                           !wend_address_same_ip(&m->mapped, &m->public);

    return elsewhere && in_a_row < 2 ? 2 : in_a_row;
}
