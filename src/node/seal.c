// SPDX-License-Identifier: MIT
#include "node/seal.h"

#include <errno.h>
#include <string.h>

#include "base/assert.h"
#include "base/hash.h"
#include "crypto/crypto.h"
#include "node/seal_state.h"

size_t wend_seal_size(void)
{
    return sizeof(struct wend_seal);
}

struct wend_seal *wend_seal_init(void *memory, const struct wend_seal_config *config)
{
    struct wend_seal *s = memory;
    wend_assert(config->mtu > 0 && config->mtu <= WEND_SEAL_MTU_MAX);
    s->config = *config;
    s->cells_free = WEND_SEAL_NO_CELL;
    wend_map_init(&s->by_ipv4, s->entries_ipv4, WEND_SEAL_MAP_SIZE);
    wend_map_init(&s->by_ipv6, s->entries_ipv6, WEND_SEAL_MAP_SIZE);
    return s;
}

void wend_seal_close(struct wend_seal *s)
{
    for (uint32_t i = 0; i < WEND_SLOTS_MAX; i++)
        if (s->slots[i].keyed)
            wend_sender_close(&s->slots[i].sender);
    wend_wipe(&s->config.hash_key, sizeof s->config.hash_key);
}

// ---- Lists of slots ----

void wend_seal_list_add(struct wend_seal_list *l, uint32_t slot, bool *member)
{
    if (*member)
        return;
    wend_assert(l->count < WEND_SLOTS_MAX);
    l->slots[(l->head + l->count++) % WEND_SLOTS_MAX] = (uint16_t)slot;
    *member = true;
}

uint32_t wend_seal_list_first(const struct wend_seal_list *l)
{
    return l->slots[l->head];
}

void wend_seal_list_remove_first(struct wend_seal_list *l)
{
    l->head = (l->head + 1) % WEND_SLOTS_MAX;
    l->count--;
}

// ---- Addresses ----

static uint64_t hash_ip(const struct wend_seal *s, uint8_t family, const uint8_t *ip)
{
    return wend_hash(s->config.hash_key, ip, family == WEND_FAMILY_IPV4 ? 4 : 16);
}

static struct wend_map *map_of(struct wend_seal *s, uint8_t family)
{
    return family == WEND_FAMILY_IPV4 ? &s->by_ipv4 : &s->by_ipv6;
}

static struct wend_address *address_of(struct wend_seal_slot *p, uint8_t family)
{
    return family == WEND_FAMILY_IPV4 ? &p->ipv4 : &p->ipv6;
}

struct wend_seal_slot *wend_seal_find(struct wend_seal *s, uint8_t family, const uint8_t *ip)
{
    const struct wend_map *map = map_of(s, family);
    const size_t len = family == WEND_FAMILY_IPV4 ? 4 : 16;
    struct wend_map_cursor c = wend_map_find(map, hash_ip(s, family, ip));
    uint32_t slot;
    while (wend_map_next(map, &c, &slot))
        if (memcmp(address_of(&s->slots[slot], family)->ip, ip, len) == 0)
            return &s->slots[slot];
    return NULL;
}

static void take_address(struct wend_seal *s, struct wend_seal_slot *p, uint8_t family)
{
    struct wend_address *a = address_of(p, family);
    if (a->family == WEND_FAMILY_NONE)
        return;
    const uint64_t hash = hash_ip(s, family, a->ip);
    wend_assert(wend_map_remove(map_of(s, family), hash, wend_seal_number(s, p)) == 0);
    *a = (struct wend_address){0};
}

// An address has one owner: the last that was named.
static void give_address(struct wend_seal *s, struct wend_seal_slot *p,
                         const struct wend_address *a, uint8_t family)
{
    take_address(s, p, family);
    if (a->family != family)
        return;
    struct wend_seal_slot *owner = wend_seal_find(s, family, a->ip);
    if (owner != NULL)
        take_address(s, owner, family);
    *address_of(p, family) = *a;
    const uint64_t hash = hash_ip(s, family, a->ip);
    wend_assert(wend_map_insert(map_of(s, family), hash, wend_seal_number(s, p)) == 0);
}

// ---- Notices ----

void wend_seal_say(struct wend_seal *s, uint32_t slot, uint8_t say)
{
    s->slots[slot].say |= say;
    wend_seal_list_add(&s->notices, slot, &s->slots[slot].in_notices);
}

static enum wend_notice_kind take_say(struct wend_seal_slot *p)
{
    if (p->say & WEND_SEAL_SAY_WANT) {
        p->say &= (uint8_t)~WEND_SEAL_SAY_WANT;
        return WEND_NOTICE_WANT;
    }
    if (p->say & WEND_SEAL_SAY_NO_KEYS) {
        p->say &= (uint8_t)~WEND_SEAL_SAY_NO_KEYS;
        return WEND_NOTICE_NO_KEYS;
    }
    if (p->say & WEND_SEAL_SAY_EXHAUSTED) {
        p->say &= (uint8_t)~WEND_SEAL_SAY_EXHAUSTED;
        return WEND_NOTICE_EXHAUSTED;
    }
    return WEND_NOTICE_NONE;
}

bool wend_seal_next_notice(struct wend_seal *s, struct wend_notice *ret)
{
    while (s->notices.count > 0) {
        const uint32_t slot = wend_seal_list_first(&s->notices);
        struct wend_seal_slot *p = &s->slots[slot];
        const enum wend_notice_kind kind = take_say(p);
        if (kind != WEND_NOTICE_NONE) {
            *ret = (struct wend_notice){.kind = kind, .slot = slot, .local_index = p->local_index};
            return true;
        }
        wend_seal_list_remove_first(&s->notices);
        p->in_notices = false;
    }
    return false;
}

// ---- Commands ----

static void drop_keys(struct wend_seal *s, struct wend_seal_slot *p)
{
    if (p->keyed)
        wend_sender_close(&p->sender);
    p->keyed = false;
    p->worn_told = false;
    p->say &= (uint8_t)~WEND_SEAL_SAY_EXHAUSTED;
    s->serial++;
}

void wend_seal_want(struct wend_seal *s, struct wend_seal_slot *p)
{
    if (p->wanted)
        return;
    const bool has_path = p->path.transport != WEND_TRANSPORT_NONE;
    p->wanted = true;
    wend_seal_say(s, wend_seal_number(s, p), has_path ? WEND_SEAL_SAY_NO_KEYS : WEND_SEAL_SAY_WANT);
}

// What was not yet out when the keys went asks for new ones.
void wend_seal_lose_keys(struct wend_seal *s, struct wend_seal_slot *p)
{
    drop_keys(s, p);
    p->wanted = false;
    if (p->count > 0)
        wend_seal_want(s, p);
}

static void give_up(struct wend_seal *s, struct wend_seal_slot *p)
{
    wend_seal_queue_drop(s, p);
    p->wanted = false;
    p->say &= (uint8_t) ~(WEND_SEAL_SAY_WANT | WEND_SEAL_SAY_NO_KEYS);
}

static void forget(struct wend_seal *s, struct wend_seal_slot *p)
{
    give_up(s, p);
    drop_keys(s, p);
    take_address(s, p, WEND_FAMILY_IPV4);
    take_address(s, p, WEND_FAMILY_IPV6);
    const bool in_flush = p->in_flush, in_notices = p->in_notices;
    *p = (struct wend_seal_slot){.in_flush = in_flush, .in_notices = in_notices};
}

static int take_keys(struct wend_seal *s, struct wend_seal_slot *p, const struct wend_command *c)
{
    drop_keys(s, p);
    const int error = wend_sender_init(&p->sender, c->key, c->remote_index);
    p->keyed = error == 0;
    p->local_index = c->local_index;
    return error;
}

// Something changed that a queue may have waited for, or a keepalive is wanted.
static void consider_flush(struct wend_seal *s, struct wend_seal_slot *p)
{
    if (wend_seal_is_ready(p) && (p->count > 0 || p->keepalive || p->wanted))
        wend_seal_list_add(&s->flush, wend_seal_number(s, p), &p->in_flush);
}

static int carry_out(struct wend_seal *s, struct wend_seal_slot *p, const struct wend_command *c)
{
    int error = 0;
    switch (c->kind) {
    case WEND_COMMAND_PEER:
        p->used = true;
        give_address(s, p, &c->ipv4, WEND_FAMILY_IPV4);
        give_address(s, p, &c->ipv6, WEND_FAMILY_IPV6);
        break;
    case WEND_COMMAND_PEER_GONE: forget(s, p); break;
    case WEND_COMMAND_KEYS: error = take_keys(s, p, c); break;
    case WEND_COMMAND_KEYS_GONE: wend_seal_lose_keys(s, p); break;
    case WEND_COMMAND_PATH:
        p->path = c->path;
        s->serial++;
        break;
    case WEND_COMMAND_KEEPALIVE: p->keepalive = wend_seal_is_ready(p); break;
    case WEND_COMMAND_FLUSH_DROP: give_up(s, p); break;
    case WEND_COMMAND_SWITCH:
    case WEND_COMMAND_EARLY_DONE:
    case WEND_COMMAND_EARLY_REFUSED:
    case WEND_COMMAND_WATCH:
    case WEND_COMMAND_HOLD:
    case WEND_COMMAND_RELAY:
    case WEND_COMMAND_NONE: break;
    }
    consider_flush(s, p);
    return error;
}

int wend_seal_command(struct wend_seal *s, struct wend_command *command)
{
    int error = 0;
    if (command->slot < WEND_SLOTS_MAX) {
        struct wend_seal_slot *p = &s->slots[command->slot];
        if (p->used || command->kind == WEND_COMMAND_PEER)
            error = carry_out(s, p, command);
    }
    wend_wipe(command->key, sizeof command->key);
    return error;
}

// ---- Reading ----

struct wend_bytes wend_seal_answer(const struct wend_seal *s)
{
    (void)s;
    return (struct wend_bytes){0};
}

const struct wend_drops *wend_seal_drops(const struct wend_seal *s)
{
    return &s->drops;
}

bool wend_seal_is_flushed(const struct wend_seal *s)
{
    return s->flush.count == 0;
}

static uint32_t free_cells(const struct wend_seal *s)
{
    uint32_t count = 0;
    for (uint32_t i = s->cells_free; i != WEND_SEAL_NO_CELL; i = s->cells[i].next)
        wend_assert(++count <= s->cells_used);
    return count;
}

void wend_seal_check(const struct wend_seal *s)
{
    uint32_t queued = 0, addresses = 0;
    for (uint32_t i = 0; i < WEND_SLOTS_MAX; i++) {
        const struct wend_seal_slot *p = &s->slots[i];
        queued += p->count;
        addresses += (p->ipv4.family != 0) + (uint32_t)(p->ipv6.family != 0);
        wend_assert(p->count <= WEND_SEAL_QUEUE_MAX);
        wend_assert(p->used || (!p->keyed && p->count == 0 && p->ipv4.family == 0));
        wend_assert(p->say == 0 || p->in_notices);
        wend_assert(!wend_seal_is_ready(p) || p->count == 0 || p->in_flush);
        wend_assert(wend_seal_is_ready(p) || p->count == 0 || p->wanted);
    }
    wend_assert(queued + free_cells(s) == s->cells_used);
    wend_assert(addresses == s->by_ipv4.count + s->by_ipv6.count);
    wend_map_check(&s->by_ipv4);
    wend_map_check(&s->by_ipv6);
}
