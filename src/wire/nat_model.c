// SPDX-License-Identifier: MIT
#include "wire/nat_model.h"

#include <errno.h>
#include <string.h>

#include "base/assert.h"

enum {
    DEPENDENCE_MAX = 4,
    PRESERVING = 1,
    SECOND_PRIORITY = 2,
    SEQUENTIAL = 3,
    ALLOCATION_MAX = 5,
    ANSWER_MAX = 2,
};

enum kind { KIND_NONE = 0, KIND_IPV4, KIND_IPV6, KIND_SAME_IP };

static bool is_known(const struct wend_nat_told_range *r)
{
    return r->most != 0;
}

static bool are_ranges_sound(const struct wend_nat_told *m)
{
    for (int i = 0; i < WEND_NAT_TOLD_ESTIMATES; i++) {
        const struct wend_nat_told_range *r = &m->estimates[i];
        if (r->least > r->likely || r->likely > r->most)
            return false;
        if (i != WEND_NAT_TOLD_RATE && r->most > UINT16_MAX)
            return false;
    }
    return true;
}

static bool is_address_sound(const struct wend_address *a)
{
    return a->family == WEND_FAMILY_NONE || wend_address_is_usable(a);
}

static bool is_sound(const struct wend_nat_told *m)
{
    const bool counts = m->allocation == SEQUENTIAL || m->fallback == SEQUENTIAL;

    if (m->serial == 0 || m->mapping > DEPENDENCE_MAX || m->filtering > DEPENDENCE_MAX)
        return false;
    if (m->allocation > ALLOCATION_MAX || m->fallback > ALLOCATION_MAX ||
        m->fallback == PRESERVING || m->fallback == SECOND_PRIORITY)
        return false;
    if (m->udp > ANSWER_MAX || m->hairpin > ANSWER_MAX || m->parity > ANSWER_MAX ||
        m->paired > ANSWER_MAX || m->translates > ANSWER_MAX)
        return false;
    if (counts != (m->delta != 0) || (m->byte_swapped && !counts))
        return false;
    if (m->newest_port == 0 && m->newest_age_ms != 0)
        return false;
    return is_address_sound(&m->public) && is_address_sound(&m->mapped) && are_ranges_sound(m);
}

static size_t ip_len(enum kind kind)
{
    return kind == KIND_IPV4 ? 4 : kind == KIND_IPV6 ? 16 : 0;
}

static enum kind kind_of(const struct wend_address *a)
{
    if (a->family == WEND_FAMILY_NONE)
        return KIND_NONE;
    return a->family == WEND_FAMILY_IPV4 ? KIND_IPV4 : KIND_IPV6;
}

static enum kind kind_of_mapped(const struct wend_nat_told *m)
{
    const bool same =
        m->mapped.family != WEND_FAMILY_NONE && wend_address_same_ip(&m->mapped, &m->public);

    return same ? KIND_SAME_IP : kind_of(&m->mapped);
}

static void write_address(struct wend_writer *w, const struct wend_address *a, enum kind kind)
{
    if (kind == KIND_NONE)
        return;
    wend_write_bytes(w, (struct wend_bytes){a->ip, ip_len(kind)});
    wend_write_u16(w, a->port);
}

static void write_classes(struct wend_writer *w, const struct wend_nat_told *m)
{
    wend_write_u8(w, (uint8_t)(m->mapping << 4 | m->filtering));
    wend_write_u8(w, (uint8_t)(m->allocation << 4 | m->fallback));
    wend_write_u8(w, (uint8_t)(m->udp << 6 | m->hairpin << 4 | m->parity << 2 | m->paired));
    wend_write_u8(w, (uint8_t)((unsigned)m->translates << 6 | (m->byte_swapped ? 0x20U : 0U) |
                               (unsigned)kind_of(&m->public) << 2 | (unsigned)kind_of_mapped(m)));
    wend_write_u16(w, (uint16_t)m->delta);
    wend_write_u16(w, m->newest_port);
    wend_write_u32(w, m->newest_age_ms);
}

static void write_ranges(struct wend_writer *w, const struct wend_nat_told *m)
{
    for (int i = 0; i < WEND_NAT_TOLD_ESTIMATES; i++) {
        const struct wend_nat_told_range *r = &m->estimates[i];
        const uint32_t values[3] = {r->least, r->likely, r->most};
        for (int j = 0; j < 3 && is_known(r); j++) {
            if (i == WEND_NAT_TOLD_RATE)
                wend_write_u32(w, values[j]);
            else
                wend_write_u16(w, (uint16_t)values[j]);
        }
    }
}

size_t wend_nat_told_write(uint8_t ret[static WEND_NAT_MODEL_LEN_MAX],
                           const struct wend_nat_told *m)
{
    struct wend_writer w = wend_writer_of(ret, WEND_NAT_MODEL_LEN_MAX);
    uint8_t follow = 0;

    wend_assert(is_sound(m));
    for (int i = 0; i < WEND_NAT_TOLD_ESTIMATES; i++)
        if (is_known(&m->estimates[i]))
            follow |= (uint8_t)(1U << i);
    wend_write_u32(&w, m->serial);
    write_classes(&w, m);
    wend_write_u8(&w, follow);
    write_address(&w, &m->public, kind_of(&m->public));
    write_address(&w, &m->mapped, kind_of_mapped(m));
    write_ranges(&w, m);
    wend_assert(!w.failed);
    return w.len;
}

static struct wend_address read_address(struct wend_reader *r, enum kind kind,
                                        const struct wend_address *same)
{
    struct wend_address a = {0};

    if (kind == KIND_NONE)
        return a;
    if (kind == KIND_SAME_IP)
        a = *same;
    else
        a.family = kind == KIND_IPV4 ? WEND_FAMILY_IPV4 : WEND_FAMILY_IPV6;
    wend_read_copy(r, a.ip, kind == KIND_SAME_IP ? 0 : ip_len(kind));
    a.port = wend_read_u16(r);
    return a;
}

// Each has one way to be written: a range that is told is known, one of the other's IP address is
// of kind 3.
static bool read_addresses(struct wend_reader *r, uint8_t flags, struct wend_nat_told *m)
{
    const enum kind public = (enum kind)(flags >> 2 & 3);
    const enum kind mapped = (enum kind)(flags & 3);

    if (public == KIND_SAME_IP || (public == KIND_NONE && mapped == KIND_SAME_IP))
        return false;
    m->public = read_address(r, public, NULL);
    m->mapped = read_address(r, mapped, &m->public);
    return kind_of_mapped(m) == mapped;
}

static bool read_ranges(struct wend_reader *r, uint8_t follow, struct wend_nat_told *m)
{
    for (int i = 0; i < WEND_NAT_TOLD_ESTIMATES; i++) {
        uint32_t values[3] = {0};
        if ((follow & 1U << i) == 0)
            continue;
        for (int j = 0; j < 3; j++)
            values[j] = i == WEND_NAT_TOLD_RATE ? wend_read_u32(r) : wend_read_u16(r);
        m->estimates[i] = (struct wend_nat_told_range){values[0], values[1], values[2]};
        if (!is_known(&m->estimates[i]))
            return false;
    }
    return follow >> WEND_NAT_TOLD_ESTIMATES == 0;
}

static uint8_t read_classes(struct wend_reader *r, struct wend_nat_told *m)
{
    const uint8_t dependence = wend_read_u8(r);
    const uint8_t allocation = wend_read_u8(r);
    const uint8_t answers = wend_read_u8(r);
    const uint8_t flags = wend_read_u8(r);

    m->mapping = dependence >> 4;
    m->filtering = dependence & 15;
    m->allocation = allocation >> 4;
    m->fallback = allocation & 15;
    m->udp = answers >> 6;
    m->hairpin = answers >> 4 & 3;
    m->parity = answers >> 2 & 3;
    m->paired = answers & 3;
    m->translates = flags >> 6;
    m->byte_swapped = (flags & 0x20) != 0;
    return flags;
}

int wend_nat_told_read(struct wend_bytes in, struct wend_nat_told *ret)
{
    struct wend_reader r = wend_reader_of(in);
    struct wend_nat_told m = {0};

    m.serial = wend_read_u32(&r);
    const uint8_t flags = read_classes(&r, &m);
    m.delta = (int16_t)wend_read_u16(&r);
    m.newest_port = wend_read_u16(&r);
    m.newest_age_ms = wend_read_u32(&r);
    const uint8_t follow = wend_read_u8(&r);
    if ((flags & 0x10) != 0 || !read_addresses(&r, flags, &m) || !read_ranges(&r, follow, &m))
        return -EBADMSG;
    if (r.failed || !is_sound(&m))
        return -EBADMSG;
    *ret = m;
    return 0;
}
