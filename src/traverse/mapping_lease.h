// SPDX-License-Identifier: MIT
// Lease: one port of ours at one gateway, by PCP (RFC 6887) or NAT-PMP (RFC 6886).
//
// State:  NONE --begin--> ASKING --granted--> HELD --epoch, expiry--> ASKING
//         ASKING --refused, nonsense, nobody there--> RESTING --time, announcement--> ASKING
//         any --end--> CLOSING (deletes what was held) --> NONE
// Wire:   wire/pcp.h, wire/natpmp.h, to port 5351. PCP is asked first: "A client supporting both
//         NAT-PMP and PCP SHOULD send its request using the PCP packet format." (RFC 6887 appendix
//         A). NAT-PMP follows when the gateway says that it speaks version 0, and also when it said
//         nothing to the first request: some drop what they do not know.
// Timing: PCP repeats after 3 s, doubling to 1,024 s, each +-10 % (RFC 6887 section 8.1.1); NAT-PMP
//         after 250 ms, doubling, nine times (RFC 6886 section 3.1). Renewal at 1/2 to 5/8 of the
//         lifetime, then 3/4, 7/8 and so on, never less than 4 s apart (RFC 6887 section 11.2.1).
//         A held lease asks for the epoch every 5 min, for who slept through the announcements.
//         A deletion is repeated once after 100 ms and given up after 250 ms: nobody waits longer
//         for a program to end, where RFC 6886 section 3.1 would begin with 250 ms.
//
// Child of mapping.h, which owns the randomness. Owns no socket, clock or memory. Embeddable.
#ifndef WEND_TRAVERSE_MAPPING_LEASE_H
#define WEND_TRAVERSE_MAPPING_LEASE_H

#include "base/address.h"
#include "base/bytes.h"
#include "base/drop.h"
#include "base/hash.h"
#include "base/time.h"
#include "traverse/mapping_epoch.h"
#include "wire/natpmp.h"
#include "wire/pcp.h"

#define WEND_LEASE_LIFETIME_S  7200 // "RECOMMENDED Port Mapping Lifetime" (RFC 6886 section 3.3)
#define WEND_LEASE_CHECK       WEND_S(300)
#define WEND_LEASE_REQUEST_LEN 64 // the longest that we send is 60

enum wend_lease_state {
    WEND_LEASE_NONE = 0,
    WEND_LEASE_ASKING,
    WEND_LEASE_HELD,
    WEND_LEASE_RESTING, // failed, see `reason`; asks again by itself
    WEND_LEASE_CLOSING,
};

enum wend_lease_protocol { WEND_LEASE_UNDECIDED = 0, WEND_LEASE_PCP, WEND_LEASE_NATPMP };

// Why there is no mapping.
enum wend_mapping_reason {
    WEND_MAPPING_NO_REASON = 0,
    WEND_MAPPING_NO_ANSWER,    // the gateway is silent
    WEND_MAPPING_NO_SERVICE,   // it says that nothing listens there
    WEND_MAPPING_REFUSED,      // it may not, or does not do that
    WEND_MAPPING_NO_RESOURCES, // it cannot now: no ports, no address of its own
    WEND_MAPPING_NONSENSE,     // it grants what cannot be
    WEND_MAPPING_UNSUPPORTED,  // neither of the two protocols
    WEND_MAPPING_HIDDEN,       // another NAT is between it and us
    WEND_MAPPING_NESTED,       // its outside is inside of yet another NAT, which does not help
    WEND_MAPPING_EXPIRED,      // nobody renewed it
    WEND_MAPPING_RESTARTED,    // it forgot its mappings
    WEND_MAPPING_NO_GATEWAY,   // there is no default route
    WEND_MAPPING_REASON_COUNT,
};

// Random numbers by a keyed hash over a counter: unguessable while the key is.
struct wend_lease_random {
    uint8_t key[WEND_HASH_KEY_LEN];
    uint64_t count;
};

// One request that is repeated until it is answered.
struct wend_lease_try {
    bool due; // waits to be drained
    uint8_t count;
    wend_duration wait;
    wend_instant next; // WEND_NEVER: nothing planned
};

struct wend_lease {
    enum wend_lease_state state;
    enum wend_lease_protocol protocol; // that the gateway answered by
    enum wend_mapping_reason reason;   // of the last loss or failure
    uint8_t result;                    // the gateway's own code for it; 0: none
    struct wend_address gateway;       // port 5351
    struct wend_address inside;        // our address as the gateway sees it, and our port
    struct wend_address external;      // HELD: granted; ASKING: what it granted before, or none
    uint32_t lifetime_s;
    wend_instant granted, until;
    uint8_t nonce[WEND_PCP_NONCE_LEN];
    struct wend_epoch epoch;
    struct wend_lease_try pcp, natpmp;
    bool address_known; // NAT-PMP: the exchange for the address is done, that for the port follows
    struct wend_address address;
    bool check_due;
    wend_instant check_at;
    wend_instant over; // RESTING, CLOSING: until when
};

uint64_t wend_lease_draw(struct wend_lease_random *r);

// Begins from nothing. `inside` carries the port to be mapped.
void wend_lease_begin(struct wend_lease *l, const struct wend_address *gateway,
                      const struct wend_address *inside, struct wend_lease_random *random,
                      wend_instant now);
// Deletes what is held. NONE at once if nothing is.
void wend_lease_end(struct wend_lease *l, wend_instant now);
// Something happened on the network: a held lease asks for the epoch, any other asks anew.
void wend_lease_check(struct wend_lease *l, struct wend_lease_random *random, wend_instant now);
// The gateway's host says that its port is closed (ICMP). "it can skip any remaining
// retransmissions and conclude immediately" (RFC 6886 section 3.1).
void wend_lease_unreachable(struct wend_lease *l, wend_instant now);

// Takes a datagram from the gateway's address; `announced`: it came to the port for announcements.
// Returns why it meant nothing, or WEND_DROP_NONE.
enum wend_drop wend_lease_receive(struct wend_lease *l, struct wend_bytes in, bool announced,
                                  struct wend_lease_random *random, wend_instant now);

void wend_lease_expire(struct wend_lease *l, struct wend_lease_random *random, wend_instant now);
wend_instant wend_lease_deadline(const struct wend_lease *l);
// Writes the next request that is due. Returns its length, 0 when there is none.
size_t wend_lease_next(struct wend_lease *l, uint8_t ret[static WEND_LEASE_REQUEST_LEN]);

// ---- Between the two files of this machine ----

void wend_lease_grant(struct wend_lease *l, const struct wend_address *external,
                      uint32_t lifetime_s, struct wend_lease_random *random, wend_instant now);
void wend_lease_rest(struct wend_lease *l, enum wend_mapping_reason reason, wend_duration pause,
                     wend_instant now);
// Asks again, after a random pause of up to `within`; what was granted before is asked for.
void wend_lease_again(struct wend_lease *l, enum wend_mapping_reason reason, wend_duration within,
                      struct wend_lease_random *random, wend_instant now);
void wend_lease_try_start(struct wend_lease_try *t, wend_instant at);
void wend_lease_try_stop(struct wend_lease_try *t);

#endif
