/* SPDX-License-Identifier: MIT
 *
 * test_baggage.c - which baggage is passed on.
 *
 * Source: the examples and rules of W3C Baggage.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include <stdio.h>

#include "core/telemetry/baggage.h"

static void test_what_is_passed_on(void **state)
{
    (void)state;
    static const char *const right[] = {
        "key1=value1;property1;property2, key2 = value2, key3=value3; propertyKey=propertyValue",
        "userId=alice,serverNode=DF%2028,isProduction=false",
        "serverNode=DF%2028",
        "userId=Am%C3%A9lie,serverNode=DF%2028,isProduction=false",
        "key=",
        "a=b=c",
        "a=1,a=2",
        "key=value;p=",
        "  key \t = \t value  ",
        "k!#$%&'*+-.^_`|~=v",
        "key=!#$%&'()*+-./:<=>?@[]^_`{|}~",
    };
    for (size_t i = 0; i < ARRAY_COUNT(right); i++) {
        assert_true(baggage_is_valid(str_from(right[i])));
    }
}

static void test_what_is_dropped(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "",
        ",",
        "key",
        "=value",
        "key=value,",
        ",key=value",
        "k y=v",
        "key=v v",
        "key=\"v\"",
        "key=v\\",
        "key=v;",
        "key=v;=p",
        "k(=v",
        "key=v;p p",
        "key=\x01",
        "key=\xC3\xA9",
        "key=v;p=q r",
        "a=1,,b=2",
        "a=1;b=\"x\"",
    };
    for (size_t i = 0; i < ARRAY_COUNT(wrong); i++) {
        assert_false(baggage_is_valid(str_from(wrong[i])));
    }
    assert_false(baggage_is_valid((struct str){NULL, 0}));
}

static void test_limits(void **state)
{
    (void)state;
    char text[BAGGAGE_MAX_BYTES + 2];
    memset(text, 'v', sizeof(text));
    memcpy(text, "k=", 2);
    assert_true(baggage_is_valid((struct str){text, BAGGAGE_MAX_BYTES}));
    assert_false(baggage_is_valid((struct str){text, BAGGAGE_MAX_BYTES + 1}));
    size_t len = 0;
    for (int i = 0; i < BAGGAGE_MAX_MEMBERS; i++) {
        len += (size_t)snprintf(text + len, sizeof(text) - len, "%sk%d=v", i == 0 ? "" : ",", i);
    }
    assert_true(baggage_is_valid((struct str){text, len}));
    len += (size_t)snprintf(text + len, sizeof(text) - len, ",more=v");
    assert_false(baggage_is_valid((struct str){text, len}));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_passed_on),
        cmocka_unit_test(test_what_is_dropped),
        cmocka_unit_test(test_limits),
    };
    return cmocka_run_group_tests_name("baggage", tests, NULL, NULL);
}
