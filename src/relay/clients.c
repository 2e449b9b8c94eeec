// SPDX-License-Identifier: MIT
// Who has a session. A client is a stranger until it registers as a member of a network; strangers
// are forgotten soon and the oldest of them gives way, so that they cannot crowd out members.
#include "relay/relay_state.h"

#include <string.h>

#define REQUESTS_LIMIT ((struct wend_bucket_limit){.per_second = 50, .burst = 200})

uint32_t wend_relay_client_find(const struct wend_relay *r, const uint8_t key[static 32])
{
    struct wend_map_cursor c =
        wend_map_find(&r->clients_by_key.map, wend_relay_hash(r, 0, key, WEND_X25519_LEN));
    uint32_t ref;
    while (wend_map_next(&r->clients_by_key.map, &c, &ref))
        if (memcmp(wend_relay_client_at(r, ref)->key, key, WEND_X25519_LEN) == 0)
            return ref;
    return 0;
}

// --- strangers, oldest first; and the clients of a network, in no order ---

static void strangers_add(struct wend_relay *r, uint32_t ref)
{
    struct wend_relay_client *c = wend_relay_client_at(r, ref);
    c->before = r->last_stranger;
    c->after = 0;
    if (c->before != 0)
        wend_relay_client_at(r, c->before)->after = ref;
    else
        r->first_stranger = ref;
    r->last_stranger = ref;
    r->stranger_count++;
}

static void strangers_remove(struct wend_relay *r, uint32_t ref)
{
    const struct wend_relay_client *c = wend_relay_client_at(r, ref);
    if (c->before != 0)
        wend_relay_client_at(r, c->before)->after = c->after;
    else
        r->first_stranger = c->after;
    if (c->after != 0)
        wend_relay_client_at(r, c->after)->before = c->before;
    else
        r->last_stranger = c->before;
    r->stranger_count--;
}

static void network_add(struct wend_relay *r, uint32_t ref)
{
    struct wend_relay_client *c = wend_relay_client_at(r, ref);
    struct wend_relay_network *n = wend_relay_network_at(r, c->network);
    c->before = 0;
    c->after = n->first_client;
    if (c->after != 0)
        wend_relay_client_at(r, c->after)->before = ref;
    n->first_client = ref;
}

static void network_remove(struct wend_relay *r, uint32_t ref)
{
    const struct wend_relay_client *c = wend_relay_client_at(r, ref);
    if (c->before != 0)
        wend_relay_client_at(r, c->before)->after = c->after;
    else
        wend_relay_network_at(r, c->network)->first_client = c->after;
    if (c->after != 0)
        wend_relay_client_at(r, c->after)->before = c->before;
}

// --- life ---

uint32_t wend_relay_client_new(struct wend_relay *r, const uint8_t key[static 32])
{
    if (r->stranger_count >= WEND_RELAY_STRANGERS_MAX || r->clients.count >= r->clients.capacity) {
        if (r->first_stranger == 0)
            return 0;
        wend_relay_client_drop(r, r->first_stranger);
    }
    const uint32_t ref = wend_relay_take(&r->clients);
    if (ref == 0)
        return 0;
    struct wend_relay_client *c = wend_relay_client_at(r, ref);
    c->used = true;
    memcpy(c->key, key, sizeof c->key);
    c->heard_at = r->now;
    c->notify_at = WEND_NEVER;
    c->notified_at = r->now - WEND_RELAY_NOTIFY_APART;
    wend_bucket_init(&c->requests, &REQUESTS_LIMIT, r->now);
    const int error = wend_relay_index_insert(&r->clients_by_key,
                                              wend_relay_hash(r, 0, key, WEND_X25519_LEN), ref);
    wend_assert(error == 0);
    strangers_add(r, ref);
    wend_relay_client_arm(r, ref);
    return ref;
}

void wend_relay_client_drop(struct wend_relay *r, uint32_t ref)
{
    struct wend_relay_client *c = wend_relay_client_at(r, ref);
    wend_relay_client_deregister(r, ref);
    strangers_remove(r, ref);
    wend_relay_upload_forget(r, ref);
    wend_heap_remove(&r->timers, &c->timer);
    (void)wend_map_remove(&r->clients_by_key.map, wend_relay_hash(r, 0, c->key, sizeof c->key),
                          ref);
    wend_relay_give(&r->clients, ref);
}

void wend_relay_client_register(struct wend_relay *r, uint32_t ref, uint32_t member)
{
    struct wend_relay_client *c = wend_relay_client_at(r, ref);
    if (c->member == member)
        return;
    wend_relay_client_deregister(r, ref);
    struct wend_relay_member *m = wend_relay_member_at(r, member);
    strangers_remove(r, ref);
    c->member = member;
    c->network = m->network;
    m->client = ref;
    network_add(r, ref);
    r->counts.registered++;
}

void wend_relay_client_deregister(struct wend_relay *r, uint32_t ref)
{
    struct wend_relay_client *c = wend_relay_client_at(r, ref);
    if (c->member == 0)
        return;
    wend_relay_client_set_online(r, ref, false);
    wend_relay_channels_close(r, ref);
    const struct wend_relay_source nowhere = {.transport = WEND_TRANSPORT_NONE};
    wend_relay_client_set_source(r, ref, &nowhere);
    network_remove(r, ref);
    wend_relay_member_at(r, c->member)->client = 0;
    c->member = c->network = 0;
    c->interval = 0;
    c->subscribed = false;
    c->whole = c->whole_told = 0;
    c->notify_id = 0;
    c->notify_at = WEND_NEVER;
    strangers_add(r, ref);
    wend_relay_client_arm(r, ref);
    r->counts.registered--;
}

static uint64_t hash_stream(const struct wend_relay *r, uint32_t stream)
{
    return wend_relay_hash(r, stream, "", 0);
}

void wend_relay_client_set_source(struct wend_relay *r, uint32_t ref,
                                  const struct wend_relay_source *source)
{
    struct wend_relay_client *c = wend_relay_client_at(r, ref);
    if (c->source.stream != source->stream) {
        if (c->source.stream != 0)
            (void)wend_map_remove(&r->clients_by_stream.map, hash_stream(r, c->source.stream), ref);
        if (source->stream != 0) {
            const int error =
                wend_relay_index_insert(&r->clients_by_stream, hash_stream(r, source->stream), ref);
            wend_assert(error == 0);
        }
    }
    c->source = *source;
}

void wend_relay_client_set_online(struct wend_relay *r, uint32_t ref, bool online)
{
    struct wend_relay_client *c = wend_relay_client_at(r, ref);
    if (c->online == online)
        return;
    struct wend_relay_member *m = wend_relay_member_at(r, c->member);
    c->online = m->online = online;
    if (online)
        r->counts.online++;
    else
        r->counts.online--;
    wend_relay_directory_changed(r, c->member);
    wend_relay_raise_member(r, online ? WEND_RELAY_ONLINE : WEND_RELAY_OFFLINE, m);
    wend_relay_client_arm(r, ref);
}

// The next client by this stream, 0: none.
static uint32_t by_stream(const struct wend_relay *r, uint32_t stream)
{
    struct wend_map_cursor c = wend_map_find(&r->clients_by_stream.map, hash_stream(r, stream));
    uint32_t ref;
    while (wend_map_next(&r->clients_by_stream.map, &c, &ref))
        if (wend_relay_client_at(r, ref)->source.stream == stream)
            return ref;
    return 0;
}

bool wend_relay_stream_is_registered(const struct wend_relay *r, uint32_t stream)
{
    return by_stream(r, stream) != 0;
}

void wend_relay_stream_closed(struct wend_relay *r, uint32_t stream, wend_instant now)
{
    const struct wend_relay_source nowhere = {.transport = WEND_TRANSPORT_NONE};
    uint32_t ref;
    r->now = now;
    while ((ref = by_stream(r, stream)) != 0) {
        wend_relay_client_set_source(r, ref, &nowhere);
        wend_relay_client_set_online(r, ref, false);
    }
}

// --- time ---

// Two Keepalives may be lost.
static wend_duration silence_of(const struct wend_relay_client *c)
{
    if (c->interval == 0)
        return c->source.stream != 0 ? WEND_RELAY_OFFLINE_TCP : WEND_RELAY_OFFLINE_UDP;
    const wend_duration silence = WEND_S(c->interval) / 2 * 5 + WEND_RELAY_OFFLINE_EXTRA;
    if (silence < WEND_RELAY_OFFLINE_MIN)
        return WEND_RELAY_OFFLINE_MIN;
    return silence < WEND_RELAY_OFFLINE_MAX ? silence : WEND_RELAY_OFFLINE_MAX;
}

static wend_duration life_of(const struct wend_relay_client *c)
{
    return c->member != 0 ? WEND_RELAY_SESSION_LIFE : WEND_RELAY_STRANGER_LIFE;
}

void wend_relay_client_arm(struct wend_relay *r, uint32_t ref)
{
    struct wend_relay_client *c = wend_relay_client_at(r, ref);
    wend_instant least = c->heard_at + life_of(c);
    if (c->online)
        least = wend_instant_min(least, c->heard_at + silence_of(c));
    least = wend_instant_min(least, c->notify_at);
    const int error = wend_heap_set(&r->timers, &c->timer, least);
    wend_assert(error == 0); // room for every client
}

// Its timer fired. It may have been heard since the timer was set: then it is only set anew.
void wend_relay_client_expire(struct wend_relay *r, uint32_t ref)
{
    struct wend_relay_client *c = wend_relay_client_at(r, ref);
    if (r->now - c->heard_at >= life_of(c)) {
        wend_relay_client_drop(r, ref);
        return;
    }
    if (c->online && r->now - c->heard_at >= silence_of(c))
        wend_relay_client_set_online(r, ref, false);
    if (c->notify_at <= r->now)
        wend_relay_notify(r, ref);
    wend_relay_client_arm(r, ref);
}
