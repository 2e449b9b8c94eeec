// SPDX-License-Identifier: MIT
// Layouts of session messages: what is read lies inside the datagram, covers it without a gap, and
// is written again to the same header.
#include <errno.h>

#include "fuzz.h"
#include "wire/demux.h"
#include "wire/session.h"

static void check_handshake(const struct wend_message_handshake *m, struct wend_bytes in)
{
    static uint8_t again[WEND_MESSAGE_INITIATION_BASE + WEND_MESSAGE_PAYLOAD_MAX];
    const struct wend_message_plan plan = {
        .type = (enum wend_message_type)m->type,
        .sender = m->sender,
        .receiver = m->receiver,
        .payload_len = m->sealed.len - WEND_MESSAGE_TAG_LEN,
    };
    struct wend_message_slots slots;
    wend_assert(wend_message_write_handshake(again, sizeof again, &plan, &slots) == in.len);
    const size_t header_len = (size_t)(m->ephemeral - in.at);
    wend_assert(memcmp(again, in.at, header_len) == 0);
    wend_assert(slots.ephemeral - again == m->ephemeral - in.at);
    wend_assert((slots.sealed_static == NULL) == (m->sealed_static == NULL));
    wend_assert(slots.sealed - again == m->sealed.at - in.at);
    wend_assert(slots.sealed_len == m->sealed.len);
    wend_assert(m->sealed.at + m->sealed.len == m->mac1);
    wend_assert(m->mac1 + WEND_MESSAGE_MAC_LEN == m->mac2);
    wend_assert(m->mac2 + WEND_MESSAGE_MAC_LEN == in.at + in.len);
    wend_assert(m->mac1_covers.at + m->mac1_covers.len == m->mac1);
    wend_assert(m->mac2_covers.at + m->mac2_covers.len == m->mac2);
}

static void check_cookie(const struct wend_message_cookie *m, struct wend_bytes in)
{
    uint8_t again[WEND_MESSAGE_COOKIE_LEN];
    wend_message_write_cookie(again, m);
    wend_assert(wend_bytes_equal((struct wend_bytes){again, sizeof again}, in));
}

static void check_data(const struct wend_message_data *m, struct wend_bytes in)
{
    uint8_t header[WEND_MESSAGE_DATA_HEADER_LEN];
    wend_message_write_data_header(header, (enum wend_message_type)m->type, m->receiver,
                                   m->counter);
    wend_assert(memcmp(header, in.at, sizeof header) == 0);
    wend_assert(m->sealed.at == in.at + sizeof header);
    wend_assert(m->sealed.len == in.len - sizeof header && m->sealed.len >= WEND_MESSAGE_TAG_LEN);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct wend_bytes in = {data, size};
    struct wend_message_handshake handshake;
    struct wend_message_cookie cookie;
    struct wend_message_data sealed;
    unsigned accepted = 0;
    if (wend_message_read_handshake(in, &handshake) == 0)
        check_handshake(&handshake, in), accepted++;
    if (wend_message_read_cookie(in, &cookie) == 0)
        check_cookie(&cookie, in), accepted++;
    if (wend_message_read_data(in, &sealed) == 0)
        check_data(&sealed, in), accepted++;
    wend_assert(accepted <= 1);
    const enum wend_kind kind = wend_demux(in);
    wend_assert(accepted == 0 || kind == WEND_KIND_SESSION || kind == WEND_KIND_CONTROL);
    return 0;
}
