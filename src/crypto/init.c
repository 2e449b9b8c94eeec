// SPDX-License-Identifier: MIT
#include "crypto/internal.h"

#include "base/assert.h"
#include "crypto/crypto.h"

#include <errno.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/params.h>

// Written once under `once`, then only read. Never freed: threads may use them until the end.
static struct {
    EVP_MD *blake2s;
    EVP_MD *md5;
    EVP_MAC *blake2s_mac;
    EVP_MAC *hmac;
    EVP_CIPHER *chacha20;
    EVP_CIPHER *aead;
    CRYPTO_THREAD_LOCAL scratch;
    int status; // what wend_crypto_init returns
} shared;

static CRYPTO_ONCE once = CRYPTO_ONCE_STATIC_INIT;

const uint8_t wend_zero_key[32];

static void close_scratch(void *value)
{
    struct scratch *s = value;
    if (s == NULL)
        return;
    EVP_MD_CTX_free(s->digest);
    EVP_MAC_CTX_free(s->blake2s_mac);
    EVP_MAC_CTX_free(s->hmac_sha1);
    EVP_MAC_CTX_free(s->hmac_sha256);
    EVP_CIPHER_CTX_free(s->chacha20);
    EVP_CIPHER_CTX_free(s->aead);
    EVP_PKEY_CTX_free(s->x25519);
    EVP_PKEY_free(s->x25519_peer);
    OPENSSL_free(s);
}

static void fetch_all(void)
{
    shared.blake2s = EVP_MD_fetch(NULL, "BLAKE2S-256", NULL);
    shared.md5 = EVP_MD_fetch(NULL, "MD5", NULL);
    shared.blake2s_mac = EVP_MAC_fetch(NULL, "BLAKE2SMAC", NULL);
    shared.hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    shared.chacha20 = EVP_CIPHER_fetch(NULL, "ChaCha20", NULL);
    shared.aead = EVP_CIPHER_fetch(NULL, "ChaCha20-Poly1305", NULL);
    const bool all = shared.blake2s != NULL && shared.md5 != NULL && shared.blake2s_mac != NULL &&
                     shared.hmac != NULL && shared.chacha20 != NULL && shared.aead != NULL &&
                     CRYPTO_THREAD_init_local(&shared.scratch, close_scratch) == 1;
    shared.status = all ? 0 : -ENOTSUP;
}

int wend_crypto_init(void)
{
    if (CRYPTO_THREAD_run_once(&once, fetch_all) != 1)
        return -ENOTSUP;
    return shared.status;
}

// A keyless context for a MAC with one parameter that stays; NULL when libcrypto refuses.
static EVP_MAC_CTX *new_mac(EVP_MAC *mac, OSSL_PARAM parameter)
{
    const OSSL_PARAM params[] = {parameter, OSSL_PARAM_construct_end()};
    EVP_MAC_CTX *context = EVP_MAC_CTX_new(mac);
    if (context != NULL && EVP_MAC_CTX_set_params(context, params) != 1) {
        EVP_MAC_CTX_free(context);
        return NULL;
    }
    return context;
}

static EVP_MAC_CTX *new_hmac(char *digest)
{
    return new_mac(shared.hmac, OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0));
}

static EVP_CIPHER_CTX *new_cipher(const EVP_CIPHER *cipher)
{
    static const uint8_t iv[16];
    EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
    if (context != NULL && EVP_EncryptInit_ex2(context, cipher, wend_zero_key, iv, NULL) != 1) {
        EVP_CIPHER_CTX_free(context);
        return NULL;
    }
    return context;
}

EVP_CIPHER_CTX *wend_crypto_new_aead(void)
{
    return wend_crypto_init() == 0 ? new_cipher(shared.aead) : NULL;
}

static bool is_whole(const struct scratch *s)
{
    return s->digest != NULL && s->blake2s_mac != NULL && s->hmac_sha1 != NULL &&
           s->hmac_sha256 != NULL && s->chacha20 != NULL && s->aead != NULL && s->x25519 != NULL &&
           s->x25519_peer != NULL;
}

static struct scratch *new_scratch(void)
{
    char sha1[] = "SHA1", sha256[] = "SHA256";
    size_t mac_len = WEND_BLAKE2S_MAC_LEN;
    struct scratch *s = OPENSSL_zalloc(sizeof(*s));
    wend_assert(s != NULL);
    s->blake2s = shared.blake2s;
    s->md5 = shared.md5;
    s->digest = EVP_MD_CTX_new();
    s->blake2s_mac =
        new_mac(shared.blake2s_mac, OSSL_PARAM_construct_size_t(OSSL_MAC_PARAM_SIZE, &mac_len));
    s->hmac_sha1 = new_hmac(sha1);
    s->hmac_sha256 = new_hmac(sha256);
    s->chacha20 = new_cipher(shared.chacha20);
    s->aead = new_cipher(shared.aead);
    s->x25519 = EVP_PKEY_CTX_new_from_name(NULL, "X25519", NULL);
    s->x25519_peer = EVP_PKEY_new_raw_public_key_ex(NULL, "X25519", NULL, wend_zero_key, 32);
    wend_assert(is_whole(s));
    return s;
}

struct scratch *wend_crypto_scratch(void)
{
    const int status = wend_crypto_init();
    wend_assert(status == 0);
    struct scratch *s = CRYPTO_THREAD_get_local(&shared.scratch);
    if (s == NULL) {
        s = new_scratch();
        const int kept = CRYPTO_THREAD_set_local(&shared.scratch, s);
        wend_assert(kept == 1);
    }
    return s;
}

void wend_wipe(void *at, size_t len)
{
    OPENSSL_cleanse(at, len);
}

bool wend_equal(const void *a, const void *b, size_t len)
{
    return CRYPTO_memcmp(a, b, len) == 0;
}
