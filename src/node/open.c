// SPDX-License-Identifier: MIT
// Receivers lie in one array, found by a map from the index that the peer sends; the last one found
// is tried first, since datagrams come in trains.
#include <errno.h>

#include "base/assert.h"
#include "base/hash.h"
#include "base/map.h"
#include "crypto/crypto.h"
#include "node/open_state.h"

size_t wend_open_size(void)
{
    return sizeof(struct wend_open);
}

struct wend_open *wend_open_init(void *memory, const struct wend_open_config *config)
{
    struct wend_open *o = memory;
    o->config = *config;
    wend_coalesce_init(&o->batch, config->udp_offload);
    wend_map_init_zeroed(&o->by_index, o->entries, WEND_OPEN_MAP_SIZE);
    wend_hold_pool_init(&o->pool);
    return o;
}

// ---- Receivers ----

static uint64_t hash_index(const struct wend_open *o, uint32_t index)
{
    return wend_hash(o->config.hash_key, &index, sizeof index);
}

struct wend_open_receiver *wend_open_find(struct wend_open *o, uint32_t index)
{
    struct wend_open_receiver *r = &o->receivers[o->last];
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

static void forget(struct wend_open *o, struct wend_open_receiver *r)
{
    const uint64_t hash = hash_index(o, r->keys.local_index);
    wend_assert(wend_map_remove(&o->by_index, hash, (uint32_t)(r - o->receivers)) == 0);
    wend_open_free_window(o, r);
    wend_receiver_close(&r->keys);
    r->used = r->heard = r->say_confirmed = r->say_switch_seen = false;
    r->pair = 0;
    o->receiver_count--;
}

static struct wend_open_receiver *take_free(struct wend_open *o)
{
    for (uint32_t i = 0; i < o->used_before; i++)
        if (!o->receivers[i].used)
            return &o->receivers[i];
    return o->used_before < WEND_OPEN_RECEIVERS_MAX ? &o->receivers[o->used_before++] : NULL;
}

static int take_keys(struct wend_open *o, const struct wend_command *c)
{
    struct wend_open_receiver *r = wend_open_find(o, c->local_index);
    if (r != NULL)
        forget(o, r);
    r = take_free(o);
    if (r == NULL)
        return -ENOSPC;
    const int error =
        wend_receiver_init(&r->keys, c->key, c->local_index, r->words, WEND_OPEN_WORDS);
    if (error != 0)
        return error;
    r->used = true;
    r->slot = c->slot;
    r->pair = ++o->peers[c->slot].pairs;
    o->receiver_count++;
    const uint64_t hash = hash_index(o, c->local_index);
    wend_assert(wend_map_insert(&o->by_index, hash, (uint32_t)(r - o->receivers)) == 0);
    return 0;
}

static void forget_slot(struct wend_open *o, uint32_t slot)
{
    struct wend_open_peer *peer = &o->peers[slot];
    for (uint32_t i = 0; i < o->used_before; i++)
        if (o->receivers[i].used && o->receivers[i].slot == slot)
            forget(o, &o->receivers[i]);
    wend_hold_close(&o->pool, &peer->hold, slot);
    *peer = (struct wend_open_peer){.in_notices = peer->in_notices};
}

void wend_open_close(struct wend_open *o)
{
    for (uint32_t i = 0; i < o->used_before; i++)
        if (o->receivers[i].used)
            forget(o, &o->receivers[i]);
    wend_wipe(o->config.hash_key, sizeof o->config.hash_key);
}

// ---- Commands ----

static int carry_out(struct wend_open *o, const struct wend_command *c)
{
    struct wend_open_peer *peer = &o->peers[c->slot];
    struct wend_open_receiver *r;
    switch (c->kind) {
    case WEND_COMMAND_PEER:
        peer->used = true;
        if (c->slot >= o->peers_before)
            o->peers_before = c->slot + 1;
        peer->ipv4 = c->ipv4;
        peer->ipv6 = c->ipv6;
        break;
    case WEND_COMMAND_PEER_GONE: forget_slot(o, c->slot); break;
    case WEND_COMMAND_KEYS: return peer->used ? take_keys(o, c) : 0;
    case WEND_COMMAND_KEYS_GONE:
        r = wend_open_find(o, c->local_index);
        if (r != NULL)
            forget(o, r);
        break;
    case WEND_COMMAND_RELAY: o->server = c->path; break;
    case WEND_COMMAND_WATCH: peer->watched = peer->used; break;
    case WEND_COMMAND_HOLD:
        if (peer->used)
            wend_hold_set_time(&o->pool, &peer->hold, c->hold);
        if (peer->used)
            wend_hold_set_relay_time(&peer->hold, c->hold_relay);
        break;
    case WEND_COMMAND_SWITCH:
    case WEND_COMMAND_EARLY_DONE:
    case WEND_COMMAND_EARLY_REFUSED:
    case WEND_COMMAND_PATH:
    case WEND_COMMAND_KEEPALIVE:
    case WEND_COMMAND_FLUSH_DROP:
    case WEND_COMMAND_SOCKET:
    case WEND_COMMAND_SOCKET_GONE:
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

const struct wend_drops *wend_open_drops(const struct wend_open *o)
{
    return &o->drops;
}

static void check_receivers(const struct wend_open *o)
{
    uint32_t used = 0;
    for (uint32_t i = 0; i < o->used_before; i++) {
        const struct wend_open_receiver *r = &o->receivers[i];
        used += r->used;
        wend_assert(!r->used || (r->slot < o->peers_before && o->peers[r->slot].used));
        wend_assert((r->pair == 0 && r->window == 0) || r->used);
        wend_assert(!r->used || r->pair <= o->peers[r->slot].pairs);
        wend_assert(r->window == 0 || o->windows[r->window - 1].receiver == i + 1);
    }
    wend_assert(used == o->receiver_count && used == o->by_index.count);
}

void wend_open_check(const struct wend_open *o)
{
    check_receivers(o);
    wend_assert(o->notice_count <= WEND_OPEN_NOTICES);
    for (uint32_t i = 0; i < o->peers_before; i++)
        wend_hold_check(&o->pool, &o->peers[i].hold);
    wend_hold_pool_check(&o->pool);
    wend_map_check(&o->by_index);
}
