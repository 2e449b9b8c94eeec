// SPDX-License-Identifier: MIT
// The open thread. A turn: commands; datagrams that the node's thread read from streams; one
// receive call a socket; then packets that have waited long enough for those before them. Messages
// are opened where they were received, and what is in the batch goes to the host before those
// buffers are used again.
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>

#include "io/clock.h"
#include "io/plane_state.h"

enum { EXTRAS_A_TURN = 16 };

static void run_commands(struct wend_plane_opener *t)
{
    struct wend_ring *ring = &t->plane->open_commands;
    size_t len;
    uint8_t *at;
    while ((at = wend_ring_peek(ring, &len)) != NULL) {
        struct wend_command *const c = (struct wend_command *)(void *)at;
        // Refused for want of room: the index stays unknown, and the peer is told by a hint.
        if (!wend_plane_open_socket(t, c))
            (void)wend_open_command(t->open, c);
        wend_ring_release(ring);
    }
}

static bool pass_notices(struct wend_plane_opener *t)
{
    struct wend_ring *ring = &t->plane->open_notices;
    bool any = false;
    for (;;) {
        uint8_t *at = wend_ring_reserve(ring, sizeof(struct wend_notice));
        if (at == NULL || !wend_open_next_notice(t->open, (struct wend_notice *)(void *)at))
            break;
        wend_ring_commit(ring, sizeof(struct wend_notice));
        any = true;
    }
    return any;
}

// ---- To the host ----

static void drain_batch(struct wend_plane_opener *t)
{
    struct wend_vnet vnet;
    struct wend_bytes pieces[WEND_COALESCE_MAX];
    size_t count;
    while ((count = wend_open_next_packet(t->open, &vnet, pieces)) > 0) {
        if (t->tun_gone)
            continue;
        const int error = wend_tun_write(&t->tun, &vnet, pieces, count);
        if (error == 0)
            t->tally.numbers[WEND_PLANE_TUN]++;
        else
            t->tally.numbers[WEND_PLANE_TUN_REFUSED]++;
        if (error == -EBADFD) {
            t->tun_gone = true;
            wend_plane_fail(t->plane, error);
        }
    }
}

// ---- From the network ----

static bool for_node(struct wend_plane_opener *t, const struct wend_datagram *way,
                     struct wend_bytes bytes)
{
    if (bytes.len == 0 || bytes.len > WEND_DATAGRAM_MAX)
        wend_drops_add(&t->tally.drops, WEND_DROP_MALFORMED);
    else if (wend_plane_push(&t->plane->node_datagrams, way, bytes))
        return true;
    else
        wend_drops_add(&t->tally.drops, WEND_DROP_QUEUE_FULL);
    return false;
}

// Returns whether the node has something to do.
static bool take(struct wend_plane_opener *t, const struct wend_datagram *way, uint8_t *at,
                 size_t len, wend_instant now)
{
    enum wend_open_verdict verdict = wend_open_datagram(t->open, way, at, len, now);
    if (verdict == WEND_OPEN_FULL) {
        drain_batch(t);
        verdict = wend_open_datagram(t->open, way, at, len, now);
    }
    t->tally.numbers[WEND_PLANE_DATAGRAMS]++;
    return verdict == WEND_OPEN_NODE && for_node(t, way, (struct wend_bytes){at, len});
}

static bool take_segments(struct wend_plane_opener *t, uint16_t socket,
                          const struct wend_udp_packet *p, wend_instant now)
{
    const struct wend_datagram way = {
        .transport = WEND_TRANSPORT_UDP, .local = p->local, .remote = p->from, .socket = socket};
    const size_t step = p->segment_len != 0 ? p->segment_len : p->len;
    bool told = false;
    // Rather fewer long packets for the host than one that ends where the batch does.
    if (step > 0 && (p->len + step - 1) / step > wend_open_room(t->open))
        drain_batch(t);
    for (size_t at = 0; at < p->len; at += step) {
        const size_t left = p->len - at;
        if (take(t, &way, p->data + at, left < step ? left : step, now))
            told = true;
    }
    t->tally.numbers[WEND_PLANE_RUNS]++;
    return told;
}

// Returns false when nothing waited.
static bool receive(struct wend_plane_opener *t, struct wend_plane_ear *ear, wend_instant now,
                    bool *told)
{
    if (ear->udp.fd < 0)
        return false;
    const struct wend_udp_packet *packets;
    const int count = wend_udp_receive(&ear->udp, t->batch, &packets);
    if (count < 0 && count != -EAGAIN && ear->socket == 0) {
        ear->udp.fd = -1; // not ours to close
        wend_plane_fail(t->plane, count);
    }
    if (count < 0)
        return false;
    for (int i = 0; i < count; i++)
        if (take_segments(t, ear->socket, &packets[i], now))
            *told = true;
    drain_batch(t);
    t->tally.numbers[WEND_PLANE_BATCHES]++;
    return true;
}

// Adopted sockets, as far as they have something.
static bool receive_extras(struct wend_plane_opener *t, wend_instant now, bool *told)
{
    struct epoll_event ready[EXTRAS_A_TURN];
    const int count = epoll_wait(t->extra_fd, ready, EXTRAS_A_TURN, 0);
    bool busy = false;
    for (int i = 0; i < count; i++)
        busy |= receive(t, &t->ears[ready[i].data.u32], now, told);
    return busy;
}

static bool take_streams(struct wend_plane_opener *t, wend_instant now, bool *told)
{
    struct wend_ring *ring = &t->plane->stream_in;
    size_t count = 0, len;
    const uint8_t *at;
    while (count < WEND_PLANE_STREAM_READS && (at = wend_ring_peek(ring, &len)) != NULL) {
        struct wend_datagram way;
        if (wend_ring_peek(&t->plane->open_commands, &len) != NULL) {
            drain_batch(t); // what came before them
            run_commands(t);
        }
        uint8_t *const to = t->stream_bytes[count++];
        memcpy(&way, at, sizeof way);
        memcpy(to, at + sizeof way, way.bytes.len);
        len = way.bytes.len;
        way.bytes = (struct wend_bytes){0};
        wend_ring_release(ring);
        if (take(t, &way, to, len, now))
            *told = true;
    }
    if (count > 0)
        drain_batch(t);
    return count > 0;
}

// After what has come: it may be what they wait for.
static void expire(struct wend_plane_opener *t, wend_instant now)
{
    if (wend_open_deadline(t->open) > now)
        return;
    wend_open_expire(t->open, now);
    drain_batch(t);
}

// ---- The loop ----

// Returns whether there may be more to do at once.
static bool turn(struct wend_plane_opener *t)
{
    const wend_instant now = wend_clock_now();
    bool told = false;
    run_commands(t);
    bool busy = take_streams(t, now, &told);
    busy |= receive(t, &t->ears[0], now, &told);
    busy |= receive(t, &t->ears[1], now, &told);
    if (t->extra_count > 0)
        busy |= receive_extras(t, now, &told);
    expire(t, now);
    if (pass_notices(t) || told)
        wend_plane_wake(&t->plane->node_wake);
    wend_plane_publish(&t->tally, wend_open_drops(t->open));
    return busy;
}

static bool has_input(struct wend_plane_opener *t)
{
    size_t len;
    return wend_ring_peek(&t->plane->open_commands, &len) != NULL ||
           wend_ring_peek(&t->plane->stream_in, &len) != NULL;
}

// NULL: for ever.
static const struct timespec *time_until(wend_instant deadline, struct timespec *ret)
{
    if (deadline == WEND_NEVER)
        return NULL;
    const wend_duration left = deadline - wend_clock_now();
    *ret = (struct timespec){0};
    if (left > 0)
        *ret = (struct timespec){.tv_sec = left / WEND_S(1), .tv_nsec = left % WEND_S(1)};
    return ret;
}

static void sleep_until_work(struct wend_plane_opener *t)
{
    struct timespec left;
    struct pollfd fds[4] = {
        {.fd = t->wake.fd, .events = POLLIN},
        {.fd = t->ears[0].udp.fd, .events = POLLIN},
        {.fd = t->ears[1].udp.fd, .events = POLLIN},
        {.fd = t->extra_count > 0 ? t->extra_fd : -1, .events = POLLIN},
    };
    wend_plane_fall_asleep(&t->wake);
    if (!has_input(t))
        (void)ppoll(fds, 4, time_until(wend_open_deadline(t->open), &left), NULL);
    wend_plane_awake(&t->wake, fds[0].revents != 0);
}

void *wend_plane_open_thread(void *opener)
{
    struct wend_plane_opener *t = opener;
    while (!atomic_load_explicit(&t->plane->stop, memory_order_relaxed))
        if (!turn(t))
            sleep_until_work(t);
    return NULL;
}
