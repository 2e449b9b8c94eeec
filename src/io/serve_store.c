// SPDX-License-Identifier: MIT
// What the machine says happened: to the disk before anybody is told, then to the log.
//
// A turn's events are one transaction. When it fails the turn's datagrams are thrown away, so that
// nobody holds a promise that is not written; the events wait here and are tried again each second,
// and until that succeeds the machine makes no new promises. Relaying goes on.
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "io/log.h"
#include "io/serve_state.h"

static bool is_stored(enum wend_relay_event_kind kind)
{
    return kind != WEND_RELAY_NONE && kind < WEND_RELAY_RELOAD_CLAIMS;
}

// --- what waits ---

static void keep(struct wend_serve *s, const struct wend_relay_event *e)
{
    struct wend_bytes *views[4];
    struct wend_serve_pending **end = &s->pending;
    while (*end != NULL)
        end = &(*end)->next;
    const size_t len =
        e->bytes.len + e->chain.delegation.len + e->chain.membership.len + e->chain.receipt.len;
    struct wend_serve_pending *p = malloc(sizeof *p + len);
    wend_assert(p != NULL); // a few hundred bytes, or this machine is past help
    p->next = NULL;
    p->event = *e;
    views[0] = &p->event.bytes;
    views[1] = &p->event.chain.delegation;
    views[2] = &p->event.chain.membership;
    views[3] = &p->event.chain.receipt;
    size_t at = 0;
    for (size_t i = 0; i < 4; i++) {
        if (views[i]->len > 0)
            memcpy(p->bytes + at, views[i]->at, views[i]->len);
        views[i]->at = p->bytes + at;
        at += views[i]->len;
    }
    *end = p;
}

static int store_pending(struct wend_serve *s)
{
    int error = wend_server_store_begin(s->store);
    if (error != 0)
        return error;
    for (const struct wend_serve_pending *p = s->pending; p != NULL && error == 0; p = p->next)
        error = wend_server_store_apply(s->store, &p->event);
    if (error == 0)
        error = wend_server_store_commit(s->store);
    if (error != 0) {
        wend_server_store_rollback(s->store);
        return error;
    }
    while (s->pending != NULL) {
        struct wend_serve_pending *p = s->pending;
        s->pending = p->next;
        free(p);
    }
    return 0;
}

void wend_serve_retry_store(struct wend_serve *s)
{
    if (s->pending == NULL || store_pending(s) != 0)
        return;
    wend_relay_set_writable(s->relay, true);
    wend_log(WEND_LOG_INFO, "store", WEND_T("state", "writable"));
}

// --- the log ---

static const char *event_name(enum wend_relay_event_kind kind)
{
    switch (kind) {
    case WEND_RELAY_CLAIMED: return "claimed";
    case WEND_RELAY_JOINED: return "joined";
    case WEND_RELAY_ONLINE: return "online";
    case WEND_RELAY_OFFLINE: return "offline";
    case WEND_RELAY_REVOKED: return "revoked";
    case WEND_RELAY_NONE:
    case WEND_RELAY_STORE_NETWORK:
    case WEND_RELAY_STORE_REVOCATIONS:
    case WEND_RELAY_STORE_MEMBER:
    case WEND_RELAY_FORGET_MEMBER:
    case WEND_RELAY_STORE_CLAIM_USED:
    case WEND_RELAY_RELOAD_CLAIMS: break;
    }
    return NULL;
}

static void log_event(const struct wend_relay_event *e)
{
    const char *name = event_name(e->kind);
    char network[WEND_BASE64_SIZE(32)], device[WEND_BASE64_SIZE(32)], from[WEND_ADDRESS_TEXT_LEN];
    if (name == NULL)
        return;
    wend_base64_encode(WEND_BYTES(e->network), network);
    wend_base64_encode(WEND_BYTES(e->device), device);
    if (e->kind == WEND_RELAY_CLAIMED)
        wend_log(WEND_LOG_INFO, name, WEND_T("name", e->name), WEND_T("network", network));
    else if (e->kind == WEND_RELAY_ONLINE)
        wend_log(WEND_LOG_DEBUG, name, WEND_T("name", e->name), WEND_T("device", device),
                 WEND_T("from", wend_address_format(&e->address, from)),
                 WEND_T("network", network));
    else
        wend_log(e->kind == WEND_RELAY_OFFLINE ? WEND_LOG_DEBUG : WEND_LOG_INFO, name,
                 WEND_T("name", e->name), WEND_T("device", device), WEND_T("network", network));
}

void wend_serve_events(struct wend_serve *s)
{
    struct wend_relay_event e;
    bool stores = false, claims = false;
    while (wend_relay_next_event(s->relay, &e)) {
        if (is_stored(e.kind)) {
            keep(s, &e);
            stores = true;
        }
        claims = claims || e.kind == WEND_RELAY_RELOAD_CLAIMS;
        log_event(&e);
    }
    if (stores) {
        const int error = store_pending(s);
        if (error != 0) {
            s->counts.store_failures++;
            wend_relay_discard(s->relay);
            wend_log(WEND_LOG_INFO, "store", WEND_T("state", "failed"),
                     WEND_T("error", strerror(-error)));
        }
    }
    if (claims)
        (void)wend_server_store_load_claims(s->store, s->relay);
}

// --- counters ---

static uint64_t udp_received(const struct wend_serve *s)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < s->socket_count; i++)
        sum += s->sockets[i].udp.counts.received;
    return sum;
}

static void log_traffic(const struct wend_serve *s, const struct wend_relay_counts *c)
{
    wend_log(WEND_LOG_INFO, "counters", WEND_N("clients", c->clients),
             WEND_N("registered", c->registered), WEND_N("online", c->online),
             WEND_N("members", c->members), WEND_N("networks", c->networks),
             WEND_N("channels", c->channels), WEND_N("streams", s->stream_count),
             WEND_N("udp_received", udp_received(s)), WEND_N("forwarded", c->forwarded),
             WEND_N("forwarded_bytes", c->forwarded_bytes), WEND_N("handshakes", c->handshakes),
             WEND_N("handshake_repeats", c->handshake_repeats), WEND_N("requests", c->requests),
             WEND_N("refused", c->refused), WEND_N("notifies", c->notifies),
             WEND_N("channels_opened", c->channels_opened), WEND_N("stun", c->stun));
}

static void log_limits(const struct wend_serve *s, const struct wend_relay_counts *c)
{
    wend_log(WEND_LOG_INFO, "limits", WEND_N("cookies", c->cookies), WEND_N("hints", c->hints),
             WEND_N("udp_refused", s->counts.udp_refused),
             WEND_N("streams_opened", s->counts.streams_opened),
             WEND_N("streams_refused", s->counts.streams_refused),
             WEND_N("streams_ended", s->counts.streams_ended),
             WEND_N("streams_unused", s->counts.streams_unused),
             WEND_N("stream_dropped", s->counts.stream_dropped),
             WEND_N("store_failures", s->counts.store_failures));
}

static void log_drops(const struct wend_drops *d)
{
    struct wend_log_field fields[WEND_DROP_COUNT + 1] = {{.type = WEND_LOG_END}};
    size_t count = 0;
    for (int i = 1; i < WEND_DROP_COUNT; i++)
        fields[count++] = (struct wend_log_field){.key = wend_drop_name((enum wend_drop)i),
                                                  .type = WEND_LOG_NUMBER,
                                                  .number = (int64_t)d->count[i]};
    fields[count] = (struct wend_log_field){.type = WEND_LOG_END};
    wend_log_fields(WEND_LOG_INFO, "drops", fields);
}

void wend_serve_log_counters(struct wend_serve *s, bool always)
{
    struct wend_relay_counts c;
    wend_relay_counts(s->relay, &c);
    const uint64_t sum = udp_received(s) + s->counts.streams_opened + c.requests + c.notifies;
    if (!always && sum == s->counted)
        return;
    s->counted = sum;
    log_traffic(s, &c);
    log_limits(s, &c);
    log_drops(&c.drops);
}
