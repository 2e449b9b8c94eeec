// SPDX-License-Identifier: MIT
// wend up: joins with an invite the first time, then runs the daemon in the foreground.
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "crypto/crypto.h"
#include "io/device.h"
#include "io/log.h"

#define NAME_SIZE (WEND_NAME_LEN_MAX + 1)

struct arguments {
    struct wend_cli_common common;
    char *invite; // NULL: none
    const char *name, *interface, *port;
    bool no_port_mapping;
    const char *servers[17];
};

static int explain(const struct wend_device_error *why)
{
    return wend_cli_fail(WEND_EXIT_FAILED, "up", why->what, why->value[0] != 0 ? why->value : NULL,
                         why->fix);
}

// Lower case; others than ASCII's letters and digits to hyphens.
static char label_char(char c)
{
    const unsigned char byte = (unsigned char)c;
    if (byte >= 128 || isalnum(byte) == 0)
        return '-';
    return (char)tolower(byte);
}

// The host's name made into a label, without hyphens at its ends.
static void preset_name(char ret[static NAME_SIZE])
{
    char host[256] = "";
    if (gethostname(host, sizeof host - 1) != 0)
        host[0] = 0;
    size_t len = 0;
    for (const char *c = host; *c != 0 && *c != '.' && len < NAME_SIZE - 1; c++) {
        ret[len] = label_char(*c);
        if (len > 0 || ret[0] != '-')
            len++;
    }
    while (len > 0 && ret[len - 1] == '-')
        len--;
    ret[len] = 0;
    if (len == 0)
        snprintf(ret, NAME_SIZE, "device");
}

static int read_invite(char *argument, struct wend_invite *ret)
{
    char text[WEND_INVITE_TEXT_SIZE + 64];
    const int len = wend_cli_secret(argument, text, sizeof text);
    if (len < 0)
        return wend_cli_fail(WEND_EXIT_USAGE, "up", "cannot read the invite",
                             len == -ENODATA ? "it is empty" : strerror(-len),
                             "give wi1…, @FILE, or - for standard input");
    const int error = wend_invite_decode((struct wend_bytes){(uint8_t *)text, (size_t)len}, ret);
    wend_wipe(text, sizeof text);
    switch (error) {
    case 0: return WEND_EXIT_OK;
    case -ENODATA:
        return wend_cli_fail(WEND_EXIT_FAILED, "up", "the invite is cut short", NULL,
                             "copy all of it");
    case -EPROTONOSUPPORT:
        return wend_cli_fail(WEND_EXIT_FAILED, "up", "the invite is of a newer wend", NULL,
                             "update wend here");
    case -EPROTOTYPE:
        return wend_cli_fail(WEND_EXIT_USAGE, "up", "a claim code is not an invite", NULL,
                             "an invite begins with wi1; `wend invite` prints one");
    default:
        return wend_cli_fail(WEND_EXIT_FAILED, "up", "the invite is mistyped", NULL,
                             "copy it again");
    }
}

// Makes sure that this device is a member, by the invite if need be.
static int be_member(struct wend_store *store, struct arguments *a)
{
    struct wend_network_record network;
    struct wend_member member;
    const bool is_member = wend_device_member(store, &network, &member);
    if (a->invite == NULL)
        return is_member ? WEND_EXIT_OK
                         : wend_cli_fail(WEND_EXIT_FAILED, "up",
                                         "this device is in no network, or no longer",
                                         a->common.state, "give an invite: wend up wi1…");
    struct wend_invite invite = {0};
    const int status = read_invite(a->invite, &invite);
    if (status != WEND_EXIT_OK)
        return status;
    char name[NAME_SIZE];
    if (a->name == NULL)
        preset_name(name);
    if (is_member) {
        // The same command again, by a script or a unit file: nothing to do. Another network: no.
        struct wend_network_record other;
        const bool same = wend_network_record_decode(
                              (struct wend_bytes){invite.network_record, invite.network_record_len},
                              &other) == 0 &&
                          memcmp(other.key, network.key, sizeof other.key) == 0;
        wend_wipe(&invite, sizeof invite);
        return same ? WEND_EXIT_OK
                    : wend_cli_fail(WEND_EXIT_FAILED, "up", "this device is in a network already",
                                    network.name, "use another --state for the other network");
    }
    struct wend_device_error why = {0};
    const int error = wend_device_join(store, &invite, a->name != NULL ? a->name : name, &why);
    wend_wipe(&invite, sizeof invite);
    return error == 0 ? WEND_EXIT_OK : explain(&why);
}

static int run(struct wend_store *store, const struct arguments *a, uint16_t port)
{
    const struct wend_device_config config = {
        .state = a->common.state,
        .interface = a->interface,
        .hosts = "/etc/hosts",
        .port = port,
        .no_port_mapping = a->no_port_mapping,
        .server = a->servers[0] != NULL ? a->servers : NULL,
    };
    struct wend_device_error why = {0};
    struct wend_device *device = NULL;
    if (wend_device_open(&config, store, &device, &why) != 0)
        return explain(&why);
    const int error = wend_device_run(device);
    wend_device_close(device);
    if (error == -EPERM)
        return wend_cli_fail(WEND_EXIT_FAILED, "up", "the network has put this device out", NULL,
                             "see the log above; ask for a new invite");
    return error == 0 ? WEND_EXIT_OK
                      : wend_cli_fail(WEND_EXIT_FAILED, "up", "the daemon stopped",
                                      strerror(-error), NULL);
}

static int start(struct arguments *a)
{
    uint64_t port = 0;
    if (a->port != NULL && wend_cli_number(a->port, 1, 65535, &port) != 0)
        return wend_cli_fail(WEND_EXIT_USAGE, "up", "not a port", a->port, "use 1 to 65535");
    wend_log_setup(a->common.log_json, a->common.verbose);
    struct wend_store *store = NULL;
    const int error = wend_store_open(a->common.state, true, &store);
    if (error == -EBUSY)
        return wend_cli_fail(WEND_EXIT_FAILED, "up", "wend is up already on this state directory",
                             a->common.state, "wend down ends it; --state chooses another");
    if (error != 0)
        return wend_cli_fail(
            WEND_EXIT_FAILED, "up", "cannot open the state directory", a->common.state,
            error == -EACCES ? "run as root, or choose another with --state" : strerror(-error));
    int status = be_member(store, a);
    if (status == WEND_EXIT_OK)
        status = run(store, a, (uint16_t)port);
    wend_store_close(store);
    return status;
}

int wend_cmd_up(int argc, char **argv)
{
    struct arguments a = {.interface = "wend0"};
    const char **servers = a.servers;
    const struct wend_cli_option options[] = {
        {.name = "name",
         .argument = "NAME",
         .value = &a.name,
         .help = "this device's name when it joins (the host's)"},
        {.name = "interface",
         .argument = "NAME",
         .value = &a.interface,
         .help = "name of the interface (wend0)"},
        {.name = "port",
         .argument = "PORT",
         .value = &a.port,
         .help = "UDP port (the one of last time, or any)"},
        {.name = "no-port-mapping",
         .flag = &a.no_port_mapping,
         .help = "never ask a gateway for a port (PCP, NAT-PMP, UPnP)"},
        {.name = "server",
         .argument = "ADDR[:PORT]",
         .list = &servers,
         .help = "where the server is, instead of what the network says"},
    };
    const struct wend_cli_spec spec = {
        .command = "up",
        .usage = "[INVITE] [--name NAME] [--interface wend0] [--port PORT] [--no-port-mapping]\n"
                 "               [--server ADDR…]",
        .about = "Brings this device up in its network and stays in the foreground. INVITE (wi1…,\n"
                 "@FILE or - for standard input) is needed the first time only.",
        .options = options,
        .option_count = sizeof options / sizeof options[0],
        .positional_max = 1,
    };
    char *positional[2];
    const int parsed = wend_cli_parse(&spec, argc, argv, &a.common, positional);
    if (parsed != 0)
        return parsed > 0 ? WEND_EXIT_OK : WEND_EXIT_USAGE;
    a.invite = positional[0];
    return start(&a);
}
