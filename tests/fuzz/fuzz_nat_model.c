// SPDX-License-Identifier: MIT
// NAT models of peers: what is read is written again as the same bytes, whatever follows it.
#include "fuzz.h"
#include "traverse/nat_exchange.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct wend_bytes in = {data, size};
    const wend_instant now = WEND_S(5000000);
    struct wend_nat_told told;
    struct wend_nat_model model;
    uint8_t again[WEND_NAT_MODEL_LEN_MAX];

    if (wend_nat_told_read(in, &told) != 0) {
        wend_assert(wend_nat_model_read(in, now, &model) != 0);
        return 0;
    }
    const size_t len = wend_nat_told_write(again, &told);
    wend_assert(len >= WEND_NAT_MODEL_LEN_MIN && len <= size);
    wend_assert(memcmp(again, data, len) == 0);
    wend_assert(wend_nat_model_read(in, now, &model) == 0);
    wend_assert(wend_nat_model_write(again, &model, now) == len);
    wend_assert(memcmp(again, data, len) == 0);
    return 0;
}
