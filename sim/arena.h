// SPDX-License-Identifier: MIT
// Large zeroed memory for machines, used again by world after world.
//
// A machine sized for thousands of peers writes to some hundred pages when it has one. Giving those
// back to the kernel and faulting them in again costs more than zeroing them, so they stay: take
// asks the kernel which pages were written and zeroes these. Where the kernel cannot tell, or they
// have become too many, they go back; now and then long runs of them do, for which one world that
// needed them all would have every later one pay. A forked process asks of its own pages only after
// it has opened its own view: fork before the first arena is taken.
#ifndef WEND_SIM_ARENA_H
#define WEND_SIM_ARENA_H

#include <stddef.h>
#include <stdint.h>

struct sim_arena {
    uint8_t *at; // NULL: nothing yet
    size_t len;
    uint32_t worlds; // that it was cleared for
};

// At least `len` zeroed bytes, aligned to a page; what it had before is gone. Ends the program when
// the system has no memory.
void *sim_arena_take(struct sim_arena *a, size_t len);
void sim_arena_close(struct sim_arena *a);

#endif
