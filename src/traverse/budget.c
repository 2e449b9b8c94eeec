// SPDX-License-Identifier: MIT
#include "traverse/budget.h"

#include <string.h>

void wend_budget_init(struct wend_budget *b, const uint8_t key[static WEND_HASH_KEY_LEN])
{
    memcpy(b->key, key, WEND_HASH_KEY_LEN);
}

static size_t set_of(const struct wend_budget *b, const struct wend_address *ip)
{
    return wend_hash(b->key, ip, sizeof *ip) % WEND_BUDGET_SETS;
}

static struct wend_address without_port(const struct wend_address *a)
{
    struct wend_address ip = *a;

    ip.port = 0;
    return ip;
}

static bool is_old(wend_instant spent, wend_instant now)
{
    return spent == 0 || spent + WEND_BUDGET_WINDOW <= now;
}

static bool is_free(const struct wend_budget_entry *e, wend_instant now)
{
    if (e->ip.family == WEND_FAMILY_NONE)
        return true;
    for (uint32_t i = 0; i < WEND_BUDGET_PROBES; i++)
        if (!is_old(e->spent[i], now))
            return false;
    return true;
}

// The entry of an address; a free one made its own if it has none; NULL: the set is full.
static struct wend_budget_entry *find_or_make(struct wend_budget *b, const struct wend_address *ip,
                                              wend_instant now)
{
    const size_t set = set_of(b, ip);
    struct wend_budget_entry *room = NULL;

    for (uint32_t i = 0; i < WEND_BUDGET_WAYS; i++) {
        struct wend_budget_entry *e = &b->entries[i][set];
        if (wend_address_equal(&e->ip, ip))
            return e;
        if (room == NULL && is_free(e, now))
            room = e;
    }
    if (room != NULL) {
        memset(room, 0, sizeof *room);
        room->ip = *ip;
    }
    return room;
}

bool wend_budget_spend(struct wend_budget *b, const struct wend_address *to, wend_instant now)
{
    const struct wend_address ip = without_port(to);
    struct wend_budget_entry *e = find_or_make(b, &ip, now);

    if (e == NULL)
        return false;
    for (uint32_t i = 0; i < WEND_BUDGET_PROBES; i++) {
        if (!is_old(e->spent[i], now))
            continue;
        e->spent[i] = now;
        return true;
    }
    return false;
}

void wend_budget_refund(struct wend_budget *b, const struct wend_address *to, wend_instant sent)
{
    const struct wend_address ip = without_port(to);
    const size_t set = set_of(b, &ip);

    for (uint32_t i = 0; i < WEND_BUDGET_WAYS; i++) {
        struct wend_budget_entry *e = &b->entries[i][set];
        if (!wend_address_equal(&e->ip, &ip))
            continue;
        for (uint32_t j = 0; j < WEND_BUDGET_PROBES; j++) {
            if (e->spent[j] == sent) {
                e->spent[j] = 0;
                return;
            }
        }
    }
}
