// SPDX-License-Identifier: MIT
// Probes between peers and their answers, also padded ones: docs/protocol.md sections 7.2 and 7.6.
#include "node/contact.h"
#include "node/records.h"

static void put_counters(const struct wend_node *n, const struct wend_contact *c,
                         struct wend_writer *w)
{
    if (n->stats == NULL)
        return;
    const struct wend_plane_stats *s = &n->stats[c->slot];
    wend_attribute_put_counters(
        w, (struct wend_counters){
               .sent = atomic_load_explicit(&s->sent_packets, memory_order_relaxed),
               .received = atomic_load_explicit(&s->received_packets, memory_order_relaxed)});
}

// A list that one of us lacks is told of with every probe, so it spreads within a second.
static void put_serial(const struct wend_node *n, struct wend_writer *w)
{
    if (n->records.revocations.serial != 0)
        wend_attribute_put_u64(w, WEND_ATTRIBUTE_REVOCATION_SERIAL, n->records.revocations.serial);
}

static void take_serial(struct wend_node *n, struct wend_contact *c,
                        const struct wend_attributes *a)
{
    const uint64_t serial = wend_attribute_u64(a->revocation_serial);

    if (serial <= c->their_revocations)
        return;
    c->their_revocations = serial;
    wend_records_told_by_peer(n, c->slot, serial);
}

// A padded probe is as long as the data message that it stands for, which is 32 bytes longer than
// what is inside, and is lost rather than cut into pieces.
static void send_padded(struct wend_node *n, struct wend_contact *c, const struct wend_origin *way,
                        struct wend_bytes attributes, uint16_t len)
{
    uint8_t message[WEND_PMTU_FULL];
    uint8_t sealed[WEND_PMTU_FULL + WEND_DATA_OVERHEAD];
    struct wend_writer w = wend_writer_of(message, len);
    struct wend_writer out = wend_writer_of(sealed, sizeof sealed);
    struct wend_contact_pair *pair = wend_contact_pair(c, c->sending);
    struct wend_origin whole = *way;

    const size_t begun = wend_control_begin(&w, WEND_CONTROL_PROBE, ++c->last_id);
    wend_write_bytes(&w, attributes);
    wend_attribute_put_padding(&w, w.left);
    wend_control_end(&w, begun);
    if (pair == NULL || w.failed ||
        wend_box_seal_bare(&pair->box, (struct wend_bytes){message, w.len}, &out) != 0)
        return;
    whole.way.dont_fragment = true;
    wend_contact_send(n, &whole, (struct wend_bytes){sealed, out.len});
}

// The budget is for those who do not answer; one probe of a path may be lost, and padded ones are.
static bool may_probe(struct wend_node *n, const struct wend_path_probe *probe)
{
    if (probe->proven || wend_budget_spend(&n->budget, &probe->remote, probe->sent))
        return true;
    wend_node_drop(n, WEND_DROP_RATE_LIMITED);
    return false;
}

static void send_probe(struct wend_node *n, struct wend_contact *c,
                       const struct wend_path_probe *probe)
{
    uint8_t body[128];
    struct wend_writer w = wend_writer_of(body, sizeof body);
    struct wend_origin way = wend_contact_relay_way(c);

    if (c->sending == 0)
        return;
    wend_attribute_put_u32(&w, WEND_ATTRIBUTE_PATH, probe->name);
    wend_attribute_put_u64(&w, WEND_ATTRIBUTE_TIME, (uint64_t)probe->sent);
    if (probe->remote.family != WEND_FAMILY_NONE) {
        if (!may_probe(n, probe))
            return;
        wend_attribute_put_address(&w, &probe->remote);
        way = (struct wend_origin){.kind = WEND_ORIGIN_DIRECT,
                                   .way = {.transport = WEND_TRANSPORT_UDP,
                                           .remote = probe->remote,
                                           .socket = probe->socket}};
    }
    put_counters(n, c, &w);
    put_serial(n, &w);
    const struct wend_bytes attributes = {.at = body, .len = w.len};
    if (probe->padded != 0) {
        send_padded(n, c, &way, attributes, probe->padded);
        return;
    }
    const struct wend_control head = {
        .type = WEND_CONTROL_PROBE, .id = ++c->last_id, .attributes = attributes};
    wend_contact_send_control(n, c, &way, &head);
}

void wend_contact_send_probes(struct wend_node *n, struct wend_contact *c)
{
    struct wend_path_probe probe;

    while (wend_paths_next_probe(&c->paths, &probe))
        send_probe(n, c, &probe);
}

// A probe of the peer's: echoed at once, to where it came from, which may be a way that we did not
// know (peer-reflexive).
void wend_contact_probed(struct wend_node *n, struct wend_contact *c,
                         const struct wend_origin *origin, const struct wend_control *in)
{
    struct wend_attributes a;
    uint8_t body[128];
    struct wend_writer w = wend_writer_of(body, sizeof body);

    if (wend_attributes_parse(in->attributes, &a) != 0 || a.path.at == NULL || a.time.at == NULL) {
        wend_node_drop(n, WEND_DROP_MALFORMED);
        return;
    }
    wend_attribute_put(&w, WEND_ATTRIBUTE_PATH, a.path);
    wend_attribute_put(&w, WEND_ATTRIBUTE_TIME, a.time);
    if (origin->kind == WEND_ORIGIN_DIRECT)
        wend_attribute_put_address(&w, &origin->way.remote);
    put_counters(n, c, &w);
    put_serial(n, &w);
    const struct wend_control head = {.type = WEND_CONTROL_PROBE,
                                      .response = true,
                                      .id = in->id,
                                      .attributes = {.at = body, .len = w.len}};
    wend_contact_send_control(n, c, origin, &head);
    // Where a volley found the way, what comes from elsewhere is an answer's source, not a
    // destination.
    if (origin->kind == WEND_ORIGIN_DIRECT && origin->way.socket == 0 && c->volley == 0 &&
        !wend_paths_has_found(&c->paths, &origin->way.remote) &&
        wend_candidate_is_usable(&origin->way.remote, &n->overlay))
        (void)wend_paths_add(&c->paths, &origin->way.remote, n->now);
    take_serial(n, c, &a);
}

void wend_contact_probe_answered(struct wend_node *n, struct wend_contact *c,
                                 const struct wend_origin *origin, const struct wend_control *in)
{
    struct wend_attributes a;
    struct wend_address from = {0};

    if (wend_attributes_parse(in->attributes, &a) != 0 || a.path.at == NULL || a.time.at == NULL) {
        wend_node_drop(n, WEND_DROP_MALFORMED);
        return;
    }
    if (origin->kind == WEND_ORIGIN_DIRECT)
        from = origin->way.remote;
    const struct wend_path_probe probe = {.name = wend_attribute_u32(a.path),
                                          .sent = (wend_instant)wend_attribute_u64(a.time)};
    const int padded = wend_paths_answer(&c->paths, &probe, &from, n->now);
    if (padded < 0) {
        wend_node_drop(n, WEND_DROP_NO_SESSION);
        return;
    }
    if (padded == 0 && from.family != WEND_FAMILY_NONE)
        wend_budget_refund(&n->budget, &from, probe.sent);
    take_serial(n, c, &a);
}
