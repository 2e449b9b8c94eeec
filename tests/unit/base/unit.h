// SPDX-License-Identifier: MIT
// What every cmocka test includes, and a small generator with a fixed seed.
#ifndef WEND_TESTS_UNIT_BASE_UNIT_H
#define WEND_TESTS_UNIT_BASE_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

// splitmix64: good enough to vary a test, the same on every run.
static inline uint64_t unit_random(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

#endif
