// SPDX-License-Identifier: MIT
// The server under verbs: raw bytes from anywhere, and clients with real sessions that say anything
// at all, in any order, while time passes. Whatever happens, its invariants hold, and to strangers
// it never says more than it was told.
#define WORLD_WITHOUT_CMOCKA
#include "fuzz.h"

#include "../unit/relay/world.h"

#define CLIENTS 6

struct fuzz {
    struct world w;
    struct net nets[2];
    struct client clients[CLIENTS];
    bool connected[CLIENTS];
    uint32_t channel;
    struct wend_control request[CLIENTS]; // the last that the server asked of each
    struct wend_reader r;
};

static struct wend_bytes take(struct fuzz *f, size_t len)
{
    return wend_read_view(&f->r, len < f->r.left ? len : f->r.left);
}

// Counts what the server says and forgets it.
static size_t said(struct fuzz *f)
{
    size_t bytes = 0;
    for (size_t i = 0; i < f->w.kept_count; i++) {
        wend_assert(f->w.kept[i].d.bytes.len > 0);
        wend_assert(f->w.kept[i].d.bytes.len <= WEND_DATAGRAM_MAX);
        bytes += f->w.kept[i].d.bytes.len;
    }
    f->w.kept_count = 0;
    return bytes;
}

static void deliver_raw(struct fuzz *f, bool stream)
{
    static uint8_t copy[4096];
    const uint8_t from = wend_read_u8(&f->r);
    const struct wend_bytes in = take(f, (size_t)wend_read_u8(&f->r) * 6);
    struct wend_datagram d = {
        .transport = stream ? WEND_TRANSPORT_TCP : WEND_TRANSPORT_UDP,
        .stream = stream ? 1 + from % 4u : 0,
        .local = wend_address_ipv4(0xc6336401, 3478),
        .remote = wend_address_ipv4(0x0a000001 + from, 4000),
        .bytes = {copy, in.len},
    };
    if (in.len == 0)
        return;
    memcpy(copy, in.at, in.len);
    (void)said(f);
    (void)world_deliver(&f->w, &d);
    wend_assert(said(f) <= in.len + 24); // a bare Binding request is told an IPv6 address at most
}

static void connect_client(struct fuzz *f, size_t i)
{
    struct client *c = &f->clients[i];
    client_make_initiation(c, NULL);
    (void)client_send(c, (struct wend_bytes){c->initiation, c->initiation_len});
    if (client_take_response(c))
        f->connected[i] = true;
}

// Reads what the server told this client, so that it can answer and use channels.
static void listen_to(struct fuzz *f, size_t i)
{
    struct client *c = &f->clients[i];
    struct kept k;
    size_t len;
    while (f->connected[i] && world_take(&f->w, &c->way, &k)) {
        struct wend_control message;
        struct wend_attributes a;
        if (wend_box_open(&c->box, k.d.bytes, c->body, &len) != WEND_DROP_NONE)
            continue;
        wend_assert(wend_control_decode((struct wend_bytes){c->body, len}, &message) == 0);
        wend_assert(wend_attributes_parse(message.attributes, &a) == 0);
        if (!message.response)
            f->request[i] = message;
        if (a.channel.at != NULL)
            f->channel = wend_attribute_u32(a.channel);
        if (a.slot.at != NULL && a.ipv4.at != NULL) {
            c->slot = wend_attribute_u32(a.slot);
            c->ipv4 = wend_attribute_u32(a.ipv4);
        }
        if (a.receipt.len == WEND_RECEIPT_LEN)
            memcpy(c->receipt, a.receipt.at, WEND_RECEIPT_LEN);
    }
}

static void say(struct fuzz *f, size_t i, uint16_t type, uint32_t id, struct wend_bytes attributes)
{
    uint8_t memory[WEND_DATAGRAM_MAX], sealed[WEND_DATAGRAM_MAX];
    struct wend_writer w = wend_writer_of(memory, sizeof memory - 64);
    struct wend_writer out = wend_writer_of(sealed, sizeof sealed);
    wend_control_write(&w, type, id, attributes);
    if (w.failed || !f->connected[i] ||
        wend_box_seal(&f->clients[i].box, (struct wend_bytes){memory, w.len}, &out) != 0)
        return;
    (void)client_send(&f->clients[i], (struct wend_bytes){sealed, out.len});
    listen_to(f, i);
}

static void say_anything(struct fuzz *f, size_t i)
{
    static const uint16_t types[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 0x10, 0x11, 0x20, 0x21, 0x4005};
    const uint8_t kind = wend_read_u8(&f->r);
    const uint16_t type =
        kind < 0xf0 ? types[kind % (sizeof types / sizeof types[0])] : wend_read_u16(&f->r);
    say(f, i, type, ++f->clients[i].id, take(f, (size_t)wend_read_u8(&f->r) * 5));
}

static void put_proof(struct fuzz *f, const struct client *c, const struct net *n,
                      struct wend_writer *w)
{
    (void)f;
    wend_attribute_put(w, WEND_ATTRIBUTE_NETWORK, WEND_BYTES(n->key));
    wend_attribute_put(w, WEND_ATTRIBUTE_DELEGATION, WEND_BYTES(n->delegation));
    if (c->membership_len > 0)
        wend_attribute_put(w, WEND_ATTRIBUTE_MEMBERSHIP,
                           (struct wend_bytes){c->membership, c->membership_len});
    wend_attribute_put(w, WEND_ATTRIBUTE_RECEIPT, WEND_BYTES(c->receipt));
    wend_attribute_put_u64(w, WEND_ATTRIBUTE_EPOCH, c->epoch);
}

static void put_peer(const struct client *peer, struct wend_writer *w)
{
    const uint8_t datagram[4] = {5, 0, 0, 0};
    wend_attribute_put(w, WEND_ATTRIBUTE_PEER, WEND_BYTES(peer->identity.public_key));
    wend_attribute_put(w, WEND_ATTRIBUTE_DATAGRAM, WEND_BYTES(datagram));
}

static void join(struct fuzz *f, size_t i, const struct net *n)
{
    uint8_t memory[1024];
    struct client *c = &f->clients[i];
    char name[2] = {(char)('a' + wend_read_u8(&f->r) % 8), 0};
    struct wend_writer w = wend_writer_of(memory, sizeof memory);
    wend_attribute_put(&w, WEND_ATTRIBUTE_NETWORK, WEND_BYTES(n->key));
    wend_attribute_put(&w, WEND_ATTRIBUTE_DELEGATION, WEND_BYTES(n->delegation));
    wend_attribute_put(&w, WEND_ATTRIBUTE_NAME, wend_bytes_of_text(name));
    say(f, i, WEND_CONTROL_JOIN, ++c->id, (struct wend_bytes){memory, w.len});
    if (c->ipv4 != 0)
        client_sign(c, n, name);
}

// What a client of ours would say, but at any time and to any network.
static void say_sense(struct fuzz *f, size_t i)
{
    static const uint16_t types[] = {WEND_CONTROL_JOIN_COMMIT, WEND_CONTROL_CONFIGURATION,
                                     WEND_CONTROL_SUBSCRIBE, WEND_CONTROL_PEER_SERVICE};
    uint8_t memory[1400];
    struct client *c = &f->clients[i];
    const uint8_t kind = wend_read_u8(&f->r), detail = wend_read_u8(&f->r);
    const struct net *n = &f->nets[detail % 2];
    struct wend_writer w = wend_writer_of(memory, sizeof memory);
    if (kind % 5 == 4) {
        join(f, i, n);
        return;
    }
    if (kind % 5 == 2)
        wend_attribute_put_position(&w, (struct wend_position){detail, detail});
    else if (kind % 5 == 3)
        put_peer(&f->clients[detail % CLIENTS], &w);
    else
        put_proof(f, c, n, &w);
    say(f, i, types[kind % 5], ++c->id - (detail >= 0xf0), (struct wend_bytes){memory, w.len});
}

static void answer(struct fuzz *f, size_t i)
{
    uint8_t memory[64];
    struct wend_writer w = wend_writer_of(memory, sizeof memory);
    const uint8_t kind = wend_read_u8(&f->r);
    if (kind % 3 == 0)
        put_peer(&f->clients[0], &w);
    else if (kind % 3 == 1)
        wend_attribute_put_position(&w, (struct wend_position){kind, kind});
    say(f, i, f->request[i].type | WEND_CONTROL_RESPONSE, f->request[i].id,
        w.len > 0 ? (struct wend_bytes){memory, w.len} : take(f, kind));
}

static void relay(struct fuzz *f, size_t i)
{
    static uint8_t memory[4096];
    const uint8_t step = 9 + wend_read_u8(&f->r) % 200, segments = 1 + wend_read_u8(&f->r) % 16;
    struct wend_relay_run run = {.transport = f->clients[i].way.transport,
                                 .stream = f->clients[i].way.stream,
                                 .remote = f->clients[i].way.remote,
                                 .at = memory,
                                 .len = (size_t)step * segments - wend_read_u8(&f->r) % step,
                                 .segment_len = segments > 1 ? step : 0};
    struct wend_relay_run out;
    for (size_t s = 0; s < segments; s++)
        wend_frame_write_header(memory + s * step, f->channel + (wend_read_u8(&f->r) == 7));
    size_t total = run.len;
    while (run.len > 0 && wend_relay_is_frame(run.at, run.len)) {
        const bool sent = wend_relay_forward(f->w.relay, &run, f->w.now, &out);
        wend_assert(out.len > 0 && out.len <= total && out.at >= memory);
        wend_assert(!sent || out.transport != WEND_TRANSPORT_NONE);
        total -= out.len;
    }
    wend_assert(run.len == total);
    world_drain(&f->w);
}

static void move_client(struct fuzz *f, size_t i)
{
    struct wend_datagram *way = &f->clients[i].way;
    const uint8_t where = wend_read_u8(&f->r);
    way->transport = where % 2 == 0 ? WEND_TRANSPORT_UDP : WEND_TRANSPORT_TCP;
    way->stream = where % 2 == 0 ? 0 : 1 + where % 4u;
    way->remote.port = 4000 + where / 2;
    say(f, i, WEND_CONTROL_RESUME, ++f->clients[i].id, (struct wend_bytes){0});
}

static void revoke(struct fuzz *f, size_t i)
{
    static uint8_t entries[WEND_REVOCATION_LIST_MAX], bytes[1200], memory[1300];
    struct net *n = &f->nets[wend_read_u8(&f->r) % 2];
    struct wend_revocation_list list = {.serial = 1 + wend_read_u8(&f->r), .issued = WORLD_UNIX};
    struct wend_writer w = wend_writer_of(bytes, sizeof bytes);
    memcpy(list.network, n->key, 32);
    (void)wend_revocation_add(&list, entries, sizeof entries,
                              WEND_BYTES(f->clients[i].identity.public_key));
    wend_assert(wend_revocation_list_sign(&list, n->seed, &w) == 0);
    struct wend_writer out = wend_writer_of(memory, sizeof memory);
    wend_attribute_put(&out, WEND_ATTRIBUTE_REVOCATION_LIST, (struct wend_bytes){bytes, w.len});
    const size_t by = wend_read_u8(&f->r) % CLIENTS;
    say(f, by, WEND_CONTROL_PUBLISH, ++f->clients[by].id, (struct wend_bytes){memory, out.len});
}

static void run_verb(struct fuzz *f)
{
    const uint8_t verb = wend_read_u8(&f->r);
    const size_t i = (verb >> 4) % CLIENTS;
    switch (verb & 15) {
    case 0:
    case 1: deliver_raw(f, (verb & 1) != 0); break;
    case 2: connect_client(f, i); break;
    case 3: say_anything(f, i); break;
    case 4:
    case 5:
    case 6: say_sense(f, i); break;
    case 7: answer(f, i); break;
    case 8: relay(f, i); break;
    case 9: world_wait(&f->w, WEND_MS(10) * wend_read_u8(&f->r)); break;
    case 10: world_wait(&f->w, WEND_S(2) * wend_read_u8(&f->r)); break;
    case 11: wend_relay_stream_closed(f->w.relay, 1 + wend_read_u8(&f->r) % 4u, f->w.now); break;
    case 12: move_client(f, i); break;
    case 13: revoke(f, i); break;
    case 14: wend_relay_discard(f->w.relay); break;
    case 15: wend_relay_set_writable(f->w.relay, true); break;
    }
    listen_to(f, i);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct wend_relay_config small = {
        .clients_max = 5,
        .networks_max = 2,
        .members_max = 8,
        .channels_max = 6,
        .primary = {wend_address_ipv4(0xc6336401, 3478)},
        .discovery = {{.port_count = 2,
                       .ports = {3478, 3479},
                       .second = wend_address_ipv4(0xc6336402, 0)}},
    };
    static struct fuzz f;
    memset(&f, 0, sizeof f);
    f.r = wend_reader_of((struct wend_bytes){data, size});
    world_open(&f.w, &small);
    net_load(&f.nets[0], &f.w, 1);
    net_load(&f.nets[1], &f.w, 2);
    net_invite(&f.nets[1], 7, 2, 60);
    for (uint32_t i = 0; i < CLIENTS; i++)
        client_init(&f.clients[i], &f.w, 1 + i);
    for (int verbs = 0; verbs < 200 && f.r.left > 0; verbs++) {
        run_verb(&f);
        wend_relay_check(f.w.relay);
    }
    world_close(&f.w);
    return 0;
}
