// SPDX-License-Identifier: MIT
#include "world.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "node/view.h"

#define STILL_MAX  5000 // steps at one instant, and so many more for each device
#define ASK_EVERY  WEND_MS(100)
#define ASK_SELDOM WEND_S(1)

void sim_world_fail(struct sim_world *w, const char *format, ...)
{
    va_list arguments;

    if (sim_world_failed(w))
        return;
    const int len = snprintf(w->failure, sizeof w->failure, "%.6f s: ", (double)w->now / 1e9);
    va_start(arguments, format);
    vsnprintf(w->failure + len, sizeof w->failure - (size_t)len, format, arguments);
    va_end(arguments);
}

void sim_world_note(struct sim_world *w, struct sim_record r)
{
    r.at = w->now;
    sim_trace_add(&w->trace, &r);
}

void sim_world_arm(struct sim_world *w, struct sim_actor *a, wend_instant deadline)
{
    wend_assert(wend_heap_set(&w->timers, &a->timer, deadline) == 0);
}

static void phase(struct sim_world *w, uint32_t number)
{
    sim_world_note(
        w, (struct sim_record){.kind = SIM_TRACE_PHASE, .who = SIM_WHO_NOBODY, .a = number});
}

// --- beginning ---

static void begin_machines(struct sim_world *w)
{
    const struct sim_scenario *s = w->scenario;

    for (uint16_t i = 0; i < s->device_count; i++)
        sim_device_begin(w, i);
    for (uint16_t i = 0; i < s->server_count; i++)
        sim_server_begin(w, i);
    sim_world_build_net(w);
    for (uint16_t i = 0; i < s->server_count; i++)
        sim_server_start(w, &w->servers[i]);
    for (uint16_t i = 0; i < s->device_count; i++)
        sim_device_start(w, &w->devices[i]);
}

void sim_world_begin(struct sim_world *w, const struct sim_scenario *s,
                     const struct sim_options *options)
{
    const uint32_t actors = sizeof w->timer_entries / sizeof w->timer_entries[0];

    w->now = SIM_BEGIN;
    w->options = *options;
    w->scenario = s;
    w->office = sim_office_get(s->server_count, s->device_count);
    w->draw = (struct sim_draw){s->seed ^ 0x776f726c64};
    w->fault_next = w->still = 0;
    w->healed = false;
    w->complaints = 0;
    w->first_sent = 0;
    w->first_from = UINT16_MAX;
    w->failure[0] = 0;
    w->out.at = w->out_bytes;
    w->out.capacity = sizeof w->out_bytes;
    wend_seal_out_clear(&w->out);
    sim_trace_begin(&w->trace, s->seed, options->print);
    sim_stats_begin(&w->stats);
    if (options->ledger != NULL)
        sim_ledger_begin(options->ledger);
    if (options->tally != NULL)
        sim_tally_begin(options->tally);
    wend_heap_init(&w->timers, w->timer_entries, actors);
    begin_machines(w);
    sim_reassembly_init(&w->reassembly);
    w->flow_count = s->flow_count;
    for (uint32_t i = 0; i < s->flow_count; i++)
        sim_flow_begin(w, i, &s->flows[i]);
}

// --- steps ---

static void expire_one(struct sim_world *w, struct sim_actor *a)
{
    switch (a->kind) {
    case SIM_ACTOR_DEVICE: sim_device_expire(w, &w->devices[a->index]); break;
    case SIM_ACTOR_SERVER: sim_server_expire(w, &w->servers[a->index]); break;
    case SIM_ACTOR_FLOW: sim_flow_expire(w, &w->flows[a->index]); break;
    case SIM_ACTOR_NONE: break;
    }
}

static wend_instant next_thing(const struct sim_world *w)
{
    wend_instant next = wend_heap_deadline(&w->timers);

    next = wend_instant_min(next, wend_sim_net_deadline(w->net));
    return wend_instant_min(next, sim_fault_deadline(w));
}

static void step(struct sim_world *w, wend_instant next)
{
    struct wend_heap_due due;

    if (next > w->now) {
        w->now = next;
        w->still = 0;
    } else if (++w->still > STILL_MAX + 100u * w->scenario->device_count) {
        sim_world_fail(w, "time does not go on");
    }
    w->stats.steps++;
    if (sim_world_deliver(w))
        return;
    sim_fault_expire(w);
    if (wend_heap_begin(&w->timers, w->now, &due)) {
        expire_one(w, WEND_HEAP_OWNER(due.node, struct sim_actor, timer));
        wend_heap_end(&w->timers, &due);
    }
    if (w->options.check_every != 0 && w->stats.steps % w->options.check_every == 0)
        sim_watch_machines(w);
}

void sim_world_run(struct sim_world *w, wend_instant until)
{
    while (!sim_world_failed(w)) {
        const wend_instant next = next_thing(w);
        if (next > until)
            break;
        step(w, next);
        if (w->options.print != NULL)
            sim_world_take_records(w);
    }
    if (w->now < until)
        w->now = until;
}

// --- after healing: all talk ---

static bool is_pair_before(const struct sim_world *w, uint32_t flow)
{
    const struct sim_flow_plan *p = &w->flows[flow].plan;

    for (uint32_t i = 0; i < flow; i++)
        if (w->flows[i].plan.from == p->from && w->flows[i].plan.to == p->to)
            return true;
    return false;
}

static bool has_reverse(const struct sim_world *w, const struct sim_flow_plan *p)
{
    for (uint32_t i = 0; i < w->flow_count; i++)
        if (w->flows[i].plan.from == p->to && w->flows[i].plan.to == p->from)
            return true;
    return false;
}

// One flow for each direction of each pair that talked says something every 100 ms.
static void ask_all(struct sim_world *w)
{
    const uint32_t planned = w->flow_count;

    for (uint32_t i = 0; i < planned; i++) {
        const struct sim_flow_plan p = w->flows[i].plan;
        if (has_reverse(w, &p) || w->flow_count == SIM_FLOWS_MAX)
            continue;
        const struct sim_flow_plan back = {
            .from = p.to, .to = p.from, .ipv6 = p.ipv6, .len_min = 80, .len_max = 80, .burst = 1};
        sim_flow_begin(w, w->flow_count++, &back);
    }
    for (uint32_t i = 0; i < w->flow_count; i++) {
        struct sim_flow *f = &w->flows[i];
        f->asked = !is_pair_before(w, i);
        f->since = f->sent;
        f->fresh = false;
        f->plan.answered = false;
        f->plan.pause_from = f->plan.pause_to = 0;
        f->plan.interval = ASK_EVERY;
        f->plan.burst = 1;
        f->plan.stop = WEND_NEVER - SIM_BEGIN;
        f->next = f->asked ? w->now : WEND_NEVER;
        sim_flow_arm(w, f);
    }
}

static bool talks(const struct sim_world *w, const struct sim_flow *f, bool best)
{
    if (!f->fresh || !best)
        return f->fresh;
    switch (sim_scenario_best(w->scenario, f->plan.from, f->plan.to)) {
    case SIM_BEST_DIRECT: return f->by_direct;
    case SIM_BEST_RELAY:
    case SIM_BEST_ANY: break;
    }
    return true;
}

static const struct sim_flow *silent_one(const struct sim_world *w, bool best)
{
    for (uint32_t i = 0; i < w->flow_count; i++)
        if (w->flows[i].asked && !talks(w, &w->flows[i], best))
            return &w->flows[i];
    return NULL;
}

static void count_pairs(struct sim_world *w)
{
    for (uint32_t i = 0; i < w->flow_count; i++) {
        const struct sim_flow *f = &w->flows[i];
        if (!f->asked || f->plan.from > f->plan.to)
            continue;
        w->stats.pairs++;
        w->stats.pairs_direct += f->by_direct;
        if (!f->by_direct)
            sim_watch_reasons(w, f->plan.from, f->plan.to);
        if (f->by_direct &&
            sim_scenario_best(w->scenario, f->plan.from, f->plan.to) == SIM_BEST_RELAY)
            sim_world_fail(w, "devices %u and %u talk straight, which their NATs do not allow",
                           f->plan.from, f->plan.to);
    }
}

static void ask_seldom(struct sim_world *w)
{
    for (uint32_t i = 0; i < w->flow_count; i++)
        w->flows[i].plan.interval = ASK_SELDOM;
}

// Waits until all talk, the best way if `best`, for at most `bound`. Returns who does not.
static const struct sim_flow *wait_for_all(struct sim_world *w, bool best, wend_duration bound)
{
    const wend_instant until = w->now + bound;
    const struct sim_flow *silent;

    while ((silent = silent_one(w, best)) != NULL && w->now < until && !sim_world_failed(w))
        sim_world_run(w, w->now + ASK_EVERY);
    return silent;
}

static void demand_life(struct sim_world *w)
{
    const wend_instant healed = w->now;

    phase(w, 2);
    sim_world_heal(w);
    ask_all(w);
    const struct sim_flow *silent = wait_for_all(w, false, w->options.bound);
    if (silent != NULL)
        sim_world_fail(w, "nothing comes from device %u to %u %.0f s after all was mended",
                       silent->plan.from, silent->plan.to, (double)w->options.bound / 1e9);
    w->stats.healed_after = w->now - healed;
    silent = wait_for_all(w, true, w->options.bound - w->stats.healed_after);
    ask_seldom(w);
    if (silent != NULL)
        silent = wait_for_all(w, true, w->options.best_bound);
    if (silent != NULL)
        sim_world_fail(w, "not the best way from device %u to %u %.0f s after all was mended",
                       silent->plan.from, silent->plan.to, (double)(w->now - healed) / 1e9);
    w->stats.best_after = w->now - healed;
    count_pairs(w);
}

// --- the whole ---

static void demand_direct(struct sim_world *w)
{
    const wend_duration within = w->scenario->direct_within, after = w->stats.direct_after;

    if (within != 0 && (after < 0 || after > within))
        sim_world_fail(w, "no packet went straight within %.0f ms of the first one",
                       (double)within / 1e6);
}

static void count_missing(struct sim_world *w)
{
    w->stats.missing = w->stats.sent - w->stats.refused - w->stats.delivered;
    if (!w->scenario->faultless || w->stats.missing == 0)
        return;
    sim_world_fail(w, "nothing went wrong, and of %u packets %u arrived", w->stats.sent,
                   w->stats.delivered);
}

bool sim_world_play(struct sim_world *w)
{
    phase(w, 1);
    sim_world_run(w, SIM_BEGIN + w->scenario->length);
    if (!sim_world_failed(w))
        count_missing(w);
    if (!sim_world_failed(w))
        demand_direct(w);
    if (!sim_world_failed(w))
        demand_life(w);
    if (w->options.check_end && !sim_world_failed(w))
        sim_watch_machines(w);
    return !sim_world_failed(w);
}

void sim_world_end(struct sim_world *w)
{
    w->stats.virtual_time = w->now - SIM_BEGIN;
    wend_sim_net_counts(w->net, &w->stats.net);
    sim_world_note(w, (struct sim_record){.kind = SIM_TRACE_NET,
                                          .who = SIM_WHO_NET,
                                          .a = (uint32_t)wend_sim_net_hash(w->net),
                                          .b = (uint32_t)(wend_sim_net_hash(w->net) >> 32)});
    for (uint16_t i = 0; i < w->scenario->device_count; i++)
        sim_device_crash(w, &w->devices[i]);
    for (uint16_t i = 0; i < w->scenario->server_count; i++)
        sim_server_crash(w, &w->servers[i]);
}

void sim_world_close(struct sim_world *w)
{
    for (size_t i = 0; i < SIM_DEVICES_MAX; i++) {
        sim_arena_close(&w->devices[i].node_arena);
        sim_arena_close(&w->devices[i].seal_arena);
        sim_arena_close(&w->devices[i].open_arena);
        sim_arena_close(&w->devices[i].stats_arena);
    }
    for (size_t i = 0; i < SIM_SERVERS_MAX; i++)
        sim_arena_close(&w->servers[i].arena);
    free(w->net_memory);
    w->net_memory = NULL;
    w->net_memory_len = 0;
}
