/* SPDX-License-Identifier: MIT
 *
 * listings_load.c - loads by key, each with those that wait for it.
 *
 * The first who waits lends its task to the load, so that the time spent there is its route's. When
 * it leaves, the next one does.
 */
#include "handlers/listings/cache/listings_load.h"

#include <stdlib.h>

#include "core/base/clock.h"
#include "handlers/listings/model/listings_page.h"

#define ARENA_MAX_BYTES (16u << 20)
#define TELL_NS         NS_PER_MS  /* of answers to waiting requests in one turn of the loop */
#define JSON_MAX_BYTES  (8u << 20) /* a page of the longest listings takes about half */

/* What a load of either kind begins with. */
struct listings_load {
    struct list link;    /* in a bucket; in none: nobody can join it */
    struct list waiters; /* the first one's task is lent */
    struct listings_loads *loads;
    struct listings_loaded loaded;
    struct arena arena; /* of a page; of one listing that is kept from turn to turn */
    struct listing copy;
    struct buf json;
    int status; /* when it has ended */
    struct loop_deferred tell_more;
    bool is_page;
    bool is_ended; /* who waits is being told */
};

struct load_one {
    struct listings_load load;
    struct listings_get get;
    char texts[]; /* the key, the id */
};

struct load_page {
    struct listings_load load;
    struct listings_op op;
    struct listings_query query;
};

static const struct task_waker load_waker = {.kind = "load"};

static struct load_one *one_of(struct listings_load *load)
{
    return CONTAINER_OF(load, struct load_one, load);
}

static struct load_page *page_of(struct listings_load *load)
{
    return CONTAINER_OF(load, struct load_page, load);
}

static struct listings_waiter *first_of(struct listings_load *load)
{
    return CONTAINER_OF(load->waiters.next, struct listings_waiter, link);
}

static void free_load(struct listings_load *load)
{
    list_unlink(&load->link);
    buf_deinit(&load->json);
    arena_deinit(&load->arena);
    if (load->is_page) {
        free(page_of(load));
    } else {
        free(one_of(load));
    }
}

/* --- the end of a load --- */

static void tell(struct listings_waiter *waiter, int status, const struct listings_loaded *loaded)
{
    list_unlink(&waiter->link);
    waiter->load = NULL;
    if (waiter->task != NULL) {
        task_unpark(waiter->task);
    }
    task_awaited(waiter->task, load_waker);
    struct task *previous = task_enter(waiter->task);
    waiter->on_loaded(waiter, status, loaded);
    task_leave(previous);
}

/* keep_listing copies what is borrowed until the end of this call, for those who are told later. */
static int keep_listing(struct listings_load *load)
{
    const struct listing *listing = load->loaded.listing;
    if (load->status < 0 || listing == NULL || listing == &load->copy) {
        return 0;
    }
    load->copy = *listing;
    load->loaded.listing = &load->copy;
    bool is_kept = arena_copy(&load->arena, listing->id, &load->copy.id);
    for (int f = 0; f < LISTING_FIELD_COUNT; f++) {
        is_kept = is_kept &&
                  arena_copy(&load->arena, listing->fields[f].text, &load->copy.fields[f].text);
    }
    return is_kept ? 0 : UV_ENOMEM;
}

/* tell_some tells those who wait, as long as there is time in this turn, and frees the load after
 * the last one: an answer may be of megabytes, and hundreds may wait for it. */
static void tell_some(struct listings_load *load)
{
    const uint64_t start_ns = list_has_many(&load->waiters) ? clock_now_ns() : 0;
    while (!list_is_empty(&load->waiters)) {
        tell(first_of(load), load->status, load->status == 0 ? &load->loaded : NULL);
        if (!list_is_empty(&load->waiters) && clock_now_ns() - start_ns >= TELL_NS) {
            const int status = keep_listing(load);
            load->status = status < 0 ? status : load->status;
            loop_defer(load->loads->gather.loop, &load->tell_more);
            return;
        }
    }
    free_load(load);
}

static void run_tell_more(struct loop_deferred *deferred)
{
    tell_some(CONTAINER_OF(deferred, struct listings_load, tell_more));
}

/* end takes load->json as what it brought, if status is 0. */
static void end(struct listings_load *load, int status)
{
    load->is_ended = true;
    list_unlink(&load->link); /* who comes now starts another one */
    load->status = status == 0 && load->json.is_failed ? UV_ENOMEM : status;
    if (load->status == 0) {
        load->loaded.json = (struct str){load->json.data, load->json.len};
        load->loads->on_load(load->loads, &load->loaded);
    }
    tell_some(load);
}

static bool wants_json(const struct listings_load *load)
{
    bool is_wanted = load->loaded.is_kept;
    for (const struct list *pos = load->waiters.next; !is_wanted && pos != &load->waiters;
         pos = pos->next) {
        is_wanted = !CONTAINER_OF(pos, struct listings_waiter, link)->takes_listing;
    }
    return is_wanted;
}

static void on_got(struct listings_get *get, int status, const struct listing *listing)
{
    struct listings_load *load = &CONTAINER_OF(get, struct load_one, get)->load;
    if (status == 0) {
        load->loaded.listing = listing;
        load->loaded.version = listing->version;
    }
    if (status == 0 && wants_json(load)) {
        listing_to_json(listing, &load->json);
        buf_append_char(&load->json, '\n');
    }
    end(load, status);
}

static void on_listed(struct listings_op *op, int status)
{
    struct load_page *page = CONTAINER_OF(op, struct load_page, op);
    if (status == 0) {
        listings_page_to_json(&page->load.arena, &page->query, &op->page, &page->load.json);
    }
    end(&page->load, status);
}

/* --- its beginning --- */

static struct list *bucket_of(struct listings_loads *loads, struct str key)
{
    return &loads->buckets[str_hash(key) % LISTINGS_LOAD_BUCKETS];
}

static struct listings_load *find(struct list *bucket, struct str key)
{
    struct list *pos;
    struct list *tmp;
    LIST_FOR_EACH(pos, tmp, bucket)
    {
        struct listings_load *load = CONTAINER_OF(pos, struct listings_load, link);
        if (str_equal(load->loaded.key, key)) {
            return load;
        }
    }
    return NULL;
}

/* init prepares what both kinds have; the key is not copied. */
static void init(struct listings_load *load, struct listings_loads *loads,
                 const struct listings_wish *wish)
{
    list_init(&load->link);
    list_init(&load->waiters);
    list_init(&load->tell_more.link);
    load->tell_more.run = run_tell_more;
    arena_init(&load->arena, ARENA_MAX_BYTES);
    buf_init(&load->json, JSON_MAX_BYTES);
    load->loads = loads;
    load->is_page = wish->query != NULL;
    load->loaded.key = wish->key;
    load->loaded.is_kept = wish->is_kept;
    load->loaded.start_ns = clock_now_ns();
}

static int start_one(struct listings_loads *loads, const struct listings_wish *wish,
                     struct task *task, struct listings_load **ret_load)
{
    struct load_one *one = calloc(1, sizeof(*one) + wish->key.len + wish->id.len);
    if (one == NULL) {
        return UV_ENOMEM;
    }
    init(&one->load, loads, wish);
    (void)str_put(str_put(one->texts, wish->key), wish->id);
    one->load.loaded.key.ptr = one->texts;
    one->get.id = (struct str){one->texts + wish->key.len, wish->id.len};
    one->get.task = task;
    one->get.on_got = on_got;
    const int status = listings_gather_start(&loads->gather, &one->get);
    if (status < 0) {
        free_load(&one->load);
        return status;
    }
    *ret_load = &one->load;
    return 0;
}

static int start_page(struct listings_loads *loads, const struct listings_wish *wish,
                      struct task *task, struct listings_load **ret_load)
{
    struct load_page *page = calloc(1, sizeof(*page));
    if (page == NULL) {
        return UV_ENOMEM;
    }
    init(&page->load, loads, wish);
    page->op.arena = &page->load.arena;
    page->op.task = task;
    page->op.on_done = on_listed;
    int status = UV_ENOMEM;
    if (arena_copy(&page->load.arena, wish->key, &page->load.loaded.key) &&
        listings_page_copy(&page->load.arena, wish->query, &page->query)) {
        status = listings_store_list(loads->gather.sql, &page->op, &page->query);
    }
    if (status < 0) {
        free_load(&page->load);
        return status;
    }
    *ret_load = &page->load;
    return 0;
}

static void wait_for(struct listings_load *load, struct listings_waiter *waiter)
{
    list_push_back(&load->waiters, &waiter->link);
    waiter->load = load;
    task_await(waiter->task, load_waker);
}

int listings_load_join(struct listings_loads *loads, struct listings_waiter *waiter,
                       const struct listings_wish *wish)
{
    struct list *bucket = bucket_of(loads, wish->key);
    struct listings_load *load = find(bucket, wish->key);
    if (load != NULL) {
        wait_for(load, waiter);
        if (waiter->task != NULL) { /* who waits already began it */
            task_note(waiter->task, task_note_batch, TASK_BATCH_SHARED);
            task_park_for(waiter->task, "mysql",
                          load->is_page ? "listings.list" : "listings.lookup", clock_now_ns());
        }
        return 1;
    }
    const int status = wish->query == NULL ? start_one(loads, wish, waiter->task, &load)
                                           : start_page(loads, wish, waiter->task, &load);
    if (status < 0) {
        return status;
    }
    wait_for(load, waiter);
    list_push_back(bucket, &load->link);
    return 0;
}

/* --- who leaves --- */

/* lend_task lets the load go on for another one who waits. */
static void lend_task(struct listings_load *load, struct task *task)
{
    if (load->is_page) {
        page_of(load)->op.task = task;
        sql_query_lend(&page_of(load)->op.query, task);
    } else {
        listings_gather_lend(&one_of(load)->get, task);
    }
}

static void cancel(struct listings_load *load)
{
    if (load->is_page) {
        listings_store_cancel(&page_of(load)->op);
    } else {
        listings_gather_cancel(&one_of(load)->get);
    }
    free_load(load);
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
    task_awaited(waiter->task, load_waker);
    if (load->is_ended) {
        return;
    }
    if (list_is_empty(&load->waiters)) {
        cancel(load);
    } else if (is_first) {
        lend_task(load, first_of(load)->task);
    }
}

void listings_loads_forget(struct listings_loads *loads, struct str key)
{
    struct listings_load *load = find(bucket_of(loads, key), key);
    if (load != NULL) {
        list_unlink(&load->link);
    }
}

int listings_loads_init(struct listings_loads *loads, const struct listings_loads_options *options)
{
    loads->on_load = options->on_load;
    for (size_t i = 0; i < LISTINGS_LOAD_BUCKETS; i++) {
        list_init(&loads->buckets[i]);
    }
    return listings_gather_init(&loads->gather, options->loop, options->sql, options->metrics);
}
