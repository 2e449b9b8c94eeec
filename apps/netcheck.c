// SPDX-License-Identifier: MIT
// wend netcheck: what the NAT in front of this machine does, and who can be reached through it.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "io/client.h"
#include "io/log.h"
#include "io/netcheck_json.h"
#include "io/netcheck_words.h"
#include "io/status_words.h"
#include "io/store_device.h"

#define COMMAND     "netcheck"
#define PRESET_PORT 3478
#define RECORD_MAX  1024
#define ASK_ONE     "name a STUN server: wend netcheck --server HOST"

struct arguments {
    struct wend_cli_common common;
    bool json, lifetime;
    const char *servers[17];
};

struct servers {
    struct wend_address at[WEND_LOOK_SERVERS_MAX];
    size_t count;
};

static int fail(const char *what, const char *value, const char *fix)
{
    return wend_cli_fail(WEND_EXIT_FAILED, COMMAND, what, value, fix);
}

// --- which servers ---

// The preset port where none is told.
static bool split_host(const char *text, struct wend_server_address *ret)
{
    const char *colon = strchr(text, ':');
    const size_t len = colon != NULL ? (size_t)(colon - text) : strlen(text);
    uint64_t port = PRESET_PORT;

    if (len == 0 || len >= sizeof ret->host ||
        (colon != NULL && wend_cli_number(colon + 1, 1, UINT16_MAX, &port) != 0))
        return false;
    memcpy(ret->host, text, len);
    ret->host[len] = 0;
    ret->address.port = (uint16_t)port;
    return true;
}

static void add(struct servers *s, const struct wend_address *one)
{
    for (size_t i = 0; i < s->count; i++)
        if (wend_address_equal(&s->at[i], one))
            return;
    if (s->count < WEND_LOOK_SERVERS_MAX)
        s->at[s->count++] = *one;
}

static int add_named(struct servers *s, const char *text)
{
    struct wend_server_address in = {.host = ""};
    struct wend_address found[WEND_LOOK_SERVERS_MAX];

    if (wend_address_parse(text, PRESET_PORT, &in.address) == 0 && in.address.port != 0) {
        add(s, &in.address);
        return WEND_EXIT_OK;
    }
    if (!split_host(text, &in))
        return wend_cli_fail(WEND_EXIT_USAGE, COMMAND, "not a server", text,
                             "give ADDRESS, NAME, or either with :PORT");
    const size_t count = wend_resolve(&in, 1, found, WEND_LOOK_SERVERS_MAX);
    if (count == 0)
        return fail("the server's name cannot be resolved", text,
                    "check the name, or give its address");
    for (size_t i = 0; i < count; i++)
        add(s, &found[i]);
    return WEND_EXIT_OK;
}

// Reads the network's record. Returns its length, 0: there is none, or -errno.
static int read_record(const char *state, uint8_t *ret, size_t ret_len)
{
    char path[4096];
    struct wend_store *store = NULL;

    if (wend_state_path(state, "wend.db", path, sizeof path) != 0)
        return -ENAMETOOLONG;
    if (access(path, R_OK) != 0) // opening would make one
        return errno == ENOENT || errno == ENOTDIR ? 0 : -errno;
    const int error = wend_store_open(state, false, &store);
    if (error != 0)
        return error;
    const int len = wend_store_get(store, WEND_STORE_NETWORK, ret, ret_len);
    wend_store_close(store);
    return len;
}

static int add_known(struct servers *s, const char *state)
{
    uint8_t bytes[RECORD_MAX];
    struct wend_network_record network;
    struct wend_address found[WEND_LOOK_SERVERS_MAX];
    const int len = read_record(state, bytes, sizeof bytes);

    if (len < 0)
        return fail("the servers of this device's network cannot be read", strerror(-len), ASK_ONE);
    if (len == 0)
        return fail("no server is known, this device is in no network", state, ASK_ONE);
    if (wend_network_record_decode((struct wend_bytes){bytes, (size_t)len}, &network) != 0)
        return fail("the network's record is damaged", state, ASK_ONE);
    for (size_t i = 0; i < network.server_count; i++) {
        const struct wend_server_record *r = &network.servers[i];
        const size_t count =
            wend_resolve(r->addresses, r->address_count, found, WEND_LOOK_SERVERS_MAX);
        for (size_t k = 0; k < count; k++)
            add(s, &found[k]);
    }
    return s->count > 0 ? WEND_EXIT_OK
                        : fail("no server of the network can be found", network.name, ASK_ONE);
}

static int find_servers(const struct arguments *a, struct servers *ret)
{
    if (a->servers[0] == NULL)
        return add_known(ret, a->common.state);
    for (size_t i = 0; a->servers[i] != NULL; i++) {
        const int status = add_named(ret, a->servers[i]);
        if (status != WEND_EXIT_OK)
            return status;
    }
    return WEND_EXIT_OK;
}

// --- in plain words ---

static void print_server(const struct wend_netcheck *n, size_t i)
{
    const struct wend_look_server *s = &n->look.servers[i];
    const struct wend_netcheck_tcp *t = &n->tcp[i];
    char address[WEND_ADDRESS_TEXT_LEN], other[WEND_ADDRESS_TEXT_LEN];

    printf("server %s: ", wend_address_format(&s->address, address));
    if (s->refused)
        printf("UDP refuses");
    else if (s->mapped.family != WEND_FAMILY_NONE)
        printf("UDP %.1f ms", (double)s->delay / 1e6);
    else
        printf("UDP no answer");
    if (t->delay > 0)
        printf(", TCP %.1f ms", (double)t->delay / 1e6);
    else
        printf(", TCP no connection (%s)", strerror(t->error));
    if (s->other.family != WEND_FAMILY_NONE)
        printf("; second address %s", wend_address_format(&s->other, other));
    putchar('\n');
}

static void print_nat(const struct wend_netcheck *n, const struct wend_nat_model *m)
{
    char text[WEND_WORDS_LEN], address[WEND_ADDRESS_TEXT_LEN];
    const char *hairpin = wend_words_hairpin(m);
    const unsigned gateways = wend_status_gateways(m, n->gateways);

    if (m->public.family != WEND_FAMILY_NONE)
        printf("seen from outside as %s\n", wend_address_format(&m->public, address));
    printf("\n%s\n%s\n", wend_words_mapping(m, text), wend_words_filtering(m));
    if (hairpin != NULL)
        printf("%s\n", hairpin);
    if (n->mapped.family != WEND_FAMILY_NONE)
        printf("The gateway grants ports by %s: %s was ours for a moment.\n", n->port_mapping,
               wend_address_format(&n->mapped, address));
    if (gateways >= 2)
        printf("At least %u NATs are in a row before you.\n", gateways);
    if (n->lifetime_asked)
        printf("%s\n", wend_words_lifetime(&n->lifetime, text));
}

static void print_reach(const struct wend_nat_model *m)
{
    printf("\nDevices that can be reached:\n");
    for (size_t i = 0; i < WEND_TYPICAL_PEERS; i++) {
        const struct wend_words_peer p = wend_words_peer(m, i);
        printf("  %-36s %s\n  %36s   (%s)\n", p.peer, wend_words_reach(p.reach), "", p.reason);
    }
}

static void print_words(const struct wend_netcheck *n)
{
    const struct wend_nat_model m = wend_netcheck_model(n);
    const struct wend_words_outlook outlook = wend_netcheck_outlook(n);
    const char *advice[WEND_ADVICE_MAX];
    const size_t count = wend_words_advice(&m, &outlook, advice);

    for (size_t i = 0; i < n->look.count; i++)
        print_server(n, i);
    print_nat(n, &m);
    print_reach(&m);
    for (size_t i = 0; i < count; i++)
        printf("%s%s\n", i == 0 ? "\n" : "", advice[i]);
}

static int print_json(const struct wend_netcheck *n)
{
    json_t *all = wend_netcheck_json(n);

    if (all == NULL)
        return fail("not enough memory", NULL, NULL);
    const int error = json_dumpf(all, stdout, JSON_INDENT(1) | JSON_REAL_PRECISION(12));
    putchar('\n');
    json_decref(all);
    return error == 0 ? WEND_EXIT_OK : WEND_EXIT_FAILED;
}

// --- the steps ---

static void on_round(void *context, const struct wend_lifetime *l)
{
    (void)context;
    if (l->state == WEND_LIFETIME_WIDE)
        fprintf(stderr, "holding mappings for 2 s to %d s\n", (int)(l->config.longest / WEND_S(1)));
    else
        fprintf(stderr, "lives for %d s to %d s; holding mappings for times between\n",
                (int)(l->lived / WEND_S(1)), (int)(l->died / WEND_S(1)));
}

static int measure_lifetime(struct wend_netcheck *n)
{
    fprintf(stderr, "measuring how long a silent mapping lives: this takes %d s at most\n",
            (int)(WEND_LIFETIME_TIME / WEND_S(1)));
    const int error = wend_netcheck_measure_lifetime(n, 0, on_round, NULL);
    if (error == -ENOENT)
        return fail("the lifetime cannot be measured, no server answers over UDP", NULL, ASK_ONE);
    return error == 0 ? WEND_EXIT_OK : fail("cannot open a socket", strerror(-error), NULL);
}

static int look(struct wend_netcheck *n, const struct servers *s)
{
    char first[WEND_ADDRESS_TEXT_LEN];
    const int error = wend_netcheck_look(n, s->at, s->count);

    if (error != 0)
        return fail("cannot open a socket", strerror(-error), NULL);
    if (wend_netcheck_has_udp(n) || wend_netcheck_has_tcp(n))
        return WEND_EXIT_OK;
    return fail(s->count > 1 ? "no server answers, neither over UDP nor over TCP"
                             : "the server answers neither over UDP nor over TCP",
                wend_address_format(&s->at[0], first),
                "check the network and the address, or name another with --server");
}

static int check(struct wend_netcheck *n, const struct arguments *a, const struct servers *s)
{
    int status = look(n, s);

    if (status != WEND_EXIT_OK)
        return status;
    const int error = wend_netcheck_discover(n);
    if (error != 0)
        return fail("cannot ask the server", strerror(-error), ASK_ONE);
    if (wend_discovery_model(&n->discovery)->translates == WEND_NAT_YES)
        wend_netcheck_ask_gateway(n);
    const int measured = a->lifetime ? measure_lifetime(n) : WEND_EXIT_OK;
    if (a->json)
        status = print_json(n);
    else
        print_words(n);
    if (fflush(stdout) != 0)
        return WEND_EXIT_FAILED;
    if (measured != WEND_EXIT_OK)
        return measured;
    if (status == WEND_EXIT_OK && wend_netcheck_is_lied_to(n))
        return fail("the servers' answers cannot be true", NULL, "ask others with --server");
    if (status == WEND_EXIT_OK && n->discovery.contradictions > 0)
        return fail("the servers contradict each other", NULL, "ask others with --server");
    return status;
}

int wend_cmd_netcheck(int argc, char **argv)
{
    struct arguments a = {.json = false};
    const char **list = a.servers;
    const struct wend_cli_option options[] = {
        {.name = "json", .flag = &a.json, .help = "print JSON"},
        {.name = "server",
         .argument = "HOST[:PORT]",
         .list = &list,
         .help = "ask this STUN server (again for more)"},
        {.name = "lifetime",
         .flag = &a.lifetime,
         .help = "measure how long a silent mapping lives (minutes)"},
    };
    const struct wend_cli_spec spec = {
        .command = COMMAND,
        .usage = "[--json] [--server HOST[:PORT]]… [--lifetime]",
        .about = "Finds out what the NAT in front of this machine does, who can be reached through "
                 "it,\nand what would help. Asks the servers of this device's network, or any STUN "
                 "servers.",
        .options = options,
        .option_count = sizeof options / sizeof options[0],
    };
    char *positional[1];
    struct servers servers = {.count = 0};
    struct wend_netcheck n;
    const int parsed = wend_cli_parse(&spec, argc, argv, &a.common, positional);

    if (parsed != 0)
        return parsed > 0 ? WEND_EXIT_OK : WEND_EXIT_USAGE;
    wend_log_setup(a.common.log_json, a.common.verbose);
    if (!a.common.verbose)
        wend_log_mute();
    int status = find_servers(&a, &servers);
    if (status != WEND_EXIT_OK)
        return status;
    status = wend_netcheck_open(&n) == 0 ? check(&n, &a, &servers)
                                         : fail("not enough memory", NULL, NULL);
    wend_netcheck_close(&n);
    return status;
}
