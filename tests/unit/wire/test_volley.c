// SPDX-License-Identifier: MIT
#include "wire/volley.h"

#include <errno.h>

#include "../base/unit.h"

static size_t write_one(const struct wend_volley_message *m, uint8_t *ret)
{
    struct wend_writer w = wend_writer_of(ret, WEND_VOLLEY_MESSAGE_MAX);

    wend_volley_message_write(&w, m);
    return w.failed ? 0 : w.len;
}

static struct wend_volley_message example(enum wend_volley_kind kind)
{
    struct wend_volley_message m = {.kind = kind, .stage = 1, .round = 2, .serial = 0x03040506};

    if (kind == WEND_VOLLEY_OFFER) {
        m.microseconds = 0x01020304;
        m.address = wend_address_ipv4(0xcb007109, 0x1122);
        m.last_port = 0x3344;
    }
    if (kind == WEND_VOLLEY_GO)
        m.microseconds = 50000;
    if (kind == WEND_VOLLEY_HIT)
        m.token = 0x0102030405060708;
    if (kind == WEND_VOLLEY_AIM)
        m.port = 40000;
    if (kind == WEND_VOLLEY_STOP) {
        m.code = WEND_VOLLEY_REFUSED;
        memcpy(m.text, "not wanted", 11);
    }
    return m;
}

static void an_offer_has_these_bytes(void **state)
{
    static const uint8_t want[] = {1,    2, 0, 0,    3,    4,    5,    6,    0,    0,    0x10,
                                   0x20, 4, 0, 0x11, 0x22, 0xcb, 0x00, 0x71, 0x09, 0x33, 0x44};
    struct wend_volley_message m = example(WEND_VOLLEY_OFFER);
    uint8_t bytes[WEND_VOLLEY_MESSAGE_MAX];

    (void)state;
    m.stage = 2;
    m.round = 0;
    m.microseconds = 0x1020;
    assert_int_equal(write_one(&m, bytes), sizeof want);
    assert_memory_equal(bytes, want, sizeof want);
}

// Every kind both ways, every shorter and every longer form refused.
static void reads_what_it_wrote_and_no_other_length(void **state)
{
    (void)state;
    for (int kind = WEND_VOLLEY_OFFER; kind <= WEND_VOLLEY_STOP; kind++) {
        const struct wend_volley_message m = example((enum wend_volley_kind)kind);
        struct wend_volley_message got = {0};
        uint8_t bytes[WEND_VOLLEY_MESSAGE_MAX + 1] = {0};
        const size_t len = write_one(&m, bytes);
        assert_true(len >= 8);
        assert_int_equal(wend_volley_message_read((struct wend_bytes){bytes, len}, &got), 0);
        assert_memory_equal(&got, &m, sizeof m);
        const size_t fixed = kind == WEND_VOLLEY_STOP ? 10 : len; // its text may be shorter
        for (size_t cut = 0; cut < fixed; cut++)
            assert_int_equal(wend_volley_message_read((struct wend_bytes){bytes, cut}, &got),
                             -EBADMSG);
        assert_int_equal(wend_volley_message_read((struct wend_bytes){bytes, len + 1}, &got),
                         -EBADMSG);
    }
}

static void refuses_what_means_nothing(void **state)
{
    struct wend_volley_message m = example(WEND_VOLLEY_OFFER), got;
    uint8_t bytes[WEND_VOLLEY_MESSAGE_MAX] = {0};

    (void)state;
    m.address = wend_address_ipv4(0x7f000001, 9);
    assert_int_equal(write_one(&m, bytes), 0);
    m.address = (struct wend_address){0};
    assert_int_equal(write_one(&m, bytes), 0);
    m = example(WEND_VOLLEY_STOP);
    m.text[0] = '\n';
    assert_int_equal(write_one(&m, bytes), 0);
    m = example(WEND_VOLLEY_STILL);
    const size_t len = write_one(&m, bytes);
    const struct wend_bytes in = {bytes, len};
    for (unsigned kind = 0; kind < 256; kind++) {
        bytes[0] = (uint8_t)kind;
        assert_int_equal(wend_volley_message_read(in, &got),
                         kind == WEND_VOLLEY_STILL ? 0 : -EBADMSG);
    }
    bytes[0] = WEND_VOLLEY_STILL;
    bytes[3] = 1;
    assert_int_equal(wend_volley_message_read(in, &got), -EBADMSG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_offer_has_these_bytes),
        cmocka_unit_test(reads_what_it_wrote_and_no_other_length),
        cmocka_unit_test(refuses_what_means_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
