// SPDX-License-Identifier: MIT
// Devices, invites, and slots of invites: indexes over three pools.
//
// A member is found by its key, and while it is offered or active also by its name and its address,
// which nobody else of the network can have then. A slot outlives its member: an invite for one use
// is used up by one device, whatever becomes of that.
#include "relay/relay_state.h"

#include <string.h>

uint32_t wend_relay_member_find(const struct wend_relay *r, uint32_t network,
                                const uint8_t key[static 32])
{
    struct wend_map_cursor c = wend_map_find(&r->members_by_key.map,
                                             wend_relay_hash(r, network, key, WEND_RECORD_KEY_LEN));
    uint32_t ref;
    while (wend_map_next(&r->members_by_key.map, &c, &ref)) {
        const struct wend_relay_member *m = wend_relay_member_at(r, ref);
        if (m->network == network && memcmp(m->key, key, WEND_RECORD_KEY_LEN) == 0)
            return ref;
    }
    return 0;
}

uint32_t wend_relay_member_by_name(const struct wend_relay *r, uint32_t network, const char *name)
{
    struct wend_map_cursor c =
        wend_map_find(&r->members_by_name.map, wend_relay_hash(r, network, name, strlen(name)));
    uint32_t ref;
    while (wend_map_next(&r->members_by_name.map, &c, &ref)) {
        const struct wend_relay_member *m = wend_relay_member_at(r, ref);
        if (m->network == network && strcmp(m->name, name) == 0)
            return ref;
    }
    return 0;
}

static uint64_t hash_ipv4(const struct wend_relay *r, uint32_t network, uint32_t ipv4)
{
    uint8_t bytes[4];
    wend_put_u32(bytes, ipv4);
    return wend_relay_hash(r, network, bytes, sizeof bytes);
}

uint32_t wend_relay_member_by_ipv4(const struct wend_relay *r, uint32_t network, uint32_t ipv4)
{
    struct wend_map_cursor c = wend_map_find(&r->members_by_ipv4.map, hash_ipv4(r, network, ipv4));
    uint32_t ref;
    while (wend_map_next(&r->members_by_ipv4.map, &c, &ref)) {
        const struct wend_relay_member *m = wend_relay_member_at(r, ref);
        if (m->network == network && m->ipv4 == ipv4)
            return ref;
    }
    return 0;
}

// --- members ---

void wend_relay_member_unname(struct wend_relay *r, uint32_t ref)
{
    struct wend_relay_member *m = wend_relay_member_at(r, ref);
    if (m->name[0] != 0)
        (void)wend_map_remove(&r->members_by_name.map,
                              wend_relay_hash(r, m->network, m->name, strlen(m->name)), ref);
    if (m->ipv4 != 0)
        (void)wend_map_remove(&r->members_by_ipv4.map, hash_ipv4(r, m->network, m->ipv4), ref);
    memset(m->name, 0, sizeof m->name);
    m->ipv4 = 0;
}

void wend_relay_member_name(struct wend_relay *r, uint32_t ref, const char *name, uint32_t ipv4)
{
    struct wend_relay_member *m = wend_relay_member_at(r, ref);
    const size_t len = strlen(name);
    wend_assert(len > 0 && len <= WEND_NAME_LEN_MAX && ipv4 != 0);
    wend_relay_member_unname(r, ref);
    memcpy(m->name, name, len + 1);
    m->ipv4 = ipv4;
    int error = wend_relay_index_insert(&r->members_by_name,
                                        wend_relay_hash(r, m->network, name, len), ref);
    wend_assert(error == 0);
    error = wend_relay_index_insert(&r->members_by_ipv4, hash_ipv4(r, m->network, ipv4), ref);
    wend_assert(error == 0);
}

void wend_relay_member_free(struct wend_relay *r, uint32_t ref)
{
    struct wend_relay_member *m = wend_relay_member_at(r, ref);
    struct wend_relay_network *n = wend_relay_network_at(r, m->network);
    wend_assert(m->client == 0 && m->offer == 0);
    wend_relay_member_unname(r, ref);
    if (m->state == WEND_RELAY_MEMBER_GONE)
        n->gone_count--;
    else
        n->member_count--;
    if (m->serial != 0)
        wend_relay_directory_forget(r, ref);
    (void)wend_map_remove(&r->members_by_key.map,
                          wend_relay_hash(r, m->network, m->key, sizeof m->key), ref);
    wend_relay_give(&r->members, ref);
}

// Forgets who is gone. Whoever did not hear of it begins anew: the directory has another epoch.
static void forget_gone(struct wend_relay *r, uint32_t network)
{
    struct wend_relay_network *n = wend_relay_network_at(r, network);
    uint32_t next;
    for (uint32_t i = n->first; i != 0; i = next) {
        const struct wend_relay_member *m = wend_relay_member_at(r, i);
        next = m->after;
        if (m->state == WEND_RELAY_MEMBER_GONE && m->client == 0 && m->offer == 0)
            wend_relay_member_free(r, i);
    }
    n->epoch = wend_random_u64(&r->random) | 1;
    for (uint32_t i = n->first_client; i != 0; i = wend_relay_client_at(r, i)->after) {
        struct wend_relay_client *c = wend_relay_client_at(r, i);
        c->known = c->whole = c->whole_told = 0;
    }
}

uint32_t wend_relay_member_new(struct wend_relay *r, uint32_t network, const uint8_t key[static 32])
{
    struct wend_relay_network *n = wend_relay_network_at(r, network);
    if (n->member_count >= WEND_RELAY_NETWORK_MEMBERS_MAX)
        return 0;
    if (n->gone_count >= WEND_RELAY_GONE_MAX || r->members.count == r->members.capacity)
        forget_gone(r, network);
    const uint32_t ref = wend_relay_take(&r->members);
    if (ref == 0)
        return 0;
    struct wend_relay_member *m = wend_relay_member_at(r, ref);
    m->network = network;
    m->state = WEND_RELAY_MEMBER_OFFERED;
    memcpy(m->key, key, sizeof m->key);
    n->member_count++;
    const int error = wend_relay_index_insert(
        &r->members_by_key, wend_relay_hash(r, network, key, WEND_RECORD_KEY_LEN), ref);
    wend_assert(error == 0);
    return ref;
}

void wend_relay_member_end(struct wend_relay *r, uint32_t ref)
{
    struct wend_relay_member *m = wend_relay_member_at(r, ref);
    struct wend_relay_network *n = wend_relay_network_at(r, m->network);
    wend_assert(m->state == WEND_RELAY_MEMBER_ACTIVE);
    wend_relay_member_unname(r, ref);
    m->state = WEND_RELAY_MEMBER_GONE;
    m->membership_len = 0;
    n->member_count--;
    n->gone_count++;
    wend_relay_offer_end(r, ref);
    wend_relay_directory_changed(r, ref);
}

// --- invites ---

uint32_t wend_relay_invite_find(const struct wend_relay *r, uint32_t network,
                                const uint8_t id[static WEND_INVITE_ID_LEN])
{
    struct wend_map_cursor c =
        wend_map_find(&r->invites_by_id.map, wend_relay_hash(r, network, id, WEND_INVITE_ID_LEN));
    uint32_t ref;
    while (wend_map_next(&r->invites_by_id.map, &c, &ref)) {
        const struct wend_relay_invite *i = wend_relay_invite_at(r, ref);
        if (i->network == network && memcmp(i->id, id, WEND_INVITE_ID_LEN) == 0)
            return ref;
    }
    return 0;
}

uint32_t wend_relay_invite_get(struct wend_relay *r, uint32_t network, struct wend_bytes in)
{
    struct wend_delegation d;
    uint8_t id[WEND_INVITE_ID_LEN];
    const int decoded = wend_delegation_decode(in, &d);
    wend_assert(decoded == 0);
    wend_invite_id(d.invite_key, id);
    uint32_t ref = wend_relay_invite_find(r, network, id);
    if (ref != 0)
        return ref;
    ref = wend_relay_take(&r->invites);
    if (ref == 0)
        return 0;
    struct wend_relay_invite *i = wend_relay_invite_at(r, ref);
    struct wend_relay_network *n = wend_relay_network_at(r, network);
    i->used = true;
    i->network = network;
    i->uses = d.uses;
    i->join_before = d.join_before;
    memcpy(i->id, id, sizeof i->id);
    memcpy(i->delegation, in.at, sizeof i->delegation);
    i->next = n->first_invite;
    n->first_invite = ref;
    const int error =
        wend_relay_index_insert(&r->invites_by_id, wend_relay_hash(r, network, id, sizeof id), ref);
    wend_assert(error == 0);
    return ref;
}

static void free_invite(struct wend_relay *r, uint32_t ref)
{
    const struct wend_relay_invite *i = wend_relay_invite_at(r, ref);
    uint32_t *link = &wend_relay_network_at(r, i->network)->first_invite;
    while (*link != ref)
        link = &wend_relay_invite_at(r, *link)->next;
    *link = i->next;
    (void)wend_map_remove(&r->invites_by_id.map,
                          wend_relay_hash(r, i->network, i->id, sizeof i->id), ref);
    wend_relay_give(&r->invites, ref);
}

// --- slots ---

static uint64_t hash_slot(const struct wend_relay *r, uint32_t invite, uint32_t number)
{
    return hash_ipv4(r, invite, number);
}

uint32_t wend_relay_slot_find(const struct wend_relay *r, uint32_t invite, uint32_t number)
{
    struct wend_map_cursor c = wend_map_find(&r->slots_by_number.map, hash_slot(r, invite, number));
    uint32_t ref;
    while (wend_map_next(&r->slots_by_number.map, &c, &ref)) {
        const struct wend_relay_slot *s = wend_relay_slot_at(r, ref);
        if (s->invite == invite && s->number == number)
            return ref;
    }
    return 0;
}

uint32_t wend_relay_slot_of(const struct wend_relay *r, uint32_t invite,
                            const uint8_t key[static 32])
{
    uint32_t i = wend_relay_invite_at(r, invite)->first_slot;
    while (i != 0 && memcmp(wend_relay_slot_at(r, i)->key, key, WEND_RECORD_KEY_LEN) != 0)
        i = wend_relay_slot_at(r, i)->next;
    return i;
}

uint32_t wend_relay_slot_take(struct wend_relay *r, uint32_t invite, uint32_t number,
                              const uint8_t key[static 32])
{
    const uint32_t ref = wend_relay_take(&r->slots);
    if (ref == 0)
        return 0;
    struct wend_relay_slot *s = wend_relay_slot_at(r, ref);
    struct wend_relay_invite *i = wend_relay_invite_at(r, invite);
    s->invite = invite;
    s->number = number;
    memcpy(s->key, key, sizeof s->key);
    s->next = i->first_slot;
    i->first_slot = ref;
    i->taken++;
    const int error =
        wend_relay_index_insert(&r->slots_by_number, hash_slot(r, invite, number), ref);
    wend_assert(error == 0);
    return ref;
}

void wend_relay_slot_give(struct wend_relay *r, uint32_t ref)
{
    const struct wend_relay_slot *s = wend_relay_slot_at(r, ref);
    struct wend_relay_invite *i = wend_relay_invite_at(r, s->invite);
    uint32_t *link = &i->first_slot;
    while (*link != ref)
        link = &wend_relay_slot_at(r, *link)->next;
    *link = s->next;
    i->taken--;
    (void)wend_map_remove(&r->slots_by_number.map, hash_slot(r, s->invite, s->number), ref);
    wend_relay_give(&r->slots, ref);
}

// --- time ---

static void forget_slot(struct wend_relay *r, uint32_t ref)
{
    const struct wend_relay_slot *s = wend_relay_slot_at(r, ref);
    const struct wend_relay_invite *i = wend_relay_invite_at(r, s->invite);
    struct wend_relay_event e = {.kind = WEND_RELAY_FORGET_MEMBER, .slot = s->number};
    memcpy(e.network, wend_relay_network_at(r, i->network)->key, sizeof e.network);
    memcpy(e.invite_id, i->id, sizeof e.invite_id);
    memcpy(e.device, s->key, sizeof e.device);
    wend_relay_raise(r, &e);
    wend_relay_slot_give(r, ref);
}

static void expire_members(struct wend_relay *r)
{
    for (uint32_t i = 1; i <= r->members.high; i++) {
        const struct wend_relay_member *m = wend_relay_member_at(r, i);
        if (m->state != WEND_RELAY_MEMBER_ACTIVE || m->expires > r->unix_seconds)
            continue;
        const uint32_t client = m->client;
        if (client != 0)
            wend_relay_client_drop(r, client);
        wend_relay_member_end(r, i);
    }
}

void wend_relay_members_tidy(struct wend_relay *r)
{
    const uint64_t past = r->unix_seconds - WEND_TRUST_SKEW_S;
    if (!wend_relay_can_store(r))
        return;
    expire_members(r);
    for (uint32_t i = 1; i <= r->slots.high && wend_relay_can_store(r); i++) {
        const struct wend_relay_slot *s = wend_relay_slot_at(r, i);
        if (s->invite != 0 && s->committed && s->expires <= past &&
            wend_relay_invite_at(r, s->invite)->join_before < past)
            forget_slot(r, i);
    }
    for (uint32_t i = 1; i <= r->invites.high; i++) {
        const struct wend_relay_invite *invite = wend_relay_invite_at(r, i);
        if (invite->used && invite->taken == 0 && invite->join_before < past)
            free_invite(r, i);
    }
}
