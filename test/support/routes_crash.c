/* SPDX-License-Identifier: MIT
 *
 * routes_crash.c - GET /test/crash/:how, each a way to crash: null, call, overflow, divide, bus,
 * abort, require, malloc; offload and offload-overflow: on a thread of the pool; both: on two
 * threads at once.
 */
#include "test/support/routes_crash.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/base/thread.h"
#include "core/http/http.h"
#include "core/http/offload.h"

/* What the compiler must not look through. */
static int *volatile nowhere;
static void (*volatile nobody)(void);
static volatile int zero;
static volatile int one = 1;

static void __attribute__((noinline)) crash_by_null(void)
{
    *nowhere = 1;
}

static void __attribute__((noinline)) crash_by_call(void)
{
    nobody();
    __asm__ volatile("");
}

static int __attribute__((noinline)) crash_by_overflow(int depth)
{
    volatile char frame[1024];
    frame[0] = (char)depth;
    const int deeper = zero == 0 ? crash_by_overflow(depth + 1) : 0;
    return deeper + frame[0];
}

static void __attribute__((noinline)) crash_by_division(void)
{
    zero = one / zero;
}

/* crash_by_bus reads behind the end of a mapped file. */
static void __attribute__((noinline)) crash_by_bus(void)
{
    char name[] = "/tmp/toq-bus-XXXXXX";
    const int fd = mkstemp(name);
    (void)unlink(name);
    (void)!ftruncate(fd, 4096);
    const volatile char *map = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
    (void)!ftruncate(fd, 0);
    zero = map[0];
}

/* --- inside malloc, which holds its locks --- */

/* jemalloc's, by their places in its extent_hooks_t; the first allocates. */
struct extent_hooks {
    void *(*alloc)(struct extent_hooks *hooks, void *new_addr, size_t size, size_t alignment,
                   bool *zeroed, bool *commit, unsigned arena);
    void *others[8];
};

static void *crash_in_malloc(struct extent_hooks *hooks, void *new_addr, size_t size,
                             size_t alignment, bool *zeroed, bool *commit, unsigned arena)
{
    (void)hooks;
    (void)new_addr;
    (void)size;
    (void)alignment;
    (void)zeroed;
    (void)commit;
    (void)arena;
    crash_by_null();
    return NULL;
}

/* An arena whose memory comes from the function above; there is no jemalloc in sanitized builds. */
static void crash_by_malloc(void)
{
    static struct extent_hooks hooks = {.alloc = crash_in_malloc};
    int (*mallctl)(const char *, void *, size_t *, void *, size_t);
    *(void **)&mallctl = dlsym(RTLD_DEFAULT, "mallctl");
    struct extent_hooks *given = &hooks;
    unsigned arena;
    size_t len = sizeof(arena);
    if (mallctl != NULL && mallctl("arenas.create", &arena, &len, &given, sizeof(given)) == 0 &&
        mallctl("thread.arena", NULL, NULL, &arena, sizeof(arena)) == 0) {
        nowhere = malloc(1 << 20);
    }
}

/* --- the route --- */

static void *crash_on_thread(void *arg)
{
    (void)arg;
    crash_by_null();
    return NULL;
}

static void crash_on_both(void)
{
    pthread_t thread;
    if (thread_start(crash_on_thread, NULL, &thread) == 0) {
        crash_by_null();
    }
}

static void work_null(void *arg)
{
    (void)arg;
    crash_by_null();
}

static void work_overflow(void *arg)
{
    (void)arg;
    zero = crash_by_overflow(0);
}

static void on_worked(struct http_request *req, void *arg, int status)
{
    (void)arg;
    (void)status;
    http_respond_error(req, 500, NULL);
}

static void crash_here(struct http_request *req, struct str how)
{
    if (str_equal(how, STR("null"))) {
        crash_by_null();
    } else if (str_equal(how, STR("call"))) {
        crash_by_call();
    } else if (str_equal(how, STR("overflow"))) {
        zero = crash_by_overflow(0);
    } else if (str_equal(how, STR("divide"))) {
        crash_by_division();
    } else if (str_equal(how, STR("bus"))) {
        crash_by_bus();
    } else if (str_equal(how, STR("abort"))) {
        abort();
    } else if (str_equal(how, STR("require"))) {
        REQUIRE(how.len == 0);
    } else if (str_equal(how, STR("malloc"))) {
        crash_by_malloc();
    } else if (str_equal(how, STR("both"))) {
        crash_on_both();
    }
    http_respond_error(req, 404, NULL);
}

static void handle_crash(struct http_request *req, void *arg)
{
    const struct app_context *context = arg;
    const struct str how = req->params[0];
    const bool is_overflow = str_equal(how, STR("offload-overflow"));
    if (is_overflow || str_equal(how, STR("offload"))) {
        if (http_offload(req, context->offload, is_overflow ? work_overflow : work_null, on_worked,
                         NULL) < 0) {
            http_respond_error(req, 503, NULL);
        }
        return;
    }
    crash_here(req, how);
}

int routes_crash_add(struct router *router, const struct app_context *context)
{
    static const struct route_row rows[] = {
        {METHOD_GET, "/test/crash/:how", handle_crash, 0},
    };
    return router_add_rows(router, rows, ARRAY_COUNT(rows), (void *)(uintptr_t)context);
}
