// SPDX-License-Identifier: MIT
#include "io/store_server.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SCHEMA_VERSION 1
#define BUSY_MS        5000 // another process writes a row: milliseconds

struct wend_server_store {
    sqlite3 *db;
};

static int error_of(int result)
{
    if (result == SQLITE_OK || result == SQLITE_DONE || result == SQLITE_ROW)
        return 0;
    return (result & 0xff) == SQLITE_FULL ? -ENOSPC : -EIO;
}

static int run(struct wend_server_store *s, const char *sql)
{
    return error_of(sqlite3_exec(s->db, sql, NULL, NULL, NULL));
}

// --- statements with blobs as parameters ---

static sqlite3_stmt *prepare(struct wend_server_store *s, const char *sql)
{
    sqlite3_stmt *statement = NULL;
    if (sqlite3_prepare_v2(s->db, sql, -1, &statement, NULL) != SQLITE_OK)
        return NULL;
    return statement;
}

static void bind(sqlite3_stmt *statement, int at, struct wend_bytes bytes)
{
    if (statement != NULL && bytes.at != NULL)
        (void)sqlite3_bind_blob(statement, at, bytes.at, (int)bytes.len, SQLITE_STATIC);
}

// Runs a statement that yields no rows, and ends it.
static int finish(sqlite3_stmt *statement)
{
    if (statement == NULL)
        return -EIO;
    const int result = sqlite3_step(statement);
    (void)sqlite3_finalize(statement);
    return error_of(result);
}

static struct wend_bytes column(sqlite3_stmt *statement, int at)
{
    const void *bytes = sqlite3_column_blob(statement, at);
    return (struct wend_bytes){.at = bytes, .len = (size_t)sqlite3_column_bytes(statement, at)};
}

// --- opening ---

static int make_schema(struct wend_server_store *s)
{
    static const char sql[] =
        "BEGIN IMMEDIATE;"
        "CREATE TABLE IF NOT EXISTS value (name TEXT PRIMARY KEY, value BLOB) WITHOUT ROWID;"
        "CREATE TABLE IF NOT EXISTS network (key BLOB PRIMARY KEY, record BLOB NOT NULL,"
        " revocations BLOB) WITHOUT ROWID;"
        "CREATE TABLE IF NOT EXISTS member (network BLOB, invite BLOB, slot INTEGER,"
        " delegation BLOB NOT NULL, membership BLOB NOT NULL, receipt BLOB NOT NULL,"
        " PRIMARY KEY (network, invite, slot)) WITHOUT ROWID;"
        "CREATE TABLE IF NOT EXISTS claim (id INTEGER PRIMARY KEY, secret BLOB UNIQUE,"
        " made INTEGER, used_by BLOB);"
        "PRAGMA user_version=1;"
        "COMMIT";
    return run(s, sql);
}

static int check_version(struct wend_server_store *s)
{
    sqlite3_stmt *statement = prepare(s, "PRAGMA user_version");
    if (statement == NULL || sqlite3_step(statement) != SQLITE_ROW) {
        (void)sqlite3_finalize(statement);
        return -EIO;
    }
    const int version = sqlite3_column_int(statement, 0);
    (void)sqlite3_finalize(statement);
    if (version > SCHEMA_VERSION)
        return -EPROTONOSUPPORT;
    return version == SCHEMA_VERSION ? 0 : make_schema(s);
}

static int set_up(struct wend_server_store *s, const char *path)
{
    // The file's mode before SQLite has anything to write; its WAL takes the same.
    const int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return -errno;
    close(fd);
    if (sqlite3_open_v2(path, &s->db, SQLITE_OPEN_READWRITE, NULL) != SQLITE_OK)
        return -EIO;
    (void)sqlite3_busy_timeout(s->db, BUSY_MS);
    int error = run(s, "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA cache_size=-256;");
    if (error == 0)
        error = check_version(s);
    return error;
}

int wend_server_store_open(const char *state, bool create, struct wend_server_store **ret)
{
    char path[4096];
    const int len = snprintf(path, sizeof path, "%s/server.db", state);
    if (len < 0 || (size_t)len >= sizeof path)
        return -ENAMETOOLONG;
    if (create && mkdir(state, 0750) != 0 && errno != EEXIST)
        return -errno;
    if (!create && access(path, R_OK | W_OK) != 0)
        return -errno;
    struct wend_server_store *s = calloc(1, sizeof *s);
    if (s == NULL)
        return -ENOMEM;
    const int error = set_up(s, path);
    if (error != 0) {
        wend_server_store_close(s);
        return error;
    }
    *ret = s;
    return 0;
}

void wend_server_store_close(struct wend_server_store *s)
{
    if (s == NULL)
        return;
    (void)sqlite3_close(s->db);
    free(s);
}

// --- values ---

int wend_server_store_get(struct wend_server_store *s, const char *name, uint8_t *ret, size_t max)
{
    sqlite3_stmt *statement = prepare(s, "SELECT value FROM value WHERE name = ?1");
    if (statement == NULL)
        return -EIO;
    (void)sqlite3_bind_text(statement, 1, name, -1, SQLITE_STATIC);
    const int result = sqlite3_step(statement);
    int len = error_of(result);
    if (result == SQLITE_ROW) {
        const struct wend_bytes value = column(statement, 0);
        len = value.len <= max ? (int)value.len : -EMSGSIZE;
        if (len > 0)
            memcpy(ret, value.at, value.len);
    }
    (void)sqlite3_finalize(statement);
    return len;
}

int wend_server_store_put(struct wend_server_store *s, const char *name, struct wend_bytes value)
{
    sqlite3_stmt *statement =
        prepare(s, "INSERT INTO value VALUES (?1, ?2) ON CONFLICT DO UPDATE SET value = ?2");
    if (statement != NULL)
        (void)sqlite3_bind_text(statement, 1, name, -1, SQLITE_STATIC);
    bind(statement, 2, value);
    return finish(statement);
}

// --- loading ---

static int load_networks(struct wend_server_store *s, struct wend_relay *r, size_t *bad)
{
    sqlite3_stmt *statement = prepare(s, "SELECT record, revocations FROM network");
    if (statement == NULL)
        return -EIO;
    int result;
    while ((result = sqlite3_step(statement)) == SQLITE_ROW) {
        if (wend_relay_load_network(r, column(statement, 0)) != 0)
            ++*bad;
        else if (column(statement, 1).len > 0 &&
                 wend_relay_load_revocations(r, column(statement, 1)) != 0)
            ++*bad;
    }
    (void)sqlite3_finalize(statement);
    return error_of(result);
}

static int load_members(struct wend_server_store *s, struct wend_relay *r, size_t *bad)
{
    sqlite3_stmt *statement = prepare(s, "SELECT delegation, membership, receipt FROM member");
    if (statement == NULL)
        return -EIO;
    int result;
    while ((result = sqlite3_step(statement)) == SQLITE_ROW) {
        const struct wend_chain chain = {column(statement, 0), column(statement, 1),
                                         column(statement, 2)};
        if (wend_relay_load_member(r, &chain) != 0)
            ++*bad;
    }
    (void)sqlite3_finalize(statement);
    return error_of(result);
}

int wend_server_store_load_claims(struct wend_server_store *s, struct wend_relay *r)
{
    sqlite3_stmt *statement = prepare(s, "SELECT secret, used_by FROM claim ORDER BY id");
    if (statement == NULL)
        return -EIO;
    int result;
    while ((result = sqlite3_step(statement)) == SQLITE_ROW) {
        const struct wend_bytes secret = column(statement, 0), used_by = column(statement, 1);
        if (secret.len == WEND_CLAIM_SECRET_LEN)
            wend_relay_load_claim(r, secret.at, used_by.len == 32 ? used_by.at : NULL);
    }
    (void)sqlite3_finalize(statement);
    return error_of(result);
}

int wend_server_store_load(struct wend_server_store *s, struct wend_relay *r, size_t *ret_bad)
{
    *ret_bad = 0;
    int error = load_networks(s, r, ret_bad);
    if (error == 0)
        error = load_members(s, r, ret_bad);
    return error == 0 ? wend_server_store_load_claims(s, r) : error;
}

// --- claims ---

int wend_server_store_new_claim(struct wend_server_store *s, uint64_t unix_seconds,
                                const uint8_t secret[static WEND_CLAIM_SECRET_LEN])
{
    sqlite3_stmt *statement = prepare(s, "INSERT INTO claim (secret, made) VALUES (?1, ?2)");
    bind(statement, 1, (struct wend_bytes){secret, WEND_CLAIM_SECRET_LEN});
    if (statement != NULL)
        (void)sqlite3_bind_int64(statement, 2, (sqlite3_int64)unix_seconds);
    return finish(statement);
}

int wend_server_store_unused_claim(struct wend_server_store *s,
                                   uint8_t ret_secret[static WEND_CLAIM_SECRET_LEN])
{
    sqlite3_stmt *statement =
        prepare(s, "SELECT secret FROM claim WHERE used_by IS NULL ORDER BY id DESC LIMIT 1");
    if (statement == NULL)
        return -EIO;
    const int result = sqlite3_step(statement);
    int error = result == SQLITE_DONE ? -ENOENT : error_of(result);
    if (result == SQLITE_ROW) {
        const struct wend_bytes secret = column(statement, 0);
        if (secret.len == WEND_CLAIM_SECRET_LEN)
            memcpy(ret_secret, secret.at, secret.len);
        else
            error = -EIO;
    }
    (void)sqlite3_finalize(statement);
    return error;
}

// --- events ---

static int store_network(struct wend_server_store *s, const struct wend_relay_event *e)
{
    sqlite3_stmt *statement = prepare(s, "INSERT INTO network (key, record) VALUES (?1, ?2)"
                                         " ON CONFLICT DO UPDATE SET record = ?2");
    bind(statement, 1, WEND_BYTES(e->network));
    bind(statement, 2, e->bytes);
    return finish(statement);
}

static int store_revocations(struct wend_server_store *s, const struct wend_relay_event *e)
{
    sqlite3_stmt *statement = prepare(s, "UPDATE network SET revocations = ?2 WHERE key = ?1");
    bind(statement, 1, WEND_BYTES(e->network));
    bind(statement, 2, e->bytes);
    return finish(statement);
}

static int store_member(struct wend_server_store *s, const struct wend_relay_event *e)
{
    sqlite3_stmt *statement =
        prepare(s, "INSERT OR REPLACE INTO member VALUES (?1, ?2, ?3, ?4, ?5, ?6)");
    bind(statement, 1, WEND_BYTES(e->network));
    bind(statement, 2, WEND_BYTES(e->invite_id));
    if (statement != NULL)
        (void)sqlite3_bind_int64(statement, 3, e->slot);
    bind(statement, 4, e->chain.delegation);
    bind(statement, 5, e->chain.membership);
    bind(statement, 6, e->chain.receipt);
    return finish(statement);
}

static int forget_member(struct wend_server_store *s, const struct wend_relay_event *e)
{
    sqlite3_stmt *statement =
        prepare(s, "DELETE FROM member WHERE network = ?1 AND invite = ?2 AND slot = ?3");
    bind(statement, 1, WEND_BYTES(e->network));
    bind(statement, 2, WEND_BYTES(e->invite_id));
    if (statement != NULL)
        (void)sqlite3_bind_int64(statement, 3, e->slot);
    return finish(statement);
}

static int store_claim_used(struct wend_server_store *s, const struct wend_relay_event *e)
{
    sqlite3_stmt *statement = prepare(s, "UPDATE claim SET used_by = ?2 WHERE secret = ?1");
    bind(statement, 1, e->bytes);
    bind(statement, 2, WEND_BYTES(e->network));
    return finish(statement);
}

int wend_server_store_begin(struct wend_server_store *s)
{
    return run(s, "BEGIN IMMEDIATE");
}

int wend_server_store_apply(struct wend_server_store *s, const struct wend_relay_event *e)
{
    switch (e->kind) {
    case WEND_RELAY_STORE_NETWORK: return store_network(s, e);
    case WEND_RELAY_STORE_REVOCATIONS: return store_revocations(s, e);
    case WEND_RELAY_STORE_MEMBER: return store_member(s, e);
    case WEND_RELAY_FORGET_MEMBER: return forget_member(s, e);
    case WEND_RELAY_STORE_CLAIM_USED: return store_claim_used(s, e);
    case WEND_RELAY_NONE:
    case WEND_RELAY_RELOAD_CLAIMS:
    case WEND_RELAY_CLAIMED:
    case WEND_RELAY_JOINED:
    case WEND_RELAY_ONLINE:
    case WEND_RELAY_OFFLINE:
    case WEND_RELAY_REVOKED: break;
    }
    return 0;
}

int wend_server_store_commit(struct wend_server_store *s)
{
    return run(s, "COMMIT");
}

void wend_server_store_rollback(struct wend_server_store *s)
{
    (void)run(s, "ROLLBACK");
}
