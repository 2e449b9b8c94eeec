// SPDX-License-Identifier: MIT
#include "io/tun.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/virtio_net.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/assert.h"

// Linux 6.2; older headers do not name them.
#ifndef TUN_F_USO4
#define TUN_F_USO4 0x20
#define TUN_F_USO6 0x40
#endif

enum { QUEUE_PRESET = 500 }; // TUN_READQ_SIZE of the kernel

static int open_device(void)
{
    const int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (fd >= 0)
        return fd;
    return errno == ENOENT || errno == ENXIO ? -ENODEV : -errno;
}

// The kernel says EINVAL for a name that is taken by another kind of interface, and EBUSY
// for a TUN device that we asked to be new.
static int create(struct wend_tun *t, const struct wend_tun_config *c)
{
    struct ifreq request = {0};
    const size_t len = strlen(c->name);
    if (len == 0 || len >= sizeof request.ifr_name)
        return -EINVAL;
    memcpy(request.ifr_name, c->name, len);
    const int flags = IFF_TUN | IFF_NO_PI | IFF_VNET_HDR | (c->attach ? 0 : IFF_TUN_EXCL);
    request.ifr_flags = (short)flags;
    if (ioctl(t->fd, TUNSETIFF, &request) != 0) {
        const int error = errno;
        const bool taken = (error == EBUSY && !c->attach) || error == EINVAL;
        return taken && if_nametoindex(c->name) != 0 ? -EEXIST : -error;
    }
    memcpy(t->name, request.ifr_name, sizeof t->name);
    t->index = (int)if_nametoindex(t->name);
    return t->index > 0 ? 0 : -ENODEV;
}

// What a device that persisted had before is set anew, also to nothing.
static void set_offload(struct wend_tun *t, bool wanted)
{
    const unsigned long tcp = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN;
    const unsigned long udp = TUN_F_USO4 | TUN_F_USO6;
    t->udp_offload = wanted && ioctl(t->fd, TUNSETOFFLOAD, tcp | udp) == 0;
    t->tcp_offload = t->udp_offload || (wanted && ioctl(t->fd, TUNSETOFFLOAD, tcp) == 0);
    if (!t->tcp_offload)
        (void)ioctl(t->fd, TUNSETOFFLOAD, 0ul);
}

// The kernel's preset drops what comes while the seal thread waits 25 ms for a CPU at 20,000
// packets a second: the device tells nobody that it is full. A value that somebody else chose
// stays.
static void set_queue(const struct wend_tun *t)
{
    struct ifreq request = {0};
    const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return;
    memcpy(request.ifr_name, t->name, sizeof request.ifr_name);
    if (ioctl(fd, SIOCGIFTXQLEN, &request) == 0 && request.ifr_qlen == QUEUE_PRESET) {
        request.ifr_qlen = WEND_TUN_QUEUE;
        (void)ioctl(fd, SIOCSIFTXQLEN, &request); // refused: fewer wait
    }
    close(fd);
}

static int set_header_len(struct wend_tun *t)
{
    const int len = sizeof(struct virtio_net_hdr);
    return ioctl(t->fd, TUNSETVNETHDRSZ, &len) == 0 ? 0 : -errno;
}

int wend_tun_open(struct wend_tun *t, const struct wend_tun_config *config)
{
    *t = (struct wend_tun){.fd = open_device()};
    if (t->fd < 0) {
        const int error = t->fd;
        t->fd = -1;
        return error;
    }
    int error = create(t, config);
    if (error == 0)
        error = set_header_len(t);
    if (error != 0) {
        wend_tun_close(t);
        return error;
    }
    set_queue(t);
    set_offload(t, !config->no_offload);
    return 0;
}

void wend_tun_close(struct wend_tun *t)
{
    if (t->fd >= 0)
        close(t->fd);
    t->fd = -1;
}

int wend_tun_read(struct wend_tun *t, uint8_t *to, size_t cap, struct wend_vnet *ret_vnet)
{
    struct virtio_net_hdr h;
    uint8_t beyond; // tells a packet that filled `to` from one that was cut
    const struct iovec views[3] = {{&h, sizeof h}, {to, cap}, {&beyond, sizeof beyond}};
    ssize_t got;
    do {
        got = readv(t->fd, views, 3);
    } while (got < 0 && errno == EINTR);
    if (got < 0)
        return -errno;
    if ((size_t)got <= sizeof h)
        return -EAGAIN;
    const size_t len = (size_t)got - sizeof h;
    if (len > cap)
        return -EMSGSIZE;
    *ret_vnet = (struct wend_vnet){.flags = h.flags,
                                   .gso_type = h.gso_type,
                                   .hdr_len = h.hdr_len,
                                   .gso_size = h.gso_size,
                                   .csum_start = h.csum_start,
                                   .csum_offset = h.csum_offset};
    return (int)len;
}

int wend_tun_write(struct wend_tun *t, const struct wend_vnet *vnet,
                   const struct wend_bytes *pieces, size_t count)
{
    wend_assert(count <= WEND_COALESCE_MAX);
    struct virtio_net_hdr h = {.flags = vnet->flags,
                               .gso_type = vnet->gso_type,
                               .hdr_len = vnet->hdr_len,
                               .gso_size = vnet->gso_size,
                               .csum_start = vnet->csum_start,
                               .csum_offset = vnet->csum_offset};
    struct iovec views[1 + WEND_COALESCE_MAX] = {{&h, sizeof h}};
    for (size_t i = 0; i < count; i++)
        views[1 + i] = (struct iovec){(void *)(uintptr_t)pieces[i].at, pieces[i].len};
    ssize_t written;
    do {
        written = writev(t->fd, views, (int)count + 1);
    } while (written < 0 && errno == EINTR);
    return written < 0 ? -errno : 0;
}
