// SPDX-License-Identifier: MIT
#include "run.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define TWICE_EVERY 100

static struct sim_scenario scenario; // large

// Of this processor's work, so that what else the machine does leaves the rates alone.
static double seconds_now(void)
{
    struct timespec t;

    wend_assert(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t) == 0);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

bool sim_run_one(struct sim_world *w, const struct sim_run_config *c, const char *name,
                 uint64_t seed, uint64_t *ret_hash)
{
    struct sim_options options = c->options;

    wend_assert(sim_scenario_make(&scenario, name, seed, &c->scale));
    if (options.print != NULL)
        sim_scenario_print(&scenario, options.print);
    options.check_end = c->check_every != 0 && seed % c->check_every == 0;
    sim_world_begin(w, &scenario, &options);
    const bool good = sim_world_play(w);
    sim_world_end(w);
    *ret_hash = w->trace.hash;
    return good;
}

static struct sim_sum *sum_of(struct sim_result *r, const char *name)
{
    for (uint32_t i = 0; i < r->sum_count; i++)
        if (strcmp(r->sums[i].scenario, name) == 0)
            return &r->sums[i];
    wend_assert(r->sum_count < sizeof r->sums / sizeof r->sums[0]);
    struct sim_sum *s = &r->sums[r->sum_count++];
    memset(s, 0, sizeof *s);
    snprintf(s->scenario, sizeof s->scenario, "%s", name);
    return s;
}

static void add(struct sim_sum *sum, const struct sim_stats *s)
{
    sum->seeds++;
    sum->datagrams += s->datagrams;
    sum->sent += s->sent;
    sum->delivered += s->delivered;
    sum->refused += s->refused;
    sum->missing += s->missing;
    sum->reordered += s->reordered;
    sum->duplicated += s->duplicated;
    sum->direct += s->direct;
    sum->switches += s->switch_count;
    sum->pairs += s->pairs;
    sum->pairs_direct += s->pairs_direct;
    sum->steps += s->steps;
    sum->virtual_seconds += (double)s->virtual_time / 1e9;
    if (s->datagrams > sum->datagrams_most)
        sum->datagrams_most = s->datagrams;
    sim_delays_join(&sum->first_deliveries, &s->first_deliveries);
    sim_delays_join(&sum->delays, &s->delays);
    sim_delays_join(&sum->added, &s->added);
    if (s->direct_after >= 0)
        sim_delays_add(&sum->direct_after, s->direct_after);
    if (s->healed_after >= 0)
        sim_delays_add(&sum->healed_after, s->healed_after);
    if (s->best_after >= 0)
        sim_delays_add(&sum->best_after, s->best_after);
}

static void add_red(struct sim_result *r, const struct sim_red *red)
{
    r->red_all++;
    if (r->red_count < SIM_REDS_MAX)
        r->reds[r->red_count++] = *red;
}

static void play(struct sim_world *w, const struct sim_run_config *c, const char *name,
                 uint64_t seed, struct sim_result *ret)
{
    struct sim_sum *sum = sum_of(ret, name);
    struct sim_red red = {.seed = seed};
    uint64_t hash, again;

    bool good = sim_run_one(w, c, name, seed, &hash);
    add(sum, &w->stats);
    if (c->hashes)
        printf("%s %" PRIu64 " %016" PRIx64 "\n", name, seed, hash);
    snprintf(red.scenario, sizeof red.scenario, "%s", name);
    memcpy(red.failure, w->failure, sizeof red.failure);
    if (c->options.print == NULL && (c->twice || !good || seed % TWICE_EVERY == 0)) {
        (void)sim_run_one(w, c, name, seed, &again);
        if (again != hash) {
            snprintf(red.failure, sizeof red.failure, "played twice, and the hashes differ");
            good = false;
        }
    }
    if (!good) {
        sum->red++;
        add_red(ret, &red);
    }
}

static void play_scenario(struct sim_world *w, const struct sim_run_config *c, const char *name,
                          struct sim_result *ret)
{
    const double began = seconds_now();

    for (uint64_t i = c->first; i < c->count && ret->red_count < SIM_REDS_MAX; i += c->step)
        play(w, c, name, c->from + i, ret);
    sum_of(ret, name)->seconds += seconds_now() - began;
}

bool sim_run(struct sim_world *w, const struct sim_run_config *c, struct sim_result *ret)
{
    const bool all = strcmp(c->scenario, "all") == 0;
    bool found = false;

    for (size_t i = 0; sim_scenario_name(i) != NULL; i++) {
        if (!all && strcmp(c->scenario, sim_scenario_name(i)) != 0)
            continue;
        found = true;
        play_scenario(w, c, sim_scenario_name(i), ret);
    }
    return found;
}

static void join_sum(struct sim_sum *to, const struct sim_sum *from)
{
    to->seeds += from->seeds;
    to->red += from->red;
    to->datagrams += from->datagrams;
    to->sent += from->sent;
    to->delivered += from->delivered;
    to->refused += from->refused;
    to->missing += from->missing;
    to->reordered += from->reordered;
    to->duplicated += from->duplicated;
    to->direct += from->direct;
    to->switches += from->switches;
    to->pairs += from->pairs;
    to->pairs_direct += from->pairs_direct;
    to->steps += from->steps;
    to->virtual_seconds += from->virtual_seconds;
    to->seconds += from->seconds;
    if (from->datagrams_most > to->datagrams_most)
        to->datagrams_most = from->datagrams_most;
    sim_delays_join(&to->first_deliveries, &from->first_deliveries);
    sim_delays_join(&to->delays, &from->delays);
    sim_delays_join(&to->added, &from->added);
    sim_delays_join(&to->direct_after, &from->direct_after);
    sim_delays_join(&to->healed_after, &from->healed_after);
    sim_delays_join(&to->best_after, &from->best_after);
}

void sim_result_join(struct sim_result *to, const struct sim_result *from)
{
    for (uint32_t i = 0; i < from->sum_count; i++)
        join_sum(sum_of(to, from->sums[i].scenario), &from->sums[i]);
    for (uint32_t i = 0; i < from->red_count; i++)
        add_red(to, &from->reds[i]);
    to->red_all += from->red_all - from->red_count;
}

// --- the table ---

static double share(uint64_t part, uint64_t of)
{
    return of == 0 ? 0 : 100.0 * (double)part / (double)of;
}

static double ms(const struct sim_delays *d, double part)
{
    return (double)sim_delays_part(d, part) / 1e6;
}

static void print_sum(const struct sim_sum *s, FILE *out)
{
    const uint64_t given = s->sent - s->refused;

    fprintf(out,
            "%-14s %8" PRIu64 " %4" PRIu64 " %7.1f %7.0f %6.0f %9" PRIu64 " %9" PRIu64
            " %7.3f %7" PRIu64 " %7" PRIu64 " %6.1f %7.1f %7.1f %7.1f %7.1f %7.0f\n",
            s->scenario, s->seeds, s->red, s->seconds,
            s->seconds > 0 ? (double)s->seeds / s->seconds : 0,
            s->seeds > 0 ? (double)s->datagrams / (double)s->seeds : 0, given, s->delivered,
            share(s->missing, given), s->reordered, s->switches, share(s->pairs_direct, s->pairs),
            ms(&s->first_deliveries, 0.5), ms(&s->first_deliveries, 0.99),
            ms(&s->direct_after, 0.5), ms(&s->healed_after, 0.99), ms(&s->best_after, 0.99));
}

void sim_result_print(const struct sim_result *r, FILE *out)
{
    fprintf(out,
            "%-14s %8s %4s %7s %7s %6s %9s %9s %7s %7s %7s %6s %7s %7s %7s %7s %7s\n"
            "%-14s %8s %4s %7s %7s %6s %9s %9s %7s %7s %7s %6s %7s %7s %7s %7s %7s\n",
            "scenario", "seeds", "red", "seconds", "per", "sent", "user", "", "lost", "out of",
            "way", "direct", "first", "packet", "direct", "healed", "best way", "", "", "", "",
            "second", "each", "packets", "delivered", "%", "order", "changed", "%", "ms 50%",
            "ms 99%", "ms 50%", "ms 99%", "ms 99%");
    for (uint32_t i = 0; i < r->sum_count; i++)
        print_sum(&r->sums[i], out);
}

void sim_red_print(const struct sim_red *r, const struct sim_run_config *c, FILE *out)
{
    fprintf(out, "wend-sim --replay %" PRIu64 " --scenario %s", r->seed, r->scenario);
    if (c->scale.devices != 0)
        fprintf(out, " --devices %u", c->scale.devices);
    if (c->scale.servers != 0)
        fprintf(out, " --servers %u", c->scale.servers);
    if (c->options.order != SIM_ORDER_USUAL)
        fprintf(out, " --order %u", c->options.order);
    fprintf(out, " --trace\n");
}
