// SPDX-License-Identifier: MIT
// Control messages: views lie inside the message, what was read is written again to the same bytes,
// and every reader works on whatever passed the parser; containers a few levels deep.
#include <errno.h>

#include "fuzz.h"
#include "wire/control.h"

#define DEPTH_MAX 3

static void check_attributes(struct wend_bytes in, unsigned depth);

static size_t check_repeated(const struct wend_attributes *a, enum wend_attribute_type type,
                             unsigned depth)
{
    struct wend_bytes rest = a->all, one;
    size_t count = 0;
    while (wend_attribute_next(&rest, type, &one)) {
        wend_assert(one.at != NULL && fuzz_is_within(one, a->all));
        if (type != WEND_ATTRIBUTE_DATAGRAM && depth < DEPTH_MAX)
            check_attributes(one, depth + 1);
        count++;
    }
    return count;
}

// Every value but the repeated ones, written again and read again.
static void check_values(const struct wend_attributes *a)
{
    uint8_t buffer[512];
    struct wend_candidate candidates[WEND_CANDIDATES_MAX];
    struct wend_attributes again;
    struct wend_address address, address_again;
    struct wend_position position;
    struct wend_counters counters;
    struct wend_failure failure;
    struct wend_writer w = wend_writer_of(buffer, sizeof(buffer));
    const bool has_address = wend_attribute_address(a->address, &address);
    wend_attribute_put_candidates(&w, candidates,
                                  wend_attribute_candidates(a->candidates, candidates));
    if (has_address)
        wend_attribute_put_address(&w, &address);
    if (wend_attribute_position(a->position, &position))
        wend_attribute_put_position(&w, position);
    if (wend_attribute_counters(a->counters, &counters))
        wend_attribute_put_counters(&w, counters);
    wend_assert(!w.failed);
    wend_assert(wend_attributes_parse((struct wend_bytes){buffer, w.len}, &again) == 0);
    wend_assert(wend_attribute_address(again.address, &address_again) == has_address);
    wend_assert(!has_address || wend_address_equal(&address, &address_again));
    wend_assert(wend_bytes_equal(a->position, again.position));
    wend_assert(wend_bytes_equal(a->counters, again.counters));
    if (wend_attribute_failure(a->error, &failure))
        wend_assert(fuzz_is_within(failure.text, a->all) && wend_error_name(failure.code) != NULL);
    wend_assert(a->channel.at == NULL || wend_attribute_u32(a->channel) != 0);
}

static void check_attributes(struct wend_bytes in, unsigned depth)
{
    static const struct wend_attributes empty;
    struct wend_attributes a;
    const int error = wend_attributes_parse(in, &a);
    if (error != 0) {
        wend_assert(error == -EBADMSG || error == -ENOTSUP);
        wend_assert((error == -ENOTSUP) == (a.unknown != 0));
        wend_assert(!(a.unknown & WEND_OPTIONAL));
        a.unknown = 0;
        wend_assert(memcmp(&a.all, &empty.all, sizeof(a.all)) == 0 && a.entry.at == NULL);
        return;
    }
    check_values(&a);
    const size_t datagrams = check_repeated(&a, WEND_ATTRIBUTE_DATAGRAM, depth);
    const size_t entries = check_repeated(&a, WEND_ATTRIBUTE_ENTRY, depth);
    const size_t invites = check_repeated(&a, WEND_ATTRIBUTE_INVITE, depth);
    wend_assert((datagrams > 0) == (a.datagram.at != NULL));
    wend_assert((entries > 0) == (a.entry.at != NULL));
    wend_assert((invites > 0) == (a.invite.at != NULL));
    wend_assert(fuzz_is_within(a.part, in) && fuzz_is_within(a.early_data, in));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t buffer[WEND_CONTROL_HEADER_LEN + UINT16_MAX];
    const struct wend_bytes in = {data, size};
    struct wend_control c;
    check_attributes(in, 0); // a handshake payload has no header
    if (wend_control_decode(in, &c) != 0)
        return 0;
    wend_assert(fuzz_is_within(c.attributes, in));
    struct wend_writer w = wend_writer_of(buffer, sizeof(buffer));
    const uint16_t type = (uint16_t)(c.type | (c.response ? WEND_CONTROL_RESPONSE : 0));
    wend_control_write(&w, type, c.id, c.attributes);
    wend_assert(!w.failed && w.len <= size && memcmp(buffer, data, w.len) == 0);
    wend_assert(wend_control_name(c.type) != NULL);
    check_attributes(c.attributes, 0);
    return 0;
}
