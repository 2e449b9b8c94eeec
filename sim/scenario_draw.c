// SPDX-License-Identifier: MIT
// Everything from the seed, one independent draw after the other: where devices are, what links
// do, who talks how, what goes wrong.
#include "base/assert.h"
#include "packet.h"
#include "scenario_parts.h"

#define FAULT_FIRST WEND_S(3)
#define PARTS       1000

// --- places ---

static enum wend_sim_dependence draw_dependence(struct sim_draw *d)
{
    return (enum wend_sim_dependence)sim_draw_below(d, 3);
}

static struct wend_sim_box draw_nat(struct sim_draw *d)
{
    struct wend_sim_box box = {.kind = WEND_SIM_BOX_NAT,
                               .filtering = draw_dependence(d),
                               .allocation = (enum wend_sim_allocation)sim_draw_below(d, 4),
                               .port_min = (uint16_t)(10000 + 1000 * sim_draw_below(d, 40)),
                               .hairpin = sim_draw_chance(d, 500),
                               .inbound_refresh = sim_draw_chance(d, 300),
                               .early_takes_tuple = sim_draw_chance(d, 150)};

    if (sim_draw_chance(d, 350))
        box.mapping = draw_dependence(d);
    if (box.allocation == WEND_SIM_PORT_SEQUENTIAL) {
        box.port_step = (uint16_t)(1 + sim_draw_below(d, 3));
        box.others_per_second = sim_draw_below(d, 20);
    }
    if (sim_draw_chance(d, 300))
        box.udp_timeout = sim_draw_between(d, WEND_S(30), WEND_S(300));
    return box;
}

static struct wend_sim_box draw_box(struct sim_draw *d)
{
    const uint32_t part = sim_draw_below(d, PARTS);

    if (part < 150)
        return (struct wend_sim_box){0};
    if (part < 270)
        return (struct wend_sim_box){.kind = WEND_SIM_BOX_FIREWALL,
                                     .filtering = draw_dependence(d)};
    struct wend_sim_box box = draw_nat(d);
    if (part >= 940)
        box.block_udp = true;
    if (part >= 970)
        box.only_tcp443 = true;
    return box;
}

// --- links ---

static void draw_trouble(struct sim_draw *d, struct sim_scenario *s, struct wend_sim_link *l)
{
    struct wend_link_config *c = &l->link;

    if (sim_draw_chance(d, 300))
        c->loss_ppm = 1 + sim_draw_below(d, 100000);
    if (sim_draw_chance(d, 100)) {
        c->burst_enter_ppm = 1 + sim_draw_below(d, 20000);
        c->burst_leave_ppm = 100000;
        c->burst_loss_ppm = WEND_LINK_PPM_MAX;
    }
    if (sim_draw_chance(d, 100)) {
        c->reorder_ppm = 1 + sim_draw_below(d, 50000);
        c->reorder_delay = sim_draw_between(d, WEND_MS(1), WEND_MS(30));
        s->orderly = false;
    }
    if (sim_draw_chance(d, 100)) {
        c->duplicate_ppm = 1 + sim_draw_below(d, 50000);
        s->orderly = false;
    }
    if (c->loss_ppm + c->burst_enter_ppm != 0)
        s->faultless = false;
}

static struct wend_sim_link draw_link(struct sim_draw *d, struct sim_scenario *s, bool troubled)
{
    struct wend_sim_link l = {
        .link = {.delay = sim_draw_between(d, WEND_US(100), WEND_MS(40)), .seed = sim_draw_u64(d)}};

    if (sim_draw_chance(d, 400))
        l.link.jitter = sim_draw_between(d, WEND_US(10), WEND_MS(10));
    if (sim_draw_chance(d, 150))
        l.link.rate_bps = 500000 + sim_draw_below(d, 100000000);
    if (sim_draw_chance(d, 120))
        l.link.mtu_bytes = 1280 + sim_draw_below(d, 221);
    if (troubled)
        draw_trouble(d, s, &l);
    return l;
}

static void draw_place(struct sim_draw *d, struct sim_scenario *s, uint16_t device, bool troubled)
{
    struct sim_place *p = &s->places[device];
    const uint32_t part = sim_draw_below(d, PARTS);

    *p = (struct sim_place){.neighbour_of = -1, .customer_with = -1, .ipv4 = true};
    p->ipv6 = sim_draw_chance(d, 300);
    p->up = draw_link(d, s, troubled);
    p->down = draw_link(d, s, troubled);
    p->down.link.mtu_bytes = p->up.link.mtu_bytes;
    p->far = sim_draw_chance(d, 500) ? 0 : sim_draw_between(d, 0, WEND_MS(80));
    p->box = draw_box(d);
    if (device > 0 && part < 60 && s->places[device - 1].neighbour_of < 0) {
        p->neighbour_of = device - 1;
        p->two_layers = false;
        p->ipv6 = s->places[device - 1].ipv6;
        return;
    }
    if (part < 160 && p->box.kind == WEND_SIM_BOX_NAT) {
        p->two_layers = true;
        p->outer = draw_nat(d);
    }
}

// --- users ---

static struct sim_flow_plan draw_flow(struct sim_draw *d, const struct sim_scenario *s, uint16_t a,
                                      uint16_t b)
{
    struct sim_flow_plan f = sim_flow_steady(a, b, sim_draw_between(d, WEND_MS(50), WEND_S(1)));

    f.start = sim_draw_between(d, 0, WEND_S(4));
    f.ipv6 = sim_draw_chance(d, 300);
    f.dont_fragment = sim_draw_chance(d, 300);
    f.len_min = (uint16_t)(SIM_PACKET_LEN_MIN + sim_draw_below(d, 400));
    f.len_max = (uint16_t)(f.len_min + sim_draw_below(d, 1400 - f.len_min + 1));
    if (sim_draw_chance(d, 200)) {
        f.burst = (uint16_t)(2 + sim_draw_below(d, 10));
        f.interval *= f.burst;
    }
    if (sim_draw_chance(d, 200)) {
        f.pause_from = sim_draw_between(d, WEND_S(3), WEND_S(8));
        f.pause_to = f.pause_from + sim_draw_between(d, WEND_S(1), s->length);
    }
    return f;
}

static void draw_talk(struct sim_draw *d, struct sim_scenario *s, uint16_t a, uint16_t b)
{
    struct sim_flow_plan there = draw_flow(d, s, a, b), back = draw_flow(d, s, b, a);

    if (sim_draw_chance(d, 300)) {
        there.answered = true;
        there.answer = s->flow_count + 1;
        back.interval = 0;
        back.burst = 1;
    }
    sim_scenario_add_flow(s, &there);
    sim_scenario_add_flow(s, &back);
}

static void draw_users(struct sim_draw *d, struct sim_scenario *s)
{
    if (s->device_count == 2) {
        const uint16_t first = (uint16_t)sim_draw_below(d, 2);
        draw_talk(d, s, first, 1 - first);
        if (sim_draw_chance(d, 200))
            draw_talk(d, s, 1 - first, first);
        return;
    }
    for (uint16_t i = 0; i < s->device_count; i++) {
        const uint32_t step = 1 + sim_draw_below(d, s->device_count - 1u);
        draw_talk(d, s, i, (uint16_t)((i + step) % s->device_count));
    }
}

// --- faults ---

static wend_duration draw_step(struct sim_draw *d)
{
    if (sim_draw_chance(d, 500))
        return -sim_draw_between(d, WEND_MS(1), WEND_S(400));
    return sim_draw_between(d, WEND_MS(1), WEND_S(2 * 86400));
}

static wend_duration draw_duration(struct sim_draw *d, enum sim_fault_kind kind)
{
    if (kind == SIM_FAULT_CLOCK)
        return draw_step(d);
    if (kind == SIM_FAULT_SLEEP && sim_draw_chance(d, 100))
        return sim_draw_between(d, WEND_S(600), WEND_S(3 * 3600));
    return sim_draw_between(d, WEND_MS(1), WEND_S(12));
}

static uint32_t draw_other(struct sim_draw *d, const struct sim_scenario *s, struct sim_fault *f)
{
    wend_assert(s->device_count > 1);
    switch (f->kind) {
    case SIM_FAULT_CUT:
    case SIM_FAULT_CUT_ONE_WAY:
    case SIM_FAULT_MEND:
        return (f->device + 1 + sim_draw_below(d, s->device_count - 1u)) % s->device_count;
    case SIM_FAULT_PARTITION: return sim_draw_below(d, 4);
    case SIM_FAULT_LOSS: return sim_draw_below(d, 300000);
    case SIM_FAULT_BLOCK_UDP: return sim_draw_below(d, 2);
    case SIM_FAULT_NONE:
    case SIM_FAULT_MOVE:
    case SIM_FAULT_MOVE_SITE:
    case SIM_FAULT_DOWN:
    case SIM_FAULT_UP:
    case SIM_FAULT_REBOOT:
    case SIM_FAULT_CLOCK:
    case SIM_FAULT_SLEEP:
    case SIM_FAULT_CRASH:
    case SIM_FAULT_SERVER_CRASH:
    case SIM_FAULT_SERVER_BLANK:
    case SIM_FAULT_SERVER_DEAF:
    case SIM_FAULT_NAT_CHANGES:
    case SIM_FAULT_NAT_FULL:
    case SIM_FAULT_GATEWAY:
    case SIM_FAULT_SERVER_LIES:
    case SIM_FAULT_KINDS: break;
    }
    return 0;
}

static void draw_fault(struct sim_draw *d, struct sim_scenario *s)
{
    struct sim_fault f = {
        .kind = (enum sim_fault_kind)(1 + sim_draw_below(d, SIM_FAULTS_DRAWN - 1)),
        .device = (uint16_t)sim_draw_below(d, s->device_count),
        .at = sim_draw_between(d, FAULT_FIRST, s->length),
    };

    f.other = draw_other(d, s, &f);
    f.duration = draw_duration(d, f.kind);
    sim_scenario_add_fault(s, &f);
    if (f.kind == SIM_FAULT_DOWN) {
        f.kind = SIM_FAULT_UP;
        f.at += sim_draw_between(d, WEND_MS(1), WEND_S(8));
        sim_scenario_add_fault(s, &f);
        return;
    }
    // Both sides in the same instant, both inside and outside.
    if ((f.kind == SIM_FAULT_MOVE || f.kind == SIM_FAULT_MOVE_SITE) && sim_draw_chance(d, 500)) {
        f.device = (uint16_t)((f.device + 1u) % s->device_count);
        sim_scenario_add_fault(s, &f);
    }
}

static void draw_faults(struct sim_draw *d, struct sim_scenario *s)
{
    const uint32_t few = s->device_count > 8 ? 30 : 6;
    const uint32_t count = sim_draw_chance(d, 250) ? 0 : 1 + sim_draw_below(d, few);

    for (uint32_t i = 0; i < count; i++)
        draw_fault(d, s);
}

void sim_scenario_draw(struct sim_scenario *s, const struct sim_scale *scale)
{
    struct sim_draw d = {s->seed};

    if (scale->devices != 0)
        s->device_count = scale->devices;
    if (scale->servers != 0)
        s->server_count = scale->servers;
    s->core = sim_draw_between(&d, WEND_MS(1), WEND_MS(60));
    s->relay = sim_draw_between(&d, 0, WEND_MS(60));
    s->length = sim_draw_between(&d, WEND_S(8), WEND_S(24));
    const bool troubled = sim_draw_chance(&d, 500);
    for (uint16_t i = 0; i < s->device_count; i++)
        draw_place(&d, s, i, troubled);
    draw_users(&d, s);
    draw_faults(&d, s);
}
