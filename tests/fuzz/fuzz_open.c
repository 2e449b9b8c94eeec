// SPDX-License-Identifier: MIT
// Both halves of the data plane. Verbs from the bytes: commands; a datagram as it stands; one that
// a peer sealed, with anything inside, perhaps damaged on the way, by any way and in any order; a
// Switch; a packet of the host with any header beside it, sealed, with its datagrams then opened by
// the same process; drain; time. What reaches the host must come from the peer that owns the key,
// and be for us.
#include <sys/mman.h>

#include "fuzz.h"
#include "node/open.h"
#include "node/seal.h"
#include "session/data.h"
#include "wire/frame.h"
#include "wire/ip.h"
#include "wire/switch.h"

enum {
    SLOTS = 8,
    INDEXES = 16,
    DATAGRAM_LEN = 2304,
    DATAGRAMS = 64,
    OUT_LEN = 1 << 15,
    MTU = 1400,
};

static struct wend_plane_stats stats[WEND_SLOTS_MAX];
static uint8_t datagrams[DATAGRAMS][DATAGRAM_LEN];
static uint8_t out_bytes[OUT_LEN];

struct world {
    struct wend_open *open;
    struct wend_seal *seal;
    struct wend_seal_out out;
    struct wend_sender senders[INDEXES]; // what the peer of an index would seal with
    size_t used;                         // datagrams
    wend_instant now;
    uint64_t digest;
};

// Zero pages at every run; untouched ones cost nothing.
static void *memory(size_t size)
{
    void *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    wend_assert(at != MAP_FAILED);
    return at;
}

static struct wend_address inside(uint8_t n)
{
    return wend_address_ipv4(0x64400000u + (n & 15), 0);
}

static struct wend_address inside6(uint8_t n)
{
    struct wend_address a = {.family = WEND_FAMILY_IPV6, .ip = {0xfd}};
    a.ip[15] = n & 15;
    return a;
}

static void start(struct world *w)
{
    const struct wend_open_config o = {
        .ipv4 = inside(0), .ipv6 = inside6(0), .udp_offload = true, .stats = stats};
    const struct wend_seal_config s = {
        .ipv4 = inside(0), .ipv6 = inside6(0), .mtu = MTU, .stats = stats};
    w->open = wend_open_init(memory(wend_open_size()), &o);
    w->seal = wend_seal_init(memory(wend_seal_size()), &s);
    w->out = (struct wend_seal_out){.at = out_bytes, .capacity = sizeof out_bytes};
}

static void stop(struct world *w)
{
    wend_open_check(w->open);
    wend_seal_check(w->seal);
    wend_open_close(w->open);
    wend_seal_close(w->seal);
    for (size_t i = 0; i < INDEXES; i++)
        if (w->senders[i].remote_index != 0)
            wend_sender_close(&w->senders[i]);
    (void)munmap(w->open, wend_open_size());
    (void)munmap(w->seal, wend_seal_size());
}

// ---- To the host ----

static void check_packet(struct wend_bytes first)
{
    struct wend_ip ip;
    wend_assert(first.len >= 20);
    // Joined packets are in pieces: the length in the header may be that of the whole.
    const bool v4 = first.at[0] >> 4 == 4;
    const struct wend_address us = v4 ? inside(0) : inside6(0);
    wend_assert(v4 || first.len >= 40);
    wend_assert(memcmp(first.at + (v4 ? 16 : 24), us.ip, v4 ? 4 : 16) == 0);
    wend_assert(!wend_ip_read(first, &ip) || ip.len == first.len);
}

static void drain_packets(struct world *w)
{
    struct wend_vnet vnet;
    struct wend_bytes pieces[WEND_COALESCE_MAX];
    size_t count;
    while ((count = wend_open_next_packet(w->open, &vnet, pieces)) > 0) {
        check_packet(pieces[0]);
        for (size_t i = 0; i < count; i++)
            w->digest = fuzz_digest(w->digest, pieces[i]);
    }
    wend_assert(wend_open_room(w->open) == WEND_OPEN_BATCH_MAX);
}

static void drain(struct world *w)
{
    struct wend_notice n;
    drain_packets(w);
    while (wend_open_next_notice(w->open, &n))
        wend_assert(n.slot < SLOTS &&
                    (n.kind == WEND_NOTICE_CONFIRMED || n.kind == WEND_NOTICE_SWITCH_SEEN ||
                     n.kind == WEND_NOTICE_TRAFFIC));
    while (wend_seal_next_notice(w->seal, &n))
        wend_assert(n.kind != WEND_NOTICE_NONE && n.slot < SLOTS);
    w->used = 0;
}

static void deliver(struct world *w, uint8_t *at, size_t len, uint8_t way)
{
    const struct wend_datagram d = {.transport =
                                        (way & 1) != 0 ? WEND_TRANSPORT_TCP : WEND_TRANSPORT_UDP,
                                    .stream = way & 1,
                                    .remote = wend_address_ipv4(0xc6336401, way & 2)};
    if (wend_open_room(w->open) == 0)
        drain_packets(w);
    const size_t room = wend_open_room(w->open);
    const enum wend_open_verdict v = wend_open_datagram(w->open, &d, at, len, w->now);
    wend_assert(room > 0 && v != WEND_OPEN_NONE && v != WEND_OPEN_FULL);
    wend_assert(wend_open_room(w->open) <= room - (v == WEND_OPEN_PACKET));
}

// A place for a datagram that stays until the batch is drained.
static uint8_t *place(struct world *w)
{
    if (w->used == DATAGRAMS)
        drain(w);
    return datagrams[w->used++];
}

// ---- Verbs ----

// The peer of an index seals with the key that we open with.
static void set_sender(struct world *w, const struct wend_command *c)
{
    struct wend_sender *s = &w->senders[c->local_index % INDEXES];
    if (s->remote_index != 0)
        wend_sender_close(s);
    wend_assert(wend_sender_init(s, c->key, c->local_index) == 0);
}

static void command(struct world *w, struct wend_reader *r)
{
    const uint8_t kind = wend_read_u8(r) % (WEND_COMMAND_RELAY + 1), slot = wend_read_u8(r);
    const uint8_t a = wend_read_u8(r), b = wend_read_u8(r);
    struct wend_command c = {.kind = (enum wend_command_kind)kind,
                             .slot = slot % SLOTS,
                             .local_index = 1 + a % (INDEXES - 1),
                             .remote_index = 1 + a % (INDEXES - 1)};
    memset(c.key, b, sizeof c.key);
    if ((slot & 0x80) == 0)
        c.ipv4 = inside(a);
    if ((slot & 0x40) == 0)
        c.ipv6 = inside6(b);
    c.hold = WEND_MS(b) - WEND_MS(20);
    c.path = (struct wend_plane_path){.transport = (enum wend_transport)(b % 3),
                                      .stream = b % 3 == 2,
                                      .channel = a & 1,
                                      .remote = wend_address_ipv4(0xc6336401, a & 2)};
    if (c.kind == WEND_COMMAND_KEYS)
        set_sender(w, &c);
    struct wend_command copy = c;
    wend_assert(wend_open_command(w->open, &c) == 0 && wend_seal_command(w->seal, &copy) == 0);
}

static void raw_datagram(struct world *w, struct wend_reader *r)
{
    const uint8_t way = wend_read_u8(r);
    const size_t len = wend_read_u8(r);
    const struct wend_bytes view = wend_read_view(r, len < r->left ? len : r->left);
    uint8_t *to = place(w);
    if (view.len > 0)
        memcpy(to, view.at, view.len);
    deliver(w, to, view.len, way);
}

// `to` is a place; the message lies behind room for a frame header.
static void send_sealed(struct world *w, uint8_t *to, size_t sealed, uint8_t way, uint8_t damage)
{
    to += 8;
    if ((way & 4) != 0) {
        to -= 8;
        sealed += 8;
        wend_frame_write_header(to, 1);
    }
    if (damage > 127)
        to[damage % sealed] ^= damage;
    deliver(w, to, sealed, way);
}

static void sealed_datagram(struct world *w, struct wend_reader *r)
{
    const uint8_t index = wend_read_u8(r) % INDEXES, way = wend_read_u8(r);
    const uint8_t damage = wend_read_u8(r), from = wend_read_u8(r);
    const size_t len = wend_read_u8(r);
    const struct wend_bytes view = wend_read_view(r, len < r->left ? len : r->left);
    struct wend_sender *s = &w->senders[index];
    if (s->remote_index == 0)
        return;
    uint8_t *to = place(w), *const inner = to + 24;
    if (view.len > 0)
        memcpy(inner, view.at, view.len);
    if ((from & 0x80) != 0 && view.len >= 20) { // what may pass
        inner[0] = 0x45;
        wend_put_u16(inner + 2, (uint16_t)view.len);
        memcpy(inner + 12, inside(from).ip, 4);
        memcpy(inner + 16, inside(0).ip, 4);
    }
    send_sealed(w, to, wend_data_seal(s, inner, view.len, MTU), way, damage);
}

// A peer's word on where its messages go from now on; some that are lost, or come again by another
// way, make room for the resequencer's work.
static void switch_way(struct world *w, struct wend_reader *r)
{
    const uint8_t index = wend_read_u8(r) % INDEXES, way = wend_read_u8(r);
    const uint8_t kind = wend_read_u8(r), back = wend_read_u8(r), skip = wend_read_u8(r);
    struct wend_sender *s = &w->senders[index];
    if (s->remote_index == 0)
        return;
    s->counter = s->counter > (skip & 15) ? s->counter - (skip & 15) : s->counter;
    s->counter += skip >> 4;
    const struct wend_switch mark = {(enum wend_switch_kind)(kind % 4), s->counter + 1 - back % 8};
    uint8_t *const to = place(w);
    wend_switch_write(to + 24, &mark);
    send_sealed(w, to, wend_data_seal(s, to + 24, WEND_SWITCH_LEN, MTU), way, 0);
}

static void advance(struct world *w, struct wend_reader *r)
{
    w->now += WEND_MS(1) * wend_read_u8(r);
    if (wend_open_deadline(w->open) <= w->now) {
        wend_open_expire(w->open, w->now);
        drain(w);
        wend_assert(wend_open_deadline(w->open) > w->now);
    }
    wend_open_check(w->open);
}

// What was sealed is for peers; where a peer has our own index and key, it comes back to us.
static void deliver_out(struct world *w, uint8_t way)
{
    size_t end = 0;
    for (size_t i = 0; i < w->out.count; i++) {
        const struct wend_seal_run *run = &w->out.runs[i];
        wend_assert(run->offset == end && run->segment_len > 0);
        wend_assert((run->len + run->segment_len - 1) / run->segment_len == run->count);
        end += run->len;
        for (size_t at = 0; at < run->len; at += run->segment_len) {
            const size_t left = run->len - at;
            const size_t len = left < run->segment_len ? left : run->segment_len;
            uint8_t *to = place(w);
            memcpy(to, w->out.at + run->offset + at, len);
            deliver(w, to, len, way);
        }
    }
    wend_assert(end == w->out.len && end <= w->out.capacity);
    wend_seal_out_clear(&w->out);
}

static void host_packet(struct world *w, struct wend_reader *r)
{
    static uint8_t packet[WEND_PACKET_MAX];
    const uint8_t way = wend_read_u8(r), to = wend_read_u8(r);
    const struct wend_vnet vnet = {.flags = wend_read_u8(r),
                                   .gso_type = wend_read_u8(r),
                                   .gso_size = wend_read_u16(r),
                                   .csum_start = wend_read_u8(r),
                                   .csum_offset = wend_read_u8(r)};
    const size_t head = wend_read_u8(r), len = head + wend_read_u16(r) % 16000;
    const struct wend_bytes view = wend_read_view(r, head < r->left ? head : r->left);
    memset(packet, way, len);
    if (view.len > 0)
        memcpy(packet, view.at, view.len);
    if ((to & 0x80) != 0 && len >= 20) {
        packet[0] = 0x45;
        wend_put_u16(packet + 2, (uint16_t)len);
        memcpy(packet + 12, inside(0).ip, 4);
        memcpy(packet + 16, inside(to).ip, 4);
    }
    const struct wend_bytes in = {packet, len};
    // Room for all: the packet is taken at once, or after what waited before it.
    while (wend_seal_packet(w->seal, &vnet, in, w->now, &w->out) == WEND_SEAL_FULL) {
        wend_assert(w->out.count > 0 || wend_seal_answer(w->seal).len > 0);
        deliver_out(w, way);
    }
    if ((way & 8) != 0)
        deliver_out(w, way);
}

static void flush(struct world *w, struct wend_reader *r)
{
    const uint8_t way = wend_read_u8(r);
    while (!wend_seal_flush(w->seal, w->now, &w->out))
        deliver_out(w, way);
    wend_assert(wend_seal_is_flushed(w->seal));
    deliver_out(w, way);
    drain(w);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct wend_reader r = wend_reader_of((struct wend_bytes){data, size});
    struct world w = {.now = 1};
    start(&w);
    for (int verbs = 0; verbs < 400 && r.left > 0; verbs++) {
        switch (wend_read_u8(&r) % 7) {
        case 0: command(&w, &r); break;
        case 1: raw_datagram(&w, &r); break;
        case 2: sealed_datagram(&w, &r); break;
        case 3: host_packet(&w, &r); break;
        case 4: flush(&w, &r); break;
        case 5: switch_way(&w, &r); break;
        case 6: advance(&w, &r); break;
        }
    }
    flush(&w, &r);
    stop(&w);
    return 0;
}
