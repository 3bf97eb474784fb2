/* SPDX-License-Identifier: MIT
 *
 * test_sql_statements.c - a series for each name, up to the last row, which is everybody else's.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include <stdio.h>

#include "core/sql/sql_statements.h"
#include "test/unit/support/render_metrics.h"

static struct sql_statements statements;
static struct metrics *metrics;
static struct buf text;

static int set_up(void **state)
{
    (void)state;
    statements = (struct sql_statements){0};
    metrics = metrics_create();
    assert_non_null(metrics);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    metrics_destroy(metrics);
    return 0;
}

static void assert_count(const char *name, unsigned count)
{
    char line[128];
    (void)snprintf(line, sizeof(line),
                   "\ntoq_sql_statement_duration_seconds_count{statement=\"%s\"} %u\n", name,
                   count);
    buf_init(&text, 1 << 20);
    render_metrics(metrics, METRICS_TEXT_0_0_4, &text);
    buf_append_char(&text, '\0');
    if (strstr(text.data, line) == NULL) {
        fail_msg("no %s in %s", line, text.data);
    }
    buf_deinit(&text);
}

static void test_each_name_has_a_series(void **state)
{
    (void)state;
    static const char other_place[] = "a.read";
    assert_int_equal(sql_statements_register(&statements, metrics), 0);
    sql_statements_observe(&statements, "a.read", 0.1);
    sql_statements_observe(&statements, other_place, 0.1);
    sql_statements_observe(&statements, "b.write", 0.1);
    sql_statements_observe(&statements, NULL, 0.1);
    assert_count("a.read", 2);
    assert_count("b.write", 1);
}

static void test_names_for_which_there_is_no_room(void **state)
{
    (void)state;
    static char names[SQL_STATEMENTS_MAX + 4][8];
    assert_int_equal(sql_statements_register(&statements, metrics), 0);
    for (unsigned i = 0; i < ARRAY_COUNT(names); i++) {
        (void)snprintf(names[i], sizeof(names[i]), "n%u", i);
        sql_statements_observe(&statements, names[i], 0.1);
    }
    assert_count("n0", 1);
    assert_count("n62", 1);
    assert_count("other", 5);
}

static void test_nothing_is_counted_before_it_is_registered(void **state)
{
    (void)state;
    sql_statements_observe(&statements, "a", 0.1);
    assert_int_equal(statements.count, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_each_name_has_a_series),
        TEST(test_names_for_which_there_is_no_room),
        TEST(test_nothing_is_counted_before_it_is_registered),
    };
    return cmocka_run_group_tests_name("sql_statements", tests, NULL, NULL);
}
