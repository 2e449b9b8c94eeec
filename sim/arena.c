// SPDX-License-Identifier: MIT
#include "arena.h"

#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "base/assert.h"

#define PAGE      ((size_t)4096)
#define KEEP_MOST ((size_t)2048) // pages of its own; more go back to the kernel
#define LONG_RUN  ((size_t)16)   // pages side by side: what one world in many needed, most of it
#define KEEP_LONG 32             // worlds, and then such a run goes back to the kernel

// Linux 6.7, Documentation/admin-guide/mm/pagemap.rst; the headers may be older.
struct region {
    uint64_t start, end, categories;
};
struct scan {
    uint64_t size, flags, start, end, walk_end, vec, vec_len, max_pages;
    uint64_t category_inverted, category_mask, category_anyof_mask, return_mask;
};
#define SCAN          _IOWR('f', 16, struct scan)
#define IS_PRESENT    (1u << 3)
#define IS_ZERO       (1u << 5) // read, never written: the one page of zeros stands there
#define REGIONS_MAX   256
#define REGIONS_PARTS 64

static struct region regions[REGIONS_MAX];

static size_t round_up(size_t len)
{
    return (len + PAGE - 1) & ~(PAGE - 1);
}

static size_t clear_regions(int count, bool keep_long)
{
    size_t pages = 0;

    for (int i = 0; i < count; i++) {
        void *at = (void *)(uintptr_t)regions[i].start;
        const size_t len = regions[i].end - regions[i].start;
        if (!keep_long && len >= LONG_RUN * PAGE) {
            wend_assert(madvise(at, len, MADV_DONTNEED) == 0);
            continue;
        }
        memset(at, 0, len);
        pages += len / PAGE;
    }
    return pages;
}

// Zeroes the pages that were written. Returns how many, or -1: the kernel does not tell.
static long clear_written(struct sim_arena *a)
{
    static int pagemap = -2;
    struct scan s = {.size = sizeof s,
                     .start = (uintptr_t)a->at,
                     .end = (uintptr_t)a->at + a->len,
                     .vec = (uintptr_t)regions,
                     .vec_len = REGIONS_MAX,
                     .category_inverted = IS_ZERO,
                     .category_mask = IS_PRESENT | IS_ZERO,
                     .return_mask = IS_PRESENT};
    size_t pages = 0;
    const bool keep_long = ++a->worlds % KEEP_LONG != 0;

    if (pagemap == -2)
        pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
    for (int i = 0; i < REGIONS_PARTS && s.start < s.end; i++) {
        const int count = pagemap < 0 ? -1 : ioctl(pagemap, SCAN, &s);
        if (count < 0)
            return -1;
        pages += clear_regions(count, keep_long);
        s.start = s.walk_end;
    }
    return s.start < s.end ? -1 : (long)pages;
}

void *sim_arena_take(struct sim_arena *a, size_t len)
{
    if (a->at != NULL && a->len >= len) {
        const long pages = clear_written(a);
        if (pages < 0 || (size_t)pages > KEEP_MOST)
            wend_assert(madvise(a->at, a->len, MADV_DONTNEED) == 0);
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
