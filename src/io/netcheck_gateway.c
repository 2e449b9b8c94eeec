// SPDX-License-Identifier: MIT
// Whether the gateway grants a port: asked for by every protocol, and given back at once.
#include <uv.h>

#include "io/netcheck.h"
#include "io/netlink.h"
#include "io/port_mapping.h"

// A port mapping on a loop of its own, which ends with the first answer or with patience.
struct question {
    uv_loop_t loop;
    uv_timer_t timer;
    struct wend_netlink netlink;
    struct wend_port_mapping *mapping;
    struct wend_address mapped;
};

static void on_changed(void *context, const struct wend_address *mapped)
{
    struct question *q = context;

    if (mapped->family == WEND_FAMILY_NONE)
        return;
    q->mapped = *mapped;
    uv_stop(&q->loop);
}

static void on_patience_over(uv_timer_t *timer)
{
    struct question *q = timer->data;

    uv_stop(&q->loop);
}

static void ask(struct wend_netcheck *n, struct question *q)
{
    struct wend_port_mapping_config config = {
        .port = n->sockets[0].local.port, .context = q, .changed = on_changed};

    wend_random_bytes(&n->random, config.key, sizeof config.key);
    if (wend_port_mapping_open(&q->loop, &config, &q->mapping) != 0)
        return;
    wend_port_mapping_set_beacon(q->mapping, &n->discovery.servers[0]);
    wend_port_mapping_look(q->mapping, &q->netlink);
    uv_timer_start(&q->timer, on_patience_over,
                   (uint64_t)(WEND_NETCHECK_GATEWAY_PATIENCE / WEND_MS(1)), 0);
    if (q->mapped.family == WEND_FAMILY_NONE)
        uv_run(&q->loop, UV_RUN_DEFAULT);
    n->gateway_asked = true;
    n->mapped = q->mapped;
    n->gateways = wend_port_mapping_gateways(q->mapping);
    if (q->mapped.family != WEND_FAMILY_NONE)
        n->port_mapping = wend_port_mapping_source(q->mapping);
}

void wend_netcheck_ask_gateway(struct wend_netcheck *n)
{
    struct question q = {.mapping = NULL};

    if (n->discovery.servers[0].family != WEND_FAMILY_IPV4 || uv_loop_init(&q.loop) != 0)
        return;
    uv_timer_init(&q.loop, &q.timer);
    q.timer.data = &q;
    if (wend_netlink_open(&q.netlink) == 0) {
        ask(n, &q);
        wend_port_mapping_close(q.mapping);
        wend_netlink_close(&q.netlink);
    }
    uv_close((uv_handle_t *)&q.timer, NULL);
    uv_run(&q.loop, UV_RUN_DEFAULT);
    uv_loop_close(&q.loop);
}
