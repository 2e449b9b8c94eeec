// SPDX-License-Identifier: MIT
// The invariants, for tests, the simulator and the fuzzer: walks everything.
#include "relay/relay_state.h"

static uint32_t check_channels_of(const struct wend_relay *r, uint32_t client)
{
    const struct wend_relay_client *c = wend_relay_client_at(r, client);
    uint32_t count = 0, before = 0;
    for (uint32_t link = c->first_channel; link != 0;) {
        const struct wend_relay_channel *ch = wend_relay_channel_at(r, link >> 1);
        wend_assert(ch->state != WEND_RELAY_CHANNEL_FREE && ch->ends[link & 1] == client);
        wend_assert(ch->before[link & 1] == before);
        wend_assert(wend_relay_channel_find(r, ch->number) == link >> 1);
        before = link;
        link = ch->after[link & 1];
        count++;
    }
    wend_assert(c->last_channel == before && c->channel_count == count);
    wend_assert(count <= WEND_RELAY_CLIENT_CHANNELS_MAX);
    return count;
}

static void check_client(const struct wend_relay *r, uint32_t ref)
{
    const struct wend_relay_client *c = wend_relay_client_at(r, ref);
    wend_assert(wend_relay_client_find(r, c->key) == ref);
    wend_assert(wend_heap_has(&c->timer));
    wend_assert(c->member != 0 || (!c->online && c->channel_count == 0 &&
                                   c->source.transport == WEND_TRANSPORT_NONE));
    if (c->member == 0)
        return;
    const struct wend_relay_member *m = wend_relay_member_at(r, c->member);
    wend_assert(m->client == ref && m->network == c->network && m->online == c->online);
    wend_assert(m->state == WEND_RELAY_MEMBER_ACTIVE);
    wend_assert(!c->online || c->source.transport != WEND_TRANSPORT_NONE);
}

static void check_clients(const struct wend_relay *r)
{
    uint32_t used = 0, ends = 0, registered = 0, strangers = 0;
    for (uint32_t i = 1; i <= r->clients.high; i++) {
        if (!wend_relay_client_at(r, i)->used)
            continue;
        used++;
        check_client(r, i);
        ends += check_channels_of(r, i);
        registered += wend_relay_client_at(r, i)->member != 0;
    }
    for (uint32_t i = r->first_stranger; i != 0; i = wend_relay_client_at(r, i)->after)
        strangers++;
    wend_assert(used == r->clients.count && used == r->clients_by_key.map.count);
    wend_assert(ends == 2 * r->channels.count);
    wend_assert(registered == r->counts.registered);
    wend_assert(strangers == r->stranger_count && strangers + registered == used);
}

static void check_member(const struct wend_relay *r, uint32_t ref)
{
    const struct wend_relay_member *m = wend_relay_member_at(r, ref);
    wend_assert(wend_relay_member_find(r, m->network, m->key) == ref);
    if (m->name[0] != 0)
        wend_assert(wend_relay_member_by_name(r, m->network, m->name) == ref);
    if (m->ipv4 != 0)
        wend_assert(wend_relay_member_by_ipv4(r, m->network, m->ipv4) == ref);
    wend_assert(m->state == WEND_RELAY_MEMBER_GONE || m->name[0] != 0);
    wend_assert(m->state != WEND_RELAY_MEMBER_OFFERED || m->offer != 0);
    if (m->state == WEND_RELAY_MEMBER_ACTIVE)
        wend_assert(wend_relay_slot_find(r, m->invite, m->slot) != 0 && m->serial != 0);
}

static uint32_t check_directory(const struct wend_relay *r, uint32_t network)
{
    const struct wend_relay_network *n = wend_relay_network_at(r, network);
    uint32_t before = 0, listed = 0, active = 0;
    uint64_t serial = 0;
    for (uint32_t i = n->first; i != 0; i = wend_relay_member_at(r, i)->after) {
        const struct wend_relay_member *m = wend_relay_member_at(r, i);
        wend_assert(m->before == before && m->serial > serial && m->serial <= n->serial);
        wend_assert(m->chain_serial <= m->serial && m->network == network);
        serial = m->serial;
        before = i;
        listed++;
        active += m->state == WEND_RELAY_MEMBER_ACTIVE;
    }
    wend_assert(n->last == before && listed - active == n->gone_count);
    wend_assert(active <= n->member_count);
    return listed;
}

void wend_relay_check(const struct wend_relay *r)
{
    uint32_t members = 0, listed = 0, offered = 0;
    check_clients(r);
    for (uint32_t i = 1; i <= r->members.high; i++) {
        const struct wend_relay_member *m = wend_relay_member_at(r, i);
        if (m->state == WEND_RELAY_MEMBER_FREE)
            continue;
        members++;
        offered += m->state == WEND_RELAY_MEMBER_OFFERED;
        check_member(r, i);
    }
    for (uint32_t i = 1; i <= r->networks.high; i++)
        listed += check_directory(r, i);
    wend_assert(members == r->members.count && listed + offered == members);
    wend_map_check(&r->clients_by_key.map);
    wend_map_check(&r->members_by_key.map);
    wend_map_check(&r->channels_by_number.map);
    wend_map_check(&r->slots_by_number.map);
    wend_heap_check(&r->timers);
}
