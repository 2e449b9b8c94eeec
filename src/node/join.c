// SPDX-License-Identifier: MIT
#include "node/join.h"

#include <errno.h>
#include <string.h>

#include "base/print.h"

#define PATIENCE WEND_S(20)

static void fail(struct wend_join *join, uint16_t error, const char *why)
{
    join->state = WEND_JOIN_FAILED;
    join->error = error;
    wend_print(join->why, sizeof join->why, "%s", why);
}

static struct wend_bytes text_bytes(const char *text)
{
    return (struct wend_bytes){.at = (const uint8_t *)text, .len = strlen(text)};
}

int wend_join_init(struct wend_join *join, const struct wend_invite *invite, const char *name,
                   const uint8_t device_key[static 32], uint64_t unix_seconds)
{
    memset(join, 0, sizeof *join);
    if (!wend_name_is_valid(text_bytes(name)))
        return -EINVAL;
    const enum wend_error error =
        wend_trust_check_invite(invite, unix_seconds, &join->network, &join->delegation);
    if (error != WEND_ERROR_NONE)
        return (int)error;
    join->invite = *invite;
    memcpy(join->device_key, device_key, sizeof join->device_key);
    memcpy(join->name, name, strlen(name) + 1);
    return 0;
}

void wend_join_close(struct wend_join *join)
{
    wend_wipe(join, sizeof *join);
}

static struct wend_bytes delegation_bytes(const struct wend_join *join)
{
    return (struct wend_bytes){.at = join->invite.delegation, .len = WEND_DELEGATION_LEN};
}

int wend_join_start(struct wend_join *join, struct wend_leg *leg, uint64_t unix_seconds)
{
    uint8_t memory[WEND_LEG_BODY_MAX];
    struct wend_writer w = wend_writer_of(memory, sizeof memory);
    wend_attribute_put(&w, WEND_ATTRIBUTE_NETWORK,
                       (struct wend_bytes){.at = join->network.key, .len = WEND_RECORD_KEY_LEN});
    wend_attribute_put(&w, WEND_ATTRIBUTE_DELEGATION, delegation_bytes(join));
    wend_attribute_put(&w, WEND_ATTRIBUTE_NAME, text_bytes(join->name));
    wend_attribute_put_u64(&w, WEND_ATTRIBUTE_TIME, unix_seconds);
    wend_assert(!w.failed);
    join->state = WEND_JOIN_ASKING;
    return wend_leg_request(leg, WEND_CONTROL_JOIN, (struct wend_bytes){memory, w.len}, PATIENCE,
                            &join->request);
}

// Whether the server's offer is worth a signature: what is refused here would make no member.
static bool is_sound(struct wend_join *join, const struct wend_attributes *a, uint64_t unix_seconds)
{
    const uint64_t time = wend_attribute_u64(a->time);
    if (a->slot.at == NULL || a->ipv4.at == NULL || a->time.at == NULL)
        fail(join, WEND_ERROR_MALFORMED, "the server's offer lacks slot, address or time");
    else if (time > unix_seconds + WEND_TRUST_SKEW_S || time + WEND_TRUST_SKEW_S < unix_seconds)
        fail(join, WEND_ERROR_BACKDATED,
             "the clocks of this device and of the server are over 10 minutes apart");
    else if (wend_attribute_u32(a->slot) >= join->delegation.uses)
        fail(join, WEND_ERROR_EXHAUSTED, "the server offers a slot that the invite does not have");
    else
        return true;
    return false;
}

// Signs a membership for the server's offer. Returns whether it could.
static bool sign(struct wend_join *join, const struct wend_attributes *a, uint64_t unix_seconds)
{
    struct wend_membership m = {
        .slot = wend_attribute_u32(a->slot),
        .ipv4 = wend_attribute_u32(a->ipv4),
        .made = unix_seconds,
        .lifetime = join->delegation.member_for,
    };
    memcpy(m.network, join->network.key, sizeof m.network);
    memcpy(m.device, join->device_key, sizeof m.device);
    memcpy(m.name, join->name, sizeof m.name);
    wend_invite_id(join->delegation.invite_key, m.invite_id);
    struct wend_writer signed_membership =
        wend_writer_of(join->membership, sizeof join->membership);
    if (wend_membership_sign(&m, join->invite.seed, &signed_membership) != 0) {
        fail(join, WEND_ERROR_MALFORMED, "the server's offer makes no membership");
        return false;
    }
    join->membership_len = signed_membership.len;
    return true;
}

static void commit(struct wend_join *join, struct wend_leg *leg, const struct wend_attributes *a,
                   uint64_t unix_seconds)
{
    if (!is_sound(join, a, unix_seconds) || !sign(join, a, unix_seconds))
        return;
    uint8_t memory[WEND_LEG_BODY_MAX];
    struct wend_writer w = wend_writer_of(memory, sizeof memory);
    wend_attribute_put(&w, WEND_ATTRIBUTE_MEMBERSHIP,
                       (struct wend_bytes){join->membership, join->membership_len});
    wend_attribute_put(&w, WEND_ATTRIBUTE_DELEGATION, delegation_bytes(join));
    wend_assert(!w.failed);
    join->state = WEND_JOIN_COMMITTING;
    if (wend_leg_request(leg, WEND_CONTROL_JOIN_COMMIT, (struct wend_bytes){memory, w.len},
                         PATIENCE, &join->request) != 0)
        fail(join, WEND_ERROR_LIMIT, "too many requests under way");
}

static void conclude(struct wend_join *join, const struct wend_attributes *a, uint64_t unix_seconds)
{
    if (a->receipt.len != WEND_RECEIPT_LEN) {
        fail(join, WEND_ERROR_MALFORMED, "the server's answer lacks a receipt");
        return;
    }
    memcpy(join->receipt, a->receipt.at, WEND_RECEIPT_LEN);
    const struct wend_trust trust = {.network = &join->network};
    const struct wend_chain chain = wend_join_chain(join);
    enum wend_error error = wend_trust_check_member(&trust, &chain, unix_seconds, &join->member);
    if (error == WEND_ERROR_NONE)
        error = wend_trust_check_receipt_fresh(&join->member, unix_seconds);
    char why[sizeof join->why];
    wend_print(why, sizeof why, "the server's receipt does not hold: %s",
               wend_error_name((uint16_t)error));
    if (error != WEND_ERROR_NONE)
        fail(join, (uint16_t)error, why);
    else
        join->state = WEND_JOIN_DONE;
}

static void fail_by_server(struct wend_join *join, const struct wend_leg_event *event)
{
    char why[sizeof join->why];
    size_t len = 0;
    for (size_t i = 0; i < event->error_text.len && len + 1 < sizeof why; i++) {
        const uint8_t byte = event->error_text.at[i];
        why[len++] = byte >= ' ' && byte < 127 ? (char)byte : '?';
    }
    why[len] = 0;
    fail(join, event->error, len > 0 ? why : wend_error_name(event->error));
    join->by_server = true;
}

void wend_join_event(struct wend_join *join, struct wend_leg *leg,
                     const struct wend_leg_event *event, uint64_t unix_seconds)
{
    const bool asking = join->state == WEND_JOIN_ASKING;
    if ((!asking && join->state != WEND_JOIN_COMMITTING) || event->id != join->request)
        return;
    if (event->kind == WEND_LEG_TIMED_OUT) {
        fail(join, WEND_ERROR_NO_ANSWER, "the server does not answer");
        return;
    }
    if (event->kind != WEND_LEG_RESPONSE)
        return;
    struct wend_attributes a;
    if (event->error != 0)
        fail_by_server(join, event);
    else if (wend_attributes_parse(event->attributes, &a) != 0)
        fail(join, WEND_ERROR_MALFORMED, "the server's answer is malformed");
    else if (asking)
        commit(join, leg, &a, unix_seconds);
    else
        conclude(join, &a, unix_seconds);
}

struct wend_chain wend_join_chain(const struct wend_join *join)
{
    return (struct wend_chain){
        .delegation = delegation_bytes(join),
        .membership = {join->membership, join->membership_len},
        .receipt = {join->receipt, WEND_RECEIPT_LEN},
    };
}
