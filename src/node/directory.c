// SPDX-License-Identifier: MIT
#include "node/directory.h"

#include <string.h>

#include "base/print.h"
#include "node/contact.h"

void wend_directory_init(struct wend_node *n)
{
    struct wend_directory *d = &n->directory;

    wend_map_init_zeroed(&d->by_key, d->by_key_entries, 2 * WEND_NODE_MEMBERS);
    wend_pins_init(&d->pins, d->pin_memory, WEND_NODE_PINS);
    d->sync_at = WEND_NEVER;
}

static uint64_t hash_key(const struct wend_node *n, const uint8_t *key)
{
    return wend_hash(n->hash_key, key, 32);
}

struct wend_seat *wend_directory_find(struct wend_node *n, const uint8_t key[static 32])
{
    struct wend_map_cursor c = wend_map_find(&n->directory.by_key, hash_key(n, key));
    uint32_t slot;

    while (wend_map_next(&n->directory.by_key, &c, &slot))
        if (memcmp(n->directory.seats[slot].member.key, key, 32) == 0)
            return &n->directory.seats[slot];
    return NULL;
}

uint32_t wend_directory_slot(const struct wend_node *n, const struct wend_seat *seat)
{
    return (uint32_t)(seat - n->directory.seats);
}

static const char *status_name(const struct wend_seat *seat)
{
    return seat->status == WEND_STATUS_ONLINE ? "online" : "offline";
}

static void raise_member(struct wend_node *n, const struct wend_seat *seat, const char *what)
{
    struct wend_node_event e = {.kind = WEND_NODE_MEMBER, .slot = wend_directory_slot(n, seat)};

    e.address = seat->ipv4;
    wend_print(e.text, sizeof e.text, "name=%s status=%s", seat->member.name, what);
    wend_node_raise(n, &e);
}

// Addresses and slot to both halves; also when the address of a known slot has changed.
static void tell_plane(struct wend_node *n, struct wend_seat *seat)
{
    struct wend_command c = {.kind = WEND_COMMAND_PEER, .slot = wend_directory_slot(n, seat)};

    seat->ipv4 = wend_address_ipv4(seat->member.ipv4, 0);
    seat->ipv6 = wend_inside_address(n->records.network.key, seat->member.key);
    c.ipv4 = seat->ipv4;
    c.ipv6 = seat->ipv6;
    wend_node_command_both(n, &c);
    seat->told = true;
}

static struct wend_seat *take_seat(struct wend_node *n, const uint8_t *key)
{
    struct wend_directory *d = &n->directory;
    uint32_t slot = 0;

    while (slot < d->high && d->seats[slot].used)
        slot++;
    if (slot == WEND_NODE_MEMBERS || wend_map_insert(&d->by_key, hash_key(n, key), slot) != 0)
        return NULL;
    if (slot == d->high)
        d->high++;
    d->count++;
    struct wend_seat *seat = &d->seats[slot];
    memset(seat, 0, sizeof *seat);
    seat->used = true;
    seat->early_void = d->forgotten; // its labels of before, if it had a place here, are not known
    return seat;
}

void wend_directory_remove(struct wend_node *n, struct wend_seat *seat, const char *why)
{
    struct wend_directory *d = &n->directory;
    const uint32_t slot = wend_directory_slot(n, seat);

    seat->withheld = false;
    if (seat->contact != 0)
        wend_contact_close(n, &n->contacts[seat->contact - 1]);
    if (seat->told)
        wend_node_command_both(
            n, &(struct wend_command){.kind = WEND_COMMAND_PEER_GONE, .slot = slot});
    raise_member(n, seat, why);
    (void)wend_map_remove(&d->by_key, hash_key(n, seat->member.key), slot);
    if (wend_label_is_later(&seat->label, &d->forgotten))
        d->forgotten = seat->label;
    memset(seat, 0, sizeof *seat);
    d->count--;
}

static void refuse(struct wend_node *n, enum wend_error error, const uint8_t *key,
                   const char *conflict)
{
    struct wend_node_event e = {.kind = WEND_NODE_MEMBER_REFUSED, .error = (uint16_t)error};

    e.bytes = (struct wend_bytes){.at = key, .len = 32};
    wend_print(e.text, sizeof e.text, "%s%s%s", wend_error_name((uint16_t)error),
               conflict != NULL ? ": " : "", conflict != NULL ? conflict : "");
    wend_node_raise(n, &e);
    wend_node_drop(n, WEND_DROP_NOT_ALLOWED);
}

static void store_pin(struct wend_node *n, const struct wend_pin *pin, enum wend_node_event_kind k)
{
    struct wend_node_event e = {.kind = k};

    e.bytes = (struct wend_bytes){.at = (const uint8_t *)pin, .len = sizeof *pin};
    wend_print(e.text, sizeof e.text, "name=%s", pin->name);
    wend_node_raise(n, &e);
}

// The proof in an entry; NULL unless it makes its device a member in our eyes.
static struct wend_seat *admit(struct wend_node *n, const uint8_t *key,
                               const struct wend_chain *chain)
{
    struct wend_member m;
    const uint64_t seconds = wend_node_unix_seconds(n);
    enum wend_error error = wend_trust_check_member(&n->records.trust, chain, seconds, &m);

    if (error == WEND_ERROR_NONE && memcmp(m.key, key, 32) != 0)
        error = WEND_ERROR_FORGED;
    const struct wend_pin *pin = NULL;
    enum wend_pin_conflict conflict = WEND_PIN_CONFLICT_NONE;
    // Our own name and address are nobody else's, whatever the pins say.
    if (error == WEND_ERROR_NONE && (m.ipv4 == n->own.ipv4 || strcmp(m.name, n->own.name) == 0))
        error = WEND_ERROR_TAKEN;
    if (error == WEND_ERROR_NONE)
        error = wend_pins_add(&n->directory.pins, &m, seconds, &pin, &conflict);
    if (error != WEND_ERROR_NONE) {
        refuse(n, error, key,
               conflict != WEND_PIN_CONFLICT_NONE ? wend_pin_conflict_name(conflict) : NULL);
        return NULL;
    }
    if (pin != NULL)
        store_pin(n, pin, WEND_NODE_STORE_PIN);
    struct wend_seat *seat = wend_directory_find(n, key);
    const bool known = seat != NULL && seat->member.receipt_time >= m.receipt_time;
    if (known)
        return seat;
    if (seat == NULL)
        seat = take_seat(n, key);
    if (seat == NULL) {
        refuse(n, WEND_ERROR_LIMIT, key, NULL);
        return NULL;
    }
    seat->member = m;
    tell_plane(n, seat);
    return seat;
}

static void set_status(struct wend_node *n, struct wend_seat *seat, const struct wend_attributes *a)
{
    const uint8_t status = wend_attribute_u8(a->status);
    const uint64_t epoch = wend_attribute_u64(a->epoch);
    const bool appeared = status == WEND_STATUS_ONLINE && (seat->status != WEND_STATUS_ONLINE ||
                                                           (epoch != 0 && epoch != seat->epoch));
    const bool changed = seat->status != status || seat->withheld;
    const bool restarted = epoch != 0 && seat->epoch != 0 && epoch != seat->epoch;

    seat->status = status;
    seat->withheld = false;
    if (epoch != 0)
        seat->epoch = epoch;
    if (changed || restarted)
        raise_member(n, seat, changed ? status_name(seat) : "restarted");
    if (restarted && seat->contact != 0)
        wend_contact_peer_restarted(n, &n->contacts[seat->contact - 1]);
    if (appeared && seat->contact != 0)
        wend_contact_peer_appeared(n, &n->contacts[seat->contact - 1]);
}

// The server may be wrong or lying about a removal: who is neither revoked nor expired, and is
// being talked to, stays for as long as that lasts.
static void withdraw(struct wend_node *n, struct wend_seat *seat)
{
    if (seat->contact == 0) {
        wend_directory_remove(n, seat, "removed");
        return;
    }
    seat->withheld = true;
    seat->status = WEND_STATUS_OFFLINE;
    raise_member(n, seat, "removed");
}

void wend_directory_apply(struct wend_node *n, struct wend_bytes entry)
{
    struct wend_attributes a;

    if (wend_attributes_parse(entry, &a) != 0 || a.peer.at == NULL) {
        wend_node_drop(n, WEND_DROP_MALFORMED);
        return;
    }
    if (memcmp(a.peer.at, n->config.identity->public_key, 32) == 0)
        return;
    struct wend_seat *seat = wend_directory_find(n, a.peer.at);
    if (a.status.at != NULL && wend_attribute_u8(a.status) == WEND_STATUS_REMOVED) {
        if (seat != NULL)
            withdraw(n, seat);
        return;
    }
    if (a.membership.at != NULL) {
        const struct wend_chain chain = {a.delegation, a.membership, a.receipt};
        struct wend_seat *admitted = admit(n, a.peer.at, &chain);
        seat = admitted != NULL ? admitted : seat;
    }
    if (seat == NULL)
        return;
    seat->mark = n->directory.mark;
    if (a.status.at != NULL)
        set_status(n, seat, &a);
}

static void purge_seats(struct wend_node *n)
{
    const uint64_t seconds = wend_node_unix_seconds(n);

    for (uint32_t i = 0; i < n->directory.high; i++) {
        struct wend_seat *seat = &n->directory.seats[i];
        if (!seat->used)
            continue;
        if (wend_trust_is_revoked(&n->records.trust, &seat->member))
            wend_directory_remove(n, seat, "revoked");
        else if (seat->member.expires <= seconds)
            wend_directory_remove(n, seat, "expired");
    }
}

void wend_directory_purge(struct wend_node *n)
{
    struct wend_pin pin;

    purge_seats(n);
    while (wend_pins_next_dropped(&n->directory.pins, n->records.trust.revoked,
                                  wend_node_unix_seconds(n), &pin))
        store_pin(n, &pin, WEND_NODE_DROP_PIN);
}
