// SPDX-License-Identifier: MIT
// Alarm: one timer of a loop that goes by wend_clock_now, and so goes on while the machine sleeps.
// libuv's own timers stand still then: what fell due in the night would wait for the rest of its
// time in the morning. Exact to the kernel's timer slack, where libuv's count milliseconds.
#ifndef WEND_IO_ALARM_H
#define WEND_IO_ALARM_H

#include <uv.h>

#include "base/time.h"

typedef void wend_alarm_handler(void *context);

struct wend_alarm {
    uv_poll_t poll;
    int fd; // -1: not open
    wend_instant at;
    wend_alarm_handler *handler;
    void *context;
};

// Returns 0 or -errno of timerfd_create; `fd` is -1 then.
int wend_alarm_open(struct wend_alarm *a, uv_loop_t *loop, wend_alarm_handler *handler,
                    void *context);
// Calls the handler once at `at`, from the loop; what was set before is forgotten. In the past: in
// the loop's next round. WEND_NEVER: not at all.
void wend_alarm_set(struct wend_alarm *a, wend_instant at);
// After the loop has closed its handles.
void wend_alarm_close(struct wend_alarm *a);

#endif
