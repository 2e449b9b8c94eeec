// SPDX-License-Identifier: MIT
// Known answers: WireGuard's two messages and wend's, made independently by
// tests/interop/noise_reference.py, and the IKpsk2 vector of the Noise implementations cacophony
// and snow. Then what must not open.
#include "unit.h"

#define LABEL_UNIX_NS UINT64_C(1700000000123456789)

struct known {
    struct wend_prologue prologue;
    const uint8_t *psk;    // NULL: zero
    const uint8_t *cookie; // NULL: none
    struct wend_bytes initiator_attributes, responder_attributes;
    struct wend_bytes initiation, response;
    const uint8_t *initiator_data, *responder_data, *initiator_control, *responder_control, *hash;
};

#define KNOWN(name)                                                                                \
    {                                                                                              \
        .initiation = {vector_##name##_initiation, sizeof vector_##name##_initiation},             \
        .response = {vector_##name##_response, sizeof vector_##name##_response},                   \
        .initiator_data = vector_##name##_initiator_data,                                          \
        .responder_data = vector_##name##_responder_data,                                          \
        .initiator_control = vector_##name##_initiator_control,                                    \
        .responder_control = vector_##name##_responder_control,                                    \
        .hash = vector_##name##_handshake_hash,                                                    \
    }

static void set_psk(struct unit_devices *d, const uint8_t *psk)
{
    if (psk) {
        memcpy(d->to_responder.preshared, psk, 32);
        memcpy(d->to_initiator.preshared, psk, 32);
    }
}

static void check_keys(const struct wend_keys *keys, const struct known *k, bool initiator)
{
    assert_int_equal(keys->local_index, initiator ? 0x01020304 : 0xa1b2c3d4);
    assert_int_equal(keys->remote_index, initiator ? 0xa1b2c3d4 : 0x01020304);
    assert_int_equal(keys->initiator, initiator);
    assert_memory_equal(keys->send_key, initiator ? k->initiator_data : k->responder_data, 32);
    assert_memory_equal(keys->receive_key, initiator ? k->responder_data : k->initiator_data, 32);
    assert_memory_equal(keys->control_send_key,
                        initiator ? k->initiator_control : k->responder_control, 32);
    assert_memory_equal(keys->control_receive_key,
                        initiator ? k->responder_control : k->initiator_control, 32);
    assert_memory_equal(keys->handshake_hash, k->hash, 32);
}

static void make_initiation(const struct unit_devices *d, const struct known *k,
                            struct wend_handshake *ret)
{
    uint8_t out[WEND_INITIATION_MAX];
    const struct wend_parties parties = {&k->prologue, &d->initiator, &d->to_responder};
    struct wend_handshake_input input = {
        .local_index = 0x01020304,
        .label = wend_label_of(LABEL_UNIX_NS),
        .attributes = k->initiator_attributes,
        .cookie = k->cookie,
        .out = out,
        .out_max = sizeof out,
    };
    memcpy(input.ephemeral, vector_initiator_ephemeral, 32);
    const int len = wend_initiation_create(&parties, &input, ret);
    assert_int_equal(len, k->initiation.len);
    assert_memory_equal(out, k->initiation.at, k->initiation.len);

    input.out_max = k->initiation.len - 1;
    assert_int_equal(wend_initiation_create(&parties, &input, ret), -ENOBUFS);
}

static void make_response(const struct unit_devices *d, const struct known *k)
{
    struct wend_initiation i;
    struct wend_parties parties = {&k->prologue, &d->responder, NULL};
    assert_int_equal(wend_initiation_open_static(&parties, k->initiation, &i), WEND_DROP_NONE);
    assert_memory_equal(i.remote_static, d->initiator.public_key, 32);
    assert_int_equal(i.remote_index, 0x01020304);
    assert_int_equal(wend_initiation_open_payload(&parties, &i), WEND_DROP_NONE);
    assert_memory_equal(i.label.bytes, wend_label_of(LABEL_UNIX_NS).bytes, WEND_LABEL_LEN);
    assert_true(wend_bytes_equal(wend_initiation_attributes(&i), k->initiator_attributes));
    struct wend_remote remote;
    wend_remote_from_initiation(&remote, &i);
    memcpy(remote.preshared, d->to_initiator.preshared, 32);
    assert_memory_equal(&remote, &d->to_initiator, sizeof remote);

    uint8_t out[WEND_RESPONSE_MAX];
    struct wend_handshake_input input = {
        .local_index = 0xa1b2c3d4,
        .attributes = k->responder_attributes,
        .out = out,
        .out_max = sizeof out,
    };
    memcpy(input.ephemeral, vector_responder_ephemeral, 32);
    parties.remote = &remote;
    struct wend_keys keys;
    const int len = wend_response_create(&parties, &i, &input, &keys);
    assert_int_equal(len, k->response.len);
    assert_memory_equal(out, k->response.at, k->response.len);
    check_keys(&keys, k, false);
    input.out_max = k->response.len - 1;
    assert_int_equal(wend_response_create(&parties, &i, &input, &keys), -ENOBUFS);
}

static void open_response(const struct unit_devices *d, const struct known *k,
                          const struct wend_handshake *h)
{
    const struct wend_parties parties = {&k->prologue, &d->initiator, &d->to_responder};
    struct wend_response response;
    struct wend_keys keys;
    assert_int_equal(wend_response_open(&parties, h, k->response, &response, &keys),
                     WEND_DROP_NONE);
    assert_true(wend_bytes_equal((struct wend_bytes){response.attributes, response.attributes_len},
                                 k->responder_attributes));
    check_keys(&keys, k, true);
    struct wend_handshake other = *h;
    other.local_index++;
    assert_int_equal(wend_response_open(&parties, &other, k->response, &response, &keys),
                     WEND_DROP_NO_SESSION);
}

static void run(const struct known *k)
{
    struct unit_devices d;
    struct wend_handshake h;
    unit_devices_init(&d);
    set_psk(&d, k->psk);
    make_initiation(&d, k, &h);
    make_response(&d, k);
    open_response(&d, k, &h);
}

static void test_wireguard(void **state)
{
    (void)state;
    struct known k = KNOWN(wireguard);
    assert_int_equal(k.initiation.len, 148);
    assert_int_equal(k.response.len, 92);
    wend_prologue_wireguard(&k.prologue);
    run(&k);
}

static void test_wireguard_with_psk_and_cookie(void **state)
{
    (void)state;
    struct known k = KNOWN(wireguard_psk);
    wend_prologue_wireguard(&k.prologue);
    k.psk = vector_psk;
    k.cookie = vector_cookie;
    run(&k);
}

static void test_server(void **state)
{
    (void)state;
    static const uint8_t one[] = {1};
    struct known k = KNOWN(server);
    wend_prologue_server(&k.prologue);
    k.initiator_attributes = (struct wend_bytes){vector_capabilities, 20};
    k.responder_attributes = UNIT_BYTES(one);
    run(&k);
}

static void test_peer_with_longest_payloads(void **state)
{
    (void)state;
    uint8_t first[WEND_ATTRIBUTES_LEN_MAX + 1], second[WEND_MESSAGE_PAYLOAD_MAX];
    for (size_t i = 0; i < 31; i++)
        memcpy(first + 32 * i, vector_a, 32);
    memcpy(first + 32 * 31, vector_b, 20);
    for (size_t i = 0; i < 32; i++)
        memcpy(second + 32 * i, vector_c, 32);
    struct known k = KNOWN(peer);
    wend_prologue_peer(&k.prologue, vector_network);
    k.psk = vector_psk;
    k.initiator_attributes = (struct wend_bytes){first, WEND_ATTRIBUTES_LEN_MAX};
    k.responder_attributes = UNIT_BYTES(second);
    run(&k);

    struct unit_devices d;
    uint8_t out[WEND_INITIATION_MAX + 100];
    unit_devices_init(&d);
    const struct wend_parties parties = {&k.prologue, &d.initiator, &d.to_responder};
    const struct wend_handshake_input input = {
        .local_index = 1, .attributes = UNIT_BYTES(first), .out = out, .out_max = sizeof out};
    struct wend_handshake h;
    assert_int_equal(wend_initiation_create(&parties, &input, &h), -ENOBUFS);
}

// The vector's payloads are arbitrary bytes; its first one is long enough to hold what we call a
// label. Its messages are ours without indexes and macs. Its handshake_hash is not compared: it is
// the hash as it stands after the responder's ephemeral, not the final one of noise.md
// section 11.2.
static const char noise_psk[] = "This is my Austrian perspective!", noise_name[] = "John Galt";
static const char noise_first[] = "Ludwig von Mises", noise_second[] = "Murray Rothbard";
static const uint8_t noise_i_static[] = {
    0xe6, 0x1e, 0xf9, 0x91, 0x9c, 0xde, 0x45, 0xdd, 0x5f, 0x82, 0x16, 0x64, 0x04, 0xbd, 0x08, 0xe3,
    0x8b, 0xce, 0xb5, 0xdf, 0xdf, 0xde, 0xd0, 0xa3, 0x4c, 0x8d, 0xf7, 0xed, 0x54, 0x22, 0x14, 0xd1,
};
static const uint8_t noise_i_ephemeral[] = {
    0x89, 0x3e, 0x28, 0xb9, 0xdc, 0x6c, 0xa8, 0xd6, 0x11, 0xab, 0x66, 0x47, 0x54, 0xb8, 0xce, 0xb7,
    0xba, 0xc5, 0x11, 0x73, 0x49, 0xa4, 0x43, 0x9a, 0x6b, 0x05, 0x69, 0xda, 0x97, 0x7c, 0x46, 0x4a,
};
static const uint8_t noise_r_static[] = {
    0x4a, 0x3a, 0xcb, 0xfd, 0xb1, 0x63, 0xde, 0xc6, 0x51, 0xdf, 0xa3, 0x19, 0x4d, 0xec, 0xe6, 0x76,
    0xd4, 0x37, 0x02, 0x9c, 0x62, 0xa4, 0x08, 0xb4, 0xc5, 0xea, 0x91, 0x14, 0x24, 0x6e, 0x48, 0x93,
};
static const uint8_t noise_r_ephemeral[] = {
    0xbb, 0xdb, 0x4c, 0xdb, 0xd3, 0x09, 0xf1, 0xa1, 0xf2, 0xe1, 0x45, 0x69, 0x67, 0xfe, 0x28, 0x8c,
    0xad, 0xd6, 0xf7, 0x12, 0xd6, 0x5d, 0xc7, 0xb7, 0x79, 0x3d, 0x5e, 0x63, 0xda, 0x6b, 0x37, 0x5b,
};
static const uint8_t noise_message_1[] = {
    0xca, 0x35, 0xde, 0xf5, 0xae, 0x56, 0xce, 0xc3, 0x3d, 0xc2, 0x03, 0x67, 0x31, 0xab, 0x14, 0x89,
    0x6b, 0xc4, 0xc7, 0x5d, 0xbb, 0x07, 0xa6, 0x1f, 0x87, 0x9f, 0x8e, 0x3a, 0xfa, 0x4c, 0x79, 0x44,
    0x00, 0x1e, 0x21, 0xde, 0x9f, 0x98, 0xdd, 0xd8, 0xe2, 0xad, 0x57, 0x52, 0x72, 0x07, 0xfe, 0xb5,
    0x62, 0x53, 0xc9, 0xc9, 0x4a, 0x9e, 0x49, 0x67, 0x82, 0xec, 0xfc, 0xb2, 0xa7, 0x5f, 0xbc, 0xaf,
    0x1b, 0x52, 0x94, 0x8c, 0xc4, 0x8d, 0xae, 0xfe, 0x66, 0x0c, 0x62, 0x11, 0x9a, 0xb5, 0x00, 0x09,
    0x80, 0xc8, 0x48, 0x31, 0x21, 0x5f, 0x24, 0x41, 0xeb, 0xa6, 0x16, 0x54, 0x8e, 0x83, 0x29, 0x85,
    0x46, 0x4c, 0xf1, 0x7e, 0x51, 0xee, 0x93, 0x10, 0x90, 0x08, 0x39, 0x9a, 0x21, 0xf7, 0xe1, 0x3f,
};
static const uint8_t noise_message_2[] = {
    0x95, 0xeb, 0xc6, 0x0d, 0x2b, 0x1f, 0xa6, 0x72, 0xc1, 0xf4, 0x6a, 0x8a, 0xa2, 0x65, 0xef, 0x51,
    0xbf, 0xe3, 0x8e, 0x7c, 0xcb, 0x39, 0xec, 0x5b, 0xe3, 0x40, 0x69, 0xf1, 0x44, 0x80, 0x88, 0x43,
    0xcb, 0x76, 0x5f, 0x2c, 0xae, 0xf0, 0x75, 0x1b, 0x8f, 0x00, 0x75, 0x72, 0xda, 0xb0, 0x32, 0x22,
    0x17, 0x75, 0x5c, 0x06, 0x32, 0xf3, 0x65, 0x71, 0x7e, 0xdb, 0xf3, 0x4d, 0x33, 0xe8, 0x7a,
};
static const uint8_t noise_message_3[] = {
    0x81, 0x53, 0xca, 0x98, 0x33, 0xbc, 0x3c, 0x1b, 0x91, 0xa7, 0xe6, 0x6e, 0x5f, 0x4d,
    0x4f, 0x5b, 0x59, 0xbf, 0x9e, 0x64, 0xc2, 0xf2, 0x0d, 0x15, 0xf0, 0xbb, 0xa7,
};
static const uint8_t noise_message_4[] = {
    0x07, 0xaf, 0x0c, 0x9c, 0x86, 0xe1, 0xb4, 0xe8, 0x0f, 0x36, 0xb0, 0x4f, 0xf7, 0x68,
    0x8d, 0x51, 0x14, 0x1a, 0xf3, 0xde, 0xbd, 0x03, 0x32, 0xf0, 0xa7, 0x05, 0xef,
};

static void test_noise_vector(void **state)
{
    (void)state;
    struct wend_prologue prologue;
    wend_prologue_init(&prologue, WEND_SESSION_PEER,
                       (struct wend_bytes){(const uint8_t *)noise_name, sizeof noise_name - 1});
    struct wend_identity initiator, responder;
    struct wend_remote to_responder, to_initiator;
    wend_identity_init(&initiator, noise_i_static);
    wend_identity_init(&responder, noise_r_static);
    assert_int_equal(wend_remote_init(&to_responder, &initiator, responder.public_key), 0);
    assert_int_equal(wend_remote_init(&to_initiator, &responder, initiator.public_key), 0);
    memcpy(to_responder.preshared, noise_psk, 32);
    memcpy(to_initiator.preshared, noise_psk, 32);

    uint8_t out[WEND_INITIATION_MAX];
    struct wend_handshake h;
    struct wend_handshake_input input = {
        .local_index = 7,
        .attributes = {(const uint8_t *)noise_first + WEND_LABEL_LEN,
                       sizeof noise_first - 1 - WEND_LABEL_LEN},
        .out = out,
        .out_max = sizeof out,
    };
    memcpy(input.label.bytes, noise_first, WEND_LABEL_LEN);
    memcpy(input.ephemeral, noise_i_ephemeral, 32);
    struct wend_parties parties = {&prologue, &initiator, &to_responder};
    int len = wend_initiation_create(&parties, &input, &h);
    assert_int_equal(len, 8 + sizeof noise_message_1 + 32);
    assert_memory_equal(out + 8, noise_message_1, sizeof noise_message_1);

    struct wend_initiation i;
    parties = (struct wend_parties){&prologue, &responder, &to_initiator};
    assert_int_equal(
        wend_initiation_open_static(&parties, (struct wend_bytes){out, (size_t)len}, &i), 0);
    assert_int_equal(wend_initiation_open_payload(&parties, &i), 0);
    assert_memory_equal(i.buffer, noise_first, sizeof noise_first - 1);

    memcpy(input.ephemeral, noise_r_ephemeral, 32);
    input.attributes = (struct wend_bytes){(const uint8_t *)noise_second, sizeof noise_second - 1};
    struct wend_keys keys;
    len = wend_response_create(&parties, &i, &input, &keys);
    assert_int_equal(len, 12 + sizeof noise_message_2 + 32);
    assert_memory_equal(out + 12, noise_message_2, sizeof noise_message_2);
    uint8_t text[32];
    wend_aead_seal(keys.receive_key, 0, (struct wend_bytes){0},
                   (struct wend_bytes){(const uint8_t *)"F. A. Hayek", 11}, text);
    assert_memory_equal(text, noise_message_3, sizeof noise_message_3);
    wend_aead_seal(keys.send_key, 0, (struct wend_bytes){0},
                   (struct wend_bytes){(const uint8_t *)"Carl Menger", 11}, text);
    assert_memory_equal(text, noise_message_4, sizeof noise_message_4);
}

// Every bit of every byte that matters: a message that was touched does not open, and nothing
// breaks.
static void test_touched_messages_do_not_open(void **state)
{
    (void)state;
    struct unit_devices d;
    struct known k = KNOWN(wireguard);
    struct wend_handshake h;
    unit_devices_init(&d);
    wend_prologue_wireguard(&k.prologue);
    make_initiation(&d, &k, &h);

    const struct wend_parties to = {&k.prologue, &d.responder, &d.to_initiator};
    const struct wend_parties from = {&k.prologue, &d.initiator, &d.to_responder};
    struct wend_initiation i;
    struct wend_response response;
    struct wend_keys keys;
    uint8_t message[148];
    for (size_t bit = 0; bit < (148 - 32) * 8; bit++) {
        if (bit / 8 >= 4 && bit / 8 < 8)
            continue; // the sender's index is covered by mac1 alone
        memcpy(message, k.initiation.at, sizeof message);
        message[bit / 8] ^= (uint8_t)(1u << bit % 8);
        if (wend_initiation_open_static(&to, UNIT_BYTES(message), &i) == WEND_DROP_NONE)
            assert_int_equal(wend_initiation_open_payload(&to, &i), WEND_DROP_DECRYPT_FAILED);
    }
    memcpy(message, k.initiation.at, sizeof message);
    message[39] ^= 0x80;
    assert_int_equal(wend_initiation_open_static(&to, UNIT_BYTES(message), &i),
                     WEND_DROP_DECRYPT_FAILED);
    for (size_t bit = 0; bit < (92 - 32) * 8; bit++) {
        if (bit / 8 >= 4 && bit / 8 < 8)
            continue;
        memcpy(message, k.response.at, 92);
        message[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_int_not_equal(
            wend_response_open(&from, &h, (struct wend_bytes){message, 92}, &response, &keys),
            WEND_DROP_NONE);
    }
}

static void test_other_lengths_are_malformed(void **state)
{
    (void)state;
    struct unit_devices d;
    struct wend_initiation i;
    unit_devices_init(&d);
    struct wend_prologue prologue;
    wend_prologue_peer(&prologue, vector_network);
    const struct wend_parties to = {&prologue, &d.responder, NULL};
    for (size_t len = 0; len < sizeof vector_peer_initiation; len++) {
        const enum wend_drop drop =
            wend_initiation_open_static(&to, (struct wend_bytes){vector_peer_initiation, len}, &i);
        if (len < 148) // a type 5 without room for its label
            assert_int_equal(drop, WEND_DROP_MALFORMED);
        else if (drop == WEND_DROP_NONE) // static and ephemeral are whole, the payload is not
            assert_int_equal(wend_initiation_open_payload(&to, &i), WEND_DROP_DECRYPT_FAILED);
    }
}

static void test_prologues_keep_apart(void **state)
{
    (void)state;
    struct unit_devices d;
    unit_devices_init(&d);
    struct wend_prologue prologues[4];
    wend_prologue_wireguard(&prologues[0]);
    wend_prologue_server(&prologues[1]);
    wend_prologue_peer(&prologues[2], vector_network);
    wend_prologue_peer(&prologues[3], vector_a);
    const struct wend_bytes messages[] = {UNIT_BYTES(vector_wireguard_initiation),
                                          UNIT_BYTES(vector_server_initiation),
                                          UNIT_BYTES(vector_peer_initiation)};
    for (size_t p = 0; p < 4; p++)
        for (size_t m = 0; m < 3; m++) {
            const struct wend_parties to = {&prologues[p], &d.responder, NULL};
            struct wend_initiation i;
            const enum wend_drop drop = wend_initiation_open_static(&to, messages[m], &i);
            if (p == m)
                assert_int_equal(drop, WEND_DROP_NONE);
            else
                assert_int_equal(drop,
                                 p == 0 || m == 0 ? WEND_DROP_MALFORMED : WEND_DROP_DECRYPT_FAILED);
        }
}

static void test_wrong_psk_and_wrong_remote(void **state)
{
    (void)state;
    struct unit_devices d;
    struct known k = KNOWN(wireguard);
    struct wend_handshake h;
    struct wend_response response;
    struct wend_keys keys;
    unit_devices_init(&d);
    wend_prologue_wireguard(&k.prologue);
    make_initiation(&d, &k, &h);
    const struct wend_parties from = {&k.prologue, &d.initiator, &d.to_responder};
    d.to_responder.preshared[31] = 1;
    assert_int_equal(wend_response_open(&from, &h, k.response, &response, &keys),
                     WEND_DROP_DECRYPT_FAILED);

    struct wend_initiation i; // not for the one who reads it
    const struct wend_parties self = {&k.prologue, &d.initiator, NULL};
    assert_int_equal(wend_initiation_open_static(&self, k.initiation, &i),
                     WEND_DROP_DECRYPT_FAILED);
    const uint8_t zero[32] = {0};
    struct wend_remote remote;
    assert_int_equal(wend_remote_init(&remote, &d.initiator, zero), -EBADMSG);
}

static void test_labels_rise(void **state)
{
    (void)state;
    static const uint8_t known[] = {0x40, 0, 0, 0, 0x65, 0x53, 0xf1, 0x0a, 0x07, 0x5b, 0xcd, 0x15};
    const struct wend_label label = wend_label_of(LABEL_UNIX_NS);
    assert_memory_equal(label.bytes, known, sizeof known);
    const uint64_t times[] = {
        0, 1, 999999999, 1000000000, 255999999999, 256000000000, LABEL_UNIX_NS, LABEL_UNIX_NS + 1};
    for (size_t a = 0; a < 8; a++)
        for (size_t b = 0; b < 8; b++) {
            const struct wend_label x = wend_label_of(times[a]), y = wend_label_of(times[b]);
            assert_int_equal(wend_label_is_later(&x, &y), a > b);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wireguard),
        cmocka_unit_test(test_wireguard_with_psk_and_cookie),
        cmocka_unit_test(test_server),
        cmocka_unit_test(test_peer_with_longest_payloads),
        cmocka_unit_test(test_noise_vector),
        cmocka_unit_test(test_touched_messages_do_not_open),
        cmocka_unit_test(test_other_lengths_are_malformed),
        cmocka_unit_test(test_prologues_keep_apart),
        cmocka_unit_test(test_wrong_psk_and_wrong_remote),
        cmocka_unit_test(test_labels_rise),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
