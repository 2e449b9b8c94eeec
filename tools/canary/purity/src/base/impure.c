// SPDX-License-Identifier: MIT
#include <stdlib.h>
#include <string.h>
#include <time.h>

int wend_io_now(void);
int wend_impure(void);

static int counter;
static int started = 1;
static const char *const names[] = {"constant", "data", "is", "fine"};

int wend_impure(void)
{
    char *copy = malloc(16);
    if (copy == NULL)
        return 0;
    memcpy(copy, names[started], 2);
    counter += (int)time(NULL) + wend_io_now() + copy[0];
    started = counter;
    free(copy);
    return counter;
}
