// SPDX-License-Identifier: MIT
// A chain of records to be judged, for tests to spoil.
#ifndef WEND_TESTS_UNIT_SESSION_SCENE_H
#define WEND_TESTS_UNIT_SESSION_SCENE_H

#include "../crypto/record_world.h"

#include "session/trust.h"

#define NOW (WORLD_ISSUED + 1000)

// All that goes into a judgement. Tests spoil the structs; build() signs them with the seeds.
struct scene {
    struct wend_network_record network;
    struct wend_delegation delegation;
    struct wend_membership membership;
    struct wend_receipt receipt;
    uint8_t network_seed, invite_seed, server_seed; // who signs
    bool other_hash;                                // the receipt is for another membership
    struct wend_revocation_list revoked;
    uint8_t entries[256];
    uint64_t now;
    uint8_t bytes[3][WEND_MEMBERSHIP_LEN_MAX];
    struct wend_chain chain;
};

static inline struct scene sound(void)
{
    return (struct scene){
        .network = world_network(),
        .delegation = world_delegation(),
        .membership = world_membership(),
        .receipt = world_receipt(),
        .network_seed = WORLD_NETWORK_SEED,
        .invite_seed = WORLD_INVITE_SEED,
        .server_seed = WORLD_SERVER_SEED,
        .revoked = {.serial = 1},
        .now = NOW,
    };
}

static inline void build(struct scene *s)
{
    struct wend_writer w[3];
    for (size_t i = 0; i < 3; i++)
        w[i] = wend_writer_of(s->bytes[i], sizeof(s->bytes[i]));
    assert_int_equal(wend_delegation_sign(&s->delegation, world_key(s->network_seed).at, &w[0]), 0);
    assert_int_equal(wend_membership_sign(&s->membership, world_key(s->invite_seed).at, &w[1]), 0);
    s->chain.delegation = (struct wend_bytes){s->bytes[0], w[0].len};
    s->chain.membership = (struct wend_bytes){s->bytes[1], w[1].len};
    wend_membership_hash(s->chain.membership, s->receipt.membership_hash);
    s->receipt.membership_hash[0] ^= s->other_hash;
    assert_int_equal(wend_receipt_sign(&s->receipt, world_key(s->server_seed).at, &w[2]), 0);
    s->chain.receipt = (struct wend_bytes){s->bytes[2], w[2].len};
}

static inline enum wend_error judge(struct scene *s)
{
    struct wend_member member;
    const struct wend_trust trust = {.network = &s->network, .revoked = &s->revoked};
    build(s);
    return wend_trust_check_member(&trust, &s->chain, s->now, &member);
}

static inline enum wend_error judge_commit(struct scene *s)
{
    struct wend_member member;
    const struct wend_trust trust = {.network = &s->network, .revoked = &s->revoked};
    build(s);
    return wend_trust_check_commit(&trust, &s->chain, s->receipt.server, s->now, &member);
}

static inline void revoke(struct scene *s, const uint8_t *value, size_t len)
{
    assert_int_equal(wend_revocation_add(&s->revoked, s->entries, sizeof(s->entries),
                                         (struct wend_bytes){value, len}),
                     0);
}

#endif
