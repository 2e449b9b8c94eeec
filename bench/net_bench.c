// SPDX-License-Identifier: MIT
// What the simulated network costs: setting up a small world, and a datagram through two NATs.
//
//   net_bench [worlds [datagrams]]
//
// One world: two devices behind NATs, four links with delay, a server; the datagrams go from device
// to device, 8 in flight, 200 bytes (a line each also for the server's way and for 1,400 bytes).
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "net.h"

static double seconds(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static struct wend_address ip(uint32_t last, uint16_t port)
{
    return wend_address_ipv4(0xcb007100u + last, port);
}

static struct wend_sim_net *build(void *memory, uint64_t seed)
{
    static const struct wend_sim_limits limits;
    const struct wend_sim_link access = {
        .link = {.delay = WEND_MS(8), .jitter = WEND_MS(1), .loss_ppm = 1000}};
    struct wend_sim_net *n = wend_sim_net_init(memory, &limits, seed);
    for (uint32_t d = 1; d <= 2; d++) {
        const struct wend_sim_site site = {
            .box = {.kind = WEND_SIM_BOX_NAT, .filtering = WEND_SIM_ADDRESS_AND_PORT_DEPENDENT},
            .public = ip(d, 0),
            .up = &access,
            .down = &access};
        const struct wend_sim_interface i = {.site = wend_sim_net_add_site(n, &site),
                                             .ipv4 = wend_address_ipv4(0xc0a8010a, 0)};
        (void)wend_sim_net_add_interface(n, wend_sim_net_add_host(n), &i);
    }
    const struct wend_sim_interface server = {.ipv4 = ip(100, 0)};
    (void)wend_sim_net_add_interface(n, wend_sim_net_add_host(n), &server);
    wend_sim_net_set_core_preset(n, WEND_MS(10));
    return n;
}

static uint8_t payload[WEND_DATAGRAM_MAX];

// `count` datagrams from each of two hosts to the other; returns ns for each.
static double exchange(struct wend_sim_net *n, uint32_t to, size_t len, uint32_t count)
{
    const struct wend_address at[3] = {ip(1, 4000), ip(2, 4000), ip(100, 4000)};
    wend_instant now = 0;
    uint64_t sum = 0;
    struct wend_sim_delivery got;
    const double start = seconds();
    for (uint32_t i = 0; i < count; i++, now += WEND_MS(7)) {
        struct wend_datagram d = {
            .local = {.port = 4000}, .remote = at[to], .bytes = {payload, len}};
        (void)wend_sim_net_send(n, 0, &d, now);
        d.remote = at[0];
        (void)wend_sim_net_send(n, to, &d, now);
        while (wend_sim_net_deadline(n) <= now)
            while (wend_sim_net_next(n, now, &got))
                sum += got.way.bytes.at[0];
    }
    const double each = (seconds() - start) * 1e9 / (2.0 * count);
    struct wend_sim_counts c;
    wend_sim_net_counts(n, &c);
    if (sum != 0 || c.delivered < c.sent / 2)
        (void)printf("unexpected: %llu of %llu delivered\n", (unsigned long long)c.delivered,
                     (unsigned long long)c.sent);
    return each;
}

int main(int argc, char **argv)
{
    const uint32_t worlds = argc > 1 ? (uint32_t)atoi(argv[1]) : 200000;
    const uint32_t datagrams = argc > 2 ? (uint32_t)atoi(argv[2]) : 2000000;
    static const struct wend_sim_limits limits;
    const size_t size = (wend_sim_net_size(&limits) + 63) / 64 * 64;
    void *memory = aligned_alloc(64, size);
    if (memory == NULL || worlds == 0 || datagrams == 0)
        return 1;
    double start = seconds();
    for (uint32_t i = 0; i < worlds; i++)
        (void)build(memory, i);
    (void)printf("memory %zu bytes\n", size);
    (void)printf("world set-up %.2f us\n", (seconds() - start) * 1e6 / worlds);
    (void)printf("through two NATs, 200 bytes %.0f ns\n",
                 exchange(build(memory, 1), 1, 200, datagrams));
    (void)printf("through two NATs, 1400 bytes %.0f ns\n",
                 exchange(build(memory, 1), 1, 1400, datagrams));
    (void)printf("to and from a server, 200 bytes %.0f ns\n",
                 exchange(build(memory, 1), 2, 200, datagrams));
    start = seconds();
    for (uint32_t i = 0; i < worlds / 100; i++)
        (void)exchange(build(memory, i), 1, 200, 250);
    (void)printf("world with 500 datagrams %.1f us\n",
                 (seconds() - start) * 1e6 / (worlds / 100.0));
    free(memory);
    return 0;
}
