// SPDX-License-Identifier: MIT
// Signed records: who a network is, who may join it, who has joined, who is out.
//
// Wire:  docs/protocol.md section 5. Every record is u8 kind, u8 version, body, 64 bytes signature.
//        Here is their form alone; signatures are crypto/record.h's, what they mean for trust is
//        session/trust.h's. Decoding is strict, so that a record has one form: every length, count,
//        name and prefix is checked and nothing may follow the signature.
//
// The structs are copies without pointers, except the revocation list, which is a view of up to
// 34 KiB and borrows them from its input.
#ifndef WEND_WIRE_RECORD_H
#define WEND_WIRE_RECORD_H

#include "base/address.h"
#include "base/bytes.h"
#include "base/text.h"

#define WEND_RECORD_VERSION        1
#define WEND_RECORD_KEY_LEN        32
#define WEND_RECORD_HASH_LEN       32
#define WEND_RECORD_SIGNATURE_LEN  64
#define WEND_INVITE_ID_LEN         8
#define WEND_HOST_LEN_MAX          253 // a DNS name as text, RFC 1035 section 2.3.4
#define WEND_RECORD_SERVERS_MAX    4
#define WEND_RECORD_ADDRESSES_MAX  4
#define WEND_REVOCATIONS_MAX       1024
#define WEND_POOL_BITS_MIN         8 // a pool's or sub-pool's prefix length
#define WEND_POOL_BITS_MAX         30
#define WEND_NETWORK_RECORD_MAX    1000
#define WEND_DELEGATION_LEN        158
#define WEND_MEMBERSHIP_LEN_MAX    226
#define WEND_RECEIPT_LEN           142
#define WEND_REVOCATION_DEVICE_LEN 33
#define WEND_REVOCATION_INVITE_LEN 9
#define WEND_REVOCATION_LIST_MAX                                                                   \
    (52 + WEND_REVOCATIONS_MAX * WEND_REVOCATION_DEVICE_LEN + WEND_RECORD_SIGNATURE_LEN)

enum wend_record_kind {
    WEND_RECORD_NONE = 0,
    WEND_RECORD_NETWORK = 1,
    WEND_RECORD_DELEGATION = 2,
    WEND_RECORD_MEMBERSHIP = 3,
    WEND_RECORD_RECEIPT = 4,
    WEND_RECORD_REVOCATION = 5,
};

// An IP address with a port, or a DNS name with a port: exactly one of address.family and host[0]
// is not zero; the port of a name is in address.port too.
struct wend_server_address {
    struct wend_address address;
    char host[WEND_HOST_LEN_MAX + 1];
};

struct wend_server_record {
    uint8_t session_key[WEND_RECORD_KEY_LEN];   // X25519
    uint8_t signature_key[WEND_RECORD_KEY_LEN]; // Ed25519, signs receipts
    struct wend_prefix pool;                    // what it leases from, inside the network's
    uint8_t address_count;
    struct wend_server_address addresses[WEND_RECORD_ADDRESSES_MAX];
};

// About 5 KiB.
struct wend_network_record {
    uint8_t key[WEND_RECORD_KEY_LEN];
    uint64_t serial; // never 0
    uint64_t issued;
    char name[WEND_NAME_LEN_MAX + 1];
    struct wend_prefix pool; // IPv4
    uint8_t server_count;
    struct wend_server_record servers[WEND_RECORD_SERVERS_MAX];
};

struct wend_delegation {
    uint8_t network[WEND_RECORD_KEY_LEN];
    uint8_t invite_key[WEND_RECORD_KEY_LEN];
    uint64_t issued;
    uint64_t join_before;
    uint32_t uses;       // slots 0 to uses - 1; never 0
    uint64_t member_for; // seconds, never 0
};

struct wend_membership {
    uint8_t network[WEND_RECORD_KEY_LEN];
    uint8_t invite_id[WEND_INVITE_ID_LEN];
    uint8_t device[WEND_RECORD_KEY_LEN];
    uint32_t slot;
    uint32_t ipv4; // host order
    uint64_t made;
    uint64_t lifetime; // seconds, never 0
    char name[WEND_NAME_LEN_MAX + 1];
};

struct wend_receipt {
    uint8_t membership_hash[WEND_RECORD_HASH_LEN];
    uint8_t server[WEND_RECORD_KEY_LEN]; // Ed25519
    uint32_t slot;
    uint64_t time;
};

// Entries rise strictly as bytes: devices first, each part sorted, nothing twice. So both parts are
// arrays that can be searched in halves.
struct wend_revocation_list {
    uint8_t network[WEND_RECORD_KEY_LEN];
    uint64_t serial; // never 0
    uint64_t issued;
    struct wend_bytes devices; // n × WEND_REVOCATION_DEVICE_LEN
    struct wend_bytes invites; // n × WEND_REVOCATION_INVITE_LEN
};

// Decode a whole record, signature included but not verified.
//
// Return 0;
//   -EBADMSG          malformed in any way
//   -EPROTONOSUPPORT  of this kind, but of a version made after us
// `ret` is written on success only.
int wend_network_record_decode(struct wend_bytes in, struct wend_network_record *ret);
int wend_delegation_decode(struct wend_bytes in, struct wend_delegation *ret);
int wend_membership_decode(struct wend_bytes in, struct wend_membership *ret);
int wend_receipt_decode(struct wend_bytes in, struct wend_receipt *ret);
int wend_revocation_list_decode(struct wend_bytes in, struct wend_revocation_list *ret);

// Append what precedes the signature. Nothing is judged here: wend_record_sign refuses what does
// not decode.
void wend_network_record_write(struct wend_writer *w, const struct wend_network_record *n);
void wend_delegation_write(struct wend_writer *w, const struct wend_delegation *d);
void wend_membership_write(struct wend_writer *w, const struct wend_membership *m);
void wend_receipt_write(struct wend_writer *w, const struct wend_receipt *r);
void wend_revocation_list_write(struct wend_writer *w, const struct wend_revocation_list *l);

// One server address as in the network record and in claim texts. Reading latches `failed` on what
// is malformed, and then returns false.
bool wend_server_address_read(struct wend_reader *r, struct wend_server_address *ret);
void wend_server_address_write(struct wend_writer *w, const struct wend_server_address *a);

// Any record as what is signed and the signature, both borrowed.
struct wend_record_parts {
    enum wend_record_kind kind;
    struct wend_bytes body;   // all before the signature
    const uint8_t *signature; // WEND_RECORD_SIGNATURE_LEN bytes
};
// Returns 0, or -EBADMSG: too short, or of no kind that we know.
int wend_record_split(struct wend_bytes in, struct wend_record_parts *ret);

// Whether a list names the device or the invite; NULL is the empty list.
bool wend_revocation_has_device(const struct wend_revocation_list *l,
                                const uint8_t device[static WEND_RECORD_KEY_LEN]);
bool wend_revocation_has_invite(const struct wend_revocation_list *l,
                                const uint8_t id[static WEND_INVITE_ID_LEN]);

// Adds one entry to a list in the making: a device by its 32 bytes or an invite by its 8. The list
// keeps its entries in `entries`, which the first call fills with what the list named before (a
// decoded list borrows from elsewhere). WEND_REVOCATION_LIST_MAX bytes always suffice.
//
// Returns 0; -EEXIST when it is there already; -ENOSPC when the list or the buffer is full;
// -EINVAL for another length. The list is unchanged then.
int wend_revocation_add(struct wend_revocation_list *l, uint8_t *entries, size_t capacity,
                        struct wend_bytes value);

// The server that signs with `key`, or NULL.
const struct wend_server_record *
wend_network_record_find_server(const struct wend_network_record *r,
                                const uint8_t key[static WEND_RECORD_KEY_LEN]);

#endif
