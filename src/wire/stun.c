// SPDX-License-Identifier: MIT
// Reading STUN messages. Attributes are walked once, in order; each known one is checked and stored
// at its first appearance. Everything is read into a local message that is handed out only when the
// whole datagram was sound, so a caller never sees half of one.
#include "wire/stun.h"

#include <errno.h>
#include <string.h>

#include "wire/crc32.h"
#include "wire/stun_internal.h"

enum {
    FAMILY_IPV4 = 1,
    FAMILY_IPV6 = 2,
    CHANGE_IP = 4,
    CHANGE_PORT = 2,
};

// Where we are in a message: what may still count depends on the integrity attributes passed.
enum phase {
    PHASE_OPEN = 0,
    PHASE_AFTER_INTEGRITY,
    PHASE_AFTER_SHA256,
    PHASE_ENDED, // a fingerprint was the last attribute there may be
};

struct reading {
    struct wend_stun message;
    struct wend_bytes in;
    enum phase phase;
};

// A bit for each type we know: those below 0x28 by their value, those from 0x8020 on behind them.
static uint64_t presence_bit(uint16_t type)
{
    if (type < 0x0028)
        return UINT64_C(1) << type;
    if (type >= 0x8020 && type < 0x8030)
        return UINT64_C(1) << (48 + (type - 0x8020));
    return 0;
}

bool wend_stun_has(const struct wend_stun *m, enum wend_stun_type type)
{
    return (m->present & presence_bit((uint16_t)type)) != 0;
}

static bool read_address(struct wend_bytes value, struct wend_address *ret)
{
    struct wend_reader r = wend_reader_of(value);
    struct wend_address a = {0};
    wend_read_u8(&r); // "MUST be ignored by receivers", RFC 8489 section 14.1
    const uint8_t family = wend_read_u8(&r);
    a.port = wend_read_u16(&r);
    if (family == FAMILY_IPV4) {
        a.family = WEND_FAMILY_IPV4;
        wend_read_copy(&r, a.ip, 4);
    } else if (family == FAMILY_IPV6) {
        a.family = WEND_FAMILY_IPV6;
        wend_read_copy(&r, a.ip, 16);
    } else {
        return false;
    }
    if (r.failed || r.left != 0)
        return false;
    *ret = a;
    return true;
}

void wend_stun_mask_address(struct wend_address *a, const uint8_t *transaction)
{
    uint8_t mask[16];
    wend_put_u32(mask, WEND_STUN_COOKIE);
    memcpy(mask + 4, transaction, WEND_STUN_TRANSACTION_LEN);
    const size_t len = a->family == WEND_FAMILY_IPV4 ? 4 : 16;
    for (size_t i = 0; i < len; i++)
        a->ip[i] ^= mask[i];
    a->port ^= WEND_STUN_COOKIE >> 16;
}

static bool read_xor_address(struct wend_stun *m, struct wend_bytes value)
{
    if (!read_address(value, &m->xor_mapped))
        return false;
    wend_stun_mask_address(&m->xor_mapped, m->transaction);
    return true;
}

static bool read_text(struct wend_bytes value, struct wend_bytes *ret)
{
    if (value.len > WEND_STUN_TEXT_MAX)
        return false;
    *ret = value;
    return true;
}

static bool read_error(struct wend_stun *m, struct wend_bytes value)
{
    struct wend_reader r = wend_reader_of(value);
    wend_read_u16(&r);
    const unsigned hundreds = wend_read_u8(&r) & 7u;
    const unsigned number = wend_read_u8(&r);
    if (r.failed || hundreds < 3 || hundreds > 6 || number > 99)
        return false;
    m->error_code = (uint16_t)(hundreds * 100 + number);
    return read_text((struct wend_bytes){r.at, r.left}, &m->error_reason);
}

static bool read_unknown_list(struct wend_stun *m, struct wend_bytes value)
{
    m->unknown_attributes = value;
    return value.len % 2 == 0;
}

static bool read_change_request(struct wend_stun *m, struct wend_bytes value)
{
    if (value.len != 4)
        return false;
    const uint32_t flags = wend_get_u32(value.at);
    m->change_ip = (flags & CHANGE_IP) != 0;
    m->change_port = (flags & CHANGE_PORT) != 0;
    return true;
}

// RFC 5780 section 7.5 does not say whether the two bytes of padding count in the length, and
// senders differ.
static bool read_response_port(struct wend_stun *m, struct wend_bytes value)
{
    if (value.len != 2 && value.len != 4)
        return false;
    m->response_port = wend_get_u16(value.at);
    return true;
}

// `value` lies in `in`; the four bytes before it are the attribute's header, where coverage ends.
static void cover(struct wend_bytes in, struct wend_bytes value, struct wend_stun_integrity *ret)
{
    const size_t value_at = (size_t)(value.at - in.at);
    memcpy(ret->header, in.at, WEND_STUN_HEADER_LEN);
    wend_put_u16(ret->header + 2, (uint16_t)(value_at + value.len - WEND_STUN_HEADER_LEN));
    ret->rest.at = in.at + WEND_STUN_HEADER_LEN;
    ret->rest.len = value_at - WEND_STUN_ATTRIBUTE_HEADER_LEN - WEND_STUN_HEADER_LEN;
    ret->value = value;
}

static bool read_integrity(struct reading *g, struct wend_bytes value)
{
    if (value.len != 20)
        return false;
    cover(g->in, value, &g->message.integrity);
    g->phase = PHASE_AFTER_INTEGRITY;
    return true;
}

static bool read_integrity_sha256(struct reading *g, struct wend_bytes value)
{
    if (value.len < 16 || value.len > 32 || value.len % 4 != 0)
        return false;
    cover(g->in, value, &g->message.integrity_sha256);
    g->phase = PHASE_AFTER_SHA256;
    return true;
}

static bool read_fingerprint(struct reading *g, struct wend_bytes value)
{
    if (value.len != 4)
        return false;
    g->phase = PHASE_ENDED;
    const size_t covered_len = (size_t)(value.at - g->in.at) - WEND_STUN_ATTRIBUTE_HEADER_LEN;
    return wend_get_u32(value.at) ==
           wend_stun_fingerprint((struct wend_bytes){g->in.at, covered_len});
}

uint32_t wend_stun_fingerprint(struct wend_bytes covered)
{
    return wend_crc32(covered) ^ 0x5354554eu; // RFC 8489 section 14.7
}

static void note_unknown(struct wend_stun *m, uint16_t type)
{
    if (type < 0x8000 && m->unknown_count < WEND_STUN_UNKNOWN_MAX)
        m->unknown[m->unknown_count++] = type;
}

enum verdict { VERDICT_UNKNOWN = 0, VERDICT_GOOD, VERDICT_BAD };

static enum verdict judge(bool good)
{
    return good ? VERDICT_GOOD : VERDICT_BAD;
}

static enum verdict read_value(struct reading *g, const struct wend_stun_attribute *a)
{
    struct wend_stun *m = &g->message;
    switch (a->type) {
    case WEND_STUN_MAPPED_ADDRESS: return judge(read_address(a->value, &m->mapped));
    case WEND_STUN_XOR_MAPPED_ADDRESS: return judge(read_xor_address(m, a->value));
    case WEND_STUN_ALTERNATE_SERVER: return judge(read_address(a->value, &m->alternate_server));
    case WEND_STUN_RESPONSE_ORIGIN: return judge(read_address(a->value, &m->response_origin));
    case WEND_STUN_OTHER_ADDRESS: return judge(read_address(a->value, &m->other));
    case WEND_STUN_USERNAME: return judge(read_text(a->value, &m->username));
    case WEND_STUN_REALM: return judge(read_text(a->value, &m->realm));
    case WEND_STUN_NONCE: return judge(read_text(a->value, &m->nonce));
    case WEND_STUN_SOFTWARE: return judge(read_text(a->value, &m->software));
    case WEND_STUN_ERROR_CODE: return judge(read_error(m, a->value));
    case WEND_STUN_UNKNOWN_ATTRIBUTES: return judge(read_unknown_list(m, a->value));
    case WEND_STUN_CHANGE_REQUEST: return judge(read_change_request(m, a->value));
    case WEND_STUN_RESPONSE_PORT: return judge(read_response_port(m, a->value));
    case WEND_STUN_PADDING: m->padding_len = (uint16_t)a->value.len; return VERDICT_GOOD;
    case WEND_STUN_MESSAGE_INTEGRITY: return judge(read_integrity(g, a->value));
    case WEND_STUN_MESSAGE_INTEGRITY_SHA256: return judge(read_integrity_sha256(g, a->value));
    case WEND_STUN_FINGERPRINT: return judge(read_fingerprint(g, a->value));
    default: return VERDICT_UNKNOWN;
    }
}

// RFC 8489 sections 14.5 and 14.6: what follows an integrity attribute is not protected by it.
static bool counts(const struct reading *g, uint16_t type)
{
    switch (g->phase) {
    case PHASE_OPEN: break;
    case PHASE_AFTER_INTEGRITY:
        if (type != WEND_STUN_MESSAGE_INTEGRITY_SHA256 && type != WEND_STUN_FINGERPRINT)
            return false;
        break;
    case PHASE_AFTER_SHA256:
        if (type != WEND_STUN_FINGERPRINT)
            return false;
        break;
    case PHASE_ENDED: return false;
    }
    return (g->message.present & presence_bit(type)) == 0;
}

static bool read_attribute(struct reading *g, const struct wend_stun_attribute *a)
{
    if (g->phase == PHASE_ENDED)
        return false;
    if (!counts(g, a->type))
        return true;
    switch (read_value(g, a)) {
    case VERDICT_UNKNOWN: note_unknown(&g->message, a->type); return true;
    case VERDICT_GOOD: g->message.present |= presence_bit(a->type); return true;
    case VERDICT_BAD: break;
    }
    return false;
}

// The type's fourteen bits: class bits 4 and 8 stand between three pieces of the method.
static void split_type(uint16_t type, struct wend_stun *m)
{
    m->class = (uint8_t)((type >> 4 & 1) | (type >> 7 & 2));
    m->method = (uint16_t)((type & 0x000f) | (type >> 1 & 0x0070) | (type >> 2 & 0x0f80));
}

bool wend_stun_next(struct wend_reader *r, struct wend_stun_attribute *ret)
{
    if (r->failed || r->left == 0)
        return false;
    const uint16_t type = wend_read_u16(r);
    const uint16_t len = wend_read_u16(r);
    const struct wend_bytes value = wend_read_view(r, len);
    wend_read_view(r, (4 - len % 4u) % 4u);
    if (r->failed)
        return false;
    *ret = (struct wend_stun_attribute){.type = type, .value = value};
    return true;
}

int wend_stun_read(struct wend_bytes in, struct wend_stun *ret)
{
    struct reading g = {.in = in};
    struct wend_reader r = wend_reader_of(in);
    const uint16_t type = wend_read_u16(&r);
    const uint16_t len = wend_read_u16(&r);
    const uint32_t cookie = wend_read_u32(&r);
    wend_read_copy(&r, g.message.transaction, WEND_STUN_TRANSACTION_LEN);
    if (r.failed || type > 0x3fff || cookie != WEND_STUN_COOKIE || len != r.left || len % 4 != 0)
        return -EBADMSG;
    split_type(type, &g.message);

    struct wend_stun_attribute a;
    while (wend_stun_next(&r, &a))
        if (!read_attribute(&g, &a))
            return -EBADMSG;
    if (r.failed)
        return -EBADMSG;
    *ret = g.message;
    return 0;
}

size_t wend_stun_join_covered(const struct wend_stun_integrity *i, uint8_t *ret, size_t capacity)
{
    struct wend_writer w = wend_writer_of(ret, capacity);
    wend_write_bytes(&w, (struct wend_bytes){i->header, sizeof i->header});
    wend_write_bytes(&w, i->rest);
    return w.failed ? 0 : w.len;
}
