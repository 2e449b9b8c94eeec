// SPDX-License-Identifier: MIT
// TCP as far as its users notice: each message is one cell, numbered by its sender. A lost one is
// sent again after a while; what comes too early is held by the receiving end. There are no
// acknowledgements on the wire: the net knows itself what it has lost, and when the sender would
// have noticed.
#include <errno.h>

#include "net_state.h"

#define EPHEMERAL_PORT  32768
#define EPHEMERAL_COUNT 28000
#define DOUBLINGS_MAX   4

// --- ends ---

static bool is_done(const struct stream_end *e)
{
    return e->state == END_NONE || e->state == END_GONE;
}

static struct stream *stream_of(struct wend_sim_net *n, const struct cell *c)
{
    struct stream *s = &n->streams[c->stream];
    return s->serial == c->stream_serial ? s : NULL;
}

static struct stream *find(struct wend_sim_net *n, uint32_t host, uint32_t number,
                           unsigned *ret_side)
{
    for (uint32_t i = 0; i < n->stream_used; i++) {
        struct stream *s = &n->streams[i];
        for (unsigned side = 0; s->serial != 0 && side < 2; side++) {
            const struct stream_end *e = &s->ends[side];
            if (e->state != END_OPEN || e->host != host || e->number != number)
                continue;
            *ret_side = side;
            return s;
        }
    }
    return NULL;
}

// The end is gone; with the last one so is the stream.
static void retire(struct wend_sim_net *n, struct stream *s, unsigned side)
{
    struct stream_end *e = &s->ends[side];
    e->state = END_GONE;
    while (e->held != 0) {
        struct cell *c = &n->cells[e->held - 1];
        e->held = c->next;
        wend_sim_cell_give_back(n, c);
    }
    if (is_done(&s->ends[0]) && is_done(&s->ends[1]))
        s->serial = 0;
}

static bool tell(struct wend_sim_net *n, struct cell *c, const struct stream_end *e,
                 struct wend_sim_delivery *ret)
{
    ret->host = e->host;
    ret->interface = e->interface;
    ret->mtu_bytes = 0;
    ret->sent_at = c->sent_at;
    ret->way = (struct wend_datagram){
        .transport = WEND_TRANSPORT_TCP,
        .stream = e->number,
        .local = e->local,
        .remote = e->remote,
    };
    if (ret->kind == WEND_SIM_STREAM_MESSAGE)
        ret->way.bytes = (struct wend_bytes){payload(n, c), c->len};
    n->lent = cell_index(n, c) + 1;
    return true;
}

static bool break_end(struct wend_sim_net *n, struct cell *c, struct stream *s,
                      struct wend_sim_delivery *ret)
{
    const struct stream_end e = s->ends[c->end];
    retire(n, s, c->end);
    if (e.state != END_OPEN) {
        wend_sim_cell_give_back(n, c);
        return false;
    }
    ret->kind = WEND_SIM_STREAM_CLOSED;
    return tell(n, c, &e, ret);
}

// --- sending ---

static int emit(struct wend_sim_net *n, struct stream *s, unsigned side, enum cell_kind kind,
                struct wend_bytes message)
{
    struct stream_end *e = &s->ends[side];
    struct cell *c = wend_sim_cell_take(n);
    if (c == NULL)
        return -ENOBUFS;
    c->kind = kind;
    c->host = e->host;
    c->interface = e->interface;
    c->source = e->local;
    c->destination = e->remote;
    c->stream = (uint32_t)(s - n->streams);
    c->stream_serial = s->serial;
    c->end = (uint8_t)(1 - side);
    if (kind == CELL_DATA || kind == CELL_FIN)
        c->sequence = e->next_sent++;
    c->len = (uint16_t)message.len;
    if (message.len > 0)
        memcpy(payload(n, c), message.at, message.len);
    wend_sim_travel_start(n, c);
    return 0;
}

// Turns a cell that came from the other end into an answer to it.
static void send_back(struct wend_sim_net *n, struct cell *c, enum cell_kind kind)
{
    c->kind = kind;
    c->interface = c->where;
    c->host = n->interfaces[c->where].host;
    c->source = c->to;
    c->destination = c->from;
    c->end = (uint8_t)(1 - c->end);
    c->sent_at = n->now;
    c->tries = 0;
    c->len = 0;
    wend_sim_travel_start(n, c);
}

void wend_sim_stream_lost(struct wend_sim_net *n, struct cell *c, enum wend_sim_drop why)
{
    const struct stream *s = stream_of(n, c);
    if (s == NULL || c->kind == CELL_RESET || is_done(&s->ends[1 - c->end])) {
        wend_sim_cell_give_back(n, c);
        return;
    }
    const uint32_t doublings = c->tries < DOUBLINGS_MAX ? c->tries : DOUBLINGS_MAX;
    const wend_instant again = n->now + (WEND_SIM_STREAM_RETRY << doublings);
    const wend_instant give_up = c->sent_at + WEND_SIM_STREAM_TIMEOUT;
    if (why == WEND_SIM_DROP_UNMAPPED && !c->downward) {
        // A box on the way has forgotten us; what it would do with our segment ends in a reset.
        c->kind = CELL_BREAK;
        c->end = (uint8_t)(1 - c->end);
        c->step = STEP_HAND_OVER;
        wend_sim_cell_schedule(n, c, n->now + (n->now - c->tried_at));
    } else if (again > give_up) {
        c->kind = CELL_BREAK;
        c->end = (uint8_t)(1 - c->end);
        c->step = STEP_HAND_OVER;
        wend_sim_cell_schedule(n, c, give_up > n->now ? give_up : n->now);
    } else {
        c->tries++;
        c->step = STEP_RETRY;
        wend_sim_cell_schedule(n, c, again);
    }
}

void wend_sim_stream_retry(struct wend_sim_net *n, struct cell *c)
{
    const struct stream *s = stream_of(n, c);
    if (s == NULL || is_done(&s->ends[1 - c->end]))
        wend_sim_cell_give_back(n, c);
    else
        wend_sim_travel_start(n, c);
}

// --- receiving ---

static bool listens(const struct host *h, uint16_t port)
{
    for (uint32_t i = 0; i < h->listens; i++)
        if (h->listen[i] == port)
            return true;
    return false;
}

static bool accept_stream(struct wend_sim_net *n, struct cell *c, struct stream *s,
                          struct wend_sim_delivery *ret)
{
    struct stream_end *e = &s->ends[1];
    const uint32_t host = n->interfaces[c->where].host;
    wend_assert(e->state == END_NONE); // a SYN is sent again only when it was lost
    if (!listens(&n->hosts[host], c->to.port)) {
        send_back(n, c, CELL_RESET);
        return false;
    }
    *e = (struct stream_end){
        .state = END_OPEN,
        .host = host,
        .interface = c->where,
        .number = s->serial,
        .local = c->to,
        .remote = c->from,
    };
    ret->kind = WEND_SIM_STREAM_ACCEPTED;
    (void)tell(n, c, e, ret);
    n->lent = 0; // the cell goes back; this delivery has no bytes
    c->sequence = e->next_sent++;
    send_back(n, c, CELL_SYN_ACK);
    return true;
}

static void hold(struct wend_sim_net *n, struct stream_end *e, struct cell *c)
{
    c->next = e->held;
    e->held = cell_index(n, c) + 1;
}

// The next message in order may have been here before: it comes at once.
static void release(struct wend_sim_net *n, struct stream_end *e)
{
    for (uint32_t *at = &e->held; *at != 0; at = &n->cells[*at - 1].next) {
        struct cell *c = &n->cells[*at - 1];
        if (c->sequence != e->next_expected)
            continue;
        *at = c->next;
        c->step = STEP_HAND_OVER;
        wend_sim_cell_schedule(n, c, n->now);
        return;
    }
}

// Cells of one direction in order: the answer to SYN, messages, the end.
static bool receive(struct wend_sim_net *n, struct cell *c, struct stream *s,
                    struct wend_sim_delivery *ret)
{
    struct stream_end *e = &s->ends[c->end];
    if (c->sequence != e->next_expected) {
        hold(n, e, c);
        return false;
    }
    e->next_expected++;
    if (c->kind == CELL_FIN) {
        retire(n, s, 1 - c->end);
        return break_end(n, c, s, ret);
    }
    release(n, e);
    if (e->state != END_OPEN) {
        wend_sim_cell_give_back(n, c);
        return false;
    }
    s->connected = true;
    ret->kind = c->kind == CELL_SYN_ACK ? WEND_SIM_STREAM_OPENED : WEND_SIM_STREAM_MESSAGE;
    return tell(n, c, e, ret);
}

bool wend_sim_stream_arrive(struct wend_sim_net *n, struct cell *c, struct wend_sim_delivery *ret)
{
    struct stream *s = stream_of(n, c);
    *ret = (struct wend_sim_delivery){0};
    if (s == NULL || (c->kind == CELL_SYN && is_done(&s->ends[0]))) {
        wend_sim_cell_give_back(n, c);
        return false;
    }
    if (c->kind == CELL_SYN && s->ends[1].state == END_NONE)
        return accept_stream(n, c, s, ret);
    if (c->kind == CELL_RESET)
        return break_end(n, c, s, ret);
    if (is_done(&s->ends[c->end])) {
        send_back(n, c, CELL_RESET);
        return false;
    }
    return receive(n, c, s, ret);
}

bool wend_sim_stream_hand_over(struct wend_sim_net *n, struct cell *c,
                               struct wend_sim_delivery *ret)
{
    struct stream *s = stream_of(n, c);
    *ret = (struct wend_sim_delivery){0};
    if (s == NULL || is_done(&s->ends[c->end])) {
        wend_sim_cell_give_back(n, c);
        return false;
    }
    return c->kind == CELL_BREAK ? break_end(n, c, s, ret) : receive(n, c, s, ret);
}

// --- commands ---

// A free place; else that of a stream of which only one end is left.
static struct stream *take(struct wend_sim_net *n)
{
    struct stream *half = NULL;
    for (uint32_t i = 0; i < n->stream_used; i++) {
        struct stream *s = &n->streams[i];
        if (s->serial == 0)
            return s;
        const bool is_half = s->ends[0].state == END_GONE || s->ends[1].state == END_GONE;
        if (is_half && (half == NULL || s->serial < half->serial))
            half = s;
    }
    if (n->stream_used < n->limits.streams)
        return &n->streams[n->stream_used++];
    if (half != NULL) {
        retire(n, half, 0);
        if (half->serial != 0)
            retire(n, half, 1);
    }
    return half;
}

int wend_sim_net_open_stream(struct wend_sim_net *n, uint32_t host, uint32_t stream,
                             const struct wend_address *to, wend_instant now)
{
    struct wend_address local = {0};
    uint32_t interface;
    const int failed = wend_sim_net_source(n, host, to, &local, &interface);
    wend_sim_net_turn(n, now);
    if (failed != 0)
        return failed;
    struct stream *s = wend_sim_net_has_room(n) ? take(n) : NULL;
    if (s == NULL)
        return -ENOBUFS;
    const uint32_t serial = ++n->stream_serial;
    local.port = (uint16_t)(EPHEMERAL_PORT + serial % EPHEMERAL_COUNT);
    *s = (struct stream){.serial = serial};
    s->ends[0] = (struct stream_end){
        .state = END_OPEN,
        .host = host,
        .interface = interface,
        .number = stream,
        .local = local,
        .remote = *to,
    };
    const int refused = emit(n, s, 0, CELL_SYN, (struct wend_bytes){0});
    if (refused != 0)
        s->serial = 0;
    return refused;
}

int wend_sim_net_send_stream(struct wend_sim_net *n, uint32_t host, uint32_t stream,
                             struct wend_bytes message, wend_instant now)
{
    unsigned side;
    struct stream *s = find(n, host, stream, &side);
    wend_sim_net_turn(n, now);
    if (s == NULL || (side == 0 && !s->connected))
        return -ENOTCONN;
    if (message.len > WEND_DATAGRAM_MAX)
        return -EMSGSIZE;
    return wend_sim_net_has_room(n) ? emit(n, s, side, CELL_DATA, message) : -ENOBUFS;
}

void wend_sim_net_close_stream(struct wend_sim_net *n, uint32_t host, uint32_t stream,
                               wend_instant now)
{
    unsigned side;
    struct stream *s = find(n, host, stream, &side);
    wend_sim_net_turn(n, now);
    if (s == NULL)
        return;
    s->ends[side].state = END_FINISHING;
    const bool connected = side == 1 || s->connected;
    if (!connected || emit(n, s, side, CELL_FIN, (struct wend_bytes){0}) != 0)
        retire(n, s, side);
}

void wend_sim_net_reset_streams(struct wend_sim_net *n, uint32_t host, wend_instant now)
{
    wend_sim_net_turn(n, now);
    for (uint32_t i = 0; i < n->stream_used; i++) {
        struct stream *s = &n->streams[i];
        for (unsigned side = 0; s->serial != 0 && side < 2; side++) {
            if (is_done(&s->ends[side]) || s->ends[side].host != host)
                continue;
            (void)emit(n, s, side, CELL_RESET, (struct wend_bytes){0});
            retire(n, s, side);
        }
    }
}

void wend_sim_stream_forget_host(struct wend_sim_net *n, uint32_t host)
{
    for (uint32_t i = 0; i < n->stream_used; i++) {
        struct stream *s = &n->streams[i];
        for (unsigned side = 0; s->serial != 0 && side < 2; side++)
            if (!is_done(&s->ends[side]) && s->ends[side].host == host)
                retire(n, s, side);
    }
}

void wend_sim_stream_unbind(struct wend_sim_net *n, uint32_t interface,
                            const struct wend_address *address)
{
    for (uint32_t i = 0; i < n->stream_used; i++) {
        struct stream *s = &n->streams[i];
        for (unsigned side = 0; s->serial != 0 && side < 2; side++) {
            struct stream_end *e = &s->ends[side];
            if (is_done(e) || e->unbound || e->interface != interface ||
                !same_ip(&e->local, address))
                continue;
            e->unbound = true;
            struct cell *c = wend_sim_cell_take(n);
            wend_assert(c != NULL); // there is a reserve
            c->kind = CELL_BREAK;
            c->step = STEP_HAND_OVER;
            c->stream = i;
            c->stream_serial = s->serial;
            c->end = (uint8_t)side;
            c->len = 0;
            wend_sim_cell_schedule(n, c, n->now);
        }
    }
}
