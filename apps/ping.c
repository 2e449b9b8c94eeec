// SPDX-License-Identifier: MIT
// wend ping: ICMP echo through the tunnel. For each answer the daemon is asked by which path it
// came: whichever of the counters of datagrams by way, direct or relay, has risen since the last
// answer; when both or none has, the path that is in use.
#include <errno.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "echo.h"
#include "io/clock.h"
#include "peek.h"

#define WAIT_NONE WEND_S(5) // for the last answers, when none has come at all
#define WAIT_SOME WEND_S(1) // … or when some have: this, or twice the longest

struct ping {
    struct wend_cli_common common;
    const char *device;
    bool json;
    uint64_t count; // 0: until SIGINT
    wend_duration interval;

    struct wend_echo echo;
    char name[64];
    char address[WEND_ADDRESS_TEXT_LEN];
    double rx_direct, rx_relay; // the daemon's counters at the last answer

    uint64_t sent, received, direct, relay;
    wend_duration least, most, total;
    int send_error;          // the last one that was printed
    uint8_t seen[65536 / 8]; // answers by sequence number
};

static volatile sig_atomic_t interrupted;

static void on_signal(int number)
{
    (void)number;
    interrupted = 1;
}

static int fail(const char *what, const char *value, const char *fix)
{
    return wend_cli_fail(WEND_EXIT_FAILED, "ping", what, value, fix);
}

// --- which path ---

static int ask_peer(const struct ping *p, json_t **ret)
{
    return wend_peek(p->common.state, json_pack("{s:s, s:s}", "do", "peer", "name", p->device),
                     ret);
}

// Moves the counters on; the kind of path that the datagrams since the last time took.
static const char *kind_since(struct ping *p, const json_t *peer, const char *preset)
{
    const double direct = wend_peek_number(peer, "rx_direct", p->rx_direct);
    const double relay = wend_peek_number(peer, "rx_relay", p->rx_relay);
    const bool by_direct = direct > p->rx_direct, by_relay = relay > p->rx_relay;
    p->rx_direct = direct;
    p->rx_relay = relay;
    if (by_direct == by_relay)
        return preset;
    return by_direct ? "direct" : "relay";
}

// The peer's path of this kind; a borrowed reference, or NULL.
static const json_t *find_path(const json_t *peer, const char *kind)
{
    size_t i;
    json_t *one;
    const json_t *used = json_object_get(peer, "path"), *found = NULL;
    if (strcmp(wend_peek_text(used, "kind", ""), kind) == 0)
        return used;
    json_array_foreach(json_object_get(peer, "paths"), i, one)
    {
        if (strcmp(wend_peek_text(one, "kind", ""), kind) != 0)
            continue;
        if (found == NULL || strcmp(wend_peek_text(one, "state", ""), "valid") == 0)
            found = one;
    }
    return found;
}

// --- what is printed ---

static double milliseconds(wend_duration d)
{
    return (double)d / 1e6;
}

static void print_object(json_t *object)
{
    (void)json_dumpf(object, stdout, JSON_COMPACT | JSON_REAL_PRECISION(9));
    json_decref(object);
    printf("\n");
}

static json_t *text_or_null(const json_t *object, const char *key)
{
    const char *text = wend_peek_text(object, key, NULL);
    return text != NULL ? json_string(text) : json_null();
}

static void print_answer(const struct ping *p, const struct wend_echo_answer *a, const char *kind,
                         const json_t *path)
{
    if (p->json) {
        print_object(json_pack("{s:s, s:s, s:s, s:i, s:f, s:{s:s, s:o, s:o}}", "event", "answer",
                               "name", p->name, "address", p->address, "seq", (int)a->sequence,
                               "time_ms", milliseconds(a->rtt), "path", "kind", kind, "transport",
                               text_or_null(path, "transport"), "remote",
                               text_or_null(path, "remote")));
    } else {
        const bool relay = strcmp(kind, "relay") == 0;
        printf("from %s (%s): seq=%u time=%.1f ms path=%s%s%s%s%s\n", p->name, p->address,
               a->sequence, milliseconds(a->rtt), kind,
               relay          ? " via "
               : path != NULL ? " "
                              : "",
               wend_peek_text(path, "remote", relay ? "an unknown server" : ""), relay ? " " : "",
               relay ? wend_peek_text(path, "transport", "") : "");
    }
    fflush(stdout);
}

static void print_summary(const struct ping *p)
{
    const double loss = p->sent > 0 ? (double)(p->sent - p->received) / (double)p->sent : 0.0;
    const wend_duration mean = p->received > 0 ? p->total / (wend_duration)p->received : 0;
    char times[96] = "-/-/-";
    if (p->received > 0)
        snprintf(times, sizeof times, "%.1f/%.1f/%.1f", milliseconds(p->least), milliseconds(mean),
                 milliseconds(p->most));
    if (!p->json) {
        printf(
            "%llu sent, %llu received, %.0f%% loss, min/avg/max %s ms, direct %llu, relay %llu\n",
            (unsigned long long)p->sent, (unsigned long long)p->received, loss * 100, times,
            (unsigned long long)p->direct, (unsigned long long)p->relay);
        return;
    }
    json_t *o =
        json_pack("{s:s, s:s, s:I, s:I, s:f, s:I, s:I}", "event", "summary", "name", p->name,
                  "sent", (json_int_t)p->sent, "received", (json_int_t)p->received, "loss", loss,
                  "direct", (json_int_t)p->direct, "relay", (json_int_t)p->relay);
    const wend_duration all[] = {p->least, mean, p->most};
    static const char *const keys[] = {"min_ms", "avg_ms", "max_ms"};
    for (size_t i = 0; i < 3; i++)
        json_object_set_new(o, keys[i],
                            p->received > 0 ? json_real(milliseconds(all[i])) : json_null());
    print_object(o);
}

// --- the exchange ---

static void count_answer(struct ping *p, const struct wend_echo_answer *a)
{
    p->least = p->received == 0 || a->rtt < p->least ? a->rtt : p->least;
    p->most = a->rtt > p->most ? a->rtt : p->most;
    p->total += a->rtt;
    p->received++;
}

static void take_answer(struct ping *p, const struct wend_echo_answer *a)
{
    uint8_t *byte = &p->seen[a->sequence / 8];
    const uint8_t bit = (uint8_t)(1u << a->sequence % 8);
    if ((*byte & bit) != 0)
        return; // a double
    *byte |= bit;
    count_answer(p, a);
    json_t *peer = NULL;
    const char *kind = "unknown";
    if (ask_peer(p, &peer) == 0)
        kind =
            kind_since(p, peer, wend_peek_text(json_object_get(peer, "path"), "kind", "unknown"));
    if (strcmp(kind, "direct") == 0)
        p->direct++;
    else if (strcmp(kind, "relay") == 0)
        p->relay++;
    print_answer(p, a, kind, find_path(peer, kind));
    json_decref(peer);
}

static void send_next(struct ping *p)
{
    p->sent++;
    const uint16_t sequence = (uint16_t)p->sent;
    p->seen[sequence / 8] &= (uint8_t) ~(1u << sequence % 8);
    const int error = wend_echo_send(&p->echo, sequence);
    if (error != 0 && error != p->send_error) // lost, as if on the way; said once
        (void)fail("cannot send", strerror(-error), NULL);
    p->send_error = error;
}

static bool is_done(const struct ping *p)
{
    return interrupted != 0 || (p->count > 0 && p->sent == p->count && p->received == p->sent);
}

static void wait_until(struct ping *p, wend_instant until, const sigset_t *mask)
{
    struct pollfd one = {.fd = p->echo.fd, .events = POLLIN};
    struct wend_echo_answer a;
    do {
        const wend_duration left = until - wend_clock_now();
        if (left <= 0 || is_done(p))
            return;
        const struct timespec limit = {.tv_sec = left / 1000000000, .tv_nsec = left % 1000000000};
        if (ppoll(&one, 1, &limit, mask) <= 0)
            continue;
        int error;
        while ((error = wend_echo_receive(&p->echo, &a)) == 0)
            take_answer(p, &a);
        (void)error; // what ICMP reports about one request is that request's loss
    } while (true);
}

static void exchange(struct ping *p, const sigset_t *mask)
{
    wend_instant next = wend_clock_now();
    while (!is_done(p) && (p->count == 0 || p->sent < p->count)) {
        send_next(p);
        next += p->interval;
        wait_until(p, next, mask);
    }
    const wend_duration longest = 2 * p->most > WAIT_SOME ? 2 * p->most : WAIT_SOME;
    // The last one may have waited its interval already, but a first packet may take longer.
    wait_until(p, wend_clock_now() + (p->received > 0 ? longest : WAIT_NONE), mask);
}

static int run(struct ping *p)
{
    sigset_t blocked, before;
    struct sigaction action = {.sa_handler = on_signal};
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGINT);
    sigaddset(&blocked, SIGTERM);
    sigprocmask(SIG_BLOCK, &blocked, &before);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    exchange(p, &before);
    print_summary(p);
    return fflush(stdout) == 0 && p->received > 0 ? WEND_EXIT_OK : WEND_EXIT_FAILED;
}

// --- beginning ---

// The peer's address inside: the one that was named, else its first.
static int choose_address(struct ping *p, const json_t *peer, struct wend_address *ret)
{
    const char *text = json_string_value(json_array_get(json_object_get(peer, "addresses"), 0));
    snprintf(p->name, sizeof p->name, "%s", wend_peek_text(peer, "name", p->device));
    if (wend_address_parse(p->device, 0, ret) != 0 &&
        (text == NULL || wend_address_parse(text, 0, ret) != 0))
        return fail("the device has no address", p->device, NULL);
    wend_address_format_ip(ret, p->address);
    return WEND_EXIT_OK;
}

static int find_peer(struct ping *p, struct wend_address *ret)
{
    json_t *peer = NULL;
    const int error = ask_peer(p, &peer);
    if (error != 0)
        return wend_peek_fail("ping", p->common.state, error);
    const char *refusal = wend_peek_text(peer, "error", NULL);
    int status;
    if (refusal != NULL) {
        status = fail(refusal, p->device, "see wend status");
    } else {
        (void)kind_since(p, peer, "");
        status = choose_address(p, peer, ret);
    }
    json_decref(peer);
    return status;
}

static int ping(struct ping *p)
{
    struct wend_address to;
    int status = find_peer(p, &to);
    if (status != WEND_EXIT_OK)
        return status;
    const int error = wend_echo_open(&p->echo, &to);
    if (error == -EACCES || error == -EPERM)
        return fail("no permission to send pings", p->address,
                    "run as root, or `sysctl -w net.ipv4.ping_group_range=\"0 2147483647\"`");
    if (error != 0)
        return fail("cannot send to the device", p->address, strerror(-error));
    status = run(p);
    wend_echo_close(&p->echo);
    return status;
}

static int read_interval(const char *text, wend_duration *ret)
{
    char *end;
    const double seconds = strtod(text, &end);
    if (end == text || *end != 0 || !isfinite(seconds) || seconds < 0.001 || seconds > 3600)
        return -EINVAL;
    *ret = (wend_duration)(seconds * 1e9);
    return 0;
}

static int read_numbers(struct ping *p, const char *count, const char *interval)
{
    if (count != NULL && wend_cli_number(count, 1, UINT32_MAX, &p->count) != 0)
        return wend_cli_fail(WEND_EXIT_USAGE, "ping", "not a count", count, "use 1 or more");
    if (interval != NULL && read_interval(interval, &p->interval) != 0)
        return wend_cli_fail(WEND_EXIT_USAGE, "ping", "not an interval", interval,
                             "use seconds, 0.001 to 3600");
    return WEND_EXIT_OK;
}

int wend_cmd_ping(int argc, char **argv)
{
    static struct ping p = {.interval = WEND_S(1)};
    const char *count = NULL, *interval = NULL;
    const struct wend_cli_option options[] = {
        {"count", 'c', "N", "end after so many (until SIGINT)", NULL, &count, NULL},
        {"interval", 'i', "SECONDS", "between two requests (1)", NULL, &interval, NULL},
        {.name = "json", .flag = &p.json, .help = "print JSON, an object a line"},
    };
    const struct wend_cli_spec spec = {
        .command = "ping",
        .usage = "[-c N] [-i SECONDS] [--json] DEVICE",
        .about = "Pings a device through the tunnel and names the path that carried each answer.\n"
                 "DEVICE is a name, an address inside, or a key. Succeeds if any answer comes.",
        .options = options,
        .option_count = sizeof options / sizeof options[0],
        .positional_min = 1,
        .positional_max = 1,
    };
    char *positional[2];
    const int parsed = wend_cli_parse(&spec, argc, argv, &p.common, positional);
    if (parsed != 0)
        return parsed > 0 ? WEND_EXIT_OK : WEND_EXIT_USAGE;
    p.device = positional[0];
    const int status = read_numbers(&p, count, interval);
    return status == WEND_EXIT_OK ? ping(&p) : status;
}
