// SPDX-License-Identifier: MIT
#include "wire/fragment.h"

#include <errno.h>
#include <string.h>

#include "wire/checksum.h"
#include "wire/ip.h"

enum { DONT_FRAGMENT = 0x4000, MORE = 0x2000, OFFSET = 0x1fff, BLOCK = 8, PACKET_MAX = 65535 };
enum { OPTION_END = 0, OPTION_NOP = 1, OPTION_COPIED = 0x80 };

static size_t header_len_of(const uint8_t *header)
{
    return (size_t)(header[0] & 15) * 4;
}

static size_t step_of(size_t header_len, size_t mtu)
{
    const size_t room = mtu > WEND_FRAGMENT_MTU_MIN ? mtu : WEND_FRAGMENT_MTU_MIN;
    return (room - header_len) / BLOCK * BLOCK;
}

size_t wend_fragment_count(struct wend_bytes header, size_t len, size_t mtu)
{
    if (len <= mtu || len <= WEND_FRAGMENT_MTU_MIN || header.len < WEND_IPV4_HEADER_LEN ||
        header.at[0] >> 4 != 4 || (wend_get_u16(header.at + 6) & DONT_FRAGMENT) != 0)
        return 1;
    const size_t header_len = header_len_of(header.at);
    if (header_len < WEND_IPV4_HEADER_LEN || header_len >= len)
        return 1;
    const size_t step = step_of(header_len, mtu);
    return (len - header_len + step - 1) / step;
}

// Keeps those options that go into every piece. One that is cut short ends them. Returns the length
// of the header, filled up with zeros (end of options).
static uint8_t write_later_header(uint8_t *to, const uint8_t *header, size_t header_len)
{
    size_t at = WEND_IPV4_HEADER_LEN, len = WEND_IPV4_HEADER_LEN;
    memcpy(to, header, WEND_IPV4_HEADER_LEN);
    while (at < header_len && header[at] != OPTION_END) {
        if (header[at] == OPTION_NOP) {
            at++;
            continue;
        }
        if (header_len - at < 2 || header[at + 1] < 2 || header[at + 1] > header_len - at)
            break;
        const size_t option_len = header[at + 1];
        if ((header[at] & OPTION_COPIED) != 0) {
            memcpy(to + len, header + at, option_len);
            len += option_len;
        }
        at += option_len;
    }
    while (len % 4 != 0)
        to[len++] = OPTION_END;
    to[0] = (uint8_t)(4 << 4 | len / 4);
    return (uint8_t)len;
}

int wend_fragment_init(struct wend_fragment *f, struct wend_bytes packet, size_t mtu)
{
    struct wend_ip ip;
    if (!wend_ip_read_ipv4(packet, &ip) || ip.len == ip.header_len)
        return -EBADMSG;
    const size_t before = (size_t)(wend_get_u16(packet.at + 6) & OFFSET) * BLOCK;
    if (before + ip.len > PACKET_MAX)
        return -EBADMSG;
    *f = (struct wend_fragment){.packet = packet.at,
                                .len = (uint32_t)ip.len,
                                .at = ip.header_len,
                                .step = (uint32_t)step_of(ip.header_len, mtu),
                                .header_len = ip.header_len};
    f->later_len = write_later_header(f->later, packet.at, ip.header_len);
    return 0;
}

static size_t write_header(const struct wend_fragment *f, size_t payload, uint8_t *to)
{
    const bool first = f->at == f->header_len, last = f->at + payload == f->len;
    const size_t header_len = first ? f->header_len : f->later_len;
    const uint16_t field = wend_get_u16(f->packet + 6); // what the last piece has of flags
    const unsigned offset = (field & OFFSET) + (unsigned)(f->at - f->header_len) / BLOCK;
    memcpy(to, first ? f->packet : f->later, header_len);
    wend_put_u16(to + 2, (uint16_t)(header_len + payload));
    wend_put_u16(to + 6, (uint16_t)((field & ~(unsigned)OFFSET) | offset | (last ? 0 : MORE)));
    wend_put_u16(to + 10, 0);
    wend_put_u16(to + 10, (uint16_t)~wend_checksum_fold(wend_checksum_add(0, to, header_len)));
    return header_len;
}

size_t wend_fragment_next(struct wend_fragment *f, uint8_t *to)
{
    const uint32_t left = f->len - f->at;
    const uint32_t payload = left < f->step ? left : f->step;
    if (left == 0)
        return 0;
    const size_t header_len = write_header(f, payload, to);
    memcpy(to + header_len, f->packet + f->at, payload);
    f->at += payload;
    return header_len + payload;
}
