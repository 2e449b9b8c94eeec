// SPDX-License-Identifier: MIT
// What a log line looks like, read back from standard error.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

#include "io/log.h"

static int real_stderr, ends[2];

static int open_pipe(void **state)
{
    (void)state;
    if (pipe(ends) != 0)
        return -1;
    real_stderr = dup(STDERR_FILENO);
    return 0;
}

static int close_pipe(void **state)
{
    (void)state;
    close(ends[0]);
    close(ends[1]);
    close(real_stderr);
    return 0;
}

static void begin(bool json, bool verbose)
{
    wend_log_setup(json, verbose);
    dup2(ends[1], STDERR_FILENO);
}

// What was written since begin; standard error is the old one again.
static const char *end(void)
{
    static char text[16384];
    dup2(real_stderr, STDERR_FILENO);
    assert_int_equal(write(ends[1], "#", 1), 1); // so that reading never waits
    size_t len = 0;
    while (len == 0 || text[len - 1] != '#') {
        const ssize_t n = read(ends[0], text + len, sizeof text - 1 - len);
        assert_true(n > 0);
        len += (size_t)n;
    }
    text[len - 1] = 0;
    return text;
}

static void plain_values_are_not_quoted(void **state)
{
    (void)state;
    begin(false, false);
    wend_log(WEND_LOG_INFO, "path", WEND_T("peer", "phone"), WEND_N("port", -1),
             WEND_R("rtt_ms", 4.06), WEND_T("key", NULL));
    assert_string_equal(end(), "path peer=phone port=-1 rtt_ms=4.1 key=\"\"\n");
}

static void an_event_alone(void **state)
{
    (void)state;
    begin(false, false);
    wend_log_fields(WEND_LOG_INFO, "stop", (const struct wend_log_field[]){{.key = NULL}});
    assert_string_equal(end(), "stop\n");
}

static void no_value_can_make_a_line_or_obey_a_terminal(void **state)
{
    (void)state;
    begin(false, false);
    wend_log(WEND_LOG_INFO, "join", WEND_T("name", "a\nclaimed name=x \x1b[2J\"\\\x7f\xc2\x9b"));
    assert_string_equal(end(),
                        "join name=\"a\\x0aclaimed name=x \\x1b[2J\\\"\\\\\\x7f\\xc2\\x9b\"\n");
}

static void debug_is_for_verbose(void **state)
{
    (void)state;
    begin(false, false);
    wend_log(WEND_LOG_DEBUG, "drop", WEND_N("count", 1));
    assert_string_equal(end(), "");
    begin(false, true);
    wend_log(WEND_LOG_DEBUG, "drop", WEND_N("count", 1));
    assert_string_equal(end(), "drop count=1\n");
}

static void a_long_value_is_cut_and_the_line_ends(void **state)
{
    (void)state;
    char big[9000];
    memset(big, 'x', sizeof big - 1);
    big[sizeof big - 1] = 0;
    begin(false, false);
    wend_log(WEND_LOG_INFO, "big", WEND_T("value", big), WEND_N("after", 1));
    const char *line = end();
    assert_int_equal(strlen(line), 4096);
    assert_ptr_equal(strchr(line, '\n'), line + 4095);
    assert_memory_equal(line, "big value=xxx", 13);
}

static void json_lines_parse(void **state)
{
    (void)state;
    begin(true, false);
    wend_log(WEND_LOG_INFO, "path", WEND_T("peer", "a\n\"b\""), WEND_N("port", 3478),
             WEND_R("rtt_ms", 4.5), WEND_T("raw", "caf\xe9"), WEND_T("utf8", "caf\xc3\xa9"));
    const char *line = end();
    assert_ptr_equal(strchr(line, '\n'), line + strlen(line) - 1);
    for (const char *c = line; c[1] != 0; c++)
        assert_in_range(*c, ' ', '~');
    json_t *o = json_loads(line, 0, NULL);
    assert_non_null(o);
    assert_string_equal(json_string_value(json_object_get(o, "event")), "path");
    assert_string_equal(json_string_value(json_object_get(o, "peer")), "a\n\"b\"");
    assert_string_equal(json_string_value(json_object_get(o, "raw")), "caf\xc3\xa9");
    assert_string_equal(json_string_value(json_object_get(o, "utf8")), "caf\xc3\xa9");
    assert_int_equal(json_integer_value(json_object_get(o, "port")), 3478);
    assert_true(json_real_value(json_object_get(o, "rtt_ms")) == 4.5);
    assert_true(json_real_value(json_object_get(o, "time")) > 1.6e9);
    json_decref(o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_values_are_not_quoted),
        cmocka_unit_test(an_event_alone),
        cmocka_unit_test(no_value_can_make_a_line_or_obey_a_terminal),
        cmocka_unit_test(debug_is_for_verbose),
        cmocka_unit_test(a_long_value_is_cut_and_the_line_ends),
        cmocka_unit_test(json_lines_parse),
    };
    return cmocka_run_group_tests(tests, open_pipe, close_pipe);
}
