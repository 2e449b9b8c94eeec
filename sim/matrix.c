// SPDX-License-Identifier: MIT
// Cells, their trials, and the processes that share them.
//
// Processes take the next cell from a counter that they share, and write what came of it to one
// pipe, in one piece each; the parent prints them in order as they come.
#include "matrix.h"

#include <limits.h>
#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PREPARED     WEND_S(4)  // both are registered, and know their own NAT
#define PREPARED_TCP WEND_S(15) // also those that found out that no UDP passes
#define TALK_EVERY   WEND_MS(50)
#define ACCESS       WEND_MS(5) // from device to internet; of that, to its box:
#define LAN          WEND_US(100)
#define PATIENCE     WEND_S(10) // until both hold a model
#define QUIET        WEND_S(3)  // after the clock started: nothing more goes to a peer out of reach
#define LOOK_EVERY   WEND_MS(10)
#define EVERY_TRIAL  UINT64_MAX

_Static_assert(sizeof(struct sim_matrix_result) <= PIPE_BUF, "written in one piece");

static struct sim_matrix_cell cells[SIM_MATRIX_CELLS_MAX];
static struct sim_matrix_result results[SIM_MATRIX_CELLS_MAX];
static bool finished[SIM_MATRIX_CELLS_MAX];
static struct sim_scenario scenario; // large
static struct sim_tally tally;

struct samples {
    uint32_t count;
    int64_t datagrams[SIM_MATRIX_TRIALS_MAX], times[SIM_MATRIX_TRIALS_MAX];
};
static struct samples samples;

// --- which cells there are ---

static const char *const variants[] = {"", " @holes", " @wan", " @access"};

// Losses cost: the small budgets double, the others grow by a tenth, success falls by a point.
static struct sim_matrix_goal goal_of(struct sim_matrix_goal g, enum sim_matrix_variant variant)
{
    const bool small = g.datagrams < 30;

    if (variant == SIM_MATRIX_ACCESS)
        return (struct sim_matrix_goal){0};
    if (variant != SIM_MATRIX_WAN || g.want == SIM_MATRIX_NO_GOAL)
        return g;
    g.success -= 0.01;
    g.datagrams = small ? 2 * g.datagrams : g.datagrams * 11 / 10;
    g.time = small ? 2 * g.time : g.time * 11 / 10;
    return g;
}

static bool is_wanted(const char *only, const struct sim_matrix_cell *c)
{
    const size_t len = only != NULL ? strlen(only) : 0;

    if (only == NULL || strcmp(only, c->name) == 0)
        return true;
    if (strcmp(only, "rows") == 0 || strcmp(only, "cells") == 0)
        return c->is_row == (only[0] == 'r');
    return strncmp(only, c->name, len) == 0 && strcmp(c->name + len, variants[c->variant]) == 0;
}

static uint32_t add(const char *only, struct sim_matrix_cell *list, uint32_t count,
                    const struct sim_matrix_cell *c)
{
    if (!is_wanted(only, c))
        return count;
    wend_assert(count < SIM_MATRIX_CELLS_MAX);
    list[count] = *c;
    return count + 1;
}

static uint32_t add_rows(const char *only, struct sim_matrix_cell *list, uint32_t count)
{
    for (uint32_t row = 0; row < sim_matrix_row_count(); row++) {
        for (int v = 0; v < SIM_MATRIX_VARIANTS; v++) {
            struct sim_matrix_cell c = {
                .is_row = true, .row = row, .variant = (enum sim_matrix_variant)v};
            snprintf(c.name, sizeof c.name, "%s%s", sim_matrix_row_name(row), variants[v]);
            c.goal = goal_of(sim_matrix_row_goal(row), c.variant);
            count = add(only, list, count, &c);
        }
    }
    return count;
}

static uint32_t add_pair(const char *only, struct sim_matrix_cell *list, uint32_t count, uint32_t i,
                         uint32_t j)
{
    struct sim_matrix_cell c = {.a = sim_matrix_side(i), .b = sim_matrix_side(j)};
    char a[32], b[32], turned[SIM_MATRIX_NAME_LEN];

    sim_matrix_side_name(&c.a, a);
    sim_matrix_side_name(&c.b, b);
    snprintf(c.name, sizeof c.name, "%s | %s", a, b);
    snprintf(turned, sizeof turned, "%s | %s", b, a);
    if (only != NULL && strcmp(only, turned) == 0)
        only = c.name;
    c.goal = sim_matrix_side_goal(&c.a, &c.b);
    return add(only, list, count, &c);
}

uint32_t sim_matrix_list(const char *only, struct sim_matrix_cell list[SIM_MATRIX_CELLS_MAX])
{
    uint32_t count = add_rows(only, list, 0);

    for (uint32_t i = 0; i < SIM_MATRIX_SIDES; i++)
        for (uint32_t j = i; j < SIM_MATRIX_SIDES; j++)
            count = add_pair(only, list, count, i, j);
    return count;
}

// --- a trial's world ---

static uint64_t seed_of(const struct sim_matrix_cell *cell, uint32_t trial)
{
    uint64_t h = 0xcbf29ce484222325u + trial;

    for (const char *at = cell->name; *at != 0; at++)
        h = (h ^ (uint8_t)*at) * 0x100000001b3u;
    return sim_draw_u64(&(struct sim_draw){h});
}

// Both ways between the boxes, or between device and box: two links share what is wrong.
static void impair(struct wend_sim_link *up, struct wend_sim_link *down)
{
    up->link.loss_ppm = down->link.loss_ppm = 10000;
    up->link.jitter = down->link.jitter = WEND_MS(10);
}

static void vary(struct sim_place *p, enum sim_matrix_variant variant)
{
    switch (variant) {
    case SIM_MATRIX_HOLES: p->box.udp_unanswered = p->outer.udp_unanswered = WEND_S(15); break;
    case SIM_MATRIX_WAN: impair(&p->up, &p->down); break;
    case SIM_MATRIX_ACCESS: impair(&p->access_up, &p->access_down); break;
    case SIM_MATRIX_CLEAN:
    case SIM_MATRIX_VARIANTS: break;
    }
}

static void add_users(struct sim_scenario *s, struct sim_draw *d)
{
    const bool tcp = s->places[0].box.block_udp || s->places[1].box.block_udp;
    const bool ipv6 = !s->places[0].ipv4;
    const uint16_t caller = (uint16_t)sim_draw_below(d, 2);
    struct sim_flow_plan there = sim_flow_steady(caller, 1 - caller, TALK_EVERY);
    struct sim_flow_plan back = sim_flow_steady(1 - caller, caller, TALK_EVERY);

    there.start = (tcp ? PREPARED_TCP : PREPARED) + sim_draw_between(d, 0, WEND_S(1));
    back.start = there.start + 2 * SIM_MATRIX_RTT;
    there.ipv6 = back.ipv6 = ipv6;
    (void)sim_scenario_add_flow(s, &there);
    (void)sim_scenario_add_flow(s, &back);
}

void sim_matrix_make(const struct sim_matrix_cell *cell, uint32_t trial, struct sim_scenario *s)
{
    struct sim_draw d = {seed_of(cell, trial)};

    sim_scenario_clear(s, cell->name, sim_draw_u64(&d));
    s->crowded = s->discovery = true;
    s->faultless = false;
    s->core = SIM_MATRIX_RTT / 2 - 2 * ACCESS;
    s->relay = SIM_MATRIX_RTT / 4 - ACCESS - s->core; // the server is in the middle
    if (cell->is_row) {
        sim_matrix_row_make(cell->row, s, &d);
    } else {
        s->places[0] = s->places[1] = sim_place_public_host();
        s->places[0].box = sim_matrix_side_box(&cell->a, &d);
        s->places[1].box = sim_matrix_side_box(&cell->b, &d);
    }
    for (uint16_t i = 0; i < 2; i++) {
        struct sim_place *p = &s->places[i];
        p->access_up.link.delay = p->access_down.link.delay = LAN;
        p->up.link.delay = p->down.link.delay = ACCESS - LAN;
        vary(p, cell->variant);
        s->port_mapping = s->port_mapping || p->box.gateway != WEND_SIM_GATEWAY_NONE;
    }
    add_users(s, &d);
}

// --- a trial ---

static wend_duration observed(const struct sim_matrix_cell *cell)
{
    if (cell->goal.want != SIM_MATRIX_CONNECT)
        return QUIET;
    return cell->goal.time + WEND_S(1);
}

static void observe(struct sim_world *w, const struct sim_matrix_cell *cell)
{
    const wend_instant first = SIM_BEGIN + scenario.flows[0].start;
    wend_instant end = first + PATIENCE;

    sim_world_run(w, first);
    while (w->now < end && !sim_world_failed(w)) {
        const wend_instant start = sim_tally_start(&tally);
        if (start != WEND_NEVER)
            end = start + observed(cell);
        if (sim_tally_is_done(&tally))
            break;
        sim_world_run(w, w->now + LOOK_EVERY);
    }
}

struct outcome {
    bool connected, good;
    uint32_t datagrams;
    wend_duration time;
};

// Nothing went towards the peer but at the beginning, and users' packets took the relay.
static bool is_recognised(const struct sim_world *w, const struct sim_matrix_goal *g,
                          const struct outcome *o)
{
    const wend_instant start = sim_tally_start(&tally);

    return start != WEND_NEVER && !o->connected && o->datagrams <= g->datagrams &&
           (tally.last == 0 || tally.last <= start + g->time) && w->flows[0].delivered > 0 &&
           w->flows[1].delivered > 0;
}

static struct outcome outcome_of(const struct sim_world *w, const struct sim_matrix_goal *g)
{
    const wend_instant start = sim_tally_start(&tally);
    const wend_instant end =
        tally.answered[0] > tally.answered[1] ? tally.answered[0] : tally.answered[1];
    struct outcome o = {.connected = start != WEND_NEVER && sim_tally_is_done(&tally),
                        .datagrams = tally.sent[0].peer + tally.sent[1].peer};

    if (o.connected) // one may have heard before the other one could
        o.time = end > start ? end - start : 0;
    else if (start != WEND_NEVER && tally.last > start)
        o.time = tally.last - start;
    switch (g->want) {
    case SIM_MATRIX_NO_GOAL: o.good = o.connected; break;
    case SIM_MATRIX_CONNECT:
        o.good = o.connected && o.datagrams <= g->datagrams && o.time <= g->time;
        break;
    case SIM_MATRIX_RECOGNISE: o.good = is_recognised(w, g, &o); break;
    }
    o.good = o.good && !sim_world_failed(w);
    return o;
}

static void take(struct sim_matrix_result *r, const struct sim_matrix_cell *cell,
                 const struct outcome *o, uint32_t trial)
{
    r->trials++;
    r->connected += o->connected;
    r->good += o->good;
    if (!o->good && r->good + 1 == r->trials)
        r->bad_seed = trial;
    for (size_t i = 0; i < SIM_TALLY_DEVICES; i++) {
        r->relay += tally.sent[i].relay;
        r->discovery += tally.sent[i].discovery;
        r->user += tally.sent[i].user;
    }
    if (!o->connected && cell->goal.want != SIM_MATRIX_RECOGNISE)
        return;
    samples.datagrams[samples.count] = o->datagrams;
    samples.times[samples.count++] = o->time;
}

static void play_trial(const struct sim_matrix *m, const struct sim_matrix_cell *cell,
                       uint32_t trial, struct sim_matrix_result *r)
{
    struct sim_world *w = m->world;
    const struct sim_options options = {.print = m->print, .tally = &tally};

    sim_matrix_make(cell, trial, &scenario);
    if (m->print != NULL)
        sim_scenario_print(&scenario, m->print);
    sim_world_begin(w, &scenario, &options);
    observe(w, cell);
    const struct outcome o = outcome_of(w, &cell->goal);
    sim_world_end(w);
    take(r, cell, &o, trial);
    if (sim_world_failed(w) && r->red++ == 0) {
        r->red_seed = trial;
        snprintf(r->failure, sizeof r->failure, "%.150s", w->failure);
    }
}

// --- a cell ---

void sim_matrix_interval(uint32_t good, uint32_t trials, double z, double *ret_low,
                         double *ret_high)
{
    const double n = trials, share = n > 0 ? good / n : 0;
    const double middle = (share + z * z / (2 * n)) / (1 + z * z / n);
    const double half = z / (1 + z * z / n) * sqrt(share * (1 - share) / n + z * z / (4 * n * n));

    *ret_low = good == 0 ? 0 : middle - half;
    *ret_high = good == trials ? 1 : middle + half;
}

static int compare(const void *a, const void *b)
{
    const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return (x > y) - (x < y);
}

static int64_t part_of(const int64_t *sorted, uint32_t count, double part)
{
    if (count == 0)
        return 0;
    const uint32_t rank = (uint32_t)(part * count + 0.999999);
    return sorted[rank == 0 ? 0 : rank - 1];
}

static double processor_seconds(void)
{
    struct timespec t;

    wend_assert(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t) == 0);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void sum_up(const struct sim_matrix *m, struct sim_matrix_result *r,
                   const struct sim_matrix_cell *cell)
{
    static const double parts[] = {0.5, 0.99, 1};
    const struct sim_matrix_goal *g = &cell->goal;

    qsort(samples.datagrams, samples.count, sizeof samples.datagrams[0], compare);
    qsort(samples.times, samples.count, sizeof samples.times[0], compare);
    for (size_t i = 0; i < 3; i++) {
        r->datagrams[i] = (uint32_t)part_of(samples.datagrams, samples.count, parts[i]);
        r->time[i] = part_of(samples.times, samples.count, parts[i]);
    }
    r->relay /= r->trials;
    r->discovery /= r->trials;
    r->user /= r->trials;
    sim_matrix_interval(r->good, r->trials, m->sure ? SIM_MATRIX_Z_9999 : SIM_MATRIX_Z_95, &r->low,
                        &r->high);
    r->below = g->want != SIM_MATRIX_NO_GOAL && r->high < g->success;
    r->met = r->good >= g->success * r->trials && r->red == 0;
}

static void play_cell(const struct sim_matrix *m, uint32_t index, struct sim_matrix_result *r)
{
    const struct sim_matrix_cell *cell = &cells[index];
    const uint32_t trials = cell->is_row ? m->row_trials : m->cell_trials;
    const double before = processor_seconds();

    *r = (struct sim_matrix_result){.cell = index};
    samples.count = 0;
    for (uint32_t trial = 0; trial < trials; trial++)
        if (m->seed == EVERY_TRIAL || m->seed == trial)
            play_trial(m, cell, trial, r);
    if (r->trials > 0)
        sum_up(m, r, cell);
    r->seconds = processor_seconds() - before;
}

// --- all of them ---

static _Noreturn void work(const struct sim_matrix *m, int fd, uint32_t count, atomic_uint *next)
{
    for (;;) {
        struct sim_matrix_result r;
        const uint32_t index = atomic_fetch_add(next, 1);
        if (index >= count)
            _exit(0);
        play_cell(m, index, &r);
        if (write(fd, &r, sizeof r) != (ssize_t)sizeof r)
            _exit(1);
    }
}

// Prints what is there, in order. Returns the first that is not.
static uint32_t print_finished(const struct sim_matrix *m, uint32_t from, uint32_t count)
{
    for (; from < count && finished[from]; from++)
        sim_matrix_print_cell(m, &cells[from], &results[from]);
    fflush(m->out);
    return from;
}

static bool play_in_jobs(const struct sim_matrix *m, uint32_t count)
{
    atomic_uint *next =
        mmap(NULL, sizeof *next, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    struct sim_matrix_result r;
    int ends[2];
    uint32_t printed = 0;

    wend_assert(next != MAP_FAILED && pipe(ends) == 0);
    atomic_init(next, 0);
    fflush(NULL);
    for (uint64_t i = 0; i < m->jobs; i++) {
        const pid_t child = fork();
        wend_assert(child >= 0);
        if (child == 0)
            work(m, ends[1], count, next);
    }
    close(ends[1]);
    while (read(ends[0], &r, sizeof r) == (ssize_t)sizeof r) {
        results[r.cell] = r;
        finished[r.cell] = true;
        printed = print_finished(m, printed, count);
    }
    close(ends[0]);
    while (wait(NULL) > 0)
        ;
    munmap(next, sizeof *next);
    return printed == count;
}

static bool play_alone(const struct sim_matrix *m, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        play_cell(m, i, &results[i]);
        finished[i] = true;
        (void)print_finished(m, i, i + 1);
    }
    return true;
}

bool sim_matrix_play(struct sim_matrix *m)
{
    const uint32_t count = sim_matrix_list(m->only, cells);
    bool good = count > 0;

    m->row_trials = m->row_trials != 0 ? m->row_trials : 3000;
    m->cell_trials = m->cell_trials != 0 ? m->cell_trials : 300;
    wend_assert(m->row_trials <= SIM_MATRIX_TRIALS_MAX && m->cell_trials <= SIM_MATRIX_TRIALS_MAX);
    memset(finished, 0, sizeof finished);
    sim_matrix_print_head(m);
    if (!(m->jobs > 1 && count > 1 ? play_in_jobs(m, count) : play_alone(m, count)))
        return false;
    sim_matrix_print_sum(m, cells, results, count);
    for (uint32_t i = 0; i < count; i++)
        good = good && !results[i].below && results[i].red == 0;
    return good;
}
