/* SPDX-License-Identifier: MIT
 *
 * router.c - a tree with one level per segment. Routes are few and paths short, so siblings are
 * searched one after the other: a request costs one pass over its path.
 */
#include "core/http/router.h"

#include <stdlib.h>

#include "core/telemetry/log.h"

struct node {
    struct str segment;     /* a literal; unused in a parameter's node */
    struct node *children;  /* literals */
    struct node *next;      /* sibling */
    struct node *parameter; /* the child that matches any segment but an empty one */
    struct node *rest;      /* the child that matches all segments that are left */
    struct route *routes[METHOD_COUNT];
    unsigned methods; /* bit (1 << method) of each route that is there */
};

struct router {
    struct node root;
    struct route unmatched[METHOD_COUNT];
    unsigned methods;
    route_refuse_fn refuse;
};

struct segments {
    struct str list[ROUTER_SEGMENTS_MAX];
    size_t count;
};

struct router *router_create(route_refuse_fn refuse, route_handler_fn unmatched)
{
    struct router *router = calloc(1, sizeof(*router));
    if (router == NULL) {
        return NULL;
    }
    router->refuse = refuse;
    for (int m = 0; m < METHOD_COUNT; m++) {
        router->unmatched[m] =
            (struct route){.method = (enum http_method)m, .path = "", .handler = unmatched};
    }
    return router;
}

static void destroy_node(struct node *node)
{
    if (node == NULL) {
        return;
    }
    for (int m = 0; m < METHOD_COUNT; m++) {
        free(node->routes[m]);
    }
    struct node *child = node->children;
    while (child != NULL) {
        struct node *next = child->next;
        destroy_node(child);
        free(child);
        child = next;
    }
    destroy_node(node->parameter);
    free(node->parameter);
    destroy_node(node->rest);
    free(node->rest);
}

void router_set_fallback(struct router *router, route_handler_fn handler, void *arg, unsigned flags)
{
    for (int m = 0; m < METHOD_COUNT; m++) {
        router->unmatched[m].handler = handler;
        router->unmatched[m].arg = arg;
        router->unmatched[m].flags = flags;
    }
}

void router_set_refusal(struct router *router, route_refuse_fn refuse)
{
    router->refuse = refuse;
}

route_refuse_fn router_refusal(const struct router *router)
{
    return router->refuse;
}

void router_destroy(struct router *router)
{
    if (router != NULL) {
        destroy_node(&router->root);
        free(router);
    }
}

static void each_route(const struct node *node, void (*fn)(void *arg, const struct route *route),
                       void *arg)
{
    if (node == NULL) {
        return;
    }
    for (int m = 0; m < METHOD_COUNT; m++) {
        if (node->routes[m] != NULL) {
            fn(arg, node->routes[m]);
        }
    }
    for (const struct node *child = node->children; child != NULL; child = child->next) {
        each_route(child, fn, arg);
    }
    each_route(node->parameter, fn, arg);
    each_route(node->rest, fn, arg);
}

void router_each(const struct router *router, void (*fn)(void *arg, const struct route *route),
                 void *arg)
{
    each_route(&router->root, fn, arg);
}

/* --- building --- */

static struct node *find_child(const struct node *node, struct str segment)
{
    struct node *child = node->children;
    while (child != NULL && !str_equal(child->segment, segment)) {
        child = child->next;
    }
    return child;
}

/* descend finds or makes the child for one segment of a template. */
static struct node *descend(struct node *node, struct str segment)
{
    const bool is_parameter = segment.len > 1 && segment.ptr[0] == ':';
    struct node **slot = is_parameter                   ? &node->parameter
                         : str_equal(segment, STR("*")) ? &node->rest
                                                        : NULL;
    struct node *child = slot == NULL ? find_child(node, segment) : *slot;
    if (child != NULL) {
        return child;
    }
    child = calloc(1, sizeof(*child));
    if (child == NULL) {
        return NULL;
    }
    if (slot != NULL) {
        *slot = child;
    } else {
        child->segment = segment;
        child->next = node->children;
        node->children = child;
    }
    return child;
}

int router_add(struct router *router, enum http_method method, const char *path,
               route_handler_fn handler, void *arg, unsigned flags)
{
    REQUIRE(path[0] == '/' && method > METHOD_OTHER && method < METHOD_COUNT);
    struct node *node = &router->root;
    struct str rest = str_from(path + 1);
    struct str segment;
    size_t params = 0;
    while (str_next_field(&rest, '/', &segment)) {
        params += segment.len > 1 && segment.ptr[0] == ':';
        node = descend(node, segment);
        if (node == NULL) {
            return UV_ENOMEM;
        }
    }
    REQUIRE(params <= HTTP_PARAMS_MAX);
    if (node->routes[method] != NULL) {
        LOG(LOG_ERROR, "http", "a route is added twice",
            log_cstr("method", http_method_name(method)), log_cstr("route", path));
        return UV_EEXIST;
    }
    node->routes[method] = calloc(1, sizeof(struct route));
    if (node->routes[method] == NULL) {
        return UV_ENOMEM;
    }
    *node->routes[method] = (struct route){
        .method = method,
        .path = path,
        .handler = handler,
        .arg = arg,
        .flags = flags,
        .label = (flags & ROUTE_RPC) != 0 ? label_intern_rpc(str_from(path + 1))
                                          : label_intern(str_from(path), http_method_name(method)),
    };
    node->methods |= 1u << method;
    router->methods |= 1u << method;
    return 0;
}

/* --- matching --- */

static int split_path(struct str path, struct arena *arena, struct segments *ret_segments)
{
    if (path.len == 0 || path.ptr[0] != '/') {
        return UV_EINVAL;
    }
    const bool is_plain = memchr(path.ptr, '%', path.len) == NULL;
    struct str rest = {path.ptr + 1, path.len - 1};
    struct str segment;
    ret_segments->count = 0;
    while (str_next_field(&rest, '/', &segment)) {
        if (ret_segments->count == ROUTER_SEGMENTS_MAX) {
            return UV_E2BIG;
        }
        const int rc = is_plain ? 0 : http_decode(arena, segment, false, &segment);
        if (rc < 0) {
            return rc;
        }
        ret_segments->list[ret_segments->count++] = segment;
    }
    return 0;
}

/* find_node walks the tree; where a literal leads nowhere it backtracks to the parameter, then to
 * "*". The depth is the number of segments, and each level branches at most in two, where the
 * templates do. */
static const struct node *find_node(const struct node *node, const struct segments *segments,
                                    size_t depth, size_t param_count, struct str *params)
{
    if (depth == segments->count) {
        return node->methods != 0 ? node : NULL;
    }
    const struct str segment = segments->list[depth];
    const struct node *child = find_child(node, segment);
    if (node->parameter == NULL && node->rest == NULL) { /* nothing to backtrack to */
        return child == NULL ? NULL : find_node(child, segments, depth + 1, param_count, params);
    }
    if (child != NULL) {
        const struct node *found = find_node(child, segments, depth + 1, param_count, params);
        if (found != NULL) {
            return found;
        }
    }
    if (node->parameter != NULL && segment.len > 0) {
        params[param_count] = segment;
        const struct node *found =
            find_node(node->parameter, segments, depth + 1, param_count + 1, params);
        if (found != NULL) {
            return found;
        }
    }
    return node->rest;
}

/* with_implied adds the methods that the server answers by itself: OPTIONS, and HEAD beside GET. */
static unsigned with_implied(unsigned methods)
{
    const unsigned all = methods | (1u << METHOD_OPTIONS);
    return (all & (1u << METHOD_GET)) != 0 ? all | (1u << METHOD_HEAD) : all;
}

int router_match(struct router *router, enum http_method method, struct str path,
                 struct arena *arena, struct router_match *ret_match)
{
    struct segments segments;
    const int rc = split_path(path, arena, &segments);
    if (rc < 0 && rc != UV_E2BIG) {
        return rc;
    }
    ret_match->route = &router->unmatched[method];
    ret_match->allow = 0;
    const struct node *node =
        rc < 0 ? NULL : find_node(&router->root, &segments, 0, 0, ret_match->params);
    if (node == NULL) {
        return 0;
    }
    ret_match->allow = with_implied(node->methods);
    struct route *route = node->routes[method];
    if (route == NULL && method == METHOD_HEAD) {
        route = node->routes[METHOD_GET];
    }
    if (route != NULL) {
        ret_match->route = route;
    }
    return 0;
}

void router_format_allow(unsigned allow, char *out)
{
    size_t len = 0;
    for (int m = METHOD_GET; m < METHOD_COUNT; m++) {
        if ((allow & (1u << m)) == 0) {
            continue;
        }
        const char *name = http_method_name((enum http_method)m);
        if (len > 0) {
            memcpy(out + len, ", ", 2);
            len += 2;
        }
        memcpy(out + len, name, strlen(name));
        len += strlen(name);
    }
    out[len] = '\0';
}

unsigned router_all_methods(const struct router *router)
{
    return with_implied(router->methods);
}

struct route *router_unmatched(struct router *router, enum http_method method)
{
    return &router->unmatched[method];
}

int router_add_rows(struct router *router, const struct route_row *rows, size_t count, void *arg)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < count; i++) {
        rc = router_add(router, rows[i].method, rows[i].path, rows[i].handler, arg, rows[i].flags);
    }
    return rc;
}
