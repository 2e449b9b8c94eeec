// SPDX-License-Identifier: MIT
// What the tests of early data share: looking into the nodes of world.h, initiations as bytes.
#ifndef WEND_TESTS_UNIT_NODE_EARLY_H
#define WEND_TESTS_UNIT_NODE_EARLY_H

#include "node/contact.h"
#include "node/directory.h"
#include "node/records.h"
#include "world.h"

#define ONE_WAY (2 * TO_SERVER) // by the relay

static inline struct wend_contact *contact(size_t i, size_t of)
{
    struct wend_peer_view v;

    assert_true(view(i, of, &v));
    return wend_contact_of(world.hosts[i].node, v.slot);
}

static inline struct wend_seat *seat(size_t i, size_t of)
{
    return wend_directory_find(world.hosts[i].node, world.hosts[of].identity.public_key);
}

static inline uint32_t slot_of(size_t i, size_t of)
{
    return wend_directory_slot(world.hosts[i].node, seat(i, of));
}

static inline uint64_t drops(size_t i, enum wend_drop reason)
{
    return wend_node_drops(world.hosts[i].node)->count[reason];
}

// The initiation that `i` made last, as it went out.
struct message {
    uint8_t bytes[WEND_INITIATION_MAX];
    size_t len;
};

static inline struct message initiation(size_t i, size_t to)
{
    const struct wend_contact *c = contact(i, to);
    struct message m = {.len = c->sent_len};

    assert_true(m.len > 0);
    memcpy(m.bytes, c->sent_initiation, m.len);
    return m;
}

static inline void hand_over(size_t from, size_t to, const struct message *m)
{
    const struct wend_datagram d = {.transport = WEND_TRANSPORT_UDP,
                                    .remote = world.hosts[from].address,
                                    .bytes = {m->bytes, m->len}};

    (void)wend_node_receive(world.hosts[to].node, &d, world.now);
    drain(&world.hosts[to]);
}

static inline void each_once(size_t i, uint32_t from, uint32_t count)
{
    for (uint32_t k = from; k < from + count; k++)
        assert_int_equal(world.hosts[i].plane.got[k], 1);
}

#endif
