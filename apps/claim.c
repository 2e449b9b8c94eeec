// SPDX-License-Identifier: MIT
// wend claim: a fresh claim code of the server whose state this is. The server may run meanwhile.
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cli.h"
#include "io/client.h"
#include "io/clock.h"
#include "io/serve.h"

static int fail(int error, const char *state)
{
    const char *fix = strerror(-error);
    if (error == -ENOENT)
        fix = "run `wend serve` with this state first, or give its --state";
    else if (error == -EACCES)
        fix = "permission denied; run as the server's user";
    return wend_cli_fail(WEND_EXIT_FAILED, "claim", "no server's state here", state, fix);
}

static int print_claim(struct wend_server_store *s, const char *state)
{
    uint8_t secret[32];
    char text[WEND_CLAIM_TEXT_SIZE];
    wend_entropy(secret);
    // The text first: a code that cannot be told need not be kept.
    int error = wend_serve_claim_text(s, secret, text);
    if (error == 0)
        error = wend_server_store_new_claim(s, wend_clock_unix_seconds(), secret);
    wend_wipe(secret, sizeof secret);
    if (error != 0)
        return fail(error, state);
    printf("%s\n", text);
    wend_wipe(text, sizeof text);
    return fflush(stdout) == 0 ? WEND_EXIT_OK : WEND_EXIT_FAILED;
}

int wend_cmd_claim(int argc, char **argv)
{
    const struct wend_cli_spec spec = {
        .command = "claim",
        .usage = "",
        .about = "Prints a code with which one more network may be made on the server of this\n"
                 "state (`wend network new NAME --claim CODE`).",
    };
    struct wend_cli_common common;
    char *positional[1];
    const int parsed = wend_cli_parse(&spec, argc, argv, &common, positional);
    if (parsed != 0)
        return parsed > 0 ? WEND_EXIT_OK : WEND_EXIT_USAGE;
    struct wend_server_store *store = NULL;
    const int error = wend_server_store_open(common.state, false, &store);
    if (error != 0)
        return fail(error, common.state);
    const int status = print_claim(store, common.state);
    wend_server_store_close(store);
    return status;
}
