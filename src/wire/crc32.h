// SPDX-License-Identifier: MIT
// The CRC-32 of ITU V.42 (reflected polynomial 0xEDB88320), as RFC 8489 section 14.7 asks of STUN's
// FINGERPRINT. It finds accidents, it proves nothing against an attacker.
#ifndef WEND_WIRE_CRC32_H
#define WEND_WIRE_CRC32_H

#include "base/bytes.h"

uint32_t wend_crc32(struct wend_bytes in);

#endif
