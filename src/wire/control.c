// SPDX-License-Identifier: MIT
#include "wire/control.h"

#include "base/assert.h"

#include <errno.h>

#define LENGTH_OFFSET 2 // of the length field, from the beginning of a message

int wend_control_decode(struct wend_bytes in, struct wend_control *ret)
{
    struct wend_reader r = wend_reader_of(in);
    const uint16_t type = wend_read_u16(&r);
    const uint16_t length = wend_read_u16(&r);
    const uint32_t id = wend_read_u32(&r);
    const struct wend_bytes attributes = wend_read_view(&r, length);
    if (r.failed)
        return -EBADMSG;
    while (r.left > 0)
        if (wend_read_u8(&r) != 0)
            return -EBADMSG;
    *ret = (struct wend_control){
        .type = type & (uint16_t)~WEND_CONTROL_RESPONSE,
        .response = (type & WEND_CONTROL_RESPONSE) != 0,
        .id = id,
        .attributes = attributes,
    };
    return 0;
}

bool wend_control_is_optional(const struct wend_control *c)
{
    return (c->type & WEND_OPTIONAL) != 0;
}

const char *wend_control_name(uint16_t type)
{
    switch ((enum wend_control_type)type) {
    case WEND_CONTROL_NONE: break;
    case WEND_CONTROL_CONFIGURATION: return "Configuration";
    case WEND_CONTROL_RESUME: return "Resume";
    case WEND_CONTROL_RELEASE: return "Release";
    case WEND_CONTROL_KEEPALIVE: return "Keepalive";
    case WEND_CONTROL_PEER_SERVICE: return "Peer Service";
    case WEND_CONTROL_SUBSCRIBE: return "Subscribe";
    case WEND_CONTROL_PUBLISH: return "Publish";
    case WEND_CONTROL_NOTIFY: return "Notify";
    case WEND_CONTROL_FETCH: return "Fetch";
    case WEND_CONTROL_JOIN: return "Join";
    case WEND_CONTROL_JOIN_COMMIT: return "Join Commit";
    case WEND_CONTROL_CLAIM: return "Claim";
    case WEND_CONTROL_SHOW: return "Show";
    case WEND_CONTROL_PROBE: return "Probe";
    case WEND_CONTROL_CANDIDATES: return "Candidates";
    case WEND_CONTROL_GOODBYE: return "Goodbye";
    case WEND_CONTROL_REPORT: return "Report";
    case WEND_CONTROL_SWITCHED: return "Switched";
    case WEND_CONTROL_EARLY: return "Early";
    case WEND_CONTROL_VOLLEY: return "Volley";
    case WEND_CONTROL_PUNCH: return "Punch";
    }
    return "unknown message";
}

const char *wend_error_name(uint16_t code)
{
    switch ((enum wend_error)code) {
    case WEND_ERROR_NONE: return "no error";
    case WEND_ERROR_MALFORMED: return "malformed";
    case WEND_ERROR_NOT_REGISTERED: return "not registered";
    case WEND_ERROR_NOT_ALLOWED: return "not allowed";
    case WEND_ERROR_UNKNOWN_PEER: return "unknown peer or network";
    case WEND_ERROR_UNKNOWN_MESSAGE: return "unknown message";
    case WEND_ERROR_NO_ANSWER: return "no answer from the peer";
    case WEND_ERROR_TAKEN: return "the name, slot or address is taken";
    case WEND_ERROR_EXPIRED: return "expired";
    case WEND_ERROR_NOT_YET_VALID: return "not yet valid";
    case WEND_ERROR_EXHAUSTED: return "exhausted: no use is left";
    case WEND_ERROR_POOL_FULL: return "no free address is left in the pool";
    case WEND_ERROR_REVOKED: return "revoked";
    case WEND_ERROR_UNKNOWN_ATTRIBUTE: return "unknown attribute";
    case WEND_ERROR_TOO_MANY: return "too many requests";
    case WEND_ERROR_FORGED: return "forged: a signature does not hold";
    case WEND_ERROR_FOREIGN: return "of another network";
    case WEND_ERROR_BACKDATED: return "backdated";
    case WEND_ERROR_REPLAYED: return "replayed: a newer one is known";
    case WEND_ERROR_STALE: return "the serial is not newer";
    case WEND_ERROR_UNLISTED: return "signed by a server that the network does not name";
    case WEND_ERROR_TOO_LONG: return "the lifetime is longer than the invite grants";
    case WEND_ERROR_OUTSIDE: return "the address is outside the server's pool";
    case WEND_ERROR_LIMIT: return "a limit is reached";
    }
    return "unknown error";
}

size_t wend_control_begin(struct wend_writer *w, uint16_t type, uint32_t id)
{
    const size_t begun = w->len;
    wend_write_u16(w, type);
    wend_write_u16(w, 0);
    wend_write_u32(w, id);
    return begun;
}

void wend_control_end(struct wend_writer *w, size_t begun)
{
    if (w->failed)
        return;
    wend_assert(w->len >= begun + WEND_CONTROL_HEADER_LEN);
    const size_t length = w->len - begun - WEND_CONTROL_HEADER_LEN;
    if (length > UINT16_MAX)
        w->failed = true;
    else
        wend_put_u16(w->at - (w->len - begun) + LENGTH_OFFSET, (uint16_t)length);
}

void wend_control_write(struct wend_writer *w, uint16_t type, uint32_t id,
                        struct wend_bytes attributes)
{
    const size_t begun = wend_control_begin(w, type, id);
    wend_write_bytes(w, attributes);
    wend_control_end(w, begun);
}

void wend_control_write_failure(struct wend_writer *w, const struct wend_control *request,
                                enum wend_error code, const char *text)
{
    const uint16_t type = request->type | WEND_CONTROL_RESPONSE;
    const size_t begun = wend_control_begin(w, type, request->id);
    wend_attribute_put_failure(w, (uint16_t)code, text);
    wend_control_end(w, begun);
}
