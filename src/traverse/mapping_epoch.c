// SPDX-License-Identifier: MIT
#include "traverse/mapping_epoch.h"

static int64_t seconds(wend_duration d)
{
    return d / WEND_S(1);
}

static void record(struct wend_epoch *e, uint32_t server_s, wend_instant now)
{
    *e = (struct wend_epoch){.known = true, .server_s = server_s, .client = now};
}

// "If the current PCP server Epoch time (curr_server_time) is less than the previously received PCP
// server Epoch time (prev_server_time) by more than one second, then the client treats the Epoch
// time as obviously invalid … If client_delta+2 < server_delta - server_delta/16 or server_delta+2
// < client_delta - client_delta/16, then the client treats the Epoch Time value as invalid"
static bool is_plausible(const struct wend_epoch *e, uint32_t server_s, wend_instant now)
{
    const int64_t server_delta = (int64_t)server_s - e->server_s;
    const int64_t client_delta = seconds(now - e->client);

    if (server_delta < -1)
        return false;
    return client_delta + 2 >= server_delta - server_delta / 16 &&
           server_delta + 2 >= client_delta - client_delta / 16;
}

bool wend_epoch_take_pcp(struct wend_epoch *e, uint32_t server_s, wend_instant now)
{
    const bool valid = !e->known || is_plausible(e, server_s, now);

    record(e, server_s, now);
    return valid;
}

// "taking the SSSoE value in the last packet it received from the gateway and adding 7/8 (87.5%) of
// the time elapsed according to the client's local clock since that packet was received. If the
// SSSoE in the newly received packet is less than the client's conservative estimate by more than 2
// seconds, then the client concludes that the NAT gateway has undergone a reboot"
bool wend_epoch_take_natpmp(struct wend_epoch *e, uint32_t server_s, wend_instant now)
{
    const int64_t expected = (int64_t)e->server_s + seconds(now - e->client) * 7 / 8;
    const bool valid = !e->known || (int64_t)server_s >= expected - 2;

    record(e, server_s, now);
    return valid;
}
