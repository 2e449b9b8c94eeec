// SPDX-License-Identifier: MIT
// Arguments, error lines, numbers, durations and secrets of the command line.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "cli.h"

#define WORDS_MAX 24

// --- what is printed ---

static char printed[4096];

// Runs `act` with `fd` (1 or 2) into a file, and keeps what it wrote in `printed`.
static int capture(int fd, int (*act)(void *), void *context)
{
    FILE *const file = tmpfile();
    assert_non_null(file);
    fflush(stdout);
    const int kept = dup(fd);
    dup2(fileno(file), fd);
    const int result = act(context);
    fflush(stdout);
    dup2(kept, fd);
    close(kept);
    rewind(file);
    printed[fread(printed, 1, sizeof printed - 1, file)] = 0;
    fclose(file);
    return result;
}

// --- parsing ---

struct call {
    int argc;
    char *argv[WORDS_MAX + 1];
    char memory[1024];
    struct wend_cli_common common;
    char *positional[3];
    bool json;
    const char *uses;
    const char *listed[17];
};

static int parse(void *context)
{
    struct call *c = context;
    const char **listed = c->listed;
    const struct wend_cli_option options[] = {
        {.name = "json", .letter = 'j', .flag = &c->json, .help = "as JSON"},
        {.name = "uses", .letter = 'n', .argument = "N", .value = &c->uses, .help = "how many"},
        {.name = "listen", .argument = "ADDR", .list = &listed, .help = "where"},
    };
    const struct wend_cli_spec spec = {
        .command = "invite",
        .usage = "NAME [OTHER] [--uses N]",
        .about = "Prints an invite.",
        .options = options,
        .option_count = 3,
        .positional_min = 1,
        .positional_max = 2,
    };
    return wend_cli_parse(&spec, c->argc, c->argv, &c->common, c->positional);
}

// `line`: the words behind the command's name, parted by single spaces; "''" is an empty word.
static struct call split(const char *line)
{
    static struct call c;
    memset(&c, 0, sizeof c);
    snprintf(c.memory, sizeof c.memory, "invite %s", line);
    char *rest = NULL;
    for (char *word = strtok_r(c.memory, " ", &rest); word != NULL;
         word = strtok_r(NULL, " ", &rest)) {
        assert_true(c.argc < WORDS_MAX);
        c.argv[c.argc++] = strcmp(word, "''") == 0 ? word + 2 : word;
    }
    return c;
}

static struct call *take(const char *line, int expected)
{
    static struct call c;
    const struct call made = split(line);
    c = made;
    // The words lie in the other one's memory, which stays.
    assert_int_equal(capture(expected > 0 ? STDOUT_FILENO : STDERR_FILENO, parse, &c), expected);
    if (expected == 0)
        assert_string_equal(printed, "");
    return &c;
}

static void words_and_options_mix(void **state)
{
    (void)state;
    const struct call *c =
        take("home --uses 3 other -j --listen a --listen=b --state /tmp/s -v", 0);
    assert_string_equal(c->positional[0], "home");
    assert_string_equal(c->positional[1], "other");
    assert_null(c->positional[2]);
    assert_string_equal(c->uses, "3");
    assert_true(c->json);
    assert_string_equal(c->listed[0], "a");
    assert_string_equal(c->listed[1], "b");
    assert_null(c->listed[2]);
    assert_string_equal(c->common.state, "/tmp/s");
    assert_true(c->common.verbose);
    assert_false(c->common.log_json);
}

static void other_forms(void **state)
{
    (void)state;
    assert_string_equal(take("home --uses=3=4", 0)->uses, "3=4");
    assert_string_equal(take("home -n 5 -n 6", 0)->uses, "6"); // the last one wins
    assert_string_equal(take("-- --json", 0)->positional[0], "--json");
    assert_string_equal(take("-", 0)->positional[0], "-"); // standard input
    assert_string_equal(take("home --uses -1", 0)->uses, "-1");
    assert_string_equal(take("home -n5", 0)->uses, "5");
    assert_true(take("home --log-json --verbose", 0)->common.log_json);
}

static void where_the_state_is(void **state)
{
    (void)state;
    unsetenv("WEND_STATE");
    assert_string_equal(take("home", 0)->common.state, "/var/lib/wend");
    setenv("WEND_STATE", "/tmp/env", 1);
    assert_string_equal(take("home", 0)->common.state, "/tmp/env");
    assert_string_equal(take("home --state=/tmp/o", 0)->common.state, "/tmp/o");
    setenv("WEND_STATE", "", 1);
    assert_string_equal(take("home", 0)->common.state, "/var/lib/wend");
    unsetenv("WEND_STATE");
}

static void wrong_usage_is_one_line(void **state)
{
    (void)state;
    static const struct {
        const char *line, *words;
    } rows[] = {
        {"", "an argument is missing"},
        {"a b c", "one argument too many: c"},
        {"home --color", "unknown option: --color"},
        {"home -x", "unknown option: -x"},
        {"home -jv", "unknown option: -jv"},
        {"home --use 3", "unknown option: --use"},
        {"home --uses", "lacks its argument: uses"},
        {"home -n", "lacks its argument: uses"},
        {"home --state", "lacks its argument: --state"},
        {"home --state ''", "lacks its argument: --state"},
        {"home --json=1", "takes no argument: json"},
        {"home --verbose=1", "takes no argument: verbose"},
        {"home --help=1", NULL}, // asked for help all the same
    };
    for (size_t i = 0; i + 1 < sizeof rows / sizeof rows[0]; i++) {
        take(rows[i].line, -EINVAL);
        assert_non_null(strstr(printed, rows[i].words));
        assert_memory_equal(printed, "wend invite: ", 13);
        assert_non_null(strstr(printed, ": see wend invite --help\n"));
        assert_ptr_equal(strchr(printed, '\n'), printed + strlen(printed) - 1);
    }
    take(rows[sizeof rows / sizeof rows[0] - 1].line, 1);
    take("home --listen 1 --listen 2 --listen 3 --listen 4 --listen 5", 0);
}

static void a_list_has_an_end(void **state)
{
    (void)state;
    char line[512] = "home";
    for (int i = 0; i < 10; i++)
        strcat(line, " --listen=x");
    take(line, 0);
    struct call c = split(line);
    const char *listed[17];
    const char **list = listed;
    const struct wend_cli_option option = {
        .name = "listen", .argument = "ADDR", .list = &list, .help = "where"};
    const struct wend_cli_spec spec = {
        .command = "x", .usage = "", .about = "", .options = &option, .option_count = 1};
    char *many[20] = {(char *)(uintptr_t) "x"};
    for (int i = 1; i < 20; i++)
        many[i] = (char *)(uintptr_t) "--listen=x";
    assert_int_equal(wend_cli_parse(&spec, 17, many, &c.common, c.positional), 0);
    assert_null(listed[16]);
    assert_int_equal(wend_cli_parse(&spec, 18, many, &c.common, c.positional), -EINVAL);
}

static void help_names_every_option(void **state)
{
    (void)state;
    take("--help", 1); // although an argument is missing
    static const char *const wanted[] = {
        "usage: wend invite NAME", "Prints an invite.", "-n, --uses N",
        "--listen ADDR",           "--state DIR",       "--log-json",
        "-v, --verbose",           "-h, --help"};
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++)
        assert_non_null(strstr(printed, wanted[i]));
    take("home -h", 1);
}

// --- error lines ---

static const char *value;

static int fail_with_value(void *context)
{
    (void)context;
    return wend_cli_fail(WEND_EXIT_FAILED, "up", "what failed", value, "what to do");
}

static void an_error_line_stays_one_line_and_keeps_secrets(void **state)
{
    (void)state;
    static const struct {
        const char *value, *line;
    } rows[] = {
        {"this", "wend up: what failed: this: what to do\n"},
        {NULL, "wend up: what failed: what to do\n"},
        {"a\nb\x1b[2J\x7f", "wend up: what failed: a?b?[2J?: what to do\n"},
        {"wi1AbCdEfGh", "wend up: what failed: wi1…: what to do\n"},
        {"wc1AbCdEfGh", "wend up: what failed: wc1…: what to do\n"},
        {"caf\xc3\xa9", "wend up: what failed: caf\xc3\xa9: what to do\n"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        value = rows[i].value;
        assert_int_equal(capture(STDERR_FILENO, fail_with_value, NULL), WEND_EXIT_FAILED);
        assert_string_equal(printed, rows[i].line);
    }
}

// --- values ---

static void durations(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t seconds; // 0: refused
    } rows[] = {
        {"1", 1},
        {"90s", 90},
        {"30m", 1800},
        {"24h", 86400},
        {"180d", 15552000},
        {"36500d", 3153600000},
        {"36501d", 0},
        {"0", 0},
        {"0h", 0},
        {"", 0},
        {"h", 0},
        {"-1h", 0},
        {"1w", 0},
        {"1.5h", 0},
        {" 1h", 0},
        {"1h ", 0},
        {"1H", 0},
        {"99999999999999999999d", 0},
        {"999999999999999", 0},
        {"1hh", 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint64_t seconds = 0;
        assert_int_equal(wend_cli_duration(rows[i].text, &seconds),
                         rows[i].seconds != 0 ? 0 : -EINVAL);
        assert_true(seconds == rows[i].seconds);
    }
}

static void numbers(void **state)
{
    (void)state;
    uint64_t n = 7;
    assert_int_equal(wend_cli_number("0", 0, 10, &n), 0);
    assert_int_equal(n, 0);
    assert_int_equal(wend_cli_number("18446744073709551615", 0, UINT64_MAX, &n), 0);
    assert_true(n == UINT64_MAX);
    static const char *const bad[] = {
        "", "18446744073709551616", "11", "0", "+5", "-5", "5x", "0x5", " 5", "5 "};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(wend_cli_number(bad[i], 1, 10, &n), -EINVAL);
}

static void a_secret_argument_is_wiped(void **state)
{
    (void)state;
    char argument[] = "wi1secret", ret[32];
    assert_int_equal(wend_cli_secret(argument, ret, sizeof ret), 9);
    assert_string_equal(ret, "wi1secret");
    assert_string_equal(argument, "*********");
    char empty[] = "", longer[] = "0123456789";
    assert_int_equal(wend_cli_secret(empty, ret, sizeof ret), -ENODATA);
    assert_int_equal(wend_cli_secret(longer, ret, 10), -EMSGSIZE);
}

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void a_secret_from_a_file_or_standard_input(void **state)
{
    (void)state;
    char path[] = "/tmp/wend-test-cli-XXXXXX", argument[64], ret[16], dash[] = "-";
    const int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    snprintf(argument, sizeof argument, "@%s", path);
    write_file(path, "wi1secret \r\n\n");
    assert_int_equal(wend_cli_secret(argument, ret, sizeof ret), 9);
    assert_string_equal(ret, "wi1secret");
    assert_int_equal(argument[0], '@'); // a file's name is no secret

    const int kept = dup(STDIN_FILENO), in = open(path, O_RDONLY);
    dup2(in, STDIN_FILENO);
    memset(ret, 0, sizeof ret);
    assert_int_equal(wend_cli_secret(dash, ret, sizeof ret), 9);
    assert_string_equal(ret, "wi1secret");
    dup2(kept, STDIN_FILENO);
    close(kept);
    close(in);

    write_file(path, "\n");
    assert_int_equal(wend_cli_secret(argument, ret, sizeof ret), -ENODATA);
    write_file(path, "0123456789abcdef");
    assert_int_equal(wend_cli_secret(argument, ret, sizeof ret), -EMSGSIZE);
    unlink(path);
    assert_int_equal(wend_cli_secret(argument, ret, sizeof ret), -ENOENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_and_options_mix),
        cmocka_unit_test(other_forms),
        cmocka_unit_test(where_the_state_is),
        cmocka_unit_test(wrong_usage_is_one_line),
        cmocka_unit_test(a_list_has_an_end),
        cmocka_unit_test(help_names_every_option),
        cmocka_unit_test(an_error_line_stays_one_line_and_keeps_secrets),
        cmocka_unit_test(durations),
        cmocka_unit_test(numbers),
        cmocka_unit_test(a_secret_argument_is_wiped),
        cmocka_unit_test(a_secret_from_a_file_or_standard_input),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
