// SPDX-License-Identifier: MIT
#include "base/bytes.h"

#include "unit.h"

static const uint8_t BYTES[15] = {0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08,
                                  0x09, 0x0a, 0x0b, 0x0c, 0x0d, 0x0e, 0x0f};

static void reads_network_order(void **state)
{
    (void)state;
    struct wend_reader r = wend_reader_of(WEND_BYTES(BYTES));
    assert_int_equal(wend_read_u8(&r), 0x01);
    assert_int_equal(wend_read_u16(&r), 0x0203);
    assert_int_equal(wend_read_u32(&r), 0x04050607);
    assert_true(wend_read_u64(&r) == 0x08090a0b0c0d0e0f);
    assert_false(r.failed);
    assert_int_equal(r.left, 0);
}

static void reads_little_endian(void **state)
{
    (void)state;
    struct wend_reader r = wend_reader_of(WEND_BYTES(BYTES));
    assert_int_equal(wend_read_u32le(&r), 0x04030201);
    assert_true(wend_read_u64le(&r) == 0x0c0b0a0908070605);
    assert_int_equal(r.left, 3);
}

static void running_out_latches(void **state)
{
    (void)state;
    struct wend_reader r = wend_reader_of((struct wend_bytes){BYTES, 3});
    assert_int_equal(wend_read_u32(&r), 0);
    assert_true(r.failed);
    assert_int_equal(wend_read_u8(&r), 0); // although a byte is there
    uint8_t copy[2] = {7, 7};
    wend_read_copy(&r, copy, 2);
    assert_int_equal(copy[0] | copy[1], 0);
    const struct wend_bytes view = wend_read_view(&r, 0);
    assert_int_equal(view.len, 0);
    assert_true(r.failed);
}

static void views_and_copies(void **state)
{
    (void)state;
    struct wend_reader r = wend_reader_of(WEND_BYTES(BYTES));
    const struct wend_bytes view = wend_read_view(&r, 4);
    assert_ptr_equal(view.at, BYTES);
    assert_int_equal(view.len, 4);
    uint8_t copy[11];
    wend_read_copy(&r, copy, 11);
    assert_memory_equal(copy, BYTES + 4, 11);
    wend_read_copy(&r, copy, 0);
    assert_false(r.failed);
    wend_read_view(&r, SIZE_MAX);
    assert_true(r.failed);
}

static void an_empty_input_may_be_null(void **state)
{
    (void)state;
    struct wend_reader r = wend_reader_of((struct wend_bytes){0});
    wend_read_view(&r, 0);
    wend_read_copy(&r, NULL, 0);
    assert_false(r.failed);
    wend_read_u8(&r);
    assert_true(r.failed);
    assert_true(wend_bytes_equal((struct wend_bytes){0}, (struct wend_bytes){BYTES, 0}));
    assert_false(wend_bytes_equal((struct wend_bytes){0}, (struct wend_bytes){BYTES, 1}));
    assert_false(
        wend_bytes_equal((struct wend_bytes){BYTES, 1}, (struct wend_bytes){BYTES + 1, 1}));
}

static void writes_what_is_read_back(void **state)
{
    (void)state;
    uint8_t out[15 + 12 + 3];
    struct wend_writer w = wend_writer_of(out, sizeof(out));
    wend_write_u8(&w, 0x01);
    wend_write_u16(&w, 0x0203);
    wend_write_u32(&w, 0x04050607);
    wend_write_u64(&w, 0x08090a0b0c0d0e0f);
    assert_memory_equal(out, BYTES, 15);
    wend_write_u32le(&w, 0x04030201);
    wend_write_u64le(&w, 0x0c0b0a0908070605);
    assert_memory_equal(out + 15, BYTES, 12);
    wend_write_zeros(&w, 1);
    wend_write_bytes(&w, (struct wend_bytes){BYTES, 2});
    assert_false(w.failed);
    assert_int_equal(w.len, sizeof(out));
    assert_int_equal(w.left, 0);
    assert_int_equal(out[27], 0);
    assert_int_equal(out[29], 2);
}

static void a_full_writer_latches_and_writes_nothing(void **state)
{
    (void)state;
    uint8_t out[4] = {9, 9, 9, 9};
    struct wend_writer w = wend_writer_of(out, 3);
    wend_write_u8(&w, 1);
    wend_write_u32(&w, 0x01020304);
    assert_true(w.failed);
    wend_write_u8(&w, 1); // would fit, but it is too late
    wend_write_zeros(&w, SIZE_MAX);
    wend_write_bytes(&w, WEND_BYTES(BYTES));
    assert_int_equal(w.len, 1);
    assert_int_equal(out[0], 1);
    assert_int_equal(out[1] & out[2] & out[3], 9);
}

static void unaligned_access(void **state)
{
    (void)state;
    assert_int_equal(wend_get_u16(BYTES + 1), 0x0203);
    assert_int_equal(wend_get_u32(BYTES + 1), 0x02030405);
    assert_int_equal(wend_get_u32le(BYTES + 1), 0x05040302);
    assert_true(wend_get_u64le(BYTES + 1) == 0x0908070605040302);
    uint8_t out[8];
    wend_put_u16(out, 0x0102);
    wend_put_u32(out + 2, 0x03040506);
    assert_memory_equal(out, BYTES, 6);
    wend_put_u32le(out, 0x04030201);
    assert_memory_equal(out, BYTES, 4);
    wend_put_u64le(out, 0x0807060504030201);
    assert_memory_equal(out, BYTES, 8);
    assert_true(wend_get_u64le((const uint8_t *)"\xff\xff\xff\xff\xff\xff\xff\xff") == UINT64_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_network_order),
        cmocka_unit_test(reads_little_endian),
        cmocka_unit_test(running_out_latches),
        cmocka_unit_test(views_and_copies),
        cmocka_unit_test(an_empty_input_may_be_null),
        cmocka_unit_test(writes_what_is_read_back),
        cmocka_unit_test(a_full_writer_latches_and_writes_nothing),
        cmocka_unit_test(unaligned_access),
    };
    return cmocka_run_group_tests_name("bytes", tests, NULL, NULL);
}
