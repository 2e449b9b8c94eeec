// SPDX-License-Identifier: MIT
// PCP and NAT-PMP: what can be read can be written, and reads the same again.
#include <errno.h>

#include "fuzz.h"
#include "wire/natpmp.h"
#include "wire/pcp.h"

static uint8_t written[WEND_PCP_LEN_MAX];

static void check_filters(const struct wend_pcp *m)
{
    wend_assert(m->filter_count <= WEND_PCP_FILTERS_MAX);
    for (size_t i = 0; i < m->filter_count; i++) {
        const struct wend_prefix *p = &m->filters[i].remote;
        wend_assert(p->bits <= (p->family == WEND_FAMILY_IPV4 ? 32 : 128));
        wend_assert(!m->filters[i].clear || p->bits == 0);
    }
}

static void check_same(const struct wend_pcp *a, const struct wend_pcp *b)
{
    wend_assert(a->is_response == b->is_response && a->opcode == b->opcode);
    wend_assert(a->result == b->result && a->lifetime_s == b->lifetime_s);
    wend_assert(a->epoch_s == b->epoch_s && wend_address_equal(&a->client, &b->client));
    wend_assert(memcmp(a->nonce, b->nonce, sizeof a->nonce) == 0 && a->protocol == b->protocol);
    wend_assert(a->internal_port == b->internal_port);
    wend_assert(wend_address_equal(&a->external, &b->external));
    wend_assert(wend_address_equal(&a->remote, &b->remote));
    wend_assert(a->prefer_failure == b->prefer_failure && a->filter_count == b->filter_count);
    wend_assert(wend_address_equal(&a->third_party, &b->third_party));
    wend_assert(memcmp(a->filters, b->filters, sizeof a->filters) == 0);
}

static void try_pcp(struct wend_bytes in)
{
    struct wend_pcp m, again;
    uint8_t version;
    const int result = wend_pcp_read(in, &m);
    wend_assert(result == 0 || result == -EBADMSG || result == -EPROTONOSUPPORT);
    if (wend_pcp_read_version(in, &version))
        wend_assert(result != 0 && version != WEND_PCP_VERSION);
    if (result != 0)
        return;
    wend_assert(!m.is_response || m.fault == WEND_PCP_SUCCESS);
    check_filters(&m);
    if (m.fault != WEND_PCP_SUCCESS || m.opcode > WEND_PCP_PEER)
        return;
    const size_t len = wend_pcp_write(&m, written, sizeof written);
    wend_assert(len > 0 && len <= in.len);
    wend_assert(wend_pcp_read((struct wend_bytes){written, len}, &again) == 0);
    check_same(&m, &again);
}

static void try_natpmp(struct wend_bytes in)
{
    struct wend_natpmp m;
    const int result = wend_natpmp_read(in, &m);
    wend_assert(result == 0 || result == -EBADMSG || result == -EPROTONOSUPPORT);
    if (result != 0)
        return;
    struct wend_natpmp again;
    const size_t len = wend_natpmp_write(&m, written, sizeof written);
    wend_assert(len == in.len);
    wend_assert(wend_natpmp_read((struct wend_bytes){written, len}, &again) == 0);
    wend_assert(m.opcode == again.opcode && m.result == again.result);
    wend_assert(m.epoch_s == again.epoch_s && m.lifetime_s == again.lifetime_s);
    wend_assert(m.internal_port == again.internal_port && m.external_port == again.external_port);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    try_pcp((struct wend_bytes){data, size});
    try_natpmp((struct wend_bytes){data, size});
    return 0;
}
