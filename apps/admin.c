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

#define PATIENCE WEND_S(15)

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

// The folder of all networks' keys. Returns 0 or -errno.
static int make_folder(const struct wend_admin *a)
{
    char folder[4096];
    int error = wend_state_path(a->state, "networks", folder, sizeof folder);
    if (error == 0 && mkdir(folder, 0700) != 0 && errno != EEXIST)
        error = -errno;
    return error;
}

// So that a key outlives a power failure with its name.
static int sync_folder(const struct wend_admin *a)
{
    char folder[sizeof a->key_path];
    snprintf(folder, sizeof folder, "%s", a->key_path);
    char *slash = strrchr(folder, '/');
    if (slash == NULL)
        snprintf(folder, sizeof folder, ".");
    else
        slash[slash == folder] = 0;
    const int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    const int error = fsync(fd) != 0 ? -errno : 0;
    close(fd);
    return error;
}

static int find_key(struct wend_admin *a, const char *key_file)
{
    const int n = key_file != NULL ? snprintf(a->key_path, sizeof a->key_path, "%s", key_file)
                                   : snprintf(a->key_path, sizeof a->key_path, "%s/networks/%s.key",
                                              a->state, a->name);
    return n < 0 || (size_t)n >= sizeof a->key_path ? -ENAMETOOLONG : 0;
}

static int make_key(struct wend_admin *a, const char *key_file)
{
    int error = key_file == NULL ? make_folder(a) : 0;
    if (error == 0)
        error = write_key(a);
    return error != 0 ? error : sync_folder(a);
}

static int open_key(struct wend_admin *a, const char *key_file, bool create)
{
    int error = find_key(a, key_file);
    if (error == 0)
        error = read_key(a);
    if (error == -ENOENT && create)
        error = make_key(a, key_file);
    else if (error == -ENOENT)
        return fail(a, "the network's key is not here", a->key_path,
                    "run this where the network was made, or give --key-file");
    if (error == -EBADMSG)
        return fail(a, "not a network key", a->key_path, "give the file `wend network new` made");
    if (error != 0)
        return fail(a, "cannot use the key file", a->key_path, strerror(-error));
    wend_ed25519_public(a->seed, a->public_key);
    return WEND_EXIT_OK;
}

static void value_name(const struct wend_admin *a, const char *what, char ret[static 96])
{
    snprintf(ret, 96, "%s:%s", what, a->name);
}

static int check_record(const struct wend_admin *a, bool create)
{
    const struct wend_bytes record = {a->record, a->record_len};
    if (a->record_len == 0)
        return create ? WEND_EXIT_OK
                      : fail(a, "this network's record is not here", a->name,
                             "run this with the state directory where the network was made");
    if (wend_record_verify(record, a->public_key) != 0)
        return fail(a, "the network's record and key do not belong together", a->key_path,
                    "give the right --key-file");
    if (!a->claimed && !create)
        return fail(a, "no server has taken this network yet", a->name,
                    "repeat wend network new with a claim code");
    return WEND_EXIT_OK;
}

static int open_record(struct wend_admin *a, bool create)
{
    char name[96];
    uint64_t claimed = 0;
    value_name(a, "record", name);
    int len = wend_store_get(a->store, name, a->record, sizeof a->record);
    if (len > 0 &&
        wend_network_record_decode((struct wend_bytes){a->record, (size_t)len}, &a->network) != 0)
        len = -EBADMSG;
    value_name(a, "claimed", name);
    const int error = wend_store_get_number(a->store, name, &claimed);
    if (len < 0 || error != 0)
        return fail(a, "cannot read the state", a->state, strerror(len < 0 ? -len : -error));
    a->record_len = (size_t)len;
    a->claimed = claimed != 0;
    return check_record(a, create);
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
    value_name(a, "record", name);
    const int error = wend_store_put(a->store, name, record);
    if (error != 0)
        return fail(a, "cannot write the state", a->state, strerror(-error));
    if (record.at != a->record)
        memcpy(a->record, record.at, record.len);
    a->record_len = record.len;
    wend_assert(wend_network_record_decode(record, &a->network) == 0);
    return WEND_EXIT_OK;
}

int wend_admin_keep_claimed(struct wend_admin *a)
{
    char name[96];
    value_name(a, "claimed", name);
    const int error = wend_store_put_number(a->store, name, 1);
    a->claimed = error == 0;
    return error == 0 ? WEND_EXIT_OK
                      : fail(a, "cannot write the state", a->state, strerror(-error));
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
