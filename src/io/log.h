// SPDX-License-Identifier: MIT
// The log: one line an event on standard error, `event key=value …`, or a JSON object with
// --log-json.
//
//   wend_log(WEND_LOG_INFO, "path", "peer=%s kind=%s rtt_ms=%.1f", …) is not how it goes: values
//   may come from a network, so each is passed apart and quoted when it holds more than plain
//   characters.
//
// Secrets are never logged. Thread-safe: a line is one write.
#ifndef WEND_IO_LOG_H
#define WEND_IO_LOG_H

#include <stdbool.h>
#include <stdint.h>

enum wend_log_level {
    WEND_LOG_INFO = 0,
    WEND_LOG_DEBUG, // only with -v
};

void wend_log_setup(bool json, bool verbose);
// Nothing is logged from now on: for commands whose answer says it all.
void wend_log_mute(void);

enum wend_log_type {
    WEND_LOG_END = 0,
    WEND_LOG_TEXT,
    WEND_LOG_NUMBER,
    WEND_LOG_REAL, // one decimal
};

struct wend_log_field {
    const char *key;
    enum wend_log_type type;
    const char *text;
    int64_t number;
    double real;
};

// `fields` ends with one of type WEND_LOG_END.
void wend_log_fields(enum wend_log_level level, const char *event,
                     const struct wend_log_field *fields);

// wend_log(WEND_LOG_INFO, "path", WEND_T("peer", name), WEND_R("rtt_ms", 4.1));
#define WEND_T(k, v)                                                                               \
    {                                                                                              \
        .key = (k), .type = WEND_LOG_TEXT, .text = (v)                                             \
    }
#define WEND_N(k, v)                                                                               \
    {                                                                                              \
        .key = (k), .type = WEND_LOG_NUMBER, .number = (int64_t)(v)                                \
    }
#define WEND_R(k, v)                                                                               \
    {                                                                                              \
        .key = (k), .type = WEND_LOG_REAL, .real = (v)                                             \
    }
#define wend_log(level, event, ...)                                                                \
    wend_log_fields(level, event,                                                                  \
                    (const struct wend_log_field[]){__VA_ARGS__ __VA_OPT__(, ){.key = NULL}})

#endif
