// SPDX-License-Identifier: MIT
// A faster way may bring a message long before the last ones of the slower way. So that those are
// not too old when they come, the window is large from the first message on that came by another
// way than the last one, until others need the memory more.
#include "base/assert.h"
#include "node/open_state.h"

static uint32_t number_of(const struct wend_open *o, const struct wend_open_receiver *r)
{
    return (uint32_t)(r - o->receivers);
}

static uint32_t find_unused_longest(const struct wend_open *o)
{
    uint32_t best = 0;
    for (uint32_t i = 0; i < WEND_OPEN_WINDOWS; i++) {
        if (o->windows[i].receiver == 0)
            return i;
        if (o->windows[i].used < o->windows[best].used)
            best = i;
    }
    return best;
}

static void shrink(struct wend_open_receiver *r)
{
    wend_replay_move(&r->keys.replay, r->words, WEND_OPEN_WORDS);
    r->window = 0;
}

void wend_open_grow_window(struct wend_open *o, struct wend_open_receiver *r)
{
    if (r->window == 0) {
        const uint32_t i = find_unused_longest(o);
        if (o->windows[i].receiver != 0)
            shrink(&o->receivers[o->windows[i].receiver - 1]);
        wend_replay_move(&r->keys.replay, o->window_words[i], WEND_OPEN_WORDS_LARGE);
        o->windows[i].receiver = number_of(o, r) + 1;
        r->window = (uint8_t)(i + 1);
    }
    o->windows[r->window - 1].used = ++o->window_turn;
}

void wend_open_free_window(struct wend_open *o, struct wend_open_receiver *r)
{
    if (r->window == 0)
        return;
    wend_assert(o->windows[r->window - 1].receiver == number_of(o, r) + 1);
    o->windows[r->window - 1].receiver = 0;
    r->window = 0;
}
