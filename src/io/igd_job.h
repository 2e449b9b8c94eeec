// SPDX-License-Identifier: MIT
// One job with a UPnP gateway, in a thread of its own; shared by igd*.c alone.
//
// Owned by the loop until it is abandoned, then by its thread. `lock` guards `owner` and `done`;
// the rest belongs to the thread until `done`, but for `cancelled`.
#ifndef WEND_IO_IGD_JOB_H
#define WEND_IO_IGD_JOB_H

#include <pthread.h>
#include <stdatomic.h>
#include <uv.h>

#include "base/address.h"

#define WEND_IGD_URL_SIZE 512

enum wend_igd_work { WEND_IGD_MAP = 0, WEND_IGD_DELETE };

// What the jobs learn about the device and hand on.
struct wend_igd_device {
    char control[WEND_IGD_URL_SIZE]; // empty: not found yet
    char service[128];
    int version;
};

struct wend_igd_job {
    pthread_mutex_t lock;
    pthread_cond_t ended;
    uv_async_t *owner; // NULL: abandoned
    bool done;
    atomic_bool cancelled;

    enum wend_igd_work work;
    struct wend_address gateway, inside;
    uint16_t wanted; // outside port
    char description[WEND_IGD_URL_SIZE];
    struct wend_igd_device device;

    // What came of it: `why` is NULL when it went well.
    const char *why;
    int code;
    struct wend_address external;
    uint32_t lifetime_s;
};

// Does the work; blocks.
void wend_igd_work(struct wend_igd_job *job);

#endif
