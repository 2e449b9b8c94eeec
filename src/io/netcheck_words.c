// SPDX-License-Identifier: MIT
#include "io/netcheck_words.h"

#include <stdlib.h>

#include "base/print.h"
#include "traverse/plan.h"

// --- what the NAT does ---

static const char *whom(enum wend_nat_dependence mapping)
{
    switch (mapping) {
    case WEND_NAT_UNKNOWN:
    case WEND_NAT_NONE: return "";
    case WEND_NAT_ENDPOINT_INDEPENDENT: return "Your NAT gives a socket one port for everybody";
    case WEND_NAT_ADDRESS_DEPENDENT: return "Your NAT gives each address another port";
    case WEND_NAT_ADDRESS_AND_PORT_DEPENDENT: return "Your NAT gives each destination another port";
    }
    return "";
}

static void say_sequence(const struct wend_nat_model *m, char *ret)
{
    wend_print(ret, WEND_WORDS_LEN, "%s, counted %s by %d%s.", whom(m->mapping),
               m->delta < 0 ? "down" : "up", abs(m->delta),
               m->byte_swapped ? " in the port's other byte order" : "");
}

char *wend_words_mapping(const struct wend_nat_model *m, char ret[static WEND_WORDS_LEN])
{
    const char *how = "";

    if (m->udp == WEND_NAT_NO || m->mapping == WEND_NAT_UNKNOWN) {
        wend_print(ret, WEND_WORDS_LEN, "%s",
                   m->udp == WEND_NAT_NO ? "UDP is blocked: no answer comes back."
                                         : "How your NAT gives out ports could not be found out.");
        return ret;
    }
    if (m->mapping == WEND_NAT_NONE) {
        wend_print(ret, WEND_WORDS_LEN, "%s",
                   "There is no NAT: your own address is the one that others see.");
        return ret;
    }
    switch (m->allocation) {
    case WEND_NAT_ALLOCATION_UNKNOWN: break;
    case WEND_NAT_PRESERVING: how = ", the same as inside if it is free"; break;
    case WEND_NAT_SECOND_PRIORITY: how = ", for the first one the same as inside"; break;
    case WEND_NAT_SEQUENTIAL: say_sequence(m, ret); return ret;
    case WEND_NAT_BLOCK:
        wend_print(ret, WEND_WORDS_LEN, "%s, at random within about %u to %u.", whom(m->mapping),
                   m->low.likely, m->high.likely);
        return ret;
    case WEND_NAT_RANDOM: how = ", at random"; break;
    }
    wend_print(ret, WEND_WORDS_LEN, "%s%s.", whom(m->mapping), how);
    return ret;
}

const char *wend_words_filtering(const struct wend_nat_model *m)
{
    if (m->udp == WEND_NAT_NO)
        return "Nothing comes in over UDP.";
    switch (m->filtering) {
    case WEND_NAT_UNKNOWN:
        return "Whom it lets in could not be found out; the strictest is assumed.";
    case WEND_NAT_NONE: return "Packets from anybody come in.";
    case WEND_NAT_ENDPOINT_INDEPENDENT:
        return "It lets in packets from anybody, once a port is open.";
    case WEND_NAT_ADDRESS_DEPENDENT:
        return "It lets in packets from addresses that you have sent to, from any of their ports.";
    case WEND_NAT_ADDRESS_AND_PORT_DEPENDENT:
        return "Only packets from the addresses and ports that you have sent to come in.";
    }
    return "";
}

const char *wend_words_hairpin(const struct wend_nat_model *m)
{
    if (m->translates != WEND_NAT_YES)
        return NULL;
    switch (m->hairpin) {
    case WEND_NAT_ANSWER_UNKNOWN: return NULL;
    case WEND_NAT_NO:
        return "Devices behind it do not reach each other by their outside addresses.";
    case WEND_NAT_YES: return "Devices behind it reach each other by their outside addresses.";
    }
    return NULL;
}

static unsigned seconds(wend_duration d)
{
    return (unsigned)((d + WEND_S(1) / 2) / WEND_S(1));
}

char *wend_words_lifetime(const struct wend_lifetime *l, char ret[static WEND_WORDS_LEN])
{
    if (l->way == WEND_LIFETIME_UNKNOWN)
        wend_print(ret, WEND_WORDS_LEN, "%s",
                   "How long a silent mapping lives cannot be known from here: the server does not "
                   "answer to other ports, and a new mapping looks like the old one.");
    else if (l->died == 0)
        wend_print(ret, WEND_WORDS_LEN, "A silent UDP mapping lives longer than %u s.",
                   seconds(l->lived));
    else
        wend_print(ret, WEND_WORDS_LEN, "A silent UDP mapping lives for %u to %u s.",
                   seconds(l->lived), seconds(l->died));
    return ret;
}

// --- who can be reached ---

// Typical peers; addresses for documentation (RFC 5737).
static struct wend_nat_model typical(size_t index)
{
    struct wend_nat_model m = {
        .serial = 1,
        .udp = WEND_NAT_YES,
        .translates = WEND_NAT_YES,
        .paired = WEND_NAT_YES,
        .mapping = WEND_NAT_ADDRESS_AND_PORT_DEPENDENT,
        .filtering = WEND_NAT_ADDRESS_AND_PORT_DEPENDENT,
        .allocation = WEND_NAT_RANDOM,
        .low = {1024, 1024, 1024},
        .high = {65535, 65535, 65535},
        .public = wend_address_ipv4(0xC6336401, 41641),
    };
    if (index == 0) {
        m.mapping = m.filtering = WEND_NAT_NONE;
        m.translates = WEND_NAT_NO;
    }
    if (index == 1)
        m.mapping = WEND_NAT_ENDPOINT_INDEPENDENT;
    if (index <= 1)
        m.allocation = WEND_NAT_PRESERVING;
    if (index == 2) {
        m.allocation = WEND_NAT_SEQUENTIAL;
        m.delta = 1;
    }
    return m;
}

static enum wend_words_reach reach_by(const struct wend_plan *p)
{
    if (p->outcome != WEND_PLAN_TRY)
        return WEND_WORDS_RELAY;
    switch (p->stages[0].method) {
    case WEND_METHOD_NONE: return WEND_WORDS_RELAY;
    case WEND_METHOD_SAME_NAT:
    case WEND_METHOD_DIRECT:
    case WEND_METHOD_SIMULTANEOUS:
    case WEND_METHOD_REVERSAL:
    case WEND_METHOD_GUESS:
    case WEND_METHOD_BRACKET: return WEND_WORDS_DIRECT;
    case WEND_METHOD_SCAN:
    case WEND_METHOD_SPREAD: return WEND_WORDS_MOSTLY;
    case WEND_METHOD_WINDOW:
    case WEND_METHOD_REPORTED: return WEND_WORDS_MAYBE;
    }
    return WEND_WORDS_RELAY;
}

struct wend_words_peer wend_words_peer(const struct wend_nat_model *m, size_t index)
{
    static const char *const names[WEND_TYPICAL_PEERS] = {
        "without NAT, or with a mapped port", "behind a home router (cone NAT)",
        "behind a NAT that counts ports", "behind a NAT with random ports"};
    const struct wend_nat_model peer = typical(index);
    const struct wend_plan_input in = {
        .own = m, .peer = &peer, .own_first = true, .calling = true, .call = 1};
    struct wend_plan plan;

    wend_plan_make(&plan, &in);
    return (struct wend_words_peer){
        .peer = names[index], .reach = reach_by(&plan), .reason = plan.reason};
}

const char *wend_words_reach(enum wend_words_reach reach)
{
    switch (reach) {
    case WEND_WORDS_RELAY: return "relay";
    case WEND_WORDS_MAYBE: return "perhaps directly";
    case WEND_WORDS_MOSTLY: return "directly as a rule";
    case WEND_WORDS_DIRECT: return "directly";
    }
    return "";
}

// --- what would help ---

static bool has_relay_peer(const struct wend_nat_model *m)
{
    for (size_t i = 0; i < WEND_TYPICAL_PEERS; i++)
        if (wend_words_peer(m, i).reach != WEND_WORDS_DIRECT)
            return true;
    return false;
}

static const char *gateway_advice(const struct wend_nat_model *m,
                                  const struct wend_words_outlook *o)
{
    if (o->port_mapped || m->udp == WEND_NAT_NO || m->translates != WEND_NAT_YES ||
        wend_plan_is_open(m) || !has_relay_peer(m))
        return NULL;
    return o->mapping_asked
               ? "Switch on PCP, NAT-PMP or UPnP at the gateway, which grants none of them: then "
                 "everybody can reach you directly."
               : "PCP, NAT-PMP or UPnP at the gateway would let everybody reach you directly.";
}

static const char *firewall_advice(const struct wend_nat_model *m,
                                   const struct wend_words_outlook *o)
{
    if (m->udp == WEND_NAT_NO && o->tcp_works)
        return "UDP is blocked and TCP is not: let UDP out at the firewall (the server's port, and "
               "1024 to 65535 for direct paths). Until then all goes over the relay by TCP.";
    if (m->udp == WEND_NAT_NO)
        return "UDP is blocked: let it out at the firewall.";
    return NULL;
}

static const char *server_advice(const struct wend_nat_model *m, const struct wend_words_outlook *o)
{
    if (o->lies)
        return "The servers' answers cannot be true: ask others with --server.";
    if (o->contradiction)
        return "The servers contradict each other: ask others with --server.";
    if (m->udp == WEND_NAT_NO || (m->filtering != WEND_NAT_UNKNOWN && m->mapping != 0))
        return NULL;
    return o->second_address
               ? "Ask a server that answers from its second address too: wend serve --alt."
               : "One server with one address cannot tell all: give it a second one (wend serve "
                 "--alt), or ask several.";
}

size_t wend_words_advice(const struct wend_nat_model *m, const struct wend_words_outlook *o,
                         const char *ret[static WEND_ADVICE_MAX])
{
    const char *all[] = {firewall_advice(m, o), server_advice(m, o), gateway_advice(m, o),
                         m->paired == WEND_NAT_NO
                             ? "Your provider sends each mapping from another address: ask it for "
                               "one that stays, or use IPv6."
                             : NULL};
    size_t count = 0;

    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        if (all[i] != NULL)
            ret[count++] = all[i];
    return count;
}
