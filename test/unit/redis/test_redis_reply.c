/* SPDX-License-Identifier: MIT
 *
 * test_redis_reply.c - which errors of Redis are known, by the word that they begin with.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include "core/redis/redis_reply.h"
#include <cmocka.h>

static void test_refusals(void **state)
{
    (void)state;
    const struct redis_refusal *refusal =
        redis_reply_refusal(STR("READONLY You can't write against a read only replica."));
    assert_non_null(refusal);
    assert_string_equal(refusal->reason, "it takes no writes");
    assert_non_null(redis_reply_refusal(STR("OOM command not allowed when used memory > 'max'")));
    assert_non_null(redis_reply_refusal(STR("LOADING Redis is loading the dataset in memory")));
    assert_null(redis_reply_refusal(STR("ERR unknown command")));
    assert_null(redis_reply_refusal(STR("WRONGTYPE Operation against a key")));
    assert_null(redis_reply_refusal(STR("")));
    assert_null(redis_reply_refusal(STR("OOM"))); /* the word alone, which Redis never sends */
    assert_null(redis_reply_refusal(STR("BUSYGROUP Consumer Group name already exists")));
    assert_null(redis_reply_refusal(STR("READONLYX y")));
}

static void test_codes(void **state)
{
    (void)state;
    struct redis_reply reply = {.type = REDIS_ERROR, .text = STR("NOSCRIPT No matching script.")};
    assert_true(redis_reply_has_code(&reply, STR("NOSCRIPT")));
    assert_false(redis_reply_has_code(&reply, STR("NOSCRIP")));
    assert_false(redis_reply_has_code(&reply, STR("NOSCRIPTS")));
    reply.type = REDIS_TEXT; /* a value that looks like one */
    assert_false(redis_reply_has_code(&reply, STR("NOSCRIPT")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_codes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
