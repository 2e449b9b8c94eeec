// SPDX-License-Identifier: MIT
// One Fetch at a time, for whichever record is behind. A fetch that leads nowhere (a serial that
// nobody can prove) is not begun again for a minute.
#include "node/records.h"

#include <errno.h>
#include <string.h>

#include "node/contact.h"
#include "node/directory.h"
#include "node/server.h"

#define PART_MAX   1000 // bytes of a record in an answer of ours
#define PATIENCE   WEND_S(15)
#define PEER_RETRY WEND_MS(500)
#define PEER_TRIES 8
#define NOT_BEFORE WEND_S(60)

static struct wend_bytes network_bytes(const struct wend_records *r)
{
    return (struct wend_bytes){.at = r->network_bytes, .len = r->network_len};
}

static struct wend_bytes revocation_bytes(const struct wend_records *r)
{
    return (struct wend_bytes){.at = r->revocation_bytes, .len = r->revocation_len};
}

int wend_records_init(struct wend_node *n, const struct wend_node_config *config)
{
    struct wend_records *r = &n->records;

    if (config->network_record.len > sizeof r->network_bytes ||
        config->revocations.len > sizeof r->revocation_bytes ||
        wend_trust_newer_network(NULL, config->network_record, &r->network) != WEND_ERROR_NONE)
        return -EBADMSG;
    r->network_len = config->network_record.len;
    memcpy(r->network_bytes, config->network_record.at, r->network_len);
    r->trust.network = &r->network;
    r->fetch.retry_at = WEND_NEVER;
    if (config->revocations.len == 0)
        return 0;
    r->revocation_len = config->revocations.len;
    memcpy(r->revocation_bytes, config->revocations.at, r->revocation_len);
    if (wend_trust_newer_revocations(&r->network, NULL, revocation_bytes(r), &r->revocations) !=
        WEND_ERROR_NONE)
        return -EBADMSG;
    r->trust.revoked = &r->revocations;
    return 0;
}

// --- fetching ---

static void end_fetch(struct wend_records *r)
{
    r->fetch.object = WEND_OBJECT_NONE;
    r->fetch.retry_at = WEND_NEVER;
}

static void fail_fetch(struct wend_node *n)
{
    end_fetch(&n->records);
    n->records.not_before = n->now + NOT_BEFORE;
}

static void ask_peer(struct wend_node *n, struct wend_bytes body)
{
    struct wend_fetch *f = &n->records.fetch;
    const uint32_t contact = n->directory.seats[f->slot].contact;

    if (contact == 0 || f->tries == PEER_TRIES) {
        fail_fetch(n);
        return;
    }
    f->tries++;
    f->retry_at = n->now + PEER_RETRY;
    wend_contact_request(n, &n->contacts[contact - 1], WEND_CONTROL_FETCH, body);
}

// Asks for the part at `offset`.
static void ask(struct wend_node *n)
{
    struct wend_fetch *f = &n->records.fetch;
    uint8_t body[32];
    struct wend_writer w = wend_writer_of(body, sizeof body);

    wend_attribute_put_u8(&w, WEND_ATTRIBUTE_OBJECT, (uint8_t)f->object);
    wend_attribute_put_u32(&w, WEND_ATTRIBUTE_OFFSET, f->offset);
    if (f->from_peer)
        ask_peer(n, (struct wend_bytes){.at = body, .len = w.len});
    else if (wend_server_call(n, WEND_CALL_FETCH, 0, &w, PATIENCE) != 0)
        fail_fetch(n);
}

static void begin(struct wend_node *n, enum wend_object object, bool from_peer, uint32_t slot)
{
    struct wend_fetch *f = &n->records.fetch;

    if (f->object != WEND_OBJECT_NONE || n->now < n->records.not_before)
        return;
    f->object = object;
    f->from_peer = from_peer;
    f->slot = slot;
    f->offset = f->size = 0;
    f->tries = 0;
    f->retry_at = WEND_NEVER;
    ask(n);
}

// What the server has and we have not.
static void begin_next(struct wend_node *n)
{
    struct wend_records *r = &n->records;

    if (!n->registered)
        return;
    if (r->server_revocations > r->revocations.serial)
        begin(n, WEND_OBJECT_REVOCATION_LIST, false, 0);
    else if (r->server_network > r->network.serial)
        begin(n, WEND_OBJECT_NETWORK_RECORD, false, 0);
}

void wend_records_told(struct wend_node *n, const struct wend_attributes *a)
{
    if (a->revocation_serial.at != NULL)
        n->records.server_revocations = wend_attribute_u64(a->revocation_serial);
    if (a->network_serial.at != NULL)
        n->records.server_network = wend_attribute_u64(a->network_serial);
    begin_next(n);
}

void wend_records_told_by_peer(struct wend_node *n, uint32_t slot, uint64_t revocation_serial)
{
    const struct wend_records *r = &n->records;

    if (revocation_serial <= r->revocations.serial)
        return;
    if (n->registered && r->server_revocations >= revocation_serial)
        begin_next(n);
    else
        begin(n, WEND_OBJECT_REVOCATION_LIST, true, slot);
}

// --- applying ---

static void take_revocations(struct wend_node *n, struct wend_bytes in)
{
    struct wend_records *r = &n->records;
    struct wend_revocation_list list;
    const enum wend_error error =
        wend_trust_newer_revocations(&r->network, r->trust.revoked, in, &list);

    if (error != WEND_ERROR_NONE) {
        wend_node_drop(n, WEND_DROP_NOT_ALLOWED);
        fail_fetch(n);
        return;
    }
    memcpy(r->revocation_bytes, in.at, in.len);
    r->revocation_len = in.len;
    wend_assert(wend_revocation_list_decode(revocation_bytes(r), &r->revocations) == 0);
    r->trust.revoked = &r->revocations;
    end_fetch(r);
    wend_node_raise(n, &(struct wend_node_event){.kind = WEND_NODE_STORE_REVOCATIONS,
                                                 .bytes = revocation_bytes(r)});
    wend_directory_purge(n);
    if (wend_trust_is_revoked(&r->trust, &n->own))
        wend_server_refused(n, WEND_ERROR_REVOKED, "this device is revoked");
}

static void take_network(struct wend_node *n, struct wend_bytes in)
{
    struct wend_records *r = &n->records;
    struct wend_network_record newer;

    if (wend_trust_newer_network(&r->network, in, &newer) != WEND_ERROR_NONE) {
        wend_node_drop(n, WEND_DROP_NOT_ALLOWED);
        fail_fetch(n);
        return;
    }
    memcpy(r->network_bytes, in.at, in.len);
    r->network_len = in.len;
    r->network = newer;
    end_fetch(r);
    wend_node_raise(
        n, &(struct wend_node_event){.kind = WEND_NODE_STORE_NETWORK, .bytes = network_bytes(r)});
    wend_server_network_changed(n);
}

static void finish(struct wend_node *n)
{
    struct wend_fetch *f = &n->records.fetch;
    const struct wend_bytes whole = {.at = f->buffer, .len = f->size};

    if (f->object == WEND_OBJECT_REVOCATION_LIST)
        take_revocations(n, whole);
    else
        take_network(n, whole);
    begin_next(n);
}

// True when the part fits to what was asked and what came before.
static bool take_part(struct wend_fetch *f, const struct wend_attributes *a)
{
    const uint32_t size = wend_attribute_u32(a->size);
    const uint32_t max = f->object == WEND_OBJECT_NETWORK_RECORD ? WEND_NETWORK_RECORD_MAX
                                                                 : WEND_REVOCATION_LIST_MAX;

    if (wend_attribute_u8(a->object) != (uint8_t)f->object || a->offset.at == NULL ||
        wend_attribute_u32(a->offset) != f->offset || size == 0 || size > max ||
        (f->offset != 0 && size != f->size))
        return false;
    if (a->part.len == 0 || a->part.len > size - f->offset)
        return false;
    memcpy(f->buffer + f->offset, a->part.at, a->part.len);
    f->size = size;
    f->offset += (uint32_t)a->part.len;
    f->tries = 0;
    return true;
}

void wend_records_fetched(struct wend_node *n, struct wend_bytes attributes, uint16_t error)
{
    struct wend_fetch *f = &n->records.fetch;
    struct wend_attributes a;

    if (f->object == WEND_OBJECT_NONE)
        return;
    if (error != 0 || wend_attributes_parse(attributes, &a) != 0 || !take_part(f, &a)) {
        fail_fetch(n);
        return;
    }
    if (f->offset == f->size)
        finish(n);
    else
        ask(n);
}

void wend_records_fetched_from_peer(struct wend_node *n, uint32_t slot,
                                    const struct wend_control *response)
{
    const struct wend_fetch *f = &n->records.fetch;

    if (f->object == WEND_OBJECT_NONE || !f->from_peer || f->slot != slot)
        return;
    struct wend_attributes a;
    const bool failed = wend_attributes_parse(response->attributes, &a) != 0 || a.error.at != NULL;
    wend_records_fetched(n, response->attributes, failed ? WEND_ERROR_MALFORMED : 0);
}

enum wend_error wend_records_serve(const struct wend_node *n, const struct wend_attributes *a,
                                   struct wend_writer *w)
{
    const struct wend_records *r = &n->records;
    const uint8_t object = wend_attribute_u8(a->object);
    const uint32_t offset = wend_attribute_u32(a->offset);
    struct wend_bytes whole = {0};

    if (object == WEND_OBJECT_NETWORK_RECORD)
        whole = network_bytes(r);
    else if (object == WEND_OBJECT_REVOCATION_LIST)
        whole = revocation_bytes(r);
    if (offset >= whole.len)
        return WEND_ERROR_MALFORMED;
    const size_t left = whole.len - offset;
    wend_attribute_put_u8(w, WEND_ATTRIBUTE_OBJECT, object);
    wend_attribute_put_u32(w, WEND_ATTRIBUTE_OFFSET, offset);
    wend_attribute_put_u32(w, WEND_ATTRIBUTE_SIZE, (uint32_t)whole.len);
    wend_attribute_put(
        w, WEND_ATTRIBUTE_PART,
        (struct wend_bytes){.at = whole.at + offset, .len = left < PART_MAX ? left : PART_MAX});
    return WEND_ERROR_NONE;
}

void wend_records_peer_gone(struct wend_node *n, uint32_t slot)
{
    const struct wend_fetch *f = &n->records.fetch;

    if (f->object != WEND_OBJECT_NONE && f->from_peer && f->slot == slot)
        end_fetch(&n->records);
}

void wend_records_expire(struct wend_node *n)
{
    if (n->records.fetch.retry_at <= n->now)
        ask(n);
}

wend_instant wend_records_deadline(const struct wend_node *n)
{
    return n->records.fetch.retry_at;
}
