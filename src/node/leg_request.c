// SPDX-License-Identifier: MIT
// Requests to the server with their retries, and answers to requests of the server. A message is
// sealed when it is drained, so each repetition has a counter of its own.
#include <errno.h>
#include <string.h>

#include "node/leg_state.h"

#define RETRY_FIRST WEND_MS(250)
#define RETRY_MAX   WEND_S(4)

// How long our own errands are repeated.
#define RESUME_PATIENCE    WEND_S(30)
#define OTHER_WAY_PATIENCE WEND_S(5) // a Resume that would move us from a stream to UDP

// After so many unanswered tries, and nothing else heard, the way or the session may be gone. A
// Resume follows a change of ours, so it is doubted first; a stream repeats by itself what is lost.
#define DOUBT_UDP           3
#define DOUBT_STREAM        5
#define DOUBT_RESUME_UDP    1
#define DOUBT_RESUME_STREAM 2

struct wend_leg_slot *wend_leg_find_slot(struct wend_leg *leg, uint32_t id)
{
    for (size_t i = 0; i < leg->slot_high; i++)
        if (leg->slots[i].id == id)
            return &leg->slots[i];
    return NULL;
}

static struct wend_leg_slot *free_slot(struct wend_leg *leg)
{
    struct wend_leg_slot *slot = wend_leg_find_slot(leg, 0);

    if (slot == NULL && leg->slot_high < WEND_LEG_REQUESTS_MAX)
        slot = &leg->slots[leg->slot_high++];
    return slot;
}

static wend_duration first_interval(const struct wend_leg *leg)
{
    const wend_duration measured = leg->rtt + leg->rtt / 2;
    return measured > RETRY_FIRST ? measured : RETRY_FIRST;
}

int wend_leg_request(struct wend_leg *leg, uint16_t type, struct wend_bytes attributes,
                     wend_duration patience, uint32_t *ret_id)
{
    if (attributes.len > WEND_LEG_BODY_MAX)
        return -EMSGSIZE;
    struct wend_leg_slot *slot = free_slot(leg);
    if (slot == NULL)
        return -ENOBUFS;
    if (++leg->last_id == 0)
        leg->last_id = 1;
    slot->id = leg->last_id;
    slot->type = type;
    slot->len = (uint16_t)attributes.len;
    slot->tries = 0;
    slot->fresh = true;
    slot->due = slot->once = slot->repeated = false;
    slot->patience = patience;
    slot->interval = 0;
    slot->sent = slot->retry_at = slot->give_up_at = WEND_NEVER;
    if (attributes.len > 0)
        memcpy(slot->body, attributes.at, attributes.len);
    if (ret_id != NULL)
        *ret_id = slot->id;
    return 0;
}

int wend_leg_respond(struct wend_leg *leg, const struct wend_leg_event *request, uint16_t error,
                     struct wend_bytes attributes)
{
    if (attributes.len > WEND_LEG_BODY_MAX)
        return -EMSGSIZE;
    if (leg->answer_count == WEND_LEG_ANSWERS_MAX)
        return -ENOBUFS;
    struct wend_leg_answer *answer =
        &leg->answers[(leg->answer_first + leg->answer_count) % WEND_LEG_ANSWERS_MAX];
    struct wend_writer w = wend_writer_of(answer->body, sizeof answer->body);
    if (error != 0)
        wend_attribute_put_failure(&w, error, wend_error_name(error));
    else
        wend_write_bytes(&w, attributes);
    answer->id = request->id;
    answer->type = request->type | WEND_CONTROL_RESPONSE;
    answer->len = (uint16_t)w.len;
    leg->answer_count++;
    return 0;
}

static void forget_resume(struct wend_leg *leg)
{
    struct wend_leg_search *search = &leg->search;
    struct wend_leg_slot *slot =
        search->resume_id != 0 ? wend_leg_find_slot(leg, search->resume_id) : NULL;
    if (slot != NULL)
        slot->id = 0;
    search->resume_id = 0;
    search->resume_to = (struct wend_address){0};
}

void wend_leg_resume(struct wend_leg *leg, const struct wend_address *to, wend_instant now)
{
    forget_resume(leg); // a newer one takes its place
    if (to != NULL)
        leg->search.resume_to = *to;
    leg->resumed_at = now;
    (void)wend_leg_request(leg, WEND_CONTROL_RESUME, (struct wend_bytes){0},
                           to != NULL ? OTHER_WAY_PATIENCE : RESUME_PATIENCE,
                           &leg->search.resume_id);
}

static bool on_stream(const struct wend_leg *leg)
{
    return leg->search.route.transport != WEND_TRANSPORT_UDP;
}

void wend_leg_requests_hasten(struct wend_leg *leg, wend_instant now)
{
    for (size_t i = 0; i < leg->slot_high; i++) {
        struct wend_leg_slot *slot = &leg->slots[i];
        if (slot->id == 0 || slot->tries == 0 || slot->once)
            continue;
        slot->tries = 1; // no reason to doubt the new way
        slot->repeated = true;
        slot->interval = first_interval(leg);
        slot->retry_at = now;
    }
}

void wend_leg_requests_again(struct wend_leg *leg, wend_instant now)
{
    forget_resume(leg); // the owner registers again
    for (size_t i = 0; i < leg->slot_high; i++) {
        struct wend_leg_slot *slot = &leg->slots[i];
        if (slot->id == 0 || slot->fresh)
            continue;
        if (slot->once) {
            slot->id = 0;
            continue;
        }
        slot->retry_at = now; // behind the registration, see first_due
        slot->due = false;
        slot->repeated = slot->repeated || slot->tries > 0;
        slot->tries = 0;
    }
    leg->answer_count = 0; // answers to a session that is gone
    wend_leg_keepalive_begin(leg, now);
}

static void give_up(struct wend_leg *leg, struct wend_leg_slot *slot, wend_instant now)
{
    const struct wend_leg_event event = {
        .kind = WEND_LEG_TIMED_OUT, .id = slot->id, .type = slot->type};
    if (slot->id == leg->search.resume_id && leg->search.resume_to.family != 0)
        wend_leg_resume(leg, NULL, now); // the server may have heard it, and gone over alone
    else if (slot->id == leg->search.resume_id)
        forget_resume(leg);
    else
        slot->id = 0;
    // Own errands (Keepalive, Resume) are nobody's business; they have led to doubt long before.
    if (event.type != WEND_CONTROL_KEEPALIVE && event.type != WEND_CONTROL_RESUME)
        wend_leg_raise(leg, &event);
}

static void doubt(struct wend_leg *leg, const struct wend_leg_slot *slot, wend_instant now)
{
    const bool resume = slot->type == WEND_CONTROL_RESUME;
    if (resume && leg->search.resume_to.family != 0)
        return; // it says nothing about the way in use
    const int udp = resume ? DOUBT_RESUME_UDP : DOUBT_UDP;
    const int stream = resume ? DOUBT_RESUME_STREAM : DOUBT_STREAM;
    if (slot->tries < (on_stream(leg) ? stream : udp) || leg->last_received > slot->sent)
        return;
    // A peer may be what does not answer; then the server still answers a Keepalive.
    if (slot->type != WEND_CONTROL_PEER_SERVICE)
        wend_leg_search_doubt(leg, now);
    else if (leg->config.keepalive)
        wend_leg_keep_alive(leg, true, now);
}

static void expire_slot(struct wend_leg *leg, struct wend_leg_slot *slot, wend_instant now)
{
    if (slot->fresh) {
        slot->fresh = false;
        slot->give_up_at = slot->patience == WEND_NEVER ? WEND_NEVER : now + slot->patience;
        slot->retry_at = now;
    }
    if (slot->give_up_at <= now) {
        give_up(leg, slot, now);
        return;
    }
    if (slot->due || slot->retry_at > now || !wend_leg_is_up(leg))
        return;
    if (slot->tries > 0)
        doubt(leg, slot, now);
    // Timed here, sealed when drained.
    slot->due = true;
    slot->interval = slot->tries == 0 ? first_interval(leg) : slot->interval * 2;
    if (slot->interval > RETRY_MAX)
        slot->interval = RETRY_MAX;
    slot->retry_at = slot->once ? WEND_NEVER : now + slot->interval;
    if (slot->tries == 0)
        slot->sent = now;
    if (slot->tries < UINT8_MAX)
        slot->tries++;
}

static bool has_fresh(const struct wend_leg *leg)
{
    for (size_t i = 0; i < leg->slot_high; i++)
        if (leg->slots[i].id != 0 && leg->slots[i].fresh)
            return true;
    return false;
}

void wend_leg_requests_expire(struct wend_leg *leg, wend_instant now)
{
    if (leg->keepalive_at <= now)
        wend_leg_keep_alive(leg, false, now);
    // What one of them leads to (a Keepalive, another Resume) gets its turn as well.
    do {
        for (size_t i = 0; i < leg->slot_high; i++)
            if (leg->slots[i].id != 0)
                expire_slot(leg, &leg->slots[i], now);
    } while (has_fresh(leg));
}

wend_instant wend_leg_requests_deadline(const struct wend_leg *leg)
{
    wend_instant least = leg->keepalive_at;
    for (size_t i = 0; i < leg->slot_high; i++) {
        const struct wend_leg_slot *slot = &leg->slots[i];
        if (slot->id == 0)
            continue;
        if (slot->fresh)
            return 0; // an expire shall start its clock
        least = wend_instant_min(least, slot->give_up_at);
        if (wend_leg_is_up(leg) && !slot->due)
            least = wend_instant_min(least, slot->retry_at);
    }
    return least;
}

// Seals one message into leg->out and addresses it. `to` as in wend_leg_search.resume_to.
static bool seal(struct wend_leg *leg, struct wend_bytes message, const struct wend_address *to,
                 struct wend_datagram *ret)
{
    struct wend_writer w = wend_writer_of(leg->out, sizeof leg->out);
    if (wend_box_seal(&leg->box, message, &w) != 0)
        return false;
    *ret = leg->search.route;
    if (to->family != 0)
        *ret = (struct wend_datagram){.transport = WEND_TRANSPORT_UDP, .remote = *to};
    ret->bytes = (struct wend_bytes){.at = leg->out, .len = w.len};
    return true;
}

static bool next_answer(struct wend_leg *leg, struct wend_datagram *ret)
{
    if (leg->answer_count == 0)
        return false;
    const struct wend_leg_answer *answer = &leg->answers[leg->answer_first];
    leg->answer_first = (leg->answer_first + 1) % WEND_LEG_ANSWERS_MAX;
    leg->answer_count--;
    uint8_t message[WEND_CONTROL_HEADER_LEN + WEND_LEG_BODY_MAX];
    struct wend_writer w = wend_writer_of(message, sizeof message);
    wend_control_write(&w, answer->type, answer->id,
                       (struct wend_bytes){.at = answer->body, .len = answer->len});
    const struct wend_address none = {0};
    return seal(leg, (struct wend_bytes){.at = message, .len = w.len}, &none, ret);
}

static bool next_request(struct wend_leg *leg, struct wend_leg_slot *slot,
                         struct wend_datagram *ret)
{
    uint8_t message[WEND_CONTROL_HEADER_LEN + WEND_LEG_BODY_MAX];
    struct wend_writer w = wend_writer_of(message, sizeof message);
    wend_control_write(&w, slot->type, slot->id,
                       (struct wend_bytes){.at = slot->body, .len = slot->len});
    const struct wend_address none = {0};
    const bool resume = slot->id == leg->search.resume_id;
    slot->due = false;
    return seal(leg, (struct wend_bytes){.at = message, .len = w.len},
                resume ? &leg->search.resume_to : &none, ret);
}

bool wend_leg_next_resume(struct wend_leg *leg, struct wend_datagram *ret)
{
    const uint32_t id = leg->search.resume_id;
    struct wend_leg_slot *slot = id != 0 ? wend_leg_find_slot(leg, id) : NULL;

    return slot != NULL && slot->due && wend_leg_is_up(leg) && next_request(leg, slot, ret);
}

static bool goes_before(const struct wend_leg_slot *a, const struct wend_leg_slot *b)
{
    const bool registers = a->type == WEND_CONTROL_CONFIGURATION;

    if (registers != (b->type == WEND_CONTROL_CONFIGURATION))
        return registers;
    return (int32_t)(a->id - b->id) < 0;
}

// A registration before what may need it, else in the order in which they were made.
static struct wend_leg_slot *first_due(struct wend_leg *leg)
{
    struct wend_leg_slot *first = NULL;

    for (size_t i = 0; i < leg->slot_high; i++) {
        struct wend_leg_slot *slot = &leg->slots[i];
        if (slot->id != 0 && slot->due && (first == NULL || goes_before(slot, first)))
            first = slot;
    }
    return first;
}

bool wend_leg_requests_next_datagram(struct wend_leg *leg, struct wend_datagram *ret)
{
    struct wend_leg_slot *slot;

    if (!wend_leg_is_up(leg))
        return false;
    if (wend_leg_next_resume(leg, ret) || next_answer(leg, ret))
        return true;
    while ((slot = first_due(leg)) != NULL)
        if (next_request(leg, slot, ret))
            return true;
    return false;
}

static void finish(struct wend_leg *leg, const struct wend_leg_slot *slot,
                   const struct wend_attributes *a, const struct wend_datagram *in,
                   wend_instant now)
{
    if (slot->type == WEND_CONTROL_CONFIGURATION || slot->type == WEND_CONTROL_RESUME ||
        slot->type == WEND_CONTROL_KEEPALIVE) {
        wend_leg_keepalive_proves(leg, slot, a->address);
        wend_leg_saw(leg, a->address);
    }
    if (slot->type == WEND_CONTROL_KEEPALIVE)
        wend_leg_keepalive_answered(leg, slot->sent);
    if (slot->id == leg->search.resume_id && wend_leg_is_from_server(leg, in))
        wend_leg_search_resumed(leg, in, now);
}

// A response of the server: finds its request, raises RESPONSE.
void wend_leg_answered(struct wend_leg *leg, const struct wend_control *response,
                       const struct wend_datagram *in, wend_instant now)
{
    struct wend_leg_slot *slot = response->id != 0 ? wend_leg_find_slot(leg, response->id) : NULL;
    if (slot == NULL || slot->type != response->type)
        return;
    struct wend_attributes a;
    const int parsed = wend_attributes_parse(response->attributes, &a);
    struct wend_leg_event event = {.kind = WEND_LEG_RESPONSE,
                                   .id = slot->id,
                                   .type = slot->type,
                                   .attributes = response->attributes};
    if (parsed != 0)
        event.error = WEND_ERROR_MALFORMED;
    struct wend_failure failure;
    if (parsed == 0 && wend_attribute_failure(a.error, &failure)) {
        event.error = failure.code != 0 ? failure.code : WEND_ERROR_MALFORMED;
        event.error_text = failure.text;
    }
    // The answer to a Peer Service Request waits for the peer; of one that was sent more than once,
    // nobody knows which copy was answered.
    if (slot->tries == 1 && !slot->repeated && slot->type != WEND_CONTROL_PEER_SERVICE)
        wend_leg_measured(leg, now - slot->sent);
    if (event.error == 0)
        finish(leg, slot, &a, in, now);
    if (slot->id == leg->search.resume_id)
        forget_resume(leg);
    slot->id = 0;
    wend_leg_raise(leg, &event);
}
