// SPDX-License-Identifier: MIT
// What goes wrong, and how it is mended.
#include <string.h>

#include "world.h"

wend_instant sim_fault_deadline(const struct sim_world *w)
{
    if (w->healed || w->fault_next == w->scenario->fault_count)
        return WEND_NEVER;
    return SIM_BEGIN + w->scenario->faults[w->fault_next].at;
}

static void tell_soon(struct sim_world *w, struct sim_device *d)
{
    d->tells = w->now + WEND_MS(5); // the daemon waits so long for more changes
    if (!d->running)
        d->tells = WEND_NEVER; // it asks when it starts
    sim_device_arm(w, d);
}

static void move(struct sim_world *w, struct sim_device *d)
{
    d->generation++;
    const struct wend_address ipv4 = sim_device_address(w, d, WEND_FAMILY_IPV4);
    const struct wend_address ipv6 = sim_device_address(w, d, WEND_FAMILY_IPV6);

    wend_sim_net_move(w->net, d->interface, d->site, ipv4.family != WEND_FAMILY_NONE ? &ipv4 : NULL,
                      ipv6.family != WEND_FAMILY_NONE ? &ipv6 : NULL, w->now);
    tell_soon(w, d);
}

static void set_interface(struct sim_world *w, struct sim_device *d, bool down)
{
    d->interface_down = down;
    wend_sim_net_set_interface_down(w->net, d->interface, down);
    tell_soon(w, d);
}

// Its site's NAT; where there is none, the device's own address changes.
static void move_site(struct sim_world *w, struct sim_device *d, bool new_address)
{
    const struct sim_place *p = &w->scenario->places[d->index];

    if (p->box.kind != WEND_SIM_BOX_NAT || p->neighbour_of >= 0) {
        if (new_address)
            move(w, d);
        return;
    }
    d->site_moves += new_address;
    const struct wend_address public = sim_place_public(p, d->index, d->site_moves);
    wend_sim_net_reboot(w->net, d->top, new_address ? &public : NULL);
    if (p->two_layers && !new_address)
        wend_sim_net_reboot(w->net, d->site, NULL);
}

static void put_to_sleep(struct sim_world *w, struct sim_device *d, wend_duration duration)
{
    if (!d->running)
        return;
    d->wakes = w->now + duration;
    wend_sim_net_set_host_down(w->net, d->host, true);
    sim_device_arm(w, d);
}

static void crash(struct sim_world *w, struct sim_device *d, wend_duration duration)
{
    sim_device_crash(w, d);
    d->restarts = w->now + duration;
    sim_device_arm(w, d);
}

static void crash_server(struct sim_world *w, struct sim_server *s, const struct sim_fault *f)
{
    sim_server_crash(w, s);
    s->blank = s->blank || f->kind == SIM_FAULT_SERVER_BLANK;
    s->restarts = w->now + f->duration;
    sim_server_arm(w, s);
}

static void deafen(struct sim_world *w, struct sim_server *s, wend_duration duration)
{
    s->mends = w->now + duration;
    wend_sim_net_partition(w->net, s->host, true, true);
    sim_server_arm(w, s);
}

static void cut(struct sim_world *w, uint16_t a, uint16_t b, bool on)
{
    const uint32_t from = w->devices[a].top, to = w->devices[b].top;

    if (from != to)
        wend_sim_net_cut(w->net, from, to, on);
}

static void set_loss(struct sim_world *w, const struct sim_device *d, uint32_t ppm)
{
    const struct wend_sim_link lossy = {.link = {.loss_ppm = ppm}};

    wend_sim_net_set_interface_link(w->net, d->interface, true, &lossy);
    wend_sim_net_set_interface_link(w->net, d->interface, false, &lossy);
}

static void block(struct sim_world *w, uint16_t device, bool on)
{
    const struct sim_place *p = &w->scenario->places[device];
    struct wend_sim_box box = p->box;

    if (p->neighbour_of >= 0)
        return;
    if (on && box.kind == WEND_SIM_BOX_NONE)
        box.kind = WEND_SIM_BOX_FIREWALL;
    box.block_udp = box.block_udp || on;
    wend_sim_net_set_box(w->net, w->devices[device].site, &box);
}

static void change_nat(struct sim_world *w, const struct sim_device *d)
{
    const struct sim_place *p = &w->scenario->places[d->index];

    if (p->neighbour_of < 0 && p->later.kind != WEND_SIM_BOX_NONE)
        wend_sim_net_set_box(w->net, d->site, &p->later);
}

// What is mapped stays; nobody gets anything new.
static void fill_nat(struct sim_world *w, const struct sim_device *d, bool on)
{
    const struct sim_place *p = &w->scenario->places[d->index];
    struct wend_sim_box box = p->box;

    if (p->neighbour_of >= 0 || box.kind != WEND_SIM_BOX_NAT)
        return;
    if (on) {
        box.port_limit = 1;
        box.oldest_gives_way = false;
    }
    wend_sim_net_set_box(w->net, d->site, &box);
}

static void spoil_gateway(struct sim_world *w, const struct sim_device *d, uint32_t harm)
{
    const struct sim_place *p = &w->scenario->places[d->index];
    struct wend_sim_box box = p->box;

    if (p->neighbour_of >= 0 || box.kind != WEND_SIM_BOX_NAT)
        return;
    box.gateway_harm = (enum wend_sim_gateway_harm)harm;
    wend_sim_net_set_box(w->net, d->site, &box);
}

static void turn_liar(struct sim_server *s, uint32_t who_and_what)
{
    for (size_t i = 0; i < 2; i++)
        if (who_and_what >> i & 1)
            s->lies[i] = (uint8_t)(who_and_what >> 2);
}

static void happen(struct sim_world *w, const struct sim_fault *f)
{
    struct sim_device *d = &w->devices[f->device];
    struct sim_server *s = &w->servers[f->device % w->scenario->server_count];

    switch (f->kind) {
    case SIM_FAULT_MOVE: move(w, d); break;
    case SIM_FAULT_MOVE_SITE: move_site(w, d, true); break;
    case SIM_FAULT_DOWN: set_interface(w, d, true); break;
    case SIM_FAULT_UP: set_interface(w, d, false); break;
    case SIM_FAULT_REBOOT: move_site(w, d, false); break;
    case SIM_FAULT_CUT: cut(w, (uint16_t)f->other, f->device, true); // fallthrough
    case SIM_FAULT_CUT_ONE_WAY: cut(w, f->device, (uint16_t)f->other, true); break;
    case SIM_FAULT_MEND:
        cut(w, f->device, (uint16_t)f->other, false);
        cut(w, (uint16_t)f->other, f->device, false);
        break;
    case SIM_FAULT_PARTITION:
        wend_sim_net_partition(w->net, d->host, (f->other & 1) != 0, (f->other & 2) != 0);
        break;
    case SIM_FAULT_CLOCK: d->clock_offset += f->duration; break;
    case SIM_FAULT_SLEEP: put_to_sleep(w, d, f->duration); break;
    case SIM_FAULT_CRASH: crash(w, d, f->duration); break;
    case SIM_FAULT_SERVER_CRASH:
    case SIM_FAULT_SERVER_BLANK: crash_server(w, s, f); break;
    case SIM_FAULT_SERVER_DEAF: deafen(w, s, f->duration); break;
    case SIM_FAULT_LOSS: set_loss(w, d, f->other); break;
    case SIM_FAULT_BLOCK_UDP: block(w, f->device, f->other != 0); break;
    case SIM_FAULT_NAT_CHANGES: change_nat(w, d); break;
    case SIM_FAULT_NAT_FULL: fill_nat(w, d, f->other != 0); break;
    case SIM_FAULT_GATEWAY: spoil_gateway(w, d, f->other); break;
    case SIM_FAULT_SERVER_LIES: turn_liar(s, f->other); break;
    case SIM_FAULT_NONE:
    case SIM_FAULT_KINDS: break;
    }
}

void sim_fault_expire(struct sim_world *w)
{
    while (sim_fault_deadline(w) <= w->now) {
        const struct sim_fault *f = &w->scenario->faults[w->fault_next++];
        sim_world_note(w, (struct sim_record){.kind = SIM_TRACE_FAULT,
                                              .who = f->device,
                                              .a = (uint32_t)f->kind,
                                              .b = f->other,
                                              .c = (uint32_t)(f->duration / 1000000)});
        happen(w, f);
    }
}

static struct wend_sim_link without_loss(const struct wend_sim_link *l)
{
    struct wend_sim_link better = *l;

    better.link.loss_ppm = better.link.burst_enter_ppm = 0;
    return better;
}

static void heal_device(struct sim_world *w, struct sim_device *d)
{
    const struct sim_place *p = &w->scenario->places[d->index];
    const struct wend_sim_link access_up = without_loss(&p->access_up);
    const struct wend_sim_link access_down = without_loss(&p->access_down);

    wend_sim_net_partition(w->net, d->host, false, false);
    wend_sim_net_set_interface_link(w->net, d->interface, true, &access_up);
    wend_sim_net_set_interface_link(w->net, d->interface, false, &access_down);
    if (p->neighbour_of < 0)
        wend_sim_net_set_box(w->net, d->site, &p->box);
    if (p->neighbour_of < 0 && p->up.link.loss_ppm + p->up.link.burst_enter_ppm > 0) {
        const struct wend_sim_link up = without_loss(&p->up), down = without_loss(&p->down);
        wend_sim_net_set_site_link(w->net, d->site, true, &up);
        wend_sim_net_set_site_link(w->net, d->site, false, &down);
    }
    if (d->interface_down)
        set_interface(w, d, false);
    if (d->wakes != 0)
        d->wakes = w->now;
    if (!d->running)
        d->restarts = w->now;
    sim_device_arm(w, d);
}

void sim_world_heal(struct sim_world *w)
{
    const uint16_t devices = w->scenario->device_count;

    w->healed = true;
    for (uint32_t i = 0; i < w->fault_next; i++) {
        const struct sim_fault *f = &w->scenario->faults[i];
        if (f->kind != SIM_FAULT_CUT && f->kind != SIM_FAULT_CUT_ONE_WAY)
            continue;
        cut(w, f->device, (uint16_t)f->other, false);
        cut(w, (uint16_t)f->other, f->device, false);
    }
    for (uint16_t i = 0; i < devices; i++)
        heal_device(w, &w->devices[i]);
    for (uint16_t i = 0; i < w->scenario->server_count; i++) {
        struct sim_server *s = &w->servers[i];
        memset(s->lies, 0, sizeof s->lies);
        if (s->mends != WEND_NEVER)
            s->mends = w->now;
        if (!s->running)
            s->restarts = w->now;
        sim_server_arm(w, s);
    }
}
