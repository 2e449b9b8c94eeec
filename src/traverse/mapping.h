// SPDX-License-Identifier: MIT
// Port mapping: asks the gateway, and the gateways behind it, to let everybody reach our port.
//
// Flow:   default gateway, our address --start--> MAPPED {address} --candidates--> peers
//         a gateway's outside that is private --NESTED--> the owner finds who is next --outer-->
// Layers: the first gateway maps our port. If what it grants is an address that the internet does
//         not route (RFC 1918, 6598), the gateway behind it is asked for that address, and so on,
//         three in all: "Having created mappings in the inner NAT by some other means, the PCP
//         client should then use the inner NAT's external address as the client IP address" (RFC
//         6887 section 8.1). A layer that is lost takes those behind it along.
// Ports:  the identical outside port is asked first; another one is taken as it is, and told.
//
// UPnP's gateways are asked beside this by io/igd.h. One machine serves one port and one family.
// Owns no socket, clock or memory. Not thread-safe. Embeddable, no destructor. Under 1 KiB.
#ifndef WEND_TRAVERSE_MAPPING_H
#define WEND_TRAVERSE_MAPPING_H

#include "base/datagram.h"
#include "traverse/mapping_lease.h"

#define WEND_MAPPING_LAYERS 3
#define WEND_MAPPING_EVENTS 8 // full: the oldest is forgotten, for the newest says how things are

enum wend_mapping_event_kind {
    WEND_MAPPING_NOTHING = 0,
    WEND_MAPPING_MAPPED,       // the internet reaches us at `external`
    WEND_MAPPING_LOST,         // no longer; it is being made anew
    WEND_MAPPING_FAILED,       // `reason`; it is tried again by itself, seldom
    WEND_MAPPING_OUTER_WANTED, // `external` is not the internet's: say who is next, if you can
};

struct wend_mapping_event {
    enum wend_mapping_event_kind kind;
    struct wend_address external;
    uint32_t lifetime_s;
    enum wend_lease_protocol protocol;
    enum wend_mapping_reason reason;
    uint8_t result; // the gateway's own code beside `reason`, 0: none
    uint8_t layer;  // OUTER_WANTED, FAILED: counted from 0
};

struct wend_mapping {
    struct wend_lease_random random;
    struct wend_lease layers[WEND_MAPPING_LAYERS];
    struct wend_mapping_event told; // MAPPED, FAILED or OUTER_WANTED as it stands
    bool no_outer;                  // the owner knows nobody behind the last layer
    size_t event_first, event_count;
    struct wend_mapping_event events[WEND_MAPPING_EVENTS];
    uint8_t out[WEND_LEASE_REQUEST_LEN];
    struct wend_drops drops; // answers that meant nothing, by reason
};

// `m` is zeroed memory. The key is secret, and best the same after a restart (mapping_lease.c).
void wend_mapping_init(struct wend_mapping *m, const uint8_t key[static WEND_HASH_KEY_LEN]);

// The default gateway, and our address and port towards it. The same as before: looks whether all
// is well. Another one: what was mapped is lost. A gateway of no family: there is none.
void wend_mapping_start(struct wend_mapping *m, const struct wend_address *gateway,
                        const struct wend_address *inside, wend_instant now);
// Answers OUTER_WANTED; a gateway of no family: nobody knows.
void wend_mapping_outer(struct wend_mapping *m, const struct wend_address *gateway,
                        wend_instant now);
// Deletes every mapping; wend_mapping_is_idle tells when that is done, after 250 ms at the latest.
void wend_mapping_stop(struct wend_mapping *m, wend_instant now);
bool wend_mapping_is_idle(const struct wend_mapping *m);

// ICMP says that nobody listens at this gateway.
void wend_mapping_unreachable(struct wend_mapping *m, const struct wend_address *gateway,
                              wend_instant now);
// Takes a datagram that came to our socket, or (in->local.port is 5350) to the announcements'.
// Returns why it meant nothing, counted in `drops`, or WEND_DROP_NONE.
enum wend_drop wend_mapping_receive(struct wend_mapping *m, const struct wend_datagram *in,
                                    wend_instant now);

void wend_mapping_expire(struct wend_mapping *m, wend_instant now);
wend_instant wend_mapping_deadline(const struct wend_mapping *m);
bool wend_mapping_next_datagram(struct wend_mapping *m, struct wend_datagram *ret);
bool wend_mapping_next_event(struct wend_mapping *m, struct wend_mapping_event *ret);

// Where the internet reaches us now, or NULL.
const struct wend_lease *wend_mapping_find(const struct wend_mapping *m);

// Whether the internet routes to it: not private (RFC 1918), shared (RFC 6598), link-local,
// unique-local (RFC 4193) or unusable.
bool wend_mapping_is_public(const struct wend_address *a);
const char *wend_mapping_reason_name(enum wend_mapping_reason reason);
const char *wend_mapping_protocol_name(enum wend_lease_protocol protocol);

void wend_mapping_check(const struct wend_mapping *m); // invariants

#endif
