// SPDX-License-Identifier: MIT
// Trust: who is a member of a network, decided from signed records alone. docs/protocol.md
// section 6. Pure decisions without state; what was seen before is pins.h's.
//
//   network key --signs--> delegation (invite key, dates, uses)
//   invite key  --signs--> membership (device key, name, address, slot)
//   server key  --signs--> receipt    (hash of the membership, slot, time); the network record,
//   signed
//                                     by the network key, says which servers count
//
// Every refusal is an error code of the protocol, and the first that applies is told: form, network
// and signature of each record one after the other, then the rules in this order.
//
//   MALFORMED      a record does not decode
//   FOREIGN        delegation, membership, invite or list of another network
//   FORGED         a signature fails; or the parts do not belong together: another invite's id,
//                  another membership's hash, another slot
//   UNLISTED       the receipt is by a server that the network record does not name
//   REVOKED        the device or the invite is on the list
//   EXHAUSTED      slot >= uses
//   TOO_LONG       lifetime > member-for
//   OUTSIDE        the address is not in the signing server's sub-pool, or one that nobody is given
//   BACKDATED      receipt time and `made` differ by more than 600 s, or the receipt is more than
//                  600 s older than the delegation
//   EXPIRED        receipt time > join-before, or receipt time + lifetime <= now
//   NOT_YET_VALID  receipt time > now + 600 s
//   TAKEN          pins: slot, name or address belong to another key
//   REPLAYED       pins: an older membership of a key that has shown a newer one
//   STALE          a record or list that is not newer than the one we hold
//
// All times are seconds of Unix time. Thread-safe: nothing is kept.
#ifndef WEND_SESSION_TRUST_H
#define WEND_SESSION_TRUST_H

#include "crypto/invite_text.h"
#include "crypto/record.h"
#include "session/pins.h"
#include "wire/control.h"
#include "wire/record.h"

#define WEND_TRUST_SKEW_S 600 // how far clocks of honest devices and servers may be apart

// What a network's member knows: its record, already verified, and the newest revocation list,
// already verified (NULL: none).
struct wend_trust {
    const struct wend_network_record *network;
    const struct wend_revocation_list *revoked;
};

// A member's proof, as received. Borrowed.
struct wend_chain {
    struct wend_bytes delegation;
    struct wend_bytes membership;
    struct wend_bytes receipt;
};

// Whether the chain makes its device a member now. Writes `ret` only for WEND_ERROR_NONE.
enum wend_error wend_trust_check_member(const struct wend_trust *trust,
                                        const struct wend_chain *chain, uint64_t unix_seconds,
                                        struct wend_member *ret);

// The server at Join: may this invite still be used? NOT_YET_VALID when it was issued more than
// 600 s from now, EXPIRED after join-before. Which slots are used is the server's own knowledge.
enum wend_error wend_trust_check_delegation(const struct wend_trust *trust, struct wend_bytes in,
                                            uint64_t unix_seconds, struct wend_delegation *ret);

// The server at Join Commit, before it signs a receipt: all that check_member asks, with
// `server_key` (its own Ed25519 key) and its clock in the receipt's place. The receipt in `chain`
// is not read. `ret->receipt_time` is `unix_seconds`.
enum wend_error wend_trust_check_commit(const struct wend_trust *trust,
                                        const struct wend_chain *chain,
                                        const uint8_t server_key[static WEND_ED25519_LEN],
                                        uint64_t unix_seconds, struct wend_member *ret);

// A device after it joined, with what check_member said of its own chain: BACKDATED or
// NOT_YET_VALID when the receipt's time is more than 600 s before or after its own clock.
enum wend_error wend_trust_check_receipt_fresh(const struct wend_member *own,
                                               uint64_t unix_seconds);

// An invite before it is used: its record and delegation decode and are signed by the network's
// key, the seed is the delegation's. EXPIRED and NOT_YET_VALID by the device's own clock.
enum wend_error wend_trust_check_invite(const struct wend_invite *invite, uint64_t unix_seconds,
                                        struct wend_network_record *ret_network,
                                        struct wend_delegation *ret_delegation);

// Whether a network record replaces the one held: same network (FOREIGN), signed by it (FORGED),
// with a higher serial (STALE). `held` NULL: the first one, which any key may sign for itself.
enum wend_error wend_trust_newer_network(const struct wend_network_record *held,
                                         struct wend_bytes in, struct wend_network_record *ret);

// The same for a revocation list of `network`. `ret` borrows from `in`.
enum wend_error wend_trust_newer_revocations(const struct wend_network_record *network,
                                             const struct wend_revocation_list *held,
                                             struct wend_bytes in,
                                             struct wend_revocation_list *ret);

// Whether the list puts this member out: by its device key or its invite.
bool wend_trust_is_revoked(const struct wend_trust *trust, const struct wend_member *member);

#endif
