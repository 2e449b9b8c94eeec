// SPDX-License-Identifier: MIT
// The DNS server: messages byte for byte, nonsense, and once over a real socket.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/names.h"
#include "netns.h"

static struct wend_name names[3];
static const struct wend_resolver_zone zone = {.network = "home", .names = names, .count = 3};

static struct wend_address parse(const char *text)
{
    struct wend_address a;
    assert_int_equal(wend_address_parse(text, 0, &a), 0);
    return a;
}

static int fill_names(void **state)
{
    (void)state;
    names[0] = (struct wend_name){"laptop", parse("100.64.0.2"), parse("fd12::2")};
    names[1] = (struct wend_name){"phone", parse("100.64.0.3"), parse("fd12::3")};
    names[2] = (struct wend_name){"localhost", parse("100.64.0.4"), {0}};
    return 0;
}

// A message as text: {…} of the header, names with dots for length bytes are written by put_name.
struct message {
    uint8_t at[1024];
    size_t len;
};

static void put_bytes(struct message *m, const void *at, size_t len)
{
    assert_true(m->len + len <= sizeof m->at);
    memcpy(m->at + m->len, at, len);
    m->len += len;
}

static void put_u16(struct message *m, unsigned v)
{
    const uint8_t bytes[] = {(uint8_t)(v >> 8), (uint8_t)v};
    put_bytes(m, bytes, 2);
}

static void put_name(struct message *m, const char *name)
{
    while (*name != 0) {
        const char *dot = strchr(name, '.');
        const size_t len = dot != NULL ? (size_t)(dot - name) : strlen(name);
        const uint8_t byte = (uint8_t)len;
        put_bytes(m, &byte, 1);
        put_bytes(m, name, len);
        name += len + (dot != NULL);
    }
    put_bytes(m, "", 1);
}

static struct message query_of(const char *name, unsigned type)
{
    static const uint8_t header[] = {0xab, 0xcd, 0x01, 0x00, 0, 1, 0, 0, 0, 0, 0, 0};
    struct message m = {.len = 0};
    put_bytes(&m, header, sizeof header);
    put_name(&m, name);
    put_u16(&m, type);
    put_u16(&m, 1);
    return m;
}

static void put_options(struct message *m, uint8_t version)
{
    const uint8_t options[] = {0, 0, 41, 0x10, 0x00, 0, version, 0x80, 0, 0, 4, 0, 10, 0, 0};
    put_bytes(m, options, sizeof options);
    m->at[11]++;
}

static struct message ask(const struct message *q)
{
    struct message a = {.len = 0};
    a.len = wend_resolver_answer(&zone, (struct wend_bytes){q->at, q->len}, a.at, sizeof a.at);
    assert_true(a.len <= WEND_RESOLVER_MESSAGE_MAX);
    return a;
}

// The code of the answer to a question, checking that it has `count` records.
static unsigned code_of(const char *name, unsigned type, unsigned count)
{
    const struct message q = query_of(name, type);
    const struct message a = ask(&q);
    assert_true(a.len >= q.len);
    assert_int_equal(a.at[7], count);
    assert_memory_equal(a.at + 12, q.at + 12, q.len - 12);
    return a.at[3];
}

// RFC 1035 section 4.1: header, question as asked, one record that points to the name.
static void test_a_bytes(void **state)
{
    (void)state;
    static const uint8_t query[] = {
        0x12, 0x34, 0x01, 0x00, 0,   1,   0, 0,   0,   0,   0,   0, // a query that wants recursion
        5,    'P',  'h',  'o',  'n', 'e', 4, 'h', 'o', 'm', 'e', 4,
        'w',  'e',  'n',  'd',  0,   0,   1, 0,   1};
    static const uint8_t answer[] = {
        0x12, 0x34, 0x85, 0x00, 0,   1,   0, 1,   0,   0,   0,   0, // authoritative
        5,    'P',  'h',  'o',  'n', 'e', 4, 'h', 'o', 'm', 'e', 4, 'w', 'e', 'n', 'd', 0, 0, 1,
        0,    1,    0xc0, 0x0c, 0,   1,   0, 1,   0,   0,   0,   5, 0,   4,   100, 64,  0, 3};
    uint8_t out[512];
    assert_int_equal(wend_resolver_answer(&zone, WEND_BYTES(query), out, sizeof out),
                     sizeof answer);
    assert_memory_equal(out, answer, sizeof answer);
}

static void test_aaaa(void **state)
{
    (void)state;
    const struct message q = query_of("laptop", 28);
    const struct message a = ask(&q);
    static const uint8_t record[] = {0xc0, 0x0c, 0, 28, 0, 1, 0, 0, 0, 5, 0, 16, 0xfd, 0x12,
                                     0,    0,    0, 0,  0, 0, 0, 0, 0, 0, 0, 0,  0,    2};
    assert_int_equal(a.len, q.len + sizeof record);
    assert_memory_equal(a.at + q.len, record, sizeof record);
}

static void test_ptr(void **state)
{
    (void)state;
    const char *reverse[] = {
        "3.0.64.100.in-addr.arpa", "3.0.64.100.IN-ADDR.ARPA",
        "3.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.2.1.d.F.ip6.arpa"};
    struct message want = {.len = 0};
    put_name(&want, "phone.home.wend");
    for (size_t i = 0; i < 3; i++) {
        const struct message q = query_of(reverse[i], 12);
        const struct message a = ask(&q);
        assert_int_equal(a.at[3], 0);
        assert_int_equal(a.len, q.len + 12 + want.len);
        assert_int_equal(a.at[q.len + 11], want.len);
        assert_memory_equal(a.at + q.len + 12, want.at, want.len);
    }
}

static void test_codes(void **state)
{
    (void)state;
    assert_int_equal(code_of("phone.home.wend", 1, 1), 0);
    assert_int_equal(code_of("PHONE", 1, 1), 0);
    assert_int_equal(code_of("phone", 255, 2), 0);          // any
    assert_int_equal(code_of("phone.home.wend", 16, 0), 0); // no TXT
    assert_int_equal(code_of("home.wend", 1, 0), 0);
    assert_int_equal(code_of("printer.home.wend", 1, 0), 3);
    assert_int_equal(code_of("www.phone.home.wend", 1, 0), 3);
    assert_int_equal(code_of("localhost.home.wend", 1, 1), 0);
    assert_int_equal(code_of("localhost.home.wend", 28, 0), 0);
    const char *not_ours[] = {"",
                              "printer",
                              "localhost",
                              "wend",
                              "phone.work.wend",
                              "example.com",
                              "homes.wend",
                              "9.0.64.100.in-addr.arpa",
                              "03.0.64.100.in-addr.arpa",
                              "259.0.64.100.in-addr.arpa",
                              "x.0.64.100.in-addr.arpa",
                              "0.64.100.in-addr.arpa",
                              "in-addr.arpa",
                              "arpa",
                              "3.0.64.100.in-addr.example"};
    for (size_t i = 0; i < sizeof not_ours / sizeof *not_ours; i++)
        assert_int_equal(code_of(not_ours[i], 255, 0), 5);
}

static void test_other_classes(void **state)
{
    (void)state;
    struct message q = query_of("phone", 1);
    q.at[q.len - 1] = 3; // CHAOS
    assert_int_equal(ask(&q).at[3], 5);
    q.at[q.len - 1] = 255; // any
    assert_int_equal(ask(&q).at[7], 1);
}

static void test_options(void **state)
{
    (void)state;
    static const uint8_t options[] = {0, 0, 41, 2, 0, 0, 0, 0, 0, 0, 0};
    struct message q = query_of("phone", 1);
    const size_t bare = ask(&q).len;
    put_options(&q, 0);
    struct message a = ask(&q);
    assert_int_equal(a.len, bare + sizeof options);
    assert_int_equal(a.at[11], 1);
    assert_memory_equal(a.at + bare, options, sizeof options);
    put_options(&q, 0); // only one is allowed, RFC 6891 section 6.1.1
    assert_int_equal(ask(&q).at[3], 1);
    q = query_of("phone", 1);
    put_options(&q, 1);
    a = ask(&q); // BADVERS is 16: the upper bits stand in the options
    assert_int_equal(a.at[3], 0);
    assert_int_equal(a.at[7], 0);
    assert_int_equal(a.at[a.len - 6], 1);
}

static void test_no_query(void **state)
{
    (void)state;
    struct message q = query_of("phone", 1);
    uint8_t out[512];
    for (size_t len = 0; len < 12; len++)
        assert_int_equal(wend_resolver_answer(&zone, (struct wend_bytes){q.at, len}, out, 512), 0);
    q.at[2] |= 0x80; // a response
    assert_int_equal(ask(&q).len, 0);
}

static void test_malformed(void **state)
{
    (void)state;
    struct message q = query_of("phone.home.wend", 1);
    for (size_t len = 12; len < q.len; len++) { // cut anywhere
        struct message cut = q;
        cut.len = len;
        const struct message a = ask(&cut);
        assert_int_equal(a.len, 12);
        assert_int_equal(a.at[3], 1);
        assert_int_equal(a.at[5], 0);
        assert_int_equal(a.at[0] << 8 | a.at[1], 0xabcd);
    }
    put_bytes(&q, "x", 1); // something behind it
    assert_int_equal(ask(&q).at[3], 1);
    static const size_t counts[] = {5, 7, 9};
    for (size_t i = 0; i < 3; i++) {
        q = query_of("phone", 1);
        q.at[counts[i]]++;
        assert_int_equal(ask(&q).at[3], 1);
    }
    q = query_of("phone", 1);
    q.at[12] = 0xc0; // a pointer, also to itself
    q.at[13] = 0x0c;
    assert_int_equal(ask(&q).at[3], 1);
    q = query_of("phone", 1);
    q.at[2] = 0x11; // opcode STATUS, still wants recursion
    const struct message a = ask(&q);
    assert_int_equal(a.at[3], 4);
    assert_int_equal(a.at[2], 0x91);
}

static void test_longest_name(void **state)
{
    (void)state;
    char name[256];
    for (size_t i = 0; i < 253; i++)
        name[i] = i % 2 == 0 ? 'a' : '.';
    name[253] = 0; // 127 labels, 255 bytes
    assert_int_equal(code_of(name, 1, 0), 5);
    name[253] = 'a'; // one byte more
    name[254] = 0;
    struct message q = query_of(name, 1);
    assert_int_equal(ask(&q).at[3], 1);
}

static void test_small_room(void **state)
{
    (void)state;
    const struct message q = query_of("phone", 255);
    const size_t whole = ask(&q).len;
    uint8_t *out = malloc(whole); // exactly, for the sanitizer
    assert_non_null(out);
    for (size_t max = 0; max < whole; max++)
        assert_int_equal(wend_resolver_answer(&zone, (struct wend_bytes){q.at, q.len}, out, max),
                         0);
    assert_int_equal(wend_resolver_answer(&zone, (struct wend_bytes){q.at, q.len}, out, whole),
                     whole);
    free(out);
}

// --- over a socket ---

static void exchange(uv_loop_t *loop, const char *server)
{
    const struct message q = query_of("phone", 1);
    const struct message want = ask(&q);
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(53)};
    uint8_t got[1024];
    ssize_t n = -1;
    assert_int_equal(inet_pton(AF_INET, server, &to.sin_addr), 1);
    const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (const struct sockaddr *)&to, sizeof to), 0);
    assert_int_equal(send(fd, "nonsense", 8, 0), 8);
    assert_int_equal(send(fd, q.at, q.len, 0), q.len);
    for (int i = 0; i < 1000 && n < 0; i++) {
        uv_run(loop, UV_RUN_NOWAIT);
        n = recv(fd, got, sizeof got, MSG_DONTWAIT);
    }
    assert_int_equal(n, want.len);
    assert_memory_equal(got, want.at, want.len);
    close(fd);
}

static void read_all(const char *path, char *ret, size_t max)
{
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    ret[fread(ret, 1, max - 1, file)] = 0;
    fclose(file);
}

// Names as a whole, where there is no systemd-resolved or it does not know this namespace.
static void test_names(void **state)
{
    (void)state;
    char path[] = "/tmp/wend-hosts-XXXXXX", text[1024];
    uv_loop_t loop;
    struct wend_names *n = NULL;
    if (!netns_enter())
        skip();
    const int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "127.0.0.1 localhost\n", 20), 20);
    const struct wend_names_config config = {.interface = "wend-test0",
                                             .network = "home",
                                             .hosts = path,
                                             .ipv4 = parse("127.0.0.1"),
                                             .ipv6 = parse("fd12::9")}; // not there: left out
    assert_int_equal(uv_loop_init(&loop), 0);
    assert_int_equal(wend_names_open(&loop, &config, &n), 0);
    assert_int_equal(wend_names_update(n, names, 3), 0);
    exchange(&loop, "127.0.0.1");
    do { // through resolvectl's refusal, if need be
        uv_run(&loop, UV_RUN_NOWAIT);
        read_all(path, text, sizeof text);
    } while (strstr(text, "phone") == NULL);
    assert_non_null(strstr(text, "\n100.64.0.3 phone phone.home.wend\n"));
    assert_int_equal(wend_names_update(n, names, 1), 0);
    read_all(path, text, sizeof text);
    assert_null(strstr(text, "phone"));
    wend_names_close(n);
    wend_names_close(NULL);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
    read_all(path, text, sizeof text);
    assert_string_equal(text, "127.0.0.1 localhost\n");
    close(fd);
    unlink(path);
}

static void test_cannot_bind(void **state)
{
    (void)state;
    uv_loop_t loop;
    struct wend_resolver *r = NULL;
    const struct wend_address none[2] = {parse("192.0.2.1"), {0}};
    assert_int_equal(uv_loop_init(&loop), 0);
    assert_int_equal(wend_resolver_open(&loop, &zone, none, 53, &r), -EADDRNOTAVAIL);
    assert_null(r);
    wend_resolver_close(NULL);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_bytes),       cmocka_unit_test(test_aaaa),
        cmocka_unit_test(test_ptr),           cmocka_unit_test(test_codes),
        cmocka_unit_test(test_other_classes), cmocka_unit_test(test_options),
        cmocka_unit_test(test_no_query),      cmocka_unit_test(test_malformed),
        cmocka_unit_test(test_longest_name),  cmocka_unit_test(test_small_room),
        cmocka_unit_test(test_names),         cmocka_unit_test(test_cannot_bind),
    };
    return cmocka_run_group_tests(tests, fill_names, NULL);
}
