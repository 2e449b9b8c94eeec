// SPDX-License-Identifier: MIT
#ifndef WEND_WIRE_ABOVE_H
#define WEND_WIRE_ABOVE_H

#include "base/up.h"
#include "nowhere.h"
#include "tests/outside.h"
#include <stdint.h>

#endif
