// SPDX-License-Identifier: MIT
// Theory of operation. Opening begins with systemd-resolved where its socket is; its orders
// run one after the other as child processes of the loop. Until they have, names are only kept. If
// one that counts fails, everything goes to the hosts file from then on.
#include "io/names.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "io/hosts.h"
#include "io/log.h"

#define RESOLVED_SOCKET "/run/systemd/resolve/io.systemd.Resolve"
#define PATIENCE_MS     3000
#define RETRY_MS        1000 // the hosts file was locked
#define ARGUMENTS_MAX   6

enum way {
    WAY_NONE = 0,
    WAY_ASKING, // systemd-resolved, not done yet
    WAY_RESOLVED,
    WAY_HOSTS,
};

enum order {
    ORDER_DNS = 0,
    ORDER_DOMAIN,
    ORDER_NOT_DEFAULT, // it answers for one domain only; older ones do not know the order
    ORDER_REVERT,      // instead of the rest, when the domain was refused
    ORDER_COUNT,
};

struct wend_names {
    uv_loop_t *loop;
    char interface[16], domain[80], path[4096];
    char addresses[2][WEND_ADDRESS_TEXT_LEN];
    struct wend_resolver_zone zone;
    struct wend_name *names; // the zone's
    struct wend_resolver *resolver;
    struct wend_hosts hosts;
    enum way way;
    enum order order;
    bool running, failed, closing;
    uv_process_t process;
    uv_timer_t patience, retry;
    unsigned handles;
};

// --- the hosts file ---

static void write_hosts(struct wend_names *n);

static void on_retry(uv_timer_t *timer)
{
    write_hosts(timer->data);
}

static void write_hosts(struct wend_names *n)
{
    const int error = wend_hosts_write(&n->hosts, n->zone.names, n->zone.count);
    if (error == -EBUSY)
        uv_timer_start(&n->retry, on_retry, RETRY_MS, 0);
    else if (error != 0)
        wend_log(WEND_LOG_INFO, "no-hosts", WEND_T("path", n->hosts.path),
                 WEND_T("error", strerror(-error)));
}

static void use_hosts(struct wend_names *n)
{
    n->way = WAY_HOSTS;
    wend_log(WEND_LOG_INFO, "names", WEND_T("by", "hosts"), WEND_T("path", n->hosts.path));
    write_hosts(n);
}

// --- systemd-resolved ---

static void fill_order(struct wend_names *n, char *ret[ARGUMENTS_MAX])
{
    static const char *const words[ORDER_COUNT] = {"dns", "domain", "default-route", "revert"};
    size_t used = 0;
    // Neither spawn changes its arguments.
    ret[used++] = (char *)(uintptr_t) "resolvectl";
    ret[used++] = (char *)(uintptr_t)words[n->order];
    ret[used++] = n->interface;
    switch (n->order) {
    case ORDER_DNS:
        for (size_t i = 0; i < 2; i++)
            if (n->addresses[i][0] != 0)
                ret[used++] = n->addresses[i];
        break;
    case ORDER_DOMAIN: ret[used++] = n->domain; break;
    case ORDER_NOT_DEFAULT: ret[used++] = (char *)(uintptr_t) "false"; break;
    case ORDER_REVERT:
    case ORDER_COUNT: break;
    }
    ret[used] = NULL;
}

static void release(struct wend_names *n)
{
    if (--n->handles > 0)
        return;
    free(n->names);
    free(n);
}

static void give_order(struct wend_names *n);

// The order that follows, or ORDER_COUNT when the last has been given.
static enum order next_order(const struct wend_names *n)
{
    switch (n->order) {
    case ORDER_DNS: return n->failed ? ORDER_COUNT : ORDER_DOMAIN;
    case ORDER_DOMAIN: return n->failed ? ORDER_REVERT : ORDER_NOT_DEFAULT;
    case ORDER_NOT_DEFAULT:
    case ORDER_REVERT:
    case ORDER_COUNT: break;
    }
    return ORDER_COUNT;
}

static void go_on(struct wend_names *n)
{
    const enum order next = next_order(n);
    if (next != ORDER_COUNT) {
        n->order = next;
        give_order(n);
    } else if (n->order == ORDER_NOT_DEFAULT) {
        n->way = WAY_RESOLVED;
        wend_log(WEND_LOG_INFO, "names", WEND_T("by", "systemd-resolved"),
                 WEND_T("domain", n->domain));
    } else {
        use_hosts(n);
    }
}

static void on_process_closed(uv_handle_t *handle)
{
    struct wend_names *n = handle->data;
    n->running = false;
    if (!n->closing)
        go_on(n);
    release(n);
}

static void on_exit_status(uv_process_t *process, int64_t status, int by_signal)
{
    struct wend_names *n = process->data;
    n->failed = status != 0 || by_signal != 0;
    uv_timer_stop(&n->patience);
    if (!uv_is_closing((uv_handle_t *)process))
        uv_close((uv_handle_t *)process, on_process_closed);
}

static void on_impatience(uv_timer_t *timer)
{
    struct wend_names *n = timer->data;
    (void)uv_process_kill(&n->process, SIGKILL); // its end is told by on_exit_status
}

static void give_order(struct wend_names *n)
{
    char *arguments[ARGUMENTS_MAX];
    fill_order(n, arguments);
    const uv_process_options_t options = {
        .file = arguments[0], .args = arguments, .exit_cb = on_exit_status};
    n->process = (uv_process_t){0};
    const int error = uv_spawn(n->loop, &n->process, &options);
    n->process.data = n;
    n->handles++;
    n->running = true;
    if (error == 0) {
        uv_timer_start(&n->patience, on_impatience, PATIENCE_MS, 0);
    } else { // the handle exists all the same
        n->failed = true;
        uv_close((uv_handle_t *)&n->process, on_process_closed);
    }
}

// Waits for a child of ours, and ends it when it takes too long.
static void await(pid_t pid)
{
    const int fd = (int)syscall(SYS_pidfd_open, pid, 0);
    struct pollfd one = {.fd = fd, .events = POLLIN};
    if (fd < 0 || poll(&one, 1, PATIENCE_MS) <= 0)
        (void)kill(pid, SIGKILL);
    if (fd >= 0)
        close(fd);
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR) {
    }
}

static void revert_resolved(struct wend_names *n)
{
    char *const arguments[] = {(char *)(uintptr_t) "resolvectl", (char *)(uintptr_t) "revert",
                               n->interface, NULL};
    posix_spawn_file_actions_t actions;
    pid_t pid;
    if (posix_spawn_file_actions_init(&actions) != 0)
        return;
    for (int fd = 0; fd <= STDERR_FILENO; fd++)
        (void)posix_spawn_file_actions_addopen(&actions, fd, "/dev/null", O_RDWR, 0);
    if (posix_spawnp(&pid, arguments[0], &actions, NULL, arguments, environ) == 0)
        await(pid);
    posix_spawn_file_actions_destroy(&actions);
}

// --- what others call ---

static void copy_config(struct wend_names *n, const struct wend_names_config *c)
{
    const struct wend_address *const from[2] = {&c->ipv4, &c->ipv6};
    snprintf(n->interface, sizeof n->interface, "%s", c->interface);
    snprintf(n->zone.network, sizeof n->zone.network, "%s", c->network);
    snprintf(n->domain, sizeof n->domain, "%s.wend", n->zone.network);
    snprintf(n->path, sizeof n->path, "%s", c->hosts != NULL ? c->hosts : WEND_HOSTS_PATH);
    n->hosts =
        (struct wend_hosts){.path = n->path, .network = n->zone.network, .interface = n->interface};
    for (size_t i = 0; i < 2; i++)
        if (from[i]->family != WEND_FAMILY_NONE)
            wend_address_format_ip(from[i], n->addresses[i]);
}

int wend_names_open(uv_loop_t *loop, const struct wend_names_config *config,
                    struct wend_names **ret)
{
    struct wend_names *n = calloc(1, sizeof *n);
    const struct wend_address addresses[2] = {config->ipv4, config->ipv6};
    if (n == NULL)
        return -ENOMEM;
    n->loop = loop;
    copy_config(n, config);
    uv_timer_init(loop, &n->patience);
    uv_timer_init(loop, &n->retry);
    n->patience.data = n->retry.data = n;
    n->handles = 2;
    const int error =
        wend_resolver_open(loop, &n->zone, addresses, WEND_RESOLVER_PORT, &n->resolver);
    if (error == 0 && access(RESOLVED_SOCKET, F_OK) == 0) {
        n->way = WAY_ASKING;
        give_order(n);
    } else {
        use_hosts(n);
    }
    *ret = n;
    return 0;
}

int wend_names_update(struct wend_names *n, const struct wend_name *names, size_t count)
{
    struct wend_name *copy = NULL;
    if (count > 0) {
        copy = malloc(count * sizeof *copy);
        if (copy == NULL)
            return -ENOMEM;
        memcpy(copy, names, count * sizeof *copy);
    }
    free(n->names);
    n->names = copy;
    n->zone.names = copy;
    n->zone.count = count;
    if (n->way == WAY_HOSTS)
        write_hosts(n);
    return 0;
}

static void on_timer_closed(uv_handle_t *handle)
{
    release(handle->data);
}

void wend_names_close(struct wend_names *n)
{
    if (n == NULL)
        return;
    n->closing = true;
    if (n->running) {
        (void)uv_process_kill(&n->process, SIGKILL);
        if (!uv_is_closing((uv_handle_t *)&n->process))
            uv_close((uv_handle_t *)&n->process, on_process_closed);
    }
    if (n->way == WAY_ASKING || n->way == WAY_RESOLVED)
        revert_resolved(n);
    const int error = n->way == WAY_HOSTS ? wend_hosts_remove(&n->hosts) : 0;
    if (error != 0)
        wend_log(WEND_LOG_INFO, "no-hosts", WEND_T("path", n->path),
                 WEND_T("error", strerror(-error)));
    wend_resolver_close(n->resolver);
    uv_close((uv_handle_t *)&n->patience, on_timer_closed);
    uv_close((uv_handle_t *)&n->retry, on_timer_closed);
}
