// SPDX-License-Identifier: MIT
#include "base/print.h"

#include <stdarg.h>
#include <stdio.h>

void wend_print(char *ret, size_t len, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(ret, len, format, arguments);
    va_end(arguments);
}
