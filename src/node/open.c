// SPDX-License-Identifier: MIT
// Receivers lie in one array, found by a map from the index that the peer sends; the last one found
// is tried first, since datagrams come in trains. A confirmed receiver waits on a list until its
// notice is taken.
#include "node/open.h"

#include <errno.h>
#include <string.h>

#include "base/assert.h"
#include "base/hash.h"
#include "base/map.h"
#include "crypto/crypto.h"
#include "session/data.h"
#include "wire/frame.h"
#include "wire/ip.h"

enum { MAP_SIZE = 8192, REPLAY_WORDS = WEND_REPLAY_WORDS(WEND_REPLAY_BITS) };

struct receiver {
    bool used;
    bool heard;      // a message opened
    bool in_notices; // and the node is to learn it
    uint32_t slot;
    struct wend_receiver keys;
    uint64_t words[REPLAY_WORDS];
};

struct peer {
    bool used;
    struct wend_address ipv4, ipv6;
};

struct wend_open {
    struct wend_open_config config;
    struct wend_plane_path server;
    struct wend_drops drops;
    struct wend_coalesce batch;
    struct wend_map by_index;
    uint32_t last;                        // receiver found last
    uint32_t receiver_count, used_before; // in use; all free ones from used_before on
    uint32_t notice_head, notice_count;
    uint16_t notices[WEND_OPEN_RECEIVERS_MAX];
    struct wend_map_entry entries[MAP_SIZE];
    struct peer peers[WEND_SLOTS_MAX];
    struct receiver receivers[WEND_OPEN_RECEIVERS_MAX];
};

size_t wend_open_size(void)
{
    return sizeof(struct wend_open);
}

struct wend_open *wend_open_init(void *memory, const struct wend_open_config *config)
{
    struct wend_open *o = memory;
    o->config = *config;
    wend_coalesce_init(&o->batch, config->udp_offload);
    wend_map_init(&o->by_index, o->entries, MAP_SIZE);
    return o;
}

// ---- Receivers ----

static uint64_t hash_index(const struct wend_open *o, uint32_t index)
{
    return wend_hash(o->config.hash_key, &index, sizeof index);
}

static struct receiver *find(struct wend_open *o, uint32_t index)
{
    struct receiver *r = &o->receivers[o->last];
    if (r->used && r->keys.local_index == index)
        return r;
    struct wend_map_cursor c = wend_map_find(&o->by_index, hash_index(o, index));
    uint32_t at;
    while (wend_map_next(&o->by_index, &c, &at)) {
        if (o->receivers[at].keys.local_index != index)
            continue;
        o->last = at;
        return &o->receivers[at];
    }
    return NULL;
}

static void forget(struct wend_open *o, struct receiver *r)
{
    const uint64_t hash = hash_index(o, r->keys.local_index);
    wend_assert(wend_map_remove(&o->by_index, hash, (uint32_t)(r - o->receivers)) == 0);
    wend_receiver_close(&r->keys);
    r->used = false;
    r->heard = false;
    o->receiver_count--;
}

static struct receiver *take_free(struct wend_open *o)
{
    for (uint32_t i = 0; i < o->used_before; i++)
        if (!o->receivers[i].used)
            return &o->receivers[i];
    return o->used_before < WEND_OPEN_RECEIVERS_MAX ? &o->receivers[o->used_before++] : NULL;
}

static int take_keys(struct wend_open *o, const struct wend_command *c)
{
    struct receiver *r = find(o, c->local_index);
    if (r != NULL)
        forget(o, r);
    r = take_free(o);
    if (r == NULL)
        return -ENOSPC;
    const int error = wend_receiver_init(&r->keys, c->key, c->local_index, r->words, REPLAY_WORDS);
    if (error != 0)
        return error;
    r->used = true;
    r->slot = c->slot;
    o->receiver_count++;
    const uint64_t hash = hash_index(o, c->local_index);
    wend_assert(wend_map_insert(&o->by_index, hash, (uint32_t)(r - o->receivers)) == 0);
    return 0;
}

static void forget_slot(struct wend_open *o, uint32_t slot)
{
    for (uint32_t i = 0; i < o->used_before; i++)
        if (o->receivers[i].used && o->receivers[i].slot == slot)
            forget(o, &o->receivers[i]);
    o->peers[slot] = (struct peer){0};
}

void wend_open_close(struct wend_open *o)
{
    for (uint32_t i = 0; i < o->used_before; i++)
        if (o->receivers[i].used)
            forget(o, &o->receivers[i]);
    wend_wipe(o->config.hash_key, sizeof o->config.hash_key);
}

// ---- Commands and notices ----

static int carry_out(struct wend_open *o, const struct wend_command *c)
{
    struct peer *peer = &o->peers[c->slot];
    struct receiver *r;
    switch (c->kind) {
    case WEND_COMMAND_PEER: *peer = (struct peer){true, c->ipv4, c->ipv6}; break;
    case WEND_COMMAND_PEER_GONE: forget_slot(o, c->slot); break;
    case WEND_COMMAND_KEYS: return peer->used ? take_keys(o, c) : 0;
    case WEND_COMMAND_KEYS_GONE:
        r = find(o, c->local_index);
        if (r != NULL)
            forget(o, r);
        break;
    case WEND_COMMAND_RELAY: o->server = c->path; break;
    case WEND_COMMAND_WATCH:
    case WEND_COMMAND_HOLD:
    case WEND_COMMAND_SWITCH:
    case WEND_COMMAND_EARLY_DONE:
    case WEND_COMMAND_EARLY_REFUSED:
    case WEND_COMMAND_PATH:
    case WEND_COMMAND_KEEPALIVE:
    case WEND_COMMAND_FLUSH_DROP:
    case WEND_COMMAND_NONE: break;
    }
    return 0;
}

int wend_open_command(struct wend_open *o, struct wend_command *command)
{
    int error = 0;
    if (command->slot < WEND_SLOTS_MAX)
        error = carry_out(o, command);
    wend_wipe(command->key, sizeof command->key);
    return error;
}

static void confirm(struct wend_open *o, struct receiver *r)
{
    if (r->heard)
        return;
    r->heard = true;
    if (r->in_notices)
        return;
    r->in_notices = true;
    const uint32_t at = (o->notice_head + o->notice_count++) % WEND_OPEN_RECEIVERS_MAX;
    o->notices[at] = (uint16_t)(r - o->receivers);
}

bool wend_open_next_notice(struct wend_open *o, struct wend_notice *ret)
{
    while (o->notice_count > 0) {
        struct receiver *r = &o->receivers[o->notices[o->notice_head]];
        o->notice_head = (o->notice_head + 1) % WEND_OPEN_RECEIVERS_MAX;
        o->notice_count--;
        r->in_notices = false;
        if (!r->used || !r->heard)
            continue; // forgotten meanwhile
        *ret = (struct wend_notice){
            .kind = WEND_NOTICE_CONFIRMED, .slot = r->slot, .local_index = r->keys.local_index};
        return true;
    }
    return false;
}

// ---- Datagrams ----

static enum wend_open_verdict drop(struct wend_open *o, enum wend_drop reason)
{
    wend_drops_add(&o->drops, reason);
    return WEND_OPEN_DROPPED;
}

// A stream is known by its number, which is never used twice.
static bool is_from_server(const struct wend_open *o, const struct wend_datagram *way)
{
    const struct wend_plane_path *s = &o->server;
    if (s->transport == WEND_TRANSPORT_NONE || way->transport != s->transport)
        return false;
    if (way->stream != 0 || s->stream != 0)
        return way->stream == s->stream;
    return wend_address_equal(&way->remote, &s->remote);
}

static bool is_data(const uint8_t *at, size_t len)
{
    return len >= WEND_DATA_OVERHEAD && wend_get_u32le(at) == WEND_MESSAGE_DATA;
}

static bool same_ip(const struct wend_address *a, const uint8_t *ip, uint8_t len)
{
    return a->family == (len == 4 ? WEND_FAMILY_IPV4 : WEND_FAMILY_IPV6) &&
           memcmp(a->ip, ip, len) == 0;
}

static enum wend_drop judge(const struct wend_open *o, uint32_t slot, struct wend_bytes inner,
                            struct wend_ip *ret)
{
    const struct peer *peer = &o->peers[slot];
    if (!wend_ip_read(inner, ret))
        return WEND_DROP_MALFORMED;
    const bool v4 = ret->version == 4;
    if (!same_ip(v4 ? &peer->ipv4 : &peer->ipv6, ret->source, ret->address_len))
        return WEND_DROP_WRONG_SOURCE;
    if (!same_ip(v4 ? &o->config.ipv4 : &o->config.ipv6, ret->destination, ret->address_len))
        return WEND_DROP_NOT_ALLOWED;
    return WEND_DROP_NONE;
}

static void add(_Atomic uint64_t *counter, uint64_t n) // the only writer
{
    const uint64_t old = atomic_load_explicit(counter, memory_order_relaxed);
    atomic_store_explicit(counter, old + n, memory_order_relaxed);
}

static void count_opened(struct wend_open *o, struct receiver *r, bool relayed, wend_instant now)
{
    struct wend_plane_stats *stats = &o->config.stats[r->slot];
    add(relayed ? &stats->received_relay : &stats->received_direct, 1);
    atomic_store_explicit(&stats->last_any_received, now, memory_order_relaxed);
    confirm(o, r);
}

static enum wend_open_verdict open_message(struct wend_open *o, struct receiver *r, uint8_t *at,
                                           size_t len, wend_instant now)
{
    const size_t header = *at == WEND_FRAME_TYPE ? WEND_FRAME_HEADER_LEN : 0;
    struct wend_bytes inner;
    struct wend_ip ip;
    enum wend_drop reason = wend_data_open(&r->keys, at + header, len - header, &inner);
    if (reason != WEND_DROP_NONE)
        return drop(o, reason);
    count_opened(o, r, header > 0, now);
    if (inner.len == 0)
        return WEND_OPEN_KEEPALIVE;
    reason = judge(o, r->slot, inner, &ip);
    if (reason != WEND_DROP_NONE)
        return drop(o, reason);
    struct wend_plane_stats *stats = &o->config.stats[r->slot];
    add(&stats->received_packets, 1);
    add(&stats->received_bytes, ip.len);
    atomic_store_explicit(&stats->last_received, now, memory_order_relaxed);
    wend_assert(wend_coalesce_add(&o->batch, at + header + WEND_DATA_HEADROOM, ip.len));
    return WEND_OPEN_PACKET;
}

enum wend_open_verdict wend_open_datagram(struct wend_open *o, const struct wend_datagram *way,
                                          uint8_t *at, size_t len, wend_instant now)
{
    const uint8_t *message = at;
    size_t message_len = len;
    if (len > WEND_FRAME_HEADER_LEN && at[0] == WEND_FRAME_TYPE && at[1] == 0) {
        message += WEND_FRAME_HEADER_LEN;
        message_len -= WEND_FRAME_HEADER_LEN;
    }
    if (!is_data(message, message_len))
        return WEND_OPEN_NODE;
    struct receiver *r = find(o, wend_get_u32le(message + 4));
    if (r == NULL)
        return WEND_OPEN_NODE;
    if (message != at && !is_from_server(o, way))
        return drop(o, WEND_DROP_WRONG_SOURCE);
    if (wend_open_room(o) == 0)
        return WEND_OPEN_FULL;
    return open_message(o, r, at, len, now);
}

size_t wend_open_room(const struct wend_open *o)
{
    return WEND_COALESCE_MAX - (size_t)o->batch.packet_count;
}

size_t wend_open_next_packet(struct wend_open *o, struct wend_vnet *ret_vnet,
                             struct wend_bytes ret_pieces[static WEND_COALESCE_MAX])
{
    return wend_coalesce_next(&o->batch, ret_vnet, ret_pieces);
}

void wend_open_expire(struct wend_open *o, wend_instant now)
{
    (void)o;
    (void)now;
}

wend_instant wend_open_deadline(const struct wend_open *o)
{
    (void)o;
    return WEND_NEVER;
}

const struct wend_drops *wend_open_drops(const struct wend_open *o)
{
    return &o->drops;
}

void wend_open_check(const struct wend_open *o)
{
    uint32_t used = 0;
    for (uint32_t i = 0; i < WEND_OPEN_RECEIVERS_MAX; i++) {
        const struct receiver *r = &o->receivers[i];
        used += r->used;
        wend_assert(!r->used || (i < o->used_before && o->peers[r->slot].used));
        wend_assert(!r->heard || r->used);
    }
    wend_assert(used == o->receiver_count && used == o->by_index.count);
    wend_assert(o->notice_count <= WEND_OPEN_RECEIVERS_MAX);
    wend_map_check(&o->by_index);
}
