// SPDX-License-Identifier: MIT
// wend network new, wend network show.
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "admin.h"
#include "io/clock.h"
#include "network_show.h"

// --- new ---

static int read_claim(char *argument, struct wend_claim *ret)
{
    static const char *const command = "network new";
    char text[WEND_CLAIM_TEXT_SIZE + 64];
    const int len = wend_cli_secret(argument, text, sizeof text);
    if (len < 0)
        return wend_cli_fail(WEND_EXIT_USAGE, command, "cannot read the claim code", NULL,
                             strerror(-len));
    const int error = wend_claim_decode((struct wend_bytes){(uint8_t *)text, (size_t)len}, ret);
    wend_wipe(text, sizeof text);
    switch (error) {
    case 0: return WEND_EXIT_OK;
    case -ENODATA:
        return wend_cli_fail(WEND_EXIT_USAGE, command, "the claim code is cut short", NULL,
                             "copy the whole line that `wend serve` or `wend claim` printed");
    case -EPROTONOSUPPORT:
        return wend_cli_fail(WEND_EXIT_FAILED, command, "the claim code is of a newer wend", NULL,
                             "update wend here");
    case -EPROTOTYPE:
        return wend_cli_fail(WEND_EXIT_USAGE, command, "an invite is not a claim code", NULL,
                             "a claim code begins with wc1; `wend claim` prints one");
    default:
        return wend_cli_fail(WEND_EXIT_USAGE, command, "the claim code is mistyped", NULL,
                             "copy the whole line that `wend serve` or `wend claim` printed");
    }
}

// Makes and keeps the record of a new network on the claim's server.
static int make_record(struct wend_admin *a, const struct wend_claim *claim,
                       const struct wend_prefix *pool)
{
    struct wend_network_record r = {
        .serial = 1,
        .issued = wend_clock_unix_seconds(),
        .pool = wend_preset_pool(a->public_key),
        .server_count = 1,
    };
    if (pool != NULL)
        r.pool = *pool;
    memcpy(r.key, a->public_key, sizeof r.key);
    memcpy(r.name, a->name, strlen(a->name) + 1);
    struct wend_server_record *server = &r.servers[0];
    memcpy(server->session_key, claim->session_key, sizeof server->session_key);
    memcpy(server->signature_key, claim->signature_key, sizeof server->signature_key);
    server->pool = r.pool;
    server->address_count = claim->address_count;
    memcpy(server->addresses, claim->addresses, sizeof server->addresses);
    uint8_t bytes[WEND_NETWORK_RECORD_MAX];
    struct wend_writer w = wend_writer_of(bytes, sizeof bytes);
    if (wend_network_record_sign(&r, a->seed, &w) != 0)
        return wend_cli_fail(WEND_EXIT_FAILED, a->command, "the network record cannot be made",
                             a->name, "the server's addresses are too long");
    return wend_admin_keep_record(a, (struct wend_bytes){bytes, w.len});
}

static int send_claim(struct wend_admin *a, const struct wend_claim *claim)
{
    struct wend_client *client = wend_admin_connect_claim(a, claim);
    if (client == NULL)
        return WEND_EXIT_FAILED;
    uint8_t memory[WEND_LEG_BODY_MAX];
    struct wend_writer w = wend_writer_of(memory, sizeof memory);
    wend_attribute_put(&w, WEND_ATTRIBUTE_SECRET,
                       (struct wend_bytes){claim->secret, sizeof claim->secret});
    wend_attribute_put(&w, WEND_ATTRIBUTE_NETWORK_RECORD,
                       (struct wend_bytes){a->record, a->record_len});
    struct wend_admin_errand e = {.type = WEND_CONTROL_CLAIM, .attributes = {memory, w.len}};
    const int error = wend_admin_ask(client, &e);
    wend_client_close(client);
    wend_wipe(memory, sizeof memory);
    return wend_admin_judge(a, &e, error);
}

// Whether the kept record is what this command would make: then an earlier try is being finished.
static bool is_same(const struct wend_admin *a, const struct wend_claim *claim,
                    const struct wend_prefix *pool)
{
    const struct wend_prefix wanted = pool != NULL ? *pool : wend_preset_pool(a->public_key);
    return a->record_len > 0 && memcmp(&a->network.pool, &wanted, sizeof wanted) == 0 &&
           memcmp(a->network.servers[0].session_key, claim->session_key,
                  sizeof claim->session_key) == 0;
}

static int make_network(struct wend_admin *a, const struct wend_claim *claim,
                        const struct wend_prefix *pool)
{
    if (a->claimed)
        return wend_cli_fail(WEND_EXIT_FAILED, a->command, "this network is there already", a->name,
                             "choose another name, or print an invite: wend invite");
    // Key and record are on disk before the claim goes out, so that a command cut short can be
    // repeated: the server takes the same record again.
    int status = is_same(a, claim, pool) ? WEND_EXIT_OK : make_record(a, claim, pool);
    if (status == WEND_EXIT_OK)
        status = send_claim(a, claim);
    if (status == WEND_EXIT_OK)
        status = wend_admin_keep_claimed(a);
    if (status != WEND_EXIT_OK)
        return status;
    return wend_admin_print_invite(
        a, &(struct wend_admin_invite){.expires_s = WEND_ADMIN_INVITE_EXPIRES_S,
                                       .member_for_s = WEND_ADMIN_MEMBER_FOR_S,
                                       .uses = WEND_ADMIN_FIRST_INVITE_USES});
}

// What the arguments said, checked.
struct wish {
    const char *command, *state, *name, *key_file;
    struct wend_claim claim;
    struct wend_prefix pool;
    bool has_pool;
};

static int run_new(const struct wish *wish)
{
    struct wend_admin a = {.command = wish->command, .state = wish->state, .name = wish->name};
    int status = wend_admin_open(&a, wish->key_file, true);
    if (status == WEND_EXIT_OK)
        status = make_network(&a, &wish->claim, wish->has_pool ? &wish->pool : NULL);
    wend_admin_close(&a);
    return status;
}

// The option points into argv, which is ours to overwrite.
static int read_wish(struct wish *ret, const char *claim, const char *pool)
{
    if (claim == NULL)
        return wend_cli_fail(WEND_EXIT_USAGE, ret->command, "--claim is missing", NULL,
                             "`wend claim` on the server prints a code");
    const int status = read_claim((char *)(uintptr_t)claim, &ret->claim);
    if (status != WEND_EXIT_OK || pool == NULL)
        return status;
    ret->has_pool = true;
    if (wend_prefix_parse(pool, &ret->pool) != 0 || ret->pool.family != WEND_FAMILY_IPV4 ||
        ret->pool.bits < WEND_POOL_BITS_MIN || ret->pool.bits > WEND_POOL_BITS_MAX)
        return wend_cli_fail(WEND_EXIT_USAGE, ret->command, "not an IPv4 pool", pool,
                             "use a prefix such as 100.80.16.0/20");
    return WEND_EXIT_OK;
}

static int network_new(int argc, char **argv)
{
    const char *claim_text = NULL, *pool = NULL, *key_file = NULL;
    const struct wend_cli_option options[] = {
        {.name = "claim",
         .argument = "WC1…",
         .value = &claim_text,
         .help = "the claim code of the server; @FILE or - too"},
        {.name = "pool",
         .argument = "CIDR",
         .value = &pool,
         .help = "IPv4 addresses inside (a /20 within 100.64.0.0/10)"},
        {.name = "key-file",
         .argument = "FILE",
         .value = &key_file,
         .help = "the network's key (STATE/networks/NAME.key)"},
    };
    const struct wend_cli_spec spec = {
        .command = "network new",
        .usage = "NAME --claim WC1… [--pool CIDR] [--key-file FILE]",
        .about =
            "Makes network NAME on the server that printed the claim code, and prints a first\n"
            "invite: for 16 devices within 24 hours. Whoever holds the key file is the "
            "network's administrator.",
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
    struct wish wish = {.command = spec.command,
                        .state = common.state,
                        .name = positional[0],
                        .key_file = key_file};
    int status = read_wish(&wish, claim_text, pool);
    if (status == WEND_EXIT_OK)
        status = run_new(&wish);
    wend_wipe(&wish, sizeof wish);
    return status;
}

// --- show ---

static int network_show(int argc, char **argv)
{
    const char *key_file = NULL;
    bool json = false;
    const struct wend_cli_option options[] = {
        {.name = "json", .flag = &json, .help = "as JSON"},
        {.name = "key-file",
         .argument = "FILE",
         .value = &key_file,
         .help = "the network's key (STATE/networks/NAME.key)"},
    };
    const struct wend_cli_spec spec = {
        .command = "network show",
        .usage = "NAME [--json] [--key-file FILE]",
        .about = "Shows the members of network NAME, its invites with their uses, its servers.",
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
    struct wend_admin a = {.command = "network show", .state = common.state, .name = positional[0]};
    int status = wend_admin_open(&a, key_file, false);
    if (status == WEND_EXIT_OK)
        status = wend_network_show(&a, json);
    wend_admin_close(&a);
    return status;
}

int wend_cmd_network(int argc, char **argv)
{
    if (argc >= 2 && strcmp(argv[1], "new") == 0)
        return network_new(argc - 1, argv + 1);
    if (argc >= 2 && strcmp(argv[1], "show") == 0)
        return network_show(argc - 1, argv + 1);
    if (argc >= 2 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
        printf("usage: wend network new NAME --claim WC1… | wend network show NAME [--json]\n\n"
               "`wend network new --help` and `wend network show --help` tell more.\n");
        return WEND_EXIT_OK;
    }
    return wend_cli_fail(WEND_EXIT_USAGE, "network", "which one", argc >= 2 ? argv[1] : NULL,
                         "wend network new NAME, or wend network show NAME");
}
