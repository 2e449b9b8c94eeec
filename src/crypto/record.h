// SPDX-License-Identifier: MIT
// Signatures of records (wire/record.h), and the hashes that names and addresses come from.
//
// A signature covers "wend ", the record's name, " v1", a zero byte and all bytes before the
// signature (docs/protocol.md section 5), so a signature under one kind of record, or under
// anything else, is none under another.
#ifndef WEND_CRYPTO_RECORD_H
#define WEND_CRYPTO_RECORD_H

#include "base/address.h"
#include "crypto/crypto.h"
#include "wire/record.h"

// Encode, sign with the Ed25519 seed and append to the writer.
//
// Return 0;
//   -EINVAL  the struct says something that would not decode (a name, a prefix, a count …)
//   -ENOSPC  the writer is full
// The writer is unchanged then, but for `failed` with -ENOSPC. Sizes that always suffice are in
// wire/record.h.
int wend_network_record_sign(const struct wend_network_record *r,
                             const uint8_t seed[static WEND_ED25519_LEN], struct wend_writer *ret);
int wend_delegation_sign(const struct wend_delegation *d,
                         const uint8_t seed[static WEND_ED25519_LEN], struct wend_writer *ret);
int wend_membership_sign(const struct wend_membership *m,
                         const uint8_t seed[static WEND_ED25519_LEN], struct wend_writer *ret);
int wend_receipt_sign(const struct wend_receipt *r, const uint8_t seed[static WEND_ED25519_LEN],
                      struct wend_writer *ret);
int wend_revocation_list_sign(const struct wend_revocation_list *l,
                              const uint8_t seed[static WEND_ED25519_LEN], struct wend_writer *ret);

// Verifies any record's signature, by the kind in its first byte. Says nothing about its form.
// Returns 0, or -EBADMSG.
int wend_record_verify(struct wend_bytes record, const uint8_t key[static WEND_ED25519_LEN]);

// What a network's key signs to be shown its members and invites; `handshake_hash` is that of the
// session it is said in, so it is good for nothing elsewhere. docs/protocol.md section 6.
void wend_show_sign(const uint8_t seed[static WEND_ED25519_LEN],
                    const uint8_t handshake_hash[static 32], uint64_t unix_seconds,
                    uint8_t ret_signature[static WEND_SIGNATURE_LEN]);
int wend_show_verify(const uint8_t key[static WEND_ED25519_LEN],
                     const uint8_t handshake_hash[static 32], uint64_t unix_seconds,
                     const uint8_t signature[static WEND_SIGNATURE_LEN]);

// The membership's hash, as receipts and CERTIFICATE-HASH carry it: over the whole record.
void wend_membership_hash(struct wend_bytes membership, uint8_t ret[static WEND_BLAKE2S_LEN]);

void wend_invite_id(const uint8_t invite_key[static WEND_ED25519_LEN],
                    uint8_t ret[static WEND_INVITE_ID_LEN]);

// Addresses inside: the network's IPv6 /64, a device's address in it (port 0), and the /20 within
// 100.64.0.0/10 that a network has unless told otherwise.
struct wend_prefix wend_inside_prefix(const uint8_t network_key[static WEND_ED25519_LEN]);
struct wend_address wend_inside_address(const uint8_t network_key[static WEND_ED25519_LEN],
                                        const uint8_t device_key[static WEND_X25519_LEN]);
struct wend_prefix wend_preset_pool(const uint8_t network_key[static WEND_ED25519_LEN]);

#endif
