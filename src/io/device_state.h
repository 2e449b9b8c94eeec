// SPDX-License-Identifier: MIT
// What the daemon is made of; shared by device*.c alone.
#ifndef WEND_IO_DEVICE_STATE_H
#define WEND_IO_DEVICE_STATE_H

#include <uv.h>

#include "io/alarm.h"
#include "io/device.h"
#include "io/dial.h"
#include "io/interface.h"
#include "io/plane.h"
#include "io/tun.h"
#include "io/udp.h"
#include "node/node.h"
#include "node/view.h"

struct wend_control_server;
struct wend_names;
struct wend_port_mapping;

struct wend_device_socket {
    struct wend_udp udp; // fd -1: closed
    bool adopted;        // the plane reads it
};

// What the node asked for beside `sockets`; number n is at[n - 1].
struct wend_device_sockets {
    int epoll;                     // -1: none was asked for yet
    uv_poll_t poll;                // of it
    struct wend_device_socket *at; // WEND_SOCKETS_MAX
    struct wend_udp_batch *batch;
};

struct wend_device {
    struct wend_device_config config;
    struct wend_store *store;
    struct wend_network_record network;
    struct wend_member member; // who we are
    struct wend_identity identity;

    uv_loop_t loop;
    bool loop_open;
    struct wend_alarm alarm; // the node's deadline
    uv_timer_t link_timer, stop_timer;
    uv_poll_t monitor_poll, plane_poll;
    uv_signal_t signals[3];
    bool ready; // `ready` was printed
    bool stopping;
    int result; // of run

    struct wend_tun tun;
    struct wend_netlink netlink;
    struct wend_monitor monitor;
    struct wend_interface interface;
    struct wend_udp sockets[2]; // IPv4, IPv6
    struct wend_device_sockets extra;
    uint16_t port;
    struct wend_dials *dials;
    struct wend_plane *plane;
    struct wend_plane_stats *stats; // the plane's

    void *node_memory;
    size_t node_size;
    struct wend_node *node;
    uint8_t *scratch; // revocation lists and the like, for reading from disk

    struct wend_port_mapping *port_mapping; // NULL: not wanted
    struct wend_control_server *control;
    struct wend_names *names;
    bool names_due; // members changed since the names were written
};

// device_link.c
// Interface with addresses, routes and MTU. 0, or -1 with `why`.
int wend_device_make_interface(struct wend_device *d, struct wend_device_error *why);
// Tells the node which addresses this host has.
void wend_device_tell_interfaces(struct wend_device *d);
int wend_device_watch_links(struct wend_device *d);
// Asks the gateway for our port, unless that is not wanted, or it cannot be.
void wend_device_map_port(struct wend_device *d);
// Tells port mapping where the server is, an address on the internet.
void wend_device_set_beacon(struct wend_device *d);

// device_events.c
void wend_device_take_events(struct wend_device *d);
void wend_device_update_names(struct wend_device *d);
int wend_device_open_control(struct wend_device *d, struct wend_device_error *why);

// device_sockets.c
void wend_device_raise_limits(void); // as many descriptors as the system lets us have
void wend_device_open_extra(struct wend_device *d, const struct wend_node_event *e);
void wend_device_close_extra(struct wend_device *d, const struct wend_node_event *e);
void wend_device_adopt_extra(struct wend_device *d, const struct wend_node_event *e);
// The descriptor that a datagram with a socket number leaves by; -1: there is none.
int wend_device_extra_fd(const struct wend_device *d, const struct wend_datagram *out);
void wend_device_close_sockets(struct wend_device *d);

// device.c
void wend_device_drain(struct wend_device *d); // events, then as below
// Hands on the node's commands and datagrams.
void wend_device_send(struct wend_device *d);
void wend_device_turn(struct wend_device *d);
void wend_device_stop(struct wend_device *d, int result);
void wend_device_on_stop(uv_timer_t *timer); // wend_device_stop from the loop
int wend_device_explain(struct wend_device_error *why, const char *what, const char *value,
                        const char *fix);

#endif
