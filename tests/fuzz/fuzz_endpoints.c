// SPDX-License-Identifier: MIT
// Two endpoints with a session machine each, and a network that the input drives: what is sent may
// be delivered in any order, many times, touched, or never, while time passes.
//
// Holds: a touched message changes nothing, a repeated one opens once, what was sealed under a pair
// that the other side still has opens there, and both sides of a pair have the same keys.
//
// A verb is two bytes: the verb in the low three bits of the first, the side in its top bit, and an
// argument.
#include <errno.h>

#include "crypto/random.h"
#include "fuzz.h"
#include "session/data.h"
#include "session/session.h"

enum verb {
    START = 0, // begin a handshake
    TAKE,      // datagrams of the machine go into the pool
    SEAL,      // a control message under the sending pair goes into the pool
    DELIVER,   // one of the pool to the side
    TOUCH,     // the same with a bit changed
    PASS,      // time goes on by argument^2 ms
    EXPIRE,    // and is told
    COOKIE,    // the side answers one of the pool with a cookie reply, which goes into the pool
};

#define POOL_COUNT 16
#define PAIR_COUNT 4

struct letter {
    uint8_t bytes[WEND_INITIATION_MAX];
    size_t len;
    bool sealed, opened; // a control message, and whether somebody opened it
};

struct pair {
    struct wend_keys keys; // local_index 0: free
    struct wend_box box;
};

struct side {
    struct wend_identity identity;
    struct wend_random random;
    struct wend_label_clock labels;
    struct wend_session_config config;
    struct wend_session session;
    struct wend_cookie_checker checker;
    uint8_t initiation[WEND_INITIATION_MAX], response[WEND_RESPONSE_MAX];
    uint32_t sending, last_index;
    struct pair pairs[PAIR_COUNT];
};

static struct world {
    struct wend_prologue prologue;
    struct side sides[2];
    struct letter pool[POOL_COUNT];
    size_t next;
    wend_instant now;
} w;

static void make_side(struct side *s, uint8_t seed)
{
    uint8_t key[32] = {seed};
    *s = (struct side){.last_index = seed * UINT32_C(0x1000000)};
    wend_identity_init(&s->identity, key);
    wend_random_init(&s->random, key);
    wend_cookie_checker_init(&s->checker, &s->random, 0);
    s->config = (struct wend_session_config){
        .prologue = &w.prologue, .self = &s->identity, .random = &s->random, .labels = &s->labels};
}

static void meet(struct side *s, const struct side *other)
{
    const struct wend_session_buffers buffers = {s->initiation, sizeof s->initiation, s->response,
                                                 sizeof s->response};
    struct wend_remote remote;
    wend_assert(!wend_remote_init(&remote, &s->identity, other->identity.public_key));
    wend_session_init(&s->session, &s->config, &buffers, &remote);
}

static struct pair *find_pair(struct side *s, uint32_t local_index)
{
    for (size_t i = 0; i < PAIR_COUNT; i++)
        if (s->pairs[i].keys.local_index == local_index)
            return &s->pairs[i];
    return NULL;
}

static void check_agreement(const struct wend_keys *keys, struct side *other)
{
    const struct pair *p = find_pair(other, keys->remote_index);
    if (!p || p->keys.remote_index != keys->local_index)
        return;
    wend_assert(p->keys.initiator != keys->initiator);
    wend_assert(memcmp(p->keys.send_key, keys->receive_key, 32) == 0);
    wend_assert(memcmp(p->keys.control_receive_key, keys->control_send_key, 32) == 0);
    wend_assert(memcmp(p->keys.handshake_hash, keys->handshake_hash, 32) == 0);
}

static void drain_events(struct side *s, struct side *other)
{
    struct wend_session_event event;
    while (wend_session_next_event(&s->session, &event)) {
        struct pair *p = event.local_index ? find_pair(s, event.local_index) : NULL;
        if (event.kind == WEND_SESSION_EVENT_KEYS) {
            wend_assert(!p);
            p = find_pair(s, 0);
            wend_assert(p); // three pairs at most
            p->keys = *event.keys;
            wend_box_init(&p->box, event.keys, WEND_MESSAGE_CONTROL);
            check_agreement(event.keys, other);
        } else if (event.kind == WEND_SESSION_EVENT_EXPIRED) {
            wend_assert(p);
            *p = (struct pair){0};
            if (s->sending == event.local_index)
                s->sending = 0;
        }
        if (event.send)
            s->sending = event.local_index;
    }
    wend_session_check(&s->session);
}

static struct letter *new_letter(void)
{
    struct letter *letter = &w.pool[w.next++ % POOL_COUNT];
    *letter = (struct letter){0};
    return letter;
}

static void take(struct side *s)
{
    struct wend_bytes out;
    while (wend_session_next_datagram(&s->session, &out)) {
        struct letter *letter = new_letter();
        memcpy(letter->bytes, out.at, out.len);
        letter->len = out.len;
    }
}

static void seal(struct side *s)
{
    const uint32_t index = wend_session_sending(&s->session, w.now);
    if (index == 0)
        return;
    wend_assert(index == s->sending);
    struct letter *letter = new_letter();
    struct wend_writer out = wend_writer_of(letter->bytes, sizeof letter->bytes);
    wend_assert(!wend_box_seal(&find_pair(s, index)->box, (struct wend_bytes){0}, &out));
    letter->len = out.len;
    letter->sealed = true;
    wend_session_sent(&s->session, out.len % 2, w.now);
}

static void open_sealed(struct side *s, struct letter *letter, bool touched)
{
    uint8_t body[sizeof letter->bytes];
    size_t len;
    struct pair *p = find_pair(s, wend_get_u32le(letter->bytes + 4));
    if (!p || p->keys.local_index == 0)
        return;
    const enum wend_drop drop =
        wend_box_open(&p->box, (struct wend_bytes){letter->bytes, letter->len}, body, &len);
    if (drop != WEND_DROP_NONE) {
        wend_assert(touched || letter->opened); // nothing genuine is refused the first time
        return;
    }
    wend_assert(!touched && !letter->opened);
    letter->opened = true;
    wend_session_confirmed(&s->session, p->keys.local_index, w.now);
}

static void open_handshake(struct side *s, const struct letter *letter, bool touched)
{
    static struct wend_initiation i;
    static struct wend_response response;
    const struct wend_bytes in = {letter->bytes, letter->len};
    const struct wend_datagram d = {.bytes = in};
    const struct wend_parties parties = {&w.prologue, &s->identity, NULL};
    bool is_new = false;
    if (letter->bytes[0] == WEND_MESSAGE_COOKIE) {
        wend_session_receive(&s->session, in, w.now, &response);
        return;
    }
    if (wend_cookie_check(&s->checker, &s->identity, &d, w.now) == WEND_COOKIE_NONE)
        return;
    wend_assert(!touched); // mac1 covers all but mac2
    if (letter->bytes[0] == WEND_MESSAGE_RESPONSE) {
        wend_session_receive(&s->session, in, w.now, &response);
        return;
    }
    if (wend_initiation_open_static(&parties, in, &i) ||
        wend_session_receive_initiation(&s->session, &i, w.now, &is_new) || !is_new)
        return;
    const struct wend_session_accept accept = {.local_index = ++s->last_index};
    wend_assert(!wend_session_accept(&s->session, &i, &accept, w.now));
}

static void deliver(struct side *s, uint8_t argument, bool touch)
{
    struct letter *letter = &w.pool[argument % POOL_COUNT];
    if (letter->len == 0)
        return;
    const size_t span = letter->sealed ? letter->len : letter->len - WEND_MESSAGE_MAC_LEN;
    uint8_t *const at = &letter->bytes[argument * 97u % span];
    if (touch)
        *at ^= (uint8_t)(1u << argument / POOL_COUNT % 8);
    if (letter->sealed)
        open_sealed(s, letter, touch);
    else
        open_handshake(s, letter, touch && letter->bytes[0] != WEND_MESSAGE_COOKIE);
    if (touch)
        *at ^= (uint8_t)(1u << argument / POOL_COUNT % 8);
}

static void reply_with_cookie(struct side *s, uint8_t argument)
{
    const struct letter cause = w.pool[argument % POOL_COUNT];
    const struct wend_datagram d = {.bytes = {cause.bytes, cause.len}};
    if (wend_cookie_check(&s->checker, &s->identity, &d, w.now) == WEND_COOKIE_NONE)
        return;
    struct letter *letter = new_letter();
    wend_cookie_reply(&s->checker, &s->identity, &d, w.now, letter->bytes);
    letter->len = WEND_MESSAGE_COOKIE_LEN;
}

static void start(struct side *s)
{
    const struct wend_session_start start = {.local_index = s->last_index + 1,
                                             .unix_ns = (uint64_t)w.now};
    const int error = wend_session_start(&s->session, &start, w.now);
    wend_assert(error == 0 || error == -EALREADY);
    s->last_index += error == 0;
}

static void act(enum verb verb, size_t side, uint8_t argument)
{
    struct side *s = &w.sides[side], *other = &w.sides[!side];
    switch (verb) {
    case START: start(s); break;
    case TAKE: take(s); break;
    case SEAL: seal(s); break;
    case DELIVER: deliver(s, argument, false); break;
    case TOUCH: deliver(s, argument, true); break;
    case PASS: w.now += WEND_MS(argument) * (argument + 1); break;
    case EXPIRE: wend_session_expire(&s->session, w.now); break;
    case COOKIE: reply_with_cookie(s, argument); break;
    }
    drain_events(s, other);
    wend_assert(verb != EXPIRE || wend_session_deadline(&s->session) > w.now);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t network[32] = {7};
    w = (struct world){0};
    wend_prologue_peer(&w.prologue, network);
    make_side(&w.sides[0], 1);
    make_side(&w.sides[1], 2);
    meet(&w.sides[0], &w.sides[1]);
    meet(&w.sides[1], &w.sides[0]);
    if (size > 600)
        size = 600; // a verb may cost five DHs
    for (size_t i = 0; i + 1 < size; i += 2)
        act((enum verb)(data[i] & 7), data[i] >> 7, data[i + 1]);
    return 0;
}
