// SPDX-License-Identifier: MIT
// Early data, both ways. The order of things that keeps each packet from arriving twice: a bundle
// rides in one initiation, which the peer takes at most once, by its label; the sealing half sends
// the packets otherwise only after the peer said that it did not and will not.
#include "node/early.h"

#include <string.h>

#include "crypto/record.h"
#include "wire/ip.h"

#define INITIATION_MAX 900 // with early data; beside it the server puts a certificate chain
#define ATTRIBUTES_MAX (INITIATION_MAX - WEND_MESSAGE_INITIATION_BASE - WEND_LABEL_LEN)
#define ASK_FIRST      WEND_MS(250)
#define ASK_MAX        WEND_S(4)

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

static bool may_ride(const struct wend_contact *c, const struct wend_seat *seat)
{
    const struct wend_contact_early *e = &c->early;

    return e->count > 0 && !e->offered && seat->epoch != 0 && seat->status != WEND_STATUS_OFFLINE &&
           !is_forbidden(c);
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

static void put_age(const struct wend_node *n, struct wend_writer *w)
{
    const wend_duration age = (n->now - n->started_at) / WEND_MS(1);

    wend_attribute_put_u32(w, WEND_ATTRIBUTE_AGE, age < UINT32_MAX ? (uint32_t)age : UINT32_MAX);
}

void wend_early_offer(struct wend_node *n, struct wend_contact *c, struct wend_writer *w)
{
    const struct wend_seat *seat = wend_contact_seat(n, c);
    struct wend_contact_early *e = &c->early;

    put_state(&seat->early_taken, &c->early_voided, w);
    c->named_epoch = seat->epoch;
    e->rides = false;
    if (!may_ride(c, seat) || w->len + WEND_ATTRIBUTE_HEADER_LEN >= ATTRIBUTES_MAX)
        return;
    const size_t room = ATTRIBUTES_MAX - w->len - WEND_ATTRIBUTE_HEADER_LEN;
    fit(e, room);
    e->rides = e->fit_count > 0;
    if (e->rides)
        wend_attribute_put(w, WEND_ATTRIBUTE_EARLY_DATA,
                           (struct wend_bytes){.at = e->bytes, .len = e->fit_len});
}

void wend_early_offered(struct wend_node *n, struct wend_contact *c)
{
    struct wend_contact_early *e = &c->early;

    if (!e->rides)
        return;
    e->offered = true;
    e->label = wend_label_of(n->labels.last_ns);
    e->epoch = c->named_epoch;
    e->offered_at = n->now;
}

void wend_early_doubt(struct wend_contact *c)
{
    if (c->early.offered)
        raise_to(&c->early_voided, &c->early.label);
}

// The first `gone` packets are dealt with, the others go out with the queue.
static void end(struct wend_node *n, struct wend_contact *c, uint32_t gone)
{
    struct wend_contact_early *e = &c->early;
    struct wend_command command = {.slot = c->slot, .count = gone};

    if (e->replaced)
        command.count = gone = 0;
    command.kind = WEND_COMMAND_EARLY_DONE;
    if (gone > 0)
        wend_node_command_seal(n, &command);
    command.kind = WEND_COMMAND_EARLY_REFUSED;
    command.count = e->count - gone;
    if (command.count > 0)
        wend_node_command_seal(n, &command);
    wend_wipe(e, sizeof *e);
}

static void arrived(struct wend_node *n, struct wend_contact *c)
{
    if (c->first_packet < 0)
        c->first_packet = c->began - c->started;
    c->early_arrived = true;
    end(n, c, c->early.fit_count);
}

void wend_early_refused(struct wend_node *n, struct wend_contact *c)
{
    wend_early_doubt(c);
    if (c->early.count > 0)
        end(n, c, 0);
}

static void read_state(const struct wend_attributes *a, struct wend_label *ret_accepted,
                       struct wend_label *ret_voided)
{
    struct wend_early_state said = {0};

    (void)wend_attribute_early_state(a->early_state, &said);
    memcpy(ret_accepted->bytes, said.accepted, sizeof ret_accepted->bytes);
    memcpy(ret_voided->bytes, said.voided, sizeof ret_voided->bytes);
}

// Whether an earlier run of the peer's than the one that speaks may have taken what was offered.
static bool may_be_with_another(const struct wend_node *n, const struct wend_contact_early *e,
                                const struct wend_attributes *a)
{
    const wend_duration age = WEND_MS(wend_attribute_u32(a->age));
    const wend_duration since = n->now - e->offered_at;

    return wend_attribute_u64(a->epoch) != e->epoch && age <= since + since / 1000;
}

// `a` says which was the last that the peer took. `final`: it will take none any more.
static void judge_ours(struct wend_node *n, struct wend_contact *c, const struct wend_attributes *a,
                       bool final)
{
    const struct wend_contact_early *e = &c->early;
    struct wend_label accepted, voided;

    read_state(a, &accepted, &voided);
    if (!e->offered)
        return;
    if (memcmp(&accepted, &e->label, sizeof accepted) == 0)
        arrived(n, c);
    else if (final && may_be_with_another(n, e, a))
        end(n, c, e->fit_count);
    else if (final)
        wend_early_refused(n, c);
}

void wend_early_heard(struct wend_node *n, struct wend_contact *c, const struct wend_attributes *a,
                      bool answer)
{
    struct wend_seat *seat = wend_contact_seat(n, c);
    struct wend_label accepted, voided;

    read_state(a, &accepted, &voided);
    // It waits to hear what became of that bundle.
    c->early_owed = c->early_owed || (answer && wend_label_is_later(&voided, &seat->early_void));
    raise_to(&seat->early_void, &voided);
    judge_ours(n, c, a, answer);
}

// --- doubt ---

static void send_state(struct wend_node *n, struct wend_contact *c, uint16_t type,
                       const struct wend_label *voided)
{
    uint8_t body[64];
    struct wend_writer w = wend_writer_of(body, sizeof body);

    put_state(&wend_contact_seat(n, c)->early_taken, voided, &w);
    wend_attribute_put_u64(&w, WEND_ATTRIBUTE_EPOCH, n->config.epoch);
    put_age(n, &w);
    wend_contact_request(n, c, type, (struct wend_bytes){.at = body, .len = w.len});
}

static bool can_speak(const struct wend_node *n, const struct wend_contact *c)
{
    return c->sending != 0 && !n->isolated && wend_contact_way_in_use(c).kind != WEND_ORIGIN_NONE;
}

static void pay(struct wend_node *n, struct wend_contact *c)
{
    if (!c->early_owed || !can_speak(n, c))
        return;
    c->early_owed = false;
    send_state(n, c, WEND_CONTROL_EARLY | WEND_CONTROL_RESPONSE,
               &wend_contact_seat(n, c)->early_void);
}

static void ask(struct wend_node *n, struct wend_contact *c)
{
    struct wend_contact_early *e = &c->early;

    if (e->ask_at > n->now)
        return;
    if (e->ask_at == 0) {
        e->ask_after = ASK_FIRST;
    } else if (can_speak(n, c)) {
        wend_early_doubt(c);
        send_state(n, c, WEND_CONTROL_EARLY, &c->early_voided);
        e->ask_after = e->ask_after * 2 < ASK_MAX ? e->ask_after * 2 : ASK_MAX;
    }
    e->ask_at = n->now + e->ask_after;
}

void wend_early_settle(struct wend_node *n, struct wend_contact *c)
{
    pay(n, c);
    if (c->early.count == 0 || c->sending == 0)
        return;
    if (c->early.offered)
        ask(n, c);
    else
        wend_early_refused(n, c);
}

wend_instant wend_early_deadline(const struct wend_contact *c)
{
    const bool asks = c->early.offered && c->sending != 0 && c->early.ask_at != 0;

    return asks ? c->early.ask_at : WEND_NEVER;
}

void wend_early_control(struct wend_node *n, struct wend_contact *c, const struct wend_control *in)
{
    struct wend_attributes a;
    struct wend_label accepted, voided;

    if (wend_attributes_parse(in->attributes, &a) != 0) {
        wend_node_drop(n, WEND_DROP_MALFORMED);
        return;
    }
    read_state(&a, &accepted, &voided);
    if (in->response) {
        judge_ours(n, c, &a, !wend_label_is_later(&c->early.label, &voided));
        return;
    }
    raise_to(&wend_contact_seat(n, c)->early_void, &voided);
    judge_ours(n, c, &a, false);
    c->early_owed = true; // settling says it
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
    return a->early_data.len > 0 && a->early_data.len <= WEND_EARLY_MAX && !is_forbidden(c);
}

void wend_early_answer(const struct wend_node *n, const struct wend_contact *c,
                       const struct wend_initiation *taken, struct wend_writer *w)
{
    const struct wend_seat *seat = &n->directory.seats[c->slot];

    put_state(taken != NULL ? &taken->label : &seat->early_taken,
              c->early.offered ? &c->early.label : &c->early_voided, w);
    put_age(n, w);
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
