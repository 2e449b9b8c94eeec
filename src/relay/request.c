// SPDX-License-Identifier: MIT
// Type 4: a control message of a client is opened, handled and answered. docs/protocol.md
// section 3.
//
// Answers go where the request came from; what the server says by itself goes to the source of the
// last Configuration or Resume. Requests need no memory of what was answered: each handler does the
// same again when it is asked the same again.
#include "relay/relay_state.h"

#include <string.h>

#include "wire/frame.h"

#define REQUESTS_LIMIT ((struct wend_bucket_limit){.per_second = 50, .burst = 200})
#define SESSION_LATE   WEND_S(600) // beyond its life, until a session is refused

static const struct row {
    uint16_t type;
    bool registered; // only for members
    wend_relay_handler *handle;
} rows[] = {
    {WEND_CONTROL_CONFIGURATION, false, wend_relay_configuration},
    {WEND_CONTROL_RESUME, true, wend_relay_resume},
    {WEND_CONTROL_RELEASE, false, wend_relay_release},
    {WEND_CONTROL_KEEPALIVE, true, wend_relay_keepalive},
    {WEND_CONTROL_PEER_SERVICE, true, wend_relay_peer_service},
    {WEND_CONTROL_SUBSCRIBE, true, wend_relay_subscribe},
    {WEND_CONTROL_PUBLISH, false, wend_relay_publish},
    {WEND_CONTROL_FETCH, false, wend_relay_fetch},
    {WEND_CONTROL_JOIN, false, wend_relay_join},
    {WEND_CONTROL_JOIN_COMMIT, false, wend_relay_join_commit},
    {WEND_CONTROL_CLAIM, false, wend_relay_claim_network},
    {WEND_CONTROL_SHOW, false, wend_relay_show},
};

static const struct row *find_row(uint16_t type)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (rows[i].type == type)
            return &rows[i];
    return NULL;
}

// --- answering ---

static void answer(struct wend_relay *r, const struct wend_relay_request *q, struct wend_bytes body)
{
    const struct wend_relay_source to = wend_relay_source_of(q->in);
    struct wend_relay_session *s = &q->client->sessions[q->session - q->client->sessions];
    if (s->box.type != 0) // else it was put out by its own request
        wend_relay_seal(r, s, &to, body);
}

static void refuse(struct wend_relay *r, const struct wend_relay_request *q, enum wend_error error)
{
    struct wend_writer w = wend_writer_of(r->body, sizeof r->body);
    const char *text = q->text != NULL ? q->text : wend_error_name((uint16_t)error);
    wend_control_write_failure(&w, q->message, error, text);
    r->counts.refused++;
    answer(r, q, (struct wend_bytes){r->body, w.len});
}

static enum wend_error handle(struct wend_relay *r, struct wend_relay_request *q,
                              struct wend_writer *w)
{
    const struct row *row = find_row(q->message->type);
    if (row == NULL)
        return WEND_ERROR_UNKNOWN_MESSAGE;
    const int parsed = wend_attributes_parse(q->message->attributes, &q->a);
    if (parsed != 0)
        return q->a.unknown != 0 ? WEND_ERROR_UNKNOWN_ATTRIBUTE : WEND_ERROR_MALFORMED;
    if (row->registered && q->client->member == 0)
        return WEND_ERROR_NOT_REGISTERED;
    return row->handle(r, q, w);
}

static void serve(struct wend_relay *r, struct wend_relay_request *q)
{
    if (find_row(q->message->type) == NULL && wend_control_is_optional(q->message))
        return;
    r->counts.requests++;
    if (!wend_bucket_take(&q->client->requests, &REQUESTS_LIMIT, 1, r->now)) {
        (void)wend_relay_drop(r, WEND_DROP_RATE_LIMITED);
        refuse(r, q, WEND_ERROR_TOO_MANY);
        return;
    }
    struct wend_writer w = wend_writer_of(r->body, WEND_RELAY_BODY_MAX);
    const size_t begun =
        wend_control_begin(&w, q->message->type | WEND_CONTROL_RESPONSE, q->message->id);
    const enum wend_error error = handle(r, q, &w);
    if (q->silent)
        return;
    if (error != WEND_ERROR_NONE) {
        refuse(r, q, error);
        return;
    }
    wend_control_end(&w, begun);
    if (!w.failed)
        answer(r, q, (struct wend_bytes){r->body, w.len});
}

// --- opening ---

// An answer to something that we asked.
static void answered(struct wend_relay *r, uint32_t ref, const struct wend_datagram *in,
                     const struct wend_control *message)
{
    if (message->type == WEND_CONTROL_NOTIFY)
        wend_relay_notified(r, ref, message);
    else if (message->type == WEND_CONTROL_PEER_SERVICE)
        wend_relay_answered_call(r, ref, in, message);
}

static void heard(struct wend_relay *r, uint32_t ref, uint8_t side)
{
    struct wend_relay_client *c = wend_relay_client_at(r, ref);
    c->heard_at = r->now;
    if (c->sessions[side].pending) {
        c->sessions[side].pending = false;
        c->current = side;
    }
}

// A member that speaks from elsewhere than it is registered at shall say so by a Resume.
static void check_source(struct wend_relay *r, uint32_t ref, const struct wend_datagram *in)
{
    struct wend_relay_client *c = wend_relay_client_at(r, ref);
    if (!c->used || c->member == 0)
        return;
    const struct wend_relay_source source = wend_relay_source_of(in);
    if (wend_relay_same_source(&source, &c->source)) {
        wend_relay_client_set_online(r, ref, true);
        return;
    }
    const uint8_t none[4] = {0};
    wend_relay_hint(r, &source, WEND_HINT_UNKNOWN_SOURCE, none);
}

static void dispatch(struct wend_relay *r, const struct wend_relay_request *begun,
                     struct wend_bytes body)
{
    struct wend_relay_request q = *begun;
    struct wend_control message;
    if (body.len == 0)
        return;
    if (wend_control_decode(body, &message) != 0) {
        (void)wend_relay_drop(r, WEND_DROP_MALFORMED);
        return;
    }
    q.message = &message;
    if (message.response)
        answered(r, q.client_ref, q.in, &message);
    else
        serve(r, &q);
}

// The session that the message names, or NULL.
static struct wend_relay_session *find_session(struct wend_relay *r, uint32_t index,
                                               uint32_t *ret_client)
{
    const uint32_t ref = (index & 0xffff) + 1;
    const uint8_t side = index >> 16 & 1;
    if (ref > r->clients.high || !wend_relay_client_at(r, ref)->used)
        return NULL;
    struct wend_relay_session *s = &wend_relay_client_at(r, ref)->sessions[side];
    if (s->box.type == 0 || s->box.local_index != index ||
        r->now - s->created > WEND_RELAY_SESSION_LIFE + SESSION_LATE)
        return NULL;
    *ret_client = ref;
    return s;
}

enum wend_drop wend_relay_sealed(struct wend_relay *r, const struct wend_datagram *in)
{
    struct wend_message_data m;
    if (wend_message_read_data(in->bytes, &m) != 0)
        return wend_relay_drop(r, WEND_DROP_MALFORMED);
    uint32_t ref = 0;
    struct wend_relay_session *s = find_session(r, m.receiver, &ref);
    if (s == NULL) {
        const struct wend_relay_source to = wend_relay_source_of(in);
        wend_relay_hint(r, &to, WEND_HINT_UNKNOWN_SESSION, in->bytes.at + 4);
        return wend_relay_drop(r, WEND_DROP_NO_SESSION);
    }
    size_t len;
    const enum wend_drop drop = wend_box_open(&s->box, in->bytes, r->plain, &len);
    if (drop != WEND_DROP_NONE)
        return wend_relay_drop(r, drop);
    struct wend_relay_client *c = wend_relay_client_at(r, ref);
    heard(r, ref, (uint8_t)(s - c->sessions));
    const struct wend_relay_request q = {.client_ref = ref, .client = c, .session = s, .in = in};
    dispatch(r, &q, (struct wend_bytes){r->plain, len});
    check_source(r, ref, in);
    wend_wipe(r->plain, len);
    return WEND_DROP_NONE;
}
