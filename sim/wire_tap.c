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
// Frames that wait until the wire's thread has run: its share of a CPU is not what is measured.
#define QUEUE_FRAMES 10000

// Linux 6.2; older headers do not name them.
#ifndef TUN_F_USO4
#define TUN_F_USO4 0x20
#define TUN_F_USO6 0x40
#endif

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
    request.ifr_qlen = QUEUE_FRAMES;
    int rc = ioctl(fd, SIOCSIFTXQLEN, &request);
    if (rc == 0)
        rc = ioctl(fd, SIOCGIFFLAGS, &request);
    if (rc == 0) {
        request.ifr_flags = (short)(request.ifr_flags | IFF_UP);
        rc = ioctl(fd, SIOCSIFFLAGS, &request);
    }
    const int result = rc == 0 ? 0 : -errno;
    close(fd);
    return result;
}

// Kernels without segmentation of UDP cut that themselves.
static int set_gso(int fd)
{
    const unsigned long tcp = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN;
    const unsigned long udp = TUN_F_USO4 | TUN_F_USO6;
    const bool done =
        ioctl(fd, TUNSETOFFLOAD, tcp | udp) == 0 || ioctl(fd, TUNSETOFFLOAD, tcp) == 0;
    return done ? 0 : -errno;
}

// Makes the device in the namespace that the thread is in.
static int create(const char *name, bool gso)
{
    const int flags = IFF_TAP | IFF_NO_PI | (gso ? IFF_VNET_HDR : 0);
    struct ifreq request = {.ifr_flags = (short)flags};
    snprintf(request.ifr_name, sizeof request.ifr_name, "%s", name);
    const int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    int rc = ioctl(fd, TUNSETIFF, &request) == 0 ? 0 : -errno;
    if (rc == 0 && gso)
        rc = set_gso(fd);
    if (rc == 0)
        rc = bring_up(name);
    if (rc == 0)
        return fd;
    close(fd);
    return rc;
}

static int create_in(const char *path, const char *name, bool gso)
{
    if (path[0] == 0)
        return create(name, gso);
    const int home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    if (home < 0)
        return -errno;
    int rc = enter(path);
    if (rc == 0) {
        rc = create(name, gso);
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

int wire_tap_open(const char *where, bool gso)
{
    char path[PATH_LEN], name[IFNAMSIZ];
    int rc = split_where(where, path, name);
    if (rc == 0)
        rc = create_in(path, name, gso);
    if (rc < 0)
        fprintf(stderr, "wend-wire: cannot make the TAP device: %s: %s\n", where, strerror(-rc));
    return rc;
}
