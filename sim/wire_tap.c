// SPDX-License-Identifier: MIT
#include "wire.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define PATH_LEN 256

// Splits "NETNS:IF" at the last colon. An empty path stands for the current namespace.
static int split_where(const char *where, char path[static PATH_LEN], char name[static IFNAMSIZ])
{
    const char *colon = strrchr(where, ':');
    if (colon == NULL || colon == where || colon[1] == 0 || strlen(colon + 1) >= IFNAMSIZ)
        return -EINVAL;
    const int netns_len = (int)(colon - where);
    memcpy(name, colon + 1, strlen(colon + 1) + 1);
    path[0] = 0;
    if (netns_len == 1 && where[0] == '.')
        return 0;
    const char *prefix = memchr(where, '/', (size_t)netns_len) != NULL ? "" : "/run/netns/";
    const int len = snprintf(path, PATH_LEN, "%s%.*s", prefix, netns_len, where);
    return len < PATH_LEN ? 0 : -ENAMETOOLONG;
}

static int enter(const char *path)
{
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    const int rc = setns(fd, CLONE_NEWNET) == 0 ? 0 : -errno;
    close(fd);
    return rc;
}

static int bring_up(const char *name)
{
    struct ifreq request = {0};
    snprintf(request.ifr_name, sizeof request.ifr_name, "%s", name);
    const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    int rc = ioctl(fd, SIOCGIFFLAGS, &request);
    if (rc == 0) {
        request.ifr_flags = (short)(request.ifr_flags | IFF_UP);
        rc = ioctl(fd, SIOCSIFFLAGS, &request);
    }
    const int result = rc == 0 ? 0 : -errno;
    close(fd);
    return result;
}

// Makes the device in the namespace that the thread is in.
static int create(const char *name)
{
    struct ifreq request = {.ifr_flags = IFF_TAP | IFF_NO_PI};
    snprintf(request.ifr_name, sizeof request.ifr_name, "%s", name);
    const int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    int rc = ioctl(fd, TUNSETIFF, &request) == 0 ? 0 : -errno;
    if (rc == 0)
        rc = bring_up(name);
    if (rc == 0)
        return fd;
    close(fd);
    return rc;
}

static int create_in(const char *path, const char *name)
{
    if (path[0] == 0)
        return create(name);
    const int home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    if (home < 0)
        return -errno;
    int rc = enter(path);
    if (rc == 0) {
        rc = create(name);
        if (setns(home, CLONE_NEWNET) != 0) {
            const int failed = -errno;
            if (rc >= 0)
                close(rc);
            rc = failed;
        }
    }
    close(home);
    return rc;
}

int wire_tap_open(const char *where)
{
    char path[PATH_LEN], name[IFNAMSIZ];
    int rc = split_where(where, path, name);
    if (rc == 0)
        rc = create_in(path, name);
    if (rc < 0)
        fprintf(stderr, "wend-wire: cannot make the TAP device: %s: %s\n", where, strerror(-rc));
    return rc;
}
