// SPDX-License-Identifier: MIT
#include "io/client.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "io/clock.h"
#include "io/dial.h"
#include "io/sockaddr.h"
#include "io/udp.h"

#define BATCH         8
#define SOCKET_BUFFER (256 << 10)

struct wend_client {
    uv_loop_t loop;
    uv_timer_t timer;
    uv_poll_t polls[2];
    struct wend_udp sockets[2]; // IPv4, IPv6
    struct wend_udp_batch *batch;
    struct wend_dials *dials;
    struct wend_random random;
    struct wend_label_clock labels;
    struct wend_identity identity;
    struct wend_leg leg;
    wend_instant give_up_at;
    wend_client_handler *handler;
    void *context;
    bool done;
};

void wend_entropy(uint8_t ret[static 32])
{
    ssize_t n;
    do {
        n = getrandom(ret, 32, 0);
    } while (n < 0 && errno == EINTR);
    wend_assert(n == 32);
}

static size_t resolve_name(const struct wend_server_address *in, struct wend_address *ret,
                           size_t max)
{
    // Both families, whatever this host has now: the leg finds out which of them works.
    const struct addrinfo hints = {.ai_socktype = SOCK_DGRAM};
    struct addrinfo *found = NULL;
    size_t count = 0;
    if (getaddrinfo(in->host, NULL, &hints, &found) != 0)
        return 0;
    for (const struct addrinfo *i = found; i != NULL && count < max; i = i->ai_next) {
        struct sockaddr_storage address = {0};
        memcpy(&address, i->ai_addr, i->ai_addrlen);
        ret[count] = wend_sockaddr_to(&address, i->ai_addrlen);
        ret[count].port = in->address.port;
        if (ret[count].family != WEND_FAMILY_NONE)
            count++;
    }
    freeaddrinfo(found);
    return count;
}

size_t wend_resolve(const struct wend_server_address *in, size_t count, struct wend_address *ret,
                    size_t max)
{
    size_t found = 0;
    for (size_t i = 0; i < count && found < max; i++) {
        if (in[i].host[0] != 0)
            found += resolve_name(&in[i], ret + found, max - found);
        else
            ret[found++] = in[i].address;
    }
    return found;
}

static void send_udp(struct wend_client *c, const struct wend_datagram *d)
{
    struct wend_udp *socket = &c->sockets[d->remote.family == WEND_FAMILY_IPV6];
    struct wend_udp_send item = {.to = d->remote, .data = d->bytes.at, .len = d->bytes.len};
    if (socket->fd >= 0)
        (void)wend_udp_send(socket, &item, 1); // lost is lost: the leg repeats
}

static void drain_events(struct wend_client *c)
{
    struct wend_leg_event event;
    while (wend_leg_next_event(&c->leg, &event)) {
        if (event.kind == WEND_LEG_OPEN_STREAM)
            wend_dial_open(c->dials, event.stream, &event.address);
        else if (event.kind == WEND_LEG_CLOSE_STREAM)
            wend_dial_close(c->dials, event.stream);
        else if (!c->done && c->handler(c->context, &c->leg, &event))
            c->done = true;
    }
}

static void on_timer(uv_timer_t *timer);

// One turn: what is due, then what came of it, then the next deadline.
static void turn(struct wend_client *c)
{
    const wend_instant now = wend_clock_now();
    const uint64_t unix_ns = (uint64_t)wend_clock_unix_ns();
    wend_leg_expire(&c->leg, now, unix_ns);
    drain_events(c);
    wend_leg_expire(&c->leg, now, unix_ns); // what the handler asked for goes out at once
    drain_events(c);
    struct wend_datagram out;
    while (wend_leg_next_datagram(&c->leg, &out)) {
        if (out.transport == WEND_TRANSPORT_UDP)
            send_udp(c, &out);
        else
            (void)wend_dial_send(c->dials, out.stream, out.bytes);
    }
    if (c->done || now >= c->give_up_at)
        return;
    // Never 0: libuv would call a timer that sets itself again for ever.
    const wend_instant next = wend_instant_min(wend_leg_deadline(&c->leg), c->give_up_at);
    const uint64_t wait_ms = next <= now ? 1 : (uint64_t)(next - now) / 1000000 + 1;
    uv_timer_start(&c->timer, on_timer, wait_ms, 0);
}

static void on_timer(uv_timer_t *timer)
{
    turn(timer->data);
}

static void receive(struct wend_client *c, const struct wend_datagram *in)
{
    (void)wend_leg_receive(&c->leg, in, wend_clock_now());
    drain_events(c);
}

static void receive_packet(struct wend_client *c, const struct wend_udp_packet *p)
{
    const size_t step = p->segment_len != 0 ? p->segment_len : p->len;
    for (size_t at = 0; at < p->len; at += step) {
        const size_t left = p->len - at;
        const struct wend_datagram in = {
            .transport = WEND_TRANSPORT_UDP,
            .local = p->local,
            .remote = p->from,
            .bytes = {.at = p->data + at, .len = left < step ? left : step},
        };
        receive(c, &in);
    }
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    struct wend_client *c = poll->data;
    struct wend_udp *socket = &c->sockets[poll - c->polls];
    const struct wend_udp_packet *packets;
    (void)events;
    const int count = status == 0 ? wend_udp_receive(socket, c->batch, &packets) : 0;
    for (int i = 0; i < count; i++)
        receive_packet(c, &packets[i]);
    turn(c);
}

static void on_opened(void *context, uint32_t stream)
{
    struct wend_client *c = context;
    wend_leg_stream_opened(&c->leg, stream, wend_clock_now());
    turn(c);
}

static void on_closed(void *context, uint32_t stream)
{
    struct wend_client *c = context;
    wend_leg_stream_closed(&c->leg, stream, wend_clock_now());
    uv_timer_start(&c->timer, on_timer, 0, 0); // not from within a drain
}

static void on_datagram(void *context, const struct wend_datagram *in)
{
    struct wend_client *c = context;
    receive(c, in);
    uv_timer_start(&c->timer, on_timer, 0, 0);
}

static int open_sockets(struct wend_client *c)
{
    int error = 0;
    size_t open = 0;
    for (size_t i = 0; i < 2; i++) {
        const struct wend_udp_config config = {
            .local = {.family = i == 0 ? WEND_FAMILY_IPV4 : WEND_FAMILY_IPV6},
            .buffer_bytes = SOCKET_BUFFER,
        };
        const int e = wend_udp_open(&c->sockets[i], &config);
        if (e != 0) {
            error = e;
            continue;
        }
        open++;
        uv_poll_init(&c->loop, &c->polls[i], c->sockets[i].fd);
        c->polls[i].data = c;
        uv_poll_start(&c->polls[i], UV_READABLE, on_readable);
    }
    return open > 0 ? 0 : error;
}

static int set_up(struct wend_client *c, const struct wend_client_config *config)
{
    uint8_t seed[32];
    wend_entropy(seed);
    wend_random_init(&c->random, seed);
    wend_random_bytes(&c->random, seed, sizeof seed);
    wend_identity_init(&c->identity, seed);
    wend_wipe(seed, sizeof seed);
    const struct wend_dial_handler handler = {
        .context = c, .opened = on_opened, .closed = on_closed, .datagram = on_datagram};
    c->dials = wend_dials_new(&c->loop, &handler);
    c->batch = wend_udp_batch_new(BATCH);
    if (c->dials == NULL || c->batch == NULL)
        return -ENOMEM;
    struct wend_leg_config leg = {
        .identity = config->identity != NULL ? config->identity : &c->identity,
        .epoch = wend_random_u64(&c->random),
        .labels = &c->labels,
    };
    memcpy(leg.server_key, config->server_key, sizeof leg.server_key);
    leg.address_count = wend_resolve(config->addresses, config->address_count, leg.addresses,
                                     WEND_LEG_ADDRESSES_MAX);
    if (leg.address_count == 0)
        return -ENOENT;
    c->give_up_at = wend_clock_now() + config->patience;
    const int error = wend_leg_init(&c->leg, &leg, &c->random);
    return error != 0 ? error : open_sockets(c);
}

int wend_client_open(const struct wend_client_config *config, struct wend_client **ret)
{
    struct wend_client *c = calloc(1, sizeof *c);
    if (c == NULL)
        return -ENOMEM;
    c->sockets[0].fd = c->sockets[1].fd = -1;
    if (uv_loop_init(&c->loop) != 0) {
        free(c);
        return -ENOMEM;
    }
    uv_timer_init(&c->loop, &c->timer);
    c->timer.data = c;
    const int error = set_up(c, config);
    if (error != 0) {
        wend_client_close(c);
        return error;
    }
    wend_leg_start(&c->leg, wend_clock_now(), (uint64_t)wend_clock_unix_ns());
    *ret = c;
    return 0;
}

void wend_client_close(struct wend_client *c)
{
    if (c == NULL)
        return;
    wend_dials_free(c->dials);
    uv_close((uv_handle_t *)&c->timer, NULL);
    for (size_t i = 0; i < 2; i++)
        if (c->polls[i].data != NULL)
            uv_close((uv_handle_t *)&c->polls[i], NULL);
    uv_run(&c->loop, UV_RUN_DEFAULT);
    uv_loop_close(&c->loop);
    for (size_t i = 0; i < 2; i++)
        wend_udp_close(&c->sockets[i]);
    wend_udp_batch_free(c->batch);
    wend_random_close(&c->random);
    wend_wipe(c, sizeof *c);
    free(c);
}

struct wend_leg *wend_client_leg(struct wend_client *c)
{
    return &c->leg;
}

int wend_client_run(struct wend_client *c, wend_client_handler *handler, void *context)
{
    c->handler = handler;
    c->context = context;
    c->done = false;
    turn(c);
    while (!c->done && wend_clock_now() < c->give_up_at)
        uv_run(&c->loop, UV_RUN_ONCE);
    return c->done ? 0 : -ETIMEDOUT;
}
