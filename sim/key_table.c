// SPDX-License-Identifier: MIT
#include "key_table.h"

#include <stddef.h>
#include <string.h>

#include "base/bytes.h"

static uint32_t bucket_of(const uint8_t key[static 32])
{
    const uint64_t mixed = (wend_get_u64le(key) ^ wend_get_u64le(key + 16)) * 0x9e3779b97f4a7c15;
    return (uint32_t)(mixed >> 40) % WEND_KEY_TABLE_BUCKETS;
}

static uint32_t next_bucket(uint32_t bucket)
{
    return (bucket + 1) % WEND_KEY_TABLE_BUCKETS;
}

const struct wend_key_pair *wend_key_table_find_private(const struct wend_key_table *t,
                                                        const uint8_t key[static 32])
{
    for (uint32_t b = bucket_of(key); t->by_private[b] != 0; b = next_bucket(b)) {
        const struct wend_key_pair *pair = &t->pairs[t->by_private[b] - 1];
        if (memcmp(pair->private_key, key, 32) == 0)
            return pair;
    }
    return NULL;
}

const struct wend_key_pair *wend_key_table_find_public(const struct wend_key_table *t,
                                                       const uint8_t key[static 32])
{
    for (uint32_t b = bucket_of(key); t->by_public[b] != 0; b = next_bucket(b)) {
        const struct wend_key_pair *pair = &t->pairs[t->by_public[b] - 1];
        if (memcmp(pair->public_key, key, 32) == 0)
            return pair;
    }
    return NULL;
}

static void link_to(uint16_t *buckets, const uint8_t key[static 32], uint32_t number)
{
    uint32_t b = bucket_of(key);
    while (buckets[b] != 0)
        b = next_bucket(b);
    buckets[b] = (uint16_t)(number + 1);
}

const struct wend_key_pair *wend_key_table_add(struct wend_key_table *t,
                                               const struct wend_key_pair *pair)
{
    if (t->count == WEND_SIM_KEYS_MAX)
        return NULL;
    const uint32_t number = t->count++;
    t->pairs[number] = *pair;
    link_to(t->by_private, pair->private_key, number);
    link_to(t->by_public, pair->public_key, number);
    return &t->pairs[number];
}

uint32_t wend_key_table_number(const struct wend_key_table *t, const struct wend_key_pair *pair)
{
    return (uint32_t)(pair - t->pairs);
}
