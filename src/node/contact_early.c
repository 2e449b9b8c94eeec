// SPDX-License-Identifier: MIT
// Early data, both ways. The order of things that keeps each packet from arriving twice: a bundle
// rides in one initiation, which the peer takes at most once, by its label; the sealing half sends
// the packets otherwise only after the peer said that it did not, or can not any more.
#include "node/early.h"

#include <string.h>

#include "crypto/record.h"
#include "wire/ip.h"

#define INITIATION_MAX 900 // with early data; beside it the server puts a certificate chain
#define ATTRIBUTES_MAX (INITIATION_MAX - WEND_MESSAGE_INITIATION_BASE - WEND_LABEL_LEN)

static const struct wend_label none;

static bool is_none(const struct wend_label *l)
{
    return memcmp(l, &none, sizeof none) == 0;
}

static void raise_to(struct wend_label *mark, const struct wend_label *l)
{
    if (wend_label_is_later(l, mark))
        *mark = *l;
}

// What rides in a type 5 is sealed before the pre-shared key is mixed in, so without its help.
static bool is_forbidden(const struct wend_contact *c)
{
    static const uint8_t unset[WEND_SESSION_KEY_LEN];

    return !wend_equal(c->session.remote.preshared, unset, sizeof unset);
}

// --- ours ---

void wend_early_keep(struct wend_node *n, const struct wend_notice *notice)
{
    struct wend_contact *c = wend_contact_open(n, notice->slot, true);

    if (c == NULL || notice->early_count == 0 || notice->early_len > WEND_EARLY_MAX)
        return;
    struct wend_contact_early *e = &c->early;
    if (e->count != 0) { // the sealing half gave up what it told before, and tells of other packets
        e->replaced = true;
        return;
    }
    *e = (struct wend_contact_early){.count = notice->early_count, .len = notice->early_len};
    memcpy(e->bytes, notice->early, e->len);
}

void wend_early_mind(struct wend_node *n, uint32_t slot)
{
    struct wend_contact *c = wend_contact_of(n, slot);

    if (c != NULL && !c->early.offered && c->sending != 0)
        wend_early_over(n, c, false);
}

// Whole packets from the front, as many as `room` holds.
static void fit(struct wend_contact_early *e, size_t room)
{
    struct wend_ip ip;
    size_t len = 0;
    uint16_t count = 0;

    while (count < e->count &&
           wend_ip_read((struct wend_bytes){.at = e->bytes + len, .len = e->len - len}, &ip) &&
           len + ip.len <= room) {
        len += ip.len;
        count++;
    }
    e->fit_len = (uint16_t)len;
    e->fit_count = count;
}

static void put_state(const struct wend_label *accepted, const struct wend_label *voided,
                      struct wend_writer *w)
{
    struct wend_early_state state;

    if (is_none(accepted) && is_none(voided))
        return;
    memcpy(state.accepted, accepted->bytes, sizeof state.accepted);
    memcpy(state.voided, voided->bytes, sizeof state.voided);
    wend_attribute_put_early_state(w, &state);
}

void wend_early_offer(struct wend_node *n, struct wend_contact *c, struct wend_writer *w)
{
    const struct wend_seat *seat = wend_contact_seat(n, c);
    struct wend_contact_early *e = &c->early;

    put_state(&seat->early_taken, &c->early_voided, w);
    c->named_epoch = seat->epoch;
    // With keys there, the packets would go out by themselves as soon as there is a way.
    if (e->count == 0 || c->sending != 0 || seat->epoch == 0 || is_forbidden(c) ||
        w->len + WEND_ATTRIBUTE_HEADER_LEN >= ATTRIBUTES_MAX)
        return;
    const size_t room = ATTRIBUTES_MAX - w->len - WEND_ATTRIBUTE_HEADER_LEN;
    if (!e->offered)
        fit(e, room);
    if (e->fit_count > 0 && e->fit_len <= room)
        wend_attribute_put(w, WEND_ATTRIBUTE_EARLY_DATA,
                           (struct wend_bytes){.at = e->bytes, .len = e->fit_len});
}

void wend_early_offered(struct wend_node *n, struct wend_contact *c)
{
    struct wend_contact_early *e = &c->early;

    if (e->fit_count == 0)
        return;
    e->label = wend_label_of(n->labels.last_ns);
    if (!e->offered)
        e->first = e->label;
    e->offered = true;
}

void wend_early_over(struct wend_node *n, struct wend_contact *c, bool arrived)
{
    struct wend_contact_early *e = &c->early;
    struct wend_command command = {.slot = c->slot, .count = e->fit_count};

    if (e->count == 0)
        return;
    const bool done = arrived && !e->replaced;
    command.kind = WEND_COMMAND_EARLY_DONE;
    if (done)
        wend_node_command_seal(n, &command);
    command.kind = WEND_COMMAND_EARLY_REFUSED;
    command.count = done ? (uint32_t)(e->count - e->fit_count) : e->count;
    if (command.count > 0)
        wend_node_command_seal(n, &command);
    if (!arrived && e->offered)
        raise_to(&c->early_voided, &e->label);
    if (arrived && c->first_packet < 0)
        c->first_packet = c->began - c->started;
    c->early_arrived = c->early_arrived || arrived;
    wend_wipe(e, sizeof *e);
}

void wend_early_heard(struct wend_node *n, struct wend_contact *c, const struct wend_attributes *a,
                      bool answer)
{
    struct wend_contact_early *e = &c->early;
    struct wend_early_state said = {0};
    struct wend_label accepted, voided;

    (void)wend_attribute_early_state(a->early_state, &said);
    memcpy(accepted.bytes, said.accepted, sizeof accepted.bytes);
    memcpy(voided.bytes, said.voided, sizeof voided.bytes);
    raise_to(&wend_contact_seat(n, c)->early_void, &voided);
    if (!e->offered)
        return;
    if (!wend_label_is_later(&e->first, &accepted) && !wend_label_is_later(&accepted, &e->label))
        wend_early_over(n, c, true);
    else if (answer)
        wend_early_over(n, c, false);
}

// --- theirs ---

bool wend_early_is_fresh(const struct wend_node *n, const struct wend_contact *c,
                         const struct wend_initiation *i, const struct wend_attributes *a)
{
    const struct wend_seat *seat = &n->directory.seats[c->slot];

    return n->config.epoch != 0 && wend_attribute_u64(a->responder_epoch) == n->config.epoch &&
           wend_label_is_later(&i->label, &seat->early_void);
}

bool wend_early_is_welcome(const struct wend_contact *c, const struct wend_attributes *a)
{
    return a->early_data.len > 0 && a->early_data.len <= WEND_EARLY_MAX && !is_forbidden(c) &&
           (!wend_session_is_starting(&c->session) || wend_session_yields(&c->session));
}

void wend_early_answer(const struct wend_node *n, const struct wend_contact *c,
                       const struct wend_initiation *taken, struct wend_writer *w)
{
    const struct wend_seat *seat = &n->directory.seats[c->slot];

    put_state(taken != NULL ? &taken->label : &seat->early_taken,
              c->early.offered ? &c->early.label : &c->early_voided, w);
}

static enum wend_drop judge(const struct wend_node *n, const struct wend_seat *seat,
                            const struct wend_ip *ip)
{
    const struct wend_address from = wend_ip_source(ip), to = wend_ip_destination(ip);
    const struct wend_address ipv4 = wend_address_ipv4(n->own.ipv4, 0);
    const struct wend_address ipv6 = wend_inside_address(n->records.network.key, n->own.key);

    if (!wend_address_equal(&from, &seat->ipv4) && !wend_address_equal(&from, &seat->ipv6))
        return WEND_DROP_WRONG_SOURCE;
    if (!wend_address_equal(&to, &ipv4) && !wend_address_equal(&to, &ipv6))
        return WEND_DROP_NO_ROUTE;
    return WEND_DROP_NONE;
}

void wend_early_take(struct wend_node *n, struct wend_contact *c, const struct wend_initiation *i,
                     const struct wend_attributes *a)
{
    struct wend_seat *seat = wend_contact_seat(n, c);
    struct wend_node_event e = {.kind = WEND_NODE_PACKET, .slot = c->slot};
    struct wend_bytes rest = a->early_data;
    struct wend_ip ip;

    seat->early_taken = i->label;
    while (rest.len > 0) {
        if (!wend_ip_read(rest, &ip)) {
            wend_node_drop(n, WEND_DROP_MALFORMED);
            return;
        }
        const enum wend_drop drop = judge(n, seat, &ip);
        wend_node_drop(n, drop);
        e.bytes = (struct wend_bytes){.at = rest.at, .len = ip.len};
        if (drop == WEND_DROP_NONE)
            wend_node_raise(n, &e);
        rest.at += ip.len;
        rest.len -= ip.len;
    }
    c->wanted_at = n->now;
}
