// SPDX-License-Identifier: MIT
// Join offers a slot of an invite and an address, and holds them for a minute; Join Commit takes
// the membership that the device made of them and signs its receipt. docs/protocol.md section 6.
//
// The same device with the same invite is offered the same again, and its repeated commit gets the
// receipt that it got before: nothing is used up twice by a lost answer.
#include "relay/relay_state.h"

#include <string.h>

static const struct wend_prefix *own_pool(const struct wend_relay *r,
                                          const struct wend_relay_network *n)
{
    const struct wend_server_record *s =
        wend_network_record_find_server(&n->record, r->signature_key);
    return s != NULL ? &s->pool : NULL;
}

static bool may_lease(const struct wend_relay_network *n, const struct wend_prefix *pool,
                      uint32_t ipv4)
{
    const struct wend_address a = wend_address_ipv4(ipv4, 0);
    const uint32_t first = wend_get_u32(n->record.pool.ip);
    const uint32_t last = first | UINT32_MAX >> n->record.pool.bits;
    return wend_prefix_contains(pool, &a) && ipv4 > first + 1 && ipv4 < last;
}

// A free address of our pool, by preference one that the device's key leads to; 0: none. There are
// at most as many taken ones as members, so the search is short.
static uint32_t find_ipv4(const struct wend_relay *r, uint32_t network, const uint8_t *key,
                          const struct wend_prefix *pool)
{
    const struct wend_relay_network *n = wend_relay_network_at(r, network);
    const uint32_t base = wend_get_u32(pool->ip);
    const uint32_t size = (UINT32_MAX >> pool->bits) + 1;
    uint8_t hash[WEND_BLAKE2S_LEN];
    wend_blake2s(&(struct wend_bytes){key, WEND_RECORD_KEY_LEN}, 1, hash);
    const uint32_t start = wend_get_u32(hash);
    const uint32_t tries = size < n->member_count + 4 ? size : n->member_count + 4;
    for (uint32_t i = 0; i < tries; i++) {
        const uint32_t ipv4 = base + (start + i) % size;
        if (may_lease(n, pool, ipv4) && wend_relay_member_by_ipv4(r, network, ipv4) == 0)
            return ipv4;
    }
    return 0;
}

// The lowest slot number that nobody has; invite->uses: none.
static uint32_t find_slot_number(const struct wend_relay *r, uint32_t invite)
{
    struct wend_relay_invite *i = wend_relay_invite_at(r, invite);
    if (i->taken >= i->uses)
        return i->uses;
    uint32_t number = i->next_slot;
    while (number < i->uses && wend_relay_slot_find(r, invite, number) != 0)
        number++;
    if (number == i->uses) // earlier ones were given back
        for (number = 0; wend_relay_slot_find(r, invite, number) != 0;)
            number++;
    i->next_slot = number;
    return number;
}

static bool read_name(struct wend_bytes in, char ret[static WEND_NAME_LEN_MAX + 1])
{
    if (!wend_name_is_valid(in))
        return false;
    memcpy(ret, in.at, in.len);
    ret[in.len] = 0;
    return true;
}

// What one Join asks for.
struct wish {
    uint32_t network, invite, member, slot;
    uint32_t ipv4;
    char name[WEND_NAME_LEN_MAX + 1];
};

static enum wend_error check(struct wend_relay *r, struct wend_relay_request *q, struct wish *wish)
{
    const struct wend_attributes *a = &q->a;
    if (a->network.at == NULL || a->delegation.at == NULL || !read_name(a->name, wish->name))
        return WEND_ERROR_MALFORMED;
    wish->network = wend_relay_network_find(r, a->network);
    if (wish->network == 0)
        return WEND_ERROR_UNKNOWN_PEER;
    const struct wend_relay_network *n = wend_relay_network_at(r, wish->network);
    struct wend_delegation d;
    const enum wend_error error =
        wend_trust_check_delegation(&n->trust, a->delegation, r->unix_seconds, &d);
    if (error != WEND_ERROR_NONE)
        return error;
    if (wend_revocation_has_device(n->trust.revoked, q->client->key))
        return WEND_ERROR_REVOKED;
    const uint32_t other = wend_relay_member_by_name(r, wish->network, wish->name);
    if (other != 0 && memcmp(wend_relay_member_at(r, other)->key, q->client->key, 32) != 0) {
        q->text = "another device has this name";
        return WEND_ERROR_TAKEN;
    }
    return WEND_ERROR_NONE;
}

// The address that the device has, if it may keep it, else a free one.
static enum wend_error choose_address(struct wend_relay *r, struct wend_relay_request *q,
                                      struct wish *wish)
{
    const struct wend_relay_network *n = wend_relay_network_at(r, wish->network);
    const struct wend_prefix *pool = own_pool(r, n);
    if (pool == NULL)
        return WEND_ERROR_UNLISTED;
    if (wish->member != 0 && may_lease(n, pool, wend_relay_member_at(r, wish->member)->ipv4))
        wish->ipv4 = wend_relay_member_at(r, wish->member)->ipv4;
    else
        wish->ipv4 = find_ipv4(r, wish->network, q->client->key, pool);
    return wish->ipv4 != 0 ? WEND_ERROR_NONE : WEND_ERROR_POOL_FULL;
}

static enum wend_error choose_slot(struct wend_relay *r, struct wend_relay_request *q,
                                   struct wish *wish)
{
    wish->invite = wend_relay_invite_get(r, wish->network, q->a.delegation);
    if (wish->invite == 0)
        return WEND_ERROR_LIMIT;
    wish->slot = wend_relay_slot_of(r, wish->invite, q->client->key);
    if (wish->slot != 0)
        return WEND_ERROR_NONE;
    const uint32_t number = find_slot_number(r, wish->invite);
    if (number == wend_relay_invite_at(r, wish->invite)->uses)
        return WEND_ERROR_EXHAUSTED;
    wish->slot = wend_relay_slot_take(r, wish->invite, number, q->client->key);
    return wish->slot != 0 ? WEND_ERROR_NONE : WEND_ERROR_LIMIT;
}

// Holds name, address and slot. A member keeps its own name until it commits.
static enum wend_error hold(struct wend_relay *r, struct wend_relay_request *q, struct wish *wish)
{
    if (wish->member == 0)
        wish->member = wend_relay_member_new(r, wish->network, q->client->key);
    if (wish->member == 0) {
        if (!wend_relay_slot_at(r, wish->slot)->committed)
            wend_relay_slot_give(r, wish->slot);
        return WEND_ERROR_LIMIT;
    }
    if (wend_relay_member_at(r, wish->member)->state != WEND_RELAY_MEMBER_ACTIVE)
        wend_relay_member_name(r, wish->member, wish->name, wish->ipv4);
    wend_relay_offer(r, wish->member, wish->slot);
    return WEND_ERROR_NONE;
}

enum wend_error wend_relay_join(struct wend_relay *r, struct wend_relay_request *q,
                                struct wend_writer *w)
{
    struct wish wish = {0};
    if (!wend_relay_can_store(r))
        return WEND_ERROR_LIMIT;
    enum wend_error error = check(r, q, &wish);
    if (error == WEND_ERROR_NONE) {
        wish.member = wend_relay_member_find(r, wish.network, q->client->key);
        error = choose_address(r, q, &wish);
    }
    if (error == WEND_ERROR_NONE)
        error = choose_slot(r, q, &wish);
    if (error == WEND_ERROR_NONE)
        error = hold(r, q, &wish);
    if (error != WEND_ERROR_NONE)
        return error;
    wend_attribute_put_u32(w, WEND_ATTRIBUTE_SLOT, wend_relay_slot_at(r, wish.slot)->number);
    wend_attribute_put_u32(w, WEND_ATTRIBUTE_IPV4, wish.ipv4);
    wend_attribute_put_u64(w, WEND_ATTRIBUTE_TIME, r->unix_seconds);
    return WEND_ERROR_NONE;
}

// --- commit ---

static struct wend_bytes held_membership(const struct wend_relay_member *m)
{
    return (struct wend_bytes){m->membership, m->membership_len};
}

// Whether this very membership was committed before: then its receipt is said again.
static bool said_before(struct wend_relay *r, const struct wend_relay_request *q, uint32_t member,
                        struct wend_writer *w)
{
    if (member == 0)
        return false;
    const struct wend_relay_member *m = wend_relay_member_at(r, member);
    if (m->state != WEND_RELAY_MEMBER_ACTIVE ||
        !wend_bytes_equal(held_membership(m), q->a.membership))
        return false;
    wend_attribute_put(w, WEND_ATTRIBUTE_RECEIPT, WEND_BYTES(m->receipt));
    return true;
}

static enum wend_error sign_receipt(struct wend_relay *r, const struct wend_member *m,
                                    struct wend_bytes membership, struct wend_writer *ret)
{
    struct wend_receipt receipt = {.slot = m->slot, .time = r->unix_seconds};
    wend_membership_hash(membership, receipt.membership_hash);
    memcpy(receipt.server, r->signature_key, sizeof receipt.server);
    return wend_receipt_sign(&receipt, r->config.seed, ret) == 0 ? WEND_ERROR_NONE
                                                                 : WEND_ERROR_MALFORMED;
}

static enum wend_error commit(struct wend_relay *r, struct wend_relay_request *q, uint32_t network,
                              const struct wend_member *m, struct wend_writer *w)
{
    uint8_t receipt[WEND_RECEIPT_LEN];
    struct wend_writer signed_receipt = wend_writer_of(receipt, sizeof receipt);
    enum wend_error error = sign_receipt(r, m, q->a.membership, &signed_receipt);
    if (error != WEND_ERROR_NONE)
        return error;
    const struct wend_chain chain = {q->a.delegation, q->a.membership, WEND_BYTES(receipt)};
    uint32_t member;
    bool is_new;
    error = wend_relay_admit(r, network, &chain, m, &member, &is_new);
    if (error != WEND_ERROR_NONE)
        return error;
    wend_relay_raise_member(r, WEND_RELAY_JOINED, wend_relay_member_at(r, member));
    wend_attribute_put(w, WEND_ATTRIBUTE_RECEIPT, WEND_BYTES(receipt));
    return WEND_ERROR_NONE;
}

enum wend_error wend_relay_join_commit(struct wend_relay *r, struct wend_relay_request *q,
                                       struct wend_writer *w)
{
    struct wend_membership decoded;
    if (q->a.delegation.at == NULL || wend_membership_decode(q->a.membership, &decoded) != 0)
        return WEND_ERROR_MALFORMED;
    const uint32_t network = wend_relay_network_find(r, WEND_BYTES(decoded.network));
    if (network == 0)
        return WEND_ERROR_UNKNOWN_PEER;
    if (!wend_relay_can_store(r))
        return WEND_ERROR_LIMIT;
    const uint32_t held = wend_relay_member_find(r, network, q->client->key);
    const struct wend_relay_network *n = wend_relay_network_at(r, network);
    const struct wend_chain chain = {.delegation = q->a.delegation, .membership = q->a.membership};
    struct wend_member m;
    const enum wend_error error =
        wend_trust_check_commit(&n->trust, &chain, r->signature_key, r->unix_seconds, &m);
    if (memcmp(decoded.device, q->client->key, sizeof decoded.device) != 0) {
        q->text = "the membership is of another device";
        return WEND_ERROR_NOT_ALLOWED;
    }
    if (error == WEND_ERROR_NONE && said_before(r, q, held, w))
        return WEND_ERROR_NONE;
    if (error != WEND_ERROR_NONE)
        return error;
    if (held != 0 && wend_relay_member_at(r, held)->state == WEND_RELAY_MEMBER_ACTIVE &&
        decoded.made < wend_relay_member_at(r, held)->made)
        return WEND_ERROR_REPLAYED;
    return commit(r, q, network, &m, w);
}
