// SPDX-License-Identifier: MIT
// The directory of a network: its members in the order of their last change, each with the serial
// of that change. docs/protocol.md section 4.2.
//
// Who knows all up to a serial is told what stands behind it in the list: a page for a Subscribe, a
// Notify unasked. A member that changes moves to the end, so nothing is told twice for two changes,
// and the list is as long as the network, not as its history.
//
// Chains are long and told once. A position within the list does not say which chains its holder
// has: a member may have moved past it from a place not read yet. So chains are left out only as of
// a serial at which the receiver had reached the end, and has said so since.
#include "relay/relay_state.h"

#include <string.h>

struct wend_position wend_relay_position(const struct wend_relay_network *n)
{
    return (struct wend_position){.epoch = n->epoch, .serial = n->serial};
}

// --- the list ---

static void unlink_member(struct wend_relay *r, const struct wend_relay_member *m)
{
    struct wend_relay_network *n = wend_relay_network_at(r, m->network);
    if (m->before != 0)
        wend_relay_member_at(r, m->before)->after = m->after;
    else
        n->first = m->after;
    if (m->after != 0)
        wend_relay_member_at(r, m->after)->before = m->before;
    else
        n->last = m->before;
}

static void append(struct wend_relay *r, uint32_t ref)
{
    struct wend_relay_member *m = wend_relay_member_at(r, ref);
    struct wend_relay_network *n = wend_relay_network_at(r, m->network);
    m->before = n->last;
    m->after = 0;
    if (m->before != 0)
        wend_relay_member_at(r, m->before)->after = ref;
    else
        n->first = ref;
    n->last = ref;
    m->serial = ++n->serial;
}

void wend_relay_directory_forget(struct wend_relay *r, uint32_t member)
{
    unlink_member(r, wend_relay_member_at(r, member));
}

// --- who is to be told ---

static void poke(struct wend_relay *r, uint32_t ref)
{
    struct wend_relay_client *c = wend_relay_client_at(r, ref);
    if (!c->subscribed || !c->online || c->notify_id != 0)
        return; // an answer to the one in flight brings the next
    const wend_instant calm = c->notified_at + WEND_RELAY_NOTIFY_APART;
    c->notify_at = calm > r->now ? calm : r->now;
    wend_relay_client_arm(r, ref);
}

void wend_relay_directory_changed(struct wend_relay *r, uint32_t member)
{
    struct wend_relay_member *m = wend_relay_member_at(r, member);
    if (m->state == WEND_RELAY_MEMBER_OFFERED)
        return;
    if (m->serial != 0)
        unlink_member(r, m);
    append(r, member);
    const struct wend_relay_network *n = wend_relay_network_at(r, m->network);
    for (uint32_t i = n->first_client; i != 0; i = wend_relay_client_at(r, i)->after)
        if (i != m->client)
            poke(r, i);
}

void wend_relay_directory_serials(struct wend_relay *r, uint32_t network)
{
    const struct wend_relay_network *n = wend_relay_network_at(r, network);
    for (uint32_t i = n->first_client; i != 0; i = wend_relay_client_at(r, i)->after) {
        wend_relay_client_at(r, i)->serials_due = true;
        poke(r, i);
    }
}

// --- pages ---

void wend_relay_put_entry(const struct wend_relay *r, const struct wend_relay_member *m, bool chain,
                          struct wend_writer *w)
{
    const size_t begun = wend_attribute_begin(w, WEND_ATTRIBUTE_ENTRY);
    wend_attribute_put(w, WEND_ATTRIBUTE_PEER, WEND_BYTES(m->key));
    if (m->state != WEND_RELAY_MEMBER_ACTIVE) {
        wend_attribute_put_u8(w, WEND_ATTRIBUTE_STATUS, WEND_STATUS_REMOVED);
        wend_attribute_end(w, begun);
        return;
    }
    wend_attribute_put_u8(w, WEND_ATTRIBUTE_STATUS,
                          m->online ? WEND_STATUS_ONLINE : WEND_STATUS_OFFLINE);
    if (m->online)
        wend_attribute_put_u64(w, WEND_ATTRIBUTE_EPOCH, m->epoch);
    if (chain) {
        wend_attribute_put(w, WEND_ATTRIBUTE_MEMBERSHIP,
                           (struct wend_bytes){m->membership, m->membership_len});
        wend_attribute_put(w, WEND_ATTRIBUTE_DELEGATION,
                           WEND_BYTES(wend_relay_invite_at(r, m->invite)->delegation));
        wend_attribute_put(w, WEND_ATTRIBUTE_RECEIPT, WEND_BYTES(m->receipt));
    }
    wend_attribute_end(w, begun);
}

// It says that it is at `serial`; from the start means that it has nothing.
static void confirm(struct wend_relay_client *c, uint64_t serial)
{
    if (serial == 0)
        c->whole = c->whole_told = 0;
    else if (c->whole_told != 0 && serial >= c->whole_told)
        c->whole = c->whole_told;
}

// The first member behind a serial, 0: none. Most often it follows the one told last.
static uint32_t first_behind(const struct wend_relay *r, const struct wend_relay_client *c,
                             const struct wend_relay_network *n, uint64_t serial)
{
    if (serial >= n->serial)
        return 0;
    const struct wend_relay_member *last =
        c->page_member != 0 ? wend_relay_member_at(r, c->page_member) : NULL;
    if (last != NULL && last->state != WEND_RELAY_MEMBER_FREE && last->network == c->network &&
        last->serial == serial)
        return last->after;
    if (serial == 0)
        return n->first;
    uint32_t i = n->last;
    while (i != 0 && wend_relay_member_at(r, i)->serial > serial)
        i = wend_relay_member_at(r, i)->before;
    return i != 0 ? wend_relay_member_at(r, i)->after : n->first;
}

// Puts entries from behind `from` on. Returns the serial reached.
static uint64_t put_page(struct wend_relay *r, struct wend_relay_client *c, uint64_t from,
                         struct wend_writer *w, bool *ret_more)
{
    const struct wend_relay_network *n = wend_relay_network_at(r, c->network);
    const size_t begun = w->len;
    uint64_t reached = from;
    *ret_more = false;
    for (uint32_t i = first_behind(r, c, n, from); i != 0; i = wend_relay_member_at(r, i)->after) {
        const struct wend_relay_member *m = wend_relay_member_at(r, i);
        struct wend_writer before = *w;
        wend_relay_put_entry(r, m, m->chain_serial > c->whole, w);
        if (w->failed || w->len - begun > WEND_RELAY_PAGE_MAX) {
            *w = before;
            *ret_more = true;
            return reached;
        }
        reached = m->serial;
        c->page_member = i;
    }
    return n->serial;
}

enum wend_error wend_relay_subscribe(struct wend_relay *r, struct wend_relay_request *q,
                                     struct wend_writer *w)
{
    struct wend_relay_client *c = q->client;
    const struct wend_relay_network *n = wend_relay_network_at(r, c->network);
    struct wend_position from;
    if (!wend_attribute_position(q->a.position, &from))
        return WEND_ERROR_MALFORMED;
    if (from.epoch != n->epoch || from.serial > n->serial)
        from.serial = 0;
    confirm(c, from.serial);
    bool more;
    uint8_t memory[WEND_RELAY_PAGE_MAX + 64];
    struct wend_writer page = wend_writer_of(memory, sizeof memory);
    const uint64_t reached = put_page(r, c, from.serial, &page, &more);
    wend_attribute_put_position(w, (struct wend_position){.epoch = n->epoch, .serial = reached});
    wend_write_bytes(w, (struct wend_bytes){memory, page.len});
    if (more)
        wend_attribute_put_flag(w, WEND_ATTRIBUTE_MORE);
    c->subscribed = !more || c->subscribed;
    c->known = reached;
    c->whole_told = more ? 0 : reached;
    c->notify_id = 0; // what was in flight is overtaken
    if (!more && reached < n->serial)
        poke(r, q->client_ref);
    return WEND_ERROR_NONE;
}

// --- Notify ---

static void send_notify(struct wend_relay *r, uint32_t ref)
{
    struct wend_relay_client *c = wend_relay_client_at(r, ref);
    const struct wend_relay_network *n = wend_relay_network_at(r, c->network);
    uint8_t page_memory[WEND_RELAY_PAGE_MAX + 64], memory[WEND_RELAY_BODY_MAX];
    struct wend_writer page = wend_writer_of(page_memory, sizeof page_memory);
    struct wend_writer w = wend_writer_of(memory, sizeof memory);
    bool more;
    const uint64_t reached = put_page(r, c, c->known, &page, &more);
    c->told = reached;
    c->whole_told = more ? 0 : reached;
    const size_t begun = wend_control_begin(&w, WEND_CONTROL_NOTIFY, c->notify_id);
    wend_attribute_put_position(&w, (struct wend_position){.epoch = n->epoch, .serial = c->known});
    wend_attribute_put_position(&w, (struct wend_position){.epoch = n->epoch, .serial = reached});
    wend_write_bytes(&w, (struct wend_bytes){page_memory, page.len});
    if (more)
        wend_attribute_put_flag(&w, WEND_ATTRIBUTE_MORE);
    wend_relay_put_serials(n, &w);
    wend_control_end(&w, begun);
    wend_assert(!w.failed);
    if (wend_relay_tell(r, c, (struct wend_bytes){memory, w.len}))
        r->counts.notifies++;
}

void wend_relay_notify(struct wend_relay *r, uint32_t ref)
{
    struct wend_relay_client *c = wend_relay_client_at(r, ref);
    c->notify_at = WEND_NEVER;
    if (c->member == 0 || !c->subscribed || !c->online)
        return;
    const struct wend_relay_network *n = wend_relay_network_at(r, c->network);
    if (c->notify_id == 0) {
        if (c->known >= n->serial && !c->serials_due)
            return;
        c->notify_id = ++r->serial_source != 0 ? r->serial_source : ++r->serial_source;
        c->notify_tries = 0;
    }
    if (c->notify_tries++ == WEND_RELAY_NOTIFY_TRIES) {
        c->notify_id = 0; // its Keepalive will tell it, or its silence us
        return;
    }
    c->notified_at = r->now;
    c->notify_at = r->now + WEND_RELAY_NOTIFY_AGAIN;
    send_notify(r, ref);
}

void wend_relay_notified(struct wend_relay *r, uint32_t ref, const struct wend_control *message)
{
    struct wend_relay_client *c = wend_relay_client_at(r, ref);
    struct wend_attributes a;
    struct wend_position position;
    if (c->member == 0 || c->notify_id == 0 || message->id != c->notify_id)
        return;
    const struct wend_relay_network *n = wend_relay_network_at(r, c->network);
    c->notify_id = 0;
    c->notify_at = WEND_NEVER;
    c->serials_due = false;
    if (wend_attributes_parse(message->attributes, &a) != 0 ||
        !wend_attribute_position(a.position, &position) || position.epoch != n->epoch)
        return; // it will Subscribe
    if (position.serial < c->told || position.serial > n->serial)
        return; // so it will when it could not use what it was told
    confirm(c, position.serial);
    c->known = position.serial;
    if (c->known < n->serial)
        poke(r, ref);
}
