// SPDX-License-Identifier: MIT
// What a peer's session says to others: keys to the halves of the data plane, its messages to the
// ways that lead to the peer.
#include <string.h>

#include "base/print.h"
#include "node/contact.h"
#include "node/early.h"

static void forget_pair(struct wend_node *n, struct wend_contact *c, struct wend_contact_pair *pair)
{
    wend_contact_forget_index(n, c, pair->local_index);
    wend_node_command_open(n, &(struct wend_command){.kind = WEND_COMMAND_KEYS_GONE,
                                                     .slot = c->slot,
                                                     .local_index = pair->local_index});
    wend_wipe(pair, sizeof *pair);
}

static void take_keys(struct wend_node *n, struct wend_contact *c, const struct wend_keys *keys)
{
    struct wend_contact_pair *pair = NULL;

    for (uint32_t i = 0; i < WEND_CONTACT_PAIRS && pair == NULL; i++)
        if (c->pairs[i].local_index == 0)
            pair = &c->pairs[i];
    wend_assert(pair != NULL); // the session holds three at most, and says when one goes
    if (c->starting == keys->local_index)
        c->starting = 0; // the index is the pair's now
    pair->local_index = keys->local_index;
    pair->has_key = true;
    memcpy(pair->send_key, keys->send_key, sizeof pair->send_key);
    wend_box_init(&pair->box, keys, WEND_MESSAGE_CONTROL);
    struct wend_command command = {.kind = WEND_COMMAND_KEYS,
                                   .slot = c->slot,
                                   .local_index = keys->local_index,
                                   .remote_index = keys->remote_index};
    memcpy(command.key, keys->receive_key, sizeof command.key);
    wend_node_command_open(n, &command);
    wend_wipe(&command, sizeof command);
    wend_early_give_back(n, pair);
}

static void gave_up(struct wend_node *n, struct wend_contact *c)
{
    struct wend_node_event e = {.kind = WEND_NODE_PEER, .slot = c->slot};

    if (c->starting != 0)
        wend_contact_forget_index(n, c, c->starting);
    c->starting = 0;
    wend_early_doubt(c);
    wend_print(e.text, sizeof e.text, "peer=%s state=unreachable",
               wend_contact_seat(n, c)->member.name);
    wend_node_raise(n, &e);
    if (c->sending != 0)
        return;
    wend_early_refused(n, c);
    wend_node_command_seal(
        n, &(struct wend_command){.kind = WEND_COMMAND_FLUSH_DROP, .slot = c->slot});
}

static void take_event(struct wend_node *n, struct wend_contact *c,
                       const struct wend_session_event *e)
{
    struct wend_contact_pair *pair = wend_contact_pair(c, e->local_index);

    switch (e->kind) {
    case WEND_SESSION_EVENT_KEYS: take_keys(n, c, e->keys); break;
    case WEND_SESSION_EVENT_EXPIRED:
        if (pair != NULL)
            forget_pair(n, c, pair);
        break;
    case WEND_SESSION_EVENT_REKEY: wend_contact_start(n, c); break;
    case WEND_SESSION_EVENT_KEEPALIVE: c->keepalive = true; break;
    case WEND_SESSION_EVENT_GAVE_UP: gave_up(n, c); break;
    case WEND_SESSION_EVENT_CONFIRMED: // follow_sending sees it
    case WEND_SESSION_EVENT_NONE: break;
    }
}

// The sealing half gets each key once, when the session comes to send with it.
static void follow_sending(struct wend_node *n, struct wend_contact *c)
{
    const uint32_t index = wend_session_sending(&c->session, n->now);

    if (index == c->sending)
        return;
    struct wend_contact_pair *pair = wend_contact_pair(c, index);
    if (pair == NULL || !pair->has_key) {
        if (c->sending != 0)
            wend_node_command_seal(
                n, &(struct wend_command){.kind = WEND_COMMAND_KEYS_GONE, .slot = c->slot});
        c->sending = 0;
        return;
    }
    struct wend_command command = {.kind = WEND_COMMAND_KEYS,
                                   .slot = c->slot,
                                   .local_index = index,
                                   .remote_index = pair->box.remote_index};
    memcpy(command.key, pair->send_key, sizeof command.key);
    wend_node_command_seal(n, &command);
    wend_wipe(&command, sizeof command);
    wend_wipe(pair->send_key, sizeof pair->send_key);
    pair->has_key = false;
    c->sending = index;
    wend_contact_try_candidates(n, c);
    if (c->told_generation != n->generation)
        wend_contact_tell_candidates(n, c);
}

// A handshake of ours ends without an event when we yield to the peer's.
static void follow_starting(struct wend_node *n, struct wend_contact *c)
{
    if (c->starting == 0 || c->starting == wend_session_starting_index(&c->session))
        return;
    if (wend_contact_pair(c, c->starting) == NULL)
        wend_contact_forget_index(n, c, c->starting);
    c->starting = 0;
    wend_early_doubt(c);
}

void wend_contact_take_events(struct wend_node *n, struct wend_contact *c)
{
    struct wend_session_event e;

    while (wend_session_next_event(&c->session, &e))
        take_event(n, c, &e);
    follow_starting(n, c);
    follow_sending(n, c);
}

void wend_contact_take_datagrams(struct wend_node *n, struct wend_contact *c,
                                 struct wend_origin *reply)
{
    struct wend_bytes out;

    while (wend_session_next_datagram(&c->session, &out)) {
        if (out.at[0] == WEND_MESSAGE_RESPONSE) {
            if (reply != NULL)
                wend_contact_send_response(n, c, reply, out);
            continue;
        }
        memcpy(c->sent_initiation, out.at, out.len);
        c->sent_len = (uint16_t)out.len;
        wend_contact_send_initiation(n, c);
    }
}
