// SPDX-License-Identifier: MIT
#include "wire/attribute.h"

#include "base/text.h"
#include "wire/discovery_ports.h"

#include <errno.h>
#include <string.h>

#define ANY_LEN   UINT16_MAX
#define PUNCH_LEN 17 // and more in a later version

// Judges a value whose length is already within its row's bounds.
typedef bool check_fn(struct wend_bytes value);

struct row {
    size_t field;       // where the first view goes, in struct wend_attributes
    size_t second;      // where a second one goes; 0: nowhere
    uint16_t min, max;  // length in bytes
    bool repeats;       // may come any number of times
    check_fn *is_sound; // NULL: any value of that length is
};

static bool is_address(struct wend_bytes v)
{
    const size_t ip_len = v.at[0] == WEND_FAMILY_IPV4 ? 4 : 16;
    return (v.at[0] == WEND_FAMILY_IPV4 || v.at[0] == WEND_FAMILY_IPV6) && v.at[1] == 0 &&
           v.len == 4 + ip_len;
}

static bool is_discovery(struct wend_bytes v)
{
    struct wend_discovery_ports d[2];
    return wend_discovery_ports_read(v, d);
}

static bool is_channel(struct wend_bytes v)
{
    return wend_get_u32(v.at) != 0;
}

// Reads one candidate of any kind; latches when its family does not say how long it is.
static struct wend_candidate read_candidate(struct wend_reader *r)
{
    struct wend_candidate c = {.kind = wend_read_u8(r)};
    c.address.family = wend_read_u8(r);
    c.address.port = wend_read_u16(r);
    if (c.address.family == WEND_FAMILY_IPV4)
        wend_read_copy(r, c.address.ip, 4);
    else if (c.address.family == WEND_FAMILY_IPV6)
        wend_read_copy(r, c.address.ip, 16);
    else
        r->failed = true;
    return c;
}

static bool are_candidates(struct wend_bytes v)
{
    struct wend_reader r = wend_reader_of(v);
    size_t count = 0;
    while (r.left > 0 && !r.failed) {
        read_candidate(&r);
        count++;
    }
    return !r.failed && count <= WEND_CANDIDATES_MAX;
}

#define FIELD(name) .field = offsetof(struct wend_attributes, name)
#define SIZED(name, len)                                                                           \
    {                                                                                              \
        FIELD(name), .min = (len), .max = (len)                                                    \
    }
#define BYTES(name)                                                                                \
    {                                                                                              \
        FIELD(name), .max = ANY_LEN                                                                \
    }
#define REPEATED(name)                                                                             \
    {                                                                                              \
        FIELD(name), .max = ANY_LEN, .repeats = true                                               \
    }

// By type, for the mandatory ones; those without a field are unknown.
static const struct row mandatory[] = {
    [WEND_ATTRIBUTE_NETWORK] = SIZED(network, 32),
    [WEND_ATTRIBUTE_PEER] = SIZED(peer, 32),
    [WEND_ATTRIBUTE_CAPABILITIES] = SIZED(capabilities, 4),
    [WEND_ATTRIBUTE_CANDIDATES] = {FIELD(candidates), .max = ANY_LEN, .is_sound = are_candidates},
    [WEND_ATTRIBUTE_CERTIFICATE_HASH] = SIZED(certificate_hash, 32),
    [WEND_ATTRIBUTE_REVOCATION_SERIAL] = SIZED(revocation_serial, 8),
    [WEND_ATTRIBUTE_RESPONDER_EPOCH] = SIZED(responder_epoch, 8),
    [WEND_ATTRIBUTE_EPOCH] = SIZED(epoch, 8),
    [WEND_ATTRIBUTE_ADDRESS] = {FIELD(address), .min = 8, .max = 20, .is_sound = is_address},
    [WEND_ATTRIBUTE_DATAGRAM] = REPEATED(datagram),
    [WEND_ATTRIBUTE_CHANNEL] = {FIELD(channel), .min = 4, .max = 4, .is_sound = is_channel},
    [WEND_ATTRIBUTE_ERROR] = {FIELD(error), .min = 2, .max = ANY_LEN},
    [WEND_ATTRIBUTE_NETWORK_RECORD] = BYTES(network_record),
    [WEND_ATTRIBUTE_DELEGATION] = BYTES(delegation),
    [WEND_ATTRIBUTE_MEMBERSHIP] = BYTES(membership),
    [WEND_ATTRIBUTE_RECEIPT] = BYTES(receipt),
    [WEND_ATTRIBUTE_REVOCATION_LIST] = BYTES(revocation_list),
    [WEND_ATTRIBUTE_NAME] = {FIELD(name), .min = 1, .max = WEND_NAME_LEN_MAX,
                             .is_sound = wend_name_is_valid},
    [WEND_ATTRIBUTE_IPV4] = SIZED(ipv4, 4),
    [WEND_ATTRIBUTE_SLOT] = SIZED(slot, 4),
    [WEND_ATTRIBUTE_POSITION] = {FIELD(position), .min = 16, .max = 16,
                                 .second = offsetof(struct wend_attributes, position_to)},
    [WEND_ATTRIBUTE_ENTRY] = REPEATED(entry),
    [WEND_ATTRIBUTE_MORE] = SIZED(more_flag, 0),
    [WEND_ATTRIBUTE_SECRET] = SIZED(secret, 16),
    [WEND_ATTRIBUTE_SIGNATURE] = SIZED(signature, 64),
    [WEND_ATTRIBUTE_TIME] = SIZED(time, 8),
    [WEND_ATTRIBUTE_LIFETIME] = SIZED(lifetime, 4),
    [WEND_ATTRIBUTE_PATH] = SIZED(path, 4),
    [WEND_ATTRIBUTE_COUNTERS] = SIZED(counters, 16),
    [WEND_ATTRIBUTE_OFFSET] = SIZED(offset, 4),
    [WEND_ATTRIBUTE_SIZE] = SIZED(size, 4),
    [WEND_ATTRIBUTE_PART] = BYTES(part),
    [WEND_ATTRIBUTE_OBJECT] = SIZED(object, 1),
    [WEND_ATTRIBUTE_STATUS] = SIZED(status, 1),
    [WEND_ATTRIBUTE_NETWORK_SERIAL] = SIZED(network_serial, 8),
    [WEND_ATTRIBUTE_GENERATION] = SIZED(generation, 4),
    [WEND_ATTRIBUTE_INVITE] = REPEATED(invite),
    [WEND_ATTRIBUTE_WAYS] = SIZED(ways, 36),
    [WEND_ATTRIBUTE_SWITCH] = SIZED(switch_seen, 12),
};

static const struct row optional[] = {
    [WEND_ATTRIBUTE_SERVER_RTT & (WEND_OPTIONAL - 1)] = SIZED(server_rtt, 4),
    [WEND_ATTRIBUTE_EARLY_DATA & (WEND_OPTIONAL - 1)] = BYTES(early_data),
    [WEND_ATTRIBUTE_PADDING & (WEND_OPTIONAL - 1)] = BYTES(padding),
    [WEND_ATTRIBUTE_EARLY_STATE & (WEND_OPTIONAL - 1)] = SIZED(early_state, 24),
    [WEND_ATTRIBUTE_NEWS_ONLY & (WEND_OPTIONAL - 1)] = SIZED(news_only, 0),
    [WEND_ATTRIBUTE_AGE & (WEND_OPTIONAL - 1)] = SIZED(age, 4),
    [WEND_ATTRIBUTE_DISCOVERY & (WEND_OPTIONAL - 1)] = {FIELD(discovery), .min = 8,
                                                        .max = WEND_DISCOVERY_PORTS_LEN_MAX,
                                                        .is_sound = is_discovery},
    [WEND_ATTRIBUTE_NAT & (WEND_OPTIONAL - 1)] = BYTES(nat),
    [WEND_ATTRIBUTE_VOLLEY & (WEND_OPTIONAL - 1)] = BYTES(volley),
    [WEND_ATTRIBUTE_PUNCH & (WEND_OPTIONAL - 1)] = {FIELD(punch), .min = PUNCH_LEN, .max = ANY_LEN},
};

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

static const struct row *find_row(uint16_t type)
{
    const struct row *table = type & WEND_OPTIONAL ? optional : mandatory;
    const size_t count = type & WEND_OPTIONAL ? COUNT(optional) : COUNT(mandatory);
    const size_t index = type & (WEND_OPTIONAL - 1);
    // `all` is the first member of the struct, so that no row's field is at offset 0.
    return index < count && table[index].field != 0 ? &table[index] : NULL;
}

static struct wend_bytes *field_of(struct wend_attributes *a, size_t offset)
{
    return (struct wend_bytes *)(void *)((char *)a + offset);
}

// False when the value is unsound or came too often.
static bool take(struct wend_attributes *a, const struct row *row, struct wend_bytes value)
{
    if (value.len < row->min || value.len > row->max)
        return false;
    if (row->is_sound != NULL && !row->is_sound(value))
        return false;
    struct wend_bytes *field = field_of(a, row->field);
    if (field->at != NULL && row->repeats)
        return true;
    if (field->at != NULL && row->second != 0)
        field = field_of(a, row->second);
    if (field->at != NULL)
        return false;
    *field = value;
    return true;
}

// False when the area is unsound; `a` is half filled then.
static bool parse(struct wend_reader *r, struct wend_attributes *a)
{
    while (r->left > 0) {
        const uint16_t type = wend_read_u16(r);
        const uint16_t length = wend_read_u16(r);
        const struct wend_bytes value = wend_read_view(r, length);
        if (r->failed)
            return false;
        const struct row *row = find_row(type);
        if (row != NULL && !take(a, row, value))
            return false;
        if (row == NULL && type == WEND_ATTRIBUTE_NONE)
            return false;
        if (row == NULL && !(type & WEND_OPTIONAL) && a->unknown == 0)
            a->unknown = type;
    }
    return true;
}

int wend_attributes_parse(struct wend_bytes in, struct wend_attributes *ret)
{
    struct wend_reader r = wend_reader_of(in);

    *ret = (struct wend_attributes){.all = in};
    const bool sound = parse(&r, ret);
    if (!sound || ret->unknown != 0) {
        *ret = (struct wend_attributes){.unknown = sound ? ret->unknown : 0};
        return sound ? -ENOTSUP : -EBADMSG;
    }
    ret->more = ret->more_flag.at != NULL;
    return 0;
}

bool wend_attribute_next(struct wend_bytes *rest, enum wend_attribute_type type,
                         struct wend_bytes *ret)
{
    struct wend_reader r = wend_reader_of(*rest);
    while (r.left > 0) {
        const uint16_t found = wend_read_u16(&r);
        const uint16_t length = wend_read_u16(&r);
        const struct wend_bytes value = wend_read_view(&r, length);
        if (r.failed)
            break;
        if (found == type) {
            *rest = (struct wend_bytes){.at = r.at, .len = r.left};
            *ret = value;
            return true;
        }
    }
    *rest = (struct wend_bytes){0};
    return false;
}

uint8_t wend_attribute_u8(struct wend_bytes value)
{
    struct wend_reader r = wend_reader_of(value);
    return wend_read_u8(&r);
}

uint32_t wend_attribute_u32(struct wend_bytes value)
{
    struct wend_reader r = wend_reader_of(value);
    return wend_read_u32(&r);
}

uint64_t wend_attribute_u64(struct wend_bytes value)
{
    struct wend_reader r = wend_reader_of(value);
    return wend_read_u64(&r);
}

bool wend_attribute_address(struct wend_bytes value, struct wend_address *ret)
{
    if (value.at == NULL)
        return false;
    struct wend_address a = {.family = value.at[0], .port = wend_get_u16(value.at + 2)};
    memcpy(a.ip, value.at + 4, value.len - 4);
    *ret = a;
    return true;
}

bool wend_attribute_position(struct wend_bytes value, struct wend_position *ret)
{
    struct wend_reader r = wend_reader_of(value);
    const struct wend_position p = {.epoch = wend_read_u64(&r), .serial = wend_read_u64(&r)};
    if (!r.failed)
        *ret = p;
    return !r.failed;
}

bool wend_attribute_counters(struct wend_bytes value, struct wend_counters *ret)
{
    struct wend_reader r = wend_reader_of(value);
    const struct wend_counters c = {.sent = wend_read_u64(&r), .received = wend_read_u64(&r)};
    if (!r.failed)
        *ret = c;
    return !r.failed;
}

bool wend_attribute_ways(struct wend_bytes value, struct wend_way_counters *ret)
{
    struct wend_reader r = wend_reader_of(value);
    if (value.at == NULL)
        return false;
    *ret = (struct wend_way_counters){.index = wend_read_u32(&r)};
    ret->direct_highest = wend_read_u64(&r);
    ret->direct_count = wend_read_u64(&r);
    ret->relay_highest = wend_read_u64(&r);
    ret->relay_count = wend_read_u64(&r);
    return true;
}

bool wend_attribute_switch_seen(struct wend_bytes value, struct wend_switch_seen *ret)
{
    struct wend_reader r = wend_reader_of(value);
    if (value.at == NULL)
        return false;
    *ret = (struct wend_switch_seen){.index = wend_read_u32(&r)};
    ret->first = wend_read_u64(&r);
    return true;
}

bool wend_attribute_punch(struct wend_bytes value, struct wend_punch *ret)
{
    struct wend_reader r = wend_reader_of(value);

    if (value.at == NULL || value.at[0] < 1 || value.at[0] > 4)
        return false;
    ret->kind = wend_read_u8(&r);
    ret->token = wend_read_u64(&r);
    ret->echo = wend_read_u64(&r);
    return true;
}

bool wend_attribute_early_state(struct wend_bytes value, struct wend_early_state *ret)
{
    if (value.at == NULL)
        return false;
    memcpy(ret->accepted, value.at, sizeof ret->accepted);
    memcpy(ret->voided, value.at + sizeof ret->accepted, sizeof ret->voided);
    return true;
}

bool wend_attribute_failure(struct wend_bytes value, struct wend_failure *ret)
{
    struct wend_reader r = wend_reader_of(value);
    const uint16_t code = wend_read_u16(&r);
    if (!r.failed)
        *ret = (struct wend_failure){.code = code, .text = wend_read_view(&r, r.left)};
    return !r.failed;
}

size_t wend_attribute_candidates(struct wend_bytes value,
                                 struct wend_candidate ret[static WEND_CANDIDATES_MAX])
{
    struct wend_reader r = wend_reader_of(value);
    size_t count = 0;
    while (r.left > 0 && count < WEND_CANDIDATES_MAX) {
        const struct wend_candidate c = read_candidate(&r);
        if (r.failed)
            break;
        if (c.kind >= WEND_CANDIDATE_HOST && c.kind <= WEND_CANDIDATE_MAPPED)
            ret[count++] = c;
    }
    return count;
}
