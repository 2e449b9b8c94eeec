// SPDX-License-Identifier: MIT
#include "session/pins.h"

#include <errno.h>
#include <string.h>

_Static_assert(sizeof(struct wend_pin) == 128, "what pins.h says");

void wend_pins_init(struct wend_pins *p, struct wend_pin *memory, size_t capacity)
{
    *p = (struct wend_pins){.at = memory, .capacity = capacity};
}

static bool is_expired(const struct wend_pin *pin, uint64_t unix_seconds)
{
    return pin->expires <= unix_seconds;
}

static bool same_key(const struct wend_pin *pin, const struct wend_member *m)
{
    return memcmp(pin->key, m->key, sizeof(pin->key)) == 0;
}

static bool same_slot(const struct wend_pin *pin, const struct wend_member *m)
{
    return pin->slot == m->slot && memcmp(pin->invite_id, m->invite_id, sizeof(m->invite_id)) == 0;
}

static bool same_name(const struct wend_pin *pin, const struct wend_member *m)
{
    return strncmp(pin->name, m->name, sizeof(pin->name)) == 0;
}

static enum wend_pin_conflict conflict_of(const struct wend_pin *pin, const struct wend_member *m)
{
    if (same_slot(pin, m))
        return WEND_PIN_CONFLICT_SLOT;
    if (same_name(pin, m))
        return WEND_PIN_CONFLICT_NAME;
    return pin->ipv4 == m->ipv4 ? WEND_PIN_CONFLICT_IPV4 : WEND_PIN_CONFLICT_NONE;
}

enum wend_error wend_pins_check(const struct wend_pins *p, const struct wend_member *m,
                                uint64_t unix_seconds, enum wend_pin_conflict *ret_conflict)
{
    for (size_t i = 0; i < p->count; i++) {
        const struct wend_pin *pin = &p->at[i];
        if (is_expired(pin, unix_seconds))
            continue;
        if (same_key(pin, m)) {
            if (pin->receipt_time > m->receipt_time)
                return WEND_ERROR_REPLAYED;
            continue;
        }
        const enum wend_pin_conflict conflict = conflict_of(pin, m);
        if (conflict == WEND_PIN_CONFLICT_NONE)
            continue;
        if (ret_conflict != NULL)
            *ret_conflict = conflict;
        return WEND_ERROR_TAKEN;
    }
    return WEND_ERROR_NONE;
}

// The pin with everything that this member has; a renewal changes its times.
static struct wend_pin *find_same(struct wend_pins *p, const struct wend_member *m)
{
    for (size_t i = 0; i < p->count; i++) {
        struct wend_pin *pin = &p->at[i];
        if (same_key(pin, m) && same_slot(pin, m) && same_name(pin, m) && pin->ipv4 == m->ipv4)
            return pin;
    }
    return NULL;
}

// Room for one more: behind the others, or an expired one's.
static struct wend_pin *find_room(struct wend_pins *p, uint64_t unix_seconds)
{
    if (p->count < p->capacity)
        return &p->at[p->count++];
    for (size_t i = 0; i < p->count; i++)
        if (is_expired(&p->at[i], unix_seconds))
            return &p->at[i];
    return NULL;
}

static void fill(struct wend_pin *pin, const struct wend_member *m)
{
    *pin = (struct wend_pin){
        .slot = m->slot,
        .ipv4 = m->ipv4,
        .receipt_time = m->receipt_time,
        .expires = m->expires,
    };
    memcpy(pin->key, m->key, sizeof(pin->key));
    memcpy(pin->invite_id, m->invite_id, sizeof(pin->invite_id));
    memcpy(pin->name, m->name, sizeof(pin->name));
}

enum wend_error wend_pins_add(struct wend_pins *p, const struct wend_member *m,
                              uint64_t unix_seconds, const struct wend_pin **ret_pin,
                              enum wend_pin_conflict *ret_conflict)
{
    const enum wend_error error = wend_pins_check(p, m, unix_seconds, ret_conflict);
    if (error != WEND_ERROR_NONE)
        return error;
    struct wend_pin *pin = find_same(p, m);
    const bool known =
        pin != NULL && pin->expires == m->expires && pin->receipt_time == m->receipt_time;
    if (pin == NULL)
        pin = find_room(p, unix_seconds);
    if (pin == NULL)
        return WEND_ERROR_LIMIT;
    if (!known)
        fill(pin, m);
    if (ret_pin != NULL)
        *ret_pin = known ? NULL : pin;
    return WEND_ERROR_NONE;
}

int wend_pins_restore(struct wend_pins *p, const struct wend_pin *pin)
{
    if (p->count >= p->capacity)
        return -ENOSPC;
    p->at[p->count++] = *pin;
    return 0;
}

bool wend_pins_next_dropped(struct wend_pins *p, const struct wend_revocation_list *revoked,
                            uint64_t unix_seconds, struct wend_pin *ret)
{
    for (size_t i = 0; i < p->count; i++) {
        const struct wend_pin *pin = &p->at[i];
        if (!is_expired(pin, unix_seconds) && !wend_revocation_has_device(revoked, pin->key) &&
            !wend_revocation_has_invite(revoked, pin->invite_id))
            continue;
        *ret = *pin;
        p->at[i] = p->at[--p->count];
        return true;
    }
    return false;
}

const char *wend_pin_conflict_name(enum wend_pin_conflict c)
{
    switch (c) {
    case WEND_PIN_CONFLICT_NONE: break;
    case WEND_PIN_CONFLICT_SLOT: return "slot";
    case WEND_PIN_CONFLICT_NAME: return "name";
    case WEND_PIN_CONFLICT_IPV4: return "address";
    }
    return "none";
}
