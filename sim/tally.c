// SPDX-License-Identifier: MIT
#include "tally.h"

#include "node/view.h"
#include "wire/demux.h"
#include "world.h"

void sim_tally_begin(struct sim_tally *t)
{
    *t = (struct sim_tally){0};
}

void sim_tally_model(struct sim_tally *t, uint16_t device, wend_instant now)
{
    if (device < SIM_TALLY_DEVICES && t->model[device] == 0)
        t->model[device] = now;
}

static bool is_server(const struct wend_address *a)
{
    for (uint16_t i = 0; i < SIM_SERVERS_MAX; i++) {
        const struct wend_address first = sim_office_server_address(i, a->family);
        const struct wend_address second = sim_server_second_address(i);
        if (wend_address_same_ip(a, &first) || wend_address_same_ip(a, &second))
            return true;
    }
    return false;
}

void sim_tally_datagram(struct sim_tally *t, uint16_t device, const struct wend_datagram *out,
                        bool user, wend_instant now)
{
    if (device >= SIM_TALLY_DEVICES || t->model[device] == 0 || sim_tally_is_done(t))
        return;
    struct sim_tally_sent *s = &t->sent[device];
    if (user) {
        s->user++;
    } else if (!is_server(&out->remote)) {
        s->peer++;
        t->last = now;
    } else if (wend_demux(out->bytes) == WEND_KIND_STUN) {
        s->discovery++;
    } else {
        s->relay++;
    }
}

// Whether some direct path is proven to the device, under the session's keys.
static bool has_answer(const struct wend_node *node)
{
    struct wend_peer_view v;
    uint32_t cursor = 0;

    while (wend_node_next_peer(node, &cursor, &v))
        for (size_t i = 0; i < v.path_count; i++)
            if (v.paths[i].kind == WEND_PATH_DIRECT && v.paths[i].state == WEND_PATH_STATE_VALID)
                return true;
    return false;
}

void sim_tally_heard(struct sim_tally *t, const struct sim_world *w, const struct sim_device *d,
                     const struct wend_address *from)
{
    if (d->index >= SIM_TALLY_DEVICES || t->answered[d->index] != 0 || is_server(from))
        return;
    if (has_answer(d->node))
        t->answered[d->index] = w->now;
}
