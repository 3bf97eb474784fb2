/* SPDX-License-Identifier: MIT
 *
 * pprof_profile.c - the CPU profile, and the command line.
 */
#include "handlers/diagnostics/pprof_accounts.h"
#include "handlers/diagnostics/pprof_past.h"
#include "handlers/diagnostics/pprof_respond.h"
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

static void on_profile(void *arg, int status, const char *data, size_t len)
{
    struct http_request *req = arg;
    http_on_cancel(req, NULL);
    pprof_accounts_count("profile", status == 0);
    if (status < 0) {
        pprof_respond_failure(req, "Could not enable CPU profiling", status);
    } else {
        pprof_respond_file(req, "profile", (struct str){data, len});
    }
}

/* on_cancel: the client left, or the server stops: nobody wants the rest of the window. */
static void on_cancel(struct http_request *req, int status)
{
    (void)status;
    cpu_cancel(req->user);
    pprof_accounts_count("profile", false);
    pprof_respond_error(req, 503, "cancelled");
}

void pprof_handle_profile(struct http_request *req, void *arg)
{
    const struct pprof *pprof = arg;
    if (!pprof_is_allowed(pprof, req)) {
        return;
    }
    struct str ago;
    if (http_query_get(req, STR("ago"), &ago)) {
        pprof_past_respond(req, ago, read_seconds(pprof, req));
        return;
    }
    struct cpu_capture *capture;
    const int rc = cpu_start(read_seconds(pprof, req), SAMPLES_HZ, on_profile, req, &capture);
    if (rc < 0) {
        pprof_accounts_count("profile", false);
    }
    if (rc == UV_EBUSY) {
        pprof_respond_error(req, 500,
                            "Could not enable CPU profiling: cpu profiling already in use");
    } else if (rc < 0) {
        pprof_respond_failure(req, "Could not enable CPU profiling", rc);
    } else {
        req->user = capture;
        http_on_cancel(req, on_cancel);
        task_park(&req->task, WAITS_CPU_PROFILE);
    }
}

void pprof_handle_cmdline(struct http_request *req, void *arg)
{
    const struct pprof *pprof = arg;
    if (pprof_is_allowed(pprof, req)) {
        pprof_respond_text(req, pprof->cmdline);
    }
}
