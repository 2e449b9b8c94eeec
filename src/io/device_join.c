// SPDX-License-Identifier: MIT
// From an invite to a membership on disk.
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "io/client.h"
#include "io/clock.h"
#include "io/device.h"

#define PATIENCE WEND_S(40)

static int explain(struct wend_device_error *why, const char *what, const char *value,
                   const char *fix)
{
    why->what = what;
    snprintf(why->value, sizeof why->value, "%s", value != NULL ? value : "");
    why->fix = fix;
    return -1;
}

bool wend_device_member(struct wend_store *store, struct wend_network_record *ret_network,
                        struct wend_member *ret)
{
    uint8_t record[WEND_NETWORK_RECORD_MAX], delegation[WEND_DELEGATION_LEN];
    uint8_t membership[WEND_MEMBERSHIP_LEN_MAX], receipt[WEND_RECEIPT_LEN];
    const int lengths[] = {
        wend_store_get(store, WEND_STORE_NETWORK, record, sizeof record),
        wend_store_get(store, WEND_STORE_DELEGATION, delegation, sizeof delegation),
        wend_store_get(store, WEND_STORE_MEMBERSHIP, membership, sizeof membership),
        wend_store_get(store, WEND_STORE_RECEIPT, receipt, sizeof receipt),
    };
    for (size_t i = 0; i < 4; i++)
        if (lengths[i] <= 0)
            return false;
    const struct wend_chain chain = {
        .delegation = {delegation, (size_t)lengths[1]},
        .membership = {membership, (size_t)lengths[2]},
        .receipt = {receipt, (size_t)lengths[3]},
    };
    const struct wend_bytes network = {record, (size_t)lengths[0]};
    if (wend_trust_newer_network(NULL, network, ret_network) != WEND_ERROR_NONE)
        return false;
    const struct wend_trust trust = {.network = ret_network};
    return wend_trust_check_member(&trust, &chain, wend_clock_unix_seconds(), ret) ==
           WEND_ERROR_NONE;
}

// What an error of the join means to somebody who holds the invite.
static const char *advice(uint16_t error)
{
    switch (error) {
    case WEND_ERROR_EXPIRED:
    case WEND_ERROR_EXHAUSTED:
    case WEND_ERROR_REVOKED: return "ask for a new invite";
    case WEND_ERROR_NOT_YET_VALID:
    case WEND_ERROR_BACKDATED: return "check the clocks of this device and of the server";
    case WEND_ERROR_TAKEN: return "choose another name with --name";
    case WEND_ERROR_POOL_FULL: return "the network's pool has no free address";
    case WEND_ERROR_NO_ANSWER: return "check that the server runs and is reachable";
    case WEND_ERROR_UNKNOWN_PEER: return "the server does not know this network (any more)";
    case WEND_ERROR_FORGED:
    case WEND_ERROR_FOREIGN:
    case WEND_ERROR_MALFORMED: return "do not trust where it came from; ask for a new invite";
    default: return "ask who runs the network";
    }
}

static const char *invite_trouble(int error)
{
    switch (error) {
    case WEND_ERROR_EXPIRED: return "the invite has expired";
    case WEND_ERROR_NOT_YET_VALID: return "the invite is from the future";
    case WEND_ERROR_FORGED: return "the invite is forged: a signature fails";
    case WEND_ERROR_FOREIGN: return "the invite is of another network than it says";
    default: return "the invite is malformed";
    }
}

static int keep(struct wend_store *store, const struct wend_join *join,
                const struct wend_invite *invite)
{
    const struct wend_chain chain = wend_join_chain(join);
    int error = wend_store_begin(store);
    if (error == 0)
        error =
            wend_store_put(store, WEND_STORE_NETWORK,
                           (struct wend_bytes){invite->network_record, invite->network_record_len});
    if (error == 0)
        error = wend_store_put(store, WEND_STORE_DELEGATION, chain.delegation);
    if (error == 0)
        error = wend_store_put(store, WEND_STORE_MEMBERSHIP, chain.membership);
    if (error == 0)
        error = wend_store_put(store, WEND_STORE_RECEIPT, chain.receipt);
    if (error == 0)
        return wend_store_commit(store);
    wend_store_rollback(store);
    return error;
}

static bool on_event(void *context, struct wend_leg *leg, const struct wend_leg_event *event)
{
    struct wend_join *join = context;
    wend_join_event(join, leg, event, wend_clock_unix_seconds());
    return join->state == WEND_JOIN_DONE || join->state == WEND_JOIN_FAILED;
}

// Tries the network's servers in the record's order until one answers.
static int ask(struct wend_join *join, const struct wend_identity *identity,
               struct wend_device_error *why)
{
    for (size_t i = 0; i < join->network.server_count; i++) {
        const struct wend_server_record *server = &join->network.servers[i];
        const struct wend_client_config config = {
            .identity = identity,
            .server_key = server->session_key,
            .addresses = server->addresses,
            .address_count = server->address_count,
            .patience = PATIENCE,
        };
        struct wend_client *client = NULL;
        int error = wend_client_open(&config, &client);
        if (error == 0)
            error = wend_join_start(join, wend_client_leg(client), wend_clock_unix_seconds());
        if (error == 0)
            error = wend_client_run(client, on_event, join);
        wend_client_close(client);
        if (error == 0 && join->error != WEND_ERROR_NO_ANSWER)
            return 0;
    }
    return explain(why, "no server of the network answers", join->network.name,
                   "check that it runs and that its port is reachable");
}

// The server's words, and the name they are about.
static const char *taken_text(const struct wend_join *join)
{
    static char text[160];
    snprintf(text, sizeof text, "%s: %.80s", join->name, join->why);
    return text;
}

int wend_device_join(struct wend_store *store, const struct wend_invite *invite, const char *name,
                     struct wend_device_error *why)
{
    struct wend_network_record network;
    struct wend_member member;
    if (wend_device_member(store, &network, &member))
        return -EEXIST;
    uint8_t key[32];
    struct wend_identity identity;
    int error = wend_store_identity(store, key);
    if (error != 0)
        return explain(why, "cannot keep this device's key", strerror(-error),
                       "check the state directory and its disk");
    wend_identity_init(&identity, key);
    wend_wipe(key, sizeof key);
    static struct wend_join join; // large
    error = wend_join_init(&join, invite, name, identity.public_key, wend_clock_unix_seconds());
    if (error == -EINVAL)
        return explain(why, "not a device name", name,
                       "use 1 to 63 lower-case letters, digits and hyphens (--name)");
    if (error != 0)
        return explain(why, invite_trouble(error), NULL, advice((uint16_t)error));
    error = ask(&join, &identity, why);
    if (error == 0 && join.state != WEND_JOIN_DONE)
        error = explain(why,
                        join.by_server ? "the server refuses the invite"
                                       : "what the server says cannot be trusted",
                        join.error == WEND_ERROR_TAKEN ? taken_text(&join) : join.why,
                        advice(join.error));
    if (error == 0 && (error = keep(store, &join, invite)) != 0)
        error = explain(why, "cannot keep the membership", strerror(-error),
                        "check the state directory and its disk");
    wend_join_close(&join);
    wend_wipe(&identity, sizeof identity);
    return error;
}
