/* SPDX-License-Identifier: MIT
 *
 * demo_module.c - the page at /demo/, and the faults that it brings about.
 */
#include "docs/demo/demo_module.h"

#include <stdio.h>
#include <stdlib.h>

#include "core/base/clock.h"

#define LEAK_BLOCK_BYTES 65536
#define LEAK_BLOCKS      256  /* 16 MiB: the sampler sees that for sure */
#define LEAK_BLOCKS_MAX  8192 /* half a GiB, and no more */
#define HOLD_DEFAULT_MS  3000
#define HOLD_MAX_MS      10000
#define PRIMES_BELOW     20000 /* a millisecond or two */

extern const unsigned char demo_page[];
extern const size_t demo_page_len;

/* What was leaked: somebody still points at it, so it is no leak of the C library's kind. */
struct kept {
    struct kept *next;
    char bytes[LEAK_BLOCK_BYTES];
};

struct demo {
    const struct app_context *context;
    struct kept *kept;
    size_t kept_count;
};

/* --- the page --- */

static void handle_page(struct http_request *req, void *arg)
{
    (void)arg;
    const struct http_header headers[] = {
        {STR("X-Content-Type-Options"), STR("nosniff")},
        {STR("Content-Security-Policy"),
         STR("default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
             "connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; "
             "frame-ancestors 'none'")},
    };
    http_respond(req, &(struct http_response){
                          .status = 200,
                          .content_type = "text/html; charset=utf-8",
                          .body = {(const char *)demo_page, demo_page_len},
                          .headers = headers,
                          .header_count = ARRAY_COUNT(headers),
                      });
}

/* handle_ports tells the page where the tools are. */
static void handle_ports(struct http_request *req, void *arg)
{
    const struct demo *demo = arg;
    const struct config *config = demo->context->config;
    char json[64];
    const int len = snprintf(json, sizeof(json), "{\"pprof\":%u,\"metrics\":%u}\n",
                             (unsigned)config->pprof_port, (unsigned)config->metrics_port);
    http_respond_json(req, 200, (struct str){json, (size_t)len});
}

/* --- a hot route --- */

static unsigned count_primes(unsigned below)
{
    unsigned count = 0;
    for (unsigned n = 2; n < below; n++) {
        unsigned d = 2;
        while (d * d <= n && n % d != 0) {
            d++;
        }
        count += d * d > n ? 1 : 0;
    }
    return count;
}

static void handle_hot(struct http_request *req, void *arg)
{
    (void)arg;
    http_respond_text(req, 200, "%u primes\n", count_primes(PRIMES_BELOW));
}

/* --- a slow statement --- */

static void on_slept(void *arg, const struct sql_result *result)
{
    struct http_request *req = arg;
    if (result->status < 0) {
        http_fail(req, result->status);
    } else {
        http_respond_text(req, 200, "slept\n");
    }
}

static void handle_slow(struct http_request *req, void *arg)
{
    const struct demo *demo = arg;
    sql_ask(demo->context->sql, http_ref(req), &SQL_READ("demo.slow", "SELECT SLEEP(2)"), on_slept,
            req);
}

/* --- a leak --- */

static void handle_leak(struct http_request *req, void *arg)
{
    struct demo *demo = arg;
    unsigned count = 0;
    for (; count < LEAK_BLOCKS && demo->kept_count < LEAK_BLOCKS_MAX; count++) {
        struct kept *kept = calloc(1, sizeof(*kept));
        if (kept == NULL) {
            break;
        }
        kept->next = demo->kept;
        demo->kept = kept;
        demo->kept_count++;
    }
    http_respond_text(req, 200, "kept %u blocks of 64 KiB for ever\n", count);
}

/* --- a held loop --- */

static void hold_the_loop(uint64_t ms)
{
    const uint64_t end_ns = clock_now_ns() + ms * NS_PER_MS;
    while (clock_now_ns() < end_ns) {
        (void)count_primes(PRIMES_BELOW);
    }
}

static void handle_hold(struct http_request *req, void *arg)
{
    (void)arg;
    struct str text;
    uint64_t ms = HOLD_DEFAULT_MS;
    if (http_query_get(req, STR("ms"), &text) && !str_parse_u64(text, HOLD_MAX_MS, &ms)) {
        http_respond_error(req, 400, "ms: a number up to 10000");
        return;
    }
    hold_the_loop(ms);
    http_respond_text(req, 200, "held the loop for %llu ms\n", (unsigned long long)ms);
}

/* --- a forgotten request --- */

/* handle_forget never answers: the mistake that it shows. */
static void handle_forget(struct http_request *req, void *arg)
{
    (void)req;
    (void)arg;
}

/* --- the module --- */

static int open_module(void *state, const struct app_context *context)
{
    struct demo *demo = state;
    demo->context = context;
    return 0;
}

static int add_routes(void *state, struct router *router, enum app_server server)
{
    static const struct route_row rows[] = {
        {METHOD_GET, "/demo/", handle_page, 0},
        {METHOD_GET, "/demo/ports", handle_ports, 0},
        {METHOD_GET, "/demo/hot", handle_hot, 0},
        {METHOD_GET, "/demo/slow", handle_slow, 0},
        {METHOD_POST, "/demo/leak", handle_leak, 0},
        {METHOD_POST, "/demo/hold", handle_hold, 0},
        {METHOD_POST, "/demo/forget", handle_forget, 0},
    };
    return server == APP_SERVER_HTTP ? router_add_rows(router, rows, ARRAY_COUNT(rows), state) : 0;
}

static void close_module(void *state)
{
    struct demo *demo = state;
    while (demo->kept != NULL) {
        struct kept *next = demo->kept->next;
        free(demo->kept);
        demo->kept = next;
    }
}

static const struct app_example examples[] = {
    {APP_SERVER_HTTP, true, "http://localhost:", "/demo/"},
    {.before = NULL},
};

const struct app_module demo_module = {
    .name = "demo",
    .state_bytes = sizeof(struct demo),
    .examples = examples,
    .open = open_module,
    .add_routes = add_routes,
    .close = close_module,
};
