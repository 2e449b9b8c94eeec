// SPDX-License-Identifier: MIT
// How one packet goes through libcrypto: init with the nonce alone keeps the key; associated data
// is an update without output; the tag is read after, or given before. Reading it as a parameter
// is cheaper than by EVP_CIPHER_CTX_ctrl, which matters at a microsecond a packet.
#include "crypto/aead.h"

#include "base/assert.h"
#include "crypto/crypto.h"
#include "crypto/internal.h"

#include <errno.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/params.h>
#include <string.h>

#define NONCE_LEN 12

struct nonce {
    uint8_t at[NONCE_LEN];
};

static struct nonce nonce_of(uint64_t counter)
{
    struct nonce n = {{0}};
    wend_put_u64le(n.at + 4, counter);
    return n;
}

// One text to seal or open.
struct job {
    EVP_CIPHER_CTX *context;
    const uint8_t *key; // NULL: the one that the context has
    struct nonce nonce;
    struct wend_bytes ad;
    struct wend_bytes in;
    uint8_t *out;
};

// Feeds associated data (`out` is NULL) or text.
static bool update(EVP_CIPHER_CTX *context, uint8_t *out, struct wend_bytes in)
{
    int len;
    return in.len == 0 || EVP_CipherUpdate(context, out, &len, in.at, (int)in.len) == 1;
}

static void seal(const struct job *j)
{
    wend_assert(j->in.len <= WEND_AEAD_TEXT_LEN_MAX && j->ad.len <= WEND_AEAD_TEXT_LEN_MAX);
    uint8_t none[16];
    int none_len;
    OSSL_PARAM tag[] = {
        OSSL_PARAM_construct_octet_string(OSSL_CIPHER_PARAM_AEAD_TAG, j->out + j->in.len,
                                          WEND_AEAD_TAG_LEN),
        OSSL_PARAM_construct_end(),
    };
    bool ok = EVP_EncryptInit_ex2(j->context, NULL, j->key, j->nonce.at, NULL) == 1;
    ok = ok && update(j->context, NULL, j->ad) && update(j->context, j->out, j->in);
    ok = ok && EVP_EncryptFinal_ex(j->context, none, &none_len) == 1;
    ok = ok && EVP_CIPHER_CTX_get_params(j->context, tag) == 1;
    wend_assert(ok);
}

// libcrypto writes the text before it knows the tag; a failure wipes it.
static int unseal(const struct job *j)
{
    if (j->in.len < WEND_AEAD_TAG_LEN || j->in.len > WEND_AEAD_TEXT_LEN_MAX + WEND_AEAD_TAG_LEN)
        return -EBADMSG;
    wend_assert(j->ad.len <= WEND_AEAD_TEXT_LEN_MAX);
    const struct wend_bytes text = {j->in.at, j->in.len - WEND_AEAD_TAG_LEN};
    uint8_t expected[WEND_AEAD_TAG_LEN], none[16];
    int none_len;
    memcpy(expected, j->in.at + text.len, sizeof(expected));
    const OSSL_PARAM tag[] = {
        OSSL_PARAM_construct_octet_string(OSSL_CIPHER_PARAM_AEAD_TAG, expected, sizeof(expected)),
        OSSL_PARAM_construct_end(),
    };
    bool ok = EVP_DecryptInit_ex2(j->context, NULL, j->key, j->nonce.at, tag) == 1;
    ok = ok && update(j->context, NULL, j->ad) && update(j->context, j->out, text);
    wend_assert(ok);
    if (EVP_DecryptFinal_ex(j->context, none, &none_len) == 1)
        return 0;
    if (text.len > 0)
        wend_wipe(j->out, text.len);
    return -EBADMSG;
}

// The thread's context, with a key of its own for one job.
static void forget_key(EVP_CIPHER_CTX *context)
{
    const int ok = EVP_EncryptInit_ex2(context, NULL, wend_zero_key, NULL, NULL);
    wend_assert(ok == 1);
}

void wend_aead_seal(const uint8_t key[static WEND_AEAD_KEY_LEN], uint64_t counter,
                    struct wend_bytes ad, struct wend_bytes in, uint8_t *out)
{
    EVP_CIPHER_CTX *context = wend_crypto_scratch()->aead;
    seal(&(struct job){context, key, nonce_of(counter), ad, in, out});
    forget_key(context);
}

int wend_aead_open(const uint8_t key[static WEND_AEAD_KEY_LEN], uint64_t counter,
                   struct wend_bytes ad, struct wend_bytes in, uint8_t *out)
{
    EVP_CIPHER_CTX *context = wend_crypto_scratch()->aead;
    const int status = unseal(&(struct job){context, key, nonce_of(counter), ad, in, out});
    forget_key(context);
    return status;
}

int wend_aead_init(struct wend_aead *a, const uint8_t key[static WEND_AEAD_KEY_LEN])
{
    static const struct nonce zero;
    a->context = wend_crypto_new_aead();
    if (a->context != NULL && EVP_EncryptInit_ex2(a->context, NULL, key, zero.at, NULL) != 1)
        wend_aead_close(a);
    return a->context != NULL ? 0 : -ENOMEM;
}

void wend_aead_close(struct wend_aead *a)
{
    EVP_CIPHER_CTX_free(a->context);
    a->context = NULL;
}

void wend_aead_seal_packet(struct wend_aead *a, uint64_t counter, struct wend_bytes in,
                           uint8_t *out)
{
    seal(&(struct job){.context = a->context, .nonce = nonce_of(counter), .in = in, .out = out});
}

int wend_aead_open_packet(struct wend_aead *a, uint64_t counter, struct wend_bytes in, uint8_t *out)
{
    return unseal(
        &(struct job){.context = a->context, .nonce = nonce_of(counter), .in = in, .out = out});
}

void wend_crypto_keystream(const uint8_t key[static 32], const uint8_t iv[static 16], uint8_t *ret,
                           size_t len)
{
    EVP_CIPHER_CTX *context = wend_crypto_scratch()->chacha20;
    memset(ret, 0, len);
    bool ok = EVP_EncryptInit_ex2(context, NULL, key, iv, NULL) == 1;
    ok = ok && update(context, ret, (struct wend_bytes){ret, len});
    ok = ok && EVP_EncryptInit_ex2(context, NULL, wend_zero_key, NULL, NULL) == 1;
    wend_assert(ok);
}
