// SPDX-License-Identifier: MIT
// The simulated NATs' gateways, asked by PCP (RFC 6887) and NAT-PMP (RFC 6886): what they grant, to
// whom, how long, and what passes then.
#include <errno.h>

#include "net_world.h"
#include "wire/natpmp.h"
#include "wire/pcp.h"

#define EI  WEND_SIM_ENDPOINT_INDEPENDENT
#define APD WEND_SIM_ADDRESS_AND_PORT_DEPENDENT

#define ASKER 49000 // the local port of who asks

static struct wend_sim_box box_of(enum wend_sim_gateway gateway)
{
    return (struct wend_sim_box){
        .kind = WEND_SIM_BOX_NAT,
        .mapping = APD,
        .filtering = APD,
        .allocation = WEND_SIM_PORT_RANDOM,
        .gateway = gateway,
    };
}

static struct wend_address gateway_at(void)
{
    return ip(192, 168, 1, 1, WEND_PCP_SERVER_PORT);
}

// As world_open, with a gateway at both sites.
static void open_with(const struct wend_sim_box *box)
{
    world_begin(&(struct wend_sim_limits){0});
    for (uint32_t d = 0; d < 2; d++) {
        const struct wend_sim_site site = {
            .box = *box, .public = public_of(d, 0), .inside = gateway_at()};
        const struct wend_sim_interface i = {.site = wend_sim_net_add_site(world.net, &site),
                                             .ipv4 = private_of(d, 0)};
        (void)wend_sim_net_add_interface(world.net, wend_sim_net_add_host(world.net), &i);
    }
    add_server(1);
    add_server(2);
}

static void open_by(enum wend_sim_gateway gateway)
{
    const struct wend_sim_box box = box_of(gateway);
    open_with(&box);
}

static void ask(uint32_t host, const uint8_t *bytes, size_t len)
{
    const struct wend_datagram d = {.transport = WEND_TRANSPORT_UDP,
                                    .local = {.port = ASKER},
                                    .remote = gateway_at(),
                                    .bytes = {bytes, len}};
    assert_int_equal(wend_sim_net_send(world.net, host, &d, world.now), 0);
}

static bool answered(uint32_t host)
{
    if (!hear())
        return false;
    const struct wend_address from = gateway_at();
    assert_int_equal(world.got.host, host);
    assert_int_equal(world.got.way.local.port, ASKER);
    assert_address(&world.got.way.remote, from);
    return true;
}

// A request for 192.168.1.10's or .20's PORT, as that host would write it.
static struct wend_pcp request(uint32_t host, uint16_t wished, uint32_t lifetime_s)
{
    struct wend_pcp q = {.opcode = WEND_PCP_MAP,
                         .lifetime_s = lifetime_s,
                         .client = private_of(host, 0),
                         .nonce = {(uint8_t)(host + 1)},
                         .protocol = WEND_PCP_PROTOCOL_UDP,
                         .internal_port = PORT,
                         .external = {.family = WEND_FAMILY_IPV4}};
    q.external.port = wished;
    return q;
}

static struct wend_pcp pcp(uint32_t host, const struct wend_pcp *q)
{
    uint8_t bytes[WEND_PCP_LEN_MAX];
    struct wend_pcp r;
    ask(host, bytes, wend_pcp_write(q, bytes, sizeof bytes));
    assert_true(answered(host));
    assert_int_equal(wend_pcp_read(world.got.way.bytes, &r), 0);
    assert_true(r.is_response);
    assert_int_equal(r.opcode, q->opcode);
    return r;
}

static struct wend_pcp map(uint32_t host, uint16_t wished, uint32_t lifetime_s)
{
    const struct wend_pcp q = request(host, wished, lifetime_s);
    const struct wend_pcp r = pcp(host, &q);
    assert_memory_equal(r.nonce, q.nonce, sizeof r.nonce);
    assert_int_equal(r.internal_port, PORT);
    return r;
}

static struct wend_natpmp natpmp(uint32_t host, const struct wend_natpmp *q)
{
    uint8_t bytes[WEND_NATPMP_LEN_MAX];
    struct wend_natpmp r;
    ask(host, bytes, wend_natpmp_write(q, bytes, sizeof bytes));
    assert_true(answered(host));
    assert_int_equal(wend_natpmp_read(world.got.way.bytes, &r), 0);
    assert_true(r.is_response);
    return r;
}

static void assert_reachable(uint16_t port)
{
    for (uint32_t from = SERVER; from <= OTHER; from++) {
        say(from, 1234, public_of(0, port));
        expect_at(0, NULL);
        assert_int_equal(world.got.way.local.port, PORT);
    }
}

// --- PCP ---

static void test_a_free_port_is_granted_as_wished(void **state)
{
    (void)state;
    open_by(WEND_SIM_GATEWAY_PCP);
    pass(WEND_S(7));
    say(SERVER, 1234, public_of(0, PORT));
    expect_drop(WEND_SIM_DROP_UNMAPPED);
    const struct wend_pcp r = map(0, PORT, 3600);
    assert_int_equal(r.result, WEND_PCP_SUCCESS);
    assert_int_equal(r.lifetime_s, 3600);
    assert_int_equal(r.epoch_s, 7);
    assert_address(&r.external, public_of(0, PORT));
    assert_reachable(PORT);
}

static void test_a_taken_port_is_replaced(void **state)
{
    (void)state;
    struct wend_sim_box box = box_of(WEND_SIM_GATEWAY_PCP);
    box.taken_port = PORT;
    open_with(&box);
    const struct wend_pcp r = map(0, PORT, 3600);
    assert_int_equal(r.result, WEND_PCP_SUCCESS);
    assert_int_not_equal(r.external.port, PORT);
    assert_int_not_equal(r.external.port, 0);
    assert_reachable(r.external.port);
    const struct wend_pcp own = map(0, WEND_PCP_SERVER_PORT, 3600);
    assert_address(&own.external, r.external); // the one that it has
}

static void test_what_is_sent_from_the_port_leaves_by_it(void **state)
{
    (void)state;
    open_by(WEND_SIM_GATEWAY_PCP);
    const uint16_t before = port_seen(0, PORT, server_at(STUN));
    assert_int_equal(map(0, PORT, 3600).external.port, PORT);
    assert_int_equal(port_seen(0, PORT, other_at(STUN)), PORT);
    // What traffic made comes first, as long as it lives.
    assert_int_equal(port_seen(0, PORT, server_at(STUN)), before);
    pass(WEND_SIM_UDP_TIMEOUT);
    assert_int_equal(port_seen(0, PORT, server_at(STUN)), PORT);
    assert_int_not_equal(port_seen(0, PORT + 1, other_at(STUN)), PORT);
}

static void test_it_ends_when_it_was_to_or_is_deleted(void **state)
{
    (void)state;
    open_by(WEND_SIM_GATEWAY_PCP);
    (void)map(0, PORT, 600);
    pass(WEND_S(599));
    assert_reachable(PORT);
    (void)map(0, 0, 600); // renewed
    pass(WEND_S(599));
    assert_reachable(PORT);
    pass(WEND_S(2));
    say(SERVER, 1234, public_of(0, PORT));
    expect_drop(WEND_SIM_DROP_UNMAPPED);
    (void)map(0, PORT, 600);
    assert_reachable(PORT);
    const struct wend_pcp r = map(0, 0, 0);
    assert_int_equal(r.result, WEND_PCP_SUCCESS);
    assert_int_equal(r.lifetime_s, 0);
    say(SERVER, 1234, public_of(0, PORT));
    expect_drop(WEND_SIM_DROP_UNMAPPED);
    assert_int_equal(map(0, 0, 0).result, WEND_PCP_SUCCESS); // nothing to delete is no error
}

static void test_nobody_else_changes_it(void **state)
{
    (void)state;
    open_by(WEND_SIM_GATEWAY_PCP);
    (void)map(0, PORT, 3600);
    struct wend_pcp q = request(0, PORT, 0);
    q.nonce[0] = 99;
    assert_int_equal(pcp(0, &q).result, WEND_PCP_NOT_AUTHORIZED);
    assert_reachable(PORT);
    const struct wend_address next = private_of(5, 0);
    const uint32_t neighbour = add_neighbour(1, &next);
    q = request(0, PORT, 3600); // in the other's name
    assert_int_equal(pcp(neighbour, &q).result, WEND_PCP_ADDRESS_MISMATCH);
    q.client = next;
    const struct wend_pcp r = pcp(neighbour, &q);
    assert_int_equal(r.result, WEND_PCP_SUCCESS);
    assert_int_not_equal(r.external.port, PORT);
    assert_reachable(PORT);
}

static void test_a_cone_keeps_its_port_and_loses_its_filter(void **state)
{
    (void)state;
    const struct wend_sim_box box = {
        .kind = WEND_SIM_BOX_NAT,
        .filtering = APD,
        .allocation = WEND_SIM_PORT_RANDOM,
        .gateway = WEND_SIM_GATEWAY_PCP,
    };
    open_with(&box);
    const uint16_t port = port_seen(0, PORT, server_at(STUN));
    say(OTHER, 1234, public_of(0, port));
    expect_drop(WEND_SIM_DROP_FILTERED);
    assert_int_equal(map(0, PORT, 60).external.port, port); // RFC 6887 section 11.3, case 4
    assert_reachable(port);
    assert_int_equal(port_seen(0, PORT, other_at(STUN)), port);
    pass(WEND_S(61));
    say(OTHER, 4321, public_of(0, port)); // what traffic made goes on
    expect_drop(WEND_SIM_DROP_FILTERED);
}

static void test_a_masquerade_keeps_others_off_the_port(void **state)
{
    (void)state;
    const struct wend_sim_box box = {
        .kind = WEND_SIM_BOX_NAT,
        .filtering = APD,
        .overload = true,
        .early_takes_tuple = true,
        .gateway = WEND_SIM_GATEWAY_PCP,
    };
    open_with(&box);
    assert_int_equal(map(0, PORT, 3600).external.port, PORT);
    assert_reachable(PORT);
    const struct wend_address next = private_of(5, 0);
    assert_int_not_equal(port_seen(add_neighbour(1, &next), PORT, server_at(STUN)), PORT);
    assert_int_equal(port_seen(0, PORT, server_at(1234)), PORT); // no early packet took that
}

static void test_a_reboot_forgets_and_says_so(void **state)
{
    (void)state;
    open_by(WEND_SIM_GATEWAY_PCP);
    pass(WEND_S(100));
    assert_int_equal(map(0, PORT, 3600).epoch_s, 100);
    wend_sim_net_reboot(world.net, 1, NULL);
    say(SERVER, 1234, public_of(0, PORT));
    expect_drop(WEND_SIM_DROP_UNMAPPED);
    pass(WEND_S(5));
    const struct wend_pcp announce = {.opcode = WEND_PCP_ANNOUNCE, .client = private_of(0, 0)};
    assert_int_equal(pcp(0, &announce).epoch_s, 5);
}

static void test_limits_hold_for_it_too(void **state)
{
    (void)state;
    struct wend_sim_box box = box_of(WEND_SIM_GATEWAY_PCP);
    box.host_limit = 1;
    box.gateway_lifetime_s = 120;
    open_with(&box);
    assert_int_equal(map(0, PORT, 3600).lifetime_s, 120);
    struct wend_pcp q = request(0, PORT, 3600);
    q.internal_port = PORT + 1;
    assert_int_equal(pcp(0, &q).result, WEND_PCP_NO_RESOURCES);
    q = request(0, PORT, 3600);
    q.protocol = 6;
    assert_int_equal(pcp(0, &q).result, WEND_PCP_UNSUPP_PROTOCOL);
    q = request(0, PORT, 3600);
    q.prefer_failure = true;
    assert_int_equal(pcp(0, &q).result, WEND_PCP_UNSUPP_OPTION);
}

// --- NAT-PMP ---

static void test_natpmp_tells_its_version_its_address_and_maps(void **state)
{
    (void)state;
    open_by(WEND_SIM_GATEWAY_NATPMP);
    const struct wend_pcp q = request(0, PORT, 3600);
    uint8_t bytes[WEND_PCP_LEN_MAX], version = 9;
    ask(0, bytes, wend_pcp_write(&q, bytes, sizeof bytes));
    assert_true(answered(0));
    assert_true(wend_pcp_read_version(world.got.way.bytes, &version));
    assert_int_equal(version, 0);
    const struct wend_natpmp where = natpmp(0, &(struct wend_natpmp){0});
    assert_address(&where.external, public_of(0, 0));
    const struct wend_natpmp wish = {.opcode = WEND_NATPMP_MAP_UDP,
                                     .internal_port = PORT,
                                     .external_port = PORT,
                                     .lifetime_s = 3600};
    const struct wend_natpmp r = natpmp(0, &wish);
    assert_int_equal(r.result, WEND_NATPMP_SUCCESS);
    assert_int_equal(r.external_port, PORT);
    assert_int_equal(r.lifetime_s, 3600);
    assert_reachable(PORT);
    const struct wend_natpmp end = {.opcode = WEND_NATPMP_MAP_UDP, .internal_port = PORT};
    assert_int_equal(natpmp(0, &end).lifetime_s, 0);
    say(SERVER, 1234, public_of(0, PORT));
    expect_drop(WEND_SIM_DROP_UNMAPPED);
    const struct wend_natpmp tcp = {.opcode = WEND_NATPMP_MAP_TCP, .internal_port = PORT};
    assert_int_equal(natpmp(0, &tcp).result, WEND_NATPMP_UNSUPPORTED_OPCODE);
}

// --- neither ---

static void test_nobody_answers_where_no_gateway_is(void **state)
{
    (void)state;
    const struct wend_pcp q = request(0, PORT, 3600);
    uint8_t bytes[WEND_PCP_LEN_MAX];
    const size_t len = wend_pcp_write(&q, bytes, sizeof bytes);
    open_by(WEND_SIM_GATEWAY_NONE);
    ask(0, bytes, len);
    assert_false(hear());
    open_by(WEND_SIM_GATEWAY_PCP);
    ask(0, bytes, 3); // too short
    assert_false(hear());
    say(0, ASKER, ip(192, 168, 1, 1, 53)); // another port
    assert_false(hear());
}

static void test_any_bytes_are_borne(void **state)
{
    (void)state;
    for (int gateway = WEND_SIM_GATEWAY_PCP; gateway <= WEND_SIM_GATEWAY_NATPMP; gateway++) {
        open_by((enum wend_sim_gateway)gateway);
        uint32_t draw = 1;
        for (int i = 0; i < 20000; i++) {
            const struct wend_pcp q = request(0, PORT, 3600);
            uint8_t bytes[64] = {0};
            size_t len = wend_pcp_write(&q, bytes, sizeof bytes);
            for (int k = 0; k < 3; k++) {
                draw = draw * 1664525u + 1013904223u;
                bytes[(draw >> 24) % len] = (uint8_t)(draw >> 12);
            }
            ask(0, bytes, draw % 3 == 0 ? (draw >> 8) % len : len);
            (void)hear();
        }
    }
}

// --- IGD ---

static int map_port(uint16_t port, uint16_t wished, uint32_t lifetime_s, struct wend_address *ret)
{
    struct wend_sim_port_ask a = {
        .site = 1, .inside = private_of(0, port), .wished = wished, .lifetime_s = lifetime_s};
    return wend_sim_net_map_port(world.net, &a, world.now, ret);
}

static void test_igd_maps_and_deletes(void **state)
{
    struct wend_address outside = {0};

    (void)state;
    open_by(WEND_SIM_GATEWAY_IGD);
    assert_int_equal(map_port(PORT, 5000, 60, &outside), 0);
    assert_address(&outside, public_of(0, 5000));
    assert_int_equal(map_port(PORT + 1, 5000, 60, &outside), 0); // taken: another one
    assert_int_not_equal(outside.port, 5000);
    assert_int_equal(map_port(PORT, 5000, 0, &outside), 0);
    assert_int_equal(map_port(PORT + 2, 6000, 60, &outside), 0);
    assert_address(&outside, public_of(0, 6000));
    wend_sim_net_check(world.net);
}

static void test_igd_is_silent_and_harmful(void **state)
{
    static const int errors[WEND_SIM_GATEWAY_HARMS] = {
        [WEND_SIM_GATEWAY_REFUSES] = -EACCES,        [WEND_SIM_GATEWAY_FULL] = -ENOSPC,
        [WEND_SIM_GATEWAY_NO_LIFETIME] = -EBADMSG,   [WEND_SIM_GATEWAY_NOWHERE] = -EBADMSG,
        [WEND_SIM_GATEWAY_CONFUSED] = -EBADMSG,      [WEND_SIM_GATEWAY_GARBLED] = -EBADMSG,
        [WEND_SIM_GATEWAY_ELSEWHERE] = -EHOSTUNREACH};
    struct wend_address outside = {0};
    const uint8_t bytes[2] = {0};

    (void)state;
    for (int harm = WEND_SIM_GATEWAY_SOUND; harm < WEND_SIM_GATEWAY_HARMS; harm++) {
        struct wend_sim_box box = box_of(WEND_SIM_GATEWAY_IGD);
        box.gateway_harm = (enum wend_sim_gateway_harm)harm;
        open_with(&box);
        assert_int_equal(map_port(PORT, 5000, 60, &outside), errors[harm]);
        ask(0, bytes, sizeof bytes);
        assert_false(answered(0));
    }
    open_by(WEND_SIM_GATEWAY_PCP);
    assert_int_equal(map_port(PORT, 5000, 60, &outside), -EHOSTUNREACH);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_free_port_is_granted_as_wished),
        cmocka_unit_test(test_a_taken_port_is_replaced),
        cmocka_unit_test(test_what_is_sent_from_the_port_leaves_by_it),
        cmocka_unit_test(test_it_ends_when_it_was_to_or_is_deleted),
        cmocka_unit_test(test_nobody_else_changes_it),
        cmocka_unit_test(test_a_cone_keeps_its_port_and_loses_its_filter),
        cmocka_unit_test(test_a_masquerade_keeps_others_off_the_port),
        cmocka_unit_test(test_a_reboot_forgets_and_says_so),
        cmocka_unit_test(test_limits_hold_for_it_too),
        cmocka_unit_test(test_natpmp_tells_its_version_its_address_and_maps),
        cmocka_unit_test(test_nobody_answers_where_no_gateway_is),
        cmocka_unit_test(test_any_bytes_are_borne),
        cmocka_unit_test(test_igd_maps_and_deletes),
        cmocka_unit_test(test_igd_is_silent_and_harmful),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
