// SPDX-License-Identifier: MIT
#include "io/log.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define LINE_MAX_BYTES 2048

static bool log_json;
static bool log_verbose;

void wend_log_setup(bool json, bool verbose)
{
    log_json = json;
    log_verbose = verbose;
}

static void write_line(const char *line, size_t len)
{
    // Standard error may be a closed pipe or a full disk; a lost log line is not worth a failure.
    const ssize_t ignored = write(STDERR_FILENO, line, len);
    (void)ignored;
}

static bool is_plain(const char *text)
{
    if (text[0] == 0)
        return false;
    for (const char *c = text; *c != 0; c++)
        if (*c <= ' ' || *c == '"' || *c == '\\' || *c == '=' || *c == 127)
            return false;
    return true;
}

static void put_text(FILE *to, const char *text)
{
    if (is_plain(text)) {
        fputs(text, to);
        return;
    }
    fputc('"', to);
    for (const char *c = text; *c != 0; c++) {
        const unsigned char byte = (unsigned char)*c;
        if (byte == '"' || byte == '\\')
            fprintf(to, "\\%c", byte);
        else if (byte < ' ' || byte == 127)
            fprintf(to, "\\x%02x", byte);
        else
            fputc(byte, to);
    }
    fputc('"', to);
}

static void put_field(FILE *to, const struct wend_log_field *f)
{
    fprintf(to, " %s=", f->key);
    switch (f->type) {
    case WEND_LOG_TEXT: put_text(to, f->text != NULL ? f->text : ""); break;
    case WEND_LOG_NUMBER: fprintf(to, "%lld", (long long)f->number); break;
    case WEND_LOG_REAL: fprintf(to, "%.1f", f->real); break;
    case WEND_LOG_END: break;
    }
}

static void print_text(const char *event, const struct wend_log_field *fields)
{
    char line[LINE_MAX_BYTES];
    FILE *to = fmemopen(line, sizeof line - 1, "w");
    if (to == NULL)
        return;
    fputs(event, to);
    for (const struct wend_log_field *f = fields; f->type != WEND_LOG_END; f++)
        put_field(to, f);
    fflush(to);
    const long len = ftell(to);
    fclose(to);
    if (len <= 0)
        return;
    line[len] = '\n';
    write_line(line, (size_t)len + 1);
}

static json_t *field_value(const struct wend_log_field *f)
{
    switch (f->type) {
    case WEND_LOG_TEXT: return json_string(f->text != NULL ? f->text : "");
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
    char line[LINE_MAX_BYTES];
    const size_t len =
        json_dumpb(object, line, sizeof line - 1, JSON_COMPACT | JSON_REAL_PRECISION(15));
    json_decref(object);
    if (len == 0 || len >= sizeof line)
        return;
    line[len] = '\n';
    write_line(line, len + 1);
}

void wend_log_fields(enum wend_log_level level, const char *event,
                     const struct wend_log_field *fields)
{
    if (level == WEND_LOG_DEBUG && !log_verbose)
        return;
    if (log_json)
        print_json(event, fields);
    else
        print_text(event, fields);
}
