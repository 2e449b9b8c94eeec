// SPDX-License-Identifier: MIT
#include "traverse/nat_classify.h"

#include <string.h>

#include "traverse/nat_births.h"
#include "traverse/nat_sequence.h"

// The answered samples of one run.
struct answers {
    const struct wend_nat_sample *at[WEND_NAT_SAMPLES_MAX];
    uint32_t count;
};

static void answers_of(const struct wend_nat_samples *s, wend_instant since, struct answers *ret)
{
    ret->count = 0;
    for (uint32_t i = 0; i < s->count; i++)
        if (s->at[i].sent >= since && s->at[i].outside.family != WEND_FAMILY_NONE)
            ret->at[ret->count++] = &s->at[i];
}

static bool is_preserved(const struct wend_nat_sample *s)
{
    return s->outside.port == s->inside.port;
}

// Each server told one outside address for all our sockets, and another one than the others?
static bool is_contradictory(const struct answers *a)
{
    bool differ = false;

    for (uint32_t i = 0; i < a->count; i++) {
        for (uint32_t j = 0; j < i; j++) {
            const bool same_server = wend_address_same_ip(&a->at[i]->to, &a->at[j]->to);
            const bool same_ip = wend_address_same_ip(&a->at[i]->outside, &a->at[j]->outside);
            if (same_server != same_ip)
                return false;
            differ |= !same_ip;
        }
    }
    return differ;
}

static enum wend_nat_answer translates(const struct answers *a)
{
    for (uint32_t i = 0; i < a->count; i++)
        if (!wend_address_equal(&a->at[i]->outside, &a->at[i]->inside))
            return WEND_NAT_YES;
    return a->count > 0 ? WEND_NAT_NO : WEND_NAT_ANSWER_UNKNOWN;
}

// Leaves one answer for each mapping.
static void keep_mappings(struct answers *a)
{
    uint32_t kept = 0;

    for (uint32_t i = 0; i < a->count; i++) {
        bool seen = false;
        for (uint32_t j = 0; j < kept && !seen; j++)
            seen = a->at[j]->socket == a->at[i]->socket &&
                   wend_address_equal(&a->at[j]->outside, &a->at[i]->outside);
        if (!seen)
            a->at[kept++] = a->at[i];
    }
    a->count = kept;
}

static enum wend_nat_answer is_paired(const struct answers *mappings)
{
    for (uint32_t i = 1; i < mappings->count; i++)
        if (!wend_address_same_ip(&mappings->at[i]->outside, &mappings->at[0]->outside))
            return WEND_NAT_NO;
    return mappings->count >= WEND_NAT_PAIRED_COUNT ? WEND_NAT_YES : WEND_NAT_ANSWER_UNKNOWN;
}

// Preserved ports say nothing: they would show parity also where other ports have none.
static enum wend_nat_answer keeps_parity(const struct answers *mappings)
{
    uint32_t odd = 0;
    uint32_t even = 0;

    for (uint32_t i = 0; i < mappings->count; i++) {
        const struct wend_nat_sample *s = mappings->at[i];
        if (is_preserved(s))
            continue;
        if ((s->inside.port ^ s->outside.port) & 1)
            return WEND_NAT_NO;
        *(s->inside.port & 1 ? &odd : &even) += 1;
    }
    const bool shown = odd + even >= WEND_NAT_PARITY_COUNT && odd >= 2 && even >= 2;
    return shown ? WEND_NAT_YES : WEND_NAT_ANSWER_UNKNOWN;
}

static uint32_t answered_count(const struct wend_nat_births *b)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < b->count; i++)
        count += b->at[i].outside != 0;
    return count;
}

// The ports of `mappings`, those that were preserved left out if `preserves`.
struct ports {
    uint16_t least, greatest;
    uint32_t count, leaps; // leaps: how often one is far from the one before
};

static struct ports ports_of(const struct answers *mappings, bool preserves)
{
    struct ports p = {.least = UINT16_MAX};
    int32_t last = 0;

    for (uint32_t i = 0; i < mappings->count; i++) {
        const uint16_t port = mappings->at[i]->outside.port;
        if (preserves && is_preserved(mappings->at[i]))
            continue;
        const int32_t gap = port > last ? port - last : last - port;
        p.leaps += p.count > 0 && gap >= WEND_NAT_BLOCK_MAX;
        p.least = port < p.least ? port : p.least;
        p.greatest = port > p.greatest ? port : p.greatest;
        p.count++;
        last = port;
    }
    return p;
}

// How they are drawn, if they are. With few births a sequence may have been missed: then ports near
// to each other say nothing, and one leap may be a counter that began anew.
static enum wend_nat_allocation drawn_kind(const struct answers *mappings, bool preserves,
                                           uint32_t births)
{
    const struct ports p = ports_of(mappings, preserves);

    if (p.count < 3 || (births < 5 && p.leaps < 2))
        return WEND_NAT_ALLOCATION_UNKNOWN;
    return p.greatest - p.least >= WEND_NAT_BLOCK_MAX ? WEND_NAT_RANDOM : WEND_NAT_BLOCK;
}

static enum wend_nat_allocation kind_of(const struct wend_nat_births *b,
                                        const struct answers *mappings, bool preserves,
                                        struct wend_nat_model *m)
{
    const struct wend_nat_sequence q = wend_nat_sequence_of(b, WEND_NAT_ODDS_CLEAR);

    if (q.delta == 0 && wend_nat_sequence_of(b, WEND_NAT_ODDS_LIKELY).delta != 0)
        return WEND_NAT_ALLOCATION_UNKNOWN;
    if (q.delta != 0 && !wend_nat_sequence_holds(&q, b))
        return WEND_NAT_ALLOCATION_UNKNOWN;
    if (q.delta == 0)
        return drawn_kind(mappings, preserves, answered_count(b));
    m->delta = q.delta;
    m->byte_swapped = q.byte_swapped;
    return WEND_NAT_SEQUENTIAL;
}

// Of the fresh sockets: is the inside port kept for the first mapping?
static bool preserves(const struct wend_nat_births *b)
{
    uint32_t kept = 0;
    uint32_t count = 0;

    for (uint32_t i = 0; i < b->count; i++) {
        if (!b->at[i].first || b->at[i].outside == 0)
            continue;
        count++;
        kept += b->at[i].outside == b->at[i].inside;
    }
    return kept >= 2 && 2 * kept >= count;
}

static const struct wend_nat_birth *first_of(const struct wend_nat_births *b, uint32_t socket)
{
    for (uint32_t i = 0; i < b->count; i++)
        if (b->at[i].first && b->at[i].socket == socket)
            return &b->at[i];
    return NULL;
}

// What later destinations of fresh sockets got whose first mapping kept the inside port. Other
// ports at the same address may share the first mapping: only other addresses count, if any do.
static enum wend_nat_allocation preserving_kind(const struct answers *a,
                                                const struct wend_nat_births *b)
{
    uint32_t same[2] = {0}; // at the same address, at another one
    uint32_t other[2] = {0};

    for (uint32_t i = 0; i < a->count; i++) {
        const struct wend_nat_birth *first = first_of(b, a->at[i]->socket);
        if (first == NULL || first->outside != first->inside || a->at[i]->old)
            continue;
        for (uint32_t j = 0; j < i; j++) {
            if (a->at[j]->socket != a->at[i]->socket)
                continue;
            const bool elsewhere = !wend_address_same_ip(&a->at[j]->to, &a->at[i]->to);
            (is_preserved(a->at[i]) ? same : other)[elsewhere]++;
            break;
        }
    }
    if (same[1] + other[1] == 0)
        return other[0] > same[0] ? WEND_NAT_SECOND_PRIORITY : WEND_NAT_ALLOCATION_UNKNOWN;
    if (same[1] == other[1])
        return WEND_NAT_ALLOCATION_UNKNOWN;
    return other[1] > same[1] ? WEND_NAT_SECOND_PRIORITY : WEND_NAT_PRESERVING;
}

static void drop_preserved(struct wend_nat_births *b)
{
    uint32_t kept = 0;

    for (uint32_t i = 0; i < b->count; i++)
        if (b->at[i].outside != b->at[i].inside)
            b->at[kept++] = b->at[i];
    b->count = kept;
}

static void set_allocation(const struct answers *a, const struct answers *mappings,
                           struct wend_nat_births *b, struct wend_nat_model *m)
{
    if (!preserves(b)) {
        m->allocation = kind_of(b, mappings, false, m);
        return;
    }
    m->allocation = preserving_kind(a, b);
    drop_preserved(b);
    m->fallback = kind_of(b, mappings, true, m);
}

static void forget_classes(struct wend_nat_model *m)
{
    m->mapping = WEND_NAT_UNKNOWN;
    m->allocation = m->fallback = WEND_NAT_ALLOCATION_UNKNOWN;
    m->translates = m->paired = m->parity = WEND_NAT_ANSWER_UNKNOWN;
    m->delta = 0;
    m->byte_swapped = false;
}

bool wend_nat_classify(const struct wend_nat_samples *s, wend_instant since,
                       struct wend_nat_model *m)
{
    struct wend_nat_births births;
    struct answers answers;

    forget_classes(m);
    answers_of(s, since, &answers);
    if (is_contradictory(&answers))
        return false;
    struct answers mappings = answers;
    keep_mappings(&mappings);
    m->translates = translates(&answers);
    if (m->translates == WEND_NAT_NO) {
        m->mapping = WEND_NAT_NONE;
        m->allocation = WEND_NAT_PRESERVING;
        m->paired = m->parity = WEND_NAT_YES;
        return true;
    }
    m->mapping = wend_nat_mapping_of(s, since);
    m->paired = is_paired(&mappings);
    m->parity = keeps_parity(&mappings);
    wend_nat_births_of(s, since, m->mapping, &births);
    set_allocation(&answers, &mappings, &births, m);
    return true;
}

void wend_nat_classify_more(const struct wend_nat_samples *s, struct wend_nat_model *m)
{
    struct answers mappings;

    if (m->translates != WEND_NAT_YES)
        return;
    answers_of(s, INT64_MIN, &mappings);
    keep_mappings(&mappings);
    m->paired = is_paired(&mappings);
    m->parity = keeps_parity(&mappings);
}
