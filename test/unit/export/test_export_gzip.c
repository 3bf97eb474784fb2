/* SPDX-License-Identifier: MIT
 *
 * test_export_gzip.c - what is compressed is found again by zlib, and is a file of gzip's.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>
#include <zlib.h>

#include "core/export/export.h"

#define MAX_BYTES (1u << 20)

static void assert_round_trip(struct str text)
{
    static unsigned char back[MAX_BYTES];
    struct buf out;
    buf_init(&out, MAX_BYTES);
    assert_true(export_gzip(text, &out));
    assert_memory_equal(out.data, "\x1f\x8b\x08", 3);
    z_stream z = {.next_in = (unsigned char *)out.data,
                  .avail_in = (uInt)out.len,
                  .next_out = back,
                  .avail_out = sizeof(back)};
    assert_int_equal(inflateInit2(&z, 15 + 16), Z_OK); /* gzip's frame alone */
    assert_int_equal(inflate(&z, Z_FINISH), Z_STREAM_END);
    assert_int_equal(z.avail_in, 0);
    assert_int_equal(z.total_out, text.len);
    assert_memory_equal(back, text.ptr, text.len);
    (void)inflateEnd(&z);
    buf_deinit(&out);
}

static void test_there_and_back(void **state)
{
    (void)state;
    static char noise[100000]; /* of several pieces, and nothing to save */
    uint32_t seed = 1;
    for (size_t i = 0; i < sizeof(noise); i++) {
        seed = seed * 1664525 + 1013904223;
        noise[i] = (char)(seed >> 24);
    }
    assert_round_trip(STR(""));
    assert_round_trip(STR("a"));
    assert_round_trip((struct str){noise, sizeof(noise)});
}

static void test_it_saves_bytes(void **state)
{
    (void)state;
    static char same[100000];
    struct buf out;
    buf_init(&out, MAX_BYTES);
    assert_true(export_gzip((struct str){same, sizeof(same)}, &out));
    assert_true(out.len < sizeof(same) / 50);
    buf_deinit(&out);
}

static void test_a_buffer_that_is_full(void **state)
{
    (void)state;
    struct buf out;
    buf_init(&out, 8);
    assert_false(export_gzip(STR("a text"), &out));
    buf_deinit(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_there_and_back),
        cmocka_unit_test(test_it_saves_bytes),
        cmocka_unit_test(test_a_buffer_that_is_full),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
