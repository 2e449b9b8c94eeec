// SPDX-License-Identifier: MIT
// Mapping a port at a UPnP Internet Gateway Device, versions 1 and 2, through libminiupnpc.
//
// Place:  beside traverse/mapping.h (PCP, NAT-PMP), for gateways that speak neither; both are
//         driven by io/port_mapping.h.
// State:  idle --start--> working --granted--> held --renewal, failure--> working
//         working --nobody, refused--> resting --time--> working
// Thread: that library's calls wait for a network. Each job (find, map, renew; or delete) runs in a
//         thread of its own; the loop hears of its end by a uv_async. A job that is not done within
//         WEND_IGD_PATIENCE is abandoned: its thread frees what it has when the library returns,
//         and nobody waits for it. While two such threads are stuck nothing new is begun.
// Whom:   only a device at the default gateway's address is asked, and only at that address: anyone
//         in the LAN can answer a search.
// Ports:  the identical outside port first. Version 2 grants another one itself
//         (AddAnyPortMapping); of version 1 up to four others are asked (error 718).
// Leases: two hours; a device that knows only permanent ones (error 725) gets that, and the
//         deletion at the end matters all the more. Renewed after 10 minutes, which is also how a
//         restart of the device is noticed: this protocol has no epoch.
//
// Lives on one loop and is used in its thread only.
#ifndef WEND_IO_IGD_H
#define WEND_IO_IGD_H

#include <uv.h>

#include "base/address.h"
#include "base/time.h"

#define WEND_IGD_PATIENCE_MS 20000
#define WEND_IGD_LEASE_S     7200
#define WEND_IGD_RENEW_MS    600000
#define WEND_IGD_REST_MS     60000 // doubled with each failure in a row
#define WEND_IGD_REST_MAX_MS 1800000
#define WEND_IGD_STUCK_MAX   2

enum wend_igd_kind {
    WEND_IGD_NOTHING = 0,
    WEND_IGD_MAPPED,
    WEND_IGD_LOST,
    WEND_IGD_FAILED, // tried again by itself, seldom
};

struct wend_igd_event {
    enum wend_igd_kind kind;
    struct wend_address external;
    uint32_t lifetime_s; // 0: without end
    int version;         // of the device: 1 or 2
    const char *why;     // FAILED, LOST: one word for the log
    int code;            // the device's own error, 0: none
};

struct wend_igd;

struct wend_igd_handler {
    void *context;
    void (*event)(void *context, const struct wend_igd_event *e);
};

// Returns 0 or -errno.
int wend_igd_open(uv_loop_t *loop, const struct wend_igd_handler *handler, struct wend_igd **ret);

// Begins (again): maps `inside` at the device at `gateway`. What was held elsewhere is lost, and
// said so. `description` is the URL of the device's description; NULL: it is searched for.
void wend_igd_start(struct wend_igd *i, const struct wend_address *gateway,
                    const struct wend_address *inside, const char *description);
// Nothing more is wanted of it: what is held ends by itself, a job that runs maps nothing more.
void wend_igd_rest(struct wend_igd *i);

// Begins to delete what is held. After it only wend_igd_close may follow.
void wend_igd_end(struct wend_igd *i);
// Waits for the deletion until `until` on wend_clock_now, then lets go. The loop must run once
// more.
void wend_igd_close(struct wend_igd *i, wend_instant until);

// Jobs of this process that were abandoned and have not ended yet.
int wend_igd_stuck(void);

#endif
