// SPDX-License-Identifier: MIT
// Writing STUN messages. The length field is brought up to date with every attribute, which is just
// what integrity and fingerprint need: each covers the length as it is when that attribute ends.

#include "base/assert.h"
#include "wire/stun.h"
#include "wire/stun_internal.h"

static uint16_t join_type(const struct wend_stun_header *h)
{
    const unsigned m = h->method;
    const unsigned c = h->class;
    return (uint16_t)((m & 0x000f) | (m & 0x0070) << 1 | (m & 0x0f80) << 2 | (c & 1) << 4 |
                      (c & 2) << 7);
}

void wend_stun_begin(struct wend_stun_writer *w, uint8_t *at, size_t capacity,
                     const struct wend_stun_header *header)
{
    wend_assert(header->method <= 0x0fff && header->class <= WEND_STUN_ERROR);
    const size_t usable = WEND_STUN_HEADER_LEN + WEND_STUN_BODY_MAX;
    *w = (struct wend_stun_writer){
        .out = wend_writer_of(at, capacity < usable ? capacity : usable),
        .message = at,
    };
    wend_write_u16(&w->out, join_type(header));
    wend_write_u16(&w->out, 0);
    wend_write_u32(&w->out, WEND_STUN_COOKIE);
    wend_write_bytes(&w->out, (struct wend_bytes){header->transaction, WEND_STUN_TRANSACTION_LEN});
}

// Opens an attribute of `len` bytes and sets the message's length to where it will end; the caller
// writes the value and then the padding.
static void open_attribute(struct wend_stun_writer *w, uint16_t type, size_t len)
{
    const size_t padded = (len + 3) & ~(size_t)3;
    if (w->out.failed || len > UINT16_MAX ||
        w->out.left < WEND_STUN_ATTRIBUTE_HEADER_LEN + padded) {
        w->out.failed = true;
        return;
    }
    wend_write_u16(&w->out, type);
    wend_write_u16(&w->out, (uint16_t)len);
    wend_put_u16(w->message + 2, (uint16_t)(w->out.len + padded - WEND_STUN_HEADER_LEN));
}

static void close_attribute(struct wend_stun_writer *w)
{
    wend_write_zeros(&w->out, (4 - w->out.len % 4) % 4);
}

void wend_stun_put(struct wend_stun_writer *w, uint16_t type, struct wend_bytes value)
{
    open_attribute(w, type, value.len);
    wend_write_bytes(&w->out, value);
    close_attribute(w);
}

void wend_stun_put_address(struct wend_stun_writer *w, uint16_t type, const struct wend_address *a)
{
    wend_assert(a->family == WEND_FAMILY_IPV4 || a->family == WEND_FAMILY_IPV6);
    const bool ipv4 = a->family == WEND_FAMILY_IPV4;
    const size_t ip_len = ipv4 ? 4 : 16;
    open_attribute(w, type, 4 + ip_len);
    wend_write_u16(&w->out, ipv4 ? 1 : 2);
    wend_write_u16(&w->out, a->port);
    wend_write_bytes(&w->out, (struct wend_bytes){a->ip, ip_len});
}

void wend_stun_put_xor_address(struct wend_stun_writer *w, uint16_t type,
                               const struct wend_address *a)
{
    if (w->out.failed)
        return;
    struct wend_address masked = *a;
    wend_stun_mask_address(&masked, w->message + 8);
    wend_stun_put_address(w, type, &masked);
}

void wend_stun_put_change_request(struct wend_stun_writer *w, bool change_ip, bool change_port)
{
    open_attribute(w, WEND_STUN_CHANGE_REQUEST, 4);
    wend_write_u32(&w->out, (change_ip ? 4u : 0u) | (change_port ? 2u : 0u));
}

void wend_stun_put_response_port(struct wend_stun_writer *w, uint16_t port)
{
    open_attribute(w, WEND_STUN_RESPONSE_PORT, 2);
    wend_write_u16(&w->out, port);
    close_attribute(w);
}

void wend_stun_put_padding(struct wend_stun_writer *w, size_t len)
{
    open_attribute(w, WEND_STUN_PADDING, len);
    wend_write_zeros(&w->out, len);
    close_attribute(w);
}

void wend_stun_fill(struct wend_stun_writer *w)
{
    static const uint8_t name[] = {'w', 'e', 'n', 'd'};
    const size_t len = w->out.left - 4;

    wend_assert(w->out.left >= 4 + sizeof name && len <= WEND_STUN_TEXT_MAX);
    open_attribute(w, WEND_STUN_SOFTWARE, len);
    wend_write_bytes(&w->out, (struct wend_bytes){name, sizeof name});
    for (size_t i = sizeof name; i < len; i++)
        wend_write_u8(&w->out, ' ');
    close_attribute(w);
}

void wend_stun_put_error(struct wend_stun_writer *w, uint16_t code, struct wend_bytes reason)
{
    wend_assert(code >= 300 && code <= 699);
    open_attribute(w, WEND_STUN_ERROR_CODE, 4 + reason.len);
    wend_write_u16(&w->out, 0);
    wend_write_u8(&w->out, (uint8_t)(code / 100));
    wend_write_u8(&w->out, (uint8_t)(code % 100));
    wend_write_bytes(&w->out, reason);
    close_attribute(w);
}

void wend_stun_put_unknown(struct wend_stun_writer *w, const uint16_t *types, size_t count)
{
    open_attribute(w, WEND_STUN_UNKNOWN_ATTRIBUTES, 2 * count);
    for (size_t i = 0; i < count && !w->out.failed; i++)
        wend_write_u16(&w->out, types[i]);
    close_attribute(w);
}

static bool is_integrity_len(enum wend_stun_type type, size_t len)
{
    if (type == WEND_STUN_MESSAGE_INTEGRITY)
        return len == 20;
    return type == WEND_STUN_MESSAGE_INTEGRITY_SHA256 && len >= 16 && len <= 32 && len % 4 == 0;
}

uint8_t *wend_stun_put_integrity(struct wend_stun_writer *w, enum wend_stun_type type, size_t len,
                                 struct wend_bytes *ret_covered)
{
    wend_assert(is_integrity_len(type, len));
    const size_t covered_len = w->out.len;
    open_attribute(w, (uint16_t)type, len);
    if (w->out.failed)
        return NULL;
    uint8_t *const value = w->message + w->out.len;
    wend_write_zeros(&w->out, len);
    *ret_covered = (struct wend_bytes){w->message, covered_len};
    return value;
}

void wend_stun_put_fingerprint(struct wend_stun_writer *w)
{
    const size_t covered_len = w->out.len;
    open_attribute(w, WEND_STUN_FINGERPRINT, 4);
    if (!w->out.failed)
        wend_write_u32(&w->out,
                       wend_stun_fingerprint((struct wend_bytes){w->message, covered_len}));
}

size_t wend_stun_finish(const struct wend_stun_writer *w)
{
    return w->out.failed ? 0 : w->out.len;
}
