// SPDX-License-Identifier: MIT
// STUN, twice over the same bytes: as a datagram to read and write again, and as verbs that put
// attributes into a message, which must then be readable.
#include <errno.h>

#include "fuzz.h"
#include "wire/stun.h"

static uint8_t written[4096];

static void check_integrity(const struct wend_stun_integrity *i, struct wend_bytes in)
{
    static uint8_t covered[65536 + 64];
    if (i->value.len == 0)
        return;
    wend_assert(fuzz_is_within(i->value, in) && fuzz_is_within(i->rest, in));
    const size_t len = wend_stun_join_covered(i, covered, sizeof covered);
    wend_assert(len == WEND_STUN_HEADER_LEN + i->rest.len);
    // The adjusted length ends where the value does.
    const size_t end = WEND_STUN_HEADER_LEN + wend_get_u16(i->header + 2);
    wend_assert(in.at + end == i->value.at + i->value.len);
}

static void check_message(const struct wend_stun *m, struct wend_bytes in)
{
    const struct wend_bytes views[] = {m->username, m->realm,        m->nonce,
                                       m->software, m->error_reason, m->unknown_attributes};
    for (size_t i = 0; i < sizeof views / sizeof views[0]; i++)
        wend_assert(fuzz_is_within(views[i], in));
    wend_assert(m->class <= WEND_STUN_ERROR && m->method <= 0x0fff);
    wend_assert(m->unknown_count <= WEND_STUN_UNKNOWN_MAX);
    wend_assert(m->error_code == 0 || (m->error_code >= 300 && m->error_code <= 699));
    wend_assert(wend_stun_has(m, WEND_STUN_ERROR_CODE) == (m->error_code != 0));
    check_integrity(&m->integrity, in);
    check_integrity(&m->integrity_sha256, in);
}

static void check_same(const struct wend_stun *a, const struct wend_stun *b)
{
    wend_assert(a->method == b->method && a->class == b->class && a->present == b->present);
    wend_assert(wend_address_equal(&a->mapped, &b->mapped));
    wend_assert(wend_address_equal(&a->xor_mapped, &b->xor_mapped));
    wend_assert(wend_address_equal(&a->other, &b->other));
    wend_assert(a->error_code == b->error_code && a->response_port == b->response_port);
    wend_assert(a->change_ip == b->change_ip && a->change_port == b->change_port);
    wend_assert(wend_bytes_equal(a->username, b->username));
    wend_assert(wend_bytes_equal(a->nonce, b->nonce));
    wend_assert(a->unknown_count == b->unknown_count);
    wend_assert(memcmp(a->unknown, b->unknown, sizeof a->unknown) == 0);
}

// Every attribute put again as it was gives the same message, but for the bytes of padding.
static void rewrite(const struct wend_stun *m, struct wend_bytes in)
{
    struct wend_stun_header header = {.method = m->method, .class = m->class};
    memcpy(header.transaction, m->transaction, sizeof header.transaction);
    struct wend_stun_writer w;
    wend_stun_begin(&w, written, sizeof written, &header);
    struct wend_reader r = {.at = in.at + WEND_STUN_HEADER_LEN,
                            .left = in.len - WEND_STUN_HEADER_LEN};
    struct wend_stun_attribute a;
    while (wend_stun_next(&r, &a)) {
        if (a.type == WEND_STUN_FINGERPRINT)
            wend_stun_put_fingerprint(&w);
        else
            wend_stun_put(&w, a.type, a.value);
    }
    const size_t len = wend_stun_finish(&w);
    wend_assert(len == (in.len <= sizeof written ? in.len : 0));
    struct wend_stun again;
    if (len == 0)
        return;
    wend_assert(wend_stun_read((struct wend_bytes){written, len}, &again) == 0);
    check_same(m, &again);
}

static struct wend_address take_address(struct wend_reader *r)
{
    const bool ipv4 = (wend_read_u8(r) & 1) != 0;
    struct wend_address a = {.family = ipv4 ? WEND_FAMILY_IPV4 : WEND_FAMILY_IPV6};
    a.port = wend_read_u16(r);
    wend_read_copy(r, a.ip, ipv4 ? 4 : 16);
    return a;
}

static void put_integrity(struct wend_stun_writer *w, struct wend_reader *r)
{
    struct wend_bytes covered;
    const size_t len = 16 + wend_read_u8(r) % 5u * 4;
    uint8_t *const at =
        len == 20 ? wend_stun_put_integrity(w, WEND_STUN_MESSAGE_INTEGRITY, 20, &covered)
                  : wend_stun_put_integrity(w, WEND_STUN_MESSAGE_INTEGRITY_SHA256, len, &covered);
    if (at == NULL)
        return;
    wend_assert(covered.at + covered.len + 4 == at);
    memset(at, 0x5a, len);
}

// One verb. What is put is always something that a reader must accept.
static void put_one(struct wend_stun_writer *w, struct wend_reader *r)
{
    static const uint16_t texts[4] = {WEND_STUN_USERNAME, WEND_STUN_REALM, WEND_STUN_NONCE,
                                      WEND_STUN_SOFTWARE};
    static const uint16_t plain[4] = {WEND_STUN_MAPPED_ADDRESS, WEND_STUN_ALTERNATE_SERVER,
                                      WEND_STUN_RESPONSE_ORIGIN, WEND_STUN_OTHER_ADDRESS};
    const uint8_t verb = wend_read_u8(r);
    const uint8_t detail = wend_read_u8(r);
    struct wend_address a;
    uint16_t unknown[2];
    switch (verb % 8) {
    case 0: wend_stun_put(w, texts[detail % 4], wend_read_view(r, detail)); break;
    case 1: a = take_address(r), wend_stun_put_address(w, plain[detail % 4], &a); break;
    case 2:
        a = take_address(r), wend_stun_put_xor_address(w, WEND_STUN_XOR_MAPPED_ADDRESS, &a);
        break;
    case 3: wend_stun_put_change_request(w, (detail & 1) != 0, (detail & 2) != 0); break;
    case 4: wend_stun_put_response_port(w, wend_read_u16(r)); break;
    case 5: wend_stun_put_error(w, (uint16_t)(300 + detail), wend_read_view(r, detail)); break;
    case 6:
        unknown[0] = unknown[1] = wend_read_u16(r);
        wend_stun_put_unknown(w, unknown, detail % 3);
        break;
    case 7: put_integrity(w, r); break;
    }
}

static void write_from_verbs(struct wend_bytes in)
{
    struct wend_reader r = wend_reader_of(in);
    struct wend_stun_header header;
    header.method = wend_read_u16(&r) & 0x0fff;
    header.class = wend_read_u8(&r) & 3;
    wend_read_copy(&r, header.transaction, sizeof header.transaction);
    const size_t capacity = wend_read_u16(&r) % (sizeof written + 1);
    struct wend_stun_writer w;
    wend_stun_begin(&w, written, capacity, &header);
    while (!r.failed && r.left > 1)
        put_one(&w, &r);
    if (r.left == 1)
        wend_stun_put_fingerprint(&w);
    const size_t len = wend_stun_finish(&w);
    wend_assert(len <= capacity);
    if (len == 0)
        return;
    struct wend_stun m;
    wend_assert(wend_stun_read((struct wend_bytes){written, len}, &m) == 0);
    wend_assert(m.method == header.method && m.class == header.class);
    check_message(&m, (struct wend_bytes){written, len});
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct wend_bytes in = {data, size};
    struct wend_stun m;
    const int result = wend_stun_read(in, &m);
    wend_assert(result == 0 || result == -EBADMSG);
    if (result == 0) {
        check_message(&m, in);
        rewrite(&m, in);
    }
    write_from_verbs(in);
    return 0;
}
