// SPDX-License-Identifier: MIT
// What a join holds for a minute, and what makes a device a member for good.
#include "relay/relay_state.h"

#include <errno.h>
#include <string.h>

// --- offers: in the order in which they end ---

static void unlink_offer(struct wend_relay *r, struct wend_relay_member *m)
{
    if (m->offer_before != 0)
        wend_relay_member_at(r, m->offer_before)->offer_after = m->offer_after;
    else
        r->first_offer = m->offer_after;
    if (m->offer_after != 0)
        wend_relay_member_at(r, m->offer_after)->offer_before = m->offer_before;
    else
        r->last_offer = m->offer_before;
    m->offer_before = m->offer_after = 0;
}

void wend_relay_offer(struct wend_relay *r, uint32_t member, uint32_t slot)
{
    struct wend_relay_member *m = wend_relay_member_at(r, member);
    if (m->offer != 0)
        unlink_offer(r, m);
    if (m->offer != 0 && m->offer != slot && !wend_relay_slot_at(r, m->offer)->committed)
        wend_relay_slot_give(r, m->offer);
    m->offer = slot;
    m->offer_until = r->now + WEND_RELAY_OFFER_LIFE;
    m->offer_before = r->last_offer;
    if (m->offer_before != 0)
        wend_relay_member_at(r, m->offer_before)->offer_after = member;
    else
        r->first_offer = member;
    r->last_offer = member;
}

void wend_relay_offer_end(struct wend_relay *r, uint32_t member)
{
    struct wend_relay_member *m = wend_relay_member_at(r, member);
    if (m->offer == 0)
        return;
    unlink_offer(r, m);
    if (!wend_relay_slot_at(r, m->offer)->committed)
        wend_relay_slot_give(r, m->offer);
    m->offer = 0;
    if (m->state == WEND_RELAY_MEMBER_GONE)
        wend_relay_member_unname(r, member);
    if (m->state == WEND_RELAY_MEMBER_OFFERED)
        wend_relay_member_free(r, member);
}

void wend_relay_offers_expire(struct wend_relay *r)
{
    while (r->first_offer != 0 && wend_relay_member_at(r, r->first_offer)->offer_until <= r->now)
        wend_relay_offer_end(r, r->first_offer);
}

wend_instant wend_relay_offers_deadline(const struct wend_relay *r)
{
    return r->first_offer != 0 ? wend_relay_member_at(r, r->first_offer)->offer_until : WEND_NEVER;
}

// --- admitting ---

struct admission {
    uint32_t network;
    const struct wend_chain *chain;
    const struct wend_member *m;
    uint32_t invite, slot, member;
};

static bool is_other(const struct wend_relay *r, uint32_t member, const uint8_t *key)
{
    return member != 0 &&
           memcmp(wend_relay_member_at(r, member)->key, key, WEND_RECORD_KEY_LEN) != 0;
}

// Whether slot, name and address are free for this key.
static enum wend_error check_free(struct wend_relay *r, struct admission *a)
{
    const struct wend_member *m = a->m;
    a->invite = wend_relay_invite_get(r, a->network, a->chain->delegation);
    if (a->invite == 0)
        return WEND_ERROR_LIMIT;
    const struct wend_relay_invite *i = wend_relay_invite_at(r, a->invite);
    if (memcmp(i->delegation, a->chain->delegation.at, sizeof i->delegation) != 0)
        return WEND_ERROR_TAKEN;
    a->slot = wend_relay_slot_find(r, a->invite, m->slot);
    if (a->slot != 0 && memcmp(wend_relay_slot_at(r, a->slot)->key, m->key, sizeof m->key) != 0)
        return WEND_ERROR_TAKEN;
    if (is_other(r, wend_relay_member_by_name(r, a->network, m->name), m->key) ||
        is_other(r, wend_relay_member_by_ipv4(r, a->network, m->ipv4), m->key))
        return WEND_ERROR_TAKEN;
    return WEND_ERROR_NONE;
}

static bool is_same_chain(const struct wend_relay_member *held, const struct wend_chain *chain)
{
    return held->state == WEND_RELAY_MEMBER_ACTIVE &&
           wend_bytes_equal((struct wend_bytes){held->membership, held->membership_len},
                            chain->membership) &&
           wend_bytes_equal((struct wend_bytes){held->receipt, sizeof held->receipt},
                            chain->receipt);
}

static enum wend_error make_room(struct wend_relay *r, struct admission *a)
{
    if (a->member == 0)
        a->member = wend_relay_member_new(r, a->network, a->m->key);
    if (a->member == 0)
        return WEND_ERROR_LIMIT;
    if (a->slot == 0)
        a->slot = wend_relay_slot_take(r, a->invite, a->m->slot, a->m->key);
    if (a->slot != 0)
        return WEND_ERROR_NONE;
    if (wend_relay_member_at(r, a->member)->state == WEND_RELAY_MEMBER_OFFERED &&
        wend_relay_member_at(r, a->member)->offer == 0)
        wend_relay_member_free(r, a->member);
    return WEND_ERROR_LIMIT;
}

static void activate(struct wend_relay *r, struct wend_relay_member *m)
{
    struct wend_relay_network *n = wend_relay_network_at(r, m->network);
    if (m->state == WEND_RELAY_MEMBER_GONE) {
        n->gone_count--;
        n->member_count++;
    }
    m->state = WEND_RELAY_MEMBER_ACTIVE;
}

static void keep_chain(struct wend_relay *r, const struct admission *a)
{
    struct wend_relay_member *m = wend_relay_member_at(r, a->member);
    struct wend_relay_slot *s = wend_relay_slot_at(r, a->slot);
    struct wend_membership decoded;
    const int error = wend_membership_decode(a->chain->membership, &decoded);
    wend_assert(error == 0);
    activate(r, m);
    wend_relay_member_name(r, a->member, a->m->name, a->m->ipv4);
    m->invite = a->invite;
    m->slot = a->m->slot;
    m->made = decoded.made;
    m->receipt_time = a->m->receipt_time;
    m->expires = a->m->expires;
    m->membership_len = (uint16_t)a->chain->membership.len;
    memcpy(m->membership, a->chain->membership.at, a->chain->membership.len);
    memcpy(m->receipt, a->chain->receipt.at, sizeof m->receipt);
    s->committed = true;
    s->expires = a->m->expires;
    wend_relay_offer_end(r, a->member);
}

static void store(struct wend_relay *r, const struct admission *a)
{
    struct wend_relay_event e = {
        .kind = WEND_RELAY_STORE_MEMBER, .slot = a->m->slot, .chain = *a->chain};
    memcpy(e.network, wend_relay_network_at(r, a->network)->key, sizeof e.network);
    memcpy(e.device, a->m->key, sizeof e.device);
    memcpy(e.invite_id, a->m->invite_id, sizeof e.invite_id);
    memcpy(e.name, a->m->name, sizeof e.name);
    wend_relay_raise(r, &e);
}

enum wend_error wend_relay_admit(struct wend_relay *r, uint32_t network,
                                 const struct wend_chain *chain, const struct wend_member *m,
                                 uint32_t *ret_member, bool *ret_new)
{
    struct admission a = {.network = network, .chain = chain, .m = m};
    a.member = wend_relay_member_find(r, network, m->key);
    const struct wend_relay_member *held = a.member != 0 ? wend_relay_member_at(r, a.member) : NULL;
    *ret_new = held == NULL || !is_same_chain(held, chain);
    *ret_member = a.member;
    if (!*ret_new)
        return WEND_ERROR_NONE;
    if (held != NULL && held->state == WEND_RELAY_MEMBER_ACTIVE &&
        m->receipt_time < held->receipt_time)
        return WEND_ERROR_REPLAYED;
    if (!wend_relay_can_store(r))
        return WEND_ERROR_LIMIT;
    enum wend_error error = check_free(r, &a);
    if (error == WEND_ERROR_NONE)
        error = make_room(r, &a);
    if (error != WEND_ERROR_NONE)
        return error;
    keep_chain(r, &a);
    wend_relay_directory_changed(r, a.member);
    wend_relay_member_at(r, a.member)->chain_serial = wend_relay_member_at(r, a.member)->serial;
    if (!r->loading)
        store(r, &a);
    *ret_member = a.member;
    return WEND_ERROR_NONE;
}

// --- what was stored ---

// Ours, from our own disk: signatures were judged when it was stored.
int wend_relay_load_member(struct wend_relay *r, const struct wend_chain *chain)
{
    struct wend_membership m;
    struct wend_receipt receipt;
    struct wend_delegation d;
    if (wend_membership_decode(chain->membership, &m) != 0 ||
        wend_receipt_decode(chain->receipt, &receipt) != 0 ||
        wend_delegation_decode(chain->delegation, &d) != 0)
        return -EBADMSG;
    const uint32_t network = wend_relay_network_find(r, WEND_BYTES(m.network));
    if (network == 0)
        return -ENOENT;
    struct wend_member member = {.slot = m.slot,
                                 .ipv4 = m.ipv4,
                                 .receipt_time = receipt.time,
                                 .expires = receipt.time + m.lifetime};
    memcpy(member.key, m.device, sizeof member.key);
    memcpy(member.invite_id, m.invite_id, sizeof member.invite_id);
    memcpy(member.name, m.name, sizeof member.name);
    const bool out = member.expires <= r->unix_seconds ||
                     wend_trust_is_revoked(&wend_relay_network_at(r, network)->trust, &member);
    uint32_t ref;
    bool is_new;
    r->loading = true;
    const enum wend_error error =
        out ? WEND_ERROR_EXPIRED : wend_relay_admit(r, network, chain, &member, &ref, &is_new);
    r->loading = false;
    if (error == WEND_ERROR_NONE)
        return 0;
    const uint32_t invite = wend_relay_invite_get(r, network, chain->delegation);
    if (invite == 0)
        return -ENOSPC;
    uint32_t slot = wend_relay_slot_find(r, invite, m.slot);
    if (slot == 0)
        slot = wend_relay_slot_take(r, invite, m.slot, m.device);
    if (slot == 0)
        return -ENOSPC;
    wend_relay_slot_at(r, slot)->committed = true;
    wend_relay_slot_at(r, slot)->expires = member.expires;
    return 0;
}
