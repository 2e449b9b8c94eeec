// SPDX-License-Identifier: MIT
// The named scenarios: one thing each. The seed draws no more than lengths and the machines' own
// numbers, and delays where it says so.
#include <string.h>

#include "scenario_parts.h"

#define EI  WEND_SIM_ENDPOINT_INDEPENDENT
#define AD  WEND_SIM_ADDRESS_DEPENDENT
#define APD WEND_SIM_ADDRESS_AND_PORT_DEPENDENT

static void place(struct sim_scenario *s, const struct sim_place *a, const struct sim_place *b)
{
    s->places[0] = *a;
    s->places[1] = *b;
}

static void cones(struct sim_scenario *s)
{
    const struct sim_place cone = sim_place_nat(EI, APD, WEND_SIM_PORT_RANDOM);

    place(s, &cone, &cone);
    sim_scenario_talk(s, 0, 1, WEND_MS(100));
}

static void plain(struct sim_scenario *s)
{
    const struct sim_place host = sim_place_public_host();

    place(s, &host, &host);
    sim_scenario_talk(s, 0, 1, WEND_MS(100));
}

static void symmetric(struct sim_scenario *s)
{
    const struct sim_place a = sim_place_nat(APD, APD, WEND_SIM_PORT_RANDOM);
    const struct sim_place b = sim_place_nat(EI, APD, WEND_SIM_PORT_RANDOM);

    place(s, &a, &b);
    sim_scenario_talk(s, 0, 1, WEND_MS(100));
}

static void add(struct sim_scenario *s, enum sim_fault_kind kind, uint16_t device, wend_instant at)
{
    sim_scenario_add_fault(s, &(struct sim_fault){.kind = kind, .device = device, .at = at});
}

static void move_one(struct sim_scenario *s)
{
    cones(s);
    add(s, SIM_FAULT_MOVE_SITE, 0, WEND_S(8));
    add(s, SIM_FAULT_MOVE, 0, WEND_S(8));
}

static void move_both(struct sim_scenario *s)
{
    cones(s);
    for (uint16_t i = 0; i < 2; i++) {
        add(s, SIM_FAULT_MOVE_SITE, i, WEND_S(8));
        add(s, SIM_FAULT_MOVE, i, WEND_S(8));
    }
}

static void move_public(struct sim_scenario *s)
{
    plain(s);
    add(s, SIM_FAULT_MOVE, 0, WEND_S(8));
    add(s, SIM_FAULT_MOVE, 1, WEND_S(8));
}

static void add_lasting(struct sim_scenario *s, enum sim_fault_kind kind, uint16_t device,
                        wend_duration duration)
{
    sim_scenario_add_fault(s, &(struct sim_fault){.kind = kind,
                                                  .device = device,
                                                  .other = 1 - device,
                                                  .at = WEND_S(8),
                                                  .duration = duration});
}

static void server_crash(struct sim_scenario *s)
{
    symmetric(s);
    add_lasting(s, SIM_FAULT_SERVER_CRASH, 0, WEND_S(1));
}

static void server_blank(struct sim_scenario *s)
{
    symmetric(s);
    add_lasting(s, SIM_FAULT_SERVER_BLANK, 0, WEND_S(1));
}

static void server_away(struct sim_scenario *s)
{
    cones(s);
    add_lasting(s, SIM_FAULT_SERVER_CRASH, 0, WEND_S(120));
}

static void silent_death(struct sim_scenario *s)
{
    cones(s);
    add_lasting(s, SIM_FAULT_CUT, 0, 0);
}

static void one_way_death(struct sim_scenario *s)
{
    cones(s);
    add_lasting(s, SIM_FAULT_CUT_ONE_WAY, 0, 0);
}

static void nat_reboot(struct sim_scenario *s)
{
    cones(s);
    add(s, SIM_FAULT_REBOOT, 0, WEND_S(8));
}

static void lossy(struct sim_scenario *s)
{
    cones(s);
    for (uint16_t i = 0; i < 2; i++)
        s->places[i].up.link.loss_ppm = s->places[i].down.link.loss_ppm = 50000;
    s->faultless = false;
}

static void small_mtu(struct sim_scenario *s)
{
    struct sim_flow_plan big = sim_flow_steady(0, 1, WEND_MS(100));

    cones(s);
    for (uint16_t i = 0; i < 2; i++)
        s->places[i].up.link.mtu_bytes = s->places[i].down.link.mtu_bytes = 1280;
    big.len_min = 1000;
    big.len_max = 1400;
    sim_scenario_add_flow(s, &big);
}

static void idle_sleep(struct sim_scenario *s)
{
    cones(s);
    s->length = WEND_S(2 * 3600 + 60);
    for (uint32_t i = 0; i < s->flow_count; i++) {
        s->flows[i].pause_from = WEND_S(8);
        s->flows[i].pause_to = WEND_S(2 * 3600 + 40);
    }
    add_lasting(s, SIM_FAULT_SLEEP, 0, WEND_S(2 * 3600));
}

static void idle(struct sim_scenario *s)
{
    cones(s);
    s->length = WEND_S(1200);
    for (uint32_t i = 0; i < s->flow_count; i++) {
        s->flows[i].pause_from = WEND_S(8);
        s->flows[i].pause_to = WEND_S(1190);
    }
}

static void restart(struct sim_scenario *s)
{
    cones(s);
    add_lasting(s, SIM_FAULT_CRASH, 0, WEND_S(1));
}

static void clock_step(struct sim_scenario *s)
{
    cones(s);
    add_lasting(s, SIM_FAULT_CLOCK, 0, WEND_S(-300));
    sim_scenario_add_fault(
        s, &(struct sim_fault){
               .kind = SIM_FAULT_CLOCK, .device = 1, .at = WEND_S(10), .duration = WEND_S(86400)});
}

static void hairpin(struct sim_scenario *s)
{
    struct sim_place a = sim_place_nat(EI, APD, WEND_SIM_PORT_RANDOM);

    a.two_layers = true;
    a.outer = a.box;
    a.outer.hairpin = true;
    place(s, &a, &a);
    s->places[1].customer_with = 0;
    sim_scenario_talk(s, 0, 1, WEND_MS(100));
}

static void neighbours(struct sim_scenario *s)
{
    const struct sim_place a = sim_place_nat(APD, APD, WEND_SIM_PORT_RANDOM);

    place(s, &a, &a);
    s->places[1].neighbour_of = 0;
    sim_scenario_talk(s, 0, 1, WEND_MS(100));
}

static void ipv6(struct sim_scenario *s)
{
    struct sim_place a = sim_place_nat(APD, APD, WEND_SIM_PORT_RANDOM);

    a.ipv6 = true;
    place(s, &a, &a);
    sim_scenario_talk(s, 0, 1, WEND_MS(100));
    s->flows[0].ipv6 = s->flows[1].ipv6 = true;
}

static void no_udp(struct sim_scenario *s)
{
    cones(s);
    s->places[1].box.only_tcp443 = true;
}

static void udp_ends(struct sim_scenario *s)
{
    cones(s);
    sim_scenario_add_fault(
        s,
        &(struct sim_fault){.kind = SIM_FAULT_BLOCK_UDP, .device = 1, .other = 1, .at = WEND_S(8)});
}

static void filters(struct sim_scenario *s)
{
    const struct sim_place a = sim_place_nat(APD, APD, WEND_SIM_PORT_SEQUENTIAL);
    const struct sim_place b = sim_place_nat(EI, AD, WEND_SIM_PORT_RANDOM);

    place(s, &a, &b);
    sim_scenario_talk(s, 0, 1, WEND_MS(100));
}

static struct wend_sim_link draw_access(struct sim_draw *d)
{
    return (struct wend_sim_link){.link = {.delay = sim_draw_between(d, WEND_MS(3), WEND_MS(40)),
                                           .jitter = sim_draw_between(d, 0, WEND_MS(1)),
                                           .seed = sim_draw_u64(d)}};
}

// Whoever's first packet comes to the other's NAT before the other's left takes its port away, and
// no straight path opens while anybody tries: docs/decisions/0002-openers.md. With delays like
// these there is time enough for both to leave.
static void masquerade(struct sim_scenario *s)
{
    struct sim_place a = sim_place_nat(EI, APD, WEND_SIM_PORT_PRESERVING);
    struct sim_draw d = {s->seed ^ 0x6d617371};

    a.box.early_takes_tuple = true;
    place(s, &a, &a);
    for (uint16_t i = 0; i < 2; i++) {
        s->places[i].up = draw_access(&d);
        s->places[i].down = draw_access(&d);
    }
    s->core = sim_draw_between(&d, 0, WEND_MS(20));
    s->relay = sim_draw_between(&d, WEND_MS(1), WEND_MS(20));
    s->direct_within = WEND_S(1);
    const uint16_t first = (uint16_t)sim_draw_below(&d, 2);
    sim_scenario_talk(s, first, 1 - first, WEND_MS(50));
    // The other one waits to hear, or calls before it can have heard: handshakes cross.
    const wend_duration later = sim_draw_chance(&d, 500) ? WEND_MS(100) : WEND_MS(400);
    s->flows[1].start = s->flows[0].start + sim_draw_between(&d, 0, later);
}

// One packet a second after a quiet start, answered: what the first packet of a user sees.
static void first_packet(struct sim_scenario *s)
{
    struct sim_flow_plan there = sim_flow_steady(0, 1, WEND_S(1)), back = there;

    plain(s);
    s->flow_count = 0;
    s->length = WEND_S(6);
    there.answered = true;
    there.answer = 1;
    back.from = 1;
    back.to = 0;
    back.interval = 0;
    sim_scenario_add_flow(s, &there);
    sim_scenario_add_flow(s, &back);
}

// The first call comes before the called side, far from the server, knows who is a member; with so
// much early data that there is no room in it for the caller's papers.
static void early_call(struct sim_scenario *s)
{
    struct sim_flow_plan there = sim_flow_steady(0, 1, WEND_MS(250));

    plain(s);
    s->flow_count = 0;
    s->relay = WEND_MS(40);
    s->places[0].far = WEND_MS(60);
    s->places[1].far = WEND_MS(120);
    there.len_min = there.len_max = 508;
    there.start = WEND_MS(640) + WEND_MS(10) * (wend_duration)(s->seed % 20);
    sim_scenario_add_flow(s, &there);
    there.from = 1;
    there.to = 0;
    there.start += WEND_MS(620); // with the keys of its own answer, by the channel of that
    sim_scenario_add_flow(s, &there);
}

struct fixed {
    const char *name;
    void (*make)(struct sim_scenario *);
    const char *text;
};

static const struct fixed table[] = {
    {"random", NULL, "everything drawn from the seed"},
    {"hard", sim_scenario_draw_hard, "NATs of every hard kind, from the seed"},
    {"hostile", sim_scenario_draw_hostile, "the same, and servers, NATs and gateways that fail it"},
    {"plain", plain, "two public hosts"},
    {"cones", cones, "endpoint-independent mapping on both sides"},
    {"symmetric", symmetric, "a mapping for each destination: the relay carries"},
    {"filters", filters, "symmetric, and a NAT that filters by address"},
    {"masquerade", masquerade, "Linux masquerade on both sides: an early packet takes the port"},
    {"first-packet", first_packet, "request and answer, seldom"},
    {"early-call", early_call, "the called side has just joined, far from the server"},
    {"move-one", move_one, "one side gets other addresses, inside and outside"},
    {"move-both", move_both, "both sides in the same instant"},
    {"move-public", move_public, "both sides, without NAT"},
    {"nat-reboot", nat_reboot, "a NAT forgets its mappings"},
    {"server-crash", server_crash, "the server restarts while it relays"},
    {"server-blank", server_blank, "and has forgotten its members"},
    {"server-away", server_away, "the server is gone while all goes straight"},
    {"silent-death", silent_death, "the direct path dies without a word"},
    {"one-way-death", one_way_death, "in one direction"},
    {"lossy", lossy, "5 % on each access"},
    {"small-mtu", small_mtu, "1,280 bytes on each access, long packets"},
    {"idle", idle, "twenty minutes without a packet"},
    {"idle-sleep", idle_sleep, "one side is suspended for two hours"},
    {"restart", restart, "one side's process dies and starts again"},
    {"clock-step", clock_step, "wall clocks are set back and forth"},
    {"hairpin", hairpin, "both behind one carrier's NAT, which hairpins"},
    {"neighbours", neighbours, "both behind the same strict NAT"},
    {"ipv6", ipv6, "strict NAT for IPv4, a firewall for IPv6"},
    {"no-udp", no_udp, "one side may only use TCP port 443"},
    {"udp-ends", udp_ends, "one side's firewall stops UDP in the middle"},
};

#define COUNT (sizeof table / sizeof table[0])

const char *sim_scenario_name(size_t index)
{
    return index < COUNT ? table[index].name : NULL;
}

const char *sim_scenario_text(size_t index)
{
    return index < COUNT ? table[index].text : NULL;
}

// So that what was sent has arrived, or was lost, when it is counted.
static void end_flows(struct sim_scenario *s)
{
    const wend_instant stop = s->length - WEND_S(2);

    for (uint32_t i = 0; i < s->flow_count; i++)
        if (s->flows[i].stop > stop)
            s->flows[i].stop = stop;
}

bool sim_scenario_make(struct sim_scenario *ret, const char *name, uint64_t seed,
                       const struct sim_scale *scale)
{
    for (size_t i = 0; i < COUNT; i++) {
        if (strcmp(table[i].name, name) != 0)
            continue;
        sim_scenario_clear(ret, table[i].name, seed);
        if (table[i].make != NULL)
            table[i].make(ret);
        else
            sim_scenario_draw(ret, scale);
        end_flows(ret);
        return true;
    }
    return false;
}
