// SPDX-License-Identifier: MIT
// wend down: asks the daemon to end, and waits until it has.
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "io/clock.h"
#include "io/control_socket.h"
#include "io/store_device.h"
#include "peek.h"

#define PATIENCE_S 10
#define LOOK_MS    20

// The process at the other end, as a descriptor that becomes readable when it ends; -1 when it
// cannot be seen from here (another PID namespace).
static int watch_process(int fd)
{
    struct ucred other = {0};
    socklen_t len = sizeof other;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &other, &len) != 0 || other.pid <= 0)
        return -1;
    return (int)syscall(SYS_pidfd_open, other.pid, 0);
}

// The lock is free, or not ours to look at.
static bool is_unlocked(const char *state)
{
    char path[4096];
    if (wend_state_path(state, "wend.lock", path, sizeof path) != 0)
        return true;
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return true;
    const bool is_free = flock(fd, LOCK_SH | LOCK_NB) == 0 || errno != EWOULDBLOCK;
    close(fd);
    return is_free;
}

static bool is_gone(const char *state)
{
    const int fd = wend_control_connect(state);
    if (fd >= 0)
        close(fd);
    return fd < 0 && is_unlocked(state);
}

static int wait_until_gone(const char *state, int process)
{
    const wend_instant until = wend_clock_now() + WEND_S(PATIENCE_S);
    struct pollfd p = {.fd = process, .events = POLLIN};
    if (process >= 0)
        while (poll(&p, 1, (int)((until - wend_clock_now()) / 1000000)) < 0 && errno == EINTR)
            if (wend_clock_now() >= until)
                break;
    while (!is_gone(state)) {
        if (wend_clock_now() >= until)
            return wend_cli_fail(WEND_EXIT_FAILED, "down", "the daemon has not ended within 10 s",
                                 state, "see its log");
        (void)poll(NULL, 0, LOOK_MS);
    }
    return WEND_EXIT_OK;
}

static int end_daemon(const char *state, int fd)
{
    const int process = watch_process(fd);
    json_t *answer = NULL;
    const int error = wend_peek_ask(fd, json_pack("{s:s}", "do", "down"), &answer);
    const char *refusal = wend_peek_text(answer, "error", NULL);
    int status;
    if (refusal != NULL)
        status = wend_cli_fail(WEND_EXIT_FAILED, "down", "the daemon refuses", refusal, NULL);
    else if (error != 0 && error != -ECONNRESET) // closed without a word: it was ending already
        status = wend_peek_fail("down", state, error);
    else
        status = wait_until_gone(state, process);
    json_decref(answer);
    if (process >= 0)
        close(process);
    return status;
}

int wend_cmd_down(int argc, char **argv)
{
    const struct wend_cli_spec spec = {
        .command = "down",
        .usage = "",
        .about =
            "Ends the `wend up` of this state directory and waits until it has removed what it "
            "made.",
    };
    struct wend_cli_common common;
    char *positional[1];
    const int parsed = wend_cli_parse(&spec, argc, argv, &common, positional);
    if (parsed != 0)
        return parsed > 0 ? WEND_EXIT_OK : WEND_EXIT_USAGE;
    const int fd = wend_control_connect(common.state);
    if (fd < 0)
        return wend_peek_fail("down", common.state, fd);
    const int status = end_daemon(common.state, fd);
    close(fd);
    return status;
}
