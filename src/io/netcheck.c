// SPDX-License-Identifier: MIT
// Sockets for three machines, one after the other: each gets what its sockets hear, and what it
// drains is sent.
#include "io/netcheck.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "crypto/crypto.h"
#include "io/client.h"
#include "io/clock.h"
#include "io/sockaddr.h"

#define SOCKETS WEND_LIFETIME_SOCKETS
#define BATCH   16

_Static_assert(SOCKETS >= WEND_DISCOVERY_SOCKETS, "sockets for either machine");

enum phase { LOOKING, DISCOVERING, HOLDING };

int wend_netcheck_open(struct wend_netcheck *n)
{
    uint8_t seed[32];

    memset(n, 0, sizeof *n);
    n->port_mapping = "none";
    for (size_t i = 0; i < SOCKETS; i++)
        n->sockets[i].fd = -1;
    for (size_t i = 0; i < WEND_LOOK_SERVERS_MAX; i++)
        n->tcp[i].fd = -1;
    wend_entropy(seed);
    wend_random_init(&n->random, seed);
    wend_wipe(seed, sizeof seed);
    n->batch = wend_udp_batch_new(BATCH);
    return n->batch != NULL ? 0 : -ENOMEM;
}

static void close_sockets(struct wend_netcheck *n)
{
    for (size_t i = 0; i < SOCKETS; i++)
        wend_udp_close(&n->sockets[i]);
}

static void close_tcp(struct wend_netcheck_tcp *t)
{
    if (t->fd >= 0)
        close(t->fd);
    t->fd = -1;
}

void wend_netcheck_close(struct wend_netcheck *n)
{
    close_sockets(n);
    for (size_t i = 0; i < WEND_LOOK_SERVERS_MAX; i++)
        close_tcp(&n->tcp[i]);
    wend_udp_batch_free(n->batch);
    n->batch = NULL;
    wend_random_close(&n->random);
}

static int open_socket(struct wend_netcheck *n, size_t i, uint8_t family)
{
    const struct wend_udp_config config = {.local = {.family = family}, .light = true};

    wend_udp_close(&n->sockets[i]);
    return wend_udp_open(&n->sockets[i], &config);
}

struct wend_address wend_netcheck_local(const struct wend_address *to, uint16_t port)
{
    const struct wend_udp_config config = {.local = {.family = to->family}, .light = true};
    struct sockaddr_storage own = {0};
    socklen_t len = sizeof own;
    struct wend_address local = {0};
    struct wend_udp u;

    if (wend_udp_open(&u, &config) != 0)
        return local;
    if (wend_udp_connect(&u, to) == 0 && getsockname(u.fd, (struct sockaddr *)&own, &len) == 0) {
        local = wend_sockaddr_to(&own, len);
        local.port = port;
    }
    wend_udp_close(&u);
    return local;
}

// --- TCP: how long until a connection is accepted ---

static void connect_tcp(struct wend_netcheck_tcp *t, const struct wend_address *to)
{
    struct sockaddr_storage there;
    const socklen_t len = wend_sockaddr_from(to, &there);

    t->fd = socket(there.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (t->fd < 0) {
        t->error = errno;
        return;
    }
    if (connect(t->fd, (struct sockaddr *)&there, len) == 0 || errno == EINPROGRESS)
        return;
    t->error = errno;
    close_tcp(t);
}

static void connect_all(struct wend_netcheck *n)
{
    n->tcp_started = wend_clock_now();
    for (size_t i = 0; i < n->look.count; i++)
        connect_tcp(&n->tcp[i], &n->look.servers[i].address);
}

static void take_tcp(struct wend_netcheck *n, struct wend_netcheck_tcp *t)
{
    socklen_t len = sizeof t->error;

    if (getsockopt(t->fd, SOL_SOCKET, SO_ERROR, &t->error, &len) != 0)
        t->error = errno;
    if (t->error == 0)
        t->delay = wend_clock_now() - n->tcp_started;
    close_tcp(t);
}

static wend_instant tcp_deadline(struct wend_netcheck *n, wend_instant now)
{
    const wend_instant until = n->tcp_started + WEND_NETCHECK_TCP_PATIENCE;
    bool open = false;

    for (size_t i = 0; i < n->look.count; i++) {
        struct wend_netcheck_tcp *t = &n->tcp[i];
        if (t->fd >= 0 && now >= until) {
            t->error = ETIMEDOUT;
            close_tcp(t);
        }
        open |= t->fd >= 0;
    }
    return open ? until : WEND_NEVER;
}

// --- one loop for all phases ---

static void send_from(struct wend_netcheck *n, size_t socket, const struct wend_datagram *d)
{
    if (n->sockets[socket].fd >= 0)
        wend_udp_send_one(n->sockets[socket].fd, d);
}

static void open_for_discovery(struct wend_netcheck *n, uint8_t socket, wend_instant now)
{
    const struct wend_address *server = &n->discovery.servers[0];
    struct wend_address local = {0};

    if (open_socket(n, socket, server->family) == 0)
        local = wend_netcheck_local(server, n->sockets[socket].local.port);
    wend_discovery_opened(&n->discovery, socket, &local, now);
}

static void drain_discovery(struct wend_netcheck *n, wend_instant now)
{
    struct wend_discovery_event e;
    struct wend_discovery_datagram d;

    while (wend_discovery_next_event(&n->discovery, &e)) {
        if (e.kind == WEND_DISCOVERY_OPEN_SOCKET)
            open_for_discovery(n, e.socket, now);
        else if (e.kind == WEND_DISCOVERY_CLOSE_SOCKET)
            wend_udp_close(&n->sockets[e.socket]);
    }
    while (wend_discovery_next_datagram(&n->discovery, &d)) {
        const struct wend_datagram out = {
            .transport = WEND_TRANSPORT_UDP, .remote = d.to, .bytes = d.bytes};
        send_from(n, d.socket, &out);
    }
}

static int drain_lifetime(struct wend_netcheck *n)
{
    const size_t count = wend_lifetime_wants(&n->lifetime);
    struct wend_datagram out;

    for (size_t i = 0; i < count; i++) {
        const int error = open_socket(n, i, n->lifetime.config.server.family);
        if (error != 0)
            return error;
    }
    if (count > 0) {
        wend_lifetime_begin(&n->lifetime, wend_clock_now());
        wend_lifetime_expire(&n->lifetime, wend_clock_now());
    }
    while (wend_lifetime_next_datagram(&n->lifetime, &out))
        send_from(n, out.socket, &out);
    return 0;
}

// Lets the phase's machine do what is due. Returns 0 or -errno; `ret_deadline` NEVER: it is over.
static int step(struct wend_netcheck *n, enum phase phase, wend_instant *ret_deadline)
{
    const wend_instant now = wend_clock_now();
    struct wend_datagram out;
    int error = 0;

    switch (phase) {
    case LOOKING:
        wend_look_expire(&n->look, now);
        while (wend_look_next_datagram(&n->look, &out))
            send_from(n, out.remote.family == WEND_FAMILY_IPV6, &out);
        *ret_deadline = wend_instant_min(wend_look_deadline(&n->look), tcp_deadline(n, now));
        break;
    case DISCOVERING:
        wend_discovery_expire(&n->discovery, now);
        drain_discovery(n, now);
        *ret_deadline = n->discovery.state == WEND_DISCOVERY_KNOWN
                            ? WEND_NEVER
                            : wend_discovery_deadline(&n->discovery);
        break;
    case HOLDING:
        wend_lifetime_expire(&n->lifetime, now);
        error = drain_lifetime(n);
        *ret_deadline = wend_lifetime_deadline(&n->lifetime);
        break;
    }
    return error;
}

static void take(struct wend_netcheck *n, enum phase phase, size_t socket,
                 const struct wend_udp_packet *p)
{
    const wend_instant now = wend_clock_now();
    const struct wend_datagram in = {.transport = WEND_TRANSPORT_UDP,
                                     .socket = (uint16_t)socket,
                                     .local = p->local,
                                     .remote = p->from,
                                     .bytes = {p->data, p->len}};

    switch (phase) { // what is nobody's answer is dropped
    case LOOKING: (void)wend_look_receive(&n->look, &in, now); break;
    case DISCOVERING: (void)wend_discovery_receive(&n->discovery, (uint8_t)socket, &in, now); break;
    case HOLDING: (void)wend_lifetime_receive(&n->lifetime, &in, now); break;
    }
}

static void receive(struct wend_netcheck *n, enum phase phase, size_t socket)
{
    const struct wend_udp_packet *packets;
    const int count = wend_udp_receive(&n->sockets[socket], n->batch, &packets);

    for (int i = 0; i < count; i++)
        take(n, phase, socket, &packets[i]);
}

static void await(struct wend_netcheck *n, enum phase phase, wend_instant deadline)
{
    struct pollfd fds[SOCKETS + WEND_LOOK_SERVERS_MAX];
    const wend_duration left = deadline - wend_clock_now();

    for (size_t i = 0; i < SOCKETS; i++)
        fds[i] = (struct pollfd){.fd = n->sockets[i].fd, .events = POLLIN};
    for (size_t i = 0; i < WEND_LOOK_SERVERS_MAX; i++)
        fds[SOCKETS + i] = (struct pollfd){.fd = n->tcp[i].fd, .events = POLLOUT};
    if (poll(fds, sizeof fds / sizeof fds[0],
             left > 0 ? (int)((left + WEND_MS(1) - 1) / WEND_MS(1)) : 0) <= 0)
        return;
    for (size_t i = 0; i < SOCKETS; i++)
        if (fds[i].fd >= 0 && fds[i].revents != 0)
            receive(n, phase, i);
    for (size_t i = 0; i < WEND_LOOK_SERVERS_MAX; i++)
        if (fds[SOCKETS + i].fd >= 0 && fds[SOCKETS + i].revents != 0)
            take_tcp(n, &n->tcp[i]);
}

static int run(struct wend_netcheck *n, enum phase phase)
{
    wend_instant deadline;

    for (;;) {
        const int error = step(n, phase, &deadline);
        if (error != 0 || deadline == WEND_NEVER)
            return error;
        await(n, phase, deadline);
    }
}

// --- the steps ---

int wend_netcheck_look(struct wend_netcheck *n, const struct wend_address *servers, size_t count)
{
    uint8_t random[WEND_LOOK_RANDOM_LEN];

    wend_random_bytes(&n->random, random, sizeof random);
    wend_look_init(&n->look, servers, count, random);
    const int error = open_socket(n, 0, WEND_FAMILY_IPV4);
    const int error6 = open_socket(n, 1, WEND_FAMILY_IPV6);
    if (error != 0 && error6 != 0)
        return error;
    struct wend_address target[WEND_LOOK_SERVERS_MAX];
    connect_all(n);
    (void)run(n, LOOKING); // opens no socket
    if (wend_look_targets(&n->look, target) > 0)
        n->looked_from = wend_netcheck_local(
            &target[0], n->sockets[target[0].family == WEND_FAMILY_IPV6].local.port);
    close_sockets(n);
    return 0;
}

int wend_netcheck_discover(struct wend_netcheck *n)
{
    uint8_t random[WEND_DISCOVERY_RANDOM_LEN];
    struct wend_address servers[WEND_LOOK_SERVERS_MAX];
    const size_t count = wend_look_targets(&n->look, servers);

    if (count == 0)
        return -ENETUNREACH;
    const int error = open_socket(n, 0, servers[0].family);
    if (error != 0)
        return error;
    const struct wend_address local = wend_netcheck_local(&servers[0], n->sockets[0].local.port);
    if (local.family == WEND_FAMILY_NONE)
        return -ENETUNREACH;
    wend_random_bytes(&n->random, random, sizeof random);
    wend_discovery_init(&n->discovery, servers, count);
    wend_discovery_restart(&n->discovery, random, &local, wend_clock_now());
    return run(n, DISCOVERING);
}

static bool do_ports_change(const struct wend_nat_model *m)
{
    return m->allocation == WEND_NAT_SEQUENTIAL || m->allocation == WEND_NAT_BLOCK ||
           m->allocation == WEND_NAT_RANDOM;
}

// Runs until the machine is over, telling of each round as it begins.
static int hold(struct wend_netcheck *n, wend_netcheck_told *told, void *context)
{
    const struct wend_lifetime *l = &n->lifetime;
    wend_instant deadline;
    uint8_t round = 0;

    for (;;) {
        const int error = step(n, HOLDING, &deadline);
        if (error != 0 || wend_lifetime_is_over(l))
            return error;
        if (round != l->round && l->state != WEND_LIFETIME_TRYING)
            told(context, l);
        round = l->round;
        await(n, HOLDING, deadline);
    }
}

int wend_netcheck_measure_lifetime(struct wend_netcheck *n, wend_duration longest,
                                   wend_netcheck_told *told, void *context)
{
    const struct wend_nat_model *m = wend_discovery_model(&n->discovery);
    struct wend_lifetime_config config = {.longest = longest,
                                          .server = n->discovery.servers[0],
                                          .ports_change = do_ports_change(m),
                                          .no_hairpin = m->translates != WEND_NAT_YES};

    if (!wend_netcheck_has_udp(n))
        return -ENOENT;
    wend_random_bytes(&n->random, config.random, sizeof config.random);
    wend_lifetime_init(&n->lifetime, &config);
    n->lifetime_asked = true;
    const int error = hold(n, told, context);
    close_sockets(n);
    return error;
}

bool wend_netcheck_has_udp(const struct wend_netcheck *n)
{
    return wend_look_is_answered(&n->look);
}

bool wend_netcheck_has_tcp(const struct wend_netcheck *n)
{
    for (size_t i = 0; i < n->look.count; i++)
        if (n->tcp[i].delay > 0)
            return true;
    return false;
}

bool wend_netcheck_is_lied_to(const struct wend_netcheck *n)
{
    return wend_discovery_model(&n->discovery)->mapping == WEND_NAT_UNKNOWN &&
           (n->discovery.server_lied || n->discovery.other_lied);
}
