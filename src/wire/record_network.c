// SPDX-License-Identifier: MIT
// The network record, and server addresses as claim texts have them too.
#include "wire/record.h"

#include "wire/record_internal.h"

#include <errno.h>
#include <string.h>

#define ADDRESS_TYPE_HOST 1  // a DNS name; 4 and 6 are IP addresses
#define LABEL_LEN_MAX     63 // RFC 1035 section 2.3.4

static bool is_host_character(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_';
}

// Labels of letters, digits, '-' and '_' with single dots between them.
static bool host_is_valid(struct wend_bytes host)
{
    size_t label_len = 0;
    if (host.len > WEND_HOST_LEN_MAX)
        return false;
    for (size_t i = 0; i < host.len; i++) {
        if (host.at[i] == '.' && label_len > 0)
            label_len = 0;
        else if (is_host_character(host.at[i]) && label_len < LABEL_LEN_MAX)
            label_len++;
        else
            return false;
    }
    return label_len > 0;
}

static void read_host(struct wend_reader *r, struct wend_server_address *ret)
{
    const struct wend_bytes host = wend_read_view(r, wend_read_u8(r));
    if (r->failed || !host_is_valid(host))
        r->failed = true;
    else
        memcpy(ret->host, host.at, host.len);
}

bool wend_server_address_read(struct wend_reader *r, struct wend_server_address *ret)
{
    struct wend_server_address a = {0};
    const uint8_t type = wend_read_u8(r);
    a.address.port = wend_read_u16(r);
    if (type == ADDRESS_TYPE_HOST) {
        read_host(r, &a);
    } else if (type == WEND_FAMILY_IPV4 || type == WEND_FAMILY_IPV6) {
        a.address.family = type;
        wend_read_copy(r, a.address.ip, type == WEND_FAMILY_IPV4 ? 4 : 16);
    } else {
        r->failed = true;
    }
    if (a.address.port == 0)
        r->failed = true;
    if (!r->failed)
        *ret = a;
    return !r->failed;
}

void wend_server_address_write(struct wend_writer *w, const struct wend_server_address *a)
{
    const uint8_t family = a->address.family;
    wend_write_u8(w, family == WEND_FAMILY_NONE ? ADDRESS_TYPE_HOST : family);
    wend_write_u16(w, a->address.port);
    if (family == WEND_FAMILY_NONE) {
        const size_t len = strnlen(a->host, sizeof(a->host));
        wend_write_u8(w, (uint8_t)len);
        wend_record_write_fixed(w, (const uint8_t *)a->host, len);
    } else {
        wend_record_write_fixed(w, a->address.ip, family == WEND_FAMILY_IPV4 ? 4 : 16);
    }
}

// A range of addresses that hosts can have; its host bits are zero.
static struct wend_prefix read_pool(struct wend_reader *r)
{
    struct wend_prefix p = {.family = WEND_FAMILY_IPV4};
    wend_read_copy(r, p.ip, 4);
    p.bits = wend_read_u8(r);
    const struct wend_address first = wend_address_ipv4(wend_get_u32(p.ip), 1);
    if (p.bits < WEND_POOL_BITS_MIN || p.bits > WEND_POOL_BITS_MAX ||
        !wend_address_is_usable(&first) || (wend_get_u32(p.ip) & (UINT32_MAX >> p.bits)) != 0)
        r->failed = true;
    return p;
}

static void write_pool(struct wend_writer *w, const struct wend_prefix *p)
{
    wend_record_write_fixed(w, p->ip, 4);
    wend_write_u8(w, p->bits);
}

static bool pool_is_within(const struct wend_prefix *inner, const struct wend_prefix *outer)
{
    const struct wend_address first = wend_address_ipv4(wend_get_u32(inner->ip), 0);
    return inner->bits >= outer->bits && wend_prefix_contains(outer, &first);
}

static void read_server(struct wend_reader *r, struct wend_server_record *ret)
{
    wend_read_copy(r, ret->session_key, sizeof(ret->session_key));
    wend_read_copy(r, ret->signature_key, sizeof(ret->signature_key));
    ret->pool = read_pool(r);
    ret->address_count = wend_read_u8(r);
    if (ret->address_count < 1 || ret->address_count > WEND_RECORD_ADDRESSES_MAX) {
        r->failed = true;
        return;
    }
    for (size_t i = 0; i < ret->address_count && !r->failed; i++)
        wend_server_address_read(r, &ret->addresses[i]);
}

static void write_server(struct wend_writer *w, const struct wend_server_record *s)
{
    wend_record_write_fixed(w, s->session_key, sizeof(s->session_key));
    wend_record_write_fixed(w, s->signature_key, sizeof(s->signature_key));
    write_pool(w, &s->pool);
    wend_write_u8(w, s->address_count);
    for (size_t i = 0; i < s->address_count && i < WEND_RECORD_ADDRESSES_MAX; i++)
        wend_server_address_write(w, &s->addresses[i]);
}

// Servers lie in the network's pool, and each is known by a key of its own.
static void read_servers(struct wend_reader *r, struct wend_network_record *ret)
{
    const uint8_t count = wend_read_u8(r);
    if (count < 1 || count > WEND_RECORD_SERVERS_MAX) {
        r->failed = true;
        return;
    }
    for (size_t i = 0; i < count && !r->failed; i++) {
        struct wend_server_record *server = &ret->servers[i];
        read_server(r, server);
        if (!pool_is_within(&server->pool, &ret->pool) ||
            wend_network_record_find_server(ret, server->signature_key) != NULL)
            r->failed = true;
        ret->server_count++;
    }
}

int wend_network_record_decode(struct wend_bytes in, struct wend_network_record *ret)
{
    struct wend_network_record n = {0};
    struct wend_reader r;
    if (in.len > WEND_NETWORK_RECORD_MAX)
        return -EBADMSG;
    const int error = wend_record_open(in, WEND_RECORD_NETWORK, &r);
    if (error != 0)
        return error;
    wend_read_copy(&r, n.key, sizeof(n.key));
    n.serial = wend_read_u64(&r);
    n.issued = wend_read_u64(&r);
    wend_record_read_name(&r, n.name);
    n.pool = read_pool(&r);
    read_servers(&r, &n);
    if (r.failed || r.left > 0 || n.serial == 0)
        return -EBADMSG;
    *ret = n;
    return 0;
}

void wend_network_record_write(struct wend_writer *w, const struct wend_network_record *n)
{
    wend_record_write_start(w, WEND_RECORD_NETWORK);
    wend_record_write_fixed(w, n->key, sizeof(n->key));
    wend_write_u64(w, n->serial);
    wend_write_u64(w, n->issued);
    wend_record_write_name(w, n->name);
    write_pool(w, &n->pool);
    wend_write_u8(w, n->server_count);
    for (size_t i = 0; i < n->server_count && i < WEND_RECORD_SERVERS_MAX; i++)
        write_server(w, &n->servers[i]);
}

const struct wend_server_record *
wend_network_record_find_server(const struct wend_network_record *r,
                                const uint8_t key[static WEND_RECORD_KEY_LEN])
{
    for (size_t i = 0; i < r->server_count; i++)
        if (memcmp(r->servers[i].signature_key, key, WEND_RECORD_KEY_LEN) == 0)
            return &r->servers[i];
    return NULL;
}
