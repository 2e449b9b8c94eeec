// SPDX-License-Identifier: MIT
// The JSON of `wend status`, from views: the promised keys, null for what is not known.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "io/status_json.h"

static struct wend_address parse(const char *text)
{
    struct wend_address a;
    assert_int_equal(wend_address_parse(text, 0, &a), 0);
    return a;
}

static void expect(json_t *got, const char *want_text)
{
    json_error_t why;
    json_t *want = json_loads(want_text, JSON_DECODE_ANY, &why);
    if (want == NULL)
        fail_msg("%s at %d", why.text, why.position);
    if (!json_equal(got, want)) {
        char *text = json_dumps(got, JSON_INDENT(1));
        fail_msg("got %s", text);
    }
    json_decref(want);
    json_decref(got);
}

static const struct wend_status_about about = {
    .interface = "wend0", .port_mapping = "pcp", .gateways = 2};

#define KEY_OF_ONES "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE="
#define KEY_OF_TWOS "AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI="

static struct wend_self_view self_view(void)
{
    struct wend_self_view v = {.name = "laptop",
                               .network = "home",
                               .ipv4 = parse("100.64.0.2"),
                               .ipv6 = parse("fd12::2"),
                               .public_address = parse("203.0.113.9:41641"),
                               .server_up = true,
                               .server_transport = WEND_TRANSPORT_UDP,
                               .server_address = parse("198.51.100.1:3478"),
                               .server_rtt = WEND_US(21345),
                               .network_serial = 3,
                               .revocation_serial = 2};
    memset(v.key, 1, sizeof v.key);
    memset(v.network_key, 2, sizeof v.network_key);
    return v;
}

#define UNKNOWN_WORDS                                                                              \
    "How your NAT gives out ports could not be found out."                                         \
    " Whom it lets in could not be found out; the strictest is assumed."

static void test_self(void **state)
{
    (void)state;
    const struct wend_self_view v = self_view();
    expect(wend_status_self(&v, &about),
           "{\"name\": \"laptop\", \"key\": \"" KEY_OF_ONES "\","
           " \"addresses\": [\"100.64.0.2\", \"fd12::2\"], \"network\": \"home\","
           " \"interface\": \"wend0\", \"mtu\": 1400, \"network_key\": \"" KEY_OF_TWOS "\","
           " \"network_serial\": 3, \"revocation_serial\": 2,"
           " \"nat\": {\"mapping\": \"unknown\", \"filtering\": \"unknown\","
           "           \"allocation\": \"unknown\", \"delta\": null,"
           "           \"public\": \"203.0.113.9:41641\", \"port_mapping\": \"pcp\","
           "           \"gateways\": 2, \"words\": \"" UNKNOWN_WORDS "\"}}");
}

static void test_no_nat(void **state)
{
    (void)state;
    struct wend_self_view v = self_view();
    v.public_address = parse("127.0.0.1:9");
    json_t *self = wend_status_self(&v, &about);
    const json_t *nat = json_object_get(self, "nat");
    assert_string_equal(json_string_value(json_object_get(nat, "mapping")), "none");
    assert_string_equal(json_string_value(json_object_get(nat, "filtering")), "none");
    assert_string_equal(json_string_value(json_object_get(nat, "public")), "127.0.0.1:9");
    assert_string_equal(json_string_value(json_object_get(nat, "words")),
                        "There is no NAT: your own address is the one that others see."
                        " Packets from anybody come in.");
    json_decref(self);
}

// Of the gateways nothing is known, or nobody asked; a model may tell of two by itself.
static void test_gateways(void **state)
{
    (void)state;
    const struct wend_status_about nobody = {.interface = "wend0"};
    struct wend_self_view v = self_view();
    json_t *self = wend_status_self(&v, &nobody);
    const json_t *nat = json_object_get(self, "nat");
    assert_true(json_is_null(json_object_get(nat, "port_mapping")));
    assert_true(json_is_null(json_object_get(nat, "gateways")));
    json_decref(self);
    v.nat.mapped = parse("10.64.0.2:41641");
    v.nat.public = parse("203.0.113.9:41641");
    self = wend_status_self(&v, &nobody);
    nat = json_object_get(self, "nat");
    assert_int_equal(json_integer_value(json_object_get(nat, "gateways")), 2);
    json_decref(self);
}

static void test_self_knows_nothing_yet(void **state)
{
    (void)state;
    const struct wend_self_view v = {.name = "laptop", .network = "home"};
    json_t *self = wend_status_self(&v, &about);
    assert_int_equal(json_array_size(json_object_get(self, "addresses")), 0);
    assert_true(json_is_null(json_object_get(json_object_get(self, "nat"), "public")));
    json_decref(self);
}

static void test_server(void **state)
{
    (void)state;
    struct wend_self_view v = self_view();
    expect(wend_status_server(&v), "{\"address\": \"198.51.100.1:3478\", \"transport\": \"udp\","
                                   " \"state\": \"connected\", \"rtt_ms\": 21.345}");
    memset(&v, 0, sizeof v);
    expect(wend_status_server(&v), "{\"address\": null, \"transport\": null,"
                                   " \"state\": \"connecting\", \"rtt_ms\": null}");
}

static struct wend_peer_view peer_view(void)
{
    struct wend_peer_view v = {.slot = 1,
                               .name = "phone",
                               .ipv4 = parse("100.64.0.3"),
                               .ipv6 = parse("fd12::3"),
                               .contact_started = WEND_NEVER,
                               .first_packet = -1,
                               .direct_after = -1};
    memset(v.key, 2, sizeof v.key);
    return v;
}

static void test_idle_peer(void **state)
{
    (void)state;
    const struct wend_peer_view v = peer_view();
    expect(wend_status_peer(&v, NULL, WEND_S(100)),
           "{\"name\": \"phone\", \"key\": \"" KEY_OF_TWOS "\","
           " \"addresses\": [\"100.64.0.3\", \"fd12::3\"], \"online\": false, \"state\": \"idle\","
           " \"path\": {\"kind\": \"none\", \"transport\": null, \"local\": null,"
           "            \"remote\": null, \"rtt_ms\": null, \"loss\": null, \"mtu\": null},"
           " \"why\": null, \"volley\": {\"state\": \"none\", \"method\": null, \"plan\": null},"
           " \"paths\": [], \"rx_bytes\": 0, \"tx_bytes\": 0, \"rx_packets\": 0,"
           " \"tx_packets\": 0, \"rx_direct\": 0, \"rx_relay\": 0, \"queue_dropped\": 0,"
           " \"first_packet_ms\": null, \"direct_after_ms\": null, \"switches\": 0,"
           " \"last_receive_ms\": null, \"reordered\": 0, \"duplicated\": 0,"
           " \"early_data\": false}");
}

static void test_busy_peer(void **state)
{
    (void)state;
    struct wend_peer_view v = peer_view();
    v.online = v.early_data = true;
    v.state = WEND_PEER_UP;
    v.switches = 1;
    v.first_packet = WEND_US(400);
    v.direct_after = WEND_MS(63);
    v.volley = (struct wend_volley_view){.nat_known = true,
                                         .end = WEND_VOLLEY_END_WON,
                                         .outcome = WEND_PLAN_TRY,
                                         .method = WEND_METHOD_BRACKET,
                                         .reason = "because"};
    v.path_count = 2;
    v.path_used = 0;
    v.paths[0] = (struct wend_path_view){.kind = WEND_PATH_DIRECT,
                                         .state = WEND_PATH_STATE_VALID,
                                         .transport = WEND_TRANSPORT_UDP,
                                         .local = parse("192.168.1.5:41641"),
                                         .remote = parse("203.0.113.7:5555"),
                                         .rtt = WEND_US(4100),
                                         .mtu = 1500};
    v.paths[1] = (struct wend_path_view){.kind = WEND_PATH_RELAY,
                                         .state = WEND_PATH_STATE_SUSPECT,
                                         .transport = WEND_TRANSPORT_TCP,
                                         .remote = parse("198.51.100.1:3478"),
                                         .loss = 0.25};
    struct wend_plane_stats s = {0};
    s.received_bytes = 10;
    s.sent_bytes = 20;
    s.received_packets = 3;
    s.sent_packets = 4;
    s.received_direct = 5;
    s.received_relay = 6;
    s.queue_dropped = 7;
    s.last_any_received = WEND_S(100) - WEND_MS(12);
    expect(wend_status_peer(&v, &s, WEND_S(100)),
           "{\"name\": \"phone\", \"key\": \"" KEY_OF_TWOS "\","
           " \"addresses\": [\"100.64.0.3\", \"fd12::3\"], \"online\": true, \"state\": \"up\","
           " \"path\": {\"kind\": \"direct\", \"transport\": \"udp\","
           "            \"local\": \"192.168.1.5:41641\", \"remote\": \"203.0.113.7:5555\","
           "            \"rtt_ms\": 4.1, \"loss\": 0.0, \"mtu\": 1500},"
           " \"why\": \"direct (bracket): because\","
           " \"volley\": {\"state\": \"won\", \"method\": \"bracket\", \"plan\": \"because\"},"
           " \"paths\": [{\"kind\": \"direct\", \"transport\": \"udp\","
           "              \"local\": \"192.168.1.5:41641\", \"remote\": \"203.0.113.7:5555\","
           "              \"rtt_ms\": 4.1, \"loss\": 0.0, \"mtu\": 1500, \"state\": \"valid\","
           "              \"used\": true},"
           "             {\"kind\": \"relay\", \"transport\": \"tcp\", \"local\": null,"
           "              \"remote\": \"198.51.100.1:3478\", \"rtt_ms\": null, \"loss\": 0.25,"
           "              \"mtu\": null, \"state\": \"suspect\", \"used\": false}],"
           " \"rx_bytes\": 10, \"tx_bytes\": 20, \"rx_packets\": 3, \"tx_packets\": 4,"
           " \"rx_direct\": 5, \"rx_relay\": 6, \"queue_dropped\": 7, \"first_packet_ms\": 0.4,"
           " \"direct_after_ms\": 63.0, \"switches\": 1, \"last_receive_ms\": 12.0,"
           " \"reordered\": 0, \"duplicated\": 0, \"early_data\": true}");
}

// The packet threads' clock reading may be newer than the node's.
static void test_heard_just_now(void **state)
{
    (void)state;
    const struct wend_peer_view v = peer_view();
    struct wend_plane_stats s = {0};
    s.last_any_received = WEND_S(101);
    json_t *peer = wend_status_peer(&v, &s, WEND_S(100));
    assert_true(json_real_value(json_object_get(peer, "last_receive_ms")) == 0.0);
    assert_true(json_is_real(json_object_get(peer, "last_receive_ms")));
    json_decref(peer);
}

static void test_names_of_a_peer(void **state)
{
    (void)state;
    const struct wend_peer_view v = peer_view();
    const char *yes[] = {"phone",      "Phone",   "phone.home.wend", "PHONE.Home.WEND",
                         "100.64.0.3", "fd12::3", KEY_OF_TWOS};
    const char *no[] = {"",
                        "phon",
                        "phone2",
                        "phone.",
                        "phone.home",
                        "phone.work.wend",
                        "phone.home.wend.",
                        "100.64.0.4",
                        "100.64.0.3:5",
                        KEY_OF_ONES,
                        "0.0.0.0"};
    for (size_t i = 0; i < sizeof yes / sizeof *yes; i++)
        assert_true(wend_status_is_called(&v, "home", yes[i]));
    for (size_t i = 0; i < sizeof no / sizeof *no; i++)
        assert_false(wend_status_is_called(&v, "home", no[i]));
}

static void test_drops(void **state)
{
    (void)state;
    struct wend_plane_counts counts = {.udp_failed = 3};
    expect(wend_status_drops(&counts), "{\"sealing\": {}, \"opening\": {}, \"udp_failed\": 3,"
                                       " \"tun_refused\": 0}");
    wend_drops_add(&counts.opening, WEND_DROP_REPLAYED);
    wend_drops_add(&counts.sealing, WEND_DROP_NO_ROUTE);
    counts.tun_refused = 4;
    expect(wend_status_drops(&counts), "{\"sealing\": {\"no-route\": 1},"
                                       " \"opening\": {\"replayed\": 1}, \"udp_failed\": 3,"
                                       " \"tun_refused\": 4}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_self),
        cmocka_unit_test(test_no_nat),
        cmocka_unit_test(test_gateways),
        cmocka_unit_test(test_self_knows_nothing_yet),
        cmocka_unit_test(test_server),
        cmocka_unit_test(test_idle_peer),
        cmocka_unit_test(test_busy_peer),
        cmocka_unit_test(test_heard_just_now),
        cmocka_unit_test(test_names_of_a_peer),
        cmocka_unit_test(test_drops),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
