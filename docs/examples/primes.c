/* SPDX-License-Identifier: MIT
 *
 * primes.c - work that would hold the loop is done on a thread; the request waits for it, and
 * others go on.
 *
 *     curl 'localhost:8080/primes?below=1000000'
 */
#include "core/app/app_module.h"
#include "core/http/offload.h"

#define BELOW_MAX 10000000

/* One request's, in its arena. */
struct counting {
    uint64_t below;
    uint64_t count;
};

static bool is_prime(uint64_t n)
{
    for (uint64_t d = 2; d * d <= n; d++) {
        if (n % d == 0) {
            return false;
        }
    }
    return n > 1;
}

/* count_primes runs on a thread, and touches nothing but arg. */
static void count_primes(void *arg)
{
    struct counting *counting = arg;
    for (uint64_t n = 0; n < counting->below; n++) {
        counting->count += is_prime(n);
    }
}

/* on_counted runs on the loop. When the request was cancelled meanwhile, its answer is dropped. */
static void on_counted(struct http_request *req, void *arg, int status)
{
    const struct counting *counting = arg;
    if (status < 0) {
        http_fail(req, status);
        return;
    }
    http_respond_text(req, 200, "%llu\n", (unsigned long long)counting->count);
}

static void handle_primes(struct http_request *req, void *arg)
{
    const struct app_context *context = arg;
    struct counting *counting = arena_alloc(&req->arena, sizeof(*counting));
    struct str below;
    if (counting == NULL) {
        http_respond_error(req, 503, "out of memory");
        return;
    }
    *counting = (struct counting){0};
    if (!http_query_get(req, STR("below"), &below) ||
        !str_parse_u64(below, BELOW_MAX, &counting->below)) {
        http_respond_error(req, 400, "below: a number up to 10000000");
        return;
    }
    const int rc = http_offload(req, context->offload, count_primes, on_counted, counting);
    if (rc < 0) {
        http_fail(req, rc);
    }
}

static const struct route_row routes[] = {
    {METHOD_GET, "/primes", handle_primes, 0},
};

const struct app_module example_primes = {
    .name = "primes", .routes = routes, .route_count = ARRAY_COUNT(routes)};
