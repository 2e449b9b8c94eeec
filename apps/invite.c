// SPDX-License-Identifier: MIT
// wend invite: makes an invite, without asking anybody.
#include <string.h>

#include "admin.h"

int wend_cmd_invite(int argc, char **argv)
{
    const char *expires = "24h", *uses = "1", *member_for = "180d", *key_file = NULL;
    const struct wend_cli_option options[] = {
        {.name = "expires",
         .argument = "TIME",
         .value = &expires,
         .help = "how long it may be used (24h)"},
        {.name = "uses", .argument = "N", .value = &uses, .help = "how many devices may join (1)"},
        {.name = "member-for",
         .argument = "TIME",
         .value = &member_for,
         .help = "how long a membership lasts (180d)"},
        {.name = "key-file",
         .argument = "FILE",
         .value = &key_file,
         .help = "the network's key (STATE/networks/NAME.key)"},
    };
    const struct wend_cli_spec spec = {
        .command = "invite",
        .usage = "NAME [--expires 24h] [--uses N] [--member-for 180d] [--key-file FILE]",
        .about = "Prints an invite to network NAME: whoever holds it may join. It is a secret.",
        .options = options,
        .option_count = sizeof options / sizeof options[0],
        .positional_min = 1,
        .positional_max = 1,
    };
    struct wend_cli_common common;
    char *positional[2];
    const int parsed = wend_cli_parse(&spec, argc, argv, &common, positional);
    if (parsed != 0)
        return parsed > 0 ? WEND_EXIT_OK : WEND_EXIT_USAGE;
    struct wend_admin_invite wish;
    uint64_t count;
    if (wend_cli_duration(expires, &wish.expires_s) != 0)
        return wend_cli_fail(WEND_EXIT_USAGE, "invite", "not a time", expires, "try 24h or 7d");
    if (wend_cli_duration(member_for, &wish.member_for_s) != 0)
        return wend_cli_fail(WEND_EXIT_USAGE, "invite", "not a time", member_for, "try 180d");
    if (wend_cli_number(uses, 1, 4096, &count) != 0)
        return wend_cli_fail(WEND_EXIT_USAGE, "invite", "not a number of uses", uses,
                             "use 1 to 4096");
    wish.uses = (uint32_t)count;
    struct wend_admin a = {.command = "invite", .state = common.state, .name = positional[0]};
    int status = wend_admin_open(&a, key_file, false);
    if (status == WEND_EXIT_OK)
        status = wend_admin_print_invite(&a, &wish);
    wend_admin_close(&a);
    return status;
}
