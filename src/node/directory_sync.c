// SPDX-License-Identifier: MIT
// Following the server's directory: pages after a position, and changes as they happen.
#include <string.h>

#include "node/directory.h"
#include "node/records.h"
#include "node/server.h"

#define SYNC_AGAIN WEND_S(5)
#define PATIENCE   WEND_S(15)

static bool is_same_epoch(const struct wend_directory *d, struct wend_position p)
{
    return d->position.epoch == p.epoch;
}

void wend_directory_sync(struct wend_node *n)
{
    struct wend_directory *d = &n->directory;
    uint8_t body[32];
    struct wend_writer w = wend_writer_of(body, sizeof body);

    if (d->syncing) {
        d->behind = true;
        return;
    }
    d->sync_at = WEND_NEVER;
    if (!n->registered) // it is the first thing after registration
        return;
    if (d->position.epoch == 0 || d->position.serial == 0) {
        d->whole = true;
        d->mark++;
    }
    wend_attribute_put_position(&w, d->position);
    d->behind = false;
    d->syncing = wend_server_call(n, WEND_CALL_SUBSCRIBE, 0, &w, PATIENCE) == 0;
    d->sync_at = d->syncing ? WEND_NEVER : n->now + SYNC_AGAIN;
}

void wend_directory_told(struct wend_node *n, struct wend_position position)
{
    struct wend_directory *d = &n->directory;

    if (is_same_epoch(d, position) && position.serial <= d->position.serial)
        return;
    wend_directory_sync(n);
}

static void apply_all(struct wend_node *n, const struct wend_attributes *a)
{
    struct wend_bytes rest = a->all;
    struct wend_bytes entry;

    while (wend_attribute_next(&rest, WEND_ATTRIBUTE_ENTRY, &entry))
        wend_directory_apply(n, entry);
}

// Whoever a whole subscription did not name is offline.
static void finish_whole(struct wend_node *n)
{
    struct wend_directory *d = &n->directory;

    d->whole = false;
    for (uint32_t i = 0; i < d->high; i++)
        if (d->seats[i].used && d->seats[i].mark != d->mark)
            d->seats[i].status = WEND_STATUS_OFFLINE;
}

void wend_directory_subscribed(struct wend_node *n, struct wend_bytes attributes, uint16_t error)
{
    struct wend_directory *d = &n->directory;
    struct wend_attributes a;
    struct wend_position reached;

    d->syncing = false;
    if (error != 0 || wend_attributes_parse(attributes, &a) != 0 ||
        !wend_attribute_position(a.position, &reached)) {
        d->sync_at = n->now + SYNC_AGAIN;
        return;
    }
    if (d->position.epoch != 0 && !is_same_epoch(d, reached)) {
        // Our position was of another life of the server: this page is the first of all.
        d->whole = true;
        d->mark++;
    }
    const bool moved = !is_same_epoch(d, reached) || reached.serial > d->position.serial;
    apply_all(n, &a);
    d->position = reached;
    if ((a.more && moved) || d->behind) { // a server that never moves on is not asked forever
        wend_directory_sync(n);
        return;
    }
    if (d->whole)
        finish_whole(n);
    wend_server_synced(n);
}

void wend_directory_notified(struct wend_node *n, const struct wend_leg_event *event,
                             const struct wend_attributes *a)
{
    struct wend_directory *d = &n->directory;
    struct wend_position from, to;
    uint8_t body[32];
    struct wend_writer w = wend_writer_of(body, sizeof body);

    if (!wend_attribute_position(a->position, &from) ||
        !wend_attribute_position(a->position_to, &to)) {
        (void)wend_leg_respond(&n->leg, event, WEND_ERROR_MALFORMED, (struct wend_bytes){0});
        return;
    }
    const bool fits =
        is_same_epoch(d, from) && is_same_epoch(d, to) && from.serial <= d->position.serial;
    if (fits && to.serial > d->position.serial && !d->syncing) {
        apply_all(n, a);
        d->position = to;
    }
    wend_attribute_put_position(&w, d->position);
    (void)wend_leg_respond(&n->leg, event, 0, (struct wend_bytes){.at = body, .len = w.len});
    if (!fits || a->more || d->syncing)
        wend_directory_sync(n);
    wend_records_told(n, a);
}
