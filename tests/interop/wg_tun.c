// SPDX-License-Identifier: MIT
// A WireGuard tunnel to one peer out of wend's own session code: TUN, UDP and src/session with kind
// WIREGUARD. For tests against WireGuard implementations that were not written here.
//
//     wg-tun --interface NAME --port PORT --private KEY --peer KEY [--psk KEY]
//            [--endpoint ADDRESS:PORT] [--rekey-after SECONDS] [--cookies]
//
// Keys in base64 as wg(8) prints them. --cookies answers every first initiation with a cookie, as
// if under load. Prints a line for each thing that happens: `ready`, `start`, `keys initiator=…`,
// `confirmed`, `expired`, `cookie`, `mac2`. A line on standard input is a command: `forget` drops
// the session without a word, `quit` ends.
#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/text.h"
#include "io/clock.h"
#include "io/tun.h"
#include "io/udp.h"
#include "session/data.h"
#include "session/session.h"
#include "wire/ip.h"

#define MTU         1400
#define PAIRS_MAX   4
#define WAITING_MAX 32 // packets before there is a session; more are dropped
#define PACKET_ROOM (WEND_DATA_HEADROOM + 2048 + WEND_DATA_TAILROOM)

struct pair {
    uint32_t local_index; // 0: free
    bool heard;
    struct wend_sender sender;
    struct wend_receiver receiver;
    uint64_t words[WEND_REPLAY_WORDS(WEND_REPLAY_BITS)];
};

static struct program {
    const char *interface;
    bool cookies;
    uint16_t port;
    uint8_t private_key[32], peer_key[32], psk[32];
    struct wend_address endpoint;

    struct wend_tun tun;
    struct wend_udp udp;
    struct wend_udp_batch *batch;
    struct wend_identity identity;
    struct wend_prologue prologue;
    struct wend_random random;
    struct wend_label_clock labels;
    struct wend_cookie_checker checker;
    struct wend_session_timing timing;
    struct wend_session_config config;
    struct wend_session session;
    uint8_t initiation[WEND_INITIATION_MAX], response[WEND_RESPONSE_MAX];

    struct pair pairs[PAIRS_MAX];
    uint32_t sending;
    uint8_t waiting[WAITING_MAX][PACKET_ROOM];
    size_t waiting_len[WAITING_MAX], waiting_count;
    wend_instant now;
} p;

static _Noreturn void fail_with(const char *what, int error)
{
    fprintf(stderr, "wg-tun: %s: %s\n", what, strerror(error < 0 ? -error : error));
    exit(1);
}

static void send_bytes(const uint8_t *data, size_t len, const struct wend_address *to)
{
    if (to->family == WEND_FAMILY_NONE)
        return;
    struct wend_udp_send item = {.to = *to, .data = data, .len = len};
    wend_udp_send(&p.udp, &item, 1); // what cannot leave is lost, as on any network
}

static struct pair *find_pair(uint32_t local_index)
{
    for (size_t i = 0; i < PAIRS_MAX; i++)
        if (p.pairs[i].local_index == local_index)
            return &p.pairs[i];
    return NULL;
}

static struct pair *get_pair(uint32_t local_index)
{
    struct pair *pair = find_pair(local_index);
    wend_assert(pair); // the session names what it installed, and holds three at most
    return pair;
}

static void close_pair(struct pair *pair)
{
    wend_sender_close(&pair->sender);
    wend_receiver_close(&pair->receiver);
    *pair = (struct pair){0};
}

static void start(void)
{
    struct wend_session_start how = {.unix_ns = (uint64_t)wend_clock_unix_ns()};
    do
        how.local_index = wend_random_u32(&p.random);
    while (how.local_index == 0 || find_pair(how.local_index));
    if (!wend_session_start(&p.session, &how, p.now))
        puts("start");
}

// Seals `len` bytes that lie behind the headroom in `room`, and sends them.
static void seal(uint8_t *room, size_t len)
{
    struct pair *pair = get_pair(p.sending);
    const size_t message_len = wend_data_seal(&pair->sender, room + WEND_DATA_HEADROOM, len, MTU);
    send_bytes(room, message_len, &p.endpoint);
    wend_session_sent(&p.session, len > 0, p.now);
}

static void keepalive(void)
{
    uint8_t room[WEND_DATA_HEADROOM + WEND_DATA_TAILROOM];
    if (p.sending)
        seal(room, 0);
}

static void flush_waiting(void)
{
    for (size_t i = 0; p.sending && i < p.waiting_count; i++)
        seal(p.waiting[i], p.waiting_len[i]);
    if (p.sending)
        p.waiting_count = 0;
}

static void install(const struct wend_keys *keys)
{
    struct pair *pair = get_pair(0);
    pair->local_index = keys->local_index;
    const int error = wend_sender_init(&pair->sender, keys->send_key, keys->remote_index) |
                      wend_receiver_init(&pair->receiver, keys->receive_key, keys->local_index,
                                         pair->words, WEND_REPLAY_WORDS(WEND_REPLAY_BITS));
    if (error)
        fail_with("keys", ENOMEM);
    printf("keys initiator=%d\n", keys->initiator);
}

static void expire_pair(uint32_t local_index)
{
    puts("expired");
    close_pair(get_pair(local_index));
    if (p.sending == local_index)
        p.sending = 0;
}

static void take_event(const struct wend_session_event *event)
{
    switch (event->kind) {
    case WEND_SESSION_EVENT_NONE: break;
    case WEND_SESSION_EVENT_KEYS: install(event->keys); break;
    case WEND_SESSION_EVENT_CONFIRMED: puts("confirmed"); break;
    case WEND_SESSION_EVENT_EXPIRED: expire_pair(event->local_index); break;
    case WEND_SESSION_EVENT_REKEY: start(); break;
    case WEND_SESSION_EVENT_KEEPALIVE: keepalive(); break;
    case WEND_SESSION_EVENT_GAVE_UP: puts("gave-up"); break;
    }
    if (event->send)
        p.sending = event->local_index;
}

static void drain(const struct wend_address *answer_to)
{
    struct wend_session_event event;
    struct wend_bytes out;
    while (wend_session_next_datagram(&p.session, &out))
        send_bytes(out.at, out.len,
                   out.at[0] == WEND_MESSAGE_WG_RESPONSE ? answer_to : &p.endpoint);
    while (wend_session_next_event(&p.session, &event))
        take_event(&event);
    while (wend_session_next_datagram(&p.session, &out)) // a start that an event asked for
        send_bytes(out.at, out.len, &p.endpoint);
    flush_waiting();
}

static void meet(void)
{
    const struct wend_session_buffers buffers = {p.initiation, sizeof p.initiation, p.response,
                                                 sizeof p.response};
    struct wend_remote remote;
    const int error = wend_remote_init(&remote, &p.identity, p.peer_key);
    if (error)
        fail_with("peer's key", error);
    memcpy(remote.preshared, p.psk, sizeof remote.preshared);
    wend_session_init(&p.session, &p.config, &buffers, &remote);
}

static void forget(void)
{
    wend_session_close(&p.session);
    for (size_t i = 0; i < PAIRS_MAX; i++)
        close_pair(&p.pairs[i]);
    p.sending = 0;
    meet();
    puts("forgotten");
}

static bool passes_cookie(const struct wend_datagram *in)
{
    uint8_t reply[WEND_MESSAGE_COOKIE_LEN];
    const enum wend_cookie_verdict verdict = wend_cookie_check(&p.checker, &p.identity, in, p.now);
    if (verdict == WEND_COOKIE_MAC2)
        puts("mac2");
    if (verdict == WEND_COOKIE_MAC1 && p.cookies) {
        wend_cookie_reply(&p.checker, &p.identity, in, p.now, reply);
        send_bytes(reply, sizeof reply, &in->remote);
        puts("cookie");
        return false;
    }
    return verdict != WEND_COOKIE_NONE;
}

static void receive_initiation(const struct wend_datagram *in)
{
    const struct wend_parties parties = {&p.prologue, &p.identity, NULL};
    static struct wend_initiation i;
    bool is_new = false;
    if (!passes_cookie(in) || wend_initiation_open_static(&parties, in->bytes, &i) ||
        memcmp(i.remote_static, p.peer_key, sizeof p.peer_key) != 0)
        return;
    if (wend_session_receive_initiation(&p.session, &i, p.now, &is_new) || !is_new)
        return;
    struct wend_session_accept accept = {0};
    do
        accept.local_index = wend_random_u32(&p.random);
    while (accept.local_index == 0 || find_pair(accept.local_index));
    if (!wend_session_accept(&p.session, &i, &accept, p.now) &&
        p.endpoint.family == WEND_FAMILY_NONE)
        p.endpoint = in->remote;
}

static void receive_data(uint8_t *message, size_t len, const struct wend_address *from)
{
    struct pair *pair = len >= 32 ? find_pair(wend_get_u32le(message + 4)) : NULL;
    struct wend_bytes inner;
    struct wend_ip ip;
    if (!pair || pair->local_index == 0 || wend_data_open(&pair->receiver, message, len, &inner))
        return;
    p.endpoint = *from;
    if (!pair->heard)
        wend_session_confirmed(&p.session, pair->local_index, p.now);
    pair->heard = true;
    wend_session_received(&p.session, inner.len > 0, p.now);
    if (!wend_ip_read(inner, &ip))
        return;
    const struct wend_bytes packet = {inner.at, ip.len};
    wend_tun_write(&p.tun, &(struct wend_vnet){0}, &packet, 1);
}

static void receive(uint8_t *bytes, size_t len, const struct wend_address *from)
{
    const struct wend_datagram in = {
        .transport = WEND_TRANSPORT_UDP, .remote = *from, .bytes = {bytes, len}};
    static struct wend_response response;
    if (len < 4)
        return;
    if (bytes[0] == WEND_MESSAGE_DATA)
        receive_data(bytes, len, from);
    else if (bytes[0] == WEND_MESSAGE_WG_INITIATION)
        receive_initiation(&in);
    else if (bytes[0] == WEND_MESSAGE_COOKIE || passes_cookie(&in))
        wend_session_receive(&p.session, in.bytes, p.now, &response);
    drain(from);
}

static void read_udp(void)
{
    const struct wend_udp_packet *packets;
    const int count = wend_udp_receive(&p.udp, p.batch, &packets);
    for (int i = 0; i < count; i++) {
        const size_t step = packets[i].segment_len ? packets[i].segment_len : packets[i].len;
        for (size_t at = 0; at < packets[i].len; at += step) {
            const size_t left = packets[i].len - at;
            receive(packets[i].data + at, left < step ? left : step, &packets[i].from);
        }
    }
}

static void read_tun(void)
{
    for (size_t i = 0; i < 64; i++) {
        uint8_t room[PACKET_ROOM], *to = room;
        struct wend_vnet vnet;
        const int len = wend_tun_read(&p.tun, room + WEND_DATA_HEADROOM, 2048, &vnet);
        if (len < 0)
            return;
        if (wend_session_sending(&p.session, p.now)) {
            seal(to, (size_t)len);
        } else {
            start();
            if (p.waiting_count < WAITING_MAX) {
                memcpy(p.waiting[p.waiting_count], room, sizeof room);
                p.waiting_len[p.waiting_count++] = (size_t)len;
            }
        }
        drain(&p.endpoint);
    }
}

// Returns false at the end of commands.
static bool read_command(void)
{
    char line[64];
    const ssize_t len = read(STDIN_FILENO, line, sizeof line - 1);
    if (len <= 0)
        return false;
    line[len] = 0;
    if (strcmp(line, "forget\n") == 0)
        forget();
    return strcmp(line, "quit\n") != 0;
}

static int wait_ms(void)
{
    const wend_instant at = wend_session_deadline(&p.session);
    const wend_duration left = (at < p.now ? 0 : at - p.now) / 1000000 + 1;
    return at == WEND_NEVER || left > 60000 ? 60000 : (int)left;
}

static void serve(void)
{
    struct pollfd fds[] = {{.fd = p.udp.fd, .events = POLLIN},
                           {.fd = p.tun.fd, .events = POLLIN},
                           {.fd = STDIN_FILENO, .events = POLLIN}};
    for (;;) {
        fflush(stdout);
        poll(fds, 3, wait_ms());
        p.now = wend_clock_now();
        if (fds[0].revents)
            read_udp();
        if (fds[1].revents)
            read_tun();
        if (fds[2].revents && !read_command())
            return;
        wend_session_expire(&p.session, p.now);
        drain(&p.endpoint);
    }
}

static void set_up(void)
{
    uint8_t seed[WEND_RANDOM_SEED_LEN];
    if (getrandom(seed, sizeof seed, 0) != sizeof seed)
        fail_with("getrandom", errno);
    p.now = wend_clock_now();
    wend_random_init(&p.random, seed);
    wend_identity_init(&p.identity, p.private_key);
    wend_prologue_wireguard(&p.prologue);
    wend_cookie_checker_init(&p.checker, &p.random, p.now);
    p.config = (struct wend_session_config){.prologue = &p.prologue,
                                            .self = &p.identity,
                                            .timing = &p.timing,
                                            .random = &p.random,
                                            .labels = &p.labels};
    meet();
    const struct wend_tun_config tun = {.name = p.interface, .no_offload = true};
    int error = wend_tun_open(&p.tun, &tun);
    if (error)
        fail_with(p.interface, error);
    const struct wend_udp_config udp = {
        .local = {.family = WEND_FAMILY_IPV4, .port = p.port},
    };
    error = wend_udp_open(&p.udp, &udp);
    if (error)
        fail_with("UDP", error);
    p.batch = wend_udp_batch_new(16);
    if (!p.batch)
        fail_with("UDP", ENOMEM);
}

static void read_key(const char *text, uint8_t ret[static 32])
{
    if (wend_base64_decode(wend_bytes_of_text(text), ret, 32) != 32)
        fail_with("not a key in base64", EINVAL);
}

static void read_options(int argc, char **argv)
{
    static const struct option options[] = {
        {"interface", required_argument, NULL, 'i'},
        {"port", required_argument, NULL, 'p'},
        {"private", required_argument, NULL, 'k'},
        {"peer", required_argument, NULL, 'r'},
        {"psk", required_argument, NULL, 's'},
        {"endpoint", required_argument, NULL, 'e'},
        {"rekey-after", required_argument, NULL, 't'},
        {"cookies", no_argument, NULL, 'c'},
        {NULL, 0, NULL, 0},
    };
    p.timing = *wend_session_timing(WEND_SESSION_WIREGUARD);
    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        switch (c) {
        case 'i': p.interface = optarg; break;
        case 'p': p.port = (uint16_t)atoi(optarg); break;
        case 'k': read_key(optarg, p.private_key); break;
        case 'r': read_key(optarg, p.peer_key); break;
        case 's': read_key(optarg, p.psk); break;
        case 't': p.timing.rekey_after = WEND_S(atoi(optarg)); break;
        case 'c': p.cookies = true; break;
        case 'e':
            if (!wend_address_parse(optarg, 51820, &p.endpoint))
                break;
            fail_with("not an address", EINVAL);
        default: exit(2);
        }
    }
    if (!p.interface)
        fail_with("--interface is missing", EINVAL);
}

int main(int argc, char **argv)
{
    read_options(argc, argv);
    set_up();
    puts("ready");
    serve();
    return 0;
}
