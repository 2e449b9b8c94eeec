// SPDX-License-Identifier: MIT
#include "session/replay.h"

#include <string.h>

#include "base/assert.h"

void wend_replay_init(struct wend_replay *w, uint64_t *words, size_t word_count)
{
    wend_assert(word_count >= 2 && (word_count & (word_count - 1)) == 0);
    memset(words, 0, word_count * sizeof *words);
    *w = (struct wend_replay){.words = words, .mask = word_count - 1};
}

static uint64_t *word_of(const struct wend_replay *w, uint64_t counter)
{
    return &w->words[(counter / 64) & w->mask];
}

static uint64_t bit_of(uint64_t counter)
{
    return UINT64_C(1) << (counter % 64);
}

// The word that holds the newest counter is shared with the oldest, so the window ends one word
// before it.
bool wend_replay_is_too_old(const struct wend_replay *w, uint64_t counter)
{
    return w->limit > counter && w->limit - 1 - counter >= w->mask * 64;
}

bool wend_replay_would_accept(const struct wend_replay *w, uint64_t counter)
{
    if (counter == UINT64_MAX || wend_replay_is_too_old(w, counter))
        return false;
    return counter >= w->limit || !(*word_of(w, counter) & bit_of(counter));
}

// Clears the words between the newest counter's and the new one's, at most all of them.
static void advance(struct wend_replay *w, uint64_t counter)
{
    const uint64_t newest = w->limit ? (w->limit - 1) / 64 : 0;
    uint64_t count = counter / 64 - newest;
    if (count > w->mask + 1)
        count = w->mask + 1;
    for (uint64_t i = 1; i <= count; i++)
        w->words[(newest + i) & w->mask] = 0;
    w->limit = counter + 1;
}

bool wend_replay_accept(struct wend_replay *w, uint64_t counter)
{
    if (!wend_replay_would_accept(w, counter))
        return false;
    if (counter >= w->limit)
        advance(w, counter);
    *word_of(w, counter) |= bit_of(counter);
    return true;
}

// Every word of the ring is exact, the partly expired oldest one too, so all are worth keeping;
// what lies before them is unknown and counts as seen.
void wend_replay_move(struct wend_replay *w, uint64_t *words, size_t word_count)
{
    const struct wend_replay old = *w;
    wend_replay_init(w, words, word_count);
    w->limit = old.limit;
    if (old.limit == 0)
        return;
    const uint64_t newest = (old.limit - 1) / 64;
    const uint64_t kept = old.mask < w->mask ? old.mask : w->mask;
    for (uint64_t i = 0; i < word_count && i <= newest; i++)
        w->words[(newest - i) & w->mask] =
            i <= kept ? old.words[(newest - i) & old.mask] : UINT64_MAX;
}
