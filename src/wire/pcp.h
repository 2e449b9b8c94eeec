// SPDX-License-Identifier: MIT
// Port Control Protocol messages, version 2, RFC 6887.
//
// Place:  the mapping client (traverse/mapping.h) writes requests and reads responses; a gateway
//         does the reverse. This is the codec alone: no nonces, timers or epochs.
// Wire:   a 24-byte header, what the opcode needs, then options of code, length, value, padded to
//         four bytes. Addresses have 128 bits: "When the address field holds an IPv4 address, an
//         IPv4-mapped IPv6 address [RFC4291] is used (::ffff:0:0/96)." (section 5)
#ifndef WEND_WIRE_PCP_H
#define WEND_WIRE_PCP_H

#include "base/address.h"
#include "base/bytes.h"

#define WEND_PCP_VERSION 2
// "Client-to-server request messages are sent, from any client source port, to listening UDP port
// 5351 on the server; server-to-client multicast notifications are sent from the server's UDP port
// (5351) to listening UDP port 5350 on the client." (section 14.1.1)
#define WEND_PCP_SERVER_PORT 5351
#define WEND_PCP_CLIENT_PORT 5350

// "All PCP messages are sent over UDP, with a maximum UDP payload length of 1100 octets."
// (section 7)
#define WEND_PCP_LEN_MAX     1100
#define WEND_PCP_HEADER_LEN  24
#define WEND_PCP_MAP_LEN     36 // what follows the header
#define WEND_PCP_PEER_LEN    56
#define WEND_PCP_NONCE_LEN   12 // "Mapping Nonce (96 bits)" (section 11.1)
#define WEND_PCP_FILTERS_MAX 43 // as many as fit behind a MAP request

#define WEND_PCP_PROTOCOL_UDP 17 // "This field contains 17 (UDP)" (section 11.1)

enum wend_pcp_opcode {
    WEND_PCP_ANNOUNCE = 0, // section 14.1
    WEND_PCP_MAP = 1,      // section 11
    WEND_PCP_PEER = 2,     // section 12
};

// Section 7.4.
enum wend_pcp_result {
    WEND_PCP_SUCCESS = 0,
    WEND_PCP_UNSUPP_VERSION = 1,
    WEND_PCP_NOT_AUTHORIZED = 2,
    WEND_PCP_MALFORMED_REQUEST = 3,
    WEND_PCP_UNSUPP_OPCODE = 4,
    WEND_PCP_UNSUPP_OPTION = 5,
    WEND_PCP_MALFORMED_OPTION = 6,
    WEND_PCP_NETWORK_FAILURE = 7, // short lifetime
    WEND_PCP_NO_RESOURCES = 8,    // short lifetime
    WEND_PCP_UNSUPP_PROTOCOL = 9,
    WEND_PCP_USER_EX_QUOTA = 10, // short lifetime
    WEND_PCP_CANNOT_PROVIDE_EXTERNAL = 11,
    WEND_PCP_ADDRESS_MISMATCH = 12,
    WEND_PCP_EXCESSIVE_REMOTE_PEERS = 13,
};

// Section 13. "Its most significant bit indicates if this option is mandatory (0) or optional (1)
// to process." (section 7.3)
enum wend_pcp_option {
    WEND_PCP_NO_OPTION = 0,
    WEND_PCP_THIRD_PARTY = 1,
    WEND_PCP_PREFER_FAILURE = 2,
    WEND_PCP_FILTER = 3,
};

// FILTER: who may send to the mapping. `clear`: "The value 0 indicates 'no filter', and will remove
// all previous filters." (section 13.3); the prefix counts for nothing then.
struct wend_pcp_filter {
    struct wend_prefix remote;
    uint16_t port; // 0: all
    bool clear;
};

// A message, as read or to be written. Fields that its kind has not are zero. Ports of addresses:
// `client` and `third_party` have none.
struct wend_pcp {
    bool is_response;
    uint8_t opcode; // enum wend_pcp_opcode, or another one with `fault` UNSUPP_OPCODE
    uint8_t result; // of a response: enum wend_pcp_result, or a code of later days
    // Requests: the result with which it must be refused; SUCCESS: it is sound. What could not be
    // read is zero.
    enum wend_pcp_result fault;
    uint32_t lifetime_s;
    uint32_t epoch_s;                  // responses
    struct wend_address client;        // requests
    uint8_t nonce[WEND_PCP_NONCE_LEN]; // MAP and PEER, as all below
    uint8_t protocol;                  // 0: all
    uint16_t internal_port;            // 0: all
    struct wend_address external;      // suggested, or assigned
    struct wend_address remote;        // PEER
    bool prefer_failure;
    struct wend_address third_party; // family NONE: no such option
    uint8_t filter_count;
    struct wend_pcp_filter filters[WEND_PCP_FILTERS_MAX];
    // Options that we do not know and that may not be skipped: how many, and the first one's code.
    // "PCP clients MUST ignore Options that they do not understand that appear in responses,
    // including Options in the mandatory-to-process range." (section 7.3): no fault there.
    uint8_t unknown_count, unknown_option;
};

// Reads a datagram of version 2.
//
// Returns 0, also for a request that must be refused, see `fault`;
//   -EBADMSG          nothing to answer or to believe; `ret` is untouched
//   -EPROTONOSUPPORT  another version; `ret` is untouched. See wend_pcp_read_version.
int wend_pcp_read(struct wend_bytes in, struct wend_pcp *ret);

// Whether this is a response that refuses our version, and which one the server speaks instead.
// "If the version number in the UNSUPP_VERSION response is zero then that means this is a NAT-PMP
// server" (section 9).
bool wend_pcp_read_version(struct wend_bytes in, uint8_t *ret_version);

// Writes a message with its options. ANNOUNCE, MAP and PEER only; `fault` and what is unknown are
// not written. Returns the length, or 0 if it does not fit into `capacity` or 1,100 bytes.
size_t wend_pcp_write(const struct wend_pcp *m, uint8_t *at, size_t capacity);

// One word for logs, such as "not-authorized"; "unknown" for codes of later days.
const char *wend_pcp_result_name(uint8_t result);

#endif
