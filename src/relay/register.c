// SPDX-License-Identifier: MIT
// A member registers, moves, stays, and leaves. docs/protocol.md section 4.1.
#include "relay/relay_state.h"

#include <string.h>

#define LIFETIME_MAX (24 * 3600u)

static void put_observed(const struct wend_relay_request *q, struct wend_writer *w)
{
    if (q->in->remote.family != WEND_FAMILY_NONE)
        wend_attribute_put_address(w, &q->in->remote);
}

// A changed epoch is another run of the device: it has forgotten its channels.
static void take_epoch(struct wend_relay *r, uint32_t ref, uint64_t epoch)
{
    struct wend_relay_client *c = wend_relay_client_at(r, ref);
    struct wend_relay_member *m = wend_relay_member_at(r, c->member);
    if (c->epoch != epoch) {
        wend_relay_channels_close(r, ref);
        c->subscribed = false;
        c->whole = c->whole_told = 0;
    }
    c->epoch = epoch;
    if (m->epoch == epoch)
        return;
    m->epoch = epoch;
    wend_relay_directory_changed(r, c->member);
}

// How long the client may be silent from now on, going by the pause that it told.
static void take_interval(struct wend_relay *r, const struct wend_relay_request *q)
{
    const uint32_t told = wend_attribute_u32(q->a.lifetime);
    const uint32_t most = WEND_RELAY_OFFLINE_MAX / WEND_S(1);

    if (q->a.lifetime.at == NULL)
        return;
    q->client->interval = told < most ? told : most;
    wend_relay_client_arm(r, q->client_ref);
}

static enum wend_error judge(struct wend_relay *r, struct wend_relay_request *q, uint32_t network,
                             uint32_t *ret_member)
{
    const struct wend_relay_network *n = wend_relay_network_at(r, network);
    const struct wend_chain chain = {q->a.delegation, q->a.membership, q->a.receipt};
    struct wend_member m;
    enum wend_error error = wend_trust_check_member(&n->trust, &chain, r->unix_seconds, &m);
    if (error != WEND_ERROR_NONE)
        return error;
    if (memcmp(m.key, q->client->key, sizeof m.key) != 0) {
        q->text = "the membership is of another device";
        return WEND_ERROR_NOT_ALLOWED;
    }
    bool is_new;
    return wend_relay_admit(r, network, &chain, &m, ret_member, &is_new);
}

static void put_discovery(const struct wend_relay *r, struct wend_writer *w)
{
    const struct wend_discovery_ports *d = r->config.discovery;
    if (d[0].port_count == 0 && d[1].port_count == 0)
        return;
    const size_t begun = wend_attribute_begin(w, WEND_ATTRIBUTE_DISCOVERY);
    wend_discovery_ports_write(w, d);
    wend_attribute_end(w, begun);
}

enum wend_error wend_relay_configuration(struct wend_relay *r, struct wend_relay_request *q,
                                         struct wend_writer *w)
{
    const struct wend_attributes *a = &q->a;
    if (a->network.at == NULL || a->membership.at == NULL || a->delegation.at == NULL ||
        a->receipt.at == NULL || a->epoch.at == NULL)
        return WEND_ERROR_MALFORMED;
    const uint32_t network = wend_relay_network_find(r, a->network);
    if (network == 0)
        return WEND_ERROR_UNKNOWN_PEER;
    uint32_t member = 0;
    const enum wend_error error = judge(r, q, network, &member);
    if (error != WEND_ERROR_NONE)
        return error;
    const struct wend_relay_source source = wend_relay_source_of(q->in);
    wend_relay_client_register(r, q->client_ref, member);
    take_interval(r, q);
    wend_relay_client_set_source(r, q->client_ref, &source);
    take_epoch(r, q->client_ref, wend_attribute_u64(a->epoch));
    wend_relay_client_set_online(r, q->client_ref, true);
    const uint64_t left = wend_relay_member_at(r, member)->expires - r->unix_seconds;
    put_observed(q, w);
    wend_attribute_put_u32(w, WEND_ATTRIBUTE_LIFETIME,
                           left < LIFETIME_MAX ? (uint32_t)left : LIFETIME_MAX);
    const struct wend_relay_network *n = wend_relay_network_at(r, network);
    wend_attribute_put_position(w, wend_relay_position(n));
    wend_relay_put_serials(n, w);
    put_discovery(r, w);
    return WEND_ERROR_NONE;
}

enum wend_error wend_relay_resume(struct wend_relay *r, struct wend_relay_request *q,
                                  struct wend_writer *w)
{
    const struct wend_relay_source source = wend_relay_source_of(q->in);
    wend_relay_client_set_source(r, q->client_ref, &source);
    wend_relay_client_set_online(r, q->client_ref, true);
    put_observed(q, w);
    return WEND_ERROR_NONE;
}

enum wend_error wend_relay_release(struct wend_relay *r, struct wend_relay_request *q,
                                   struct wend_writer *w)
{
    (void)w;
    wend_relay_client_deregister(r, q->client_ref);
    return WEND_ERROR_NONE;
}

// Whether an answer would tell the client anything that it did not say itself.
static bool has_news(const struct wend_relay_request *q, const struct wend_relay_network *n)
{
    const struct wend_position position = wend_relay_position(n);
    const struct wend_relay_source source = wend_relay_source_of(q->in);
    struct wend_address address = {0};
    struct wend_position told = {0};

    (void)wend_attribute_address(q->a.address, &address);
    (void)wend_attribute_position(q->a.position, &told);
    return !wend_address_equal(&address, &q->in->remote) ||
           !wend_relay_same_source(&source, &q->client->source) || told.epoch != position.epoch ||
           told.serial != position.serial || q->a.revocation_serial.at == NULL ||
           wend_attribute_u64(q->a.revocation_serial) != n->revocations.serial ||
           wend_attribute_u64(q->a.network_serial) != n->record.serial;
}

enum wend_error wend_relay_keepalive(struct wend_relay *r, struct wend_relay_request *q,
                                     struct wend_writer *w)
{
    const struct wend_relay_network *n = wend_relay_network_at(r, q->client->network);
    take_interval(r, q);
    q->silent = q->a.news_only.at != NULL && !has_news(q, n);
    if (q->silent)
        r->counts.quiet_keepalives++;
    put_observed(q, w);
    wend_attribute_put_position(w, wend_relay_position(n));
    wend_relay_put_serials(n, w);
    return WEND_ERROR_NONE;
}
