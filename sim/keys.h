// SPDX-License-Identifier: MIT
// Keys that last in a simulated world, and which cryptography it was linked with.
//
// A scenario's course depends on the bytes of a device's or server's public key: two sessions that
// cross are decided by comparing them, and addresses are hashes of them. It depends on the bytes of
// no key that is drawn while it runs. So the simulator says which private keys last, once for the
// process and before the first use; everything else about a key is left to the library:
//
//   wend_crypto_fake  (sim/fake_crypto)  a lasting key has its true public key, others a cheap one
//   wend_crypto_memo  (sim/memo_crypto)  true in all; what two keys share, or whether a signature
//                                        holds, is computed once, not by both sides
//
// Both give the same sizes, the same accepting and refusing, and the same random numbers, so that
// a trace without the bytes of messages is equal under both. A program links one of the two in the
// place of src/crypto, which has the same functions.
//
// One table a process. Adding and forgetting are for one thread, while no other one uses keys.
#ifndef WEND_SIM_KEYS_H
#define WEND_SIM_KEYS_H

#include <stdint.h>

#define WEND_SIM_KEYS_MAX 1024

// The X25519 key of a device or a server. Costs about 45 microseconds; known already: nothing.
// Returns 0, or -ENOSPC when there are WEND_SIM_KEYS_MAX.
int wend_sim_keys_add(const uint8_t private_key[static 32]);
// Forgets all lasting keys, and what was remembered of signatures.
void wend_sim_keys_forget(void);

// "fake" or "real", for reports.
const char *wend_sim_crypto_name(void);

#endif
