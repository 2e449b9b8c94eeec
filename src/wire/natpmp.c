// SPDX-License-Identifier: MIT
#include "wire/natpmp.h"

#include <errno.h>
#include <string.h>

#include "base/assert.h"

enum { RESPONSE_BIT = 0x80 }; // "Opcodes … 128 + x" (section 3.3)

static void read_address(struct wend_natpmp *m, struct wend_reader *r)
{
    struct wend_address a = {.family = WEND_FAMILY_IPV4};

    if (!m->is_response)
        return;
    wend_read_copy(r, a.ip, 4);
    // "If the result code is non-zero, the value of the External IPv4 Address field is undefined
    // (MUST be set to zero on transmission, and MUST be ignored on reception)." (section 3.2)
    if (m->result == WEND_NATPMP_SUCCESS)
        m->external = a;
}

static void read_mapping(struct wend_natpmp *m, struct wend_reader *r)
{
    if (!m->is_response)
        (void)wend_read_u16(r); // reserved, "MUST be ignored on reception"
    m->internal_port = wend_read_u16(r);
    m->external_port = wend_read_u16(r);
    m->lifetime_s = wend_read_u32(r);
}

int wend_natpmp_read(struct wend_bytes in, struct wend_natpmp *ret)
{
    struct wend_reader r = wend_reader_of(in);
    struct wend_natpmp m = {0};
    const uint8_t version = wend_read_u8(&r);
    const uint8_t opcode = wend_read_u8(&r);

    if (r.failed || (opcode & ~RESPONSE_BIT) > WEND_NATPMP_MAP_TCP)
        return -EBADMSG;
    if (version != 0)
        return -EPROTONOSUPPORT;
    m.is_response = (opcode & RESPONSE_BIT) != 0;
    m.opcode = (uint8_t)(opcode & ~RESPONSE_BIT);
    if (m.is_response) {
        m.result = wend_read_u16(&r);
        m.epoch_s = wend_read_u32(&r);
    }
    if (m.opcode == WEND_NATPMP_ADDRESS)
        read_address(&m, &r);
    else
        read_mapping(&m, &r);
    if (r.failed || r.left != 0)
        return -EBADMSG;
    *ret = m;
    return 0;
}

size_t wend_natpmp_write(const struct wend_natpmp *m, uint8_t *at, size_t capacity)
{
    wend_assert(m->opcode <= WEND_NATPMP_MAP_TCP);
    struct wend_writer w = wend_writer_of(at, capacity);

    wend_write_u8(&w, 0);
    wend_write_u8(&w, (uint8_t)(m->opcode | (m->is_response ? RESPONSE_BIT : 0)));
    if (m->is_response) {
        wend_write_u16(&w, m->result);
        wend_write_u32(&w, m->epoch_s);
    }
    if (m->opcode == WEND_NATPMP_ADDRESS) {
        if (m->is_response)
            wend_write_bytes(&w, (struct wend_bytes){m->external.ip, 4});
    } else {
        if (!m->is_response)
            wend_write_u16(&w, 0);
        wend_write_u16(&w, m->internal_port);
        wend_write_u16(&w, m->external_port);
        wend_write_u32(&w, m->lifetime_s);
    }
    return w.failed ? 0 : w.len;
}

const char *wend_natpmp_result_name(uint16_t result)
{
    static const char *const names[] = {"success",          "unsupported-version",
                                        "not-authorized",   "network-failure",
                                        "out-of-resources", "unsupported-opcode"};
    return result < sizeof names / sizeof names[0] ? names[result] : "unknown";
}
