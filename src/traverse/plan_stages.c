// SPDX-License-Identifier: MIT
// What each method's stage consists of: roles, counts, pace.
#include "base/assert.h"
#include "traverse/plan_state.h"

#include <stddef.h>

#define MISS_PPM       1000 // 99.9 %
#define STEP           503  // sockets and probes that find one of all ports in 98 % of cases
#define STEP_SOCKETS   520  // the same where openers do not count against earlier probes: more
#define STEP_PROBES    486  // of these, which the second step profits from
#define TAIL_PROBES    200  // of so few at most the last quarter goes slowly: a hit that is
#define TAIL_PACE      WEND_MS(20) // under way already should not cost the budget
#define PORT_LEAST     1024
#define STEP_WAIT      WEND_MS(50) // until the last probes of the first step had their answers
#define KNOCKS         4           // probes at one known port, spaced
#define BRACKET_ROUNDS 2
#define SCAN_ROUNDS    2
#define WINDOW_ROUNDS  3

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

// Of two open sides the called one speaks: what it sends is there when the caller can open it.
void plan_direct(struct wend_plan *p, const struct plan_pair *x)
{
    struct wend_plan_stage *s = add(p, WEND_METHOD_DIRECT, 1, WEND_MS(100));
    const int called = 1 - x->caller;
    const int speaker = wend_plan_is_open(&x->m[1 - called]) ? called : 1 - called;

    s->parts[speaker] = part(WEND_ROLE_PROBE, 0, KNOCKS);
    s->parts[speaker].twin = true;
    say(p, "one side takes packets from anybody: the other speaks first");
}

void plan_same_nat(struct wend_plan *p)
{
    struct wend_plan_stage *s = add(p, WEND_METHOD_SAME_NAT, 1, WEND_MS(50));

    for (int i = 0; i < 2; i++) {
        s->parts[i] = part(WEND_ROLE_PROBE, 0, 2);
        s->parts[i].inside = true;
    }
    say(p, "both behind the same NAT: inside addresses first");
}

void plan_simultaneous(struct wend_plan *p, const struct plan_pair *x)
{
    struct wend_plan_stage *s = add(p, WEND_METHOD_SIMULTANEOUS, 1, WEND_MS(200));
    const bool spare = plan_may_be_stolen(&x->m[0]) && plan_may_be_stolen(&x->m[1]);
    const bool fragile = plan_may_be_stolen(&x->m[x->caller]);

    s->together = !fragile;
    for (int i = 0; i < 2; i++) {
        s->parts[i] = part(WEND_ROLE_PROBE, spare ? 1 : 0, KNOCKS);
        s->parts[i].spare = spare;
    }
    s->parts[1 - x->caller].low_ttl = fragile;
    if (fragile)
        say(p, "both ports are known: the called side opens before the other speaks");
    say(p, "both ports are known: both sides open at the same instant");
}

// `opener` lets the other side's address in, and can be found.
void plan_reversal(struct wend_plan *p, int opener)
{
    struct wend_plan_stage *s = add(p, WEND_METHOD_REVERSAL, 1, WEND_MS(200));

    s->parts[opener] = part(WEND_ROLE_OPEN, 0, 1);
    s->parts[1 - opener] = part(WEND_ROLE_FOLLOW, 0, KNOCKS);
    say(p, "one side's port is known and lets in the whole address: the other speaks after it");
}

// `fresh` guesses; the other one is known, or a fresh one too (`blind`: it offers first).
void plan_guess(struct wend_plan *p, const struct plan_pair *x, int fresh, bool both)
{
    struct wend_plan_stage *s = add(p, WEND_METHOD_GUESS, 1, WEND_MS(150));

    s->parts[fresh] = part(WEND_ROLE_GUESS, 1, KNOCKS);
    s->parts[fresh].low_ttl = plan_may_be_stolen(&x->m[1 - fresh]);
    s->parts[fresh].waits = both;
    s->parts[1 - fresh] = part(both ? WEND_ROLE_GUESS : WEND_ROLE_FOLLOW, both ? 1 : 0, KNOCKS);
    s->parts[1 - fresh].blind = both;
    say(p, "a fresh socket keeps its port in the NAT, or nearly always");
}

// `finder` finds out its next port; the other one has a port that `finder` opens towards, or whose
// address is enough. An opener that dies behind our first NAT opens none behind that: a second one,
// from a socket of its own, goes all the way.
static struct wend_plan_stage *write_bracket(struct wend_plan *p, const struct plan_pair *x,
                                             int finder)
{
    struct wend_plan_stage *s = add(p, WEND_METHOD_BRACKET, BRACKET_ROUNDS, WEND_MS(250));

    const bool low_ttl = plan_may_be_stolen(&x->m[1 - finder]);

    s->parts[finder] = part(WEND_ROLE_BRACKET, low_ttl ? 2 : 1, WEND_PLAN_TRIES_MAX);
    s->parts[finder].low_ttl = low_ttl;
    s->parts[1 - finder] = part(WEND_ROLE_FOLLOW, 0, WEND_PLAN_TRIES_MAX);
    say(p, "one side's ports come in sequence: two servers bracket the port between them");
    return s;
}

void plan_bracket(struct wend_plan *p, const struct plan_pair *x, int finder)
{
    write_bracket(p, x, finder);
}

// `first` shows its port before the other one acts: by a fresh socket that keeps it, or bracketed.
void plan_bracket_after(struct wend_plan *p, const struct plan_pair *x, int first,
                        enum wend_plan_role role)
{
    struct wend_plan_stage *s = write_bracket(p, x, 1 - first);

    s->length = WEND_MS(350);
    s->parts[1 - first].waits = true;
    s->parts[first] = part(role, 1, WEND_PLAN_TRIES_MAX);
    s->parts[first].blind = true;
}

void plan_scan(struct wend_plan *p)
{
    struct wend_plan_stage *s = add(p, WEND_METHOD_SCAN, SCAN_ROUNDS,
                                    WEND_PLAN_SCAN_MAX * WEND_PLAN_SCAN_PACE + WEND_MS(60));

    s->together = true;
    for (int i = 0; i < 2; i++) {
        s->parts[i] = part(WEND_ROLE_SCAN, 1, WEND_PLAN_SCAN_MAX);
        s->parts[i].step = i == 0 ? 1 : 2;
        s->parts[i].pace = WEND_PLAN_SCAN_PACE;
    }
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
static void split(const struct plan_pair *x, int fan, uint32_t range, uint32_t *ret_sockets,
                  uint32_t *ret_probes)
{
    const struct wend_nat_model *prober = &x->m[1 - fan];
    const bool one_mapping =
        plan_is_steady(prober) || prober->mapping == WEND_NAT_ADDRESS_DEPENDENT;
    const uint32_t longest =
        one_mapping ? WEND_PLAN_PROBES_MAX : mappings_max(prober, WEND_PLAN_PROBES_MAX);
    const uint32_t widest = mappings_max(&x->m[fan], WEND_PLAN_SOCKETS_MAX);
    const uint32_t cap = widest < longest ? widest : longest;
    const uint32_t least = wend_plan_equal_split(range, MISS_PPM, cap);
    uint32_t sockets = least, probes = least;

    if (sockets == cap && widest > cap)
        sockets = wend_plan_probes_for(range, least, MISS_PPM, widest);
    else if (sockets == cap && longest > cap)
        probes = wend_plan_probes_for(range, least, MISS_PPM, longest);
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
    rain->first = probes;
    fan->pause = probes * WEND_PLAN_PROBE_PACE + STEP_WAIT;
    if (!both_orders && rain->count >= WEND_PLAN_SOCKETS_MAX - 10)
        rain->count = WEND_PLAN_PROBES_MAX;
}

// `fan` opens from many sockets, the other one probes.
void plan_spread(struct wend_plan *p, const struct plan_pair *x, int fan)
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
    wide->low_ttl = plan_may_be_stolen(prober);
    *rain = part(WEND_ROLE_RAIN, 0, (uint16_t)probes);
    rain->low = low;
    rain->high = high;
    if (probes <= TAIL_PROBES)
        rain->pause = TAIL_PACE;
    if (sockets > STEP_SOCKETS && probes > STEP)
        step_up(wide, rain, plan_is_steady(prober) && !wide->low_ttl);
    s->length = sockets * wide->pace + rain->count * rain->pace + WEND_MS(150) +
                rain->count / 4 * rain->pause;
    say(p, "one side's ports are drawn at random: many sockets there, as many probes here");
}

// Both let in the other's whole address: each datagram opens and probes at once, from a socket of
// its own where the mapping is the address's, so that all pairs count in whatever order they come.
void plan_mingle(struct wend_plan *p, const struct plan_pair *x)
{
    struct wend_plan_stage *s = add(p, WEND_METHOD_SPREAD, 1, 0);
    uint32_t range = 0, cap = WEND_PLAN_SOCKETS_MAX;
    uint16_t low[2], high[2];

    for (int i = 0; i < 2; i++) {
        range_of(&x->m[i], &low[i], &high[i]);
        cap = mappings_max(&x->m[i], cap);
        if ((uint32_t)high[i] - low[i] + 1 > range)
            range = (uint32_t)high[i] - low[i] + 1;
    }
    const uint16_t count = (uint16_t)wend_plan_equal_split(range, MISS_PPM, cap);
    for (int i = 0; i < 2; i++) {
        const bool by_address = x->m[i].mapping == WEND_NAT_ADDRESS_DEPENDENT;
        s->parts[i] = part(WEND_ROLE_RAIN, by_address ? count : 0, count);
        s->parts[i].first = count > STEP ? STEP : 0;
        s->parts[i].low = low[1 - i];
        s->parts[i].high = high[1 - i];
    }
    s->together = true;
    s->length = count * WEND_PLAN_PROBE_PACE + WEND_MS(150);
    say(p, "both sides' ports are drawn at random: many openers meet on both sides");
}

void plan_window(struct wend_plan *p, const struct plan_pair *x)
{
    struct wend_plan_stage *s = add(p, WEND_METHOD_WINDOW, WINDOW_ROUNDS,
                                    WEND_PLAN_WINDOW_LEN * WEND_PLAN_PROBE_PACE + WEND_MS(50));

    for (int i = 0; i < 2; i++) {
        const bool known = plan_reach_of(&x->m[1 - i]) <= PLAN_KNOWN;
        s->parts[i] = known ? part(WEND_ROLE_PROBE, 0, KNOCKS)
                            : part(WEND_ROLE_WINDOW, 0, WEND_PLAN_WINDOW_LEN);
    }
    say(p, "a NAT that nobody found out about: a window around the port it reported");
}

void plan_reported(struct wend_plan *p)
{
    struct wend_plan_stage *s = add(p, WEND_METHOD_REPORTED, 1, WEND_MS(100));

    for (int i = 0; i < 2; i++)
        s->parts[i] = part(WEND_ROLE_PROBE, 0, 1);
}
