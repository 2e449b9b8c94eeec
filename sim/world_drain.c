// SPDX-License-Identifier: MIT
// What a device's machines want done, until they want nothing more.
#include <errno.h>
#include <string.h>

#include "wire/frame.h"
#include "wire/session.h"
#include "world.h"

#define ROUNDS_MAX 1000 // of one drain; more: the machines keep each other busy for ever

// --- out ---

static void stream_is_gone(struct sim_world *w, struct sim_device *d, uint32_t stream)
{
    for (size_t i = 0; i < SIM_STREAMS_MAX; i++)
        if (d->streams[i] == stream)
            d->streams[i] = 0;
    sim_world_note(
        w, (struct sim_record){
               .kind = SIM_TRACE_STREAM, .who = d->index, .a = SIM_STREAM_REFUSED, .b = stream});
    d->broken = 0;
    wend_node_stream_closed(d->node, stream, w->now);
    d->dirty = true;
}

static void send_datagram(struct sim_world *w, struct sim_device *d,
                          const struct wend_datagram *out, bool user)
{
    sim_world_note(w, (struct sim_record){.kind = SIM_TRACE_SEND,
                                          .way = out->transport != WEND_TRANSPORT_UDP,
                                          .who = d->index,
                                          .a = out->bytes.at[0],
                                          .len = (uint32_t)out->bytes.len,
                                          .address = out->remote});
    sim_watch_sent(w, d, out, user);
    if (w->options.ledger != NULL)
        sim_ledger_datagram(w->options.ledger, d->index, out->remote.port == SIM_PORT);
    if (w->options.tally != NULL)
        sim_tally_datagram(w->options.tally, d->index, out, user, w->now);
    if (out->transport == WEND_TRANSPORT_UDP) {
        struct wend_datagram way = *out;
        way.local.port = sim_sockets_port(d, out);
        if (way.local.port != 0)
            (void)wend_sim_net_send(w->net, d->host, &way, w->now);
        return;
    }
    const int error = wend_sim_net_send_stream(w->net, d->host, out->stream, out->bytes, w->now);
    if (error == -ENOTCONN) { // as after a reset; told when the machines have said all
        w->stats.lost[SIM_LOST_NO_STREAM]++;
        d->broken = out->stream;
    }
}

static void note_way(struct sim_world *w, struct sim_device *d, const struct wend_seal_run *run)
{
    const uint16_t peer = d->peers[run->slot];
    const uint8_t way = run->path.channel == 0 ? 2 : 1;
    struct sim_stats *s = &w->stats;

    if (peer >= SIM_DEVICES_MAX || d->ways[peer] == way)
        return;
    if (d->ways[peer] != 0 && s->switch_count++ < SIM_SWITCHES_MAX)
        s->switches[s->switch_count - 1] =
            (struct sim_switch){.at = w->now, .device = d->index, .to_direct = way == 2};
    d->ways[peer] = way;
}

void sim_device_send_runs(struct sim_world *w, struct sim_device *d, struct wend_seal_out *out)
{
    for (size_t i = 0; i < out->count; i++) {
        const struct wend_seal_run *run = &out->runs[i];
        struct wend_datagram way = {.transport = run->path.transport,
                                    .stream = run->path.stream,
                                    .local = run->path.local,
                                    .remote = run->path.remote,
                                    .socket = run->path.socket};
        note_way(w, d, run);
        for (size_t at = 0; at < run->len; at += run->segment_len) {
            const size_t left = run->len - at;
            way.bytes.at = out->at + run->offset + at;
            way.bytes.len = left < run->segment_len ? left : run->segment_len;
            send_datagram(w, d, &way, true);
        }
    }
    wend_seal_out_clear(out);
}

static void flush(struct sim_world *w, struct sim_device *d)
{
    while (!wend_seal_is_flushed(d->seal)) {
        const bool done = wend_seal_flush(d->seal, w->now, &w->out);
        const bool refused = wend_seal_answer(d->seal).len > 0;
        wend_assert(done || refused || w->out.count > 0);
        if (refused)
            sim_flow_refused(w, d);
        sim_device_send_runs(w, d, &w->out);
    }
}

// --- in ---

static void note_lost(struct sim_world *w, struct sim_device *d, enum sim_lost why, size_t len)
{
    w->stats.lost[why]++;
    sim_world_note(w, (struct sim_record){
                          .kind = SIM_TRACE_LOST, .who = d->index, .a = why, .len = (uint32_t)len});
}

void sim_device_take_packets(struct sim_world *w, struct sim_device *d)
{
    struct wend_bytes pieces[WEND_COALESCE_MAX];
    struct wend_vnet vnet;
    size_t count;

    while ((count = wend_open_next_packet(d->open, &vnet, pieces)) > 0) {
        if (count != 1)
            sim_world_fail(w, "device %u joined packets that must not be joined", d->index);
        sim_world_delivered(w, d, pieces[0]);
    }
}

bool sim_device_open(struct sim_world *w, struct sim_device *d, const struct wend_datagram *in)
{
    uint8_t bytes[WEND_DATAGRAM_MAX];
    const size_t len = in->bytes.len;

    // Messages of other types, most of them: not worth a copy.
    if (in->bytes.at[0] != WEND_MESSAGE_DATA && in->bytes.at[0] != WEND_FRAME_TYPE)
        return false;
    wend_assert(len <= sizeof bytes);
    memcpy(bytes, in->bytes.at, len);
    if (w->options.ledger != NULL)
        sim_ledger_came(w->options.ledger, d->index, in->bytes, w->now);
    const enum wend_open_verdict verdict = wend_open_datagram(d->open, in, bytes, len, w->now);
    switch (verdict) {
    case WEND_OPEN_NODE: return false;
    case WEND_OPEN_DROPPED: note_lost(w, d, SIM_LOST_OPENER, len); break;
    case WEND_OPEN_FULL: sim_world_fail(w, "device %u: an empty batch is full", d->index); break;
    case WEND_OPEN_PACKET:
    case WEND_OPEN_HELD:
    case WEND_OPEN_KEEPALIVE:
    case WEND_OPEN_NONE: break;
    }
    sim_device_take_packets(w, d);
    return true;
}

// --- commands and notices ---

static uint16_t device_of(const struct sim_world *w, const struct wend_address *ipv4)
{
    for (uint16_t i = 0; i < w->scenario->device_count; i++)
        if (wend_address_same_ip(&w->office->members[i].ipv4, ipv4))
            return i;
    return SIM_DEVICES_MAX;
}

static void note_command(struct sim_world *w, struct sim_device *d, const struct wend_command *c,
                         uint32_t half)
{
    sim_world_note(w, (struct sim_record){.kind = SIM_TRACE_COMMAND,
                                          .who = d->index,
                                          .a = (uint32_t)c->kind,
                                          .b = c->slot,
                                          .c = half,
                                          .address = c->path.remote});
    if (w->options.tally != NULL && c->kind == WEND_COMMAND_KEYS)
        sim_tally_model(w->options.tally, d->index, w->now);
    if (half == 0 && c->kind == WEND_COMMAND_PEER) {
        d->peers[c->slot] = device_of(w, &c->ipv4);
        if (d->peers[c->slot] < SIM_DEVICES_MAX)
            d->slots[d->peers[c->slot]] = (int32_t)c->slot;
    }
}

static void open_commands(struct sim_world *w, struct sim_device *d)
{
    struct wend_command c;

    while (wend_node_next_open_command(d->node, &c)) {
        note_command(w, d, &c, 1);
        wend_assert(wend_open_command(d->open, &c) == 0);
    }
}

static void seal_commands(struct sim_world *w, struct sim_device *d)
{
    struct wend_command c;

    while (wend_node_next_seal_command(d->node, &c)) {
        note_command(w, d, &c, 0);
        if (w->options.ledger != NULL)
            sim_ledger_command(w->options.ledger, d->index, &c);
        wend_assert(wend_seal_command(d->seal, &c) == 0);
    }
}

static void tell(struct sim_world *w, struct sim_device *d, const struct wend_notice *n)
{
    sim_world_note(w, (struct sim_record){.kind = SIM_TRACE_NOTICE,
                                          .who = d->index,
                                          .a = (uint32_t)n->kind,
                                          .b = n->slot,
                                          .len = n->early_len});
    wend_node_notice(d->node, n, w->now);
    d->dirty = true;
}

static void notices(struct sim_world *w, struct sim_device *d)
{
    struct wend_notice n;

    while (wend_seal_next_notice(d->seal, &n))
        tell(w, d, &n);
    while (wend_open_next_notice(d->open, &n))
        tell(w, d, &n);
}

// --- events ---

static void open_stream(struct sim_world *w, struct sim_device *d, const struct wend_node_event *e)
{
    sim_world_note(w, (struct sim_record){.kind = SIM_TRACE_STREAM,
                                          .who = d->index,
                                          .a = SIM_STREAM_ASKED,
                                          .b = e->stream,
                                          .address = e->address});
    const int error = wend_sim_net_open_stream(w->net, d->host, e->stream, &e->address, w->now);
    if (error != 0) {
        stream_is_gone(w, d, e->stream);
        return;
    }
    for (size_t i = 0; i < SIM_STREAMS_MAX; i++) {
        if (d->streams[i] != 0)
            continue;
        d->streams[i] = e->stream;
        return;
    }
}

static void keep_pin(struct sim_device *d, const struct wend_node_event *e)
{
    struct wend_pin pin;

    wend_assert(e->bytes.len == sizeof pin);
    memcpy(&pin, e->bytes.at, sizeof pin);
    for (uint32_t i = 0; i < d->pin_count; i++) {
        if (memcmp(d->pins[i].key, pin.key, sizeof pin.key) != 0 || d->pins[i].slot != pin.slot)
            continue;
        if (e->kind == WEND_NODE_DROP_PIN)
            d->pins[i] = d->pins[--d->pin_count];
        else
            d->pins[i] = pin;
        return;
    }
    if (e->kind == WEND_NODE_STORE_PIN && d->pin_count < SIM_PINS_MAX)
        d->pins[d->pin_count++] = pin;
}

// A message that came before its keys: once more, now that those are there.
static void open_again(struct sim_world *w, struct sim_device *d, const struct wend_node_event *e)
{
    struct wend_datagram in = e->way;

    in.bytes = e->bytes;
    w->stats.unopened++;
    open_commands(w, d);
    if (in.bytes.len == 0 || !sim_device_open(w, d, &in))
        note_lost(w, d, SIM_LOST_UNOPENED, in.bytes.len);
}

static void take_event(struct sim_world *w, struct sim_device *d, const struct wend_node_event *e)
{
    sim_world_note(w, (struct sim_record){.kind = SIM_TRACE_EVENT,
                                          .who = d->index,
                                          .a = (uint32_t)e->kind,
                                          .b = e->slot,
                                          .c = e->error});
    if (w->trace.print != NULL && e->text[0] != '\0')
        fprintf(w->trace.print, "%12s %s\n", "", e->text);
    switch (e->kind) {
    case WEND_NODE_REFUSED:
        sim_world_fail(w, "device %u is refused: %u %s", d->index, e->error, e->text);
        break;
    case WEND_NODE_MEMBER_REFUSED:
        sim_world_fail(w, "device %u refuses a member: %u %s", d->index, e->error, e->text);
        break;
    case WEND_NODE_OPEN_STREAM: open_stream(w, d, e); break;
    case WEND_NODE_CLOSE_STREAM:
        wend_sim_net_close_stream(w->net, d->host, e->stream, w->now);
        break;
    case WEND_NODE_STORE_PIN:
    case WEND_NODE_DROP_PIN: keep_pin(d, e); break;
    case WEND_NODE_RESERVE_TIMESTAMP: d->floor = e->unix_ns; break;
    case WEND_NODE_PACKET: sim_world_delivered(w, d, e->bytes); break;
    case WEND_NODE_UNOPENED: open_again(w, d, e); break;
    case WEND_NODE_OPEN_SOCKETS: sim_sockets_open(w, d, e); break;
    case WEND_NODE_CLOSE_SOCKETS: sim_sockets_close(d, e); break;
    case WEND_NODE_ADOPT_SOCKET: break; // the halves have no sockets of their own here
    case WEND_NODE_READY:
    case WEND_NODE_SERVER_LOST:
    case WEND_NODE_STORE_NETWORK:
    case WEND_NODE_STORE_REVOCATIONS:
    case WEND_NODE_MEMBER:
    case WEND_NODE_PEER:
    case WEND_NODE_NONE: break;
    }
}

static void events(struct sim_world *w, struct sim_device *d)
{
    struct wend_node_event e;

    while (wend_node_next_event(d->node, &e))
        take_event(w, d, &e);
}

static void datagrams(struct sim_world *w, struct sim_device *d)
{
    struct wend_datagram out;

    while (wend_node_next_resume(d->node, &out))
        send_datagram(w, d, &out, false);
    while (wend_node_next_datagram(d->node, &out))
        send_datagram(w, d, &out, false);
}

void sim_device_drain(struct sim_world *w, struct sim_device *d)
{
    uint32_t rounds = 0;

    do {
        d->dirty = false;
        sim_mapping_drain(w, d);
        events(w, d);
        open_commands(w, d);
        sim_device_take_packets(w, d);
        datagrams(w, d);
        seal_commands(w, d);
        flush(w, d);
        notices(w, d);
        if (d->broken != 0)
            stream_is_gone(w, d, d->broken);
        if (++rounds > ROUNDS_MAX) {
            sim_world_fail(w, "device %u: its machines do not come to rest", d->index);
            break;
        }
    } while (d->dirty);
    sim_device_arm(w, d);
}
