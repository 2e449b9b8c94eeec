// SPDX-License-Identifier: MIT
// Overflows a signed number: only the undefined behaviour sanitizer makes this fail.
#include <limits.h>

int main(int argc, char **argv)
{
    (void)argv;
    volatile int most = INT_MAX;
    most = most + argc;
    return most == 5;
}
