// SPDX-License-Identifier: MIT
// Datagrams: where they go, what names them, and the pace of a run.
#include "traverse/volley_state.h"

#include "base/assert.h"
#include "base/bytes.h"

#include <string.h>

#define INSIDE_BIT 0x8000 // in a token's socket field
#define STRIDE     40503  // a step through the range that leaves no port out and nears none
#define CATCH_UP   8      // datagrams a turn, when the caller is late

// --- targets and tokens ---

struct wend_address volley_target(const struct wend_volley *v, bool inside, uint16_t port)
{
    struct wend_address a = inside ? v->inside : v->attested;

    a.port = port;
    return a;
}

uint16_t volley_peer_port(const struct wend_volley *v)
{
    if (v->peer.serial == 0)
        return v->attested.port;
    return wend_plan_address(&v->peer).port;
}

static uint32_t check_of(const struct wend_volley *v, uint32_t what)
{
    const uint32_t both[2] = {what, v->plan.serial};

    return (uint32_t)wend_hash(v->key, both, sizeof both);
}

uint64_t volley_token(const struct wend_volley *v, bool inside, uint16_t socket, uint16_t port)
{
    const uint32_t what = (uint32_t)((inside ? INSIDE_BIT : 0U) | socket) << 16 | port;

    return (uint64_t)what << 32 | check_of(v, what);
}

bool volley_open_token(const struct wend_volley *v, uint64_t token, uint16_t *ret_socket,
                       struct wend_address *ret_remote)
{
    const uint32_t what = (uint32_t)(token >> 32);
    const uint16_t number = (uint16_t)(what >> 16 & ~(uint32_t)INSIDE_BIT);

    if ((uint32_t)token != check_of(v, what) || number >= v->socket_next)
        return false;
    *ret_socket = number;
    *ret_remote = volley_target(v, (what >> 16 & INSIDE_BIT) != 0, (uint16_t)what);
    return true;
}

// --- the queue ---

void volley_queue(struct wend_volley *v, const struct wend_volley_datagram *d)
{
    if (v->queue_len == WEND_VOLLEY_QUEUE) {
        wend_drops_add(&v->drops, WEND_DROP_QUEUE_FULL);
        return;
    }
    v->queue[(v->queue_head + v->queue_len) % WEND_VOLLEY_QUEUE] = *d;
    v->queue_len++;
    if (d->kind != WEND_VOLLEY_BRACKET)
        v->sent++;
}

bool wend_volley_next_datagram(struct wend_volley *v, struct wend_volley_datagram *ret)
{
    if (v->queue_len == 0)
        return false;
    *ret = v->queue[v->queue_head];
    v->queue_head = (uint8_t)((v->queue_head + 1) % WEND_VOLLEY_QUEUE);
    v->queue_len--;
    return true;
}

// Of several fresh sockets only the first one's is not to reach the peer's NAT.
void volley_open_towards(struct wend_volley *v, uint16_t socket, uint16_t port)
{
    const bool near = volley_part(v)->low_ttl && (socket == 0 || socket == v->socket_first);

    volley_queue(v, &(struct wend_volley_datagram){
                        .kind = WEND_VOLLEY_OPENER,
                        .socket = socket,
                        .ttl = near ? v->ttl : 0,
                        .remote = volley_target(v, false, port),
                        .token = volley_token(v, false, socket, port),
                        .echo = v->plan.serial,
                    });
}

// --- runs ---

// The k-th of a list; in the second and later passes a spare socket, if there is one, goes for the
// peer's spare port.
static uint16_t list_port(const struct wend_volley *v, uint32_t k, uint16_t *socket)
{
    const struct wend_volley_run *run = &v->run;
    const bool spare =
        volley_part(v)->spare && k >= run->len && k % 2 == 1 && v->offer.made && v->peer_offer.made;

    if (spare)
        *socket = v->socket_first;
    return wend_plan_port_after(&v->peer, spare ? v->peer_offer.first : run->base,
                                (int32_t)(k % run->len));
}

static uint16_t range_port(const struct wend_volley_run *run, uint32_t k)
{
    const uint32_t range = (uint32_t)run->high - run->low + 1;

    return (uint16_t)(run->low + (run->base + k * run->len) % range);
}

static uint32_t common(uint32_t a, uint32_t b)
{
    while (b != 0) {
        const uint32_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

// Called when a RANGE begins: a start and a stride without a common factor with the range.
static void draw_range(struct wend_volley *v)
{
    struct wend_volley_run *run = &v->run;
    const uint32_t range = (uint32_t)run->high - run->low + 1;
    const uint32_t drawn = check_of(v, (uint32_t)v->stage << 8 | v->round);
    uint32_t stride = STRIDE % range;

    while (stride < 1 || common(stride, range) != 1)
        stride = (stride + 1) % (range + 1);
    run->base = (uint16_t)(drawn % range);
    run->len = (uint16_t)stride;
}

static void send_next(struct wend_volley *v)
{
    struct wend_volley_run *run = &v->run;
    const uint32_t k = run->sent;
    uint16_t socket = run->socket, port = run->base;
    uint8_t ttl = run->ttl;

    switch (run->aim) {
    case WEND_AIM_NONE: return;
    case WEND_AIM_LIST: port = list_port(v, k, &socket); break;
    case WEND_AIM_STEP:
        port = wend_plan_port_after(&v->peer, run->base, (int32_t)k * run->step);
        break;
    case WEND_AIM_FAN:
        socket = (uint16_t)(run->socket + k);
        if (run->len != 0 && k >= run->len)
            ttl = 0; // of the second step
        break;
    case WEND_AIM_RANGE:
        if (k == 0)
            draw_range(v);
        port = range_port(run, k);
        if (volley_part(v)->sockets > 0)
            socket = (uint16_t)(run->socket + k);
        break;
    case WEND_AIM_WINDOW: port = (uint16_t)(run->base + k); break;
    }
    run->sent++;
    if (port == 0 || (socket != 0 && v->ports[socket] == 0))
        return; // nobody has that port; that socket could not be opened
    volley_queue(v, &(struct wend_volley_datagram){
                        .kind = run->aim == WEND_AIM_FAN ? WEND_VOLLEY_OPENER : WEND_VOLLEY_PROBE,
                        .socket = socket,
                        .ttl = ttl,
                        .remote = volley_target(v, run->inside, port),
                        .token = volley_token(v, run->inside, socket, port),
                        .echo = v->plan.serial,
                    });
}

// The called side begins before the caller can have the models. What arrives there waits for it:
// two passes are enough until it is heard.
static bool has_more(const struct wend_volley *v)
{
    const struct wend_volley_run *run = &v->run;

    if (run->aim == WEND_AIM_NONE || run->sent >= run->count)
        return false;
    return run->aim != WEND_AIM_LIST || !volley_is_called(v) || v->heard_peer ||
           run->sent < 2 * run->len;
}

static bool is_due(const struct wend_volley *v, wend_instant now)
{
    return has_more(v) && v->run.next_at <= now;
}

// How long after the datagram that has just gone the next one goes.
static wend_duration wait_after(const struct wend_volley *v)
{
    const struct wend_volley_run *run = &v->run;
    const struct wend_plan_part *part = volley_part(v);

    switch (run->aim) {
    case WEND_AIM_LIST:
        if (part->twin && run->sent == 1)
            return run->pace;
        return run->sent % run->len == 0 ? run->gap : run->pace;
    case WEND_AIM_FAN: return run->sent == run->len ? run->gap : run->pace;
    case WEND_AIM_RANGE:
        if (part->first != 0 && run->sent == part->first)
            return v->rtt; // the answers to the first step, before more is spent
        break;
    case WEND_AIM_NONE:
    case WEND_AIM_STEP:
    case WEND_AIM_WINDOW: break;
    }
    return run->pace;
}

void volley_fire(struct wend_volley *v, wend_instant now)
{
    struct wend_volley_run *run = &v->run;
    const bool limited = run->aim != WEND_AIM_FAN;

    for (int turn = 0; turn < CATCH_UP && is_due(v, now); turn++) {
        if (v->queue_len + WEND_VOLLEY_HEARD * 2 > WEND_VOLLEY_QUEUE)
            return;
        if (limited && !wend_volley_limits_probe(v->limits, now, &run->next_at))
            return;
        send_next(v);
        run->next_at += wait_after(v);
    }
    if (run->next_at < now - WEND_MS(50))
        run->next_at = now; // the caller slept: what was missed is not made up for in one burst
}

wend_instant volley_fire_deadline(const struct wend_volley *v)
{
    return has_more(v) ? v->run.next_at : WEND_NEVER;
}
