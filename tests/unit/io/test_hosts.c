// SPDX-License-Identifier: MIT
// The block in the hosts file, in files of all kinds: every byte of others stays as it was.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/hosts.h"

#define BLOCK                                                                                      \
    "# wend begin home wend0\n"                                                                    \
    "100.64.0.3 phone phone.home.wend\n"                                                           \
    "fd12::3 phone phone.home.wend\n"                                                              \
    "100.64.0.4 tv tv.home.wend\n"                                                                 \
    "# wend end home wend0\n"
#define OTHER                                                                                      \
    "# wend begin home wend1\n"                                                                    \
    "100.64.0.9 phone phone.home.wend\n"                                                           \
    "# wend end home wend1\n"

static char path[64];
static struct wend_name names[4];
static const struct wend_hosts hosts = {.path = path, .network = "home", .interface = "wend0"};

static struct wend_address parse(const char *text)
{
    struct wend_address a;
    assert_int_equal(wend_address_parse(text, 0, &a), 0);
    return a;
}

static int make_file(void **state)
{
    (void)state;
    strcpy(path, "/tmp/wend-hosts-XXXXXX");
    const int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    names[0] = (struct wend_name){"phone", parse("100.64.0.3"), parse("fd12::3")};
    names[1] = (struct wend_name){"tv", parse("100.64.0.4"), {0}};
    names[2] = (struct wend_name){"localhost", parse("100.64.0.5"), {0}}; // never written
    names[3] = (struct wend_name){"x y\nz", parse("100.64.0.6"), {0}};    // nor this
    return 0;
}

static int remove_file(void **state)
{
    (void)state;
    return unlink(path);
}

static void put(const char *text, size_t len)
{
    const int fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, len), len);
    close(fd);
}

static void expect(const char *text, size_t len)
{
    static char got[1 << 20];
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    const ssize_t n = read(fd, got, sizeof got - 1);
    close(fd);
    assert_true(n >= 0);
    got[n] = 0;
    if ((size_t)n != len || memcmp(got, text, len) != 0)
        fail_msg("got: %s", got);
}

static void put_text(const char *text)
{
    put(text, strlen(text));
}

static void expect_text(const char *text)
{
    expect(text, strlen(text));
}

// Writing gives `with`, twice the same; removing gives `without`.
static void round_trip(const char *before, const char *with, const char *without)
{
    put_text(before);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(wend_hosts_write(&hosts, names, 4), 0);
        expect_text(with);
    }
    for (int i = 0; i < 2; i++) {
        assert_int_equal(wend_hosts_remove(&hosts), 0);
        expect_text(without);
    }
}

static void test_plain_files(void **state)
{
    (void)state;
    round_trip("", BLOCK, "");
    round_trip("127.0.0.1 localhost\n", "127.0.0.1 localhost\n" BLOCK, "127.0.0.1 localhost\n");
    round_trip("\n\n\n", "\n\n\n" BLOCK, "\n\n\n");
}

static void test_no_final_newline(void **state)
{
    (void)state;
    round_trip("a", BLOCK "a", "a");
    round_trip("127.0.0.1 localhost\n::1 localhost", "127.0.0.1 localhost\n" BLOCK "::1 localhost",
               "127.0.0.1 localhost\n::1 localhost");
    round_trip(" ", BLOCK " ", " ");
}

static void test_crlf(void **state)
{
    (void)state;
    round_trip("127.0.0.1 localhost\r\n::1 x\r\n", "127.0.0.1 localhost\r\n::1 x\r\n" BLOCK,
               "127.0.0.1 localhost\r\n::1 x\r\n");
    // Somebody's editor converted our block with the rest.
    round_trip("1.1.1.1 a\r\n# wend begin home wend0\r\n100.64.0.3 phone phone.home.wend\r\n"
               "# wend end home wend0\r\n::1 x\r\n",
               "1.1.1.1 a\r\n" BLOCK "::1 x\r\n", "1.1.1.1 a\r\n::1 x\r\n");
}

static void test_bytes_that_are_no_text(void **state)
{
    (void)state;
    static const char before[] = "\0\0\n\xff\xfe junk\n100.64.0.3 \0phone phone.home.wend\n";
    char with[sizeof before + sizeof BLOCK];
    put(before, sizeof before - 1);
    assert_int_equal(wend_hosts_write(&hosts, names, 4), 0);
    memcpy(with, before, sizeof before - 1);
    memcpy(with + sizeof before - 1, BLOCK, sizeof BLOCK - 1);
    expect(with, sizeof before - 1 + sizeof BLOCK - 1);
    assert_int_equal(wend_hosts_remove(&hosts), 0);
    expect(before, sizeof before - 1);
}

static void test_two_instances(void **state)
{
    (void)state;
    const struct wend_hosts other = {.path = path, .network = "home", .interface = "wend1"};
    struct wend_name one = {"phone", parse("100.64.0.9"), {0}};
    put_text("127.0.0.1 localhost\n");
    assert_int_equal(wend_hosts_write(&other, &one, 1), 0);
    assert_int_equal(wend_hosts_write(&hosts, names, 4), 0);
    expect_text("127.0.0.1 localhost\n" OTHER BLOCK);
    assert_int_equal(wend_hosts_write(&other, NULL, 0), 0);
    expect_text("127.0.0.1 localhost\n# wend begin home wend1\n# wend end home wend1\n" BLOCK);
    assert_int_equal(wend_hosts_write(&other, &one, 1), 0);
    expect_text("127.0.0.1 localhost\n" OTHER BLOCK);
    assert_int_equal(wend_hosts_remove(&hosts), 0);
    expect_text("127.0.0.1 localhost\n" OTHER);
    assert_int_equal(wend_hosts_remove(&other), 0);
    expect_text("127.0.0.1 localhost\n");
}

static void test_leftovers_are_replaced_in_place(void **state)
{
    (void)state;
    round_trip(
        "a\n# wend begin home wend0\n100.64.0.7 old old.home.wend\n# wend end home wend0\nb\n"
        "# wend begin home wend0\n# wend end home wend0\nc\n# wend end home wend0\n",
        "a\n" BLOCK "b\nc\n", "a\nb\nc\n");
}

static void test_strangers_inside_stay(void **state)
{
    (void)state;
    round_trip("a\n# wend begin home wend0\n100.64.0.7 old old.home.wend\n9.9.9.9 mine\n"
               "100.64.0.8 new new.home.wend\n# wend end home wend0\nb\n",
               "a\n" BLOCK "9.9.9.9 mine\nb\n", "a\n9.9.9.9 mine\nb\n");
}

static void test_block_cut_in_half(void **state)
{
    (void)state;
    round_trip("a\n# wend begin home wend0\n100.64.0.7 old old.home.wend\n", "a\n" BLOCK, "a\n");
    round_trip("a\n# wend begin home wend0\n", "a\n" BLOCK, "a\n");
    round_trip("a\n# wend begin home wend0\n100.64.0.7 old old.home.wend\n9.9.9.9 mine\n"
               "100.64.0.7 old old.home.wend\n",
               "a\n" BLOCK "9.9.9.9 mine\n100.64.0.7 old old.home.wend\n",
               "a\n9.9.9.9 mine\n100.64.0.7 old old.home.wend\n");
    // The next instance's block is not swallowed.
    round_trip("# wend begin home wend0\n100.64.0.7 old old.home.wend\n" OTHER "b\n",
               BLOCK OTHER "b\n", OTHER "b\n");
    round_trip("# wend begin home wend0\n" OTHER "b\n# wend end home wend0\n", BLOCK OTHER "b\n",
               OTHER "b\n");
}

// Whatever the length at which our own writing was cut, the next writing mends it.
static void test_cut_at_every_byte(void **state)
{
    (void)state;
    static const char head[] = "127.0.0.1 localhost\n";
    char text[sizeof head + sizeof BLOCK] = "";
    const size_t begin = sizeof head - 1 + strlen("# wend begin home wend0");
    strcat(text, head);
    strcat(text, BLOCK);
    for (size_t len = begin; len <= strlen(text); len++) {
        put(text, len);
        assert_int_equal(wend_hosts_write(&hosts, names, 4), 0);
        expect_text(text);
    }
}

static void test_other_networks_lines_stay(void **state)
{
    (void)state;
    round_trip("# wend begin work wend0\n1.2.3.4 a a.work.wend\n# wend end work wend0\n"
               "# wend begin home wend00\n# wend end home wend00\n"
               "100.64.0.3 phone phone.home.wend\n",
               "# wend begin work wend0\n1.2.3.4 a a.work.wend\n# wend end work wend0\n"
               "# wend begin home wend00\n# wend end home wend00\n"
               "100.64.0.3 phone phone.home.wend\n" BLOCK,
               "# wend begin work wend0\n1.2.3.4 a a.work.wend\n# wend end work wend0\n"
               "# wend begin home wend00\n# wend end home wend00\n"
               "100.64.0.3 phone phone.home.wend\n");
}

// In place: same inode, same mode; the file may be a bind mount.
static void test_in_place(void **state)
{
    (void)state;
    struct stat before, after;
    put_text("a\n");
    assert_int_equal(chmod(path, 0640), 0);
    assert_int_equal(stat(path, &before), 0);
    assert_int_equal(wend_hosts_write(&hosts, names, 4), 0);
    assert_int_equal(wend_hosts_remove(&hosts), 0);
    assert_int_equal(stat(path, &after), 0);
    assert_int_equal(before.st_ino, after.st_ino);
    assert_int_equal(before.st_mode, after.st_mode);
}

static void test_nothing_to_do_is_not_written(void **state)
{
    (void)state;
    struct stat before, after;
    put_text("a\n" BLOCK "b");
    const struct timespec past[2] = {{.tv_sec = 1000}, {.tv_sec = 1000}};
    assert_int_equal(utimensat(AT_FDCWD, path, past, 0), 0);
    assert_int_equal(stat(path, &before), 0);
    assert_int_equal(wend_hosts_write(&hosts, names, 4), 0);
    assert_int_equal(stat(path, &after), 0);
    assert_int_equal(before.st_mtim.tv_sec, after.st_mtim.tv_sec);
}

static void test_refusals(void **state)
{
    (void)state;
    const struct wend_hosts gone = {
        .path = "/tmp/wend-not-there", .network = "home", .interface = "wend0"};
    assert_int_equal(wend_hosts_write(&gone, names, 4), -ENOENT);
    assert_int_equal(access(gone.path, F_OK), -1);
    const struct wend_hosts directory = {.path = "/tmp", .network = "home", .interface = "wend0"};
    assert_int_equal(wend_hosts_write(&directory, names, 4), -EISDIR);
    put_text("a\n");
    const int fd = open(path, O_RDWR | O_CLOEXEC);
    assert_int_equal(flock(fd, LOCK_EX), 0);
    assert_int_equal(wend_hosts_write(&hosts, names, 4), -EBUSY);
    close(fd);
    expect_text("a\n");
    assert_int_equal(truncate(path, WEND_HOSTS_BYTES_MAX + 1), 0);
    assert_int_equal(wend_hosts_write(&hosts, names, 4), -EFBIG);
}

static void test_read_only(void **state)
{
    (void)state;
    put_text("a\n");
    assert_int_equal(chmod(path, 0444), 0);
    const bool root = geteuid() == 0;
    if (root)
        assert_int_equal(seteuid(65534), 0);
    const int error = wend_hosts_write(&hosts, names, 4);
    if (root)
        assert_int_equal(seteuid(0), 0);
    assert_int_equal(error, -EACCES);
    expect_text("a\n");
}

static void test_many_names(void **state)
{
    (void)state;
    static struct wend_name many[4096];
    struct stat s;
    for (unsigned i = 0; i < 4096; i++) {
        snprintf(many[i].name, sizeof many[i].name, "d%u", i);
        many[i].ipv4 = wend_address_ipv4(0x64400000 + i, 0);
        many[i].ipv6 = parse("fd12::3");
    }
    put_text("a\n");
    assert_int_equal(wend_hosts_write(&hosts, many, 4096), 0);
    assert_int_equal(stat(path, &s), 0);
    assert_true(s.st_size > 2 * 4096 * 20);
    assert_int_equal(wend_hosts_write(&hosts, names, 4), 0);
    expect_text("a\n" BLOCK);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, make_file, remove_file)
    const struct CMUnitTest tests[] = {
        TEST(test_plain_files),
        TEST(test_no_final_newline),
        TEST(test_crlf),
        TEST(test_bytes_that_are_no_text),
        TEST(test_two_instances),
        TEST(test_leftovers_are_replaced_in_place),
        TEST(test_strangers_inside_stay),
        TEST(test_block_cut_in_half),
        TEST(test_cut_at_every_byte),
        TEST(test_other_networks_lines_stay),
        TEST(test_in_place),
        TEST(test_nothing_to_do_is_not_written),
        TEST(test_refusals),
        TEST(test_read_only),
        TEST(test_many_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
