// SPDX-License-Identifier: MIT
#include "arena.h"

#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>

#include "base/assert.h"

#define PAGE      ((size_t)4096)
#define STEP      ((size_t)4096) // pages asked about at a time
#define KEEP_MOST ((size_t)2048) // resident pages; more go back to the kernel

static size_t round_up(size_t len)
{
    return (len + PAGE - 1) & ~(PAGE - 1);
}

// Zeroes resident pages of a part; returns how many there were.
static size_t clear_part(uint8_t *at, size_t pages)
{
    static unsigned char resident[STEP];
    size_t count = 0;

    wend_assert(mincore(at, pages * PAGE, resident) == 0);
    for (size_t i = 0; i < pages; i++) {
        if ((resident[i] & 1) == 0)
            continue;
        memset(at + i * PAGE, 0, PAGE);
        count++;
    }
    return count;
}

static void clear(struct sim_arena *a)
{
    const size_t pages = a->len / PAGE;
    size_t count = 0;

    for (size_t i = 0; i < pages; i += STEP)
        count += clear_part(a->at + i * PAGE, pages - i < STEP ? pages - i : STEP);
    if (count > KEEP_MOST)
        wend_assert(madvise(a->at, a->len, MADV_DONTNEED) == 0);
}

void *sim_arena_take(struct sim_arena *a, size_t len)
{
    if (a->at != NULL && a->len >= len) {
        clear(a);
        return a->at;
    }
    sim_arena_close(a);
    a->len = round_up(len);
    void *at = mmap(NULL, a->len, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    wend_assert(at != MAP_FAILED);
    a->at = at;
    (void)madvise(at, a->len, MADV_NOHUGEPAGE); // a fault shall zero one page, not 512
    return at;
}

void sim_arena_close(struct sim_arena *a)
{
    if (a->at != NULL)
        wend_assert(munmap(a->at, a->len) == 0);
    *a = (struct sim_arena){0};
}
