// SPDX-License-Identifier: MIT
// Path MTU: how long a packet of a user one path carries unfragmented. Datagram packetization layer
// path MTU discovery, RFC 8899, by padded probes (docs/protocol.md section 7.6).
//
// State:  NONE --start--> SOON --time--> FIRST --full answered--> DONE
//         FIRST --unanswered--> LADDER --> SEARCH --> DONE --600 s, not full--> LADDER
//         DONE --a probe of the size in use lost, packets lost--> DOUBT
//         DOUBT --size in use answered--> DONE; --lost, smaller answered--> SEARCH below it
//         DOUBT --nothing answered--> LADDER, from nothing
// Sizes:  here all sizes are of the inner packet; `overhead` is what IP, UDP and wend put around it
//         on this path. FIRST sends the full size (1,400) and the base (IP packet 1,124); LADDER
//         the IP packets 1,124, 1,280, 1,380, 1,420, 1,452, 1,472 and the full size at once; SEARCH
//         halves what is left; DOUBT the size in use and those of LADDER below it at once. Data
//         messages are padded to 16 bytes, so a size between two multiples of 16 takes what the
//         upper one does: only multiples and the full size are tried (RFC 8899 section 5.3.2 leaves
//         the steps open).
// Timing: a probe is lost after 1.5 round trips + 100 ms, in DOUBT after 1.25 + 30 ms; each
//         size is tried 3 times (MAX_PROBES, RFC 8899 section 5.1.2), in DOUBT the one in use.
//         PMTU_RAISE_TIMER 600 s.
// Loss:   a lost padded probe says nothing about the path's health, and is told to nobody.
//
// Owns no socket, clock or memory. Not thread-safe. A zeroed one is in state NONE and does nothing.
#ifndef WEND_PATH_PMTU_H
#define WEND_PATH_PMTU_H

#include <stdbool.h>
#include <stdint.h>

#include "base/time.h"

#define WEND_PMTU_FULL       1400 // inner packets of the interface
#define WEND_PMTU_PROBES_MAX 8    // in flight at once

enum wend_pmtu_state {
    WEND_PMTU_NONE = 0,
    WEND_PMTU_SOON,
    WEND_PMTU_FIRST,
    WEND_PMTU_LADDER,
    WEND_PMTU_SEARCH,
    WEND_PMTU_DONE,
    WEND_PMTU_DOUBT,
};

struct wend_pmtu_probe {
    uint16_t size;     // inner; 0: free
    uint8_t tries;     // sent so far
    bool due;          // waits to be drained
    bool answered;     // this one was
    wend_instant sent; // its name, one of its own: a few ns may be added
};

struct wend_pmtu {
    uint8_t state; // enum wend_pmtu_state
    bool due;      // one of the probes may be
    uint16_t overhead;
    uint16_t known;   // greatest size answered; 0: none yet
    uint16_t ceiling; // least size that failed; beyond the full size: none did
    struct wend_pmtu_probe probes[WEND_PMTU_PROBES_MAX];
    wend_instant next;     // when what is in flight counts as lost
    wend_instant raise_at; // DONE
    wend_duration rtt;     // of the path, as last told
    wend_instant doubt_after;
    wend_instant last_sent; // keeps the names of probes apart
};

// Begins from nothing, at `at`.
void wend_pmtu_start(struct wend_pmtu *m, uint16_t overhead, wend_duration rtt, wend_instant at);
// While the path is in use, at every fifth regular probe: is the size in use still carried?
void wend_pmtu_verify(struct wend_pmtu *m, wend_duration rtt, wend_instant now);
// User packets are lost, and it may be for their length. At most every 5 s.
void wend_pmtu_doubt(struct wend_pmtu *m, wend_duration rtt, wend_instant now);

// The probe named `sent` was answered. Returns 0 or -ESTALE: none of ours.
int wend_pmtu_answer(struct wend_pmtu *m, wend_instant sent, wend_instant now);
void wend_pmtu_expire(struct wend_pmtu *m, wend_instant now);
wend_instant wend_pmtu_deadline(const struct wend_pmtu *m);
// True when a padded probe shall go out: as long as the datagram of a data message with an inner
// packet of `ret->size` bytes.
bool wend_pmtu_next(struct wend_pmtu *m, struct wend_pmtu_probe *ret);

// Longest inner packet that the path is known to carry; 0: not known yet. The base is not told
// while the full size, sent beside it, may still be answered: a host that hears of it keeps to it
// for long.
static inline uint16_t wend_pmtu_bytes(const struct wend_pmtu *m)
{
    return m->state == WEND_PMTU_FIRST ? 0 : m->known; // SOON: there is none
}

#endif
