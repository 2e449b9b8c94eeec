// SPDX-License-Identifier: MIT
#include "io/alarm.h"

#include <errno.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "base/assert.h"

#define SECOND WEND_S(1)

static void on_readable(uv_poll_t *poll, int status, int events)
{
    struct wend_alarm *a = poll->data;
    uint64_t count;
    (void)status;
    (void)events;
    if (read(a->fd, &count, sizeof count) != sizeof count)
        return; // set anew since
    a->at = WEND_NEVER;
    a->handler(a->context);
}

int wend_alarm_open(struct wend_alarm *a, uv_loop_t *loop, wend_alarm_handler *handler,
                    void *context)
{
    *a = (struct wend_alarm){.handler = handler, .context = context, .at = WEND_NEVER};
    a->fd = timerfd_create(CLOCK_BOOTTIME, TFD_NONBLOCK | TFD_CLOEXEC);
    if (a->fd < 0)
        return -errno;
    int error = uv_poll_init(loop, &a->poll, a->fd);
    if (error == 0) {
        a->poll.data = a;
        error = uv_poll_start(&a->poll, UV_READABLE, on_readable);
    }
    return error;
}

void wend_alarm_set(struct wend_alarm *a, wend_instant at)
{
    struct itimerspec t = {0};

    if (at == a->at)
        return;
    a->at = at;
    if (at != WEND_NEVER) { // all zero would disarm it
        const wend_instant sound = at > 0 ? at : 1;
        t.it_value = (struct timespec){.tv_sec = sound / SECOND, .tv_nsec = sound % SECOND};
    }
    wend_assert(timerfd_settime(a->fd, TFD_TIMER_ABSTIME, &t, NULL) == 0);
}

void wend_alarm_close(struct wend_alarm *a)
{
    if (a->fd >= 0)
        (void)close(a->fd);
    a->fd = -1;
}
