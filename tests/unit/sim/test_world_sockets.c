// SPDX-License-Identifier: MIT
// A simulated device's further sockets: its node asks, sends and hears by them.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "node/node_state.h"
#include "run.h"

static struct sim_world world;
static struct sim_scenario scenario;
static const struct sim_options options = {.bound = WEND_S(30), .best_bound = WEND_S(310)};

static struct sim_device *begin(void)
{
    const struct sim_scale as_it_is = {0};
    assert_true(sim_scenario_make(&scenario, "plain", 1, &as_it_is));
    sim_world_begin(&world, &scenario, &options);
    struct sim_device *d = &world.devices[0];
    if (!d->running)
        sim_device_start(&world, d);
    return d;
}

static void each_has_a_port_of_its_own(void **state)
{
    struct sim_device *d = begin();
    uint16_t numbers[1024], again[2];

    (void)state;
    assert_int_equal(wend_sockets_open(d->node, WEND_FAMILY_IPV4, 0, 1024, numbers), 1024);
    sim_device_drain(&world, d);
    for (size_t i = 0; i < 1024; i++) {
        const struct wend_socket *s = wend_sockets_get(d->node, numbers[i]);
        const struct wend_datagram out = {.socket = numbers[i]};
        uint16_t found;
        assert_int_equal(s->state, WEND_SOCKET_OPEN);
        assert_int_equal(sim_sockets_port(d, &out), s->port);
        assert_true(sim_sockets_find(d, s->port, &found));
        assert_int_equal(found, numbers[i]);
    }
    const uint16_t port = wend_sockets_get(d->node, numbers[3])->port;
    assert_int_equal(wend_sockets_open(d->node, WEND_FAMILY_IPV4, port, 1, again), 1);
    sim_device_drain(&world, d);
    assert_int_equal(wend_sockets_get(d->node, again[0])->state, WEND_SOCKET_REFUSED);
    wend_sockets_close(d->node, numbers, 1024);
    wend_sockets_close(d->node, again, 1);
    sim_device_drain(&world, d);
    assert_int_equal(d->sockets.count, 0);
    assert_int_equal(wend_sockets_open(d->node, WEND_FAMILY_IPV4, port, 1, again), 1);
    sim_device_drain(&world, d);
    assert_int_equal(wend_sockets_get(d->node, again[0])->port, port); // free again
    sim_world_end(&world);
}

static void a_datagram_leaves_and_comes_by_its_socket(void **state)
{
    struct sim_device *d = begin();
    const uint8_t bytes[20] = {0};
    uint16_t number, found;

    (void)state;
    assert_int_equal(wend_sockets_open(d->node, WEND_FAMILY_IPV4, 0, 1, &number), 1);
    sim_device_drain(&world, d);
    const struct wend_datagram usual = {.socket = 0}, none = {.socket = 2000};
    assert_int_equal(sim_sockets_port(d, &usual), d->udp_port);
    assert_int_equal(sim_sockets_port(d, &none), 0);
    assert_true(sim_sockets_find(d, (uint16_t)d->udp_port, &found));
    assert_int_equal(found, 0);
    const uint16_t port = wend_sockets_get(d->node, number)->port;
    const struct wend_address remote = wend_address_ipv4(0xcb007199, 9);
    struct wend_datagram in = {.transport = WEND_TRANSPORT_UDP,
                               .local = {.family = WEND_FAMILY_IPV4, .port = port},
                               .remote = remote,
                               .bytes = WEND_BYTES(bytes)};
    const uint64_t before = d->node->drops.count[WEND_DROP_UNKNOWN_TYPE];
    sim_device_receive(&world, d, &in);
    assert_int_equal(d->node->drops.count[WEND_DROP_UNKNOWN_TYPE], before + 1);
    wend_sockets_close(d->node, &number, 1);
    sim_device_drain(&world, d);
    sim_device_receive(&world, d, &in); // nobody's any more
    assert_int_equal(d->node->drops.count[WEND_DROP_UNKNOWN_TYPE], before + 1);
    assert_int_equal(world.stats.lost[SIM_LOST_NO_SOCKET], 1);
    sim_world_end(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_has_a_port_of_its_own),
        cmocka_unit_test(a_datagram_leaves_and_comes_by_its_socket),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
