/* SPDX-License-Identifier: MIT
 *
 * test_sql.c - what goes into MySQL comes out again: types, parameters, errors, caps, the cache.
 *
 * Tests: core/sql/sql_metrics.c
 */
#include "test/unit/sql/sql_rig.h"
#include "test/unit/support/render_metrics.h"

#include <math.h>

static int set_up(void **state)
{
    (void)state;
    struct sql_options options = mariadb_options(&db);
    options.max_connections = 1;
    options.max_statements = 4;
    rig_open(&rig, &options);
    return 0;
}

/* value_of runs a statement with one parameter; the first value of its answer. */
static struct sql_value value_of(struct asked *asked, const char *text, struct sql_value param)
{
    const int status = answer_with(&rig, asked, text, &param, 1);
    if (status != 0) {
        fail_msg("%s: %d %s", text, status, asked->query.result.error.message.ptr);
    }
    assert_int_equal(asked->query.result.row_count, 1);
    return asked->query.result.rows->values[0];
}

static void assert_i64(const char *text, int64_t value)
{
    struct asked asked;
    const struct sql_value got = value_of(&asked, text, sql_i64(value));
    assert_int_equal(got.type, SQL_I64);
    assert_true(got.i64 == value);
    forget(&asked);
}

static void test_signed_integers(void **state)
{
    (void)state;
    assert_i64("SELECT CAST(? AS SIGNED)", 0);
    assert_i64("SELECT CAST(? AS SIGNED)", -1);
    assert_i64("SELECT CAST(? AS SIGNED)", INT64_MAX);
    assert_i64("SELECT CAST(? AS SIGNED)", INT64_MIN);
}

static void test_unsigned_integers(void **state)
{
    (void)state;
    struct asked asked;
    const struct sql_value got =
        value_of(&asked, "SELECT CAST(? AS UNSIGNED)", sql_u64(UINT64_MAX));
    assert_int_equal(got.type, SQL_U64);
    assert_true(got.u64 == UINT64_MAX);
    forget(&asked);
}

static void test_floating_point(void **state)
{
    (void)state;
    static const double values[] = {0, -0.1, 1e300, 5e-324, 0.1 + 0.2};
    for (size_t i = 0; i < ARRAY_COUNT(values); i++) {
        struct asked asked;
        const struct sql_value got = value_of(&asked, "SELECT ? + 0e0", sql_f64(values[i]));
        assert_int_equal(got.type, SQL_F64);
        assert_true(got.f64 == values[i]);
        forget(&asked);
    }
}

static void test_null_both_ways(void **state)
{
    (void)state;
    struct asked asked;
    assert_int_equal(value_of(&asked, "SELECT ?", sql_null()).type, SQL_NULL);
    forget(&asked);
    assert_int_equal(value_of(&asked, "SELECT ? IS NULL", sql_null()).i64, 1);
    forget(&asked);
    /* an empty view without a pointer is a text, not NULL */
    const struct sql_value got = value_of(&asked, "SELECT ?", sql_text((struct str){NULL, 0}));
    assert_int_equal(got.type, SQL_TEXT);
    assert_int_equal(got.str.len, 0);
    forget(&asked);
}

static void assert_text(struct str text)
{
    struct asked asked;
    const struct sql_value got = value_of(&asked, "SELECT ?", sql_text(text));
    assert_int_equal(got.type, SQL_TEXT);
    assert_true(str_equal(got.str, text));
    assert_int_equal(got.str.ptr[got.str.len], '\0');
    forget(&asked);
}

static void test_text(void **state)
{
    (void)state;
    assert_text(STR(""));
    assert_text(STR("S\xC3\xA3o Paulo"));
    assert_text(STR("\xF0\x9F\x8F\xA0 four bytes")); /* U+1F3E0 */
    assert_text(STR("a\0b"));
    assert_text(STR("'; DROP TABLE listings; -- \\"));
}

static void test_a_long_text(void **state)
{
    (void)state;
    const size_t len = 3u << 20; /* many reads and writes of the socket */
    char *text = malloc(len);
    assert_non_null(text);
    for (size_t i = 0; i < len; i++) {
        text[i] = (char)('a' + i % 26);
    }
    assert_text((struct str){text, len});
    free(text);
}

static void test_blob(void **state)
{
    (void)state;
    char bytes[256];
    for (size_t i = 0; i < sizeof(bytes); i++) {
        bytes[i] = (char)i;
    }
    execute(&rig, "CREATE OR REPLACE TABLE t (b BLOB, v VARBINARY(300), bits BIT(9))");
    const struct str all = {bytes, sizeof(bytes)};
    const struct sql_value params[] = {sql_blob(all), sql_blob(all)};
    struct asked asked;
    assert_int_equal(
        answer_with(&rig, &asked, "INSERT INTO t VALUES (?, ?, b'100000001')", params, 2), 0);
    forget(&asked);
    assert_int_equal(answer_with(&rig, &asked, "SELECT * FROM t", NULL, 0), 0);
    const struct sql_value *got = asked.query.result.rows->values;
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(got[i].type, SQL_BLOB);
        assert_true(str_equal(got[i].str, all));
    }
    assert_int_equal(got[2].type, SQL_BLOB);
    assert_true(str_equal(got[2].str, STR("\1\1")));
    forget(&asked);
}

static void test_datetime(void **state)
{
    (void)state;
    static const struct {
        int64_t us;
        const char *text;
    } rows[] = {
        {0, "1970-01-01 00:00:00.000000"},
        {-1, "1969-12-31 23:59:59.999999"},
        {INT64_C(951782400000000), "2000-02-29 00:00:00.000000"},
        {INT64_C(1795391999123456), "2026-11-22 23:59:59.123456"},
        {INT64_C(253402300799999999), "9999-12-31 23:59:59.999999"},
    };
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        struct asked asked;
        struct sql_value got = value_of(&asked, "SELECT CAST(CAST(? AS DATETIME(6)) AS CHAR)",
                                        sql_datetime(rows[i].us));
        assert_string_equal(got.str.ptr, rows[i].text);
        forget(&asked);
        got = value_of(&asked, "SELECT CAST(? AS DATETIME(6))", sql_datetime(rows[i].us));
        assert_int_equal(got.type, SQL_DATETIME);
        assert_true(got.us == rows[i].us);
        forget(&asked);
    }
}

static void test_a_datetime_that_is_none(void **state)
{
    (void)state;
    struct asked asked;
    const struct sql_value param = sql_datetime(INT64_MAX);
    assert_int_equal(answer_with(&rig, &asked, "SELECT ?", &param, 1), UV_EINVAL);
    forget(&asked);
    execute(&rig, "SELECT 1"); /* the connection is as good as before */
    assert_int_equal(sql_get_stats(rig.sql).lost, 0);
}

static void test_column_types(void **state)
{
    (void)state;
    execute(&rig,
            "CREATE OR REPLACE TABLE t (a TINYINT, b SMALLINT UNSIGNED, c MEDIUMINT, d INT, "
            "e BIGINT UNSIGNED, f FLOAT, g DOUBLE, h DECIMAL(20,5), i CHAR(3), j VARCHAR(9), "
            "k TEXT, l ENUM('x','y'), m DATE, n DATETIME, o TIMESTAMP, p TIME, q YEAR, r JSON, "
            "s BINARY(2), z INT)");
    execute(&rig, "INSERT INTO t VALUES (-128, 65535, -8388608, 2147483647, 18446744073709551615, "
                  "0.5, -2.25, 123456789012345.67890, 'abc', 'd', 'e', 'y', '2024-02-29', "
                  "'2024-02-29 01:02:03', '2024-02-29 01:02:03', '-12:34:56', 2024, '{\"a\":1}', "
                  "x'00ff', NULL)");
    struct asked asked;
    assert_int_equal(answer_with(&rig, &asked, "SELECT * FROM t", NULL, 0), 0);
    const struct sql_value *v = asked.query.result.rows->values;
    static const enum sql_type types[] = {
        SQL_I64,      SQL_U64,  SQL_I64,  SQL_I64,  SQL_U64,  SQL_F64,      SQL_F64,
        SQL_TEXT,     SQL_TEXT, SQL_TEXT, SQL_TEXT, SQL_TEXT, SQL_DATETIME, SQL_DATETIME,
        SQL_DATETIME, SQL_TEXT, SQL_I64,  SQL_TEXT, SQL_BLOB, SQL_NULL};
    assert_int_equal(asked.query.result.column_count, ARRAY_COUNT(types));
    for (size_t i = 0; i < ARRAY_COUNT(types); i++) {
        if (v[i].type != types[i] && !(i == 16 && v[i].type == SQL_U64)) {
            fail_msg("column %zu is of type %d, not %d", i, v[i].type, types[i]);
        }
    }
    assert_true(v[0].i64 == -128);
    assert_true(v[1].u64 == 65535);
    assert_true(v[2].i64 == -8388608);
    assert_true(v[4].u64 == UINT64_MAX);
    assert_true(v[5].f64 == 0.5);
    assert_true(v[6].f64 == -2.25);
    assert_string_equal(v[7].str.ptr, "123456789012345.67890");
    assert_string_equal(v[11].str.ptr, "y");
    assert_true(v[12].us == INT64_C(1709164800000000));
    assert_true(v[14].us == v[13].us && v[13].us == INT64_C(1709168523000000));
    assert_string_equal(v[15].str.ptr, "-12:34:56");
    assert_true(v[16].i64 == 2024);
    assert_string_equal(v[17].str.ptr, "{\"a\":1}");
    assert_true(str_equal(v[18].str, STR("\0\xFF")));
    forget(&asked);
}

static void test_writes_tell_what_they_did(void **state)
{
    (void)state;
    execute(&rig, "CREATE OR REPLACE TABLE t (id INT PRIMARY KEY AUTO_INCREMENT, v INT)");
    struct asked asked;
    assert_int_equal(answer_with(&rig, &asked, "INSERT INTO t (v) VALUES (1), (2)", NULL, 0), 0);
    assert_int_equal(asked.query.result.affected_rows, 2);
    assert_int_equal(asked.query.result.insert_id, 1);
    assert_int_equal(asked.query.result.column_count, 0);
    forget(&asked);
    assert_int_equal(answer_with(&rig, &asked, "DELETE FROM t WHERE v > 5", NULL, 0), 0);
    assert_int_equal(asked.query.result.affected_rows, 0);
    forget(&asked);
}

static void assert_error(const char *text, int status, unsigned code, const char *sqlstate)
{
    struct asked asked;
    assert_int_equal(answer_with(&rig, &asked, text, NULL, 0), status);
    assert_int_equal(asked.query.result.error.code, code);
    assert_string_equal(asked.query.result.error.sqlstate, sqlstate);
    assert_true(asked.query.result.error.message.len > 0);
    forget(&asked);
}

static void test_errors_have_a_status_and_the_servers_code(void **state)
{
    (void)state;
    execute(&rig, "CREATE OR REPLACE TABLE t (id INT PRIMARY KEY, v VARCHAR(3) NOT NULL, "
                  "CHECK (id < 100))");
    execute(&rig, "INSERT INTO t VALUES (1, 'a')");
    assert_error("INSERT INTO t VALUES (1, 'b')", UV_EEXIST, 1062, "23000");
    assert_error("INSERT INTO t VALUES (2, 'abcd')", UV_EINVAL, 1406, "22001");
    assert_error("INSERT INTO t VALUES (2, NULL)", UV_EINVAL, 1048, "23000");
    assert_error("INSERT INTO t VALUES (100, 'a')", UV_EINVAL, 4025, "23000");
    assert_error("INSERT INTO t VALUES (99999999999, 'a')", UV_EINVAL, 1264, "22003");
    assert_error("SELEKT 1", UV_EIO, 1064, "42000");
    assert_error("SELECT 1; SELECT 2", UV_EIO, 1064, "42000"); /* one statement, never two */
    assert_error("SELECT * FROM missing", UV_EIO, 1146, "42S02");
    assert_error("LOAD DATA LOCAL INFILE '/etc/passwd' INTO TABLE t", UV_EIO, 4166, "HY000");
    assert_int_equal(sql_get_stats(rig.sql).lost, 0); /* all on one connection */
    assert_int_equal(sql_get_stats(rig.sql).connects, 1);
}

static void test_invalid_utf8_is_refused(void **state)
{
    (void)state;
    execute(&rig, "CREATE OR REPLACE TABLE t (v VARCHAR(10)) CHARACTER SET utf8mb4");
    struct asked asked;
    const struct sql_value param = sql_text(STR("a\xFFz"));
    assert_int_equal(answer_with(&rig, &asked, "INSERT INTO t VALUES (?)", &param, 1), UV_EINVAL);
    assert_int_equal(asked.query.result.error.code, 1366);
    forget(&asked);
}

static void test_the_session_is_as_promised(void **state)
{
    (void)state;
    struct asked asked;
    assert_int_equal(answer_with(&rig, &asked,
                                 "SELECT @@time_zone, @@character_set_client, "
                                 "@@character_set_results, @@sql_mode LIKE '%STRICT_ALL_TABLES%'",
                                 NULL, 0),
                     0);
    const struct sql_value *v = asked.query.result.rows->values;
    assert_string_equal(v[0].str.ptr, "+00:00");
    assert_string_equal(v[1].str.ptr, "utf8mb4");
    assert_string_equal(v[2].str.ptr, "utf8mb4");
    assert_int_equal(v[3].i64, 1);
    forget(&asked);
}

static void test_parameters_must_be_as_many_as_marks(void **state)
{
    (void)state;
    struct asked asked;
    struct sql_value params[SQL_PARAMS_MAX + 1] = {0};
    assert_int_equal(answer_with(&rig, &asked, "SELECT ?, ?", params, 1), UV_EINVAL);
    forget(&asked);
    assert_int_equal(answer_with(&rig, &asked, "SELECT ?", params, 2), UV_EINVAL);
    forget(&asked);
    ask_init(&rig, &asked, "SELECT 1");
    asked.query.params = params;
    asked.query.param_count = SQL_PARAMS_MAX + 1;
    assert_int_equal(sql_query_start(rig.sql, &asked.query), UV_EINVAL);
    forget(&asked);
    assert_int_equal(sql_get_stats(rig.sql).lost, 0);
}

static void test_rows_come_in_order(void **state)
{
    (void)state;
    struct asked asked;
    assert_int_equal(
        answer_with(&rig, &asked, "SELECT seq, REPEAT('x', seq MOD 7) FROM seq_1_to_5000", NULL, 0),
        0);
    int64_t expected = 0;
    for (const struct sql_row *row = asked.query.result.rows; row != NULL; row = row->next) {
        expected++;
        assert_true(row->values[0].i64 == expected);
        assert_int_equal(row->values[1].str.len, (size_t)expected % 7);
    }
    assert_int_equal(expected, 5000);
    assert_int_equal(asked.query.result.row_count, 5000);
    forget(&asked);
}

static int status_with_caps(const char *text, size_t max_rows, size_t max_bytes)
{
    struct asked asked;
    ask_init(&rig, &asked, text);
    asked.query.max_rows = max_rows;
    asked.query.max_bytes = max_bytes;
    assert_int_equal(sql_query_start(rig.sql, &asked.query), 0);
    await(&rig, &asked);
    forget(&asked);
    return asked.query.result.status;
}

static void test_caps_on_rows_and_bytes(void **state)
{
    (void)state;
    assert_int_equal(status_with_caps("SELECT seq FROM seq_1_to_10", 10, 0), 0);
    assert_int_equal(status_with_caps("SELECT seq FROM seq_1_to_11", 10, 0), UV_EMSGSIZE);
    assert_int_equal(status_with_caps("SELECT seq FROM seq_1_to_10001", 0, 0), UV_EMSGSIZE);
    assert_int_equal(status_with_caps("SELECT REPEAT('x', 100)", 0, 200), 0);
    assert_int_equal(status_with_caps("SELECT REPEAT('x', 300)", 0, 200), UV_EMSGSIZE);
    assert_int_equal(status_with_caps("SELECT REPEAT('x', 9000000)", 0, 0), UV_EMSGSIZE);
    execute(&rig, "SELECT 1"); /* on a new connection: the rest of the rows is not waited for */
    assert_int_equal(sql_get_stats(rig.sql).lost, 4);
}

static void test_a_row_is_complete_or_absent(void **state)
{
    (void)state;
    struct asked asked;
    ask_init(&rig, &asked, "SELECT seq, REPEAT('x', seq * 100), seq FROM seq_1_to_3");
    asked.query.max_bytes = 400; /* the second row's number fits, its text does not */
    assert_int_equal(sql_query_start(rig.sql, &asked.query), 0);
    await(&rig, &asked);
    const struct sql_result *result = &asked.query.result;
    assert_int_equal(result->status, UV_EMSGSIZE);
    assert_int_equal(result->row_count, 1);
    assert_int_equal(result->rows->values[2].i64, 1);
    assert_null(result->rows->next);
    forget(&asked);
}

static void test_many_parameters_and_then_few(void **state)
{
    (void)state;
    static char text[SQL_PARAMS_MAX * 2 + 32];
    static struct sql_value params[SQL_PARAMS_MAX];
    int len = snprintf(text, sizeof(text), "SELECT %d IN (", SQL_PARAMS_MAX - 1);
    for (size_t i = 0; i < SQL_PARAMS_MAX; i++) {
        params[i] = sql_i64((int64_t)i);
        text[len++] = '?';
        text[len++] = i + 1 < SQL_PARAMS_MAX ? ',' : ')';
    }
    struct asked asked;
    assert_int_equal(answer_with(&rig, &asked, text, params, SQL_PARAMS_MAX), 0);
    assert_int_equal(asked.query.result.rows->values[0].i64, 1);
    forget(&asked);
    assert_int_equal(answer_with(&rig, &asked, "SELECT ?", &params[7], 1), 0);
    assert_int_equal(asked.query.result.rows->values[0].i64, 7);
    forget(&asked);
}

static void test_a_full_arena(void **state)
{
    (void)state;
    struct asked asked;
    ask_init(&rig, &asked, "SELECT REPEAT('x', 100000)");
    arena_init(&asked.arena, 8192);
    assert_int_equal(sql_query_start(rig.sql, &asked.query), 0);
    await(&rig, &asked);
    assert_int_equal(asked.query.result.status, UV_ENOMEM);
    forget(&asked);
    execute(&rig, "SELECT 1");
}

static void test_a_packet_that_is_too_large(void **state)
{
    (void)state;
    const size_t len = 17u << 20;
    char *text = calloc(1, len);
    assert_non_null(text);
    struct asked asked;
    const struct sql_value param = sql_blob((struct str){text, len});
    ask_init(&rig, &asked, "SELECT LENGTH(?)");
    asked.query.params = &param;
    asked.query.param_count = 1;
    assert_int_equal(sql_query_start(rig.sql, &asked.query), UV_EMSGSIZE);
    forget(&asked);
    free(text);
}

static void test_rows_without_an_arena_are_dropped(void **state)
{
    (void)state;
    struct asked asked;
    ask_init(&rig, &asked, "SELECT seq FROM seq_1_to_5");
    asked.query.arena = NULL;
    assert_int_equal(sql_query_start(rig.sql, &asked.query), 0);
    await(&rig, &asked);
    assert_int_equal(asked.query.result.status, 0);
    assert_int_equal(asked.query.result.row_count, 5);
    assert_null(asked.query.result.rows);
}

static void test_statements_are_kept_and_the_oldest_goes(void **state)
{
    (void)state;
    static const char *const texts[] = {"SELECT 1", "SELECT 2", "SELECT 3", "SELECT 4"};
    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < ARRAY_COUNT(texts); i++) {
            execute(&rig, texts[i]);
        }
    }
    assert_int_equal(sql_get_stats(rig.sql).prepares, 4);
    execute(&rig, "SELECT 5"); /* in place of SELECT 1 */
    assert_int_equal(sql_get_stats(rig.sql).prepares, 5);
    execute(&rig, "SELECT 2");
    execute(&rig, "SELECT 4");
    assert_int_equal(sql_get_stats(rig.sql).prepares, 5);
    execute(&rig, "SELECT 1");
    assert_int_equal(sql_get_stats(rig.sql).prepares, 6);
    /* the server keeps no more than we do */
    assert_int_equal(mariadb_number(&db,
                                    "SELECT variable_value FROM information_schema.global_status "
                                    "WHERE variable_name = 'Prepared_stmt_count'"),
                     4);
}

static void test_a_failed_prepare_is_not_kept(void **state)
{
    (void)state;
    for (int i = 0; i < 10; i++) {
        assert_error("SELECT * FROM missing", UV_EIO, 1146, "42S02");
    }
    execute(&rig, "CREATE OR REPLACE TABLE missing (v INT)");
    execute(&rig, "SELECT * FROM missing");
    execute(&rig, "DROP TABLE missing");
}

static void test_a_table_may_change_under_a_statement(void **state)
{
    (void)state;
    static const char select[] = "SELECT * FROM t";
    execute(&rig, "CREATE OR REPLACE TABLE t (v INT)");
    execute(&rig, "INSERT INTO t VALUES (7)");
    execute(&rig, select);
    execute(&rig, "ALTER TABLE t MODIFY v VARCHAR(10)");
    struct asked asked;
    assert_int_equal(answer_with(&rig, &asked, select, NULL, 0), 0);
    assert_int_equal(asked.query.result.rows->values[0].type, SQL_TEXT);
    assert_string_equal(asked.query.result.rows->values[0].str.ptr, "7");
    forget(&asked);
    execute(&rig, "ALTER TABLE t ADD w INT");
    const int status = answer_with(&rig, &asked, select, NULL, 0);
    assert_true(status == 0 || status == UV_EIO); /* at worst the old statement goes ... */
    forget(&asked);
    assert_int_equal(answer_with(&rig, &asked, select, NULL, 0),
                     0); /* ... and the next one is anew */
    assert_int_equal(asked.query.result.column_count, 2);
    forget(&asked);
}

static void test_a_procedure_leaves_nothing_behind(void **state)
{
    (void)state;
    execute(&rig, "CREATE OR REPLACE PROCEDURE p() BEGIN SELECT 1; SELECT 2; END");
    struct asked asked;
    assert_int_equal(answer_with(&rig, &asked, "CALL p()", NULL, 0), UV_EPROTO);
    forget(&asked);
    assert_int_equal(answer_with(&rig, &asked, "SELECT 3", NULL, 0), 0);
    assert_int_equal(asked.query.result.rows->values[0].i64, 3);
    forget(&asked);
}

static void test_metrics_are_there(void **state)
{
    (void)state;
    struct metrics *metrics = metrics_create();
    struct buf text;
    buf_init(&text, 1 << 20);
    assert_int_equal(sql_register_metrics(rig.sql, metrics), 0);
    execute(&rig, "SELECT 1");
    render_metrics(metrics, METRICS_TEXT_0_0_4, &text);
    buf_append_char(&text, '\0');
    assert_non_null(strstr(text.data, "toq_sql_max_open_connections{db_name=\"toq\"} 1\n"));
    assert_non_null(strstr(text.data, "toq_sql_open_connections{db_name=\"toq\"} 1\n"));
    assert_non_null(strstr(text.data, "toq_sql_idle_connections{db_name=\"toq\"} 1\n"));
    assert_non_null(strstr(text.data, "toq_sql_wait_count_total{db_name=\"toq\"} 1\n"));
    assert_non_null(strstr(text.data, "toq_sql_query_duration_seconds_count{db_name=\"toq\"} 1\n"));
    buf_deinit(&text);
    metrics_destroy(metrics);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, close_rig)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_signed_integers),
        TEST(test_unsigned_integers),
        TEST(test_floating_point),
        TEST(test_null_both_ways),
        TEST(test_text),
        TEST(test_a_long_text),
        TEST(test_blob),
        TEST(test_datetime),
        TEST(test_a_datetime_that_is_none),
        TEST(test_column_types),
        TEST(test_writes_tell_what_they_did),
        TEST(test_errors_have_a_status_and_the_servers_code),
        TEST(test_invalid_utf8_is_refused),
        TEST(test_the_session_is_as_promised),
        TEST(test_parameters_must_be_as_many_as_marks),
        TEST(test_rows_come_in_order),
        TEST(test_caps_on_rows_and_bytes),
        TEST(test_a_row_is_complete_or_absent),
        TEST(test_many_parameters_and_then_few),
        TEST(test_a_full_arena),
        TEST(test_a_packet_that_is_too_large),
        TEST(test_rows_without_an_arena_are_dropped),
        TEST(test_statements_are_kept_and_the_oldest_goes),
        TEST(test_a_failed_prepare_is_not_kept),
        TEST(test_a_table_may_change_under_a_statement),
        TEST(test_a_procedure_leaves_nothing_behind),
        TEST(test_metrics_are_there),
    };
    return cmocka_run_group_tests_name("sql", tests, set_up_plain_server, tear_down_server);
}
