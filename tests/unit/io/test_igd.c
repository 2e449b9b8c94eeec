// SPDX-License-Identifier: MIT
// UPnP gateways, against a made-up one that speaks HTTP on loopback in a thread: versions 1 and 2,
// conflicts, refusals, nonsense, silence.
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "io/clock.h"
#include "io/igd.h"

// What the gateway does; changed only while it is not asked.
static struct {
    int version;
    int add_error, conflicts; // error of each Add; so many conflicts first
    bool permanent_only, silent, no_any;
    const char *external;
    const char *control_host; // where the description says that the control is
    // What it saw.
    int adds, deletes;
    char last_port[8], last_lease[16], deleted[8];
} gateway;

static int door = -1;
static uint16_t door_port;
static pthread_t keeper;
static pthread_mutex_t held_lock = PTHREAD_MUTEX_INITIALIZER;
static int held[16]; // connections that are not answered
static int held_count;

// --- the gateway ---

static void element(const char *body, const char *name, char *ret, size_t size)
{
    char open[64];
    snprintf(open, sizeof open, "<%s>", name);
    const char *at = strstr(body, open);
    ret[0] = 0;
    if (at == NULL)
        return;
    at += strlen(open);
    const size_t len = strcspn(at, "<");
    snprintf(ret, size, "%.*s", (int)(len < size ? len : size - 1), at);
}

static int describe(char *to, size_t size)
{
    const char *host = gateway.control_host != NULL ? gateway.control_host : "127.0.0.1";
    return snprintf(
        to, size,
        "<?xml version=\"1.0\"?><root xmlns=\"urn:schemas-upnp-org:device-1-0\">"
        "<URLBase>http://%s:%u/</URLBase><device>"
        "<deviceType>urn:schemas-upnp-org:device:InternetGatewayDevice:%d</deviceType>"
        "<deviceList><device><deviceType>urn:schemas-upnp-org:device:WANDevice:%d</deviceType>"
        "<serviceList><service>"
        "<serviceType>urn:schemas-upnp-org:service:WANCommonInterfaceConfig:1</serviceType>"
        "<controlURL>/common</controlURL></service></serviceList><deviceList><device>"
        "<deviceType>urn:schemas-upnp-org:device:WANConnectionDevice:%d</deviceType><serviceList>"
        "<service><serviceType>urn:schemas-upnp-org:service:WANIPConnection:%d</serviceType>"
        "<controlURL>/control</controlURL></service></serviceList></device></deviceList></device>"
        "</deviceList></device></root>",
        host, door_port, gateway.version, gateway.version, gateway.version, gateway.version);
}

static int soap(char *to, size_t size, const char *action, const char *inside)
{
    return snprintf(to, size,
                    "<?xml version=\"1.0\"?><s:Envelope><s:Body><u:%sResponse>%s</u:%sResponse>"
                    "</s:Body></s:Envelope>",
                    action, inside, action);
}

static int soap_error(char *to, size_t size, int code)
{
    return snprintf(to, size,
                    "<?xml version=\"1.0\"?><s:Envelope><s:Body><s:Fault><detail><UPnPError>"
                    "<errorCode>%d</errorCode></UPnPError></detail></s:Fault></s:Body>"
                    "</s:Envelope>",
                    code);
}

static int add_mapping(char *to, size_t size, const char *body, bool any)
{
    char inside[64] = "";
    gateway.adds++;
    element(body, "NewExternalPort", gateway.last_port, sizeof gateway.last_port);
    element(body, "NewLeaseDuration", gateway.last_lease, sizeof gateway.last_lease);
    if (any && gateway.no_any)
        return soap_error(to, size, 401);
    if (gateway.add_error != 0)
        return soap_error(to, size, gateway.add_error);
    if (gateway.permanent_only && strcmp(gateway.last_lease, "0") != 0)
        return soap_error(to, size, 725);
    if (gateway.conflicts > 0 && !any) {
        gateway.conflicts--;
        return soap_error(to, size, 718);
    }
    if (any)
        snprintf(inside, sizeof inside, "<NewReservedPort>%s</NewReservedPort>",
                 gateway.conflicts > 0 ? "2000" : gateway.last_port);
    return soap(to, size, any ? "AddAnyPortMapping" : "AddPortMapping", inside);
}

static int act(char *to, size_t size, const char *request)
{
    char inside[128];
    if (strncmp(request, "GET ", 4) == 0)
        return describe(to, size);
    if (strstr(request, "#AddAnyPortMapping") != NULL)
        return add_mapping(to, size, request, true);
    if (strstr(request, "#AddPortMapping") != NULL)
        return add_mapping(to, size, request, false);
    if (strstr(request, "#DeletePortMapping") != NULL) {
        gateway.deletes++;
        element(request, "NewExternalPort", gateway.deleted, sizeof gateway.deleted);
        return soap(to, size, "DeletePortMapping", "");
    }
    snprintf(inside, sizeof inside, "<NewExternalIPAddress>%s</NewExternalIPAddress>",
             gateway.external);
    return soap(to, size, "GetExternalIPAddress", inside);
}

// Reads a whole request: the head, and as much as it says follows.
static bool read_request(int fd, char *to, size_t size)
{
    size_t have = 0;
    for (;;) {
        const ssize_t got = recv(fd, to + have, size - 1 - have, 0);
        if (got <= 0)
            return false;
        have += (size_t)got;
        to[have] = 0;
        const char *end = strstr(to, "\r\n\r\n");
        if (end == NULL)
            continue;
        const char *length = strcasestr(to, "Content-Length:");
        const size_t body = length != NULL && length < end ? strtoul(length + 15, NULL, 10) : 0;
        if (have >= (size_t)(end + 4 - to) + body)
            return true;
    }
}

// Returns whether it was silent about it.
static bool hold(int fd)
{
    pthread_mutex_lock(&held_lock);
    const bool held_it = gateway.silent && held_count < 16;
    if (held_it)
        held[held_count++] = fd;
    pthread_mutex_unlock(&held_lock);
    return held_it;
}

static void let_go(void)
{
    pthread_mutex_lock(&held_lock);
    gateway.silent = false;
    while (held_count > 0)
        close(held[--held_count]);
    pthread_mutex_unlock(&held_lock);
}

static void serve(int fd)
{
    static char request[16384], body[8192], answer[9000];
    if (!read_request(fd, request, sizeof request)) {
        close(fd);
        return;
    }
    if (hold(fd))
        return;
    const int len = act(body, sizeof body, request);
    const bool is_error = strstr(body, "errorCode") != NULL;
    const int all = snprintf(answer, sizeof answer,
                             "HTTP/1.1 %s\r\nContent-Type: text/xml\r\nContent-Length: %d\r\n"
                             "Connection: close\r\n\r\n%s",
                             is_error ? "500 Internal Server Error" : "200 OK", len, body);
    (void)!send(fd, answer, (size_t)all, MSG_NOSIGNAL);
    close(fd);
}

static void *keep(void *context)
{
    (void)context;
    for (;;) {
        const int fd = accept(door, NULL, NULL);
        if (fd < 0)
            return NULL;
        serve(fd);
    }
}

static int open_gateway(void **state)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof at;
    (void)state;
    door = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (door < 0 || bind(door, (struct sockaddr *)&at, sizeof at) != 0 || listen(door, 16) != 0 ||
        getsockname(door, (struct sockaddr *)&at, &len) != 0)
        return -1;
    door_port = ntohs(at.sin_port);
    return pthread_create(&keeper, NULL, keep, NULL);
}

static int close_gateway(void **state)
{
    (void)state;
    shutdown(door, SHUT_RDWR);
    pthread_join(keeper, NULL);
    close(door);
    return 0;
}

// --- the client ---

static uv_loop_t loop;
static struct wend_igd *igd;
static struct wend_igd_event events[8];
static size_t event_count;

static void on_event(void *context, const struct wend_igd_event *e)
{
    (void)context;
    if (event_count < 8)
        events[event_count++] = *e;
    uv_stop(&loop);
}

static void begin(void)
{
    const struct wend_igd_handler handler = {.event = on_event};
    memset(&gateway, 0, sizeof gateway);
    gateway.version = 2;
    gateway.external = "203.0.113.9";
    event_count = 0;
    assert_int_equal(uv_loop_init(&loop), 0);
    assert_int_equal(wend_igd_open(&loop, &handler, &igd), 0);
}

static void start(void)
{
    const struct wend_address at = wend_address_ipv4(INADDR_LOOPBACK, 0);
    const struct wend_address inside = wend_address_ipv4(0x7f000001, 54321);
    char url[64];
    snprintf(url, sizeof url, "http://127.0.0.1:%u/root.xml", door_port);
    wend_igd_start(igd, &at, &inside, url);
}

// Runs the loop until `count` events came.
static void until(size_t count)
{
    while (event_count < count)
        uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(event_count, count);
}

// Until the threads that were left alone are at their end: a test must not meet those of the one
// before, which ask the same gateway and count as stuck.
static void end_threads(void)
{
    while (wend_igd_stuck() > 0) {
        let_go();
        sched_yield();
    }
}

static void end(void)
{
    wend_igd_end(igd);
    wend_igd_close(igd, wend_clock_now() + WEND_S(10));
    while (uv_run(&loop, UV_RUN_NOWAIT) != 0)
        ;
    assert_int_equal(uv_loop_close(&loop), 0);
    end_threads();
}

static void expect_mapped(uint16_t port, int version, uint32_t lifetime_s)
{
    until(1);
    const struct wend_address want = wend_address_ipv4(0xcb007109, port);
    assert_int_equal(events[0].kind, WEND_IGD_MAPPED);
    assert_true(wend_address_equal(&events[0].external, &want));
    assert_int_equal(events[0].version, version);
    assert_int_equal(events[0].lifetime_s, lifetime_s);
}

static void expect_failed(const char *why, int code)
{
    until(1);
    assert_int_equal(events[0].kind, WEND_IGD_FAILED);
    assert_string_equal(events[0].why, why);
    assert_int_equal(events[0].code, code);
}

// --- tests ---

static void maps_the_identical_port(void **state)
{
    (void)state;
    for (int version = 1; version <= 2; version++) {
        begin();
        gateway.version = version;
        start();
        expect_mapped(54321, version, 7200);
        assert_string_equal(gateway.last_lease, "7200");
        end();
        assert_int_equal(gateway.deletes, 1);
        assert_string_equal(gateway.deleted, "54321");
    }
}

static void takes_another_port(void **state)
{
    (void)state;
    begin();
    gateway.conflicts = 1;
    start();
    expect_mapped(2000, 2, 7200); // version 2 chooses itself
    end();
    assert_string_equal(gateway.deleted, "2000");
    begin();
    gateway.version = 1;
    gateway.conflicts = 2;
    start();
    until(1);
    assert_int_equal(events[0].kind, WEND_IGD_MAPPED);
    assert_true(events[0].external.port >= 49152);
    assert_int_equal(gateway.adds, 3);
    end();
    begin();
    gateway.version = 1;
    gateway.conflicts = 100;
    start();
    expect_failed("refused", 718);
    assert_int_equal(gateway.adds, 5); // and no more
    end();
    assert_int_equal(gateway.deletes, 0);
}

static void takes_a_permanent_mapping(void **state)
{
    (void)state;
    begin();
    gateway.version = 1;
    gateway.permanent_only = true;
    start();
    expect_mapped(54321, 1, 0);
    end();
    assert_int_equal(gateway.deletes, 1);
}

static void does_without_add_any(void **state)
{
    (void)state;
    begin();
    gateway.no_any = true;
    start();
    expect_mapped(54321, 2, 7200);
    end();
}

static void is_refused(void **state)
{
    static const int codes[] = {402, 501, 606, 716, 724, 728, 9999};
    (void)state;
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        begin();
        gateway.add_error = codes[i];
        start();
        expect_failed("refused", codes[i]);
        end();
    }
}

static void is_told_nonsense(void **state)
{
    static const char *const addresses[] = {"",          "0.0.0.0", "127.0.0.1",
                                            "224.0.0.1", "gateway", "999.1.1.1"};
    (void)state;
    for (size_t i = 0; i < sizeof addresses / sizeof addresses[0]; i++) {
        begin();
        gateway.external = addresses[i];
        start();
        until(1);
        assert_int_equal(events[0].kind, WEND_IGD_FAILED);
        assert_string_equal(events[0].why, "nonsense");
        end();
        assert_int_equal(gateway.deletes, 1); // it leads nowhere
    }
    begin();
    gateway.external = "192.168.7.2";
    start();
    expect_failed("nested", 0);
    end();
}

static void asks_nobody_but_the_gateway(void **state)
{
    (void)state;
    begin();
    gateway.control_host = "127.0.0.2";
    start();
    expect_failed("no-device", 0);
    end();
    begin();
    gateway.control_host = "127.0.0.1.example.org";
    start();
    expect_failed("no-device", 0);
    end();
    assert_int_equal(gateway.adds, 0);
}

static void keeps_what_is_held(void **state)
{
    (void)state;
    begin();
    start();
    expect_mapped(54321, 2, 7200);
    start(); // looks again: nothing new to tell
    wend_igd_rest(igd);
    end();
    assert_int_equal(event_count, 1);
}

static void maps_nothing_when_not_wanted(void **state)
{
    (void)state;
    begin();
    gateway.silent = true; // so that the job is still at it
    start();
    wend_igd_rest(igd);
    end();
    assert_int_equal(gateway.adds, 0);
}

static void hangs_nowhere(void **state)
{
    (void)state;
    begin();
    start();
    expect_mapped(54321, 2, 7200);
    gateway.silent = true;
    const wend_instant before = wend_clock_now();
    wend_igd_end(igd);
    wend_igd_close(igd, before + WEND_MS(100));
    while (uv_run(&loop, UV_RUN_NOWAIT) != 0)
        ;
    assert_int_equal(uv_loop_close(&loop), 0);
    assert_true(wend_clock_now() - before >= WEND_MS(100));
    assert_true(wend_clock_now() - before < WEND_S(2));
    end_threads();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(maps_the_identical_port),
        cmocka_unit_test(takes_another_port),
        cmocka_unit_test(takes_a_permanent_mapping),
        cmocka_unit_test(does_without_add_any),
        cmocka_unit_test(is_refused),
        cmocka_unit_test(is_told_nonsense),
        cmocka_unit_test(asks_nobody_but_the_gateway),
        cmocka_unit_test(keeps_what_is_held),
        cmocka_unit_test(maps_nothing_when_not_wanted),
        cmocka_unit_test(hangs_nowhere),
    };
    return cmocka_run_group_tests(tests, open_gateway, close_gateway);
}
