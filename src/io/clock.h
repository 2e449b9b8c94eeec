// SPDX-License-Identifier: MIT
// The clocks. Read once per turn of a loop and passed down as arguments; nothing below src/io
// reads one.
#ifndef WEND_IO_CLOCK_H
#define WEND_IO_CLOCK_H

#include <stdint.h>

#include "base/time.h"

// Monotonic, and goes on while the machine sleeps (CLOCK_BOOTTIME): after a suspend every timer
// that fell due is due at once, and keys have aged as the peer's have.
wend_instant wend_clock_now(void);

// Nanoseconds since 1970 by the wall clock, which may be set back.
int64_t wend_clock_unix_ns(void);
// The same in whole seconds, as records carry it.
uint64_t wend_clock_unix_seconds(void);

#endif
