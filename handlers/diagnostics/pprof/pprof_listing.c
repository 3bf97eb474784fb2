/* SPDX-License-Identifier: MIT
 *
 * pprof_listing.c - sends a finished profile in the format that ?format= names; a worker thread
 * converts it.
 */
#include <stdlib.h>

#include "core/task/label.h"
#include "handlers/diagnostics/pprof/pprof_respond.h"
#include "profiling/profiler.h"
#include "profiling/write/listing.h"

struct listing_job {
    struct pool_job job;
    struct http_request *req; /* held: the job alone ends it */
    enum listing_format format;
    char *data; /* the profile */
    size_t len;
    int status;
    struct buf text;
};

static enum listing_format format_of(struct http_request *req)
{
    struct str name;
    enum listing_format format;
    return http_query_get(req, STR("format"), &name) && listing_parse(name, &format) ? format
                                                                                     : LISTING_NONE;
}

bool pprof_has_format(struct http_request *req)
{
    struct str name;
    enum listing_format format;
    if (!http_query_get(req, STR("format"), &name) || listing_parse(name, &format)) {
        return true;
    }
    pprof_respond_error(req, 400,
                        "invalid value for \"format\" - must be pprof, collapsed, text or json");
    return false;
}

static void work(struct pool_job *pool_job)
{
    const uint32_t label = task_swap_label(LABEL_PROFILER);
    struct listing_job *job = CONTAINER_OF(pool_job, struct listing_job, job);
    job->status = listing_make(job->data, job->len, job->format, &job->text);
    (void)task_swap_label(label);
}

static void respond(struct listing_job *job)
{
    const size_t len = job->text.len;
    char *text = buf_steal(&job->text);
    if (job->format == LISTING_JSON) {
        pprof_send_json(job->req, text, len);
    } else {
        pprof_send(job->req, NULL, text, len);
    }
}

static void finish(struct pool_job *pool_job, int status)
{
    struct listing_job *job = CONTAINER_OF(pool_job, struct listing_job, job);
    status = status < 0 ? status : job->status;
    if (status < 0) {
        pprof_respond_failure(job->req, "Could not write the profile in this format", status);
    } else {
        respond(job);
    }
    http_release(job->req);
    buf_deinit(&job->text);
    free(job->data);
    free(job);
}

static void start(const struct pprof *pprof, struct listing_job *job)
{
    http_hold(job->req);
    (void)http_wait(job->req, "threadpool");
    const int status = pool_submit(pprof->pool, pprof->loop, &job->job);
    if (status < 0) {
        finish(&job->job, status);
    }
}

void pprof_send_profile(const struct pprof *pprof, struct http_request *req, const char *name,
                        char *data, size_t len)
{
    const enum listing_format format = format_of(req);
    if (format == LISTING_NONE) {
        pprof_send(req, name, data, len);
        return;
    }
    struct listing_job *job = calloc(1, sizeof(*job));
    if (job == NULL) {
        free(data);
        pprof_respond_error(req, 503, "out of memory");
        return;
    }
    job->job.work = work;
    job->job.done = finish;
    job->req = req;
    job->format = format;
    job->data = data;
    job->len = len;
    buf_init(&job->text, LISTING_BYTES_MAX);
    start(pprof, job);
}

void pprof_send_profile_copy(const struct pprof *pprof, struct http_request *req, const char *name,
                             const char *data, size_t len)
{
    char *copy = malloc(len);
    if (copy == NULL) {
        pprof_respond_error(req, 503, "out of memory");
        return;
    }
    memcpy(copy, data, len);
    pprof_send_profile(pprof, req, name, copy, len);
}
