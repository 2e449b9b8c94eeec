// SPDX-License-Identifier: MIT
// PCP messages. A request that can be answered is always read as far as it goes, because the answer
// needs its opcode, and says in `fault` with which result; everything is read into a local message
// that is handed out at the end.
#include "wire/pcp.h"

#include <errno.h>
#include <string.h>

#include "base/assert.h"

enum {
    RESPONSE_BIT = 0x80,
    OPTION_HEADER_LEN = 4,
    OPTION_OPTIONAL_BIT = 0x80,
    ADDRESS_LEN = 16,
    THIRD_PARTY_LEN = 16, // "Option Length=16" (section 13.1)
    FILTER_LEN = 20,      // "Option Length=20" (section 13.3)
    MAPPED_BITS = 96,     // "add 96 to the IPv4 prefix length" (section 13.3)
};

static const uint8_t mapped_prefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

static struct wend_address read_address(struct wend_reader *r)
{
    uint8_t ip[ADDRESS_LEN];
    struct wend_address a = {.family = WEND_FAMILY_IPV6};

    wend_read_copy(r, ip, sizeof ip);
    // "it is not sufficient to check for ones in bits 81-96" (section 5)
    if (memcmp(ip, mapped_prefix, sizeof mapped_prefix) == 0) {
        a.family = WEND_FAMILY_IPV4;
        memcpy(a.ip, ip + sizeof mapped_prefix, 4);
    } else {
        memcpy(a.ip, ip, sizeof ip);
    }
    return a;
}

static void write_address(struct wend_writer *w, const struct wend_address *a)
{
    if (a->family == WEND_FAMILY_IPV4) {
        wend_write_bytes(w, WEND_BYTES(mapped_prefix));
        wend_write_bytes(w, (struct wend_bytes){a->ip, 4});
    } else {
        wend_write_bytes(w, (struct wend_bytes){a->ip, ADDRESS_LEN});
    }
}

// The first fault stays: "it SHOULD use the most specific error message", and an earlier place in
// the message is more specific than a later one.
static void blame(struct wend_pcp *m, enum wend_pcp_result fault)
{
    if (m->fault == WEND_PCP_SUCCESS)
        m->fault = fault;
}

// --- options ---

static void read_third_party(struct wend_pcp *m, struct wend_bytes value)
{
    struct wend_reader r = wend_reader_of(value);
    // "Valid for Opcodes: MAP, PEER … Length: 16 octets … Maximum occurrences: 1" (section 13.1)
    if (value.len != THIRD_PARTY_LEN || m->third_party.family != WEND_FAMILY_NONE ||
        m->opcode == WEND_PCP_ANNOUNCE)
        blame(m, WEND_PCP_MALFORMED_OPTION);
    else
        m->third_party = read_address(&r);
}

static void read_prefer_failure(struct wend_pcp *m, struct wend_bytes value)
{
    // "if a PCP server receives a PEER request containing the PREFER_FAILURE option it MUST return
    // a MALFORMED_REQUEST error response" (section 12.1)
    if (m->opcode == WEND_PCP_PEER)
        blame(m, WEND_PCP_MALFORMED_REQUEST);
    // "Valid for Opcodes: MAP … Length: 0 … Maximum occurrences: 1"; "If a PCP request contains the
    // PREFER_FAILURE option and has zero in the Suggested External Port field, then it is invalid"
    // (section 13.2); "with lifetime=0 … MALFORMED_OPTION" (section 11.3)
    else if (value.len != 0 || m->prefer_failure || m->opcode != WEND_PCP_MAP ||
             (!m->is_response && (m->external.port == 0 || m->lifetime_s == 0)))
        blame(m, WEND_PCP_MALFORMED_OPTION);
    m->prefer_failure = true;
}

// "this means valid prefix lengths are between 96 and 128 bits, inclusive … For IPv6 addresses,
// valid prefix lengths are between 0 and 128 bits" (section 13.3); 0 clears whatever the address.
static bool read_filter_value(struct wend_bytes value, struct wend_pcp_filter *ret)
{
    struct wend_reader r = wend_reader_of(value);
    struct wend_pcp_filter f = {0};

    (void)wend_read_u8(&r); // reserved, "MUST be ignored when received"
    uint8_t bits = wend_read_u8(&r);
    f.port = wend_read_u16(&r);
    const struct wend_address remote = read_address(&r);
    f.clear = bits == 0;
    if (r.failed || bits > 128 ||
        (remote.family == WEND_FAMILY_IPV4 && !f.clear && bits < MAPPED_BITS))
        return false;
    if (remote.family == WEND_FAMILY_IPV4 && !f.clear)
        bits = (uint8_t)(bits - MAPPED_BITS);
    f.remote.family = remote.family;
    f.remote.bits = bits;
    memcpy(f.remote.ip, remote.ip, sizeof f.remote.ip);
    *ret = f;
    return true;
}

static void read_filter(struct wend_pcp *m, struct wend_bytes value)
{
    // "If a MAP request has a lifetime of 0 and contains the FILTER option, the error
    // MALFORMED_OPTION is returned." (section 13.3)
    if (value.len != FILTER_LEN || m->opcode != WEND_PCP_MAP ||
        (!m->is_response && m->lifetime_s == 0) || m->filter_count == WEND_PCP_FILTERS_MAX ||
        !read_filter_value(value, &m->filters[m->filter_count]))
        blame(m, WEND_PCP_MALFORMED_OPTION);
    else
        m->filter_count++;
}

static void read_unknown(struct wend_pcp *m, uint8_t code)
{
    if ((code & OPTION_OPTIONAL_BIT) != 0)
        return;
    if (m->unknown_count == 0)
        m->unknown_option = code;
    if (m->unknown_count < UINT8_MAX)
        m->unknown_count++;
    if (!m->is_response)
        blame(m, WEND_PCP_UNSUPP_OPTION);
}

static void read_option(struct wend_pcp *m, uint8_t code, struct wend_bytes value)
{
    switch (code) {
    case WEND_PCP_THIRD_PARTY: read_third_party(m, value); break;
    case WEND_PCP_PREFER_FAILURE: read_prefer_failure(m, value); break;
    case WEND_PCP_FILTER: read_filter(m, value); break;
    default: read_unknown(m, code); break;
    }
}

// "Options that are not a multiple of 4 octets long are followed by one, two, or three 0 octets to
// pad … The Option Length reflects the semantic length of the option, not including any padding
// octets." (section 7.3)
static void read_options(struct wend_pcp *m, struct wend_reader *r)
{
    while (r->left > 0 && !r->failed) {
        const uint8_t code = wend_read_u8(r);
        (void)wend_read_u8(r); // reserved
        const uint16_t len = wend_read_u16(r);
        const struct wend_bytes value = wend_read_view(r, len);
        (void)wend_read_view(r, (4 - (size_t)len % 4) % 4);
        if (r->failed)
            blame(m, WEND_PCP_MALFORMED_OPTION);
        else
            read_option(m, code, value);
    }
}

// --- opcodes ---

static void read_mapping(struct wend_pcp *m, struct wend_reader *r)
{
    wend_read_copy(r, m->nonce, sizeof m->nonce);
    m->protocol = wend_read_u8(r);
    (void)wend_read_view(r, 3); // reserved, "MUST be ignored when received"
    m->internal_port = wend_read_u16(r);
    const uint16_t port = wend_read_u16(r);
    m->external = read_address(r);
    m->external.port = port;
}

static void read_remote(struct wend_pcp *m, struct wend_reader *r)
{
    const uint16_t port = wend_read_u16(r);
    (void)wend_read_u16(r); // reserved
    m->remote = read_address(r);
    m->remote.port = port;
}

static void check_map(struct wend_pcp *m)
{
    // "If the protocol is zero and the internal port is non-zero, then the request is invalid and
    // the PCP server MUST return a MALFORMED_REQUEST error to the client." (section 11.3)
    if (m->protocol == 0 && m->internal_port != 0)
        blame(m, WEND_PCP_MALFORMED_REQUEST);
}

static void check_peer(struct wend_pcp *m)
{
    // "Protocol MUST NOT be zero. … Internal port MUST NOT be zero. … Remote peer port MUST NOT be
    // zero." (section 12.1)
    if (m->protocol == 0 || m->internal_port == 0 || m->remote.port == 0)
        blame(m, WEND_PCP_MALFORMED_REQUEST);
}

// What follows the header. Returns false when it is too short.
static bool read_body(struct wend_pcp *m, struct wend_reader *r)
{
    switch (m->opcode) {
    case WEND_PCP_ANNOUNCE: break;
    case WEND_PCP_MAP:
        read_mapping(m, r);
        check_map(m);
        break;
    case WEND_PCP_PEER:
        read_mapping(m, r);
        read_remote(m, r);
        check_peer(m);
        break;
    default: blame(m, WEND_PCP_UNSUPP_OPCODE); return true;
    }
    if (r->failed)
        return false;
    read_options(m, r);
    return true;
}

// --- whole messages ---

static int read_request(struct wend_bytes in, struct wend_reader *r, struct wend_pcp *m)
{
    (void)wend_read_u16(r); // reserved
    m->lifetime_s = wend_read_u32(r);
    m->client = read_address(r);
    // "if the version is supported but the received message is shorter than 24 octets, the message
    // is silently dropped" (section 8.2)
    if (r->failed)
        return -EBADMSG;
    // "If the length of the message exceeds 1100 octets, is not a multiple of 4 octets, or is too
    // short for the Opcode in question, it is invalid and a MALFORMED_REQUEST response is
    // generated" (section 8.2)
    if (in.len > WEND_PCP_LEN_MAX || in.len % 4 != 0) {
        m->fault = WEND_PCP_MALFORMED_REQUEST;
        return 0;
    }
    if (!read_body(m, r))
        m->fault = WEND_PCP_MALFORMED_REQUEST;
    return 0;
}

static int read_response(struct wend_bytes in, struct wend_reader *r, struct wend_pcp *m)
{
    (void)wend_read_u8(r); // reserved
    m->result = wend_read_u8(r);
    m->lifetime_s = wend_read_u32(r);
    m->epoch_s = wend_read_u32(r);
    (void)wend_read_view(r, 12); // reserved
    // "Responses shorter than 24 octets, longer than 1100 octets, or not a multiple of 4 octets are
    // invalid and ignored." (section 8.3)
    if (r->failed || in.len > WEND_PCP_LEN_MAX || in.len % 4 != 0 || !read_body(m, r))
        return -EBADMSG;
    // An error carries a copy of a request that may well have been at fault.
    if (m->fault != WEND_PCP_SUCCESS && m->result == WEND_PCP_SUCCESS)
        return -EBADMSG;
    m->fault = WEND_PCP_SUCCESS;
    return 0;
}

int wend_pcp_read(struct wend_bytes in, struct wend_pcp *ret)
{
    struct wend_reader r = wend_reader_of(in);
    struct wend_pcp m = {0};
    const uint8_t version = wend_read_u8(&r);
    const uint8_t opcode = wend_read_u8(&r);

    if (r.failed)
        return -EBADMSG;
    if (version != WEND_PCP_VERSION)
        return -EPROTONOSUPPORT;
    m.is_response = (opcode & RESPONSE_BIT) != 0;
    m.opcode = opcode & (RESPONSE_BIT - 1);
    const int error = m.is_response ? read_response(in, &r, &m) : read_request(in, &r, &m);
    if (error == 0)
        *ret = m;
    return error;
}

bool wend_pcp_read_version(struct wend_bytes in, uint8_t *ret_version)
{
    // "If the received PCP response message is less than 4 octets long, it is silently dropped."
    // (section 8.3). NAT-PMP servers answer with "Vers = 0 | OP = 0 | Result Code = 1" (RFC 6886
    // section 3.5), without the response bit and with 16 bits of result.
    if (in.len < 4 || in.at[0] == WEND_PCP_VERSION || in.at[3] != WEND_PCP_UNSUPP_VERSION)
        return false;
    if (in.at[0] == 0 ? in.at[2] != 0 : (in.at[1] & RESPONSE_BIT) == 0)
        return false;
    *ret_version = in.at[0];
    return true;
}

static void write_filter(struct wend_writer *w, const struct wend_pcp_filter *f)
{
    struct wend_address remote = {.family = f->remote.family};
    const bool ipv4 = remote.family == WEND_FAMILY_IPV4;

    memcpy(remote.ip, f->remote.ip, sizeof remote.ip);
    wend_write_u32(w, (uint32_t)WEND_PCP_FILTER << 24 | FILTER_LEN);
    wend_write_u8(w, 0);
    wend_write_u8(w, f->clear ? 0 : (uint8_t)(f->remote.bits + (ipv4 ? MAPPED_BITS : 0)));
    wend_write_u16(w, f->port);
    write_address(w, &remote);
}

static void write_options(struct wend_writer *w, const struct wend_pcp *m)
{
    if (m->third_party.family != WEND_FAMILY_NONE) {
        wend_write_u32(w, (uint32_t)WEND_PCP_THIRD_PARTY << 24 | THIRD_PARTY_LEN);
        write_address(w, &m->third_party);
    }
    if (m->prefer_failure)
        wend_write_u32(w, (uint32_t)WEND_PCP_PREFER_FAILURE << 24);
    for (size_t i = 0; i < m->filter_count; i++)
        write_filter(w, &m->filters[i]);
}

static void write_mapping(struct wend_writer *w, const struct wend_pcp *m)
{
    wend_write_bytes(w, WEND_BYTES(m->nonce));
    wend_write_u8(w, m->protocol);
    wend_write_zeros(w, 3);
    wend_write_u16(w, m->internal_port);
    wend_write_u16(w, m->external.port);
    write_address(w, &m->external);
    if (m->opcode != WEND_PCP_PEER)
        return;
    wend_write_u16(w, m->remote.port);
    wend_write_u16(w, 0);
    write_address(w, &m->remote);
}

size_t wend_pcp_write(const struct wend_pcp *m, uint8_t *at, size_t capacity)
{
    wend_assert(m->opcode <= WEND_PCP_PEER);
    struct wend_writer w =
        wend_writer_of(at, capacity < WEND_PCP_LEN_MAX ? capacity : WEND_PCP_LEN_MAX);

    wend_write_u8(&w, WEND_PCP_VERSION);
    wend_write_u8(&w, (uint8_t)(m->opcode | (m->is_response ? RESPONSE_BIT : 0)));
    wend_write_u8(&w, 0);
    wend_write_u8(&w, m->is_response ? m->result : 0);
    wend_write_u32(&w, m->lifetime_s);
    if (m->is_response) {
        wend_write_u32(&w, m->epoch_s);
        wend_write_zeros(&w, 12);
    } else {
        write_address(&w, &m->client);
    }
    if (m->opcode != WEND_PCP_ANNOUNCE)
        write_mapping(&w, m);
    write_options(&w, m);
    return w.failed ? 0 : w.len;
}

const char *wend_pcp_result_name(uint8_t result)
{
    static const char *const names[] = {
        "success",
        "unsupported-version",
        "not-authorized",
        "malformed-request",
        "unsupported-opcode",
        "unsupported-option",
        "malformed-option",
        "network-failure",
        "no-resources",
        "unsupported-protocol",
        "quota-exceeded",
        "cannot-provide-external",
        "address-mismatch",
        "excessive-remote-peers",
    };
    return result < sizeof names / sizeof names[0] ? names[result] : "unknown";
}
