// SPDX-License-Identifier: MIT
// X25519 and Ed25519. Key objects are made for each use: libcrypto allocates them, and wipes
// private ones when they are freed. Only the other side's public key goes into an object that each
// thread keeps.
#include "crypto/crypto.h"

#include "base/assert.h"
#include "crypto/internal.h"

#include <errno.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/params.h>
#include <string.h>

static EVP_PKEY *public_key_of(const char *type, const uint8_t key[static 32])
{
    EVP_PKEY *object = EVP_PKEY_new_raw_public_key_ex(NULL, type, NULL, key, 32);
    wend_assert(object != NULL);
    return object;
}

static EVP_PKEY *private_key_of(const char *type, const uint8_t key[static 32])
{
    EVP_PKEY *object = EVP_PKEY_new_raw_private_key_ex(NULL, type, NULL, key, 32);
    wend_assert(object != NULL);
    return object;
}

static void read_public(EVP_PKEY *object, uint8_t ret[static 32])
{
    size_t len = 32;
    const int ok = EVP_PKEY_get_raw_public_key(object, ret, &len);
    wend_assert(ok == 1 && len == 32);
}

// A private key for derivation alone. Made from the private key, libcrypto would also compute the
// public one, which takes as long as the derivation itself and is not used by it; so it is told
// that the public key is zero. Such an object never leaves this file.
static EVP_PKEY *derivation_key_of(const uint8_t private_key[static WEND_X25519_LEN])
{
    EVP_PKEY_CTX *context = wend_crypto_scratch()->x25519;
    uint8_t own[WEND_X25519_LEN], zero[WEND_X25519_LEN] = {0};
    memcpy(own, private_key, sizeof(own));
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PRIV_KEY, own, sizeof(own)),
        OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, zero, sizeof(zero)),
        OSSL_PARAM_construct_end(),
    };
    EVP_PKEY *object = NULL;
    bool ok = EVP_PKEY_fromdata_init(context) == 1;
    ok = ok && EVP_PKEY_fromdata(context, &object, EVP_PKEY_KEYPAIR, params) == 1;
    wend_wipe(own, sizeof(own));
    wend_assert(ok && object != NULL);
    return object;
}

int wend_x25519(const uint8_t private_key[static WEND_X25519_LEN],
                const uint8_t public_key[static WEND_X25519_LEN],
                uint8_t ret_shared[static WEND_X25519_LEN])
{
    EVP_PKEY *own = derivation_key_of(private_key);
    EVP_PKEY *peer = wend_crypto_scratch()->x25519_peer;
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_pkey(NULL, own, NULL);
    bool ok = EVP_PKEY_set1_encoded_public_key(peer, public_key, WEND_X25519_LEN) == 1;
    ok = ok && context != NULL && EVP_PKEY_derive_init(context) == 1;
    ok = ok && EVP_PKEY_derive_set_peer_ex(context, peer, 0) == 1;
    wend_assert(ok);

    uint8_t result[WEND_X25519_LEN];
    size_t len = sizeof(result);
    ERR_set_mark();
    const bool is_good = EVP_PKEY_derive(context, result, &len) == 1; // refuses the zero result
    ERR_pop_to_mark();
    if (is_good)
        memcpy(ret_shared, result, sizeof(result));
    wend_wipe(result, sizeof(result));
    EVP_PKEY_CTX_free(context);
    EVP_PKEY_free(own);
    return is_good ? 0 : -EBADMSG;
}

// RFC 7748 section 6.1: what is shared with the base point. libcrypto would compute it too when it
// makes a key object, in more time.
void wend_x25519_public(const uint8_t private_key[static WEND_X25519_LEN],
                        uint8_t ret_public[static WEND_X25519_LEN])
{
    static const uint8_t base_point[WEND_X25519_LEN] = {9};
    const int error = wend_x25519(private_key, base_point, ret_public);
    wend_assert(error == 0);
}

void wend_ed25519_public(const uint8_t seed[static WEND_ED25519_LEN],
                         uint8_t ret_public[static WEND_ED25519_LEN])
{
    EVP_PKEY *object = private_key_of("ED25519", seed);
    read_public(object, ret_public);
    EVP_PKEY_free(object);
}

void wend_ed25519_sign(const uint8_t seed[static WEND_ED25519_LEN], struct wend_bytes in,
                       uint8_t ret_signature[static WEND_SIGNATURE_LEN])
{
    EVP_PKEY *object = private_key_of("ED25519", seed);
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    size_t len = WEND_SIGNATURE_LEN;
    bool ok = context != NULL &&
              EVP_DigestSignInit_ex(context, NULL, NULL, NULL, NULL, object, NULL) == 1;
    ok = ok && EVP_DigestSign(context, ret_signature, &len, in.at, in.len) == 1;
    wend_assert(ok && len == WEND_SIGNATURE_LEN);
    EVP_MD_CTX_free(context);
    EVP_PKEY_free(object);
}

int wend_ed25519_verify(const uint8_t public_key[static WEND_ED25519_LEN], struct wend_bytes in,
                        const uint8_t signature[static WEND_SIGNATURE_LEN])
{
    EVP_PKEY *object = public_key_of("ED25519", public_key);
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    const bool ok = context != NULL &&
                    EVP_DigestVerifyInit_ex(context, NULL, NULL, NULL, NULL, object, NULL) == 1;
    wend_assert(ok);
    ERR_set_mark();
    const bool is_good =
        EVP_DigestVerify(context, signature, WEND_SIGNATURE_LEN, in.at, in.len) == 1;
    ERR_pop_to_mark();
    EVP_MD_CTX_free(context);
    EVP_PKEY_free(object);
    return is_good ? 0 : -EBADMSG;
}
