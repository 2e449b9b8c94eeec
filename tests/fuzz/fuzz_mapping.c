// SPDX-License-Identifier: MIT
// The mapping machine, driven by verbs: hand a datagram from a gateway or a stranger, answer the
// request that it sent last with the bytes' own mind, let time pass, start, stop, complain.
#include "fuzz.h"
#include "traverse/mapping.h"

static struct wend_mapping m;
static wend_instant now;
static uint8_t request[WEND_LEASE_REQUEST_LEN];
static size_t request_len;
static struct wend_address asked;

static struct wend_address gateway_of(uint8_t which)
{
    return wend_address_ipv4(0x0a000001 + (which % 4u) * 256, WEND_PCP_SERVER_PORT);
}

static void drain(void)
{
    struct wend_datagram out;
    struct wend_mapping_event e;
    for (int count = 0; wend_mapping_next_datagram(&m, &out); count++) {
        wend_assert(count < 16 && out.bytes.len <= sizeof request);
        memcpy(request, out.bytes.at, out.bytes.len);
        request_len = out.bytes.len;
        asked = out.remote;
    }
    while (wend_mapping_next_event(&m, &e)) {
        wend_assert(e.kind != WEND_MAPPING_NOTHING);
        wend_assert(e.kind != WEND_MAPPING_MAPPED || wend_mapping_is_public(&e.external));
        wend_assert(wend_mapping_reason_name(e.reason) != NULL);
        wend_assert(wend_mapping_protocol_name(e.protocol) != NULL);
    }
    const struct wend_lease *l = wend_mapping_find(&m);
    wend_assert(l == NULL || (l->state == WEND_LEASE_HELD && l->until > now - WEND_S(1)));
    wend_mapping_check(&m);
}

static void hand(struct wend_address from, uint16_t port, struct wend_bytes bytes)
{
    const struct wend_datagram in = {.transport = WEND_TRANSPORT_UDP,
                                     .remote = from,
                                     .local = {.family = WEND_FAMILY_IPV4, .port = port},
                                     .bytes = bytes};
    (void)wend_mapping_receive(&m, &in, now);
}

// An answer that fits the last request, but for what it says.
static void answer(struct wend_reader *r)
{
    struct wend_pcp p;
    struct wend_natpmp n;
    uint8_t out[WEND_PCP_LEN_MAX];
    size_t len = 0;
    const uint8_t result = wend_read_u8(r);
    const uint32_t lifetime = wend_read_u32(r), epoch = wend_read_u32(r), ip = wend_read_u32(r);
    const uint16_t port = wend_read_u16(r);
    const struct wend_bytes last = {request, request_len};
    if (wend_pcp_read(last, &p) == 0) {
        p.is_response = true;
        p.result = result;
        p.lifetime_s = lifetime;
        p.epoch_s = epoch;
        p.external = wend_address_ipv4(ip, port);
        len = wend_pcp_write(&p, out, sizeof out);
    } else if (wend_natpmp_read(last, &n) == 0) {
        n.is_response = true;
        n.result = result;
        n.lifetime_s = lifetime;
        n.epoch_s = epoch;
        n.external = wend_address_ipv4(ip, 0);
        n.external_port = port;
        len = wend_natpmp_write(&n, out, sizeof out);
    }
    hand(asked, 0, (struct wend_bytes){out, len});
}

static void act(struct wend_reader *r)
{
    const uint8_t verb = wend_read_u8(r), detail = wend_read_u8(r);
    const struct wend_address gateway = gateway_of(detail);
    const struct wend_address inside = wend_address_ipv4(0x0a000009 + detail / 64u, 4242);
    switch (verb % 8) {
    case 0:
        wend_mapping_start(&m, detail == 255 ? &(struct wend_address){0} : &gateway, &inside, now);
        break;
    case 1: wend_mapping_stop(&m, now); break;
    case 2: wend_mapping_unreachable(&m, &gateway, now); break;
    case 3:
        wend_mapping_outer(&m, detail == 255 ? &(struct wend_address){0} : &gateway, now);
        break;
    case 4: now += WEND_MS(50) << detail % 20; break;
    case 5:
        hand(gateway, detail & 64 ? WEND_PCP_CLIENT_PORT : 0, wend_read_view(r, detail % 64));
        break;
    case 6: answer(r); break;
    case 7:
        if (wend_mapping_deadline(&m) != WEND_NEVER && wend_mapping_deadline(&m) > now)
            now = wend_mapping_deadline(&m);
        break;
    }
    wend_mapping_expire(&m, now);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t key[WEND_HASH_KEY_LEN] = "fuzz";
    struct wend_reader r = {.at = data, .left = size};
    memset(&m, 0, sizeof m);
    wend_mapping_init(&m, key);
    now = WEND_S(1);
    request_len = 0;
    while (r.left > 0 && !r.failed) {
        act(&r);
        drain();
    }
    // Nobody waits for ever at the end.
    wend_mapping_stop(&m, now);
    now += WEND_MS(250);
    wend_mapping_expire(&m, now);
    wend_assert(wend_mapping_is_idle(&m));
    return 0;
}
