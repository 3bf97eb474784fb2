/* SPDX-License-Identifier: MIT
 *
 * named.c - a query as a state machine on the loop, and the table of the profiles.
 */
#include "profiling/named.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/task/label.h"
#include "core/task/task.h"
#include "profiling/code/code.h"
#include "profiling/write/encode.h"
#include "profiling/write/source.h"
#include "profiling/write/text.h"

#define COMMENT_BYTES 192

enum query_state { QUERY_TAKING, QUERY_WAITING, QUERY_REFRESHING, QUERY_ENCODING };

struct named_query {
    struct list link;
    const struct named *named;
    struct named_options options;
    named_done_fn done; /* NULL: cancelled */
    void *arg;
    enum query_state state;

    bool has_first;
    bool is_window_open; /* source->begin was called */
    struct wheel_timer timer;
    struct source_take take;
    struct stacks first;  /* what is subtracted */
    struct stacks answer; /* of a profile since the last time */
    uint64_t wall_ns;     /* when the last look was done */
    uint64_t start_ns;    /* when the first look was done */
    uint64_t duration_ns;

    struct code_wait code_wait;
    struct pool_job job;
    const struct maps *maps; /* code_get's */
    int status;              /* of the job */
    char *data;
    size_t len;
};

static struct named_base delta_block;
static struct named_base delta_heap;
static struct named_base delta_mutex;

/* One row per profile. */
static const struct named profiles[] = {
    {.source = &source_allocs},
    {.source = &source_block},
    {&source_block, "delta_block", 2, &delta_block},
    {.source = &source_goroutine},
    {.source = &source_goroutineleak},
    {.source = &source_heap},
    {&source_heap, "delta_heap", 2, &delta_heap},
    {.source = &source_mutex},
    {&source_mutex, "delta_mutex", 2, &delta_mutex},
    {.source = &source_threadcreate},
    {.source = &source_wall},
    {0}, /* the end */
};

static struct {
    struct loop *loop; /* NULL: not started */
    struct pool *pool;
    struct list queries;
    size_t query_count; /* with those that are cancelled and have not come home */
} state = {.queries = {&state.queries, &state.queries}};

/* --- the end of a query --- */

static void close_window(struct named_query *query)
{
    if (query->is_window_open && query->named->source->end != NULL) {
        query->named->source->end(&query->take);
    }
    query->is_window_open = false;
}

/* The next answer is compared with `latest`; it is empty afterwards. */
static void keep_base(struct named_query *query, struct stacks *latest)
{
    struct named_base *base = query->named->base;
    if (base == NULL) {
        return;
    }
    base->is_busy = false;
    if (state.loop != NULL) {
        base->stacks = *latest;
        *latest = (struct stacks){0};
    }
}

static void destroy(struct named_query *query)
{
    close_window(query);
    list_unlink(&query->link);
    state.query_count--;
    code_put(query->maps);
    stacks_deinit(&query->take.stacks);
    stacks_deinit(&query->first);
    stacks_deinit(&query->answer);
    free(query->data);
    free(query);
}

/* Nothing is out for the query any more. What was not answered counts for the next time. */
static void finish(struct named_query *query, int status)
{
    const named_done_fn done = query->done;
    void *arg = query->arg;
    const bool is_answered = status == 0 && done != NULL;
    char *data = is_answered ? query->data : NULL;
    const size_t len = query->len;
    query->data = is_answered ? NULL : query->data;
    keep_base(query, is_answered ? &query->take.stacks : &query->first);
    destroy(query);
    if (done != NULL) {
        done(arg, status, data, data == NULL ? 0 : len);
    }
}

/* --- on a worker thread --- */

/* Nothing has become less than none. */
static void clamp(struct stacks *stacks)
{
    for (size_t i = 0; i < stacks->sample_count; i++) {
        for (size_t v = 0; v < STACKS_VALUES_MAX; v++) {
            int64_t *value = &stacks->samples[i].values[v];
            *value = *value < 0 ? 0 : *value;
        }
    }
}

/* Values of the moment are not subtracted, and what grew smaller has not become less than none. */
static void subtract_since_last(struct named_query *query)
{
    struct stacks *base = &query->first;
    for (size_t i = 0; i < base->sample_count; i++) {
        for (size_t v = query->named->difference_count; v < STACKS_VALUES_MAX; v++) {
            base->samples[i].values[v] = 0;
        }
    }
    stacks_merge(&query->answer, &query->take.stacks, 1);
    stacks_merge(&query->answer, base, -1);
    clamp(&query->answer);
}

/* shown_type is the index of the values that readers show first. */
static size_t shown_type(const struct profile_spec *spec)
{
    for (size_t i = 0; i < spec->type_count && spec->default_type != NULL; i++) {
        if (strcmp(spec->types[i].type, spec->default_type) == 0) {
            return i;
        }
    }
    return spec->type_count - 1;
}

/* write_comment says what was lost; and how much is the profiler's own, which a reader would take
 * for the server's: on a small heap it is most of it. */
static void write_comment(const struct stacks *stacks, const struct profile_spec *spec, char *out)
{
    const size_t shown = shown_type(spec);
    double total = 0;
    double own = 0;
    for (size_t i = 0; i < stacks->sample_count; i++) {
        const struct stacks_sample *sample = &stacks->samples[i];
        total += (double)sample->values[shown];
        own += sample->labels.label == LABEL_PROFILER ? (double)sample->values[shown] : 0;
    }
    const int len = snprintf(out, COMMENT_BYTES, "toq: %zu stacks, %" PRIu64 " samples dropped",
                             stacks->sample_count, stacks->dropped);
    if (total > 0 && own >= total / 100) {
        (void)snprintf(out + len, COMMENT_BYTES - (size_t)len,
                       "; %.0f %% of %s is the profiler's own: -tagignore=toq=profiler hides it",
                       100 * own / total, spec->types[shown].type);
    }
}

static void encode(struct named_query *query)
{
    const struct source *source = query->named->source;
    struct stacks *stacks = &query->take.stacks;
    if (query->named->base != NULL) {
        subtract_since_last(query);
        stacks = &query->answer;
    } else if (query->has_first) {
        stacks_merge(stacks, &query->first, -1);
        if (source->is_growing) {
            clamp(stacks);
        }
    }
    /* Go leaves the default type out of differences; with it `go tool pprof` opens those of allocs
     * as allocs, and no scraper minds. */
    struct profile_spec spec = {0};
    source->describe(&spec);
    spec.time_ns = query->wall_ns;
    spec.duration_ns = query->duration_ns;
    if (query->options.is_text) {
        query->status = text_encode(source, stacks, &spec, &query->data, &query->len);
        return;
    }
    char comment[COMMENT_BYTES];
    write_comment(stacks, &spec, comment);
    query->status = encode_profile(stacks, &spec, query->maps, comment, &query->data, &query->len);
}

static void encode_work(struct pool_job *job)
{
    const uint32_t label = task_swap_label(LABEL_PROFILER);
    encode(CONTAINER_OF(job, struct named_query, job));
    (void)task_swap_label(label);
}

static void encode_done(struct pool_job *job, int status)
{
    struct named_query *query = CONTAINER_OF(job, struct named_query, job);
    finish(query, status == 0 ? query->status : status);
}

/* --- on the loop --- */

static void on_code_ready(struct code_wait *wait, int status)
{
    struct named_query *query = CONTAINER_OF(wait, struct named_query, code_wait);
    query->maps = status == 0 ? code_get() : NULL;
    query->state = QUERY_ENCODING;
    query->job.work = encode_work;
    query->job.done = encode_done;
    status = status == 0 ? pool_submit(state.pool, state.loop, &query->job) : status;
    if (status != 0) {
        finish(query, status);
    }
}

static int take(struct named_query *query)
{
    query->state = QUERY_TAKING;
    return query->named->source->take(state.loop, state.pool, &query->take);
}

static void on_seconds_over(struct wheel_timer *timer)
{
    struct named_query *query = CONTAINER_OF(timer, struct named_query, timer);
    const int status = take(query);
    if (status != 0) {
        finish(query, status);
    }
}

/* The first look of two: what it saw is subtracted later. */
static void wait_seconds(struct named_query *query)
{
    query->first = query->take.stacks;
    query->take.stacks = (struct stacks){0};
    query->has_first = true;
    query->start_ns = clock_now_ns();
    query->state = QUERY_WAITING;
    uv_update_time(loop_uv(state.loop)); /* the seconds begin now, not when the turn did */
    loop_set_timer(state.loop, &query->timer, query->options.seconds * 1000);
}

static void on_taken(struct source_take *taken, int status)
{
    struct named_query *query = CONTAINER_OF(taken, struct named_query, take);
    if (query->done == NULL || status != 0) {
        finish(query, query->done == NULL ? UV_ECANCELED : status);
        return;
    }
    if (query->options.seconds > 0 && !query->has_first) {
        wait_seconds(query);
        return;
    }
    close_window(query);
    query->wall_ns = clock_wall_ns();
    query->duration_ns = query->has_first ? clock_now_ns() - query->start_ns : 0;
    query->state = QUERY_REFRESHING;
    status = code_refresh(&query->code_wait);
    if (status != 0) {
        finish(query, status);
    }
}

/* --- the door --- */

void named_init(struct loop *loop, struct pool *pool)
{
    REQUIRE(state.loop == NULL);
    state.loop = loop;
    state.pool = pool;
}

static void cancel(struct named_query *query, int status)
{
    close_window(query);
    switch (query->state) {
    case QUERY_WAITING:
        wheel_unset(&query->timer);
        finish(query, status);
        return;
    case QUERY_REFRESHING:
        code_cancel(&query->code_wait);
        finish(query, status);
        return;
    case QUERY_ENCODING:
        (void)pool_cancel(&query->job); /* it comes home either way */
        return;
    case QUERY_TAKING:
        return; /* so does this */
    }
}

void named_cancel(struct named_query *query)
{
    REQUIRE(query->done != NULL);
    query->done = NULL;
    cancel(query, UV_ECANCELED);
}

void named_deinit(void)
{
    if (state.loop == NULL) {
        return;
    }
    state.loop = NULL;
    struct list doomed = {&doomed, &doomed}; /* `done` may cancel any of them */
    list_splice(&doomed, &state.queries);
    while (!list_is_empty(&doomed)) {
        struct named_query *query = CONTAINER_OF(doomed.next, struct named_query, link);
        list_unlink(&query->link);
        list_push_back(&state.queries, &query->link); /* those with a job stay until it returns */
        const named_done_fn done = query->done;
        void *arg = query->arg;
        query->done = NULL;
        cancel(query, UV_ECANCELED);
        if (done != NULL) {
            done(arg, UV_ECANCELED, NULL, 0);
        }
    }
    for (size_t i = 0; profiles[i].source != NULL; i++) {
        if (profiles[i].base != NULL) {
            stacks_deinit(&profiles[i].base->stacks);
        }
    }
}

const struct named *named_at(size_t position)
{
    return position + 1 < ARRAY_COUNT(profiles) ? &profiles[position] : NULL;
}

const struct named *named_find(struct str name)
{
    for (size_t i = 0; profiles[i].source != NULL; i++) {
        if (str_equal(name, str_from(named_name(&profiles[i])))) {
            return &profiles[i];
        }
    }
    return NULL;
}

const char *named_name(const struct named *named)
{
    return named->base == NULL ? named->source->name : named->since_last_name;
}

const char *named_description(const struct named *named)
{
    return named->source->description;
}

bool named_is_since_last(const struct named *named)
{
    return named->base != NULL;
}

bool named_has_traces(const struct named *named)
{
    return named->base == NULL && named->source->has_traces;
}

uint64_t named_count(const struct named *named)
{
    return named->source->count();
}

const char *named_check(const struct named *named)
{
    return named->source->check == NULL ? NULL : named->source->check();
}

static bool is_busy(const struct named *named)
{
    return state.query_count == NAMED_QUERIES_MAX || (named->base != NULL && named->base->is_busy);
}

static void borrow_base(struct named_query *query)
{
    struct named_base *base = query->named->base;
    if (base != NULL) {
        query->first = base->stacks;
        base->stacks = (struct stacks){0};
        base->is_busy = true;
    }
}

static void open_window(struct named_query *query)
{
    query->is_window_open = query->options.seconds > 0;
    if (query->is_window_open && query->named->source->begin != NULL) {
        query->named->source->begin(&query->take);
    }
}

int named_query(const struct named *named, const struct named_options *options, named_done_fn done,
                void *arg, struct named_query **ret_query)
{
    REQUIRE(state.loop != NULL && done != NULL);
    REQUIRE(options->seconds == 0 || (!options->is_text && named->base == NULL));
    REQUIRE(named_has_traces(named) || !trace_filter_is_on(&options->traces));
    if (is_busy(named)) {
        return UV_EBUSY;
    }
    struct named_query *query = calloc(1, sizeof(*query));
    if (query == NULL) {
        return UV_ENOMEM;
    }
    query->named = named;
    query->options = *options;
    query->done = done;
    query->arg = arg;
    query->take.done = on_taken;
    query->take.traces = options->traces;
    query->take.is_purging = options->is_purging;
    query->take.is_window = options->seconds > 0;
    query->take.is_raw = options->is_text;
    query->code_wait.done = on_code_ready;
    wheel_timer_init(&query->timer, on_seconds_over);
    list_push_back(&state.queries, &query->link);
    state.query_count++;
    borrow_base(query);
    open_window(query);
    const int status = take(query);
    if (status != 0) {
        keep_base(query, &query->first);
        destroy(query);
        return status;
    }
    *ret_query = query;
    return 0;
}
