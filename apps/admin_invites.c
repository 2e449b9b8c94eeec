// SPDX-License-Identifier: MIT
// The invites that an administrator has made: printed once, and their public half kept, so that
// they can be shown and revoked before anybody has used them.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin.h"
#include "io/clock.h"

#define KEPT_MAX 512 // more: the oldest is forgotten here, and goes on to be valid

// The kept delegations, one after the other, oldest first.
struct kept {
    size_t count;
    uint8_t at[KEPT_MAX][WEND_DELEGATION_LEN];
};

static bool may_be_used(const uint8_t *delegation)
{
    struct wend_delegation d;
    return wend_delegation_decode((struct wend_bytes){delegation, WEND_DELEGATION_LEN}, &d) == 0 &&
           d.join_before >= wend_clock_unix_seconds();
}

// Reads those that may still be used. NULL without memory; nothing kept or readable: count 0.
static struct kept *load(struct wend_admin *a, const char *name)
{
    struct kept *kept = calloc(1, sizeof *kept);
    if (kept == NULL)
        return NULL;
    const int len = wend_store_get(a->store, name, kept->at[0], sizeof kept->at);
    const size_t found = len > 0 ? (size_t)len / WEND_DELEGATION_LEN : 0;
    for (size_t i = 0; i < found; i++)
        if (may_be_used(kept->at[i]))
            memmove(kept->at[kept->count++], kept->at[i], WEND_DELEGATION_LEN);
    return kept;
}

static void value_name(const struct wend_admin *a, char ret[static 96])
{
    snprintf(ret, 96, "invites:%s", a->name);
}

static int add(struct wend_admin *a, const uint8_t delegation[static WEND_DELEGATION_LEN])
{
    char name[96];
    value_name(a, name);
    int error = wend_store_begin(a->store); // two commands at once lose nothing
    if (error != 0)
        return error;
    struct kept *kept = load(a, name);
    if (kept == NULL) {
        wend_store_rollback(a->store);
        return -ENOMEM;
    }
    if (kept->count == KEPT_MAX)
        memmove(kept->at[0], kept->at[1], --kept->count * sizeof kept->at[0]);
    memcpy(kept->at[kept->count++], delegation, WEND_DELEGATION_LEN);
    error = wend_store_put(a->store, name,
                           (struct wend_bytes){kept->at[0], kept->count * WEND_DELEGATION_LEN});
    free(kept);
    if (error == 0)
        return wend_store_commit(a->store);
    wend_store_rollback(a->store);
    return error;
}

void wend_admin_each_invite(struct wend_admin *a,
                            void (*each)(void *context, struct wend_bytes delegation),
                            void *context)
{
    char name[96];
    value_name(a, name);
    struct kept *kept = load(a, name);
    for (size_t i = 0; kept != NULL && i < kept->count; i++)
        each(context, (struct wend_bytes){kept->at[i], WEND_DELEGATION_LEN});
    free(kept);
}

static void make(const struct wend_admin *a, const struct wend_admin_invite *wish,
                 struct wend_invite *ret)
{
    const uint64_t now = wend_clock_unix_seconds();
    struct wend_delegation delegation = {
        .issued = now,
        .join_before = now + wish->expires_s,
        .uses = wish->uses,
        .member_for = wish->member_for_s,
    };
    *ret = (struct wend_invite){.network_record_len = a->record_len};
    memcpy(ret->network_record, a->record, a->record_len);
    wend_entropy(ret->seed);
    memcpy(delegation.network, a->public_key, sizeof delegation.network);
    wend_ed25519_public(ret->seed, delegation.invite_key);
    struct wend_writer w = wend_writer_of(ret->delegation, sizeof ret->delegation);
    wend_assert(wend_delegation_sign(&delegation, a->seed, &w) == 0);
}

int wend_admin_print_invite(struct wend_admin *a, const struct wend_admin_invite *wish)
{
    struct wend_invite invite;
    char text[WEND_INVITE_TEXT_SIZE];
    make(a, wish, &invite);
    // Kept first: what is told to somebody can be found again.
    int error = add(a, invite.delegation);
    if (error == 0) {
        wend_assert(wend_invite_encode(&invite, text) == 0);
        if (printf("%s\n", text) < 0 || fflush(stdout) != 0)
            error = -errno;
        wend_wipe(text, sizeof text);
    }
    wend_wipe(&invite, sizeof invite);
    return error == 0 ? WEND_EXIT_OK
                      : wend_cli_fail(WEND_EXIT_FAILED, a->command, "cannot print the invite",
                                      a->name, strerror(-error));
}
