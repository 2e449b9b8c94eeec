// SPDX-License-Identifier: MIT
// What goes out: datagrams and events wait in two rings between the call that makes them and the
// drain that takes them.
#include "relay/relay_state.h"

#include <string.h>

#include "wire/frame.h"

struct wend_relay_source wend_relay_source_of(const struct wend_datagram *in)
{
    return (struct wend_relay_source){.transport = (uint8_t)in->transport,
                                      .stream = in->stream,
                                      .local = in->local,
                                      .remote = in->remote};
}

bool wend_relay_same_source(const struct wend_relay_source *a, const struct wend_relay_source *b)
{
    return a->transport == b->transport && a->stream == b->stream &&
           memcmp(&a->remote, &b->remote, sizeof a->remote) == 0;
}

// Room for a datagram of up to `len` bytes, NULL and counted when there is none.
static uint8_t *reserve(struct wend_relay *r, const struct wend_relay_source *to, size_t len)
{
    const struct wend_datagram head = {.transport = (enum wend_transport)to->transport,
                                       .stream = to->stream,
                                       .local = to->local,
                                       .remote = to->remote};
    uint8_t *at = wend_ring_reserve(&r->out, sizeof head + len);
    if (at == NULL) {
        wend_relay_drop(r, WEND_DROP_QUEUE_FULL);
        return NULL;
    }
    memcpy(at, &head, sizeof head);
    return at + sizeof head;
}

void wend_relay_send(struct wend_relay *r, const struct wend_relay_source *to,
                     struct wend_bytes bytes)
{
    uint8_t *at = reserve(r, to, bytes.len);
    if (at == NULL)
        return;
    memcpy(at, bytes.at, bytes.len);
    wend_ring_commit(&r->out, sizeof(struct wend_datagram) + bytes.len);
}

void wend_relay_seal(struct wend_relay *r, struct wend_relay_session *s,
                     const struct wend_relay_source *to, struct wend_bytes body)
{
    uint8_t *at = reserve(r, to, body.len + WEND_BOX_OVERHEAD);
    if (at == NULL)
        return;
    struct wend_writer w = wend_writer_of(at, body.len + WEND_BOX_OVERHEAD);
    if (wend_box_seal(&s->box, body, &w) == 0)
        wend_ring_commit(&r->out, sizeof(struct wend_datagram) + w.len);
}

bool wend_relay_tell(struct wend_relay *r, struct wend_relay_client *c, struct wend_bytes body)
{
    struct wend_relay_session *s = &c->sessions[c->current];
    if (c->source.transport == WEND_TRANSPORT_NONE || s->box.type == 0 || s->pending)
        return false;
    wend_relay_seal(r, s, &c->source, body);
    return true;
}

void wend_relay_hint(struct wend_relay *r, const struct wend_relay_source *to, uint8_t kind,
                     const uint8_t echo[static 4])
{
    if (!wend_limits_take(r->limits, WEND_LIMIT_HINT, &to->remote, r->now) ||
        !wend_bucket_take(&r->hints, &WEND_RELAY_HINTS_LIMIT, 1, r->now))
        return;
    struct wend_hint hint = {.kind = kind};
    uint8_t bytes[WEND_HINT_LEN];
    memcpy(hint.echo, echo, sizeof hint.echo);
    wend_hint_write(bytes, &hint);
    r->counts.hints++;
    wend_relay_send(r, to, WEND_BYTES(bytes));
}

bool wend_relay_next_datagram(struct wend_relay *r, struct wend_datagram *ret)
{
    if (r->out_peeked)
        wend_ring_release(&r->out);
    size_t len;
    const uint8_t *at = wend_ring_peek(&r->out, &len);
    r->out_peeked = at != NULL;
    if (at == NULL)
        return false;
    memcpy(ret, at, sizeof *ret);
    ret->bytes = (struct wend_bytes){.at = at + sizeof *ret, .len = len - sizeof *ret};
    return true;
}

void wend_relay_discard(struct wend_relay *r)
{
    struct wend_datagram d;
    while (wend_relay_next_datagram(r, &d))
        (void)wend_relay_drop(r, WEND_DROP_QUEUE_FULL);
    r->writable = false;
}

// --- events ---

bool wend_relay_can_store(struct wend_relay *r)
{
    return r->writable && wend_ring_reserve(&r->events, WEND_RELAY_STORE_ROOM) != NULL;
}

// An event, then the bytes of its views in their order.
void wend_relay_raise(struct wend_relay *r, const struct wend_relay_event *event)
{
    const struct wend_bytes views[] = {event->bytes, event->chain.delegation,
                                       event->chain.membership, event->chain.receipt};
    size_t len = sizeof *event;
    for (size_t i = 0; i < 4; i++)
        len += views[i].len;
    uint8_t *at = wend_ring_reserve(&r->events, len);
    if (at == NULL) {
        wend_assert(event->kind >= WEND_RELAY_RELOAD_CLAIMS); // can_store was asked
        wend_relay_drop(r, WEND_DROP_QUEUE_FULL);
        return;
    }
    memcpy(at, event, sizeof *event);
    size_t end = sizeof *event;
    for (size_t i = 0; i < 4; i++) {
        if (views[i].len > 0)
            memcpy(at + end, views[i].at, views[i].len);
        end += views[i].len;
    }
    wend_ring_commit(&r->events, len);
}

void wend_relay_raise_member(struct wend_relay *r, enum wend_relay_event_kind kind,
                             const struct wend_relay_member *m)
{
    struct wend_relay_event e = {.kind = kind};
    memcpy(e.network, wend_relay_network_at(r, m->network)->key, sizeof e.network);
    memcpy(e.device, m->key, sizeof e.device);
    memcpy(e.name, m->name, sizeof e.name);
    if (m->client != 0)
        e.address = wend_relay_client_at(r, m->client)->source.remote;
    wend_relay_raise(r, &e);
}

bool wend_relay_next_event(struct wend_relay *r, struct wend_relay_event *ret)
{
    if (r->event_peeked)
        wend_ring_release(&r->events);
    size_t len;
    const uint8_t *at = wend_ring_peek(&r->events, &len);
    r->event_peeked = at != NULL;
    if (at == NULL)
        return false;
    memcpy(ret, at, sizeof *ret);
    struct wend_bytes *views[] = {&ret->bytes, &ret->chain.delegation, &ret->chain.membership,
                                  &ret->chain.receipt};
    at += sizeof *ret;
    for (size_t i = 0; i < 4; i++) {
        views[i]->at = at;
        at += views[i]->len;
    }
    return true;
}
