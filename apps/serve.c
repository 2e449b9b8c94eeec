// SPDX-License-Identifier: MIT
// wend serve: arguments and errors; what it does is io/serve.h.
#include <string.h>

#include "cli.h"
#include "io/log.h"
#include "io/serve.h"

static int parse_address(const char *option, const char *text, struct wend_address *ret)
{
    if (wend_address_parse(text, WEND_SERVE_PORT, ret) == 0)
        return 0;
    char what[64] = "not an address for ";
    strncat(what, option, sizeof what - strlen(what) - 1);
    return wend_cli_fail(WEND_EXIT_USAGE, "serve", what, text,
                         "write 198.51.100.1, 198.51.100.1:3478 or [2001:db8::1]:3478");
}

// An address, or a DNS name with or without a port.
static int parse_public(const char *text, struct wend_server_address *ret)
{
    if (wend_address_parse(text, WEND_SERVE_PORT, &ret->address) == 0)
        return 0;
    const char *colon = strchr(text, ':');
    const size_t len = colon != NULL ? (size_t)(colon - text) : strlen(text);
    uint64_t port = WEND_SERVE_PORT;
    if (len == 0 || len > WEND_HOST_LEN_MAX ||
        (colon != NULL && wend_cli_number(colon + 1, 1, 65535, &port) != 0))
        return wend_cli_fail(WEND_EXIT_USAGE, "serve", "not an address for --public", text,
                             "write 198.51.100.1:3478 or a DNS name");
    memcpy(ret->host, text, len);
    ret->address.port = (uint16_t)port;
    return 0;
}

static int read_config(const char *const *listen, const char *alternate, const char *public_one,
                       struct wend_serve_config *ret)
{
    int status = 0;
    for (; *listen != NULL && status == 0; listen++) {
        if (ret->listen_count == WEND_SERVE_LISTENS_MAX)
            return wend_cli_fail(WEND_EXIT_USAGE, "serve", "too many addresses", *listen,
                                 "give --listen at most eight times");
        status = parse_address("--listen", *listen, &ret->listen[ret->listen_count++]);
    }
    if (status == 0 && alternate != NULL)
        status = parse_address("--alt", alternate, &ret->alternate);
    if (status == 0 && public_one != NULL)
        status = parse_public(public_one, &ret->public_one);
    return status;
}

int wend_cmd_serve(int argc, char **argv)
{
    const char *listen_memory[17] = {NULL};
    const char **listen = listen_memory;
    const char *alternate = NULL, *public_one = NULL;
    const struct wend_cli_option options[] = {
        {.name = "listen",
         .argument = "ADDR[:PORT]",
         .list = &listen,
         .help = "UDP and TCP; may be repeated; any address, 3478"},
        {.name = "alt",
         .argument = "ADDR[:PORT]",
         .value = &alternate,
         .help = "second address, to be both discovery servers"},
        {.name = "public",
         .argument = "ADDR[:PORT]",
         .value = &public_one,
         .help = "what a claim code names, behind a NAT"},
    };
    const struct wend_cli_spec spec = {
        .command = "serve",
        .usage = "[--listen ADDR[:PORT]]… [--alt ADDR[:PORT]] [--public ADDR]",
        .about = "Runs a public server: discovery, relay, directory. Prints `ready …` once it\n"
                 "serves and, while it serves no network, a claim code for `wend network new`.",
        .options = options,
        .option_count = sizeof options / sizeof options[0],
    };
    struct wend_cli_common common;
    char *positional[1];
    const int parsed = wend_cli_parse(&spec, argc, argv, &common, positional);
    if (parsed != 0)
        return parsed > 0 ? WEND_EXIT_OK : WEND_EXIT_USAGE;
    struct wend_serve_config config = {.state = common.state};
    const int status = read_config(listen, alternate, public_one, &config);
    if (status != 0)
        return status;
    wend_log_setup(common.log_json, common.verbose);
    struct wend_serve_failure failure = {0};
    if (wend_serve_run(&config, &failure) != 0)
        return wend_cli_fail(WEND_EXIT_FAILED, "serve", failure.what, failure.value, failure.fix);
    return WEND_EXIT_OK;
}
