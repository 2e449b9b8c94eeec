// SPDX-License-Identifier: MIT
// Two nodes of one network, without a server that answers, in a world made of verbs: bytes from
// anywhere, each other's datagrams late, twice and damaged, control messages with any content that
// are sealed with the right keys, and any directory, record or call that a lying server could tell.
// Between verbs the nodes' invariants must hold.
#include <stdlib.h>

#include "crypto/record.h"
#include "fuzz.h"
#include "node/contact.h"
#include "node/directory.h"
#include "node/records.h"
#include "wire/ip.h"

#define UNIX_S  UINT64_C(1800000000)
#define UNIX_NS (UNIX_S * UINT64_C(1000000000))
#define KEPT    16
#define VERBS   200

struct paper {
    struct wend_identity identity;
    uint8_t membership[WEND_MEMBERSHIP_LEN_MAX], receipt[WEND_RECEIPT_LEN];
    size_t membership_len;
    uint8_t entry[1200]; // as the directory tells it
    size_t entry_len;
};

static struct {
    bool made;
    uint8_t network[WEND_NETWORK_RECORD_MAX], delegation[WEND_DELEGATION_LEN];
    size_t network_len;
    struct paper papers[2];
} office;

struct kept {
    size_t from;
    struct wend_datagram way;
    uint8_t bytes[WEND_DATAGRAM_MAX];
};

static struct {
    struct wend_node *nodes[2];
    struct kept kept[KEPT];
    size_t kept_count;
    wend_instant now;
} world;

static const uint8_t network_seed[32] = {1}, invite_seed[32] = {2}, server_seed[32] = {3};

static struct wend_address address_of(size_t who)
{
    return who == 2 ? wend_address_ipv4(0xc6336401, 3478)
                    : wend_address_ipv4(0xcb007101 + (uint32_t)who, 41641);
}

static void make_network(uint8_t ret_key[32], uint8_t ret_invite[32])
{
    struct wend_network_record r = {.serial = 1, .issued = UNIX_S - 9, .server_count = 1};
    struct wend_writer w = wend_writer_of(office.network, sizeof office.network);
    const uint8_t private_key[32] = {4};

    wend_ed25519_public(network_seed, ret_key);
    wend_ed25519_public(invite_seed, ret_invite);
    memcpy(r.key, ret_key, 32);
    memcpy(r.name, "home", 5);
    wend_assert(wend_prefix_parse("100.64.16.0/20", &r.pool) == 0);
    r.servers[0].pool = r.pool;
    wend_x25519_public(private_key, r.servers[0].session_key);
    wend_ed25519_public(server_seed, r.servers[0].signature_key);
    r.servers[0].address_count = 1;
    r.servers[0].addresses[0].address = address_of(2);
    wend_assert(wend_network_record_sign(&r, network_seed, &w) == 0);
    office.network_len = w.len;
    struct wend_delegation d = {
        .issued = UNIX_S - 9, .join_before = UNIX_S + 9, .uses = 9, .member_for = 9000};
    memcpy(d.network, ret_key, 32);
    memcpy(d.invite_key, ret_invite, 32);
    w = wend_writer_of(office.delegation, sizeof office.delegation);
    wend_assert(wend_delegation_sign(&d, network_seed, &w) == 0);
}

static void write_entry(struct paper *p, uint64_t epoch)
{
    struct wend_writer w = wend_writer_of(p->entry, sizeof p->entry);

    wend_attribute_put(&w, WEND_ATTRIBUTE_PEER, (struct wend_bytes){p->identity.public_key, 32});
    wend_attribute_put_u8(&w, WEND_ATTRIBUTE_STATUS, WEND_STATUS_ONLINE);
    wend_attribute_put_u64(&w, WEND_ATTRIBUTE_EPOCH, epoch);
    wend_attribute_put(&w, WEND_ATTRIBUTE_MEMBERSHIP,
                       (struct wend_bytes){p->membership, p->membership_len});
    wend_attribute_put(&w, WEND_ATTRIBUTE_DELEGATION,
                       (struct wend_bytes){office.delegation, sizeof office.delegation});
    wend_attribute_put(&w, WEND_ATTRIBUTE_RECEIPT,
                       (struct wend_bytes){p->receipt, sizeof p->receipt});
    wend_assert(!w.failed);
    p->entry_len = w.len;
}

static void make_paper(size_t who, const uint8_t key[32], const uint8_t invite[32])
{
    struct paper *p = &office.papers[who];
    const uint8_t private_key[32] = {(uint8_t)(16 + 16 * who)};
    struct wend_membership m = {.slot = (uint32_t)who,
                                .ipv4 = 0x64401002 + (uint32_t)who,
                                .made = UNIX_S,
                                .lifetime = 9000,
                                .name = {(char)('a' + who)}};
    struct wend_receipt r = {.slot = (uint32_t)who, .time = UNIX_S};
    struct wend_writer w = wend_writer_of(p->membership, sizeof p->membership);

    wend_identity_init(&p->identity, private_key);
    memcpy(m.network, key, 32);
    memcpy(m.device, p->identity.public_key, 32);
    wend_invite_id(invite, m.invite_id);
    wend_assert(wend_membership_sign(&m, invite_seed, &w) == 0);
    p->membership_len = w.len;
    wend_membership_hash((struct wend_bytes){p->membership, w.len}, r.membership_hash);
    wend_ed25519_public(server_seed, r.server);
    w = wend_writer_of(p->receipt, sizeof p->receipt);
    wend_assert(wend_receipt_sign(&r, server_seed, &w) == 0);
    write_entry(p, 1 + who);
}

static void make_office(void)
{
    uint8_t key[32], invite[32];

    if (office.made)
        return;
    make_network(key, invite);
    make_paper(0, key, invite);
    make_paper(1, key, invite);
    office.made = true;
}

static void open_node(size_t who)
{
    struct paper *p = &office.papers[who];
    const struct wend_address interface = address_of(who);
    const struct wend_node_config config = {
        .identity = &p->identity,
        .network_record = {office.network, office.network_len},
        .chain = {.delegation = {office.delegation, sizeof office.delegation},
                  .membership = {p->membership, p->membership_len},
                  .receipt = {p->receipt, sizeof p->receipt}},
        .epoch = 1 + who,
        .seed = {(uint8_t)who},
        .port = 41641};
    void *memory = calloc(1, wend_node_size());

    wend_assert(memory != NULL && wend_node_init(memory, &config, UNIX_NS, &world.nodes[who]) == 0);
    wend_node_set_interfaces(world.nodes[who], &interface, 1, world.now);
    wend_node_start(world.nodes[who], world.now);
    const struct paper *other = &office.papers[1 - who];
    wend_directory_apply(world.nodes[who], (struct wend_bytes){other->entry, other->entry_len});
}

static void keep(size_t from, const struct wend_datagram *d)
{
    struct kept *k = &world.kept[world.kept_count++ % KEPT];

    k->from = from;
    k->way = *d;
    memcpy(k->bytes, d->bytes.at, d->bytes.len);
}

// The host gets whole packets, from the other and for us.
static void check_packet(size_t who, uint32_t slot, struct wend_bytes packet)
{
    const struct wend_seat *seat = &world.nodes[who]->directory.seats[slot];
    struct wend_ip ip;

    wend_assert(wend_ip_read(packet, &ip) && ip.len == packet.len);
    const struct wend_address from = wend_ip_source(&ip), to = wend_ip_destination(&ip);
    wend_assert(wend_address_equal(&from, &seat->ipv4) || wend_address_equal(&from, &seat->ipv6));
    const struct wend_address own = wend_address_ipv4(world.nodes[who]->own.ipv4, 0);
    wend_assert(wend_address_equal(&to, &own) || to.family == WEND_FAMILY_IPV6);
}

static void drain(size_t who)
{
    struct wend_node *n = world.nodes[who];
    struct wend_command c;
    struct wend_node_event e;
    struct wend_datagram d;

    while (wend_node_next_event(n, &e)) {
        wend_assert(memchr(e.text, 0, sizeof e.text) != NULL);
        if (e.kind == WEND_NODE_PACKET)
            check_packet(who, e.slot, e.bytes);
        wend_assert(e.kind != WEND_NODE_UNOPENED || e.bytes.len >= WEND_MESSAGE_DATA_HEADER_LEN);
    }
    while (wend_node_next_seal_command(n, &c) || wend_node_next_open_command(n, &c)) {
        wend_assert(c.kind != WEND_COMMAND_NONE && c.slot < WEND_SLOTS_MAX);
        if (c.kind == WEND_COMMAND_EARLY_DONE || c.kind == WEND_COMMAND_EARLY_REFUSED)
            wend_assert(c.count > 0);
    }
    while (wend_node_next_datagram(n, &d)) {
        wend_assert(d.bytes.len > 0 && d.bytes.len <= WEND_DATAGRAM_MAX);
        keep(who, &d);
    }
}

static void check(void)
{
    wend_node_check(world.nodes[0]); // walks everything: not after each verb
    wend_node_check(world.nodes[1]);
}

// --- verbs ---

static struct wend_bytes take(struct wend_reader *r)
{
    const size_t len = (size_t)wend_read_u8(r) * 4;

    return wend_read_view(r, len < r->left ? len : r->left);
}

static void advance(wend_duration by)
{
    world.now += by;
    for (size_t i = 0; i < 2; i++) {
        wend_node_set_clock(world.nodes[i], UNIX_NS + (uint64_t)world.now);
        wend_node_expire(world.nodes[i], world.now);
    }
}

static void deliver(size_t to, size_t from, struct wend_bytes bytes, bool stream)
{
    const struct wend_datagram d = {.transport = stream ? WEND_TRANSPORT_TCP : WEND_TRANSPORT_UDP,
                                    .stream = stream,
                                    .remote = address_of(from),
                                    .bytes = bytes};

    (void)wend_node_receive(world.nodes[to], &d, world.now);
}

// One of the last datagrams of either, to the other; `damage` 0: as it was.
static void replay(uint8_t which, uint8_t damage, uint16_t place)
{
    if (world.kept_count == 0)
        return;
    const size_t count = world.kept_count < KEPT ? world.kept_count : KEPT;
    struct kept k = world.kept[which % count];
    k.bytes[place % k.way.bytes.len] ^= damage;
    deliver(1 - k.from, k.from, (struct wend_bytes){k.bytes, k.way.bytes.len}, false);
}

// The initiation that waits for a server goes straight.
static void hand_over(size_t from)
{
    const struct wend_contact *c = wend_contact_of(world.nodes[from], 0);

    if (c != NULL && c->sent_len > 0)
        deliver(1 - from, from, (struct wend_bytes){c->sent_initiation, c->sent_len}, false);
}

// Any content, sealed by the other side as its own control message.
static void seal(size_t from, struct wend_bytes body)
{
    uint8_t sealed[WEND_DATAGRAM_MAX];
    struct wend_writer w = wend_writer_of(sealed, sizeof sealed);
    struct wend_contact *c = wend_contact_of(world.nodes[from], 0);
    struct wend_contact_pair *pair = c != NULL ? wend_contact_pair(c, c->sending) : NULL;

    if (pair != NULL && wend_box_seal(&pair->box, body, &w) == 0)
        deliver(1 - from, from, (struct wend_bytes){sealed, w.len}, false);
}

static void notice(size_t who, uint8_t kind, uint8_t slot)
{
    struct wend_node *n = world.nodes[who];
    const struct wend_contact *c = wend_contact_of(n, 0);
    const struct wend_notice told = {.kind = (enum wend_notice_kind)(kind % 8),
                                     .slot = slot % 2 == 0 ? 0 : slot,
                                     .local_index =
                                         c != NULL ? c->pairs[slot % 4].local_index : slot};

    wend_node_notice(n, &told, world.now);
}

// Packets that wait, from us to the other unless the bytes say otherwise.
static void want(size_t who, uint8_t count, struct wend_bytes told)
{
    struct wend_notice notice = {.kind = WEND_NOTICE_WANT, .early_count = count};

    notice.early_len = (uint16_t)(count % 16 * 24);
    for (uint32_t i = 0; i < count % 16; i++) {
        uint8_t *to = notice.early + i * 24;
        to[0] = 0x45;
        to[3] = 24;
        wend_put_u32(to + 12, 0x64401002 + (uint32_t)who);
        wend_put_u32(to + 16, 0x64401002 + (uint32_t)(1 - who));
    }
    for (size_t i = 0; i + 1 < told.len && i < 64; i += 2)
        notice.early[told.at[i] + (told.at[i + 1] & 1u) * 256] = told.at[i + 1];
    wend_node_notice(world.nodes[who], &notice, world.now);
}

// A data message under an index of the receiver's, which its opening half did not know.
static void unopened(size_t to, uint8_t which, uint8_t len)
{
    const struct wend_contact *c = wend_contact_of(world.nodes[to], 0);
    uint8_t bytes[WEND_MESSAGE_DATA_HEADER_LEN + 255] = {WEND_MESSAGE_DATA};

    if (c == NULL)
        return;
    wend_put_u32le(bytes + 4, which % 5 == 4 ? c->starting : c->pairs[which % 5].local_index);
    deliver(to, 1 - to, (struct wend_bytes){bytes, WEND_MESSAGE_DATA_HEADER_LEN + (size_t)len},
            false);
}

static void move(size_t who, uint8_t to)
{
    const struct wend_address interfaces[] = {wend_address_ipv4(0xcb007100 + to, 0),
                                              wend_address_ipv4(0x0a000000 + to, 0)};

    wend_node_set_interfaces(world.nodes[who], interfaces, to % 3, world.now);
}

// What only a server could say.
static void lie(size_t who, uint8_t verb, struct wend_bytes told)
{
    struct wend_node *n = world.nodes[who];

    n->now = world.now;
    switch (verb % 4) {
    case 0: wend_directory_apply(n, told); break;
    case 1: wend_directory_subscribed(n, told, 0); break;
    case 2: wend_contact_called(n, 0, told, 0); break;
    case 3:
        if (n->records.fetch.object == WEND_OBJECT_NONE)
            n->records.fetch.object = WEND_OBJECT_REVOCATION_LIST;
        wend_records_fetched(n, told, 0);
        break;
    }
}

static void play(struct wend_reader *r)
{
    const uint8_t verb = wend_read_u8(r);
    const size_t who = verb >> 7;

    switch ((verb & 0x3f) % 11) {
    case 0: {
        const wend_duration root = wend_read_u8(r);
        advance(root * root * WEND_MS(3));
        break;
    }
    case 1: deliver(who, wend_read_u8(r) % 3, take(r), verb >> 6 & 1); break;
    case 2: replay(wend_read_u8(r), 0, 0); break;
    case 3: replay(wend_read_u8(r), wend_read_u8(r), wend_read_u16(r)); break;
    case 4: seal(who, take(r)); break;
    case 5: lie(who, wend_read_u8(r), take(r)); break;
    case 6: notice(who, wend_read_u8(r), wend_read_u8(r)); break;
    case 7: move(who, wend_read_u8(r)); break;
    case 8: hand_over(who); break;
    case 9: {
        const uint8_t count = wend_read_u8(r);
        want(who, count, take(r));
        break;
    }
    case 10: unopened(who, wend_read_u8(r), wend_read_u8(r)); break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct wend_reader r = wend_reader_of((struct wend_bytes){data, size});

    make_office();
    memset(&world, 0, sizeof world);
    world.now = WEND_S(100);
    open_node(0);
    open_node(1);
    for (int i = 0; i < VERBS && r.left > 0; i++) {
        play(&r);
        drain(0);
        drain(1);
        if (i % 16 == 0)
            check();
    }
    check();
    for (size_t i = 0; i < 2; i++) {
        wend_node_close(world.nodes[i]);
        drain(i);
        free(world.nodes[i]);
    }
    return 0;
}
