// SPDX-License-Identifier: MIT
// From the answers of a run to samples and to the model.
#include <string.h>

#include "base/assert.h"
#include "traverse/discovery_state.h"
#include "traverse/nat_classify.h"
#include "traverse/nat_estimate.h"
#include "traverse/plan.h"

bool wend_discovery_is_trusted(const struct wend_discovery *d,
                               const struct wend_discovery_transaction *t)
{
    return !(wend_address_same_ip(&t->to, &d->server) ? d->server_lied : d->other_lied);
}

static bool has_answer(const struct wend_discovery *d, const struct wend_discovery_transaction *t)
{
    return t->answered && wend_discovery_is_trusted(d, t);
}

void wend_discovery_collect(const struct wend_discovery *d, struct wend_nat_samples *ret)
{
    for (uint8_t i = 0; i < d->transaction_count; i++) {
        const struct wend_discovery_transaction *t = &d->transactions[i];
        if (t->ask != WEND_DISCOVERY_PLAIN || t->tries == 0)
            continue;
        struct wend_nat_sample sample = {.socket = (d->run % 4096) * 8 + t->socket,
                                         .old = t->socket == 0,
                                         .tries = t->answered ? t->heard_try : t->tries,
                                         .inside = d->sockets[t->socket].local,
                                         .to = t->to,
                                         .sent = t->first};
        if (has_answer(d, t))
            sample.outside = t->outside;
        wend_nat_samples_add(ret, &sample);
    }
}

static const struct wend_discovery_transaction *find(const struct wend_discovery *d,
                                                     enum wend_discovery_ask ask, uint8_t socket)
{
    for (uint8_t i = 0; i < d->transaction_count; i++)
        if (d->transactions[i].ask == ask && d->transactions[i].socket == socket)
            return &d->transactions[i];
    return NULL;
}

// Does the server say that it can answer from elsewhere?
static bool can_change(const struct wend_discovery *d)
{
    for (uint8_t i = 0; i < d->transaction_count; i++)
        if (d->transactions[i].told_other && has_answer(d, &d->transactions[i]) &&
            wend_address_equal(&d->transactions[i].to, &d->server))
            return true;
    return false;
}

// What came shows how much is let in. That nothing came means something only if the server would
// have answered from elsewhere, and if something else did arrive on that socket.
static enum wend_nat_dependence filtering_of(const struct wend_discovery *d, bool translates)
{
    const struct wend_discovery_transaction *plain =
        find(d, WEND_DISCOVERY_PLAIN, WEND_DISCOVERY_FILTERED);
    const struct wend_discovery_transaction *both =
        find(d, WEND_DISCOVERY_CHANGE_BOTH, WEND_DISCOVERY_FILTERED);
    const struct wend_discovery_transaction *port =
        find(d, WEND_DISCOVERY_CHANGE_PORT, WEND_DISCOVERY_FILTERED);

    if (d->from_other_address)
        return translates ? WEND_NAT_ENDPOINT_INDEPENDENT : WEND_NAT_NONE;
    if (plain == NULL || both == NULL || port == NULL || both->refused || port->refused ||
        !can_change(d))
        return WEND_NAT_UNKNOWN;
    if (d->from_other_port)
        return WEND_NAT_ADDRESS_DEPENDENT;
    return has_answer(d, plain) ? WEND_NAT_ADDRESS_AND_PORT_DEPENDENT : WEND_NAT_UNKNOWN;
}

// A datagram to our own outside address leaves by a mapping of its own where mappings depend on the
// destination; then filtering may hold it up although the NAT would turn it round.
static enum wend_nat_answer hairpin_of(const struct wend_discovery *d,
                                       const struct wend_nat_model *m)
{
    const struct wend_discovery_transaction *t = find(d, WEND_DISCOVERY_HAIRPIN, 0);

    if (t == NULL)
        return WEND_NAT_ANSWER_UNKNOWN;
    if (t->answered)
        return WEND_NAT_YES;
    const bool clear = m->mapping == WEND_NAT_ENDPOINT_INDEPENDENT ||
                       m->filtering == WEND_NAT_ENDPOINT_INDEPENDENT;
    return clear && t->tries == WEND_DISCOVERY_TRIES ? WEND_NAT_NO : WEND_NAT_ANSWER_UNKNOWN;
}

// Did any datagram come back at all? What was answered and not believed did, too, but proves
// nothing more. NO is said when no server answers anything.
static enum wend_nat_answer udp_of(const struct wend_discovery *d)
{
    bool asked = false;

    if (d->seen.family != WEND_FAMILY_NONE)
        return WEND_NAT_YES;
    for (uint8_t i = 0; i < d->transaction_count; i++) {
        const struct wend_discovery_transaction *t = &d->transactions[i];
        if (t->answered || t->refused)
            return WEND_NAT_YES;
        asked |= t->tries == WEND_DISCOVERY_TRIES;
    }
    return asked && !d->heard ? WEND_NAT_NO : WEND_NAT_ANSWER_UNKNOWN;
}

static bool is_heard_at(const struct wend_discovery *d, const struct wend_address *ip)
{
    for (uint8_t i = 0; i < d->transaction_count; i++) {
        const struct wend_discovery_transaction *t = &d->transactions[i];
        if (t->ask == WEND_DISCOVERY_PLAIN && has_answer(d, t) && wend_address_same_ip(&t->to, ip))
            return true;
    }
    return false;
}

// Does a server answer at one port and never at another?
static bool are_ports_barred(const struct wend_discovery *d)
{
    for (uint8_t i = 0; i < d->transaction_count; i++) {
        const struct wend_discovery_transaction *t = &d->transactions[i];
        if (t->ask == WEND_DISCOVERY_PLAIN && t->tries == WEND_DISCOVERY_TRIES && !t->answered &&
            !t->refused && is_heard_at(d, &t->to))
            return true;
    }
    return false;
}

// Of the main socket's mappings the one that kept the inside port is what others will meet.
static void find_public(const struct wend_discovery *d, struct wend_nat_model *m)
{
    for (uint8_t i = 0; i < d->transaction_count; i++) {
        const struct wend_discovery_transaction *t = &d->transactions[i];
        if (t->ask != WEND_DISCOVERY_PLAIN || t->socket != 0 || !has_answer(d, t))
            continue;
        if (m->public.family == WEND_FAMILY_NONE || t->outside.port == d->sockets[0].local.port)
            m->public = t->outside;
    }
}

static void find_newest(const struct wend_nat_samples *s, struct wend_nat_model *m)
{
    for (uint32_t i = 0; i < s->count; i++) {
        if (s->at[i].old || s->at[i].outside.port == 0 || s->at[i].sent < m->newest_at)
            continue;
        m->newest_port = s->at[i].outside.port;
        m->newest_at = s->at[i].sent;
    }
}

// Do the classes say that samples of before the run are of the same NAT?
static bool is_same_nat(const struct wend_nat_model *a, const struct wend_nat_model *b)
{
    return a->mapping == b->mapping && a->allocation == b->allocation &&
           a->fallback == b->fallback && a->delta == b->delta &&
           a->byte_swapped == b->byte_swapped && wend_address_same_ip(&a->public, &b->public);
}

static bool are_equal(const struct wend_nat_estimate *a, const struct wend_nat_estimate *b)
{
    return a->least == b->least && a->likely == b->likely && a->most == b->most;
}

static bool are_same_classes(const struct wend_nat_model *a, const struct wend_nat_model *b)
{
    return is_same_nat(a, b) && a->filtering == b->filtering && a->udp == b->udp &&
           a->hairpin == b->hairpin && a->parity == b->parity && a->paired == b->paired &&
           a->translates == b->translates && wend_address_equal(&a->public, &b->public);
}

static bool are_same_estimates(const struct wend_nat_model *a, const struct wend_nat_model *b)
{
    return are_equal(&a->rate, &b->rate) && are_equal(&a->low, &b->low) &&
           are_equal(&a->high, &b->high) && a->newest_port == b->newest_port &&
           a->newest_at == b->newest_at;
}

static void set_serial(struct wend_discovery *d, const struct wend_nat_model *before)
{
    const bool same = before->serial != 0 && are_same_classes(&d->model, before);

    d->class_serial += !same;
    d->model.serial = before->serial;
    if (same && are_same_estimates(&d->model, before))
        return;
    d->last_serial = before->serial > d->last_serial ? before->serial : d->last_serial;
    d->model.serial = ++d->last_serial;
}

void wend_discovery_sharpen(struct wend_discovery *d, const struct wend_nat_model *before,
                            wend_instant now)
{
    wend_nat_classify_more(&d->samples, &d->model);
    wend_nat_estimate(&d->samples, now, &d->model);
    find_newest(&d->samples, &d->model);
    set_serial(d, before);
}

void wend_discovery_conclude(struct wend_discovery *d, wend_instant now)
{
    const struct wend_nat_model before = d->model;
    struct wend_nat_model *m = &d->model;

    memset(m, 0, sizeof *m);
    m->mapped = before.mapped; // another machine's word
    m->lifetime_s = before.lifetime_s;
    m->hole_s = before.hole_s;
    struct wend_nat_samples run = {0};
    wend_discovery_collect(d, &run);
    d->contradictory = !wend_nat_classify(&run, d->asked, m);
    d->contradictions += d->contradictory;
    if (!d->contradictory)
        find_public(d, m);
    if (m->public.family == WEND_FAMILY_NONE)
        m->public = d->seen;
    m->udp = udp_of(d);
    m->barred = are_ports_barred(d);
    m->filtering = filtering_of(d, m->translates != WEND_NAT_NO);
    m->hairpin = hairpin_of(d, m);
    if (!is_same_nat(m, &before))
        d->samples.count = 0;
    for (uint32_t i = 0; i < run.count; i++)
        wend_nat_samples_add(&d->samples, &run.at[i]);
    wend_nat_samples_age(&d->samples, now);
    wend_discovery_sharpen(d, &before, now);
}

const char *wend_discovery_reason(const struct wend_discovery *d)
{
    if (d->model.serial == 0 || d->model.mapping != WEND_NAT_UNKNOWN)
        return NULL;
    if (d->server_count == 0)
        return "there is no discovery server to ask";
    if (d->contradictory)
        return "the discovery servers contradict each other";
    if (d->server_lied || d->other_lied)
        return "a discovery server told what cannot be true: its answers count for nothing";
    if (!d->heard)
        return "no discovery server answers";
    return "too few of the discovery servers' addresses and ports answer";
}

static void check_estimate(const struct wend_nat_estimate *e)
{
    wend_assert(e->least <= e->likely && e->likely <= e->most);
}

static void check_model(const struct wend_nat_model *m)
{
    const bool counts = m->allocation == WEND_NAT_SEQUENTIAL || m->fallback == WEND_NAT_SEQUENTIAL;

    check_estimate(&m->rate);
    check_estimate(&m->low);
    check_estimate(&m->high);
    check_estimate(&m->lifetime_s);
    wend_assert((m->delta != 0) == counts);
    wend_assert(m->udp != WEND_NAT_NO || m->mapping == WEND_NAT_UNKNOWN);
    if (m->public.family == WEND_FAMILY_NONE)
        wend_assert(m->translates != WEND_NAT_NO);
    else
        wend_assert(wend_plan_is_sound(m));
}

void wend_discovery_check(const struct wend_discovery *d)
{
    wend_assert(d->server_count <= WEND_DISCOVERY_SERVERS_MAX);
    wend_assert(d->transaction_count <= WEND_DISCOVERY_TRANSACTIONS);
    for (uint8_t i = 0; i < d->transaction_count; i++) {
        const struct wend_discovery_transaction *t = &d->transactions[i];
        wend_assert(t->tries <= WEND_DISCOVERY_TRIES && t->socket < WEND_DISCOVERY_SOCKETS);
        wend_assert(!t->answered || t->tries > 0);
    }
    wend_assert(d->samples.count <= WEND_NAT_SAMPLES_MAX);
    for (uint32_t i = 1; i < d->samples.count; i++)
        wend_assert(d->samples.at[i - 1].sent <= d->samples.at[i].sent);
    wend_assert(d->model.serial <= d->last_serial);
    if (d->model.serial != 0)
        check_model(&d->model);
}
