/* SPDX-License-Identifier: MIT
 *
 * pprof_profile.c - the CPU profile, and the command line.
 */
#include "handlers/diagnostics/pprof/pprof_past.h"
#include "handlers/diagnostics/pprof/pprof_respond.h"
#include "profiling/cpu/cpu.h"
#include "profiling/task/waits.h"

#define DEFAULT_SECONDS 30  /* Go's */
#define SAMPLES_HZ      100 /* Go's */

/* read_seconds reads ?seconds= as Go does: a decimal integer above 0, anything else is 30. */
static uint64_t read_seconds(const struct pprof *pprof, struct http_request *req)
{
    struct str text;
    uint64_t seconds = DEFAULT_SECONDS;
    if (http_query_get(req, STR("seconds"), &text)) {
        if (text.len > 1 && text.ptr[0] == '+') {
            text = (struct str){text.ptr + 1, text.len - 1};
        }
        if (!str_parse_u64(text, INT64_MAX, &seconds) || seconds == 0) {
            seconds = DEFAULT_SECONDS;
        }
    }
    return seconds < pprof->max_seconds ? seconds : pprof->max_seconds;
}

/* --- one capture, and who waits for it: whoever began it, and those that share it --- */

struct waiter {
    struct list link;
    struct pprof *pprof;
    struct http_request *req;
};

static void respond(struct pprof *pprof, struct http_request *req, int status, const char *data,
                    size_t len)
{
    http_on_cancel(req, NULL);
    pprof_accounts_count(&pprof->accounts, "profile", status == 0);
    if (status < 0) {
        pprof_respond_failure(req, "Could not enable CPU profiling", status);
    } else {
        pprof_send_profile_copy(pprof, req, "profile", data, len);
    }
}

static void on_profile(void *arg, int status, const char *data, size_t len)
{
    struct pprof *pprof = arg;
    struct list waiters;
    pprof->capture = NULL;
    list_init(&waiters);
    list_splice(&waiters, &pprof->waiters); /* an answer may bring the next request */
    while (!list_is_empty(&waiters)) {
        struct waiter *waiter = CONTAINER_OF(waiters.next, struct waiter, link);
        list_unlink(&waiter->link);
        respond(pprof, waiter->req, status, data, len);
    }
}

/* on_cancel: the client left, or the server stops: when it was the last nobody wants the rest of
 * the window. */
static void on_cancel(struct http_request *req, int status)
{
    (void)status;
    struct waiter *waiter = req->user;
    struct pprof *pprof = waiter->pprof;
    list_unlink(&waiter->link);
    if (list_is_empty(&pprof->waiters) && pprof->capture != NULL) {
        cpu_cancel(pprof->capture);
        pprof->capture = NULL;
    }
    pprof_accounts_count(&pprof->accounts, "profile", false);
    pprof_respond_error(req, 503, "cancelled");
}

/* is_sharing: ?share=1, a toq extension: a capture that is running already is as good as a new one,
 * whatever its seconds, if it is of the same traces; the profile says how long it took. */
static bool is_sharing(struct http_request *req)
{
    struct str text;
    return http_query_get(req, STR("share"), &text) && str_equal(text, STR("1"));
}

static int join_or_start(struct pprof *pprof, struct http_request *req,
                         const struct trace_filter *traces)
{
    if (pprof->capture != NULL && is_sharing(req) &&
        trace_filter_is_same(cpu_traces(pprof->capture), traces)) {
        return 0;
    }
    const struct cpu_options options = {
        .seconds = read_seconds(pprof, req), .hz = SAMPLES_HZ, .traces = *traces};
    struct cpu_capture *capture;
    const int rc = cpu_start(&options, on_profile, pprof, &capture);
    if (rc == 0) {
        pprof->capture = capture;
    }
    return rc;
}

static void wait_for_capture(struct pprof *pprof, struct http_request *req,
                             const struct trace_filter *traces)
{
    struct waiter *waiter = arena_alloc(&req->arena, sizeof(*waiter));
    const int rc = waiter == NULL ? UV_ENOMEM : join_or_start(pprof, req, traces);
    if (rc == 0) {
        *waiter = (struct waiter){.pprof = pprof, .req = req};
        list_push_back(&pprof->waiters, &waiter->link);
        req->user = waiter;
        http_on_cancel(req, on_cancel);
        (void)http_wait(req, WAITS_CPU_PROFILE);
        return;
    }
    pprof_accounts_count(&pprof->accounts, "profile", false);
    if (rc == UV_EBUSY) {
        pprof_respond_error(req, 500,
                            "Could not enable CPU profiling: cpu profiling already in use");
    } else {
        pprof_respond_failure(req, "Could not enable CPU profiling", rc);
    }
}

void pprof_handle_profile(struct http_request *req, void *arg)
{
    struct pprof *pprof = arg;
    struct trace_filter traces;
    if (!pprof_is_allowed(pprof, req) || !pprof_has_format(req) ||
        !pprof_read_traces(req, &traces)) {
        return;
    }
    if (pprof_past_is_wanted(req)) {
        pprof_past_respond(pprof, req, read_seconds(pprof, req), &traces);
    } else {
        wait_for_capture(pprof, req, &traces);
    }
}

void pprof_handle_cmdline(struct http_request *req, void *arg)
{
    const struct pprof *pprof = arg;
    if (pprof_is_allowed(pprof, req)) {
        pprof_respond_text(req, pprof->cmdline);
    }
}
