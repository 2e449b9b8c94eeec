// SPDX-License-Identifier: MIT
// The networks that are served: their records and revocation lists, as signed by their keys. Who
// brings a newer one need not be anybody: the signature is what counts.
#include "relay/relay_state.h"
#include "wire/frame.h"

#include <errno.h>
#include <string.h>

uint32_t wend_relay_network_find(const struct wend_relay *r, struct wend_bytes key)
{
    if (key.len != WEND_RECORD_KEY_LEN)
        return 0;
    struct wend_map_cursor c =
        wend_map_find(&r->networks_by_key.map, wend_relay_hash(r, 0, key.at, key.len));
    uint32_t ref;
    while (wend_map_next(&r->networks_by_key.map, &c, &ref))
        if (memcmp(wend_relay_network_at(r, ref)->key, key.at, key.len) == 0)
            return ref;
    return 0;
}

static uint32_t network_new(struct wend_relay *r, const uint8_t key[static 32])
{
    const uint32_t ref = wend_relay_take(&r->networks);
    if (ref == 0)
        return 0;
    struct wend_relay_network *n = wend_relay_network_at(r, ref);
    memcpy(n->key, key, sizeof n->key);
    n->trust.network = &n->record;
    n->epoch = wend_random_u64(&r->random) | 1;
    n->serial = 1; // 0 is who knows nothing
    const int error = wend_relay_index_insert(&r->networks_by_key,
                                              wend_relay_hash(r, 0, key, WEND_RECORD_KEY_LEN), ref);
    wend_assert(error == 0);
    return ref;
}

uint32_t wend_relay_network_put(struct wend_relay *r, struct wend_bytes record)
{
    struct wend_network_record decoded;
    const int error = wend_network_record_decode(record, &decoded);
    wend_assert(error == 0 && record.len <= WEND_NETWORK_RECORD_MAX);
    uint32_t ref = wend_relay_network_find(r, WEND_BYTES(decoded.key));
    if (ref == 0)
        ref = network_new(r, decoded.key);
    if (ref == 0)
        return 0;
    struct wend_relay_network *n = wend_relay_network_at(r, ref);
    n->record = decoded;
    memcpy(n->record_bytes, record.at, record.len);
    n->record_len = record.len;
    return ref;
}

void wend_relay_put_serials(const struct wend_relay_network *n, struct wend_writer *w)
{
    wend_attribute_put_u64(w, WEND_ATTRIBUTE_REVOCATION_SERIAL, n->revocations.serial);
    wend_attribute_put_u64(w, WEND_ATTRIBUTE_NETWORK_SERIAL, n->record.serial);
}

// --- newer ones ---

static void store(struct wend_relay *r, enum wend_relay_event_kind kind, const uint8_t *network,
                  struct wend_bytes bytes)
{
    struct wend_relay_event e = {.kind = kind, .bytes = bytes};
    memcpy(e.network, network, sizeof e.network);
    wend_relay_raise(r, &e);
}

// STALE with the very bytes that we hold is success: somebody said it twice.
static enum wend_error same_or_stale(struct wend_bytes held, struct wend_bytes in)
{
    return wend_bytes_equal(held, in) ? WEND_ERROR_NONE : WEND_ERROR_STALE;
}

static enum wend_error take_record(struct wend_relay *r, struct wend_bytes in)
{
    struct wend_network_record newer;
    if (wend_network_record_decode(in, &newer) != 0)
        return WEND_ERROR_MALFORMED;
    const uint32_t ref = wend_relay_network_find(r, WEND_BYTES(newer.key));
    if (ref == 0)
        return WEND_ERROR_UNKNOWN_PEER;
    struct wend_relay_network *n = wend_relay_network_at(r, ref);
    const enum wend_error error = wend_trust_newer_network(&n->record, in, &newer);
    if (error == WEND_ERROR_STALE)
        return same_or_stale((struct wend_bytes){n->record_bytes, n->record_len}, in);
    if (error != WEND_ERROR_NONE)
        return error;
    (void)wend_relay_network_put(r, in);
    store(r, WEND_RELAY_STORE_NETWORK, n->key, in);
    wend_relay_directory_serials(r, ref);
    return WEND_ERROR_NONE;
}

static void keep_revocations(struct wend_relay_network *n, struct wend_bytes in)
{
    memcpy(n->revocation_bytes, in.at, in.len);
    n->revocations_len = in.len;
    const int error = wend_revocation_list_decode((struct wend_bytes){n->revocation_bytes, in.len},
                                                  &n->revocations);
    wend_assert(error == 0);
    n->trust.revoked = &n->revocations;
}

static bool is_revoked(const struct wend_relay *r, const struct wend_relay_member *m)
{
    const struct wend_relay_network *n = wend_relay_network_at(r, m->network);
    if (wend_revocation_has_device(n->trust.revoked, m->key))
        return true;
    return m->invite != 0 &&
           wend_revocation_has_invite(n->trust.revoked, wend_relay_invite_at(r, m->invite)->id);
}

// A device that is put out hears it from the hint: its next handshake works, its Configuration does
// not, and the answer says why. Without the hint it would wait for its next keepalive.
static void hint_put_out(struct wend_relay *r, uint32_t client)
{
    const struct wend_relay_client *c = wend_relay_client_at(r, client);
    uint8_t echo[4];
    wend_put_u32le(echo, c->sessions[c->current].box.local_index);
    if (c->source.transport != WEND_TRANSPORT_NONE)
        wend_relay_hint(r, &c->source, WEND_HINT_UNKNOWN_SESSION, echo);
}

// Whoever is on the list is out: at once, and told to all who stay. Those put out go to the end of
// the list, where they are met once more and passed over.
static void put_out(struct wend_relay *r, uint32_t network)
{
    uint32_t next;
    for (uint32_t i = wend_relay_network_at(r, network)->first; i != 0; i = next) {
        const struct wend_relay_member *m = wend_relay_member_at(r, i);
        next = m->after;
        if (m->state != WEND_RELAY_MEMBER_ACTIVE || !is_revoked(r, m))
            continue;
        const uint32_t client = m->client;
        wend_relay_raise_member(r, WEND_RELAY_REVOKED, m);
        if (client != 0) {
            hint_put_out(r, client);
            wend_relay_client_drop(r, client);
        }
        wend_relay_member_end(r, i);
    }
}

static enum wend_error take_revocations(struct wend_relay *r, struct wend_bytes in)
{
    struct wend_revocation_list list;
    if (in.len > WEND_REVOCATION_LIST_MAX || wend_revocation_list_decode(in, &list) != 0)
        return WEND_ERROR_MALFORMED;
    const uint32_t ref = wend_relay_network_find(r, WEND_BYTES(list.network));
    if (ref == 0)
        return WEND_ERROR_UNKNOWN_PEER;
    struct wend_relay_network *n = wend_relay_network_at(r, ref);
    const enum wend_error error =
        wend_trust_newer_revocations(&n->record, n->trust.revoked, in, &list);
    if (error == WEND_ERROR_STALE)
        return same_or_stale((struct wend_bytes){n->revocation_bytes, n->revocations_len}, in);
    if (error != WEND_ERROR_NONE)
        return error;
    keep_revocations(n, in);
    store(r, WEND_RELAY_STORE_REVOCATIONS, n->key,
          (struct wend_bytes){n->revocation_bytes, n->revocations_len});
    put_out(r, ref);
    wend_relay_directory_serials(r, ref);
    return WEND_ERROR_NONE;
}

// --- in parts ---

static struct wend_relay_upload *find_upload(struct wend_relay *r, uint32_t client)
{
    for (size_t i = 0; i < WEND_RELAY_UPLOADS; i++)
        if (r->uploads[i].client == client)
            return &r->uploads[i];
    return NULL;
}

static struct wend_relay_upload *begin_upload(struct wend_relay *r,
                                              const struct wend_relay_request *q, uint32_t network)
{
    struct wend_relay_upload *u = find_upload(r, q->client_ref);
    for (size_t i = 0; u == NULL && i < WEND_RELAY_UPLOADS; i++)
        if (r->uploads[i].client == 0)
            u = &r->uploads[i];
    if (u == NULL) {
        u = &r->uploads[0];
        for (size_t i = 1; i < WEND_RELAY_UPLOADS; i++)
            if (r->uploads[i].at < u->at)
                u = &r->uploads[i];
    }
    u->client = q->client_ref;
    u->network = network;
    u->size = wend_attribute_u32(q->a.size);
    u->have = 0;
    return u;
}

void wend_relay_upload_forget(struct wend_relay *r, uint32_t client)
{
    struct wend_relay_upload *u = find_upload(r, client);
    if (u != NULL)
        u->client = 0;
}

// Parts come in order; one that came before is passed over, the last one ends in the judgement.
static enum wend_error take_part(struct wend_relay *r, struct wend_relay_request *q)
{
    const struct wend_attributes *a = &q->a;
    const uint32_t network = wend_relay_network_find(r, a->network);
    const uint32_t offset = wend_attribute_u32(a->offset);
    const uint32_t size = wend_attribute_u32(a->size);
    if (network == 0)
        return WEND_ERROR_UNKNOWN_PEER;
    if (wend_attribute_u8(a->object) != WEND_OBJECT_REVOCATION_LIST || a->part.len == 0 ||
        size > WEND_REVOCATION_LIST_MAX || offset > size || a->part.len > size - offset)
        return WEND_ERROR_MALFORMED;
    struct wend_relay_upload *u =
        offset == 0 ? begin_upload(r, q, network) : find_upload(r, q->client_ref);
    if (u == NULL || u->network != network || u->size != size || offset > u->have) {
        q->text = "a part before this one is missing";
        return WEND_ERROR_MALFORMED;
    }
    u->at = r->now;
    memcpy(u->bytes + offset, a->part.at, a->part.len);
    if (offset + (uint32_t)a->part.len > u->have)
        u->have = offset + (uint32_t)a->part.len;
    if (u->have < size || offset + a->part.len < size)
        return WEND_ERROR_NONE;
    return take_revocations(r, (struct wend_bytes){u->bytes, size});
}

enum wend_error wend_relay_publish(struct wend_relay *r, struct wend_relay_request *q,
                                   struct wend_writer *w)
{
    (void)w;
    if (!wend_relay_can_store(r))
        return WEND_ERROR_LIMIT;
    if (q->a.network_record.at != NULL)
        return take_record(r, q->a.network_record);
    if (q->a.revocation_list.at != NULL)
        return take_revocations(r, q->a.revocation_list);
    return q->a.part.at != NULL ? take_part(r, q) : WEND_ERROR_MALFORMED;
}

enum wend_error wend_relay_fetch(struct wend_relay *r, struct wend_relay_request *q,
                                 struct wend_writer *w)
{
    const uint32_t ref =
        q->a.network.at != NULL ? wend_relay_network_find(r, q->a.network) : q->client->network;
    if (ref == 0)
        return q->a.network.at != NULL ? WEND_ERROR_UNKNOWN_PEER : WEND_ERROR_NOT_REGISTERED;
    const struct wend_relay_network *n = wend_relay_network_at(r, ref);
    const uint8_t object = wend_attribute_u8(q->a.object);
    const uint32_t offset = wend_attribute_u32(q->a.offset);
    struct wend_bytes whole = {n->record_bytes, n->record_len};
    if (object == WEND_OBJECT_REVOCATION_LIST)
        whole = (struct wend_bytes){n->revocation_bytes, n->revocations_len};
    else if (object != WEND_OBJECT_NETWORK_RECORD)
        return WEND_ERROR_MALFORMED;
    if (offset > whole.len)
        return WEND_ERROR_MALFORMED;
    const size_t left = whole.len - offset;
    wend_attribute_put_u8(w, WEND_ATTRIBUTE_OBJECT, object);
    wend_attribute_put_u32(w, WEND_ATTRIBUTE_OFFSET, offset);
    wend_attribute_put_u32(w, WEND_ATTRIBUTE_SIZE, (uint32_t)whole.len);
    if (left > 0)
        wend_attribute_put(w, WEND_ATTRIBUTE_PART,
                           (struct wend_bytes){whole.at + offset, left < WEND_RELAY_PART_MAX
                                                                      ? left
                                                                      : WEND_RELAY_PART_MAX});
    return WEND_ERROR_NONE;
}

// --- what was stored ---

int wend_relay_load_network(struct wend_relay *r, struct wend_bytes record)
{
    struct wend_network_record decoded;
    if (wend_trust_newer_network(NULL, record, &decoded) != WEND_ERROR_NONE)
        return -EBADMSG;
    return wend_relay_network_put(r, record) != 0 ? 0 : -ENOSPC;
}

int wend_relay_load_revocations(struct wend_relay *r, struct wend_bytes list)
{
    struct wend_revocation_list decoded;
    if (list.len > WEND_REVOCATION_LIST_MAX || wend_revocation_list_decode(list, &decoded) != 0)
        return -EBADMSG;
    const uint32_t ref = wend_relay_network_find(r, WEND_BYTES(decoded.network));
    if (ref == 0)
        return -ENOENT;
    struct wend_relay_network *n = wend_relay_network_at(r, ref);
    if (wend_trust_newer_revocations(&n->record, NULL, list, &decoded) != WEND_ERROR_NONE)
        return -EBADMSG;
    keep_revocations(n, list);
    return 0;
}
