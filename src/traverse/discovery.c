// SPDX-License-Identifier: MIT
#include "traverse/discovery.h"

#include <errno.h>
#include <string.h>

#include "base/assert.h"
#include "traverse/discovery_state.h"
#include "traverse/nat_estimate.h"
#include "wire/stun.h"

#define OPENING_MAX  WEND_MS(150) // then it goes on with the sockets there are
#define ASKING_MAX   WEND_MS(700) // then further questions are chosen from what is there
#define FINISH_AFTER WEND_MS(1950)
#define REPEAT_FIRST WEND_MS(300)
#define REPEAT_LEAST WEND_MS(120)
#define REPEAT_MOST  WEND_MS(400)
#define WAIT_MOST    WEND_MS(900) // for the answer to the last try
#define BEYOND       WEND_MS(60)  // what a round trip may exceed the double of another

#define FRESH_SOCKETS (((1U << WEND_DISCOVERY_SOCKETS) - 1) & ~1U)

void wend_discovery_init(struct wend_discovery *d, const struct wend_address *servers,
                         size_t server_count)
{
    memset(d, 0, sizeof *d);
    if (server_count > WEND_DISCOVERY_SERVERS_MAX)
        server_count = WEND_DISCOVERY_SERVERS_MAX;
    d->server_count = (uint8_t)server_count;
    memcpy(d->servers, servers, server_count * sizeof *servers);
}

static bool is_running(const struct wend_discovery *d)
{
    return d->state == WEND_DISCOVERY_OPENING || d->state == WEND_DISCOVERY_ASKING ||
           d->state == WEND_DISCOVERY_ADDING;
}

// Sockets that were asked for and drained are to be closed; the others need not be opened.
static void close_sockets(struct wend_discovery *d)
{
    if (is_running(d))
        d->close_due |= FRESH_SOCKETS & ~d->open_due;
    d->open_due = 0;
}

static void finish(struct wend_discovery *d, wend_instant now)
{
    close_sockets(d);
    for (uint8_t i = 0; i < d->transaction_count; i++)
        d->transactions[i].due = false;
    wend_discovery_conclude(d, now);
    d->state = WEND_DISCOVERY_KNOWN;
    d->stale_at = now + WEND_DISCOVERY_FRESH;
    d->done_due = true;
}

static void begin_run(struct wend_discovery *d, const struct wend_address *local, wend_instant now)
{
    memset(d->sockets, 0, sizeof d->sockets);
    memset(d->transactions, 0, sizeof d->transactions);
    d->sockets[0] = (struct wend_discovery_socket){.open = true, .local = *local};
    d->transaction_count = 0;
    d->round_trip = 0;
    d->server_lied = d->other_lied = d->heard = false;
    d->from_other_address = d->from_other_port = false;
    d->done_due = d->stale_due = false;
    d->started = now;
    d->asked = d->added = 0;
    d->run++;
}

void wend_discovery_restart(struct wend_discovery *d,
                            const uint8_t random[static WEND_DISCOVERY_RANDOM_LEN],
                            const struct wend_address *local, wend_instant now)
{
    close_sockets(d);
    begin_run(d, local, now);
    memcpy(d->random, random, sizeof d->random);
    wend_discovery_choose_servers(d);
    d->turn++;
    if (d->server_count == 0) {
        d->state = WEND_DISCOVERY_IDLE; // no sockets were asked for
        finish(d, now);
        return;
    }
    d->state = WEND_DISCOVERY_OPENING;
    d->open_due = FRESH_SOCKETS;
}

void wend_discovery_forget(struct wend_discovery *d)
{
    const uint32_t serial = d->model.serial;

    close_sockets(d);
    d->state = WEND_DISCOVERY_IDLE;
    d->transaction_count = 0;
    d->done_due = d->stale_due = false;
    d->samples.count = 0;
    d->class_serial++;
    memset(&d->model, 0, sizeof d->model);
    memset(&d->seen, 0, sizeof d->seen);
    d->last_serial = serial > d->last_serial ? serial : d->last_serial;
}

void wend_discovery_set_seen(struct wend_discovery *d, const struct wend_address *seen)
{
    d->seen = *seen;
}

static void start_asking(struct wend_discovery *d, wend_instant now)
{
    d->state = WEND_DISCOVERY_ASKING;
    wend_discovery_plan_first(d, now);
    wend_discovery_expire(d, now);
}

void wend_discovery_opened(struct wend_discovery *d, uint8_t socket,
                           const struct wend_address *local, wend_instant now)
{
    wend_assert(socket > 0 && socket < WEND_DISCOVERY_SOCKETS);
    struct wend_discovery_socket *s = &d->sockets[socket];
    s->open = local->family != WEND_FAMILY_NONE;
    s->refused = !s->open;
    s->local = *local;
    for (uint8_t i = 1; i < WEND_DISCOVERY_SOCKETS; i++)
        if (!d->sockets[i].open && !d->sockets[i].refused)
            return;
    if (d->state == WEND_DISCOVERY_OPENING)
        start_asking(d, now);
}

static wend_duration clamp(wend_duration value, wend_duration least, wend_duration most)
{
    if (value < least)
        return least;
    return value > most ? most : value;
}

// How long to wait after the next try.
static wend_duration patience(const struct wend_discovery *d, uint8_t tries)
{
    const bool last = tries == WEND_DISCOVERY_TRIES;
    const wend_duration wait = d->round_trip != 0 ? 2 * d->round_trip + BEYOND
                               : last             ? WAIT_MOST
                                                  : REPEAT_FIRST;

    return clamp(wait, REPEAT_LEAST, last ? WAIT_MOST : REPEAT_MOST);
}

static void send_or_give_up(struct wend_discovery *d, struct wend_discovery_transaction *t,
                            wend_instant now)
{
    if (t->over || t->next > now)
        return;
    if (t->tries == WEND_DISCOVERY_TRIES) {
        t->over = true;
        return;
    }
    if (t->tries++ == 0)
        t->first = now;
    t->due = true;
    t->next = now + patience(d, t->tries);
}

// In ASKING only plain questions hold up what follows: silence is what some others may find.
static bool is_settled(const struct wend_discovery *d)
{
    for (uint8_t i = 0; i < d->transaction_count; i++) {
        const struct wend_discovery_transaction *t = &d->transactions[i];
        if (!t->over && (d->state == WEND_DISCOVERY_ADDING || t->ask == WEND_DISCOVERY_PLAIN))
            return false;
    }
    return true;
}

static void send_all(struct wend_discovery *d, wend_instant now)
{
    for (uint8_t i = 0; i < d->transaction_count; i++)
        send_or_give_up(d, &d->transactions[i], now);
}

static void advance(struct wend_discovery *d, wend_instant now)
{
    if (d->state == WEND_DISCOVERY_ASKING && (is_settled(d) || now >= d->asked + ASKING_MAX)) {
        d->state = WEND_DISCOVERY_ADDING;
        wend_discovery_plan_second(d, now);
        send_all(d, now);
    }
    if (is_running(d) && d->state != WEND_DISCOVERY_OPENING &&
        (now >= d->started + FINISH_AFTER || (d->state == WEND_DISCOVERY_ADDING && is_settled(d))))
        finish(d, now);
}

void wend_discovery_expire(struct wend_discovery *d, wend_instant now)
{
    if (wend_discovery_deadline(d) > now)
        return;
    if (d->state == WEND_DISCOVERY_OPENING) {
        start_asking(d, now);
        return;
    }
    if (d->state == WEND_DISCOVERY_KNOWN) {
        d->state = WEND_DISCOVERY_STALE;
        d->stale_due = true;
        return;
    }
    send_all(d, now);
    advance(d, now);
}

wend_instant wend_discovery_deadline(const struct wend_discovery *d)
{
    wend_instant at = d->started + FINISH_AFTER;

    if (d->state == WEND_DISCOVERY_IDLE || d->state == WEND_DISCOVERY_STALE)
        return WEND_NEVER;
    if (d->state == WEND_DISCOVERY_KNOWN)
        return d->stale_at;
    if (d->state == WEND_DISCOVERY_OPENING)
        return d->started + OPENING_MAX;
    if (d->state == WEND_DISCOVERY_ASKING)
        at = wend_instant_min(at, d->asked + ASKING_MAX);
    for (uint8_t i = 0; i < d->transaction_count; i++)
        if (!d->transactions[i].over)
            at = wend_instant_min(at, d->transactions[i].next);
    return at;
}

static const uint8_t *id_of(const struct wend_discovery *d, uint8_t number)
{
    return d->random + number * WEND_STUN_TRANSACTION_LEN;
}

// Long enough for RESPONSE-ORIGIN and OTHER-ADDRESS in the answer.
static size_t write_request(struct wend_discovery *d, uint8_t number)
{
    const enum wend_discovery_ask what = (enum wend_discovery_ask)d->transactions[number].ask;
    struct wend_stun_header header = {.method = WEND_STUN_METHOD_BINDING,
                                      .class = WEND_STUN_REQUEST};
    struct wend_stun_writer w;

    memcpy(header.transaction, id_of(d, number), sizeof header.transaction);
    wend_stun_begin(&w, d->request, sizeof d->request, &header);
    if (what == WEND_DISCOVERY_CHANGE_BOTH || what == WEND_DISCOVERY_CHANGE_PORT)
        wend_stun_put_change_request(&w, what == WEND_DISCOVERY_CHANGE_BOTH, true);
    wend_stun_fill(&w);
    return wend_stun_finish(&w);
}

bool wend_discovery_next_datagram(struct wend_discovery *d, struct wend_discovery_datagram *ret)
{
    for (uint8_t i = 0; i < d->transaction_count; i++) {
        struct wend_discovery_transaction *t = &d->transactions[i];
        if (!t->due)
            continue;
        t->due = false;
        *ret = (struct wend_discovery_datagram){
            .socket = t->socket, .to = t->to, .bytes = {d->request, write_request(d, i)}};
        return true;
    }
    return false;
}

static bool take_socket(uint32_t *due, struct wend_discovery_event *ret,
                        enum wend_discovery_event_kind kind)
{
    if (*due == 0)
        return false;
    const uint8_t socket = (uint8_t)__builtin_ctz(*due);
    *due &= *due - 1;
    *ret = (struct wend_discovery_event){.kind = kind, .socket = socket};
    return true;
}

bool wend_discovery_next_event(struct wend_discovery *d, struct wend_discovery_event *ret)
{
    if (take_socket(&d->close_due, ret, WEND_DISCOVERY_CLOSE_SOCKET) ||
        take_socket(&d->open_due, ret, WEND_DISCOVERY_OPEN_SOCKET))
        return true;
    if (!d->done_due && !d->stale_due)
        return false;
    *ret = (struct wend_discovery_event){.kind = d->done_due ? WEND_DISCOVERY_DONE
                                                             : WEND_DISCOVERY_IS_STALE};
    *(d->done_due ? &d->done_due : &d->stale_due) = false;
    return true;
}

static struct wend_discovery_transaction *find(struct wend_discovery *d, const uint8_t *id)
{
    for (uint8_t i = 0; i < d->transaction_count; i++)
        if (d->transactions[i].tries > 0 && memcmp(id_of(d, i), id, WEND_STUN_TRANSACTION_LEN) == 0)
            return &d->transactions[i];
    return NULL;
}

int wend_discovery_receive(struct wend_discovery *d, uint8_t socket, const struct wend_datagram *in,
                           wend_instant now)
{
    struct wend_stun m;

    if (wend_stun_read(in->bytes, &m) != 0) {
        wend_drops_add(&d->drops, WEND_DROP_MALFORMED);
        return -EBADMSG;
    }
    struct wend_discovery_transaction *t = is_running(d) ? find(d, m.transaction) : NULL;
    if (t == NULL || t->socket != socket || m.method != WEND_STUN_METHOD_BINDING) {
        wend_drops_add(&d->drops, WEND_DROP_NO_SESSION);
        return -ESTALE;
    }
    d->heard |= m.class != WEND_STUN_REQUEST;
    const enum wend_drop drop = wend_discovery_answer(d, t, &m, &in->remote);
    if (wend_drops_add(&d->drops, drop) == WEND_DROP_WRONG_SOURCE)
        return -ESTALE;
    if (drop == WEND_DROP_NONE && t->tries == 1 && t->ask != WEND_DISCOVERY_HAIRPIN &&
        now - t->first > d->round_trip)
        d->round_trip = now - t->first;
    advance(d, now);
    return 0;
}

static bool has_other_mapping(const struct wend_discovery *d, const struct wend_nat_sample *sample)
{
    for (uint32_t i = 0; i < d->samples.count; i++) {
        const struct wend_nat_sample *s = &d->samples.at[i];
        if (s->socket == sample->socket && s->outside.family != WEND_FAMILY_NONE &&
            !wend_address_equal(&s->outside, &sample->outside))
            return true;
    }
    return false;
}

static bool is_within(const struct wend_nat_model *m, uint16_t port)
{
    return m->high.most == 0 || (m->low.least <= port && port <= m->high.most);
}

static bool contradicts(const struct wend_discovery *d, const struct wend_nat_sample *sample)
{
    const struct wend_nat_model *m = &d->model;

    if (sample->outside.family == WEND_FAMILY_NONE)
        return false;
    if (m->public.family == sample->outside.family && m->paired != WEND_NAT_NO &&
        !wend_address_same_ip(&m->public, &sample->outside))
        return true;
    if (m->mapping == WEND_NAT_ENDPOINT_INDEPENDENT && has_other_mapping(d, sample))
        return true;
    if (m->mapping == WEND_NAT_NONE && !wend_address_equal(&sample->inside, &sample->outside))
        return true;
    return m->allocation == WEND_NAT_BLOCK && !is_within(m, sample->outside.port);
}

bool wend_discovery_add(struct wend_discovery *d, const struct wend_nat_sample *sample,
                        wend_instant now)
{
    const struct wend_nat_model before = d->model;

    if (before.serial == 0)
        return true;
    if (contradicts(d, sample))
        return false;
    wend_nat_samples_add(&d->samples, sample);
    wend_nat_samples_age(&d->samples, now);
    wend_discovery_sharpen(d, &before, now);
    return true;
}

void wend_discovery_set_lifetime(struct wend_discovery *d,
                                 const struct wend_nat_estimate *lifetime_s)
{
    if (d->model.serial != 0)
        d->model.lifetime_s = *lifetime_s;
}
