// SPDX-License-Identifier: MIT
// What every subcommand shares: its entry in the table, errors as CLI promises them, arguments.
//
// Exit status: 0 success, 1 the thing failed, 2 wrong usage. An error is one line on standard
// error: `wend <command>: what failed: value: what to do`.
#ifndef WEND_APPS_CLI_H
#define WEND_APPS_CLI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    WEND_EXIT_OK = 0,
    WEND_EXIT_FAILED = 1,
    WEND_EXIT_USAGE = 2,
};

// A subcommand gets argv with its own name (`network new`: argv[0] is "network") in argv[0] and
// returns the exit status.
struct wend_command_row {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *summary; // one line for `wend --help`
};

int wend_cmd_serve(int argc, char **argv);
int wend_cmd_claim(int argc, char **argv);
int wend_cmd_network(int argc, char **argv);
int wend_cmd_invite(int argc, char **argv);
int wend_cmd_revoke(int argc, char **argv);
int wend_cmd_up(int argc, char **argv);
int wend_cmd_down(int argc, char **argv);
int wend_cmd_status(int argc, char **argv);
int wend_cmd_netcheck(int argc, char **argv);
int wend_cmd_ping(int argc, char **argv);
int wend_cmd_prefer(int argc, char **argv);

// One option of a subcommand. The table drives parsing, the check and `--help`.
struct wend_cli_option {
    const char *name;     // long name without dashes
    char letter;          // short form, or 0
    const char *argument; // its name in the help text; NULL: a flag
    const char *help;
    bool *flag;         // set for a flag
    const char **value; // set for an option with an argument; the last one wins
    const char ***list; // or collected here (NULL-terminated, at most 16)
};

struct wend_cli_spec {
    const char *command; // "network new"
    const char *usage;   // what follows the command in the usage line
    const char *about;   // a sentence or two
    const struct wend_cli_option *options;
    size_t option_count;
    size_t positional_min, positional_max;
};

// The options that every command takes; filled by wend_cli_parse.
struct wend_cli_common {
    const char *state; // --state, else WEND_STATE, else /var/lib/wend
    bool log_json;
    bool verbose;
};

// Parses argv[1..]. Options and positional arguments may mix; `--` ends the options.
// Returns 0 with positional arguments moved to ret_positional (room for positional_max + 1);
// 1 when --help was printed (exit with WEND_EXIT_OK); -EINVAL when an error line was printed (exit
// with WEND_EXIT_USAGE).
int wend_cli_parse(const struct wend_cli_spec *spec, int argc, char **argv,
                   struct wend_cli_common *ret_common, char **ret_positional);

// Prints the error line; returns `status` so that a command can `return wend_cli_fail(…)`.
// `command`, `value` and `fix` may be NULL. Of `value`, control characters are replaced by '?', and
// of what looks like an invite or a claim code only the beginning is shown.
int wend_cli_fail(int status, const char *command, const char *what, const char *value,
                  const char *fix);

// "90s", "30m", "24h", "180d", or plain seconds. Returns 0 and seconds, or -EINVAL (also for 0
// and for more than 100 years).
int wend_cli_duration(const char *text, uint64_t *ret_seconds);
// A decimal number within [min, max]. Returns 0 or -EINVAL.
int wend_cli_number(const char *text, uint64_t min, uint64_t max, uint64_t *ret);

// A secret argument: itself, `@FILE`, or `-` for standard input. Copies it to `ret` (trailing white
// space removed) and overwrites the argument in place, so that it does not show in the process
// list. Returns its length, or -errno (-EMSGSIZE when it does not fit, -ENODATA when empty).
int wend_cli_secret(char *argument, char *ret, size_t ret_len);

#endif
