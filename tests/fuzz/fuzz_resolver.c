// SPDX-License-Identifier: MIT
// The DNS server: any query gets an answer that fits, or none, and the answer is one.
#include "fuzz.h"
#include "io/resolver.h"

static const struct wend_name names[] = {
    {"phone", {.family = WEND_FAMILY_IPV4, .ip = {100, 64, 0, 3}}, {.family = WEND_FAMILY_NONE}},
    {"tv",
     {.family = WEND_FAMILY_IPV4, .ip = {100, 64, 0, 4}},
     {.family = WEND_FAMILY_IPV6, .ip = {0xfd, 0x12}}},
};
static const struct wend_resolver_zone zone = {.network = "home", .names = names, .count = 2};

static void check_answer(struct wend_bytes in, struct wend_bytes out)
{
    uint8_t again[WEND_RESOLVER_MESSAGE_MAX];
    wend_assert(out.len >= 12 && in.len >= 12);
    wend_assert(memcmp(in.at, out.at, 2) == 0);                          // same id
    wend_assert((out.at[2] & 0x80) != 0);                                // a response
    wend_assert(wend_get_u16(out.at + 4) <= 1);                          // one question
    wend_assert(wend_get_u16(out.at + 6) <= 2);                          // an address of each kind
    wend_assert(wend_get_u16(out.at + 6) == 0 || (out.at[3] & 15) == 0); // or why not
    // A response is no query: two servers would never talk for ever.
    wend_assert(wend_resolver_answer(&zone, out, again, sizeof again) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t out[WEND_RESOLVER_MESSAGE_MAX], small[64];
    const struct wend_bytes in = {data, size};
    const size_t len = wend_resolver_answer(&zone, in, out, sizeof out);
    wend_assert(len <= sizeof out);
    wend_assert(len != 0 || size < 12 || (data[2] & 0x80) != 0);
    if (len != 0)
        check_answer(in, (struct wend_bytes){out, len});
    wend_assert(wend_resolver_answer(&zone, in, small, sizeof small) ==
                (len <= sizeof small ? len : 0));
    return 0;
}
