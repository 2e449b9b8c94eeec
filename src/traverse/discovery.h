// SPDX-License-Identifier: MIT
// Discovery: finds out what the NATs in front of this device do, by asking discovery servers from
// several sockets what they see (STUN Binding, RFC 8489; the tests of RFC 5780 section 4).
//
// State:  IDLE --restart--> OPENING --sockets open--> ASKING --first answers--> ADDING --all
//         answered or given up--> KNOWN --10 min--> STALE; restart leads to OPENING from
//         everywhere, forget to IDLE
// Asks:   at most 12 transactions, each sent at most 3 times, finished within 2 s whatever is lost.
//         In one go, back to back: the main socket (0) and fresh ones (1 to 4) the first server, 1
//         also another port and another address, 4 for answers from elsewhere (CHANGE-REQUEST), on
//         its only mapping. Then, from the answers: whether a request to the main socket's own
//         outside address comes back (hairpin), and two more where doubt is left: fresh sockets (5,
//         6) for the sequence and its rate, a second destination where ports are preserved, a
//         second look where equal ports may be chance.
// Result: wend_discovery_model. Each answer proves what it shows; silence proves filtering only
//         from a server that names an OTHER-ADDRESS. Answers that cannot be (private addresses
//         seen from public ones, the server's own address, two answers to one question) void
//         all of that server's; servers that contradict each other leave the classes unknown. That
//         no UDP comes back is said when nobody answers at all.
// Fresh:  a model holds for one attachment to one network. When addresses or routes change, call
//         forget. Its classes are to be measured again after 10 minutes (event STALE) if paths
//         are wanted then, and whenever a path that the model promised fails; restart keeps the old
//         model in use until the new one is there. Estimates are sharpened by add in between.
// Timing: repeated after 2 round trips + 60 ms, within 120 to 400 ms; 300 ms as long as no round
//         trip is known. RFC 8489 section 6.2.1 says 500 ms doubling and 7 tries: too slow for a
//         user who waits, and a gain of nothing where silence is an answer.
//
// Not thread-safe. Owns no socket, clock or memory; embeddable, no destructor.
#ifndef WEND_TRAVERSE_DISCOVERY_H
#define WEND_TRAVERSE_DISCOVERY_H

#include "base/datagram.h"
#include "base/drop.h"
#include "traverse/nat_model.h"
#include "traverse/nat_samples.h"

#define WEND_DISCOVERY_TRANSACTIONS 12
#define WEND_DISCOVERY_TRIES        3
#define WEND_DISCOVERY_SOCKETS      7 // 0 is the main one
#define WEND_DISCOVERY_SERVERS_MAX  8
#define WEND_DISCOVERY_RANDOM_LEN   144 // 12 bytes a transaction
#define WEND_DISCOVERY_REQUEST_LEN  104 // as long as any answer to it
#define WEND_DISCOVERY_TIME         WEND_S(2)
#define WEND_DISCOVERY_FRESH        WEND_S(600)

enum wend_discovery_state {
    WEND_DISCOVERY_IDLE = 0,
    WEND_DISCOVERY_OPENING,
    WEND_DISCOVERY_ASKING,
    WEND_DISCOVERY_ADDING,
    WEND_DISCOVERY_KNOWN,
    WEND_DISCOVERY_STALE,
};

enum wend_discovery_ask {
    WEND_DISCOVERY_PLAIN = 0,
    WEND_DISCOVERY_CHANGE_BOTH, // answer from another address and port, please
    WEND_DISCOVERY_CHANGE_PORT,
    WEND_DISCOVERY_HAIRPIN, // to ourselves
};

struct wend_discovery_transaction {
    uint8_t ask; // enum wend_discovery_ask
    uint8_t socket;
    uint8_t tries;
    bool due;  // waits to be drained
    bool over; // answered, refused or given up
    bool answered;
    bool refused;      // by an error, or answered without heeding CHANGE-REQUEST
    bool told_other;   // the answer carried OTHER-ADDRESS at another address
    uint8_t heard_try; // how many had been sent when the answer came
    struct wend_address to, outside;
    wend_instant first, next; // sent first; sent again or given up
};

struct wend_discovery_socket {
    bool open, refused;
    struct wend_address local;
};

struct wend_discovery {
    uint8_t state; // enum wend_discovery_state
    uint8_t server_count, turn;
    uint8_t transaction_count;
    struct wend_address servers[WEND_DISCOVERY_SERVERS_MAX];
    // The roles of this run; family NONE: nobody has it.
    struct wend_address server;       // asked by all
    struct wend_address other_port;   // the same address, another port
    struct wend_address other_server; // another address
    struct wend_discovery_transaction transactions[WEND_DISCOVERY_TRANSACTIONS];
    struct wend_discovery_socket sockets[WEND_DISCOVERY_SOCKETS];
    uint8_t random[WEND_DISCOVERY_RANDOM_LEN];
    uint32_t run, last_serial;
    uint32_t class_serial; // another one whenever more than an estimate or the newest port changed
    wend_instant started, asked, added, stale_at;
    wend_duration round_trip; // the longest seen in this run; 0: none
    bool server_lied, other_lied;
    bool heard;                               // a server answered, whatever that was worth
    bool contradictory;                       // the servers contradicted each other
    struct wend_address seen;                 // by somebody we trust; family NONE: nobody
    bool from_other_address, from_other_port; // what reached socket 4
    uint32_t open_due, close_due;             // a bit a socket
    bool done_due, stale_due;
    uint8_t request[WEND_DISCOVERY_REQUEST_LEN];
    struct wend_nat_samples samples;
    struct wend_nat_model model;
    struct wend_drops drops; // NOT_ALLOWED: answers that cannot be true
    uint64_t contradictions; // runs in which servers contradicted each other
};

enum wend_discovery_event_kind {
    WEND_DISCOVERY_EVENT_NONE = 0,
    WEND_DISCOVERY_OPEN_SOCKET,  // open one on a port the system chooses, then call opened
    WEND_DISCOVERY_CLOSE_SOCKET, // it is not needed any more
    WEND_DISCOVERY_DONE,         // the model is there, with another serial if it changed
    WEND_DISCOVERY_IS_STALE,     // measure again if anybody wants a path
};

struct wend_discovery_event {
    enum wend_discovery_event_kind kind;
    uint8_t socket;
};

struct wend_discovery_datagram {
    uint8_t socket;
    struct wend_address to;
    struct wend_bytes bytes; // valid until the next call
};

// Zeroes `d`. `servers` are of one address family, those to prefer first; own servers with two
// addresses of two ports each give every class. At most WEND_DISCOVERY_SERVERS_MAX are taken.
void wend_discovery_init(struct wend_discovery *d, const struct wend_address *servers,
                         size_t server_count);

// Begins a run, or begins anew. `random` must be unpredictable and never used before; `local` is
// the main socket's address as its datagrams leave with it, also where it is bound to no address.
// Every other run prefers the other server. Without servers a run ends at once, knowing nothing.
void wend_discovery_restart(struct wend_discovery *d,
                            const uint8_t random[static WEND_DISCOVERY_RANDOM_LEN],
                            const struct wend_address *local, wend_instant now);
// The network is another one: samples and model are thrown away, a run is broken off.
void wend_discovery_forget(struct wend_discovery *d);

// What somebody we trust sees the main socket come from, over UDP: says that UDP comes back, and is
// the public address where discovery servers tell none. Family NONE: not known (any more). Counts
// from the next result on.
void wend_discovery_set_seen(struct wend_discovery *d, const struct wend_address *seen);

// A socket that was asked for is there, or (`local` of family NONE) cannot be had.
void wend_discovery_opened(struct wend_discovery *d, uint8_t socket,
                           const struct wend_address *local, wend_instant now);

// Takes a STUN message that came to one of the sockets.
// Returns 0 if it belongs to this run, even if it was no use (see drops);
//   -EBADMSG  malformed
//   -ESTALE   well formed, but no transaction of ours, or from a place it cannot come from
int wend_discovery_receive(struct wend_discovery *d, uint8_t socket, const struct wend_datagram *in,
                           wend_instant now);
void wend_discovery_expire(struct wend_discovery *d, wend_instant now);
wend_instant wend_discovery_deadline(const struct wend_discovery *d);
// To be sent at once, all in one go and in this order.
bool wend_discovery_next_datagram(struct wend_discovery *d, struct wend_discovery_datagram *ret);
bool wend_discovery_next_event(struct wend_discovery *d, struct wend_discovery_event *ret);

// A mapping seen elsewhere, answered by somebody we trust, sharpens the estimates at any time; so
// does one of ours that nobody answered (`outside` of family NONE), because it took a port. Its
// `socket` is a number of the caller's, 65,536 or more. Other users' rate is read between samples
// whose numbers differ in the last three bits alone: no further mapping of ours came between them.
// Returns false if it contradicts the model (another public address, another mapping for another
// destination of a socket, a port outside the block): it is not taken, and a run is due. Nothing is
// done without a model.
bool wend_discovery_add(struct wend_discovery *d, const struct wend_nat_sample *sample,
                        wend_instant now);

// What is known of the mapping's lifetime (nat_lifetime.h), into the model. It is no change that
// gives another serial: no plan depends on it.
void wend_discovery_set_lifetime(struct wend_discovery *d,
                                 const struct wend_nat_estimate *lifetime_s);

// Why the newest model does not say how mappings are made: one line, or NULL where it does, and
// where there is none yet.
const char *wend_discovery_reason(const struct wend_discovery *d);

// Invariants: its own, and that the model is sound wherever it names a public address.
void wend_discovery_check(const struct wend_discovery *d);

// The newest model; serial 0: none yet. Valid until the next call, which may change it.
static inline const struct wend_nat_model *wend_discovery_model(const struct wend_discovery *d)
{
    return &d->model;
}

#endif
