// SPDX-License-Identifier: MIT
#include "scenario.h"

#include "scenario_parts.h"

// What both layers of boxes in front of a device are together.
struct front {
    bool udp;
    bool same_port; // packets to all destinations leave from one outside address
    bool surely;    // or surely not
    bool guessable; // else by a port that can be foretold
    enum wend_sim_dependence filtering;
};

// What goes through it may end up at another port or address than its behaviours tell, or end
// before its time, or not go at all.
static bool is_fickle(const struct wend_sim_box *box)
{
    return box->early_takes_tuple || box->overload || box->port_limit != 0 ||
           box->host_limit != 0 || box->oldest_gives_way ||
           box->pooling == WEND_SIM_POOLING_ARBITRARY || box->egress_to[0] != 0 ||
           box->egress_from[0] != 0;
}

static void add_box(struct front *f, const struct wend_sim_box *box)
{
    if (box->block_udp || box->only_tcp443)
        f->udp = false;
    if (box->kind == WEND_SIM_BOX_NONE)
        return;
    if (box->filtering > f->filtering)
        f->filtering = box->filtering;
    if (box->kind != WEND_SIM_BOX_NAT)
        return;
    if (is_fickle(box))
        f->surely = false;
    if (box->mapping == WEND_SIM_ENDPOINT_INDEPENDENT)
        return;
    f->same_port = false;
    f->guessable = f->guessable && (box->allocation == WEND_SIM_PORT_PRESERVING ||
                                    box->allocation == WEND_SIM_PORT_SECOND_PRIORITY ||
                                    box->allocation == WEND_SIM_PORT_SEQUENTIAL);
}

static const struct sim_place *owner(const struct sim_scenario *s, uint16_t device)
{
    const struct sim_place *p = &s->places[device];

    return p->neighbour_of < 0 ? p : &s->places[p->neighbour_of];
}

static struct front front_of(const struct sim_scenario *s, uint16_t device)
{
    const struct sim_place *p = owner(s, device);
    struct front f = {.udp = true, .same_port = true, .surely = true, .guessable = true};

    add_box(&f, &p->box);
    if (p->two_layers)
        add_box(&f, &p->outer);
    // A port that the gateway maps is the same for everybody, and everybody may come. Of several
    // addresses one that speaks NAT-PMP may tell another than its NAT uses.
    if (s->port_mapping && !p->two_layers && p->box.pool <= 1 &&
        p->box.gateway != WEND_SIM_GATEWAY_NONE && p->box.gateway_harm == WEND_SIM_GATEWAY_SOUND) {
        f.same_port = true;
        f.filtering = WEND_SIM_ENDPOINT_INDEPENDENT;
    }
    return f;
}

// One whose outside port is told to all, and one whose port for him nobody knows beforehand.
static enum sim_best best_of_unlike(const struct front *steady, const struct front *changing)
{
    if (!steady->surely || !changing->surely ||
        changing->filtering == WEND_SIM_ENDPOINT_INDEPENDENT)
        return SIM_BEST_ANY;
    // A strict one is reached by a volley, if luck and the servers will.
    return steady->filtering != WEND_SIM_ADDRESS_AND_PORT_DEPENDENT ? SIM_BEST_DIRECT
                                                                    : SIM_BEST_ANY;
}

static enum sim_best best_ipv4(const struct front *a, const struct front *b)
{
    if (a->same_port && b->same_port)
        return a->surely && b->surely ? SIM_BEST_DIRECT : SIM_BEST_ANY;
    if (a->same_port)
        return best_of_unlike(a, b);
    if (b->same_port)
        return best_of_unlike(b, a);
    const bool strict = a->filtering == WEND_SIM_ADDRESS_AND_PORT_DEPENDENT &&
                        b->filtering == WEND_SIM_ADDRESS_AND_PORT_DEPENDENT;
    const bool blind = a->surely && b->surely && !a->guessable && !b->guessable;
    return strict && blind ? SIM_BEST_RELAY : SIM_BEST_ANY;
}

static int32_t carrier_of(const struct sim_scenario *s, uint16_t device)
{
    const struct sim_place *p = owner(s, device);

    if (!p->two_layers)
        return -1;
    return p->customer_with >= 0 ? p->customer_with : (int32_t)(p - s->places);
}

// What was mapped before a NAT changed, or in between, stays: more and less gets through than its
// behaviours tell. A gateway that failed once is asked again seldom, and what liars made of a NAT
// is believed for ten minutes.
static bool is_unsettled(const struct sim_scenario *s)
{
    for (uint32_t i = 0; i < s->fault_count; i++)
        if (s->faults[i].kind == SIM_FAULT_NAT_CHANGES ||
            s->faults[i].kind == SIM_FAULT_SERVER_LIES || s->port_mapping)
            return true;
    return false;
}

enum sim_best sim_scenario_best(const struct sim_scenario *s, uint16_t a, uint16_t b)
{
    const struct sim_place *pa = &s->places[a], *pb = &s->places[b];
    const bool ipv4 = pa->ipv4 && pb->ipv4, ipv6 = pa->ipv6 && pb->ipv6;

    if (s->direct_within != 0)
        return SIM_BEST_DIRECT;
    if (owner(s, a) == owner(s, b))
        return ipv4 || ipv6 ? SIM_BEST_DIRECT : SIM_BEST_RELAY;
    const struct front fa = front_of(s, a), fb = front_of(s, b);
    if (!fa.udp || !fb.udp)
        return SIM_BEST_RELAY;
    if (ipv6)
        return SIM_BEST_DIRECT;
    if (!ipv4)
        return SIM_BEST_RELAY;
    if (carrier_of(s, a) >= 0 && carrier_of(s, a) == carrier_of(s, b) &&
        !owner(s, a)->outer.hairpin)
        return SIM_BEST_RELAY;
    // One that reaches its server over IPv6 does not know how its NAT shows it over IPv4.
    if (pa->ipv6 || pb->ipv6 || is_unsettled(s))
        return SIM_BEST_ANY;
    return best_ipv4(&fa, &fb);
}

wend_duration sim_scenario_detour(const struct sim_scenario *s, uint16_t a, uint16_t b)
{
    const struct sim_place *pa = owner(s, a), *pb = owner(s, b);
    const bool close = pa == pb || (carrier_of(s, a) >= 0 && carrier_of(s, a) == carrier_of(s, b));
    wend_duration detour = 2 * (s->core + s->relay) + pa->far + pb->far + pa->up.link.jitter +
                           pa->down.link.jitter + pb->up.link.jitter + pb->down.link.jitter;

    if (pa == pb)
        return detour + pa->up.link.delay + pa->down.link.delay;
    return close ? detour : detour - s->core;
}

// --- parts ---

void sim_scenario_clear(struct sim_scenario *s, const char *name, uint64_t seed)
{
    s->name = name;
    s->seed = seed;
    s->device_count = 2;
    s->server_count = 1;
    s->orderly = s->faultless = true;
    s->crowded = s->discovery = s->port_mapping = false;
    s->core = WEND_MS(10);
    s->relay = WEND_MS(10);
    s->length = WEND_S(20);
    s->direct_within = 0;
    s->flow_count = s->fault_count = 0;
}

struct sim_place sim_place_public_host(void)
{
    return (struct sim_place){.neighbour_of = -1, .customer_with = -1, .ipv4 = true};
}

struct sim_place sim_place_nat(enum wend_sim_dependence mapping, enum wend_sim_dependence filtering,
                               enum wend_sim_allocation allocation)
{
    struct sim_place p = sim_place_public_host();

    p.box = (struct wend_sim_box){.kind = WEND_SIM_BOX_NAT,
                                  .mapping = mapping,
                                  .filtering = filtering,
                                  .allocation = allocation,
                                  .port_min = 20000};
    return p;
}

struct sim_flow_plan sim_flow_steady(uint16_t from, uint16_t to, wend_duration interval)
{
    return (struct sim_flow_plan){.from = from,
                                  .to = to,
                                  .len_min = 80,
                                  .len_max = 200,
                                  .burst = 1,
                                  .start = WEND_S(2),
                                  .stop = WEND_NEVER - WEND_S(10000),
                                  .interval = interval};
}

uint32_t sim_scenario_add_flow(struct sim_scenario *s, const struct sim_flow_plan *plan)
{
    if (s->flow_count == SIM_FLOWS_MAX)
        return SIM_FLOWS_MAX - 1;
    s->flows[s->flow_count] = *plan;
    return s->flow_count++;
}

void sim_scenario_add_fault(struct sim_scenario *s, const struct sim_fault *fault)
{
    uint32_t at = s->fault_count;

    if (at == SIM_FAULTS_MAX)
        return;
    for (; at > 0 && s->faults[at - 1].at > fault->at; at--)
        s->faults[at] = s->faults[at - 1];
    s->faults[at] = *fault;
    s->fault_count++;
    s->faultless = false;
}

void sim_scenario_talk(struct sim_scenario *s, uint16_t a, uint16_t b, wend_duration interval)
{
    const struct sim_flow_plan there = sim_flow_steady(a, b, interval);
    struct sim_flow_plan back = sim_flow_steady(b, a, interval);

    back.start += interval / 2;
    sim_scenario_add_flow(s, &there);
    sim_scenario_add_flow(s, &back);
}
