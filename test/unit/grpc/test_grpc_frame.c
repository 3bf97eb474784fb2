/* SPDX-License-Identifier: MIT
 *
 * test_grpc_frame.c - messages out of bytes that are split anywhere, limits, and no memory.
 *
 * buf.c is included, with its realloc replaced by one that fails on demand.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include "test/unit/support/failing_alloc.h"
#define realloc failing_realloc
#include "core/base/buf.c"
#include "core/base/quota.c"
#undef realloc

#include <uv.h>

#include "core/grpc/grpc_frame.h"

static struct str make(struct buf *out, bool is_compressed, const char *message)
{
    char prefix[GRPC_PREFIX_BYTES];
    grpc_prefix(prefix, is_compressed, strlen(message));
    buf_append(out, prefix, sizeof(prefix));
    buf_append_cstr(out, message);
    return buf_str(out);
}

static void test_split_anywhere(void **state)
{
    (void)state;
    struct buf bytes;
    buf_init(&bytes, 1000);
    (void)make(&bytes, false, "first");
    (void)make(&bytes, true, "");
    const struct str all = make(&bytes, false, "third one");
    for (size_t step = 1; step <= all.len; step++) {
        struct grpc_reader reader;
        char seen[64] = "";
        grpc_reader_init(&reader, 9, NULL);
        for (size_t at = 0; at < all.len; at += step) {
            const size_t len = all.len - at < step ? all.len - at : step;
            struct str data = {all.ptr + at, len};
            struct grpc_frame frame;
            while (data.len > 0 && grpc_reader_next(&reader, &data, &frame) == 1) {
                (void)snprintf(seen + strlen(seen), sizeof(seen) - strlen(seen), "%d%.*s|",
                               frame.is_compressed, (int)frame.message.len, frame.message.ptr);
            }
            assert_int_equal(data.len, 0);
        }
        assert_true(grpc_reader_is_between(&reader));
        assert_string_equal(seen, "0first|1|0third one|");
        grpc_reader_deinit(&reader);
    }
    buf_deinit(&bytes);
}

static int read_once(size_t max_bytes, struct str data)
{
    struct grpc_reader reader;
    struct grpc_frame frame;
    grpc_reader_init(&reader, max_bytes, NULL);
    const int rc = grpc_reader_next(&reader, &data, &frame);
    assert_true(rc != 0 || !grpc_reader_is_between(&reader));
    grpc_reader_deinit(&reader);
    return rc;
}

static void test_limits_speak_from_the_prefix(void **state)
{
    (void)state;
    assert_int_equal(read_once(9, STR("\0\0\0\0\x0A")), UV_EMSGSIZE);
    assert_int_equal(read_once(10, STR("\0\0\0\0\x0A")), 0);
    assert_int_equal(read_once(1 << 30, STR("\0\xFF\xFF\xFF\xFF")), UV_EMSGSIZE);
    assert_int_equal(read_once(9, STR("\2")), UV_EPROTO);
    assert_int_equal(read_once(9, STR("\0\0")), 0);
    assert_int_equal(read_once(0, STR("\0\0\0\0\0")), 1);
}

static void test_a_promise_takes_no_memory(void **state)
{
    (void)state;
    struct grpc_reader reader;
    struct grpc_frame frame;
    struct str data = STR("\0\x3F\xFF\xFF\xFFx");
    grpc_reader_init(&reader, 1 << 30, NULL);
    assert_int_equal(grpc_reader_next(&reader, &data, &frame), 0);
    assert_true(reader.message.cap < 4096);
    grpc_reader_deinit(&reader);
}

static void test_a_big_message_gives_its_memory_back(void **state)
{
    (void)state;
    static char big[100000];
    struct grpc_reader reader;
    struct grpc_frame frame;
    grpc_reader_init(&reader, sizeof(big), NULL);
    char prefix[GRPC_PREFIX_BYTES];
    grpc_prefix(prefix, false, sizeof(big));
    struct str data = {prefix, sizeof(prefix)};
    assert_int_equal(grpc_reader_next(&reader, &data, &frame), 0);
    data = (struct str){big, sizeof(big) - 1};
    assert_int_equal(grpc_reader_next(&reader, &data, &frame), 0);
    data = (struct str){big, 1};
    assert_int_equal(grpc_reader_next(&reader, &data, &frame), 1);
    assert_int_equal(frame.message.len, sizeof(big));
    data = STR("\0");
    assert_int_equal(grpc_reader_next(&reader, &data, &frame), 0);
    assert_int_equal(reader.message.cap, 0);
    grpc_reader_deinit(&reader);
}

static void test_without_memory(void **state)
{
    (void)state;
    allocations_left = 0;
    assert_int_equal(read_once(10, STR("\0\0\0\0\x0Ax")), UV_ENOMEM);
    allocations_left = SIZE_MAX;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_split_anywhere),
        cmocka_unit_test(test_limits_speak_from_the_prefix),
        cmocka_unit_test(test_a_promise_takes_no_memory),
        cmocka_unit_test(test_a_big_message_gives_its_memory_back),
        cmocka_unit_test(test_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
