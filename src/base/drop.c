// SPDX-License-Identifier: MIT
#include "base/drop.h"

const char *wend_drop_name(enum wend_drop drop)
{
    switch (drop) {
    case WEND_DROP_NONE: return "none";
    case WEND_DROP_MALFORMED: return "malformed";
    case WEND_DROP_UNKNOWN_TYPE: return "unknown-type";
    case WEND_DROP_BAD_MAC: return "bad-mac";
    case WEND_DROP_UNDER_LOAD: return "under-load";
    case WEND_DROP_DECRYPT_FAILED: return "decrypt-failed";
    case WEND_DROP_REPLAYED: return "replayed";
    case WEND_DROP_STALE_TIMESTAMP: return "stale-timestamp";
    case WEND_DROP_NO_SESSION: return "no-session";
    case WEND_DROP_NO_ROUTE: return "no-route";
    case WEND_DROP_QUEUE_FULL: return "queue-full";
    case WEND_DROP_RATE_LIMITED: return "rate-limited";
    case WEND_DROP_NOT_ALLOWED: return "not-allowed";
    case WEND_DROP_WRONG_SOURCE: return "wrong-source";
    case WEND_DROP_EXPIRED: return "expired";
    case WEND_DROP_TOO_BIG: return "too-big";
    case WEND_DROP_COUNT: break;
    }
    wend_assert_failed("a drop reason", __FILE__, __LINE__);
}
