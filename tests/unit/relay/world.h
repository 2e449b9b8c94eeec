// SPDX-License-Identifier: MIT
// A relay in virtual time, and clients that speak to it: what the tests of src/relay share.
//
// A client is only what the protocol needs: a handshake, a box, requests by hand. Nothing retries.
#ifndef WEND_TESTS_RELAY_WORLD_H
#define WEND_TESTS_RELAY_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef WORLD_WITHOUT_CMOCKA // in the fuzzer: what must hold is asserted as everywhere
#include "base/assert.h"
#define assert_int_equal(a, b)     wend_assert((a) == (b))
#define assert_int_not_equal(a, b) wend_assert((a) != (b))
#define assert_true(a)             wend_assert(a)
#define assert_false(a)            wend_assert(!(a))
#define assert_non_null(a)         wend_assert((a) != NULL)
#else
#include <cmocka.h>
#endif

#include "crypto/record.h"
#include "relay/relay.h"
#include "session/cookie.h"
#include "session/data.h"
#include "session/handshake.h"
#include "wire/control.h"
#include "wire/frame.h"

#define WORLD_START   WEND_S(1000)
#define WORLD_UNIX    UINT64_C(1700000000)
#define WORLD_KEPT    512 // datagrams that the relay sent and nobody took yet
#define WORLD_EVENTS  256
#define WORLD_SERVERS 1

struct kept {
    struct wend_datagram d;
    uint8_t bytes[WEND_DATAGRAM_MAX];
};

struct world {
    void *memory;
    struct wend_relay *relay;
    struct wend_relay_config config;
    wend_instant now;
    uint64_t unix_seconds;
    struct kept *kept; // in order
    size_t kept_count;
    enum wend_relay_event_kind events[WORLD_EVENTS];
    size_t event_count;
};

struct client {
    struct world *world;
    struct wend_identity identity;
    struct wend_remote server;
    struct wend_prologue prologue;
    struct wend_handshake handshake;
    struct wend_box box;
    uint8_t hash[32];
    uint64_t server_epoch;
    uint32_t index, id;
    uint64_t label_ns;
    uint64_t epoch;
    struct wend_datagram way; // transport, stream, local, remote
    uint8_t initiation[WEND_INITIATION_MAX];
    size_t initiation_len;
    // A member's.
    uint8_t membership[WEND_MEMBERSHIP_LEN_MAX];
    size_t membership_len;
    uint8_t receipt[WEND_RECEIPT_LEN];
    uint32_t slot, ipv4;
    // The last message opened.
    uint8_t body[WEND_DATAGRAM_MAX];
    struct wend_control message;
    struct wend_attributes a;
};

struct net {
    uint8_t seed[32], key[32];
    uint8_t invite_seed[32], invite_key[32];
    uint8_t record[WEND_NETWORK_RECORD_MAX];
    size_t record_len;
    uint8_t delegation[WEND_DELEGATION_LEN];
    struct wend_network_record decoded;
};

static inline void fill_key(uint8_t ret[static 32], uint32_t number, uint8_t kind)
{
    memset(ret, kind, 32);
    wend_put_u32(ret, number);
}

// --- the world ---

static inline void world_drain(struct world *w)
{
    struct wend_relay_event e;
    struct wend_datagram d;
    while (wend_relay_next_event(w->relay, &e))
        if (w->event_count < WORLD_EVENTS)
            w->events[w->event_count++] = e.kind;
    while (wend_relay_next_datagram(w->relay, &d)) {
        if (w->kept_count == WORLD_KEPT) {
            memmove(w->kept, w->kept + 1, (WORLD_KEPT - 1) * sizeof *w->kept);
            w->kept_count--;
        }
        struct kept *k = &w->kept[w->kept_count++];
        k->d = d;
        memcpy(k->bytes, d.bytes.at, d.bytes.len);
    }
}

static inline void world_open(struct world *w, const struct wend_relay_config *limits)
{
    memset(w, 0, sizeof *w);
    if (limits != NULL)
        w->config = *limits;
    fill_key(w->config.private_key, 1, 0x11);
    fill_key(w->config.seed, 2, 0x22);
    fill_key(w->config.random, 3, 0x33);
    w->now = WORLD_START;
    w->unix_seconds = WORLD_UNIX;
    const size_t size = (wend_relay_size(&w->config) + 63) & ~(size_t)63;
    w->memory = calloc(1, size + 64);
    w->kept = calloc(WORLD_KEPT, sizeof *w->kept);
    assert_non_null(w->memory);
    void *aligned = (void *)(((uintptr_t)w->memory + 63) & ~(uintptr_t)63);
    w->relay = wend_relay_init(aligned, &w->config, w->now, w->unix_seconds);
}

static inline void world_close(struct world *w)
{
    wend_relay_check(w->relay);
    wend_relay_close(w->relay);
    free(w->memory);
    free(w->kept);
}

static inline enum wend_drop world_deliver(struct world *w, const struct wend_datagram *in)
{
    const enum wend_drop drop = wend_relay_receive(w->relay, in, w->now, w->unix_seconds);
    world_drain(w);
    return drop;
}

// Lets time pass, stopping wherever something is due.
static inline void world_wait(struct world *w, wend_duration duration)
{
    const wend_instant end = w->now + duration;
    for (;;) {
        const wend_instant due = wend_relay_deadline(w->relay);
        const wend_instant next = due < end ? due : end;
        if (next > w->now) {
            w->unix_seconds += (uint64_t)(next / WEND_S(1) - w->now / WEND_S(1));
            w->now = next;
        }
        wend_relay_expire(w->relay, w->now, w->unix_seconds);
        world_drain(w);
        if (w->now >= end && wend_relay_deadline(w->relay) > end)
            return;
    }
}

static inline size_t world_count_events(const struct world *w, enum wend_relay_event_kind kind)
{
    size_t count = 0;
    for (size_t i = 0; i < w->event_count; i++)
        count += w->events[i] == kind;
    return count;
}

static inline struct wend_relay_counts world_counts(const struct world *w)
{
    struct wend_relay_counts c;
    wend_relay_counts(w->relay, &c);
    return c;
}

// Takes out the oldest datagram to this way, or returns false.
static inline bool world_take(struct world *w, const struct wend_datagram *way, struct kept *ret)
{
    for (size_t i = 0; i < w->kept_count; i++) {
        const struct wend_datagram *d = &w->kept[i].d;
        if (d->transport != way->transport || d->stream != way->stream ||
            !wend_address_equal(&d->remote, &way->remote))
            continue;
        *ret = w->kept[i];
        ret->d.bytes.at = ret->bytes;
        memmove(&w->kept[i], &w->kept[i + 1], (w->kept_count - i - 1) * sizeof *w->kept);
        w->kept_count--;
        return true;
    }
    return false;
}

// --- clients ---

static inline void client_init(struct client *c, struct world *w, uint32_t number)
{
    uint8_t key[32];
    memset(c, 0, sizeof *c);
    c->world = w;
    fill_key(key, number, 0x44);
    wend_identity_init(&c->identity, key);
    wend_prologue_server(&c->prologue);
    assert_int_equal(wend_remote_init(&c->server, &c->identity, wend_relay_session_key(w->relay)),
                     0);
    c->way = (struct wend_datagram){
        .transport = WEND_TRANSPORT_UDP,
        .local = wend_address_ipv4(0xc6336401, 3478),
        .remote = wend_address_ipv4(0x0a000000 + (number << 8) + 1, 4000),
    };
    c->epoch = 100 + number;
    c->label_ns = WORLD_UNIX * 1000000000u + number;
}

static inline void client_make_initiation(struct client *c, const uint8_t *cookie)
{
    uint8_t memory[32];
    struct wend_writer w = wend_writer_of(memory, sizeof memory);
    wend_attribute_put_u32(&w, WEND_ATTRIBUTE_CAPABILITIES, 0);
    wend_attribute_put_u64(&w, WEND_ATTRIBUTE_EPOCH, c->epoch);
    const struct wend_parties parties = {&c->prologue, &c->identity, &c->server};
    struct wend_handshake_input input = {
        .local_index = ++c->index + 7000,
        .label = wend_label_of(++c->label_ns),
        .attributes = {memory, w.len},
        .cookie = cookie,
        .out = c->initiation,
        .out_max = sizeof c->initiation,
    };
    fill_key(input.ephemeral, c->index, c->identity.public_key[0]);
    const int len = wend_initiation_create(&parties, &input, &c->handshake);
    assert_true(len > 0);
    c->initiation_len = (size_t)len;
}

static inline enum wend_drop client_send(struct client *c, struct wend_bytes bytes)
{
    struct wend_datagram d = c->way;
    d.bytes = bytes;
    return world_deliver(c->world, &d);
}

static inline bool client_take_response(struct client *c)
{
    struct kept k;
    struct wend_response response;
    struct wend_keys keys;
    struct wend_attributes a;
    const struct wend_parties parties = {&c->prologue, &c->identity, &c->server};
    if (!world_take(c->world, &c->way, &k) ||
        wend_response_open(&parties, &c->handshake, k.d.bytes, &response, &keys) != WEND_DROP_NONE)
        return false;
    wend_box_init(&c->box, &keys, WEND_MESSAGE_DATA);
    memcpy(c->hash, keys.handshake_hash, sizeof c->hash);
    assert_int_equal(wend_attributes_parse(
                         (struct wend_bytes){response.attributes, response.attributes_len}, &a),
                     0);
    c->server_epoch = wend_attribute_u64(a.epoch);
    return true;
}

static inline void client_connect(struct client *c)
{
    client_make_initiation(c, NULL);
    assert_int_equal(client_send(c, (struct wend_bytes){c->initiation, c->initiation_len}),
                     WEND_DROP_NONE);
    assert_true(client_take_response(c));
}

static inline enum wend_drop client_say(struct client *c, struct wend_bytes body)
{
    uint8_t memory[WEND_DATAGRAM_MAX];
    struct wend_writer w = wend_writer_of(memory, sizeof memory);
    assert_int_equal(wend_box_seal(&c->box, body, &w), 0);
    return client_send(c, (struct wend_bytes){memory, w.len});
}

// Opens the next message to us. False: there is none.
static inline bool client_hear(struct client *c)
{
    struct kept k;
    size_t len;
    if (!world_take(c->world, &c->way, &k))
        return false;
    if (wend_box_open(&c->box, k.d.bytes, c->body, &len) != WEND_DROP_NONE)
        return false;
    assert_int_equal(wend_control_decode((struct wend_bytes){c->body, len}, &c->message), 0);
    assert_int_equal(wend_attributes_parse(c->message.attributes, &c->a), 0);
    return true;
}

// The code in the message opened last.
static inline uint16_t client_error(const struct client *c)
{
    struct wend_failure f;
    return wend_attribute_failure(c->a.error, &f) ? f.code : 0;
}

static inline void client_send_request(struct client *c, uint16_t type,
                                       struct wend_bytes attributes)
{
    uint8_t memory[WEND_DATAGRAM_MAX];
    struct wend_writer w = wend_writer_of(memory, sizeof memory);
    wend_control_write(&w, type, ++c->id, attributes);
    assert_false(w.failed);
    assert_int_equal(client_say(c, (struct wend_bytes){memory, w.len}), WEND_DROP_NONE);
}

// A request and its answer; returns the answer's error code, 0: success, 0xffff: no answer.
static inline uint16_t client_ask(struct client *c, uint16_t type, struct wend_bytes attributes)
{
    client_send_request(c, type, attributes);
    while (client_hear(c))
        if (c->message.response && c->message.id == c->id && c->message.type == type)
            return client_error(c);
    return 0xffff;
}

static inline void client_respond(struct client *c, const struct wend_control *request,
                                  struct wend_bytes attributes)
{
    uint8_t memory[WEND_DATAGRAM_MAX];
    struct wend_writer w = wend_writer_of(memory, sizeof memory);
    wend_control_write(&w, request->type | WEND_CONTROL_RESPONSE, request->id, attributes);
    assert_int_equal(client_say(c, (struct wend_bytes){memory, w.len}), WEND_DROP_NONE);
}

// --- networks ---

static inline void net_sign_record(struct net *n)
{
    struct wend_writer w = wend_writer_of(n->record, sizeof n->record);
    assert_int_equal(wend_network_record_sign(&n->decoded, n->seed, &w), 0);
    n->record_len = w.len;
}

static inline void net_invite(struct net *n, uint32_t number, uint32_t uses, uint64_t member_for)
{
    struct wend_delegation d = {.issued = WORLD_UNIX - 60,
                                .join_before = WORLD_UNIX + 86400,
                                .uses = uses,
                                .member_for = member_for};
    fill_key(n->invite_seed, number, 0x66);
    wend_ed25519_public(n->invite_seed, n->invite_key);
    memcpy(d.network, n->key, 32);
    memcpy(d.invite_key, n->invite_key, 32);
    struct wend_writer w = wend_writer_of(n->delegation, sizeof n->delegation);
    assert_int_equal(wend_delegation_sign(&d, n->seed, &w), 0);
}

static inline void net_init(struct net *n, const struct world *w, uint32_t number)
{
    memset(n, 0, sizeof *n);
    fill_key(n->seed, number, 0x55);
    wend_ed25519_public(n->seed, n->key);
    n->decoded = (struct wend_network_record){.serial = 1,
                                              .issued = WORLD_UNIX - 100,
                                              .name = "home",
                                              .pool = {.family = 4, .bits = 20, .ip = {100, 64}},
                                              .server_count = 1};
    memcpy(n->decoded.key, n->key, 32);
    struct wend_server_record *s = &n->decoded.servers[0];
    memcpy(s->session_key, wend_relay_session_key(w->relay), 32);
    memcpy(s->signature_key, wend_relay_signature_key(w->relay), 32);
    s->pool = n->decoded.pool;
    s->address_count = 1;
    s->addresses[0].address = wend_address_ipv4(0xc6336401, 3478);
    net_sign_record(n);
    net_invite(n, number * 100, 4096, 86400);
}

static inline void net_load(struct net *n, struct world *w, uint32_t number)
{
    net_init(n, w, number);
    assert_int_equal(
        wend_relay_load_network(w->relay, (struct wend_bytes){n->record, n->record_len}), 0);
}

static inline uint16_t client_join(struct client *c, const struct net *n, const char *name)
{
    uint8_t memory[1024];
    struct wend_writer w = wend_writer_of(memory, sizeof memory);
    wend_attribute_put(&w, WEND_ATTRIBUTE_NETWORK, WEND_BYTES(n->key));
    wend_attribute_put(&w, WEND_ATTRIBUTE_DELEGATION, WEND_BYTES(n->delegation));
    wend_attribute_put(&w, WEND_ATTRIBUTE_NAME, wend_bytes_of_text(name));
    wend_attribute_put_u64(&w, WEND_ATTRIBUTE_TIME, c->world->unix_seconds);
    const uint16_t error = client_ask(c, WEND_CONTROL_JOIN, (struct wend_bytes){memory, w.len});
    if (error == 0) {
        c->slot = wend_attribute_u32(c->a.slot);
        c->ipv4 = wend_attribute_u32(c->a.ipv4);
    }
    return error;
}

static inline void client_sign(struct client *c, const struct net *n, const char *name)
{
    struct wend_membership m = {
        .slot = c->slot, .ipv4 = c->ipv4, .made = c->world->unix_seconds, .lifetime = 86400};
    struct wend_delegation d;
    assert_int_equal(wend_delegation_decode(WEND_BYTES(n->delegation), &d), 0);
    m.lifetime = d.member_for;
    memcpy(m.network, n->key, 32);
    memcpy(m.device, c->identity.public_key, 32);
    wend_invite_id(n->invite_key, m.invite_id);
    strcpy(m.name, name);
    struct wend_writer w = wend_writer_of(c->membership, sizeof c->membership);
    assert_int_equal(wend_membership_sign(&m, n->invite_seed, &w), 0);
    c->membership_len = w.len;
}

static inline uint16_t client_commit(struct client *c, const struct net *n)
{
    uint8_t memory[1024];
    struct wend_writer w = wend_writer_of(memory, sizeof memory);
    wend_attribute_put(&w, WEND_ATTRIBUTE_MEMBERSHIP,
                       (struct wend_bytes){c->membership, c->membership_len});
    wend_attribute_put(&w, WEND_ATTRIBUTE_DELEGATION, WEND_BYTES(n->delegation));
    const uint16_t error =
        client_ask(c, WEND_CONTROL_JOIN_COMMIT, (struct wend_bytes){memory, w.len});
    if (error == 0) {
        assert_int_equal(c->a.receipt.len, WEND_RECEIPT_LEN);
        memcpy(c->receipt, c->a.receipt.at, WEND_RECEIPT_LEN);
    }
    return error;
}

static inline uint16_t client_register(struct client *c, const struct net *n)
{
    uint8_t memory[1024];
    struct wend_writer w = wend_writer_of(memory, sizeof memory);
    wend_attribute_put(&w, WEND_ATTRIBUTE_NETWORK, WEND_BYTES(n->key));
    wend_attribute_put(&w, WEND_ATTRIBUTE_MEMBERSHIP,
                       (struct wend_bytes){c->membership, c->membership_len});
    wend_attribute_put(&w, WEND_ATTRIBUTE_DELEGATION, WEND_BYTES(n->delegation));
    wend_attribute_put(&w, WEND_ATTRIBUTE_RECEIPT, WEND_BYTES(c->receipt));
    wend_attribute_put_u64(&w, WEND_ATTRIBUTE_EPOCH, c->epoch);
    return client_ask(c, WEND_CONTROL_CONFIGURATION, (struct wend_bytes){memory, w.len});
}

// Joins and commits; does not register.
static inline void client_become_member(struct client *c, const struct net *n, const char *name)
{
    client_connect(c);
    assert_int_equal(client_join(c, n, name), 0);
    client_sign(c, n, name);
    assert_int_equal(client_commit(c, n), 0);
}

static inline void client_up(struct client *c, const struct net *n, const char *name)
{
    client_become_member(c, n, name);
    assert_int_equal(client_register(c, n), 0);
}

static inline uint16_t client_subscribe(struct client *c, struct wend_position from)
{
    uint8_t memory[32];
    struct wend_writer w = wend_writer_of(memory, sizeof memory);
    wend_attribute_put_position(&w, from);
    return client_ask(c, WEND_CONTROL_SUBSCRIBE, (struct wend_bytes){memory, w.len});
}

#endif
