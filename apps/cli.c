// SPDX-License-Identifier: MIT
#include "cli.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LIST_MAX 16

static const char *preset_state(void)
{
    const char *state = getenv("WEND_STATE");
    return state != NULL && state[0] != 0 ? state : "/var/lib/wend";
}

static bool looks_secret(const char *value)
{
    return strncmp(value, "wi1", 3) == 0 || strncmp(value, "wc1", 3) == 0;
}

static void print_value(const char *value)
{
    fputs(": ", stderr);
    if (looks_secret(value)) {
        fprintf(stderr, "%.3s…", value);
        return;
    }
    for (const char *c = value; *c != 0; c++)
        fputc((unsigned char)*c < ' ' || *c == 127 ? '?' : *c, stderr);
}

int wend_cli_fail(int status, const char *command, const char *what, const char *value,
                  const char *fix)
{
    fprintf(stderr, "wend%s%s: %s", command != NULL ? " " : "", command != NULL ? command : "",
            what);
    if (value != NULL)
        print_value(value);
    fprintf(stderr, "%s%s\n", fix != NULL ? ": " : "", fix != NULL ? fix : "");
    return status;
}

static void print_option(const struct wend_cli_option *o)
{
    char left[64];
    const char *argument = o->argument != NULL ? o->argument : "";
    if (o->letter != 0)
        snprintf(left, sizeof left, "-%c, --%s %s", o->letter, o->name, argument);
    else
        snprintf(left, sizeof left, "    --%s %s", o->name, argument);
    printf("  %-30s %s\n", left, o->help);
}

static void print_help(const struct wend_cli_spec *spec)
{
    static const struct wend_cli_option common[] = {
        {.name = "state", .argument = "DIR", .help = "state directory (WEND_STATE, /var/lib/wend)"},
        {.name = "log-json", .help = "log as JSON lines"},
        {.name = "verbose", .letter = 'v', .help = "log more"},
        {.name = "help", .letter = 'h', .help = "this text"},
    };
    printf("usage: wend %s %s\n\n%s\n\n", spec->command, spec->usage, spec->about);
    for (size_t i = 0; i < spec->option_count; i++)
        print_option(&spec->options[i]);
    for (size_t i = 0; i < sizeof common / sizeof common[0]; i++)
        print_option(&common[i]);
}

// Where one call of wend_cli_parse stands.
struct parse {
    const struct wend_cli_spec *spec;
    struct wend_cli_common *common;
    int argc, at;
    char **argv;
    char **positional;
    size_t positional_count;
    size_t list_count[32];
};

static int usage_error(const struct parse *p, const char *what, const char *value)
{
    char fix[96];
    snprintf(fix, sizeof fix, "see wend %s --help", p->spec->command);
    wend_cli_fail(WEND_EXIT_USAGE, p->spec->command, what, value, fix);
    return -EINVAL;
}

// The argument of the option at p->at: behind '=' or the next word. NULL if there is none.
static const char *option_argument(struct parse *p, const char *equals)
{
    if (equals != NULL)
        return equals + 1;
    if (p->at + 1 >= p->argc)
        return NULL;
    p->at++;
    return p->argv[p->at];
}

static int take_common(struct parse *p, const char *name, size_t len, const char *equals)
{
    if (len == 5 && strncmp(name, "state", len) == 0) {
        p->common->state = option_argument(p, equals);
        return p->common->state != NULL && p->common->state[0] != 0
                   ? 0
                   : usage_error(p, "an option lacks its argument", "--state");
    }
    if (len == 8 && strncmp(name, "log-json", len) == 0)
        p->common->log_json = true;
    else if (len == 7 && strncmp(name, "verbose", len) == 0)
        p->common->verbose = true;
    else if (len == 4 && strncmp(name, "help", len) == 0)
        return 1;
    else
        return usage_error(p, "unknown option", p->argv[p->at]);
    return equals == NULL ? 0 : usage_error(p, "this option takes no argument", name);
}

static int take_option(struct parse *p, size_t index, const char *equals)
{
    const struct wend_cli_option *o = &p->spec->options[index];
    if (o->argument == NULL) {
        *o->flag = true;
        return equals == NULL ? 0 : usage_error(p, "this option takes no argument", o->name);
    }
    const char *value = option_argument(p, equals);
    if (value == NULL)
        return usage_error(p, "an option lacks its argument", o->name);
    if (o->list == NULL) {
        *o->value = value;
        return 0;
    }
    if (p->list_count[index] == LIST_MAX)
        return usage_error(p, "given too often", o->name);
    (*o->list)[p->list_count[index]++] = value;
    (*o->list)[p->list_count[index]] = NULL;
    return 0;
}

static int take_long(struct parse *p, const char *name)
{
    const char *equals = strchr(name, '=');
    const size_t len = equals != NULL ? (size_t)(equals - name) : strlen(name);
    for (size_t i = 0; i < p->spec->option_count; i++) {
        const char *known = p->spec->options[i].name;
        if (strlen(known) == len && strncmp(known, name, len) == 0)
            return take_option(p, i, equals);
    }
    return take_common(p, name, len, equals);
}

// `-c 2` and `-c2` are the same; a flag stands alone.
static int take_short(struct parse *p, const char *word)
{
    const bool alone = word[2] == 0;
    if (word[1] == 'h' && alone)
        return 1;
    if (word[1] == 'v' && alone) {
        p->common->verbose = true;
        return 0;
    }
    for (size_t i = 0; i < p->spec->option_count; i++) {
        const struct wend_cli_option *o = &p->spec->options[i];
        if (o->letter == word[1] && (alone || o->argument != NULL))
            return take_option(p, i, alone ? NULL : word + 1);
    }
    return usage_error(p, "unknown option", word);
}

static int take_word(struct parse *p, bool options)
{
    char *word = p->argv[p->at];
    if (options && strncmp(word, "--", 2) == 0)
        return take_long(p, word + 2);
    if (options && word[0] == '-' && word[1] != 0)
        return take_short(p, word);
    if (p->positional_count == p->spec->positional_max)
        return usage_error(p, "one argument too many", word);
    p->positional[p->positional_count++] = word;
    return 0;
}

int wend_cli_parse(const struct wend_cli_spec *spec, int argc, char **argv,
                   struct wend_cli_common *ret_common, char **ret_positional)
{
    struct parse p = {.spec = spec,
                      .common = ret_common,
                      .argc = argc,
                      .argv = argv,
                      .at = 1,
                      .positional = ret_positional};
    *ret_common = (struct wend_cli_common){.state = preset_state()};
    bool options = true;
    for (; p.at < argc; p.at++) {
        if (options && strcmp(argv[p.at], "--") == 0) {
            options = false;
            continue;
        }
        const int error = take_word(&p, options);
        if (error > 0)
            print_help(spec);
        if (error != 0)
            return error;
    }
    if (p.positional_count < spec->positional_min)
        return usage_error(&p, "an argument is missing", spec->usage);
    ret_positional[p.positional_count] = NULL;
    return 0;
}

int wend_cli_number(const char *text, uint64_t min, uint64_t max, uint64_t *ret)
{
    uint64_t value = 0;
    if (text[0] == 0)
        return -EINVAL;
    for (const char *c = text; *c != 0; c++) {
        if (*c < '0' || *c > '9')
            return -EINVAL;
        if (__builtin_mul_overflow(value, 10u, &value) ||
            __builtin_add_overflow(value, (uint64_t)(*c - '0'), &value))
            return -EINVAL;
    }
    if (value < min || value > max)
        return -EINVAL;
    *ret = value;
    return 0;
}

int wend_cli_duration(const char *text, uint64_t *ret_seconds)
{
    static const struct {
        char letter;
        uint64_t seconds;
    } units[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}};
    const uint64_t most = UINT64_C(100) * 365 * 86400;
    char digits[16];
    const size_t len = strlen(text);
    if (len == 0 || len >= sizeof digits)
        return -EINVAL;
    memcpy(digits, text, len + 1);
    uint64_t unit = 1;
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        if (digits[len - 1] == units[i].letter) {
            unit = units[i].seconds;
            digits[len - 1] = 0;
            break;
        }
    }
    uint64_t count;
    if (wend_cli_number(digits, 1, most, &count) != 0 || count > most / unit)
        return -EINVAL;
    *ret_seconds = count * unit;
    return 0;
}

// Reads all of `fd`; -EMSGSIZE when it does not fit in len - 1 bytes.
static int read_all(int fd, char *ret, size_t len)
{
    size_t have = 0;
    for (;;) {
        const ssize_t n = read(fd, ret + have, len - have);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        if (n == 0)
            break;
        have += (size_t)n;
        if (have == len)
            return -EMSGSIZE;
    }
    return (int)have;
}

static int read_secret(const char *argument, char *ret, size_t len)
{
    if (strcmp(argument, "-") == 0)
        return read_all(STDIN_FILENO, ret, len);
    if (argument[0] == '@') {
        const int fd = open(argument + 1, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
            return -errno;
        const int n = read_all(fd, ret, len);
        close(fd);
        return n;
    }
    const size_t n = strlen(argument);
    if (n >= len)
        return -EMSGSIZE;
    memcpy(ret, argument, n + 1);
    return (int)n;
}

int wend_cli_secret(char *argument, char *ret, size_t ret_len)
{
    int n = read_secret(argument, ret, ret_len);
    if (n < 0)
        return n;
    while (n > 0 && strchr(" \t\r\n", ret[n - 1]) != NULL)
        n--;
    ret[n] = 0;
    if (argument[0] != '@' && strcmp(argument, "-") != 0)
        memset(argument, '*', strlen(argument));
    return n > 0 ? n : -ENODATA;
}
