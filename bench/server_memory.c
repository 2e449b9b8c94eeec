// SPDX-License-Identifier: MIT
// What one idle registered client costs the server: a real `wend serve` on loopback, 100 networks
// of 100 members each, first over UDP and then, in a server of its own, over TCP.
//
//     server_memory WEND [CLIENTS] [udp|tcp]
//
// Each client joins and registers as a device does and then says nothing. Prints the growth of the
// server's resident memory, divided by the clients. Memory that the kernel keeps for sockets is not
// in it.
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "crypto/record.h"
#include "io/client.h"
#include "io/clock.h"
#include "io/store_server.h"
#include "session/data.h"

#define PORT        23478
#define PER_NETWORK 100
#define PER_SOURCE  16   // clients of one address, far below the limits of a source
#define APART_US    2200 // handshakes: below 500 a second no cookies are asked for
#define ANSWER_MS   100
#define TRIES       50

struct network {
    uint8_t seed[32], key[32], invite_seed[32], invite_key[32];
    uint8_t record[WEND_NETWORK_RECORD_MAX];
    size_t record_len;
    uint8_t delegation[WEND_DELEGATION_LEN];
};

struct client {
    int fd;
    bool stream;
    struct wend_identity identity;
    struct wend_box box;
    uint32_t id;
    uint8_t body[WEND_DATAGRAM_MAX];
    struct wend_attributes a;
};

struct bench {
    const char *program;
    uint32_t clients;
    bool stream;
    char state[64];
    pid_t pid;
    struct wend_claim server;
    struct wend_prologue prologue;
    struct network *networks;
    uint32_t network_count;
};

static _Noreturn void die(const char *what)
{
    fprintf(stderr, "server_memory: %s: %s\n", what, strerror(errno));
    exit(1);
}

static uint64_t unix_seconds(void)
{
    return (uint64_t)wend_clock_unix_ns() / 1000000000u;
}

// --- the server ---

static void start_server(struct bench *b)
{
    int out[2];
    char line[WEND_CLAIM_TEXT_SIZE + 64], listen[32];
    snprintf(b->state, sizeof b->state, "/tmp/wend-memory-XXXXXX");
    snprintf(listen, sizeof listen, "127.0.0.1:%d", PORT);
    if (mkdtemp(b->state) == NULL || pipe(out) != 0)
        die("cannot prepare");
    b->pid = fork();
    if (b->pid == 0) {
        const int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
        dup2(out[1], STDOUT_FILENO);
        dup2(nowhere, STDERR_FILENO);
        close(out[0]);
        close(out[1]);
        execl(b->program, b->program, "serve", "--state", b->state, "--listen", listen,
              (char *)NULL);
        _exit(127);
    }
    close(out[1]);
    FILE *in = fdopen(out[0], "r");
    while (in != NULL && fgets(line, sizeof line, in) != NULL) {
        if (strncmp(line, "claim ", 6) != 0)
            continue;
        line[strcspn(line, "\n")] = 0;
        const struct wend_bytes text = {(uint8_t *)line + 6, strlen(line + 6)};
        if (wend_claim_decode(text, &b->server) == 0) {
            fclose(in);
            return;
        }
    }
    die("the server printed no claim code");
}

static void stop_server(const struct bench *b)
{
    char command[128];
    kill(b->pid, SIGTERM);
    waitpid(b->pid, NULL, 0);
    snprintf(command, sizeof command, "rm -r %s", b->state);
    if (system(command) != 0)
        fprintf(stderr, "server_memory: cannot remove %s\n", b->state);
}

static long resident_kib(const struct bench *b)
{
    char path[64], line[256];
    long kib = 0;
    snprintf(path, sizeof path, "/proc/%d/status", (int)b->pid);
    FILE *in = fopen(path, "r");
    while (in != NULL && fgets(line, sizeof line, in) != NULL)
        if (strncmp(line, "VmRSS:", 6) == 0)
            kib = strtol(line + 6, NULL, 10);
    if (in != NULL)
        fclose(in);
    return kib;
}

// --- one client's messages ---

static int open_socket(uint32_t number, bool stream)
{
    const int on = 1;
    const struct sockaddr_in to = {
        .sin_family = AF_INET, .sin_port = htons(PORT), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    // A /24 for every few clients: 127.1.0.1, 127.1.1.1 …
    const struct sockaddr_in from = {
        .sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f010001 + (number / PER_SOURCE << 8))};
    const int fd = socket(AF_INET, stream ? SOCK_STREAM : SOCK_DGRAM, 0);
    if (fd < 0 || bind(fd, (const struct sockaddr *)&from, sizeof from) != 0 ||
        connect(fd, (const struct sockaddr *)&to, sizeof to) != 0)
        die("cannot open a socket");
    if (stream)
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return fd;
}

static void send_datagram(const struct client *c, struct wend_bytes in)
{
    uint8_t framed[WEND_DATAGRAM_MAX + 2];
    wend_put_u16(framed, (uint16_t)in.len);
    memcpy(framed + 2, in.at, in.len);
    const size_t skip = c->stream ? 0 : 2;
    if (send(c->fd, framed + skip, in.len + 2 - skip, 0) < 0)
        die("cannot send");
}

static size_t read_exactly(int fd, uint8_t *ret, size_t len)
{
    return recv(fd, ret, len, MSG_WAITALL) == (ssize_t)len ? len : 0;
}

// Returns the length, 0: nothing came in time.
static size_t receive_datagram(const struct client *c, uint8_t *ret)
{
    struct pollfd p = {.fd = c->fd, .events = POLLIN};
    uint8_t header[2];
    if (poll(&p, 1, ANSWER_MS) <= 0)
        return 0;
    if (!c->stream) {
        const ssize_t n = recv(c->fd, ret, WEND_DATAGRAM_MAX, 0);
        return n > 0 ? (size_t)n : 0;
    }
    if (read_exactly(c->fd, header, 2) == 0)
        die("the server closed a stream");
    return read_exactly(c->fd, ret, wend_get_u16(header));
}

static void shake_hands(const struct bench *b, struct client *c)
{
    uint8_t message[WEND_INITIATION_MAX], in[WEND_DATAGRAM_MAX];
    struct wend_remote remote;
    struct wend_handshake handshake;
    struct wend_response response;
    struct wend_keys keys;
    if (wend_remote_init(&remote, &c->identity, b->server.session_key) != 0)
        die("bad server key");
    const struct wend_parties parties = {&b->prologue, &c->identity, &remote};
    struct wend_handshake_input input = {
        .local_index = 1,
        .label = wend_label_of((uint64_t)wend_clock_unix_ns()),
        .out = message,
        .out_max = sizeof message,
    };
    wend_entropy(input.ephemeral);
    const int len = wend_initiation_create(&parties, &input, &handshake);
    for (int i = 0; i < TRIES && len > 0; i++) {
        send_datagram(c, (struct wend_bytes){message, (size_t)len});
        const size_t got = receive_datagram(c, in);
        if (got > 0 && wend_response_open(&parties, &handshake, (struct wend_bytes){in, got},
                                          &response, &keys) == WEND_DROP_NONE) {
            wend_box_init(&c->box, &keys, WEND_MESSAGE_DATA);
            return;
        }
    }
    die("no handshake");
}

static void ask(struct client *c, uint16_t type, struct wend_bytes attributes)
{
    uint8_t body[WEND_DATAGRAM_MAX], sealed[WEND_DATAGRAM_MAX], in[WEND_DATAGRAM_MAX];
    struct wend_control answer;
    struct wend_failure failure;
    struct wend_writer w = wend_writer_of(body, sizeof body);
    wend_control_write(&w, type, ++c->id, attributes);
    for (int i = 0; i < TRIES; i++) {
        struct wend_writer out = wend_writer_of(sealed, sizeof sealed);
        wend_box_seal(&c->box, (struct wend_bytes){body, w.len}, &out);
        send_datagram(c, (struct wend_bytes){sealed, out.len});
        const size_t got = receive_datagram(c, in);
        size_t len;
        if (got == 0 ||
            wend_box_open(&c->box, (struct wend_bytes){in, got}, c->body, &len) != WEND_DROP_NONE ||
            wend_control_decode((struct wend_bytes){c->body, len}, &answer) != 0 ||
            wend_attributes_parse(answer.attributes, &c->a) != 0)
            continue;
        if (!wend_attribute_failure(c->a.error, &failure))
            return;
        fprintf(stderr, "server_memory: %s refused: %s\n", wend_control_name(type),
                wend_error_name(failure.code));
        exit(1);
    }
    die("no answer");
}

static void open_client(const struct bench *b, struct client *c, uint32_t number, bool stream)
{
    uint8_t key[32];
    *c = (struct client){.fd = open_socket(number, stream), .stream = stream};
    wend_entropy(key);
    wend_identity_init(&c->identity, key);
    shake_hands(b, c);
}

// --- networks and members ---

static void make_network(const struct bench *b, struct network *n, uint32_t number)
{
    struct wend_network_record r = {.serial = 1, .issued = unix_seconds(), .server_count = 1};
    struct wend_delegation d = {.issued = r.issued,
                                .join_before = r.issued + 86400,
                                .uses = PER_NETWORK,
                                .member_for = 86400};
    snprintf(r.name, sizeof r.name, "n%u", number);
    wend_entropy(n->seed);
    wend_ed25519_public(n->seed, n->key);
    wend_entropy(n->invite_seed);
    wend_ed25519_public(n->invite_seed, n->invite_key);
    memcpy(r.key, n->key, 32);
    r.pool = r.servers[0].pool = wend_preset_pool(n->key);
    memcpy(r.servers[0].session_key, b->server.session_key, 32);
    memcpy(r.servers[0].signature_key, b->server.signature_key, 32);
    r.servers[0].address_count = b->server.address_count;
    memcpy(r.servers[0].addresses, b->server.addresses, sizeof b->server.addresses);
    struct wend_writer w = wend_writer_of(n->record, sizeof n->record);
    if (wend_network_record_sign(&r, n->seed, &w) != 0)
        die("cannot make a record");
    n->record_len = w.len;
    memcpy(d.network, n->key, 32);
    memcpy(d.invite_key, n->invite_key, 32);
    w = wend_writer_of(n->delegation, sizeof n->delegation);
    if (wend_delegation_sign(&d, n->seed, &w) != 0)
        die("cannot make an invite");
}

static void claim_networks(struct bench *b)
{
    struct wend_server_store *store;
    static struct client admin;
    uint8_t secret[32], memory[1200];
    if (wend_server_store_open(b->state, false, &store) != 0)
        die("cannot open the server's state");
    open_client(b, &admin, 0, false);
    for (uint32_t i = 0; i < b->network_count; i++) {
        make_network(b, &b->networks[i], i);
        wend_entropy(secret);
        if (wend_server_store_new_claim(store, unix_seconds(), secret) != 0)
            die("cannot make a claim");
        struct wend_writer w = wend_writer_of(memory, sizeof memory);
        wend_attribute_put(&w, WEND_ATTRIBUTE_SECRET, (struct wend_bytes){secret, 16});
        wend_attribute_put(&w, WEND_ATTRIBUTE_NETWORK_RECORD,
                           (struct wend_bytes){b->networks[i].record, b->networks[i].record_len});
        // The first try makes the server look for new claims, and is not answered.
        ask(&admin, WEND_CONTROL_CLAIM, (struct wend_bytes){memory, w.len});
        if (i % 40 == 39) // below the rate of one client's requests
            usleep(1000000);
    }
    close(admin.fd);
    wend_server_store_close(store);
}

static size_t sign_membership(const struct client *c, const struct network *n, uint32_t number,
                              uint8_t *ret)
{
    struct wend_membership m = {.slot = wend_attribute_u32(c->a.slot),
                                .ipv4 = wend_attribute_u32(c->a.ipv4),
                                .made = unix_seconds(),
                                .lifetime = 86400};
    memcpy(m.network, n->key, 32);
    memcpy(m.device, c->identity.public_key, 32);
    wend_invite_id(n->invite_key, m.invite_id);
    snprintf(m.name, sizeof m.name, "device-%u", number);
    struct wend_writer w = wend_writer_of(ret, WEND_MEMBERSHIP_LEN_MAX);
    if (wend_membership_sign(&m, n->invite_seed, &w) != 0)
        die("cannot sign a membership");
    return w.len;
}

static void join_and_register(struct client *c, const struct network *n, uint32_t number)
{
    uint8_t memory[1200], membership[WEND_MEMBERSHIP_LEN_MAX], receipt[WEND_RECEIPT_LEN];
    char name[32];
    snprintf(name, sizeof name, "device-%u", number);
    struct wend_writer w = wend_writer_of(memory, sizeof memory);
    wend_attribute_put(&w, WEND_ATTRIBUTE_NETWORK, WEND_BYTES(n->key));
    wend_attribute_put(&w, WEND_ATTRIBUTE_DELEGATION, WEND_BYTES(n->delegation));
    wend_attribute_put(&w, WEND_ATTRIBUTE_NAME, wend_bytes_of_text(name));
    wend_attribute_put_u64(&w, WEND_ATTRIBUTE_TIME, unix_seconds());
    ask(c, WEND_CONTROL_JOIN, (struct wend_bytes){memory, w.len});
    const size_t len = sign_membership(c, n, number, membership);
    w = wend_writer_of(memory, sizeof memory);
    wend_attribute_put(&w, WEND_ATTRIBUTE_MEMBERSHIP, (struct wend_bytes){membership, len});
    wend_attribute_put(&w, WEND_ATTRIBUTE_DELEGATION, WEND_BYTES(n->delegation));
    ask(c, WEND_CONTROL_JOIN_COMMIT, (struct wend_bytes){memory, w.len});
    memcpy(receipt, c->a.receipt.at, sizeof receipt);
    wend_attribute_put(&w, WEND_ATTRIBUTE_NETWORK, WEND_BYTES(n->key));
    wend_attribute_put(&w, WEND_ATTRIBUTE_RECEIPT, WEND_BYTES(receipt));
    wend_attribute_put_u64(&w, WEND_ATTRIBUTE_EPOCH, number + 1);
    ask(c, WEND_CONTROL_CONFIGURATION, (struct wend_bytes){memory, w.len});
}

// --- the measurement ---

static void measure(struct bench *b)
{
    static struct client c;
    int *fds = calloc(b->clients, sizeof *fds);
    b->network_count = (b->clients + PER_NETWORK - 1) / PER_NETWORK;
    b->networks = calloc(b->network_count, sizeof *b->networks);
    if (fds == NULL || b->networks == NULL)
        die("no memory");
    start_server(b);
    claim_networks(b);
    const long before = resident_kib(b);
    for (uint32_t i = 0; i < b->clients; i++) {
        const wend_instant next = wend_clock_now() + WEND_US(APART_US);
        open_client(b, &c, i, b->stream);
        join_and_register(&c, &b->networks[i / PER_NETWORK], i);
        fds[i] = c.fd;
        while (wend_clock_now() < next)
            usleep(100);
    }
    const long after = resident_kib(b);
    printf("%s: %u registered clients in %u networks: %ld KiB before, %ld KiB after: "
           "%ld bytes a client\n",
           b->stream ? "tcp" : "udp", b->clients, b->network_count, before, after,
           (after - before) * 1024 / (long)b->clients);
    fflush(stdout);
    stop_server(b);
    for (uint32_t i = 0; i < b->clients; i++)
        close(fds[i]);
    free(fds);
    free(b->networks);
}

int main(int argc, char **argv)
{
    const struct rlimit files = {.rlim_cur = 20000, .rlim_max = 20000};
    if (argc < 2 || argc > 4) {
        fprintf(stderr, "usage: server_memory WEND [CLIENTS] [udp|tcp]\n");
        return 2;
    }
    struct bench b = {.program = argv[1],
                      .clients = argc > 2 ? (uint32_t)strtoul(argv[2], NULL, 10) : 10000};
    (void)setrlimit(RLIMIT_NOFILE, &files);
    wend_prologue_server(&b.prologue);
    for (int stream = 0; stream < 2; stream++) {
        if (argc > 3 && strcmp(argv[3], stream ? "tcp" : "udp") != 0)
            continue;
        b.stream = stream != 0;
        measure(&b);
    }
    return 0;
}
