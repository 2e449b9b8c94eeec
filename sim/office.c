// SPDX-License-Identifier: MIT
#include "office.h"

#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "keys.h"

#define POOL_FIRST UINT32_C(0x64401002) // 100.64.16.2

static struct sim_office office;
static bool opened;

struct wend_address sim_office_server_address(size_t index, enum wend_family family)
{
    if (family != WEND_FAMILY_IPV6)
        return wend_address_ipv4(0xc6336401u + (uint32_t)index, SIM_PORT);
    return (struct wend_address){
        .family = WEND_FAMILY_IPV6,
        .port = SIM_PORT,
        .ip = {0x20, 0x01, 0x0d, 0xb8, 0, 5, [15] = (uint8_t)(index + 1)},
    };
}

static void fill(uint8_t key[static 32], uint8_t kind, size_t index)
{
    memset(key, kind, 32);
    wend_put_u32(key, (uint32_t)index + 1);
}

static void open_office(struct sim_office *o)
{
    struct wend_writer w = wend_writer_of(o->delegation, sizeof o->delegation);
    struct wend_delegation d = {.issued = SIM_UNIX_S - 500,
                                .join_before = SIM_UNIX_S + 86400,
                                .uses = SIM_DEVICES_MAX,
                                .member_for = 180 * 86400};

    memset(o, 0, sizeof *o);
    fill(o->network_seed, 0x11, 0);
    fill(o->invite_seed, 0x12, 0);
    wend_ed25519_public(o->network_seed, o->network_key);
    wend_ed25519_public(o->invite_seed, o->invite_key);
    for (size_t i = 0; i < SIM_SERVERS_MAX; i++) {
        struct sim_server_keys *s = &o->servers[i];
        fill(s->private_key, 0x13, i);
        fill(s->seed, 0x14, i);
        wend_assert(wend_sim_keys_add(s->private_key) == 0);
        wend_x25519_public(s->private_key, s->session_key);
        wend_ed25519_public(s->seed, s->signature_key);
    }
    memcpy(d.network, o->network_key, 32);
    memcpy(d.invite_key, o->invite_key, 32);
    wend_assert(wend_delegation_sign(&d, o->network_seed, &w) == 0);
}

static void write_record(struct sim_office *o, size_t servers)
{
    struct wend_network_record r = {
        .serial = 1, .issued = SIM_UNIX_S - 1000, .server_count = (uint8_t)servers};
    struct wend_writer w = wend_writer_of(o->record[servers], sizeof o->record[servers]);

    memcpy(r.key, o->network_key, 32);
    memcpy(r.name, "home", 5);
    wend_assert(wend_prefix_parse("100.64.16.0/20", &r.pool) == 0);
    for (size_t i = 0; i < servers; i++) {
        struct wend_server_record *s = &r.servers[i];
        s->pool = r.pool;
        memcpy(s->session_key, o->servers[i].session_key, 32);
        memcpy(s->signature_key, o->servers[i].signature_key, 32);
        s->address_count = 2;
        s->addresses[0].address = sim_office_server_address(i, WEND_FAMILY_IPV4);
        s->addresses[1].address = sim_office_server_address(i, WEND_FAMILY_IPV6);
    }
    wend_assert(wend_network_record_sign(&r, o->network_seed, &w) == 0);
    o->record_len[servers] = w.len;
}

static void admit(struct sim_office *o, size_t device)
{
    struct sim_member *member = &o->members[device];
    const uint32_t slot = (uint32_t)device;
    struct wend_membership m = {
        .slot = slot, .ipv4 = POOL_FIRST + slot, .made = SIM_UNIX_S - 100, .lifetime = 180 * 86400};
    struct wend_receipt r = {.slot = slot, .time = SIM_UNIX_S - 100};
    struct wend_writer w = wend_writer_of(member->membership, sizeof member->membership);
    uint8_t private_key[32];

    fill(private_key, 0x15, device);
    wend_assert(wend_sim_keys_add(private_key) == 0);
    wend_identity_init(&member->identity, private_key);
    snprintf(member->name, sizeof member->name, "d%u", (unsigned)slot);
    memcpy(m.network, o->network_key, 32);
    memcpy(m.device, member->identity.public_key, 32);
    wend_invite_id(o->invite_key, m.invite_id);
    memcpy(m.name, member->name, sizeof member->name);
    wend_assert(wend_membership_sign(&m, o->invite_seed, &w) == 0);
    member->membership_len = w.len;
    wend_membership_hash((struct wend_bytes){member->membership, w.len}, r.membership_hash);
    memcpy(r.server, o->servers[0].signature_key, 32);
    w = wend_writer_of(member->receipt, sizeof member->receipt);
    wend_assert(wend_receipt_sign(&r, o->servers[0].seed, &w) == 0);
    member->ipv4 = wend_address_ipv4(m.ipv4, 0);
    member->ipv6 = wend_inside_address(o->network_key, member->identity.public_key);
    member->made = true;
}

const struct sim_office *sim_office_get(size_t servers, size_t devices)
{
    wend_assert(servers >= 1 && servers <= SIM_SERVERS_MAX && devices <= SIM_DEVICES_MAX);
    if (!opened)
        open_office(&office);
    opened = true;
    if (office.record_len[servers] == 0)
        write_record(&office, servers);
    for (size_t i = 0; i < devices; i++)
        if (!office.members[i].made)
            admit(&office, i);
    return &office;
}

struct wend_chain sim_office_chain(const struct sim_office *o, size_t device)
{
    const struct sim_member *m = &o->members[device];

    return (struct wend_chain){.delegation = {o->delegation, sizeof o->delegation},
                               .membership = {m->membership, m->membership_len},
                               .receipt = {m->receipt, sizeof m->receipt}};
}

void sim_office_forget(void)
{
    opened = false;
}
