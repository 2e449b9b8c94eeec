// SPDX-License-Identifier: MIT
// What the record codecs share; for src/wire/record*.c and revocation.c alone.
#ifndef WEND_WIRE_RECORD_INTERNAL_H
#define WEND_WIRE_RECORD_INTERNAL_H

#include "wire/record.h"

// Starts reading a record's body behind kind and version. Returns 0, -EBADMSG or -EPROTONOSUPPORT.
int wend_record_open(struct wend_bytes in, enum wend_record_kind kind, struct wend_reader *ret);
void wend_record_write_start(struct wend_writer *w, enum wend_record_kind kind);

// u8 length and a valid name; latches otherwise.
void wend_record_read_name(struct wend_reader *r, char ret[static WEND_NAME_LEN_MAX + 1]);
void wend_record_write_name(struct wend_writer *w, const char name[static WEND_NAME_LEN_MAX + 1]);

static inline void wend_record_write_fixed(struct wend_writer *w, const uint8_t *at, size_t len)
{
    wend_write_bytes(w, (struct wend_bytes){.at = at, .len = len});
}

#endif
