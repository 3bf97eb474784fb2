/* SPDX-License-Identifier: MIT
 *
 * listings_gather.c - the gets that wait, and the queries that read their listings.
 *
 * The first get of a query lends it its task, so that the time spent there is its route's. When it
 * leaves, the next one does.
 */
#include "handlers/listings/cache/listings_gather.h"

#include "core/base/clock.h"

#define ARENA_MAX_BYTES (16u << 20)
#define TELL_NS         NS_PER_MS /* of answers to waiting requests in one turn of the loop */

static const struct task_waker gather_waker = {.kind = "batch"};

static struct listings_get *first_of(const struct list *gets)
{
    return CONTAINER_OF(gets->next, struct listings_get, link);
}

static struct listings_gather_query *first_idle(const struct listings_gather *gather)
{
    return CONTAINER_OF(gather->idle.next, struct listings_gather_query, link);
}

static bool may_send(const struct listings_gather *gather)
{
    return !list_is_empty(&gather->waiting) && !list_is_empty(&gather->idle);
}

static void flush_later(struct listings_gather *gather)
{
    if (may_send(gather)) {
        loop_defer(gather->loop, &gather->flush);
    }
}

/* --- the end of a query --- */

static void tell(struct listings_get *get, int status, const struct listing *listing)
{
    list_unlink(&get->link);
    wheel_unset(&get->timer);
    get->gather = NULL;
    if (get->task != NULL) {
        task_unpark(get->task);
    }
    task_awaited(get->task, gather_waker);
    struct task *previous = task_enter(get->task);
    get->on_got(get, status, listing);
    task_leave(previous);
}

static void release(struct listings_gather_query *query)
{
    arena_deinit(&query->arena);
    list_push_back(&query->gather->idle, &query->link);
    flush_later(query->gather);
}

/* tell_some tells those who wait, as long as there is time in this turn. */
static void tell_some(struct listings_gather_query *query)
{
    const uint64_t start_ns = list_has_many(&query->gets) ? clock_now_ns() : 0;
    while (!list_is_empty(&query->gets)) {
        struct listings_get *get = first_of(&query->gets);
        const int status = query->status;
        const struct listing *listing =
            status < 0 ? NULL : listings_lookup_find(&query->lookup, get->id);
        tell(get, status == 0 && listing == NULL ? UV_ENOENT : status, listing);
        if (!list_is_empty(&query->gets) && clock_now_ns() - start_ns >= TELL_NS) {
            loop_defer(query->gather->loop, &query->tell_more);
            return;
        }
    }
    release(query);
}

static void run_tell_more(struct loop_deferred *deferred)
{
    tell_some(CONTAINER_OF(deferred, struct listings_gather_query, tell_more));
}

static void end(struct listings_gather_query *query, int status)
{
    query->is_ended = true;
    query->status = status;
    tell_some(query);
}

static void on_looked_up(struct listings_lookup *lookup, int status)
{
    end(lookup->arg, status);
}

/* --- its beginning --- */

/* take_waiting moves gets that wait to the query. Returns: how many. */
static size_t take_waiting(struct listings_gather_query *query, struct str *ids)
{
    struct list *waiting = &query->gather->waiting;
    size_t count = 0;
    while (count < LISTINGS_LOOKUP_MAX && !list_is_empty(waiting)) {
        struct listings_get *get = first_of(waiting);
        list_unlink(&get->link);
        list_push_back(&query->gets, &get->link);
        get->query = query;
        memcpy(query->ids[count], get->id.ptr, LISTING_ID_LEN);
        ids[count] = (struct str){query->ids[count], LISTING_ID_LEN};
        count++;
    }
    query->gather->waiting_count -= count;
    return count;
}

/* tell_batch says in the trails of several gets that they share a query, and which; and what they
 * wait for, but of the first, whose task the query has. */
static void tell_batch(struct listings_gather_query *query, size_t count)
{
    const uint64_t batch = query->gather->query_count << 16 | count;
    const struct listings_get *first = first_of(&query->gets);
    for (struct list *pos = query->gets.next; count > 1 && pos != &query->gets; pos = pos->next) {
        const struct listings_get *get = CONTAINER_OF(pos, struct listings_get, link);
        if (get->task != NULL) {
            task_note(get->task, task_note_batch, batch);
        }
        if (get->task != NULL && get != first) {
            task_park_for(get->task, "mysql", "listings.lookup", clock_now_ns());
        }
    }
}

static void send_waiting(struct listings_gather_query *query)
{
    struct str ids[LISTINGS_LOOKUP_MAX];
    list_unlink(&query->link);
    query->is_ended = false;
    query->gather->query_count++;
    const size_t count = take_waiting(query, ids);
    tell_batch(query, count);
    query->lookup = (struct listings_lookup){
        .arena = &query->arena,
        .task = first_of(&query->gets)->task,
        .on_done = on_looked_up,
        .arg = query,
    };
    arena_init(&query->arena, ARENA_MAX_BYTES);
    const int status = listings_lookup_start(query->gather->sql, &query->lookup, ids, count);
    if (status < 0) {
        end(query, status);
    }
}

static void flush(struct loop_deferred *deferred)
{
    struct listings_gather *gather = CONTAINER_OF(deferred, struct listings_gather, flush);
    while (may_send(gather)) {
        send_waiting(first_idle(gather));
    }
}

static void on_timeout(struct wheel_timer *timer)
{
    struct listings_get *get = CONTAINER_OF(timer, struct listings_get, timer);
    listings_gather_cancel(get);
    task_await(get->task, gather_waker); /* tell takes it back */
    tell(get, UV_ETIMEDOUT, NULL);
}

int listings_gather_start(struct listings_gather *gather, struct listings_get *get)
{
    if (gather->waiting_count == LISTINGS_GATHER_WAITING) {
        return UV_EBUSY;
    }
    get->gather = gather;
    get->query = NULL;
    get->is_late = list_is_empty(&gather->idle);
    task_await(get->task, gather_waker);
    if (get->task != NULL) {
        task_park(get->task, get->is_late ? "mysql pool" : "mysql");
    }
    list_push_back(&gather->waiting, &get->link);
    gather->waiting_count++;
    wheel_timer_init(&get->timer, on_timeout);
    loop_set_timer(gather->loop, &get->timer, sql_query_timeout_ms(gather->sql));
    flush_later(gather);
    return 0;
}

/* --- who leaves --- */

static void lend(struct listings_gather_query *query, struct task *task)
{
    query->lookup.task = task;
    sql_query_lend(&query->lookup.query, task);
}

void listings_gather_lend(struct listings_get *get, struct task *task)
{
    struct listings_gather_query *query = get->query;
    task_await(task, gather_waker);
    task_awaited(get->task, gather_waker);
    get->task = task;
    if (query != NULL && first_of(&query->gets) == get) {
        lend(query, task);
    }
}

static void leave_query(struct listings_gather_query *query)
{
    if (query->is_ended) {
        return;
    }
    if (list_is_empty(&query->gets)) {
        listings_lookup_cancel(&query->lookup);
        release(query);
    } else {
        lend(query, first_of(&query->gets)->task);
    }
}

void listings_gather_cancel(struct listings_get *get)
{
    if (get->gather == NULL) {
        return;
    }
    list_unlink(&get->link);
    wheel_unset(&get->timer);
    task_awaited(get->task, gather_waker);
    if (get->query == NULL) {
        get->gather->waiting_count--;
    } else {
        leave_query(get->query);
    }
    get->gather = NULL;
}

/* --- opening --- */

static const struct metric_row metric_rows[] = {
    {"toq_listings_gather_queries_total", "Queries that read listings by id, many each.",
     METRIC_COUNTER, METRIC_FIELD(struct listings_gather, query_count)},
    {"toq_listings_gather_waiting", "Reads by id that wait for such a query to begin.",
     METRIC_GAUGE, METRIC_FIELD(struct listings_gather, waiting_count)},
};

static int register_metrics(struct listings_gather *gather, struct metrics *metrics)
{
    return metrics_export(metrics, &(struct metrics_export){
                                       .rows = metric_rows,
                                       .row_count = ARRAY_COUNT(metric_rows),
                                       .arg = gather,
                                   });
}

int listings_gather_init(struct listings_gather *gather, struct loop *loop, struct sql *sql,
                         struct metrics *metrics)
{
    *gather = (struct listings_gather){.loop = loop, .sql = sql, .flush = {.run = flush}};
    list_init(&gather->waiting);
    list_init(&gather->idle);
    list_init(&gather->flush.link);
    for (size_t i = 0; i < LISTINGS_GATHER_RUNNING; i++) {
        struct listings_gather_query *query = &gather->queries[i];
        query->gather = gather;
        query->tell_more.run = run_tell_more;
        list_init(&query->tell_more.link);
        list_init(&query->gets);
        list_init(&query->link);
        list_push_back(&gather->idle, &query->link);
    }
    return register_metrics(gather, metrics);
}
