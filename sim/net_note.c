// SPDX-License-Identifier: MIT
#include "net_state.h"

static void feed(struct wend_sim_net *n, enum wend_sim_record_kind kind, uint64_t what,
                 uint64_t more)
{
    n->hash = mix(mix(n->hash, (uint64_t)n->now), (uint64_t)kind << 56 ^ what << 32 ^ more);
}

static void record(struct wend_sim_net *n, const struct wend_sim_record *r)
{
    if (n->records == NULL)
        return;
    n->records[n->record_head++ & n->record_mask] = *r;
    if (n->record_head - n->record_tail > (uint64_t)n->record_mask + 1)
        n->record_tail++;
}

static void note_cell(struct wend_sim_net *n, const struct cell *c, struct wend_sim_record *r)
{
    const uint64_t ports = (uint64_t)c->from.port << 16 | c->to.port;
    feed(n, r->kind, (uint64_t)r->drop << 16 | c->len, (uint64_t)r->host << 48 ^ ports);
    if (n->records == NULL)
        return;
    r->at = n->now;
    r->len = c->len;
    r->is_stream = is_of_stream(c);
    r->from = c->from;
    r->to = c->to;
    record(n, r);
}

void wend_sim_note_sent(struct wend_sim_net *n, const struct cell *c)
{
    n->counts.sent++;
    n->counts.sent_bytes += c->len;
    n->counts.in_flight++;
    note_cell(n, c,
              &(struct wend_sim_record){
                  .kind = WEND_SIM_RECORD_SENT,
                  .host = c->host,
                  .site = n->interfaces[c->interface].site,
              });
}

void wend_sim_note_delivered(struct wend_sim_net *n, const struct cell *c, uint32_t interface)
{
    n->counts.delivered++;
    n->counts.delivered_bytes += c->len;
    n->counts.in_flight--;
    note_cell(n, c,
              &(struct wend_sim_record){
                  .kind = WEND_SIM_RECORD_DELIVERED,
                  .host = n->interfaces[interface].host,
                  .site = n->interfaces[interface].site,
              });
}

void wend_sim_note_dropped(struct wend_sim_net *n, const struct cell *c, enum wend_sim_drop why)
{
    n->counts.dropped[why]++;
    n->counts.in_flight--;
    note_cell(n, c,
              &(struct wend_sim_record){
                  .kind = WEND_SIM_RECORD_DROPPED,
                  .drop = why,
                  .host = c->host,
                  .site = c->step == STEP_ARRIVE ? n->interfaces[c->where].site : c->where,
              });
}

void wend_sim_note_asked(struct wend_sim_net *n, const struct cell *c, uint32_t site)
{
    n->counts.delivered++;
    n->counts.delivered_bytes += c->len;
    n->counts.in_flight--;
    note_cell(n, c,
              &(struct wend_sim_record){
                  .kind = WEND_SIM_RECORD_DELIVERED, .host = WEND_SIM_NOBODY, .site = site});
}

void wend_sim_note_answered(struct wend_sim_net *n, const struct cell *c, uint32_t site)
{
    n->counts.sent++;
    n->counts.sent_bytes += c->len;
    n->counts.in_flight++;
    note_cell(n, c,
              &(struct wend_sim_record){
                  .kind = WEND_SIM_RECORD_SENT, .host = WEND_SIM_NOBODY, .site = site});
}

void wend_sim_note_mapped(struct wend_sim_net *n, const struct mapping *m)
{
    n->counts.mappings++;
    feed(n, WEND_SIM_RECORD_MAPPED, m->site, (uint64_t)m->inside.port << 16 | m->outside.port);
    record(n, &(struct wend_sim_record){
                  .at = n->now,
                  .kind = WEND_SIM_RECORD_MAPPED,
                  .host = WEND_SIM_NOBODY,
                  .site = m->site,
                  .is_stream = m->proto == PROTO_TCP,
                  .from = m->inside,
                  .to = m->outside,
              });
}

void wend_sim_note_fault(struct wend_sim_net *n, enum fault what, uint64_t value)
{
    feed(n, WEND_SIM_RECORD_FAULT, what, value);
    record(n, &(struct wend_sim_record){
                  .at = n->now,
                  .kind = WEND_SIM_RECORD_FAULT,
                  .host = WEND_SIM_NOBODY,
              });
}

uint64_t wend_sim_net_hash(const struct wend_sim_net *n)
{
    return n->hash;
}

void wend_sim_net_counts(const struct wend_sim_net *n, struct wend_sim_counts *ret)
{
    *ret = n->counts;
    for (uint32_t i = 0; i < n->link_count; i++)
        ret->reordered += n->links[i].link.counters.reordered;
}

void wend_sim_net_set_records(struct wend_sim_net *n, struct wend_sim_record *ring, uint32_t count)
{
    wend_assert(ring == NULL || (count != 0 && (count & (count - 1)) == 0));
    n->records = ring;
    n->record_mask = ring == NULL ? 0 : count - 1;
    n->record_head = n->record_tail = 0;
}

bool wend_sim_net_next_record(struct wend_sim_net *n, struct wend_sim_record *ret)
{
    if (n->record_tail == n->record_head)
        return false;
    *ret = n->records[n->record_tail++ & n->record_mask];
    return true;
}

const char *wend_sim_drop_name(enum wend_sim_drop drop)
{
    static const char *const names[WEND_SIM_DROP_COUNT] = {
        [WEND_SIM_DROP_NONE] = "none",         [WEND_SIM_DROP_NO_ROUTE] = "no-route",
        [WEND_SIM_DROP_HOST] = "host-down",    [WEND_SIM_DROP_PARTITION] = "partition",
        [WEND_SIM_DROP_CUT] = "cut",           [WEND_SIM_DROP_LOST] = "lost",
        [WEND_SIM_DROP_QUEUE] = "queue",       [WEND_SIM_DROP_MTU] = "mtu",
        [WEND_SIM_DROP_FRAGMENT] = "fragment", [WEND_SIM_DROP_BLOCKED] = "blocked",
        [WEND_SIM_DROP_UNMAPPED] = "unmapped", [WEND_SIM_DROP_FILTERED] = "filtered",
        [WEND_SIM_DROP_FULL] = "full",         [WEND_SIM_DROP_HAIRPIN] = "hairpin",
        [WEND_SIM_DROP_CELLS] = "cells",       [WEND_SIM_DROP_TTL] = "ttl",
    };
    return drop < WEND_SIM_DROP_COUNT ? names[drop] : "?";
}
