// SPDX-License-Identifier: MIT
// A network namespace of the test's own, with the loopback up. Include after cmocka.
#ifndef WEND_TEST_NETNS_H
#define WEND_TEST_NETNS_H

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "io/netlink.h"

static inline bool netns_write(const char *path, const char *text)
{
    const int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    const bool written = write(fd, text, strlen(text)) == (ssize_t)strlen(text);
    close(fd);
    return written;
}

static inline bool netns_unshare(void)
{
    const unsigned uid = (unsigned)geteuid(), gid = (unsigned)getegid();
    if (unshare(CLONE_NEWNET) == 0)
        return true;
    if (unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0)
        return false;
    char map[64];
    netns_write("/proc/self/setgroups", "deny");
    snprintf(map, sizeof map, "0 %u 1", uid);
    const bool mapped = netns_write("/proc/self/uid_map", map);
    snprintf(map, sizeof map, "0 %u 1", gid);
    return mapped && netns_write("/proc/self/gid_map", map);
}

// Enters a new namespace. Returns false, having said why, where the system does not allow it.
static inline bool netns_enter(void)
{
    if (!netns_unshare()) {
        fprintf(stderr, "skipped: no network namespace here: %s\n", strerror(errno));
        return false;
    }
    struct wend_netlink n;
    struct wend_link lo;
    int error = wend_netlink_open(&n);
    if (error == 0)
        error = wend_netlink_link_find(&n, "lo", &lo);
    if (error == 0)
        error = wend_netlink_link_set(&n, lo.index, true, 0);
    wend_netlink_close(&n);
    if (error != 0)
        fprintf(stderr, "skipped: loopback in a new namespace: %s\n", strerror(-error));
    return error == 0;
}

// The same, for tests of TUN devices.
static inline bool netns_enter_with_tun(void)
{
    if (access("/dev/net/tun", R_OK | W_OK) == 0)
        return netns_enter();
    fprintf(stderr, "skipped: /dev/net/tun: %s\n", strerror(errno));
    return false;
}

#endif
