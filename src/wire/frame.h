// SPDX-License-Identifier: MIT
// Relay frames, hints, and the framing of datagrams on a stream.
//
// Relay frame: 8 | 0 | reserved 2 | channel 4, big-endian, then the datagram. A relay passes the
// eight bytes on unchanged, so that it can forward batches without looking inside.
//
// Hint: 7 | kind 1 | 0 2 | echo 4. Tells a sender that its session, channel or source is not known
// here. The echo holds four bytes of the message that caused it, as they stood there: the receiver
// index of a session message, the channel of a relay frame. A hint is never larger than its cause,
// and is never proof of anything: it only ever leads to a new handshake.
//
// Stream: before each datagram its length, two bytes, big-endian. There is no empty datagram and
// none above WEND_DATAGRAM_MAX; a stream that announces one has lost its framing and is closed.
#ifndef WEND_WIRE_FRAME_H
#define WEND_WIRE_FRAME_H

#include "base/bytes.h"
#include "base/datagram.h"

#define WEND_FRAME_TYPE       8
#define WEND_FRAME_HEADER_LEN 8

struct wend_frame {
    uint16_t reserved; // zero when sent, ignored when received
    uint32_t channel;
    struct wend_bytes datagram; // not empty
};

// Returns 0, or -EBADMSG and `ret` is untouched. `datagram` points into `in`.
int wend_frame_read(struct wend_bytes in, struct wend_frame *ret);

static inline void wend_frame_write_header(uint8_t at[static WEND_FRAME_HEADER_LEN],
                                           uint32_t channel)
{
    wend_put_u32(at, (uint32_t)WEND_FRAME_TYPE << 24);
    wend_put_u32(at + 4, channel);
}

#define WEND_HINT_TYPE 7
#define WEND_HINT_LEN  8

enum wend_hint_kind {
    WEND_HINT_NONE = 0,
    WEND_HINT_UNKNOWN_SESSION = 1,
    WEND_HINT_UNKNOWN_CHANNEL = 2,
    WEND_HINT_UNKNOWN_SOURCE = 3,
};

struct wend_hint {
    uint8_t kind;    // enum wend_hint_kind
    uint8_t echo[4]; // as it stood in the cause
};

// Returns 0, or -EBADMSG (also for a kind that we do not know) and `ret` is untouched.
int wend_hint_read(struct wend_bytes in, struct wend_hint *ret);
// `hint->kind` must be one of the enum, and not NONE.
void wend_hint_write(uint8_t at[static WEND_HINT_LEN], const struct wend_hint *hint);

// Cuts one direction of a stream into datagrams. Owns nothing: the buffer is the caller's and must
// outlive it. Bytes may come in any pieces.
//
// State:  HEADER --two bytes--> BODY --all of it--> HEADER, and from HEADER --bad length--> ended
struct wend_stream {
    uint8_t *buffer; // of WEND_DATAGRAM_MAX bytes
    size_t want;     // of the datagram under way; 0 while its length is awaited
    size_t have;     // bytes of it in the buffer, or of the length in `length`
    uint8_t length[2];
    bool ended;
};

void wend_stream_init(struct wend_stream *s, uint8_t buffer[static WEND_DATAGRAM_MAX]);

// Takes bytes from the front of `*in`, which is moved on, up to the end of one datagram.
//
// The datagram points into `in` if it lay there whole, else into the buffer; it lives until the
// next push. Call again until it returns 0.
//
// Returns 1 with a datagram in `ret`;
//   0        `in` is used up and no datagram is complete; `ret` is untouched
//   -EPROTO  the stream announced a bad length, now or earlier: close it
int wend_stream_push(struct wend_stream *s, struct wend_bytes *in, struct wend_bytes *ret);

#define WEND_STREAM_HEADER_LEN 2

// What goes before a datagram of `len` bytes, 1 to WEND_DATAGRAM_MAX.
void wend_stream_write_header(uint8_t at[static WEND_STREAM_HEADER_LEN], size_t len);

#endif
