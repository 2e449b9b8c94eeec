// SPDX-License-Identifier: MIT
// The fast path: relay frames, docs/protocol.md section 4.3. A run of datagrams from one source
// goes out as it came in, as far as the eight bytes of header agree; bytes are neither changed nor
// copied, and nothing but the channel's state and its two sources is looked at.
#include "relay/relay_state.h"

#include <string.h>

#include "wire/frame.h"

// How long the run from the front is whose datagrams all have the first one's header.
static size_t equal_run(const struct wend_relay_run *in)
{
    const size_t step = in->segment_len != 0 ? in->segment_len : in->len;
    size_t len = in->len < step ? in->len : step;
    uint64_t header, other;
    if (len <= WEND_FRAME_HEADER_LEN)
        return len;
    memcpy(&header, in->at, sizeof header);
    while (in->len - len > WEND_FRAME_HEADER_LEN) {
        memcpy(&other, in->at + len, sizeof other);
        if (other != header)
            break;
        len += in->len - len < step ? in->len - len : step;
    }
    return len;
}

static void count_drops(struct wend_relay *r, const struct wend_relay_run *run,
                        enum wend_drop reason)
{
    const size_t step = run->segment_len != 0 ? run->segment_len : run->len;
    r->counts.drops.count[reason] += (run->len + step - 1) / step;
}

static bool came_from(const struct wend_relay_run *run, const struct wend_relay_source *s)
{
    return s->transport == run->transport && s->stream == run->stream &&
           (run->stream != 0 || memcmp(&s->remote, &run->remote, sizeof s->remote) == 0);
}

static bool refuse(struct wend_relay *r, const struct wend_relay_run *run, enum wend_drop reason,
                   uint8_t hint)
{
    const struct wend_relay_source to = {.transport = (uint8_t)run->transport,
                                         .stream = run->stream,
                                         .local = run->local,
                                         .remote = run->remote};
    count_drops(r, run, reason);
    if (hint != WEND_HINT_NONE)
        wend_relay_hint(r, &to, hint, run->at + 4);
    return false;
}

static bool forward(struct wend_relay *r, struct wend_relay_run *run)
{
    if (run->len <= WEND_FRAME_HEADER_LEN || run->at[1] != 0)
        return refuse(r, run, WEND_DROP_MALFORMED, WEND_HINT_NONE);
    const uint32_t ref = wend_relay_channel_find(r, wend_get_u32(run->at + 4));
    if (ref == 0)
        return refuse(r, run, WEND_DROP_NO_SESSION, WEND_HINT_UNKNOWN_CHANNEL);
    struct wend_relay_channel *ch = wend_relay_channel_at(r, ref);
    const struct wend_relay_source *ends[2] = {&wend_relay_client_at(r, ch->ends[0])->source,
                                               &wend_relay_client_at(r, ch->ends[1])->source};
    const bool from_called = came_from(run, ends[1]);
    if (!from_called && !came_from(run, ends[0]))
        return refuse(r, run, WEND_DROP_WRONG_SOURCE, WEND_HINT_UNKNOWN_SOURCE);
    // Whoever was called may speak at once, and that may overtake its answer.
    if (from_called && ch->state == WEND_RELAY_CHANNEL_ASKED) {
        ch->state = WEND_RELAY_CHANNEL_OPEN;
        r->counts.channels_opened++;
    }
    if (ch->state != WEND_RELAY_CHANNEL_OPEN)
        return refuse(r, run, WEND_DROP_NOT_ALLOWED, WEND_HINT_NONE);
    const struct wend_relay_source *to = ends[from_called ? 0 : 1];
    if (to->transport == WEND_TRANSPORT_NONE)
        return refuse(r, run, WEND_DROP_NO_ROUTE, WEND_HINT_NONE);
    const size_t step = run->segment_len != 0 ? run->segment_len : run->len;
    r->counts.forwarded += (run->len + step - 1) / step;
    r->counts.forwarded_bytes += run->len;
    run->transport = (enum wend_transport)to->transport;
    run->stream = to->stream;
    run->local = to->local;
    run->remote = to->remote;
    return true;
}

bool wend_relay_forward(struct wend_relay *r, struct wend_relay_run *in, wend_instant now,
                        struct wend_relay_run *ret)
{
    r->now = now;
    *ret = *in;
    ret->len = equal_run(in);
    in->at += ret->len;
    in->len -= ret->len;
    if (ret->segment_len >= ret->len)
        ret->segment_len = 0;
    return forward(r, ret);
}
