// SPDX-License-Identifier: MIT
// A device: its machines begin, end, sleep, and hear.
#include <string.h>

#include "world.h"

#define SETTLE WEND_MS(5) // the daemon waits so long for more changes of interfaces

uint64_t sim_device_unix_ns(const struct sim_world *w, const struct sim_device *d)
{
    return SIM_UNIX_NS + (uint64_t)(w->now + d->clock_offset);
}

void sim_device_begin(struct sim_world *w, uint16_t index)
{
    struct sim_device *d = &w->devices[index];

    d->actor = (struct sim_actor){.kind = SIM_ACTOR_DEVICE, .index = index};
    d->index = index;
    d->running = d->interface_down = d->dirty = false;
    d->wakes = 0;
    d->restarts = d->tells = WEND_NEVER;
    d->generation = d->site_moves = d->boots = d->pin_count = 0;
    memset(&d->sockets, 0, sizeof d->sockets);
    d->clock_offset = 0;
    d->udp_port = 41641;
    d->floor = 0;
    d->second = w->now;
    d->in_second = 0;
}

static void seed_of(const struct sim_world *w, const struct sim_device *d, uint8_t seed[static 32])
{
    struct sim_draw draw = {w->scenario->seed * 1000003 + d->index * 101u + d->boots};

    for (size_t i = 0; i < 4; i++) {
        const uint64_t word = sim_draw_u64(&draw);
        memcpy(seed + 8 * i, &word, sizeof word);
    }
}

static void make_node(struct sim_world *w, struct sim_device *d)
{
    const struct sim_office *o = w->office;
    const size_t servers = w->scenario->server_count;
    struct wend_node_config c = {
        .identity = &o->members[d->index].identity,
        .network_record = {o->record[servers], o->record_len[servers]},
        .chain = sim_office_chain(o, d->index),
        .epoch = (uint64_t)d->index * 1000 + d->boots,
        .port = (uint16_t)d->udp_port,
        .timestamp_floor = d->floor,
    };

    seed_of(w, d, c.seed);
    void *memory = sim_arena_take(&d->node_arena, wend_node_size());
    wend_assert(wend_node_init(memory, &c, sim_device_unix_ns(w, d), &d->node) == 0);
}

static void make_halves(struct sim_world *w, struct sim_device *d)
{
    const struct sim_member *m = &w->office->members[d->index];
    struct wend_seal_config seal = {
        .ipv4 = m->ipv4, .ipv6 = m->ipv6, .mtu = 1400, .stats = d->stats};
    struct wend_open_config open = {.ipv4 = m->ipv4, .ipv6 = m->ipv6, .stats = d->stats};

    memset(seal.hash_key, 1 + d->index, sizeof seal.hash_key);
    memset(open.hash_key, 2 + d->index, sizeof open.hash_key);
    d->seal = wend_seal_init(sim_arena_take(&d->seal_arena, wend_seal_size()), &seal);
    d->open = wend_open_init(sim_arena_take(&d->open_arena, wend_open_size()), &open);
}

void sim_device_tell_interfaces(struct sim_world *w, struct sim_device *d)
{
    struct wend_address at[2];
    size_t count = 0;

    d->tells = WEND_NEVER;
    for (int i = 0; i < 2 && !d->interface_down; i++) {
        at[count] = sim_device_address(w, d, i == 0 ? WEND_FAMILY_IPV4 : WEND_FAMILY_IPV6);
        at[count].port = (uint16_t)d->udp_port;
        count += at[count].family != WEND_FAMILY_NONE;
    }
    wend_node_set_interfaces(d->node, at, count, w->now);
    sim_mapping_look(w, d);
    d->dirty = true;
}

void sim_device_start(struct sim_world *w, struct sim_device *d)
{
    d->boots++;
    d->mark = ++w->marks;
    d->questions = 0;
    d->seen = d->seen_before = (struct wend_address){0};
    d->restarts = WEND_NEVER;
    d->stats = sim_arena_take(&d->stats_arena, WEND_SLOTS_MAX * sizeof *d->stats);
    make_halves(w, d);
    make_node(w, d);
    memset(d->streams, 0, sizeof d->streams);
    sim_sockets_forget(d);
    d->broken = 0;
    memset(d->ways, 0, sizeof d->ways);
    for (size_t i = 0; i < SIM_DEVICES_MAX; i++)
        d->slots[i] = -1;
    d->running = true;
    for (uint32_t i = 0; i < d->pin_count; i++)
        wend_node_restore_pin(d->node, &d->pins[i]);
    wend_node_set_stats(d->node, d->stats);
    sim_mapping_begin(w, d);
    sim_device_tell_interfaces(w, d);
    sim_flow_forget(w, d);
    wend_node_start(d->node, w->now);
    sim_device_drain(w, d);
}

// Without a word; what was not on disk is gone.
void sim_device_crash(struct sim_world *w, struct sim_device *d)
{
    struct wend_datagram out;
    struct wend_node_event e;

    if (!d->running)
        return;
    d->running = false;
    d->tells = WEND_NEVER;
    wend_node_close(d->node); // frees what libcrypto gave; nothing of what it says gets out
    while (wend_node_next_datagram(d->node, &out))
        ;
    while (wend_node_next_event(d->node, &e))
        ;
    wend_seal_close(d->seal);
    wend_open_close(d->open);
    wend_sim_net_reset_streams(w->net, d->host, w->now);
    sim_device_arm(w, d);
}

static void wake(struct sim_world *w, struct sim_device *d)
{
    d->wakes = 0;
    wend_sim_net_set_host_down(w->net, d->host, false);
    if (d->running)
        sim_device_tell_interfaces(w, d);
}

void sim_device_expire(struct sim_world *w, struct sim_device *d)
{
    if (d->wakes != 0 && d->wakes <= w->now)
        wake(w, d);
    if (d->restarts <= w->now)
        sim_device_start(w, d);
    if (!sim_device_awake(d)) {
        sim_device_arm(w, d);
        return;
    }
    if (d->tells <= w->now)
        sim_device_tell_interfaces(w, d);
    wend_node_set_clock(d->node, sim_device_unix_ns(w, d));
    wend_node_expire(d->node, w->now);
    sim_mapping_expire(w, d);
    wend_open_expire(d->open, w->now);
    sim_device_drain(w, d);
}

void sim_device_arm(struct sim_world *w, struct sim_device *d)
{
    wend_instant least = wend_instant_min(d->restarts, d->tells);

    if (d->wakes != 0)
        least = d->wakes;
    else if (d->running)
        least = wend_instant_min(
            wend_instant_min(least, sim_mapping_deadline(d)),
            wend_instant_min(wend_node_deadline(d->node), wend_open_deadline(d->open)));
    sim_world_arm(w, &d->actor, least);
}

static void note_lost(struct sim_world *w, struct sim_device *d, enum sim_lost why,
                      const struct wend_datagram *in)
{
    w->stats.lost[why]++;
    sim_world_note(
        w, (struct sim_record){
               .kind = SIM_TRACE_LOST, .who = d->index, .a = why, .len = (uint32_t)in->bytes.len});
}

void sim_device_receive(struct sim_world *w, struct sim_device *d, const struct wend_datagram *in)
{
    sim_world_note(w, (struct sim_record){.kind = SIM_TRACE_ARRIVE,
                                          .way = in->transport != WEND_TRANSPORT_UDP,
                                          .who = d->index,
                                          .a = in->bytes.at[0],
                                          .len = (uint32_t)in->bytes.len,
                                          .address = in->remote});
    if (!sim_device_awake(d)) {
        note_lost(w, d, d->running ? SIM_LOST_ASLEEP : SIM_LOST_DOWN, in);
        return;
    }
    if (sim_mapping_receive(w, d, in)) {
        sim_device_drain(w, d);
        return;
    }
    struct wend_datagram heard = *in;
    if (in->transport == WEND_TRANSPORT_UDP &&
        !sim_sockets_find(d, in->local.port, &heard.socket)) {
        note_lost(w, d, SIM_LOST_NO_SOCKET, in);
        return;
    }
    if (in->transport == WEND_TRANSPORT_UDP)
        sim_watch_heard(d, &in->remote);
    wend_node_set_clock(d->node, sim_device_unix_ns(w, d));
    if (!sim_device_open(w, d, &heard))
        (void)wend_node_receive(d->node, &heard, w->now);
    sim_device_drain(w, d);
    if (w->options.tally != NULL && in->transport == WEND_TRANSPORT_UDP)
        sim_tally_heard(w->options.tally, w, d, &in->remote);
}

static void forget_stream(struct sim_device *d, uint32_t stream)
{
    for (size_t i = 0; i < SIM_STREAMS_MAX; i++)
        if (d->streams[i] == stream)
            d->streams[i] = 0;
}

void sim_device_stream(struct sim_world *w, struct sim_device *d, const struct wend_sim_delivery *e)
{
    const uint32_t stream = e->way.stream;
    const bool opened = e->kind == WEND_SIM_STREAM_OPENED;

    sim_world_note(w, (struct sim_record){.kind = SIM_TRACE_STREAM,
                                          .who = d->index,
                                          .a = opened ? SIM_STREAM_OPENED : SIM_STREAM_CLOSED,
                                          .b = stream});
    if (!opened)
        forget_stream(d, stream);
    if (!sim_device_awake(d))
        return;
    if (opened)
        wend_node_stream_opened(d->node, stream, w->now);
    else
        wend_node_stream_closed(d->node, stream, w->now);
    sim_device_drain(w, d);
}
