/* SPDX-License-Identifier: MIT
 *
 * test_grpc.c - calls over a transport of the test's own: what no real client provokes, and memory
 * that is missing at each place.
 *
 * The sources that allocate are included, with an allocator that fails on demand.
 *
 * Tests: core/grpc/grpc_call.c, core/grpc/grpc_receive.c, core/grpc/grpc_send.c,
 *        core/grpc/grpc_services.c
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include "test/unit/support/failing_alloc.h"
#define malloc  failing_malloc
#define calloc  failing_calloc
#define realloc failing_realloc
#include "core/base/arena.c"
#include "core/base/buf.c"
#include "core/base/quota.c"
#include "core/grpc/grpc.c"
#include "core/grpc/grpc_gzip.c"
#undef malloc
#undef calloc
#undef realloc

#include <sys/wait.h>
#include <unistd.h>

#include "grpc/health/v1/health.pb-c.h"
#include "test/unit/support/fake_transport.h"
#include "test/unit/support/http_fixture.h"

typedef Grpc__Health__V1__HealthCheckRequest check_request;
typedef Grpc__Health__V1__HealthCheckResponse check_response;
typedef Grpc__Health__V1__HealthCheckResponse__ServingStatus serving_status;

#define CHECK "/grpc.health.v1.Health/Check"
#define WATCH "/grpc.health.v1.Health/Watch"

static struct http_fixture f;
static struct http_request req;
static struct http_header headers[16];
static struct grpc_call *held_call; /* a handler's that does not end its call */

/* --- a service --- */

static void handle_check(struct grpc_call *call, const ProtobufCMessage *message, void *arg)
{
    (void)message;
    (void)arg;
    check_response response = GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__INIT;
    response.status = GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVING;
    const struct str value = grpc_metadata(call, STR("x-data-bin"), 0);
    int rc = value.ptr == NULL ? UV_ENOMEM : grpc_add_header(call, STR("x-data-bin"), value);
    rc = rc < 0 ? rc : grpc_add_trailer(call, STR("x-text"), STR("text"));
    if (rc < 0) {
        grpc_fail(call, rc);
        return;
    }
    grpc_compress(call, true);
    grpc_respond(call, &response.base);
}

static void end_cancelled(struct grpc_call *call, int status)
{
    (void)status;
    grpc_end(call, GRPC_STATUS(GRPC_CANCELLED, "cancelled"));
}

static void on_watched(struct grpc_call *call, const ProtobufCMessage *message)
{
    if (message == NULL) {
        grpc_end(call, GRPC_STATUS(GRPC_NOT_FOUND, "100 % \xFF"));
        return;
    }
    check_response response = GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__INIT;
    (void)!grpc_send(call, &response.base);
    grpc_receive(call, on_watched);
}

static void handle_watch(struct grpc_call *call, const ProtobufCMessage *message, void *arg)
{
    (void)message;
    (void)arg;
    grpc_on_cancel(call, end_cancelled);
    grpc_receive(call, on_watched);
}

static void hold_call(struct grpc_call *call, const ProtobufCMessage *message, void *arg)
{
    (void)message;
    (void)arg;
    held_call = call;
    http_hold(grpc_request(call));
}

static struct grpc_call *cancelled_call;

static void keep_cancelled(struct grpc_call *call, int status)
{
    assert_int_equal(status, UV_ECANCELED);
    assert_null(cancelled_call);
    cancelled_call = call;
    http_hold(grpc_request(call));
}

static const struct grpc_method methods[] = {
    {"Check", GRPC_UNARY, handle_check, METHOD_POST, "/checks"},
    {"Watch", GRPC_BIDI_STREAM, handle_watch},
    {"List", GRPC_SERVER_STREAM, hold_call},
};
static const struct grpc_service service = {&grpc__health__v1__health__descriptor, methods,
                                            ARRAY_COUNT(methods), NULL, false};

/* --- calls --- */

static void setup_server(void)
{
    http_fixture_init(&f);
    f.server = (struct http_server){.loop = f.loop,
                                    .router = f.router,
                                    .limits = http_fixture_limits(),
                                    .metrics = &f.http_metrics};
    seen_nothing();
}

static void teardown_server(struct grpc *grpc)
{
    arena_deinit(&req.arena);
    router_destroy(f.router);
    grpc_destroy(grpc);
    f.router = NULL;
    peer_turn(f.loop, 1);
    conn_set_deinit(&f.conns);
    http_metrics_deinit(&f.http_metrics);
    metrics_destroy(f.metrics);
    uv_close((uv_handle_t *)&f.keep, NULL);
    loop_destroy(f.loop);
}

/* make_server makes a server of gRPC. Returns: NULL when memory is missing. */
static struct grpc *make_server(void)
{
    const struct grpc_limits limits = {.receive_bytes = 1 << 20};
    struct grpc *grpc = NULL;
    int rc = grpc_create(&limits, f.metrics, &grpc);
    if (rc == 0) {
        rc = grpc_add_service(grpc, &service);
    }
    rc = rc < 0 ? rc : grpc_mount(grpc, f.router);
    rc = rc < 0 ? rc : grpc_mount_http(grpc, f.router);
    if (rc < 0) {
        assert_int_equal(rc, UV_ENOMEM);
        grpc_destroy(grpc);
        return NULL;
    }
    return grpc;
}

/* dispatch makes a request with so many of the headers. */
static void dispatch(const char *path, size_t header_count, struct str body)
{
    arena_init(&req.arena, 1 << 20);
    assert_int_equal(http_request_init(&req, &f.server, &transport, clock_now_ns()), 0);
    req.method = METHOD_POST;
    req.path = str_from(path);
    req.headers = headers;
    req.header_count = header_count;
    req.body = body;
    if (http_request_route(&req) == 0) {
        http_request_dispatch(&req);
    } else {
        http_respond_error(&req, 503, NULL);
    }
}

static void begin(const char *path)
{
    headers[0] = (struct http_header){STR("content-type"), STR("application/grpc+proto")};
    headers[1] = (struct http_header){STR("x-data-bin"), STR("AAEC")};
    headers[2] = (struct http_header){STR("grpc-accept-encoding"), STR("gzip")};
    dispatch(path, 3, STR(""));
}

static void feed(struct str data, bool is_end)
{
    if (seen.release_count == 0 && req.on_body != NULL) {
        struct task *previous = task_enter(&req.task);
        req.on_body(&req, data, is_end);
        task_leave(previous);
    }
}

/* start_call makes a server, and a call that waits for its first message. */
static struct grpc *start_call(const char *path)
{
    setup_server();
    struct grpc *grpc = make_server();
    assert_non_null(grpc);
    begin(path);
    return grpc;
}

/* converse makes a server, and a call whose bytes come in two pieces, with so many allocations
 * granted.
 *
 * Returns: whether none was refused. */
static bool converse(size_t granted, const char *path)
{
    static const struct str message = STR("\0\0\0\0\5\x0A\3abc");
    setup_server();
    allocations_left = granted;
    struct grpc *grpc = make_server();
    if (grpc != NULL) {
        begin(path);
        feed((struct str){message.ptr, 7}, false);
        feed((struct str){message.ptr + 7, message.len - 7}, false);
        feed(STR(""), true);
    }
    const bool is_enough = allocations_left > 0;
    allocations_left = SIZE_MAX;
    if (grpc != NULL) {
        assert_int_equal(seen.release_count, 1); /* whatever is missing, the call ends, once */
        assert_true(seen.end_count == 1 || (seen.end_count == 0 && seen.status >= 500));
    }
    teardown_server(grpc);
    return is_enough;
}

static void fail_each(const char *path)
{
    size_t granted = 0;
    while (!converse(granted, path)) {
        granted++;
    }
    assert_true(granted > 5);
    assert_int_equal(seen.status, 200);
    assert_true(seen.body_bytes > 0);
}

static void test_without_memory_a_unary_call_ends(void **state)
{
    (void)state;
    fail_each(CHECK);
    assert_string_equal(seen.rpc_status, "0");
}

static void test_without_memory_a_stream_ends(void **state)
{
    (void)state;
    fail_each(WATCH);
    assert_string_equal(seen.rpc_status, "5");
}

/* ask_in_json makes a server, and a request over HTTP, with so many allocations granted.
 *
 * Returns: whether none was refused. */
static bool ask_in_json(size_t granted)
{
    setup_server();
    allocations_left = granted;
    struct grpc *grpc = make_server();
    if (grpc != NULL) {
        headers[0] = (struct http_header){STR("Content-Type"), STR("application/json")};
        headers[1] = (struct http_header){STR("X-Data-Bin"), STR("AAEC")};
        dispatch("/checks", 2, STR("{\"service\":\"a\\n\"}"));
    }
    const bool is_enough = allocations_left > 0;
    allocations_left = SIZE_MAX;
    if (grpc != NULL) {
        assert_int_equal(seen.release_count, 1);
        assert_true(seen.status == 200 || seen.status == 429 || seen.status == 503);
    }
    teardown_server(grpc);
    return is_enough;
}

static void test_without_memory_a_call_in_json_ends(void **state)
{
    (void)state;
    size_t granted = 0;
    while (!ask_in_json(granted)) {
        granted++;
    }
    assert_true(granted > 5);
    assert_int_equal(seen.status, 200);
    assert_int_equal(seen.body_bytes, sizeof("{\"status\":\"SERVING\"}") - 1);
}

static void test_a_deadline_is_told_before_the_handler_has_given_up(void **state)
{
    (void)state;
    struct grpc *grpc = start_call("/grpc.health.v1.Health/List");
    feed(STR("\0\0\0\0\0"), true);
    assert_non_null(held_call);
    task_cancel(&req.task, UV_ETIMEDOUT);
    assert_string_equal(seen.rpc_status, "4");
    assert_true(grpc_is_cancelled(held_call));
    assert_int_equal(seen.release_count, 0);
    check_response response = GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__INIT;
    assert_true(grpc_send(held_call, &response.base));
    assert_int_equal(grpc_add_trailer(held_call, STR("x-late"), STR("late")), 0);
    grpc_respond(held_call, &response.base);
    grpc_release(held_call);
    assert_int_equal(seen.release_count, 1);
    assert_int_equal(seen.end_count, 1);
    assert_int_equal(seen.body_bytes, 0);
    teardown_server(grpc);
}

/* Each message of a list is a whole one, at a place of its own. */
static void test_the_list_of_a_repeated_field(void **state)
{
    (void)state;
    struct grpc *grpc = start_call("/grpc.health.v1.Health/List");
    feed(STR("\0\0\0\0\0"), true);
    const ProtobufCMessageDescriptor *type = &grpc__health__v1__health_check_response__descriptor;
    for (size_t count = 0; count < 8; count++) {
        check_response **list = grpc_alloc_list(held_call, type, count);
        assert_non_null(list);
        for (size_t i = 0; i < count; i++) {
            assert_int_equal((uintptr_t)list[i] % _Alignof(check_response), 0);
            assert_ptr_equal(list[i]->base.descriptor, type);
            list[i]->status = (serving_status)i;
        }
        for (size_t i = 0; i < count; i++) {
            assert_int_equal(list[i]->status, i);
        }
    }
    assert_null(grpc_alloc_list(held_call, type, SIZE_MAX / 8));
    task_cancel(&req.task, UV_ETIMEDOUT);
    grpc_release(held_call);
    teardown_server(grpc);
}

/* A handler that waits for something else as well is told that the client sends nonsense, and ends
 * the call in its own time. */
static void test_a_bad_message_cancels_the_handler(void **state)
{
    static const struct str bad[] = {STR("\2\0\0\0\0"), STR("\0\0\0\0\2\x0A\xFF"),
                                     STR("\0\xFF\xFF\xFF\xFF"), STR("\1\0\0\0\0"), STR("\0")};
    static const char *const codes[] = {"13", "13", "8", "13", "13"};
    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(bad); i++) {
        struct grpc *grpc = start_call(WATCH);
        struct grpc_call *call = req.user;
        cancelled_call = NULL;
        grpc_on_cancel(call, keep_cancelled);
        feed(bad[i], false);
        feed(STR(""), true);
        assert_ptr_equal(cancelled_call, call);
        assert_string_equal(seen.rpc_status, codes[i]); /* the client knows */
        assert_int_equal(seen.release_count, 0);
        assert_true(grpc_is_cancelled(call));
        grpc_fail(call, UV_ECANCELED);
        grpc_release(call);
        assert_int_equal(seen.release_count, 1);
        assert_int_equal(seen.end_count, 1);
        teardown_server(grpc);
    }
}

static void test_what_is_not_asked_for_is_not_consumed(void **state)
{
    (void)state;
    struct grpc *grpc = start_call(WATCH);
    struct grpc_call *call = req.user;
    call->on_message = NULL; /* as if the handler were busy */
    feed(STR("\0\0\0\0\0\0\0\0\0\0"), false);
    feed(STR("\0"), false);
    assert_int_equal(seen.consumed_bytes, 0);
    grpc_receive(call, on_watched);
    assert_int_equal(seen.body_bytes, 0); /* not from inside grpc_receive */
    peer_turn(f.loop, 2);
    assert_int_equal(seen.consumed_bytes, 11);
    assert_int_equal(seen.body_bytes, 10);
    feed(STR(""), true);
    assert_string_equal(seen.rpc_status, "13"); /* in the middle of a prefix */
    teardown_server(grpc);
}

static void test_metadata_that_may_not_be(void **state)
{
    (void)state;
    struct grpc *grpc = start_call(WATCH);
    struct grpc_call *call = req.user;
    assert_int_equal(grpc_add_trailer(call, STR("grpc-status"), STR("0")), UV_EINVAL);
    assert_int_equal(grpc_add_trailer(call, STR("X"), STR("0")), UV_EINVAL);
    assert_int_equal(grpc_add_trailer(call, STR("x"), STR("a\nb")), UV_EINVAL);
    for (int i = 0; i < 100; i++) {
        assert_int_equal(grpc_add_trailer(call, STR("x-many-bin"), STR("\n")), 0);
    }
    grpc_send_headers(call);
    grpc_send_headers(call);
    assert_int_equal(grpc_add_header(call, STR("x"), STR("y")), UV_EALREADY);
    http_request_abandon(&req);
    assert_int_equal(seen.release_count, 1);
    teardown_server(grpc);
}

/* --- interceptors --- */

static char trace[256];

static void note(const char *what, const char *who)
{
    const size_t len = strlen(trace);
    (void)snprintf(trace + len, sizeof(trace) - len, "%s %s;", who, what);
}

static struct grpc_status on_trace_start(struct grpc_call *call, void *arg)
{
    (void)call;
    note("start", arg);
    return (struct grpc_status){0};
}

static struct grpc_status on_refuse(struct grpc_call *call, void *arg)
{
    note("start", arg);
    return grpc_metadata(call, STR("authorization"), 0).ptr == NULL
               ? GRPC_STATUS(GRPC_UNAUTHENTICATED, "no token")
               : (struct grpc_status){0};
}

static void on_trace_message(struct grpc_call *call, bool is_sent, size_t bytes, void *arg)
{
    char text[32];
    (void)call;
    (void)snprintf(text, sizeof(text), "%s %zu", is_sent ? "sent" : "received", bytes);
    note(text, arg);
}

static void on_trace_end(struct grpc_call *call, const struct grpc_status *status, void *arg)
{
    assert_string_equal(grpc_full_name(call), WATCH + 1);
    assert_true(trace_has_begun(grpc_trace(call)));
    note(grpc_code_name(status->code), arg);
}

/* intercept_with runs a call of a stream through three of them. */
static void intercept_with(struct grpc_status (*second)(struct grpc_call *call, void *arg))
{
    char names[][2] = {"a", "b", "c"};
    trace[0] = '\0';
    setup_server();
    struct grpc *grpc = make_server();
    assert_non_null(grpc);
    const struct grpc_interceptor list[] = {
        {on_trace_start, on_trace_message, on_trace_end, names[0]},
        {second, NULL, on_trace_end, names[1]},
        {on_trace_start, NULL, NULL, names[2]},
    };
    for (size_t i = 0; i < ARRAY_COUNT(list); i++) {
        grpc_add_interceptor(grpc, &list[i]);
    }
    begin(WATCH);
    feed(STR("\0\0\0\0\5\x0A\3abc"), true);
    assert_int_equal(seen.release_count, 1);
    teardown_server(grpc);
}

static void test_interceptors_see_every_call(void **state)
{
    (void)state;
    intercept_with(on_trace_start);
    assert_string_equal(trace,
                        "a start;b start;c start;a received 5;a sent 0;b NOT_FOUND;a NOT_FOUND;");
}

static void test_an_interceptor_refuses(void **state)
{
    (void)state;
    intercept_with(on_refuse);
    assert_string_equal(trace, "a start;b start;b UNAUTHENTICATED;a UNAUTHENTICATED;");
    assert_string_equal(seen.rpc_status, "16");
}

/* mount_alone mounts a service of one method, in a process of its own.
 *
 * Returns: whether that is alive at the end. */
static bool mount_alone(const struct grpc_method *method)
{
    const struct grpc_service one = {&grpc__health__v1__health__descriptor, method, 1, NULL, false};
    const pid_t pid = fork();
    if (pid == 0) {
        const struct grpc_limits limits = {.receive_bytes = 1 << 20};
        struct grpc *grpc = NULL;
        (void)close(STDERR_FILENO);
        _exit(grpc_create(&limits, f.metrics, &grpc) == 0 && grpc_add_service(grpc, &one) == 0 &&
                      grpc_mount_http(grpc, f.router) == 0
                  ? 0
                  : 1);
    }
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status) ? WEXITSTATUS(status) == 0 : WTERMSIG(status) == SIGABRT);
    return WIFEXITED(status);
}

static void test_routes_that_cannot_be(void **state)
{
    (void)state;
    static const struct grpc_method good = {"Check", GRPC_UNARY, hold_call, METHOD_GET,
                                            "/checks/:service"};
    static const struct grpc_method bad[] = {
        {"Watch", GRPC_SERVER_WATCH, hold_call, METHOD_GET, "/checks/:service"},
        {"Watch", GRPC_SERVER_STREAM, hold_call, METHOD_GET, "/checks"},
        {"Watch", GRPC_CLIENT_STREAM, hold_call, METHOD_POST, "/checks"},
        {"Check", GRPC_UNARY, hold_call, METHOD_GET, "/checks/:name"},
        {"Check", GRPC_UNARY, hold_call, METHOD_OTHER, "/checks"},
    };
    setup_server();
    assert_true(mount_alone(&good));
    for (size_t i = 0; i < ARRAY_COUNT(bad); i++) {
        assert_false(mount_alone(&bad[i]));
    }
    teardown_server(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_without_memory_a_unary_call_ends),
        cmocka_unit_test(test_without_memory_a_stream_ends),
        cmocka_unit_test(test_without_memory_a_call_in_json_ends),
        cmocka_unit_test(test_routes_that_cannot_be),
        cmocka_unit_test(test_a_deadline_is_told_before_the_handler_has_given_up),
        cmocka_unit_test(test_the_list_of_a_repeated_field),
        cmocka_unit_test(test_a_bad_message_cancels_the_handler),
        cmocka_unit_test(test_what_is_not_asked_for_is_not_consumed),
        cmocka_unit_test(test_metadata_that_may_not_be),
        cmocka_unit_test(test_interceptors_see_every_call),
        cmocka_unit_test(test_an_interceptor_refuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
