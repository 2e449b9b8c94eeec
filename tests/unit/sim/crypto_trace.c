// SPDX-License-Identifier: MIT
// Runs the same small worlds over whichever cryptography it is linked with, and prints a hash of
// what happened in each: which datagrams were under way every five milliseconds, their sizes and
// ends, and what the users got. Two programs are made of it, and a test compares what they print.
//
// Usage: crypto_trace [rounds]; with rounds, instead, the time that one such world takes.
#include "../node/moves.h"

#include <stdio.h>
#include <time.h>

#include "base/hash.h"
#include "keys.h"

// One bit for each thing that may be wrong.
static const unsigned seeds[] = {0, 3, 5, 10, 15};

static uint64_t trace;

static void note(uint64_t value)
{
    uint8_t bytes[8];
    uint8_t key[WEND_HASH_KEY_LEN];
    wend_put_u64le(bytes, value);
    wend_put_u64le(key, trace);
    wend_put_u64le(key + 8, ~trace);
    trace = wend_hash(key, bytes, sizeof(bytes));
}

static void note_world(void)
{
    for (size_t i = 0; i < world.flight_count; i++) {
        const struct flight *f = &world.flights[i];
        note((uint64_t)f->at);
        note(f->to << 32 | f->way.bytes.len);
        note((uint64_t)f->bytes[0] << 32 | f->way.remote.port);
        note(wend_get_u64le(f->way.remote.ip));
    }
    for (size_t i = 0; i < HOSTS; i++) {
        note(world.hosts[i].plane.count);
        note(world.hosts[i].sent);
    }
}

static void watch(wend_duration duration)
{
    for (wend_duration t = 0; t < duration; t += WEND_MS(5)) {
        run(WEND_MS(5));
        note_world();
    }
}

static void chat(wend_duration duration, wend_duration step, uint32_t *number)
{
    for (wend_duration t = 0; t < duration; t += step) {
        say(0, 1, (*number)++);
        say(1, 0, (*number)++);
        watch(step);
    }
}

// Both begin at once, so that their handshakes cross; later one is moved, or the server is gone.
static void run_world(unsigned seed)
{
    uint32_t number = 10;
    world_open(NULL);
    world.direct_cut = (seed & 1) != 0;
    world.hosts[0].nat = (seed & 2) != 0;
    world.hosts[1].udp_blocked = (seed & 4) != 0;
    for (size_t i = 0; i < HOSTS; i++)
        host_up(i, (uint8_t)(seed + 1));
    watch(WEND_S(1));
    chat(WEND_S(2), WEND_MS(100), &number);
    host_move(0, 0xcb007150 + seed);
    chat(WEND_S(2), WEND_MS(200), &number);
    world.relay_down = (seed & 8) != 0;
    chat(WEND_S(3), WEND_MS(500), &number);
    world_close(NULL);
}

// As world_open has them.
static void add_lasting_keys(void)
{
    static const uint8_t firsts[] = {10 + 3, 0x40, 0x41, 0x42};
    for (size_t i = 0; i < sizeof(firsts); i++) {
        uint8_t key[32];
        memset(key, firsts[i], sizeof(key));
        assert_int_equal(wend_sim_keys_add(key), 0);
    }
}

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void time_worlds(unsigned rounds)
{
    const double begun = seconds();
    for (unsigned i = 0; i < rounds; i++) {
        uint32_t number = 10;
        world_open(NULL);
        all_up();
        talk(0, 1, WEND_S(2), WEND_MS(50), &number);
        world_close(NULL);
    }
    printf("%s: %.3f ms a world\n", wend_sim_crypto_name(), (seconds() - begun) * 1000 / rounds);
}

int main(int argc, char **argv)
{
    add_lasting_keys();
    if (argc > 1) {
        time_worlds((unsigned)strtoul(argv[1], NULL, 10));
        return 0;
    }
    for (size_t i = 0; i < sizeof(seeds) / sizeof(*seeds); i++) {
        trace = seeds[i];
        run_world(seeds[i]);
        printf("%u %016llx\n", seeds[i], (unsigned long long)trace);
    }
    return 0;
}
