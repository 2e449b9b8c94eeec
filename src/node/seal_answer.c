// SPDX-License-Identifier: MIT
// What the host is told of packets that go nowhere: an ICMP error each, as far as a bucket of 100 a
// second allows (RFC 1812 section 4.3.2.8, RFC 4443 section 2.4 (f)).
#include "node/seal_state.h"

static const struct wend_bucket_limit answer_limit = {.per_second = 100, .burst = 100};

void wend_seal_init_answers(struct wend_seal *s)
{
    wend_bucket_init(&s->answers, &answer_limit, 0);
}

struct wend_bytes wend_seal_answer(const struct wend_seal *s)
{
    return (struct wend_bytes){s->answer, s->answer_len};
}

static bool may_answer(struct wend_seal *s, wend_instant now)
{
    return wend_bucket_take(&s->answers, &answer_limit, 1, now);
}

enum wend_seal_verdict wend_seal_unreachable(struct wend_seal *s, struct wend_bytes packet,
                                             wend_instant now)
{
    wend_drops_add(&s->drops, WEND_DROP_NO_ROUTE);
    if (may_answer(s, now))
        s->answer_len = wend_icmp_answer(packet, WEND_ICMP_NO_ROUTE, 0, s->answer);
    return WEND_SEAL_UNREACHABLE;
}

enum wend_seal_verdict wend_seal_too_big(struct wend_seal *s, const struct wend_seal_slot *p,
                                         struct wend_bytes packet, wend_instant now)
{
    wend_drops_add(&s->drops, WEND_DROP_TOO_BIG);
    if (may_answer(s, now))
        s->answer_len = wend_icmp_answer(packet, WEND_ICMP_TOO_BIG, p->path.mtu_bytes, s->answer);
    return WEND_SEAL_TOO_BIG;
}
