// SPDX-License-Identifier: MIT
// What came from the peer, told to it: docs/protocol.md section 7.4. The opening half counts what
// came by each way; this looks at the counters while user packets flow, and reports
//   every 100 ms when 4 messages or more came, by the way that we send by
//   at once, by both ways, when messages before the last are missing (50 ms apart at least, 10 ms
//   while fewer than 10 came in between, and then once more by the way that we send by)
//   by both ways when a way that carried 8 messages within 250 ms falls silent: after 100, 200 and
//   400 ms; if they came evenly, after three times their interval (50 to 100 ms), 1.5 and 2 times
//   that, 200 and 400 ms
// What comes by another class of way than we send by is reported both ways too: ours may be dead.
#include <string.h>

#include "node/contact.h"

#define LOOK          WEND_MS(50)
#define LOOK_SOON     WEND_MS(10) // after a gap in a thin stream, in which each message tells much
#define LOOK_APART    WEND_MS(40) // of those that are remembered
#define THIN          10          // messages since the last report
#define REPORT_EVERY  WEND_MS(100)
#define REPORT_LEAST  4
#define BUSY_SPAN     WEND_MS(250) // looks are up to 50 ms apart
#define BUSY_LEAST    8
#define SILENCES      3
#define SILENCE       WEND_MS(100)
#define EVEN_LOOKS    4 // something came in each of the last ones
#define EVEN_LEAST    WEND_MS(50)
#define SOON_SILENCES 3 // of an even flow, before the second of the others
#define FLOWS_FOR     WEND_S(1)
#define GAPS_FOR      WEND_MS(200)

void wend_contact_report_init(struct wend_contact *c)
{
    c->report.at = WEND_NEVER;
    c->switching.at = WEND_NEVER;
}

// --- sending ---

static void send_report(struct wend_node *n, struct wend_contact *c, bool both)
{
    const struct wend_contact_arrival *ways = c->report.ways;
    const struct wend_way_counters counters = {.index = c->report.index,
                                               .direct_highest = ways[WEND_WAY_DIRECT].highest,
                                               .direct_count = ways[WEND_WAY_DIRECT].count,
                                               .relay_highest = ways[WEND_WAY_RELAY].highest,
                                               .relay_count = ways[WEND_WAY_RELAY].count};
    const struct wend_origin way = wend_contact_way_in_use(c), relay = wend_contact_relay_way(c);
    const struct wend_path *direct = wend_paths_direct(&c->paths);
    uint8_t body[64];
    struct wend_writer w = wend_writer_of(body, sizeof body);

    wend_attribute_put_ways(&w, &counters);
    const struct wend_control head = {
        .type = WEND_CONTROL_REPORT, .id = ++c->last_id, .attributes = {.at = body, .len = w.len}};
    if (way.kind != WEND_ORIGIN_NONE)
        wend_contact_send_control(n, c, &way, &head);
    if (both && way.kind == WEND_ORIGIN_DIRECT && relay.kind != WEND_ORIGIN_NONE)
        wend_contact_send_control(n, c, &relay, &head);
    if (both && way.kind == WEND_ORIGIN_CHANNEL && direct != NULL) {
        const struct wend_origin other = {
            .kind = WEND_ORIGIN_DIRECT,
            .way = {.transport = WEND_TRANSPORT_UDP, .remote = direct->remote}};
        wend_contact_send_control(n, c, &other, &head);
    }
    c->report.sent_at = n->now;
    c->report.told = ways[WEND_WAY_DIRECT].count + ways[WEND_WAY_RELAY].count;
    c->report.gap = false;
}

// --- looking ---

static uint64_t read_counter(const _Atomic uint64_t *at)
{
    return atomic_load_explicit(at, memory_order_relaxed);
}

// How many came by a way lately.
static uint64_t recent(const struct wend_contact_report *r, uint32_t way, wend_instant now)
{
    uint64_t before = r->ways[way].count;

    for (uint32_t back = 0; back < WEND_REPORT_LOOKS; back++) {
        const uint32_t at = (r->look + WEND_REPORT_LOOKS - back) % WEND_REPORT_LOOKS;
        if (r->looks[at].at < now - BUSY_SPAN)
            break;
        before = r->looks[at].count[way];
    }
    return r->ways[way].count - before;
}

// How long nothing has to come by a way until that means something: less where messages came evenly
// of late. 0: nothing is to be told of it.
static wend_duration soonest_silence(const struct wend_contact_report *r, uint32_t way,
                                     wend_instant now)
{
    const uint64_t came = recent(r, way, now);

    if (came < BUSY_LEAST)
        return 0;
    for (uint32_t back = 0; back < EVEN_LOOKS; back++) {
        const uint32_t at = (r->look + WEND_REPORT_LOOKS - back) % WEND_REPORT_LOOKS;
        const uint32_t before = (at + WEND_REPORT_LOOKS - 1) % WEND_REPORT_LOOKS;
        if (r->looks[at].count[way] == r->looks[before].count[way])
            return SILENCE;
    }
    const wend_duration thrice = 3 * BUSY_SPAN / (wend_duration)came;
    return thrice > SILENCE ? SILENCE : thrice > EVEN_LEAST ? thrice : EVEN_LEAST;
}

// The count first: it may be behind the highest, not ahead of it.
static void read_ways(const struct wend_plane_stats *s, struct wend_way_counters *ret)
{
    ret->direct_count = read_counter(&s->ways[WEND_WAY_DIRECT].count);
    ret->relay_count = read_counter(&s->ways[WEND_WAY_RELAY].count);
    ret->direct_highest = read_counter(&s->ways[WEND_WAY_DIRECT].highest);
    ret->relay_highest = read_counter(&s->ways[WEND_WAY_RELAY].highest);
    atomic_thread_fence(memory_order_acquire);
}

// Returns true when something came by it.
static bool look_at_way(struct wend_node *n, struct wend_contact *c, uint32_t way,
                        const struct wend_way_counters *seen)
{
    const struct wend_plane_stats *s = &n->stats[c->slot];
    struct wend_contact_arrival *a = &c->report.ways[way];
    const bool direct = way == WEND_WAY_DIRECT;
    const uint64_t count = direct ? seen->direct_count : seen->relay_count;
    const uint64_t highest = direct ? seen->direct_highest : seen->relay_highest;
    const wend_instant last = atomic_load_explicit(&s->last_any_received, memory_order_relaxed);

    if (count == a->count)
        return false;
    if (highest - a->highest > count - a->count)
        c->report.gap = true;
    a->count = count;
    a->highest = highest;
    a->at = last < n->now ? last : n->now;
    a->silences = 0;
    a->soonest = soonest_silence(&c->report, way, n->now);
    c->report.latest = (uint8_t)way;
    return true;
}

static wend_duration silence_of(const struct wend_contact_arrival *a)
{
    if (a->soonest == SILENCE)
        return SILENCE << a->silences;
    if (a->silences < SOON_SILENCES)
        return a->soonest + a->silences * a->soonest / 2;
    return SILENCE << (a->silences - SOON_SILENCES + 1);
}

static bool may_fall_silent(const struct wend_contact_arrival *a)
{
    const uint8_t most = a->soonest == SILENCE ? SILENCES : SOON_SILENCES + SILENCES - 1;

    return a->soonest != 0 && a->silences < most;
}

// Returns true when its silence is to be reported (again).
static bool falls_silent(struct wend_contact_arrival *a, wend_instant now)
{
    bool says = false;

    while (may_fall_silent(a) && now - a->at >= silence_of(a)) {
        a->silences++;
        says = true;
    }
    return says;
}

static void remember_look(struct wend_contact_report *r, wend_instant now)
{
    if (now - r->looks[r->look].at < LOOK_APART)
        return;
    r->look = (uint8_t)((r->look + 1) % WEND_REPORT_LOOKS);
    r->looks[r->look].at = now;
    for (uint32_t way = 0; way < WEND_WAYS; way++)
        r->looks[r->look].count[way] = r->ways[way].count;
}

static void take_pair(struct wend_contact_report *r, uint32_t index)
{
    if (r->index == index)
        return;
    r->index = index;
    r->told = 0;
    r->gap = false;
    memset(r->ways, 0, sizeof r->ways);
    memset(r->looks, 0, sizeof r->looks);
}

static void plan(struct wend_contact *c, wend_instant now)
{
    struct wend_contact_report *r = &c->report;
    const wend_instant heard = r->ways[0].at > r->ways[1].at ? r->ways[0].at : r->ways[1].at;
    const bool flows = now - heard < FLOWS_FOR || now - c->health.grew < FLOWS_FOR;

    r->at = flows ? now + (r->gaps_until > now ? LOOK_SOON : LOOK) : WEND_NEVER;
    for (uint32_t way = 0; way < WEND_WAYS; way++) {
        const struct wend_contact_arrival *a = &r->ways[way];
        if (may_fall_silent(a))
            r->at = wend_instant_min(r->at, a->at + silence_of(a));
    }
}

static void look(struct wend_node *n, struct wend_contact *c)
{
    struct wend_contact_report *r = &c->report;
    const struct wend_plane_stats *s = &n->stats[c->slot];
    const uint32_t index = atomic_load_explicit(&s->way_index, memory_order_acquire);
    struct wend_way_counters seen;
    bool silent = false;

    read_ways(s, &seen);
    if (index == 0 || atomic_load_explicit(&s->way_index, memory_order_relaxed) != index)
        return; // the ways start anew in this moment
    take_pair(r, index);
    if (!look_at_way(n, c, WEND_WAY_DIRECT, &seen) && falls_silent(&r->ways[0], n->now))
        silent = true;
    if (!look_at_way(n, c, WEND_WAY_RELAY, &seen) && falls_silent(&r->ways[1], n->now))
        silent = true;
    remember_look(r, n->now);
    const uint64_t fresh = r->ways[0].count + r->ways[1].count - r->told;
    const bool thin = fresh < THIN;
    const bool gap = r->gap && n->now - r->sent_at >= (thin ? LOOK_SOON : LOOK);
    const bool regular = fresh >= REPORT_LEAST && n->now - r->sent_at >= REPORT_EVERY;
    const bool crossed =
        (r->latest == WEND_WAY_DIRECT) != (wend_contact_way_in_use(c).kind == WEND_ORIGIN_DIRECT);
    if (r->gap && thin)
        r->gaps_until = n->now + GAPS_FOR;
    const bool both = silent || gap;
    if (c->sending == 0 || !(both || regular || r->again))
        return;
    r->again = gap && thin; // whatever loses messages may lose this one
    send_report(n, c, both || crossed);
}

void wend_contact_report_tick(struct wend_node *n, struct wend_contact *c)
{
    if (n->stats != NULL)
        look(n, c);
    wend_contact_judge(n, c);
    if (n->stats != NULL)
        plan(c, n->now);
}

wend_instant wend_contact_report_deadline(const struct wend_contact *c)
{
    return wend_instant_min(wend_instant_min(c->report.at, c->switching.at),
                            wend_health_deadline(&c->health));
}
