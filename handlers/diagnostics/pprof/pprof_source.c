/* SPDX-License-Identifier: MIT
 *
 * pprof_source.c - the source file of an address, for the page at /debug/pprof/ui/. The debug
 * information alone names the file, so that a client cannot ask for another one.
 *
 * Thread: a worker thread finds and reads the file.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/task/label.h"
#include "handlers/diagnostics/pprof/pprof_respond.h"
#include "profiling/code/symbol.h"
#include "profiling/profiler.h"

#define FILE_MAX_BYTES (2u << 20)
#define MESSAGE_BYTES  512

struct source_job {
    struct pool_job job;
    struct http_request *req; /* held: the job alone ends it */
    uint64_t address;
    uint64_t depth; /* of inlined calls, the innermost is 0 */
    int status;     /* of the answer */
    char message[MESSAGE_BYTES];
    char *text;
    size_t len;
};

static void refuse(struct source_job *job, int status, const char *what, const char *file)
{
    job->status = status;
    (void)snprintf(job->message, sizeof(job->message), "%s%s%s", what, file[0] == '\0' ? "" : ": ",
                   file);
}

static int read_all(int fd, char *text, size_t len)
{
    size_t done = 0;
    while (done < len) {
        const ssize_t n = read(fd, text + done, len - done);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return -EIO; /* it has become shorter */
        }
        done += (size_t)n;
    }
    return 0;
}

static void read_open_file(struct source_job *job, int fd, const char *file)
{
    struct stat facts;
    if (fstat(fd, &facts) != 0 || !S_ISREG(facts.st_mode)) {
        refuse(job, 404, "the source is no file", file);
    } else if (facts.st_size < 0 || facts.st_size > FILE_MAX_BYTES) {
        refuse(job, 404, "the source is too large", file);
    } else {
        job->len = (size_t)facts.st_size;
        job->text = malloc(job->len + 1);
        if (job->text == NULL) {
            refuse(job, 503, "out of memory", "");
        } else if (read_all(fd, job->text, job->len) != 0) {
            refuse(job, 404, "the source cannot be read", file);
        } else {
            job->status = 200;
        }
    }
}

/* O_NONBLOCK: opening a pipe would wait. */
static void read_file(struct source_job *job, const char *file)
{
    const int fd = file[0] == '/' ? open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK) : -1;
    if (fd < 0) {
        refuse(job, 404, "the source is not on this machine", file);
        return;
    }
    read_open_file(job, fd, file);
    (void)close(fd);
}

static void work(struct pool_job *pool_job)
{
    const uint32_t label = task_swap_label(LABEL_PROFILER);
    struct source_job *job = CONTAINER_OF(pool_job, struct source_job, job);
    struct symbol_result symbol;
    symbol_lookup_shown(job->address, &symbol);
    if (symbol.is_failed) {
        refuse(job, 503, "out of memory", "");
    } else if (!symbol.is_mapped || job->depth >= symbol.count) {
        refuse(job, 404, "no code is at this address", "");
    } else if (symbol.frames[job->depth].file[0] == '\0') {
        refuse(job, 404, "no debug information names a file of this code", "");
    } else {
        read_file(job, symbol.frames[job->depth].file);
    }
    (void)task_swap_label(label);
}

static void finish(struct pool_job *pool_job, int status)
{
    struct source_job *job = CONTAINER_OF(pool_job, struct source_job, job);
    if (status < 0) {
        pprof_respond_error(job->req, 503, profiler_strerror(status));
    } else if (job->status != 200) {
        pprof_respond_error(job->req, job->status, job->message);
    } else {
        pprof_send(job->req, NULL, job->text, job->len);
        job->text = NULL;
    }
    http_release(job->req);
    free(job->text);
    free(job);
}

static bool read_parameters(struct http_request *req, uint64_t *ret_address, uint64_t *ret_depth)
{
    struct str text;
    *ret_depth = 0;
    return http_query_get(req, STR("pc"), &text) && str_parse_u64(text, UINT64_MAX, ret_address) &&
           (!http_query_get(req, STR("depth"), &text) ||
            str_parse_u64(text, SYMBOL_FRAMES_MAX, ret_depth));
}

void pprof_handle_ui_source(struct http_request *req, void *arg)
{
    const struct pprof *pprof = arg;
    uint64_t address;
    uint64_t depth;
    if (!pprof_is_allowed(pprof, req)) {
        return;
    }
    if (!read_parameters(req, &address, &depth)) {
        pprof_respond_error(req, 400, "pc must be an address, and depth that of an inlined call");
        return;
    }
    struct source_job *job = calloc(1, sizeof(*job));
    if (job == NULL) {
        pprof_respond_error(req, 503, "out of memory");
        return;
    }
    job->job.work = work;
    job->job.done = finish;
    job->req = req;
    job->address = address;
    job->depth = depth;
    http_hold(req);
    (void)http_wait(req, "threadpool");
    const int status = pool_submit(pprof->pool, pprof->loop, &job->job);
    if (status < 0) {
        finish(&job->job, status);
    }
}
