// SPDX-License-Identifier: MIT
// One network's papers as an administrator, invites and servers make them: record, delegation, and
// a membership with receipt for each device. Made once a process and shared by all worlds; servers
// always have the same addresses, devices the same keys.
#ifndef WEND_SIM_OFFICE_H
#define WEND_SIM_OFFICE_H

#include "crypto/record.h"
#include "session/session.h"
#include "session/trust.h"

#define SIM_DEVICES_MAX 100
#define SIM_SERVERS_MAX WEND_RECORD_SERVERS_MAX

#define SIM_UNIX_S  UINT64_C(1800000000)
#define SIM_UNIX_NS (SIM_UNIX_S * UINT64_C(1000000000))
#define SIM_PORT    443 // of the servers, UDP and TCP

struct sim_member {
    bool made;
    struct wend_identity identity;
    uint8_t membership[WEND_MEMBERSHIP_LEN_MAX];
    size_t membership_len;
    uint8_t receipt[WEND_RECEIPT_LEN];
    struct wend_address ipv4, ipv6; // inside
    char name[16];
};

struct sim_server_keys {
    uint8_t private_key[32], seed[32];
    uint8_t session_key[32], signature_key[32];
};

struct sim_office {
    uint8_t network_seed[32], network_key[32], invite_seed[32], invite_key[32];
    uint8_t delegation[WEND_DELEGATION_LEN];
    struct sim_server_keys servers[SIM_SERVERS_MAX];
    uint8_t record[SIM_SERVERS_MAX + 1][WEND_NETWORK_RECORD_MAX]; // by number of servers
    size_t record_len[SIM_SERVERS_MAX + 1];
    struct sim_member members[SIM_DEVICES_MAX];
};

// Where server `index` is reached: family IPv4 198.51.100.(index + 1), IPv6 2001:db8:5::(index +
// 1).
struct wend_address sim_office_server_address(size_t index, enum wend_family family);

// The process's office, with the record for `servers` servers and papers for the first `devices`
// devices.
const struct sim_office *sim_office_get(size_t servers, size_t devices);
struct wend_chain sim_office_chain(const struct sim_office *o, size_t device);
// Makes all anew on the next call: the cryptography's tables were emptied.
void sim_office_forget(void);

#endif
