// SPDX-License-Identifier: MIT
#include "io/resolver.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/text.h"
#include "io/log.h"
#include "io/sockaddr.h"

#define HEADER_LEN    12
#define NAME_LEN_MAX  255 // RFC 1035 section 2.3.4, with the lengths of its labels
#define LABEL_LEN_MAX 63
#define LABELS_MAX    127
#define NAME_POINTER  0xc00c // to the question's name, section 4.1.4

enum {
    FLAG_RESPONSE = 0x8000,
    FLAG_OPCODE = 0x7800,
    FLAG_AUTHORITATIVE = 0x0400,
    FLAG_RECURSION_DESIRED = 0x0100,
};

enum code { // section 4.1.1; BADVERS: RFC 6891 section 9
    CODE_NONE = 0,
    CODE_FORMAT = 1,
    CODE_NO_SUCH_NAME = 3,
    CODE_NOT_IMPLEMENTED = 4,
    CODE_REFUSED = 5,
    CODE_BAD_VERSION = 16,
};

enum {
    TYPE_A = 1,
    TYPE_PTR = 12,
    TYPE_AAAA = 28,
    TYPE_OPT = 41,
    TYPE_ANY = 255,
    CLASS_IN = 1,
    CLASS_ANY = 255,
};

struct question {
    struct wend_bytes labels[LABELS_MAX];
    size_t label_count;
    uint16_t type, class;
    struct wend_bytes text; // the whole question as it came: it is sent back so
};

struct query {
    uint16_t id, flags, counts[4];
    struct question question;
    bool has_question; // well formed
    bool has_options;
    uint8_t version; // of the options
};

// What a name stands for.
struct meaning {
    enum code code;
    bool reverse;
    const struct wend_name *name; // NULL: nothing is there
};

// --- reading ---

static bool read_name(struct wend_reader *r, struct question *ret)
{
    size_t len = 1;
    ret->label_count = 0;
    for (;;) {
        const uint8_t n = wend_read_u8(r);
        if (r->failed || n > LABEL_LEN_MAX) // nothing stands before a question to point to
            return false;
        if (n == 0)
            return true;
        len += n + 1u;
        if (len > NAME_LEN_MAX)
            return false;
        ret->labels[ret->label_count++] = wend_read_view(r, n);
    }
}

static bool read_question(struct wend_reader *r, struct question *ret)
{
    const uint8_t *begin = r->at;
    if (!read_name(r, ret))
        return false;
    ret->type = wend_read_u16(r);
    ret->class = wend_read_u16(r);
    ret->text = (struct wend_bytes){begin, r->failed ? 0 : (size_t)(r->at - begin)};
    return !r->failed;
}

// The name of an additional record; not looked at. Returns whether it is the root.
static bool skip_name(struct wend_reader *r)
{
    for (bool root = true;; root = false) {
        const uint8_t n = wend_read_u8(r);
        if (n == 0 || r->failed)
            return root;
        if (n >= 0xc0) {
            (void)wend_read_u8(r);
            return false;
        }
        if (n > LABEL_LEN_MAX)
            r->failed = true;
        (void)wend_read_view(r, n);
    }
}

static bool read_additional(struct wend_reader *r, struct query *q)
{
    const bool root = skip_name(r);
    const uint16_t type = wend_read_u16(r);
    (void)wend_read_u16(r); // class; of OPT: the size that the asker takes, 512 at least
    (void)wend_read_u8(r);
    const uint8_t version = wend_read_u8(r);
    (void)wend_read_u16(r);
    (void)wend_read_view(r, wend_read_u16(r));
    if (r->failed || (type == TYPE_OPT && (!root || q->has_options)))
        return false;
    if (type == TYPE_OPT) {
        q->has_options = true;
        q->version = version;
    }
    return true;
}

// Returns the code of what is wrong with the message itself, or CODE_NONE.
static enum code read_body(struct wend_reader *r, struct query *q)
{
    if ((q->flags & FLAG_OPCODE) != 0)
        return CODE_NOT_IMPLEMENTED;
    if (q->counts[0] != 1 || q->counts[1] != 0 || q->counts[2] != 0)
        return CODE_FORMAT;
    if (!read_question(r, &q->question))
        return CODE_FORMAT;
    q->has_question = true;
    for (unsigned i = 0; i < q->counts[3]; i++)
        if (!read_additional(r, q))
            return CODE_FORMAT;
    if (r->left != 0)
        return CODE_FORMAT;
    return q->version != 0 ? CODE_BAD_VERSION : CODE_NONE;
}

// --- finding ---

static bool is_label(struct wend_bytes label, const char *text)
{
    return label.len == strlen(text) && strncasecmp((const char *)label.at, text, label.len) == 0;
}

static const struct wend_name *find_name(const struct wend_resolver_zone *z,
                                         struct wend_bytes label)
{
    for (size_t i = 0; i < z->count; i++)
        if (is_label(label, z->names[i].name))
            return &z->names[i];
    return NULL;
}

static const struct wend_name *find_address(const struct wend_resolver_zone *z,
                                            const struct wend_address *a)
{
    for (size_t i = 0; i < z->count; i++)
        if (wend_address_same_ip(a, &z->names[i].ipv4) ||
            wend_address_same_ip(a, &z->names[i].ipv6))
            return &z->names[i];
    return NULL;
}

// A decimal number up to 255 without leading zeros; -1 if it is none.
static int read_octet(struct wend_bytes label)
{
    int value = 0;
    if (label.len == 0 || label.len > 3 || (label.len > 1 && label.at[0] == '0'))
        return -1;
    for (size_t i = 0; i < label.len; i++) {
        if (label.at[i] < '0' || label.at[i] > '9')
            return -1;
        value = value * 10 + (label.at[i] - '0');
    }
    return value <= 255 ? value : -1;
}

static int read_nibble(struct wend_bytes label)
{
    static const char digits[] = "0123456789abcdef";
    const int lower = label.len == 1 && label.at[0] != 0 ? label.at[0] | 0x20 : 'x';
    const char *found = label.len == 1 && label.at[0] >= '0' && label.at[0] <= '9'
                            ? strchr(digits, label.at[0])
                            : (lower >= 'a' && lower <= 'f' ? strchr(digits, lower) : NULL);
    return found != NULL ? (int)(found - digits) : -1;
}

// d.c.b.a.in-addr.arpa, section 3.5; 32 nibbles.ip6.arpa, RFC 3596 section 2.5.
static bool read_reverse(const struct question *q, struct wend_address *ret)
{
    const size_t n = q->label_count;
    *ret = (struct wend_address){0};
    if (n < 2 || !is_label(q->labels[n - 1], "arpa"))
        return false;
    if (n == 6 && is_label(q->labels[4], "in-addr")) {
        ret->family = WEND_FAMILY_IPV4;
        for (size_t i = 0; i < 4; i++) {
            const int octet = read_octet(q->labels[3 - i]);
            if (octet < 0)
                return false;
            ret->ip[i] = (uint8_t)octet;
        }
        return true;
    }
    if (n != 34 || !is_label(q->labels[32], "ip6"))
        return false;
    ret->family = WEND_FAMILY_IPV6;
    for (size_t i = 0; i < 32; i++) {
        const int nibble = read_nibble(q->labels[31 - i]);
        if (nibble < 0)
            return false;
        ret->ip[i / 2] |= (uint8_t)(i % 2 == 0 ? nibble << 4 : nibble);
    }
    return true;
}

static struct meaning find_meaning(const struct wend_resolver_zone *z, const struct question *q)
{
    const size_t n = q->label_count;
    struct meaning m = {.code = CODE_REFUSED};
    struct wend_address address;
    if (q->class != CLASS_IN && q->class != CLASS_ANY)
        return m;
    if (n >= 2 && is_label(q->labels[n - 1], "wend") && is_label(q->labels[n - 2], z->network)) {
        m.name = n == 3 ? find_name(z, q->labels[0]) : NULL;
        m.code = m.name != NULL || n == 2 ? CODE_NONE : CODE_NO_SUCH_NAME;
        return m;
    }
    if (n == 1 && !is_label(q->labels[0], "localhost")) { // RFC 6761 section 6.3: never a member
        m.name = find_name(z, q->labels[0]);
    } else if (read_reverse(q, &address)) {
        m.name = find_address(z, &address);
        m.reverse = true;
    }
    if (m.name != NULL)
        m.code = CODE_NONE;
    return m;
}

// --- writing ---

static void write_label(struct wend_writer *w, const char *text)
{
    wend_write_u8(w, (uint8_t)strlen(text));
    wend_write_bytes(w, wend_bytes_of_text(text));
}

static void write_record(struct wend_writer *w, uint16_t type, size_t len)
{
    wend_write_u16(w, NAME_POINTER);
    wend_write_u16(w, type);
    wend_write_u16(w, CLASS_IN);
    wend_write_u32(w, WEND_RESOLVER_TTL_S);
    wend_write_u16(w, (uint16_t)len);
}

static uint16_t write_address(struct wend_writer *w, uint16_t type, const struct wend_address *a)
{
    const size_t len = type == TYPE_A ? 4 : 16;
    if (a->family == WEND_FAMILY_NONE)
        return 0;
    write_record(w, type, len);
    wend_write_bytes(w, (struct wend_bytes){a->ip, len});
    return 1;
}

static uint16_t write_pointer(struct wend_writer *w, const struct wend_resolver_zone *z,
                              const struct wend_name *name)
{
    write_record(w, TYPE_PTR, strlen(name->name) + strlen(z->network) + sizeof "wend" + 3);
    write_label(w, name->name);
    write_label(w, z->network);
    write_label(w, "wend");
    wend_write_u8(w, 0);
    return 1;
}

// Returns how many records it wrote.
static uint16_t write_answers(struct wend_writer *w, const struct wend_resolver_zone *z,
                              const struct meaning *m, uint16_t type)
{
    uint16_t count = 0;
    if (m->name == NULL)
        return 0;
    if (m->reverse)
        return type == TYPE_PTR || type == TYPE_ANY ? write_pointer(w, z, m->name) : 0;
    if (type == TYPE_A || type == TYPE_ANY)
        count += write_address(w, TYPE_A, &m->name->ipv4);
    if (type == TYPE_AAAA || type == TYPE_ANY)
        count += write_address(w, TYPE_AAAA, &m->name->ipv6);
    return count;
}

static void write_options(struct wend_writer *w, enum code code)
{
    wend_write_u8(w, 0); // the root
    wend_write_u16(w, TYPE_OPT);
    wend_write_u16(w, WEND_RESOLVER_MESSAGE_MAX);
    wend_write_u8(w, (uint8_t)((unsigned)code >> 4)); // the code's upper bits
    wend_write_zeros(w, 3);                           // version 0, no flags
    wend_write_u16(w, 0);
}

size_t wend_resolver_answer(const struct wend_resolver_zone *zone, struct wend_bytes query,
                            uint8_t *out, size_t max)
{
    struct wend_reader r = wend_reader_of(query);
    struct query q = {.id = wend_read_u16(&r)};
    q.flags = wend_read_u16(&r);
    for (size_t i = 0; i < 4; i++)
        q.counts[i] = wend_read_u16(&r);
    if (r.failed || (q.flags & FLAG_RESPONSE) != 0)
        return 0;
    struct meaning m = {.code = read_body(&r, &q)};
    if (m.code == CODE_NONE)
        m = find_meaning(zone, &q.question);
    struct wend_writer w =
        wend_writer_of(out, max < WEND_RESOLVER_MESSAGE_MAX ? max : WEND_RESOLVER_MESSAGE_MAX);
    wend_write_zeros(&w, HEADER_LEN);
    if (q.has_question)
        wend_write_bytes(&w, q.question.text);
    const uint16_t answers = write_answers(&w, zone, &m, q.question.type);
    if (q.has_options)
        write_options(&w, m.code);
    if (w.failed)
        return 0;
    const bool ours = m.code == CODE_NONE || m.code == CODE_NO_SUCH_NAME;
    wend_put_u16(out, q.id);
    wend_put_u16(out + 2,
                 (uint16_t)(FLAG_RESPONSE | (q.flags & (FLAG_OPCODE | FLAG_RECURSION_DESIRED)) |
                            (ours ? FLAG_AUTHORITATIVE : 0) | ((unsigned)m.code & 15)));
    wend_put_u16(out + 4, q.has_question ? 1 : 0);
    wend_put_u16(out + 6, answers);
    wend_put_u16(out + 10, q.has_options ? 1 : 0);
    return w.len;
}

// --- sockets ---

struct wend_resolver {
    const struct wend_resolver_zone *zone;
    uv_udp_t sockets[2];
    size_t handles; // that were initialised and are not closed yet
    uint8_t in[2048];
    uint8_t out[WEND_RESOLVER_MESSAGE_MAX];
};

static void on_allocate(uv_handle_t *handle, size_t suggested, uv_buf_t *ret)
{
    struct wend_resolver *r = handle->data;
    (void)suggested;
    *ret = uv_buf_init((char *)r->in, sizeof r->in);
}

static void on_query(uv_udp_t *socket, ssize_t n, const uv_buf_t *buffer,
                     const struct sockaddr *from, unsigned flags)
{
    struct wend_resolver *r = socket->data;
    (void)buffer;
    if (n <= 0 || from == NULL || (flags & UV_UDP_PARTIAL) != 0)
        return;
    const struct wend_bytes query = {r->in, (size_t)n};
    const size_t len = wend_resolver_answer(r->zone, query, r->out, sizeof r->out);
    const uv_buf_t answer = uv_buf_init((char *)r->out, (unsigned)len);
    if (len > 0)
        (void)uv_udp_try_send(socket, &answer, 1, from); // lost, as a datagram may be
}

static int open_socket(uv_udp_t *socket, const struct wend_address *address)
{
    struct sockaddr_storage at;
    (void)wend_sockaddr_from(address, &at);
    const unsigned flags = address->family == WEND_FAMILY_IPV6 ? UV_UDP_IPV6ONLY : 0;
    int error = uv_udp_bind(socket, (const struct sockaddr *)&at, flags);
    if (error == 0)
        error = uv_udp_recv_start(socket, on_allocate, on_query);
    char text[WEND_ADDRESS_TEXT_LEN];
    if (error != 0)
        wend_log(WEND_LOG_INFO, "no-resolver",
                 WEND_T("address", wend_address_format(address, text)),
                 WEND_T("error", uv_strerror(error)));
    return error;
}

int wend_resolver_open(uv_loop_t *loop, const struct wend_resolver_zone *zone,
                       const struct wend_address addresses[static 2], uint16_t port,
                       struct wend_resolver **ret)
{
    struct wend_resolver *r = calloc(1, sizeof *r);
    if (r == NULL)
        return -ENOMEM;
    int error = -EADDRNOTAVAIL;
    size_t bound = 0;
    r->zone = zone;
    for (size_t i = 0; i < 2; i++) {
        struct wend_address at = addresses[i];
        at.port = port;
        uv_udp_init(loop, &r->sockets[i]);
        r->sockets[i].data = r;
        r->handles++;
        const int e = at.family != WEND_FAMILY_NONE ? open_socket(&r->sockets[i], &at) : error;
        bound += e == 0;
        error = e != 0 ? e : error;
    }
    if (bound == 0) {
        wend_resolver_close(r);
        return error;
    }
    *ret = r;
    return 0;
}

static void on_closed(uv_handle_t *handle)
{
    struct wend_resolver *r = handle->data;
    if (--r->handles == 0)
        free(r);
}

void wend_resolver_close(struct wend_resolver *r)
{
    if (r == NULL)
        return;
    for (size_t i = 0; i < 2; i++)
        uv_close((uv_handle_t *)&r->sockets[i], on_closed);
}
