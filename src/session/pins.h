// SPDX-License-Identifier: MIT
// Pins: a slot of an invite, a name and an IPv4 address belong to the first key that was seen with
// them, until that key's membership expires or is revoked. docs/protocol.md section 6.
//
// So a server cannot pass one member off as another, even with the help of an invite's holder: a
// newer membership of a key adds a pin and frees nothing of the older one, for otherwise a
// membership made for somebody else's key would free that device's name.
//
// The memory is the caller's, and so is keeping it: a pin is plain data without pointers. The order
// of pins says nothing. Not thread-safe.
#ifndef WEND_SESSION_PINS_H
#define WEND_SESSION_PINS_H

#include "base/text.h"
#include "wire/control.h"
#include "wire/record.h"

// A member as trust.h found it. Copies; times are seconds of Unix time.
struct wend_member {
    uint8_t key[WEND_RECORD_KEY_LEN];
    uint8_t invite_id[WEND_INVITE_ID_LEN];
    uint8_t membership_hash[WEND_RECORD_HASH_LEN];
    uint8_t server[WEND_RECORD_KEY_LEN]; // Ed25519, signed the receipt
    uint32_t slot;                       // of the invite
    uint32_t ipv4;                       // host order
    uint64_t receipt_time;
    uint64_t expires; // receipt time + lifetime; the first second that is too late
    char name[WEND_NAME_LEN_MAX + 1];
};

// 128 bytes.
struct wend_pin {
    uint8_t key[WEND_RECORD_KEY_LEN];
    uint8_t invite_id[WEND_INVITE_ID_LEN];
    uint32_t slot;
    uint32_t ipv4; // host order
    uint64_t receipt_time;
    uint64_t expires;
    char name[WEND_NAME_LEN_MAX + 1];
};

struct wend_pins {
    struct wend_pin *at;
    size_t count;
    size_t capacity;
};

enum wend_pin_conflict {
    WEND_PIN_CONFLICT_NONE = 0,
    WEND_PIN_CONFLICT_SLOT,
    WEND_PIN_CONFLICT_NAME,
    WEND_PIN_CONFLICT_IPV4,
};

// Starts empty. Two pins a member suffice where devices renew in time.
void wend_pins_init(struct wend_pins *p, struct wend_pin *memory, size_t capacity);

// Judges a member that trust.h accepted and remembers it. Expired pins speak against nobody.
//
// Returns WEND_ERROR_NONE, pinned, and `ret_pin` (may be NULL) the pin that is new or changed,
// valid
//                             until the next call; NULL there if it was known already;
//   WEND_ERROR_TAKEN     another key has its slot, name or address: `ret_conflict` (may be NULL)
//   WEND_ERROR_REPLAYED  this key has shown a newer membership
//   WEND_ERROR_LIMIT     no room: as many unexpired pins as the memory holds
// Only NONE changes anything.
enum wend_error wend_pins_add(struct wend_pins *p, const struct wend_member *m,
                              uint64_t unix_seconds, const struct wend_pin **ret_pin,
                              enum wend_pin_conflict *ret_conflict);

// The same judgement (never LIMIT) without remembering anything.
enum wend_error wend_pins_check(const struct wend_pins *p, const struct wend_member *m,
                                uint64_t unix_seconds, enum wend_pin_conflict *ret_conflict);

// Takes back what was kept, unjudged. Returns 0, or -ENOSPC.
int wend_pins_restore(struct wend_pins *p, const struct wend_pin *pin);

// Takes out one pin that has expired or whose device or invite is on the list (may be NULL); call
// until false. For the caller to forget it too.
bool wend_pins_next_dropped(struct wend_pins *p, const struct wend_revocation_list *revoked,
                            uint64_t unix_seconds, struct wend_pin *ret);

const char *wend_pin_conflict_name(enum wend_pin_conflict c); // "slot", "name", "address"

#endif
