/* SPDX-License-Identifier: MIT
 *
 * quit.c - writes a dump to stderr.
 */
#include "handlers/diagnostics/quit.h"

#include <stdio.h>
#include <stdlib.h>

#include "core/crash/crash.h"
#include "core/task/recorder.h"

static void print(struct pool_job *job)
{
    const struct quit *quit = CONTAINER_OF(job, struct quit, job);
    (void)fputs("SIGQUIT: what is in flight\n\n", stderr);
    if (quit->text == NULL) {
        crash_put_tasks();
    } else {
        (void)fwrite(quit->text, 1, quit->len, stderr);
    }
    (void)fputs("SIGQUIT: end\n", stderr);
}

static void on_printed(struct pool_job *job, int status)
{
    struct quit *quit = CONTAINER_OF(job, struct quit, job);
    (void)status;
    free(quit->text);
    quit->text = NULL;
    quit->is_busy = false;
}

static void start_printing(struct quit *quit)
{
    quit->job.work = print;
    quit->job.done = on_printed;
    const int status =
        quit->pool == NULL ? UV_ECANCELED : pool_submit(quit->pool, quit->loop, &quit->job);
    if (status < 0) {
        on_printed(&quit->job, status);
    }
}

/* on_dump: without the dump the tasks' lines are printed. */
static void on_dump(void *arg, int status, char *data, size_t len)
{
    struct quit *quit = arg;
    (void)status;
    quit->text = data;
    quit->len = len;
    start_printing(quit);
}

void quit_dump(struct quit *quit)
{
    if (quit->is_busy) {
        return;
    }
    quit->is_busy = true;
    recorder_trigger(RECORDER_QUIT);
    if (pprof_dump(quit->pprof, on_dump, quit) < 0) {
        start_printing(quit);
    }
}

void quit_stop(struct quit *quit)
{
    quit->pool = NULL;
}
