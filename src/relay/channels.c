// SPDX-License-Identifier: MIT
// Channels: numbers under which two clients reach each other. A client's channels hang in a list
// from old to new; a link is a channel's reference and the side on which the client stands.
#include "relay/relay_state.h"

static uint64_t hash_number(uint32_t number)
{
    return number * UINT64_C(0x9e3779b97f4a7c15) >> 7; // numbers are random already
}

uint32_t wend_relay_channel_find(const struct wend_relay *r, uint32_t number)
{
    struct wend_map_cursor c = wend_map_find(&r->channels_by_number.map, hash_number(number));
    uint32_t ref;
    while (wend_map_next(&r->channels_by_number.map, &c, &ref))
        if (wend_relay_channel_at(r, ref)->number == number)
            return ref;
    return 0;
}

static uint32_t *before_of(struct wend_relay *r, uint32_t link)
{
    return &wend_relay_channel_at(r, link >> 1)->before[link & 1];
}

static uint32_t *after_of(struct wend_relay *r, uint32_t link)
{
    return &wend_relay_channel_at(r, link >> 1)->after[link & 1];
}

static void add(struct wend_relay *r, uint32_t ref, uint32_t side)
{
    struct wend_relay_client *c =
        wend_relay_client_at(r, wend_relay_channel_at(r, ref)->ends[side]);
    const uint32_t link = ref << 1 | side;
    *before_of(r, link) = c->last_channel;
    *after_of(r, link) = 0;
    if (c->last_channel != 0)
        *after_of(r, c->last_channel) = link;
    else
        c->first_channel = link;
    c->last_channel = link;
    c->channel_count++;
}

static void take_out(struct wend_relay *r, uint32_t ref, uint32_t side)
{
    struct wend_relay_client *c =
        wend_relay_client_at(r, wend_relay_channel_at(r, ref)->ends[side]);
    const uint32_t link = ref << 1 | side;
    const uint32_t before = *before_of(r, link), after = *after_of(r, link);
    if (before != 0)
        *after_of(r, before) = after;
    else
        c->first_channel = after;
    if (after != 0)
        *before_of(r, after) = before;
    else
        c->last_channel = before;
    c->channel_count--;
}

void wend_relay_channel_close(struct wend_relay *r, uint32_t ref)
{
    take_out(r, ref, 0);
    take_out(r, ref, 1);
    (void)wend_map_remove(&r->channels_by_number.map,
                          hash_number(wend_relay_channel_at(r, ref)->number), ref);
    wend_relay_give(&r->channels, ref);
}

void wend_relay_channels_close(struct wend_relay *r, uint32_t client)
{
    const struct wend_relay_client *c = wend_relay_client_at(r, client);
    while (c->first_channel != 0)
        wend_relay_channel_close(r, c->first_channel >> 1);
}

static void make_room(struct wend_relay *r, uint32_t client)
{
    const struct wend_relay_client *c = wend_relay_client_at(r, client);
    while (c->channel_count >= WEND_RELAY_CLIENT_CHANNELS_MAX)
        wend_relay_channel_close(r, c->first_channel >> 1);
}

// A pair that calls again and again does not push out the caller's channels to others.
static void limit_pair(struct wend_relay *r, uint32_t caller, uint32_t called)
{
    uint32_t oldest = 0, count = 0;
    for (uint32_t link = wend_relay_client_at(r, caller)->last_channel; link != 0;
         link = *before_of(r, link)) {
        if (wend_relay_channel_at(r, link >> 1)->ends[link & 1 ? 0 : 1] != called)
            continue;
        count++;
        oldest = link >> 1;
    }
    if (count >= WEND_RELAY_PAIR_CHANNELS_MAX)
        wend_relay_channel_close(r, oldest);
}

static uint32_t draw_number(struct wend_relay *r)
{
    uint32_t number;
    do
        number = wend_random_u32(&r->random);
    while (number == 0 || wend_relay_channel_find(r, number) != 0);
    return number;
}

uint32_t wend_relay_channel_new(struct wend_relay *r, uint32_t caller, uint32_t called)
{
    limit_pair(r, caller, called);
    make_room(r, caller);
    make_room(r, called);
    uint32_t ref = wend_relay_take(&r->channels);
    if (ref == 0 && wend_relay_client_at(r, caller)->first_channel != 0) {
        wend_relay_channel_close(r, wend_relay_client_at(r, caller)->first_channel >> 1);
        ref = wend_relay_take(&r->channels);
    }
    if (ref == 0)
        return 0;
    struct wend_relay_channel *ch = wend_relay_channel_at(r, ref);
    ch->number = draw_number(r);
    ch->state = WEND_RELAY_CHANNEL_ASKED;
    ch->asked_at = r->now;
    ch->ends[0] = caller;
    ch->ends[1] = called;
    add(r, ref, 0);
    add(r, ref, 1);
    const int error = wend_relay_index_insert(&r->channels_by_number, hash_number(ch->number), ref);
    wend_assert(error == 0);
    return ref;
}
