// SPDX-License-Identifier: MIT
// The virtual interface and the real ones: addresses, routes, what is taken away and put back, and
// which addresses may become candidates.
#include <errno.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <string.h>

#include "crypto/record.h"
#include "io/clock.h"
#include "io/device_state.h"
#include "io/log.h"
#include "io/port_mapping.h"

#define ROUTES_MAX    1024
#define ADDRESSES_MAX 256
#define SETTLE_MS     5 // several changes come at once; 10 ms at most may pass

static bool overlap(const struct wend_prefix *a, const struct wend_prefix *b)
{
    if (a->family != b->family || a->bits == 0 || b->bits == 0)
        return false; // a default route overlaps everything and disturbs nothing
    const struct wend_prefix *wide = a->bits < b->bits ? a : b;
    const struct wend_prefix *narrow = a->bits < b->bits ? b : a;
    struct wend_address inside = {.family = narrow->family};
    memcpy(inside.ip, narrow->ip, sizeof inside.ip);
    return wend_prefix_contains(wide, &inside);
}

// DESIGN: a pool that overlaps a route of the host is refused, for it would cut something off.
static int refuse_overlap(struct wend_device *d, struct wend_device_error *why)
{
    static struct wend_route routes[ROUTES_MAX];
    size_t count = 0;
    const int error = wend_netlink_routes(&d->netlink, routes, ROUTES_MAX, &count);
    if (error != 0 && error != -ENOSPC)
        return wend_device_explain(why, "cannot list the routes", strerror(-error), NULL);
    const struct wend_prefix inside = wend_inside_prefix(d->network.key);
    for (size_t i = 0; i < count; i++) {
        if (!overlap(&routes[i].destination, &d->network.pool) &&
            !overlap(&routes[i].destination, &inside))
            continue;
        char pool[WEND_ADDRESS_TEXT_LEN], route[WEND_ADDRESS_TEXT_LEN], both[160];
        snprintf(both, sizeof both, "%s and %s", wend_prefix_format(&d->network.pool, pool),
                 wend_prefix_format(&routes[i].destination, route));
        return wend_device_explain(why, "the network's pool overlaps a route of this host", both,
                                   "make the network with another --pool, or remove the route");
    }
    return 0;
}

static struct wend_prefix host_prefix(const struct wend_address *a, uint8_t bits)
{
    struct wend_prefix p = {.family = a->family, .bits = bits};
    memcpy(p.ip, a->ip, sizeof p.ip);
    return p;
}

static void plan_interface(struct wend_device *d)
{
    struct wend_interface *i = &d->interface;
    const struct wend_address ipv4 = wend_address_ipv4(d->member.ipv4, 0);
    const struct wend_address ipv6 = wend_inside_address(d->network.key, d->identity.public_key);
    *i = (struct wend_interface){.index = d->tun.index, .mtu = WEND_DEVICE_MTU};
    // Addresses alone, and the routes said apart, so that each can be put back by itself.
    i->addresses[i->address_count++] = host_prefix(&ipv4, 32);
    i->addresses[i->address_count++] = host_prefix(&ipv6, 128);
    i->routes[i->route_count++] = (struct wend_route){.destination = d->network.pool};
    i->routes[i->route_count++] =
        (struct wend_route){.destination = wend_inside_prefix(d->network.key)};
}

int wend_device_make_interface(struct wend_device *d, struct wend_device_error *why)
{
    if (refuse_overlap(d, why) != 0)
        return -1;
    const int error =
        wend_tun_open(&d->tun, &(struct wend_tun_config){.name = d->config.interface});
    switch (error) {
    case 0: break;
    case -EEXIST:
        return wend_device_explain(why, "an interface of that name is there already",
                                   d->config.interface, "choose another with --interface");
    case -EINVAL:
        return wend_device_explain(why, "not an interface name", d->config.interface,
                                   "use up to 15 letters and digits");
    case -EPERM:
        return wend_device_explain(why, "no permission to make an interface", d->config.interface,
                                   "run as root, or with CAP_NET_ADMIN");
    default:
        return wend_device_explain(why, "cannot make the interface", strerror(-error),
                                   "is the tun module loaded?");
    }
    plan_interface(d);
    size_t done;
    const int applied = wend_interface_apply(&d->interface, &d->netlink, &done);
    if (applied != 0)
        return wend_device_explain(why, "cannot set up the interface", strerror(-applied),
                                   "see the kernel's log");
    return 0;
}

// Whether an address may lead a peer to us. Temporary IPv6 addresses do: they are what the kernel
// sends from. Deprecated and tentative ones do not.
static bool is_candidate(const struct wend_device *d, const struct wend_link_address *a)
{
    return a->link.index != d->tun.index && (a->link.flags & IFF_LOOPBACK) == 0 &&
           (a->link.flags & IFF_UP) != 0 && a->scope == RT_SCOPE_UNIVERSE &&
           (a->flags & (IFA_F_DEPRECATED | IFA_F_TENTATIVE | IFA_F_DADFAILED)) == 0;
}

void wend_device_tell_interfaces(struct wend_device *d)
{
    static struct wend_link_address all[ADDRESSES_MAX];
    struct wend_address at[WEND_INTERFACES_MAX];
    size_t count = 0, used = 0;
    const int error = wend_netlink_addresses(&d->netlink, all, ADDRESSES_MAX, &count);
    if (error != 0 && error != -ENOSPC)
        return;
    for (size_t i = 0; i < count && used < WEND_INTERFACES_MAX; i++) {
        if (!is_candidate(d, &all[i]))
            continue;
        at[used] = (struct wend_address){.family = all[i].prefix.family, .port = d->port};
        memcpy(at[used].ip, all[i].prefix.ip, sizeof at[used].ip);
        used++;
    }
    wend_node_set_interfaces(d->node, at, used, wend_clock_now());
}

// --- port mapping ---

static void on_mapped(void *context, const struct wend_address *mapped)
{
    struct wend_device *d = context;
    wend_node_mapped(d->node, mapped->family != WEND_FAMILY_NONE ? mapped : NULL, wend_clock_now());
    // Never drained from here: the gateway may have been asked from within a drain.
    wend_alarm_set(&d->alarm, wend_clock_now());
}

// The key is not kept: the same identity makes the same one, so that a gateway knows us again.
static int open_port_mapping(struct wend_device *d)
{
    static const uint8_t purpose[] = "port mapping nonces";
    struct wend_port_mapping_config config = {
        .port = d->port, .skip_index = d->tun.index, .context = d, .changed = on_mapped};
    wend_blake2s_mac(WEND_BYTES(d->identity.private_key), WEND_BYTES(purpose), config.key);
    const int error = wend_port_mapping_open(&d->loop, &config, &d->port_mapping);
    wend_wipe(&config, sizeof config);
    return error;
}

void wend_device_set_beacon(struct wend_device *d)
{
    struct wend_self_view self;
    if (d->port_mapping == NULL)
        return;
    wend_node_self(d->node, &self);
    wend_port_mapping_set_beacon(d->port_mapping, &self.server_address);
}

void wend_device_map_port(struct wend_device *d)
{
    if (d->config.no_port_mapping || d->stopping)
        return;
    const int error = d->port_mapping == NULL ? open_port_mapping(d) : 0;
    if (error != 0) {
        wend_log(WEND_LOG_INFO, "no-port-mapping", WEND_T("error", strerror(-error)));
        return;
    }
    wend_port_mapping_look(d->port_mapping, &d->netlink);
}

static void on_settled(uv_timer_t *timer)
{
    struct wend_device *d = timer->data;
    wend_device_tell_interfaces(d);
    wend_device_map_port(d);
    wend_device_turn(d);
}

static void put_back(struct wend_device *d)
{
    size_t done = 0;
    const int error = wend_interface_apply(&d->interface, &d->netlink, &done);
    if (error == -ENODEV) {
        wend_log(WEND_LOG_INFO, "interface-removed", WEND_T("interface", d->config.interface));
        wend_device_stop(d, -ENODEV);
    } else if (done > 0) {
        wend_log(WEND_LOG_INFO, "put-back", WEND_T("interface", d->config.interface),
                 WEND_N("count", done));
    }
}

static void on_link_event(uv_poll_t *poll, int status, int events)
{
    struct wend_device *d = poll->data;
    struct wend_link_event e;
    bool ours = false, others = false;
    (void)status;
    (void)events;
    while (wend_monitor_next(&d->monitor, &e)) {
        if (wend_interface_concerns(&d->interface, &e))
            ours = true;
        if (e.index != d->tun.index && e.kind != WEND_LINK_NOTHING)
            others = true;
    }
    if (ours && !d->stopping)
        put_back(d);
    if (others && !d->stopping && !uv_is_active((uv_handle_t *)&d->link_timer))
        uv_timer_start(&d->link_timer, on_settled, SETTLE_MS, 0);
}

int wend_device_watch_links(struct wend_device *d)
{
    const int error = wend_monitor_open(&d->monitor);
    if (error != 0)
        return error;
    uv_poll_init(&d->loop, &d->monitor_poll, wend_monitor_fd(&d->monitor));
    d->monitor_poll.data = d;
    return uv_poll_start(&d->monitor_poll, UV_READABLE, on_link_event);
}
