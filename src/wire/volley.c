// SPDX-License-Identifier: MIT
#include "wire/volley.h"

#include <errno.h>
#include <string.h>

static bool is_printable(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (text[i] < ' ' || text[i] > '~')
            return false;
    return true;
}

static void read_offer(struct wend_reader *r, struct wend_volley_message *m)
{
    m->microseconds = wend_read_u32(r);
    m->address.family = wend_read_u8(r);
    if (wend_read_u8(r) != 0)
        r->failed = true;
    m->address.port = wend_read_u16(r);
    if (m->address.family == WEND_FAMILY_IPV4)
        wend_read_copy(r, m->address.ip, 4);
    else if (m->address.family == WEND_FAMILY_IPV6)
        wend_read_copy(r, m->address.ip, 16);
    else
        r->failed = true;
    m->last_port = wend_read_u16(r);
    if (m->last_port == 0 || (!r->failed && !wend_address_is_usable(&m->address)))
        r->failed = true;
}

static void read_stop(struct wend_reader *r, struct wend_volley_message *m)
{
    m->code = wend_read_u16(r);
    const size_t len = r->left;
    if (len > WEND_VOLLEY_TEXT_MAX) {
        r->failed = true;
        return;
    }
    wend_read_copy(r, (uint8_t *)m->text, len);
    if (!is_printable(m->text, len))
        r->failed = true;
}

static void read_body(struct wend_reader *r, struct wend_volley_message *m)
{
    switch (m->kind) {
    case WEND_VOLLEY_OFFER: read_offer(r, m); return;
    case WEND_VOLLEY_GO: m->microseconds = wend_read_u32(r); return;
    case WEND_VOLLEY_STILL: return;
    case WEND_VOLLEY_HIT: m->token = wend_read_u64(r); return;
    case WEND_VOLLEY_AIM:
        m->port = wend_read_u16(r);
        r->failed |= m->port == 0;
        return;
    case WEND_VOLLEY_STOP: read_stop(r, m); return;
    case WEND_VOLLEY_NONE: break;
    }
    r->failed = true;
}

int wend_volley_message_read(struct wend_bytes in, struct wend_volley_message *ret)
{
    struct wend_reader r = wend_reader_of(in);
    struct wend_volley_message m = {0};
    const uint8_t kind = wend_read_u8(&r);

    if (kind > WEND_VOLLEY_STOP)
        return -EBADMSG;
    m.kind = (enum wend_volley_kind)kind;
    m.stage = wend_read_u8(&r);
    m.round = wend_read_u8(&r);
    if (wend_read_u8(&r) != 0)
        return -EBADMSG;
    m.serial = wend_read_u32(&r);
    read_body(&r, &m);
    if (r.failed || r.left != 0)
        return -EBADMSG;
    *ret = m;
    return 0;
}

static void write_offer(struct wend_writer *w, const struct wend_volley_message *m)
{
    const bool is_ipv4 = m->address.family == WEND_FAMILY_IPV4;

    wend_write_u32(w, m->microseconds);
    wend_write_u8(w, m->address.family);
    wend_write_u8(w, 0);
    wend_write_u16(w, m->address.port);
    wend_write_bytes(w, (struct wend_bytes){m->address.ip, is_ipv4 ? 4 : 16});
    wend_write_u16(w, m->last_port);
    if (!wend_address_is_usable(&m->address) || m->last_port == 0)
        w->failed = true;
}

static void write_stop(struct wend_writer *w, const struct wend_volley_message *m)
{
    const size_t len = strnlen(m->text, WEND_VOLLEY_TEXT_MAX);

    wend_write_u16(w, m->code);
    wend_write_bytes(w, (struct wend_bytes){(const uint8_t *)m->text, len});
    if (!is_printable(m->text, len))
        w->failed = true;
}

void wend_volley_message_write(struct wend_writer *w, const struct wend_volley_message *m)
{
    wend_write_u8(w, (uint8_t)m->kind);
    wend_write_u8(w, m->stage);
    wend_write_u8(w, m->round);
    wend_write_u8(w, 0);
    wend_write_u32(w, m->serial);
    switch (m->kind) {
    case WEND_VOLLEY_OFFER: write_offer(w, m); return;
    case WEND_VOLLEY_GO: wend_write_u32(w, m->microseconds); return;
    case WEND_VOLLEY_STILL: return;
    case WEND_VOLLEY_HIT: wend_write_u64(w, m->token); return;
    case WEND_VOLLEY_AIM:
        wend_write_u16(w, m->port);
        w->failed |= m->port == 0;
        return;
    case WEND_VOLLEY_STOP: write_stop(w, m); return;
    case WEND_VOLLEY_NONE: break;
    }
    w->failed = true;
}
