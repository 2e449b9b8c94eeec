// SPDX-License-Identifier: MIT
// Paths: the route object of one peer. Every direct path that was heard of, the relay, and which of
// them carries packets now.
//
// Flow:   candidates (traverse/) --add--> probes out --answers in--> choice --> data plane (node/)
// Choice: a direct path that is up beats the relay unless the relay is faster by 5 ms and a
//         quarter; among direct paths another takes over when faster by 1 ms and a tenth. Without a
//         direct path the relay carries; without a relay the last path carries on until it fails.
//         After a move for the sake of delay the next such move waits 5 s, doubling to 300 s.
// Doubt:  when the path in use may be dead (path/health.h says so, or its probes), it is probed at
//         once, and wend_paths_spare is to carry copies. It recovers, or is left: then it is
//         *shunned*, taken again only if there is no other, for 5 s, doubling at each time to
//         300 s; one that was left for its loss, or whose probes show 8 of 32 lost and 10 points
//         more than the relay's, also until 16 probes in a row were answered.
// Retry:  when no direct path is up or being tried, all are tried again after 5 s, doubling to
//         300 s, as long as the peer is wanted; at once on wend_paths_restart.
// Wire:   docs/protocol.md section 7.2.
//
// Knows addresses and instants alone: the owner seals and sends what next_probe asks for, through
// the relay channel where `remote.family` is WEND_FAMILY_NONE. Not thread-safe, no destructor.
#ifndef WEND_PATH_PATHS_H
#define WEND_PATH_PATHS_H

#include "base/address.h"
#include "path/pmtu.h"
#include "path/prober.h"

#define WEND_PATHS_MAX   24             // direct ones; full: new ones are not tried
#define WEND_PATHS_RELAY WEND_PATHS_MAX // index of the relay
#define WEND_PATHS_NONE  (WEND_PATHS_MAX + 1)

struct wend_path {
    struct wend_prober prober;
    struct wend_pmtu pmtu;
    struct wend_address remote; // family NONE: unused, or the relay
    uint32_t name;              // PATH attribute, never used twice in one set
    uint32_t answers;           // to regular probes
    bool shunned : 1, lossy : 1;
    bool found : 1;  // by a volley (traverse/volley.h): answers may come from another port
    uint16_t socket; // ours, from which it leads there: 0, the usual one (node/sockets.h)
    wend_instant shun_until;
    wend_duration shun_for; // the last time; 0: never, or long ago
};

enum wend_paths_use {
    WEND_PATHS_IDLE = 0, // nobody wants the peer: no probes, no retries
    WEND_PATHS_WANTED,   // user packets in the last 120 s
    WEND_PATHS_ACTIVE,   // user packets in the last 10 s
};

// What the user wants packets to take while it works; BEST: whichever is better.
enum wend_paths_preference {
    WEND_PATHS_PREFER_BEST = 0,
    WEND_PATHS_PREFER_DIRECT,
    WEND_PATHS_PREFER_RELAY,
};

// Keeps a choice between two good things from wavering.
struct wend_paths_taste {
    wend_instant changed, until;
    wend_duration hold;
};

struct wend_paths {
    struct wend_path path[WEND_PATHS_MAX + 1]; // the last is the relay
    uint32_t used;                             // direct entries in use
    uint32_t chosen;                           // index, WEND_PATHS_RELAY or WEND_PATHS_NONE
    uint32_t generation;                       // rises whenever `chosen` stands for another way
    uint32_t names;                            // last name given out
    enum wend_paths_use use;
    enum wend_paths_preference preference;
    bool relay_open;
    bool relay_liked; // it is faster than the direct path
    bool settled;     // no move between direct paths for the sake of delay now
    bool doubted;     // the chosen one, by the owner
    uint16_t relay_overhead;
    struct wend_paths_taste relay_taste, direct_taste;
    wend_instant chosen_at;
    wend_instant retry_at; // WEND_NEVER: no retry planned
    wend_duration retry_after;
};

struct wend_path_probe {
    uint32_t name;
    wend_instant sent;          // goes into the TIME attribute
    struct wend_address remote; // family NONE: through the relay channel
    uint16_t padded;            // not 0: as long as a data message with so many bytes inside
    uint16_t socket;            // as in wend_path
    bool proven;                // something was answered on this path in the last 5 s
};

void wend_paths_init(struct wend_paths *p);

// A way that may lead to the peer; first probe at `at`. A known one that has failed is tried again.
// When all places are taken, one that has failed gives way.
// Returns 0; -EEXIST when it was known; -ENOSPC.
int wend_paths_add(struct wend_paths *p, const struct wend_address *remote, wend_instant at);

// A volley proved that what leaves `socket` for `remote` arrives, and is answered: up at once.
// Takes the place of what a volley found before. `rtt`: about, until it is measured. Returns 0;
// -ENOSPC.
int wend_paths_found(struct wend_paths *p, const struct wend_address *remote, uint16_t socket,
                     wend_duration rtt, wend_instant now);
// What volleys found is of no use any more: its socket is closed.
void wend_paths_forget_found(struct wend_paths *p, wend_instant now);
// Whether a path that a volley found leads to this IP address, and is up.
bool wend_paths_has_found(const struct wend_paths *p, const struct wend_address *ip);

// A channel opened (again): usable at once, probed from now on.
void wend_paths_open_relay(struct wend_paths *p, wend_instant now);
void wend_paths_close_relay(struct wend_paths *p);
// What surrounds an inner packet on the way to the server: its path MTU is measured with that. 0: a
// stream, which carries every size.
void wend_paths_set_relay_overhead(struct wend_paths *p, uint16_t overhead);

void wend_paths_set_use(struct wend_paths *p, enum wend_paths_use use, wend_instant now);
// Our or the peer's addresses changed: what was proven is not any more, everything is tried now.
void wend_paths_restart(struct wend_paths *p, wend_instant now);
// Forgets all direct paths.
void wend_paths_clear(struct wend_paths *p);

// The probe `name`, sent at `sent`, was answered from `from` (family NONE: through the relay).
// Returns 0, or 1 for a padded one; -ENOENT no such path; -EINVAL answered from elsewhere; -ESTALE
// not in flight.
int wend_paths_answer(struct wend_paths *p, const struct wend_path_probe *probe,
                      const struct wend_address *from, wend_instant now);

void wend_paths_expire(struct wend_paths *p, wend_instant now);
wend_instant wend_paths_deadline(const struct wend_paths *p);
bool wend_paths_next_probe(struct wend_paths *p, struct wend_path_probe *ret);

// The chosen path is in doubt; it recovered. Both are forgotten when another is chosen.
void wend_paths_doubt(struct wend_paths *p, wend_instant now);
void wend_paths_trust(struct wend_paths *p, wend_instant now);
// The chosen path is left, because it is dead or lossy. False: there is no other, it carries on.
bool wend_paths_leave(struct wend_paths *p, bool lossy, wend_instant now);
// Where copies go while the chosen path is in doubt, or NULL.
const struct wend_path *wend_paths_spare(const struct wend_paths *p);
// Longest inner packet that `path` carries; 0: not known.
uint16_t wend_paths_mtu(const struct wend_paths *p, const struct wend_path *path);
// Longest IP packet that was seen to pass there; 0: not known, or a stream.
uint16_t wend_paths_ip_mtu(const struct wend_paths *p, const struct wend_path *path);

// Settles the choice; called by every verb above. The owner compares `generation`.
void wend_paths_choose(struct wend_paths *p, wend_instant now);
void wend_paths_prefer(struct wend_paths *p, enum wend_paths_preference what, wend_instant now);
// The path that carries packets, or NULL.
const struct wend_path *wend_paths_chosen(const struct wend_paths *p);
// The best direct path that is up, or NULL; for handshake messages.
const struct wend_path *wend_paths_direct(const struct wend_paths *p);

void wend_paths_check(const struct wend_paths *p);

#endif
