// SPDX-License-Identifier: MIT
// The wend command: finds the subcommand in a table and runs it.
#include <stdio.h>
#include <string.h>

#include "cli.h"

static const struct wend_command_row rows[] = {
    {"serve", wend_cmd_serve, "run a server: discovery, relay, directory"},
    {"claim", wend_cmd_claim, "print a fresh claim code of a server"},
    {"network", wend_cmd_network, "make a network (new), look at it (show)"},
    {"invite", wend_cmd_invite, "print an invite to a network"},
    {"revoke", wend_cmd_revoke, "put a device or an invite out of a network"},
    {"up", wend_cmd_up, "bring this device up in its network"},
    {"down", wend_cmd_down, "end a running `wend up`"},
    {"status", wend_cmd_status, "show this device, its servers, peers and paths"},
    {"prefer", wend_cmd_prefer, "choose the kind of path to a device"},
    {"netcheck", wend_cmd_netcheck,
     "find out what the NAT does, and who can be reached through it"},
    {"ping", wend_cmd_ping, "ping a device and name the path of each answer"},
};

#define ROW_COUNT (sizeof rows / sizeof rows[0])

static void print_help(void)
{
    printf("usage: wend COMMAND [ARGUMENT…]\n\n");
    for (size_t i = 0; i < ROW_COUNT; i++)
        printf("  %-10s %s\n", rows[i].name, rows[i].summary);
    printf("\n`wend COMMAND --help` tells more; `wend --version` the version.\n");
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        return wend_cli_fail(WEND_EXIT_USAGE, NULL, "a command is missing", NULL,
                             "see wend --help");
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        print_help();
        return WEND_EXIT_OK;
    }
    if (strcmp(argv[1], "--version") == 0) {
        printf("wend %s\n", WEND_VERSION);
        return WEND_EXIT_OK;
    }
    for (size_t i = 0; i < ROW_COUNT; i++)
        if (strcmp(argv[1], rows[i].name) == 0)
            return rows[i].run(argc - 1, argv + 1);
    return wend_cli_fail(WEND_EXIT_USAGE, NULL, "unknown command", argv[1], "see wend --help");
}
