/* SPDX-License-Identifier: MIT
 *
 * test_redis_greeting.c - which commands a connection begins with, in which order.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include "core/redis/redis_command.h"
#include "core/redis/redis_greeting.h"
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

/* assert_greeting puts all commands together as words, a line for each. */
static void assert_greeting(const struct redis_options *options, const char *wanted)
{
    char said[512] = "";
    size_t len = 0;
    for (enum redis_step step = redis_greeting_next(options, REDIS_STEP_AUTH);
         step != REDIS_STEP_COUNT;
         step = redis_greeting_next(options, (enum redis_step)(step + 1))) {
        struct redis_greeting_command command;
        redis_greeting_make(options, step, &command);
        assert_in_range(command.count, 1, REDIS_GREETING_ARGS_MAX);
        for (size_t i = 0; i < command.count; i++) {
            len += (size_t)snprintf(said + len, sizeof(said) - len, "%s%.*s", i == 0 ? "" : " ",
                                    (int)command.args[i].len, command.args[i].ptr);
        }
        len += (size_t)snprintf(said + len, sizeof(said) - len, "\n");
    }
    assert_string_equal(said, wanted);
}

static void test_a_server_without_anything(void **state)
{
    (void)state;
    assert_greeting(&(struct redis_options){.host = "h"}, "PING\n");
    assert_greeting(&(struct redis_options){.password = ""}, "PING\n");
}

static void test_all_of_it(void **state)
{
    (void)state;
    const struct redis_options options = {
        .password = "se cret", .db = 15, .client_name = "toq", .probe_key = "toq:probe"};
    assert_greeting(&options, "AUTH se cret\n"
                              "SELECT 15\n"
                              "CLIENT SETNAME toq\n"
                              "PING\n"
                              "SET toq:probe 1 EX 60\n");
}

static void test_each_alone(void **state)
{
    (void)state;
    assert_greeting(&(struct redis_options){.password = "p"}, "AUTH p\nPING\n");
    assert_greeting(&(struct redis_options){.db = UINT64_MAX},
                    "SELECT 18446744073709551615\nPING\n");
    assert_greeting(&(struct redis_options){.client_name = "n"}, "CLIENT SETNAME n\nPING\n");
    assert_greeting(&(struct redis_options){.probe_key = "k"}, "PING\nSET k 1 EX 60\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_server_without_anything),
        cmocka_unit_test(test_all_of_it),
        cmocka_unit_test(test_each_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
