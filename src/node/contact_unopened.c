// SPDX-License-Identifier: MIT
// Data messages that come before the opening half has their keys: a responder may send as soon as
// it has answered, and what it sends may overtake its answer. The same with a volley's datagrams
// and messages: these go by the channel, the answer by the request that the server deals with.
#include <string.h>

#include "node/contact.h"
#include "node/early.h"

// More than this for one pair, and the opening half did not take its keys.
#define RETURNS_MAX 256

static void give_back(struct wend_node *n, struct wend_contact_pair *pair,
                      const struct wend_datagram *way, struct wend_bytes bytes)
{
    struct wend_node_event e = {.kind = WEND_NODE_UNOPENED, .way = *way, .bytes = bytes};

    if (pair->returned == RETURNS_MAX) {
        wend_node_drop(n, WEND_DROP_NO_SESSION);
        return;
    }
    pair->returned++;
    e.way.bytes = (struct wend_bytes){0};
    wend_node_raise(n, &e);
}

static struct wend_kept *find_cell(struct wend_node *n, uint32_t index, size_t len)
{
    struct wend_kept *free_cell = NULL;
    uint32_t count = 0;
    size_t bytes = 0;

    for (uint32_t i = 0; i < WEND_NODE_KEPT; i++) {
        struct wend_kept *k = &n->kept[i];
        if (k->index == 0 && free_cell == NULL)
            free_cell = k;
        if (k->index == index) {
            count++;
            bytes += k->len;
        }
    }
    if (count >= WEND_NODE_KEPT_PACKETS || bytes + len > WEND_NODE_KEPT_BYTES)
        return NULL;
    return free_cell;
}

static void keep(struct wend_node *n, uint32_t index, const struct wend_datagram *whole,
                 uint32_t channel)
{
    struct wend_kept *k = find_cell(n, index, whole->bytes.len);

    if (k == NULL) {
        wend_node_drop(n, WEND_DROP_QUEUE_FULL);
        return;
    }
    k->index = index;
    k->serial = ++n->kept_serial;
    k->way = *whole;
    k->channel = channel;
    k->len = (uint16_t)whole->bytes.len;
    memcpy(k->bytes, whole->bytes.at, whole->bytes.len);
    n->kept_count++;
}

void wend_early_unopened(struct wend_node *n, const struct wend_origin *origin,
                         struct wend_bytes in)
{
    struct wend_message_data data;

    if (wend_message_read_data(in, &data) != 0) {
        wend_node_drop(n, WEND_DROP_MALFORMED);
        return;
    }
    struct wend_contact *c = wend_contact_by_index(n, data.receiver);
    if (c == NULL) {
        wend_node_drop(n, WEND_DROP_NO_SESSION);
        wend_node_hint(n, origin, data.receiver);
        return;
    }
    struct wend_contact_pair *pair = wend_contact_pair(c, data.receiver);
    if (pair != NULL)
        give_back(n, pair, &origin->way, origin->way.bytes);
    else
        keep(n, data.receiver, &origin->way, 0);
}

// Data may be kept in the relay frame that it came in; control is kept without.
enum kept { KEPT_ANY, KEPT_DATA, KEPT_CONTROL };

static struct wend_kept *oldest_of(struct wend_node *n, uint32_t index, enum kept what)
{
    struct wend_kept *oldest = NULL;

    for (uint32_t i = 0; i < WEND_NODE_KEPT && n->kept_count > 0; i++) {
        struct wend_kept *k = &n->kept[i];
        if (k->index == index &&
            (what == KEPT_ANY || (k->bytes[0] == WEND_MESSAGE_CONTROL) == (what == KEPT_CONTROL)) &&
            (oldest == NULL || k->serial < oldest->serial))
            oldest = k;
    }
    return oldest;
}

static void release(struct wend_node *n, struct wend_kept *k)
{
    k->index = 0;
    n->kept_count--;
}

void wend_early_give_back(struct wend_node *n, struct wend_contact_pair *pair)
{
    struct wend_kept *k;

    while ((k = oldest_of(n, pair->local_index, KEPT_DATA)) != NULL) {
        give_back(n, pair, &k->way, (struct wend_bytes){.at = k->bytes, .len = k->len});
        release(n, k);
    }
}

bool wend_early_keep_control(struct wend_node *n, const struct wend_contact *c,
                             const struct wend_origin *origin, struct wend_bytes in)
{
    const uint32_t index = wend_get_u32le(in.at + 4); // wend_message_read_data has read it
    const bool through = origin->kind == WEND_ORIGIN_CHANNEL;
    struct wend_datagram bare = origin->way;

    if ((origin->kind != WEND_ORIGIN_DIRECT && !through) || c->starting != index ||
        c->model_told == 0)
        return false;
    bare.bytes = in;
    keep(n, index, &bare, through ? origin->channel : 0);
    return true;
}

void wend_early_open_controls(struct wend_node *n, uint32_t index)
{
    struct wend_kept *k;

    while ((k = oldest_of(n, index, KEPT_CONTROL)) != NULL) {
        const struct wend_origin origin = {
            .kind = k->channel != 0 ? WEND_ORIGIN_CHANNEL : WEND_ORIGIN_DIRECT,
            .way = k->way,
            .channel = k->channel,
        };
        release(n, k);
        wend_contact_control(n, &origin, (struct wend_bytes){.at = k->bytes, .len = k->len});
    }
}

void wend_early_forget(struct wend_node *n, uint32_t index)
{
    struct wend_kept *k;

    while ((k = oldest_of(n, index, KEPT_ANY)) != NULL) {
        wend_node_drop(n, WEND_DROP_NO_SESSION);
        release(n, k);
    }
}
