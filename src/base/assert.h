// SPDX-License-Identifier: MIT
// Our own mistakes end the program, in release builds too: going on with a broken invariant is how
// a bug becomes a hole. What a peer or the system does wrong is never asserted.
#ifndef WEND_BASE_ASSERT_H
#define WEND_BASE_ASSERT_H

#define wend_assert(condition)                                                                     \
    do {                                                                                           \
        if (__builtin_expect(!(condition), 0))                                                     \
            wend_assert_failed(#condition, __FILE__, __LINE__);                                    \
    } while (0)

// Writes one line to standard error and aborts.
_Noreturn void wend_assert_failed(const char *condition, const char *file, int line);

#endif
