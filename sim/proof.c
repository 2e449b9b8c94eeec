// SPDX-License-Identifier: MIT
#include "proof.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

struct family {
    const char *name;
    void (*play)(struct sim_proof *p);
};

static const struct family families[] = {
    {"first", sim_proof_first},   {"after-idle", sim_proof_after_idle},
    {"burst", sim_proof_burst},   {"wake", sim_proof_wake},
    {"direct", sim_proof_direct}, {"switch", sim_proof_switch},
    {"fail", sim_proof_fail},     {"move", sim_proof_move},
    {"idle", sim_proof_idle},     {"narrow", sim_proof_narrow},
    {"memory", sim_proof_memory},
};

#define COUNT (sizeof families / sizeof families[0])

void sim_proof_list(FILE *out)
{
    for (size_t i = 0; i < COUNT; i++)
        fprintf(out, "%s%s", i == 0 ? "" : ", ", families[i].name);
    fprintf(out, "\n");
}

bool sim_proof_play(struct sim_proof *p)
{
    bool any = false;

    for (size_t i = 0; i < COUNT; i++) {
        if (p->only != NULL && strcmp(p->only, families[i].name) != 0)
            continue;
        any = true;
        p->label = families[i].name;
        families[i].play(p);
        fflush(p->out);
    }
    return any && !p->missed;
}

void sim_proof_row(struct sim_proof *p, bool met, const char *texts[static 2], const char *format,
                   ...)
{
    char measured[300];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(measured, sizeof measured, format, arguments);
    va_end(arguments);
    fprintf(p->out, "{\"what\": \"%s\", \"goal\": \"%s\", \"measured\": \"%s", texts[0], texts[1],
            measured);
    if (p->red > 0)
        fprintf(p->out, "; %u worlds failed, as %s", p->red, p->failure);
    met = met && p->red == 0;
    fprintf(p->out, "\", \"met\": %s}\n", met ? "true" : "false");
    p->missed = p->missed || !met;
    p->red = 0;
}

// --- worlds ---

bool sim_proof_wants(const struct sim_proof *p, uint64_t seed)
{
    return p->seed == SIM_EVERY_SEED || p->seed == seed;
}

void sim_proof_begin(struct sim_proof *p)
{
    const struct sim_options options = {.print = p->print, .ledger = &p->ledger};

    if (p->print != NULL)
        sim_scenario_print(&p->scenario, p->print);
    sim_world_begin(p->world, &p->scenario, &options);
}

bool sim_proof_run(struct sim_proof *p, wend_duration until)
{
    sim_world_run(p->world, SIM_BEGIN + until);
    return !sim_world_failed(p->world);
}

void sim_proof_end(struct sim_proof *p)
{
    struct sim_world *w = p->world;

    sim_world_end(w);
    if (sim_world_failed(w) && p->red++ == 0)
        snprintf(p->failure, sizeof p->failure, "%s seed %" PRIu64 ": %s", p->label,
                 p->scenario.seed, w->failure);
}

// --- samples ---

void sim_samples_clear(struct sim_samples *s)
{
    s->count = s->missing = 0;
    s->greatest = INT64_MIN;
}

void sim_samples_add(struct sim_samples *s, wend_duration d, uint64_t seed)
{
    if (d > s->greatest) {
        s->greatest = d;
        s->seed = seed;
    }
    if (d == WEND_NEVER) {
        s->missing++;
        return;
    }
    wend_assert(s->count < SIM_SAMPLES_MAX);
    s->at[s->count++] = d;
}

static int compare(const void *a, const void *b)
{
    const wend_duration x = *(const wend_duration *)a, y = *(const wend_duration *)b;

    return (x > y) - (x < y);
}

void sim_samples_sort(struct sim_samples *s)
{
    qsort(s->at, s->count, sizeof s->at[0], compare);
}

wend_duration sim_samples_part(const struct sim_samples *s, double part)
{
    const uint32_t all = s->count + s->missing;
    uint32_t rank = (uint32_t)(part * (double)all + 0.999999);

    if (rank == 0)
        rank = 1;
    return rank > s->count ? WEND_NEVER : s->at[rank - 1];
}

double sim_ms(wend_duration d)
{
    return d == WEND_NEVER ? 999999 : (double)d / 1e6;
}

// --- scenarios ---

static const struct sim_place *site_of(const struct sim_scenario *s, uint16_t device)
{
    const struct sim_place *p = &s->places[device];

    return p->neighbour_of < 0 ? p : &s->places[p->neighbour_of];
}

wend_duration sim_proof_one_way(const struct sim_scenario *s, uint16_t from, uint16_t to,
                                bool relay)
{
    const struct sim_place *a = site_of(s, from), *b = site_of(s, to);
    const wend_duration access = a->up.link.delay + b->down.link.delay;

    if (relay)
        return access + 2 * (s->core + s->relay) + a->far + b->far;
    return a == b ? 0 : access + s->core;
}

void sim_proof_draw_access(struct sim_scenario *s, struct sim_draw *d)
{
    for (uint16_t i = 0; i < 2; i++) {
        struct sim_place *p = &s->places[i];
        p->up.link = (struct wend_link_config){
            .delay = sim_draw_between(d, WEND_US(100), WEND_MS(5)), .seed = sim_draw_u64(d)};
        p->down.link = p->up.link;
        p->down.link.seed = sim_draw_u64(d);
    }
}

void sim_proof_cones(struct sim_proof *p, uint64_t seed, enum wend_sim_dependence filtering)
{
    struct sim_scenario *s = &p->scenario;
    struct sim_draw d = {seed * 31 + 5};

    sim_scenario_clear(s, p->label, seed);
    for (uint16_t i = 0; i < 2; i++)
        s->places[i] = sim_place_nat(WEND_SIM_ENDPOINT_INDEPENDENT, filtering,
                                     (enum wend_sim_allocation)sim_draw_below(&d, 4));
    sim_proof_draw_access(s, &d);
    s->core = sim_draw_between(&d, WEND_MS(2), WEND_MS(30));
    s->relay = sim_draw_between(&d, WEND_MS(1), WEND_MS(20));
}

void sim_proof_talk(struct sim_proof *p, wend_duration interval, wend_instant start,
                    wend_instant stop)
{
    struct sim_flow_plan there = sim_flow_steady(0, 1, interval);
    struct sim_flow_plan back = sim_flow_steady(1, 0, interval);

    there.start = start;
    back.start = start + interval / 2;
    there.stop = back.stop = stop;
    sim_scenario_add_flow(&p->scenario, &there);
    sim_scenario_add_flow(&p->scenario, &back);
}

const struct sim_ledger_packet *sim_proof_delivered(const struct sim_proof *p, uint32_t flow,
                                                    wend_instant since, bool relay)
{
    const struct sim_ledger_packet *best = NULL;

    for (uint32_t i = 0; i < p->ledger.counts[flow]; i++) {
        const struct sim_ledger_packet *k = &p->ledger.packets[flow][i];
        if (k->sent < since || k->delivered == 0 || (relay && k->by_direct))
            continue;
        if (best == NULL || k->delivered < best->delivered)
            best = k;
    }
    return best;
}

bool sim_proof_is_direct(const struct sim_proof *p)
{
    return p->world->flows[0].by_direct && p->world->flows[1].by_direct;
}
