/* SPDX-License-Identifier: MIT
 *
 * pprof_dump.c - goroutine?debug=2, and what SIGQUIT prints: everything in flight, as a Go
 * program prints its goroutines.
 */
#include "handlers/diagnostics/pprof/pprof.h"
#include "handlers/diagnostics/pprof/pprof_respond.h"
#include "profiling/task/goroutine.h"
#include "profiling/task/waits.h"

/* What a request waits for; req->user has it. */
struct waiting {
    const struct pprof *pprof;
    struct http_request *req;
    struct goroutine_dump *dump;
};

static void fail(const struct pprof *pprof, struct http_request *req, int status)
{
    pprof_accounts_count(&pprof->accounts, "goroutine", false);
    if (status == UV_EBUSY) {
        pprof_respond_error(req, 500, "too many profiles are being taken");
    } else {
        pprof_respond_failure(req, "failed to collect profile", status);
    }
}

int pprof_dump(const struct pprof *pprof,
               void (*done)(void *arg, int status, char *data, size_t len), void *arg)
{
    struct goroutine_dump *dump;
    const struct goroutine_dump_options options = {.loop = pprof->loop, .pool = pprof->pool};
    return pprof->is_started ? goroutine_dump_start(&options, done, arg, &dump) : UV_ENOSYS;
}

static void on_dump(void *arg, int status, char *data, size_t len)
{
    const struct waiting *waiting = arg;
    http_on_cancel(waiting->req, NULL);
    if (status < 0) {
        fail(waiting->pprof, waiting->req, status);
    } else {
        pprof_accounts_count(&waiting->pprof->accounts, "goroutine", true);
        pprof_send(waiting->req, NULL, data, len);
    }
}

static void on_cancel(struct http_request *req, int status)
{
    const struct waiting *waiting = req->user;
    goroutine_dump_cancel(waiting->dump);
    fail(waiting->pprof, req, status);
}

void pprof_respond_dump(const struct pprof *pprof, struct http_request *req,
                        const struct trace_filter *traces)
{
    const struct goroutine_dump_options options = {
        .loop = pprof->loop, .pool = pprof->pool, .traces = *traces};
    struct waiting *waiting = arena_alloc(&req->arena, sizeof(*waiting));
    int status = UV_ENOMEM;
    if (waiting != NULL) {
        *waiting = (struct waiting){.pprof = pprof, .req = req};
        status = goroutine_dump_start(&options, on_dump, waiting, &waiting->dump);
    }
    if (status != 0) {
        fail(pprof, req, status);
        return;
    }
    req->user = waiting;
    http_on_cancel(req, on_cancel);
    (void)http_wait(req, WAITS_PROFILE);
}
