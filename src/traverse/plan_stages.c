// SPDX-License-Identifier: MIT
// What each method's stage consists of: roles, counts, pace.
#include "base/assert.h"
#include "traverse/plan_state.h"

#include <stddef.h>

#define MISS_PPM       1000 // 99.9 %
#define BLOCK_MISS_PPM 300  // of a block: its size is an estimate
#define BLOCK_PORTS    4096 // what spreads further is called random
#define SURE_LEAST     128 // ports of a block; of fewer that were seen too few sockets may be there
#define STEP_SOCKETS   520 // with so many probes, sent in 2.4 s, one of all ports is found in
#define STEP_PROBES    486 // 98 % of cases
#define LAST_SOCKETS   690 // and in 99.9 % with so many in all, in 3.3 s
#define LAST_PROBES    646
#define MINGLE_STEP    503         // a side, where each datagram opens and probes: the same 98 %
#define MINGLE_MAX     668         // and 99.9 %
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

struct range {
    uint16_t low, high;
};

static uint32_t size_of(struct range r)
{
    return (uint32_t)r.high - r.low + 1;
}

// Where a port may be: by the unfavourable ends of the bounds; all ports when they are not known.
static struct range widest_of(const struct wend_nat_model *m)
{
    struct range r = {PLAN_PORT_LEAST, UINT16_MAX};

    if (m->high.most != 0) {
        r.high = (uint16_t)m->high.most;
        if (m->low.least > PLAN_PORT_LEAST || (m->low.most < PLAN_PORT_LEAST && m->low.least > 0))
            r.low = (uint16_t)m->low.least;
    }
    return r.low < r.high ? r : (struct range){PLAN_PORT_LEAST, UINT16_MAX};
}

// Where to aim: between ports that were seen. Each probe there finds as much as one in all of the
// true range, whose size it need not know; one outside may find nothing at all.
static struct range aim_of(const struct wend_nat_model *m)
{
    const uint32_t least = m->allocation == WEND_NAT_BLOCK ? SURE_LEAST : BLOCK_PORTS;

    if (m->low.most == 0 || m->high.least < m->low.most + least)
        return widest_of(m);
    return (struct range){(uint16_t)m->low.most, (uint16_t)m->high.least};
}

// Among so many ports the sockets' are spread, at most.
static uint32_t spread_of(const struct wend_nat_model *m)
{
    const uint32_t size = size_of(widest_of(m));

    return m->allocation == WEND_NAT_BLOCK && size > BLOCK_PORTS ? BLOCK_PORTS : size;
}

static uint32_t miss_of(const struct wend_nat_model *m)
{
    return m->allocation == WEND_NAT_BLOCK ? BLOCK_MISS_PPM : MISS_PPM;
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

// So many probes, as far as each makes a mapping.
static uint32_t probes_max(const struct wend_nat_model *m)
{
    const bool one_mapping = plan_is_steady(m) || m->mapping == WEND_NAT_ADDRESS_DEPENDENT;

    return one_mapping ? WEND_PLAN_PROBES_MAX : mappings_max(m, WEND_PLAN_PROBES_MAX);
}

// How many sockets and probes: alike, within what both NATs may be asked to hold.
static void split(const struct plan_pair *x, int fan, uint32_t *ret_sockets, uint32_t *ret_probes)
{
    const struct wend_nat_model *hidden = &x->m[fan];
    const uint32_t range = spread_of(hidden), miss = miss_of(hidden);
    const uint32_t longest = probes_max(&x->m[1 - fan]);
    const uint32_t widest = mappings_max(hidden, WEND_PLAN_SOCKETS_MAX);
    const uint32_t cap = widest < longest ? widest : longest;
    const uint32_t least = wend_plan_equal_split(range, miss, cap);
    uint32_t sockets = least, probes = least;

    if (sockets == cap && widest > cap)
        sockets = wend_plan_probes_for(range, least, miss, widest);
    else if (sockets == cap && longest > cap)
        probes = wend_plan_probes_for(range, least, miss, longest);
    *ret_sockets = sockets;
    *ret_probes = probes;
}

// Over the whole range in two steps, so that the first 98 % cost no more than they have to. An
// opener of the second step gets in by what a probe of the first one opened at its port, if all
// probes come from one mapping; else only probes count that come after it, so there are more.
static void step_up(const struct wend_nat_model *prober, struct wend_plan_part *fan,
                    struct wend_plan_part *rain)
{
    const uint32_t probes = plan_is_steady(prober) ? LAST_PROBES : WEND_PLAN_PROBES_MAX;
    const uint32_t most = probes_max(prober);

    fan->sockets = fan->count = LAST_SOCKETS;
    fan->first = STEP_SOCKETS;
    fan->pause = STEP_PROBES * WEND_PLAN_PROBE_PACE + STEP_WAIT;
    rain->count = (uint16_t)(probes < most ? probes : most);
    rain->first = STEP_PROBES;
}

// `fan` opens from many sockets, the other one probes.
void plan_spread(struct wend_plan *p, const struct plan_pair *x, int fan)
{
    const struct wend_nat_model *prober = &x->m[1 - fan];
    const struct range aim = aim_of(&x->m[fan]);
    struct wend_plan_stage *s = add(p, WEND_METHOD_SPREAD, 1, 0);
    struct wend_plan_part *wide = &s->parts[fan], *rain = &s->parts[1 - fan];
    uint32_t sockets, probes;

    split(x, fan, &sockets, &probes);
    *wide = part(WEND_ROLE_FAN, (uint16_t)sockets, (uint16_t)sockets);
    wide->pace = WEND_PLAN_OPENER_PACE;
    wide->low_ttl = plan_may_be_stolen(prober);
    *rain = part(WEND_ROLE_RAIN, 0, (uint16_t)(probes < size_of(aim) ? probes : size_of(aim)));
    rain->low = aim.low;
    rain->high = aim.high;
    if (sockets > STEP_SOCKETS && probes > STEP_PROBES)
        step_up(prober, wide, rain);
    s->length = wide->count * wide->pace + rain->count * rain->pace + WEND_MS(150);
    say(p, "one side's ports are drawn at random: many sockets there, as many probes here");
}

// Both let in the other's whole address: each datagram opens and probes at once, from a socket of
// its own where the mapping is the address's, so that all pairs count in whatever order they come.
void plan_mingle(struct wend_plan *p, const struct plan_pair *x)
{
    struct wend_plan_stage *s = add(p, WEND_METHOD_SPREAD, 1, 0);
    uint32_t range = 0, miss = 0, cap = MINGLE_MAX;

    for (int i = 0; i < 2; i++) {
        cap = mappings_max(&x->m[i], cap);
        if (spread_of(&x->m[i]) > range) {
            range = spread_of(&x->m[i]);
            miss = miss_of(&x->m[i]);
        }
    }
    const uint16_t count = (uint16_t)wend_plan_equal_split(range, miss, cap);
    for (int i = 0; i < 2; i++) {
        const bool by_address = x->m[i].mapping == WEND_NAT_ADDRESS_DEPENDENT;
        const struct range aim = aim_of(&x->m[1 - i]);
        s->parts[i] = part(WEND_ROLE_RAIN, by_address ? count : 0, count);
        s->parts[i].first = count > MINGLE_STEP ? MINGLE_STEP : 0;
        s->parts[i].low = aim.low;
        s->parts[i].high = aim.high;
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
