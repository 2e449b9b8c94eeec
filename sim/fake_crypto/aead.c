// SPDX-License-Identifier: MIT
// Sealing with a hash: 16 bytes of pad, the same for each 16 bytes of text, and a tag over key,
// counter, associated data and text. A key is one word, which a context holds in the place of its
// pointer, so that making one allocates nothing.
#include "crypto/aead.h"

#include <errno.h>
#include <string.h>

#include "base/assert.h"
#include "crypto/crypto.h"
#include "mix.h"

_Static_assert(sizeof(void *) == sizeof(uint64_t), "a context's pointer holds the key's word");

struct seal {
    struct mix tag;
    uint64_t pad[2];
};

static struct seal start(uint64_t key, uint64_t counter, struct wend_bytes ad)
{
    struct seal s = {.tag = mix_start(MIX_AEAD, key)};
    mix_words(&s.tag, counter, key);
    s.pad[0] = mix_fold(s.tag.a ^ MIX_D, s.tag.b ^ MIX_C);
    s.pad[1] = mix_fold(s.tag.b ^ MIX_D, s.tag.a);
    wend_fake_mix(&s.tag, ad);
    return s;
}

// Pads whole blocks of 16 bytes; `hide`: what is read is the plain text, else what is written.
// `out` may be `in`. State and pad are kept in registers.
static inline void pad_blocks(struct seal *s, const uint8_t *in, uint8_t *out, size_t len,
                              bool hide)
{
    const uint64_t pad = s->pad[0], second_pad = s->pad[1];
    struct mix tag = s->tag;
    for (size_t at = 0; at < len; at += 16) {
        const uint64_t first = mix_load(in + at), second = mix_load(in + at + 8);
        const uint64_t other = first ^ pad, other_second = second ^ second_pad;
        mix_words(&tag, hide ? first : other, hide ? second : other_second);
        mix_store(out + at, other);
        mix_store(out + at + 8, other_second);
    }
    s->tag = tag;
}

// The last bytes: the pad's rest is no part of the text.
static void pad_rest(struct seal *s, struct wend_bytes in, uint8_t *out, bool hide)
{
    uint8_t pad[16], text[16] = {0};
    mix_store(pad, s->pad[0]);
    mix_store(pad + 8, s->pad[1]);
    for (size_t i = 0; i < in.len; i++) {
        const uint8_t other = in.at[i] ^ pad[i];
        text[i] = hide ? in.at[i] : other;
        out[i] = other;
    }
    mix_words(&s->tag, mix_load(text), mix_load(text + 8));
}

static inline void pad_text(struct seal *s, struct wend_bytes in, uint8_t *out, bool hide)
{
    const size_t whole = in.len / 16 * 16;
    pad_blocks(s, in.at, out, whole, hide);
    if (whole < in.len)
        pad_rest(s, (struct wend_bytes){in.at + whole, in.len - whole}, out + whole, hide);
    mix_words(&s->tag, in.len, MIX_C);
}

static void write_tag(const struct seal *s, uint8_t ret[static WEND_AEAD_TAG_LEN])
{
    wend_fake_expand(&s->tag, ret, WEND_AEAD_TAG_LEN);
}

static void seal(uint64_t key, uint64_t counter, const struct wend_bytes both[static 2],
                 uint8_t *out)
{
    const struct wend_bytes ad = both[0], in = both[1];
    wend_assert(in.len <= WEND_AEAD_TEXT_LEN_MAX && ad.len <= WEND_AEAD_TEXT_LEN_MAX);
    struct seal s = start(key, counter, ad);
    pad_text(&s, in, out, true);
    write_tag(&s, out + in.len);
}

static int unseal(uint64_t key, uint64_t counter, const struct wend_bytes both[static 2],
                  uint8_t *out)
{
    const struct wend_bytes ad = both[0], in = both[1];
    uint8_t tag[WEND_AEAD_TAG_LEN], expected[WEND_AEAD_TAG_LEN];
    if (in.len < WEND_AEAD_TAG_LEN || in.len > WEND_AEAD_TEXT_LEN_MAX + WEND_AEAD_TAG_LEN)
        return -EBADMSG;
    wend_assert(ad.len <= WEND_AEAD_TEXT_LEN_MAX);
    const struct wend_bytes text = {in.at, in.len - WEND_AEAD_TAG_LEN};
    memcpy(tag, in.at + text.len, sizeof(tag));
    struct seal s = start(key, counter, ad);
    pad_text(&s, text, out, false);
    write_tag(&s, expected);
    if (memcmp(tag, expected, sizeof(tag)) == 0)
        return 0;
    if (text.len > 0)
        memset(out, 0, text.len);
    return -EBADMSG;
}

void wend_aead_seal(const uint8_t key[static WEND_AEAD_KEY_LEN], uint64_t counter,
                    struct wend_bytes ad, struct wend_bytes in, uint8_t *out)
{
    seal(wend_fake_key_word(key), counter, (struct wend_bytes[]){ad, in}, out);
}

int wend_aead_open(const uint8_t key[static WEND_AEAD_KEY_LEN], uint64_t counter,
                   struct wend_bytes ad, struct wend_bytes in, uint8_t *out)
{
    return unseal(wend_fake_key_word(key), counter, (struct wend_bytes[]){ad, in}, out);
}

// Key and the first 16 bytes of the nonce make a key; the last 8 bytes are the counter.
static uint64_t extended_key(const uint8_t key[static WEND_AEAD_KEY_LEN],
                             const uint8_t nonce[static WEND_XAEAD_NONCE_LEN])
{
    struct mix m = mix_start(MIX_XAEAD, wend_fake_key_word(key));
    mix_words(&m, mix_load(nonce), mix_load(nonce + 8));
    return mix_fold(m.a, m.b ^ MIX_C);
}

void wend_xaead_seal(const uint8_t key[static WEND_AEAD_KEY_LEN],
                     const uint8_t nonce[static WEND_XAEAD_NONCE_LEN], struct wend_bytes ad,
                     struct wend_bytes in, uint8_t *out)
{
    seal(extended_key(key, nonce), mix_load(nonce + 16), (struct wend_bytes[]){ad, in}, out);
}

int wend_xaead_open(const uint8_t key[static WEND_AEAD_KEY_LEN],
                    const uint8_t nonce[static WEND_XAEAD_NONCE_LEN], struct wend_bytes ad,
                    struct wend_bytes in, uint8_t *out)
{
    return unseal(extended_key(key, nonce), mix_load(nonce + 16), (struct wend_bytes[]){ad, in},
                  out);
}

int wend_aead_init(struct wend_aead *a, const uint8_t key[static WEND_AEAD_KEY_LEN])
{
    a->context = (struct evp_cipher_ctx_st *)(uintptr_t)wend_fake_key_word(key);
    return 0;
}

void wend_aead_close(struct wend_aead *a)
{
    a->context = NULL;
}

void wend_aead_seal_packet(struct wend_aead *a, uint64_t counter, struct wend_bytes in,
                           uint8_t *out)
{
    wend_assert(a->context != NULL);
    seal((uintptr_t)a->context, counter, (struct wend_bytes[]){{0}, in}, out);
}

int wend_aead_open_packet(struct wend_aead *a, uint64_t counter, struct wend_bytes in, uint8_t *out)
{
    wend_assert(a->context != NULL);
    return unseal((uintptr_t)a->context, counter, (struct wend_bytes[]){{0}, in}, out);
}
