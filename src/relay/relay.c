// SPDX-License-Identifier: MIT
// Memory is carved from one piece that the owner gives zeroed: a page that no client needs is never
// touched, so a server sized for 65,536 clients costs what its clients cost.
#include "relay/relay_state.h"

#include <string.h>

#include "wire/demux.h"

#define TIDY_EVERY  WEND_S(60)
#define INDEX_FIRST 64 // entries

// --- memory ---

struct carver {
    uint8_t *at; // NULL: only measures
    size_t len;
};

static void *carve(struct carver *c, size_t len)
{
    c->len = (c->len + 63) & ~(size_t)63;
    uint8_t *at = c->at != NULL ? c->at + c->len : NULL;
    c->len += len;
    return at;
}

static void carve_pool(struct carver *c, struct wend_relay_pool *p, uint32_t capacity,
                       size_t stride)
{
    *p = (struct wend_relay_pool){
        .at = carve(c, (size_t)capacity * stride), .stride = stride, .capacity = capacity};
}

// The memory is zero already: wend_map_init would touch all of it.
static void place_map(struct wend_relay_index *x, uint32_t capacity)
{
    x->map = (struct wend_map){
        .entries = x->memory + capacity, .mask = capacity - 1, .capacity = capacity};
}

static void carve_index(struct carver *c, struct wend_relay_index *x, uint32_t count)
{
    uint32_t capacity = INDEX_FIRST;
    while (wend_map_limit(capacity) < count)
        capacity *= 2;
    x->capacity_max = capacity;
    x->memory = carve(c, 2 * (size_t)capacity * sizeof *x->memory);
    if (x->memory != NULL)
        place_map(x, INDEX_FIRST);
}

static void grow(struct wend_relay_index *x)
{
    const struct wend_map old = x->map;
    place_map(x, 2 * (old.mask + 1));
    for (uint32_t i = 0; i <= old.mask; i++) {
        if (!old.entries[i].used)
            continue;
        const int error = wend_map_insert(&x->map, old.entries[i].hash, old.entries[i].slot);
        wend_assert(error == 0);
    }
}

int wend_relay_index_insert(struct wend_relay_index *x, uint64_t hash, uint32_t ref)
{
    if (x->map.count >= wend_map_limit(x->map.mask + 1) && x->map.mask + 1 < x->capacity_max)
        grow(x);
    return wend_map_insert(&x->map, hash, ref);
}

static uint32_t or_limit(uint32_t wish, uint32_t limit)
{
    return wish != 0 && wish < limit ? wish : limit;
}

static struct wend_relay_config with_limits(const struct wend_relay_config *config)
{
    struct wend_relay_config c = *config;
    c.clients_max = or_limit(c.clients_max, WEND_RELAY_CLIENTS_MAX);
    c.networks_max = or_limit(c.networks_max, WEND_RELAY_NETWORKS_MAX);
    c.members_max = or_limit(c.members_max, WEND_RELAY_MEMBERS_MAX);
    c.channels_max = or_limit(c.channels_max, WEND_RELAY_CHANNELS_MAX);
    return c;
}

static void carve_indexes(struct carver *c, struct wend_relay *r)
{
    const struct wend_relay_config *config = &r->config;
    carve_index(c, &r->clients_by_key, config->clients_max);
    carve_index(c, &r->clients_by_stream, config->clients_max);
    carve_index(c, &r->networks_by_key, config->networks_max);
    carve_index(c, &r->members_by_key, config->members_max);
    carve_index(c, &r->members_by_name, config->members_max);
    carve_index(c, &r->members_by_ipv4, config->members_max);
    carve_index(c, &r->invites_by_id, config->members_max);
    carve_index(c, &r->slots_by_number, 2 * config->members_max);
    carve_index(c, &r->channels_by_number, config->channels_max);
}

// Lays everything out behind the relay itself; the same steps measure and build.
static void lay_out(struct carver *c, struct wend_relay *r)
{
    const struct wend_relay_config *config = &r->config;
    carve_pool(c, &r->clients, config->clients_max, sizeof(struct wend_relay_client));
    carve_pool(c, &r->networks, config->networks_max, sizeof(struct wend_relay_network));
    carve_pool(c, &r->members, config->members_max, sizeof(struct wend_relay_member));
    carve_pool(c, &r->invites, config->members_max, sizeof(struct wend_relay_invite));
    carve_pool(c, &r->slots, 2 * config->members_max, sizeof(struct wend_relay_slot));
    carve_pool(c, &r->channels, config->channels_max, sizeof(struct wend_relay_channel));
    carve_indexes(c, r);
    r->limits = carve(c, sizeof *r->limits);
    r->uploads = carve(c, WEND_RELAY_UPLOADS * sizeof *r->uploads);
    void *entries = carve(c, (size_t)config->clients_max * sizeof(struct wend_heap_entry));
    void *out = carve(c, WEND_RELAY_OUT_LEN);
    void *events = carve(c, WEND_RELAY_EVENTS_LEN);
    if (c->at == NULL)
        return;
    wend_heap_init(&r->timers, entries, config->clients_max);
    wend_ring_init(&r->out, out, WEND_RELAY_OUT_LEN);
    wend_ring_init(&r->events, events, WEND_RELAY_EVENTS_LEN);
}

size_t wend_relay_size(const struct wend_relay_config *config)
{
    struct wend_relay measured;
    struct carver c = {.at = NULL, .len = sizeof(struct wend_relay)};
    measured.config = with_limits(config);
    lay_out(&c, &measured);
    return c.len;
}

struct wend_relay *wend_relay_init(void *memory, const struct wend_relay_config *config,
                                   wend_instant now, uint64_t unix_seconds)
{
    struct wend_relay *r = memory;
    struct carver c = {.at = memory, .len = sizeof *r};
    r->config = with_limits(config);
    lay_out(&c, r);
    wend_identity_init(&r->identity, config->private_key);
    wend_ed25519_public(config->seed, r->signature_key);
    wend_prologue_server(&r->prologue);
    wend_random_init(&r->random, config->random);
    wend_wipe(r->config.random, sizeof r->config.random);
    wend_random_bytes(&r->random, r->hash_key, sizeof r->hash_key);
    wend_cookie_checker_init(&r->cookies, &r->random, now);
    uint8_t limits_key[WEND_HASH_KEY_LEN];
    wend_random_bytes(&r->random, limits_key, sizeof limits_key);
    wend_limits_init(r->limits, limits_key);
    wend_bucket_init(&r->handshakes, &WEND_RELAY_HANDSHAKES_LIMIT, now);
    wend_bucket_init(&r->hints, &WEND_RELAY_HINTS_LIMIT, now);
    r->epoch = wend_random_u64(&r->random) | 1;
    r->now = now;
    r->unix_seconds = unix_seconds;
    r->writable = true;
    r->tidy_at = now + TIDY_EVERY;
    return r;
}

void wend_relay_close(struct wend_relay *r)
{
    for (uint32_t i = 1; i <= r->clients.high; i++)
        if (wend_relay_client_at(r, i)->used)
            wend_wipe(wend_relay_client_at(r, i)->sessions, sizeof(struct wend_relay_session[2]));
    wend_random_close(&r->random);
    wend_wipe(&r->config, sizeof r->config);
    wend_wipe(&r->identity, sizeof r->identity);
    wend_wipe(r->claims, sizeof r->claims);
}

uint32_t wend_relay_take(struct wend_relay_pool *p)
{
    uint32_t ref = p->free;
    if (ref != 0)
        memcpy(&p->free, wend_relay_at(p, ref), sizeof p->free);
    else if (p->high < p->capacity)
        ref = ++p->high;
    else
        return 0;
    memset(wend_relay_at(p, ref), 0, p->stride);
    p->count++;
    return ref;
}

void wend_relay_give(struct wend_relay_pool *p, uint32_t ref)
{
    wend_wipe(wend_relay_at(p, ref), p->stride);
    memcpy(wend_relay_at(p, ref), &p->free, sizeof p->free);
    p->free = ref;
    p->count--;
}

uint64_t wend_relay_hash(const struct wend_relay *r, uint32_t of, const void *at, size_t len)
{
    uint8_t bytes[4 + 64];
    wend_assert(len <= 64);
    wend_put_u32(bytes, of);
    memcpy(bytes + 4, at, len);
    return wend_hash(r->hash_key, bytes, 4 + len);
}

const uint8_t *wend_relay_session_key(const struct wend_relay *r)
{
    return r->identity.public_key;
}

const uint8_t *wend_relay_signature_key(const struct wend_relay *r)
{
    return r->signature_key;
}

// --- in ---

static enum wend_drop receive_session(struct wend_relay *r, const struct wend_datagram *in)
{
    switch (in->bytes.at[0]) {
    case WEND_MESSAGE_INITIATION: return wend_relay_handshake(r, in);
    case WEND_MESSAGE_DATA: return wend_relay_sealed(r, in);
    default: return wend_relay_drop(r, WEND_DROP_UNKNOWN_TYPE); // a server never begins
    }
}

enum wend_drop wend_relay_receive(struct wend_relay *r, const struct wend_datagram *in,
                                  wend_instant now, uint64_t unix_seconds)
{
    r->now = now;
    r->unix_seconds = unix_seconds;
    if (in->bytes.len > WEND_DATAGRAM_MAX)
        return wend_relay_drop(r, WEND_DROP_MALFORMED);
    switch (wend_demux(in->bytes)) {
    case WEND_KIND_SESSION: return receive_session(r, in);
    case WEND_KIND_STUN: return wend_relay_stun(r, in);
    case WEND_KIND_UNKNOWN:
    case WEND_KIND_HINT:
    case WEND_KIND_FRAME:
    case WEND_KIND_CONTROL:
    case WEND_KIND_DTLS:
    case WEND_KIND_TURN_CHANNEL: break;
    }
    return wend_relay_drop(r, WEND_DROP_UNKNOWN_TYPE);
}

// --- the clock ---

void wend_relay_expire(struct wend_relay *r, wend_instant now, uint64_t unix_seconds)
{
    r->now = now;
    r->unix_seconds = unix_seconds;
    wend_relay_offers_expire(r);
    for (;;) {
        struct wend_heap_node *node = wend_heap_pop(&r->timers, now);
        if (node == NULL)
            break;
        struct wend_relay_client *c = WEND_HEAP_OWNER(node, struct wend_relay_client, timer);
        const size_t offset = (size_t)((uint8_t *)c - r->clients.at);
        wend_relay_client_expire(r, (uint32_t)(offset / r->clients.stride) + 1);
    }
    if (r->tidy_at > now)
        return;
    r->tidy_at = now + TIDY_EVERY;
    wend_relay_members_tidy(r);
}

wend_instant wend_relay_deadline(const struct wend_relay *r)
{
    wend_instant least = wend_instant_min(wend_heap_deadline(&r->timers), r->tidy_at);
    return wend_instant_min(least, wend_relay_offers_deadline(r));
}

void wend_relay_counts(const struct wend_relay *r, struct wend_relay_counts *ret)
{
    *ret = r->counts;
    ret->clients = r->clients.count;
    ret->channels = r->channels.count;
    ret->members = r->members.count;
    ret->networks = r->networks.count;
}

bool wend_relay_has_networks(const struct wend_relay *r)
{
    return r->networks.count > 0;
}

void wend_relay_set_writable(struct wend_relay *r, bool writable)
{
    r->writable = writable;
}
