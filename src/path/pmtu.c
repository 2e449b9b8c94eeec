// SPDX-License-Identifier: MIT
#include "path/pmtu.h"

#include <errno.h>
#include <string.h>

#define TRIES          3
#define STEP           16
#define RAISE_AFTER    WEND_S(600)
#define PATIENCE       WEND_MS(100)
#define PATIENCE_DOUBT WEND_MS(30)
#define DOUBT_APART    WEND_S(5)
#define NO_CEILING     (WEND_PMTU_FULL + STEP)

// IP packet sizes, RFC 8899 section 5.3.2: those that networks have (IPv6's least, tunnels, PPPoE).
static const uint16_t ladder[] = {1124, 1280, 1380, 1420, 1452, 1472};

#define RUNGS (sizeof ladder / sizeof ladder[0])

// The inner size whose datagram is an IP packet of `ip_len` bytes at most.
static uint16_t inner_of(const struct wend_pmtu *m, uint16_t ip_len)
{
    const uint16_t inner = (uint16_t)((ip_len - m->overhead) / STEP * STEP);

    return inner < WEND_PMTU_FULL ? inner : WEND_PMTU_FULL;
}

static wend_duration patience(const struct wend_pmtu *m)
{
    return m->rtt + m->rtt / 2 + PATIENCE;
}

// User packets may be lost while we wait; an answer that comes late is none.
static wend_duration patience_in_doubt(const struct wend_pmtu *m)
{
    return m->rtt + m->rtt / 4 + PATIENCE_DOUBT;
}

static void clear(struct wend_pmtu *m)
{
    memset(m->probes, 0, sizeof m->probes);
    m->due = false;
}

// --- sending ---

static void send(struct wend_pmtu *m, struct wend_pmtu_probe *p, wend_instant now)
{
    const wend_instant name = now + 1; // a regular probe may carry `now` itself

    m->last_sent = name > m->last_sent ? name : m->last_sent + 1;
    p->sent = m->last_sent;
    p->due = m->due = true;
    p->tries++;
}

// Begins with a size, or repeats it.
static void try(struct wend_pmtu *m, uint16_t size, wend_instant now)
{
    for (size_t i = 0; i < WEND_PMTU_PROBES_MAX; i++) {
        struct wend_pmtu_probe *p = &m->probes[i];
        if (p->size != 0 && p->size != size)
            continue;
        p->size = size;
        send(m, p, now);
        return;
    }
}

// The size in use, and everything less that a network may have put in its place, at once.
static void doubt(struct wend_pmtu *m, wend_instant now)
{
    clear(m);
    m->state = WEND_PMTU_DOUBT;
    try(m, m->known, now);
    for (size_t i = 0; i < RUNGS; i++)
        if (inner_of(m, ladder[i]) < m->known)
            try(m, inner_of(m, ladder[i]), now);
    m->next = now + patience_in_doubt(m);
}

static void climb(struct wend_pmtu *m, wend_instant now)
{
    m->state = WEND_PMTU_LADDER;
    for (size_t i = 0; i < RUNGS; i++) {
        const uint16_t size = inner_of(m, ladder[i]);
        if (size > m->known && size < WEND_PMTU_FULL)
            try(m, size, now);
    }
    try(m, WEND_PMTU_FULL, now);
    m->next = now + patience(m);
}

static void finish(struct wend_pmtu *m, wend_instant now)
{
    clear(m);
    m->state = WEND_PMTU_DONE;
    m->next = WEND_NEVER;
    m->raise_at = m->known < WEND_PMTU_FULL ? now + RAISE_AFTER : WEND_NEVER;
}

// Halves what lies between the greatest that passed and the least that did not.
static void search(struct wend_pmtu *m, wend_instant now)
{
    const uint16_t least = inner_of(m, ladder[0]);
    const uint16_t low = m->known / STEP, high = (uint16_t)((m->ceiling + STEP - 1) / STEP);

    clear(m);
    if (m->known < least || high <= low + 1) {
        finish(m, now);
        return;
    }
    m->state = WEND_PMTU_SEARCH;
    try(m, (uint16_t)((low + high) / 2 * STEP), now);
    m->next = now + patience(m);
}

static void begin(struct wend_pmtu *m, wend_instant now)
{
    m->state = WEND_PMTU_FIRST;
    try(m, inner_of(m, ladder[0]), now); // first, for the full one's answer ends it
    try(m, WEND_PMTU_FULL, now);
    m->next = now + patience(m);
}

void wend_pmtu_start(struct wend_pmtu *m, uint16_t overhead, wend_duration rtt, wend_instant at)
{
    memset(m, 0, sizeof *m);
    m->state = WEND_PMTU_SOON;
    m->overhead = overhead;
    m->rtt = rtt;
    m->ceiling = NO_CEILING;
    m->next = at;
}

void wend_pmtu_verify(struct wend_pmtu *m, wend_duration rtt, wend_instant now)
{
    m->rtt = rtt;
    if (m->state != WEND_PMTU_DONE || m->known == 0 || m->probes[0].size != 0)
        return;
    try(m, m->known, now);
    m->next = now + patience(m);
}

void wend_pmtu_doubt(struct wend_pmtu *m, wend_duration rtt, wend_instant now)
{
    if (m->state != WEND_PMTU_DONE || m->known == 0 || now < m->doubt_after)
        return;
    m->rtt = rtt;
    m->doubt_after = now + DOUBT_APART;
    doubt(m, now);
}

// --- answers ---

static bool is_settled(const struct wend_pmtu *m)
{
    for (size_t i = 0; i < WEND_PMTU_PROBES_MAX; i++)
        if (m->probes[i].size != 0 && !m->probes[i].answered)
            return false;
    return true;
}

// The size in use is carried. When to look for a greater one stands already.
static void confirm(struct wend_pmtu *m)
{
    clear(m);
    m->state = WEND_PMTU_DONE;
    m->next = WEND_NEVER;
}

static void raise_known(struct wend_pmtu *m, uint16_t size, wend_instant now)
{
    if (size > m->known)
        m->known = size;
    if (m->known == WEND_PMTU_FULL)
        finish(m, now);
    else if (m->state != WEND_PMTU_FIRST && is_settled(m))
        search(m, now);
}

int wend_pmtu_answer(struct wend_pmtu *m, wend_instant sent, wend_instant now)
{
    for (size_t i = 0; i < WEND_PMTU_PROBES_MAX; i++) {
        struct wend_pmtu_probe *p = &m->probes[i];
        if (p->size == 0 || p->sent != sent)
            continue;
        p->answered = true;
        if (m->state != WEND_PMTU_DONE && m->state != WEND_PMTU_DOUBT)
            raise_known(m, p->size, now);
        else if (p->size == m->known)
            confirm(m);
        return 0;
    }
    return -ESTALE;
}

// --- silence ---

// What was not answered goes out again, unless it has failed: then it is the ceiling, and what is
// longer is not tried again. Returns true when something is in flight.
static bool retry(struct wend_pmtu *m, wend_instant now)
{
    bool flying = false;

    for (size_t i = 0; i < WEND_PMTU_PROBES_MAX; i++) {
        struct wend_pmtu_probe *p = &m->probes[i];
        if (p->size == 0 || p->answered || p->size < m->known)
            continue;
        if (p->tries >= TRIES) {
            m->ceiling = p->size < m->ceiling ? p->size : m->ceiling;
            continue;
        }
        send(m, p, now);
        flying = true;
    }
    m->next = now + patience(m);
    return flying;
}

static uint16_t greatest_answered(const struct wend_pmtu *m)
{
    uint16_t greatest = 0;

    for (size_t i = 0; i < WEND_PMTU_PROBES_MAX; i++)
        if (m->probes[i].answered && m->probes[i].size > greatest)
            greatest = m->probes[i].size;
    return greatest;
}

// The size in use is repeated, and the least one if even that is not carried. Then the greatest one
// that was answered takes its place.
static void expire_doubt(struct wend_pmtu *m, wend_instant now)
{
    const uint16_t answered = greatest_answered(m);

    if (m->probes[0].tries < TRIES) {
        send(m, &m->probes[0], now);
        if (answered == 0 && m->probes[1].size != 0)
            send(m, &m->probes[1], now);
        m->next = now + patience_in_doubt(m);
        return;
    }
    m->ceiling = answered != 0 ? m->known : NO_CEILING;
    m->known = answered;
    clear(m);
    if (answered != 0)
        search(m, now);
    else
        climb(m, now);
}

static void expire_done(struct wend_pmtu *m, wend_instant now)
{
    if (m->probes[0].size != 0) {
        doubt(m, now);
    } else if (m->raise_at <= now) {
        m->ceiling = NO_CEILING;
        climb(m, now);
    }
}

void wend_pmtu_expire(struct wend_pmtu *m, wend_instant now)
{
    if (wend_pmtu_deadline(m) > now)
        return;
    switch ((enum wend_pmtu_state)m->state) {
    case WEND_PMTU_SOON: begin(m, now); break;
    case WEND_PMTU_FIRST: climb(m, now); break;
    case WEND_PMTU_LADDER:
    case WEND_PMTU_SEARCH:
        if (!retry(m, now))
            search(m, now);
        break;
    case WEND_PMTU_DONE: expire_done(m, now); break;
    case WEND_PMTU_DOUBT: expire_doubt(m, now); break;
    case WEND_PMTU_NONE: break;
    }
}

wend_instant wend_pmtu_deadline(const struct wend_pmtu *m)
{
    switch ((enum wend_pmtu_state)m->state) {
    case WEND_PMTU_NONE: return WEND_NEVER;
    case WEND_PMTU_SOON:
    case WEND_PMTU_FIRST:
    case WEND_PMTU_LADDER:
    case WEND_PMTU_SEARCH:
    case WEND_PMTU_DOUBT: return m->next;
    case WEND_PMTU_DONE: break;
    }
    return m->next != WEND_NEVER ? m->next : m->raise_at;
}

bool wend_pmtu_next(struct wend_pmtu *m, struct wend_pmtu_probe *ret)
{
    for (size_t i = 0; m->due && i < WEND_PMTU_PROBES_MAX; i++) {
        struct wend_pmtu_probe *p = &m->probes[i];
        if (!p->due)
            continue;
        p->due = false;
        *ret = *p;
        return true;
    }
    m->due = false;
    return false;
}
