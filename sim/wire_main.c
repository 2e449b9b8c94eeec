// SPDX-License-Identifier: MIT
// wend-wire: a wire with delay, loss and limits between two network namespaces.
//
// Each end is a TAP device. A frame read at one end gets a buffer and a fate from that direction's
// link (link.h), waits there under the buffer's number, and is written at the other end when a
// timer says so. One thread, one epoll, the clock read twice a turn: before frames enter and before
// they leave. Buffers are counted, because a duplicated frame leaves twice.
//
// While it runs it takes one command a line on standard input, each answered by a line `ok` or
// `error …` on standard output; SIGUSR1 prints the counters; SIGTERM and SIGINT end it.
#include "wire.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define ETHERNET_LEN    14
#define FRAME_LEN_MAX   9472  // jumbo frames pass
#define GSO_LEN_MAX     66560 // what a kernel joins: 64 KiB and headers
#define SLOTS           8192  // in flight, a direction; a frame that finds none free is dropped
#define BUFFERS         (WIRE_DIRECTION_COUNT * SLOTS + 1)
#define FRAMES_PER_TURN 64 // read from one end before the other gets its turn
#define COMMAND_LEN_MAX 512

struct direction {
    struct wend_link link;
    struct wend_link_slot slots[SLOTS];
    int from;
    int to;
    uint64_t write_failed; // the far end was down
};

struct wire {
    struct wire_config config;
    struct direction directions[WIRE_DIRECTION_COUNT];
    uint8_t *buffers;
    size_t frame_max; // bytes of a buffer
    size_t vnet_len;  // in front of each frame
    uint32_t lens[BUFFERS];
    uint8_t copies[BUFFERS];
    uint32_t unused[BUFFERS]; // a stack, so that few buffers stay warm
    size_t unused_count;
    int epoll;
    int timer;
    int signals;
    wend_instant armed;
    char command[COMMAND_LEN_MAX];
    size_t command_len;
    bool stop;
    int exit_code;
};

static struct wire wire; // one a process, too large for the stack

static wend_instant now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return WEND_S(t.tv_sec) + t.tv_nsec;
}

static void release(struct wire *w, uint32_t buffer)
{
    if (--w->copies[buffer] == 0)
        w->unused[w->unused_count++] = buffer;
}

static uint8_t *buffer_at(const struct wire *w, uint32_t buffer)
{
    return w->buffers + buffer * w->frame_max;
}

// Reads one frame into its link. False when there is none left.
static bool take_frame(struct wire *w, struct direction *d, wend_instant at)
{
    // One buffer more than slots: the link refuses first.
    const uint32_t buffer = w->unused[w->unused_count - 1];
    const ssize_t len = read(d->from, buffer_at(w, buffer), w->frame_max);
    if (len < 0 && errno != EAGAIN && errno != EINTR) {
        fprintf(stderr, "wend-wire: an end is gone: %s\n", strerror(errno));
        w->stop = true;
        w->exit_code = 1;
    }
    const size_t headers = ETHERNET_LEN + w->vnet_len;
    if (len < (ssize_t)headers)
        return false;
    const int copies = wend_link_push(&d->link, (size_t)len - headers, buffer, at);
    if (copies <= 0)
        return true;
    w->unused_count--;
    w->copies[buffer] = (uint8_t)copies;
    w->lens[buffer] = (uint32_t)len;
    return true;
}

static void take_frames(struct wire *w, struct direction *d, wend_instant at)
{
    for (int i = 0; i < FRAMES_PER_TURN && take_frame(w, d, at); i++)
        continue;
}

static void deliver(struct wire *w, struct direction *d, wend_instant at)
{
    uint32_t buffer;
    while (wend_link_pop(&d->link, at, &buffer)) {
        if (write(d->to, buffer_at(w, buffer), w->lens[buffer]) < 0)
            d->write_failed++;
        release(w, buffer);
    }
}

static void arm(struct wire *w)
{
    const wend_instant at = wend_instant_min(wend_link_deadline(&w->directions[WIRE_AB].link),
                                             wend_link_deadline(&w->directions[WIRE_BA].link));
    if (at == w->armed)
        return;
    struct itimerspec when = {0}; // all zero disarms
    if (at != WEND_NEVER) {
        when.it_value.tv_sec = at / WEND_S(1);
        when.it_value.tv_nsec = at % WEND_S(1);
    }
    timerfd_settime(w->timer, TFD_TIMER_ABSTIME, &when, NULL);
    w->armed = at;
}

static void print_counters(const struct wire *w)
{
    for (int i = 0; i < WIRE_DIRECTION_COUNT; i++) {
        const struct wend_link_counters *c = &w->directions[i].link.counters;
        printf("counters %s pushed=%" PRIu64 " passed=%" PRIu64 " bytes=%" PRIu64
               " delivered=%" PRIu64 " down=%" PRIu64 " mtu=%" PRIu64 " queue=%" PRIu64
               " loss=%" PRIu64 " burst=%" PRIu64 " full=%" PRIu64 " duplicated=%" PRIu64
               " reordered=%" PRIu64 " write_failed=%" PRIu64 "\n",
               wire_direction_name((enum wire_direction)i), c->pushed, c->passed, c->passed_bytes,
               c->delivered, c->dropped_down, c->dropped_mtu, c->dropped_queue, c->dropped_loss,
               c->dropped_burst, c->dropped_full, c->duplicated, c->reordered,
               w->directions[i].write_failed);
    }
}

// "key=value key=value …", all or nothing. Returns what is wrong, or NULL.
static const char *command_set(struct wire *w, char *rest)
{
    struct wire_config next = w->config;
    for (char *word; (word = strtok_r(rest, " ", &rest)) != NULL;) {
        char *equals = strchr(word, '=');
        if (equals == NULL)
            return "expected key=value";
        *equals = 0;
        const int rc = wire_config_set(&next, word, equals + 1);
        if (rc != 0)
            return rc == -ENOENT ? "unknown key" : "bad value";
    }
    if (next.gso != w->config.gso)
        return "gso is for the start";
    for (int i = 0; i < WIRE_DIRECTION_COUNT; i++) {
        // A direction whose durations are too long leaves the other one as it was, too.
        struct wend_link probe = w->directions[i].link;
        if (wend_link_configure(&probe, &next.direction[i]) != 0)
            return "value out of range";
    }
    for (int i = 0; i < WIRE_DIRECTION_COUNT; i++)
        (void)wend_link_configure(&w->directions[i].link, &next.direction[i]);
    w->config = next;
    return NULL;
}

static const char *command_down(struct wire *w, const char *which, bool down)
{
    const bool all = which == NULL;
    if (!all && strcmp(which, "ab") != 0 && strcmp(which, "ba") != 0)
        return "expected ab or ba";
    if (all || which[0] == 'a')
        wend_link_set_down(&w->directions[WIRE_AB].link, down);
    if (all || which[0] == 'b')
        wend_link_set_down(&w->directions[WIRE_BA].link, down);
    return NULL;
}

static void run_command(struct wire *w, char *line)
{
    char *rest;
    const char *verb = strtok_r(line, " ", &rest);
    const char *wrong = NULL;
    if (verb == NULL)
        return;
    if (strcmp(verb, "set") == 0)
        wrong = command_set(w, rest);
    else if (strcmp(verb, "down") == 0 || strcmp(verb, "up") == 0)
        wrong = command_down(w, strtok_r(rest, " ", &rest), verb[0] == 'd');
    else if (strcmp(verb, "counters") == 0)
        print_counters(w);
    else
        wrong = "expected set, down, up or counters";
    printf(wrong == NULL ? "ok\n" : "error %s\n", wrong);
}

static void take_commands(struct wire *w)
{
    const ssize_t len =
        read(STDIN_FILENO, w->command + w->command_len, COMMAND_LEN_MAX - 1 - w->command_len);
    if (len <= 0) { // whoever steered us is gone; the wire stays
        epoll_ctl(w->epoll, EPOLL_CTL_DEL, STDIN_FILENO, NULL);
        return;
    }
    w->command_len += (size_t)len;
    w->command[w->command_len] = 0;
    char *line = w->command;
    for (char *end; (end = strchr(line, '\n')) != NULL; line = end + 1) {
        *end = 0;
        run_command(w, line);
    }
    w->command_len -= (size_t)(line - w->command);
    memmove(w->command, line, w->command_len);
    if (w->command_len == COMMAND_LEN_MAX - 1) {
        puts("error line too long");
        w->command_len = 0;
    }
}

static void take_signals(struct wire *w)
{
    struct signalfd_siginfo info;
    while (read(w->signals, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
        if (info.ssi_signo == SIGUSR1)
            print_counters(w);
        else
            w->stop = true;
    }
}

static void take_event(struct wire *w, int fd, wend_instant at)
{
    uint64_t expirations;
    if (fd == w->timer) {
        (void)!read(fd, &expirations, sizeof(expirations));
        w->armed = WEND_NEVER;
    } else if (fd == w->signals) {
        take_signals(w);
    } else if (fd == STDIN_FILENO) {
        take_commands(w);
    } else {
        take_frames(w, &w->directions[fd == w->directions[WIRE_AB].from ? WIRE_AB : WIRE_BA], at);
    }
}

static void run(struct wire *w)
{
    struct epoll_event events[8];
    while (!w->stop) {
        const int count = epoll_wait(w->epoll, events, 8, -1);
        wend_instant at = now();
        for (int i = 0; i < count; i++)
            take_event(w, events[i].data.fd, at);
        at = now();
        for (int i = 0; i < WIRE_DIRECTION_COUNT; i++)
            deliver(w, &w->directions[i], at);
        arm(w);
    }
}

static int watch(struct wire *w, int fd)
{
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    return epoll_ctl(w->epoll, EPOLL_CTL_ADD, fd, &event);
}

static int open_signals(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGUSR1);
    sigprocmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
    return signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
}

static int open_buffers(struct wire *w)
{
    w->frame_max = w->config.gso ? GSO_LEN_MAX : FRAME_LEN_MAX;
    w->vnet_len = w->config.gso ? WIRE_VNET_LEN : 0;
    void *memory = mmap(NULL, BUFFERS * w->frame_max, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED)
        return -errno;
    w->buffers = memory;
    for (uint32_t i = BUFFERS; i > 0; i--)
        w->unused[w->unused_count++] = i - 1;
    return 0;
}

static int open_ends(struct wire *w, const char *a, const char *b)
{
    const int fd_a = wire_tap_open(a, w->config.gso);
    const int fd_b = fd_a < 0 ? fd_a : wire_tap_open(b, w->config.gso);
    if (fd_b < 0)
        return fd_b;
    w->directions[WIRE_AB].from = w->directions[WIRE_BA].to = fd_a;
    w->directions[WIRE_AB].to = w->directions[WIRE_BA].from = fd_b;
    return 0;
}

// Everything but the ends. Descriptors and memory go back to the system when the process ends.
static int open_wire(struct wire *w)
{
    for (int i = 0; i < WIRE_DIRECTION_COUNT; i++) {
        struct direction *d = &w->directions[i];
        if (wend_link_init(&d->link, &w->config.direction[i], d->slots, SLOTS) != 0) {
            fprintf(stderr, "wend-wire: a setting is out of range: at most 60s and 1gb\n");
            return -EINVAL;
        }
    }
    w->armed = WEND_NEVER;
    w->signals = open_signals();
    w->epoll = epoll_create1(EPOLL_CLOEXEC);
    w->timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    const int rc = open_buffers(w);
    if (w->signals < 0 || w->epoll < 0 || w->timer < 0 || rc != 0) {
        fprintf(stderr, "wend-wire: cannot start: %s\n", strerror(rc != 0 ? -rc : errno));
        return -EIO;
    }
    return 0;
}

static void usage(FILE *out)
{
    fputs(
        "usage: wend-wire --a NETNS:IF --b NETNS:IF [--KEY VALUE]…\n"
        "A wire between two namespaces ('.' is the current one). Each KEY also with a direction in "
        "front,\nas in --ab-loss 1%.\n",
        out);
    wire_config_help(out);
    fputs("Commands on standard input: set KEY=VALUE…, down [ab|ba], up [ab|ba], counters.\n", out);
}

static int wrong_usage(const char *what, const char *value)
{
    fprintf(stderr, "wend-wire: %s: %s: see --help\n", what, value);
    return -EINVAL;
}

static int parse_arguments(struct wire *w, char **argv, const char **ret_a, const char **ret_b)
{
    wire_config_init(&w->config);
    for (; *argv != NULL; argv += 2) {
        if (strncmp(*argv, "--", 2) != 0)
            return wrong_usage("unexpected argument", *argv);
        const char *key = *argv + 2, *value = argv[1];
        if (value == NULL)
            return wrong_usage("a value is missing after", *argv);
        const bool end = strcmp(key, "a") == 0 || strcmp(key, "b") == 0;
        if (end)
            *(key[0] == 'a' ? ret_a : ret_b) = value;
        const int rc = end ? 0 : wire_config_set(&w->config, key, value);
        if (rc != 0)
            return wrong_usage(rc == -ENOENT ? "unknown option" : "bad value",
                               rc == -ENOENT ? *argv : value);
    }
    if (*ret_a == NULL || *ret_b == NULL)
        return wrong_usage("both ends are needed", "--a and --b");
    return 0;
}

int main(int argc, char **argv)
{
    const char *a = NULL, *b = NULL;
    if (argc == 2 && strcmp(argv[1], "--help") == 0) {
        usage(stdout);
        return 0;
    }
    if (parse_arguments(&wire, argv + 1, &a, &b) != 0)
        return 2;
    setvbuf(stdout, NULL, _IOLBF, 0);
    setpriority(PRIO_PROCESS, 0, -10); // timing; without the right to it things still work
    if (open_wire(&wire) != 0 || open_ends(&wire, a, b) != 0)
        return 1;
    const int needed[] = {wire.signals, wire.timer, wire.directions[WIRE_AB].from,
                          wire.directions[WIRE_BA].from};
    for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]); i++)
        if (watch(&wire, needed[i]) != 0) {
            perror("wend-wire: cannot wait for events");
            return 1;
        }
    (void)watch(&wire, STDIN_FILENO); // fails for a file or /dev/null: then there are no commands
    puts("ready");
    run(&wire);
    return wire.exit_code;
}
