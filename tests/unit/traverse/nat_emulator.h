// SPDX-License-Identifier: MIT
// A NAT at the level of addresses and ports, with every behaviour that a model has a word for, and
// with other users. Included by the tests that need one.
#ifndef WEND_TESTS_NAT_EMULATOR_H
#define WEND_TESTS_NAT_EMULATOR_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/address.h"
#include "base/assert.h"
#include "base/time.h"
#include "traverse/nat_model.h"

#include "../../../sim/draw.h"

#define EMULATOR_ENTRIES 64
#define EMULATOR_PUBLIC  0xcb007100u // 203.0.113.0, and the next ones of a pool
#define EMULATOR_LOCAL   0xc0a80105u // 192.168.1.5
#define EMULATOR_OPEN    0xc6336405u // 198.51.100.5: a device without NAT

enum emulator_allocation {
    KEEP = 0,    // the inside port unless it is in use for anything
    KEEP_SHARED, // the inside port unless somebody else uses it towards the same destination
    COUNT,
    DRAW,
};

struct emulator_kind {
    bool firewall; // addresses stay
    enum wend_nat_dependence mapping, filtering;
    enum emulator_allocation allocation, fallback; // fallback of the KEEP ones: COUNT or DRAW
    int32_t delta;
    bool swapped;
    uint16_t low, high; // of COUNT and DRAW
    bool shares;        // a drawn port may serve several destinations
    bool parity;
    bool hairpin;
    bool main_taken;        // somebody else has the main socket's port
    uint32_t taken;         // thousandths of all ports that somebody else has
    uint32_t others_second; // mappings of others a second, of COUNT
    uint32_t pool;          // outside addresses; one is drawn for each mapping
};

struct emulator_entry {
    struct wend_address inside, to, outside; // to: the first destination
    struct wend_address let_in[16];
    uint32_t let_in_count;
};

struct emulator {
    struct emulator_kind kind;
    struct sim_draw draw;
    struct emulator_entry entries[EMULATOR_ENTRIES];
    uint32_t entry_count;
    uint32_t counter; // 0 … high - low
    wend_instant next_other;
    uint16_t main_port;
    uint32_t salt; // which ports are taken
};

// Exponentially distributed with mean 1 (von Neumann 1951): no logarithm needed.
static double emulator_exponential(struct sim_draw *d)
{
    for (double whole = 0;; whole++) {
        const uint64_t first = sim_draw_u64(d);
        uint64_t last = first;
        bool odd = true;
        for (uint64_t next = sim_draw_u64(d); next < last; next = sim_draw_u64(d)) {
            last = next;
            odd = !odd;
        }
        if (odd)
            return whole + (double)(first >> 11) / 9007199254740992.0;
    }
}

static void emulator_count(struct emulator *e)
{
    const int32_t size = e->kind.high - e->kind.low + 1;
    const int32_t next = ((int32_t)e->counter + e->kind.delta) % size;
    e->counter = (uint32_t)(next < 0 ? next + size : next);
}

static void emulator_let_others(struct emulator *e, wend_instant now)
{
    if (e->kind.others_second == 0)
        return;
    while (e->next_other <= now) {
        emulator_count(e);
        e->next_other +=
            (wend_duration)(emulator_exponential(&e->draw) * 1e9 / e->kind.others_second);
    }
}

static void emulator_init(struct emulator *e, const struct emulator_kind *kind, uint64_t seed)
{
    memset(e, 0, sizeof *e);
    e->kind = *kind;
    e->draw.state = seed;
    if (e->kind.pool == 0)
        e->kind.pool = 1;
    e->salt = (uint32_t)sim_draw_u64(&e->draw);
    if (kind->high != 0)
        e->counter = sim_draw_below(&e->draw, (uint32_t)(kind->high - kind->low + 1));
}

static bool emulator_same_key(const struct emulator *e, const struct wend_address *a,
                              const struct wend_address *b)
{
    switch (e->kind.mapping) {
    case WEND_NAT_UNKNOWN:
    case WEND_NAT_NONE:
    case WEND_NAT_ENDPOINT_INDEPENDENT: return true;
    case WEND_NAT_ADDRESS_DEPENDENT: return wend_address_same_ip(a, b);
    case WEND_NAT_ADDRESS_AND_PORT_DEPENDENT: break;
    }
    return wend_address_equal(a, b);
}

static bool emulator_in_use(const struct emulator *e, const struct wend_address *outside,
                            const struct wend_address *to, bool shares)
{
    for (uint32_t i = 0; i < e->entry_count; i++)
        if (wend_address_equal(&e->entries[i].outside, outside) &&
            (!shares || wend_address_equal(&e->entries[i].to, to)))
            return true;
    return false;
}

static uint16_t emulator_next(struct emulator *e, wend_instant now)
{
    emulator_let_others(e, now);
    if (e->kind.low + e->counter == 0) // no port at all
        emulator_count(e);
    const uint16_t port = (uint16_t)(e->kind.low + e->counter);
    emulator_count(e);
    if (!e->kind.swapped)
        return port;
    return (uint16_t)(port << 8 | port >> 8);
}

static uint16_t emulator_draw(struct emulator *e, const struct wend_address *inside,
                              const struct wend_address *to, struct wend_address outside)
{
    for (;;) {
        outside.port =
            (uint16_t)(e->kind.low +
                       sim_draw_below(&e->draw, (uint32_t)(e->kind.high - e->kind.low + 1)));
        if (e->kind.parity && ((outside.port ^ inside->port) & 1))
            continue;
        if (!emulator_in_use(e, &outside, to, e->kind.shares))
            return outside.port;
    }
}

static bool emulator_is_kept(const struct emulator *e, const struct wend_address *inside,
                             const struct wend_address *to, struct wend_address outside)
{
    const bool shares = e->kind.allocation == KEEP_SHARED;

    outside.port = inside->port;
    if (e->kind.main_taken && inside->port == e->main_port)
        return false;
    if (!shares && ((inside->port * 2654435761u) ^ e->salt) % 1000 < e->kind.taken)
        return false;
    return !emulator_in_use(e, &outside, to, shares);
}

static uint16_t emulator_allocate(struct emulator *e, const struct wend_address *inside,
                                  const struct wend_address *to, const struct wend_address *outside,
                                  wend_instant now)
{
    enum emulator_allocation how = e->kind.allocation;

    if (how == KEEP || how == KEEP_SHARED) {
        if (emulator_is_kept(e, inside, to, *outside))
            return inside->port;
        how = e->kind.fallback;
    }
    return how == COUNT ? emulator_next(e, now) : emulator_draw(e, inside, to, *outside);
}

// A datagram on its way out: made to come from the address that is returned.
static struct wend_address emulator_out(struct emulator *e, const struct wend_address *inside,
                                        const struct wend_address *to, wend_instant now)
{
    struct emulator_entry *entry = NULL;

    for (uint32_t i = 0; i < e->entry_count && entry == NULL; i++)
        if (wend_address_equal(&e->entries[i].inside, inside) &&
            emulator_same_key(e, &e->entries[i].to, to))
            entry = &e->entries[i];
    if (entry == NULL) {
        wend_assert(e->entry_count < EMULATOR_ENTRIES);
        struct wend_address outside = *inside;
        if (!e->kind.firewall) {
            outside =
                wend_address_ipv4(EMULATOR_PUBLIC + 1 + sim_draw_below(&e->draw, e->kind.pool), 0);
            outside.port = emulator_allocate(e, inside, to, &outside, now);
        }
        entry = &e->entries[e->entry_count++];
        *entry = (struct emulator_entry){.inside = *inside, .to = *to, .outside = outside};
    }
    if (entry->let_in_count < 16)
        entry->let_in[entry->let_in_count++] = *to;
    return entry->outside;
}

static bool emulator_lets_in(const struct emulator *e, const struct emulator_entry *entry,
                             const struct wend_address *from)
{
    for (uint32_t i = 0; i < entry->let_in_count; i++) {
        const bool ip = wend_address_same_ip(&entry->let_in[i], from);
        switch (e->kind.filtering) {
        case WEND_NAT_UNKNOWN:
        case WEND_NAT_NONE:
        case WEND_NAT_ENDPOINT_INDEPENDENT: return true;
        case WEND_NAT_ADDRESS_DEPENDENT:
            if (ip)
                return true;
            break;
        case WEND_NAT_ADDRESS_AND_PORT_DEPENDENT:
            if (ip && entry->let_in[i].port == from->port)
                return true;
            break;
        }
    }
    return false;
}

static bool emulator_was_sent_to(const struct emulator_entry *entry,
                                 const struct wend_address *from)
{
    for (uint32_t i = 0; i < entry->let_in_count; i++)
        if (wend_address_equal(&entry->let_in[i], from))
            return true;
    return false;
}

// A datagram on its way in, to whom it answers if several share the port. Returns the inside
// address, or NULL: nobody gets it.
static const struct wend_address *emulator_in(const struct emulator *e,
                                              const struct wend_address *from,
                                              const struct wend_address *outside)
{
    for (uint32_t i = 0; i < e->entry_count; i++)
        if (wend_address_equal(&e->entries[i].outside, outside) &&
            emulator_was_sent_to(&e->entries[i], from))
            return &e->entries[i].inside;
    for (uint32_t i = 0; i < e->entry_count; i++)
        if (wend_address_equal(&e->entries[i].outside, outside) &&
            emulator_lets_in(e, &e->entries[i], from))
            return &e->entries[i].inside;
    return NULL;
}

static bool emulator_is_own(const struct emulator *e, const struct wend_address *a)
{
    const uint32_t ip =
        (uint32_t)a->ip[0] << 24 | (uint32_t)a->ip[1] << 16 | (uint32_t)a->ip[2] << 8 | a->ip[3];
    return ip > EMULATOR_PUBLIC && ip <= EMULATOR_PUBLIC + e->kind.pool;
}

#endif
