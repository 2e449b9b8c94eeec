// SPDX-License-Identifier: MIT
#include "trace.h"

#include <inttypes.h>
#include <string.h>

#include "base/bytes.h"
#include "scenario.h"

static uint64_t mix(uint64_t hash, uint64_t word)
{
    hash = (hash ^ word) * 0x9fb21c651e98df25u;
    return hash ^ (hash >> 29);
}

static uint64_t word_of(const uint8_t *at)
{
    uint64_t word;

    memcpy(&word, at, sizeof word);
    return word;
}

static uint64_t mix_address(uint64_t hash, const struct wend_address *a)
{
    hash = mix(hash, ((uint64_t)a->family << 16) | a->port);
    if (a->family == WEND_FAMILY_NONE)
        return hash;
    return mix(mix(hash, word_of(a->ip)), word_of(a->ip + 8));
}

void sim_trace_begin(struct sim_trace *t, uint64_t seed, FILE *print)
{
    t->hash = mix(0x77656e64, seed);
    t->count = 0;
    t->print = print;
}

static const char *const kind_names[SIM_TRACE_KINDS] = {
    [SIM_TRACE_NONE] = "none",     [SIM_TRACE_SEND] = "send",   [SIM_TRACE_ARRIVE] = "arrive",
    [SIM_TRACE_LOST] = "lost",     [SIM_TRACE_NET] = "net",     [SIM_TRACE_COMMAND] = "command",
    [SIM_TRACE_NOTICE] = "notice", [SIM_TRACE_EVENT] = "event", [SIM_TRACE_RELAY] = "relay",
    [SIM_TRACE_STREAM] = "stream", [SIM_TRACE_PACKET] = "pkt",  [SIM_TRACE_FAULT] = "FAULT",
    [SIM_TRACE_PHASE] = "PHASE",
};

static const char *const command_names[] = {
    "none",       "peer",          "peer-gone", "keys", "keys-gone", "path",       "switch",
    "early-done", "early-refused", "watch",     "hold", "keepalive", "flush-drop", "relay"};

static const char *const notice_names[] = {"none",    "want",     "confirmed",   "exhausted",
                                           "no-keys", "switched", "switch-seen", "traffic"};

static const char *const event_names[] = {
    "none",         "ready",         "refused",           "server-lost",       "open-stream",
    "close-stream", "store-network", "store-revocations", "store-pin",         "drop-pin",
    "member",       "peer",          "member-refused",    "reserve-timestamp", "packet",
    "unopened"};

static const char *const packet_names[] = {"none",   "sent",    "sealed",
                                           "queued", "refused", "delivered"};
static const char *const lost_names[] = {"none",      "down",   "asleep", "unopened",
                                         "no-stream", "opener", "server"};
static const char *const stream_names[] = {"none",    "asked",    "opened",
                                           "refused", "accepted", "closed"};

#define NAME(table, i) ((i) < sizeof(table) / sizeof((table)[0]) ? (table)[i] : "?")

static void print_who(FILE *out, uint16_t who)
{
    if (who >= SIM_WHO_NOBODY)
        fprintf(out, " -      ");
    else if (who >= SIM_WHO_NET)
        fprintf(out, " net    ");
    else if (who >= SIM_WHO_SERVER)
        fprintf(out, " server%d", who - SIM_WHO_SERVER);
    else
        fprintf(out, " device%d", who);
}

static void print_what(FILE *out, const struct sim_record *r)
{
    switch ((enum sim_trace_kind)r->kind) {
    case SIM_TRACE_SEND:
    case SIM_TRACE_ARRIVE: fprintf(out, " type=%u len=%u", r->a, r->len); break;
    case SIM_TRACE_LOST: fprintf(out, " %s len=%u", NAME(lost_names, r->a), r->len); break;
    case SIM_TRACE_COMMAND:
        fprintf(out, " %s %s slot=%u", r->c == 0 ? "seal" : "open", NAME(command_names, r->a),
                r->b);
        break;
    case SIM_TRACE_NOTICE: fprintf(out, " %s slot=%u", NAME(notice_names, r->a), r->b); break;
    case SIM_TRACE_EVENT:
        fprintf(out, " %s slot=%u error=%u", NAME(event_names, r->a), r->b, r->c);
        break;
    case SIM_TRACE_STREAM: fprintf(out, " %s %u", NAME(stream_names, r->a), r->b); break;
    case SIM_TRACE_PACKET:
        fprintf(out, " %s flow=%u number=%u", NAME(packet_names, r->c), r->a, r->b);
        break;
    case SIM_TRACE_FAULT:
        fprintf(out, " %s %u %u ms", sim_fault_name((enum sim_fault_kind)r->a), r->b, r->c);
        break;
    case SIM_TRACE_NET:
    case SIM_TRACE_RELAY:
    case SIM_TRACE_PHASE:
    case SIM_TRACE_NONE:
    case SIM_TRACE_KINDS: fprintf(out, " %u %u %u len=%u", r->a, r->b, r->c, r->len); break;
    }
}

static void print_record(FILE *out, const struct sim_record *r)
{
    char text[WEND_ADDRESS_TEXT_LEN];

    fprintf(out, "%12.6f", (double)r->at / 1e9);
    print_who(out, r->who);
    fprintf(out, " %-7s", NAME(kind_names, r->kind));
    print_what(out, r);
    if (r->way != 0)
        fprintf(out, " stream");
    if (r->address.family != WEND_FAMILY_NONE)
        fprintf(out, " %s %s", r->kind == SIM_TRACE_ARRIVE ? "from" : "to",
                wend_address_format(&r->address, text));
    fputc('\n', out);
}

void sim_trace_add(struct sim_trace *t, const struct sim_record *r)
{
    uint64_t hash = mix(t->hash, (uint64_t)r->at);

    hash = mix(hash,
               (uint64_t)r->kind << 56 | (uint64_t)r->way << 48 | (uint64_t)r->who << 32 | r->len);
    hash = mix(hash, (uint64_t)r->a << 32 | r->b);
    hash = mix(hash, r->c);
    t->hash = mix_address(hash, &r->address);
    t->kept[t->count++ % WEND_SIM_TRACE_KEPT] = *r;
    if (t->print != NULL)
        print_record(t->print, r);
}

void sim_trace_print(const struct sim_trace *t, FILE *out)
{
    const uint64_t kept = t->count < WEND_SIM_TRACE_KEPT ? t->count : WEND_SIM_TRACE_KEPT;

    for (uint64_t i = t->count - kept; i < t->count; i++)
        print_record(out, &t->kept[i % WEND_SIM_TRACE_KEPT]);
}
