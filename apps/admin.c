// SPDX-License-Identifier: MIT
#include "admin.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"
#include "io/clock.h"

#define PATIENCE WEND_S(30)

static int fail(const struct wend_admin *a, const char *what, const char *value, const char *fix)
{
    return wend_cli_fail(WEND_EXIT_FAILED, a->command, what, value, fix);
}

// The text of a key file: base64 of the seed and a line feed.
static int write_key(struct wend_admin *a)
{
    char text[WEND_BASE64_SIZE(WEND_ED25519_LEN) + 1];
    wend_entropy(a->seed);
    wend_base64_encode((struct wend_bytes){a->seed, sizeof a->seed}, text);
    const size_t len = strlen(text);
    text[len] = '\n';
    const int fd = open(a->key_path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    int error = fd < 0 ? errno : 0;
    if (error == 0 && (write(fd, text, len + 1) != (ssize_t)len + 1 || fsync(fd) != 0))
        error = errno != 0 ? errno : EIO;
    if (fd >= 0)
        close(fd);
    wend_wipe(text, sizeof text);
    if (error != 0 && fd >= 0)
        unlink(a->key_path);
    return -error;
}

static int read_key(struct wend_admin *a)
{
    char text[128] = {0};
    const int fd = open(a->key_path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    const ssize_t n = read(fd, text, sizeof text - 1);
    close(fd);
    size_t len = n > 0 ? (size_t)n : 0;
    while (len > 0 && (text[len - 1] == '\n' || text[len - 1] == ' '))
        len--;
    const ssize_t seed_len = wend_base64_decode((struct wend_bytes){(const uint8_t *)text, len},
                                                a->seed, sizeof a->seed);
    wend_wipe(text, sizeof text);
    return seed_len == (ssize_t)sizeof a->seed ? 0 : -EBADMSG;
}

static int open_key(struct wend_admin *a, const char *key_file, bool create)
{
    char name[96];
    int n = key_file != NULL ? snprintf(a->key_path, sizeof a->key_path, "%s", key_file)
                             : snprintf(a->key_path, sizeof a->key_path, "%s/networks/%s.key",
                                        a->state, a->name);
    if (n < 0 || (size_t)n >= sizeof a->key_path)
        return fail(a, "the key file's path is too long", key_file, "choose a shorter one");
    if (key_file == NULL && create) {
        snprintf(name, sizeof name, "%s", "networks");
        char folder[4096];
        if (wend_state_path(a->state, name, folder, sizeof folder) != 0 ||
            (mkdir(folder, 0700) != 0 && errno != EEXIST))
            return fail(a, "cannot make the folder for network keys", folder, strerror(errno));
    }
    int error = read_key(a);
    if (error == -ENOENT && create)
        error = write_key(a);
    if (error == -ENOENT)
        return fail(a, "the network's key is not here", a->key_path,
                    "run this where the network was made, or give --key-file");
    if (error == -EBADMSG)
        return fail(a, "not a network key", a->key_path, "give the file `wend network new` made");
    if (error != 0)
        return fail(a, "cannot use the key file", a->key_path, strerror(-error));
    wend_ed25519_public(a->seed, a->public_key);
    return WEND_EXIT_OK;
}

static void record_name(const struct wend_admin *a, char ret[static 96])
{
    snprintf(ret, 96, "record:%s", a->name);
}

static int open_record(struct wend_admin *a, bool create)
{
    char name[96];
    record_name(a, name);
    const int len = wend_store_get(a->store, name, a->record, sizeof a->record);
    if (len < 0)
        return fail(a, "cannot read the state", a->state, strerror(-len));
    a->record_len = (size_t)len;
    const struct wend_bytes record = {a->record, a->record_len};
    if (len == 0)
        return create ? WEND_EXIT_OK
                      : fail(a, "this network's record is not here", a->name,
                             "run this with the state directory where the network was made");
    if (wend_network_record_decode(record, &a->network) != 0 ||
        wend_record_verify(record, a->public_key) != 0)
        return fail(a, "the network's record and key do not belong together", a->key_path,
                    "give the right --key-file");
    return WEND_EXIT_OK;
}

int wend_admin_open(struct wend_admin *a, const char *key_file, bool create)
{
    const struct wend_bytes name = {(const uint8_t *)a->name, strlen(a->name)};
    if (!wend_name_is_valid(name))
        return wend_cli_fail(WEND_EXIT_USAGE, a->command, "not a network name", a->name,
                             "use 1 to 63 lower-case letters, digits and hyphens");
    const int error = wend_store_open(a->state, false, &a->store);
    if (error != 0)
        return fail(a, "cannot open the state directory", a->state,
                    error == -EACCES ? "choose another with --state" : strerror(-error));
    const int status = open_key(a, key_file, create);
    return status != WEND_EXIT_OK ? status : open_record(a, create);
}

void wend_admin_close(struct wend_admin *a)
{
    wend_store_close(a->store);
    wend_wipe(a, sizeof *a);
}

int wend_admin_keep_record(struct wend_admin *a, struct wend_bytes record)
{
    char name[96];
    record_name(a, name);
    const int error = wend_store_put(a->store, name, record);
    if (error != 0)
        return fail(a, "cannot write the state", a->state, strerror(-error));
    if (record.at != a->record)
        memcpy(a->record, record.at, record.len);
    a->record_len = record.len;
    wend_assert(wend_network_record_decode(record, &a->network) == 0);
    return WEND_EXIT_OK;
}

int wend_admin_print_invite(const struct wend_admin *a, const struct wend_admin_invite *wish)
{
    struct wend_invite invite = {.network_record_len = a->record_len};
    memcpy(invite.network_record, a->record, a->record_len);
    wend_entropy(invite.seed);
    const uint64_t now = (uint64_t)wend_clock_unix_ns() / 1000000000u;
    struct wend_delegation delegation = {
        .issued = now,
        .join_before = now + wish->expires_s,
        .uses = wish->uses,
        .member_for = wish->member_for_s,
    };
    memcpy(delegation.network, a->public_key, sizeof delegation.network);
    wend_ed25519_public(invite.seed, delegation.invite_key);
    struct wend_writer w = wend_writer_of(invite.delegation, sizeof invite.delegation);
    wend_assert(wend_delegation_sign(&delegation, a->seed, &w) == 0);
    char text[WEND_INVITE_TEXT_SIZE];
    wend_assert(wend_invite_encode(&invite, text) == 0);
    const bool printed = printf("%s\n", text) > 0 && fflush(stdout) == 0;
    wend_wipe(text, sizeof text);
    wend_wipe(&invite, sizeof invite);
    return printed ? WEND_EXIT_OK : fail(a, "cannot print the invite", NULL, strerror(errno));
}

static struct wend_client *connect_to(const struct wend_admin *a,
                                      const struct wend_client_config *config)
{
    struct wend_client *client = NULL;
    const int error = wend_client_open(config, &client);
    if (error == -ENOENT)
        fail(a, "the server's name cannot be resolved", config->addresses[0].host,
             "check DNS, or use an address");
    else if (error != 0)
        fail(a, "cannot open a connection to the server", NULL, strerror(-error));
    return client;
}

struct wend_client *wend_admin_connect(const struct wend_admin *a)
{
    const struct wend_server_record *server = &a->network.servers[0];
    return connect_to(a, &(struct wend_client_config){.server_key = server->session_key,
                                                      .addresses = server->addresses,
                                                      .address_count = server->address_count,
                                                      .patience = PATIENCE});
}

struct wend_client *wend_admin_connect_claim(const struct wend_admin *a,
                                             const struct wend_claim *claim)
{
    return connect_to(a, &(struct wend_client_config){.server_key = claim->session_key,
                                                      .addresses = claim->addresses,
                                                      .address_count = claim->address_count,
                                                      .patience = PATIENCE});
}

struct asking {
    struct wend_admin_errand *errand;
    uint32_t id;
    bool timed_out;
};

static bool on_event(void *context, struct wend_leg *leg, const struct wend_leg_event *event)
{
    struct asking *asking = context;
    struct wend_admin_errand *e = asking->errand;
    (void)leg;
    if (event->id != asking->id)
        return false;
    if (event->kind == WEND_LEG_TIMED_OUT) {
        asking->timed_out = true;
        return true;
    }
    if (event->kind != WEND_LEG_RESPONSE)
        return false;
    e->error = event->error;
    e->answer_len =
        event->attributes.len <= sizeof e->answer ? event->attributes.len : sizeof e->answer;
    if (e->answer_len > 0)
        memcpy(e->answer, event->attributes.at, e->answer_len);
    size_t len = 0;
    for (size_t i = 0; i < event->error_text.len && len + 1 < sizeof e->error_text; i++) {
        const uint8_t byte = event->error_text.at[i];
        e->error_text[len++] = byte >= ' ' && byte < 127 ? (char)byte : '?';
    }
    e->error_text[len] = 0;
    return true;
}

int wend_admin_ask(struct wend_client *c, struct wend_admin_errand *e)
{
    struct asking asking = {.errand = e};
    const int error =
        wend_leg_request(wend_client_leg(c), e->type, e->attributes, PATIENCE, &asking.id);
    if (error != 0)
        return error;
    const int ran = wend_client_run(c, on_event, &asking);
    return ran != 0 || asking.timed_out ? -ETIMEDOUT : 0;
}

const char *wend_admin_advice(uint16_t error)
{
    switch (error) {
    case WEND_ERROR_NOT_ALLOWED: return "check the claim code or the network's key";
    case WEND_ERROR_EXPIRED: return "get a fresh one";
    case WEND_ERROR_STALE: return "somebody else changed it; try again";
    case WEND_ERROR_TAKEN: return "it is in use already";
    case WEND_ERROR_LIMIT: return "the server is full";
    default: return NULL;
    }
}

int wend_admin_judge(const struct wend_admin *a, const struct wend_admin_errand *e, int error)
{
    if (error == -ETIMEDOUT)
        return fail(a, "the server does not answer", NULL,
                    "check that `wend serve` runs and its port is reachable");
    if (error != 0)
        return fail(a, "cannot ask the server", NULL, strerror(-error));
    if (e->error != 0)
        return fail(a, "the server refused",
                    e->error_text[0] != 0 ? e->error_text : wend_error_name(e->error),
                    wend_admin_advice(e->error));
    return WEND_EXIT_OK;
}
