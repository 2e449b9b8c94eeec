// SPDX-License-Identifier: MIT
#include "base/assert.h"

#include <stdio.h>

_Noreturn void wend_assert_failed(const char *condition, const char *file, int line)
{
    fprintf(stderr, "wend: broken invariant: %s: %s:%d: this is a bug in wend\n", condition, file,
            line);
    __builtin_abort(); // abort(3), without the rest of stdlib.h
}
