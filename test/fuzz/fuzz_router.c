/* SPDX-License-Identifier: MIT
 *
 * fuzz_router.c - any method and path against a fixed table: what the router finds is what a walk
 * over the templates finds.
 *
 * Input: one byte for the method, then the path.
 */
#include <stdio.h>

#include "core/http/router.h"

#define ARENA_MAX_BYTES (1u << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const templates[] = {
    "/",
    "/health",
    "/health/live",
    "/v1/:kind/:id",
    "/v1/listings/:id",
    "/v1/listings/new",
    "/v1/listings/:id/photos",
    "/v1/:kind/all/:page",
    "/debug/pprof/",
    "/debug/pprof/:name",
    "/:a/:b/:c/:d/:e/:f/:g/:h",
    "/gr\xC3\xBC\xC3\x9F",
};

/* The methods of templates[i]: GET, and POST where i is odd. */
static bool has_method(size_t i, enum http_method method)
{
    return method == METHOD_GET || (method == METHOD_POST && i % 2 == 1);
}

static void ignore(struct http_request *req, void *arg)
{
    (void)req;
    (void)arg;
}

static struct router *table(void)
{
    static struct router *router;
    if (router != NULL) {
        return router;
    }
    router = router_create(http_respond_error, http_respond_unmatched);
    INVARIANT(router != NULL);
    for (size_t i = 0; i < ARRAY_COUNT(templates); i++) {
        for (enum http_method m = METHOD_GET; m < METHOD_COUNT; m++) {
            if (has_method(i, m)) {
                INVARIANT(router_add(router, m, templates[i], ignore, NULL, 0) == 0);
            }
        }
    }
    return router;
}

/* fits compares a template with a path, segment by segment; `params` gets what its parameters
 * stand for. A bad escape never comes here. */
static bool fits(const char *template, struct str path, struct arena *arena, struct str *params)
{
    struct str want_rest = str_from(template + 1);
    struct str rest = {path.ptr + 1, path.len - 1};
    struct str want;
    struct str segment;
    size_t count = 0;
    while (str_next_field(&want_rest, '/', &want)) {
        if (!str_next_field(&rest, '/', &segment)) {
            return false;
        }
        INVARIANT(http_decode(arena, segment, false, &segment) == 0);
        if (want.len > 1 && want.ptr[0] == ':') {
            params[count++] = segment;
            if (segment.len == 0) {
                return false;
            }
        } else if (!str_equal(want, segment)) {
            return false;
        }
    }
    return rest.ptr == NULL;
}

static size_t segment_count(struct str path)
{
    size_t count = 0;
    for (size_t i = 0; i < path.len; i++) {
        count += path.ptr[i] == '/';
    }
    return count;
}

static void check_match(struct str path, enum http_method method, const struct router_match *match,
                        struct arena *arena)
{
    size_t fit_count = 0;
    bool is_found = false;
    for (size_t i = 0; i < ARRAY_COUNT(templates); i++) {
        struct str params[HTTP_PARAMS_MAX];
        if (!fits(templates[i], path, arena, params)) {
            continue;
        }
        fit_count++;
        if (match->route->path != templates[i]) {
            continue;
        }
        is_found = true;
        INVARIANT(has_method(i, method == METHOD_HEAD ? METHOD_GET : method));
        size_t count = 0;
        for (const char *c = strchr(templates[i], ':'); c != NULL; c = strchr(c + 1, ':')) {
            INVARIANT(str_equal(match->params[count], params[count]));
            count++;
        }
    }
    const bool is_too_deep = segment_count(path) > ROUTER_SEGMENTS_MAX;
    INVARIANT((match->allow != 0) == (fit_count > 0 && !is_too_deep));
    INVARIANT(is_found == (match->route->handler != http_respond_unmatched));
    INVARIANT(match->allow == 0 || ((match->allow >> METHOD_OPTIONS) & 1) == 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return 0;
    }
    const enum http_method method = (enum http_method)(data[0] % METHOD_COUNT);
    const struct str path = {(const char *)data + 1, size - 1};
    struct arena arena;
    struct router_match match;
    arena_init(&arena, ARENA_MAX_BYTES);
    const int rc = router_match(table(), method, path, &arena, &match);
    INVARIANT(rc == 0 || rc == UV_EINVAL || (rc == UV_ENOMEM && size > ARENA_MAX_BYTES / 4));
    if (rc == 0 && segment_count(path) <= ROUTER_SEGMENTS_MAX) {
        check_match(path, method, &match, &arena);
    }
    arena_deinit(&arena);
    return 0;
}
