// SPDX-License-Identifier: MIT
// Theory of operation. A call sets `now`, changes one thing, and lets what hangs on it follow until
// nothing is left to do; what goes out waits in queues (node_out.c). The leg is drained after every
// call to it, each contact is settled after every change (contact.h), so between calls no decision
// is pending, and the deadline is the least of the children's.
#include "node/node.h"

#include <errno.h>
#include <string.h>

#include "node/contact.h"
#include "node/directory.h"
#include "node/early.h"
#include "node/records.h"
#include "node/server.h"
#include "wire/demux.h"
#include "wire/frame.h"

#define LABELS_AHEAD UINT64_C(600000000000) // reserved on disk beyond the last label, ns
#define MINUTE       WEND_S(60)
#define HINT_GAP     WEND_MS(100) // to one address
#define CHANNEL_KIND WEND_HINT_UNKNOWN_CHANNEL

static const struct wend_bucket_limit hint_limit = {.per_second = 1000, .burst = 1000};
static const struct wend_bucket_limit calm = {.per_second = 50, .burst = 100};

size_t wend_node_size(void)
{
    return sizeof(struct wend_node);
}

// --- beginning and end ---

static int keep_chain(struct wend_node *n, const struct wend_chain *chain, uint64_t unix_seconds)
{
    uint8_t *at = n->chain_bytes;
    struct wend_chain *own = &n->config.chain;
    const struct wend_bytes *from[] = {&chain->delegation, &chain->membership, &chain->receipt};
    struct wend_bytes *to[] = {&own->delegation, &own->membership, &own->receipt};

    if (chain->delegation.len + chain->membership.len + chain->receipt.len > sizeof n->chain_bytes)
        return -EBADMSG;
    for (size_t i = 0; i < 3; i++) {
        memcpy(at, from[i]->at, from[i]->len);
        *to[i] = (struct wend_bytes){.at = at, .len = from[i]->len};
        at += from[i]->len;
    }
    const enum wend_error error =
        wend_trust_check_member(&n->records.trust, own, unix_seconds, &n->own);
    // A membership that has run out, or a clock that is wrong, is for the server to refuse.
    if (error == WEND_ERROR_NONE)
        return memcmp(n->own.key, n->config.identity->public_key, 32) == 0 ? 0 : -EBADMSG;
    struct wend_membership m;
    if (error == WEND_ERROR_FORGED || error == WEND_ERROR_MALFORMED ||
        wend_membership_decode(own->membership, &m) != 0 ||
        memcmp(m.device, n->config.identity->public_key, 32) != 0)
        return -EBADMSG;
    memcpy(n->own.key, m.device, sizeof n->own.key);
    memcpy(n->own.invite_id, m.invite_id, sizeof n->own.invite_id);
    memcpy(n->own.name, m.name, sizeof n->own.name);
    wend_membership_hash(own->membership, n->own.membership_hash);
    n->own.slot = m.slot;
    n->own.ipv4 = m.ipv4;
    return 0;
}

static void init_machines(struct wend_node *n)
{
    uint8_t key[WEND_HASH_KEY_LEN];

    wend_prologue_peer(&n->prologue, n->records.network.key);
    n->session_config = (struct wend_session_config){.prologue = &n->prologue,
                                                     .self = n->config.identity,
                                                     .random = &n->random,
                                                     .labels = &n->labels};
    n->overlay.ipv4 = n->records.network.pool;
    n->overlay.ipv6 = wend_inside_prefix(n->records.network.key);
    wend_random_bytes(&n->random, key, sizeof key);
    wend_budget_init(&n->budget, key);
    wend_random_bytes(&n->random, n->hash_key, sizeof n->hash_key);
    wend_cookie_checker_init(&n->cookies, &n->random, 0);
    wend_bucket_init(&n->handshakes, &calm, 0);
    wend_bucket_init(&n->hints, &hint_limit, 0);
    wend_map_init_zeroed(&n->by_index, n->by_index_entries, WEND_NODE_INDEXES);
    wend_heap_init(&n->timers, n->timer_entries, WEND_CONTACTS_MAX);
    wend_directory_init(n);
    wend_server_init(n);
    wend_nat_init(n);
    wend_volley_limits_init(&n->volleys.limits, 0);
}

int wend_node_init(void *memory, const struct wend_node_config *config, uint64_t unix_ns,
                   struct wend_node **ret)
{
    struct wend_node *n = memory;

    n->config = *config;
    n->unix_ns = unix_ns;
    n->labels.last_ns = n->labels_reserved = config->timestamp_floor;
    n->generation = 1;
    n->minute_at = WEND_NEVER;
    wend_random_init(&n->random, config->seed);
    wend_wipe(n->config.seed, sizeof n->config.seed);
    wend_node_queues_init(n);
    if (wend_records_init(n, config) != 0 ||
        keep_chain(n, &config->chain, wend_node_unix_seconds(n)) != 0) {
        wend_random_close(&n->random);
        return -EBADMSG;
    }
    n->config.network_record = n->config.revocations = (struct wend_bytes){0};
    init_machines(n);
    *ret = n;
    return 0;
}

void wend_node_start(struct wend_node *n, wend_instant now)
{
    n->now = now;
    n->started = true;
    n->started_at = now;
    n->minute_at = now + MINUTE;
    wend_node_reserve_labels(n);
    if (wend_trust_is_revoked(&n->records.trust, &n->own))
        wend_server_refused(n, WEND_ERROR_REVOKED, "this device is revoked");
    wend_server_begin(n);
    wend_server_drain(n);
}

void wend_node_close(struct wend_node *n)
{
    uint8_t memory[WEND_LEG_BODY_MAX];
    struct wend_writer none = wend_writer_of(memory, sizeof memory);

    if (n->closing)
        return;
    for (uint32_t i = 0; i < n->contact_high; i++) {
        if (!n->contacts[i].used)
            continue;
        wend_contact_goodbye(n, &n->contacts[i]);
        wend_contact_close(n, &n->contacts[i]);
    }
    if (n->leg_made && n->registered)
        (void)wend_server_call(n, WEND_CALL_RELEASE, 0, &none, WEND_S(1));
    if (n->leg_made)
        wend_leg_expire(&n->leg, n->now, n->unix_ns);
    wend_nat_close(n);
    n->closing = true;
    wend_random_close(&n->random);
}

void wend_node_reserve_labels(struct wend_node *n)
{
    const uint64_t next = n->labels.last_ns > n->unix_ns ? n->labels.last_ns : n->unix_ns;

    if (next + LABELS_AHEAD / 2 <= n->labels_reserved)
        return;
    n->labels_reserved = next + LABELS_AHEAD;
    wend_node_raise(n, &(struct wend_node_event){.kind = WEND_NODE_RESERVE_TIMESTAMP,
                                                 .unix_ns = n->labels_reserved});
}

// --- what the owner tells ---

void wend_node_set_server(struct wend_node *n, size_t index, const struct wend_address *at,
                          size_t count)
{
    if (index >= n->records.network.server_count)
        return;
    n->server_addresses[index] = 0;
    for (size_t i = 0; i < count && i < WEND_LEG_ADDRESSES_MAX; i++)
        n->servers[index][n->server_addresses[index]++] = at[i];
    if (n->leg_made && n->server == index)
        wend_leg_set_addresses(&n->leg, at, count);
    wend_server_begin(n);
    wend_server_drain(n);
}

void wend_node_set_mapping_lifetime(struct wend_node *n, wend_duration lifetime)
{
    n->config.mapping_lifetime = lifetime > 0 ? lifetime : 0;
}

void wend_node_restore_pin(struct wend_node *n, const struct wend_pin *pin)
{
    if (wend_pins_restore(&n->directory.pins, pin) != 0)
        wend_node_drop(n, WEND_DROP_QUEUE_FULL);
}

void wend_node_set_clock(struct wend_node *n, uint64_t unix_ns)
{
    n->unix_ns = unix_ns;
}

void wend_node_set_stats(struct wend_node *n, struct wend_plane_stats *stats)
{
    n->stats = stats;
}

void wend_node_prefer(struct wend_node *n, uint32_t slot, enum wend_paths_preference what,
                      wend_instant now)
{
    n->now = now;
    if (slot >= n->directory.high || !n->directory.seats[slot].used)
        return;
    n->directory.seats[slot].prefer = (uint8_t)what;
    struct wend_contact *c = wend_contact_of(n, slot);
    if (c == NULL)
        return;
    wend_paths_prefer(&c->paths, what, now);
    wend_volleys_preferred(n, c);
    wend_contact_settle(n, c);
}

void wend_node_stream_opened(struct wend_node *n, uint32_t stream, wend_instant now)
{
    wend_node_turn(n, now);
    if (n->leg_made)
        wend_leg_stream_opened(&n->leg, stream, now);
    wend_server_drain(n);
    wend_server_expire(n);
}

void wend_node_stream_closed(struct wend_node *n, uint32_t stream, wend_instant now)
{
    wend_node_turn(n, now);
    if (n->leg_made)
        wend_leg_stream_closed(&n->leg, stream, now);
    wend_server_stream_gone(n, stream);
    wend_server_drain(n);
}

void wend_node_notice(struct wend_node *n, const struct wend_notice *notice, wend_instant now)
{
    wend_node_turn(n, now);
    switch (notice->kind) {
    case WEND_NOTICE_WANT:
    case WEND_NOTICE_NO_KEYS:
        wend_early_keep(n, notice);
        wend_contact_want(n, notice->slot);
        break;
    case WEND_NOTICE_CONFIRMED: wend_contact_confirmed(n, notice->local_index); break;
    case WEND_NOTICE_EXHAUSTED: {
        struct wend_contact *c = wend_contact_of(n, notice->slot);
        if (c != NULL) {
            wend_contact_start(n, c);
            wend_contact_settle(n, c);
        }
        break;
    }
    case WEND_NOTICE_TRAFFIC: wend_contact_traffic(n, notice->slot); break;
    case WEND_NOTICE_SWITCHED: wend_contact_notice_switched(n, notice); break;
    case WEND_NOTICE_SWITCH_SEEN: wend_contact_notice_switch_seen(n, notice); break;
    case WEND_NOTICE_NONE: break;
    }
    wend_server_expire(n);
}

// --- hints ---

// At most ten a second to one IP address, 1,000 in all. Two addresses that share a place in the
// table get fewer.
static bool may_hint(struct wend_node *n, const struct wend_address *to)
{
    struct wend_address ip = *to;

    ip.port = 0;
    const size_t place = wend_hash(n->hash_key, &ip, sizeof ip) % WEND_NODE_HINTS;
    if (n->hinted[place].from.family != WEND_FAMILY_NONE && n->now - n->hinted[place].at < HINT_GAP)
        return false;
    if (!wend_bucket_take(&n->hints, &hint_limit, 1, n->now))
        return false;
    n->hinted[place].from = ip;
    n->hinted[place].at = n->now;
    return true;
}

void wend_node_hint(struct wend_node *n, const struct wend_origin *origin, uint32_t index)
{
    uint8_t bytes[WEND_HINT_LEN];
    struct wend_hint hint = {.kind = WEND_HINT_UNKNOWN_SESSION};

    if (!may_hint(n, &origin->way.remote))
        return;
    wend_put_u32le(hint.echo, index);
    wend_hint_write(bytes, &hint);
    wend_contact_send(n, origin, (struct wend_bytes){.at = bytes, .len = sizeof bytes});
}

// Did the hint come by a way that our messages take? Whoever else lives at an address that we only
// try knows our indexes no more than a stranger does.
static bool is_by_a_way_of(const struct wend_contact *c, const struct wend_origin *origin)
{
    if (origin->kind == WEND_ORIGIN_CHANNEL)
        return origin->channel == c->channel;
    for (uint32_t i = 0; i < c->paths.used; i++)
        if (wend_prober_is_up(&c->paths.path[i].prober) &&
            wend_address_equal(&c->paths.path[i].remote, &origin->way.remote))
            return true;
    return false;
}

// A peer does not know the index that we send to: it was started anew.
static void peer_forgot(struct wend_node *n, const struct wend_origin *origin,
                        uint32_t remote_index)
{
    for (uint32_t i = 0; i < n->contact_high; i++) {
        struct wend_contact *c = &n->contacts[i];
        const struct wend_contact_pair *pair = c->used ? wend_contact_pair(c, c->sending) : NULL;
        if (pair == NULL || pair->box.remote_index != remote_index || !is_by_a_way_of(c, origin))
            continue;
        wend_session_hinted(&c->session, remote_index, n->now);
        wend_contact_settle(n, c);
        return;
    }
}

static void hinted(struct wend_node *n, const struct wend_origin *origin, struct wend_bytes in)
{
    struct wend_hint hint;

    if (wend_hint_read(in, &hint) != 0) {
        wend_node_drop(n, WEND_DROP_MALFORMED);
        return;
    }
    if (hint.kind == WEND_HINT_UNKNOWN_SESSION)
        peer_forgot(n, origin, wend_get_u32le(hint.echo));
    else if (hint.kind == WEND_HINT_UNKNOWN_CHANNEL && origin->kind == WEND_ORIGIN_DIRECT &&
             wend_address_equal(&origin->way.remote, &n->route.remote))
        wend_contact_channel_unknown(n, wend_get_u32(hint.echo));
}

// --- what comes in ---

static void receive_session(struct wend_node *n, struct wend_origin *origin, struct wend_bytes in)
{
    switch (in.at[0]) {
    case WEND_MESSAGE_INITIATION: wend_contact_initiation(n, origin, in); return;
    case WEND_MESSAGE_RESPONSE:
    case WEND_MESSAGE_COOKIE: wend_contact_response(n, in); return;
    case WEND_MESSAGE_DATA: wend_early_unopened(n, origin, in); return;
    default: wend_node_drop(n, WEND_DROP_UNKNOWN_TYPE);
    }
}

// One datagram from a peer, however it came.
static void receive_from_peer(struct wend_node *n, struct wend_origin *origin, struct wend_bytes in)
{
    switch (wend_demux(in)) {
    case WEND_KIND_SESSION: receive_session(n, origin, in); return;
    case WEND_KIND_CONTROL: wend_contact_control(n, origin, in); return;
    case WEND_KIND_HINT: hinted(n, origin, in); return;
    case WEND_KIND_UNKNOWN:
    case WEND_KIND_STUN:
    case WEND_KIND_FRAME:
    case WEND_KIND_DTLS:
    case WEND_KIND_TURN_CHANNEL: break;
    }
    wend_node_drop(n, WEND_DROP_UNKNOWN_TYPE);
}

// Relay frames count from our server only.
static void receive_frame(struct wend_node *n, const struct wend_datagram *in)
{
    struct wend_frame frame;

    if (wend_frame_read(in->bytes, &frame) != 0) {
        wend_node_drop(n, WEND_DROP_MALFORMED);
        return;
    }
    if (in->transport != n->route.transport || in->stream != n->route.stream ||
        !wend_address_equal(&in->remote, &n->route.remote)) {
        wend_node_drop(n, WEND_DROP_WRONG_SOURCE);
        return;
    }
    struct wend_origin origin = {.kind = WEND_ORIGIN_CHANNEL, .way = *in, .channel = frame.channel};
    receive_from_peer(n, &origin, frame.datagram);
}

// Hints and Binding answers bear nothing that says whose they are: the leg looks at them too.
static bool is_for_leg(const struct wend_node *n, enum wend_kind kind,
                       const struct wend_datagram *in)
{
    return kind == WEND_KIND_HINT || kind == WEND_KIND_STUN || wend_leg_owns(&n->leg, in);
}

static void receive_other(struct wend_node *n, const struct wend_datagram *in)
{
    struct wend_origin origin = {.kind = WEND_ORIGIN_DIRECT, .way = *in};
    const enum wend_kind kind = wend_demux(in->bytes);

    // A stream leads to the server alone, which has nothing to say but to the leg, and hints.
    if (in->transport == WEND_TRANSPORT_UDP || kind == WEND_KIND_HINT)
        receive_from_peer(n, &origin, in->bytes);
    else
        wend_node_drop(n, WEND_DROP_WRONG_SOURCE);
}

int wend_node_receive(struct wend_node *n, const struct wend_datagram *in, wend_instant now)
{
    wend_node_turn(n, now);
    if (in->bytes.len == 0 || in->bytes.len > WEND_DATAGRAM_MAX || n->closing) {
        wend_node_drop(n, WEND_DROP_MALFORMED);
        return -EBADMSG;
    }
    const enum wend_kind kind = wend_demux(in->bytes);
    wend_nat_came(n, in);
    if (kind == WEND_KIND_STUN && (wend_nat_receive(n, in) || wend_volleys_receive(n, in))) {
        wend_volleys_follow_model(n);
        return 0;
    }
    if (n->leg_made && is_for_leg(n, kind, in)) {
        (void)wend_leg_receive(&n->leg, in, now);
        wend_nat_proved(n);
        wend_server_drain(n);
    }
    if (kind == WEND_KIND_FRAME)
        receive_frame(n, in);
    else if (!n->leg_made || !wend_leg_owns(&n->leg, in))
        receive_other(n, in);
    wend_server_expire(n);
    return 0;
}

// --- the clock ---

void wend_node_expire(struct wend_node *n, wend_instant now)
{
    wend_node_turn(n, now);
    if (n->closing)
        return;
    wend_node_reserve_labels(n);
    wend_server_expire(n);
    wend_records_expire(n);
    wend_contacts_expire(n);
    wend_nat_expire(n);
    wend_volleys_follow_model(n);
    if (n->minute_at <= now) {
        n->minute_at = now + MINUTE;
        wend_directory_purge(n);
    }
    if (wend_server_is_due(n)) // what was asked for above goes out in this turn
        wend_server_expire(n);
}

wend_instant wend_node_deadline(const struct wend_node *n)
{
    if (n->closing)
        return WEND_NEVER;
    wend_instant least = wend_instant_min(n->minute_at, wend_server_deadline(n));

    least = wend_instant_min(least, wend_records_deadline(n));
    least = wend_instant_min(least, wend_nat_deadline(n));
    return wend_instant_min(least, wend_heap_deadline(&n->timers));
}

void wend_node_check(const struct wend_node *n)
{
    uint32_t members = 0, contacts = 0;

    for (uint32_t i = 0; i < n->directory.high; i++) {
        const struct wend_seat *seat = &n->directory.seats[i];
        members += seat->used;
        wend_assert(seat->used || seat->contact == 0);
        wend_assert(seat->contact == 0 || (n->contacts[seat->contact - 1].used &&
                                           n->contacts[seat->contact - 1].slot == i));
    }
    for (uint32_t i = 0; i < n->contact_high; i++) {
        const struct wend_contact *c = &n->contacts[i];
        contacts += c->used;
        if (!c->used)
            continue;
        wend_assert(n->directory.seats[c->slot].contact == i + 1);
        wend_assert((c->channel != 0) == c->paths.relay_open);
        wend_session_check(&c->session);
        wend_paths_check(&c->paths);
    }
    wend_assert(members == n->directory.count && contacts == n->contact_count);
    wend_map_check(&n->by_index);
    wend_map_check(&n->directory.by_key);
    wend_heap_check(&n->timers);
    wend_sockets_check(&n->sockets);
}
