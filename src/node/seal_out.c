// SPDX-License-Identifier: MIT
#include <string.h>

#include "node/seal_state.h"
#include "wire/frame.h"

const struct wend_bucket_limit wend_seal_also_limit = {.per_second = WEND_PLANE_ALSO_BPS / 8,
                                                       .burst = WEND_PLANE_ALSO_BURST};

static size_t frame_len(const struct wend_plane_path *way)
{
    return way->channel != 0 ? WEND_FRAME_HEADER_LEN : 0;
}

bool wend_seal_has_room(const struct wend_seal_out *out, struct wend_seal_need need)
{
    return out->count + need.runs <= WEND_SEAL_RUNS_MAX && need.bytes <= out->capacity - out->len;
}

bool wend_seal_has_room_for(const struct wend_seal_slot *p, const struct wend_seal_out *out,
                            struct wend_seal_need need)
{
    if (wend_seal_is_doubled(p) && out->len > 0)
        need = (struct wend_seal_need){.runs = 2 * need.runs, .bytes = 2 * need.bytes};
    return wend_seal_has_room(out, need);
}

uint8_t *wend_seal_place(const struct wend_plane_path *way, const struct wend_seal_out *out)
{
    return out->at + out->len + frame_len(way) + WEND_DATA_HEADROOM;
}

// ---- Runs ----

static bool continues(const struct wend_seal_run *run, const struct wend_seal *s, uint32_t slot,
                      size_t len)
{
    return run->slot == slot && run->serial == s->serial && !run->closed && len <= run->segment_len;
}

// A new serial keeps what takes another way out of the run before it.
static void append(struct wend_seal *s, const struct wend_seal_slot *p,
                   const struct wend_plane_path *way, size_t len, struct wend_seal_out *out)
{
    const uint32_t slot = wend_seal_number(s, p);
    struct wend_seal_run *run = out->count > 0 ? &out->runs[out->count - 1] : NULL;
    if (run == NULL || !continues(run, s, slot, len)) {
        run = &out->runs[out->count++];
        *run = (struct wend_seal_run){.path = *way,
                                      .offset = out->len,
                                      .slot = slot,
                                      .serial = s->serial,
                                      .segment_len = (uint16_t)len};
    }
    run->closed = len < run->segment_len;
    run->len += len;
    run->count++;
    out->len += len;
}

// ---- Messages ----

// The counter is used up: the key is of no more use, and what follows waits for the next.
static void exhausted(struct wend_seal *s, struct wend_seal_slot *p)
{
    wend_seal_lose_keys(s, p);
    wend_drops_add(&s->drops, WEND_DROP_EXPIRED);
}

static void mind_wear(struct wend_seal *s, struct wend_seal_slot *p)
{
    if (p->worn_told || !wend_sender_is_worn(&p->sender))
        return;
    p->worn_told = true;
    wend_seal_say(s, wend_seal_number(s, p), WEND_SEAL_SAY_EXHAUSTED);
}

static inline size_t seal(struct wend_seal *s, const struct wend_seal_slot *p,
                          struct wend_sender *sender, const struct wend_plane_path *way, size_t len,
                          struct wend_seal_out *out)
{
    uint8_t *const datagram = out->at + out->len;
    const size_t frame = frame_len(way);
    const size_t message_len =
        wend_data_seal(sender, datagram + frame + WEND_DATA_HEADROOM, len, s->config.mtu);
    if (message_len == 0)
        return 0;
    if (frame != 0)
        wend_frame_write_header(datagram, way->channel);
    append(s, p, way, frame + message_len, out);
    return frame + message_len;
}

size_t wend_seal_put(struct wend_seal *s, struct wend_seal_slot *p,
                     const struct wend_plane_path *way, size_t len, struct wend_seal_out *out)
{
    const size_t sealed = seal(s, p, &p->sender, way, len, out);
    mind_wear(s, p);
    if (sealed == 0)
        exhausted(s, p);
    return sealed;
}

size_t wend_seal_put_with(struct wend_seal *s, const struct wend_seal_slot *p,
                          struct wend_sender *sender, const struct wend_plane_path *way, size_t len,
                          struct wend_seal_out *out)
{
    return seal(s, p, sender, way, len, out);
}

void wend_seal_count(struct wend_seal *s, const struct wend_seal_slot *p,
                     const struct wend_plane_path *way, uint64_t messages)
{
    struct wend_plane_stats *stats = &s->config.stats[wend_seal_number(s, p)];
    wend_seal_add(&stats->sent_ways[way->channel != 0 ? WEND_WAY_RELAY : WEND_WAY_DIRECT],
                  messages);
    if (p->keyed)
        atomic_store_explicit(&stats->next_counter, p->sender.counter, memory_order_relaxed);
}

void wend_seal_copy(struct wend_seal *s, const struct wend_seal_slot *p, size_t at, size_t len,
                    const struct wend_plane_path *from, const struct wend_plane_path *to,
                    struct wend_seal_out *out)
{
    const size_t message_len = len - frame_len(from);
    uint8_t *const copy = out->at + out->len;
    memcpy(copy + frame_len(to), out->at + at + frame_len(from), message_len);
    if (to->channel != 0)
        wend_frame_write_header(copy, to->channel);
    append(s, p, to, frame_len(to) + message_len, out);
}

// The datagrams of one run, until there is no room or no allowance. Returns how many.
static uint64_t double_run(struct wend_seal *s, struct wend_seal_slot *p,
                           const struct wend_seal_run *run, wend_instant now,
                           struct wend_seal_out *out)
{
    const size_t end = run->offset + run->len;
    size_t at = run->offset;
    uint64_t copies = 0;
    while (at < end) {
        const size_t len = end - at < run->segment_len ? end - at : run->segment_len;
        // A frame header more than this one may have is the most it can grow.
        if (out->count == WEND_SEAL_RUNS_MAX ||
            len + WEND_FRAME_HEADER_LEN > out->capacity - out->len ||
            !wend_bucket_take(&p->also_allowance, &wend_seal_also_limit, len, now))
            break;
        wend_seal_copy(s, p, at, len, &p->path, &p->also, out);
        at += len;
        copies++;
    }
    return copies;
}

size_t wend_seal_mark(struct wend_seal *s, const struct wend_seal_out *out)
{
    s->serial++;
    return out->count;
}

void wend_seal_double(struct wend_seal *s, struct wend_seal_slot *p, size_t mark, wend_instant now,
                      struct wend_seal_out *out)
{
    const size_t end = out->count;
    uint64_t copies = 0;
    s->serial++;
    for (size_t i = mark; i < end; i++) {
        const uint64_t done = double_run(s, p, &out->runs[i], now, out);
        copies += done;
        if (done < out->runs[i].count)
            break;
    }
    s->serial++;
    wend_seal_count(s, p, &p->also, copies);
}
