// SPDX-License-Identifier: MIT
// Numbered UDP packets at a steady rate, and what became of each: which were lost, doubled or
// overtaken, and when those were sent.
//
//   udp_flow send ADDRESS PORT PER_SECOND SIZE   until SIGTERM; prints `sent COUNT refused COUNT`
//   udp_flow receive PORT                        until SIGTERM and 0.3 s of silence; then prints
//       lost COUNT TIME        a gap in the numbers, and when the next one after it was sent
//       doubled 1 TIME         came again
//       reordered 1 TIME       came after a later one
//       got COUNT highest NUMBER full COUNT      the last: sent after the memory was full
//
// Times are seconds of CLOCK_MONOTONIC at the sender: both run on one machine. The sender wakes
// every millisecond and sends what is due, at most TICK_MAX: after a pause of the machine it
// catches up slowly, and what is overdue by LATE_MAX is not sent at all. So the rate is at most
// what was asked, and no burst of its own fills the queues that are looked at.
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

enum {
    LEN_MIN = 16, // number and time
    LEN_MAX = 1500,
    TICK_MAX = 64,
    BATCH = 64,
    PACKETS_MAX = 1 << 24, // remembered, 8 bytes each
    EVENTS_MAX = 1 << 16,
    BUFFER_BYTES = 16 << 20,
    SILENCE_US = 300000
};

#define TICK     INT64_C(1000000)
#define LATE_MAX INT64_C(100000000)
#define SECOND   INT64_C(1000000000)

struct event {
    const char *kind;
    int64_t sent;
};

static volatile sig_atomic_t stopped;
static char bytes[BATCH][LEN_MAX];
static struct iovec views[BATCH];
static struct mmsghdr messages[BATCH];
static struct event events[EVENTS_MAX];

static void on_signal(int number)
{
    (void)number;
    stopped = 1;
}

static int64_t now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * SECOND + t.tv_nsec;
}

static int fail(const char *what)
{
    fprintf(stderr, "udp_flow: %s: %s\n", what, strerror(errno));
    return 1;
}

static void prepare(size_t size)
{
    for (size_t i = 0; i < BATCH; i++) {
        views[i] = (struct iovec){bytes[i], size};
        messages[i].msg_hdr = (struct msghdr){.msg_iov = &views[i], .msg_iovlen = 1};
    }
}

// ---- Sending ----

// Returns how many the kernel took; the others were never sent, and their numbers come again.
static size_t send_some(int fd, uint64_t number, size_t count)
{
    const int64_t at = now();
    for (size_t i = 0; i < count; i++) {
        const uint64_t this = number + i;
        memcpy(bytes[i], &this, sizeof this);
        memcpy(bytes[i] + sizeof this, &at, sizeof at);
    }
    const int sent = sendmmsg(fd, messages, (unsigned)count, 0);
    return sent > 0 ? (size_t)sent : 0;
}

static int run_sender(int fd, int64_t interval)
{
    uint64_t number = 0, refused = 0;
    for (int64_t due = now(); !stopped;) {
        const int64_t at = now();
        if (at - due > LATE_MAX)
            due = at - LATE_MAX;
        size_t count = at > due ? (size_t)((at - due) / interval) : 0;
        if (count > TICK_MAX)
            count = TICK_MAX;
        const size_t sent = count > 0 ? send_some(fd, number, count) : 0;
        number += sent;
        refused += count - sent;
        due += (int64_t)count * interval;
        const struct timespec pause = {.tv_nsec = TICK};
        (void)clock_nanosleep(CLOCK_MONOTONIC, 0, &pause, NULL);
    }
    printf("sent %" PRIu64 " refused %" PRIu64 "\n", number, refused);
    return 0;
}

static int sender(const char *address, const char *port, long per_second, long size)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port))};
    if (inet_pton(AF_INET, address, &to.sin_addr) != 1 || per_second <= 0 || size < LEN_MIN ||
        size > LEN_MAX)
        return fail("wrong address, rate or size");
    const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (const struct sockaddr *)&to, sizeof to) != 0)
        return fail("connect");
    prepare((size_t)size);
    return run_sender(fd, SECOND / per_second);
}

// ---- Receiving ----

struct seen {
    int64_t *sent; // by number; 0: did not come
    uint64_t got, next, full;
    size_t event_count;
};

static void note(struct seen *s, const char *kind, int64_t sent)
{
    if (s->event_count < EVENTS_MAX)
        events[s->event_count++] = (struct event){kind, sent};
}

static void take(struct seen *s, const char *packet)
{
    uint64_t number;
    int64_t sent;
    memcpy(&number, packet, sizeof number);
    memcpy(&sent, packet + sizeof number, sizeof sent);
    if (number >= PACKETS_MAX) {
        s->full++;
        return;
    }
    if (s->sent[number] != 0) {
        note(s, "doubled", sent);
        return;
    }
    s->sent[number] = sent;
    s->got++;
    if (number < s->next)
        note(s, "reordered", sent);
    else
        s->next = number + 1;
}

// Returns whether there was anything.
static int receive_some(int fd, struct seen *s, int flags)
{
    const int count = recvmmsg(fd, messages, BATCH, flags, NULL);
    for (int i = 0; i < count; i++)
        if (messages[i].msg_len >= LEN_MIN)
            take(s, bytes[i]);
    return count > 0;
}

static double seconds(int64_t at)
{
    return (double)at / (double)SECOND;
}

static void report(const struct seen *s)
{
    for (size_t i = 0; i < s->event_count; i++)
        printf("%s 1 %.6f\n", events[i].kind, seconds(events[i].sent));
    uint64_t gap = 0;
    for (uint64_t number = 0; number < s->next; number++) {
        if (s->sent[number] == 0) {
            gap++;
            continue;
        }
        if (gap > 0)
            printf("lost %" PRIu64 " %.6f\n", gap, seconds(s->sent[number]));
        gap = 0;
    }
    printf("got %" PRIu64 " highest %" PRId64 " full %" PRIu64 "\n", s->got, (int64_t)s->next - 1,
           s->full);
}

static int open_receiver(const char *port)
{
    const struct sockaddr_in local = {.sin_family = AF_INET,
                                      .sin_port = htons((uint16_t)atoi(port))};
    const int buffer = BUFFER_BYTES, fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    const struct timeval wait = {.tv_usec = SILENCE_US}; // a signal just before the call is seen
    if (fd < 0 || bind(fd, (const struct sockaddr *)&local, sizeof local) != 0)
        return -1;
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &buffer, sizeof buffer);
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
    return fd;
}

static int receiver(const char *port)
{
    struct seen s = {0};
    const int fd = open_receiver(port);
    if (fd < 0)
        return fail("bind");
    void *memory = mmap(NULL, sizeof *s.sent * PACKETS_MAX, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED)
        return fail("mmap");
    s.sent = memory;
    prepare(LEN_MAX);
    puts("ready");
    fflush(stdout);
    while (!stopped)
        (void)receive_some(fd, &s, MSG_WAITFORONE);
    while (receive_some(fd, &s, MSG_WAITFORONE)) // what was sent before the sender ended
        continue;
    report(&s);
    return 0;
}

int main(int argc, char **argv)
{
    const struct sigaction action = {.sa_handler = on_signal};
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    if (argc == 6 && strcmp(argv[1], "send") == 0)
        return sender(argv[2], argv[3], atol(argv[4]), atol(argv[5]));
    if (argc == 3 && strcmp(argv[1], "receive") == 0)
        return receiver(argv[2]);
    fputs("usage: udp_flow send ADDRESS PORT PER_SECOND SIZE | udp_flow receive PORT\n", stderr);
    return 2;
}
