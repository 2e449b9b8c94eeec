// SPDX-License-Identifier: MIT
// Counters are compared by deltas between reports. They mean something for a way only once a report
// shows messages on it that were sent after it came into use (`based`): until then its `highest`
// jumps over what went elsewhere.
#include "path/health.h"

#include <errno.h>
#include <string.h>

#define SILENCE_MESSAGES 10
#define SILENCE          WEND_MS(200)
#define SILENCE_RESUMED  WEND_MS(500)
#define PAUSE            WEND_MS(500)
#define STUCK_SLACK      WEND_MS(30)
#define EVENLY           WEND_MS(50) // so long before a sample, messages are taken to be spread
#define SAMPLE_APART     WEND_MS(20)
#define OWED_SLACK       WEND_MS(150) // a report may be 100 ms away
#define OWED_MIN         3
#define LOST_MIN         3
#define SUSPECT_PERMILLE 110 // 3 of 27
#define LEAVE_PERMILLE   150
#define WORSE_PERMILLE   100 // than the other way
#define CLEAN_PPM        5000
#define CLEAN_LOST       2 // of CLEAN_WINDOW: so much is no accident on a clean way
#define CLEAN_WINDOW     20
#define USUAL_OVER       1000 // messages
#define WINDOW_LEAST     20
#define WINDOW_MOST      40
#define DECIDE_AFTER     WEND_MS(500)
#define DECIDE_RTT       WEND_MS(200) // beyond this a round trip puts the decision off
#define DECIDE_MESSAGES  10
#define WELL_MESSAGES    20
#define COPIES           64 // and twice all: so many a network may make of what was sent

static void restart(struct wend_health *h)
{
    h->begun = h->counter;
    memset(h->based, 0, sizeof h->based);
    memset(h->steps, 0, sizeof h->steps);
}

void wend_health_use(struct wend_health *h, uint8_t way, wend_instant now)
{
    h->way = way;
    h->suspect = false;
    h->event = WEND_HEALTH_NONE;
    h->reported = now;
    h->reported_counter = h->counter;
    h->usual_ppm = 0;
    restart(h);
}

void wend_health_expect(struct wend_health *h, wend_duration rtt, uint32_t spare_permille)
{
    h->rtt = rtt;
    h->spare_permille = spare_permille;
}

// --- what was sent ---

// Under new keys all counters begin anew.
static void take_pair(struct wend_health *h, uint32_t index, uint64_t counter, wend_instant now)
{
    h->index = index;
    h->last_id = 0;
    h->counter = counter;
    h->reported = now;
    h->reported_counter = counter;
    memset(h->last, 0, sizeof h->last);
    memset(h->samples, 0, sizeof h->samples);
    restart(h);
}

static void take_sample(struct wend_health *h, wend_instant now)
{
    const uint32_t before = (h->sample + WEND_HEALTH_SAMPLES - 1U) % WEND_HEALTH_SAMPLES;

    if (h->samples[h->sample].at - h->samples[before].at >= SAMPLE_APART)
        h->sample = (uint8_t)((h->sample + 1) % WEND_HEALTH_SAMPLES);
    h->samples[h->sample].at = now;
    h->samples[h->sample].counter = h->counter;
}

static uint64_t between(const struct wend_health_sample *s, const struct wend_health_sample *next,
                        wend_instant then)
{
    const wend_duration span = next->at - s->at < EVENLY ? next->at - s->at : EVENLY;
    const wend_duration into = then - (next->at - span);

    if (into <= 0)
        return s->counter;
    return s->counter + (next->counter - s->counter) * (uint64_t)into / (uint64_t)span;
}

// How many messages were sent before `then`, about; 0: not known.
static uint64_t sent_before(const struct wend_health *h, wend_instant then)
{
    const struct wend_health_sample *next = NULL;

    for (uint32_t back = 0; back < WEND_HEALTH_SAMPLES; back++) {
        const struct wend_health_sample *s =
            &h->samples[(h->sample + WEND_HEALTH_SAMPLES - back) % WEND_HEALTH_SAMPLES];
        if (s->at == 0)
            return 0;
        if (s->at <= then)
            return next != NULL ? between(s, next, then) : s->counter;
        next = s;
    }
    return 0;
}

// Messages for the way in use that should have been reported by now, and were not.
static uint64_t owed(const struct wend_health *h, wend_duration slack, wend_instant now)
{
    const uint64_t sent = sent_before(h, now - h->rtt - slack);
    const uint64_t seen = h->last[h->way].highest;
    const uint64_t from = seen > h->begun ? seen : h->begun;

    return sent > from ? sent - from : 0;
}

static void become_suspect(struct wend_health *h, wend_instant now)
{
    if (h->suspect)
        return;
    h->suspect = true;
    h->event = WEND_HEALTH_SUSPECT;
    h->decide_at = now + DECIDE_AFTER + (h->rtt > DECIDE_RTT ? h->rtt - DECIDE_RTT : 0);
    restart(h);
}

static void mind_silence(struct wend_health *h, wend_instant now)
{
    const wend_duration patience = h->resumed ? SILENCE_RESUMED : SILENCE;

    if (h->reporting && h->counter - h->reported_counter >= SILENCE_MESSAGES &&
        now - h->reported >= patience + h->rtt)
        become_suspect(h, now);
}

void wend_health_sent(struct wend_health *h, uint32_t index, uint64_t counter, wend_instant now)
{
    if (index != h->index)
        take_pair(h, index, counter, now);
    if (counter > h->counter && now - h->grew > PAUSE) {
        h->reported = now;
        h->reported_counter = h->counter;
        h->resumed = true;
    }
    if (counter > h->counter) {
        h->grew = now;
        h->counter = counter;
    }
    take_sample(h, now);
    mind_silence(h, now);
}

// --- what came ---

static struct wend_health_step step_of(const struct wend_health_way *from,
                                       const struct wend_health_way *to)
{
    const int64_t sent = (int64_t)(to->highest - from->highest);

    return (struct wend_health_step){.sent = sent,
                                     .lost = sent - (int64_t)(to->count - from->count)};
}

static bool is_lossy(const struct wend_health_step *s, uint32_t permille, uint32_t spare_permille)
{
    const int64_t of = s->sent > WINDOW_LEAST ? s->sent : WINDOW_LEAST;

    return s->lost >= LOST_MIN && s->lost * 1000 >= permille * of &&
           s->lost * 1000 >= (spare_permille + WORSE_PERMILLE) * of;
}

static bool is_unusual(const struct wend_health *h, const struct wend_health_step *s)
{
    return h->usual_ppm < CLEAN_PPM && s->lost >= CLEAN_LOST && s->sent <= CLEAN_WINDOW &&
           h->spare_permille < WORSE_PERMILLE;
}

// Is the loss high in some stretch that ends now?
static bool shows_loss(const struct wend_health *h)
{
    struct wend_health_step sum = {0};

    for (uint32_t back = 0; back < WEND_HEALTH_STEPS; back++) {
        const struct wend_health_step *s =
            &h->steps[(h->step + WEND_HEALTH_STEPS - back) % WEND_HEALTH_STEPS];
        sum.sent += s->sent;
        sum.lost += s->lost;
        if (back > 0 && sum.sent > WINDOW_MOST)
            return false;
        if (is_unusual(h, &sum) || is_lossy(&sum, SUSPECT_PERMILLE, h->spare_permille))
            return true;
    }
    return false;
}

static void note_step(struct wend_health *h, const struct wend_health_way *from)
{
    h->step = (uint8_t)((h->step + 1) % WEND_HEALTH_STEPS);
    h->steps[h->step] = step_of(from, &h->last[h->way]);
    const struct wend_health_step *s = &h->steps[h->step];
    const int64_t over = s->sent > USUAL_OVER ? s->sent : USUAL_OVER;
    h->usual_ppm += (s->lost * 1000000 - s->sent * h->usual_ppm) / over;
}

// All that is known of a way since `begun`; false: nothing yet.
static bool measured(const struct wend_health *h, uint8_t way, struct wend_health_step *ret)
{
    if (!h->based[way])
        return false;
    *ret = step_of(&h->base[way], &h->last[way]);
    return true;
}

static void recover(struct wend_health *h)
{
    h->suspect = false;
    h->event = WEND_HEALTH_RECOVERED;
    memset(h->steps, 0, sizeof h->steps);
}

static void mind_recovery(struct wend_health *h)
{
    struct wend_health_step s;

    if (measured(h, h->way, &s) && s.sent >= WELL_MESSAGES && s.lost * 20 < s.sent)
        recover(h);
}

static bool is_possible(const struct wend_health *h, const struct wend_health_report *r)
{
    for (size_t i = 0; i < WEND_HEALTH_WAYS; i++) {
        const struct wend_health_way *was = &h->last[i], *is = &r->ways[i];
        if (is->highest < was->highest || is->count < was->count || is->highest > h->counter)
            return false;
        if (is->count > 2 * h->counter + COPIES)
            return false;
    }
    return true;
}

// A way is based when it shows messages that were sent after `begun`.
static void set_base(struct wend_health *h, uint8_t way)
{
    if (h->based[way] || h->last[way].highest <= h->begun)
        return;
    h->based[way] = true;
    h->base[way] = h->last[way];
}

int wend_health_report(struct wend_health *h, const struct wend_health_report *r, wend_instant now)
{
    const struct wend_health_way was = h->last[h->way];
    const bool repeated = h->last_id != 0;

    if (r->index != h->index)
        return -ENOENT;
    if (h->last_id != 0 && r->id <= h->last_id)
        return -ESTALE;
    if (!is_possible(h, r))
        return -EPROTO;
    memcpy(h->last, r->ways, sizeof h->last);
    h->last_id = r->id;
    h->reporting = true;
    h->resumed = false;
    h->reported = now;
    h->reported_counter = h->counter;
    if (h->based[h->way])
        note_step(h, &was);
    set_base(h, 0);
    set_base(h, 1);
    if (h->suspect)
        mind_recovery(h);
    else if (shows_loss(h) || (repeated && h->last[h->way].highest == was.highest &&
                               owed(h, STUCK_SLACK, now) >= OWED_MIN))
        become_suspect(h, now);
    return 0;
}

// --- the verdict ---

// What the other way lost of the copies; what its probes showed if that is more.
static uint32_t spare_loss(const struct wend_health *h)
{
    struct wend_health_step s;

    if (!measured(h, !h->way, &s) || s.sent < DECIDE_MESSAGES || s.lost <= 0)
        return h->spare_permille;
    const uint32_t permille = (uint32_t)(s.lost * 1000 / s.sent);
    return permille > h->spare_permille ? permille : h->spare_permille;
}

static void decide(struct wend_health *h, wend_instant now)
{
    const int64_t missing = (int64_t)owed(h, OWED_SLACK, now);
    struct wend_health_step s = {0};
    const bool heard = measured(h, h->way, &s);

    s.sent += missing;
    s.lost += missing;
    if (!heard && missing >= OWED_MIN)
        h->event = WEND_HEALTH_DEAD;
    else if (heard && s.sent >= DECIDE_MESSAGES && is_lossy(&s, LEAVE_PERMILLE, spare_loss(h)))
        h->event = WEND_HEALTH_LOSSY;
    else
        h->event = WEND_HEALTH_RECOVERED;
    h->suspect = false;
    memset(h->steps, 0, sizeof h->steps);
    h->reported = now; // the next suspicion needs new silence
    h->reported_counter = h->counter;
}

void wend_health_expire(struct wend_health *h, wend_instant now)
{
    if (h->suspect && h->decide_at <= now)
        decide(h, now);
}

wend_instant wend_health_deadline(const struct wend_health *h)
{
    return h->suspect ? h->decide_at : WEND_NEVER;
}

enum wend_health_event wend_health_take_event(struct wend_health *h)
{
    const enum wend_health_event event = (enum wend_health_event)h->event;

    h->event = WEND_HEALTH_NONE;
    return event;
}
