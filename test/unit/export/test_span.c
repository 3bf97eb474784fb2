/* SPDX-License-Identifier: MIT
 *
 * test_span.c - a request's record as spans: the server's, and one below it for each wait.
 *
 * Source: OpenTelemetry semantic conventions 1.44.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <uv.h>

#include "core/export/span.h"
#include "core/loop/statements.h"
#include "core/task/label.h"
#include "core/task/task.h"

#define START_NS (1000 * NS_PER_S)
#define WALL_NS  (UINT64_C(1700000000) * NS_PER_S)

static struct span_peers peers = {.mysql_host = "db",
                                  .mysql_port = 3306,
                                  .mysql_database = "shop",
                                  .redis_host = "cache",
                                  .redis_port = 6379,
                                  .redis_db = 2};
static struct span_record record;
static struct span spans[SPANS_PER_REQUEST];

static int set_up(void **state)
{
    (void)state;
    record = (struct span_record){
        .trail = {.facts = {.label = label_intern(STR("/v1/things/:id"), "GET"),
                            .start_ns = START_NS},
                  .span = {.span_id = UINT64_C(0x0807060504030201), .flags = 1}},
        .end_ns = START_NS + 50 * NS_PER_MS,
        .method = "GET",
        .version = "1.1",
        .status = 200,
    };
    memset(record.trail.span.trace_id, 0xab, sizeof(record.trail.span.trace_id));
    (void)snprintf(record.path, sizeof(record.path), "/v1/things/7");
    (void)snprintf(record.host, sizeof(record.host), "shop.example:8080");
    (void)snprintf(record.peer, sizeof(record.peer), "[::1]:5000");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    return 0;
}

static void add(uint64_t at_ms, const char *name, const char *what)
{
    record.trail.changes[record.trail.change_count++] =
        (struct task_change){.when_ns = START_NS + at_ms * NS_PER_MS, .state = name, .what = what};
}

static void add_note(uint64_t at_ms, const char *note, uint64_t number)
{
    record.trail.changes[record.trail.change_count++] = (struct task_change){
        .when_ns = START_NS + at_ms * NS_PER_MS, .state = note, .number = number};
}

static size_t build(void)
{
    return span_build(&record, &peers, WALL_NS - START_NS, spans);
}

static const struct span_attr *find(const struct span *span, const char *key)
{
    for (size_t i = 0; i < span->attr_count; i++) {
        if (strcmp(span->attrs[i].key, key) == 0) {
            return &span->attrs[i];
        }
    }
    return NULL;
}

static void assert_text(const struct span *span, const char *key, const char *text)
{
    const struct span_attr *attr = find(span, key);
    assert_non_null(attr);
    assert_int_equal(attr->kind, SPAN_TEXT);
    assert_string_equal(attr->text, text);
}

static void assert_number(const struct span *span, const char *key, int64_t number)
{
    const struct span_attr *attr = find(span, key);
    assert_non_null(attr);
    assert_int_equal(attr->kind, SPAN_NUMBER);
    assert_int_equal(attr->number, number);
}

static void assert_time(const struct span *span, uint64_t from_ms, uint64_t to_ms)
{
    assert_int_equal(span->start_ns, WALL_NS + from_ms * NS_PER_MS);
    assert_int_equal(span->end_ns, WALL_NS + to_ms * NS_PER_MS);
}

static void test_a_request_over_http(void **state)
{
    (void)state;
    assert_int_equal(build(), 1);
    const struct span *span = &spans[0];
    assert_string_equal(span->name, "GET /v1/things/:id");
    assert_int_equal(span->kind, SPAN_SERVER);
    assert_false(span->is_error);
    assert_false(span->has_parent);
    assert_time(span, 0, 50);
    assert_int_equal(span->trace_id[15], 0xab);
    assert_memory_equal(span->span_id, "\x01\x02\x03\x04\x05\x06\x07\x08", 8);
    assert_text(span, "http.request.method", "GET");
    assert_text(span, "url.path", "/v1/things/7");
    assert_text(span, "url.scheme", "http");
    assert_text(span, "http.route", "/v1/things/:id");
    assert_number(span, "http.response.status_code", 200);
    assert_text(span, "network.protocol.version", "1.1");
    assert_text(span, "server.address", "shop.example");
    assert_number(span, "server.port", 8080);
    assert_text(span, "network.peer.address", "::1");
    assert_number(span, "network.peer.port", 5000);
    assert_null(find(span, "error.type"));
    assert_null(find(span, "user_agent.original")); /* it sent none */
}

static void test_one_that_failed_and_has_a_parent(void **state)
{
    (void)state;
    record.status = 503;
    record.has_failed = true;
    record.is_tail = true;
    record.trail.span.parent_id = UINT64_C(0x11);
    record.trail.lost_count = 3;
    assert_int_equal(build(), 1);
    assert_true(spans[0].is_error);
    assert_true(spans[0].has_parent);
    assert_int_equal(spans[0].parent_id[0], 0x11);
    assert_text(&spans[0], "error.type", "503");
    assert_non_null(find(&spans[0], "sampling.tail"));
    assert_number(&spans[0], "toq.changes.lost", 3);
}

static void test_a_request_that_no_route_has(void **state)
{
    (void)state;
    record.trail.facts.label = LABEL_NONE;
    record.method = "_OTHER";
    assert_int_equal(build(), 1);
    assert_string_equal(spans[0].name, "HTTP");
    assert_null(find(&spans[0], "http.route"));
}

static void test_a_call_of_grpc(void **state)
{
    (void)state;
    record.trail.facts.label = label_intern_rpc(STR("shop.v1.Things/Get"));
    record.rpc_status = "NOT_FOUND";
    assert_int_equal(build(), 1);
    assert_string_equal(spans[0].name, "shop.v1.Things/Get");
    assert_text(&spans[0], "rpc.system.name", "grpc");
    assert_text(&spans[0], "rpc.method", "shop.v1.Things/Get");
    assert_text(&spans[0], "rpc.status_code", "NOT_FOUND");
    assert_text(&spans[0], "error.type", "NOT_FOUND");
    assert_null(find(&spans[0], "http.request.method"));
}

static void test_waits_for_mysql_and_redis(void **state)
{
    (void)state;
    static const char name[] = "things.get";
    struct statements *table = statements_create();
    assert_non_null(table);
    peers.statements = table;
    statements_learn(table, name, STR("SELECT x FROM things WHERE id=?"));
    add(10, "redis", "GET");
    add(20, task_state_running, NULL);
    add(20, "mysql", name);
    add_note(39, task_note_error, 1205);
    add(40, task_state_running, NULL);
    assert_int_equal(build(), 3);
    const struct span *redis = &spans[1];
    const struct span *mysql = &spans[2];
    assert_string_equal(redis->name, "GET");
    assert_int_equal(redis->kind, SPAN_CLIENT);
    assert_time(redis, 10, 20);
    assert_true(redis->has_parent);
    assert_memory_equal(redis->parent_id, spans[0].span_id, 8);
    assert_memory_not_equal(redis->span_id, mysql->span_id, 8);
    assert_memory_equal(redis->trace_id, spans[0].trace_id, 16);
    assert_text(redis, "db.system.name", "redis");
    assert_text(redis, "db.operation.name", "GET");
    assert_text(redis, "db.namespace", "2");
    assert_false(redis->is_error);
    assert_string_equal(mysql->name, "things.get");
    assert_time(mysql, 20, 40);
    assert_text(mysql, "db.system.name", "mysql");
    assert_text(mysql, "db.namespace", "shop");
    assert_text(mysql, "db.query.summary", "things.get");
    assert_text(mysql, "db.query.text", "SELECT x FROM things WHERE id=?");
    peers.statements = NULL;
    statements_destroy(table);
    assert_text(mysql, "server.address", "db");
    assert_number(mysql, "server.port", 3306);
    assert_true(mysql->is_error); /* the note belongs to the wait before it */
    assert_text(mysql, "error.type", "1205");
    assert_text(mysql, "db.response.status_code", "1205");
}

/* One that MySQL has not answered has no status of MySQL's. */
static void test_a_statement_without_an_answer(void **state)
{
    (void)state;
    add(10, "mysql", "things.get");
    add_note(19, task_note_error, (uint64_t)-UV_ETIMEDOUT);
    add(20, task_state_running, NULL);
    assert_int_equal(build(), 2);
    assert_text(&spans[1], "error.type", "ETIMEDOUT");
    assert_null(find(&spans[1], "db.response.status_code"));
}

/* A read that waits to be sent with others, and goes on under its statement, is one wait. */
static void test_a_read_in_a_batch(void **state)
{
    (void)state;
    add(5, "mysql", NULL);
    add_note(10, task_note_batch, 9 << 16 | 4);
    add(10, "mysql", "things.lookup");
    add(30, task_state_running, NULL);
    assert_int_equal(build(), 2);
    assert_string_equal(spans[1].name, "things.lookup");
    assert_time(&spans[1], 5, 30);
    assert_number(&spans[1], "db.operation.batch.size", 4);
    assert_number(&spans[1], "toq.batch.id", 9);
}

static void test_a_call_of_another_server(void **state)
{
    (void)state;
    add(10, "upstream", "GET [::1]:443");
    add_note(19, task_note_status, 404);
    add(20, task_state_running, NULL);
    assert_int_equal(build(), 2);
    assert_string_equal(spans[1].name, "GET");
    assert_int_equal(spans[1].kind, SPAN_CLIENT);
    assert_text(&spans[1], "http.request.method", "GET");
    assert_text(&spans[1], "server.address", "::1");
    assert_number(&spans[1], "server.port", 443);
    assert_number(&spans[1], "http.response.status_code", 404);
    assert_text(&spans[1], "error.type", "404");
    assert_true(spans[1].is_error);
    assert_null(find(&spans[1], "db.response.status_code"));
}

static void test_the_cache_is_noted_on_the_request(void **state)
{
    (void)state;
    add_note(1, task_note_miss, 1);
    assert_int_equal(build(), 1);
    assert_text(&spans[0], "toq.cache", "miss");
}

/* Other waits are internal ones; those below a microsecond are none. */
static void test_other_waits(void **state)
{
    (void)state;
    add(10, "[loop]", NULL);
    add(20, task_state_running, NULL);
    add(30, "offload", NULL);
    record.trail.changes[record.trail.change_count] = record.trail.changes[1];
    record.trail.changes[record.trail.change_count++].when_ns = START_NS + 30 * NS_PER_MS + 999;
    assert_int_equal(build(), 2);
    assert_string_equal(spans[1].name, "[loop]");
    assert_int_equal(spans[1].kind, SPAN_INTERNAL);
    assert_time(&spans[1], 10, 20);
}

/* Of what came behind a full trail nothing is known: the last wait that was kept has no length. */
static void test_a_trail_that_was_full(void **state)
{
    (void)state;
    add(10, "mysql", "things.get");
    assert_int_equal(build(), 2);
    assert_time(&spans[1], 10, 50);
    record.trail.lost_count = 1;
    assert_int_equal(build(), 2);
    assert_time(&spans[1], 10, 10);
}

/* As many spans as there can be. */
static void test_a_trail_of_waits_alone(void **state)
{
    (void)state;
    for (uint64_t i = 0; i < TASK_CHANGES_MAX; i++) {
        add(i, "redis", "GET");
    }
    assert_int_equal(build(), SPANS_PER_REQUEST);
    assert_time(&spans[SPANS_PER_REQUEST - 1], TASK_CHANGES_MAX - 1, 50);
}

static void test_texts_that_are_too_long(void **state)
{
    (void)state;
    memset(record.host, 'h', sizeof(record.host) - 1);
    memset(record.path, 'p', sizeof(record.path) - 1);
    assert_int_equal(build(), 1);
    assert_int_equal(strlen(find(&spans[0], "server.address")->text), SPAN_PEER_BYTES - 1);
    assert_int_equal(strlen(find(&spans[0], "url.path")->text), SPAN_PATH_BYTES - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_request_over_http, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_one_that_failed_and_has_a_parent, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_request_that_no_route_has, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_call_of_grpc, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_waits_for_mysql_and_redis, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_statement_without_an_answer, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_read_in_a_batch, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_call_of_another_server, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_the_cache_is_noted_on_the_request, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_other_waits, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_trail_that_was_full, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_trail_of_waits_alone, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_texts_that_are_too_long, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
