/* SPDX-License-Identifier: MIT
 *
 * test_grpc_status.c - the codes' names, and the code of each error.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include <uv.h>

#include "core/grpc/grpc_status.h"

static void test_names(void **state)
{
    (void)state;
    for (int code = 0; code < GRPC_CODE_COUNT; code++) {
        assert_non_null(grpc_code_name((enum grpc_code)code));
        assert_non_null(grpc_code_label((enum grpc_code)code));
    }
    assert_string_equal(grpc_code_name(GRPC_UNAUTHENTICATED), "UNAUTHENTICATED");
    assert_string_equal(grpc_code_label(GRPC_CANCELLED), "Canceled");
    assert_string_equal(grpc_code_name(GRPC_CODE_COUNT), "UNKNOWN");
}

static void test_what_is_a_fault(void **state)
{
    (void)state;
    assert_false(grpc_code_is_fault(GRPC_OK));
    assert_false(grpc_code_is_fault(GRPC_CANCELLED));
    assert_false(grpc_code_is_fault(GRPC_NOT_FOUND)); /* the client's own mistakes */
    assert_false(grpc_code_is_fault(GRPC_INVALID_ARGUMENT));
    assert_false(grpc_code_is_fault(GRPC_RESOURCE_EXHAUSTED));
    assert_true(grpc_code_is_fault(GRPC_UNAVAILABLE));
    assert_true(grpc_code_is_fault(GRPC_DEADLINE_EXCEEDED));
    assert_true(grpc_code_is_fault(GRPC_INTERNAL));
}

static void test_errors(void **state)
{
    (void)state;
    static const struct {
        int error;
        enum grpc_code code;
    } rows[] = {
        {0, GRPC_OK},
        {UV_EBUSY, GRPC_RESOURCE_EXHAUSTED},
        {UV_ENOTCONN, GRPC_UNAVAILABLE},
        {UV_ECONNRESET, GRPC_UNAVAILABLE},
        {UV_EAGAIN, GRPC_ABORTED},
        {UV_ECONNABORTED, GRPC_ABORTED},
        {UV_ENOENT, GRPC_NOT_FOUND},
        {UV_ETIMEDOUT, GRPC_DEADLINE_EXCEEDED},
        {UV_ECANCELED, GRPC_UNAVAILABLE},
        {UV_ENOMEM, GRPC_RESOURCE_EXHAUSTED},
        {UV_EIO, GRPC_INTERNAL},
        {UV_EPIPE, GRPC_INTERNAL},
    };
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        assert_int_equal(grpc_status_of(rows[i].error).code, rows[i].code);
    }
    assert_int_equal(grpc_status_of(0).message.len, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_what_is_a_fault),
        cmocka_unit_test(test_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
