// SPDX-License-Identifier: MIT
// Claim: the one-time code that lets a network onto this server.
//
// A code may have been made by another process a moment ago: one that we do not know makes us ask
// the owner for all that are stored, and leaves the answer to the client's next try.
#include "relay/relay_state.h"

#include <string.h>

static struct wend_relay_claim *find_claim(struct wend_relay *r, const uint8_t *secret)
{
    struct wend_relay_claim *found = NULL;
    for (size_t i = 0; i < WEND_RELAY_CLAIMS_MAX; i++)
        if (r->claims[i].used &&
            wend_equal(r->claims[i].secret, secret, sizeof r->claims[i].secret))
            found = &r->claims[i];
    return found;
}

void wend_relay_load_claim(struct wend_relay *r, const uint8_t secret[static WEND_CLAIM_SECRET_LEN],
                           const uint8_t *used_by)
{
    struct wend_relay_claim *c = find_claim(r, secret);
    for (size_t i = 0; c == NULL && i < WEND_RELAY_CLAIMS_MAX; i++)
        if (!r->claims[i].used)
            c = &r->claims[i];
    if (c == NULL) {
        c = &r->claims[0];
        for (size_t i = 1; i < WEND_RELAY_CLAIMS_MAX; i++)
            if (r->claims[i].order < c->order)
                c = &r->claims[i];
    }
    if (c->used && wend_equal(c->secret, secret, sizeof c->secret) && c->spent)
        return;
    c->used = true;
    c->spent = used_by != NULL;
    c->order = ++r->claim_order;
    memcpy(c->secret, secret, sizeof c->secret);
    memset(c->network, 0, sizeof c->network);
    if (used_by != NULL)
        memcpy(c->network, used_by, sizeof c->network);
}

static enum wend_error unknown(struct wend_relay *r, struct wend_relay_request *q)
{
    if (r->claim_asked_client == q->client_ref && r->claim_asked_id == q->message->id) {
        q->text = "no such claim code";
        return WEND_ERROR_NOT_ALLOWED;
    }
    r->claim_asked_client = q->client_ref;
    r->claim_asked_id = q->message->id;
    q->silent = true;
    wend_relay_raise(r, &(struct wend_relay_event){.kind = WEND_RELAY_RELOAD_CLAIMS});
    return WEND_ERROR_NONE;
}

// Whether the record names this server, so that its members find it.
static bool names_us(const struct wend_relay *r, const struct wend_network_record *n)
{
    const struct wend_server_record *s = wend_network_record_find_server(n, r->signature_key);
    return s != NULL && memcmp(s->session_key, r->identity.public_key, sizeof s->session_key) == 0;
}

static void store(struct wend_relay *r, const struct wend_relay_claim *c, struct wend_bytes record)
{
    struct wend_relay_event e = {.kind = WEND_RELAY_STORE_NETWORK, .bytes = record};
    memcpy(e.network, c->network, sizeof e.network);
    wend_relay_raise(r, &e);
    e.kind = WEND_RELAY_STORE_CLAIM_USED;
    e.bytes = WEND_BYTES(c->secret);
    wend_relay_raise(r, &e);
}

static enum wend_error take(struct wend_relay *r, struct wend_relay_claim *c,
                            struct wend_bytes record, const struct wend_network_record *n)
{
    const uint32_t held = wend_relay_network_find(r, WEND_BYTES(n->key));
    if (held != 0 && wend_relay_network_at(r, held)->record.serial > n->serial)
        return WEND_ERROR_STALE;
    const uint32_t network = wend_relay_network_put(r, record);
    if (network == 0)
        return WEND_ERROR_LIMIT;
    c->spent = true;
    memcpy(c->network, n->key, sizeof c->network);
    store(r, c, record);
    struct wend_relay_event e = {.kind = WEND_RELAY_CLAIMED};
    memcpy(e.network, n->key, sizeof e.network);
    memcpy(e.name, n->name, sizeof e.name);
    wend_relay_raise(r, &e);
    wend_relay_directory_serials(r, network);
    return WEND_ERROR_NONE;
}

enum wend_error wend_relay_claim_network(struct wend_relay *r, struct wend_relay_request *q,
                                         struct wend_writer *w)
{
    struct wend_network_record n;
    (void)w;
    if (q->a.secret.len != WEND_CLAIM_SECRET_LEN || q->a.network_record.at == NULL)
        return WEND_ERROR_MALFORMED;
    if (!wend_relay_can_store(r))
        return WEND_ERROR_LIMIT;
    const enum wend_error error = wend_trust_newer_network(NULL, q->a.network_record, &n);
    if (error != WEND_ERROR_NONE)
        return error;
    struct wend_relay_claim *c = find_claim(r, q->a.secret.at);
    if (c == NULL)
        return unknown(r, q);
    if (c->spent) {
        // Said again after a lost answer, or by somebody who comes too late.
        if (memcmp(c->network, n.key, sizeof n.key) == 0 &&
            wend_relay_network_find(r, WEND_BYTES(n.key)) != 0)
            return WEND_ERROR_NONE;
        q->text = "this claim code was used before";
        return WEND_ERROR_NOT_ALLOWED;
    }
    if (!names_us(r, &n)) {
        q->text = "the network's record does not name this server";
        return WEND_ERROR_UNLISTED;
    }
    return take(r, c, q->a.network_record, &n);
}
