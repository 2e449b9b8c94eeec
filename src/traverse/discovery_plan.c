// SPDX-License-Identifier: MIT
// Which transactions a run is made of. The first nine are always the same; up to three more follow
// from their answers.
#include <string.h>

#include "traverse/discovery_state.h"
#include "traverse/nat_births.h"
#include "traverse/nat_classify.h"
#include "traverse/nat_sequence.h"

#define OTHER_MAX 2 // transactions that doubt may add, beside the hairpin's

static const struct wend_address *find(const struct wend_discovery *d, bool same_ip, bool same_port)
{
    for (uint8_t i = 0; i < d->server_count; i++) {
        const struct wend_address *a = &d->servers[i];
        if (wend_address_same_ip(a, &d->server) == same_ip &&
            (a->port == d->server.port) == same_port)
            return a;
    }
    return NULL;
}

// Every other run begins with the first server that has another address than the first of all.
static void choose_first(struct wend_discovery *d)
{
    d->server = d->servers[0];
    if (d->turn % 2 == 0)
        return;
    const struct wend_address *other = find(d, false, true);
    if (other == NULL)
        other = find(d, false, false);
    if (other != NULL)
        d->server = *other;
}

void wend_discovery_choose_servers(struct wend_discovery *d)
{
    const struct wend_address none = {0};

    d->server = d->other_port = d->other_server = none;
    if (d->server_count == 0)
        return;
    choose_first(d);
    const struct wend_address *port = find(d, true, false);
    const struct wend_address *server = find(d, false, true);
    if (server == NULL)
        server = find(d, false, false);
    d->other_port = port != NULL ? *port : none;
    d->other_server = server != NULL ? *server : none;
}

static bool ask(struct wend_discovery *d, enum wend_discovery_ask what, uint8_t socket,
                const struct wend_address *to)
{
    if (d->transaction_count == WEND_DISCOVERY_TRANSACTIONS || !d->sockets[socket].open ||
        to->family == WEND_FAMILY_NONE)
        return false;
    d->transactions[d->transaction_count++] = (struct wend_discovery_transaction){
        .ask = (uint8_t)what,
        .socket = socket,
        .to = *to,
        .next = d->added != 0 ? d->added : d->asked,
    };
    return true;
}

void wend_discovery_plan_first(struct wend_discovery *d, wend_instant now)
{
    d->asked = now;
    for (uint8_t socket = 0; socket <= WEND_DISCOVERY_FILTERED; socket++)
        ask(d, WEND_DISCOVERY_PLAIN, socket, &d->server);
    ask(d, WEND_DISCOVERY_PLAIN, 1, &d->other_server);
    ask(d, WEND_DISCOVERY_PLAIN, 1, &d->other_port);
    ask(d, WEND_DISCOVERY_CHANGE_BOTH, WEND_DISCOVERY_FILTERED, &d->server);
    ask(d, WEND_DISCOVERY_CHANGE_PORT, WEND_DISCOVERY_FILTERED, &d->server);
}

// The trusted answer to a plain question, or NULL.
static const struct wend_discovery_transaction *
answer_to(const struct wend_discovery *d, uint8_t socket, const struct wend_address *to)
{
    for (uint8_t i = 0; i < d->transaction_count; i++) {
        const struct wend_discovery_transaction *t = &d->transactions[i];
        if (t->ask == WEND_DISCOVERY_PLAIN && t->socket == socket && t->answered &&
            wend_address_equal(&t->to, to) && wend_discovery_is_trusted(d, t))
            return t;
    }
    return NULL;
}

static bool is_preserved(const struct wend_discovery *d, uint8_t socket)
{
    const struct wend_discovery_transaction *t = answer_to(d, socket, &d->server);

    return t != NULL && t->outside.port == d->sockets[socket].local.port;
}

// Ports are preserved: a second destination for sockets that kept theirs, unless socket 1 has shown
// one; for the main socket, if it did not keep its own and others keep theirs for all.
static void add_for_preserving(struct wend_discovery *d, const struct wend_nat_model *m)
{
    uint32_t left = OTHER_MAX;

    if (m->allocation == WEND_NAT_PRESERVING && !is_preserved(d, 0)) {
        ask(d, WEND_DISCOVERY_PLAIN, 0, &d->other_server);
        ask(d, WEND_DISCOVERY_PLAIN, 0, &d->other_port);
        return;
    }
    for (uint8_t socket = 2; socket < WEND_DISCOVERY_FILTERED && left > 0; socket++)
        if (is_preserved(d, socket))
            left -= ask(d, WEND_DISCOVERY_PLAIN, socket, &d->other_server);
}

static bool keeps_ports(const struct wend_discovery *d)
{
    uint32_t kept = 0;

    for (uint8_t socket = 1; socket <= WEND_DISCOVERY_FILTERED; socket++)
        kept += is_preserved(d, socket);
    return kept >= 2;
}

// The destination from which a second fresh socket's answer settles how mappings depend on it: what
// socket 1 lacks an answer from, or what may have given it an equal port by chance, as happens
// where a NAT draws from few ports and one port may serve several destinations. NULL: settled.
static const struct wend_address *doubtful(const struct wend_discovery *d,
                                           const struct wend_nat_model *m, bool counts)
{
    const bool near = m->allocation != WEND_NAT_RANDOM && !counts;
    const bool port_known =
        answer_to(d, 1, &d->server) != NULL && answer_to(d, 1, &d->other_port) != NULL;

    switch (m->mapping) {
    case WEND_NAT_UNKNOWN: return port_known ? &d->other_server : &d->other_port;
    case WEND_NAT_ADDRESS_DEPENDENT: return near ? &d->other_port : NULL;
    case WEND_NAT_ENDPOINT_INDEPENDENT: return near ? &d->other_server : NULL;
    case WEND_NAT_NONE:
    case WEND_NAT_ADDRESS_AND_PORT_DEPENDENT: break;
    }
    return NULL;
}

static void add_for_others(struct wend_discovery *d, const struct wend_nat_samples *s,
                           const struct wend_nat_model *m)
{
    struct wend_nat_births births;

    wend_nat_births_of(s, d->asked, m->mapping, &births);
    const bool counts = wend_nat_sequence_of(&births, WEND_NAT_ODDS_LIKELY).delta != 0;
    const struct wend_address *doubt = doubtful(d, m, counts);
    const bool silent =
        answer_to(d, 1, &d->server) == NULL && answer_to(d, 1, &d->other_server) != NULL;

    ask(d, WEND_DISCOVERY_PLAIN, 5, silent ? &d->other_server : &d->server);
    if (doubt == NULL)
        ask(d, WEND_DISCOVERY_PLAIN, 6, &d->server);
    else if (doubt->family != WEND_FAMILY_NONE)
        ask(d, WEND_DISCOVERY_PLAIN, 2, doubt);
    else
        ask(d, WEND_DISCOVERY_PLAIN, 6, &d->server);
}

// To itself; or, if its outside address is not known yet, the other server for it.
static void ask_main_socket(struct wend_discovery *d)
{
    const struct wend_discovery_transaction *t = answer_to(d, 0, &d->server);

    if (t != NULL) {
        const struct wend_address self = t->outside;
        ask(d, WEND_DISCOVERY_HAIRPIN, 0, &self);
    } else {
        ask(d, WEND_DISCOVERY_PLAIN, 0, &d->other_server);
    }
}

void wend_discovery_plan_second(struct wend_discovery *d, wend_instant now)
{
    struct wend_nat_model m = {0};
    struct wend_nat_samples samples = {0};

    d->added = now;
    wend_discovery_collect(d, &samples);
    if (!wend_nat_classify(&samples, d->asked, &m)) { // let the other server speak again
        ask(d, WEND_DISCOVERY_PLAIN, 5, &d->other_server);
        ask(d, WEND_DISCOVERY_PLAIN, 6, &d->other_server);
    } else if (m.translates == WEND_NAT_NO) {
        return; // nothing to ask of a NAT that is not there
    } else if (keeps_ports(d)) {
        add_for_preserving(d, &m);
    } else {
        add_for_others(d, &samples, &m);
    }
    ask_main_socket(d);
}
