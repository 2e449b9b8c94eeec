// SPDX-License-Identifier: MIT
// A server: the relay's machine, and a disk that holds the network and its members.
#include <string.h>

#include "base/bytes.h"
#include "wire/demux.h"
#include "world.h"

#define SECOND_PORT 3479 // of discovery alone

void sim_server_begin(struct sim_world *w, uint16_t index)
{
    struct sim_server *s = &w->servers[index];

    s->actor = (struct sim_actor){.kind = SIM_ACTOR_SERVER, .index = index};
    s->index = index;
    s->running = s->blank = false;
    s->restarts = s->mends = WEND_NEVER;
    s->boots = 0;
    memset(s->lies, 0, sizeof s->lies);
}

static struct wend_relay_config config_of(const struct sim_world *w, const struct sim_server *s)
{
    const struct sim_server_keys *keys = &w->office->servers[s->index];
    struct wend_relay_config c = {
        .clients_max = 256, .networks_max = 4, .members_max = 256, .channels_max = 16384};
    struct sim_draw draw = {w->scenario->seed * 7919 + s->index * 31u + s->boots};

    memcpy(c.private_key, keys->private_key, 32);
    memcpy(c.seed, keys->seed, 32);
    for (size_t i = 0; i < 4; i++) {
        const uint64_t word = sim_draw_u64(&draw);
        memcpy(c.random + 8 * i, &word, sizeof word);
    }
    c.primary[0] = sim_office_server_address(s->index, WEND_FAMILY_IPV4);
    c.primary[1] = sim_office_server_address(s->index, WEND_FAMILY_IPV6);
    if (w->scenario->discovery) {
        c.discovery[0] =
            (struct wend_discovery_ports){.port_count = 2,
                                          .ports = {SIM_PORT, SECOND_PORT},
                                          .second = sim_server_second_address(s->index)};
        c.discovery[0].second.port = 0;
    }
    return c;
}

static uint64_t unix_seconds(const struct sim_world *w)
{
    return SIM_UNIX_S + (uint64_t)(w->now / WEND_S(1));
}

static void load(struct sim_world *w, struct sim_server *s)
{
    const struct sim_office *o = w->office;
    const size_t servers = w->scenario->server_count;
    const struct wend_bytes record = {o->record[servers], o->record_len[servers]};

    wend_assert(wend_relay_load_network(s->relay, record) == 0);
    for (size_t i = 0; i < w->scenario->device_count && !s->blank; i++) {
        const struct wend_chain chain = sim_office_chain(o, i);
        wend_assert(wend_relay_load_member(s->relay, &chain) == 0);
    }
    s->blank = false;
}

void sim_server_start(struct sim_world *w, struct sim_server *s)
{
    s->boots++;
    const struct wend_relay_config c = config_of(w, s);

    s->restarts = WEND_NEVER;
    void *memory = sim_arena_take(&s->arena, wend_relay_size(&c));
    s->relay = wend_relay_init(memory, &c, w->now, unix_seconds(w));
    load(w, s);
    s->running = true;
    wend_sim_net_listen(w->net, s->host, SIM_PORT, true);
    sim_server_arm(w, s);
}

void sim_server_crash(struct sim_world *w, struct sim_server *s)
{
    if (!s->running)
        return;
    wend_relay_close(s->relay);
    s->running = false;
    wend_sim_net_listen(w->net, s->host, SIM_PORT, false);
    wend_sim_net_reset_streams(w->net, s->host, w->now);
}

// The mapped address is an answer's first attribute: port at 26, address at 28, both masked.
static bool lie(struct sim_world *w, enum sim_lie what, uint8_t *bytes, size_t *len)
{
    switch (what) {
    case SIM_LIE_ADDRESS: bytes[31] ^= 0x55; return true;
    case SIM_LIE_PORT: bytes[27] ^= 0x15; return true;
    case SIM_LIE_DRIFTING: wend_put_u16(bytes + 26, (uint16_t)sim_draw_u64(&w->draw)); return true;
    case SIM_LIE_NOWHERE:
        wend_put_u16(bytes + 26, 0x2112);
        wend_put_u32(bytes + 28, 0x2112a442);
        return true;
    case SIM_LIE_SILENT: return false;
    case SIM_LIE_GARBLED: *len = 20 + sim_draw_below(&w->draw, (uint32_t)*len - 20); return true;
    case SIM_LIE_NONE:
    case SIM_LIES_COUNT: break;
    }
    return true;
}

static bool is_binding_answer(const struct wend_datagram *d)
{
    return d->transport == WEND_TRANSPORT_UDP && d->remote.family == WEND_FAMILY_IPV4 &&
           d->bytes.len >= 32 && wend_get_u16(d->bytes.at) == 0x0101 &&
           wend_demux(d->bytes) == WEND_KIND_STUN;
}

static void out(struct sim_world *w, struct sim_server *s, const struct wend_datagram *d);

// An answer to a STUN request, as the server gives it.
static void answer(struct sim_world *w, struct sim_server *s, const struct wend_datagram *d)
{
    const struct wend_address second = sim_server_second_address(s->index);
    const enum sim_lie what = (enum sim_lie)s->lies[wend_address_same_ip(&d->local, &second)];
    uint8_t bytes[WEND_DATAGRAM_MAX];
    struct wend_datagram told = *d;

    if (!is_binding_answer(d) || what == SIM_LIE_NONE) {
        out(w, s, d);
        return;
    }
    memcpy(bytes, d->bytes.at, d->bytes.len);
    told.bytes.at = bytes;
    if (lie(w, what, bytes, &told.bytes.len))
        out(w, s, &told);
}

static void out(struct sim_world *w, struct sim_server *s, const struct wend_datagram *d)
{
    sim_world_note(w, (struct sim_record){.kind = SIM_TRACE_SEND,
                                          .way = d->transport != WEND_TRANSPORT_UDP,
                                          .who = (uint16_t)(SIM_WHO_SERVER + s->index),
                                          .a = d->bytes.at[0],
                                          .len = (uint32_t)d->bytes.len,
                                          .address = d->remote});
    if (d->transport != WEND_TRANSPORT_UDP) {
        (void)wend_sim_net_send_stream(w->net, s->host, d->stream, d->bytes, w->now);
        return;
    }
    struct wend_datagram way = *d;
    if (way.local.port == 0)
        way.local.port = SIM_PORT;
    (void)wend_sim_net_send(w->net, s->host, &way, w->now);
}

// What is to be made durable is so at once: the papers are the office's.
static void drain(struct sim_world *w, struct sim_server *s)
{
    struct wend_relay_event e;
    struct wend_datagram d;

    while (wend_relay_next_event(s->relay, &e))
        sim_world_note(w, (struct sim_record){.kind = SIM_TRACE_RELAY,
                                              .who = (uint16_t)(SIM_WHO_SERVER + s->index),
                                              .a = (uint32_t)e.kind});
    while (wend_relay_next_datagram(s->relay, &d))
        answer(w, s, &d);
    sim_server_arm(w, s);
}

static void forward(struct sim_world *w, struct sim_server *s, const struct wend_datagram *in)
{
    uint8_t bytes[WEND_DATAGRAM_MAX];
    struct wend_relay_run run = {.transport = in->transport,
                                 .stream = in->stream,
                                 .local = in->local,
                                 .remote = in->remote,
                                 .at = bytes,
                                 .len = in->bytes.len};
    struct wend_relay_run to;

    memcpy(bytes, in->bytes.at, in->bytes.len);
    if (!wend_relay_forward(s->relay, &run, w->now, &to)) {
        w->stats.lost[SIM_LOST_SERVER]++;
        return;
    }
    out(w, s,
        &(struct wend_datagram){.transport = to.transport,
                                .stream = to.stream,
                                .local = to.local,
                                .remote = to.remote,
                                .bytes = {to.at, to.len}});
}

void sim_server_receive(struct sim_world *w, struct sim_server *s, const struct wend_datagram *in)
{
    sim_world_note(w, (struct sim_record){.kind = SIM_TRACE_ARRIVE,
                                          .way = in->transport != WEND_TRANSPORT_UDP,
                                          .who = (uint16_t)(SIM_WHO_SERVER + s->index),
                                          .a = in->bytes.at[0],
                                          .len = (uint32_t)in->bytes.len,
                                          .address = in->remote});
    if (!s->running) {
        w->stats.lost[SIM_LOST_DOWN]++;
        return;
    }
    if (wend_relay_is_frame(in->bytes.at, in->bytes.len))
        forward(w, s, in);
    else if (wend_relay_receive(s->relay, in, w->now, unix_seconds(w)) != WEND_DROP_NONE)
        w->stats.lost[SIM_LOST_SERVER]++;
    drain(w, s);
}

void sim_server_stream_closed(struct sim_world *w, struct sim_server *s, uint32_t stream)
{
    if (!s->running)
        return;
    wend_relay_stream_closed(s->relay, stream, w->now);
    drain(w, s);
}

void sim_server_expire(struct sim_world *w, struct sim_server *s)
{
    if (s->mends <= w->now) {
        s->mends = WEND_NEVER;
        wend_sim_net_partition(w->net, s->host, false, false);
    }
    if (s->restarts <= w->now)
        sim_server_start(w, s);
    if (!s->running) {
        sim_server_arm(w, s);
        return;
    }
    wend_relay_expire(s->relay, w->now, unix_seconds(w));
    drain(w, s);
}

void sim_server_arm(struct sim_world *w, struct sim_server *s)
{
    wend_instant least = wend_instant_min(s->restarts, s->mends);

    if (s->running)
        least = wend_instant_min(least, wend_relay_deadline(s->relay));
    sim_world_arm(w, &s->actor, least);
}
