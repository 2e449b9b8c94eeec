// SPDX-License-Identifier: MIT
// SipHash-2-4 (Aumasson and Bernstein, 2012): a keyed hash for tables whose keys a stranger picks.
// With a random key nobody can make entries collide. Not a hash for signatures: see src/crypto.
#ifndef WEND_BASE_HASH_H
#define WEND_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

#define WEND_HASH_KEY_LEN 16

// `data` may be NULL when `len` is 0.
uint64_t wend_hash(const uint8_t key[static WEND_HASH_KEY_LEN], const void *data, size_t len);

#endif
