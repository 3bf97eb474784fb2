/* SPDX-License-Identifier: MIT
 *
 * pprof_named.c - the profiles that have a name: parameters, their errors in Go's order, the
 * answer.
 */
#include <stdio.h>

#include "handlers/diagnostics/pprof/pprof_respond.h"
#include "profiling/named.h"
#include "profiling/task/waits.h"

#define WALL_SECONDS 30 /* fgprof's */
#define FILE_BYTES   40
#define NO_TRACES    "only profile, wall, block and goroutine know traces"

/* --- parameters --- */

/* read_int reads a parameter as Go's Atoi with its error left out: its sign, or 0. */
static int read_sign(struct http_request *req, struct str name)
{
    struct str text;
    if (!http_query_get(req, name, &text) || text.len == 0) {
        return 0;
    }
    const bool has_sign = text.ptr[0] == '-' || text.ptr[0] == '+';
    const int sign = text.ptr[0] == '-' ? -1 : 1;
    bool is_zero = true;
    text = has_sign ? (struct str){text.ptr + 1, text.len - 1} : text;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9') {
            return 0;
        }
        is_zero = is_zero && text.ptr[i] == '0';
    }
    return is_zero ? 0 : sign;
}

static bool is_leaks(const struct named *named)
{
    return strcmp(named_name(named), "goroutineleak") == 0;
}

/* is_dump_wanted: of all profiles these alone have a second text, from debug=2 on. */
static bool is_dump_wanted(struct http_request *req, const struct named *named)
{
    struct str text;
    uint64_t debug;
    const bool has_dump = strcmp(named_name(named), "goroutine") == 0 || is_leaks(named);
    if (!has_dump || !http_query_get(req, STR("debug"), &text)) {
        return false;
    }
    if (text.len > 1 && text.ptr[0] == '+') {
        text = (struct str){text.ptr + 1, text.len - 1};
    }
    return str_parse_u64(text, INT64_MAX, &debug) && debug >= 2;
}

/* parse_seconds reads a positive decimal integer, which may have a plus sign. */
static bool parse_seconds(const struct pprof *pprof, struct str text, uint64_t *ret_seconds)
{
    uint64_t seconds;
    if (text.len > 1 && text.ptr[0] == '+') {
        text = (struct str){text.ptr + 1, text.len - 1};
    }
    if (!str_parse_u64(text, INT64_MAX, &seconds) || seconds == 0) {
        return false;
    }
    *ret_seconds = seconds < pprof->max_seconds ? seconds : pprof->max_seconds;
    return true;
}

/* read_options reads what is asked for, in Go's order of checks.
 *
 * Returns: NULL with *ret_options set; the sentence that says what is wrong.
 */
static const char *read_options(const struct pprof *pprof, struct http_request *req,
                                const struct named *named, struct named_options *ret_options)
{
    struct str text;
    struct named_options options = {0};
    const int debug = read_sign(req, STR("debug"));
    if (named_is_since_last(named)) {
        /* A scraper that sends seconds to all profiles means to have a difference, and gets one. */
    } else if (http_query_get(req, STR("seconds"), &text) && text.len > 0) {
        if (!parse_seconds(pprof, text, &options.seconds)) {
            return "invalid value for \"seconds\" - must be a positive integer";
        }
        if (debug != 0) {
            return "seconds and debug params are incompatible";
        }
    } else {
        options.is_text = debug != 0;
        if (options.is_text && http_query_get(req, STR("format"), &text)) {
            return "format and debug params are incompatible";
        }
    }
    options.is_purging = options.seconds == 0 && read_sign(req, STR("gc")) > 0;
    *ret_options = options;
    return NULL;
}

/* --- the answer --- */

/* What a request waits for; req->user has it. */
struct waiting {
    const struct pprof *pprof;
    struct http_request *req;
    const struct named *named;
    struct named_query *query;
    char file[FILE_BYTES]; /* "" for text */
};

static void fail(const struct pprof *pprof, struct http_request *req, const struct named *named,
                 const char *message)
{
    pprof_accounts_count(&pprof->accounts, named_name(named), false);
    pprof_respond_error(req, 500, message);
}

static void on_profile(void *arg, int status, char *data, size_t len)
{
    struct waiting *waiting = arg;
    struct http_request *req = waiting->req;
    http_on_cancel(req, NULL);
    if (status < 0) {
        pprof_accounts_count(&waiting->pprof->accounts, named_name(waiting->named), false);
        pprof_respond_failure(req, "failed to collect profile", status);
    } else {
        pprof_accounts_count(&waiting->pprof->accounts, named_name(waiting->named), true);
        const char *file = waiting->file[0] == '\0' ? NULL : waiting->file;
        if (file == NULL) {
            pprof_send(req, NULL, data, len);
        } else {
            pprof_send_profile(waiting->pprof, req, file, data, len);
        }
    }
}

static void on_cancel(struct http_request *req, int status)
{
    (void)status;
    const struct waiting *waiting = req->user;
    named_cancel(waiting->query);
    fail(waiting->pprof, req, waiting->named, "cancelled");
}

static void query(const struct pprof *pprof, struct http_request *req, const struct named *named,
                  const struct named_options *options, const char *file)
{
    struct waiting *waiting = arena_alloc(&req->arena, sizeof(*waiting));
    const char *reason = named_check(named);
    if (reason != NULL) {
        fail(pprof, req, named, reason);
        return;
    }
    int rc = UV_ENOMEM;
    if (waiting != NULL) {
        *waiting = (struct waiting){.pprof = pprof, .req = req, .named = named};
        const char *suffix = options->seconds > 0 && file == NULL ? "-delta" : "";
        if (!options->is_text) {
            (void)snprintf(waiting->file, sizeof(waiting->file), "%s%s",
                           file == NULL ? named_name(named) : file, suffix);
        }
        rc = named_query(named, options, on_profile, waiting, &waiting->query);
    }
    if (rc == UV_EBUSY) {
        fail(pprof, req, named, "too many profiles are being taken");
    } else if (rc < 0) {
        pprof_accounts_count(&pprof->accounts, named_name(named), false);
        pprof_respond_failure(req, "failed to collect profile", rc);
    } else {
        req->user = waiting;
        http_on_cancel(req, on_cancel);
        if (options->seconds > 0) {
            http_be_long(req); /* else it is answered soon */
        }
        (void)http_wait(req, WAITS_PROFILE);
    }
}

static void respond_unknown(struct http_request *req)
{
    pprof_respond_error(req, 404, "Unknown profile");
}

void pprof_handle_trace(struct http_request *req, void *arg)
{
    if (pprof_is_allowed(arg, req)) {
        pprof_respond_error(
            req, 404,
            "There is no execution trace: /debug/fgprof?seconds=5 shows where requests "
            "spend their time, /debug/pprof/goroutine?debug=2 what is in flight");
    }
}

void pprof_handle_unknown(struct http_request *req, void *arg)
{
    if (pprof_is_allowed(arg, req)) {
        respond_unknown(req);
    }
}

void pprof_handle_named(struct http_request *req, void *arg)
{
    const struct pprof *pprof = arg;
    if (!pprof_is_allowed(pprof, req) || !pprof_has_format(req)) {
        return;
    }
    struct named_options options;
    const struct named *named = named_find(req->params[0]);
    if (named == NULL) {
        respond_unknown(req);
        return;
    }
    struct trace_filter traces;
    if (!pprof_read_traces(req, &traces)) {
        return;
    }
    const char *problem = read_options(pprof, req, named, &options);
    options.traces = traces;
    if (problem != NULL) {
        pprof_respond_error(req, 400, problem);
    } else if (trace_filter_is_on(&traces) && !named_has_traces(named)) {
        pprof_respond_error(req, 400, NO_TRACES);
    } else if (options.is_text && is_dump_wanted(req, named)) {
        pprof_respond_dump(pprof, req, &traces);
    } else {
        query(pprof, req, named, &options, NULL);
    }
}

void pprof_handle_wall(struct http_request *req, void *arg)
{
    const struct pprof *pprof = arg;
    if (!pprof_is_allowed(pprof, req) || !pprof_has_format(req)) {
        return;
    }
    struct str text;
    struct named_options options = {
        .seconds = pprof->max_seconds < WALL_SECONDS ? pprof->max_seconds : WALL_SECONDS};
    const struct named *wall = named_find(STR("wall"));
    if (wall == NULL) {
        respond_unknown(req);
    } else if (!pprof_read_traces(req, &options.traces)) {
        return;
    } else if (http_query_get(req, STR("seconds"), &text) && text.len > 0 &&
               !parse_seconds(pprof, text, &options.seconds)) {
        pprof_respond_error(req, 400, "invalid value for \"seconds\" - must be a positive integer");
    } else {
        query(pprof, req, wall, &options, "fgprof");
    }
}
