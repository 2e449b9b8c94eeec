// SPDX-License-Identifier: MIT
#include "io/store_device.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "crypto/crypto.h"
#include "io/client.h"

#define SCHEMA_VERSION 1
#define BUSY_MS        5000

struct wend_store {
    sqlite3 *db;
    int lock; // -1: not held
};

int wend_state_path(const char *state, const char *name, char *ret, size_t ret_len)
{
    const int n = snprintf(ret, ret_len, "%s/%s", state, name);
    return n < 0 || (size_t)n >= ret_len ? -ENAMETOOLONG : 0;
}

int wend_state_make(const char *state)
{
    char path[4096];
    size_t len = strlen(state);
    if (len == 0 || len >= sizeof path)
        return -ENAMETOOLONG;
    memcpy(path, state, len + 1);
    while (len > 1 && path[len - 1] == '/')
        path[--len] = 0;
    for (size_t i = 1; i <= len; i++) {
        if (path[i] != '/' && path[i] != 0)
            continue;
        const char kept = path[i];
        path[i] = 0;
        if (mkdir(path, i == len ? 0750 : 0755) != 0 && errno != EEXIST)
            return -errno;
        path[i] = kept;
    }
    struct stat st;
    if (stat(state, &st) != 0)
        return -errno;
    return S_ISDIR(st.st_mode) ? 0 : -ENOTDIR;
}

static int to_errno(int sqlite_error)
{
    switch (sqlite_error) {
    case SQLITE_OK:
    case SQLITE_DONE:
    case SQLITE_ROW: return 0;
    case SQLITE_FULL: return -ENOSPC;
    case SQLITE_CANTOPEN:
    case SQLITE_PERM:
    case SQLITE_READONLY: return -EACCES;
    case SQLITE_BUSY: return -EBUSY;
    default: return -EIO;
    }
}

static int run(struct wend_store *s, const char *sql)
{
    return to_errno(sqlite3_exec(s->db, sql, NULL, NULL, NULL));
}

static int read_version(struct wend_store *s, int *ret)
{
    sqlite3_stmt *q = NULL;
    int error = sqlite3_prepare_v2(s->db, "PRAGMA user_version", -1, &q, NULL);
    if (error == SQLITE_OK)
        error = sqlite3_step(q);
    if (error == SQLITE_ROW)
        *ret = sqlite3_column_int(q, 0);
    sqlite3_finalize(q);
    return to_errno(error);
}

static int make_tables(struct wend_store *s)
{
    return run(s, "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
                  "BEGIN IMMEDIATE;"
                  "CREATE TABLE IF NOT EXISTS value(name TEXT PRIMARY KEY, value BLOB NOT NULL);"
                  "CREATE TABLE IF NOT EXISTS pin(key BLOB, invite BLOB, slot INTEGER,"
                  " ipv4 INTEGER, receipt_time INTEGER, expires INTEGER, name TEXT,"
                  " PRIMARY KEY(key, invite, slot));"
                  "PRAGMA user_version=1;"
                  "COMMIT;");
}

static int take_lock(struct wend_store *s, const char *state)
{
    char path[4096];
    const int error = wend_state_path(state, "wend.lock", path, sizeof path);
    if (error != 0)
        return error;
    s->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (s->lock < 0)
        return -errno;
    if (flock(s->lock, LOCK_EX | LOCK_NB) != 0)
        return errno == EWOULDBLOCK ? -EBUSY : -errno;
    return 0;
}

static int open_database(struct wend_store *s, const char *state)
{
    char path[4096];
    int error = wend_state_path(state, "wend.db", path, sizeof path);
    if (error != 0)
        return error;
    // Made here, so that SQLite's default mode never holds for a moment.
    const int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return -errno;
    close(fd);
    if (sqlite3_open_v2(path, &s->db, SQLITE_OPEN_READWRITE, NULL) != SQLITE_OK)
        return to_errno(s->db != NULL ? sqlite3_errcode(s->db) : SQLITE_NOMEM);
    sqlite3_busy_timeout(s->db, BUSY_MS);
    int version = 0;
    error = read_version(s, &version);
    if (error != 0)
        return error;
    if (version > SCHEMA_VERSION)
        return -EPROTONOSUPPORT;
    return make_tables(s);
}

int wend_store_open(const char *state, bool exclusive, struct wend_store **ret)
{
    int error = wend_state_make(state);
    if (error != 0)
        return error;
    struct wend_store *s = calloc(1, sizeof *s);
    if (s == NULL)
        return -ENOMEM;
    s->lock = -1;
    if (exclusive)
        error = take_lock(s, state);
    if (error == 0)
        error = open_database(s, state);
    if (error != 0) {
        wend_store_close(s);
        return error;
    }
    *ret = s;
    return 0;
}

void wend_store_close(struct wend_store *s)
{
    if (s == NULL)
        return;
    sqlite3_close(s->db);
    if (s->lock >= 0)
        close(s->lock);
    free(s);
}

int wend_store_get(struct wend_store *s, const char *name, uint8_t *ret, size_t ret_len)
{
    sqlite3_stmt *q = NULL;
    int result = sqlite3_prepare_v2(s->db, "SELECT value FROM value WHERE name=?", -1, &q, NULL);
    if (result != SQLITE_OK)
        return to_errno(result);
    sqlite3_bind_text(q, 1, name, -1, SQLITE_STATIC);
    const int step = sqlite3_step(q);
    if (step == SQLITE_ROW) {
        const int len = sqlite3_column_bytes(q, 0);
        result = (size_t)len > ret_len ? -EMSGSIZE : len;
        if (result > 0)
            memcpy(ret, sqlite3_column_blob(q, 0), (size_t)len);
    } else {
        result = to_errno(step);
    }
    sqlite3_finalize(q);
    return result;
}

int wend_store_put(struct wend_store *s, const char *name, struct wend_bytes value)
{
    const char *sql = value.len > 0 ? "INSERT OR REPLACE INTO value(name, value) VALUES(?1, ?2)"
                                    : "DELETE FROM value WHERE name=?1";
    sqlite3_stmt *q = NULL;
    int result = sqlite3_prepare_v2(s->db, sql, -1, &q, NULL);
    if (result != SQLITE_OK)
        return to_errno(result);
    sqlite3_bind_text(q, 1, name, -1, SQLITE_STATIC);
    if (value.len > 0)
        sqlite3_bind_blob(q, 2, value.at, (int)value.len, SQLITE_STATIC);
    result = sqlite3_step(q);
    sqlite3_finalize(q);
    return to_errno(result);
}

int wend_store_get_number(struct wend_store *s, const char *name, uint64_t *ret)
{
    uint8_t bytes[8];
    const int len = wend_store_get(s, name, bytes, sizeof bytes);
    if (len < 0)
        return len;
    *ret = len == 8 ? wend_get_u64le(bytes) : 0;
    return 0;
}

int wend_store_put_number(struct wend_store *s, const char *name, uint64_t value)
{
    uint8_t bytes[8];
    wend_put_u64le(bytes, value);
    return wend_store_put(s, name, (struct wend_bytes){.at = bytes, .len = sizeof bytes});
}

int wend_store_identity(struct wend_store *s, uint8_t ret_private_key[static 32])
{
    const int len = wend_store_get(s, "identity", ret_private_key, 32);
    if (len == 32)
        return 0;
    if (len != 0)
        return len < 0 ? len : -EIO;
    uint8_t key[32];
    wend_entropy(key);
    const int error = wend_store_put(s, "identity", (struct wend_bytes){.at = key, .len = 32});
    if (error == 0)
        memcpy(ret_private_key, key, 32);
    wend_wipe(key, sizeof key);
    return error;
}

int wend_store_begin(struct wend_store *s)
{
    return run(s, "BEGIN IMMEDIATE");
}

int wend_store_commit(struct wend_store *s)
{
    return run(s, "COMMIT");
}

void wend_store_rollback(struct wend_store *s)
{
    (void)run(s, "ROLLBACK");
}

static void bind_pin(sqlite3_stmt *q, const struct wend_pin *pin)
{
    sqlite3_bind_blob(q, 1, pin->key, sizeof pin->key, SQLITE_STATIC);
    sqlite3_bind_blob(q, 2, pin->invite_id, sizeof pin->invite_id, SQLITE_STATIC);
    sqlite3_bind_int64(q, 3, pin->slot);
}

int wend_store_put_pin(struct wend_store *s, const struct wend_pin *pin)
{
    sqlite3_stmt *q = NULL;
    int result = sqlite3_prepare_v2(
        s->db,
        "INSERT OR REPLACE INTO pin(key, invite, slot, ipv4, receipt_time, expires, name)"
        " VALUES(?,?,?,?,?,?,?)",
        -1, &q, NULL);
    if (result != SQLITE_OK)
        return to_errno(result);
    bind_pin(q, pin);
    sqlite3_bind_int64(q, 4, pin->ipv4);
    sqlite3_bind_int64(q, 5, (sqlite3_int64)pin->receipt_time);
    sqlite3_bind_int64(q, 6, (sqlite3_int64)pin->expires);
    sqlite3_bind_text(q, 7, pin->name, -1, SQLITE_STATIC);
    result = sqlite3_step(q);
    sqlite3_finalize(q);
    return to_errno(result);
}

int wend_store_drop_pin(struct wend_store *s, const struct wend_pin *pin)
{
    sqlite3_stmt *q = NULL;
    int result = sqlite3_prepare_v2(s->db, "DELETE FROM pin WHERE key=? AND invite=? AND slot=?",
                                    -1, &q, NULL);
    if (result != SQLITE_OK)
        return to_errno(result);
    bind_pin(q, pin);
    result = sqlite3_step(q);
    sqlite3_finalize(q);
    return to_errno(result);
}

// Reads the row that `q` stands on. False if it is not what put_pin wrote.
static bool read_pin(sqlite3_stmt *q, struct wend_pin *ret)
{
    *ret = (struct wend_pin){0};
    const char *name = (const char *)sqlite3_column_text(q, 6);
    if (sqlite3_column_bytes(q, 0) != sizeof ret->key ||
        sqlite3_column_bytes(q, 1) != sizeof ret->invite_id || name == NULL ||
        strlen(name) >= sizeof ret->name)
        return false;
    memcpy(ret->key, sqlite3_column_blob(q, 0), sizeof ret->key);
    memcpy(ret->invite_id, sqlite3_column_blob(q, 1), sizeof ret->invite_id);
    ret->slot = (uint32_t)sqlite3_column_int64(q, 2);
    ret->ipv4 = (uint32_t)sqlite3_column_int64(q, 3);
    ret->receipt_time = (uint64_t)sqlite3_column_int64(q, 4);
    ret->expires = (uint64_t)sqlite3_column_int64(q, 5);
    memcpy(ret->name, name, strlen(name) + 1);
    return true;
}

int wend_store_each_pin(struct wend_store *s, void (*each)(void *context, const struct wend_pin *),
                        void *context)
{
    sqlite3_stmt *q = NULL;
    int result = sqlite3_prepare_v2(
        s->db, "SELECT key, invite, slot, ipv4, receipt_time, expires, name FROM pin", -1, &q,
        NULL);
    if (result != SQLITE_OK)
        return to_errno(result);
    while ((result = sqlite3_step(q)) == SQLITE_ROW) {
        struct wend_pin pin;
        if (read_pin(q, &pin))
            each(context, &pin);
    }
    sqlite3_finalize(q);
    return to_errno(result);
}
