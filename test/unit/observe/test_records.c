/* SPDX-License-Identifier: MIT
 *
 * test_records.c - which requests get a record, and the ring that they are taken out of.
 *
 * records.c is included: what it chooses by stands in its own functions.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include "core/observe/records.c"
#include <cmocka.h>

static struct http_record taken;

static void test_bands(void **state)
{
    (void)state;
    static const struct {
        uint64_t ns;
        size_t band;
    } rows[] = {
        {0, 0},        {9999, 0},           {10000, 1},
        {99999, 1},    {NS_PER_MS, 3},      {NS_PER_S - 1, 5},
        {NS_PER_S, 6}, {100 * NS_PER_S, 8}, {UINT64_MAX, 8},
    };
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        assert_int_equal(band_of(rows[i].ns), rows[i].band);
        assert_true(http_band_ns(rows[i].band) <= rows[i].ns);
    }
}

static void test_what_is_a_failure(void **state)
{
    (void)state;
    static const struct {
        int status;
        bool is_rpc_fault;
        bool is_failure;
    } rows[] = {
        {200, false, false}, {404, false, false}, {429, false, false}, {499, false, true},
        {500, false, true},  {503, false, true},  {200, true, true}, /* 499: the client has left */
    };
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        const struct http_request req = {.status = rows[i].status,
                                         .is_rpc_fault = rows[i].is_rpc_fault};
        assert_int_equal(has_failed(&req), rows[i].is_failure);
    }
}

/* One of a kind a second. */
static void test_one_a_second(void **state)
{
    (void)state;
    uint64_t due_ns = 0;
    assert_true(is_due(&due_ns, 5));
    assert_false(is_due(&due_ns, 6));
    assert_false(is_due(&due_ns, 4 + NS_PER_S));
    assert_true(is_due(&due_ns, 5 + NS_PER_S));
}

/* Behind the first of a second, those alone that used half as much again as the last one kept. */
static void test_what_is_expensive(void **state)
{
    (void)state;
    struct route_kept kept = {.cpu_ticks = 0};
    assert_true(is_expensive(&kept, 100, 10));
    assert_false(is_expensive(&kept, 150, 11));
    assert_true(is_expensive(&kept, 151, 12));
    assert_false(is_expensive(&kept, 200, 13));
    assert_true(is_expensive(&kept, 1000, 14));
    assert_false(is_expensive(&kept, 999, 14 + NS_PER_S - 1));
    assert_true(is_expensive(&kept, 1, 14 + NS_PER_S)); /* a new second begins with any */
    assert_true(is_expensive(&kept, 2, 15 + NS_PER_S));
}

/* put writes a record as write_record does, without a request. */
static struct http_record *put(struct http_records *records, uint64_t end_ns)
{
    struct http_record *record = next_record(records);
    if (record != NULL) {
        record->end_ns = end_ns;
        record->cpu_ns = UINT64_MAX;
        atomic_fetch_add(&records->head, 1);
    }
    return record;
}

/* A record whose turn is not over, so that its CPU time is not known, holds those behind it. */
static void test_taken_in_order_when_it_is_whole(void **state)
{
    (void)state;
    struct http_records *records = http_records_create();
    assert_non_null(records);
    assert_false(http_records_take(records, &taken));
    struct http_record *first = put(records, 1);
    struct http_record *second = put(records, 2);
    second->cpu_ns = 20;
    assert_false(http_records_take(records, &taken));
    first->cpu_ns = 10;
    assert_true(http_records_take(records, &taken));
    assert_int_equal(taken.end_ns, 1);
    assert_int_equal(taken.cpu_ns, 10);
    assert_true(http_records_take(records, &taken));
    assert_int_equal(taken.end_ns, 2);
    assert_false(http_records_take(records, &taken));
    http_records_destroy(records);
}

static void test_nobody_takes_them(void **state)
{
    (void)state;
    struct http_records *records = http_records_create();
    assert_non_null(records);
    for (uint64_t i = 0; i < HTTP_RECORDS_MAX; i++) {
        put(records, i)->cpu_ns = 1;
    }
    assert_null(put(records, 0));
    assert_null(put(records, 0));
    assert_int_equal(http_records_dropped(records), 2);
    assert_true(http_records_take(records, &taken));
    assert_int_equal(taken.end_ns, 0);
    put(records, 1000)->cpu_ns = 1; /* there is room again */
    for (uint64_t i = 1; i < HTTP_RECORDS_MAX; i++) {
        assert_true(http_records_take(records, &taken));
        assert_int_equal(taken.end_ns, i);
    }
    assert_true(http_records_take(records, &taken));
    assert_int_equal(taken.end_ns, 1000);
    assert_false(http_records_take(records, &taken));
    http_records_destroy(records);
}

static void test_paths_are_cut(void **state)
{
    (void)state;
    char path[HTTP_RECORD_PATH_BYTES + 10];
    char out[HTTP_RECORD_PATH_BYTES];
    memset(path, 'p', sizeof(path));
    struct http_request req = {.path = {path, sizeof(path)}, .target = STR("*")};
    copy_path(&req, out);
    assert_int_equal(strlen(out), HTTP_RECORD_PATH_BYTES - 1);
    req.path = (struct str){NULL, 0}; /* there is none: what was asked for */
    copy_path(&req, out);
    assert_string_equal(out, "*");
    req.target = (struct str){NULL, 0};
    copy_path(&req, out);
    assert_string_equal(out, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bands),
        cmocka_unit_test(test_what_is_a_failure),
        cmocka_unit_test(test_one_a_second),
        cmocka_unit_test(test_what_is_expensive),
        cmocka_unit_test(test_taken_in_order_when_it_is_whole),
        cmocka_unit_test(test_nobody_takes_them),
        cmocka_unit_test(test_paths_are_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
