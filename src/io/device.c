// SPDX-License-Identifier: MIT
// Theory of operation. The node is a machine that knows nothing of this process. One turn of the
// loop feeds it what came in (from the plane's threads, from streams, from timers), then drains
// what it wants: commands to the plane, datagrams, events. Its next deadline arms one timer.
#include "io/device.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "io/client.h"
#include "io/clock.h"
#include "io/control_socket.h"
#include "io/device_state.h"
#include "io/log.h"
#include "io/names.h"
#include "io/port_mapping.h"

#define DATAGRAMS_A_TURN 256 // from the plane, before timers and commands get their turn

int wend_device_explain(struct wend_device_error *why, const char *what, const char *value,
                        const char *fix)
{
    why->what = what;
    snprintf(why->value, sizeof why->value, "%s", value != NULL ? value : "");
    why->fix = fix;
    return -1;
}

void wend_device_stop(struct wend_device *d, int result)
{
    if (d->stopping)
        return;
    d->stopping = true;
    d->result = result;
    uv_stop(&d->loop);
}

void wend_device_on_stop(uv_timer_t *timer)
{
    wend_device_stop(timer->data, 0);
}

// --- draining the node ---

static void send_datagram(struct wend_device *d, const struct wend_datagram *out)
{
    if (out->transport != WEND_TRANSPORT_UDP) {
        (void)wend_dial_send(d->dials, out->stream, out->bytes);
        return;
    }
    const int fd = out->socket != 0 ? wend_device_extra_fd(d, out)
                                    : d->sockets[out->remote.family == WEND_FAMILY_IPV6].fd;
    if (fd >= 0)
        wend_udp_send_one(fd, out);
}

void wend_device_send(struct wend_device *d)
{
    struct wend_command command;
    struct wend_datagram out;
    // Where we are, before relay frames from there.
    while (wend_node_next_resume(d->node, &out))
        send_datagram(d, &out);
    // Keys to open with before the datagrams that make the other side use them.
    while (wend_node_next_open_command(d->node, &command)) {
        wend_plane_command_open(d->plane, &command);
        wend_wipe(&command, sizeof command);
    }
    while (wend_node_next_datagram(d->node, &out))
        send_datagram(d, &out);
    // Keys to seal with after those: our answer opens the channel that packets then take.
    while (wend_node_next_seal_command(d->node, &command)) {
        wend_plane_command_seal(d->plane, &command);
        wend_wipe(&command, sizeof command);
    }
}

void wend_device_drain(struct wend_device *d)
{
    wend_device_take_events(d);
    wend_device_send(d);
}

static void on_alarm(void *context)
{
    wend_device_turn(context);
}

void wend_device_turn(struct wend_device *d)
{
    const wend_instant now = wend_clock_now();
    wend_node_set_clock(d->node, (uint64_t)wend_clock_unix_ns());
    wend_node_expire(d->node, now);
    wend_device_drain(d);
    if (d->stopping)
        return;
    const wend_instant next = wend_node_deadline(d->node);
    // What is due again at once lets others have a turn first.
    wend_alarm_set(&d->alarm, next > now ? next : now + WEND_MS(1));
}

// --- what comes in ---

// Returns true when the plane has no more for us now.
static bool hear_plane(struct wend_device *d, wend_instant now, int *budget)
{
    struct wend_notice notice;
    struct wend_datagram in;
    while (wend_plane_next_notice(d->plane, &notice)) {
        wend_node_notice(d->node, &notice, now);
        wend_device_drain(d);
    }
    for (; *budget > 0 && wend_plane_next_datagram(d->plane, &in); --*budget) {
        (void)wend_node_receive(d->node, &in, now);
        wend_device_drain(d);
    }
    while (wend_plane_next_stream_out(d->plane, &in))
        (void)wend_dial_send(d->dials, in.stream, in.bytes);
    return *budget == 0 || wend_plane_rest(d->plane);
}

static void on_plane(uv_poll_t *poll, int status, int events)
{
    struct wend_device *d = poll->data;
    const wend_instant now = wend_clock_now();
    int budget = DATAGRAMS_A_TURN;
    (void)status;
    (void)events;
    while (!hear_plane(d, now, &budget))
        ;
    const int failure = wend_plane_failure(d->plane);
    if (failure != 0) {
        wend_log(WEND_LOG_INFO, "plane-failed", WEND_T("error", strerror(-failure)));
        wend_device_stop(d, failure);
        return;
    }
    wend_device_turn(d);
}

static void on_stream_opened(void *context, uint32_t stream)
{
    struct wend_device *d = context;
    wend_node_stream_opened(d->node, stream, wend_clock_now());
    wend_device_turn(d);
}

static void on_stream_closed(void *context, uint32_t stream)
{
    struct wend_device *d = context;
    wend_node_stream_closed(d->node, stream, wend_clock_now());
    // Never drained from here: a drain may have closed it.
    wend_alarm_set(&d->alarm, wend_clock_now());
}

static void on_stream_datagram(void *context, const struct wend_datagram *in)
{
    struct wend_device *d = context;
    // What is the node's comes back by on_plane, in order.
    (void)wend_plane_stream_in(d->plane, in);
}

static void on_signal(uv_signal_t *handle, int number)
{
    struct wend_device *d = handle->data;
    wend_log(WEND_LOG_INFO, "signal", WEND_N("number", number));
    wend_device_stop(d, 0);
}

// --- opening ---

static int open_sockets(struct wend_device *d, uint16_t port)
{
    int error = -EAFNOSUPPORT;
    for (size_t i = 0; i < 2; i++) {
        const struct wend_udp_config config = {
            .local = {.family = i == 0 ? WEND_FAMILY_IPV4 : WEND_FAMILY_IPV6, .port = port}};
        const int e = wend_udp_open(&d->sockets[i], &config);
        if (e == -EAFNOSUPPORT)
            continue;
        error = e;
        if (e != 0)
            break;
        port = d->sockets[i].local.port;
    }
    if (error != 0) {
        wend_udp_close(&d->sockets[0]);
        wend_udp_close(&d->sockets[1]);
        return error;
    }
    d->port = port;
    return 0;
}

// One port for both families: the one asked for, or that of last time, or any that is free in both.
static int choose_port(struct wend_device *d, struct wend_device_error *why)
{
    uint64_t kept = d->config.port;
    if (kept == 0 && wend_store_get_number(d->store, WEND_STORE_PORT, &kept) != 0)
        kept = 0;
    int error = open_sockets(d, kept <= UINT16_MAX ? (uint16_t)kept : 0);
    if (error != 0 && d->config.port == 0)
        for (int tries = 0; error == -EADDRINUSE && tries < 16; tries++)
            error = open_sockets(d, 0);
    if (error != 0) {
        char text[16];
        snprintf(text, sizeof text, "%u", (unsigned)kept);
        return wend_device_explain(
            why, error == -EADDRINUSE ? "the UDP port is taken" : "cannot open a UDP socket",
            error == -EADDRINUSE ? text : strerror(-error),
            error == -EADDRINUSE ? "choose another with --port" : NULL);
    }
    if (d->port != kept)
        (void)wend_store_put_number(d->store, WEND_STORE_PORT, d->port);
    return 0;
}

static int read_value(struct wend_device *d, const char *name, size_t max, size_t *used,
                      struct wend_bytes *ret)
{
    const int n = wend_store_get(d->store, name, d->scratch + *used, max);
    if (n < 0)
        return n;
    *ret = (struct wend_bytes){.at = d->scratch + *used, .len = (size_t)n};
    *used += (size_t)n;
    return 0;
}

static void restore_pin(void *context, const struct wend_pin *pin)
{
    wend_node_restore_pin(context, pin);
}

static int read_state(struct wend_device *d, struct wend_node_config *c)
{
    size_t used = 0;
    int error =
        read_value(d, WEND_STORE_NETWORK, WEND_NETWORK_RECORD_MAX, &used, &c->network_record);
    if (error == 0)
        error =
            read_value(d, WEND_STORE_DELEGATION, WEND_DELEGATION_LEN, &used, &c->chain.delegation);
    if (error == 0)
        error = read_value(d, WEND_STORE_MEMBERSHIP, WEND_MEMBERSHIP_LEN_MAX, &used,
                           &c->chain.membership);
    if (error == 0)
        error = read_value(d, WEND_STORE_RECEIPT, WEND_RECEIPT_LEN, &used, &c->chain.receipt);
    if (error == 0)
        error =
            read_value(d, WEND_STORE_REVOCATIONS, WEND_REVOCATION_LIST_MAX, &used, &c->revocations);
    if (error == 0)
        error = wend_store_get_number(d->store, WEND_STORE_LABEL_FLOOR, &c->timestamp_floor);
    return error;
}

static void tell_servers(struct wend_device *d)
{
    for (size_t i = 0; i < d->network.server_count; i++) {
        struct wend_address at[WEND_LEG_ADDRESSES_MAX];
        size_t count = 0;
        const char *const *given = d->config.server;
        for (; i == 0 && given != NULL && *given != NULL && count < WEND_LEG_ADDRESSES_MAX; given++)
            if (wend_address_parse(*given, 3478, &at[count]) == 0)
                count++;
        if (count == 0)
            count = wend_resolve(d->network.servers[i].addresses,
                                 d->network.servers[i].address_count, at, WEND_LEG_ADDRESSES_MAX);
        wend_node_set_server(d->node, i, at, count);
    }
}

static int make_node(struct wend_device *d, struct wend_device_error *why)
{
    uint8_t key[32], epoch[32];
    d->scratch = malloc(WEND_NETWORK_RECORD_MAX + 1024 + WEND_REVOCATION_LIST_MAX);
    d->node_size = (wend_node_size() + 4095) & ~(size_t)4095;
    d->node_memory =
        mmap(NULL, d->node_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (d->scratch == NULL || d->node_memory == MAP_FAILED)
        return wend_device_explain(why, "not enough memory", NULL, NULL);
    struct wend_node_config config = {.identity = &d->identity, .port = d->port};
    if (wend_store_identity(d->store, key) != 0 || read_state(d, &config) != 0)
        return wend_device_explain(why, "cannot read the state", d->config.state,
                                   "the database may be damaged");
    wend_identity_init(&d->identity, key);
    wend_wipe(key, sizeof key);
    wend_entropy(config.seed);
    wend_entropy(epoch);
    config.epoch = wend_get_u64le(epoch);
    const int error =
        wend_node_init(d->node_memory, &config, (uint64_t)wend_clock_unix_ns(), &d->node);
    wend_wipe(&config, sizeof config);
    if (error != 0)
        return wend_device_explain(why, "the membership on disk does not hold", d->config.state,
                                   "join again with a new invite");
    (void)wend_store_each_pin(d->store, restore_pin, d->node);
    return 0;
}

static int make_plane(struct wend_device *d, struct wend_device_error *why)
{
    struct wend_plane_config config = {
        .tun = &d->tun,
        .udp4 = &d->sockets[0],
        .udp6 = &d->sockets[1],
        .ipv4 = wend_address_ipv4(d->member.ipv4, 0),
        .ipv6 = wend_inside_address(d->network.key, d->identity.public_key),
        .mtu = WEND_DEVICE_MTU,
    };
    uint8_t seed[32];
    wend_entropy(seed);
    memcpy(config.hash_key, seed, sizeof config.hash_key);
    const int error = wend_plane_start(&config, &d->plane);
    if (error != 0)
        return wend_device_explain(why, "cannot start the packet threads", strerror(-error), NULL);
    d->stats = wend_plane_stats(d->plane);
    wend_node_set_stats(d->node, d->stats);
    return 0;
}

static int make_loop(struct wend_device *d, struct wend_device_error *why)
{
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};
    const struct wend_dial_handler handler = {.context = d,
                                              .opened = on_stream_opened,
                                              .closed = on_stream_closed,
                                              .datagram = on_stream_datagram};
    if (wend_alarm_open(&d->alarm, &d->loop, on_alarm, d) != 0)
        return wend_device_explain(why, "cannot make a timer", NULL, NULL);
    uv_timer_init(&d->loop, &d->link_timer);
    uv_timer_init(&d->loop, &d->stop_timer);
    d->link_timer.data = d->stop_timer.data = d;
    for (size_t i = 0; i < 3; i++) {
        uv_signal_init(&d->loop, &d->signals[i]);
        d->signals[i].data = d;
        uv_signal_start(&d->signals[i], on_signal, numbers[i]);
    }
    d->dials = wend_dials_new(&d->loop, &handler);
    uv_poll_init(&d->loop, &d->plane_poll, wend_plane_fd(d->plane));
    d->plane_poll.data = d;
    uv_poll_start(&d->plane_poll, UV_READABLE, on_plane);
    const int error = wend_device_watch_links(d);
    if (d->dials == NULL || error != 0)
        return wend_device_explain(why, "cannot watch the interfaces", strerror(-error), NULL);
    return 0;
}

static int set_up(struct wend_device *d, struct wend_device_error *why)
{
    if (!wend_device_member(d->store, &d->network, &d->member))
        return wend_device_explain(why, "the membership on disk does not hold", d->config.state,
                                   "join again with a new invite");
    if (uv_loop_init(&d->loop) != 0 || wend_netlink_open(&d->netlink) != 0)
        return wend_device_explain(why, "cannot open netlink", NULL, NULL);
    d->loop_open = true;
    if (choose_port(d, why) != 0 || make_node(d, why) != 0 ||
        wend_device_make_interface(d, why) != 0 || make_plane(d, why) != 0 ||
        make_loop(d, why) != 0 || wend_device_open_control(d, why) != 0)
        return -1;
    tell_servers(d);
    return 0;
}

int wend_device_open(const struct wend_device_config *config, struct wend_store *store,
                     struct wend_device **ret, struct wend_device_error *why)
{
    struct wend_device *d = calloc(1, sizeof *d);
    if (d == NULL)
        return wend_device_explain(why, "not enough memory", NULL, NULL);
    wend_device_raise_limits();
    d->config = *config;
    d->store = store;
    d->tun.fd = d->sockets[0].fd = d->sockets[1].fd = d->alarm.fd = d->extra.epoll = -1;
    d->node_memory = MAP_FAILED;
    if (set_up(d, why) != 0) {
        wend_device_close(d);
        return -1;
    }
    *ret = d;
    return 0;
}

int wend_device_run(struct wend_device *d)
{
    wend_device_tell_interfaces(d);
    wend_node_start(d->node, wend_clock_now());
    wend_device_turn(d);
    wend_device_map_port(d);
    if (!d->stopping)
        uv_run(&d->loop, UV_RUN_DEFAULT);
    return d->result;
}

// --- closing ---

static void close_handle(uv_handle_t *handle, void *context)
{
    (void)context;
    if (!uv_is_closing(handle))
        uv_close(handle, NULL);
}

// Says goodbye: what the node still wants to send leaves before the sockets close.
static void say_goodbye(struct wend_device *d)
{
    struct wend_datagram out;
    if (d->node == NULL)
        return;
    wend_node_close(d->node);
    while (d->dials != NULL && wend_node_next_datagram(d->node, &out))
        send_datagram(d, &out);
}

void wend_device_close(struct wend_device *d)
{
    if (d == NULL)
        return;
    say_goodbye(d);
    wend_port_mapping_close(d->port_mapping);
    wend_names_close(d->names);
    wend_control_close(d->control);
    wend_plane_stop(d->plane);
    wend_dials_free(d->dials);
    if (d->loop_open) {
        uv_walk(&d->loop, close_handle, NULL);
        uv_run(&d->loop, UV_RUN_DEFAULT);
        uv_loop_close(&d->loop);
    }
    wend_alarm_close(&d->alarm);
    wend_monitor_close(&d->monitor);
    wend_netlink_close(&d->netlink);
    wend_tun_close(&d->tun); // the kernel takes its addresses and routes out
    wend_udp_close(&d->sockets[0]);
    wend_udp_close(&d->sockets[1]);
    wend_device_close_sockets(d);
    if (d->node_memory != MAP_FAILED) {
        wend_wipe(d->node_memory, d->node != NULL ? d->node_size : 0);
        munmap(d->node_memory, d->node_size);
    }
    free(d->scratch);
    wend_wipe(&d->identity, sizeof d->identity);
    free(d);
}
