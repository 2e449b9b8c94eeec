// SPDX-License-Identifier: MIT
#include "ledger.h"

#include <string.h>

#include "wire/frame.h"
#include "wire/session.h"

void sim_ledger_begin(struct sim_ledger *l)
{
    for (size_t i = 0; i < SIM_LEDGER_FLOWS; i++)
        memset(l->packets[i], 0, l->counts[i] * sizeof l->packets[i][0]);
    memset(l->counts, 0, sizeof l->counts);
    l->world++;
    memset(l->ways, 0, sizeof l->ways);
    memset(l->up, 0, sizeof l->up);
    memset(l->down, 0, sizeof l->down);
    memset(l->across, 0, sizeof l->across);
}

// Index and counter of a data message, behind a relay frame header or not.
static bool read_message(struct wend_bytes in, uint32_t *ret_index, uint64_t *ret_counter)
{
    if (in.len > WEND_FRAME_HEADER_LEN && in.at[0] == WEND_FRAME_TYPE) {
        in.at += WEND_FRAME_HEADER_LEN;
        in.len -= WEND_FRAME_HEADER_LEN;
    }
    if (in.len < 16 || in.at[0] != WEND_MESSAGE_DATA)
        return false;
    *ret_index = 0;
    *ret_counter = 0;
    for (size_t i = 0; i < 4; i++)
        *ret_index |= (uint32_t)in.at[4 + i] << (8 * i);
    for (size_t i = 0; i < 8; i++)
        *ret_counter |= (uint64_t)in.at[8 + i] << (8 * i);
    return true;
}

// What lies last in it: marks of a changed way go before the packet, copies carry its counter.
static struct wend_bytes last_of(const struct wend_seal_out *out)
{
    if (out->count == 0)
        return (struct wend_bytes){0};
    const struct wend_seal_run *run = &out->runs[out->count - 1];
    const size_t at = (run->len - 1) / run->segment_len * run->segment_len;
    return (struct wend_bytes){out->at + run->offset + at, run->len - at};
}

void sim_ledger_sent(struct sim_ledger *l, uint32_t flow, size_t len, bool accepted,
                     wend_instant now, const struct wend_seal_out *out)
{
    if (flow >= SIM_LEDGER_FLOWS || l->counts[flow] == SIM_LEDGER_NUMBERS)
        return;
    struct sim_ledger_packet *p = &l->packets[flow][l->counts[flow]++];
    p->sent = now;
    p->len = (uint16_t)len;
    p->accepted = accepted;
    p->carried = read_message(last_of(out), &p->index, &p->counter);
}

void sim_ledger_came(struct sim_ledger *l, uint16_t device, struct wend_bytes in, wend_instant now)
{
    uint32_t index;
    uint64_t counter;

    if (device >= SIM_LEDGER_DEVICES || !read_message(in, &index, &counter))
        return;
    struct sim_ledger_message *m = &l->messages[device][counter % SIM_LEDGER_MESSAGES];
    if (m->world != l->world || m->index != index || m->counter != counter)
        *m = (struct sim_ledger_message){
            .counter = counter, .index = index, .world = l->world, .came = now};
    if (m->relayed == 0 && in.at[0] == WEND_FRAME_TYPE)
        m->relayed = now;
}

static void find_message(const struct sim_ledger *l, uint16_t device, struct sim_ledger_packet *p)
{
    if (!p->carried || device >= SIM_LEDGER_DEVICES)
        return;
    const struct sim_ledger_message *m = &l->messages[device][p->counter % SIM_LEDGER_MESSAGES];
    if (m->world != l->world || m->index != p->index || m->counter != p->counter)
        return;
    p->came = m->came;
    p->relayed = m->relayed;
}

void sim_ledger_delivered(struct sim_ledger *l, uint32_t flow, uint32_t number, uint16_t device,
                          bool by_direct, wend_instant now)
{
    if (flow >= SIM_LEDGER_FLOWS || number >= l->counts[flow])
        return;
    struct sim_ledger_packet *p = &l->packets[flow][number];
    p->delivered = now;
    p->by_direct = by_direct;
    find_message(l, device, p);
}

void sim_ledger_settle(struct sim_ledger *l, uint32_t flow, uint16_t device)
{
    for (uint32_t i = 0; i < l->counts[flow]; i++)
        find_message(l, device, &l->packets[flow][i]);
}

static bool same_way(const struct wend_plane_path *a, const struct wend_plane_path *b)
{
    return a->channel == b->channel && wend_address_equal(&a->remote, &b->remote);
}

void sim_ledger_command(struct sim_ledger *l, uint16_t device, const struct wend_command *c)
{
    if (device >= SIM_LEDGER_DEVICES || c->kind != WEND_COMMAND_PATH ||
        c->path.transport == WEND_TRANSPORT_NONE)
        return;
    struct sim_ledger_way *w = &l->ways[device];
    const bool was_relay = w->now.channel != 0, is_relay = c->path.channel != 0;
    if (w->now.transport != WEND_TRANSPORT_NONE && !same_way(&w->now, &c->path)) {
        w->to_direct += was_relay && !is_relay;
        w->to_relay += !was_relay && is_relay;
        w->across += !was_relay && !is_relay;
    }
    w->now = c->path;
    w->doubled += c->also.transport != WEND_TRANSPORT_NONE;
    if (is_relay)
        w->relay = c->path;
    else
        w->direct = c->path;
}

void sim_ledger_datagram(struct sim_ledger *l, uint16_t device, bool to_server)
{
    if (device >= SIM_LEDGER_DEVICES)
        return;
    l->up[device] += to_server;
    l->across[device] += !to_server;
}

void sim_ledger_from_server(struct sim_ledger *l, uint16_t device)
{
    if (device < SIM_LEDGER_DEVICES)
        l->down[device]++;
}
