// SPDX-License-Identifier: MIT
#include "path/prober.h"

#include <errno.h>
#include <string.h>

#define PATIENCE         WEND_MS(100) // beyond the round-trip time
#define REPEAT           WEND_MS(100)
#define INTERVAL_IN_USE  WEND_MS(500)
#define INTERVAL_STANDBY WEND_S(15)
#define LAST_TRY         WEND_MS(1000) // how long the last probe of a start may take

// Gaps between the probes of a start: 0, 50, 150, 350, 750, 1,550 ms.
static const wend_duration gaps[WEND_PROBER_TRIES] = {
    WEND_MS(50), WEND_MS(100), WEND_MS(200), WEND_MS(400), WEND_MS(800), LAST_TRY,
};

static wend_duration interval_of(const struct wend_prober *p)
{
    switch ((enum wend_prober_pace)p->pace) {
    case WEND_PROBER_IN_USE: return INTERVAL_IN_USE;
    case WEND_PROBER_STANDBY: return INTERVAL_STANDBY;
    case WEND_PROBER_QUIET: break;
    }
    return 0;
}

void wend_prober_start(struct wend_prober *p, wend_instant at)
{
    const uint8_t pace = p->pace;

    memset(p, 0, sizeof *p);
    p->state = WEND_PATH_STATE_PROBING;
    p->pace = pace;
    p->next = at;
}

static wend_instant last_sent(const struct wend_prober *p)
{
    return p->sent[(p->place + WEND_PROBER_INFLIGHT - 1) % WEND_PROBER_INFLIGHT];
}

// The next regular probe of a path that is up and has nothing unanswered.
static wend_instant regular(const struct wend_prober *p, wend_instant now)
{
    const wend_duration interval = interval_of(p);

    if (interval == 0)
        return WEND_NEVER;
    const wend_instant at = (p->heard != 0 ? p->heard : now) + interval;
    return at > now ? at : now;
}

void wend_prober_set_pace(struct wend_prober *p, enum wend_prober_pace pace, wend_instant now)
{
    if (p->pace == pace)
        return;
    p->pace = (uint8_t)pace;
    if (wend_prober_is_up(p) && p->tries == 0)
        p->next = regular(p, now);
}

static void measure(struct wend_prober *p, wend_duration rtt)
{
    if (rtt < 1)
        rtt = 1;
    if (p->rtt == 0) { // RFC 6298 section 2.2
        p->rtt = rtt;
        p->variation = rtt / 2;
        return;
    }
    const wend_duration off = p->rtt > rtt ? p->rtt - rtt : rtt - p->rtt;
    p->variation += (off - p->variation) / 4; // section 2.3: beta 1/4, alpha 1/8
    // A shorter round trip is always true; a longer one may be a busy machine's. RFC 6298 has 1/8.
    p->rtt += (rtt - p->rtt) / (rtt < p->rtt ? 2 : 8);
    if (p->rtt < 1)
        p->rtt = 1;
}

int wend_prober_answer(struct wend_prober *p, wend_instant sent, wend_instant now)
{
    if (sent <= 0 || now < sent)
        return -ESTALE;
    for (uint32_t back = 1; back <= WEND_PROBER_INFLIGHT; back++) {
        const uint32_t at = (p->place + WEND_PROBER_INFLIGHT - back) % WEND_PROBER_INFLIGHT;
        if (p->sent[at] != sent)
            continue;
        p->sent[at] = 0;
        p->history |= 1U << (back - 1);
        measure(p, now - sent);
        p->state = WEND_PATH_STATE_VALID;
        p->tries = 0;
        p->heard = now;
        p->next = regular(p, now);
        return 0;
    }
    return -ESTALE;
}

void wend_prober_prove(struct wend_prober *p, wend_duration rtt, wend_instant now)
{
    wend_prober_start(p, now);
    measure(p, rtt);
    p->state = WEND_PATH_STATE_VALID;
    p->heard = now;
    p->next = now + PATIENCE;
}

static void send(struct wend_prober *p, wend_instant now)
{
    p->sent[p->place] = now;
    p->place = (uint8_t)((p->place + 1) % WEND_PROBER_INFLIGHT);
    p->history <<= 1;
    if (p->history_len < WEND_PROBER_HISTORY)
        p->history_len++;
    p->tries++;
    p->due = true;
}

void wend_prober_fail(struct wend_prober *p)
{
    p->state = WEND_PATH_STATE_FAILED;
    p->tries = 0;
    p->next = WEND_NEVER;
}

static void expire_probing(struct wend_prober *p, wend_instant now)
{
    if (p->tries >= WEND_PROBER_TRIES) {
        wend_prober_fail(p);
        return;
    }
    p->next = now + gaps[p->tries];
    send(p, now);
}

static void expire_up(struct wend_prober *p, wend_instant now)
{
    if (p->tries >= WEND_PROBER_SILENT) {
        wend_prober_fail(p);
        return;
    }
    if (p->tries > 0)
        p->state = WEND_PATH_STATE_SUSPECT;
    p->next = now + (p->tries == 0 ? p->rtt + PATIENCE : REPEAT);
    send(p, now);
}

void wend_prober_suspect(struct wend_prober *p, wend_instant now)
{
    if (p->state == WEND_PATH_STATE_VALID)
        p->next = wend_instant_min(p->next, now);
}

void wend_prober_forget_loss(struct wend_prober *p)
{
    p->history = 0;
    p->history_len = 0;
}

bool wend_prober_is_clean(const struct wend_prober *p)
{
    const uint32_t pending = p->tries > 0 ? 1 : 0;

    return p->history_len >= 16 + pending && ((p->history >> pending) & 0xffff) == 0xffff;
}

void wend_prober_expire(struct wend_prober *p, wend_instant now)
{
    if (wend_prober_deadline(p) > now)
        return;
    switch ((enum wend_path_state)p->state) {
    case WEND_PATH_STATE_PROBING: expire_probing(p, now); break;
    case WEND_PATH_STATE_VALID:
    case WEND_PATH_STATE_SUSPECT: expire_up(p, now); break;
    case WEND_PATH_STATE_NONE:
    case WEND_PATH_STATE_FAILED: break;
    }
}

wend_instant wend_prober_deadline(const struct wend_prober *p)
{
    if (p->state == WEND_PATH_STATE_NONE || p->state == WEND_PATH_STATE_FAILED)
        return WEND_NEVER;
    return p->next;
}

bool wend_prober_next(struct wend_prober *p, wend_instant *ret_sent)
{
    if (!p->due)
        return false;
    p->due = false;
    *ret_sent = last_sent(p);
    return true;
}

double wend_prober_loss(const struct wend_prober *p)
{
    uint32_t len = p->history_len;
    uint32_t history = p->history;
    // What is unanswered on a path that is not suspect may still be on its way.
    if (p->state == WEND_PATH_STATE_VALID && p->tries > 0 && len > 0) {
        len--;
        history >>= 1;
    }
    if (len == 0)
        return 0;
    const uint32_t mask = len >= 32 ? UINT32_MAX : (1U << len) - 1;
    const int answered = __builtin_popcount(history & mask);
    return (double)(len - (uint32_t)answered) / (double)len;
}
