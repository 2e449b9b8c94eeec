// SPDX-License-Identifier: MIT
// Show: members and invites of a network, to whoever holds its key. docs/protocol.md section 6.
//
// OFFSET counts members in the directory's order and then invites. A change between two pages may
// show somebody twice or not at all; who needs better asks again.
#include "relay/relay_state.h"

static uint32_t committed(const struct wend_relay *r, const struct wend_relay_invite *i)
{
    uint32_t count = 0;
    for (uint32_t s = i->first_slot; s != 0; s = wend_relay_slot_at(r, s)->next)
        count += wend_relay_slot_at(r, s)->committed;
    return count;
}

static void put_invite(const struct wend_relay *r, const struct wend_relay_invite *i,
                       struct wend_writer *w)
{
    const size_t begun = wend_attribute_begin(w, WEND_ATTRIBUTE_INVITE);
    wend_attribute_put(w, WEND_ATTRIBUTE_DELEGATION, WEND_BYTES(i->delegation));
    wend_attribute_put_u32(w, WEND_ATTRIBUTE_SLOT, committed(r, i));
    wend_attribute_end(w, begun);
}

// Walks through all there is and puts what lies at `offset` and behind, as far as it fits. Returns
// the offset of what comes next, and whether there is more.
static uint32_t put_page(const struct wend_relay *r, const struct wend_relay_network *n,
                         uint32_t offset, struct wend_writer *w, bool *ret_more)
{
    const size_t begun = w->len;
    uint32_t at = 0;
    *ret_more = false;
    for (uint32_t i = n->first; i != 0; i = wend_relay_member_at(r, i)->after) {
        const struct wend_relay_member *m = wend_relay_member_at(r, i);
        if (m->state != WEND_RELAY_MEMBER_ACTIVE || at++ < offset)
            continue;
        struct wend_writer before = *w;
        wend_relay_put_entry(r, m, true, w);
        if (w->failed || w->len - begun > WEND_RELAY_PAGE_MAX) {
            *w = before;
            *ret_more = true;
            return at - 1;
        }
    }
    for (uint32_t i = n->first_invite; i != 0; i = wend_relay_invite_at(r, i)->next) {
        if (at++ < offset)
            continue;
        struct wend_writer before = *w;
        put_invite(r, wend_relay_invite_at(r, i), w);
        if (w->failed || w->len - begun > WEND_RELAY_PAGE_MAX) {
            *w = before;
            *ret_more = true;
            return at - 1;
        }
    }
    return at;
}

enum wend_error wend_relay_show(struct wend_relay *r, struct wend_relay_request *q,
                                struct wend_writer *w)
{
    const struct wend_attributes *a = &q->a;
    if (a->network.at == NULL || a->time.at == NULL || a->signature.len != WEND_SIGNATURE_LEN)
        return WEND_ERROR_MALFORMED;
    const uint32_t network = wend_relay_network_find(r, a->network);
    if (network == 0)
        return WEND_ERROR_UNKNOWN_PEER;
    const struct wend_relay_network *n = wend_relay_network_at(r, network);
    const uint64_t time = wend_attribute_u64(a->time);
    if (wend_show_verify(n->key, q->session->handshake_hash, time, a->signature.at) != 0)
        return WEND_ERROR_FORGED;
    if (time + WEND_TRUST_SKEW_S < r->unix_seconds)
        return WEND_ERROR_BACKDATED;
    if (time > r->unix_seconds + WEND_TRUST_SKEW_S)
        return WEND_ERROR_NOT_YET_VALID;
    bool more;
    const uint32_t next = put_page(r, n, wend_attribute_u32(a->offset), w, &more);
    wend_attribute_put_u32(w, WEND_ATTRIBUTE_OFFSET, next);
    if (more)
        wend_attribute_put_flag(w, WEND_ATTRIBUTE_MORE);
    return WEND_ERROR_NONE;
}
