/* SPDX-License-Identifier: MIT
 *
 * listings_load.c - loads by key, each with those that wait for it.
 *
 * The first who waits lends its task to the query, so that the time spent there is its route's. When
 * it leaves, the next one does.
 */
#include "handlers/listings_load.h"

#include <stdlib.h>

#include "core/base/clock.h"
#include "handlers/listings_page.h"

#define ARENA_MAX_BYTES (16u << 20)
#define JSON_MAX_BYTES  (8u << 20) /* a page of the longest listings takes about half */

struct listings_load {
    struct list link;    /* in a bucket; in none: nobody can join it */
    struct list waiters; /* the first one's task is the query's */
    struct listings_loads *loads;
    struct arena arena;
    struct listings_op op;
    struct listings_query query; /* of a page */
    bool is_page;
    bool is_ended; /* who waits is being told */
    struct buf json;
    struct listings_loaded loaded;
};

static struct listings_waiter *first_of(struct listings_load *load)
{
    return CONTAINER_OF(load->waiters.next, struct listings_waiter, link);
}

static void free_load(struct listings_load *load)
{
    list_unlink(&load->link);
    buf_deinit(&load->json);
    arena_deinit(&load->arena);
    free(load);
}

/* --- the end of a load --------------------------------------------------------------------------- */

static int print(struct listings_load *load)
{
    if (load->is_page) {
        listings_page_to_json(&load->arena, &load->query, &load->op.page, &load->json);
    } else {
        listing_to_json(&load->op.listing, &load->json);
        buf_append_char(&load->json, '\n');
        load->loaded.version = load->op.listing.version;
    }
    load->loaded.json = buf_str(&load->json);
    return load->json.is_failed ? UV_ENOMEM : 0;
}

static void tell(struct listings_waiter *waiter, int status, const struct listings_loaded *loaded)
{
    list_unlink(&waiter->link);
    waiter->load = NULL;
    if (waiter->task != NULL) {
        task_unpark(waiter->task);
    }
    struct task *previous = task_enter(waiter->task);
    waiter->on_loaded(waiter, status, loaded);
    task_leave(previous);
}

static void on_done(struct listings_op *op, int status)
{
    struct listings_load *load = CONTAINER_OF(op, struct listings_load, op);
    load->is_ended = true;
    list_unlink(&load->link); /* who comes now starts another one */
    if (status == 0) {
        status = print(load);
    }
    if (status == 0) {
        load->loads->on_load(load->loads, &load->loaded);
    }
    while (!list_is_empty(&load->waiters)) {
        tell(first_of(load), status, status == 0 ? &load->loaded : NULL);
    }
    free_load(load);
}

/* --- its beginning ------------------------------------------------------------------------------- */

static struct list *bucket_of(struct listings_loads *loads, struct str key)
{
    return &loads->buckets[str_hash(key) % LISTINGS_LOAD_BUCKETS];
}

static struct listings_load *find(struct listings_loads *loads, struct str key)
{
    struct list *pos;
    struct list *tmp;
    LIST_FOR_EACH(pos, tmp, bucket_of(loads, key))
    {
        struct listings_load *load = CONTAINER_OF(pos, struct listings_load, link);
        if (str_equal(load->loaded.key, key)) {
            return load;
        }
    }
    return NULL;
}

static struct listings_load *create(struct listings_loads *loads, const struct listings_wish *wish)
{
    struct listings_load *load = calloc(1, sizeof(*load));
    if (load == NULL) {
        return NULL;
    }
    list_init(&load->link);
    list_init(&load->waiters);
    arena_init(&load->arena, ARENA_MAX_BYTES);
    buf_init(&load->json, JSON_MAX_BYTES);
    load->loads = loads;
    load->is_page = wish->query != NULL;
    load->loaded.is_kept = wish->is_kept;
    load->loaded.start_ns = clock_now_ns();
    load->op.arena = &load->arena;
    load->op.on_done = on_done;
    const bool is_copied =
        arena_copy(&load->arena, wish->key, &load->loaded.key) &&
        (load->is_page ? listings_page_copy(&load->arena, wish->query, &load->query)
                       : arena_copy(&load->arena, wish->id, &load->op.listing.id));
    if (!is_copied) {
        free_load(load);
        return NULL;
    }
    return load;
}

static int start_load(struct listings_load *load, struct task *task)
{
    struct listings_op *op = &load->op;
    const struct str id = op->listing.id;
    op->task = task;
    return load->is_page ? listings_store_list(load->loads->sql, op, &load->query)
                         : listings_store_get(load->loads->sql, op, id);
}

static void wait_for(struct listings_load *load, struct listings_waiter *waiter)
{
    list_push_back(&load->waiters, &waiter->link);
    waiter->load = load;
}

int listings_load_join(struct listings_loads *loads, struct listings_waiter *waiter,
                       const struct listings_wish *wish)
{
    struct listings_load *load = find(loads, wish->key);
    if (load != NULL) {
        wait_for(load, waiter);
        if (waiter->task != NULL) {
            task_park(waiter->task, "mysql");
        }
        return 1;
    }
    load = create(loads, wish);
    if (load == NULL) {
        return UV_ENOMEM;
    }
    const int status = start_load(load, waiter->task);
    if (status < 0) {
        free_load(load);
        return status;
    }
    wait_for(load, waiter);
    list_push_back(bucket_of(loads, load->loaded.key), &load->link);
    return 0;
}

/* lend_task lets the query go on for another one who waits. */
static void lend_task(struct listings_load *load, struct task *task)
{
    load->op.task = task;
    load->op.query.task = task;
}

void listings_load_leave(struct listings_waiter *waiter)
{
    struct listings_load *load = waiter->load;
    if (load == NULL) {
        return;
    }
    const bool is_first = first_of(load) == waiter;
    list_unlink(&waiter->link);
    waiter->load = NULL;
    if (load->is_ended) {
        return;
    }
    if (list_is_empty(&load->waiters)) {
        listings_store_cancel(&load->op);
        free_load(load);
    } else if (is_first) {
        lend_task(load, first_of(load)->task);
    }
}

void listings_loads_forget(struct listings_loads *loads, struct str key)
{
    struct listings_load *load = find(loads, key);
    if (load != NULL) {
        list_unlink(&load->link);
    }
}

void listings_loads_init(struct listings_loads *loads, struct sql *sql,
                         void (*on_load)(struct listings_loads *loads,
                                         const struct listings_loaded *loaded))
{
    loads->sql = sql;
    loads->on_load = on_load;
    for (size_t i = 0; i < LISTINGS_LOAD_BUCKETS; i++) {
        list_init(&loads->buckets[i]);
    }
}
