// SPDX-License-Identifier: MIT
// How a leg finds the server: UDP at once to every address, a stream a little later, and back to
// UDP when it works again.
#include <errno.h>
#include <string.h>

#include "node/leg_state.h"
#include "wire/demux.h"
#include "wire/stun.h"

#define STREAM_AFTER    WEND_MS(300)
#define STREAM_AGAIN    WEND_S(1) // after one that failed, while nothing has answered
#define STREAM_PATIENCE WEND_S(4) // with one that does not open; then the next address
#define STUN_FIRST      WEND_S(30)
#define STUN_MAX        WEND_S(480)

#define BINDING_REQUEST 0x0001
#define BINDING_SUCCESS 0x0101
#define STUN_COOKIE     0x2112A442
#define STUN_HEADER_LEN 20

bool wend_leg_is_from_server(const struct wend_leg *leg, const struct wend_datagram *in)
{
    const struct wend_leg_search *search = &leg->search;
    if (in->transport != WEND_TRANSPORT_UDP)
        return in->stream != 0 && in->stream == search->stream;
    for (size_t i = 0; i < search->address_count; i++)
        if (wend_address_equal(&search->addresses[i], &in->remote))
            return true;
    return false;
}

static bool is_on_stream(const struct wend_leg_search *search)
{
    return search->routed && search->route.transport != WEND_TRANSPORT_UDP;
}

// Streams get their turn 300 ms after a search begins, unless there is one already.
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

// The stream is gone: none is open or opening, and the route is not by it.
static void forget_stream(struct wend_leg_search *search)
{
    if (is_on_stream(search) && search->route.stream == search->stream) {
        search->routed = false;
        search->stun_at = WEND_NEVER;
    }
    search->stream = 0;
    search->stream_open = search->stream_target = false;
    search->stream_at = WEND_NEVER;
    search->stream_address++;
}

static void drop_stream(struct wend_leg *leg)
{
    struct wend_leg_search *search = &leg->search;
    if (search->stream == 0)
        return;
    wend_leg_raise(
        leg, &(struct wend_leg_event){.kind = WEND_LEG_CLOSE_STREAM, .stream = search->stream});
    forget_stream(search);
}

// The server's answer to our initiation, or to a Resume, came by this way.
void wend_leg_search_chosen(struct wend_leg *leg, const struct wend_datagram *by, wend_instant now)
{
    struct wend_leg_search *search = &leg->search;
    search->targets = 0;
    search->stream_target = search->replacing = false;
    if (!wend_address_equal(&search->route.remote, &by->remote) ||
        search->route.transport != by->transport)
        leg->rtt_least = 0;
    search->routed = true;
    search->route = (struct wend_datagram){
        .transport = by->transport, .stream = by->stream, .remote = by->remote};
    search->stream_at = WEND_NEVER;
    if (by->transport == WEND_TRANSPORT_UDP) {
        drop_stream(leg);
        search->stun_at = WEND_NEVER;
        search->stun_targets = 0;
    } else {
        search->stun_after = STUN_FIRST;
        search->stun_at = now + STUN_FIRST;
    }
}

void wend_leg_search_resumed(struct wend_leg *leg, const struct wend_datagram *by, wend_instant now)
{
    struct wend_leg_search *search = &leg->search;
    const bool other_way = search->resume_to.family != 0 && by->transport == WEND_TRANSPORT_UDP;
    if (!other_way && !search->replacing)
        return;
    wend_leg_search_chosen(leg, by, now);
    wend_leg_keepalive_begin(leg, now);
}

static void open_stream(struct wend_leg *leg, wend_instant now)
{
    struct wend_leg_search *search = &leg->search;
    if (search->stream_address >= search->address_count)
        search->stream_address = 0;
    search->stream = ++search->stream_serial;
    search->stream_open = false;
    search->stream_to = search->addresses[search->stream_address];
    search->stream_at = now + STREAM_PATIENCE;
    wend_leg_raise(leg, &(struct wend_leg_event){.kind = WEND_LEG_OPEN_STREAM,
                                                 .stream = search->stream,
                                                 .address = search->stream_to});
}

// The session goes on by this way, if the server agrees: a Resume tells it.
static void resume_by(struct wend_leg *leg, const struct wend_datagram *way, wend_instant now)
{
    leg->rtt_least = 0;
    leg->search.route = *way;
    leg->search.routed = true;
    wend_leg_resume(leg, NULL, now);
}

void wend_leg_stream_opened(struct wend_leg *leg, uint32_t stream, wend_instant now)
{
    struct wend_leg_search *search = &leg->search;
    if (stream == 0 || stream != search->stream)
        return;
    search->stream_open = true;
    search->stream_at = WEND_NEVER;
    search->stream_target = wend_session_is_starting(&leg->session) && leg->initiations > 0;
    if (search->replacing && leg->have_session)
        resume_by(leg,
                  &(struct wend_datagram){.transport = WEND_TRANSPORT_TCP,
                                          .stream = stream,
                                          .remote = search->stream_to},
                  now);
}

void wend_leg_stream_closed(struct wend_leg *leg, uint32_t stream, wend_instant now)
{
    struct wend_leg_search *search = &leg->search;
    if (stream == 0 || stream != search->stream)
        return;
    const bool in_use = is_on_stream(search) || search->replacing;
    search->replacing = false;
    forget_stream(search);
    // If it was how we spoke to the server: the session may live, the way does not.
    if (in_use)
        wend_leg_connect(leg, now);
    if (wend_session_is_starting(&leg->session))
        search->stream_at = now + (in_use ? STREAM_AFTER : STREAM_AGAIN);
}

// Tries UDP while the session lives on a stream. A Binding answer shows that both directions work
// before the server is told to use them.
static void try_udp(struct wend_leg *leg, wend_instant now)
{
    struct wend_leg_search *search = &leg->search;
    wend_random_bytes(leg->random, search->stun_id, sizeof search->stun_id);
    search->stun_targets = (1u << search->address_count) - 1;
    search->stun_at = now + search->stun_after;
    search->stun_after = wend_instant_min(2 * search->stun_after, STUN_MAX);
}

void wend_leg_search_doubt(struct wend_leg *leg, wend_instant now)
{
    if (is_on_stream(&leg->search))
        drop_stream(leg); // the kernel may take minutes to find out
    leg->search.replacing = false;
    wend_leg_connect(leg, now);
    if (wend_session_is_starting(&leg->session) && leg->search.stream_at == WEND_NEVER)
        wend_leg_search_begin(leg, now);
}

void wend_leg_moved(struct wend_leg *leg, wend_instant now)
{
    struct wend_leg_search *search = &leg->search;
    if (!leg->started)
        return;
    if (wend_session_is_starting(&leg->session)) {
        // The initiation may have gone to a dead end: once more, by the new way.
        drop_stream(leg);
        wend_leg_search_begin(leg, now);
        if (leg->initiations > 0) {
            leg->initiations++;
            wend_leg_search_repeat(leg);
        }
    } else if (wend_leg_is_up(leg)) {
        // If that is not answered soon, a handshake at all addresses follows.
        wend_leg_requests_hasten(leg, now);
        wend_leg_resume(leg, NULL, now);
        search->stun_after = STUN_FIRST;
        if (is_on_stream(search))
            try_udp(leg, now);
    } else {
        wend_leg_connect(leg, now);
    }
}

void wend_leg_uprooted(struct wend_leg *leg, wend_instant now)
{
    struct wend_leg_search *search = &leg->search;
    leg->observed = (struct wend_address){0};
    if (!leg->started || !wend_leg_is_up(leg) || !is_on_stream(search) ||
        wend_session_is_starting(&leg->session)) {
        wend_leg_moved(leg, now);
        return;
    }
    // A stream dies with its address, and the kernel may take minutes to find out.
    drop_stream(leg);
    open_stream(leg, now);
    search->replacing = true;
    search->stun_after = STUN_FIRST;
    try_udp(leg, now);
}

void wend_leg_search_expire(struct wend_leg *leg, wend_instant now)
{
    struct wend_leg_search *search = &leg->search;
    if (search->stream_at <= now) {
        search->stream_at = WEND_NEVER;
        drop_stream(leg); // it did not open
        if (search->replacing)
            wend_leg_connect(leg, now);
        search->replacing = false;
        if (wend_session_is_starting(&leg->session))
            open_stream(leg, now);
    }
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
                                  .remote = search->stream_to,
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
    wend_write_u16(&w, BINDING_REQUEST);
    wend_write_u16(&w, 0);
    wend_write_u32(&w, STUN_COOKIE);
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
bool wend_leg_search_owns(const struct wend_leg *leg, const struct wend_datagram *in)
{
    const struct wend_leg_search *search = &leg->search;
    return (is_on_stream(search) || search->replacing) && in->transport == WEND_TRANSPORT_UDP &&
           wend_leg_is_from_server(leg, in) && in->bytes.len >= STUN_HEADER_LEN &&
           wend_get_u16(in->bytes.at) == BINDING_SUCCESS &&
           memcmp(in->bytes.at + 8, search->stun_id, sizeof search->stun_id) == 0;
}

int wend_leg_search_stun(struct wend_leg *leg, const struct wend_datagram *in, wend_instant now)
{
    struct wend_leg_search *search = &leg->search;
    if (!wend_leg_search_owns(leg, in))
        return -ENOENT;
    wend_random_bytes(leg->random, search->stun_id, sizeof search->stun_id); // answered
    if (search->replacing && !search->routed)
        resume_by(leg,
                  &(struct wend_datagram){.transport = WEND_TRANSPORT_UDP, .remote = in->remote},
                  now);
    else
        wend_leg_resume(leg, &in->remote, now);
    return 0;
}
