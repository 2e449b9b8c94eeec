// SPDX-License-Identifier: MIT
// Crashes on one input, to prove that a crash is noticed.
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    wend_assert(size != 4 || memcmp(data, "wend", 4) != 0);
    return 0;
}
