/* SPDX-License-Identifier: MIT
 *
 * test_span_ring.c - records in order, drops that are counted, two threads; and the texts of
 * statements.
 *
 * Tests: core/loop/statements.c
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include <pthread.h>

#include "core/loop/statements.h"
#include "core/task/span_ring.h"

static bool put(struct span_ring *ring, int status)
{
    struct span_record *record = span_ring_reserve(ring);
    if (record != NULL) {
        record->status = status;
        span_ring_commit(ring);
    }
    return record != NULL;
}

static void test_records_come_in_order_and_drops_are_counted(void **state)
{
    (void)state;
    struct span_ring *ring = span_ring_create(3); /* four */
    assert_non_null(ring);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 4; i++) {
            assert_true(put(ring, i));
        }
        assert_false(put(ring, 4));
        assert_int_equal(span_ring_count(ring), 4);
        assert_int_equal(span_ring_peek(ring, 0)->status, 0);
        assert_int_equal(span_ring_peek(ring, 3)->status, 3);
        span_ring_drop(ring, 3);
        assert_int_equal(span_ring_peek(ring, 0)->status, 3);
        span_ring_drop(ring, 1);
        assert_int_equal(span_ring_count(ring), 0);
        assert_int_equal(span_ring_lost(ring), round + 1);
    }
    span_ring_destroy(ring);
    span_ring_destroy(NULL);
}

#define MANY 100000

static void *read_all(void *arg)
{
    struct span_ring *ring = arg;
    int last = 0;
    while (last < MANY) {
        if (span_ring_count(ring) > 0) {
            const struct span_record *record = span_ring_peek(ring, 0);
            if (record->status <= last || record->end_ns != (uint64_t)record->status) {
                return NULL;
            }
            last = record->status;
            span_ring_drop(ring, 1);
        }
    }
    return arg;
}

static void test_one_writes_and_one_reads(void **state)
{
    (void)state;
    struct span_ring *ring = span_ring_create(16);
    pthread_t thread;
    void *is_right = NULL;
    assert_int_equal(pthread_create(&thread, NULL, read_all, ring), 0);
    for (int i = 1; i <= MANY;) {
        struct span_record *record = span_ring_reserve(ring);
        if (record != NULL) {
            record->end_ns = (uint64_t)i;
            record->status = i++;
            span_ring_commit(ring);
        }
    }
    assert_int_equal(pthread_join(thread, &is_right), 0);
    assert_non_null(is_right);
    span_ring_destroy(ring);
}

static void test_a_statement_is_known_by_its_name(void **state)
{
    (void)state;
    static char names[STATEMENTS_MAX + 1][4];
    static char text[2 * STATEMENT_TEXT_BYTES];
    memset(text, 'x', sizeof(text));
    struct statements *table = statements_create();
    assert_non_null(table);
    assert_null(statements_text(NULL, "unknown")); /* no table */
    assert_null(statements_text(table, NULL));
    assert_null(statements_text(table, "unknown"));
    statements_learn(table, names[0], STR("SELECT ?"));
    statements_learn(table, names[0], STR("SELECT ? again")); /* the first one counts */
    assert_string_equal(statements_text(table, names[0]), "SELECT ?");
    statements_learn(table, names[1], (struct str){text, sizeof(text)});
    assert_int_equal(strlen(statements_text(table, names[1])), STATEMENT_TEXT_BYTES - 1);
    for (size_t i = 2; i <= STATEMENTS_MAX; i++) {
        statements_learn(table, names[i], STR("more"));
    }
    assert_string_equal(statements_text(table, names[STATEMENTS_MAX - 1]), "more");
    assert_null(statements_text(table, names[STATEMENTS_MAX])); /* the table is full */
    statements_destroy(table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_records_come_in_order_and_drops_are_counted),
        cmocka_unit_test(test_one_writes_and_one_reads),
        cmocka_unit_test(test_a_statement_is_known_by_its_name),
    };
    return cmocka_run_group_tests_name("span_ring", tests, NULL, NULL);
}
