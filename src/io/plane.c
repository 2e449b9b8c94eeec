// SPDX-License-Identifier: MIT
#include "io/plane.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "base/assert.h"
#include "crypto/crypto.h"
#include "io/plane_state.h"

enum { PAGE = 4096 };

// ---- Waking ----

static void signal_eventfd(int fd)
{
    const uint64_t one = 1;
    // Fails only when the count is at its limit, and then it is readable anyway.
    (void)!write(fd, &one, sizeof one);
}

void wend_plane_wake(struct wend_plane_wake *w)
{
    atomic_thread_fence(memory_order_seq_cst);
    if (atomic_load_explicit(&w->asleep, memory_order_relaxed) &&
        atomic_exchange(&w->asleep, false))
        signal_eventfd(w->fd);
}

void wend_plane_fall_asleep(struct wend_plane_wake *w)
{
    atomic_store_explicit(&w->asleep, true, memory_order_relaxed);
    atomic_thread_fence(memory_order_seq_cst);
}

void wend_plane_awake(struct wend_plane_wake *w, bool signalled)
{
    uint64_t count;
    atomic_store_explicit(&w->asleep, false, memory_order_relaxed);
    if (signalled)
        (void)!read(w->fd, &count, sizeof count);
}

// ---- What the threads share ----

bool wend_plane_push(struct wend_ring *ring, const struct wend_datagram *way,
                     struct wend_bytes bytes)
{
    struct wend_datagram d = *way;
    uint8_t *at = wend_ring_reserve(ring, sizeof d + bytes.len);
    if (at == NULL)
        return false;
    d.bytes = (struct wend_bytes){NULL, bytes.len};
    memcpy(at, &d, sizeof d);
    memcpy(at + sizeof d, bytes.at, bytes.len);
    wend_ring_commit(ring, sizeof d + bytes.len);
    return true;
}

void wend_plane_publish(struct wend_plane_tally *t, const struct wend_drops *machine)
{
    for (int i = 0; i < WEND_PLANE_NUMBERS; i++)
        atomic_store_explicit(&t->published_numbers[i], t->numbers[i], memory_order_relaxed);
    for (int i = 0; i < WEND_DROP_COUNT; i++)
        atomic_store_explicit(&t->published_drops[i], t->drops.count[i] + machine->count[i],
                              memory_order_relaxed);
}

void wend_plane_fail(struct wend_plane *p, int error)
{
    int none = 0;
    (void)atomic_compare_exchange_strong(&p->failure, &none, error);
    signal_eventfd(p->node_wake.fd);
}

// ---- Start and stop ----

static void init_rings(struct wend_plane *p)
{
    wend_ring_init(&p->seal_commands, p->seal_commands_memory, sizeof p->seal_commands_memory);
    wend_ring_init(&p->open_commands, p->open_commands_memory, sizeof p->open_commands_memory);
    wend_ring_init(&p->seal_notices, p->seal_notices_memory, sizeof p->seal_notices_memory);
    wend_ring_init(&p->open_notices, p->open_notices_memory, sizeof p->open_notices_memory);
    wend_ring_init(&p->stream_in, p->stream_in_memory, sizeof p->stream_in_memory);
    wend_ring_init(&p->stream_out, p->stream_out_memory, sizeof p->stream_out_memory);
    wend_ring_init(&p->node_datagrams, p->node_datagrams_memory, sizeof p->node_datagrams_memory);
}

// Our own counts and what we learn of routes begin anew.
static struct wend_udp copy_socket(const struct wend_udp *udp)
{
    if (udp == NULL || udp->fd < 0)
        return (struct wend_udp){.fd = -1};
    return (struct wend_udp){
        .fd = udp->fd, .local = udp->local, .gso = udp->gso, .connected = udp->connected};
}

static size_t round_up(size_t size)
{
    return (size + PAGE - 1) / PAGE * PAGE;
}

static void init_sealer(struct wend_plane *p, const struct wend_plane_config *c, uint8_t *memory)
{
    struct wend_plane_sealer *t = &p->sealer;
    struct wend_seal_config config = {
        .ipv4 = c->ipv4, .ipv6 = c->ipv6, .mtu = c->mtu, .stats = p->stats};
    memcpy(config.hash_key, c->hash_key, sizeof config.hash_key);
    t->plane = p;
    t->tun = *c->tun;
    t->lanes[0].udp = copy_socket(c->udp4);
    t->lanes[1].udp = copy_socket(c->udp6);
    t->out.at = t->out_bytes;
    t->out.capacity = sizeof t->out_bytes;
    t->seal = wend_seal_init(memory, &config);
    wend_wipe(config.hash_key, sizeof config.hash_key);
}

static void init_opener(struct wend_plane *p, const struct wend_plane_config *c, uint8_t *memory)
{
    struct wend_plane_opener *t = &p->opener;
    struct wend_open_config config = {
        .ipv4 = c->ipv4, .ipv6 = c->ipv6, .udp_offload = c->tun->udp_offload, .stats = p->stats};
    memcpy(config.hash_key, c->hash_key, sizeof config.hash_key);
    t->plane = p;
    t->tun = *c->tun;
    t->ears[0].udp = copy_socket(c->udp4);
    t->ears[1].udp = copy_socket(c->udp6);
    t->open = wend_open_init(memory, &config);
    wend_wipe(config.hash_key, sizeof config.hash_key);
}

static struct wend_plane *new_plane(const struct wend_plane_config *config)
{
    const size_t plane = round_up(sizeof(struct wend_plane)), seal = round_up(wend_seal_size());
    const size_t size = plane + seal + round_up(wend_open_size());
    uint8_t *memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED)
        return NULL;
    struct wend_plane *p = (struct wend_plane *)(void *)memory;
    p->size = size;
    p->node_wake.fd = p->sealer.wake.fd = p->opener.wake.fd = p->opener.extra_fd = -1;
    atomic_store(&p->node_wake.asleep, true);
    init_rings(p);
    init_sealer(p, config, memory + plane);
    init_opener(p, config, memory + plane + seal);
    return p;
}

static int open_descriptors(struct wend_plane *p)
{
    int *const fds[] = {&p->node_wake.fd, &p->sealer.wake.fd, &p->opener.wake.fd};
    for (size_t i = 0; i < sizeof fds / sizeof *fds; i++) {
        *fds[i] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (*fds[i] < 0)
            return -errno;
    }
    p->opener.extra_fd = epoll_create1(EPOLL_CLOEXEC);
    if (p->opener.extra_fd < 0)
        return -errno;
    p->opener.batch = wend_udp_batch_new(WEND_PLANE_UDP_MESSAGES);
    return p->opener.batch != NULL ? 0 : -ENOMEM;
}

static int start_thread(struct wend_plane *p, int i, void *(*run)(void *), void *argument)
{
    static const char *const names[] = {"wend-seal", "wend-open"};
    sigset_t all, before;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    const int error = pthread_create(&p->threads[i], NULL, run, argument);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error != 0)
        return -error;
    p->running[i] = true;
    (void)pthread_setname_np(p->threads[i], names[i]);
    return 0;
}

int wend_plane_start(const struct wend_plane_config *config, struct wend_plane **ret)
{
    struct wend_plane *p = new_plane(config);
    if (p == NULL)
        return -ENOMEM;
    int error = open_descriptors(p);
    if (error == 0)
        error = start_thread(p, 0, wend_plane_seal_thread, &p->sealer);
    if (error == 0)
        error = start_thread(p, 1, wend_plane_open_thread, &p->opener);
    if (error != 0) {
        wend_plane_stop(p);
        return error;
    }
    *ret = p;
    return 0;
}

static void stop_threads(struct wend_plane *p)
{
    const int fds[] = {p->sealer.wake.fd, p->opener.wake.fd};
    atomic_store(&p->stop, true);
    for (int i = 0; i < 2; i++) {
        if (!p->running[i])
            continue;
        signal_eventfd(fds[i]);
        (void)pthread_join(p->threads[i], NULL);
    }
}

void wend_plane_stop(struct wend_plane *p)
{
    if (p == NULL)
        return;
    stop_threads(p);
    wend_seal_close(p->sealer.seal);
    wend_open_close(p->opener.open);
    wend_udp_batch_free(p->opener.batch);
    wend_plane_close_sockets(p);
    const int fds[] = {p->node_wake.fd, p->sealer.wake.fd, p->opener.wake.fd, p->opener.extra_fd};
    for (size_t i = 0; i < sizeof fds / sizeof *fds; i++)
        if (fds[i] >= 0)
            (void)close(fds[i]);
    // Packets of the user and commands with keys may still lie there.
    const size_t size = p->size;
    wend_wipe(p, sizeof *p - sizeof p->stats);
    wend_assert(munmap(p, size) == 0);
}

// ---- The node's thread ----

static void command(struct wend_ring *ring, struct wend_plane_wake *wake,
                    const struct wend_command *c)
{
    const struct timespec pause = {.tv_nsec = 100000};
    uint8_t *at;
    while ((at = wend_ring_reserve(ring, sizeof *c)) == NULL) {
        wend_plane_wake(wake);
        (void)nanosleep(&pause, NULL);
    }
    memcpy(at, c, sizeof *c);
    wend_ring_commit(ring, sizeof *c);
    wend_plane_wake(wake);
}

void wend_plane_command_seal(struct wend_plane *p, const struct wend_command *c)
{
    command(&p->seal_commands, &p->sealer.wake, c);
}

void wend_plane_command_open(struct wend_plane *p, const struct wend_command *c)
{
    command(&p->open_commands, &p->opener.wake, c);
}

int wend_plane_fd(const struct wend_plane *p)
{
    return p->node_wake.fd;
}

// What was handed out last is the ring's again.
static void release(struct wend_ring *ring, bool *peeked)
{
    if (*peeked)
        wend_ring_release(ring);
    *peeked = false;
}

static bool has_anything(struct wend_plane *p)
{
    struct wend_ring *const rings[] = {&p->seal_notices, &p->open_notices, &p->node_datagrams,
                                       &p->stream_out};
    size_t len;
    for (size_t i = 0; i < sizeof rings / sizeof rings[0]; i++)
        if (wend_ring_peek(rings[i], &len) != NULL)
            return true;
    return false;
}

bool wend_plane_rest(struct wend_plane *p)
{
    release(&p->node_datagrams, &p->datagram_peeked);
    release(&p->stream_out, &p->stream_peeked);
    wend_plane_awake(&p->node_wake, true);
    wend_plane_fall_asleep(&p->node_wake);
    if (!has_anything(p))
        return true;
    atomic_store_explicit(&p->node_wake.asleep, false, memory_order_relaxed);
    signal_eventfd(p->node_wake.fd);
    return false;
}

static bool next_notice(struct wend_ring *ring, struct wend_notice *ret)
{
    size_t len;
    const uint8_t *at = wend_ring_peek(ring, &len);
    if (at == NULL)
        return false;
    *ret = (struct wend_notice){0};
    memcpy(ret, at, len < sizeof *ret ? len : sizeof *ret);
    wend_ring_release(ring);
    return true;
}

bool wend_plane_next_notice(struct wend_plane *p, struct wend_notice *ret)
{
    return next_notice(&p->open_notices, ret) || next_notice(&p->seal_notices, ret);
}

static bool next_datagram(struct wend_ring *ring, bool *peeked, struct wend_datagram *ret)
{
    size_t len;
    release(ring, peeked);
    const uint8_t *at = wend_ring_peek(ring, &len);
    if (at == NULL)
        return false;
    memcpy(ret, at, sizeof *ret);
    ret->bytes.at = at + sizeof *ret;
    *peeked = true;
    return true;
}

bool wend_plane_next_datagram(struct wend_plane *p, struct wend_datagram *ret)
{
    return next_datagram(&p->node_datagrams, &p->datagram_peeked, ret);
}

bool wend_plane_next_stream_out(struct wend_plane *p, struct wend_datagram *ret)
{
    return next_datagram(&p->stream_out, &p->stream_peeked, ret);
}

bool wend_plane_stream_in(struct wend_plane *p, const struct wend_datagram *in)
{
    if (in->bytes.len == 0 || in->bytes.len > WEND_DATAGRAM_MAX ||
        !wend_plane_push(&p->stream_in, in, in->bytes))
        return false;
    wend_plane_wake(&p->opener.wake);
    return true;
}

// ---- Numbers ----

struct wend_plane_stats *wend_plane_stats(struct wend_plane *p)
{
    return p->stats;
}

static void read_drops(const struct wend_plane_tally *t, struct wend_drops *ret)
{
    for (int i = 0; i < WEND_DROP_COUNT; i++)
        ret->count[i] = atomic_load_explicit(&t->published_drops[i], memory_order_relaxed);
}

static uint64_t number(const struct wend_plane_tally *t, enum wend_plane_number n)
{
    return atomic_load_explicit(&t->published_numbers[n], memory_order_relaxed);
}

void wend_plane_read_counts(const struct wend_plane *p, struct wend_plane_counts *ret)
{
    const struct wend_plane_tally *s = &p->sealer.tally, *o = &p->opener.tally;
    *ret = (struct wend_plane_counts){
        .tun_reads = number(s, WEND_PLANE_TUN),
        .tun_writes = number(o, WEND_PLANE_TUN),
        .runs_sent = number(s, WEND_PLANE_RUNS),
        .datagrams_sent = number(s, WEND_PLANE_DATAGRAMS),
        .batches_received = number(o, WEND_PLANE_BATCHES),
        .messages_received = number(o, WEND_PLANE_RUNS),
        .datagrams_received = number(o, WEND_PLANE_DATAGRAMS),
        .udp_failed = number(s, WEND_PLANE_FAILED),
        .udp_too_big = number(s, WEND_PLANE_TOO_BIG),
        .gso_refused = number(s, WEND_PLANE_GSO_REFUSED),
        .tun_refused = number(o, WEND_PLANE_TUN_REFUSED),
    };
    read_drops(s, &ret->sealing);
    read_drops(o, &ret->opening);
    // A stream datagram that found the open thread behind.
    ret->opening.count[WEND_DROP_QUEUE_FULL] += wend_ring_dropped(&p->stream_in);
}

int wend_plane_failure(const struct wend_plane *p)
{
    return atomic_load(&p->failure);
}
