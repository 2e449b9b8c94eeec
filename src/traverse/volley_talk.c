// SPDX-License-Identifier: MIT
// Messages over the relay: what is said and repeated, what the peer says.
#include "traverse/volley_state.h"

#include "base/print.h"

#define SOON      WEND_MS(20) // what is on its way straight is here by then
#define TAKEN_MAX 64          // messages a second that are looked at

// --- saying ---

static void fill_offer(const struct wend_volley *v, struct wend_volley_message *m, wend_instant now)
{
    const wend_duration age = now - v->offer.at;

    m->microseconds = (uint32_t)(age / WEND_US(1) > UINT32_MAX ? UINT32_MAX : age / WEND_US(1));
    m->address = v->own.serial != 0 ? v->own.public : (struct wend_address){0};
    m->address.port = v->offer.first;
    m->last_port = v->offer.last;
}

static void fill_go(const struct wend_volley *v, struct wend_volley_message *m, wend_instant now)
{
    const wend_duration left = v->begin_at - now;

    m->microseconds = (uint32_t)(left > 0 ? left / WEND_US(1) : 0);
}

static enum wend_volley_kind next_kind(const struct wend_volley *v)
{
    if (v->messages & VOLLEY_SAY_STOP)
        return WEND_VOLLEY_STOP;
    if (v->messages & VOLLEY_SAY_HIT)
        return WEND_VOLLEY_HIT;
    if (v->messages & VOLLEY_SAY_AIM)
        return WEND_VOLLEY_AIM;
    if (v->messages & VOLLEY_SAY_OFFER)
        return WEND_VOLLEY_OFFER;
    if (v->messages & VOLLEY_SAY_GO)
        return WEND_VOLLEY_GO;
    return v->messages & VOLLEY_SAY_STILL ? WEND_VOLLEY_STILL : WEND_VOLLEY_NONE;
}

size_t wend_volley_next_message(struct wend_volley *v, uint8_t *ret, wend_instant now)
{
    struct wend_volley_message m = {
        .kind = next_kind(v), .stage = v->stage, .round = v->round, .serial = v->plan.serial};
    struct wend_writer w = wend_writer_of(ret, WEND_VOLLEY_MESSAGE_MAX);

    switch (m.kind) {
    case WEND_VOLLEY_NONE: return 0;
    case WEND_VOLLEY_OFFER:
        fill_offer(v, &m, now);
        v->messages &= (uint8_t)~VOLLEY_SAY_OFFER;
        break;
    case WEND_VOLLEY_GO:
        fill_go(v, &m, now);
        v->messages &= (uint8_t)~VOLLEY_SAY_GO;
        break;
    case WEND_VOLLEY_STILL: v->messages &= (uint8_t)~VOLLEY_SAY_STILL; break;
    case WEND_VOLLEY_HIT:
        m.token = v->hit_token;
        v->messages &= (uint8_t)~VOLLEY_SAY_HIT;
        break;
    case WEND_VOLLEY_AIM:
        m.port = v->aim_port;
        v->messages &= (uint8_t)~VOLLEY_SAY_AIM;
        break;
    case WEND_VOLLEY_STOP:
        m.code = v->stop_code;
        wend_print(m.text, sizeof m.text, "%s", v->reason);
        v->messages = 0;
        break;
    }
    wend_volley_message_write(&w, &m);
    return w.failed ? 0 : w.len;
}

// --- being told ---

static bool is_flood(struct wend_volley *v, wend_instant now)
{
    if (now - v->taken_since >= WEND_S(1)) {
        v->taken_since = now;
        v->taken = 0;
    }
    return ++v->taken > TAKEN_MAX;
}

// Places are compared as numbers; only the called side moves on, so only the caller follows.
static int place(uint8_t stage, uint8_t round)
{
    return stage * 256 + round;
}

// False: of an earlier place, or one that the plan does not have.
static bool follow(struct wend_volley *v, const struct wend_volley_message *m, wend_instant now)
{
    const int here = place(v->stage, v->round), there = place(m->stage, m->round);

    if (there == here)
        return true;
    if (there < here || volley_is_called(v) || m->stage >= v->plan.stage_count ||
        m->round >= v->plan.stages[m->stage].rounds)
        return false;
    volley_enter(v, m->stage, m->round, now);
    return true;
}

// Repeated, unless both scan and it is about a later sample.
static bool is_news(const struct wend_volley *v, const struct wend_volley_offer *offer)
{
    if (!v->peer_offer.made)
        return true;
    return volley_part(v)->role == WEND_ROLE_SCAN && v->run.aim == WEND_AIM_NONE &&
           offer->first != v->peer_offer.first && offer->at > v->peer_offer.at;
}

// A range of ports that the peer's sequence runs through in a few steps.
static enum wend_drop take_offer(struct wend_volley *v, const struct wend_volley_message *m,
                                 wend_instant now)
{
    const struct wend_volley_offer offer = {
        .made = true,
        .first = m->address.port,
        .last = m->last_port,
        .at = now - WEND_US((wend_duration)m->microseconds) - v->rtt / 2,
    };

    if (!wend_address_same_ip(&m->address, &v->attested))
        return WEND_DROP_NOT_ALLOWED;
    if (!is_news(v, &offer))
        return WEND_DROP_NONE;
    v->peer_before = v->peer_offer;
    v->peer_offer = offer;
    return WEND_DROP_NONE;
}

static void take_go(struct wend_volley *v, const struct wend_volley_message *m, wend_instant now)
{
    const wend_duration delay = WEND_US((wend_duration)m->microseconds) - v->rtt / 2;

    if (v->has_go)
        return;
    v->has_go = true;
    v->begin_at = delay > 0 ? now + (delay < WEND_S(1) ? delay : WEND_S(1)) : now;
}

static enum wend_drop take_hit(struct wend_volley *v, uint64_t token, wend_instant now)
{
    uint16_t socket;
    struct wend_address remote;

    if (!volley_open_token(v, token, &socket, &remote))
        return WEND_DROP_BAD_MAC;
    volley_win(v, token, v->plan.own == 1, now);
    return WEND_DROP_NONE;
}

static void take_stop(struct wend_volley *v, const struct wend_volley_message *m)
{
    char reason[WEND_VOLLEY_REASON_MAX];

    if (v->state != WEND_VOLLEY_RUNNING)
        return;
    wend_print(reason, sizeof reason, "the peer %s: %s",
               m->code == WEND_VOLLEY_REFUSED ? "refused" : "stopped",
               m->text[0] != '\0' ? m->text : "no reason given");
    volley_end(v, m->code, reason);
    v->messages = 0;
}

static enum wend_drop take(struct wend_volley *v, const struct wend_volley_message *m,
                           wend_instant now)
{
    switch (m->kind) {
    case WEND_VOLLEY_HIT: return take_hit(v, m->token, now);
    case WEND_VOLLEY_STOP: take_stop(v, m); return WEND_DROP_NONE;
    case WEND_VOLLEY_AIM:
        if (volley_is_called(v))
            return WEND_DROP_NOT_ALLOWED;
        v->wished = m->port;
        return WEND_DROP_NONE;
    case WEND_VOLLEY_OFFER:
    case WEND_VOLLEY_GO:
    case WEND_VOLLEY_STILL:
    case WEND_VOLLEY_NONE: break;
    }
    if (v->state != WEND_VOLLEY_RUNNING)
        return WEND_DROP_NONE;
    if (!follow(v, m, now))
        return WEND_DROP_EXPIRED;
    if (m->kind == WEND_VOLLEY_GO)
        take_go(v, m, now);
    return m->kind == WEND_VOLLEY_OFFER ? take_offer(v, m, now) : WEND_DROP_NONE;
}

// The peer is there. Rounds are counted from here: it may have the models much later than we, and
// what it sent at the same time as this comes before it is knocked at again.
static void hear_first(struct wend_volley *v, wend_instant now)
{
    v->heard_peer = true;
    v->parked = false;
    if (v->state != WEND_VOLLEY_RUNNING)
        return;
    if (v->run.aim == WEND_AIM_LIST && v->run.next_at < now + SOON)
        v->run.next_at = now + SOON;
    const wend_instant end = now + volley_stage(v)->length + 2 * v->rtt;
    if (end > v->round_end + v->rtt / 2) { // it came late, and may not have heard us
        v->repeat_at = now;
        v->early = 3;
    }
    if (v->round_end < end)
        v->round_end = end;
}

enum wend_drop wend_volley_receive(struct wend_volley *v, struct wend_bytes in, wend_instant now)
{
    struct wend_volley_message m;

    if (v->state != WEND_VOLLEY_RUNNING && v->state != WEND_VOLLEY_STATE_WON)
        return wend_drops_add(&v->drops, WEND_DROP_EXPIRED);
    if (is_flood(v, now))
        return wend_drops_add(&v->drops, WEND_DROP_RATE_LIMITED);
    if (wend_volley_message_read(in, &m) != 0)
        return wend_drops_add(&v->drops, WEND_DROP_MALFORMED);
    if (m.serial != v->plan.serial)
        return wend_drops_add(&v->drops, WEND_DROP_NO_SESSION);
    v->heard_at = now;
    if (!v->heard_peer)
        hear_first(v, now);
    const enum wend_drop drop = take(v, &m, now);
    volley_work(v, now);
    volley_fire(v, now);
    return wend_drops_add(&v->drops, drop);
}
