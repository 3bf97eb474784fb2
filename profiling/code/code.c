/* SPDX-License-Identifier: MIT
 *
 * code.c - the snapshots of the mappings with their readers, and the unwind table.
 *
 * The worker that has made a new table publishes it, waits until no reader is in the old one, and
 * frees the old one. A reader takes microseconds, but may be preempted, so the loop does not wait
 * for it.
 */
#include "profiling/code/code.h"

#include <sched.h>
#include <stdlib.h>

#include "core/task/label.h"
#include "core/task/task.h"
#include "profiling/code/symbol.h"
#include "profiling/code/unwind_table.h"
#include "profiling/walk/unwind.h"

/* One snapshot and how many use it, the module itself included while it is the latest. */
struct version {
    struct list link;
    struct maps *maps;
    size_t users;
};

struct refresh {
    struct pool_job job;
    struct list waits; /* who asked before it began */
    const struct maps *known;
    struct version *version; /* what was made; NULL: nothing changed */
    int status;
};

#define IDLE_MS 10000

static struct {
    struct loop *loop; /* NULL: not started */
    struct pool *pool;
    struct list versions;
    struct version *latest;
    struct unwind_table *table; /* the published one; the running refresh's, or ours */
    struct refresh *refresh;    /* the one that runs, or NULL */
    struct list waits;          /* who asked since it began */
    struct wheel_timer idle;    /* looks now and then whether symbols are used */
    struct pool_job trim;
    bool is_trimming; /* the job is out */
} code = {.versions = {&code.versions, &code.versions}, .waits = {&code.waits, &code.waits}};

/* replace_table publishes a table, or NULL, and frees the one before. */
static void replace_table(struct unwind_table *table)
{
    unwind_publish(table);
    while (unwind_is_used()) {
        (void)sched_yield();
    }
    unwind_table_destroy(code.table);
    code.table = table;
}

static void put_version(struct version *version)
{
    version->users--;
    if (version->users == 0) {
        list_unlink(&version->link);
        maps_destroy(version->maps);
        free(version);
    }
    if (code.loop == NULL && code.refresh == NULL && list_is_empty(&code.versions)) {
        symbol_stop(); /* only who has a snapshot looks symbols up */
    }
}

static int begin_refresh(void);

static void tell(struct list *waits, int status)
{
    while (!list_is_empty(waits)) {
        struct code_wait *wait = CONTAINER_OF(waits->next, struct code_wait, link);
        list_unlink(&wait->link);
        wait->done(wait, status);
    }
}

static void make_version(struct refresh *refresh)
{
    struct maps *maps;
    refresh->status = maps_create(&maps);
    if (refresh->status != 0) {
        return;
    }
    struct unwind_table *table;
    if (refresh->known != NULL && maps_is_equal(maps, refresh->known)) {
        maps_destroy(maps);
        return;
    }
    struct version *version = calloc(1, sizeof(*version));
    refresh->status = version == NULL ? UV_ENOMEM : unwind_table_create(maps, &table);
    if (refresh->status != 0) {
        free(version);
        maps_destroy(maps);
        return;
    }
    replace_table(table);
    version->maps = maps;
    refresh->version = version;
}

static void refresh_work(struct pool_job *job)
{
    const uint32_t label = task_swap_label(LABEL_PROFILER);
    make_version(CONTAINER_OF(job, struct refresh, job));
    (void)task_swap_label(label);
}

static void adopt(struct version *version)
{
    struct version *previous = code.latest;
    version->users = 1;
    list_push_back(&code.versions, &version->link);
    code.latest = version;
    if (previous != NULL) {
        put_version(previous);
    }
}

static void drop_all(void)
{
    replace_table(NULL);
    struct version *latest = code.latest;
    code.latest = NULL;
    if (latest != NULL) {
        put_version(latest);
    }
}

static void refresh_done(struct pool_job *job, int status)
{
    struct refresh *refresh = CONTAINER_OF(job, struct refresh, job);
    code.refresh = NULL;
    if (refresh->version != NULL) {
        adopt(refresh->version);
    }
    if (code.loop == NULL) {
        drop_all();
    }
    status = status != 0 ? status : refresh->status;
    tell(&refresh->waits, status);
    free(refresh);
    if (code.loop != NULL && code.refresh == NULL && !list_is_empty(&code.waits)) {
        status = begin_refresh();
        if (status != 0) {
            tell(&code.waits, status);
        }
    }
}

static int begin_refresh(void)
{
    struct refresh *refresh = calloc(1, sizeof(*refresh));
    if (refresh == NULL) {
        return UV_ENOMEM;
    }
    refresh->job.work = refresh_work;
    refresh->job.done = refresh_done;
    refresh->known = code.latest == NULL ? NULL : code.latest->maps;
    const int status = pool_submit(code.pool, code.loop, &refresh->job);
    if (status != 0) {
        free(refresh);
        return status;
    }
    list_init(&refresh->waits);
    list_splice(&refresh->waits, &code.waits);
    code.refresh = refresh;
    return 0;
}

static void trim_work(struct pool_job *job)
{
    (void)job;
    symbol_trim();
}

static void trim_done(struct pool_job *job, int status)
{
    (void)job;
    (void)status;
    code.is_trimming = false;
}

/* What naming takes is tens of MiB: an idle server gives it back. */
static void on_idle(struct wheel_timer *timer)
{
    if (!code.is_trimming && symbol_is_idle(IDLE_MS * NS_PER_MS)) {
        code.trim = (struct pool_job){.work = trim_work, .done = trim_done};
        code.is_trimming = pool_submit(code.pool, code.loop, &code.trim) == 0;
    }
    loop_set_timer(code.loop, timer, IDLE_MS);
}

int code_start(struct loop *loop, struct pool *pool)
{
    REQUIRE(code.loop == NULL);
    code.loop = loop;
    code.pool = pool;
    wheel_timer_init(&code.idle, on_idle);
    /* Stopped and started again while a refresh was out: its tables will do. */
    const int status = code.refresh != NULL ? 0 : begin_refresh();
    if (status != 0) {
        code.loop = NULL;
        return status;
    }
    loop_set_timer(loop, &code.idle, IDLE_MS);
    return 0;
}

void code_stop(void)
{
    if (code.loop == NULL) {
        return;
    }
    code.loop = NULL;
    wheel_unset(&code.idle);
    if (code.refresh == NULL) {
        drop_all();
    } else {
        tell(&code.refresh->waits, UV_ECANCELED);
    }
    tell(&code.waits, UV_ECANCELED);
}

int code_refresh(struct code_wait *wait)
{
    REQUIRE(code.loop != NULL);
    list_push_back(&code.waits, &wait->link);
    if (code.refresh != NULL) {
        return 0; /* the next one begins when this one is done */
    }
    const int status = begin_refresh();
    if (status != 0) {
        list_unlink(&wait->link);
    }
    return status;
}

void code_cancel(struct code_wait *wait)
{
    list_unlink(&wait->link);
}

const struct maps *code_get(void)
{
    if (code.latest == NULL) {
        return NULL;
    }
    code.latest->users++;
    return code.latest->maps;
}

void code_put(const struct maps *maps)
{
    struct list *pos;
    struct list *tmp;
    LIST_FOR_EACH(pos, tmp, &code.versions)
    {
        struct version *version = CONTAINER_OF(pos, struct version, link);
        if (version->maps == maps) {
            put_version(version);
            return;
        }
    }
}
