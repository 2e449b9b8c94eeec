// SPDX-License-Identifier: MIT
// A network and its members, made as an administrator, an invite's holder and a server make them.
#ifndef WEND_TESTS_UNIT_NODE_MEMBERS_H
#define WEND_TESTS_UNIT_NODE_MEMBERS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "crypto/record.h"
#include "session/trust.h"

#define UNIX_S  UINT64_C(1800000000)
#define UNIX_NS (UNIX_S * UINT64_C(1000000000))

struct office {
    uint8_t network_seed[32], invite_seed[32], server_seed[32], server_private[32];
    uint8_t network_key[32], invite_key[32], server_key[32], server_session_key[32];
    uint8_t network_record[WEND_NETWORK_RECORD_MAX];
    size_t network_len;
    uint8_t delegation[WEND_DELEGATION_LEN];
};

struct member_paper {
    uint8_t membership[WEND_MEMBERSHIP_LEN_MAX];
    size_t membership_len;
    uint8_t receipt[WEND_RECEIPT_LEN];
    uint8_t key[32];
};

// What goes into one member's paper.
struct member_wish {
    const uint8_t *key;
    uint32_t slot;
    uint32_t ipv4;
    const char *name;
    uint64_t lifetime; // 0: 180 days
};

static inline void office_write_network(struct office *o, uint64_t serial,
                                        const struct wend_address *server)
{
    struct wend_network_record r = {.serial = serial, .issued = UNIX_S - 1000, .server_count = 1};
    struct wend_writer w = wend_writer_of(o->network_record, sizeof o->network_record);

    memcpy(r.key, o->network_key, 32);
    memcpy(r.name, "home", 5);
    assert_int_equal(wend_prefix_parse("100.64.16.0/20", &r.pool), 0);
    r.servers[0].pool = r.pool;
    memcpy(r.servers[0].session_key, o->server_session_key, 32);
    memcpy(r.servers[0].signature_key, o->server_key, 32);
    r.servers[0].address_count = 1;
    r.servers[0].addresses[0].address = *server;
    assert_int_equal(wend_network_record_sign(&r, o->network_seed, &w), 0);
    o->network_len = w.len;
}

static inline void office_open(struct office *o, uint8_t seed, const struct wend_address *server)
{
    struct wend_writer w = wend_writer_of(o->delegation, sizeof o->delegation);
    struct wend_delegation d = {.issued = UNIX_S - 500,
                                .join_before = UNIX_S + 86400,
                                .uses = 100,
                                .member_for = 180 * 86400};

    memset(o->network_seed, seed, 32);
    memset(o->invite_seed, seed + 1, 32);
    memset(o->server_seed, seed + 2, 32);
    memset(o->server_private, seed + 3, 32);
    wend_ed25519_public(o->network_seed, o->network_key);
    wend_ed25519_public(o->invite_seed, o->invite_key);
    wend_ed25519_public(o->server_seed, o->server_key);
    wend_x25519_public(o->server_private, o->server_session_key);
    office_write_network(o, 1, server);
    memcpy(d.network, o->network_key, 32);
    memcpy(d.invite_key, o->invite_key, 32);
    assert_int_equal(wend_delegation_sign(&d, o->network_seed, &w), 0);
}

static inline void office_admit(const struct office *o, const struct member_wish *wish,
                                struct member_paper *ret)
{
    struct wend_membership m = {.slot = wish->slot, .ipv4 = wish->ipv4, .made = UNIX_S - 100};
    struct wend_receipt r = {.slot = wish->slot, .time = UNIX_S - 100};
    struct wend_writer w = wend_writer_of(ret->membership, sizeof ret->membership);

    m.lifetime = wish->lifetime != 0 ? wish->lifetime : 180 * 86400;
    memcpy(m.network, o->network_key, 32);
    memcpy(m.device, wish->key, 32);
    wend_invite_id(o->invite_key, m.invite_id);
    strcpy(m.name, wish->name);
    assert_int_equal(wend_membership_sign(&m, o->invite_seed, &w), 0);
    ret->membership_len = w.len;
    wend_membership_hash((struct wend_bytes){ret->membership, w.len}, r.membership_hash);
    memcpy(r.server, o->server_key, 32);
    w = wend_writer_of(ret->receipt, sizeof ret->receipt);
    assert_int_equal(wend_receipt_sign(&r, o->server_seed, &w), 0);
    memcpy(ret->key, wish->key, 32);
}

static inline struct wend_chain office_chain(const struct office *o, const struct member_paper *p)
{
    return (struct wend_chain){.delegation = {o->delegation, sizeof o->delegation},
                               .membership = {p->membership, p->membership_len},
                               .receipt = {p->receipt, sizeof p->receipt}};
}

// A revocation list with one device; returns its length.
static inline size_t office_revoke(const struct office *o, uint64_t serial, const uint8_t *device,
                                   uint8_t *ret, size_t max)
{
    struct wend_revocation_list l = {.serial = serial, .issued = UNIX_S};
    static uint8_t entries[WEND_REVOCATION_LIST_MAX];
    struct wend_writer w = wend_writer_of(ret, max);

    memcpy(l.network, o->network_key, 32);
    assert_int_equal(
        wend_revocation_add(&l, entries, sizeof entries, (struct wend_bytes){device, 32}), 0);
    assert_int_equal(wend_revocation_list_sign(&l, o->network_seed, &w), 0);
    return w.len;
}

#endif
