// SPDX-License-Identifier: MIT
// The functions of src/crypto under other names, for what stands in its place in the simulator and
// wants one of them all the same: src/crypto's files, compiled with this header before anything
// else (library wend_crypto_renamed).
#ifndef WEND_SIM_REAL_CRYPTO_H
#define WEND_SIM_REAL_CRYPTO_H

#define wend_aead_close       wend_real_aead_close
#define wend_aead_init        wend_real_aead_init
#define wend_aead_open        wend_real_aead_open
#define wend_aead_open_packet wend_real_aead_open_packet
#define wend_aead_seal        wend_real_aead_seal
#define wend_aead_seal_packet wend_real_aead_seal_packet
#define wend_blake2s          wend_real_blake2s
#define wend_blake2s_mac      wend_real_blake2s_mac
#define wend_crypto_init      wend_real_crypto_init
#define wend_crypto_keystream wend_real_crypto_keystream
#define wend_crypto_new_aead  wend_real_crypto_new_aead
#define wend_crypto_scratch   wend_real_crypto_scratch
#define wend_ed25519_public   wend_real_ed25519_public
#define wend_ed25519_sign     wend_real_ed25519_sign
#define wend_ed25519_verify   wend_real_ed25519_verify
#define wend_equal            wend_real_equal
#define wend_hkdf             wend_real_hkdf
#define wend_hmac_blake2s     wend_real_hmac_blake2s
#define wend_hmac_sha1        wend_real_hmac_sha1
#define wend_hmac_sha256      wend_real_hmac_sha256
#define wend_md5              wend_real_md5
#define wend_random_below     wend_real_random_below
#define wend_random_bytes     wend_real_random_bytes
#define wend_random_close     wend_real_random_close
#define wend_random_init      wend_real_random_init
#define wend_random_stir      wend_real_random_stir
#define wend_random_u32       wend_real_random_u32
#define wend_random_u64       wend_real_random_u64
#define wend_wipe             wend_real_wipe
#define wend_x25519           wend_real_x25519
#define wend_x25519_public    wend_real_x25519_public
#define wend_xaead_open       wend_real_xaead_open
#define wend_xaead_seal       wend_real_xaead_seal
#define wend_zero_key         wend_real_zero_key

#endif
