// SPDX-License-Identifier: MIT
#include "io/log.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define LINE_MAX_BYTES 4096 // what a pipe takes in one piece

static bool log_json;
static bool log_verbose;
static bool log_muted;

void wend_log_setup(bool json, bool verbose)
{
    log_json = json;
    log_verbose = verbose;
}

void wend_log_mute(void)
{
    log_muted = true;
}

// One line as it grows; what does not fit is left out, the line feed never is.
struct line {
    char at[LINE_MAX_BYTES];
    size_t len;
};

static void put(struct line *l, const char *text, size_t len)
{
    const size_t room = sizeof l->at - 1 - l->len;
    const size_t taken = len < room ? len : room;
    memcpy(l->at + l->len, text, taken);
    l->len += taken;
}

__attribute__((format(printf, 2, 3))) static void put_format(struct line *l, const char *format,
                                                             ...)
{
    char text[64];
    va_list list;
    va_start(list, format);
    const int n = vsnprintf(text, sizeof text, format, list);
    va_end(list);
    if (n > 0)
        put(l, text, (size_t)n < sizeof text ? (size_t)n : sizeof text - 1);
}

static void write_line(struct line *l)
{
    l->at[l->len++] = '\n';
    // Standard error may be a closed pipe or a full disk; a lost log line is not worth a failure.
    const ssize_t ignored = write(STDERR_FILENO, l->at, l->len);
    (void)ignored;
}

static bool is_visible(unsigned char byte)
{
    return byte > ' ' && byte < 127;
}

static bool is_plain(const char *text)
{
    for (const char *c = text; *c != 0; c++)
        if (!is_visible((unsigned char)*c) || strchr("\"\\=", *c) != NULL)
            return false;
    return text[0] != 0;
}

// Anything beyond ASCII's visible characters comes as \xNN, so that no terminal obeys it.
static void put_text(struct line *l, const char *text)
{
    if (is_plain(text)) {
        put(l, text, strlen(text));
        return;
    }
    put(l, "\"", 1);
    for (const char *c = text; *c != 0; c++) {
        const unsigned char byte = (unsigned char)*c;
        if (byte == '"' || byte == '\\')
            put_format(l, "\\%c", byte);
        else if (byte == ' ' || is_visible(byte))
            put(l, c, 1);
        else
            put_format(l, "\\x%02x", byte);
    }
    put(l, "\"", 1);
}

static void put_field(struct line *l, const struct wend_log_field *f)
{
    put(l, " ", 1);
    put(l, f->key, strlen(f->key));
    put(l, "=", 1);
    switch (f->type) {
    case WEND_LOG_TEXT: put_text(l, f->text != NULL ? f->text : ""); break;
    case WEND_LOG_NUMBER: put_format(l, "%" PRId64, f->number); break;
    case WEND_LOG_REAL: put_format(l, "%.1f", f->real); break;
    case WEND_LOG_END: break;
    }
}

static void print_text(const char *event, const struct wend_log_field *fields)
{
    struct line line = {.len = 0};
    put(&line, event, strlen(event));
    for (const struct wend_log_field *f = fields; f->type != WEND_LOG_END; f++)
        put_field(&line, f);
    write_line(&line);
}

// What is not UTF-8 (a host's name, a path) is shown byte by byte, as Latin-1.
static json_t *json_any_text(const char *text)
{
    json_t *value = json_string(text);
    if (value != NULL)
        return value;
    char wide[2 * LINE_MAX_BYTES / 4];
    size_t len = 0;
    for (const char *c = text; *c != 0 && len + 2 < sizeof wide; c++) {
        const unsigned char byte = (unsigned char)*c;
        if (byte >= 128)
            wide[len++] = (char)(0xc0 | byte >> 6);
        wide[len++] = (char)(byte >= 128 ? 0x80 | (byte & 0x3f) : byte);
    }
    return json_stringn(wide, len);
}

static json_t *field_value(const struct wend_log_field *f)
{
    switch (f->type) {
    case WEND_LOG_TEXT: return json_any_text(f->text != NULL ? f->text : "");
    case WEND_LOG_NUMBER: return json_integer(f->number);
    case WEND_LOG_REAL: return json_real(f->real);
    case WEND_LOG_END: break;
    }
    return NULL;
}

static void print_json(const char *event, const struct wend_log_field *fields)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    json_t *object = json_object();
    json_object_set_new(object, "time", json_real((double)now.tv_sec + (double)now.tv_nsec / 1e9));
    json_object_set_new(object, "event", json_string(event));
    for (const struct wend_log_field *f = fields; f->type != WEND_LOG_END; f++)
        json_object_set_new(object, f->key, field_value(f));
    struct line line = {.len = 0};
    const size_t len = json_dumpb(object, line.at, sizeof line.at - 1,
                                  JSON_COMPACT | JSON_ENSURE_ASCII | JSON_REAL_PRECISION(15));
    json_decref(object);
    if (len == 0 || len >= sizeof line.at)
        return; // half an object is of no use to anybody
    line.len = len;
    write_line(&line);
}

void wend_log_fields(enum wend_log_level level, const char *event,
                     const struct wend_log_field *fields)
{
    if (log_muted || (level == WEND_LOG_DEBUG && !log_verbose))
        return;
    if (log_json)
        print_json(event, fields);
    else
        print_text(event, fields);
}
