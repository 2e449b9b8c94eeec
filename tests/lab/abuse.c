// SPDX-License-Identifier: MIT
// Whoever wishes a server ill: datagrams and streams of every kind of nonsense, from a seed.
//
//     abuse udp ADDRESS PORT KEY COUNT RATE SEED     COUNT datagrams, RATE a second (0: all at
//     once) abuse tcp ADDRESS PORT KEY COUNT RATE SEED     COUNT streams
//
// KEY is the server's public key in base64: who knows it gets past the first check. Prints what was
// sent, and how much came back. To be pointed at a server of one's own, in a namespace.
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/text.h"
#include "io/clock.h"
#include "session/handshake.h"
#include "wire/frame.h"

#define SOCKETS    16
#define BATCH      32
#define TEMPLATES  64
#define STREAMS    96 // kept open at once: more than one source may have
#define LENGTH_MAX 1472

struct abuse {
    struct sockaddr_in to;
    uint64_t random;
    uint8_t templates[TEMPLATES][512]; // sound initiations
    size_t template_len[TEMPLATES];
    uint64_t sent, bytes_sent, received, bytes_received, refused;
};

static uint64_t draw(struct abuse *a) // splitmix64
{
    uint64_t z = a->random += 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

static void fill(struct abuse *a, uint8_t *at, size_t len)
{
    for (size_t i = 0; i < len; i += 8) {
        const uint64_t word = draw(a);
        memcpy(at + i, &word, len - i < 8 ? len - i : 8);
    }
}

static void make_templates(struct abuse *a, const uint8_t key[static 32])
{
    struct wend_prologue prologue;
    wend_prologue_server(&prologue);
    for (size_t i = 0; i < TEMPLATES; i++) {
        struct wend_identity self;
        struct wend_remote remote;
        struct wend_handshake handshake;
        uint8_t seed[32];
        fill(a, seed, sizeof seed);
        wend_identity_init(&self, seed);
        if (wend_remote_init(&remote, &self, key) != 0)
            continue;
        const struct wend_parties parties = {&prologue, &self, &remote};
        struct wend_handshake_input input = {
            .local_index = 1 + (uint32_t)i,
            .label = wend_label_of((uint64_t)wend_clock_unix_ns()),
            .out = a->templates[i],
            .out_max = sizeof a->templates[i],
        };
        fill(a, input.ephemeral, sizeof input.ephemeral);
        const int len = wend_initiation_create(&parties, &input, &handshake);
        a->template_len[i] = len > 0 ? (size_t)len : 0;
    }
}

// --- datagrams ---

static size_t make_random(struct abuse *a, uint8_t *ret)
{
    const size_t len = draw(a) % LENGTH_MAX;
    fill(a, ret, len);
    return len;
}

// Random behind a first byte that means something.
static size_t make_typed(struct abuse *a, uint8_t *ret)
{
    static const uint8_t types[] = {0, 1, 2, 3, 4, 4, 4, 5, 6, 7, 8, 8, 8, 9, 22, 64};
    size_t len = make_random(a, ret);
    if (len < 24)
        len += 24;
    ret[0] = types[draw(a) % sizeof types];
    ret[1] = ret[2] = ret[3] = 0;
    if (draw(a) % 2 == 0) // a low index, as if it were a place in a table
        wend_put_u32le(ret + 4, (uint32_t)draw(a) & 0x1001f);
    return len;
}

static size_t make_stun(struct abuse *a, uint8_t *ret)
{
    const size_t body = draw(a) % 2 == 0 ? 0 : draw(a) % 32 * 4;
    fill(a, ret, 20 + body);
    wend_put_u16(ret, (uint16_t)(draw(a) % 4 == 0 ? draw(a) & 0x3fff : 1));
    wend_put_u16(ret + 2, (uint16_t)body);
    wend_put_u32(ret + 4, 0x2112a442);
    for (size_t at = 20; at + 4 <= 20 + body; at += 8) { // attributes that look like some
        wend_put_u16(ret + at, (uint16_t)(draw(a) & 0x803f));
        wend_put_u16(ret + at + 2, 4);
    }
    return 20 + body;
}

// A sound initiation, or one with some bytes changed or cut off.
static size_t make_initiation(struct abuse *a, uint8_t *ret)
{
    const size_t i = draw(a) % TEMPLATES;
    size_t len = a->template_len[i];
    memcpy(ret, a->templates[i], len);
    if (len > 0 && draw(a) % 4 != 0)
        ret[draw(a) % len] ^= (uint8_t)(1u << draw(a) % 8);
    if (draw(a) % 8 == 0)
        len = draw(a) % (len + 1);
    return len;
}

static size_t make_frame(struct abuse *a, uint8_t *ret)
{
    const size_t len = 8 + draw(a) % 1300;
    fill(a, ret, len);
    wend_frame_write_header(ret, (uint32_t)draw(a));
    return len - (draw(a) % 16 == 0 ? len - 7 : 0);
}

static size_t make_datagram(struct abuse *a, uint8_t *ret)
{
    switch (draw(a) % 6) {
    case 0: return make_random(a, ret);
    case 1: return make_stun(a, ret);
    case 2: return make_initiation(a, ret);
    case 3: return make_frame(a, ret);
    default: return make_typed(a, ret);
    }
}

// --- UDP ---

static void drain_udp(struct abuse *a, int fd)
{
    uint8_t bytes[2048];
    ssize_t n;
    while ((n = recv(fd, bytes, sizeof bytes, MSG_DONTWAIT)) >= 0) {
        a->received++;
        a->bytes_received += (uint64_t)n;
    }
}

static void send_batch(struct abuse *a, int fd, size_t count)
{
    static uint8_t bytes[BATCH][2048];
    struct mmsghdr messages[BATCH];
    struct iovec views[BATCH];
    memset(messages, 0, sizeof messages);
    for (size_t i = 0; i < count; i++) {
        views[i] = (struct iovec){bytes[i], make_datagram(a, bytes[i])};
        messages[i].msg_hdr.msg_iov = &views[i];
        messages[i].msg_hdr.msg_iovlen = 1;
        a->bytes_sent += views[i].iov_len;
    }
    for (size_t done = 0; done < count;) {
        const int n = sendmmsg(fd, messages + done, (unsigned)(count - done), 0);
        if (n < 0 && errno != ECONNREFUSED && errno != ENOBUFS && errno != EINTR) {
            perror("abuse: cannot send");
            exit(1);
        }
        done += n > 0 ? (size_t)n : 1;
    }
    a->sent += count;
}

// Waits until `sent` are due at `rate` a second.
static void pace(wend_instant start, uint64_t sent, uint64_t rate)
{
    if (rate == 0)
        return;
    const wend_instant due = start + (wend_instant)(sent * 1000000000u / rate);
    while (wend_clock_now() < due)
        usleep(200);
}

static void attack_udp(struct abuse *a, uint64_t count, uint64_t rate)
{
    const wend_instant start = wend_clock_now();
    int fds[SOCKETS];
    for (size_t i = 0; i < SOCKETS; i++) {
        fds[i] = socket(AF_INET, SOCK_DGRAM, 0);
        if (fds[i] < 0 || connect(fds[i], (const struct sockaddr *)&a->to, sizeof a->to) != 0) {
            perror("abuse: cannot open a socket");
            exit(1);
        }
    }
    for (size_t i = 0; a->sent < count; i = (i + 1) % SOCKETS) {
        const uint64_t left = count - a->sent;
        send_batch(a, fds[i], left < BATCH ? (size_t)left : BATCH);
        drain_udp(a, fds[i]);
        pace(start, a->sent, rate);
    }
    usleep(100000);
    for (size_t i = 0; i < SOCKETS; i++) {
        drain_udp(a, fds[i]);
        close(fds[i]);
    }
}

// --- TCP ---

static void write_all(struct abuse *a, int fd, const uint8_t *at, size_t len)
{
    const ssize_t n = send(fd, at, len, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n > 0)
        a->bytes_sent += (uint64_t)n;
}

static void write_framed(struct abuse *a, int fd, unsigned count)
{
    uint8_t bytes[2 + 2048];
    for (unsigned i = 0; i < count; i++) {
        size_t len;
        do
            len = make_datagram(a, bytes + 2);
        while (len == 0);
        wend_stream_write_header(bytes, len);
        write_all(a, fd, bytes, 2 + len);
    }
}

static void abuse_stream(struct abuse *a, int fd)
{
    uint8_t bytes[4096];
    fill(a, bytes, sizeof bytes);
    switch (draw(a) % 8) {
    case 0: break; // says nothing
    case 1: write_all(a, fd, bytes, sizeof bytes); break;
    case 2:
        wend_put_u16(bytes, 0);
        write_all(a, fd, bytes, 2);
        break; // length 0
    case 3:
        wend_put_u16(bytes, 2049);
        write_all(a, fd, bytes, 100);
        break;
    case 4:
        wend_put_u16(bytes, 1000);
        write_all(a, fd, bytes, 500);
        break; // and no more
    case 5: write_all(a, fd, bytes, 1); break;
    default: write_framed(a, fd, 1 + (unsigned)(draw(a) % 20)); break;
    }
}

static int open_stream(struct abuse *a)
{
    const int fd = socket(AF_INET, SOCK_STREAM, 0);
    const struct timeval patience = {.tv_sec = 5};
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    if (connect(fd, (const struct sockaddr *)&a->to, sizeof a->to) == 0)
        return fd;
    a->refused++;
    close(fd);
    return -1;
}

// Closes by FIN or, every other time, by RST.
static void close_stream(struct abuse *a, int fd)
{
    uint8_t bytes[4096];
    const struct linger hard = {.l_onoff = 1};
    ssize_t n;
    while ((n = recv(fd, bytes, sizeof bytes, MSG_DONTWAIT)) > 0) {
        a->received++;
        a->bytes_received += (uint64_t)n;
    }
    if (draw(a) % 2 == 0)
        (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    close(fd);
}

static void attack_tcp(struct abuse *a, uint64_t count, uint64_t rate)
{
    const wend_instant start = wend_clock_now();
    int fds[STREAMS];
    memset(fds, 0xff, sizeof fds);
    for (; a->sent < count; a->sent++) {
        int *fd = &fds[draw(a) % STREAMS];
        if (*fd >= 0)
            close_stream(a, *fd);
        *fd = open_stream(a);
        if (*fd >= 0)
            abuse_stream(a, *fd);
        pace(start, a->sent, rate);
    }
    for (size_t i = 0; i < STREAMS; i++)
        if (fds[i] >= 0)
            close_stream(a, fds[i]);
}

int main(int argc, char **argv)
{
    static struct abuse a;
    uint8_t key[32];
    if (argc != 8 || (strcmp(argv[1], "udp") != 0 && strcmp(argv[1], "tcp") != 0) ||
        inet_pton(AF_INET, argv[2], &a.to.sin_addr) != 1 ||
        wend_base64_decode(wend_bytes_of_text(argv[4]), key, sizeof key) != sizeof key) {
        fprintf(stderr, "usage: abuse udp|tcp ADDRESS PORT KEY COUNT RATE SEED\n");
        return 2;
    }
    a.to.sin_family = AF_INET;
    a.to.sin_port = htons((uint16_t)strtoul(argv[3], NULL, 10));
    const uint64_t count = strtoull(argv[5], NULL, 10), rate = strtoull(argv[6], NULL, 10);
    a.random = strtoull(argv[7], NULL, 10);
    make_templates(&a, key);
    if (strcmp(argv[1], "udp") == 0)
        attack_udp(&a, count, rate);
    else
        attack_tcp(&a, count, rate);
    printf("sent=%llu bytes_sent=%llu received=%llu bytes_received=%llu refused=%llu\n",
           (unsigned long long)a.sent, (unsigned long long)a.bytes_sent,
           (unsigned long long)a.received, (unsigned long long)a.bytes_received,
           (unsigned long long)a.refused);
    return 0;
}
