// SPDX-License-Identifier: MIT
// What every test of this room includes: cmocka, and the two devices of the vectors.
#ifndef WEND_TESTS_UNIT_SESSION_UNIT_H
#define WEND_TESTS_UNIT_SESSION_UNIT_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "crypto/aead.h"
#include "crypto/crypto.h"
#include "session/session.h"
#include "vectors.h"

#define UNIT_BYTES(array)                                                                          \
    (struct wend_bytes)                                                                            \
    {                                                                                              \
        (array), sizeof(array)                                                                     \
    }

// Identities of the vectors' initiator and responder, and each as the other sees it.
struct unit_devices {
    struct wend_identity initiator, responder;
    struct wend_remote to_responder, to_initiator;
};

static inline void unit_devices_init(struct unit_devices *d)
{
    wend_identity_init(&d->initiator, vector_initiator);
    wend_identity_init(&d->responder, vector_responder);
    assert_int_equal(wend_remote_init(&d->to_responder, &d->initiator, d->responder.public_key), 0);
    assert_int_equal(wend_remote_init(&d->to_initiator, &d->responder, d->initiator.public_key), 0);
    assert_memory_equal(d->to_responder.static_shared, d->to_initiator.static_shared, 32);
}

// splitmix64: varies a test, the same on every run.
static inline uint64_t unit_random(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

#endif
