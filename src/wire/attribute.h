// SPDX-License-Identifier: MIT
// Attributes: the type-length-value fields of control messages, of handshake payloads and of
// containers such as ENTRY.
//
// Wire:  u16 type, u16 length, value; not aligned. docs/protocol.md section 3.
// Parse: wend_attributes_parse looks at every attribute once and checks the length of each, so the
//        readers below cannot fail on what it found. Write: wend_attribute_put_* append to a
//        writer, whose latch tells at the end whether all of it fitted.
#ifndef WEND_WIRE_ATTRIBUTE_H
#define WEND_WIRE_ATTRIBUTE_H

#include "base/address.h"
#include "base/bytes.h"

#define WEND_ATTRIBUTE_HEADER_LEN 4
#define WEND_CANDIDATES_MAX       16
#define WEND_OPTIONAL             0x8000 // bit of a type: skip it when unknown

enum wend_attribute_type {
    WEND_ATTRIBUTE_NONE = 0,
    WEND_ATTRIBUTE_NETWORK = 0x0001,
    WEND_ATTRIBUTE_PEER = 0x0002,
    WEND_ATTRIBUTE_CAPABILITIES = 0x0003,
    WEND_ATTRIBUTE_CANDIDATES = 0x0004,
    WEND_ATTRIBUTE_CERTIFICATE_HASH = 0x0005,
    WEND_ATTRIBUTE_REVOCATION_SERIAL = 0x0006,
    WEND_ATTRIBUTE_RESPONDER_EPOCH = 0x0007,
    WEND_ATTRIBUTE_EPOCH = 0x0008,
    WEND_ATTRIBUTE_ADDRESS = 0x0009,
    WEND_ATTRIBUTE_DATAGRAM = 0x000a,
    WEND_ATTRIBUTE_CHANNEL = 0x000b,
    WEND_ATTRIBUTE_ERROR = 0x000c,
    WEND_ATTRIBUTE_NETWORK_RECORD = 0x000d,
    WEND_ATTRIBUTE_DELEGATION = 0x000e,
    WEND_ATTRIBUTE_MEMBERSHIP = 0x000f,
    WEND_ATTRIBUTE_RECEIPT = 0x0010,
    WEND_ATTRIBUTE_REVOCATION_LIST = 0x0011,
    WEND_ATTRIBUTE_NAME = 0x0012,
    WEND_ATTRIBUTE_IPV4 = 0x0013,
    WEND_ATTRIBUTE_SLOT = 0x0014,
    WEND_ATTRIBUTE_POSITION = 0x0015,
    WEND_ATTRIBUTE_ENTRY = 0x0016,
    WEND_ATTRIBUTE_MORE = 0x0017,
    WEND_ATTRIBUTE_SECRET = 0x0018,
    WEND_ATTRIBUTE_SIGNATURE = 0x0019,
    WEND_ATTRIBUTE_TIME = 0x001a,
    WEND_ATTRIBUTE_LIFETIME = 0x001b,
    WEND_ATTRIBUTE_PATH = 0x001c,
    WEND_ATTRIBUTE_COUNTERS = 0x001d,
    WEND_ATTRIBUTE_OFFSET = 0x001e,
    WEND_ATTRIBUTE_SIZE = 0x001f,
    WEND_ATTRIBUTE_PART = 0x0020,
    WEND_ATTRIBUTE_OBJECT = 0x0021,
    WEND_ATTRIBUTE_STATUS = 0x0022,
    WEND_ATTRIBUTE_NETWORK_SERIAL = 0x0023,
    WEND_ATTRIBUTE_GENERATION = 0x0024,
    WEND_ATTRIBUTE_INVITE = 0x0025,
    WEND_ATTRIBUTE_WAYS = 0x0026,
    WEND_ATTRIBUTE_SWITCH = 0x0027,
    WEND_ATTRIBUTE_SERVER_RTT = 0x8001,
    WEND_ATTRIBUTE_EARLY_DATA = 0x8002,
    WEND_ATTRIBUTE_PADDING = 0x8003,
    WEND_ATTRIBUTE_EARLY_STATE = 0x8004,
    WEND_ATTRIBUTE_NEWS_ONLY = 0x8005,
    WEND_ATTRIBUTE_AGE = 0x8006,
    WEND_ATTRIBUTE_DISCOVERY = 0x8007, // wire/discovery_ports.h
    WEND_ATTRIBUTE_NAT = 0x8008,       // wire/nat_model.h
    WEND_ATTRIBUTE_VOLLEY = 0x8009,    // wire/volley.h
    WEND_ATTRIBUTE_PUNCH = 0x800a,
};

enum wend_object {
    WEND_OBJECT_NONE = 0,
    WEND_OBJECT_NETWORK_RECORD = 1,
    WEND_OBJECT_REVOCATION_LIST = 2,
};

// As on the wire, where zero says something: the member is gone.
enum wend_status {
    WEND_STATUS_REMOVED = 0,
    WEND_STATUS_OFFLINE = 1,
    WEND_STATUS_ONLINE = 2,
};

enum wend_candidate_kind {
    WEND_CANDIDATE_NONE = 0,
    WEND_CANDIDATE_HOST = 1,
    WEND_CANDIDATE_SERVER_REFLEXIVE = 2,
    WEND_CANDIDATE_PEER_REFLEXIVE = 3,
    WEND_CANDIDATE_MAPPED = 4,
};

struct wend_candidate {
    uint8_t kind; // enum wend_candidate_kind
    struct wend_address address;
};

struct wend_position {
    uint64_t epoch; // of the directory; 0: knows nothing yet
    uint64_t serial;
};

struct wend_counters {
    uint64_t sent;
    uint64_t received;
};

// What was received in one pair, by the way it came; `highest` is a counter + 1, 0: nothing.
struct wend_way_counters {
    uint32_t index; // the reporting side's, of the pair
    uint64_t direct_highest, direct_count;
    uint64_t relay_highest, relay_count;
};

struct wend_switch_seen {
    uint32_t index; // the reporting side's, of the pair
    uint64_t first;
};

// Labels as on the wire (TAI64N); zero: none.
struct wend_early_state {
    uint8_t accepted[12]; // of the last handshake of yours whose early data was taken
    uint8_t voided[12];   // early data of mine up to this one is not to be taken any more
};

// One datagram of a volley.
struct wend_punch {
    uint8_t kind; // 1 opener, 2 probe, 3 answer, 4 confirmation
    uint64_t token, echo;
};

struct wend_failure {
    uint16_t code; // enum wend_error, or one that we do not know
    struct wend_bytes text;
};

// Views of the values, borrowed from the input; `at` is NULL exactly when the attribute is absent
// (an empty value has an address). Of DATAGRAM, ENTRY and INVITE it is the first, the others follow
// with wend_attribute_next. POSITION comes at most twice: a Notify says from where to where.
struct wend_attributes {
    struct wend_bytes all; // the input
    struct wend_bytes network, peer, capabilities, candidates, certificate_hash;
    struct wend_bytes revocation_serial, responder_epoch, epoch, address, datagram, channel, error;
    struct wend_bytes network_record, delegation, membership, receipt, revocation_list;
    struct wend_bytes name, ipv4, slot, position, position_to, entry, secret, signature, time;
    struct wend_bytes lifetime, path, counters, offset, size, part, object, status;
    struct wend_bytes network_serial, generation, invite, ways, switch_seen;
    struct wend_bytes server_rtt, early_data, padding, early_state, news_only, age, discovery;
    struct wend_bytes nat, volley, punch;
    struct wend_bytes more_flag; // empty value; see `more`
    bool more;
    uint16_t unknown; // the mandatory type that -ENOTSUP is about
};

// Parses a whole attribute area: of a control message, a handshake payload or a container.
//
// Returns 0;
//   -EBADMSG  cut short, a value of the wrong length or out of range, or one that is there twice
//             (error 400); `ret` is all zero
//   -ENOTSUP  an unknown type that is not optional, in `ret->unknown` (error 420); all else is zero
int wend_attributes_parse(struct wend_bytes in, struct wend_attributes *ret);

// Walks over the attributes of one type: start with `rest` = attributes.all, repeat until false.
bool wend_attribute_next(struct wend_bytes *rest, enum wend_attribute_type type,
                         struct wend_bytes *ret);

// Values of one attribute that wend_attributes_parse found. Absent: 0.
uint8_t wend_attribute_u8(struct wend_bytes value);   // OBJECT, STATUS (test `at`: 0 means removed)
uint32_t wend_attribute_u32(struct wend_bytes value); // also IPV4, in host order
uint64_t wend_attribute_u64(struct wend_bytes value);
// Absent: false, and `ret` is untouched.
bool wend_attribute_address(struct wend_bytes value, struct wend_address *ret);
bool wend_attribute_position(struct wend_bytes value, struct wend_position *ret);
bool wend_attribute_counters(struct wend_bytes value, struct wend_counters *ret);
bool wend_attribute_ways(struct wend_bytes value, struct wend_way_counters *ret);
bool wend_attribute_switch_seen(struct wend_bytes value, struct wend_switch_seen *ret);
bool wend_attribute_punch(struct wend_bytes value, struct wend_punch *ret);
bool wend_attribute_early_state(struct wend_bytes value, struct wend_early_state *ret);
bool wend_attribute_failure(struct wend_bytes value, struct wend_failure *ret);
// Returns how many there are. A kind that we do not know is left out; whether an address may be
// used is for the caller to judge (wend_address_is_usable).
size_t wend_attribute_candidates(struct wend_bytes value,
                                 struct wend_candidate ret[static WEND_CANDIDATES_MAX]);

// Append one attribute. A value that cannot be said (over 65,535 bytes, an address without family,
// more than WEND_CANDIDATES_MAX candidates) latches the writer's `failed` like a full buffer does.
void wend_attribute_put(struct wend_writer *w, enum wend_attribute_type type,
                        struct wend_bytes value);
void wend_attribute_put_flag(struct wend_writer *w, enum wend_attribute_type type);
void wend_attribute_put_u8(struct wend_writer *w, enum wend_attribute_type type, uint8_t value);
void wend_attribute_put_u32(struct wend_writer *w, enum wend_attribute_type type, uint32_t value);
void wend_attribute_put_u64(struct wend_writer *w, enum wend_attribute_type type, uint64_t value);
void wend_attribute_put_address(struct wend_writer *w, const struct wend_address *address);
void wend_attribute_put_position(struct wend_writer *w, struct wend_position position);
void wend_attribute_put_counters(struct wend_writer *w, struct wend_counters counters);
void wend_attribute_put_ways(struct wend_writer *w, const struct wend_way_counters *ways);
void wend_attribute_put_switch_seen(struct wend_writer *w, struct wend_switch_seen seen);
void wend_attribute_put_punch(struct wend_writer *w, const struct wend_punch *punch);
void wend_attribute_put_early_state(struct wend_writer *w, const struct wend_early_state *state);
// An attribute of so many zero bytes, its own four included (at least 4).
void wend_attribute_put_padding(struct wend_writer *w, size_t len);
void wend_attribute_put_failure(struct wend_writer *w, uint16_t code, const char *text);
void wend_attribute_put_candidates(struct wend_writer *w, const struct wend_candidate *at,
                                   size_t count);

// A container (ENTRY, INVITE): begin, put what belongs inside, end with what begin returned.
// Containers nest.
size_t wend_attribute_begin(struct wend_writer *w, enum wend_attribute_type type);
void wend_attribute_end(struct wend_writer *w, size_t begun);

#endif
