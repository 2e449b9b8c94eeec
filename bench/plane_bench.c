// SPDX-License-Identifier: MIT
// One end of the data plane without a node: keys, peer and path are given. bench/plane runs two of
// them and puts TCP through.
//
//     plane_bench NUMBER LOCAL REMOTE     NUMBER 1 or 2; addresses with port
//
// Makes wend0 with 100.64.0.NUMBER in the namespace it is in, prints "ready", runs until standard
// input ends, then prints what was counted.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "io/interface.h"
#include "io/plane.h"

enum { MTU = 1400, SLOT = 1 };

static struct wend_tun tun = {.fd = -1};
static struct wend_udp udp = {.fd = -1};

static int fail(const char *what, int error)
{
    fprintf(stderr, "plane_bench: %s: %s\n", what, strerror(-error));
    return 1;
}

static int open_tun(const struct wend_address *inside)
{
    struct wend_netlink n;
    size_t restored;
    const struct wend_tun_config c = {.name = "wend0"};
    int error = wend_tun_open(&tun, &c);
    if (error != 0)
        return error;
    error = wend_netlink_open(&n);
    if (error != 0)
        return error;
    struct wend_interface i = {
        .index = tun.index,
        .mtu = MTU,
        .address_count = 1,
        .addresses = {{.family = WEND_FAMILY_IPV4, .bits = 20}},
    };
    memcpy(i.addresses[0].ip, inside->ip, sizeof i.addresses[0].ip);
    error = wend_interface_apply(&i, &n, &restored);
    wend_netlink_close(&n);
    return error;
}

static struct wend_address inside_of(unsigned number)
{
    return wend_address_ipv4(0x64400000u + number, 0);
}

// Each end seals with the key of its number and opens with the other's.
static void command_plane(struct wend_plane *p, unsigned us, const struct wend_address *remote)
{
    const unsigned them = 3 - us;
    struct wend_command c = {.kind = WEND_COMMAND_PEER, .slot = SLOT, .ipv4 = inside_of(them)};
    wend_plane_command_seal(p, &c);
    wend_plane_command_open(p, &c);
    c = (struct wend_command){
        .kind = WEND_COMMAND_KEYS, .slot = SLOT, .local_index = us, .remote_index = them};
    memset(c.key, (int)us, sizeof c.key);
    wend_plane_command_seal(p, &c);
    memset(c.key, (int)them, sizeof c.key);
    wend_plane_command_open(p, &c);
    c = (struct wend_command){
        .kind = WEND_COMMAND_PATH,
        .slot = SLOT,
        .path = {.transport = WEND_TRANSPORT_UDP, .remote = *remote},
    };
    wend_plane_command_seal(p, &c);
}

static void print_drops(const char *half, const struct wend_drops *d)
{
    for (int i = 1; i < WEND_DROP_COUNT; i++)
        if (d->count[i] != 0)
            printf("  %s dropped %s %llu\n", half, wend_drop_name((enum wend_drop)i),
                   (unsigned long long)d->count[i]);
}

static double ratio(uint64_t a, uint64_t b)
{
    return b == 0 ? 0 : (double)a / (double)b;
}

static void print_counts(const struct wend_plane *p)
{
    struct wend_plane_counts c;
    wend_plane_read_counts(p, &c);
    printf("  sent %llu datagrams: %.1f a host packet, %.1f a run; GSO refused %llu, failed %llu\n",
           (unsigned long long)c.datagrams_sent, ratio(c.datagrams_sent, c.tun_reads),
           ratio(c.datagrams_sent, c.runs_sent), (unsigned long long)c.gso_refused,
           (unsigned long long)(c.udp_failed + c.udp_too_big));
    printf("  received %llu datagrams: %.1f a message, %.1f a batch, %.1f a host packet; "
           "refused %llu\n",
           (unsigned long long)c.datagrams_received,
           ratio(c.datagrams_received, c.messages_received),
           ratio(c.datagrams_received, c.batches_received),
           ratio(c.datagrams_received, c.tun_writes), (unsigned long long)c.tun_refused);
    print_drops("sealing", &c.sealing);
    print_drops("opening", &c.opening);
}

int main(int argc, char **argv)
{
    struct wend_udp_config socket_config = {0};
    struct wend_address remote;
    const unsigned us = argc == 4 ? (unsigned)strtoul(argv[1], NULL, 10) : 0;
    if (us < 1 || us > 2 || wend_address_parse(argv[2], 0, &socket_config.local) != 0 ||
        wend_address_parse(argv[3], 0, &remote) != 0) {
        fprintf(stderr, "usage: plane_bench 1|2 LOCAL:PORT REMOTE:PORT\n");
        return 2;
    }
    const struct wend_address inside = inside_of(us);
    int error = open_tun(&inside);
    if (error != 0)
        return fail("interface", error);
    error = wend_udp_open(&udp, &socket_config);
    if (error != 0)
        return fail("socket", error);
    struct wend_plane *p;
    const struct wend_plane_config config = {
        .tun = &tun, .udp4 = &udp, .ipv4 = inside, .mtu = MTU, .hash_key = {1}};
    error = wend_plane_start(&config, &p);
    if (error != 0)
        return fail("plane", error);
    command_plane(p, us, &remote);
    puts("ready");
    fflush(stdout);
    char byte;
    while (read(STDIN_FILENO, &byte, 1) > 0)
        continue;
    print_counts(p);
    wend_plane_stop(p);
    wend_udp_close(&udp);
    wend_tun_close(&tun);
    return 0;
}
