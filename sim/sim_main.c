// SPDX-License-Identifier: MIT
// wend-sim: the machines of wend in virtual networks, by the thousand.
//
// Each seed is a world of its own. With --jobs the seeds are dealt out to processes that send what
// they added up through a pipe; one that breaks an invariant of the machines names its seed first.
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "matrix.h"
#include "proof.h"
#include "run.h"

#define JOBS_MAX 64

static struct sim_world world;
static struct sim_result result, part;
static struct sim_run_config config = {
    .scenario = "random",
    .count = 1000,
    .options = {.bound = WEND_S(30), .best_bound = WEND_S(310), .order = SIM_ORDER_USUAL},
    .step = 1,
    .check_every = 16,
};
static uint64_t jobs = 1;
static bool replay, quiet, prove, rate, reach;
static struct sim_matrix matrix = {.seed = UINT64_MAX};
static struct sim_proof proof = {.seed = SIM_EVERY_SEED};

// Worlds a second of one core that are wanted, docs/architecture.md.
#ifdef WEND_SIM_CHEAP
#define RATE_WANTED 1000
#else
#define RATE_WANTED 250
#endif

// --- a broken invariant ---

// Prints in a signal handler, of a process that is lost: what helps to find the fault is worth the
// risk that it hangs.
// NOLINTBEGIN(bugprone-signal-handler)
static void on_crash(int number)
{
    const struct sim_scenario *s = world.scenario;
    struct sim_red red = {.seed = s != NULL ? s->seed : 0};

    signal(number, SIG_DFL);
    fflush(stdout);
    snprintf(red.scenario, sizeof red.scenario, "%s", s != NULL ? s->name : "none");
    if (replay && config.options.print == NULL)
        sim_trace_print(&world.trace, stderr);
    fprintf(stderr, "wend-sim: %s of scenario %s, seed %" PRIu64 ", after %.6f s\n",
            strsignal(number), red.scenario, red.seed, (double)world.now / 1e9);
    sim_red_print(&red, &config, stdout);
    fflush(stdout);
    _exit(1);
}
// NOLINTEND(bugprone-signal-handler)

static void watch_crashes(void)
{
    static const int numbers[] = {SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL};

    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        signal(numbers[i], on_crash);
}

// --- several processes ---

static bool write_all(int fd, const void *from, size_t len)
{
    const uint8_t *at = from;

    while (len > 0) {
        const ssize_t done = write(fd, at, len);
        if (done <= 0)
            return false;
        at += done;
        len -= (size_t)done;
    }
    return true;
}

static bool read_all(int fd, void *to, size_t len)
{
    uint8_t *at = to;

    while (len > 0) {
        const ssize_t done = read(fd, at, len);
        if (done <= 0)
            return false;
        at += done;
        len -= (size_t)done;
    }
    return true;
}

static _Noreturn void work(int fd, uint32_t first)
{
    config.first = first;
    config.step = (uint32_t)jobs;
    (void)sim_run(&world, &config, &part);
    _exit(write_all(fd, &part, sizeof part) ? 0 : 1);
}

// Returns whether all of them came to their end.
static bool run_jobs(void)
{
    int fds[JOBS_MAX] = {0};
    pid_t children[JOBS_MAX] = {0};
    bool good = true;

    for (uint32_t i = 0; i < jobs; i++) {
        int ends[2];
        wend_assert(pipe(ends) == 0);
        children[i] = fork();
        wend_assert(children[i] >= 0);
        if (children[i] == 0)
            work(ends[1], i);
        close(ends[1]);
        fds[i] = ends[0];
    }
    for (uint32_t i = 0; i < jobs; i++) {
        int status;
        if (read_all(fds[i], &part, sizeof part))
            sim_result_join(&result, &part);
        else
            good = false;
        close(fds[i]);
        waitpid(children[i], &status, 0);
        good = good && status == 0;
    }
    return good;
}

// --- what is asked for ---

static void list(void)
{
    for (size_t i = 0; sim_scenario_name(i) != NULL; i++)
        printf("  %-14s %s\n", sim_scenario_name(i), sim_scenario_text(i));
}

static void help(void)
{
    printf(
        "usage: wend-sim [options]\n\n"
        "  --seeds N        how many worlds of each scenario (1000)\n"
        "  --from S         the first seed (0)\n"
        "  --scenario NAME  one of those below, or all (random)\n"
        "  --replay SEED    one world; a red one ends with its last decisions\n"
        "  --trace          every decision as it is made\n"
        "  --jobs N         processes (1)\n"
        "  --devices N      in a random world (2), up to %d\n"
        "  --servers N      in a random world (1), up to %u\n"
        "  --twice          each seed twice, comparing (every hundredth, and red ones)\n"
        "  --check N        the machines check themselves every N steps (never)\n"
        "  --check-seeds N  and at the end of every Nth seed (16)\n"
        "  --order N        a flow's packets keep their order: 1 where nothing is lost, 2 where\n"
        "                   links keep it, 0 nowhere (1)\n"
        "  --bound S        seconds to talk again after all is mended (30)\n"
        "  --hashes         print each world's\n"
        "  --quiet          no table\n"
        "  --proof[=FAMILY] instead: what is promised about paths, a JSON object a line; with\n"
        "                   --replay only that seed of the family\n"
        "  --matrix[=NAME]  instead: who can reach whom, every NAT against every NAT, over "
        "--jobs;\n"
        "                   NAME: rows, cells, or one of them; with --replay only that trial\n"
        "  --trials N       of each row (3000) and, a tenth of it, of each cell (300)\n"
        "  --sure           intervals of 99.99 in a hundred instead of 95, for few trials\n"
        "  --json           a JSON object a line instead of a table\n"
        "  --rate           instead: worlds a second, as such an object\n\nscenarios:\n",
        SIM_DEVICES_MAX, (unsigned)SIM_SERVERS_MAX);
    list();
    printf("\nfamilies: ");
    sim_proof_list(stdout);
}

static uint64_t number_of(const char *text, uint64_t most)
{
    char *end;

    errno = 0;
    const uint64_t number = strtoull(text, &end, 0);
    if (errno == 0 && end != text && *end == 0 && number <= most)
        return number;
    fprintf(stderr, "wend-sim: not a number up to %" PRIu64 ": %s\n", most, text);
    exit(2);
}

enum {
    OPTION_SEEDS = 256,
    OPTION_FROM,
    OPTION_SCENARIO,
    OPTION_REPLAY,
    OPTION_TRACE,
    OPTION_JOBS,
    OPTION_DEVICES,
    OPTION_SERVERS,
    OPTION_TWICE,
    OPTION_CHECK,
    OPTION_CHECK_SEEDS,
    OPTION_ORDER,
    OPTION_BOUND,
    OPTION_HASHES,
    OPTION_QUIET,
    OPTION_PROOF,
    OPTION_MATRIX,
    OPTION_TRIALS,
    OPTION_SURE,
    OPTION_JSON,
    OPTION_RATE,
    OPTION_HELP,
};

static const struct option options[] = {{"seeds", 1, NULL, OPTION_SEEDS},
                                        {"from", 1, NULL, OPTION_FROM},
                                        {"scenario", 1, NULL, OPTION_SCENARIO},
                                        {"replay", 1, NULL, OPTION_REPLAY},
                                        {"trace", 0, NULL, OPTION_TRACE},
                                        {"jobs", 1, NULL, OPTION_JOBS},
                                        {"devices", 1, NULL, OPTION_DEVICES},
                                        {"servers", 1, NULL, OPTION_SERVERS},
                                        {"twice", 0, NULL, OPTION_TWICE},
                                        {"check", 1, NULL, OPTION_CHECK},
                                        {"check-seeds", 1, NULL, OPTION_CHECK_SEEDS},
                                        {"order", 1, NULL, OPTION_ORDER},
                                        {"bound", 1, NULL, OPTION_BOUND},
                                        {"hashes", 0, NULL, OPTION_HASHES},
                                        {"quiet", 0, NULL, OPTION_QUIET},
                                        {"proof", 2, NULL, OPTION_PROOF},
                                        {"matrix", 2, NULL, OPTION_MATRIX},
                                        {"trials", 1, NULL, OPTION_TRIALS},
                                        {"sure", 0, NULL, OPTION_SURE},
                                        {"json", 0, NULL, OPTION_JSON},
                                        {"rate", 0, NULL, OPTION_RATE},
                                        {"help", 0, NULL, OPTION_HELP},
                                        {0}};

static void set(int option)
{
    switch (option) {
    case OPTION_SEEDS: config.count = number_of(optarg, UINT64_MAX); break;
    case OPTION_FROM: config.from = number_of(optarg, UINT64_MAX); break;
    case OPTION_SCENARIO: config.scenario = optarg; break;
    case OPTION_REPLAY:
        config.from = number_of(optarg, UINT64_MAX);
        config.count = 1;
        config.check_every = 1;
        replay = true;
        break;
    case OPTION_TRACE: config.options.print = stdout; break;
    case OPTION_JOBS: jobs = number_of(optarg, JOBS_MAX); break;
    case OPTION_DEVICES: config.scale.devices = (uint16_t)number_of(optarg, SIM_DEVICES_MAX); break;
    case OPTION_SERVERS: config.scale.servers = (uint16_t)number_of(optarg, SIM_SERVERS_MAX); break;
    case OPTION_TWICE: config.twice = true; break;
    case OPTION_CHECK: config.options.check_every = (uint32_t)number_of(optarg, UINT32_MAX); break;
    case OPTION_CHECK_SEEDS: config.check_every = number_of(optarg, UINT64_MAX); break;
    case OPTION_ORDER: config.options.order = (uint32_t)number_of(optarg, 2); break;
    case OPTION_BOUND: config.options.bound = WEND_S((int64_t)number_of(optarg, 1000000)); break;
    case OPTION_HASHES: config.hashes = true; break;
    case OPTION_QUIET: quiet = true; break;
    case OPTION_PROOF:
        prove = true;
        proof.only = optarg;
        break;
    case OPTION_MATRIX:
        reach = true;
        matrix.only = optarg;
        break;
    case OPTION_TRIALS:
        matrix.row_trials = (uint32_t)number_of(optarg, SIM_MATRIX_TRIALS_MAX);
        matrix.cell_trials = (matrix.row_trials + 9) / 10;
        break;
    case OPTION_SURE: matrix.sure = true; break;
    case OPTION_JSON: matrix.json = true; break;
    case OPTION_RATE: rate = true; break;
    case OPTION_HELP: help(); exit(0);
    default: exit(2);
    }
}

static void read_arguments(int argc, char **argv)
{
    int option;

    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1)
        set(option);
    if (optind < argc || config.scale.devices == 1 || jobs == 0) {
        fprintf(stderr, "wend-sim: see --help\n");
        exit(2);
    }
    if (config.options.print != NULL || config.hashes)
        jobs = 1;
}

static void tell_reds(void)
{
    if (replay && result.red_count > 0 && config.options.print == NULL)
        sim_trace_print(&world.trace, stdout);
    for (uint32_t i = 0; i < result.red_count; i++) {
        fflush(stdout);
        fprintf(stderr, "wend-sim: %s, seed %" PRIu64 ": %s\n", result.reds[i].scenario,
                result.reds[i].seed, result.reds[i].failure);
        sim_red_print(&result.reds[i], &config, stdout);
    }
}

static int run_proof(void)
{
    proof.world = &world;
    proof.out = stdout;
    proof.print = config.options.print;
    if (replay)
        proof.seed = config.from;
    const bool met = rate ? sim_proof_rate(&proof, RATE_WANTED) : sim_proof_play(&proof);
    sim_world_close(&world);
    return met ? 0 : 1;
}

static int run_matrix(void)
{
    matrix.world = &world;
    matrix.out = stdout;
    matrix.jobs = jobs;
    matrix.print = config.options.print;
    if (replay)
        matrix.seed = config.from;
    const bool good = sim_matrix_play(&matrix);
    sim_world_close(&world);
    return good ? 0 : 1;
}

int main(int argc, char **argv)
{
    bool good = true;

    read_arguments(argc, argv);
    watch_crashes();
    if (reach)
        return run_matrix();
    if (prove || rate)
        return run_proof();
    if (jobs > 1 && config.count > 1) {
        good = run_jobs();
    } else if (!sim_run(&world, &config, &result)) {
        fprintf(stderr, "wend-sim: no scenario of that name: %s\n", config.scenario);
        return 2;
    }
    tell_reds();
    if (!quiet && config.options.print == NULL)
        sim_result_print(&result, stdout);
    sim_world_close(&world);
    return good && result.red_all == 0 ? 0 : 1;
}
