// SPDX-License-Identifier: MIT
#include "wire/attribute.h"

#include "base/assert.h"

#include <string.h>

#define LENGTH_OFFSET 2 // of the length field, from the beginning of an attribute

size_t wend_attribute_begin(struct wend_writer *w, enum wend_attribute_type type)
{
    const size_t begun = w->len;
    wend_write_u16(w, (uint16_t)type);
    wend_write_u16(w, 0);
    return begun;
}

void wend_attribute_end(struct wend_writer *w, size_t begun)
{
    if (w->failed)
        return;
    wend_assert(w->len >= begun + WEND_ATTRIBUTE_HEADER_LEN);
    const size_t length = w->len - begun - WEND_ATTRIBUTE_HEADER_LEN;
    if (length > UINT16_MAX)
        w->failed = true;
    else
        wend_put_u16(w->at - (w->len - begun) + LENGTH_OFFSET, (uint16_t)length);
}

void wend_attribute_put(struct wend_writer *w, enum wend_attribute_type type,
                        struct wend_bytes value)
{
    const size_t begun = wend_attribute_begin(w, type);
    wend_write_bytes(w, value);
    wend_attribute_end(w, begun);
}

void wend_attribute_put_flag(struct wend_writer *w, enum wend_attribute_type type)
{
    wend_attribute_put(w, type, (struct wend_bytes){0});
}

void wend_attribute_put_u8(struct wend_writer *w, enum wend_attribute_type type, uint8_t value)
{
    const size_t begun = wend_attribute_begin(w, type);
    wend_write_u8(w, value);
    wend_attribute_end(w, begun);
}

void wend_attribute_put_u32(struct wend_writer *w, enum wend_attribute_type type, uint32_t value)
{
    const size_t begun = wend_attribute_begin(w, type);
    wend_write_u32(w, value);
    wend_attribute_end(w, begun);
}

void wend_attribute_put_u64(struct wend_writer *w, enum wend_attribute_type type, uint64_t value)
{
    const size_t begun = wend_attribute_begin(w, type);
    wend_write_u64(w, value);
    wend_attribute_end(w, begun);
}

// What ADDRESS and a candidate end with; latches without a family.
static void write_port_and_ip(struct wend_writer *w, const struct wend_address *a)
{
    if (a->family != WEND_FAMILY_IPV4 && a->family != WEND_FAMILY_IPV6) {
        w->failed = true;
        return;
    }
    const size_t len = a->family == WEND_FAMILY_IPV4 ? 4 : 16;
    wend_write_u16(w, a->port);
    wend_write_bytes(w, (struct wend_bytes){.at = a->ip, .len = len});
}

void wend_attribute_put_address(struct wend_writer *w, const struct wend_address *address)
{
    const size_t begun = wend_attribute_begin(w, WEND_ATTRIBUTE_ADDRESS);
    wend_write_u8(w, address->family);
    wend_write_u8(w, 0);
    write_port_and_ip(w, address);
    wend_attribute_end(w, begun);
}

void wend_attribute_put_position(struct wend_writer *w, struct wend_position position)
{
    const size_t begun = wend_attribute_begin(w, WEND_ATTRIBUTE_POSITION);
    wend_write_u64(w, position.epoch);
    wend_write_u64(w, position.serial);
    wend_attribute_end(w, begun);
}

void wend_attribute_put_counters(struct wend_writer *w, struct wend_counters counters)
{
    const size_t begun = wend_attribute_begin(w, WEND_ATTRIBUTE_COUNTERS);
    wend_write_u64(w, counters.sent);
    wend_write_u64(w, counters.received);
    wend_attribute_end(w, begun);
}

void wend_attribute_put_ways(struct wend_writer *w, const struct wend_way_counters *ways)
{
    const size_t begun = wend_attribute_begin(w, WEND_ATTRIBUTE_WAYS);
    wend_write_u32(w, ways->index);
    wend_write_u64(w, ways->direct_highest);
    wend_write_u64(w, ways->direct_count);
    wend_write_u64(w, ways->relay_highest);
    wend_write_u64(w, ways->relay_count);
    wend_attribute_end(w, begun);
}

void wend_attribute_put_switch_seen(struct wend_writer *w, struct wend_switch_seen seen)
{
    const size_t begun = wend_attribute_begin(w, WEND_ATTRIBUTE_SWITCH);
    wend_write_u32(w, seen.index);
    wend_write_u64(w, seen.first);
    wend_attribute_end(w, begun);
}

void wend_attribute_put_punch(struct wend_writer *w, const struct wend_punch *punch)
{
    const size_t begun = wend_attribute_begin(w, WEND_ATTRIBUTE_PUNCH);
    wend_write_u8(w, punch->kind);
    wend_write_u64(w, punch->token);
    wend_write_u64(w, punch->echo);
    wend_attribute_end(w, begun);
}

void wend_attribute_put_early_state(struct wend_writer *w, const struct wend_early_state *state)
{
    const size_t begun = wend_attribute_begin(w, WEND_ATTRIBUTE_EARLY_STATE);
    wend_write_bytes(w, (struct wend_bytes){state->accepted, sizeof state->accepted});
    wend_write_bytes(w, (struct wend_bytes){state->voided, sizeof state->voided});
    wend_attribute_end(w, begun);
}

void wend_attribute_put_padding(struct wend_writer *w, size_t len)
{
    static const uint8_t zeros[64];
    const size_t begun = wend_attribute_begin(w, WEND_ATTRIBUTE_PADDING);
    wend_assert(len >= WEND_ATTRIBUTE_HEADER_LEN);
    for (size_t left = len - WEND_ATTRIBUTE_HEADER_LEN; left > 0 && !w->failed;) {
        const size_t step = left < sizeof zeros ? left : sizeof zeros;
        wend_write_bytes(w, (struct wend_bytes){zeros, step});
        left -= step;
    }
    wend_attribute_end(w, begun);
}

void wend_attribute_put_failure(struct wend_writer *w, uint16_t code, const char *text)
{
    const size_t begun = wend_attribute_begin(w, WEND_ATTRIBUTE_ERROR);
    wend_write_u16(w, code);
    if (text != NULL)
        wend_write_bytes(w, (struct wend_bytes){.at = (const uint8_t *)text, .len = strlen(text)});
    wend_attribute_end(w, begun);
}

void wend_attribute_put_candidates(struct wend_writer *w, const struct wend_candidate *at,
                                   size_t count)
{
    const size_t begun = wend_attribute_begin(w, WEND_ATTRIBUTE_CANDIDATES);
    if (count > WEND_CANDIDATES_MAX)
        w->failed = true;
    for (size_t i = 0; i < count && !w->failed; i++) {
        wend_write_u8(w, at[i].kind);
        wend_write_u8(w, at[i].address.family);
        write_port_and_ip(w, &at[i].address);
    }
    wend_attribute_end(w, begun);
}
