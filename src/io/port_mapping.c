// SPDX-License-Identifier: MIT
// The two machines and their sockets on a loop, and the choice between what they hold.
#include "io/port_mapping.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "io/alarm.h"
#include "io/clock.h"
#include "io/igd.h"
#include "io/log.h"
#include "io/port_mapping_socket.h"

#define OUTER_PATIENCE   WEND_S(1)  // for the router behind the gateway to complain
#define CHECK_APART      WEND_S(10) // when routes and addresses change often
#define DATAGRAMS_A_TURN 32         // and errors

struct wend_port_mapping {
    struct wend_port_mapping_config config;
    uv_loop_t *loop;
    struct wend_mapping machine;
    struct wend_igd *igd;
    struct wend_alarm alarm;
    uv_poll_t requests_poll, announcements_poll;
    int requests, announcements; // -1: none
    bool polls_requests, polls_announcements;
    bool closing;
    int handles; // uv_close not yet called back
    struct wend_address gateway, inside, beacon;
    wend_instant checked;               // when the gateway was looked for and asked last; 0: never
    int outer_layer;                    // whose outside was private last
    wend_instant outer_until;           // the router behind is waited for; WEND_NEVER: not
    struct wend_address by_igd, mapped; // family NONE: not
    bool igd_nested;                    // it said that its outside is private
    const char *source;                 // of `mapped`
};

static void turn(struct wend_port_mapping *p);

// --- what holds ---

static void set_mapped(struct wend_port_mapping *p, const struct wend_address *a,
                       const char *source)
{
    char text[WEND_ADDRESS_TEXT_LEN] = "none";

    if (wend_address_equal(&p->mapped, a) && p->source == source)
        return;
    p->mapped = *a;
    p->source = source;
    if (p->closing)
        return;
    if (a->family != WEND_FAMILY_NONE)
        wend_address_format(a, text);
    wend_log(WEND_LOG_INFO, "port-mapping", WEND_T("source", source), WEND_T("address", text));
    p->config.changed(p->config.context, a);
}

// What was there first stays while it holds.
static void choose(struct wend_port_mapping *p)
{
    const struct wend_lease *l = wend_mapping_find(&p->machine);
    const bool by_igd = p->by_igd.family != WEND_FAMILY_NONE;

    if (by_igd && (l == NULL || strcmp(p->source, "igd") == 0))
        set_mapped(p, &p->by_igd, "igd");
    else if (l != NULL)
        set_mapped(p, &l->external, wend_mapping_protocol_name(l->protocol));
    else
        set_mapped(p, &(struct wend_address){0}, "none");
}

static void on_igd(void *context, const struct wend_igd_event *e)
{
    struct wend_port_mapping *p = context;

    if (e->kind == WEND_IGD_FAILED || e->kind == WEND_IGD_LOST)
        wend_log(WEND_LOG_INFO, e->kind == WEND_IGD_LOST ? "port-lost" : "port-not-mapped",
                 WEND_T("source", "igd"), WEND_T("why", e->why), WEND_N("code", e->code));
    p->igd_nested = e->kind == WEND_IGD_FAILED && e->why != NULL && strcmp(e->why, "nested") == 0;
    p->by_igd = e->kind == WEND_IGD_MAPPED ? e->external : (struct wend_address){0};
    choose(p);
}

// --- events of the machine ---

static void log_failure(const struct wend_mapping_event *e, const char *event)
{
    wend_log(WEND_LOG_INFO, event, WEND_T("source", "pcp"),
             WEND_T("why", wend_mapping_reason_name(e->reason)), WEND_N("code", e->result));
}

// A datagram towards the internet that the router behind the gateway of `layer` drops. Without a
// beacon that waits until there is one.
static void look_for_outer(struct wend_port_mapping *p, int layer, wend_instant now)
{
    p->outer_layer = layer;
    if (p->beacon.family != WEND_FAMILY_IPV4 || p->requests < 0) {
        wend_mapping_outer(&p->machine, &(struct wend_address){0}, now);
        return;
    }
    wend_gateway_send_hops(p->requests, &p->beacon, layer + 2);
    p->outer_until = now + OUTER_PATIENCE;
}

static void take_event(struct wend_port_mapping *p, const struct wend_mapping_event *e,
                       wend_instant now)
{
    switch (e->kind) {
    case WEND_MAPPING_NOTHING: break;
    case WEND_MAPPING_MAPPED: wend_igd_rest(p->igd); break;
    case WEND_MAPPING_LOST:
        log_failure(e, "port-lost");
        if (p->by_igd.family == WEND_FAMILY_NONE && e->reason != WEND_MAPPING_RESTARTED)
            wend_igd_start(p->igd, &p->gateway, &p->inside, NULL);
        break;
    case WEND_MAPPING_FAILED: log_failure(e, "port-not-mapped"); break;
    case WEND_MAPPING_OUTER_WANTED: look_for_outer(p, e->layer, now); break;
    }
}

static void send_due(struct wend_port_mapping *p)
{
    struct wend_datagram out;

    while (wend_mapping_next_datagram(&p->machine, &out))
        if (p->requests >= 0)
            (void)wend_gateway_send(p->requests, &out); // lost, as a datagram may be
}

static void turn(struct wend_port_mapping *p)
{
    struct wend_mapping_event e;
    const wend_instant now = wend_clock_now();

    if (now >= p->outer_until) {
        p->outer_until = WEND_NEVER;
        wend_mapping_outer(&p->machine, &(struct wend_address){0}, now);
    }
    wend_mapping_expire(&p->machine, now);
    send_due(p);
    while (wend_mapping_next_event(&p->machine, &e))
        take_event(p, &e, now);
    send_due(p);
    choose(p);
    wend_alarm_set(&p->alarm, wend_instant_min(wend_mapping_deadline(&p->machine), p->outer_until));
}

static void on_alarm(void *context)
{
    turn(context);
}

// --- sockets ---

static void receive_from(struct wend_port_mapping *p, int fd, uint16_t port)
{
    uint8_t buffer[WEND_PCP_LEN_MAX + 4];
    struct wend_datagram in;

    for (int i = 0;
         i < DATAGRAMS_A_TURN && wend_gateway_receive(fd, port, buffer, sizeof buffer, &in); i++)
        (void)wend_mapping_receive(&p->machine, &in, wend_clock_now());
}

static void receive_errors(struct wend_port_mapping *p)
{
    enum wend_gateway_complaint kind;
    struct wend_address who;

    for (int i = 0; i < DATAGRAMS_A_TURN && wend_gateway_next_error(p->requests, &kind, &who);
         i++) {
        if (kind == WEND_GATEWAY_NO_PORT)
            wend_mapping_unreachable(&p->machine, &who, wend_clock_now());
        if (kind == WEND_GATEWAY_HOPS && p->outer_until != WEND_NEVER) {
            p->outer_until = WEND_NEVER;
            wend_mapping_outer(&p->machine, &who, wend_clock_now());
        }
    }
}

static void on_requests(uv_poll_t *poll, int status, int events)
{
    struct wend_port_mapping *p = poll->data;

    (void)events;
    receive_errors(p);
    receive_from(p, p->requests, 0);
    // libuv takes an ICMP error for the end of the socket, and stops to look at it.
    if (status != 0)
        uv_poll_start(poll, UV_READABLE, on_requests);
    turn(p);
}

static void on_announcements(uv_poll_t *poll, int status, int events)
{
    struct wend_port_mapping *p = poll->data;

    (void)status;
    (void)events;
    receive_from(p, p->announcements, WEND_PCP_CLIENT_PORT);
    turn(p);
}

// The descriptor is watched by its number; a new socket takes the old one's number over.
static void set_requests(struct wend_port_mapping *p)
{
    const int fresh = wend_gateway_open(&p->inside);

    if (fresh < 0) {
        wend_log(WEND_LOG_INFO, "no-port-mapping-socket", WEND_T("error", strerror(-fresh)));
        return;
    }
    if (p->requests >= 0 && p->polls_requests)
        uv_poll_stop(&p->requests_poll);
    if (p->requests >= 0) {
        (void)dup3(fresh, p->requests, O_CLOEXEC);
        close(fresh);
    } else {
        p->requests = fresh;
    }
    if (!p->polls_requests) {
        p->polls_requests = uv_poll_init(p->loop, &p->requests_poll, p->requests) == 0;
        p->requests_poll.data = p;
        p->handles += p->polls_requests;
    }
    if (p->polls_requests)
        uv_poll_start(&p->requests_poll, UV_READABLE, on_requests);
}

static void set_announcements(struct wend_port_mapping *p)
{
    p->announcements = wend_gateway_open_announcements();
    if (p->announcements < 0) {
        wend_log(WEND_LOG_INFO, "no-announcements", WEND_T("error", strerror(-p->announcements)));
        return;
    }
    p->polls_announcements = uv_poll_init(p->loop, &p->announcements_poll, p->announcements) == 0;
    p->announcements_poll.data = p;
    p->handles += p->polls_announcements;
    if (p->polls_announcements)
        uv_poll_start(&p->announcements_poll, UV_READABLE, on_announcements);
}

// --- opening, looking, closing ---

int wend_port_mapping_open(uv_loop_t *loop, const struct wend_port_mapping_config *config,
                           struct wend_port_mapping **ret)
{
    struct wend_port_mapping *p = calloc(1, sizeof *p);

    if (p == NULL)
        return -ENOMEM;
    const struct wend_igd_handler handler = {.context = p, .event = on_igd};
    p->config = *config;
    p->loop = loop;
    p->requests = p->announcements = -1;
    p->outer_until = WEND_NEVER;
    p->source = "none";
    wend_mapping_init(&p->machine, config->key);
    int error = wend_igd_open(loop, &handler, &p->igd);
    if (error == 0) {
        error = wend_alarm_open(&p->alarm, loop, on_alarm, p);
        if (error != 0)
            wend_igd_close(p->igd, 0);
    }
    if (error != 0) {
        free(p);
        return error;
    }
    p->handles = 1; // the alarm's
    set_announcements(p);
    *ret = p;
    return 0;
}

void wend_port_mapping_look(struct wend_port_mapping *p, struct wend_netlink *n)
{
    struct wend_address gateway = {0}, inside = {0};
    const bool found = wend_gateway_find(n, p->config.skip_index, &gateway, &inside);
    const bool moved = p->checked == 0 || !wend_address_same_ip(&gateway, &p->gateway) ||
                       !wend_address_same_ip(&inside, &p->inside);
    const wend_instant now = wend_clock_now();

    // Something else changed. What is held is looked after, seldom; a gateway that failed has said
    // how long it wants to be left alone, and another network takes the route away first.
    if (!moved && (wend_mapping_find(&p->machine) == NULL || now < p->checked + CHECK_APART))
        return;
    p->checked = now;
    p->gateway = gateway;
    p->inside = inside;
    p->igd_nested = p->igd_nested && !moved;
    if (found && moved)
        set_requests(p);
    p->inside.port = p->config.port;
    p->outer_until = WEND_NEVER;
    wend_mapping_start(&p->machine, &p->gateway, &p->inside, now);
    if (moved)
        wend_igd_start(p->igd, &p->gateway, &p->inside, NULL);
    turn(p);
}

void wend_port_mapping_set_beacon(struct wend_port_mapping *p, const struct wend_address *beacon)
{
    const bool first = p->beacon.family == WEND_FAMILY_NONE;

    if (beacon->family != WEND_FAMILY_IPV4)
        return;
    p->beacon = *beacon;
    if (first && p->machine.no_outer)
        look_for_outer(p, p->outer_layer, wend_clock_now());
    turn(p);
}

const char *wend_port_mapping_source(const struct wend_port_mapping *p)
{
    return p != NULL ? p->source : "none";
}

unsigned wend_port_mapping_gateways(const struct wend_port_mapping *p)
{
    unsigned count = 0;

    if (p == NULL)
        return 0;
    for (unsigned i = 0; i < WEND_MAPPING_LAYERS; i++) {
        const struct wend_lease *l = &p->machine.layers[i];
        if (l->state == WEND_LEASE_HELD)
            count = wend_mapping_is_public(&l->external) ? i + 1 : i + 2;
    }
    if (count == 0 && p->by_igd.family != WEND_FAMILY_NONE)
        return 1;
    return count < 2 && p->igd_nested ? 2 : count;
}

// The loop has ended: this waits by itself, for the deletions' answers.
static void finish(struct wend_port_mapping *p, wend_instant until)
{
    wend_instant now = wend_clock_now();

    wend_mapping_stop(&p->machine, now);
    send_due(p);
    while (p->requests >= 0 && !wend_mapping_is_idle(&p->machine) && now < until) {
        const wend_instant next = wend_instant_min(wend_mapping_deadline(&p->machine), until);
        struct pollfd fd = {.fd = p->requests, .events = POLLIN};
        const wend_duration left = next > now ? next - now : 0;
        (void)poll(&fd, 1, (int)((left + WEND_MS(1) - 1) / WEND_MS(1)));
        receive_errors(p);
        receive_from(p, p->requests, 0);
        now = wend_clock_now();
        wend_mapping_expire(&p->machine, now);
        send_due(p);
    }
}

static void on_closed(uv_handle_t *handle)
{
    struct wend_port_mapping *p = handle->data;

    if (--p->handles > 0)
        return;
    wend_alarm_close(&p->alarm);
    if (p->requests >= 0)
        close(p->requests);
    if (p->announcements >= 0)
        close(p->announcements);
    free(p);
}

static void on_alarm_closed(uv_handle_t *handle)
{
    struct wend_alarm *alarm = handle->data;

    handle->data = alarm->context;
    on_closed(handle);
}

void wend_port_mapping_close(struct wend_port_mapping *p)
{
    if (p == NULL)
        return;
    const wend_instant until = wend_clock_now() + WEND_PORT_MAPPING_CLOSE;
    p->closing = true;
    wend_igd_end(p->igd); // begins, and goes on in its thread
    finish(p, until);
    wend_igd_close(p->igd, until);
    if (p->polls_requests)
        uv_close((uv_handle_t *)&p->requests_poll, on_closed);
    if (p->polls_announcements)
        uv_close((uv_handle_t *)&p->announcements_poll, on_closed);
    uv_close((uv_handle_t *)&p->alarm.poll, on_alarm_closed);
}
