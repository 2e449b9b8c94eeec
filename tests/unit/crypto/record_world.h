// SPDX-License-Identifier: MIT
// The network of the record vectors as structs, for tests to start from and to spoil.
#ifndef WEND_TESTS_RECORD_WORLD_H
#define WEND_TESTS_RECORD_WORLD_H

#include "../base/unit.h"

#include <errno.h>
#include <stdio.h>

#include "record_vectors.h"
#include "wire/record.h"

#define WORLD_ISSUED UINT64_C(1700000000)
#define WORLD_DAY    UINT64_C(86400)

// Seeds and keys are one byte repeated; see record_reference.py.
#define WORLD_NETWORK_SEED 1
#define WORLD_INVITE_SEED  2
#define WORLD_SERVER_SEED  3

struct world_key {
    uint8_t at[32];
};

static inline struct world_key world_key(uint8_t byte)
{
    struct world_key k;
    memset(k.at, byte, sizeof(k.at));
    return k;
}

#define WORLD_VIEW(array)                                                                          \
    (struct wend_bytes)                                                                            \
    {                                                                                              \
        (array), sizeof(array)                                                                     \
    }

static inline struct wend_prefix world_prefix(const char *text)
{
    struct wend_prefix p;
    assert_int_equal(wend_prefix_parse(text, &p), 0);
    return p;
}

static inline struct wend_server_record world_server(void)
{
    struct wend_server_record s = {.pool = world_prefix("100.64.8.0/21"), .address_count = 3};
    memset(s.session_key, 4, sizeof(s.session_key));
    memcpy(s.signature_key, vector_server_key, sizeof(s.signature_key));
    assert_int_equal(wend_address_parse("198.51.100.1", 3478, &s.addresses[0].address), 0);
    assert_int_equal(wend_address_parse("2001:db8::1", 3479, &s.addresses[1].address), 0);
    s.addresses[2].address.port = 443;
    snprintf(s.addresses[2].host, sizeof(s.addresses[2].host), "relay.example.net");
    return s;
}

static inline struct wend_network_record world_network(void)
{
    struct wend_network_record n = {
        .serial = 7,
        .issued = WORLD_ISSUED,
        .name = "home",
        .pool = world_prefix("100.64.0.0/20"),
        .server_count = 1,
        .servers = {world_server()},
    };
    memcpy(n.key, vector_network_key, sizeof(n.key));
    return n;
}

static inline struct wend_delegation world_delegation(void)
{
    struct wend_delegation d = {
        .issued = WORLD_ISSUED,
        .join_before = WORLD_ISSUED + WORLD_DAY,
        .uses = 2,
        .member_for = 180 * WORLD_DAY,
    };
    memcpy(d.network, vector_network_key, sizeof(d.network));
    memcpy(d.invite_key, vector_invite_key, sizeof(d.invite_key));
    return d;
}

static inline struct wend_membership world_membership(void)
{
    struct wend_membership m = {
        .slot = 1,
        .ipv4 = 0x64400809, // 100.64.8.9
        .made = WORLD_ISSUED + 100,
        .lifetime = 180 * WORLD_DAY,
        .name = "laptop",
    };
    memcpy(m.network, vector_network_key, sizeof(m.network));
    memcpy(m.invite_id, vector_invite_id, sizeof(m.invite_id));
    memset(m.device, 5, sizeof(m.device));
    return m;
}

static inline struct wend_receipt world_receipt(void)
{
    struct wend_receipt r = {.slot = 1, .time = WORLD_ISSUED + 105};
    memcpy(r.membership_hash, vector_membership_hash, sizeof(r.membership_hash));
    memcpy(r.server, vector_server_key, sizeof(r.server));
    return r;
}

#endif
