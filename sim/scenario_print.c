// SPDX-License-Identifier: MIT
// A scenario in words, at the head of a printed trace.
#include "scenario_parts.h"

static const char *const dependences[] = {"endpoint-independent", "address-dependent",
                                          "address-and-port-dependent"};
static const char *const allocations[] = {"preserving", "sequential", "random", "random-in-block",
                                          "second-priority"};
static const char *const faults[] = {
    "none",        "move",         "move-site",    "down",        "up",    "reboot",
    "cut",         "cut-one-way",  "mend",         "partition",   "clock", "sleep",
    "crash",       "server-crash", "server-blank", "server-deaf", "loss",  "block-udp",
    "nat-changes", "nat-full",     "gateway",      "server-lies"};

static double ms(wend_duration d)
{
    return (double)d / 1e6;
}

const char *sim_fault_name(enum sim_fault_kind kind)
{
    return (size_t)kind < sizeof faults / sizeof faults[0] ? faults[kind] : "?";
}

static void print_ports(FILE *out, const struct wend_sim_box *b)
{
    fprintf(out,
            "      step %d%s, %u others a second%s, block %u, limits %u, %u%s, taken %u ppm, %u, "
            "then %s, pool %u%s%s%s%s\n",
            b->port_step, b->byte_swapped ? ", bytes swapped" : "", b->others_per_second,
            b->others_by_chance ? " by chance" : "", b->block_ports, b->port_limit, b->host_limit,
            b->oldest_gives_way ? " (oldest gives way)" : "", b->taken_ppm, b->taken_port,
            allocations[b->fallback], b->pool,
            b->pooling == WEND_SIM_POOLING_ARBITRARY ? " arbitrary" : "",
            b->parity ? ", parity" : "", b->overload ? ", overloads" : "",
            b->icmp_errors ? ", ICMP" : "");
}

static void print_box(FILE *out, const char *what, const struct wend_sim_box *b)
{
    static const char *const kinds[] = {"no box", "firewall", "NAT"};
    static const char *const gateways[] = {"", ", gateway speaks PCP", ", gateway speaks NAT-PMP",
                                           ", gateway speaks IGD"};

    fprintf(out, "    %s: %s", what, kinds[b->kind]);
    if (b->kind == WEND_SIM_BOX_NAT)
        fprintf(out, ", mapping %s, ports %s from %u", dependences[b->mapping],
                allocations[b->allocation], b->port_min);
    if (b->kind != WEND_SIM_BOX_NONE)
        fprintf(out, ", filtering %s", dependences[b->filtering]);
    fprintf(out, "%s%s%s%s%s%s\n", b->hairpin ? ", hairpin" : "",
            b->early_takes_tuple ? ", early takes tuple" : "", b->ipv6_open ? ", IPv6 open" : "",
            b->block_udp ? ", no UDP" : "", b->only_tcp443 ? ", only TCP 443" : "",
            gateways[b->gateway]);
    if (b->kind == WEND_SIM_BOX_NAT)
        print_ports(out, b);
}

static void print_link(FILE *out, const char *what, const struct wend_link_config *l)
{
    fprintf(out,
            "    %s: delay %.3f ms, jitter %.3f ms, loss %u ppm, burst %u ppm, reorder %u ppm, "
            "duplicate %u ppm, rate %llu, mtu %zu\n",
            what, ms(l->delay), ms(l->jitter), l->loss_ppm, l->burst_enter_ppm, l->reorder_ppm,
            l->duplicate_ppm, (unsigned long long)l->rate_bps, l->mtu_bytes);
}

static void print_place(FILE *out, const struct sim_scenario *s, uint16_t device)
{
    const struct sim_place *p = &s->places[device];

    fprintf(out, "  device %u:%s%s", device, p->ipv4 ? " IPv4" : "", p->ipv6 ? " IPv6" : "");
    if (p->neighbour_of >= 0) {
        fprintf(out, ", neighbour of device %d\n", p->neighbour_of);
        return;
    }
    fprintf(out, ", %.3f ms more to servers\n", ms(p->far));
    print_box(out, "its site", &p->box);
    if (p->two_layers)
        print_box(out, "its carrier", &p->outer);
    print_link(out, "up", &p->up.link);
    print_link(out, "down", &p->down.link);
}

static void print_flow(FILE *out, const struct sim_scenario *s, uint32_t i)
{
    const struct sim_flow_plan *f = &s->flows[i];

    fprintf(out, "  flow %u: %u to %u, IPv%c%s, %u to %u bytes, %u every %.3f ms, from %.3f ms%s\n",
            i, f->from, f->to, f->ipv6 ? '6' : '4', f->dont_fragment ? ", whole" : "", f->len_min,
            f->len_max, f->burst, ms(f->interval), ms(f->start), f->answered ? ", answered" : "");
}

void sim_scenario_print(const struct sim_scenario *s, FILE *out)
{
    static const char *const best[] = {"any way", "direct", "relay"};

    fprintf(out,
            "scenario %s, seed %llu: %u devices, %u servers, core %.3f ms, relay %.3f ms%s%s\n",
            s->name, (unsigned long long)s->seed, s->device_count, s->server_count, ms(s->core),
            ms(s->relay), s->orderly ? ", orderly" : "", s->faultless ? ", faultless" : "");
    for (uint16_t i = 0; i < s->device_count; i++)
        print_place(out, s, i);
    for (uint32_t i = 0; i < s->flow_count; i++)
        print_flow(out, s, i);
    for (uint32_t i = 0; i < s->fault_count; i++)
        fprintf(out, "  at %.3f ms: %s, device %u, %u, %.3f ms\n", ms(s->faults[i].at),
                sim_fault_name(s->faults[i].kind), s->faults[i].device, s->faults[i].other,
                ms(s->faults[i].duration));
    if (s->direct_within != 0)
        fprintf(out, "  straight after %.3f ms at the latest\n", ms(s->direct_within));
    if (s->device_count == 2)
        fprintf(out, "  best: %s\n", best[sim_scenario_best(s, 0, 1)]);
}
