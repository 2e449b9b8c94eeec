// SPDX-License-Identifier: MIT
#include "matrix.h"

#include <inttypes.h>

static double ms(wend_duration d)
{
    return (double)d / 1e6;
}

static const char *verdict(const struct sim_matrix_cell *cell, const struct sim_matrix_result *r)
{
    if (r->red > 0)
        return "broken";
    if (cell->goal.want == SIM_MATRIX_NO_GOAL)
        return "-";
    if (r->met)
        return "met";
    return r->below ? "below" : "open"; // open: the interval holds the goal
}

void sim_matrix_print_head(const struct sim_matrix *m)
{
    if (!m->json)
        fprintf(m->out, "%-48s %-29s %-26s %-15s %-15s %-15s %s\n", "A | B", "goal",
                "success % [95 %]", "datagrams", "ms", "relay/disc/user", "");
}

static void print_goal(const struct sim_matrix_goal *g, char *to, size_t len)
{
    switch (g->want) {
    case SIM_MATRIX_NO_GOAL: snprintf(to, len, "none"); break;
    case SIM_MATRIX_CONNECT:
        snprintf(to, len, "%.1f %%, %u in %.0f ms", 100 * g->success, g->datagrams, ms(g->time));
        break;
    case SIM_MATRIX_RECOGNISE:
        snprintf(to, len, "%.0f %% gives up, %u in %.0f ms", 100 * g->success, g->datagrams,
                 ms(g->time));
        break;
    }
}

static void print_json(const struct sim_matrix *m, const struct sim_matrix_cell *cell,
                       const struct sim_matrix_result *r, const char *goal)
{
    fprintf(m->out,
            "{\"what\": \"%s\", \"goal\": \"%s\", \"trials\": %u, \"success\": %.5f, "
            "\"low\": %.5f, \"high\": %.5f, \"connected\": %u, \"datagrams\": [%u, %u, %u], "
            "\"ms\": [%.3f, %.3f, %.3f], \"relay\": %.1f, \"discovery\": %.1f, \"user\": %.1f, "
            "\"seconds\": %.3f, \"red\": %u, \"verdict\": \"%s\", \"met\": %s}\n",
            cell->name, goal, r->trials, r->trials > 0 ? (double)r->good / r->trials : 0, r->low,
            r->high, r->connected, r->datagrams[0], r->datagrams[1], r->datagrams[2],
            ms(r->time[0]), ms(r->time[1]), ms(r->time[2]), r->relay, r->discovery, r->user,
            r->seconds, r->red, verdict(cell, r), r->met ? "true" : "false");
}

static void print_line(const struct sim_matrix *m, const struct sim_matrix_cell *cell,
                       const struct sim_matrix_result *r, const char *goal)
{
    char success[40], datagrams[40], time[40], others[40];

    snprintf(success, sizeof success, "%6.2f [%.2f, %.2f]",
             r->trials > 0 ? 100.0 * r->good / r->trials : 0, 100 * r->low, 100 * r->high);
    snprintf(datagrams, sizeof datagrams, "%u/%u/%u", r->datagrams[0], r->datagrams[1],
             r->datagrams[2]);
    snprintf(time, sizeof time, "%.0f/%.0f/%.0f", ms(r->time[0]), ms(r->time[1]), ms(r->time[2]));
    snprintf(others, sizeof others, "%.0f/%.0f/%.0f", r->relay, r->discovery, r->user);
    fprintf(m->out, "%-48s %-29s %-26s %-15s %-15s %-15s %s\n", cell->name, goal, success,
            datagrams, time, others, verdict(cell, r));
}

void sim_matrix_print_cell(const struct sim_matrix *m, const struct sim_matrix_cell *cell,
                           const struct sim_matrix_result *r)
{
    char goal[60];

    print_goal(&cell->goal, goal, sizeof goal);
    if (m->json)
        print_json(m, cell, r, goal);
    else
        print_line(m, cell, r, goal);
    if (r->red > 0)
        fprintf(stderr, "wend-sim: %u of %s broke, as trial %" PRIu64 ": %s\n", r->red, cell->name,
                r->red_seed, r->failure);
}

void sim_matrix_print_sum(const struct sim_matrix *m, const struct sim_matrix_cell *cells,
                          const struct sim_matrix_result *results, uint32_t count)
{
    uint32_t met = 0, below = 0, broken = 0, none = 0;
    uint64_t trials = 0;
    double seconds = 0;

    for (uint32_t i = 0; i < count; i++) {
        const bool aim = cells[i].goal.want != SIM_MATRIX_NO_GOAL;
        met += aim && results[i].met;
        none += !aim;
        below += results[i].below;
        broken += results[i].red > 0;
        trials += results[i].trials;
        seconds += results[i].seconds;
    }
    if (!m->json)
        fprintf(m->out,
                "%u cells: %u met, %u below, %u neither, %u without goal, %u broken; %" PRIu64
                " trials, %.1f s of a processor\n",
                count, met, below, count - met - below - none, none, broken, trials, seconds);
}
