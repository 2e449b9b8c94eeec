// SPDX-License-Identifier: MIT
#include "io/netcheck_lifetime.h"

#include <errno.h>
#include <string.h>

#include "wire/stun.h"

#define PARTS  8 // a narrow round's
#define FINEST WEND_S(1)

static const uint16_t holds_s[WEND_LIFETIME_SOCKETS - 1] = {2,  5,  10, 15,  20,  30,
                                                            45, 60, 90, 120, 180, 300};

// --- rounds ---

static void use(struct wend_lifetime *l, size_t socket, wend_duration hold)
{
    l->sockets[socket] =
        (struct wend_lifetime_socket){.is = WEND_LIFETIME_OPENING, .hold = hold, .due = false};
}

static void plan_round(struct wend_lifetime *l)
{
    memset(l->sockets, 0, sizeof l->sockets);
    l->round++;
    l->sockets_due = true;
    if (l->state == WEND_LIFETIME_TRYING) {
        use(l, 1, 0);
    } else if (l->state == WEND_LIFETIME_WIDE) {
        for (size_t i = 0; i < WEND_LIFETIME_SOCKETS - 1; i++)
            if (WEND_S(holds_s[i]) <= l->config.longest)
                use(l, i + 1, WEND_S(holds_s[i]));
    } else {
        const wend_duration width = l->died - l->lived;
        const wend_duration most = (width + FINEST - 1) / FINEST;
        const wend_duration parts = most < PARTS ? most : PARTS;
        for (wend_duration i = 1; i < parts; i++)
            use(l, (size_t)i, l->lived + width * i / parts);
    }
}

static void try_way(struct wend_lifetime *l, enum wend_lifetime_way way)
{
    l->way = way;
    if (way == WEND_LIFETIME_ASK_AGAIN)
        l->state = WEND_LIFETIME_WIDE; // proven by what discovery saw
    plan_round(l);
}

static void end(struct wend_lifetime *l)
{
    l->state = WEND_LIFETIME_OVER;
    l->sockets_due = false;
}

// This way does not work; on to the next.
static void give_way(struct wend_lifetime *l)
{
    const bool first = l->way == WEND_LIFETIME_RESPONSE_PORT;

    if (first && !l->config.no_hairpin) {
        try_way(l, WEND_LIFETIME_HAIRPIN);
    } else if (l->config.ports_change) {
        try_way(l, WEND_LIFETIME_ASK_AGAIN);
    } else {
        l->way = WEND_LIFETIME_UNKNOWN;
        end(l);
    }
}

void wend_lifetime_init(struct wend_lifetime *l, const struct wend_lifetime_config *config)
{
    memset(l, 0, sizeof *l);
    l->config = *config;
    if (l->config.longest == 0)
        l->config.longest = WEND_LIFETIME_LONGEST;
    try_way(l, WEND_LIFETIME_RESPONSE_PORT);
}

static bool is_open(const struct wend_lifetime_socket *s)
{
    return s->is == WEND_LIFETIME_OPENING || s->is == WEND_LIFETIME_HOLDING ||
           s->is == WEND_LIFETIME_ASKING;
}

// Whether nothing that is still open could change what is known: one is dead, and all that were
// held for less time are decided.
static bool is_decided(const struct wend_lifetime *l)
{
    for (size_t i = 1; i < WEND_LIFETIME_SOCKETS; i++) {
        if (l->sockets[i].is == WEND_LIFETIME_DEAD)
            return true;
        if (is_open(&l->sockets[i]))
            return false;
    }
    return true;
}

static void note_holds(struct wend_lifetime *l)
{
    for (size_t i = 1; i < WEND_LIFETIME_SOCKETS; i++) {
        const struct wend_lifetime_socket *s = &l->sockets[i];
        if (s->is == WEND_LIFETIME_DEAD) {
            l->died = s->hold;
            return;
        }
        if (s->is == WEND_LIFETIME_ALIVE && s->hold > l->lived)
            l->lived = s->hold;
    }
}

static void advance(struct wend_lifetime *l)
{
    if (l->state == WEND_LIFETIME_OVER || l->sockets_due || !is_decided(l))
        return;
    if (l->state == WEND_LIFETIME_TRYING) {
        if (l->sockets[1].is != WEND_LIFETIME_ALIVE) {
            give_way(l);
            return;
        }
        l->state = WEND_LIFETIME_WIDE;
        plan_round(l);
        return;
    }
    note_holds(l);
    if (l->lived == 0 && l->died == 0)
        l->way = WEND_LIFETIME_UNKNOWN; // the server fell silent
    if (l->state == WEND_LIFETIME_NARROW || l->died == 0 || l->died - l->lived <= FINEST) {
        end(l);
        return;
    }
    l->state = WEND_LIFETIME_NARROW;
    plan_round(l);
}

size_t wend_lifetime_wants(const struct wend_lifetime *l)
{
    size_t count = 1;

    for (size_t i = 1; i < WEND_LIFETIME_SOCKETS; i++)
        if (l->sockets[i].is != WEND_LIFETIME_NOT_USED)
            count = i + 1;
    return l->sockets_due ? count : 0;
}

void wend_lifetime_begin(struct wend_lifetime *l, wend_instant now)
{
    l->sockets_due = false;
    for (size_t i = 1; i < WEND_LIFETIME_SOCKETS; i++)
        l->sockets[i].next = now;
}

// --- requests ---

static void make_id(const struct wend_lifetime *l, size_t socket, bool asks,
                    uint8_t ret[static WEND_STUN_TRANSACTION_LEN])
{
    memcpy(ret, l->config.random, WEND_STUN_TRANSACTION_LEN);
    ret[9] ^= l->round;
    ret[10] ^= (uint8_t)socket;
    ret[11] ^= asks;
}

static void fill_request(struct wend_lifetime *l, size_t i, struct wend_datagram *ret)
{
    const struct wend_lifetime_socket *s = &l->sockets[i];
    const bool asks = s->is == WEND_LIFETIME_ASKING;
    const bool aside = asks && l->way != WEND_LIFETIME_ASK_AGAIN;
    struct wend_stun_header header = {.method = WEND_STUN_METHOD_BINDING,
                                      .class = WEND_STUN_REQUEST};
    struct wend_stun_writer w;

    make_id(l, i, asks, header.transaction);
    wend_stun_begin(&w, l->request, sizeof l->request, &header);
    if (aside && l->way == WEND_LIFETIME_RESPONSE_PORT) {
        wend_stun_put_response_port(&w, s->mapped.port);
        wend_stun_fill(&w); // `wend serve` gives other ports no more than the request has
    }
    *ret = (struct wend_datagram){
        .transport = WEND_TRANSPORT_UDP,
        .socket = aside ? 0 : (uint16_t)i,
        .remote = aside && l->way == WEND_LIFETIME_HAIRPIN ? s->mapped : l->config.server,
        .bytes = {l->request, wend_stun_finish(&w)},
    };
}

bool wend_lifetime_next_datagram(struct wend_lifetime *l, struct wend_datagram *ret)
{
    for (size_t i = 1; i < WEND_LIFETIME_SOCKETS; i++) {
        if (!l->sockets[i].due)
            continue;
        l->sockets[i].due = false;
        fill_request(l, i, ret);
        return true;
    }
    return false;
}

// --- time ---

// All tries are over without what was waited for.
static void give_up(const struct wend_lifetime *l, struct wend_lifetime_socket *s)
{
    const bool silent = s->is == WEND_LIFETIME_OPENING || l->way == WEND_LIFETIME_ASK_AGAIN;

    s->is = silent ? WEND_LIFETIME_SILENT : WEND_LIFETIME_DEAD;
}

static void expire_one(const struct wend_lifetime *l, struct wend_lifetime_socket *s,
                       wend_instant now)
{
    if (!is_open(s) || s->next > now)
        return;
    if (s->is == WEND_LIFETIME_HOLDING) {
        s->is = WEND_LIFETIME_ASKING;
        s->tries = 0;
    }
    if (s->tries == WEND_LIFETIME_TRIES) {
        give_up(l, s);
        return;
    }
    s->tries++;
    s->due = true;
    s->next = now + WEND_LIFETIME_PATIENCE;
}

void wend_lifetime_expire(struct wend_lifetime *l, wend_instant now)
{
    if (l->sockets_due || l->state == WEND_LIFETIME_OVER)
        return;
    for (size_t i = 1; i < WEND_LIFETIME_SOCKETS; i++)
        expire_one(l, &l->sockets[i], now);
    advance(l);
}

wend_instant wend_lifetime_deadline(const struct wend_lifetime *l)
{
    wend_instant at = WEND_NEVER;

    if (l->sockets_due || l->state == WEND_LIFETIME_OVER)
        return WEND_NEVER;
    for (size_t i = 1; i < WEND_LIFETIME_SOCKETS; i++)
        if (is_open(&l->sockets[i]))
            at = wend_instant_min(at, l->sockets[i].next);
    return at;
}

// --- answers ---

static void take_opened(struct wend_lifetime_socket *s, const struct wend_stun *m, wend_instant now)
{
    if (m->class != WEND_STUN_SUCCESS || !wend_stun_has(m, WEND_STUN_XOR_MAPPED_ADDRESS))
        return;
    s->mapped = m->xor_mapped;
    s->is = WEND_LIFETIME_HOLDING;
    s->due = false;
    s->next = now + s->hold;
}

static void take_asked(const struct wend_lifetime *l, struct wend_lifetime_socket *s,
                       const struct wend_stun *m)
{
    const bool turned_round = m->class == WEND_STUN_REQUEST;
    bool alive = true;

    if (turned_round != (l->way == WEND_LIFETIME_HAIRPIN) || m->class == WEND_STUN_ERROR)
        return;
    if (l->way == WEND_LIFETIME_ASK_AGAIN)
        alive = wend_address_equal(&m->xor_mapped, &s->mapped);
    s->is = alive ? WEND_LIFETIME_ALIVE : WEND_LIFETIME_DEAD;
    s->due = false;
}

int wend_lifetime_receive(struct wend_lifetime *l, const struct wend_datagram *in, wend_instant now)
{
    const size_t i = in->socket;
    uint8_t id[WEND_STUN_TRANSACTION_LEN];
    struct wend_stun m;

    if (wend_stun_read(in->bytes, &m) != 0)
        return -EBADMSG;
    if (i == 0 || i >= WEND_LIFETIME_SOCKETS || l->sockets_due || !is_open(&l->sockets[i]))
        return -ESTALE;
    struct wend_lifetime_socket *s = &l->sockets[i];
    const bool asks = s->is == WEND_LIFETIME_ASKING;
    make_id(l, i, asks, id);
    if (memcmp(id, m.transaction, sizeof id) != 0 || s->tries == 0 ||
        s->is == WEND_LIFETIME_HOLDING)
        return -ESTALE;
    if (asks)
        take_asked(l, s, &m);
    else
        take_opened(s, &m, now);
    advance(l);
    return 0;
}
