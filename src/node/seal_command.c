// SPDX-License-Identifier: MIT
#include <string.h>

#include "crypto/crypto.h"
#include "node/seal_state.h"

static void drop_keys(struct wend_seal *s, struct wend_seal_slot *p)
{
    if (p->keyed)
        wend_sender_close(&p->sender);
    p->keyed = false;
    p->worn_told = false;
    p->say &= (uint8_t) ~(WEND_SEAL_SAY_EXHAUSTED | WEND_SEAL_SAY_SWITCHED);
    s->serial++;
}

// What was not yet out when the keys went asks for new ones.
void wend_seal_lose_keys(struct wend_seal *s, struct wend_seal_slot *p)
{
    wend_seal_course_end(p);
    drop_keys(s, p);
    p->wanted = false;
    if (p->count > 0)
        wend_seal_want(s, p);
}

static void give_up(struct wend_seal *s, struct wend_seal_slot *p)
{
    wend_seal_queue_drop(s, p);
    p->wanted = false;
    p->say &= (uint8_t) ~(WEND_SEAL_SAY_WANT | WEND_SEAL_SAY_NO_KEYS);
}

static void forget(struct wend_seal *s, struct wend_seal_slot *p)
{
    static const struct wend_address none;
    give_up(s, p);
    wend_seal_course_end(p);
    drop_keys(s, p);
    wend_seal_give_address(s, p, &none, WEND_FAMILY_IPV4);
    wend_seal_give_address(s, p, &none, WEND_FAMILY_IPV6);
    const bool in_flush = p->in_flush, in_notices = p->in_notices;
    *p = (struct wend_seal_slot){.in_flush = in_flush, .in_notices = in_notices};
}

static void add_peer(struct wend_seal *s, struct wend_seal_slot *p, const struct wend_command *c)
{
    if (!p->used)
        wend_bucket_init(&p->also_allowance, &wend_seal_also_limit, 0);
    p->used = true;
    wend_seal_give_address(s, p, &c->ipv4, WEND_FAMILY_IPV4);
    wend_seal_give_address(s, p, &c->ipv6, WEND_FAMILY_IPV6);
}

static int take_keys(struct wend_seal *s, struct wend_seal_slot *p, const struct wend_command *c)
{
    const uint32_t number = wend_seal_number(s, p);
    struct wend_plane_stats *stats = &s->config.stats[number];
    wend_seal_course_rekey(p);
    drop_keys(s, p);
    const int error = wend_sender_init(&p->sender, c->key, c->remote_index);
    p->keyed = error == 0;
    if (number >= s->keyed_before)
        s->keyed_before = number + 1;
    p->unsettled = true;
    p->local_index = c->local_index;
    atomic_store_explicit(&stats->next_counter, 0, memory_order_relaxed);
    if (error != 0)
        wend_seal_course_end(p);
    return error;
}

static void take_path(struct wend_seal *s, struct wend_seal_slot *p, const struct wend_command *c)
{
    const bool none = c->path.transport == WEND_TRANSPORT_NONE;
    p->path = c->path;
    p->also = c->also;
    if (none || wend_seal_same_way(&p->path, &p->also))
        p->also = (struct wend_plane_path){0};
    p->narrow = p->path.mtu_bytes != 0 && p->path.mtu_bytes < s->config.mtu;
    p->unsettled = true;
    if (none)
        p->course.broken = true;
    s->serial++;
}

static void repeat_switch(struct wend_seal_slot *p)
{
    if (p->course.said == WEND_SWITCH_NONE)
        return;
    p->course.repeat = true;
    p->unsettled = true;
}

// Something changed that a queue may have waited for, or a message of our own is due.
static void consider_flush(struct wend_seal *s, struct wend_seal_slot *p)
{
    if (wend_seal_is_ready(p) && (p->count > 0 || p->keepalive || p->wanted || p->unsettled))
        wend_seal_list_add(&s->flush, wend_seal_number(s, p), &p->in_flush);
}

static int carry_out(struct wend_seal *s, struct wend_seal_slot *p, const struct wend_command *c)
{
    int error = 0;
    switch (c->kind) {
    case WEND_COMMAND_PEER: add_peer(s, p, c); break;
    case WEND_COMMAND_PEER_GONE: forget(s, p); break;
    case WEND_COMMAND_KEYS: error = take_keys(s, p, c); break;
    case WEND_COMMAND_KEYS_GONE: wend_seal_lose_keys(s, p); break;
    case WEND_COMMAND_PATH: take_path(s, p, c); break;
    case WEND_COMMAND_SWITCH: repeat_switch(p); break;
    case WEND_COMMAND_EARLY_DONE: wend_seal_early_done(s, p, c->count); break;
    case WEND_COMMAND_EARLY_REFUSED: p->early = p->early_told = 0; break;
    case WEND_COMMAND_WATCH: p->watched = true; break;
    case WEND_COMMAND_KEEPALIVE: p->keepalive = wend_seal_is_ready(p); break;
    case WEND_COMMAND_FLUSH_DROP: give_up(s, p); break;
    case WEND_COMMAND_HOLD:
    case WEND_COMMAND_RELAY:
    case WEND_COMMAND_NONE: break;
    }
    consider_flush(s, p);
    return error;
}

int wend_seal_command(struct wend_seal *s, struct wend_command *command)
{
    int error = 0;
    if (command->slot < WEND_SLOTS_MAX) {
        struct wend_seal_slot *p = &s->slots[command->slot];
        if (p->used || command->kind == WEND_COMMAND_PEER)
            error = carry_out(s, p, command);
    }
    wend_wipe(command->key, sizeof command->key);
    return error;
}
