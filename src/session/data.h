// SPDX-License-Identifier: MIT
// The packet path: seal and open messages under keys that a handshake has left (handshake.h).
//
//   wend_sender, wend_receiver   data, one of each per key pair; keyed AEAD contexts, allocated at
//                                init, then no allocation, no lock, no lookup
//   wend_box                     control: both directions in 224 bytes, raw keys, one-shot AEAD;
//                                for a server with ten thousands of clients, and for type 9
//
// Wire: type 4 and 9, docs/protocol.md section 2.3. A sender is used by one thread and a receiver
// by one thread; they share nothing, and the node touches neither after handing the keys over.
//
// Lifetimes in time are session.h's. The limits in messages are kept here: a sender refuses from
// REJECT-AFTER-MESSAGES on and says from REKEY-AFTER-MESSAGES on that it is worn.
#ifndef WEND_SESSION_DATA_H
#define WEND_SESSION_DATA_H

#include "base/bytes.h"
#include "base/drop.h"
#include "crypto/aead.h"
#include "session/handshake.h"
#include "session/replay.h"
#include "wire/session.h"

#define WEND_DATA_HEADROOM 16 // before the inner packet: the message's header
#define WEND_DATA_TAILROOM 31 // after it: up to 15 of padding and 16 of tag
#define WEND_DATA_OVERHEAD 32 // of a padded packet

#define WEND_REKEY_AFTER_MESSAGES  (UINT64_C(1) << 60)
#define WEND_REJECT_AFTER_MESSAGES (UINT64_MAX - (UINT64_C(1) << 13))

struct wend_sender {
    struct wend_aead aead;
    uint64_t counter; // of the next message
    uint32_t remote_index;
};

// Allocates. Returns 0 or -ENOMEM. A zeroed sender may be closed; close wipes.
int wend_sender_init(struct wend_sender *s, const uint8_t key[static 32], uint32_t remote_index);
void wend_sender_close(struct wend_sender *s);

// Seals the `len` bytes at `inner` where they lie. The header goes into the 16 bytes before
// `inner`, padding (zeros to a multiple of 16, but not beyond `mtu`) and tag after it: the caller
// owns WEND_DATA_HEADROOM before and WEND_DATA_TAILROOM behind. len 0 makes a keepalive.
// Returns the length of the message, which begins at inner - 16; 0 when the counter is used up.
size_t wend_data_seal(struct wend_sender *s, uint8_t *inner, size_t len, size_t mtu);

bool wend_sender_is_worn(const struct wend_sender *s); // rekey now

// A packet of a batch: `inner` with its room around, `len` in, `message_len` out.
struct wend_data_item {
    uint8_t *inner;
    size_t len;
    size_t message_len;
};

// Seals `count` packets under successive counters. Returns how many; fewer only when used up.
size_t wend_data_seal_batch(struct wend_sender *s, struct wend_data_item *items, size_t count,
                            size_t mtu);

struct wend_receiver {
    struct wend_aead aead;
    uint32_t local_index;
    struct wend_replay replay; // memory given at init
};

// `words` (power of two of them) outlives the receiver or is replaced by wend_replay_move.
// Allocates. Returns 0 or -ENOMEM.
int wend_receiver_init(struct wend_receiver *r, const uint8_t key[static 32], uint32_t local_index,
                       uint64_t *words, size_t word_count);
void wend_receiver_close(struct wend_receiver *r);

// Opens a type 4 message where it lies and views what was sealed, with its padding (the inner
// packet's own length says where it ends); empty for a keepalive. The caller found `r` by the
// receiver index. Drop reason: NONE; MALFORMED, NO_SESSION (another index), DECRYPT_FAILED, EXPIRED
// (counter beyond REJECT-AFTER-MESSAGES), REPLAYED. The bytes of a message that does not open are
// spoilt.
enum wend_drop wend_data_open(struct wend_receiver *r, uint8_t *message, size_t len,
                              struct wend_bytes *ret);

// The same without the replay window: says what a genuine message's counter is, and the caller asks
// wend_replay_accept, perhaps after it has moved the window.
enum wend_drop wend_data_unseal(struct wend_receiver *r, uint8_t *message, size_t len,
                                uint64_t *ret_counter, struct wend_bytes *ret);

// Both directions of a control session. No pointers inside: may be moved. 224 bytes.
struct wend_box {
    uint8_t send_key[WEND_SESSION_KEY_LEN];
    uint8_t receive_key[WEND_SESSION_KEY_LEN];
    uint64_t counter;
    uint32_t local_index;
    uint32_t remote_index;
    uint8_t type; // WEND_MESSAGE_DATA or WEND_MESSAGE_CONTROL; 0: closed
    uint64_t limit;
    uint64_t words[WEND_REPLAY_WORDS(WEND_REPLAY_BITS_SMALL)];
};

// Takes from `keys` what belongs to `type`: WEND_MESSAGE_DATA for sessions with a server (the data
// keys), WEND_MESSAGE_CONTROL between peers (the control keys).
void wend_box_init(struct wend_box *b, const struct wend_keys *keys, enum wend_message_type type);
void wend_box_close(struct wend_box *b); // wipes

#define WEND_BOX_OVERHEAD 47 // header, tag, and up to 15 of padding: longest body is out - this

// Appends one message with `body`, padded with zeros to a multiple of 16, to `out`. Returns 0,
// -ENOBUFS if it does not fit (nothing is used up), -EKEYEXPIRED when the counter is used up.
int wend_box_seal(struct wend_box *b, struct wend_bytes body, struct wend_writer *out);

// As wend_box_seal without the padding, for messages of an exact length: 32 more than the body.
int wend_box_seal_bare(struct wend_box *b, struct wend_bytes body, struct wend_writer *out);

// As wend_data_open, but leaves the message alone and writes the body, with padding, to `ret`,
// which has room for `in.len` bytes. WEND_DROP_NONE also for an empty body.
enum wend_drop wend_box_open(struct wend_box *b, struct wend_bytes in, uint8_t *ret,
                             size_t *ret_len);

#endif
