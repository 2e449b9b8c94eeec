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

// One of each family.
static int parse_alternate(const char *text, struct wend_serve_config *ret)
{
    struct wend_address a;
    const int status = parse_address("--alt", text, &a);
    if (status != 0)
        return status;
    struct wend_address *place = &ret->alternate[wend_discovery_ports_family(a.family)];
    if (place->family != WEND_FAMILY_NONE)
        return wend_cli_fail(WEND_EXIT_USAGE, "serve", "a second --alt of one family", text,
                             "give --alt once for IPv4 and once for IPv6");
    *place = a;
    return 0;
}

// "3479", "3479,3480", "none".
static int parse_ports(const char *text, struct wend_serve_config *ret)
{
    ret->ports_told = true;
    if (strcmp(text, "none") == 0)
        return 0;
    for (const char *at = text;; at++) {
        char one[8] = "";
        const size_t len = strcspn(at, ",");
        uint64_t port;
        if (len == 0 || len >= sizeof one || ret->port_count == WEND_SERVE_PORTS_MAX)
            break;
        memcpy(one, at, len);
        if (wend_cli_number(one, 1, 65535, &port) != 0)
            break;
        ret->ports[ret->port_count++] = (uint16_t)port;
        at += len;
        if (*at == 0)
            return 0;
    }
    return wend_cli_fail(WEND_EXIT_USAGE, "serve", "not ports for --ports", text,
                         "write one to four, as in 3479,3480, or none");
}

struct texts {
    const char **listen, **alternate; // lists
    const char *ports, *public_one;
};

static int read_config(const struct texts *texts, struct wend_serve_config *ret)
{
    int status = 0;
    for (const char *const *at = texts->listen; *at != NULL && status == 0; at++) {
        if (ret->listen_count == WEND_SERVE_LISTENS_MAX)
            return wend_cli_fail(WEND_EXIT_USAGE, "serve", "too many addresses", *at,
                                 "give --listen at most eight times");
        status = parse_address("--listen", *at, &ret->listen[ret->listen_count++]);
    }
    for (const char *const *at = texts->alternate; *at != NULL && status == 0; at++)
        status = parse_alternate(*at, ret);
    if (status == 0 && texts->ports != NULL)
        status = parse_ports(texts->ports, ret);
    if (status == 0 && texts->public_one != NULL)
        status = parse_public(texts->public_one, &ret->public_one);
    return status;
}

int wend_cmd_serve(int argc, char **argv)
{
    const char *listen[17] = {NULL}, *alternate[17] = {NULL};
    struct texts texts = {.listen = listen, .alternate = alternate};
    const struct wend_cli_option options[] = {
        {.name = "listen",
         .argument = "ADDR[:PORT]",
         .list = &texts.listen,
         .help = "UDP and TCP; may be repeated; any address, 3478"},
        {.name = "alt",
         .argument = "ADDR[:PORT]",
         .list = &texts.alternate,
         .help = "second address, to be both discovery servers; once a family"},
        {.name = "ports",
         .argument = "PORT[,PORT…]",
         .value = &texts.ports,
         .help = "further UDP ports on each address; 3479, or the one after --listen's; none"},
        {.name = "public",
         .argument = "ADDR[:PORT]",
         .value = &texts.public_one,
         .help = "what a claim code names, behind a NAT"},
    };
    const struct wend_cli_spec spec = {
        .command = "serve",
        .usage =
            "[--listen ADDR[:PORT]]… [--alt ADDR[:PORT]] [--ports PORT[,PORT…]] [--public ADDR]",
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
    const int status = read_config(&texts, &config);
    if (status != 0)
        return status;
    wend_log_setup(common.log_json, common.verbose);
    struct wend_serve_failure failure = {0};
    if (wend_serve_run(&config, &failure) != 0)
        return wend_cli_fail(WEND_EXIT_FAILED, "serve", failure.what, failure.value, failure.fix);
    return WEND_EXIT_OK;
}
