// SPDX-License-Identifier: MIT
// Where clients reach this server: what claim codes and network records name, and what STUN tells.
#include <errno.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <string.h>

#include "io/netlink.h"
#include "io/serve_state.h"

#define LINK_ADDRESSES_MAX 128

static bool is_any(const struct wend_address *a)
{
    const uint8_t zero[16] = {0};
    return memcmp(a->ip, zero, sizeof zero) == 0;
}

static bool may_name(const struct wend_link_address *a, uint8_t family)
{
    return a->prefix.family == family && (a->link.flags & IFF_LOOPBACK) == 0 &&
           a->scope == RT_SCOPE_UNIVERSE &&
           (a->flags & (IFA_F_TEMPORARY | IFA_F_DEPRECATED | IFA_F_TENTATIVE)) == 0;
}

size_t wend_serve_own_addresses(uint8_t family, uint16_t port, struct wend_address *ret, size_t max)
{
    static struct wend_link_address links[LINK_ADDRESSES_MAX];
    struct wend_netlink n;
    size_t count = 0, found = 0;
    if (wend_netlink_open(&n) != 0)
        return 0;
    (void)wend_netlink_addresses(&n, links, LINK_ADDRESSES_MAX, &count);
    wend_netlink_close(&n);
    for (size_t i = 0; i < count && found < max; i++) {
        if (!may_name(&links[i], family))
            continue;
        ret[found] = (struct wend_address){.family = family, .port = port};
        memcpy(ret[found].ip, links[i].prefix.ip, sizeof ret[found].ip);
        found++;
    }
    return found;
}

struct addresses {
    struct wend_server_address at[WEND_RECORD_ADDRESSES_MAX];
    uint8_t count;
};

static void add(struct addresses *a, const struct wend_address *address)
{
    for (size_t i = 0; i < a->count; i++)
        if (wend_address_equal(&a->at[i].address, address))
            return;
    if (a->count < WEND_RECORD_ADDRESSES_MAX)
        a->at[a->count++] = (struct wend_server_address){.address = *address};
}

static bool is_alternate(const struct wend_serve *s, const struct wend_address *a)
{
    return wend_address_equal(a, &s->config->alternate[wend_discovery_ports_family(a->family)]);
}

// All that the sockets are bound to; for any address, those of the interfaces.
static void gather(const struct wend_serve *s, struct addresses *ret)
{
    for (size_t i = 0; i < s->listening; i++) {
        const struct wend_address *local = &s->sockets[i].udp.local;
        struct wend_address own[WEND_RECORD_ADDRESSES_MAX];
        if (!is_any(local)) {
            if (!is_alternate(s, local))
                add(ret, local);
            continue;
        }
        const size_t count =
            wend_serve_own_addresses(local->family, local->port, own, WEND_RECORD_ADDRESSES_MAX);
        for (size_t j = 0; j < count; j++)
            if (!is_alternate(s, &own[j]))
                add(ret, &own[j]);
        if (count == 0 && s->listening == 1 && local->family == WEND_FAMILY_IPV4) {
            const struct wend_address loopback = wend_address_ipv4(0x7f000001, local->port);
            add(ret, &loopback); // a machine without a network: of use to itself
        }
    }
}

static void write_addresses(const struct addresses *a, struct wend_writer *w)
{
    wend_write_u8(w, a->count);
    for (size_t i = 0; i < a->count; i++)
        wend_server_address_write(w, &a->at[i]);
}

// For STUN: the first address of each family is the one that clients use.
static void set_discovery(const struct wend_serve *s, const struct addresses *a,
                          struct wend_relay_config *config)
{
    for (size_t i = a->count; i > 0; i--) {
        const struct wend_address *one = &a->at[i - 1].address;
        const size_t family = wend_discovery_ports_family(one->family);
        if (one->family != WEND_FAMILY_NONE &&
            !wend_address_same_ip(one, &s->config->alternate[family]))
            config->primary[family] = *one;
    }
    memcpy(config->discovery, s->discovery, sizeof config->discovery);
}

int wend_serve_keep_addresses(struct wend_serve *s, struct wend_relay_config *config)
{
    struct addresses found = {.count = 0};
    uint8_t bytes[1 + WEND_RECORD_ADDRESSES_MAX * (4 + WEND_HOST_LEN_MAX)];
    struct wend_writer w = wend_writer_of(bytes, sizeof bytes);
    gather(s, &found);
    set_discovery(s, &found, config);
    if (s->config->public_one.address.port != 0)
        found = (struct addresses){.at = {s->config->public_one}, .count = 1};
    write_addresses(&found, &w);
    wend_assert(!w.failed);
    return wend_server_store_put(s->store, WEND_SERVER_ADDRESSES,
                                 (struct wend_bytes){bytes, w.len});
}

static bool read_addresses(struct wend_bytes in, struct wend_claim *ret)
{
    struct wend_reader r = wend_reader_of(in);
    ret->address_count = wend_read_u8(&r);
    if (ret->address_count == 0 || ret->address_count > WEND_RECORD_ADDRESSES_MAX)
        return false;
    for (size_t i = 0; i < ret->address_count; i++)
        (void)wend_server_address_read(&r, &ret->addresses[i]);
    return !r.failed && r.left == 0;
}

int wend_serve_claim_text(struct wend_server_store *s,
                          const uint8_t secret[static WEND_CLAIM_SECRET_LEN],
                          char ret[static WEND_CLAIM_TEXT_SIZE])
{
    uint8_t key[32], seed[32], addresses[1 + WEND_RECORD_ADDRESSES_MAX * (4 + WEND_HOST_LEN_MAX)];
    struct wend_claim claim = {.address_count = 0};
    const int len = wend_server_store_get(s, WEND_SERVER_ADDRESSES, addresses, sizeof addresses);
    const int key_len = wend_server_store_get(s, WEND_SERVER_SESSION_KEY, key, sizeof key);
    const int seed_len = wend_server_store_get(s, WEND_SERVER_SEED, seed, sizeof seed);
    if (len < 0 || key_len < 0 || seed_len < 0)
        return -EIO;
    if (len == 0 || key_len != sizeof key || seed_len != sizeof seed)
        return -ENOENT;
    wend_x25519_public(key, claim.session_key);
    wend_ed25519_public(seed, claim.signature_key);
    wend_wipe(key, sizeof key);
    wend_wipe(seed, sizeof seed);
    memcpy(claim.secret, secret, sizeof claim.secret);
    const bool sound = read_addresses((struct wend_bytes){addresses, (size_t)len}, &claim);
    const int error = sound ? wend_claim_encode(&claim, ret) : -EIO;
    wend_wipe(&claim, sizeof claim);
    return error;
}
