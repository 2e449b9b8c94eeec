// SPDX-License-Identifier: MIT
#include "unit.h"

#include "session/data.h"

#define MTU 1400

struct line {
    struct wend_sender sender;
    struct wend_receiver receiver;
    uint64_t words[WEND_REPLAY_WORDS(WEND_REPLAY_BITS)];
    uint8_t room[WEND_DATA_HEADROOM + 2048 + WEND_DATA_TAILROOM];
    uint8_t *inner;
};

static void open_line(struct line *l, const uint8_t key[static 32])
{
    memset(l->room, 0xee, sizeof l->room);
    l->inner = l->room + WEND_DATA_HEADROOM;
    assert_int_equal(wend_sender_init(&l->sender, key, 0xa1b2c3d4), 0);
    assert_int_equal(wend_receiver_init(&l->receiver, key, 0xa1b2c3d4, l->words,
                                        WEND_REPLAY_WORDS(WEND_REPLAY_BITS)),
                     0);
}

static void close_line(struct line *l)
{
    wend_sender_close(&l->sender);
    wend_receiver_close(&l->receiver);
    wend_sender_close(&l->sender); // twice does no harm
    wend_receiver_close(&l->receiver);
}

static void test_known_message(void **state)
{
    (void)state;
    static const char text[] = "an inner packet of 29 bytes..";
    struct line l;
    struct wend_bytes inner;
    open_line(&l, vector_wireguard_initiator_data);
    memcpy(l.inner, text, sizeof text - 1);
    const size_t len = wend_data_seal(&l.sender, l.inner, sizeof text - 1, MTU);
    assert_int_equal(len, sizeof vector_wireguard_message);
    assert_memory_equal(l.room, vector_wireguard_message, len);
    assert_int_equal(l.room[len], 0xee);

    assert_int_equal(wend_data_open(&l.receiver, l.room, len, &inner), WEND_DROP_NONE);
    assert_int_equal(inner.len, 32);
    assert_memory_equal(inner.at, text, sizeof text - 1);
    assert_memory_equal(inner.at + sizeof text - 1, "\0\0\0", 3);
    memcpy(l.room, vector_wireguard_message, len);
    assert_int_equal(wend_data_open(&l.receiver, l.room, len, &inner), WEND_DROP_REPLAYED);
    close_line(&l);
}

static void test_padding(void **state)
{
    (void)state;
    const struct {
        size_t len, mtu, padded;
    } cases[] = {
        {0, 1400, 0},       {1, 1400, 16},      {16, 1400, 16},     {17, 1400, 32},
        {1392, 1400, 1392}, {1393, 1400, 1400}, {1400, 1400, 1400}, {1399, 1399, 1399},
        {1500, 1400, 1504}, {1401, 1400, 1408}, {20, 20, 20},
    };
    struct line l;
    open_line(&l, vector_a);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct wend_bytes inner;
        memset(l.room, 0xee, sizeof l.room);
        const size_t len = wend_data_seal(&l.sender, l.inner, cases[i].len, cases[i].mtu);
        assert_int_equal(len, cases[i].padded + 32);
        assert_int_equal(l.room[len], 0xee);
        assert_int_equal(wend_get_u64le(l.room + 8), i);
        assert_int_equal(wend_data_open(&l.receiver, l.room, len, &inner), WEND_DROP_NONE);
        assert_int_equal(inner.len, cases[i].padded);
        for (size_t at = 0; at < inner.len; at++)
            assert_int_equal(inner.at[at], at < cases[i].len ? 0xee : 0);
    }
    close_line(&l);
}

static void test_what_does_not_open(void **state)
{
    (void)state;
    struct line l;
    struct wend_bytes inner = {0};
    uint8_t message[sizeof vector_wireguard_message];
    open_line(&l, vector_wireguard_initiator_data);
    for (size_t bit = 0; bit < sizeof message * 8; bit++) {
        memcpy(message, vector_wireguard_message, sizeof message);
        message[bit / 8] ^= (uint8_t)(1u << bit % 8);
        const enum wend_drop drop = wend_data_open(&l.receiver, message, sizeof message, &inner);
        if (bit / 8 < 4)
            assert_int_equal(drop, WEND_DROP_MALFORMED);
        else if (bit / 8 < 8)
            assert_int_equal(drop, WEND_DROP_NO_SESSION);
        else
            assert_int_equal(drop, WEND_DROP_DECRYPT_FAILED);
    }
    for (size_t len = 0; len < sizeof message; len++) {
        memcpy(message, vector_wireguard_message, sizeof message);
        const enum wend_drop drop = wend_data_open(&l.receiver, message, len, &inner);
        assert_int_equal(drop, len < 32 ? WEND_DROP_MALFORMED : WEND_DROP_DECRYPT_FAILED);
    }
    assert_null(inner.at);
    memcpy(message, vector_wireguard_message, sizeof message); // no forgery moved the window
    assert_int_equal(wend_data_open(&l.receiver, message, sizeof message, &inner), WEND_DROP_NONE);

    memcpy(message, vector_wireguard_control_message, sizeof message);
    assert_int_equal(wend_data_open(&l.receiver, message, sizeof message, &inner),
                     WEND_DROP_MALFORMED); // type 9 is for boxes
    close_line(&l);
}

static void test_limits_in_messages(void **state)
{
    (void)state;
    struct line l;
    struct wend_bytes inner;
    open_line(&l, vector_a);
    l.sender.counter = WEND_REKEY_AFTER_MESSAGES - 1;
    assert_false(wend_sender_is_worn(&l.sender));
    assert_int_equal(wend_data_seal(&l.sender, l.inner, 0, MTU), 32);
    assert_true(wend_sender_is_worn(&l.sender));

    assert_int_equal(WEND_REJECT_AFTER_MESSAGES, UINT64_C(0xffffffffffffdfff));
    l.sender.counter = WEND_REJECT_AFTER_MESSAGES - 1;
    struct wend_data_item items[3] = {{.inner = l.inner}, {.inner = l.inner}, {.inner = l.inner}};
    assert_int_equal(wend_data_seal_batch(&l.sender, items, 3, MTU), 1);
    assert_int_equal(items[0].message_len, 32);
    assert_int_equal(wend_data_open(&l.receiver, l.room, 32, &inner), WEND_DROP_NONE);
    assert_int_equal(inner.len, 0);
    assert_int_equal(wend_data_seal(&l.sender, l.inner, 0, MTU), 0);

    wend_put_u64le(l.room + 8, WEND_REJECT_AFTER_MESSAGES);
    assert_int_equal(wend_data_open(&l.receiver, l.room, 32, &inner), WEND_DROP_EXPIRED);
    close_line(&l);
}

static void test_batch_out_of_order(void **state)
{
    (void)state;
    struct line l;
    static uint8_t rooms[64][WEND_DATA_HEADROOM + 100 + WEND_DATA_TAILROOM];
    struct wend_data_item items[64];
    open_line(&l, vector_b);
    for (size_t i = 0; i < 64; i++) {
        items[i] = (struct wend_data_item){.inner = rooms[i] + WEND_DATA_HEADROOM, .len = i};
        memset(items[i].inner, (int)i, i);
    }
    assert_int_equal(wend_data_seal_batch(&l.sender, items, 64, MTU), 64);
    for (size_t k = 0; k < 64; k++) {
        const size_t i = k * 37 % 64;
        struct wend_bytes inner;
        assert_int_equal(wend_data_open(&l.receiver, rooms[i], items[i].message_len, &inner), 0);
        assert_int_equal(inner.len, (i + 15) / 16 * 16);
        assert_true(i == 0 || (inner.at[0] == i && inner.at[i - 1] == i));
    }
    close_line(&l);
}

static void make_boxes(struct wend_box *a, struct wend_box *b, enum wend_message_type type)
{
    struct wend_keys keys = {.local_index = 0x01020304, .remote_index = 0xa1b2c3d4};
    memcpy(keys.send_key, vector_wireguard_initiator_data, 32);
    memcpy(keys.receive_key, vector_wireguard_responder_data, 32);
    memcpy(keys.control_send_key, vector_wireguard_initiator_control, 32);
    memcpy(keys.control_receive_key, vector_wireguard_responder_control, 32);
    wend_box_init(a, &keys, type);
    keys.local_index = 0xa1b2c3d4;
    keys.remote_index = 0x01020304;
    memcpy(keys.receive_key, vector_wireguard_initiator_data, 32);
    memcpy(keys.send_key, vector_wireguard_responder_data, 32);
    memcpy(keys.control_receive_key, vector_wireguard_initiator_control, 32);
    memcpy(keys.control_send_key, vector_wireguard_responder_control, 32);
    wend_box_init(b, &keys, type);
}

static void run_boxes(enum wend_message_type type, struct wend_bytes known)
{
    static const char text[] = "an inner packet of 29 bytes..";
    const struct wend_bytes body = {(const uint8_t *)text, sizeof text - 1};
    struct wend_box a, b;
    uint8_t message[256], opened[256];
    size_t len = 0;
    make_boxes(&a, &b, type);
    struct wend_writer out = wend_writer_of(message, sizeof message);
    assert_int_equal(wend_box_seal(&a, body, &out), 0);
    assert_int_equal(out.len, known.len);
    assert_memory_equal(message, known.at, known.len);
    const struct wend_bytes in = {message, out.len};
    assert_int_equal(wend_box_open(&a, in, opened, &len), WEND_DROP_NO_SESSION);
    assert_int_equal(wend_box_open(&b, in, opened, &len), WEND_DROP_NONE);
    assert_int_equal(len, 32);
    assert_memory_equal(opened, text, sizeof text - 1);
    assert_int_equal(wend_box_open(&b, in, opened, &len), WEND_DROP_REPLAYED);
    message[20] ^= 1;
    assert_int_equal(wend_box_open(&b, in, opened, &len), WEND_DROP_DECRYPT_FAILED);
    message[0] ^= 4 ^ 9;
    assert_int_equal(wend_box_open(&b, in, opened, &len), WEND_DROP_MALFORMED);

    for (size_t room = 0; room < 64; room++) { // too little room: nothing written or used up
        out = wend_writer_of(message, room);
        assert_int_equal(wend_box_seal(&a, body, &out), -ENOBUFS);
        assert_int_equal(out.len, 0);
    }
    struct wend_box moved = a; // no pointers inside
    wend_box_close(&a);
    out = wend_writer_of(message, 64);
    assert_int_equal(wend_box_seal(&moved, body, &out), 0);
    assert_int_equal(wend_get_u64le(message + 8), 1);
    assert_int_equal(wend_box_open(&b, (struct wend_bytes){message, out.len}, opened, &len), 0);
    moved.counter = WEND_REJECT_AFTER_MESSAGES;
    out = wend_writer_of(message, sizeof message);
    assert_int_equal(wend_box_seal(&moved, body, &out), -EKEYEXPIRED);
}

static void test_boxes(void **state)
{
    (void)state;
    run_boxes(WEND_MESSAGE_DATA, UNIT_BYTES(vector_wireguard_message));
    run_boxes(WEND_MESSAGE_CONTROL, UNIT_BYTES(vector_wireguard_control_message));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known_message),      cmocka_unit_test(test_padding),
        cmocka_unit_test(test_what_does_not_open), cmocka_unit_test(test_limits_in_messages),
        cmocka_unit_test(test_batch_out_of_order), cmocka_unit_test(test_boxes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
