// SPDX-License-Identifier: MIT
#include "wire/record.h"

#include "wire/record_internal.h"

#include <errno.h>
#include <string.h>

#define RECORD_START_LEN 2 // kind, version

int wend_record_split(struct wend_bytes in, struct wend_record_parts *ret)
{
    if (in.len < RECORD_START_LEN + WEND_RECORD_SIGNATURE_LEN)
        return -EBADMSG;
    if (in.at[0] < WEND_RECORD_NETWORK || in.at[0] > WEND_RECORD_REVOCATION)
        return -EBADMSG;
    const size_t body_len = in.len - WEND_RECORD_SIGNATURE_LEN;
    *ret = (struct wend_record_parts){
        .kind = (enum wend_record_kind)in.at[0],
        .body = {.at = in.at, .len = body_len},
        .signature = in.at + body_len,
    };
    return 0;
}

int wend_record_open(struct wend_bytes in, enum wend_record_kind kind, struct wend_reader *ret)
{
    struct wend_record_parts parts;
    if (wend_record_split(in, &parts) != 0 || parts.kind != kind)
        return -EBADMSG;
    *ret = wend_reader_of(parts.body);
    wend_read_u8(ret);
    const uint8_t version = wend_read_u8(ret);
    if (version > WEND_RECORD_VERSION)
        return -EPROTONOSUPPORT;
    return version == WEND_RECORD_VERSION ? 0 : -EBADMSG;
}

void wend_record_write_start(struct wend_writer *w, enum wend_record_kind kind)
{
    wend_write_u8(w, (uint8_t)kind);
    wend_write_u8(w, WEND_RECORD_VERSION);
}

void wend_record_read_name(struct wend_reader *r, char ret[static WEND_NAME_LEN_MAX + 1])
{
    const struct wend_bytes name = wend_read_view(r, wend_read_u8(r));
    if (r->failed || !wend_name_is_valid(name)) {
        r->failed = true;
        return;
    }
    memset(ret, 0, WEND_NAME_LEN_MAX + 1);
    memcpy(ret, name.at, name.len);
}

void wend_record_write_name(struct wend_writer *w, const char name[static WEND_NAME_LEN_MAX + 1])
{
    const size_t len = strnlen(name, WEND_NAME_LEN_MAX + 1);
    wend_write_u8(w, (uint8_t)len);
    wend_record_write_fixed(w, (const uint8_t *)name, len);
}

int wend_delegation_decode(struct wend_bytes in, struct wend_delegation *ret)
{
    struct wend_delegation d;
    struct wend_reader r;
    const int error = wend_record_open(in, WEND_RECORD_DELEGATION, &r);
    if (error != 0)
        return error;
    wend_read_copy(&r, d.network, sizeof(d.network));
    wend_read_copy(&r, d.invite_key, sizeof(d.invite_key));
    d.issued = wend_read_u64(&r);
    d.join_before = wend_read_u64(&r);
    d.uses = wend_read_u32(&r);
    d.member_for = wend_read_u64(&r);
    if (r.failed || r.left > 0 || d.uses == 0 || d.member_for == 0)
        return -EBADMSG;
    *ret = d;
    return 0;
}

void wend_delegation_write(struct wend_writer *w, const struct wend_delegation *d)
{
    wend_record_write_start(w, WEND_RECORD_DELEGATION);
    wend_record_write_fixed(w, d->network, sizeof(d->network));
    wend_record_write_fixed(w, d->invite_key, sizeof(d->invite_key));
    wend_write_u64(w, d->issued);
    wend_write_u64(w, d->join_before);
    wend_write_u32(w, d->uses);
    wend_write_u64(w, d->member_for);
}

int wend_membership_decode(struct wend_bytes in, struct wend_membership *ret)
{
    struct wend_membership m = {0};
    struct wend_reader r;
    const int error = wend_record_open(in, WEND_RECORD_MEMBERSHIP, &r);
    if (error != 0)
        return error;
    wend_read_copy(&r, m.network, sizeof(m.network));
    wend_read_copy(&r, m.invite_id, sizeof(m.invite_id));
    wend_read_copy(&r, m.device, sizeof(m.device));
    m.slot = wend_read_u32(&r);
    m.ipv4 = wend_read_u32(&r);
    m.made = wend_read_u64(&r);
    m.lifetime = wend_read_u64(&r);
    wend_record_read_name(&r, m.name);
    if (r.failed || r.left > 0 || m.lifetime == 0)
        return -EBADMSG;
    *ret = m;
    return 0;
}

void wend_membership_write(struct wend_writer *w, const struct wend_membership *m)
{
    wend_record_write_start(w, WEND_RECORD_MEMBERSHIP);
    wend_record_write_fixed(w, m->network, sizeof(m->network));
    wend_record_write_fixed(w, m->invite_id, sizeof(m->invite_id));
    wend_record_write_fixed(w, m->device, sizeof(m->device));
    wend_write_u32(w, m->slot);
    wend_write_u32(w, m->ipv4);
    wend_write_u64(w, m->made);
    wend_write_u64(w, m->lifetime);
    wend_record_write_name(w, m->name);
}

int wend_receipt_decode(struct wend_bytes in, struct wend_receipt *ret)
{
    struct wend_receipt c;
    struct wend_reader r;
    const int error = wend_record_open(in, WEND_RECORD_RECEIPT, &r);
    if (error != 0)
        return error;
    wend_read_copy(&r, c.membership_hash, sizeof(c.membership_hash));
    wend_read_copy(&r, c.server, sizeof(c.server));
    c.slot = wend_read_u32(&r);
    c.time = wend_read_u64(&r);
    if (r.failed || r.left > 0)
        return -EBADMSG;
    *ret = c;
    return 0;
}

void wend_receipt_write(struct wend_writer *w, const struct wend_receipt *r)
{
    wend_record_write_start(w, WEND_RECORD_RECEIPT);
    wend_record_write_fixed(w, r->membership_hash, sizeof(r->membership_hash));
    wend_record_write_fixed(w, r->server, sizeof(r->server));
    wend_write_u32(w, r->slot);
    wend_write_u64(w, r->time);
}
