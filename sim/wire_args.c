// SPDX-License-Identifier: MIT
#include "wire.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum value_kind {
    VALUE_NONE = 0,
    VALUE_DURATION,
    VALUE_CHANCE,
    VALUE_RATE,
    VALUE_BYTES,
    VALUE_QUEUE, // bytes or a duration
    VALUE_SEED,
    VALUE_SHAPE,
    VALUE_FLAG,
};

struct setting {
    const char *key;
    enum value_kind kind;
    size_t offset; // in struct wend_link_config; for VALUE_QUEUE that of queue_time
    const char *help;
};

#define AT(field) offsetof(struct wend_link_config, field)

static const struct setting settings[] = {
    {"delay", VALUE_DURATION, AT(delay), "delay, 20ms; the floor, jitter only adds to it"},
    {"jitter", VALUE_DURATION, AT(jitter), "adds 0 to this"},
    {"jitter-shape", VALUE_SHAPE, AT(jitter_shape), "uniform, or normal with this deviation"},
    {"keep-order", VALUE_FLAG, AT(keep_order), "yes: jitter lets no packet overtake (preset)"},
    {"loss", VALUE_CHANCE, AT(loss_ppm), "chance of losing a packet, 1% or 500ppm"},
    {"burst-enter", VALUE_CHANCE, AT(burst_enter_ppm), "chance to enter the bad state"},
    {"burst-leave", VALUE_CHANCE, AT(burst_leave_ppm), "chance to leave it, 10% preset"},
    {"burst-loss", VALUE_CHANCE, AT(burst_loss_ppm), "loss in the bad state, 100% preset"},
    {"reorder", VALUE_CHANCE, AT(reorder_ppm), "chance of holding a packet back"},
    {"reorder-delay", VALUE_DURATION, AT(reorder_delay), "for how long, 5ms preset"},
    {"duplicate", VALUE_CHANCE, AT(duplicate_ppm), "chance of a second copy"},
    {"rate", VALUE_RATE, AT(rate_bps), "100mbit, counted on IP packets; 0 for no limit"},
    {"queue", VALUE_QUEUE, AT(queue_time), "before the rate limit, 100ms preset, or bytes, 64kb"},
    {"mtu", VALUE_BYTES, AT(mtu_bytes), "longer IP packets vanish; 0 for no limit"},
    {"seed", VALUE_SEED, AT(seed), "same seed, same fates; ba takes one more than ab"},
};

struct unit {
    const char *name;
    double factor;
};

static const struct unit duration_units[] = {{"s", 1e9}, {"ms", 1e6}, {"us", 1e3}, {"ns", 1}, {0}};
static const struct unit chance_units[] = {{"%", 1e4}, {"ppm", 1}, {0}};
static const struct unit rate_units[] = {
    {"gbit", 1e9}, {"mbit", 1e6}, {"kbit", 1e3}, {"bit", 1}, {0}};
static const struct unit byte_units[] = {{"", 1}, {"b", 1}, {"kb", 1e3}, {"mb", 1e6}, {0}};

const char *wire_direction_name(enum wire_direction d)
{
    return d == WIRE_AB ? "ab" : "ba";
}

void wire_config_init(struct wire_config *ret)
{
    const struct wend_link_config preset = {
        .keep_order = true,
        .burst_leave_ppm = 100000,
        .burst_loss_ppm = WEND_LINK_PPM_MAX,
        .reorder_delay = WEND_MS(5),
        .queue_time = WEND_MS(100),
    };
    for (int d = 0; d < WIRE_DIRECTION_COUNT; d++) {
        ret->direction[d] = preset;
        ret->direction[d].seed = (uint64_t)d + 1;
    }
}

void wire_config_help(FILE *out)
{
    for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++)
        fprintf(out, "  --%-14s %s\n", settings[i].key, settings[i].help);
    fputs("  --gso            yes: what a kernel joined passes in one piece; at start only\n", out);
}

// Reads a number and one of `units`; only "0" may go without. Returns 0 or -EINVAL.
static int parse_scaled(const char *text, const struct unit *units, double *ret)
{
    char *end;
    const double number = strtod(text, &end);
    if (end == text || !isfinite(number) || number < 0)
        return -EINVAL;
    if (*end == 0 && number == 0) {
        *ret = 0;
        return 0;
    }
    for (; units->name != NULL; units++) {
        if (strcmp(end, units->name) == 0) {
            *ret = number * units->factor;
            return *ret < 1e15 ? 0 : -EINVAL;
        }
    }
    return -EINVAL;
}

static int set_queue(struct wend_link_config *c, const char *value)
{
    double scaled;
    if (parse_scaled(value, duration_units, &scaled) == 0) {
        c->queue_time = (wend_duration)scaled;
        c->queue_bytes = 0;
        return 0;
    }
    if (parse_scaled(value, byte_units, &scaled) != 0)
        return -EINVAL;
    c->queue_bytes = (size_t)scaled;
    c->queue_time = 0;
    return 0;
}

static int set_seed(uint64_t *field, const char *value)
{
    char *end;
    errno = 0;
    const uint64_t seed = strtoull(value, &end, 0);
    if (end == value || *end != 0 || errno != 0)
        return -EINVAL;
    *field = seed;
    return 0;
}

// Index of `value` in "first second", or -EINVAL.
static int choice(const char *value, const char *first, const char *second)
{
    if (strcmp(value, first) == 0)
        return 0;
    return strcmp(value, second) == 0 ? 1 : -EINVAL;
}

static int set_word(struct wend_link_config *c, const struct setting *s, const char *value)
{
    const bool flag = s->kind == VALUE_FLAG;
    const int index = flag ? choice(value, "no", "yes") : choice(value, "uniform", "normal");
    if (index < 0)
        return index;
    if (flag)
        c->keep_order = index == 1;
    else
        c->jitter_shape = index == 1 ? WEND_LINK_SHAPE_NORMAL : WEND_LINK_SHAPE_UNIFORM;
    return 0;
}

static const struct unit *units_of(enum value_kind kind)
{
    switch (kind) {
    case VALUE_DURATION: return duration_units;
    case VALUE_CHANCE: return chance_units;
    case VALUE_RATE: return rate_units;
    case VALUE_BYTES: return byte_units;
    case VALUE_NONE:
    case VALUE_QUEUE:
    case VALUE_SEED:
    case VALUE_SHAPE:
    case VALUE_FLAG: break;
    }
    return NULL;
}

static int set_one(struct wend_link_config *c, const struct setting *s, const char *value)
{
    void *field = (char *)c + s->offset;
    double scaled;
    if (s->kind == VALUE_QUEUE)
        return set_queue(c, value);
    if (s->kind == VALUE_SEED)
        return set_seed(field, value);
    if (units_of(s->kind) == NULL)
        return set_word(c, s, value);
    if (parse_scaled(value, units_of(s->kind), &scaled) != 0)
        return -EINVAL;
    if (s->kind == VALUE_CHANCE && scaled > WEND_LINK_PPM_MAX)
        return -EINVAL;
    if (s->kind == VALUE_CHANCE)
        *(uint32_t *)field = (uint32_t)lround(scaled);
    else // wend_duration, uint64_t and size_t, all 64 bits
        *(int64_t *)field = llround(scaled);
    return 0;
}

static const struct setting *find_setting(const char *key)
{
    for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++)
        if (strcmp(settings[i].key, key) == 0)
            return &settings[i];
    return NULL;
}

static int set_gso(struct wire_config *config, const char *value)
{
    const int index = choice(value, "no", "yes");
    if (index < 0)
        return index;
    config->gso = index == 1;
    return 0;
}

int wire_config_set(struct wire_config *config, const char *key, const char *value)
{
    if (strcmp(key, "gso") == 0)
        return set_gso(config, value);
    const bool only_ab = strncmp(key, "ab-", 3) == 0;
    const bool only_ba = strncmp(key, "ba-", 3) == 0;
    const struct setting *s = find_setting(only_ab || only_ba ? key + 3 : key);
    if (s == NULL)
        return -ENOENT;
    struct wire_config next = *config;
    int rc = 0;
    if (!only_ba)
        rc = set_one(&next.direction[WIRE_AB], s, value);
    if (rc == 0 && !only_ab)
        rc = set_one(&next.direction[WIRE_BA], s, value);
    if (rc != 0)
        return rc;
    if (s->kind == VALUE_SEED && !only_ab && !only_ba)
        next.direction[WIRE_BA].seed++;
    *config = next;
    return 0;
}
