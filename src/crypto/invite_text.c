// SPDX-License-Identifier: MIT
// Reading a text goes in two rounds. The first decodes whole groups of four characters, as far as
// there are any, to find out how long the whole must be: so a text that was cut short is told apart
// from a mistyped one. The second decodes all of it and demands the checksum.
#include "crypto/invite_text.h"

#include "base/assert.h"

#include <errno.h>
#include <string.h>

#define BODY_VERSION 1
#define BODY_MAX                                                                                   \
    (WEND_INVITE_BODY_MAX > WEND_CLAIM_BODY_MAX ? WEND_INVITE_BODY_MAX : WEND_CLAIM_BODY_MAX)
#define INVITE_HEAD_LEN (1 + WEND_ED25519_LEN + 2)
#define CLAIM_HEAD_LEN  (1 + 2 * 32 + WEND_CLAIM_SECRET_LEN + 1)
#define LENGTH_UNKNOWN  0

// The length of the whole body with its checksum by what its beginning says; LENGTH_UNKNOWN if more
// is needed to tell, -EBADMSG if no body begins like this.
typedef ssize_t measure_fn(struct wend_bytes body);

static struct wend_bytes view(const void *at, size_t len)
{
    return (struct wend_bytes){.at = at, .len = len};
}

static void checksum(struct wend_bytes body, uint8_t ret[static WEND_TEXT_CHECK_LEN])
{
    uint8_t hash[WEND_BLAKE2S_LEN];
    wend_blake2s(&body, 1, hash);
    memcpy(ret, hash, WEND_TEXT_CHECK_LEN);
    wend_wipe(hash, sizeof(hash));
}

static bool checksum_holds(struct wend_bytes body)
{
    uint8_t expected[WEND_TEXT_CHECK_LEN];
    if (body.len < WEND_TEXT_CHECK_LEN)
        return false;
    const size_t len = body.len - WEND_TEXT_CHECK_LEN;
    checksum(view(body.at, len), expected);
    return wend_equal(expected, body.at + len, WEND_TEXT_CHECK_LEN);
}

static ssize_t measure_invite(struct wend_bytes body)
{
    if (body.len < INVITE_HEAD_LEN)
        return LENGTH_UNKNOWN;
    const uint16_t record_len = wend_get_u16(body.at + INVITE_HEAD_LEN - 2);
    if (record_len > WEND_NETWORK_RECORD_MAX)
        return -EBADMSG;
    return INVITE_HEAD_LEN + record_len + WEND_DELEGATION_LEN + WEND_TEXT_CHECK_LEN;
}

// The length of one address by its beginning.
static ssize_t measure_address(struct wend_bytes at)
{
    if (at.len < 1)
        return LENGTH_UNKNOWN;
    switch (at.at[0]) {
    case 4: return 3 + 4;
    case 6: return 3 + 16;
    case 1: return at.len < 4 ? LENGTH_UNKNOWN : 4 + at.at[3];
    default: return -EBADMSG;
    }
}

static ssize_t measure_claim(struct wend_bytes body)
{
    if (body.len < CLAIM_HEAD_LEN)
        return LENGTH_UNKNOWN;
    const size_t count = body.at[CLAIM_HEAD_LEN - 1];
    if (count < 1 || count > WEND_RECORD_ADDRESSES_MAX)
        return -EBADMSG;
    size_t len = CLAIM_HEAD_LEN;
    for (size_t i = 0; i < count; i++) {
        const size_t seen = len < body.len ? len : body.len;
        const ssize_t one = measure_address(view(body.at + seen, body.len - seen));
        if (one <= 0)
            return one;
        len += (size_t)one;
    }
    return (ssize_t)(len + WEND_TEXT_CHECK_LEN);
}

static bool is_space(uint8_t c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static struct wend_bytes trim(struct wend_bytes text)
{
    while (text.len > 0 && is_space(text.at[text.len - 1]))
        text.len--;
    while (text.len > 0 && is_space(text.at[0]))
        text = view(text.at + 1, text.len - 1);
    return text;
}

// Takes the prefix "w", `letter`, "1" off the text.
static int skip_prefix(struct wend_bytes *text, uint8_t letter)
{
    const uint8_t other = letter == 'i' ? 'c' : 'i';
    const uint8_t *at = text->at;
    if (text->len > 0 && at[0] != 'w')
        return -EBADMSG;
    if (text->len > 1 && at[1] == other)
        return -EPROTOTYPE;
    if (text->len > 1 && at[1] != letter)
        return -EBADMSG;
    if (text->len > 2 && at[2] >= '2' && at[2] <= '9')
        return -EPROTONOSUPPORT;
    if (text->len > 2 && at[2] != '1')
        return -EBADMSG;
    if (text->len < WEND_TEXT_PREFIX_LEN)
        return -ENODATA;
    *text = view(at + WEND_TEXT_PREFIX_LEN, text->len - WEND_TEXT_PREFIX_LEN);
    return 0;
}

// A body of a later version cannot be measured; its checksum tells it from a mistyped one.
static int judge_version(struct wend_bytes text, uint8_t body[static BODY_MAX])
{
    const ssize_t len = wend_base64url_decode(text, body, BODY_MAX);
    const bool holds = len > 0 && checksum_holds(view(body, (size_t)len));
    return holds && body[0] > BODY_VERSION ? -EPROTONOSUPPORT : -EBADMSG;
}

// Whether the characters behind the last whole group could belong to a text.
static bool tail_is_sound(struct wend_bytes text)
{
    uint8_t group[4] = {'A', 'A', 'A', 'A'};
    uint8_t scratch[3];
    const size_t whole = text.len & ~(size_t)3;
    memcpy(group, text.at + whole, text.len - whole);
    const bool sound = wend_base64url_decode(view(group, 4), scratch, sizeof(scratch)) > 0;
    wend_wipe(scratch, sizeof(scratch));
    wend_wipe(group, sizeof(group));
    return sound;
}

// Decodes the text behind the prefix. Returns the body's length without its checksum, or why not.
static ssize_t decode_body(struct wend_bytes text, measure_fn *measure,
                           uint8_t body[static BODY_MAX])
{
    const ssize_t begun =
        wend_base64url_decode(view(text.at, text.len & ~(size_t)3), body, BODY_MAX);
    if (begun < 0 || !tail_is_sound(text))
        return -EBADMSG;
    if (begun > 0 && body[0] != BODY_VERSION)
        return judge_version(text, body);
    const ssize_t whole = measure(view(body, (size_t)begun));
    if (whole < 0)
        return whole;
    const size_t text_len = WEND_BASE64URL_SIZE((size_t)whole) - 1;
    if (whole == LENGTH_UNKNOWN || text.len < text_len)
        return -ENODATA;
    if (wend_base64url_decode(text, body, BODY_MAX) != whole)
        return -EBADMSG;
    if (!checksum_holds(view(body, (size_t)whole)))
        return -EBADMSG;
    return whole - WEND_TEXT_CHECK_LEN;
}

// `body` without checksum, of the length that was measured.
static int read_invite(struct wend_bytes body, struct wend_invite *ret)
{
    struct wend_network_record network;
    struct wend_delegation delegation;
    struct wend_reader r = wend_reader_of(view(body.at + 1, body.len - 1));
    const struct wend_bytes seed = wend_read_view(&r, WEND_ED25519_LEN);
    const struct wend_bytes record = wend_read_view(&r, wend_read_u16(&r));
    const struct wend_bytes signed_delegation = wend_read_view(&r, WEND_DELEGATION_LEN);
    if (r.failed || r.left > 0)
        return -EBADMSG;
    int error = wend_network_record_decode(record, &network);
    if (error == 0)
        error = wend_delegation_decode(signed_delegation, &delegation);
    if (error != 0)
        return error;
    memset(ret, 0, sizeof(*ret));
    memcpy(ret->seed, seed.at, seed.len);
    memcpy(ret->network_record, record.at, record.len);
    ret->network_record_len = record.len;
    memcpy(ret->delegation, signed_delegation.at, signed_delegation.len);
    return 0;
}

static int read_claim(struct wend_bytes body, struct wend_claim *ret)
{
    struct wend_claim c = {0};
    struct wend_reader r = wend_reader_of(view(body.at + 1, body.len - 1));
    wend_read_copy(&r, c.session_key, sizeof(c.session_key));
    wend_read_copy(&r, c.signature_key, sizeof(c.signature_key));
    wend_read_copy(&r, c.secret, sizeof(c.secret));
    c.address_count = wend_read_u8(&r);
    if (c.address_count < 1 || c.address_count > WEND_RECORD_ADDRESSES_MAX)
        r.failed = true;
    for (size_t i = 0; i < c.address_count && !r.failed; i++)
        wend_server_address_read(&r, &c.addresses[i]);
    const int error = r.failed || r.left > 0 ? -EBADMSG : 0;
    if (error == 0)
        *ret = c;
    wend_wipe(&c, sizeof(c));
    return error;
}

int wend_invite_decode(struct wend_bytes text, struct wend_invite *ret)
{
    uint8_t body[BODY_MAX];
    text = trim(text);
    const int prefix = skip_prefix(&text, 'i');
    if (prefix != 0)
        return prefix;
    const ssize_t len = decode_body(text, measure_invite, body);
    const int error = len < 0 ? (int)len : read_invite(view(body, (size_t)len), ret);
    wend_wipe(body, sizeof(body));
    return error;
}

int wend_claim_decode(struct wend_bytes text, struct wend_claim *ret)
{
    uint8_t body[BODY_MAX];
    text = trim(text);
    const int prefix = skip_prefix(&text, 'c');
    if (prefix != 0)
        return prefix;
    const ssize_t len = decode_body(text, measure_claim, body);
    const int error = len < 0 ? (int)len : read_claim(view(body, (size_t)len), ret);
    wend_wipe(body, sizeof(body));
    return error;
}

// Adds the checksum to the body in `w`, which began at `body`, and writes the text.
static void write_text(struct wend_writer *w, const uint8_t *body, const char *prefix, char *ret)
{
    uint8_t check[WEND_TEXT_CHECK_LEN];
    checksum(view(body, w->len), check);
    wend_write_bytes(w, view(check, sizeof(check)));
    wend_assert(!w->failed);
    memcpy(ret, prefix, WEND_TEXT_PREFIX_LEN);
    wend_base64url_encode(view(body, w->len), ret + WEND_TEXT_PREFIX_LEN);
}

int wend_invite_encode(const struct wend_invite *invite, char ret[static WEND_INVITE_TEXT_SIZE])
{
    uint8_t body[WEND_INVITE_BODY_MAX];
    struct wend_invite check;
    struct wend_writer w = wend_writer_of(body, sizeof(body));
    if (invite->network_record_len > WEND_NETWORK_RECORD_MAX)
        return -EINVAL;
    wend_write_u8(&w, BODY_VERSION);
    wend_write_bytes(&w, view(invite->seed, sizeof(invite->seed)));
    wend_write_u16(&w, (uint16_t)invite->network_record_len);
    wend_write_bytes(&w, view(invite->network_record, invite->network_record_len));
    wend_write_bytes(&w, view(invite->delegation, sizeof(invite->delegation)));
    const int error = read_invite(view(body, w.len), &check);
    if (error == 0)
        write_text(&w, body, "wi1", ret);
    wend_wipe(&check, sizeof(check));
    wend_wipe(body, sizeof(body));
    return error == 0 ? 0 : -EINVAL;
}

int wend_claim_encode(const struct wend_claim *claim, char ret[static WEND_CLAIM_TEXT_SIZE])
{
    uint8_t body[WEND_CLAIM_BODY_MAX];
    struct wend_claim check;
    struct wend_writer w = wend_writer_of(body, sizeof(body));
    wend_write_u8(&w, BODY_VERSION);
    wend_write_bytes(&w, view(claim->session_key, sizeof(claim->session_key)));
    wend_write_bytes(&w, view(claim->signature_key, sizeof(claim->signature_key)));
    wend_write_bytes(&w, view(claim->secret, sizeof(claim->secret)));
    wend_write_u8(&w, claim->address_count);
    for (size_t i = 0; i < claim->address_count && i < WEND_RECORD_ADDRESSES_MAX; i++)
        wend_server_address_write(&w, &claim->addresses[i]);
    const int error = w.failed ? -EINVAL : read_claim(view(body, w.len), &check);
    if (error == 0)
        write_text(&w, body, "wc1", ret);
    wend_wipe(&check, sizeof(check));
    wend_wipe(body, sizeof(body));
    return error == 0 ? 0 : -EINVAL;
}
