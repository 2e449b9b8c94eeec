// SPDX-License-Identifier: MIT
// Names in /etc/hosts: one block between two marker lines, and every other byte as it was.
//
//     # wend begin home wend0
//     100.64.0.3 phone phone.home.wend
//     fd12::3 phone phone.home.wend
//     # wend end home wend0
//
// The file is written in place, since it may be a bind mount that cannot be renamed over, under
// flock(2), and ends on the disk. Several instances own a block each. A block without its end (a
// crash, an editor) reaches as far as lines follow that this network's block could hold.
#ifndef WEND_IO_HOSTS_H
#define WEND_IO_HOSTS_H

#include "io/resolver.h"

#define WEND_HOSTS_PATH      "/etc/hosts"
#define WEND_HOSTS_BYTES_MAX (4u << 20)

struct wend_hosts {
    const char *path;
    const char *network;
    const char *interface;
};

// Replaces this instance's block, or puts one at the end. No names: an empty block is kept.
//
// Returns 0;
//   -EACCES, -EROFS, -ENOENT, -ENOSPC …  the file is as it was (-ENOSPC, -EIO: as far as the disk
//                                        allowed it to be put back)
//   -EFBIG  larger than WEND_HOSTS_BYTES_MAX, -EBUSY: locked by another for 0.2 s, -ENOMEM
int wend_hosts_write(const struct wend_hosts *h, const struct wend_name *names, size_t count);
// Takes the block out. Without one, the file is not touched. Returns as above.
int wend_hosts_remove(const struct wend_hosts *h);

#endif
