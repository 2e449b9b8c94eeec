// SPDX-License-Identifier: MIT
// Discovery, driven by verbs: the servers answer what they like to whichever question, from where
// they like, once or again; sockets come late or never; time passes; runs begin anew; others tell
// what they saw. Whatever they say, a run ends in time, within its datagrams, in a sound model.
#include "fuzz.h"
#include "traverse/discovery.h"
#include "wire/stun.h"

#define ASKED_MAX 36

struct question {
    uint8_t socket;
    struct wend_address to;
    uint8_t transaction[WEND_STUN_TRANSACTION_LEN];
};

static struct wend_discovery d;
static wend_instant now, began;
static struct wend_address servers[4];
static struct wend_address local[WEND_DISCOVERY_SOCKETS];
static struct question asked[ASKED_MAX];
static uint32_t asked_count;
static uint16_t counter;
static bool opens; // sockets come at once

static void note(const struct wend_discovery_datagram *out)
{
    struct wend_stun m;

    wend_assert(out->socket < WEND_DISCOVERY_SOCKETS && asked_count < ASKED_MAX);
    wend_assert(wend_stun_read(out->bytes, &m) == 0 && m.class == WEND_STUN_REQUEST);
    struct question *q = &asked[asked_count++];
    *q = (struct question){.socket = out->socket, .to = out->to};
    memcpy(q->transaction, m.transaction, sizeof q->transaction);
}

static void open_socket(uint8_t socket, uint16_t port)
{
    if (socket == 0 || socket >= WEND_DISCOVERY_SOCKETS)
        return;
    local[socket] = port != 0 ? wend_address_ipv4(0xc0a80105, port) : (struct wend_address){0};
    wend_discovery_opened(&d, socket, &local[socket], now);
}

static void drain(void)
{
    struct wend_discovery_event e;
    struct wend_discovery_datagram out;

    for (int count = 0; wend_discovery_next_event(&d, &e); count++) {
        wend_assert(e.kind != WEND_DISCOVERY_EVENT_NONE && count < 64);
        if (e.kind == WEND_DISCOVERY_OPEN_SOCKET && opens)
            open_socket(e.socket, (uint16_t)(49152 + e.socket));
        wend_assert(e.kind != WEND_DISCOVERY_DONE ||
                    (d.model.serial != 0 && now <= began + WEND_DISCOVERY_TIME));
    }
    while (wend_discovery_next_datagram(&d, &out))
        note(&out);
    wend_discovery_check(&d);
}

static void restart(uint8_t seed)
{
    uint8_t random[WEND_DISCOVERY_RANDOM_LEN];

    for (size_t i = 0; i < sizeof random; i++)
        random[i] = (uint8_t)(seed + i * 7);
    asked_count = 0;
    began = now;
    local[0] = wend_address_ipv4(0xc0a80105, 41641);
    wend_discovery_restart(&d, random, &local[0], now);
}

// What the server says it saw: counted, as it was, from few ports, or as the bytes have it.
static struct wend_address mapped_of(const struct question *q, uint8_t how, struct wend_reader *r)
{
    struct wend_address a = wend_address_ipv4(0xcb007101, 0);

    switch (how % 4) {
    case 0: a.port = counter = (uint16_t)(counter + 1 + how / 64); break;
    case 1: a.port = local[q->socket].port; break;
    case 2: a.port = (uint16_t)(40000 + wend_read_u8(r)); break;
    case 3: a = wend_address_ipv4(wend_read_u32(r), wend_read_u16(r)); break;
    }
    return a;
}

// `how`: bits 2 and 3 whence, 4 OTHER-ADDRESS, 5 an error; else see mapped_of.
static void answer(uint8_t which, uint8_t how, struct wend_reader *r)
{
    uint8_t bytes[128];
    struct wend_stun_writer w;
    const struct question *q = &asked[asked_count > 0 ? which % asked_count : 0];
    struct wend_stun_header head = {.method = WEND_STUN_METHOD_BINDING,
                                    .class = how & 32 ? WEND_STUN_ERROR : WEND_STUN_SUCCESS};

    if (asked_count == 0)
        return;
    const struct wend_address mapped = mapped_of(q, how, r);
    memcpy(head.transaction, q->transaction, sizeof head.transaction);
    if (mapped.port == local[0].port && which & 128)
        head.class = WEND_STUN_REQUEST; // turned round
    wend_stun_begin(&w, bytes, sizeof bytes, &head);
    if (head.class == WEND_STUN_SUCCESS && mapped.family != WEND_FAMILY_NONE)
        wend_stun_put_xor_address(&w, WEND_STUN_XOR_MAPPED_ADDRESS, &mapped);
    if (how & 16)
        wend_stun_put_address(&w, WEND_STUN_OTHER_ADDRESS, &servers[how & 8 ? 3 : 1]);
    const size_t len = wend_stun_finish(&w);
    const struct wend_datagram in = {.transport = WEND_TRANSPORT_UDP,
                                     .remote = how & 4 ? servers[(how >> 3) % 4u] : q->to,
                                     .bytes = {bytes, len}};
    (void)wend_discovery_receive(&d, q->socket, &in, now);
}

static void add(uint8_t detail, struct wend_reader *r)
{
    struct wend_nat_sample s = {.socket = 65536 + detail % 32u,
                                .tries = 1,
                                .inside = wend_address_ipv4(0xc0a80105, wend_read_u16(r)),
                                .to = servers[detail / 64],
                                .sent = now - WEND_MS(wend_read_u8(r))};

    if (detail & 32)
        s.outside = wend_address_ipv4(0xcb007101 + wend_read_u8(r) % 4u, wend_read_u16(r));
    const uint32_t serial = d.model.serial;
    if (!wend_discovery_add(&d, &s, now))
        wend_assert(d.model.serial == serial && serial != 0);
}

// Punctually.
static void pass(wend_instant to)
{
    while (wend_discovery_deadline(&d) <= to) {
        const wend_instant at = wend_discovery_deadline(&d);
        now = at > now ? at : now;
        wend_discovery_expire(&d, now);
        drain();
    }
    now = to > now ? to : now;
}

static void act(struct wend_reader *r)
{
    const uint8_t verb = wend_read_u8(r), detail = wend_read_u8(r);
    const struct wend_address seen = wend_address_ipv4(0xcb007100 + detail, 41641);

    switch (verb % 12) {
    case 0:
    case 1:
    case 2: answer(detail, verb / 12 | (uint8_t)(wend_read_u8(r) & 0xf0), r); break;
    case 3: answer(detail, wend_read_u8(r), r); break;
    case 4: pass(now + (WEND_MS(1) << detail % 12)); break;
    case 5:
        if (wend_discovery_deadline(&d) != WEND_NEVER)
            pass(wend_discovery_deadline(&d));
        break;
    case 6: restart(detail); break;
    case 7: wend_discovery_forget(&d); break;
    case 8: wend_discovery_set_seen(&d, detail != 0 ? &seen : &(struct wend_address){0}); break;
    case 9: add(detail, r); break;
    case 10: opens = detail & 1; break;
    case 11: {
        const struct wend_datagram in = {.transport = WEND_TRANSPORT_UDP,
                                         .remote = servers[detail % 4u],
                                         .bytes = wend_read_view(r, detail % 64)};
        (void)wend_discovery_receive(&d, detail % WEND_DISCOVERY_SOCKETS, &in, now);
        break;
    }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct wend_reader r = {.at = data, .left = size};

    for (uint16_t i = 0; i < 4; i++)
        servers[i] = wend_address_ipv4(i < 2 ? 0xc0000201 : 0xc6336402, 3478 + i % 2);
    memset(local, 0, sizeof local);
    now = WEND_S(1000);
    counter = 1024;
    opens = true;
    wend_discovery_init(&d, servers, size > 0 ? data[0] % 5u : 0);
    restart(1);
    drain();
    while (r.left > 0 && !r.failed) {
        act(&r);
        drain();
    }
    // Left alone it ends, and knows at least that it does not know.
    for (int turn = 0; wend_discovery_deadline(&d) != WEND_NEVER; turn++) {
        wend_assert(turn < 64);
        pass(wend_discovery_deadline(&d));
        drain();
    }
    wend_assert(d.state == WEND_DISCOVERY_IDLE || d.state == WEND_DISCOVERY_STALE);
    return 0;
}
