// SPDX-License-Identifier: MIT
// What must hold of volleys and discovery, whatever goes wrong: nothing that was held for one
// outlives it, discovery servers are not asked without end, and who stays with the relay knows why.
#include <string.h>

#include "node/contact.h"
#include "node/volleys.h"
#include "world.h"

#define QUESTIONS_A_MINUTE 400 // a run of discovery has 25 to 40

// --- what is held ---

static void mark(uint8_t owned[static WEND_SOCKETS_MAX + 1], const uint16_t *numbers, size_t count)
{
    for (size_t i = 0; i < count; i++)
        owned[numbers[i]]++;
}

// How many owners each socket has. What a volley won is the contact's and, as long as the volley
// lingers, on its list too.
static void find_owners(const struct wend_node *n, uint8_t owned[static WEND_SOCKETS_MAX + 1])
{
    mark(owned, n->nat.sockets, WEND_DISCOVERY_SOCKETS);
    for (uint32_t i = 0; i < WEND_VOLLEYS_MAX; i++)
        if (n->volleys.seats[i].contact != 0)
            mark(owned, n->volleys.seats[i].numbers, WEND_VOLLEY_SOCKETS);
    for (uint32_t i = 0; i < n->contact_high; i++)
        if (n->contacts[i].used)
            mark(owned, &n->contacts[i].socket, 1);
}

static void watch_sockets(struct sim_world *w, const struct sim_device *d)
{
    uint8_t owned[WEND_SOCKETS_MAX + 1] = {0};
    uint32_t open = 0;

    find_owners(d->node, owned);
    for (uint16_t i = 1; i <= WEND_SOCKETS_MAX; i++) {
        const uint8_t state = wend_sockets_get(d->node, i)->state;
        open += state == WEND_SOCKET_OPEN || state == WEND_SOCKET_ADOPTED;
        if ((state == WEND_SOCKET_FREE) == (owned[i] != 0))
            sim_world_fail(w, "device %u: socket %u is %s", d->index, i,
                           owned[i] != 0 ? "closed, and somebody's" : "nobody's");
    }
    if (open != d->sockets.count)
        sim_world_fail(w, "device %u: its node knows of %u open sockets, of %u", d->index, open,
                       d->sockets.count);
}

static void watch_seats(struct sim_world *w, const struct sim_device *d)
{
    const struct wend_node *n = d->node;
    uint32_t running = 0, sockets = 0;

    for (uint32_t i = 0; i < WEND_VOLLEYS_MAX; i++) {
        const struct wend_volley_seat *s = &n->volleys.seats[i];
        if (s->contact == 0)
            continue;
        if (!n->contacts[s->contact - 1].used || n->contacts[s->contact - 1].volley != i + 1)
            sim_world_fail(w, "device %u: a volley's place is taken for nobody", d->index);
        running += s->volley.limits != NULL;
        sockets += s->volley.sockets_held;
    }
    if (running != n->volleys.limits.running || sockets != n->volleys.limits.sockets)
        sim_world_fail(w, "device %u: %u volleys run with %u sockets, and %u with %u are counted",
                       d->index, running, sockets, n->volleys.limits.running,
                       n->volleys.limits.sockets);
}

void sim_watch_volleys(struct sim_world *w, const struct sim_device *d)
{
    watch_sockets(w, d);
    watch_seats(w, d);
}

// --- discovery ---

void sim_watch_question(struct sim_world *w, struct sim_device *d, const struct wend_datagram *out)
{
    if (out->transport != WEND_TRANSPORT_UDP || out->bytes.len < 2 || out->bytes.at[0] != 0 ||
        out->bytes.at[1] != 1)
        return;
    if (w->now - d->asking_since >= WEND_S(60)) {
        d->asking_since = w->now;
        d->questions = 0;
    }
    if (++d->questions > QUESTIONS_A_MINUTE)
        sim_world_fail(w, "device %u asks discovery servers without end: %u questions in a minute",
                       d->index, d->questions);
}

// --- reasons ---

// Something is known of both NATs, nothing is up or under way, and no word of why.
static bool is_unexplained(const struct sim_device *d, const struct sim_device *peer)
{
    const int32_t slot = d->slots[peer->index];
    const struct wend_contact *c = slot >= 0 ? wend_contact_of(d->node, (uint32_t)slot) : NULL;

    return c != NULL && wend_paths_direct(&c->paths) == NULL && c->volley == 0 &&
           c->volley_why == NULL && !c->volley_due && c->model_told == 0 &&
           wend_nat_model(d->node)->serial != 0 && wend_nat_model(peer->node)->serial != 0;
}

void sim_watch_reasons(struct sim_world *w, uint16_t a, uint16_t b)
{
    const struct sim_device *da = &w->devices[a], *db = &w->devices[b];

    if (da->running && db->running && is_unexplained(da, db) && is_unexplained(db, da))
        sim_world_fail(w, "devices %u and %u stay with the relay, and do not know why", a, b);
}
