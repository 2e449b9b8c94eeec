// SPDX-License-Identifier: MIT
// wend prefer: which kind of path packets to a device shall take, while it is there.
#include <stdio.h>
#include <string.h>

#include "peek.h"

static bool is_kind(const char *text)
{
    return strcmp(text, "direct") == 0 || strcmp(text, "relay") == 0 || strcmp(text, "best") == 0;
}

static int tell(const char *state, const char *name, const char *kind)
{
    json_t *answer = NULL;
    json_t *request = json_pack("{s:s, s:s, s:s}", "do", "prefer", "name", name, "path", kind);
    const int error = wend_peek(state, request, &answer);
    if (error != 0)
        return wend_peek_fail("prefer", state, error);
    const char *refusal = wend_peek_text(answer, "error", NULL);
    int status = WEND_EXIT_OK;
    if (refusal != NULL)
        status = wend_cli_fail(WEND_EXIT_FAILED, "prefer", refusal, name, "see wend status");
    json_decref(answer);
    return status;
}

int wend_cmd_prefer(int argc, char **argv)
{
    const struct wend_cli_spec spec = {
        .command = "prefer",
        .usage = "DEVICE direct|relay|best",
        .about = "Chooses the kind of path for what this device sends to DEVICE, as long as such a "
                 "path works: direct, through the relay, or the best one (the preset). Lasts until "
                 "the daemon ends.",
        .positional_min = 2,
        .positional_max = 2,
    };
    struct wend_cli_common common;
    char *positional[3];
    const int parsed = wend_cli_parse(&spec, argc, argv, &common, positional);
    if (parsed != 0)
        return parsed > 0 ? WEND_EXIT_OK : WEND_EXIT_USAGE;
    if (!is_kind(positional[1]))
        return wend_cli_fail(WEND_EXIT_USAGE, "prefer", "unknown kind of path", positional[1],
                             "say direct, relay or best");
    return tell(common.state, positional[0], positional[1]);
}
