// SPDX-License-Identifier: MIT
#include "io/serve.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "base/text.h"
#include "io/client.h"
#include "io/clock.h"
#include "io/log.h"
#include "io/serve_state.h"

#define COUNTERS_EVERY WEND_S(60)
#define TICK_MS        1000

static int fail(struct wend_serve_failure *ret, int error, const char *what, const char *value)
{
    ret->what = what;
    snprintf(ret->value, sizeof ret->value, "%s", value);
    switch (error) {
    case -EADDRINUSE:
        ret->fix = "the address is in use; stop the other program or --listen elsewhere";
        break;
    case -EADDRNOTAVAIL: ret->fix = "this machine has no such address; see `ip address`"; break;
    case -EACCES:
    case -EPERM:
        ret->fix = "permission denied; choose another port or directory, or run as root";
        break;
    case -ENOSPC: ret->fix = "the disk is full"; break;
    case -EPROTONOSUPPORT: ret->fix = "it was made by a newer wend; update"; break;
    default: ret->fix = strerror(-error); break;
    }
    return error;
}

static int fail_address(struct wend_serve_failure *ret, int error, const char *what,
                        const struct wend_address *a)
{
    char text[WEND_ADDRESS_TEXT_LEN];
    return fail(ret, error, what, wend_address_format(a, text));
}

// --- turns ---

void wend_serve_begin_turn(struct wend_serve *s)
{
    s->now = wend_clock_now();
    s->unix_seconds = wend_clock_unix_seconds();
}

static void on_timer(uv_timer_t *timer);

static void set_timer(struct wend_serve *s)
{
    const wend_instant deadline = wend_relay_deadline(s->relay);
    uint64_t wait_ms = 0;
    if (deadline == WEND_NEVER)
        return;
    if (deadline > s->now)
        wait_ms = (uint64_t)(deadline - s->now) / 1000000 + 1;
    uv_timer_start(&s->timer, on_timer, wait_ms, 0);
}

void wend_serve_say(struct wend_serve *s)
{
    struct wend_datagram d;
    s->unsaid = 0;
    wend_serve_events(s);
    while (wend_relay_next_datagram(s->relay, &d)) {
        const struct wend_relay_run run = {.transport = d.transport,
                                           .stream = d.stream,
                                           .local = d.local,
                                           .remote = d.remote,
                                           .at = (uint8_t *)(uintptr_t)d.bytes.at,
                                           .len = d.bytes.len};
        wend_serve_send(s, &run, true);
    }
}

void wend_serve_end_turn(struct wend_serve *s)
{
    wend_serve_say(s);
    wend_serve_flush_udp(s);
    set_timer(s);
}

static void on_timer(uv_timer_t *timer)
{
    struct wend_serve *s = timer->data;
    wend_serve_begin_turn(s);
    wend_relay_expire(s->relay, s->now, s->unix_seconds);
    wend_serve_end_turn(s);
}

static void on_tick(uv_timer_t *timer)
{
    struct wend_serve *s = timer->data;
    wend_serve_begin_turn(s);
    wend_serve_retry_store(s);
    wend_serve_sweep_streams(s);
    wend_serve_end_turn(s);
    if (s->now - s->counted_at < COUNTERS_EVERY)
        return;
    s->counted_at = s->now;
    wend_serve_log_counters(s, false);
}

static void on_signal(uv_signal_t *handle, int number)
{
    struct wend_serve *s = handle->data;
    if (number == SIGUSR1)
        wend_serve_log_counters(s, true);
    else
        uv_stop(&s->loop);
}

// --- start ---

static int read_keys(struct wend_serve *s, struct wend_relay_config *config)
{
    const struct {
        const char *name;
        uint8_t *at;
    } keys[] = {{WEND_SERVER_SESSION_KEY, config->private_key}, {WEND_SERVER_SEED, config->seed}};
    for (size_t i = 0; i < 2; i++) {
        const int len = wend_server_store_get(s->store, keys[i].name, keys[i].at, 32);
        if (len == 32)
            continue;
        if (len != 0)
            return -EIO;
        wend_entropy(keys[i].at);
        const int error =
            wend_server_store_put(s->store, keys[i].name, (struct wend_bytes){keys[i].at, 32});
        if (error != 0)
            return error;
    }
    wend_entropy(config->random);
    return 0;
}

static int open_relay(struct wend_serve *s, struct wend_serve_failure *ret)
{
    struct wend_relay_config config = {0};
    size_t bad = 0;
    int error = read_keys(s, &config);
    if (error == 0)
        error = wend_serve_keep_addresses(s, &config);
    if (error != 0)
        return fail(ret, error, "cannot use the state directory", s->config->state);
    s->relay_size = wend_relay_size(&config);
    void *memory = mmap(NULL, s->relay_size, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED)
        return fail(ret, -errno, "no memory for the server's tables", "");
    // Clients lie apart; a huge page for each of them would be what they cost.
    (void)madvise(memory, s->relay_size, MADV_NOHUGEPAGE);
    s->relay = wend_relay_init(memory, &config, s->now, s->unix_seconds);
    wend_wipe(&config, sizeof config);
    error = wend_server_store_load(s->store, s->relay, &bad);
    if (bad > 0)
        wend_log(WEND_LOG_INFO, "state", WEND_N("unreadable_rows", bad));
    return error != 0 ? fail(ret, error, "cannot read the state", s->config->state) : 0;
}

static int open_address(struct wend_serve *s, const struct wend_address *a,
                        struct wend_serve_failure *ret)
{
    int error = wend_serve_open_udp(s, a);
    if (error != 0)
        return fail_address(ret, error, "cannot listen on UDP", a);
    struct wend_address bound = s->sockets[s->socket_count - 1].udp.local;
    error = wend_serve_listen(s, &bound);
    return error != 0 ? fail_address(ret, error, "cannot listen on TCP", &bound) : 0;
}

// Unless told otherwise: any address of both families, as far as the machine has them.
static int open_any(struct wend_serve *s, struct wend_serve_failure *ret)
{
    const struct wend_address ipv4 = wend_address_ipv4(0, WEND_SERVE_PORT);
    const struct wend_address ipv6 = {.family = WEND_FAMILY_IPV6, .port = WEND_SERVE_PORT};
    const int error = open_address(s, &ipv4, ret);
    if (error != 0 && error != -EAFNOSUPPORT)
        return error;
    const int error6 = open_address(s, &ipv6, ret);
    return error6 == -EAFNOSUPPORT || error6 == -EADDRNOTAVAIL ? error : error6;
}

static int open_sockets(struct wend_serve *s, struct wend_serve_failure *ret)
{
    int error = wend_serve_open_streams(s);
    s->batch = wend_udp_batch_new(WEND_SERVE_BATCH);
    if (error != 0 || s->batch == NULL)
        return fail(ret, -ENOMEM, "no memory for sockets", "");
    if (s->config->listen_count == 0)
        error = open_any(s, ret);
    for (size_t i = 0; i < s->config->listen_count && error == 0; i++)
        error = open_address(s, &s->config->listen[i], ret);
    if (error != 0)
        return error;
    struct wend_address failed;
    error = wend_serve_open_discovery(s, &failed);
    return error != 0 ? fail_address(ret, error, "cannot listen on UDP", &failed) : 0;
}

static void open_loop(struct wend_serve *s)
{
    static const int numbers[3] = {SIGTERM, SIGINT, SIGUSR1};
    uv_timer_init(&s->loop, &s->timer);
    uv_timer_init(&s->loop, &s->tick);
    s->timer.data = s->tick.data = s;
    uv_timer_start(&s->tick, on_tick, TICK_MS, TICK_MS);
    for (size_t i = 0; i < 3; i++) {
        uv_signal_init(&s->loop, &s->signals[i]);
        s->signals[i].data = s;
        uv_signal_start(&s->signals[i], on_signal, numbers[i]);
    }
}

static void raise_limits(void)
{
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) != 0)
        return;
    const rlim_t wanted = WEND_SERVE_STREAMS_MAX + 256;
    files.rlim_cur = files.rlim_max < wanted ? files.rlim_max : wanted;
    if (files.rlim_max < wanted) { // root may go beyond
        const struct rlimit more = {.rlim_cur = wanted, .rlim_max = wanted};
        if (setrlimit(RLIMIT_NOFILE, &more) == 0)
            return;
    }
    (void)setrlimit(RLIMIT_NOFILE, &files);
}

// --- what is printed ---

static void print_ready(const struct wend_serve *s)
{
    char list[WEND_SERVE_LISTENS_MAX * WEND_ADDRESS_TEXT_LEN], key[WEND_BASE64_SIZE(32)];
    size_t len = 0;
    list[0] = 0;
    for (size_t i = 0; i < s->listener_count; i++) {
        char text[WEND_ADDRESS_TEXT_LEN];
        len += (size_t)snprintf(list + len, sizeof list - len, "%s%s", i > 0 ? "," : "",
                                wend_address_format(&s->sockets[i].udp.local, text));
    }
    wend_base64_encode((struct wend_bytes){wend_relay_session_key(s->relay), 32}, key);
    printf("ready udp=%s tcp=%s key=%s\n", list, list, key);
    fflush(stdout);
}

static int print_claim(struct wend_serve *s, struct wend_serve_failure *ret)
{
    uint8_t secret[32];
    char text[WEND_CLAIM_TEXT_SIZE];
    if (wend_relay_has_networks(s->relay))
        return 0;
    int error = wend_server_store_unused_claim(s->store, secret);
    if (error == -ENOENT) {
        wend_entropy(secret);
        error = wend_server_store_new_claim(s->store, s->unix_seconds, secret);
        wend_relay_load_claim(s->relay, secret, NULL);
    }
    if (error == 0)
        error = wend_serve_claim_text(s->store, secret, text);
    if (error != 0)
        return fail(ret, error, "cannot make a claim code", s->config->state);
    printf("claim %s\n", text);
    fflush(stdout);
    wend_wipe(secret, sizeof secret);
    wend_wipe(text, sizeof text);
    return 0;
}

// --- end ---

static void close_all(struct wend_serve *s)
{
    wend_serve_begin_turn(s);
    wend_serve_close_streams(s);
    if (s->relay != NULL)
        wend_serve_events(s);
    for (size_t i = 0; i < s->socket_count; i++)
        if (s->sockets[i].poll.data != NULL)
            uv_close((uv_handle_t *)&s->sockets[i].poll, NULL);
    uv_close((uv_handle_t *)&s->timer, NULL);
    uv_close((uv_handle_t *)&s->tick, NULL);
    for (size_t i = 0; i < 3; i++)
        uv_close((uv_handle_t *)&s->signals[i], NULL);
    uv_run(&s->loop, UV_RUN_DEFAULT);
    uv_loop_close(&s->loop);
    for (size_t i = 0; i < s->socket_count; i++) {
        wend_udp_close(&s->sockets[i].udp);
        free(s->sockets[i].copies);
    }
}

static void free_all(struct wend_serve *s)
{
    wend_udp_batch_free(s->batch);
    free(s->streams);
    free(s->streams_by_number.entries);
    free(s->streams_by_ip.entries);
    free(s->stream_input);
    free(s->stream_output);
    if (s->relay != NULL) {
        wend_relay_close(s->relay);
        munmap(s->relay, s->relay_size);
    }
    wend_server_store_close(s->store);
    free(s);
}

static int run(struct wend_serve *s, struct wend_serve_failure *ret)
{
    open_loop(s);
    int error = open_sockets(s, ret);
    if (error == 0)
        error = open_relay(s, ret);
    if (error == 0) {
        print_ready(s);
        error = print_claim(s, ret);
    }
    if (error == 0) {
        set_timer(s);
        uv_run(&s->loop, UV_RUN_DEFAULT);
        wend_serve_log_counters(s, true);
    }
    close_all(s);
    return error;
}

int wend_serve_run(const struct wend_serve_config *config, struct wend_serve_failure *ret)
{
    uint8_t entropy[32];
    struct wend_serve *s = calloc(1, sizeof *s);
    if (s == NULL || uv_loop_init(&s->loop) != 0) {
        free(s);
        return fail(ret, -ENOMEM, "no memory", "");
    }
    (void)signal(SIGPIPE, SIG_IGN);
    s->config = config;
    wend_entropy(entropy);
    memcpy(s->hash_key, entropy, sizeof s->hash_key);
    raise_limits();
    wend_serve_begin_turn(s);
    s->counted_at = s->now;
    int error = wend_server_store_open(config->state, true, &s->store);
    if (error != 0) {
        fail(ret, error, "cannot open the state directory", config->state);
        uv_loop_close(&s->loop);
    } else {
        error = run(s, ret);
    }
    free_all(s);
    return error;
}
