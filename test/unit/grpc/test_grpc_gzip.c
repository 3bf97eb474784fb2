/* SPDX-License-Identifier: MIT
 *
 * test_grpc_gzip.c - there and back, limits, broken files, and no memory.
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

#include "core/grpc/grpc_gzip.h"

static struct grpc_gzip *gzip;

static int setup(void **state)
{
    (void)state;
    gzip = grpc_gzip_create();
    return gzip == NULL ? -1 : 0;
}

static int teardown(void **state)
{
    (void)state;
    grpc_gzip_destroy(gzip);
    grpc_gzip_destroy(NULL);
    return 0;
}

/* inflate_up_to inflates what deflating `len` zeros has made.
 *
 * cut: bytes to leave out at the end. */
static int inflate_up_to(size_t max_bytes, size_t len, size_t cut)
{
    static const char zeros[200000];
    struct buf packed;
    struct buf out;
    buf_init(&packed, 1 << 20);
    buf_init(&out, max_bytes);
    assert_int_equal(grpc_gzip_deflate(gzip, (struct str){zeros, len}, &packed), 0);
    const struct str data = {packed.data, packed.len - cut};
    const int rc = grpc_gzip_inflate(gzip, data, &out);
    assert_true(out.len <= max_bytes);
    assert_true(rc != 0 || (out.len == len && memcmp(buf_str(&out).ptr, zeros, len) == 0));
    buf_deinit(&packed);
    buf_deinit(&out);
    return rc;
}

static void test_there_and_back(void **state)
{
    (void)state;
    static const size_t lens[] = {0, 1, 16383, 16384, 16385, 200000};
    for (size_t i = 0; i < ARRAY_COUNT(lens); i++) {
        assert_int_equal(inflate_up_to(lens[i], lens[i], 0), 0);
    }
}

static void test_no_more_than_the_limit(void **state)
{
    (void)state;
    assert_int_equal(inflate_up_to(0, 1, 0), UV_EMSGSIZE);
    assert_int_equal(inflate_up_to(16384, 16385, 0), UV_EMSGSIZE);
    assert_int_equal(inflate_up_to(100, 200000, 0), UV_EMSGSIZE);
}

static void test_broken_files(void **state)
{
    (void)state;
    for (size_t cut = 1; cut <= 20; cut++) {
        assert_int_equal(inflate_up_to(1000, 1000, cut), UV_EINVAL);
    }
    struct buf out;
    buf_init(&out, 100);
    assert_int_equal(grpc_gzip_inflate(gzip, STR(""), &out), UV_EINVAL);
    assert_int_equal(grpc_gzip_inflate(gzip, STR("no gzip at all"), &out), UV_EINVAL);
    struct buf packed;
    buf_init(&packed, 100);
    assert_int_equal(grpc_gzip_deflate(gzip, STR("x"), &packed), 0);
    buf_append_char(&packed, 'x');
    assert_int_equal(grpc_gzip_inflate(gzip, buf_str(&packed), &out), UV_EINVAL);
    buf_deinit(&packed);
    buf_deinit(&out);
}

/* put_member deflates a text onto the end of a file. */
static void put_member(struct buf *file, struct str text)
{
    assert_int_equal(grpc_gzip_deflate(gzip, text, file), 0);
}

/* assert_inflates: a file gives `expected`, or the error. */
static void assert_inflates(struct str file, size_t max_bytes, int rc, const char *expected)
{
    struct buf out;
    buf_init(&out, max_bytes);
    assert_int_equal(grpc_gzip_inflate(gzip, file, &out), rc);
    assert_true(out.len <= max_bytes);
    assert_true(rc != 0 || str_equal(buf_str(&out), str_from(expected)));
    buf_deinit(&out);
}

static void test_several_members(void **state)
{
    (void)state;
    struct buf file;
    buf_init(&file, 1 << 20);
    put_member(&file, STR("one "));
    const size_t first_len = file.len;
    put_member(&file, STR(""));
    const size_t second_len = file.len;
    put_member(&file, STR("three"));
    assert_inflates(buf_str(&file), 9, 0, "one three");
    assert_inflates(buf_str(&file), 8, UV_EMSGSIZE, NULL);
    for (size_t len = 0; len < file.len; len++) {
        const bool is_whole = len == first_len || len == second_len;
        assert_inflates((struct str){file.data, len}, 9, is_whole ? 0 : UV_EINVAL, "one ");
    }
    buf_append_char(&file, '\0'); /* padding, which some accept */
    assert_inflates(buf_str(&file), 9, UV_EINVAL, NULL);
    file.data[first_len + second_len] ^= 1; /* in the last member */
    assert_inflates((struct str){file.data, file.len - 1}, 9, UV_EINVAL, NULL);
    buf_deinit(&file);
}

/* A file of nothing but members takes no more than one look at each of its bytes. */
static void test_members_that_hold_nothing(void **state)
{
    (void)state;
    struct buf member;
    struct buf file;
    buf_init(&member, 100);
    buf_init(&file, 4 << 20);
    put_member(&member, STR(""));
    while (file.len + member.len <= file.max_bytes) {
        buf_append_str(&file, buf_str(&member));
    }
    assert_inflates(buf_str(&file), 0, 0, "");
    buf_append_char(&file, member.data[0]);
    assert_inflates(buf_str(&file), 0, UV_EINVAL, NULL);
    buf_deinit(&file);
    buf_deinit(&member);
}

static void test_without_memory(void **state)
{
    (void)state;
    struct buf out;
    buf_init(&out, 100);
    allocations_left = 0;
    assert_int_equal(grpc_gzip_deflate(gzip, STR("x"), &out), UV_ENOMEM);
    allocations_left = SIZE_MAX;
    buf_deinit(&out);
    buf_init(&out, 10);
    assert_int_equal(grpc_gzip_deflate(gzip, STR("x"), &out), UV_ENOMEM); /* a head alone has 10 */
    buf_deinit(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_there_and_back),
        cmocka_unit_test(test_no_more_than_the_limit),
        cmocka_unit_test(test_broken_files),
        cmocka_unit_test(test_several_members),
        cmocka_unit_test(test_members_that_hold_nothing),
        cmocka_unit_test(test_without_memory),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
