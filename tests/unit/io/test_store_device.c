// SPDX-License-Identifier: MIT
// A device's state directory, on a real file system.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "io/store_device.h"

static char folder[64], state_path[96];

static int make_folder(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/wend-test-store-XXXXXX");
    if (mkdtemp(folder) == NULL)
        return -1;
    snprintf(state_path, sizeof state_path, "%s/deep/er", folder);
    return 0;
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *where)
{
    (void)st;
    (void)kind;
    (void)where;
    return remove(path);
}

static int remove_folder(void **state)
{
    (void)state;
    return nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static struct wend_store *must_open(bool exclusive)
{
    struct wend_store *s = NULL;
    assert_int_equal(wend_store_open(state_path, exclusive, &s), 0);
    assert_non_null(s);
    return s;
}

static mode_t mode_of(const char *name)
{
    char path[256];
    struct stat st;
    snprintf(path, sizeof path, "%s%s", state_path, name);
    assert_int_equal(stat(path, &st), 0);
    return st.st_mode & 07777;
}

static void nobody_else_reads_the_state(void **state)
{
    (void)state;
    const mode_t before = umask(0);
    struct wend_store *s = must_open(true);
    assert_int_equal(wend_store_put_number(s, WEND_STORE_PORT, 1), 0);
    assert_int_equal(mode_of(""), 0750);
    assert_int_equal(mode_of("/wend.db"), 0600);
    assert_int_equal(mode_of("/wend.db-wal"), 0600);
    assert_int_equal(mode_of("/wend.lock"), 0600);
    wend_store_close(s);
    umask(before);
}

static void a_trailing_slash_makes_no_difference(void **state)
{
    (void)state;
    char path[128];
    snprintf(path, sizeof path, "%s//", state_path);
    assert_int_equal(wend_state_make(path), 0);
    assert_int_equal(mode_of(""), 0750);
    assert_int_equal(wend_state_make(path), 0);
}

static void paths_that_cannot_be(void **state)
{
    (void)state;
    struct wend_store *s = NULL;
    char path[256], longer[5000];
    assert_int_equal(wend_state_make(""), -ENAMETOOLONG);
    memset(longer, 'x', sizeof longer - 1);
    longer[sizeof longer - 1] = 0;
    assert_int_equal(wend_state_make(longer), -ENAMETOOLONG);
    assert_int_equal(wend_state_path(longer, "wend.db", path, sizeof path), -ENAMETOOLONG);
    snprintf(path, sizeof path, "%s/file", folder);
    const int fd = open(path, O_CREAT | O_WRONLY, 0600);
    close(fd);
    assert_int_equal(wend_store_open(path, false, &s), -ENOTDIR);
    strcat(path, "/below");
    assert_int_equal(wend_store_open(path, false, &s), -ENOTDIR);
    assert_null(s);
}

static void values_come_back_after_closing(void **state)
{
    (void)state;
    static const uint8_t value[] = {0, 1, 2, 0xff, 0};
    uint8_t back[8] = {9, 9, 9, 9, 9, 9, 9, 9};
    struct wend_store *s = must_open(false);
    assert_int_equal(wend_store_get(s, "network", back, sizeof back), 0);
    assert_int_equal(wend_store_put(s, "network", WEND_BYTES(value)), 0);
    wend_store_close(s);
    s = must_open(false);
    assert_int_equal(wend_store_get(s, "network", back, sizeof back), 5);
    assert_memory_equal(back, value, 5);
    memset(back, 9, sizeof back);
    assert_int_equal(wend_store_get(s, "network", back, 4), -EMSGSIZE);
    assert_int_equal(back[0], 9);
    assert_int_equal(wend_store_put(s, "network", (struct wend_bytes){0}), 0);
    assert_int_equal(wend_store_get(s, "network", back, sizeof back), 0);
    wend_store_close(s);
}

static void numbers(void **state)
{
    (void)state;
    uint64_t n = 5;
    struct wend_store *s = must_open(false);
    assert_int_equal(wend_store_get_number(s, WEND_STORE_LABEL_FLOOR, &n), 0);
    assert_int_equal(n, 0);
    assert_int_equal(wend_store_put_number(s, WEND_STORE_LABEL_FLOOR, UINT64_MAX - 1), 0);
    assert_int_equal(wend_store_get_number(s, WEND_STORE_LABEL_FLOOR, &n), 0);
    assert_true(n == UINT64_MAX - 1);
    wend_store_close(s);
}

static void the_identity_is_drawn_once(void **state)
{
    (void)state;
    uint8_t first[32] = {0}, again[32];
    const uint8_t zero[32] = {0};
    struct wend_store *s = must_open(false);
    assert_int_equal(wend_store_identity(s, first), 0);
    assert_memory_not_equal(first, zero, 32);
    wend_store_close(s);
    s = must_open(false);
    assert_int_equal(wend_store_identity(s, again), 0);
    assert_memory_equal(first, again, 32);
    assert_int_equal(wend_store_put(s, "identity", (struct wend_bytes){first, 31}), 0);
    assert_int_equal(wend_store_identity(s, again), -EIO); // never a new one in its place
    wend_store_close(s);
}

static void one_at_a_time_if_exclusive(void **state)
{
    (void)state;
    struct wend_store *s = must_open(true), *other = NULL;
    assert_int_equal(wend_store_open(state_path, true, &other), -EBUSY);
    assert_null(other);
    other = must_open(false); // an administrator's command beside the daemon
    assert_int_equal(wend_store_put_number(other, "record:home", 3), 0);
    wend_store_close(other);
    wend_store_close(s);
    s = must_open(true); // and the lock is gone with its holder
    wend_store_close(s);
    wend_store_close(NULL);
}

static void all_or_nothing(void **state)
{
    (void)state;
    uint64_t n = 0;
    struct wend_store *s = must_open(false);
    assert_int_equal(wend_store_begin(s), 0);
    assert_int_equal(wend_store_put_number(s, "a", 1), 0);
    wend_store_rollback(s);
    assert_int_equal(wend_store_get_number(s, "a", &n), 0);
    assert_int_equal(n, 0);
    assert_int_equal(wend_store_begin(s), 0);
    assert_int_equal(wend_store_put_number(s, "a", 2), 0);
    assert_int_equal(wend_store_commit(s), 0);
    wend_store_close(s);
    s = must_open(false);
    assert_int_equal(wend_store_get_number(s, "a", &n), 0);
    assert_int_equal(n, 2);
    wend_store_close(s);
}

// What was put is there after the process died without a word; what was not committed is not.
static void a_killed_process_loses_nothing(void **state)
{
    (void)state;
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct wend_store *s = NULL;
        if (wend_store_open(state_path, true, &s) != 0 || wend_store_put_number(s, "a", 7) != 0 ||
            wend_store_begin(s) != 0 || wend_store_put_number(s, "a", 8) != 0)
            _exit(1);
        raise(SIGKILL);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    uint64_t n = 0;
    struct wend_store *s = must_open(true);
    assert_int_equal(wend_store_get_number(s, "a", &n), 0);
    assert_int_equal(n, 7);
    wend_store_close(s);
}

static struct wend_pin found[4];
static size_t found_count;

static void find_pin(void *context, const struct wend_pin *pin)
{
    assert_ptr_equal(context, found);
    assert_true(found_count < 4);
    found[found_count++] = *pin;
}

static void pins(void **state)
{
    (void)state;
    struct wend_pin pin = {.slot = UINT32_MAX,
                           .ipv4 = 0x64400005,
                           .receipt_time = 1700000000,
                           .expires = 1800000000,
                           .name = "phone"};
    memset(pin.key, 1, sizeof pin.key);
    memset(pin.invite_id, 2, sizeof pin.invite_id);
    struct wend_store *s = must_open(false);
    assert_int_equal(wend_store_put_pin(s, &pin), 0);
    pin.expires++;
    assert_int_equal(wend_store_put_pin(s, &pin), 0); // in its own place
    struct wend_pin second = pin;
    second.slot = 1;
    assert_int_equal(wend_store_put_pin(s, &second), 0);
    assert_int_equal(wend_store_drop_pin(s, &second), 0);
    wend_store_close(s);
    s = must_open(false);
    found_count = 0;
    assert_int_equal(wend_store_each_pin(s, find_pin, found), 0);
    assert_int_equal(found_count, 1);
    assert_memory_equal(found[0].key, pin.key, sizeof pin.key);
    assert_memory_equal(found[0].invite_id, pin.invite_id, sizeof pin.invite_id);
    assert_true(found[0].slot == UINT32_MAX);
    assert_int_equal(found[0].ipv4, 0x64400005);
    assert_int_equal(found[0].receipt_time, 1700000000);
    assert_int_equal(found[0].expires, 1800000001);
    assert_string_equal(found[0].name, "phone");
    wend_store_close(s);
}

static void run_sql(const char *sql)
{
    char path[256];
    sqlite3 *db = NULL;
    snprintf(path, sizeof path, "%s/wend.db", state_path);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

static void rows_that_are_no_pins_are_left_out(void **state)
{
    (void)state;
    struct wend_store *s = must_open(false);
    wend_store_close(s);
    run_sql("INSERT INTO pin VALUES(x'0102', x'0304', 1, 1, 1, 1, 'short');"
            "INSERT INTO pin VALUES(zeroblob(32), zeroblob(8), 1, 1, 1, 1, NULL);"
            "INSERT INTO pin VALUES(zeroblob(32), zeroblob(8), 2, 1, 1, 1,"
            " '0123456789012345678901234567890123456789012345678901234567890123456789');");
    s = must_open(false);
    found_count = 0;
    assert_int_equal(wend_store_each_pin(s, find_pin, found), 0);
    assert_int_equal(found_count, 0);
    wend_store_close(s);
}

static void a_newer_version_or_a_damaged_file_is_left_alone(void **state)
{
    (void)state;
    struct wend_store *s = must_open(false);
    wend_store_close(s);
    run_sql("PRAGMA user_version=2");
    s = NULL;
    assert_int_equal(wend_store_open(state_path, false, &s), -EPROTONOSUPPORT);
    assert_null(s);

    char path[256];
    snprintf(path, sizeof path, "%s/wend.db", state_path);
    const int fd = open(path, O_WRONLY | O_TRUNC);
    assert_int_equal(write(fd, "this is no database at all, is it?", 34), 34);
    close(fd);
    assert_int_equal(wend_store_open(state_path, false, &s), -EIO);
    assert_null(s);
}

#define WITH_FOLDER(test) cmocka_unit_test_setup_teardown(test, make_folder, remove_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_FOLDER(nobody_else_reads_the_state),
        WITH_FOLDER(a_trailing_slash_makes_no_difference),
        WITH_FOLDER(paths_that_cannot_be),
        WITH_FOLDER(values_come_back_after_closing),
        WITH_FOLDER(numbers),
        WITH_FOLDER(the_identity_is_drawn_once),
        WITH_FOLDER(one_at_a_time_if_exclusive),
        WITH_FOLDER(all_or_nothing),
        WITH_FOLDER(a_killed_process_loses_nothing),
        WITH_FOLDER(pins),
        WITH_FOLDER(rows_that_are_no_pins_are_left_out),
        WITH_FOLDER(a_newer_version_or_a_damaged_file_is_left_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
