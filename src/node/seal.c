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
    wend_seal_init_answers(s);
    wend_map_init_zeroed(&s->by_ipv4, s->entries_ipv4, WEND_SEAL_MAP_SIZE);
    wend_map_init_zeroed(&s->by_ipv6, s->entries_ipv6, WEND_SEAL_MAP_SIZE);
    return s;
}

void wend_seal_close(struct wend_seal *s)
{
    for (uint32_t i = 0; i < s->keyed_before; i++)
        if (s->slots[i].keyed) {
            wend_seal_course_end(&s->slots[i]);
            wend_sender_close(&s->slots[i].sender);
        }
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
void wend_seal_give_address(struct wend_seal *s, struct wend_seal_slot *p,
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

void wend_seal_want(struct wend_seal *s, struct wend_seal_slot *p)
{
    if (p->wanted)
        return;
    const bool has_path = p->path.transport != WEND_TRANSPORT_NONE;
    p->wanted = true;
    wend_seal_say(s, wend_seal_number(s, p), has_path ? WEND_SEAL_SAY_NO_KEYS : WEND_SEAL_SAY_WANT);
}

static enum wend_notice_kind take_say(struct wend_seal_slot *p)
{
    static const enum wend_notice_kind kinds[] = {WEND_NOTICE_WANT, WEND_NOTICE_NO_KEYS,
                                                  WEND_NOTICE_EXHAUSTED, WEND_NOTICE_SWITCHED,
                                                  WEND_NOTICE_TRAFFIC};
    for (unsigned i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (p->say & 1u << i) {
            p->say &= (uint8_t) ~(1u << i);
            return kinds[i];
        }
    return WEND_NOTICE_NONE;
}

static void fill_notice(struct wend_seal *s, struct wend_seal_slot *p, struct wend_notice *n)
{
    if (n->kind == WEND_NOTICE_WANT || n->kind == WEND_NOTICE_NO_KEYS)
        wend_seal_tell_early(s, p, n);
    if (n->kind == WEND_NOTICE_SWITCHED)
        n->counter = p->course.first;
}

bool wend_seal_next_notice(struct wend_seal *s, struct wend_notice *ret)
{
    while (s->notices.count > 0) {
        const uint32_t slot = wend_seal_list_first(&s->notices);
        struct wend_seal_slot *p = &s->slots[slot];
        const enum wend_notice_kind kind = take_say(p);
        if (kind != WEND_NOTICE_NONE) {
            *ret = (struct wend_notice){.kind = kind, .slot = slot, .local_index = p->local_index};
            fill_notice(s, p, ret);
            return true;
        }
        wend_seal_list_remove_first(&s->notices);
        p->in_notices = false;
    }
    return false;
}

// ---- Reading ----

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
        wend_assert(!p->keyed || i < s->keyed_before);
        wend_assert(p->used || (!p->keyed && p->count == 0 && p->ipv4.family == 0));
        wend_assert(p->early <= p->count && p->early <= p->early_told);
        wend_assert(!p->course.has_former || (p->keyed && p->unsettled));
        wend_assert(!wend_seal_is_doubled(p) || p->path.transport != WEND_TRANSPORT_NONE);
        wend_assert(p->say == 0 || p->in_notices);
        wend_assert(!wend_seal_may_flow(p) || p->count == 0 || p->in_flush);
        wend_assert(wend_seal_is_ready(p) || p->count == 0 || p->wanted);
    }
    wend_assert(queued + free_cells(s) == s->cells_used);
    wend_assert(addresses == s->by_ipv4.count + s->by_ipv6.count);
    wend_map_check(&s->by_ipv4);
    wend_map_check(&s->by_ipv6);
}
