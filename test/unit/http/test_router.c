/* SPDX-License-Identifier: MIT
 *
 * test_router.c - which route a path takes, what its parameters are, what Allow says.
 *
 * router.c is included, with its calloc replaced by one that fails on demand.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include "test/unit/support/failing_alloc.h"
#define calloc failing_calloc
#include "core/http/router.c"
#undef calloc

#define ARENA_BYTES 65536

static struct router *router;
static struct arena arena;

static void ignore(struct http_request *req, void *arg)
{
    (void)req;
    (void)arg;
}

static const struct {
    enum http_method method;
    const char *path;
} table[] = {
    {METHOD_GET, "/"},
    {METHOD_GET, "/v1/listings"},
    {METHOD_POST, "/v1/listings"},
    {METHOD_GET, "/v1/listings/:id"},
    {METHOD_DELETE, "/v1/listings/:id"},
    {METHOD_GET, "/v1/listings/new"},
    {METHOD_GET, "/v1/:kind/all/:page"},
    {METHOD_GET, "/debug/pprof/"},
    {METHOD_HEAD, "/head-only"},
    {METHOD_GET, "/a/:"},
    {METHOD_GET, "/:1/:2/:3/:4/:5/:6/:7/:8"},
};

/* build makes the whole table; NULL when memory ran out on the way. */
static struct router *build(void)
{
    struct router *r = router_create(http_respond_error, http_respond_unmatched);
    for (size_t i = 0; r != NULL && i < ARRAY_COUNT(table); i++) {
        if (router_add(r, table[i].method, table[i].path, ignore, NULL, 0) < 0) {
            router_destroy(r);
            return NULL;
        }
    }
    return r;
}

static int setup(void **state)
{
    (void)state;
    arena_init(&arena, ARENA_BYTES);
    router = build();
    return router == NULL ? -1 : 0;
}

static int teardown(void **state)
{
    (void)state;
    router_destroy(router);
    arena_deinit(&arena);
    return 0;
}

static struct router_match match(enum http_method method, const char *path)
{
    struct router_match m;
    assert_int_equal(router_match(router, method, str_from(path), &arena, &m), 0);
    assert_non_null(m.route);
    return m;
}

static void assert_route(const char *path, const char *template)
{
    assert_string_equal(match(METHOD_GET, path).route->path, template);
}

static void assert_param(struct str param, const char *expected)
{
    assert_true(str_equal(param, str_from(expected)));
}

static void test_literals_win_and_dead_ends_are_left(void **state)
{
    (void)state;
    assert_route("/", "/");
    assert_route("/v1/listings", "/v1/listings");
    assert_route("/v1/listings/42", "/v1/listings/:id");
    assert_route("/v1/listings/new", "/v1/listings/new");
    assert_route("/v1/listings/all/3", "/v1/:kind/all/:page");
    assert_route("/debug/pprof/", "/debug/pprof/");
    assert_route("/a/:", "/a/:"); /* a colon alone is a literal */
    assert_route("/a/b", "");
}

static void test_what_nothing_matches(void **state)
{
    (void)state;
    static const char *const paths[] = {
        "//", "/v1", "/v1/", "/v1/listings/", "/V1/listings", "/debug/pprof", "/v1/listings/1/2"};
    for (size_t i = 0; i < ARRAY_COUNT(paths); i++) {
        const struct router_match m = match(METHOD_GET, paths[i]);
        assert_ptr_equal(m.route->handler, http_respond_unmatched);
        assert_int_equal(m.allow, 0);
    }
}

static void test_parameters_are_decoded_once(void **state)
{
    (void)state;
    assert_param(match(METHOD_GET, "/v1/listings/a%2Fb").params[0], "a/b");
    assert_param(match(METHOD_GET, "/v1/listings/%2541").params[0], "%41");
    assert_param(match(METHOD_GET, "/v1/listings/a+b").params[0], "a+b");
    const struct router_match m = match(METHOD_GET, "/v1/x%79/all/3");
    assert_param(m.params[0], "xy");
    assert_param(m.params[1], "3");
    assert_route("/v1/listing%73/n%65w", "/v1/listings/new");
    const struct router_match eight = match(METHOD_GET, "/1/2/3/4/5/6/7/8");
    assert_param(eight.params[0], "1");
    assert_param(eight.params[7], "8");
}

static void test_bad_paths(void **state)
{
    (void)state;
    static const char *const paths[] = {"", "x", "/%", "/%4", "/%zz", "/%00", "/%4x", "/%x4"};
    struct router_match m;
    for (size_t i = 0; i < ARRAY_COUNT(paths); i++) {
        assert_int_equal(router_match(router, METHOD_GET, str_from(paths[i]), &arena, &m),
                         UV_EINVAL);
    }
    struct arena small;
    arena_init(&small, 1);
    assert_int_equal(router_match(router, METHOD_GET, STR("/%41"), &small, &m), UV_ENOMEM);
    arena_deinit(&small);
}

static void test_a_path_of_too_many_segments_matches_nothing(void **state)
{
    (void)state;
    char path[2 * ROUTER_SEGMENTS_MAX + 3];
    for (size_t i = 0; i < sizeof(path) - 1; i++) {
        path[i] = i % 2 == 0 ? '/' : 'a';
    }
    path[sizeof(path) - 1] = '\0';
    assert_int_equal(match(METHOD_GET, path).allow, 0);
}

static void assert_allow(const char *path, const char *expected)
{
    char allow[ROUTER_ALLOW_BYTES];
    router_format_allow(match(METHOD_PUT, path).allow, allow);
    assert_string_equal(allow, expected);
}

static void test_methods(void **state)
{
    (void)state;
    assert_allow("/v1/listings", "GET, HEAD, POST, OPTIONS");
    assert_allow("/v1/listings/1", "GET, HEAD, DELETE, OPTIONS");
    assert_allow("/head-only", "HEAD, OPTIONS");
    assert_ptr_equal(match(METHOD_PUT, "/v1/listings").route->handler, http_respond_unmatched);
    assert_int_equal(match(METHOD_PUT, "/v1/listings").route->method, METHOD_PUT);
    assert_int_equal(match(METHOD_HEAD, "/v1/listings").route->method, METHOD_GET);
    assert_int_equal(match(METHOD_HEAD, "/head-only").route->method, METHOD_HEAD);
    assert_ptr_equal(match(METHOD_GET, "/head-only").route->handler, http_respond_unmatched);
    assert_ptr_equal(match(METHOD_OTHER, "/").route->handler, http_respond_unmatched);
    char all[ROUTER_ALLOW_BYTES];
    router_format_allow(router_all_methods(router), all);
    assert_string_equal(all, "GET, HEAD, POST, DELETE, OPTIONS");
    router_format_allow(~0u, all); /* the longest there is */
    assert_string_equal(all, "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS");
}

static void test_a_route_is_not_added_twice(void **state)
{
    (void)state;
    int marker;
    const struct route *first = match(METHOD_GET, "/").route;
    assert_int_equal(router_add(router, METHOD_GET, "/", NULL, &marker, ROUTE_BODY), UV_EEXIST);
    assert_ptr_equal(match(METHOD_GET, "/").route, first);
    assert_int_equal(first->flags, 0);
}

static void test_each_failed_allocation_is_noticed(void **state)
{
    (void)state;
    for (size_t n = 0;; n++) {
        allocations_left = n;
        struct router *r = build();
        allocations_left = SIZE_MAX;
        if (r != NULL) {
            router_destroy(r);
            assert_true(n > ARRAY_COUNT(table));
            return;
        }
    }
}

#define WITH_ROUTER(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_ROUTER(test_literals_win_and_dead_ends_are_left),
        WITH_ROUTER(test_what_nothing_matches),
        WITH_ROUTER(test_parameters_are_decoded_once),
        WITH_ROUTER(test_bad_paths),
        WITH_ROUTER(test_a_path_of_too_many_segments_matches_nothing),
        WITH_ROUTER(test_methods),
        WITH_ROUTER(test_a_route_is_not_added_twice),
        cmocka_unit_test(test_each_failed_allocation_is_noticed),
    };
    return cmocka_run_group_tests_name("router", tests, NULL, NULL);
}
