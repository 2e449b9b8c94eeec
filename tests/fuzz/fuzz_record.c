// SPDX-License-Identifier: MIT
// Signed records, invites and claims: what decodes is written again to the same bytes (a record has
// one form), and nothing that the fuzzer signed itself is a member of somebody else's network.
#include <errno.h>

#include "../unit/crypto/record_vectors.h"
#include "fuzz.h"
#include "session/trust.h"

static uint8_t buffer[WEND_REVOCATION_LIST_MAX];

// What was written is the record but for its signature.
static void check_again(const struct wend_writer *w, struct wend_bytes in)
{
    wend_assert(!w->failed && w->len + WEND_RECORD_SIGNATURE_LEN == in.len);
    wend_assert(memcmp(buffer, in.at, w->len) == 0);
}

static bool check_network(struct wend_bytes in)
{
    struct wend_network_record n;
    struct wend_writer w = wend_writer_of(buffer, sizeof(buffer));
    if (wend_network_record_decode(in, &n) != 0)
        return false;
    wend_network_record_write(&w, &n);
    check_again(&w, in);
    for (size_t i = 0; i < n.server_count; i++)
        wend_assert(wend_network_record_find_server(&n, n.servers[i].signature_key) ==
                    &n.servers[i]);
    return true;
}

static bool check_delegation(struct wend_bytes in)
{
    struct wend_delegation d;
    struct wend_writer w = wend_writer_of(buffer, sizeof(buffer));
    if (wend_delegation_decode(in, &d) != 0)
        return false;
    wend_delegation_write(&w, &d);
    check_again(&w, in);
    return true;
}

static bool check_membership(struct wend_bytes in)
{
    struct wend_membership m;
    struct wend_writer w = wend_writer_of(buffer, sizeof(buffer));
    if (wend_membership_decode(in, &m) != 0)
        return false;
    wend_membership_write(&w, &m);
    check_again(&w, in);
    return true;
}

static bool check_receipt(struct wend_bytes in)
{
    struct wend_receipt r;
    struct wend_writer w = wend_writer_of(buffer, sizeof(buffer));
    if (wend_receipt_decode(in, &r) != 0)
        return false;
    wend_receipt_write(&w, &r);
    check_again(&w, in);
    return true;
}

static bool check_revocations(struct wend_bytes in)
{
    static uint8_t entries[WEND_REVOCATION_LIST_MAX];
    static const uint8_t device[WEND_RECORD_KEY_LEN] = {0x80};
    struct wend_revocation_list l;
    struct wend_writer w = wend_writer_of(buffer, sizeof(buffer));
    if (wend_revocation_list_decode(in, &l) != 0)
        return false;
    wend_revocation_list_write(&w, &l);
    check_again(&w, in);
    for (size_t i = 0; i < l.devices.len; i += WEND_REVOCATION_DEVICE_LEN)
        wend_assert(wend_revocation_has_device(&l, l.devices.at + i + 1));
    for (size_t i = 0; i < l.invites.len; i += WEND_REVOCATION_INVITE_LEN)
        wend_assert(wend_revocation_has_invite(&l, l.invites.at + i + 1));
    const bool had = wend_revocation_has_device(&l, device);
    const int error = wend_revocation_add(&l, entries, sizeof(entries),
                                          (struct wend_bytes){device, sizeof(device)});
    wend_assert(had ? error == -EEXIST : error == 0 || error == -ENOSPC);
    wend_assert(error != 0 || wend_revocation_has_device(&l, device));
    return true;
}

static void check_texts(struct wend_bytes in)
{
    static char text[WEND_INVITE_TEXT_SIZE + WEND_CLAIM_TEXT_SIZE];
    static struct wend_invite invite, invite_again;
    static struct wend_claim claim, claim_again;
    if (wend_invite_decode(in, &invite) == 0) {
        wend_assert(wend_invite_encode(&invite, text) == 0);
        wend_assert(wend_invite_decode(wend_bytes_of_text(text), &invite_again) == 0);
        wend_assert(memcmp(&invite, &invite_again, sizeof(invite)) == 0);
    }
    if (wend_claim_decode(in, &claim) == 0) {
        wend_assert(wend_claim_encode(&claim, text) == 0);
        wend_assert(wend_claim_decode(wend_bytes_of_text(text), &claim_again) == 0);
        wend_assert(memcmp(claim.secret, claim_again.secret, sizeof(claim.secret)) == 0);
    }
}

// The input in the place of one part of a sound chain: only that very part makes a member.
static void check_chain(struct wend_bytes in)
{
    static struct wend_network_record network;
    const struct wend_bytes sound[3] = {{vector_delegation, sizeof(vector_delegation)},
                                        {vector_membership, sizeof(vector_membership)},
                                        {vector_receipt, sizeof(vector_receipt)}};
    const struct wend_trust trust = {.network = &network};
    const struct wend_bytes record = {vector_network_record, sizeof(vector_network_record)};
    struct wend_member member;
    wend_assert(wend_network_record_decode(record, &network) == 0);
    for (size_t part = 0; part < 3; part++) {
        const struct wend_chain chain = {part == 0 ? in : sound[0], part == 1 ? in : sound[1],
                                         part == 2 ? in : sound[2]};
        const enum wend_error error =
            wend_trust_check_member(&trust, &chain, UINT64_C(1700001000), &member);
        wend_assert((error == WEND_ERROR_NONE) == wend_bytes_equal(in, sound[part]));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct wend_bytes in = {data, size};
    struct wend_record_parts parts;
    const bool network = check_network(in), delegation = check_delegation(in);
    const bool membership = check_membership(in), receipt = check_receipt(in);
    const bool revocations = check_revocations(in);
    const int kinds = network + delegation + membership + receipt + revocations;
    wend_assert(kinds <= 1);
    wend_assert(kinds == 0 || wend_record_split(in, &parts) == 0);
    if (delegation || membership || receipt)
        check_chain(in);
    check_texts(in);
    return 0;
}
