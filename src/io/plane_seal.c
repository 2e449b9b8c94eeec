// SPDX-License-Identifier: MIT
// The seal thread. A turn: commands; then, unless a socket still holds back what was sealed before,
// what was queued and what the host sends, sealed into one buffer and sent with one call a socket.
// While a socket's queue is full the host is not read: its own queues fill and its senders
// slow down.
#include <errno.h>
#include <poll.h>

#include "io/clock.h"
#include "io/plane_state.h"

static bool run_commands(struct wend_plane_sealer *t)
{
    struct wend_ring *ring = &t->plane->seal_commands;
    bool any = false;
    size_t len;
    uint8_t *at;
    while ((at = wend_ring_peek(ring, &len)) != NULL) {
        struct wend_command *const c = (struct wend_command *)(void *)at;
        // Refused for want of memory: the slot then has no keys, and the next packet says so.
        if (!wend_plane_seal_socket(t, c))
            (void)wend_seal_command(t->seal, c);
        wend_ring_release(ring);
        any = true;
    }
    return any;
}

static bool pass_notices(struct wend_plane_sealer *t)
{
    struct wend_ring *ring = &t->plane->seal_notices;
    bool any = false;
    for (;;) {
        uint8_t *const at = wend_ring_reserve(ring, sizeof(struct wend_notice));
        struct wend_notice *notice = (struct wend_notice *)(void *)at;
        if (notice == NULL || !wend_seal_next_notice(t->seal, notice))
            break;
        wend_ring_commit(ring, wend_plane_notice_len(notice));
        any = true;
    }
    return any;
}

// ---- Sending ----

static bool is_blocked(const struct wend_plane_sealer *t)
{
    return t->pending_count > 0;
}

// NULL: there is no such socket.
static struct wend_plane_lane *find_lane(struct wend_plane_sealer *t,
                                         const struct wend_plane_path *path)
{
    if (path->socket == 0) {
        struct wend_plane_lane *lane = &t->lanes[path->remote.family == WEND_FAMILY_IPV6];
        return lane->udp.fd >= 0 ? lane : NULL;
    }
    for (size_t i = 0; i < t->extra_high; i++)
        if (t->extras[i] == path->socket)
            return &t->lanes[2 + i];
    return NULL;
}

static void plan_udp(struct wend_plane_sealer *t, const struct wend_seal_run *run)
{
    struct wend_plane_lane *lane = find_lane(t, &run->path);
    if (lane == NULL) {
        t->without_socket += run->count;
        return;
    }
    if (!lane->pending)
        t->pending[t->pending_count++] = (uint8_t)(lane - t->lanes);
    lane->pending = true;
    lane->items[lane->count++] = (struct wend_udp_send){.to = run->path.remote,
                                                        .from = run->path.local,
                                                        .data = t->out.at + run->offset,
                                                        .len = run->len,
                                                        .segment_len = run->segment_len};
}

static bool pass_stream(struct wend_plane_sealer *t, const struct wend_seal_run *run)
{
    const struct wend_datagram way = {.transport = run->path.transport,
                                      .stream = run->path.stream,
                                      .local = run->path.local,
                                      .remote = run->path.remote};
    bool any = false;
    for (size_t at = 0; at < run->len; at += run->segment_len) {
        const size_t left = run->len - at;
        const size_t len = left < run->segment_len ? left : run->segment_len;
        const struct wend_bytes bytes = {t->out.at + run->offset + at, len};
        if (wend_plane_push(&t->plane->stream_out, &way, bytes))
            any = true;
        else
            wend_drops_add(&t->tally.drops, WEND_DROP_QUEUE_FULL);
    }
    return any;
}

static void send_lane(struct wend_plane_lane *lane)
{
    while (lane->at < lane->count) {
        const int done = wend_udp_send(&lane->udp, lane->items + lane->at, lane->count - lane->at);
        if (done <= 0)
            return;
        lane->at += (size_t)done;
    }
    lane->at = 0;
    lane->count = 0;
    lane->pending = false;
}

static void send_lanes(struct wend_plane_sealer *t)
{
    const size_t count = t->pending_count;
    t->pending_count = 0;
    for (size_t i = 0; i < count; i++) {
        send_lane(&t->lanes[t->pending[i]]);
        if (t->lanes[t->pending[i]].pending)
            t->pending[t->pending_count++] = t->pending[i];
    }
    if (!is_blocked(t))
        wend_seal_out_clear(&t->out);
}

// Everything that was sealed, to sockets and streams. Returns whether the node has something to do.
static bool send_out(struct wend_plane_sealer *t)
{
    bool any = false;
    for (size_t i = 0; i < t->out.count; i++) {
        const struct wend_seal_run *run = &t->out.runs[i];
        t->tally.numbers[WEND_PLANE_RUNS]++;
        t->tally.numbers[WEND_PLANE_DATAGRAMS] += run->count;
        if (run->path.transport == WEND_TRANSPORT_UDP)
            plan_udp(t, run);
        else if (pass_stream(t, run))
            any = true;
    }
    send_lanes(t);
    return any;
}

// ---- Reading ----

static bool read_packet(struct wend_plane_sealer *t)
{
    const int len = wend_tun_read(&t->tun, t->packet, WEND_PACKET_MAX, &t->vnet);
    if (len > 0) {
        t->held = (size_t)len;
        t->tally.numbers[WEND_PLANE_TUN]++;
        return true;
    }
    if (len == -EMSGSIZE) {
        wend_drops_add(&t->tally.drops, WEND_DROP_MALFORMED);
        return true;
    }
    t->tun_empty = true;
    if (len != -EAGAIN) {
        t->tun_gone = true;
        wend_plane_fail(t->plane, len);
    }
    return false;
}

// An ICMP error for the host, which it may miss: its queue is full, or the interface just went.
static void answer(struct wend_plane_sealer *t)
{
    static const struct wend_vnet plain;
    const struct wend_bytes bytes = wend_seal_answer(t->seal);
    if (bytes.len > 0)
        (void)wend_tun_write(&t->tun, &plain, &bytes, 1);
}

// Seals what waits. Returns false when there is no room for all of it.
static bool flush(struct wend_plane_sealer *t, wend_instant now)
{
    while (!wend_seal_flush(t->seal, now, &t->out)) {
        if (wend_seal_answer(t->seal).len == 0)
            return false;
        answer(t);
    }
    return true;
}

// Seals what waits and what the host has, until there is no more, no room, or the turn is long
// enough.
static void fill(struct wend_plane_sealer *t, wend_instant now)
{
    t->tun_empty = t->tun_gone;
    if (!flush(t, now))
        return;
    for (int i = 0; i < WEND_PLANE_TUN_READS; i++) {
        if (t->held == 0 && (t->tun_gone || !read_packet(t)))
            return;
        if (t->held == 0)
            continue;
        const struct wend_bytes packet = {t->packet, t->held};
        const enum wend_seal_verdict verdict =
            wend_seal_packet(t->seal, &t->vnet, packet, now, &t->out);
        answer(t);
        if (verdict == WEND_SEAL_FULL)
            return;
        t->held = 0;
    }
}

// ---- The loop ----

static void publish(struct wend_plane_sealer *t)
{
    uint64_t *n = t->tally.numbers;
    n[WEND_PLANE_TOO_BIG] = t->gone.too_big;
    n[WEND_PLANE_GSO_REFUSED] = t->gone.gso_refused;
    n[WEND_PLANE_FAILED] = t->gone.failed + t->without_socket;
    for (size_t i = 0; i < 2 + t->extra_high; i++) {
        const struct wend_udp_counts *c = &t->lanes[i].udp.counts;
        n[WEND_PLANE_TOO_BIG] += c->too_big;
        n[WEND_PLANE_GSO_REFUSED] += c->gso_refused;
        n[WEND_PLANE_FAILED] += c->failed;
    }
    wend_plane_publish(&t->tally, wend_seal_drops(t->seal));
}

// Returns whether there may be more to do at once.
static bool turn(struct wend_plane_sealer *t)
{
    bool told = false;
    const bool commanded = run_commands(t);
    if (is_blocked(t))
        send_lanes(t);
    if (!is_blocked(t)) {
        fill(t, wend_clock_now());
        told = send_out(t);
    }
    if (pass_notices(t) || told)
        wend_plane_wake(&t->plane->node_wake);
    publish(t);
    if (is_blocked(t))
        return commanded;
    return !t->tun_empty || t->held > 0 || !wend_seal_is_flushed(t->seal);
}

static bool has_commands(struct wend_plane_sealer *t)
{
    size_t len;
    return wend_ring_peek(&t->plane->seal_commands, &len) != NULL;
}

static void sleep_until_work(struct wend_plane_sealer *t)
{
    const bool blocked = is_blocked(t);
    struct pollfd fds[2 + WEND_PLANE_LANES];
    fds[0] = (struct pollfd){.fd = t->wake.fd, .events = POLLIN};
    fds[1] = (struct pollfd){.fd = blocked || t->tun_gone ? -1 : t->tun.fd, .events = POLLIN};
    for (size_t i = 0; i < t->pending_count; i++)
        fds[2 + i] = (struct pollfd){.fd = t->lanes[t->pending[i]].udp.fd, .events = POLLOUT};
    wend_plane_fall_asleep(&t->wake);
    if (!has_commands(t))
        (void)poll(fds, 2 + t->pending_count, -1);
    wend_plane_awake(&t->wake, fds[0].revents != 0);
}

void *wend_plane_seal_thread(void *sealer)
{
    struct wend_plane_sealer *t = sealer;
    while (!atomic_load_explicit(&t->plane->stop, memory_order_relaxed))
        if (!turn(t))
            sleep_until_work(t);
    return NULL;
}
