/* SPDX-License-Identifier: MIT
 *
 * test_accept.c - weights, specificity and order decide between representations.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include "core/base/base.h"
#include "core/http/accept.h"

static void test_one_is_chosen(void **state)
{
    (void)state;
    static const struct str offers[] = {{"text/plain; version=0.0.4", 25},
                                        {"application/x-open; version=1.0.0", 33}};
    static const struct {
        const char *accept;
        size_t chosen;
    } rows[] = {
        {"", 0},
        {"*/*", 0},
        {"text/*", 0},
        {"application/*", 1},
        {"APPLICATION/X-OPEN", 1},
        {"application/x-open;q=0.5,text/plain;q=0.3", 1},
        {"text/plain;q=0.3,application/x-open;q=0.2", 0},
        {"text/plain;q=0.30,application/x-open;q=0.301", 1},
        {"application/x-open;q=0,text/plain", 0},
        {"application/x-open;q=0,*/*", 0},
        {"text/plain;q=0,*/*", 1},
        {"text/plain;q=0,*/*;q=0.001", 1},
        {"text/plain;q=0", 0}, /* nothing is accepted: the first */
        {"image/png", 0},
        {"application/x-open,text/plain", 1}, /* in the order they are named */
        {"text/plain,application/x-open", 0},
        {"*/*,application/x-open", 1}, /* the more specific */
        {"application/x-open;version=0.0.1,text/plain;q=0.1", 0},
        {"application/x-open;version=1.0.0,text/plain", 1},
        {"application/x-open;version=\"1.0.0\";escaping=x;q=0.5,text/plain;q=0.4", 1},
        {"application/x-open;Q=0.9;version=2,text/plain;q=0.8", 1},
        {"application/x-open;q=1.1,text/plain;q=0.1", 0},
        {"application/x-open;q=2,text/plain;q=0.1", 0},
        {"application/x-open;q=0.1234,text/plain;q=0.1", 0},
        {"application/x-open;q=,text/plain;q=0.1", 0},
        {"application/x-open;q=1.000,text/plain;q=0.999", 1},
        {"text/html;x=\"a,application/x-open,b\"", 0},
        {",, ;, /, *, application/x-open", 1},
    };
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        const size_t chosen = accept_choose(str_from(rows[i].accept), offers, ARRAY_COUNT(offers));
        if (chosen != rows[i].chosen) {
            fail_msg("%s", rows[i].accept);
        }
    }
    assert_int_equal(accept_choose((struct str){NULL, 0}, offers, ARRAY_COUNT(offers)), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_is_chosen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
