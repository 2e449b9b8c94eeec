// SPDX-License-Identifier: MIT
// The revocation list. Entries rise strictly as bytes, so each of its two parts, devices and then
// invites, is an array of equal entries that is searched in halves.
#include "wire/record.h"

#include "wire/record_internal.h"

#include <errno.h>
#include <string.h>

#define ENTRY_DEVICE  1
#define ENTRY_INVITE  2
#define ENTRY_LEN_MAX WEND_REVOCATION_DEVICE_LEN

// The first entry of a part that is not below `entry`, as an offset in bytes.
static size_t lower_bound(struct wend_bytes part, struct wend_bytes entry)
{
    size_t low = 0;
    size_t high = part.len / entry.len;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (memcmp(part.at + middle * entry.len, entry.at, entry.len) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low * entry.len;
}

static bool has(struct wend_bytes part, struct wend_bytes entry)
{
    const size_t at = lower_bound(part, entry);
    return at < part.len && memcmp(part.at + at, entry.at, entry.len) == 0;
}

// The entry for a device (32 bytes) or an invite (8), in `room`; empty for anything else.
static struct wend_bytes make_entry(struct wend_bytes value, uint8_t room[static ENTRY_LEN_MAX])
{
    if (value.len != WEND_RECORD_KEY_LEN && value.len != WEND_INVITE_ID_LEN)
        return (struct wend_bytes){0};
    room[0] = value.len == WEND_RECORD_KEY_LEN ? ENTRY_DEVICE : ENTRY_INVITE;
    memcpy(room + 1, value.at, value.len);
    return (struct wend_bytes){.at = room, .len = 1 + value.len};
}

bool wend_revocation_has_device(const struct wend_revocation_list *l,
                                const uint8_t device[static WEND_RECORD_KEY_LEN])
{
    uint8_t room[ENTRY_LEN_MAX];
    const struct wend_bytes value = {.at = device, .len = WEND_RECORD_KEY_LEN};
    return l != NULL && has(l->devices, make_entry(value, room));
}

bool wend_revocation_has_invite(const struct wend_revocation_list *l,
                                const uint8_t id[static WEND_INVITE_ID_LEN])
{
    uint8_t room[ENTRY_LEN_MAX];
    const struct wend_bytes value = {.at = id, .len = WEND_INVITE_ID_LEN};
    return l != NULL && has(l->invites, make_entry(value, room));
}

// Whether a part has only entries of its kind, each above the one before.
static bool rises(struct wend_bytes part, uint8_t kind, size_t entry_len)
{
    for (size_t i = 0; i < part.len; i += entry_len) {
        if (part.at[i] != kind)
            return false;
        if (i > 0 && memcmp(part.at + i - entry_len, part.at + i, entry_len) >= 0)
            return false;
    }
    return true;
}

// Cuts `count` entries into devices and invites: their number follows from the length in bytes.
static void read_entries(struct wend_reader *r, size_t count, struct wend_revocation_list *ret)
{
    const size_t step = WEND_REVOCATION_DEVICE_LEN - WEND_REVOCATION_INVITE_LEN;
    const size_t least = count * WEND_REVOCATION_INVITE_LEN;
    if (count > WEND_REVOCATIONS_MAX || r->left < least || (r->left - least) % step != 0) {
        r->failed = true;
        return;
    }
    const size_t device_count = (r->left - least) / step;
    if (device_count > count) {
        r->failed = true;
        return;
    }
    ret->devices = wend_read_view(r, device_count * WEND_REVOCATION_DEVICE_LEN);
    ret->invites = wend_read_view(r, r->left);
    if (!rises(ret->devices, ENTRY_DEVICE, WEND_REVOCATION_DEVICE_LEN) ||
        !rises(ret->invites, ENTRY_INVITE, WEND_REVOCATION_INVITE_LEN))
        r->failed = true;
}

int wend_revocation_list_decode(struct wend_bytes in, struct wend_revocation_list *ret)
{
    struct wend_revocation_list l = {0};
    struct wend_reader r;
    const int error = wend_record_open(in, WEND_RECORD_REVOCATION, &r);
    if (error != 0)
        return error;
    wend_read_copy(&r, l.network, sizeof(l.network));
    l.serial = wend_read_u64(&r);
    l.issued = wend_read_u64(&r);
    const size_t count = wend_read_u16(&r);
    read_entries(&r, count, &l);
    if (r.failed || r.left > 0 || l.serial == 0)
        return -EBADMSG;
    *ret = l;
    return 0;
}

static size_t count_of(const struct wend_revocation_list *l)
{
    return l->devices.len / WEND_REVOCATION_DEVICE_LEN +
           l->invites.len / WEND_REVOCATION_INVITE_LEN;
}

void wend_revocation_list_write(struct wend_writer *w, const struct wend_revocation_list *l)
{
    wend_record_write_start(w, WEND_RECORD_REVOCATION);
    wend_record_write_fixed(w, l->network, sizeof(l->network));
    wend_write_u64(w, l->serial);
    wend_write_u64(w, l->issued);
    wend_write_u16(w, (uint16_t)count_of(l));
    wend_write_bytes(w, l->devices);
    wend_write_bytes(w, l->invites);
}

// Copies what the list names into the buffer, if it does not lie there already.
static void adopt(const struct wend_revocation_list *l, uint8_t *entries)
{
    if (l->devices.len > 0)
        memmove(entries, l->devices.at, l->devices.len);
    if (l->invites.len > 0)
        memmove(entries + l->devices.len, l->invites.at, l->invites.len);
}

int wend_revocation_add(struct wend_revocation_list *l, uint8_t *entries, size_t capacity,
                        struct wend_bytes value)
{
    uint8_t room[ENTRY_LEN_MAX];
    const struct wend_bytes entry = make_entry(value, room);
    if (entry.len == 0)
        return -EINVAL;
    const bool is_device = entry.len == WEND_REVOCATION_DEVICE_LEN;
    const struct wend_bytes part = is_device ? l->devices : l->invites;
    if (has(part, entry))
        return -EEXIST;
    const size_t used = l->devices.len + l->invites.len;
    if (count_of(l) >= WEND_REVOCATIONS_MAX || capacity < used || capacity - used < entry.len)
        return -ENOSPC;
    adopt(l, entries);
    const size_t at = (is_device ? 0 : l->devices.len) + lower_bound(part, entry);
    memmove(entries + at + entry.len, entries + at, used - at);
    memcpy(entries + at, entry.at, entry.len);
    l->devices = (struct wend_bytes){entries, l->devices.len + (is_device ? entry.len : 0)};
    l->invites = (struct wend_bytes){entries + l->devices.len, used + entry.len - l->devices.len};
    return 0;
}
