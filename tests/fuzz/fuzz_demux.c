// SPDX-License-Identifier: MIT
// The demultiplexer and the inner IP reader. Whatever some codec accepts, the demultiplexer sends
// to that codec, apart from the STUN types that the header demux.h gives away.
#include "fuzz.h"
#include "wire/demux.h"
#include "wire/frame.h"
#include "wire/ip.h"
#include "wire/session.h"
#include "wire/stun.h"

static bool is_session(struct wend_bytes in)
{
    struct wend_message_handshake handshake;
    struct wend_message_cookie cookie;
    struct wend_message_data data;
    if (wend_message_read_data(in, &data) == 0)
        return data.type == WEND_MESSAGE_DATA;
    return wend_message_read_handshake(in, &handshake) == 0 ||
           wend_message_read_cookie(in, &cookie) == 0;
}

static bool is_given_away(const struct wend_stun *m, struct wend_bytes in)
{
    const bool session = in.len == WEND_STUN_HEADER_LEN && in.at[0] != 0 && in.at[1] == 0 &&
                         (m->method == 0 || m->method == 0x080);
    return session || m->method >= 0x100;
}

static void check_kind(struct wend_bytes in)
{
    const enum wend_kind kind = wend_demux(in);
    struct wend_stun stun;
    struct wend_frame frame;
    struct wend_hint hint;
    const bool session = is_session(in);
    const bool is_stun = wend_stun_read(in, &stun) == 0 && !is_given_away(&stun, in);
    wend_assert(!session || kind == WEND_KIND_SESSION);
    wend_assert(!is_stun || kind == WEND_KIND_STUN);
    wend_assert(!(session && is_stun));
    wend_assert(wend_frame_read(in, &frame) != 0 || kind == WEND_KIND_FRAME);
    wend_assert(wend_hint_read(in, &hint) != 0 || kind == WEND_KIND_HINT);
    wend_assert(kind != WEND_KIND_DTLS || (in.at[0] >= 20 && in.at[0] <= 63));
}

static void check_ip(struct wend_bytes in)
{
    struct wend_ip ip;
    if (!wend_ip_read(in, &ip))
        return;
    wend_assert(ip.version == 4 || ip.version == 6);
    wend_assert(ip.header_len <= ip.len && ip.len <= in.len);
    const struct wend_bytes header = {in.at, ip.header_len};
    wend_assert(fuzz_is_within((struct wend_bytes){ip.source, ip.address_len}, header));
    wend_assert(fuzz_is_within((struct wend_bytes){ip.destination, ip.address_len}, header));
    wend_assert(ip.source + ip.address_len == ip.destination);
    const struct wend_address from = wend_ip_source(&ip);
    const struct wend_address to = wend_ip_destination(&ip);
    wend_assert(from.family == ip.version && to.family == ip.version);
    wend_assert(memcmp(to.ip, ip.destination, ip.address_len) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct wend_bytes in = {data, size};
    check_kind(in);
    check_ip(in);
    return 0;
}
