// SPDX-License-Identifier: MIT
// Segmentation offload. The first byte chooses: split any packet with any header beside it; or
// coalesce a batch, whose packets come raw or as parts of four flows with right checksums, so that
// joining is reached. What was joined must split into what was given.
#include "fuzz.h"
#include "wire/checksum.h"
#include "wire/offload.h"

enum { SLOT_LEN = 1024, FLOW_PORT = 7000, SUM_GOOD = 0xffff };

static uint8_t slots[WEND_COALESCE_MAX][SLOT_LEN];
static uint8_t original[WEND_COALESCE_MAX][SLOT_LEN];
static size_t lengths[WEND_COALESCE_MAX];
static int flows[WEND_COALESCE_MAX]; // -1: raw
static uint8_t joined[WEND_PACKET_MAX];

// ---- Split ----

static void split_any(struct wend_reader *r)
{
    static uint8_t piece[WEND_PACKET_MAX];
    const struct wend_vnet vnet = {.flags = wend_read_u8(r),
                                   .gso_type = wend_read_u8(r),
                                   .gso_size = wend_read_u16(r),
                                   .csum_start = wend_read_u16(r),
                                   .csum_offset = wend_read_u16(r)};
    const size_t piece_max = wend_read_u16(r);
    struct wend_split s;
    if (r->failed ||
        wend_split_init(&s, &vnet, (struct wend_bytes){r->at, r->left}, piece_max) != 0)
        return;
    const size_t count = wend_split_count(&s);
    size_t pieces = 0, total = 0;
    for (size_t len; (len = wend_split_next(&s, piece)) > 0; pieces++) {
        wend_assert(len <= piece_max);
        total += len - s.header_len;
    }
    wend_assert(pieces == count);
    wend_assert(total == r->left - s.header_len);
}

// ---- Coalesce ----

static size_t make_ip(uint8_t *p, bool v4, bool tcp, size_t transport_len, uint16_t id)
{
    const size_t ip_len = v4 ? 20 : 40;
    memset(p, 0, ip_len);
    p[0] = v4 ? 0x45 : 0x60;
    p[v4 ? 9 : 6] = tcp ? 6 : 17;
    p[v4 ? 15 : 23] = 1;
    p[v4 ? 19 : 39] = 2;
    wend_put_u16(p + (v4 ? 2 : 4), (uint16_t)(v4 ? ip_len + transport_len : transport_len));
    if (v4) {
        wend_put_u16(p + 4, id);
        wend_put_u16(p + 10, (uint16_t)~wend_checksum_fold(wend_checksum_add(0, p, ip_len)));
    }
    return ip_len;
}

// Seven bytes make a packet of one of four flows; `next_seq` continues each unless a bit says
// otherwise.
static size_t make_packet(uint8_t *p, struct wend_reader *r, uint32_t next_seq[4], int *ret_flow)
{
    const uint8_t verb = wend_read_u8(r);
    const size_t payload = wend_read_u8(r) * 3u;
    const uint16_t id = wend_read_u16(r);
    const uint8_t flags = wend_read_u8(r), fill = wend_read_u8(r), damage = wend_read_u8(r);
    const int flow = verb & 3;
    const bool v4 = (verb & 1) != 0, tcp = (verb & 2) != 0;
    const size_t header = tcp ? 20 : 8;
    const size_t at = make_ip(p, v4, tcp, header + payload, id);
    uint8_t *transport = p + at;
    memset(transport, 0, header);
    memset(transport + header, fill, payload);
    wend_put_u16(transport, (uint16_t)(FLOW_PORT + flow));
    if (tcp) {
        wend_put_u32(transport + 4, next_seq[flow] + ((verb & 0x80) != 0 ? fill : 0u));
        transport[12] = 0x50;
        transport[13] = (verb & 0x40) != 0 ? flags : 0x10;
        next_seq[flow] = wend_get_u32(transport + 4) + (uint32_t)payload;
    } else {
        wend_put_u16(transport + 4, (uint16_t)(header + payload));
    }
    uint64_t sum = wend_checksum_pseudo(p, tcp ? 6 : 17);
    sum = wend_checksum_add_u16(sum, (uint16_t)(header + payload));
    sum = wend_checksum_add(sum, transport, header + payload);
    wend_put_u16(transport + (tcp ? 16 : 6), (uint16_t)~wend_checksum_fold(sum));
    if ((verb & 0x20) != 0)
        transport[4 + damage % (header + payload - 4)] ^=
            1; // but not the ports: that is another flow
    *ret_flow = flow;
    return at + header + payload;
}

static size_t raw_packet(uint8_t *p, struct wend_reader *r, int *ret_flow)
{
    const uint8_t wanted = wend_read_u8(r);
    const struct wend_bytes view = wend_read_view(r, wanted < r->left ? wanted : r->left);
    if (view.len > 0)
        memcpy(p, view.at, view.len);
    *ret_flow = -1;
    return view.len;
}

static size_t fill_batch(struct wend_coalesce *c, struct wend_reader *r)
{
    uint32_t next_seq[4] = {0, UINT32_MAX - 1000, 0, UINT32_MAX - 1000};
    size_t count = 0;
    while (r->left > 0 && !r->failed && count < WEND_COALESCE_MAX) {
        const bool raw = (*r->at & 0x1c) == 0x1c;
        if (raw)
            (void)wend_read_u8(r);
        lengths[count] = raw ? raw_packet(slots[count], r, &flows[count])
                             : make_packet(slots[count], r, next_seq, &flows[count]);
        memcpy(original[count], slots[count], lengths[count]);
        wend_assert(wend_coalesce_add(c, slots[count], lengths[count]));
        count++;
    }
    wend_assert(count < WEND_COALESCE_MAX || !wend_coalesce_add(c, slots[0], lengths[0]));
    return count;
}

static size_t slot_of(const uint8_t *at)
{
    return (size_t)(at - slots[0]) / SLOT_LEN;
}

// All but what joining may change: IPv4 identification and header checksum, PSH and TCP checksum.
static void compare(const uint8_t *piece, size_t len, size_t slot)
{
    const uint8_t *o = original[slot];
    const size_t ip_len = o[0] >> 4 == 4 ? 20 : 40;
    const size_t header =
        ip_len + (o[ip_len == 20 ? 9 : 6] == 6 ? (size_t)(o[ip_len + 12] >> 4) * 4 : 8);
    wend_assert(len == lengths[slot] && len > header);
    wend_assert(memcmp(piece + header, o + header, len - header) == 0);
    wend_assert(memcmp(piece + ip_len, o + ip_len, 6) == 0);
    uint64_t sum = wend_checksum_pseudo(piece, piece[ip_len == 20 ? 9 : 6]);
    sum = wend_checksum_add_u16(sum, (uint16_t)(len - ip_len));
    wend_assert(wend_checksum_fold(wend_checksum_add(sum, piece + ip_len, len - ip_len)) ==
                SUM_GOOD);
}

static void split_joined(const struct wend_vnet *vnet, const struct wend_bytes *views, size_t count)
{
    uint8_t piece[SLOT_LEN];
    struct wend_split s;
    size_t len = 0;
    for (size_t i = 0; i < count; len += views[i++].len) {
        wend_assert(len + views[i].len <= WEND_PACKET_MAX);
        memcpy(joined + len, views[i].at, views[i].len);
    }
    wend_assert(wend_split_init(&s, vnet, (struct wend_bytes){joined, len}, sizeof piece) == 0);
    wend_assert(wend_split_count(&s) == count);
    for (size_t i = 0; i < count; i++) {
        const size_t n = wend_split_next(&s, piece);
        compare(piece, n, slot_of(views[i].at));
    }
}

static void coalesce_any(struct wend_reader *r, bool udp)
{
    static struct wend_coalesce c;
    static struct wend_bytes views[WEND_COALESCE_MAX];
    size_t last[5] = {0}; // of each flow, what left last, and one more
    size_t left = 0;
    struct wend_vnet vnet;
    wend_coalesce_init(&c, udp);
    const size_t count = fill_batch(&c, r);
    for (size_t n; (n = wend_coalesce_next(&c, &vnet, views)) > 0; left += n) {
        for (size_t i = 0; i < n; i++) {
            const size_t slot = slot_of(views[i].at);
            size_t *before = &last[flows[slot] + 1];
            wend_assert(flows[slot] < 0 || slot + 1 > *before);
            *before = slot + 1;
        }
        if (n > 1)
            split_joined(&vnet, views, n);
        else
            wend_assert(memcmp(views[0].at, original[slot_of(views[0].at)], views[0].len) == 0);
    }
    wend_assert(left == count);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct wend_reader r = wend_reader_of((struct wend_bytes){data, size});
    const uint8_t choice = wend_read_u8(&r);
    if ((choice & 1) == 0)
        split_any(&r);
    else
        coalesce_any(&r, (choice & 2) != 0);
    return 0;
}
