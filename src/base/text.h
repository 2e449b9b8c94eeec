// SPDX-License-Identifier: MIT
// Bytes as text that people copy: keys in base64 (RFC 4648 section 4, padded), invites and claim
// codes in base64url (section 5, unpadded); and the names that devices and networks may have.
//
// Decoding is strict, so that one value has one text: no white space, no missing or extra padding,
// and the unused bits of the last character are zero (section 3.5). Both directions work without
// tables or branches on the value of a character, because keys pass through here.
#ifndef WEND_BASE_TEXT_H
#define WEND_BASE_TEXT_H

#include "base/bytes.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/types.h>

#define WEND_NAME_LEN_MAX 63

// Sizes of the text for `n` bytes, with its zero byte.
#define WEND_BASE64_SIZE(n)    (((n) + 2) / 3 * 4 + 1)
#define WEND_BASE64URL_SIZE(n) (((n)*4 + 2) / 3 + 1)

static inline struct wend_bytes wend_bytes_of_text(const char *text)
{
    return (struct wend_bytes){.at = (const uint8_t *)text, .len = strlen(text)};
}

// Write WEND_BASE64_SIZE(in.len) or WEND_BASE64URL_SIZE(in.len) bytes to `ret` and return it.
char *wend_base64_encode(struct wend_bytes in, char *ret);
char *wend_base64url_encode(struct wend_bytes in, char *ret);

// Return the number of bytes written to `ret`;
//   -EINVAL  not the text of any value
//   -ENOSPC  more than `capacity` bytes
// On failure, `ret` holds nothing of the value.
ssize_t wend_base64_decode(struct wend_bytes text, uint8_t *ret, size_t capacity);
ssize_t wend_base64url_decode(struct wend_bytes text, uint8_t *ret, size_t capacity);

// A label of RFC 1035 section 2.3.1 in lower case, with RFC 1123 section 2.1's leading digit:
// 1 to 63 of a-z, 0-9 and '-', the first and the last not '-'.
bool wend_name_is_valid(struct wend_bytes name);

#endif
