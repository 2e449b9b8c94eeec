// SPDX-License-Identifier: MIT
// How a leg finds the server: UDP at once to every address, a stream a little later, and back to
// UDP when it works again.
#include <errno.h>
#include <string.h>

#include "node/leg_state.h"
#include "wire/demux.h"
#include "wire/stun.h"

#define STREAM_AFTER WEND_MS(300)
#define STREAM_AGAIN WEND_S(1)
#define STUN_EVERY   WEND_S(30)

// Streams get their turn 300 ms after a search begins, unless one is the route already.
void wend_leg_search_begin(struct wend_leg *leg, wend_instant now)
{
    struct wend_leg_search *search = &leg->search;
    if (search->stream == 0)
        search->stream_at = now + STREAM_AFTER;
}

void wend_leg_search_repeat(struct wend_leg *leg)
{
    struct wend_leg_search *search = &leg->search;
    search->targets = (1u << search->address_count) - 1;
    search->stream_target = search->stream_open;
}

static void drop_stream(struct wend_leg *leg)
{
    struct wend_leg_search *search = &leg->search;
    if (search->stream == 0)
        return;
    wend_leg_raise(
        leg, &(struct wend_leg_event){.kind = WEND_LEG_CLOSE_STREAM, .stream = search->stream});
    search->stream = 0;
    search->stream_open = false;
}

static void use_route(struct wend_leg *leg, const struct wend_datagram *by, wend_instant now)
{
    struct wend_leg_search *search = &leg->search;
    search->routed = true;
    search->route = (struct wend_datagram){
        .transport = by->transport, .stream = by->stream, .remote = by->remote};
    search->stream_at = WEND_NEVER;
    if (by->transport == WEND_TRANSPORT_UDP) {
        drop_stream(leg);
        search->stun_at = WEND_NEVER;
    } else {
        search->stun_at = now + STUN_EVERY;
    }
}

// The server's answer to our initiation came by this way.
void wend_leg_search_chosen(struct wend_leg *leg, const struct wend_datagram *by, wend_instant now)
{
    leg->search.targets = 0;
    leg->search.stream_target = false;
    use_route(leg, by, now);
}

static void open_stream(struct wend_leg *leg)
{
    struct wend_leg_search *search = &leg->search;
    search->stream = ++search->stream_serial;
    search->stream_open = false;
    search->stream_at = WEND_NEVER;
    if (search->stream_address >= search->address_count)
        search->stream_address = 0;
    wend_leg_raise(leg,
                   &(struct wend_leg_event){.kind = WEND_LEG_OPEN_STREAM,
                                            .stream = search->stream,
                                            .address = search->addresses[search->stream_address]});
}

void wend_leg_stream_opened(struct wend_leg *leg, uint32_t stream, wend_instant now)
{
    struct wend_leg_search *search = &leg->search;
    if (stream == 0 || stream != search->stream)
        return;
    search->stream_open = true;
    search->stream_target = wend_session_is_starting(&leg->session) && leg->initiation_len > 0;
    (void)now;
}

void wend_leg_stream_closed(struct wend_leg *leg, uint32_t stream, wend_instant now)
{
    struct wend_leg_search *search = &leg->search;
    if (stream == 0 || stream != search->stream)
        return;
    search->stream = 0;
    search->stream_open = false;
    search->stream_target = false;
    search->stream_address++;
    if (search->routed && search->route.stream == stream) {
        // It was how we spoke to the server. The session may live; the way does not.
        search->routed = false;
        search->stun_at = WEND_NEVER;
        wend_leg_connect(leg, now);
        if (search->stream_at > now + STREAM_AFTER)
            search->stream_at = now + STREAM_AFTER;
    } else if (!search->routed) {
        search->stream_at = now + STREAM_AGAIN;
    }
}

// Tries UDP while the session lives on a stream. A Binding answer shows that both directions work
// before the server is told to use them.
static void try_udp(struct wend_leg *leg, wend_instant now)
{
    struct wend_leg_search *search = &leg->search;
    wend_random_bytes(leg->random, search->stun_id, sizeof search->stun_id);
    search->stun_targets = (1u << search->address_count) - 1;
    search->stun_at = now + STUN_EVERY;
}

void wend_leg_moved(struct wend_leg *leg, wend_instant now)
{
    struct wend_leg_search *search = &leg->search;
    if (!leg->started)
        return;
    if (!leg->have_session) {
        // The initiation under way may have gone to a dead end: once more, by the new way.
        if (wend_session_is_starting(&leg->session) && leg->initiation_len > 0)
            wend_leg_search_repeat(leg);
        else
            wend_leg_connect(leg, now);
        return;
    }
    if (search->routed && search->route.transport != WEND_TRANSPORT_UDP) {
        // A stream does not survive its address; do not wait for the kernel to find out.
        drop_stream(leg);
        search->routed = false;
        wend_leg_connect(leg, now);
        return;
    }
    if (search->routed)
        wend_leg_resume(leg, now);
    // The server may be reachable by another family only, now: a handshake finds out.
    wend_leg_connect(leg, now);
}

void wend_leg_search_expire(struct wend_leg *leg, wend_instant now)
{
    struct wend_leg_search *search = &leg->search;
    if (search->stream_at <= now && search->stream == 0)
        open_stream(leg);
    if (search->stun_at <= now)
        try_udp(leg, now);
}

wend_instant wend_leg_search_deadline(const struct wend_leg *leg)
{
    return wend_instant_min(leg->search.stream_at, leg->search.stun_at);
}

static bool next_initiation(struct wend_leg *leg, struct wend_datagram *ret)
{
    struct wend_leg_search *search = &leg->search;
    const struct wend_bytes bytes = {.at = leg->initiation, .len = leg->initiation_len};
    if (search->targets != 0) {
        const int i = __builtin_ctz(search->targets);
        search->targets &= search->targets - 1;
        *ret = (struct wend_datagram){
            .transport = WEND_TRANSPORT_UDP, .remote = search->addresses[i], .bytes = bytes};
        return true;
    }
    if (!search->stream_target || !search->stream_open)
        return false;
    search->stream_target = false;
    *ret = (struct wend_datagram){.transport = WEND_TRANSPORT_TCP,
                                  .stream = search->stream,
                                  .remote = search->addresses[search->stream_address],
                                  .bytes = bytes};
    return true;
}

static bool next_stun(struct wend_leg *leg, struct wend_datagram *ret)
{
    struct wend_leg_search *search = &leg->search;
    if (search->stun_targets == 0)
        return false;
    const int i = __builtin_ctz(search->stun_targets);
    search->stun_targets &= search->stun_targets - 1;
    // RFC 8489 section 5: a Binding request without attributes is a header alone.
    struct wend_writer w = wend_writer_of(leg->out, sizeof leg->out);
    wend_write_u16(&w, 0x0001);
    wend_write_u16(&w, 0);
    wend_write_u32(&w, 0x2112A442);
    wend_write_bytes(&w, (struct wend_bytes){.at = search->stun_id, .len = 12});
    *ret = (struct wend_datagram){.transport = WEND_TRANSPORT_UDP,
                                  .remote = search->addresses[i],
                                  .bytes = {.at = leg->out, .len = w.len}};
    return true;
}

bool wend_leg_search_next_datagram(struct wend_leg *leg, struct wend_datagram *ret)
{
    return next_initiation(leg, ret) || next_stun(leg, ret);
}

// A Binding answer: success class, our transaction.
int wend_leg_search_stun(struct wend_leg *leg, const struct wend_datagram *in, wend_instant now)
{
    struct wend_leg_search *search = &leg->search;
    const bool ours = search->routed && search->route.transport != WEND_TRANSPORT_UDP &&
                      in->transport == WEND_TRANSPORT_UDP && in->bytes.len >= 20 &&
                      wend_get_u16(in->bytes.at) == 0x0101 &&
                      memcmp(in->bytes.at + 8, search->stun_id, sizeof search->stun_id) == 0;
    if (!ours)
        return -ENOENT;
    wend_random_bytes(leg->random, search->stun_id, sizeof search->stun_id);
    search->resume_to = in->remote;
    wend_leg_resume(leg, now);
    return 0;
}
