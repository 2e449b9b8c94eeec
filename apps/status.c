// SPDX-License-Identifier: MIT
// wend status: what the daemon knows of itself, its servers, its peers and their paths.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "peek.h"

#define CELL_SIZE 72
#define COLUMNS   8

struct row {
    char cells[COLUMNS][CELL_SIZE];
};

// --- text of values; "-" stands for what is not known ---

static void put_text(char ret[static CELL_SIZE], const json_t *object, const char *key)
{
    snprintf(ret, CELL_SIZE, "%s", wend_peek_text(object, key, "-"));
}

static void put_milliseconds(char ret[static CELL_SIZE], const json_t *object, const char *key)
{
    const double ms = wend_peek_number(object, key, -1);
    if (ms >= 0)
        snprintf(ret, CELL_SIZE, "%.1f ms", ms);
    else
        snprintf(ret, CELL_SIZE, "-");
}

static void put_bytes(char ret[static CELL_SIZE], const json_t *object, const char *key)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
    double n = wend_peek_number(object, key, 0);
    size_t unit = 0;
    while (n >= 1024 && unit + 1 < sizeof units / sizeof units[0]) {
        n /= 1024;
        unit++;
    }
    snprintf(ret, CELL_SIZE, unit == 0 ? "%.0f %s" : "%.1f %s", n, units[unit]);
}

static const char *first_address(const json_t *object)
{
    const char *text = json_string_value(json_array_get(json_object_get(object, "addresses"), 0));
    return text != NULL ? text : "-";
}

// --- the table ---

static void fill_peer(struct row *r, const json_t *peer)
{
    const json_t *path = json_object_get(peer, "path");
    const char *kind = wend_peek_text(path, "kind", "none");
    const char *transport = wend_peek_text(path, "transport", NULL);
    put_text(r->cells[0], peer, "name");
    snprintf(r->cells[1], CELL_SIZE, "%s", first_address(peer));
    if (json_is_false(json_object_get(peer, "online")) &&
        strcmp(wend_peek_text(peer, "state", ""), "up") != 0)
        snprintf(r->cells[2], CELL_SIZE, "offline");
    else
        put_text(r->cells[2], peer, "state");
    snprintf(r->cells[3], CELL_SIZE, "%s%s%s", kind, transport != NULL ? " " : "",
             transport != NULL ? transport : "");
    put_text(r->cells[4], path, "remote");
    put_milliseconds(r->cells[5], path, "rtt_ms");
    put_bytes(r->cells[6], peer, "rx_bytes");
    put_bytes(r->cells[7], peer, "tx_bytes");
}

static void print_rows(const struct row *rows, size_t count)
{
    size_t width[COLUMNS] = {0};
    for (size_t i = 0; i < count; i++)
        for (size_t c = 0; c < COLUMNS; c++)
            if (strlen(rows[i].cells[c]) > width[c])
                width[c] = strlen(rows[i].cells[c]);
    for (size_t i = 0; i < count; i++) {
        for (size_t c = 0; c + 1 < COLUMNS; c++)
            printf("%-*s  ", (int)width[c], rows[i].cells[c]);
        printf("%s\n", rows[i].cells[COLUMNS - 1]);
    }
}

static int print_peers(const json_t *peers)
{
    const size_t count = json_array_size(peers);
    if (count == 0) {
        printf("no peers yet\n");
        return 0;
    }
    struct row *rows = calloc(count + 1, sizeof *rows);
    if (rows == NULL)
        return wend_cli_fail(WEND_EXIT_FAILED, "status", "not enough memory", NULL, NULL);
    rows[0] =
        (struct row){{"PEER", "ADDRESS", "STATE", "PATH", "REMOTE", "RTT", "RECEIVED", "SENT"}};
    for (size_t i = 0; i < count; i++)
        fill_peer(&rows[i + 1], json_array_get(peers, i));
    print_rows(rows, count + 1);
    free(rows);
    return WEND_EXIT_OK;
}

static void print_nat(const json_t *nat)
{
    const char *port_mapping = wend_peek_text(nat, "port_mapping", "none");
    const double gateways = wend_peek_number(nat, "gateways", 0);
    const char *reason = wend_peek_text(nat, "reason", NULL);
    printf("seen from outside as %s\n", wend_peek_text(nat, "public", "-"));
    printf("%s\n", wend_peek_text(nat, "words", "-"));
    if (reason != NULL)
        printf("Why it is not known: %s.\n", reason);
    if (strcmp(port_mapping, "none") != 0)
        printf("The gateway has mapped a port for this device, by %s.\n", port_mapping);
    if (gateways >= 2)
        printf("At least %.0f NATs are in a row before this device.\n", gateways);
}

// Why each peer's packets take the path that they take.
static void print_whys(const json_t *peers)
{
    size_t i;
    json_t *peer;
    bool any = false;
    json_array_foreach(peers, i, peer)
    {
        const char *why = wend_peek_text(peer, "why", NULL);
        if (why == NULL)
            continue;
        printf("%s%s: %s\n", any ? "" : "\n", wend_peek_text(peer, "name", "-"), why);
        any = true;
    }
}

static void print_self(const json_t *self)
{
    size_t i;
    json_t *address;
    printf("%s in network %s, interface %s", wend_peek_text(self, "name", "-"),
           wend_peek_text(self, "network", "-"), wend_peek_text(self, "interface", "-"));
    json_array_foreach(json_object_get(self, "addresses"), i, address)
        printf(", %s", json_is_string(address) ? json_string_value(address) : "-");
    printf("\n");
    print_nat(json_object_get(self, "nat"));
}

static void print_servers(const json_t *servers)
{
    size_t i;
    json_t *server;
    char rtt[CELL_SIZE];
    json_array_foreach(servers, i, server)
    {
        put_milliseconds(rtt, server, "rtt_ms");
        printf("server %s %s, %s, rtt %s\n", wend_peek_text(server, "address", "-"),
               wend_peek_text(server, "transport", "-"), wend_peek_text(server, "state", "-"), rtt);
    }
}

static int print_status(const json_t *answer, bool json)
{
    int status = WEND_EXIT_OK;
    if (json) {
        if (json_dumpf(answer, stdout, JSON_INDENT(1) | JSON_REAL_PRECISION(12)) != 0)
            status = WEND_EXIT_FAILED;
        putchar('\n');
    } else {
        print_self(json_object_get(answer, "self"));
        print_servers(json_object_get(answer, "servers"));
        printf("\n");
        status = print_peers(json_object_get(answer, "peers"));
        print_whys(json_object_get(answer, "peers"));
    }
    return fflush(stdout) == 0 ? status : WEND_EXIT_FAILED;
}

int wend_cmd_status(int argc, char **argv)
{
    bool json = false;
    const struct wend_cli_option options[] = {
        {.name = "json", .flag = &json, .help = "print JSON"},
    };
    const struct wend_cli_spec spec = {
        .command = "status",
        .usage = "[--json]",
        .about = "Shows this device, its servers, and which path leads to each peer, and why.",
        .options = options,
        .option_count = 1,
    };
    struct wend_cli_common common;
    char *positional[1];
    const int parsed = wend_cli_parse(&spec, argc, argv, &common, positional);
    if (parsed != 0)
        return parsed > 0 ? WEND_EXIT_OK : WEND_EXIT_USAGE;
    json_t *answer = NULL;
    const int error = wend_peek(common.state, json_pack("{s:s}", "do", "status"), &answer);
    if (error != 0)
        return wend_peek_fail("status", common.state, error);
    const char *refusal = wend_peek_text(answer, "error", NULL);
    const int status = refusal != NULL ? wend_cli_fail(WEND_EXIT_FAILED, "status",
                                                       "the daemon refuses", refusal, NULL)
                                       : print_status(answer, json);
    json_decref(answer);
    return status;
}
