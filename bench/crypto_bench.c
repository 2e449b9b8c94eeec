// SPDX-License-Identifier: MIT
// What each cryptographic operation costs: nanoseconds a call, the best of five rounds. The same
// program is linked with the real algorithms and with the simulator's.
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "crypto/aead.h"
#include "crypto/crypto.h"
#include "crypto/random.h"

#define ROUNDS 5

static uint8_t private_key[32] = {1, 2, 3}, public_key[32], seed[32] = {9}, verify_key[32];
static uint8_t text[1500], sealed[1500 + WEND_AEAD_TAG_LEN], signature[64], hash[3][32];
static struct wend_aead aead;
static struct wend_random source;
static uint64_t failures;

static struct wend_bytes text_of(size_t len)
{
    return (struct wend_bytes){text, len};
}

static void x25519_public(void)
{
    private_key[5]++;
    wend_x25519_public(private_key, public_key);
}

static void x25519(void)
{
    private_key[5]++;
    failures += wend_x25519(private_key, public_key, hash[0]) != 0;
}

static void ed25519_public(void)
{
    wend_ed25519_public(seed, verify_key);
}

static void ed25519_sign(void)
{
    text[0]++;
    wend_ed25519_sign(seed, text_of(200), signature);
}

static void ed25519_verify(void)
{
    failures += wend_ed25519_verify(verify_key, text_of(200), signature) != 0;
}

static void blake2s_64(void)
{
    wend_blake2s(&(struct wend_bytes){text, 64}, 1, hash[0]);
}

static void blake2s_300(void)
{
    wend_blake2s(&(struct wend_bytes){text, 300}, 1, hash[0]);
}

static void blake2s_mac_148(void)
{
    wend_blake2s_mac(WEND_BYTES(private_key), text_of(148), hash[0]);
}

static void hmac_32(void)
{
    wend_hmac_blake2s(WEND_BYTES(private_key), text_of(32), hash[0]);
}

static void hkdf_2(void)
{
    wend_hkdf(private_key, text_of(32), hash, 2);
}

static void seal_32(void)
{
    wend_aead_seal(private_key, 0, text_of(32), text_of(32), sealed);
}

static void init_close(void)
{
    struct wend_aead a;
    failures += wend_aead_init(&a, private_key) != 0;
    wend_aead_close(&a);
}

static void packet_100(void)
{
    wend_aead_seal_packet(&aead, 1, text_of(100), sealed);
    failures += wend_aead_open_packet(&aead, 1, (struct wend_bytes){sealed, 116}, sealed) != 0;
}

static void packet_1400(void)
{
    wend_aead_seal_packet(&aead, 1, text_of(1400), sealed);
    failures += wend_aead_open_packet(&aead, 1, (struct wend_bytes){sealed, 1416}, sealed) != 0;
}

static void random_480(void)
{
    wend_random_bytes(&source, text, 480);
}

static void wipe_32(void)
{
    wend_wipe(hash[0], 32);
}

static const struct job {
    const char *name;
    void (*run)(void);
    unsigned count;
} jobs[] = {
    {"x25519 public key", x25519_public, 500},
    {"x25519", x25519, 500},
    {"ed25519 public key", ed25519_public, 500},
    {"ed25519 sign 200 bytes", ed25519_sign, 500},
    {"ed25519 verify 200 bytes", ed25519_verify, 200},
    {"blake2s 64 bytes", blake2s_64, 20000},
    {"blake2s 300 bytes", blake2s_300, 20000},
    {"blake2s mac 148 bytes", blake2s_mac_148, 20000},
    {"hmac 32 bytes", hmac_32, 20000},
    {"hkdf, 2 outputs", hkdf_2, 5000},
    {"aead seal 32 bytes, new key", seal_32, 20000},
    {"aead context, init and close", init_close, 20000},
    {"packet of 100, sealed and opened", packet_100, 20000},
    {"packet of 1400, sealed and opened", packet_1400, 20000},
    {"random 480 bytes", random_480, 20000},
    {"wipe 32 bytes", wipe_32, 20000},
};

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static double measure(const struct job *job)
{
    double best = 1e18;
    for (int round = 0; round < ROUNDS; round++) {
        const double begun = now();
        for (unsigned i = 0; i < job->count; i++)
            job->run();
        const double each = (now() - begun) / job->count;
        best = each < best ? each : best;
    }
    return best;
}

int main(void)
{
    if (wend_crypto_init() != 0 || wend_aead_init(&aead, private_key) != 0)
        return 1;
    wend_random_init(&source, seed);
    for (size_t i = 0; i < sizeof(jobs) / sizeof(*jobs); i++)
        printf("%-36s %9.0f ns\n", jobs[i].name, measure(&jobs[i]));
    wend_aead_close(&aead);
    return failures > 0;
}
