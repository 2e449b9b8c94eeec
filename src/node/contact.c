// SPDX-License-Identifier: MIT
#include "node/contact.h"

#include <string.h>

#include "base/print.h"
#include "node/directory.h"
#include "node/early.h"
#include "node/records.h"
#include "node/volleys.h"

#define WANTED_FOR  WEND_S(120) // docs/protocol.md section 7.2
#define ACTIVE_FOR  WEND_S(10)
#define TICK        WEND_MS(50)
#define QUIET_AFTER WEND_S(1) // then no ticks, until one of the halves sees a packet
#define ASK_AGAIN   WEND_S(1)

struct wend_seat *wend_contact_seat(struct wend_node *n, const struct wend_contact *c)
{
    return &n->directory.seats[c->slot];
}

struct wend_contact *wend_contact_of(struct wend_node *n, uint32_t slot)
{
    if (slot >= n->directory.high || !n->directory.seats[slot].used)
        return NULL;
    const uint32_t contact = n->directory.seats[slot].contact;
    return contact != 0 ? &n->contacts[contact - 1] : NULL;
}

bool wend_contact_is_wanted(const struct wend_node *n, const struct wend_contact *c)
{
    return n->now - c->wanted_at < WANTED_FOR;
}

// --- opening and closing ---

static struct wend_contact *find_room(struct wend_node *n, bool evict)
{
    struct wend_contact *oldest = NULL;

    for (uint32_t i = 0; i < n->contact_high; i++) {
        struct wend_contact *c = &n->contacts[i];
        if (!c->used)
            return c;
        if (oldest == NULL || c->wanted_at < oldest->wanted_at)
            oldest = c;
    }
    if (n->contact_high < WEND_CONTACTS_MAX)
        return &n->contacts[n->contact_high++];
    if (!evict && wend_contact_is_wanted(n, oldest))
        return NULL;
    wend_contact_close(n, oldest);
    return oldest;
}

static void init(struct wend_node *n, struct wend_contact *c, uint32_t slot,
                 const struct wend_remote *remote)
{
    const struct wend_session_buffers buffers = {
        .initiation = c->initiation,
        .initiation_max = sizeof c->initiation,
        .response = c->response,
        .response_max = sizeof c->response,
    };

    memset(c, 0, sizeof *c);
    c->used = true;
    c->slot = slot;
    wend_session_init(&c->session, &n->session_config, &buffers, remote);
    wend_session_set_floor(&c->session, &n->directory.seats[slot].label);
    wend_paths_init(&c->paths);
    c->paths.preference = (enum wend_paths_preference)n->directory.seats[slot].prefer;
    wend_contact_report_init(c);
    c->wanted_at = n->now;
    c->tick_at = n->now + TICK;
    c->tell_at = WEND_NEVER;
    c->open_at = WEND_NEVER;
    c->started = n->now;
    c->first_packet = c->direct_after = -1;
    n->contact_count++;
    n->directory.seats[slot].contact = 1 + (uint32_t)(c - n->contacts);
}

struct wend_contact *wend_contact_open(struct wend_node *n, uint32_t slot, bool evict)
{
    struct wend_contact *c = wend_contact_of(n, slot);
    struct wend_remote remote;

    if (c != NULL)
        return c;
    if (n->refused || n->closing || slot >= n->directory.high || !n->directory.seats[slot].used)
        return NULL;
    if (wend_remote_init(&remote, n->config.identity, n->directory.seats[slot].member.key) != 0)
        return NULL;
    c = find_room(n, evict);
    if (c != NULL)
        init(n, c, slot, &remote);
    wend_wipe(&remote, sizeof remote);
    return c;
}

// What the data plane holds of this peer, but for its addresses.
static void withdraw(struct wend_node *n, struct wend_contact *c)
{
    for (uint32_t i = 0; i < WEND_CONTACT_PAIRS; i++) {
        const uint32_t index = c->pairs[i].local_index;
        if (index == 0)
            continue;
        wend_contact_forget_index(n, c, index);
        wend_node_command_open(n, &(struct wend_command){.kind = WEND_COMMAND_KEYS_GONE,
                                                         .slot = c->slot,
                                                         .local_index = index});
    }
    if (c->starting != 0)
        wend_contact_forget_index(n, c, c->starting);
    if (c->sending != 0)
        wend_node_command_seal(
            n, &(struct wend_command){.kind = WEND_COMMAND_KEYS_GONE, .slot = c->slot});
    if (c->way_told)
        wend_node_command_seal(n,
                               &(struct wend_command){.kind = WEND_COMMAND_PATH, .slot = c->slot});
    wend_node_command_seal(
        n, &(struct wend_command){.kind = WEND_COMMAND_FLUSH_DROP, .slot = c->slot});
}

void wend_contact_close(struct wend_node *n, struct wend_contact *c)
{
    struct wend_seat *seat = wend_contact_seat(n, c);
    struct wend_node_event e = {.kind = WEND_NODE_PEER, .slot = c->slot};

    wend_volleys_close(n, c);
    withdraw(n, c);
    wend_session_close(&c->session);
    wend_heap_remove(&n->timers, &c->timer);
    wend_records_peer_gone(n, c->slot);
    seat->contact = 0;
    wend_wipe(c, sizeof *c);
    n->contact_count--;
    wend_print(e.text, sizeof e.text, "peer=%s state=idle", seat->member.name);
    wend_node_raise(n, &e);
    if (seat->withheld)
        wend_directory_remove(n, seat, "removed");
}

// --- settling ---

static enum wend_paths_use use_of(const struct wend_node *n, const struct wend_contact *c)
{
    const wend_duration unused = n->now - c->wanted_at;

    if (c->sending == 0 || unused >= WANTED_FOR)
        return WEND_PATHS_IDLE;
    return unused < ACTIVE_FOR ? WEND_PATHS_ACTIVE : WEND_PATHS_WANTED;
}

// Keys without a way.
static bool lacks_way(const struct wend_node *n, const struct wend_contact *c)
{
    return c->sending != 0 && c->channel == 0 && wend_contact_is_wanted(n, c) && c->starting == 0 &&
           wend_paths_direct(&c->paths) == NULL;
}

// The relay is asked for again, which takes a handshake with it.
static void mind_way(struct wend_node *n, struct wend_contact *c)
{
    const struct wend_path *relay = &c->paths.path[WEND_PATHS_RELAY];

    if (c->channel != 0 && relay->prober.state == WEND_PATH_STATE_FAILED)
        wend_contact_void_channel(c);
    if (!lacks_way(n, c) || c->ask_at > n->now)
        return;
    c->ask_at = n->now + ASK_AGAIN;
    wend_contact_start(n, c);
}

// What was not told while nobody wanted the peer.
static void mind_candidates(struct wend_node *n, struct wend_contact *c)
{
    if (c->tell_at == WEND_NEVER && c->told_generation != n->generation)
        wend_contact_tell_candidates(n, c);
}

static bool is_over(const struct wend_node *n, const struct wend_contact *c)
{
    return !wend_contact_is_wanted(n, c) && !c->calling && c->starting == 0 &&
           wend_session_is_idle(&c->session);
}

// When it is wanted less than now, if no packet passes until then.
static wend_instant use_deadline(const struct wend_node *n, const struct wend_contact *c)
{
    const wend_duration unused = n->now - c->wanted_at;

    if (unused >= WANTED_FOR)
        return WEND_NEVER;
    return c->wanted_at + (unused < ACTIVE_FOR ? ACTIVE_FOR : WANTED_FOR);
}

static wend_instant deadline(const struct wend_node *n, const struct wend_contact *c)
{
    if (is_over(n, c))
        return n->now;
    wend_instant least = wend_instant_min(wend_instant_min(c->tick_at, c->open_at),
                                          wend_session_deadline(&c->session));

    least = wend_instant_min(least, use_deadline(n, c));
    if (n->isolated)
        return least;
    least = wend_instant_min(least, c->tell_at);
    least = wend_instant_min(least, wend_volleys_deadline(n, c));
    least = wend_instant_min(least, wend_early_deadline(c));
    if (lacks_way(n, c))
        least = wend_instant_min(least, c->ask_at);
    least = wend_instant_min(least, wend_contact_report_deadline(c));
    return wend_instant_min(least, wend_paths_deadline(&c->paths));
}

// Whatever goes out and may be answered: not while there is no address to send from. Paths do not
// fail in the meantime, and so nothing has to be asked for anew afterwards.
static void settle_ways(struct wend_node *n, struct wend_contact *c)
{
    wend_paths_expire(&c->paths, n->now);
    mind_way(n, c);
    wend_volleys_mind(n, c);
    mind_candidates(n, c);
    wend_contact_take_events(n, c); // what mind_way may have begun
}

void wend_contact_settle(struct wend_node *n, struct wend_contact *c)
{
    wend_contact_take_events(n, c);
    wend_paths_set_use(&c->paths, use_of(n, c), n->now);
    if (!n->isolated)
        settle_ways(n, c);
    wend_early_settle(n, c);
    wend_volleys_settle(n, c);
    wend_contact_take_datagrams(n, c, NULL);
    if (!n->isolated)
        wend_contact_send_probes(n, c);
    wend_contact_tell_way(n, c);
    wend_contact_tell_hold(n, c);
    if (c->keepalive && c->sending != 0 && c->way_told)
        wend_node_command_seal(
            n, &(struct wend_command){.kind = WEND_COMMAND_KEEPALIVE, .slot = c->slot});
    c->keepalive = false;
    wend_assert(wend_heap_set(&n->timers, &c->timer, deadline(n, c)) == 0);
}

// --- what the user's packets say ---

static wend_instant load(const _Atomic int64_t *at, wend_instant now)
{
    const wend_instant seen = atomic_load_explicit(at, memory_order_relaxed);

    return seen < now ? seen : now;
}

// Packets pass (again).
static void stir(struct wend_node *n, struct wend_contact *c, wend_instant at)
{
    if (at > c->wanted_at)
        c->wanted_at = at;
    c->watched = false;
    c->tick_at = wend_instant_min(c->tick_at, n->now + TICK);
}

// Tells the session what passed since the last report, in the order in which it did. Comes before
// every rule that goes by time, for a keepalive of the peer's wakes nobody.
static void report(struct wend_node *n, struct wend_contact *c)
{
    if (n->stats == NULL)
        return;
    const struct wend_plane_stats *s = &n->stats[c->slot];
    const wend_instant sent = load(&s->last_sent, n->now);
    const wend_instant received = load(&s->last_received, n->now);
    const wend_instant any = load(&s->last_any_received, n->now);
    const bool new_sent = sent > c->seen_sent;
    const bool new_received = received > c->seen_received;

    if (new_sent && sent <= received)
        wend_session_sent(&c->session, true, sent);
    if (new_received)
        wend_session_received(&c->session, true, received);
    else if (any > c->seen_any)
        wend_session_received(&c->session, false, any);
    if (new_sent && sent > received)
        wend_session_sent(&c->session, true, sent);
    c->seen_sent = sent;
    c->seen_received = received;
    c->seen_any = any;
    if (new_sent || new_received)
        stir(n, c, sent > received ? sent : received);
}

static void tick(struct wend_node *n, struct wend_contact *c)
{
    c->tick_at = n->now + TICK;
    wend_contact_report_tick(n, c);
    if (n->now - c->wanted_at < QUIET_AFTER)
        return;
    if (c->watched) { // one tick ago: nothing passed while the halves were being told
        c->tick_at = WEND_NEVER;
        return;
    }
    c->watched = true;
    wend_node_command_both(n, &(struct wend_command){.kind = WEND_COMMAND_WATCH, .slot = c->slot});
}

static void expire(struct wend_node *n, struct wend_contact *c)
{
    report(n, c);
    if (c->tick_at <= n->now)
        tick(n, c);
    else if (!n->isolated && wend_contact_report_deadline(c) <= n->now)
        wend_contact_report_tick(n, c);
    wend_session_expire(&c->session, n->now);
    wend_contact_take_events(n, c);
    if (is_over(n, c)) {
        wend_contact_close(n, c);
        return;
    }
    if (c->open_at <= n->now)
        wend_contact_open_nat(n, c);
    if (c->tell_at <= n->now && !n->isolated)
        wend_contact_tell_candidates(n, c);
    wend_contact_settle(n, c);
}

void wend_contacts_expire(struct wend_node *n)
{
    struct wend_heap_due due;
    uint32_t left = 2 * WEND_CONTACTS_MAX; // what is due again at once waits for the next turn

    while (left-- > 0 && wend_heap_begin(&n->timers, n->now, &due)) {
        expire(n, WEND_HEAP_OWNER(due.node, struct wend_contact, timer));
        wend_heap_end(&n->timers, &due);
    }
}

void wend_contact_want(struct wend_node *n, uint32_t slot)
{
    struct wend_contact *c = wend_contact_open(n, slot, true);

    if (c == NULL) {
        wend_node_command_seal(
            n, &(struct wend_command){.kind = WEND_COMMAND_FLUSH_DROP, .slot = slot});
        return;
    }
    stir(n, c, n->now);
    if (c->sending == 0 || wend_paths_chosen(&c->paths) == NULL)
        wend_contact_start(n, c);
    wend_contact_settle(n, c);
}

void wend_contact_traffic(struct wend_node *n, uint32_t slot)
{
    struct wend_contact *c = wend_contact_of(n, slot);

    if (c == NULL)
        return;
    report(n, c);
    stir(n, c, n->now);
    wend_contact_settle(n, c);
}

// --- what the directory says ---

void wend_contact_peer_restarted(struct wend_node *n, struct wend_contact *c)
{
    // It knows no channel of before either; on one our handshake would be lost, try after try.
    wend_contact_void_channel(c);
    // Whoever held these keys is gone: what comes now waits for new ones instead of being lost.
    wend_session_outdate(&c->session);
    wend_contact_take_events(n, c);
}

void wend_contact_peer_appeared(struct wend_node *n, struct wend_contact *c)
{
    if (!wend_contact_is_wanted(n, c))
        return;
    if (c->starting == 0)
        wend_contact_start(n, c);
    else if (!wend_contact_start_anew(n, c))
        wend_contact_send_initiation(n, c);
    wend_contact_settle(n, c);
}
