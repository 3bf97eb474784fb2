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
#undef realloc

#include <uv.h>

#include "core/http/grpc_gzip.h"

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
        cmocka_unit_test(test_without_memory),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
