// SPDX-License-Identifier: MIT
// ICMP echo (RFC 792, RFC 4443 section 4): requests out, answers in, with the time between.
//
// Takes the kernel's ping socket where ping_group_range allows it, else a raw one (root). The
// payload carries a random cookie and the time of sending, so that an answer needs no table.
#ifndef WEND_APPS_ECHO_H
#define WEND_APPS_ECHO_H

#include <stdbool.h>

#include "base/address.h"
#include "base/time.h"

struct wend_echo {
    int fd; // -1: closed
    bool raw;
    bool ipv6;
    uint16_t id; // of a raw socket; a ping socket has the kernel's
    uint8_t cookie[8];
};

struct wend_echo_answer {
    uint16_t sequence;
    wend_duration rtt;
};

// Returns 0; -EACCES or -EPERM: neither socket is permitted; or the -errno of connect(2): there is
// no route.
int wend_echo_open(struct wend_echo *e, const struct wend_address *to);
void wend_echo_close(struct wend_echo *e);

// Returns 0 or the -errno of send(2).
int wend_echo_send(struct wend_echo *e, uint16_t sequence);
// One waiting answer. Returns 0, -EAGAIN (nothing waits), or -errno. What is no answer to us is
// passed over.
int wend_echo_receive(struct wend_echo *e, struct wend_echo_answer *ret);

#endif
