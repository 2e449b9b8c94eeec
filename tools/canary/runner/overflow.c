// SPDX-License-Identifier: MIT
// Reads behind the end of its memory: only the address sanitizer makes this fail.
#include <stdlib.h>

int main(int argc, char **argv)
{
    (void)argv;
    volatile char *bytes = calloc(8, 1);
    if (bytes == NULL)
        return 1;
    const int result = bytes[7 + argc];
    free((void *)bytes);
    return result == 256;
}
