// SPDX-License-Identifier: MIT
// Each judgement goes the same way: decode all, is it of this network, does every signature hold
// and belong to the others, and only then what the signed words say.
#include "session/trust.h"

#include <string.h>

// The records of a chain, decoded. When a server judges before it signs, the receipt is the one
// that it would sign.
struct decoded {
    struct wend_delegation delegation;
    struct wend_membership membership;
    struct wend_receipt receipt;
};

static bool same_key(const uint8_t a[static WEND_RECORD_KEY_LEN],
                     const uint8_t b[static WEND_RECORD_KEY_LEN])
{
    return memcmp(a, b, WEND_RECORD_KEY_LEN) == 0;
}

static uint64_t add(uint64_t a, uint64_t b)
{
    return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

static bool is_long_before(uint64_t a, uint64_t b)
{
    return add(a, WEND_TRUST_SKEW_S) < b;
}

// By the key that the record must be signed with.
static enum wend_error check_signature(struct wend_bytes record,
                                       const uint8_t key[static WEND_ED25519_LEN])
{
    return wend_record_verify(record, key) == 0 ? WEND_ERROR_NONE : WEND_ERROR_FORGED;
}

static enum wend_error decode_delegation(const struct wend_network_record *network,
                                         struct wend_bytes in, struct wend_delegation *ret)
{
    if (wend_delegation_decode(in, ret) != 0)
        return WEND_ERROR_MALFORMED;
    if (!same_key(ret->network, network->key))
        return WEND_ERROR_FOREIGN;
    return check_signature(in, network->key);
}

// The membership must be the invite's, whose delegation is decoded already.
static enum wend_error decode_membership(const struct wend_delegation *d, struct wend_bytes in,
                                         struct wend_membership *ret)
{
    uint8_t id[WEND_INVITE_ID_LEN];
    if (wend_membership_decode(in, ret) != 0)
        return WEND_ERROR_MALFORMED;
    if (!same_key(ret->network, d->network))
        return WEND_ERROR_FOREIGN;
    wend_invite_id(d->invite_key, id);
    if (memcmp(ret->invite_id, id, sizeof(id)) != 0)
        return WEND_ERROR_FORGED;
    return check_signature(in, d->invite_key);
}

// The receipt must be for this membership and its slot.
static enum wend_error decode_receipt(const struct wend_membership *m, struct wend_bytes membership,
                                      struct wend_bytes in, struct wend_receipt *ret)
{
    uint8_t hash[WEND_BLAKE2S_LEN];
    if (wend_receipt_decode(in, ret) != 0)
        return WEND_ERROR_MALFORMED;
    wend_membership_hash(membership, hash);
    if (memcmp(ret->membership_hash, hash, sizeof(hash)) != 0 || ret->slot != m->slot)
        return WEND_ERROR_FORGED;
    return check_signature(in, ret->server);
}

// An address that the server may lease: in its sub-pool, and none of the network's pool that nobody
// is given (the first two and the last).
static bool may_lease(const struct wend_network_record *network,
                      const struct wend_server_record *server, uint32_t ipv4)
{
    const struct wend_address a = wend_address_ipv4(ipv4, 0);
    const uint32_t first = wend_get_u32(network->pool.ip);
    const uint32_t last = first | UINT32_MAX >> network->pool.bits;
    return wend_prefix_contains(&server->pool, &a) && ipv4 > first + 1 && ipv4 < last;
}

static enum wend_error check_dates(const struct decoded *c, uint64_t unix_seconds)
{
    const uint64_t time = c->receipt.time;
    if (is_long_before(time, c->membership.made) || is_long_before(c->membership.made, time))
        return WEND_ERROR_BACKDATED;
    if (is_long_before(time, c->delegation.issued))
        return WEND_ERROR_BACKDATED;
    if (time > c->delegation.join_before)
        return WEND_ERROR_EXPIRED;
    if (add(time, c->membership.lifetime) <= unix_seconds)
        return WEND_ERROR_EXPIRED;
    return is_long_before(unix_seconds, time) ? WEND_ERROR_NOT_YET_VALID : WEND_ERROR_NONE;
}

// What the signed words say, once they are known to be signed.
static enum wend_error check_rules(const struct wend_trust *trust, const struct decoded *c,
                                   uint64_t unix_seconds)
{
    const struct wend_membership *m = &c->membership;
    const struct wend_server_record *server =
        wend_network_record_find_server(trust->network, c->receipt.server);
    if (server == NULL)
        return WEND_ERROR_UNLISTED;
    if (wend_revocation_has_device(trust->revoked, m->device) ||
        wend_revocation_has_invite(trust->revoked, m->invite_id))
        return WEND_ERROR_REVOKED;
    if (m->slot >= c->delegation.uses)
        return WEND_ERROR_EXHAUSTED;
    if (m->lifetime > c->delegation.member_for)
        return WEND_ERROR_TOO_LONG;
    if (!may_lease(trust->network, server, m->ipv4))
        return WEND_ERROR_OUTSIDE;
    return check_dates(c, unix_seconds);
}

static void fill_member(const struct decoded *c, struct wend_member *ret)
{
    *ret = (struct wend_member){
        .slot = c->membership.slot,
        .ipv4 = c->membership.ipv4,
        .receipt_time = c->receipt.time,
        .expires = add(c->receipt.time, c->membership.lifetime),
    };
    memcpy(ret->key, c->membership.device, sizeof(ret->key));
    memcpy(ret->invite_id, c->membership.invite_id, sizeof(ret->invite_id));
    memcpy(ret->membership_hash, c->receipt.membership_hash, sizeof(ret->membership_hash));
    memcpy(ret->server, c->receipt.server, sizeof(ret->server));
    memcpy(ret->name, c->membership.name, sizeof(ret->name));
}

enum wend_error wend_trust_check_member(const struct wend_trust *trust,
                                        const struct wend_chain *chain, uint64_t unix_seconds,
                                        struct wend_member *ret)
{
    struct decoded c;
    enum wend_error error = decode_delegation(trust->network, chain->delegation, &c.delegation);
    if (error == WEND_ERROR_NONE)
        error = decode_membership(&c.delegation, chain->membership, &c.membership);
    if (error == WEND_ERROR_NONE)
        error = decode_receipt(&c.membership, chain->membership, chain->receipt, &c.receipt);
    if (error == WEND_ERROR_NONE)
        error = check_rules(trust, &c, unix_seconds);
    if (error == WEND_ERROR_NONE)
        fill_member(&c, ret);
    return error;
}

enum wend_error wend_trust_check_delegation(const struct wend_trust *trust, struct wend_bytes in,
                                            uint64_t unix_seconds, struct wend_delegation *ret)
{
    struct wend_delegation d;
    uint8_t id[WEND_INVITE_ID_LEN];
    const enum wend_error error = decode_delegation(trust->network, in, &d);
    if (error != WEND_ERROR_NONE)
        return error;
    wend_invite_id(d.invite_key, id);
    if (wend_revocation_has_invite(trust->revoked, id))
        return WEND_ERROR_REVOKED;
    if (is_long_before(unix_seconds, d.issued))
        return WEND_ERROR_NOT_YET_VALID;
    if (unix_seconds > d.join_before)
        return WEND_ERROR_EXPIRED;
    *ret = d;
    return WEND_ERROR_NONE;
}

enum wend_error wend_trust_check_commit(const struct wend_trust *trust,
                                        const struct wend_chain *chain,
                                        const uint8_t server_key[static WEND_ED25519_LEN],
                                        uint64_t unix_seconds, struct wend_member *ret)
{
    struct decoded c;
    enum wend_error error =
        wend_trust_check_delegation(trust, chain->delegation, unix_seconds, &c.delegation);
    if (error == WEND_ERROR_NONE)
        error = decode_membership(&c.delegation, chain->membership, &c.membership);
    if (error != WEND_ERROR_NONE)
        return error;
    c.receipt = (struct wend_receipt){.slot = c.membership.slot, .time = unix_seconds};
    memcpy(c.receipt.server, server_key, sizeof(c.receipt.server));
    wend_membership_hash(chain->membership, c.receipt.membership_hash);
    error = check_rules(trust, &c, unix_seconds);
    if (error == WEND_ERROR_NONE)
        fill_member(&c, ret);
    return error;
}

enum wend_error wend_trust_check_receipt_fresh(const struct wend_member *own, uint64_t unix_seconds)
{
    if (is_long_before(own->receipt_time, unix_seconds))
        return WEND_ERROR_BACKDATED;
    if (is_long_before(unix_seconds, own->receipt_time))
        return WEND_ERROR_NOT_YET_VALID;
    return WEND_ERROR_NONE;
}

enum wend_error wend_trust_check_invite(const struct wend_invite *invite, uint64_t unix_seconds,
                                        struct wend_network_record *ret_network,
                                        struct wend_delegation *ret_delegation)
{
    struct wend_network_record network;
    struct wend_delegation delegation;
    uint8_t invite_key[WEND_ED25519_LEN];
    const struct wend_bytes record = {invite->network_record, invite->network_record_len};
    const struct wend_bytes signed_delegation = {invite->delegation, sizeof(invite->delegation)};
    const struct wend_trust trust = {.network = &network};
    enum wend_error error = wend_trust_newer_network(NULL, record, &network);
    if (error == WEND_ERROR_NONE)
        error = wend_trust_check_delegation(&trust, signed_delegation, unix_seconds, &delegation);
    if (error != WEND_ERROR_NONE)
        return error;
    wend_ed25519_public(invite->seed, invite_key);
    if (!same_key(invite_key, delegation.invite_key))
        return WEND_ERROR_FORGED;
    *ret_network = network;
    *ret_delegation = delegation;
    return WEND_ERROR_NONE;
}

enum wend_error wend_trust_newer_network(const struct wend_network_record *held,
                                         struct wend_bytes in, struct wend_network_record *ret)
{
    struct wend_network_record n;
    if (wend_network_record_decode(in, &n) != 0)
        return WEND_ERROR_MALFORMED;
    if (held != NULL && !same_key(n.key, held->key))
        return WEND_ERROR_FOREIGN;
    if (check_signature(in, n.key) != WEND_ERROR_NONE)
        return WEND_ERROR_FORGED;
    if (held != NULL && n.serial <= held->serial)
        return WEND_ERROR_STALE;
    *ret = n;
    return WEND_ERROR_NONE;
}

enum wend_error wend_trust_newer_revocations(const struct wend_network_record *network,
                                             const struct wend_revocation_list *held,
                                             struct wend_bytes in, struct wend_revocation_list *ret)
{
    struct wend_revocation_list l;
    if (wend_revocation_list_decode(in, &l) != 0)
        return WEND_ERROR_MALFORMED;
    if (!same_key(l.network, network->key))
        return WEND_ERROR_FOREIGN;
    if (check_signature(in, network->key) != WEND_ERROR_NONE)
        return WEND_ERROR_FORGED;
    if (held != NULL && l.serial <= held->serial)
        return WEND_ERROR_STALE;
    *ret = l;
    return WEND_ERROR_NONE;
}

bool wend_trust_is_revoked(const struct wend_trust *trust, const struct wend_member *member)
{
    return wend_revocation_has_device(trust->revoked, member->key) ||
           wend_revocation_has_invite(trust->revoked, member->invite_id);
}
