// SPDX-License-Identifier: MIT
// The rows of the table in plan.h, from the best to the last. Everything is computed over the two
// sides in key order, so that both devices walk the same way; `own` is noted at the end.
#include "traverse/plan.h"

#include "base/assert.h"

#include <stddef.h>
#include <string.h>

#define MISS_PPM       1150 // 99.9 %, for 330 datagrams over 4,096 ports with the answers
#define STEP           503  // sockets and probes that find one of all ports in 98 % of cases
#define STEP_SOCKETS   540  // the same where openers do not count against earlier probes: more
#define STEP_PROBES    466  // of these, which the second step profits from
#define PORT_LEAST     1024
#define KNOCKS         4 // probes at one known port, spaced
#define ANSWERS        4 // datagrams that end a stage which succeeded
#define BRACKET_ROUNDS 2
#define SCAN_ROUNDS    2
#define WINDOW_ROUNDS  3

// How a side's port can be come by.
enum reach {
    OPEN = 1,    // by anybody
    KNOWN,       // reported, and the same for everybody
    FRESH,       // preserved on a fresh socket
    PREDICTABLE, // sequential
    HIDDEN,      // random, or in a block
    UNKNOWN,     // nobody found out
};

// The two models in key order while a plan is made; allocations may be replaced by the fallback.
struct pair {
    struct wend_nat_model m[2];
    uint8_t caller;
};

static bool is_steady(const struct wend_nat_model *m)
{
    return m->mapping == WEND_NAT_NONE || m->mapping == WEND_NAT_ENDPOINT_INDEPENDENT;
}

static bool by_address_only(const struct wend_nat_model *m) // or not at all
{
    return m->filtering == WEND_NAT_NONE || m->filtering == WEND_NAT_ENDPOINT_INDEPENDENT ||
           m->filtering == WEND_NAT_ADDRESS_DEPENDENT;
}

// Mapping by address with filtering by address at most: what comes in is answered from the port it
// came to.
static bool answers_from_same_port(const struct wend_nat_model *m)
{
    return by_address_only(m) && (is_steady(m) || m->mapping == WEND_NAT_ADDRESS_DEPENDENT);
}

// Linux: a packet of the peer that comes before our own takes the mapping's place.
static bool may_be_stolen(const struct wend_nat_model *m)
{
    return m->allocation == WEND_NAT_PRESERVING && m->mapping != WEND_NAT_NONE &&
           !by_address_only(m);
}

static enum reach reach_of(const struct wend_nat_model *m)
{
    if (wend_plan_is_open(m))
        return OPEN;
    if (m->serial == 0 || m->mapping == WEND_NAT_UNKNOWN)
        return UNKNOWN;
    if (is_steady(m))
        return KNOWN;
    switch (m->allocation) {
    case WEND_NAT_PRESERVING:
    case WEND_NAT_SECOND_PRIORITY: return FRESH;
    case WEND_NAT_SEQUENTIAL: return PREDICTABLE;
    case WEND_NAT_BLOCK:
    case WEND_NAT_RANDOM: return HIDDEN;
    case WEND_NAT_ALLOCATION_UNKNOWN: return UNKNOWN;
    }
    return UNKNOWN;
}

// --- writing stages ---

static struct wend_plan_stage *add(struct wend_plan *p, enum wend_plan_method method,
                                   uint8_t rounds, wend_duration length)
{
    wend_assert(p->stage_count < WEND_PLAN_STAGES_MAX);
    struct wend_plan_stage *s = &p->stages[p->stage_count++];
    *s = (struct wend_plan_stage){.method = method, .rounds = rounds, .length = length};
    return s;
}

static struct wend_plan_part part(enum wend_plan_role role, uint16_t sockets, uint16_t count)
{
    return (struct wend_plan_part){
        .role = role, .sockets = sockets, .count = count, .pace = WEND_PLAN_PROBE_PACE};
}

static void say(struct wend_plan *p, const char *reason)
{
    if (p->reason == NULL)
        p->reason = reason;
}

static void direct(struct wend_plan *p, const struct pair *x)
{
    struct wend_plan_stage *s = add(p, WEND_METHOD_DIRECT, 1, WEND_MS(100));

    for (int i = 0; i < 2; i++) {
        const enum reach peer = reach_of(&x->m[1 - i]);
        if (peer == OPEN || (peer == KNOWN && reach_of(&x->m[i]) == OPEN))
            s->parts[i] = part(WEND_ROLE_PROBE, 0, KNOCKS);
    }
    say(p, "one side takes packets from anybody: the other speaks first");
}

static void same_nat(struct wend_plan *p, const struct pair *x)
{
    struct wend_plan_stage *s = add(p, WEND_METHOD_SAME_NAT, 1, WEND_MS(50));

    for (int i = 0; i < 2; i++) {
        s->parts[i] = part(WEND_ROLE_PROBE, 0, 2);
        s->parts[i].inside = true;
    }
    (void)x;
    say(p, "both behind the same NAT: inside addresses first");
}

static void simultaneous(struct wend_plan *p, const struct pair *x)
{
    struct wend_plan_stage *s = add(p, WEND_METHOD_SIMULTANEOUS, 1, WEND_MS(200));
    const bool spare = may_be_stolen(&x->m[0]) && may_be_stolen(&x->m[1]);

    s->together = true;
    for (int i = 0; i < 2; i++) {
        s->parts[i] = part(WEND_ROLE_PROBE, spare ? 1 : 0, KNOCKS);
        s->parts[i].spare = spare;
    }
    say(p, "both ports are known: both sides open at the same instant");
}

// `opener` lets the other side's address in, and can be found.
static void reversal(struct wend_plan *p, int opener)
{
    struct wend_plan_stage *s = add(p, WEND_METHOD_REVERSAL, 1, WEND_MS(200));

    s->parts[opener] = part(WEND_ROLE_OPEN, 0, 1);
    s->parts[1 - opener] = part(WEND_ROLE_FOLLOW, 0, KNOCKS);
    say(p, "one side's port is known and lets in the whole address: the other speaks after it");
}

// `fresh` guesses; the other one is known, or a fresh one too (`blind`: it offers first).
static void guess(struct wend_plan *p, const struct pair *x, int fresh, bool both)
{
    struct wend_plan_stage *s = add(p, WEND_METHOD_GUESS, 1, WEND_MS(150));

    s->parts[fresh] = part(WEND_ROLE_GUESS, 1, KNOCKS);
    s->parts[fresh].low_ttl = may_be_stolen(&x->m[1 - fresh]);
    s->parts[fresh].waits = both;
    s->parts[1 - fresh] = part(both ? WEND_ROLE_GUESS : WEND_ROLE_FOLLOW, both ? 1 : 0, KNOCKS);
    s->parts[1 - fresh].blind = both;
    say(p, "a fresh socket keeps its port in the NAT, or nearly always");
}

// `finder` finds out its next port; the other one has a port that `finder` opens towards, or whose
// address is enough.
static struct wend_plan_stage *bracket(struct wend_plan *p, const struct pair *x, int finder)
{
    struct wend_plan_stage *s = add(p, WEND_METHOD_BRACKET, BRACKET_ROUNDS, WEND_MS(250));

    s->parts[finder] = part(WEND_ROLE_BRACKET, 1, WEND_PLAN_TRIES_MAX);
    s->parts[finder].low_ttl = may_be_stolen(&x->m[1 - finder]);
    s->parts[1 - finder] = part(WEND_ROLE_FOLLOW, 0, WEND_PLAN_TRIES_MAX);
    say(p, "one side's ports come in sequence: two servers bracket the port between them");
    return s;
}

// `first` shows its port before the other one acts: by a fresh socket that keeps it, or bracketed.
static void bracket_after(struct wend_plan *p, const struct pair *x, int first,
                          enum wend_plan_role role)
{
    struct wend_plan_stage *s = bracket(p, x, 1 - first);

    s->length = WEND_MS(350);
    s->parts[1 - first].waits = true;
    s->parts[first] = part(role, 1, WEND_PLAN_TRIES_MAX);
    s->parts[first].blind = true;
}

static void scan(struct wend_plan *p, const struct pair *x)
{
    struct wend_plan_stage *s = add(p, WEND_METHOD_SCAN, SCAN_ROUNDS,
                                    WEND_PLAN_SCAN_MAX * WEND_PLAN_SCAN_PACE + WEND_MS(60));

    s->together = true;
    for (int i = 0; i < 2; i++) {
        s->parts[i] = part(WEND_ROLE_SCAN, 1, WEND_PLAN_SCAN_MAX);
        s->parts[i].step = i == 0 ? 1 : 2;
        s->parts[i].pace = WEND_PLAN_SCAN_PACE;
    }
    (void)x;
    say(p, "both sides' ports come in sequence: steps of 1 and 2 through them have to meet");
}

// --- one side hidden ---

// By the unfavourable ends of the bounds; all ports when they are not known.
static void range_of(const struct wend_nat_model *m, uint16_t *ret_low, uint16_t *ret_high)
{
    const bool bounded = m->high.most != 0;

    *ret_low = (uint16_t)(bounded && m->low.least != 0 ? m->low.least : PORT_LEAST);
    *ret_high = (uint16_t)(bounded ? m->high.most : UINT16_MAX);
}

// What a side may hold of its own NAT: a quarter of a block.
static uint32_t mappings_max(const struct wend_nat_model *m, uint32_t otherwise)
{
    if (m->allocation != WEND_NAT_BLOCK)
        return otherwise;
    const uint32_t least = m->high.least > m->low.most ? m->high.least - m->low.most + 1 : 4;
    const uint32_t quarter = least / 4 > 0 ? least / 4 : 1;
    return quarter < otherwise ? quarter : otherwise;
}

// How many sockets and probes: alike, within what both NATs may be asked to hold.
static void split(const struct pair *x, int fan, uint32_t range, uint32_t *ret_sockets,
                  uint32_t *ret_probes)
{
    const struct wend_nat_model *prober = &x->m[1 - fan];
    const bool one_mapping = is_steady(prober) || prober->mapping == WEND_NAT_ADDRESS_DEPENDENT;
    const uint32_t probes_max =
        one_mapping ? WEND_PLAN_PROBES_MAX : mappings_max(prober, WEND_PLAN_PROBES_MAX);
    const uint32_t sockets_max = mappings_max(&x->m[fan], WEND_PLAN_SOCKETS_MAX);
    const uint32_t cap = sockets_max < probes_max ? sockets_max : probes_max;
    uint32_t sockets = wend_plan_equal_split(range, MISS_PPM, cap), probes = sockets;

    if (sockets == cap && sockets_max > cap)
        sockets = wend_plan_probes_for(range, probes, MISS_PPM, sockets_max);
    else if (sockets == cap && probes_max > cap)
        probes = wend_plan_probes_for(range, sockets, MISS_PPM, probes_max);
    *ret_sockets = sockets;
    *ret_probes = probes;
}

// Over the whole range in two steps, so that the first 98 % cost no more than they have to. An
// opener that comes after a probe at its port gets in by what that probe opened, if it comes to the
// same mapping and may travel so far; else only probes count that come after the opener.
static void step_up(struct wend_plan_part *fan, struct wend_plan_part *rain, bool both_orders)
{
    const uint16_t probes = both_orders ? STEP : STEP_PROBES;

    fan->first = both_orders ? STEP : STEP_SOCKETS;
    fan->pause = probes * WEND_PLAN_PROBE_PACE - (fan->count - fan->first) * fan->pace;
    if (!both_orders && rain->count >= WEND_PLAN_SOCKETS_MAX - 10)
        rain->count = WEND_PLAN_PROBES_MAX;
}

// `fan` opens from many sockets, the other one probes.
static void spread(struct wend_plan *p, const struct pair *x, int fan)
{
    const struct wend_nat_model *prober = &x->m[1 - fan];
    struct wend_plan_stage *s = add(p, WEND_METHOD_SPREAD, 1, 0);
    struct wend_plan_part *wide = &s->parts[fan], *rain = &s->parts[1 - fan];
    uint32_t sockets, probes;
    uint16_t low, high;

    range_of(&x->m[fan], &low, &high);
    split(x, fan, (uint32_t)high - low + 1, &sockets, &probes);
    *wide = part(WEND_ROLE_FAN, (uint16_t)sockets, (uint16_t)sockets);
    wide->pace = WEND_PLAN_OPENER_PACE;
    wide->low_ttl = may_be_stolen(prober);
    *rain = part(WEND_ROLE_RAIN, 0, (uint16_t)probes);
    rain->low = low;
    rain->high = high;
    if (sockets > STEP_SOCKETS && probes > STEP)
        step_up(wide, rain, is_steady(prober) && !wide->low_ttl);
    s->length = sockets * wide->pace + rain->count * rain->pace + WEND_MS(150);
    say(p, "one side's ports are drawn at random: many sockets there, as many probes here");
}

static void window(struct wend_plan *p, const struct pair *x)
{
    struct wend_plan_stage *s = add(p, WEND_METHOD_WINDOW, WINDOW_ROUNDS,
                                    WEND_PLAN_WINDOW_LEN * WEND_PLAN_PROBE_PACE + WEND_MS(50));

    for (int i = 0; i < 2; i++) {
        const bool known = reach_of(&x->m[1 - i]) <= KNOWN;
        s->parts[i] = known ? part(WEND_ROLE_PROBE, 0, KNOCKS)
                            : part(WEND_ROLE_WINDOW, 0, WEND_PLAN_WINDOW_LEN);
    }
    say(p, "a NAT that nobody found out about: a window around the port it reported");
}

static void reported(struct wend_plan *p)
{
    struct wend_plan_stage *s = add(p, WEND_METHOD_REPORTED, 1, WEND_MS(100));

    for (int i = 0; i < 2; i++)
        s->parts[i] = part(WEND_ROLE_PROBE, 0, 1);
}

// --- choosing ---

static bool is_out_of_reach(const struct pair *x)
{
    const struct wend_nat_model *a = &x->m[0], *b = &x->m[1];

    if (reach_of(a) != HIDDEN && reach_of(b) != HIDDEN)
        return false;
    if (is_steady(a) || is_steady(b))
        return false;
    return (!by_address_only(a) && !answers_from_same_port(b)) ||
           (!by_address_only(b) && !answers_from_same_port(a));
}

// One side's reported port serves everybody; the other one is `other`.
static void choose_known(struct wend_plan *p, const struct pair *x, int known)
{
    const int other = 1 - known;

    switch (reach_of(&x->m[other])) {
    case OPEN:
    case KNOWN: simultaneous(p, x); return;
    case FRESH:
    case PREDICTABLE:
    case HIDDEN:
    case UNKNOWN: break;
    }
    if (by_address_only(&x->m[known])) {
        reversal(p, known);
        return;
    }
    switch (reach_of(&x->m[other])) {
    case FRESH: guess(p, x, other, false); return;
    case PREDICTABLE: bracket(p, x, other); return;
    case HIDDEN: spread(p, x, other); return;
    case OPEN:
    case KNOWN:
    case UNKNOWN: break;
    }
    window(p, x);
}

// A side of the wanted reach at which the other's packets can arrive from any port and whose answer
// then gets back; -1: none.
static int find_welcoming(const struct pair *x, enum reach wanted)
{
    for (int i = 0; i < 2; i++) {
        const struct wend_nat_model *m = &x->m[i], *peer = &x->m[1 - i];
        if (reach_of(m) == wanted &&
            (answers_from_same_port(m) || (by_address_only(m) && by_address_only(peer))))
            return i;
    }
    return -1;
}

static void choose_hidden(struct wend_plan *p, const struct pair *x)
{
    const int one = find_welcoming(x, HIDDEN);

    wend_assert(one >= 0); // or is_out_of_reach
    spread(p, x, one);
}

// Neither side is known, both can be foretold.
static void choose_foretold(struct wend_plan *p, const struct pair *x)
{
    const enum reach a = reach_of(&x->m[0]), b = reach_of(&x->m[1]);

    if (a == FRESH && b == FRESH)
        guess(p, x, x->caller, true);
    else if (a == FRESH || b == FRESH)
        bracket_after(p, x, a == FRESH ? 0 : 1, WEND_ROLE_GUESS);
    else if (x->m[0].mapping == WEND_NAT_ADDRESS_DEPENDENT)
        bracket_after(p, x, 0, WEND_ROLE_BRACKET);
    else if (x->m[1].mapping == WEND_NAT_ADDRESS_DEPENDENT)
        bracket_after(p, x, 1, WEND_ROLE_BRACKET);
    else
        scan(p, x);
}

static void choose_unknown_ports(struct wend_plan *p, const struct pair *x)
{
    const enum reach a = reach_of(&x->m[0]), b = reach_of(&x->m[1]);
    const int fresh = find_welcoming(x, FRESH), next = find_welcoming(x, PREDICTABLE);

    if (a == UNKNOWN || b == UNKNOWN)
        window(p, x);
    else if (fresh >= 0 && (a != FRESH || b != FRESH))
        guess(p, x, fresh, false);
    else if (next >= 0)
        bracket(p, x, next);
    else if (a == HIDDEN || b == HIDDEN)
        choose_hidden(p, x);
    else
        choose_foretold(p, x);
}

static void choose(struct wend_plan *p, const struct pair *x)
{
    const enum reach a = reach_of(&x->m[0]), b = reach_of(&x->m[1]);

    if (a == OPEN || b == OPEN)
        direct(p, x);
    else if (a == KNOWN || b == KNOWN)
        choose_known(p, x, a == KNOWN ? 0 : 1);
    else if (!is_out_of_reach(x))
        choose_unknown_ports(p, x);
}

// Where a preserving NAT did not keep the port; an unknown fallback counts as random.
static bool replace_by_fallback(struct pair *x)
{
    bool any = false;

    for (int i = 0; i < 2; i++) {
        struct wend_nat_model *m = &x->m[i];
        if (reach_of(m) != FRESH)
            continue;
        m->allocation = m->fallback == WEND_NAT_SEQUENTIAL || m->fallback == WEND_NAT_BLOCK
                            ? m->fallback
                            : WEND_NAT_RANDOM;
        any = true;
    }
    return any;
}

static void choose_stages(struct wend_plan *p, struct pair *x)
{
    const bool translated = x->m[0].mapping != WEND_NAT_NONE && x->m[1].mapping != WEND_NAT_NONE;
    const bool same = x->m[0].serial != 0 && x->m[1].serial != 0 && translated &&
                      wend_address_same_ip(&x->m[0].public, &x->m[1].public);

    if (same)
        same_nat(p, x);
    if (same && (x->m[0].hairpin == WEND_NAT_NO || x->m[1].hairpin == WEND_NAT_NO))
        return;
    choose(p, x);
    if (p->stage_count > 0 && p->stages[p->stage_count - 1].method != WEND_METHOD_DIRECT &&
        replace_by_fallback(x))
        choose(p, x);
    if (p->stage_count > 0)
        reported(p);
}

// --- why nothing is tried ---

static bool has_arbitrary_addresses(const struct wend_nat_model *m)
{
    return m->serial != 0 && m->paired == WEND_NAT_NO && !is_steady(m);
}

static enum wend_plan_outcome find_obstacle(const struct pair *x, const char **ret_reason)
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
    struct pair x = {.caller = in->calling ? own : 1 - own};

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
