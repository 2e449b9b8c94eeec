// SPDX-License-Identifier: MIT
#include <stdlib.h>
#include <string.h>

int wend_bad(const char *text)
{
    char *copy = malloc(strlen(text + 1));
    if (copy == NULL)
        return 0;
    copy[0] = text[0];
    return copy[0];
}
