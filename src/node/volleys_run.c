// SPDX-License-Identifier: MIT
// A volley's datagrams, messages and sockets.
#include <string.h>

#include "node/contact.h"
#include "node/volleys.h"
#include "node/volleys_state.h"
#include "wire/stun.h"

#define STUN_REQUEST_MAX 32

// --- sockets ---

static void open_sockets(struct wend_node *n, struct wend_volley_seat *seat,
                         const struct wend_volley_event *e)
{
    (void)wend_sockets_open(n, WEND_FAMILY_IPV4, e->port, e->count, &seat->numbers[e->socket]);
}

void wend_volleys_close_sockets(struct wend_node *n, struct wend_contact *c,
                                struct wend_volley_seat *seat)
{
    uint16_t numbers[WEND_VOLLEY_SOCKETS];
    size_t count = 0;

    for (uint32_t i = 1; i < WEND_VOLLEY_SOCKETS; i++) {
        if (seat->numbers[i] == 0 || seat->numbers[i] == c->socket)
            continue;
        numbers[count++] = seat->numbers[i];
        seat->numbers[i] = 0;
    }
    wend_sockets_close(n, numbers, count);
}

static int number_of(const struct wend_volley_seat *seat, uint16_t socket)
{
    for (int i = 1; i < WEND_VOLLEY_SOCKETS; i++)
        if (seat->numbers[i] == socket)
            return i;
    return -1;
}

static struct wend_volley_seat *find_by_socket(struct wend_node *n, uint16_t socket, int *ret)
{
    for (uint32_t i = 0; i < WEND_VOLLEYS_MAX; i++) {
        struct wend_volley_seat *seat = &n->volleys.seats[i];
        *ret = seat->contact != 0 && socket != 0 ? number_of(seat, socket) : -1;
        if (*ret > 0)
            return seat;
    }
    return NULL;
}

void wend_volleys_socket_opened(struct wend_node *n, uint16_t number, uint16_t port)
{
    int at;
    struct wend_volley_seat *seat = find_by_socket(n, number, &at);

    if (seat != NULL && port == 0) { // the port asked for is taken, or there are no sockets left
        wend_sockets_close(n, &number, 1);
        seat->numbers[at] = 0;
    }
    if (port == 0)
        wend_volleys_socket_lost(n, number);
    if (seat == NULL || port == 0)
        return;
    struct wend_contact *c = &n->contacts[seat->contact - 1];
    (void)wend_volley_socket_ready(&seat->volley, (uint16_t)at, port, n->now);
    wend_contact_settle(n, c);
}

// --- what it says ---

static struct wend_address server_of(const struct wend_node *n, uint8_t server)
{
    const struct wend_discovery *d = &n->nat.discovery;

    if (server == 0)
        return d->server;
    return d->other_server.family != WEND_FAMILY_NONE ? d->other_server : d->other_port;
}

// Of a question, told from strangers' by the volley's own key; nothing about it is kept.
static void make_id(const struct wend_volley_seat *seat, uint16_t socket, uint8_t server,
                    uint8_t ret[WEND_STUN_TRANSACTION_LEN])
{
    const uint8_t about[4] = {(uint8_t)(socket >> 8), (uint8_t)socket, server, 'S'};

    const uint64_t hash = wend_hash(seat->volley.key, about, sizeof about);

    wend_put_u32(ret, (uint32_t)(hash >> 32));
    wend_put_u32(ret + 4, (uint32_t)hash);
    memcpy(ret + 8, about, sizeof about);
}

static void ask_server(struct wend_node *n, struct wend_volley_seat *seat,
                       const struct wend_volley_datagram *d)
{
    uint8_t bytes[STUN_REQUEST_MAX];
    struct wend_stun_header header = {.method = WEND_STUN_METHOD_BINDING,
                                      .class = WEND_STUN_REQUEST};
    struct wend_stun_writer w;
    const struct wend_datagram way = {.transport = WEND_TRANSPORT_UDP,
                                      .remote = server_of(n, d->server),
                                      .socket = seat->numbers[d->socket]};

    if (way.remote.family == WEND_FAMILY_NONE || way.socket == 0)
        return;
    make_id(seat, d->socket, d->server, header.transaction);
    wend_stun_begin(&w, bytes, sizeof bytes, &header);
    wend_node_send(n, &way, (struct wend_bytes){.at = bytes, .len = wend_stun_finish(&w)});
}

static void send_punch(struct wend_node *n, struct wend_contact *c,
                       const struct wend_volley_seat *seat, const struct wend_volley_datagram *d)
{
    uint8_t body[32];
    struct wend_writer w = wend_writer_of(body, sizeof body);
    const struct wend_origin way = {
        .kind = WEND_ORIGIN_DIRECT,
        .way = {.transport = WEND_TRANSPORT_UDP,
                .remote = d->remote,
                .ttl = d->ttl,
                .socket = d->socket != 0 ? seat->numbers[d->socket] : 0}};

    if (d->socket != 0 && way.way.socket == 0)
        return;
    wend_attribute_put_punch(
        &w, &(struct wend_punch){.kind = (uint8_t)d->kind, .token = d->token, .echo = d->echo});
    const struct wend_control head = {
        .type = WEND_CONTROL_PUNCH, .id = ++c->last_id, .attributes = {.at = body, .len = w.len}};
    wend_contact_send_control(n, c, &way, &head);
}

static void send_message(struct wend_node *n, struct wend_contact *c, struct wend_bytes message)
{
    uint8_t body[WEND_VOLLEY_MESSAGE_MAX + WEND_ATTRIBUTE_HEADER_LEN];
    struct wend_writer w = wend_writer_of(body, sizeof body);
    const struct wend_origin relay = wend_contact_relay_way(c);

    wend_attribute_put(&w, WEND_ATTRIBUTE_VOLLEY, message);
    const struct wend_control head = {
        .type = WEND_CONTROL_VOLLEY, .id = ++c->last_id, .attributes = {.at = body, .len = w.len}};
    wend_contact_send_control(n, c, &relay, &head);
}

static void won(struct wend_node *n, struct wend_contact *c, struct wend_volley_seat *seat,
                const struct wend_volley_event *e)
{
    const uint16_t number = e->socket != 0 ? seat->numbers[e->socket] : 0;
    const uint16_t before = c->socket;

    if (e->socket != 0 && before != number && !wend_sockets_adopt(n, number)) {
        wend_node_drop(n, WEND_DROP_UNDER_LOAD);
        return;
    }
    if (wend_paths_found(&c->paths, &e->remote, number, seat->volley.rtt, n->now) != 0) {
        wend_node_drop(n, WEND_DROP_QUEUE_FULL);
        return;
    }
    c->socket = number;
    c->volley_end = WEND_VOLLEY_END_WON;
    c->volley_at = n->now;
    c->volley_method = (uint8_t)seat->volley.plan.stages[seat->volley.stage].method;
    wend_contact_tell_way(n, c); // before the socket of the way before goes
    if (before != 0 && before != number && number_of(seat, before) < 0)
        wend_sockets_close(n, &before, 1);
    wend_volleys_say(n, c, "won", e->reason);
}

static void heed(struct wend_node *n, struct wend_contact *c, struct wend_volley_seat *seat,
                 const struct wend_volley_event *e)
{
    switch (e->kind) {
    case WEND_VOLLEY_OPEN_SOCKETS: open_sockets(n, seat, e); break;
    case WEND_VOLLEY_WON: won(n, c, seat, e); break;
    case WEND_VOLLEY_CLOSE_SOCKETS: wend_volleys_close_sockets(n, c, seat); break;
    case WEND_VOLLEY_OVER: // volleys.c sees it by the state
    case WEND_VOLLEY_EVENT_NONE: break;
    }
}

void wend_volleys_drain(struct wend_node *n, struct wend_contact *c)
{
    struct wend_volley_seat *seat = wend_volleys_seat(n, c);
    struct wend_volley_event e;
    struct wend_volley_datagram d;
    uint8_t message[WEND_VOLLEY_MESSAGE_MAX];
    size_t len;

    if (c->sending == 0)
        return; // what is due waits for the keys
    while (wend_volley_next_event(&seat->volley, &e))
        heed(n, c, seat, &e);
    while (wend_volley_next_datagram(&seat->volley, &d)) {
        if (d.kind == WEND_VOLLEY_BRACKET)
            ask_server(n, seat, &d);
        else
            send_punch(n, c, seat, &d);
    }
    while ((len = wend_volley_next_message(&seat->volley, message, n->now)) > 0)
        send_message(n, c, (struct wend_bytes){.at = message, .len = len});
}

// --- what it hears ---

void wend_volleys_message(struct wend_node *n, struct wend_contact *c,
                          const struct wend_control *in)
{
    struct wend_volley_seat *seat = wend_volleys_seat(n, c);
    struct wend_attributes a;

    if (wend_attributes_parse(in->attributes, &a) != 0 || a.volley.at == NULL)
        wend_node_drop(n, WEND_DROP_MALFORMED);
    else if (seat == NULL)
        wend_node_drop(n, WEND_DROP_NO_SESSION);
    else
        wend_node_drop(n, wend_volley_receive(&seat->volley, a.volley, n->now));
}

void wend_volleys_punched(struct wend_node *n, struct wend_contact *c,
                          const struct wend_origin *origin, const struct wend_control *in)
{
    struct wend_volley_seat *seat = wend_volleys_seat(n, c);
    struct wend_attributes a;
    struct wend_punch punch;

    if (wend_attributes_parse(in->attributes, &a) != 0 || !wend_attribute_punch(a.punch, &punch)) {
        wend_node_drop(n, WEND_DROP_MALFORMED);
        return;
    }
    const int socket = seat == NULL || origin->kind != WEND_ORIGIN_DIRECT ? -1
                       : origin->way.socket == 0                          ? 0
                                                 : number_of(seat, origin->way.socket);
    if (socket < 0) {
        wend_node_drop(n, WEND_DROP_NO_SESSION);
        return;
    }
    const struct wend_volley_hit hit = {.kind = (enum wend_volley_datagram_kind)punch.kind,
                                        .socket = (uint16_t)socket,
                                        .remote = origin->way.remote,
                                        .token = punch.token,
                                        .echo = punch.echo};
    wend_node_drop(n, wend_volley_hit(&seat->volley, &hit, n->now));
}

// What a server saw of a volley's socket tells of the NAT. Between both questions of a bracket lie
// its openers, which took ports as well; between those of a scan lies time.
static void learn(struct wend_node *n, struct wend_volley_seat *seat,
                  const struct wend_datagram *in, const struct wend_address *mapped, uint8_t server)
{
    const struct wend_volley *v = &seat->volley;
    struct wend_nat_sample s = {.tries = 1, .inside.port = wend_sockets_get(n, in->socket)->port};

    if (v->state != WEND_VOLLEY_RUNNING || v->act_at == 0 || v->sampled[server] != 0)
        return;
    const bool scans = v->plan.stages[v->stage].parts[v->plan.own].role == WEND_ROLE_SCAN;
    const bool first = seat->asked_at != v->act_at;
    const uint16_t openers = scans || v->socket_count >= WEND_NAT_GROUP ? 0 : v->socket_count;
    if (first)
        seat->group = wend_nat_group(n);
    seat->asked_at = v->act_at;
    for (uint16_t i = 0; first && i < openers; i++) {
        s.socket = seat->group + i;
        s.to = v->attested;
        s.sent = v->act_at + 1;
        wend_nat_learn(n, s);
    }
    s.socket = seat->group;
    s.to = in->remote;
    s.outside = *mapped;
    s.sent = scans && server == 1 ? v->again_at : v->act_at + 2 * server;
    wend_nat_learn(n, s);
}

bool wend_volleys_receive(struct wend_node *n, const struct wend_datagram *in)
{
    int at;
    struct wend_volley_seat *seat = find_by_socket(n, in->socket, &at);
    struct wend_stun m;

    if (seat == NULL || in->transport != WEND_TRANSPORT_UDP)
        return false;
    if (wend_stun_read(in->bytes, &m) != 0 || m.class != WEND_STUN_SUCCESS ||
        m.xor_mapped.family != WEND_FAMILY_IPV4) {
        wend_node_drop(n, WEND_DROP_MALFORMED);
        return true;
    }
    uint8_t id[WEND_STUN_TRANSACTION_LEN];
    const uint8_t server = m.transaction[10];
    const struct wend_address from = server_of(n, server);
    make_id(seat, (uint16_t)at, server, id);
    if (server > 1 || memcmp(id, m.transaction, sizeof id) != 0 ||
        !wend_address_equal(&from, &in->remote)) {
        wend_node_drop(n, WEND_DROP_WRONG_SOURCE);
        return true;
    }
    learn(n, seat, in, &m.xor_mapped, server);
    (void)wend_volley_sampled(&seat->volley, server, (uint16_t)at, &m.xor_mapped, n->now);
    wend_contact_settle(n, &n->contacts[seat->contact - 1]);
    return true;
}
