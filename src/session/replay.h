// SPDX-License-Identifier: MIT
// Replay window: accepts each counter of one session once, in any order within a window.
//
// The algorithm of RFC 6479: a ring of bits, moved on by clearing whole words, never by shifting.
// The memory is the caller's: a power of two of 64-bit words. One word is always partly in use by
// the newest counters, so `n` words remember the last (n - 1) * 64 counters for certain: 8,192 bits
// of memory give a window of 8,128, as in WireGuard.
//
// Not thread-safe; the side that opens owns it. 24 bytes and the words.
#ifndef WEND_SESSION_REPLAY_H
#define WEND_SESSION_REPLAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WEND_REPLAY_WORDS(bits) ((bits) / 64)
#define WEND_REPLAY_BITS_SMALL  1024   // control sessions
#define WEND_REPLAY_BITS        8192   // data
#define WEND_REPLAY_BITS_LARGE  131072 // data while two paths live

struct wend_replay {
    uint64_t *words;
    uint64_t mask;  // words - 1
    uint64_t limit; // lowest counter not yet reached: greatest accepted + 1, 0 at first
};

// Zeroes the words. `word_count` is a power of two, at least 2.
void wend_replay_init(struct wend_replay *w, uint64_t *words, size_t word_count);

// True for a counter that is new and within the window, which is then marked; false for one seen
// before or too old. Call it only for messages that have proved genuine.
bool wend_replay_accept(struct wend_replay *w, uint64_t counter);

// Whether accept would say true; changes nothing.
bool wend_replay_would_accept(const struct wend_replay *w, uint64_t counter);

// Whether it lies behind the window: refused without knowing whether it was seen.
bool wend_replay_is_too_old(const struct wend_replay *w, uint64_t counter);

// Moves the window into other memory, larger or smaller, keeping what it knows; what a smaller one
// cannot hold counts as seen. The old words are the caller's again. They must not overlap.
void wend_replay_move(struct wend_replay *w, uint64_t *words, size_t word_count);

#endif
