// SPDX-License-Identifier: MIT
// Text for people from pure rooms: what a machine says of its reasons in an event.
#ifndef WEND_BASE_PRINT_H
#define WEND_BASE_PRINT_H

#include <stddef.h>

// As snprintf, cut to `len` bytes with the zero byte; there is no error to look at.
__attribute__((format(printf, 3, 4))) void wend_print(char *ret, size_t len, const char *format,
                                                      ...);

#endif
