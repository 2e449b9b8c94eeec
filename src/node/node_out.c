// SPDX-License-Identifier: MIT
// What goes out of a node: queues between the call that makes something and the drain that takes
// it.
#include <string.h>

#include "node/node_state.h"

void wend_node_queues_init(struct wend_node *n)
{
    wend_ring_init(&n->out, n->out_memory, sizeof n->out_memory);
    wend_ring_init(&n->events, n->event_memory, sizeof n->event_memory);
    wend_ring_init(&n->seal_commands, n->seal_memory, sizeof n->seal_memory);
    wend_ring_init(&n->open_commands, n->open_memory, sizeof n->open_memory);
}

// Drained: begins at the front again, so that a node that has little to say touches little memory.
static void rewind_ring(struct wend_ring *ring)
{
    if (ring->head_seen != 0) // else nothing was put in since
        wend_ring_init(ring, ring->memory, ring->capacity);
}

// A record is the struct, then the bytes that it speaks of.
static bool push(struct wend_ring *ring, const void *head, size_t head_len, struct wend_bytes bytes)
{
    uint8_t *at = wend_ring_reserve(ring, head_len + bytes.len);

    if (at == NULL)
        return false;
    memcpy(at, head, head_len);
    if (bytes.len > 0)
        memcpy(at + head_len, bytes.at, bytes.len);
    wend_ring_commit(ring, head_len + bytes.len);
    return true;
}

void wend_node_send(struct wend_node *n, const struct wend_datagram *way, struct wend_bytes bytes)
{
    struct wend_datagram d = *way;

    wend_assert(bytes.len <= WEND_DATAGRAM_MAX);
    if (n->isolated) {
        wend_node_drop(n, WEND_DROP_NO_ROUTE);
        return;
    }
    d.bytes = (struct wend_bytes){.at = NULL, .len = bytes.len};
    if (!push(&n->out, &d, sizeof d, bytes))
        wend_node_drop(n, WEND_DROP_QUEUE_FULL);
}

void wend_node_raise(struct wend_node *n, const struct wend_node_event *event)
{
    if (!push(&n->events, event, sizeof *event, event->bytes))
        wend_node_drop(n, WEND_DROP_QUEUE_FULL);
}

void wend_node_command_seal(struct wend_node *n, const struct wend_command *command)
{
    wend_assert(push(&n->seal_commands, command, sizeof *command, (struct wend_bytes){0}));
}

void wend_node_command_open(struct wend_node *n, const struct wend_command *command)
{
    wend_assert(push(&n->open_commands, command, sizeof *command, (struct wend_bytes){0}));
}

void wend_node_command_both(struct wend_node *n, const struct wend_command *command)
{
    wend_node_command_seal(n, command);
    wend_node_command_open(n, command);
}

static bool next_queued(struct wend_node *n, struct wend_datagram *ret)
{
    size_t len;
    const uint8_t *at = wend_ring_peek(&n->out, &len);

    if (at == NULL) {
        rewind_ring(&n->out);
        return false;
    }
    memcpy(ret, at, sizeof *ret);
    ret->bytes.at = at + sizeof *ret;
    n->out_peeked = true;
    return true;
}

bool wend_node_next_resume(struct wend_node *n, struct wend_datagram *ret)
{
    return !n->closing && n->leg_made && !n->isolated && wend_leg_next_resume(&n->leg, ret);
}

static bool next_datagram(struct wend_node *n, struct wend_datagram *ret)
{
    if (n->out_peeked) {
        wend_ring_release(&n->out);
        n->out_peeked = false;
    }
    // The leg first: what opens a channel goes before what uses it. At the end the other way round:
    // Goodbyes pass through channels that Release closes.
    if (!n->closing && n->leg_made && !n->isolated && wend_leg_next_datagram(&n->leg, ret))
        return true;
    if (next_queued(n, ret))
        return true;
    if (!n->closing || !n->leg_made)
        return false;
    if (wend_leg_next_datagram(&n->leg, ret))
        return true;
    wend_leg_close(&n->leg);
    n->leg_made = false;
    return false;
}

bool wend_node_next_datagram(struct wend_node *n, struct wend_datagram *ret)
{
    const bool there = next_datagram(n, ret);

    if (there)
        wend_nat_sent(n, ret);
    return there;
}

bool wend_node_next_event(struct wend_node *n, struct wend_node_event *ret)
{
    if (n->event_peeked) {
        wend_ring_release(&n->events);
        n->event_peeked = false;
    }
    size_t len;
    const uint8_t *at = wend_ring_peek(&n->events, &len);
    if (at == NULL) {
        rewind_ring(&n->events);
        return false;
    }
    memcpy(ret, at, sizeof *ret);
    if (ret->bytes.len > 0)
        ret->bytes.at = at + sizeof *ret;
    n->event_peeked = true;
    return true;
}

static bool next_command(struct wend_ring *ring, struct wend_command *ret)
{
    size_t len;
    uint8_t *at = wend_ring_peek(ring, &len);

    if (at == NULL) {
        rewind_ring(ring);
        return false;
    }
    memcpy(ret, at, sizeof *ret);
    wend_wipe(at, len); // it may hold a key
    wend_ring_release(ring);
    return true;
}

bool wend_node_next_seal_command(struct wend_node *n, struct wend_command *ret)
{
    return next_command(&n->seal_commands, ret);
}

bool wend_node_next_open_command(struct wend_node *n, struct wend_command *ret)
{
    return next_command(&n->open_commands, ret);
}
