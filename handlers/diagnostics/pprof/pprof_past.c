/* SPDX-License-Identifier: MIT
 *
 * pprof_past.c - checks that the history covers the time that a request asks for, and reads it.
 */
#include "handlers/diagnostics/pprof/pprof_past.h"

#include <inttypes.h>
#include <stdio.h>

#include "core/base/clock.h"
#include "core/base/duration.h"
#include "handlers/diagnostics/pprof/pprof_respond.h"
#include "profiling/cpu/history.h"

#define MESSAGE_BYTES 160

/* What a request waits for; req->user has it. */
struct past {
    const struct pprof *pprof;
    struct http_request *req;
    struct history_read *read;
};

static void refuse(const struct pprof *pprof, struct http_request *req, int status,
                   const char *message)
{
    pprof_accounts_count(&pprof->accounts, "history", false);
    pprof_respond_error(req, status, message);
}

static void fail(const struct pprof *pprof, struct http_request *req, int status)
{
    pprof_accounts_count(&pprof->accounts, "history", false);
    pprof_respond_failure(req, "Could not read the history", status);
}

static void on_read(void *arg, int status, const char *data, size_t len)
{
    const struct past *past = arg;
    http_on_cancel(past->req, NULL);
    if (status < 0) {
        fail(past->pprof, past->req, status);
        return;
    }
    pprof_accounts_count(&past->pprof->accounts, "history", true);
    pprof_send_profile_copy(past->pprof, past->req, "profile", data, len);
}

static void on_columns(void *arg, int status, const char *data, size_t len)
{
    const struct past *past = arg;
    http_on_cancel(past->req, NULL);
    if (status < 0) {
        fail(past->pprof, past->req, status);
    } else {
        pprof_accounts_count(&past->pprof->accounts, "history", true);
        http_respond_json(past->req, 200, (struct str){data, len});
    }
}

static void on_cancel(struct http_request *req, int status)
{
    (void)status;
    const struct past *past = req->user;
    history_cancel(past->read);
    refuse(past->pprof, req, 503, "cancelled");
}

/* Why an interval cannot be had, as a status with a message; 0: it can. */
static int check(uint64_t ago_ns, uint64_t seconds, char *message)
{
    const uint64_t span_s = history_get_span_ns() / NS_PER_S;
    const uint64_t ago_s = ago_ns / NS_PER_S;
    if (ago_s == 0) {
        (void)snprintf(message, MESSAGE_BYTES, "\"ago\" must be 1s or more");
        return 400;
    }
    if (seconds > ago_s) {
        (void)snprintf(message, MESSAGE_BYTES,
                       "the interval ends in the future: with this \"ago\" seconds=%" PRIu64
                       " is the most",
                       ago_s);
        return 400;
    }
    if (!history_is_on()) {
        (void)snprintf(message, MESSAGE_BYTES, "No history is kept: PPROF_HISTORY_WINDOWS is 0");
        return 404;
    }
    if (ago_ns > history_get_span_ns()) {
        (void)snprintf(message, MESSAGE_BYTES,
                       "The history does not go back so far: ago=%" PRIu64 "s is the most now",
                       span_s);
        return 404;
    }
    return 0;
}

static struct past *make_past(const struct pprof *pprof, struct http_request *req)
{
    struct past *past = arena_alloc(&req->arena, sizeof(*past));
    if (past == NULL) {
        fail(pprof, req, UV_ENOMEM);
        return NULL;
    }
    *past = (struct past){.pprof = pprof, .req = req};
    return past;
}

/* rc: of the question that was put to the history. */
static void wait(struct past *past, int rc)
{
    struct http_request *req = past->req;
    if (rc == 0) {
        req->user = past;
        http_on_cancel(req, on_cancel);
        (void)http_wait(req, "history");
    } else if (rc == UV_ERANGE) {
        refuse(past->pprof, req, 404, "The history does not go back so far");
    } else if (rc == UV_EBUSY) {
        refuse(past->pprof, req, 503, "Could not read the history: too many are reading it");
    } else {
        fail(past->pprof, req, rc);
    }
}

bool pprof_past_is_wanted(struct http_request *req)
{
    struct str text;
    return http_query_get(req, STR("ago"), &text) || http_query_get(req, STR("from"), &text);
}

/* read_start reads how long ago the time began.
 *
 * Returns: NULL with *ret_ago_ns set; the sentence that says what is wrong.
 */
static const char *read_start(struct http_request *req, uint64_t *ret_ago_ns)
{
    struct str text;
    uint64_t from_ms;
    const uint64_t now_ns = clock_wall_ns();
    if (http_query_get(req, STR("ago"), &text)) {
        return duration_parse(text, ret_ago_ns)
                   ? NULL
                   : "invalid value for \"ago\" - must be a duration like 90s, 2m or 1h30m";
    }
    if (!http_query_get(req, STR("from"), &text) ||
        !str_parse_u64(text, now_ns / NS_PER_MS, &from_ms)) {
        return "invalid value for \"from\" - must be milliseconds since 1970, and of the past";
    }
    *ret_ago_ns = now_ns - from_ms * NS_PER_MS;
    return NULL;
}

void pprof_past_respond(const struct pprof *pprof, struct http_request *req, uint64_t seconds,
                        const struct trace_filter *traces)
{
    uint64_t ago_ns;
    struct str text;
    const char *problem = read_start(req, &ago_ns);
    if (problem != NULL) {
        refuse(pprof, req, 400, problem);
        return;
    }
    const bool is_chosen = http_query_get(req, STR("seconds"), &text);
    if (!is_chosen && seconds > ago_ns / NS_PER_S) {
        seconds = ago_ns / NS_PER_S;
    }
    char message[MESSAGE_BYTES];
    const int status = check(ago_ns, seconds, message);
    if (status != 0) {
        refuse(pprof, req, status, message);
    } else {
        struct past *past = make_past(pprof, req);
        if (past != NULL) {
            const uint64_t start_ns = clock_now_ns() - ago_ns;
            const struct history_interval interval = {
                .start_ns = start_ns, .end_ns = start_ns + seconds * NS_PER_S, .traces = *traces};
            wait(past, history_read(&interval, on_read, past, &past->read));
        }
    }
}

void pprof_handle_ui_history(struct http_request *req, void *arg)
{
    const struct pprof *pprof = arg;
    if (!pprof_is_allowed(pprof, req)) {
        return;
    }
    if (!history_is_on()) {
        refuse(pprof, req, 404, "No history is kept: PPROF_HISTORY_WINDOWS is 0");
        return;
    }
    struct past *past = make_past(pprof, req);
    if (past != NULL) {
        wait(past, history_read_columns(on_columns, past, &past->read));
    }
}
